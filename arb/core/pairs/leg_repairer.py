"""What a pair does next whenever one of its orders may have changed: wait, close, or repair.

While an order of the pair is unsettled it waits; where that is at a venue that did not answer since the start, what no outcome
of it could make even is repaired elsewhere. Then the imbalance alone decides: within dust the pair closes; otherwise the
best legal order at a venue whose book is usable is sent (`repair_choice`), again and again until flat. Repairs are decided at
`QueueDrained`, when nothing is unread on the sockets of the pair's own books, so that they are priced on books as new as can
be; bytes that wait for 50 ms without a break are waited for no longer. Pacing may still hold a repair back on its way.
`leg_deadline_ms` counts from the first uneven fill, whatever order of the pair is unsettled or unknown; after it the pair stops
opening (`core/risk/late_legs.py`) and the exit is tried on, at the worst price allowed whenever no better order can be chosen.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS
from arb.core.incidents import IncidentKind
from arb.core.opportunities.alternatives import REPAIRS_EXPLAINED, RepairDecision
from arb.core.orders.manager import OrderManager, Wanted
from arb.core.pairs.closing import Closer
from arb.core.pairs.pair import PairTrade, Trigger
from arb.core.pairs.repair_choice import (
    RepairOrder,
    RepairVenue,
    choose_repair,
    held_by,
    loss_cap,
    repair_size,
)
from arb.core.pairs.repair_timing import (
    HALTED_RETRY_MS,
    deadline_ns,
    half_time_over,
    only_elsewhere,
    passed_over,
    pause_ms,
    ready_ns,
    venues_without_snapshot,
)
from arb.core.reasons import Reason
from arb.core.records import AlternativeWay, PairKind, PairState
from arb.core.settings import OnSingleLeg
from arb.core.state import EngineState
from arb.core.timers import PairTimer
from arb.market.instrument import Instrument, ceil_to_step, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Role, Side
from arb.market.symbol import Symbol


class LegRepairer:
    """Brings pairs back to flat and closes them."""

    def __init__(self, state: EngineState, manager: OrderManager, closer: Closer) -> None:
        self.state = state
        self.manager = manager
        self.closer = closer
        # True during `QueueDrained`, the one event at which repairs leave.
        self._books_current = False

    def progress(self, pair: PairTrade, now_ns: int) -> None:
        """Wait, close or repair, as the pair's orders now ask for; called after every change of one."""
        base = Symbol.of(pair.plan.symbol).base
        if pair.closed:
            if pair.imbalance(base) == pair.booked_residual:
                return  # reported again, and counted already
            self.closer.reopen(pair, now_ns)
            pair.move(Trigger.LATE_FILL, now_ns)
            self.manager.add(pair)
            text = f"pair {pair.id}: a fill arrived after the pair had ended"
            self.state.incident(IncidentKind.LATE_FILL, text, now_ns, pair_id=pair.id)
            self.state.out.persist(pair.record(base))
        imbalance = pair.imbalance(base)
        is_flat = self._is_flat(pair, imbalance)
        pair.unhedged_since_ns = None if is_flat else pair.unhedged_since_ns or now_ns
        if self._awaits_answers(pair):
            self._check_deadline(pair, now_ns)
            return
        if not pair.settled:
            certain = pair.certain_imbalance(base)
            if not self._is_flat(pair, certain):
                self._repair(pair, certain, now_ns)
            else:
                self._check_deadline(pair, now_ns)
        elif is_flat:
            self.closer.close(pair, self._flat_trigger(pair), now_ns)
        else:
            self._repair(pair, imbalance, now_ns)

    def send_repairs(self, now_ns: int) -> None:
        """Repair the open pairs that need it, but for those on whose own books' connections bytes wait just now."""
        self._books_current = True
        for pair in list(self.manager.open.values()):
            if any(self.state.books.awaited(venue, pair.plan.symbol) for venue in pair.venues):
                continue
            if pair.state in (PairState.REPAIRING, PairState.HALTED) and not self._awaits_answers(pair):
                self.progress(pair, now_ns)
        self._books_current = False

    def on_timer(self, timer: PairTimer, now_ns: int) -> None:
        """Try again for one pair: its pause or its deadline is over."""
        pair = self.manager.open.get(timer.pair_id)
        if pair is not None:
            pair.wake_ns = 0
            self.progress(pair, now_ns)

    def _awaits_answers(self, pair: PairTrade) -> bool:
        """Return whether a venue that answers is yet to settle an order of the pair: nothing is decided before.

        For what a venue has taken that does not answer since the start, nobody knows how long that would be: what is uneven
        whatever became of it is repaired elsewhere meanwhile.
        """
        unsettled = [order for order in pair.orders.values() if not order.settled]
        venues = self.state.venues
        return bool(unsettled) and (
            pair.kind is not PairKind.ARB or any(venues[order.venue].absent is None for order in unsettled)
        )

    def _flat_trigger(self, pair: PairTrade) -> Trigger:
        unwound = any(order.role is Role.UNWIND and order.filled > 0 for order in pair.orders.values())
        if pair.kind is PairKind.ARB and (unwound or not pair.both_legs_traded()):
            return Trigger.FLAT_UNWOUND
        return Trigger.FLAT_COMPLETED

    def _is_flat(self, pair: PairTrade, imbalance: Decimal) -> bool:
        """Return whether the imbalance is zero or dust: worth at most `dust_max_quote`, and no legal order at either venue.

        The residual that the plan itself meant to leave is dust as well, even where a venue would take it as an order.
        """
        if imbalance == 0:
            return True
        price = pair.mid_price(self.state.books)
        if abs(imbalance) * price > self.state.limits.dust_max_quote:
            return False
        if pair.kind is PairKind.ARB and ZERO < imbalance <= pair.plan.residual:
            return True
        return not self._legal_anywhere(pair, pair.venues, imbalance, price)

    def _legal_anywhere(self, pair: PairTrade, venues: Iterable[str], imbalance: Decimal, price: Decimal) -> bool:
        side = Side.SELL if imbalance > 0 else Side.BUY
        listed = (self.state.instrument(venue, pair.plan.symbol) for venue in venues)  # None: the venue is absent
        return any(repair_size(side, abs(imbalance), price, known) for known in listed if known is not None)

    def _repair(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> None:
        state, base = self.state, Symbol.of(pair.plan.symbol).base
        if pair.state is PairState.OPENING:
            pair.move(Trigger.UNHEDGED, now_ns)
            state.out.persist(pair.record(base))
        # Dust is judged by the pair's own two venues; a repair may go to any venue that lists the symbol.
        venues_listing, price = state.venues_of(pair.plan.symbol), pair.mid_price(state.books)
        if not self._legal_anywhere(pair, venues_listing, imbalance, price) or self._policy(pair) is OnSingleLeg.HOLD:
            if pair.kind is PairKind.ARB and not pair.involved.isdisjoint(state.absent):
                self._check_deadline(pair, now_ns)  # that venue may take it once it answers, or change what is uneven
            else:
                self._carry(pair, imbalance, now_ns)
            return
        if pair.kind is PairKind.DUST and (pair.repairs() or now_ns > deadline_ns(state, pair)):
            # One order for dust: what it did not trade is kept as dust again.
            self.closer.close(pair, Trigger.FLAT_COMPLETED, now_ns)
            return
        self._check_deadline(pair, now_ns)
        pause_ns = pause_ms(pair) * NS_PER_MS
        may_leave_ns = ready_ns(state, pair, now_ns)
        if now_ns < may_leave_ns:
            self._set_timer(pair, may_leave_ns, now_ns)
            return
        pair.waiting_since_ns = 0 if self._books_current else pair.waiting_since_ns or now_ns
        venues = self._tradable(pair, imbalance, now_ns) if self._books_current else []
        order = self._choose(pair, imbalance, venues, now_ns)
        # The exit at the cap price needs no book: it leaves at `QueueDrained`, or after `HALTED_RETRY_MS` without one.
        if (
            order is None
            and pair.state is PairState.HALTED
            and not only_elsewhere(pair, now_ns)
            and now_ns - pair.waiting_since_ns >= HALTED_RETRY_MS * NS_PER_MS
        ):
            order = self._at_cap(pair, imbalance, now_ns)
        if order is not None:
            self._record_alternatives(pair, imbalance, order, venues, now_ns)
            symbol = pair.plan.symbol
            state.budget.take(order.venue, symbol, now_ns)
            state.inventory.reserve_at_least(
                pair.id, order.venue, *held_by(order, state.instruments[order.venue, symbol])
            )
            wanted = Wanted(order.venue, order.role, order.side, order.price, order.size)
            self.manager.send(pair, [wanted], now_ns)
        self._set_timer(pair, now_ns + pause_ns, now_ns)

    def _set_timer(self, pair: PairTrade, at_ns: int, now_ns: int) -> None:
        """Try again at `at_ns`, or just after the next deadline, if that comes before."""
        over_ns = self._next_deadline_ns(pair)
        if over_ns is not None and over_ns > now_ns:
            at_ns = min(at_ns, over_ns + 1)
        self._wake(pair, at_ns, now_ns)

    def _wake(self, pair: PairTrade, at_ns: int, now_ns: int) -> None:
        """Ask to be woken at `at_ns`, unless the pair is woken before that in any case: every frame comes to here."""
        if not now_ns < pair.wake_ns <= at_ns:
            pair.wake_ns = at_ns
            self.state.out.timer(PairTimer(pair.id), at_ns)

    def _next_deadline_ns(self, pair: PairTrade) -> int | None:
        """Return when a pair that stays unhedged will stop opening, or halt it everywhere; None when it will not any more."""
        if pair.unhedged_since_ns is None:
            return None
        if pair.state is not PairState.HALTED:
            return deadline_ns(self.state, pair)
        return deadline_ns(self.state, pair, times=2) if self.closer.late_legs.may_halt(pair) else None

    def _check_deadline(self, pair: PairTrade, now_ns: int) -> None:
        """Stop opening at the deadline, though an order be unsettled: the leg stays unhedged, and new pairs would add to it."""
        due_ns = self._next_deadline_ns(pair)
        if due_ns is None or pair.kind is not PairKind.ARB:
            return
        if now_ns <= due_ns:
            if not pair.settled:
                self._wake(pair, due_ns + 1, now_ns)
            return
        base = Symbol.of(pair.plan.symbol).base
        late_ms = (now_ns - (pair.unhedged_since_ns or now_ns)) // NS_PER_MS
        text = f"pair {pair.id}: {pair.imbalance(base)} {base} unhedged for {late_ms} ms"
        if pair.state is PairState.HALTED:
            self.closer.late_legs.halt(pair, text, now_ns)
            return
        pair.move(Trigger.OUT_OF_TIME, now_ns)
        self.state.out.persist(pair.record(base))
        self.closer.late_legs.stop(pair, text, now_ns)
        self._check_deadline(pair, now_ns)

    def _carry(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> None:
        base = Symbol.of(pair.plan.symbol).base
        text = f"pair {pair.id}: {imbalance} {base} is carried unhedged: no legal order at any venue, or the policy is to hold"
        self.state.incident(IncidentKind.CARRIED, text, now_ns, pair_id=pair.id)
        self.closer.close(pair, Trigger.CARRY, now_ns)

    def _reference_price(self, pair: PairTrade, side: Side) -> Decimal:
        """Return the average price of the leg that filled more; the cap price is drawn from it."""
        opposite = [order for order in pair.orders.values() if order.side is side.opposite and order.filled > 0]
        filled = sum((order.filled for order in opposite), ZERO)
        if not filled:
            return pair.mid_price(self.state.books)
        return sum((order.notional for order in opposite), ZERO) / filled

    def _cap_price(self, pair: PairTrade, side: Side) -> Decimal:
        """Return the worst price a repair may trade at; for dust, twice the slippage allowed away from the mid price."""
        if pair.kind is PairKind.DUST:
            return loss_cap(side, pair.mid_price(self.state.books), self.state.limits.max_slippage_bps * 2)
        return loss_cap(side, self._reference_price(pair, side), self.state.policy.leg_loss_max_bps)

    def _tradable(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> list[RepairVenue]:
        side = Side.SELL if imbalance > 0 else Side.BUY
        return [
            self._repair_venue(pair, venue, side)
            for venue in self.state.venues_of(pair.plan.symbol)
            if self._barred(pair, venue, now_ns) is None
        ]

    def _choose(
        self, pair: PairTrade, imbalance: Decimal, venues: list[RepairVenue], now_ns: int
    ) -> RepairOrder | None:
        side = Side.SELL if imbalance > 0 else Side.BUY
        policy, slack = self._policy(pair), self.state.limits.max_slippage_bps * (len(pair.repairs()) + 1)
        cap = self._cap_price(pair, side)
        if pair.state is PairState.HALTED and self.state.policy.emergency_market:
            cap = _deepest(side, cap, venues)
        for candidates in self._by_preference(pair, venues, now_ns):
            order = choose_repair(side, abs(imbalance), cap, slack, candidates, policy)
            if order is not None:
                return order
        return None

    def _record_alternatives(
        self, pair: PairTrade, imbalance: Decimal, order: RepairOrder, venues: Sequence[RepairVenue], now_ns: int
    ) -> None:
        """Keep what else could have been done, for whoever asks later; it is worked out after the order has left."""
        if pair.kind is not PairKind.ARB or len(pair.repairs()) >= REPAIRS_EXPLAINED:
            return
        side = Side.SELL if imbalance > 0 else Side.BUY
        names = self.state.venues_of(pair.plan.symbol)
        barred = {name: why for name in names if (why := self._barred(pair, name, now_ns)) is not None}
        self.state.alternatives.repaired(
            RepairDecision(
                pair_id=pair.id,
                ns=now_ns,
                side=side,
                need=abs(imbalance),
                reference=self._reference_price(pair, side),
                cap=self._cap_price(pair, side),
                slack_bps=self.state.limits.max_slippage_bps * (len(pair.repairs()) + 1),
                policy=self._policy(pair),
                taken=order,
                venues=venues,
                barred=barred,
                ways={name: self._way(pair, name, side) for name in names},
            )
        )

    def _way(self, pair: PairTrade, venue: str, side: Side) -> AlternativeWay:
        if self._role(pair, venue, side) is Role.UNWIND:
            return AlternativeWay.UNWIND
        return AlternativeWay.COMPLETE if venue in pair.venues else AlternativeWay.THIRD_VENUE

    def _by_preference(self, pair: PairTrade, venues: list[RepairVenue], now_ns: int) -> list[list[RepairVenue]]:
        """Return the sets of venues to choose among, in turn until one has an order.

        First the venues that answer and that repairs reach, then all that answer. Once half of `leg_deadline_ms` is gone, also
        those that do not answer (`VenueHealth.silent`) but are not in quarantine, then all; until then a good venue is worth
        waiting for, whose book is often unusable for a moment after our own fill in it. For `reached` see `passed_over`.
        """
        health = self.state.health.venues
        allowed = [venue for venue in venues if not health[venue.instrument.venue].quarantined]
        answering = [venue for venue in allowed if not health[venue.instrument.venue].silent(now_ns)]
        reached = [venue for venue in answering if not passed_over(pair, venue.instrument.venue, now_ns)]
        if only_elsewhere(pair, now_ns):
            return [reached]
        pressing = half_time_over(self.state, pair, now_ns)
        return [reached, answering, allowed, venues] if pressing else [reached, answering]

    def _repair_venue(self, pair: PairTrade, venue: str, side: Side) -> RepairVenue:
        levels = self.state.books.levels(venue, pair.plan.symbol, side)
        ends = [self._cap_price(pair, side), *(price for price, _ in levels[:1])]
        if self.state.policy.emergency_market:
            ends += [price for price, _ in levels[-1:]]
        instrument = self._rules(venue, pair.plan.symbol, max(ends))
        return RepairVenue(
            instrument=instrument,
            levels=levels,
            free=self.state.inventory.spendable(
                pair.id, venue, instrument.base if side is Side.SELL else instrument.quote
            ),
            role=self._role(pair, venue, side),
        )

    def _rules(self, venue: str, symbol: str, price: Decimal) -> Instrument:
        """Return a venue's rules, its greatest size cut to the order value that the guard lets leave at `price`.

        A larger imbalance is repaired in several orders.
        """
        instrument, most = self.state.instruments[venue, symbol], self.state.venues[venue].profile.max_order_value_quote
        if most is None or price <= 0:
            return instrument
        size = floor_to_step(most / price, instrument.lot)
        if instrument.max_size is not None:
            size = min(size, instrument.max_size)
        return msgspec.structs.replace(instrument, max_size=size)

    def _policy(self, pair: PairTrade) -> OnSingleLeg:
        # A flatten also trades what the policy would hold, wherever that costs least.
        flatten = self.state.control.flattening or pair.kind is PairKind.FLATTEN
        return OnSingleLeg.CHEAPEST if flatten else self.state.policy.on_single_leg

    def _barred(self, pair: PairTrade, venue: str, now_ns: int) -> Reason | None:
        """Return why a repair may not trade at a venue now, or None."""
        state, symbol = self.state, pair.plan.symbol
        if state.venues[venue].paused_until_ns > now_ns:
            return Reason.VENUE_HALTED
        if venue in venues_without_snapshot(state, pair, now_ns):
            return Reason.VENUE_HALTED
        if state.is_barred(venue, symbol):
            return Reason.INSTRUMENT_HALTED
        if not state.identities.repairs(symbol, venue, pair.venues):
            return Reason.IDENTITY_UNVERIFIED
        unusable = state.books.unusable(venue, symbol, now_ns)
        if unusable is not None:
            return unusable
        if state.books.awaited(venue, symbol):
            return Reason.FEED_BACKLOG
        if state.books.impacted(venue, symbol):
            return Reason.OWN_IMPACT
        return None if self.manager.busy.get((venue, symbol), pair.id) == pair.id else Reason.PAIR_IN_FLIGHT

    def _role(self, pair: PairTrade, venue: str, side: Side) -> Role:
        """Return what a repair is called: a sale at the buy venue or a purchase at the sell venue unwinds, all else hedges."""
        if pair.kind is not PairKind.ARB:
            return Role.DUST if pair.kind is PairKind.DUST else Role.UNWIND
        larger_leg_venue = pair.plan.buy_venue if side is Side.SELL else pair.plan.sell_venue
        return Role.UNWIND if venue == larger_leg_venue else Role.HEDGE

    def _at_cap(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> RepairOrder | None:
        """Return an order at the cap price, for a halted pair that has no better one: no worse price can come of it."""
        side = Side.SELL if imbalance > 0 else Side.BUY
        ways = {OnSingleLeg.COMPLETE: (Role.HEDGE,), OnSingleLeg.UNWIND: (Role.UNWIND,)}.get(self._policy(pair))
        state, symbol = self.state, pair.plan.symbol
        listing = [
            v
            for v in state.venues_of(symbol)
            if not state.is_barred(v, symbol) and state.identities.repairs(symbol, v, pair.venues)
        ]
        own = [v for v in reversed(pair.venues) if v in listing]
        # Where neither venue of the pair takes the symbol any more, any other is better than none.
        venues = [v for v in own or listing if ways is None or self._role(pair, v, side) in (*ways, Role.DUST)]
        if side is Side.BUY:
            venues.reverse()  # first the venue where the missing leg was meant to trade
        states, health = state.venues, state.health.venues
        venues.sort(
            key=lambda v: (health[v].quarantined, states[v].paused_until_ns > now_ns, passed_over(pair, v, now_ns))
        )
        orders = (self._order_at_cap(pair, venue, side, abs(imbalance)) for venue in venues)
        return next((order for order in orders if order is not None), None)

    def _order_at_cap(self, pair: PairTrade, venue: str, side: Side, need: Decimal) -> RepairOrder | None:
        instrument, cap = self.state.instrument(venue, pair.plan.symbol), self._cap_price(pair, side)
        if instrument is None:
            return None
        price = ceil_to_step(cap, instrument.tick) if side is Side.SELL else floor_to_step(cap, instrument.tick)
        rules = self._rules(venue, pair.plan.symbol, price)
        size = repair_size(side, need, price, rules) if price > 0 else ZERO
        if not size:
            return None
        return RepairOrder(venue, self._role(pair, venue, side), side, price, size, size * price)


def _deepest(side: Side, cap: Decimal, venues: Iterable[RepairVenue]) -> Decimal:
    """Return the cap widened to the last level of the usable books, where `emergency_market` allows an exit at any price."""
    ends = [venue.levels[-1][0] for venue in venues if venue.levels]
    return min([cap, *ends]) if side is Side.SELL else max([cap, *ends])
