"""The sandbox's dialect of Bybit: API v5, spot, on a unified account."""
