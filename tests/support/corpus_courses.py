"""The runs that leave the corpus behind: real processes on a sandbox, with faults, kills and restarts (tests/data/README.md).

`play_all` writes journals, ledgers, intents and tapes of the version that runs into one folder. Which pairs they hold depends
on the instant, so each course is played until it has left what it is for.
"""

import contextlib
import re
import shutil
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, create_engine, text

from arb.clock import ManualClock
from arb.core.messages.records import PairState
from arb.live.control import ask
from arb.store.journal.intents import has_lacking, intents_of
from arb.store.journal.journal import Journal
from arb.store.journal.reader import JournalReader
from arb.store.ledger.migrate import known, make_config
from arb.store.ledger.rebuild import db_rebuild
from tests.integration import kill_points
from tests.integration.support import (
    DB,
    EngineProcess,
    SandboxProcess,
    arb,
    end_of,
    engine_of,
    run_script,
    sandbox_process,
)

SEED = 11
SETTLED_NS = 1_800_000_000_000_000_000
"""When intents are merged into their journal: the instant is written down with them."""
TRIES = 8
POLL_S = 0.002
UNTRADED_KEPT = 20
"""So many opportunities that were not traded are kept in a ledger."""
PLAIN = "[engine]\nfast_books = false\n"
TWO, ONE = '["BTC/USDT", "DOGE/USDT"]', '["DOGE/USDT"]'
PATIENT = "[timing]\nleg_deadline_ms = 20000\n"
CHEAP = '[paper.fees]\ngate = "0.02%"\nokx = "0.02%"\nbitget = "0.02%"\n'
BANDS = "".join(
    f'[inventory.venue.{venue}.DOGE]\nlow_share = "{low}%"\ntarget_share = "{low + 5}%"\nhigh_share = "{low + 10}%"\n'
    for venue, low in (("gate", 20), ("okx", 40), ("bitget", 20))
)
Act = Callable[[SandboxProcess, EngineProcess], None]


class NotYetError(Exception):
    """A course has not left what it is for, and is played once more."""


def play_all(folder: Path, log: Callable[[str], None]) -> None:
    """Play every course, and leave the files of each in `folder` under its name."""
    for name, course in COURSES.items():
        for turn in range(TRIES):
            place = folder / f".{name}-{turn}"
            place.mkdir(parents=True)
            try:
                course(place, SEED + turn)
            except NotYetError as error:
                log(f"{name}: {error}: once more")
                continue
            else:
                break
            finally:
                for path in place.glob("kept-*"):
                    path.rename(folder / path.name.removeprefix("kept-"))
                shutil.rmtree(place)
        else:
            raise SystemExit(f"{name}: not in {TRIES} turns")
        log(name)
    for path in sorted(folder.glob("*.journal.sqlite")):
        project(path)
    for revision in reversed(known()):
        ledger_at(revision, folder / "reopened.sqlite", folder / f"ledger-{revision}.sqlite")


# Engines and what is kept of them.


def _config(folder: Path, symbols: str, *more: str) -> None:
    (folder / "config.toml").write_text(f"[run]\nsymbols = {symbols}\n" + PLAIN + "".join(more))


def _options(sandbox: SandboxProcess | None, *more: str) -> tuple[str, ...]:
    where = () if sandbox is None else ("--sandbox", sandbox.admin)
    return "run", "--json", "--config", "config.toml", "--db", f"sqlite:///{DB}", *where, *more


@contextlib.contextmanager
def _engine(folder: Path, sandbox: SandboxProcess | None, *more: str) -> Iterator[EngineProcess]:
    with engine_of(folder, arb(*_options(sandbox, *more), cwd=folder)) as engine:
        yield engine


def _keep_journal(folder: Path, name: str) -> None:
    """Keep journal, ledger and intents, each whole in its one file, and little that was not traded."""
    for path, kind in ((folder / "a.journal.sqlite", "journal.sqlite"), (folder / DB, "sqlite")):
        with (
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(folder / f"kept-{name}.{kind}", isolation_level=None)) as db,
        ):
            source.backup(db)
            if kind == "sqlite":
                untraded = "SELECT id FROM opportunities WHERE outcome <> 'traded' ORDER BY id"
                db.execute(f"DELETE FROM opportunities WHERE id IN ({untraded} LIMIT -1 OFFSET {UNTRADED_KEPT})")
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("VACUUM")
    shutil.copy(folder / "a.intents", folder / f"kept-{name}.intents")


def _kill(engine: EngineProcess) -> None:
    engine.process.send_signal(signal.SIGKILL)
    engine.process.wait(60)


