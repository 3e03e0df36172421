"""Whose accounts a run is on, by what its gateways say and what its journal remembers."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_S
from arb.core.events import RunStarted
from arb.core.records import AgreedAccount, AgreedRecord, FormerAccountsRecord, PairState
from arb.live.accounts import present_accounts, restored_on
from arb.live.node import restored_from
from arb.store.journal import Journal
from arb.store.retention import drop_story
from tests.unit.live.test_executor import FakeGateway
from tests.unit.store.rows import T0, a_fill, a_finished_pair, a_pair, a_plan, an_event, an_order, keep
from tests.virtual import a_clock

OLD, OTHER, OWN = "gate-0123456789ab", "gate-ba9876543210", "gate-uid-53"


def a_gateway(account_id: str, *former: str) -> FakeGateway:
    """Return a started gateway to one account."""
    gateway = FakeGateway("gate", [])
    gateway.account_id, gateway.former_ids = account_id, former
    return gateway


@pytest.fixture
def journal() -> Iterator[Journal]:
    made = Journal.in_memory(a_clock(), random.Random(1))
    yield made
    made.close()


def test_without_its_alias_what_an_earlier_version_left_is_another_accounts(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=OLD), a_pair(1)))
    state = restored_on(journal, [a_gateway(OWN)])
    [pair] = restored_from(state).pairs
    assert {order.account_id for order in pair.orders} == {OLD}


def test_what_an_earlier_version_left_is_taken_for_the_accounts_own(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=OLD), a_fill(1, account_id=OLD), a_pair(1)))
    gateway = a_gateway(OWN, OLD)
    state = restored_on(journal, [gateway])
    assert (state.former_accounts, state.remembered_accounts) == ({OLD: OWN}, {})
    assert present_accounts({"gate": gateway}, state) == {"gate": OWN}
    [pair] = restored_from(state).pairs
    assert {order.account_id for order in pair.orders} == {fill.account_id for fill in pair.fills} == {OWN}
    assert pair.pair.state is PairState.OPENING


def test_a_journal_remembers_former_names_for_a_second_change_of_keys(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=OLD), a_pair(1)))
    journal.append(an_event(2), keep(2, FormerAccountsRecord(present={OLD: OWN})))
    state = restored_on(journal, [a_gateway(OWN, OTHER)])
    assert state.former_accounts == {OLD: OWN, OTHER: OWN}
    restored = restored_from(state)
    assert {order.account_id for order in restored.pairs[0].orders} == {OWN}
    assert restored.former_accounts == {OLD: OWN}


def test_a_venue_that_does_not_tell_its_id_today_has_the_account_it_had_under_the_same_key(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, FormerAccountsRecord(present={OLD: OWN})))
    silent = a_gateway(OLD)
    assert present_accounts({"gate": silent}, restored_on(journal, [silent])) == {"gate": OWN}


def test_the_journal_is_read_back_to_what_was_agreed_under_a_former_name(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    agreed = AgreedRecord(accounts=(AgreedAccount(OLD, T0, {}),))
    journal.append(msgspec.structs.replace(an_event(2), t_ns=T0 + 600 * NS_PER_S), keep(2, agreed))
    assert restored_on(journal, [a_gateway(OWN, OLD)]).recent.known
    assert not restored_on(journal, [a_gateway(OWN, OTHER)]).recent.known


def test_former_names_outlive_the_story_they_were_told_in(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    journal = Journal.open(path, a_clock(), rng=random.Random(1))
    journal.append(an_event(1), keep(1, FormerAccountsRecord(present={"gate-x": OWN})))
    journal.append(an_event(2), keep(2, FormerAccountsRecord(present={OLD: OWN})))
    journal.append(an_event(3), ())
    journal.close()
    drop_story(path, T0 + 10**18)
    journal = Journal.open(path, a_clock(), rng=random.Random(1))
    assert journal.restore().remembered_accounts == {OLD: OWN}
    journal.close()


def test_a_start_that_an_earlier_version_journalled_can_still_be_read() -> None:
    started = RunStarted(
        run_id=3, nonce=4, mode="live", sandbox_id=None, account_ids={"gate": OLD}, seed=None, version="0"
    )
    told = msgspec.to_builtins(started)
    del told["former_account_ids"]
    assert msgspec.convert(told, RunStarted) == started
