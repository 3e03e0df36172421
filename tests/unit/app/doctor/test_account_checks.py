"""Every check of accounts by `arb doctor`, by the fault that it is there for."""

from decimal import Decimal
from typing import Any

import pytest

from arb.app.doctor import account_checks as checks
from arb.app.doctor import local_checks
from arb.app.doctor.checks import Finding, Result
from arb.core.messages.events import AssetBalance
from arb.core.messages.recovery_records import AgreedAccount
from arb.core.messages.settings import Limits
from arb.core.risk.stops import Stop
from arb.core.state.budget import PlaceRate
from arb.market.instrument import FeeIn
from arb.market.order import OrderReport, Side
from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.rules.key_trouble import Diagnosis
from arb.venues.kit.rules.outcome import KeyTrouble
from tests.builders import D, an_instrument

PASS, WARN, FAIL = Result.PASS, Result.WARN, Result.FAIL
WELL = KeyFacts(can_trade=True, can_withdraw=False, ip_bound=True, account="1667201533")
WANTED = {"BTC/USDT": (D(2000), D(50_000))}
RICH = {"USDT": AssetBalance(D(2000), D(0)), "BTC": AssetBalance(D("0.04"), D(0))}
RULES = [an_instrument("gate")]


def key(**changes: object) -> KeyFacts:
    return KeyFacts(**({name: getattr(WELL, name) for name in WELL.__struct_fields__} | changes))


def fees(**changes: Any) -> Finding:
    held = {"GT": AssetBalance(D(5), D(2))}
    return checks.check_fees("gate", [an_instrument("gate", **changes)], Limits(), held, {"BTC", "GT"})


def rate(per_minute: int = 1200) -> Finding:
    return checks.check_rate("gate", PlaceRate(10, 1000), per_minute, 5, 2)


def order(name: str | None) -> OrderReport:
    return OrderReport(
        venue="gate",
        symbol="BTC/USDT",
        client_order_id=name,
        venue_order_id="1",
        side=Side.BUY,
        price=D(1),
        size=D(1),
        filled=D(0),
        avg_price=None,
        is_open=True,
    )


def agreed(**totals: str) -> AgreedAccount:
    return AgreedAccount("gate-uid-1", 1, {asset: Decimal(total) for asset, total in totals.items()})


