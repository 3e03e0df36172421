"""A client order id of Binance is free again once its order is filled, so one that is sent twice buys twice: it never is."""

import json
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.commands import CancelOrder, QueryOrder
from arb.core.messages.events import OrderAccepted, OrderRejected, OutcomeUnknown
from arb.market.order import Outcome
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.endpoints import Credentials
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.outcome import Verdict
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.registry import spec_of
from arb.venues.transport.http import AnswerLost, HttpAnswer, NeverSent
from arb.venues.transport.request import HttpRequest
from arb.venues.transport.retry import Trouble
from tests.unit.venues.binance.test_trade import placed
from tests.unit.venues.test_dialects import an_order
from tests.unit.venues.test_site_headers import Nowhere
from tests.virtual import START_NS, a_clock, run_virtual

ORDER = msgspec.structs.replace(
    an_order(), venue="binance", price=Decimal(3999), size=Decimal(1), expires_ns=START_NS + NS_PER_S
)


class Venue(Nowhere):
    """A network that answers every order alike, and finds no order afterwards."""

    def __init__(self, answer: Callable[[], HttpAnswer]) -> None:
        super().__init__()
        self.answer = answer

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        self.requests.append(request)
        return self._answered(request)

    async def _answered(self, request: HttpRequest) -> HttpAnswer:
        if request.method == "POST":
            return self.answer()
        return answered(400, -2013, "Order does not exist.")

    def standing(self, origin: object) -> None:  # type: ignore[override]
        """Return none, so that orders go by `send`."""

    @property
    def orders(self) -> list[str]:
        """Return the client order ids that were sent in orders."""
        bodies = [dict(parse_qsl(request.body or "")) for request in self.requests if request.method == "POST"]
        return [body["newClientOrderId"] for body in bodies]


def answered(status: int, code: int, text: str) -> HttpAnswer:
    return HttpAnswer(status, {}, json.dumps({"code": code, "msg": text}).encode(), START_NS, START_NS + 1)


def raised(error: Exception) -> HttpAnswer:
    raise error


ANSWERS: dict[str, tuple[Callable[[], HttpAnswer], type[PlaceAnswer]]] = {
    "never sent": (lambda: raised(NeverSent("no route")), OrderRejected),
    "lost": (lambda: raised(AnswerLost("closed")), OutcomeUnknown),
    "page": (lambda: HttpAnswer(403, {}, b"<html>", 1, 2), OutcomeUnknown),
    "fault": (lambda: answered(503, -1000, "An unknown error occurred"), OutcomeUnknown),
    "time-out": (lambda: answered(408, -1007, "Timeout waiting for response from backend server."), OutcomeUnknown),
    "overloaded": (lambda: answered(429, -1008, "Server is currently overloaded"), OutcomeUnknown),
    "duplicate": (lambda: answered(400, -2010, "Duplicate order sent."), OutcomeUnknown),
    "late": (lambda: answered(400, -1021, "Timestamp for this request is outside of the recvWindow."), OrderRejected),
    "busy": (lambda: answered(429, -1015, "Too many new orders."), OrderRejected),
    "another order": (
        lambda: HttpAnswer(200, {}, json.dumps(placed(clientOrderId="x")).encode(), 1, 2),
        OutcomeUnknown,
    ),
    "unnamed": (lambda: HttpAnswer(200, {}, b"{}", 1, 2), OutcomeUnknown),
}


def built(venue: Venue, clock: ManualClock, name: str = "binance", **more: Any) -> VenueGateway:
    return build_gateway(
        spec_of(name),
        spec_of(name).production,
        Credentials(key="key", secret="secret", passphrase="phrase"),
        clock=clock,
        rng=random.Random(1),
        limits=GatewayLimits(symbols=("BTC/USDT",)),
        network=venue,
        **more,
    )


def reported(venue: Venue) -> PlaceAnswer:
    """Send one order, then ask and cancel as if its outcome stayed unknown; return the order's answer."""
    clock = a_clock()
    gateway = built(venue, clock)

    async def story() -> PlaceAnswer:
        gateway._dialect.learn({"BTCUSDT": "BTC/USDT"})
        answer = await gateway.place(ORDER)
        asked = QueryOrder(
            cause=0,
            venue="binance",
            symbol="BTC/USDT",
            client_order_id="arb1",
            venue_order_id=None,
            since_ns=START_NS,
            attempt=1,
        )
        for _ in range(3):
            await gateway.query_order(asked)
            await gateway.cancel(
                CancelOrder(cause=1, venue="binance", symbol="BTC/USDT", client_order_id="arb1", venue_order_id=None)
            )
        return answer

    return run_virtual(story(), clock)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_and_no_doubt_sends_an_id_again(name: str) -> None:
    answer, event = ANSWERS[name]
    venue = Venue(answer)
    assert type(reported(venue)) is event
    assert venue.orders == ["arb1"]
    assert {request.method for request in venue.requests} == {"POST", "GET", "DELETE"}


@pytest.mark.parametrize(("name", "code"), [("binance", "rate_budget"), ("okx", "not_sent")])
def test_a_ban_that_a_public_request_met_stops_entries_where_requests_weigh(name: str, code: str) -> None:
    clock = a_clock()
    address = AddressAllowance(spec_of(name).weight_per_minute, clock)
    banned = Verdict(outcome=Outcome.REJECTED, trouble=Trouble.BUSY, retry_after_s=120.0)
    address.obey(banned, {}, clock.wall_ns())
    found = built(Venue(lambda: raised(NeverSent("no route"))), clock, name, address=address).prepare(
        msgspec.structs.replace(ORDER, venue=name)
    )
    assert isinstance(found, OrderRejected) and found.code == code  # no connection is ready, which is asked for later


def test_an_accepted_order_is_known_by_its_answer() -> None:
    body = json.dumps(
        placed(origQty="1", executedQty="1", cummulativeQuoteQty="3999", status="FILLED", fills=None)
    ).encode()
    venue = Venue(lambda: HttpAnswer(200, {}, body, START_NS, START_NS + 1))
    found = reported(venue)
    assert isinstance(found, OrderAccepted) and found.report is not None
    assert (found.report.filled, found.report.is_open) == (Decimal(1), False)
    assert venue.orders == ["arb1"]


def test_absence_is_presumed_and_never_proved_by_the_window() -> None:
    trading = spec_of("binance").trading
    assert not trading.enforces_expiry and not trading.socket_enforces_expiry
