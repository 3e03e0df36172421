"""Claims on a run's accounts, so that no other engine trades them; an unconfirmed claim blocks openings."""

import asyncio
import contextlib
import logging
import os
import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from arb.clock import Clock
from arb.errors import ConfigError, StoreError
from arb.live.parts import OnLedgerState
from arb.store.journal.guards import AccountLocks, place_of_lock
from arb.store.ledger.database import parse_url, sqlite_file

log = logging.getLogger(__name__)

NAME_BITS = 64


def call_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Run `act` on the loop's thread, unless the loop is gone."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(act)


class Blocks:
    """Why the ledger blocks openings: one answer from its rows and its leases. Only for the loop's thread."""

    def __init__(self) -> None:
        self._causes: dict[str, str] = {}
        self._said: str | None = None
        self._listener: OnLedgerState | None = None

    @property
    def cause(self) -> str | None:
        return next(iter(self._causes.values()), None)

    def say(self, what: str, cause: str | None) -> None:
        if cause is None:
            self._causes.pop(what, None)
        else:
            self._causes[what] = cause
        self._tell()

    def listen(self, listener: OnLedgerState, said: str | None) -> None:
        """Call `listener` from now on whenever the answer changes; it knows `said` already."""
        self._listener, self._said = listener, said
        self._tell()

    def _tell(self) -> None:
        cause = self.cause
        if self._listener is not None and cause != self._said:
            self._said = cause
            self._listener(cause is not None, cause or "")


class Claims:
    """Keep other engines from a run's accounts: files on this machine, and a lease in a ledger on PostgreSQL."""

    def __init__(self, db_url: str, journal: Path, clock: Clock, rng: random.Random, blocks: Blocks) -> None:
        """Claim nothing yet; the lock of the journal is held."""
        self.patient = False
        """Whether a database that does not answer only keeps pairs from opening, and is no error."""
        self._blocks = blocks
        self._locks = AccountLocks(journal, ())
        self._lease = None
        self._asking: list[asyncio.Task[None]] = []
        if sqlite_file(parse_url(db_url)) is None:
            from arb.store.ledger.lease import AccountLease, Holder  # loads the driver

            mine = Holder(
                f"{rng.getrandbits(NAME_BITS):016x}", place_of_lock(journal), socket.gethostname(), os.getpid()
            )
            loop = asyncio.get_running_loop()
            self._lease = AccountLease(
                db_url, mine, clock, lambda cause: call_soon(loop, lambda: blocks.say("lease", cause))
            )

    async def claim(self, account_ids: Iterable[str]) -> None:
        """Claim more accounts; raise `ConfigError` where another engine trades one.

        Raises `StoreError` where the database does not answer. If pairs wait for the run, nothing opens instead until
        it does.
        """
        asked = tuple(account_ids)
        self._locks.add(asked)
        if self._lease is None:
            return
        if self.patient and self._blocks.cause is not None:
            # Legs may be naked: they do not wait for the time-outs of a database that is known to be away.
            what = f"claim of {', '.join(asked)}"
            self._blocks.say(what, f"{what}: the database has not answered yet")
            self._asking.append(asyncio.create_task(self._claim_later(what, asked)))
            return
        try:
            await asyncio.to_thread(self._lease.take, asked)
        except StoreError:
            if not self.patient:
                raise

    async def _claim_later(self, what: str, asked: tuple[str, ...]) -> None:
        assert self._lease is not None
        try:
            with contextlib.suppress(StoreError):  # it keeps asking, and reports the answer itself
                await asyncio.to_thread(self._lease.take, asked)
            self._blocks.say(what, None)
        except ConfigError as refused:
            log.critical("%s; nothing opens in this run, and open pairs are finished", refused)
            self._blocks.say(what, str(refused))

    async def release(self) -> None:
        if self._lease is not None:
            await asyncio.gather(*self._asking)
            await asyncio.to_thread(self._lease.close)
        self._locks.release()
