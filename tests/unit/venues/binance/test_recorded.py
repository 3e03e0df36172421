"""Binance's recorded and documented answers over REST: read, or refused by the field that is wrong, and judged as orders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueProtocolError
from arb.market.order import Outcome
from arb.venues.binance.trade import BinanceTrade
from arb.venues.kit.rules.outcome import Verdict, decode_body, judge_write
from arb.venues.registry import spec_of
from arb.venues.transport.http import HttpAnswer
from tests.support.recorded import Answer, answers
from tests.unit.venues.test_dialects import an_order

DOORS = ("rest", "further/rest")
REFUSED = {
    "get-v3-allorders--ccxt-stock": "not a list",  # of shares, under the same path of another host
    "get-v3-account--ccxt-binance-pay": "not an object",
    "get-v3-mytrades--ccxt-tokenized-equities": "not a list",
    "get-v3-openorders--new-limit-buy-gtc-gct-recording-2": "'BTCUDT'",  # of a symbol that no listing has
    "post-v3-order--new-order-trade-ack": "'status'",
    "post-v3-order--gct-recording": "not an object",
}


def recorded(repo_root: Path) -> dict[str, Answer]:
    return {found.name.rpartition("/")[2]: found for door in DOORS for found in answers(repo_root, "binance", door)}


def readers() -> dict[str, Callable[[Any], Any]]:
    dialect = BinanceTrade(has_key=True)
    pairs = [("BTC", "USDT"), ("LTC", "BTC"), ("BNB", "BTC"), ("ETH", "BTC"), ("LTC", "USDT")]
    dialect.learn({f"{base}{quote}": f"{base}/{quote}" for base, quote in pairs})
    orders = dialect.open_orders(None)
    trades = dialect.fills("BTC/USDT", 0, None)
    return {
        "get-v3-order": dialect.order_in,
        "get-v3-openorders": lambda body: [dialect.report(row) for row in orders.rows(body)],
        "get-v3-allorders": lambda body: [dialect.report(row) for row in orders.rows(body)],
        "get-v3-mytrades": lambda body: [dialect.fill(row, 1) for row in trades.rows(body)],
        "get-v3-account": dialect.balances_in,
        "get-v3-account-commission": dialect.fees_in,
        "post-v3-order": lambda body: dialect.placed(an_order(), body),
        "delete-v3-order": dialect.cancelled,
    }


def test_each_private_answer_is_read_or_refused_by_its_field(repo_root: Path) -> None:
    refused: dict[str, str] = {}
    read = 0
    for name, answer in recorded(repo_root).items():
        reader = readers().get(name.partition("--")[0])
        if reader is None or "rejected" in name or "code-" in name:
            continue
        try:
            assert reader(decode_body(answer.raw)), name
        except VenueProtocolError as error:
            refused[name] = str(error)
        else:
            read += 1
    assert {name: why for name, why in refused.items() if REFUSED.get(name, "!") not in why} == {}
    assert refused.keys() == REFUSED.keys() and read >= 15


ANSWERED = {
    "post-v3-order--filled-market-sell-gtc-new-order-trade-full": Outcome.ACCEPTED,
    "post-v3-order--new-order-trade-ack": Outcome.ACCEPTED,
    "post-v3-order--gct-recording": Outcome.UNKNOWN,
    "post-v3-order--rejected-2010-insufficient-balance": Outcome.REJECTED,
    "post-v3-order--rejected-2010-symbol-not-whitelisted": Outcome.REJECTED,
    "post-v3-order--rejected-2010-symbol-not-permitted": Outcome.REJECTED,
    "error--2015-key-ip-permissions": Outcome.REJECTED,
    "error--403-cloudfront-country-html": Outcome.UNKNOWN,
    "error--418-ip-banned": Outcome.REJECTED,
    "error--code-1000-code-1000-system-abnormality": Outcome.UNKNOWN,
    "error--code-1003-code-1003-too-much-request-weight-used-current-lim": Outcome.REJECTED,
    "error--code-1006-code-1006-an-unexpected-was-received-from": Outcome.UNKNOWN,
    "error--code-1007-code-1007-timeout-waiting-for-from-backen": Outcome.UNKNOWN,
    "error--code-1013-code-1013-filter-failure-percent-price-by-side": Outcome.REJECTED,
    "error--code-1013-code-1013-market-is-closed": Outcome.REJECTED,
    "error--code-1022-code-1022-signature-for-this-request-is-not-valid": Outcome.REJECTED,
    "error--code-1104-code-1104-not-all-sent-parameters-were-read-read-8": Outcome.REJECTED,
    "error--code-1111-code-1111-precision-is-over-the-maximum-defined-fo": Outcome.REJECTED,
    "error--code-1125-code-1125-this-listenkey-does-not-exist": Outcome.UNKNOWN,  # unlisted
    "error--code-2010-code-2010-order-would-immediately-match-and-take": Outcome.REJECTED,
    "error--code-2011-code-2011-unknown-order-sent": Outcome.REJECTED,
    "error--code-2011-code-2011-this-action-is-disabled-on-this-account": Outcome.UNKNOWN,
    "delete-v3-order--code-2011-cancel-order-trade-if-the-order-did-not-pass-the-conditions": Outcome.UNKNOWN,
    "error--code1-code-1-system-is-under-maintenance": Outcome.UNKNOWN,
    "post-v3-order-cancelreplace--code-2022-cancel-an-existing-order-and-send-a-new-order-trade-when-bot": Outcome.UNKNOWN,
}


@pytest.mark.parametrize("name", ANSWERED)
def test_recorded_answers_to_an_order_mean_no_more_than_they_prove(repo_root: Path, name: str) -> None:
    answer = recorded(repo_root)[name]
    status = answer.status or (200 if ANSWERED[name] is Outcome.ACCEPTED else 400)
    verdict = judge_write(spec_of("binance").outcomes, HttpAnswer(status, {}, answer.raw, 1, 2), 2)
    assert verdict.outcome is ANSWERED[name]


def judged(code: int, text: str, status: int = 400, headers: dict[str, str] | None = None) -> Verdict:
    body = json.dumps({"code": code, "msg": text}).encode()
    return judge_write(spec_of("binance").outcomes, HttpAnswer(status, headers or {}, body, 1, 2), 2)


def test_a_duplicate_order_is_unknown_since_an_earlier_one_is_open() -> None:
    assert judged(-2010, "Duplicate order sent.").outcome is Outcome.UNKNOWN


def test_a_message_that_means_two_things_is_unknown() -> None:
    assert judged(-2010, "Duplicate order sent. Market is closed.").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("code", [-1003, -1015, -2010, -1013, -1021, -2014, -1121])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_no_code_is_a_refusal_at_a_5xx(code: int, status: int) -> None:
    assert judged(code, "words", status).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("body", [b"", b"<html>", b"403 Forbidden", b'{"code":-2010', b"[]", b"null"])
@pytest.mark.parametrize("status", [200, 302, 403, 409, 418, 429])
def test_a_body_that_is_not_the_venues_is_unknown(status: int, body: bytes) -> None:
    verdict = judge_write(spec_of("binance").outcomes, HttpAnswer(status, {}, body, 1, 2), 2)
    assert verdict.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(("code", "status"), [(-1003, 429), (-1003, 418), (-1015, 429)])
def test_a_limit_is_a_refusal_until_the_venue_takes_requests_again(code: int, status: int) -> None:
    verdict = judged(code, "Too many", status, {"retry-after": "12"})
    assert (verdict.outcome, verdict.retry_after_s) == (Outcome.REJECTED, 12.0)


def test_what_is_short_off_its_steps_or_barred_is_told_apart_by_the_message() -> None:
    assert judged(-2010, "Account has insufficient balance for requested action.").short_of_funds
    assert (
        judged(-1013, "Filter failure: LOT_SIZE").off_steps and judged(-1013, "Filter failure: PRICE_FILTER").off_steps
    )
    notional = judged(-1013, "Filter failure: NOTIONAL")
    assert notional.outcome is Outcome.REJECTED and not (notional.off_steps or notional.bars)
    for text in ("This symbol is not permitted for this account.", "Symbol not whitelisted for API key."):
        assert judged(-2010, text).bars
    taker = judged(-2010, "Order would immediately match and take.")
    assert taker.outcome is Outcome.REJECTED and not taker.bars
