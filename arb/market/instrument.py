"""An instrument: one symbol at one venue, with the rules an order there must obey."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.clock import NS_PER_S
from arb.market.scale import Scale, to_int
from arb.market.symbol import Symbol

ENDS_MARGIN_S = 3600
"""For this long before the announced end of trade nothing opens. Books thin out then and are withdrawn. A pair's residual, the
inventory it moved, or an exit that waits for its price must be sold there in time."""
OPENS_MARGIN_S = 10
"""For this long after the announced start of trade no order is sent: clocks differ, and a venue's start takes a moment."""


class FeeIn(StrEnum):
    """Where a venue takes the fee of a buy from; a sell always pays in quote or in another asset."""

    BASE = "base"
    QUOTE = "quote"
    OTHER = "other"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one symbol at one venue, as the venue lists them and as the account is charged.

    `tick` and `lot` are the smallest price and size steps, > 0. `min_size` is in base, `min_notional` in quote;
    0 means no minimum. `taker_fee` and `maker_fee` are ratios in [-0.01, 0.05], positive when paid, read from the
    account and never from the listing; `None` means not known yet (reason `fee_unknown`).

    `fee_asset`: the asset that the venue takes this account's fees from while its balance lasts (Gate: GT or points, Bitget:
    BGB), "" for none; `fee_asset_taker`: a taker's rate then, as a ratio of the value in quote. `taker_fee` and `buy_fee_in`
    are what is charged without it. Which of the two is planned, `core/fees/fee_assets.py` decides.

    `ends_ns`: when trade in it is announced to end; None: nothing is announced. `changes_ns`: the instants at which rules of it
    are announced to change, past ones perhaps among them. `opens_ns`: from when on both sides trade; None: nothing is
    announced. All are Unix nanoseconds of the venue's clock.
    """

    venue: str
    symbol: str
    native_symbol: str
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    min_notional: Decimal
    taker_fee: Decimal | None
    maker_fee: Decimal | None
    buy_fee_in: FeeIn
    max_size: Decimal | None = None
    price_band: Decimal | None = None
    tradable: bool = True
    ends_ns: int | None = None
    changes_ns: tuple[int, ...] = ()
    fee_asset: str = ""
    fee_asset_taker: Decimal | None = None
    opens_ns: int | None = None

    @property
    def base(self) -> str:
        return Symbol.of(self.symbol).base

    @property
    def quote(self) -> str:
        return Symbol.of(self.symbol).quote

    def ends_soon(self, now_ns: int) -> bool:
        """Return whether trade in it ends within `ENDS_MARGIN_S`, or has ended."""
        return self.ends_ns is not None and now_ns >= self.ends_ns - ENDS_MARGIN_S * NS_PER_S

    def opens_from_ns(self, now_ns: int) -> int | None:
        """Return from when on it can trade, `OPENS_MARGIN_S` after the announced start; None: it can by now."""
        opens_ns = None if self.opens_ns is None else self.opens_ns + OPENS_MARGIN_S * NS_PER_S
        return opens_ns if opens_ns is not None and now_ns < opens_ns else None

    def tick_int(self, scale: Scale) -> int:
        return to_int(self.tick, scale.price_exp)

    def lot_int(self, scale: Scale) -> int:
        return to_int(self.lot, scale.size_exp)


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the greatest multiple of `step` (> 0) not above `value` (>= 0)."""
    return (value // step) * step


def ceil_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Return the smallest multiple of `step` (> 0) not below `value` (>= 0)."""
    floored = (value // step) * step
    return floored if floored == value else floored + step
