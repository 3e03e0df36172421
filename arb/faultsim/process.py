"""One process of the engine, joined as `arb run` joins it, but for time, network and disk."""

import asyncio
import random
from collections.abc import Coroutine, Mapping
from typing import Any

from arb import __version__
from arb.app.accounts import present_accounts, restored_on
from arb.app.build import Universe, build_books, build_engine, first_words, sandbox_venues, survey, symbols_of
from arb.clock import NS_PER_S, Clock
from arb.config import Settings
from arb.core.engine import Engine
from arb.core.events import InstrumentListed, RunEnded, RunStarted, StoreStateChanged, TroubleReported
from arb.faultsim.disk import Disk, SimJournal, SimLedger, SimReserve, Watcher
from arb.faultsim.life import Life
from arb.faultsim.places import Places
from arb.live.embedded import Sandbox
from arb.live.executor import Executor
from arb.live.keepers import keep_clock
from arb.live.runner import Runner
from arb.market.client_id import NONCE_BITS
from arb.store.journal import Journal
from arb.store.journal_reader import JournalState
from arb.venues.base import MarketFeed
from arb.venues.build import GatewayLimits, build_feed, build_gateway
from arb.venues.gateway import CcxtGateway, GatewayTiming
from arb.venues.transport.wires import Wires

LAST_WRITES = 4
"""To find the ledger gone, to say so, to write it anew, to say that it is there again."""


