"""Metrics for Prometheus, of the latest state and the latest read of the ledger: a scrape asks neither engine nor database."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from arb.clock import NS_PER_S


class Seen(NamedTuple):
    """The companion's knowledge at one instant: the engine's state ({} while it gives no sign), the ledger, the receivers.

    `today`: by quote, as `TodayReader` has it. `receivers`: each one's messages taken, and failures in a row.
    """

    silent_s: float
    state: Mapping[str, Any]
    is_ledger_read: bool
    alerts: Sequence[Mapping[str, Any]]
    today: Mapping[str, Mapping[str, Any]]
    run: Mapping[str, Any] | None
    receivers: Mapping[str, tuple[int, int]]


Sample = tuple[tuple[str, ...], Any]


class Described(NamedTuple):
    """A metric: its help, its labels, and its samples, each as the labels' values and a number. A counter ends in `_total`."""

    help: str
    labels: tuple[str, ...]
    samples: Callable[[Seen], Iterable[Sample]]


def _one(value: Callable[[Seen], Any]) -> Callable[[Seen], Iterable[Sample]]:
    return lambda seen: [((), value(seen))]


def _of_state(value: Callable[[Mapping[str, Any]], Any]) -> Callable[[Seen], Iterable[Sample]]:
    return lambda seen: [((), value(seen.state))]


def _by_name(key: str) -> Callable[[Seen], Iterable[Sample]]:
    return lambda seen: [((name,), value) for name, value in seen.state[key].items()]


def _by_venue(value: Callable[[Mapping[str, Any]], Any]) -> Callable[[Seen], Iterable[Sample]]:
    return lambda seen: [((row["venue"],), value(row)) for row in seen.state["venues"]]


def _by_today(value: Callable[[Mapping[str, Any]], Any]) -> Callable[[Seen], Iterable[Sample]]:
    return lambda seen: [((quote,), value(row)) for quote, row in seen.today.items()]


def _counted(names: Iterable[str]) -> list[Sample]:
    return [((name,), number) for name, number in Counter(names).items()]


def _seconds(ms: Any) -> Any:
    return None if ms is None else Decimal(str(ms)) / 1000


