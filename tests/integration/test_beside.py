"""`arb replay RUN --paper` after a run on the embedded sandbox, as a user calls it."""

import gzip
import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.support import Ended, run_arb, run_until
from tests.support.journals import lay_open

PAPER = '[paper.fees]\ngate = "0.09%"\nokx = "0.08%"\nbitget = "0.06%"\n[paper.latency_ms]\ngate = 60\nokx = 60\nbitget = 60\n'


@pytest.mark.thorough
def test_a_run_is_compared_with_paper_and_every_difference_has_its_cause(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(PAPER)
    options = ("--seed", "5", "--tape", "run.jsonl.gz")
    run = run_until(
        lambda status: status["pairs"]["completed"] >= 3, "some pairs", *options, cwd=tmp_path, db="var/sandbox.sqlite"
    )
    assert run.code == 0, run.err
    beside = run_arb("replay", "run.jsonl.gz", "--paper", "--json", cwd=tmp_path)
    assert beside.code == 0, beside.err
    found = beside.summary
    assert found["until_first_order"]["difference"] is None and found["until_first_order"]["order"] is not None
    assert found["run"]["pairs"] == run.summary["pairs"]["opened"] > 0
    assert found["run"]["net"] == run.summary["net"]["USDT"]
    assert found["other"] == "0"
    changes = sum(Decimal(cause["net"]) for cause in found["causes"])
    assert Decimal(found["run"]["net"]) + changes == Decimal(found["paper"]["net"])
    assert not (tmp_path / "var" / "replay.sqlite").exists(), "no ledger is written"

    shown = run_arb("replay", "run.jsonl.gz", "--paper", cwd=tmp_path)
    assert shown.code == 0 and "decisions are equal" in shown.out and "rivals" in shown.out, shown
    _what_cannot_be_compared_is_refused_in_a_line(tmp_path)
    _a_journal_that_says_otherwise_ends_it_at_the_first_decision_that_differs(tmp_path)


def _what_cannot_be_compared_is_refused_in_a_line(folder: Path) -> None:
    lines = gzip.decompress((folder / "run.jsonl.gz").read_bytes()).splitlines(keepends=True)
    frames = [line for line in lines if json.loads(line)["kind"] == "ws"]
    bare = [json.dumps({**json.loads(line), "seq": None}).encode() + b"\n" for line in frames]
    (folder / "capture.jsonl").write_bytes(b"".join(bare))
    (folder / "no_frames.jsonl").write_bytes(b"".join(lines[:6]))
    _refused(run_arb("replay", "capture.jsonl", "--paper", cwd=folder), "a capture", "arb run --tape")
    _refused(run_arb("replay", "no_frames.jsonl", "--paper", cwd=folder), "holds no frame")
    _refused(run_arb("replay", "run.jsonl.gz", "--paper", "--fee", "1bps", cwd=folder), "--fee", "leave it out")
    (folder / "elsewhere").mkdir()
    away = run_arb("replay", str(folder / "run.jsonl.gz"), "--paper", cwd=folder / "elsewhere")
    _refused(away, "journal", "--journal")


def _refused(ended: Ended, *words: str) -> None:
    assert (ended.code, ended.out) == (2, ""), ended
    last = ended.err.strip().splitlines()[-1]
    assert all(word in last for word in words), last


def _a_journal_that_says_otherwise_ends_it_at_the_first_decision_that_differs(folder: Path) -> None:
    path = folder / "var" / "sandbox.journal.sqlite"
    lay_open(path)
    with sqlite3.connect(path) as db:
        (seq,) = db.execute("SELECT min(seq) FROM entries WHERE type = 'PlaceOrder'").fetchone()
        db.execute("DELETE FROM entries WHERE seq = ?", (seq,))
    beside = run_arb("replay", "run.jsonl.gz", "--paper", "--json", cwd=folder)
    assert beside.code == 3, beside
    assert beside.summary["until_first_order"]["difference"]["seq"] == seq
    assert "causes" not in beside.summary
