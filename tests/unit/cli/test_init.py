"""`arb init`: what it writes starts, what is there stays, and what cannot be set is refused before a file is made."""

import io
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arb.cli import main
from arb.config import Settings, load_settings
from arb.config.keys import read_env_file

REPO = Path(__file__).parents[3]
Captured = pytest.CaptureFixture[str]
CHOSEN = ("init", "--venues", "gate,okx", "--symbols", "BTC/USDC,ETH/USDC", "--region", "okx=eea")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARB_ALERT_URLS", raising=False)


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


def test_venues_that_are_not_enabled_by_default_can_be_chosen(tmp_path: Path) -> None:
    assert main(["init", "--venues", "gate,bybit,binance", "--symbols", "BTC/USDT", "--region", "bybit=eu"]) == 0
    settings = load_settings(tmp_path / "config.toml")
    assert list(settings.venues.enabled()) == ["gate", "bybit", "binance"]
    assert list(settings.venues.enabled()) == ["gate", "bybit", "binance"]
    assert settings.venues.site("bybit").endpoint.rest == "https://api.bybit.eu"
    assert "BINANCE_API_KEY" in (tmp_path / "config.toml").read_text()


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
        ("--venues gate --symbols BTC/USDT", "--venues gate: arbitrage needs two: give some of gate, okx, bitget"),
        ("--venues gate,kraken --symbols BTC/USDT", "--venues gate,kraken: arbitrage needs two"),
        ("--venues gate,okk --symbols BTC/USDT", "--venues gate,okk: 'okk' is no venue: did you mean 'okx'?"),
        ("--venues gate,zzz --symbols BTC/USDT", "'zzz' is no venue: known are gate, okx, bitget, bybit, binance"),
        ("--venues gate,okx --symbols BTCUSDT", "'BTCUSDT' is no symbol: write for example BTC/USDT"),
        ("--venues gate,okx --symbols BTC/USDT,ETH/EUR", "give at least one, all of one quote currency"),
        ("--venues gate,okx --symbols ,", "--symbols ,: give at least one"),
        ("--venues gate,okx --symbols BTC/USDT --region okx", "--region okx: write VENUE=REGION"),
        (
            "--venues gate,okx --symbols BTC/USDT --region okx=mars",
            "--region okx=mars: okx has no such region: give global",
        ),
        ("--venues gate,okx --symbols BTC/USDT --region bitget=eu", "'bitget' is not among --venues"),
        ("--venues gate,okx --symbols ETH/BTC", "--max-notional is not given"),
        ("--venues gate,okx --symbols BTC/USDT --max-notional 0", "with 0 no pair could ever open"),
        ("--venues gate,okx --symbols BTC/USDT --daily-loss x", "--daily-loss x: give an amount"),
        ("--venues gate,okx --symbols BTC/USDT --fees okx", "'okx' is no NAME=VALUE: write for example okx=0.08%"),
        ("--venues gate,okx --symbols BTC/USDT --fees okx=0.1", "okx=0.1: give a fee with its unit"),
        ("--venues gate,okx --symbols BTC/USDT --fees bitget=1%", "'bitget' is not among the venues"),
        (
            "--venues gate,okx --symbols BTC/USDT --balances BCT=1",
            "'BCT' is in none of the symbols: did you mean 'BTC'?",
        ),
        ("--venues gate,okx --symbols BTC/USDT --balances BTC=1,BTC=2", "BTC is given twice"),
        ("--venues gate,okx --symbols BTC/USDT --balances USDT=9,BTC=0", "buys with USDT and sells a base: give both"),
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


