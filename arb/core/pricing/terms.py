"""The charges and demands of a pair of venues for one symbol, converted once to integers for `core/pricing/spread.py`.

Prices and sizes are on the symbol's `Scale`. Fees are on `10**fee_exp`, one exponent for all venues of a symbol, so that all
amounts of all pairs of venues are on the same `amount_exp` and can be compared directly.
"""

from decimal import Decimal
from fractions import Fraction

import msgspec

from arb.core.messages.settings import Limits
from arb.errors import InvariantError, require
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import EXACT, ceil_scaled, floor_scaled
from arb.market.scale import Scale, to_int

FEE_EXP = 8


class VenueTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One venue's rules for one symbol. Fees positive when paid; minimums in base and quote, 0 for none.

    `max_size`: the most base that one order may have; `price_band`: how far beyond the middle of the book, as a ratio, an
    order may be priced that takes; None for no bound.
    """

    taker_fee: Decimal
    buy_fee_in: FeeIn
    tick: Decimal
    lot: Decimal
    min_size: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)
    max_size: Decimal | None = None
    price_band: Decimal | None = None

    @classmethod
    def of(cls, instrument: Instrument) -> "VenueTerms":
        """Take the terms of an instrument; raise `InvariantError` while its fee is unknown (reason `fee_unknown`)."""
        if instrument.taker_fee is None:
            raise InvariantError(f"{instrument.venue} {instrument.symbol}: terms asked for while the fee is unknown")
        return cls(
            taker_fee=instrument.taker_fee,
            buy_fee_in=instrument.buy_fee_in,
            tick=instrument.tick,
            lot=instrument.lot,
            min_size=instrument.min_size,
            min_notional=instrument.min_notional,
            max_size=instrument.max_size,
            price_band=instrument.price_band,
        )


class EdgeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that a plan must keep, in quote and basis points; None means unlimited."""

    max_edge_bps: Decimal | None = None
    min_net: Decimal = Decimal(0)
    max_notional: Decimal | None = None
    max_slippage_bps: Decimal = Decimal(0)
    dust_max_quote: Decimal | None = None

    @classmethod
    def of(cls, limits: Limits, share: Decimal = Decimal(1), cap: Decimal | None = None) -> "EdgeLimits":
        """Take them out of the engine's settings; `share` of `max_notional_quote` is allowed, of `cap` where that is less."""
        most = limits.max_notional_quote if cap is None else min(cap, limits.max_notional_quote)
        return cls(
            max_edge_bps=limits.max_edge_bps,
            min_net=limits.min_net_quote,
            max_notional=most * share,
            max_slippage_bps=limits.max_slippage_bps,
            dust_max_quote=limits.dust_max_quote,
        )


def above(edge: tuple[int, int], net: int, paid: int) -> bool:
    """Return whether `net / paid`, both on one scale and `paid` >= 0, is above an edge: numerator and denominator, in bps."""
    return 10_000 * edge[1] * net > edge[0] * paid


def below(edge: tuple[int, int], net: int, paid: int) -> bool:
    """Return whether `net / paid` is below an edge, likewise."""
    return 10_000 * edge[1] * net < edge[0] * paid


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """The free funds for one pair: quote at the buy venue, base at the sell venue; None means unlimited.

    `buy_fee_funds` and `sell_fee_funds` are the quote values of the free balance of a venue's fee asset, where its terms have
    `FeeIn.OTHER`; they must cover that venue's leg and an unwind of it.
    """

    quote: Decimal | None = None
    base: Decimal | None = None
    buy_fee_funds: Decimal | None = None
    sell_fee_funds: Decimal | None = None


UNLIMITED = Funds()


