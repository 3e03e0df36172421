"""How a fault is brought to a pair in a certain phase: for every cell of the table, the strikes that make the two meet.

Left to chance some phases last a few milliseconds and some come about once in a thousand pairs. So for an *aim*, a fault and a
phase, other strikes lead the way: a slow line holds one leg back while the other fills, a lost request leaves an order unknown,
a connection stalls between the first news of a fill and the last. `near` is the leg that is held up, `far` the other one.
"""

import random
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial

import msgspec

from arb.clock import NS_PER_MS
from arb.sandbox.disturb import POINTS
from arb.sandbox.faults import KINDS
from proofs.faultsim.faults import LINE_FAULTS, Point


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


DISK_FAULTS = ("disk_full", "reserve_used", "commit_refused", "ledger_locked", "ledger_gone", "journal_gone")
JOURNAL_PARTS = ("database", "intents")
"""What of a journal may be moved away alone: each part has a guard of its own, which only such a loss proves."""
KILLS = {f"kill_{point}": point for point in Point}
POWER_CUT = "power_cut"
HALT = "halt"
START_DOWN = "start_venue_down"
CLOCK_JUMP = "clock_jump"
JUMPS_MS = (30_000, 3_600_000, -200, -30_000)
FLATTEN = "flatten"
"""The user's flatten, which no cell of the table is about: special tests alone draw it."""
AT_INTENTS = ("kill_before_intent", "kill_after_intent", "intent_refused")
"""What strikes an opening at its intent. Only an opening has one, so no cell of the table is about them: a share of the seeds
draws them besides (`special.at_intents`)."""
IN_TABLE = tuple(name for name in KILLS if name not in AT_INTENTS)
STRIKES = (*KINDS, *LINE_FAULTS, *DISK_FAULTS, *IN_TABLE, POWER_CUT, START_DOWN, CLOCK_JUMP, HALT)
"""Every fault there is: the sandbox's, the network's, the disk's, sudden deaths, and the user's halt (and resume).

A power cut is a death with the next request, and the journal is as it was at the strike, or when it was last synced after it.
`start_venue_down`: a death after the next commit, and a venue that is down from then on, so that the next start finds it down.
`clock_jump`: the host's clock is set by `param` ms; with a count of 1 a death after the next commit, else the process goes on.
"""

AT_PLACING = frozenset(
    name for name, kind in KINDS.items() if kind.on == "place" and kind.scope in ("request", "state")
)
"""What strikes only an order on its way to the venue."""
NO_ORDER_LEAVES = frozenset({Phase.NONE, Phase.BOTH_LEGS, Phase.CLOSED})
"""Phases in which no order of the pair is on its way, so that what strikes only such orders cannot meet it."""
AT_FILLS = frozenset({"duplicate_fill_event", "fill_event_lost", "contradiction"})
AT_OWN_FILLS = frozenset({"contradiction"})
"""What strikes only a fill of an order of ours."""
AT_QUERIES = frozenset({"history_lag", "order_not_found", "balance_lag", "read_lag"})
AT_BALANCES = frozenset({"balance_lag", "read_lag", "interest", "internal_transfer", "foreign_order"})
"""What shows only where balances are read."""
AT_CALLS = frozenset({"clock_skew", "key_revoked", "http_503_maintenance"})
AT_NEXT_REQUEST = frozenset({"net_request_lost", "net_answer_lost", "net_refused"})
SOON = (
    frozenset({"kill_before_projection", "kill_after_projection"})
    | {name for name in KINDS if name.startswith("ws_") and name != "ws_disconnect"}
    | {"book_frozen", "busy_feed", "fine_levels"}
)
"""What strikes within some hundred milliseconds, not at once."""
LATE = "late_fill"
WALLETS = "wallet_closed"
PAST_TIMEOUT_S = 2.3
"""A request is waited for less long."""


AFTER_HALT_NS = 2_200 * NS_PER_MS
"""When, at the latest, a halt that came with the first pair has brought quiet."""


class Mood(StrEnum):
    """What the settings of a seed have to be like for an aim: how long an answer is waited for, when a leg is given up."""

    QUICK = "quick"
    PATIENT = "patient"
    HALTING = "halting"


