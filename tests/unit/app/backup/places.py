"""A ledger, its journal and an engine on both in a folder; and processes that end at any step of theirs."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from arb.app.backup import backup
from arb.app.restore import restore
from arb.clock import ManualClock
from arb.config import Settings
from arb.core.messages.events import RunStarted
from arb.errors import ArbError
from arb.store.journal.journal import Journal
from arb.store.ledger import migrate
from arb.store.ledger.ledger import InlineLedger
from tests.unit.store.conftest import open_journal
from tests.unit.store.rows import T0, a_run, keep
from tests.unit.store.story import fill_journal

CLOCK = ManualClock(T0)
WHOLE = ["ledger.intents", "ledger.journal.sqlite", "ledger.sqlite"]


class Place:
    """A ledger's URL, its journal's path and the settings that lead to it, in a folder of their own."""

    def __init__(self, folder: Path, url: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'a.sqlite'}"
        store = msgspec.structs.replace(Settings().store, journal_dir=str(folder))
        self.settings = msgspec.structs.replace(Settings(), store=store)

    @property
    def journal(self) -> Path:
        [found] = self.folder.glob("*.journal.sqlite")
        return found

    def back_up(self, into: Path, keep_: int | None = None, clock: ManualClock = CLOCK) -> Path:
        return Path(backup(self.settings, "sandbox", self.url, into, keep_, clock)["backup"])

    def restored(self, made: Path) -> dict[str, Any]:
        return restore(self.settings, made, self.url)


@contextmanager
def an_engine(place: Place, mode: str = "sandbox") -> Iterator[tuple[Journal, InlineLedger]]:
    """Run an engine's stores with a small history in them."""
    from arb.app import stores

    migrate.upgrade(place.url)
    journal = open_journal(stores(place.settings, "sandbox", place.url)[1])
    ledger = InlineLedger(place.url, journal)
    accounts = {"gate": "gate-1", "okx": "okx-1"}
    began: dict[str, Any] = {
        "run_id": 1,
        "nonce": 1,
        "sandbox_id": None,
        "account_ids": accounts,
        "seed": None,
        "version": "t",
    }
    ledger.submit(journal.append(RunStarted(seq=1, t_ns=T0, mode=mode, **began), keep(1, a_run(1, mode=mode))))
    ledger.submit(fill_journal(journal))
    ledger.flush()
    try:
        yield journal, ledger
    finally:
        ledger.close()
        journal.close()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


_on_event: Callable[[str, tuple[Any, ...]], None] | None = None


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _on_event is not None:
        _on_event(event, arguments)


sys.addaudithook(_heard)


@contextmanager
def at_every_access(folder: Path, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` each time a file or folder in `folder` is about to be opened, made, renamed or removed by this process."""
    global _on_event

    def on_event(event: str, arguments: tuple[Any, ...]) -> None:
        global _on_event
        if event not in ("open", "sqlite3.connect", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod"):
            return
        if isinstance(arguments[0], str | os.PathLike) and str(folder) in str(arguments[0]):
            _on_event = None
            act()
            _on_event = on_event

    _on_event = on_event
    try:
        yield
    finally:
        _on_event = None


def in_child(act: Callable[[], object]) -> tuple[int, str]:
    """Run `act` in a process of its own; return how that ended (`os.waitstatus_to_exitcode`), and its `ArbError`'s text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            act()
        except ArbError as error:
            os.write(writing, str(error).encode())
            code = 2
        except BaseException as error:
            os.write(writing, repr(error).encode())
            code = 1
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def killed_at_each(folder: Path, act: Callable[[], object], judge: Callable[[bool], None]) -> int:
    """Run `act` again and again, killed at its first access to `folder`, at its second and so on, until it ends.

    `judge` looks at what each one left, and is told whether it was killed. Returns how many there were.
    """

    def killed(at: int) -> None:
        left = at

        def count() -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        with at_every_access(folder, count):
            act()

    for at in range(1, 200):
        code, said = in_child(lambda at=at: killed(at))  # type: ignore[misc]
        assert code in (0, -signal.SIGKILL), said
        judge(code != 0)
        if code == 0:
            return at
    raise AssertionError("it never ends")
