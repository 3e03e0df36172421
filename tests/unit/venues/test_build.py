"""What cannot be put together is refused with a word on how to mend it, before anything runs."""

import random

import msgspec
import pytest

from arb.errors import ConfigError
from arb.venues.build import GatewayLimits, build_gateway, venue_profile
from arb.venues.kit.endpoints import Credentials, OrderEntry
from arb.venues.kit.gateway import VenueGateway
from arb.venues.registry import spec_of
from tests.virtual import a_clock


def built(venue: str, entry: OrderEntry, *hosts: str) -> VenueGateway:
    spec = spec_of(venue)
    return build_gateway(
        spec,
        msgspec.structs.replace(spec.production, hosts=hosts),
        Credentials(key="k", secret="s", passphrase="p"),
        clock=a_clock(),
        rng=random.Random(1),
        limits=GatewayLimits(symbols=("BTC/USDT",)),
        entry=entry,
    )


def test_orders_over_a_websocket_need_its_host_in_the_allow_list() -> None:
    with pytest.raises(ConfigError, match=r"\[venues.okx\] hosts: .*ws.okx.com.*order_entry"):
        built("okx", OrderEntry.WEBSOCKET, "www.okx.com")


def test_a_venue_whose_websocket_takes_no_orders_of_ours_says_so() -> None:
    with pytest.raises(
        ConfigError, match=r"bitget: orders go over REST only: set \[venues.bitget\] order_entry to 'rest'"
    ):
        built("bitget", OrderEntry.WEBSOCKET, "api.bitget.com", "ws.bitget.com")


@pytest.mark.parametrize(("venue", "hosts"), [("gate", ("api.gateio.ws",)), ("okx", ("www.okx.com", "ws.okx.com"))])
def test_there_is_an_order_socket_only_where_it_is_asked_for(venue: str, hosts: tuple[str, ...]) -> None:
    assert built(venue, OrderEntry.WEBSOCKET, *hosts).order_socket is not None
    assert built(venue, OrderEntry.REST, *hosts).order_socket is None


def test_a_key_without_its_passphrase_is_refused() -> None:
    with pytest.raises(ConfigError, match="okx: the key has a passphrase"):
        Credentials(key="k", secret="s").phrase("okx")


@pytest.mark.parametrize(
    ("venue", "entry", "enforced"),
    [
        ("gate", OrderEntry.REST, True),
        ("gate", OrderEntry.WEBSOCKET, False),
        ("okx", OrderEntry.REST, True),
        ("okx", OrderEntry.WEBSOCKET, True),
        ("bitget", OrderEntry.REST, True),
    ],
)
def test_an_expiry_proves_absence_only_where_it_stops_an_order_on_its_way(
    venue: str, entry: OrderEntry, enforced: bool
) -> None:
    """Gate looks at an expiry when its websocket receives the frame, and not again when it executes the order."""
    assert venue_profile(spec_of(venue), entry).enforces_expiry is enforced
