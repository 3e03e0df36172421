"""The judges of late pairs: what must stop in time, and what may lift that again."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import RepairPolicy, Timing
from proofs.faultsim.lateness import late_without_a_stop, lifted_wrongly
from tests.unit.proofs.faultsim.test_conduct import a_journal, a_pair

TIMING, DUST, REPAIR = Timing(leg_deadline_ms=3000), Decimal(5), RepairPolicy()
ORDER = {
    "type": "OrderRecord",
    "id": 4,
    "venue": "okx",
    "pair_trade_id": 1,
    "client_order_id": "arb1",
    "status": "unknown",
}
HOUR_MS = 3_600_000
Told = tuple[int, dict[str, Any] | str]


def a_fill(side: str, size: str, fee: str = "0") -> dict[str, Any]:
    """Return a fill of order 4 at 100, its fee in base."""
    traded = {"side": side, "price": "100", "size": size, "fee": fee, "fee_currency": "BTC", "fee_quote_value": "0"}
    return {"type": "FillRecord", "order_id": 4, "symbol": "BTC/USDT", "venue": "gate", "trade_id": side} | traded


def a_control(*late: int, halted: str | None = None, well: bool = False) -> dict[str, Any]:
    """Return a control row: the pairs that are late, and why trading is halted."""
    legs = [
        {"pair_id": n, "symbol": "BTC/USDT", "venues": ["gate", "okx"], "halted": False, "ended_well": well}
        for n in late
    ]
    return {"type": "ControlRecord", "halted": halted, "late": legs}


def alone(*later: Told) -> list[Told]:
    """Return what a journal holds of a pair that bought at 9 ms and whose sale stays unknown, and of what came later."""
    return [(0, ORDER), (0, a_pair(1, "opening")), (9, a_fill("buy", "1")), *later]


def late(tmp_path: Path, *entries: Told) -> list[str]:
    return list(late_without_a_stop(a_journal(tmp_path, *entries), TIMING, DUST))


def test_a_leg_beside_an_unknown_order_that_stops_nothing_in_time_is_found(tmp_path: Path) -> None:
    assert late(tmp_path, *alone((3100, "QueueDrained"))) == [
        "late: pair 1 was unhedged for longer than 1 x 3000 ms, and nothing stopped"
    ]


def test_where_our_clock_was_put_forward_past_a_deadline_it_stops_at_once(tmp_path: Path) -> None:
    entries = alone((4500, "ClockAnchored"), (4510, "QueueDrained"))
    assert late(tmp_path, *entries) == []
    assert len(late(tmp_path / "more", *entries, (4530, "QueueDrained"))) == 1


def test_a_pair_called_halted_that_stops_nothing_is_found(tmp_path: Path) -> None:
    assert late(tmp_path, *alone((3009, a_pair(1, "halted")), (3100, "QueueDrained"))) == [
        "late: pair 1 was unhedged for longer than 1 x 3000 ms, and nothing stopped"
    ]


def stopped_in_time() -> tuple[Told, ...]:
    return (3009, a_pair(1, "halted")), (3009, a_control(1))


def test_a_pair_that_does_not_halt_trading_at_twice_its_deadline_is_found(tmp_path: Path) -> None:
    entries = alone(*stopped_in_time(), (6000, "QueueDrained"))
    assert late(tmp_path, *entries) == []
    assert late(tmp_path / "more", *entries, (6100, "QueueDrained")) == [
        "late: pair 1 was unhedged for longer than 2 x 3000 ms, and nothing halted"
    ]


def test_two_late_pairs_that_do_not_halt_trading_are_found(tmp_path: Path) -> None:
    assert late(tmp_path, (0, a_control(1, 2)), (1, "QueueDrained")) == [
        "late: pairs [1, 2] at the same time, and nothing halted"
    ]


def test_a_pair_stopped_and_halted_in_time_one_evened_in_time_and_a_new_life_pass(tmp_path: Path) -> None:
    halted = (6009, a_control(1, halted="leg_deadline"))
    assert late(tmp_path, *alone(*stopped_in_time(), halted, (9999, "QueueDrained"))) == []
    assert late(tmp_path / "even", *alone((2000, a_fill("sell", "0.999")), (9999, "QueueDrained"))) == []
    assert late(tmp_path / "anew", *alone((9000, "RunStarted"), (11_000, "QueueDrained"))) == []
    resumed = ((4000, "ResumeAsked"), (4000, a_control()), (9999, "QueueDrained"))
    assert late(tmp_path / "resumed", *alone(*stopped_in_time(), *resumed)) == []


def ended(state: str = "unwound", net_e8: int = -40_000_000) -> dict[str, Any]:
    """Return the row of the pair at its end; it bought for 100."""
    return a_pair(1, state) | {"waterfall": {"realised_net_e8": net_e8}}


SETTLED = ORDER | {"status": "cancelled"}


@pytest.mark.parametrize(
    ("entries", "findings"),
    [
        ([(1, SETTLED), (1, ended())], []),
        ([(1, SETTLED), (1, ended(net_e8=-52_000_000))], ["lifted: pair 1 lost more than its cap"]),
        ([(1, SETTLED), (1, ended("carried"))], ["lifted: pair 1 is carried"]),
        ([(1, SETTLED)], ["lifted: pair 1 is opening"]),
        ([], ["lifted: order arb1 is unknown", "lifted: pair 1 is opening"]),
    ],
)
def test_a_stop_lifts_itself_when_its_pair_has_ended_well_and_nothing_is_unknown(
    tmp_path: Path, entries: list[Told], findings: list[str]
) -> None:
    path = a_journal(tmp_path, *alone((10, a_control(1)), *entries, (11, a_control())))
    assert list(lifted_wrongly(path, REPAIR)) == findings


@pytest.mark.parametrize("reason", ["asked", "daily_loss_quote"])
def test_no_other_halt_lifts_itself(tmp_path: Path, reason: str) -> None:
    path = a_journal(tmp_path, *alone((10, a_control(halted=reason)), (11, a_control())))
    assert f"lifted: trading was halted for {reason}" in list(lifted_wrongly(path, REPAIR))


def test_a_halt_that_somebody_asked_for_as_well_is_not_lifted(tmp_path: Path) -> None:
    halted = (10, a_control(1, halted="leg_deadline"))
    entries = alone(halted, (11, "HaltAsked"), (12, SETTLED), (12, ended()), (13, a_control()))
    assert list(lifted_wrongly(a_journal(tmp_path, *entries), REPAIR)) == [
        "lifted: trading was halted for leg_deadline"
    ]
    resumed = [*entries[:-1], (13, "ResumeAsked"), (13, a_control())]
    assert list(lifted_wrongly(a_journal(tmp_path / "resumed", *resumed), REPAIR)) == []


@pytest.mark.parametrize(("after_ms", "findings"), [(HOUR_MS - 1, ["lifted: twice within an hour"]), (HOUR_MS, [])])
def test_a_stop_lifts_itself_once_an_hour(tmp_path: Path, after_ms: int, findings: list[str]) -> None:
    once = ((10, a_control(1)), (10, SETTLED), (10, ended()), (11, a_control()))
    again = ((12, a_control(1)), (11 + after_ms, a_control()))
    assert list(lifted_wrongly(a_journal(tmp_path, *alone(*once, *again)), REPAIR)) == findings
