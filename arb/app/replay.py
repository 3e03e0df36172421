"""`arb replay FILE...`: the tape of a run once more, or the engine on captured frames with simulated matching."""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from arb import __version__
from arb.app import stores
from arb.clock import NS_PER_MS, NS_PER_S, Clock, ManualClock, SystemClock
from arb.config import ReplayOptions, Settings
from arb.core.accounts.restart import Restored
from arb.core.books import Books
from arb.core.commands import Persist
from arb.core.engine import Engine
from arb.core.events import RunStarted, TroubleReported
from arb.core.incidents import IncidentKind
from arb.core.records import RunRecord
from arb.core.risk.limits import PlaceRate
from arb.core.state import EngineSettings, VenueProfile
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError
from arb.live.fast_books import BooksBy, chosen
from arb.live.summary import summarise
from arb.live.universe import books_of, connections_of, universe_of
from arb.market.numbers import plain
from arb.replay.backtest import START_BALANCE, Backtest, clock_before
from arb.replay.captured import Book, Capture, explore
from arb.replay.rerun import Difference, Judge, Keeper, Prologue, Rerun, read_prologue
from arb.replay.tapes import OwnTape, head_of, is_own, merged, require_overlap
from arb.store.database import mask_url
from arb.store.journal_reader import MAX_SUB, Entry, JournalReader, Position
from arb.store.ledger import InlineLedger
from arb.store.rebuild import fresh_journal
from arb.store.tape import RULES, TapeHead

log = logging.getLogger(__name__)

MODE = "replay"
DEFAULT_DB = "sqlite:///var/replay.sqlite"
DEFAULT_SEED = 1
BPS = Decimal(10_000)
# A venue takes about this much; what a capture's venue would have taken is not known any more.
PAPER_RATE = PlaceRate(10, 1000)


def replay_tapes(settings: Settings, options: ReplayOptions) -> tuple[dict[str, Any], int]:
    """Replay; returns the summary and the exit code.

    Raises `ConfigError` for tapes that do not belong together, and `StoreError` at a malformed line, when everything before
    it has been replayed and written down.
    """
    own = [is_own(path) for path in options.files]
    if all(own) and options.given:
        raise ConfigError(
            f"{', '.join(options.given)}: the tape of a run is run again as it was, under its own limits, venues and seed, so "
            "this would change nothing: leave it out (other thresholds are answered by `arb report`)"
        )
    if all(own):
        return _timed(lambda kept: _rerun(options, settings, kept), options, settings)
    if any(own):
        raise ConfigError("tapes of runs and captures in one replay: replay them apart")
    require_overlap(options.files)
    return _timed(lambda kept: _backtest(options, settings, kept), options, settings)


class _Stores:
    """Journal and ledger of a replay, made anew."""

    def __init__(self, settings: Settings, options: ReplayOptions) -> None:
        self.db, path = stores(settings, MODE, options.db or DEFAULT_DB)
        # The journal's own instants are the tape's; nothing in the stores may depend on when the replay itself took place.
        self.journal = fresh_journal(self.db, path, ManualClock(0))
        with contextlib.ExitStack() as stack:
            stack.callback(self.journal.close)
            self.ledger = InlineLedger(self.db, self.journal)
            stack.pop_all()

    def close(self) -> None:
        """Write what waits and let go of both."""
        try:
            self.ledger.close()
        finally:
            self.journal.close()


_Replay = Callable[[_Stores], tuple[dict[str, Any], int]]


def _timed(replay: _Replay, options: ReplayOptions, settings: Settings) -> tuple[dict[str, Any], int]:
    """Open the stores anew, replay, close them, and log how fast it went."""
    clock: Clock = SystemClock()
    with contextlib.closing(_Stores(settings, options)) as kept:
        started_ns = clock.monotonic_ns()
        summary, exit_code = replay(kept)
    taken_s = (clock.monotonic_ns() - started_ns) / NS_PER_S
    log.info("%d frames in %.2f s: %.0f frames/s", summary["frames"], taken_s, summary["frames"] / max(taken_s, 1e-9))
    return summary, exit_code


