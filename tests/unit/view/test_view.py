"""What a person sees: exposure and halts first, then everything else, and one plain line where there is no terminal."""

from typing import Any

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import HaltAsked, PrivateDown, ShutdownAsked, StoreStateChanged
from arb.core.messages.records import OpportunityRecord
from arb.core.messages.recovery_records import LateLeg
from arb.core.messages.settings import Limits
from arb.core.state.blocks import Block, Source
from arb.view.lines import text_of
from arb.view.plain import line
from arb.view.screen.picture import picture
from arb.view.summary import present_state, summarise
from tests.builders import Bench
from tests.unit.core.state.test_transfer_blocked import lists
from tests.unit.core.trades.test_trade import fill

GATE = {
    "venue": "gate",
    "books": "5/5",
    "private": "up",
    "lags_ms": [1.5, 9.5],
    "offset_ms": None,
    "halted": None,
    "orders_left": (4, 8, 500),
}
OKX = {"venue": "okx", "books": "4/5", "private": "down", "lags_ms": None, "offset_ms": -3.0, "halted": "paused"}
ABOUT = {
    "mark": "",
    "mode": "sandbox",
    "environment": "sandbox",
    "ledger": "sqlite:///var/a.sqlite",
    "started_ns": None,
}


def a_state(**changes: Any) -> dict[str, Any]:
    """Return the state of a quiet engine, with what the tests look for put in."""
    bench = Bench()
    state = present_state(bench.engine, bench.now_ns)
    state["venues"] = [reported | shown for reported, shown in zip(state["venues"], (GATE, OKX), strict=True)]
    state["edges"] = [
        {"symbol": "BTC/USDT", "buy": "gate", "sell": "okx", "edge_bps": "12.3456", "not_taken": "rate_budget"}
    ]
    state["pairs"] |= {"opened": 9, "completed": 6, "unwound": 2}
    state |= {"net": {"USDT": "12.345678"}, "orders": 18, "fills": 30}
    state |= {"opportunities": 17, "not_taken": {"edge_below_threshold": 11}}
    return state | {"incidents": 4, "about": ABOUT, "state": "ACTIVE", "stops": []} | changes


STOP = {
    "cause": "daily_notional_quote", "text": "used today", "ends": "raise it", "where": "", "used": "9999326.139",
    "limit": "10000000", "until_ns": 1_760_054_400 * NS_PER_S,
}  # fmt: skip
"""A limit on the day that is used up."""
HALT = {
    "cause": "halt", "text": "asked", "ends": "`arb resume --reason TEXT` lifts it", "where": "", "used": None,
    "limit": None, "until_ns": None,
}  # fmt: skip


EXPOSED = {"asset": "BTC", "size": "0.5", "value": "50000.129", "age_ms": 1234}
PAIR = {
    "id": 71, "symbol": "ETH/USDT", "buy": "bitget", "sell": "gate", "state": "repairing", "size": "0.25",
    "expected_net": "1.5", "age_ms": 77,
}  # fmt: skip


def drawn(**changes: Any) -> str:
    """Return the picture as plain text."""
    return "\n".join(text_of(row).rstrip() for row in picture(a_state(**changes), (130, 80), "Ctrl-C: stop"))


def summarised(bench: Bench) -> dict[str, Any]:
    """Return the summary of an engine's run."""
    return summarise(
        bench.engine,
        mode="sandbox",
        sandbox_id=None,
        seconds=1.0,
        dropped_opportunities=0,
        ceiling_net={},
        db="sqlite:///x",
        now_ns=bench.now_ns,
        report_currency="USDT",
    )


def test_what_is_shown_and_not_traded_on_stands_among_the_venues_and_says_so() -> None:
    shown = {"venue": "generic:kraken", "use": "display only", "books": "2/3", "trouble": "SOL/USDT: BadSymbol"}
    (row,) = [text for text in drawn(display_only=[shown]).splitlines() if "kraken" in text]
    assert row.split() == ["generic:kraken", "2/3", *"------", "display", "only;", "SOL/USDT:", "BadSymbol"]
    assert "okx 4/5 generic:kraken 2/3 (display only) |" in line(a_state(display_only=[shown]))


