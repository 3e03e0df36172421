"""The simulated disk: the real journal and the real intents, with refusals and deaths at what is written.

The journal lies in a real file, so that a restart finds exactly what was committed. Where somebody moves it away, it is put
back before the next process starts: one that is killed meanwhile would leave nothing to start from. A full disk is a file that
SQLite is not allowed to let grow: the journal meets the very error it would meet, and gives up its reserve.

What left is compared with what was written down before: an order that is in no intent and in no entry is a trouble, and so is
one that a start does not know although its intent was there.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

import msgspec

from arb.clock import NS_PER_MS
from arb.core.messages.commands import AnyCommand, PlaceOrder
from arb.core.messages.events import AnyEvent
from arb.core.messages.intents import Intent
from arb.errors import StoreError
from arb.market.ids import PREFIX, decode
from arb.market.order import Role
from arb.store.journal.intents import intents_of
from arb.store.journal.journal import Journal
from arb.store.journal.reader import JournalState, Row
from arb.store.ledger import migrate
from proofs.faultsim.aims import JOURNAL_PARTS
from proofs.faultsim.faults import Life, Point

MEMORY = Path("/dev/shm")


class Files(msgspec.Struct, frozen=True):
    """The files of one simulated engine, in a folder of its own."""

    folder: Path

    @property
    def journal(self) -> Path:
        """Return the journal's path."""
        return self.folder / "faultsim.journal.sqlite"

    @property
    def ledger(self) -> Path:
        """Return the ledger's path."""
        return self.folder / "faultsim.sqlite"

    @property
    def db_url(self) -> str:
        """Return the ledger's URL."""
        return f"sqlite:///{self.ledger}"

    def make_ledger(self) -> None:
        """Make the ledger anew, empty, where there is none: what its migrations would do, in no time."""
        if not self.ledger.exists():
            self.ledger.write_bytes(_empty_ledger())

    @property
    def rebuilt(self) -> Path:
        """Return the path of a ledger made anew from the journal, to be compared."""
        return self.folder / "rebuilt.sqlite"


