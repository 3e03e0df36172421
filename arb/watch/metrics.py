"""Metrics for Prometheus, of the latest state and the latest read of the ledger: a scrape asks neither engine nor database."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from arb.clock import NS_PER_S


class Seen(NamedTuple):
    """The companion's knowledge at one instant: the engine's state ({} while it gives no sign), the ledger, the receivers.

    `today`: by quote, as `TodayReader` has it. `disk_free_bytes`: next to the journal; None: not known. `receivers`: each
    one's messages taken, and failures in a row.
    """

    silent_s: float
    state: Mapping[str, Any]
    is_ledger_read: bool
    alerts: Sequence[Mapping[str, Any]]
    today: Mapping[str, Mapping[str, Any]]
    run: Mapping[str, Any] | None
    disk_free_bytes: int | None
    receivers: Mapping[str, tuple[int, int]]


NO_CAUSES = ("pairs", "realised_net")
"""What the ledger's sums of a day hold besides the causes of the net, which add up to it."""
Sample = tuple[tuple[str, ...], Any]


class Described(NamedTuple):
    """A metric: its help, its labels, and its samples, each as the labels' values and a number. A counter ends in `_total`.

    A histogram has the name of its `delay` in the state instead of samples.
    """

    help: str
    labels: tuple[str, ...]
    samples: Callable[[Seen], Iterable[Sample]] = lambda _: ()
    delay: str = ""

    def kind(self, name: str) -> str:
        """Return the kind of metric that it is under a name: `histogram`, `counter` or `gauge`."""
        return "histogram" if self.delay else "counter" if name.endswith("_total") else "gauge"

    def family(self, name: str, seen: Seen) -> Metric:
        """Return the metric with its samples; the error is any that a lookup raises where the state lacks them."""
        if self.delay:
            return self._histogram(name, seen.state["delays"][self.delay])
        made = CounterMetricFamily if self.kind(name) == "counter" else GaugeMetricFamily
        family = made(name, self.help, labels=self.labels)
        for labels, value in self.samples(seen):
            if value is not None:
                family.add_metric(labels, float(value))
        return family

    def _histogram(self, name: str, delay: Mapping[str, Any]) -> Metric:
        family = HistogramMetricFamily(name, self.help, labels=self.labels)
        bounds = [*(repr(ns / NS_PER_S) for ns in delay["bounds_ns"]), "+Inf"]
        for row in delay["rows"]:
            buckets = list(zip(bounds, row["counts"], strict=True))
            family.add_metric(row["labels"], buckets, sum_value=row["sum_ns"] / NS_PER_S)
        return family


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


def _of_day(key: str, value: Callable[[Mapping[str, Any]], Any]) -> Callable[[Seen], Iterable[Sample]]:
    """Return the samples of a limit on the day, by its key in `[limits]`."""
    return lambda seen: [((), value(seen.state["day_limits"][key]))]


def _left(limit: Mapping[str, Any]) -> Decimal:
    return max(Decimal(0), Decimal(limit["limit"]) - Decimal(limit["used"]))


def _by_budget(name: str) -> Callable[[Seen], Iterable[Sample]]:
    return lambda seen: [
        ((row["venue"], f"{rate['of']}_{rate['ms']}ms"), rate[name])
        for row in seen.state["venues"]
        for rate in row["budgets"]
    ]


def _holdings(seen: Seen) -> Iterator[tuple[str, str, Decimal]]:
    for venue, held in seen.state["holdings"].items():
        for asset, amount in held.items():
            yield venue, asset, Decimal(amount)


