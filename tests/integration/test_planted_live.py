"""Live mode's keys, in the environment, in `.env` and in the keyring, at venues that echo them: none is left anywhere.

Every command of the keys, every way a start can fail, runs and kills; then all files and all output are searched, as in
`test_planted_secrets.py`. Gate's and OKX's orders go over their websockets: Gate's sends key and signature back with each.
"""

import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from proofs.mutant_table import Mutant
from proofs.mutants import apply, copy_to
from tests.integration.echoing_venue import EchoingVenue
from tests.integration.live_mode import CONSENTS, keys_of, live_config
from tests.integration.support import REPO, Process, end_of, sandbox_process, wait_while
from tests.integration.test_planted_secrets import (
    EVERY_COMMAND,
    PAGE,
    PLANTED,
    command,
    files_in,
    hits,
    said,
    script,
    traded_and_stopped,
)

DB = "sqlite:///var/a.sqlite"
RUN = ("run", *CONSENTS, "--json", "--db", DB)
STRAY = {
    "DEMO_GATE_API_KEY": "de30a9c1b7f24d5e8c6b0f1a2d3e4c5b",
    "DEMO_GATE_API_SECRET": "de305ec2e7f24d5e8c6b0f1a2d3e4c5bde305ec2e7f24d5e",
}
"""Keys of another account, in `.env` beside those that are used."""
PASTED = "bg_7c1f0e2d3b4a59687f6e5d4c3b2a1908"
"""A key where the name of its variable belongs."""


class Place:
    """A folder with the three places of keys: okx in the environment, gate in `.env`, bitget in the keyring, where one is."""

    def __init__(self, folder: Path, venue: EchoingVenue) -> None:
        folder.mkdir()
        self.folder = folder
        keys = keys_of(venue.announced)
        self.at = {
            name: {n: key for n, key in keys.items() if n.startswith(name.upper())}
            for name in ("gate", "okx", "bitget")
        }
        self.config = live_config(folder, venue.announced)
        text = self.config.read_text().replace('order_entry = "rest"', 'order_entry = "websocket"')
        self.config.write_text(text)
        self.keyring = folder.parent / "keyring.json"
        self.has_keyring = _has_keyring()
        in_file = self.at["gate"] | STRAY | ({} if self.has_keyring else self.at["bitget"])
        self.file = folder / ".env"
        self.file.write_text("".join(f"{name}='{value}'\n" for name, value in in_file.items()))
        self.file.chmod(0o600)

    def variables(self) -> dict[str, str]:
        """Return what stands in the environment of every command; the planted keys of other tests are not among them."""
        return {
            **dict.fromkeys(PLANTED, ""),
            **self.at["okx"],
            "PYTHON_KEYRING_BACKEND": "tests.support.file_keyring.FileKeyring",
            "ARB_TEST_KEYRING": str(self.keyring),
        }

    def start(self, *arguments: str, code: Path = REPO, variables: Mapping[str, str] | None = None) -> Process:
        """Start a command; `variables`: others in its environment."""
        return command(self.folder, *arguments, code=code, variables=self.variables() | dict(variables or {}))

    def keep(self, *, code: Path = REPO) -> dict[str, bytes]:
        """Put bitget's key into the keyring, where there is one, by the command that does so; return what it said."""
        if not self.has_keyring:
            return {}
        lines = "\n".join(self.at["bitget"].values()) + "\n"
        asked = script(self.folder, GIVEN, lines, json.dumps(["keys", "add", "bitget"]), variables=self.variables())
        ended = end_of(asked)
        assert ended.code == 0, ended
        return said("keys add", ended)

    def secrets(self, venue: EchoingVenue) -> set[str]:
        return {*venue.secrets, *venue.signatures, *STRAY.values(), PASTED}


