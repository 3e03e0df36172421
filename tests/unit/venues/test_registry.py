"""Which venue is read by what, and that reading needs no socket."""

import ast
from pathlib import Path

import pytest

import arb.venues
from arb.errors import ConfigError, InvariantError
from arb.market.arena import BookArena
from arb.venues.gate.books import GateFeed
from arb.venues.kit.endpoints import Environment
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS, TAPES, spec_of, tape_feed
from tests.unit.venues.books.plain.dialects import seats


@pytest.mark.parametrize("name", ["kraken", "bybit_v2", ""])
def test_a_venue_without_a_folder_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match="gate, okx"):
        spec_of(name)
    with pytest.raises(ConfigError, match="gate, gate_futures, okx"):
        tape_feed(name)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_venue_is_a_folder_of_its_name_with_a_feed_of_its_name(spec: VenueSpec) -> None:
    feed = spec.make_books(seats("X"), BookArena(1))
    assert Path(arb.venues.__file__ or "").with_name(spec.name).joinpath("spec.py").is_file()
    assert spec_of(spec.name) is spec
    assert feed.venue == spec.outcomes.venue == spec.name
    assert feed.subscribe_messages(["X"], 1)
    assert feed.unsubscribe_messages(["X"], 1)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_address_is_reached_under_tls_and_production_is_one_of_them(spec: VenueSpec) -> None:
    assert spec.production is next(site for site in spec.sites if site.environment is Environment.PRODUCTION)
    for site in spec.sites:
        assert spec.site(site.environment, site.region) is site
        assert site.endpoint.rest.startswith("https://") and not site.endpoint.rest.endswith("/")
        assert site.endpoint.ws_public.startswith("wss://")
        assert site.endpoint.ws_private.startswith("wss://")
    assert spec.site(Environment.PRODUCTION, "nowhere") is None


@pytest.mark.parametrize("name", TAPES)
def test_every_dialect_of_the_tapes_is_rebuilt(name: str) -> None:
    assert tape_feed(name).venue == name


def test_a_live_feed_without_an_arena_is_our_own_bug() -> None:
    with pytest.raises(InvariantError):
        GateFeed({}, None)


def test_a_book_nobody_asked_for_is_neither_lost_nor_fetched() -> None:
    feed = spec_of("binance").make_books(seats("X"), BookArena(1))
    assert feed.invalidate("Y", 1, "because").resyncs == ()
    assert feed.on_http(1, "/api/v3/depth?symbol=Y", "{").error is None
    assert feed.invalidate("X", 1, "because").resyncs[0].cause == "because"


def test_reading_books_opens_no_socket_and_asks_no_clock() -> None:
    paths = sorted(Path(arb.venues.__file__ or "").parent.glob("*/books.py"))
    assert len(paths) == len(SPECS) + 1  # and the generic reader
    for path in paths:
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        }
        assert imported <= {"arb", "collections", "msgspec", "typing", "urllib"}, path