# The tape of a run.


def _rerun(options: ReplayOptions, settings: Settings, kept: _Stores) -> tuple[dict[str, Any], int]:
    keeper = Keeper(kept.journal, kept.ledger)
    tape = OwnTape(options.files)
    prologue = read_prologue(tape.lines())
    head, started = tape.head, prologue.started
    if started.version != __version__:
        log.warning("the run was of arb %s, this is %s: the same tape may lead elsewhere", started.version, __version__)
    engine = Engine(head.settings, books_of_run(prologue, head, chosen(settings.engine.fast_books)))
    engine.load(head.restored)
    _keep_restored(keeper, head.restored, started, head.last_seq)
    with journal_of(options, settings, started) as journal:
        judge = None if journal is None else Judge(journal[1], same_rules=head.rules == RULES)
        rerun = Rerun(engine, keeper.keep, judge)
        difference = rerun.run(tape.lines())
    summary = summarise(
        engine,
        mode=MODE,
        sandbox_id=started.sandbox_id,
        seconds=(rerun.last_ns - started.t_ns) / NS_PER_S,
        dropped_opportunities=kept.ledger.dropped_untraded,
        ceiling_net={},
        db=mask_url(kept.db),
        now_ns=rerun.last_ns,
        report_currency=settings.run.report_currency,
    )
    summary["replay"] = {
        "kind": "rerun",
        "files": [str(path) for path in options.files],
        "events": rerun.events,
        "journal": None if journal is None else str(journal[0]),
        "compared": 0 if judge is None else judge.compared,
        "difference": None if difference is None else _logged(difference, head.rules),
        "same_rules": head.rules == RULES,
    }
    return summary, EXIT_CHECK if difference is not None and head.rules == RULES else EXIT_OK


def books_of_run(prologue: Prologue, head: TapeHead, by: BooksBy = BooksBy.PLAIN) -> Books:
    """Return the books of a run, each on the connection that carried it then, kept as `by` says."""
    universe = universe_of(prologue.instruments, dict.fromkeys(prologue.started.absent, head.settings.symbols))
    connections = head.connections or connections_of(universe, limited=False)
    return books_of(universe, head.settings.timing, connections, by)


def _logged(difference: Difference, rules: int) -> dict[str, Any]:
    if rules == RULES:
        log.error("seq %d: expected %s, got %s", difference.seq, difference.expected, difference.got)
    else:
        log.warning("the run was decided by earlier rules, which lead elsewhere from seq %d on", difference.seq)
    return {"seq": difference.seq, "expected": difference.expected, "got": difference.got}


def _keep_restored(keeper: Keeper, restored: Restored, started: RunStarted, last_seq: int) -> None:
    """Write down the rows of earlier runs that were recovered, since rows of this run refer to them."""
    pairs = (*restored.recent, *restored.pairs)
    if not pairs and not restored.foreign_orders:
        return
    runs = {pair.pair.run_id: pair.pair.decided_ns for pair in reversed(pairs)}
    records: list[Any] = [
        RunRecord(
            id=run_id,
            mode=started.mode,
            sandbox_id=started.sandbox_id,
            seed=None,
            version=started.version,
            started_ns=decided_ns,
        )
        for run_id, decided_ns in sorted(runs.items())
    ]
    for left in pairs:
        records += [left.plan, left.pair, *left.orders, *left.fills]
    records += [*restored.foreign_orders, *restored.foreign_fills]
    # They stand before this run's own numbers, as many to an entry as the journal takes.
    parts = [records[start : start + MAX_SUB] for start in range(0, len(records), MAX_SUB)]
    for seq, part in enumerate(parts, last_seq - len(parts) + 1):
        event = TroubleReported(seq=seq, t_ns=started.t_ns, kind=IncidentKind.RESTORED, text="rows of earlier runs")
        keeper.keep(event, tuple(Persist(cause=seq, record=record) for record in part), [])


