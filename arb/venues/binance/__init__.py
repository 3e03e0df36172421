"""Binance spot, public data only: everything that is particular to this venue."""
