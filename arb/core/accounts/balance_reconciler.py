"""The proof that balances are explained: each change comes from fills, fees, transfers or strangers, or stops its asset.

The venue's complete word is compared with what we compute whenever nothing of ours is under way there. A difference opens a
case: nothing is opened with that asset there, and the account is looked through (orders, fills, deposits, withdrawals). What
turns up is counted and the balance read again. A transfer is listed by when it was made, and credited up to a day later: one
that the look before did not show has been credited since. What is still unexplained after `drift_grace_ms` and such a look
stops the asset at that venue until the user resumes, with the exact remainder. Late balances and histories end as closed
cases.

Where pair follows pair, a venue is never quiet by itself and nothing would ever be compared. So where a comparison is overdue
(a case is open, or none could be made for `OVERDUE` refreshes) openings there wait for it: `HOLD_MS` at most, and then not
again for `HOLD_AGAIN_MS`, so that no more than a tenth of the time is given to it. At the start they wait for the first one
after the look through the account, `HOLD_START_MS` at most: what it shows is never so easily told apart again.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.inventory import Drift
from arb.core.events import AccountSnapshotTaken, BalancesReported, Transfer
from arb.core.incidents import IncidentKind, Severity
from arb.core.records import AgreedAccount, AgreedRecord
from arb.core.state import EngineState
from arb.core.timers import DriftTimer
from arb.market.numbers import plain

READ_AGAIN_MS = 1_000
OVERDUE = 2
HOLD_MS = 1_000
HOLD_AGAIN_MS = 10_000
HOLD_START_MS = 5_000
COMPARE_AGAIN_MS = 100
SNAPSHOT_AGAIN_S = 3
SNAPSHOT_MARGIN_S = 60
SNAPSHOTS_BEFORE_GIVING_UP = 4
TRANSFERS_KEPT = 10_000
# Histories of transfers are cut to whole seconds by some venues, and a deposit shows in a balance when it likes.
TRANSFER_SLACK_NS = 3 * NS_PER_S


class Case(msgspec.Struct):
    """One asset at one venue whose balance is not explained yet."""

    since_ns: int
    snapshots: int = 0
    snapshot_ns: int = 0
    unread: str = ""


class BalanceReconciler:
    """Opens and closes cases; stops assets."""

    def __init__(self, state: EngineState) -> None:
        self.state = state
        self._cases: dict[tuple[str, str], Case] = {}
        self._compared_ns: dict[str, int] = {}
        self._agreed_ns: dict[str, int] = {}
        self._agreed: dict[str, AgreedAccount] = {}
        self._asked_ns: dict[str, int] = {}
        self._transfers: dict[tuple[str, str], None] = {}
        # When the last look that read all transfers began.
        self._transfers_read_ns: dict[str, int] = {}

    def on_balances(self, event: BalancesReported, drifts: Sequence[Drift], *, compared: bool) -> list[Drift]:
        """Take a comparison of balances; return the differences that have stopped their assets."""
        if not event.complete:
            return []
        if not compared:
            self._clear_the_way(event.venue, event.t_ns)
            return []
        self._compared_ns[event.venue] = event.t_ns
        self.state.venues[event.venue].held_until_ns = 0
        inventory = self.state.inventory
        left = [drift for drift in drifts if not inventory.settle(drift.venue, drift.asset)]
        inventory.forget_doubts(event.venue, {drift.asset for drift in drifts}, event.asked_ns)
        self._close({drift.asset for drift in left}, event)
        given_up = [drift for drift in left if self._judge(drift, event)]
        if self._of(event.venue):
            self._snapshot_if_due(event.venue, event.t_ns)
            self._wake(event.venue, event.t_ns)
        elif not given_up:
            self._agree(event.venue, event.asked_ns)
        return given_up

    def on_snapshot(self, event: AccountSnapshotTaken) -> None:
        """Count the transfers that a look found, and read the balances again."""
        for transfer in event.transfers:
            self._count(event.venue, transfer, event.t_ns)
        if event.transfers_complete:
            self._transfers_read_ns[event.venue] = event.started_ns
        for _, case in self._of(event.venue):
            case.snapshots += 1
            case.unread = "" if event.transfers_complete else "; its deposits and withdrawals cannot be read"
            if event.complete:
                case.snapshot_ns = event.started_ns
        if self._of(event.venue):
            self.state.out.refresh(event.venue)

    def on_timer(self, timer: DriftTimer, now_ns: int) -> None:
        """Read again while a case is open or openings wait for a comparison."""
        venue = timer.venue
        if self._of(venue):
            self._snapshot_if_due(venue, now_ns)
            self._wake(venue, now_ns)
        elif not self._held(venue, now_ns):
            return
        self.state.out.refresh(venue)

    def resume(self) -> None:
        """Forget what was suspected, on the user's word."""
        self._cases.clear()
        self.state.suspected.clear()

    def since_ns(self, venue: str, now_ns: int) -> int:
        """Return from when on an account has to be looked through."""
        return self._agreed_ns.get(venue, now_ns) - SNAPSHOT_MARGIN_S * NS_PER_S

    def _agree(self, venue: str, asked_ns: int) -> None:
        state = self.state
        self._agreed_ns[venue] = asked_ns
        totals = state.inventory.totals(venue)
        account_id = state.venues[venue].account_id
        self._agreed[account_id] = AgreedAccount(account_id, asked_ns, totals)
        state.out.persist(AgreedRecord(accounts=tuple(agreed for _, agreed in sorted(self._agreed.items()))))

    def recover(self, record: AgreedRecord | None, not_before_ns: int) -> dict[str, int]:
        """Begin to compute from what a previous process agreed on; return since when, for each venue that has such a basis."""
        state, since_ns = self.state, dict[str, int]()
        told = () if record is None else record.accounts
        # What is older is no basis any more; accounts that are gone would be kept, and read back to, for ever.
        self._agreed = {agreed.account_id: agreed for agreed in told if agreed.ns >= not_before_ns}
        for venue, venue_state in state.venues.items():
            agreed = self._agreed.get(venue_state.account_id)
            if agreed is not None:
                state.inventory.begin(venue, agreed.totals, agreed.ns)
                self._agreed_ns[venue] = since_ns[venue] = agreed.ns
        return since_ns

    def agreed_ns(self, venue: str) -> int:
        """Return when the balances that last agreed were asked for, 0 when none did yet."""
        return self._agreed_ns.get(venue, 0)

    def start(self, venue: str, now_ns: int) -> None:
        """Let openings at a venue wait for its first comparison."""
        self.state.venues[venue].held_until_ns = now_ns + HOLD_START_MS * NS_PER_MS
        self.state.out.refresh(venue)

    def began(self, venue: str, asked_ns: int) -> None:
        """Note that the first word of a venue was adopted."""
        self._agreed_ns[venue] = asked_ns

    def _of(self, venue: str) -> list[tuple[str, Case]]:
        return [(asset, case) for (held_at, asset), case in self._cases.items() if held_at == venue]

    def _judge(self, drift: Drift, event: BalancesReported) -> bool:
        """Return whether a difference is to be given up on now; a new one becomes a case."""
        key = (drift.venue, drift.asset)
        case = self._cases.setdefault(key, Case(event.t_ns))
        self.state.suspected.add(key)
        if event.t_ns - case.since_ns < self.state.timing.drift_grace_ms * NS_PER_MS:
            return False
        looked = 0 < case.snapshot_ns < event.asked_ns
        if not looked and case.snapshots < SNAPSHOTS_BEFORE_GIVING_UP:
            return False
        self._stop(drift, case, event)
        return True

    def _stop(self, drift: Drift, case: Case, event: BalancesReported) -> None:
        state, key = self.state, (drift.venue, drift.asset)
        remainder = drift.told - drift.computed
        doubt = case.unread if case.snapshot_ns else "; its orders and fills cannot be read"
        text = (
            f"{drift.asset} at {drift.venue}: {plain(remainder)} is unexplained (told {plain(drift.told)}, fills, fees and"
            f" transfers give {plain(drift.computed)}){doubt}; nothing opens with it there until `arb resume`"
        )
        state.control.stopped[state.venues[drift.venue].account_id, drift.asset] = text
        state.out.persist(state.control.record(event.t_ns, text))
        state.incident(IncidentKind.BALANCE_DRIFT, text, event.t_ns, severity=Severity.CRITICAL, venue=drift.venue)
        state.inventory.accept(drift.venue, event.asked_ns, event.t_ns, drift.asset)
        del self._cases[key]
        state.suspected.discard(key)

    def _close(self, open_assets: set[str], event: BalancesReported) -> None:
        for asset, case in self._of(event.venue):
            if asset not in open_assets:
                del self._cases[event.venue, asset]
                self.state.suspected.discard((event.venue, asset))
                late_ms = (event.t_ns - case.since_ns) // NS_PER_MS
                text = f"{asset} at {event.venue}: a difference of balances was explained after {late_ms} ms"
                self.state.incident(
                    IncidentKind.BALANCE_EXPLAINED, text, event.t_ns, severity=Severity.INFO, venue=event.venue
                )

    def _clear_the_way(self, venue: str, now_ns: int) -> None:
        """Let openings wait where a word could not be compared, if that is overdue; read again soon."""
        timing, venue_state = self.state.timing, self.state.venues[venue]
        overdue_ns = self._compared_ns.setdefault(venue, now_ns) + OVERDUE * timing.balance_refresh_s * NS_PER_S
        if (
            self._of(venue) or now_ns >= overdue_ns
        ) and now_ns >= venue_state.held_until_ns + HOLD_AGAIN_MS * NS_PER_MS:
            venue_state.held_until_ns = now_ns + HOLD_MS * NS_PER_MS
        if self._held(venue, now_ns):
            self.state.out.timer(DriftTimer(venue), now_ns + COMPARE_AGAIN_MS * NS_PER_MS)
        elif self._of(venue):
            self._wake(venue, now_ns)

    def _held(self, venue: str, now_ns: int) -> bool:
        return now_ns < self.state.venues[venue].held_until_ns

    def _snapshot_if_due(self, venue: str, now_ns: int) -> None:
        if now_ns - self._asked_ns.get(venue, 0) >= SNAPSHOT_AGAIN_S * NS_PER_S:
            self._asked_ns[venue] = now_ns
            symbols = tuple(sorted(symbol for held_at, symbol in self.state.instruments if held_at == venue))
            self.state.out.snapshot_account(venue, symbols, self.since_ns(venue, now_ns))

    def _wake(self, venue: str, now_ns: int) -> None:
        self.state.out.timer(DriftTimer(venue), now_ns + READ_AGAIN_MS * NS_PER_MS)

    def _count(self, venue: str, transfer: Transfer, now_ns: int) -> None:
        key = (venue, transfer.transfer_id)
        if key in self._transfers:
            return
        while len(self._transfers) >= TRANSFERS_KEPT:
            self._transfers.pop(next(iter(self._transfers)))
        self._transfers[key] = None
        state = self.state
        made_ns = transfer.event_ns - (state.venues[venue].offset_ns or 0)
        at_ns = max(made_ns, self._transfers_read_ns.get(venue, 0))
        amounts: dict[str, Decimal] = {transfer.asset: transfer.amount}
        if state.inventory.apply(venue, amounts, at_ns, TRANSFER_SLACK_NS, (made_ns, max(made_ns, now_ns))):
            word = "deposit" if transfer.amount > 0 else "withdrawal"
            text = f"{word} {transfer.transfer_id} of {plain(abs(transfer.amount))} {transfer.asset} at {venue}"
            state.incident(IncidentKind.TRANSFER, text, now_ns, severity=Severity.INFO, venue=venue)
