"""The engine on captures, in virtual time: frames at the instants of the tape, orders through paper gateways.

The tape is the outside of a virtual loop. While no task of ours can run, its next frame arrives, or time jumps to our next
timer, whichever is first. Between two instants the queue is empty, so the engine may act, exactly as when the sockets are
drained. After the last line time continues until open pairs are finished.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from arb.clock import NS_PER_MS, ManualClock
from arb.core.books.books import Books
from arb.core.engine import Engine
from arb.core.messages.events import ClockMeasured, FeedUp, InstrumentListed
from arb.core.messages.settings import Timing
from arb.core.state.engine_state import EngineSettings
from arb.errors import EXIT_OK, StoreError
from arb.live.node import Node
from arb.live.parts import Journal, Parts
from arb.live.runner import LedgerWriter
from arb.live.universe import Universe
from arb.market.arena import INT64_MAX
from arb.market.feed import Notice, ResyncBy, venue_of
from arb.market.instrument import Instrument
from arb.market.numbers import ZERO
from arb.market.words import AHEAD_NS
from arb.replay.blocks import FrameBlocks, OneByOne
from arb.replay.captured import Capture, Charge, as_recorded, charged
from arb.replay.feeds import CapturedFeed, captured_books
from arb.replay.tapes import Captured, Merged
from arb.venues.books.compiled.layout import AT_END, AT_LINE, AT_ROW
from arb.venues.kit.base import EventListener, FrameListener, MarketFeed
from arb.venues.paper.account import Forgetful, PaperAccount
from arb.venues.paper.gateway import PaperGateway, watched
from arb.virtual_loop import VirtualLoop

MODE = "replay"
START_BALANCE = Decimal(1_000_000)
"""The quote at every venue, and the value of every base: enough that inventory refuses nothing, unless the settings' own
limits do."""
EXIT_BAD_TAPE = 2
START_NS = NS_PER_MS
CLOCK_STEP_NS = NS_PER_MS
"""A venue's clock is measured again when it is this much further ahead than known."""
BooksOf = Callable[[Capture, Timing], tuple[Books, dict[str, CapturedFeed]]]


def clock_before(first_ns: int, latency_ns: int) -> ManualClock:
    """Return a clock for a tape whose first frame was received at `first_ns`: early enough for the questions of a start."""
    return ManualClock(first_ns - 2 * latency_ns - START_NS)


Lines = FrameBlocks[Captured] | OneByOne[Captured]


class Player:
    """Plays a tape to a node: the outside of the loop that it runs on."""

    def __init__(self, lines: Lines, clock: ManualClock, feeds: Mapping[str, CapturedFeed]) -> None:
        self.over = asyncio.Event()
        self.fault: StoreError | None = None
        self.offsets_ns: dict[str, int] = {}
        """Every venue's clock minus the tape's, by its fastest frame so far."""
        self._lines = lines
        self._clock = clock
        self._feeds = feeds
        self._books: Books | None = None
        self._on_frame: FrameListener | None = None
        self._emit: EventListener | None = None
        self._node: Node | None = None
        self._wakes: Callable[[], bool] = bool
        self._gateways: Collection[PaperGateway] = ()
        self.on_rules: Callable[[Instrument], None] = lambda _: None
        """Called with rules where the tape shows that a venue lists them."""

    def connect(
        self, books: Books, on_frame: FrameListener, emit: EventListener, gateways: Mapping[str, PaperGateway]
    ) -> None:
        self._books, self._on_frame, self._emit = books, watched(on_frame, gateways), emit
        self._gateways = gateways.values()
        for connection in books.connections.values():
            connection.words[AHEAD_NS] = -INT64_MAX  # the first frame with a sending time is to be handled here

    def play(self, node: Node, wakes: Callable[[], bool]) -> None:
        """Begin to play to a node; `wakes` returns whether a task of ours could run now."""
        self._node, self._wakes = node, wakes
        self._taken(0)

    async def played(self) -> int:
        """Wait for the end of the tape; return the exit code that a malformed line asks for, else 0."""
        await self.over.wait()
        return EXIT_OK if self.fault is None else EXIT_BAD_TAPE

    def run_until(self, deadline_ns: int | None) -> None:
        """Deliver frames until one wakes the process, or until the deadline; a timer precedes a frame of its instant.

        All frames of one instant arrive together.
        """
        assert deadline_ns is not None, "a run always waits for some timer"
        clock, wakes = self._clock, self._wakes
        while self._taken(deadline_ns):
            at_ns = clock.wall_ns()
            while self._taken(at_ns + 1):
                pass
            if wakes():
                return
        if self.over.is_set() and wakes():
            return
        clock.advance_to(deadline_ns)

    def _taken(self, limit_ns: int) -> bool:
        """Deliver the lines received before an instant, up to the first frame that may have an effect.

        Returns whether there was one; the clock is at its instant then.
        """
        if self._node is None or self.over.is_set():
            return False
        lines, clock, runner = self._lines, self._clock, self._node.runner
        busy = runner.busy or any(gateway.watches for gateway in self._gateways)
        try:
            before = lines.taken
            stop = lines.take(limit_ns, clock.wall_ns(), one_by_one=busy)
        except StoreError as error:
            self.fault, stop = error, AT_END
        if lines.taken > before:
            clock.advance_to(lines.clock_ns)
            looked_at = lines.looked_at if stop == AT_ROW else None
            runner.on_taken(lines.taken - before, looked_at, lines.clock_ns)
            if looked_at is not None:
                self._compare_clocks(venue_of(looked_at[0]), looked_at[1] - 1)
        if stop == AT_LINE:
            clock.advance_to(max(lines.next_ns, clock.wall_ns()))
            self._frame(lines.next(), clock.wall_ns())
        elif stop == AT_END:
            self.over.set()
        return stop in (AT_LINE, AT_ROW)

    def _frame(self, captured: Captured, now_ns: int) -> None:
        assert self._on_frame is not None
        if captured.rules is not None:
            self.on_rules(captured.rules)
            return
        line = captured.line
        feed = self._feeds[line.venue]
        feed.expect(captured)
        self._on_frame(line.venue, now_ns, line.raw.encode(), line.url if line.kind == "http" else "")
        for row in feed.rows:
            self._compare_clocks(line.venue, row)

    def _compare_clocks(self, venue: str, row: int) -> None:
        """Estimate a venue's clock from its fastest frame so far, as if that one had taken no time at all."""
        assert self._emit is not None and self._books is not None
        arena = self._books.arena
        words = self._books.connections[venue].words
        event_ns: int = arena.event_ns.item(row)
        ahead_ns: int = event_ns - arena.received_ns.item(row)
        if event_ns and ahead_ns >= words[AHEAD_NS]:
            self.offsets_ns[venue] = ahead_ns
            words[AHEAD_NS] = ahead_ns + CLOCK_STEP_NS
            self._emit(ClockMeasured(venue=venue, offset_ns=ahead_ns, error_ns=0))


