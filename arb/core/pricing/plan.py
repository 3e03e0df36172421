"""The answer to two books: a `Plan` worth taking, or a `Refusal` with its one reason.

Plans hold integers on the scales of their `PairTerms`, so that the hot path builds no decimals. Their methods give the exact
decimals: `legs()` for the wire, `record()` for the journal.
"""

from decimal import Decimal

import msgspec

from arb.core.messages.legs import Leg
from arb.core.messages.reasons import Reason
from arb.core.messages.recovery_records import PlanRecord
from arb.core.pricing.terms import PairTerms
from arb.market.numbers import E8, bps, exact, ratio, round_half_even
from arb.market.order import Side
from arb.market.route import Route


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no plan. `best_net`: the greatest net, in quote on `10**amount_exp`, over the sizes that pass every
    constraint before the one named; None when no size does (`no_depth`) or the books were not examined."""

    reason: Reason
    best_net: int | None = None
    amount_exp: int = 0

    def best_net_decimal(self) -> Decimal | None:
        return None if self.best_net is None else exact(self.best_net, self.amount_exp)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Two sizes and two limits worth sending, and their expected result.

    Prices and sizes are on `terms.scale`, `cost` and `proceeds` (before fees) on its `notional_exp`, `residual` on `size_exp +
    fee_exp`, and `paid got residual_value net hold` on `terms.amount_exp`. `next_bid` is the best bid left after `s`.
    """

    terms: PairTerms
    buy_size: int
    sell_size: int
    buy_limit: int
    sell_limit: int
    worst_ask: int
    worst_bid: int
    cost: int
    proceeds: int
    paid: int
    got: int
    residual: int
    residual_value: int
    net: int
    hold: int
    next_bid: int | None

    def edge_bps(self) -> Decimal:
        """Return `10000 * net / paid`, rounded half-even to 6 decimals."""
        return bps(self.net, self.paid)

    def gross_edge_bps(self) -> Decimal:
        """Return `10000 * (sell_vwap - buy_vwap) / buy_vwap`, rounded half-even to 6 decimals."""
        return bps(self.proceeds * self.buy_size - self.cost * self.sell_size, self.cost * self.sell_size)

    def net_e8(self) -> int:
        """Return `net` in 1e-8 of the quote, rounded half-even."""
        return round_half_even(self.net * E8, 10**self.terms.amount_exp)

    def mark(self) -> Decimal:
        """Return `m0`: `value(r) / r`, for `r = 0` the next bid at B after `s` times `1 - fB` (0: none left)."""
        terms = self.terms
        if self.residual:
            return ratio(self.residual_value, self.residual, terms.scale.price_exp + terms.fee_exp)
        return exact((self.next_bid or 0) * terms.sell_keep, terms.scale.price_exp + terms.fee_exp)

    def amount(self, whole: int) -> Decimal:
        """Return one of the plan's amounts, exactly, in quote."""
        return exact(whole, self.terms.amount_exp)

    def buy_vwap(self) -> Decimal:
        """Return the average price of the buy leg, in quote per base: 28 digits, half-even."""
        return ratio(self.cost, self.buy_size, self.terms.scale.price_exp)

    def sell_vwap(self) -> Decimal:
        """Return the average price of the sell leg, likewise."""
        return ratio(self.proceeds, self.sell_size, self.terms.scale.price_exp)

    def residual_base(self) -> Decimal:
        """Return `r` in base, exactly."""
        return exact(self.residual, self.terms.scale.size_exp + self.terms.fee_exp)

    def legs(self, route: Route) -> tuple[Leg, Leg]:
        """Return the entry orders on a route, the buy leg first; sizes and limits are exact."""
        size_exp, price_exp = self.terms.scale.size_exp, self.terms.scale.price_exp
        buy_size, buy_limit = exact(self.buy_size, size_exp), exact(self.buy_limit, price_exp)
        sell_size, sell_limit = exact(self.sell_size, size_exp), exact(self.sell_limit, price_exp)
        return (
            Leg(*route.buy, Side.BUY, buy_size, buy_limit),
            Leg(*route.sell, Side.SELL, sell_size, sell_limit),
        )

    def record(self, pair_id: int, route: Route) -> PlanRecord:
        """Return the plan as it is journalled. All numbers are exact but the averages, and `mark` where a residual is planned:
        28 digits, half-even."""
        buy, sell = self.legs(route)
        return PlanRecord(
            pair_id=pair_id,
            symbol=buy.symbol,
            buy_venue=buy.venue,
            sell_venue=sell.venue,
            buy_size=buy.size,
            sell_size=sell.size,
            buy_limit=buy.limit,
            sell_limit=sell.limit,
            buy_vwap=self.buy_vwap(),
            sell_vwap=self.sell_vwap(),
            residual=self.residual_base(),
            residual_value=self.amount(self.residual_value),
            net=self.amount(self.net),
            mark=self.mark(),
            buy_fee=self.terms.buy.taker_fee,
            sell_fee=self.terms.sell.taker_fee,
            buy_fee_in=self.terms.buy.buy_fee_in,
            hold_quote=self.amount(self.hold),
            hold_base=sell.size,
        )
