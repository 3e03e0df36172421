"""The exchange dialect of OKX API v5, as the venue speaks it."""
