"""What is simulated: settings, market and faults, all drawn from one seed.

Most seeds aim at four cells of the table (`aims.py`): consecutive seeds go through all cells in turn, so that every cell is
aimed at equally often, whatever is drawn. Further strikes are drawn at random. A few seeds are put to a
special test (`special.py`): of the proof of absence, of what happens in an outage, of a ledger that is locked for a minute.
"""

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.settings import (
    OFF,
    Band,
    InventoryBands,
    LegCost,
    Limits,
    OnSingleLeg,
    Ramp,
    RepairPolicy,
    Timing,
)
from arb.market.symbol import Symbol
from arb.sandbox.profiles import QUOTE, SYMBOLS
from arb.sandbox.registry import SPECS, VENUE_NAMES
from arb.venues.build import venue_profile
from arb.venues.kit.public_reader import GatewayTiming
from arb.venues.registry import spec_of
from proofs.faultsim.aims import (
    AT_BALANCES,
    HALT,
    STRIKES,
    WALLETS,
    Aim,
    Mood,
    Phase,
    Strike,
    aims_for,
    draw,
    strikes_for,
)
from proofs.faultsim.fee_assets import FeeMode, drawn_modes
from proofs.faultsim.special import (
    BUSY_NS,
    DARK_NS,
    DUST_NS,
    DUST_TOTAL_QUOTE,
    FLATTENED_NS,
    GONE_NS,
    LATE_LEGS_MS,
    LATE_LEGS_NS,
    MISSES_NS,
    PAUSES_S,
    REPLICA_NS,
    STALE_NS,
    STANDSTILL_S,
    STEPS_NS,
    STILL_NS,
    at_intents,
    at_the_end,
    blackout,
    busy,
    darkness,
    dust,
    flattened,
    gone,
    late_legs,
    misses,
    outage,
    paused,
    reopened,
    replica,
    reported,
    scarce,
    stale,
    standstill,
    steps,
)

AIMS = 4
APART_MS = 1_250
"""How far apart the aims of a seed begin."""
FAULTS_NS = 5_700 * NS_PER_MS
UNKNOWN_NS = 2_000 * NS_PER_MS
"""How much longer faults go on where they are to meet an unknown order: it is unknown once its request has timed out."""
SOCKETS = 1 / 3
"""How many of all seeds send their orders over websockets."""
OTHER_MODES = 0.5
"""In how many of all seeds an account that may be of several kinds is not of the usual one."""
LOSSES = 0.2
"""In how many of all seeds a small loss of the day stops trading, until its operator allows more."""
RULES = 0.2
"""In how many of all seeds the venues' rules and fees are read again every other second."""
GUARDED = 0.3
"""In how many of all seeds the guards on new pairs bind: a ramp, a narrow band, little capital at each venue."""
COSTLY_LEGS = 1 / 3
"""In how many of all seeds the threshold allows for what legs have cost; it begins about as high as that of the others."""
BANDED = 0.25
"""In how many of all seeds bands of the inventory move the required edge."""
FEES_IN_QUOTE = 0.1
DECIMALS = 0.25
"""In how many of all seeds a venue cuts the balances that it shows."""
OTHER_QUOTES = 0.15
"""In how many of all seeds another quote than USDT is traded."""
LEGS = ("buy", "sell", "buy", "sell", "third")


class Difference(NamedTuple):
    """Why a seed runs another setting than the shipped default, and in what share of all seeds that is so at most."""

    most: float
    why: str


