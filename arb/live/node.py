"""The one composition of a run: journal, engine, feeds, gateways, executor, ledger and the tasks beside them, joined.

`arb run`, the fault simulation and the backtest on captures all start a `Node`. They differ only in the `Parts` they hand in:
another clock, another network, other gateways, another disk. Nothing here asks which of them it is.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from arb import __version__
from arb.clock import NS_PER_S, Clock
from arb.core.accounts.former_accounts import with_present_accounts
from arb.core.accounts.restart import Restored
from arb.core.books import Books
from arb.core.engine import Engine
from arb.core.events import (
    HaltAsked,
    InstrumentListed,
    RunEnded,
    RunStarted,
    ShutdownAsked,
    StoreStateChanged,
    TroubleReported,
)
from arb.core.incidents import HaltReason, IncidentKind
from arb.core.state import EngineSettings
from arb.errors import EXIT_HALTED, EXIT_OK, ArbError, InvariantError
from arb.live.control import read_halt_file
from arb.live.executor import Executor
from arb.live.runner import JournalWriter, LedgerWriter, Runner, TapeWriter
from arb.live.tasks import DeadManSwitch, DropCounter, keep_clock, keep_counted, keep_rules, keep_synced, poll_halt_file
from arb.live.universe import Universe
from arb.market.ids import NONCE_BITS
from arb.market.instrument import Instrument
from arb.store.journal_reader import JournalState
from arb.store.tape import TapeHead
from arb.venues.base import EventListener, FrameListener, MarketFeed, OrderGateway

log = logging.getLogger(__name__)

HALTS_BY_USER = (None, HaltReason.ASKED, HaltReason.FLATTENING, HaltReason.FLATTENED)

TASK_AGAIN_S = 1.0
"""How long after a task of ours broke it begins anew."""

OnLedgerState = Callable[[bool, str], None]
"""Called with (blocked, cause) when the ledger stops or resumes taking rows; on the loop's thread."""
Job = Coroutine[Any, Any, None]


class Journal(JournalWriter, Protocol):
    """What a run needs of its journal."""

    @property
    def last_seq(self) -> int:
        """Return the sequence number of the last event, 0 for a new journal."""

    def restore(
        self, account_ids: Iterable[str] | None = None, former_accounts: Mapping[str, str] | None = None
    ) -> JournalState:
        """Return what a restart on these accounts needs; raise `StoreError` at an entry that cannot be read.

        `former_accounts`: earlier names of accounts, and their present ones.
        """


class Tape(TapeWriter, Protocol):
    """What a run needs of a tape."""

    def begin(self, head: TapeHead, t_ns: int) -> None:
        """Write what the engine was built from, before everything else."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is made of.

    `symbols`: what may be traded at each venue. `make_universe` says which of the listed instruments are traded, `make_books`
    reads their frames, `make_feeds` brings the frames. `sync` makes the journal survive a power cut; None: nobody need.
    `halt_file_of`: the journal beside which a halt file may lie; None: there is none. `dropped`: how many untraded
    opportunities the ledger could not take so far. `dedicated`: venues whose accounts are nobody else's. `jobs`: what else is
    to run beside the loop; what ends one of them stops trading. `view`: what shows the run, and may break without harm.
    `ledger_blocked`: why the ledger takes no rows at the start, if it does not. `claim` is given the accounts by their own ids,
    once these are known; it raises `ConfigError` where another engine trades on one.
    """

    settings: EngineSettings
    symbols: Mapping[str, tuple[str, ...]]
    mode: str
    sandbox_id: str | None
    seed: int | None
    clock: Clock
    rng: random.Random
    journal: Journal
    make_ledger: Callable[[OnLedgerState], LedgerWriter]
    gateways: Mapping[str, OrderGateway]
    make_universe: Callable[[Iterable[Instrument]], Universe]
    make_books: Callable[[Universe], Books]
    make_feeds: Callable[[Books, FrameListener, EventListener], Mapping[str, MarketFeed]]
    on_alert: Callable[[str], None]
    dropped: Callable[[], int] = int
    sync: Callable[[], Awaitable[None]] | None = None
    halt_file_of: Path | None = None
    dedicated: frozenset[str] = frozenset()
    tape: Tape | None = None
    jobs: Callable[["Node"], Iterable[Job]] = lambda _: ()
    view: Callable[["Node"], Job] | None = None
    ledger_blocked: str | None = None
    claim: Callable[[Iterable[str]], None] = lambda _: None


