"""The strategy of a drill: at each venue three orders of the smallest legal size, one by one, and no trade between venues.

- *rest*: a purchase far below the book, which must rest and is cancelled;
- *expired*: a purchase far below the book that the sender holds until after its expiry, and that the venue must refuse.
  Documents err, so only this shortens the proof that an order without answer does not exist;
- *trade*: a purchase at the best ask, which must fill. The ordinary repairs of a pair trade it back.

Each is a pair of kind `test` with one order of role `test`: journalled, queried, settled, repaired and recovered after a crash
like any other. A step that could not be carried out is retried; a step with an unexpected answer is not.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.clock import NS_PER_MS
from arb.core.messages.legs import Leg
from arb.core.messages.reasons import Reason
from arb.core.messages.records import OrderRecord, PairState
from arb.core.risk.blockers import Blockers
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.core.trades.strategy import (
    NEVER,
    ONCE_READ,
    OrderOpening,
    Proposal,
    RunEnding,
    Stepwise,
    StrategyEvent,
    TradeExit,
)
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade
from arb.market.instrument import FeeIn, Instrument, ceil_to_step, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.market.route import Route
from arb.market.symbol import Symbol

FAR = Decimal("0.9")
"""The fraction of the best bid that an order asks for which must not trade."""
ROOM = Decimal("0.95")
"""The fraction of the best bid to which the price may fall before the base bought is too little to be sold."""
TRIES = 3
LIVES_MS = 500
"""The lifetime of the order that is to arrive too late: it is recorded, signed and then held for longer."""
HELD_MS = 1_000
"""How long after its expiry by our clock it is held: longer than our clock and the venue's may differ."""


class DrillStep(StrEnum):
    REST = "rest"
    EXPIRED = "expired"
    TRADE = "trade"


class DrillResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one step: its order's last row, and the end of its pair; `net`: its earnings in quote."""

    venue: str
    step: DrillStep
    order: OrderRecord
    state: PairState
    net: Decimal

    @property
    def as_hoped(self) -> bool:
        """Return whether the venue behaved as required: rest and cancel, refuse the expired order, or fill."""
        order = self.order
        if self.step is DrillStep.EXPIRED:
            return order.outcome is Outcome.REJECTED and bool(order.sent_ns)
        traded = order.filled > 0
        return order.outcome is Outcome.ACCEPTED and traded is (self.step is DrillStep.TRADE)


class DrillSizes(msgspec.Struct, frozen=True):
    """The orders of a drill at one venue: sizes in base, prices in quote per base."""

    far_price: Decimal
    far_size: Decimal
    price: Decimal
    size: Decimal

    @classmethod
    def at(cls, instrument: Instrument, bid: Decimal, ask: Decimal, max_slippage_bps: Decimal) -> "DrillSizes":
        """Return the smallest legal sizes at these best quotes; the base bought can be sold again after the fee."""
        far = max(floor_to_step(bid * FAR, instrument.tick), instrument.tick)
        sold = _smallest(instrument, bid * ROOM)
        kept = 1 - (instrument.taker_fee or ZERO) if instrument.buy_fee_in is FeeIn.BASE else Decimal(1)
        price = ceil_to_step(ask * (1 + max_slippage_bps / 10_000), instrument.tick)
        return cls(far, _smallest(instrument, far), price, ceil_to_step(sold / min(kept, Decimal(1)), instrument.lot))

    def cost(self, instrument: Instrument, bid: Decimal) -> Decimal:
        """Return the most that the trade costs if its base is sold at `bid`: spread, slippage and both fees, in quote."""
        fee = instrument.taker_fee or ZERO
        return self.size * (self.price * (1 + fee) - bid * (1 - fee))


def _smallest(instrument: Instrument, price: Decimal) -> Decimal:
    least = max(instrument.min_size, instrument.min_notional / price, instrument.lot)
    return ceil_to_step(least, instrument.lot)


def _names(text: str, number: str) -> bool:
    """Return whether a text names a venue's order number, and not as a part of another number."""
    return number in text and re.search(rf"(?<![0-9A-Za-z]){re.escape(number)}(?![0-9A-Za-z])", text) is not None


class _Part:
    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.left = list(DrillStep)
        self.pair: PairTrade | None = None
        self.tries = 0
        self.blocker = ""


