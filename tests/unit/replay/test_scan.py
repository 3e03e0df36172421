"""`arb scan`: every ordered pair of venues once, the best first; bad input is one line that helps."""

import copy
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.errors import ConfigError
from arb.replay.scan import parse_scan_input, scan, scan_file
from tests.unit.core.pricing import spread_oracle as oracle

VENUE: dict[str, Any] = {
    "bids": [["100", "1"]],
    "asks": [["100.5", "1"]],
    "taker_fee": "0.001",
    "buy_fee_in": "quote",
    "lot": "0.01",
    "tick": "0.1",
    "min_size": "0.01",
    "min_notional": "1",
    "balances": {"BTC": "2", "USDT": "1000"},
}


def venue(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(VENUE), **changes}


def document(**venues: dict[str, Any]) -> dict[str, Any]:
    return {"symbol": "BTC/USDT", "limits": {}, "venues": venues}


def run(given: Any) -> dict[str, Any]:
    return scan(parse_scan_input(json.dumps(given).encode(), "books.json"))


def complaint(given: Any) -> str:
    raw = given if isinstance(given, bytes) else json.dumps(given).encode()
    with pytest.raises(ConfigError) as caught:
        parse_scan_input(raw, "books.json")
    text = str(caught.value)
    assert text.startswith("scan input books.json: ")
    assert "\n" not in text
    return text


# Bad input.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"bids": [["100", "1"], ["101", "1"]]},
            "bids[1]: price 101 is out of order: sort bids from highest",
        ),
        ({"asks": [["101", "1"], ["100.5", "1"]]}, "asks[1]: price 100.5 is out of order: sort asks from lowest"),
        ({"bids": [["100", "1"], ["100.0", "2"]]}, "bids[1]: price 100.0 appears twice"),
        ({"asks": [["0", "1"]]}, "asks[0]: price 0 is not above 0"),
        ({"asks": [["-1", "1"]]}, "asks[0]: price -1 is not above 0"),
        ({"asks": [["100", "0"]]}, "asks[0]: size 0 is not above 0"),
        ({"asks": [["100"]]}, "asks[0]"),
        ({"asks": {"100": "1"}}, "asks: not a list"),
        ({"asks": [["100", "one"]]}, "'one' is no number"),
        ({"asks": [["100", True]]}, "True is no number"),
        ({"asks": [["1e400000", 1]]}, "too many digits"),
        ({"asks": [["1_0", 1]]}, "is no number"),
        ({"lot": "0"}, "venues.a.lot: 0 is not above 0"),
        ({"tick": "-0.1"}, "venues.a.tick: -0.1 is not above 0"),
        ({"min_size": "-1"}, "venues.a.min_size: -1 is negative"),
        ({"min_notional": -1}, "venues.a.min_notional: -1 is negative"),
        ({"max_size": "-1"}, "venues.a.max_size: -1 is negative"),
        ({"price_band": -1}, "venues.a.price_band: -1 is negative"),
        ({"balances": {"BTC": "-1"}}, "venues.a.balances.BTC: -1 is negative"),
        ({"balances": {"BTX": "1"}}, "unknown key 'BTX': did you mean 'BTC'?"),
        ({"balances": []}, "venues.a.balances: [] is no object"),
        ({"taker_fee": "0.0501"}, "venues.a.taker_fee: 0.0501 is out of range"),
        ({"taker_fee": "-0.0101"}, "venues.a.taker_fee: -0.0101 is out of range"),
        ({"buy_fee_in": "points"}, "venues.a.buy_fee_in: 'points' is not known"),
        ({"takerfee": "0.001"}, "unknown key 'takerfee': did you mean 'taker_fee'?"),
    ],
)
def test_bad_venue_is_refused_with_what_where_and_how_to_mend(changes: dict[str, Any], said: str) -> None:
    assert said in complaint(document(a=venue(**changes)))


