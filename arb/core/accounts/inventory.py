"""What we hold at each venue: total, reserved, free.

*Free* for a new pair is the smaller of what the venue says is free and what we compute (the total by its last complete word
and our own fills since, without what orders lock by its last word), minus what open pairs have reserved. Taking the smaller of
the two makes both a venue's late balance and a forgotten fill of ours harmless, also where others' orders lock most of an
account. Amounts are decimals of the asset.

What changed a balance before the venue's word was adopted is in it already, what changed it afterwards is not. Where the
clocks do not tell which, or the word may have been late (by `LATE_NS` at most), the change is *doubtful*: a later difference
that exactly such changes explain is settled by them.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations

import msgspec

from arb.clock import NS_PER_S
from arb.core.events import AssetBalance, BalancesReported
from arb.market.fill import Fill, FillKey
from arb.market.numbers import ZERO
from arb.market.order import Side


class Drift(msgspec.Struct, frozen=True):
    """A difference between a venue's complete word and our own computation."""

    venue: str
    asset: str
    told: Decimal
    computed: Decimal


class Doubt(msgspec.Struct, frozen=True):
    """A change that may or may not have been in the venue's word when it was adopted, and whether we count it."""

    amount: Decimal
    counted: bool


DOUBTS_KEPT = 12
LATE_NS = 10 * NS_PER_S
FILLS_KEPT = 50_000


