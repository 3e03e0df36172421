"""The public side of a venue as paper reads it: without a key, nothing that would need a signature can leave."""

import random
from decimal import Decimal

import pytest

from arb.errors import VenueError, VenueUnreachable
from arb.venues.build import build_paper_source
from arb.venues.kit.call import Call
from arb.venues.kit.endpoints import Site
from arb.venues.kit.spec import VenueSpec
from arb.venues.paper.source import PublicSource
from arb.venues.registry import SPECS
from tests.unit.venues.test_site_headers import MARK, Nowhere, marked
from tests.virtual import a_clock, run_virtual

VENUES = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def asked(spec: VenueSpec, site: Site) -> Nowhere:
    """Ask a source everything that it can be asked; return what was to leave."""
    clock, network = a_clock(), Nowhere()
    source = build_paper_source(spec, site, Decimal("0.001"), clock=clock, rng=random.Random(1), network=network)

    async def story(source: PublicSource) -> None:
        for question in (source.measure_clock(), source.listing(("BTC/USDT",))):
            with pytest.raises(VenueUnreachable):
                await question
        public = len(network.requests)
        private = Call(scope="GET account", api=("private", "spot"), method="GET", path="account/balance", params={})
        with pytest.raises(VenueError):
            await source._reader.body_of(private)
        assert len(network.requests) == public > 0
        assert source.listed == frozenset()
        await source.close()

    run_virtual(story(source), clock)
    return network


@VENUES
def test_public_questions_leave_without_a_signature_and_private_ones_not_at_all(spec: VenueSpec) -> None:
    network = asked(spec, spec.production)
    assert all(not request.headers and request.body is None for request in network.requests)
    assert network.dialled == []


@VENUES
def test_public_questions_have_the_headers_of_their_site_and_no_others(spec: VenueSpec) -> None:
    assert all(request.headers == MARK for request in asked(spec, marked(spec)).requests)
