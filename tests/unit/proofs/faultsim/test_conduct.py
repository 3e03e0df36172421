"""The judges of how pairs were led: what they let pass, and what they do not."""

import json
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import RepairPolicy
from arb.market.ids import ClientOrderId
from arb.store.journal.blocks import Line
from arb.store.journal.reader import SUB_BITS
from proofs.faultsim.conduct import (
    beyond_the_cap,
    beyond_the_report,
    ended_without_fills,
    on_still_books,
    on_swept_books,
    opened_off_the_listing,
    opened_while_stopped,
    torn_apart,
    two_at_one_market,
)
from tests.support.journals import write_lines

MS = 1_000_000


def a_pair(
    number: int, state: str, *, buy: str = "gate", sell: str = "okx", symbol: str = "BTC/USDT"
) -> dict[str, Any]:
    return {
        "type": "PairRecord",
        "id": number,
        "kind": "arb",
        "state": state,
        "symbol": symbol,
        "buy_venue": buy,
        "sell_venue": sell,
        "opportunity_id": number,
    }


def a_journal(folder: Path, *entries: tuple[int, dict[str, Any] | str]) -> Path:
    """Write a journal of rows and of events (their kind, and their JSON if it matters), each with its milliseconds."""
    folder.mkdir(exist_ok=True)
    path = folder / "a.journal.sqlite"
    lines: list[Line] = []
    for number, (t_ms, what) in enumerate(entries, 1):
        kind, _, payload = (
            what.partition(" ") if isinstance(what, str) else ("Persist", "", json.dumps({"record": what}))
        )
        lines.append(Line((t_ms << SUB_BITS) + number, t_ms * MS, kind, payload or "{}"))
    write_lines(path, lines)
    return path


@pytest.mark.parametrize("state", ["opening", "repairing", "halted"])
def test_a_pair_opened_where_another_is_open_is_found(tmp_path: Path, state: str) -> None:
    path = a_journal(tmp_path, (0, a_pair(1, state)), (5, a_pair(2, "opening", buy="okx", sell="bitget")))
    assert list(two_at_one_market(path)) == [f"two at once: pair 2 opened while pair 1 was {state}"]


def test_an_entry_where_the_listing_is_awaited_is_found_and_a_repair_or_one_after_it_is_not(tmp_path: Path) -> None:
    def placed(name: str, role: str = "entry", venue: str = "gate", symbol: str = "BTC/USDT") -> str:
        order = {"client_order_id": name, "role": role, "venue": venue, "symbol": symbol}
        return f"PlaceOrder {json.dumps(order)}"

    def rejected(name: str, *, off_steps: bool) -> str:
        return f"OrderRejected {json.dumps({'client_order_id': name, 'venue': 'gate', 'off_steps': off_steps})}"

    listed = 'InstrumentListed {"instrument": {"venue": "gate", "symbol": "%s"}}'
    path = a_journal(
        tmp_path,
        (0, placed("short")),
        (1, rejected("short", off_steps=False)),
        (2, placed("off")),
        (3, rejected("off", off_steps=True)),
        (4, placed("hedge", "hedge")),
        (5, placed("elsewhere", venue="okx")),
        (6, placed("another", symbol="ETH/USDT")),
        (7, listed % "ETH/USDT"),
        (8, placed("early")),
        (9, listed % "BTC/USDT"),
        (10, placed("later")),
        (11, rejected("later", off_steps=True)),
        (12, 'VenueListed {"venue": "gate", "instruments": [{"venue": "gate", "symbol": "BTC/USDT"}]}'),
        (13, placed("after a restart")),
    )
    assert list(opened_off_the_listing(path)) == ["opened off the listing: early in BTC/USDT at gate"]


def test_an_adopted_pair_is_no_opening_and_stands_in_the_way_of_one(tmp_path: Path) -> None:
    recovered = a_pair(2, "repairing") | {"opportunity_id": None}
    path = a_journal(
        tmp_path, (0, a_pair(1, "opening")), (5, recovered), (6, a_pair(1, "completed")), (7, a_pair(3, "opening"))
    )
    assert list(two_at_one_market(path)) == ["two at once: pair 3 opened while pair 2 was repairing"]


