"""Where a connection leads is asked before each one: a venue may hand out an address with a token that serves once."""

import asyncio
import random
from collections.abc import Mapping

from arb.errors import VenueUnreachable
from arb.venues.transport.address import Address, ConnectionTiming
from arb.venues.transport.connection import StreamConnection
from arb.venues.transport.http import WriteTransport
from arb.venues.transport.network import NO_HEADERS, Socket, SocketEnded
from tests.virtual import a_clock, run_virtual


class Refusing:
    """A network that notes where it was to lead to, and lets nobody in."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    def http(self) -> WriteTransport:
        raise AssertionError("no request goes here")

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        self.dialled.append(url)
        raise SocketEnded("not here")


def lived(address: Address, lives: int) -> tuple[list[str], list[str]]:
    """Let a connection try so many times; return where it dialled, and why each attempt ended."""
    network, causes, clock = Refusing(), list[str](), a_clock()
    enough = asyncio.Event()

    def on_down(cause: str) -> None:
        causes.append(cause)
        if len(causes) == lives:
            enough.set()

    async def story() -> None:
        connection = StreamConnection(
            address,
            clock=clock,
            rng=random.Random(1),
            greetings=lambda: (),
            on_frame=lambda received_ns, raw: None,
            on_down=on_down,
            ping=lambda: None,
            timing=ConnectionTiming(connect_timeout_s=3.0),
            network=network,
        )
        task = asyncio.create_task(connection.run())
        await enough.wait()
        task.cancel()

    run_virtual(story(), clock)
    return network.dialled, causes


def test_an_address_that_cannot_be_had_is_asked_for_again_and_nothing_is_dialled() -> None:
    async def address() -> str:
        raise VenueUnreachable("kucoin", "no token")

    dialled, causes = lived(address, 2)
    assert dialled == []
    assert all("no token" in cause for cause in causes)


def test_an_address_that_never_comes_counts_against_the_time_to_connect() -> None:
    async def address() -> str:
        await asyncio.Event().wait()
        return "never"

    assert lived(address, 1) == ([], ["no connection within 3 s"])


def test_every_connection_has_an_address_of_its_own() -> None:
    tokens = iter("abc")

    async def address() -> str:
        return f"wss://venue/endpoint?token={next(tokens)}"

    dialled, _ = lived(address, 3)
    assert [url[-1] for url in dialled] == ["a", "b", "c"]
