"""The tape of a run once more, as it was: the same commands, or the first difference from its journal.

Journal and ledger of every replay are made here, too.
"""

import contextlib
import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from arb.app import stores
from arb.clock import NS_PER_S, ManualClock
from arb.config import ReplayOptions, Settings
from arb.core.accounts.restart import Restored
from arb.core.books.books import Books
from arb.core.engine import Engine
from arb.core.messages.commands import Persist
from arb.core.messages.events import RunStarted, TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.records import RunRecord
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError
from arb.live.fast_books import BooksBy, chosen
from arb.live.universe import books_of, connections_of, universe_of
from arb.replay.rerun import Difference, Judge, Keeper, Prologue, Rerun, read_prologue
from arb.replay.tapes import OwnTape
from arb.store.journal.reader import MAX_SUB, Entry, JournalReader, Position
from arb.store.ledger.database import mask_url
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.rebuild import fresh_journal
from arb.store.tapes.tape import TapeHead
from arb.version import version
from arb.view.summary import summarise

log = logging.getLogger(__name__)

MODE = "replay"
DEFAULT_DB = "sqlite:///var/replay.sqlite"


class Stores:
    """Journal and ledger of a replay; old files are replaced."""

    def __init__(self, settings: Settings, options: ReplayOptions) -> None:
        self._report_currency = settings.run.report_currency
        self.db, path = stores(settings, MODE, options.db or DEFAULT_DB)
        # The journal's own instants are the tape's; nothing in the stores may depend on when the replay itself took place.
        self.journal = fresh_journal(self.db, path, ManualClock(0))
        with contextlib.ExitStack() as stack:
            stack.callback(self.journal.close)
            self.ledger = InlineLedger(self.db, self.journal)
            stack.pop_all()

    def summary(self, engine: Engine, began_ns: int, now_ns: int, sandbox_id: str | None = None) -> dict[str, Any]:
        return summarise(
            engine,
            mode=MODE,
            sandbox_id=sandbox_id,
            seconds=(now_ns - began_ns) / NS_PER_S,
            dropped_opportunities=self.ledger.dropped_untraded,
            ceiling_net={},
            db=mask_url(self.db),
            now_ns=now_ns,
            report_currency=self._report_currency,
        )

    def close(self) -> None:
        try:
            self.ledger.close()
        finally:
            self.journal.close()


def rerun(
    options: ReplayOptions, tapes: Sequence[Path], settings: Settings, kept: Stores
) -> tuple[dict[str, Any], int]:
    """Run a run's tape again next to its journal; return the summary and `EXIT_CHECK` at the first difference.

    Raises `ConfigError` for files that are not the parts of one run's tape, `StoreError` at a malformed line.
    """
    keeper = Keeper(kept.journal, kept.ledger)
    tape = OwnTape(tapes)
    prologue = read_prologue(tape.lines())
    head, started = tape.head, prologue.started
    if started.version != version():
        log.warning("the run was of arb %s, this is %s: the same tape may lead elsewhere", started.version, version())
    engine = Engine(head.settings, books_of_run(prologue, head, chosen(settings.engine.fast_books)))
    engine.load(head.restored)
    _keep_restored(keeper, head.restored, started, head.last_seq)
    with journal_of(options, settings, started) as journal:
        judge = None if journal is None else Judge(journal[1], same_rules=head.same_rules)
        rerun = Rerun(engine, keeper.keep, judge)
        difference = rerun.run(tape.lines())
    summary = kept.summary(engine, started.t_ns, rerun.last_ns, started.sandbox_id)
    summary["replay"] = {
        "kind": "rerun",
        "files": [str(path) for path in tapes],
        "events": rerun.events,
        "journal": None if journal is None else str(journal[0]),
        "compared": 0 if judge is None else judge.compared,
        "difference": None if difference is None else _logged(difference, head),
        "same_rules": head.same_rules,
    }
    return summary, EXIT_CHECK if difference is not None and head.same_rules else EXIT_OK


def books_of_run(prologue: Prologue, head: TapeHead, by: BooksBy = BooksBy.PLAIN) -> Books:
    """Return the books of a run, each on the connection that carried it then, kept by `by`."""
    awaited = dict.fromkeys(prologue.started.absent, head.settings.symbols)
    universe = universe_of(prologue.instruments, awaited, spare=head.spare)
    connections = head.connections or connections_of(universe, limited=False)
    return books_of(universe, head.settings.timing, connections, by)


def _logged(difference: Difference, head: TapeHead) -> dict[str, Any]:
    if head.same_rules:
        log.error("seq %d: expected %s, got %s", difference.seq, difference.expected, difference.got)
    else:
        rules = 'leg_cost "learned"' if head.learned else "earlier rules"
        log.warning("the run was decided by %s, which leads elsewhere from seq %d on", rules, difference.seq)
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
    # They precede this run's own numbers, as many to an entry as the journal takes.
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
        stack.callback(entries.close)
        first = next(entries, None)
        message = None if first is None else first.message
        if first is not None and isinstance(message, RunStarted) and message.nonce == started.nonce:
            yield path, itertools.chain((first,), entries)
            return
        if options.journal is not None:
            raise ConfigError(f"--journal {path}: does not hold run {started.run_id}: name the journal of that run")
        log.warning("the journal %s does not hold run %d: the run is compared with nothing", path, started.run_id)
        yield None
