"""The network of a drill: it shows what names an order, without secrets, and holds back the one that is to come too late."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from arb.clock import NS_PER_MS
from arb.market.ids import ClientOrderId
from arb.market.order import Role
from arb.masking import SECRETS
from arb.venues.transport.address import Origin
from arb.venues.transport.http import Connection, HttpAnswer
from arb.venues.transport.network import Socket
from arb.venues.transport.request import HttpRequest, Outgoing, render, request_of
from arb.venues.transport.watched import Exchange, Watch, WatchedNetwork
from tests.virtual import a_clock, run_virtual

NAME = ClientOrderId(7, 8, Role.TEST, 0).encode()
OTHER = ClientOrderId(7, 8, Role.HEDGE, 0).encode()
SECRET = "4f7b0a9c1d2e-not-to-be-seen"
HELD_MS = 700


def name_in(text: str) -> str | None:
    return NAME if NAME in text else None


class Wire:
    """What stands behind the watched network: answers with what it was asked, and notes when that came."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.came: list[tuple[int, str]] = []
        self.frames: list[bytes] = []
        self._now_ns = now_ns

    def http(self) -> "Wire":
        return self

    async def dial(self, url: str, headers: Mapping[str, str] | None = None) -> Socket:
        return self

    def standing(self, origin: Origin) -> Connection | None:
        return None

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        return self._answer(request.body or "")

    def write(self, request: Outgoing | str, timeout_s: float = 0) -> Any:
        body = request if isinstance(request, str) else request_of(request).body or ""
        self.came.append((self._now_ns(), body))
        return None if isinstance(request, str) else self._answer(body)

    async def _answer(self, body: str) -> HttpAnswer:
        headers = {"content-type": "application/json", "set-cookie": "session=1"}
        return HttpAnswer(200, headers, f'{{"said":{body!r},"key":"{SECRET}"}}'.encode(), 0, 5)

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        for frame in self.frames:
            on_frame(frame)
        return "ended"

    async def close(self) -> None:
        return

    def unread(self) -> bool:
        return False


def order(name: str) -> Outgoing:
    return render(
        HttpRequest("POST", "https://a.example/api/v4/spot/orders?x=1", {"KEY": SECRET}, f'{{"text":"{name}"}}')
    )


def test_a_late_order_leaves_whole_when_it_is_too_late_and_all_else_at_once() -> None:
    clock = a_clock()

    async def main() -> None:
        wire, seen = Wire(clock.wall_ns), list[Exchange]()
        began_ns = clock.wall_ns()
        late = {NAME: began_ns + HELD_MS * NS_PER_MS}
        network = WatchedNetwork(wire, clock, Watch(name_in, late.get, seen.append))
        held = asyncio.create_task(_awaited(network.http().write(order(NAME), 2.0)))
        other = network.http().write(order(OTHER), 2.0)
        assert [body for _, body in wire.came] == [f'{{"text":"{OTHER}"}}'], "at the call, not when it is awaited"
        await other
        await held
        (first_ns, _), (second_ns, body) = wire.came
        assert (first_ns - began_ns, body) == (0, f'{{"text":"{NAME}"}}')
        assert second_ns - began_ns >= HELD_MS * NS_PER_MS
        assert [exchange.name for exchange in seen] == [NAME], "orders of others are not shown"

    run_virtual(main(), clock)


async def _awaited(answer: Awaitable[HttpAnswer]) -> HttpAnswer:
    return await answer


def test_what_is_shown_holds_the_answer_and_no_secret() -> None:
    SECRETS.hide([SECRET])

    clock = a_clock()

    async def main() -> None:
        wire, seen = Wire(clock.wall_ns), list[Exchange]()
        wire.frames = [f'{{"text":"{NAME}","api_key":"{SECRET}"}}'.encode(), b'{"text":"foreign"}']
        network = WatchedNetwork(wire, clock, Watch(name_in, lambda _: None, seen.append))
        await network.http().write(order(NAME), 2.0)
        await network.http().send(HttpRequest("GET", "https://a.example/api/v4/time", {}), 2.0)
        socket = await network.dial("wss://a.example/ws/v4/")
        taken: list[bytes] = []
        assert await socket.read(taken.append, lambda: None) == "ended"
        assert taken == wire.frames, "whoever reads gets every frame as it came"
        rest, frame = seen
        assert (rest.kind, rest.method, rest.path, rest.query, rest.status) == (
            "rest",
            "POST",
            "/api/v4/spot/orders",
            "x=1",
            200,
        )
        assert rest.headers == {"content-type": "application/json"}
        assert (frame.kind, frame.path) == ("ws", "/ws/v4/")
        assert SECRET not in repr(seen) and "***" in rest.raw and "***" in frame.raw

    run_virtual(main(), clock)


def test_a_frame_that_is_to_be_late_is_written_late() -> None:
    clock = a_clock()

    async def main() -> None:
        wire = Wire(clock.wall_ns)
        until_ns = clock.wall_ns() + HELD_MS * NS_PER_MS
        watch = Watch(name_in, lambda _: until_ns, lambda _: None)
        network = WatchedNetwork(wire, clock, watch)
        socket = await network.dial("wss://a.example/ws/v4/")
        socket.write(f'{{"text":"{NAME}"}}')
        assert wire.came == []
        await asyncio.sleep(HELD_MS / 1000 + 0.1)
        assert [ns >= until_ns for ns, _ in wire.came] == [True]

    run_virtual(main(), clock)
