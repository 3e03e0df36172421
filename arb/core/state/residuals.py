"""The residuals of closed pairs, by symbol: dust (no legal order at the pair's venues, or planned as residual) and base
carried unhedged.

Dust of many pairs adds up until it is a legal order. Each residual is kept with the quote value its pair booked it at, so a
later trade of it books only the difference. A pair carries base when no legal order for it existed at any venue, or the policy
is to hold; it counts as unhedged. The dust of a symbol counts as unhedged only where it is worth more than `dust_max_quote`,
once all such dust is worth more than `dust_total_max_quote`. Small dust of many symbols is traded away at that sum
(`core/trades/closing.py`), and the part that no venue takes halts nothing.
"""

from collections.abc import Callable, Iterable, Set
from decimal import Decimal

import msgspec

from arb.core.messages.recovery_records import Residual, ResidualsRecord
from arb.market.numbers import ZERO
from arb.market.symbol import Symbol


class Unhedged(msgspec.Struct, frozen=True):
    """The unhedged base of one asset: its size, its booked value in quote without sign, and since when."""

    size: Decimal
    value: Decimal
    since_ns: int


class Residuals:
    """Dust and carried base of closed pairs; sizes below zero are base that is missing."""

    def __init__(self, dust_max_quote: Callable[[str], Decimal], dust_total_max_quote: Decimal) -> None:
        self._dust_max = dust_max_quote
        self._dust_total_max = dust_total_max_quote
        self._dust: dict[str, Residual] = {}
        self._carried: dict[str, Residual] = {}
        # The residuals that count as unhedged, None until recomputed: each decision asks.
        self._unhedged: list[Residual] | None = None
        # Journalled residuals on accounts that are not connected now, but may be at a later start: kept, and never
        # traded here.
        self._away_dust: tuple[Residual, ...] = ()
        self._away_carried: tuple[Residual, ...] = ()

    def take_limit(self, dust_total_max_quote: Decimal) -> None:
        self._dust_total_max = dust_total_max_quote
        self._unhedged = None

    def restore(self, record: ResidualsRecord, present: Set[str], may_return: Callable[[str], bool]) -> list[Residual]:
        """Restore the journalled residuals whose accounts are all `present`; return all others.

        Those whose accounts are all present or `may_return` are kept, untouched, for a later start.
        """
        self._unhedged = None
        elsewhere: list[Residual] = []

        def restored(journalled: Iterable[Residual], kept: dict[str, Residual]) -> tuple[Residual, ...]:
            away: list[Residual] = []
            for held in journalled:
                account_ids = held.account_ids or record.account_ids
                if present >= set(account_ids):
                    _add(kept, held)
                    continue
                elsewhere.append(held)
                if all(name in present or may_return(name) for name in account_ids):
                    away.append(msgspec.structs.replace(held, account_ids=account_ids))
            return tuple(away)

        self._away_carried = restored(record.carried, self._carried)
        self._away_dust = restored(record.dust, self._dust)
        return elsewhere

    def record(self, account_ids: tuple[str, ...]) -> ResidualsRecord:
        dust, carried = (
            tuple(held for _, held in sorted(kept.items()) if held.size or held.booked)
            for kept in (self._dust, self._carried)
        )
        return ResidualsRecord(
            account_ids=account_ids, dust=(*dust, *self._away_dust), carried=(*carried, *self._away_carried)
        )

    def take_back(self, booked: Residual, *, carried: bool) -> Residual:
        """Remove and return the remaining part of a residual, carried or dust, that one pair booked at its `since_ns`.

        Nothing, once the symbol's residuals were traded away after that, or where none is on the same side of zero. At most
        the present sum, where residuals of other pairs have offset it. Of pairs that have offset one another the first to ask
        takes the rest.
        """
        self._unhedged = None
        kept = self._carried if carried else self._dust
        held = kept.get(booked.symbol)
        if held is None or held.since_ns > booked.since_ns or held.size * booked.size <= 0:
            return _nothing(booked.symbol)
        if abs(held.size) <= abs(booked.size):
            return kept.pop(booked.symbol)
        kept[booked.symbol] = msgspec.structs.replace(
            held, size=held.size - booked.size, booked=held.booked - booked.booked
        )
        return booked

    def offset(self, symbol: str, imbalance: Decimal) -> Residual:
        """Remove and return the residual that offsets an imbalance, at its booked value: carried base first, else dust."""
        self._unhedged = None
        for kept in (self._carried, self._dust):
            held = kept.get(symbol)
            if held is None or held.size * imbalance >= 0:
                continue
            if abs(held.size) <= abs(imbalance):
                return kept.pop(symbol)
            part = msgspec.structs.replace(held, size=-imbalance, booked=held.booked * -imbalance / held.size)
            kept[symbol] = msgspec.structs.replace(held, size=held.size - part.size, booked=held.booked - part.booked)
            return part
        return _nothing(symbol)

    def add_dust(self, residual: Residual) -> None:
        self._unhedged = None
        _add(self._dust, residual)

    def take_dust(self, symbol: str) -> Residual:
        self._unhedged = None
        return self._dust.pop(symbol, _nothing(symbol))

    def dust(self, symbol: str) -> Residual:
        return self._dust.get(symbol, _nothing(symbol))

    def dust_symbols(self) -> list[str]:
        return sorted(symbol for symbol, held in self._dust.items() if held.size)

    def excess_dust(self) -> tuple[Decimal, list[str]]:
        """Return the quote by which all dust exceeds `dust_total_max_quote`, and its symbols, the most valuable first."""
        excess = self.dust_value() - self._dust_total_max
        if excess <= 0:
            return excess, []
        return excess, sorted(self.dust_symbols(), key=lambda symbol: -abs(self._dust[symbol].booked))

    def dust_sizes(self) -> dict[str, Decimal]:
        sizes: dict[str, Decimal] = {}
        for symbol, held in self._dust.items():
            base = Symbol.of(symbol).base
            sizes[base] = sizes.get(base, ZERO) + held.size
        return sizes

    def dust_value(self) -> Decimal:
        """Return the booked quote value of all dust, without signs."""
        return sum((abs(held.booked) for held in self._dust.values()), ZERO)

    def carry(self, residual: Residual) -> None:
        self._unhedged = None
        _add(self._carried, residual)

    def carried(self, symbol: str) -> Residual:
        return self._carried.get(symbol, _nothing(symbol))

    def take_carried(self, symbol: str) -> Residual:
        self._unhedged = None
        return self._carried.pop(symbol, _nothing(symbol))

    def carried_symbols(self) -> list[str]:
        return sorted(symbol for symbol, held in self._carried.items() if held.size)

    def unhedged_by_asset(self) -> dict[str, Unhedged]:
        unhedged: dict[str, Unhedged] = {}
        for held in self.unhedged():
            base = Symbol.of(held.symbol).base
            before = unhedged.get(base, Unhedged(ZERO, ZERO, held.since_ns))
            since_ns = min(before.since_ns, held.since_ns)
            unhedged[base] = Unhedged(before.size + held.size, before.value + abs(held.booked), since_ns)
        return unhedged

    def unhedged_value(self) -> Decimal:
        """Return the quote value, without signs, of the unhedged residuals."""
        return sum((abs(held.booked) for held in self.unhedged()), ZERO)

    def unhedged(self) -> list[Residual]:
        """Return the unhedged residuals, read-only: all carried base, and dust above its limit."""
        if self._unhedged is not None:
            return self._unhedged
        unhedged = [held for held in self._carried.values() if held.size] if self._carried else []
        large = [held for held in self._dust.values() if held.size and abs(held.booked) > self._dust_max(held.symbol)]
        if sum((abs(held.booked) for held in large), ZERO) > self._dust_total_max:
            unhedged += large
        self._unhedged = unhedged
        return unhedged


def _add(kept: dict[str, Residual], more: Residual) -> None:
    before = kept.get(more.symbol, _nothing(more.symbol))
    since_ns, accounts = (before.since_ns, before.account_ids) if before.size else (more.since_ns, ())
    kept[more.symbol] = Residual(
        more.symbol,
        before.size + more.size,
        before.booked + more.booked,
        since_ns,
        tuple(sorted({*accounts, *more.account_ids})),
    )


def _nothing(symbol: str) -> Residual:
    return Residual(symbol, ZERO, ZERO, 0)
