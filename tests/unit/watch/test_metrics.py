"""Metrics: every one from a real engine's state, named as Prometheus wants, documented, and served by a real socket."""

import re
import socket
import urllib.request
from contextlib import closing
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.config import MetricsSettings
from arb.errors import ConfigError
from arb.live.delays import BOUNDS_NS, ROUND_TRIP, Delays
from arb.measured_loop import WAKING_UP, Turns
from arb.watch.metrics import METRICS, Seen
from arb.watch.serving import serve
from tests.unit.store.rows import T0
from tests.unit.view.test_view import EXPOSED, PAIR, STOP, a_state

UNITS = ("_total", "_seconds", "_quote", "_bps", "_bytes")
HISTOGRAM = r"_seconds_(bucket|count|sum)$"
COUNTS = {"arb_up", "arb_halted", "arb_ledger_up", "arb_venue_private_up", "arb_venue_halted", "arb_venue_health"} | {
    "arb_late_legs", "arb_open_pairs", "arb_blocks", "arb_venue_books_live", "arb_venue_books", "arb_venue_orders_left",
    "arb_alerts_open", "arb_day_pairs", "arb_receiver_failures", "arb_may_open", "arb_stops", "arb_run_net", "arb_run_fees",
    "arb_unknown_orders", "arb_venue_budget", "arb_venue_budget_left", "arb_holding",
}  # fmt: skip
"""The metrics that count things, are 0 or 1, or are amounts of the asset in their label."""


def delays() -> dict[str, Any]:
    """Return the delays of a state: one of each kind, and of round trips one on a bound, between two and beyond all."""
    found, turns = Delays(ManualClock(T0)), Turns()
    for name in (WAKING_UP, "frames"):
        turns.took(name, NS_PER_MS)
    for one in METRICS.values():
        if one.delay and one.delay != ROUND_TRIP:
            found.of(one.delay, *one.labels).add(NS_PER_MS)
    for ns in (5 * NS_PER_MS, 30 * NS_PER_MS, 20 * NS_PER_S):
        found.of(ROUND_TRIP, "gate", "accepted").add(ns)
    return {name: value for part in found.parts(turns, ()) for name, value in part.items()}


def seen(**changes: Any) -> Seen:
    state = a_state(unhedged=[EXPOSED], unhedged_notional="50000.129", open_pairs=[PAIR], fees={"USDT": "0.5"})
    state["stops"] = [STOP, STOP | {"cause": "pause", "where": "at gate"}]
    state["blocks"] = [{"source": "late_leg", "reason": "halted"}, {"source": "late_leg", "reason": "halted"}]
    state["unknown"] = [{"venue": "okx", "symbol": "BTC/USDT", "age_ms": age_ms} for age_ms in (1500, 12_000)]
    state["day_limits"]["daily_loss_quote"] = {"used": "120.5", "limit": "100"}
    state["day_limits"]["daily_notional_quote"] = {"used": "600", "limit": "1000"}
    state["holdings"] = {"gate": {"BTC": "0.5", "GT": "7"}, "okx": {"USDT": "100"}}
    state["prices"] = {"BTC": {"USDT": "60000.5"}, "GT": {}, "USDT": {"USDT": "1"}}
    state |= delays()
    state["venues"] = [venue | {"orders_left": (4, 8, 500), "lag_ms": 1.5} for venue in state["venues"]]
    values: dict[str, Any] = {
        "silent_s": 0.25,
        "state": state,
        "is_ledger_read": True,
        "alerts": [{"kind": "halt"}, {"kind": "fee_rate"}, {"kind": "fee_rate"}],
        "today": {"USDT": {"pairs": 7, "expected_net": "14", "hedge_cost": "-1.5", "realised_net": "12.5"}},
        "run": {"started_ns": T0},
        "disk_free_bytes": 2**30,
        "receivers": {"1 tgram": (5, 0), "2 json": (0, 3)},
    }
    return Seen(**values | changes)


def served(found: Seen) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples by name and labels, `le` the last, as Prometheus's own parser reads them from the socket."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    serve(("127.0.0.1", port), lambda: found, list)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    values: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = (*METRICS[re.sub(HISTOGRAM, "_seconds", sample.name)].labels, "le")
            ordered = tuple(sample.labels[label] for label in labels if label in sample.labels)
            values.setdefault(sample.name, {})[ordered] = sample.value
    return values


def named(found: dict[str, Any]) -> list[str]:
    """Return the names of served metrics, in order; a histogram's three kinds of samples as one."""
    return list(dict.fromkeys(re.sub(HISTOGRAM, "_seconds", name) for name in found))