class PairTerms:
    """Buy on one venue, sell on another: every constant of a plan as an integer. Build once, use for every book.

    With `K = 10**fee_exp`, `1 - fB = sell_keep / K`, `k = buy_cost / K` (the factor of the quote paid), and base received per
    base bought `= received / parts`, where `parts` is K for a base fee and 1 otherwise. *Fine* sizes are sizes times `parts`;
    one lot bought brings `window` fine units.
    """

    __slots__ = (
        "amount_exp",
        "ask_weight",
        "bid_weight",
        "buy",
        "buy_band",
        "buy_cost",
        "buy_fee",
        "buy_hold",
        "buy_lot",
        "buy_max_size",
        "buy_min_cost",
        "buy_min_size",
        "buy_tick",
        "dust_fine",
        "dust_max",
        "fee_exp",
        "fee_one",
        "least_lots",
        "limits",
        "max_edge",
        "max_hold",
        "max_locked",
        "min_net",
        "most_lots",
        "parts",
        "received",
        "scale",
        "sell",
        "sell_band",
        "sell_fee",
        "sell_keep",
        "sell_lot",
        "sell_max_size",
        "sell_min_notional",
        "sell_min_size",
        "sell_tick",
        "slip_one",
        "slip_up",
        "window",
    )

    def __init__(
        self, scale: Scale, buy: VenueTerms, sell: VenueTerms, limits: EdgeLimits, *, fee_exp: int = FEE_EXP
    ) -> None:
        """Convert; raise `ValueError` when a tick, lot or fee has more decimals than `scale` or `fee_exp`."""
        self.scale, self.buy, self.sell, self.limits, self.fee_exp = scale, buy, sell, limits, fee_exp
        self.fee_one: int = 10**fee_exp
        self._take_fees(buy, sell)
        self._take_rules(buy, sell)
        self._take_limits(limits)

    def _take_fees(self, buy: VenueTerms, sell: VenueTerms) -> None:
        one = self.fee_one
        self.buy_fee = to_int(buy.taker_fee, self.fee_exp)
        self.sell_fee = to_int(sell.taker_fee, self.fee_exp)
        require(-one < self.buy_fee < one and -one < self.sell_fee < one, "a fee is beyond 100 %")
        in_base = buy.buy_fee_in is FeeIn.BASE
        self.parts = one if in_base else 1
        self.received = one - self.buy_fee if in_base else 1
        self.buy_cost = one if in_base else one + self.buy_fee
        # A limit order locks the fee with it only where the fee is taken from the same balance.
        self.buy_hold = one + self.buy_fee if buy.buy_fee_in is FeeIn.QUOTE else one
        self.sell_keep = one - self.sell_fee
        # The sign of the profit on the next unit: bid * bid_weight - ask * ask_weight.
        self.bid_weight = self.sell_keep * self.received
        self.ask_weight = self.buy_cost * self.parts
        # Every amount that leaves this module is on 10**amount_exp, for every fee asset.
        self.amount_exp = self.scale.notional_exp + 2 * self.fee_exp

    def _take_rules(self, buy: VenueTerms, sell: VenueTerms) -> None:
        price_exp, size_exp, notional_exp = self.scale.price_exp, self.scale.size_exp, self.scale.notional_exp
        self.buy_tick, self.sell_tick = to_int(buy.tick, price_exp), to_int(sell.tick, price_exp)
        self.buy_lot, self.sell_lot = to_int(buy.lot, size_exp), to_int(sell.lot, size_exp)
        require(min(self.buy_tick, self.sell_tick, self.buy_lot, self.sell_lot) > 0, "a tick or lot is not positive")
        self.buy_min_size, self.sell_min_size = (
            ceil_scaled(buy.min_size, size_exp),
            ceil_scaled(sell.min_size, size_exp),
        )
        self.buy_max_size, self.sell_max_size = (
            None if venue.max_size is None else floor_scaled(venue.max_size, size_exp) for venue in (buy, sell)
        )
        self.buy_min_cost = ceil_scaled(buy.min_notional, notional_exp)
        self.sell_min_notional = ceil_scaled(sell.min_notional, notional_exp)
        self.buy_band, self.sell_band = (
            None if venue.price_band is None else Fraction(venue.price_band).as_integer_ratio() for venue in (buy, sell)
        )
        self.window = self.buy_lot * self.received
        # The venue's bounds of a purchase in lots: at least 1.
        self.least_lots = max(1, -(-self.buy_min_size // self.buy_lot))
        self.most_lots = None if self.buy_max_size is None else self.buy_max_size // self.buy_lot

    def _take_limits(self, limits: EdgeLimits) -> None:
        notional_exp = self.scale.notional_exp
        require(limits.max_slippage_bps >= 0, "a limit is negative")
        self.max_edge = None if limits.max_edge_bps is None else limits.max_edge_bps.as_integer_ratio()
        self.min_net = ceil_scaled(limits.min_net, self.amount_exp)
        slip = Fraction(limits.max_slippage_bps) / 10_000
        self.slip_one, self.slip_up = slip.denominator, slip.numerator
        # Holds are compared times K, residual values as walked amounts times `parts`, before the sell fee.
        self.max_hold: int | None = None
        if limits.max_notional is not None:
            self.max_hold = floor_scaled(limits.max_notional, notional_exp + self.fee_exp)
        # The same without the fee, which is a factor of every hold: `q * buy_cap(worst_ask)` must not exceed it.
        self.max_locked = None if self.max_hold is None else self.max_hold // self.buy_hold
        self.dust_max: int | None = None
        # The dust allowed, as a walked amount times `parts` that bears no fee (`partial.py`).
        self.dust_fine: int | None = None
        if limits.dust_max_quote is not None:
            fine = EXACT.multiply(limits.dust_max_quote, Decimal(self.parts))
            self.dust_fine = floor_scaled(fine, notional_exp)
            self.dust_max = floor_scaled(EXACT.multiply(fine, Decimal(self.fee_one)), notional_exp) // self.sell_keep

    def crosses(self, best_ask: int, best_bid: int) -> bool:
        """Return whether the best quotes leave a profit after fees: False means that no size can have any."""
        return best_bid * self.bid_weight > best_ask * self.ask_weight

    def buy_cap(self, ask: int) -> int:
        """Return `ceil_tick(ask * (1 + slip))`: the price a buy limit may lock at the worst touched level."""
        unit = self.buy_tick * self.slip_one
        return -(-ask * (self.slip_one + self.slip_up) // unit) * self.buy_tick

    def buy_top(self, twice_middle: int) -> int | None:
        """Return the highest price that a buy limit may have while twice the middle is that; None without a band."""
        if self.buy_band is None:
            return None
        up, one = self.buy_band
        return twice_middle * (one + up) // (2 * one * self.buy_tick) * self.buy_tick

    def sell_bottom(self, twice_middle: int) -> int | None:
        """Return the lowest price that a sell limit may have while twice the middle is that; None without a band."""
        if self.sell_band is None:
            return None
        down, one = self.sell_band
        return -(-twice_middle * (one - down) // (2 * one * self.sell_tick)) * self.sell_tick

    def unwind_cap(self, bid: int) -> int:
        """Return `ceil_tick(bid * (1 + slip))` at the sell venue: the price at which buying a sale back is estimated."""
        unit = self.sell_tick * self.slip_one
        return -(-bid * (self.slip_one + self.slip_up) // unit) * self.sell_tick

    def sell_cap(self, bid: int) -> int:
        """Return `floor_tick(bid * (1 - slip))`, not below 0: the price the sell's minimum notional is judged at."""
        unit = self.sell_tick * self.slip_one
        return max(0, bid * (self.slip_one - self.slip_up) // unit * self.sell_tick)
