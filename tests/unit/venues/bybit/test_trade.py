"""Bybit's language for spot orders: what is sent, and how documented answers are read or refused."""

from decimal import Decimal
from typing import Any

import pytest

from arb.core.messages.commands import CancelOrder
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import ConfigError, VenueAuthError, VenueProtocolError
from arb.market.instrument import FeeIn
from arb.market.order import Outcome, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.bybit.trade import BybitTrade
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import DAY_MS
from arb.venues.kit.endpoints import Credentials, Environment
from arb.venues.kit.rules.outcome import judge_write
from arb.venues.registry import spec_of
from arb.venues.transport.http import HttpAnswer
from tests.unit.venues.test_dialects import EXPIRES_NS, an_order
from tests.virtual import a_clock

NOW_MS = 1_700_000_000_000
SPEC = spec_of("bybit")


def a_dialect() -> BybitTrade:
    dialect = BybitTrade(has_key=True)
    dialect.learn({"BTCUSDT": "BTC/USDT"})
    return dialect


def result(**fields: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": fields, "retExtInfo": {}, "time": NOW_MS}


# What is refused, first.


def test_a_key_of_the_eu_site_is_refused_in_a_sentence_and_paper_reads_there() -> None:
    site = SPEC.site(Environment.PRODUCTION, "eu")
    assert site is not None
    with pytest.raises(ConfigError, match=r"\[venues.bybit\] region 'eu': .* third-party applications"):
        build_gateway(
            SPEC,
            site,
            Credentials(key="k", secret="s"),
            clock=a_clock(),
            rng=None,  # type: ignore[arg-type]
            limits=GatewayLimits(symbols=()),
        )


@pytest.mark.parametrize(
    ("status", "settings", "code", "words"),
    [
        (1, {}, "account_mode", "classic"),
        (3, {}, "account_mode", "unified 1.0"),
        (4, {}, "account_mode", "UTA 2.0"),
        (5, {"lpaSpot": True}, "account_prices", "modifyEnable false"),
    ],
)
def test_accounts_that_cannot_be_relied_on_are_refused_in_a_sentence(
    status: int, settings: dict[str, Any], code: str, words: str
) -> None:
    bodies = (key_body(), result(unifiedMarginStatus=status), result(**({"lpaSpot": False} | settings)))
    with pytest.raises(VenueAuthError, match=words) as refused:
        a_dialect().key_facts(bodies)
    assert refused.value.code == code


def key_body(**changes: Any) -> dict[str, Any]:
    rights = {"Spot": ["SpotTrade"], "Wallet": [], "Derivatives": []}
    given = {"readOnly": 0, "permissions": rights, "ips": ["1.2.3.4"], "userID": 24600000, "parentUid": "0"}
    return result(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "trades", "withdraws", "moves"),
    [
        ({}, True, False, ()),
        ({"readOnly": 1}, False, False, ()),
        ({"permissions": {"Spot": [], "Wallet": [], "Derivatives": ["DerivativesTrade"]}}, False, False, ()),
        ({"permissions": {"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]}}, True, True, ()),
        ({"permissions": {"Spot": ["SpotTrade"]}}, True, None, ()),
        (
            {"permissions": {"Spot": ["SpotTrade"], "Wallet": ["AccountTransfer", "NewlyNamed"]}},
            True,
            False,
            ("AccountTransfer", "NewlyNamed"),
        ),
    ],
)
def test_the_rights_of_a_key_are_read_by_group(
    changes: dict[str, Any], trades: bool, withdraws: bool | None, moves: tuple[str, ...]
) -> None:
    bodies = (key_body(**changes), result(unifiedMarginStatus=6, spotHedgingStatus="OFF"), result(lpaSpot=False))
    facts = a_dialect().key_facts(bodies)
    assert (facts.can_trade, facts.can_withdraw, facts.moves) == (trades, withdraws, moves)
    assert (facts.mode, facts.account, facts.ip_bound, facts.borrows) == ("unified 2.0 pro", "24600000", True, ())


def test_an_unknown_mode_and_a_hedged_account_are_named() -> None:
    bodies = (key_body(ips=["*"]), result(unifiedMarginStatus=7, spotHedgingStatus="ON"), result(lpaSpot=False))
    facts = a_dialect().key_facts(bodies)
    assert (facts.mode, facts.borrows, facts.ip_bound) == (None, ("spotHedgingStatus",), False)


# Section by section, the meaning of codes for an order.
UNKNOWN = "10000 10016 170007 170146 170001 170032 170035 170234 10429 10019 10403 20003 10014 20006 170141 110072"
UNKNOWN += " 170139 170142 170190 110008 110010 170144 170147 170191 170212 110079 40004 170310 170311 99999"
REJECTED = "10006 170005 170222 10002 10003 10004 10005 10007 10009 10010 10024 10027 10028 10029 33004 170209 170348"
REJECTED += " 110132 170131 170033 110004 110007 110012 110045 170229 170228 170132 170133 170134 170136 170137 170140"
REJECTED += " 170124 170130 170192 170193 170194 170371 170372 170381 170382 170341 110094 110003 110120 110121 170003"
REJECTED += " 170121 170151 170157 170217 170221 170224 170241 110123 110125 170218 170143 170213 110001"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(code, Outcome.UNKNOWN) for code in UNKNOWN.split()] + [(code, Outcome.REJECTED) for code in REJECTED.split()],
)
def test_each_code_means_for_an_order_what_the_venue_documents(code: str, outcome: Outcome) -> None:
    body = f'{{"retCode":{code},"retMsg":"our words","result":{{}},"retExtInfo":{{}},"time":1}}'.encode()
    verdict = judge_write(SPEC.outcomes, HttpAnswer(200, {}, body, 1, 2), 2)
    assert (verdict.outcome, verdict.code) == (outcome, code)
    late = judge_write(SPEC.outcomes, HttpAnswer(500, {}, body, 1, 2), 2)
    assert late.outcome is Outcome.UNKNOWN, "whatever a server error says"


def test_funds_steps_and_bars_are_told_apart() -> None:
    def judged(code: int) -> Any:
        return judge_write(SPEC.outcomes, HttpAnswer(200, {}, f'{{"retCode":{code}}}'.encode(), 1, 2), 2)

    assert judged(170131).short_of_funds and judged(170134).off_steps and judged(170217).bars
    assert not judged(170193).bars and not judged(170140).off_steps


# What is sent.


def test_an_order_is_a_limit_in_base_without_leverage() -> None:
    call = a_dialect().place(an_order())

    assert (call.method, call.path, call.scope, call.expires_ns) == ("POST", "v5/order/create", "place", EXPIRES_NS)
    assert call.params == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.0000001",
        "price": "50000.10",
        "timeInForce": "IOC",
        "orderLinkId": "arb1",
        "isLeverage": 0,
    }


