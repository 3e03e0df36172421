"""The sandbox on real sockets: the first line, REST, websockets, silence on stdout, and a clear end."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from arb.clock import SystemClock
from arb.errors import ConfigError
from arb.sandbox.__main__ import read_faults
from arb.sandbox.server import PONGS_MISSED, Pulse, SandboxServer


def start(*arguments: str) -> "subprocess.Popen[str]":
    """Start a sandbox as a child process."""
    return subprocess.Popen(
        [sys.executable, "-m", "arb.sandbox", "--child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Return a port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_a_port_in_use_is_one_clear_line_and_exit_code_2(taken_port: int) -> None:
    done = start("--port", str(taken_port))
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert f"port {taken_port}" in err
    assert "--port" in err


@pytest.mark.parametrize("arguments", [["--port", "x"], ["--moon"], ["--seed"], ["--faults", "/nowhere/faults.json"]])
def test_bad_usage_is_one_clear_line_and_exit_code_2(arguments: list[str]) -> None:
    done = start(*arguments)
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out, err.count("\n")) == (2, "", 1)


def test_the_first_line_is_all_of_stdout_and_the_process_ends_with_its_stdin() -> None:
    child = start("--seed", "3")
    assert child.stdout is not None
    line = json.loads(child.stdout.readline())
    assert set(line) == {"sandbox_id", "venues", "admin"}
    assert set(line["venues"]["gate"]) == {"rest", "ws", "key", "secret"}
    assert line["venues"]["gate"]["rest"].endswith("/api/v4")
    assert line["venues"]["gate"]["ws"].endswith("/ws/v4/")
    for name in ("okx", "bitget"):
        assert set(line["venues"][name]) == {"rest", "ws_public", "ws_private", "key", "secret", "passphrase"}
    assert line["venues"]["okx"]["ws_public"].endswith("/ws/v5/public")
    assert line["venues"]["bitget"]["ws_private"].endswith("/v2/ws/private")
    out, err = child.communicate(timeout=60)  # closes stdin
    assert (child.returncode, out, err) == (0, "", "")


def test_faults_are_read_from_a_list_or_from_lines(tmp_path: Path) -> None:
    fault = {"venue": "gate", "fault": "slow"}
    lines, listed, broken = tmp_path / "a.jsonl", tmp_path / "b.json", tmp_path / "c.json"
    lines.write_text(f"# comment\n{json.dumps(fault)}\n\n")
    listed.write_text(json.dumps([fault]))
    broken.write_text("{")
    assert read_faults(lines) == read_faults(listed) == [fault]
    with pytest.raises(ConfigError, match=r"c\.json"):
        read_faults(broken)


async def serve(faults: list[dict[str, object]], talk: Any) -> None:
    """Serve a still sandbox while `talk(session, first_line)` runs."""
    server = SandboxServer(SystemClock(), port=0, seed=4, static=True, faults=faults)
    line = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            await talk(session, line)
    finally:
        await server.stop()


def test_a_malformed_planned_fault_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="fault 1: fault: 'plague'"):
        asyncio.run(serve([{"venue": "gate", "fault": "plague"}], None))


def test_rest_websocket_and_admin_share_one_port() -> None:
    async def talk(session: aiohttp.ClientSession, line: Any) -> None:
        gate = line["venues"]["gate"]
        async with session.get(gate["rest"] + "/spot/time") as answer:
            assert answer.status == 200
            assert "X-Gate-RateLimit-Limit" in answer.headers
        async with session.get(line["admin"] + "/venues") as answer:
            assert await answer.json() == line
        async with session.get(line["admin"].replace("/admin", "/api/v9/x")) as answer:
            assert answer.status == 404
        async with session.ws_connect(gate["ws"]) as socket_:
            await socket_.send_json(
                {"time": 1, "channel": "spot.obu", "event": "subscribe", "payload": ["ob.BTC_USDT.50"]}
            )
            ack, full = await socket_.receive_json(timeout=60), await socket_.receive_json(timeout=60)
            assert ack["event"] == "subscribe"
            assert len(full["result"]["b"]) == 50

    asyncio.run(serve([], talk))


def test_the_admin_tells_a_page_of_another_origin_nothing_and_does_nothing_for_it() -> None:
    async def talk(session: aiohttp.ClientSession, line: Any) -> None:
        async def status(method: str, path: str, **more: Any) -> int:
            async with session.request(method, line["admin"] + path, **more) as answer:
                assert line["venues"]["gate"]["key"] not in await answer.text() or answer.status == 200
                return answer.status

        zero = {"venue": "gate", "asset": "USDT", "free": "0"}
        assert await status("GET", "/venues", headers={"Host": "rebound.example"}) == 403
        assert await status("GET", "/venues", headers={"Origin": "https://page.example"}) == 403
        assert await status("DELETE", "/faults", headers={"Origin": "https://page.example"}) == 403
        assert await status("POST", "/balance", data=json.dumps(zero), headers={"Content-Type": "text/plain"}) == 415
        assert await status("POST", "/balance", data=json.dumps(zero), headers={"Origin": "null"}) == 403
        async with session.get(line["admin"] + "/ledger") as answer:
            balances = (await answer.json())["gate"]["balances"]
        assert Decimal(balances["USDT"]["free"]) > 0
        assert await status("POST", "/balance", json=zero) == 200

    asyncio.run(serve([], talk))


def test_a_planned_disconnect_closes_a_real_socket_and_a_lost_answer_never_comes() -> None:
    async def talk(session: aiohttp.ClientSession, line: Any) -> None:
        gate = line["venues"]["gate"]
        async with session.ws_connect(gate["ws"]) as socket_:
            fault = {"venue": "gate", "fault": "ws_disconnect"}
            async with session.post(line["admin"] + "/fault", json=fault) as answer:
                assert (await answer.json())["applied"] is True
            message = await socket_.receive(timeout=60)
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)
        impatient = aiohttp.ClientTimeout(total=0.3)
        with pytest.raises(TimeoutError):
            async with session.get(gate["rest"] + "/spot/time", timeout=impatient):
                pass

    asyncio.run(serve([{"venue": "gate", "fault": "lost_request", "on": "any", "at_s": 0}], talk))


class Line:
    """The socket of a client that answers pings with a payload of its choice, or not at all, and ends after ten."""

    def __init__(self, answers: Callable[[bytes], bytes | None]) -> None:
        self.answers = answers
        self.pulse = Pulse(self, SystemClock(), 0.0)  # type: ignore[arg-type]
        self.pings: list[bytes] = []
        self.closed = False

    async def ping(self, payload: bytes) -> None:
        if len(self.pings) == 10:
            raise ConnectionError
        self.pings.append(payload)
        answer = self.answers(payload)
        if answer is not None:
            self.pulse.take(answer)

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("answers", "pings", "closed"),
    [
        (lambda payload: payload, 10, False),
        (lambda _: None, PONGS_MISSED, True),
        (lambda _: b"other", PONGS_MISSED, True),
    ],
)
def test_a_client_that_does_not_answer_pings_with_their_payload_is_cut_off(
    answers: Callable[[bytes], bytes | None], pings: int, closed: bool
) -> None:
    line = Line(answers)

    asyncio.run(line.pulse.beat())

    assert (len(line.pings), line.closed) == (pings, closed)
    assert all(payload.isdigit() for payload in line.pings)
