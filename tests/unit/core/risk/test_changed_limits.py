"""Limits that change while the engine runs: every way that uses one uses the new one from that event on."""

from typing import Any

import msgspec
import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.events import LimitsChanged, ResumeAsked
from arb.core.messages.records import IncidentRecord
from arb.core.messages.recovery_records import ControlRecord
from arb.core.messages.settings import LegCost, Limits, SymbolLimits
from tests.builders import SYMBOL, Bench, D
from tests.unit.core.risk.test_limits import LOSS_OF_FIVE, end_with


def change(bench: Bench, **changes: Any) -> None:
    limits = msgspec.structs.replace(bench.engine.state.limits, **changes)
    bench.tell(LimitsChanged(limits=limits, changes=tuple(f"limits.{name}" for name in changes), by="ada"))


def opened(bench: Bench) -> int:
    """Show the crossed books again; return how many orders left."""
    before = len(bench.placed())
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    return len(bench.placed()) - before


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("min_edge_bps", D(5000)),
        ("min_net_quote", D(500)),
        ("max_edge_bps", D(1)),
        ("leg_cost", LegCost("5000bps")),
        ("max_open_pairs", 0),
        ("max_symbol_quote", D(1)),
        ("max_asset_quote", D(1)),
        ("max_unhedged_quote", D(1)),
        ("max_capital_per_venue_quote", D(1)),
        ("daily_notional_quote", D(1)),
        ("symbol", {SYMBOL: SymbolLimits(max_notional_quote=D(1))}),
    ],
)
def test_a_stricter_limit_stops_the_next_pair_and_its_former_value_lets_it_open(limit: str, value: object) -> None:
    bench = Bench()
    former = getattr(bench.engine.state.limits, limit)
    change(bench, **{limit: value})
    assert opened(bench) == 0
    change(bench, **{limit: former})
    assert opened(bench) == 2


def test_a_judged_symbol_is_judged_again_by_the_new_limit_without_a_new_frame() -> None:
    bench = Bench(limits=Limits(min_edge_bps=D(5000)))
    assert opened(bench) == 0
    change(bench, min_edge_bps=D(6))
    bench.drain()
    assert len(bench.placed()) == 2


def test_a_change_is_an_incident_that_names_the_settings_and_who_asked() -> None:
    bench = Bench()
    change(bench, min_edge_bps=D(8), max_open_pairs=1)
    [row] = bench.rows(IncidentRecord)
    assert isinstance(row, IncidentRecord)
    assert (row.kind, row.severity) == ("settings_changed", "info")
    assert row.text == "limits.min_edge_bps; limits.max_open_pairs (by ada)"


def test_a_smaller_loss_limit_holds_at_once_and_a_larger_one_lifts_no_loss_that_was_reached() -> None:
    bench = Bench(limits=msgspec.structs.replace(LOSS_OF_FIVE, daily_loss_quote=D(100)))
    end_with(bench, "98")
    control = bench.engine.state.control
    assert not control.day_loss_blocks(bench.now_ns)
    change(bench, daily_loss_quote=D(1))
    assert control.day_loss_blocks(bench.now_ns)
    control.day_loss_reached = True
    change(bench, daily_loss_quote=D(100))
    assert control.day_loss_blocks(bench.now_ns)
    bench.tell(ResumeAsked(reason="seen", allow_loss=D(1)))
    assert not control.day_loss_blocks(bench.now_ns)
    change(bench, daily_loss_quote=D(50))
    assert control.day_floor_e8 == control.day_net_e8 - 10**8, "an allowance is a person's word for this day"


def test_dust_that_counted_as_unhedged_is_counted_by_the_new_sum() -> None:
    bench = Bench()
    residuals = bench.engine.state.residuals
    change(bench, dust_total_max_quote=D(7))
    assert residuals.excess_dust()[0] == -7


def test_the_next_process_has_the_limits_of_its_settings() -> None:
    bench = Bench()
    change(bench, max_open_pairs=0)
    bench.tell(ResumeAsked(reason="x"))
    again = Bench(restored=Restored(control=bench.rows(ControlRecord)[-1]), run_id=1_760_000_500)
    assert again.engine.state.limits == Bench().engine.state.limits
    assert isinstance(again.engine.state.limits, Limits)
