"""What the venues list: a dozen rows each, in the field sets of recorded and documented answers, and made-up ones like them.

`listings.json` holds real symbols, their steps as ccxt's market fixtures (MIT) of 2026 state them, and beside them what a
reader must survive: pairs that are suspended, about to be delisted or not open yet, other quotes, empty strings, an old short
row, fields that no document explains.
"""

import copy
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.venue_server.market import Fair

Row = dict[str, Any]

PRICES = {
    "BTC": 104027.0,
    "ETH": 3506.0,
    "ADA": 0.72,
    "DOGE": 0.19,
    "LTC": 95.0,
    "TRX": 0.31,
    "XRP": 1.414,
    "SOL": 147.0,
}
ROWS: dict[str, list[Row]] = json.loads(Path(__file__).with_name("listings.json").read_text(encoding="utf-8"))
SYMBOLS_MAX = 500


@dataclass
class Asset:
    """A base with its fair price; each venue lists it against USDT."""

    base: str
    fair: Fair
    rows: dict[str, Row]


def common_assets(count: int, seed: int) -> list[Asset]:
    """Return `count` assets that all venues trade: the real ones first, then made-up ones."""
    rng = random.Random(f"listing {seed}")
    assets = [_real(base, seed) for base in list(PRICES)[:count]]
    taken = {row["base"] for row in ROWS["gate"]}
    while len(assets) < count:
        base = "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWXZ") for _ in range(rng.randint(3, 6)))
        if base not in taken:
            taken.add(base)
            assets.append(_made_up(base, rng, seed))
    return assets


def unusual_rows(venue: str) -> list[Row]:
    """Return the rows that nobody should trade on: suspended, not yet open, of another quote."""
    return [copy.deepcopy(row) for row in ROWS[venue][len(PRICES) :]]


def _real(base: str, seed: int) -> Asset:
    place = list(PRICES).index(base)
    fair = Fair(random.Random(f"{seed} {base}"), PRICES[base])
    return Asset(base, fair, {venue: copy.deepcopy(rows[place]) for venue, rows in ROWS.items()})


def _made_up(base: str, rng: random.Random, seed: int) -> Asset:
    """Return an asset whose rows have the fields of the real ones, with steps of their own at each venue."""
    price = float(f"{10 ** rng.uniform(-4, 3):.3g}")
    decimals = max(1, 4 - math.floor(math.log10(price)))  # a tick is about a ten-thousandth of the price
    lots = 0 if price < 0.01 else 2 if price < 10 else 4
    asset = _real("DOGE", seed)
    asset.base, asset.fair = base, Fair(random.Random(f"{seed} {base}"), price)
    tick = decimals + rng.choice((0, 0, 0, 1))
    asset.rows["gate"].update(
        id=f"{base}_USDT", base=base, base_name=base.title(), precision=tick, amount_precision=lots,
        trade_url=f"https://www.gate.io/trade/{base}_USDT",
    )  # fmt: skip
    tick = decimals + rng.choice((0, 0, 0, -1))
    asset.rows["okx"].update(
        baseCcy=base, instId=f"{base}-USDT", tickSz=_step(tick), lotSz=_step(lots + 2), minSz=_step(lots), lever="",
    )  # fmt: skip
    asset.rows["bitget"].update(
        symbol=f"{base}USDT", baseCoin=base, pricePrecision=str(decimals), quantityPrecision=str(lots)
    )
    tick = decimals + rng.choice((0, 0, 0, 1))
    asset.rows["bybit"].update(symbol=f"{base}USDT", baseCoin=base, priceFilter={"tickSize": _step(tick)})
    asset.rows["bybit"]["lotSizeFilter"].update(basePrecision=_step(lots + 1), minOrderQty=_step(lots + 1))
    steps = {
        "PRICE_FILTER": {"tickSize": _step8(decimals)},
        "LOT_SIZE": {"stepSize": _step8(lots), "minQty": _step8(lots)},
    }
    asset.rows["binance"].update(symbol=f"{base}USDT", baseAsset=base)
    for rule in asset.rows["binance"]["filters"]:
        rule.update(steps.get(rule["filterType"], {}))
    return asset


def _step8(decimals: int) -> str:
    return f"{10.0**-decimals:.8f}"


def _step(decimals: int) -> str:
    return f"{10.0**-decimals:.{decimals}f}" if decimals else "1"
