"""Engines of several hosts that share a database on PostgreSQL: one of them trades an account."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from arb.clock import NS_PER_S, Clock, ManualClock, SystemClock
from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import NoReserve
from arb.store.journal.journal import Journal
from arb.store.ledger.lease import LEASE_S, STALE_S, AccountLease, Holder, Pace
from arb.store.ledger.ledger import prepare_ledger
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.projector import require_journal
from tests.support.pooler import Pooler
from tests.support.postgres_proxy import PostgresProxy
from tests.unit.store.conftest import a_journal, query

QUICK = Pace(renew_s=0.2, retry_s=0.1, exchange_s=3.0, linger_s=0.6)
PATIENT = QUICK._replace(linger_s=60.0)
WAIT_S = 60.0
NOW = "(extract(epoch FROM clock_timestamp()) * 1000000000)::bigint"
OF_BOTH = "kernel-1:8:15"


def host(number: int, place: str | None = None) -> Holder:
    return Holder(f"run-{number}", place, f"host-{number}", 1000 + number)


class Told:
    """Hears why accounts are not held, and lets a test wait for it."""

    def __init__(self) -> None:
        self.causes: list[str | None] = []
        self._changed = threading.Condition()

    def __call__(self, cause: str | None) -> None:
        with self._changed:
            self.causes.append(cause)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[list[str | None]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: wanted(self.causes), WAIT_S), self.causes


Open = Callable[..., tuple[AccountLease, Told]]


@pytest.fixture
def url(postgres_url: str) -> str:
    """Return a database with the ledger's tables."""
    upgrade(postgres_url)
    return postgres_url


@pytest.fixture
def lease_of() -> Iterator[Open]:
    """Return what makes leases that end with the test."""
    made: list[AccountLease] = []

    def make(url: str, mine: Holder, *, clock: Clock | None = None, pace: Pace = QUICK) -> tuple[AccountLease, Told]:
        told = Told()
        made.append(AccountLease(url, mine, clock or SystemClock(), told, pace))
        return made[-1], told

    yield make
    for lease in made:
        lease.close()


