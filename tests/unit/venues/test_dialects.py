"""What each venue is sent for an order, and how its listing, fees and key are read: documented answers and real ones."""

import asyncio
import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.errors import VenueProtocolError
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import Role, Side, TimeInForce
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.dialect import ODD_MAX, Fees, TradeDialect, read_listing
from arb.venues.kit.public_reader import ROWS_A_TURN, read_in_parts
from arb.venues.kit.reader import discounted
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.okx.dialect import OkxDialect
from tests.builders import an_instrument, read_whole

EXPIRES_NS = 1_700_000_000_123_000_000


def an_order(tif: TimeInForce = TimeInForce.IOC) -> PlaceOrder:
    return PlaceOrder(
        cause=1,
        venue="x",
        symbol="BTC/USDT",
        client_order_id="arb1",
        role=Role.ENTRY,
        side=Side.BUY,
        tif=tif,
        price=Decimal("50000.10"),
        size=Decimal("1E-7"),
        expires_ns=EXPIRES_NS,
    )


def a_cancel(number: str | None) -> CancelOrder:
    return CancelOrder(cause=1, venue="x", symbol="BTC/USDT", client_order_id="arb1", venue_order_id=number)


def test_gate_gets_a_limit_in_base_with_its_prefix_and_plain_numbers() -> None:
    call = GateDialect().place(an_order())

    assert (call.method, call.path, call.scope) == ("POST", "orders", "place BTC_USDT")
    assert call.params == {
        "text": "t-arb1",
        "currency_pair": "BTC_USDT",
        "type": "limit",
        "account": "spot",
        "side": "buy",
        "amount": "0.0000001",
        "price": "50000.10",
        "time_in_force": "ioc",
    }
    assert call.expires_ns == EXPIRES_NS


def test_okx_gets_a_limit_in_base_in_cash_mode() -> None:
    call = OkxDialect().place(an_order())

    assert call.expires_ns == EXPIRES_NS
    assert call.params == {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "clOrdId": "arb1",
        "side": "buy",
        "ordType": "ioc",
        "px": "50000.10",
        "sz": "0.0000001",
    }


def test_bitget_gets_a_limit_in_base() -> None:
    call = BitgetDialect().place(an_order())

    assert call.params == {
        "symbol": "BTCUSDT",
        "side": "buy",
        "orderType": "limit",
        "force": "ioc",
        "price": "50000.10",
        "size": "0.0000001",
        "clientOid": "arb1",
    }


@pytest.mark.parametrize(
    ("dialect", "field", "words"),
    [
        (GateDialect(), "time_in_force", ["gtc", "ioc", "fok", "poc"]),
        (OkxDialect(), "ordType", ["limit", "ioc", "fok", "post_only"]),
        (BitgetDialect(), "force", ["gtc", "ioc", "fok", "post_only"]),
    ],
)
def test_every_time_in_force_has_its_value(dialect: TradeDialect, field: str, words: list[str]) -> None:
    order = [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY]

    assert [dialect.place(an_order(tif)).params[field] for tif in order] == words


@pytest.mark.parametrize(
    ("dialect", "unknown", "known"),
    [
        (GateDialect(), ("order_id", "t-arb1"), ("order_id", "7")),
        (OkxDialect(), ("clOrdId", "arb1"), ("ordId", "7")),
        (BitgetDialect(), ("clientOid", "arb1"), ("orderId", "7")),
    ],
)
def test_a_cancel_names_the_venues_number_once_it_is_known(
    dialect: TradeDialect, unknown: tuple[str, str], known: tuple[str, str]
) -> None:
    assert unknown in dialect.cancel(a_cancel(None)).params.items()
    assert known in dialect.cancel(a_cancel("7")).params.items()


def captured(path: Path, part: str) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if part in record["url"]:
                return decode_body(record["raw"].encode())
    raise AssertionError(f"{path} holds no {part}")


@pytest.mark.parametrize(("name", "count"), [("gate_spot_20210422_part", 62), ("gate_spot_20210422", 1458)])
def test_gates_captured_listing_is_read_whole(recording: Callable[[str], Path], name: str, count: int) -> None:
    body = captured(recording(f"instruments/{name}"), "currency_pairs")

    listed = read_whole(GateDialect().listed(body))

    assert len(listed) == len(body) == count
    rules = listed["BTC/USDT"]
    assert (rules.native_symbol, rules.tick, rules.lot) == ("BTC_USDT", Decimal("0.01"), Decimal("0.0001"))
    assert (rules.min_notional, rules.min_size, rules.tradable) == (Decimal(1), Decimal("0.0001"), True)
    assert rules.taker_fee is None


