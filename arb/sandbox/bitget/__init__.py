"""The exchange dialect of Bitget API v2."""
