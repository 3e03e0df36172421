"""What all adapters share: clients, gateway, feed, private stream, dialect, order forms."""
