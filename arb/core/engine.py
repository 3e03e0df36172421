"""The engine: one synchronous, deterministic function from events to commands.

The market plane, `on_frame`, applies one public frame to the books and marks the symbols whose edge crossed. The decision
plane, `handle`, takes one event and returns the commands to perform; on `QueueDrained` it acts on the marked symbols. The
engine has no clock, no randomness and no I/O: equal frames and events give equal commands, live and in replay.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import localcontext
from itertools import islice
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.absence import Absence
from arb.core.accounts.account_reconciler import AccountReconciler
from arb.core.accounts.account_renames import journal_renames
from arb.core.accounts.balance_reconciler import BalanceReconciler
from arb.core.accounts.restart import Restored, has_vanished, restore
from arb.core.books.books import Books
from arb.core.books.connection import HANDED_OVER
from arb.core.fees.fee_assets import FeeAssets
from arb.core.fees.fee_check import FeeCheck
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import (
    AccountSnapshotTaken,
    AlertAcknowledged,
    AnyEvent,
    BalancesReported,
    CancelAnswered,
    ClockAnchored,
    ClockMeasured,
    ClockSuspected,
    CurrenciesListed,
    ExpiryProved,
    FeedDown,
    FeedUp,
    FlattenAsked,
    HaltAsked,
    InstrumentListed,
    InstrumentUnlisted,
    LimitsChanged,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    OrdersRecalled,
    OrderUpdated,
    OutcomeUnknown,
    PrivateDown,
    PrivateUp,
    QueueDrained,
    Request,
    ResumeAsked,
    RunEnded,
    RunStarted,
    ShutdownAsked,
    StoreStateChanged,
    SymbolsChosen,
    TimerFired,
    TroubleReported,
    VenueArrived,
    VenueExamined,
    VenueListed,
)
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.intents import Intent
from arb.core.messages.records import OpportunityRecord, RunRecord
from arb.core.messages.recovery_records import HaltRequest
from arb.core.messages.timers import (
    BalancesTimer,
    DriftTimer,
    FlattenTimer,
    LastBalancesTimer,
    OrderTimer,
    PairTimer,
    RecoveryTimer,
    RulesTimer,
    ShutdownTimer,
    SnapshotTimer,
    StrategyTimer,
    read_timer,
)
from arb.core.orders.foreign import ForeignOrders
from arb.core.risk import day_limits, ramp
from arb.core.risk.blockers import Blockers
from arb.core.risk.instrument_bans import InstrumentBans
from arb.core.risk.late_legs import LateLegs
from arb.core.risk.monitor import VenueMonitor
from arb.core.risk.openings import Openings
from arb.core.risk.shutdown import Shutdown
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineSettings, EngineState
from arb.core.strategies.taker_pair.detector import Detector
from arb.core.strategies.together import Together
from arb.core.trades.closing import Closer
from arb.core.trades.flatten import Flattener
from arb.core.trades.one_venue import OneVenueTrades
from arb.core.trades.opening import TradeManager
from arb.core.trades.repairer import LegRepairer
from arb.core.trades.strategy import AT_ONCE, NEVER, ONCE_READ, HealthChanged, RulesChanged, RunEnding, Strategy, Woken
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade
from arb.core.universe.chosen_symbols import ChosenSymbols
from arb.core.universe.currencies import Currencies
from arb.core.universe.listings import Listings
from arb.errors import InvariantError, require
from arb.market.feed import NOTHING, FrameResult, further_name
from arb.market.numbers import DECIMALS

StrategyFactory = Callable[[EngineState, TradeTable, Blockers], Strategy]
LOOKED_AT = 8
"""The most open pairs asked whether they wait for bytes; with more it is assumed."""


class Engine:
    def __init__(
        self, settings: EngineSettings, books: Books, strategies: Iterable[StrategyFactory] = (Detector,)
    ) -> None:
        self.state = EngineState(settings, books)
        foreign = ForeignOrders(self.state)
        self.bars = InstrumentBans(self.state)
        self.fee_assets = FeeAssets(self.state, self._rules_changed)
        fees = FeeCheck(self.state, self.fee_assets)
        self.manager = TradeManager(self.state, foreign, self.bars, progress=self._progress, fee_check=fees.check)
        self.blockers, one_venue = Blockers(self.state, self.manager), OneVenueTrades(self.state, self.manager)
        self.openings = Openings(self.state, self.manager, self.blockers, one_venue)
        self.late_legs = LateLegs(self.state, self.manager)
        closer = Closer(self.state, self.manager, self.late_legs, ramp.count, self.openings.take)
        self.state.control.reopened_e8 = closer.reopened_e8
        self.repairer = LegRepairer(self.state, self.manager, closer)
        self.strategies = tuple(make(self.state, self.manager, self.blockers) for make in strategies)
        self.strategy = self.strategies[0] if len(self.strategies) == 1 else Together(self.strategies)
        books.on_change(self._rules_changed)
        self.flattener = Flattener(self.state, self.manager, one_venue.legal_at)
        self.venue_monitor = VenueMonitor(self.state, self.manager, self.strategy.on_quotes, self.strategy.on_event)
        self.balances = BalanceReconciler(self.state)
        self.accounts = AccountReconciler(self.state, self.manager, foreign, self.balances)
        self.absence = Absence(self.state, self.manager, self.accounts)
        self.shutdown = Shutdown(self.state, self.manager, self.balances.agreed_ns)
        self.listings = Listings(self.state, self._rules_changed, self.bars, self.fee_assets)
        self.currencies = Currencies(self.state, self.strategy.on_event)
        self.chosen = ChosenSymbols(self.state, self.manager, self.listings)
        self._connections = books.connections
        self._run: RunRecord | None = None
        self._restored = Restored()
        self._event: AnyEvent | None = None  # of the step under way
        self._opening: Iterator[None] = iter(())  # the proposals still to be answered in it
        # When the strategies' timer is set for; one that fires too early sets the next.
        self._wake_ns = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._on_run_started,
            VenueArrived: self._on_venue_arrived,
            VenueExamined: self._on_venue_examined,
            QueueDrained: self._on_drained,
            FeedUp: self._on_feed_up,
            FeedDown: self._on_feed_down,
            PrivateUp: self._on_private_up,
            PrivateDown: self._on_private_down,
            ClockMeasured: self._on_clock,
            ClockSuspected: self._on_clock_suspected,
            ClockAnchored: self._on_clock_anchored,
            ExpiryProved: self._on_expiry_proved,
            InstrumentListed: self.listings.on_listed,
            InstrumentUnlisted: self.listings.on_unlisted,
            VenueListed: self.listings.on_venue_listed,
            CurrenciesListed: self.currencies.on_listed,
            SymbolsChosen: self.chosen.on_chosen,
            BalancesReported: self._on_balances,
            AccountSnapshotTaken: self.accounts.on_snapshot,
            OrdersRecalled: self.accounts.on_recalled,
            OrderAccepted: self.manager.on_accepted,
            OrderRejected: self.manager.on_rejected,
            OutcomeUnknown: self.manager.on_unknown,
            OrderUpdated: self.manager.on_updated,
            OrderFilled: self.manager.on_filled,
            OrderQueried: self.manager.on_queried,
            CancelAnswered: self.manager.on_cancel_answered,
            TimerFired: self._on_timer,
            StoreStateChanged: self._on_store,
            TroubleReported: self._on_trouble,
            HaltAsked: self._on_halt,
            ResumeAsked: self._on_resume,
            FlattenAsked: self._on_flatten,
            AlertAcknowledged: self._on_acknowledged,
            LimitsChanged: self._on_limits,
            ShutdownAsked: self._on_shutdown,
            RunEnded: self._on_run_ended,
        }
        self._timer_handlers: dict[type, Callable[[Any, int], None]] = {
            OrderTimer: self.manager.on_timer,
            PairTimer: self.repairer.on_timer,
            DriftTimer: self.balances.on_timer,
            SnapshotTimer: self.accounts.on_timer,
            RulesTimer: self.listings.on_timer,
            RecoveryTimer: lambda _, now_ns: self.accounts.recover_lost(now_ns),
            StrategyTimer: lambda _, now_ns: self._on_wake(now_ns),
            BalancesTimer: lambda _, now_ns: self._refresh_balances(now_ns),
            ShutdownTimer: lambda *_: self.state.out.finish(),
            # `handle` lets these two act after every event.
            FlattenTimer: lambda *_: None,
            LastBalancesTimer: lambda *_: None,
        }

    def load(self, restored: Restored) -> None:
        """Keep the state that a previous process journalled. Call this before `RunStarted`, which recovers it."""
        self._restored = restored

    def on_frame(self, name: str, received_ns: int, raw: bytes | str, url: str = "") -> FrameResult:
        """Apply one public frame of the connection `name`, or the answer fetched from `url` for one of its books.

        `received_ns` is our clock. Never raises for data that a venue sends.
        """
        connection = self._connections[name]
        changed = HANDED_OVER if url else connection.take(raw, received_ns)
        if not changed:
            return NOTHING
        state = self.state
        result = state.books.finish_frame(connection, changed, received_ns, raw, url)
        if result.rows:
            self.strategy.on_quotes(result.rows)
        lost = [resync for resync in result.resyncs if resync.lost] if result.resyncs else None
        if lost:
            connection.gaps += len(lost)
            # A book that cannot be read stops its symbol there, not the venue, however often it is tried. An unreadable
            # frame makes all books of its connection unusable, and counts as one sign.
            if any(not resync.unreadable for resync in lost):
                state.health.gaps(connection.venue, 1, received_ns, further_name(name))
        return result

    def look_at(self, name: str, changed: int, received_ns: int) -> None:
        """Finish a frame that compiled code has applied; `changed` is that code's answer."""
        result = self.state.books.finish_frame(self._connections[name], changed, received_ns, b"")
        self.strategy.on_quotes(result.rows)

    @property
    def wants_drain(self) -> bool:
        return self.strategy.wake_ns() <= ONCE_READ or bool(self.manager.open)

    def waits_for(self, unread: Collection[str]) -> bool:
        """Return whether all that `QueueDrained` would find to do waits for the bytes on these connections."""
        if self.strategy.wake_ns(unread) <= ONCE_READ:
            return False
        books = self.state.books
        return all(
            any(books.carried_by(unread, venue, pair.plan.symbol) for venue in pair.venues)
            for pair in islice(self.manager.open.values(), LOOKED_AT)
        )

    @property
    def wants_turn(self) -> bool:
        """Return whether another `QueueDrained` should follow, once the events that arrived meanwhile are read."""
        return self.strategy.wake_ns() == AT_ONCE

    def handle(self, event: AnyEvent) -> tuple[AnyCommand, ...]:
        """Take one event and return the commands to perform, in order; raise `InvariantError` for an illegal event."""
        self.begin(event)
        return self.finish()

    def begin(self, event: AnyEvent) -> tuple[Intent, ...]:
        """Handle an event up to its orders; return the intents whose orders may leave once they are durable.

        `finish` must follow. It returns all commands of the event, those orders included, in the order of `handle`.
        """
        self._event = event
        if type(event) is not QueueDrained:
            return ()
        with localcontext(DECIMALS):
            self._prepare(event)
            self.state.books.drained(event.unread, event.backlogged)
            self._opening = self.openings.of(self.strategy, event.t_ns)
            next(self._opening, None)
        return tuple(self.state.out.intents)

    def finish(self) -> tuple[AnyCommand, ...]:
        event = self._event
        require(event is not None, "the end of a step that never began")
        assert event is not None
        self._event = None
        handler = self._handlers.get(type(event))
        if handler is None:
            raise InvariantError(f"no handler for {type(event).__name__}")
        drained = isinstance(event, QueueDrained)
        with localcontext(DECIMALS):
            if drained:
                self.state.out.write_rows()
            else:
                self._prepare(event)
            handler(event)
            if not drained:
                self.strategy.on_event(event)
            if self.state.control.flattening:
                deque(self.openings.of(self.flattener, event.t_ns), maxlen=0)
            if self.state.control.late:
                self.late_legs.lift_if_over(event.t_ns)
            day_limits.review(self.state, event.t_ns)
            if self.state.decision_books.waiting and not drained:
                self.state.decision_books.write()  # one event later: the orders decided on them have left
            if self.shutdown.begun and not isinstance(event, RunEnded):
                self.shutdown.advance(event.t_ns)
            return self.state.out.take()

    def _prepare(self, event: AnyEvent) -> None:
        self.state.out.begin(event.seq)
        self.venue_monitor.before(event)

    def take_untraded(self) -> list[OpportunityRecord]:
        return self.state.out.take_untraded()

    # The strategy.

    def _rules_changed(self, symbol: str) -> None:
        self.strategy.on_event(RulesChanged(symbol))

    def _on_wake(self, now_ns: int) -> None:
        self.strategy.on_event(Woken(now_ns))
        self._set_wake(now_ns)

    def _set_wake(self, now_ns: int) -> None:
        """Set a timer for the first instant that a strategy waits for; data may wake it earlier."""
        known = (strategy.wake_ns(self._connections) for strategy in self.strategies)
        due_ns = min((wake_ns for wake_ns in known if wake_ns > ONCE_READ), default=NEVER)
        if due_ns < NEVER and not now_ns < self._wake_ns <= due_ns:
            self._wake_ns = due_ns
            self.state.out.timer(StrategyTimer(), due_ns)

    # Beginning and end.

    def _on_run_started(self, event: RunStarted) -> None:
        state = self.state
        state.run_id, state.nonce, state.sandbox_id = event.run_id, event.nonce, event.sandbox_id
        for venue, account_id in event.account_ids.items():
            state.venues[venue].name_account(account_id)
        for venue, cause in event.absent.items():
            state.venues[venue].block(Source.ABSENT, cause)
        self._run = RunRecord(
            id=event.run_id,
            mode=event.mode,
            sandbox_id=event.sandbox_id,
            seed=event.seed,
            version=event.version,
            started_ns=event.t_ns,
        )
        state.out.persist(self._run)
        self.currencies.begin(event.t_ns)
        journal_renames(state, self._restored, event.former_account_ids, event.t_ns)
        restore(state, self.manager, self._restored, event.t_ns)
        self.absence.begin(self._restored, event.former_account_ids, event.t_ns)
        self.accounts.recover(self._restored, event.t_ns)
        self.venue_monitor.recover(self._restored.control, event.t_ns)
        state.out.timer(BalancesTimer(), event.t_ns + state.timing.balance_refresh_s * NS_PER_S)

    def _on_venue_arrived(self, event: VenueArrived) -> None:
        self.absence.end(event)
        for instrument in event.instruments:
            self.listings.take(instrument, event.t_ns)
        self.absence.take_up_pairs(event.venue, event.t_ns)

    def _on_venue_examined(self, event: VenueExamined) -> None:
        venue_state = self.state.venues[event.venue]
        if event.failed is not None:
            text = f"{event.venue}: nothing opens there in this run: {event.failed}"
            self.state.incident(IncidentKind.DOCTOR, text, event.t_ns, venue=event.venue)
            venue_state.block(Source.DOCTOR, event.failed)
        elif venue_state.blocked_by(Source.DOCTOR):
            text = f"{event.venue}: the doctor finds nothing that speaks against opening there any more"
            self.state.incident(IncidentKind.DOCTOR, text, event.t_ns, severity=Severity.INFO, venue=event.venue)
            venue_state.lift(Source.DOCTOR)

    def _on_expiry_proved(self, event: ExpiryProved) -> None:
        state, control = self.state, self.state.control
        account_id = state.venues[event.venue].account_id
        if (account_id in control.expiry_proved) is event.holds:
            return
        others = {known for known in control.expiry_proved if not has_vanished(state, known)} - {account_id}
        control.expiry_proved = others | {account_id} if event.holds else others
        text = (
            f"{event.venue} refused an expired order of {account_id}"
            if event.holds
            else f"{event.venue} documents no expiry of orders for {account_id}, as it is now"
        )
        state.out.persist(control.record(event.t_ns, text))

    def _on_shutdown(self, event: ShutdownAsked) -> None:
        self.state.blocks.put(Block(Source.SHUTDOWN, text=f"shutting down{f' (by {event.by})' if event.by else ''}"))
        self.shutdown.begin()
        self.state.out.timer(ShutdownTimer(), event.deadline_ns)
        self.strategy.on_event(RunEnding(event.t_ns))

    def _on_run_ended(self, event: RunEnded) -> None:
        require(self._run is not None, "a run ended that never started")
        assert self._run is not None
        self.strategy.on_event(RunEnding(event.t_ns))
        if event.fatal is not None:
            self.state.halt(HaltReason.ENGINE_ERROR, event.fatal, event.t_ns)
        halted = self.state.control.halted_at(event.t_ns)
        self.state.out.persist(
            msgspec.structs.replace(self._run, ended_ns=event.t_ns, exit_code=event.exit_code, halted=halted)
        )

    # The market plane's edges.

    def _on_drained(self, event: QueueDrained) -> None:
        for _ in self._opening:
            self.state.out.write_rows()  # the next judgement must count the new trade
        self._set_wake(event.t_ns)
        self.repairer.send_repairs(event.t_ns)

    def _on_feed_up(self, event: FeedUp) -> None:
        self.state.books.on_connect(event.origin, event.t_ns)

    def _on_feed_down(self, event: FeedDown) -> None:
        self.state.books.on_disconnect(event.origin, event.t_ns)

    def _on_clock(self, event: ClockMeasured) -> None:
        venue_state = self.state.venues[event.venue]
        venue_state.offset_ns, venue_state.clock_error_ns = event.offset_ns, event.error_ns
        if event.error_ns > self.state.timing.max_clock_offset_error_ms * NS_PER_MS:
            venue_state.block(Source.CLOCK, "its clock is not known closely enough")
        else:
            venue_state.lift(Source.CLOCK)
        self.state.books.set_offset(event.venue, event.offset_ns)
        self.manager.on_clock(event.venue, event.offset_ns)

    def _on_clock_suspected(self, event: ClockSuspected) -> None:
        self.state.venues[event.venue].block(Source.CLOCK, "it calls our requests out of time")

    def _on_clock_anchored(self, event: ClockAnchored) -> None:
        for venue, venue_state in self.state.venues.items():
            if venue_state.offset_ns is not None:
                venue_state.offset_ns -= event.shifted_ns
                self.state.books.set_offset(venue, venue_state.offset_ns)
        self.manager.on_clock_anchored(event.t_ns)
        self.state.incident(IncidentKind.CLOCK_ANCHORED, event.text, event.t_ns)

    # Accounts.

    def _on_private_up(self, event: PrivateUp) -> None:
        self.state.venues[event.venue].lift(Source.PRIVATE)
        self.manager.on_private_up(event.venue, event.t_ns)
        self.accounts.on_private_up(event.venue, event.t_ns)
        self.state.out.refresh(event.venue)

    def _on_private_down(self, event: PrivateDown) -> None:
        self.state.venues[event.venue].block(Source.PRIVATE, "its private stream is down")

    def _on_balances(self, event: BalancesReported) -> None:
        self.accounts.on_balances(event)
        self.fee_assets.review(event.venue, event.t_ns)

    def _progress(self, pair: PairTrade, now_ns: int) -> None:
        self.repairer.progress(pair, now_ns)

    # Timers, stores, control.

    def _on_timer(self, event: TimerFired) -> None:
        timer = read_timer(event.timer)
        self._timer_handlers[type(timer)](timer, event.t_ns)

    def _refresh_balances(self, now_ns: int) -> None:
        for venue, venue_state in self.state.venues.items():
            if venue_state.absent is None:
                self.state.out.refresh(venue)
        self.state.out.timer(BalancesTimer(), now_ns + self.state.timing.balance_refresh_s * NS_PER_S)

    def _on_store(self, event: StoreStateChanged) -> None:
        source = Source.LEDGER if event.store == "ledger" else Source.JOURNAL
        if event.blocked:
            self.state.blocks.put(Block(source, text=event.cause))
        else:
            self.state.blocks.lift(source)
        venue_state = "stopped taking rows" if event.blocked else "takes rows again"
        self.state.incident(IncidentKind.STORE, f"{event.store} {venue_state}: {event.cause}", event.t_ns)

    def _on_trouble(self, event: TroubleReported) -> None:
        kind = IncidentKind(event.kind)
        if kind is IncidentKind.EXECUTOR_ERROR:
            self.state.halt(HaltReason.EXECUTOR_ERROR, event.text, event.t_ns)
        else:
            self.state.incident(kind, event.text, event.t_ns)

    def _on_halt(self, event: HaltAsked) -> None:
        self.state.halt(HaltReason.ASKED, event.text, event.t_ns, asked=_asked(event))

    def _on_resume(self, event: ResumeAsked) -> None:
        self.state.control.resume(event.t_ns, event.allow_loss)
        self.balances.resume()
        self.state.out.persist(self.state.control.record(event.t_ns, event.reason))
        self.state.incident(IncidentKind.RESUMED, event.text, event.t_ns, severity=Severity.INFO)

    def _on_limits(self, event: LimitsChanged) -> None:
        self.state.take_limits(event.limits)
        self.fee_assets.limits_changed()
        self.strategy.on_event(HealthChanged(tuple(dict.fromkeys(symbol for _, symbol in self.state.instruments))))
        text = f"{'; '.join(event.changes)} (by {event.by})"
        self.state.incident(IncidentKind.SETTINGS_CHANGED, text, event.t_ns, severity=Severity.INFO)

    def _on_acknowledged(self, event: AlertAcknowledged) -> None:
        self.state.out.persist(event.record())

    def _on_flatten(self, event: FlattenAsked) -> None:
        self.flattener.begin(event.text, event.t_ns, _asked(event))


def _asked(event: Request) -> HaltRequest | None:
    return HaltRequest(event.by, event.t_ns, event.reason) if event.by else None
