"""The engine on captures, in virtual time: frames at the instants of the tape, orders through simulated venues.

One line of time carries everything. An order decided at t arrives at t + latency, is matched against the book of that instant,
and its answer is known at t + 2 latency. Between two instants the queue is empty, so the engine may act, exactly as when
nothing more waits on the sockets. After the last line time goes on until open pairs are finished.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.core.commands import (
    AnyCommand,
    CancelOrder,
    Finish,
    PlaceOrder,
    QueryOrder,
    RefreshBalances,
    SetTimer,
    SurveyAccount,
)
from arb.core.engine import Engine
from arb.core.events import (
    AnyEvent,
    ClockMeasured,
    FeedUp,
    InstrumentListed,
    PrivateUp,
    QueueDrained,
    RunEnded,
    RunStarted,
    ShutdownAsked,
    TimerFired,
)
from arb.errors import StoreError
from arb.market.instrument import Instrument
from arb.replay.feeds import CapturedFeed
from arb.replay.paper import PaperVenue
from arb.replay.rerun import Keep
from arb.replay.tapes import Captured

EXIT_OK, EXIT_BAD_TAPE, EXIT_HALTED = 0, 2, 4
CLOCK_STEP_NS = NS_PER_MS
"""A venue's clock is compared anew when it turns out to be at least so much further ahead than was thought."""


