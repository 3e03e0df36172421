"""A start whose ledger somebody holds: refused where nothing waits for it, and not where a leg does."""

import contextlib
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from arb.clock import SystemClock
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import AnyEvent, RunStarted
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import InlineLedger
from tests.builders import Bench
from tests.integration.support import run_arb
from tests.unit.core.trades.test_trade import accept, crossed, fill, refuse


class Journalled(Bench):
    """A bench on a sandbox that is gone since, whose every event is written down, with its rows in a ledger."""

    def __init__(self, journal: Journal, ledger: InlineLedger) -> None:
        self._journal, self._ledger = journal, ledger
        super().__init__()

    def tell(self, event: AnyEvent) -> tuple[AnyCommand, ...]:
        if isinstance(event, RunStarted):
            event = msgspec.structs.replace(
                event, account_ids={venue: f"{venue}-0123456789ab-sb-1-7" for venue in event.account_ids}
            )
        commands = super().tell(event)
        self._ledger.submit(
            self._journal.append(msgspec.structs.replace(event, seq=self.seq, t_ns=self.now_ns), commands)
        )
        return commands


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a ledger as somebody does who edits it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Return a ledger with its journal beside it, of a process that died with its buy filled and its sell refused."""
    journal = Journal.open(tmp_path / "a.journal.sqlite", SystemClock(), rng=random.Random(1))
    rows = InlineLedger(f"sqlite:///{tmp_path}/a.sqlite", journal)
    bench = Journalled(journal, rows)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    rows.close()
    journal.close()
    return tmp_path / "a.sqlite"


@pytest.mark.thorough
def test_where_a_pair_is_open_the_engine_runs_and_opens_nothing(ledger: Path) -> None:
    with locked(ledger):
        ended = run_arb("run", "--db", f"sqlite:///{ledger}", "--for", "2s", "--json", cwd=ledger.parent)
    assert "database is locked" in ended.err and "pairs are open" in ended.err
    assert ended.code == 3, "rows are left, and only the journal has them"
    summary = json.loads(ended.out)
    assert (summary["pairs"]["opened"], summary["pairs"]["abandoned"], summary["orders"]) == (1, 1, 0)


@pytest.mark.thorough
def test_where_none_is_open_the_start_is_refused(ledger: Path) -> None:
    url = f"sqlite:///{ledger}"
    assert run_arb("run", "--db", url, "--for", "1s", cwd=ledger.parent).code == 0  # it gives the pair up
    with locked(ledger):
        ended = run_arb("run", "--db", url, "--for", "1s", "--json", cwd=ledger.parent)
    assert (ended.code, ended.out) == (2, "")
    assert "database is locked" in ended.err
