"""Binance's language for spot orders: what is sent, and how documented answers are read or refused."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.core.messages.commands import CancelOrder
from arb.core.messages.events import AssetBalance
from arb.errors import VenueAuthError, VenueProtocolError
from arb.market.instrument import FeeIn
from arb.market.order import Side, TimeInForce
from arb.venues.binance.trade import BinanceTrade
from arb.venues.kit.rules.key_rights import KeyPolicy, refusals
from tests.builders import read_whole
from tests.unit.venues.test_dialects import EXPIRES_NS, an_order
from tests.unit.venues.test_listings import ROWS

NOW_MS = 1_700_000_000_000


def a_dialect(**changes: Any) -> BinanceTrade:
    dialect = BinanceTrade(has_key=True, **changes)
    dialect.learn({"BTCUSDT": "BTC/USDT"})
    return dialect


def account(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"canTrade": True, "accountType": "SPOT", "permissions": ["SPOT"], "uid": 354937868}
    return given | {"balances": []} | changes


def rights(**changes: Any) -> dict[str, Any]:
    flags: dict[str, Any] = dict.fromkeys(
        ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer", "enableMargin"), False
    )
    return (
        flags
        | {"ipRestrict": True, "createTime": 1, "enableReading": True, "enableSpotAndMarginTrading": True}
        | changes
    )


def placed(**changes: Any) -> dict[str, Any]:
    """Return the answer to an IOC of 10 at 3999 that filled 6 of it in two trades."""
    order: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "arb1",
        "transactTime": NOW_MS,
        "price": "3999.00000000",
        "origQty": "10.00000000",
        "executedQty": "6.00000000",
        "cummulativeQuoteQty": "23989.50000000",
        "status": "EXPIRED",
        "timeInForce": "IOC",
        "type": "LIMIT",
        "side": "BUY",
        "expiryReason": "UNFILLED_IOC_QUANTITY_EXPIRED",
        "fills": [
            {"price": "3997", "qty": "1.5", "commission": "0.0015", "commissionAsset": "BTC", "tradeId": 56},
            {"price": "3998.6666", "qty": "4.5", "commission": "0.0002", "commissionAsset": "BNB", "tradeId": 57},
        ],
    }
    return order | changes


# What is refused, first.


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "VANISHED"}, "status"),
        ({"status": "FILLED", "executedQty": "0", "fills": []}, "executedQty"),
        ({"executedQty": "11", "fills": []}, "executedQty"),
        ({"executedQty": "5"}, "fills"),
        ({"fills": []}, "fills"),
        ({"orderId": None}, "orderId"),
        ({"side": "HOLD"}, "side"),
    ],
)
def test_an_answer_that_contradicts_itself_is_not_believed(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(VenueProtocolError, match=field):
        a_dialect().placed(an_order(), placed(**changes))


def test_an_account_that_may_not_trade_is_refused_in_a_sentence() -> None:
    with pytest.raises(VenueAuthError, match="`canTrade`") as refused:
        a_dialect().key_facts((account(canTrade=False), rights()))
    assert refused.value.code == "account_trading"


@pytest.mark.parametrize(
    ("of_account", "of_key", "code"),
    [
        ({}, {}, None),
        ({"accountType": "MARGIN"}, {}, "key_mode_unknown"),
        ({}, {"enableSpotAndMarginTrading": False, "enableFutures": True}, "key_read_only"),
        ({}, {"enableWithdrawals": True}, "key_withdraws"),
        ({}, {"enableInternalTransfer": True}, "key_moves_funds"),
        ({}, {"permitsUniversalTransfer": True}, "key_moves_funds"),
        ({}, {"enableTeleport": True}, "key_rights_unknown"),
        ({}, {"enableTeleport": False, "enablePortfolioMarginTrading": True}, None),
        ({}, {"ipRestrict": False}, "key_unbound"),
    ],
)
def test_a_key_that_may_do_more_or_less_than_trade_is_refused(
    of_account: dict[str, Any], of_key: dict[str, Any], code: str | None
) -> None:
    facts = a_dialect().key_facts((account(**of_account), rights(**of_key)))
    found = refusals("binance", facts, KeyPolicy())
    assert (found[0][0] if found else None) == code
    assert facts.account == "354937868"


def test_a_demo_does_not_report_the_rights_of_a_key_and_that_is_shown() -> None:
    demo = a_dialect(has_wallet=False)
    assert [call.path for call in demo.key_calls()] == ["account"] and demo.currency_calls(("BTC",)) == ()
    facts = demo.key_facts((account(),))
    assert (facts.can_trade, facts.can_withdraw, facts.ip_bound) == (None, None, None)
    assert "rights: not reported here" in facts.line()
    on_demo = KeyPolicy(withdrawal_disabled_confirmed=True, unbound_key_allowed=True)
    assert refusals("binance", facts, on_demo) == ()


def test_no_list_holds_every_change_of_a_balance() -> None:
    with pytest.raises(VenueProtocolError, match="deposits"):
        a_dialect().transfers(0, NOW_MS)


# Orders.


def test_an_order_is_a_limit_with_our_id_and_asks_for_its_trades() -> None:
    call = a_dialect().place(an_order())
    assert (call.method, call.api, call.path, call.scope) == ("POST", ("private",), "order", "place")
    assert call.expires_ns == EXPIRES_NS
    assert call.params == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "0.0000001",
        "price": "50000.10",
        "newClientOrderId": "arb1",
        "newOrderRespType": "FULL",
    }


def test_each_time_in_force_has_its_words_and_a_maker_has_none() -> None:
    order = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY)
    words = [a_dialect().place(an_order(tif)).params for tif in order]
    assert [(each["type"], each.get("timeInForce")) for each in words] == [
        ("LIMIT", "GTC"),
        ("LIMIT", "IOC"),
        ("LIMIT", "FOK"),
        ("LIMIT_MAKER", None),
    ]


def listed(dialect: BinanceTrade, **changes: Any) -> bool:
    """Return whether the one symbol of a listing is tradable."""
    row = ROWS["binance"] | {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"} | changes
    return read_whole(dialect.listed({"symbols": [row]}))["BTC/USDT"].tradable


def test_self_trades_are_prevented_only_where_the_listing_allows_our_mode() -> None:
    dialect = a_dialect()
    for modes, mode in ((["NONE"], None), (["NONE", "EXPIRE_MAKER"], "EXPIRE_MAKER"), ([], None)):
        listed(dialect, allowedSelfTradePreventionModes=modes)
        assert dialect.place(an_order()).params.get("selfTradePreventionMode") == mode


def test_an_answer_to_an_ioc_is_final() -> None:
    report = a_dialect().placed(an_order(), placed())
    assert (report.filled, report.size, report.is_open) == (Decimal(6), Decimal(10), False)
    assert report.avg_price == Decimal("3998.25")
    assert report.finish_reason == "EXPIRED UNFILLED_IOC_QUANTITY_EXPIRED"
    assert (report.client_order_id, report.venue_order_id, report.side) == ("arb1", "28", Side.BUY)


@pytest.mark.parametrize(
    ("status", "is_open"),
    [("NEW", True), ("PENDING_NEW", True), ("CANCELED", False), ("REJECTED", False), ("EXPIRED_IN_MATCH", False)],
)
def test_a_state_is_open_or_ended(status: str, is_open: bool) -> None:
    row = placed(status=status, executedQty="0", cummulativeQuoteQty="-1", fills=None)
    report = a_dialect().report(row)
    assert (report.is_open, report.avg_price) == (is_open, None)


def test_a_cost_that_the_venue_does_not_know_gives_no_price() -> None:
    assert a_dialect().report(placed(cummulativeQuoteQty="-1", fills=None)).avg_price is None


def a_cancel(number: str | None) -> CancelOrder:
    return CancelOrder(cause=1, venue="binance", symbol="BTC/USDT", client_order_id="arb1", venue_order_id=number)


@pytest.mark.parametrize(("number", "named"), [(None, {"origClientOrderId": "arb1"}), ("28", {"orderId": "28"})])
def test_a_cancel_and_a_query_name_the_order_by_its_number_if_it_is_known(
    number: str | None, named: dict[str, str]
) -> None:
    dialect = a_dialect()
    cancel, query = dialect.cancel(a_cancel(number)), dialect.one_order("BTC/USDT", "arb1", number)
    assert query is not None and (cancel.method, query.method) == ("DELETE", "GET")
    assert cancel.params == query.params == {"symbol": "BTCUSDT"} | named


def test_several_cancels_are_several_requests_and_each_answer_goes_by_the_orders_own_id() -> None:
    first, second = a_dialect().cancel_many([a_cancel(None), a_cancel("28")])
    assert (first.scopes, first.call.path, second.call.params["orderId"]) == (("cancel",), "order", "28")
    answer = placed(origClientOrderId="arb1", clientOrderId="cancelMyOrder1", status="CANCELED")
    assert a_dialect().cancelled(answer).keys() == {"28", "arb1"}


def test_there_is_no_dead_man_switch() -> None:
    assert a_dialect().dead_man(30) is None


# The listing as the account sees it.


@pytest.mark.parametrize(
    ("sets", "of_account", "tradable"),
    [
        ([["SPOT", "MARGIN"]], ["SPOT"], True),
        ([["SPOT", "MARGIN"]], ["TRD_GRP_004"], False),
        ([["A"], ["B", "C"]], ["A", "C"], True),
        ([["A"], ["B", "C"]], ["A"], False),
        ([], ["SPOT"], True),
        ([["SPOT"]], [], True),
    ],
)
def test_an_account_needs_a_permission_of_each_set(
    sets: list[list[str]], of_account: list[str], tradable: bool
) -> None:
    dialect = a_dialect()
    dialect.key_facts((account(permissions=of_account), rights()))
    assert listed(dialect, permissionSets=sets) is tradable


def test_a_known_accounts_listing_is_asked_for_by_its_permissions_and_any_other_without_their_sets() -> None:
    dialect = a_dialect()
    assert dialect.listing().params == {
        "permissions": "SPOT",
        "showPermissionSets": "false",
        "symbolStatus": "TRADING",
    }
    dialect.key_facts((account(permissions=["TRD_GRP_004", "SPOT"]), rights()))
    assert dialect.listing().params == {"permissions": '["SPOT","TRD_GRP_004"]', "symbolStatus": "TRADING"}


def test_the_market_lot_size_is_none_of_a_limit_orders_rules() -> None:
    filters = [each for each in ROWS["binance"]["filters"] if each["filterType"] != "MARKET_LOT_SIZE"]
    market = {"filterType": "MARKET_LOT_SIZE", "minQty": "5", "maxQty": "6", "stepSize": "0"}
    dialect = a_dialect()
    rules = [
        read_whole(dialect.listed({"symbols": [ROWS["binance"] | {"filters": found}]}))
        for found in (filters, [market, *filters])
    ]
    assert rules[0] == rules[1]


# Balances and fees.


def test_free_and_locked_are_the_whole_of_each_asset() -> None:
    rows = [{"asset": "BTC", "free": "4723846.89208129", "locked": "0.5"}, {"asset": "BNB", "free": "0", "locked": "0"}]
    assert a_dialect().balances_in(account(balances=rows)) == {
        "BTC": AssetBalance(Decimal("4723846.89208129"), Decimal("0.5")),
        "BNB": AssetBalance(Decimal(0), Decimal(0)),
    }
    with pytest.raises(VenueProtocolError, match="balances"):
        a_dialect().balances_in({"canTrade": True})


def part(maker: str, taker: str, buyer: str, seller: str) -> dict[str, str]:
    return {"maker": maker, "taker": taker, "buyer": buyer, "seller": seller}


def commission(**changes: Any) -> dict[str, Any]:
    """Return the rates of the worked example in the document's "Commission Rates"."""
    parts: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "standardCommission": part("0.00000010", "0.00000020", "0.00000030", "0.00000040"),
        "specialCommission": part("0.01000000", "0.02000000", "0.03000000", "0.04000000"),
        "taxCommission": part("0.00000112", "0.00000114", "0.00000118", "0.00000116"),
    }
    discount = {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": "BNB", "discount": "0.75000000"}
    return parts | {"discount": discount} | changes


def test_a_rate_is_the_sum_of_all_parts_of_the_dearer_side() -> None:
    """The document's sale of 17491.25 USDT: 0.01049475 standard, 0.04022988 tax, 1049.475 special."""
    fees = a_dialect().fees_in(commission(discount=None))
    sale = Decimal("17491.25")
    documented = Decimal("0.01049475") + Decimal("0.04022988") + Decimal("1049.47500000")
    assert sale * Decimal("0.06000290") == pytest.approx(documented, abs=Decimal("1e-6"))
    assert fees.taker == Decimal("0.06000292")  # a buy is taxed by 2e-8 more
    assert (fees.maker, fees.asset, fees.reported, fees.buy_fee_in) == (Decimal("0.05000280"), "", True, FeeIn.BASE)


@pytest.mark.parametrize("discount", ["0.75000000", "0.25000000"])
def test_the_discount_is_planned_by_its_dearer_reading_and_only_for_the_standard_part(discount: str) -> None:
    """The document writes 0.75 and 0.25, and both as the share that is charged and as the share that is spared."""
    on = commission()["discount"] | {"discount": discount}
    plain = {"standardCommission": part("0.001", "0.001", "0", "0"), "specialCommission": None}
    fees = a_dialect().fees_in(commission(**plain, discount=on))
    assert fees.taker == Decimal("0.00100232")
    assert (fees.asset, fees.asset_taker) == ("BNB", Decimal("0.00075232"))


@pytest.mark.parametrize("off", ["enabledForAccount", "enabledForSymbol"])
def test_a_discount_that_is_not_enabled_for_both_pays_nothing_in_bnb(off: str) -> None:
    fees = a_dialect().fees_in(commission(discount=commission()["discount"] | {off: False}))
    assert (fees.asset, fees.asset_taker) == ("", None)


def test_fees_without_their_standard_part_are_not_known() -> None:
    with pytest.raises(VenueProtocolError, match="standardCommission"):
        a_dialect().fees_in({"symbol": "BTCUSDT", "taxCommission": part("0", "0", "0", "0")})
    assert json.loads(msgspec.json.encode(a_dialect().fees("BTC/USDT").params)) == {"symbol": "BTCUSDT"}