_MORE = "a seed lasts seconds: it is to see more pairs than one with an edge of 6 bps would"
_SMALL = "a user's choice, drawn: small limits bind"
DIFFERENCES: dict[str, Difference] = {
    "limits.min_edge_bps": Difference(1, _MORE),
    "limits.leg_cost": Difference(0.4, "a user's choice, drawn"),
    "limits.max_notional_quote": Difference(0.75, _SMALL),
    "limits.entry_band_bps": Difference(0.35, _SMALL),
    "limits.max_capital_per_venue_quote": Difference(0.35, _SMALL),
    "limits.daily_loss_quote": Difference(0.25, _SMALL),
    "limits.dust_total_max_quote": Difference(0.03, "a seed trades five symbols: their dust replaces that of many"),
    "limits.daily_notional_quote": Difference(
        1, "`arb run` raises it on a sandbox; no seed lasts as long as either takes"
    ),
    "limits.consecutive_losses": Difference(
        1, "faults make losses in a row, and each such halt would hide what follows"
    ),
    "timing.balance_refresh_s": Difference(0.65, "time is compressed: a fault of balances strikes only reads of them"),
    "timing.rules_refresh_s": Difference(0.35, "time is compressed: no seed lasts 300 s"),
    "timing.leg_deadline_ms": Difference(0.2, "time is compressed: these seeds are about pairs that are late"),
    "repair.on_single_leg": Difference(0.3, "a user's choice, drawn"),
    "inventory": Difference(0.3, "a user's choice, drawn"),
    "ramp": Difference(0.35, "a live run has one, a sandbox run has none: drawn"),
    "venues.fee_asset_prices_quote": Difference(0.7, "a user's choice, drawn"),
    "venues.enforces_expiry": Difference(0.4, "orders go over websockets there: a user's choice, drawn"),
    "key.borrowing_allowed": Difference(1, "accounts of every mode are traded here: nothing real is lent"),
}
"""Every setting that is not the shipped default; `tests/unit/proofs/faultsim/test_defaults.py` compares."""


class Test(StrEnum):
    """What a seed is for."""

    CELLS = "cells"
    DARKNESS = "darkness"
    OUTAGE = "outage"
    LONG_LOCK = "long lock"
    REOPENED = "reopened"
    POWER = "power"
    SCARCE = "scarce"
    STOPPED = "stopped"
    STANDSTILL = "standstill"
    LATE_LEGS = "late legs"
    BUSY = "busy"
    MISSES = "misses"
    STEPS = "steps"
    FLATTENED = "flattened"
    REPORTED = "reported"
    GONE = "gone"
    REPLICA = "replica"
    DUST = "dust"
    PAUSED = "paused"
    STALE = "stale"


TESTS: tuple[tuple[Test, int], ...] = (
    (Test.DARKNESS, 10),
    (Test.OUTAGE, 8),
    (Test.LONG_LOCK, 1),
    (Test.REOPENED, 3),
    (Test.POWER, 3),
    (Test.SCARCE, 3),
    (Test.STOPPED, 3),
    (Test.STANDSTILL, 2),
    (Test.LATE_LEGS, 4),
    (Test.BUSY, 2),
    (Test.MISSES, 2),
    (Test.STEPS, 2),
    (Test.FLATTENED, 3),
    (Test.REPORTED, 3),
    (Test.GONE, 2),
    (Test.REPLICA, 3),
    (Test.DUST, 2),
    (Test.PAUSED, 4),
    (Test.STALE, 1),
)
"""How many of a hundred seeds are put to each special test."""
_SYMBOLS = {
    Test.SCARCE: SYMBOLS[:3],
    Test.STANDSTILL: SYMBOLS,
    Test.LATE_LEGS: SYMBOLS,
    Test.BUSY: SYMBOLS,
    Test.MISSES: SYMBOLS,
    Test.GONE: SYMBOLS,
    Test.REPLICA: SYMBOLS,
    Test.DUST: SYMBOLS,
}
MOODS: tuple[Mood, ...] = tuple(
    {"p": Mood.PATIENT, "q": Mood.QUICK, "h": Mood.HALTING}[letter] for letter in "pqphpqppqphpqppqphpqppqphpq"
)
"""The moods of consecutive seeds, about as many of each as it has cells."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that one seed decides."""

    seed: int
    symbols: tuple[str, ...]
    limits: Limits
    timing: Timing
    repair: RepairPolicy
    ramp: Ramp | None = None
    place_timeout_s: float = GatewayTiming().place_timeout_s
    faults_end_ns: int
    drain_ns: int
    downtime_ns: int
    strikes: tuple[Strike, ...]
    linger_ns: int = 0
    """How long the engine goes on trading after the faults, before it is asked to end."""
    sockets: bool = False
    """Whether orders go over websockets, at the venues that take them so."""
    dies_halted: bool = False
    """Whether the process dies as soon as a halt that was asked for is written down, the first time."""
    resumes: bool = False
    """Whether somebody resumes trading whenever it has halted and nothing is open."""
    inventory: InventoryBands = InventoryBands()
    """What each venue should hold, and how the required edge follows."""
    funds_quote: Decimal | None = None
    """What every account begins with in quote, and in worth of each base that is traded; None: the sandbox's own, ample."""
    scarce: bool = False
    """Whether foreign resting orders lock all but a little of every account."""
    fee_in_quote: bool = False
    """Whether accounts, where that is their holder's choice (OKX), pay the fee of a buy in quote."""
    fee_modes: tuple[FeeMode, ...] = ()
    """What accounts pay their fees in, and what the settings say it is worth."""
    balance_decimals: dict[str, int] = {}
    """To how many decimals some venues show balances, the rest cut off."""
    unproved: str = VENUE_NAMES[-1]
    """The venue that executes orders after their expiry, as nobody has proved that it does not."""
    modes: dict[str, str] = {}
    """The kinds of the accounts that are not of their venue's usual one."""
    venues: tuple[str, ...] = VENUE_NAMES

    @property
    def without_expiry(self) -> frozenset[str]:
        """Return the venues at which an order's expiry may not count: an order socket may check it on receipt only."""
        never = (name for name in self.venues if not venue_profile(spec_of(name)).enforces_expiry)
        return frozenset((*never, *(VENUE_NAMES if self.sockets else (self.unproved, *self.modes))))


