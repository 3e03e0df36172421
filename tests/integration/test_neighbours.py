"""Another user of the same machine: what an engine writes he cannot read, and its control socket does not hear him."""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.live.control import ask, socket_path
from tests.integration.support import end_of, wait_while

NOBODY = 65534
WANT = """
import json, os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
place = sys.argv[1]
got = []
print("ready", flush=True)
while not os.path.exists(place + "/over"):
    for name in (place, place + "/var"):
        try:
            found = os.listdir(name)
        except OSError:
            continue
        for file in found:
            path = f"{name}/{file}"
            try:
                if file.endswith(".sock"):
                    with socket.socket(socket.AF_UNIX) as asked:
                        asked.connect(path)
                        asked.sendall(b'{"do": "flatten"}\\n')
                elif os.path.isfile(path) and file != "over":
                    open(path, "rb").close()
                else:
                    continue
            except OSError:
                continue
            got.append(path)
print(json.dumps(sorted(set(got))))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a directory that every user of the machine may enter and list, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="arb-neighbours-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def an_engine(folder: Path) -> "subprocess.Popen[str]":
    """Start an engine whose umask takes no right from anybody."""
    arguments = [
        "run",
        "--seed",
        "5",
        "--json",
        "--tape",
        "var/run.jsonl.gz",
        "--db",
        "sqlite:///var/a.sqlite",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "arb", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        umask=0,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def note_modes(folder: Path, seen: dict[str, set[int]], over: threading.Event) -> None:
    """Note the modes that each thing in `folder` is ever seen with until it is over."""
    while not over.is_set():
        with contextlib.suppress(OSError):
            for entry in (folder, *folder.iterdir()):
                seen.setdefault(entry.name, set()).add(stat.S_IMODE(entry.stat().st_mode))


def trades(place: Path) -> bool:
    """Return whether the engine has answered, and so written all that it writes."""
    return ask(place / "var" / "a.journal.sqlite", {"do": "status"}, timeout_s=10.0) is not None


WRITTEN = {"a.sqlite", "a.journal.sqlite", "a.journal.sock", "run.jsonl.gz", "a.journal.sqlite.lock"}


@pytest.mark.thorough
def test_what_a_run_writes_is_its_users_alone_from_the_first_byte_even_under_umask_000(place: Path) -> None:
    over, found = threading.Event(), dict[str, set[int]]()
    watching = threading.Thread(target=note_modes, args=(place / "var", found, over))
    watching.start()
    engine = an_engine(place)
    try:
        wait_while(engine, lambda: found.keys() >= WRITTEN, "all that it writes was seen")
        engine.terminate()
        ended = end_of(engine)
    finally:
        engine.kill()
        over.set()
        watching.join()
    assert ended.code == 0, ended.err
    assert found.pop("var") == {0o700}
    assert {name: [oct(mode) for mode in modes] for name, modes in found.items() if modes - {0o600}} == {}


@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize("mode", [0o700, 0o777], ids=["in a directory of its own", "in one that all may write to"])
def test_another_user_reads_nothing_and_commands_nothing(place: Path, mode: int) -> None:
    (place / "var").mkdir()
    (place / "var").chmod(mode)
    neighbour = subprocess.Popen(
        [sys.executable, "-c", WANT, str(place)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert neighbour.stdout is not None and neighbour.stdout.readline() == "ready\n"
        engine = an_engine(place)
        try:
            wait_while(engine, lambda: trades(place), "it answers")
            engine.terminate()
            ended = end_of(engine)
        finally:
            engine.kill()
    finally:
        (place / "over").touch()
    got, err = neighbour.communicate(timeout=60)
    assert ended.code == 0, ended.err
    assert ended.summary["halted"] is None
    assert json.loads(got) == [], err
    assert not socket_path(place / "var" / "a.journal.sqlite").exists()