class Dialogue:
    """`arb init` in a terminal of its own: what it prints, and the user's answers to it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.ours, theirs = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arb", "init", *options],
            cwd=folder,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(REPO)},
            start_new_session=True,  # so that what is not shown is read from this terminal, too
        )
        os.close(theirs)

    def until(self, question: str) -> None:
        """Read on until the next time this question was asked; fail at the end of the output."""
        assert self.process.stdout is not None
        begun = len(self.text)
        while question not in self.text[begun:]:
            found = os.read(self.process.stdout.fileno(), 4096)
            assert found, self.text
            self.text += found.decode()

    def answer(self, question: str, *texts: str) -> None:
        for text in texts:
            self.until(question)
            os.write(self.ours, f"{text}\n".encode())

    def end(self) -> int:
        output, _ = self.process.communicate(timeout=60)
        self.text += output.decode()
        return self.process.returncode


@pytest.fixture
def dialogue(tmp_path: Path) -> Iterator[Callable[..., Dialogue]]:
    begun: list[Dialogue] = []

    def begin(*options: str) -> Dialogue:
        begun.append(Dialogue(tmp_path, *options))
        return begun[-1]

    yield begin
    for each in begun:
        each.process.kill()
        each.process.wait()
        os.close(each.ours)


def test_in_a_terminal_each_answer_is_checked_at_once_and_asked_for_again(
    tmp_path: Path, dialogue: Callable[..., Dialogue]
) -> None:
    init = dialogue("--symbols", "SOL/USDC")
    init.answer("Venues", "gate,krakn", "okx,bitget,kraken")
    init.answer("Region of the account at okx", "mars", "us")
    init.answer("The most one pair may pay, in USDC", "0", "500")
    init.answer("The loss of a day", "")
    init.answer("Your taker fees", "okx=0.08", "okx=0.08%")
    init.answer("Balances", "USDC=9", "USDC=9000,SOL=40")
    init.answer("Receivers", "")
    assert init.end() == 0, init.text
    faults = re.findall(r"Error: (.*)", init.text)
    assert [fault.split(":")[0] for fault in faults] == [
        "'krakn' is no venue",
        "okx has no such region",
        "with 0 no pair could ever open",
        "okx=0.08",
        "a pair buys with USDC and sells a base",
    ]
    assert "did you mean 'kraken'?" in faults[0]
    settings = load_settings(tmp_path / "config.toml")
    assert (set(settings.venues.enabled()), settings.generic.venues) == ({"okx", "bitget"}, ("kraken",))
    assert settings.venues.site("okx").region == "us"
    assert (str(settings.limits.max_notional_quote), str(settings.limits.daily_loss_quote)) == ("500", "25")
    assert (settings.paper.fees.okx, settings.paper.fees.bitget) == ("0.08%", "0.2%")
    assert settings.paper.balances == {"USDC": 9000, "SOL": 40}


def test_a_receiver_is_checked_never_shown_and_written_for_this_user_only(
    tmp_path: Path, dialogue: Callable[..., Dialogue]
) -> None:
    url = "jsons://user:Secret0Password@127.0.0.1:9/alerts"
    options = ("--venues", "gate,bitget", "--region", "gate=global", "--symbols", "BTC/USDT", "--max-notional", "2000")
    init = dialogue(*options, "--daily-loss", "100", "--fees", "gate=0.2%", "--balances", "USDT=9,BTC=1")
    init.answer("Receivers", "no address", url)
    init.answer("Send a test message", "y")
    assert init.end() == 0, init.text
    assert "receiver 1: its address is none that apprise reads" in init.text and "NOT SENT" in init.text
    assert "Secret0Password" not in init.text
    file = tmp_path / ".env"
    assert read_env_file(file) == {"ARB_ALERT_URLS": url} and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "Secret0Password" not in (tmp_path / "config.toml").read_text()


def test_ctrl_c_at_the_last_question_leaves_no_file(tmp_path: Path, dialogue: Callable[..., Dialogue]) -> None:
    init = dialogue("--symbols", "BTC/USDT")
    for question in ("Venues", "Region", "The most", "The loss", "Your taker fees", "Balances"):
        init.answer(question, "gate,bitget" if question == "Venues" else "")
    init.until("Receivers")
    init.process.send_signal(signal.SIGINT)
    assert init.end() == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("found", [("XRP/USDT", "ADA/USDT"), ()])
def test_the_venues_best_symbols_are_proposed_or_well_known_ones_where_none_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...]
) -> None:
    asked: list[Settings] = []

    def best_symbols(settings: Settings, *_: object) -> tuple[str, ...]:
        asked.append(settings)
        return found

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as stdin:
        monkeypatch.setattr("arb.app.markets.best_symbols", best_symbols)
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setenv("ARB_ALERT_URLS", "json://127.0.0.1:9/alerts")
        os.write(ours, b"gate,okx\n\neea\n\n\n\n\n\n")
        assert main(["init"]) == 0
    os.close(ours)
    usual = ("BTC/USDC", "ETH/USDC", "SOL/USDC", "DOGE/USDC")
    assert load_settings(tmp_path / "config.toml").run.symbols == (found or usual)
    (settings,) = asked
    assert (set(settings.venues.enabled()), settings.run.report_currency) == ({"gate", "okx"}, "USDC")


def test_without_a_terminal_receivers_are_one_line_of_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / ".env").write_text("OKX_API_KEY=mine")
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.setattr(sys, "stdin", io.StringIO("json://127.0.0.1:9/a  json://127.0.0.1:9/b\n"))
    assert main([*CHOSEN, "--alerts", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["alerts"], document["next"][-1]) == (".env", "arb watch")
    assert read_env_file(tmp_path / ".env") == {
        "OKX_API_KEY": "mine",
        "ARB_ALERT_URLS": "json://127.0.0.1:9/a json://127.0.0.1:9/b",
    }


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("5d1e7f0a9b3c", "receiver 1: its address is none"),
        ("json://127.0.0.1:9/it's", "has a quote or a control character"),
    ],
)
def test_receivers_that_cannot_be_kept_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, line: str, fault: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(line))
    assert main([*CHOSEN, "--alerts"]) == 2
    assert fault in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_receivers_that_are_set_already_are_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("ARB_ALERT_URLS", "json://127.0.0.1:9/a")
    assert main([*CHOSEN, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alerts"] == "environment"
    assert not (tmp_path / ".env").exists()


def test_the_engine_takes_the_file_on_embedded_exchanges(tmp_path: Path) -> None:
    options = "--venues gate,okx,kraken --symbols BTC/USDT,ETH/USDT --max-notional 500 --fees okx=0.08%"
    assert main(["init", *options.split(), "--balances", "USDT=5000,BTC=0.05,ETH=2"]) == 0
    assert main(["run", "--mode", "paper", "--sandbox", "embedded", "--for", "3s", "--seed", "1"]) == 0
