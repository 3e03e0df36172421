"""`arb replay` with simulated orders: on captures, and on the tape of a run as a what-if."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec

from arb.app.replay_stores import MODE, Afresh, Both, Stores
from arb.app.trials import Changes, PastRun, changed, past_run, trial_on_captures, trial_on_run
from arb.clock import NS_PER_MS, NS_PER_S
from arb.config import Settings
from arb.live.fast_books import BooksBy, chosen
from arb.live.parts import Journal
from arb.live.runner import LedgerWriter
from arb.live.summary import summarise
from arb.market.numbers import ZERO, plain
from arb.replay.answer import Span, document_of, first_difference, net_text, seconds_of
from arb.replay.backtest import START_BALANCE
from arb.replay.captured import Book
from arb.replay.days import Stretch
from arb.replay.findings import Findings
from arb.replay.result import Edge, Opening
from arb.replay.tapes import head_of
from arb.replay.trial import NoJournal, Played, Progress, Trial, compared_symbols, explored_by, lines_of, play
from arb.store.database import mask_url

NOTHING_OPENS_BPS = 10_000
LIMITS = (
    (
        "the run's own orders are left out, and what they took is missing from the frames all the same: an edge that the run "
        "traded looks gone sooner than it would have been"
    ),
    (
        "every order is simulated, from the first one on: compare the what-if with the run simulated unchanged, and not with "
        "the run itself"
    ),
    "nobody reacts to simulated orders, and rivals show only through the frames",
)


def on_captures(
    settings: Settings,
    changes: Changes,
    kept: Stores,
    stretches: Sequence[Stretch],
    on_progress: Progress,
) -> tuple[dict[str, Any], int]:
    """Replay captures, one stretch after the other; return the summary and the exit code of the worst.

    Raises `ConfigError` for tapes that cannot be replayed, and `StoreError` at a malformed line, when everything before it has
    been written down.
    """
    trial = changed(trial_on_captures(settings), settings, changes)
    simulation = _Simulation(settings, kept, trial, on_progress)
    simulation.play(stretches)
    summary = simulation.summary()
    summary["replay"] = {"kind": "simulated", "files": _names(stretches)} | simulation.assumed(stretches)
    return _answered(summary, simulation, stretches), simulation.exit_code


def what_if(
    settings: Settings,
    changes: Changes,
    kept: Stores,
    stretches: Sequence[Stretch],
    on_progress: Progress,
) -> tuple[dict[str, Any], int]:
    """Replay the tapes of runs with simulated orders, once as they were and once as the user wants; return as `on_captures`."""
    runs = [past_run(stretch, chosen(settings.engine.fast_books)) for stretch in stretches]
    was = Findings(runs[0].head.settings.limits, runs[0].head.settings.repair.leg_loss_max_bps)
    simulation: _Simulation | None = None
    for run, stretch in zip(runs, stretches, strict=True):
        base = trial_on_run(run)
        _play(stretch, base, NoJournal(), was, on_progress)
        trial = changed(base, settings, changes)
        simulation = simulation or _Simulation(settings, kept, trial, on_progress)
        simulation.trial = trial
        simulation.play([stretch])
    assert simulation is not None
    summary = simulation.summary()
    summary["replay"] = (
        {"kind": "what_if", "files": _names(stretches)}
        | _compared(runs, was, simulation.findings, changes)
        | simulation.assumed(stretches)
        | {"limits": list(LIMITS)}
    )
    return _answered(summary, simulation, stretches), simulation.exit_code


def _compared(runs: Sequence[PastRun], was: Findings, now: Findings, changes: Changes) -> dict[str, Any]:
    """Return what the runs made, what they make simulated, with and without the changes, and where these part."""
    found = first_difference(was.openings, now.openings)
    rows = [(f"run {run.run_id}, as it was", run.findings) for run in runs if run.findings is not None]
    rows += [("simulated, nothing changed", was), ("simulated, changed", now)]
    return {
        "run_ids": [str(run.run_id) for run in runs],
        "changed": list(changes.named),
        "first_difference": None if found is None else {"unchanged": _opening(found[0]), "changed": _opening(found[1])},
        "compared": [
            {
                "what": name,
                "edges": (result := findings.result()).edges,
                "pairs": sum(result.pairs.values()),
                "net": net_text(result),
            }
            for name, findings in rows
        ],
    }


def _opening(opening: Opening | None) -> dict[str, Any] | None:
    return None if opening is None else msgspec.to_builtins(opening)


def _play(
    stretch: Stretch,
    trial: Trial,
    journal: Journal,
    ledger: LedgerWriter,
    on_progress: Progress,
    *,
    compiled: bool = False,
) -> Played:
    explored = explored_by(stretch, trial, on_progress)
    # Compiled code takes lines as they stand on the tape.
    as_they_are = compiled and not stretch.of_run and not any(rules.fee_asset for rules in explored.capture.instruments)
    lines = stretch.lines() if as_they_are else lines_of(stretch)
    return play(explored, trial, lines, journal, ledger, on_progress=on_progress, compiled=compiled)


class _Simulation:
    """Stretches replayed into the same stores, each by the trial that is set by then."""

    def __init__(self, settings: Settings, kept: Stores, trial: Trial, on_progress: Progress) -> None:
        self.trial = trial
        self.findings = Findings(trial.settings.limits, trial.settings.repair.leg_loss_max_bps)
        self.exit_code = 0
        self.spans: list[tuple[int, int]] = []
        self.venues: set[str] = set()
        self.shown: set[str] = set()
        self.compared: set[str] = set()
        self._settings = settings
        self._kept = kept
        self._on_progress = on_progress
        self._compiled = chosen(settings.engine.fast_books) is BooksBy.COMPILED
        self._summaries: list[dict[str, Any]] = []
        self._rules: list[dict[str, Any]] = []
        self._left_out: list[dict[str, Any]] = []

    def play(self, stretches: Sequence[Stretch]) -> None:
        """Replay stretches; raises at a malformed line, when everything before it has been handed to the stores."""
        journal, ledger = Afresh(self._kept.journal), Both(self._kept.ledger, self.findings)
        for stretch in stretches:
            played = _play(stretch, self.trial, journal, ledger, self._on_progress, compiled=self._compiled)
            self._note(played)
            if played.fault is not None:
                raise played.fault

    def best_before_fees(self, stretches: Sequence[Stretch]) -> Edge | None:
        """Return the best edge that a replay without fees shows, in which nothing opens; None where it shows none, either."""
        limits = msgspec.structs.replace(self.trial.settings.limits, min_edge_bps=NOTHING_OPENS_BPS)
        settings = msgspec.structs.replace(self.trial.settings, limits=limits)
        free = msgspec.structs.replace(self.trial, settings=settings, fee=ZERO, fees={})
        findings = Findings(limits, settings.repair.leg_loss_max_bps)
        for stretch in stretches:
            _play(stretch, free, NoJournal(), findings, self._on_progress, compiled=self._compiled)
        bests = [row.best for row in findings.result().earned if row.best is not None]
        return max(bests, key=lambda edge: edge.gross_edge_bps, default=None)

    def _note(self, played: Played) -> None:
        explored, capture = played.explored, played.explored.capture
        self.exit_code = max(self.exit_code, played.exit_code)
        self.spans.append((explored.began_ns, explored.ended_ns))
        self.venues |= set(capture.venues)
        self.shown |= set(capture.scales)
        self.compared |= set(compared_symbols([capture]))
        self._rules += [_rules(book) for book in capture.books if book.instrument is not None]
        self._left_out += [msgspec.to_builtins(left) for left in capture.left_out]
        self._summaries.append(
            summarise(
                played.engine,
                mode=MODE,
                sandbox_id=None,
                seconds=(played.now_ns - explored.began_ns) / NS_PER_S,
                dropped_opportunities=self._kept.ledger.dropped_untraded,
                ceiling_net={},
                db=mask_url(self._kept.db),
                now_ns=played.now_ns,
                report_currency=self._settings.run.report_currency,
            )
        )

    def summary(self) -> dict[str, Any]:
        """Return the summary of the last stretch, with what can be counted of all of them."""
        return self._summaries[-1] | {name: _added([s[name] for s in self._summaries]) for name in _COUNTED}

    def assumed(self, stretches: Sequence[Stretch]) -> dict[str, Any]:
        """Return what is not on the tapes and was assumed: every figure of the summary depends on it."""
        trial = self.trial
        return {
            "latency_ms": _ms(trial.latency_ns),
            "latency_ms_at": {venue: _ms(way) for venue, way in sorted(trial.latencies_ns.items())},
            "start_balance_of_each_asset": None if trial.balances else plain(START_BALANCE),
            "start_balances": {
                venue: {asset: plain(amount) for asset, amount in sorted(held.items()) if amount}
                for venue, held in sorted(trial.balances.items())
                if venue in self.venues
            },
            "sites": _sites(stretches),
            "instruments": _distinct(self._rules),
            "left_out": _distinct(self._left_out),
        }


_COUNTED = (
    "seconds",
    "frames",
    "book_updates",
    "opportunities",
    "not_taken",
    "pairs",
    "orders",
    "fills",
    "net",
    "fees",
    "incidents",
)


def _added(values: Sequence[Any]) -> Any:
    """Return the sum of counts, of amounts as plain decimals, or of tables of either."""
    if isinstance(values[0], dict):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _added([value[key] for value in values if key in value]) for key in keys}
    if isinstance(values[0], str):
        return plain(sum(map(Decimal, values), ZERO))
    return round(sum(values), 3)


def _answered(summary: dict[str, Any], simulation: _Simulation, stretches: Sequence[Stretch]) -> dict[str, Any]:
    """Return the summary with the answer before everything else."""
    result = simulation.findings.result()
    span = Span(
        seconds_of(simulation.spans),
        len(stretches),
        tuple(sorted(simulation.venues)),
        tuple(sorted(simulation.compared)),
        len(simulation.shown),
    )
    looked = not result.edges and bool(span.symbols)
    before_fees = simulation.best_before_fees(stretches) if looked else None
    notional = simulation.trial.settings.limits.max_notional_quote
    return {"answer": document_of(span, result, notional, before_fees)} | summary


def _names(stretches: Sequence[Stretch]) -> list[str]:
    return [str(path) for stretch in stretches for path in stretch.files]


def _ms(way_ns: int) -> Any:
    """Return a way in ms, whole where it is."""
    ms = way_ns / NS_PER_MS
    return int(ms) if ms == int(ms) else round(ms, 3)


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def _sites(stretches: Sequence[Stretch]) -> dict[str, str]:
    """Return what each venue was reached as when it was recorded, as far as segments say it."""
    heads = (head_of(path) for stretch in stretches if not stretch.of_run for path in stretch.files)
    return {venue: site for head in heads if head is not None for venue, site in sorted(head.sites.items())}


def _rules(book: Book) -> dict[str, Any]:
    """Return the rules of a book at the beginning, and whether the venue listed them or they follow from its levels."""
    listed = book.instrument
    assert listed is not None
    return {
        "venue": listed.venue,
        "symbol": listed.symbol,
        "tick": plain(listed.tick),
        "lot": plain(listed.lot),
        "min_size": plain(listed.min_size),
        "min_notional": plain(listed.min_notional),
        "taker_fee": None if listed.taker_fee is None else plain(listed.taker_fee),
        "rules": "listed" if book.rules else "seen",
        "changes": sum(before != after for before, after in pairwise(book.rules)),
    }
