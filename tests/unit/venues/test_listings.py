"""Listings as the venues send them: every row that is one of a spot symbol is read, and one odd row stops its symbol alone."""

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from arb.clock import NS_PER_MS, NS_PER_S
from arb.errors import VenueProtocolError
from arb.market.instrument import Instrument
from arb.venues.binance.dialect import BinanceDialect
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bybit.dialect import BybitDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.dialect import PublicDialect
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.okx.dialect import OkxDialect
from tests.builders import read_whole

Row = dict[str, Any]
DIALECTS: dict[str, Callable[[], PublicDialect]] = {
    "gate": GateDialect,
    "okx": OkxDialect,
    "bitget": BitgetDialect,
    "bybit": BybitDialect,
    "binance": BinanceDialect,
}

# One row as each venue sends it today: Gate's v4 document, an OKX listing of 2026, Bitget's v2 document, Bybit's v5 document,
# Binance's documents ("Exchange information", "Filters").
GATE_ROW = """{"id": "ETH_USDT", "base": "ETH", "base_name": "Ethereum", "quote": "USDT", "quote_name": "Tether", "fee": "0.2",
 "min_base_amount": "0.001", "min_quote_amount": "1.0", "max_base_amount": "10000", "max_quote_amount": "10000000",
 "amount_precision": 3, "precision": 6, "trade_status": "tradable", "sell_start": 1516378650, "buy_start": 1516378650,
 "delisting_time": 0, "trade_url": "https://www.gate.io/trade/ETH_USDT", "st_tag": false, "up_rate": "0.05",
 "down_rate": "0.02", "slippage": "0.05", "max_market_order_stock": "100000", "max_market_order_money": "1000000"}"""
OKX_ROW = """{"alias": "", "auctionEndTime": "", "baseCcy": "ETH", "category": "1", "ctVal": "", "contTdSwTime": "",
 "expTime": "", "futureSettlement": false, "groupId": "1", "instFamily": "", "instId": "ETH-USDT", "instType": "SPOT",
 "lever": "10", "listTime": "1606468572000", "lotSz": "0.00000001", "maxLmtAmt": "1000000", "maxLmtSz": "9999999999",
 "maxMktSz": "", "minSz": "0.00001", "openType": "call_auction", "quoteCcy": "USDT", "tradeQuoteCcyList": ["USDT"],
 "settleCcy": "", "state": "live", "ruleType": "normal", "tickSz": "0.1", "instIdCode": 1000000000, "instCategory": "1",
 "initPxLmtPct": "0.05", "upcChg": [{"param": "tickSz", "newValue": "0.0001", "effTime": "1704876947000"}]}"""
BITGET_ROW = """{"symbol": "ETHUSDT", "baseCoin": "ETH", "quoteCoin": "USDT", "minTradeAmount": "0",
 "maxTradeAmount": "900000000000000000000", "takerFeeRate": "0.002", "makerFeeRate": "0.002", "pricePrecision": "2",
 "quantityPrecision": "6", "quotePrecision": "8", "status": "online", "minTradeUSDT": "1", "buyLimitPriceRatio": "0.05",
 "sellLimitPriceRatio": "0.05", "areaSymbol": "no", "orderQuantity": "200", "openTime": "1532454360000", "offTime": ""}"""
BYBIT_ROW = """{"symbolId": 9, "symbol": "ETHUSDT", "baseCoin": "ETH", "quoteCoin": "USDT", "innovation": "0", "status":
 "Trading", "marginTrading": "utaOnly", "stTag": "0", "lotSizeFilter": {"basePrecision": "0.00001", "quotePrecision": "0.001",
 "minOrderQty": "0.0002", "maxOrderQty": "1700", "minOrderAmt": "5", "maxOrderAmt": "8000000", "maxLimitOrderQty": "1200",
 "maxMarketOrderQty": "600", "postOnlyMaxLimitOrderSize": "60000"}, "priceFilter": {"tickSize": "0.01"},
 "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"}, "symbolType": ""}"""
