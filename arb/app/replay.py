"""`arb replay DAYS...`: the tape of a run once more, or the engine on recorded frames with simulated orders."""

import contextlib
import logging
from typing import Any

from arb.app.replay_stores import Stores
from arb.app.rerun import rerun
from arb.app.simulate import Replay, on_captures, what_if
from arb.app.trials import BPS, Changes
from arb.clock import NS_PER_S, Clock, SystemClock
from arb.config import ReplayOptions, Settings, read_overrides
from arb.errors import ConfigError
from arb.replay.days import stretches_of, tapes_in
from arb.replay.tapes import is_own
from arb.replay.trial import Progress, unseen

log = logging.getLogger(__name__)


def replay_tapes(
    settings: Settings, options: ReplayOptions, on_progress: Progress = unseen
) -> tuple[dict[str, Any], int]:
    """Replay; returns the summary and the exit code.

    Raises `ConfigError` for tapes that do not belong together, for options that would change nothing and for settings that
    do not exist, and `StoreError` at a malformed line, when everything before it has been replayed and written down.
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


def _timed(replay: Replay, options: ReplayOptions, settings: Settings) -> tuple[dict[str, Any], int]:
    clock: Clock = SystemClock()
    with contextlib.closing(Stores(settings, options)) as kept:
        started_ns = clock.monotonic_ns()
        summary, exit_code = replay(kept)
    taken_s = (clock.monotonic_ns() - started_ns) / NS_PER_S
    log.info("%d frames in %.2f s: %.0f frames/s", summary["frames"], taken_s, summary["frames"] / max(taken_s, 1e-9))
    return summary, exit_code