def test_exposure_is_the_first_thing_drawn_below_the_header() -> None:
    header, _, first, *_ = drawn(unhedged=[EXPOSED], unhedged_notional="50000.129").splitlines()
    assert header.split()[:3] == ["arb", "SANDBOX", "ACTIVE"] and header.endswith("ledger sqlite:///var/a.sqlite")
    assert first.startswith("! UNHEDGED 50000.13, oldest 1234 ms   0.5 BTC for 1234 ms")


def test_what_stops_openings_stands_in_the_header_and_below_it_with_its_limit_and_end() -> None:
    rows = drawn(
        state="BLOCKED", stops=[STOP, HALT | {"cause": "pause", "where": "at gate", "text": "paused"}]
    ).splitlines()
    assert rows[0].startswith(" arb SANDBOX  BLOCKED daily_notional_quote ")
    assert rows[4] == (
        "! nothing opens: daily_notional_quote: 9999326.14 of 10000000.00 used today, until 2025-10-10 00:00 UTC; raise it"
    )
    assert rows[5] == "! nothing opens at gate: pause: paused; `arb resume --reason TEXT` lifts it"


def test_only_a_state_in_which_something_opens_has_no_cause_behind_it() -> None:
    assert drawn(stops=[HALT | {"where": "at gate"}]).startswith(" arb SANDBOX  ACTIVE ")
    assert drawn(halted="asked", state="HALTED", stops=[HALT]).startswith(" arb SANDBOX  HALTED asked ")


def test_what_a_late_pair_has_stopped_stands_beside_it_and_in_the_line() -> None:
    bench = Bench()
    bench.engine.state.control.stop_late(LateLeg(7, "BTC/USDT", ("gate", "okx")))
    state = present_state(bench.engine, bench.now_ns)
    assert state["late_legs"] == [
        {"pair": "7", "symbol": "BTC/USDT", "venues": ("gate", "okx"), "reason": "leg_deadline"}
    ]
    assert [venue["halted"] for venue in state["venues"]] == ["leg_deadline", "leg_deadline"]
    said = "nothing opens at gate, okx in BTC/USDT: late_leg: leg_deadline"
    assert said in drawn(stops=state["stops"])
    assert said in line(state)


def test_what_is_refused_because_prices_stay_apart_stands_beside_it_and_in_the_line() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"))
    for _ in range(100):
        for venue, book in (("gate", "99.9x5 100.1x5"), ("okx", "101.4x5 101.6x5"), ("bitget", "99.9x5 100.1x5")):
            bench.quote(venue, *book.split())
        bench.wait_ms(500)
        bench.drain()
    state = present_state(bench.engine, bench.now_ns)
    assert state["prices_apart"] == summarised(bench)["prices_apart"]
    assert [(row["symbol"], row["venues"], row["reason"]) for row in state["prices_apart"]] == [
        ("BTC/USDT", ["bitget", "okx"], "edge_implausible"),
        ("BTC/USDT", ["gate", "okx"], "edge_implausible"),
    ]
    said = "nothing opens in BTC/USDT between bitget and okx: edge_implausible, and 1 more"
    assert said in drawn(prices_apart=state["prices_apart"])
    assert said in line(state)


def test_a_trapped_route_stands_beside_it_and_in_the_line() -> None:
    bench = Bench()
    lists(bench, "gate", base_out=False)
    lists(bench, "okx")
    state = present_state(bench.engine, bench.now_ns)
    assert state["wallets_closed"] == summarised(bench)["wallets_closed"]
    assert state["wallets_closed"] == [
        {
            "symbol": "BTC/USDT",
            "venues": ["gate", "okx"],
            "asset": "BTC",
            "because": "gate lets none out",
            "reason": "wallet_closed",
        }
    ]
    said = "nothing opens in BTC/USDT from gate to okx: wallet_closed: BTC: gate lets none out"
    assert said in drawn(wallets_closed=state["wallets_closed"])
    assert said in line(state)


