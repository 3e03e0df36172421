"""The carriers of bytes: HTTP requests, pooled connections, websockets. Callers pass addresses; no venue is known here."""
