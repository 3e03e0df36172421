"""A venue whose accounts are of two kinds: its own answer to the first question about the key decides which is spoken to."""

import asyncio
import random
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec
import pytest

from arb.core.messages.commands import CancelOrder
from arb.core.messages.events import CancelAnswered
from arb.errors import VenueAuthError, VenueError
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import Credentials
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.registry import spec_of
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, Connection, HttpAnswer, WriteTransport
from arb.venues.transport.network import NO_HEADERS, Socket, SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing, request_of
from tests.unit.venues.test_hostile_text import BITGET_SYMBOL
from tests.virtual import a_clock, run_virtual

NOT_CLASSIC = "40085", "You are in Unified Account mode, and the Classic Account API is not supported at this time"
NOT_UNIFIED = "40084", "You are in Classic Account mode, and the Unified Account API is not supported"
CLASSIC_KEY = {"userId": "7", "ips": "203.0.113.1", "authorities": ["stow", "stor"]}
UNIFIED_KEY = {
    "userId": "7",
    "ips": "203.0.113.1",
    "permType": "read-and-write",
    "permissions": ["uta_mgt", "uta_trade"],
}
SETTINGS = {"uid": "7", "accountMode": "unified"}


class Venue:
    """A network with one venue, which answers what it is told to, by path: data, (code, message), or an error."""

    def __init__(self) -> None:
        self.clock = a_clock()
        self.answers: dict[str, Any] = {
            "/api/v2/public/time": {"serverTime": "0"},
            "/api/v2/spot/public/symbols": [BITGET_SYMBOL],
        }
        self.asked: list[str] = []
        self.dialled: list[str] = []

    def classic(self) -> None:
        self.answers["/api/v2/spot/account/info"] = CLASSIC_KEY
        self.answers["/api/v3/account/info"] = self.answers["/api/v3/account/settings"] = NOT_UNIFIED

    def unified(self) -> None:
        self.answers["/api/v2/spot/account/info"] = NOT_CLASSIC
        self.answers |= {"/api/v3/account/info": UNIFIED_KEY, "/api/v3/account/settings": SETTINGS}

    def gateway(self, confirmed: bool = True) -> VenueGateway:
        return build_gateway(
            spec_of("bitget"),
            spec_of("bitget").production,
            Credentials(key="k", secret="s", passphrase="p"),
            clock=self.clock,
            rng=random.Random(1),
            limits=GatewayLimits(symbols=("BTC/USDT",), key=KeyPolicy(withdrawal_disabled_confirmed=confirmed)),
            network=self,
            expiry_proved=True,
        )

    def start(self, gateway: VenueGateway) -> VenueGateway:
        run_virtual(gateway.start(), self.clock)
        return gateway

    # The network.

    def http(self) -> WriteTransport:
        return self

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        path = request.url.removeprefix("https://api.bitget.com").partition("?")[0]
        self.asked.append(path)
        found = self.answers[path]
        if isinstance(found, Exception):
            raise found
        now_ms = self.clock.wall_ns() // 1_000_000
        if path.endswith("/time"):
            found = {"serverTime": str(now_ms)}
        status, code, message = (400, *found) if isinstance(found, tuple) else (200, "00000", "success")
        data = found if status == 200 else None
        body = msgspec.json.encode({"code": code, "msg": message, "requestTime": now_ms, "data": data})
        return HttpAnswer(status, {}, body, self.clock.wall_ns(), self.clock.wall_ns())

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        return self.send(request_of(request), timeout_s)

    def standing(self, origin: Origin) -> Connection | None:
        return None

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        self.dialled.append(url)
        raise SocketEnded("nowhere")

    async def close(self) -> None:
        """Nothing is held."""


def test_an_account_in_neither_kind_is_not_used_and_the_reason_is_said() -> None:
    venue = Venue()
    venue.unified()
    venue.answers["/api/v3/account/info"] = NOT_UNIFIED
    with pytest.raises(VenueAuthError, match=r"either kind of account \(40085, then 40084\).*start again") as caught:
        venue.start(venue.gateway())
    assert caught.value.code == "40084"
    assert venue.asked.count("/api/v2/spot/account/info") == 1


@pytest.mark.parametrize(
    ("answer", "code"), [(("40037", "Apikey does not exist"), "40037"), (AnswerLost("nothing came"), "key_unread")]
)
def test_any_other_answer_leads_to_no_other_language(answer: Any, code: str) -> None:
    venue = Venue()
    venue.answers["/api/v2/spot/account/info"] = answer
    with pytest.raises(VenueError) as caught:
        venue.start(venue.gateway())
    assert caught.value.code == code
    assert not [path for path in venue.asked if "/v3/" in path]


