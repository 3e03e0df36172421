"""The price at which one base of a symbol sells, by any of its books: the guard next to the signer values sales by it.

It bounds the size of orders and prices nothing: a far too large sale is to be refused, a leg's sale is not. So the price is
the best bid of the venue in the middle, the upper one of two. Of three venues no single absurd book decides. No buyer pays
more than the best bid at once. Every live book counts, even a late or still one, since others are compared with it. Where none
is live the last bids of any venue count, for `REMEMBERED_NS`. In an hour prices move by a few per cent, and a halted pair must
offer its exit even while no feed works. Older bids are worthless.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, TypeVar

from arb.clock import NS_PER_S

NOTED_EVERY_NS = NS_PER_S
"""How often the bid of a book is recorded; every frame makes this comparison, and few pass it."""
REMEMBERED_NS = 3600 * NS_PER_S


class _Seen(NamedTuple):
    bid: Decimal
    at_ns: int


class SeenBids:
    """The bids that the books of a run have shown last, those of retired ones too. Instants are ns UTC of our clock."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, _Seen]] = {}

    def note(self, venue: str, symbol: str, bid: Decimal, now_ns: int) -> None:
        self._seen.setdefault(symbol, {})[venue] = _Seen(bid, now_ns)

    def of(self, symbol: str, now_ns: int) -> list[Decimal]:
        seen = self._seen.get(symbol, {}).values()
        return [bid for bid, at_ns in seen if now_ns - at_ns <= REMEMBERED_NS]


Bid = TypeVar("Bid", int, Decimal)


def middle(bids: Sequence[Bid]) -> Bid | None:
    """Return the bid in the middle, the upper one of two; None where there is none."""
    return sorted(bids)[len(bids) // 2] if bids else None
