"""Bybit's recorded and documented answers over REST: read, or refused by the field that is wrong, and judged as orders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueProtocolError
from arb.market.order import Outcome
from arb.venues.bybit.trade import BybitTrade
from arb.venues.kit.rules.outcome import decode_body, judge_write
from arb.venues.registry import spec_of
from arb.venues.transport.http import HttpAnswer
from tests.support.recorded import Answer, answers

DOORS = ("rest", "further/rest")
ORDERS, FILLS, BILLS, BALANCES, FEES = (
    ("get-v5-order-realtime", "get-v5-order-history"),
    ("get-v5-execution-list",),
    ("get-v5-account-transaction-log",),
    ("get-v5-account-wallet-balance",),
    ("get-v5-account-fee-rate",),
)
OF_FUTURES = "not spot"
REFUSED = {
    "get-v5-order-realtime--ok": "no list",  # an example of the document that has no result at all
    "get-v5-execution-list--linear-market-trade-ccxt": OF_FUTURES,
    "get-v5-execution-list--linear-market-trade": OF_FUTURES,
    "get-v5-execution-list--linear-limit-trade-executions": OF_FUTURES,
    "get-v5-order-history--linear-cancelled-limit-postonly": OF_FUTURES,
    "get-v5-order-history--linear-cancelled-limit-postonly-2": OF_FUTURES,
    "get-v5-order-history--linear-filled-market-ioc-ccxt": OF_FUTURES,
    "get-v5-order-realtime--linear-new-limit-gtc": OF_FUTURES,
    "get-v5-order-realtime--linear-new-limit-gtc-2": OF_FUTURES,
}


def recorded(repo_root: Path) -> dict[str, Answer]:
    return {found.name.rpartition("/")[2]: found for door in DOORS for found in answers(repo_root, "bybit", door)}


def readers() -> dict[str, Callable[[Any], Any]]:
    dialect = BybitTrade(has_key=True)
    dialect.learn({f"{base}USDT": f"{base}/USDT" for base in ("BTC", "ETH", "XRP")})
    orders, fills, bills = dialect.open_orders(None), dialect.fills(None, 0, None), dialect.transfers(0, 1)[0]
    by_kind: dict[tuple[str, ...], Callable[[Any], Any]] = {
        ORDERS: lambda body: [dialect.report(row) for row in orders.rows(body)],
        FILLS: lambda body: [dialect.fill(row, 1) for row in fills.rows(body)],
        BILLS: lambda body: [dialect.transfer(row) for row in bills.rows(body)],
        BALANCES: dialect.balances_in,
        FEES: lambda body: dialect.fees_listed(body, ["BTC/USDT", "ETH/USDT"]),
    }
    return {endpoint: read for endpoints, read in by_kind.items() for endpoint in endpoints}


def test_each_private_answer_is_read_or_refused_by_its_field(repo_root: Path) -> None:
    refused: dict[str, str] = {}
    read = 0
    for name, answer in recorded(repo_root).items():
        reader = readers().get(name.partition("--")[0])
        if reader is None:
            continue
        try:
            assert reader(decode_body(answer.raw)), name
        except VenueProtocolError as error:
            refused[name] = str(error)
        else:
            read += 1
    assert {name: why for name, why in refused.items() if REFUSED.get(name, "!") not in why} == {}
    assert refused.keys() <= REFUSED.keys() and read >= 10


ANSWERED = {
    "post-v5-order-create--ok": Outcome.ACCEPTED,
    "post-v5-order-create--rejected-10005-permission": Outcome.REJECTED,
    "post-v5-order-create--rejected-170003-unknown-parameter": Outcome.REJECTED,
    "post-v5-order-create--rejected-170131-insufficient-balance": Outcome.REJECTED,
    "post-v5-order-create--rejected-170140-below-minimum": Outcome.REJECTED,
    "post-v5-order-create--rejected-170193-price-0usdt": Outcome.REJECTED,
    "post-v5-order-create--rejected-170209-region": Outcome.REJECTED,
    "error--10002-recv-window": Outcome.REJECTED,
    "error--10006-too-many-visits-2023": Outcome.REJECTED,
    "error--403-cloudfront-bad-request-html": Outcome.UNKNOWN,
    "error--retcode-10016-code-10016-request-timeout-please-try-again-later": Outcome.UNKNOWN,
    "error--retcode-10016-code-10016-system-error-please-try-again-later": Outcome.UNKNOWN,
    "error--retcode-5004-code-5004-server-timeout": Outcome.UNKNOWN,
    "error--retcode-170371-code-170371-order-price-cannot-be-lower-than-0-0025": Outcome.REJECTED,
}


@pytest.mark.parametrize("name", ANSWERED)
def test_recorded_answers_to_an_order_mean_no_more_than_they_prove(repo_root: Path, name: str) -> None:
    answer = recorded(repo_root)[name]
    verdict = judge_write(spec_of("bybit").outcomes, HttpAnswer(answer.status or 200, {}, answer.raw, 1, 2), 2)
    assert verdict.outcome is ANSWERED[name]