@pytest.mark.parametrize("name", ["okx_20220513_part", "okx_20220513"])
def test_okxs_captured_listing_is_read_whole(recording: Callable[[str], Path], name: str) -> None:
    body = captured(recording(f"instruments/{name}"), "instType=SPOT")

    listed = read_whole(OkxDialect().listed(body))

    assert len(listed) == len(body["data"]) > 40
    rules = listed["BTC/USDT"]
    assert (rules.tick, rules.lot, rules.min_size) == (Decimal("0.1"), Decimal("1E-8"), Decimal("0.00001"))


BITGET_SYMBOL = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "minTradeAmount": "0",
    "maxTradeAmount": "10000000000",
    "takerFeeRate": "0.002",
    "makerFeeRate": "0.002",
    "pricePrecision": "2",
    "quantityPrecision": "6",
    "quotePrecision": "8",
    "status": "online",
    "minTradeUSDT": "1",
    "buyLimitPriceRatio": "0.05",
    "sellLimitPriceRatio": "0.04",
}


def test_bitgets_documented_listing_is_read() -> None:
    [rules] = read_whole(BitgetDialect().listed({"code": "00000", "data": [BITGET_SYMBOL]})).values()

    assert (rules.symbol, rules.tick, rules.lot) == ("BTC/USDT", Decimal("0.01"), Decimal("0.000001"))
    assert (rules.min_notional, rules.price_band, rules.tradable) == (Decimal(1), Decimal("0.04"), True)


def test_one_odd_symbol_does_not_hide_the_others_but_nothing_readable_is_an_error() -> None:
    odd = {**BITGET_SYMBOL, "symbol": "ODD", "pricePrecision": "many"}

    assert list(read_whole(BitgetDialect().listed({"code": "00000", "data": [odd, BITGET_SYMBOL]}))) == ["BTC/USDT"]
    with pytest.raises(VenueProtocolError, match="pricePrecision"):
        read_whole(BitgetDialect().listed({"code": "00000", "data": [odd]}))


def test_what_is_no_listing_is_not_read_to_its_end() -> None:
    taken: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(10 * ODD_MAX):
            taken.append(number)
            yield {}

    def read(raw: dict[str, Any]) -> Instrument:
        if len(taken) == 1:
            return an_instrument()
        raise VenueProtocolError("gate", "no pair")

    with pytest.raises(VenueProtocolError, match="no pair"):
        read_whole(read_listing("gate", rows(), read, GateDialect().native_symbol))
    assert len(taken) == ODD_MAX + 1


def test_a_long_listing_leaves_the_loop_to_others_between_a_few_rows() -> None:
    rows: list[dict[str, Any]] = [{} for _ in range(10 * ROWS_A_TURN)]
    read = 0
    others: list[int] = []

    def read_row(raw: dict[str, Any]) -> Instrument:
        nonlocal read
        read += 1
        return an_instrument()

    async def look_on() -> None:
        while True:
            others.append(read)
            await asyncio.sleep(0)

    async def work() -> dict[str, Instrument]:
        looking = asyncio.create_task(look_on())
        await asyncio.sleep(0)
        listed = await read_in_parts(read_listing("gate", rows, read_row, GateDialect().native_symbol))
        looking.cancel()
        return listed

    assert list(asyncio.run(work())) == ["BTC/USDT"]
    assert read == len(rows)
    assert max(later - sooner for sooner, later in itertools.pairwise(others)) <= ROWS_A_TURN


def test_a_listed_symbol_that_cannot_be_spelt_is_passed_over_and_so_foreign_to_us() -> None:
    odd = {**BITGET_SYMBOL, "symbol": "A:BUSDT", "baseCoin": "A:B"}

    assert list(read_whole(BitgetDialect().listed({"code": "00000", "data": [odd, BITGET_SYMBOL]}))) == ["BTC/USDT"]
    with pytest.raises(VenueProtocolError, match="symbol: 'A:B/USDT' is no symbol: its base 'A:B' holds ':'"):
        read_whole(BitgetDialect().listed({"code": "00000", "data": [odd]}))


