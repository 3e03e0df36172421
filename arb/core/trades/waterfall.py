"""Where a pair's money went: the realised net split into the expected net and the causes of every difference, exactly.

`expected_net + buy_slippage + sell_slippage + size_shortfall + fee_difference + hedge_cost + residual_change` is
`realised_net`, an identity for any fills. Above zero every term is gain, `hedge_cost` too:

- `expected_net`: the plan's net, its residual valued at `m0`.
- `buy_slippage`, `sell_slippage`: the prices of the entry legs' fills against the planned averages.
- `size_shortfall`: the planned earnings of the size that the entry legs did not fill, base valued at `m0`, deducted. The result
  of making up for it is in `hedge_cost`.
- `fee_difference`: the entry legs' planned fees on the filled size, less those charged.
- `hedge_cost`: the quote that repairs brought, fees deducted, and the base they brought at `m0`.
- `residual_change`: the residual's change of value from `m0` (`m1 - m0`); for base that other pairs took over, from `m0` to its
  booked value.
- `realised_net`: the quote that all fills brought, fees deducted, and the residual at `m1`, or as booked where taken over.

All terms are computed in fractions. Each is rounded half-even to 1e-8 of the quote once, and the sum of the roundings goes
into `residual_change`.

Letters in comments: A the buy venue, B the sell venue; planned sizes `q` bought and `s` sold, filled `fq` and `fs`; taker fees
`fA` and `fB` as ratios; `phi` and `X` the entry legs' fees charged in base and in other assets; `H` and `h` the quote and the
base that repairs brought; `R` the residual; `m0` and `m1` the quote value of one base of it, as planned and at the close; `nA`
the base received per base bought. `gA = 1 + fA`
(quote paid per quote bought) holds for a fee planned in quote *and* for one planned in another asset at its quote value: the
plan's `paid` counts both, so the terms sum only with the fee in `gA`.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from arb.core.messages.records import Waterfall
from arb.core.messages.recovery_records import PlanRecord
from arb.errors import require
from arb.market.instrument import FeeIn
from arb.market.numbers import ZERO, to_e8
from arb.market.order import Side

Exact = Decimal | Fraction


class Traded(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of some fills of one side. `size` in base and `quote` (price times size) >= 0, both before fees.

    Fees as charged, positive when paid: `fee_quote` in quote, `fee_base` in base, `fee_other` in any other asset at its
    quote value.
    """

    side: Side
    size: Exact = ZERO
    quote: Exact = ZERO
    fee_quote: Exact = ZERO
    fee_base: Exact = ZERO
    fee_other: Exact = ZERO


def waterfall(
    plan: PlanRecord,
    buy: Traded,
    sell: Traded,
    repairs: Sequence[Traded],
    mark: Exact,
    *,
    inherited: Exact = ZERO,
    handed: Exact = ZERO,
    handed_value: Exact = ZERO,
) -> Waterfall:
    """Split the realised net of a pair into its causes, in 1e-8 of the quote.

    `buy` and `sell` sum the fills of the two entry legs, `repairs` those of hedges and unwinds. `mark` is `m1`, the quote
    value of one base of residual at the close. A repair's own fees, in any asset, count as its cost. `inherited` is residual
    base of earlier pairs, valued at `m0`: it belongs to the residual, and its value `inherited * m0` is deducted from the
    realised net. `handed` is the part of the residual that other pairs took over, at `handed_value` quote. `m0` is computed
    again from the planned residual and its value, which are exact; without one it is the plan's `mark`.
    """
    require(buy.side is Side.BUY and sell.side is Side.SELL, "the entry legs are given the wrong way round")
    q, s, va_planned, vb_planned = _fractions(plan.buy_size, plan.sell_size, plan.buy_vwap, plan.sell_vwap)
    fa, fb, m0, m1 = _fractions(plan.buy_fee, plan.sell_fee, plan.mark, mark)
    if plan.residual:
        m0 = Fraction(plan.residual_value) / Fraction(plan.residual)
    cost_factor = Fraction(1) if plan.buy_fee_in is FeeIn.BASE else 1 + fa  # gA
    received = 1 - fa if plan.buy_fee_in is FeeIn.BASE else Fraction(1)  # nA
    fq, fs, paid, got = _fractions(buy.size, sell.size, buy.quote, sell.quote)
    fee_base = Fraction(buy.fee_base) + Fraction(sell.fee_base)  # phi
    fee_other = Fraction(buy.fee_other) + Fraction(sell.fee_other)  # X
    hedge_quote = sum((_quote_change(traded) for traded in repairs), Fraction(0))  # H
    hedge_base = sum((_base_change(traded) for traded in repairs), Fraction(0))  # h

    expected = (1 - fb) * s * vb_planned + (q * received - s) * m0 - cost_factor * q * va_planned
    shortfall = (q - fq) * (va_planned * cost_factor - received * m0) - (s - fs) * (vb_planned * (1 - fb) - m0)
    fees = (
        (fs * vb_planned * fb - Fraction(sell.fee_quote))
        - fee_other
        + (fq * va_planned * (cost_factor - 1) - Fraction(buy.fee_quote))
        + (fq * (1 - received) - fee_base) * m0
    )
    residual = residual_size(buy, sell, repairs, inherited=inherited) - Fraction(handed)  # R, less the base taken over
    value = residual * m1 + Fraction(handed_value)
    realised = _quote_change(buy) + _quote_change(sell) + hedge_quote + value - Fraction(inherited) * m0
    columns = (expected, fq * va_planned - paid, got - fs * vb_planned, shortfall, fees, hedge_quote + hedge_base * m0)
    expected_e8, buy_e8, sell_e8, shortfall_e8, fees_e8, hedge_e8 = map(to_e8, columns)
    realised_e8 = to_e8(realised)
    exact_change = value - (residual + Fraction(handed)) * m0
    require(sum(columns) + exact_change == realised, "the waterfall does not sum to the realised net")
    return Waterfall(
        expected_net_e8=expected_e8,
        buy_slippage_e8=buy_e8,
        sell_slippage_e8=sell_e8,
        size_shortfall_e8=shortfall_e8,
        fee_difference_e8=fees_e8,
        hedge_cost_e8=hedge_e8,
        residual_change_e8=realised_e8 - expected_e8 - buy_e8 - sell_e8 - shortfall_e8 - fees_e8 - hedge_e8,
        realised_net_e8=realised_e8,
    )


def residual_size(buy: Traded, sell: Traded, repairs: Sequence[Traded], *, inherited: Exact = ZERO) -> Fraction:
    """Return `R = fq - phi - fs + h` plus the inherited base: the residual of a pair in base, below 0 when base is missing."""
    return sum((_base_change(traded) for traded in (buy, sell, *repairs)), Fraction(inherited))


def _fractions(*values: Exact) -> list[Fraction]:
    return [Fraction(value) for value in values]


def _quote_change(traded: Traded) -> Fraction:
    amount = Fraction(traded.quote) if traded.side is Side.SELL else -Fraction(traded.quote)
    return amount - Fraction(traded.fee_quote) - Fraction(traded.fee_other)


def _base_change(traded: Traded) -> Fraction:
    size = Fraction(traded.size) if traded.side is Side.BUY else -Fraction(traded.size)
    return size - Fraction(traded.fee_base)
