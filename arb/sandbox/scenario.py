"""The seeded market: correlated mids, venue offsets, dislocations that open and close, and rivals that hit them.

Each symbol has one mid, a random walk common to all venues. Each venue adds a small mean-reverting offset, and now and
then a dislocation: its whole ladder is a few basis points beyond both fees, for a fraction of a second to a few
seconds. It is up or down with equal chance, so that inventory moves back and forth. Rivals see dislocations too: some
hit the book while one is open, and some are just ahead of our order, so that a part of entry legs fills short.
"""

import math
import random
from dataclasses import dataclass, replace

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.ceiling import Ceiling
from arb.sandbox.exchange import SimExchange
from arb.sandbox.matching import BUY, SELL
from arb.sandbox.profiles import is_copy, model_of
from arb.sandbox.values import SimOrder
from arb.sandbox.venue import SimVenue
from arb.sandbox.wire import Scheduler

RUNGS = 55
_HASH = 2_654_435_761
STEP_NS = 25 * NS_PER_MS
DISLOCATIONS_PER_S = 1.2
"""Attempts per listed symbol; one on a symbol that is dislocated already does nothing."""
BEYOND_MAX_BPS = 20.0
"""How far a dislocation goes beyond both fees and the spreads. The books are deep, so it outlasts pairs of ordinary
size; an edge above 30 bps that outlasts two pairs is no edge to the engine (a tenth of `max_edge_bps`).
"""
RACE_LOST = 0.12
"""Chance that rivals are just ahead of a marketable order while a dislocation of its symbol is open."""
RACE_REACH = 0.006
"""Rivals do not follow an order whose limit is further than this from the touch."""


@dataclass(frozen=True, slots=True)
class Character:
    """How a symbol behaves: start price, walk per root second, spread, grid, depth, and how often it is requoted."""

    price: float
    walk_bps: float
    half_spread_bps: float
    step_bps: float
    rung_notional: float
    activity: float


CHARACTERS = {
    "BTC/USDT": Character(60_000.0, 0.8, 0.5, 0.4, 2_000.0, 0.6),
    "ETH/USDT": Character(3_000.0, 1.0, 0.6, 0.5, 1_800.0, 0.5),
    "SOL/USDT": Character(150.0, 1.3, 0.8, 0.7, 1_500.0, 0.4),
    "DOGE/USDT": Character(0.15, 1.5, 0.9, 0.7, 1_200.0, 0.3),
    "NOVA/USDT": Character(0.85, 2.5, 2.0, 1.2, 700.0, 0.25),
}


COPY_ACTIVITY = 0.05
"""How often a copy of one of the five is requoted, as a share of its model: quiet symbols next to busy ones."""
COPY_COARSENESS = 8
"""How many rungs of its model one rung of a copy represents: the same depth in fewer prices."""


def character_of(symbol: str) -> Character:
    """Return how a symbol behaves: one of the five as itself, and a copy as its quieter, coarser model."""
    character = CHARACTERS[model_of(symbol)]
    if not is_copy(symbol):
        return character
    return replace(
        character,
        step_bps=character.step_bps * COPY_COARSENESS,
        rung_notional=character.rung_notional * COPY_COARSENESS,
        activity=character.activity * COPY_ACTIVITY,
    )


@dataclass(slots=True)
class Dislocation:
    """A venue's temporary displacement of one symbol, in basis points."""

    venue: str
    bps: float
    until_ns: int


