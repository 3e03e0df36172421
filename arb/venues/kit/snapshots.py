"""Snapshots of books that are fetched over HTTP, where a venue's websocket sends only changes (`ResyncBy.FETCH`).

A book is asked for once at a time, and only while it waits: a snapshot for a connection that has ended is thrown away,
since changes are missing behind it. All connections of a venue share one pace, as the venue counts requests by address;
so 300 books that are lost together return one after the other, and no request is refused. A failed fetch is repeated,
each book by itself, after 1, 2, 4, 8 and then 15 s: no answer, an answer too long, a status that is none of success, a
body that is none of the venue's. Where the venue answers 429 all of them pause for as long as it asks, and continue
more slowly (`arb.venues.kit.rules.pacing`).

A snapshot is delivered as a frame is, with its address; whether it fits the stream is for the books to judge.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.market.feed import BookFeed
from arb.market.order import Outcome
from arb.venues.kit.resyncs import ResyncPace
from arb.venues.kit.rules.outcome import OutcomePolicy, judge_read
from arb.venues.kit.rules.pacing import Pacer, Priority
from arb.venues.transport.http import AnswerLost, HttpAnswer, HttpTransport, NeverSent
from arb.venues.transport.request import HttpRequest

SCOPE = "snapshots"
"""The metering scope of a venue's snapshots."""
TIMEOUT_S = 5.0
IN_FLIGHT_MAX = 8
"""Of one connection: an endpoint that hangs holds up no more than this, for `TIMEOUT_S`."""
DELAY_MAX_S = 15
BYTES_MAX = 512 * 1024
"""Of one snapshot; the longest one asked for, 1000 levels a side, is some 70 kB."""
REPORTED_EVERY_S = 60


class SnapshotSource(msgspec.Struct, frozen=True):
    """Where one venue's snapshots are fetched: below `rest`, with `headers`, at the pace that its connections share."""

    rest: str
    headers: Mapping[str, str]
    policy: OutcomePolicy
    pacer: Pacer
    carrier: Callable[[], HttpTransport]


class SnapshotFetcher:
    """Fetches the snapshots that the books of one connection wait for, while it runs.

    `deliver` takes (received_ns, body, path) of each; `report` takes a line about failures, one a minute at most.
    Neither may block; an exception of `deliver` ends `run`.
    """

    def __init__(
        self,
        dialect: BookFeed,
        source: SnapshotSource,
        *,
        clock: Clock,
        deliver: Callable[[int, bytes, str], None],
        report: Callable[[str], None],
    ) -> None:
        self._dialect = dialect
        self._source = source
        self._clock = clock
        self._deliver = deliver
        self._report = report
        self._pace = ResyncPace(0, delay_max_s=DELAY_MAX_S)
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._transport: HttpTransport | None = None
        self._reported_ns: int | None = None

    def ask(self, native_symbol: str) -> None:
        """Fetch the snapshot that a book waits for; one that waits for none, or is being fetched, changes nothing."""
        if native_symbol not in self._fetching and self._dialect.snapshot_path(native_symbol) is not None:
            self._pace.ask(native_symbol, self._clock.monotonic_ns())
            self._wake.set()

    def forget(self, native_symbol: str) -> None:
        self._pace.forget(native_symbol)
        if (task := self._fetching.pop(native_symbol, None)) is not None:
            task.cancel()

    def lost_connection(self) -> None:
        """Drop all requests and answers under way: the books begin again with the next connection."""
        self._pace.lost_connection()
        for task in self._fetching.values():
            task.cancel()
        self._fetching.clear()

    async def run(self) -> None:
        self._transport = self._source.carrier()
        wake = asyncio.create_task(self._wake.wait())
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                now_ns = self._clock.monotonic_ns()
                for native in self._pace.due(now_ns, IN_FLIGHT_MAX - len(self._fetching)):
                    self._fetching[native] = asyncio.create_task(self._fetch(native))
                tasks |= set(self._fetching.values())
                due_ns = self._pace.next_due_ns() if len(self._fetching) < IN_FLIGHT_MAX else None
                timeout_s = None if due_ns is None else max(0, due_ns - now_ns) / NS_PER_S
                done, _ = await asyncio.wait({wake, *tasks}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done & tasks:
                    tasks.discard(task)
                    if not task.cancelled():
                        task.result()
                if wake in done:
                    self._wake.clear()
                    wake = asyncio.create_task(self._wake.wait())
        finally:
            self.lost_connection()
            for each in (wake, *tasks):
                each.cancel()
            await asyncio.gather(wake, *tasks, return_exceptions=True)
            await self._transport.close()

    async def _fetch(self, native: str) -> None:
        for _ in range(self._dialect.snapshot_share(native)):
            await self._source.pacer.wait(SCOPE, Priority.READ, None)
        path = self._dialect.snapshot_path(native)  # it may be live meanwhile: a stream may push whole books, too
        answer, failure = (None, "") if path is None else await self._ask_once(path)
        # From here on nothing is awaited, so the connection cannot be lost in between.
        self._fetching.pop(native, None)
        self._wake.set()
        if failure:
            self._failed(native, failure)
        if answer is not None and path is not None:
            self._deliver(answer.received_ns, answer.body, path)

    async def _ask_once(self, path: str) -> tuple[HttpAnswer | None, str]:
        """Return the answer that holds a snapshot, or None and the reason."""
        source, transport = self._source, self._transport
        assert transport is not None
        request = HttpRequest("GET", source.rest + path, dict(source.headers), answer_bytes_max=BYTES_MAX)
        try:
            answer = await transport.send(request, TIMEOUT_S)
        except (NeverSent, AnswerLost) as error:
            return None, str(error) or "no answer"
        venue_ns = self._clock.wall_ns()
        verdict = judge_read(source.policy, answer, venue_ns)
        source.pacer.obey(SCOPE, verdict, answer.headers, venue_ns)
        if answer.status == HTTP_OK and verdict.outcome is Outcome.ACCEPTED:
            return answer, ""
        return None, f"HTTP {answer.status} {verdict.code} {verdict.message}".rstrip()

    def _failed(self, native: str, failure: str) -> None:
        now_ns = self._clock.monotonic_ns()
        self._pace.ask(native, now_ns)
        if self._reported_ns is None or now_ns >= self._reported_ns + REPORTED_EVERY_S * NS_PER_S:
            self._reported_ns = now_ns
            waiting = self._pace.waiting + len(self._fetching)
            self._report(
                f"the snapshot of {native} cannot be fetched: {failure}; it is asked for again ({waiting} wait)"
            )


HTTP_OK = 200
