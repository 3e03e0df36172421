"""A tick or a lot that changes while the engine runs: that symbol's books and terms follow, and nothing else."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import InstrumentListed, VenueListed
from arb.core.messages.records import IncidentRecord
from arb.core.state.blocks import Source
from arb.market.order import Side
from arb.market.scale import Scale
from tests.builders import D, a_refusal
from tests.support.floor import BTC, ETH, Floor
from tests.unit.core.trades.test_trade import accept, fill, refuse


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


def test_what_a_venue_lists_at_a_start_counts_for_each_instrument() -> None:
    floor = open_floor()
    known = floor.engine.state.instruments
    listed = (
        msgspec.structs.replace(known["gate", BTC], tick=D("0.00001")),
        msgspec.structs.replace(known["gate", ETH], min_size=D(7)),
    )
    floor.tell(VenueListed(venue="gate", instruments=listed))
    assert (known["gate", BTC], known["gate", ETH]) == listed
    assert floor.books.scales[BTC].price_exp == 7


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
    assert [(block.at, block.name) for block in floor.engine.state.blocks.of(Source.STOPPED)] == [("gate", BTC)]
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


def refuse_for_steps(floor: Floor, order: PlaceOrder) -> None:
    floor.tell(a_refusal(order, "51121", at_ns=floor.now_ns, off_steps=True))


def dislocate(floor: Floor, symbol: str) -> None:
    """Show an edge on fresh books; it is gone with the next whole book of OKX."""
    floor.wait_ms(2000)
    floor.whole("gate", symbol, "99.9x5", "100x5")
    floor.whole("okx", symbol, "101.3x5", "102x5")
    floor.drain()


def refused_pair(floor: Floor) -> None:
    """Open a pair of which OKX refuses its leg for its steps, and let the other leg end empty: nothing is left to repair."""
    dislocate(floor, BTC)
    buy, sell = floor.placed()
    refuse_for_steps(floor, sell)
    accept(floor, buy, "0")
    floor.whole("okx", BTC, "99.9x5", "100x5")
    floor.drain()
    floor.end_episodes()
    assert floor.engine.wants_drain is False


def test_nothing_opens_where_an_order_was_off_the_steps_until_the_listing_is_read_and_elsewhere_it_does() -> None:
    floor = open_floor()
    refused_pair(floor)
    dislocate(floor, BTC)
    assert len(floor.placed()) == 2 and floor.not_taken().get("instrument_halted", 0) == 1
    assert [row.text.split(":")[0] for row in floor.rows(IncidentRecord) if row.kind == "rules_changed"] == [
        "BTC/USDT at okx"
    ]
    dislocate(floor, ETH)
    assert [order.symbol for order in floor.placed()] == [BTC, BTC, ETH, ETH]
    assert floor.engine.state.names_blocked("okx", Source.RULES) == [BTC] and not floor.engine.state.names_blocked(
        "gate", Source.RULES
    )


@pytest.mark.parametrize("lot", ["0.001", "0.5"])
def test_the_listing_read_again_opens_the_symbol_on_its_steps_be_they_as_before_or_not(lot: str) -> None:
    floor = open_floor()
    refused_pair(floor)
    list_anew(floor, "okx", BTC, lot=D(lot))
    assert not floor.engine.state.names_blocked("okx", Source.RULES)
    dislocate(floor, BTC)
    sell = floor.placed()[-1]
    assert len(floor.placed()) == 4 and (sell.venue, sell.size % D(lot)) == ("okx", D(0))


def test_the_listing_of_another_venue_or_symbol_opens_nothing() -> None:
    floor = open_floor()
    refused_pair(floor)
    list_anew(floor, "gate", BTC, lot=D("0.5"))
    list_anew(floor, "okx", ETH, lot=D("0.5"))
    dislocate(floor, BTC)
    assert len(floor.placed()) == 2 and floor.not_taken().get("instrument_halted", 0) == 1


def test_a_repair_goes_on_where_its_symbol_waits_for_its_rules() -> None:
    floor = open_floor()
    dislocate(floor, BTC)
    buy, sell = floor.placed()
    accept(floor, buy, str(buy.size))
    fill(floor, buy, str(buy.size))
    refuse_for_steps(floor, sell)
    floor.wait_ms(10)
    floor.whole("gate", BTC, "99.9x5", "100x5")
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    repair = floor.placed()[2]
    assert repair.side is Side.SELL and repair.role is not buy.role
