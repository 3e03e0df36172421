"""`arb run`: one process from the journal's lock to the last row."""

import asyncio
import contextlib
import gc
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from arb import __version__
from arb.app.build import (
    Universe,
    build_books,
    build_engine,
    build_feeds,
    build_sandbox_gateways,
    first_words,
    restored_from,
    sandbox_venues,
    survey,
    symbols_of,
)
from arb.app.places import stores
from arb.app.ready import open_journal, ready_ledger
from arb.clock import NS_PER_S, SystemClock, system_random
from arb.config import RunOptions, Settings, mask_url
from arb.core.control import FLATTENED, FLATTENING
from arb.core.engine import Engine
from arb.core.events import (
    AnyEvent,
    FlattenAsked,
    HaltAsked,
    InstrumentListed,
    ResumeAsked,
    RunEnded,
    RunStarted,
    ShutdownAsked,
    StoreStateChanged,
    TroubleReported,
)
from arb.errors import ArbError
from arb.live.control import ControlServer, read_halt_file, remove_halt_file
from arb.live.dead_man import DeadManSwitch
from arb.live.embedded import Sandbox
from arb.live.executor import Executor
from arb.live.keepers import DropCounter, keep_clock, keep_counted, keep_rules, keep_synced, poll_halt_file
from arb.live.runner import Runner
from arb.live.summary import summarise
from arb.live.taping import Taping
from arb.live.view import log_lines, show_live
from arb.logs import SECRETS
from arb.market.client_id import NONCE_BITS
from arb.store.account_lock import AccountLocks
from arb.store.journal import Journal
from arb.store.ledger import Ledger
from arb.store.retention import Retention
from arb.store.tape_head import TapeHead
from arb.venues.base import MarketFeed, OrderGateway

log = logging.getLogger(__name__)

EXIT_OK = 0
EXIT_HALTED = 4
LEDGER_DRAIN_S = 10.0
BOOK_POLL_S = 0.02
HALTS_BY_USER = (None, "asked", FLATTENING, FLATTENED)


def run_engine(settings: Settings, options: RunOptions, *, live_view: bool) -> tuple[dict[str, Any], int]:
    """Run until the end; returns the summary and the exit code."""
    return asyncio.run(Run(settings, options, live_view=live_view).main())


