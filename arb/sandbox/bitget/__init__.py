"""The exchange dialect of Bitget API v2, as the venue speaks it."""
