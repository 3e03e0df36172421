"""Bitget's language for a unified account: what is asked, what is read of documented answers, what is signed."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder
from arb.errors import VenueAuthError, VenueError, VenueProtocolError, VenueRejected
from arb.market.instrument import FeeIn
from arb.market.numbers import EXACT
from arb.market.order import Role, Side, TimeInForce
from arb.venues.bitget.signing import GuardedUnifiedBitget
from arb.venues.bitget.unified import UnifiedDialect
from arb.venues.kit.account_queries import OrderQuery
from arb.venues.kit.call import Call, to_json
from arb.venues.kit.fields import UnknownSymbol
from arb.venues.kit.rules.guard import SigningRefused
from tests.unit.venues.kit.private_frames import CLIENT_ID, UNIFIED_FILL, UNIFIED_ORDER
from tests.unit.venues.kit.test_header_signatures import a_venue
from tests.virtual import a_clock, run_virtual


def ok(data: Any) -> dict[str, Any]:
    return {"code": "00000", "msg": "success", "requestTime": 1, "data": data}


def page(*rows: Any, cursor: str | None = None) -> dict[str, Any]:
    return ok({"list": list(rows), "cursor": cursor})


@pytest.fixture
def dialect() -> UnifiedDialect:
    unified = UnifiedDialect()
    unified.learn({"BTCUSDT": "BTC/USDT", "ETHUSDT": "ETH/USDT"})
    return unified


def an_order(**changes: Any) -> PlaceOrder:
    given: dict[str, Any] = {
        "cause": 1,
        "venue": "bitget",
        "symbol": "BTC/USDT",
        "client_order_id": CLIENT_ID,
        "role": Role.ENTRY,
        "side": Side.BUY,
        "tif": TimeInForce.IOC,
        "price": Decimal("50010.10"),
        "size": Decimal("0.20"),
        "expires_ns": 2_000_000_000_000_000_000,
    }
    return PlaceOrder(**(given | changes))


def a_cancel(number: int, venue_order_id: str | None = None) -> CancelOrder:
    return CancelOrder(
        cause=1, venue="bitget", symbol="BTC/USDT", client_order_id=f"arb{number}", venue_order_id=venue_order_id
    )


# Failures first.


@pytest.mark.parametrize(
    "body",
    [
        ok(None),
        ok({}),
        ok({"list": [UNIFIED_ORDER]}),
        ok([UNIFIED_ORDER]),
        ok(UNIFIED_ORDER | {"orderStatus": "sleeping"}),
        ok(UNIFIED_ORDER | {"cumExecQty": "0.3"}),
        ok(UNIFIED_ORDER | {"category": None}),
        ok(UNIFIED_ORDER | {"cumExecQty": ""}),
        ok(UNIFIED_ORDER | {"cumExecQty": "0", "orderStatus": "filled"}),
        ok(UNIFIED_ORDER | {"cumExecQty": "0", "orderStatus": "partially_filled"}),
    ],
)
def test_an_answer_that_does_not_hold_the_order_proves_nothing(dialect: UnifiedDialect, body: Any) -> None:
    with pytest.raises(VenueProtocolError):
        dialect.order_in(body)


def test_an_order_of_futures_is_none_of_ours_though_its_symbol_is(dialect: UnifiedDialect) -> None:
    for category in ("USDT-FUTURES", "usdt-futures", "MARGIN"):
        with pytest.raises(UnknownSymbol):
            dialect.report(UNIFIED_ORDER | {"category": category})
        with pytest.raises(UnknownSymbol):
            dialect.fill(UNIFIED_FILL | {"category": category}, 1)


@pytest.mark.parametrize(
    "body", [ok(None), ok([]), ok({}), ok({"cursor": "1"}), ok({"list": "none"}), ok({"list": {}})]
)
def test_a_page_without_its_list_is_not_an_empty_one(dialect: UnifiedDialect, body: Any) -> None:
    pages = dialect.fills(None, 5, None)
    for read in (pages.rows, lambda body: pages.following(pages.first, body)):
        with pytest.raises(VenueProtocolError):
            read(body)


@pytest.mark.parametrize("body", [ok(None), ok({"list": []}), ok({"assets": None}), ok([])])
def test_balances_that_are_not_there_are_not_zero(dialect: UnifiedDialect, body: Any) -> None:
    with pytest.raises(VenueProtocolError):
        dialect.balances_in(body)


@pytest.mark.parametrize("mode", ["upgrading", "switching", "something new"])
def test_an_account_on_its_way_to_another_kind_is_not_traded_on(dialect: UnifiedDialect, mode: str) -> None:
    with pytest.raises(VenueAuthError, match="start again once that is over") as caught:
        dialect.key_facts((info(), ok({"uid": "5", "accountMode": mode})))
    assert caught.value.code == "account_mode"


def info(**changes: Any) -> dict[str, Any]:
    given = {
        "userId": "123456789",
        "parentId": "",
        "ips": "203.0.113.1,203.0.113.2",
        "permType": "read-and-write",
        "permissions": ["uta_mgt", "uta_trade"],
    }
    return ok(given | changes)


SETTINGS = ok({"uid": "123456789", "accountMode": "unified", "assetMode": "multi_assets"})


@pytest.mark.parametrize(
    ("changes", "can_trade", "can_withdraw", "unknown"),
    [
        ({}, True, None, ()),
        ({"permType": "read_write"}, True, None, ()),
        ({"permType": "read-only"}, False, None, ()),
        ({"permType": "read_only"}, False, None, ()),
        ({"permType": "everything"}, None, None, ()),
        ({"permType": ""}, None, None, ()),
        ({"permissions": ["uta_mgt"]}, False, None, ()),
        ({"permissions": []}, None, None, ()),
        ({"permissions": ["uta_mgt", "uta_trade", "withdraw"]}, True, True, ()),
        (
            {"permissions": ["uta_trade", "copy_futures_order", "copy_futures_position"]},
            True,
            None,
            ("copy_futures_order", "copy_futures_position"),
        ),
    ],
)
def test_the_rights_of_a_key_are_its_words_and_whether_they_are_to_write(
    dialect: UnifiedDialect, changes: dict[str, Any], can_trade: bool | None, can_withdraw: bool | None, unknown: Any
) -> None:
    facts = dialect.key_facts((info(**changes), SETTINGS))
    assert (facts.can_trade, facts.can_withdraw, facts.unknown) == (can_trade, can_withdraw, unknown)
    assert (facts.account, facts.mode, facts.ip_bound) == ("123456789", "unified", True)


def test_a_key_without_an_address_list_is_bound_to_none(dialect: UnifiedDialect) -> None:
    facts = dialect.key_facts((info(ips=""), ok({"uid": "5", "accountMode": "hybrid"})))
    assert (facts.ip_bound, facts.mode) == (False, "hybrid")


@pytest.mark.parametrize(
    ("parent", "main"), [("", None), (None, None), ("123456789", None), ("987", "987"), (987, "987")]
)
def test_a_sub_accounts_key_names_its_main_account(dialect: UnifiedDialect, parent: object, main: str | None) -> None:
    facts = dialect.key_facts((info(parentId=parent), SETTINGS))
    assert (facts.account, facts.main_account) == ("123456789", main)


# What is asked.


def test_an_order_is_a_spot_order_and_states_every_number_as_decided(dialect: UnifiedDialect) -> None:
    call = dialect.place(an_order())
    assert (call.method, call.path, call.scope) == ("POST", "v3/trade/place-order", "place")
    assert call.params == {
        "category": "SPOT",
        "symbol": "BTCUSDT",
        "side": "buy",
        "orderType": "limit",
        "timeInForce": "ioc",
        "price": "50010.10",
        "qty": "0.20",
        "clientOid": CLIENT_ID,
    }


def test_what_an_answer_to_an_order_says_is_its_number(dialect: UnifiedDialect) -> None:
    placed = dialect.placed(an_order(), ok({"orderId": "121211212122", "clientOid": CLIENT_ID}))
    assert (placed.venue_order_id, placed.client_order_id, placed.is_open) == ("121211212122", CLIENT_ID, True)


@given(count=st.integers(1, 65), numbered=st.sets(st.integers(0, 64)))
def test_every_cancel_of_a_batch_goes_out_once_in_parts_of_twenty(count: int, numbered: set[int]) -> None:
    commands = [a_cancel(n, str(n) if n in numbered else None) for n in range(count)]
    batches = UnifiedDialect().cancel_many(commands)

    assert [command for batch in batches for command in batch.commands] == commands
    assert all(1 <= len(batch.call.items) == len(batch.commands) <= 20 for batch in batches)
    for batch in batches:
        assert batch.call.path == "v3/trade/cancel-batch" and batch.call.params == {}
        for item, command in zip(batch.call.items, batch.commands, strict=True):
            names = (
                {"orderId": command.venue_order_id}
                if command.venue_order_id
                else {"clientOid": command.client_order_id}
            )
            assert item == {"category": "SPOT", "symbol": "BTCUSDT"} | names
        assert to_json(batch.call.items).startswith('[{"category":"SPOT"')


def test_each_cancel_of_a_batch_answers_for_itself(dialect: UnifiedDialect) -> None:
    rows = [
        {"orderId": "1", "clientOid": "arb1"},
        {"orderId": "2", "clientOid": "arb2", "code": "0", "msg": "Success"},
        {"orderId": "", "clientOid": "arb3", "code": "25204", "msg": "Order does not exist"},
        {"orderId": "4", "clientOid": "", "code": "00000"},
    ]
    codes = {name: reply.code for name, reply in dialect.cancelled(ok(rows)).items()}
    assert codes == {"1": None, "arb1": None, "2": None, "arb2": None, "arb3": "25204", "4": None}
    for body in (ok(None), ok({"list": rows}), ok("success")):
        with pytest.raises(VenueProtocolError):
            dialect.cancelled(body)


@pytest.mark.parametrize(("asked", "sent"), [(0, "0"), (10, "10"), (60, "60"), (120, "60")])
def test_the_dead_man_switch_is_set_for_a_minute_at_most(dialect: UnifiedDialect, asked: int, sent: str) -> None:
    call = dialect.dead_man(asked)
    assert call is not None
    assert (call.path, call.params) == ("v3/trade/countdown-cancel-all", {"countdown": sent})


def test_every_list_names_the_category_and_a_page_is_followed_by_its_cursor(dialect: UnifiedDialect) -> None:
    lists = {
        "v3/trade/unfilled-orders": dialect.open_orders("BTC/USDT"),
        "v3/trade/history-orders": dialect.ended_orders("BTC/USDT", 5),
        "v3/trade/fills": dialect.fills("BTC/USDT", 5, "77"),
    }
    for path, pages in lists.items():
        assert (pages.first.path, pages.first.params["category"], pages.first.params["limit"]) == (path, "SPOT", "100")
        full = page(*[UNIFIED_ORDER] * 100, cursor="1233319323918499840")
        following = pages.following(pages.first, full)
        assert following is not None
        assert following.params == pages.first.params | {"cursor": "1233319323918499840"}
        for last in (
            page(*[UNIFIED_ORDER] * 99, cursor="9"),
            page(*[UNIFIED_ORDER] * 100),
            page(cursor="9"),
            ok({"list": None}),
        ):
            assert pages.following(pages.first, last) is None
    assert lists["v3/trade/fills"].first.params["orderId"] == "77"
    assert "symbol" not in lists["v3/trade/fills"].first.params


def test_fills_of_other_symbols_are_left_out_and_those_of_all_are_not(dialect: UnifiedDialect) -> None:
    rows = [UNIFIED_FILL, UNIFIED_FILL | {"symbol": "ETHUSDT"}, 17]
    assert dialect.fills("BTC/USDT", 5, None).rows(page(*rows)) == [UNIFIED_FILL, 17]
    assert dialect.fills(None, 5, None).rows(page(*rows)) == rows


def test_the_records_of_every_category_are_read_as_each_of_them_moves_the_one_balance(dialect: UnifiedDialect) -> None:
    asked = [pages.first.params for pages in dialect.transfers(5, 10)]
    assert sorted(params["category"] for params in asked) == [
        *("COIN-FUTURES", "MARGIN", "OTHER", "SPOT", "USDC-FUTURES", "USDT-FUTURES")
    ]
    assert {(params["startTime"], params["endTime"]) for params in asked} == {("5", "1010")}


RECORD = {
    "category": "SPOT",
    "id": "13111111111111111",
    "symbol": "BTCUSDT",
    "coin": "BTC",
    "type": "ORDER_DEALT_IN",
    "amount": "0.00531168",
    "fee": "-0.00000531",
    "balance": "55.10017801",
    "ts": "1745853486185",
}


@pytest.mark.parametrize(
    ("changes", "change"),
    [
        ({}, None),
        ({"type": "ORDER_DEALT_FROZEN_OUT"}, None),
        ({"type": "ORDER_PLF_FEE_OUT"}, None),
        ({"category": "Margin"}, "0.00530637"),  # a trade that is none of ours moves the balance all the same
        ({"type": "TRANSFER_IN", "category": "OTHER", "fee": ""}, "0.00531168"),
        ({"type": "TRANSFER_OUT", "category": "OTHER", "fee": "0"}, "-0.00531168"),
        ({"type": "TRANSFER_OUT", "category": "OTHER", "fee": None, "amount": "-0.00531168"}, "-0.00531168"),
        ({"type": "INTEREST_SETTLEMENT_OUT", "fee": "0"}, "-0.00531168"),
        ({"type": "BUY_DEAL", "category": "USDT-FUTURES", "amount": "-3"}, "-3.00000531"),
    ],
)
def test_a_record_that_is_no_spot_trade_is_a_change_with_the_sign_of_its_type(
    dialect: UnifiedDialect, changes: dict[str, Any], change: str | None
) -> None:
    found = dialect.transfer(RECORD | changes)
    assert (None if found is None else found.amount) == (None if change is None else Decimal(change))


def test_a_rate_is_positive_when_it_is_charged(dialect: UnifiedDialect) -> None:
    fees = dialect.fees_in(ok({"makerFeeRate": "-0.0001", "takerFeeRate": "0.0008"}))
    assert (fees.taker, fees.maker, fees.buy_fee_in) == (Decimal("0.0008"), Decimal("-0.0001"), FeeIn.BASE)
    listed = [{"symbol": name, "makerFeeRate": "0", "takerFeeRate": "0.001"} for name in ("BTCUSDT", "XRPUSDT")]
    assert list(dialect.fees_listed(ok(listed), ("BTC/USDT",))) == ["BTC/USDT"]
    assert [call.params for call in dialect.fee_lists(("BTC/USDT",))] == [{"category": "SPOT"}]


def test_a_market_purchase_of_somebody_else_counts_in_quote(dialect: UnifiedDialect) -> None:
    row = UNIFIED_ORDER | {"orderType": "market", "qty": "0", "amount": "100", "price": "0", "cumExecQty": "0.0372"}
    assert dialect.report(row).filled == Decimal("0.0372")


# What stands next to the signer.


@pytest.mark.parametrize(
    "path",
    [
        "v3/account/transfer",
        "v3/account/withdrawal",
        "v3/account/switch",
        "v3/account/set-leverage",
        "v3/account/repay",
        "v3/trade/place-batch",
        "v3/trade/modify-order",
        "v3/trade/place-strategy-order",
        "v3/trade/close-positions",
        "v3/trade/cancel-symbol-order",
        "v2/spot/trade/place-order",
        "v2/spot/wallet/withdrawal",
    ],
)
def test_no_other_write_is_signed(path: str) -> None:
    with pytest.raises(SigningRefused) as refused:
        a_venue(GuardedUnifiedBitget).sign(path, ["private", "uta"], "POST", {})
    assert refused.value.code == "guard_endpoint"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"category": "MARGIN"}, "guard_parameter"),
        ({"category": "USDT-FUTURES"}, "guard_parameter"),
        ({"category": "spot"}, "guard_parameter"),
        ({"orderType": "market"}, "guard_parameter"),
        ({"marginMode": "crossed"}, "guard_parameter"),
        ({"posSide": "long"}, "guard_parameter"),
        ({"reduceOnly": "yes"}, "guard_parameter"),
        ({"stopLoss": "1"}, "guard_parameter"),
        ({"receiveWindow": "1000"}, "guard_parameter"),
        ({"symbol": "ETHUSDT"}, "guard_symbol"),
        ({"qty": "1000"}, "guard_value"),
        ({"price": None}, "guard_value"),
        ({"qty": "-1"}, "guard_value"),
    ],
)
def test_an_order_that_the_user_did_not_allow_is_not_signed(
    dialect: UnifiedDialect, changes: dict[str, Any], code: str
) -> None:
    call = dialect.place(an_order())
    with pytest.raises(SigningRefused) as refused:
        a_venue(GuardedUnifiedBitget).sign(call.path, list(call.api), "POST", call.params | changes)
    assert refused.value.code == code


def test_an_order_that_has_expired_is_not_signed_though_its_request_has_no_place_for_that(
    dialect: UnifiedDialect,
) -> None:
    venue = a_venue(GuardedUnifiedBitget)
    late = an_order(expires_ns=venue.wall_clock.wall_ns() - 1)
    with pytest.raises(SigningRefused) as refused:
        venue.signed(dialect.place(late))
    assert refused.value.code == "guard_expired"
    signed = venue.signed(dialect.place(an_order()))
    assert signed.body is not None and "Window" not in signed.body


# How thoroughly an order is looked for.


def query(dialect: UnifiedDialect, answer: Any) -> tuple[OrderQuery, list[Call]]:
    calls: list[Call] = []

    async def ask(call: Call) -> tuple[Any, int]:
        calls.append(call)
        return answer(call), 1

    command = QueryOrder(
        cause=1,
        venue="bitget",
        symbol="BTC/USDT",
        client_order_id=CLIENT_ID,
        venue_order_id=None,
        since_ns=0,
        attempt=1,
    )
    looked = OrderQuery(dialect, command, 0, ask)
    run_virtual(looked.run(), a_clock())
    return looked, calls


def test_an_order_is_found_by_its_name_and_its_fills_by_its_number(dialect: UnifiedDialect) -> None:
    def answer(call: Call) -> Any:
        return ok(UNIFIED_ORDER) if call.path.endswith("order-info") else page(UNIFIED_FILL, cursor="7")

    looked, calls = query(dialect, answer)
    assert looked.complete and looked.report is not None
    assert [fill.trade_id for fill in looked.fills] == ["7"]
    assert [call.path for call in calls] == ["v3/trade/order-info", "v3/trade/fills"]
    assert (calls[0].params, calls[1].params["orderId"]) == ({"clientOid": CLIENT_ID}, "1")


def test_an_order_that_the_venue_does_not_know_is_looked_for_in_every_list(dialect: UnifiedDialect) -> None:
    foreign = UNIFIED_FILL | {"orderId": "2", "clientOid": "by-hand"}

    def answer(call: Call) -> Any:
        if call.path.endswith("order-info"):
            raise VenueRejected("bitget", "Order does not exist", code="25204")
        return page(foreign) if call.path.endswith("fills") else page()

    looked, calls = query(dialect, answer)
    assert (looked.complete, looked.report, looked.fills) == (True, None, ())
    assert [call.path.rpartition("/")[2] for call in calls] == [
        "order-info",
        "unfilled-orders",
        "history-orders",
        "fills",
    ]


@pytest.mark.parametrize("code", ["40085", "25005", "40725", "25000", "25200", "999999"])
def test_any_other_refusal_proves_nothing(dialect: UnifiedDialect, code: str) -> None:
    def answer(call: Call) -> Any:
        raise VenueRejected("bitget", "no", code=code)

    looked, _ = query(dialect, answer)
    assert not looked.complete and looked.cause


MONEY = st.decimals(Decimal("-1000000"), Decimal("1000000"), allow_nan=False, places=8)


@given(amount=MONEY, fee=MONEY, kind=st.sampled_from(["TRANSFER_IN", "TRANSFER_OUT", "BURST_BUY_SSM", "LIQ_FEE"]))
def test_a_change_is_its_amount_and_its_fee_exactly(amount: Decimal, fee: Decimal, kind: str) -> None:
    found = UnifiedDialect().transfer(RECORD | {"type": kind, "amount": f"{amount:f}", "fee": f"{fee:f}"})
    assert found is not None
    gross = EXACT.subtract(found.amount, fee)
    assert abs(gross) == abs(amount)
    if kind.startswith("TRANSFER") and amount:
        assert (gross > 0) is (kind == "TRANSFER_IN")
    elif not kind.startswith("TRANSFER"):
        assert gross == amount


def test_only_our_own_errors_come_out_of_what_no_venue_would_write(dialect: UnifiedDialect) -> None:
    odd: list[Any] = [None, 17, "", [], {}, {"category": 5}, {"category": "SPOT", "symbol": []}]
    for raw in odd:
        for read in (dialect.report, dialect.transfer, lambda row: dialect.fill(row, 1)):
            with pytest.raises(VenueError):
                read(raw)
