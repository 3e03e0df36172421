"""The next step of a pair whenever one of its orders may have changed: wait, close, or repair.

The pair waits while an order of it is unsettled. Where that order is at a venue that has not answered since the start, the
certain imbalance is repaired elsewhere. Then the imbalance decides: within dust the pair closes; otherwise the best legal
order at a venue with a usable book is sent (`repair_choice`), until flat.

Repairs are decided at `QueueDrained`, when the sockets of the pair's own books hold nothing unread, so their prices are as
fresh as possible. Bytes that stay unread for 50 ms without a break no longer delay a repair. Pacing may still delay a repair.
`leg_deadline_ms` counts from the first uneven fill, also while an order is unsettled or unknown. After it the pair is
`halted`: it stops new pairs (`core/risk/late_legs.py`). A halted pair without a better order sends one at the cap price, the
worst allowed, at every retry. Base of another pair or of residuals that offsets the imbalance is netted instead of traded
(`core/trades/netting.py`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from arb.clock import NS_PER_MS
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.legs import Leg
from arb.core.messages.records import PairKind, PairState
from arb.core.messages.settings import OnSingleLeg
from arb.core.messages.timers import PairTimer
from arb.core.state.engine_state import EngineState
from arb.core.trades.closing import Closer
from arb.core.trades.netting import offset, opposed_to
from arb.core.trades.opening import TradeManager
from arb.core.trades.repair_choice import held_by, repair_size
from arb.core.trades.repair_options import RepairOptions
from arb.core.trades.repair_timing import HALTED_RETRY_MS, deadline_ns, only_elsewhere, pause_ms, ready_ns
from arb.core.trades.trade import PairTrade, Trigger
from arb.market.instrument import Instrument
from arb.market.numbers import ZERO
from arb.market.order import Role, Side
from arb.market.symbol import Symbol

DUST_MISSES = 3
"""A venue may leave this many orders for base worth at most `dust_max_quote` unfilled."""


class LegRepairer:
    def __init__(self, state: EngineState, manager: TradeManager, closer: Closer) -> None:
        self.state = state
        self.manager = manager
        self.closer = closer
        self.options = RepairOptions(state, manager)
        # True during `QueueDrained`, the only event at which repairs leave.
        self._books_current = False

    def progress(self, pair: PairTrade, now_ns: int) -> None:
        """Wait, close or repair, as the pair's orders now ask for; called after every change of one."""
        base = Symbol.of(pair.plan.symbol).base
        if pair.closed:
            if pair.imbalance(base) == pair.booked_residual:
                return  # no new fill: the report was counted already
            self.closer.reopen(pair, now_ns)
            pair.move(Trigger.LATE_FILL, now_ns)
            self.manager.add(pair)
            text = f"pair {pair.id}: a fill arrived after the pair had ended"
            if pair.handed_size:
                text += f"; {pair.handed_size} {base} of its residual belong to other pairs by now"
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
        """Send repairs for open pairs that need one, except where a connection of the pair's own books has unread bytes."""
        self._books_current = True
        for pair in list(self.manager.open.values()):
            if any(self.state.books.awaited(venue, pair.plan.symbol) for venue in pair.venues):
                continue
            if pair.state in (PairState.REPAIRING, PairState.HALTED) and not self._awaits_answers(pair):
                self.progress(pair, now_ns)
        self._books_current = False

    def on_timer(self, timer: PairTimer, now_ns: int) -> None:
        pair = self.manager.open.get(timer.pair_id)
        if pair is not None:
            pair.wake_ns = 0
            self.progress(pair, now_ns)

    def _awaits_answers(self, pair: PairTrade) -> bool:
        """Return whether the pair must wait: an order of it is unsettled.

        An arb pair does not wait for venues that have not answered since the start, which may take any time. Meanwhile its
        certain imbalance is repaired elsewhere.
        """
        unsettled = [order for order in pair.orders.values() if not order.settled]
        venues = self.state.venues
        return bool(unsettled) and (
            pair.kind is not PairKind.ARB or any(venues[order.venue].absent is None for order in unsettled)
        )

    def _flat_trigger(self, pair: PairTrade) -> Trigger:
        """Return how a flat pair ends: unwound when an unwind of it traded, or when it was not both bought and sold."""
        unwound = any(order.role is Role.UNWIND and order.filled > 0 for order in pair.orders.values())
        if pair.kind is PairKind.ARB and (unwound or not pair.both_legs_traded()):
            return Trigger.FLAT_UNWOUND
        return Trigger.FLAT_COMPLETED

    def _is_flat(self, pair: PairTrade, imbalance: Decimal) -> bool:
        """Return whether the imbalance is zero or dust: worth at most `dust_max_quote`, and without an order for it.

        The plan meant to leave it, or each of the pair's two venues lacks one of these: a legal order, the funds for it, a
        policy that permits it, or fewer than `DUST_MISSES` orders that it left unfilled. A few cents must not make a pair late.
        """
        if imbalance == 0:
            return True
        price = pair.mid_price(self.state.books)
        if abs(imbalance) * price > self.state.limits_at(pair.plan.symbol, *pair.venues).dust_max_quote:
            return False
        if pair.kind is PairKind.ARB and ZERO < imbalance <= pair.plan.residual:
            return True
        side = Side.SELL if imbalance > 0 else Side.BUY
        missed = Counter(order.venue for order in pair.repairs() if order.settled and not order.filled)
        venues = [
            venue for venue in pair.venues if self.options.allows(pair, venue, side) and missed[venue] < DUST_MISSES
        ]
        return not any(self._is_funded(pair, order, price) for order in self._legal(pair, venues, imbalance, price))

    def _legal(
        self, pair: PairTrade, venues: Iterable[str], imbalance: Decimal, price: Decimal
    ) -> Iterator[tuple[Instrument, Side, Decimal]]:
        """Yield the orders that `venues` would take for an imbalance by their rules: where, its side and its size."""
        side = Side.SELL if imbalance > 0 else Side.BUY
        for venue in venues:
            known = self.state.instrument(venue, pair.plan.symbol)  # None: the venue is absent
            size = ZERO if known is None else repair_size(side, abs(imbalance), price, known)
            if known is not None and size:
                yield known, side, size

    def _is_funded(self, pair: PairTrade, order: tuple[Instrument, Side, Decimal], price: Decimal) -> bool:
        """Return whether free funds at a venue, with the pair's own reservations, cover an order at `price`."""
        known, side, size = order
        asset, needed = (known.base, size) if side is Side.SELL else (known.quote, size * price)
        return self.state.inventory.spendable(pair.id, known.venue, asset) >= needed

    def _repair(self, pair: PairTrade, imbalance: Decimal, now_ns: int) -> None:
        """Send the next repair of an imbalance above dust, or wait for its time; carry base that nothing repairs."""
        state, base = self.state, Symbol.of(pair.plan.symbol).base
        if pair.state is PairState.OPENING:
            pair.move(Trigger.UNHEDGED, now_ns)
            state.out.persist(pair.record(base))
        # The pair's own two venues decide what is dust; a repair may use any venue that lists the symbol.
        listing, price = state.venues_of(pair.plan.symbol), pair.mid_price(state.books)
        held = self.options.policy(pair) is OnSingleLeg.HOLD
        if held or not any(self._legal(pair, listing, imbalance, price)):
            if pair.kind is PairKind.ARB and not pair.involved.isdisjoint(state.absent):
                self._check_deadline(pair, now_ns)  # that venue may answer and take it, or change the imbalance
            else:
                self._carry(pair, imbalance, now_ns)
            return
        if pair.kind is PairKind.DUST and (pair.repairs() or now_ns > deadline_ns(pair)):
            # One order for dust, though the pair may not be flat: the base it did not trade is kept as dust again.
            self.closer.close(pair, Trigger.FLAT_COMPLETED, now_ns)
            return
        self._check_deadline(pair, now_ns)
        pause_ns = pause_ms(pair) * NS_PER_MS
        for other in opposed_to(pair, self.manager.open.values()):
            if self._awaits_answers(other):
                self._set_timer(pair, now_ns + pause_ns, now_ns)
                return
            if pair.settled and other.settled:
                self._offset(pair, other, now_ns)
                return
        if pair.settled and self.closer.offset_residuals(pair, now_ns):
            self.progress(pair, now_ns)
            return
        if pair.kind is not PairKind.ARB and self.manager.awaits_late_fill(pair.plan.symbol):
            # It may offset base that this pair trades away.
            self._set_timer(pair, now_ns + pause_ns, now_ns)
            return
        may_leave_ns = ready_ns(state, pair, now_ns)
        if now_ns < may_leave_ns:
            self._set_timer(pair, may_leave_ns, now_ns)
            return
        pair.waiting_since_ns = 0 if self._books_current else pair.waiting_since_ns or now_ns
        venues = self.options.usable_venues(pair, imbalance, now_ns) if self._books_current else []
        order = self.options.best(pair, imbalance, venues, now_ns)
        # The exit at the cap price needs no book: it leaves at `QueueDrained`, or after `HALTED_RETRY_MS` without one.
        if (
            order is None
            and pair.state is PairState.HALTED
            and not only_elsewhere(pair, now_ns)
            and now_ns - pair.waiting_since_ns >= HALTED_RETRY_MS * NS_PER_MS
        ):
            order = self.options.at_cap(pair, imbalance, now_ns)
        if order is not None:
            symbol = pair.plan.symbol
            state.budget.take(order.venue, symbol, now_ns)
            state.inventory.reserve_at_least(
                pair.id,
                order.venue,
                *held_by(order.side, order.size, order.price, state.instruments[order.venue, symbol]),
            )
            leg = Leg(order.venue, symbol, order.side, order.size, order.price, role=order.role)
            self.manager.send(pair, leg, now_ns)
        self._set_timer(pair, now_ns + pause_ns, now_ns)

    def _offset(self, pair: PairTrade, other: PairTrade, now_ns: int) -> None:
        offset(pair, other)
        base = Symbol.of(pair.plan.symbol).base
        self.state.out.persist(pair.record(base), other.record(base))
        self.progress(pair, now_ns)
        self.progress(other, now_ns)

    def _set_timer(self, pair: PairTrade, at_ns: int, now_ns: int) -> None:
        """Retry at `at_ns`, or just after the pair's next deadline, if that is earlier."""
        over_ns = self._next_deadline_ns(pair)
        if over_ns is not None and over_ns > now_ns:
            at_ns = min(at_ns, over_ns + 1)
        self._wake(pair, at_ns, now_ns)

    def _wake(self, pair: PairTrade, at_ns: int, now_ns: int) -> None:
        """Ask to be woken at `at_ns`, unless an earlier wake-up is due: this runs on every frame."""
        if not now_ns < pair.wake_ns <= at_ns:
            pair.wake_ns = at_ns
            self.state.out.timer(PairTimer(pair.id), at_ns)

    def _next_deadline_ns(self, pair: PairTrade) -> int | None:
        """Return the next deadline of an unhedged pair: its own halt, then the halt of all trading; None: no further one."""
        if pair.unhedged_since_ns is None:
            return None
        if pair.state is not PairState.HALTED:
            return deadline_ns(pair)
        return deadline_ns(pair, times=2) if self.closer.late_legs.may_halt(pair) else None

    def _check_deadline(self, pair: PairTrade, now_ns: int) -> None:
        """Halt a pair that is out of time, and all trading at twice the deadline; ask to be woken for either while it waits.

        An unsettled order does not postpone the halt: the leg stays unhedged, and new pairs would add to it.
        """
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
        """End a pair unhedged; its base counts as unhedged until a flatten trades it."""
        base = Symbol.of(pair.plan.symbol).base
        text = f"pair {pair.id}: {imbalance} {base} is carried unhedged: no legal order at any venue, or the policy is to hold"
        self.state.incident(IncidentKind.CARRIED, text, now_ns, pair_id=pair.id)
        self.closer.close(pair, Trigger.CARRY, now_ns)
