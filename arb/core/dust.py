"""Dust: base left over by pairs, below every legal order, pooled per symbol until it can be sold.

Each remainder enters the pool with the quote value its pair booked it at, so that selling it later only books the
difference. Base carried on purpose, or because no venue takes it, lies in the same pool; what exceeds the dust limits counts
as unhedged exposure.
"""

from decimal import Decimal

import msgspec

ZERO = Decimal(0)


class Remainder(msgspec.Struct, frozen=True):
    """Pooled base (below zero: missing), what it was booked at in sum, and since when some has been there."""

    size: Decimal
    booked: Decimal
    since_ns: int


class Excess(msgspec.Struct, frozen=True):
    """What of an asset lies beyond dust."""

    size: Decimal
    value: Decimal
    since_ns: int


class DustPool:
    """All remainders, by symbol."""

    def __init__(self, dust_total_max_quote: Decimal) -> None:
        self._max = dust_total_max_quote
        self._pool: dict[str, Remainder] = {}
        self._carried: dict[str, Excess] = {}

    def add(self, symbol: str, size: Decimal, booked: Decimal, now_ns: int) -> None:
        """Pool a remainder booked at `booked` quote in sum."""
        held = self._pool.get(symbol)
        if held is None:
            self._pool[symbol] = Remainder(size, booked, now_ns)
        else:
            self._pool[symbol] = Remainder(held.size + size, held.booked + booked, held.since_ns)

    def take(self, symbol: str) -> Remainder:
        """Take everything pooled of a symbol out, to be traded away."""
        return self._pool.pop(symbol, Remainder(ZERO, ZERO, 0))

    def pooled(self, symbol: str) -> Remainder:
        """Return what is pooled of a symbol."""
        return self._pool.get(symbol, Remainder(ZERO, ZERO, 0))

    def symbols(self) -> list[str]:
        """Return the symbols of which something is pooled."""
        return sorted(symbol for symbol, held in self._pool.items() if held.size)

    def sizes(self) -> dict[str, Decimal]:
        """Return the pooled base per asset."""
        sizes: dict[str, Decimal] = {}
        for symbol, held in self._pool.items():
            base = symbol.split("/")[0]
            sizes[base] = sizes.get(base, ZERO) + held.size
        return sizes

    def total(self) -> Decimal:
        """Return the booked value of all dust, without signs."""
        return sum((abs(held.booked) for held in self._pool.values()), ZERO)

    def carry(self, symbol: str, size: Decimal, booked: Decimal, now_ns: int) -> None:
        """Note base that a pair had to leave unhedged."""
        base = symbol.split("/")[0]
        held = self._carried.get(base, Excess(ZERO, ZERO, now_ns))
        self._carried[base] = Excess(held.size + size, held.value + abs(booked), held.since_ns)

    def beyond_dust(self) -> dict[str, Excess]:
        """Return what counts as unhedged: everything carried, and the pool when it exceeds the limit in sum."""
        excess = dict(self._carried)
        if self.total() > self._max:
            for symbol, held in self._pool.items():
                base = symbol.split("/")[0]
                excess.setdefault(base, Excess(held.size, abs(held.booked), held.since_ns))
        return excess
