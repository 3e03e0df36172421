"""Fetched snapshots in virtual time: at the venue's pace, one at a time for each book, never for a connection that ended."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from arb.clock import NS_PER_S
from arb.market.arena import BookArena
from arb.market.feed import BookSeat
from arb.market.scale import Scale
from arb.venues.gate.books import GateFeed
from arb.venues.kit.rules.pacing import Budget, Pacer, PacingLimits
from arb.venues.kit.snapshots import BYTES_MAX, IN_FLIGHT_MAX, TIMEOUT_S, SnapshotFetcher, SnapshotSource
from arb.venues.registry import spec_of
from arb.venues.transport.http import AnswerLost, HttpAnswer, NeverSent
from arb.venues.transport.request import HttpRequest
from tests.virtual import a_clock, run_virtual

REST = "https://api.gateeu.com/api/v4"
GATE = spec_of("gate")
LIMITED = (429, b'{"label":"TOO_MANY_REQUESTS","message":"Request Rate Limit Exceeded"}')
Answer = tuple[int, bytes] | Exception


def change(native: str, first: int, last: int) -> str:
    result = {"s": native, "U": first, "u": last, "b": [], "a": []}
    return json.dumps({"channel": "spot.order_book_update", "event": "update", "time_ms": 1, "result": result})


def body(last: int) -> bytes:
    return json.dumps({"id": last, "current": 1, "bids": [["1", "1"]], "asks": [["2", "1"]]}).encode()


class Deep(GateFeed):
    """Books whose snapshots count as ten."""

    def snapshot_share(self, native_symbol: str) -> int:
        return 10


class Bench:
    """A fetcher of many books, and the venue that answers it. `answer`: what it says of a pair; it takes `takes_s`."""

    def __init__(self, books: int = 1, *, reach: int = 5, reader: type[GateFeed] = GateFeed) -> None:
        self.clock = a_clock()
        self._began_ns = self.clock.monotonic_ns()
        self.natives = [f"A{number}_USDT" for number in range(books)]
        seats = {native: BookSeat(row, Scale(2, 2)) for row, native in enumerate(self.natives)}
        self.arena = BookArena(books)
        self.feed = reader(seats, self.arena)
        self.feed.choose_channel("order_book_update")
        self.takes_s = 0.1
        self.answer: Callable[[str], Answer] = lambda native: (200, body(reach))
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[float, str]] = []
        self.requests: list[HttpRequest] = []
        self.in_flight = self.most_in_flight = 0
        self.reports: list[str] = []
        self.delivered: Counter[str] = Counter()
        self.closed = False
        self.broken = False
        pace = GATE.snapshots
        assert pace == Budget(9, 500, 0, 200)
        source = SnapshotSource(
            REST,
            {"X-Region": "eu"},
            GATE.outcomes,
            Pacer(PacingLimits(place=pace, cancel=pace, read=pace), self.clock),
            lambda: self,
        )
        self.fetcher = SnapshotFetcher(
            self.feed, source, clock=self.clock, deliver=self._deliver, report=self.reports.append
        )

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        assert (request.method, timeout_s, request.answer_bytes_max) == ("GET", TIMEOUT_S, BYTES_MAX)
        native = request.url.partition("currency_pair=")[2].partition("&")[0]
        self.requests.append(request)
        self.asked.append((self.now_s(), native))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            takes_s = self.takes_s
            await asyncio.sleep(min(takes_s, timeout_s))
            if takes_s > timeout_s:
                raise AnswerLost("no answer within 5 s")
        finally:
            self.in_flight -= 1
        answer = self.answer(native)
        if isinstance(answer, Exception):
            raise answer
        return HttpAnswer(answer[0], self.headers, answer[1], 0, self.clock.wall_ns())

    async def close(self) -> None:
        self.closed = True

    def _deliver(self, received_ns: int, raw: bytes, url: str) -> None:
        if self.broken:
            raise ZeroDivisionError
        self.delivered[url] += 1
        for resync in self.feed.on_http(received_ns, url, raw).resyncs:
            self.fetcher.ask(resync.native_symbol)

    def lose(self, natives: list[str], last: int = 5) -> None:
        """Let a change of each book arrive."""
        for native in natives:
            for resync in self.feed.on_frame(self.clock.wall_ns(), change(native, last, last)).resyncs:
                self.fetcher.ask(resync.native_symbol)

    def live(self) -> int:
        return sum(self.arena.usable(row) for row in range(len(self.natives)))

    def now_s(self) -> float:
        return round((self.clock.monotonic_ns() - self._began_ns) / NS_PER_S, 3)

    def run(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            running = asyncio.create_task(self.fetcher.run())
            told = asyncio.create_task(story())
            await asyncio.wait({running, told}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert self.closed and self.in_flight == 0
            await told

        run_virtual(whole(), self.clock)


def test_three_hundred_books_lost_together_come_back_at_the_venues_pace() -> None:
    bench = Bench(300)

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(10)
        assert 0 < bench.live() < 300
        await asyncio.sleep(8)
        assert bench.live() == 300

    bench.run(story)
    assert len(bench.asked) == 300, "each once"
    at = [second for second, _ in bench.asked]
    assert all(at[number + 200] - at[number] >= 10 for number in range(100)), "200 in 10 s are allowed"
    assert bench.most_in_flight <= IN_FLIGHT_MAX
    assert bench.reports == []


def test_a_snapshot_that_counts_as_ten_takes_the_place_of_ten() -> None:
    bench = Bench(20, reader=Deep)

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(12)
        assert bench.live() == 20

    bench.run(story)
    at = [second for second, _ in bench.asked]
    assert len(at) == 20 and at[-1] >= 19 * 10 / 18, "eighteen a second are allowed"


def test_a_request_goes_where_the_site_is_with_its_headers() -> None:
    bench = Bench()

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(1)

    bench.run(story)
    [request] = bench.requests
    assert request.url == f"{REST}/spot/order_book?currency_pair=A0_USDT&limit=100&with_id=true"
    assert request.headers == {"X-Region": "eu"}
    assert list(bench.delivered) == [request.url.removeprefix(REST)]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NeverSent("refused"), "refused"),
        (AnswerLost("an answer of more than 524288 bytes"), "more than 524288 bytes"),
        ((500, b'{"label":"SERVER_ERROR","message":"oops"}'), "HTTP 500 SERVER_ERROR oops"),
        ((200, b"<html>busy</html>"), "HTTP 200 unreadable"),
        ((403, b"<html>"), "HTTP 403"),
        ((400, b'{"label":"INVALID_CURRENCY_PAIR","message":"no such pair"}'), "HTTP 400 INVALID_CURRENCY_PAIR"),
        ((200, b'{"label":"INVALID_CURRENCY_PAIR","message":"no such pair"}'), "INVALID_CURRENCY_PAIR"),
    ],
)
def test_what_is_no_snapshot_is_asked_for_again_ever_later_and_reported_once_a_minute(
    answer: Answer, said: str
) -> None:
    bench = Bench()
    bench.answer = lambda native: answer

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(59)
        gaps = [round(later - earlier) for (earlier, _), (later, _) in zip(bench.asked, bench.asked[1:], strict=False)]
        assert gaps == [1, 2, 4, 8, 15, 15]
        assert len(bench.reports) == 1
        await asyncio.sleep(30)
        assert len(bench.reports) == 2
        assert not bench.delivered, "the books see nothing of it"

    bench.run(story)
    assert bench.reports[0].startswith("the snapshot of A0_USDT cannot be fetched: ") and said in bench.reports[0]


def test_one_book_that_cannot_be_had_holds_up_no_other() -> None:
    bench = Bench(20)
    bench.answer = lambda native: (500, b"{}") if native == "A0_USDT" else (200, body(5))

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(2)
        assert bench.live() == 19

    bench.run(story)


def test_a_limit_that_the_venue_states_is_obeyed_by_all_books() -> None:
    bench = Bench(30)
    bench.headers = {"retry-after": "7"}
    bench.answer = lambda native: LIMITED if bench.now_s() < 1 else (200, body(5))

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(60)
        assert bench.live() == 30

    bench.run(story)
    early = [second for second, _ in bench.asked if second < 1]
    assert len(early) <= 2 * IN_FLIGHT_MAX
    assert not [second for second, _ in bench.asked if max(early) < second < min(early) + 7]


def test_an_endpoint_that_hangs_is_given_up_and_asked_again() -> None:
    bench = Bench(20)
    bench.takes_s = 3600

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(1)
        bench.takes_s = 0.1
        await asyncio.sleep(9)
        assert bench.live() == 20

    bench.run(story)
    assert bench.reports and "no answer within 5 s" in bench.reports[0]


def test_what_was_fetched_for_a_connection_that_has_ended_is_thrown_away() -> None:
    bench = Bench(3)

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(0.05)
        assert bench.in_flight == 3
        bench.fetcher.lost_connection()
        bench.feed.on_disconnect(bench.clock.wall_ns())
        bench.lose(["A0_USDT"], last=9)  # the next connection's
        await asyncio.sleep(0.08)
        assert not bench.delivered, "what was under way would have come by now"
        bench.answer = lambda native: (200, body(9))
        await asyncio.sleep(3)
        assert bench.live() == 1 and bench.arena.sequence[0] == 9

    bench.run(story)


def test_a_snapshot_out_of_a_cache_is_asked_for_again_until_it_reaches_the_changes() -> None:
    bench = Bench()
    bench.answer = lambda native: (200, body(3 if bench.now_s() < 4 else 5))

    async def story() -> None:
        bench.lose(bench.natives)
        await asyncio.sleep(10)
        assert bench.live() == 1

    bench.run(story)
    assert [round(second) for second, _ in bench.asked] == [0, 1, 3, 7]


def test_a_book_that_became_live_meanwhile_or_was_retired_is_not_fetched() -> None:
    bench = Bench(100)

    async def story() -> None:
        bench.lose(bench.natives)
        whole = {"s": "A98_USDT", "U": 6, "u": 6, "full": True, "b": [["1", "1"]], "a": []}
        frame = {"channel": "spot.order_book_update", "event": "update", "result": whole}
        bench.feed.on_frame(bench.clock.wall_ns(), json.dumps(frame))
        bench.fetcher.forget("A99_USDT")
        bench.feed.retire_book("A99_USDT")
        await asyncio.sleep(10)

    bench.run(story)
    assert {native for _, native in bench.asked} == set(bench.natives[:98])


def test_a_bug_in_who_listens_ends_the_run_and_hides_nowhere() -> None:
    bench = Bench()
    bench.broken = True

    async def whole() -> None:
        bench.lose(bench.natives)
        with pytest.raises(ZeroDivisionError):
            await bench.fetcher.run()

    run_virtual(whole(), bench.clock)
