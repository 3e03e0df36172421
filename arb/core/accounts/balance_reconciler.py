"""Explain every change of a balance by fills, fees and bills, our own and foreign ones, or stop trading the asset.

A venue's complete report is compared with the computed totals whenever nothing of ours is under way there. A differing asset
counts as unexplained: nothing opens with it there, and an account snapshot is taken (orders, fills, bills). Its facts are
counted, each bill once by its id, also over restarts, and the balances are read again. A bill that the previous snapshot did
not show counts as later than that, for lists may lag. A difference that is still unexplained after `drift_grace_ms` stops the
asset at that venue; the incident names the exact difference. That needs balances read after such a snapshot (or after
`SNAPSHOTS_BEFORE_STOP` that could not be completed). Balances and histories that are merely late are explained in time and
stop nothing.

Of two sources that disagree the report is the worse one: our totals have complete histories behind them. So a report that
equals, in all assets, our computed totals of one earlier instant is late. Nothing opens with the differing assets until they
agree, and nothing else happens. A stop does not change the computed totals. It ends by itself once the balances agree. When
the user resumes, a person has checked the difference that the stop names: it is adopted.

One such difference is agreed instead: a surplus of a single asset at its venue, worth at most `drift_ignore_quote` by a live
book. On one UTC day such surpluses may add up to ten times that. An incident records it. Any missing amount stops its asset,
however small.

Where pair follows pair, something of ours is always under way and no comparison would ever be possible. So openings are held
back where a comparison is overdue: a balance is unexplained, or none was possible for `OVERDUE_REFRESHES` refreshes. They are
held for `HOLD_MS` at most, and then not again for `HOLD_AGAIN_MS`, so that comparing takes no more than a tenth of the time.
At the start they are held until the first comparison after the account snapshot, `HOLD_START_MS` at most. Later differences,
among our own fills, are harder to attribute.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import AccountSnapshotTaken, BalancesReported, Transfer
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.records import FillRecord
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord
from arb.core.messages.timers import DriftTimer
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.core.state.positions.counted import Counted
from arb.core.state.positions.inventory import BalanceDifference
from arb.market.kinds import kind_of
from arb.market.numbers import ZERO, plain
from arb.market.symbol import Symbol

REFRESH_AGAIN_MS = 1_000
OVERDUE_REFRESHES = 2
HOLD_MS = 1_000
HOLD_AGAIN_MS = 10_000
HOLD_START_MS = 5_000
COMPARE_AGAIN_MS = 100
SNAPSHOT_AGAIN_S = 3
SNAPSHOT_MARGIN_S = 60
SNAPSHOTS_BEFORE_STOP = 4
SNAPSHOT_WHILE_STOPPED_S = 300
"""How often orders, fills and bills are read while an asset is stopped, for a later explanation."""
TRANSFERS_KEPT = 10_000
# Histories of transfers are cut to whole seconds by some venues, and a deposit shows in a balance when it likes.
TRANSFER_SLACK_NS = 3 * NS_PER_S


class Unexplained(msgspec.Struct):
    """One asset at one venue whose balance is not explained yet.

    `snapshots` taken since, `snapshot_ns` when the last complete one began (0: none), `unread` its unreadable parts.
    """

    since_ns: int
    snapshots: int = 0
    snapshot_ns: int = 0
    unread: str = ""


class Stopping(NamedTuple):
    """The difference (reported less computed) that stopped an asset, and when its report was requested and received."""

    amount: Decimal
    asked_ns: int
    reported_ns: int


class BalanceReconciler:
    def __init__(self, state: EngineState) -> None:
        self.state = state
        self._unexplained: dict[tuple[str, str], Unexplained] = {}
        # The differences that have stopped their assets.
        self._stopped: dict[tuple[str, str], Stopping] = {}
        # Venues whose balances are known to be late.
        self._late: set[str] = set()
        # The accounts' holdings at the journal's end, by account, where that is too long ago to explain from.
        self._outdated: dict[str, dict[str, Decimal]] = {}
        self._compared_ns: dict[str, int] = {}
        self._agreed_ns: dict[str, int] = {}
        self._agreed: dict[str, AgreedAccount] = {}
        self._asked_ns: dict[str, int] = {}
        self._transfers = Counted(TRANSFERS_KEPT)
        # When the last snapshot that read all transfers began.
        self._transfers_read_ns: dict[str, int] = {}

    def on_balances(
        self, event: BalancesReported, differences: Sequence[BalanceDifference], *, compared: bool
    ) -> list[BalanceDifference]:
        """Take the differences that a report shows; return those that have now stopped their assets.

        `compared` is False when the report could not be compared, since an order of the engine was under way.
        """
        if not event.complete:
            return []
        if not compared:
            self._hold_openings_if_overdue(event.venue, event.t_ns)
            return []
        self._compared_ns[event.venue] = event.t_ns
        self.state.venues[event.venue].lift(Source.COMPARISON)
        inventory = self.state.inventory
        unsettled = [found for found in differences if not inventory.explain(found.venue, found.asset)]
        inventory.forget_uncertain(event.venue, {found.asset for found in differences}, event.asked_ns)
        self._note_explained({found.asset for found in unsettled}, event)
        self._end_stops({found.asset for found in unsettled}, event)
        alone = len(unsettled) == 1
        new = [found for found in unsettled if not self._has_stopped(found, event)]
        stopped = [found for found in new if self._stop_if_hopeless(found, event, alone=alone)]
        if self._of(event.venue):
            self._snapshot_if_due(event.venue, event.t_ns)
            self._wake(event.venue, event.t_ns)
            return stopped
        self._late.discard(event.venue)
        if not any(venue == event.venue for venue, _ in self._stopped):
            self._agree(event.venue, event.asked_ns)
        elif not stopped:
            self._snapshot_if_due(event.venue, event.t_ns, SNAPSHOT_WHILE_STOPPED_S)
        return stopped

    def on_snapshot(self, event: AccountSnapshotTaken) -> None:
        """Count the transfers that an account snapshot found, and read the balances again."""
        for transfer in event.transfers:
            self._count(event.venue, transfer, event.t_ns)
        if event.transfers_complete:
            self._transfers_read_ns[event.venue] = event.started_ns
        for _, unexplained in self._of(event.venue):
            unexplained.snapshots += 1
            unexplained.unread = "" if event.transfers_complete else "; its bills cannot be read"
            if event.complete:
                unexplained.snapshot_ns = event.started_ns
        if self._of(event.venue):
            self.state.out.refresh(event.venue)

    def on_timer(self, timer: DriftTimer, now_ns: int) -> None:
        """Read balances again while one is unexplained or openings are held back for a comparison."""
        venue = timer.venue
        if self._of(venue):
            self._snapshot_if_due(venue, now_ns)
            self._wake(venue, now_ns)
        elif not self._held(venue, now_ns):
            return
        self.state.out.refresh(venue)

    def resume(self) -> None:
        """Adopt the differences that have stopped assets, when the user resumes. Those in their grace time stay unexplained."""
        for (venue, asset), found in self._stopped.items():
            self.state.inventory.adopt(venue, asset, *found)
            self.state.out.refresh(venue)
        self._stopped.clear()

    def since_ns(self, venue: str, now_ns: int) -> int:
        """Return from when on an account snapshot has to read: some time before the balances last agreed."""
        return self._agreed_ns.get(venue, now_ns) - SNAPSHOT_MARGIN_S * NS_PER_S

    def _agree(self, venue: str, asked_ns: int) -> None:
        state = self.state
        self._agreed_ns[venue] = asked_ns
        totals = state.inventory.totals(venue)
        account_id = state.venues[venue].account_id
        first_ns = (
            asked_ns - 2 * SNAPSHOT_MARGIN_S * NS_PER_S
        )  # no snapshot reads from before that, clock errors included
        first_ns += state.venues[venue].offset_ns or 0
        bills = sorted(str(number) for number, made_ns in self._transfers.at(venue) if made_ns >= first_ns)
        self._agreed[account_id] = AgreedAccount(account_id, asked_ns, totals, tuple(bills))
        state.out.persist(AgreedRecord(accounts=tuple(agreed for _, agreed in sorted(self._agreed.items()))))

    def recover(
        self, record: AgreedRecord | None, not_before_ns: int, now_ns: int, fills: Iterable[FillRecord] = ()
    ) -> dict[str, int]:
        """Compute from the totals a previous process agreed on; return when that was, for each venue with such a basis.

        `fills`: those that the journal has since. They bring totals that are too old for a basis up to the journal's end.
        """
        accounts = () if record is None else record.accounts
        # Older agreements are no basis any more; accounts that are gone would be kept, and their history read, for
        # ever. An agreement under a clock that was ahead does not show which fills it includes.
        self._agreed = {agreed.account_id: agreed for agreed in accounts if not_before_ns <= agreed.ns <= now_ns}
        outdated = {one.account_id: one for one in accounts if one.account_id not in self._agreed}
        self._outdated = {name: dict(one.totals) for name, one in outdated.items()}
        for fill in fills:
            if fill.account_id in outdated and fill.received_ns > outdated[fill.account_id].ns:
                totals = self._outdated[fill.account_id]
                for asset, amount in kind_of(fill.symbol).flows(fill).items():
                    totals[asset] = totals.get(asset, ZERO) + amount
        found = {venue: self.recover_at(venue) for venue in self.state.venues}
        return {venue: ns for venue, ns in found.items() if ns is not None}

    def recover_at(self, venue: str) -> int | None:
        """Do the same for a venue's present account only; None where it has no basis."""
        agreed = self._agreed.get(self.state.venues[venue].account_id)
        if agreed is None:
            return None
        self.state.inventory.restore_basis(venue, agreed.totals, agreed.ns)
        for number in agreed.bills:
            self._transfers.add(venue, number, agreed.ns)
        self._agreed_ns[venue] = agreed.ns
        return agreed.ns

    def agreed_ns(self, venue: str) -> int:
        """Return when the balances that last agreed were asked for, 0 when none did yet."""
        return self._agreed_ns.get(venue, 0)

    def hold_openings(self, venue: str, now_ns: int) -> None:
        self._hold(venue, now_ns + HOLD_START_MS * NS_PER_MS)
        self.state.out.refresh(venue)

    def basis_taken(self, venue: str, asked_ns: int, unsettled: Collection[str]) -> None:
        """Record that a venue's first report was taken as the basis; report its differences from the totals computed long ago.

        `unsettled`: assets that an order with an unknown end may have changed.
        """
        self._agreed_ns[venue] = asked_ns
        state = self.state
        outdated = self._outdated.pop(state.venues[venue].account_id, None)
        if outdated is None:
            return
        now, before = state.inventory.totals(venue), outdated
        changed = [
            f"{asset} {plain(before.get(asset, ZERO))} -> {plain(now.get(asset, ZERO))}"
            for asset in sorted((now.keys() | before.keys()) - set(unsettled))
            if not state.inventory.matches(venue, asset, before.get(asset, ZERO))
        ]
        if changed:
            text = f"{venue}: the balances computed last are too old to explain these from, which differ: {', '.join(changed)}"
            state.incident(IncidentKind.BALANCE_DRIFT, text, asked_ns, venue=venue)

    def _of(self, venue: str) -> list[tuple[str, Unexplained]]:
        return [(asset, found) for (held_at, asset), found in self._unexplained.items() if held_at == venue]

    def _stop_if_hopeless(self, difference: BalanceDifference, event: BalancesReported, *, alone: bool) -> bool:
        """Record a difference; stop its asset, and return True, when time and snapshots have not explained it.

        `alone`: no other asset of the venue differs, so that it may be agreed instead.
        """
        key = (difference.venue, difference.asset)
        unexplained = self._unexplained.setdefault(key, Unexplained(event.t_ns))
        self.state.blocks.put(Block(Source.UNEXPLAINED, *key))
        if event.t_ns - unexplained.since_ns < self.state.timing.drift_grace_ms * NS_PER_MS:
            return False
        looked_into = 0 < unexplained.snapshot_ns < event.asked_ns
        if not looked_into and unexplained.snapshots < SNAPSHOTS_BEFORE_STOP:
            return False
        if looked_into and self._is_late(event):
            return False
        if looked_into and alone and self._agree_credit(difference, event):
            return False
        self._stop(difference, unexplained, event)
        return True

    def _is_late(self, event: BalancesReported) -> bool:
        """Return whether a report shows the balances as they were at one earlier instant; report that once."""
        state, venue = self.state, event.venue
        since_ns = state.inventory.late_since(venue, event.t_ns)
        if since_ns is None:
            return False
        if venue not in self._late:
            self._late.add(venue)
            assets = ", ".join(sorted(asset for asset, _ in self._of(venue)))
            ago_s = (event.t_ns - since_ns) // NS_PER_S
            text = f"{venue} reports the balances of {ago_s} s ago: nothing opens with {assets} there until they agree"
            state.incident(IncidentKind.BALANCES_LATE, text, event.t_ns, venue=venue)
        return True

    def _has_stopped(self, difference: BalanceDifference, event: BalancesReported) -> bool:
        """Return whether just this difference has stopped its asset already, in this process or in one before."""
        key, account_id = (difference.venue, difference.asset), self.state.venues[difference.venue].account_id
        if key not in self._stopped and self.state.blocks.get(Source.DRIFT, account_id, difference.asset):
            self._stopped[key] = _stopping(difference, event)
        known = self._stopped.get(key)
        if known is None:
            return False
        return self.state.inventory.matches(*key, difference.computed + known.amount)

    def _end_stops(self, differing: set[str], event: BalancesReported) -> None:
        state, venue = self.state, event.venue
        ended = sorted(asset for held_at, asset in self._stopped if held_at == venue and asset not in differing)
        if not ended:
            return
        for asset in ended:
            del self._stopped[venue, asset]
            state.blocks.lift(Source.DRIFT, state.venues[venue].account_id, asset)
        text = f"{', '.join(ended)} at {venue}: the balances agree again, and their stops end"
        state.out.persist(state.control.record(event.t_ns, text))
        over = not any(held_at == venue for held_at, _ in self._stopped)
        kind = IncidentKind.BALANCES_AGREE if over else IncidentKind.BALANCE_EXPLAINED
        state.incident(kind, text, event.t_ns, severity=Severity.INFO, venue=venue)

    def _agree_credit(self, difference: BalanceDifference, event: BalancesReported) -> bool:
        """Agree to a small unexplained credit; return whether the difference is one."""
        state, venue, asset = self.state, difference.venue, difference.asset
        amount, price = difference.reported - difference.computed, self._live_price(asset, event.t_ns)
        if amount <= 0 or price is None:
            return False
        if not state.control.agree_credit(state.venues[venue].account_id, asset, amount * price, event.t_ns):
            return False
        text = f"{asset} at {venue}: a credit of {plain(amount)} that no bill explains is agreed (`drift_ignore_quote`)"
        state.out.persist(state.control.record(event.t_ns, text))
        state.incident(IncidentKind.CREDIT_AGREED, text, event.t_ns, severity=Severity.INFO, venue=venue)
        state.inventory.take_as_basis(venue, event.asked_ns, event.t_ns, asset)
        self._forget(venue, asset)
        return True

    def _live_price(self, asset: str, now_ns: int) -> Decimal | None:
        """Return the highest quote price of an asset in books that may be traded on; None without one."""
        state = self.state
        quote = Symbol.of(state.settings.symbols[0]).quote
        if asset == quote:
            return Decimal(1)
        symbol = f"{asset}/{quote}"
        usable = (venue for venue in state.venues_of(symbol) if state.books.unusable(venue, symbol, now_ns) is None)
        return max((mid for venue in usable if (mid := state.books.mid(venue, symbol))), default=None)

    def _stop(self, difference: BalanceDifference, unexplained: Unexplained, event: BalancesReported) -> None:
        state, venue, asset = self.state, difference.venue, difference.asset
        unread = unexplained.unread if unexplained.snapshot_ns else "; its orders and fills cannot be read"
        text = (
            f"{asset} at {venue}: {plain(difference.reported - difference.computed)} is unexplained"
            f" (reported {plain(difference.reported)}, fills, fees and transfers give {plain(difference.computed)}){unread};"
            " nothing opens with it there until they agree again, or until `arb resume`"
        )
        state.blocks.put(Block(Source.DRIFT, state.venues[venue].account_id, asset, text))
        state.out.persist(state.control.record(event.t_ns, text))
        state.incident(IncidentKind.BALANCE_DRIFT, text, event.t_ns, severity=Severity.CRITICAL, venue=venue)
        self._stopped[venue, asset] = _stopping(difference, event)
        self._forget(venue, asset)

    def _forget(self, venue: str, asset: str) -> None:
        del self._unexplained[venue, asset]
        self.state.blocks.lift(Source.UNEXPLAINED, venue, asset)

    def _note_explained(self, differing: set[str], event: BalancesReported) -> None:
        for asset, unexplained in self._of(event.venue):
            if asset not in differing:
                self._forget(event.venue, asset)
                late_ms = (event.t_ns - unexplained.since_ns) // NS_PER_MS
                text = f"{asset} at {event.venue}: a difference of balances was explained after {late_ms} ms"
                self.state.incident(
                    IncidentKind.BALANCE_EXPLAINED, text, event.t_ns, severity=Severity.INFO, venue=event.venue
                )

    def _hold_openings_if_overdue(self, venue: str, now_ns: int) -> None:
        """Hold openings back where a report could not be compared, if a comparison is overdue; read again soon."""
        timing = self.state.timing
        overdue_ns = (
            self._compared_ns.setdefault(venue, now_ns) + OVERDUE_REFRESHES * timing.balance_refresh_s * NS_PER_S
        )
        again_ns = self.state.venues[venue].blocked_until_ns(Source.COMPARISON) + HOLD_AGAIN_MS * NS_PER_MS
        if (self._of(venue) or now_ns >= overdue_ns) and now_ns >= again_ns:
            self._hold(venue, now_ns + HOLD_MS * NS_PER_MS)
        if self._held(venue, now_ns):
            self.state.out.timer(DriftTimer(venue), now_ns + COMPARE_AGAIN_MS * NS_PER_MS)
        elif self._of(venue):
            self._wake(venue, now_ns)

    def _hold(self, venue: str, until_ns: int) -> None:
        self.state.venues[venue].block(Source.COMPARISON, "its balances are to be compared", until_ns)

    def _held(self, venue: str, now_ns: int) -> bool:
        return now_ns < self.state.venues[venue].blocked_until_ns(Source.COMPARISON)

    def _snapshot_if_due(self, venue: str, now_ns: int, again_s: int = SNAPSHOT_AGAIN_S) -> None:
        if now_ns - self._asked_ns.get(venue, 0) >= again_s * NS_PER_S:
            self._asked_ns[venue] = now_ns
            symbols = tuple(sorted(symbol for held_at, symbol in self.state.instruments if held_at == venue))
            self.state.out.snapshot_account(venue, symbols, self.since_ns(venue, now_ns))

    def _wake(self, venue: str, now_ns: int) -> None:
        self.state.out.timer(DriftTimer(venue), now_ns + REFRESH_AGAIN_MS * NS_PER_MS)

    def _count(self, venue: str, transfer: Transfer, now_ns: int) -> None:
        if not self._transfers.add(venue, transfer.transfer_id, transfer.event_ns):
            return
        state = self.state
        made_ns = transfer.event_ns - (state.venues[venue].offset_ns or 0)
        at_ns = max(made_ns, self._transfers_read_ns.get(venue, 0))
        amounts: dict[str, Decimal] = {transfer.asset: transfer.amount}
        if state.inventory.apply(venue, amounts, at_ns, TRANSFER_SLACK_NS, (made_ns, max(made_ns, now_ns))):
            kind = transfer.kind or ("deposit" if transfer.amount > 0 else "withdrawal")
            text = f"{kind} {transfer.transfer_id} of {plain(transfer.amount)} {transfer.asset} at {venue}"
            state.incident(IncidentKind.TRANSFER, text, now_ns, severity=Severity.INFO, venue=venue)


def _stopping(difference: BalanceDifference, event: BalancesReported) -> Stopping:
    return Stopping(difference.reported - difference.computed, event.asked_ns, event.t_ns)
