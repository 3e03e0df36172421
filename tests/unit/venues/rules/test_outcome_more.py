"""Bybit's and Binance's codes, ccxt's classes, and the page that tells of all of them."""

from pathlib import Path

import ccxt
import pytest

from arb.market.order import Outcome
from arb.venues.binance.outcomes import POLICY as BINANCE
from arb.venues.bybit.outcomes import POLICY as BYBIT
from arb.venues.outcome_doc import render
from arb.venues.registry import SPECS
from arb.venues.rules.outcome import OutcomePolicy, Rule, judge_read, judge_write
from arb.venues.rules.outcome_ccxt import CCXT_TABLE, judge_error
from arb.venues.rules.retry import Trouble
from arb.venues.transport.http import HttpAnswer

NOW_NS = 1_700_000_000_000_000_000
ROWS = [(policy, rule) for policy in (BYBIT, BINANCE) for rule in policy.table.values()]


def outcome(policy: OutcomePolicy, status: int, body: str) -> Outcome:
    return judge_write(policy, HttpAnswer(status, {}, body.encode(), NOW_NS - 5, NOW_NS), NOW_NS).outcome


def body_with(policy: OutcomePolicy, code: str) -> str:
    number, _, word = code.partition(" ")
    if policy is BYBIT:
        return f'{{"retCode":{number},"retMsg":"words","result":{{}}}}'
    return f'{{"code":{number},"msg":"{word.capitalize()} order sent."}}'


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


def test_every_class_of_ccxt_has_a_row() -> None:
    classes = {kind.__name__ for kind in _below(ccxt.BaseError)} | {"BaseError"}
    assert classes == set(CCXT_TABLE)


def _below(kind: type) -> set[type]:
    children: list[type] = kind.__subclasses__()
    own = {child for child in children if child.__module__.startswith("ccxt.base")}
    return own | {deeper for child in own for deeper in _below(child)}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ccxt.RequestTimeout(""), Outcome.UNKNOWN),
        (ccxt.ExchangeError(""), Outcome.UNKNOWN),
        (ccxt.InvalidOrder(""), Outcome.UNKNOWN),
        (ccxt.RateLimitExceeded(""), Outcome.UNKNOWN),
        (ccxt.InvalidNonce(""), Outcome.REJECTED),
        (ccxt.InsufficientFunds(""), Outcome.REJECTED),
        (TimeoutError(), Outcome.UNKNOWN),
    ],
)
def test_a_class_is_judged_leaf_by_leaf(error: Exception, expected: Outcome) -> None:
    assert judge_error(error).outcome is expected


def test_a_class_unheard_of_is_judged_by_its_nearest_ancestor() -> None:
    class Fancy(ccxt.InvalidNonce):  # type: ignore[misc]
        """A class of a later ccxt."""

    assert judge_error(Fancy("")).trouble is Trouble.CLOCK


def test_the_page_in_docs_is_what_the_tables_say(repo_root: Path) -> None:
    page = (repo_root / "docs" / "OUTCOMES.md").read_text(encoding="utf-8")
    assert page == render(), "write it anew: python -m arb.venues.outcome_doc > docs/OUTCOMES.md"


def test_the_page_tells_every_code_of_every_venue() -> None:
    page = render()
    assert all(f"| `{code}` |" in page for spec in SPECS for code in spec.outcomes.table)