def test_every_time_in_force_has_its_word() -> None:
    order = [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY]
    words = [a_dialect().place(an_order(tif)).params["timeInForce"] for tif in order]
    assert words == ["GTC", "IOC", "FOK", "PostOnly"]


def test_an_answer_names_the_order_and_proves_no_fill() -> None:
    report = a_dialect().placed(an_order(), result(orderId="1552", orderLinkId="arb1"))
    assert (report.venue_order_id, report.client_order_id) == ("1552", "arb1")
    assert report.is_open and not report.filled
    with pytest.raises(VenueProtocolError, match="orderId"):
        a_dialect().placed(an_order(), result())


def cancels(count: int) -> list[CancelOrder]:
    return [
        CancelOrder(cause=1, venue="bybit", symbol="BTC/USDT", client_order_id=f"arb{n}", venue_order_id=None)
        for n in range(count)
    ]


def test_cancels_go_ten_in_one_and_each_is_answered_by_its_place() -> None:
    first, second = a_dialect().cancel_many(cancels(12))
    assert [len(batch.call.params["request"]) for batch in (first, second)] == [10, 2]
    assert len(first.scopes) == 10
    body = result(list=[{"orderId": "7", "orderLinkId": "arb0"}, {"orderId": "", "orderLinkId": "arb1"}])
    body["retExtInfo"] = {"list": [{"code": 0, "msg": "OK"}, {"code": 170213, "msg": "Order does not exist."}]}
    replies = a_dialect().cancelled(body)
    assert {name: reply.code for name, reply in replies.items()} == {"7": None, "arb0": None, "arb1": "170213"}
    body["retExtInfo"] = {"list": [{"code": 0, "msg": "OK"}]}
    with pytest.raises(VenueProtocolError, match="1 codes for 2 orders"):
        a_dialect().cancelled(body)


def test_there_is_no_dead_man_switch() -> None:
    assert a_dialect().dead_man(30) is None


# Histories.


def spans(since_ms: int) -> list[tuple[int, int]]:
    pages = a_dialect().ended_orders("BTC/USDT", since_ms, NOW_MS)
    found: list[tuple[int, int]] = []
    call: Call | None = pages.first
    while call is not None:
        found.append((int(call.params["startTime"]), int(call.params["endTime"])))
        call = pages.following(call, result(list=[], nextPageCursor=""))
    return found


