"""Secrets planted everywhere, and a venue that echoes them: no file, no output and no page of ours holds one.

Every command, error path and crash; then everything under `var/`, stdout, stderr and the page is searched, for secrets as they
are and escaped. And the search is not blind: with one masker taken out it finds them.
"""

import contextlib
import gzip
import html
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from proofs.mutant_table import Mutant
from proofs.mutants import apply, copy_to
from tests.integration.echoing_venue import EchoingVenue
from tests.integration.support import REPO, Ended, EngineProcess, Process, arb, end_of, sandbox_process, wait_while

PLANTED = {
    "GATE_API_KEY": "5d1e7f0a9b3c4e2d8f6a1b0c9d8e7f6a",
    "GATE_API_SECRET": "c0ffee11c0ffee22c0ffee33c0ffee44c0ffee55c0ffee66c0ffee77c0ffee8a",
    "OKX_API_KEY": "77aa1c1e-5b1f-4d0e-9c55-0f9e8d7c6b5a",
    "OKX_API_SECRET": "9E8D7C6B5A4F3E2D1C0B9A8F7E6D5C4B",
    "OKX_API_PASSPHRASE": 'Corr"ect/Horse+22',
}
"""What stands in the environment of every command."""
AS_MODULE = ("-m", "arb")
DB = "sqlite:///var/a.sqlite"
PROXY_LOGIN = "trader:b4adf00d-Horse_33"
"""What stands in the settings of every command; what a run has on this machine passes no proxy."""


def environment(code: Path = REPO) -> dict[str, str]:
    return os.environ | PLANTED | {"PYTHONPATH": os.pathsep.join((str(code), str(REPO)))}


def command(
    folder: Path,
    *arguments: str,
    code: Path = REPO,
    begin: tuple[str, ...] = AS_MODULE,
    variables: Mapping[str, str] | None = None,
) -> Process:
    """Start a command with the planted keys in its environment, and `variables` in their place or besides."""
    if code is REPO and begin == AS_MODULE:
        return arb(*arguments, cwd=folder, variables=PLANTED | dict(variables or {}))
    return subprocess.Popen(
        [sys.executable, *begin, *arguments],
        cwd=folder,
        env=environment(code) | dict(variables or {}),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


EVERY_COMMAND = """
import json, sys
from arb.cli import main
for line in sys.argv[1:]:
    print(json.loads(line)[0], main(json.loads(line)))
"""
PAGE = """
import http.client, json, subprocess, sys
from arb.clock import SystemClock
from tests.support.signer import Signer
shown = subprocess.Popen([sys.executable, "-m", "arb", "ui", "--port", "0", "--json", *sys.argv[1:]], stdout=subprocess.PIPE)
about = json.loads(shown.stdout.readline())
host = about["address"].split("/")[2]
page, session = http.client.HTTPConnection(host, timeout=60), Signer(host, SystemClock())
def ask(way, path, body=None):
    signed, _ = session.sign(way, path)
    page.request(way, path, body, {"Origin": f"http://{host}", "Content-Type": "application/json", "Authorization": signed})
    answer = page.getresponse()
    found = answer.read().decode()
    print(path, answer.status, found)
    return found
token = open(about["token_file"]).read().strip()
session.opened(token, json.loads(ask("POST", "/api/session", json.dumps(session.proof(token)))))
parts = ("earned", "offered", "executed", "moved")
for name in ("status", "pairs", "story?id=1", "report", *parts, "holdings", "incidents", "alerts", "reconciliation"):
    ask("GET", f"/api/{name}")
shown.terminate()
sys.exit(shown.wait(30))
"""
BUG = """
import os, sys
import arb.app.review
from arb.cli import main
def status(*_):
    raise RuntimeError(os.environ["OKX_API_KEY"])
arb.app.review.status = status
sys.exit(main(["status"]))
"""


def script(folder: Path, text: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Process:
    """Start a program in `folder`, with the keys in its environment that a command has."""
    return command(folder, *arguments, begin=("-c", text), variables=variables)


def forms(secret: str) -> set[str]:
    ways = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), html.escape(secret), repr(secret)[1:-1]}
    return ways | {secret.replace("/", "\\/"), json.dumps(json.dumps(secret)[1:-1])[1:-1]}


