"""arb: a cross-exchange arbitrage engine that never loses track of a leg, a fill or a cent."""

__version__ = "0.1.0"