class Inventory:
    """Balances per venue and asset, with reservations per pair."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], AssetBalance] = {}
        self._computed: dict[tuple[str, str], Decimal] = {}
        self._reserved: dict[int, dict[tuple[str, str], Decimal]] = {}
        self._last_fill_ns: dict[str, int] = {}
        # When a word was adopted: from its question to its answer; for an asset adopted by itself, that asset alone.
        self._adopted: dict[tuple[str, str | None], tuple[int, int]] = {}
        self._doubts: dict[tuple[str, str], list[Doubt]] = {}
        # The latest changes, each with its instant: a word that is adopted after them may yet not have them in it.
        self._latest: dict[tuple[str, str], deque[tuple[int, Decimal]]] = {}
        self._seen: dict[tuple[str, FillKey], None] = {}
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
        return max(ZERO, min(told.free, self.computed(venue, asset) - told.locked) - self.reserved(venue, asset))

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

    def reserve_at_least(self, pair_id: int, venue: str, asset: str, amount: Decimal) -> None:
        """Set no less than `amount` aside for a pair at a venue, besides what it has reserved elsewhere."""
        holds = self._reserved.setdefault(pair_id, {})
        holds[venue, asset] = max(amount, holds.get((venue, asset), ZERO))

    def release(self, pair_id: int) -> None:
        """Give back what a pair had reserved; a pair without a reservation changes nothing."""
        self._reserved.pop(pair_id, None)

    def apply_fill(self, fill: Fill, quote: str, base: str, executed_ns: int, slack_ns: int = 0) -> None:
        """Move the computed balances by one fill, fee included.

        `executed_ns` is the fill's instant on our clock, known to within `slack_ns`: what was executed before the balances
        we last adopted were asked for is in them already (a fill found after a restart). A fill told again changes nothing.
        """
        if (fill.venue, fill.key) in self._seen:
            return
        while len(self._seen) >= FILLS_KEPT:
            del self._seen[next(iter(self._seen))]
        self._seen[fill.venue, fill.key] = None
        sign = 1 if fill.side is Side.BUY else -1
        amounts = {base: sign * fill.size, quote: -sign * fill.size * fill.price}
        amounts[fill.fee_currency] = amounts.get(fill.fee_currency, ZERO) - fill.fee
        if self.apply(fill.venue, amounts, executed_ns, slack_ns):
            self._last_fill_ns[fill.venue] = max(self._last_fill_ns.get(fill.venue, 0), fill.received_ns)

    def apply(
        self,
        venue: str,
        amounts: Mapping[str, Decimal],
        at_ns: int,
        slack_ns: int,
        within_ns: tuple[int, int] | None = None,
    ) -> bool:
        """Move computed balances by a change at `at_ns` (our clock, +- `slack_ns`); return whether any counted.

        `within_ns`: the change certainly came between these two, and `at_ns` is only the best guess.
        """
        counted_any = False
        first_ns, last_ns = within_ns or (at_ns, at_ns)
        for asset, amount in amounts.items():
            from_ns, until_ns = self._adopted.get((venue, asset)) or self._adopted.get((venue, None), (0, 0))
            counted = at_ns > from_ns
            self._latest.setdefault((venue, asset), deque(maxlen=DOUBTS_KEPT)).append((at_ns, amount))
            if until_ns and from_ns - slack_ns - LATE_NS <= last_ns and first_ns <= until_ns + slack_ns:
                doubts = self._doubts.setdefault((venue, asset), [])
                doubts.append(Doubt(amount, counted))
                del doubts[:-DOUBTS_KEPT]
            if counted:
                self._add(venue, asset, amount)
                counted_any = True
        return counted_any

    def settle(self, venue: str, asset: str) -> bool:
        """Look for doubtful changes that, counted the other way, explain the present difference exactly, and do so."""
        missing = self._total(venue, asset) - self.computed(venue, asset)
        doubts = self._doubts.get((venue, asset), [])
        effects = [-doubt.amount if doubt.counted else doubt.amount for doubt in doubts]
        for count in range(1, len(effects) + 1):
            for chosen in combinations(range(len(effects)), count):
                if sum((effects[index] for index in chosen), ZERO) == missing:
                    self._add(venue, asset, missing)
                    for index in chosen:  # it may turn out the other way yet: only agreement ends a doubt
                        doubts[index] = Doubt(doubts[index].amount, not doubts[index].counted)
                    return True
        return False

    def forget_doubts(self, venue: str, but: set[str], asked_ns: int) -> None:
        """Forget what was doubtful of assets that agree by now, unless this word may be as late as the adopted one."""
        for held_at, asset in list(self._doubts):
            from_ns, _ = self._adopted.get((venue, asset)) or self._adopted.get((venue, None), (0, 0))
            if held_at == venue and asset not in but and asked_ns >= from_ns + LATE_NS:
                del self._doubts[held_at, asset]

    def comparable(self, event: BalancesReported, quiet: bool) -> bool:
        """Return whether a venue's word can be compared with our computation.

        Only a complete answer, asked after our last fill there and with no order of ours under way (`quiet`): any other
        may have been true a moment before or after.
        """
        asked_late = event.asked_ns > self._last_fill_ns.get(event.venue, 0)
        return event.complete and quiet and asked_late and event.venue in self.complete

    def take(self, event: BalancesReported, quiet: bool) -> list[Drift]:
        """Take a venue's word; return how it differs from our own computation, where it can be compared."""
        for asset, balance in event.balances.items():
            self._told[event.venue, asset] = balance
        if not event.complete:
            return []
        for held_at, asset in list(self._told):
            if held_at == event.venue and asset not in event.balances:
                self._told[held_at, asset] = AssetBalance(ZERO, ZERO)
        if event.venue not in self.complete:
            self.complete.add(event.venue)
            self.accept(event.venue, event.asked_ns, event.t_ns)
            return []
        if not self.comparable(event, quiet):
            return []
        return [
            Drift(event.venue, asset, told, self.computed(event.venue, asset))
            for asset in sorted({asset for held_at, asset in self._told if held_at == event.venue})
            if (told := self._total(event.venue, asset)) != self.computed(event.venue, asset)
        ]

    def accept(self, venue: str, asked_ns: int, reported_ns: int, asset: str | None = None) -> None:
        """Adopt the venue's word, asked at `asked_ns` and told at `reported_ns`, for one asset or for all."""
        self._adopted[venue, asset] = asked_ns, max(asked_ns, reported_ns)
        for held_at, held in list(self._told):
            if held_at == venue and asset in (None, held):
                self._computed[venue, held] = self._total(venue, held)
                latest = self._latest.get((venue, held), ())
                self._doubts[venue, held] = [
                    Doubt(amount, False) for at_ns, amount in latest if at_ns >= asked_ns - LATE_NS
                ]

    def begin(self, venue: str, totals: Mapping[str, Decimal], agreed_ns: int) -> None:
        """Compute from what a previous process and the venue agreed on at `agreed_ns`, not from the venue's next word."""
        self.complete.add(venue)
        self._adopted[venue, None] = agreed_ns, agreed_ns
        for asset, total in totals.items():
            self._computed[venue, asset] = total
            self._told.setdefault((venue, asset), AssetBalance(ZERO, ZERO))

    def totals(self, venue: str) -> dict[str, Decimal]:
        """Return what we compute of every asset at a venue, where it is not zero."""
        return {asset: self._computed[venue, asset] for asset in self.assets(venue) if self._computed[venue, asset]}

    def _total(self, venue: str, asset: str) -> Decimal:
        told = self._told[venue, asset]
        return told.free + told.locked

    def _add(self, venue: str, asset: str, amount: Decimal) -> None:
        self._computed[venue, asset] = self._computed.get((venue, asset), ZERO) + amount
