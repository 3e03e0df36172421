"""Through a proxy: the venue still has to prove its name, an order is never lost in silence, and no login is shown."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.app.build import require_way_out
from arb.clock import SystemClock
from arb.config import NetworkSettings, Settings
from arb.errors import ConfigError
from arb.venues.kit.endpoints import Environment, Site, VenueEndpoint
from arb.venues.transport.direct import WARM_CONNECTIONS
from arb.venues.transport.http import AnswerLost, HttpAnswer, HttpTransport, NeverSent, TransportError
from arb.venues.transport.network import SocketEnded, SystemNetwork
from arb.venues.transport.proxy import Proxy, parse_proxy
from arb.venues.transport.request import HttpRequest
from arb.venues.transport.way import WayOut
from tests.integration.certificates import Trust, made_trust
from tests.integration.connect_proxy import Answer, ConnectProxy, hangs, says
from tests.integration.socks_proxy import SocksProxy

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
        self.peers: list[str] = []

    @web.middleware
    async def note_peer(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.peers.append(str(request.remote))
        answer: web.StreamResponse = await handler(request)
        return answer

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
    trust: Trust | None,
    *,
    login: str = "",
    wanted: str = "",
    answer: Answer | None = None,
    replies: Sequence[bytes] | None = None,
    socks: bool = False,
    bind: str = "",
) -> AsyncIterator[Bench]:
    """Yield everything up and running; `login` is ours, `wanted` the proxy's; `replies`: those of a proxy for SOCKS."""
    made = Bench()
    app = web.Application(middlewares=[made.note_peer])
    app.router.add_get("/stream", made.stream_echo)
    app.router.add_post("/lost", made.hung_venue)
    app.router.add_route("*", "/{any}", made.text_echo)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust and trust.theirs).start()
    made.port = runner.addresses[0][1]
    try:
        http = ConnectProxy(made.port, login=wanted, answer=answer)
        async with (
            SocksProxy(made.port, login=wanted, replies=replies) if socks or replies is not None else http as proxy
        ):
            way_out = parse_proxy(proxy.url.replace("://", f"://{login}@") if login else proxy.url)
            made.proxy, made.network = (
                proxy,
                SystemNetwork(SystemClock(), way=WayOut(way_out, bind), tls=trust and trust.ours),
            )
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


NO_LOGIN, TAKEN = b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


@ways
@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([b"\x05\xff"], "it wants another login"),
        ([b"\x05\x02"], "it wants a login of another kind"),
        ([b"\x04\x5a"], "it does not speak SOCKS5"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "it does not speak SOCKS5"),
        ([NO_LOGIN, b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"], "it does not lead there (SOCKS reply 2)"),
        ([NO_LOGIN, b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"], "the venue refused its connection (SOCKS reply 5)"),
        ([NO_LOGIN, b"\x05\xee\x00\x01\x00\x00\x00\x00\x00\x00"], "it refused (SOCKS reply 238)"),
        ([NO_LOGIN, b"\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00"], "it does not speak SOCKS5"),
        ([], "the proxy 127.0.0.1:"),
        ([b"\x05"], "closed the connection unanswered"),
        ([NO_LOGIN], "closed the connection unanswered"),
        ([NO_LOGIN, b"\x05\x00\x00\x03\xff"], "closed the connection unanswered"),
        ([NO_LOGIN, TAKEN[:-1]], "closed the connection unanswered"),
    ],
)
def test_a_socks_proxy_that_makes_no_connection_is_named_and_nothing_was_sent(
    way: Callable[[Bench], Coroutine[Any, Any, Any]], replies: list[bytes], said: str, trust: Trust
) -> None:
    text = failure(way, trust, replies=replies)
    assert said in text and "the proxy 127.0.0.1:" in text


def test_a_socks_proxy_that_speaks_for_the_venue_before_it_was_asked_is_not_believed() -> None:
    """Without TLS nothing else would tell: the order must not be answered by what came before it."""
    early = TAKEN + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def story() -> None:
        async with bench(None, replies=[NO_LOGIN, early, b"", b""]) as made:
            with pytest.raises(NeverSent, match=r"spoke before it was asked|closed the connection at once"):
                await made.http.send(HttpRequest("POST", f"http://{NAME}/orders", {}, "{}"), PATIENCE_S)

    asyncio.run(story())


@ways
@pytest.mark.parametrize("login", ["", "trader:wrong-wrong", f"other:{SECRET}"])
def test_a_login_that_a_socks_proxy_does_not_take_is_named_and_not_shown(
    way: Callable[[Bench], Coroutine[Any, Any, Any]], login: str, trust: Trust
) -> None:
    text = failure(way, trust, login=login, wanted=f"trader:{SECRET}", socks=True)
    assert "it wants another login" in text and "wrong-wrong" not in text


@pytest.mark.thorough
@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=4))
def test_whatever_a_socks_proxy_says_an_order_is_sent_through_a_tunnel_or_never(replies: list[bytes]) -> None:
    async def story() -> None:
        async with bench(None, replies=[*replies, b""]) as made:
            with pytest.raises((NeverSent, AnswerLost)) as caught:
                await made.http.send(HttpRequest("POST", f"http://{NAME}/orders", {}, "{}"), 5.0)
            taken = b"".join(replies)[:6].startswith((NO_LOGIN + b"\x05\x00",))
            assert taken or isinstance(caught.value, NeverSent)
            assert made.requests == []

    asyncio.run(story())


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
    assert "sent more than its answer" in text