@contextlib.contextmanager
def journal_of(
    options: ReplayOptions, settings: Settings, started: RunStarted
) -> Iterator[tuple[Path, Iterator[Entry]] | None]:
    """Yield the run's journal and its entries from the run's start; None when no journal is found."""
    path = options.journal or stores(settings, started.mode, None)[1]
    if not path.exists():
        log.warning("no journal at %s: the run is repeated, and compared with nothing", path)
        yield None
        return
    with contextlib.ExitStack() as stack:
        reader = JournalReader.open(path)
        stack.callback(reader.close)
        entries = reader.entries(Position(started.seq - 1, MAX_SUB))
        stack.callback(getattr(entries, "close", int))  # a generator, to be ended before the file is closed
        first = next(entries, None)
        message = None if first is None else first.message
        if first is not None and isinstance(message, RunStarted) and message.nonce == started.nonce:
            yield path, itertools.chain((first,), entries)
            return
        if options.journal is not None:
            raise ConfigError(f"--journal {path}: does not hold run {started.run_id}: name the journal of that run")
        log.warning("the journal %s does not hold run %d: the run is compared with nothing", path, started.run_id)
        yield None


# Captures.


def _backtest(options: ReplayOptions, settings: Settings, kept: _Stores) -> tuple[dict[str, Any], int]:
    fee = options.taker_fee_bps / BPS
    charge = fee if "--fee" in options.given else None
    capture = explore(merged(options.files), fee, charge_all=charge is not None)
    first = next(merged(options.files), None)
    if first is None:
        raise ConfigError(f"{', '.join(map(str, options.files))}: no frame on the tape")
    latency_ns = options.latency_ms * NS_PER_MS
    clock = clock_before(first.line.received_ns, latency_ns)
    backtest = Backtest(
        capture,
        _engine_settings(settings, capture),
        clock,
        kept.journal,
        kept.ledger,
        latency_ns=latency_ns,
        seed=DEFAULT_SEED if options.seed is None else options.seed,
        charge=charge,
        dropped=lambda: kept.ledger.dropped_untraded,
        compiled=chosen(settings.engine.fast_books) is BooksBy.COMPILED,
    )
    exit_code = backtest.run(merged(options.files))
    if backtest.fault is not None:
        raise backtest.fault
    engine = backtest.engine
    now_ns = clock.wall_ns()
    summary = summarise(
        engine,
        mode=MODE,
        sandbox_id=None,
        seconds=(now_ns - first.line.received_ns) / NS_PER_S,
        dropped_opportunities=kept.ledger.dropped_untraded,
        ceiling_net={},
        db=mask_url(kept.db),
        now_ns=now_ns,
        report_currency=settings.run.report_currency,
    )
    summary["replay"] = {"kind": "simulated", "files": [str(path) for path in options.files]} | _assumed(
        options, capture
    )
    return summary, exit_code


def _engine_settings(settings: Settings, capture: Capture) -> EngineSettings:
    return EngineSettings(
        limits=settings.limits,
        timing=settings.timing,
        repair=settings.repair,
        venues=tuple(VenueProfile(venue, PAPER_RATE, enforces_expiry=True) for venue in capture.venues),
        symbols=tuple(capture.scales),
        health=settings.health,
        inventory=settings.inventory,
    )


def _assumed(options: ReplayOptions, capture: Capture) -> dict[str, Any]:
    """Return what is not on the tape and was assumed: every figure of the summary depends on it."""
    return {
        "latency_ms": options.latency_ms,
        "start_balance_of_each_asset": plain(START_BALANCE),
        "sites": _sites(options.files),
        "instruments": [_rules(book) for book in capture.books if book.instrument is not None],
        "left_out": [msgspec.to_builtins(left) for left in capture.left_out],
    }


def _sites(files: Iterable[Path]) -> dict[str, str]:
    """Return what each venue was reached as when it was recorded, as far as segments say it."""
    heads = (head_of(path) for path in files)
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
