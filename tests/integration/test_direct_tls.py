"""Our own connections for orders over TLS: only a venue that proves who it is gets to see one."""

import asyncio
import contextlib
import ipaddress
import ssl
from pathlib import Path

import pytest

from arb.venues.transport.direct import DirectTransport
from arb.venues.transport.http import NeverSent
from arb.venues.transport.request import HttpRequest
from arb.venues.transport.tls import client_context
from tests.integration.certificates import write_certificate
from tests.integration.lone_server import Venue, echo, full, run


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


class _TornRecord(asyncio.Protocol):
    """A venue that sends a part of a record unasked, and the rest once an order has come."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken, self._rest = False, b""

    def shaken(self) -> None:
        self._tls.write(full(b"unasked"))
        handshake_and_record = self._outgoing.read()
        self._transport.write(handshake_and_record[:-30])
        self._rest = handshake_and_record[-30:]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
                self.shaken()
            while self._tls.read(65536):
                self.asked()
        self._transport.write(self._outgoing.read())

    def asked(self) -> None:
        self._transport.write(self._rest)


class _SlowTicket(_TornRecord):
    """A venue whose session ticket arrives in two parts, the second a moment after the connection is made."""

    def shaken(self) -> None:
        handshake_and_ticket = self._outgoing.read()
        self._transport.write(handshake_and_ticket[:-30])
        asyncio.get_running_loop().call_later(0.02, self._transport.write, handshake_and_ticket[-30:])

    def asked(self) -> None:
        self._tls.write(full(b"taken"))


def test_a_part_of_an_unasked_answer_keeps_orders_off_a_connection(certificate: Path) -> None:
    ours, theirs = ssl.create_default_context(cafile=certificate), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def scenario(transport: DirectTransport) -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _TornRecord(theirs), "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/orders"
        transport.keep_warm(url)
        await asyncio.sleep(0.3)
        with pytest.raises(NeverSent):
            await transport.send(HttpRequest("POST", url, {}, "order"), 5.0)
        server.close()

    run(scenario, tls=ours)


def test_an_order_waits_on_a_new_connection_until_the_session_ticket_is_whole(certificate: Path) -> None:
    ours, theirs = ssl.create_default_context(cafile=certificate), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def scenario(transport: DirectTransport) -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _SlowTicket(theirs), "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/orders"
        assert (await transport.send(HttpRequest("POST", url, {}, "order"), 5.0)).body == b"taken"
        server.close()

    run(scenario, tls=ours)


def test_a_certificate_that_has_the_name_in_its_common_name_only_proves_nothing() -> None:
    for whole_records in (False, True):
        assert not client_context(whole_records=whole_records).hostname_checks_common_name
