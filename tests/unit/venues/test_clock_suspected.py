"""A venue that says that a request was out of time is heard: whoever keeps its clock is woken."""

import asyncio
from typing import Any

import pytest

from arb.core.messages.commands import CancelOrder
from arb.errors import VenueRejected
from tests.unit.venues.kit.test_gateway import DONE, Bench
from tests.virtual import run_virtual

LATE: Any = (403, b'{"label":"REQUEST_EXPIRED","message":"request arrived after X-Gate-Exptime"}', {})
NO_FUNDS: Any = (400, b'{"label":"BALANCE_NOT_ENOUGH","message":"x"}', {})
CANCEL = CancelOrder(cause=1, venue="gate", symbol="BTC/USDT", client_order_id="arb1", venue_order_id="7")


async def doubted(bench: Bench) -> bool:
    """Return whether the clock is in doubt now."""
    try:
        await asyncio.wait_for(bench.gateway.clock_suspected(), 0.1)
    except TimeoutError:
        return False
    return True


def after(reply: Any, act: str) -> bool:
    """Return whether an answer leaves the clock in doubt."""
    bench = Bench(reply)

    async def story() -> bool:
        match act:
            case "place":
                await bench.gateway.place(bench.order())
            case "cancel":
                await bench.gateway.cancel(CANCEL)
            case "cancel_many":
                await bench.gateway.cancel_many((CANCEL, CANCEL))
            case "read":
                with pytest.raises(VenueRejected):
                    await bench.gateway.balances()
        return await doubted(bench)

    return run_virtual(story(), bench.clock)


@pytest.mark.parametrize("act", ["place", "cancel", "cancel_many", "read"])
def test_an_answer_that_speaks_of_time_makes_the_clock_suspected(act: str) -> None:
    assert after(LATE, act)


@pytest.mark.parametrize("act", ["place", "cancel", "cancel_many", "read"])
def test_another_refusal_does_not(act: str) -> None:
    assert not after(NO_FUNDS, act)


def test_a_suspicion_is_reported_once() -> None:
    bench = Bench(LATE, LATE, DONE)

    async def story() -> list[bool]:
        await bench.gateway.place(bench.order(symbol="BTC/USDT"))
        await bench.gateway.place(bench.order(symbol="ETH/USDT"))
        return [await doubted(bench), await doubted(bench)]

    assert run_virtual(story(), bench.clock) == [True, False]
