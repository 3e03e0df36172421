"""`arb replay DAYS...`: the tape of a run once more, or the engine on recorded frames with simulated orders.

Orders are simulated on captures, and on the tape of a run as an experiment.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec

from arb.app.rerun import Stores, rerun
from arb.app.trials import BPS, Changes, PastRun, changed, past_run, trial_on_captures, trial_on_run
from arb.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from arb.config import ReplayOptions, Settings, read_overrides
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import AnyEvent
from arb.core.messages.intents import Intent
from arb.core.messages.records import OpportunityRecord
from arb.errors import ConfigError
from arb.live.fast_books import BooksBy, chosen
from arb.live.parts import Journal
from arb.live.runner import LedgerWriter
from arb.market.numbers import ZERO, plain
from arb.replay.answer import Span, document_of, first_difference, net_text, seconds_of
from arb.replay.backtest import START_BALANCE
from arb.replay.captured import Book
from arb.replay.days import Stretch, stretches_of, tapes_in
from arb.replay.replay_totals import ReplayTotals
from arb.replay.result import Edge, Opening
from arb.replay.tapes import head_of, is_own
from arb.replay.trial import (
    Explored,
    NoJournal,
    Played,
    Progress,
    Reading,
    Trial,
    compared_symbols,
    lines_for,
    play,
    unseen,
)
from arb.store.journal.reader import Row

log = logging.getLogger(__name__)

NOTHING_OPENS_BPS = Decimal(10_000)
ANY_SIZE = Decimal("1e12")
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
    "after the first difference every other decision may differ for that reason alone",
)
Answer = Callable[[Stores], tuple[dict[str, Any], int]]
"""Replays into stores; returns the summary and the exit code. Raises `StoreError` at a malformed line, after all before it is
written down."""


def replay_tapes(
    settings: Settings, options: ReplayOptions, on_progress: Progress = unseen
) -> tuple[dict[str, Any], int]:
    """Replay; returns the summary and the exit code.

    Raises `ConfigError` for tapes that do not belong together, for options that would change nothing and for settings that
    do not exist. Raises `StoreError` at a malformed line, after everything before it was replayed and written down.
    """
    changes = Changes(
        fee=None if options.fee_bps is None else options.fee_bps / BPS,
        latency_ms=options.latency_ms,
        seed=options.seed,
        overrides=read_overrides(options.overrides),
    )
    tapes = tapes_in(options.files)
    own = all(map(is_own, tapes))
    if own and options.config_given:
        raise ConfigError(
            "--config: the tape of a run is replayed under its own limits, so this would change nothing: change single "
            "settings of it by --set"
        )
    if own and not changes.named:
        return _timed(lambda kept: rerun(options, tapes, settings, kept), options, settings)
    stretches = stretches_of(tapes)
    if options.journal is not None:
        raise ConfigError("--journal: is compared with the tape of a run that is replayed as it was: omit it")
    prepare = what_if if own else on_captures
    return _timed(prepare(settings, changes, stretches, on_progress), options, settings)


def _timed(replay: Answer, options: ReplayOptions, settings: Settings) -> tuple[dict[str, Any], int]:
    clock: Clock = SystemClock()
    with contextlib.closing(Stores(settings, options)) as kept:
        started_ns = clock.monotonic_ns()
        summary, exit_code = replay(kept)
    taken_s = (clock.monotonic_ns() - started_ns) / NS_PER_S
    log.info("%d frames in %.2f s: %.0f frames/s", summary["frames"], taken_s, summary["frames"] / max(taken_s, 1e-9))
    return summary, exit_code


def on_captures(settings: Settings, changes: Changes, stretches: Sequence[Stretch], on_progress: Progress) -> Answer:
    """Read captures once, and return the function that replays them, one stretch after the other.

    Raises `ConfigError` before anything is written, for captures that cannot be replayed and changes that cannot be
    made.
    """
    trial = changed(trial_on_captures(settings), settings, changes)
    replay = Replay(settings, stretches, [_renamed(trial, number) for number in range(len(stretches))], on_progress)

    def answer(kept: Stores) -> tuple[dict[str, Any], int]:
        replay.simulate(kept)
        return replay.summary({"kind": "simulated"}), replay.exit_code

    return answer


def what_if(settings: Settings, changes: Changes, stretches: Sequence[Stretch], on_progress: Progress) -> Answer:
    """Read the tapes of runs, and return the function that replays them with simulated orders, unchanged and changed.

    Raises as `on_captures` does.
    """
    runs = [past_run(stretch, chosen(settings.engine.fast_books), on_progress) for stretch in stretches]
    bases = [_renamed(trial_on_run(run), number) for number, run in enumerate(runs)]
    replay = Replay(settings, stretches, [changed(base, settings, changes) for base in bases], on_progress)

    def answer(kept: Stores) -> tuple[dict[str, Any], int]:
        was = replay.totals_of(bases)
        replay.simulate(kept)
        return replay.summary({"kind": "what_if"} | _compared(runs, was, replay.findings, changes)), replay.exit_code

    return answer


def _renamed(trial: Trial, number: int) -> Trial:
    """Return a trial whose orders have other names than those of the stretches before: all of them go into one ledger."""
    return msgspec.structs.replace(trial, seed=trial.seed + number)


def _compared(runs: Sequence[PastRun], was: ReplayTotals, now: ReplayTotals, changes: Changes) -> dict[str, Any]:
    """Return the runs' results, the simulated results with and without the changes, and where these differ first."""
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
        "limits": list(LIMITS),
    }


