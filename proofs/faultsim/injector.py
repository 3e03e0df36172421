"""Inject the faults of a plan, and count which pairs they met.

After every event the engine's open pairs are examined; a strike whose phase has come is carried out at once, before the
event is committed and before its commands leave. Whenever a fault really hits something, the pairs it concerns are counted
under their phase at that instant: a cell of the report.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.core.engine import Engine
from arb.core.messages.events import AnyEvent, FlattenAsked, HaltAsked, ResumeAsked
from arb.core.messages.incidents import HaltReason
from arb.core.messages.records import PairState
from arb.core.trades.trade import PairTrade
from arb.market.order import Outcome, Side
from arb.sandbox.admin import Admin
from arb.sandbox.disturb import POINTS
from arb.sandbox.faults import KINDS, Fault
from proofs.faultsim.aims import (
    AT_OWN_FILLS,
    AT_PLACING,
    CLOCK_JUMP,
    FLATTEN,
    HALT,
    JUMPS_MS,
    KILLS,
    POWER_CUT,
    START_DOWN,
    Phase,
    Strike,
    possible,
)
from proofs.faultsim.disk import Disk
from proofs.faultsim.faults import LINE_FAULTS, SLOW_MS, Host, Life, LineFault, Point
from proofs.faultsim.feeds import Spell
from proofs.faultsim.network import Network
from proofs.faultsim.plan import Plan
from proofs.faultsim.process import Process
from proofs.faultsim.promises import Struck

JUST_CLOSED_NS = NS_PER_S
DISK_FULL_NS = 700 * NS_PER_MS
LOCKED_NS = 1500 * NS_PER_MS
JOURNAL_GONE_S = 2.0
HALT_S = 0.4
ALLOWANCE = Decimal("0.2")
"""What an operator allows to be lost, in quote, after the day's loss has stopped trading."""
FEW_PAGES, MANY_PAGES = 6, 4096

Cell = tuple[str, Phase]


