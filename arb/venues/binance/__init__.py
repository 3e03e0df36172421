"""Binance spot: everything that is particular to this venue."""
