"""The long run of our feeds (`make feeds`), for a second: all books of all venues, kept up and compared at the end."""

import asyncio

from proofs.feeds import keep
from tests.contract.venue_server import venue_server

VENUES = ["gate", "okx", "bitget", "bybit", "binance"]
SYMBOLS = 60  # more than one connection of Bitget's carries


def test_every_book_is_the_venues_when_the_market_stands_still() -> None:
    with venue_server("--symbols", str(SYMBOLS), "--seed", "2", "--rate", "10") as venues:
        keeper, lines = asyncio.run(keep(1.0, venues))
        state = venues.look("/state")["venues"]

    assert (keeper.kept.wrong, keeper.kept.missing) == ([], [])
    assert {venue: found["refused"] for venue, found in state.items()} == {venue: {} for venue in VENUES}
    assert [len(keeper.books.connections_of(venue)) for venue in state] == [1, 1, 2, 1, 1]
    assert len(lines) == len(state)
