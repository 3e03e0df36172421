"""The hand that strikes, and the eye that counts what was met.

After every event the engine's open pairs are looked at; a strike whose phase has come is carried out at once, before the
event is committed and before its commands leave. Whenever a fault really hits something, the pairs it concerns are counted
under their phase at that instant: a cell of the report.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable

from arb.app.build import ENFORCES_EXPIRY
from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.core.engine import Engine
from arb.core.events import AnyEvent, HaltAsked, ResumeAsked
from arb.core.pair import PairTrade
from arb.core.records import PairState
from arb.market.order import Side
from arb.sim.admin import Admin
from arb.sim.faults import KINDS, Fault
from arb.simulation.disk import Disk
from arb.simulation.life import Life
from arb.simulation.line import LINE_FAULTS, LineFault
from arb.simulation.plan import HALT, KILLS, Phase, Plan, Strike
from arb.simulation.process import Process
from arb.simulation.wires import Network

JUST_CLOSED_NS = NS_PER_S
DISK_FULL_NS = 700 * NS_PER_MS
LOCKED_NS = 1500 * NS_PER_MS
HALT_S = 0.4

Cell = tuple[str, Phase]


class Watch:
    """See the module's text. It outlives the processes it watches."""

    def __init__(
        self, plan: Plan, admin: Admin, network: Network, disk: Disk, clock: ManualClock, rng: random.Random
    ) -> None:
        self.fired: list[str] = []
        self._admin = admin
        self._network = network
        self._disk = disk
        self._clock = clock
        self._rng = rng
        self._began_ns = clock.wall_ns()
        self._pending = list(enumerate(plan.strikes))
        self._met: set[tuple[str, Phase, int, int]] = set()
        self._by_fault: dict[int, tuple[int, Strike, str]] = {}
        self._process: Process | None = None
        self._life: Life | None = None
        self._open: set[int] = set()
        self._closed_ns: dict[int, int] = {}
        for name, venue in admin.world.venues.items():
            venue.board.on_hit = lambda fault, name=name: self._on_fault_hit(fault, name)

    def begin(self, process: Process, life: Life) -> None:
        """Watch a new process."""
        self._process, self._life = process, life
        self._open.clear()

    def calm(self) -> None:
        """End all faults, and strike no more."""
        self._pending.clear()
        self._admin.handle("DELETE", "/faults", b"", self._clock.wall_ns())
        for line in self._network.lines.values():
            line.clear()
        self._disk.clear()
        if self._life is not None:
            self._life.pardon()

    def cells(self) -> Counter[Cell]:
        """Return how many times each fault met a pair in each phase; a strike and a pair meet once per phase."""
        return Counter((name, phase) for name, phase, _, _ in self._met)

    # Striking.

    def on_event(self, event: AnyEvent) -> None:
        """Look at the pairs after an event, and strike if the moment has come."""
        process = self._process
        if process is None or process.engine is None:
            return
        self._note_closed(process.engine, event.t_ns)
        if not self._pending:
            return
        since_ns = event.t_ns - self._began_ns
        for item in list(self._pending):
            index, strike = item
            if since_ns < strike.after_ns or not process.up.is_set():
                continue
            pair = self._found(process.engine, strike.phase)
            if pair is not None or (strike.phase is Phase.NONE and not process.engine.desk.open):
                self._pending.remove(item)
                self._strike(index, strike, pair)

    def _note_closed(self, engine: Engine, now_ns: int) -> None:
        present = engine.desk.open.keys()
        for pair_id in self._open - present:
            self._closed_ns[pair_id] = now_ns
        if self._open != present:
            self._open = set(present)

    def _found(self, engine: Engine, phase: Phase) -> PairTrade | None:
        if phase is Phase.CLOSED:
            return next(iter(self._just_closed(engine)), None)
        return next((pair for pair in engine.desk.open.values() if phase_of(pair) is phase), None)

    def _just_closed(self, engine: Engine) -> Iterable[PairTrade]:
        now_ns = self._clock.wall_ns()
        for pair_id, closed_ns in self._closed_ns.items():
            if now_ns - closed_ns <= JUST_CLOSED_NS and pair_id in engine.desk.pairs:
                yield engine.desk.pairs[pair_id]

    def _strike(self, index: int, strike: Strike, pair: PairTrade | None) -> None:
        venue = self._venue(strike, pair)
        now_ns = self._clock.wall_ns()
        self.fired.append(f"{(now_ns - self._began_ns) / NS_PER_S:.3f} s: {strike.name} at {venue}, {strike.phase}")
        if strike.name in KINDS:
            self._post(index, strike, venue)
        elif strike.name in LINE_FAULTS:
            self._disturb_line(index, strike, venue, now_ns)
        elif strike.name in KILLS:
            assert self._life is not None
            self._life.doom(KILLS[strike.name], strike.passes, lambda: self._meet(index, strike, None))
        elif strike.name == HALT:
            self._halt(index, strike)
        else:
            self._disturb_disk(index, strike, now_ns)

    def _venue(self, strike: Strike, pair: PairTrade | None) -> str:
        worlds = self._admin.world.venues
        venues = [name for name, venue in worlds.items() if venue.disturbance.possible(strike.name)]
        if pair is None or len(venues) == 1:
            return self._rng.choice(venues)
        if strike.leg == "buy":
            return pair.plan.buy_venue
        if strike.leg == "sell":
            return pair.plan.sell_venue
        if strike.leg == "no expiry":
            return next((venue for venue in pair.venues if venue not in ENFORCES_EXPIRY), pair.plan.buy_venue)
        return next((venue for venue in venues if venue not in pair.venues), pair.plan.sell_venue)

    def _post(self, index: int, strike: Strike, venue: str) -> None:
        body: dict[str, object] = {"venue": venue, "fault": strike.name}
        for name in ("seconds", "count", "param"):
            if getattr(strike, name) is not None:
                body[name] = getattr(strike, name)
        self._by_fault[-1] = (index, strike, venue)  # what hits while it is being posted has no number yet
        answer = self._admin.post_fault(body)
        del self._by_fault[-1]
        if isinstance(answer["id"], int):
            self._by_fault[answer["id"]] = (index, strike, venue)

    def _disturb_line(self, index: int, strike: Strike, venue: str, now_ns: int) -> None:
        measure, default = LINE_FAULTS[strike.name]
        if measure == "once":
            self._meet(index, strike, venue)
            self._network.reset(venue)
            return
        fault = LineFault(strike.name, on_hit=lambda: self._meet(index, strike, venue))
        if measure == "for":
            fault.until_ns = now_ns + default * NS_PER_MS
        else:
            fault.left = strike.count or default
        self._network.lines[venue].add(fault)

    def _disturb_disk(self, index: int, strike: Strike, now_ns: int) -> None:
        def met() -> None:
            self._meet(index, strike, None)

        if strike.name == "ledger_locked":
            self._disk.locked_until_ns, self._disk.on_locked = now_ns + LOCKED_NS, met
            return
        self._disk.on_full = met
        if strike.name == "disk_full":
            self._disk.full_until_ns = now_ns + DISK_FULL_NS
        else:
            self._disk.full_commits += strike.count or 1

    def _halt(self, index: int, strike: Strike) -> None:
        process = self._process
        if process is None or process.runner is None:
            return
        runner = process.runner
        self._meet(index, strike, None)
        runner.emit(HaltAsked(reason="simulated"))
        asyncio.get_running_loop().call_later(HALT_S, runner.emit, ResumeAsked(reason="simulated"))

    # Counting.

    def _on_fault_hit(self, fault: Fault, venue: str) -> None:
        found = self._by_fault.get(fault.id) or self._by_fault.get(-1)
        if found is not None and found[1].name == fault.name:
            self._meet(found[0], found[1], venue)

    def _meet(self, index: int, strike: Strike, venue: str | None) -> None:
        """Count the pairs that a strike concerns at this instant; `venue` None: all of them."""
        process = self._process
        engine = None if process is None else process.engine
        concerned = [] if engine is None else [p for p in engine.desk.open.values() if _touches(p, venue)]
        for pair in concerned:
            self._met.add((strike.name, phase_of(pair), index, pair.id))
        if concerned:
            return
        closed = [] if engine is None else [p for p in self._just_closed(engine) if _touches(p, venue)]
        for pair in closed:
            self._met.add((strike.name, Phase.CLOSED, index, pair.id))
        if not closed:
            self._met.add((strike.name, Phase.NONE, index, 0))


def phase_of(pair: PairTrade) -> Phase:
    """Return where an open pair stands."""
    if pair.state is PairState.HALTED:
        return Phase.HALTED
    if pair.has_unknown:
        return Phase.UNKNOWN
    if pair.state is PairState.REPAIRING:
        return Phase.REPAIRING
    filled = {side for side in Side if any(order.fills for order in pair.entries(side))}
    return (Phase.OPENING, Phase.ONE_LEG, Phase.BOTH_LEGS)[len(filled)]


def _touches(pair: PairTrade, venue: str | None) -> bool:
    return venue is None or venue in pair.venues or any(order.venue == venue for order in pair.orders.values())
