"""Bybit API v5: everything that is particular to this venue."""