def test_what_a_venue_bars_stands_beside_it_and_in_the_line() -> None:
    bench = Bench()
    bench.engine.state.blocks.put(Block(Source.BARRED, "okx:test", "BTC/USDT", "51155"))
    state = present_state(bench.engine, bench.now_ns)
    assert [(venue["venue"], venue["halted"]) for venue in state["venues"]] == [
        ("gate", None),
        ("okx", "BTC/USDT barred"),
    ]
    assert "nothing opens at okx:test in BTC/USDT: barred: 51155" in line(state)


def test_what_keeps_a_venue_from_opening_is_its_first_block() -> None:
    bench = Bench()
    bench.tell(PrivateDown(venue="okx", cause="x"))
    bench.engine.state.await_rules("okx", "BTC/USDT", "the listing lacks it", bench.now_ns)
    bench.engine.state.pause("gate", 1, bench.now_ns)
    state = present_state(bench.engine, bench.now_ns)
    assert [venue["halted"] for venue in state["venues"]] == ["paused", "its private stream is down"]
    assert [(row["at"], row["name"], row["reason"], row["source"]) for row in state["blocks"]] == [
        ("gate", "", "venue_halted", "pause"),
        ("okx", "", "venue_halted", "private"),
        ("okx", "BTC/USDT", "instrument_halted", "rules"),
    ]
    bench.engine.state.venues["okx"].lift(Source.PRIVATE)
    later = present_state(bench.engine, bench.now_ns + 10**9)
    assert [venue["halted"] for venue in later["venues"]] == [None, "BTC/USDT instrument_halted"]


def test_a_shutdown_is_said_too() -> None:
    bench = Bench()
    bench.tell(ShutdownAsked(deadline_ns=bench.now_ns + NS_PER_S))
    state = present_state(bench.engine, bench.now_ns)
    assert drawn(state=state["state"], stops=state["stops"]).startswith(" arb SANDBOX  REDUCING shutdown ")
    assert "REDUCING | nothing opens: shutdown: shutting down |" in line(state)


def test_no_exposure_is_said_too() -> None:
    assert drawn().splitlines()[2].startswith("unhedged 0 ")


def test_every_section_is_there() -> None:
    text = drawn(open_pairs=[PAIR])
    order = ["arb SANDBOX", "unhedged 0", "venue ", "best edge", "open pair", "this run", "net of this run 12.35 USDT"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    for words in (
        "gate",
        "5/5",
        "9.5",
        "down",
        "paused",
        "-3.0",
        "+12.35",
        "rate_budget",
        "ETH/USDT",
        "71",
        "repairing",
    ):
        assert words in text
    assert "77 ms" in text and "+1.50" in text
    for words in ("net 12.35 USDT, pairs 9 (6 completed, 2 unwound)", "orders 18", "fills 30", "incidents 4"):
        assert words in text
    assert "edge_below_threshold 11" in text


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    assert "[bold]" in drawn(halted="[bold]x", state="HALTED")


def test_the_plain_line_begins_with_exposure() -> None:
    text = line(a_state(unhedged=[EXPOSED], unhedged_notional="50000.129", state="HALTED", stops=[HALT]))
    assert text.startswith("unhedged 50000.13 (1234 ms) HALTED | nothing opens: halt: asked | books gate 5/5 okx 4/5 |")
    assert text.endswith(
        "pairs 9 opened, 6 completed, 2 unwound, 0 open | opportunities 17, 11 not taken | net 12.35 USDT"
    )
    assert "HALTED" not in line(a_state())


def test_the_state_of_an_engine_is_drawn_as_it_is() -> None:
    bench = Bench()
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "101x1", "101.2x2")
    bench.tell(HaltAsked(reason="by hand"))
    bench.tell(StoreStateChanged(store="journal", blocked=True, cause="full"))
    state = present_state(bench.engine, bench.now_ns)
    assert state["halted"] == "asked"
    assert state["blocked"] == {"journal": "full"}
    assert [venue["books"] for venue in state["venues"]] == ["1/1", "1/1"]
    (edge,) = state["edges"]
    assert (edge["buy"], edge["sell"]) == ("gate", "okx")
    text = drawn(**state)
    assert "nothing opens: halt: asked" in text and "nothing opens: journal: full" in text


