"""The order socket on a scripted wire: which answer counts, what is lost with a connection, and that nothing is sent again."""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.events import AnyEvent, TroubleReported
from arb.errors import VenueProtocolError
from arb.venues.kit.call import Call
from arb.venues.kit.order_socket import LOGIN_S, OrderSocket, SocketAnswer, SocketFrame
from arb.venues.transport.address import fixed
from arb.venues.transport.http import AnswerLost, WriteTransport
from arb.venues.transport.network import NO_HEADERS, SocketEnded
from tests.virtual import a_clock, run_virtual

CALL = Call(scope="place X", api=("private",), method="POST", path="orders", params={"a": "b"})


class Words:
    """A dialect whose frames are JSON: `{"id", "say": "answer|received|ready|useless|garbage"}`."""

    venue = "gate"

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        return ("login",)

    def ping(self, now_ns: int) -> str | None:
        return "ping"

    def frame(self, request_id: str, call: Call) -> str | None:
        return None if call.path == "other" else request_id

    def on_frame(self, raw: bytes) -> SocketFrame:
        told = json.loads(raw)
        match told["say"]:
            case "answer":
                return SocketFrame(answer=SocketAnswer(told["id"], 200, {}, raw))
            case "received":
                return SocketFrame(received=told["id"])
            case "ready":
                return SocketFrame(ready=True)
            case "useless":
                return SocketFrame(useless="farewell")
        raise VenueProtocolError("gate", "garbage")


class Line:
    """One connection whose other end is the test."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.frames: deque[bytes] = deque()
        self.ended: str | None = None
        self.refuses = False
        self._wake = asyncio.Event()

    def say(self, say: str, request_id: str = "") -> None:
        self.frames.append(json.dumps({"say": say, "id": request_id}).encode())
        self._wake.set()

    def end(self, cause: str = "reset") -> None:
        self.ended = cause
        self._wake.set()

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        while self.frames or self.ended is None:
            while self.frames:
                on_frame(self.frames.popleft())
            on_read()
            if self.ended is None:
                self._wake.clear()
                await self._wake.wait()
        return self.ended

    def write(self, text: str) -> None:
        if self.ended is not None or self.refuses:
            raise SocketEnded("gone")
        self.sent.append(text)

    async def close(self) -> None:
        self.end("closed by us")

    def unread(self) -> bool:
        return bool(self.frames)


class Lines:
    """A network that makes lines."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def http(self) -> WriteTransport:
        raise AssertionError("no request goes here")

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Line:
        self.lines.append(Line())
        return self.lines[-1]


class Bench:
    def __init__(self) -> None:
        self.clock: ManualClock = a_clock()
        self.network = Lines()
        self.events: list[AnyEvent] = []
        self.words = Words()
        self.socket = OrderSocket(
            fixed("ws://venue/"),
            self.words,
            clock=self.clock,
            rng=random.Random(1),
            offset_ns=lambda: 0,
            network=self.network,
        )

    @property
    def line(self) -> Line:
        return self.network.lines[-1]

    def run(self, story: Callable[[], Coroutine[Any, Any, None]], *, login: bool = True) -> None:
        async def whole() -> None:
            running = asyncio.create_task(self.socket.run(self.events.append))
            await turns()
            if login:
                self.line.say("ready")
                await turns()
                assert self.socket.up
            await story()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        run_virtual(whole(), self.clock)

    def send(self, timeout_s: float = 1.0) -> "tuple[str, asyncio.Future[Any]]":
        frame = self.socket.frame(CALL)
        assert frame is not None
        return frame[0], self.socket.send(*frame, timeout_s)


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def lost(answer: "asyncio.Future[Any]") -> str:
    with pytest.raises(AnswerLost) as caught:
        await answer
    return str(caught.value)


def test_a_receipt_is_no_answer_however_often_it_comes() -> None:
    bench = Bench()

    async def story() -> None:
        name, answer = bench.send()
        for _ in range(3):
            bench.line.say("received", name)
        await turns()
        assert not answer.done()
        assert await lost(answer) == "no answer within 1 s (received)"

    bench.run(story)


def test_a_lost_receipt_a_late_one_and_a_doubled_answer_change_nothing() -> None:
    bench = Bench()

    async def story() -> None:
        name, answer = bench.send()
        bench.line.say("answer", name)
        bench.line.say("received", name)
        bench.line.say("answer", name)
        whole = await answer
        await turns()
        assert (whole.status, json.loads(whole.body)["id"]) == (200, name)
        assert bench.socket.under_way == 0 and bench.socket.up

    bench.run(story)


