"""What follows when an order of a pair may have changed: wait, repair, or close.

Nothing is decided while an order of the pair is unsettled. Then the imbalance alone decides: within dust the pair ends;
otherwise the cheapest legal order at a usable book is sent, again and again until flat. `leg_deadline_ms` counts from the
moment the pair is known to be uneven; after it trading halts and the exit goes on being quoted at the cap price.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from arb.clock import NS_PER_MS
from arb.core.accounts.restart import repairs_from_ns, unseen
from arb.core.events import NOT_JOURNALLED
from arb.core.incidents import HaltReason, IncidentKind
from arb.core.opportunities.alternatives import REPAIRS_EXPLAINED, RepairDecision
from arb.core.orders.manager import OrderManager
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
from arb.core.reasons import Reason
from arb.core.records import AlternativeWay, PairKind, PairState
from arb.core.settings import OnSingleLeg
from arb.core.state import EngineState
from arb.core.timers import PairTimer
from arb.market.instrument import Instrument, ceil_to_step, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Outcome, Role, Side
from arb.market.symbol import Symbol

RETRY_MS = 50
HALTED_RETRY_MS = 500
# A repair that the journal would not take is written down all the same once it does: tries are few while it refuses.
NOT_JOURNALLED_RETRY_MS = 500
# A halted exit that is refused again and again is quoted ever more rarely, so that a venue that is down for a day is not
# flooded: twice as long after every so many, up to half a minute. So is a flatten, after its first so many.
PATIENCE_AFTER = 16
PATIENCE_STEPS = 6
# A venue where this many repairs of a pair in a row did not even leave comes after the others.
UNSENT_BEFORE_OTHERS = 2
UNREACHED_MS = 2000


class LegRepairer:
    """Brings pairs back to flat and ends them."""

    def __init__(self, state: EngineState, manager: OrderManager, closer: Closer) -> None:
        self.state = state
        self.manager = manager
        self.closer = closer
        self._drained = False

    def progress(self, pair: PairTrade, now_ns: int) -> None:
        """Do what the pair's state asks for now."""
        base = Symbol.of(pair.plan.symbol).base
        if pair.closed:
            if pair.imbalance(base) == pair.booked_residual:
                return  # news of what was counted already
            self.closer.reopen(pair, now_ns)
            pair.move(Trigger.LATE_FILL, now_ns)
            self.manager.add(pair)
            text = f"pair {pair.id}: a fill arrived after the pair had ended"
            self.state.incident(IncidentKind.LATE_FILL, text, now_ns, pair_id=pair.id)
            self.state.out.persist(pair.record(base))
        if not pair.settled:
            self._mind_deadline(pair, now_ns)
            return
        imbalance = pair.imbalance(base)
        if self._is_flat(pair, imbalance):
            self.closer.close(pair, self._flat_trigger(pair), now_ns)
        else:
            self._repair(pair, imbalance, now_ns)

    def retry(self, now_ns: int) -> None:
        """Send what open pairs need: nothing unread waits on any socket, so the books are as new as they can be."""
        self._drained = True
        for pair in list(self.manager.open.values()):
            if pair.state in (PairState.REPAIRING, PairState.HALTED) and pair.settled:
                self.progress(pair, now_ns)
        self._drained = False

    def on_timer(self, timer: PairTimer, now_ns: int) -> None:
        """Try again for one pair."""
        pair = self.manager.open.get(timer.pair_id)
        if pair is not None:
            self.progress(pair, now_ns)

    def _flat_trigger(self, pair: PairTrade) -> Trigger:
        unwound = any(order.role is Role.UNWIND and order.filled > 0 for order in pair.orders.values())
        if pair.kind is PairKind.ARB and (unwound or not pair.matched()):
            return Trigger.FLAT_UNWOUND
        return Trigger.FLAT_DONE

    def _is_flat(self, pair: PairTrade, imbalance: Decimal) -> bool:
        """Return whether what is left is dust: worth at most `dust_max_quote`, and no legal order at either venue.

        What a plan meant to leave over is dust by the plan's own limit, even where a venue would take it as an order.
        """
        if imbalance == 0:
            return True
        price = self._price(pair)
        if abs(imbalance) * price > self.state.limits.dust_max_quote:
            return False
        if pair.kind is PairKind.ARB and ZERO < imbalance <= pair.plan.residual:
            return True
        return not self._legal_anywhere(pair, pair.venues, imbalance, price)

    def _legal_anywhere(self, pair: PairTrade, venues: Iterable[str], imbalance: Decimal, price: Decimal) -> bool:
        side = Side.SELL if imbalance > 0 else Side.BUY
        instruments = (self.state.instruments[venue, pair.plan.symbol] for venue in venues)
        return any(repair_size(side, abs(imbalance), price, instrument) for instrument in instruments)

    def _price(self, pair: PairTrade) -> Decimal:
        mids = [mid for venue in pair.venues if (mid := self.state.books.mid(venue, pair.plan.symbol))]
        return sum(mids, ZERO) / len(mids) if mids else pair.planned_price

    def _repair(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> None:
        state, base = self.state, Symbol.of(pair.plan.symbol).base
        if pair.uneven_ns is None:
            pair.uneven_ns = now_ns
        if pair.state is PairState.OPENING:
            pair.move(Trigger.UNEVEN, now_ns)
            state.out.persist(pair.record(base))
        # Dust is what the venues that hold it would not take; a leg may also be completed at a third venue.
        hopeless = not self._legal_anywhere(pair, state.venues_of(pair.plan.symbol), imbalance, self._price(pair))
        if hopeless or self._policy(pair) is OnSingleLeg.HOLD:
            self._carry(pair, imbalance, now_ns)
            return
        late = now_ns > self._due_ns(pair.uneven_ns)
        if pair.kind is PairKind.DUST and (late or pair.repairs()):
            # One try for dust: what is left goes back to the pool.
            self.closer.close(pair, Trigger.FLAT_DONE, now_ns)
            return
        if late and pair.state is PairState.REPAIRING and pair.kind is PairKind.ARB:
            self._out_of_time(pair, imbalance, now_ns)
        wait_ns = _pause_ms(pair) * NS_PER_MS
        ready_ns = max(self._ready_ns(pair, wait_ns), repairs_from_ns(state, pair, now_ns))
        if now_ns < ready_ns:
            # Whatever refused the last one still does: asking again at once would only spend rate budget and attempts. Or an
            # account is still to be looked through, in which a repair may be that this one would double.
            self._wake(pair, ready_ns, now_ns)
            return
        pair.waits_ns = 0 if self._drained else pair.waits_ns or now_ns
        venues = self._tradable(pair, imbalance, now_ns) if self._drained else []
        order = self._choose(pair, imbalance, venues, now_ns)
        # The exit at the cap needs no book: it does not wait for ever for sockets that never fall silent.
        if order is None and pair.state is PairState.HALTED and now_ns - pair.waits_ns >= HALTED_RETRY_MS * NS_PER_MS:
            order = self._at_cap(pair, imbalance, now_ns)
        if order is not None:
            self._note(pair, imbalance, order, venues, now_ns)
            symbol = pair.plan.symbol
            state.budget.take(order.venue, symbol, now_ns)
            state.inventory.reserve_at_least(
                pair.id, order.venue, *held_by(order, state.instruments[order.venue, symbol])
            )
            self.manager.send(pair, [(order.venue, order.role, order.side, order.price, order.size)], now_ns)
        self._wake(pair, now_ns + wait_ns, now_ns)

    def _wake(self, pair: PairTrade, at_ns: int, now_ns: int) -> None:
        """Look at a pair again at `at_ns`, or when its time is over, if that comes before."""
        over_ns = self._due_ns(pair.uneven_ns or now_ns) + 1
        if pair.state is PairState.REPAIRING and over_ns > now_ns:
            at_ns = min(at_ns, over_ns)
        self.state.out.timer(PairTimer(pair.id), at_ns)

    def _ready_ns(self, pair: PairTrade, wait_ns: int) -> int:
        """Return when the next repair may be tried: at once where the journal refused the last and takes rows again."""
        if _not_journalled(pair) and "journal" not in self.state.store_blocked:
            return 0
        return _last_fruitless_ns(pair) + wait_ns

    def _due_ns(self, uneven_ns: int) -> int:
        return uneven_ns + self.state.timing.leg_deadline_ms * NS_PER_MS

    def _mind_deadline(self, pair: PairTrade, now_ns: int) -> None:
        """Halt in time though a repair is still unanswered: its silence mends nothing, and more pairs would add to it."""
        if pair.state is not PairState.REPAIRING or pair.kind is not PairKind.ARB or pair.uneven_ns is None:
            return
        due_ns = self._due_ns(pair.uneven_ns)
        imbalance = pair.imbalance(Symbol.of(pair.plan.symbol).base)
        if now_ns <= due_ns:
            self.state.out.timer(PairTimer(pair.id), due_ns + 1)
        elif not self._is_flat(pair, imbalance):
            self._out_of_time(pair, imbalance, now_ns)

    def _carry(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> None:
        base = Symbol.of(pair.plan.symbol).base
        text = f"pair {pair.id}: {imbalance} {base} is carried: no legal order would mend it, or the policy is to hold"
        self.state.incident(IncidentKind.CARRIED, text, now_ns, pair_id=pair.id)
        self.closer.close(pair, Trigger.STUCK, now_ns)

    def _out_of_time(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> None:
        base = Symbol.of(pair.plan.symbol).base
        pair.move(Trigger.OUT_OF_TIME, now_ns)
        self.state.out.persist(pair.record(base))
        text = f"pair {pair.id}: {imbalance} {base} unhedged for longer than {self.state.timing.leg_deadline_ms} ms"
        self.state.halt(HaltReason.LEG_DEADLINE, text, now_ns, pair.id)

    def _reference(self, pair: PairTrade, side: Side) -> Decimal:
        """Return the average price of the leg in excess, from which the loss cap is drawn."""
        excess = [order for order in pair.orders.values() if order.side is side.opposite and order.filled > 0]
        filled = sum((order.filled for order in excess), ZERO)
        if not filled:
            return self._price(pair)
        return sum((order.notional for order in excess), ZERO) / filled

    def _cap(self, pair: PairTrade, side: Side) -> Decimal:
        if pair.kind is PairKind.DUST:
            return loss_cap(side, self._price(pair), self.state.limits.max_slippage_bps * 2)
        return loss_cap(side, self._reference(pair, side), self.state.policy.leg_loss_max_bps)

    def _tradable(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> list[RepairVenue]:
        side = Side.SELL if imbalance > 0 else Side.BUY
        return [
            self._repair_venue(pair, venue, side)
            for venue in self.state.venues_of(pair.plan.symbol)
            if self._may_trade(pair, venue, now_ns)
        ]

    def _choose(
        self, pair: PairTrade, imbalance: Decimal, venues: list[RepairVenue], now_ns: int
    ) -> RepairOrder | None:
        side = Side.SELL if imbalance > 0 else Side.BUY
        policy, slack = self._policy(pair), self.state.limits.max_slippage_bps * (len(pair.repairs()) + 1)
        cap = self._cap(pair, side)
        if pair.state is PairState.HALTED and self.state.policy.emergency_market:
            cap = _deepest(side, cap, venues)
        for choice in self._by_health(pair, venues, now_ns):
            order = choose_repair(side, abs(imbalance), cap, slack, choice, policy)
            if order is not None:
                return order
        return None

    def _note(
        self, pair: PairTrade, imbalance: Decimal, order: RepairOrder, venues: Sequence[RepairVenue], now_ns: int
    ) -> None:
        """Keep what else could have been done, for who asks later; nothing is worked out now."""
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
                reference=self._reference(pair, side),
                cap=self._cap(pair, side),
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

    def _by_health(self, pair: PairTrade, venues: list[RepairVenue], now_ns: int) -> list[list[RepairVenue]]:
        """Return the venues to choose among: those that answer; with half the time gone those not in quarantine, then all.

        Half the time, because a good venue's book is often unusable for a moment, after our own fill in it. A venue that
        repairs do not even reach (its connections are refused, its rate budget is gone) is no choice while another is.
        """
        health = self.state.health.venues
        allowed = [venue for venue in venues if not health[venue.instrument.venue].quarantined]
        answering = [venue for venue in allowed if not health[venue.instrument.venue].silent(now_ns)]
        reached = [venue for venue in answering if not _unreached(pair, venue.instrument.venue, now_ns)]
        half_ns = self.state.timing.leg_deadline_ms * NS_PER_MS // 2
        pressing = pair.uneven_ns is not None and now_ns - pair.uneven_ns >= half_ns
        return [reached, answering, allowed, venues] if pressing else [reached, answering]

    def _repair_venue(self, pair: PairTrade, venue: str, side: Side) -> RepairVenue:
        levels = self.state.books.levels(venue, pair.plan.symbol, side)
        ends = [self._cap(pair, side), *(price for price, _ in levels[:1])]
        if self.state.policy.emergency_market:
            ends += [price for price, _ in levels[-1:]]
        instrument = self._rules(venue, pair.plan.symbol, max(ends))
        return RepairVenue(
            instrument=instrument,
            levels=levels,
            free=self._free(pair, venue, instrument.base if side is Side.SELL else instrument.quote),
            role=self._role(pair, venue, side),
        )

    def _rules(self, venue: str, symbol: str, price: Decimal) -> Instrument:
        """Return a venue's rules, with no order larger than the guard lets leave at `price`: what is more goes in pieces."""
        instrument, most = self.state.instruments[venue, symbol], self.state.venues[venue].profile.max_order_value_quote
        if most is None or price <= 0:
            return instrument
        size = floor_to_step(most / price, instrument.lot)
        if instrument.max_size is not None:
            size = min(size, instrument.max_size)
        return msgspec.structs.replace(instrument, max_size=size)

    def _policy(self, pair: PairTrade) -> OnSingleLeg:
        # Who asks for a flatten wants what is held, too, brought back, wherever that costs least.
        flatten = self.state.control.flattening or pair.kind is PairKind.FLATTEN
        return OnSingleLeg.CHEAPEST if flatten else self.state.policy.on_single_leg

    def _may_trade(self, pair: PairTrade, venue: str, now_ns: int) -> bool:
        return self._barred(pair, venue, now_ns) is None

    def _barred(self, pair: PairTrade, venue: str, now_ns: int) -> Reason | None:
        """Return why a repair may not trade at a venue now, or None."""
        state, symbol = self.state, pair.plan.symbol
        if state.venues[venue].paused_until_ns > now_ns:
            return Reason.VENUE_HALTED
        if venue in unseen(state, pair, now_ns):
            return Reason.VENUE_HALTED
        unusable = state.books.unusable(venue, symbol, now_ns)
        if unusable is not None:
            return unusable
        if state.books.impacted(venue, symbol):
            return Reason.OWN_IMPACT
        return None if self.manager.busy.get((venue, symbol), pair.id) == pair.id else Reason.PAIR_IN_FLIGHT

    def _free(self, pair: PairTrade, venue: str, asset: str) -> Decimal:
        # The pair's own reservation is there to be used by its repairs.
        own = self.state.inventory.reserved_by(pair.id, venue, asset)
        return self.state.inventory.free(venue, asset) + own

    def _role(self, pair: PairTrade, venue: str, side: Side) -> Role:
        if pair.kind is not PairKind.ARB:
            return Role.DUST if pair.kind is PairKind.DUST else Role.UNWIND
        excess_venue = pair.plan.buy_venue if side is Side.SELL else pair.plan.sell_venue
        return Role.UNWIND if venue == excess_venue else Role.HEDGE

    def _at_cap(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> RepairOrder | None:
        """Return the exit at the cap price, for a halted pair with no usable book: the price is safe by itself."""
        side = Side.SELL if imbalance > 0 else Side.BUY
        ways = {OnSingleLeg.COMPLETE: (Role.HEDGE,), OnSingleLeg.UNWIND: (Role.UNWIND,)}.get(self._policy(pair))
        venues = [v for v in reversed(pair.venues) if ways is None or self._role(pair, v, side) in (*ways, Role.DUST)]
        if side is Side.BUY:
            venues.reverse()  # completing first: the short leg's own venue
        states, health = self.state.venues, self.state.health.venues
        venues.sort(
            key=lambda v: (health[v].quarantined, states[v].paused_until_ns > now_ns, _unreached(pair, v, now_ns))
        )
        orders = (self._order_at_cap(pair, venue, side, abs(imbalance)) for venue in venues)
        return next((order for order in orders if order is not None), None)

    def _order_at_cap(self, pair: PairTrade, venue: str, side: Side, need: Decimal) -> RepairOrder | None:
        instrument, cap = self.state.instruments[venue, pair.plan.symbol], self._cap(pair, side)
        price = ceil_to_step(cap, instrument.tick) if side is Side.SELL else floor_to_step(cap, instrument.tick)
        rules = self._rules(venue, pair.plan.symbol, price)
        size = repair_size(side, need, price, rules) if price > 0 else ZERO
        if not size:
            return None
        return RepairOrder(venue, self._role(pair, venue, side), side, price, size, size * price)


def _deepest(side: Side, cap: Decimal, venues: Iterable[RepairVenue]) -> Decimal:
    """Return the cap widened to all that the usable books show, for those who allow an exit at any price."""
    ends = [venue.levels[-1][0] for venue in venues if venue.levels]
    return min([cap, *ends]) if side is Side.SELL else max([cap, *ends])


def _fruitless(pair: PairTrade) -> int:
    """Return how many repairs in a row, up to the last, brought nothing."""
    repairs = pair.repairs()
    return next((count for count, order in enumerate(reversed(repairs)) if order.filled), len(repairs))


def _last_fruitless_ns(pair: PairTrade) -> int:
    """Return when the last repair ended if it brought nothing, else 0."""
    return (pair.repairs()[-1].done_ns or 0) if _fruitless(pair) else 0


def _not_journalled(pair: PairTrade) -> bool:
    """Return whether the last repair did not leave because the journal could not take it."""
    repairs = pair.repairs()
    return bool(repairs) and repairs[-1].reject_code == NOT_JOURNALLED


def _unreached(pair: PairTrade, venue: str, now_ns: int) -> bool:
    """Return whether the pair's last repairs at a venue, of late, did not leave, for another reason than our own journal."""
    since_ns = now_ns - UNREACHED_MS * NS_PER_MS
    last = [order for order in pair.repairs() if order.venue == venue and (order.done_ns or now_ns) >= since_ns]
    last = last[-UNSENT_BEFORE_OTHERS:]
    return len(last) == UNSENT_BEFORE_OTHERS and all(
        order.outcome is Outcome.REJECTED and order.sent_ns is None and order.reject_code != NOT_JOURNALLED
        for order in last
    )


def _pause_ms(pair: PairTrade) -> int:
    """Return how long to wait before the next try."""
    steps = min(_fruitless(pair) // PATIENCE_AFTER, PATIENCE_STEPS)
    if pair.state is PairState.HALTED or (pair.kind is PairKind.FLATTEN and steps):
        return HALTED_RETRY_MS << steps
    return NOT_JOURNALLED_RETRY_MS if _not_journalled(pair) else RETRY_MS
