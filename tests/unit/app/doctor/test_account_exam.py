"""A gateway whose venue refuses its key: the exam says what is wrong with it, and asks for nothing else."""

import json
import random
from collections.abc import Awaitable, Mapping
from typing import Any

import pytest

from arb.app.doctor.account_exam import NEEDS_KEY, AccountExam
from arb.app.doctor.checks import Finding, Result
from arb.clock import NS_PER_MS
from arb.config import Settings
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import Credentials, Environment
from arb.venues.kit.gateway import VenueGateway
from arb.venues.registry import spec_of
from arb.venues.transport.address import Origin
from arb.venues.transport.http import Connection, HttpAnswer
from arb.venues.transport.network import NO_HEADERS, Socket, SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing
from tests.virtual import a_clock, run_virtual

KEY = Credentials(key="a-key-of-somebody", secret="a-secret-of-somebody", passphrase="a-passphrase")
CLOCK = a_clock()
NOW_MS = CLOCK.wall_ns() // NS_PER_MS
TIMES = {
    "gate": ("/spot/time", {"server_time": NOW_MS}),
    "okx": ("/public/time", {"code": "0", "msg": "", "data": [{"ts": str(NOW_MS)}]}),
    "bitget": ("/public/time", {"code": "00000", "msg": "", "data": {"serverTime": str(NOW_MS)}}),
}


class OneAnswer:
    """A network whose venue tells its time and answers everything else alike."""

    def __init__(self, venue: str, status: int, body: bytes) -> None:
        self.asked: list[str] = []
        self._time_path, self._time = TIMES[venue]
        self._answer = status, body

    def http(self) -> "OneAnswer":
        return self

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        raise SocketEnded("nobody there")

    def standing(self, origin: Origin) -> Connection | None:
        return None

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        raise AssertionError("an exam writes nothing")

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        return self._said(request)

    async def _said(self, request: HttpRequest) -> HttpAnswer:
        path = request.url.partition("?")[0]
        status, body = (200, json.dumps(self._time).encode()) if path.endswith(self._time_path) else self._answer
        if not path.endswith(self._time_path):
            self.asked.append(path)
        return HttpAnswer(status, {}, body, CLOCK.wall_ns(), CLOCK.wall_ns())

    async def close(self) -> None:
        return


def examined(
    venue: str, status: int, body: Any, environment: Environment = Environment.PRODUCTION
) -> tuple[dict[str, Finding], OneAnswer]:
    """Return the findings about an account whose venue answers every signed question like this, and what was asked."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    network = OneAnswer(venue, status, raw)
    site = spec_of(venue).site(environment)
    assert site is not None

    async def story() -> list[Finding]:
        gateway: VenueGateway = build_gateway(
            spec_of(venue),
            site,
            KEY,
            clock=CLOCK,
            rng=random.Random(1),
            limits=GatewayLimits(symbols=("BTC/USDT",)),
            network=network,
        )
        exam = AccountExam(Settings(), gateway, site, ("gate", "okx"), None, None, CLOCK, streams=True)
        try:
            return await exam.findings({})
        finally:
            await gateway.close()

    found = {finding.check: finding for finding in run_virtual(story(), CLOCK)}
    return found, network


def okx(code: str, text: str) -> dict[str, str]:
    return {"msg": text, "code": code}


DEMO = Environment.DEMO
HTML = b"<html><h1>403 Forbidden</h1></html>"


@pytest.mark.parametrize(
    ("venue", "status", "body", "environment", "words"),
    [
        (
            "okx",
            401,
            okx("50101", "APIKey does not match current environment."),
            DEMO,
            ("environment:", "for production"),
        ),
        ("okx", 401, okx("50119", "API key doesn't exist"), None, ("region:", "[venues.okx] region")),
        ("okx", 401, okx("50110", "Your IP is not included"), None, ("address:", "this machine's address")),
        ("okx", 401, okx("50113", "Invalid Sign"), None, ("secret:", "copy the secret again")),
        ("okx", 401, okx("50102", "Timestamp request expired"), None, ("clock:", "NTP")),
        ("okx", 401, okx("50120", "no permission"), None, ("rights:", "and no other")),
        ("okx", 403, HTML, None, ("host:", "see `rest`")),
        ("gate", 403, {"label": "IP_FORBIDDEN", "message": "not in whitelist"}, None, ("address:",)),
        ("gate", 401, {"label": "INVALID_SIGNATURE", "message": "Signature mismatch"}, None, ("secret:",)),
        ("bitget", 400, {"code": "40012", "msg": "apikey/password is incorrect"}, None, ("passphrase:",)),
        ("bitget", 400, {"code": "40099", "msg": "exchange environment is incorrect"}, DEMO, ("environment:",)),
    ],
)
def test_a_refused_key_is_diagnosed_and_nothing_else_is_asked(
    venue: str, status: int, body: Any, environment: Environment | None, words: tuple[str, ...]
) -> None:
    found, network = examined(venue, status, body, environment or Environment.PRODUCTION)
    signature = found["signature"]
    assert signature.result is Result.FAIL, signature
    assert all(word in f"{signature.found} {signature.remedy}" for word in words), signature
    assert all(found[check].result is Result.FAIL and "not looked at" in found[check].found for check in NEEDS_KEY)
    assert {"rate", "dead_man", "coins", "expiry", "barred"} <= found.keys(), "what needs no key is judged all the same"
    assert len(set(network.asked)) <= 2, network.asked
    shown = " ".join(f"{finding.found} {finding.remedy}" for finding in found.values())
    assert not any(secret in shown for secret in (KEY.key, KEY.secret, KEY.passphrase or ""))