@pytest.mark.parametrize("name", ["bids", "asks", "taker_fee", "buy_fee_in", "lot", "tick"])
def test_missing_rule_of_a_venue_is_refused_rather_than_guessed(name: str) -> None:
    lacking = venue()
    del lacking[name]
    assert f"venues.a: {name!r} is missing" in complaint(document(a=lacking))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"symbol": NaN}', "NaN is no number"),
        (b'{"symbol": "A/B", "symbol": "C/D"}', "key 'symbol' is given twice"),
        (b"[" * 100_000, "not valid JSON"),
        ([], "top level: [] is no object"),
        ({"symbol": "BTC/USDT"}, "'venues' is missing"),
        *(
            ({"symbol": given, "venues": {}}, f"symbol: {given!r} is no symbol: write BASE/QUOTE, for example")
            for given in (
                "BTCUSDT",
                "/USDT",
                "BTC/",
                "BTC/USDT/ETH",
                "BTC/BTC",
                "",
                None,
                ["BTC/USDT"],
                "BTC/USDT:USDT",
            )
        ),
        ({"symbol": "BTC/USDT", "venues": []}, "venues: not an object"),
        ({"symbol": "BTC/USDT", "venues": {}, "limit": {}}, "unknown key 'limit': did you mean 'limits'?"),
        ({"symbol": "BTC/USDT", "venues": {}, "limits": {"min_nett": "1"}}, "did you mean 'min_net'?"),
        ({"symbol": "BTC/USDT", "venues": {}, "limits": {"min_net": "-1"}}, "limits.min_net: -1 is negative"),
    ],
)
def test_bad_document_is_refused(given: Any, said: str) -> None:
    assert said in complaint(given)


def test_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        scan_file(tmp_path / "none.json")


# What comes out.


def test_profitable_pair_is_shown_in_plain_decimals_and_its_reverse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "books.json"
    cheap, dear = venue(), venue(bids=[["110", "1"]], asks=[["111", "1"]])
    path.write_text(json.dumps(document(cheap=cheap, dear=dear)))
    assert scan_file(path) == {
        "opportunities": [
            {
                "buy": "cheap",
                "sell": "dear",
                "buy_size": "1",
                "sell_size": "1",
                "buy_limit": "100.5",
                "sell_limit": "110",
                "buy_vwap": "100.5",
                "sell_vwap": "110",
                "paid": "100.6005",
                "got": "109.89",
                "residual": "0",
                "residual_value": "0",
                "net": "9.2895",
                "edge_bps": "923.404953",
                "gross_edge_bps": "945.273632",
            }
        ],
        "refused": [{"buy": "dear", "sell": "cheap", "reason": "net_below_minimum", "best_net": "-0.11211"}],
    }


def test_json_numbers_are_taken_digit_by_digit() -> None:
    text = json.dumps(document(a=venue(), b=venue(bids=[["@", "1"]], asks=[])))
    raw = text.replace('"@"', "110.00000000000000000001").encode()
    found = scan(parse_scan_input(raw, "books.json"))
    assert found["opportunities"][0]["sell_vwap"] == "110.00000000000000000001"


def test_every_ordered_pair_appears_once_best_net_first_and_ties_by_names() -> None:
    low, high = venue(), venue(bids=[["110", "1"]], asks=[["111", "1"]])
    higher = venue(bids=[["120", "1"]], asks=[["121", "1"]])
    found = run(document(d=high, c=low, b=higher, a=low))
    assert [(row["buy"], row["sell"]) for row in found["opportunities"]] == [
        ("a", "b"),
        ("c", "b"),
        ("a", "d"),
        ("c", "d"),
        ("d", "b"),
    ]
    pairs = [(row["buy"], row["sell"]) for row in found["opportunities"] + found["refused"]]
    assert sorted(pairs) == [(x, y) for x in "abcd" for y in "abcd" if x != y]
    nets = [Decimal(row["best_net"]) for row in found["refused"]]
    assert nets == sorted(nets, reverse=True)