class Aim(msgspec.Struct, frozen=True):
    """A cell of the table."""

    fault: str
    phase: Phase


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """One fault and its moment.

    `leg` says at which venue of the pair: `buy`, `sell`, a `third` one, the one where no expiry is proved, the one of
    the `last` order, or `every` venue; a venue's name: there, when the pair is there, and `other`: the pair's other venue.
    A kill comes when its point is passed for the `passes`-th time from then on. A `leading` strike only prepares another one;
    one that `relieves` ends what led to it. `midst`: a partition that begins between two frames about a fill.
    `foreign`: somebody trades by hand there at once, so that there is a fill to report. `again`: it is for a pair that
    was closed already, and was opened again by a late fill.
    """

    name: str
    phase: Phase
    leg: str
    after_ns: int
    seconds: float | None = None
    count: int | None = None
    param: str | int | None = None
    passes: int = 1
    leading: bool = False
    relieves: bool = False
    midst: bool = False
    foreign: bool = False
    again: bool = False


TURNS: dict[str, dict[Phase, int]] = {
    "fee_in_points": {Phase.REPAIRING: 2, Phase.HALTED: 4},
    "lost_ack": {Phase.ONE_LEG: 4},
    "malformed_json": {Phase.UNKNOWN: 5},
    "net_request_lost": {Phase.HALTED: 2},
    "lost_request": {Phase.HALTED: 2},
    "disk_full": {Phase.NONE: 2},
    "duplicate_fill_event": {Phase.NONE: 3},
    "fill_event_lost": {Phase.NONE: 3, Phase.HALTED: 2},
    LATE: {Phase.HALTED: 2},
    "contradiction": {Phase.ONE_LEG: 10, Phase.UNKNOWN: 10, Phase.REPAIRING: 4, Phase.HALTED: 9},
    "symbol_refused": {Phase.OPENING: 3, Phase.ONE_LEG: 9, Phase.UNKNOWN: 7, Phase.REPAIRING: 2, Phase.HALTED: 9},
    "listing_change": {Phase.ONE_LEG: 7, Phase.UNKNOWN: 7, Phase.REPAIRING: 2, Phase.HALTED: 6},
    "fine_levels": {Phase.NONE: 4, Phase.BOTH_LEGS: 5, Phase.REPAIRING: 3, Phase.HALTED: 5},
    "book_frozen": {Phase.BOTH_LEGS: 6, Phase.UNKNOWN: 4, Phase.HALTED: 6},
    "busy_feed": {Phase.NONE: 2, Phase.UNKNOWN: 3, Phase.HALTED: 7},
    "venue_down": dict.fromkeys(Phase, 2) | {Phase.OPENING: 4, Phase.BOTH_LEGS: 9, Phase.REPAIRING: 3, Phase.HALTED: 4},
    START_DOWN: dict.fromkeys(Phase, 3) | {Phase.OPENING: 5, Phase.ONE_LEG: 4, Phase.BOTH_LEGS: 5, Phase.HALTED: 5},
    CLOCK_JUMP: dict.fromkeys(Phase, 2)
    | {Phase.ONE_LEG: 3, Phase.UNKNOWN: 4, Phase.BOTH_LEGS: 5, Phase.REPAIRING: 3, Phase.HALTED: 4},
}
LASTS_S: dict[str, tuple[float, ...]] = {START_DOWN: (2.5, 4.0, 8.0), WALLETS: (2.5, 4.0, 5.0)}
"""How long some faults of state last; the others for 0.6, 1.2 or 2.5 s. A wallet is closed here once a list was read."""
TURNS_BOTH_LEGS = 3
TURNS_ON_THE_WAY = 2
"""Cells that are missed more often than not, and how many turns they get for each of the others."""


def possible(fault: str, phase: Phase) -> bool:
    """Return whether a fault can meet a pair in a phase at all."""
    return fault not in AT_PLACING | AT_OWN_FILLS or phase not in NO_ORDER_LEAVES


def mood_of(aim: Aim) -> Mood | None:
    """Return what an aim asks of the settings, None when it goes with any."""
    if aim.phase in (Phase.NONE, Phase.CLOSED):
        return None
    return {Phase.UNKNOWN: Mood.QUICK, Phase.HALTED: Mood.HALTING}.get(aim.phase, Mood.PATIENT)


def aims_for(mood: Mood) -> list[Aim]:
    """Return the cells that seeds of a mood aim at, in a fixed order."""
    anywhere = Mood.QUICK  # its own phase is but one, so it takes those that go with any
    cells = (Aim(fault, phase) for phase in Phase for fault in STRIKES if possible(fault, phase))
    return [aim for aim in cells if (mood_of(aim) or anywhere) is mood for _ in range(_turns(aim))]


