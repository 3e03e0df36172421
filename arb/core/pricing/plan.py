"""The answer to two books: a `Plan` worth taking, or a `Refusal` with its one reason.

Plans hold integers on the scales of their `PairTerms`, so that the hot path builds no decimals. `Plan.view()` gives the exact
decimals for the wire, the ledger and people.
"""

from decimal import Decimal

import msgspec

from arb.core.messages.reasons import Reason
from arb.core.pricing.terms import PairTerms
from arb.market.numbers import E8, bps, exact, ratio, round_half_even


class Refusal(msgspec.Struct, frozen=True):
    """Why there is no plan. `best_net`: the greatest net, in quote on `10**amount_exp`, over the sizes that pass every
    constraint before the one named; None when no size does (`no_depth`) or the books were not examined."""

    reason: Reason
    best_net: int | None = None
    amount_exp: int = 0

    def best_net_decimal(self) -> Decimal | None:
        return None if self.best_net is None else exact(self.best_net, self.amount_exp)


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in decimals. All are exact but the averages (28 digits, half-even), `mark` when the residual is not 0
    (likewise), and the `_bps` (6 decimals, half-even)."""

    buy_size: Decimal
    sell_size: Decimal
    buy_limit: Decimal
    sell_limit: Decimal
    buy_vwap: Decimal
    sell_vwap: Decimal
    paid: Decimal
    got: Decimal
    residual: Decimal
    residual_value: Decimal
    net: Decimal
    edge_bps: Decimal
    gross_edge_bps: Decimal
    worst_ask: Decimal
    worst_bid: Decimal
    hold: Decimal
    mark: Decimal


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

    def view(self) -> PlanView:
        scale, amount_exp = self.terms.scale, self.terms.amount_exp
        return PlanView(
            buy_size=exact(self.buy_size, scale.size_exp),
            sell_size=exact(self.sell_size, scale.size_exp),
            buy_limit=exact(self.buy_limit, scale.price_exp),
            sell_limit=exact(self.sell_limit, scale.price_exp),
            buy_vwap=ratio(self.cost, self.buy_size, scale.price_exp),
            sell_vwap=ratio(self.proceeds, self.sell_size, scale.price_exp),
            paid=exact(self.paid, amount_exp),
            got=exact(self.got, amount_exp),
            residual=exact(self.residual, scale.size_exp + self.terms.fee_exp),
            residual_value=exact(self.residual_value, amount_exp),
            net=exact(self.net, amount_exp),
            edge_bps=self.edge_bps(),
            gross_edge_bps=self.gross_edge_bps(),
            worst_ask=exact(self.worst_ask, scale.price_exp),
            worst_bid=exact(self.worst_bid, scale.price_exp),
            hold=exact(self.hold, amount_exp),
            mark=self.mark(),
        )
