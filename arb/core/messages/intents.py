"""Intents: the data that must outlive the process before the orders of an opening leave.

An opening is decided, written down as an intent, sent, and only then journalled with all its rows. After a crash between the
first send and the journal, a restart makes the rows of the pair from the intent (`core/trades/intents.py`).
"""

from decimal import Decimal

import msgspec

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.recovery_records import FeeHold
from arb.market.instrument import FeeIn


class IntendedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order about to leave. `id`: of its row; `offset_ns`: venue time - ours, None where it is not known."""

    id: int
    account_id: str
    offset_ns: int | None
    place: PlaceOrder


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The opening of one pair; its orders are the legs of the trade, with their names, the buy leg first.

    `seq` and `t_ns` are those of its step. `synced` is the last step that was safe from a power cut when this was written (0:
    none, or not known). Amounts in quote, but for `hold_base`. Names on disk are frozen
    (docs/decisions/0002-frozen-names-on-disk.md).
    """

    seq: int
    t_ns: int
    run_id: int
    pair_id: int
    number: int
    opportunity_id: int | None
    buy_fee: Decimal
    sell_fee: Decimal
    buy_fee_in: FeeIn
    hold_quote: Decimal
    hold_base: Decimal
    day_notional: Decimal
    orders: tuple[IntendedOrder, ...]
    fee_holds: tuple[FeeHold, ...] = ()
    synced: int = 0

    @property
    def places(self) -> tuple[PlaceOrder, ...]:
        return tuple(order.place for order in self.orders)
