"""Where one simulation keeps its files: a folder of its own, in memory where the system offers that."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec

from arb.store import migrate

MEMORY = Path("/dev/shm")


class Places(msgspec.Struct, frozen=True):
    """The files of one engine."""

    folder: Path

    @property
    def journal(self) -> Path:
        """Return the journal's path."""
        return self.folder / "sim.journal.sqlite"

    @property
    def ledger(self) -> Path:
        """Return the ledger's path."""
        return self.folder / "sim.sqlite"

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
def a_place() -> Iterator[Places]:
    """Make a folder with two empty ledgers of the newest schema; it vanishes with the block."""
    with tempfile.TemporaryDirectory(prefix="arb-sim-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        places = Places(Path(folder))
        for path in (places.ledger, places.rebuilt):
            path.write_bytes(_empty_ledger())
        yield places


@cache
def _empty_ledger() -> bytes:
    """Return an empty ledger of the newest schema; migrating one for every seed would take most of its time."""
    folder = Path(tempfile.mkdtemp(prefix="arb-sim-"))
    try:
        path = folder / "empty.sqlite"
        migrate.upgrade(f"sqlite:///{path}")
        return path.read_bytes()
    finally:
        shutil.rmtree(folder)
