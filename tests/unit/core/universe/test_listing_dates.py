"""What a listing announces, and what it no longer holds: nothing opens on rules that go, and open pairs are finished."""

from typing import Any

import msgspec
import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import SetTimer
from arb.core.messages.events import InstrumentListed, InstrumentUnlisted, TimerFired
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from arb.core.state.blocks import Source
from arb.market.instrument import OPENS_MARGIN_S
from tests.builders import D
from tests.support.floor import BTC, ETH, Floor
from tests.unit.core.trades.test_trade import accept, fill, refuse

HOUR_S = 3600


def open_floor() -> Floor:
    floor = Floor()
    for venue in floor.venues:
        for symbol in (BTC, ETH):
            floor.whole(venue, symbol, "99.9x5", "100x5")
    return floor


def list_anew(floor: Floor, venue: str, symbol: str = BTC, **rules: Any) -> None:
    before = floor.engine.state.instruments[venue, symbol]
    floor.tell(InstrumentListed(instrument=msgspec.structs.replace(before, **rules)))


def wait_s(floor: Floor, seconds: float) -> None:
    """Let time pass; the timers of rules that come due fire at their instants."""
    until_ns = floor.now_ns + int(seconds * NS_PER_S)
    timers = [c for c in floor.said if isinstance(c, SetTimer) and c.timer.startswith("rules:")]
    for timer in sorted(timers, key=lambda c: c.at_ns):
        if floor.now_ns < timer.at_ns <= until_ns:
            floor.now_ns = timer.at_ns
            floor.tell(TimerFired(timer=timer.timer))
    floor.now_ns = until_ns


def opens(floor: Floor, symbol: str = BTC) -> bool:
    """Show an edge on fresh books for a moment; return whether a pair opened, and let it end with nothing filled."""
    before = len(floor.placed())
    floor.wait_ms(2000)
    floor.whole("gate", symbol, "99.9x5", "100x5")
    floor.whole("okx", symbol, "101.3x5", "102x5")
    floor.drain()
    placed = floor.placed()[before:]
    for order in placed:
        accept(floor, order, "0")
    floor.whole("okx", symbol, "99.9x5", "100x5")
    floor.drain()
    return bool(placed)


def incidents(floor: Floor) -> list[str]:
    """Return the texts of the incidents about rules."""
    return [
        row.text
        for row in floor.rows(IncidentRecord)
        if isinstance(row, IncidentRecord) and row.kind == "rules_changed"
    ]


# Suspended.


def test_a_symbol_that_a_venue_suspends_is_named_and_named_again_when_it_trades() -> None:
    floor = open_floor()
    list_anew(floor, "okx", tradable=False)
    assert not opens(floor)
    list_anew(floor, "okx", tradable=False, min_size=D("0.002"))
    [suspended] = incidents(floor)
    assert suspended == f"{BTC} at okx is not open for trading any more: nothing opens there until it is"
    list_anew(floor, "okx", tradable=True)
    assert opens(floor)
    assert incidents(floor)[1:] == [f"{BTC} at okx is open for trading again"]


# The end of trade.


def test_a_symbol_opens_until_an_hour_before_its_trade_ends_and_not_after_that() -> None:
    floor = open_floor()
    list_anew(floor, "okx", ends_ns=floor.now_ns + (HOUR_S + 60) * NS_PER_S)
    assert opens(floor)
    wait_s(floor, 60)
    assert not opens(floor)
    assert opens(floor, ETH)
    wait_s(floor, 2 * HOUR_S)
    assert not opens(floor)


def test_a_date_that_is_taken_back_lets_the_symbol_open_again() -> None:
    floor = open_floor()
    list_anew(floor, "gate", ends_ns=floor.now_ns + 60 * NS_PER_S)
    assert not opens(floor) and floor.not_taken() == {Reason.INSTRUMENT_HALTED: 1}
    list_anew(floor, "gate", ends_ns=None)
    assert opens(floor)


def test_the_announcement_is_an_incident_once_with_the_instant_in_utc() -> None:
    floor = open_floor()
    ends_ns = 1_800_000_000 * NS_PER_S
    list_anew(floor, "gate", ends_ns=ends_ns)
    list_anew(floor, "gate", min_size=D(1))
    (text,) = incidents(floor)
    assert text.startswith(
        "BTC/USDT at gate stops trading at 2027-01-15 08:00:00 UTC: nothing opens there from 60 minutes before"
    )


def test_a_pair_that_is_open_when_its_symbol_ends_is_repaired() -> None:
    floor = open_floor()
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    buy, sell = floor.placed()
    list_anew(floor, "gate", ends_ns=floor.now_ns + NS_PER_S)
    accept(floor, buy, str(buy.size))
    fill(floor, buy, str(buy.size))
    refuse(floor, sell)
    floor.wait_ms(10)
    for venue in floor.venues:
        floor.whole(venue, BTC, "99.95x5", "100.2x5")
    floor.drain()
    assert len(floor.placed()) == 3


