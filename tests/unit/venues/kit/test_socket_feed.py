"""A public connection's shell: what it asks for, what it remembers, and under which name it tells."""

import asyncio

import pytest

from arb.clock import NS_PER_S
from arb.core.messages.events import FeedDown, FeedUp, TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.venues.kit.feed import RESYNC_ANSWER_S
from arb.venues.transport.address import ConnectionTiming
from tests.unit.venues.feed_bench import Bench


def test_a_book_that_is_added_is_subscribed_at_once_and_after_every_reconnect() -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.add_book("SOL_USDT")
        bench.feed.add_book("SOL_USDT")
        bench.feed.add_book("BTC_USDT")
        assert await bench.turns() == ["+SOL_USDT"]
        assert await bench.reconnect() == ["+BTC_USDT", "+ETH_USDT", "+SOL_USDT"]

    bench.run(story)


def test_a_book_that_is_retired_is_unsubscribed_at_once_and_not_asked_for_again() -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.retire_book("BTC_USDT")
        bench.feed.retire_book("BTC_USDT")
        bench.feed.resync("BTC_USDT")  # asked for by a frame that was still under way
        assert await bench.turns() == ["-BTC_USDT"]
        bench.line.answer("unsubscribe", "BTC_USDT")
        assert await bench.turns() == ["-BTC_USDT"]
        assert await bench.reconnect() == ["+ETH_USDT"]

    bench.run(story)


def test_what_comes_and_goes_while_there_is_no_connection_is_in_the_next_greeting() -> None:
    bench = Bench()

    async def story() -> None:
        bench.line.end()
        await bench.turns()
        bench.feed.add_book("SOL_USDT")
        bench.feed.retire_book("ETH_USDT")
        assert await bench.next_line() == ["+BTC_USDT", "+SOL_USDT"]
        await asyncio.sleep(15)
        assert bench.line.sent == ["+BTC_USDT", "+SOL_USDT"] and len(bench.lines) == 2, "nothing is waited for"

    bench.run(story)


def test_a_book_that_comes_back_at_once_waits_until_the_venue_has_confirmed_its_end() -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.retire_book("BTC_USDT")
        bench.feed.add_book("BTC_USDT")
        assert await bench.turns() == ["-BTC_USDT"]
        bench.line.answer("unsubscribe", "WBTC_USDT")  # another book's
        assert await bench.turns() == ["-BTC_USDT"]
        bench.line.answer("unsubscribe", "BTC_USDT")
        assert await bench.turns() == ["-BTC_USDT", "+BTC_USDT"]
        bench.line.answer("subscribe", "BTC_USDT")
        await asyncio.sleep(15)
        assert bench.line.sent == ["-BTC_USDT", "+BTC_USDT"] and len(bench.lines) == 1

    bench.run(story)


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_book_that_comes_back_later_is_subscribed_at_once(confirmed: bool) -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.retire_book("BTC_USDT")
        await bench.turns()
        if confirmed:
            bench.line.answer("unsubscribe", "BTC_USDT")
            await bench.turns()
        else:
            await asyncio.sleep(RESYNC_ANSWER_S + 1)
        bench.feed.add_book("BTC_USDT")
        assert await bench.turns() == ["-BTC_USDT", "+BTC_USDT"]

    bench.run(story)


@pytest.mark.parametrize(
    ("confirmed", "sent"),
    [(False, ["-BTC_USDT"]), (True, ["-BTC_USDT", "+BTC_USDT", "-BTC_USDT"])],
)
def test_a_book_retired_in_the_middle_of_a_resync_stays_away(confirmed: bool, sent: list[str]) -> None:
    bench = Bench()

    async def story() -> None:
        bench.feed.resync("BTC_USDT")
        if confirmed:
            bench.line.answer("unsubscribe", "BTC_USDT")
            await bench.turns()
        bench.feed.retire_book("BTC_USDT")
        await bench.turns()
        bench.line.answer("unsubscribe", "BTC_USDT")
        await asyncio.sleep(15)
        assert bench.line.sent == sent and len(bench.lines) == 1

    bench.run(story)


