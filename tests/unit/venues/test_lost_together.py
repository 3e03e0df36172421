"""Books of one connection that are lost together: resynced one by one, or by a new connection where that is quicker."""

import asyncio

import pytest

from arb.core.messages.events import FeedDown, FeedUp
from arb.venues.transport.address import ConnectionTiming
from tests.unit.venues.feed_bench import Bench

BITGET = ConnectionTiming(silence_s=1e9, send_gap_s=0.15)
"""Bitget's, where silence does not matter here."""
HUNDRED = tuple(f"A{number}_USDT" for number in range(100))
TWENTY = HUNDRED[:20]


def lose(bench: Bench, count: int) -> None:
    """Let books be lost together, as by one frame that nobody can read."""
    for native in bench.natives[:count]:
        bench.feed.resync(native)


async def confirm(bench: Bench) -> None:
    """Let the venue confirm whatever it is sent, for a minute."""
    confirmed = 0
    line = bench.line
    for _ in range(600):
        await asyncio.sleep(0.1)
        for text in line.sent[confirmed:]:
            line.answer("subscribe" if text[0] == "+" else "unsubscribe", text[1:])
        confirmed = len(line.sent)


def test_books_lost_together_are_subscribed_by_a_new_connection_where_their_resyncs_would_take_longer() -> None:
    bench = Bench(timing=BITGET, natives=TWENTY)

    async def story() -> None:
        first = bench.line
        lose(bench, 20)
        sent = await bench.next_line()
        assert first.ended and sent[0] == "+A0_USDT"
        assert len(first.sent) <= 12, "hardly anything was asked of the connection that is left"
        cause = "10 of 20 books were lost together"
        assert bench.events[-2:] == [FeedDown(venue="gate", cause=cause), FeedUp(venue="gate")]

    bench.run(story)


def test_the_present_connection_goes_on_with_resyncs_until_the_next_one_can_be_had() -> None:
    bench = Bench(timing=BITGET, natives=TWENTY)

    async def story() -> None:
        bench.refuse_dials = True
        lose(bench, 20)
        await asyncio.sleep(1)
        assert len(bench.lines) == 1 and bench.line.sent[:1] == ["-A0_USDT"]
        bench.refuse_dials = False
        await bench.next_line()
        assert len(bench.lines) == 2
        down = bench.events[-2]
        assert isinstance(down, FeedDown) and down.cause.endswith("books were lost together"), "it was tried again"

    bench.run(story)


def test_books_that_are_lost_again_soon_ask_for_no_further_connection() -> None:
    """What nobody can read there stays so on any connection, and reconnecting would go on without end."""
    bench = Bench(timing=BITGET, natives=TWENTY)

    async def story() -> None:
        lose(bench, 20)
        await bench.next_line()
        lose(bench, 20)
        await confirm(bench)
        assert len(bench.lines) == 2
        assert sorted(text for text in bench.line.sent if text[0] == "-") == sorted(f"-{native}" for native in TWENTY)

    bench.run(story)


@pytest.mark.parametrize(
    ("timing", "lost"),
    [(BITGET, 45), (ConnectionTiming(silence_s=1e9), 100), (ConnectionTiming(silence_s=1e9, send_gap_s=0.004), 100)],
    ids=["fewer than half", "messages need not be apart", "messages are hardly apart"],
)
def test_books_lost_together_are_resynced_where_that_is_quicker_and_the_connection_is_not_given_up(
    timing: ConnectionTiming, lost: int
) -> None:
    bench = Bench(timing=timing, natives=HUNDRED)

    async def story() -> None:
        lose(bench, lost)
        await confirm(bench)
        assert len(bench.lines) == 1 and len(bench.events) == 1
        assert sorted(bench.line.sent) == sorted(f"{sign}{native}" for native in HUNDRED[:lost] for sign in "+-")

    bench.run(story)


def test_books_lost_together_beyond_what_the_hour_allows_are_subscribed_by_a_new_connection() -> None:
    bench = Bench(timing=ConnectionTiming(silence_s=1e9, lifetime_s=0), natives=TWENTY, per_hour=40)

    async def story() -> None:
        lose(bench, 20)  # the greeting took 20 of 40 requests, these would take 40
        await bench.next_line()
        assert bench.events[-2] == FeedDown(venue="gate", cause="11 of 20 books were lost together")

    bench.run(story)


def test_books_that_no_new_connection_helps_are_asked_for_one_by_one_and_leave_the_others_theirs() -> None:
    bench = Bench(timing=BITGET, natives=HUNDRED[:24])

    async def story() -> None:
        lose(bench, 20)
        await bench.next_line()
        await asyncio.sleep(5)
        bench.line.sent.clear()
        lose(bench, 20)
        await confirm(bench)
        assert len(bench.lines) == 2
        assert sorted(bench.line.sent) == sorted(f"{sign}{native}" for native in TWENTY for sign in "+-")

    bench.run(story)
