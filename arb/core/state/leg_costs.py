"""What legs that fall short have cost, learned from our own closed pairs.

A leg that fills less than planned costs twice: the part of the edge that was not traded (`size_shortfall`), and the order that
repairs the other leg (`hedge_cost`). Both stand in the pair's waterfall once it has closed. Their sum is a cost in quote, here
kept per route (symbol, buy venue, sell venue) as a rate of the notional that the pairs planned to pay: cost per notional hardly
depends on size where it was measured, so a size has no rate of its own (`docs/decisions/0010-learned-leg-cost.md`).

An estimate is shrunk twice, each time as if so many pairs of the largest size had been seen at the rate that is shrunk to: the
history of the two venues, all symbols together, to `PRIOR_BPS`; and that of the route to it. What was learned loses half its
weight every `HALF_LIFE_NS`, so without news an estimate returns to the prior.

Everything is in integers and by the times of events. The rows (`LegCostRecord`, the last of an id counts) are journalled with
the closing that they were learned from, so a restart and a replay have the same estimates.
"""

from collections.abc import Iterable
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.core.messages.records import Waterfall
from arb.core.messages.recovery_records import LegCostRecord, PlanRecord
from arb.core.messages.settings import LEARNED, OFF, Limits
from arb.market.numbers import ZERO, to_e8
from arb.market.route import Route

PRIOR_BPS = 4
"""What legs cost where nothing is known: in 3,197 pairs on sandboxes 4.3 bps of the notional."""
PRIOR_PAIRS = 50
"""Of how many pairs of the largest size a prior has the weight. The cost of one pair scatters by about seven times what the
costs of routes differ by, so that after as many pairs both know equally much."""
HALF_LIFE_NS = 86_400 * NS_PER_S
MILLI = 1000
"""Rates are kept in thousandths of a basis point."""
BPS = 10_000
ALL = ""
"""Stands for all symbols together."""


class LegCosts:
    """The learned costs, and the estimates that are made of them."""

    def __init__(self, limits: Limits, cap_bps: Decimal) -> None:
        """Learn as `limits.leg_cost` says; no pair counts, and no estimate is made, beyond `cap_bps` of its notional."""
        self.learns = limits.leg_cost == LEARNED
        self._fixed = ZERO if limits.leg_cost in (LEARNED, OFF) else Decimal(limits.leg_cost.removesuffix("bps"))
        self._cap = int(cap_bps * MILLI)
        self._weight = max(1, PRIOR_PAIRS * to_e8(limits.max_notional_quote))
        self._rows: dict[Route, LegCostRecord] = {}

    def bps(self, route: Route, now_ns: int) -> Decimal:
        """Return what the legs of a route are expected to cost, in basis points of the notional, from 0 to the cap."""
        if not self.learns:
            return self._fixed
        rate = PRIOR_BPS * MILLI
        for symbol in (ALL, route[0]):
            row = self._rows.get((symbol, *route[1:]))
            if row is not None:
                cost_e8, notional_e8 = decayed(row, now_ns)
                rate = (rate * self._weight + BPS * MILLI * cost_e8) // (self._weight + notional_e8)
        return Decimal(min(self._cap, max(0, rate))).scaleb(-3)

    def learn(self, plan: PlanRecord, waterfall: Waterfall, now_ns: int) -> list[LegCostRecord]:
        """Count a pair that has closed; return the rows to journal."""
        return self._add(plan, waterfall, 1, now_ns, now_ns)

    def unlearn(self, plan: PlanRecord, waterfall: Waterfall, closed_ns: int, now_ns: int) -> list[LegCostRecord]:
        """Take a pair back that is reopened by a late fill, with the weight it has left: it counts again, as it ends then."""
        return self._add(plan, waterfall, -1, now_ns, closed_ns)

    def restore(self, rows: Iterable[LegCostRecord]) -> None:
        """Go on from what earlier processes journalled."""
        for row in rows:
            self._rows[row.symbol, row.buy_venue, row.sell_venue] = row

    def _add(
        self, plan: PlanRecord, waterfall: Waterfall, sign: int, now_ns: int, counted_ns: int
    ) -> list[LegCostRecord]:
        if not self.learns:
            return []
        paid_e8 = to_e8(plan.buy_size * plan.buy_vwap)
        most_e8 = self._cap * paid_e8 // (BPS * MILLI)
        cost_e8 = min(most_e8, max(-most_e8, -waterfall.size_shortfall_e8 - waterfall.hedge_cost_e8))
        cost_e8, paid_e8 = weighed(cost_e8, now_ns - counted_ns), weighed(paid_e8, now_ns - counted_ns)
        rows = []
        for symbol in (ALL, plan.symbol):
            key = (symbol, plan.buy_venue, plan.sell_venue)
            before = self._rows.get(key)
            known_cost, known_paid = (0, 0) if before is None else decayed(before, now_ns)
            self._rows[key] = row = LegCostRecord(
                id=len(self._rows) + 1 if before is None else before.id,
                symbol=symbol,
                buy_venue=plan.buy_venue,
                sell_venue=plan.sell_venue,
                ns=now_ns,
                cost_e8=known_cost + sign * cost_e8,
                notional_e8=max(0, known_paid + sign * paid_e8),
            )
            rows.append(row)
        return rows


def decayed(row: LegCostRecord, now_ns: int) -> tuple[int, int]:
    """Return a row's cost and notional with the weight they have at an instant."""
    age_ns = now_ns - row.ns
    return weighed(row.cost_e8, age_ns), weighed(row.notional_e8, age_ns)


def weighed(amount_e8: int, age_ns: int) -> int:
    """Return what counts of an amount of this age: half of it after each half-life, straight between."""
    halvings, rest_ns = divmod(max(0, age_ns), HALF_LIFE_NS)
    counts_e8 = abs(amount_e8) * (2 * HALF_LIFE_NS - rest_ns) // (2 * HALF_LIFE_NS << halvings)
    return counts_e8 if amount_e8 >= 0 else -counts_e8
