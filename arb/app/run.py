"""`arb run`: one process from the journal's lock to the last row."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import msgspec

from arb.app import stores
from arb.app.build import (
    build_sandbox_gateways,
    engine_settings,
    ready_ledger,
    require_traded,
    require_two,
    require_venues_of,
    require_way_out,
    sites_of,
    symbols_of,
    warn_of_unsimulated,
)
from arb.app.choosing import MarketChooser
from arb.app.claims import Blocks, Claims, call_soon
from arb.app.display import DisplayOnly
from arb.app.doctor import StartExam
from arb.app.kind import RunKind
from arb.app.live import build_live_gateways, sandbox_behind
from arb.app.market_reader import MarketReader
from arb.app.paper import build_paper_gateways
from arb.clock import NS_PER_S, SystemClock, system_random
from arb.config import EMBEDDED, Mode, RunOptions, Settings, require_consents
from arb.config.coins import coin_rule
from arb.core.accounts.holdings import KnownInventory, known_inventory
from arb.core.books import Books
from arb.core.engine import Engine
from arb.core.events import AnyEvent, TroubleReported
from arb.core.incidents import IncidentKind
from arb.core.records import IncidentRecord
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError, StartInterrupted, StoreError
from arb.live.control import ControlRequests, ControlServer, require_socket
from arb.live.embedded import Sandbox
from arb.live.fast_books import chosen
from arb.live.left_behind import left_open
from arb.live.node import Node
from arb.live.parts import OnLedgerState, Parts
from arb.live.rehearsal import Rehearsal
from arb.live.summary import money, summarise
from arb.live.taping import Taping
from arb.live.tasks import keep_collected
from arb.live.universe import books_of, universe_of
from arb.live.view import log_lines, show_live
from arb.measured_loop import Turns, measured_loop
from arb.signals import on_stop_signal
from arb.store.account_file import AccountFile
from arb.store.database import mask_url
from arb.store.domains import note_on
from arb.store.journal import Journal
from arb.store.journal_upkeep import Upkeep, story_kept
from arb.store.ledger import Ledger
from arb.store.projector import require_journal
from arb.store.retention import Retention
from arb.store.writer import RowRefused
from arb.venues.base import EventListener, FrameListener, MarketFeed, OrderGateway
from arb.venues.endpoints import Credentials, Site
from arb.venues.generic.feed import ClientMaker
from arb.venues.paper import PaperGateway, watched
from arb.venues.paper_matching import Reached
from arb.venues.public_side import address_allowances, build_feeds
from arb.venues.rules.pacing import AddressAllowance
from arb.venues.transport.network import Network, SystemNetwork

log = logging.getLogger(__name__)

LEDGER_DRAIN_S = 10.0
BOOK_POLL_S = 0.02
SWITCH_S = 0.0001
"""How long a thread of ours goes on in Python when the loop wants to run (5 ms by default): ledger and view have time."""


def run_engine(
    settings: Settings, options: RunOptions, *, live_view: bool, keys: Mapping[str, Credentials] | None = None
) -> tuple[dict[str, Any], int]:
    """Run until the end; returns the summary and the exit code. `keys`: of each venue, in live mode."""
    spin = settings.engine.spin
    require_spare(processors(), spin=spin)
    sys.setswitchinterval(SWITCH_S)
    turns = Turns()
    run = Run(settings, options, live_view=live_view, turns=turns, keys=keys)
    with asyncio.Runner(loop_factory=measured_loop(SystemClock(), turns, spin=spin)) as runner:
        return runner.run(run.main())


def processors() -> int:
    """Return on how many processors this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_spare(found: int, *, spin: bool) -> None:
    """Raise `ConfigError` where the loop is to poll and there is no second processor for all else."""
    if spin and found < 2:
        raise ConfigError("[engine] spin = true: it takes a processor for itself, and here is one alone: set false")