class Ladder:
    """The market makers of one (venue, symbol): a ladder of quotes around a centre, moved, thinned and refilled.

    The ladder is on a grid of `step` ticks with a fixed jitter per rung, so that a moving centre changes only the rungs
    at both ends. Floats place quotes (chance is allowed to be inexact); whole ticks and lots reach the book.
    """

    def __init__(
        self,
        exchange: SimExchange,
        symbol: str,
        rng: random.Random,
        *,
        price: float,
        half_spread_bps: float,
        step_bps: float,
        rung_notional: float,
        rungs: int = RUNGS,
    ) -> None:
        self.exchange = exchange
        self.symbol = symbol
        self.market = exchange.market(symbol)
        self._rng = rng
        self._rungs = rungs
        rules = self.market.instrument
        self._tick = float(rules.tick)
        self._half = half_spread_bps / 10_000
        self._step = max(1, round(step_bps / 10_000 * price / self._tick))
        self._rung_lots = max(1.0, rung_notional / price / float(rules.lot))
        self._salt = rng.randrange(1 << 30)
        self._wanted: dict[str, dict[int, int]] = {BUY: {}, SELL: {}}
        self._anchor: tuple[int, int] | None = None

    def move(self, centre: float, now_ns: int) -> None:
        """Quote around a new centre price: withdraw rungs out of place, then add those missing."""
        ask = math.ceil(centre * (1 + self._half) / self._tick / self._step)
        bid = min(math.floor(centre * (1 - self._half) / self._tick / self._step) - 1, ask - 1)
        if self._anchor == (bid, ask):
            return
        self._anchor = (bid, ask)
        prices = {
            BUY: [self._price(bid - k) for k in range(self._rungs) if bid - k > 0],
            SELL: [self._price(ask + k) for k in range(self._rungs)],
        }
        for side in (BUY, SELL):
            keep = set(prices[side])
            for ticks in [t for t in self._wanted[side] if t not in keep]:
                del self._wanted[side][ticks]
                if self.market.book.background_lots(side, ticks):
                    self.exchange.quote_background(self.symbol, side, ticks, 0, now_ns)
        for side in (BUY, SELL):
            self._add_missing(side, prices[side], now_ns)

    def stir(self, refill: float, now_ns: int) -> None:
        """Resize one quote near the top; refill taken ones among the best with probability `refill`."""
        for side in (BUY, SELL):
            wanted = self._wanted[side]
            best_first = sorted(wanted, reverse=side == BUY)[:8]
            if not best_first:
                continue
            chosen = best_first[self._rng.randrange(len(best_first))]
            lots = self.market.book.background_lots(side, chosen)
            if lots >= wanted[chosen] and self._rng.random() < 0.4:
                wanted[chosen] = self._draw_lots()
                self.exchange.quote_background(self.symbol, side, chosen, wanted[chosen], now_ns)
            for ticks in best_first:
                lots = self.market.book.background_lots(side, ticks)
                if lots < wanted[ticks] and self._rng.random() < refill and self._is_free(side, ticks):
                    self.exchange.quote_background(self.symbol, side, ticks, wanted[ticks], now_ns)

    def _add_missing(self, side: str, prices: list[int], now_ns: int) -> None:
        wanted = self._wanted[side]
        for ticks in prices:
            if ticks not in wanted and self._is_free(side, ticks):
                wanted[ticks] = self._draw_lots()
                self.exchange.quote_background(self.symbol, side, ticks, wanted[ticks], now_ns)

    def _is_free(self, side: str, ticks: int) -> bool:
        """Return whether a quote there would meet no other background interest (which never trades with itself)."""
        opposite = self.market.book.opposite(side)
        best = opposite.best()
        if best is None or (ticks < best if side == BUY else ticks > best):
            return True
        return not any(
            level.background
            for price, level in opposite.levels.items()
            if (price <= ticks if side == BUY else price >= ticks)
        )

    def _price(self, rung: int) -> int:
        return rung * self._step + (rung * _HASH + self._salt) % self._step

    def _draw_lots(self) -> int:
        return max(1, round(self._rung_lots * self._rng.uniform(0.35, 1.65)))


