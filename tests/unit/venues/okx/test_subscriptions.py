"""What is asked of OKX for a book and for its BBO check: the book comes first, and nothing of it waits for the other."""

import json

from arb.core.messages.events import TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.market.arena import BookArena, BookState
from arb.market.feed import BookSeat
from arb.venues.okx.books import OkxFeed
from tests.unit.venues.books.plain.dialects import SCALE, okx_frame
from tests.unit.venues.feed_bench import Bench

NATIVES = ("BTC-USDT", "ETH-USDT")
REFUSED = (
    "Wrong URL or channel:bbo-tbt,instId:BTC-USDT doesn't exist. Please use the correct URL, channel and parameters."
)


class Okx(Bench):
    """A feed of OKX's on lines whose other end is the test."""

    def __init__(self) -> None:
        self.arena = BookArena(2)
        seats = {native: BookSeat(row, SCALE) for row, native in enumerate(NATIVES)}
        super().__init__(natives=NATIVES, dialect=OkxFeed("okx", seats, self.arena))

    async def asked(self) -> list[tuple[str, str, str]]:
        """Return what was asked since the last time: what to do, by which channel, of which book."""
        found = []
        for text in await self.turns():
            request = json.loads(text)
            found += [(request["op"], arg["channel"], arg["instId"]) for arg in request["args"]]
        self.line.sent.clear()
        return found

    def confirm(self, event: str, channel: str, native: str) -> None:
        self.line.say(json.dumps({"event": event, "arg": {"channel": channel, "instId": native}}).encode())

    def refuse(self, text: str) -> None:
        self.line.say(json.dumps({"event": "error", "code": "60018", "msg": text}).encode())


def test_books_are_subscribed_first_and_bbo_checks_behind_them_after_every_reconnect() -> None:
    bench = Okx()

    async def story() -> None:
        await bench.reconnect()
        assert await bench.asked() == [
            ("subscribe", channel, native) for channel in ("books", "bbo-tbt") for native in NATIVES
        ]

    bench.run(story)


def test_a_lost_book_is_subscribed_anew_and_its_bbo_check_stays() -> None:
    bench = Okx()

    async def story() -> None:
        bench.feed.resync("BTC-USDT")
        assert await bench.asked() == [("unsubscribe", "books", "BTC-USDT")]
        bench.confirm("unsubscribe", "bbo-tbt", "BTC-USDT")  # not of the book
        assert await bench.asked() == []
        bench.confirm("unsubscribe", "books", "BTC-USDT")
        assert await bench.asked() == [("subscribe", "books", "BTC-USDT")]

    bench.run(story)


def test_a_bbo_check_comes_and_goes_with_its_book() -> None:
    bench = Okx()

    async def story() -> None:
        bench.feed.add_book("SOL-USDT")
        assert await bench.asked() == [("subscribe", "books", "SOL-USDT"), ("subscribe", "bbo-tbt", "SOL-USDT")]
        bench.feed.retire_book("SOL-USDT")
        assert set(await bench.asked()) == {
            ("unsubscribe", "books", "SOL-USDT"),
            ("unsubscribe", "bbo-tbt", "SOL-USDT"),
        }
        bench.feed.add_book("SOL-USDT")  # the venue has not confirmed that it ended
        assert await bench.asked() == [("subscribe", "bbo-tbt", "SOL-USDT")]
        bench.confirm("unsubscribe", "books", "SOL-USDT")
        assert await bench.asked() == [("subscribe", "books", "SOL-USDT")]

    bench.run(story)


def test_a_refused_bbo_check_is_reported_once_and_nothing_of_a_book_is_asked_anew() -> None:
    bench = Okx()

    async def story() -> None:
        bench.refuse(REFUSED)
        bench.refuse(REFUSED.replace("BTC", "ETH"))
        for native in NATIVES:
            whole = okx_frame("snapshot", -1, 7, [["90.00", "1"]], [["91.00", "1"]])
            bench.line.say(whole.replace("BTC-USDT", native).encode())
        assert await bench.asked() == []
        assert [bench.arena.state[row] for row in range(2)] == [BookState.LIVE, BookState.LIVE]
        text = f"okx: refused the best quotes that confirm books: 60018 {REFUSED}"
        assert bench.events[1:] == [TroubleReported(kind=IncidentKind.UNCHECKED, text=text)]

    bench.run(story)


def test_a_resync_that_is_under_way_goes_on_when_the_bbo_check_is_refused() -> None:
    bench = Okx()

    async def story() -> None:
        bench.feed.resync("BTC-USDT")
        bench.refuse(REFUSED)
        bench.confirm("unsubscribe", "books", "BTC-USDT")
        assert [op for op, *_ in await bench.asked()] == ["unsubscribe", "subscribe"]

    bench.run(story)
