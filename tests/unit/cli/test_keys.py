"""`arb keys`, and `.env` in a repository: what is kept and removed, what is refused, and that no secret is ever shown.

The keyring is one in a file, by the package's own way to name a backend; each command is a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from arb.cli import main

KEY = {"key": "planted-key-of-okx", "secret": "planted-secret-of-okx", "passphrase": "planted phrase!"}
LINES = "\n".join(KEY.values()) + "\n"
NAMES = ["OKX_API_KEY", "OKX_API_SECRET", "OKX_API_PASSPHRASE"]
Captured = pytest.CaptureFixture[str]


class Said:
    """What a command answered."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert "planted" not in self.out + self.err, f"shown: {self.out}{self.err}"

    @property
    def document(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Machine:
    """A folder in which commands are started, with a keyring of its own."""

    def __init__(self, folder: Path, repo: Path) -> None:
        self.folder = folder
        self.kept = folder / "keyring.json"
        self.backend = "FileKeyring"
        self._repo = repo

    def arb(self, *arguments: str, given: str = "", variables: Mapping[str, str] | None = None) -> Said:
        environment = {name: value for name, value in os.environ.items() if "_API_" not in name} | {
            "PYTHONPATH": os.pathsep.join([str(self._repo), os.environ.get("PYTHONPATH", "")]),
            "PYTHON_KEYRING_BACKEND": f"tests.support.file_keyring.{self.backend}",
            "ARB_TEST_KEYRING": str(self.kept),
        }
        command = [sys.executable, "-m", "arb", "keys", *arguments, "--json"]
        return Said(
            subprocess.run(
                command,
                cwd=self.folder,
                env=environment | dict(variables or {}),
                input=given,
                text=True,
                capture_output=True,
                check=False,
                timeout=120,
            )
        )

    def entries(self) -> dict[str, str]:
        entries: dict[str, str] = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        return entries


@pytest.fixture
def machine(tmp_path: Path, repo_root: Path) -> Machine:
    pytest.importorskip("keyring")
    return Machine(tmp_path, repo_root)


def test_a_key_is_added_listed_and_removed_and_never_shown(machine: Machine) -> None:
    assert machine.arb("add", "okx", given=LINES).document == {"venue": "okx", "added": NAMES, "to": "keyring"}
    assert machine.entries() == {f"arb/{name}": secret for name, secret in zip(NAMES, KEY.values(), strict=True)}
    listed = machine.arb("list").document
    assert listed["keyring"] == "can be used"
    rows = {(row["venue"], row["environment"]): row for row in listed["keys"]}
    okx = {"from": "keyring", "names": NAMES, "missing": [], "also": []}
    assert rows["okx", "production"] == {"venue": "okx", "environment": "production"} | okx
    assert rows["okx", "demo"]["from"] is None and rows["okx", "demo"]["names"] == [f"DEMO_{name}" for name in NAMES]
    shadowed = machine.arb("list", variables={"OKX_API_KEY": "planted-elsewhere"}).document["keys"]
    (row,) = (row for row in shadowed if (row["venue"], row["environment"]) == ("okx", "production"))
    assert (row["from"], row["missing"], row["also"]) == ("environment", NAMES[1:], ["keyring"])
    assert machine.arb("remove", "okx").document == {"venue": "okx", "removed": NAMES, "from": "keyring"}
    assert machine.entries() == {}
    again = machine.arb("remove", "okx")
    assert again.code == 2 and "has none of OKX_API_KEY" in again.err


def test_a_demo_key_stands_beside_the_real_one(machine: Machine) -> None:
    machine.arb("add", "okx", given=LINES)
    other = LINES.replace("planted", "planted-demo")
    assert machine.arb("add", "okx", "--environment", "demo", given=other).code == 0
    assert machine.entries()["arb/DEMO_OKX_API_KEY"] == "planted-demo-key-of-okx"
    assert machine.entries()["arb/OKX_API_KEY"] == "planted-key-of-okx"
    machine.arb("remove", "okx", "--environment", "demo")
    assert set(machine.entries()) == {f"arb/{name}" for name in NAMES}


def test_a_key_that_is_there_is_not_written_over(machine: Machine) -> None:
    machine.arb("add", "okx", given=LINES)
    again = machine.arb("add", "okx", given=LINES.replace("planted", "planted-new"))
    assert again.code == 2 and "is there already: `arb keys remove okx` first" in again.err
    assert machine.entries()["arb/OKX_API_KEY"] == "planted-key-of-okx"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "stdin: has 0 lines: give 3, in this order: key, secret, passphrase"),
        ("planted-key\nplanted-secret\n", "stdin: has 2 lines"),
        (LINES + "planted-more\n", "stdin: has 4 lines"),
        ("short\nplanted-secret\nplanted-phrase\n", "okx: the key has 5 characters"),
        ("planted-key \nplanted-secret\nplanted-phrase\n", "okx: the key has a space at an end"),
        ("planted-key\nplanted-key\nplanted-phrase\n", "okx: two of key, secret, passphrase are the same"),
    ],
)
def test_what_cannot_be_a_key_is_not_kept(machine: Machine, given: str, said: str) -> None:
    refused = machine.arb("add", "okx", given=given)
    assert refused.code == 2 and said in refused.err and refused.err.count("\n") == 1
    assert machine.entries() == {}


