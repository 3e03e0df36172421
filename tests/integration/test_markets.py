"""`arb markets` on venues that list what real ones do: what it shows, and what it says of venues that answer nonsense."""

import csv
import io
import json
import re
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.contract.venue_server import Venues, venue_server
from tests.integration.login_page import login_page
from tests.integration.support import arb, end_of, run_arb

SYMBOLS = 60


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with venue_server("--symbols", str(SYMBOLS), "--seed", "5", "--rate", "0") as running:
        yield running


def config(venues: Venues, folder: Path, head: str = "", **instead: str) -> Path:
    """Write settings that lead to the venues, or where `instead` says."""
    text = f'[run]\nmode = "paper"\nsymbols = ["BTC/USDT"]\n{head}\n'
    for venue, at in venues.info["venues"].items():
        rest = instead.get(venue, at["rest"])
        text += f'[venues.{venue}.endpoints]\nrest = "{rest}"\nws_public = "{at["ws_public"]}"\n'
    path = folder / "config.toml"
    path.write_text(text)
    return path


def shown(
    venues: Venues, folder: Path, *arguments: str, head: str = "", code: int = 0, **instead: str
) -> dict[str, Any]:
    config(venues, folder, head, **instead)
    ended = run_arb("markets", "--json", *arguments, cwd=folder)
    assert ended.code == code, ended.err
    return ended.summary


def test_what_venues_list_in_common_is_shown_the_busiest_first(venues: Venues, tmp_path: Path) -> None:
    document = shown(venues, tmp_path)
    assert document["venues"] == dict.fromkeys(("gate", "okx", "bitget"), SYMBOLS + 4)
    assert document["failed"] == {} and document["common"] >= SYMBOLS
    rows = document["markets"]
    assert [row["symbol"] for row in rows[:3]] == ["BTC/USDT", "ETH/USDT", "ADA/USDT"]
    volumes = [float(row["volume_quote"]) for row in rows]
    assert volumes == sorted(volumes, reverse=True)
    btc = rows[0]
    assert [found["verdict"] for found in btc["identity"]] == ["same"] * 3
    assert btc["at"].keys() == {"gate", "okx", "bitget"} and btc["best_edge"] is not None
    bids, asks = venues.book("gate", "BTC_USDT")
    gate = btc["at"]["gate"]
    assert (gate["bid"], gate["ask"], gate["taker_fee"]) == (str(bids[0][0]), str(asks[0][0]), "0.002")
    assert (gate["min_notional"], gate["min_order_quote"], btc["edge_share_1h"]) == ("3", "3", None)


def test_venues_that_are_only_read_are_shown_like_the_others(venues: Venues, tmp_path: Path) -> None:
    text = config(venues, tmp_path).read_text()
    text += "[venues.bybit]\nenabled = true\n[venues.binance]\nenabled = true\n"
    (tmp_path / "config.toml").write_text(text)
    ended = run_arb("markets", "--json", "--min-venues", "5", "--top", "500", cwd=tmp_path)
    assert ended.code == 0, ended.err
    document = ended.summary
    assert document["venues"].keys() == {"gate", "okx", "bitget", "bybit", "binance"}
    rows = {row["symbol"]: row for row in document["markets"]}
    assert len(rows) >= SYMBOLS - 5 and all(len(row["at"]) == 5 for row in rows.values())
    for venue, native in (("bybit", "BTCUSDT"), ("binance", "BTCUSDT")):
        bids, asks = venues.book(venue, native)
        shown_here = rows["BTC/USDT"]["at"][venue]
        assert (float(shown_here["bid"]), float(shown_here["ask"])) == (float(bids[0][0]), float(asks[0][0]))


@pytest.mark.thorough
def test_the_rules_choose_and_say_what_speaks_against_the_others(venues: Venues, tmp_path: Path) -> None:
    rules = '[run.auto]\nmin_volume_quote = 1_000_000\nexclude_symbols = ["ETH/USDT"]\ntop = 3\nmax_book_spread_bps = 1000\n'
    document = shown(venues, tmp_path, head=rules)
    assert document["chosen"] == ["BTC/USDT", "ADA/USDT", "DOGE/USDT"]
    assert document["passed_over"]["ETH/USDT"] == "in exclude_symbols"
    assert (
        "a 24 h volume of" in document["passed_over"]["SPELL/USDT"]
        or "not open" in document["passed_over"]["SPELL/USDT"]
    )
    assert [row["symbol"] for row in document["markets"] if row["chosen"]] == document["chosen"]
    assert shown(venues, tmp_path, "--top", "1", head=rules)["chosen"] == ["BTC/USDT"]


