"""The one composition of a run, here of paper gateways, silent feeds and a journal in memory."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.events import AnyEvent, HaltAsked, InstrumentListed, RunEnded, RunStarted
from arb.core.records import OpportunityRecord
from arb.core.settings import Limits, RepairPolicy, Timing
from arb.core.state import EngineSettings
from arb.errors import ConfigError
from arb.live.control import write_halt_file
from arb.live.node import EXIT_HALTED, EXIT_OK, Node, Parts
from arb.live.universe import books_of, universe_of
from arb.store.journal import Journal
from arb.store.journal_reader import Row
from arb.venues.base import EventListener, FrameListener, MarketFeed
from arb.venues.build import venue_profile
from arb.venues.paper import PaperGateway
from arb.venues.registry import TRADED, spec_of
from tests.builders import SYMBOL, an_instrument
from tests.virtual import a_clock, run_virtual

VENUES = ("gate", "okx")


class Silence:
    """A public connection on which nothing comes."""

    def __init__(self, name: str) -> None:
        self.venue = self.connection = name

    async def run(self) -> None:
        await asyncio.Event().wait()

    def resync(self, native_symbol: str) -> None: ...

    def add_book(self, native_symbol: str) -> None: ...

    def retire_book(self, native_symbol: str) -> None: ...

    def unread(self) -> bool:
        return False


class Sink:
    """A ledger that takes everything."""

    def submit(self, rows: Sequence[Row]) -> None: ...

    def submit_untraded(self, record: OpportunityRecord) -> None: ...


class Bench:
    """A node on two paper venues; `changes` are parts that are handed in otherwise."""

    def __init__(self, **changes: Any) -> None:
        self.clock, rng = a_clock(), random.Random(1)
        self.journal = Journal.in_memory(self.clock, rng)
        gateways = {
            venue: PaperGateway(
                venue,
                [an_instrument(venue)],
                lambda: self.node.engine.state.books,
                clock=self.clock,
                latency_ns=0,
                offset_ns=lambda: 0,
            )
            for venue in VENUES
        }

        def make_feeds(books: object, on_frame: FrameListener, emit: EventListener) -> Mapping[str, MarketFeed]:
            return {venue: Silence(venue) for venue in VENUES}

        parts = Parts(
            settings=EngineSettings(
                limits=Limits(),
                timing=Timing(),
                repair=RepairPolicy(),
                venues=tuple(venue_profile(spec_of(venue)) for venue in VENUES),
                symbols=(SYMBOL,),
            ),
            symbols=dict.fromkeys(VENUES, (SYMBOL,)),
            mode="paper",
            sandbox_id=None,
            seed=7,
            clock=self.clock,
            rng=rng,
            journal=self.journal,
            make_ledger=lambda _: Sink(),
            gateways=gateways,
            make_universe=universe_of,
            make_books=partial(books_of, timing=Timing()),
            make_feeds=make_feeds,
            on_alert=lambda _: None,
        )
        self.node = Node(msgspec.structs.replace(parts, **changes))

    def run(self, until: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Start and trade; return the exit code."""

        async def story() -> int:
            await self.node.start()
            return await self.node.trade(until())

        return run_virtual(story(), self.clock)

    def events(self) -> list[AnyEvent]:
        """Return the events in the journal."""
        return [entry.message for entry in self.journal.reader().entries() if entry.sub == 0]  # type: ignore[misc]

    def ended(self) -> RunEnded:
        """Return how the journal says that the run ended."""
        last = self.events()[-1]
        assert isinstance(last, RunEnded)
        return last


async def at_once() -> int:
    return EXIT_OK


async def never() -> int:
    await asyncio.Event().wait()
    return EXIT_OK


def test_an_account_that_somebody_else_trades_ends_the_start_before_anything_is_written_down() -> None:
    claimed: list[str] = []

    def claim(accounts: Iterable[str]) -> None:
        claimed.extend(accounts)
        raise ConfigError("already traded on this machine")

    bench = Bench(claim=claim)
    with pytest.raises(ConfigError, match="already traded"):
        bench.run(at_once)
    assert claimed == ["gate:paper", "okx:paper"]
    assert bench.events() == []


def test_a_symbol_that_only_one_venue_lists_cannot_be_traded() -> None:
    with pytest.raises(ConfigError, match="no symbol is listed at two enabled venues"):
        Bench(symbols={"gate": (SYMBOL,), "okx": ()}).run(at_once)


def test_a_task_that_dies_stops_trading_and_the_run_says_so() -> None:
    async def breaks() -> None:
        raise RuntimeError("the sandbox is gone")

    bench = Bench(jobs=lambda _: (breaks(),))
    assert bench.run(never) == EXIT_HALTED
    assert (bench.ended().exit_code, bench.ended().fatal) == (EXIT_HALTED, "the sandbox is gone")


def test_whoever_waits_for_the_end_and_dies_stops_trading_too() -> None:
    async def breaks() -> int:
        raise RuntimeError("nobody waits any more")

    bench = Bench()
    assert bench.run(breaks) == EXIT_HALTED
    assert bench.ended().fatal == "nobody waits any more"


def test_the_end_may_ask_for_an_exit_code_of_its_own() -> None:
    async def bad_tape() -> int:
        return 2

    bench = Bench()
    assert bench.run(bad_tape) == 2
    assert bench.ended().exit_code == 2


def test_a_run_begins_with_who_it_is_and_what_is_listed_and_ends_in_order() -> None:
    bench = Bench()
    assert bench.run(at_once) == EXIT_OK
    started, *listed = bench.events()[:3]
    assert isinstance(started, RunStarted)
    assert started.account_ids == {"gate": "gate:paper", "okx": "okx:paper"}
    assert (started.mode, started.seed) == ("paper", 7)
    assert [event.instrument.venue for event in listed if isinstance(event, InstrumentListed)] == list(VENUES)
    assert bench.ended().exit_code == EXIT_OK


def test_a_halt_file_that_is_there_at_the_start_halts_before_anything_may_open(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    write_halt_file(journal, "not today")
    bench = Bench(halt_file_of=journal)
    bench.run(at_once)
    assert [event.reason for event in bench.events()[:4] if isinstance(event, HaltAsked)] == ["not today"]
    assert bench.node.engine.state.control.halted == "asked"


def test_every_venue_that_is_traded_can_be_part_of_a_run() -> None:
    profiles = [venue_profile(spec) for spec in TRADED]
    assert [profile.venue for profile in profiles] == [spec.name for spec in TRADED]
    assert all(profile.place_rate.count > 0 for profile in profiles)