def make_plan(seed: int, venues: tuple[str, ...] = VENUE_NAMES) -> Plan:
    """Return the plan of a seed; instants count from the start. Other `venues` change nothing else of it."""
    rng = random.Random(f"{seed}/plan")
    test, mood = _test_of(rng), MOODS[seed % len(MOODS)]
    strikes = tuple(_strikes(rng, test, seed))
    policy = rng.choices(
        (OnSingleLeg.CHEAPEST, OnSingleLeg.COMPLETE, OnSingleLeg.UNWIND, OnSingleLeg.HOLD), (70, 12, 12, 6)
    )[0]
    if mood is Mood.HALTING or any(strike.phase is Phase.REPAIRING for strike in strikes):
        policy = OnSingleLeg.CHEAPEST
    symbols = list(_SYMBOLS.get(test, ())) or rng.sample(SYMBOLS, rng.choice((1, 1, 2)))
    if test in (Test.FLATTENED, Test.REPORTED):
        policy = OnSingleLeg.HOLD
    if test is Test.LATE_LEGS:
        policy = rng.choice((OnSingleLeg.CHEAPEST, OnSingleLeg.CHEAPEST, OnSingleLeg.HOLD))
    costly = random.Random(f"{seed}/leg_cost").random() < COSTLY_LEGS
    most = Decimal(rng.choice((200, 1000, 2000)))
    guards = random.Random(f"{seed}/guards")
    guarded = guards.random() < GUARDED
    return Plan(
        seed=seed,
        symbols=_in_quote(seed, sorted(symbols, key=SYMBOLS.index)),
        limits=Limits(
            min_edge_bps=Decimal(0 if costly else 3),
            leg_cost=LegCost("3bps") if costly else OFF,
            max_notional_quote=most,
            entry_band_bps=Decimal(guards.choice((20, 40, 80))) if guarded else Limits().entry_band_bps,
            max_capital_per_venue_quote=most * 3 / 2 if guarded else Limits().max_capital_per_venue_quote,
            consecutive_losses=1000,
            daily_loss_quote=Decimal("0.1")
            if random.Random(f"{seed}/loss").random() < LOSSES
            else Limits().daily_loss_quote,
            dust_total_max_quote=Decimal(DUST_TOTAL_QUOTE) if test is Test.DUST else Limits().dust_total_max_quote,
        ),
        timing=Timing(
            balance_refresh_s=_balance_refresh_s(rng, test, strikes),
            leg_deadline_ms=_leg_deadline_ms(rng, test, mood, strikes),
            rules_refresh_s=_rules_refresh_s(seed, strikes),
        ),
        repair=RepairPolicy(on_single_leg=policy),
        ramp=Ramp(most / 8, guards.randint(1, 3)) if guarded else None,
        faults_end_ns={
            Test.DARKNESS: DARK_NS,
            Test.LONG_LOCK: 62 * NS_PER_S,
            Test.STANDSTILL: STILL_NS,
            Test.LATE_LEGS: LATE_LEGS_NS,
            Test.BUSY: BUSY_NS,
            Test.MISSES: MISSES_NS,
            Test.STEPS: STEPS_NS,
            Test.FLATTENED: FLATTENED_NS,
            Test.GONE: GONE_NS,
            Test.REPLICA: REPLICA_NS,
            Test.DUST: DUST_NS,
            Test.STALE: STALE_NS,
        }.get(test, FAULTS_NS + (UNKNOWN_NS if mood is Mood.QUICK else 0)),
        linger_ns=_linger_ns(test, strikes),
        drain_ns=Timing().shutdown_deadline_s * NS_PER_S,
        sockets=random.Random(f"{seed}/sockets").random() < SOCKETS,
        dies_halted=test is Test.STOPPED,
        resumes=True,
        inventory=_bands(seed),
        scarce=test is Test.SCARCE,
        fee_in_quote=random.Random(f"{seed}/fee_in_quote").random() < FEES_IN_QUOTE,
        fee_modes=drawn_modes(seed, most),
        unproved=random.Random(f"{seed}/expiry").choice(VENUE_NAMES),
        modes=_modes(seed, venues),
        venues=venues,
        balance_decimals=_decimals(seed),
        downtime_ns=rng.choice(PAUSES_S) * NS_PER_S if test is Test.PAUSED else rng.randint(20, 1500) * NS_PER_MS,
        strikes=strikes,
    )