GIVEN = """
import io, json, sys
from arb.cli import main
sys.stdin = io.StringIO(sys.argv[1])
sys.exit(main(json.loads(sys.argv[2])))
"""
CRASH = """
import os, sys
import arb.app.run
from arb.cli import main
def run_engine(*_, keys, **__):
    held = {venue: (key.key, key.secret, key.passphrase) for venue, key in keys.items()}
    raise RuntimeError(f"{keys} {held}")
arb.app.run.run_engine = run_engine
sys.exit(main(sys.argv[1:]))
"""
"""A bug with every key in its hands."""


def _has_keyring() -> bool:
    try:
        import keyring  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[EchoingVenue]:
    (tmp_path / "sandbox").mkdir()
    with sandbox_process(tmp_path / "sandbox") as sandbox, EchoingVenue(sandbox.announced).serving() as echoing:
        yield echoing


ALONE = (
    "keys list", "keys list --json", "keys list --environment demo", "keys test", "keys test --json", "keys test okx",
    "keys test --environment demo", "keys add gate", "keys add bitget", "keys add nowhere", "keys remove gate",
    "keys remove okx --environment demo", "run --mode live", "run --mode live --live --environment demo",
    "run --mode live --live --seed 1", "run --mode live --live --sandbox embedded", "run --show-config", "status --mode live",
    "explain 1 --mode live", "doctor", "doctor --drill --live --yes",
)  # fmt: skip
"""Each in a process of its own, which has read no key but those that it needs."""
COMMANDS = (
    "run --show-config --json", "run --show-config --environment demo", "pairs --mode live --json", "report --mode live",
    "report --html var/page.html", "doctor --json", "db check", "halt", "flatten", "resume --reason again",
    "export --parquet var/out", "alerts --all --json", "rebalance",
)  # fmt: skip


FEW = ("keys list", "keys test", "keys add gate", "run --mode live", "doctor")


@pytest.mark.thorough
@pytest.mark.parametrize("alone", [FEW, pytest.param(ALONE, marks=pytest.mark.thorough)], ids=["few", "all"])
def test_no_secret_of_live_mode_is_left_anywhere(tmp_path: Path, venue: EchoingVenue, alone: tuple[str, ...]) -> None:
    place = Place(tmp_path / "engine", venue)
    folder = place.folder
    spoken = place.keep()
    run = place.start(*RUN, "--tape", "var/run.jsonl.gz")
    traded_and_stopped(folder, run, lambda: venue.echoed > 10 and venue.echoed_orders > 1)
    spoken |= said("a run", end_of(run))
    summary = json.loads(spoken["a run: stdout"])
    assert summary["mode"] == "live" and summary["orders"] > 0, spoken["a run: stderr"][-3000:]

    killed = place.start(*RUN)
    echoed = venue.echoed_orders
    wait_while(
        killed, lambda: venue.echoed_orders > echoed + 2 or killed.poll() is not None, "it was echoed, maybe refused"
    )
    killed.send_signal(signal.SIGKILL)
    spoken |= said("killed", end_of(killed))
    spoken |= said("the next", end_of(place.start(*RUN, "--for", "3s")))

    for line in alone:
        spoken |= said(line, end_of(place.start(*line.split(), *_ledger_for(line))))
    asked = [json.dumps([*line.split(), *_ledger_for(line)]) for line in COMMANDS]
    asked += [json.dumps(["explain", secret, "--db", DB]) for secret in sorted(place.secrets(venue))[:12]]
    asked += [json.dumps(["replay", "var/run.jsonl.gz", "--journal", "var/a.journal.sqlite"])]
    spoken |= said("commands", end_of(script(folder, EVERY_COMMAND, *asked, variables=place.variables()), within_s=600))
    shown = end_of(script(folder, PAGE, "--mode", "live", "--db", DB, variables=place.variables()))
    assert shown.code == 0 and shown.out.count(" 200 {") >= 9, shown
    spoken |= said("the page", shown)
    crash = end_of(script(folder, CRASH, *RUN, variables=place.variables()))
    assert crash.code == 1 and "RuntimeError" in crash.err, crash
    spoken |= said("a crash", crash)
    if alone is ALONE:
        spoken |= failing_starts(place, venue)

    files = files_in(folder)
    assert STRAY["DEMO_GATE_API_KEY"].encode() in files.pop(".env")
    assert {"var/a.sqlite", "var/a.journal.sqlite", "var/run.jsonl.gz", "var/page.html"} <= set(files), sorted(files)
    assert hits(files | spoken, place.secrets(venue)) == []
    assert any(b"***" in content for content in files.values()), "what was echoed is there, masked"


