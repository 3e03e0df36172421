"""The claims of a run on its accounts, and how what its rows and its leases say becomes one answer."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arb.app.claims import Blocks, Claims
from arb.clock import SystemClock
from arb.errors import ConfigError, StoreError
from arb.store.journal.guards import InstanceLock
from arb.store.ledger.lease import AccountLease, Holder
from arb.store.ledger.migrate import upgrade
from tests.support.postgres_proxy import PostgresProxy

CONNECT_TIMEOUT_S = 5.0
AWAY = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def heard() -> list[tuple[bool, str]]:
    return []


@pytest.fixture
def blocks(heard: list[tuple[bool, str]]) -> Blocks:
    blocks = Blocks()
    blocks.listen(lambda blocked, cause: heard.append((blocked, cause)), None)
    return blocks


def test_rows_that_are_taken_again_lift_nothing_while_the_accounts_are_not_held(
    blocks: Blocks, heard: list[tuple[bool, str]]
) -> None:
    blocks.say("rows", "locked")
    blocks.say("lease", "cut")
    blocks.say("rows", None)
    assert heard == [(True, "locked"), (True, "cut")]
    blocks.say("lease", None)
    assert heard[2:] == [(False, "")]


def test_accounts_that_are_held_again_lift_nothing_while_rows_are_not_taken(
    blocks: Blocks, heard: list[tuple[bool, str]]
) -> None:
    blocks.say("lease", "cut")
    blocks.say("rows", "locked")
    blocks.say("lease", None)
    assert blocks.cause == "locked"
    assert heard[-1] == (True, "locked")


def test_a_listener_hears_what_has_changed_since_it_was_told() -> None:
    blocks, heard = Blocks(), list[tuple[bool, str]]()
    blocks.say("lease", "cut")
    blocks.say("lease", None)
    blocks.listen(lambda blocked, cause: heard.append((blocked, cause)), "cut")
    assert heard == [(False, "")]


def test_the_same_said_twice_is_told_once(blocks: Blocks, heard: list[tuple[bool, str]]) -> None:
    for _ in range(2):
        blocks.say("lease", "cut")
    assert heard == [(True, "cut")]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Path]:
    """Return a journal that is locked, as that of a run is."""
    path = tmp_path / "a.journal.sqlite"
    lock = InstanceLock(path)
    yield path
    lock.release()


def claim(db_url: str, journal: Path, blocks: Blocks, *accounts: str, patient: bool = False) -> str | None:
    """Claim accounts and let go of them; return why nothing could open meanwhile."""

    async def scenario() -> str | None:
        claims = Claims(db_url, journal, SystemClock(), random.Random(1), blocks)
        claims.patient = patient
        try:
            await claims.claim(accounts)
            return blocks.cause
        finally:
            await claims.release()

    return asyncio.run(scenario())


def test_where_nothing_waits_for_the_run_a_database_that_is_away_ends_the_start(journal: Path, blocks: Blocks) -> None:
    with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
        claim(AWAY, journal, blocks, "gate-test-claims")


def test_where_pairs_wait_it_keeps_new_ones_from_opening(journal: Path, blocks: Blocks) -> None:
    assert "127.0.0.1" in str(claim(AWAY, journal, blocks, "gate-test-claims", patient=True))


@pytest.mark.thorough
def test_where_pairs_wait_and_the_database_is_known_to_be_away_nobody_waits_for_it(
    postgres_url: str, journal: Path, blocks: Blocks
) -> None:
    upgrade(postgres_url)
    with closing(PostgresProxy(postgres_url)) as proxy:
        proxy.silent.set()
        blocks.say("rows", "away")

        async def scenario() -> None:
            claims = Claims(proxy.url, journal, SystemClock(), random.Random(1), blocks)
            claims.patient = True
            async with asyncio.timeout(CONNECT_TIMEOUT_S / 2):
                await claims.claim(["gate-test-claims"])
            blocks.say("rows", None)
            assert "has not answered yet" in str(blocks.cause), "rows that are taken again say nothing of accounts"
            proxy.cut()
            proxy.silent.clear()
            free = asyncio.Event()
            blocks.listen(lambda blocked, _: None if blocked else free.set(), "")
            await free.wait()
            await claims.release()

        asyncio.run(scenario())


def test_what_another_trades_when_the_database_comes_back_stays_shut(
    postgres_url: str, journal: Path, blocks: Blocks
) -> None:
    upgrade(postgres_url)
    other = AccountLease(postgres_url, Holder("run-1", None, "elsewhere", 7), SystemClock(), lambda _: None)
    other.take(["gate-test-claims"])

    async def scenario() -> None:
        blocks.say("rows", "away")
        claims = Claims(postgres_url, journal, SystemClock(), random.Random(1), blocks)
        claims.patient = True
        await claims.claim(["gate-test-claims"])
        blocks.say("rows", None)
        await claims.release()

    asyncio.run(scenario())
    other.close()
    assert "already traded by process 7 on elsewhere" in str(blocks.cause)


def test_an_account_that_another_trades_is_refused_however_patient_the_run(
    postgres_url: str, journal: Path, blocks: Blocks
) -> None:
    upgrade(postgres_url)
    other = AccountLease(postgres_url, Holder("run-1", None, "elsewhere", 7), SystemClock(), lambda _: None)
    other.take(["gate-test-claims"])
    try:
        with pytest.raises(ConfigError, match="gate-test-claims: already traded by process 7 on elsewhere"):
            claim(postgres_url, journal, blocks, "gate-test-claims", patient=True)
    finally:
        other.close()
    assert claim(postgres_url, journal, blocks, "gate-test-claims") is None


def test_a_ledger_in_a_file_needs_the_locks_of_this_machine_alone(journal: Path, blocks: Blocks) -> None:
    assert claim(f"sqlite:///{journal.parent}/a.sqlite", journal, blocks, "gate-test-claims") is None
    assert not (journal.parent / "a.sqlite").exists()