def hits(contents: dict[str, bytes], secrets: set[str]) -> list[str]:
    """Return where a secret stands: `place: its first four characters`."""
    return [
        f"{place}: {secret[:4]}..."
        for place, content in sorted(contents.items())
        for secret in sorted(secrets)
        if any(form.encode() in content for form in forms(secret))
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the content of every file; of a compressed one as it was before."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                with contextlib.suppress(EOFError), gzip.open(path) as file:
                    content = file.read()
            found[str(path.relative_to(folder))] = content
    return found


def said(name: str, ended: Ended) -> dict[str, bytes]:
    return {f"{name}: stdout": ended.out.encode(), f"{name}: stderr": ended.err.encode()}


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[EchoingVenue]:
    (tmp_path / "sandbox").mkdir()
    with sandbox_process(tmp_path / "sandbox") as sandbox, EchoingVenue(sandbox.announced).serving() as echoing:
        yield echoing


def a_run(folder: Path, venue: EchoingVenue, *more: str, code: Path = REPO) -> Process:
    arguments = ("run", "--db", DB, "--sandbox", venue.admin, "--json", *more)
    return command(folder, *arguments, code=code)


def traded_and_stopped(folder: Path, run: Process, echoed: Callable[[], bool]) -> None:
    """Stop a run once it has traded and the venue has `echoed`, as often as it must have had the chance to."""
    engine = EngineProcess(folder, run)
    engine.journal = folder / "var" / "a.journal.sqlite"
    engine.until(lambda status: status["pairs"]["completed"] > 0 and echoed(), "it has traded and was echoed")
    run.send_signal(signal.SIGTERM)


COMMANDS = (
    "status", "status --json", "pairs --json", "explain 1", "report", "report --json", "report --html var/page.html",
    "db current", "db check", "db rebuild", "db compact", "halt", "resume --reason again", "flatten", "explain 0 --json",
    "alerts --all", "alerts --all --json", "alerts ack 1 --reason seen", "backup var/copies",
)  # fmt: skip
"""Each is also asked about a ledger that is none."""


def test_no_secret_is_left_anywhere(tmp_path: Path, venue: EchoingVenue) -> None:
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "config.toml").write_text(f'[network]\nproxy = "http://{PROXY_LOGIN}@proxy.example:3128"\n')
    (folder / "config.toml").chmod(0o600)
    run = a_run(folder, venue, "--tape", "var/run.jsonl.gz")
    traded_and_stopped(folder, run, lambda: venue.echoed > 10)
    spoken = said("a run", end_of(run))

    killed = a_run(folder, venue)
    echoed = venue.echoed
    wait_while(killed, lambda: venue.echoed > echoed + 10 or killed.poll() is not None, "it was echoed, maybe refused")
    killed.send_signal(signal.SIGKILL)
    spoken |= said("killed", end_of(killed))
    spoken |= said("the next", end_of(a_run(folder, venue, "--for", "3s")))
    with EchoingVenue(venue._announced, from_the_start=True).serving() as refusing:
        spoken |= said("refused", end_of(a_run(folder, refusing, "--for", "1s")))
        venue.signatures |= refusing.signatures

    asked = [[*line.split(), "--db", url] for line in COMMANDS for url in (DB, "sqlite:///var/none.sqlite")]
    asked += [["explain", secret, "--db", DB] for secret in PLANTED.values()]
    asked += [
        *(
            ["sql", f"SELECT * FROM {table}", "--json", "--db", DB]
            for table in ("incidents", "alerts", "orders", "runs")
        ),
        ["export", "--parquet", "var/out", "--db", DB],
        ["replay", "var/run.jsonl.gz", "--journal", "var/a.journal.sqlite"],
        ["run", "--show-config"],
        ["run", "--sandbox", "http://127.0.0.1:9/admin", "--db", DB],
        ["rebalance", "--db", DB],
        ["doctor", "--sandbox", venue.admin],
        ["markets", "--sandbox", venue.admin],
        ["record", "--sandbox", venue.admin, "--out", "var/taped", "--for", "1s"],
        ["books", "var/run.jsonl.gz", "--at", "100"],
        ["sweep", "var/run.jsonl.gz", "--set", "limits.min_edge_bps=2,4", "--jobs", "1"],
        ["tape", "convert", "var/run.jsonl.gz", "--parquet", "--out", "var/converted"],
        ["scan", "var/none.json"],
        ["init", "--config", "var/paper.toml", "--venues", "gate,okx", "--symbols", "BTC/USDT"],
    ]
    spoken |= said("commands", end_of(script(folder, EVERY_COMMAND, *map(json.dumps, asked)), within_s=600))
    shown = end_of(script(folder, PAGE, "--db", DB))
    assert shown.code == 0 and shown.out.count(" 200 {") >= 9, shown
    spoken |= said("the page", shown)
    bug = end_of(script(folder, BUG))
    assert bug.code == 1 and "RuntimeError: ***" in bug.err
    spoken |= said("a bug", bug)

    secrets = {*PLANTED.values(), *venue.secrets, *venue.signatures, PROXY_LOGIN, PROXY_LOGIN.partition(":")[2]}
    files = files_in(folder)
    assert PROXY_LOGIN.encode() in files.pop("config.toml")
    assert {"var/a.sqlite", "var/a.journal.sqlite", "var/run.jsonl.gz", "var/page.html"} <= set(files), sorted(files)
    assert hits(files | spoken, secrets) == []
    assert any(b"***" in content for content in files.values()), "what was echoed is there, masked"


MASKERS = {
    "where a venue's text enters": Mutant(
        "", "arb/masking.py", "    text = SECRETS.masked(text[: ", "    text = (text[: "
    ),
    "what has the form of a signature": Mutant(
        "", "arb/masking.py", "_SIGNATURE.sub(HIDDEN, text) if len(text) >= _SIGNATURE_MIN else text", "text"
    ),
    "the key": Mutant(
        "", "arb/app/build.py", 'if name in ("key", "secret", "passphrase")', 'if name in ("secret", "passphrase")'
    ),
    "frames on the tape": Mutant("", "arb/live/taping.py", "SECRETS.masked_bytes(content)", "content"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", list(MASKERS))
def test_the_search_finds_them_when_a_masker_is_taken_out(tmp_path: Path, venue: EchoingVenue, name: str) -> None:
    code = tmp_path / "code"
    code.mkdir()
    copy_to(code)
    apply(MASKERS[name], code)
    folder = tmp_path / "engine"
    folder.mkdir()
    ended = end_of(a_run(folder, venue, "--for", "8s", "--tape", "var/run.jsonl.gz", code=code))
    found = hits(files_in(folder) | said("a run", ended), {*venue.secrets, *venue.signatures})
    assert found, f"without {name} nothing is found: the search is blind, or the masker needless"
