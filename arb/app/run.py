"""`arb run`: one process from the journal's lock to the last row."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from arb.app import stores
from arb.app.build import (
    RunKind,
    engine_settings,
    ready_ledger,
    symbols_of,
)
from arb.app.claims import Blocks, Claims, call_soon
from arb.app.display import DisplayOnly
from arb.app.reload import Reload
from arb.app.venue_side import VenueSide, sandbox_id_of
from arb.clock import NS_PER_S, SystemClock, system_random
from arb.config import Mode, RunOptions, Settings, require_consents
from arb.config.settings import WarmUp
from arb.core.books.books import Books
from arb.core.engine import Engine
from arb.core.messages.events import AnyEvent, TroubleReported
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.records import IncidentRecord
from arb.core.state.positions.holdings import KnownInventory, known_inventory
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError, StartInterrupted, StoreError
from arb.live.control import ControlRequests, ControlServer, require_socket
from arb.live.delays import FSYNC, WRITE, Delays
from arb.live.embedded import Sandbox
from arb.live.fast_books import at_first, hand_over
from arb.live.feed import StateFeed
from arb.live.node import Node
from arb.live.parts import OnLedgerState, Parts
from arb.live.prefetch import OrderPrefetch, Prefetch
from arb.live.taping import Taping
from arb.live.tasks import keep_collected
from arb.live.universe import books_of, universe_of
from arb.live.warmup import Warmup
from arb.logs import Log
from arb.measured_loop import IDLE_PERCENT, Turns, in_turn, measured_loop
from arb.process import ServiceManager, on_stop_signal
from arb.store.journal.journal import Journal
from arb.store.journal.recall import recall
from arb.store.journal.upkeep import Upkeep, story_kept
from arb.store.ledger.database import mask_url
from arb.store.ledger.domains import note_on
from arb.store.ledger.ledger import Ledger
from arb.store.ledger.projector import require_journal
from arb.store.ledger.retention import Retention
from arb.store.ledger.writer import RowRefused
from arb.venues.generic.feed import ClientMaker
from arb.venues.kit.base import OrderGateway
from arb.venues.kit.endpoints import Credentials
from arb.venues.paper.matching import Reached
from arb.version import version
from arb.view.depth import depths
from arb.view.forecast import Forecast
from arb.view.summary import blocks, money, state_in_parts, summarise
from arb.view.view import ScreenGone, ScreenProcess, keep_alive, keep_status, log_lines

log = logging.getLogger(__name__)

LEDGER_DRAIN_S = 10.0
BOOK_POLL_S = 0.02
AT_REST_PERCENT = 3
"""How much of a processor the warm-up takes by default, so that an idle engine takes at most 5 %."""
SWITCH_S = 0.0001
"""How long another thread keeps running Python when the loop wants to run (5 ms by default)."""


def run_engine(
    settings: Settings,
    options: RunOptions,
    *,
    screen: ScreenProcess | None,
    keys: Mapping[str, Credentials] | None = None,
    logs: Log | None = None,
    manager: ServiceManager | None = None,
    reread: Callable[[], Settings] | None = None,
) -> tuple[dict[str, Any], int]:
    """Run until the end; returns the summary and the exit code.

    `keys`: of each venue, to trade with in live mode, only for currency lists in paper mode. `screen`: the screen that
    shows the run; None: plain lines show it. `logs`: the process's log, whose lines then name the run. `manager`: the service
    manager, if one started this process. `reread` reads the settings again.
    """
    spin = settings.engine.spin
    version()  # reads all code now, so that no turn of the loop waits for that
    require_spare(processors(), spin=spin)
    sys.setswitchinterval(SWITCH_S)
    turns = Turns()
    run = Run(settings, options, screen=screen, turns=turns, keys=keys, logs=logs, manager=manager, reread=reread)
    idle_percent = IDLE_PERCENT if settings.engine.warm_up is WarmUp.ON else AT_REST_PERCENT
    loop_factory = measured_loop(SystemClock(), turns, spin=spin, idle_percent=idle_percent)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(run.main())


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_spare(found: int, *, spin: bool) -> None:
    """Raise `ConfigError` where the loop is to poll and there is no second processor for other work."""
    if spin and found < 2:
        raise ConfigError(
            "[engine] spin = true: it takes a processor for itself, and there is only one here: set false"
        )


class Run:
    """One run of the engine: on a sandbox, on paper against real public feeds or a sandbox's, or live with the user's
    keys.

    `wrap` may wrap each gateway, `wrap_journal` around the journal; `make_client` makes the clients of the exchanges
    that are shown only, by default ccxt's. `examines`: the doctor examines a live run before it begins.
    """

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        *,
        screen: ScreenProcess | None = None,
        turns: Turns | None = None,
        keys: Mapping[str, Credentials] | None = None,
        logs: Log | None = None,
        manager: ServiceManager | None = None,
        reread: Callable[[], Settings] | None = None,
        examines: bool = True,
        wrap: Callable[[OrderGateway], OrderGateway] | None = None,
        wrap_journal: Callable[[Journal], Journal] | None = None,
        make_client: ClientMaker | None = None,
    ) -> None:
        if options.mode is Mode.LIVE:
            require_consents(settings, live=options.live)
        self._options = options
        self._screen = screen
        self._logs = logs
        self._manager = manager or ServiceManager({})
        self._settings, self._reread = settings, reread or (lambda: settings)
        self._reload: Reload | None = None
        self._by, self._compiles = at_first(settings.engine.fast_books)
        self._turns = Turns() if turns is None else turns
        self._wrap_journal = wrap_journal
        self._make_client = make_client
        self._display: DisplayOnly | None = None  # the venues a paper run only shows, besides those it trades at
        self._clock = SystemClock()
        self._delays = Delays(self._clock)
        self._rng: random.Random = system_random()
        self._venues = VenueSide(settings, options, keys or {}, self._clock, self._rng, wrap, examines=examines)
        self._db, self._journal_path = stores(settings, options.mode.value, options.db)
        self._started_trading_ns = 0
        self._tape: Taping | None = None
        self._node: Node | None = None
        self._upkeep: Upkeep | None = None
        self._stop = asyncio.Event()
        self._ledger_blocked: str | None = None
        self._blocks = Blocks()
        self._ledger: Ledger | None = None
        self._signals = 0
        self._stopped_by = ""
        self._reloading: asyncio.Task[Any] | None = None
        self._starting: asyncio.Task[Any] | None = None

    async def main(self) -> tuple[dict[str, Any], int]:
        """Open the stores, find the venues, trade, and return the summary and the exit code.

        Raises `StartInterrupted` when a second signal arrives before trading begins.
        """
        on_stop_signal(asyncio.get_running_loop(), self._on_signal, self._on_hangup if self._manager else None)
        self._starting = asyncio.current_task()
        await self._venues.look_behind()
        require_socket(self._journal_path)
        require_journal(self._db, self._journal_path)
        journal = Journal.open(self._journal_path, self._clock)
        if self._wrap_journal is not None:
            journal = self._wrap_journal(journal)
        try:
            self.kind.require(journal)
            self._upkeep = Upkeep(
                self._journal_path, story_kept(self._clock, self._venues.settings.store.keep_story_days)
            )
            self._ledger_blocked = ready_ledger(self._db, journal)
            self._blocks.say("rows", self._ledger_blocked)
            self._open_tape(journal)
            async with self._venues.sandbox() as sandbox, self._opened(journal, sandbox) as (gateways, claims):
                return await self._trade(self._parts(journal, sandbox, gateways, claims), journal, claims, sandbox)
        except asyncio.CancelledError:
            if self._signals < 2:
                raise
            raise StartInterrupted([saved.pair.id for saved in journal.restore(()).pairs]) from None
        finally:
            if self._tape is not None:
                self._tape.close()
            if self._upkeep is not None:
                self._upkeep.close()  # before the journal, which clears up last on releasing the file
            journal.close()

    def _open_tape(self, journal: Journal) -> None:
        """Make the tape, if one is asked for, before anything is under way; never over one that exists.

        Raises `StoreError` when it cannot be made, but not while pairs are open: to repair them matters more.
        """
        if self._options.tape is None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._tape = Taping(
                self._options.tape, lambda cause: call_soon(loop, lambda: self._on_trouble(IncidentKind.TAPE, cause))
            )
        except StoreError as error:
            if not journal.restore(()).pairs:
                raise
            log.critical("%s; pairs are open and will be finished, without a tape", error)
        else:
            if self._tape.path != self._options.tape:
                log.warning("%s exists already: the tape of this run is %s", self._options.tape, self._tape.path)

    def _on_set_aside(self, refused: RowRefused) -> None:
        text = f"ledger: {refused}; the row is set aside, and the journal holds it"
        if isinstance(refused.record, IncidentRecord):
            log.error("%s", text)  # an incident about it would be refused as well, without an end
        else:
            self._on_trouble(IncidentKind.STORE, text)

    def _on_trouble(self, kind: IncidentKind, text: str) -> None:
        log.error("%s", text)
        if self._node is not None and self._node.joined:
            self._node.runner.emit(TroubleReported(kind=kind, text=text))

    @property
    def kind(self) -> RunKind:
        """Return the kind of this run, as far as known: a sandbox behind a live run's venues is found at its start."""
        return self._venues.kind

    def _opened(
        self, journal: Journal, sandbox: Sandbox | None
    ) -> AbstractAsyncContextManager[tuple[dict[str, OrderGateway], Claims]]:
        stores = (self._db, self._journal_path)
        return self._venues.opened(journal, stores, sandbox, self._blocks, self._books)

    def _books(self) -> Books:
        assert self._node is not None
        return self._node.engine.state.books

    async def _trade(
        self, parts: Parts, journal: Journal, claims: Claims, sandbox: Sandbox | None
    ) -> tuple[dict[str, Any], int]:
        node = self._node = Node(parts)
        if self._venues.settings.generic.venues and self._options.mode is Mode.PAPER and not self._venues.on_sandbox:
            self._display = DisplayOnly(self._venues.settings, self._clock, self._rng, self._make_client)
        await node.start()
        if self._logs is not None:
            self._logs.of_run(node.engine.state.run_id)
        claims.patient = True
        journal.hold_reserve()
        self._starting = None  # from here on a signal ends the run in order
        requests = ControlRequests(self._journal_path, node.runner.obey, self._summary, self._inventory)
        self._reload = Reload(
            self._settings, self._options.mode, self._reread, node.runner.obey, self._logs, self._manager
        )
        control = ControlServer(self._journal_path, requests.answer, self._turns, self._reload.run)
        await control.start()
        self._warm_up(node, parts.gateways, journal)
        # Objects loaded now live as long as the run: a full collection over ccxt's tables would stop the loop for 0.1
        # s.
        gc.collect()
        gc.freeze()
        try:
            exit_code = await node.trade(self._until_stopped(node))
        finally:
            self._manager.notify("STOPPING=1")
            await control.close()
        ended_ns = self._clock.wall_ns()
        if self._ledger is not None and not await asyncio.to_thread(self._ledger.close, LEDGER_DRAIN_S):
            log.error(
                "the ledger did not take all rows; the next start, or `arb db rebuild`, brings them from the journal"
            )
            exit_code = exit_code or EXIT_CHECK
        ceiling_net = {} if sandbox is None else await sandbox.ceiling_net()
        summary = self._summary(ended_ns, sandbox_id=sandbox_id_of(sandbox), ceiling_net=ceiling_net)
        return summary | {"loop": self._turns.summary()}, exit_code

    def _warm_up(self, node: Node, gateways: Mapping[str, OrderGateway], journal: Journal) -> None:
        """Keep the data of an opening in the processor's caches while the run is idle."""
        chosen = self._venues.settings.engine.warm_up
        if self._options.mode is Mode.PAPER or chosen is WarmUp.OFF:
            return
        compiled = node.engine.state.books.find_plan is not None
        warmup = Warmup(tuple(gateways), self._clock, random.Random(0), compiled=compiled)
        prefetch = Prefetch(node.engine, self._clock, node.runner.unread)
        order_prefetch = OrderPrefetch(node.engine, gateways)
        works = [warmup.step, order_prefetch.step, prefetch.step]
        if chosen is WarmUp.ON:  # writes to the disk: some 30 MB an hour
            works.insert(2, journal.warm_up_intent)
        self._turns.idle_work = in_turn(*works)

    async def _compile(self, gateways: Mapping[str, OrderGateway], journal: Journal) -> None:
        node = self._node
        assert node is not None
        if await hand_over(node.engine.state.books):
            self._warm_up(node, gateways, journal)

    def _parts(
        self, journal: Journal, sandbox: Sandbox | None, gateways: dict[str, OrderGateway], claims: Claims
    ) -> Parts:
        settings, options = self._venues.settings, self._options
        loop = asyncio.get_running_loop()
        blocked = self._blocks.cause

        def make_ledger(on_state: OnLedgerState) -> Ledger:
            self._blocks.listen(on_state, blocked)
            retention = Retention(self._clock, settings.store.keep_untraded_days)
            self._ledger = Ledger(
                self._db,
                journal,
                lambda blocked, cause: call_soon(loop, lambda: self._blocks.say("rows", cause if blocked else None)),
                retention=retention,
                blocked=self._ledger_blocked,
                on_set_aside=lambda refused: call_soon(loop, lambda: self._on_set_aside(refused)),
                waiting=self._delays.ledger,
            )
            return self._ledger

        return Parts(
            settings=engine_settings(settings, gateways, self._venues.coins, options.mode),
            symbols={venue: symbols_of(settings, venue) for venue in gateways},
            mode=self.kind.recorded,
            sandbox_id=sandbox_id_of(sandbox),
            seed=options.seed,
            clock=self._clock,
            shift=self._clock.shift,
            rng=self._rng,
            journal=journal,
            make_ledger=make_ledger,
            gateways=gateways,
            waits_for_venues=options.mode is Mode.LIVE,
            make_universe=partial(universe_of, spare=0 if self._venues.chooser is None else settings.run.auto.top),
            make_books=partial(books_of, timing=settings.timing, by=self._by),
            make_feeds=self._venues.feeds,
            on_alert=lambda text, pair_id: log.critical("%s", text, extra={"pair_id": pair_id}),
            dropped=self._dropped,
            sync=partial(self._sync, journal),
            upkeep=partial(self._keep_small, journal),
            recall=lambda command, former: asyncio.to_thread(recall, journal, command, former),
            halt_file_of=self._journal_path,
            stopped_by=lambda: self._stopped_by,
            dedicated=frozenset(
                venue for venue, chosen in settings.venues.enabled().items() if chosen.dedicated_account
            ),
            chooser=self._venues.chooser,
            tape=self._tape,
            jobs=lambda: (
                *(() if sandbox is None else (sandbox.watch(),)),
                *(() if self._venues.exam is None else (self._venues.exam.beside(self._emit),)),
                *(() if self._display is None else (self._display.run(),)),
                *((self._compile(gateways, journal),) if self._compiles else ()),
                *((keep_alive(self._manager),) if self._manager else ()),
                self._collected(),
            ),
            failed={} if self._venues.exam is None else self._venues.exam.failed,
            turns=self._turns,
            delays=self._delays,
            views=self._views,
            ledger_blocked=blocked,
            claim=claims.claim,
        )

    def _emit(self, event: AnyEvent) -> None:
        assert self._node is not None
        self._node.runner.emit(event)

    async def _collected(self) -> None:
        assert self._node is not None
        runner = self._node.runner
        await self._turns.named("collecting garbage", keep_collected(lambda: runner.idle))

    async def _sync(self, journal: Journal) -> None:
        began_ns = self._clock.monotonic_ns()
        await asyncio.to_thread(journal.sync)
        self._delays.of(WRITE, FSYNC).add(self._clock.monotonic_ns() - began_ns)

    async def _keep_small(self, journal: Journal) -> bool:
        """Compress or trim a piece of the journal; return whether there was one. A full disk is for trades."""
        assert self._upkeep is not None
        change = None if journal.reserve_touched else await asyncio.to_thread(self._upkeep.due)
        if change is not None:
            journal.replace(change)
        return change is not None

    def _views(self, engine: Engine) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield the local view of the run, and the sender of its state to the screen or a page, if one listens."""
        yield self._shown(engine)
        if self._manager:
            yield keep_status(self._manager, engine, self._clock, self._beside)
        held = [] if self._screen is None else [self._screen.held]
        forecast = Forecast()
        yield StateFeed(
            self._journal_path,
            lambda asked: chain(
                state_in_parts(engine, self._clock.wall_ns(), forecast),
                depths(engine, self._clock.wall_ns, asked),
                self._delays.parts(self._turns, engine.state.books.connections.values()),
            ),
            lambda: (
                self._beside()
                | {"at_ns": self._clock.wall_ns(), "log": [text for one in held for text in one.latest()]}
            ),
            self._turns,
        ).run()

    async def _shown(self, engine: Engine) -> None:
        """Show the run by the screen as long as there is one, and then by plain lines."""
        if self._screen is not None:
            try:
                await self._screen.run()
            except ScreenGone as error:
                self._on_trouble(IncidentKind.VIEW, str(error))
        await log_lines(engine, self._clock, self.kind.mark, self._beside)

    def _beside(self) -> dict[str, Any]:
        return {
            "about": {
                "mark": self.kind.mark,
                "mode": self.kind.recorded,
                "environment": self.kind.environment,
                "ledger": mask_url(self._db),
                "started_ns": self._started_trading_ns or None,
            },
            "display_only": [] if self._display is None else self._display.rows(),
        }

    def _on_signal(self, name: str) -> None:
        """Take a signal to stop: the first stops in order, at any stage of the run; the second waits for nothing."""
        self._signals += 1
        self._stopped_by = self._stopped_by or name
        self._stop.set()
        if self._signals == 2 and self._starting is not None:
            self._starting.cancel()
        elif self._signals > 1 and self._node is not None and self._node.joined:
            self._node.runner.finished.set()

    def _on_hangup(self, name: str) -> None:
        """Read the settings again, at a service manager's signal."""
        if self._reload is not None:
            self._reloading = asyncio.create_task(self._reload.run(name))

    async def _until_stopped(self, node: Node) -> int:
        """Wait until the user stops the run, or the time that was asked for is over, counted from the first live books."""
        books = node.engine.state.books
        while len(books.live_venues()) < 2 and not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), BOOK_POLL_S)
        self._started_trading_ns = self._clock.wall_ns()
        self._turns.begin()
        if live := sorted(books.live_venues()):
            log.info(
                "books are live on %s; ledger %s, journal %s", ", ".join(live), mask_url(self._db), self._journal_path
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._options.for_s)
        self._manager.notify("STOPPING=1")
        return EXIT_OK

    def _dropped(self) -> int:
        return 0 if self._ledger is None else self._ledger.dropped_untraded

    def _inventory(self) -> KnownInventory:
        assert self._node is not None
        return known_inventory(self._node.engine.state, self._clock.wall_ns())

    def _summary(
        self, ended_ns: int | None = None, *, sandbox_id: str | None = None, ceiling_net: dict[str, str] | None = None
    ) -> dict[str, Any]:
        assert self._node is not None
        now_ns = self._clock.wall_ns() if ended_ns is None else ended_ns
        mode = self.kind.recorded
        paper = {venue: _amounts(gateway.reached) for venue, gateway in self._venues.paper.items()}
        simulated = {"simulated": paper} if paper else {}
        return (
            note_on((mode,))
            | ({} if self._options.mode is Mode.SANDBOX else {"environment": self.kind.environment})
            | summarise(
                self._node.engine,
                mode=mode,
                sandbox_id=sandbox_id,
                seconds=max(0, now_ns - (self._started_trading_ns or now_ns)) / NS_PER_S,
                dropped_opportunities=self._dropped(),
                ceiling_net=ceiling_net or {},
                db=mask_url(self._db),
                now_ns=now_ns,
                report_currency=self._venues.settings.run.report_currency,
            )
            | simulated
            | ({} if ended_ns else {"blocks": blocks(self._node.engine, now_ns)})
            | ({} if self._display is None else {"display_only": self._display.rows_with_quotes()})
        )


def _amounts(reached: Reached) -> dict[str, str]:
    return {name: money(amount) for name, amount in msgspec.structs.asdict(reached).items()}
