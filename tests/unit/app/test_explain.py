"""`arb explain`: every step of a pair in order, each with its wait, and what else could have been done."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.app.explain import explanation, steps
from arb.cli.answers import to_json, to_text
from arb.core.messages.recovery_records import SkewPart
from arb.core.messages.settings import AppliedLimit
from arb.store.journal.reader import Entry
from arb.store.ledger.queries import LedgerReader, PairStory
from arb.store.ledger.rebuild import db_upgrade
from arb.view.lines import text_of
from tests.support.old_files import unpacked
from tests.unit.store.rows import a_plan

MS = 1_000_000
D = Decimal
T0 = 1_700_000_000_000_000_000


def an_order(id: int, role: str, side: str, venue: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "role": role,
        "side": side,
        "venue": venue,
        "price": D(100),
        "size": D(1),
        "filled": D(0),
        "avg_price": None,
        "status": "cancelled",
        "outcome": "accepted",
        "reject_code": None,
        "client_order_id": f"arb{id}",
        "journalled_ns": T0,
        "sent_ns": None,
        "acked_ns": None,
        "first_fill_ns": None,
        "done_ns": None,
    } | changes


def a_fill(order: int, at_ms: int, size: str) -> dict[str, Any]:
    names = ("venue", "side", "fee", "fee_currency", "liquidity", "source", "trade_id")
    fees = {"fee_quote_value_e8": 10_000_000, "fee_expected_e8": 9_000_000}
    return (
        {"order_id": order, "size": D(size), "price": D(100), "received_ns": T0 + at_ms * MS}
        | dict.fromkeys(names)
        | fees
    )


def a_story(**changes: Any) -> PairStory:
    """Return a pair whose sale was refused, and whose purchase was unwound."""
    waterfall = [
        "expected_net",
        "buy_slippage",
        "sell_slippage",
        "size_shortfall",
        "fee_difference",
        "hedge_cost",
        "residual_change",
    ]
    pair: dict[str, Any] = dict.fromkeys(f"{name}_e8" for name in [*waterfall, "realised_net"]) | {
        "id": 5,
        "kind": "arb",
        "identity": None,
        "symbol": "BTC/USDT",
        "buy_venue": "gate",
        "sell_venue": "okx",
        "state": "unwound",
        "decided_ns": T0,
        "closed_ns": T0 + 90 * MS,
        "buy_size": D(1),
        "sell_size": D(1),
        "residual_size": D(0),
        "exposure_quote_s": D(1),
        "buy_frame_ns": T0 - 7 * MS,
        "sell_frame_ns": T0 - 2 * MS,
        "leg_cost_e8": None,
    }
    orders = (
        an_order(
            1, "entry", "buy", "gate", status="filled", sent_ns=T0 + MS, acked_ns=T0 + 20 * MS, done_ns=T0 + 31 * MS
        ),
        an_order(2, "entry", "sell", "okx", status="rejected", outcome="rejected", reject_code="51008")
        | {"sent_ns": T0 + 2 * MS, "acked_ns": T0 + 40 * MS, "done_ns": T0 + 40 * MS},
        an_order(3, "unwind", "sell", "gate", status="filled", journalled_ns=T0 + 45 * MS)
        | {"sent_ns": T0 + 46 * MS, "acked_ns": T0 + 80 * MS, "done_ns": T0 + 80 * MS},
    )
    fills = (a_fill(1, 25, "0.4"), a_fill(1, 30, "0.6"), a_fill(3, 70, "1"))
    values: dict[str, Any] = {"pair": pair | changes, "opportunity": None, "orders": orders, "fills": fills}
    return PairStory(**values, incidents=(), alternatives=(), books=(), timeline=())


class Alarm(msgspec.Struct, tag="SetTimer"):
    """`SetTimer`, had it been renamed."""

    cause: int
    name: str = msgspec.field(name="timer")


def test_the_timeline_calls_entries_what_the_journal_calls_them() -> None:
    renamed: Any = Alarm(cause=1, name="order:arb1")
    story = msgspec.structs.replace(a_story(), timeline=(Entry(1, 1, T0 + MS, renamed),))
    assert explanation(story)["timeline"] == [{"at_ms": D(1), "seq": 1, "what": "SetTimer", "of": "order:arb1"}]


def test_a_fill_shows_what_its_fee_was_worth_and_what_was_planned() -> None:
    fill, *_ = explanation(a_story())["fills"]
    assert (fill["fee_in_quote"], fill["fee_planned"]) == (D("0.1"), D("0.09"))


def test_a_fill_of_which_no_plan_is_known_shows_none() -> None:
    unplanned = a_fill(1, 60, "1") | {"fee_expected_e8": None}
    story = msgspec.structs.replace(a_story(), fills=(unplanned,))
    assert explanation(story)["fills"][0]["fee_planned"] is None


def test_what_legs_were_expected_to_cost_stands_beside_what_they_cost_and_outside_the_waterfall() -> None:
    document = explanation(a_story(leg_cost_e8=4 * 10**7, size_shortfall_e8=-(10**8), hedge_cost_e8=-2 * 10**8))
    assert document["leg_cost"] == {"expected": D("0.4"), "realised": D(3)}
    assert "leg_cost" not in document["waterfall"]
    assert explanation(a_story(leg_cost_e8=4 * 10**7))["leg_cost"] == {"expected": D("0.4"), "realised": None}
    nothing = explanation(a_story(size_shortfall_e8=-(10**8), hedge_cost_e8=0))["leg_cost"]
    assert nothing == {"expected": 0, "realised": 1}, "nothing is allowed for by default, nor was it before"
    assert explanation(a_story(kind="dust"))["leg_cost"] is None
    assert '"leg_cost":{"expected":"0.40000000","realised":"3.00000000"}' in to_json(document)


def test_the_limits_of_a_symbol_or_a_venue_that_were_applied_are_named_with_their_table() -> None:
    known = a_plan(5, limits=(AppliedLimit("min_edge_bps", D(3), '[limits."BTC/USDT"]'),))
    named = explanation(msgspec.structs.replace(a_story(), plan=known))["limits"]
    assert named == [{"limit": "min_edge_bps", "value": D(3), "table": '[limits."BTC/USDT"]'}]
    assert explanation(msgspec.structs.replace(a_story(), plan=a_plan(5)))["limits"] == []
    assert explanation(a_story())["limits"] is None


def test_the_edge_that_bands_required_is_shown_with_what_it_was_made_of() -> None:
    def required(**plan: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = explanation(msgspec.structs.replace(a_story(), plan=a_plan(5, **plan)))[
            "required_edge"
        ]
        return found

    scarce, rich = SkewPart("okx", "BTC", "scarce", D("1.0")), SkewPart("gate", "USDT", "rich", D("-0.250"))
    assert required(min_edge_bps=D(3), skew_bps=D(1), skew=(scarce,)) == {
        "bps": D(4),
        "text": "required 4 bps: 3 + 1 for BTC scarce at okx",
    }
    both = required(min_edge_bps=D(3), skew_bps=D("0.75"), skew=(scarce, rich), leg_cost_bps=D(4))
    assert both is not None
    assert both["text"] == (
        "required 7.75 bps: 3 + 1 for BTC scarce at okx - 0.25 for USDT rich at gate + 4 for legs that fall short"
    )
    bound = required(min_edge_bps=D("0.2"), skew_bps=D("-0.199"), skew=(rich,))
    assert bound is not None
    assert bound["text"] == "required 0.001 bps: 0.2 - 0.25 for USDT rich at gate (not lowered below 0.001)"
    assert required(min_edge_bps=D(3)) == {"bps": D(3), "text": "required 3 bps: 3"}
    assert required() is None, "no bands were in force"


def test_every_step_stands_in_its_order_with_the_wait_before_it() -> None:
    reported = [(step["at_ms"], step["wait_ms"], step["what"], step["of"]) for step in steps(a_story())]
    assert reported == [
        (D(-7), None, "frame received", "gate book"),
        (D(-2), None, "frame received", "okx book"),
        (D(0), D(2), "decided", "pair"),
        (D(1), D(1), "journalled and sent", "entry buy gate"),
        (D(2), D(2), "journalled and sent", "entry sell okx"),
        (D(20), D(19), "answered, accepted", "entry buy gate"),
        (D(25), D(5), "filled 0.4 at 100", "entry buy gate"),
        (D(30), D(5), "filled 0.6 at 100", "entry buy gate"),
        (D(31), D(1), "ended, filled", "entry buy gate"),
        (D(40), D(38), "answered, rejected (51008)", "entry sell okx"),
        (D(40), D(0), "ended, rejected", "entry sell okx"),
        (D(45), D(5), "repair decided", "unwind sell gate"),
        (D(46), D(1), "journalled and sent", "unwind sell gate"),
        (D(70), D(24), "filled 1 at 100", "unwind sell gate"),
        (D(80), D(10), "answered, accepted", "unwind sell gate"),
        (D(80), D(0), "ended, filled", "unwind sell gate"),
        (D(90), D(10), "unwound", "pair"),
    ]


def test_waits_of_a_leg_add_up_to_the_whole() -> None:
    reported = [step for step in steps(a_story()) if step["of"] == "entry buy gate"]
    assert sum(step["wait_ms"] for step in reported) == reported[-1]["at_ms"]


def test_a_pair_of_an_older_ledger_has_no_frames_and_an_open_one_no_end() -> None:
    story = a_story(buy_frame_ns=None, sell_frame_ns=None, closed_ns=None, state="repairing")
    reported = steps(story)
    assert (reported[0]["what"], reported[0]["wait_ms"]) == ("decided", None)
    assert reported[-1]["what"] == "ended, filled"


def test_what_was_passed_over_is_shown_with_its_reason() -> None:
    row = {"ns": T0, "stage": "entry", "way": "route", "buy_venue": "okx", "sell_venue": "gate", "price": None}
    row |= {"buy_size": D(1), "sell_size": None, "net_e8": -5, "edge_bps": D("-1.5"), "reason": "net_below_minimum"}
    taken = row | {"reason": None, "sell_size": D("0.9"), "net_e8": None}
    story = a_story()
    document = explanation(
        PairStory(
            **{
                name: getattr(story, name)
                for name in ("pair", "opportunity", "orders", "fills", "incidents", "books", "timeline")
            },
            alternatives=(row, taken),
        )
    )
    first, second = document["alternatives"]
    assert (first["reason"], first["taken"], first["net"], first["size"]) == (
        "net_below_minimum",
        False,
        D("-5e-8"),
        D(1),
    )
    assert (second["reason"], second["taken"], second["net"], second["size"]) == (None, True, None, D("0.9"))
    assert '"net":"-0.00000005"' in to_json(document) and "net_below_minimum" in shown(document)


def shown(document: dict[str, Any]) -> str:
    return "\n".join(text_of(line).rstrip() for line in to_text(document, width=200))


def a_book(side: str, levels: str) -> dict[str, Any]:
    return {"side": side, "venue": {"asks": "gate", "bids": "okx"}[side], "ns": T0, "levels": levels}


def test_the_two_books_stand_next_to_each_other_with_what_the_plan_took_of_each_level() -> None:
    asks = a_book("asks", '[["99.5","0.4"],["99.75","0.7"],["101","5"]]')
    bids = a_book("bids", '[["102.25","0.999999999999999999999999999999"],["102","3"]]')
    document = explanation(msgspec.structs.replace(a_story(buy_size=D("1.1")), books=(bids, asks)))
    books = dict(document["books"])
    levels = books.pop("levels")
    assert books == {
        "buy_venue": "gate",
        "buy_size": D("1.1"),
        "buy_limit": D(100),
        "sell_venue": "okx",
        "sell_size": D(1),
        "sell_limit": D(100),
    }
    assert [tuple(level.values()) for level in levels] == [
        (1, D("99.5"), D("0.4"), D("0.4"), D("0.4"), D("102.25"), *[D("0.999999999999999999999999999999")] * 3),
        (2, D("99.75"), D("0.7"), D("1.1"), D("0.7"), D(102), D(3), D("3.999999999999999999999999999999"), D("1E-30")),
        (3, D(101), D(5), D("6.1"), None, None, None, None, None),
    ]
    assert sum(level["to_buy"] or 0 for level in levels) == D("1.1") == books["buy_size"]
    assert '"level":1,"ask":"99.5","ask_size":"0.4","ask_total":"0.4","to_buy":"0.4","bid":"102.25"' in to_json(
        document
    )
    lines = shown(document).split("\nbooks\n")[1].splitlines()
    assert " ".join(lines[8].split()) == "level ask ask size ask total to buy bid bid size bid total to sell"
    assert lines[11].split() == ["3", "101", "5", "6.1", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize(("kind", "says"), [("arb", "not kept"), ("dust", "none"), ("test", "none")])
def test_a_pair_without_books_says_why_and_is_explained_as_before(kind: str, says: str) -> None:
    document = explanation(a_story(kind=kind))
    assert document["books"]["note"].startswith(f"{says}: ") and document["books"]["levels"] == []
    assert f"books\n  note    {says}: " in shown(document) and document["steps"]


def test_every_pair_of_a_ledger_of_before_is_explained_without_books(tmp_path: Path) -> None:
    url = f"sqlite:///{unpacked('killed.sqlite', tmp_path)}"
    db_upgrade(url)
    reader = LedgerReader(url)
    pairs = reader.pairs()
    assert len(pairs) > 3
    for pair in pairs:
        document = explanation(reader.story(pair["id"]))
        assert document["books"]["note"].startswith(("not kept: ", "none: ")[pair["kind"] != "arb"])
        assert document["steps"] and document["orders"]


def test_exposure_is_shown_as_the_average_amount_unhedged_while_the_pair_was_open() -> None:
    assert explanation(a_story())["pair"]["unhedged_average"] == D("11.11111111"), "1 quote x s over 90 ms"
    assert explanation(a_story(closed_ns=None))["pair"]["unhedged_average"] is None
    assert explanation(a_story(closed_ns=T0))["pair"]["unhedged_average"] == 0
