"""Venues whose books are read without a key, as a user has them: the doctor, a recording that replays, and paper."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.replay.books import TapeBooks, books_at
from arb.store.tapes.tape import read_tape
from tests.contract.venue_server import Venues, venue_server
from tests.integration.support import BUSY_MACHINE, arb, end_of, record_segments, run_arb, where

READ = ("bybit", "binance")
SYMBOLS = ("BTC/USDT", "ETH/USDT", "DOGE/USDT", "SOL/USDT")
OTHERS = "".join(f"[venues.{venue}]\nenabled = false\n" for venue in ("gate", "okx", "bitget"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder whose settings have the two venues on a running server, and no other."""
    with venue_server("--symbols", "8", "--seed", "3", "--rate", "5") as venues:
        (tmp_path / "config.toml").write_text(settings_on(venues))
        yield tmp_path


def settings_on(venues: Venues) -> str:
    text = f"[run]\nsymbols = {json.dumps(SYMBOLS)}\n{BUSY_MACHINE}{OTHERS}"
    for venue in READ:
        address = venues.info["venues"][venue]
        text += f"[venues.{venue}]\nenabled = true\n[venues.{venue}.endpoints]\n"
        text += f'rest = "{address["rest"]}"\nws_public = "{address["ws_public"]}"\n'
        text += f'ws_private = "{address["ws_public"]}"\n'  # never opened: it has no key
    return text


@pytest.mark.thorough
def test_the_doctor_examines_their_public_side_and_asks_for_no_key(folder: Path) -> None:
    found = run_arb("doctor", "--json", cwd=folder)
    assert found.code == 0, (found.out, found.err)
    checks = {(row["about"], row["check"]): row["result"] for row in found.summary["checks"]}
    asked = ("dns", "rest", "clock", "listing", "books", "steps", "lag")
    assert {checks[venue, check] for venue in READ for check in asked} == {"pass"}
    assert found.summary["failed"] == 0 and ("bybit", "signature") not in checks


@pytest.mark.thorough
def test_each_segment_of_their_books_replays_alone(folder: Path) -> None:
    run = record_segments(4, cwd=folder)
    assert run.code == 0, run.err
    files = [folder / "rec" / segment["file"] for segment in run.summary["segments"]]
    assert len(files) >= 3 and run.summary["gaps"] == []
    whole = TapeBooks()
    for path in files:
        for line in read_tape(path):
            whole.take(line)
        alone = books_at(path, None, 1000)
        assert alone.books == whole.report(1000).books
    assert len(alone.books) == len(READ) * len(SYMBOLS)
    replayed = run_arb("replay", str(files[-2]), "--json", cwd=folder)
    assert replayed.code == 0, replayed.err
    assert replayed.summary["book_updates"] > 0


@pytest.mark.thorough
def test_paper_trades_at_them(folder: Path) -> None:
    paper = end_of(arb("run", "--mode", "paper", "--for", "3s", "--json", *where(folder), cwd=folder))
    assert paper.code == 0, paper.err
    assert paper.summary["book_updates"] > 0 and set(paper.summary["simulated"]) <= set(READ)