def _bands(seed: int) -> InventoryBands:
    """Return the bands of a seed: shares or amounts, at some venues and in some assets, met or not."""
    rng = random.Random(f"{seed}/inventory")
    if rng.random() >= BANDED:
        return InventoryBands()
    assets = sorted({asset for symbol in SYMBOLS for asset in Symbol.of(symbol).base_and_quote})
    venues: dict[str, dict[str, Band]] = {}
    for venue in rng.sample(VENUE_NAMES, rng.randint(1, len(VENUE_NAMES))):
        venues[venue] = {asset: _band(rng) for asset in rng.sample(assets, rng.randint(1, len(assets)))}
    return InventoryBands(skew_max_bps=Decimal(rng.choice((1, 2, 5))), venue=venues)


def _band(rng: random.Random) -> Band:
    low, target, high = sorted(rng.sample(range(101), 3))
    if rng.random() < 1 / 2:
        low_share, target_share, high_share = (Decimal(edge) / 100 for edge in (low, target, high))
        return Band(low_share=low_share, target_share=target_share, high_share=high_share)
    return Band(low_amount=Decimal(low), target_amount=Decimal(target), high_amount=Decimal(1000 * high))


def _rules_refresh_s(seed: int, strikes: tuple[Strike, ...]) -> int:
    if any(strike.name == WALLETS for strike in strikes):
        return 1
    return 2 if random.Random(f"{seed}/rules").random() < RULES else Timing().rules_refresh_s


def _modes(seed: int, venues: tuple[str, ...]) -> dict[str, str]:
    """Return the kinds of the accounts of a seed; the draws have chances of their own, so that all else is as without."""
    drawn = {venue: random.Random(f"{seed}/mode/{venue}") for venue in venues}
    return {
        venue: rng.choice(others)
        for venue, rng in drawn.items()
        if (others := SPECS[venue].account_modes[1:]) and rng.random() < OTHER_MODES
    }


def _decimals(seed: int) -> dict[str, int]:
    """Return to how many decimals the venues of a seed show balances, where they cut them off."""
    rng = random.Random(f"{seed}/decimals")
    if rng.random() >= DECIMALS:
        return {}
    return {venue: rng.choice((6, 8)) for venue in rng.sample(VENUE_NAMES, rng.randint(1, len(VENUE_NAMES)))}


def _in_quote(seed: int, symbols: list[str]) -> tuple[str, ...]:
    """Return the symbols of a seed in the quote that it trades, a dollar: so the limits fit."""
    rng = random.Random(f"{seed}/quote")
    quote = rng.choice(("USDC", "FDUSD")) if rng.random() < OTHER_QUOTES else QUOTE
    return tuple(f"{symbol.removesuffix(QUOTE)}{quote}" for symbol in symbols)


def _test_of(rng: random.Random) -> Test:
    drawn = rng.randrange(100)
    for test, share in TESTS:
        if drawn < share:
            return test
        drawn -= share
    return Test.CELLS


def _balance_refresh_s(rng: random.Random, test: Test, strikes: tuple[Strike, ...]) -> int:
    """Return how often balances are read: as by default, but where a fault is to meet such a read within some seconds."""
    often = rng.choice((2, 2, 5))
    struck = test is Test.SCARCE or any(strike.name in AT_BALANCES for strike in strikes)
    return often if struck and test is not Test.OUTAGE else Timing().balance_refresh_s


def _leg_deadline_ms(rng: random.Random, test: Test, mood: Mood, strikes: tuple[Strike, ...]) -> int:
    if test is Test.LATE_LEGS:
        return LATE_LEGS_MS[0] if any(strike.name == HALT for strike in strikes) else rng.choice(LATE_LEGS_MS)
    return 300 if test is Test.CELLS and mood is Mood.HALTING else Timing().leg_deadline_ms


