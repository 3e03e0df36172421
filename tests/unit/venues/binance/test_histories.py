"""Binance's histories, at most a day and a thousand rows in one answer: read without a hole, or not at all."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import VenueProtocolError
from arb.venues.binance.trade import BinanceTrade
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import DAY_MS
from tests.unit.venues.binance.test_trade import NOW_MS, a_dialect


class Ledger:
    """A venue's list of rows by their milliseconds; a full page holds the first rows of its span, or the last."""

    def __init__(self, made_ms: list[int], *, newest: bool) -> None:
        self.rows = [{"id": number, "time": instant} for number, instant in enumerate(sorted(made_ms))]
        self.newest = newest

    def answer(self, call: Call) -> list[dict[str, int]]:
        first, last = call.params["startTime"], call.params["endTime"]
        assert 0 < last - first <= DAY_MS and call.params["limit"] == 1000
        found = [row for row in self.rows if first <= row["time"] <= last]
        return found[-1000:] if self.newest else found[:1000]


def read_all(ledger: Ledger, since_ms: int) -> set[int]:
    pages = a_dialect().ended_orders("BTC/USDT", since_ms, NOW_MS)
    call: Call | None = pages.first
    seen: set[int] = set()
    for _ in range(300):
        if call is None:
            return seen
        body = ledger.answer(call)
        seen |= {row["id"] for row in pages.rows(body)}
        call = pages.following(call, body)
    raise AssertionError("it does not end")


@given(
    days=st.integers(0, 5),
    crowded=st.integers(0, 5),
    count=st.integers(0, 2500),
    newest=st.booleans(),
    gap_ms=st.integers(1, 1500),
)
def test_a_history_is_read_day_by_day_without_a_hole_whichever_rows_a_full_page_holds(
    days: int, crowded: int, count: int, newest: bool, gap_ms: int
) -> None:
    since_ms = NOW_MS - days * DAY_MS
    crowded_ms = NOW_MS - min(crowded, days) * DAY_MS
    made_ms = [crowded_ms + number * gap_ms for number in range(count)]
    made_ms = [instant for instant in [*made_ms, since_ms, NOW_MS] if instant <= NOW_MS]
    assert read_all(Ledger(made_ms, newest=newest), since_ms) == set(range(len(made_ms)))


def test_more_rows_in_an_instant_than_a_page_holds_are_not_passed_over() -> None:
    with pytest.raises(VenueProtocolError, match="more than 1000 rows"):
        read_all(Ledger([NOW_MS - 1000] * 1001, newest=False), NOW_MS - DAY_MS)


@pytest.mark.parametrize("ask", [BinanceTrade.ended_orders, BinanceTrade.fills])
def test_histories_of_all_symbols_together_are_refused_before_anything_is_asked(ask: Any) -> None:
    rest = () if ask is BinanceTrade.ended_orders else (None,)
    with pytest.raises(VenueProtocolError, match="by symbol only"):
        ask(a_dialect(), None, 0, *rest)


def test_the_trades_of_one_order_follow_one_another_by_number() -> None:
    pages = a_dialect().fills("BTC/USDT", 0, "28", NOW_MS)
    assert pages.first.params == {"symbol": "BTCUSDT", "orderId": "28", "limit": 1000}
    following = pages.following(pages.first, [{"id": number} for number in range(1000)])
    assert following is not None and following.params == {**pages.first.params, "fromId": 1000}
    assert pages.following(following, [{"id": 1000}]) is None


def test_a_list_that_is_not_there_proves_no_absence() -> None:
    pages = a_dialect().open_orders(None)
    bodies: list[Any] = [{}, None, {"rows": []}]
    for body in bodies:
        with pytest.raises(VenueProtocolError, match="not a list"):
            pages.rows(body)


def test_an_order_that_is_not_found_is_no_order_and_an_archived_one_neither() -> None:
    assert a_dialect().not_found == {"-2013", "-2026"}
