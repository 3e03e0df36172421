"""Best bid and offer as BBO checks of a book: where one carries the id of the book, price and size must agree on both
sides.

Quotes mostly arrive before the change that brings the book to their id, so they are kept until then. `BboCheck` is for
channels whose ids are documented to be the book's, `hear` for those that have to prove it.
"""

from collections import deque

from arb.market.arena import NO_SEQUENCE
from arb.market.book import PlainBook, Quote, Quoted
from arb.venues.books.plain.slot import BookSlot

_KEPT_MAX = 4096
HEARD_MAX = 256
"""The most quotes kept for `hear`; one more, and all are forgotten: the book does not reach their ids."""
PROVEN = 20
"""How often a BBO check must agree before it is believed: agreement by chance happens once or twice."""


class BboCheck:
    """The quotes of one symbol that the book has not reached yet."""

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead: deque[Quoted] = deque(maxlen=_KEPT_MAX)

    def check(self, sequence: int, quote: Quote, slot: BookSlot | None) -> bool | None:
        """Take a quote; return whether it agrees with the book, or `None` when the book is not at its id."""
        book_sequence = NO_SEQUENCE if slot is None else slot.sequence
        if slot is not None and sequence == book_sequence:
            return agrees(quote, slot.book)
        if sequence > book_sequence and (not self.ahead or self.ahead[-1][0] <= sequence):
            self.ahead.append((sequence, quote))
        return None

    def reached(self, slot: BookSlot) -> tuple[int, int]:
        """Return how many kept quotes with the book's present id agree, and how many do not; older ones are dropped."""
        return reached(self.ahead, slot)


def begin_hearing(slot: BookSlot) -> None:
    """Start the proof of a BBO check again, as after each loss of its book.

    The check is believed once it has agreed with the book `PROVEN` times at equal ids. If it disagrees before that, it is
    dismissed (`slot.ahead` is None), and its quotes no longer count. The next snapshot starts the proof again: a check that
    contradicts a snapshot at once is more likely wrong than the snapshot. So a book is lost to its check only after a
    whole proof.
    """
    slot.ahead, slot.agreed = deque(), 0


def hear(slot: BookSlot, sequence: int, quote: Quote) -> bool | None:
    """Take a quote; return whether it agrees with the book, or `None` when the book is not at its id."""
    ahead = slot.ahead
    if ahead is None:
        return None
    if ahead and sequence < ahead[-1][0]:
        ahead.clear()  # the ids of a channel only rise: they have restarted
    if sequence == slot.sequence:
        agreed = agrees(quote, slot.book)
        slot.agreed += agreed
        return agreed
    if sequence > slot.sequence:
        if len(ahead) == HEARD_MAX:
            ahead.clear()
        ahead.append((sequence, quote))
    return None


def heard(slot: BookSlot) -> tuple[int, int]:
    held, failed = (0, 0) if slot.ahead is None else reached(slot.ahead, slot)
    slot.agreed += held
    return held, failed


def reached(ahead: deque[Quoted], slot: BookSlot) -> tuple[int, int]:
    held = failed = 0
    while ahead and ahead[0][0] <= slot.sequence:
        sequence, quote = ahead.popleft()
        if sequence == slot.sequence:
            agreed = agrees(quote, slot.book)
            held += agreed
            failed += not agreed
    return held, failed


def agrees(quote: Quote, book: PlainBook) -> bool:
    bids, asks = book.levels(1)
    bid, ask = bids[0] if bids else (0, 0), asks[0] if asks else (0, 0)
    return quote == (*bid, *ask)
