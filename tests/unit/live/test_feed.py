"""The state for a page: nothing is computed for nobody, and a listener that stands still is waited for by nobody."""

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.live import feed
from arb.live.feed import PACKET_MAX, ROUTES_MAX, Asked, StateFeed, feed_path, packed


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.journal.sqlite"


@contextlib.asynccontextmanager
async def a_feed(journal: Path, size: int = 10) -> AsyncIterator[StateFeed]:
    numbers = iter(range(10**9))

    def parts(asked: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        yield {"number": next(numbers)}
        yield {"text": "x" * size, "asked": asked}

    sent = StateFeed(journal, parts, lambda: {"mode": "sandbox"})
    task = asyncio.create_task(sent.run())
    await until(feed_path(journal).exists)
    try:
        yield sent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def connected(journal: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.connect(str(feed_path(journal)))
    listener.setblocking(False)
    return listener


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is a file, or another process
            await asyncio.sleep(0.001)


def test_nobody_else_may_connect_and_nothing_is_computed_while_nobody_listens(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "EVERY_S", 0.001)

    async def main() -> None:
        async with a_feed(journal) as sent:
            assert stat.S_IMODE(feed_path(journal).stat().st_mode) == 0o600
            for _ in range(1000):
                await asyncio.sleep(0)
            assert sent.computed == 0
            listener = connected(journal)
            packet = await asyncio.get_running_loop().sock_recv(listener, PACKET_MAX)
            assert msgspec.json.decode(packet)["mode"] == "sandbox"
            listener.close()
            await until(lambda: not sent._somebody.is_set())
            seen = sent.computed
            for _ in range(1000):
                await asyncio.sleep(0)
            assert sent.computed == seen
        assert not feed_path(journal).exists()

    asyncio.run(main())


def test_a_state_has_the_routes_that_listeners_ask_for_while_they_listen_and_no_more_than_a_few(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "EVERY_S", 0.001)
    first, second = ["BTC/USDT", "gate", "okx"], ["ETH/USDT", "okx", "gate"]

    async def main() -> None:
        async with a_feed(journal):
            one, other = connected(journal), connected(journal)

            async def until_asked(wanted: Any) -> None:
                async with asyncio.timeout(20):
                    while (
                        msgspec.json.decode(await asyncio.get_running_loop().sock_recv(one, PACKET_MAX))["asked"]
                        != wanted
                    ):
                        pass

            await until_asked([])
            one.send(msgspec.json.encode([first]))
            await until_asked([first])
            other.send(msgspec.json.encode([first, second]))
            await until_asked([first, second])
            one.send(msgspec.json.encode([["X/USDT", "gate", str(n)] for n in range(40)]))
            await until_asked([["X/USDT", "gate", str(n)] for n in range(ROUTES_MAX)])
            other.close()
            for nonsense in (b"[", b'{"a":1}', b"[[1,2,3]]", b'[["\xff","a","b"]]', b"[" * 4000, b"x" * 9000, b"[]"):
                one.send(msgspec.json.encode([first]))
                await until_asked([first])
                one.send(nonsense)
                await until_asked([])
            one.close()

    asyncio.run(main())


STANDS_STILL = """
import signal, socket, sys
page = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
page.connect(sys.argv[1])
print("connected", flush=True)
while page.recv(1 << 20):
    signal.pause()
"""


def test_a_stopped_page_is_waited_for_by_nobody_and_gets_a_later_state_when_it_goes_on(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "EVERY_S", 0.001)

    async def main() -> None:
        async with a_feed(journal, size=20_000) as sent:
            page = subprocess.Popen(  # noqa: ASYNC220
                [sys.executable, "-c", STANDS_STILL, str(feed_path(journal))], stdout=subprocess.PIPE
            )
            try:
                assert page.stdout is not None
                await asyncio.to_thread(page.stdout.readline)
                os.kill(page.pid, signal.SIGSTOP)
                begun = sent.computed
                await until(lambda: sent.computed > begun + 200)  # far more than its buffer holds: none was waited for
                well = connected(journal)
                packet = msgspec.json.decode(await asyncio.get_running_loop().sock_recv(well, PACKET_MAX))
                assert packet["number"] >= begun + 200
                well.close()
            finally:
                page.kill()
                page.wait()
                assert page.stdout is not None
                page.stdout.close()

    asyncio.run(main())


def test_a_state_of_very_many_symbols_is_cut_and_says_so() -> None:
    many = [{"symbol": "X" * 900, "n": number} for number in range(2_000)]
    state = msgspec.json.decode(packed({"edges": many, "open_pairs": many, "state": "ACTIVE"}))
    assert state["cut"] and state["state"] == "ACTIVE" and state["edges_in_all"] == 2_000
    kept = {"pairs": {"opened": 1}, "delays": {"a": "x" * 20_000}}
    state = msgspec.json.decode(packed({"edges": many, "held": {"a": "x" * 300_000}} | kept))
    assert state["held"] == {} and {name: state[name] for name in kept} == kept, "only the largest is dropped"