def test_crossed_venue_is_refused_both_ways_and_locked_is_legal() -> None:
    crossed = venue(bids=[["102", "1"]], asks=[["101", "1"]])
    locked = venue(bids=[["100.5", "1"]], asks=[["100.5", "1"]])
    found = run(document(a=crossed, b=locked, c=venue(bids=[["110", "1"]], asks=[])))
    assert [(row["buy"], row["sell"]) for row in found["opportunities"]] == [("b", "c")]
    reasons = {(row["buy"], row["sell"]): (row["reason"], row["best_net"]) for row in found["refused"]}
    assert {pair for pair, (reason, _) in reasons.items() if reason == "crossed_book"} == {
        ("a", "b"),
        ("b", "a"),
        ("a", "c"),
        ("c", "a"),
    }
    assert reasons["c", "b"] == ("no_depth", None)


def test_unknown_fee_refuses_the_pairs_of_that_venue() -> None:
    found = run(document(a=venue(taker_fee=None), b=venue()))
    assert {row["reason"] for row in found["refused"]} == {"fee_unknown"}


def test_limits_stay_on_the_tick_and_sizes_on_the_lot_where_levels_are_finer() -> None:
    cheap = venue(asks=[["100.0123456789", "0.5000000001"], ["100.0123456790", "1"]], bids=[])
    dear = venue(bids=[["103.9876543211", "0.70000000019"]], asks=[])
    (found,) = run(document(a=cheap, b=dear))["opportunities"]
    assert (found["buy_limit"], found["sell_limit"]) == ("100.1", "103.9")
    assert (found["buy_size"], found["sell_size"]) == ("0.7", "0.7")
    paid = Decimal("0.5000000001") * Decimal("100.0123456789") + Decimal("0.1999999999") * Decimal("100.0123456790")
    assert Decimal(found["paid"]) == paid * Decimal("1.001")
    assert Decimal(found["got"]) == Decimal("0.7") * Decimal("103.9876543211") * Decimal("0.999")


def test_a_bid_below_one_tick_is_no_depth_for_a_sale() -> None:
    cheap, dear = (
        venue(asks=[["0.01", "100"]], bids=[], tick="0.01"),
        venue(bids=[["0.09", "100"]], asks=[], min_notional="0"),
    )
    (first, second) = run(document(a=cheap, b=dear))["refused"]
    assert (first["buy"], first["reason"]) == ("a", "price_band")
    assert (second["buy"], second["reason"]) == ("b", "no_depth")


def test_fewer_than_two_venues_have_no_pairs() -> None:
    assert run(document()) == run(document(a=venue())) == {"opportunities": [], "refused": []}


def test_absent_balances_and_limits_are_unlimited() -> None:
    cheap = venue(asks=[["1", "1000000"]])
    rich = venue(bids=[["2", "1000000"]], asks=[])
    del cheap["balances"], rich["balances"]
    found = run({"symbol": "BTC/USDT", "venues": {"a": {**cheap, "bids": []}, "b": rich}})
    assert found["opportunities"][0]["buy_size"] == "1000000"


def test_scale_follows_the_input_whatever_its_digits() -> None:
    coarse = venue(asks=[["10000", "5000"]], bids=[], lot="1000", tick="10000", min_size="0", balances={})
    fine = venue(bids=[["11000.123456789", "4000.000000000001"]], asks=[], lot="0.000000000001", balances={})
    found = run(document(a=coarse, b=fine))["opportunities"][0]
    assert (found["buy_size"], found["residual"]) == ("4000", "999.999999999999")  # ties: the smaller sale
    assert found["sell_size"] == "3000.000000000001"