# The start of trade.


def test_a_symbol_opens_ten_seconds_after_its_trade_has_begun_and_not_before() -> None:
    floor = open_floor()
    list_anew(floor, "gate", opens_ns=floor.now_ns + 60 * NS_PER_S)
    assert not opens(floor) and floor.not_taken() == {Reason.INSTRUMENT_HALTED: 1}
    assert opens(floor, ETH)
    wait_s(floor, 60)
    assert not opens(floor)
    wait_s(floor, 10)
    assert opens(floor)
    (text,) = incidents(floor)
    assert text.startswith("BTC/USDT at gate opens at ")


@pytest.mark.parametrize("venue", ["gate", "okx"])
def test_an_edge_that_stands_when_trade_begins_is_taken_without_another_frame(venue: str) -> None:
    floor = open_floor()
    opens_ns = floor.now_ns + NS_PER_S - OPENS_MARGIN_S * NS_PER_S
    list_anew(floor, venue, opens_ns=opens_ns)
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    assert not floor.placed()
    [due_ns] = [c.at_ns for c in floor.said if isinstance(c, SetTimer) and c.timer == "episodes"]
    assert due_ns == opens_ns + OPENS_MARGIN_S * NS_PER_S
    floor.now_ns = due_ns
    floor.tell(TimerFired(timer="episodes"))
    floor.drain()
    assert len(floor.placed()) == 2


@pytest.mark.parametrize("begun", [True, False])
def test_no_repair_is_sent_to_a_market_that_has_not_begun(begun: bool) -> None:
    floor = open_floor()
    floor.whole("okx", BTC, "101.3x5", "102x5")
    floor.drain()
    buy, sell = floor.placed()
    list_anew(floor, "okx", opens_ns=floor.now_ns + (-1 if begun else 1) * HOUR_S * NS_PER_S)
    accept(floor, buy, str(buy.size))
    fill(floor, buy, str(buy.size))
    refuse(floor, sell)
    floor.wait_ms(10)
    for venue in ("gate", "okx", "gate"):
        floor.whole(venue, BTC, "99.95x5", "100.2x5")
        floor.drain()
    assert [order.venue for order in floor.placed()[2:]] == (["okx"] if begun else [])


# A change of rules.


def change_in(floor: Floor, seconds: int, **rules: Any) -> int:
    """Let OKX announce a change; return its instant."""
    at_ns = floor.now_ns + seconds * NS_PER_S
    list_anew(floor, "okx", changes_ns=(floor.now_ns - HOUR_S * NS_PER_S, at_ns, at_ns + HOUR_S * NS_PER_S), **rules)
    return at_ns


def test_nothing_opens_from_ten_seconds_before_a_change_until_the_listing_was_read_after_it() -> None:
    floor = open_floor()
    at_ns = change_in(floor, 60)
    assert opens(floor) and not floor.engine.state.names_blocked("okx", Source.RULES)
    wait_s(floor, 49)
    assert not opens(floor) and floor.engine.state.names_blocked("okx", Source.RULES) == [BTC]
    assert opens(floor, ETH)
    list_anew(floor, "okx")  # read before the change
    assert not opens(floor)
    floor.now_ns = at_ns + 1999 * NS_PER_MS
    list_anew(floor, "okx")  # it may have been answered before it
    assert not opens(floor)
    floor.now_ns = at_ns + 10 * NS_PER_S
    assert not opens(floor)
    list_anew(floor, "okx", tick=D("0.5"))
    assert opens(floor) and floor.placed()[-1].price % D("0.5") == 0


def test_the_change_after_a_change_is_waited_for_too_and_past_ones_are_not() -> None:
    floor = open_floor()
    change_in(floor, 60)
    wait_s(floor, 63)
    list_anew(floor, "okx")
    assert opens(floor)
    wait_s(floor, HOUR_S - 15)
    assert not opens(floor)
    list_anew(floor, "okx", changes_ns=(floor.now_ns - 3 * NS_PER_S,))
    assert opens(floor)


def test_a_listing_that_is_first_read_at_the_time_of_a_change_is_waited_for_at_once() -> None:
    floor = open_floor()
    change_in(floor, 5)
    assert not opens(floor) and floor.engine.state.names_blocked("okx", Source.RULES) == [BTC]


# A symbol that the listing no longer holds.


@pytest.mark.parametrize("venue", ["gate", "okx"])
def test_a_symbol_that_left_the_listing_opens_nothing_until_it_is_back(venue: str) -> None:
    floor = open_floor()
    floor.tell(InstrumentUnlisted(venue=venue, symbol=BTC))
    assert not opens(floor) and floor.not_taken() == {Reason.INSTRUMENT_HALTED: 1}
    assert opens(floor, ETH)
    assert floor.engine.state.names_blocked(venue, Source.RULES) == [BTC]
    (text,) = incidents(floor)
    assert text.startswith(f"BTC/USDT at {venue}: the venue's listing holds it no more")
    list_anew(floor, venue)
    assert opens(floor)
