"""The engine: one synchronous, deterministic function of what happened.

Two planes. The market plane, `on_frame`, applies one public frame to the books and marks the symbols whose edge crossed.
The decision plane, `handle`, takes one event and returns the commands to perform; `QueueDrained` lets it act on the marked
symbols. No clock, no chance, no I/O: the same frames and events give the same commands, whoever feeds them.
"""

from collections.abc import Callable
from decimal import Context, localcontext
from typing import Any

import msgspec

from arb.clock import NS_PER_S
from arb.core.accounts.account_reconciler import ADOPT_TIMER, Accounts
from arb.core.accounts.account_reconciler import TIMER as SURVEY_TIMER
from arb.core.accounts.balance_reconciler import TIMER as DRIFT_TIMER
from arb.core.accounts.fees import booked_fee, dearer_rate, expected_fee_currency, fee_quote, unsupported
from arb.core.accounts.former_accounts import keep_former
from arb.core.accounts.restart import Restored, abandon, restore
from arb.core.books import Books
from arb.core.commands import AnyCommand
from arb.core.events import (
    AccountSurveyed,
    AnyEvent,
    BalancesReported,
    CancelAnswered,
    ClockDoubted,
    ClockMeasured,
    FeedDown,
    FeedUp,
    FlattenAsked,
    HaltAsked,
    InstrumentListed,
    OrderAccepted,
    OrderFilled,
    OrderLooked,
    OrderRejected,
    OrderUpdated,
    OutcomeUnknown,
    PrivateDown,
    PrivateUp,
    QueueDrained,
    ResumeAsked,
    RunEnded,
    RunStarted,
    ShutdownAsked,
    StoreStateChanged,
    TimerFired,
    TroubleReported,
)
from arb.core.opportunities.detector import Detector
from arb.core.orders.manager import Desk
from arb.core.pairs.flatten import TIMER as FLATTEN_TIMER
from arb.core.pairs.flatten import Flattener
from arb.core.pairs.leg_repairer import Mender
from arb.core.records import OpportunityRecord, RunRecord
from arb.core.risk.shutdown import TIMER as FAREWELL_TIMER
from arb.core.risk.shutdown import Farewell
from arb.core.risk.venue_monitor import Sentry
from arb.core.state import EngineSettings, House
from arb.errors import InvariantError, require
from arb.market.feed import FrameResult, further_name
from arb.market.fill import Fill
from arb.market.numbers import plain
from arb.market.symbol import Symbol

# Sums and products of prices, sizes and fees must be exact; the default 28 digits round silently.
DECIMALS = Context(prec=80)