class Scenario:
    def __init__(
        self,
        seed: int,
        venues: list[SimVenue],
        scheduler: Scheduler,
        ceiling: Ceiling,
        listed: tuple[str, ...],
        *,
        static: bool,
        rungs: int = RUNGS,
    ) -> None:
        """Quote `rungs` prices a side at every venue, and move them from now on unless `static`.

        Only those of the `listed` symbols that a venue has are quoted.
        """
        self._rungs = rungs
        self._rng = random.Random(f"{seed}/scenario")
        self._venues = venues
        self._scheduler = scheduler
        self._ceiling = ceiling
        self._characters: dict[str, Character] = {}
        self._mids: dict[str, float] = {}
        self._offsets: dict[tuple[str, str], float] = {}
        self._ladders: dict[tuple[str, str], Ladder] = {}
        self._dislocations: dict[str, Dislocation] = {}
        self.dislocation_count = 0
        self._symbols = [s for s in listed if any(s in v.exchange.markets for v in venues)]
        self._dislocations_a_step = DISLOCATIONS_PER_S * len(listed) * STEP_NS / NS_PER_S
        for symbol in self._symbols:
            self._start(symbol, static)
        if not static:
            for venue in venues:
                venue.race = self._racer(venue)
            scheduler.at(scheduler.now_ns + STEP_NS, self._step)

    def _start(self, symbol: str, static: bool) -> None:
        character = self._characters[symbol] = character_of(symbol)
        self._mids[symbol] = character.price * (1.0 if static else math.exp(self._rng.gauss(0.0, 0.02)))
        for index, venue in enumerate(self._venues):
            if symbol not in venue.exchange.markets:
                continue
            key = (venue.name, symbol)
            self._offsets[key] = 0.0
            self._ladders[key] = Ladder(
                venue.exchange,
                symbol,
                self._rng,
                price=self._mids[symbol],
                half_spread_bps=character.half_spread_bps * (1.0 + 0.25 * index),
                step_bps=character.step_bps * (1.0 + 0.15 * index),
                rung_notional=character.rung_notional,
                rungs=self._rungs if not is_copy(symbol) else -(-self._rungs // COPY_COARSENESS),
            )
            self._quote(venue, symbol)

    # -- one step --------------------------------------------------------------------------------------------------

    def _step(self, now_ns: int) -> None:
        self._close_dislocations(now_ns)
        surely = int(self._dislocations_a_step)
        for _ in range(surely + (self._rng.random() < self._dislocations_a_step - surely)):
            self._open_dislocation(now_ns)
        root_s = math.sqrt(STEP_NS / NS_PER_S)
        for symbol in self._symbols:
            character = self._characters[symbol]
            self._mids[symbol] *= math.exp(self._rng.gauss(0.0, character.walk_bps * 1e-4 * root_s))
            for venue in self._venues:
                if (venue.name, symbol) in self._ladders and self._rng.random() < character.activity:
                    self._requote(venue, symbol)
            if symbol in self._dislocations:
                self._ceiling.observe(symbol)
        self._scheduler.at(now_ns + STEP_NS, self._step)

    def _requote(self, venue: SimVenue, symbol: str) -> None:
        key = (venue.name, symbol)
        self._offsets[key] = self._offsets[key] * 0.995 + self._rng.gauss(0.0, 0.1)
        self._quote(venue, symbol)
        refill = 0.03 if symbol in self._dislocations else 0.25
        self._ladders[key].stir(refill, venue.now_ns)

    def _quote(self, venue: SimVenue, symbol: str) -> None:
        key = (venue.name, symbol)
        bps = self._offsets[key]
        dislocation = self._dislocations.get(symbol)
        if dislocation is not None and dislocation.venue == venue.name:
            bps += dislocation.bps
        self._ladders[key].move(self._mids[symbol] * (1.0 + bps * 1e-4), venue.now_ns)

    # -- dislocations ----------------------------------------------------------------------------------------------

    def _open_dislocation(self, now_ns: int) -> None:
        symbol = self._rng.choice(self._symbols)
        venue, partner = self._rng.sample(self._venues, 2)
        if symbol in self._dislocations or symbol not in venue.exchange.markets:
            return
        if symbol not in partner.exchange.markets:
            return
        character = self._characters[symbol]
        base_fees = venue.exchange.instruments[symbol].taker_fee + partner.exchange.instruments[symbol].taker_fee
        beyond = min(5.0 + self._rng.expovariate(1 / 6.0), BEYOND_MAX_BPS)
        size = float(base_fees) * 1e4 + 3.0 * character.half_spread_bps + beyond
        lasts_ms = min(4_000.0, max(250.0, 600.0 * math.exp(self._rng.gauss(0.0, 0.7))))
        direction = 1.0 if self._rng.random() < 0.5 else -1.0
        self._dislocations[symbol] = Dislocation(venue.name, direction * size, now_ns + int(lasts_ms * NS_PER_MS))
        self.dislocation_count += 1
        self._quote(venue, symbol)
        self._ceiling.observe(symbol)
        if self._rng.random() < 0.6:
            delay_ms = 60.0 + self._rng.expovariate(1 / 400.0)
            self._scheduler.at(now_ns + int(delay_ms * NS_PER_MS), lambda _: self._rival_hits(venue, symbol))

    def _close_dislocations(self, now_ns: int) -> None:
        for symbol in [s for s, d in self._dislocations.items() if d.until_ns <= now_ns]:
            closed = self._dislocations.pop(symbol)
            for venue in self._venues:
                if venue.name == closed.venue:
                    self._quote(venue, symbol)
            self._ceiling.observe(symbol)

    # -- rivals ----------------------------------------------------------------------------------------------------

    def _rival_hits(self, venue: SimVenue, symbol: str) -> None:
        dislocation = self._dislocations.get(symbol)
        if dislocation is None or dislocation.venue != venue.name:
            return
        side = SELL if dislocation.bps > 0 else BUY
        book = venue.exchange.market(symbol).book
        best = book.opposite(side).best()
        if best is None:
            return
        reach = max(1, round(best * 4e-4))
        limit = best - reach if side == SELL else best + reach
        lots = int(book.fillable(side, limit) * self._rng.uniform(0.3, 1.0))
        if lots > 0:
            venue.exchange.rival_take(symbol, side, limit, lots, venue.now_ns)

    def _racer(self, venue: SimVenue) -> "_Race":
        return _Race(self, venue, self._rng)

    def is_dislocated(self, symbol: str) -> bool:
        return symbol in self._dislocations


class _Race:
    """Decide whether rivals are just ahead of an order, and how many lots they leave it."""

    def __init__(self, scenario: Scenario, venue: SimVenue, rng: random.Random) -> None:
        self._scenario = scenario
        self._venue = venue
        self._rng = rng

    def __call__(self, order: SimOrder) -> int | None:
        if order.ticks is None or order.request.tif not in ("ioc", "fok"):
            return None
        best = self._venue.exchange.market(order.symbol).book.opposite(order.side).best()
        if best is None or abs(order.ticks - best) > best * RACE_REACH:
            return None
        if not self._scenario.is_dislocated(order.symbol) or self._rng.random() >= RACE_LOST:
            return None
        return int(order.lots * self._rng.uniform(0.0, 0.85))
