"""The venues, cap, policy and best order that a repair of a pair has now.

Turns the engine's state into the arguments of `repair_choice`, which knows only books and rules. Sends nothing and changes no
pair: `repairer` does.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from arb.core.messages.reasons import Reason
from arb.core.messages.records import PairKind, PairState
from arb.core.messages.settings import Limits, OnSingleLeg
from arb.core.state.blocks import Source
from arb.core.state.engine_state import EngineState
from arb.core.trades.repair_choice import ONLY, RepairOrder, RepairVenue, choose_repair, loss_cap, repair_size
from arb.core.trades.repair_timing import half_time_over, only_elsewhere, passed_over, venues_without_snapshot
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade
from arb.market.instrument import Instrument, ceil_to_step, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Role, Side


class RepairOptions:
    def __init__(self, state: EngineState, orders: TradeTable) -> None:
        self.state = state
        self.orders = orders

    def policy(self, pair: PairTrade) -> OnSingleLeg:
        """Return the policy for an imbalance.

        `on_single_leg` is about legs. Residuals, and all trades of a flatten, go to the cheapest venue even under `hold`.
        """
        if pair.kind is not PairKind.ARB or self.state.control.flattening:
            return OnSingleLeg.CHEAPEST
        return self.state.policy.on_single_leg

    def allows(self, pair: PairTrade, venue: str, side: Side) -> bool:
        return ONLY.get(self.policy(pair)) in (None, self._role(pair, venue, side))

    def usable_venues(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> list[RepairVenue]:
        side = Side.SELL if imbalance > 0 else Side.BUY
        return [
            self._repair_venue(pair, venue, side, now_ns)
            for venue in self.state.venues_of(pair.plan.symbol)
            if self._barred(pair, venue, now_ns) is None
        ]

    def best(self, pair: PairTrade, imbalance: Decimal, venues: list[RepairVenue], now_ns: int) -> RepairOrder | None:
        """Return the best order at `venues`, the preferred of them first; None when none of them has a legal one."""
        side = Side.SELL if imbalance > 0 else Side.BUY
        policy, slack = self.policy(pair), self._limits(pair).max_slippage_bps * (len(pair.repairs()) + 1)
        cap = self._cap_price(pair, side)
        if pair.state is PairState.HALTED and self.state.policy.emergency_market:
            cap = _deepest(side, cap, venues)
        for candidates in self._by_preference(pair, venues, now_ns):
            order = choose_repair(side, abs(imbalance), cap, slack, candidates, policy)
            if order is not None:
                return order
        return None

    def at_cap(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> RepairOrder | None:
        """Return an order at the cap price, for a halted pair that has no better one: it needs no book.

        It cannot fill at a worse price. The venue where the missing leg was meant to trade is tried before the pair's other
        venue.
        """
        side = Side.SELL if imbalance > 0 else Side.BUY
        state, symbol = self.state, pair.plan.symbol
        listing = [
            v
            for v in state.venues_of(symbol)
            if not state.shut(v, symbol, now_ns)
            and state.identities.repairs(symbol, v, pair.venues)
            and state.price_ratios.repairs(symbol, v, pair.venues)
        ]
        own = [v for v in reversed(pair.venues) if v in listing]
        # Where neither venue of the pair takes the symbol any more, any other is better than none.
        venues = [v for v in own or listing if self.allows(pair, v, side)]
        if side is Side.BUY:
            venues.reverse()
        states = state.venues
        venues.sort(
            key=lambda v: (
                states[v].blocked_by(Source.QUARANTINE),
                states[v].blocked_until_ns(Source.PAUSE) > now_ns,
                passed_over(pair, v, now_ns),
            )
        )
        orders = (self._order_at_cap(pair, venue, side, abs(imbalance), now_ns) for venue in venues)
        return next((order for order in orders if order is not None), None)

    def _limits(self, pair: PairTrade) -> Limits:
        return self.state.limits_at(pair.plan.symbol, *pair.venues)

    def _by_preference(self, pair: PairTrade, venues: list[RepairVenue], now_ns: int) -> list[list[RepairVenue]]:
        """Return the sets of venues to choose among, in turn until one has an order.

        First the venues that answer and are not `passed_over`, then all that answer. After half of the deadline, also those
        that do not answer (`VenueHealth.silent`) but are not in quarantine, then all. Before that a good venue is worth the
        wait: its book is often unusable for a moment after our own fill in it.
        """
        health = self.state.health.venues
        allowed = [
            venue for venue in venues if not self.state.venues[venue.instrument.venue].blocked_by(Source.QUARANTINE)
        ]
        answering = [venue for venue in allowed if not health[venue.instrument.venue].silent(now_ns)]
        reached = [venue for venue in answering if not passed_over(pair, venue.instrument.venue, now_ns)]
        if only_elsewhere(pair, now_ns):
            return [reached]
        pressing = half_time_over(pair, now_ns)
        if pair.kind is PairKind.TEST and not pressing:
            return [[venue for venue in answering if venue.instrument.venue in pair.venues]]  # a drill is of one venue
        return [reached, answering, allowed, venues] if pressing else [reached, answering]

    def _barred(self, pair: PairTrade, venue: str, now_ns: int) -> Reason | None:
        state, symbol = self.state, pair.plan.symbol
        if state.venues[venue].blocked_until_ns(Source.PAUSE) > now_ns:
            return Reason.VENUE_HALTED
        if venue in venues_without_snapshot(state, pair, now_ns):
            return Reason.VENUE_HALTED
        if state.shut(venue, symbol, now_ns):
            return Reason.INSTRUMENT_HALTED
        if not state.identities.repairs(symbol, venue, pair.venues):
            return Reason.IDENTITY_UNVERIFIED
        if not state.price_ratios.repairs(symbol, venue, pair.venues):
            return Reason.EDGE_IMPLAUSIBLE
        unusable = state.books.unusable(venue, symbol, now_ns)
        if unusable is not None:
            return unusable
        if state.books.awaited(venue, symbol):
            return Reason.FEED_BACKLOG
        if state.books.impacted(venue, symbol):
            return Reason.OWN_IMPACT
        return None if self.orders.busy.get((venue, symbol), pair.id) == pair.id else Reason.PAIR_IN_FLIGHT

    def _repair_venue(self, pair: PairTrade, venue: str, side: Side, now_ns: int) -> RepairVenue:
        levels = self.state.books.levels(venue, pair.plan.symbol, side)
        ends = [self._cap_price(pair, side), *(price for price, _ in levels[:1])]
        if self.state.policy.emergency_market:
            ends += [price for price, _ in levels[-1:]]
        instrument = self._rules(venue, pair.plan.symbol, side, max(ends), now_ns)
        return RepairVenue(
            instrument=instrument,
            levels=levels,
            free=self.state.inventory.spendable(
                pair.id, venue, instrument.base if side is Side.SELL else instrument.quote
            ),
            role=self._role(pair, venue, side),
        )

    def _role(self, pair: PairTrade, venue: str, side: Side) -> Role:
        """Return the role of a repair. A sale at the buy venue or a purchase at the sell venue unwinds, all else hedges.

        An order of a dust pair has the role `dust`, one of a test or flatten pair `unwind`.
        """
        if pair.kind is not PairKind.ARB:
            return Role.DUST if pair.kind is PairKind.DUST else Role.UNWIND
        larger_leg_venue = pair.plan.buy_venue if side is Side.SELL else pair.plan.sell_venue
        return Role.UNWIND if venue == larger_leg_venue else Role.HEDGE

    def _cap_price(self, pair: PairTrade, side: Side) -> Decimal:
        """Return the cap, the worst price a repair may have: `leg_loss_max_bps` off the reference price.

        For dust it is twice `max_slippage_bps` off the mid price.
        """
        if pair.kind is PairKind.DUST:
            return loss_cap(side, pair.mid_price(self.state.books), self._limits(pair).max_slippage_bps * 2)
        return loss_cap(side, self._reference_price(pair, side), self.state.policy.leg_loss_max_bps)

    def _reference_price(self, pair: PairTrade, side: Side) -> Decimal:
        """Return the average price of the pair's trades on the other side, repairs included.

        Without any (a flatten trades other pairs' residuals) the mid price.
        """
        opposite = [order for order in pair.orders.values() if order.side is side.opposite and order.filled > 0]
        filled = sum((order.filled for order in opposite), ZERO)
        if not filled:
            return pair.mid_price(self.state.books)
        return sum((order.notional for order in opposite), ZERO) / filled

    def _rules(self, venue: str, symbol: str, side: Side, price: Decimal, now_ns: int) -> Instrument:
        """Return a venue's rules, with the greatest size cut to the order value that the guard lets pass at `price`.

        The guard values a sale at the sale price of base, at least. A larger imbalance is repaired in several orders.
        """
        instrument, most = self.state.instruments[venue, symbol], self.state.venues[venue].profile.max_order_value_quote
        if side is Side.SELL:
            price = max(price, self.state.sale_price(symbol, now_ns) or ZERO)
        if most is None or price <= 0:
            return instrument
        size = floor_to_step(most / price, instrument.lot)
        if instrument.max_size is not None:
            size = min(size, instrument.max_size)
        return msgspec.structs.replace(instrument, max_size=size)

    def _order_at_cap(self, pair: PairTrade, venue: str, side: Side, need: Decimal, now_ns: int) -> RepairOrder | None:
        instrument, cap = self.state.instrument(venue, pair.plan.symbol), self._cap_price(pair, side)
        if instrument is None:
            return None
        price = ceil_to_step(cap, instrument.tick) if side is Side.SELL else floor_to_step(cap, instrument.tick)
        rules = self._rules(venue, pair.plan.symbol, side, price, now_ns)
        size = repair_size(side, need, price, rules) if price > 0 else ZERO
        if not size:
            return None
        return RepairOrder(venue, self._role(pair, venue, side), side, price, size, size * price)


def _deepest(side: Side, cap: Decimal, venues: Iterable[RepairVenue]) -> Decimal:
    """Return the cap widened to the last level of the usable books, where `emergency_market` allows an exit at any price."""
    ends = [venue.levels[-1][0] for venue in venues if venue.levels]
    return min([cap, *ends]) if side is Side.SELL else max([cap, *ends])
