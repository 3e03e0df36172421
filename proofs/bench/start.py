"""From the command to the first live books: a whole `arb run` on its own sandbox; and `arb halt`, which somebody waits for.

Wall time, since much of a start is waiting: for the sandbox's process, and for venues as far away as the sandbox has them. Byte
code and compiled code are there already, as from the second start on.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from arb.clock import NS_PER_S, Clock
from arb.errors import require
from proofs.bench.rounds import Effort, Row

ROUNDS_MAX = 5
BOOKS_S_MAX = 5.0
LIVE = "books are live on "
"""What a run says once the books of two venues are live."""


def until_books(clock: Clock, effort: Effort) -> list[Row]:
    """Measure both commands in each round, after a first start that is not measured."""
    runs_s: list[float] = []
    halts_s: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "config.toml").write_text("")
        _run(place, clock)
        for _ in range(min(ROUNDS_MAX, effort.rounds)):
            runs_s.append(_run(place, clock))
            halts_s.append(_whole(clock, place, "halt"))
            _whole(clock, place, "resume", "--reason", "measured")
    run_s = median(runs_s)
    return [
        Row(
            name="start_run",
            value=run_s,
            unit="s",
            baseline=None,
            ratio=None,
            target=f"<= {BOOKS_S_MAX:g} s",
            met=run_s <= BOOKS_S_MAX,
            note="arb run on its own sandbox, to live books of two venues",
        ),
        Row(
            name="start_halt",
            value=median(halts_s),
            unit="s",
            baseline=None,
            ratio=None,
            note="arb halt, no engine running",
        ),
    ]


def _run(place: Path, clock: Clock) -> float:
    """Run the engine for a moment; return how many seconds it took to its first live books."""
    began_ns = clock.monotonic_ns()
    with _arb(place, "run", "--for", "1ms") as run:
        assert run.stderr is not None
        said = next((line for line in run.stderr if LIVE in line), None)
        taken_ns = clock.monotonic_ns() - began_ns
        run.communicate()
    require(said is not None, f"arb run ended with {run.returncode} before any book was live")
    return taken_ns / NS_PER_S


def _whole(clock: Clock, place: Path, *arguments: str) -> float:
    began_ns = clock.monotonic_ns()
    _arb(place, *arguments).communicate()
    return (clock.monotonic_ns() - began_ns) / NS_PER_S


def _arb(place: Path, command: str, *arguments: str) -> "subprocess.Popen[str]":
    where = ("--config", str(place / "config.toml"), "--db", f"sqlite:///{place}/ledger.sqlite")
    return subprocess.Popen(
        [sys.executable, "-m", "arb", command, *where, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