def test_the_table_for_people_has_a_line_for_each_and_no_more_than_it_knows(venues: Venues, tmp_path: Path) -> None:
    config(venues, tmp_path)
    ended = run_arb("markets", "--top", "5", cwd=tmp_path)
    assert ended.code == 0 and ended.err == ""
    [btc] = [line for line in ended.out.splitlines() if line.split()[:1] == ["BTC/USDT"]]
    assert btc.split()[1] == "gate,okx,bitget" and max(map(len, ended.out.splitlines())) <= 80
    ended = run_arb("markets", "--top", "5", "--csv", cwd=tmp_path)
    [btc_row] = [row for row in csv.DictReader(io.StringIO(ended.out, newline="")) if row["symbol"] == "BTC/USDT"]
    assert Decimal(btc_row["volume_quote"]) > 10**9
    assert (btc_row["coin"], btc_row["edge_share_1h"], btc_row["chosen"]) == ("same", "", "yes")


@pytest.mark.thorough
def test_a_venue_that_answers_with_a_page_is_named_and_the_others_are_shown(venues: Venues, tmp_path: Path) -> None:
    with login_page() as address:
        document = shown(venues, tmp_path, code=3, okx=address)
        assert document["venues"].keys() == {"gate", "bitget"} and document["markets"][0]["symbol"] == "BTC/USDT"
        assert "somebody answers in its place, a proxy or a login page" in document["failed"]["okx"]
        config(venues, tmp_path, okx=address, gate=address + "/api/v4")
        ended = run_arb("markets", cwd=tmp_path)
    assert (ended.code, ended.out) == (3, "") and ended.err.count("\n") == 1
    assert ended.err.startswith(
        "arb: fewer than two venues answer, and nothing is common to one: gate: unreadable HTTP 200"
    )
    assert ended.err.endswith(": see `arb doctor`\n")


def test_a_row_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "6", "--rate", "0") as venues:
        venues.strike("gate", "unreadable", symbol="ETH_USDT")
        venues.strike("okx", "suspended", symbol="ADA-USDT")
        document = shown(venues, tmp_path)
    rows = {row["symbol"]: row for row in document["markets"]}
    assert rows["ETH/USDT"]["at"].keys() == {"okx", "bitget"}
    assert rows["ADA/USDT"]["at"]["okx"]["tradable"] is False


