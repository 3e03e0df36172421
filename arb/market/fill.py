"""Fills: single executions, facts that count exactly once."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.market.order import Side


class Liquidity(StrEnum):
    TAKER = "taker"
    MAKER = "maker"
    UNKNOWN = "unknown"


class FillSource(StrEnum):
    STREAM = "stream"
    QUERY = "query"


class FillKey(msgspec.Struct, frozen=True):
    """The identity of a fill, however often it is reported: unique within an account."""

    symbol: str
    trade_id: str
    venue_order_id: str


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution. `size` in base, > 0; `fee` in `fee_currency`, positive when paid, negative for a rebate."""

    venue: str
    symbol: str
    trade_id: str
    venue_order_id: str
    client_order_id: str | None
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: Liquidity
    source: FillSource
    event_ns: int
    received_ns: int

    @property
    def key(self) -> FillKey:
        return FillKey(self.symbol, self.trade_id, self.venue_order_id)
