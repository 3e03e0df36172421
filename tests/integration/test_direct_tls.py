"""Our own connections for orders over TLS: only a venue that proves who it is gets to see one."""

import ipaddress
import ssl
from pathlib import Path

import pytest

from arb.venues.transport.direct import DirectTransport
from arb.venues.transport.http import NeverSent
from tests.integration.certificates import write_certificate
from tests.integration.lone_server import Venue, echo, run


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "venue.pem", ipaddress.ip_address("127.0.0.1"))


def test_orders_travel_over_tls_on_one_connection_to_a_venue_that_is_trusted(certificate: Path) -> None:
    ours, theirs = ssl.create_default_context(cafile=certificate), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo, theirs) as venue:
            for text in ("one", "two", "three"):
                assert (await transport.send(venue.order(text), 60.0)).body == text.encode()
            assert venue.visits.qsize() <= 2

    run(scenario, tls=ours)


def test_a_venue_that_is_not_trusted_is_never_sent_anything(certificate: Path) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo, theirs) as venue:
            with pytest.raises(NeverSent, match="CERTIFICATE_VERIFY_FAILED"):
                await transport.send(venue.order(), 60.0)
            assert venue.visits.empty()

    run(scenario)