def test_half_a_key_is_not_left_in_a_keyring_that_takes_no_more(machine: Machine) -> None:
    machine.backend = "FullKeyring"
    refused = machine.arb("add", "okx", given=LINES)
    assert refused.code == 2 and "keyring: RuntimeError: no room for ***" in refused.err
    assert machine.entries() == {}


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("ClearKeyring", "this system has no keyring, as machines without a desktop have none"),
        ("LockedKeyring", "KeyringLocked: the user did not unlock it: unlock it"),
        ("NoSuchKeyring", "the keyring cannot be used: "),
    ],
)
def test_a_keyring_that_cannot_be_used_says_why_in_one_line(machine: Machine, backend: str, said: str) -> None:
    machine.backend = backend
    refused = machine.arb("add", "okx", given=LINES)
    assert refused.code == 2 and said in refused.err and refused.err.count("\n") == 1, refused.err


def test_only_enabled_venues_whose_key_has_names_have_keys(machine: Machine) -> None:
    unnamed = '[venues.bitget]\nkey_env = ""\nsecret_env = ""\npassphrase_env = ""\n'
    (machine.folder / "config.toml").write_text(f"[venues.gate]\nenabled = false\n{unnamed}")
    nameless = "[venues.bitget] key_env, secret_env: both are empty: name the variables of its key"
    for venue, said in (("gate", "gate is not enabled"), ("okxx", "did you mean 'okx'?"), ("bitget", nameless)):
        for command in ("add", "remove", "test"):
            refused = machine.arb(command, venue, given=LINES)
            assert refused.code == 2 and said in refused.err, refused.err


def test_the_key_of_a_venue_that_is_not_enabled_by_default_is_kept_like_the_others(machine: Machine) -> None:
    (machine.folder / "config.toml").write_text("[venues.bybit]\nenabled = true\n")
    names = ["BYBIT_API_KEY", "BYBIT_API_SECRET"]
    given = "planted-key-of-bybit\nplanted-secret-of-bybit\n"
    assert machine.arb("add", "bybit", given=given).document == {"venue": "bybit", "added": names, "to": "keyring"}
    rows = {(row["venue"], row["environment"]): row for row in machine.arb("list").document["keys"]}
    assert (rows["bybit", "production"]["from"], rows["bybit", "production"]["names"]) == ("keyring", names)
    assert rows["bybit", "demo"]["names"] == [f"DEMO_{name}" for name in names]
    assert machine.arb("remove", "bybit").document == {"venue": "bybit", "removed": names, "from": "keyring"}
    half = machine.arb("test", "bybit", variables={"BYBIT_API_KEY": "planted-key-of-bybit"})
    assert half.code == 2 and "BYBIT_API_SECRET is not: all parts of a key must be in one place" in half.err
    assert "planted" not in half.err


# `.env` in a repository, by git itself.


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init")
    folder = tmp_path / "trading"
    folder.mkdir()
    (folder / ".env").write_text("OKX_API_KEY=planted-key-of-okx\n")
    (folder / ".env").chmod(0o600)
    monkeypatch.chdir(folder)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return folder


def listed(capsys: Captured) -> tuple[int, str]:
    code, said = main(["keys", "list", "--json"]), capsys.readouterr()
    assert "planted" not in said.out + said.err
    return code, said.out + said.err


def test_a_file_that_git_keeps_is_refused_and_one_that_it_does_not_keep_is_read(
    capsys: Captured, repository: Path
) -> None:
    assert '"from":".env"' in listed(capsys)[1]
    git(repository, "add", "-f", ".env")
    code, said = listed(capsys)
    assert code == 2 and "git keeps this file, and with it your keys: git rm --cached" in said
    git(repository, "rm", "--cached", "-f", ".env")
    assert '"from":".env"' in listed(capsys)[1]


def test_a_link_to_a_file_that_git_keeps_is_refused(capsys: Captured, repository: Path, tmp_path: Path) -> None:
    (repository / ".env").rename(tmp_path / "secrets")
    (repository / ".env").symlink_to(tmp_path / "secrets")
    assert listed(capsys)[0] == 0
    git(tmp_path, "add", "secrets")
    assert "git keeps this file" in listed(capsys)[1]


def test_where_git_cannot_be_asked_the_file_is_not_used(
    capsys: Captured, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".git" / "HEAD").write_text("nothing that git knows")
    code, said = listed(capsys)
    assert code == 2 and "git could not be asked whether it keeps the file" in said
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git could not be asked" in listed(capsys)[1]


def test_variables_of_git_lead_it_to_no_other_repository(
    capsys: Captured, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git(repository, "add", "-f", ".env")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(elsewhere, "init")
    monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
    assert "git keeps this file" in listed(capsys)[1]
