"""What Bybit and Binance say of themselves without a key: their rules, in the forms that these have, and their clocks."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueProtocolError
from arb.venues.binance.dialect import BinanceDialect
from arb.venues.bybit.dialect import BybitDialect
from arb.venues.kit.rules.outcome import decode_body
from tests.unit.venues.test_listings import ROWS, filters, one, read


def d(text: str) -> Decimal:
    """Return an exact number."""
    return Decimal(text)


def test_bybit_need_not_state_limits_and_may_state_them_by_their_older_names() -> None:
    sizes = {"basePrecision": "0.01"}
    bare = one("bybit", lotSizeFilter=sizes, riskParameters=None)
    assert (bare.lot, bare.min_size, bare.min_notional) == (d("0.01"), d("0"), d("0"))
    assert bare.max_size is None and bare.price_band is None
    assert one("bybit", lotSizeFilter=sizes | {"maxOrderQty": "83"}).max_size == 83
    both = one("bybit")
    assert (both.max_size, both.price_band) == (d("1200"), d("0.005"))  # the limit of limit orders, the narrower ratio


def test_binance_s_filters_may_be_absent_but_for_the_steps_and_have_older_forms() -> None:
    steps = [each for each in ROWS["binance"]["filters"] if each["filterType"] in ("PRICE_FILTER", "LOT_SIZE")]
    bare = one("binance", filters=steps)
    assert (bare.tick, bare.lot, bare.min_notional, bare.price_band) == (d("0.01"), d("0.0001"), d("0"), None)
    older = [
        *steps,
        {"filterType": "MIN_NOTIONAL", "minNotional": "10", "applyToMarket": True, "avgPriceMins": 5},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.5", "multiplierDown": "0.8", "avgPriceMins": 5},
    ]
    then = one("binance", filters=older)
    assert (then.min_notional, then.price_band) == (d("10"), d("0.2"))
    now = one("binance")
    assert (now.min_size, now.max_size, now.min_notional, now.price_band) == (d("0.0001"), d("9000"), d("5"), d("0.1"))
    for absent in ("PRICE_FILTER", "LOT_SIZE"):
        with pytest.raises(VenueProtocolError, match=f"{absent}.*missing"):
            one("binance", filters=filters(but=absent))


def test_binance_lists_symbols_that_spot_accounts_may_not_trade() -> None:
    assert not one("binance", isSpotTradingAllowed=False).tradable
    assert one("binance", isSpotTradingAllowed=None).tradable


def test_the_whole_recorded_listing_of_binance_is_read(repo_root: Path) -> None:
    path = repo_root.parent / "shared" / "data" / "captures" / "instruments" / "binance_spot_20211012.jsonl.gz"
    if not path.is_file():
        pytest.skip("the captures are not in ../shared/data")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        body = decode_body(json.loads(next(lines))["raw"].encode())
    listed = read("binance", body["symbols"])
    assert len(listed) == len(body["symbols"]) == 1695
    assert sum(instrument.tradable for instrument in listed.values()) == 1222  # 40 more for margin accounts alone
    btc = listed["BTC/USDT"]
    assert (btc.tick, btc.lot, btc.min_notional) == (d("0.01"), d("0.00001"), d("10"))


# The clock.


def test_the_clocks_are_cut_to_milliseconds() -> None:
    bybit = {
        "retCode": 0,
        "result": {"timeSecond": "1688639403", "timeNano": "1688639403423213947"},
        "time": 1688639403423,
    }
    assert BybitDialect().clock_ms(bybit) == 1_688_639_403_423
    assert BinanceDialect().clock_ms({"serverTime": 1499827319559}) == 1_499_827_319_559
    answers: tuple[dict[str, Any], ...] = ({}, {"result": {}}, {"result": {"timeNano": "soon"}}, {"serverTime": None})
    for answer in answers:
        for dialect in (BybitDialect(), BinanceDialect()):
            with pytest.raises(VenueProtocolError):
                dialect.clock_ms(answer)