@pytest.mark.parametrize(("connection", "name", "told"), [("", "gate", ""), ("gate#2", "gate#2", "gate#2")])
def test_a_connection_reports_under_its_name_and_the_first_under_its_venue_s(
    connection: str, name: str, told: str
) -> None:
    bench = Bench(connection)

    async def story() -> None:
        bench.line.answer("subscribe", "BTC_USDT")
        await bench.turns()
        await bench.reconnect()

    bench.run(story)
    assert (bench.feed.venue, bench.feed.connection, bench.frames) == ("gate", name, [name])
    assert bench.events[:3] == [
        FeedUp(venue="gate", connection=told),
        FeedDown(venue="gate", connection=told, cause="reset"),
        FeedUp(venue="gate", connection=told),
    ]


def test_a_book_whose_every_snapshot_is_unreadable_is_asked_for_six_times_in_a_minute() -> None:
    bench = Bench()

    async def story() -> None:
        for _ in range(600):
            bench.feed.resync("BTC_USDT")
            bench.line.answer("unsubscribe", "BTC_USDT")
            await bench.turns()
            bench.line.answer("subscribe", "BTC_USDT")
            await asyncio.sleep(0.1)
        assert bench.line.sent.count("-BTC_USDT") == bench.line.sent.count("+BTC_USDT") == 6

    bench.run(story)


UPGRADE = b'{"type":"upgrade","msg":"The connection will soon be closed"}'


def test_where_the_venue_announces_the_end_the_next_connection_is_opened_first() -> None:
    bench = Bench()

    async def story() -> None:
        first = bench.line
        bench.refuse_dials = True
        first.say(UPGRADE)
        await bench.turns()
        assert bench.lines == [first] and bench.events == [FeedUp(venue="gate")], "none could be had: this one goes on"
        bench.refuse_dials = False
        await bench.reconnect()
        bench.line.say(UPGRADE)
        bench.line.say(UPGRADE)
        second = bench.line
        bench.hold_dials.clear()
        await bench.turns()
        assert bench.events[-1] == FeedUp(venue="gate"), "while the next one is being opened this one is read"
        bench.hold_dials.set()
        await bench.next_line()
        assert len(bench.lines) == 3 and second.ended and bench.line.sent == ["+BTC_USDT", "+ETH_USDT"]
        cause = "the venue announced that it closes the connection"
        assert bench.events[-2:] == [FeedDown(venue="gate", cause=cause), FeedUp(venue="gate")]

    bench.run(story)


def test_a_connection_that_is_ended_while_the_next_one_is_being_opened_is_made_anew_once() -> None:
    bench = Bench()

    async def story() -> None:
        bench.hold_dials.clear()
        bench.line.say(UPGRADE)
        await bench.turns()
        bench.line.end()
        await bench.turns()
        bench.hold_dials.set()
        await bench.next_line()
        await asyncio.sleep(15)
        assert len(bench.lines) == 2, "what was being opened is given up"

    bench.run(story)


@pytest.mark.thorough
def test_a_connection_is_renewed_a_little_before_the_venue_ends_it_for_its_age() -> None:
    bench = Bench(timing=ConnectionTiming(silence_s=1e9, lifetime_s=24 * 3600))

    async def story() -> None:
        began_ns = bench.clock.monotonic_ns()
        await bench.next_line()
        age_s = (bench.clock.monotonic_ns() - began_ns) / NS_PER_S
        assert 60 <= 24 * 3600 - age_s <= 600
        await bench.next_line()
        assert len(bench.lines) == 3

    bench.run(story)


def test_a_subscription_that_is_refused_is_reported_with_the_book_and_the_cause() -> None:
    bench = Bench()

    async def story() -> None:
        bench.line.say(
            b'{"channel":"spot.obu","event":"subscribe","payload":["ob.BTC_USDT.50"],'
            b'"error":{"code":2,"message":"unknown currency pair: BTC_USDT"}}'
        )
        await bench.turns()
        text = "gate refused BTC_USDT: 2 unknown currency pair: BTC_USDT"
        assert bench.events[1:] == [TroubleReported(kind=IncidentKind.BOOK_MISSING, text=text)]

    bench.run(story)
