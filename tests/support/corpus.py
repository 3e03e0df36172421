"""The corpus: what one version left behind, and what it read out of that: `python -m tests.support.corpus --write FOLDER`.

`--write` plays the courses (`corpus_courses.py`) and freezes what is read of their files. `--expect FOLDER` leaves the files
as they are, reads them once more, and freezes what differs, after a change that is meant. The test only reads
(tests/data/README.md).
"""

import argparse
import contextlib
import functools
import io
import itertools
import json
import lzma
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import msgspec

from arb.cli import main as arb
from arb.clock import ManualClock
from arb.store.journal.journal import Journal
from arb.store.journal.reader import JournalReader
from arb.store.ledger.rebuild import db_rebuild, db_upgrade
from arb.version import version
from tests.support.corpus_courses import BANDS, SETTLED_NS, play_all
from tests.support.old_files import DATA, unpacked

CORPUS = "corpus-0018"
"""Named after the ledger's schema of the version that wrote it, as the other folders are."""
UPKEEP = ("alembic_version", "account_leases", "untraded_daily")
"""Tables that no journal holds."""
MASKED_KEYS = (
    "version",
    "revision",
    "head",
    "bytes",
    "bytes_before",
    "bytes_after",
    "keyring",
    "seconds",
    "before",
    "same_rules",
    "alert_rules",
)
WORDING = ("text", "sentence", "sentences", "what_to_do", "because", "note")
"""Keys under which a version speaks to people: another wording is no other decision."""
REPO = DATA.parents[1]
Case = Callable[[Path], Any]

_encode = msgspec.json.Encoder(decimal_format="string", enc_hook=str).encode


