"""The one composition of a run, here of paper gateways, silent feeds and a journal in memory; and whose accounts it is on."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.clock import NS_PER_S
from arb.core.messages.events import (
    AnyEvent,
    ClockMeasured,
    ExpiryProved,
    HaltAsked,
    RunEnded,
    RunStarted,
    TroubleReported,
    VenueListed,
)
from arb.core.messages.records import OpportunityRecord, PairState
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord, FormerAccountsRecord
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.engine_state import EngineSettings
from arb.errors import EXIT_HALTED, EXIT_OK, ConfigError, InvariantError, StoreError
from arb.live.control import write_halt_file
from arb.live.node import Node
from arb.live.parts import Parts
from arb.live.recovered_state import present_accounts, restored_from, restored_on
from arb.live.universe import books_of, universe_of
from arb.market.feed import Notice, ResyncBy
from arb.market.instrument import Instrument
from arb.replay.backtest import CapturedSource
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Row
from arb.store.journal.upkeep import drop_story
from arb.venues.build import venue_profile
from arb.venues.kit.base import EventListener, FrameListener, MarketFeed
from arb.venues.kit.rules.guard import SalePrice
from arb.venues.paper.account import Forgetful, PaperAccount
from arb.venues.paper.gateway import PaperGateway
from arb.venues.registry import SPECS, spec_of
from tests.builders import SYMBOL, an_instrument
from tests.unit.live.test_executor import FakeGateway
from tests.unit.store.rows import T0, a_fill, a_finished_pair, a_pair, a_plan, an_event, an_order, keep
from tests.virtual import a_clock, run_virtual

VENUES = ("gate", "okx")


class Silence:
    """A public connection on which nothing comes."""

    def __init__(self, name: str) -> None:
        self.venue = self.connection = name

    async def run(self, on_read: Callable[[], None]) -> None:
        await asyncio.Event().wait()

    def resync(self, native_symbol: str, by: ResyncBy = ResyncBy.RESUBSCRIBE) -> None: ...

    def add_book(self, native_symbol: str) -> None: ...

    def retire_book(self, native_symbol: str) -> None: ...

    def on_notice(self, notice: Notice) -> None: ...

    def unread(self) -> bool:
        return False


class Unproved(PaperGateway):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.expiry_proved = None


class WithoutExpiry(PaperGateway):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.expiry_proved = False


class Guarded(PaperGateway):
    """A gateway that keeps what it is given to value sales by."""

    sale_price: SalePrice

    def value_sales(self, price: SalePrice) -> None:
        self.sale_price = price


class BreaksOnce(PaperGateway):
    """A gateway of which one call raises what nobody foresaw, the first time that it is made while trading."""

    call = ""
    trading = False
    made = 0

    async def run_private(self, listener: EventListener) -> None:
        self.note("run_private")
        await super().run_private(listener)

    async def measure_clock(self) -> ClockMeasured:
        self.note("measure_clock")
        return await super().measure_clock()

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        self.note("instruments")
        return await super().instruments(symbols)

    def note(self, call: str) -> None:
        if self.trading and call == self.call:
            self.made += 1
            if self.made == 1:
                raise KeyError("surprise")


class Sink:
    """A ledger that takes everything."""

    def submit(self, rows: Sequence[Row]) -> None: ...

    def submit_untraded(self, record: OpportunityRecord) -> None: ...


class Bench:
    """A node on two paper venues; `changes` are parts that are handed in otherwise."""

    def __init__(self, make_gateway: type[PaperGateway] = PaperGateway, **changes: Any) -> None:
        self.clock, rng = a_clock(), random.Random(1)
        self.journal = Journal.in_memory(self.clock, rng)
        self.sources = {venue: CapturedSource(venue, (an_instrument(venue),), lambda: 0) for venue in VENUES}
        self.gateways = gateways = {
            venue: make_gateway(
                self.sources[venue],
                PaperAccount(f"{venue}:paper", Forgetful(), self.clock.wall_ns()),
                venue,
                lambda: self.node.engine.state.books,
                clock=self.clock,
                latency_ns=0,
                opening={"BTC": Decimal(1_000_000), "USDT": Decimal(1_000_000)},
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
            on_alert=lambda *_: None,
        )
        self.node = Node(msgspec.structs.replace(parts, **changes))

    def run(self, until: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Start and trade; return the exit code."""

        async def scenario() -> int:
            await self.node.start()
            return await self.node.trade(until())

        return run_virtual(scenario(), self.clock)

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


def test_every_guard_values_sales_by_the_books_of_the_run() -> None:
    bench = Bench(Guarded)
    asked: list[dict[str, Decimal | None]] = []

    def ask() -> None:
        asked.append({venue: gateway.sale_price(SYMBOL) for venue, gateway in bench.gateways.items()})  # type: ignore[attr-defined]

    async def look() -> int:
        ask()
        books = bench.node.engine.state.books
        row, now_ns = books.rows["okx", SYMBOL], bench.clock.wall_ns()
        books.arena.write_bids(row, [books.scales[SYMBOL].price_to_int("100")], [1])
        books.arena.write(row, 1, now_ns, now_ns)
        ask()
        return EXIT_OK

    bench.run(look)
    assert asked == [dict.fromkeys(VENUES), dict.fromkeys(VENUES, Decimal(100))]


