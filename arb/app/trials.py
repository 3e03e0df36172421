"""From settings, options and overrides to the trial of a replay (`arb.replay.trial.Trial`).

Captures are replayed with the user's settings. The tape of a run is replayed with those of the run: its settings at the
start, its first balances, and the latency of its orders. Overrides replace keys of either.
"""

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from itertools import chain
from statistics import median_low
from typing import Any

import msgspec

from arb.app.build import ENGINE_TABLES, tables_of
from arb.app.rerun import books_of_run
from arb.clock import NS_PER_MS
from arb.config import Overrides, Settings, VenuesSettings, overridden
from arb.config.values import AMOUNT_MAX
from arb.core.engine import Engine
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import AnyEvent, BalancesReported, OrderAccepted
from arb.core.messages.records import OpportunityRecord, tag_of
from arb.core.state.engine_state import EngineSettings
from arb.errors import ConfigError
from arb.live.fast_books import BooksBy
from arb.replay.days import Stretch
from arb.replay.replay_totals import ReplayTotals
from arb.replay.rerun import Rerun, read_event, read_prologue
from arb.replay.tapes import OwnTape
from arb.replay.trial import Progress, Trial, rows_of, shown, unseen
from arb.store.tapes.tape import TapeHead
from arb.venues.registry import TAPES

BPS = Decimal(10_000)
PARTS = (("paper", "fees"), ("paper", "latency_ms"), ("paper", "balances"), ("run", "symbols"))


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The user's changes to a recorded or assumed trial; None: nothing. `fee` is a ratio, for every venue."""

    fee: Decimal | None = None
    latency_ms: int | None = None
    seed: int | None = None
    overrides: Overrides = Overrides({})

    @property
    def named(self) -> tuple[str, ...]:
        """Return the options given, without the values of settings, which may be secret."""
        options = {"--fee": self.fee, "--latency": self.latency_ms, "--seed": self.seed}
        given = tuple(name for name, value in options.items() if value is not None)
        return (*given, *(f"--set {name}" for name in self.overrides.names))


class PastRun(msgspec.Struct, frozen=True):
    """A run as its own tape shows it: its accounts' balances at the start, and the latency of its orders (ns), by
    venue.

    `findings`: its totals and openings; None: it was decided by earlier rules, so nothing can be repeated.
    """

    run_id: int
    head: TapeHead
    held: dict[str, dict[str, Decimal]]
    ways_ns: dict[str, int]
    findings: ReplayTotals | None


