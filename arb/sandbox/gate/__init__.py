"""The exchange dialect of Gate APIv4, as the venue speaks it."""