BINANCE_ROW = """{"symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "baseAssetPrecision": 8, "quoteAsset": "USDT",
 "quotePrecision": 8, "quoteAssetPrecision": 8, "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
 "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"], "icebergAllowed": true, "ocoAllowed": true, "otoAllowed": true,
 "opoAllowed": true, "quoteOrderQtyMarketAllowed": true, "allowTrailingStop": false, "cancelReplaceAllowed": false,
 "amendAllowed": false, "pegInstructionsAllowed": true, "isSpotTradingAllowed": true, "isMarginTradingAllowed": true,
 "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
 {"filterType": "LOT_SIZE", "minQty": "0.00010000", "maxQty": "9000.00000000", "stepSize": "0.00010000"},
 {"filterType": "ICEBERG_PARTS", "limit": 10},
 {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "1500.00000000", "stepSize": "0.00000000"},
 {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.2", "bidMultiplierDown": "0.2", "askMultiplierUp": "5",
 "askMultiplierDown": "0.9", "avgPriceMins": 1},
 {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": true, "maxNotional": "9000000.00000000",
 "applyMaxToMarket": false, "avgPriceMins": 5}, {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200}],
 "permissions": [], "permissionSets": [], "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
 "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER"]}"""
ROWS: dict[str, Row] = {
    venue: decode_body(text.encode())
    for venue, text in (
        ("gate", GATE_ROW),
        ("okx", OKX_ROW),
        ("bitget", BITGET_ROW),
        ("bybit", BYBIT_ROW),
        ("binance", BINANCE_ROW),
    )
}
NAMES = {
    "gate": ("id", "base"),
    "okx": ("instId", "baseCcy"),
    "bitget": ("symbol", "baseCoin"),
    "bybit": ("symbol", "baseCoin"),
    "binance": ("symbol", "baseAsset"),
}
STATE = {"gate": "trade_status", "okx": "state", "bitget": "status", "bybit": "status", "binance": "status"}
OPENS = {
    "gate": (("buy_start", "sell_start"), NS_PER_S),
    "okx": (("listTime",), NS_PER_MS),
    "bitget": (("openTime",), NS_PER_MS),
}
ENDS = {"gate": ("delisting_time", NS_PER_S), "okx": ("expTime", NS_PER_MS), "bitget": ("offTime", NS_PER_MS)}
TICK: dict[str, Callable[[Any], Row]] = {
    "gate": lambda places: {"precision": places},
    "okx": lambda tick: {"tickSz": tick},
    "bitget": lambda places: {"pricePrecision": places},
    "bybit": lambda tick: {"priceFilter": {"tickSize": tick}},
    "binance": lambda tick: {
        "filters": [*filters(but="PRICE_FILTER"), {"filterType": "PRICE_FILTER", "tickSize": tick}]
    },
}
"""What of a row states its tick."""


def filters(*, but: str) -> list[Row]:
    return [each for each in ROWS["binance"]["filters"] if each["filterType"] != but]


def a_row(venue: str, base: str = "ETH", /, **changes: Any) -> Row:
    """Return a row of `base` against USDT."""
    row, (name, asset) = copy.deepcopy(ROWS[venue]), NAMES[venue]
    return row | {name: row[name].replace("ETH", base), asset: base} | changes


def read(venue: str, rows: list[Any]) -> dict[str, Instrument]:
    """Return what the venue's dialect reads in a listing of these rows."""
    bodies: dict[str, Any] = {
        "gate": rows,
        "bybit": {"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": rows}},
        "binance": {"timezone": "UTC", "serverTime": 1565246363776, "symbols": rows},
    }
    return read_whole(DIALECTS[venue]().listed(bodies.get(venue, {"code": "0", "data": rows})))


def one(venue: str, **changes: Any) -> Instrument:
    """Return the instrument of one row."""
    return read(venue, [a_row(venue, **changes)])["ETH/USDT"]


# What is sent.


@pytest.mark.parametrize("venue", DIALECTS)
def test_a_row_of_today_is_read_unknown_fields_and_all(venue: str) -> None:
    instrument = one(venue, unheard_of={"nested": [1]}, another=None)
    assert instrument.tradable and instrument.ends_ns is None
    assert instrument == one(venue)


@pytest.mark.parametrize("venue", DIALECTS)
def test_numbers_may_be_texts_or_numbers(venue: str) -> None:
    row = a_row(venue)
    texts, numbers = (_written(row, mark) for mark in ('"', ""))
    assert texts != numbers
    assert (
        read(venue, [decode_body(texts.encode())]) == read(venue, [decode_body(numbers.encode())]) == read(venue, [row])
    )


