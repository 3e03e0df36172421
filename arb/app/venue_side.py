"""The venues of one run: their sites, their gateways, and their feeds."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from arb.app.build import (
    RunKind,
    build_paper_gateways,
    build_sandbox_gateways,
    require_two,
    require_venues_of,
    require_way_out,
    simulated,
    sites_of,
    warn_of_unsimulated,
)
from arb.app.choosing import MarketChooser
from arb.app.claims import Blocks, Claims
from arb.app.doctor.doctor import StartExam
from arb.app.live import build_live_gateways, sandbox_behind
from arb.app.market_reader import MarketReader
from arb.clock import SystemClock
from arb.config import EMBEDDED, Mode, RunOptions, Settings
from arb.config.coins import coin_rule
from arb.core.books.books import Books
from arb.live.embedded import Sandbox
from arb.live.recovered_state import left_open
from arb.store.journal.account_file import AccountFile
from arb.store.journal.journal import Journal
from arb.venues.build import address_allowances, build_feeds
from arb.venues.kit.base import EventListener, FrameListener, MarketFeed, OrderGateway
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.paper.gateway import PaperGateway, watched
from arb.venues.transport.network import Network, SystemNetwork


class VenueSide:
    """A run's access to its venues, from `opened` until its end.

    `settings` have the chosen symbols once these are chosen. `exam` is the doctor's examination of a live run with
    `examines`, else None. `paper` simulates the accounts of a paper run. `network` may be replaced before anything is
    opened. `wrap` may wrap each gateway.
    """

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        keys: Mapping[str, Credentials],
        clock: SystemClock,
        rng: random.Random,
        wrap: Callable[[OrderGateway], OrderGateway] | None,
        *,
        examines: bool,
    ) -> None:
        self.settings = settings
        self.network: Network = SystemNetwork(clock, way=settings.network.way_out())
        self.exam: StartExam | None = None
        self.chooser: MarketChooser | None = None  # where the symbols are not given
        self.paper: dict[str, PaperGateway] = {}
        self._options = options
        self.coins = coin_rule(settings, options.mode, sandbox=self.on_sandbox)  # before anything is made
        self._keys = keys
        self._clock = clock
        self._rng = rng
        self._wrap = wrap
        self._examines = examines
        self._behind: Sandbox | None = None  # the sandbox behind the venues of a live run, if there is one
        self._sites: dict[str, Site] = {}
        self._addresses: dict[str, AddressAllowance] = {}

    @property
    def on_sandbox(self) -> bool:
        """Return whether a sandbox was asked for: its coins are made up, and it brings addresses and keys."""
        return self._options.mode is Mode.SANDBOX or self._options.sandbox is not None

    @property
    def kind(self) -> RunKind:
        """Return the kind of the run, as far as it is known: `look_behind` finds a sandbox behind a live run's venues."""
        sandbox = self.on_sandbox or self._behind is not None
        return RunKind(self._options.mode, self.settings.venues.are_demos, sandbox)

    async def look_behind(self) -> None:
        """Find out whether a sandbox simulates a live run's venues; raises `ConfigError` where it simulates only some."""
        if self._options.mode is Mode.LIVE:
            self._behind = await sandbox_behind(sites_of(self.settings, None))

    @contextlib.asynccontextmanager
    async def sandbox(self) -> AsyncIterator[Sandbox | None]:
        if not self.on_sandbox:
            yield self._behind
            return
        running = None if self._options.sandbox == EMBEDDED else self._options.sandbox
        async with Sandbox.reached(running, self._options.seed, simulated(self.settings)) as sandbox:
            warn_of_unsimulated(self.settings, sandbox)
            yield sandbox

    @contextlib.asynccontextmanager
    async def opened(
        self,
        journal: Journal,
        stores: tuple[str, Path],
        sandbox: Sandbox | None,
        blocks: Blocks,
        books: Callable[[], Books],
    ) -> AsyncIterator[tuple[dict[str, OrderGateway], Claims]]:
        """Make the gateways; their accounts are claimed by key at once, and by their own ids once the venues report them.

        `stores`: the ledger's address and the journal's path; `books`: the engine's, once it is made.
        """
        pairs = left_open(journal, sandbox_id_of(sandbox))
        require_venues_of(pairs, self.settings.venues.enabled())
        self._sites = sites_of(self.settings, sandbox if self.on_sandbox else None)
        require_two(self._sites)
        self._addresses = address_allowances(self._sites, self._clock)
        if not pairs:  # those wait for a proxy as for venues that are down
            await require_way_out(self.settings, self._sites.values())
        async with contextlib.AsyncExitStack() as stack:
            if self.settings.run.chooses:
                await self._choose(journal, stack)
            gateways = self._made(stores[1], sandbox_id_of(sandbox), sandbox, books, stack)
            if self._wrap is not None:
                gateways = {venue: self._wrap(gateway) for venue, gateway in gateways.items()}
            claims = Claims(*stores, self._clock, self._rng, blocks)
            claims.patient = bool(journal.restore(()).pairs)
            try:
                await claims.claim(gateway.account_id for gateway in gateways.values())
                if self._options.mode is Mode.LIVE and self._examines:
                    await self._examine(journal, stores, gateways, pairs_open=bool(pairs))
                yield gateways, claims
            finally:
                await asyncio.gather(*(gateway.close() for gateway in gateways.values()))
                await claims.release()

    def feeds(self, books: Books, on_frame: FrameListener, emit: EventListener) -> Mapping[str, MarketFeed]:
        taken = watched(on_frame, self.paper) if self.paper else on_frame
        return build_feeds(
            self._sites,
            books,
            taken,
            emit,
            clock=self._clock,
            rng=self._rng,
            network=self.network,
            addresses=self._addresses,
        )

    @property
    def _list_keys(self) -> Mapping[str, Credentials]:
        """Return the keys for currency lists; a live run's keys ask for these through its gateways."""
        return self._keys if self._options.mode is Mode.PAPER and not self.on_sandbox else {}

    async def _choose(self, journal: Journal, stack: contextlib.AsyncExitStack) -> None:
        """Choose the symbols to begin with; `stack` closes the tasks that continue to choose."""
        reader = MarketReader(
            self.settings, self._sites, self._clock, self._rng, self.network, self._addresses, self._list_keys
        )
        stack.push_async_callback(reader.close)
        self.chooser = MarketChooser(self.settings, reader, self.coins, self._clock)
        self.settings = await self.chooser.first(journal.restore(()))

    async def _examine(
        self, journal: Journal, stores: tuple[str, Path], gateways: Mapping[str, OrderGateway], *, pairs_open: bool
    ) -> None:
        """Have the doctor examine a live run's venues and accounts, except with pairs open."""
        left = journal.restore(())
        exam = StartExam(self.settings, self._sites, gateways, stores, left, self._clock, self._rng, self.network)
        await exam.before(pairs_open=pairs_open)
        self.exam = exam

    def _made(
        self,
        journal: Path,
        sandbox_id: str | None,
        sandbox: Sandbox | None,
        books: Callable[[], Books],
        stack: contextlib.AsyncExitStack,
    ) -> dict[str, OrderGateway]:
        settings, clock, rng, network = self.settings, self._clock, self._rng, self.network
        if self._options.mode is Mode.PAPER:
            accounts = AccountFile(journal, rng, self.kind.environment)
            stack.callback(accounts.close)
            self.paper = build_paper_gateways(
                settings,
                self._sites,
                accounts,
                books,
                clock,
                rng,
                network,
                sandbox_id,
                self._addresses,
                self._list_keys,
            )
            return dict(self.paper)
        if self._options.mode is Mode.LIVE:
            return build_live_gateways(
                settings, self._sites, self._keys, clock, rng, network, sandbox_id, self._addresses
            )
        assert sandbox is not None
        return build_sandbox_gateways(settings, sandbox, clock, rng, network)


def sandbox_id_of(sandbox: Sandbox | None) -> str | None:
    """Return the id of a sandbox's accounts; real venues have none."""
    return None if sandbox is None else sandbox.sandbox_id