def masked(value: Any, folder: Path) -> Any:
    """Return a document without what depends on time, version or place, and without sentences for people.

    That is the folder in which it was made, the version of arb, and what stands under one of `MASKED_KEYS`: the newest schema
    and alert rules, sizes of files, how long something took, and whether this machine has a keyring. Also what stands under
    `WORDING`.
    """
    if isinstance(value, dict):
        return {
            key: "MASKED" if one and (key in MASKED_KEYS or key in WORDING) else masked(one, folder)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [masked(one, folder) for one in value]
    if isinstance(value, str):
        return value.replace(str(folder.resolve()), "FOLDER").replace(version(), "VERSION")
    return value


def differences(frozen: Any, found: Any, where: str = "") -> Iterator[str]:
    """Yield where `found` does not say what `frozen` says, one line each; a key that only `found` has is no difference."""
    if isinstance(frozen, dict) and isinstance(found, dict):
        for key, value in frozen.items():
            if key in found:
                yield from differences(value, found[key], f"{where}.{key}".lstrip("."))
            else:
                yield f"{where}.{key}".lstrip(".") + f": frozen {_short(value)}, now missing"
    elif isinstance(frozen, list) and isinstance(found, list):
        if frozen and all(isinstance(row, dict) and "table" in row for row in (*frozen, *found)):
            one, other = ({row["table"]: row for row in rows} for rows in (frozen, found))
            yield from differences(one, other, where)
            return
        if len(frozen) != len(found):
            yield f"{where}: frozen {len(frozen)} rows, now {len(found)}"
        for place, (one, other) in enumerate(zip(frozen, found, strict=False)):
            yield from differences(one, other, f"{where}[{place}]")
    elif frozen != found or type(frozen) is not type(found):
        yield f"{where}: frozen {_short(frozen)}, now {_short(found)}"


def shape(value: Any, depth: int = 2) -> Any:
    """Return which keys a document has and of which types: of an answer whose values depend on the instant."""
    if isinstance(value, dict) and depth:
        return {key: shape(one, depth - 1) for key, one in value.items()}
    if isinstance(value, list) and value and depth:
        return [shape(value[0], depth)]
    return type(value).__name__


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def rows_of(ledger: Path, leaving_out: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table by column, in the order of the first two columns."""
    with closing(sqlite3.connect(ledger)) as db:
        db.row_factory = sqlite3.Row
        named = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {
            name: [dict(row) for row in db.execute(f"SELECT * FROM {name} ORDER BY 1, 2")]
            for (name,) in named
            if name not in leaving_out
        }


def answer(*arguments: str) -> Any:
    """Return the exit code of a command in this process, and its JSON; the last line of stderr where it gives none."""
    out, err = io.StringIO(), io.StringIO()
    kept = {name: value for name, value in os.environ.items() if "_API_" not in name}
    with (
        patch.dict(os.environ, kept | KEYS, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = arb([*arguments, "--json"])
    said = err.getvalue().rstrip().rpartition("\n")[2]
    return {"exit_code": code, "answer": json.loads(out.getvalue()) if out.getvalue() else said}


KEYS = {"GATE_API_KEY": "a key of nobody", "GATE_API_SECRET": "a secret of nobody"}


# What is read of each file.


def names_of(kind: str) -> list[str]:
    """Return the names of the frozen files of a kind, such as `tape.jsonl`."""
    files = sorted(path.name for path in (DATA / CORPUS).glob(f"*.{kind}.xz"))
    return [name.removesuffix(f".{kind}.xz") for name in files]


def settled_journal(name: str, folder: Path) -> Path:
    """Unpack a journal with its intents, and merge those that it lacks."""
    unpacked(f"{name}.intents", folder, CORPUS)
    journal = unpacked(f"{name}.journal.sqlite", folder, CORPUS)
    Journal.settle_intents(journal, ManualClock(SETTLED_NS))
    return journal


def journal_case(name: str, folder: Path) -> Any:
    """Return what a restart finds in a journal: before its intents are merged, and with them."""
    left = _state(unpacked(f"{name}.journal.sqlite", folder, CORPUS))
    return {"left": left, "settled": _state(settled_journal(name, folder))}


def _state(journal: Path) -> Any:
    with closing(JournalReader.open(journal)) as reader:
        return json.loads(_encode(reader.state()))


def rebuilt_case(name: str, folder: Path) -> Any:
    """Return the rows that `arb db rebuild` makes of a journal in a new ledger."""
    ledger = folder / "rebuilt.sqlite"
    db_rebuild(f"sqlite:///{ledger}", settled_journal(name, folder))
    return rows_of(ledger, UPKEEP)


def frozen_rows(name: str, folder: Path) -> Any:
    """Return the rows of a journal's frozen ledger that a journal holds; the advice of alerts depends on `ALERT_RULES`."""
    rows = rows_of(unpacked(f"{name}.sqlite", folder, CORPUS), UPKEEP)
    rows["opportunities"] = [row for row in rows["opportunities"] if row["outcome"] == "traded"]
    del rows["projection"][0]["journal_path"], rows["projection"][0]["alert_rules"]
    for alert in rows["alerts"]:
        del alert["what_to_do"]
    return rows


def ledger_case(revision: str, folder: Path) -> Any:
    """Return what the ledger of an earlier schema answers once it is upgraded."""
    ledger = old_ledger(revision, folder)
    db_upgrade(f"sqlite:///{ledger}")
    with contextlib.chdir(folder):
        return answer("report", "--db", f"sqlite:///{ledger.name}")


def old_ledger(revision: str, folder: Path) -> Path:
    """Unpack the ledger of an earlier schema."""
    with tarfile.open(_ledgers()) as packed:
        packed.extract(f"ledger-{revision}.sqlite", folder, filter="data")
    return folder / f"ledger-{revision}.sqlite"


@functools.cache
def revisions() -> list[str]:
    """Return the schemas of which there is a ledger."""
    with tarfile.open(_ledgers()) as packed:
        return [name.removeprefix("ledger-").removesuffix(".sqlite") for name in packed.getnames()]


def _ledgers() -> Path:
    return DATA / CORPUS / "ledgers.tar.xz"


def tape_case(name: str, folder: Path) -> Any:
    """Return the sums and the rows of a tape that is replayed: what was decided on it."""
    tape = unpacked(f"{name}.tape.jsonl", folder, CORPUS)
    with contextlib.chdir(folder):
        said = answer("replay", tape.name, "--db", "sqlite:///replayed.sqlite")
    return {"replay": said, "rows": rows_of(folder / "replayed.sqlite", UPKEEP)}


def config_case(folder: Path) -> Any:
    """Return the value of every setting of the frozen file."""
    unpacked("config.toml", folder, CORPUS)
    with contextlib.chdir(folder):
        return answer("run", "--show-config")


LEDGER, OTHER = ("--db", "sqlite:///reopened.sqlite"), ("--db", "sqlite:///abandoned.sqlite")
PAIR_LEFT_OPEN, ALERT = "SELECT min(id) FROM pair_trades WHERE closed_ns IS NULL", "SELECT min(id) FROM alerts"
ANSWERS: dict[str, tuple[str, ...]] = {
    "status": ("status", *LEDGER),
    "status of a symbol": ("status", "--symbol", "BTC/USDT", *LEDGER),
    "pairs": ("pairs", *LEDGER),
    "alerts": ("alerts", "--all", *OTHER),
    "alerts ack": ("alerts", "ack", ALERT, "--reason", "corpus", *OTHER),
    "report": ("report", *OTHER),
    "report of a venue": ("report", "--venue", "gate", *LEDGER),
    "explain": ("explain", "1", *LEDGER),
    "explain a reopened one": ("explain", PAIR_LEFT_OPEN, *LEDGER),
    "export": ("export", "--parquet", "out", *LEDGER),
    "sql": ("sql", "SELECT id, symbol, state, realised_net_e8 FROM v_pair_trades ORDER BY id", *LEDGER),
    "sql connection": ("sql", "--connection", *LEDGER),
    "db current": ("db", "current", *LEDGER),
    "db check": ("db", "check", *LEDGER),
    "db upgrade": ("db", "upgrade", *LEDGER),
    "db rebuild": ("db", "rebuild", *LEDGER),
    "db compact": ("db", "compact", *LEDGER),
    "rebalance": ("rebalance", "--config", "bands.toml", *OTHER),
    "halt": ("halt", "--reason", "corpus", *LEDGER),
    "resume": ("resume", "--reason", "corpus", *LEDGER),
    "flatten": ("flatten", "--reason", "corpus", *LEDGER),
    "keys list": ("keys", "list"),
    "scan": ("scan", "scan.json"),
    "books": ("books", "calm.tape.jsonl", "--at", "200", "--depth", "3"),
    "tape convert": ("tape", "convert", "calm.tape.jsonl", "--parquet", "--out", "made"),
    "replay as a what-if": ("replay", "calm.tape.jsonl", "--fee", "0bps", "--latency", "20ms"),
    "sweep": ("sweep", "calm.tape.jsonl", "--set", "limits.min_edge_bps=2,20", "--jobs", "1"),
    "sign gate": ("sign", "gate", "GET", "/api/v4/spot/accounts", "--timestamp", "1700000000"),
    "init": ("init", "--venues", "gate,okx", "--symbols", "BTC/USDC", "--config", "new.toml"),
}
"""Every command that answers with `--json` and needs neither a venue nor a running engine, on copies of the frozen files."""
EMBEDDED = ("--sandbox", "embedded")
SHAPES: dict[str, tuple[str, ...]] = {
    "markets": ("markets", *EMBEDDED),
    "record": ("record", "--for", "1s", "--out", "rec", *EMBEDDED),
    "doctor": ("doctor", *EMBEDDED),
    "run": ("run", "--for", "1s", "--seed", "3", "--db", "sqlite:///run.sqlite"),
}
"""Commands that ask a venue: of their answers keys and types are frozen."""
STEPS = {"buy_fee_in": "base", "lot": "0.00001", "tick": "0.1", "min_size": "0.00001"}
SCANNED = {
    "symbol": "BTC/USDT",
    "limits": {"min_edge_bps": "2", "max_notional": "2000"},
    "venues": {
        "gate": STEPS | {"bids": [["60000", "0.5"], ["59990", "1"]], "asks": [["60010", "0.4"]], "taker_fee": "0.001"},
        "okx": STEPS | {"bids": [["60200", "0.3"]], "asks": [["60210", "0.3"]], "taker_fee": "0.0008"},
    },
}


def answer_case(name: str, folder: Path) -> Any:
    """Return what a command answers on copies of the frozen files."""
    for stem, kind in itertools.product(("reopened", "abandoned"), ("journal.sqlite", "intents", "sqlite")):
        unpacked(f"{stem}.{kind}", folder, CORPUS)
    for file in ("config.toml", "scan.json", "calm.tape.jsonl"):
        unpacked(file, folder, CORPUS)
    (folder / "bands.toml").write_text((folder / "config.toml").read_text() + BANDS)
    with contextlib.chdir(folder):
        for _, url in (LEDGER, OTHER):
            db_upgrade(url)
        given = answer(*map(_looked_up, ANSWERS.get(name) or SHAPES[name]))
        if name == "export":  # sums over all tables: one that has come since is no difference
            del given["answer"]["files"], given["answer"]["rows"]
        return given if name in ANSWERS else shape(given)


def _looked_up(argument: str) -> str:
    if argument not in (PAIR_LEFT_OPEN, ALERT):
        return argument
    with closing(sqlite3.connect("reopened.sqlite" if argument == PAIR_LEFT_OPEN else "abandoned.sqlite")) as db:
        return str(db.execute(argument).fetchone()[0])


def cases() -> dict[str, Case]:
    """Return what is read of the corpus, by name: functions from an empty folder to a document."""
    named: dict[str, Case] = {f"answer-{name}": functools.partial(answer_case, name) for name in (*ANSWERS, *SHAPES)}
    for kind, files, case in (
        ("journal", "journal.sqlite", journal_case),
        ("tape", "tape.jsonl", tape_case),
    ):
        named |= {f"{kind}-{name}": functools.partial(case, name) for name in names_of(files)}
    ledgers = {f"ledger-{revision}": functools.partial(ledger_case, revision) for revision in revisions()}
    return named | ledgers | {"config": config_case}


def read(name: str, folder: Path) -> Any:
    """Return the document of a case as it is now, masked."""
    return masked(json.loads(json.dumps(cases()[name](folder))), folder)


def expected(name: str) -> Any:
    """Return the frozen document of a case, masked: also under the keys that were not masked when it was frozen."""
    with lzma.open(_place(name)) as file:
        return masked(json.load(file), DATA)


def _place(name: str) -> Path:
    return DATA / CORPUS / "expected" / f"{name.replace(' ', '_')}.json.xz"


# Writing.


def write(folder: Path) -> None:
    """Play all courses, and pack what they leave into `folder`."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arb-corpus-") as temporary:
        made = Path(temporary)
        play_all(made, click.echo)
        shutil.copy(REPO / "config.toml", made)
        (made / "scan.json").write_text(json.dumps(SCANNED))
        with tarfile.open(folder / "ledgers.tar.xz", "w:xz", preset=9) as packed:
            for path in sorted(made.glob("ledger-*")):
                packed.add(path, path.name, filter=_of_nobody)
                path.unlink()
        for path in made.iterdir():
            _pack(path.read_bytes(), folder / f"{path.name}.xz")


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def expect(folder: Path) -> None:
    """Freeze what is read of the files in `folder` now, and print what was frozen before and differs."""
    for name in cases():
        with tempfile.TemporaryDirectory(prefix="arb-corpus-") as temporary:
            document = read(name, Path(temporary))
        lines = list(differences(expected(name), document)) if _place(name).exists() else ["new"]
        if lines:
            _pack(json.dumps(document, indent=1).encode(), _place(name))
            click.echo("\n  ".join([name, *lines[:20]]))


def _pack(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def main() -> int:
    """Write the corpus, or what is expected of it."""
    parser = argparse.ArgumentParser(prog="corpus", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="make all files anew")
    parser.add_argument(
        "--expect", type=Path, metavar="FOLDER", help="only read them once more, and freeze what differs"
    )
    options = parser.parse_args()
    folder = options.write or options.expect
    if folder is None or folder.resolve() != DATA / CORPUS:
        parser.error(f"give --write or --expect, and the folder that CORPUS names: {DATA / CORPUS}")
    if options.write:
        write(folder)
    expect(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
