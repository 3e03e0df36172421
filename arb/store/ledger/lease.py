"""Who trades an account, where engines of several hosts share a database: a lock and a lease, both on PostgreSQL.

The files of `guards.py` keep two engines of one machine from trading one account. Containers and other hosts do not see
them, but where the ledger is on PostgreSQL they meet in its database. An engine trades an account while it has two
things:

- An *advisory lock* of the account's number, held by a separate session (PostgreSQL manual, 13.3.5). It holds over all
  schemas of the database, and while an engine is stopped (SIGSTOP) with its connection up. The server ends the session as
  soon as the process ends, after `kill -9`, too; that of a host that vanished after some 15 s (keepalives).
- A *lease*: a row that names the holder of the account, renewed every 3 s, which ends `LEASE_S` after the last renewal. It is
  there because a session can be lost while its engine lives and has pairs to finish, and because behind a pooler in
  transaction mode (pgbouncer) sessions are shared: a lock taken there is shared by others and outlives the engine. So
  no lock is taken behind a pooler, and only the lease counts. Its times are by the database's clock, not by the hosts'.

Who finds an account's lease running is refused at once, except in one case: the holder's journal has the very lock file
that we hold (the same file by the same kernel), so the holder has ended, and a restart after `kill -9` waits for
nothing but the end of its session. From anywhere else a holder that died is waited for: `LEASE_S` at most.

An interruption of the lease is reported within seconds, long before it ends for others, and nothing may open until it
is held again; nothing here ends a pair. All of this happens in a separate thread, and no exchange lasts longer than 5
s.
"""

import contextlib
import hashlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from arb.clock import NS_PER_S, Clock
from arb.errors import ArbError, ConfigError, StoreError
from arb.masking import clean
from arb.store.ledger.database import driver_error, mask_url, opened, postgres_arguments

log = logging.getLogger(__name__)

LEASE_S = 30
TICK_S = 0.25
STALE_S = 10
"""After so long without a renewal (the machine was suspended) the lease counts as lost: long before it ends for others."""
FORGET_S = 86_400
_CLASS = 0x617262
"""The first half of our locks' keys, by which they differ from those of other programs, and from that of upgrades."""
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000000)::bigint"
_COLUMNS = f"holder, place, host, pid, acquired_ns, renewed_ns, {_NOW}"

OnLease = Callable[[str | None], None]
"""Called from the lease's thread with why accounts are not held, or None once they are, whenever that changes."""


class Pace(NamedTuple):
    """How often a lease is renewed, how soon it is tried again, how long an exchange with the database may take, and for how
    long a start waits for the server to end the session of a process that is known to have died; all in s."""

    renew_s: float = 3
    retry_s: float = 1
    exchange_s: float = 5
    linger_s: float = 5


USUAL = Pace()


class Holder(NamedTuple):
    """Who holds an account; `place` names the lock file of its journal, as its kernel does, where that is known."""

    name: str
    place: str | None
    host: str
    pid: int


