"""Best-bid/offer frames as witnesses: where one carries the id of the book, price and size must agree on both sides."""

from collections import deque

from arb.market.arena import NO_SEQUENCE
from arb.market.book import PlainBook
from arb.venues.wire.base import BookSlot

_KEPT_MAX = 4096

Quote = tuple[int, int, int, int]
"""Bid price, bid size, ask price, ask size, on the symbol's scale; 0 and 0 for an empty side."""


class TickerWitness:
    """The quotes of one symbol that the book has not reached yet."""

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        self._ahead: deque[tuple[int, Quote]] = deque(maxlen=_KEPT_MAX)

    def tell(self, sequence: int, quote: Quote, slot: BookSlot | None) -> bool | None:
        """Take a quote; return whether it agrees with the book, or `None` when the book does not stand at its id."""
        book_sequence = NO_SEQUENCE if slot is None else slot.sequence
        if slot is not None and sequence == book_sequence:
            return agrees(quote, slot.book)
        if sequence > book_sequence and (not self._ahead or self._ahead[-1][0] <= sequence):
            self._ahead.append((sequence, quote))
        return None

    def reached(self, slot: BookSlot) -> tuple[int, int]:
        """Return how many kept quotes of the book's very id agree and how many do not; older ones are dropped."""
        held = failed = 0
        ahead = self._ahead
        while ahead and ahead[0][0] <= slot.sequence:
            sequence, quote = ahead.popleft()
            if sequence == slot.sequence:
                agreed = agrees(quote, slot.book)
                held += agreed
                failed += not agreed
        return held, failed


def agrees(quote: Quote, book: PlainBook) -> bool:
    """Return whether the quote equals the best level of both sides."""
    bids, asks = book.levels(1)
    bid, ask = bids[0] if bids else (0, 0), asks[0] if asks else (0, 0)
    return quote == (*bid, *ask)
