"""Bybit's and Binance's codes, and the page that lists those of all venues."""

import pytest

from arb.market.order import Outcome
from arb.venues.binance.outcomes import BY_MESSAGE
from arb.venues.binance.outcomes import POLICY as BINANCE
from arb.venues.bybit.outcomes import POLICY as BYBIT
from arb.venues.kit.rules.outcome import OutcomePolicy, Rule, judge_read, judge_write
from arb.venues.registry import SPECS
from arb.venues.transport.http import HttpAnswer
from tests.support.outcome_page import render

NOW_NS = 1_700_000_000_000_000_000
ROWS = [(policy, rule) for policy in (BYBIT, BINANCE) for rule in policy.table.values()]


def outcome(policy: OutcomePolicy, status: int, body: str) -> Outcome:
    return judge_write(policy, HttpAnswer(status, {}, body.encode(), NOW_NS - 5, NOW_NS), NOW_NS).outcome


def body_with(policy: OutcomePolicy, code: str) -> str:
    number, _, word = code.partition(" ")
    if policy is BYBIT:
        return f'{{"retCode":{number},"retMsg":"words","result":{{}}}}'
    part = next((part for part, meant in BY_MESSAGE.get(number, ()) if meant == word), "words")
    return f'{{"code":{number},"msg":"{part.capitalize()}."}}'


@pytest.mark.parametrize(("policy", "rule"), ROWS, ids=lambda value: getattr(value, "code", None))
def test_every_code_means_what_its_row_says_and_nothing_at_a_5xx(policy: OutcomePolicy, rule: Rule) -> None:
    assert outcome(policy, 400, body_with(policy, rule.code)) is rule.outcome
    assert outcome(policy, 503, body_with(policy, rule.code)) is Outcome.UNKNOWN


@pytest.mark.parametrize("policy", [BYBIT, BINANCE], ids=lambda policy: policy.venue)
@pytest.mark.parametrize(
    "body", ["", "<html>busy</html>", "[]", "{}", "null", '{"code":-99999,"msg":""}', '{"retCode":99}']
)
@pytest.mark.parametrize("status", [200, 400, 403, 418, 429, 500])
def test_what_proves_nothing_is_unknown(policy: OutcomePolicy, body: str, status: int) -> None:
    assert outcome(policy, status, body) is Outcome.UNKNOWN


def test_a_success_is_accepted() -> None:
    assert outcome(BYBIT, 200, '{"retCode":0,"retMsg":"OK","result":{"orderId":"1"}}') is Outcome.ACCEPTED
    assert outcome(BINANCE, 200, '{"symbol":"BTCUSDT","orderId":7}') is Outcome.ACCEPTED
    read = judge_read(BINANCE, HttpAnswer(200, {}, b"[]", NOW_NS - 5, NOW_NS), NOW_NS)
    assert read.outcome is Outcome.ACCEPTED


def test_the_page_lists_every_code_of_every_venue() -> None:
    page = render()
    assert all(f"| `{code}` |" in page for spec in SPECS for code in spec.outcomes.table)