class Run:
    """One run of the engine on a sandbox.

    `wrap` may put something of its own around each gateway, `wrap_journal` around the journal.
    """

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        *,
        live_view: bool,
        wrap: Callable[[OrderGateway], OrderGateway] | None = None,
        wrap_journal: Callable[[Journal], Journal] | None = None,
    ) -> None:
        self._settings = settings
        self._options = options
        self._live_view = live_view
        self._wrap = wrap
        self._wrap_journal = wrap_journal
        self._clock = SystemClock()
        self._rng: random.Random = system_random()
        self._db, self._journal_path = stores(settings, options.mode.value, options.db)
        self._started_trading_ns = 0
        self._tape: Taping | None = None
        self._runner: Runner | None = None
        self._stop = asyncio.Event()
        self._ledger_blocked: str | None = None
        self._ledger: Ledger | None = None
        self._drops = DropCounter(self._dropped)
        self._signals = 0

    async def main(self) -> tuple[dict[str, Any], int]:
        """Open the stores, find the venues, trade, and tell how it went."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, self._on_signal)
        journal = open_journal(self._journal_path, self._clock, self._settings.store.keep_story_days)
        if self._wrap_journal is not None:
            journal = self._wrap_journal(journal)
        try:
            self._ledger_blocked = ready_ledger(self._db, journal)
            self._open_tape()
            async with self._sandbox() as sandbox, self._gateways(sandbox) as gateways:
                return await self._trade(journal, sandbox, gateways)
        finally:
            if self._tape is not None:
                self._tape.close()
            journal.close()

    def _open_tape(self) -> None:
        """Make the tape, if one is asked for, before anything is under way; it must not exist yet."""
        if self._options.tape is not None:
            loop = asyncio.get_running_loop()
            self._tape = Taping(self._options.tape, lambda cause: _call_soon(loop, lambda: self._on_tape_ended(cause)))

    def _on_tape_ended(self, cause: str) -> None:
        log.error("%s", cause)
        if self._runner is not None:
            self._runner.emit(TroubleReported(kind="tape", text=cause))

    @contextlib.asynccontextmanager
    async def _sandbox(self) -> AsyncIterator[Sandbox]:
        if self._options.sandbox is not None:
            yield await Sandbox.running(self._options.sandbox)
            return
        sandbox = await Sandbox.embedded(self._options.seed)
        try:
            yield sandbox
        finally:
            await sandbox.close()

    @contextlib.asynccontextmanager
    async def _gateways(self, sandbox: Sandbox) -> AsyncIterator[dict[str, OrderGateway]]:
        SECRETS.hide(
            word
            for venue in sandbox.announced["venues"].values()
            for name, word in venue.items()
            if name in ("secret", "passphrase")
        )
        gateways = build_sandbox_gateways(self._settings, sandbox, self._clock, self._rng)
        if self._wrap is not None:
            gateways = {venue: self._wrap(gateway) for venue, gateway in gateways.items()}
        locks = AccountLocks(self._journal_path, (gateway.account_id for gateway in gateways.values()))
        try:
            await asyncio.gather(*(gateway.start() for gateway in gateways.values()))
            yield gateways
        finally:
            await asyncio.gather(*(gateway.close() for gateway in gateways.values()))
            locks.release()

    async def _trade(
        self, journal: Journal, sandbox: Sandbox, gateways: dict[str, OrderGateway]
    ) -> tuple[dict[str, Any], int]:
        state = journal.restore({gateway.account_id for gateway in gateways.values()})
        universe = survey(await self._instruments(gateways))
        books = build_books(self._settings, universe)
        engine = build_engine(self._settings, books, tuple(gateways), state)
        loop = asyncio.get_running_loop()
        feeds: dict[str, MarketFeed] = {}
        runner: Runner

        def on_ledger_state(blocked: bool, cause: str) -> None:
            event = StoreStateChanged(store="ledger", blocked=blocked, cause=cause)
            loop.call_soon_threadsafe(runner.emit, event)

        retention = Retention(self._clock, self._settings.store.keep_untraded_days)
        ledger = self._ledger = Ledger(
            self._db, journal, on_ledger_state, retention=retention, blocked=self._ledger_blocked
        )
        natives = {(i.venue, i.symbol): i.native_symbol for i in universe.instruments}
        executor = Executor(
            gateways,
            clock=self._clock,
            emit=lambda event: runner.emit(event),
            on_incident=lambda kind, text: runner.emit(TroubleReported(kind=kind, text=text)),
            resync=lambda venue, symbol: feeds[books.connection_of(venue, symbol)].resync(natives[venue, symbol]),
        )
        runner = Runner(
            engine=engine,
            journal=journal,
            ledger=ledger,
            executor=executor,
            feeds=feeds,
            clock=self._clock,
            last_seq=journal.last_seq,
            on_alert=lambda text: log.critical("%s", text),
            tape=self._tape,
        )
        self._runner = runner
        if self._tape is not None:
            restored = restored_from(state)
            head = TapeHead(settings=engine.house.settings, restored=restored, last_seq=journal.last_seq)
            self._tape.begin(head, self._clock.wall_ns())
        endpoints = {venue: found[0] for venue, found in sandbox_venues(self._settings, sandbox).items()}
        feeds.update(build_feeds(endpoints, books, universe, self._clock, self._rng, runner.on_frame, runner.emit))
        self._begin(runner, sandbox, gateways, universe, state.last_run_id)
        for known in await first_words(gateways):
            runner.take(known)
        control = ControlServer(self._journal_path, lambda wish: self._answer(wish, engine, runner))
        await control.start()
        # What is loaded now lives as long as the run: a full collection over ccxt's tables would stop the loop for 0.1 s.
        gc.collect()
        gc.freeze()
        tasks = self._start_tasks(runner, engine, journal, sandbox, gateways, feeds)
        try:
            await self._until_told(engine, runner)
            exit_code = await self._wind_down(engine, runner, executor)
        finally:
            await control.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        summary = await self._close(engine, ledger, sandbox)
        return summary, exit_code

    async def _instruments(self, gateways: dict[str, OrderGateway]) -> list[Any]:
        asked = (gateway.instruments(symbols_of(self._settings, venue)) for venue, gateway in gateways.items())
        return [instrument for listed in await asyncio.gather(*asked) for instrument in listed]

    def _begin(
        self,
        runner: Runner,
        sandbox: Sandbox,
        gateways: dict[str, OrderGateway],
        universe: Universe,
        last_run_id: int,
    ) -> None:
        runner.take(
            RunStarted(
                run_id=max(self._clock.wall_ns() // NS_PER_S, last_run_id + 1),
                nonce=self._rng.getrandbits(NONCE_BITS),
                mode=self._options.mode.value,
                sandbox_id=sandbox.sandbox_id,
                account_ids={venue: gateway.account_id for venue, gateway in gateways.items()},
                seed=self._options.seed,
                version=__version__,
            )
        )
        if self._ledger_blocked is not None:
            runner.take(StoreStateChanged(store="ledger", blocked=True, cause=self._ledger_blocked))
        for instrument in universe.instruments:
            runner.take(InstrumentListed(instrument=instrument))
        reason = read_halt_file(self._journal_path)
        if reason is not None:
            runner.take(HaltAsked(reason=reason))

    def _start_tasks(
        self,
        runner: Runner,
        engine: Engine,
        journal: Journal,
        sandbox: Sandbox,
        gateways: dict[str, OrderGateway],
        feeds: dict[str, MarketFeed],
    ) -> list[asyncio.Task[None]]:
        work: list[Coroutine[Any, Any, None]] = [feed.run() for feed in feeds.values()]
        work += [gateway.run_private(runner.emit) for gateway in gateways.values()]
        work += [keep_clock(gateway, runner.emit) for gateway in gateways.values()]
        every_s = self._settings.timing.rules_refresh_s
        for venue, gateway in gateways.items():
            known = tuple(i for (at, _), i in engine.house.instruments.items() if at == venue)
            work.append(keep_rules(gateway, known, every_s, runner.emit))
        work += [switch.run() for switch in self._dead_man_switches(engine, gateways)]
        work.append(keep_synced(journal.sync, lambda cause: log.error("journal: %s", cause)))
        work.append(poll_halt_file(self._journal_path, runner.emit))
        work.append(keep_counted(self._drops, runner.emit))
        work.append(sandbox.watch())
        view = show_live(engine, self._clock, mask_url(self._db)) if self._live_view else log_lines(engine, self._clock)
        work.append(view)
        return [asyncio.create_task(self._guarded(job, runner)) for job in work]

    def _dead_man_switches(self, engine: Engine, gateways: dict[str, OrderGateway]) -> list[DeadManSwitch]:
        """Return a switch for every account that the user has said is nobody else's."""
        dedicated = {venue for venue, chosen in self._settings.venues.enabled().items() if chosen.dedicated_account}
        timeout_s = self._settings.timing.dead_man_timeout_s
        return [
            DeadManSwitch(gateway, lambda venue=venue: bool(engine.desk.resting(venue)), self._clock, timeout_s)  # type: ignore[misc]
            for venue, gateway in gateways.items()
            if venue in dedicated
        ]

    async def _guarded(self, job: Coroutine[Any, Any, None], runner: Runner) -> None:
        """Run a task that should never end; whatever ends it stops trading."""
        try:
            await job
        except Exception as error:  # the top of a task
            runner.fail(error)

    def _on_signal(self) -> None:
        """Take SIGINT or SIGTERM: the first stops in order, from wherever the run stands; the second waits for nothing."""
        self._signals += 1
        self._stop.set()
        if self._signals > 1 and self._runner is not None:
            self._runner.finished.set()

    async def _until_told(self, engine: Engine, runner: Runner) -> None:
        while len(engine.house.books.live_venues()) < 2 and not self._over(runner):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), BOOK_POLL_S)
        self._started_trading_ns = self._clock.wall_ns()
        if live := sorted(engine.house.books.live_venues()):
            log.info(
                "books are live on %s; ledger %s, journal %s", ", ".join(live), mask_url(self._db), self._journal_path
            )
        waits = [asyncio.create_task(self._stop.wait()), asyncio.create_task(runner.finished.wait())]
        await asyncio.wait(waits, timeout=self._options.for_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _dropped(self) -> int:
        return 0 if self._ledger is None else self._ledger.dropped_untraded

    def _over(self, runner: Runner) -> bool:
        return self._stop.is_set() or runner.finished.is_set()

    async def _wind_down(self, engine: Engine, runner: Runner, executor: Executor) -> int:
        """Finish what is open for at most `shutdown_deadline_s`, then end the run's own record."""
        deadline_s = self._settings.timing.shutdown_deadline_s
        if runner.fatal is None and not runner.finished.is_set():
            runner.emit(ShutdownAsked(deadline_ns=self._clock.wall_ns() + deadline_s * NS_PER_S))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(runner.finished.wait(), deadline_s + 1)
        await executor.close()
        halted = engine.house.control.halted
        left_open = sorted(pair.id for pair in engine.desk.unfinished)
        if left_open:
            log.critical("pairs left open: %s", ", ".join(map(str, left_open)))
        failed = runner.fatal is not None or bool(left_open) or halted not in HALTS_BY_USER
        exit_code = EXIT_HALTED if failed else EXIT_OK
        with contextlib.suppress(ArbError):
            self._drops.tell(runner.take)
            runner.take(RunEnded(exit_code=exit_code, fatal=None if runner.fatal is None else str(runner.fatal)))
        return exit_code

    async def _close(self, engine: Engine, ledger: Ledger, sandbox: Sandbox) -> dict[str, Any]:
        now_ns = self._clock.wall_ns()
        if not await asyncio.to_thread(ledger.close, LEDGER_DRAIN_S):
            log.error(
                "the ledger did not take all rows; the next start, or `arb db rebuild`, brings them from the journal"
            )
        return summarise(
            engine,
            mode=self._options.mode.value,
            sandbox_id=sandbox.sandbox_id,
            seconds=max(0, now_ns - (self._started_trading_ns or now_ns)) / NS_PER_S,
            dropped_opportunities=self._dropped(),
            ceiling_net=await sandbox.ceiling_net(),
            db=mask_url(self._db),
            now_ns=now_ns,
            report_currency=self._settings.run.report_currency,
        )

    def _answer(self, wish: dict[str, Any], engine: Engine, runner: Runner) -> dict[str, Any]:
        """Answer one wish from the control socket."""
        event: AnyEvent
        reason = str(wish.get("reason", "operator"))
        match wish.get("do"):
            case "status":
                return summarise(
                    engine,
                    mode=self._options.mode.value,
                    sandbox_id=None,
                    seconds=(self._clock.wall_ns() - self._started_trading_ns) / NS_PER_S,
                    dropped_opportunities=self._dropped(),
                    ceiling_net={},
                    db=mask_url(self._db),
                    now_ns=self._clock.wall_ns(),
                    report_currency=self._settings.run.report_currency,
                )
            case "halt":
                event = HaltAsked(reason=reason)
            case "resume":
                event = ResumeAsked(reason=reason)
            case "flatten":
                event = FlattenAsked(reason=reason)
            case other:
                return {"error": f"unknown wish {other!r}: status, halt, resume or flatten"}
        trouble = runner.obey(event)
        if trouble:
            return {"error": trouble}
        if isinstance(event, ResumeAsked):
            remove_halt_file(self._journal_path)
        return {"done": str(wish["do"])}


def _call_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Run `act` on the loop's thread, unless the loop is gone."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(act)