def test_fees_are_positive_when_paid_whatever_the_venues_sign() -> None:
    gate = GateDialect().fees_in({"taker_fee": "0.002", "maker_fee": "-0.0001", "debit_fee": 3})
    okx = OkxDialect().fees_in({"code": "0", "data": [{"taker": "-0.001", "maker": "0.0002"}]})
    bitget = BitgetDialect().fees_in({"code": "00000", "data": {"takerFeeRate": "0.001", "makerFeeRate": "0"}})

    assert (gate.taker, gate.maker) == (Decimal("0.002"), Decimal("-0.0001"))
    assert (okx.taker, okx.maker) == (Decimal("0.001"), Decimal("-0.0002"))
    assert (bitget.taker, bitget.maker) == (Decimal("0.001"), Decimal(0))
    assert {fees.buy_fee_in for fees in (gate, okx, bitget)} == {FeeIn.BASE}


OKX_PAIR = {
    "instId": "BTC-USDT",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "tickSz": "0.1",
    "lotSz": "0.00001",
    "groupId": "2",
}
OKX_GROUP = {"groupId": "2", "taker": "-0.0015", "maker": "-0.0009"}


def test_okx_charges_by_the_instruments_group_and_not_by_the_first_one() -> None:
    okx = OkxDialect()
    read_whole(okx.listed({"code": "0", "data": [OKX_PAIR]}))
    two = {"taker": "-0.001", "maker": "-0.0008", "feeGroup": [OKX_GROUP | {"groupId": "1"}, OKX_GROUP]}
    fees = Fees(Decimal("0.0015"), Decimal("0.0009"), FeeIn.BASE)

    assert okx.fees_listed({"code": "0", "data": [two]}, ("BTC/USDT", "NOT/LISTED")) == {"BTC/USDT": fees}
    assert okx.fees_in({"code": "0", "data": [two | {"feeGroup": [OKX_GROUP]}]}) == fees


@pytest.mark.parametrize(
    ("said", "asset", "rate"),
    [
        ({"debit_fee": 1, "gt_discount": True, "gt_taker_fee": "0.0015"}, "GT", "0.0015"),
        (
            {"debit_fee": 1, "gt_discount": False, "gt_taker_fee": "0"},
            "GT",
            "0.002",
        ),  # 0 stands for no rate, not for free
        ({"debit_fee": 1, "gt_taker_fee": "0.003"}, "GT", "0.002"),  # a discount is none that makes it dearer
        (
            {"gt_discount": True, "gt_taker_fee": "0.0015", "point_type": "0"},
            "GT",
            "0.0015",
        ),  # an answer of before `debit_fee`
        ({"debit_fee": 2, "gt_discount": False, "gt_taker_fee": "0"}, "POINT", "0.002"),
        ({"debit_fee": 3, "gt_discount": False, "gt_taker_fee": "0"}, "", None),
        ({"gt_discount": False}, "", None),
        ({}, None, None),  # nothing is said
    ],
)
def test_gate_says_when_gt_or_points_pay_and_at_what_rate(
    said: dict[str, Any], asset: str | None, rate: str | None
) -> None:
    fees = GateDialect().fees_in({"taker_fee": "0.002", "maker_fee": "0.002", **said})

    assert (fees.taker, fees.buy_fee_in) == (Decimal("0.002"), FeeIn.BASE)
    assert (fees.asset, fees.asset_taker) == (asset, None if rate is None else Decimal(rate))


@pytest.mark.parametrize(("said", "is_on"), [("on", True), ("off", False)])
def test_bitget_is_asked_whether_bgb_pays_and_takes_a_fifth_off(said: str, is_on: bool) -> None:
    query = BitgetDialect().fee_asset
    assert query is not None
    assert (query.call.path, query.asset, query.share) == ("v2/spot/account/deduct-info", "BGB", Decimal("0.8"))
    assert query.is_on({"code": "00000", "data": {"deduct": said}}) is is_on


def test_whether_bgb_pays_is_not_guessed() -> None:
    query = BitgetDialect().fee_asset
    assert query is not None
    for body in ({"code": "00000", "data": {}}, {"code": "00000", "data": []}, {"code": "00000"}):
        with pytest.raises(VenueProtocolError):
            query.is_on(body)


@pytest.mark.parametrize(("rate", "charged"), [("0.001", "0.0008"), ("0.00000001", "1E-8"), ("-0.0001", "-0.0001")])
def test_a_discount_is_rounded_up_and_cuts_no_rebate(rate: str, charged: str) -> None:
    assert discounted(Decimal(rate), Decimal("0.8")) == Decimal(charged)


