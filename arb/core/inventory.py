"""What we hold at each venue: total, reserved, free.

*Free* for a new pair is the smaller of what the venue says is free and what we compute from its last complete word and
our own fills since, minus what open pairs have reserved. Taking the smaller of the two makes both a venue's late balance
and a forgotten fill of ours harmless. Amounts are decimals of the asset.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from arb.core.events import AssetBalance, BalancesReported
from arb.market.fill import Fill
from arb.market.order import Side

ZERO = Decimal(0)


class Drift(msgspec.Struct, frozen=True):
    """A difference between a venue's complete word and our own computation."""

    venue: str
    asset: str
    told: Decimal
    computed: Decimal


class Inventory:
    """Balances per venue and asset, with reservations per pair."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], AssetBalance] = {}
        self._computed: dict[tuple[str, str], Decimal] = {}
        self._reserved: dict[int, dict[tuple[str, str], Decimal]] = {}
        self._last_fill_ns: dict[str, int] = {}
        self._adopted_ns: dict[str, int] = {}
        self.complete: set[str] = set()

    def told(self, venue: str, asset: str) -> AssetBalance | None:
        """Return the venue's last word on an asset, or None before its first complete answer."""
        return self._told.get((venue, asset)) if venue in self.complete else None

    def computed(self, venue: str, asset: str) -> Decimal:
        """Return the total we compute: the last agreed word of the venue and our fills since."""
        return self._computed.get((venue, asset), ZERO)

    def assets(self, venue: str) -> Iterator[str]:
        """Yield the assets known at a venue."""
        yield from sorted(asset for held_at, asset in self._computed if held_at == venue)

    def free(self, venue: str, asset: str) -> Decimal:
        """Return what a new pair may use, at least 0."""
        told = self.told(venue, asset)
        if told is None:
            return ZERO
        return max(ZERO, min(told.free, self.computed(venue, asset)) - self.reserved(venue, asset))

    def reserved(self, venue: str, asset: str) -> Decimal:
        """Return what open pairs have reserved."""
        key = (venue, asset)
        return sum((holds[key] for holds in self._reserved.values() if key in holds), ZERO)

    def reserved_by(self, pair_id: int, venue: str, asset: str) -> Decimal:
        """Return what one pair has reserved."""
        return self._reserved.get(pair_id, {}).get((venue, asset), ZERO)

    def reserve(self, pair_id: int, holds: dict[tuple[str, str], Decimal]) -> None:
        """Set amounts aside for a pair, replacing what it had reserved before."""
        self._reserved[pair_id] = holds

    def release(self, pair_id: int) -> None:
        """Give back what a pair had reserved; a pair without a reservation changes nothing."""
        self._reserved.pop(pair_id, None)

    def apply_fill(self, fill: Fill, quote: str, base: str, executed_ns: int) -> None:
        """Move the computed balances by one fill of ours, fee included.

        `executed_ns` is the fill's instant on our clock: what was executed before the balances we last adopted were
        asked for is in them already (a fill found after a restart).
        """
        if executed_ns <= self._adopted_ns.get(fill.venue, 0):
            return
        sign = 1 if fill.side is Side.BUY else -1
        self._add(fill.venue, base, sign * fill.size)
        self._add(fill.venue, quote, -sign * fill.size * fill.price)
        self._add(fill.venue, fill.fee_currency, -fill.fee)
        self._last_fill_ns[fill.venue] = max(self._last_fill_ns.get(fill.venue, 0), fill.received_ns)

    def take(self, event: BalancesReported, quiet: bool) -> list[Drift]:
        """Take a venue's word; return how it differs from our own computation.

        Only a complete answer, asked after our last fill there and with no order of ours under way (`quiet`), can be
        compared: any other may have been true a moment before or after.
        """
        for asset, balance in event.balances.items():
            self._told[event.venue, asset] = balance
        if not event.complete:
            return []
        for held_at, asset in list(self._told):
            if held_at == event.venue and asset not in event.balances:
                self._told[held_at, asset] = AssetBalance(ZERO, ZERO)
        if event.venue not in self.complete:
            self.complete.add(event.venue)
            self._adopted_ns[event.venue] = event.asked_ns
            self.accept(event.venue)
            return []
        if not quiet or event.asked_ns <= self._last_fill_ns.get(event.venue, 0):
            return []
        return [
            Drift(event.venue, asset, told, self.computed(event.venue, asset))
            for asset in sorted({asset for held_at, asset in self._told if held_at == event.venue})
            if (told := self._total(event.venue, asset)) != self.computed(event.venue, asset)
        ]

    def accept(self, venue: str, asset: str | None = None) -> None:
        """Adopt the venue's word as our own computation, for one asset or for all."""
        for held_at, held in list(self._told):
            if held_at == venue and asset in (None, held):
                self._computed[venue, held] = self._total(venue, held)

    def _total(self, venue: str, asset: str) -> Decimal:
        told = self._told[venue, asset]
        return told.free + told.locked

    def _add(self, venue: str, asset: str, amount: Decimal) -> None:
        self._computed[venue, asset] = self._computed.get((venue, asset), ZERO) + amount