def test_a_unified_key_that_may_withdraw_is_refused_as_any_other() -> None:
    venue = Venue()
    venue.unified()
    venue.answers["/api/v3/account/info"] = UNIFIED_KEY | {"permissions": ["uta_trade", "withdraw"]}
    with pytest.raises(VenueAuthError, match="may withdraw"):
        venue.start(venue.gateway())


def test_what_a_unified_key_may_withdraw_has_to_be_confirmed() -> None:
    venue = Venue()
    venue.unified()
    with pytest.raises(VenueAuthError, match="withdrawal_disabled_confirmed"):
        venue.start(venue.gateway(confirmed=False))


def test_a_classic_account_is_spoken_to_as_before_and_asked_nothing_more() -> None:
    venue = Venue()
    venue.classic()
    gateway = venue.start(venue.gateway())
    assert (gateway.mode, gateway.account_id, gateway.expiry_proved) == ("classic", "bitget-uid-7", True)
    assert not [path for path in venue.asked if "/v3/" in path]


def test_a_unified_account_is_spoken_to_in_its_own_language_from_the_first_refusal_on() -> None:
    venue = Venue()
    venue.unified()
    gateway = venue.start(venue.gateway())
    assert (gateway.mode, gateway.account_id) == ("unified", "bitget-uid-7")
    assert gateway.listed == {"BTC/USDT"}
    assert venue.asked[venue.asked.index("/api/v2/spot/account/info") + 1 :] == [
        *("/api/v3/account/info", "/api/v3/account/settings", "/api/v2/spot/public/symbols")
    ]


def test_no_expiry_is_claimed_for_a_unified_account_whatever_was_seen_of_it() -> None:
    venue = Venue()
    venue.unified()
    gateway = venue.gateway()
    assert gateway.expiry_proved is True
    assert venue.start(gateway).expiry_proved is False


def test_the_clock_that_was_measured_counts_for_the_other_language_too() -> None:
    venue = Venue()
    venue.unified()
    gateway = venue.gateway()
    before = gateway._signer
    before.server_offset_ns = 5
    venue.start(gateway)
    assert gateway._signer is not before
    assert gateway._signer.server_offset_ns == before.server_offset_ns


def test_the_private_stream_and_the_writes_are_those_of_the_kind_of_account() -> None:
    cancel = CancelOrder(cause=1, venue="bitget", symbol="BTC/USDT", client_order_id="arb1", venue_order_id=None)
    seen: dict[str, tuple[str, str]] = {}
    for mode in ("classic", "unified"):
        venue = Venue()
        getattr(venue, mode)()
        gateway = venue.start(venue.gateway())
        paths = ("/api/v2/spot/trade/cancel-order", "/api/v3/trade/cancel-order")
        venue.answers |= {path: {"orderId": "1", "clientOid": "arb1"} for path in paths}

        async def cancelled_and_dialled(gateway: VenueGateway = gateway) -> CancelAnswered:
            answered = await gateway.cancel(cancel)
            down: list[Any] = []
            await stream_until_down(gateway, down)
            return answered

        run_virtual(cancelled_and_dialled(), venue.clock)
        seen[mode] = venue.asked[-1], venue.dialled[0]
    assert seen == {
        "classic": ("/api/v2/spot/trade/cancel-order", "wss://ws.bitget.com/v2/ws/private"),
        "unified": ("/api/v3/trade/cancel-order", "wss://ws.bitget.com/v3/ws/private"),
    }


async def stream_until_down(gateway: VenueGateway, events: list[Any]) -> None:
    """Run the private stream until it says why it is down."""

    down = asyncio.Event()

    def hear(event: Any) -> None:
        events.append(event)
        down.set()

    stream = asyncio.create_task(gateway.run_private(hear))
    await down.wait()
    stream.cancel()
    await asyncio.gather(stream, return_exceptions=True)


def test_an_account_converted_back_while_its_venue_was_away_is_learnt_by_the_next_start() -> None:
    venue = Venue()
    venue.unified()
    gateway = venue.start(venue.gateway())
    venue.classic()
    assert venue.start(gateway).mode == "classic"
    venue.unified()
    assert venue.start(gateway).mode == "unified"
