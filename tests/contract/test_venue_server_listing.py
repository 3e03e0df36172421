"""Five hundred listed symbols a venue, and rows nobody should trade on: read by our adapters and by ccxt alike."""

import asyncio
import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from arb.clock import SystemClock
from arb.market.instrument import Instrument
from arb.venues.endpoints import Credentials, VenueEndpoint
from arb.venues.reader import VenueReader
from arb.venues.registry import spec_of
from arb.venues.rules.guard import SigningGuard
from arb.venues.rules.pacing import Pacer
from arb.venues.transport.network import SystemNetwork
from tests.contract.stock_clients import VENUES, Client, exact
from tests.contract.venue_server import Venues, stock_client, venue_server

SYMBOLS = 500
UNTRADABLE = {
    "gate": {"SPELL/USDT", "LUNC/USDT", "OMG/USDT"},
    "okx": {"SPELL/USDT", "OMG/USDT"},
    "bitget": {"SPELL/USDT", "OMG/USDT", "BGB/BTC"},
}


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    """Start one server for all tests here."""
    with venue_server("--symbols", str(SYMBOLS), "--seed", "3") as running:
        yield running


async def our_listing(venue: str, venues: Venues) -> dict[str, Instrument]:
    """Return what our adapter makes of a venue's listing; only public questions are asked."""
    clock, address = SystemClock(), venues.info["venues"][venue]
    endpoint = VenueEndpoint(rest=address["rest"], ws_public=address["ws_public"], ws_private="ws://127.0.0.1:1/")
    guard = SigningGuard(
        venue=venue,
        hosts=("127.0.0.1",),
        symbols=("BTC/USDT",),
        max_order_value_quote=Decimal(1),
        max_orders_per_minute=1,
        clock=clock,
    )
    trading = spec_of(venue).trading
    assert trading is not None
    parts = trading.make(endpoint, Credentials(key="none", secret="none", passphrase="none"), clock, guard)
    transport = SystemNetwork(clock).http()
    reader = VenueReader(
        parts.dialect,
        parts.signer,
        transport,
        pacer=Pacer(trading.pacing, clock),
        clock=clock,
        rng=random.Random(1),
        read_timeout_s=10.0,
        pace_timeout_s=10.0,
    )
    try:
        assert abs((await reader.measure_clock()).offset_ns) < 10**9
        return await reader.listing()
    finally:
        await transport.close()


async def ccxts_listing(venue: str, venues: Venues) -> dict[str, Client]:
    """Return what ccxt makes of it."""
    client = stock_client(venue, venues.info)
    try:
        return dict(await client.load_markets())
    finally:
        await client.close()


@pytest.mark.parametrize("venue", VENUES)
def test_our_rules_are_those_that_ccxt_reads(venues: Venues, venue: str) -> None:
    ours, theirs = asyncio.run(our_listing(venue, venues)), asyncio.run(ccxts_listing(venue, venues))

    markets = {market["id"]: market for market in theirs.values()}  # ccxt gives some coins names of its own
    assert len(ours) == SYMBOLS + 4
    assert {instrument.native_symbol for instrument in ours.values()} == markets.keys()
    for symbol, instrument in ours.items():
        market = markets[instrument.native_symbol]
        steps = market["precision"]
        assert (instrument.tick, instrument.lot) == (exact(steps["price"]), exact(steps["amount"])), symbol
        assert instrument.tradable is market["active"], symbol
    assert {symbol for symbol, instrument in ours.items() if not instrument.tradable} == UNTRADABLE[venue]