class Node:
    """One run: `start`, then `trade`, then `close`."""

    engine: Engine
    runner: Runner

    def __init__(self, parts: Parts) -> None:
        self.joined = False
        """Whether there is an engine, which takes its first events."""
        self._parts = parts
        self._drops = DropCounter(parts.dropped)
        self._feeds: dict[str, MarketFeed] = {}
        self._executor: Executor

    async def start(self) -> None:
        """Ask the venues what they list and what the accounts hold, and recover what the journal left open.

        Raises `VenueError` when a venue cannot be used, `ConfigError` when nothing can be traded here.
        """
        parts = self._parts
        await asyncio.gather(*(gateway.start() for gateway in parts.gateways.values()))
        state = restored_on(parts.journal, parts.gateways.values())
        accounts = present_accounts(parts.gateways, state)
        parts.claim(accounts.values())
        universe = parts.make_universe(await self._instruments())
        books = parts.make_books(universe)
        self.engine = Engine(parts.settings, books)
        restored = restored_from(state)
        self.engine.load(restored)
        self._join()
        self.joined = True
        if parts.tape is not None:
            head = TapeHead(
                settings=parts.settings,
                restored=restored,
                last_seq=parts.journal.last_seq,
                connections={name: tuple(found.rows.values()) for name, found in books.connections.items()},
            )
            parts.tape.begin(head, parts.clock.wall_ns())
        self._feeds.update(parts.make_feeds(books, self.runner.on_frame, self.runner.emit))
        self._begin(universe, state, accounts)
        await self._ask_first()

    async def trade(self, until: Coroutine[Any, Any, int]) -> int:
        """Trade until `until` is over or the engine has ended by itself, wind down, and return the exit code.

        What `until` returns is the exit code, unless it is 0: then it depends on how the engine ended.
        """
        asked = asyncio.create_task(until)
        finished = asyncio.create_task(self.runner.finished.wait())
        tasks = [asyncio.create_task(job) for job in self._jobs()]
        try:
            await asyncio.wait((asked, finished), return_when=asyncio.FIRST_COMPLETED)
            return await self._wind_down(self._exit_asked(asked))
        finally:
            for task in (asked, finished, *tasks):
                task.cancel()
            await asyncio.gather(asked, finished, *tasks, return_exceptions=True)

    async def close(self) -> None:
        """Release the gateways' sockets."""
        await asyncio.gather(*(gateway.close() for gateway in self._parts.gateways.values()))

    # The start.

    async def _instruments(self) -> list[Instrument]:
        parts = self._parts
        asked = (gateway.instruments(parts.symbols[venue]) for venue, gateway in parts.gateways.items())
        return [instrument for listed in await asyncio.gather(*asked) for instrument in listed]

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
        )

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
                version=__version__,
                former_account_ids=state.former_accounts,
            )
        )
        if parts.ledger_blocked is not None:
            take(StoreStateChanged(store="ledger", blocked=True, cause=parts.ledger_blocked))
        for instrument in universe.instruments:
            take(InstrumentListed(instrument=instrument))
        reason = None if parts.halt_file_of is None else read_halt_file(parts.halt_file_of)
        if reason is not None:
            take(HaltAsked(reason=reason))

    async def _ask_first(self) -> None:
        """Ask every venue for its clock, and then for all balances: side by side, for they take most of a start's time."""
        gateways = self._parts.gateways.values()
        clocks = await asyncio.gather(*(gateway.measure_clock() for gateway in gateways))
        balances = await asyncio.gather(*(gateway.balances() for gateway in gateways))
        for clock, held in zip(clocks, balances, strict=True):
            self.runner.take(clock)
            self.runner.take(held)

    # While it runs.

    def _jobs(self) -> Iterable[Job]:
        parts, emit = self._parts, self.runner.emit
        for name, feed in self._feeds.items():
            yield self._kept_up(f"the feed {name}", feed.run)
        for venue, gateway in parts.gateways.items():
            yield self._kept_up(f"the private stream of {venue}", partial(gateway.run_private, emit))
            yield self._kept_up(f"the clock of {venue}", partial(keep_clock, gateway, emit))
            yield self._kept_up(f"the rules of {venue}", partial(self._keep_rules, gateway))
            if venue in parts.dedicated:
                yield self._kept_up(f"the dead-man switch of {venue}", self._dead_man(gateway).run)
        if parts.sync is not None:
            complain = partial(log.error, "journal: %s")
            yield self._kept_up("the journal's fsync", partial(keep_synced, parts.sync, complain))
        if parts.halt_file_of is not None:
            yield self._kept_up("the halt file", partial(poll_halt_file, parts.halt_file_of, emit))
        yield self._kept_up("the count of dropped opportunities", partial(keep_counted, self._drops, emit))
        if parts.view is not None:
            yield self._shown(parts.view(self))
        yield from (self._guarded(job) for job in parts.jobs(self))

    def _keep_rules(self, gateway: OrderGateway) -> Job:
        known = tuple(i for (at, _), i in self.engine.state.instruments.items() if at == gateway.venue)
        return keep_rules(gateway, known, self._parts.settings.timing.rules_refresh_s, self.runner.emit)

    def _dead_man(self, gateway: OrderGateway) -> DeadManSwitch:
        timeout_s = self._parts.settings.timing.dead_man_timeout_s
        manager = self.engine.manager
        return DeadManSwitch(gateway, lambda: bool(manager.resting(gateway.venue)), self._parts.clock, timeout_s)

    async def _shown(self, view: Job) -> None:
        """Run what shows the run; where it breaks (its terminal may be gone) it ends alone, and trading goes on."""
        try:
            await view
        except Exception as error:  # the top of a task
            text = f"the view broke, and trading goes on without: {error!r}"
            self.runner.emit(TroubleReported(kind=IncidentKind.VIEW, text=text))

    async def _kept_up(self, what: str, start: Callable[[], Job]) -> None:
        """Run a task; one that breaks begins anew, while opening is halted. An invariant that it breaks stops trading."""
        while True:
            try:
                return await start()
            except InvariantError as error:
                return self.runner.fail(error)
            except Exception as error:  # the top of a task: a bug there must not leave legs unhedged
                text = f"{what}: {error!r}; it begins anew"
                self.runner.emit(TroubleReported(kind=IncidentKind.EXECUTOR_ERROR, text=text))
            await asyncio.sleep(TASK_AGAIN_S)

    async def _guarded(self, job: Job) -> None:
        """Run a task without which there is nothing to trade on; whatever ends it stops trading."""
        try:
            await job
        except Exception as error:  # the top of a task: whatever ended it, the engine must not trade on without it
            self.runner.fail(error)

    # The end.

    def _exit_asked(self, asked: asyncio.Task[int]) -> int:
        """Return the exit code that whoever waits for the end asks for, 0 for none; what ends it in disorder stops trading."""
        if not asked.done():
            return EXIT_OK
        error = asked.exception()
        if isinstance(error, Exception):
            self.runner.fail(error)
            return EXIT_OK
        return asked.result()

    async def _wind_down(self, exit_code: int) -> int:
        """Finish what is open for at most `shutdown_deadline_s`, then end the run's own record."""
        runner, engine = self.runner, self.engine
        if runner.fatal is None and not runner.finished.is_set():
            deadline_s = self._parts.settings.timing.shutdown_deadline_s
            runner.emit(ShutdownAsked(deadline_ns=self._parts.clock.wall_ns() + deadline_s * NS_PER_S))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(runner.finished.wait(), deadline_s + 1)
        await self._executor.close()
        left_open = sorted(pair.id for pair in engine.manager.unfinished)
        if left_open:
            log.critical("pairs left open: %s", ", ".join(map(str, left_open)))
        halted = engine.state.control.halted
        failed = runner.fatal is not None or bool(left_open) or halted not in HALTS_BY_USER
        exit_code = exit_code or (EXIT_HALTED if failed else EXIT_OK)
        with contextlib.suppress(ArbError):
            self._drops.report(runner.take)
            runner.take(RunEnded(exit_code=exit_code, fatal=None if runner.fatal is None else str(runner.fatal)))
        return exit_code


