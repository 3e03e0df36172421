"""Who keeps the books changes no decision: `python -m proofs.same_decisions [--minutes N]`, which `make same` runs.

A run on the sandbox of many symbols keeps its books by plain code and by compiled code at once and compares them after every
frame. Then its tape is run again, with compiled books and with plain ones: each must lead to what the run's journal holds, and
the two new journals must be equal entry by entry. What is done stands in the folder, and a second start goes on from there.
Exit code 1 with what is wrong.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from arb.sandbox.profiles import listed_symbols
from arb.store.journal.reader import JournalReader
from proofs.proof import say
from tests.integration import truth
from tests.integration.support import DB, END_S, Ended, arb, end_of, run_arguments, sandbox_process, where, write_config
from tests.support.seeds import drawn_seed

TAPE, SUMMARY = "run.jsonl", "summary.json"
WAYS = ("true", "false")
PER_RUN = 8.0
"""How much longer than the run its tape may take to be run again: what costs time is deciding, on a busy machine."""


def main(arguments: list[str]) -> int:
    """Make the run and both replays, print what was seen, and return the exit code."""
    parser = argparse.ArgumentParser(prog="same_decisions", description="The same decisions whoever keeps the books.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where all is kept, so that it can go on")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="arb-same-") as temporary:
        folder = (chosen.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        wrong = list(
            prove(folder, drawn_seed() if chosen.seed is None else chosen.seed, chosen.symbols, chosen.minutes)
        )
    for line in wrong:
        say(f"RED  {line}")
    return 1 if wrong else 0


def prove(folder: Path, seed: int, symbols: int, minutes: float) -> Iterator[str]:
    """Do what is not done yet, and yield what is wrong."""
    run = _done(folder, lambda: _run(folder, seed, symbols, minutes))
    books = "SELECT COUNT(*) AS n FROM incidents WHERE kind = 'books_differ'"
    differing = truth.rows_of(folder / DB, books)[0]["n"]
    say(
        f"run: {run['frames']} frames, {run['opportunities']} opportunities, pairs {run['pairs']}; differing: {differing}"
    )
    if differing or not run["pairs"]["completed"]:
        yield f"{differing} books differed, {run['pairs']['completed']} pairs were completed"
    for way in WAYS:
        place = folder / f"fast_books_{way}"
        place.mkdir(exist_ok=True)
        again = _done(place, lambda way=way, place=place: _replay(folder, place, way, minutes))
        say(f"fast_books = {way}: {again['replay']['compared']} entries compared, {again['replay']['difference']}")
        if again["replay"]["difference"] is not None or not again["replay"]["compared"]:
            yield f"fast_books = {way}: {again['replay']}"
    both = (_entries(folder / f"fast_books_{way}" / "a.journal.sqlite") for way in WAYS)
    equal = 0
    for compiled, plain in zip_longest(*both):
        if compiled != plain:
            yield f"journals differ at entry {equal}: {compiled} and {plain}"
            return
        equal += 1
    say(f"both journals: {equal} equal entries")


def _done(place: Path, make: Any) -> dict[str, Any]:
    """Return the summary that lies in a folder, or make it: a process that was broken off leaves none."""
    kept = place / SUMMARY
    if not kept.exists():
        ended: Ended = make()
        if ended.code != 0:
            raise SystemExit(f"{place}: ended with {ended.code}:\n{ended.err[-4000:]}")
        kept.write_text(ended.out)
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def _run(folder: Path, seed: int, symbols: int, minutes: float) -> Ended:
    for path in (*folder.glob("a.*"), folder / TAPE):
        path.unlink(missing_ok=True)
    config = write_config(folder, fast_books='"compare"', daily_notional_quote="1000000000")
    listed = json.dumps(list(listed_symbols(symbols)))
    config.write_text(re.sub(r"(?m)^symbols = \[.+?\]", lambda _: f"symbols = {listed}", config.read_text(), count=1))
    say(f"seed {seed}, {symbols} symbols, {minutes:g} minutes")
    with sandbox_process(folder, "--symbols", str(symbols), seed=seed) as sandbox:
        run = ("--for", f"{minutes * 60:g}s", "--tape", str(folder / TAPE))
        return end_of(arb("run", *run_arguments(folder, sandbox), *run, cwd=folder), minutes * 60 + END_S)


def _replay(folder: Path, place: Path, way: str, minutes: float) -> Ended:
    for path in place.glob("a.*"):
        path.unlink()
    write_config(place, fast_books=way)
    db = where(place)[2:]
    journal = ("--journal", str(folder / "a.journal.sqlite"))
    replay = arb("replay", str(folder / TAPE), *journal, *db, "--json", cwd=place)
    return end_of(replay, minutes * 60 * PER_RUN + END_S)


def _entries(journal: Path) -> Iterator[tuple[Any, ...]]:
    reader = JournalReader.open(journal)
    try:
        yield from reader.entries()
    finally:
        reader.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