def _turns(aim: Aim) -> int:
    fleeting = aim.fault in AT_PLACING | AT_FILLS or aim.fault == LATE
    on_the_way = fleeting and aim.phase in (Phase.ONE_LEG, Phase.UNKNOWN)
    usual = TURNS_BOTH_LEGS if aim.phase is Phase.BOTH_LEGS else TURNS_ON_THE_WAY if on_the_way else 1
    return TURNS.get(aim.fault, {}).get(aim.phase, usual)


def strikes_for(rng: random.Random, aim: Aim, after_ns: int) -> list[Strike]:
    """Return what has to strike from `after_ns` on so that a fault meets a pair in a phase."""
    near, far = (
        (next(iter(POINTS)), "other")
        if aim.fault == "fee_in_points"
        else rng.choice((("buy", "sell"), ("sell", "buy")))
    )
    return list(_RECIPES[aim.phase](_Aiming(rng, aim.fault, aim.phase, near, far, after_ns)))


class _Aiming:
    """One aim while its strikes are drawn."""

    def __init__(self, rng: random.Random, fault: str, phase: Phase, near: str, far: str, after_ns: int) -> None:
        self.fault, self.phase, self.near, self.far = fault, phase, near, far
        self.rng = rng
        self.lead: Callable[..., Strike] = partial(Strike, after_ns=after_ns, leading=True)
        self._after_ns = after_ns

    def main(self, leg: str, **details: object) -> Strike:
        """Return the strike that is aimed."""
        drawn = draw(self.rng, self.fault, self.phase, leg, self._after_ns)
        return msgspec.structs.replace(drawn, **({"passes": 1} | details))

    def slow(self, leg: str) -> Strike:
        """Return a slow line from the opening on: what leaves now arrives after the other leg has filled."""
        return self.lead(name="net_slow", phase=Phase.OPENING, leg=leg)

    def cut(self, leg: str, phase: Phase = Phase.OPENING, seconds: float | None = None) -> Strike:
        """Return a partition: what leaves now, and what is asked meanwhile, arrives when it is over."""
        return self.lead(name="net_partition", phase=phase, leg=leg, seconds=seconds)

    def short(self, leg: str, phase: Phase = Phase.OPENING) -> Strike:
        """Return a partial fill: an order that the venue ends with something left, which may be filled late."""
        return self.lead(name="partial_fill", phase=phase, leg=leg, count=1, param="0.5")


