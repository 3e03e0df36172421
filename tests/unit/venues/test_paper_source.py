"""The public side of a venue as paper reads it: without a key, nothing that would need a signature can leave."""

import asyncio
import random
from collections.abc import Awaitable
from decimal import Decimal

import pytest

from arb.clock import ManualClock
from arb.errors import VenueUnreachable
from arb.venues.build import build_paper_source
from arb.venues.call import HttpRequest
from arb.venues.registry import TRADED
from arb.venues.spec import VenueSpec
from arb.venues.transport.http import HttpAnswer, NeverSent
from arb.venues.transport.network import SystemNetwork
from tests.virtual import a_clock, run_virtual


class Wire:
    """A carrier that takes note of what would leave."""

    def __init__(self) -> None:
        self.sent: list[HttpRequest] = []

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        self.sent.append(request)
        never: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
        never.set_exception(NeverSent("a test"))
        return never

    async def close(self) -> None: ...


class Wired(SystemNetwork):
    """A network of one carrier."""

    def __init__(self, clock: ManualClock, wire: Wire) -> None:
        super().__init__(clock)
        self._wire = wire

    def http(self) -> Wire:
        return self._wire


@pytest.mark.parametrize("spec", TRADED, ids=lambda spec: spec.name)
def test_public_questions_leave_without_a_signature_and_private_ones_not_at_all(spec: VenueSpec) -> None:
    clock, wire = a_clock(), Wire()
    source = build_paper_source(
        spec, spec.production, Decimal("0.001"), clock=clock, rng=random.Random(1), network=Wired(clock, wire)
    )

    async def story() -> None:
        with pytest.raises(VenueUnreachable):
            await source.measure_clock()
        assert wire.sent and all(not request.headers and request.body is None for request in wire.sent)
        wire.sent.clear()
        with pytest.raises(VenueUnreachable, match="not signed"):
            await source._reader.balances()
        await source.close()

    run_virtual(story(), clock)
    assert wire.sent == []