class Process:
    """From the journal's lock to the last row. `run` returns when the engine has ended by itself."""

    def __init__(
        self,
        settings: Settings,
        sandbox: Sandbox,
        places: Places,
        *,
        clock: Clock,
        rng: random.Random,
        wires: Wires,
        disk: Disk,
        life: Life,
        watcher: Watcher,
        place_timeout_s: float,
    ) -> None:
        self.engine: Engine | None = None
        self.runner: Runner | None = None
        self.up = asyncio.Event()
        self._settings = settings
        self._sandbox = sandbox
        self._places = places
        self._clock = clock
        self._rng = rng
        self._wires = wires
        self._disk = disk
        self._life = life
        self._watcher = watcher
        # Questions are waited for less long than by default, so that less of the market has to be simulated.
        self._patience = GatewayTiming(
            place_timeout_s=place_timeout_s, cancel_timeout_s=2.0, read_timeout_s=2.0, pace_timeout_s=5.0
        )
        self._journal: Journal | None = None
        self._reserve = SimReserve(disk, clock.wall_ns)
        self._ledger: SimLedger | None = None

    async def run(self) -> None:
        """Start, trade, and wind down once the runner has finished; raises `VenueError` when a venue cannot be used."""
        journal = Journal.open(self._places.journal, self._clock, rng=self._rng, reserve=self._reserve)
        self._journal = self._reserve.journal = journal
        gateways = self._gateways()
        await asyncio.gather(*(gateway.start() for gateway in gateways.values()))
        state = restored_on(journal, gateways.values())
        universe = await self._survey(gateways)
        books = build_books(self._settings, universe)
        engine = build_engine(self._settings, books, tuple(gateways), state)
        feeds: dict[str, MarketFeed] = {}
        runner, executor = self._join(journal, engine, gateways, feeds, universe)
        self.engine, self.runner = engine, runner
        endpoints = {venue: found[0] for venue, found in sandbox_venues(self._settings, self._sandbox).items()}
        for venue, feed in books.feeds.items():
            feeds[venue] = build_feed(
                venue,
                endpoints[venue],
                [i.native_symbol for i in universe.instruments if i.venue == venue],
                feed,
                clock=self._clock,
                rng=self._rng,
                on_frame=runner.on_frame,
                emit=runner.emit,
                wires=self._wires,
            )
        self._begin(runner, gateways, universe, state)
        for known in await first_words(gateways):
            runner.take(known)
        self.up.set()
        await self._trade(runner, executor, gateways, feeds)

    def release(self) -> None:
        """Let go of the files, as the end of a process does; nothing more is written."""
        if self._ledger is not None:
            self._ledger.close()
        if self._journal is not None:
            self._journal.close()

    def _gateways(self) -> dict[str, CcxtGateway]:
        found = sandbox_venues(self._settings, self._sandbox)
        return {
            venue: build_gateway(
                venue,
                endpoint,
                credentials,
                clock=self._clock,
                rng=self._rng,
                limits=GatewayLimits(
                    hosts=("127.0.0.1",), symbols=symbols_of(self._settings, venue), timing=self._patience
                ),
                sandbox_id=self._sandbox.sandbox_id,
                wires=self._wires,
                entry=self._settings.venues.order_entry(venue),
            )
            for venue, (endpoint, credentials) in found.items()
        }

    async def _survey(self, gateways: Mapping[str, CcxtGateway]) -> Universe:
        asked = (gateway.instruments(symbols_of(self._settings, venue)) for venue, gateway in gateways.items())
        return survey([instrument for listed in await asyncio.gather(*asked) for instrument in listed])

    def _join(
        self,
        journal: Journal,
        engine: Engine,
        gateways: Mapping[str, CcxtGateway],
        feeds: Mapping[str, MarketFeed],
        universe: Universe,
    ) -> tuple[Runner, Executor]:
        runner: Runner
        natives = {(i.venue, i.symbol): i.native_symbol for i in universe.instruments}
        self._ledger = SimLedger(
            self._places,
            journal,
            self._disk,
            self._life,
            self._clock.wall_ns,
            lambda blocked, cause: runner.emit(StoreStateChanged(store="ledger", blocked=blocked, cause=cause)),
        )
        executor = Executor(
            gateways,
            clock=self._clock,
            emit=lambda event: runner.emit(event),
            on_incident=lambda kind, text: runner.emit(TroubleReported(kind=kind, text=text)),
            resync=lambda venue, symbol: feeds[venue].resync(natives[venue, symbol]),
        )
        runner = Runner(
            engine=engine,
            journal=SimJournal(journal, self._disk, self._reserve, self._life, self._watcher),
            ledger=self._ledger,
            executor=executor,
            feeds=feeds,
            clock=self._clock,
            last_seq=journal.last_seq,
            on_alert=lambda text: None,
        )
        return runner, executor

    def _begin(
        self, runner: Runner, gateways: Mapping[str, CcxtGateway], universe: Universe, state: JournalState
    ) -> None:
        runner.take(
            RunStarted(
                run_id=max(self._clock.wall_ns() // NS_PER_S, state.last_run_id + 1),
                nonce=self._rng.getrandbits(NONCE_BITS),
                mode="sandbox",
                sandbox_id=self._sandbox.sandbox_id,
                account_ids=present_accounts(gateways, state),
                seed=None,
                version=__version__,
                former_account_ids=state.former_accounts,
            )
        )
        for instrument in universe.instruments:
            runner.take(InstrumentListed(instrument=instrument))

    async def _trade(
        self,
        runner: Runner,
        executor: Executor,
        gateways: Mapping[str, CcxtGateway],
        feeds: Mapping[str, MarketFeed],
    ) -> None:
        assert self._ledger is not None
        work: list[Coroutine[Any, Any, None]] = [feed.run() for feed in feeds.values()]
        work += [gateway.run_private(runner.emit) for gateway in gateways.values()]
        work += [keep_clock(gateway, runner.emit) for gateway in gateways.values()]
        work.append(self._ledger.run())
        tasks = [asyncio.create_task(_guarded(job, runner)) for job in work]
        await runner.finished.wait()
        await executor.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if runner.fatal is None:
            runner.take(RunEnded(exit_code=0 if not runner.engine.desk.open else 4))
        self._disk.clear()
        for _ in range(LAST_WRITES):
            self._ledger.write()
            await asyncio.sleep(0)  # it may have news for the engine, which is journalled in turn
        for gateway in gateways.values():
            await gateway.close()


async def _guarded(job: Coroutine[Any, Any, None], runner: Runner) -> None:
    """Run a task that should never end; whatever ends it stops trading."""
    try:
        await job
    except Exception as error:  # the top of a task
        runner.fail(error)
