"""One process of the engine: the node that `arb run` starts, on a virtual clock, a network in memory and a faulty disk."""

import asyncio
import random
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Any

from arb.clock import SystemClock
from arb.core.engine import Engine
from arb.core.messages.commands import AnyCommand, RecallOrders
from arb.core.messages.events import OrdersRecalled
from arb.core.state.engine_state import EngineSettings
from arb.errors import EXIT_OK, require
from arb.live.node import Node
from arb.live.parts import OnLedgerState, Parts
from arb.live.runner import Runner
from arb.live.universe import books_of, universe_of
from arb.store.journal.journal import Journal
from arb.store.journal.recall import recall
from arb.store.journal.upkeep import Upkeep, story_kept
from arb.venues.build import GatewayLimits, build_feeds, build_gateway, venue_profile
from arb.venues.kit.endpoints import Credentials, OrderEntry, Site, sandbox_access
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.public_reader import GatewayTiming
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS
from arb.venues.transport.network import Network
from proofs.faultsim.disk import Disk, FaultyJournal, FaultyReserve, Files, Watcher
from proofs.faultsim.faults import Life
from proofs.faultsim.fee_assets import prices_of
from proofs.faultsim.ledger import FaultyLedger
from proofs.faultsim.plan import Plan

NEWEST_ENTRIES, BLOCK_ENTRIES = 100, 50
LOANS = KeyPolicy(borrowing_allowed=True)
"""Accounts of every mode are traded here: nothing real is lent."""
LAST_WRITES = 4
"""To find the ledger gone, to say so, to write it anew, to say that it is there again."""


class Process:
    """From the journal's lock to the last row. `run` returns when the engine has ended by itself."""

    def __init__(
        self,
        plan: Plan,
        announced: Mapping[str, Any],
        files: Files,
        *,
        clock: SystemClock,
        true_ns: Callable[[], int],
        rng: random.Random,
        network: Network,
        disk: Disk,
        life: Life,
        watcher: Watcher,
    ) -> None:
        self.up = asyncio.Event()
        """Set when the start is done."""
        self._plan = plan
        self._access: dict[str, tuple[Site, Credentials]] = {
            spec.name: sandbox_access(spec.name, announced["venues"][spec.name])
            for spec in SPECS
            if spec.name in announced["venues"]
        }
        self._sandbox_id = str(announced["sandbox_id"])
        self._files = files
        self.clock = clock
        """The process's own, as the host's clock and the venues' make it; the disk goes by true time."""
        self._true_ns = true_ns
        self._rng = rng
        self._network = network
        self._disk = disk
        self._life = life
        self._watcher = watcher
        self._reserve = FaultyReserve(disk, true_ns)
        self._journal: Journal | None = None
        self._upkeep: Upkeep | None = None
        self._ledger: FaultyLedger | None = None
        self._node: Node | None = None

    @property
    def engine(self) -> Engine | None:
        """Return the engine, None before there is one."""
        return self._node.engine if self._node is not None and self._node.joined else None

    @property
    def runner(self) -> Runner | None:
        """Return the runner, None before there is one."""
        return self._node.runner if self._node is not None and self._node.joined else None

    async def run(self) -> None:
        """Start, trade, and wind down once the runner has finished; raises `VenueError` when a venue cannot be used."""
        journal = Journal.open(self._files.journal, self.clock, rng=self._rng, reserve=self._reserve)
        self._journal = self._reserve.journal = journal
        # Of a journal as short as that of a simulation most is compressed all the same.
        self._upkeep = Upkeep(
            self._files.journal,
            story_kept(self.clock, 0),
            newest_entries=NEWEST_ENTRIES,
            block_entries=BLOCK_ENTRIES,
            least_entries=BLOCK_ENTRIES,
        )
        node = self._node = Node(self._parts(journal))
        await node.start()
        if node.joined:
            _sum_up_each_step(node.engine)
        self.up.set()
        assert self._ledger is not None
        await node.trade(_for_ever())
        self._disk.clear()
        for _ in range(LAST_WRITES):
            self._ledger.write()
            await asyncio.sleep(0)  # it may have news for the engine, which is journalled in turn
        await node.close()

    def release(self) -> None:
        """Let go of the files, as the end of a process does; nothing more is written."""
        if self._ledger is not None:
            self._ledger.close()
        if self._upkeep is not None:
            self._upkeep.close()
        if self._journal is not None:
            self._journal.close()

    async def _keep_small(self, journal: Journal) -> bool:
        """Compress a piece of the journal, as a run does, but for the thread; return whether there was one."""
        assert self._upkeep is not None
        change = None if journal.reserve_touched else self._upkeep.due()
        if change is not None:
            journal.replace(change)
        return change is not None

    def _parts(self, journal: Journal) -> Parts:
        gateways = {spec.name: self._gateway(spec) for spec in SPECS if spec.name in self._access}
        simulated = FaultyJournal(journal, self._disk, self._reserve, self._life, self._watcher, self._true_ns)
        sites = {venue: site for venue, (site, _) in self._access.items()}

        def make_ledger(on_state: OnLedgerState) -> FaultyLedger:
            self._ledger = FaultyLedger(self._files, journal, self._disk, self._life, self._true_ns, on_state)
            return self._ledger

        return Parts(
            settings=engine_settings(self._plan, self._access),
            symbols=dict.fromkeys(gateways, self._plan.symbols),
            mode="sandbox",
            sandbox_id=self._sandbox_id,
            seed=None,
            clock=self.clock,
            shift=self.clock.shift,
            rng=self._rng,
            journal=simulated,
            make_ledger=make_ledger,
            gateways=gateways,
            make_universe=universe_of,
            make_books=partial(books_of, timing=self._plan.timing),
            make_feeds=partial(build_feeds, sites, clock=self.clock, rng=self._rng, network=self._network),
            on_alert=lambda *_: None,
            sync=simulated.sync,
            upkeep=partial(self._keep_small, journal),
            recall=partial(_recall, journal),
            halt_file_of=self._files.journal,
            # A switch cancels whatever rests on the account, so not where somebody else trades there.
            dedicated=frozenset() if self._plan.scarce else frozenset(gateways),
            jobs=lambda: () if self._ledger is None else (self._ledger.run(),),
        )

    def _gateway(self, spec: VenueSpec) -> VenueGateway:
        site, credentials = self._access[spec.name]
        return build_gateway(
            spec,
            site,
            credentials,
            clock=self.clock,
            rng=self._rng,
            limits=gateway_limits(self._plan),
            sandbox_id=self._sandbox_id,
            network=self._network,
            entry=order_entry(self._plan, spec),
            expiry_proved=spec.name != self._plan.unproved,
        )


