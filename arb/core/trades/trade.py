"""The pair trade: buy at one venue, sell at another, and repair until flat.

A pair begins `opening`. The intent of both entry orders (IOC) is written, both leave in one turn, and then their rows are
journalled. If one of them cannot leave (no rate budget, say), the other may be withheld; both then count as rejected. No
decision rests on single fills. The imbalance counts only when every order of the pair is settled (ended by the venue, and all
its fills received). It is the base received minus the base given, fees in base included. A later fill of a settled order
changes it, and the next repair trades that. An order whose answer is lost is unknown. It is settled only when it is found or
its absence is proved; no other order is sent in its place. One exception: orders at a venue that has not answered since the
start are not waited for. The imbalance that none of their outcomes can change (`PairTrade.certain_imbalance`) is repaired
elsewhere.

The pair is flat when the imbalance is zero or dust: worth at most `dust_max_quote`, and either no legal order at the pair's
two venues or base that the plan meant to leave (`LegRepairer._is_flat` has all cases). A flat pair ends: `completed` when base
was both bought and sold, by entries and hedges; `unwound` when it was not (nothing at all may have traded), or when an unwind
traded, however little.

Otherwise the pair is unhedged and `repairing`: hedges and unwinds are sent, one at a time, each settled before the next.
Exposure and the deadline count from the first uneven fill, also while orders are unknown. A pair still unhedged after
`leg_deadline_ms` is `halted`, even with an unsettled order. Then no other pair opens in its symbol or at its venues, and at
twice the deadline none anywhere (`core/risk/late_legs.py`). Its own repairs continue, and it may still end flat or carried.
A second late pair stops them at once. The pair ends `carried`, unhedged, when its imbalance is more than dust and no venue has
a legal order for it. Under the policy `hold` every uneven pair does.

A fill that arrives after the end reopens the pair, even if it is flat at once. The last result stays
booked until the pair closes again; then the difference is booked, on that day. Residual that
another pair took over belongs to that pair (`core/trades/netting.py`). A pair whose sandbox is gone by
the next start ends `abandoned`, for good; no other ever does (`core/accounts/restart.py`).

      opening --unhedged--> repairing
      opening, repairing --out of time--> halted
      opening, repairing, halted --flat--> completed | unwound
      repairing, halted --carry--> carried
      completed, unwound, carried --late fill--> repairing
      opening, repairing, halted --abandon--> abandoned

Every kind but `arb` starts `repairing`. No deadline halts it, and it ends `completed`, even if it traded nothing, or `carried`
as above. A pair of kind `dust` or `flatten` has no entries: its imbalance is residual base of earlier pairs. A dust pair ends
after one order, or at the deadline without one; its untraded base is dust again. A pair of kind `test`
(`core/strategies/drill.py`) is one order at one venue. Its base is traded back there; elsewhere only after half of the
deadline.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from arb.clock import NS_PER_S
from arb.core.books.books import Books
from arb.core.messages.legs import FlatNow, Trade
from arb.core.messages.records import PairKind, PairRecord, PairState, Waterfall
from arb.core.messages.recovery_records import OpenPair, PlanRecord
from arb.core.state.order import WorkingOrder
from arb.errors import InvariantError
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO, to_e8
from arb.market.order import Role, Side
from arb.market.symbol import Symbol


class Trigger(StrEnum):
    FLAT_COMPLETED = "flat_completed"
    FLAT_UNWOUND = "flat_unwound"
    UNHEDGED = "unhedged"
    CARRY = "carry"
    OUT_OF_TIME = "out_of_time"
    LATE_FILL = "late_fill"
    ABANDON = "abandon"


_S, _T = PairState, Trigger
TRANSITIONS: dict[tuple[PairState, Trigger], PairState] = {
    (_S.OPENING, _T.FLAT_COMPLETED): _S.COMPLETED,
    (_S.OPENING, _T.FLAT_UNWOUND): _S.UNWOUND,
    (_S.OPENING, _T.UNHEDGED): _S.REPAIRING,
    (_S.OPENING, _T.OUT_OF_TIME): _S.HALTED,
    (_S.OPENING, _T.ABANDON): _S.ABANDONED,
    (_S.REPAIRING, _T.FLAT_COMPLETED): _S.COMPLETED,
    (_S.REPAIRING, _T.FLAT_UNWOUND): _S.UNWOUND,
    (_S.REPAIRING, _T.CARRY): _S.CARRIED,
    (_S.REPAIRING, _T.OUT_OF_TIME): _S.HALTED,
    (_S.REPAIRING, _T.ABANDON): _S.ABANDONED,
    (_S.HALTED, _T.FLAT_COMPLETED): _S.COMPLETED,
    (_S.HALTED, _T.FLAT_UNWOUND): _S.UNWOUND,
    (_S.HALTED, _T.CARRY): _S.CARRIED,
    (_S.HALTED, _T.ABANDON): _S.ABANDONED,
    (_S.COMPLETED, _T.LATE_FILL): _S.REPAIRING,
    (_S.UNWOUND, _T.LATE_FILL): _S.REPAIRING,
    (_S.CARRIED, _T.LATE_FILL): _S.REPAIRING,
}

_HEDGES = frozenset({Role.HEDGE, Role.UNWIND})
CLOSED = frozenset({PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED, PairState.ABANDONED})


@dataclass(slots=True, eq=False, repr=False)
class PairTrade:
    # Tens of thousands are kept after their end: a dictionary in each would double their memory.
    kind: PairKind
    plan: PlanRecord
    # The pair's number in the client order ids of this process; a restored pair gets another, with the new nonce.
    number: int
    run_id: int
    opportunity_id: int | None
    decided_ns: int
    trade: Trade
    state: PairState = field(init=False)
    closed_ns: int | None = None
    # Since when the fills known do not offset each other, up to dust.
    unhedged_since_ns: int | None = None
    # When the repair began to wait for a `QueueDrained` with current books of its own; 0: it does not wait.
    waiting_since_ns: int = 0
    # When the timer that the pair waits for is due; one that fires too early sets the next.
    wake_ns: int = 0
    orders: dict[str, WorkingOrder] = field(default_factory=dict)
    # Residual base of earlier pairs that this one trades away, valued at `plan.mark`; zero for an arb pair.
    inherited: Decimal = field(init=False)
    # Base of these orders that other pairs took over (below zero: that this pair took from them), and its booked
    # quote.
    handed_size: Decimal = ZERO
    handed_value: Decimal = ZERO
    exposure_quote_s: Decimal = ZERO
    # Until when `exposure_quote_s` has been summed up.
    exposure_until_ns: int = field(init=False)
    residual_mark: Decimal | None = None
    mark_ns: int | None = None
    booked_residual: Decimal = ZERO
    # The quote that its closing returned to the day's turnover.
    unfilled: Decimal = ZERO
    waterfall: Waterfall | None = None
    # How often it had closed before, and the terms of the last such closing, which stay booked until it closes again.
    closed_before: int = 0
    booked: Waterfall | None = None
    # Whether its last closing counted for the ramp.
    was_clean: bool = False
    # Until when repairs of a recovered pair wait for account snapshots (`core/trades/repair_timing.py`).
    await_snapshots_until_ns: int = 0
    # Whether this run has counted the pair among those it opened and closed.
    counted: bool = True
    # The finding against its coins being the same at both venues at the decision; None: no finding, or not checked.
    identity: str | None = None
    history: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.state = PairState.OPENING if self.kind is PairKind.ARB else PairState.REPAIRING
        self.inherited = ZERO if self.kind is PairKind.ARB else self.plan.residual
        self.exposure_until_ns = self.decided_ns
        self.history = [f"{self.decided_ns} {self.state}"]

    @classmethod
    def restored(
        cls, rows: OpenPair, number: int, orders: Iterable[WorkingOrder], policy: FlatNow, now_ns: int
    ) -> "PairTrade":
        """Return a pair as its rows leave it. Its legs left before: they are among `orders`."""
        record, trade = rows.pair, Trade((), policy)
        pair = cls(record.kind, rows.plan, number, record.run_id, record.opportunity_id, record.decided_ns, trade)
        pair.exposure_until_ns = now_ns
        pair.state = record.state
        # While no process ran nothing could repair it: its deadline counts from now, if its fills are uneven.
        pair.unhedged_since_ns = now_ns
        pair.exposure_quote_s = record.exposure_quote_s
        pair.identity = record.identity
        pair.handed_size, pair.handed_value = record.handed_size, record.handed_value
        pair.residual_mark, pair.mark_ns = record.residual_mark, record.mark_ns
        pair.closed_before, pair.booked = record.closed_before, record.booked
        pair.was_clean = record.booked is not None  # not journalled: at worst the ramp loses a pair that never counted
        pair.orders = {order.client_order_id: order for order in orders}
        pair.history.append(f"restored as {record.state}")
        return pair

    def restore_result(self, record: PairRecord) -> None:
        self.closed_ns, self.waterfall = record.closed_ns, record.waterfall
        self.booked_residual = record.residual_size - record.handed_size
        self.unfilled = self.unfilled_notional()
        self.counted = False

    @property
    def id(self) -> int:
        return self.plan.pair_id

    @property
    def venues(self) -> tuple[str, str]:
        return self.plan.buy_venue, self.plan.sell_venue

    @property
    def involved(self) -> set[str]:
        """Return the venues where the pair was meant to trade, or has an order."""
        return {*self.venues, *(order.venue for order in self.orders.values())}

    @property
    def planned_price(self) -> Decimal:
        """Return the quote value of one base when the pair was decided: the mark, else the average buy price planned."""
        return self.plan.mark or self.plan.buy_vwap

    @property
    def on_edge(self) -> bool:
        """Return whether it was opened on an edge: no residual is its aim, and its plan is known.

        The plan of a pair rebuilt from orders that the journal lost (`core/accounts/recovery.py`) is not.
        """
        return self.kind is PairKind.ARB and self.opportunity_id is not None

    @property
    def leg_cost_e8(self) -> int | None:
        """Return the allowance for legs that fall short, in 1e-8 of the quote; None without one."""
        if not self.on_edge or not self.plan.leg_cost_bps:
            return None
        plan = self.plan
        return to_e8(plan.buy_size * plan.buy_vwap * plan.leg_cost_bps / 10_000)

    @property
    def at_stake(self) -> Decimal:
        """Return the quote that could become unhedged: the buy leg at its limit, or the inherited residual's value."""
        plan = self.plan
        return plan.buy_size * plan.buy_limit or abs(plan.residual_value)

    @property
    def closed(self) -> bool:
        """Return whether the pair has ended (a late fill may still reopen it)."""
        return self.state in CLOSED

    @property
    def settled(self) -> bool:
        return all(order.settled for order in self.orders.values())

    @property
    def has_unknown(self) -> bool:
        return any(order.is_unknown for order in self.orders.values())

    def mid_price(self, books: Books) -> Decimal:
        """Return the average of the mid prices at the pair's venues; without any, the price it was planned at."""
        mids = [mid for venue in self.venues if (mid := books.mid(venue, self.plan.symbol))]
        return sum(mids, ZERO) / len(mids) if mids else self.planned_price

    def entries(self, side: Side) -> list[WorkingOrder]:
        return [order for order in self.orders.values() if order.role is Role.ENTRY and order.side is side]

    def repairs(self) -> list[WorkingOrder]:
        """Return all orders but the entries, oldest first."""
        return [order for order in self.orders.values() if order.role is not Role.ENTRY]

    def holds_hedge_at(self, venue: str) -> bool:
        """Return whether room for a hedge is held at a venue: it has a leg of the pair there, and sent no repair there yet."""
        if self.inherited or venue not in self.venues:
            return False
        return not any(order.venue == venue and order.role in _HEDGES for order in self.orders.values())

    def next_attempt(self, role: Role) -> int:
        """Return the number of the next order in a role: above all known ones, since the journal may have lost some between."""
        return 1 + max((order.attempt for order in self.orders.values() if order.role is role), default=-1)

    def imbalance(self, base: str) -> Decimal:
        """Return how far base received minus base given is above the target, with fees in base and netted base."""
        held = self.inherited - self.handed_size + sum((net_base(order, base) for order in self.orders.values()), ZERO)
        return held - self.trade.target.get(base, ZERO)

    def hand_over(self, size: Decimal, value: Decimal) -> None:
        """Transfer `size` base (below zero: take it), booked at `value` quote, to other pairs."""
        self.handed_size += size
        self.handed_value += value

    def unfilled_notional(self) -> Decimal:
        """Return the quote of its part in `plan.day_notional` that no entry traded, by the leg that traded more."""
        plan = self.plan
        if not plan.day_notional:
            return ZERO  # it counted nothing: it has no entries, or the journal lost its buy leg
        bought = sum((order.filled for order in self.entries(Side.BUY)), ZERO) / plan.buy_size
        sold = sum((order.filled for order in self.entries(Side.SELL)), ZERO) / plan.sell_size
        fee = ZERO if plan.buy_fee_in is FeeIn.BASE else plan.buy_fee
        return max(ZERO, 1 - max(bought, sold)) * plan.buy_size * plan.buy_vwap * (1 + fee)

    def certain_imbalance(self, base: str) -> Decimal:
        """Return the part of the imbalance that no outcome of the unsettled orders can change.

        Each of them may still fill whole or not at all. 0 where one of these outcomes would leave the pair even.
        """
        low = high = self.imbalance(base)
        for order in self.orders.values():
            rest = ZERO if order.settled else max(ZERO, order.size - order.filled)
            if order.side is Side.BUY:
                high += rest
            else:
                low -= rest
        return max(low, ZERO) or min(high, ZERO)

    def both_legs_traded(self) -> bool:
        """Return whether base was both bought and sold, by entries and hedges (unwinds do not count)."""
        sides = {order.side for order in self.orders.values() if order.filled > 0 and order.role is not Role.UNWIND}
        return len(sides) == 2

    def expose(self, notional: Decimal, now_ns: int) -> None:
        """Add `notional` quote, without sign and unhedged since the last call, to the sum of unhedged quote x seconds."""
        held_ns = max(0, now_ns - self.exposure_until_ns)
        self.exposure_until_ns = max(now_ns, self.exposure_until_ns)
        if not self.closed:
            self.exposure_quote_s += notional * held_ns / NS_PER_S

    def move(self, trigger: Trigger, now_ns: int) -> None:
        """Move along the table; raise `InvariantError` with the pair's history for a step that is not in it (our own bug)."""
        target = TRANSITIONS.get((self.state, trigger))
        if target is None:
            raise InvariantError(f"pair {self.id}: {trigger} in state {self.state}; history: {'; '.join(self.history)}")
        if trigger is Trigger.LATE_FILL:
            if self.waterfall is not None:
                self.closed_before, self.booked = self.closed_before + 1, self.waterfall
            self.closed_ns, self.waterfall = None, None
            self.unhedged_since_ns = None
            self.exposure_until_ns = now_ns
        if target is not self.state:
            self.history.append(f"{now_ns} {trigger} -> {target}")
        self.state = target
        if target in CLOSED:
            self.closed_ns = now_ns

    def record(self, base: str) -> PairRecord:
        plan = self.plan
        return PairRecord(
            id=self.id,
            run_id=self.run_id,
            opportunity_id=self.opportunity_id,
            kind=self.kind,
            symbol=plan.symbol,
            quote=Symbol.of(plan.symbol).quote,
            buy_venue=plan.buy_venue,
            sell_venue=plan.sell_venue,
            state=self.state,
            decided_ns=self.decided_ns,
            closed_ns=self.closed_ns,
            # A pair without entries plans no legs: its planned sizes are those of the residual it set out to trade
            # away.
            buy_size=plan.buy_size or max(ZERO, -self.inherited),
            sell_size=plan.sell_size or max(ZERO, self.inherited),
            residual_size=self.imbalance(base) + self.handed_size,
            residual_mark=self.residual_mark,
            mark_ns=self.mark_ns,
            exposure_quote_s=self.exposure_quote_s.quantize(Decimal("1e-9")),
            waterfall=self.waterfall,
            buy_frame_ns=plan.buy_frame_ns,
            sell_frame_ns=plan.sell_frame_ns,
            leg_cost_e8=self.leg_cost_e8,
            identity=self.identity,
            handed_size=self.handed_size,
            handed_value=self.handed_value,
            closed_before=self.closed_before,
            booked=self.booked,
        )


def net_base(order: WorkingOrder, base: str) -> Decimal:
    """Return the base an order brought (bought, > 0) or took (sold, < 0), fees in base included."""
    sign = 1 if order.side is Side.BUY else -1
    return sum(
        (sign * fill.size - (fill.fee if fill.fee_currency == base else ZERO) for fill in order.fills.values()), ZERO
    )