@pytest.mark.parametrize(
    ("perm", "trade", "withdraw"),
    [("read_only,trade", True, False), ("read_only", False, False), ("read_only,trade,withdraw", True, True)],
)
def test_okx_reports_what_a_key_may(perm: str, trade: bool, withdraw: bool) -> None:
    facts = OkxDialect().key_facts(({"code": "0", "data": [{"perm": perm, "ip": ""}]},))

    assert (facts.can_trade, facts.can_withdraw, facts.ip_bound) == (trade, withdraw, False)


CLASSIC = {"mode": "classic"}
GATE_DETAIL = {"user_id": 10406147, "ip_whitelist": [], "currency_pairs": [], "key": {"mode": 1}, "tier": 0}
OKX_CONFIG = {"uid": "44705892343619584", "mainUid": "444810535339712570", "ip": "", "perm": "read_only,trade"}
BITGET_INFO = {"userId": "123456789", "inviterId": "987654321", "parentId": "5", "ips": "", "authorities": ["stow"]}
# Odd ones: absent, empty, nothing, a word with spaces, longer than any.
ODD_IDS = [None, "", 0, "0", "not an id", "9" * 41, ["1"], {"id": 1}, True]


def whose(venue: str, **told: Any) -> str | None:
    """Return the account that a venue's answers, as documented but for `told`, name as the key's."""
    match venue:
        case "gate":
            return GateDialect().key_facts(([], GATE_DETAIL | told, CLASSIC)).account
        case "okx":
            return OkxDialect().key_facts(({"code": "0", "data": [OKX_CONFIG | told]},)).account
    return BitgetDialect().key_facts(({"code": "00000", "data": BITGET_INFO | told},)).account


@pytest.mark.parametrize("odd", ODD_IDS)
@pytest.mark.parametrize(("venue", "field"), [("gate", "user_id"), ("okx", "uid"), ("bitget", "userId")])
def test_an_odd_id_of_an_account_is_not_used_and_its_key_is_taken_all_the_same(
    venue: str, field: str, odd: object
) -> None:
    assert whose(venue, **{field: odd}) is None


def test_venues_tell_whose_key_it_is_and_a_sub_accounts_key_is_not_the_main_accounts() -> None:
    assert whose("gate") == "10406147"
    assert whose("okx") == "44705892343619584"
    assert whose("okx", uid="7") == "7"
    assert whose("bitget") == "123456789"


def test_gate_keys_are_read_in_both_documented_shapes() -> None:
    as_text = [{"state": 1, "perms": [{"name": "spot", "read_only": False}, {"name": "wallet", "read_only": True}]}]
    as_list = {"state": 1, "perms": [{"name": ["spot", "wallet"]}]}
    read_only = [{"state": 1, "perms": [{"name": "spot", "read_only": True}]}]

    def facts(keys: Any, detail: Any = GATE_DETAIL) -> tuple[Any, Any, Any]:
        found = GateDialect().key_facts((keys, detail, CLASSIC))
        return found.can_trade, found.can_withdraw, found.ip_bound

    assert facts(as_text, {"ip_whitelist": ["127.0.0.1"]}) == (True, None, True)
    assert facts(as_list, {"ip_whitelist": []}) == (True, True, False)
    assert facts(read_only, {}) == (False, None, None)
    assert facts(None, {}) == (None, None, None)


def test_another_key_of_the_gate_account_does_not_count() -> None:
    mine = {"key": "abcd****6789", "perms": [{"name": "spot", "read_only": False}]}
    other = {"key": "zzzz****6789", "perms": [{"name": "wallet", "read_only": False}]}
    unmasked = {"perms": [{"name": "wallet", "read_only": False}]}

    assert GateDialect("abcd-and-6789").key_facts(([mine, other], GATE_DETAIL, CLASSIC)).can_withdraw is None
    assert GateDialect("abcd-and-6789").key_facts(([mine, unmasked], GATE_DETAIL, CLASSIC)).can_withdraw is True


def test_bitgets_names_for_rights() -> None:
    def can(*words: str) -> tuple[bool | None, bool | None, tuple[str, ...]]:
        body = {"code": "00000", "data": {"authorities": list(words), "ips": ""}}
        facts = BitgetDialect().key_facts((body,))
        return facts.can_trade, facts.can_withdraw, facts.unknown

    assert can("stor", "stow") == can("stow") == (True, None, ())
    assert can("stow", "wwow") == (True, True, ())
    assert can("stor") == (False, None, ())
    assert can("stow", "zzzz", "STOW") == (True, None, ("STOW", "zzzz"))
    assert can() == (None, None, ())
