"""Metrics: every one from a real engine's state, named as Prometheus wants, documented, and served by a real socket."""

import re
import socket
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from arb.clock import NS_PER_S
from arb.config import MetricsSettings
from arb.errors import ConfigError
from arb.watch.metrics import METRICS, Seen
from arb.watch.serving import serve
from tests.unit.store.rows import T0
from tests.unit.view.test_view import EXPOSED, PAIR, STOP, a_state

UNITS = ("_total", "_seconds", "_quote", "_bps")
COUNTS = {"arb_up", "arb_halted", "arb_ledger_up", "arb_venue_private_up", "arb_venue_halted", "arb_venue_health"} | {
    "arb_late_legs", "arb_open_pairs", "arb_blocks", "arb_venue_books_live", "arb_venue_books", "arb_venue_orders_left",
    "arb_alerts_open", "arb_day_pairs", "arb_receiver_failures", "arb_may_open", "arb_stops", "arb_run_net", "arb_run_fees",
}  # fmt: skip
"""The metrics that count things, are 0 or 1, or are amounts of the asset in their label."""


def seen(**changes: Any) -> Seen:
    state = a_state(unhedged=[EXPOSED], unhedged_notional="50000.129", open_pairs=[PAIR], fees={"USDT": "0.5"})
    state["stops"] = [STOP, STOP | {"cause": "pause", "where": "at gate"}]
    state["blocks"] = [{"source": "late_leg"}, {"source": "late_leg"}]
    state["venues"] = [venue | {"orders_left": (4, 8, 500), "lag_ms": 1.5} for venue in state["venues"]]
    values: dict[str, Any] = {
        "silent_s": 0.25,
        "state": state,
        "is_ledger_read": True,
        "alerts": [{"kind": "halt"}, {"kind": "fee_rate"}, {"kind": "fee_rate"}],
        "today": {"USDT": {"net": "12.5", "pairs": 7}},
        "run": {"started_ns": T0},
        "receivers": {"1 tgram": (5, 0), "2 json": (0, 3)},
    }
    return Seen(**values | changes)


def served(found: Seen) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples by name and labels, as Prometheus's own parser reads them from the socket."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    serve(("127.0.0.1", port), lambda: found, list)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        sample.name: {tuple(each.labels.values()): each.value for each in family.samples if each.name == sample.name}
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_has_a_value_while_an_engine_runs() -> None:
    found = served(seen())
    assert list(found) == list(METRICS) and len(METRICS) >= 25
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
    assert found["arb_blocks"] == {("late_leg",): 2}
    assert found["arb_alerts_open"] == {("halt",): 1, ("fee_rate",): 2}
    assert found["arb_run_start_time_seconds"] == {(): T0 / NS_PER_S}
    assert found["arb_messages_total"] == {("1 tgram",): 5, ("2 json",): 0}


@pytest.mark.parametrize("state", [{}, {"unhedged": 7, "venues": None, "pairs": [], "halted": None}])
def test_without_an_engine_or_with_one_of_another_version_the_rest_is_served(state: dict[str, Any]) -> None:
    found = served(seen(state=state, run=None))
    assert found["arb_up"] == {(): float(bool(state))}
    assert found["arb_day_net_quote"] == {("USDT",): 12.5}
    assert "arb_unhedged_quote" not in found and "arb_run_start_time_seconds" not in found


def test_units_end_the_names_and_only_counters_end_in_total() -> None:
    assert {name for name in METRICS if not name.endswith(UNITS)} == COUNTS
    assert all(re.fullmatch(r"arb_[a-z_]+", name) for name in METRICS)


def test_the_page_has_every_metric_with_its_help_and_labels(repo_root: Path) -> None:
    page = (repo_root / "docs" / "WATCH.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(arb_\w+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == {name: f"{', '.join(one.labels) or '-'} | {one.help}" for name, one in METRICS.items()}


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