METRICS: dict[str, Described] = {
    "arb_up": Described("1 while the engine gives signs", (), _one(lambda seen: bool(seen.state))),
    "arb_silent_seconds": Described("time since the engine's latest sign", (), _one(lambda seen: seen.silent_s)),
    "arb_halted": Described("1 while trading is halted", (), _of_state(lambda state: bool(state["halted"]))),
    "arb_may_open": Described(
        "1 while a pair may open somewhere", (), _of_state(lambda state: state["state"] == "ACTIVE")
    ),
    "arb_stops": Described(
        "causes that stop openings: 1 everywhere, 0 in a part",
        ("cause",),
        lambda seen: [((stop["cause"],), not stop["where"]) for stop in seen.state["stops"]],
    ),
    "arb_unhedged_quote": Described("unhedged amount", (), _of_state(lambda state: state["unhedged_notional"])),
    "arb_unhedged_oldest_seconds": Described(
        "age of the oldest unhedged size",
        (),
        _of_state(lambda state: _seconds(max([row["age_ms"] for row in state["unhedged"]], default=0))),
    ),
    "arb_exposure_day_quote_seconds": Described(
        "unhedged quote x seconds of the UTC day", (), _of_state(lambda state: state["exposure"]["quote_s"])
    ),
    "arb_exposure_day_limit_quote_seconds": Described(
        "their limit", (), _of_state(lambda state: state["exposure"]["limit_quote_s"])
    ),
    "arb_late_legs": Described("legs beyond their deadline", (), _of_state(lambda state: len(state["late_legs"]))),
    "arb_open_pairs": Described("pairs under way", (), _of_state(lambda state: len(state["open_pairs"]))),
    "arb_pairs_total": Described("pairs of this run, opened and by state", ("state",), _by_name("pairs")),
    "arb_run_net": Described("net result of this run", ("asset",), _by_name("net")),
    "arb_run_fees": Described("fees of this run", ("asset",), _by_name("fees")),
    "arb_orders_total": Described("orders of this run", (), _of_state(lambda state: state["orders"])),
    "arb_fills_total": Described("fills of this run", (), _of_state(lambda state: state["fills"])),
    "arb_frames_total": Described("public frames of this run", (), _of_state(lambda state: state["frames"])),
    "arb_incidents_total": Described("incidents of this run", (), _of_state(lambda state: state["incidents"])),
    "arb_opportunities_total": Described(
        "opportunities of this run", (), _of_state(lambda state: state["opportunities"])
    ),
    "arb_not_taken_total": Described("opportunities not taken", ("reason",), _by_name("not_taken")),
    "arb_blocks": Described(
        "blocks that prevent openings",
        ("source",),
        lambda seen: _counted(block["source"] for block in seen.state["blocks"]),
    ),
    "arb_best_edge_bps": Described(
        "best edge after fees, of the best symbols",
        ("symbol",),
        lambda seen: [((row["symbol"],), row["edge_bps"]) for row in seen.state["edges"]],
    ),
    "arb_venue_books_live": Described("live books", ("venue",), _by_venue(lambda row: row["books"].partition("/")[0])),
    "arb_venue_books": Described(
        "books that are read", ("venue",), _by_venue(lambda row: row["books"].partition("/")[2])
    ),
    "arb_venue_lag_seconds": Described("lag of frames", ("venue",), _by_venue(lambda row: _seconds(row["lag_ms"]))),
    "arb_venue_clock_offset_seconds": Described(
        "the venue's clock against ours", ("venue",), _by_venue(lambda row: _seconds(row["offset_ms"]))
    ),
    "arb_venue_orders_left": Described(
        "orders that the venue's fullest window still takes", ("venue",), _by_venue(lambda row: row["orders_left"][0])
    ),
    "arb_venue_private_up": Described(
        "1 while the private stream is up", ("venue",), _by_venue(lambda row: row["private"] == "up")
    ),
    "arb_venue_halted": Described(
        "1 while the venue opens nothing, or not everything", ("venue",), _by_venue(lambda row: bool(row["halted"]))
    ),
    "arb_venue_health": Described(
        "1 for the venue's present health",
        ("venue", "health"),
        lambda seen: [((row["venue"], row["health"]), 1) for row in seen.state["venues"]],
    ),
    "arb_ledger_up": Described("1 while the ledger can be read", (), _one(lambda seen: seen.is_ledger_read)),
    "arb_alerts_open": Described("open alerts", ("kind",), lambda seen: _counted(row["kind"] for row in seen.alerts)),
    "arb_day_net_quote": Described(
        "net of the pairs closed this UTC day", ("quote",), _by_today(lambda row: row["net"])
    ),
    "arb_day_pairs": Described("pairs closed this UTC day", ("quote",), _by_today(lambda row: row["pairs"])),
    "arb_run_start_time_seconds": Described(
        "start of the latest run, Unix time",
        (),
        lambda seen: [((), seen.run["started_ns"] / NS_PER_S)] if seen.run else [],
    ),
    "arb_messages_total": Described(
        "messages that a receiver took",
        ("receiver",),
        lambda seen: [((name,), taken) for name, (taken, _) in seen.receivers.items()],
    ),
    "arb_receiver_failures": Described(
        "failures of a receiver in a row",
        ("receiver",),
        lambda seen: [((name,), failures) for name, (_, failures) in seen.receivers.items()],
    ),
}
"""Every metric, in the order in which it is served. Those of the state are absent while the engine gives no sign."""


class Metrics(Collector):
    """Collects `METRICS` from the latest `seen`, which the companion replaces."""

    def __init__(self, seen: Callable[[], Seen]) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        seen = self._seen()
        for name, described in METRICS.items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, described.help, labels=described.labels)
            try:
                for labels, value in described.samples(seen):
                    if value is not None:
                        family.add_metric(labels, float(value))
            except (KeyError, TypeError, ValueError, AttributeError):
                continue  # the engine gives no sign, or is of another version
            yield family
