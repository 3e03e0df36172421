"""The two books of a route that somebody looks at: what a person would read off the engine's own books, and no more."""

from decimal import Decimal
from typing import Any

from arb.market.order import Side
from arb.view.depth import LEVELS, depths
from arb.view.summary import state_in_parts
from tests.builders import Bench

BUY_HERE = ("BTC/USDT", "gate", "okx")


def shown(bench: Bench, *wanted: tuple[str, str, str]) -> list[dict[str, Any]]:
    state = {name: value for part in depths(bench.engine, lambda: bench.now_ns, wanted) for name, value in part.items()}
    rows: list[dict[str, Any]] = state["depths"]
    return rows


def test_levels_are_the_engines_own_the_best_first_and_ten_of_each_side() -> None:
    bench = Bench()
    deep = " ".join(f"{100 + n}x{n + 1}" for n in range(20))
    bench.quote("gate", "99x1 98x2", deep)
    bench.quote("okx", "99x1", "101x1")
    [row] = shown(bench, BUY_HERE)
    gate, okx = row["books"]
    for book, venue in ((gate, "gate"), (okx, "okx")):
        for side, taker in (("asks", Side.BUY), ("bids", Side.SELL)):
            own = bench.engine.state.books.levels(venue, "BTC/USDT", taker)[:LEVELS]
            assert [(Decimal(price), Decimal(size)) for price, size in book[side]] == own
    assert len(gate["asks"]) == LEVELS and gate["age_ms"] == 0 and gate["unfit"] is None
    assert row["gross_bps"] == "-100.00" and Decimal(row["edge_bps"]) < -100 and row["plan"] is None


def test_the_plan_is_the_pair_that_the_engine_opens_where_balances_cover_it() -> None:
    bench = Bench(balances={"USDT": "100000", "BTC": "5"})
    bench.quote("gate", "99x1", "100x1 100.5x2")
    bench.quote("okx", "102x3", "103x1")
    [row] = shown(bench, BUY_HERE)
    bench.drain()
    buy, sell = bench.placed()
    assert [(Decimal(leg["size"]), Decimal(leg["limit"])) for leg in row["plan"]["legs"]] == [
        (buy.size, buy.price),
        (sell.size, sell.price),
    ]
    assert Decimal(row["plan"]["net"]) > 0


def test_a_refused_edge_names_its_reason() -> None:
    bench = Bench(balances={"USDT": "0", "BTC": "0"})
    bench.quote("gate", "99x1", "100x1")
    bench.quote("okx", "102x1", "103x1")
    bench.drain()
    [row] = shown(bench, BUY_HERE)
    assert row["plan"] is not None and row["not_taken"] == "insufficient_balance"


def test_a_book_not_fit_to_trade_names_its_reason_and_has_no_edge() -> None:
    bench = Bench()
    bench.quote("gate", "99x1", "100x1")
    [row] = shown(bench, BUY_HERE)
    assert row["books"][1]["unfit"] == "gapped_book" and row["edge_bps"] is None and row["plan"] is None


def test_routes_that_do_not_exist_are_not_shown() -> None:
    bench = Bench()
    assert shown(bench, ("BTC/USDT", "gate", "gate"), ("XRP/USDT", "gate", "okx"), ("", "x" * 60, "\x00")) == []


def test_looking_changes_no_decision() -> None:
    commands = []
    for looks in (0, 3):
        bench = Bench()
        for price in (100, 101, 99):
            bench.quote("gate", f"{price - 1}x1", f"{price}x1 {price + 1}x4")
            bench.quote("okx", "102x3 101.5x2", "103x1")
            for _ in range(looks):
                shown(bench, BUY_HERE, ("BTC/USDT", "okx", "gate"))
            bench.drain()
            bench.wait_ms(5)
        commands.append(bench.said)
    assert commands[0] == commands[1] and len(commands[0]) > 10


def test_a_state_that_nobody_asked_a_route_of_has_none() -> None:
    bench = Bench()
    assert shown(bench) == []
    assert not any("depths" in part for part in state_in_parts(bench.engine, bench.now_ns))
