"""`arb record` as a process: public frames of a running sandbox to segments, killed and started again."""

import contextlib
import signal
import subprocess
from pathlib import Path

import pytest

from arb.errors import ArbError
from arb.replay.books import TapeBooks, books_at
from arb.store.tapes.tape import read_tape
from tests.integration.support import Process, arb, end_of, record_segments, run_arb, sandbox_process

BOOKS = 15  # three venues, five symbols


@pytest.mark.thorough
def test_segments_replay_alone_a_killed_one_as_far_as_it_goes_and_a_venue_that_was_down_joins(tmp_path: Path) -> None:
    out = tmp_path / "rec"
    with sandbox_process(tmp_path) as sandbox:
        more = ("--out", "rec", "--sandbox", sandbox.admin, "--every", "1s", "--json")
        killed = arb("record", *more, cwd=tmp_path)
        _stopped_within_a_segment(killed, out)
        killed.send_signal(signal.SIGKILL)
        end_of(killed)
        (torn,) = out.glob("*.part.jsonl.gz")
        before = {path: path.read_bytes() for path in out.iterdir()}
        sandbox.fault("okx", "venue_down", seconds=1)
        run = record_segments(4, "--sandbox", sandbox.admin, cwd=tmp_path)
        assert run.code == 0, run.err
        _no_request_was_signed(sandbox.ledger())
    assert run.summary["gaps"] == [] and run.summary["frames"] > 100
    assert {path: path.read_bytes() for path in before} == before

    assert len(books_at(torn, None, 1).books) == BOOKS
    finished = [out / segment["file"] for segment in run.summary["segments"]]
    assert len(finished) >= 3 and sorted(finished)[0].name > torn.name
    whole = TapeBooks()
    for path in finished:
        for line in read_tape(path):
            whole.take(line)
        alone = books_at(path, None, 1000)
        assert alone.books == whole.report(1000).books
    assert len(alone.books) == BOOKS
    replayed = run_arb("replay", str(finished[1]), "--json", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    assert replayed.summary["replay"]["kind"] == "simulated" and replayed.summary["book_updates"] > 0
    assert replayed.summary["replay"]["left_out"] == []
    together = run_arb("replay", *map(str, finished), "--json", cwd=tmp_path)
    assert together.code == 0, together.err
    assert together.summary["replay"]["left_out"] == []
    assert together.summary["frames"] > replayed.summary["frames"]

    files = [torn, *finished]
    converted = run_arb("tape", "convert", *map(str, files), "--parquet", "--out", "parquet", "--json", cwd=tmp_path)
    assert converted.code == 0, converted.err
    parquet = [tmp_path / tape["made"] for tape in converted.summary["tapes"]]
    assert [tape["torn"] != "" for tape in converted.summary["tapes"]] == [True] + [False] * len(finished)
    assert [books_at(path, None, 1000) for path in parquet] == [books_at(path, None, 1000) for path in files]
    by_parquet = run_arb("replay", str(parquet[2]), "--json", cwd=tmp_path)
    assert by_parquet.summary | {"replay": None} == replayed.summary | {"replay": None}


def _stopped_within_a_segment(process: Process, out: Path) -> None:
    """Stop a recording where two segments are finished, and of the next one all books stand in its file."""
    while True:
        process.send_signal(signal.SIGSTOP)
        parts = list(out.glob("*.part.jsonl.gz"))
        finished = len(list(out.glob("*.gz"))) - len(parts)
        with contextlib.suppress(ArbError):  # nothing of it is in the file yet
            if finished >= 2 and [len(books_at(part, None, 1).books) for part in parts] == [BOOKS]:
                return
        process.send_signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"ended with {process.wait(0.05)}")


def _no_request_was_signed(ledger: object) -> None:
    """Nothing but the public side was asked: no order, no question about an account."""
    assert isinstance(ledger, dict)
    for venue in ledger.values():
        assert venue["orders"] == venue["fills"] == venue["requests"] == []
