"""Journals and ledgers of earlier versions: read, upgraded and rebuilt to the last row (tests/data/README.md)."""

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.messages.events import RunStarted
from arb.core.messages.records import FillRecord, OpportunityRecord, attributes_of, tag_of
from arb.core.messages.recovery_records import OpenPair
from arb.store.journal.reader import JournalReader
from arb.store.ledger.migrate import check, current, head
from arb.store.ledger.rebuild import db_rebuild, db_upgrade
from tests import house
from tests.support.old_files import DATA, unpacked
from tests.unit.store.conftest import open_journal, query

JOURNALS = ("killed.journal.sqlite", "second.journal.sqlite")
FILES = (*JOURNALS, "killed.sqlite", "second.tape.jsonl")
TABLES = (
    *("runs", "opportunities", "pair_trades", "orders", "fills", "balances", "incidents", "alternatives"),
    "projection",
)
LEFT_OPEN = {
    1795344839000000004: (
        "SOL/USDT opening: bitget entry buy filled 13.06 of 13.060; gate entry sell intent 0 of 13.052; 1 fills"
    ),
    1795344839000000006: (
        "BTC/USDT repairing: okx entry buy filled 0.0330 of 0.033000; gate entry sell partial_cancelled 0.02185 of 0.032890;"
        " bitget hedge sell intent 0 of 0.011124; 3 fills"
    ),
}
"""What stood open when the process was killed, by the number of the pair."""

encode = msgspec.json.Encoder(decimal_format="string").encode


def told(pair: OpenPair) -> str:
    """Return an open pair in one line."""
    orders = "; ".join(
        f"{order.venue} {order.role} {order.side} {order.status} {order.filled} of {order.size}"
        for order in pair.orders
    )
    return f"{pair.pair.symbol} {pair.pair.state}: {orders}; {len(pair.fills)} fills"


def all_rows(ledger: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in the order of their ids, with the columns of the old schema."""
    columns = {"projection": "journal_id, seq, sub"}
    return {
        table: query(f"sqlite:///{ledger}", f"SELECT {columns.get(table, '*')} FROM {table} ORDER BY 1, 2")
        for table in TABLES
    }


def as_kept_now(rows: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    """Return rows of the old schema as the present one keeps them: what came since then is not known of them."""
    more = {"fills": (None,), "orders": (None,), "opportunities": (None,)}
    found = rows | {table: [(*row, *unknown) for row in rows[table]] for table, unknown in more.items()}
    charged = list(attributes_of(FillRecord))
    pair_of = {row[0]: row[1] for row in rows["orders"]}
    fees: defaultdict[int, list[int]] = defaultdict(list)
    for row in rows["fills"]:
        fees[pair_of[row[charged.index("order_id")]]].append(row[-1])
    pairs = [(*row, None, None, sum(fees[row[0]]), len(fees[row[0]])) for row in rows["pair_trades"]]
    return found | {"pair_trades": pairs, "balances": [(*row, "spot") for row in rows["balances"]]}


def untraded(row: tuple[Any, ...]) -> bool:
    """Return whether an opportunity was not traded; such rows are in no journal."""
    return bool(row[list(attributes_of(OpportunityRecord)).index("outcome")] != "traded")


def lacking(old: Any, new: Any, where: str = "") -> list[str]:
    """Return where `new` does not say what `old` says; what it says beside that does not matter."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key in old for line in lacking(old[key], new.get(key), f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for a, b in zip(old, new, strict=True) for line in lacking(a, b, where)]
    return [] if old == new else [f"{where}: {old} became {new}"]


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_a_machine(name: str, tmp_path: Path) -> None:
    text = unpacked(name, tmp_path).read_bytes().decode("latin-1")
    assert house.machine_traces(name, text) == []


def test_every_file_is_told_of() -> None:
    assert sorted(path.name for path in DATA.glob("schema-*/*.gz")) == sorted(f"{name}.gz" for name in FILES)


@pytest.mark.parametrize("name", JOURNALS)
def test_every_entry_of_an_old_journal_is_read_and_says_the_same_when_written_again(name: str, tmp_path: Path) -> None:
    path = unpacked(name, tmp_path)
    with closing(sqlite3.connect(path)) as db:
        lines = db.execute("SELECT type, payload FROM entries ORDER BY id").fetchall()
    reader = JournalReader.open(path)
    entries = list(reader.entries())
    reader.close()
    assert len(entries) == len(lines) > 400
    for (kind, payload), entry in zip(lines, entries, strict=True):
        assert tag_of(entry.message) == kind
        assert lacking(json.loads(payload), json.loads(encode(entry.message))) == []


def test_the_pairs_that_an_old_process_left_open_are_restored(tmp_path: Path) -> None:
    journal = open_journal(unpacked("killed.journal.sqlite", tmp_path))
    state = journal.restore()
    journal.close()
    assert {pair.pair.id: told(pair) for pair in state.pairs} == LEFT_OPEN
    assert all(pair.plan is not None and pair.plan.pair_id == pair.pair.id for pair in state.pairs)
    assert (state.last_seq, state.last_run_id) == (386, 1795344839)
    assert state.control is not None and state.control.halted is None
    assert state.agreed is not None and len(state.agreed.accounts) == 3
    assert state.residuals is not None and len(state.residuals.account_ids) == 3
    assert len(state.recent.foreign_orders) == len(state.recent.foreign_fills) == 1


def test_an_old_journal_is_gone_on_with(tmp_path: Path) -> None:
    journal = open_journal(unpacked("killed.journal.sqlite", tmp_path))
    started = next(entry.message for entry in journal.reader().entries())
    assert isinstance(started, RunStarted)
    journal.append(msgspec.structs.replace(started, seq=journal.last_seq + 1, run_id=started.run_id + 100), ())
    assert journal.restore().last_run_id == started.run_id + 100
    assert len(journal.restore().pairs) == len(LEFT_OPEN)
    journal.close()


def test_an_old_ledger_is_upgraded_with_every_row_it_has(tmp_path: Path) -> None:
    ledger = unpacked("killed.sqlite", tmp_path)
    url = f"sqlite:///{ledger}"
    assert current(url) == "0004"
    before = all_rows(ledger)
    assert db_upgrade(url)["revision"] == head()
    assert check(url) == []
    assert all_rows(ledger) == as_kept_now(before)
    assert query(url, "SELECT journal_path FROM projection") == [(None,)]
    assert all(before.values()), "the rows mean something"


@pytest.mark.parametrize("into", ["the old ledger", "a new one"])
def test_an_old_journal_rebuilds_the_old_ledger_row_for_row(into: str, tmp_path: Path) -> None:
    old = unpacked("killed.sqlite", tmp_path)
    before = all_rows(old)
    ledger = old if into == "the old ledger" else tmp_path / "new.sqlite"
    journal = unpacked("killed.journal.sqlite", tmp_path)
    answer = db_rebuild(f"sqlite:///{ledger}", journal)
    assert answer["kept_aside"] is None
    assert query(f"sqlite:///{ledger}", "SELECT journal_path FROM projection") == [(str(journal.resolve()),)]
    after = all_rows(ledger)
    if ledger != old:
        before["opportunities"] = [row for row in before["opportunities"] if not untraded(row)]
        assert before["opportunities"]
    assert after == as_kept_now(before)
