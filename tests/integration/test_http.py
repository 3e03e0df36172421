"""The transports over real sockets: an answer, never sent, or lost - and which of them is what."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from arb.clock import SystemClock
from arb.venues.transport.direct import DirectTransport
from arb.venues.transport.http import AnswerLost, HttpAnswer, HttpTransport, NeverSent
from arb.venues.transport.network import SocketTransport
from arb.venues.transport.request import ANSWER_BYTES_MAX, HttpRequest

PATIENCE_S = 60.0
Make = Callable[[SystemClock], HttpTransport]
Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A TCP server that reads whole requests and answers with whatever bytes it is given."""

    def __init__(self, *answers: bytes | None, hang: bool = False) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.came = asyncio.Semaphore(0)
        self.hang = hang  # once all is answered that can be
        self.port = 0

    async def __aenter__(self) -> "RawServer":
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                self.came.release()
                if self.hang and not self.answers:
                    await reader.read()
                answer = self.answers.pop(0) if self.answers else None
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if b"close" in answer or b"Content-Length: 99" in answer or answer.endswith(b"Content-Le"):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


def full(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture(params=[SocketTransport, DirectTransport], ids=["reads", "writes"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return each of the two transports in turn: they keep one contract."""
    made: Make = request.param
    return made


def talk(
    make: Make, server: RawServer, *, timeout_s: float = PATIENCE_S, times: int = 1, method: str = "POST"
) -> list[HttpAnswer | str]:
    """Send `times` requests one after another; return each answer, or which exception came instead.

    The last one is given up after `timeout_s`; that each came to the server is waited for.
    """

    async def scenario() -> list[HttpAnswer | str]:
        transport = make(SystemClock())
        found: list[HttpAnswer | str] = []
        async with server:
            request = HttpRequest(method, f"http://127.0.0.1:{server.port}/a%2Cb?x=1%2C2", {"KEY": "k"}, '{"a":1}')
            for number in range(1, times + 1):
                try:
                    found.append(await transport.send(request, timeout_s if number == times else PATIENCE_S))
                except (NeverSent, AnswerLost) as error:
                    found.append(f"{type(error).__name__}: {error}")
                await asyncio.wait_for(server.came.acquire(), PATIENCE_S)
            await transport.close()
        return found

    return asyncio.run(scenario())


def test_nobody_there_means_never_sent(make: Make) -> None:
    async def scenario() -> None:
        transport = make(SystemClock())
        try:
            with pytest.raises(NeverSent):
                await transport.send(HttpRequest("POST", "http://127.0.0.1:9/", {}, "x"), PATIENCE_S)
        finally:
            await transport.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"not http at all\r\n\r\n",
    ],
)
def test_an_answer_cut_short_or_unreadable_is_lost_and_the_order_went_out_once(
    make: Make, answer: bytes | None
) -> None:
    server = RawServer(answer)
    [found] = talk(make, server)

    assert str(found).startswith("AnswerLost")
    assert len(server.requests) == 1


def test_no_answer_in_time_is_lost(make: Make) -> None:
    server = RawServer(full(b"{}"), hang=True)
    _, found = talk(make, server, timeout_s=0.1, times=2)  # on a connection that stands

    assert found == "AnswerLost: no answer within 0.1 s"
    assert len(server.requests) == 2


def test_a_redirect_is_an_answer_and_not_followed(make: Make) -> None:
    server = RawServer(full(b"", "302 Found", "Location: http://stranger.example/"))
    [found] = talk(make, server)

    assert isinstance(found, HttpAnswer)
    assert found.status == 302
    assert len(server.requests) == 1


def test_a_post_on_a_connection_the_venue_has_closed_meanwhile_is_never_repeated(make: Make) -> None:
    server = RawServer(full(b"{}"), None)
    first, second = talk(make, server, times=2)

    assert isinstance(first, HttpAnswer)
    assert str(second).startswith("AnswerLost")
    assert len(server.requests) == 2


def test_url_headers_and_body_leave_exactly_as_they_were_signed(make: Make) -> None:
    server = RawServer(full(b'{"ok":true}', "201 Created", "X-Gate-Trace-Id: 5"))
    [found] = talk(make, server)

    assert isinstance(found, HttpAnswer)
    assert (found.status, found.body, found.headers["x-gate-trace-id"]) == (201, b'{"ok":true}', "5")
    assert 0 < found.sent_ns <= found.received_ns
    [request] = server.requests
    assert request.startswith(b"POST /a%2Cb?x=1%2C2 HTTP/1.1\r\n")
    assert b"\r\nKEY: k\r\n" in request
    assert request.endswith(b'{"a":1}')


def test_an_answer_longer_than_the_limit_is_lost(make: Make) -> None:
    longest, longer = full(b" " * ANSWER_BYTES_MAX), full(b" " * (ANSWER_BYTES_MAX + 1))
    found = talk(make, RawServer(longest, longer), times=2)

    assert isinstance(found[0], HttpAnswer) and len(found[0].body) == ANSWER_BYTES_MAX
    assert found[1] == f"AnswerLost: an answer of more than {ANSWER_BYTES_MAX} bytes"


def test_a_question_may_ask_for_a_longer_answer_than_others() -> None:
    async def scenario() -> list[HttpAnswer | str]:
        transport, found = SocketTransport(SystemClock()), list[HttpAnswer | str]()
        async with RawServer(full(b"x" * 11), full(b"x" * 11)) as server:
            for most in (11, 10):
                request = HttpRequest("GET", f"http://127.0.0.1:{server.port}/", {}, answer_bytes_max=most)
                try:
                    found.append(await transport.send(request, PATIENCE_S))
                except AnswerLost as error:
                    found.append(str(error))
            await transport.close()
        return found

    within, beyond = asyncio.run(scenario())
    assert isinstance(within, HttpAnswer)
    assert beyond == "an answer of more than 10 bytes"


def test_key_and_signature_are_in_no_repr() -> None:
    request = HttpRequest("POST", "https://venue/x?signature=SECRET", {"SIGN": "SECRET"}, "SECRET")

    assert "SECRET" not in repr(request)
