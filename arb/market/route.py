"""A route: a symbol with its buy venue and its sell venue."""

Route = tuple[str, str, str]
"""(symbol, buy venue, sell venue)."""
