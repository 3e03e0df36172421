"""The inventory at each venue: total, reserved, free.

Two figures are kept for each asset. The *reported* balance is the venue's last report. The *computed* total is a report taken
as the *basis*, plus every fill and transfer since. *Free* for a new pair is the smaller of two figures, minus the reservations
of open pairs. They are the reported free balance, and the computed total less the amounts that orders lock by the last report.
The smaller of the two is safe against a late report and a missed fill, also where foreign orders lock most of an account.
Amounts are exact decimals of the asset.

A repair may spend the proceeds of our own fills before the venue reports them. *Spendable* is the computed total less the
locks of others' orders and other pairs' reservations. After a venue refuses an order for lack of funds, repairs there also use
the smaller of the two. That ends when it reports no less than we compute.

A change before the basis was reported is in it already, a later one is not. Where the clocks do not show which, or the report
may have been late (by `LATE_NS` at most), the change is *uncertain*. A later difference that such changes explain is settled
by counting them the other way.

A venue may cut its figures to some decimals while its fees have more. So a reported total *agrees* with the exact computed one
when they differ by less than one unit of the last decimal that the venue has ever shown for the asset (a free and a locked
part are two figures). The computed total is never set to a figure that agrees, so that cuts do not add up.

The changes of the last minutes are kept per venue. Undone one by one they give the computed totals of each earlier instant,
and so show whether a differing report is merely late.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.events import AssetBalance, BalancesReported
from arb.core.state.positions.counted import Counted
from arb.core.state.positions.position import Positions
from arb.market.fill import Fill
from arb.market.instrument import Instrument
from arb.market.numbers import ZERO


class BalanceDifference(msgspec.Struct, frozen=True):
    venue: str
    asset: str
    reported: Decimal
    computed: Decimal


class UncertainChange(msgspec.Struct, frozen=True):
    """A change that may or may not have been in the report taken as the basis; `counted`: whether we add it to that."""

    amount: Decimal
    counted: bool


NOTHING = AssetBalance(ZERO, ZERO)
UNCERTAIN_KEPT = 12
LATE_NS = 10 * NS_PER_S
FILLS_KEPT = 50_000
UNIT_MAX = Decimal("0.01")
FIGURES_NEEDED = 10
"""After this many figures the shown decimals are the venue's own: 9 of 10 figures show the last decimal even where trailing
zeros are dropped. Before that a round figure proves nothing, and a unit is no more than a lot of the asset, or a tick."""
CHANGES_KEPT = 5_000
LATE_MAX_NS = 600 * NS_PER_S
"""A report that is late by more than this, or by more changes, is not known as late."""


class Change(NamedTuple):
    """One change of balances at a venue, at `at_ns` (our clock); `counted`: the assets whose computed totals it moved."""

    at_ns: int
    amounts: Mapping[str, Decimal]
    counted: tuple[str, ...]


class Inventory:
    def __init__(self, instruments: Mapping[tuple[str, str], Instrument] | None = None) -> None:
        """`instruments`: the present rules of each symbol at each venue."""
        self._instruments = {} if instruments is None else instruments
        # The most decimals ever shown of an asset, and how many different figures showed no more.
        self._shown: dict[tuple[str, str], tuple[int, int]] = {}
        self._reported: dict[tuple[str, str], AssetBalance] = {}
        self._computed: dict[tuple[str, str], Decimal] = {}
        self._reserved: dict[int, dict[tuple[str, str], Decimal]] = {}
        # The balance reported locked while no order of ours was under way: the locks of others' orders.
        self._locked_by_others: dict[tuple[str, str], Decimal] = {}
        # Assets that a venue lacked for an order of ours, while it reports less free than we compute.
        self._refused: set[tuple[str, str]] = set()
        self._last_fill_ns: dict[str, int] = {}
        # When the basis report was requested and when it arrived, by venue; by asset where one was taken separately.
        self._basis_ns: dict[tuple[str, str | None], tuple[int, int]] = {}
        self._uncertain: dict[tuple[str, str], list[UncertainChange]] = {}
        # The latest changes by venue, as they became known: a report or a basis taken after them may still lack them.
        self._changes: dict[str, deque[Change]] = {}
        self._fills = Counted(FILLS_KEPT)
        self.positions = Positions()
        # The computed totals less the positions: earlier holdings, transfers, and fills that a basis had already.
        self._unattributed: dict[tuple[str, str], Decimal] = {}
        # The venues that have a basis to compute from.
        self.with_basis: set[str] = set()
        # How often a computed total was set: figures derived from the totals hold while this is unchanged.
        self.revision = 0

    def reported(self, venue: str, asset: str) -> AssetBalance | None:
        """Return the last reported balance of an asset, or None before there is a basis at the venue."""
        return self._reported.get((venue, asset)) if venue in self.with_basis else None

    def computed(self, venue: str, asset: str) -> Decimal:
        return self._computed.get((venue, asset), ZERO)

    def unattributed(self, venue: str, asset: str) -> Decimal:
        """Return the part of the computed total that no position explains."""
        return self._unattributed.get((venue, asset), ZERO)

    def assets(self, venue: str) -> Iterator[str]:
        yield from sorted(asset for held_at, asset in self._computed if held_at == venue)

    def free(self, venue: str, asset: str) -> Decimal:
        """Return the funds a new pair may use, at least 0."""
        key = (venue, asset)
        reported = self._reported.get(key) if venue in self.with_basis else None
        if reported is None:
            return ZERO
        unlocked = min(reported.free, self._computed.get(key, ZERO) - reported.locked)
        return max(ZERO, unlocked - self.reserved(venue, asset) if self._reserved else unlocked)

    def spendable(self, pair_id: int, venue: str, asset: str) -> Decimal:
        """Return the funds a pair's repair may use, at least 0, its own reservation included."""
        key = (venue, asset)
        if venue not in self.with_basis:
            return ZERO
        unlocked = self._unlocked(venue, asset)
        if key in self._refused:
            unlocked = min(unlocked, self._reported.get(key, NOTHING).free)
        reserved = self.reserved(venue, asset) - self._reserved.get(pair_id, {}).get(key, ZERO)
        return max(ZERO, unlocked - reserved)

    def refused_for_funds(self, venue: str, asset: str) -> None:
        self._refused.add((venue, asset))

    def reserved(self, venue: str, asset: str) -> Decimal:
        key = (venue, asset)
        return sum((holds[key] for holds in self._reserved.values() if key in holds), ZERO)

    def reserve(self, pair_id: int, holds: dict[tuple[str, str], Decimal]) -> None:
        """Reserve amounts for a pair, in place of its earlier reservation."""
        self._reserved[pair_id] = holds

    def reserve_at_least(self, pair_id: int, venue: str, asset: str, amount: Decimal) -> None:
        """Reserve at least `amount` for a pair at a venue; its reservations elsewhere stay."""
        holds = self._reserved.setdefault(pair_id, {})
        holds[venue, asset] = max(amount, holds.get((venue, asset), ZERO))

    def release(self, pair_id: int) -> None:
        self._reserved.pop(pair_id, None)

    def apply_fill(self, fill: Fill, executed_ns: int, slack_ns: int = 0) -> None:
        """Move the computed balances by one fill, fee included.

        `executed_ns` is the fill's instant on our clock, known to within `slack_ns`: a fill executed before the basis was
        requested is in it already (a fill found after a restart). A repeated fill changes nothing.
        """
        if not self._fills.add(fill.venue, fill.key, fill.event_ns):
            return
        moved = self.positions.apply(fill)
        for asset, amount in moved.items():
            self._unattributed[fill.venue, asset] = self.unattributed(fill.venue, asset) - amount
        if self.apply(fill.venue, moved, executed_ns, slack_ns):
            self._last_fill_ns[fill.venue] = max(self._last_fill_ns.get(fill.venue, 0), fill.received_ns)

    def apply(
        self,
        venue: str,
        amounts: Mapping[str, Decimal],
        at_ns: int,
        slack_ns: int,
        within_ns: tuple[int, int] | None = None,
    ) -> bool:
        """Move computed balances by a change at `at_ns` (our clock, +- `slack_ns`); return whether any asset's counted.

        `within_ns`: the change certainly happened between these two, and `at_ns` is only the best guess.
        """
        moved: list[str] = []
        first_ns, last_ns = within_ns or (at_ns, at_ns)
        for asset, amount in amounts.items():
            from_ns, until_ns = self._basis_ns.get((venue, asset)) or self._basis_ns.get((venue, None), (0, 0))
            counted = at_ns > from_ns
            if until_ns and from_ns - slack_ns - LATE_NS <= last_ns and first_ns <= until_ns + slack_ns:
                uncertain = self._uncertain.setdefault((venue, asset), [])
                uncertain.append(UncertainChange(amount, counted))
                del uncertain[:-UNCERTAIN_KEPT]
            if counted:
                self._add(venue, asset, amount)
                moved.append(asset)
        self._changes.setdefault(venue, deque(maxlen=CHANGES_KEPT)).append(Change(at_ns, amounts, tuple(moved)))
        return bool(moved)

    def explain(self, venue: str, asset: str) -> bool:
        """Count uncertain changes the other way where that explains the present difference; return whether it does."""
        difference = self._reported_total(venue, asset) - self.computed(venue, asset)
        uncertain = self._uncertain.get((venue, asset), [])
        effects = [-change.amount if change.counted else change.amount for change in uncertain]
        for count in range(1, len(effects) + 1):
            for chosen in combinations(range(len(effects)), count):
                effect = sum((effects[index] for index in chosen), ZERO)
                if abs(difference - effect) < self._slack(venue, asset):
                    self._add(venue, asset, effect)
                    for index in chosen:  # it may turn out the other way yet: only agreement makes it certain
                        uncertain[index] = UncertainChange(uncertain[index].amount, not uncertain[index].counted)
                    return True
        return False

    def forget_uncertain(self, venue: str, differing: set[str], asked_ns: int) -> None:
        """Forget the uncertain changes of assets that agree by now, unless this report may be as late as the basis was."""
        for held_at, asset in list(self._uncertain):
            from_ns, _ = self._basis_ns.get((venue, asset)) or self._basis_ns.get((venue, None), (0, 0))
            if held_at == venue and asset not in differing and asked_ns >= from_ns + LATE_NS:
                del self._uncertain[held_at, asset]

    def comparable(self, event: BalancesReported, quiet: bool) -> bool:
        """Return whether a report can be compared with the computed totals.

        Only a complete report counts, requested after our last fill there and while no order of ours was under way (`quiet`).
        Any other may show the account as it was just before or after.
        """
        asked_late = event.asked_ns > self._last_fill_ns.get(event.venue, 0)
        return event.complete and quiet and asked_late and event.venue in self.with_basis

    def shown_fill_ns(self, event: BalancesReported) -> int:
        """Return when our last fill at a venue was received, if its balances report shows it; else 0."""
        venue, last_ns = event.venue, self._last_fill_ns.get(event.venue, 0)
        if not event.complete or event.asked_ns <= last_ns:
            return 0
        return last_ns if all(self.agrees(venue, asset) for asset in self.assets(venue)) else 0

    def take_report(self, event: BalancesReported, quiet: bool) -> list[BalanceDifference]:
        """Take a report of balances; return its differences from the computed totals, where it is comparable.

        A venue's first complete report becomes the basis, unless a previous process recorded one.
        """
        unnamed = {asset for held_at, asset in self._reported if held_at == event.venue} if event.complete else set()
        for asset, balance in (dict.fromkeys(sorted(unnamed), NOTHING) | event.balances).items():
            key = (event.venue, asset)
            self._note_decimals(key, balance)
            self._reported[key] = balance
            # Our own orders lock as well while they are under way: then a report can only show that less is locked.
            locked = balance.locked if quiet else min(balance.locked, self._locked_by_others.get(key, balance.locked))
            self._locked_by_others[key] = locked
        if event.complete and event.venue not in self.with_basis:
            self.with_basis.add(event.venue)
            self.take_as_basis(event.venue, event.asked_ns, event.t_ns)
        self._refused = {
            key
            for key in self._refused
            if self._unlocked(*key) - self._reported.get(key, NOTHING).free >= self._slack(*key)
        }
        if not self.comparable(event, quiet):
            return []
        return [
            BalanceDifference(
                event.venue, asset, self._reported_total(event.venue, asset), self.computed(event.venue, asset)
            )
            for asset in sorted({asset for held_at, asset in self._reported if held_at == event.venue})
            if not self.agrees(event.venue, asset)
        ]

    def agrees(self, venue: str, asset: str) -> bool:
        """Return whether the last reported total of an asset agrees with the computed one, except for decimals not shown."""
        return self.matches(venue, asset, self.computed(venue, asset))

    def matches(self, venue: str, asset: str, total: Decimal) -> bool:
        """Return whether a venue that held `total` of an asset would report its last figure."""
        difference = self._reported_total(venue, asset) - total
        return not difference or abs(difference) < self._slack(venue, asset)

    def take_as_basis(self, venue: str, asked_ns: int, reported_ns: int, asset: str | None = None) -> None:
        """Compute from the report asked for at `asked_ns` and received at `reported_ns`: for one asset, or for all."""
        self._basis_ns[venue, asset] = asked_ns, max(asked_ns, reported_ns)
        self.revision += 1
        for held_at, held in list(self._reported):
            if held_at == venue and asset in (None, held):
                self._set(venue, held, self._reported_total(venue, held))
                self._uncertain[venue, held] = self._recent(venue, held, asked_ns, counted_after_ns=None)

    def adopt(self, venue: str, asset: str, amount: Decimal, asked_ns: int, reported_ns: int) -> None:
        """Add the `amount` by which an earlier report of an asset differed to the basis; later changes still count."""
        self._basis_ns[venue, asset] = asked_ns, max(asked_ns, reported_ns)
        self._add(venue, asset, amount)
        self._uncertain[venue, asset] = self._recent(venue, asset, asked_ns, counted_after_ns=reported_ns)

    def late_since(self, venue: str, now_ns: int) -> int | None:
        """Return when the last report was true, if it matches an earlier instant's computed totals in all assets; None: now.

        Changes are undone in the order in which they became known, then in that of their instants: the venue's own.
        """
        changes = [change for change in self._changes.get(venue, ()) if change.at_ns >= now_ns - LATE_MAX_NS]
        by_instant = sorted(changes, key=lambda change: change.at_ns)
        return self._matching_ns(venue, changes) or self._matching_ns(venue, by_instant)

    def _matching_ns(self, venue: str, changes: list[Change]) -> int | None:
        assets = {asset for held_at, asset in (*self._reported, *self._computed) if held_at == venue}
        slack = {asset: self._slack(venue, asset) for asset in assets}
        off = {asset: self._reported_total(venue, asset) - self.computed(venue, asset) for asset in assets}
        differing = {asset for asset in assets if abs(off[asset]) >= slack[asset]}
        if not differing:
            return None
        for change in reversed(changes):
            for asset in change.counted:
                off[asset] += change.amounts[asset]
                (differing.discard if abs(off[asset]) < slack[asset] else differing.add)(asset)
            if not differing:
                return change.at_ns
        return None

    def restore_basis(self, venue: str, totals: Mapping[str, Decimal], agreed_ns: int) -> None:
        """Compute from the totals that a previous process and the venue agreed on at `agreed_ns`, not from the next report."""
        self.with_basis.add(venue)
        self.revision += 1
        self._basis_ns[venue, None] = agreed_ns, agreed_ns
        for asset, total in totals.items():
            self._set(venue, asset, total)
            self._reported.setdefault((venue, asset), NOTHING)

    def totals(self, venue: str) -> dict[str, Decimal]:
        """Return the computed total of every asset at a venue, where it is not zero."""
        return {asset: self._computed[venue, asset] for asset in self.assets(venue) if self._computed[venue, asset]}

    def _recent(self, venue: str, asset: str, asked_ns: int, *, counted_after_ns: int | None) -> list[UncertainChange]:
        """Return the latest changes of an asset that a report asked for at `asked_ns` may lack."""
        recent = [change for change in self._changes.get(venue, ()) if asset in change.amounts][-UNCERTAIN_KEPT:]
        return [
            UncertainChange(change.amounts[asset], counted_after_ns is not None and change.at_ns > counted_after_ns)
            for change in recent
            if change.at_ns >= asked_ns - LATE_NS
        ]

    def _note_decimals(self, key: tuple[str, str], balance: AssetBalance) -> None:
        before = self._reported.get(key)
        if before == balance and key in self._shown:
            return
        most, figures = self._shown.get(key, (0, 0))
        shown = max(_decimals(balance.free), _decimals(balance.locked))
        self._shown[key] = (shown, 1) if shown > most else (most, figures + 1)

    def _slack(self, venue: str, asset: str) -> Decimal:
        """Return by how much a reported total has to be off before it differs: decimals not shown explain less than this."""
        decimals, figures = self._shown.get((venue, asset), (0, 0))
        unit = Decimal(1).scaleb(-decimals)
        if figures < FIGURES_NEEDED:
            rules = [one for (held_at, _), one in self._instruments.items() if held_at == venue]
            lots = [one.lot for one in rules if one.base == asset]
            ticks = [one.tick for one in rules if one.quote == asset]
            unit = min(unit, UNIT_MAX, *lots, max(ticks, default=UNIT_MAX))
        reported = self._reported.get((venue, asset), NOTHING)
        return 2 * unit if reported.free and reported.locked else unit

    def _unlocked(self, venue: str, asset: str) -> Decimal:
        return self.computed(venue, asset) - self._locked_by_others.get((venue, asset), ZERO)

    def _reported_total(self, venue: str, asset: str) -> Decimal:
        reported = self._reported.get((venue, asset), NOTHING)
        return reported.free + reported.locked

    def _add(self, venue: str, asset: str, amount: Decimal) -> None:
        self.revision += 1
        self._computed[venue, asset] = self._computed.get((venue, asset), ZERO) + amount
        self._unattributed[venue, asset] = self.unattributed(venue, asset) + amount

    def _set(self, venue: str, asset: str, total: Decimal) -> None:
        self._computed[venue, asset] = total
        self._unattributed[venue, asset] = total - self.positions.held(venue, asset)


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