def test_an_entry_beyond_what_its_venue_reports_free_is_found(tmp_path: Path) -> None:
    report = (
        'BalancesReported {"venue": "gate", "complete": true, "balances": {"USDT": {"free": "100", "locked": "0"}}}'
    )
    order = '{"venue": "gate", "symbol": "BTC/USDT", "client_order_id": "x", "price": "50", "size": "%s", "side": "%s"'
    path = a_journal(
        tmp_path,
        (0, report),
        (1, "PlaceOrder " + order % ("2", "buy") + ', "role": "entry"}'),
        (2, "PlaceOrder " + order % ("2.1", "buy") + ', "role": "hedge"}'),
        (3, "PlaceOrder " + order % ("2.1", "buy") + ', "role": "entry"}'),
        (4, "PlaceOrder " + order % ("1", "sell") + ', "role": "entry"}'),
    )
    assert list(beyond_the_report(path)) == [
        "beyond the report: x needs 105.0 USDT, gate reported 100 free",
        "beyond the report: x needs 1 BTC, gate reported 0 free",
    ]


HALT = {"type": "IncidentRecord", "kind": "halt", "text": "leg_deadline: a leg is late"}
LIFT = {"type": "IncidentRecord", "kind": "stop_lifted", "text": "all ended well"}
STOP = {"type": "ControlRecord", "late": [{"pair_id": 9, "symbol": "BTC/USDT", "venues": ["bitget", "bybit"]}]}
BLOCKED = 'StoreStateChanged {"blocked": true, "store": "journal"}'


@pytest.mark.parametrize(
    ("stop", "why"), [("HaltAsked", "halted"), (HALT, "halted"), (BLOCKED, "blocked: ['journal']"), (STOP, "late: 9")]
)
def test_a_pair_opened_while_trading_is_stopped_is_found(tmp_path: Path, stop: dict[str, Any] | str, why: str) -> None:
    path = a_journal(tmp_path, (0, stop), (1, a_pair(1, "opening")))
    assert list(opened_while_stopped(path)) == [f"opened: pair 1, though {why}"]


def test_a_halt_that_was_asked_for_is_not_over_when_late_pairs_have_ended(tmp_path: Path) -> None:
    path = a_journal(tmp_path, (0, "HaltAsked"), (1, LIFT), (2, a_pair(1, "opening")))
    assert list(opened_while_stopped(path)) == ["opened: pair 1, though halted"]


@pytest.mark.parametrize(
    ("stop", "end"),
    [
        (HALT, "ResumeAsked"),
        (HALT, LIFT),
        (STOP, {"type": "ControlRecord", "late": []}),
        (BLOCKED, 'StoreStateChanged {"blocked": false, "store": "journal"}'),
        (BLOCKED, "RunStarted"),
    ],
)
def test_after_the_stop_pairs_open_again_and_during_it_they_are_repaired_and_recovered(
    tmp_path: Path, stop: dict[str, Any] | str, end: dict[str, Any] | str
) -> None:
    recovered = a_pair(2, "repairing") | {"opportunity_id": None}
    repaired = (a_pair(1, "opening"), stop, a_pair(1, "repairing"), recovered, end, a_pair(3, "opening"))
    path = a_journal(tmp_path, *enumerate(repaired))
    assert list(opened_while_stopped(path)) == []


def test_pairs_at_other_venues_of_other_symbols_or_after_the_end_pass(tmp_path: Path) -> None:
    path = a_journal(
        tmp_path,
        (0, a_pair(1, "opening")),
        (1, a_pair(2, "opening", buy="bitget", sell="bybit")),
        (2, a_pair(3, "opening", symbol="ETH/USDT")),
        (3, a_pair(1, "completed")),
        (4, a_pair(4, "opening")),
        (5, a_pair(1, "repairing")),  # a late fill: the pair that was over is taken up again
    )
    assert list(two_at_one_market(path)) == []


def an_end(reported: str, held: str) -> list[tuple[int, dict[str, Any] | str]]:
    """Return what a journal holds of a pair that ended: how much the venue told was filled, and how much we had seen."""
    order = {"type": "OrderRecord", "id": 4, "pair_trade_id": 1, "client_order_id": "arb1"}
    return [
        (0, a_pair(1, "opening")),
        (0, order),
        (1, f"OrderUpdated {json.dumps({'report': {'client_order_id': 'arb1', 'filled': reported}})}"),
        (2, f"OrderUpdated {json.dumps({'report': {'client_order_id': 'arb1', 'filled': '0'}})}"),  # older news
        (3, {"type": "FillRecord", "order_id": 4, "size": held}),
        (4, a_pair(1, "completed")),
    ]


def test_a_pair_that_ended_with_fewer_fills_than_were_told_of_is_found(tmp_path: Path) -> None:
    path = a_journal(tmp_path, *an_end("2", "1.5"))
    assert list(ended_without_fills(path)) == ["ended early: pair 1 with 1.5 of 2 of arb1"]


