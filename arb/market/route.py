"""A route: what is bought at one venue and sold at another."""

Route = tuple[str, str, str]
"""(symbol, buy venue, sell venue)."""