def test_table_plain_line_and_summary_count_what_ended_as_the_rows_do_and_not_each_look() -> None:
    bench = Bench(limits=Limits(max_open_pairs=0))
    for price in ("101", "101.1", "101.2"):  # one edge, looked at three times
        bench.quote("gate", "99.9x2", "100x1")
        bench.quote("okx", f"{price}x1", "102x2")
        bench.drain()
    assert "opportunities 0, not taken: -" in drawn(**present_state(bench.engine, bench.now_ns))
    bench.end_episodes()
    assert [row.reason for row in bench.engine.take_untraded()] == ["risk_limit"]
    state = present_state(bench.engine, bench.now_ns)
    assert "opportunities 1, not taken: risk_limit 1" in drawn(**state)
    assert "opportunities 1, 1 not taken" in line(state)
    summary = summarised(bench)
    assert (summary["opportunities"], summary["not_taken"]) == (1, {"risk_limit": 1})


def test_an_opportunity_that_was_traded_counts_once_however_many_pairs_it_brought() -> None:
    bench = Bench()
    for known in (0, 2):
        bench.quote("gate", "99.9x2", "100x1")
        bench.quote("okx", "101x1", "101.2x2")
        bench.drain()
        for leg in bench.placed()[known:]:
            fill(bench, leg, str(leg.size), f"t{leg.client_order_id}")
        bench.wait_ms(100)
    bench.end_episodes()
    ids = {row.id for row in bench.rows(OpportunityRecord) if isinstance(row, OpportunityRecord)}
    assert len(bench.placed()) == 4 and len(ids) == summarised(bench)["opportunities"] == 1


def test_an_open_pair_is_in_the_state_with_its_age() -> None:
    bench = Bench()
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "101x1", "101.2x2")
    bench.drain()
    state = present_state(bench.engine, bench.now_ns + 40 * NS_PER_MS)
    (pair,) = state["open_pairs"]
    assert (pair["buy"], pair["sell"], pair["state"], pair["age_ms"]) == ("gate", "okx", "opening", 40)
    assert state["orders"] == 2


HOSTILE = "X[/y][bold red]\x1b[2J\r\n:warning:\u202e"


def test_what_others_wrote_is_text_in_the_table_no_markup_and_no_escape() -> None:
    named = dict.fromkeys(("symbol", "buy", "sell", "state"), HOSTILE)
    shown = drawn(
        edges=[{**named, "edge_bps": "1", "not_taken": HOSTILE}],
        open_pairs=[PAIR | named],
        venues=[
            GATE | {"venue": HOSTILE, "health": HOSTILE, "health_cause": HOSTILE, "barred": True, "halted": HOSTILE}
        ],
        halted=HOSTILE,
        state="HALTED",
        stops=[HALT | {"text": HOSTILE}],
        net={HOSTILE: "1"},
        not_taken={HOSTILE: 1},
    )
    assert "X[/y][bold red]" in shown
    assert ":warning:" in shown
    assert not set("\x1b\r\u202e") & set(shown)


def test_what_sort_of_run_it_is_stands_before_everything_else() -> None:
    assert line(a_state(), "PAPER").startswith("PAPER | unhedged 0")
    assert drawn(about=ABOUT | {"mark": "PAPER", "mode": "paper"}).startswith(" arb PAPER sandbox  ACTIVE")
