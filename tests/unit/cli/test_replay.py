"""`arb replay` as a user calls it: what stands on stdout, and what beside it."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from arb.cli.replay import ROWS_SHOWN
from arb.cli.root import main
from tests.unit.replay.makings import START_S, Tape, one_dislocation
from tests.unit.replay.test_rules import both, segment

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the tapes of two days; the present folder is another."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "days"
    for day in (0, 1):
        (folder / f"{day}").mkdir(parents=True)
        one_dislocation(START_S + day * 86_400).write(folder / f"{day}" / "frames.jsonl")
    return folder


def test_a_person_reads_the_sentence_first_then_tables_and_what_was_assumed(capsys: Captured, days: Path) -> None:
    assert main(["replay", str(days)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "On 4.2 s of gate and okx, 1 symbol: 2 edges above 0 after fees, 2 of them takeable; you would have made 1.598 USDT "
        "with up to 2,000 USDT a leg; it breaks even at a taker fee of 49.7 bps."
    )
    heads = [
        line
        for before, line in itertools.pairwise(lines)
        if line.strip() and not line.startswith(" ") and not before.strip()
    ]
    assert [line.split("  ")[0] for line in heads] == [
        *("best edge", "earned", "edges by size and life time", "venue pairs", "symbols", "reasons"),
        *("assumed", "db"),
    ]


def test_rules_that_a_tape_holds_are_not_listed_among_what_was_assumed(capsys: Captured, days: Path) -> None:
    assert main(["replay", str(days)]) == 0
    guessed = capsys.readouterr().out
    assert "taker fees  " in guessed and "gate 0.1%, okx 0.1%" in guessed and "gate   BTC/USDT" in guessed
    recorded = segment(days.parent / "rec", one_dislocation(), *both(taker_fee=Decimal("0.0015")))
    assert main(["replay", str(recorded)]) == 0
    known = capsys.readouterr().out
    assert "gate 0.15%, okx 0.15%" in known and "instruments" not in known


def test_of_many_books_some_are_shown_and_the_others_counted(capsys: Captured, tmp_path: Path) -> None:
    tape = Tape()
    for number in range(ROWS_SHOWN + 3):
        tape.raw(0.0, "binance", _depth(f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[number]}USDT"))
    assert main(["replay", str(tape.write(tmp_path / "many.jsonl"))]) == 0
    out = capsys.readouterr().out
    assert out.count("\n  binance  ") == ROWS_SHOWN and "3, see --json" in out


def _depth(symbol: str) -> str:
    """Return a change of a book, which shows its steps before any snapshot has come."""
    data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": 1, "u": 2, "b": [["1.5", "1"]], "a": [["1.6", "1"]]}
    return json.dumps({"stream": f"{symbol.lower()}@depth", "data": data})


def test_json_is_one_document_with_the_sentence_and_nothing_else_on_stdout(capsys: Captured, days: Path) -> None:
    assert main(["replay", str(days), "--json"]) == 0
    out = capsys.readouterr().out
    document = json.loads(out)
    assert out.count("\n") == 1
    answer = document["answer"]
    assert answer["sentence"].startswith("On 4.2 s of gate and okx")
    assert (answer["edges"], answer["takeable"], answer["break_even_fee_bps"]) == (2, 2, "49.751244")
    assert answer["earned"][0]["net"] == document["net"]["USDT"] == "1.598"
    assert document["replay"]["files"] == [str(days / day / "frames.jsonl") for day in ("0", "1")]


def test_options_reach_the_replay(capsys: Captured, days: Path) -> None:
    options = ["--fee", "0.05%", "--latency", "20ms", "--set", "limits.min_edge_bps=4", "--set", "paper.fees.okx=0.1%"]
    assert main(["replay", str(days), "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["replay"]["latency_ms"] == 20
    assert {row["venue"]: row["taker_fee"] for row in document["replay"]["instruments"]} == {
        "gate": "0.0005",
        "okx": "0.001",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["empty"], "arb: empty: holds no tape, neither here nor in its folders"),
        (["unknown.jsonl"], "arb: unknown.jsonl: frames of 'kraken' cannot be read here, those of gate, gate_futures"),
        (["days", "days/0/frames.jsonl"], "days/0/frames.jsonl: is given twice"),
        (
            ["days", "--set", "limits.min_edge=4"],
            "arb: --set limits.min_edge: unknown key: did you mean 'min_edge_bps'?",
        ),
        (["days", "--set", "nothing"], "arb: --set nothing: is no KEY=VALUE with a key of config.toml"),
        (["nowhere"], "arb: Invalid value for 'DAYS...': Path 'nowhere' does not exist: see `arb replay --help`"),
    ],
)
def test_what_cannot_be_replayed_is_one_clear_line_and_writes_nothing(
    capsys: Captured, days: Path, arguments: list[str], said: str
) -> None:
    (days.parent / "empty").mkdir()
    Tape().raw(0.0, "kraken", "{}").write(days.parent / "unknown.jsonl")
    assert main(["replay", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    # Where nothing is compiled yet, the log says first that it compiles.
    (line,) = [line for line in told.err.splitlines() if "compiling the code" not in line]
    assert said in line
    assert not (days.parent / "var").exists()


@pytest.mark.thorough
def test_on_a_terminal_a_bar_shows_how_far_it_is_and_stdout_stays_clean(days: Path, repo_root: Path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "arb", "replay", str(days), "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(repo_root), "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        shown = _until_closed(ours)
        assert process.stdout is not None
        answer = process.stdout.read()
    assert json.loads(answer)["frames"] == 14
    assert "replaying" in shown and "14/14" in shown


def _until_closed(terminal: int) -> str:
    """Return what a process writes on a terminal until it ends; nobody else would take it, and it would wait for ever."""
    said = b""
    with contextlib.suppress(OSError):  # Linux says so when the other side is closed
        while piece := os.read(terminal, 1 << 16):
            said += piece
    os.close(terminal)
    return said.decode()
