"""What a command loads: every one costs a process of its own, and nobody who halts an engine waits for arrays to load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from arb.cli.root import COMMANDS, GROUPS, YOUNG_OBJECTS
from arb.store.ledger.migrate import upgrade

REVIEW = {"aiohttp", "alembic", "ccxt.base", "numba", "numpy", "pandas", "pyarrow", "requests", "rich"}
"""What whoever looks at the past has no use for. (`ccxt` itself is entered and not run.)"""
TAPE = '{"t":1.5,"venue":"gate","kind":"ws","raw":"{}"}\n'
SPARED = {
    "--help": REVIEW | {"arb.config", "asyncio", "msgspec", "sqlalchemy"},
    "run --help": REVIEW | {"sqlalchemy"},
    "init --help": REVIEW | {"sqlalchemy"},
    "halt --db sqlite:///ledger.sqlite": REVIEW | {"sqlalchemy.orm"},
    "status --db sqlite:///ledger.sqlite": REVIEW,
    "pairs --db sqlite:///ledger.sqlite": REVIEW,
    "db current --db sqlite:///ledger.sqlite": REVIEW,
    "books tape.jsonl": (REVIEW | {"sqlalchemy"}) - {"numpy"},
}
SCRIPT = "import json, sys; from arb.cli import main; main(sys.argv[1:]); print('\\n' + json.dumps(list(sys.modules)))"


def loaded(repo_root: Path, folder: Path, script: str, *arguments: str) -> tuple[str, set[str]]:
    """Run a script in a process of its own; return what it printed, and the modules that its last line names."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(repo_root)!r}); {script}", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *shown, modules = done.stdout.splitlines()
    return "\n".join(shown), set(json.loads(modules))


@pytest.mark.thorough
@pytest.mark.parametrize("command", SPARED)
def test_a_command_loads_nothing_that_it_has_no_use_for(repo_root: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "tape.jsonl").write_text(TAPE)
    if "--db" in command:
        upgrade(f"sqlite:///{tmp_path}/ledger.sqlite")
    _, modules = loaded(repo_root, tmp_path, SCRIPT, *command.split())
    assert "arb.cli.root" in modules
    assert SPARED[command] & modules == set()


def test_what_is_loaded_is_not_looked_through_for_garbage_all_the_while(repo_root: Path, tmp_path: Path) -> None:
    script = (
        "import gc, json; from arb.cli import main; main(['--help']); print(json.dumps([str(gc.get_threshold()[0])]))"
    )
    _, said = loaded(repo_root, tmp_path, script)
    assert said == {str(YOUNG_OBJECTS)}


def test_help_names_every_command(repo_root: Path, tmp_path: Path) -> None:
    shown, _ = loaded(repo_root, tmp_path, SCRIPT, "--help")
    assert all(f"\n  {name} " in shown for name in COMMANDS)


def test_the_groups_of_the_help_are_those_of_the_docs(repo_root: Path) -> None:
    text = (repo_root / "docs" / "COMMANDS.md").read_text()
    for group, commands in GROUPS.items():
        section = text.split(f"\n## {group}\n")[1].split("\n## ")[0]
        assert all(f"| `arb {name}" in section for name in commands), group


@pytest.mark.thorough
def test_a_run_loads_only_what_it_trades_with(repo_root: Path, tmp_path: Path) -> None:
    script = "import arb.app.run, json; print(json.dumps(list(sys.modules)))"
    _, modules = loaded(repo_root, tmp_path, script)
    assert {"aiohttp", "ccxt.base", "numpy", "sqlalchemy.orm"} <= modules
    assert {"alembic", "matplotlib", "numba", "pandas", "pyarrow"} & modules == set()
    assert len([name for name in modules if name.startswith("ccxt.")]) < 40