class Injector:
    """Inject faults into one process after another, which it outlives."""

    def __init__(
        self,
        plan: Plan,
        admin: Admin,
        network: Network,
        disk: Disk,
        host: Host,
        clock: ManualClock,
        rng: random.Random,
    ) -> None:
        self.fired: list[str] = []
        self.struck: list[Struck] = []
        self.slowed: list[Spell] = []
        self._admin = admin
        self._network = network
        self._disk = disk
        self._host = host
        self._clock = clock
        self._rng = rng
        self._began_ns = clock.wall_ns()
        self._pending = list(enumerate(plan.strikes))
        self._met: set[tuple[str, Phase, int, int]] = set()
        self._by_fault: dict[int, tuple[int, Strike, str]] = {}
        self._process: Process | None = None
        self._life: Life | None = None
        self._open: set[int] = set()
        self._unproved = plan.unproved
        self._resumes = plan.resumes
        self._dies_halted = plan.dies_halted
        self._resuming = False
        self._holds = False
        self._closed_ns: dict[int, int] = {}
        for name, venue in admin.world.venues.items():
            venue.board.on_hit = lambda fault, name=name: self._on_fault_hit(fault, name)

    def begin(self, process: Process, life: Life) -> None:
        """Begin with a new process."""
        self._process, self._life = process, life
        self._holds = self._resuming = False
        self._open.clear()

    def calm(self) -> None:
        """End all faults, and strike no more."""
        self._pending.clear()
        self._resumes = self._dies_halted = False
        self._admin.handle("DELETE", "/faults", b"", self._clock.wall_ns())
        for line in self._network.lines.values():
            line.clear()
        self._disk.clear()
        if self._life is not None:
            self._life.cancel_kill()

    def cells(self) -> Counter[Cell]:
        """Return how many times each fault met a pair in each phase; a strike and a pair meet once per phase."""
        return Counter((name, phase) for name, phase, _, _ in self._met)

    # Striking.

    def on_event(self, event: AnyEvent) -> None:
        """Examine the pairs after an event, and carry out the strikes that are due."""
        process = self._process
        if process is None or process.engine is None:
            return
        self._note_closed(process.engine, self._clock.wall_ns())
        if self._dies_halted and isinstance(event, HaltAsked) and self._life is not None:
            self._dies_halted = not self._life.kill_at(Point.AFTER_COMMIT, 1, lambda: None)
        if self._resumes and process.runner is not None:
            self._resume_if_over(process)
        self.strike_due(self._clock.wall_ns())

    def on_opening(self) -> None:
        """Carry out the strikes that are meant for a pair whose orders are about to leave."""
        process = self._process
        if process is not None and process.engine is not None and self._pending:
            process.engine.state.out.write_rows()  # else the pair stands in no table yet
            self.strike_due(self._clock.wall_ns())

    def strike_due(self, now_ns: int) -> None:
        """Carry out the strikes that are due; to be called now and then too, for without pairs events are rare."""
        process = self._process
        if not self._pending or process is None or process.engine is None:
            return
        since_ns = now_ns - self._began_ns
        for item in list(self._pending):
            index, strike = item
            if since_ns < strike.after_ns or not process.up.is_set():
                continue
            pair = self._found(process.engine, strike)
            if pair is not None or (strike.phase is Phase.NONE and self._is_alone(process.engine)):
                self._pending.remove(item)
                self._strike(index, strike, pair)

    def _note_closed(self, engine: Engine, now_ns: int) -> None:
        present = engine.manager.open.keys()
        for pair_id in self._open - present:
            self._closed_ns[pair_id] = now_ns
        if self._open != present:
            self._open = set(present)

    def _found(self, engine: Engine, strike: Strike) -> PairTrade | None:
        if strike.phase is Phase.CLOSED:
            pairs: Iterable[PairTrade] = self._just_closed(engine)
        else:
            pairs = (pair for pair in engine.manager.open.values() if phase_of(pair) is strike.phase)
        return next((pair for pair in pairs if self._fits(strike, pair)), None)

    def _fits(self, strike: Strike, pair: PairTrade) -> bool:
        """Return whether a pair is, and has the leg, that a strike is meant for."""
        if strike.again and pair.id not in self._closed_ns:
            return False
        if strike.leg == "other":
            return any(venue in POINTS for venue in pair.venues)
        return strike.leg not in self._admin.world.venues or strike.leg in pair.venues

    def _resume_if_over(self, process: Process) -> None:
        """Resume trading, as an operator does, when it has halted, here or everywhere, and nothing is open any more."""
        assert process.engine is not None and process.runner is not None
        control = process.engine.state.control
        held = control.halted == "asked" and self._holds  # who has asked for it in this life will resume it himself
        halted = control.halted_at(self._clock.wall_ns())
        lost = halted == HaltReason.DAILY_LOSS  # who allows more has seen first that nothing opens
        wait = (
            held or control.flattening or process.engine.manager.open or (lost and not self._is_alone(process.engine))
        )
        if (halted is None and not control.late) or wait:
            self._resuming = False
        elif not self._resuming:
            self._resuming = True
            allowance = ALLOWANCE if lost else None
            process.runner.emit(ResumeAsked(reason="simulated", allow_loss=allowance))

    def _is_alone(self, engine: Engine) -> bool:
        return not engine.manager.open and next(iter(self._just_closed(engine)), None) is None

    def _just_closed(self, engine: Engine) -> Iterable[PairTrade]:
        now_ns = self._clock.wall_ns()
        for pair_id, closed_ns in self._closed_ns.items():
            if now_ns - closed_ns <= JUST_CLOSED_NS and pair_id in engine.manager.pairs:
                yield engine.manager.pairs[pair_id]

    def _strike(self, index: int, strike: Strike, pair: PairTrade | None) -> None:
        now_ns = self._clock.wall_ns()
        venues = self._venues(strike, pair)
        where = "every venue" if strike.leg == "every" else venues[0]
        self.fired.append(f"{(now_ns - self._began_ns) / NS_PER_S:.3f} s: {strike.name} at {where}, {strike.phase}")
        at_venues = strike.name in KINDS or strike.name in LINE_FAULTS
        self.struck.append(Struck(now_ns, strike.name, tuple(venues) if at_venues else (), strike.count))
        if strike.relieves:
            self._relieve()
        if strike.name in KINDS:
            for venue in venues:
                self._post(index, strike, venue)
        elif strike.name in LINE_FAULTS:
            for venue in venues:
                self._disturb_line(index, strike, venue, now_ns)
        elif strike.name in KILLS:
            assert self._life is not None
            self._life.kill_at(KILLS[strike.name], strike.passes, lambda: self._meet(index, strike, None))
        elif strike.name == POWER_CUT:
            self._cut_power(index, strike)
        elif strike.name == START_DOWN:
            self._die_and_find_down(index, strike, venues)
        elif strike.name == CLOCK_JUMP:
            self._set_clock(index, strike)
        elif strike.name == HALT:
            self._halt(index, strike)
        elif strike.name == FLATTEN:
            assert self._process is not None
            asyncio.get_running_loop().call_later(strike.seconds or 0.0, self._flatten, self._process)
        else:
            self._disturb_disk(index, strike, now_ns)

    def _venues(self, strike: Strike, pair: PairTrade | None) -> list[str]:
        """Return where a strike falls: one venue, but for those that fall on every one that can have them."""
        worlds = self._admin.world.venues
        venues = [name for name, venue in worlds.items() if venue.disturbance.possible(strike.name, strike.param)]
        if strike.leg == "every" or len(venues) == 1:
            return venues
        return [self._rng.choice(venues) if pair is None else self._venue(strike, pair, venues)]

    def _venue(self, strike: Strike, pair: PairTrade, venues: list[str]) -> str:
        if strike.leg in venues:
            return strike.leg
        if strike.leg == "buy":
            return pair.plan.buy_venue
        if strike.leg == "sell":
            return pair.plan.sell_venue
        if strike.leg == "last":
            return next((order.venue for order in reversed(pair.orders.values())), pair.plan.buy_venue)
        if strike.leg == "other":
            return next((venue for venue in pair.venues if venue not in POINTS), pair.plan.sell_venue)
        if strike.leg == "no expiry":
            return self._unproved if self._unproved in pair.venues else pair.plan.buy_venue
        return next((venue for venue in venues if venue not in pair.venues), pair.plan.sell_venue)

    def _relieve(self) -> None:
        """End the faults that only led the way."""
        for venue in self._admin.world.venues.values():
            for fault in venue.board.active:
                found = self._by_fault.get(fault.id)
                fault.ended |= found is not None and found[1].leading

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
        if strike.foreign:
            self._admin.post_fault({"venue": venue, "fault": "foreign_order"})

    def _disturb_line(self, index: int, strike: Strike, venue: str, now_ns: int) -> None:
        measure, default = LINE_FAULTS[strike.name]
        if measure == "once":
            self._meet(index, strike, venue)
            self._network.reset(venue)
            return
        fault = LineFault(strike.name, on_hit=lambda: self._meet(index, strike, venue))
        lasts_ns = default * NS_PER_MS if strike.seconds is None else int(strike.seconds * NS_PER_S)
        if strike.midst:
            fault.midst_ns = lasts_ns
        elif measure == "for":
            fault.until_ns = now_ns + lasts_ns
            if strike.name == "net_slow":
                self.slowed.append((venue, now_ns + SLOW_MS * NS_PER_MS, fault.until_ns))
        else:
            fault.left = strike.count or default
        self._network.lines[venue].add(fault)

    def _disturb_disk(self, index: int, strike: Strike, now_ns: int) -> None:
        def met() -> None:
            self._meet(index, strike, None)

        disk, lasts_ns = self._disk, None if strike.seconds is None else int(strike.seconds * NS_PER_S)
        if strike.name == "ledger_locked":
            disk.locked_until_ns, disk.on_locked = now_ns + (lasts_ns or LOCKED_NS), met
        elif strike.name == "ledger_gone":
            met()
            disk.lose_ledger()
        elif strike.name == "journal_gone":
            met()
            if disk.lose_journal(now_ns, strike.param):
                asyncio.get_running_loop().call_later(strike.seconds or JOURNAL_GONE_S, disk.put_journal_back)
        elif strike.name == "commit_refused":
            disk.refused_commits, disk.on_refused = strike.count or 1, met
        elif strike.name == "intent_refused":
            disk.refused_intents, disk.on_refused = strike.count or 1, met
        else:
            disk.fill(now_ns + (lasts_ns or DISK_FULL_NS), FEW_PAGES if strike.name == "disk_full" else MANY_PAGES)
            disk.on_full = met

    def _cut_power(self, index: int, strike: Strike) -> None:
        def cut() -> None:
            self._disk.cut()
            self._meet(index, strike, None)

        assert self._life is not None
        if self._life.kill_at(Point.AFTER_REQUEST, strike.passes, cut):
            self._disk.keep_journal()

    def _die_and_find_down(self, index: int, strike: Strike, venues: list[str]) -> None:
        def down() -> None:
            for venue in venues:
                self._meet(index, strike, venue)
                self._admin.post_fault({"venue": venue, "fault": "venue_down", "seconds": strike.seconds})

        assert self._life is not None
        self._life.kill_at(Point.AFTER_COMMIT, strike.passes, down)

    def _set_clock(self, index: int, strike: Strike) -> None:
        """Set the host's clock; the process goes on as before, or dies soon, and the next one begins with that clock."""
        self._meet(index, strike, None)
        self._host.ahead_ns += int(strike.param or JUMPS_MS[0]) * NS_PER_MS
        if strike.count == 1:
            assert self._life is not None
            self._life.kill_at(Point.AFTER_COMMIT, strike.passes, lambda: None)

    def _halt(self, index: int, strike: Strike) -> None:
        process = self._process
        if process is None or process.runner is None:
            return
        runner = process.runner
        self._meet(index, strike, None)
        self._holds = True
        runner.emit(HaltAsked(reason="simulated"))
        asyncio.get_running_loop().call_later(strike.seconds or HALT_S, self._end_halt, process)

    def _flatten(self, process: Process) -> None:
        """Ask for a flatten, as the user does, unless the process has died meanwhile."""
        if process is self._process and process.runner is not None:
            process.runner.emit(FlattenAsked(reason="simulated"))

    def _end_halt(self, process: Process) -> None:
        """Resume what was halted, unless a pair has halted trading meanwhile: an operator checks that before."""
        assert process.engine is not None and process.runner is not None
        if process is not self._process:
            return
        self._holds = False
        if all(pair.state is not PairState.HALTED for pair in process.engine.manager.open.values()):
            process.runner.emit(ResumeAsked(reason="simulated"))

    # Counting.

    def _on_fault_hit(self, fault: Fault, venue: str) -> None:
        found = self._by_fault.get(fault.id) or self._by_fault.get(-1)
        if found is not None and found[1].name == fault.name:
            self._meet(found[0], found[1], venue)

    def _meet(self, index: int, strike: Strike, venue: str | None) -> None:
        """Count the pairs that a strike concerns at this instant; `venue` None: all of them.

        What strikes an order on its way concerns its pair alone. Without any pair the phase is that there is none.
        """
        process = self._process
        engine = None if process is None else process.engine
        found: set[tuple[Phase, int]] = set()
        if engine is not None:
            touches = {**dict.fromkeys(AT_PLACING, _is_placing), **dict.fromkeys(AT_OWN_FILLS, _is_under_way)}.get(
                strike.name, _touches
            )
            found = {(phase_of(pair), pair.id) for pair in engine.manager.open.values() if touches(pair, venue)}
            if strike.name not in AT_PLACING | AT_OWN_FILLS:
                found |= {(Phase.CLOSED, pair.id) for pair in self._just_closed(engine) if _touches(pair, venue)}
        if not found and possible(strike.name, Phase.NONE):
            found.add((Phase.NONE, 0))
        self._met |= {(strike.name, phase, index, pair_id) for phase, pair_id in found}


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


def _is_placing(pair: PairTrade, venue: str | None) -> bool:
    """Return whether an order of the pair is on its way to a venue, for all that is known here."""
    orders = (order for order in pair.orders.values() if order.venue == venue and not order.ended)
    return any(not order.fills and order.outcome in (None, Outcome.UNKNOWN) for order in orders)


def _is_under_way(pair: PairTrade, venue: str | None) -> bool:
    """Return whether an order of the pair has not ended at a venue, for all that is known here."""
    return any(order.venue == venue and not order.ended for order in pair.orders.values())
