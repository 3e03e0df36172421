"""The pair trade: two legs that belong together, and whatever it takes to end flat.

Theory. A pair begins `opening` with both entry orders journalled and leaving at once. Nothing is decided from single fills:
only when every order of the pair is settled (ended by the venue, fills complete) is the imbalance looked at, which is the
base really received minus the base really given, fees in base included. Flat (within dust) ends the pair; uneven means
`repairing`: further orders, one at a time, each settled before the next. A repair that is out of time makes the pair
`halted`: trading stops, the exit is quoted on, and the pair can still end. What no venue would take as a legal order, and is
too much for dust, is `carried`. A fill that arrives after the end opens the question again.

      opening --flat----------------> completed | unwound        completed, unwound, carried --late fill--> repairing
         |                                  ^
         +--uneven--> repairing --flat------+------ halted <--out of time-- repairing
                          |  ^--uneven--+
                          +--stuck--> carried

A pair of kind `dust` or `flatten` has no entries: it inherits what earlier pairs left over and starts `repairing`.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from arb.clock import NS_PER_S
from arb.core.orders.order import WorkingOrder
from arb.core.records import PairKind, PairRecord, PairState, PlanRecord, Waterfall
from arb.errors import InvariantError
from arb.market.numbers import ZERO
from arb.market.order import Role, Side
from arb.market.symbol import Symbol


class Trigger(StrEnum):
    """What can move a pair."""

    FLAT_DONE = "flat_done"
    FLAT_UNWOUND = "flat_unwound"
    UNEVEN = "uneven"
    STUCK = "stuck"
    OUT_OF_TIME = "out_of_time"
    LATE_FILL = "late_fill"
    ABANDON = "abandon"


_S, _T = PairState, Trigger
TRANSITIONS: dict[tuple[PairState, Trigger], PairState] = {
    (_S.OPENING, _T.FLAT_DONE): _S.COMPLETED,
    (_S.OPENING, _T.FLAT_UNWOUND): _S.UNWOUND,
    (_S.OPENING, _T.UNEVEN): _S.REPAIRING,
    (_S.OPENING, _T.STUCK): _S.CARRIED,
    (_S.OPENING, _T.ABANDON): _S.ABANDONED,
    (_S.REPAIRING, _T.FLAT_DONE): _S.COMPLETED,
    (_S.REPAIRING, _T.FLAT_UNWOUND): _S.UNWOUND,
    (_S.REPAIRING, _T.UNEVEN): _S.REPAIRING,
    (_S.REPAIRING, _T.STUCK): _S.CARRIED,
    (_S.REPAIRING, _T.OUT_OF_TIME): _S.HALTED,
    (_S.REPAIRING, _T.ABANDON): _S.ABANDONED,
    (_S.HALTED, _T.FLAT_DONE): _S.COMPLETED,
    (_S.HALTED, _T.FLAT_UNWOUND): _S.UNWOUND,
    (_S.HALTED, _T.UNEVEN): _S.HALTED,
    (_S.HALTED, _T.OUT_OF_TIME): _S.HALTED,
    (_S.HALTED, _T.STUCK): _S.CARRIED,
    (_S.HALTED, _T.ABANDON): _S.ABANDONED,
    (_S.COMPLETED, _T.LATE_FILL): _S.REPAIRING,
    (_S.UNWOUND, _T.LATE_FILL): _S.REPAIRING,
    (_S.CARRIED, _T.LATE_FILL): _S.REPAIRING,
}

CLOSED = frozenset({PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED, PairState.ABANDONED})


class PairTrade:
    """One pair trade while it matters."""

    def __init__(
        self, kind: PairKind, plan: PlanRecord, number: int, run_id: int, opportunity_id: int | None, now_ns: int
    ):
        self.kind = kind
        # The pair's number in client order ids of this process; a restored pair has another, with the new nonce.
        self.number = number
        self.plan = plan
        self.run_id = run_id
        self.opportunity_id = opportunity_id
        self.state = PairState.OPENING if kind is PairKind.ARB else PairState.REPAIRING
        self.decided_ns = now_ns
        self.closed_ns: int | None = None
        self.uneven_ns: int | None = None
        # Since when a repair waits for the sockets to have nothing unread, 0 while none does.
        self.waits_ns = 0
        self.orders: dict[str, WorkingOrder] = {}
        # Base taken over from the dust pool at `plan.mark` quote per base; zero for an arb pair.
        self.inherited = ZERO if kind is PairKind.ARB else plan.residual
        self.exposure_quote_s = ZERO
        self.exposed_since_ns = now_ns
        self.residual_mark: Decimal | None = None
        self.mark_ns: int | None = None
        self.booked_residual = ZERO
        self.waterfall: Waterfall | None = None
        # Until when repairs of a pair that was taken up wait for looks through accounts (`core/accounts/restart.py`).
        self.snapshot_until_ns = 0
        # Whether this run has counted the pair among those it opened and closed.
        self.counted = True
        self.story: list[str] = [f"{now_ns} {self.state}"]

    @classmethod
    def restored(
        cls, plan: PlanRecord, record: PairRecord, number: int, orders: Iterable[WorkingOrder], now_ns: int
    ) -> "PairTrade":
        """Rebuild an unfinished pair from its journalled rows."""
        pair = cls(record.kind, plan, number, record.run_id, record.opportunity_id, record.decided_ns)
        pair.exposed_since_ns = now_ns
        pair.state = record.state
        # Its leg has been alone for longer, but while no process lived nobody could mend it: the deadline begins anew.
        pair.uneven_ns = now_ns if record.state is PairState.REPAIRING else None
        pair.exposure_quote_s = record.exposure_quote_s
        pair.orders = {order.client_order_id: order for order in orders}
        pair.story.append(f"restored as {record.state}")
        return pair

    def recover_end(self, record: PairRecord) -> None:
        """Take up how a previous process closed this pair."""
        self.closed_ns, self.waterfall = record.closed_ns, record.waterfall
        self.residual_mark, self.mark_ns = record.residual_mark, record.mark_ns
        self.booked_residual = record.residual_size
        self.counted = False

    @property
    def id(self) -> int:
        """Return the id of the pair."""
        return self.plan.pair_id

    @property
    def venues(self) -> tuple[str, str]:
        """Return the buy and the sell venue."""
        return self.plan.buy_venue, self.plan.sell_venue

    @property
    def planned_price(self) -> Decimal:
        """Return what one base was worth when the pair was decided, for want of any book: the mark, else what was paid."""
        return self.plan.mark or self.plan.buy_vwap

    @property
    def at_stake(self) -> Decimal:
        """Return the quote that could at worst become unhedged: what the buy leg may pay, or what is taken over is worth."""
        plan = self.plan
        return plan.buy_size * plan.buy_limit if self.kind is PairKind.ARB else abs(plan.residual_value)

    @property
    def closed(self) -> bool:
        """Return whether the pair has ended (a late fill may still reopen it)."""
        return self.state in CLOSED

    @property
    def settled(self) -> bool:
        """Return whether nothing more can be expected of any order sent so far."""
        return all(order.settled for order in self.orders.values())

    @property
    def has_unknown(self) -> bool:
        """Return whether some order may or may not exist."""
        return any(order.is_unknown for order in self.orders.values())

    def entries(self, side: Side) -> list[WorkingOrder]:
        """Return the entry orders of one side."""
        return [order for order in self.orders.values() if order.role is Role.ENTRY and order.side is side]

    def repairs(self) -> list[WorkingOrder]:
        """Return all orders that are no entries, oldest first."""
        return [order for order in self.orders.values() if order.role is not Role.ENTRY]

    def next_attempt(self, role: Role) -> int:
        """Return the number of the next order in a role: above all that are known, since lost ones may have left gaps."""
        return 1 + max((order.attempt for order in self.orders.values() if order.role is role), default=-1)

    def imbalance(self, base: str) -> Decimal:
        """Return base received minus base given, fees in base included: above zero we are long."""
        return self.inherited + sum((net_base(order, base) for order in self.orders.values()), ZERO)

    def matched(self) -> bool:
        """Return whether base was both bought and sold by entries or completed by a hedge."""
        sides = {order.side for order in self.orders.values() if order.filled > 0 and order.role is not Role.UNWIND}
        return len(sides) == 2

    def expose(self, notional: Decimal, now_ns: int) -> None:
        """Add `notional` quote unhedged since the last call to the integral of |unhedged notional| x seconds."""
        held_ns = max(0, now_ns - self.exposed_since_ns)
        self.exposed_since_ns = max(now_ns, self.exposed_since_ns)
        if not self.closed:
            self.exposure_quote_s += notional * held_ns / NS_PER_S

    def move(self, trigger: Trigger, now_ns: int) -> None:
        """Move along the table; an unlisted step is our own bug and tells the pair's story."""
        target = TRANSITIONS.get((self.state, trigger))
        if target is None:
            raise InvariantError(f"pair {self.id}: {trigger} in state {self.state}; story: {'; '.join(self.story)}")
        if trigger is Trigger.LATE_FILL:
            self.closed_ns, self.waterfall = None, None
            self.uneven_ns = now_ns
            self.exposed_since_ns = now_ns
        if trigger is Trigger.UNEVEN:
            self.uneven_ns = now_ns
        if target is not self.state:
            self.story.append(f"{now_ns} {trigger} -> {target}")
        self.state = target
        if target in CLOSED:
            self.closed_ns = now_ns

    def record(self, base: str) -> PairRecord:
        """Return the row of this pair."""
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
            # A pair without entries plans no legs: what it set out to trade away stands for them.
            buy_size=plan.buy_size or max(ZERO, -self.inherited),
            sell_size=plan.sell_size or max(ZERO, self.inherited),
            residual_size=self.imbalance(base),
            residual_mark=self.residual_mark,
            mark_ns=self.mark_ns,
            exposure_quote_s=self.exposure_quote_s.quantize(Decimal("1e-9")),
            waterfall=self.waterfall,
            buy_frame_ns=plan.buy_frame_ns,
            sell_frame_ns=plan.sell_frame_ns,
        )


def net_base(order: WorkingOrder, base: str) -> Decimal:
    """Return the base an order brought (bought, > 0) or took (sold, < 0), fees in base included."""
    sign = 1 if order.side is Side.BUY else -1
    return sum(
        (sign * fill.size - (fill.fee if fill.fee_currency == base else ZERO) for fill in order.fills.values()), ZERO
    )
