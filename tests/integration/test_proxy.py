"""Through a proxy: the venue still has to prove its name, an order is never lost in silence, and no login is shown."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from arb.app.build import require_way_out
from arb.clock import SystemClock
from arb.config import NetworkSettings, Settings
from arb.errors import ConfigError
from arb.venues.call import HttpRequest
from arb.venues.endpoints import Environment, Site, VenueEndpoint
from arb.venues.transport.direct import WARM_CONNECTIONS
from arb.venues.transport.http import AnswerLost, HttpAnswer, HttpTransport, NeverSent, TransportError
from arb.venues.transport.network import SocketEnded, SystemNetwork
from arb.venues.transport.proxy import Proxy, parse_proxy
from tests.integration.certificates import Trust, made_trust
from tests.integration.connect_proxy import Answer, ConnectProxy, hangs, says

NAME = "venue.example"
ORDER = HttpRequest("POST", f"https://{NAME}/orders", {}, '{"a":1}')
QUESTION = HttpRequest("GET", f"https://{NAME}/time", {})
STREAM = f"wss://{NAME}/stream"
SECRET = "hunter22-hunter22"
PATIENCE_S = 60.0
LOGIN = base64.b64encode(f"trader:{SECRET}".encode()).decode()


@pytest.fixture(scope="module")
def trust_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trust]:
    def trust(name: str) -> Trust:
        return made_trust(Path(tmp_path_factory.mktemp("certificates")) / "venue.pem", name)

    return trust


@pytest.fixture(scope="module")
def trust(trust_in: Callable[[str], Trust]) -> Trust:
    return trust_in(NAME)


class Bench:
    """A venue behind a proxy, and a network of ours that leads through it; all but the first are there once it runs."""

    requests: list[str]
    port: int
    proxy: ConnectProxy
    network: SystemNetwork
    http: HttpTransport

    def __init__(self) -> None:
        self.requests = []

    async def hung_venue(self, request: web.Request) -> web.Response:
        self.proxy.cut()  # the order has arrived, and its answer never will
        return web.Response()

    async def stream_echo(self, request: web.Request) -> web.WebSocketResponse:
        self.requests.append(request.headers.get("x-which-world", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    async def text_echo(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        return web.Response(text=f"{request.method} {await request.text()}")


@asynccontextmanager
async def bench(
    trust: Trust | None, *, login: str = "", wanted: str = "", answer: Answer | None = None
) -> AsyncIterator[Bench]:
    """Yield everything up and running; `login` is ours, `wanted` the proxy's."""
    made = Bench()
    app = web.Application()
    app.router.add_get("/stream", made.stream_echo)
    app.router.add_post("/lost", made.hung_venue)
    app.router.add_route("*", "/{any}", made.text_echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust and trust.theirs).start()
    made.port = runner.addresses[0][1]
    try:
        async with ConnectProxy(made.port, login=wanted, answer=answer) as proxy:
            way_out = parse_proxy(proxy.url.replace("://", f"://{login}@") if login else proxy.url)
            made.proxy, made.network = proxy, SystemNetwork(SystemClock(), proxy=way_out, tls=trust and trust.ours)
            made.http = made.network.http()
            try:
                yield made
            finally:
                await made.http.close()
    finally:
        await runner.cleanup()


async def order(bench: Bench) -> HttpAnswer:
    return await bench.http.send(ORDER, PATIENCE_S)


async def question(bench: Bench) -> HttpAnswer:
    return await bench.http.send(QUESTION, PATIENCE_S)


async def stream(bench: Bench) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        socket = await bench.network.dial(STREAM, {"x-which-world": "play"})
    try:
        socket.write("hello")
        frames: list[bytes] = []
        ended = asyncio.create_task(socket.read(frames.append, lambda: seen.set()))
        seen = asyncio.Event()
        await asyncio.wait_for(seen.wait(), PATIENCE_S)
        await socket.close()
        await ended
        return frames[0]
    finally:
        await socket.close()


WAYS: list[Callable[[Bench], Coroutine[Any, Any, Any]]] = [order, question, stream]
ENDS: dict[Any, type[TransportError]] = {order: NeverSent, question: TransportError, stream: SocketEnded}
"""How each ends that did not leave; of a question nobody need know whether it did."""
ways = pytest.mark.parametrize("way", WAYS, ids=["an order", "a question", "a stream"])