def restored_from(state: JournalState) -> Restored:
    """Return what the engine recovers of what the journal left, every account by its present name."""
    recent = state.recent
    restored = Restored(
        control=state.control,
        pairs=state.pairs,
        residuals=state.residuals,
        agreed=state.agreed,
        last_ns=state.last_ns,
        recent=recent.pairs,
        known=recent.known,
        foreign_orders=recent.foreign_orders,
        foreign_fills=recent.foreign_fills,
        former_accounts=state.remembered_accounts,
    )
    return with_present_accounts(restored, state.former_accounts)


def restored_on(journal: Journal, gateways: Iterable[OrderGateway]) -> JournalState:
    """Return what a restart on these gateways' accounts needs; they have been started. Raises `StoreError`."""
    started = tuple(gateways)
    former = {name: gateway.account_id for gateway in started for name in gateway.former_ids}
    return journal.restore([gateway.account_id for gateway in started], former)


def present_accounts(gateways: Mapping[str, OrderGateway], state: JournalState) -> dict[str, str]:
    """Return the accounts by venue, by the names that count.

    A venue that does not report its id today, and did under the same key before, still has the same account.
    """
    former = state.former_accounts
    return {venue: former.get(gateway.account_id, gateway.account_id) for venue, gateway in gateways.items()}