def _opening(opening: Opening | None) -> dict[str, Any] | None:
    return None if opening is None else msgspec.to_builtins(opening)


class Part(msgspec.Struct, frozen=True):
    """A stretch that has been read once, and the trial it is replayed with."""

    stretch: Stretch
    trial: Trial
    explored: Explored


class Replay:
    """Stretches that have been read once, each with its trial; `simulate` replays them into stores."""

    def __init__(
        self, settings: Settings, stretches: Sequence[Stretch], trials: Sequence[Trial], on_progress: Progress
    ) -> None:
        self.findings = ReplayTotals()
        self.exit_code = 0
        self._stretches = stretches
        self._compiled = chosen(settings.engine.fast_books) is BooksBy.COMPILED
        self._on_progress = on_progress
        self._parts = self._read(trials)
        self._summaries: list[dict[str, Any]] = []

    def _read(self, trials: Iterable[Trial]) -> list[Part]:
        return [
            Part(stretch, trial, Reading(stretch, self._on_progress, compiled=self._compiled).explored(trial))
            for stretch, trial in zip(self._stretches, trials, strict=True)
        ]

    def _play(self, parts: Sequence[Part], journal: Journal, ledger: LedgerWriter) -> Iterator[tuple[Part, Played]]:
        """Replay parts one after the other, and yield each when it is over."""
        done, of = 0, sum(part.explored.lines for part in parts)
        for part in parts:
            yield (
                part,
                play(
                    part.explored,
                    part.trial,
                    lines_for(part.stretch, part.explored, compiled=self._compiled),
                    journal,
                    ledger,
                    compiled=self._compiled,
                    on_progress=partial(_on_part, self._on_progress, done, of),
                ),
            )
            done += part.explored.lines

    def totals_of(self, trials: Iterable[Trial]) -> ReplayTotals:
        """Return the totals of the same stretches under other trials; nothing is written."""
        totals = ReplayTotals()
        for _ in self._play(self._read(trials), NoJournal(), totals):
            pass
        return totals

    def simulate(self, kept: Stores) -> None:
        """Replay all; raises at a malformed line, when everything before it has been passed to the stores."""
        for part, played in self._play(self._parts, Afresh(kept.journal), Both(kept.ledger, self.findings)):
            self.exit_code = max(self.exit_code, played.exit_code)
            self._summaries.append(kept.summary(played.engine, part.explored.began_ns, played.now_ns))
            if played.fault is not None:
                raise played.fault

    def summary(self, replayed: dict[str, Any]) -> dict[str, Any]:
        """Return the answer, and the summary of the last part with counts over all; `replayed`: the parts played."""
        counted = {name: _added([summary[name] for summary in self._summaries]) for name in _COUNTED}
        files = {"files": [str(path) for part in self._parts for path in part.stretch.files]}
        replay = {"replay": replayed | files | assumed(self._parts)}
        return {"answer": self._answer()} | self._summaries[-1] | counted | replay

    def _answer(self) -> dict[str, Any]:
        result = self.findings.result()
        captures = [part.explored.capture for part in self._parts]
        span = Span(
            seconds_of((part.explored.began_ns, part.explored.ended_ns) for part in self._parts),
            len(self._parts),
            tuple(sorted({venue for capture in captures for venue in capture.venues})),
            compared_symbols(captures),
            len({symbol for capture in captures for symbol in capture.scales}),
        )
        limit = self._parts[0].trial.settings.limits.max_notional_quote
        before_fees = beyond = None
        if span.symbols and not result.edges:
            before_fees = self._best_before_fees()
            beyond = None if before_fees else self._best_before_fees(ANY_SIZE)
        return document_of(span, result, limit, before_fees, beyond)

    def _best_before_fees(self, max_notional: Decimal | None = None) -> Edge | None:
        """Return the best edge that a replay without fees shows, in which nothing opens; None where it shows none, either.

        `max_notional`: another limit of the quote a pair pays.
        """
        findings = self.totals_of(_without_fees(part.trial, max_notional) for part in self._parts)
        bests = [row.best for row in findings.result().earned if row.best is not None]
        return max(bests, key=lambda edge: edge.gross_edge_bps, default=None)