def admin(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def execute(url: str, sql: str) -> None:
    with closing(admin(url)) as connection:
        connection.execute(sql)


def leases(url: str) -> list[tuple[Any, ...]]:
    return query(url, "SELECT account_id, holder, host, pid FROM account_leases ORDER BY account_id")


def locks(url: str) -> int:
    return int(query(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")[0][0])


def left_by(url: str, holder: Holder, account: str = "gate-1", ago_s: float = 0) -> None:
    """Write the lease of an engine that was killed so long ago."""
    place = "NULL" if holder.place is None else f"'{holder.place}'"
    instant = f"{NOW} - {int(ago_s * NS_PER_S)}"
    execute(
        url,
        f"INSERT INTO account_leases VALUES ('{account}', '{holder.name}', {place}, '{holder.host}', {holder.pid},"
        f" {instant}, {instant})",
    )


def test_the_second_engine_is_refused_by_a_line_that_names_the_first(url: str, lease_of: Open) -> None:
    first, _ = lease_of(url, host(1))
    first.take(["gate-1"])
    second, _ = lease_of(url, host(2))
    with pytest.raises(ConfigError) as caught:
        second.take(["gate-1"])
    assert "account gate-1: already traded by process 1001 on host-1 since 20" in str(caught.value)
    assert "stop it first, or use another account" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert leases(url) == [("gate-1", "run-1", "host-1", 1001)]
    first.close()
    second.take(["okx-1"])
    assert leases(url) == [("okx-1", "run-2", "host-2", 1002)], "what was refused is not asked for again"


def test_a_start_with_another_journal_is_told_who_trades_with_the_ledger(
    url: str, lease_of: Open, tmp_path: Path
) -> None:
    journal = a_journal(tmp_path / "first.journal.sqlite")
    prepare_ledger(url, journal)
    journal.close()
    first, _ = lease_of(url, host(1))
    first.take(["gate-1"])
    with pytest.raises(ConfigError, match="already in use by process 1001 on host-1 since 20"):
        require_journal(url, tmp_path / "second.journal.sqlite")
    other = Journal.open(tmp_path / "second.journal.sqlite", SystemClock(), rng=random.Random(2), reserve=NoReserve())
    with closing(other) as second:
        with pytest.raises(ConfigError, match="already in use by process 1001 on host-1 since 20"):
            prepare_ledger(url, second)
        first.close()
        with pytest.raises(ConfigError, match="belongs to another journal"):
            prepare_ledger(url, second)


def test_an_engine_that_ended_in_order_leaves_nothing(url: str, lease_of: Open) -> None:
    first, _ = lease_of(url, host(1))
    first.take(["gate-1", "okx-1"])
    first.close()
    assert leases(url) == []
    second, _ = lease_of(url, host(2))
    second.take(["gate-1", "okx-1"])
    assert [row[1] for row in leases(url)] == ["run-2", "run-2"]


@pytest.mark.own_session
def test_who_is_refused_one_account_keeps_those_it_had_and_no_other(url: str, lease_of: Open) -> None:
    first, second, third = (lease_of(url, host(number))[0] for number in (1, 2, 3))
    first.take(["okx-1"])
    second.take(["bitget-1"])
    with pytest.raises(ConfigError, match="account okx-1"):
        second.take(["gate-1", "okx-1"])
    third.take(["gate-1"])
    assert [row[:2] for row in leases(url)] == [("bitget-1", "run-2"), ("gate-1", "run-3"), ("okx-1", "run-1")]
    assert locks(url) == 3


def test_an_engine_killed_on_another_host_is_waited_for_until_its_lease_ends(url: str, lease_of: Open) -> None:
    left_by(url, host(1))
    second, _ = lease_of(url, host(2))
    with pytest.raises(
        ConfigError, match=r"process 1001 on host-1 .*if that has died, start again in (\d+) s"
    ) as caught:
        second.take(["gate-1"])
    assert LEASE_S / 2 < int(str(caught.value).partition("again in ")[2].split()[0]) <= LEASE_S
    assert locks(url) == 0
    execute(url, f"UPDATE account_leases SET renewed_ns = renewed_ns - {LEASE_S * NS_PER_S}")
    second.take(["gate-1"])
    assert leases(url) == [("gate-1", "run-2", "host-2", 1002)]


def test_a_restart_on_the_same_journal_waits_for_nothing(url: str, lease_of: Open) -> None:
    left_by(url, host(1, OF_BOTH))
    again, _ = lease_of(url, host(2, OF_BOTH))
    again.take(["gate-1"])
    assert leases(url) == [("gate-1", "run-2", "host-2", 1002)]


def test_hosts_that_do_not_say_where_their_journal_is_do_not_count_as_the_same(url: str, lease_of: Open) -> None:
    left_by(url, host(1, None))
    with pytest.raises(ConfigError, match="process 1001 on host-1"):
        lease_of(url, host(2, None))[0].take(["gate-1"])


def lock_of(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """Return a session that holds the lock of gate-1, which an engine took in the meantime and left."""
    probe = AccountLease(url, host(9), SystemClock(), lambda _: None)
    probe.take(["gate-1"])
    [(klass, key)] = query(url, "SELECT classid::bigint, objid::bigint FROM pg_locks WHERE objsubid = 2")
    probe.close()
    session = admin(url)
    session.execute(f"SELECT pg_advisory_lock({klass}, {key})")
    return session


@pytest.mark.own_session
def test_a_restart_waits_for_the_end_of_the_session_of_the_process_before(url: str, lease_of: Open) -> None:
    session = lock_of(url)
    left_by(url, host(1, OF_BOTH))
    ends = threading.Timer(0.2, session.close)
    ends.start()
    again, _ = lease_of(url, host(2, OF_BOTH), pace=PATIENT)
    again.take(["gate-1"])
    assert leases(url) == [("gate-1", "run-2", "host-2", 1002)]


@pytest.mark.own_session
def test_a_session_that_does_not_end_is_no_other_engine_and_the_lease_is_taken_once_it_has(
    url: str, lease_of: Open
) -> None:
    with closing(lock_of(url)):
        left_by(url, host(1, OF_BOTH))
        again, told = lease_of(url, host(2, OF_BOTH))
        with pytest.raises(StoreError, match="process 1001 on host-1"):
            again.take(["gate-1"])
    told.wait_for(lambda causes: causes[-1:] == [None])
    assert leases(url) == [("gate-1", "run-2", "host-2", 1002)]


@pytest.mark.own_session
def test_an_engine_that_stands_still_keeps_its_account_while_its_session_stands(url: str, lease_of: Open) -> None:
    with closing(lock_of(url)):
        left_by(url, host(1), ago_s=LEASE_S + 1)
        with pytest.raises(ConfigError, match="account gate-1: already traded by process 1001 on host-1"):
            lease_of(url, host(2))[0].take(["gate-1"])


@pytest.mark.own_session
def test_another_schema_of_the_database_is_no_way_around(url: str, lease_of: Open) -> None:
    execute(url, "CREATE SCHEMA other")
    elsewhere = f"{url}&options=-csearch_path%3Dother"
    upgrade(elsewhere)
    lease_of(url, host(1))[0].take(["gate-1"])
    with pytest.raises(ConfigError, match="account gate-1: already traded by arb process 1001 on host-1 since 20"):
        lease_of(elsewhere, host(2))[0].take(["gate-1"])


@pytest.mark.own_session
def test_a_session_that_is_cut_is_noticed_and_made_anew_and_nobody_comes_in_between(url: str, lease_of: Open) -> None:
    first, told = lease_of(url, host(1))
    first.take(["gate-1"])
    execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'arb process%'")
    with pytest.raises(ConfigError, match="process 1001 on host-1"):
        lease_of(url, host(2))[0].take(["gate-1"])
    told.wait_for(lambda causes: len(causes) >= 2)
    assert "terminating connection" in str(told.causes[0])
    assert told.causes[1] is None
    assert locks(url) == 1


@pytest.mark.thorough
def test_a_lease_that_another_has_taken_is_not_taken_back_and_is_held_again_when_that_has_ended(
    url: str, lease_of: Open
) -> None:
    with closing(PostgresProxy(url)) as proxy:
        first, told = lease_of(proxy.url, host(1))
        first.take(["gate-1"])
        proxy.silent.set()
        told.wait_for(lambda causes: len(causes) >= 1)
        proxy.cut()
        execute(url, f"UPDATE account_leases SET renewed_ns = renewed_ns - {LEASE_S * NS_PER_S}")
        second, _ = lease_of(url, host(2))
        _take_until_free(second)
        proxy.silent.clear()
        told.wait_for(lambda causes: "already traded by process 1002 on host-2" in str(causes[-1]))
        second.close()
        told.wait_for(lambda causes: causes[-1] is None)
        assert leases(url) == [("gate-1", "run-1", "host-1", 1001)]


def _take_until_free(lease: AccountLease) -> None:
    """Take gate-1 as soon as the server has ended the session that was cut."""
    for _ in range(600):
        with suppress(ConfigError):
            return lease.take(["gate-1"])
        threading.Event().wait(0.05)
    raise AssertionError("the session that was cut does not end")


def test_a_row_that_somebody_deleted_is_written_again(url: str, lease_of: Open) -> None:
    first, _ = lease_of(url, host(1))
    first.take(["gate-1"])
    execute(url, "DELETE FROM account_leases")
    for _ in range(600):
        if leases(url):
            break
        threading.Event().wait(0.05)
    assert leases(url) == [("gate-1", "run-1", "host-1", 1001)]


@pytest.mark.thorough
def test_a_server_that_stands_still_holds_up_neither_the_report_nor_the_end(url: str, lease_of: Open) -> None:
    with closing(PostgresProxy(url)) as proxy:
        first, told = lease_of(proxy.url, host(1))
        first.take(["gate-1"])
        proxy.silent.set()
        told.wait_for(lambda causes: len(causes) >= 1)
        proxy.cut()
        proxy.silent.clear()
        told.wait_for(lambda causes: causes[-1] is None)
        proxy.silent.set()
        first.close()


@pytest.mark.thorough
def test_a_database_that_is_away_at_the_start_is_asked_again_until_it_answers(url: str, lease_of: Open) -> None:
    with closing(PostgresProxy(url)) as proxy:
        first, told = lease_of(proxy.url.replace("/test", "/no_such_test"), host(1))
        with pytest.raises(StoreError, match="does not exist"):
            first.take(["gate-1"])
        name = proxy.url.partition("/test")[2].partition("?")[0]
        execute(url, f"CREATE DATABASE no_such_test{name}")
        upgrade(proxy.url.replace("/test", "/no_such_test"))
        told.wait_for(lambda causes: causes[-1:] == [None])
        first.close()
        execute(url, f"DROP DATABASE no_such_test{name} WITH (FORCE)")


def test_behind_a_pooler_no_lock_is_taken_and_the_lease_alone_counts(url: str, lease_of: Open) -> None:
    with closing(PostgresProxy(url, pooled=True)) as proxy:
        first, _ = lease_of(proxy.url, host(1))
        first.take(["gate-1"])
        assert locks(url) == 0
        with pytest.raises(ConfigError, match="process 1001 on host-1"):
            lease_of(proxy.url, host(2))[0].take(["gate-1"])
        with pytest.raises(ConfigError, match="process 1001 on host-1"):
            lease_of(url, host(3))[0].take(["gate-1"])
        first.close()
        lease_of(proxy.url, host(2))[0].take(["gate-1"])
        assert leases(url) == [("gate-1", "run-2", "host-2", 1002)]


def test_a_machine_that_was_suspended_counts_its_lease_as_lost_until_it_is_renewed(url: str, lease_of: Open) -> None:
    clock = ManualClock(1)
    first, told = lease_of(url, host(1), clock=clock)
    first.take(["gate-1"])
    clock.advance((STALE_S + 1) * NS_PER_S)
    told.wait_for(lambda causes: len(causes) >= 2)
    assert "could not be renewed in time" in str(told.causes[0])
    assert told.causes[1] is None


class Broken(SystemClock):
    """A clock that cannot be read while it is broken: a fault that nobody foresaw."""

    broken = False

    def monotonic_ns(self) -> int:
        if self.broken:
            raise RuntimeError("no time")
        return super().monotonic_ns()


def test_a_fault_that_nobody_foresaw_is_reported_and_ends_no_thread(url: str, lease_of: Open) -> None:
    clock = Broken()
    first, told = lease_of(url, host(1), clock=clock)
    first.take(["gate-1"])
    clock.broken = True
    told.wait_for(lambda causes: "RuntimeError: no time" in str(causes[-1:]))
    clock.broken = False
    told.wait_for(lambda causes: causes[-1] is None)


def test_a_hosts_clock_that_is_years_off_makes_no_lease_longer_or_shorter(url: str, lease_of: Open) -> None:
    lease_of(url, host(1), clock=ManualClock(1))[0].take(["gate-1"])
    [(ahead_s,)] = query(url, f"SELECT abs({NOW} - renewed_ns) / 1000000000 FROM account_leases")
    assert ahead_s < LEASE_S
    with pytest.raises(ConfigError, match="process 1001 on host-1"):
        lease_of(url, host(2), clock=ManualClock(2**62))[0].take(["gate-1"])


def test_leases_of_sandboxes_that_are_gone_do_not_stay(url: str, lease_of: Open) -> None:
    left_by(url, host(1), "gate-sb-1", ago_s=90_000)
    left_by(url, host(1), "gate-sb-2", ago_s=80_000)
    lease_of(url, host(2))[0].take(["gate-sb-3"])
    assert [row[0] for row in leases(url)] == ["gate-sb-2", "gate-sb-3"]


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["server", "pooler"])
def test_a_session_that_may_be_idle_for_less_than_the_pace_of_renewals_loses_nothing(
    place: str, url: str, lease_of: Open
) -> None:
    with ExitStack() as stack:
        if place == "pooler":
            pooler = stack.enter_context(closing(Pooler(url, idle_s=0.4)))
            first, told = lease_of(pooler.url, host(1), pace=Pace(renew_s=1))
        else:
            execute(url, "ALTER ROLE postgres SET idle_session_timeout = 400")
            stack.callback(execute, url, "ALTER ROLE postgres RESET idle_session_timeout")
            first, told = lease_of(url, host(1), pace=Pace(renew_s=1))
        first.take(["gate-1"])
        time.sleep(3)  # real time: that of the server, or of the pooler
        assert told.causes == []
        with pytest.raises(ConfigError, match="process 1001 on host-1"):
            lease_of(url, host(2))[0].take(["gate-1"])