def failure(way: Callable[[Bench], Coroutine[Any, Any, Any]], trust: Trust | None, **given: Any) -> str:
    """Return why a way that must fail did; nothing may have reached the venue, and no secret may stand in the reason."""

    async def story() -> str:
        async with bench(trust, **given) as made:
            with pytest.raises(ENDS[way]) as caught:
                await way(made)
            assert made.requests == []
            return str(caught.value)

    text = asyncio.run(story())
    assert SECRET not in text and LOGIN not in text
    return text


# No way through: never sent.


@ways
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), "it does not lead there (HTTP 403)"),
        (says("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), "it refused (HTTP 502)"),
        (says("HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n"), "(HTTP 302)"),
        (says(""), "proxy 127.0.0.1:"),
        (says("SSH-2.0-OpenSSH_9.6\r\n"), "proxy 127.0.0.1:"),
    ],
    ids=["forbids", "finds no venue", "leads elsewhere", "cuts", "is none"],
)
def test_a_proxy_that_makes_no_connection_is_named_and_nothing_was_sent(
    way: Callable[[Bench], Coroutine[Any, Any, Any]], answer: Answer, said: str, trust: Trust
) -> None:
    text = failure(way, trust, answer=answer)
    assert said in text and "the proxy 127.0.0.1:" in text


@ways
def test_a_login_that_the_proxy_does_not_take_is_named_and_not_shown(
    way: Callable[[Bench], Coroutine[Any, Any, Any]], trust: Trust
) -> None:
    text = failure(way, trust, login=f"trader:{SECRET}", wanted="bm90IHRoaXM=")
    assert "it wants another login (HTTP 407)" in text


@ways
def test_a_venue_that_proves_another_name_gets_nothing_even_the_proxys(
    way: Callable[[Bench], Coroutine[Any, Any, Any]], trust_in: Callable[[str], Trust]
) -> None:
    other = trust_in("proxy.example")
    assert "CERTIFICATE_VERIFY_FAILED" in failure(way, other)


def test_an_order_is_never_sent_into_a_proxy_that_hangs(trust: Trust) -> None:
    async def story() -> None:
        async with bench(trust, answer=hangs) as made:
            with pytest.raises(NeverSent, match=r"no connection within 0.1 s \(through the proxy 127.0.0.1:"):
                await made.http.send(ORDER, 0.1)
            with pytest.raises(TransportError, match="through the proxy"):
                await made.http.send(QUESTION, 0.1)

    asyncio.run(story())


def test_a_proxy_that_speaks_for_the_venue_before_it_was_asked_is_not_believed(trust: Trust) -> None:
    text = failure(order, trust, answer=says("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}"))
    assert "sent something of its own" in text


def test_a_proxy_that_is_down_is_named() -> None:
    async def story() -> None:
        network = SystemNetwork(SystemClock(), proxy=Proxy("127.0.0.1", 9, "trader", SECRET))
        http = network.http()
        for asked in (ORDER, QUESTION):
            with pytest.raises(NeverSent, match=r"proxy 127.0.0.1:9"):
                await http.send(asked, PATIENCE_S)
        with pytest.raises(SocketEnded, match=r"proxy 127.0.0.1:9"):
            await network.dial(STREAM)
        await http.close()

    asyncio.run(story())


def test_an_order_whose_tunnel_breaks_after_it_left_is_unknown(trust: Trust) -> None:
    async def story() -> None:
        async with bench(trust) as made:
            with pytest.raises(AnswerLost):
                await made.http.send(HttpRequest("POST", f"https://{NAME}/lost", {}, "{}"), PATIENCE_S)

    asyncio.run(story())


# Through.


def test_all_that_leaves_goes_through_the_proxy_to_a_venue_that_proves_its_name(trust: Trust) -> None:
    async def story() -> None:
        async with bench(trust, login=f"trader:{SECRET}", wanted=LOGIN) as made:
            assert (await order(made)).body == b'POST {"a":1}'
            assert (await order(made)).body == b'POST {"a":1}'
            assert len(made.proxy.asked) == 1  # on the same connection
            assert (await question(made)).body == b"GET "
            assert await stream(made) == b"hello" and made.requests[-1] == "play"
            assert len(made.proxy.asked) <= 3 + WARM_CONNECTIONS
            for head in made.proxy.asked:
                assert head.startswith(f"CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}")

    asyncio.run(story())


