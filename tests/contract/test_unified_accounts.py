"""Bitget's two kinds of account, over real sockets: the venue's own answer says which one a key belongs to."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import pytest

from arb.core.messages.events import CancelAnswered, OrderRejected
from arb.errors import VenueAuthError
from arb.market.order import Outcome, TimeInForce
from arb.venues.kit.gateway import VenueGateway
from tests.contract.conftest import Sandbox, still_sandbox
from tests.contract.gateway_bench import Bench, an_order, cancel_of, query
from tests.contract.stock_clients import SYMBOL


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[Sandbox]:
    """Start a sandbox whose accounts nobody else relies on."""
    with still_sandbox(seed=13) as sandbox:
        yield sandbox


@pytest.fixture
def bench(own_sandbox: Sandbox) -> Bench:
    convert(own_sandbox, "classic")
    return Bench("bitget", own_sandbox)


def convert(sandbox: Sandbox, mode: str) -> None:
    """Make the account one of the other kind, as its holder does on the venue's page."""
    assert sandbox.admin("POST", "/account", {"venue": "bitget", "mode": mode})["mode"] == mode


async def closed(gateway: VenueGateway) -> VenueGateway:
    try:
        await gateway.start()
    finally:
        await gateway.close()
    return gateway


@pytest.mark.parametrize("mode", ["classic", "unified"])
def test_a_start_learns_the_kind_of_account_and_the_account_keeps_its_name(bench: Bench, mode: str) -> None:
    name = asyncio.run(closed(bench.gateway())).account_id
    convert(bench.sandbox, mode)
    gateway = asyncio.run(closed(bench.gateway()))

    assert (gateway.mode, gateway.account_id) == (mode, name)
    assert gateway.expiry_proved is (False if mode == "unified" else None)
    assert SYMBOL in gateway.listed


def test_a_key_that_is_wrong_is_refused_as_such_whatever_the_kind_of_account(bench: Bench) -> None:
    for mode in ("classic", "unified"):
        convert(bench.sandbox, mode)
        with pytest.raises(VenueAuthError) as caught:
            asyncio.run(closed(bench.gateway(secret="wrong")))
        assert caught.value.code == "40009"


def test_an_account_that_is_converted_while_we_run_takes_nothing_more_and_each_start_learns_anew(bench: Bench) -> None:
    order = an_order("49000", "0.1", tif=TimeInForce.GTC)

    async def whole() -> list[str]:
        gateway = bench.gateway()
        modes: list[str] = []
        try:
            for mode in ("unified", "classic"):
                await gateway.start()
                modes.append(gateway.mode)
                await asyncio.to_thread(convert, bench.sandbox, mode)
                refused = await gateway.place(order)
                assert isinstance(refused, OrderRejected)
                assert refused.code == ("40085" if mode == "unified" else "40084")
            await gateway.start()
            modes.append(gateway.mode)
        finally:
            await gateway.close()
        return modes

    assert asyncio.run(whole()) == ["classic", "unified", "classic"]
    assert bench.orders(order.client_order_id) == []


def test_an_order_that_rested_before_is_found_and_cancelled_in_the_other_language(bench: Bench) -> None:
    order = an_order("49000", "0.1", tif=TimeInForce.GTC)
    bench.sandbox.admin(
        "POST", "/book", {"venue": "bitget", "symbol": SYMBOL, "bids": [["49990", "1"]], "asks": [["50000", "1"]]}
    )
    bench.run(lambda gateway: gateway.place(order))
    convert(bench.sandbox, "unified")

    async def story(gateway: VenueGateway) -> CancelAnswered:
        await gateway.start()
        found = await gateway.query_order(query(order))
        assert found.complete and found.report is not None
        assert (found.report.is_open, found.report.price) == (True, Decimal(49000))
        return await gateway.cancel(cancel_of(order))

    assert bench.run(story).outcome is Outcome.ACCEPTED


def test_the_sandbox_refuses_a_kind_of_account_that_there_is_not(own_sandbox: Sandbox) -> None:
    for venue, mode in (("bitget", "hybrid"), ("gate", "unified")):
        with pytest.raises(Exception, match="400"):
            own_sandbox.admin("POST", "/account", {"venue": venue, "mode": mode})
