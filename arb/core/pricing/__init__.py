"""Exact arithmetic of an arbitrage: depth, terms, sizes, spread, plan. Pure functions of numbers."""
