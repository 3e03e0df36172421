"""The alternatives: the ways passed over when a pair was opened, or a leg repaired, each with its reason.

Written down for pairs that opened, and only for them: at the decision nothing is kept but references to the books as they
were read then and to the answers of the checks, which cost the hot path a few list entries. The rows are worked out at the
next event, when the orders have long left. With them go the two sides of books that the pair was decided on, a row each.

For an entry the ways are the other *routes* of the symbol, and the greatest *size* where a limit of ours allowed only a
smaller one; their net is the profit expected. For a repair they are *complete* (where the short leg was meant to),
*third_venue*, *unwind* and *hold*; their net is what the repair yields against the average price of the leg that filled, a
cost when below zero, `hold` being valued at the worst price that a repair may have. The way that was taken has no reason.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from operator import neg

import msgspec

from arb.core.messages.reasons import Reason, RepairReason
from arb.core.messages.records import AlternativeRecord, AlternativeStage, AlternativeWay, DecisionBookRecord, QuoteSide
from arb.core.messages.settings import OnSingleLeg
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan, Refusal
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import PairTerms
from arb.core.trades.repair_choice import ONLY, RepairOrder, RepairVenue, cheapest_at, hold_worth
from arb.market.numbers import ZERO, bps, exact, to_e8
from arb.market.order import Side
from arb.market.route import Route

BPS = Decimal(10_000)
REPAIRS_EXPLAINED = 8
"""Of how many repairs of one pair the alternatives are kept: a halted exit may be quoted for hours."""
LEVELS_LEAST, LEVELS_MOST = 10, 50
"""How many levels of a side of a book are kept with a pair, where there are so many: those within the limit of its order, but
never fewer than the first number nor more than the second, which is all that the engine knows of a book."""


class Considered(msgspec.Struct, frozen=True):
    """One route when a pair of its symbol was opened: the plan judged and the answer, or the books without an edge.

    `answer` is the plan that was opened, or the reason against the route; None where no edge was found. `over_bps` is what
    it had to have over `min_edge_bps`.
    """

    route: Route
    terms: PairTerms
    best: Plan | None
    answer: Plan | Reason | None
    asks: Depth | None = None
    bids: Depth | None = None
    over_bps: Decimal = ZERO


class _Entry(msgspec.Struct, frozen=True):
    pair_id: int
    ns: int
    taken: Route
    routes: Sequence[Considered]


class RepairDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One repair as it was chosen: what was missing, the prices, and where it could have been traded.

    `venues` could trade; `barred` could not, and why; `ways` says what a repair at a venue would have been.
    """

    pair_id: int
    ns: int
    side: Side
    need: Decimal
    reference: Decimal
    cap: Decimal
    slack_bps: Decimal
    policy: OnSingleLeg
    taken: RepairOrder
    venues: Sequence[RepairVenue]
    barred: dict[str, Reason]
    ways: dict[str, AlternativeWay]


class Alternatives:
    """The decisions whose alternatives wait to be written down."""

    def __init__(
        self, persist: Callable[[AlternativeRecord | DecisionBookRecord], None], next_id: Callable[[str], int]
    ) -> None:
        """Rows go to `persist` under ids of `next_id`."""
        self._persist = persist
        self._next_id = next_id
        self._waiting: list[_Entry | RepairDecision] = []

    def opened(self, pair_id: int, ns: int, taken: Route, routes: Sequence[Considered]) -> None:
        """Keep the alternatives to an opportunity that was taken."""
        self._waiting.append(_Entry(pair_id, ns, taken, routes))

    def repaired(self, decision: RepairDecision) -> None:
        """Keep the alternatives to a repair that was sent."""
        self._waiting.append(decision)

    @property
    def waiting(self) -> bool:
        """Return whether anything waits."""
        return bool(self._waiting)

    def write(self) -> None:
        """Write down what waits: one row for every way, and of an opening one for each of its two sides of books."""
        waiting, self._waiting = self._waiting, []
        for found in waiting:
            rows = _of_entry(found) if isinstance(found, _Entry) else _of_repair(found)
            for row in rows:
                self._persist(msgspec.structs.replace(row, id=self._next_id("alternatives")))
            for book in _books(found) if isinstance(found, _Entry) else ():
                self._persist(msgspec.structs.replace(book, id=self._next_id("decision_books")))


