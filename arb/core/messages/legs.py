"""The seam between a decision and its orders: a trade is legs, a target and a policy.

`OrderSender.place` checks a leg once more and gives it a name: no order leaves in another way.
"""

from decimal import Decimal

import msgspec

from arb.market.order import Role, Side, TimeInForce


class Leg(msgspec.Struct, frozen=True):
    """An order that a trade needs, in the instrument `symbol` at `venue`.

    `size` > 0 in base; `limit` > 0 in quote per base, the worst acceptable price. `reduce_only`: the venue must not let it open
    a position; spot has no such orders. `lives_ms`: after how long the venue must refuse it; None: `order_expiry_ms`.
    """

    venue: str
    symbol: str
    side: Side
    size: Decimal
    limit: Decimal
    tif: TimeInForce = TimeInForce.IOC
    role: Role = Role.ENTRY
    reduce_only: bool = False
    lives_ms: int | None = None


class FlatNow(msgspec.Struct, frozen=True):
    """The policy of a trade that is to reach its target at once (`core/trades/trade.py`).

    It is repaired until it does, and is late `deadline_ms` > 0 after its first uneven fill.
    """

    deadline_ms: int


class Trade(msgspec.Struct, frozen=True):
    """The orders to send, and how the trade ends.

    `legs`: the orders that it opens with; none where it trades a residual away, or where its orders left before a restart.
    `target`: the net exposure that it is to end with, in coins, by coin; 0 for all others.
    """

    legs: tuple[Leg, ...]
    policy: FlatNow
    target: dict[str, Decimal] = {}
