"""Work shared out among processes: done once, whoever dies of it."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import pytest

from arb.errors import CheckFailed, ConfigError
from arb.replay.sweep.processes import LIVES, Processes


class Piece(msgspec.Struct, frozen=True):
    """A number to be doubled. `deaths`: a file that counts how many workers die of it first, and how many shall."""

    number: int
    deaths: tuple[str, int] | None = None
    refused: str = ""


def double(piece: Piece) -> int:
    if piece.deaths is not None:
        path, wanted = Path(piece.deaths[0]), piece.deaths[1]
        died = path.stat().st_size if path.exists() else 0
        if died < wanted:
            with path.open("ab") as file:
                file.write(b".")
            os.kill(os.getpid(), signal.SIGKILL)
    if piece.refused:
        raise ConfigError(piece.refused)
    return 2 * piece.number


def _name(piece: Piece) -> str:
    return f"piece {piece.number}"


def _doubled(pieces: list[Piece], jobs: int) -> list[int]:
    with Processes(jobs) as processes:
        return list(processes.results(double, pieces, _name))


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_piece_is_done_once(jobs: int) -> None:
    done = _doubled([Piece(n) for n in range(7)], jobs)

    assert sorted(done) == [0, 2, 4, 6, 8, 10, 12]


def test_nothing_to_do_takes_no_worker() -> None:
    assert _doubled([], 4) == []


def test_a_killed_worker_is_replaced_and_its_piece_begun_anew(tmp_path: Path) -> None:
    pieces = [Piece(n, (str(tmp_path / str(n)), LIVES - 1) if n in (1, 4) else None) for n in range(6)]

    assert sorted(_doubled(pieces, 2)) == [0, 2, 4, 6, 8, 10]
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [LIVES - 1] * 2


def test_a_piece_that_kills_every_worker_is_named_and_given_up_and_the_others_are_kept(tmp_path: Path) -> None:
    done: list[int] = []
    pieces = [Piece(0), Piece(1), Piece(2, (str(tmp_path / "2"), 99))]
    with Processes(1) as processes, pytest.raises(CheckFailed, match="piece 2: 3 workers were killed over it"):
        deque(map(done.append, processes.results(double, pieces, _name)))
    assert done == [0, 2]
    assert (tmp_path / "2").stat().st_size == LIVES


def test_what_the_work_refuses_is_said_as_it_was_said_there() -> None:
    with pytest.raises(ConfigError, match=r"^tape 3: unknown$"):
        _doubled([Piece(3, refused="tape 3: unknown")], 1)


def test_no_worker_outlives_who_started_it(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys, time
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from arb.replay.sweep.processes import Processes
from tests.unit.replay.sweep.sleepers import sleep
if __name__ == "__main__":
    with Processes(1) as processes:
        list(processes.results(sleep, [{str(tmp_path / "worker")!r}], str))
"""
    started = subprocess.Popen([sys.executable, "-c", code])
    worker = tmp_path / "worker"
    deadline = time.monotonic() + 60
    while not worker.exists() or not worker.read_text():
        assert time.monotonic() < deadline and started.poll() is None
        time.sleep(0.01)
    started.kill()
    started.wait()
    pid = int(worker.read_text())
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.01)
    raise AssertionError("the worker goes on without whoever started it")
