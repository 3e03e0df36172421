"""Whose account it is, over real sockets: another key of the account is the same one, and the old key opens nothing."""

import asyncio
from collections.abc import Iterator

import pytest

from arb.errors import VenueAuthError
from arb.market.ids import sandbox_of
from arb.venues.kit.gateway import VenueGateway
from tests.contract.conftest import Sandbox, still_sandbox
from tests.contract.gateway_bench import Bench
from tests.contract.stock_clients import VENUES


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[Sandbox]:
    """Start a sandbox whose keys nobody else relies on."""
    with still_sandbox(seed=12) as sandbox:
        yield sandbox


async def started(gateway: VenueGateway) -> tuple[str, tuple[str, ...]]:
    """Start a gateway, and return what it calls its account and what that was called before."""
    try:
        await gateway.start()
        return gateway.account_id, gateway.former_ids
    finally:
        await gateway.close()


@pytest.mark.parametrize("venue", VENUES)
def test_another_key_of_an_account_is_the_same_account_and_the_one_before_is_refused(
    venue: str, own_sandbox: Sandbox
) -> None:
    old = Bench(venue, own_sandbox)
    by_first_key = old.gateway().account_id
    account_id, former = asyncio.run(started(old.gateway()))
    assert former == (by_first_key,)
    assert sandbox_of(account_id) == sandbox_of(by_first_key) == own_sandbox.info["sandbox_id"]

    own_sandbox.admin("POST", "/key", {"venue": venue})
    with pytest.raises(VenueAuthError):
        asyncio.run(started(old.gateway()))

    new = Bench(venue, Sandbox(own_sandbox.admin("GET", "/venues")))
    by_second_key = new.gateway().account_id
    assert by_second_key != by_first_key
    assert asyncio.run(started(new.gateway())) == (account_id, (by_second_key,))


def test_accounts_of_two_venues_are_never_called_alike(own_sandbox: Sandbox) -> None:
    info = own_sandbox.admin("GET", "/venues")
    names = [asyncio.run(started(Bench(venue, Sandbox(info)).gateway()))[0] for venue in VENUES]
    assert len(set(names)) == len(VENUES)