class _TapeFeed:
    """See `arb.venues.kit.base.MarketFeed`: the frames arrive from the player."""

    def __init__(self, venue: str, emit: EventListener) -> None:
        self.venue = self.connection = venue
        self._emit = emit

    async def run(self, on_read: Callable[[], None]) -> None:
        """Keep the connection up for as long as the tape lasts; its instants are the player's."""
        self._emit(FeedUp(venue=self.venue))
        await asyncio.Event().wait()

    def resync(self, native_symbol: str, by: ResyncBy = ResyncBy.RESUBSCRIBE) -> None: ...

    def add_book(self, native_symbol: str) -> None:
        """Change nothing: the tape decides its books."""

    def retire_book(self, native_symbol: str) -> None: ...

    def on_notice(self, notice: Notice) -> None: ...

    def unread(self) -> bool:
        """Return False: all frames of an instant arrive together."""
        return False


class Backtest:
    """One run of the engine on captures; `latency_ns` is an order's travel time to its venue, and that of its answer back.

    `clock` must be before the first frame (`clock_before`, by the longest travel time), since the first questions to the
    venues take their time.
    """

    def __init__(
        self,
        capture: Capture,
        settings: EngineSettings,
        clock: ManualClock,
        journal: Journal,
        ledger: LedgerWriter,
        *,
        latency_ns: int,
        seed: int,
        latencies_ns: Mapping[str, int] | None = None,
        charge: Charge = as_recorded,
        opening: Mapping[str, Mapping[str, Decimal]] | None = None,
        dropped: Callable[[], int] = int,
        books_of: BooksOf = captured_books,
        compiled: bool = False,
    ) -> None:
        """`latencies_ns`: travel times to venues that differ from `latency_ns`. `charge`: see `Contents`. `opening`: the
        accounts' holdings at some venues in place of `START_BALANCE` of everything. `books_of` makes the engine's books, and
        the feeds that the lines are named to. `compiled`: compiled code keeps the books it can instead, and takes frames in a
        row where tapes are given as `merged` has them."""
        self.fault: StoreError | None = None
        self._charge = charge
        self._rules = {(known.venue, known.symbol): known for known in capture.instruments}
        self._sources: dict[str, CapturedSource] = {}
        self._capture = capture
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._ledger = ledger
        self._latency_ns = latency_ns
        self._latencies_ns = latencies_ns or {}
        self._opening = opening or {}
        self._seed = seed
        self._dropped = dropped
        self._compiled = compiled
        make = partial(captured_books, compiled=True) if compiled else books_of
        self._books, self._feeds = make(capture, settings.timing)
        self._node: Node | None = None
        self._gateways: dict[str, PaperGateway] = {}

    @property
    def engine(self) -> Engine:
        assert self._node is not None
        return self._node.engine

    def run(self, lines: Iterable[Captured], on_read: Callable[[int], None] | None = None) -> int:
        """Replay `lines` and return the exit code; a malformed line ends them early and is kept in `fault`.

        `on_read` is called now and then with the number of lines that compiled code has read.
        """
        player = Player(self._opened(lines, on_read), self._clock, self._feeds)
        player.on_rules = self._on_rules
        loop = VirtualLoop(self._clock, player)
        asyncio.set_event_loop(loop)
        try:
            exit_code = loop.run_until_complete(self._main(player, loop))
        finally:
            # An order may still be on its way when the run is over, and nothing waits for it any more.
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            asyncio.set_event_loop(None)
            loop.close()
        self.fault = player.fault
        return exit_code

    def _opened(self, lines: Iterable[Captured], on_read: Callable[[int], None] | None) -> Lines:
        if not self._compiled or not isinstance(lines, Merged):
            return OneByOne(lines, lambda captured: captured.line.received_ns)
        sources = lines.sources()
        for file, source in sources:
            feeds = [feed.blocks(file) for feed in self._feeds.values()]
            source.name_feeds({name: block for found in feeds for name, block in found.items()})
        blocks = FrameBlocks([source for _, source in sources], clocked=True)
        blocks.on_read = on_read
        return blocks

    async def _main(self, player: Player, loop: VirtualLoop) -> int:
        node = self._node = Node(self._parts(player))
        await node.start()
        player.play(node, loop.wakes)
        return await node.trade(player.played())

    def _on_rules(self, listed: Instrument) -> None:
        """Apply changed rules from here on; a segment repeats unchanged ones at its head."""
        rules, key = charged(listed, self._charge(listed.venue)), (listed.venue, listed.symbol)
        if key not in self._rules or self._rules[key] == rules:
            return
        assert self._node is not None
        self._rules[key] = rules
        self._sources[listed.venue].relist((rules,))
        # The gateway reads them at once: nothing waits in a captured source.
        self._reading = asyncio.get_running_loop().create_task(
            self._gateways[listed.venue].instruments((listed.symbol,))
        )
        self._node.runner.emit(InstrumentListed(instrument=rules))

    def _parts(self, player: Player) -> Parts:
        capture, books = self._capture, self._books
        gateways = self._gateways = {venue: self._gateway(venue, player) for venue in capture.venues}

        def make_feeds(books: Books, on_frame: FrameListener, emit: EventListener) -> Mapping[str, MarketFeed]:
            player.connect(books, on_frame, emit, gateways)
            return {venue: _TapeFeed(venue, emit) for venue in capture.venues}

        return Parts(
            settings=self._settings,
            symbols=dict.fromkeys(capture.venues, tuple(capture.scales)),
            mode=MODE,
            sandbox_id=None,
            seed=self._seed,
            clock=self._clock,
            rng=random.Random(self._seed),
            journal=self._journal,
            make_ledger=lambda _: self._ledger,
            gateways=gateways,
            make_universe=lambda *_: Universe(capture.instruments, capture.scales, books.rows),
            make_books=lambda _: books,
            make_feeds=make_feeds,
            on_alert=lambda *_: None,
            dropped=self._dropped,
        )

    def _gateway(self, venue: str, player: Player) -> PaperGateway:
        listed = tuple(instrument for instrument in self._capture.instruments if instrument.venue == venue)
        source = self._sources[venue] = CapturedSource(venue, listed, lambda: player.offsets_ns.get(venue, 0))
        return PaperGateway(
            source,
            PaperAccount(f"{venue}:paper", Forgetful(), self._clock.wall_ns()),
            venue,
            lambda: self._books,
            clock=self._clock,
            latency_ns=self._latencies_ns.get(venue, self._latency_ns),
            opening=self._opening.get(venue) or _ample(listed),
        )


