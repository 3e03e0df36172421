"""A real run on the embedded sandbox, taped, and run again from its tape."""

import sqlite3
from pathlib import Path
from typing import Any

from tests.integration.support import run_arb, run_until
from tests.support.journals import lay_open

CLASS_1 = (
    *("runs", "pair_trades", "trade_legs", "orders", "fills", "balances", "incidents", "alternatives"),
    "decision_books",
)
SYMBOLS = '[run]\nsymbols = ["BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT", "NOVA/USDT", "BTX/USDT"]\n'
LIMITS = "".join(f"[limits.venue.{venue}]\nmax_notional_quote = 300\n" for venue in ("gate", "okx", "bitget"))
TOLD = ("run_id", "frames", "book_updates", "opportunities", "pairs", "orders", "fills", "net", "fees", "dust")


def rows(db: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with sqlite3.connect(db) as connection:
        return connection.execute(query).fetchall()


def test_a_taped_run_is_repeated_to_the_last_row(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(SYMBOLS + LIMITS)
    options = ("--seed", "5", "--tape", "run.jsonl.gz")
    run = run_until(
        lambda status: status["pairs"]["completed"] >= 3, "some pairs", *options, cwd=tmp_path, db="var/sandbox.sqlite"
    )
    assert run.code == 0, run.err
    assert run.summary["pairs"]["opened"] > 0
    again = run_arb("replay", "run.jsonl.gz", "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert {name: again.summary[name] for name in TOLD} == {name: run.summary[name] for name in TOLD}
    reported = again.summary["replay"]
    assert (reported["kind"], reported["difference"]) == ("rerun", None)
    assert reported["compared"] > 100
    true, replayed = tmp_path / "var" / "sandbox.sqlite", tmp_path / "var" / "replay.sqlite"
    for table in CLASS_1:
        query = f"SELECT * FROM {table} ORDER BY 1, 2"
        assert rows(replayed, query) == rows(true, query), table
    traded = "SELECT * FROM opportunities WHERE outcome = 'traded' ORDER BY id"
    assert rows(replayed, traded) == rows(true, traded)

    _the_limit_of_the_venue_held_and_is_named(tmp_path, true)
    unlisted = "BTX/USDT: gate, okx and bitget list no such symbol: it is not traded: did you mean 'BTC/USDT'?"
    assert rows(true, "SELECT text FROM incidents WHERE kind = 'unlisted'") == [(unlisted,)]
    assert unlisted in run.err
    (tmp_path / "config.toml").unlink()
    _the_second_run_takes_up_the_same_journal(tmp_path)
    _a_tape_is_never_written_over(tmp_path)
    _a_journal_that_says_otherwise_is_told(tmp_path)


def _the_limit_of_the_venue_held_and_is_named(folder: Path, db: Path) -> None:
    paid = rows(
        db, "SELECT CAST(size AS REAL) * CAST(price AS REAL), venue FROM orders WHERE role = 'entry' AND side = 'buy'"
    )
    assert paid and max(quote for quote, _ in paid) < 310
    told = run_arb("explain", "1", "--json", cwd=folder)
    applied = {limit["limit"]: limit for limit in told.summary["limits"]}
    assert applied["max_notional_quote"] == {
        "limit": "max_notional_quote",
        "value": "300",
        "table": applied["max_notional_quote"]["table"],
    }
    assert applied["max_notional_quote"]["table"] in (
        "[limits.venue.gate]",
        "[limits.venue.okx]",
        "[limits.venue.bitget]",
    )


def _the_second_run_takes_up_the_same_journal(folder: Path) -> None:
    run = run_arb("run", "--for", "1s", "--seed", "6", "--tape", "second.jsonl", "--json", cwd=folder)
    assert run.code == 0, run.err
    again = run_arb("replay", "second.jsonl", "--json", cwd=folder)
    assert again.code == 0, again.err
    assert {name: again.summary[name] for name in TOLD} == {name: run.summary[name] for name in TOLD}
    assert again.summary["replay"]["difference"] is None


def _a_tape_is_never_written_over(folder: Path) -> None:
    before = (folder / "second.jsonl").read_bytes()
    again = run_arb("run", "--for", "1s", "--tape", "second.jsonl", "--json", cwd=folder)
    assert again.code == 0, again.err
    assert (folder / "second.jsonl").read_bytes() == before
    assert run_arb("replay", "second.0002.jsonl", "--json", cwd=folder).code == 0


def _a_journal_that_says_otherwise_is_told(folder: Path) -> None:
    lay_open(folder / "var" / "sandbox.journal.sqlite")
    with sqlite3.connect(folder / "var" / "sandbox.journal.sqlite") as journal:
        changed = journal.execute(
            'UPDATE entries SET payload = replace(payload, \'"role":"entry"\', \'"role":"hedge"\') WHERE id ='
            " (SELECT min(id) FROM entries WHERE type = 'PlaceOrder')"
        )
        assert changed.rowcount == 1
    again = run_arb("replay", "run.jsonl.gz", "--json", cwd=folder)
    assert again.code == 3, again.err
    difference = again.summary["replay"]["difference"]
    assert "hedge" in difference["expected"] and "entry" in difference["got"]