@contextmanager
def temporary_files() -> Iterator[Files]:
    """Make a folder, in memory where the system offers that, with two empty ledgers; it is removed with the block."""
    with tempfile.TemporaryDirectory(prefix="arb-faultsim-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        files = Files(Path(folder))
        for path in (files.ledger, files.rebuilt):
            path.write_bytes(_empty_ledger())
        yield files


@cache
def _empty_ledger() -> bytes:
    """Return an empty ledger of the newest schema; migrating one for every seed would take most of its time."""
    folder = Path(tempfile.mkdtemp(prefix="arb-faultsim-"))
    try:
        path = folder / "empty.sqlite"
        migrate.upgrade(f"sqlite:///{path}")
        return path.read_bytes()
    finally:
        shutil.rmtree(folder)


_OWN = re.compile(rf"(?<![0-9A-Za-z]){PREFIX}[0-9A-Za-z]{{18}}(?![0-9A-Za-z])")
"""Our client order ids, wherever they stand."""
NOTICED_NS = 500 * NS_PER_MS
"""An engine knows by then that its journal's files are gone: it looks every `SYNC_EVERY_S` of `live/tasks.py`."""


class Disk:
    """What is wrong with the disk right now."""

    def __init__(self, files: Files) -> None:
        self.refused_commits = 0
        self.refused_intents = 0
        self.locked_until_ns = 0
        self.on_full: Callable[[], None] | None = None
        self.on_refused: Callable[[], None] | None = None
        self.on_locked: Callable[[], None] | None = None
        self.troubles: list[str] = []
        """What an engine must not do with a disk like this."""
        self._files = files
        self._written: set[str] = set()  # the ids of orders that may leave
        self._intended: set[str] = set()  # those of them that no entry holds yet
        self._full_until_ns = 0
        self._reserve_pages = 0
        self._durable: dict[Path, bytes] = {}
        self._power_is_cut = False
        self._gone_since_ns: int | None = None

    def clear(self) -> None:
        """End all faults."""
        self._full_until_ns = self.refused_commits = self.refused_intents = self.locked_until_ns = 0
        self._durable.clear()
        self.put_journal_back()

    def keep_journal(self) -> None:
        """Keep what the journal holds now: all that a power cut will leave of it, unless it is synced before."""
        files = [self._files.journal.with_name(self._files.journal.name + suffix) for suffix in ("", "-wal")]
        files.append(intents_of(self._files.journal))
        self._durable = {path: path.read_bytes() for path in files if path.exists()}

    def synced(self) -> None:
        """Note that the journal was made durable."""
        if self._durable:
            self.keep_journal()

    def cut(self) -> None:
        """Let the power go: what was written and not synced is lost."""
        self._power_is_cut = bool(self._durable)
        if self._power_is_cut:
            self._intended.clear()  # what was not synced is lost

    def after_death(self) -> None:
        """Leave the files as the next process finds them, once the dead one has let go of them."""
        if self._power_is_cut:
            for path, data in self._durable.items():
                path.write_bytes(data)
        self._power_is_cut = False
        self._durable.clear()
        self.put_journal_back()

    def fill(self, until_ns: int, reserve_pages: int) -> None:
        """Leave no space but `reserve_pages` of the journal, which it sets aside for this."""
        self._full_until_ns, self._reserve_pages = until_ns, reserve_pages

    def space(self, now_ns: int) -> int | None:
        """Return how many pages the reserve would give now; None: the disk is not full."""
        return self._reserve_pages if now_ns < self._full_until_ns else None

    def refuses(self) -> bool:
        """Return whether a commit of the journal fails now."""
        if self.refused_commits == 0:
            return False
        self.refused_commits -= 1
        _notify(self.on_refused)
        return True

    def refuses_intent(self) -> bool:
        """Return whether an intent cannot be written now."""
        if self.refused_intents == 0:
            return False
        self.refused_intents -= 1
        _notify(self.on_refused)
        return True

    def intended(self, names: list[str]) -> None:
        """Note that intents with orders of these names were written."""
        self._intended.update(names)
        self._written.update(names)

    def journalled(self, names: list[str]) -> None:
        """Note that an entry was written that sends orders of these names."""
        self._intended.difference_update(names)
        self._written.update(names)

    def leaves(self, text: str) -> None:
        """Examine what leaves the process: every order that it names was written down before."""
        named = {name for name in _OWN.findall(text) if decode(name) is not None}
        self.troubles += [f"left unwritten: {name}" for name in sorted(named - self._written)]

    def started(self, state: JournalState) -> None:
        """Examine what a start knows: every order that only its intent was left of."""
        known = {order.client_order_id for pair in state.pairs for order in pair.orders}
        self.troubles += [f"intended, and forgotten by the next start: {name}" for name in self._intended - known]
        self._intended.clear()

    def met_full(self) -> None:
        """Note that something was written to the reserve, or could not be written at all."""
        _notify(self.on_full)

    def locked(self, now_ns: int) -> bool:
        """Return whether the ledger is locked by somebody else now."""
        locked = now_ns < self.locked_until_ns
        if locked:
            _notify(self.on_locked)
        return locked

    def lose_journal(self, now_ns: int, part: str | int | None = None) -> bool:
        """Let somebody move files of the journal away while they are written; return whether they were there.

        `part`: the `database` or the `intents`; None: both.
        """
        if self._gone_since_ns is not None or not self._files.journal.exists():
            return False
        self._gone_since_ns = now_ns
        for file in (file for files in self._journal_files(part) for file in files):
            file.rename(_aside(file))
        return True

    def put_journal_back(self) -> None:
        """Let whoever moved the journal's files away put them back, but not what its own process has written again."""
        if self._gone_since_ns is None:
            return
        self._gone_since_ns = None
        for files in self._journal_files():
            written_again = files[0].exists()
            for file in files:
                if written_again:
                    _aside(file).unlink(missing_ok=True)
                elif _aside(file).exists():
                    _aside(file).rename(file)

    def journal_is_missed(self, now_ns: int) -> bool:
        """Return whether the journal's files have been gone for so long that the engine knows."""
        return self._gone_since_ns is not None and now_ns - self._gone_since_ns > NOTICED_NS

    def _journal_files(self, part: str | int | None = None) -> list[list[Path]]:
        """Return the files of one part of the journal, or of each: what is written again or put back together."""
        journal = self._files.journal
        database = [journal.with_name(journal.name + suffix) for suffix in ("", "-wal", "-shm")]
        parts = dict(zip(JOURNAL_PARTS, (database, [intents_of(journal)]), strict=True))
        return [files for name, files in parts.items() if part in (name, None)]

    def lose_ledger(self) -> None:
        """Let somebody remove the ledger's files."""
        for suffix in ("", "-wal", "-shm"):
            self._files.ledger.with_name(self._files.ledger.name + suffix).unlink(missing_ok=True)


def _aside(file: Path) -> Path:
    """Return the name that a file bears while it is away."""
    return file.with_name(f"{file.name}.away")


def _notify(listener: Callable[[], None] | None) -> None:
    if listener is not None:
        listener()


class FaultyReserve:
    """A disk reserve of so many pages as the plan says, in place of the 32 MiB that each simulation would cost.

    What is full is SQLite itself: it refuses to let the file grow, as it does when the system refuses it.
    """

    def __init__(self, disk: Disk, now_ns: Callable[[], int]) -> None:
        self.held = True
        self.journal: Journal | None = None
        self._disk = disk
        self._now_ns = now_ns
        self._confined = False

    def mind(self) -> None:
        """Make the journal find the disk as it is now."""
        full = self._disk.space(self._now_ns()) is not None
        if self.journal is not None and full != self._confined:
            self._confined = full
            self.journal.confine(0 if full else None)

    def release(self) -> None:
        """Give the space back."""
        self.held = False
        if self.journal is not None:
            self.journal.confine(self._disk.space(self._now_ns()))

    def establish(self) -> bool:
        """Set the space aside again, once there is any."""
        self.held = self.held or self._disk.space(self._now_ns()) is None
        return self.held


class Watcher(Protocol):
    """Whoever examines what is about to leave, and every event that is about to be journalled."""

    def on_opening(self) -> None:
        """Take note that a pair is opened, before its intent is written."""

    def on_event(self, event: AnyEvent) -> None:
        """Take one event, after the engine and before the journal."""


class FaultyJournal:
    """The journal of `arb.live.parts`, on the simulated disk."""

    def __init__(
        self,
        journal: Journal,
        disk: Disk,
        reserve: FaultyReserve,
        life: Life,
        watcher: Watcher,
        true_ns: Callable[[], int],
    ) -> None:
        self._true_ns = true_ns
        self._journal = journal
        self._disk = disk
        self._reserve = reserve
        self._life = life
        self._watcher = watcher
        self.reserve_touched = False
        self._touched_ns = 0
        disk.started(journal.restore())

    @property
    def last_seq(self) -> int:
        """Return the sequence number of the last event, 0 for a new journal."""
        return self._journal.last_seq

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        """Return what a restart on these accounts needs."""
        return self._journal.restore(account_ids, former_accounts, now_ns)

    def last_ns(self) -> int:
        """Return when the last entry was written, 0 when there is none."""
        return self._journal.last_ns()

    async def sync(self) -> None:
        """Make the journal survive a power cut."""
        self._journal.sync()
        self._disk.synced()

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write down what is about to leave; raise `StoreError` when it cannot be."""
        self._watcher.on_opening()
        self._life.passes(Point.BEFORE_INTENT)
        if self._disk.refuses_intent():
            raise StoreError("intents: disk I/O error")
        self._journal.intend(intents)
        self._disk.intended([place.client_order_id for intent in intents for place in intent.places])
        self._life.passes(Point.AFTER_INTENT)

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        """Write one event and its commands; raise `StoreError` with nothing written."""
        self._watcher.on_event(event)
        self._life.passes(Point.BEFORE_COMMIT)
        if self._disk.refuses():
            raise StoreError("journal: disk I/O error")
        self._reserve.mind()
        entries = [c.client_order_id for c in commands if isinstance(c, PlaceOrder) and c.role is Role.ENTRY]
        if self.reserve_touched and self._journal.reserve_touched and event.t_ns > self._touched_ns:
            self._disk.troubles += [f"opened on the reserve: {name}" for name in entries]
        if entries and self._disk.journal_is_missed(self._true_ns()):
            self._disk.troubles += [f"opened while the journal's files are gone: {name}" for name in entries]
        try:
            rows = self._journal.append(event, commands)
        except StoreError:
            self._disk.met_full()
            raise
        self._disk.journalled([c.client_order_id for c in commands if isinstance(c, PlaceOrder)])
        if self._journal.reserve_touched and not self.reserve_touched:
            self._touched_ns = event.t_ns
        self.reserve_touched = self._journal.reserve_touched
        if self.reserve_touched:
            self._disk.met_full()
        self._life.passes(Point.AFTER_COMMIT)
        return rows