def _of_entry(entry: _Entry) -> Iterator[AlternativeRecord]:
    for considered in entry.routes:
        if considered.route == entry.taken and isinstance(considered.answer, Plan):
            yield _route(entry, considered, considered.answer, None)
            larger = _larger(considered, considered.answer)
            if larger is not None:
                yield _route(entry, considered, larger[0], larger[1], AlternativeWay.SIZE)
        elif considered.best is not None and isinstance(considered.answer, Reason):
            yield _route(entry, considered, considered.best, considered.answer)
        else:
            yield _without_edge(entry, considered)


def _books(entry: _Entry) -> Iterator[DecisionBookRecord]:
    """Return what the plan was made on: the asks it takes, and the bids."""
    taken = next(considered for considered in entry.routes if considered.route == entry.taken)
    plan, asks, bids = taken.answer, taken.asks, taken.bids
    if not isinstance(plan, Plan) or asks is None or bids is None:
        return
    _, buy_venue, sell_venue = entry.taken
    within_asks = bisect_right(asks.prices, plan.buy_limit)
    within_bids = bisect_right(bids.prices, -plan.sell_limit, key=neg)  # prices fall
    sides = (buy_venue, QuoteSide.ASKS, asks, within_asks), (sell_venue, QuoteSide.BIDS, bids, within_bids)
    scale = plan.terms.scale
    for venue, side, depth, within in sides:
        kept = min(max(within, LEVELS_LEAST), LEVELS_MOST)
        levels = tuple(
            (exact(price, scale.price_exp), exact(size, scale.size_exp))
            for price, size in zip(depth.prices[:kept], depth.sizes[:kept], strict=True)
        )
        yield DecisionBookRecord(id=0, pair_trade_id=entry.pair_id, ns=entry.ns, venue=venue, side=side, levels=levels)


def _route(
    entry: _Entry,
    considered: Considered,
    plan: Plan,
    reason: Reason | None,
    way: AlternativeWay = AlternativeWay.ROUTE,
) -> AlternativeRecord:
    _, buy_venue, sell_venue = considered.route
    scale = plan.terms.scale
    return AlternativeRecord(
        id=0,
        pair_trade_id=entry.pair_id,
        ns=entry.ns,
        stage=AlternativeStage.ENTRY,
        way=way,
        buy_venue=buy_venue,
        sell_venue=sell_venue,
        buy_size=exact(plan.buy_size, scale.size_exp),
        sell_size=exact(plan.sell_size, scale.size_exp),
        price=None,
        net_e8=plan.net_e8(),
        edge_bps=plan.edge_bps(),
        reason=None if reason is None else str(reason),
    )


def _without_edge(entry: _Entry, considered: Considered) -> AlternativeRecord:
    """Return a route that earned nothing: the least loss over all sizes, and the edge of the best quotes alone."""
    _, buy_venue, sell_venue = considered.route
    net_e8: int | None = None
    edge: Decimal | None = None
    reason = considered.answer if isinstance(considered.answer, Reason) else Reason.NO_DEPTH
    asks, bids, terms = considered.asks, considered.bids, considered.terms
    if considered.answer is None and asks is not None and bids is not None and asks.total and bids.total:
        answer = evaluate(terms, asks, bids, over_bps=considered.over_bps)
        if isinstance(answer, Refusal):
            reason, best = answer.reason, answer.best_net_decimal()
            net_e8 = None if best is None else to_e8(best)
        paid = asks.prices[0] * terms.ask_weight
        edge = bps(bids.prices[0] * terms.bid_weight - paid, paid)
    return AlternativeRecord(
        id=0,
        pair_trade_id=entry.pair_id,
        ns=entry.ns,
        stage=AlternativeStage.ENTRY,
        way=AlternativeWay.ROUTE,
        buy_venue=buy_venue,
        sell_venue=sell_venue,
        buy_size=None,
        sell_size=None,
        price=None,
        net_e8=net_e8,
        edge_bps=edge,
        reason=str(reason),
    )