@st.composite
def snapshots(draw: st.DrawFn) -> dict[str, Any]:
    """Three venues around one price, in awkward lots and fees, with and without limits."""

    def side(start: int, way: int) -> list[list[str]]:
        levels = []
        for _ in range(draw(st.integers(0, 3))):
            levels.append([str(Decimal(start) / 10), str(Decimal(draw(st.integers(1, 30))) / 100)])
            start += way * draw(st.integers(1, 3))
        return levels

    venues = {}
    bounds: list[dict[str, Any]] = [
        {},
        {"max_size": "0.25"},
        {"price_band": "0.02"},
        {"max_size": 0.1, "price_band": 0},
    ]
    for name in "abc":
        middle = draw(st.integers(95, 110))
        venues[name] = venue(
            bids=side(middle, -1),
            asks=side(middle + draw(st.integers(0, 2)), 1),
            taker_fee=draw(st.sampled_from(["0", "0.001", "-0.0003", "0.0123456"])),
            buy_fee_in=draw(st.sampled_from(["base", "quote", "other"])),
            lot=draw(st.sampled_from(["0.01", "0.03", "0.1"])),
            min_size=draw(st.sampled_from(["0", "0.1"])),
            balances=draw(st.sampled_from([{}, {"BTC": "0.2", "USDT": "3"}])),
            **draw(st.sampled_from(bounds)),
        )
    limits = draw(
        st.sampled_from([{}, {"max_edge_bps": "150"}, {"min_edge_bps": "40", "min_net": 0.05, "dust_max_quote": "0.3"}])
    )
    return {"symbol": "BTC/USDT", "limits": limits, "venues": venues}


def as_case(given: dict[str, Any], buy: str, sell: str) -> oracle.Case:
    def terms(raw: dict[str, Any]) -> oracle.Venue:
        numbers = [Fraction(raw[name]) for name in ("tick", "lot", "min_size", "min_notional")]
        bounds = [optional(raw, name) for name in ("max_size", "price_band")]
        return oracle.Venue(Fraction(raw["taker_fee"]), raw["buy_fee_in"], *numbers, *bounds)

    def optional(raw: dict[str, Any], name: str) -> Fraction | None:
        return Fraction(str(raw[name])) if name in raw else None

    def best(levels: list[list[str]]) -> Fraction | None:
        return Fraction(levels[0][0]) if levels else None

    a, b, limits = given["venues"][buy], given["venues"][sell], given["limits"]
    return oracle.Case(
        asks=[(Fraction(price), Fraction(size)) for price, size in a["asks"]],
        bids=[(Fraction(price), Fraction(size)) for price, size in b["bids"]],
        a=terms(a),
        b=terms(b),
        min_edge_bps=optional(limits, "min_edge_bps") or Fraction(0),
        max_edge_bps=optional(limits, "max_edge_bps"),
        min_net=optional(limits, "min_net") or Fraction(0),
        slippage_bps=Fraction(0),
        max_notional=None,
        dust_max=optional(limits, "dust_max_quote"),
        quote=optional(a["balances"], "USDT"),
        base=optional(b["balances"], "BTC"),
        a_bid=best(a["bids"]),
        b_ask=best(b["asks"]),
    )


@settings(max_examples=150, deadline=None)
@given(snapshots())
def test_scan_equals_exhaustive_search_for_every_pair(given: dict[str, Any]) -> None:
    found = run(given)
    for row in found["opportunities"]:
        answer, _, _ = oracle.solve(as_case(given, row["buy"], row["sell"]))
        assert answer is not None
        shown = [Fraction(row[name]) for name in ("sell_size", "buy_size", "net", "paid", "residual_value")]
        assert shown == [answer.s, answer.q, answer.net, answer.paid, answer.residual_value]
    for row in found["refused"]:
        _, reason, net = oracle.solve(as_case(given, row["buy"], row["sell"]))
        assert (row["reason"], row["best_net"] and Fraction(row["best_net"])) == (reason, net)
    assert len(found["opportunities"]) + len(found["refused"]) == 6