@pytest.mark.parametrize("days", [0, 1, 7, 8, 20, 90])
def test_a_history_is_read_week_by_week_without_a_hole(days: int) -> None:
    since_ms = NOW_MS - days * DAY_MS
    found = spans(since_ms)
    assert found[0][0] == since_ms and found[-1][1] >= NOW_MS
    assert all(last - first <= 7 * DAY_MS for first, last in found)
    assert [first for first, _ in found[1:]] == [last for _, last in found[:-1]]


def test_a_full_page_leads_on_by_its_cursor_and_a_short_one_ends_its_span() -> None:
    pages = a_dialect().fills("BTC/USDT", NOW_MS - DAY_MS, None, NOW_MS)
    full = result(list=[{"execType": "Trade"}] * 100, nextPageCursor="132766%3A2")
    following = pages.following(pages.first, full)
    assert following is not None and following.params == {**pages.first.params, "cursor": "132766%3A2"}
    assert pages.following(following, result(list=[{}], nextPageCursor="132766%3A3")) is None


def test_a_list_that_is_not_there_proves_no_absence() -> None:
    pages = a_dialect().open_orders(None)
    with pytest.raises(VenueProtocolError, match="no list"):
        pages.rows(result())
    with pytest.raises(VenueProtocolError, match="no list"):
        a_dialect().order_in(result())
    assert a_dialect().order_in(result(list=[])) is None


def test_executions_that_are_no_trades_are_dropped() -> None:
    pages = a_dialect().fills("BTC/USDT", NOW_MS - DAY_MS, None, NOW_MS)
    rows = [{"execType": kind} for kind in ("Trade", "CorporateAction", "Funding")]
    assert pages.rows(result(list=rows)) == rows[:1]


# Balances, fees, bills.


def coin(**changes: str) -> dict[str, str]:
    return {"coin": "USDT", "walletBalance": "1200", "locked": "100", "borrowAmount": "0", "free": ""} | changes


@pytest.mark.parametrize(
    ("changes", "free", "locked"),
    [
        ({}, "1100", "100"),
        ({"borrowAmount": "200"}, "900", "100"),
        ({"borrowAmount": "5000"}, "0", "100"),
        ({"walletBalance": "-3", "locked": "0"}, "0", "0"),
        ({"locked": "", "borrowAmount": ""}, "1200", "0"),
    ],
)
def test_free_is_what_is_neither_locked_nor_borrowed(changes: dict[str, str], free: str, locked: str) -> None:
    body = result(list=[{"accountType": "UNIFIED", "coin": [coin(**changes)]}])
    assert a_dialect().balances_in(body) == {"USDT": AssetBalance(Decimal(free), Decimal(locked))}


def test_a_balance_without_its_account_is_not_believed() -> None:
    for accounts in ([], [{"accountType": "FUND", "coin": []}], [{"accountType": "UNIFIED", "coin": None}]):
        with pytest.raises(VenueProtocolError):
            a_dialect().balances_in(result(list=accounts))


def test_fees_are_the_accounts_own_by_symbol() -> None:
    rows = [{"symbol": name, "takerFeeRate": "0.0007", "makerFeeRate": "-0.0001"} for name in ("BTCUSDT", "XUSDT")]
    [(symbol, fees)] = a_dialect().fees_listed(result(list=rows), ["BTC/USDT", "ETH/USDT"]).items()
    assert (symbol, fees.taker, fees.maker, fees.buy_fee_in) == (
        "BTC/USDT",
        Decimal("0.0007"),
        Decimal("-0.0001"),
        FeeIn.BASE,
    )
    assert a_dialect().fees_in(result(list=rows[:1])) == fees
    with pytest.raises(VenueProtocolError, match="2 rows"):
        a_dialect().fees_in(result(list=rows))


def test_an_entry_of_the_log_is_a_transfer_unless_it_is_a_spot_trade() -> None:
    entry = {
        "id": "5",
        "currency": "USDT",
        "change": "-2.5",
        "transactionTime": str(NOW_MS),
        "category": "",
        "fee": "0",
    }
    dialect = a_dialect()
    moved = dialect.transfer(entry | {"type": "TRANSFER_OUT"})
    assert moved == Transfer("5", "USDT", Decimal("-2.5"), NOW_MS * 10**6, "TRANSFER_OUT")
    assert dialect.transfer(entry | {"type": "TRADE", "category": "spot"}) is None
    other = dialect.transfer(entry | {"type": "TRADE", "category": "linear", "tradeId": "9"})
    assert other is not None and (other.transfer_id, other.kind) == ("5 9", "linear TRADE")
