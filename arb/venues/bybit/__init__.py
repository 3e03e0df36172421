"""Bybit API v5, public data only: everything that is particular to this venue."""
