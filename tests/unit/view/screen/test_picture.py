"""The picture fits any terminal, and shows money as it is."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.store.ledger.tables import WATERFALL
from arb.view.lines import line, text_of, width_of
from arb.view.screen.picture import picture
from tests.builders import START_NS
from tests.unit.view.test_view import EXPOSED, HALT, PAIR, a_state

TERMS = [column.removesuffix("_e8") for column in WATERFALL]
SUMS = {"pairs": 12} | dict.fromkeys(TERMS, Decimal(0)) | {"expected_net": Decimal(10), "hedge_cost": Decimal(-4)}
TODAY = {
    "quotes": {"USDT": SUMS | {"realised_net": Decimal(6)}},
    "minutes": {"USDT": [None] * 57 + [Decimal(4), Decimal(-1), Decimal(3)]},
    "ran_s": 180.0,
}
ALERT = {
    "id": 7,
    "short_id": "1-7",
    "kind": "halt",
    "text": "a contradiction " * 9,
    "what_to_do": "look " * 30,
    "since_ns": START_NS,
    "count": 2,
}
HOLDINGS = {"gate": {"USDT": "100", "BTC": "2"}, "okx": {"USDT": "90000", "BTC": "0"}}
FOOTER = (line("h halt   ? help"),)


def full(**changes: Any) -> dict[str, Any]:
    """Return a state with something in every section."""
    state = a_state(
        unhedged=[EXPOSED],
        unhedged_notional="50000.129",
        open_pairs=[PAIR | {"id": number} for number in range(9)],
        edges=[
            {"symbol": f"A{number}/USDT", "buy": "gate", "sell": "okx", "edge_bps": "1", "not_taken": "rate_budget"}
            for number in range(30)
        ],
        holdings=HOLDINGS,
        halted="asked",
        state="HALTED",
        stops=[HALT, HALT | {"cause": "ledger", "text": "disk full " * 8}],
    )
    return state | {"today": TODAY, "alerts": [ALERT], "log": ["a warning " * 9] * 5, "trouble": ["old"]} | changes


def rows(state: dict[str, Any], width: int = 120, height: int = 60) -> list[str]:
    """Return the rows of a picture as text."""
    return [text_of(row).rstrip() for row in picture(state, (width, height), "q: stop", FOOTER)]


@given(st.integers(60, 220), st.integers(12, 70))
def test_every_row_is_as_wide_as_the_screen_and_there_are_no_more_than_fit(width: int, height: int) -> None:
    drawn = picture(full(), (width, height), "q: stop", FOOTER)
    assert len(drawn) == height
    assert {width_of(row) for row in drawn} == {width}
    assert text_of(drawn[0]).split()[:3] == ["arb", "SANDBOX", "HALTED"]
    assert text_of(drawn[-1]).startswith("h halt")


@given(st.integers(60, 220), st.integers(12, 70))
def test_what_is_at_risk_is_never_what_is_left_out(width: int, height: int) -> None:
    text = "\n".join(rows(full(), width, height))
    assert "! UNHEDGED 50000.13" in text and "! nothing opens: halt: asked" in text and "! alert 1-7" in text


@given(st.integers(1, 59), st.integers(1, 11))
def test_a_smaller_terminal_is_drawn_on_all_the_same(width: int, height: int) -> None:
    assert len(picture(full(), (width, height), "q: stop", FOOTER)) <= max(height, len(FOOTER))


@pytest.mark.parametrize("width", [60, 80, 120, 220])
def test_the_smallest_screen_has_something_of_each_that_matters(width: int) -> None:
    text = "\n".join(rows(a_state(today=TODAY, open_pairs=[PAIR]), width, 12))
    for words in ("unhedged 0", "gate", "okx", "ETH/USDT", "net today (UTC) +6.00 USDT", "h halt"):
        assert words in text


def test_the_days_net_is_split_into_what_made_it() -> None:
    shown = rows(full())
    (net,) = [row for row in shown if "net today" in row]
    assert net == "net today (UTC) +6.00 USDT   12 pairs   +2.00 a minute of trading   by minute █-▆"
    terms = [row.split()[:2] for row in shown if row.startswith("  ") and ("█" in row or "▒" in row)]
    assert terms == [["expected", "+10.00"], ["hedge", "cost"], ["=", "net"]]


def test_time_in_which_nothing_ran_is_no_trading_time() -> None:
    today = TODAY | {"minutes": {"USDT": [Decimal(4), None, None, Decimal(2)]}, "ran_s": 120.0}
    (net,) = [row for row in rows(full(today=today)) if "net today" in row]
    assert net.endswith("+3.00 a minute of trading   by minute █  ▄")
    (short,) = [row for row in rows(full(today=TODAY | {"ran_s": 11.0})) if "net today" in row]
    assert "a minute" not in short, "11 s say nothing of a minute"


def test_what_is_scarce_is_said_in_words() -> None:
    state = a_state(holdings=HOLDINGS)
    (quote,) = [row for row in rows(state) if row.startswith("USDT")]
    (base,) = [row for row in rows(state) if row.startswith("BTC ") and "gate" in row and "okx" in row]
    assert quote.split() == ["USDT", "gate", "100.00", "scarce", "okx", "90000.00"]
    assert base.split() == ["BTC", "gate", "2.00", "okx", "0.00", "scarce"]


def test_a_band_decides_what_is_scarce_and_what_is_rich() -> None:
    bands = [{"venue": "gate", "asset": "BTC", "position": "0.9"}, {"venue": "okx", "asset": "USDT", "position": "-1"}]
    state = a_state(holdings=HOLDINGS, inventory=bands)
    text = "\n".join(rows(state))
    assert "2.00 rich" in text and "90000.00 scarce" in text


def test_why_an_edge_is_not_taken_stands_beside_it() -> None:
    edges = [
        {"symbol": "BTC/USDT", "buy": "gate", "sell": "okx", "edge_bps": "12", "not_taken": "rate_budget"},
        {"symbol": "ETH/USDT", "buy": "bitget", "sell": "gate", "edge_bps": "9", "not_taken": None},
        {"symbol": "SOL/USDT", "buy": "gate", "sell": "okx", "edge_bps": "-3", "not_taken": None},
    ]
    shown = rows(a_state(edges=edges, open_pairs=[PAIR]))
    whys = [row.split(maxsplit=4)[4].strip() for row in shown if row.startswith(("BTC/", "ETH/", "SOL/"))][:3]
    assert whys == ["rate_budget", "(a pair is open)", "fees exceed it"]


def test_how_long_it_is_up_and_where_it_writes_stand_first() -> None:
    about = full()["about"] | {"started_ns": START_NS - 3725 * NS_PER_S}
    shown = rows(a_state(about=about, now_ns=START_NS))
    assert shown[0] == " arb SANDBOX  ACTIVE  up 1 h 2 min   q: stop   ledger sqlite:///var/a.sqlite"
    narrow = rows(a_state(about=about | {"ledger": f"sqlite:///{'long/' * 20}a.sqlite"}, now_ns=START_NS), 60)
    assert narrow[1].startswith("ledger …") and narrow[1].endswith("long/a.sqlite")
