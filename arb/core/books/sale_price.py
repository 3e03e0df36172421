"""What one base of a symbol sells for, as far as any book of it says: what the guard beside the signer values sales by.

It bounds the size of orders and prices nothing: a sale far too large is to be refused, and a leg to be sold is not. So the
price is the best bid (more than that nobody pays at once) of the venue in the middle, the upper one of two: of three venues no
single one with an absurd book decides. Every live book counts, though it be late or stand still, for others stand beside it.
Where none is live the bids that were seen last count, of any venue, for `REMEMBERED_NS`: in an hour prices move by a few per
cent, and a halted pair goes on offering its exit while no feed works. What older ones are worth nobody knows.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

from arb.clock import NS_PER_S

NOTED_EVERY_NS = NS_PER_S
"""How often the bid of a book is noted; every frame comes to this comparison, and few go further."""
REMEMBERED_NS = 3600 * NS_PER_S


class _Seen(NamedTuple):
    bid: Decimal
    at_ns: int


class SeenBids:
    """The bids that the books of a run have shown last, those of retired ones too. Instants are ns UTC of our clock."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, _Seen]] = {}

    def note(self, venue: str, symbol: str, bid: Decimal, now_ns: int) -> None:
        """Remember the best bid of a book."""
        self._seen.setdefault(symbol, {})[venue] = _Seen(bid, now_ns)

    def of(self, symbol: str, now_ns: int) -> list[Decimal]:
        """Return the last bid of each venue that has shown one within `REMEMBERED_NS`."""
        seen = self._seen.get(symbol, {}).values()
        return [bid for bid, at_ns in seen if now_ns - at_ns <= REMEMBERED_NS]


Bid = TypeVar("Bid", int, Decimal)


def middle(bids: Sequence[Bid]) -> Bid | None:
    """Return the bid in the middle, the upper one of two; None where there is none."""
    return sorted(bids)[len(bids) // 2] if bids else None
