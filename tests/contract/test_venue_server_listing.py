"""Five hundred listed symbols a venue, and rows nobody should trade on: read by our adapters and by ccxt alike."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.contract.stock_clients import Client, exact
from tests.contract.venue_server import Venues, our_listing, stock_client, venue_server

SYMBOLS = 500
UNTRADABLE = {
    "gate": {"SPELL/USDT", "LUNC/USDT", "OMG/USDT"},
    "okx": {"SPELL/USDT", "OMG/USDT"},
    "bitget": {"SPELL/USDT", "OMG/USDT", "BGB/BTC"},
    "bybit": set[str](),
    "binance": {"BTCUP/USDT"},
}
FOR_MARGIN_ALONE = {"BTCUP/USDT"}
"""What ccxt calls active, and the venue says is not traded on spot."""
HIDDEN = {"bybit": {"SPELLUSDT"}, "binance": {"SPELLUSDT", "LUNCUSDT"}}
"""What does not trade is not in their listings: never in Bybit's, and at Binance not in what we ask for."""


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    """Start one server for all tests here."""
    with venue_server("--symbols", str(SYMBOLS), "--seed", "3", "--rate", "0") as running:
        yield running


async def ccxts_listing(venue: str, venues: Venues) -> dict[str, Client]:
    """Return what ccxt makes of it."""
    client = stock_client(venue, venues.info)
    try:
        return dict(await client.load_markets())
    finally:
        await client.close()


@pytest.mark.parametrize("venue", UNTRADABLE)
def test_our_rules_are_those_that_ccxt_reads(venues: Venues, venue: str) -> None:
    ours, theirs = asyncio.run(our_listing(venue, venues.info)), asyncio.run(ccxts_listing(venue, venues))

    markets = {market["id"]: market for market in theirs.values()}  # ccxt gives some coins names of its own
    hidden = HIDDEN.get(venue, set())
    assert len(ours) == SYMBOLS + 4 - len(hidden)
    assert {instrument.native_symbol for instrument in ours.values()} == markets.keys() - hidden
    for symbol, instrument in ours.items():
        market = markets[instrument.native_symbol]
        steps = market["precision"]
        assert (instrument.tick, instrument.lot) == (exact(steps["price"]), exact(steps["amount"])), symbol
        assert instrument.tradable is (market["active"] and symbol not in FOR_MARGIN_ALONE), symbol
    assert {symbol for symbol, instrument in ours.items() if not instrument.tradable} == UNTRADABLE[venue]