def _on_part(on_progress: Progress, before: int, of: int, done: int, _: int | None) -> None:
    on_progress(before + done, of)


def _without_fees(trial: Trial, max_notional: Decimal | None) -> Trial:
    limits = msgspec.structs.replace(trial.settings.limits, min_edge_bps=NOTHING_OPENS_BPS, symbol={}, venue={})
    if max_notional is not None:
        limits = msgspec.structs.replace(limits, max_notional_quote=max_notional)
    settings = msgspec.structs.replace(trial.settings, limits=limits)
    return msgspec.structs.replace(trial, settings=settings, fee=ZERO, fees={})


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
    if isinstance(values[0], dict):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _added([value[key] for value in values if key in value]) for key in keys}
    if isinstance(values[0], str):
        return plain(sum(map(Decimal, values), ZERO))
    return round(sum(values), 3)


def assumed(parts: Sequence[Part]) -> dict[str, Any]:
    """Return the assumptions for facts that are not on the tapes: every figure of the summary depends on them."""
    trials = [part.trial for part in parts]
    balances = {venue: held for trial in trials for venue, held in trial.balances.items()}
    venues = {venue for part in parts for venue in part.explored.capture.venues}
    ways_ns = {venue: way for trial in trials for venue, way in trial.latencies_ns.items()}
    captures = [part.explored.capture for part in parts]
    return {
        "latency_ms": _ms(trials[0].latency_ns),
        "latency_ms_at": {venue: _ms(way) for venue, way in sorted(ways_ns.items())},
        "start_balance_of_each_asset": plain(START_BALANCE) if venues - balances.keys() else None,
        "start_balances": {
            venue: {asset: plain(amount) for asset, amount in sorted(held.items()) if amount}
            for venue, held in sorted(balances.items())
            if venue in venues
        },
        "sites": _sites(part.stretch for part in parts),
        "instruments": _distinct(
            _rules(book) for capture in captures for book in capture.books if book.instrument is not None
        ),
        "left_out": _distinct(msgspec.to_builtins(left) for capture in captures for left in capture.left_out),
    }


def _ms(way_ns: int) -> Any:
    ms = way_ns / NS_PER_MS
    return int(ms) if ms == int(ms) else round(ms, 3)


def _distinct(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({msgspec.json.encode(row): row for row in rows}.values())


def _sites(stretches: Iterable[Stretch]) -> dict[str, str]:
    """Return the site of each venue at the time of the recording, as far as segments record it."""
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


class Afresh(NoJournal):
    """A journal that continues from stretch to stretch and restores nothing: each stretch begins afresh."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def last_seq(self) -> int:
        return self._journal.last_seq

    def intend(self, intents: Iterable[Intent]) -> None:
        self._journal.intend(intents)

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        return self._journal.append(event, commands)


class Both:
    """A ledger that passes everything to two."""

    def __init__(self, one: LedgerWriter, other: LedgerWriter) -> None:
        self._ledgers = one, other

    def submit(self, rows: Sequence[Row]) -> None:
        for ledger in self._ledgers:
            ledger.submit(rows)

    def submit_untraded(self, record: OpportunityRecord) -> None:
        for ledger in self._ledgers:
            ledger.submit_untraded(record)