SPENT = Stop(cause="daily_notional_quote", text="used today", ends="raise it", limit=D(100), used=D(90))
CASES: list[tuple[Finding, Result, str]] = [
    (checks.check_signature("gate", None), PASS, "answers"),
    (
        checks.check_signature("gate", Diagnosis(KeyTrouble.SECRET, "the secret is wrong", "copy it")),
        FAIL,
        "secret: the secret is wrong",
    ),
    (checks.check_rights("gate", WELL), PASS, "may trade spot"),
    (checks.check_rights("gate", key(can_trade=False)), FAIL, "may not trade spot"),
    (checks.check_rights("gate", key(unknown=("transfer",))), FAIL, "transfer"),
    (checks.check_rights("gate", key(can_trade=None)), WARN, "does not report"),
    (checks.check_withdrawal("gate", WELL, confirmed=False), PASS, "the venue reports"),
    (checks.check_withdrawal("gate", key(can_withdraw=True), confirmed=True), FAIL, "may withdraw"),
    (checks.check_withdrawal("gate", key(can_withdraw=None), confirmed=False), FAIL, "does not report"),
    (checks.check_withdrawal("gate", key(can_withdraw=None), confirmed=True), PASS, "you have confirmed"),
    (checks.check_rights("bitget", key(moves=("wtow",))), FAIL, "move funds away (wtow)"),
    (checks.check_addresses("gate", WELL, allowed=False), PASS, "bound"),
    (checks.check_addresses("gate", key(ip_bound=False), allowed=False), FAIL, "from any address"),
    (checks.check_addresses("gate", key(ip_bound=False), allowed=True), WARN, "from any address"),
    (checks.check_addresses("gate", key(ip_bound=None), allowed=False), WARN, "does not report"),
    (checks.check_borrowing("okx", WELL, allowed=False), PASS, "borrows nothing"),
    (checks.check_borrowing("okx", key(borrows=("autoLoan",)), allowed=False), FAIL, "on its own (autoLoan)"),
    (checks.check_borrowing("okx", key(borrows=("autoLoan",)), allowed=True), WARN, "on its own (autoLoan)"),
    (checks.check_account("gate", key(mode=None)), FAIL, "not known here"),
    (checks.check_account("gate", WELL), PASS, "...533"),
    (checks.check_account("gate", key(account=None)), WARN, "known by its key"),
    (checks.check_account("gate", key(mode="unified")), PASS, "...533, mode unified"),
    (fees(), PASS, "10 bps taker"),
    (fees(taker_fee=None), FAIL, "not read of BTC/USDT"),
    (fees(buy_fee_in=FeeIn.OTHER), WARN, "in other (BTC/USDT)"),
    (fees(taker_fee=D("0.004")), WARN, "40 bps"),
    (fees(fee_asset="GT"), PASS, "from GT while it lasts, 7 are there"),
    (fees(fee_asset="POINT"), WARN, "the price of POINT is not known"),
    (checks.check_funds("gate", RICH, WANTED), PASS, "both sides"),
    (
        checks.check_funds("gate", {**RICH, "USDT": AssetBalance(D(1999), D(5))}, WANTED),
        WARN,
        "buys for 1999 of 2000 USDT",
    ),
    (
        checks.check_funds("gate", {**RICH, "BTC": AssetBalance(D("0.03"), D(1))}, WANTED),
        WARN,
        "sells 0.03 of 0.04 BTC",
    ),
    (checks.check_funds("gate", {}, WANTED), WARN, "buys for 0 of 2000 USDT"),
    (checks.check_minimums("gate", RULES, WANTED), PASS, "within the limit of a pair"),
    (
        checks.check_minimums("gate", [an_instrument(min_size=D("0.05"))], WANTED),
        FAIL,
        "BTC/USDT: at least 2500 USDT, allowed 2000",
    ),
    (
        checks.check_minimums(
            "gate",
            [an_instrument(min_notional=D(3000)), an_instrument(symbol="ETH/USDT")],
            WANTED | {"ETH/USDT": (D(2000), D(2500))},
        ),
        WARN,
        "at least 3000",
    ),
    (rate(), PASS, "600 orders a minute of each symbol"),
    (rate(9), WARN, "5 open pairs may need 10"),
    (rate(1), FAIL, "the guard 1"),
    (checks.check_dead_man("gate", has_switch=True, dedicated=True), PASS, "once we fall silent"),
    (checks.check_dead_man("gate", has_switch=True, dedicated=False), WARN, "is not used"),
    (checks.check_dead_man("gate", has_switch=False, dedicated=True), PASS, "no switch"),
    (checks.check_dedicated("gate", [], dedicated=True), PASS, "no order of anybody else"),
    (checks.check_dedicated("gate", [order("manual")], dedicated=True), FAIL, "1 orders of others"),
    (checks.check_dedicated("gate", [order(None)], dedicated=False), WARN, "1 orders of others"),
    (checks.check_left_orders("gate", [], []), PASS, "none of our orders"),
    (checks.check_left_orders("gate", [order("arb1")], ["arb1"]), WARN, "open: arb1"),
    (checks.check_left_orders("gate", [order("arb1")], ["arb2"]), FAIL, "not in this journal: arb1"),
    (checks.check_agreed("gate", None, RICH, ["USDT"]), PASS, "no earlier run"),
    (
        checks.check_agreed("gate", agreed(USDT="2000", BTC="0.04"), RICH, ["USDT", "BTC"]),
        PASS,
        "unchanged since the last run",
    ),
    (checks.check_agreed("gate", agreed(USDT="2500"), RICH, ["USDT", "BTC"]), WARN, "USDT 2500, now 2000"),
    (checks.check_coins("gate", None, 5), PASS, "made up"),
    (checks.check_coins("gate", [], 5), PASS, "5 symbols are proved"),
    (checks.check_coins("gate", ["NOVA/USDT"], 5), WARN, "NOVA/USDT"),
    (checks.check_coins("gate", ["NOVA/USDT"], 1), WARN, "NOVA/USDT"),
    (checks.check_expiry("gate", enforces=True, proved=True, by_socket=False, presumed_ms=3000), PASS, "has refused"),
    (checks.check_expiry("gate", enforces=True, proved=False, by_socket=False, presumed_ms=3000), WARN, "3000 ms"),
    (
        checks.check_expiry("gate", enforces=False, proved=True, by_socket=False, presumed_ms=3000),
        WARN,
        "no expiry is enforced",
    ),
    (checks.check_private_stream("gate", "", 0.02), PASS, "after 20 ms"),
    (checks.check_private_stream("gate", "refused: 60005", 1.0), FAIL, "refused: 60005"),
    (checks.check_instruments_barred("gate", []), PASS, "no symbol is barred"),
    (checks.check_instruments_barred("gate", ["BTC/USDT at gate is barred"]), WARN, "BTC/USDT at gate is barred"),
    (checks.not_asked("gate", "funds", "no answer"), FAIL, "not looked at: no answer"),
    (local_checks.check_openings([]), PASS, "no halt"),
    (local_checks.check_openings([SPENT]), WARN, "daily_notional_quote: 90.00 of 100.00 used today"),
    (local_checks.check_open_pairs([]), PASS, "no pair is open"),
    (local_checks.check_open_pairs([9, 7]), WARN, "pairs are open: 7, 9"),
]


@pytest.mark.parametrize(
    ("finding", "result", "said"), CASES, ids=[f"{f.check}-{r}-{n}" for n, (f, r, _) in enumerate(CASES)]
)
def test_a_check_says_what_it_found_and_what_to_change(finding: Finding, result: Result, said: str) -> None:
    assert finding.result is result and said in finding.found, finding
    assert bool(finding.remedy) is (result is not PASS)


def test_a_long_list_is_shown_in_part() -> None:
    found = checks.check_coins("gate", [f"C{number}/USDT" for number in range(9)], 20).found
    assert "C3/USDT and 5 more" in found and "C4/USDT" not in found