def _killed_at(point: str, left_alone: int, folder: Path, sandbox: SandboxProcess) -> None:
    config, url = folder / "config.toml", f"sqlite:///{folder / DB}"
    end_of(run_script("killed_engine.py", point, str(left_alone), str(config), url, sandbox.admin, cwd=folder))


def _open_pairs(folder: Path) -> list[Any]:
    with closing(JournalReader.open(folder / "a.journal.sqlite")) as reader:
        return list(reader.state().pairs)


# Journals.


def _half_open(folder: Path, seed: int) -> None:
    """Killed with one leg naked and its hedge written down; the next life takes it up, and is taped."""
    _config(folder, TWO, PATIENT)
    with sandbox_process(folder, seed=seed) as sandbox:
        sandbox.strike("partial_fill", count=40)
        _killed_at("repair: committed, not sent", 3, folder, sandbox)
        sandbox.no_more_faults()
        if not any(pair.pair.state is PairState.REPAIRING for pair in _open_pairs(folder)):
            raise NotYetError("no pair is half-open")
        _keep_journal(folder, "half-open")
        with _engine(folder, sandbox, "--tape", "kept-restart.tape.jsonl") as engine:
            engine.until_pairs(2)
            engine.stop()


def _reopened(folder: Path, seed: int) -> None:
    """Killed while a pair is open again: a fill came after its order had been cancelled and its pair closed."""
    _config(folder, TWO, PATIENT, '[limits]\nleg_cost = "4bps"\nmin_edge_bps = 3\n')
    with sandbox_process(folder, seed=seed) as sandbox, _engine(folder, sandbox) as engine:
        engine.until_pairs(4)
        sandbox.strike("partial_fill", count=40)
        for venue in sandbox.announced["venues"]:
            sandbox.fault(venue, "late_fill", param=2500)
        for _ in range(int(120 / POLL_S)):
            if _reopened_pairs(folder):
                break
            time.sleep(POLL_S)
        _kill(engine)
        if not _reopened_pairs(folder) & {pair.pair.id for pair in _open_pairs(folder)}:
            raise NotYetError("no pair is open again")
        _keep_journal(folder, "reopened")


def _reopened_pairs(folder: Path) -> set[int]:
    with closing(sqlite3.connect(folder / "a.journal.sqlite", timeout=5)) as db:
        said = db.execute("SELECT payload FROM entries WHERE payload LIKE '%is open again%'").fetchall()
    return {int(number) for (text,) in said for number in re.findall(r"pair (\d+) is open again", text)}


def _abandoned(folder: Path, seed: int) -> None:
    """Killed with a pair open; when it starts again the sandbox is gone, and the pair with it. A halt leaves an alert."""
    _config(folder, TWO, PATIENT)
    with sandbox_process(folder, seed=seed) as sandbox:
        _killed_at(kill_points.SENT, 4, folder, sandbox)
    if not _open_pairs(folder):
        raise NotYetError("no pair is open")
    with sandbox_process(folder, seed=seed + 100) as sandbox, _engine(folder, sandbox) as engine:
        engine.until(lambda status: status["pairs"]["completed"] >= 2, "it trades on the other sandbox")
        ask(engine.journal, {"do": "halt", "reason": "corpus"})
        engine.stop()
    _keep_journal(folder, "abandoned")


def _intents(folder: Path, seed: int) -> None:
    """Killed when both legs had left, and the journal lacked the step that sent them."""
    _config(folder, TWO, PATIENT)
    with sandbox_process(folder, seed=seed) as sandbox:
        _killed_at(kill_points.UNCOMMITTED, 4, folder, sandbox)
    with closing(JournalReader.open(folder / "a.journal.sqlite")) as reader:
        if not has_lacking(folder / "a.intents", reader.journal_id, reader.last_position().seq):
            raise NotYetError("the journal has every intent")
    _keep_journal(folder, "intents")


# Tapes.


def _taped(name: str, symbols: str, act: Act, *settings: str, mode: str = "sandbox") -> Callable[[Path, int], None]:
    def play(folder: Path, seed: int) -> None:
        _config(folder, symbols, PATIENT, *settings)
        more = ("--mode", mode, "--tape", f"kept-{name}.tape.jsonl")
        with sandbox_process(folder, seed=seed) as sandbox, _engine(folder, sandbox, *more) as engine:
            engine.until(lambda status: status["pairs"]["opened"] >= 1, "a pair is opened")
            act(sandbox, engine)
            engine.stop()

    return play


def _calm(_: SandboxProcess, engine: EngineProcess) -> None:
    engine.rest(5)


def _struck(*faults: tuple[str, dict[str, Any]], for_s: float = 5.0) -> Act:
    def strike(sandbox: SandboxProcess, engine: EngineProcess) -> None:
        for fault, more in faults:
            sandbox.strike(fault, **more)
        engine.rest(for_s)

    return strike


