"""Bad input, as a user meets it: exit 2, one clear line on stderr, nothing on stdout, and nothing recorded is touched."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.contract.venue_server import venue_server
from tests.integration.login_page import login_page
from tests.integration.support import REPO, run_arb, run_until

GOOD_LINE = '{"t":1,"venue":"gate","kind":"ws","raw":"{}"}\n'


def complaint(*arguments: str, cwd: Path) -> str:
    """Run a command that must refuse, and return its one line."""
    ended = run_arb(*arguments, cwd=cwd)
    assert (ended.code, ended.out) == (2, ""), f"{ended.code} {ended.out} {ended.err}"
    assert ended.err.count("\n") == 1 and ended.err.startswith("arb: "), ended.err
    return ended.err


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [
        ("min_edge_bps", "min_edge_bp", "did you mean 'min_edge_bps'"),
        ("min_edge_bps = 6", 'min_edge_bps = "6ms"', "basis points"),
        ("query_after_ms = 400", 'query_after_ms = "400 parsecs"', "milliseconds"),
        ('environment = "production"', 'environment = "paper"', "give one of 'production', 'testnet', 'demo'"),
    ],
    ids=["an unknown key", "a wrong unit", "an unknown unit", "an unknown environment"],
)
def test_settings_that_make_no_sense_are_named_with_file_and_line(
    tmp_path: Path, before: str, after: str, reported: str
) -> None:
    text = (REPO / "config.toml").read_text()
    assert f"\n{before}" in text
    line = text[: text.index(f"\n{before}") + 1].count("\n") + 1
    (tmp_path / "config.toml").write_text(text.replace(f"\n{before}", f"\n{after}", 1))
    line_reported = complaint("run", "--json", cwd=tmp_path)
    assert f"config.toml:{line}: " in line_reported
    assert reported in line_reported
    assert not (tmp_path / "var").exists()


def test_real_money_and_play_money_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[venues.okx]\nenvironment = "demo"\n')
    assert "[venues] mix real money, gate (production)" in complaint("run", "--json", cwd=tmp_path)
    assert not (tmp_path / "var").exists()


def test_settings_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert "nowhere.toml" in complaint("run", "--config", "nowhere.toml", cwd=tmp_path)


def test_a_database_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    url = f"sqlite:///{tmp_path}/file/a.sqlite"
    assert "file/a.journal.sqlite" in complaint("run", "--json", "--db", url, cwd=tmp_path)
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.parametrize("name", ["a.sqlite", "a.journal.sqlite"], ids=["as ledger", "as journal"])
def test_another_programs_file_is_refused_and_left_as_it_was(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()
    reported = complaint("run", "--json", "--db", f"sqlite:///{tmp_path}/a.sqlite", cwd=tmp_path)
    assert f"{name}: another program's SQLite file" in reported
    assert path.read_bytes() == before


def test_a_sandbox_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.sqlite"
    reported = complaint("run", "--json", "--db", url, "--sandbox", "http://127.0.0.1:9/admin", cwd=tmp_path)
    assert "http://127.0.0.1:9/admin" in reported
    assert "arb sandbox" in reported


def test_paper_does_not_go_round_a_proxy_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[network]\nproxy = "http://127.0.0.1:9"\n')
    reported = complaint("run", "--json", "--mode", "paper", "--for", "1s", cwd=tmp_path)
    assert "proxy 127.0.0.1:9" in reported, reported


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        (
            '[venues.okx]\nregion = "mars"\n',
            "[venues.okx] region = 'mars': okx's production has no such region: give 'gl",
        ),
        (
            '[venues.gate]\nenvironment = "demo"\n',
            "environment = 'demo': gate has none: give 'production' or 'testnet'",
        ),
        (
            '[venues.okx.endpoints]\nrest = "https://evil.example"\n',
            "rest: 'evil.example' is no allowed host: if it is",
        ),
        ('[venues.okx.endpoints]\nrest = "http://10.0.0.1"\n', "http:// is not encrypted: write https://"),
        ('[run]\ncoins_file = "absent.csv"\n', "[run] coins_file: absent.csv: cannot be read"),
        ('[run]\ncoins_file = "coins.csv"\n', "coins.csv:2: has 3 columns and not 8: venue,ticker,chain"),
        ('[paper.fees]\ngate = "0.1"\n', 'gate = "0.1": '),
    ],
    ids=["a region", "an environment", "a host", "no encryption", "no coins file", "a short line of coins", "a fee"],
)
def test_paper_is_not_begun_on_settings_that_cannot_be_meant(tmp_path: Path, settings: str, reported: str) -> None:
    (tmp_path / "config.toml").write_text(settings)
    coins = "venue,ticker,chain,contract,endpoint,evidence,source,reviewed\ngate,BTC,bitcoin\n"
    (tmp_path / "coins.csv").write_text(coins)
    assert reported in complaint("run", "--json", "--mode", "paper", cwd=tmp_path)
    assert not (tmp_path / "var").exists()


@pytest.mark.thorough
def test_symbols_that_nobody_lists_and_a_venue_for_which_a_login_page_answers(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "5") as venues, login_page() as address:
        text = '[run]\nmode = "paper"\nsymbols = {}\n'
        for venue, at in venues.info["venues"].items():
            rest = address if venue == "okx" else at["rest"]
            text += f'[venues.{venue}.endpoints]\nrest = "{rest}"\nws_public = "{at["ws_public"]}"\n'
        (tmp_path / "config.toml").write_text(text.format('["BTX/USDT"]'))
        ended = run_arb("run", "--json", "--for", "1s", cwd=tmp_path)
        assert (ended.code, ended.out) == (2, "")
        assert "BTX/USDT: gate and bitget list no such symbol" in (line := ended.err.strip().splitlines()[-1])
        assert line.startswith("arb: [run] symbols: no symbol is listed at two enabled venues: choose others")
        (tmp_path / "config.toml").write_text(text.format('["BTC/USDT", "BTX/USDT"]'))
        books = {"gate": "1/1", "okx": "0/0", "bitget": "1/1"}
        ended = run_until(
            lambda status: bool(status["books"] == books), "the others' are live", cwd=tmp_path, db="var/paper.sqlite"
        )
    assert ended.code == 0, ended.err
    said = "HTTP 200 with a body that is not the venue's: somebody answers in its place, a proxy or a login page"
    assert said in ended.summary["absent_venues"]["okx"]


def test_a_malformed_tape_line_is_named_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "tape.jsonl").write_text(GOOD_LINE * 2 + '{"t":2,"venue":\n' + GOOD_LINE)
    assert "tape.jsonl:3: malformed tape line" in complaint("books", "tape.jsonl", "--json", cwd=tmp_path)
