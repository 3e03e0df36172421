"""Bitget API v2: everything that is particular to this venue."""
