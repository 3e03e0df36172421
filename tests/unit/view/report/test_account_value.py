"""The account's value: every balance at every instant, valued by fills; compared with a slow reckoning in exact numbers."""

import re
from decimal import Decimal
from statistics import mean
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.store.ledger.columns import Columns
from arb.store.ledger.selection import Selection
from arb.view.report.figures_value import account_value
from arb.view.report.page import drawn
from arb.view.report.summary import Sources

T0 = 1_790_000_000 * NS_PER_S
VENUES, ASSETS = ("gate", "okx"), ("BTC", "USDT")
Row = tuple[Any, ...]


def columns(names: str, rows: list[Row]) -> Columns:
    found = {}
    for name, values in zip(names.split(), zip(*rows, strict=True) if rows else [()] * 20, strict=False):
        kind: Any = np.int64 if name.endswith(("ns", "_e8")) else np.float64 if name in NUMBERS else object
        found[name] = np.array(values, dtype=kind)
    return found


NUMBERS = ("free", "locked", "price", "size", "fee")


def holdings(*rows: Row) -> Columns:
    """`(second, venue, asset, size)` in order."""
    every = [(T0 + int(s * NS_PER_S), venue, asset, float(size), 0.0) for s, venue, asset, size in rows]
    return columns("ns venue asset free locked", every)


def fills(*rows: Row) -> Columns:
    """`(second, venue, side, price, size, fee, asset of the fee)` of BTC/USDT in order."""
    every = [
        (T0 + int(s * NS_PER_S), venue, "BTC/USDT", side, float(price), float(size), float(fee), paid_in)
        for s, venue, side, price, size, fee, paid_in in rows
    ]
    return columns("event_ns venue symbol side price size fee fee_currency", every)


NO_TRADES = columns("quote closed_ns realised_net_e8", [])
RUNS = columns("run_ns started_ns until_ns", [(1, T0, T0 + 10_000 * NS_PER_S)])


def shown(held: Columns, filled: Columns, trades: Columns = NO_TRADES, since_s: int = 0) -> Any:
    return account_value(held, filled, trades, RUNS, "USDT", since_ns=T0 + since_s * NS_PER_S)


START = [(0, "gate", "BTC", 1), (0, "gate", "USDT", 1000), (1, "okx", "BTC", 2), (1, "okx", "USDT", 500)]


def test_without_a_balance_or_a_price_there_is_no_value() -> None:
    assert shown(holdings(), fills(), NO_TRADES)["empty"] == "No balance yet: no value of the account"
    assert shown(holdings(*START), fills())["empty"] == "No fills yet: no price to value the account by"


def test_a_pair_earns_its_difference_and_the_rest_is_moved_by_the_price() -> None:
    filled = fills((100, "gate", "buy", 100, 1, "0.1", "USDT"), (100, "okx", "sell", 103, 1, "0.1", "USDT"))
    trades = columns("quote closed_ns realised_net_e8", [("USDT", T0 + 101 * NS_PER_S, 280_000_000)])
    found = shown(holdings(*START), filled, trades)
    # 3 BTC and 1500 USDT before, 3 BTC and 1502.8 USDT after, both at 101.5, between the two prices.
    assert found["lines"] == {"account value": found["lines"]["account value"]}
    assert found["lines"]["account value"][0][1] == 1804.5
    assert found["lines"]["account value"][-1][1] == 1807.3
    assert found["finding"] == (
        "The account is worth 1,807.30 USDT, +2.80 in this time: +2.80 by pairs, 0.00 by prices, 0.00 put in or taken out"
    )


def test_a_deposit_is_not_earned_and_a_late_venue_is_a_deposit() -> None:
    filled = fills((100, "gate", "buy", 100, 1, 0, "USDT"), (900, "gate", "sell", 100, 1, 0, "USDT"))
    held = holdings(*START, (300, "gate", "USDT", 950), (500, "bitget", "BTC", 3))
    found = shown(held, filled)
    value, without = found["lines"]["account value"], found["lines"]["without deposits and withdrawals"]
    assert value[-1][1] == 1800 + 50 + 300 and without[-1][1] == 1800
    assert found["finding"].endswith("0.00 by pairs, 0.00 by prices, +350.00 put in or taken out")


def test_an_asset_without_a_fill_is_named_and_not_counted() -> None:
    found = shown(holdings(*START, (1, "okx", "OKB", 7)), fills((100, "gate", "buy", 100, 1, 0, "USDT")))
    assert found["without"] == ["OKB"] and found["lines"]["account value"][-1][1] == 1800


def test_a_part_of_the_time_begins_with_the_balances_of_the_run_before() -> None:
    filled = fills((100, "gate", "buy", 100, 1, 0, "USDT"), (900, "gate", "buy", 110, 1, 0, "USDT"))
    found = shown(holdings(*START), filled, since_s=500)
    assert found["lines"]["account value"][0] == [T0 + 500 * NS_PER_S, 1800]
    assert "+40.00 in this time" in found["finding"]


steps = st.lists(
    st.tuples(
        st.integers(61, 2000), st.sampled_from(VENUES), st.sampled_from(("buy", "sell")),
        st.integers(90, 110), st.integers(1, 3), st.integers(0, 2), st.sampled_from(ASSETS),
    ),
    min_size=1, max_size=8, unique_by=lambda row: row[0],
)  # fmt: skip
reports = st.lists(
    st.tuples(st.integers(61, 2000), st.sampled_from(VENUES), st.sampled_from(ASSETS), st.integers(0, 50)),
    max_size=4,
    unique_by=lambda row: row[0],
)


@given(steps, reports)
def test_value_and_deposits_are_those_of_a_slow_reckoning(traded: list[Row], reported: list[Row]) -> None:
    traded, reported = sorted(traded), sorted(reported)
    found = shown(holdings(*START, *reported), fills(*traded))
    balances = {(venue, asset): Decimal(size) for _, venue, asset, size in START}
    prices = {side: Decimal(price) for _, _, side, price, *_ in reversed(traded)}
    put_in = Decimal(0)
    for row in sorted(
        [*traded, *reported], key=lambda row: (row[0], -len(row))
    ):  # a report holds the fills of its second
        if len(row) == 4:
            _, venue, asset, size = row
            put_in += (size - balances[venue, asset]) * (mean(prices.values()) if asset == "BTC" else 1)
            balances[venue, asset] = Decimal(size)
            continue
        _, venue, side, price, size, fee, paid_in = row
        sign = 1 if side == "buy" else -1
        prices[side] = Decimal(price)
        balances[venue, "BTC"] += sign * size
        balances[venue, "USDT"] -= sign * size * price
        balances[venue, paid_in] -= fee
    value = sum(size * (mean(prices.values()) if asset == "BTC" else 1) for (_, asset), size in balances.items())
    assert found["lines"]["account value"][-1][1] == pytest.approx(float(value), rel=1e-6)
    stated = re.search(r"([^ ]+) put in or taken out", found["finding"])
    assert stated is not None
    number = float(stated[1].replace("\N{MINUS SIGN}", "-").replace(",", ""))
    assert number == pytest.approx(float(put_in), abs=0.006 if abs(put_in) < 10_000 else 0.6)


def test_the_page_shows_it_and_refuses_a_part_of_the_fills(sources: Sources) -> None:
    whole = drawn(sources, "moved")["quotes"]
    assert all("account_value" in figures for figures in whole.values())
    part = Sources(sources._url, Selection(symbol="BTC/USDT"))
    for figures in drawn(part, "moved")["quotes"].values():
        assert "choose by time and venue only" in figures["account_value"]["empty"]