def draw(rng: random.Random, name: str, phase: Phase, leg: str, after_ns: int) -> Strike:
    """Draw how long, how often and how hard a fault strikes."""
    kind = KINDS.get(name)
    lasts = kind is not None and kind.scope == "state" and name not in ("foreign_order", "crossed_book")
    longer = LASTS_S.get(name, (0.6, 1.2, 2.5))
    many = name in ("http_429", "http_503_maintenance", "reject_balance")
    return Strike(
        name=name,
        phase=phase,
        leg=leg,
        after_ns=after_ns,
        seconds=rng.choice(longer) if lasts or name == START_DOWN else None,
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
    if name == "read_lag":
        return rng.choice((1200, 3000, 9000))
    if name == "contradiction":
        return rng.choice(("trade", "trade", "filled"))
    if name == "fine_levels":
        return rng.choice((1, 3, 6, 9))
    if name == CLOCK_JUMP:
        return rng.choice(JUMPS_MS)
    if name == "journal_gone":
        return rng.choice((None, *JOURNAL_PARTS))
    return rng.choice(("0", "0.02", "0.5", "0.95")) if name == "partial_fill" else None


def _at_none(a: _Aiming) -> Iterator[Strike]:
    if (
        a.fault == LATE or a.fault in AT_FILLS
    ):  # a fill when every pair is long over, and a halt keeps others from opening
        yield a.lead(name="halt", phase=Phase.OPENING, leg=a.near, seconds=3.5)
    if a.fault == LATE:
        yield a.short(a.near)
        yield a.main(a.near, phase=Phase.OPENING, param=2000, seconds=None, count=1)
    elif a.fault in AT_FILLS:
        yield a.main(a.near, after_ns=AFTER_HALT_NS, foreign=True)
    else:
        yield a.main(a.near, after_ns=0)


def _at_opening(a: _Aiming) -> Iterator[Strike]:
    if a.fault == LATE:
        yield a.short(a.near)
    elif a.fault in AT_QUERIES | AT_CALLS | SOON:
        yield from (a.cut(a.near), a.cut(a.far))
    yield a.main(a.near)


def _at_one_leg(a: _Aiming) -> Iterator[Strike]:
    yield a.cut(a.near) if a.fault in AT_QUERIES else a.slow(a.near)
    if a.fault == LATE:
        yield a.short(a.near)
    elsewhere = a.fault.startswith("ws_") or a.fault in ("net_slow", "net_partition", "net_reset")
    yield a.main(a.far if elsewhere else a.near)


def _at_both_legs(a: _Aiming) -> Iterator[Strike]:
    yield a.short(a.near)
    yield a.lead(
        name="slow", phase=Phase.OPENING, leg=a.near, count=1, param=1900
    )  # the answer would report the end of the order, too
    yield a.lead(name="net_partition", phase=Phase.OPENING, leg=a.near, seconds=2.0, midst=True)
    if a.fault == LATE:
        yield a.main(a.near, phase=Phase.OPENING, param=500)
    elif a.fault in AT_QUERIES | AT_CALLS:
        yield a.main("every", seconds=2.5 if a.fault != "http_503_maintenance" else None)
    else:
        yield a.main(a.near if a.fault in ("net_request_lost", "net_refused") else a.far, foreign=a.fault in AT_FILLS)


def _at_unknown(a: _Aiming) -> Iterator[Strike]:
    if a.fault in AT_PLACING or a.fault in AT_FILLS or a.fault == LATE:
        yield a.cut(a.near, seconds=PAST_TIMEOUT_S)  # it arrives when its answer is not waited for any longer
        if a.fault == LATE:
            yield a.short(a.near)
        yield a.main(a.near)
    else:
        yield a.lead(name="lost_request", phase=Phase.OPENING, leg=a.near, count=1)
        yield a.main(a.near)


def _at_repairing(a: _Aiming) -> Iterator[Strike]:
    yield a.lead(name="reject_balance", phase=Phase.OPENING, leg="sell", count=1)
    if a.fault in AT_PLACING or a.fault in AT_FILLS or a.fault == LATE:
        if a.fault == LATE:
            yield a.short("every", Phase.REPAIRING)
        yield a.main("every", count=1)
        return
    if a.fault in AT_QUERIES:
        yield a.cut("last", Phase.REPAIRING)
    elif a.fault in AT_CALLS | SOON:
        yield a.lead(name="net_slow", phase=Phase.REPAIRING, leg="last")
    yield a.main("last")


def _at_halted(a: _Aiming) -> Iterator[Strike]:
    for leg, phase in (("sell", Phase.OPENING), ("third", Phase.OPENING), ("buy", Phase.REPAIRING)):
        yield a.lead(name="reject_balance", phase=phase, leg=leg, count=12)
    if a.fault in AT_PLACING or a.fault in AT_FILLS or a.fault == LATE:
        relieves = KINDS[a.fault].scope != "state"  # what changes a venue's rules meets orders that are refused, too
        yield a.main("every", count=1, seconds=None if relieves else 3.0, relieves=relieves or a.fault == LATE)
        if a.fault == LATE:
            yield a.short("every", Phase.HALTED)
    else:
        yield a.main("every" if a.fault in AT_NEXT_REQUEST | AT_QUERIES | AT_CALLS else a.near)


def _at_closed(a: _Aiming) -> Iterator[Strike]:
    if a.fault == LATE:
        yield a.short(a.near)
        yield a.main(a.near, phase=Phase.OPENING, param=500)
        return
    if a.fault in AT_QUERIES | AT_CALLS | AT_NEXT_REQUEST:
        yield a.lead(name="net_reset", phase=Phase.CLOSED, leg=a.near)  # what follows is an account snapshot
    yield a.main(a.near, foreign=a.fault in AT_FILLS)


_RECIPES: dict[Phase, Callable[[_Aiming], Iterator[Strike]]] = {
    Phase.NONE: _at_none,
    Phase.OPENING: _at_opening,
    Phase.ONE_LEG: _at_one_leg,
    Phase.BOTH_LEGS: _at_both_legs,
    Phase.UNKNOWN: _at_unknown,
    Phase.REPAIRING: _at_repairing,
    Phase.HALTED: _at_halted,
    Phase.CLOSED: _at_closed,
}
