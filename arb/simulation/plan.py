"""What is simulated: settings, market and faults, all drawn from one seed.

A *strike* is one fault with the moment at which it comes: when a pair is in a certain phase, so that rare moments are met
as often as common ones. Some phases need help to come about; for those a first strike is drawn that leads there.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.settings import Limits, OnSingleLeg, RepairPolicy, Timing
from arb.sim.faults import KINDS
from arb.sim.profiles import SYMBOLS
from arb.simulation.life import Point
from arb.simulation.line import LINE_FAULTS


class Phase(StrEnum):
    """Where a pair stands, as a fault finds it."""

    NONE = "no pair"
    OPENING = "opening"
    ONE_LEG = "one leg filled"
    BOTH_LEGS = "both legs filled"
    UNKNOWN = "unknown outstanding"
    REPAIRING = "repairing"
    HALTED = "halted"
    CLOSED = "just closed"


DISK_FAULTS = ("disk_full", "commit_refused", "ledger_locked")
KILLS = {f"kill_{point}": point for point in Point}
HALT = "halt"
STRIKES = (*KINDS, *LINE_FAULTS, *DISK_FAULTS, *KILLS, HALT)
"""Every fault there is: the sandbox's, the network's, the disk's, sudden deaths, and the user's halt (and resume)."""

DARK = 0.1
"""How many of all seeds put the proof of absence to a hard test."""

LEADING = {
    Phase.UNKNOWN: ("lost_ack", "lost_request", "delayed_request", "slow", "net_answer_lost", "http_502_html"),
    Phase.REPAIRING: ("partial_fill", "reject_balance", "http_429", "net_refused"),
}
"""Faults that lead to a phase, when they strike a pair that is opening."""


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """One fault and its moment. `leg` says at which venue of the pair: buy, sell, a third one, or the one that knows no
    expiry.

    A kill comes when its point is passed for the `passes`-th time from then on.
    """

    name: str
    phase: Phase
    leg: str
    after_ns: int
    seconds: float | None = None
    count: int | None = None
    param: str | int | None = None
    passes: int = 1


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that one seed decides."""

    seed: int
    symbols: tuple[str, ...]
    limits: Limits
    timing: Timing
    repair: RepairPolicy
    place_timeout_s: float
    faults_end_ns: int
    drain_ns: int
    downtime_ns: int
    strikes: tuple[Strike, ...]


def make_plan(seed: int) -> Plan:
    """Return the plan of a seed; instants count from the start."""
    rng = random.Random(f"{seed}/plan")
    policy = rng.choices(
        (OnSingleLeg.CHEAPEST, OnSingleLeg.COMPLETE, OnSingleLeg.UNWIND, OnSingleLeg.HOLD), (70, 12, 12, 6)
    )[0]
    dark = rng.random() < DARK
    strikes = tuple(_darkness(rng) if dark else _strikes(rng))
    halting = any(strike.phase is Phase.HALTED for strike in strikes)
    return Plan(
        seed=seed,
        symbols=tuple(sorted(rng.sample(SYMBOLS, rng.choice((1, 1, 2))), key=SYMBOLS.index)),
        limits=Limits(
            min_edge_bps=Decimal(3),
            max_notional_quote=Decimal(rng.choice((200, 1000, 2000))),
            consecutive_losses=1000,
            daily_loss_quote=Decimal(1000),
        ),
        timing=Timing(
            unknown_grace_ms=5_000,
            balance_refresh_s=rng.choice((2, 5, 30)),
            unknown_max_s=10,
            leg_deadline_ms=300 if halting else 3000,
        ),
        repair=RepairPolicy(on_single_leg=OnSingleLeg.CHEAPEST if halting else policy),
        place_timeout_s=0.4 if dark else rng.choice((0.4, 2.0)),
        faults_end_ns=(12 if dark else 9) * NS_PER_S // (1 if dark else 2),
        drain_ns=45 * NS_PER_S,
        downtime_ns=rng.randint(20, 1500) * NS_PER_MS,
        strikes=strikes,
    )


def _strikes(rng: random.Random) -> Iterator[Strike]:
    for _ in range(rng.randint(3, 6)):
        phase, name = rng.choice(list(Phase)), rng.choice(STRIKES)
        after_ns = rng.randint(0, 3_000) * NS_PER_MS
        if phase in LEADING:
            yield _strike(rng, rng.choice(LEADING[phase]), Phase.OPENING, after_ns)
        elif phase is Phase.HALTED:
            yield from _no_way_out(after_ns)
        yield _strike(rng, name, phase, after_ns)


def _no_way_out(after_ns: int) -> Iterator[Strike]:
    """Yield what leaves a pair on one leg until it is out of time: one leg refused, and every repair too."""
    for leg, phase in (("sell", Phase.OPENING), ("third", Phase.OPENING), ("buy", Phase.REPAIRING)):
        yield Strike(name="reject_balance", phase=phase, leg=leg, after_ns=after_ns, count=12)


def _darkness(rng: random.Random) -> Iterator[Strike]:
    """Yield what puts the proof of absence to the test: an order that arrives very late, and nothing shows it at once."""
    after_ns, late_ms = rng.randint(0, 3_000) * NS_PER_MS, rng.choice((4200, 4700))
    for name, param in (("delayed_request", late_ms), ("history_lag", 1700), ("balance_lag", 1700)):
        seconds = None if name == "delayed_request" else 12.0
        yield Strike(name=name, phase=Phase.OPENING, leg="no expiry", after_ns=after_ns, seconds=seconds, param=param)


def _strike(rng: random.Random, name: str, phase: Phase, after_ns: int) -> Strike:
    kind = KINDS.get(name)
    lasts = kind is not None and kind.scope == "state"
    many = name in ("http_429", "http_503_maintenance", "reject_balance")
    return Strike(
        name=name,
        phase=phase,
        leg=rng.choice(("buy", "sell", "buy", "sell", "third")),
        after_ns=after_ns,
        seconds=rng.choice((0.3, 1.0, 2.5)) if lasts else None,
        count=None if lasts else rng.choice((1, 1, 2, 6) if many else (1, 1, 2)),
        param=_param(rng, name),
        passes=rng.choice((1, 1, 1, 2, 3, 5)),
    )


def _param(rng: random.Random, name: str) -> str | int | None:
    """Draw how hard a fault strikes; None: as by default."""
    if name == "delayed_request":
        return rng.choice((700, 1500, 3000))
    if name in ("slow", "history_lag", "balance_lag"):
        return rng.choice((300, 1200, 3000))
    return rng.choice(("0", "0.02", "0.5", "0.95")) if name == "partial_fill" else None
