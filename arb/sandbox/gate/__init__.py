"""The exchange dialect of Gate APIv4."""