def _larger(considered: Considered, taken: Plan) -> tuple[Plan, Reason] | None:
    """Return the size of the greatest net that balances and thresholds kept us from, and which of the two did."""
    best, asks, bids = considered.best, considered.asks, considered.bids
    if best is None or best.sell_size == taken.sell_size or asks is None or bids is None:
        return None
    rich = evaluate(considered.terms, asks, bids, over_bps=considered.over_bps)
    short = isinstance(rich, Plan) and rich.sell_size != taken.sell_size
    return best, Reason.INSUFFICIENT_BALANCE if short else Reason.EDGE_BELOW_THRESHOLD


def _of_repair(decision: RepairDecision) -> Iterator[AlternativeRecord]:
    side, need, taken = decision.side, decision.need, decision.taken
    best = cheapest_at(side, need, decision.cap, decision.slack_bps, decision.venues)
    for venue in decision.venues:
        name = venue.instrument.venue
        if name == taken.venue:
            continue
        order = best.get(name)
        yield _way(decision, name, order, _why_not(decision, venue, order, best.get(taken.venue)))
    for name, reason in decision.barred.items():
        if name != taken.venue:
            yield _way(decision, name, None, reason)
    yield _way(decision, taken.venue, best.get(taken.venue), None, sent=taken)
    worth = hold_worth(side, need, decision.cap, decision.venues)
    yield _row(decision, AlternativeWay.HOLD, None, None, None, worth, RepairReason.STAYS_UNHEDGED)


def _why_not(
    decision: RepairDecision, venue: RepairVenue, order: RepairOrder | None, instead: RepairOrder | None
) -> Reason | RepairReason:
    if venue.instrument.taker_fee is None:
        return Reason.FEE_UNKNOWN
    if not venue.levels:
        return Reason.NO_DEPTH
    top = venue.levels[0][0]
    if top < decision.cap if decision.side is Side.SELL else top > decision.cap:
        return RepairReason.BEYOND_CAP
    if order is None:
        return RepairReason.NO_LEGAL_ORDER
    if ONLY.get(decision.policy) not in (None, venue.role):
        return RepairReason.POLICY
    # Cheaper, and yet not taken: the venue is in quarantine, or does not answer.
    better = instead is not None and order.worth > instead.worth
    return Reason.VENUE_HALTED if better else RepairReason.COSTLIER


def _way(
    decision: RepairDecision,
    venue: str,
    order: RepairOrder | None,
    reason: Reason | RepairReason | None,
    sent: RepairOrder | None = None,
) -> AlternativeRecord:
    """Return a venue's row: sizes and limit as sent, or as the best order there would have been."""
    shown = sent or order
    worth = order.worth if order is not None else None
    size, price = (None, None) if shown is None else (shown.size, shown.price)
    return _row(decision, decision.ways[venue], venue, size, price, worth, reason)


def _row(
    decision: RepairDecision,
    way: AlternativeWay,
    venue: str | None,
    size: Decimal | None,
    price: Decimal | None,
    worth: Decimal | None,
    reason: Reason | RepairReason | None,
) -> AlternativeRecord:
    selling = decision.side is Side.SELL
    notional = decision.need * decision.reference
    net = None if worth is None else worth - notional if selling else worth + notional
    return AlternativeRecord(
        id=0,
        pair_trade_id=decision.pair_id,
        ns=decision.ns,
        stage=AlternativeStage.REPAIR,
        way=way,
        buy_venue=None if selling else venue,
        sell_venue=venue if selling else None,
        buy_size=None if selling else size,
        sell_size=size if selling else None,
        price=price,
        net_e8=None if net is None else to_e8(net),
        edge_bps=None if net is None or not notional else (net / notional * BPS).quantize(Decimal("1e-6")),
        reason=None if reason is None else str(reason),
    )
