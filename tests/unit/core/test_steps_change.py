"""A tick or a lot that changes while the engine runs: that symbol's books and terms follow, and nothing else."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.core.events import InstrumentListed
from arb.core.records import IncidentRecord
from arb.market.order import Side
from arb.market.scale import Scale
from tests.builders import D
from tests.support.floor import BTC, ETH, Floor
from tests.unit.core.pairs.test_pair import accept, fill, refuse


def open_floor() -> Floor:
    floor = Floor()
    for venue in floor.venues:
        for symbol in (BTC, ETH):
            floor.whole(venue, symbol, "99.9x5", "100x5")
    return floor


def list_anew(floor: Floor, venue: str, symbol: str, **rules: Any) -> None:
    before = floor.engine.state.instruments[venue, symbol]
    floor.tell(InstrumentListed(instrument=msgspec.structs.replace(before, **rules)))


def words_of(floor: Floor, symbol: str) -> list[list[int]]:
    return [floor.arena.block[floor.books.rows[venue, symbol]].tolist() for venue in floor.venues]


def test_a_finer_step_puts_the_books_of_its_symbol_on_a_finer_scale_and_leaves_the_others() -> None:
    floor = open_floor()
    others, before = words_of(floor, ETH), floor.books.scales[BTC]
    list_anew(floor, "gate", BTC, tick=D("0.00001"), lot=D("0.0000001"))
    assert floor.books.scales[BTC] == Scale(7, 8) != before
    assert floor.books.scales[ETH] == before and words_of(floor, ETH) == others
    for venue in floor.venues:
        assert floor.books.is_live(venue, BTC)  # no resync: books are exact, so they only change their unit
        assert floor.books.levels(venue, BTC, Side.BUY) == [(D(100), D(5))]
        assert floor.books.levels(venue, BTC, Side.SELL) == [(D("99.9"), D(5))]
    assert floor.change("gate", BTC, "", "100x0 100.00001x3").error is None
    assert floor.books.levels("gate", BTC, Side.BUY) == [(D("100.00001"), D(3))]


def test_a_step_that_the_scale_holds_already_changes_terms_and_no_scale() -> None:
    floor = open_floor()
    before = floor.books.scales[BTC]
    list_anew(floor, "gate", BTC, tick=D("0.5"))
    list_anew(floor, "okx", BTC, tick=D("0.5"))
    assert floor.books.scales[BTC] == before
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    assert [(order.venue, order.price % D("0.5")) for order in floor.placed()] == [("gate", D(0)), ("okx", D(0))]


def test_a_change_of_steps_is_an_incident_that_names_old_and_new() -> None:
    floor = open_floor()
    list_anew(floor, "gate", BTC, lot=D("0.05"))
    (row,) = floor.rows(IncidentRecord)
    assert isinstance(row, IncidentRecord)
    assert (row.kind, row.venue) == ("rules_changed", "gate")
    assert "lot 0.05 (was 0.001)" in row.text
    list_anew(floor, "gate", BTC, min_size=D(1))
    assert len(floor.rows(IncidentRecord)) == 1  # another rule is no change of steps


def test_a_step_too_fine_for_64_bits_stops_the_symbol_at_that_venue_alone() -> None:
    floor = open_floor()
    before = floor.books.scales[BTC]
    list_anew(floor, "gate", BTC, tick=Decimal("1e-15"))
    assert floor.books.scales[BTC] == before
    assert ("gate", BTC) in floor.engine.state.stopped and ("okx", BTC) not in floor.engine.state.stopped
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    assert not floor.placed()


@pytest.mark.parametrize("steps", [("0.00001", "0.0000001"), ("0.5", "0.1")])
def test_an_open_pair_is_repaired_on_the_new_steps(steps: tuple[str, str]) -> None:
    floor = open_floor()
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    buy, sell = floor.placed()
    for venue in floor.venues:
        list_anew(floor, venue, BTC, tick=D(steps[0]), lot=D(steps[1]))
    bought = str(buy.size)
    accept(floor, buy, bought)
    fill(floor, buy, bought)
    refuse(floor, sell)
    for venue in floor.venues:
        floor.wait_ms(10)
        floor.whole(venue, BTC, "99.95123x5", "100.2x5")
    floor.drain()
    repairs = floor.placed()[2:]
    assert repairs
    for order in repairs:
        assert order.price % D(steps[0]) == 0 and order.size % D(steps[1]) == 0
