"""Which venue is read by what, and that reading needs no socket."""

import ast
from pathlib import Path

import pytest

import arb.venues.wire
from arb.errors import ConfigError, InvariantError
from arb.market.arena import BookArena
from arb.venues.gate.books import GateFeed
from arb.venues.wire.registry import LIVE_VENUES, TAPE_VENUES, live_feed, tape_feed
from tests.unit.venues.wire.dialects import seats


@pytest.mark.parametrize("venue", LIVE_VENUES)
def test_every_live_venue_has_a_feed_of_its_name(venue: str) -> None:
    feed = live_feed(venue, seats("X"), BookArena(1))
    assert feed.venue == venue
    assert feed.subscribe_messages(["X"], 1)
    assert feed.unsubscribe_messages(["X"], 1)


@pytest.mark.parametrize("venue", TAPE_VENUES)
def test_every_dialect_of_the_tapes_is_rebuilt(venue: str) -> None:
    assert tape_feed(venue).venue == venue


@pytest.mark.parametrize("venue", ["kraken", "bybit_v2", ""])
def test_a_venue_without_a_feed_is_refused_with_those_there_are(venue: str) -> None:
    with pytest.raises(ConfigError, match="gate, okx"):
        live_feed(venue, {}, BookArena(0))


def test_a_live_feed_without_an_arena_is_our_own_bug() -> None:
    with pytest.raises(InvariantError):
        GateFeed({}, None)


def test_a_book_nobody_asked_for_is_neither_lost_nor_fetched() -> None:
    feed = live_feed("binance", seats("X"), BookArena(1))
    assert feed.invalidate("Y", 1, "because").resyncs == ()
    assert feed.on_snapshot("Y", 1, "{").error is None
    assert feed.invalidate("X", 1, "because").resyncs[0].cause == "because"


def test_the_wire_opens_no_socket_and_asks_no_clock() -> None:
    assert arb.venues.wire.__file__ is not None
    for path in Path(arb.venues.wire.__file__).parent.glob("*_books.py"):
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        }
        assert imported <= {"arb", "collections", "msgspec", "typing", "urllib"}, path
