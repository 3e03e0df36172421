"""OKX's private channels: `orders` (each push holds at most one fill) and `account` (API v5, "WebSocket").

Log in first, then subscribe. The account channel pushes only the assets that changed, except in its first frame.
"""

from collections.abc import Iterator
from typing import Any

from arb.core.messages.events import OrderFilled, OrderUpdated
from arb.venues.kit.fields import Fields
from arb.venues.kit.private_dialect import NOTHING, PassphrasePrivate, PrivateFrame, balances_frame, rows_frame
from arb.venues.okx import records

ORDERS, ACCOUNT = "orders", "account"
# Service upgrade notices; the connection is closed about half a minute later.
CLOSING_NOTICES = frozenset({"64008"})


class OkxPrivate(PassphrasePrivate):
    """See `arb.venues.kit.private_dialect.PrivateDialect`."""

    venue = "okx"
    login_path = "/users/self/verify"
    arguments = ({"channel": ORDERS, "instType": "SPOT"}, {"channel": ACCOUNT})
    # The last one: the greatest number of connections to the channel is reached.
    refusals = frozenset({"login", "error", "channel-conn-count-error"})
    closing_notices = CLOSING_NOTICES

    def _pushed(self, received_ns: int, channel: str, fields: Fields) -> PrivateFrame:
        if channel == ORDERS:
            return rows_frame(fields.rows("data"), lambda raw: self._order(raw, received_ns))
        if channel == ACCOUNT:
            # One account that cannot be read is a snapshot that cannot be believed.
            held = [item for raw in fields.rows("data") for item in records.balances(self.venue, raw).items()]
            return balances_frame(self.venue, held, lambda item: [item])
        return NOTHING

    def _order(self, raw: Any, received_ns: int) -> Iterator[OrderFilled | OrderUpdated]:
        # The fill first: should the order's own fields be unreadable, its money is still counted.
        fill = records.pushed_fill(self.venue, raw, received_ns)
        if fill is not None:
            yield OrderFilled(fill=fill)
        yield OrderUpdated(report=records.order_report(self.venue, raw))
