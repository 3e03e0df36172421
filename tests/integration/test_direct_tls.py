"""Our own connections for orders over TLS: only a venue that proves who it is gets to see one."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest

from arb.venues.transport.direct import DirectTransport
from arb.venues.transport.http import NeverSent
from tests.integration.lone_server import Venue, echo, run


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate of our own for 127.0.0.1, with its key in the same file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "venue")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "venue.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_orders_travel_over_tls_on_one_connection_to_a_venue_that_is_trusted(certificate: Path) -> None:
    ours, theirs = ssl.create_default_context(cafile=certificate), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo, theirs) as venue:
            for text in ("one", "two", "three"):
                assert (await transport.send(venue.order(text), 5.0)).body == text.encode()
            assert venue.visits.qsize() <= 2

    run(scenario, tls=ours)


def test_a_venue_that_is_not_trusted_is_never_sent_anything(certificate: Path) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo, theirs) as venue:
            with pytest.raises(NeverSent, match="CERTIFICATE_VERIFY_FAILED"):
                await transport.send(venue.order(), 5.0)
            assert venue.visits.empty()

    run(scenario)
