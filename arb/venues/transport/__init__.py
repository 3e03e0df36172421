"""What carries bytes: HTTP requests, pooled connections, websockets. Addresses are handed in; no venue is known here."""
