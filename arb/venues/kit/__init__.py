"""Shared by all adapters: clients, gateway, feed, private stream, dialect, order forms."""
