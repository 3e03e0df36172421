"""The one composition of a run: journal, engine, feeds, gateways, executor, ledger and background tasks, joined.

`arb run`, the fault simulation and the backtest on captures all start a `Node`. They differ only in their `Parts`: another
clock, another network, other gateways, another disk. The code here does not know which of them it is.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from arb.clock import NS_PER_S
from arb.core.accounts.account_renames import present_names
from arb.core.engine import Engine
from arb.core.messages.commands import RecallOrders
from arb.core.messages.events import (
    AnyEvent,
    ClockAnchored,
    CurrenciesListed,
    ExpiryProved,
    HaltAsked,
    OrdersRecalled,
    RunEnded,
    RunStarted,
    ShutdownAsked,
    StoreStateChanged,
    TroubleReported,
    VenueArrived,
    VenueExamined,
    VenueListed,
)
from arb.core.messages.incidents import HaltReason, IncidentKind
from arb.core.state.blocks import Source
from arb.errors import EXIT_HALTED, EXIT_OK, ArbError, ConfigError, InvariantError, VenueError
from arb.live.anchoring import Anchor, compared
from arb.live.arrival import Arrivals, unless_down
from arb.live.choosing import Chooser, SymbolKeeper
from arb.live.control import halt_file_user, read_halt_file
from arb.live.executor import Executor
from arb.live.parts import Job, Parts
from arb.live.recovered_state import left_open, present_accounts, restored_from, restored_on
from arb.live.runner import Runner
from arb.live.tasks import (
    DeadManSwitch,
    DropCounter,
    keep_clock,
    keep_counted,
    keep_currencies,
    keep_rules,
    keep_small,
    keep_synced,
    poll_halt_file,
)
from arb.live.universe import Universe, joining
from arb.live.untraded import UntradedSymbols
from arb.market.ids import NONCE_BITS
from arb.market.instrument import Instrument
from arb.market.symbol import Symbol
from arb.store.journal.reader import JournalState
from arb.store.tapes.tape import RULES, TapeHead
from arb.venues.kit.base import MarketFeed, OrderGateway
from arb.version import version

log = logging.getLogger(__name__)

HALTS_BY_USER = (None, HaltReason.ASKED, HaltReason.FLATTENING, HaltReason.FLATTENED)

CURRENCIES_WAIT_S = 5.0
"""The longest wait of a start for currency lists; later ones count from their arrival."""
TASK_AGAIN_S = 1.0
"""How long after one of our tasks broke it restarts."""


class Node:
    """One run: `start`, then `trade`, then `close`."""

    engine: Engine
    runner: Runner

    def __init__(self, parts: Parts) -> None:
        self.joined = False
        """Whether there is an engine, which takes its first events."""
        self._parts = parts
        self._drops = DropCounter(parts.dropped)
        self._turns = parts.turns
        self._anchor = Anchor(parts.clock, parts.shift)
        self._feeds: dict[str, MarketFeed] = {}
        self._executor: Executor
        self._arrivals: Arrivals
        self._absent: dict[str, str] = {}  # by venue, why it did not answer at the start
        self._former: dict[str, str] = {}  # former account names, each with the present one
        self._currencies: dict[str, CurrenciesListed] = {}  # by venue, its list as it was read at the start
        self._untraded = UntradedSymbols(parts.symbols, parts.gateways)
        self._tasks: list[asyncio.Task[None]] = []
        self._running: set[str] = set()  # the public connections that are kept up

    async def start(self) -> None:
        """Ask the venues that are up for listings and holdings, and recover the journal's open state.

        Raises `VenueError` when one answers and cannot be used, or too few do, `ConfigError` when nothing can be traded here.
        """
        try:
            await self._start()
        except BaseException:
            await self._arrivals.close()
            raise

    async def _start(self) -> None:
        parts = self._parts
        self._arrivals = Arrivals(parts.gateways, parts.symbols, parts.failed, clock=parts.clock, rng=parts.rng)
        has_open = bool(left_open(parts.journal, parts.sandbox_id))
        listed, self._absent = await self._arrivals.first(alone=has_open or parts.waits_for_venues)
        present = [gateway for venue, gateway in parts.gateways.items() if venue not in self._absent]
        clocks = self._anchor.begin(await compared(present), parts.journal.last_ns(), must=has_open)
        state = restored_on(parts.journal, parts.gateways.values(), parts.clock.wall_ns())
        self._former = state.former_accounts
        accounts = present_accounts(parts.gateways, self._former)
        if parts.claim is not None:
            await parts.claim(accounts.values())
        with self._untraded.explained(listed, self._absent):
            universe = parts.make_universe(listed, {venue: parts.symbols[venue] for venue in self._absent})
        books = parts.make_books(universe)
        self.engine = Engine(parts.settings, books, parts.strategies)
        for gateway in parts.gateways.values():
            gateway.value_sales(lambda symbol: self.engine.state.sale_price(symbol, parts.clock.wall_ns()))
        self.engine.load(restored := restored_from(state))
        self._join()
        self.joined = True
        if parts.tape is not None:
            head = TapeHead(
                settings=parts.settings,
                restored=restored,
                last_seq=parts.journal.last_seq,
                connections={name: tuple(found.rows.values()) for name, found in books.connections.items()},
                rules=RULES,
                spare=universe.spare,
            )
            parts.tape.begin(head, parts.clock.wall_ns())
        self._feeds.update(parts.make_feeds(books, self.runner.on_frame, self.runner.emit))
        self._begin(universe, state, accounts)
        self._untraded.say(listed, self._absent, self.runner.take)
        await self._ask_first(present, clocks)

    async def trade(self, until: Coroutine[Any, Any, int]) -> int:
        """Trade until `until` is over or the engine has ended by itself, wind down, and return the exit code.

        The result of `until` is the exit code, unless it is 0: then it depends on how the engine ended.
        """
        asked = asyncio.create_task(until)
        finished = asyncio.create_task(self.runner.finished.wait())
        self._tasks += [asyncio.create_task(job) for job in self._jobs()]
        try:
            await asyncio.wait((asked, finished), return_when=asyncio.FIRST_COMPLETED)
            return await self._wind_down(self._exit_asked(asked))
        finally:
            for task in (asked, finished, *self._tasks):
                task.cancel()
            await asyncio.gather(asked, finished, *self._tasks, return_exceptions=True)
            await self._arrivals.close()

    async def close(self) -> None:
        await asyncio.gather(*(gateway.close() for gateway in self._parts.gateways.values()))

    # The start.

    def _join(self) -> None:
        parts = self._parts
        ledger = parts.make_ledger(
            lambda blocked, cause: self.runner.emit(StoreStateChanged(store="ledger", blocked=blocked, cause=cause))
        )
        self._executor = Executor(
            parts.gateways,
            clock=parts.clock,
            emit=lambda event: self.runner.emit(event),
            on_incident=lambda kind, text: self.runner.emit(TroubleReported(kind=kind, text=text)),
            recall=self._recall if parts.recall else None,
            delays=parts.delays,
        )
        self.runner = Runner(
            engine=self.engine,
            journal=parts.journal,
            ledger=ledger,
            executor=self._executor,
            feeds=self._feeds,
            clock=parts.clock,
            last_seq=parts.journal.last_seq,
            on_alert=parts.on_alert,
            tape=parts.tape,
            turns=parts.turns,
            delays=parts.delays,
        )

    async def _recall(self, command: RecallOrders) -> OrdersRecalled:
        assert self._parts.recall is not None
        return await self._parts.recall(command, self._former)

    def _begin(self, universe: Universe, state: JournalState, accounts: dict[str, str]) -> None:
        parts, take = self._parts, self.runner.take
        take(
            RunStarted(
                run_id=max(parts.clock.wall_ns() // NS_PER_S, state.last_run_id + 1),
                nonce=parts.rng.getrandbits(NONCE_BITS),
                mode=parts.mode,
                sandbox_id=parts.sandbox_id,
                account_ids=accounts,
                seed=parts.seed,
                version=version(),
                former_account_ids=self._former,
                absent=self._absent,
            )
        )
        for venue, why in parts.failed.items():
            take(VenueExamined(venue=venue, failed=why))
        if parts.ledger_blocked is not None:
            take(StoreStateChanged(store="ledger", blocked=True, cause=parts.ledger_blocked))
        for venue, listed in groupby(universe.instruments, attrgetter("venue")):
            take(VenueListed(venue=venue, instruments=tuple(listed)))
        file_of = parts.halt_file_of
        if file_of is not None and (reason := read_halt_file(file_of)) is not None:
            take(HaltAsked(reason=reason, by=halt_file_user(file_of)))

    async def _ask_first(self, gateways: Iterable[OrderGateway], clocks: Iterable[AnyEvent]) -> None:
        """Take the venues' clocks, and request all balances; a venue that does not answer is asked again while trading."""
        asked = [unless_down(gateway.balances()) for gateway in gateways]
        proved: list[AnyEvent] = [
            ExpiryProved(venue=gateway.venue, holds=gateway.expiry_proved)
            for gateway in gateways
            if gateway.expiry_proved is not None
        ]
        for event in (*proved, *clocks):
            self._anchor.take(event, self.runner.take)
        listed = asyncio.gather(*(self._currencies_at(gateway) for gateway in gateways))
        for answer in (*await asyncio.gather(*asked), *await listed):
            if answer is not None:
                self.runner.take(answer)

    async def _currencies_at(self, gateway: OrderGateway) -> CurrenciesListed | None:
        """Return a venue's currency list for the assets traded there; None where it is not shown now."""
        try:
            asked = gateway.currencies(self._assets_at(gateway.venue))
            listed = await asyncio.wait_for(asked, CURRENCIES_WAIT_S)
        except (VenueError, TimeoutError) as error:
            log.warning(
                "currencies of %s not read, and asked for again: %s", gateway.venue, error or "no answer in time"
            )
            return None
        if listed is not None:
            self._currencies[gateway.venue] = listed
        return listed

    def _assets_at(self, venue: str) -> tuple[str, ...]:
        symbols = [Symbol.of(symbol) for at, symbol in self.engine.state.instruments if at == venue]
        return tuple(sorted({asset for symbol in symbols for asset in symbol.base_and_quote}))

    # While it runs.

    def _jobs(self) -> Iterable[Job]:
        parts, emit = self._parts, self.runner.emit
        for venue in parts.gateways:
            if venue in self._absent:
                yield self._bring_up(venue)
            else:
                connections = self.engine.state.books.connections_of(venue)
                yield from self._jobs_at(venue, [found.name for found in connections if found.rows])
        if parts.sync is not None:
            yield self._kept_up("the journal's fsync", partial(keep_synced, parts.sync, self.runner.on_synced))
        if parts.upkeep is not None:
            yield self._kept_up("the journal's upkeep", partial(keep_small, parts.upkeep))
        yield self._kept_up("our clock", partial(self._anchor.keep, parts.gateways.values(), self._on_clock))
        if parts.halt_file_of is not None:
            yield self._kept_up("the halt file", partial(poll_halt_file, parts.halt_file_of, emit))
        yield self._kept_up("the count of dropped opportunities", partial(keep_counted, self._drops, emit))
        if parts.chooser is not None:
            yield self._kept_up("the choice of symbols", partial(self._keep_symbols, parts.chooser))
        yield from (self._shown(view) for view in parts.views(self.engine))
        yield from (self._guarded(job) for job in parts.jobs())

    def _on_clock(self, event: AnyEvent) -> None:
        self.runner.emit(event)
        if isinstance(event, ClockAnchored):
            self._executor.clock_moved()

    def _jobs_at(self, venue: str, connections: Iterable[str]) -> Iterable[Job]:
        gateway, emit = self._parts.gateways[venue], self.runner.emit
        for name in connections:
            yield self._keep_feed(name)
        yield self._kept_up(f"the private stream of {venue}", partial(gateway.run_private, emit))
        on_clock = partial(self._anchor.take, listener=emit)
        yield self._kept_up(f"the clock of {venue}", partial(keep_clock, gateway, on_clock))
        yield self._kept_up(f"the rules of {venue}", partial(self._keep_rules, gateway))
        yield self._kept_up(f"the currencies of {venue}", partial(self._keep_currencies, gateway))
        if venue in self._parts.dedicated:
            yield self._kept_up(f"the dead-man switch of {venue}", self._dead_man(gateway).run)

    def _keep_feed(self, name: str) -> Job:
        self._running.add(name)
        return self._kept_up(f"the feed {name}", partial(self._feeds[name].run, self.runner.on_read))

    def _start_feed(self, name: str) -> None:
        """Keep up a connection that carried nothing before; for others there is nothing to do."""
        if name not in self._running:
            self._tasks.append(asyncio.create_task(self._keep_feed(name)))

    def _keep_symbols(self, chooser: Chooser) -> Job:
        parts, take = self._parts, self.runner.take
        return SymbolKeeper(
            chooser, parts.gateways, self.engine, take, self._feeds, self._start_feed, parts.clock
        ).run()

    async def _bring_up(self, venue: str) -> None:
        """Wait for a venue that was absent at the start, prepare it like the others, and keep it up.

        One that cannot be used stays out, with an incident; the run continues with the others.
        """
        try:
            instruments = await self._arrivals.later(venue)
            if self._parts.claim is not None:
                await self._parts.claim((self._account_at(venue),))
            connections = self._join_venue(venue, instruments)
            gateways = [self._parts.gateways[venue]]
            await self._ask_first(gateways, await compared(gateways))
        except InvariantError as error:
            return self.runner.fail(error)
        except Exception as error:  # the top of a task: one venue's trouble must not end trading at the others
            expected = isinstance(error, VenueError | ConfigError)
            kind = IncidentKind.VENUE_ABSENT if expected else IncidentKind.EXECUTOR_ERROR
            text = f"{venue} is excluded until the next start: {error if expected else repr(error)}"
            log.critical("%s", text)
            return self.runner.emit(TroubleReported(kind=kind, text=text))
        await asyncio.gather(*self._jobs_at(venue, connections))

    def _account_at(self, venue: str) -> str:
        gateway = self._parts.gateways[venue]
        self._former = present_names(self._former, dict.fromkeys(gateway.former_ids, gateway.account_id))
        return present_accounts({venue: gateway}, self._former)[venue]

    def _join_venue(self, venue: str, instruments: tuple[Instrument, ...]) -> Iterable[str]:
        """Let the engine take in a venue that answers; return its public connections."""
        state = self.engine.state
        awaited = [symbol for other in state.absent if other != venue for symbol in self._parts.symbols[other]]
        connections = joining(instruments, state.instruments.values(), awaited)
        carried = {native for natives in connections.values() for native in natives}
        self.runner.take(
            VenueArrived(
                venue=venue,
                account_id=self._account_at(venue),
                former_account_ids=self._former,
                instruments=tuple(one for one in instruments if one.native_symbol in carried),
                connections=connections,
            )
        )
        self._untraded.say(instruments, state.absent, self.runner.take)
        for name, natives in connections.items():
            for native in natives:
                self._feeds[name].add_book(native)
        return connections

    def _keep_rules(self, gateway: OrderGateway) -> Job:
        state, venue = self.engine.state, gateway.venue

        def known() -> list[Instrument]:
            traded = (one for (at, _), one in state.instruments.items() if at == venue)
            return [one for one in traded if state.books.has(venue, one.symbol)]

        every_s = self._parts.settings.timing.rules_refresh_s
        return keep_rules(
            gateway, known, every_s, self.runner.emit, partial(state.names_blocked, venue, Source.RULES, Source.BARRED)
        )

    def _keep_currencies(self, gateway: OrderGateway) -> Job:
        every_s, first = self._parts.settings.timing.rules_refresh_s, self._currencies.get(gateway.venue)
        return keep_currencies(gateway, partial(self._assets_at, gateway.venue), first, every_s, self.runner.emit)

    def _dead_man(self, gateway: OrderGateway) -> DeadManSwitch:
        timeout_s = self._parts.settings.timing.dead_man_timeout_s
        manager = self.engine.manager
        return DeadManSwitch(gateway, lambda: bool(manager.resting(gateway.venue)), self._parts.clock, timeout_s)

    async def _shown(self, view: Job) -> None:
        """Run a view; if it breaks (its terminal may be gone), only the view ends, and trading continues."""
        try:
            await (view if self._turns is None else self._turns.named("the view", view))
        except Exception as error:  # the top of a task
            text = f"the view broke, and trading continues without it: {error!r}"
            self.runner.emit(TroubleReported(kind=IncidentKind.VIEW, text=text))

    async def _kept_up(self, what: str, start: Callable[[], Job]) -> None:
        """Run a task; one that breaks restarts, while opening is halted. An `InvariantError` stops trading."""
        while True:
            try:
                return await (start() if self._turns is None else self._turns.named(what, start()))
            except InvariantError as error:
                return self.runner.fail(error)
            except Exception as error:  # the top of a task: a bug there must not end the repair of legs
                text = f"{what}: {error!r}; it restarts"
                self.runner.emit(TroubleReported(kind=IncidentKind.EXECUTOR_ERROR, text=text))
            await asyncio.sleep(TASK_AGAIN_S)

    async def _guarded(self, job: Job) -> None:
        """Run a task that trading depends on; its end, for any cause, stops trading."""
        try:
            await job
        except Exception as error:  # the top of a task: whatever ended it, the engine must not trade on without it
            self.runner.fail(error)

    # The end.

    def _exit_asked(self, asked: asyncio.Task[int]) -> int:
        """Return the exit code of the task that waits for the end, 0 for none; its failure stops trading."""
        if not asked.done():
            return EXIT_OK
        error = asked.exception()
        if isinstance(error, Exception):
            self.runner.fail(error)
            return EXIT_OK
        return asked.result()

    async def _wind_down(self, exit_code: int) -> int:
        """Finish open pairs for at most `shutdown_deadline_s`, then end the run's own record."""
        runner, engine = self.runner, self.engine
        if runner.fatal is None and not runner.finished.is_set():
            deadline_s = self._parts.settings.timing.shutdown_deadline_s
            deadline_ns = self._parts.clock.wall_ns() + deadline_s * NS_PER_S
            runner.emit(ShutdownAsked(deadline_ns=deadline_ns, by=self._parts.stopped_by()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(runner.finished.wait(), deadline_s + 1)
        await self._executor.close()
        left_open = sorted(pair.id for pair in engine.manager.unfinished)
        if left_open:
            log.critical("pairs left open: %s", ", ".join(map(str, left_open)))
        halted = engine.state.halted_at(self._parts.clock.wall_ns())
        failed = runner.fatal is not None or bool(left_open) or halted not in HALTS_BY_USER
        exit_code = exit_code or (EXIT_HALTED if failed else EXIT_OK)
        with contextlib.suppress(ArbError):
            self._drops.report(runner.take)
            runner.take(RunEnded(exit_code=exit_code, fatal=None if runner.fatal is None else str(runner.fatal)))
        return exit_code
