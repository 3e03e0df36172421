"""One seed from beginning to end: a market, an engine that trades in it, faults, deaths, restarts, and the calm after.

Faults strike until `faults_end_ns`; from then on the venues, the network and the disk are in order again, the engine is
asked to shut down, and it has `drain_ns` to bring every order and every exposure to an end.
"""

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from arb.clock import NS_PER_S, ManualClock, SystemClock
from arb.core.messages.events import ShutdownAsked
from arb.errors import VenueError
from arb.market.route import Key
from arb.sandbox.accounts import buy_hold
from arb.sandbox.admin import Admin
from arb.sandbox.holder import may_choose
from arb.sandbox.server import first_line
from arb.sandbox.values import OrderRequest
from arb.sandbox.world import SimWorld
from arb.virtual_loop import VirtualLoop
from proofs.faultsim.disk import Disk, Files
from proofs.faultsim.faults import Host, Killed, Life
from proofs.faultsim.fee_assets import set_up
from proofs.faultsim.feeds import Spell
from proofs.faultsim.injector import Cell, Injector
from proofs.faultsim.network import Network
from proofs.faultsim.plan import Plan, under_way_ns
from proofs.faultsim.process import Process
from proofs.faultsim.promises import Struck

START_NS = 1_700_000_000 * NS_PER_S
LIVES_IN_CALM = 5
"""How many lives may begin after the faults; before that as many as it takes, for no venue may let us in."""
CHECK_EVERY_NS = NS_PER_S // 10
RUNGS = 8
"""Shallow books, for what is judged here does not depend on depth that nobody reaches."""
FREE = Decimal("1.4")
"""What is left of an account's quote where funds are scarce, in orders of the largest size."""
AWAKE_NS = 60 * NS_PER_S
"""How long the markets go on without a process; of a longer pause the rest passes in an instant."""
AFTERMATH_NS = 3 * NS_PER_S // 10
"""How long the venues go on after the engine has ended, when nothing is under way any more."""


class Outcome(msgspec.Struct, kw_only=True):
    """What happened, for the judges: the venues' truth, and how the processes ended. The files stay where `Files` says."""

    plan: Plan
    truth: dict[str, Any]
    cells: Counter[Cell]
    fired: list[str]
    struck: list[Struck]
    troubles: list[str]
    """What must not happen in any seed: an invariant broken, a task that died, an engine that never ended."""
    halted: str | None
    left_open: list[int]
    lives: int
    calm_ns: int
    """When the faults were over and a process was up."""
    virtual_s: float
    pairs: int
    positions: dict[Key, dict[str, Decimal]]
    """By asset, the amounts that the fills of each instrument moved, as the last process holds them."""
    slowed: list[Spell]
    """Where frames that were received came late by a slow line."""


