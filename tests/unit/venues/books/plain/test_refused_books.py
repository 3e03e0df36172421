"""What a venue will not subscribe to stops nobody else: requests are parted, resyncs go on, the connection stays."""

import asyncio

import pytest

from arb.core.messages.events import TroubleReported
from arb.market.feed import Notice, NoticeKind
from tests.unit.venues.feed_bench import Bench


def refused(*natives: str) -> Notice:
    """Return that the venue refused a request about these books."""
    return Notice(NoticeKind.REFUSED, natives, "subscribe", "Invalid symbol")


def reported(bench: Bench) -> list[str]:
    """Return what was reported as trouble."""
    return [event.text for event in bench.events if isinstance(event, TroubleReported)]


@pytest.mark.parametrize("bad", range(5))
def test_a_name_that_spoils_a_request_for_many_is_found_and_the_others_are_subscribed(bad: int) -> None:
    natives = [f"N{number}_USDT" for number in range(5)]
    bench = Bench(natives=natives)

    async def story() -> None:
        served: set[str] = set()
        asked = [tuple(natives)]
        while asked:
            request = asked.pop()
            if natives[bad] in request:
                before = len(bench.line.sent)
                bench.feed.on_notice(refused(*request))
                parts = [text.removeprefix("+") for text in (await bench.turns())[before:]]
                # The bench's venue has a message for each book; a half is the books that were asked for together.
                middle = len(request) // 2
                halves = [half for half in (request[:middle], request[middle:]) if half and len(request) > 1]
                assert sorted(parts) == sorted(native for half in halves for native in half)
                asked += halves
            else:
                served.update(request)
        assert served == set(natives) - {natives[bad]}
        assert len(reported(bench)) == 1 and natives[bad] in reported(bench)[0]
        assert len(bench.lines) == 1

    bench.run(story)


def test_of_books_that_were_retired_meanwhile_nothing_is_asked_again() -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.retire_book("ETH_USDT")
        await bench.turns()
        bench.feed.on_notice(refused("BTC_USDT", "ETH_USDT"))
        assert await bench.turns() == ["-ETH_USDT", "+BTC_USDT"]

    bench.run(story)


def test_a_resync_whose_end_is_refused_is_begun_and_whose_beginning_is_refused_comes_later() -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.resync("BTC_USDT")
        assert await bench.turns() == ["-BTC_USDT"]
        bench.feed.on_notice(refused("BTC_USDT"))
        assert await bench.turns() == ["-BTC_USDT", "+BTC_USDT"]
        bench.feed.on_notice(refused("BTC_USDT"))
        assert await bench.turns() == ["-BTC_USDT", "+BTC_USDT"]
        await asyncio.sleep(3)
        assert bench.line.sent == ["-BTC_USDT", "+BTC_USDT", "-BTC_USDT"], "it is tried again, a little later"
        bench.feed.on_notice(refused("BTC_USDT"))
        await bench.turns()
        bench.feed.on_notice(Notice(NoticeKind.SUBSCRIBED, ("BTC_USDT",)))
        await asyncio.sleep(15)
        assert len(bench.line.sent) == 4 and len(bench.lines) == 1, "the connection of the others stays"

    bench.run(story)