def _ledger_for(line: str) -> list[str]:
    return [] if line.split()[0] in ("keys", "doctor") else ["--db", DB]


def failing_starts(place: Place, venue: EchoingVenue) -> dict[str, bytes]:
    """Return what is said when keys are missing, half there, pasted, too long, refused, or in a file that is not to be used."""
    text, config = place.file.read_text(), place.config.read_text()
    gate = place.at["gate"]["GATE_API_KEY"]
    heard: dict[str, bytes] = {}

    def fails(name: str, code: int, **more: str) -> None:
        ended = end_of(place.start(*RUN, "--for", "1s", variables=more))
        assert ended.code == code, f"{name}: {ended}"
        heard.update(said(name, ended))
        heard.update(said(f"{name}, list", end_of(place.start("keys", "list", variables=more))))
        heard.update(said(f"{name}, test", end_of(place.start("keys", "test", variables=more))))

    fails("half a key", 2, OKX_API_SECRET="")
    fails("a longer key", 2, OKX_API_SECRET=place.at["okx"]["OKX_API_SECRET"] * 5)
    fails("a key with a line break", 2, OKX_API_KEY=f"{place.at['okx']['OKX_API_KEY']}\nX: y")
    fails("the same twice", 2, OKX_API_SECRET=place.at["okx"]["OKX_API_KEY"])
    # At two of three venues: with one left nothing can be traded.
    exchanged = {
        f"{venue.upper()}_API_{part}": place.at[venue][f"{venue.upper()}_API_{other}"]
        for venue in ("okx", "gate")
        for part, other in (("KEY", "SECRET"), ("SECRET", "KEY"))
    }
    fails("key and secret exchanged", 3, **exchanged)
    for name, line in (("no name", gate), ("a colon", f"GATE_API_KEY: {gate}"), ("a quote", f"GATE_API_KEY='{gate}")):
        place.file.write_text(f"{text}{line}\n")
        fails(f".env with {name}", 2)
    place.file.write_text(f"{text}GATE_API_KEY={gate}\n")
    fails(".env with it twice", 2)
    place.file.write_bytes(text.encode() + b"A=\xff\n")
    fails(".env of other bytes", 2)
    place.file.write_text(text)
    place.file.chmod(0o644)
    fails(".env for all", 2)
    place.file.chmod(0o600)
    place.config.write_text(config.replace('"GATE_API_KEY"', f'"{PASTED}"'))
    fails("a key in the settings", 2)
    place.config.write_text(config)
    with EchoingVenue(venue._announced, from_the_start=True).serving() as refusing:
        place.config.write_text(config.replace(venue._own, refusing._own))
        fails("refused with an echo", 3)
        venue.signatures |= refusing.signatures
    place.config.write_text(config)
    return heard


MASKERS = {
    "what is masked at all": Mutant(
        "", "arb/masking.py", "if len(secret) >= SECRET_LENGTH_MIN", "if len(secret) >= 1000"
    ),
    "where a venue's text enters": Mutant(
        "", "arb/masking.py", "    text = SECRETS.masked(text[: ", "    text = (text[: "
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", list(MASKERS))
def test_the_search_finds_live_keys_when_a_masker_is_taken_out(tmp_path: Path, venue: EchoingVenue, name: str) -> None:
    code = tmp_path / "code"
    code.mkdir()
    copy_to(code)
    apply(MASKERS[name], code)
    place = Place(tmp_path / "engine", venue)
    place.keep()
    ended = end_of(place.start(*RUN, "--for", "8s", "--tape", "var/run.jsonl.gz", code=code))
    files = files_in(place.folder)
    files.pop(".env")
    assert hits(files | said("a run", ended), place.secrets(venue)), f"without {name} nothing is found: {ended}"
