"""The only floor that builds and joins objects: one function per command that needs the house.

Each imports its own part late, so that looking at history does not load the venues' libraries.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from arb.config import ControlOptions, ReplayOptions, ReviewOptions, RunOptions, Settings

# (what is being written, rows written so far, rows in all)
OnProgress = Callable[[str, int, int], None]


class RunResult(msgspec.Struct, frozen=True):
    """What a run ends with: the summary of DESIGN.md section 5, and the exit code."""

    summary: dict[str, Any]
    exit_code: int


def run(settings: Settings, options: RunOptions, *, live_view: bool) -> RunResult:
    """Run the engine until told to stop, until its time is over, or until it cannot go on."""
    from arb.app.run import run_engine

    return RunResult(*run_engine(settings, options, live_view=live_view))


def replay(settings: Settings, options: ReplayOptions) -> RunResult:
    """Run the engine on recorded tapes."""
    from arb.app.replay import replay_tapes

    return RunResult(*replay_tapes(settings, options))


def status(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return the state of the running engine, or of the latest run when none runs."""
    from arb.app import review

    return review.status(settings, options)


def watch_status(settings: Settings, options: ReviewOptions, show: Callable[[dict[str, Any]], None]) -> None:
    """Show the status again and again until interrupted."""
    from arb.app import review

    review.watch_status(settings, options, show)


def pairs(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return the latest pair trades."""
    from arb.app import review

    return review.pairs(settings, options)


def report(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return what a ledger says as one document: money exact, measured times as percentiles."""
    from arb.app import review

    return review.report(settings, options)


def report_page(settings: Settings, options: ReviewOptions, path: Path) -> dict[str, Any]:
    """Write what a ledger says as one page, and return where it lies and how large it is."""
    from arb.app import page

    return page.report_page(settings, options, path)


def explain(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return the story of one pair trade."""
    from arb.app import review

    return review.explain(settings, options)


def export(settings: Settings, options: ReviewOptions, on_progress: OnProgress | None) -> dict[str, Any]:
    """Write a ledger as Parquet and return what was written; `on_progress` as `arb.store.export` calls it."""
    from arb.app import review

    return review.export(settings, options, on_progress)


def halt(settings: Settings, options: ControlOptions) -> dict[str, Any]:
    """Ask the running engine, and the next one, to open no pairs."""
    from arb.app import steer

    return steer.halt(settings, options)


def resume(settings: Settings, options: ControlOptions) -> dict[str, Any]:
    """Lift a halt."""
    from arb.app import steer

    return steer.resume(settings, options)


def flatten(settings: Settings, options: ControlOptions) -> dict[str, Any]:
    """Ask the running engine to bring everything of its own back to flat, and to halt."""
    from arb.app import steer

    return steer.flatten(settings, options)