def _written(value: Any, mark: str) -> str:
    """Return JSON in which every number stands between two marks."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}": {_written(member, mark)}' for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_written(member, mark) for member in value) + "]"
    return f"{mark}{value}{mark}" if _is_number(value) else json.dumps(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, list)):
        return False
    try:
        return Decimal(value).is_finite()
    except ArithmeticError:
        return False


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("venue", ["gate", "okx", "bitget"])
def test_what_need_not_be_stated_may_be_empty_or_null(venue: str, nothing: object) -> None:
    optional = {
        "gate": ("min_base_amount", "min_quote_amount", "max_base_amount", "up_rate", "down_rate", "delisting_time"),
        "okx": ("minSz", "maxLmtSz", "expTime", "upcChg", "groupId", "instIdCode"),
        "bitget": (
            "minTradeAmount",
            "minTradeUSDT",
            "maxTradeAmount",
            "buyLimitPriceRatio",
            "sellLimitPriceRatio",
            "offTime",
        ),
    }[venue]
    instrument = one(venue, **dict.fromkeys(optional, nothing))
    assert instrument.min_size == 0 and instrument.max_size is None and instrument.price_band is None
    assert (instrument.ends_ns, instrument.changes_ns, instrument.tradable) == (None, (), True)


@pytest.mark.parametrize(
    ("venue", "states"),
    [
        ("gate", ["untradable", "buyable", "sellable", "Tradable", "unheard_of", "", None]),
        ("okx", ["suspend", "preopen", "test", "rebase", "unheard_of", "", None]),
        ("bitget", ["offline", "gray", "halt", "listed", "unheard_of", "", None]),
        ("bybit", ["PreLaunch", "Delivering", "Closed", "trading", "", None]),
        ("binance", ["HALT", "BREAK", "END_OF_DAY", "trading", "", None]),
    ],
)
def test_only_the_one_state_in_which_both_sides_trade_is_tradable(venue: str, states: list[str | None]) -> None:
    assert [one(venue, **{STATE[venue]: state}).tradable for state in states] == [False] * len(states)


@pytest.mark.parametrize("venue", ENDS)
def test_the_announced_end_of_trade_is_known(venue: str) -> None:
    field, unit_ns = ENDS[venue]
    at = 1_800_000_000 * NS_PER_S // unit_ns
    assert [one(venue, **{field: value}).ends_ns for value in (at, str(at))] == [1_800_000_000 * NS_PER_S] * 2
    assert [one(venue, **{field: value}).ends_ns for value in (0, "0", "-1", -1)] == [None] * 4


@pytest.mark.parametrize("venue", OPENS)
def test_the_start_of_trade_is_known_as_that_of_the_side_that_opens_last(venue: str) -> None:
    fields, unit_ns = OPENS[venue]
    at = 1_800_000_000 * NS_PER_S // unit_ns
    for late in fields:
        early = dict.fromkeys(fields, at - 60) | {late: at}
        assert (
            one(venue, **early).opens_ns == one(venue, **early | {late: str(at)}).opens_ns == 1_800_000_000 * NS_PER_S
        )
    assert [one(venue, **dict.fromkeys(fields, no)).opens_ns for no in (0, "0", "-1", "", None)] == [None] * 5


def test_okx_announces_the_instants_at_which_rules_change() -> None:
    announced = [
        {"param": "minSz", "newValue": "0.1", "effTime": "1800000000500"},
        {"param": "tickSz", "newValue": "0.01", "effTime": "1800000000000"},
        {"param": "unheard_of", "newValue": "", "effTime": "1800000000000"},
        {"param": "", "newValue": "", "effTime": ""},
    ]
    assert one("okx", upcChg=announced).changes_ns == (1_800_000_000 * NS_PER_S, 1_800_000_000_500 * NS_PER_MS)


# What is odd.


@pytest.mark.parametrize("venue", DIALECTS)
def test_a_name_listed_twice_by_different_rules_is_neither_and_one_repeated_is_itself(venue: str) -> None:
    other = a_row(venue, "BTC")
    assert list(read(venue, [a_row(venue), other, a_row(venue)])) == ["ETH/USDT", "BTC/USDT"]
    contradicting = a_row(venue, **TICK[venue]("1"))
    assert list(read(venue, [a_row(venue), other, contradicting, a_row(venue)])) == ["BTC/USDT"]


def test_two_symbols_of_one_native_name_are_neither() -> None:
    twin = a_row("bitget", baseCoin="ET", quoteCoin="HUSDT")  # ETHUSDT again
    assert list(read("bitget", [a_row("bitget"), twin, a_row("bitget", "BTC")])) == ["BTC/USDT"]


@pytest.mark.parametrize("venue", DIALECTS)
def test_a_row_whose_book_is_another_symbols_is_refused(venue: str) -> None:
    name, _ = NAMES[venue]
    mixed = a_row(venue, "BTC") | {name: a_row(venue)[name]}  # called ETH, listed as BTC
    assert list(read(venue, [mixed, a_row(venue, "SOL")])) == ["SOL/USDT"]
    with pytest.raises(VenueProtocolError, match="is listed as 'BTC/USDT'"):
        read(venue, [mixed])


@pytest.mark.parametrize(
    ("venue", "tick"), [("gate", 19), ("okx", "1e-19"), ("bitget", "19"), ("bybit", "1e-19"), ("binance", "1e-19")]
)
def test_steps_that_no_scale_holds_stop_their_symbol_alone(venue: str, tick: object) -> None:
    fine = a_row(venue) | TICK[venue](tick)
    assert list(read(venue, [fine, a_row(venue, "BTC")])) == ["BTC/USDT"]


HOSTILE: list[Any] = [None, "", " ", "abc", "NaN", "Infinity", "1e999", "-1", -1, 0, True, False, [], [1], {}, {"a": 1}]
HOSTILE += [
    10**40,
    "9" * 70,
    "\x00",
    "0x10",
    "١٢",
    "BTC/USDT",
    "a b",
    Decimal("1e-29"),
    "1,5",
    [None],
    [{"effTime": []}],
]


@given(venue=st.sampled_from(list(DIALECTS)), data=st.data())
def test_whatever_is_wrong_with_one_row_the_others_are_read(venue: str, data: st.DataObject) -> None:
    """One field or several of one row become anything, or the row itself; what is still read of it is sound."""
    btc, sol = a_row(venue, "BTC"), a_row(venue, "SOL")
    odd: Any = a_row(venue)
    if data.draw(st.integers(0, 9), label="row at all") == 0:
        odd = data.draw(st.sampled_from(HOSTILE), label="row")
    else:
        for key in data.draw(st.lists(st.sampled_from(sorted(odd)), min_size=1, max_size=3, unique=True), label="keys"):
            odd[key] = data.draw(st.sampled_from(HOSTILE), label=key)
    rows = [btc, sol]
    rows.insert(data.draw(st.integers(0, 2), label="place"), odd)
    listed = read(venue, rows)
    assert {symbol: listed.pop(symbol) for symbol in ("BTC/USDT", "SOL/USDT")} == read(venue, [btc, sol])
    for symbol, instrument in listed.items():
        assert instrument.symbol == symbol and instrument.native_symbol == DIALECTS[venue]().native_symbol(symbol)
        assert instrument.tick > 0 and instrument.lot > 0 and instrument.min_size >= 0 and instrument.min_notional >= 0
        assert all(value is None or value > 0 for value in (instrument.max_size, instrument.price_band))
        assert instrument.ends_ns is None or instrument.ends_ns >= 0
        assert not instrument.tradable or odd[STATE[venue]] == a_row(venue)[STATE[venue]]


# Everything that was recorded.

LISTED = {
    "gate/rest/get-spot-currency_pairs--2021": ("strong", 6),
    "gate/rest/get-spot-currency_pairs--ok": ("documented", 1),
    "gate/rest/get-spot-currency_pairs-btc_usdt--ok": ("documented", 1),
    "gate/rest/get-spot-currency_pairs-currency_pair--ok": ("documented", 1),
    "okx/rest/get-account-instruments--spot-live": ("documented", 1),
    "okx/rest/get-public-instruments--spot-groupId-upcChg-2026": ("documented", 1),
    "okx/rest/get-public-instruments--spot-live-spot-2022": ("strong", 4),
    "okx/ws/instruments--spot-live-1-jkorf-symbol": ("documented", 1),
    "bitget/rest/get-v2-spot-public-symbols--online": ("documented", 1),
    "bybit/rest/get-v5-account-instruments-info--spot-spot": ("documented", 1),
    "bybit/rest/get-v5-account-instruments-info--spot": ("documented", 1),
    "bybit/rest/get-v5-market-instruments-info--spot-spot": ("documented", 1),
    "bybit/rest/get-v5-market-instruments-info--spot": ("documented", 1),
}
"""Answers that list spot symbols, how well each is known, and how many rows it has: all of them are read."""
NOT_SPOT = {
    "okx/rest/get-public-instruments--futures-live-instruments_futures": "futures have no base currency",
    "okx/rest/get-public-instruments--swap-live-instruments_swap": "swaps have no base currency",
    "okx/ws/instruments--futures-live-1-gct-inline": "futures have no base currency",
    "okx/ws/instruments--swap-live-1-instruments": "swaps have no base currency",
    "okx/ws/instruments--subscribe-successful": "the answer to a subscription lists nothing",
    "bitget/rest/get-v2-spot-public-symbols--ccxt": "rates of an account, filed under the wrong path",
    "bitget/rest/get-v2-spot-public-symbols--ccxt-swap-and-future": "a contract, filed under the wrong path",
    "bitget/rest/get-v3-market-instruments--spot-online": "the third version of the API, which is not spoken here",
    "bitget/rest/get-v3-market-instruments--usdt-futures-online": "the third version of the API, and futures",
    "bitget/rest/get-v3-market-instruments--usdt-futures-online-2": "the third version of the API, and futures",
    "bybit/rest/get-v5-market-instruments-info--instruments_inverse": "contracts",
    "bybit/rest/get-v5-market-instruments-info--linear": "contracts",
    "bybit/rest/get-v5-market-instruments-info--linear-2": "contracts",
    "binance/rest/get-v3-exchangeinfo--exchange-information": "its filters are left out in the document",
}
"""Answers that are no listing of spot symbols in the language spoken here, and why."""
_KINDS = ("get-spot-currency_pairs", "get-public-instruments", "get-account-instruments", "instruments--")
KINDS = (
    *(*_KINDS, "get-v2-spot-public-symbols", "get-v3-market-instruments"),
    *("get-v5-market-instruments-info", "get-v5-account-instruments-info", "get-v3-exchangeinfo"),
)


def test_every_recorded_answer_that_lists_instruments_is_read_whole(repo_root: Path) -> None:
    folder = repo_root.parent / "shared" / "data" / "answers"
    if not folder.is_dir():
        pytest.skip("the recorded answers are not in ../shared/data")
    found = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for venue in DIALECTS
        for path in folder.glob(f"{venue}/*/*.json")
        if path.name.startswith(KINDS)
    }
    assert found.keys() == LISTED.keys() | NOT_SPOT.keys()
    for name, (evidence, count) in LISTED.items():
        record = json.loads(found[name].read_text(encoding="utf-8"))
        assert record.get("strength", record["evidence"]) == evidence
        body = decode_body(record["raw"].encode())
        venue = record["venue"]
        rows = body if isinstance(body, list) else body.get("data", [body])
        rows = body["result"]["list"] if venue == "bybit" else rows
        listed = read(venue, rows)
        assert (name, len(listed)) == (name, count) == (name, len(rows))
        assert all(instrument.tradable for instrument in listed.values())


@pytest.mark.parametrize("name", [name for name, why in NOT_SPOT.items() if "no base currency" in why])
def test_recorded_contracts_are_not_taken_for_spot_symbols(repo_root: Path, name: str) -> None:
    path = repo_root.parent / "shared" / "data" / "answers" / f"{name}.json"
    if not path.is_file():
        pytest.skip("the recorded answers are not in ../shared/data")
    record = json.loads(path.read_text(encoding="utf-8"))
    with pytest.raises(VenueProtocolError, match="baseCcy"):
        read(record["venue"], decode_body(record["raw"].encode())["data"])
