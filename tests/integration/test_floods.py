"""A venue that floods a connection takes no more than a few milliseconds at a time from the others, and is let go."""

import asyncio
import gc
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from arb.clock import SystemClock
from arb.market.arena import BookArena
from arb.market.feed import BookSeat
from arb.market.scale import Scale
from arb.venues.gate.books import GateFeed
from arb.venues.kit.feed import SocketFeed
from arb.venues.transport.http import AnswerLost
from arb.venues.transport.network import SystemNetwork
from arb.venues.transport.request import HttpRequest
from tests.integration import flooding_venue

TURN_S = 0.010
BOOKS = [f"COIN{number}_USDT" for number in range(50)]


@contextmanager
def flooding(name: str) -> Iterator[int]:
    """Yield the port of a venue that sends this flood."""
    command = [sys.executable, flooding_venue.__file__, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as venue:
        assert venue.stdout is not None
        try:
            yield int(venue.stdout.readline())
        finally:
            venue.kill()


async def longest_turn_s(work: Callable[[], Awaitable[None]]) -> float:
    """Return the most processor time between two looks of the loop at what is ready, while `work` runs."""
    longest, over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        before = time.thread_time()
        while not over:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    gc.disable()  # a collection would walk through the objects of all tests before
    try:
        watching = asyncio.create_task(watch())
        await work()
        over = True
        await watching
    finally:
        gc.enable()
    return longest


@pytest.mark.parametrize("name", flooding_venue.FRAMES)
def test_a_flood_of_frames_ends_the_connection_and_holds_nobody_up(name: str) -> None:
    why: list[str] = []

    async def scenario(port: int) -> float:
        down = asyncio.Event()
        seats = {native: BookSeat(row, Scale(2, 2)) for row, native in enumerate(BOOKS)}
        books = GateFeed(seats, BookArena(len(BOOKS)))

        def on_frame(_: str, received_ns: int, raw: bytes, url: str = "") -> None:
            result = books.on_frame(received_ns, raw)
            for resync in result.resyncs:
                feed.resync(resync.native_symbol, resync.by)
            if result.notice is not None:
                feed.on_notice(result.notice)

        def emit(event: object) -> None:
            cause = getattr(event, "cause", "")
            if cause:
                why.append(cause)
                down.set()

        async def address() -> str:
            return f"ws://127.0.0.1:{port}/"

        feed = SocketFeed(
            address,
            books,
            BOOKS,
            clock=SystemClock(),
            rng=random.Random(1),
            on_frame=on_frame,
            emit=emit,
        )

        async def work() -> None:
            running = asyncio.create_task(feed.run())
            await asyncio.wait_for(down.wait(), 20.0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        return await longest_turn_s(work)

    with flooding(name) as port:
        taken_s = asyncio.run(scenario(port))
    assert taken_s < TURN_S
    said = {"close frames": "closed by the venue (1000)", "{} texts": "carry nothing"}.get(name, "")
    assert said in why[0] and ("in a second" in why[0] or name == "close frames")


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("name", flooding_venue.ANSWERS)
def test_an_answer_in_thousands_of_parts_is_given_up_and_holds_nobody_up(name: str, method: str) -> None:
    why: list[str] = []

    async def scenario(port: int) -> float:
        carrier = SystemNetwork(SystemClock()).http()

        async def work() -> None:
            body = "order" if method == "POST" else None
            try:
                await carrier.send(HttpRequest(method, f"http://127.0.0.1:{port}/", {}, body), 5.0)
                assert name == "1xx answers"  # three of them are passed over, and what follows the answer is nobody's
            except AnswerLost as lost:
                why.append(str(lost))
            await carrier.close()

        return await longest_turn_s(work)

    with flooding(name) as port:
        taken_s = asyncio.run(scenario(port))
    assert taken_s < TURN_S
    assert not any("no answer within" in text for text in why)
