"""What cannot be put together is refused with a word on how to mend it, before anything runs."""

import random

import pytest

from arb.errors import ConfigError
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.endpoints import LIVE_ENDPOINTS, Credentials, OrderEntry
from arb.venues.gateway import CcxtGateway
from tests.virtual import a_clock


def built(venue: str, entry: OrderEntry, *hosts: str) -> CcxtGateway:
    return build_gateway(
        venue,
        LIVE_ENDPOINTS[venue],
        Credentials(key="k", secret="s", passphrase="p"),
        clock=a_clock(),
        rng=random.Random(1),
        limits=GatewayLimits(hosts=hosts, symbols=("BTC/USDT",)),
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
