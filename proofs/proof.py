"""The long proofs on real sockets: `python -m proofs.proof [kills|faults] [--folder DIR] [--times N]`.

`kills`: the process is killed with -9 at every named point of `kill_points.py`, N times each. `faults`: every fault of the
sandbox's catalogue strikes a run. Each case has a sandbox and an engine of its own, from a drawn seed. What is finished stands
in DIR/NAME.jsonl, one line a case, and a second start goes on from there: green cases are kept, red ones are played again from
their seed. DIR/NAME.md is the table. Exit code 1 while anything is red.
"""

import argparse
import concurrent.futures
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_S, SystemClock
from proofs import REPO
from tests.integration.faulted import TROUBLES, FaultResult, strike_and_trade_on
from tests.integration.kill_points import POINTS
from tests.integration.killed import KillResult, kill_and_restart
from tests.support.seeds import drawn_seed

TIMES = 5
BROKEN_OFF = 130
Result = KillResult | FaultResult


class Row(msgspec.Struct, kw_only=True):
    """One finished case. `red`: what was wrong, empty when nothing was."""

    name: str
    number: int
    seed: int
    seconds: float
    red: str = ""
    result: dict[str, Any] = {}


class Proof(msgspec.Struct, frozen=True):
    """What is played, how often, and what the table shows."""

    name: str
    cases: tuple[str, ...]
    play: Callable[[str, Path, int], Result]
    columns: tuple[str, ...]
    cells: Callable[[str, list[Row]], list[str]]


def main(arguments: list[str]) -> int:
    """Play what is not green yet, write the tables, print them, and return the exit code."""
    parser = argparse.ArgumentParser(prog="proof", description="The long proofs on real sockets.")
    parser.add_argument("which", nargs="?", choices=PROOFS, help="which proof [default: all]")
    parser.add_argument("--folder", type=Path, default=REPO / "var" / "proof", help="where results are kept")
    parser.add_argument("--times", type=int, default=TIMES, help="how often each kill is played")
    parser.add_argument("--jobs", type=int, default=1, help="how many cases at once")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases with TEXT in their name")
    chosen = parser.parse_args(arguments)
    green = True
    for name in (chosen.which,) if chosen.which else PROOFS:
        proof = PROOFS[name]
        rows = Rows(chosen.folder / f"{name}.jsonl")
        times = chosen.times if name == "kills" else 1
        try:
            play_all(proof, rows, times, chosen.only, chosen.jobs)
        except KeyboardInterrupt:
            say("broken off; the next start goes on from here")
            return BROKEN_OFF
        table = table_of(proof, rows)
        (chosen.folder / f"{name}.md").write_text(table)
        say(f"\n{table}")
        green &= rows.complete(proof, times, chosen.only)
    return 0 if green else 1


