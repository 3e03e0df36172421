"""Configured symbols that cannot be traded are named at the start, with the nearest name; a silent venue may list anything."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arb.core.messages.commands import Persist
from arb.core.messages.events import TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.records import IncidentRecord
from arb.errors import EXIT_OK, ConfigError
from arb.live.untraded import untraded
from tests.builders import SYMBOL, an_instrument
from tests.unit.live.test_arrival import a_bench, five_minutes
from tests.unit.live.test_node import Bench, at_once

ALL = ("gate", "okx", "bitget")
BTC, ETH, USTD, ODD = ["BTC/USDT"], ["ETH/USDT"], ["BTC/USTD"], ["XYZ/QQQ"]


def texts(
    symbols: dict[str, list[str]], listed: dict[str, list[str]], *, suspended: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """Return what is said of `symbols` by venue, of the venues that answer with what is `listed`."""
    known = [
        an_instrument(venue, symbol, tradable=(venue, symbol) not in suspended)
        for venue, mine in listed.items()
        for symbol in mine
    ]
    return [found.text for found in untraded(symbols, listed, known)]


def test_of_symbols_that_two_venues_list_nothing_is_said() -> None:
    assert texts(dict.fromkeys(ALL, BTC), {"gate": BTC, "okx": BTC, "bitget": ETH}) == []


def test_a_symbol_that_no_venue_lists_is_named_with_the_nearest_that_two_list() -> None:
    listed = {"gate": ["BTC/USDT", "BTC/USTX"], "okx": BTC, "bitget": ["BTC/USDT", "ETH/USDT"]}
    assert texts(dict.fromkeys(ALL, USTD), listed) == [
        "BTC/USTD: gate, okx and bitget list no such symbol: it is not traded: did you mean 'BTC/USDT'?"
    ]


def test_base_and_quote_must_both_be_near() -> None:
    (text,) = texts(dict.fromkeys(ALL, BTC), dict.fromkeys(ALL, ETH))
    assert text.endswith("it is not traded")


def test_a_name_in_a_listing_that_is_no_symbol_is_passed_over() -> None:
    odd = {venue: ["BTC/USDT"] for venue in ALL} | {"okx": ["BTC/USDT", "BTC USTD", "/", "BTC/"]}
    symbols = dict.fromkeys(ALL, USTD)
    assert next(found.text for found in untraded(symbols, odd, ())).endswith("did you mean 'BTC/USDT'?")


@given(
    symbol=st.from_regex(r"[A-D]{1,5}/[S-V]{1,4}", fullmatch=True),
    name=st.from_regex(r"[A-D]{1,5}/[S-V]{1,4}", fullmatch=True),
)
def test_whatever_is_listed_a_symbol_that_is_not_is_named(symbol: str, name: str) -> None:
    assume(symbol != name)
    (found,) = untraded({"gate": [symbol], "okx": [symbol]}, {"gate": [name], "okx": [name]}, ())
    assert found.text.startswith(f"{symbol}: gate and okx list no such symbol: it is not traded")


def test_where_no_name_is_near_none_is_proposed() -> None:
    assert texts(dict.fromkeys(ALL, ODD), dict.fromkeys(ALL, BTC)) == [
        "XYZ/QQQ: gate, okx and bitget list no such symbol: it is not traded"
    ]


def test_a_symbol_that_one_venue_lists_has_no_second_leg() -> None:
    assert texts(dict.fromkeys(ALL, ETH), {"gate": ETH, "okx": BTC, "bitget": BTC}) == [
        "ETH/USDT is listed only at gate, not at okx and bitget: a pair needs two venues, so it is not traded"
    ]


def test_a_symbol_that_the_settings_allow_at_one_venue_alone_is_named_too() -> None:
    assert texts({"gate": ETH, "okx": BTC, "bitget": BTC}, dict.fromkeys(ALL, BTC + ETH)) == [
        "ETH/USDT may be traded only at gate ([venues] symbols): a pair needs two venues, so it is not traded"
    ]


def test_a_suspended_symbol_is_named_with_its_venue() -> None:
    assert texts(dict.fromkeys(ALL, BTC), dict.fromkeys(ALL, BTC), suspended=[("okx", "BTC/USDT")]) == [
        "BTC/USDT is listed at okx and suspended there: nothing opens in it there until the venue trades it"
    ]


@pytest.mark.parametrize("listed", [{}, {"gate": ETH}, {"gate": BTC}, {"gate": BTC, "okx": ETH}])
def test_what_a_silent_venue_could_decide_is_left_open(listed: dict[str, list[str]]) -> None:
    assert texts(dict.fromkeys(ALL, BTC), listed) == []


def test_a_silent_venue_that_would_be_the_only_one_decides_nothing() -> None:
    (text,) = texts(dict.fromkeys(ALL, BTC), {"gate": ETH, "okx": ETH})
    assert text == (
        "BTC/USDT: gate and okx list no such symbol (bitget does not answer, and would be the only one): it is not traded"
    )


# In a run.


def named(bench: Bench) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in bench.events() if isinstance(event, TroubleReported)]


def test_a_start_raises_an_incident_for_each_and_trades_the_others() -> None:
    bench = Bench(symbols=dict.fromkeys(("gate", "okx"), (SYMBOL, "BTX/USDT")))
    assert bench.run(at_once) == EXIT_OK
    text = "BTX/USDT: gate and okx list no such symbol: it is not traded: did you mean 'BTC/USDT'?"
    assert named(bench) == [("unlisted", text)]
    records = [entry.message.record for entry in bench.journal.reader().entries() if isinstance(entry.message, Persist)]
    incidents = [record for record in records if isinstance(record, IncidentRecord)]
    assert [(incident.kind, incident.text) for incident in incidents] == [(IncidentKind.UNLISTED, text)]


def test_a_start_with_nothing_to_trade_ends_with_what_may_have_been_meant() -> None:
    with pytest.raises(ConfigError) as ended:
        Bench(symbols=dict.fromkeys(("gate", "okx"), ("BTC/USTD",))).run(at_once)
    assert str(ended.value) == (
        "[run] symbols: no symbol is listed at two enabled venues: choose others: BTC/USTD: gate and okx list no such symbol: "
        "it is not traded: did you mean 'BTC/USDT'?"
    )


def test_a_symbol_is_named_once_and_as_soon_as_no_venue_that_is_silent_could_change_it() -> None:
    symbols = dict.fromkeys(("gate", "okx"), (SYMBOL, "ETH/USDT", "BTX/USDT"))
    bench, _ = a_bench(0, 100, waits_for_venues=True, symbols=symbols)
    bench.sources["gate"].listed = frozenset((SYMBOL, "ETH/USDT"))
    assert bench.run(five_minutes) == EXIT_OK
    waits = "(okx does not answer, and would be the only one)"
    assert [text for _, text in named(bench)] == [
        f"BTX/USDT: gate lists no such symbol {waits}: it is not traded: did you mean 'BTC/USDT'?",
        "ETH/USDT is listed only at gate, not at okx: a pair needs two venues, so it is not traded",
    ]


def test_the_whole_listing_is_what_a_name_is_looked_for_in() -> None:
    bench = Bench(symbols=dict.fromkeys(("gate", "okx"), (SYMBOL, "SOLL/USDT")))
    for source in bench.sources.values():
        source.listed = frozenset((SYMBOL, "SOL/USDT"))
    bench.run(at_once)
    assert named(bench)[0][1].endswith("did you mean 'SOL/USDT'?")
