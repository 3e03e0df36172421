"""`arb init`: what it writes starts, what is there stays, and what cannot be set is refused before a file is made."""

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from arb.cli import main
from arb.config import load_settings

Captured = pytest.CaptureFixture[str]
CHOSEN = ("init", "--venues", "gate,okx", "--symbols", "BTC/USDC,ETH/USDC", "--region", "okx=eea")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_it_writes_is_what_was_chosen_and_for_this_user_alone(tmp_path: Path, capsys: Captured) -> None:
    assert main([*CHOSEN, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["config"], told["venues"], told["notes"]) == ("config.toml", ["gate", "okx"], [])
    path = tmp_path / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = load_settings(path)
    assert set(settings.venues.enabled()) == {"gate", "okx"}
    assert settings.run.symbols == ("BTC/USDC", "ETH/USDC") and settings.run.report_currency == "USDC"
    assert settings.venues.site("okx").region == "eea" and settings.venues.site("gate").region == "global"
    assert (settings.run.mode, told["next"]) == ("paper", ["arb doctor", "arb run"])
    assert main(["run", "--show-config"]) == 0
    assert 'region = "eea"' in capsys.readouterr().out


def test_fifty_symbols_are_read_back_and_the_next_commands_name_the_file(tmp_path: Path, capsys: Captured) -> None:
    symbols = [f"COIN{number}/USDT" for number in range(50)]
    assert main(["init", "--venues", "gate,okx", "--symbols", ",".join(symbols), "--config", "p.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == ["arb doctor --config p.toml", "arb run --config p.toml"]
    assert list(load_settings(tmp_path / "p.toml").run.symbols) == symbols
    assert max(map(len, (tmp_path / "p.toml").read_text().splitlines())) < 130


def test_venues_that_are_only_read_can_be_chosen_and_have_no_keys(tmp_path: Path) -> None:
    assert main(["init", "--venues", "gate,bybit,binance", "--symbols", "BTC/USDT", "--region", "bybit=eu"]) == 0
    settings = load_settings(tmp_path / "config.toml")
    assert list(settings.venues.enabled()) == ["gate", "bybit", "binance"] and list(settings.venues.traded()) == [
        "gate"
    ]
    assert settings.venues.site("bybit").endpoint.rest == "https://api.bybit.eu"
    assert "BYBIT_API_KEY" not in (tmp_path / "config.toml").read_text()


def test_every_key_it_writes_has_a_comment(tmp_path: Path) -> None:
    assert main(CHOSEN) == 0
    keys = [line for line in (tmp_path / "config.toml").read_text().splitlines() if " = " in line and line[0] != "#"]
    assert len(keys) > 10 and [key for key in keys if " # " not in key] == []


def test_a_file_that_exists_is_named_and_stays_as_it_is(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "config.toml").write_text("mine")
    assert main(CHOSEN) == 2
    assert "config.toml: exists already" in capsys.readouterr().err
    assert (tmp_path / "config.toml").read_text() == "mine"
    (tmp_path / "link.toml").symlink_to("nowhere.toml")
    assert main([*CHOSEN, "--config", "link.toml"]) == 2
    assert not (tmp_path / "nowhere.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "--venues is not given, and this is no terminal to ask in"),
        ("--venues gate,okx", "--symbols is not given"),
        ("--venues gate --symbols BTC/USDT", "--venues: arbitrage needs two: give some of gate, okx, bitget"),
        ("--venues gate,kraken --symbols BTC/USDT", "--venues: 'kraken' is no venue that is known here"),
        ("--venues gate,okx --symbols BTCUSDT", "--symbols: 'BTCUSDT' is no symbol: write for example BTC/USDT"),
        ("--venues gate,okx --symbols BTC/USDT,ETH/EUR", "--symbols: give at least one, all of one quote currency"),
        ("--venues gate,okx --symbols ,", "--symbols: give at least one"),
        ("--venues gate,okx --symbols BTC/USDT --region okx", "--region okx: write VENUE=REGION"),
        (
            "--venues gate,okx --symbols BTC/USDT --region okx=mars",
            "--region okx=mars: okx has no such region: give global",
        ),
        ("--venues gate,okx --symbols BTC/USDT --region bitget=eu", "'bitget' is not among --venues"),
        ("--venues gate,okx --symbols BTC/USDT --config no/c.toml", "no/c.toml: cannot be made"),
    ],
)
def test_what_cannot_be_set_is_one_line_and_leaves_no_file(
    arguments: str, said: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123
    assert main(["init", *arguments.split()]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_quote_that_is_not_offered_in_a_region_is_said(capsys: Captured) -> None:
    arguments = ["init", "--venues", "gate,okx", "--symbols", "BTC/USDT", "--region", "okx=eea", "--json"]
    assert main(arguments) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "okx: USDT is not offered to customers in the EEA" in note


def test_in_a_terminal_it_asks(tmp_path: Path, repo_root: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "arb", "init"]
    environment = os.environ | {"PYTHONPATH": str(repo_root)}
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.write(ours, b"okx,bitget\nSOL/USDC\nus\n")
        assert process.wait(60) == 0
    os.close(theirs)
    os.close(ours)
    settings = load_settings(tmp_path / "config.toml")
    assert (set(settings.venues.enabled()), settings.run.symbols) == ({"okx", "bitget"}, ("SOL/USDC",))
    assert settings.venues.site("okx").region == "us"
