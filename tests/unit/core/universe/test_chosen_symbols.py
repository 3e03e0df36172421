"""Symbols that come and leave while the engine runs, as it was chosen outside."""

from collections.abc import Iterable

import pytest

from arb.core.messages.events import SymbolsChosen
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.records import IncidentRecord
from arb.core.state.blocks import Block, Source
from arb.market.order import Side
from tests.builders import D, an_instrument
from tests.support.floor import BTC, ETH, Floor, listed, native
from tests.unit.core.books.test_books_come_and_go import dislocated, quiet
from tests.unit.core.trades.test_trade import refuse

SOL, ADA, XRP = "SOL/USDT", "ADA/USDT", "XRP/USDT"
"""Of the last two nothing is held."""


def chosen(floor: Floor, *symbols: str, dropped: Iterable[str] = (), **rules: object) -> None:
    """Let symbols come, at all venues, and others leave."""
    instruments = [
        an_instrument(venue, symbol, native_symbol=native(venue, symbol), **rules)
        for venue in floor.venues
        for symbol in symbols
    ]
    connections = {
        venue: tuple(one.native_symbol for one in instruments if one.venue == venue) for venue in floor.venues
    }
    floor.tell(SymbolsChosen(instruments=tuple(instruments), connections=connections, dropped=tuple(dropped)))


def said(floor: Floor) -> str:
    """Return what the latest incident about it says."""
    rows = [row for row in floor.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    [*_, text] = [row.text for row in rows if row.kind == IncidentKind.SYMBOLS_CHOSEN]
    return text.removeprefix("symbols were chosen again: ")


def test_a_symbol_that_comes_is_traded_once_its_books_are_there() -> None:
    floor = Floor(instruments=listed(symbols=(BTC,)), spare=2)
    quiet(floor, BTC)
    chosen(floor, SOL)
    assert said(floor) == "traded from now on: SOL/USDT"
    floor.drain()
    assert floor.placed() == [] and not floor.books.is_live("gate", SOL)
    quiet(floor, SOL)
    dislocated(floor, SOL)
    assert [(order.venue, order.symbol, order.side) for order in floor.placed()] == [
        ("gate", SOL, Side.BUY),
        ("okx", SOL, Side.SELL),
    ]


def test_one_whose_fee_is_not_known_or_that_a_venue_has_halted_is_not_traded() -> None:
    for rules in ({"taker_fee": None}, {"tradable": False}):
        floor = Floor(instruments=listed(symbols=(BTC,)), spare=2)
        chosen(floor, SOL, **rules)
        quiet(floor, BTC, SOL)
        dislocated(floor, SOL)
        assert floor.placed() == []


def test_a_symbol_that_leaves_has_no_books_any_more_and_its_rows_serve_another() -> None:
    floor = Floor(instruments=listed(symbols=(BTC, ADA)))
    quiet(floor, BTC, ADA)
    chosen(floor, XRP, dropped=[ADA])
    assert said(floor) == "traded from now on: XRP/USDT; not traded any more: ADA/USDT"
    assert not any(floor.books.has(venue, ADA) for venue in floor.venues)
    quiet(floor, XRP)
    assert all(floor.books.is_live(venue, XRP) for venue in floor.venues)


def test_one_that_left_may_come_back_by_other_rules() -> None:
    floor = Floor(instruments=listed(symbols=(BTC, ADA)))
    chosen(floor, dropped=[ADA])
    chosen(floor, ADA, tick=D("0.001"), lot=D("0.00001"))
    quiet(floor, ADA)
    assert floor.books.mid("gate", ADA) == D("99.95")
    assert said(floor) == "traded from now on: ADA/USDT"


def test_what_is_there_already_changes_nothing() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    chosen(floor, BTC, dropped=["GONE/USDT"])
    assert said(floor) == "nothing changes"
    assert floor.books.is_live("gate", BTC)


def test_where_there_is_no_room_a_symbol_is_left_out_and_named() -> None:
    floor = Floor(instruments=listed(symbols=(BTC,)), spare=2)
    chosen(floor, SOL, XRP)
    assert said(floor) == "traded from now on: SOL/USDT; not traded, as there is no room: XRP/USDT"


def test_the_room_of_a_venue_that_may_still_come_is_not_taken() -> None:
    floor = Floor(instruments=listed(symbols=(BTC,)), spare=2)
    floor.engine.state.venues["okx"].block(Source.ABSENT, "down for maintenance")
    chosen(floor, SOL)
    assert said(floor) == "not traded, as there is no room: SOL/USDT"


def test_a_symbol_of_which_base_is_held_does_not_leave() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    chosen(floor, dropped=[ETH])
    assert said(floor) == "kept: ETH/USDT (200000 ETH is held)"
    assert floor.books.is_live("gate", ETH)


def test_dust_may_be_held_and_what_nobody_can_value_may_not() -> None:
    floor = Floor(instruments=listed(symbols=(BTC, ADA)))
    floor.engine.state.inventory.restore_basis("gate", {"ADA": D("0.01")}, floor.now_ns)
    quiet(floor, BTC)
    assert floor.engine.chosen.holding(ADA) == "0.01 ADA is held"
    quiet(floor, ADA)  # 1 USDT
    assert floor.engine.chosen.holding(ADA) is None


def test_a_symbol_whose_pair_is_open_or_left_something_does_not_leave() -> None:
    floor = Floor()
    quiet(floor, BTC, ETH)
    dislocated(floor, ETH)
    chosen(floor, dropped=[ETH])
    assert said(floor) == "kept: ETH/USDT (a pair is open)"
    buy, sell = floor.placed()
    refuse(floor, buy)
    refuse(floor, sell)
    assert floor.engine.chosen.holding(ETH) == "200000 ETH is held"


@pytest.mark.parametrize("where", ["lost", "frozen"])
def test_a_symbol_in_which_an_order_is_not_settled_does_not_leave(where: str) -> None:
    floor = Floor(instruments=listed(symbols=(BTC, ADA)))
    if where == "lost":
        floor.engine.state.blocks.put(Block(Source.LOST, "okx", ADA))
    else:
        floor.engine.state.blocks.put(Block(Source.FROZEN, "okx", ADA, key="arb1"))
    chosen(floor, dropped=[ADA])
    assert said(floor) == "kept: ADA/USDT (an order is not settled)"


def test_the_asset_that_fees_are_paid_in_does_not_leave() -> None:
    rules = listed(symbols=(BTC,)) + [
        an_instrument(venue, ADA, native_symbol=native(venue, ADA), fee_asset="ADA", fee_asset_taker=D("0.001"))
        for venue in ("gate", "okx")
    ]
    floor = Floor(instruments=rules)
    chosen(floor, dropped=[ADA])
    assert said(floor) == "kept: ADA/USDT (fees are paid in ADA)"


def test_of_many_symbols_some_are_named_and_the_others_counted() -> None:
    floor = Floor(instruments=listed(symbols=(BTC,)), spare=60)
    chosen(floor, *(f"C{number}/USDT" for number in range(25)))
    assert said(floor).endswith("C19/USDT and 5 more")