class Rows:
    """The finished cases of one proof, remembered in a file; the last line of a case counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # A line that was being written when the proof was broken off has no end: its case is played again.
        whole = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        self.lines = [msgspec.json.decode(line, type=Row) for line in whole if line.endswith(b"\n")]
        if whole and not whole[-1].endswith(b"\n"):
            path.write_bytes(b"".join(whole[:-1]))

    def add(self, row: Row) -> None:
        """Remember a case."""
        self.lines.append(row)
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")

    def latest(self) -> dict[tuple[str, int], Row]:
        """Return the last line of every case."""
        return {(row.name, row.number): row for row in self.lines}

    def of(self, name: str) -> list[Row]:
        """Return the last lines of all cases of a name."""
        return [row for row in self.latest().values() if row.name == name]

    def complete(self, proof: Proof, times: int, only: str) -> bool:
        """Tell whether every case has been played and is green."""
        found = self.latest()
        return all(case in found and not found[case].red for case in wanted(proof, times, only))


def wanted(proof: Proof, times: int, only: str) -> Iterator[tuple[str, int]]:
    """Yield the cases, each name once before any name twice, so that a proof broken off has seen all of them alike."""
    yield from ((name, number) for number in range(times) for name in proof.cases if only in name)


def play_all(proof: Proof, rows: Rows, times: int, only: str, jobs: int) -> None:
    """Play every case that is not green yet."""
    before = rows.latest()
    waiting = [case for case in wanted(proof, times, only) if case not in before or before[case].red]
    say(f"{proof.name}: {len(waiting)} cases to play, results in {rows.path}")
    with concurrent.futures.ThreadPoolExecutor(jobs) as residuals:
        begun = [residuals.submit(play, proof, *case, seed_of(before.get(case))) for case in waiting]
        try:
            for done in concurrent.futures.as_completed(begun):
                row = done.result()
                rows.add(row)
                verdict = "RED " if row.red else "ok  "
                say(f"{verdict} {row.name} #{row.number} seed {row.seed} {row.seconds:.1f} s {row.red[:600]}")
        except BaseException:
            residuals.shutdown(wait=False, cancel_futures=True)
            raise


def seed_of(row: Row | None) -> int:
    """Return the seed of a case that was played before, or draw one."""
    return drawn_seed() if row is None else row.seed


def play(proof: Proof, name: str, number: int, seed: int) -> Row:
    """Play one case in a folder of its own."""
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    row = Row(name=name, number=number, seed=seed, seconds=0.0)
    with tempfile.TemporaryDirectory(prefix="arb-proof-") as folder:
        try:
            row.result = msgspec.to_builtins(proof.play(name, Path(folder), seed))
        except Exception as error:  # whatever it is, the case is red, and the others are still to be played
            row.red = f"{type(error).__name__}: {error}"[:8000]
    row.seconds = (clock.monotonic_ns() - began_ns) / NS_PER_S
    return row


def table_of(proof: Proof, rows: Rows) -> str:
    """Return the table of a proof in Markdown, and the reds below it."""
    lines = [proof.columns, ["---"] * len(proof.columns)]
    lines += [proof.cells(name, rows.of(name)) for name in proof.cases if rows.of(name)]
    played = list(rows.latest().values())
    reds = [row for row in rows.lines if row.red]
    still = sum(bool(row.red) for row in played)
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    text += f"\n\n{len(played)} cases, {len(played) - still} green, {still} red"
    text += f"; {len(reds)} were red at some time.\n"
    return text + "".join(
        f"\n- {row.name} #{row.number}, seed {row.seed}: {row.red.splitlines()[0][:300]}" for row in reds
    )


def kill_cells(name: str, rows: list[Row]) -> list[str]:
    """Return the row of one named point."""
    done = [msgspec.convert(row.result, KillResult) for row in rows if not row.red]
    left = f"{sum(kill.orders_left for kill in done)} / {sum(kill.pairs_left for kill in done)}"
    settled, trading = [kill.settled_s for kill in done], [k.trading_s for k in done if k.trading_s is not None]
    return [name, f"{len(rows)}", f"{len(done)}", left, *spread(settled), *spread(trading)]


def spread(seconds: list[float]) -> list[str]:
    """Return the median and the greatest of some times."""
    ordered = sorted(seconds)
    return [f"{ordered[len(ordered) // 2]:.1f}", f"{ordered[-1]:.1f}"] if ordered else ["", ""]


def fault_cells(name: str, rows: list[Row]) -> list[str]:
    """Return the row of one fault."""
    row = rows[0]
    if row.red:
        return [name, "red", *[""] * (len(FAULT_COLUMNS) - 2)]
    reported = msgspec.convert(row.result, FaultResult)
    spans = (reported.before, reported.during, reported.after)
    return [
        name,
        " ".join(reported.venues),
        f"{reported.hits}",
        " / ".join(f"{span.completed} of {span.pairs}" for span in spans),
        " / ".join(f"{span.one_legged}" for span in spans),
        " / ".join(f"{span.one_legged_cost:.2f}" for span in spans),
        " / ".join(f"{span.net:.2f}" for span in spans),
        " / ".join(f"{span.unhedged_max:.0f}" for span in spans),
        " / ".join(f"{span.exposure_quote_s:.0f}" for span in spans),
        f"{reported.settled_s:.1f}",
        f"{reported.resumed}",
        ", ".join(f"{kind} {count}" for kind, count in sorted(reported.incidents.items())),
    ]


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


KILL_COLUMNS = (
    "killed at",
    "times",
    "green",
    "orders / pairs left unsettled",
    "settled s p50",
    "max",
    "trading s p50",
    "max",
)
FAULT_COLUMNS = (
    "fault",
    "venues",
    "hits",
    "completed (before / during / after)",
    "one-legged pairs",
    "their cost, quote",
    "net, quote",
    "unhedged max, quote",
    "exposure, quote s",
    "settled after s",
    "halts",
    "incidents",
)
PROOFS = {
    "kills": Proof(
        "kills",
        tuple(POINTS),
        lambda name, folder, seed: kill_and_restart(POINTS[name], folder, seed),
        KILL_COLUMNS,
        kill_cells,
    ),
    "faults": Proof("faults", tuple(TROUBLES), strike_and_trade_on, FAULT_COLUMNS, fault_cells),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