class Lease(NamedTuple):
    holder: Holder
    acquired_ns: int
    renewed_ns: int
    now_ns: int

    @property
    def left_s(self) -> int:
        """Return for how many seconds it lasts without another renewal, 0 where it has ended."""
        return max(0, -((self.now_ns - self.renewed_ns - LEASE_S * NS_PER_S) // NS_PER_S))

    def has_died(self, mine: Holder) -> bool:
        """Return whether its holder is known to have ended: an earlier process on the lock file that we hold."""
        return self.holder.place is not None and self.holder.place == mine.place and self.holder.name != mine.name

    def is_free(self, mine: Holder) -> bool:
        """Return whether we may take it, or have it already."""
        return self.holder.name == mine.name or self.has_died(mine) or not self.left_s

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.acquired_ns // NS_PER_S, UTC)
        return f"process {self.holder.pid} on {clean(self.holder.host)} since {since:%Y-%m-%d %H:%M:%S} UTC"


class HeldElsewhere(ConfigError):
    def __init__(self, account_id: str, by: str) -> None:
        super().__init__(f"account {account_id}: already traded by {by}; stop it first, or use another account")
        self.account_id = account_id


class AccountLease:
    """Holds accounts in a PostgreSQL database from the first `take` until `close`. Every method may wait for the database."""

    def __init__(self, db_url: str, mine: Holder, clock: Clock, on_change: OnLease, pace: Pace = USUAL) -> None:
        self._db_url = db_url
        self._mine = mine
        self._clock = clock
        self._on_change = on_change
        self._pace = pace
        self._turn = threading.Lock()  # guards the session and the fields below
        self._session: _Session | None = None
        self._wanted: set[str] = set()
        self._held: set[str] = set()
        self._confirmed_ns = self._due_ns = 0
        self._cause: str | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def take(self, account_ids: Iterable[str]) -> None:
        """Take more accounts, all or none of them.

        Raises `ConfigError` when another engine holds one. Raises `StoreError` when the database does not confirm it:
        they are then asked for again and again, and count as not held until they are.
        """
        with self._turn:
            added = set(account_ids) - self._wanted
            self._wanted |= added
            try:
                self._hold(self._pace.linger_s)
            except HeldElsewhere as refused:
                if refused.account_id in added:
                    self._wanted -= added
                    raise
                self._report(str(refused))
            except StoreError as error:
                self._report(str(error))
                raise
            finally:
                if self._wanted and not self._thread.is_alive():
                    self._thread.start()

    def close(self) -> None:
        """Release the accounts. Where the database does not answer, they are free as soon as the lease has ended."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._turn, contextlib.suppress(StoreError):
            if self._session is not None:
                with self._exchange() as connection:
                    connection.execute("DELETE FROM account_leases WHERE holder = %s", [self._mine.name])
        self._drop()

    def _run(self) -> None:
        while not self._end.wait(TICK_S):
            try:
                self._keep()
            except Exception as error:  # the top of a thread: trading must learn of any error
                self._report(str(error) if isinstance(error, ArbError) else f"{type(error).__name__}: {error}")

    def _keep(self) -> None:
        now_ns, session = self._clock.monotonic_ns(), self._session
        if self._cause is None and now_ns - self._confirmed_ns > STALE_S * NS_PER_S:
            self._report(f"ledger {mask_url(self._db_url)}: the lease could not be renewed in time")
        elif now_ns < self._due_ns and (session is None or not session.has_ended()):
            return
        self._due_ns = now_ns + int(self._pace.retry_s * NS_PER_S)
        with self._turn:
            if session is not None and session.pooled and session.has_ended():
                # The pooler ended an idle connection: no locks were held on it, and the lease's rows are still valid.
                self._session = None
                session.close()
            self._renew()
            self._hold(0)
            self._report(None)
        self._due_ns = now_ns + int(self._pace.renew_s * NS_PER_S)

    def _report(self, cause: str | None) -> None:
        cause = cause and f"accounts are not held: {cause}"
        changed, self._cause = self._cause != cause, cause
        if not changed:
            return
        if cause is not None:
            log.error("%s; nothing opens until they are", cause)
        else:
            log.warning("the accounts are held again")
        self._on_change(cause)

    def _renew(self) -> None:
        """Renew the held accounts; where a row was changed by others, all are to be taken again."""
        if not self._held:
            return
        asked_ns = self._clock.monotonic_ns()
        with self._exchange() as connection:
            renewed = connection.execute(
                f"UPDATE account_leases SET renewed_ns = {_NOW} WHERE holder = %s AND account_id = ANY(%s)",
                [self._mine.name, sorted(self._held)],
            )
        if renewed.rowcount != len(self._held):
            self._drop()
        else:
            self._confirmed_ns = asked_ns

    def _hold(self, linger_s: float) -> None:
        """Take the wanted accounts that are not held; raise `HeldElsewhere` or `StoreError`, with nothing more held
        than before.

        The session of a predecessor that died is waited for, for at most `linger_s`.
        """
        missing = sorted(self._wanted - self._held)
        if not missing:
            return
        until_ns = self._clock.monotonic_ns() + int(linger_s * NS_PER_S)
        while True:
            asked_ns = self._clock.monotonic_ns()
            try:
                self._take(missing)
                break
            except _Lingers:
                if asked_ns >= until_ns or self._end.wait(TICK_S):
                    raise
        self._confirmed_ns = asked_ns if not self._held else min(asked_ns, self._confirmed_ns)
        self._held |= set(missing)

    def _take(self, account_ids: list[str]) -> None:
        session = self._connected()
        locked: list[str] = []
        try:
            with self._exchange() as connection:
                # An embedded sandbox has new accounts at each start: those of killed runs would stay for ever.
                connection.execute(
                    "DELETE FROM account_leases WHERE account_id IN (SELECT account_id FROM account_leases"
                    f" WHERE renewed_ns < {_NOW} - %s FOR UPDATE SKIP LOCKED)",
                    [FORGET_S * NS_PER_S],
                )
                for account_id in account_ids:
                    self._take_one(connection, session, account_id, locked)
        except (HeldElsewhere, _Lingers):
            with contextlib.suppress(StoreError), self._exchange() as connection:
                for account_id in locked:  # the end of a transaction does not
                    connection.execute("SELECT pg_advisory_unlock(%s, %s)", [_CLASS, _key(account_id)])
            raise

    def _take_one(self, connection: Any, session: "_Session", account_id: str, locked: list[str]) -> None:
        mine = self._mine
        made = connection.execute(
            "INSERT INTO account_leases (account_id, holder, place, host, pid, acquired_ns, renewed_ns)"
            f" VALUES (%s, %s, %s, %s, %s, {_NOW}, {_NOW}) ON CONFLICT (account_id) DO NOTHING",
            [account_id, *mine],
        )
        found = f"SELECT {_COLUMNS} FROM account_leases WHERE account_id = %s FOR UPDATE"
        row = connection.execute(found, [account_id]).fetchone()
        if row is None:
            raise _Lingers(f"ledger {mask_url(self._db_url)}: the lease of {account_id} was given up just now")
        lease = Lease(Holder(*row[:4]), *row[4:])
        if not session.pooled:
            key = [_CLASS, _key(account_id)]
            if not connection.execute("SELECT pg_try_advisory_lock(%s, %s)", key).fetchone()[0]:
                if made.rowcount:  # no lease, and yet a lock: it is in another schema of the database
                    raise HeldElsewhere(account_id, _locker(connection, account_id))
                if lease.has_died(mine) or lease.holder == mine:
                    raise _Lingers(f"ledger {mask_url(self._db_url)}: has not yet ended the session of {lease}")
                raise HeldElsewhere(account_id, str(lease))
            locked.append(account_id)
        if not lease.is_free(mine):
            raise HeldElsewhere(account_id, f"{lease} (if that has died, start again in {lease.left_s} s)")
        acquired = "acquired_ns" if lease.holder == mine else _NOW
        connection.execute(
            f"UPDATE account_leases SET holder = %s, place = %s, host = %s, pid = %s, acquired_ns = {acquired},"
            f" renewed_ns = {_NOW} WHERE account_id = %s",
            [*mine, account_id],
        )

    def _connected(self) -> "_Session":
        if self._session is None:
            try:
                self._session = _Session(self._db_url, self._mine, self._pace.exchange_s)
            except psycopg.Error as error:
                raise driver_error(self._db_url, error) from None
        return self._session

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[psycopg.Connection[Any]]:
        """Run one transaction; where the database fails, the session and with it all locks are given up."""
        try:
            with self._connected().transaction() as connection:
                yield connection
        except psycopg.Error as error:
            self._drop()
            raise driver_error(self._db_url, error) from None

    def _drop(self) -> None:
        self._held.clear()
        if self._session is not None:
            self._session.close()
        self._session = None


class _Lingers(StoreError):
    """It is over in a moment: the lock of an ended process, or of our own broken session, or a lease."""


class _Session:
    """A separate connection, every exchange with which ends within `exchange_s`."""

    def __init__(self, db_url: str, mine: Holder, exchange_s: float) -> None:
        """Connect, which takes at most the time-out of the connection's arguments; raise `psycopg.Error`."""
        self._exchange_s = exchange_s
        named = f"arb process {mine.pid} on {mine.host}"
        arguments = postgres_arguments(db_url) | {"application_name": named}
        self._connection: psycopg.Connection[Any] = psycopg.connect(**arguments, autocommit=True)
        # A second descriptor of the same socket: to break it off from another thread, and never one of another connection's.
        self._socket = socket.socket(fileno=os.dup(self._connection.fileno()))
        self.pooled = False
        try:
            with self.transaction() as connection:
                reported = connection.execute("SELECT pg_backend_pid()").fetchone()
                # A pooler invents the server process it reports to its clients, which is only for cancelling.
                self.pooled = reported is None or reported[0] != connection.info.backend_pid
                if not self.pooled:
                    connection.execute(
                        "SELECT set_config('tcp_keepalives_idle', '5', false),"
                        " set_config('tcp_keepalives_interval', '3', false), set_config('tcp_keepalives_count', '3', false)"
                    )
                    # A role may end sessions that are idle for less than the time between two renewals.
                    connection.execute(
                        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
                    )
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        # A stalled server answers nothing, not even that a statement has timed out.
        breaker = threading.Timer(self._exchange_s, self._break_off)
        breaker.daemon = True
        breaker.start()
        try:
            with self._connection.transaction():
                self._connection.execute(f"SET LOCAL lock_timeout = {int(self._exchange_s * 500)}")
                yield self._connection
        finally:
            breaker.cancel()

    def has_ended(self) -> bool:
        """Return whether the server has sent something unasked: as a rule, that the session is over."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:  # closed just now
            return True
        return True

    def close(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._connection.close()
        self._socket.close()

    def _break_off(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def running_lease(db_url: str) -> Lease | None:
    """Return a lease in this ledger that has not ended, if there is one and the database answers."""
    with opened(db_url) as engine, contextlib.suppress(DBAPIError), engine.connect() as connection:
        rows = connection.execute(text(f"SELECT {_COLUMNS} FROM account_leases ORDER BY renewed_ns DESC")).all()
        return next((lease for row in rows if (lease := Lease(Holder(*row[:4]), *row[4:])).left_s), None)
    return None


def _key(account_id: str) -> int:
    """Return the second half of an account's key: 31 bits, so that the server's own views show it as it is."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:4]) >> 1


def _locker(connection: Any, account_id: str) -> str:
    """Return who holds the lock of an account whose lease we do not see: another schema of the database has it."""
    found = connection.execute(
        "SELECT activity.application_name, to_char(activity.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
        " FROM pg_locks AS held JOIN pg_stat_activity AS activity ON activity.pid = held.pid"
        " WHERE held.locktype = 'advisory' AND held.granted AND held.classid = %s AND held.objid = %s AND held.objsubid = 2"
        " AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        [_CLASS, _key(account_id)],
    ).fetchone()
    return "another engine" if found is None else f"{clean(found[0] or 'another engine')} since {found[1]} UTC"