class Drill(Stepwise):
    """See the module; `symbols` is the symbol to trade at each venue. `on_end` is called once every step has ended."""

    def __init__(
        self,
        state: EngineState,
        orders: TradeTable,
        blockers: Blockers,
        symbols: dict[str, str],
        on_end: Callable[[], None],
    ) -> None:
        self.state = state
        self.orders = orders
        self.results: list[DrillResult] = []
        self._blockers = blockers
        self._parts = {venue: _Part(symbol) for venue, symbol in symbols.items()}
        self._on_end = on_end
        self._stopped = False
        self._pairs: list[tuple[DrillStep, PairTrade]] = []

    @property
    def left(self) -> dict[str, str]:
        return {venue: f"{part.left[0]}: {part.blocker}" for venue, part in self._parts.items() if part.left}

    def held_until_ns(self, client_order_id: str) -> int | None:
        """Return until when (our clock) the request that places this order is held; None: not at all."""
        for part in self._parts.values():
            if part.left and part.left[0] is DrillStep.EXPIRED and part.pair is not None:
                order = part.pair.orders.get(client_order_id)
                if order is not None and order.role is Role.TEST:
                    return order.expires_ns + HELD_MS * NS_PER_MS
        return None

    def step_of(self, client_order_id: str) -> str:
        """Return the step that an order was sent for, of a repair its role, and "" for one that is not known."""
        for step, pair in self._pairs:
            if (order := pair.orders.get(client_order_id)) is not None:
                return str(step) if order.role is Role.TEST else str(order.role)
        return ""

    def name_in(self, text: str) -> str | None:
        """Return the client order id of our order that a text names, by that id or by the venue's, or None."""
        for _, pair in self._pairs:
            for name, order in pair.orders.items():
                if name in text or (order.venue_order_id and _names(text, order.venue_order_id)):
                    return name
        return None

    def on_quotes(self, rows: Iterable[int]) -> None: ...

    def take_event(self, event: StrategyEvent) -> None:
        self._stopped = self._stopped or isinstance(event, RunEnding)

    def wake_ns(self, unread: Collection[str] = ()) -> int:
        """Ask at every drain until all steps have ended: a book whose connection has unread bytes is skipped."""
        return NEVER if self._stopped or not any(part.left for part in self._parts.values()) else ONCE_READ

    def explain(self, route: Route) -> Reason | None:
        return None

    def steps(self, now_ns: int) -> Iterator[Proposal]:
        under_way = [] if self._stopped else [(venue, part) for venue, part in self._parts.items() if part.left]
        for venue, part in under_way:
            if part.pair is not None:
                yield from self._follow(venue, part, part.pair)
            if part.pair is None and part.left:
                yield from self._open(venue, part, now_ns)
        if under_way and not self.left:
            self._on_end()

    def _follow(self, venue: str, part: _Part, pair: PairTrade) -> Iterator[Proposal]:
        (order, *_) = [order for order in pair.orders.values() if order.role is Role.TEST]
        if order.rests and not order.cancels_asked:
            yield TradeExit(pair.id)
        if pair.closed:
            self._ended(venue, part, pair, order)
        else:
            part.blocker = f"{order.client_order_id} is {order.status}, its pair {pair.state}"

    def _ended(self, venue: str, part: _Part, pair: PairTrade, order: WorkingOrder) -> None:
        part.pair, part.tries = None, part.tries + 1
        never_sent = order.outcome is Outcome.REJECTED and not order.sent_ns
        missed = part.left[0] is DrillStep.TRADE and order.outcome is Outcome.ACCEPTED and not order.filled
        if (never_sent or missed) and part.tries < TRIES:
            return
        net_e8 = 0 if pair.waterfall is None else pair.waterfall.realised_net_e8
        net = Decimal(net_e8).scaleb(-8)
        step = part.left.pop(0)
        part.tries = 0
        self.results.append(
            DrillResult(venue=venue, step=step, order=order.record(), state=pair.state, net=net),
        )

    def _open(self, venue: str, part: _Part, now_ns: int) -> Iterator[Proposal]:
        found = self._next_order(venue, part, now_ns)
        if isinstance(found, str):
            part.blocker = found
            return
        yield found
        answer = self.answer
        if answer.trade_id is None:
            part.blocker = f"limit {answer.limit}" if answer.limit else str(answer.reason)
            return
        part.pair, part.blocker = self.orders.pairs[answer.trade_id], ""
        self._pairs.append((part.left[0], part.pair))

    def _next_order(self, venue: str, part: _Part, now_ns: int) -> OrderOpening | str:
        """Return the order of a part's next step, or why it cannot be sent now."""
        state, symbol, step = self.state, part.symbol, part.left[0]
        if (venue, symbol) not in state.instruments:
            return f"{venue} does not list {symbol}, or does not answer"
        reason = self._blockers.reason(((venue, symbol),), now_ns)
        bids, asks = (state.books.levels(venue, symbol, side) for side in (Side.SELL, Side.BUY))
        if reason is None and (state.books.awaited(venue, symbol) or not (bids and asks)):
            reason = Reason.NO_DEPTH
        if reason is not None:
            return str(reason)
        instrument, limits = state.instruments[venue, symbol], state.limits_at(symbol, venue)
        sizes = DrillSizes.at(instrument, bids[0][0], asks[0][0], limits.max_slippage_bps)
        if step is DrillStep.TRADE:
            leg = Leg(venue, symbol, Side.BUY, sizes.size, sizes.price, role=Role.TEST)
        else:
            rests = step is DrillStep.REST
            tif, lives_ms = (TimeInForce.POST_ONLY, None) if rests else (TimeInForce.IOC, LIVES_MS)
            leg = Leg(venue, symbol, Side.BUY, sizes.far_size, sizes.far_price, tif, Role.TEST, lives_ms=lives_ms)
        hold = leg.limit * leg.size * (1 + (instrument.taker_fee or ZERO))
        quote = Symbol.of(symbol).quote
        if hold > limits.max_notional_quote:
            return f"the smallest order takes {hold} {quote}, and max_notional_quote is {limits.max_notional_quote}"
        if hold > state.inventory.free(venue, quote):
            return f"it takes {hold} {quote}, and free there are {state.inventory.free(venue, quote)}"
        return OrderOpening(leg, hold)
