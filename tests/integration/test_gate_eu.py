"""A customer of Gate's EU entity, where snapshots of books are fetched: from the first file to paper, recording and replays."""

import json
from pathlib import Path

import pytest

from arb.replay.books import TapeBooks, books_at
from arb.store.tapes.tape import read_tape
from tests.contract.venue_server import venue_server
from tests.integration.support import record_segments, run_arb, run_until

SYMBOLS = "BTC/USDT,DOGE/USDT,XRP/USDT,SOL/USDT"


@pytest.mark.thorough
def test_init_doctor_record_paper_and_replay_work_where_snapshots_are_fetched(tmp_path: Path) -> None:
    begun = run_arb("init", "--venues", "gate,okx", "--symbols", SYMBOLS, "--region", "gate=eu", "--json", cwd=tmp_path)
    assert begun.code == 0, begun.err
    with venue_server("--symbols", "8", "--seed", "3", "--rate", "10", "--gate-eu") as venues:
        with (tmp_path / "config.toml").open("a") as config:
            for venue in ("gate", "okx"):
                address = venues.info["venues"][venue]
                config.write(f"\n[venues.{venue}.endpoints]\n")
                config.write(f'rest = "{address["rest"]}"\nws_public = "{address["ws_public"]}"\n')
        examined = run_arb("doctor", "--json", cwd=tmp_path)
        assert {
            (check["about"], check["check"], check["result"])
            for check in examined.summary["checks"]
            if check["check"] == "books"
        } == {("gate", "books", "pass"), ("okx", "books", "pass")}
        recorded = record_segments(4, cwd=tmp_path)
        assert recorded.code == 0, recorded.err
        live = {"gate": "4/4", "okx": "4/4"}
        paper = run_until(
            lambda status: bool(status["books"] == live), "all books are live",
            "--mode", "paper", "--tape", "run.jsonl", "--db", "sqlite:///p.sqlite",
            cwd=tmp_path, db="p.sqlite",
        )  # fmt: skip
        assert paper.code == 0, paper.err
        refused = venues.look("/state")["venues"]["gate"]["refused"]
    assert refused == {}

    whole = TapeBooks()
    files = sorted((tmp_path / "rec").iterdir())
    fetched = 0
    for file in files:
        for line in read_tape(file):
            fetched += line.kind == "http"
            whole.take(line)
        alone = books_at(file, None, 1000)
        assert alone.books == whole.report(1000).books
    assert len(files) >= 3 and fetched >= 4
    assert {book.state for book in alone.books.values()} == {"live"}

    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert sum(line["kind"] == "http" for line in lines) >= 4
    replayed = run_arb("replay", "run.jsonl", "--json", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    assert (replayed.summary["frames"], replayed.summary["book_updates"]) == (
        paper.summary["frames"],
        paper.summary["book_updates"],
    )