def _halted(_: SandboxProcess, engine: EngineProcess) -> None:
    engine.rest(1)
    ask(engine.journal, {"do": "halt", "reason": "corpus"})
    engine.rest(2)
    ask(engine.journal, {"do": "resume", "reason": "corpus"})
    engine.rest(3)


def _flattened(sandbox: SandboxProcess, engine: EngineProcess) -> None:
    sandbox.strike("partial_fill", count=10)
    engine.rest(3)
    ask(engine.journal, {"do": "flatten", "reason": "corpus"})
    engine.until(lambda status: status["halted"] == "flattened", "it is flat")


def _usdc(folder: Path, seed: int) -> None:
    """The command lists what is quoted in USDT alone."""
    script = folder / "usdc_sandbox.py"
    script.write_text(USDC_SANDBOX)
    _config(folder, '["DOGE/USDC"]', PATIENT)
    process = arb(str(script), str(seed), cwd=folder)
    try:
        with _engine(folder, SandboxProcess(process, seed), "--tape", "kept-usdc.tape.jsonl") as engine:
            engine.until_pairs(1)
            engine.rest(5)
            engine.stop()
    finally:
        process.terminate()
        end_of(process)


USDC_SANDBOX = """
import functools, sys
from arb.sandbox import __main__, server
server.SimWorld = functools.partial(server.SimWorld, symbols=("BTC/USDC", "DOGE/USDC"))
__main__.run_sandbox(seed=int(sys.argv[1]))
"""
FAULTS = _struck(
    ("partial_fill", {"count": 6, "on": "place"}), ("ws_duplicate", {"count": 40}), ("ws_reorder", {"count": 40})
)
LOST = _struck(("lost_ack", {"count": 1}), ("lost_request", {"count": 1}), for_s=6)
REFUSED = _struck(("reject_balance", {"count": 2}), ("http_503_maintenance", {"count": 1}))
FEEDS = _struck(("ws_disconnect", {"count": 1}), ("ws_gap", {"count": 6}), ("fee_tier_change", {}), for_s=6)
HOLD = '[repair]\non_single_leg = "hold"\n'

COURSES: dict[str, Callable[[Path, int], None]] = {
    "half-open": _half_open,
    "reopened": _reopened,
    "abandoned": _abandoned,
    "intents": _intents,
    "calm": _taped("calm", ONE, _calm),
    "faults": _taped("faults", ONE, FAULTS),
    "lost": _taped("lost", ONE, LOST),
    "refused": _taped("refused", ONE, REFUSED),
    "feeds": _taped("feeds", ONE, FEEDS),
    "halted": _taped("halted", ONE, _halted),
    "flattened": _taped("flattened", ONE, _flattened, HOLD),
    "bands": _taped("bands", ONE, _calm, "[inventory]\nskew_max_bps = 4\n", BANDS),
    "paper": _taped("paper", ONE, _calm, CHEAP, mode="paper"),
    "usdc": _usdc,
}


# Ledgers: as far as their journals, and of earlier schemas.


def project(journal: Path) -> None:
    """Let a ledger take up what its journal and its intents have, of which both stay as they are."""
    ledger = journal.with_name(journal.name.replace(".journal", ""))
    with tempfile.TemporaryDirectory(prefix="arb-corpus-") as folder:
        copy = Path(shutil.copy(journal, folder))
        shutil.copy(intents_of(journal), folder)
        Journal.settle_intents(copy, ManualClock(SETTLED_NS))
        db_rebuild(f"sqlite:///{ledger}", copy)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
        db.execute("UPDATE projection SET journal_path = NULL")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("VACUUM")


def ledger_at(revision: str, source: Path, path: Path) -> None:
    """Make a ledger of a schema, with the rows that `source` has in the tables and columns of that schema."""
    from alembic import command

    engine, from_engine = create_engine(f"sqlite:///{path}"), create_engine(f"sqlite:///{source}")
    with engine.begin() as connection:
        command.upgrade(make_config(connection), revision)
    there, here = MetaData(), MetaData()
    there.reflect(from_engine)
    here.reflect(engine)
    with engine.begin() as connection, from_engine.connect() as rows:
        for table in here.sorted_tables:
            if table.name == "alembic_version" or table.name not in there.tables:
                continue
            names = [column.name for column in table.columns if column.name in there.tables[table.name].columns]
            columns = ", ".join(names)
            for row in rows.execute(text(f"SELECT {columns} FROM {table.name}")).mappings():
                connection.execute(
                    text(f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join(f':{name}' for name in names)})"),
                    dict(row),
                )
    engine.dispose()
    from_engine.dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("VACUUM")