def test_what_stays_on_this_machine_passes_no_proxy() -> None:
    async def story() -> None:
        async with bench(None) as made:
            here = f"http://127.0.0.1:{made.port}"
            assert (await made.http.send(HttpRequest("POST", f"{here}/a", {}, "x"), PATIENCE_S)).body == b"POST x"
            assert (await made.http.send(HttpRequest("GET", f"{here}/a", {}), PATIENCE_S)).body == b"GET "
            socket = await made.network.dial(f"ws://127.0.0.1:{made.port}/stream")
            await socket.close()
            assert made.proxy.asked == []

    asyncio.run(story())


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with bench(None) as made:
            for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(variable, made.proxy.url)
            network = SystemNetwork(SystemClock())
            http = network.http()
            for method in ("POST", "GET"):
                await http.send(HttpRequest(method, f"http://127.0.0.1:{made.port}/a", {}), PATIENCE_S)
            await (await network.dial(f"ws://127.0.0.1:{made.port}/stream")).close()
            await http.close()
            assert made.proxy.asked == []

    asyncio.run(story())


# Before a run.


def away(port: int = 443) -> Site:
    return Site(
        environment=Environment.TESTNET,
        endpoint=VenueEndpoint(
            rest=f"https://{NAME}", ws_public=f"wss://{NAME}:{port}/ws", ws_private=f"wss://{NAME}:{port}/ws"
        ),
    )


HERE = Site(
    environment=Environment.TESTNET,
    endpoint=VenueEndpoint(rest="http://127.0.0.1:9", ws_public="ws://localhost:9/", ws_private="ws://localhost:9/"),
)


def checked(answer: Answer | None, *sites: Site, login: str = "", wanted: str = "") -> list[str]:
    """Check the way out to these sites; return what the proxy was asked for."""

    async def story() -> list[str]:
        async with bench(None, answer=answer, wanted=wanted) as made:
            url = made.proxy.url.replace("://", f"://{login}@") if login else made.proxy.url
            await require_way_out(Settings(network=NetworkSettings(proxy=url)), sites)
            return [head.split(" ")[1] for head in made.proxy.asked]

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says("HTTP/1.1 403 Forbidden\r\n\r\n"), "it does not lead there (HTTP 403)"),
        (says("HTTP/1.1 405 Method Not Allowed\r\n\r\n"), "it refused (HTTP 405)"),
        (says("hello"), "no HTTP answer"),
        (says(""), "closed the connection unanswered"),
    ],
)
def test_a_proxy_that_leads_nowhere_ends_a_start_with_one_line(answer: Answer, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(answer, away())
    line = str(caught.value)
    assert line.startswith("[network] proxy: the proxy 127.0.0.1:") and said in line and "\n" not in line
    assert line.endswith(f": correct it, or start the proxy (asked for {NAME}:443)")


def test_a_wrong_login_ends_a_start_and_is_not_shown() -> None:
    with pytest.raises(ConfigError, match="it wants another login") as caught:
        checked(None, away(), login=f"trader:{SECRET}", wanted="bm90IHRoaXM=")
    assert SECRET not in str(caught.value)


def test_a_proxy_that_is_down_ends_a_start() -> None:
    settings = Settings(network=NetworkSettings(proxy="http://127.0.0.1:9"))
    with pytest.raises(ConfigError, match=r"\[network\] proxy: the proxy 127.0.0.1:9 cannot be reached: .*failed"):
        asyncio.run(require_way_out(settings, [away()]))


def test_a_venue_that_the_proxy_cannot_reach_is_waited_for_like_any_that_is_down() -> None:
    assert checked(says("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), away()) == [f"{NAME}:443"]


def test_each_origin_away_from_this_machine_is_asked_for_once_and_none_without_a_proxy() -> None:
    assert checked(None, away(8443), away(), HERE) == [f"{NAME}:443", f"{NAME}:8443"]
    assert checked(None, HERE) == []
    asyncio.run(require_way_out(Settings(), [away()]))
