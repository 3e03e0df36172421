"""`[run] symbols = "auto"` from outside: chosen at the start, and anew at its hour while books are watched; and run again."""

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.contract.venue_server import Venues, venue_server
from tests.integration import truth
from tests.integration.live_mode import coins_traded, live_config, live_engine
from tests.integration.login_page import login_page
from tests.integration.support import WELL_ENDED, arb, end_of, run_arb, run_until, sandbox_process

AHEAD_S, AFTER_S = 25, 20
"""How long before the hour a run begins at least, until its books are there, and how long it goes on after it."""
RULES = """
[run]
mode = "paper"
symbols = "auto"

[run.auto]
min_volume_quote = {volume}
max_book_spread_bps = 1000
at_utc = "{at_utc}"

[paper.balances]
USDT = 100000
BTC = 5
"""


def write_config(
    folder: Path, venues: Venues, at_utc: str = "00:10", volume: str = "1", more: str = "", **instead: str
) -> None:
    text = RULES.format(at_utc=at_utc, volume=volume) + more
    for venue, at in venues.info["venues"].items():
        rest = instead.get(venue, at["rest"])
        text += f'[venues.{venue}.endpoints]\nrest = "{rest}"\nws_public = "{at["ws_public"]}"\n'
    (folder / "config.toml").write_text(text)


def incidents(folder: Path, kind: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "var" / "paper.sqlite")) as ledger:
        return [row[0] for row in ledger.execute("SELECT text FROM incidents WHERE kind = ? ORDER BY ns", (kind,))]


@pytest.mark.thorough
def test_symbols_come_and_leave_at_the_hour_and_the_tape_decides_the_same(tmp_path: Path) -> None:
    marks = {"gate": "_", "okx": "-", "bitget": "", "bybit": ""}  # at binance both are listed all the time
    coming = [(venue, f"{base}{mark}USDT") for base in ("TRX", "XRP") for venue, mark in marks.items()]
    leaving = {"gate": "LTC_USDT", "okx": "LTC-USDT", "bybit": "LTCUSDT", "binance": "LTCUSDT"}
    with venue_server("--symbols", "8", "--seed", "6", "--rate", "5") as venues:
        for venue, native in coming:
            venues.strike(venue, "delisted", symbol=native)
        hour_s = time.time() + AHEAD_S
        hour_s += -hour_s % 60
        more = "[venues.bybit]\nenabled = true\n[venues.binance]\nenabled = true\n"
        write_config(tmp_path, venues, time.strftime("%H:%M", time.gmtime(hour_s)), more=more)
        for_s = hour_s - time.time() + AFTER_S
        running = arb("run", "--tape", "run.jsonl.gz", "--for", f"{for_s:.0f}s", "--json", cwd=tmp_path)
        assert running.stderr is not None
        while "books are live" not in (line := running.stderr.readline()):
            assert line, "ended before its books were there"
        for venue, native in coming:
            venues.strike(venue, "listed", symbol=native)
        for venue, native in leaving.items():
            venues.strike(venue, "suspended", symbol=native)
        ended = end_of(running)
    assert ended.code == 0, ended.err
    assert incidents(tmp_path, "symbols_chosen") == [
        "symbols were chosen again: traded from now on: TRX/USDT, XRP/USDT; not traded any more: LTC/USDT"
    ]
    assert ended.summary["books"] == dict.fromkeys(("gate", "okx", "bitget", "bybit", "binance"), "7/7")
    again = run_arb("replay", "run.jsonl.gz", "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert again.summary["replay"]["difference"] is None and again.summary["replay"]["compared"] > 0
    assert again.summary["books"] == ended.summary["books"]


@pytest.mark.thorough
def test_a_start_chooses_with_the_venues_that_answer(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "6", "--rate", "5") as venues, login_page() as address:
        write_config(tmp_path, venues, volume="100_000_000", okx=address)
        of_five = {"gate": "5/5", "okx": "0/0", "bitget": "5/5"}  # 2.0, 1.0, 0.5, 0.25, 0.125 billion
        ended = run_until(
            lambda status: bool(status["books"] == of_five), "the five are live", cwd=tmp_path, db="var/paper.sqlite"
        )
    assert ended.code == 0, ended.err
    assert "okx: unreadable HTTP 200" in ended.err and "symbols are chosen without it" in ended.err


def test_where_nothing_is_fit_the_start_says_so_in_one_line(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "6", "--rate", "5") as venues:
        write_config(tmp_path, venues, volume="1e11")
        ended = run_arb("run", "--for", "2s", "--json", cwd=tmp_path)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines()[-1].startswith('arb: [run] symbols = "auto": the rules of [run.auto] choose nothing')


@pytest.mark.thorough
def test_the_doctor_and_a_recording_look_at_what_would_be_chosen(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "6", "--rate", "5") as venues:
        write_config(tmp_path, venues, volume="900_000_000")
        found = run_arb("doctor", "--json", cwd=tmp_path).summary["checks"]
        recorded = run_arb("record", "--out", "rec", "--for", "3s", "--json", cwd=tmp_path)
    listings = {row["about"]: row["found"] for row in found if row["check"] == "listing"}
    assert listings.keys() == {"gate", "okx", "bitget"} and all(text.startswith("2 of 2") for text in listings.values())
    assert recorded.code == 0 and recorded.summary["frames"] > 0, recorded.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('symbols = "automatic"\n', "give a list of texts"),
        ("symbols = []\n", "[run] symbols is empty"),
        ('symbols = "auto"\n[run.auto]\nat_utc = "24:00"\n', '[run.auto] at_utc = "24:00": give an hour and a minute'),
        ('symbols = "auto"\n[venues.gate]\nsymbols = "auto"\n', "only [run] symbols are chosen"),
    ],
)
def test_symbols_that_make_no_sense_are_refused(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "config.toml").write_text(f"[run]\n{settings}")
    ended = run_arb("run", "--for", "1s", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1
    assert said in ended.err


@pytest.mark.thorough
def test_live_trading_chooses_only_what_is_proved_and_its_guards_let_that_leave(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        config = live_config(tmp_path, sandbox.announced, changes={"min_volume_quote": "0"})
        text = re.sub(r"(?m)^symbols = \[.*?\]", 'symbols = "auto"', config.read_text(), count=1)
        # What the lists of these two prove the user denies, and OKX shows none without a key.
        denied = 'overrides = { "gate:NOVA" = "different from bitget:NOVA" }'
        config.write_text(text.replace("overrides = {}", denied))
        with live_engine(tmp_path, sandbox) as engine:
            engine.until_pairs(5)
            of_four = dict.fromkeys(("gate", "okx", "bitget"), "4/4")
            engine.until(lambda status: bool(status["books"] == of_four), "four are live everywhere")
            ended = engine.stop()
        assert (ended.code, ended.summary["halted"]) in WELL_ENDED, ended
        assert coins_traded(engine) <= {"BTC/USDT", "ETH/USDT", "SOL/USDT", "DOGE/USDT"}
        assert truth.differences(engine.db, sandbox.ledger()) == [], ended