async def never() -> int:
    await asyncio.Event().wait()
    return EXIT_OK


def test_an_account_that_somebody_else_trades_ends_the_start_before_anything_is_written_down() -> None:
    claimed: list[str] = []

    async def claim(accounts: Iterable[str]) -> None:
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

    bench = Bench(jobs=lambda: (breaks(),))
    assert bench.run(never) == EXIT_HALTED
    assert (bench.ended().exit_code, bench.ended().fatal) == (EXIT_HALTED, "the sandbox is gone")


@pytest.mark.parametrize("call", ["run_private", "measure_clock", "instruments"])
def test_a_task_at_a_venue_that_breaks_begins_anew_while_opening_is_halted(call: str) -> None:
    bench = Bench(make_gateway=BreaksOnce)
    gateway = bench.gateways["gate"]
    assert isinstance(gateway, BreaksOnce)

    async def two_hours() -> int:
        gateway.call, gateway.trading = call, True
        await asyncio.sleep(7_200)
        return EXIT_OK

    assert bench.run(two_hours) == EXIT_HALTED
    assert gateway.made >= 2
    assert bench.node.engine.state.control.halted == "executor_error"
    assert bench.ended().fatal is None


def test_a_feed_that_breaks_begins_anew_while_opening_is_halted() -> None:
    began: list[str] = []

    class Breaks(Silence):
        async def run(self, on_read: Callable[[], None]) -> None:
            began.append(self.venue)
            if began.count(self.venue) == 1:
                raise KeyError("surprise")
            await super().run(on_read)

    async def a_while() -> int:
        await asyncio.sleep(60)
        return EXIT_OK

    bench = Bench(make_feeds=lambda *_: {venue: Breaks(venue) for venue in VENUES})
    assert bench.run(a_while) == EXIT_HALTED
    assert sorted(began) == ["gate", "gate", "okx", "okx"]
    assert bench.node.engine.state.control.halted == "executor_error"
    assert bench.ended().fatal is None


def test_an_invariant_that_a_task_breaks_stops_trading() -> None:
    class Breaks(Silence):
        async def run(self, on_read: Callable[[], None]) -> None:
            raise InvariantError("two connections carry one row")

    bench = Bench(make_feeds=lambda *_: {venue: Breaks(venue) for venue in VENUES})
    assert bench.run(never) == EXIT_HALTED
    assert bench.ended().fatal == "two connections carry one row"


def test_a_view_that_breaks_ends_alone_and_an_incident_says_so() -> None:
    async def breaks() -> None:
        raise OSError("the terminal is gone")

    async def a_while() -> int:
        await asyncio.sleep(60)
        return EXIT_OK

    bench = Bench(views=lambda _: (breaks(),))
    assert bench.run(a_while) == EXIT_OK
    assert (bench.ended().exit_code, bench.ended().fatal) == (EXIT_OK, None)
    [trouble] = [event for event in bench.events() if isinstance(event, TroubleReported)]
    assert (trouble.kind, "the terminal is gone" in trouble.text) == ("view", True)


def test_a_journal_that_cannot_be_made_durable_stops_opening_until_it_can() -> None:
    failures: list[str | None] = [None, "its files were removed while running", None]
    blocked: list[dict[str, str]] = []

    async def sync() -> None:
        if failures[0] is not None:
            raise StoreError(failures[0])

    async def a_while() -> int:
        while True:
            await asyncio.sleep(1)
            blocked.append({block.source.word: block.text for block in bench.node.engine.state.blocks})
            if len(failures) == 1:
                return EXIT_OK
            del failures[0]

    bench = Bench(sync=sync)
    assert bench.run(a_while) == EXIT_OK
    assert blocked == [{}, {"journal": "its files were removed while running"}, {}]


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
    started, *listed = bench.events()[:5]
    assert isinstance(started, RunStarted)
    assert started.account_ids == {"gate": "gate:paper", "okx": "okx:paper"}
    assert (started.mode, started.seed) == ("paper", 7)
    assert [event for event in listed if isinstance(event, VenueListed)] == [
        VenueListed(seq=event.seq, t_ns=event.t_ns, venue=venue, instruments=(an_instrument(venue),))
        for venue, event in zip(VENUES, listed, strict=False)
    ]
    assert [event.venue for event in listed if isinstance(event, ExpiryProved)] == list(VENUES)
    assert bench.ended().exit_code == EXIT_OK


def test_a_venue_that_has_not_been_seen_to_refuse_an_expired_order_is_not_believed() -> None:
    bench = Bench(make_gateway=Unproved)
    bench.run(at_once)
    assert not any(bench.node.engine.state.expiry_counts(venue) for venue in VENUES)