def test_a_pair_that_ended_with_all_its_fills_passes(tmp_path: Path) -> None:
    assert list(ended_without_fills(a_journal(tmp_path, *an_end("2", "2")))) == []


def repaired_at(folder: Path, price: str, side: str = "sell", outcome: str | None = None) -> list[str]:
    """Judge a pair that bought (or sold) 1 at 100 and 1 at 102 and was mended at a price, with a cap of 50 bps."""
    excess = "buy" if side == "sell" else "sell"
    entry = {"type": "OrderRecord", "id": 1, "pair_trade_id": 7, "role": "entry", "side": excess, "price": "103"}
    decision = {"type": "OrderRecord", "id": 2, "pair_trade_id": 7, "role": "unwind", "side": side, "price": price}
    entry, decision = ({"outcome": said} | order for said, order in ((None, entry), (outcome, decision)))
    fills = [
        {"type": "FillRecord", "order_id": 1, "size": size, "price": at}
        for size, at in (("1", "100"), ("1", "102"), ("9", "500"))
    ]
    # The last fill was not known when the repair was decided, though both carry one instant.
    rows = (a_pair(7, "opening"), entry, fills[0], fills[1], decision, fills[2])
    path = a_journal(folder, *((1, row) for row in rows))
    return list(beyond_the_cap(path, RepairPolicy()))


@pytest.mark.parametrize(("price", "side"), [("100.494", "sell"), ("101.506", "buy")])
def test_a_repair_beyond_the_cap_around_the_leg_in_excess_is_found(tmp_path: Path, price: str, side: str) -> None:
    assert len(repaired_at(tmp_path, price, side)) == 1


@pytest.mark.parametrize(("price", "side"), [("100.495", "sell"), ("101.505", "buy")])
def test_a_repair_at_the_cap_passes(tmp_path: Path, price: str, side: str) -> None:
    assert repaired_at(tmp_path, price, side) == []


def test_what_a_repair_was_decided_on_that_came_back_from_its_venue_is_not_judged(tmp_path: Path) -> None:
    assert repaired_at(tmp_path, "100.494", outcome="accepted") == []


def an_order(pair_id: int, nonce: int, number: int, leg: str) -> dict[str, Any]:
    return {"client_order_id": ClientOrderId(nonce, number, leg, 0).encode(), "pair_trade_id": pair_id}


def test_an_order_that_was_taken_out_of_its_pair_is_found() -> None:
    entry, repair = an_order(7, 1, 2, "buy"), an_order(8, 1, 2, "hedge")
    assert list(torn_apart([entry, repair])) == [
        f"torn apart: {repair['client_order_id']} is of pair 8, others of its pair are of 7"
    ]


def test_orders_of_one_pair_from_two_processes_and_of_two_pairs_pass() -> None:
    orders = an_order(7, 1, 2, "buy"), an_order(7, 1, 2, "hedge"), an_order(7, 5, 9, "hedge"), an_order(8, 1, 3, "buy")
    assert list(torn_apart(orders)) == []


def decided_on(frame_ns: int, *, event_ns: int = 500, received_ns: int = 600, **details: object) -> list[str]:
    """Judge a pair decided at 1000 on a book whose newest frame came then, with a fill of ours known there."""
    pair = a_pair(3, "opening") | {"decided_ns": 1000, "buy_frame_ns": frame_ns, "sell_frame_ns": 990} | details
    fill = {"venue": "gate", "symbol": "BTC/USDT", "event_ns": event_ns, "received_ns": received_ns}
    return list(on_swept_books([pair], [fill]))


def test_a_pair_decided_on_a_book_older_than_our_last_fill_there_is_found() -> None:
    assert decided_on(499) == ["swept: pair 3 took gate's book as it was before our last fill there"]


def test_a_book_newer_than_the_fill_passes_and_so_do_fills_not_yet_heard_of_or_of_a_clock_that_is_ahead() -> None:
    assert decided_on(500) == []
    assert decided_on(499, received_ns=1001) == []
    assert decided_on(499, event_ns=700) == []


def test_a_pair_decided_on_a_book_that_stands_still_is_found() -> None:
    pair = a_pair(3, "opening") | {"decided_ns": 9 * 10**9, "buy_frame_ns": 4 * 10**9, "sell_frame_ns": 8 * 10**9}
    assert list(on_still_books([pair], 4.0)) == ["still: pair 3 took gate's book, still for 5.0 s"]
    assert list(on_still_books([pair], 6.0)) == []


def test_what_an_adopted_pair_was_decided_on_is_not_judged() -> None:
    assert decided_on(499, opportunity_id=None) == []
