"""Dust: base left over by pairs, below every legal order, pooled per symbol until it can be sold.

Each remainder enters the pool with the quote value its pair booked it at, so that selling it later only books the
difference. Base carried on purpose, or because no venue takes it, lies in the same pool; what exceeds the dust limits counts
as unhedged exposure.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from decimal import Decimal

import msgspec

from arb.core.records import Residual, ResidualsRecord
from arb.market.numbers import ZERO
from arb.market.symbol import Symbol


class Excess(msgspec.Struct, frozen=True):
    """What of an asset lies beyond dust."""

    size: Decimal
    value: Decimal
    since_ns: int


class Residuals:
    """All remainders, by symbol."""

    def __init__(self, dust_total_max_quote: Decimal) -> None:
        self._max = dust_total_max_quote
        self._residuals: dict[str, Residual] = {}
        self._carried: dict[str, Residual] = {}
        # What lies on accounts that are not connected now, but may be another time.
        self._away_pool: tuple[Residual, ...] = ()
        self._away_carried: tuple[Residual, ...] = ()

    def restore(self, record: ResidualsRecord, present: Set[str], may_return: Callable[[str], bool]) -> list[Residual]:
        """Take up what the journal last said to lie on `present` accounts alone; return the rest.

        Of that is kept for a later start, untouched, what lies on accounts that are present or `may_return`.
        """
        elsewhere: list[Residual] = []

        def taken_up(told: Iterable[Residual], kept: dict[str, Residual]) -> tuple[Residual, ...]:
            away: list[Residual] = []
            for held in told:
                account_ids = held.account_ids or record.account_ids
                if present >= set(account_ids):
                    _add(kept, held)
                    continue
                elsewhere.append(held)
                if all(name in present or may_return(name) for name in account_ids):
                    away.append(msgspec.structs.replace(held, account_ids=account_ids))
            return tuple(away)

        self._away_carried = taken_up(record.carried, self._carried)
        self._away_pool = taken_up(record.dust, self._residuals)
        return elsewhere

    def record(self, account_ids: tuple[str, ...]) -> ResidualsRecord:
        """Return the row a restart takes up."""
        dust, carried = (
            tuple(held for _, held in sorted(kept.items()) if held.size) for kept in (self._residuals, self._carried)
        )
        return ResidualsRecord(
            account_ids=account_ids, dust=(*dust, *self._away_pool), carried=(*carried, *self._away_carried)
        )

    def add(self, left: Residual) -> None:
        """Pool a remainder."""
        _add(self._residuals, left)

    def take(self, symbol: str) -> Residual:
        """Take everything pooled of a symbol out, to be traded away."""
        return self._residuals.pop(symbol, _nothing(symbol))

    def pooled(self, symbol: str) -> Residual:
        """Return what is pooled of a symbol."""
        return self._residuals.get(symbol, _nothing(symbol))

    def symbols(self) -> list[str]:
        """Return the symbols of which something is pooled."""
        return sorted(symbol for symbol, held in self._residuals.items() if held.size)

    def sizes(self) -> dict[str, Decimal]:
        """Return the pooled base per asset."""
        sizes: dict[str, Decimal] = {}
        for symbol, held in self._residuals.items():
            base = Symbol.of(symbol).base
            sizes[base] = sizes.get(base, ZERO) + held.size
        return sizes

    def total(self) -> Decimal:
        """Return the booked value of all dust, without signs."""
        return sum((abs(held.booked) for held in self._residuals.values()), ZERO)

    def carry(self, left: Residual) -> None:
        """Note base that a pair had to leave unhedged."""
        _add(self._carried, left)

    def carried(self, symbol: str) -> Residual:
        """Return what is carried of a symbol."""
        return self._carried.get(symbol, _nothing(symbol))

    def take_carried(self, symbol: str) -> Residual:
        """Take everything carried of a symbol out, to be traded away."""
        return self._carried.pop(symbol, _nothing(symbol))

    def carried_symbols(self) -> list[str]:
        """Return the symbols of which something is carried."""
        return sorted(symbol for symbol, held in self._carried.items() if held.size)

    def beyond_dust(self) -> dict[str, Excess]:
        """Return what counts as unhedged, by asset: everything carried, and the pool when it exceeds the limit in sum."""
        excess: dict[str, Excess] = {}
        for held in self._beyond():
            base = Symbol.of(held.symbol).base
            before = excess.get(base, Excess(ZERO, ZERO, held.since_ns))
            since_ns = min(before.since_ns, held.since_ns)
            excess[base] = Excess(before.size + held.size, before.value + abs(held.booked), since_ns)
        return excess

    def unhedged(self, *, symbol: str | None = None, base: str | None = None) -> Decimal:
        """Return the quote value, without signs, of what lies beyond dust: in all, of one symbol, or of one base."""
        return sum(
            (
                abs(held.booked)
                for held in self._beyond()
                if symbol in (None, held.symbol) and base in (None, Symbol.of(held.symbol).base)
            ),
            ZERO,
        )

    def _beyond(self) -> Iterator[Residual]:
        yield from (held for held in self._carried.values() if held.size)
        if self.total() > self._max:
            yield from (held for held in self._residuals.values() if held.size)


def _add(kept: dict[str, Residual], left: Residual) -> None:
    before = kept.get(left.symbol, _nothing(left.symbol))
    since_ns, accounts = (before.since_ns, before.account_ids) if before.size else (left.since_ns, ())
    kept[left.symbol] = Residual(
        left.symbol,
        before.size + left.size,
        before.booked + left.booked,
        since_ns,
        tuple(sorted({*accounts, *left.account_ids})),
    )


def _nothing(symbol: str) -> Residual:
    return Residual(symbol, ZERO, ZERO, 0)