def test_an_account_for_which_no_expiry_is_documented_takes_back_what_was_seen_of_it() -> None:
    bench = Bench(make_gateway=WithoutExpiry)
    bench.run(at_once)
    said = [(event.venue, event.holds) for event in bench.events() if isinstance(event, ExpiryProved)]
    assert said == [(venue, False) for venue in VENUES]
    assert not any(bench.node.engine.state.expiry_counts(venue) for venue in VENUES)


def test_a_halt_file_that_is_there_at_the_start_halts_before_anything_may_open(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    write_halt_file(journal, "not today")
    bench = Bench(halt_file_of=journal)
    bench.run(at_once)
    assert [event.reason for event in bench.events()[:6] if isinstance(event, HaltAsked)] == ["not today"]
    assert bench.node.engine.state.control.halted == "asked"


def test_every_venue_that_is_traded_can_be_part_of_a_run() -> None:
    profiles = [venue_profile(spec) for spec in SPECS]
    assert [profile.venue for profile in profiles] == [spec.name for spec in SPECS]
    assert all(profile.place_rate.count > 0 for profile in profiles)


OLD, OTHER, OWN = "gate-0123456789ab", "gate-ba9876543210", "gate-uid-53"


def a_gateway(account_id: str, *former: str) -> FakeGateway:
    """Return a started gateway to one account."""
    gateway = FakeGateway("gate", [])
    gateway.account_id, gateway.former_ids = account_id, former
    return gateway


@pytest.fixture
def journal() -> Iterator[Journal]:
    made = Journal.in_memory(a_clock(), random.Random(1))
    yield made
    made.close()


def test_without_its_alias_what_an_earlier_version_left_is_another_accounts(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=OLD), a_pair(1)))
    state = restored_on(journal, [a_gateway(OWN)])
    [pair] = restored_from(state).pairs
    assert {order.account_id for order in pair.orders} == {OLD}


def test_what_an_earlier_version_left_is_taken_for_the_accounts_own(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=OLD), a_fill(1, account_id=OLD), a_pair(1)))
    gateway = a_gateway(OWN, OLD)
    state = restored_on(journal, [gateway])
    assert (state.former_accounts, state.remembered_accounts) == ({OLD: OWN}, {})
    assert present_accounts({"gate": gateway}, state.former_accounts) == {"gate": OWN}
    [pair] = restored_from(state).pairs
    assert {order.account_id for order in pair.orders} == {fill.account_id for fill in pair.fills} == {OWN}
    assert pair.pair.state is PairState.OPENING


def test_a_journal_remembers_former_names_for_a_second_change_of_keys(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(1), an_order(1, account_id=OLD), a_pair(1)))
    journal.append(an_event(2), keep(2, FormerAccountsRecord(present={OLD: OWN})))
    state = restored_on(journal, [a_gateway(OWN, OTHER)])
    assert state.former_accounts == {OLD: OWN, OTHER: OWN}
    restored = restored_from(state)
    assert {order.account_id for order in restored.pairs[0].orders} == {OWN}
    assert restored.former_accounts == {OLD: OWN}


def test_a_venue_that_does_not_tell_its_id_today_has_the_account_it_had_under_the_same_key(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, FormerAccountsRecord(present={OLD: OWN})))
    silent = a_gateway(OLD)
    assert present_accounts({"gate": silent}, restored_on(journal, [silent]).former_accounts) == {"gate": OWN}


def test_the_journal_is_read_back_to_what_was_agreed_under_a_former_name(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, *a_finished_pair(1)))
    agreed = AgreedRecord(accounts=(AgreedAccount(OLD, T0, {}),))
    journal.append(msgspec.structs.replace(an_event(2), t_ns=T0 + 600 * NS_PER_S), keep(2, agreed))
    assert restored_on(journal, [a_gateway(OWN, OLD)]).recent.pairs
    assert not restored_on(journal, [a_gateway(OWN, OTHER)]).recent.pairs


def test_former_names_outlive_the_story_they_were_told_in(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    journal = Journal.open(path, a_clock(), rng=random.Random(1))
    journal.append(an_event(1), keep(1, FormerAccountsRecord(present={"gate-x": OWN})))
    journal.append(an_event(2), keep(2, FormerAccountsRecord(present={OLD: OWN})))
    journal.append(an_event(3), ())
    journal.close()
    drop_story(path, T0 + 10**18)
    journal = Journal.open(path, a_clock(), rng=random.Random(1))
    assert journal.restore().remembered_accounts == {OLD: OWN}
    journal.close()


def test_a_start_that_an_earlier_version_journalled_can_still_be_read() -> None:
    started = RunStarted(
        run_id=3, nonce=4, mode="live", sandbox_id=None, account_ids={"gate": OLD}, seed=None, version="0"
    )
    reported = msgspec.to_builtins(started)
    del reported["former_account_ids"]
    assert msgspec.convert(reported, RunStarted) == started