def _linger_ns(test: Test, strikes: tuple[Strike, ...]) -> int:
    """Return how long to go on: in an outage until an unreported fill must have been found, else until late fills have come."""
    if test is Test.OUTAGE and any(strike.name == "net_refused" for strike in strikes):
        return 9 * NS_PER_S
    late_ms = (int(strike.param or 300) for strike in strikes if strike.name == "late_fill")
    return max((ms + 100 for ms in late_ms), default=0) * NS_PER_MS


_SPECIAL: dict[Test, Callable[[random.Random], Iterator[Strike]]] = {
    Test.DARKNESS: darkness,
    Test.OUTAGE: outage,
    Test.REOPENED: reopened,
    Test.POWER: blackout,
    Test.SCARCE: scarce,
    Test.STANDSTILL: standstill,
    Test.LATE_LEGS: late_legs,
    Test.BUSY: busy,
    Test.MISSES: misses,
    Test.STEPS: steps,
    Test.FLATTENED: flattened,
    Test.REPORTED: reported,
    Test.GONE: gone,
    Test.REPLICA: replica,
    Test.DUST: dust,
    Test.PAUSED: paused,
    Test.STALE: stale,
}


def _strikes(rng: random.Random, test: Test, seed: int) -> Iterator[Strike]:
    special = _SPECIAL.get(test)
    if special is not None:
        yield from special(rng)
    elif test is Test.STOPPED:
        yield Strike(name=HALT, phase=rng.choice(list(Phase)), leg="buy", after_ns=rng.randint(500, 2_500) * NS_PER_MS)
    elif test is Test.LONG_LOCK:
        yield Strike(name="ledger_locked", phase=rng.choice(list(Phase)), leg="buy", after_ns=0, seconds=60.0)
        yield from strikes_for(rng, aims_of(seed)[0], 0)
    else:
        for number, aim in enumerate(aims_of(seed)):
            yield from strikes_for(rng, aim, number * APART_MS * NS_PER_MS)
        for _ in range(rng.choice((0, 0, 1, 2))):
            phase, after_ns = rng.choice(list(Phase)), rng.randint(0, 3_000) * NS_PER_MS
            yield draw(rng, rng.choice(STRIKES), phase, rng.choice(LEGS), after_ns)
        yield from at_intents(seed)
        yield from at_the_end(seed, FAULTS_NS)


def aims_of(seed: int) -> list[Aim]:
    """Return the cells that a seed of no special test aims at: each mood goes through its cells from seed to seed."""
    rounds, place = divmod(seed, len(MOODS))
    mood = MOODS[place]
    turn = rounds * MOODS.count(mood) + MOODS[:place].count(mood)
    return [_aim(mood, turn * AIMS + number) for number in range(AIMS)]


def _aim(mood: Mood, number: int) -> Aim:
    """Return what a mood aims at for the `number`-th time, all its cells in each round, in an order of that round's own.

    In one order for all rounds a cell would always come with the same three others, one of which may spoil it.
    """
    rounds, place = divmod(number, len(_shuffled(mood, 0)))
    return _shuffled(mood, rounds)[place]


@lru_cache(maxsize=8)
def _shuffled(mood: Mood, rounds: int) -> list[Aim]:
    cells = aims_for(mood)
    random.Random(f"{mood}/{rounds}/aims").shuffle(cells)
    return cells


def is_standstill(plan: Plan) -> bool:
    """Return whether books stand still after the engine has learned their pace, for longer than it may take to find it out."""
    return any(strike.name == "book_frozen" and strike.seconds == STANDSTILL_S for strike in plan.strikes)


def is_busy(plan: Plan) -> bool:
    """Return whether bytes wait on all connections that carry books, from the first pair to the end of the faults."""
    return any(strike.name == "busy_feed" and strike.seconds == BUSY_NS / NS_PER_S for strike in plan.strikes)


def under_way_ns(plan: Plan) -> int:
    """Return how long after the end of the faults a request may still arrive that left during them."""
    longest_ms = 0
    for strike in plan.strikes:
        if strike.name == "delayed_request":
            longest_ms = max(longest_ms, int(strike.param or 3000))
        elif strike.name in ("net_slow", "net_partition"):
            longest_ms = max(longest_ms, int((strike.seconds or 1.0) * 1000))
    return longest_ms * NS_PER_MS