def order_entry(plan: Plan, spec: VenueSpec) -> OrderEntry:
    """Return how orders go to a venue: in some seeds over the websockets of venues that take them."""
    takes = spec.trading.make_order_socket is not None
    return OrderEntry.WEBSOCKET if plan.sockets and takes else OrderEntry.REST


def gateway_limits(plan: Plan) -> GatewayLimits:
    """Return what the guard next to each venue's signer allows, and how long the venue is waited for."""
    timing = GatewayTiming(place_timeout_s=plan.place_timeout_s)
    return GatewayLimits(symbols=plan.symbols, key=LOANS, timing=timing)


def engine_settings(plan: Plan, venues: Container[str]) -> EngineSettings:
    """Return what the engine is built from, where it trades at `venues`."""
    limits = gateway_limits(plan)
    return EngineSettings(
        limits=plan.limits,
        timing=plan.timing,
        repair=plan.repair,
        venues=tuple(
            venue_profile(
                spec,
                order_entry(plan, spec),
                limits.max_order_value_quote,
                limits.max_orders_per_minute,
                prices_of(plan.fee_modes, spec.name),
            )
            for spec in SPECS
            if spec.name in venues
        ),
        symbols=plan.symbols,
        ramp=plan.ramp,
        inventory=plan.inventory,
    )


async def _recall(journal: Journal, command: RecallOrders, former: Mapping[str, str]) -> OrdersRecalled:
    """Search the journal, as a run does, but for the thread."""
    return recall(journal, command, former)


def _sum_up_each_step(engine: Engine) -> None:
    """Assert after every event that the inventory is the sum of its positions and of the other holdings."""
    finish, inventory = engine.finish, engine.state.inventory

    def finish_and_sum() -> tuple[AnyCommand, ...]:
        commands = finish()
        for venue in engine.state.venues:
            for asset in inventory.assets(venue):
                parts = inventory.unattributed(venue, asset) + inventory.positions.held(venue, asset)
                require(
                    inventory.computed(venue, asset) == parts, f"{asset} at {venue} is not the sum of its positions"
                )
        return commands

    engine.finish = finish_and_sum  # type: ignore[method-assign]


async def _for_ever() -> int:
    """Wait for ever: the simulation itself asks the engine to shut down."""
    await asyncio.Event().wait()
    return EXIT_OK