def test_every_metric_has_a_value_while_an_engine_runs() -> None:
    found = served(seen())
    assert named(found) == list(METRICS) and len(METRICS) >= 25
    assert {one.delay for one in METRICS.values() if one.delay} == BOUNDS_NS.keys()
    assert found["arb_up"] == {(): 1.0}
    assert found["arb_unhedged_quote"] == {(): 50000.129}
    assert found["arb_unhedged_oldest_seconds"] == {(): 1.234}
    assert found["arb_pairs_total"]["completed",] == 6
    assert found["arb_venue_books_live"] == {("gate",): 5, ("okx",): 4}
    assert found["arb_venue_clock_offset_seconds"] == {("okx",): -0.003}
    assert found["arb_venue_private_up"] == {("gate",): 1, ("okx",): 0}
    assert found["arb_best_edge_bps"] == {("BTC/USDT",): 12.3456}
    assert found["arb_may_open"] == {(): 1}
    assert found["arb_stops"] == {("daily_notional_quote",): 1, ("pause",): 0}
    assert found["arb_blocks"] == {("late_leg", "halted"): 2}
    assert found["arb_unknown_orders"] == {("okx",): 2} and found["arb_unknown_oldest_seconds"] == {(): 12}
    assert found["arb_day_notional_left_quote"] == {(): 400} and found["arb_day_notional_quote"] == {(): 600}
    assert found["arb_day_loss_left_quote"] == {(): 0} and found["arb_day_loss_quote"] == {(): 120.5}
    assert found["arb_holding"] == {("gate", "BTC"): 0.5, ("gate", "GT"): 7, ("okx", "USDT"): 100}
    assert found["arb_holding_quote"] == {("gate", "BTC", "USDT"): 30_000.25, ("okx", "USDT", "USDT"): 100}
    assert found["arb_day_net_quote"] == {("USDT",): 12.5}
    assert found["arb_day_cause_quote"] == {("USDT", "expected_net"): 14, ("USDT", "hedge_cost"): -1.5}
    assert found["arb_disk_free_bytes"] == {(): 2**30}
    assert found["arb_alerts_open"] == {("halt",): 1, ("fee_rate",): 2}
    assert found["arb_run_start_time_seconds"] == {(): T0 / NS_PER_S}
    assert found["arb_messages_total"] == {("1 tgram",): 5, ("2 json",): 0}


def test_a_bucket_counts_what_does_not_exceed_its_bound() -> None:
    found = served(seen())
    buckets = found["arb_order_round_trip_seconds_bucket"]
    assert list(buckets.items())[:6] == [
        (("gate", "accepted", bound), count)
        for bound, count in (("0.001", 0), ("0.002", 0), ("0.005", 1), ("0.01", 1), ("0.02", 1), ("0.05", 2))
    ]
    assert buckets["gate", "accepted", "10.0"] == 2 and buckets["gate", "accepted", "+Inf"] == 3
    assert found["arb_order_round_trip_seconds_count"] == {("gate", "accepted"): 3}
    assert found["arb_order_round_trip_seconds_sum"] == {("gate", "accepted"): 20.035}
    assert {labels[0] for labels in found["arb_loop_turn_seconds_bucket"]} == {"frames"}
    assert found["arb_loop_late_seconds_count"] == {(): 1}


@pytest.mark.parametrize("state", [{}, {"unhedged": 7, "venues": None, "pairs": [], "halted": None}])
def test_without_an_engine_or_with_one_of_another_version_the_rest_is_served(state: dict[str, Any]) -> None:
    found = served(seen(state=state, run=None))
    assert found["arb_up"] == {(): float(bool(state))}
    assert found["arb_day_net_quote"] == {("USDT",): 12.5}
    assert "arb_unhedged_quote" not in found and "arb_run_start_time_seconds" not in found


def test_units_end_the_names_and_only_counters_end_in_total() -> None:
    assert {name for name in METRICS if not name.endswith(UNITS)} == COUNTS
    assert all(re.fullmatch(r"arb_[a-z_]+", name) for name in METRICS)


def test_an_address_that_is_taken_is_one_line() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, pytest.raises(ConfigError, match="choose another"):
        serve(taken.getsockname(), seen, list)


@pytest.mark.parametrize("listen", ["9464", ":9464", "localhost", "localhost:0", "localhost:70000", "a b:9"])
def test_a_text_that_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"\[metrics\] listen"):
        MetricsSettings(listen=listen).address()


def test_an_address_is_host_and_port() -> None:
    assert MetricsSettings(listen="[::1]:9464").address() == ("::1", 9464)
    assert MetricsSettings().address() is None
