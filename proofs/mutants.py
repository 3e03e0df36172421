"""Break one safety rule at a time, in a copy of the program, and see whether the fault simulation finds it: `make mutants`.

Each mutant is one replaced piece of text. Of every mutant the seeds from `--seed` on are simulated until one is found wrong; a
mutant that no seed catches is a judge that is missing. With `--resume FILE` what was caught is kept, and only the rest is run.
Exit code 0: all were caught; 3: some were not, or the text of one no longer stands in the program, and then none is run.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from proofs import REPO
from proofs.mutant_table import MUTANTS, Mutant

SEEDS = 200
PARTS = ("arb", "proofs", "migrations", "alembic.ini", "pyproject.toml")
HUNT = """
import sys
from proofs.faultsim.seeds import run_seed
for seed in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
    findings = run_seed(seed).findings
    if findings:
        print(seed, findings[0], sep="\\t")
        break
"""


def main() -> int:
    """Run the mutants that are asked for."""
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=sorted(MUTANTS), help="this one alone; may be given again")
    parser.add_argument("--seed", type=int, default=1, help="the first seed [default: 1]")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds each may take [default: {SEEDS}]")
    parser.add_argument("--resume", type=Path, help="keep what was caught here, and go on from it")
    parser.add_argument("--jobs", type=int, default=1, help="how many are hunted at a time [default: 1]")
    options = parser.parse_args()
    caught = json.loads(options.resume.read_text()) if options.resume and options.resume.exists() else {}
    wanted, escaped = options.only or list(MUTANTS), 0
    # Those that `--resume` knows as caught, too: what cannot be broken today proves nothing today.
    if stale := [f"{name:20} STALE    {why}" for name in wanted if (why := complaint(MUTANTS[name]))]:
        click.echo("\n".join(stale))
        return 3
    with ThreadPoolExecutor(options.jobs) as pool:
        hunts = {
            name: pool.submit(hunt, MUTANTS[name], options.seed, options.seeds) for name in wanted if name not in caught
        }
        for name in wanted:
            found = caught[name] if name in caught else hunts[name].result()
            if found is None:
                escaped += 1
                click.echo(f"{name:20} ESCAPED  {MUTANTS[name].rule}")
                continue
            caught[name] = found
            if options.resume:
                options.resume.write_text(json.dumps(caught, indent=1))
            seed, finding = found
            click.echo(f"{name:20} seed {seed:<5} {finding[:120]}")
    click.echo(f"{len(wanted) - escaped} caught, {escaped} escaped")
    return 3 if escaped else 0


def hunt(mutant: Mutant, first: int, count: int) -> tuple[int, str] | None:
    """Return the first seed that finds a mutant out and what it finds, None when none does.

    A seed at which the program as it stands is found wrong as well says nothing.
    """
    with tempfile.TemporaryDirectory(prefix="arb-mutant-") as folder:
        place, seed = Path(folder), first
        copy_to(place)
        apply(mutant, place)
        while (found := _simulate(place, seed, first + count - seed)) is not None:
            if _simulate(REPO, found[0], 1) is None:
                return found
            seed = found[0] + 1
        return None


def _simulate(place: Path, first: int, count: int) -> tuple[int, str] | None:
    command = [sys.executable, "-c", HUNT, str(first), str(count)]
    done = subprocess.run(command, cwd=place, env=dict(_environment(place)), capture_output=True, text=True)
    if done.returncode != 0:
        return first, f"the simulation itself breaks: {done.stderr.strip().splitlines()[-1]}"
    if not done.stdout:
        return None
    seed, finding = done.stdout.rstrip("\n").split("\t", 1)
    return int(seed), finding


def complaint(mutant: Mutant, place: Path = REPO) -> str:
    """Return why a mutant does not fit the program, "" where the text to replace stands there once."""
    path = place / mutant.file
    if not path.is_file():
        return f"{mutant.file}: no such file: correct the mutant"
    count = path.read_text().count(mutant.old)
    return "" if count == 1 else f"{mutant.file}: {mutant.old!r} stands there {count} times: correct the mutant"


def apply(mutant: Mutant, place: Path) -> None:
    """Break a copy of the program; raise `ValueError` when the text to replace is not there once."""
    if why := complaint(mutant, place):
        raise ValueError(why)
    path = place / mutant.file
    path.write_text(path.read_text().replace(mutant.old, mutant.new))


def copy_to(place: Path) -> None:
    """Copy the program into a directory."""
    for part in PARTS:
        source = REPO / part
        if source.is_dir():
            shutil.copytree(source, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, place / part)


def _environment(place: Path) -> Iterator[tuple[str, str]]:
    yield "PYTHONPATH", str(place)
    yield "PATH", "/usr/bin:/bin"


if __name__ == "__main__":
    sys.exit(main())