class Simulation:
    """One seed: the venues, the network, the disk and one engine process after another. `run` simulates it all."""

    def __init__(self, plan: Plan, files: Files) -> None:
        self._plan = plan
        self._files = files
        self._clock = ManualClock(START_NS)
        self._world = SimWorld(
            plan.seed, START_NS, symbols=plan.symbols, rungs=RUNGS, with_ceiling=False, venues=plan.venues
        )
        self._network = Network(self._world, self._clock, random.Random(f"{plan.seed}/network"))
        self._world.venues[plan.unproved].exchange.enforces_expiry = False
        set_up(self._world, plan.fee_modes)
        if plan.funds_quote is not None:
            _fund(self._world, plan.funds_quote)
        for of, decimals in plan.balance_decimals.items():
            self._world.venues[of].exchange.balance_decimals = decimals
        for of, mode in plan.modes.items():
            self._world.venues[of].exchange.account_mode = mode
        for name, venue in self._world.venues.items():
            if may_choose(name, "fee_in_quote"):
                venue.exchange.holder = replace(venue.exchange.holder, fee_in_quote=plan.fee_in_quote)
        self._announced = first_line(self._world, 1)
        self._admin = Admin(self._world, self._announced)
        self._disk = Disk(files)
        self._network.on_leaving = self._disk.leaves
        injector_rng = random.Random(f"{plan.seed}/watch")
        self._host = Host()
        self._injector = Injector(plan, self._admin, self._network, self._disk, self._host, self._clock, injector_rng)
        if plan.scarce:
            _tie_up(self._world, plan.limits.max_notional_quote)
        self._engine_rng = random.Random(f"{plan.seed}/engine")
        self._troubles: list[str] = []
        self._lives = 0
        self._began_ns = START_NS
        self._pairs = 0

    def run(self) -> Outcome:
        """Simulate the seed from its first process to the calm after the last one."""
        with _quiet():
            left = LIVES_IN_CALM
            while (last := self._live()) is None and left:
                self._pass(self._plan.downtime_ns)
                left -= self._clock.wall_ns() >= START_NS + self._plan.faults_end_ns
        if last is None:
            self._troubles.append(f"the engine did not come up in {LIVES_IN_CALM} lives after the faults")
        arrived_ns = START_NS + self._plan.faults_end_ns + under_way_ns(self._plan)
        self._pass(max(arrived_ns - self._clock.wall_ns(), 0) + AFTERMATH_NS)
        engine = None if last is None else last.engine
        return Outcome(
            plan=self._plan,
            truth=self._admin.handle("GET", "/ledger", b"", self._clock.wall_ns())[1],
            cells=self._injector.cells(),
            fired=self._injector.fired,
            struck=self._injector.struck,
            troubles=self._troubles + self._disk.troubles,
            halted=None if engine is None else engine.state.control.halted,
            left_open=[] if engine is None else sorted(engine.manager.open),
            lives=self._lives,
            calm_ns=max(START_NS + self._plan.faults_end_ns, self._began_ns),
            virtual_s=(self._clock.wall_ns() - START_NS) / NS_PER_S,
            pairs=self._pairs,
            positions={} if engine is None else {key: dict(of.flows) for key, of in engine.state.inventory.positions},
            slowed=self._injector.slowed,
        )

    def _live(self) -> Process | None:
        """Run one process; return it when it ended in order, None when it was killed or could not start."""
        self._lives += 1
        self._began_ns = self._clock.wall_ns()
        loop = VirtualLoop(self._clock, self._network)
        loop.set_exception_handler(self._on_task_error)
        asyncio.set_event_loop(loop)
        life, true_ns = Life(loop), self._clock.wall_ns
        clock = SystemClock(lambda: true_ns() + self._host.ahead_ns, self._clock.monotonic_ns)
        process = Process(
            self._plan,
            self._announced,
            self._files,
            clock=clock,
            true_ns=true_ns,
            rng=self._engine_rng,
            network=self._network.begin(life, clock),
            disk=self._disk,
            life=life,
            watcher=self._injector,
        )
        self._injector.begin(process, life)
        try:
            return process if self._until_end(loop, life, process) else None
        finally:
            life.alive = False
            if process.engine is not None:
                self._pairs += process.engine.state.tally.opened
            self._network.end()
            _cancel_tasks(loop)
            process.release()
            self._disk.after_death()
            loop.close()
            asyncio.set_event_loop(None)

    def _until_end(self, loop: VirtualLoop, life: Life, process: Process) -> bool:
        main = loop.create_task(process.run())
        main.add_done_callback(lambda _: loop.stop())
        supervisor = loop.create_task(self._supervise(process))
        loop.run_forever()
        if not life.alive or not main.done():
            if life.alive:
                self._troubles.append("the loop stopped before the engine did")
            return False
        supervisor.cancel()
        fatal = process.runner.fatal if process.runner is not None else None
        if fatal is not None:
            self._troubles.append(f"fatal: {type(fatal).__name__}: {fatal}")
            return True
        try:
            main.result()
        except VenueError:
            return False  # a venue could not be used at the start: whoever keeps the process up starts it again
        except Killed:
            return False
        except Exception as error:  # whatever ends a process in disorder is a finding
            self._troubles.append(f"crashed: {type(error).__name__}: {error}")
            return True
        return True

    async def _supervise(self, process: Process) -> None:
        """End the faults when their time is over, then ask for an orderly end."""
        calm_ns = START_NS + self._plan.faults_end_ns
        while (left_ns := calm_ns - self._clock.wall_ns()) > 0:
            await asyncio.sleep(min(left_ns, CHECK_EVERY_NS) / NS_PER_S)
            self._injector.strike_due(self._clock.wall_ns())
        self._injector.calm()
        await process.up.wait()
        await asyncio.sleep(self._plan.linger_ns / NS_PER_S)
        assert process.runner is not None
        left_ns = max(calm_ns - self._clock.wall_ns(), 0) + self._plan.drain_ns
        process.runner.emit(ShutdownAsked(deadline_ns=process.clock.wall_ns() + left_ns))

    def _pass(self, delta_ns: int) -> None:
        """Let the world go on with no process alive."""
        until_ns = self._clock.wall_ns() + min(delta_ns, AWAKE_NS)
        while self._clock.wall_ns() < until_ns:
            self._network.run_until(until_ns)
        if delta_ns > AWAKE_NS:
            self._network.skip(delta_ns - AWAKE_NS)

    def _on_task_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            self._troubles.append(f"{context.get('message')}: {type(error).__name__}: {error}")


def _fund(world: SimWorld, quote: Decimal) -> None:
    """Have every account begin with so much quote, and with base worth as much of each symbol."""
    for venue in world.venues.values():
        exchange = venue.exchange
        for symbol, rules in exchange.instruments.items():
            price = exchange.market(symbol).reference() * rules.tick / 2
            exchange.account.begin_with(rules.quote, quote)
            exchange.account.begin_with(rules.base, quote / price // rules.lot * rules.lot)


def _tie_up(world: SimWorld, notional: Decimal) -> None:
    """Place a foreign resting order at every venue that locks all quote but what `FREE` orders of the largest size cost."""
    for venue in world.venues.values():
        exchange = venue.exchange
        symbol, rules = next(iter(exchange.instruments.items()))
        ticks = exchange.market(symbol).reference() * 95 // 200  # which is twice the middle
        price = ticks * rules.tick
        tied = exchange.account.balance(rules.quote).free - FREE * notional
        locked = buy_hold(price, exchange.fee_rates(symbol)[1], exchange.buys_pay_in)  # for each base
        size = tied / locked // rules.lot * rules.lot
        exchange.place(OrderRequest(symbol, "buy", "limit", "gtc", price=price, size=size), START_NS)


def _cancel_tasks(loop: VirtualLoop) -> None:
    """Cancel the tasks that a dead process has left in its loop; nothing of it can reach the outside any more."""
    for _ in range(10):
        # In the order in which they were made, which their names hold: the order of a set is that of addresses.
        tasks = sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(BaseException):
                loop.run_until_complete(asyncio.wait([task]))
                task.exception()


class _quiet:  # noqa: N801  # used like a function
    """Silence the logs of faults that are simulated."""

    def __enter__(self) -> None:
        self._levels = {name: logging.getLogger(name).level for name in ("arb", "asyncio")}
        for name in self._levels:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def __exit__(self, *_: object) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
