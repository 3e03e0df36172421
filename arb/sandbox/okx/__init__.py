"""The exchange dialect of OKX API v5."""