class Backtest:
    """See the module's text."""

    def __init__(
        self,
        engine: Engine,
        feeds: Mapping[str, CapturedFeed],
        instruments: Iterable[Instrument],
        clock: ManualClock,
        keep: Keep,
        *,
        latency_ns: int,
    ) -> None:
        self.engine = engine
        self.fault: StoreError | None = None
        self.finished = False
        self._feeds = feeds
        self._instruments = tuple(instruments)
        self._clock = clock
        self._keep = keep
        self._latency_ns = latency_ns
        self._venues = {
            venue: PaperVenue(venue, engine.house.books, {i.symbol: i for i in self._instruments if i.venue == venue})
            for venue in feeds
        }
        self._seq = 0
        self._count = itertools.count()
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._timers: dict[str, int] = {}
        self._stated: set[str] = set()

    def run(self, lines: Iterable[Captured], started: RunStarted) -> int:
        """Replay `lines` and return the exit code; a malformed line ends them early and is left in `fault`."""
        self._begin(started)
        try:
            for captured in lines:
                self._until(captured.line.received_ns)
                self._frame(captured)
        except StoreError as error:
            self.fault = error
        self._wind_down()
        house = self.engine.house
        clean = house.control.halted is None and not self.engine.desk.open
        exit_code = EXIT_BAD_TAPE if self.fault is not None else EXIT_OK if clean else EXIT_HALTED
        self._take(RunEnded(exit_code=exit_code))
        return exit_code

    def _begin(self, started: RunStarted) -> None:
        self._take(started)
        for instrument in self._instruments:
            self._take(InstrumentListed(instrument=instrument))
        now_ns = self._clock.wall_ns()
        for name, venue in self._venues.items():
            self._take(ClockMeasured(venue=name, offset_ns=0, error_ns=0))
            self._take(venue.balances(now_ns))
            self._take(PrivateUp(venue=name))
            self._take(FeedUp(venue=name))

    def _wind_down(self) -> None:
        self._drain()
        deadline_ns = self._clock.wall_ns() + self.engine.house.timing.shutdown_deadline_s * NS_PER_S
        self._take(ShutdownAsked(deadline_ns=deadline_ns))
        while not self.finished and self._due:
            self._step()

    # Time.

    def _until(self, at_ns: int) -> None:
        """Let time pass up to `at_ns`, with all that is due by then."""
        if at_ns > self._clock.wall_ns():
            self._drain()
        while self._due and self._due[0][0] <= at_ns:
            self._step()
        self._clock.advance_to(at_ns)

    def _step(self) -> None:
        """Go to the next instant at which something is due, and do all of it."""
        at_ns = self._due[0][0]
        self._clock.advance_to(at_ns)
        while self._due and self._due[0][0] == at_ns:
            heapq.heappop(self._due)[2]()
        self._drain()

    def _later(self, at_ns: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(at_ns, self._clock.wall_ns()), next(self._count), act))

    def _drain(self) -> None:
        if self.engine.wants_drain:
            self._take(QueueDrained())

    # The engine.

    def _frame(self, captured: Captured) -> None:
        venue, now_ns = captured.line.venue, self._clock.wall_ns()
        self._seq += 1
        self._feeds[venue].expect(captured)
        result = self.engine.on_frame(venue, now_ns, captured.line.raw)
        for row in result.rows:
            self._compare_clocks(venue, row)

    def _compare_clocks(self, venue: str, row: int) -> None:
        """Estimate a venue's clock from its fastest frame so far, as if that one had taken no time at all."""
        arena = self.engine.house.books.arena
        event_ns = int(arena.event_ns[row])
        if not event_ns:
            return
        ahead_ns = event_ns - int(arena.received_ns[row])
        known_ns = self.engine.house.venues[venue].offset_ns or 0
        if venue not in self._stated or ahead_ns >= known_ns + CLOCK_STEP_NS:
            self._stated.add(venue)
            self._take(ClockMeasured(venue=venue, offset_ns=ahead_ns, error_ns=0))

    def _take(self, event: AnyEvent) -> None:
        self._seq += 1
        stamped = msgspec.structs.replace(event, seq=self._seq, t_ns=self._clock.wall_ns())
        commands = self.engine.handle(stamped)
        self._keep(stamped, commands, self.engine.take_untraded())
        for command in commands:
            self._perform(command)

    # The venues.

    def _perform(self, command: AnyCommand) -> None:
        now_ns = self._clock.wall_ns()
        if isinstance(command, SetTimer):
            self._set_timer(command)
        elif isinstance(command, Finish):
            self.finished = True
        elif isinstance(command, PlaceOrder):
            self._later(now_ns + self._latency_ns, lambda: self._arrives(command, now_ns))
        elif isinstance(command, CancelOrder):
            self._ask(command.venue, lambda venue: venue.cancel(command))
        elif isinstance(command, QueryOrder):
            self._ask(command.venue, lambda venue: venue.look(command, now_ns))
        elif isinstance(command, SurveyAccount):
            self._ask(command.venue, lambda venue: venue.survey(command, now_ns))
        elif isinstance(command, RefreshBalances):
            self._ask(command.venue, lambda venue: venue.balances(now_ns))

    def _arrives(self, command: PlaceOrder, sent_ns: int) -> None:
        now_ns = self._clock.wall_ns()
        back_ns = now_ns + self._latency_ns
        offset_ns = self.engine.house.venues[command.venue].offset_ns or 0
        events = self._venues[command.venue].place(command, sent_ns, now_ns, back_ns, offset_ns)
        for event in events:
            self._tell(event, back_ns)

    def _ask(self, venue: str, question: Callable[[PaperVenue], AnyEvent]) -> None:
        def arrives() -> None:
            self._tell(question(self._venues[venue]), self._clock.wall_ns() + self._latency_ns)

        self._later(self._clock.wall_ns() + self._latency_ns, arrives)

    def _tell(self, event: AnyEvent, at_ns: int) -> None:
        self._later(at_ns, lambda: self._take(event))

    def _set_timer(self, command: SetTimer) -> None:
        """Wake the engine; of a timer that was moved only the last setting counts."""
        turn = next(self._count)
        self._timers[command.timer] = turn

        def fires() -> None:
            if self._timers.get(command.timer) == turn:
                del self._timers[command.timer]
                self._take(TimerFired(timer=command.timer))

        self._later(command.at_ns, fires)