class Run:
    """One run of the engine: on a sandbox, on paper against real public feeds or a sandbox's, or live with the user's keys.

    `wrap` may put something of its own around each gateway, `wrap_journal` around the journal; `make_client` makes the clients
    of the exchanges that are shown only, by default ccxt's.
    """

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        *,
        live_view: bool,
        turns: Turns | None = None,
        keys: Mapping[str, Credentials] | None = None,
        wrap: Callable[[OrderGateway], OrderGateway] | None = None,
        wrap_journal: Callable[[Journal], Journal] | None = None,
        make_client: ClientMaker | None = None,
    ) -> None:
        if options.mode is Mode.LIVE:
            require_consents(settings, live=options.live)
            require_traded(settings)
        self._settings = settings
        self._options = options
        self._live_view = live_view
        self._keys = {} if keys is None else keys
        self._coins = coin_rule(settings, options.mode, sandbox=self._on_sandbox)  # before anything is made
        self._by = chosen(settings.engine.fast_books)
        self._turns = Turns() if turns is None else turns
        self._wrap = wrap
        self._wrap_journal = wrap_journal
        self._make_client = make_client
        self._display: DisplayOnly | None = None  # what a paper run shows beside what it trades on
        self._clock = SystemClock()
        self._rng: random.Random = system_random()
        self._network: Network = SystemNetwork(self._clock, proxy=settings.network.way_out())
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
        self._sites: dict[str, Site] = {}
        self._addresses: dict[str, AddressAllowance] = {}
        self._exam: StartExam | None = None  # of a live run
        self._behind: Sandbox | None = None  # what stands for the venues of a live run, if that is a sandbox
        self._paper: dict[str, PaperGateway] = {}  # by venue, what simulates the accounts of a paper run
        self._chooser: MarketChooser | None = None  # where the symbols are not given
        self._starting: asyncio.Task[Any] | None = None

    async def main(self) -> tuple[dict[str, Any], int]:
        """Open the stores, find the venues, trade, and return the summary and the exit code.

        Raises `StartInterrupted` when a second signal comes before trading begins.
        """
        on_stop_signal(asyncio.get_running_loop(), self._on_signal)
        self._starting = asyncio.current_task()
        if self._options.mode is Mode.LIVE:
            self._behind = await sandbox_behind(sites_of(self._settings, None).values())
        require_socket(self._journal_path)
        require_journal(self._db, self._journal_path)
        journal = Journal.open(self._journal_path, self._clock)
        if self._wrap_journal is not None:
            journal = self._wrap_journal(journal)
        try:
            self.kind.require(journal)
            self._upkeep = Upkeep(self._journal_path, story_kept(self._clock, self._settings.store.keep_story_days))
            self._ledger_blocked = ready_ledger(self._db, journal)
            self._blocks.say("rows", self._ledger_blocked)
            self._open_tape(journal)
            async with self._sandbox() as sandbox, self._gateways(journal, sandbox) as (gateways, claims):
                return await self._trade(self._parts(journal, sandbox, gateways, claims), journal, claims, sandbox)
        except asyncio.CancelledError:
            if self._signals < 2:
                raise
            raise StartInterrupted([saved.pair.id for saved in journal.restore(()).pairs]) from None
        finally:
            if self._tape is not None:
                self._tape.close()
            if self._upkeep is not None:
                self._upkeep.close()  # before the journal, which clears up as the last to let go of the file
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
    def _on_sandbox(self) -> bool:
        """Return whether a sandbox was asked for: its coins are made up, and it brings addresses and keys."""
        return self._options.mode is Mode.SANDBOX or self._options.sandbox is not None

    @property
    def kind(self) -> RunKind:
        """Return of which kind this run is, as far as is known: what stands for a live run's venues is found at its start."""
        sandbox = self._on_sandbox or self._behind is not None
        return RunKind(self._options.mode, self._settings.venues.are_demos, sandbox)

    @contextlib.asynccontextmanager
    async def _sandbox(self) -> AsyncIterator[Sandbox | None]:
        if not self._on_sandbox:
            yield self._behind
            return
        running = None if self._options.sandbox == EMBEDDED else self._options.sandbox
        async with Sandbox.reached(running, self._options.seed) as sandbox:
            warn_of_unsimulated(self._settings, sandbox)
            yield sandbox

    @contextlib.asynccontextmanager
    async def _gateways(
        self, journal: Journal, sandbox: Sandbox | None
    ) -> AsyncIterator[tuple[dict[str, OrderGateway], Claims]]:
        """Make the gateways; their accounts are claimed by key at once, and by their own ids once the venues report them."""
        pairs = left_open(journal, _id_of(sandbox))
        require_venues_of(pairs, self._settings.venues.enabled())
        self._sites = sites_of(self._settings, sandbox if self._on_sandbox else None)
        require_two(self._sites)
        self._addresses = address_allowances(self._sites, self._clock)
        if not pairs:  # those wait for a proxy as for venues that are down
            await require_way_out(self._settings, self._sites.values())
        async with contextlib.AsyncExitStack() as stack:
            if self._settings.run.chooses:
                await self._choose(journal, stack)
            gateways = self._made(sandbox, stack)
            if self._wrap is not None:
                gateways = {venue: self._wrap(gateway) for venue, gateway in gateways.items()}
            claims = Claims(self._db, self._journal_path, self._clock, self._rng, self._blocks)
            claims.patient = bool(journal.restore(()).pairs)
            try:
                await claims.claim(gateway.account_id for gateway in gateways.values())
                if self._options.mode is Mode.LIVE:
                    self._exam = await self._examined(journal, gateways, pairs_open=bool(pairs))
                yield gateways, claims
            finally:
                await asyncio.gather(*(gateway.close() for gateway in gateways.values()))
                await claims.release()

    async def _choose(self, journal: Journal, stack: contextlib.AsyncExitStack) -> None:
        """Choose the symbols to begin with; `stack` closes what goes on choosing."""
        reader = MarketReader(self._settings, self._sites, self._clock, self._rng, self._network, self._addresses)
        stack.push_async_callback(reader.close)
        self._chooser = MarketChooser(self._settings, reader, self._coins, self._clock)
        self._settings = await self._chooser.first(journal.restore(()))

    async def _examined(
        self, journal: Journal, gateways: Mapping[str, OrderGateway], *, pairs_open: bool
    ) -> StartExam | None:
        """Return the doctor, who has looked at what a live run is to trade with, but for one with pairs open."""
        ledger, left = (self._db, self._journal_path), journal.restore(())
        exam = StartExam(self._settings, self._sites, gateways, ledger, left, self._clock, self._rng, self._network)
        await exam.before(pairs_open=pairs_open)
        return exam

    def _made(self, sandbox: Sandbox | None, stack: contextlib.AsyncExitStack) -> dict[str, OrderGateway]:
        """Return the gateways of the mode; `stack` closes what they need."""
        settings, clock, rng, network = self._settings, self._clock, self._rng, self._network
        if self._options.mode is Mode.PAPER:
            accounts = AccountFile(self._journal_path, rng, self.kind.environment)
            stack.callback(accounts.close)
            self._paper = build_paper_gateways(
                settings, self._sites, accounts, self._books, clock, rng, network, _id_of(sandbox), self._addresses
            )
            return dict(self._paper)
        if self._options.mode is Mode.LIVE:
            return build_live_gateways(settings, self._sites, self._keys, clock, rng, network, _id_of(sandbox))
        assert sandbox is not None
        return build_sandbox_gateways(settings, sandbox, clock, rng, network)

    def _books(self) -> Books:
        assert self._node is not None
        return self._node.engine.state.books

    async def _trade(
        self, parts: Parts, journal: Journal, claims: Claims, sandbox: Sandbox | None
    ) -> tuple[dict[str, Any], int]:
        node = self._node = Node(parts)
        if self._settings.generic.venues and self._options.mode is Mode.PAPER and not self._on_sandbox:
            self._display = DisplayOnly(self._settings, self._clock, self._rng, self._make_client)
        await node.start()
        claims.patient = True
        journal.hold_reserve()
        self._starting = None  # from here on a signal ends the run in order
        requests = ControlRequests(self._journal_path, node.runner.obey, self._summary, self._inventory)
        control = ControlServer(self._journal_path, requests.answer, self._turns)
        await control.start()
        if self._options.mode is not Mode.PAPER:
            self._turns.idle_work = Rehearsal(tuple(parts.gateways), self._clock, random.Random(0)).step
        # What is loaded now lives as long as the run: a full collection over ccxt's tables would stop the loop for 0.1 s.
        gc.collect()
        gc.freeze()
        try:
            exit_code = await node.trade(self._until_stopped(node))
        finally:
            await control.close()
        ended_ns = self._clock.wall_ns()
        if self._ledger is not None and not await asyncio.to_thread(self._ledger.close, LEDGER_DRAIN_S):
            log.error(
                "the ledger did not take all rows; the next start, or `arb db rebuild`, brings them from the journal"
            )
            exit_code = exit_code or EXIT_CHECK
        ceiling_net = {} if sandbox is None else await sandbox.ceiling_net()
        summary = self._summary(ended_ns, sandbox_id=_id_of(sandbox), ceiling_net=ceiling_net)
        return summary | {"loop": self._turns.summary()}, exit_code

    def _parts(
        self, journal: Journal, sandbox: Sandbox | None, gateways: dict[str, OrderGateway], claims: Claims
    ) -> Parts:
        settings, options = self._settings, self._options
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
            )
            return self._ledger

        return Parts(
            settings=engine_settings(settings, gateways, self._coins, options.mode),
            symbols={venue: symbols_of(settings, venue) for venue in gateways},
            mode=self.kind.recorded,
            sandbox_id=_id_of(sandbox),
            seed=options.seed,
            clock=self._clock,
            shift=self._clock.shift,
            rng=self._rng,
            journal=journal,
            make_ledger=make_ledger,
            gateways=gateways,
            waits_for_venues=options.mode is Mode.LIVE,
            make_universe=partial(universe_of, spare=0 if self._chooser is None else settings.run.auto.top),
            make_books=partial(books_of, timing=settings.timing, by=self._by),
            make_feeds=self._feeds,
            on_alert=lambda text: log.critical("%s", text),
            dropped=self._dropped,
            sync=lambda: asyncio.to_thread(journal.sync),
            upkeep=partial(self._keep_small, journal),
            halt_file_of=self._journal_path,
            dedicated=frozenset(
                venue for venue, chosen in settings.venues.traded().items() if chosen.dedicated_account
            ),
            chooser=self._chooser,
            tape=self._tape,
            jobs=lambda: (
                *(() if sandbox is None else (sandbox.watch(),)),
                *(() if self._exam is None else (self._exam.beside(self._emit),)),
                *(() if self._display is None else (self._display.run(),)),
                self._collected(),
            ),
            failed={} if self._exam is None else self._exam.failed,
            turns=self._turns,
            view=self._view,
            ledger_blocked=blocked,
            claim=claims.claim,
        )

    def _emit(self, event: AnyEvent) -> None:
        assert self._node is not None
        self._node.runner.emit(event)

    def _feeds(self, books: Books, on_frame: FrameListener, emit: EventListener) -> Mapping[str, MarketFeed]:
        taken = watched(on_frame, self._paper) if self._paper else on_frame
        return build_feeds(
            self._sites,
            books,
            taken,
            emit,
            clock=self._clock,
            rng=self._rng,
            network=self._network,
            addresses=self._addresses,
        )

    async def _collected(self) -> None:
        assert self._node is not None
        runner = self._node.runner
        await self._turns.named("collecting garbage", keep_collected(lambda: runner.idle))

    async def _keep_small(self, journal: Journal) -> bool:
        """Compress or trim a piece of the journal; return whether there was one. A full disk is for trades."""
        assert self._upkeep is not None
        change = None if journal.reserve_touched else await asyncio.to_thread(self._upkeep.due)
        if change is not None:
            journal.replace(change)
        return change is not None

    def _view(self, engine: Engine) -> Coroutine[Any, Any, None]:
        if self._live_view:
            return show_live(engine, self._clock, mask_url(self._db), self.kind.mark, self._shown)
        return log_lines(engine, self._clock, self.kind.mark, self._shown)

    def _shown(self) -> list[dict[str, Any]]:
        return [] if self._display is None else self._display.rows()

    def _on_signal(self) -> None:
        """Take a signal to stop: the first stops in order, from wherever the run stands; the second waits for nothing."""
        self._signals += 1
        self._stop.set()
        if self._signals == 2 and self._starting is not None:
            self._starting.cancel()
        elif self._signals > 1 and self._node is not None and self._node.joined:
            self._node.runner.finished.set()

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
        return EXIT_OK

    def _dropped(self) -> int:
        return 0 if self._ledger is None else self._ledger.dropped_untraded

    def _inventory(self) -> KnownInventory:
        assert self._node is not None
        return known_inventory(self._node.engine.state, self._clock.wall_ns())

    def _summary(
        self, ended_ns: int | None = None, *, sandbox_id: str | None = None, ceiling_net: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the summary as of the run's end, or of now."""
        assert self._node is not None
        now_ns = self._clock.wall_ns() if ended_ns is None else ended_ns
        mode = self.kind.recorded
        paper = {venue: _amounts(gateway.reached) for venue, gateway in self._paper.items()}
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
                report_currency=self._settings.run.report_currency,
            )
            | simulated
            | ({} if self._display is None else {"display_only": self._display.rows_with_quotes()})
        )


def _id_of(sandbox: Sandbox | None) -> str | None:
    """Return what distinguishes a sandbox's accounts; real venues have no such id."""
    return None if sandbox is None else sandbox.sandbox_id


def _amounts(reached: Reached) -> dict[str, str]:
    """Return sums of quote as decimal strings."""
    return {name: money(amount) for name, amount in msgspec.structs.asdict(reached).items()}