class Engine:
    """The decision core of one process."""

    def __init__(self, settings: EngineSettings, books: Books) -> None:
        self.house = House(settings, books)
        self.desk = Desk(self.house)
        self.mender = Mender(self.house, self.desk)
        self.detector = Detector(self.house, self.desk, self.mender.closer.pool)
        self.flattener = Flattener(self.house, self.desk, self.mender.closer)
        self.sentry = Sentry(self.house, self.desk, self.detector, self.mender.closer.pool)
        self.accounts = Accounts(self.house, self.desk)
        self.farewell = Farewell(self.house, self.desk, self.accounts.drift)
        self.desk.progress = self.mender.progress
        self.desk.fee_check = self._check_fee
        self._run: RunRecord | None = None
        self._restored = Restored()
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._on_run_started,
            QueueDrained: self._on_drained,
            FeedUp: self._on_nothing,
            FeedDown: self._on_feed_down,
            PrivateUp: self._on_private_up,
            PrivateDown: self._on_private_down,
            ClockMeasured: self._on_clock,
            ClockDoubted: self._on_clock_doubted,
            InstrumentListed: self._on_instrument,
            BalancesReported: self.accounts.on_balances,
            AccountSurveyed: self.accounts.on_surveyed,
            OrderAccepted: self.desk.on_accepted,
            OrderRejected: self.desk.on_rejected,
            OutcomeUnknown: self.desk.on_unknown,
            OrderUpdated: self.desk.on_updated,
            OrderFilled: self.desk.on_filled,
            OrderLooked: self.desk.on_looked,
            CancelAnswered: self.desk.on_cancel_answered,
            TimerFired: self._on_timer,
            StoreStateChanged: self._on_store,
            TroubleReported: self._on_trouble,
            HaltAsked: self._on_halt,
            ResumeAsked: self._on_resume,
            FlattenAsked: self._on_flatten,
            ShutdownAsked: self._on_shutdown,
            RunEnded: self._on_run_ended,
        }

    def load(self, restored: Restored) -> None:
        """Take up what a previous process left in the journal; to be called before `RunStarted`."""
        self._restored = restored

    def on_frame(self, name: str, received_ns: int, raw: bytes | str) -> FrameResult:
        """Apply one public frame of the connection `name`; `received_ns` is our clock. Never raises for what a venue sends."""
        house = self.house
        connection = house.books.connections[name]
        offset_ns = house.venues[connection.venue].offset_ns or 0
        result = house.books.on_frame(name, received_ns, raw, offset_ns)
        if result.rows:
            self.detector.mark(result.rows)
        if result.resyncs:
            connection.gaps += len(result.resyncs)
            house.health.gaps(connection.venue, len(result.resyncs), received_ns, further_name(name))
        return result

    @property
    def wants_drain(self) -> bool:
        """Return whether a `QueueDrained` would find anything to do."""
        return self.detector.marked or bool(self.desk.open)

    def handle(self, event: AnyEvent) -> tuple[AnyCommand, ...]:
        """Take one event and return what to do about it, in order."""
        handler = self._handlers.get(type(event))
        if handler is None:
            raise InvariantError(f"no handler for {type(event).__name__}")
        with localcontext(DECIMALS):
            self.house.out.begin(event.seq)
            self.sentry.before(event)
            handler(event)
            self.flattener.advance(event.t_ns)
            if self.house.alternatives.untold and not isinstance(event, QueueDrained):
                self.house.alternatives.tell()  # later than the orders they stood beside, which have left by now
            if not isinstance(event, RunEnded):
                self.farewell.advance(event.t_ns)
            return self.house.out.take()

    def take_untraded(self) -> list[OpportunityRecord]:
        """Hand over the closed opportunities that nobody traded."""
        return self.detector.take_untraded()

    # Beginning and end.

    def _on_run_started(self, event: RunStarted) -> None:
        house = self.house
        house.run_id, house.nonce, house.sandbox_id = event.run_id, event.nonce, event.sandbox_id
        for venue, account_id in event.account_ids.items():
            house.venues[venue].account_id = account_id
        self._run = RunRecord(
            id=event.run_id,
            mode=event.mode,
            sandbox_id=event.sandbox_id,
            seed=event.seed,
            version=event.version,
            started_ns=event.t_ns,
        )
        house.out.persist(self._run)
        self.detector.start()
        keep_former(house, self._restored, event.former_account_ids, event.t_ns)
        restore(house, self.desk, self.mender.closer.pool, self._restored, event.t_ns)
        self.accounts.take_up(self._restored, event.t_ns)
        self.sentry.take_up(self._restored.control, event.t_ns)
        house.out.timer("balances", event.t_ns + house.timing.balance_refresh_s * NS_PER_S)

    def _on_shutdown(self, event: ShutdownAsked) -> None:
        self.house.control.reducing = True
        self.farewell.begin()
        self.house.out.timer("shutdown", event.deadline_ns)
        self.detector.finish(event.t_ns)

    def _on_run_ended(self, event: RunEnded) -> None:
        require(self._run is not None, "a run ended that never started")
        assert self._run is not None
        self.detector.finish(event.t_ns)
        if event.fatal is not None:
            self.house.halt("engine_error", event.fatal, event.t_ns)
        halted = self.house.control.halted
        self.house.out.persist(
            msgspec.structs.replace(self._run, ended_ns=event.t_ns, exit_code=event.exit_code, halted=halted)
        )

    # The market plane's edges.

    def _on_drained(self, event: QueueDrained) -> None:
        self.detector.act(event.t_ns)
        self.mender.retry(event.t_ns)

    def _on_feed_down(self, event: FeedDown) -> None:
        self.house.books.on_disconnect(event.origin, event.t_ns)
        self.detector.mark_all()

    def _on_nothing(self, event: AnyEvent) -> None:
        pass

    def _on_clock(self, event: ClockMeasured) -> None:
        state = self.house.venues[event.venue]
        state.offset_ns, state.clock_error_ns, state.clock_doubted = event.offset_ns, event.error_ns, False
        orders = (order for pair in self.desk.open.values() for order in pair.orders.values())
        self.desk.seeker.clock_told(orders, event.venue, event.offset_ns)

    def _on_clock_doubted(self, event: ClockDoubted) -> None:
        self.house.venues[event.venue].clock_doubted = True

    def _on_instrument(self, event: InstrumentListed) -> None:
        instrument, house = event.instrument, self.house
        before = house.instrument(instrument.venue, instrument.symbol)
        house.instruments[instrument.venue, instrument.symbol] = instrument
        if unsupported(instrument) and (before is None or not unsupported(before)):
            text = (
                f"{instrument.symbol} at {instrument.venue}: fees are taken in another asset than base or quote: nothing opens "
                "there; let the venue take them from what is traded (at Gate: no deduction in GT or points)"
            )
            house.incident("fee_currency", text, event.t_ns, venue=instrument.venue)
        self.detector.rules_changed(instrument.symbol)

    # Accounts.

    def _on_private_up(self, event: PrivateUp) -> None:
        self.house.venues[event.venue].private_up = True
        self.desk.ask_all(event.venue, event.t_ns)
        self.accounts.on_private_up(event.venue, event.t_ns)
        self.house.out.refresh(event.venue)

    def _on_private_down(self, event: PrivateDown) -> None:
        self.house.venues[event.venue].private_up = False

    def _check_fee(self, fill: Fill) -> None:
        """Stop a symbol at a venue whose fee came in another asset than the model charges; reckon with a dearer rate.

        A dearer rate holds until the venue tells other rules. Of a fee that has no price, what it is booked at is told.
        """
        instrument = self.house.instruments[fill.venue, fill.symbol]
        expected = expected_fee_currency(fill, instrument.buy_fee_in)
        key = (fill.venue, fill.symbol)
        if fill.fee and expected not in (None, fill.fee_currency) and key not in self.house.stopped:
            self.house.stopped[key] = f"fee in {fill.fee_currency}, expected {expected}"
            text = f"{fill.symbol} is stopped at {fill.venue}: {self.house.stopped[key]}"
            self.house.incident("fee_currency", text, fill.received_ns, severity="critical", venue=fill.venue)
        if fill.fee and fee_quote(self.house, fill) is None:
            quote, order = Symbol.of(fill.symbol).quote, self.desk.order_of(fill)
            text = (
                f"a fee of {plain(fill.fee)} {fill.fee_currency} for {fill.symbol} at {fill.venue} has no price here: "
                f"booked at {plain(booked_fee(self.house, fill))} {quote}, as the model has it"
            )
            pair_id = None if order is None else order.pair_id
            self.house.incident("fee_currency", text, fill.received_ns, venue=fill.venue, pair_id=pair_id)
        rate = dearer_rate(fill, instrument)
        if rate is not None:
            text = f"{fill.symbol} at {fill.venue}: charged {rate}, expected {instrument.taker_fee}; reckoned with now"
            self.house.incident("fee_rate", text, fill.received_ns, severity="warning", venue=fill.venue)
            self.house.instruments[key] = msgspec.structs.replace(instrument, taker_fee=rate)
            self.detector.rules_changed(fill.symbol)

    # Timers, stores, control.

    def _on_timer(self, event: TimerFired) -> None:
        kind, _, name = event.timer.partition(":")
        if kind == "order":
            self.desk.on_timer(name, event.t_ns)
        elif kind == "pair":
            self.mender.on_timer(int(name), event.t_ns)
        elif kind == "episodes":
            self.detector.close_episodes(event.t_ns)
        elif kind == "balances":
            for venue in self.house.venues:
                self.house.out.refresh(venue)
            self.house.out.timer("balances", event.t_ns + self.house.timing.balance_refresh_s * NS_PER_S)
        elif kind == DRIFT_TIMER:
            self.accounts.drift.on_timer(name, event.t_ns)
        elif kind == SURVEY_TIMER:
            self.accounts.on_timer(name)
        elif kind == ADOPT_TIMER:
            self.accounts.adopt_lost(event.t_ns)
        elif kind in (FLATTEN_TIMER, FAREWELL_TIMER):
            pass  # both look after every event
        elif kind == "shutdown":
            self.house.out.finish()
        else:
            raise InvariantError(f"unknown timer {event.timer!r}")

    def _on_store(self, event: StoreStateChanged) -> None:
        if event.blocked:
            self.house.store_blocked[event.store] = event.cause
        else:
            self.house.store_blocked.pop(event.store, None)
        state = "stopped taking rows" if event.blocked else "takes rows again"
        self.house.incident("store", f"{event.store} {state}: {event.cause}", event.t_ns)

    def _on_trouble(self, event: TroubleReported) -> None:
        if event.kind == "executor_error":
            self.house.halt(event.kind, event.text, event.t_ns)
        else:
            self.house.incident(event.kind, event.text, event.t_ns)

    def _on_halt(self, event: HaltAsked) -> None:
        self.house.halt("asked", event.reason, event.t_ns)

    def _on_resume(self, event: ResumeAsked) -> None:
        self.house.control.resume()
        for pair in self.desk.stranded.values():
            abandon(self.house, pair, f"pair {pair.id} is given up: {event.reason}", event.t_ns)
        self.desk.stranded.clear()
        self.accounts.drift.resume()
        self.house.out.persist(self.house.control.record(event.t_ns, event.reason))
        self.house.incident("resume", event.reason, event.t_ns, severity="info")

    def _on_flatten(self, event: FlattenAsked) -> None:
        self.flattener.begin(event.reason, event.t_ns)
