"""Currency lists that venues show to a key alone: what a key proves, what one is refused for, and that none is read unasked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.venue_server import Venues, venue_server
from tests.integration.support import Ended, arb, end_of
from tests.integration.test_markets import config
from tests.venue_server.keyed import BARRED, KEYS, PASSPHRASE, POWERLESS, SECRET

KEYED = "[coins]\nkeyed = true\n"
READ = {"BYBIT_API_KEY": KEYS["read"], "BINANCE_API_KEY": KEYS["read"]} | dict.fromkeys(
    ("BYBIT_API_SECRET", "BINANCE_API_SECRET"), SECRET
)
PAIRS = (("bybit", "binance"), ("gate", "bybit"), ("gate", "binance"))


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with venue_server("--symbols", "8", "--seed", "5", "--rate", "0") as running:
        yield running


def settings(venues: Venues, folder: Path, head: str = KEYED) -> Path:
    path = config(venues, folder, head)
    path.write_text(path.read_text() + "[venues.bybit]\nenabled = true\n[venues.binance]\nenabled = true\n")
    return path


def asked(folder: Path, *arguments: str, **variables: str) -> Ended:
    return end_of(arb(*arguments, cwd=folder, variables=variables))


def found(ended: Ended, code: int = 0) -> Any:
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def coins(document: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """Return by ticker and two venues what is said of them."""
    heads = [lines[0] for lines in document["coins"]]
    said = {}
    for head in heads:
        of, verdict, _ = head.split(": ", 2)
        ticker, _, venue, _, other = of.split(" ")
        said[ticker, venue, other] = verdict
    return said


def test_a_key_proves_at_bybit_and_binance_what_nothing_proved_without(venues: Venues, tmp_path: Path) -> None:
    settings(venues, tmp_path)
    without = coins(found(asked(tmp_path, "markets", "--why", "LTC/USDT", "--json")))
    for venue, other in PAIRS:
        assert without["LTC", venue, other] == "unproved" and without["USDT", venue, other] == "unproved"
    document = found(asked(tmp_path, "markets", "--why", "LTC/USDT", "--json", **READ))
    proved = coins(document)
    assert document["currency_lists"] == []
    for venue, other in PAIRS:  # by the chain's own coin, and by chain and contract
        assert proved["LTC", venue, other] == "same" and proved["USDT", venue, other] == "same"
    lines = [line for each in document["coins"] for line in each]
    assert any("bybit 0xdac17f958d2ee523a2206206994597c13d831ec7 (its list)" in line for line in lines)


def test_no_key_is_read_unless_the_settings_say_so(venues: Venues, tmp_path: Path) -> None:
    settings(venues, tmp_path, "")
    (tmp_path / ".env").write_text("half of nothing")  # would be refused by whoever looks for a key
    ended = asked(tmp_path, "markets", "--why", "LTC/USDT", "--json", **READ)
    assert coins(found(ended))["LTC", "bybit", "binance"] == "unproved"
    settings(venues, tmp_path)
    refused = asked(tmp_path, "markets")
    assert (refused.code, refused.out) == (2, "") and ".env: others may read your keys" in refused.err


def test_half_a_key_is_refused_before_anything_is_asked(venues: Venues, tmp_path: Path) -> None:
    settings(venues, tmp_path)
    ended = asked(tmp_path, "markets", BYBIT_API_KEY=KEYS["read"])
    assert (ended.code, ended.out) == (2, "")
    assert "bybit: BYBIT_API_KEY is in the environment, and BYBIT_API_SECRET is not" in ended.err


def test_a_list_of_this_run_counts_before_a_saved_one(venues: Venues, tmp_path: Path) -> None:
    settings(venues, tmp_path, '[coins]\nkeyed = true\nlists = "lists"\n')
    (tmp_path / "lists").mkdir()
    chain = {"chain": "ETH", "contractAddress": "0x" + "12" * 20}
    saved = {"retCode": 0, "result": {"rows": [{"coin": "USDT", "chains": [chain]}]}}
    (tmp_path / "lists" / "bybit.json").write_text(json.dumps(saved))
    asking = ("markets", "--why", "LTC/USDT", "--json")
    assert coins(found(asked(tmp_path, *asking)))["USDT", "okx", "bybit"] == "different"
    document = found(asked(tmp_path, *asking, **READ))
    assert coins(document)["USDT", "okx", "bybit"] == "same"
    lines = [line for each in document["coins"] for line in each]
    assert any("bybit 0xdac17f958d2ee523a2206206994597c13d831ec7 (its list)" in line for line in lines)
    assert not any("bybit.json" in line for line in lines)


WRONG = SECRET[::-1]
REFUSED = {
    "unknown key": (READ | {"BYBIT_API_KEY": "no-such-key-01", "BINANCE_API_KEY": "no-such-key-02"}, "does not know this key"),
    "signature": (READ | {"BYBIT_API_SECRET": WRONG, "BINANCE_API_SECRET": WRONG}, "the signature is not the one it expects"),
    "address": (READ | {"BYBIT_API_KEY": BARRED, "BINANCE_API_KEY": BARRED}, "from this address"),
    "no right": (READ | {"BYBIT_API_KEY": POWERLESS, "BINANCE_API_KEY": POWERLESS}, "lacks a right"),
    "withdraws": (
        READ | {"BYBIT_API_KEY": KEYS["withdraw"], "BINANCE_API_KEY": KEYS["withdraw"]},
        "the key may withdraw: make one that may not",
    ),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("case", REFUSED)
def test_a_key_that_is_not_accepted_is_one_line_and_leaves_the_coins_unproved(
    venues: Venues, tmp_path: Path, case: str
) -> None:
    variables, said = REFUSED[case]
    settings(venues, tmp_path)
    ended = asked(tmp_path, "markets", "--why", "LTC/USDT", "--json", **variables)
    document = found(ended)
    notes = document["currency_lists"]
    assert sorted(note.split(":")[0] for note in notes) == ["binance", "bybit"]
    assert all(said in note and "\n" not in note for note in notes), notes
    assert coins(document)["LTC", "bybit", "binance"] == "unproved"
    tested = asked(tmp_path, "keys", "test", "bybit", "binance", "--json", **variables)
    assert [row["result"] for row in found(tested, 3)] == ["not accepted"] * 2
    rows = {row["venue"]: row for row in json.loads(tested.out)}
    assert rows["binance"]["code"] and rows["bybit"]["code"]
    for secret in {*variables.values()}:
        assert all(secret not in text for each in (ended, tested) for text in (each.out, each.err))


def test_a_clock_that_is_apart_is_measured_and_signed_with(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "5", "--rate", "0") as venues:
        for venue in ("bybit", "binance"):
            venues.strike(venue, "clock", wait_s=90, for_s=600)
        settings(venues, tmp_path)
        document = found(asked(tmp_path, "markets", "--why", "LTC/USDT", "--json", **READ))
    assert document["currency_lists"] == [] and coins(document)["LTC", "bybit", "binance"] == "same"


def test_a_key_that_may_trade_is_used_and_warned_of(venues: Venues, tmp_path: Path) -> None:
    settings(venues, tmp_path)
    trading = READ | {"BYBIT_API_KEY": KEYS["trade"], "BINANCE_API_KEY": KEYS["trade"]}
    document = found(asked(tmp_path, "markets", "--why", "LTC/USDT", "--json", **trading))
    assert len(document["currency_lists"]) == 2 and coins(document)["LTC", "bybit", "binance"] == "same"
    assert all("may trade" in note and "make one that only reads" in note for note in document["currency_lists"])
    rows = found(asked(tmp_path, "keys", "test", "bybit", "binance", "--json", **trading))
    assert [(row["result"], row["can_trade"], row["can_withdraw"]) for row in rows] == [("accepted", True, False)] * 2
    assert not any("warning" in row for row in rows)
    [reads] = found(asked(tmp_path, "keys", "test", "binance", "--json", **READ), 3)
    assert reads["result"] == "not accepted" and reads["code"] == "key_read_only"


def test_okx_is_asked_with_a_key_too(venues: Venues, tmp_path: Path) -> None:
    settings(venues, tmp_path)
    key = {"OKX_API_KEY": KEYS["read"], "OKX_API_SECRET": SECRET, "OKX_API_PASSPHRASE": PASSPHRASE}
    document = found(asked(tmp_path, "markets", "--why", "LTC/USDT", "--json", **key))
    assert document["currency_lists"] == []
    lines = [line for each in document["coins"] for line in each]
    assert any("okx ...831ec7 (its list)" in line or "okx native (its list)" in line for line in lines), lines


def paper(venues: Venues, folder: Path, variables: dict[str, str]) -> tuple[Ended, dict[str, bytes]]:
    """Run on paper for a moment; return how it ended and everything it wrote, by its name."""
    settings(venues, folder)
    ended = asked(folder, "run", "--mode", "paper", "--for", "3s", "--json", "--tape", "var/a.jsonl", **variables)
    written = {str(path): path.read_bytes() for path in (folder / "var").rglob("*") if path.is_file()}
    assert len(written) > 2
    return ended, written | {"out": ended.out.encode(), "err": ended.err.encode()}


def listed(written: dict[str, bytes]) -> set[str]:
    """Return whose currency lists the tape holds."""
    (tape,) = (text for name, text in written.items() if name.endswith("a.jsonl"))
    lines = [json.loads(line) for line in tape.splitlines()]
    events = [json.loads(line["raw"]) for line in lines if line["kind"] == "event"]
    return {event["venue"] for event in events if event["type"] == "CurrenciesListed"}


@pytest.mark.thorough
def test_a_paper_run_takes_the_lists_and_keeps_no_secret(venues: Venues, tmp_path: Path) -> None:
    ended, written = paper(venues, tmp_path, READ)
    assert ended.code == 0, ended.err
    assert {"bitget", "bybit", "binance"} <= listed(written)
    for secret in (SECRET, KEYS["read"]):
        assert [place for place, text in written.items() if secret.encode() in text] == []


@pytest.mark.thorough
def test_a_paper_run_whose_key_is_refused_goes_on_without_the_list(venues: Venues, tmp_path: Path) -> None:
    refused = {"BYBIT_API_KEY": KEYS["withdraw"], "BINANCE_API_KEY": "no-such-key-02"}
    ended, written = paper(venues, tmp_path, READ | refused)
    assert ended.code == 0, ended.err
    assert "bitget" in listed(written) and not {"bybit", "binance"} & listed(written)
    assert json.loads(ended.out)["frames"] > 0
    for secret in (SECRET, *refused.values()):
        assert [place for place, text in written.items() if secret.encode() in text] == []