def test_a_proxy_that_is_down_is_named() -> None:
    async def story() -> None:
        network = SystemNetwork(SystemClock(), way=WayOut(Proxy("127.0.0.1", 9, "trader", SECRET)))
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


def test_all_goes_through_a_socks_proxy_that_resolves_the_name_to_a_venue_that_proves_it(trust: Trust) -> None:
    async def story() -> None:
        async with bench(trust, login=f"trader:{SECRET}", wanted=f"trader:{SECRET}", socks=True) as made:
            assert (await order(made)).body == b'POST {"a":1}'
            assert (await order(made)).body == b'POST {"a":1}'
            assert len(made.proxy.asked) == 1  # on the same connection
            assert (await question(made)).body == b"GET "
            assert await stream(made) == b"hello" and made.requests[-1] == "play"
            assert set(made.proxy.asked) == {f"{NAME}:443"}

    asyncio.run(story())


def test_every_connection_leaves_from_the_address_that_is_set() -> None:
    async def story() -> None:
        async with bench(None, bind="127.0.0.2") as made:
            here = f"http://127.0.0.1:{made.port}"
            for method in ("POST", "GET"):
                await made.http.send(HttpRequest(method, f"{here}/a", {}), PATIENCE_S)
            await (await made.network.dial(f"ws://127.0.0.1:{made.port}/stream")).close()
            assert made.peers == ["127.0.0.2"] * 3 and made.proxy.asked == []

    asyncio.run(story())


def test_the_connection_to_a_proxy_leaves_from_the_address_that_is_set(trust: Trust) -> None:
    async def story() -> None:
        for socks in (False, True):
            async with bench(trust, socks=socks, bind="127.0.0.3") as made:
                await order(made), await question(made), await stream(made)
                assert set(made.proxy.peers) == {"127.0.0.3"}

    asyncio.run(story())


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
    down = Settings(network=NetworkSettings(proxy="http://127.0.0.1:9"))
    with pytest.raises(ConfigError, match=r"\[network\] proxy: the proxy 127.0.0.1:9 cannot be reached: .*failed"):
        asyncio.run(require_way_out(down, [away()]))


def test_a_venue_that_the_proxy_cannot_reach_is_waited_for_like_any_that_is_down() -> None:
    assert checked(says("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), away()) == [f"{NAME}:443"]


def test_each_origin_away_from_this_machine_is_asked_for_once_and_none_without_a_proxy() -> None:
    assert checked(None, away(8443), away(), HERE) == [f"{NAME}:443", f"{NAME}:8443"]
    assert checked(None, HERE) == []
    asyncio.run(require_way_out(Settings(), [away()]))
