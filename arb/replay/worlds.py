"""A run's frames once more, with paper gateways in the place of the venues: the run as it would have been.

The engine, its settings and all frames are those of the run. A world follows the tape event by event for as long as everything
that becomes of its orders on paper is what became of them in the run: until then it *is* the run. From the first order that
ends otherwise on, answers, fills, balances and timers are its own; only what the run's markets, clocks and user did goes on
coming from the tape. An order that both have and that ended alike stays the tape's, so that nothing is filled twice.

What is assumed otherwise than it was in the run is one value of `Assumed`; comparing worlds is `arb.replay.beside`'s business.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial

import msgspec

from arb.clock import NS_PER_MS, ManualClock
from arb.core.engine import Engine
from arb.core.messages.commands import Alert, Finish, Persist, PlaceOrder, RequestBook, SetTimer
from arb.core.messages.events import (
    AccountSnapshotTaken,
    AnyEvent,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    InstrumentListed,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
    PrivateDown,
    PrivateUp,
    QueueDrained,
    RunEnded,
    SymbolsChosen,
    TimerFired,
    TroubleReported,
    VenueArrived,
    VenueListed,
)
from arb.core.messages.incidents import IncidentKind
from arb.errors import InvariantError
from arb.live.executor import Executor
from arb.market.instrument import Instrument
from arb.replay.backtest import CapturedSource
from arb.replay.captured import charged
from arb.replay.recorded import ANSWER_LEAD_NS, Recorded, Rows, about, levels_of
from arb.replay.rerun import read_event
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import TapeHead
from arb.venues.paper.account import Forgetful, PaperAccount
from arb.venues.paper.gateway import PaperGateway, Way
from arb.virtual_loop import VirtualLoop

BURST_NS = NS_PER_MS
"""Frames that follow one another within this are one burst: the engine acts after the last of them."""
FINISH_S = 30.0
"""How long open pairs may take to finish after the end of the tape."""


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """What is otherwise than it was in the run; None, and False: nothing.

    `remembers`: what we took is remembered on top of what the frames show, as on paper. `latency_ns`: an order's way by venue,
    None for half the round trip that was measured. `fees`: a taker's by venue, as a ratio. `balances`: what each account
    opens with, by asset, or what each asset is to be worth.
    """

    remembers: bool = False
    latency_ns: Mapping[str, int | None] | None = None
    fees: Mapping[str, Decimal] | None = None
    balances: Mapping[str, Decimal] | Decimal | None = None


class World:
    """One replay of a tape on paper. `play` plays it all; `rows` is what it led to."""

    def __init__(
        self, recorded: Recorded, head: TapeHead, engine: Engine, assumed: Assumed, lines: Iterator[TapeLine]
    ) -> None:
        """`engine` is new, made as that of the run was; `lines` are all of the tape's, in order."""
        assert recorded.head is not None
        self.engine = engine
        self.rows = Rows(head.restored)
        self.parted_seq: int | None = None
        """The number of the event with which this world parted from the run; None: it never did."""
        self.end_ns = 0
        self.fault: Exception | None = None
        self._recorded = recorded
        self._assumed = assumed
        self._lines = lines
        self._next: TapeLine | None = None
        self._clock = ManualClock(recorded.head.t_ns - 1)
        self._seq = head.last_seq
        self._queue: deque[AnyEvent] = deque()
        self._scheduled = False
        self._over = asyncio.Event()
        self._flat = asyncio.Event()  # no pair is open
        self._flat.set()
        self._wakes: Callable[[], bool] = bool
        self._as_run: set[str] = set()  # orders that the run placed just so, whose end is not known yet
        self._tapes: set[str] = set()  # orders whose news is the tape's
        self._placed: set[str] = set()
        self._timers: dict[str, int] = {}
        self._held: dict[tuple[str, str], AnyEvent] = {}
        self._offsets: dict[str, int] = {}
        venues = [profile.venue for profile in head.settings.venues]
        self._sources = {venue: CapturedSource(venue, (), self._offset_of(venue)) for venue in venues}
        self._gateways = {venue: self._gateway(venue) for venue in venues}
        self._executor = Executor(
            self._gateways,
            clock=self._clock,
            emit=self._emitted,
            on_incident=lambda kind, text: self._fail(InvariantError(f"{kind}: {text}")),
        )

    # Its makings.

    def _offset_of(self, venue: str) -> Callable[[], int]:
        return lambda: self._offsets.get(venue, 0)

    def _gateway(self, venue: str) -> PaperGateway:
        assumed, recorded = self._assumed, self._recorded
        assert recorded.head is not None
        opening = assumed.balances if assumed.balances is not None else recorded.openings.get(venue, {})
        account = PaperAccount(f"{venue}:paper", Forgetful(), self._clock.wall_ns())
        latency_ns = recorded.way_ns(venue) if assumed.latency_ns is None else assumed.latency_ns[venue]
        return PaperGateway(
            self._sources[venue],
            account,
            venue,
            lambda: self.engine.state.books,
            clock=self._clock,
            latency_ns=latency_ns,
            opening=opening,
            way_of=self._recorded_way if assumed.latency_ns is None else lambda _: None,
            remembers=assumed.remembers,
            fee_price=partial(self._fee_price, venue),
        )

    def _fee_price(self, venue: str, asset: str, quote: str) -> Decimal | None:
        return self.engine.state.fee_asset_price(venue, asset, quote)

    def _recorded_way(self, command: PlaceOrder) -> Way | None:
        """Return the ways that an order of the run took: it arrived before its first fill, and was answered before any news."""
        order = self._recorded.orders.get(command.client_order_id)
        if order is None or order.news_ns is None or not order.same(command):
            return None
        whole = max(0, order.news_ns - order.placed_ns - ANSWER_LEAD_NS)
        there = whole // 2 if order.filled_ns is None else order.filled_ns - order.placed_ns - 1
        there = min(max(there, 0), whole)
        return Way(there, whole - there)

    def play(self) -> None:
        """Play the tape to its end, and finish what is open; raises what broke, which is a bug."""
        loop = VirtualLoop(self._clock, self)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._main(loop.wakes))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    # The outside of the loop.

    async def _main(self, wakes: Callable[[], bool]) -> None:
        streams = [asyncio.create_task(gateway.run_private(self._emitted)) for gateway in self._gateways.values()]
        await asyncio.sleep(0)
        self._wakes = wakes
        self._advance()
        try:
            await self._over.wait()
            self._wake()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._flat.wait(), FINISH_S)
            self.end_ns = self._clock.wall_ns()
        finally:
            for stream in streams:
                stream.cancel()
            await self._executor.close()
            await asyncio.gather(*(gateway.close() for gateway in self._gateways.values()))
        if self.fault is not None:
            raise self.fault

    def run_until(self, deadline_ns: int | None) -> None:
        """Let lines of the tape arrive until one wakes the process, or until the deadline; a timer goes before a line."""
        clock = self._clock
        while (line := self._next) is not None and self.fault is None:
            at_ns = max(line.received_ns, clock.wall_ns())
            if deadline_ns is not None and at_ns >= deadline_ns:
                break
            clock.advance_to(at_ns)
            self._advance()
            try:
                self._line(line)
            except Exception as error:  # the top of the loop: whatever it is, this world ends
                self._fail(error)
            if self._wakes():
                return
        if deadline_ns is not None:
            clock.advance_to(deadline_ns)

    def _advance(self) -> None:
        self._next = next(self._lines, None)
        if self._next is None:
            self._over.set()

    def _fail(self, error: Exception) -> None:
        self.fault = self.fault or error
        self._over.set()
        self._flat.set()

    # The tape.

    def _line(self, line: TapeLine) -> None:
        if line.kind == "event":
            event = read_event(line)
            if self._passes(event):
                self._take(self._as_assumed(event), event.t_ns)
        else:
            self._seq += 1
            self.engine.on_frame(line.origin, line.received_ns, line.raw)
            self._gateways[line.venue].on_frame()
        following = self._next
        if following is None or following.received_ns - line.received_ns >= BURST_NS:
            self._drain()

    def _passes(self, event: AnyEvent) -> bool:
        """Return whether an event of the tape happens here, too."""
        assert event.seq
        on_tape = self.parted_seq is None
        if about(event) != (None, None):
            return self._news_passes(event)
        match event:
            case RunEnded():
                return False  # what is open may take longer here
            case QueueDrained():
                return on_tape or self.engine.wants_drain
            case TimerFired():
                self._held.pop(("timer", event.timer), None)
                return on_tape and self._timers.pop(event.timer, None) is not None
            case BalancesReported():
                return on_tape and self._assumed.balances is None
            case AccountSnapshotTaken():
                self._held.pop(("snapshot", event.venue), None)
                return on_tape
            case PrivateDown():
                return on_tape
            case TroubleReported():
                return on_tape or event.kind != IncidentKind.BALANCES_UNREAD
        return True

    def _news_passes(self, event: AnyEvent) -> bool:
        """Return whether news of an order is news here: of one that ended alike, and of foreign ones until the worlds part."""
        name = self._recorded.about.get(event.seq)
        if isinstance(event, OrderQueried | CancelAnswered):
            self._held.pop((type(event).__name__, event.client_order_id), None)
        if name is None or name not in self._recorded.orders:
            return self.parted_seq is None
        if name not in self._placed:
            self._part()
        return name in self._tapes

    def _as_assumed(self, event: AnyEvent) -> AnyEvent:
        match event:
            case VenueListed():
                event = msgspec.structs.replace(event, instruments=tuple(map(self._charged, event.instruments)))
                self._list(event.venue, event.instruments)
            case VenueArrived():
                event = msgspec.structs.replace(event, instruments=tuple(map(self._charged, event.instruments)))
                self._list(event.venue, event.instruments)
            case SymbolsChosen():
                event = msgspec.structs.replace(event, instruments=tuple(map(self._charged, event.instruments)))
                for one in event.instruments:
                    self._list(one.venue, (one,))
            case InstrumentListed():
                event = msgspec.structs.replace(event, instrument=self._charged(event.instrument))
                self._list(event.instrument.venue, (event.instrument,))
            case ClockMeasured():
                self._offsets[event.venue] = event.offset_ns
                self._sources[event.venue].error_ns = event.error_ns
                self._spawn(self._gateways[event.venue].measure_clock())
        return event

    def _charged(self, instrument: Instrument) -> Instrument:
        """Return rules with the fee assumed, which no other asset pays."""
        if self._assumed.fees is None:
            return instrument
        return charged(instrument, self._assumed.fees[instrument.venue])

    def _list(self, venue: str, instruments: tuple[Instrument, ...]) -> None:
        self._sources[venue].relist(instruments)
        self._spawn(self._gateways[venue].instruments(tuple(instrument.symbol for instrument in instruments)))

    def _spawn(self, work: object) -> None:
        """Run what waits for nothing, now."""
        try:
            work.send(None)  # type: ignore[attr-defined]
        except StopIteration:
            return
        raise InvariantError("a captured source waits for nothing")

    # What comes of our own orders, questions and timers.

    def _emitted(self, event: AnyEvent) -> None:
        if self._happens(event):
            self._queue.append(event)
            self._wake()

    def _happens(self, event: AnyEvent) -> bool:
        """Return whether an event of the paper venues, or a timer, is news: while we are on the tape, the tape brings it."""
        on_tape = self.parted_seq is None
        match event:
            case OrderAccepted() | OrderRejected() | OutcomeUnknown():
                return not self._ended_alike(event)
            case OrderFilled():
                return event.fill.client_order_id not in self._tapes
            case TimerFired():
                return self._timer_happens(event)
            case OrderQueried() | CancelAnswered() if on_tape:
                self._held[type(event).__name__, event.client_order_id] = event
                return False
            case AccountSnapshotTaken() if on_tape:
                self._held["snapshot", event.venue] = event
                return False
            case BalancesReported():
                return not on_tape or self._assumed.balances is not None
            case PrivateUp():
                return False
        return not on_tape

    def _timer_happens(self, event: TimerFired) -> bool:
        at_ns = self._timers.get(event.timer)
        if at_ns is None:
            return False
        self._clock.advance_to(at_ns)  # a loop takes a timer for due a nanosecond early
        if self.parted_seq is None and (event.timer, at_ns) in self._recorded.timers:
            self._held["timer", event.timer] = event
            return False
        del self._timers[event.timer]
        return True

    def _ended_alike(self, event: OrderAccepted | OrderRejected | OutcomeUnknown) -> bool:
        """Return whether an order of the run ends on paper as it did there; the first that does not parts the worlds."""
        name = event.client_order_id
        if name in self._as_run:
            self._as_run.discard(name)
            gateway, recorded = self._gateways[event.venue], self._recorded.orders[name]
            kept = gateway.kept(name)
            got = () if kept is None else levels_of((fill.price, fill.size) for fill in kept.fills)
            if (
                got == levels_of((fill.price, fill.size) for fill in recorded.fills)
                and self._assumed.latency_ns is None
            ):
                self._tapes.add(name)
                if kept is not None and recorded.venue_order_id is not None:
                    report = msgspec.structs.replace(kept.report, venue_order_id=recorded.venue_order_id)
                    gateway.restate(msgspec.structs.replace(kept, report=report, fills=recorded.fills))
                return True
        self._part()
        return False

    def _part(self) -> None:
        """Leave the tape: what it would have brought of questions and timers that are due, comes now."""
        if self.parted_seq is not None:
            return
        self.parted_seq = self._seq
        held, self._held = self._held, {}
        for event in held.values():
            if not isinstance(event, TimerFired) or self._timers.pop(event.timer, None) is not None:
                self._queue.append(event)
        self._wake()

    # The engine.

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        try:
            while self._queue and self.fault is None:
                self._take(self._queue.popleft(), self._clock.wall_ns())
            self._drain()
        except Exception as error:  # the top of the loop: whatever it is, this world ends
            self._fail(error)

    def _drain(self) -> None:
        """Let the engine act where the run's tape does not say when it did."""
        free = self.parted_seq is not None or self._assumed.fees is not None
        if free and self.engine.wants_drain and not self._queue:
            self._take(QueueDrained(), self._clock.wall_ns())
            if self.engine.wants_turn:
                self._wake()

    def _take(self, event: AnyEvent, t_ns: int) -> None:
        self._seq += 1
        stamped = msgspec.structs.replace(event, seq=self._seq, t_ns=t_ns)
        commands = self.engine.handle(stamped)
        self.rows.keep(stamped, commands, self.engine.take_untraded())
        on_tape = self.parted_seq is None
        for command in commands:
            if isinstance(command, SetTimer):
                self._timers[command.timer] = command.at_ns
            elif isinstance(command, PlaceOrder):
                self._placed.add(command.client_order_id)
                order = self._recorded.orders.get(command.client_order_id)
                if on_tape and order is not None and order.same(command):
                    self._as_run.add(command.client_order_id)
        outward = tuple(c for c in commands if not isinstance(c, Persist | Alert | Finish | RequestBook))
        if outward:
            self._executor.perform(outward)
        if not self.engine.manager.open:
            self._flat.set()
        elif self.fault is None:
            self._flat.clear()