def past_run(stretch: Stretch, by: BooksBy = BooksBy.PLAIN, on_progress: Progress = unseen) -> PastRun:
    """Return the facts of a run from its tape; raises as `OwnTape` and `Rerun` do. `by`: who keeps the books meanwhile."""
    tape = OwnTape(stretch.files)
    lines = tape.lines()
    prologue = read_prologue(lines)
    held: dict[str, dict[str, Decimal]] = {}
    waited_ns: defaultdict[str, list[int]] = defaultdict(list)
    for line in shown(chain(prologue.lines, lines), on_progress):
        if line.kind == "event" and any(name in line.raw for name in _REPORTS):
            event = read_event(line)
            if isinstance(event, BalancesReported) and event.complete:
                totals = {asset: balance.free + balance.locked for asset, balance in event.balances.items()}
                held.setdefault(event.venue, totals)
            elif isinstance(event, OrderAccepted):
                waited_ns[event.venue].append(event.acked_ns - event.sent_ns)
    return PastRun(
        prologue.started.run_id,
        tape.head,
        held,
        {venue: max(1, median_low(waited) // 2) for venue, waited in waited_ns.items()},
        _found(stretch, by) if tape.head.same_rules else None,
    )


_REPORTS = (tag_of(BalancesReported), tag_of(OrderAccepted))


def _found(stretch: Stretch, by: BooksBy) -> ReplayTotals:
    tape = OwnTape(stretch.files)
    settings, prologue = tape.head.settings, read_prologue(tape.lines())
    engine = Engine(settings, books_of_run(prologue, tape.head, by))
    engine.load(tape.head.restored)
    findings = ReplayTotals()

    def keep(event: AnyEvent, commands: tuple[AnyCommand, ...], untraded: list[OpportunityRecord]) -> None:
        findings.submit(rows_of(event, commands))
        for record in untraded:
            findings.submit_untraded(record)

    Rerun(engine, keep, None).run(tape.lines())
    return findings


def trial_on_captures(settings: Settings) -> Trial:
    return Trial(settings=EngineSettings(venues=(), symbols=(), **tables_of(settings)))


def trial_on_run(run: PastRun) -> Trial:
    """Return the unchanged trial of a run's tape: its orders are simulated nonetheless.

    Nothing is signed, so the guard next to the signer does not limit an order's worth.
    """
    venues = (msgspec.structs.replace(profile, max_order_value_quote=None) for profile in run.head.settings.venues)
    return Trial(
        settings=msgspec.structs.replace(run.head.settings, venues=tuple(venues)),
        latencies_ns=run.ways_ns,
        balances=run.held,
    )


def changed(trial: Trial, settings: Settings, changes: Changes) -> Trial:
    """Return a trial with the user's changes.

    `settings`: the user's, used for keys that neither the trial nor an override states. Raises `ConfigError` for
    overrides that config.toml could not have, and for those without effect on a replay.
    """
    engine, overrides = trial.settings, changes.overrides
    if not engine.symbols and not settings.run.chooses and ("run", "symbols") not in overrides.values:
        _require_known(overrides, settings.run.symbols)
    found = overridden(_as_settings(trial, settings), overrides)
    for path, name in zip(overrides.values, overrides.names, strict=True):
        if path[0] not in ENGINE_TABLES and path[:2] not in PARTS:
            raise ConfigError(
                f"--set {name}: means nothing to a replay, which goes by {', '.join(f'[{table}]' for table in ENGINE_TABLES)}, "
                f"{', '.join(f'[{table}] {key}' for table, key in PARTS)}: omit it"
            )
    values: dict[str, Any] = {
        "settings": msgspec.structs.replace(
            engine,
            **tables_of(found),
            symbols=found.run.symbols if ("run", "symbols") in overrides.values else engine.symbols,
        ),
        "fees": trial.fees | {venue: found.paper.taker_fee(venue) for venue in _named(overrides, "fees")},
    }
    if changes.fee is not None:
        values["fee"] = changes.fee
    if changes.latency_ms is not None:
        values |= {"latency_ns": changes.latency_ms * NS_PER_MS, "latencies_ns": {}}
    ways = {venue: way for venue in _named(overrides, "latency_ms") if (way := found.paper.latency_ns(venue))}
    values["latencies_ns"] = values.get("latencies_ns", trial.latencies_ns) | ways
    if _named(overrides, "balances"):
        values["balances"] = dict.fromkeys(TAPES, found.paper.balances)
    if changes.seed is not None:
        values["seed"] = changes.seed
    return msgspec.structs.replace(trial, **values)


def _named(overrides: Overrides, key: str) -> list[str]:
    return [path[2] for path in overrides.values if path[:2] == ("paper", key) and len(path) > 2]


def _require_known(overrides: Overrides, symbols: Collection[str]) -> None:
    """Raise `ConfigError` for a limit of a symbol that the settings do not name, though captures may have it."""
    for path, name in zip(overrides.values, overrides.names, strict=True):
        if path[0] == "limits" and len(path) > 2 and "/" in path[1] and path[1] not in symbols:
            raise ConfigError(
                f"--set {name}: {path[1]} is not in [run] symbols: name the replayed symbols there, "
                f"for example with --set 'run.symbols=[\"{path[1]}\"]'"
            )


def _as_settings(trial: Trial, settings: Settings) -> Settings:
    """Return settings equal to a trial, as the base of overrides.

    The limits of the guard next to the signer do not matter to a replay, and must not refuse an override.
    """
    engine = trial.settings
    unguarded = {
        name: msgspec.structs.replace(venue, max_order_value_quote=AMOUNT_MAX)
        for name, venue in VenuesSettings().enabled().items()
    }
    return msgspec.structs.replace(
        settings,
        run=msgspec.structs.replace(settings.run, symbols=engine.symbols or settings.run.symbols),
        venues=VenuesSettings(**unguarded),
        **tables_of(engine),
    )
