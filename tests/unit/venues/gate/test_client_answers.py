"""The Gate client's REST door: what an answer means, and above all what it does not mean."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import ccxt
import pytest

from arb.market.order import Outcome
from arb.venues.gate.client import Gate
from arb.venues.gate.outcomes import POLICY
from arb.venues.kit.rules.outcome import Rule

MakeGate = Callable[..., Gate]
DONE = {"id": "7", "text": "t-arb-1", "currency_pair": "BTC_USDT", "status": "closed", "finish_as": "filled"}


def place(gate: Gate, **params: Any) -> Any:
    given = {"timeInForce": "IOC", "clientOrderId": "arb-1", **params}
    return asyncio.run(gate.create_order("BTC/USDT", "limit", "buy", "0.001", "30000", given))


def error_of(gate: Gate) -> Any:
    with pytest.raises(Exception) as caught:
        place(gate)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, {"label": "INTERNAL_SERVER_ERROR", "message": "x"}, ccxt.ExchangeNotAvailable),
        (500, {"label": "SOMETHING_NEW", "message": "x"}, ccxt.ExchangeNotAvailable),
        (500, {"label": "INVALID_PARAM_VALUE", "message": "x"}, ccxt.ExchangeNotAvailable),
        (400, {"label": "SERVER_TIMEOUT", "message": "x"}, ccxt.ExchangeNotAvailable),
        (400, {"label": "SERVER_ERROR", "message": "x"}, ccxt.ExchangeNotAvailable),
        (400, {"label": "TOO_BUSY", "message": "x"}, ccxt.ExchangeNotAvailable),
        (502, "<html>bad gateway</html>", ccxt.ExchangeNotAvailable),
        (504, "<html>time-out</html>", ccxt.RequestTimeout),
        (429, "<html>slow down</html>", ccxt.BadResponse),
        (403, "<html>forbidden</html>", ccxt.BadResponse),
        (401, "<html>who are you</html>", ccxt.BadResponse),
        (400, {"message": "no label"}, ccxt.BadResponse),
        (201, '{"id":"7","te', ccxt.BadResponse),
        (201, "", ccxt.BadResponse),
        (403, {"label": "REQUEST_EXPIRED", "message": "gap"}, ccxt.InvalidNonce),
        (400, {"label": "CANCEL_FAIL", "message": "x"}, ccxt.ExchangeNotAvailable),
        (400, {"label": "DUPLICATE_REQUEST", "message": "x"}, ccxt.ExchangeNotAvailable),
        (400, {"label": "ORDER_EXISTS", "message": "x"}, ccxt.ExchangeNotAvailable),
    ],
)
def test_a_servers_own_fault_never_looks_like_a_refusal(
    make_gate: MakeGate, session: Any, answer: Any, status: int, body: Any, kind: type[Exception]
) -> None:
    session.answers.append(answer(status, body))
    error = error_of(make_gate())
    assert type(error) is kind
    assert isinstance(error, ccxt.OperationFailed)


@pytest.mark.parametrize(
    ("label", "message", "kind"),
    [
        ("INVALID_SIGNATURE", "x", ccxt.AuthenticationError),
        ("BALANCE_NOT_ENOUGH", "x", ccxt.InsufficientFunds),
        ("INVALID_PARAM_VALUE", "invalid argument", ccxt.BadRequest),
        ("POC_FILL_IMMEDIATELY", "x", ccxt.OrderImmediatelyFillable),
        ("FOK_NOT_FILL", "x", ccxt.ExchangeError),
        ("ORDER_FOK", "x", ccxt.ExchangeError),
        ("ORDER_BOOK_NOT_FOUND", "x", ccxt.ExchangeError),
        ("ORDER_NOT_FOUND", "x", ccxt.OrderNotFound),
        ("ERR_QUOTA_LOWER_LIMIT", "x", ccxt.ExchangeError),
        ("A_LABEL_OF_TOMORROW", "x", ccxt.ExchangeError),
    ],
)
def test_a_labelled_refusal_is_a_refusal(
    make_gate: MakeGate, session: Any, answer: Any, label: str, message: str, kind: type[Exception]
) -> None:
    session.answers.append(answer(400, {"label": label, "message": message}))
    error = error_of(make_gate())
    assert type(error) is kind
    assert isinstance(error, ccxt.ExchangeError)
    assert error.venue_label == label
    assert error.http_status == 400


def test_only_the_venues_own_label_makes_a_429_a_refusal(make_gate: MakeGate, session: Any, answer: Any) -> None:
    reset = {"X-Gate-RateLimit-Reset-Timestamp": "1700000001"}
    session.answers.append(answer(429, {"label": "TOO_MANY_REQUESTS", "message": "(211)"}, reset))
    error = error_of(make_gate())
    assert type(error) is ccxt.RateLimitExceeded
    assert error.response_headers["X-Gate-RateLimit-Reset-Timestamp"] == "1700000001"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (aiohttp.ClientPayloadError("cut"), ccxt.ExchangeNotAvailable),
        (aiohttp.ServerDisconnectedError(), ccxt.ExchangeNotAvailable),
        (TimeoutError(), ccxt.RequestTimeout),
    ],
)
def test_a_cut_answer_is_unknown(
    make_gate: MakeGate, session: Any, answer: Any, raised: Exception, kind: type[Exception]
) -> None:
    session.answers.append(answer(201, "", raises=raised))
    assert type(error_of(make_gate())) is kind


def test_no_request_is_ever_repeated(make_gate: MakeGate, session: Any, answer: Any) -> None:
    session.answers += [answer(502, "x"), answer(201, DONE)]
    with pytest.raises(ccxt.ExchangeNotAvailable):
        place(make_gate(), maxRetriesOnFailure=3)
    assert len(session.sent) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("rule", POLICY.table.values(), ids=lambda rule: rule.code)
def test_the_class_of_an_error_agrees_with_the_table_of_outcomes(
    make_gate: MakeGate, session: Any, answer: Any, rule: Rule
) -> None:
    session.answers.append(answer(400, {"label": rule.code, "message": "x"}))
    error = error_of(make_gate())
    if rule.outcome is Outcome.UNKNOWN:
        assert isinstance(error, ccxt.OperationFailed)
    else:
        passing = isinstance(error, (ccxt.RateLimitExceeded, ccxt.InvalidNonce))
        assert passing or isinstance(error, ccxt.ExchangeError)
