"""`arb sweep TAPES...`: a grid of settings over many tapes, on all cores or on a Dask cluster."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from arb.app.trials import BPS, Changes, changed, past_run, trial_on_captures, trial_on_run
from arb.clock import NS_PER_S, Clock, SystemClock
from arb.config import Settings, SweepOptions, read_overrides
from arb.config.overrides import Axis, Grid, axis_of, read_axis
from arb.errors import ConfigError
from arb.live.fast_books import BooksBy, chosen
from arb.replay.days import tapes_in
from arb.replay.sweep.cluster import Cluster, Tls
from arb.replay.sweep.processes import Processes
from arb.replay.sweep.rows import Results, called, row_of
from arb.replay.sweep.standings import Label, Standings, held_out_days, standings, text_of
from arb.replay.sweep.tapes import Tape, examine, tapes_of
from arb.replay.sweep.work import KeyedTrial, Piece, perform
from arb.replay.trial import Trial, trial_key
from arb.version import code_version

log = logging.getLogger(__name__)

SETS_A_PASS = 16
"""The most sets that share one pass over a tape, each with its own books; more would need memory and save little time."""
FEE, LATENCY = "--fee", "--latency"

Progress = Callable[[str, int, int | None], None]
"""Called with the task, how much of it is done, and of how much."""


class _Wanted(msgspec.Struct, frozen=True):
    tape: Tape
    label: Label


def sweep(settings: Settings, options: SweepOptions, on_progress: Progress) -> dict[str, Any]:
    """Try every set of the grid on every tape that is not in the file of results yet; return the answer of the sweep.

    Before anything is tried, raises `ConfigError` for a wrong grid, tape, day or file. Later, raises `StoreError` for a tape
    that changes meanwhile, and `CheckFailed` where workers cannot continue: earlier results are kept.
    """
    clock: Clock = SystemClock()
    sets = _sets(settings, options)
    paths = [path.resolve() for path in tapes_in(options.tapes)]
    with ExitStack() as stack:
        results = stack.enter_context(Results(options.out))
        here = stack.enter_context(Processes(options.jobs))
        crew = here if options.dask is None else stack.enter_context(Cluster(options.dask, _tls(options)))
        files = []
        for file in here.results(examine, paths, str):
            files.append(file)
            on_progress("reading tapes", len(files), len(paths))
        tapes = tapes_of(files)
        held_out = () if options.hold_out is None else held_out_days(options.hold_out, {tape.day_utc for tape in tapes})
        compiled = chosen(settings.engine.fast_books) is BooksBy.COMPILED
        wanted: dict[str, _Wanted] = {}
        pieces: list[Piece] = []
        for tape in tapes:
            trials = _trials(settings, options, tape, sets)
            wanted |= {key: _Wanted(tape, label) for (label, _), (key, _) in zip(sets, trials, strict=True)}
            missing = [each for each in trials if each[0] not in results.rows]
            pieces += _pieces(tape, missing, len(tapes), crew.at_once, compiled=compiled)
        started_ns, kept = clock.monotonic_ns(), sum(key in results.rows for key in wanted)
        done = kept
        for found in crew.results(perform, pieces, lambda piece: piece.tape.name):
            results.add(
                row_of(one.tape, dict(one.label), each, settings.run.report_currency)
                for each in found
                for one in (wanted[each.key],)
            )
            done += len(found)
            on_progress("replaying", done, len(wanted))
        seconds = (clock.monotonic_ns() - started_ns) / NS_PER_S
        for key, one in wanted.items():
            results.rows[key] = called(results.rows[key], one.tape, dict(one.label))
        results.finish()
        log.info("%d runs in %.2f s: %.2f runs/s", done - kept, seconds, (done - kept) / max(seconds, 1e-9))
    return _standings(results, wanted, held_out).document() | {
        "runs": len(wanted),
        "runs_made_now": done - kept,
        "file": str(options.out),
    }


def _sets(settings: Settings, options: SweepOptions) -> list[tuple[Label, Changes]]:
    """Return every set of the grid with its changes; raises `ConfigError` for one that no replay could have."""
    axes: list[Axis] = [read_axis(text) for text in options.sets]
    for name, values in ((FEE, options.fees_bps), (LATENCY, options.latencies_ms)):
        axes += [axis_of(name, [text for text, _ in values], name)] if values else []
    grid, fees, latencies = Grid(axes), dict(options.fees_bps), dict(options.latencies_ms)
    if len(grid) > options.max_sets:
        raise ConfigError(
            f"{len(grid):,} sets of settings: more than {options.max_sets:,}: give fewer values, or --max-sets {len(grid)}"
        )
    base, sets = trial_on_captures(settings), []
    for one in grid:
        changes = Changes(
            fee=fees[one[FEE]] / BPS if FEE in one else None,
            latency_ms=latencies.get(one.get(LATENCY, "")),
            overrides=read_overrides(f"{key}={value}" for key, value in one.items() if key not in (FEE, LATENCY)),
        )
        changed(base, settings, changes)
        sets.append((tuple(one.items()), changes))
    return sets


def _trials(
    settings: Settings, options: SweepOptions, tape: Tape, sets: Sequence[tuple[Label, Changes]]
) -> list[KeyedTrial]:
    """Return the trials of all sets on a tape, with their keys; raises `ConfigError` where two sets are the same."""
    base: Trial = trial_on_captures(settings)
    if tape.stretch.of_run:
        if options.config_given:
            raise ConfigError(
                f"--config: {tape.name} is the tape of a run, which is replayed under its own limits: sweep single settings of "
                "it by --set"
            )
        base = trial_on_run(past_run(tape.stretch, chosen(settings.engine.fast_books)))
    trials: dict[str, Trial] = {}
    labels: dict[str, Label] = {}
    for label, changes in sets:
        trial = changed(base, settings, changes)
        key = trial_key(tape.digests, trial)
        if key in trials:
            raise ConfigError(f"{text_of(labels[key])} and {text_of(label)}: are the same settings: give one of them")
        trials[key], labels[key] = trial, label
    return list(trials.items())


def _pieces(tape: Tape, trials: Sequence[KeyedTrial], tapes: int, at_once: int, *, compiled: bool) -> list[Piece]:
    """Split a tape's trials into passes: as many trials in each as still give every worker a pass."""
    length = max(1, min(SETS_A_PASS, -(-len(trials) * tapes // at_once)))
    shares = (tuple(trials[start : start + length]) for start in range(0, len(trials), length))
    return [Piece(tape, share, compiled) for share in shares]


def _tls(options: SweepOptions) -> Tls | None:
    return None if options.dask_tls is None else Tls(*map(str, options.dask_tls))


def _standings(results: Results, wanted: dict[str, _Wanted], held_out: Sequence[str]) -> Standings:
    rows: dict[Label, list[Any]] = {}
    for key, one in wanted.items():
        rows.setdefault(one.label, []).append(results.rows[key])
    tried: dict[tuple[str, ...], int] = {one.tape.digests: 0 for one in wanted.values()}
    for row in results.rows.values():
        if row.sha256 in tried and row.arb == code_version():
            tried[row.sha256] += 1
    return standings(rows, held_out, max(tried.values()))