def _ample(listed: Iterable[Instrument]) -> dict[str, Decimal]:
    """Return `START_BALANCE` of each quote, and of each base the size of equal value at its least price, one tick."""
    balances: dict[str, Decimal] = {}
    for one in listed:
        worth = START_BALANCE / min(one.tick, Decimal(1))
        balances[one.quote] = max(START_BALANCE, balances.get(one.quote, ZERO))
        balances[one.base] = max(worth, balances.get(one.base, ZERO))
    return balances


class CapturedSource:
    """See `arb.venues.paper.gateway.PaperSource`: rules are those found in a capture, the clock is that of its frames."""

    def __init__(self, venue: str, listed: tuple[Instrument, ...], offset_ns: Callable[[], int]) -> None:
        self.offset_ns = offset_ns
        self._venue = venue
        self._instruments: dict[str, Instrument] = {}
        self.listed: frozenset[str] = frozenset()
        """All known symbols."""
        self.relist(listed)

    def relist(self, instruments: Iterable[Instrument]) -> None:
        self._instruments |= {instrument.symbol: instrument for instrument in instruments}
        self.listed = frozenset(self._instruments)

    async def listing(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        return tuple(instrument for symbol, instrument in self._instruments.items() if symbol in symbols)

    async def currencies(self, assets: tuple[str, ...]) -> None: ...

    async def measure_clock(self) -> ClockMeasured:
        return ClockMeasured(venue=self._venue, offset_ns=self.offset_ns(), error_ns=0)

    async def close(self) -> None: ...