def test_answers_are_matched_by_their_exact_id_and_foreign_ones_are_passed_over() -> None:
    bench = Bench()

    async def story() -> None:
        (first, one), (second, two) = bench.send(), bench.send()
        for foreign in ("", "r", first + "0", f" {first}", first.upper(), "r999"):
            bench.line.say("answer", foreign)
        bench.line.say("answer", second)
        await two
        assert not one.done()
        assert "no receipt" in await lost(one)

    bench.run(story)


def test_whatever_is_under_way_is_lost_with_the_connection_and_never_sent_again() -> None:
    bench = Bench()

    async def story() -> None:
        (_, one), (name, two) = bench.send(30), bench.send(30)
        bench.line.say("received", name)
        await turns()
        before = bench.line
        before.end()
        causes = [await lost(one), await lost(two)]
        assert causes == ["the order socket ended: reset (no receipt)", "the order socket ended: reset (received)"]
        assert not bench.socket.up and bench.socket.frame(CALL) is None
        await asyncio.sleep(5)  # longer than the first back-off
        assert bench.line is not before
        bench.line.say("ready")
        await asyncio.wait_for(bench.socket.logged_in.wait(), 1)
        assert bench.line.sent[0] == "login" and set(bench.line.sent[1:]) <= {"ping"}
        after, answer = bench.send()
        assert after not in before.sent  # a late answer to the old one cannot be taken for its
        bench.line.say("answer", name)
        await turns()
        assert not answer.done()

    bench.run(story)
    assert [event.kind for event in bench.events if isinstance(event, TroubleReported)] == ["order_socket"]


@pytest.mark.parametrize("say", ["garbage", "useless"])
def test_a_frame_that_cannot_be_read_and_a_closing_notice_end_the_use_of_a_connection_at_once(say: str) -> None:
    bench = Bench()

    async def story() -> None:
        _, answer = bench.send(30)
        bench.line.say(say)
        bench.line.say("ready")
        await turns()
        assert answer.done() and not bench.socket.up
        await lost(answer)

    bench.run(story)
    assert len(bench.events) == 1  # it did not come up again in between


def test_a_connection_on_which_nothing_comes_after_an_order_gets_no_other() -> None:
    bench = Bench()

    async def story() -> None:
        await asyncio.sleep(0.5)
        _, answer = bench.send()
        await lost(answer)
        assert not bench.socket.up

    bench.run(story)


def test_a_late_answer_leaves_a_connection_that_lives_in_use() -> None:
    bench = Bench()

    async def story() -> None:
        await asyncio.sleep(0.5)
        name, answer = bench.send()
        bench.line.say("received", name)
        await lost(answer)
        assert bench.socket.up
        bench.line.say("answer", name)
        await turns()
        assert bench.socket.up

    bench.run(story)


def test_while_it_is_down_or_refuses_nothing_is_taken_and_nothing_waits() -> None:
    bench = Bench()

    async def not_up() -> None:
        assert bench.socket.frame(CALL) is None
        with pytest.raises(SocketEnded):
            bench.socket.send("r1", "r1", 1.0)

    bench.run(not_up, login=False)

    async def refusing() -> None:
        frame = bench.socket.frame(CALL)
        assert frame is not None
        bench.line.refuses = True
        with pytest.raises(SocketEnded):
            bench.socket.send(*frame, 1.0)
        assert bench.socket.under_way == 0

    bench.run(refusing)


def test_a_write_it_has_no_frame_for_is_not_taken() -> None:
    bench = Bench()

    async def story() -> None:
        assert bench.socket.frame(Call(scope="x", api=(), method="POST", path="other", params={})) is None

    bench.run(story)


def test_a_login_that_is_not_answered_is_tried_again_on_another_connection() -> None:
    bench = Bench()

    async def story() -> None:
        for _ in range(int(LOGIN_S) + 4):
            bench.line.say("received", "ping")  # the connection lives
            await asyncio.sleep(1)
        assert len(bench.network.lines) == 2
        assert not bench.events  # it was never up, so nothing was lost

    bench.run(story, login=False)


def test_who_stops_waiting_leaves_nothing_behind() -> None:
    bench = Bench()

    async def story() -> None:
        _, answer = bench.send()
        answer.cancel()
        await turns()
        assert bench.socket.under_way == 0

    bench.run(story)


def test_when_it_is_stopped_whoever_waits_is_reported() -> None:
    bench = Bench()
    answers: list[asyncio.Future[Any]] = []

    async def story() -> None:
        answers.append(bench.send(30)[1])

    bench.run(story)
    assert isinstance(answers[0].exception(), AnswerLost)
    assert bench.clock.wall_ns() % NS_PER_S == 0  # at once
