"""Symbols chosen anew while a run goes on: when, what becomes of books and feeds, and what is said of new listings."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from arb.clock import NS_PER_S
from arb.core.books.books import Books
from arb.core.messages.events import SymbolsChosen, TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.errors import EXIT_OK, VenueUnreachable
from arb.live.universe import connections_of, universe_of
from arb.venues.kit.base import EventListener, FrameListener, MarketFeed
from tests.builders import an_instrument
from tests.unit.live.test_node import VENUES, Bench, Silence
from tests.virtual import START_NS

BTC, ADA, XRP = "BTC/USDT", "ADA/USDT", "XRP/USDT"
HOUR_S = 3600
AT_S = 23 * HOUR_S
START_S = START_NS // NS_PER_S % (24 * HOUR_S)
"""22:13:20 UTC."""
FIRST_S = AT_S - START_S

Choices = Mapping[str, Sequence[str]] | VenueUnreachable


def everywhere(*symbols: str) -> Choices:
    return dict.fromkeys(VENUES, symbols)


def at_both(*symbols: str) -> dict[str, set[str]]:
    return {venue: set(symbols) for venue in VENUES}


class Scripted:
    """A chooser that says what it was told to, the last of it again and again; `asked`: when, in s since the start."""

    at_utc_s = AT_S

    def __init__(self, *choices: Choices) -> None:
        self._choices = list(choices)
        self.asked: list[tuple[int, tuple[str, ...]]] = []
        self.now_ns: Callable[[], int] = lambda: 0

    async def choose(self, venues: Collection[str]) -> Mapping[str, Sequence[str]]:
        self.asked.append(((self.now_ns() - START_NS) // NS_PER_S, tuple(venues)))
        choice = self._choices.pop(0) if len(self._choices) > 1 else self._choices[0]
        if isinstance(choice, VenueUnreachable):
            raise choice
        return choice


class Carried(Silence):
    """A connection that remembers what it carries, and how often it began."""

    def __init__(self, name: str, natives: Iterable[str]) -> None:
        super().__init__(name)
        self.natives = set(natives)
        self.began = 0

    async def run(self, on_read: Callable[[], None]) -> None:
        self.began += 1
        await super().run(on_read)

    def add_book(self, native_symbol: str) -> None:
        assert native_symbol not in self.natives
        self.natives.add(native_symbol)

    def retire_book(self, native_symbol: str) -> None:
        self.natives.remove(native_symbol)


class World(Bench):
    """A node on two venues, which list `symbols` besides; its feeds follow its books."""

    def __init__(self, chooser: Scripted, *symbols: str, spare: int = 3, **changes: Any) -> None:
        self.feeds: dict[str, Carried] = {}

        def make_feeds(books: Books, on_frame: FrameListener, emit: EventListener) -> Mapping[str, MarketFeed]:
            self.feeds |= {name: Carried(name, found.rows.values()) for name, found in books.connections.items()}
            return self.feeds

        make_universe = partial(universe_of, spare=spare)
        super().__init__(chooser=chooser, make_feeds=make_feeds, make_universe=make_universe, **changes)
        chooser.now_ns = self.clock.wall_ns
        for venue in VENUES:
            self.list_at(venue, *symbols)

    def list_at(self, venue: str, *symbols: str) -> None:
        self.sources[venue].relist(an_instrument(venue, symbol) for symbol in symbols)

    def for_s(self, seconds: float) -> None:
        """Trade for so long."""

        async def passing() -> int:
            await asyncio.sleep(seconds)
            return EXIT_OK

        assert self.run(passing) == EXIT_OK

    def books(self) -> dict[str, set[str]]:
        """Return by venue which symbols have books; what the feeds carry must be the same."""
        books = self.node.engine.state.books
        assert {name: feed.natives for name, feed in self.feeds.items()} == {
            name: set(found.rows.values()) for name, found in books.connections.items()
        }
        return {venue: {symbol for at, symbol in books.rows if at == venue} for venue in VENUES}

    def chosen(self) -> list[SymbolsChosen]:
        """Return what was journalled of choices."""
        return [event for event in self.events() if isinstance(event, SymbolsChosen)]

    def said(self) -> list[str]:
        """Return what was said of listings."""
        found = [event for event in self.events() if isinstance(event, TroubleReported)]
        return [event.text for event in found if event.kind == IncidentKind.NEW_LISTING]


@pytest.mark.thorough
def test_it_is_chosen_at_its_instant_each_day_and_nothing_is_written_where_nothing_changes() -> None:
    chooser = Scripted(everywhere(BTC))
    world = World(chooser)
    world.for_s(2 * 24 * HOUR_S)
    assert [at - FIRST_S - day * 24 * HOUR_S for day, (at, _) in enumerate(chooser.asked)] == [0, 0]
    assert {venues for _, venues in chooser.asked} == {VENUES}
    assert world.chosen() == []


@pytest.mark.thorough
def test_a_symbol_comes_with_its_books_and_leaves_with_them() -> None:
    world = World(Scripted(everywhere(ADA, BTC), everywhere(XRP)), ADA, XRP)
    world.for_s(FIRST_S + 10)
    assert world.books() == at_both(BTC, ADA)
    [first] = world.chosen()
    assert first.dropped == () and first.connections == {"gate": ("ADA_USDT",), "okx": ("ADA_USDT",)}
    world = World(Scripted(everywhere(ADA, BTC), everywhere(XRP)), ADA, XRP)
    world.for_s(FIRST_S + 24 * HOUR_S + 10)
    assert world.books() == at_both(BTC, XRP)  # of BTC something is held
    assert world.chosen()[1].dropped == (ADA, BTC)


def test_what_one_venue_alone_lists_does_not_come() -> None:
    world = World(Scripted(everywhere(ADA, XRP)), ADA)
    world.list_at("gate", XRP)
    world.for_s(FIRST_S + 10)
    assert world.books() == at_both(BTC, ADA)


def test_a_venue_that_is_silent_is_asked_again_and_nothing_changes_meanwhile() -> None:
    chooser = Scripted(VenueUnreachable("okx", "no answer"), VenueUnreachable("okx", "no answer"), everywhere(ADA))
    world = World(chooser, ADA)
    world.for_s(FIRST_S + 900)
    assert world.chosen() == [] and world.books() == at_both(BTC)
    assert [at - FIRST_S for at, _ in chooser.asked] == [0, 600]
    world = World(Scripted(VenueUnreachable("okx", "no answer"), everywhere(ADA)), ADA)
    world.for_s(FIRST_S + 900)
    assert world.books() == at_both(BTC, ADA)


@pytest.mark.thorough
def test_where_nothing_is_chosen_all_stays_as_it_is() -> None:
    world = World(Scripted(everywhere(ADA), everywhere()), ADA)
    world.for_s(FIRST_S + 24 * HOUR_S + 10)
    assert world.books() == at_both(BTC, ADA) and len(world.chosen()) == 1


def test_the_best_come_first_where_there_is_not_room_for_all() -> None:
    world = World(Scripted(everywhere(XRP, ADA)), ADA, XRP, spare=1)
    world.for_s(FIRST_S + 10)
    assert world.books() == at_both(BTC, XRP)


def test_a_connection_begins_with_its_first_book() -> None:
    many = [f"C{number}/USDT" for number in range(160)]
    world = World(Scripted(everywhere(*many)), *many, spare=160)
    world.for_s(FIRST_S - 10)
    assert world.feeds.keys() == {"gate", "gate#2", "okx"}  # 150 books on a connection to Gate, 200 on one to OKX
    assert (world.feeds["gate"].began, world.feeds["gate#2"].began) == (1, 0)
    world = World(Scripted(everywhere(*many)), *many, spare=160)
    world.for_s(FIRST_S + 10)
    assert world.books() == at_both(BTC, *many)
    assert max(len(feed.natives) for name, feed in world.feeds.items() if name.startswith("gate")) <= 150
    assert [feed.began for feed in world.feeds.values()] == [1, 1, 1]


def test_rules_are_read_of_what_has_come() -> None:
    world = World(Scripted(everywhere(ADA, BTC)), ADA)
    asked: list[tuple[str, ...]] = []
    source = world.sources["gate"]
    listing = source.listing

    async def noted(symbols: Sequence[str]) -> Any:
        asked.append(tuple(symbols))
        return await listing(symbols)

    source.listing = noted  # type: ignore[method-assign]
    world.for_s(FIRST_S + 400)
    assert asked[0] == (BTC,) and set(asked[-1]) == {BTC, ADA}


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ((ADA, "ADA/EUR"), ["gate newly lists ADA/USDT: considered at the next choice of symbols"]),
        (("ADA/EUR",), []),
        (
            [f"C{number:02d}/USDT" for number in range(25)],
            ["gate newly lists " + ", ".join(f"C{number:02d}/USDT" for number in range(20)) + " and 5 more: considered at the "
             "next choice of symbols"],
        ),
    ],
)  # fmt: skip
def test_a_listing_that_changes_is_said_once(listed: Sequence[str], said: list[str]) -> None:
    world = World(Scripted(everywhere(BTC)))

    async def passing() -> int:
        await asyncio.sleep(20)
        world.list_at("gate", *listed)
        await asyncio.sleep(600)
        return EXIT_OK

    assert world.run(passing) == EXIT_OK
    assert world.said() == said


def test_what_a_venue_drops_is_said() -> None:
    world = World(Scripted(everywhere(BTC)), ADA)

    async def passing() -> int:
        await asyncio.sleep(20)
        world.sources["okx"].listed = frozenset({BTC})
        await asyncio.sleep(60)
        return EXIT_OK

    assert world.run(passing) == EXIT_OK
    assert world.said() == ["okx drops ADA/USDT: considered at the next choice of symbols"]


def test_room_for_more_symbols_changes_nothing_for_those_that_are_there() -> None:
    instruments = [an_instrument(venue, f"C{number}/USDT") for venue in VENUES for number in range(120)]
    without, roomy = (universe_of(instruments, spare=spare) for spare in (0, 100))
    plain, more = connections_of(without), connections_of(roomy)
    assert {name: natives for name, natives in more.items() if natives} == plain
    assert [name for name, natives in more.items() if not natives] == ["gate#2", "okx#2"]
    assert (without.spare_rows, roomy.spare_rows) == (0, 200)