@pytest.mark.thorough
def test_why_shows_one_symbol_and_one_that_nobody_lists_is_refused_with_the_nearest(
    venues: Venues, tmp_path: Path
) -> None:
    document = shown(venues, tmp_path, "--why", "BTC/USDT")
    assert document["chosen"] is True and document["against"] is None and len(document["edges"]) == 6
    coins = [line for lines in document["coins"] for line in lines]
    assert "BTC at gate and okx: same: one contract, or the chain's own coin, on bitcoin" in coins
    assert any(line.startswith("USDT at okx and bitget: same") for line in coins)
    assert any("bps apart (a cross-check, no proof)" in line for line in coins)
    config(venues, tmp_path)
    assert "gate    BTC_USDT" in run_arb("markets", "--why", "BTC/USDT", cwd=tmp_path).out
    ended = run_arb("markets", "--why", "BTCC/USDT", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "arb: --why BTCC/USDT: gate, okx, bitget answered, and none lists it: did you mean 'BTC/USDT'?\n"
    )
    ended = run_arb("markets", "--why", "btc/usdt", cwd=tmp_path)
    assert ended.err.endswith("and none lists it: did you mean 'BTC/USDT'?\n")
    ended = run_arb("markets", "--why", "BTCUSDT", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "") and "--why 'BTCUSDT' is no symbol: no '/' between" in ended.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("min_venues = 1", "[run.auto] min_venues = 1: a pair needs two"),
        ("top = 0", "[run.auto] top = 0: nothing would ever be chosen"),
        ('exclude_symbols = ["BTCUSDT"]', "'BTCUSDT' is no symbol: write BASE/QUOTE as venues list them"),
        ('min_volume_quote = "much"', "give an amount"),
        ('max_book_spread_bps = "wide"', "give basis points"),
        ("tops = 5", "did you mean 'top'?"),
    ],
)
def test_rules_that_make_no_sense_are_refused(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "config.toml").write_text(f"[run.auto]\n{settings}\n")
    ended = run_arb("markets", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1
    assert said in ended.err


def test_write_puts_the_choice_into_the_settings_and_changes_nothing_else(venues: Venues, tmp_path: Path) -> None:
    path = config(venues, tmp_path, "[run.auto] # mine\ntop = 2 # few\n")
    text = path.read_text()
    ended = run_arb("markets", "--write", "--json", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert (ended.summary["written"], ended.summary["added"], ended.summary["dropped"]) == (
        "config.toml",
        ["ETH/USDT"],
        [],
    )
    assert path.read_text() == text.replace('["BTC/USDT"]', '["BTC/USDT", "ETH/USDT"]')


@pytest.mark.thorough
def test_nothing_is_written_without_all_venues_or_where_nothing_is_chosen(venues: Venues, tmp_path: Path) -> None:
    with login_page() as address:
        path = config(venues, tmp_path, okx=address)
        text = path.read_text()
        ended = run_arb("markets", "--write", cwd=tmp_path)
    assert (ended.code, ended.out, path.read_text()) == (3, "", text)
    assert ended.err.startswith("arb: --write: without all enabled venues the choice would be another")
    path = config(venues, tmp_path)
    ended = run_arb("markets", "--write", "--quote", "BTC", cwd=tmp_path)
    assert (ended.code, ended.out, path.read_text()) == (2, "", path.read_text())
    assert ended.err == "arb: --write: symbols priced in BTC, and [run] report_currency is USDT: set that first\n"
    path = config(venues, tmp_path, "[run.auto]\nmin_volume_quote = 1e12\n")
    text = path.read_text()
    ended = run_arb("markets", "--write", cwd=tmp_path)
    assert (ended.code, ended.out, path.read_text()) == (3, "", text)
    assert ended.err.startswith("arb: --write: the rules of [run.auto] choose nothing, so nothing is written")


@pytest.mark.thorough
def test_watch_says_what_is_listed_anew_dropped_halted_and_who_falls_silent(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "6", "--rate", "0") as venues:
        venues.strike("gate", "delisted", symbol="TRX_USDT")
        config(venues, tmp_path)
        watching = arb("markets", "--watch", "--every", "5s", "--json", cwd=tmp_path)
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        venues.strike("gate", "listed", symbol="TRX_USDT")
        venues.strike("gate", "suspended", symbol="LTC_USDT")
        venues.strike("okx", "delisted", symbol="DOGE-USDT")
        venues.strike("gate", "delisting", symbol="ADA_USDT")
        venues.strike("bitget", "restricted", for_s=600)
        news = [json.loads(watching.stdout.readline()) for _ in range(5)]
        watching.send_signal(signal.SIGINT)
        ended = end_of(watching)
    assert ended.code == 0, ended.err
    assert sorted((each["venue"], each["what"], each["symbol"]) for each in news if each["symbol"]) == [
        ("gate", "ending", "ADA/USDT"),
        ("gate", "halted", "LTC/USDT"),
        ("gate", "listed", "TRX/USDT"),
        ("okx", "unlisted", "DOGE/USDT"),
    ]
    [listed] = [each for each in news if each["what"] == "listed"]
    assert listed["text"] == "gate lists TRX/USDT; listed elsewhere: okx" and listed["also_at"] == ["okx"]
    [ending] = [each for each in news if each["what"] == "ending"]
    assert re.fullmatch(r"gate announces the end of trade in ADA/USDT at 20..-..-..T..:..:..Z", ending["text"])
    [silent] = [each for each in news if each["what"] == "silent"]
    assert silent["venue"] == "bitget" and "451" in silent["text"]
    last = json.loads(ended.out)
    assert last["failed"].keys() == {"bitget"} and last["venues"].keys() == {"gate", "okx", "bitget"}
    before, after = ({row["symbol"]: row for row in document["markets"]} for document in (first, last))
    assert before["TRX/USDT"]["at"].keys() == {"okx", "bitget"}
    assert after["TRX/USDT"]["at"].keys() == {"gate", "okx", "bitget"}
    assert before["BTC/USDT"]["edge_share_1h"] is None
    assert after["BTC/USDT"]["edge_share_1h"] == (
        "1.000000" if float(after["BTC/USDT"]["best_edge"]["edge_bps"]) > 0 else "0.000000"
    )