def _worth(seen: Seen) -> Iterator[Sample]:
    for venue, asset, held in _holdings(seen):
        for quote, price in seen.state["prices"].get(asset, {}).items():
            yield (venue, asset, quote), held * Decimal(price)


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
    "arb_exposure_day_left_quote_seconds": Described(
        "exposure that its limit still allows", (), _of_day("max_exposure_quote_s_per_day", _left)
    ),
    "arb_day_notional_quote": Described(
        "notional of this UTC day", (), _of_day("daily_notional_quote", lambda limit: limit["used"])
    ),
    "arb_day_notional_left_quote": Described(
        "notional that its limit still allows", (), _of_day("daily_notional_quote", _left)
    ),
    "arb_day_loss_quote": Described(
        "loss of this UTC day, 0 for a profit", (), _of_day("daily_loss_quote", lambda limit: limit["used"])
    ),
    "arb_day_loss_left_quote": Described("loss that its limit still allows", (), _of_day("daily_loss_quote", _left)),
    "arb_late_legs": Described("legs beyond their deadline", (), _of_state(lambda state: len(state["late_legs"]))),
    "arb_unknown_orders": Described(
        "orders that may or may not exist",
        ("venue",),
        lambda seen: _counted(row["venue"] for row in seen.state["unknown"]),
    ),
    "arb_unknown_oldest_seconds": Described(
        "age of the oldest unknown order",
        (),
        _of_state(lambda state: _seconds(max([row["age_ms"] for row in state["unknown"]], default=0))),
    ),
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
        ("source", "reason"),
        lambda seen: list(Counter((block["source"], block["reason"]) for block in seen.state["blocks"]).items()),
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
    "arb_venue_budget_left": Described(
        "orders that the fullest window of a rate still takes", ("venue", "kind"), _by_budget("free")
    ),
    "arb_venue_budget": Described("orders that a window of a rate takes", ("venue", "kind"), _by_budget("limit")),
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
    "arb_holding": Described(
        "computed balance",
        ("venue", "asset"),
        lambda seen: [((venue, asset), held) for venue, asset, held in _holdings(seen)],
    ),
    "arb_holding_quote": Described(
        "worth of a computed balance at live mid prices", ("venue", "asset", "quote"), _worth
    ),
    "arb_tick_to_decision_seconds": Described(
        "from the receipt of a frame to the decision", (), delay="tick_to_decision"
    ),
    "arb_tick_to_order_seconds": Described("from the receipt of a frame to the sent orders", (), delay="tick_to_order"),
    "arb_order_round_trip_seconds": Described(
        "from a sent order to its answer, or to the time-out", ("venue", "outcome"), delay="order_round_trip"
    ),
    "arb_market_data_lag_seconds": Described(
        "from the sending of a frame to its receipt, one sample a second", ("venue",), delay="market_data_lag"
    ),
    "arb_loop_turn_seconds": Described(
        "turns of the event loop; what arrives meanwhile waits", ("cause",), delay="loop_turn"
    ),
    "arb_loop_late_seconds": Described("lateness of the event loop after a wait", (), delay="loop_late"),
    "arb_journal_write_seconds": Described(
        "writes of the journal: intents, entries, fsyncs", ("write",), delay="journal_write"
    ),
    "arb_ledger_delay_seconds": Described(
        "from the journal to the ledger, of the oldest row of each batch", (), delay="ledger_delay"
    ),
    "arb_ledger_waits_seconds": Described(
        "age of the oldest row that the ledger lacks", (), _of_state(lambda state: _seconds(state["ledger_waits_ms"]))
    ),
    "arb_disk_free_bytes": Described("free space next to the journal", (), _one(lambda seen: seen.disk_free_bytes)),
    "arb_ledger_up": Described("1 while the ledger can be read", (), _one(lambda seen: seen.is_ledger_read)),
    "arb_alerts_open": Described("open alerts", ("kind",), lambda seen: _counted(row["kind"] for row in seen.alerts)),
    "arb_day_net_quote": Described(
        "net of the pairs closed this UTC day", ("quote",), _by_today(lambda row: row["realised_net"])
    ),
    "arb_day_cause_quote": Described(
        "causes of that net, which add up to it",
        ("quote", "cause"),
        lambda seen: [
            ((quote, cause), row[cause]) for quote, row in seen.today.items() for cause in row if cause not in NO_CAUSES
        ],
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
            try:
                yield described.family(name, seen)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue  # the engine gives no sign, or is of another version
