"""Which of a venue's public connections carries which book, where the venue limits the books of one."""

from collections.abc import Sequence
from itertools import pairwise

from arb.errors import require
from arb.market.feed import connection_name


def split_books(
    venue: str, native_symbols: Sequence[str], books_per_connection: int | None
) -> dict[str, tuple[str, ...]]:
    """Share a venue's books out among as few connections as the limit allows; return their symbols by connection name.

    The same input gives the same answer, so that a rerun finds every book where the run had it: the symbols keep their
    order, in runs whose lengths differ by one at most, so that no connection is left with nearly all that may be lost at
    once. None: a connection may carry any number. The first connection is there even without a book.
    Raises `InvariantError` for a limit below 1, and for a symbol named twice, which two connections would both write.
    """
    require(
        books_per_connection is None or books_per_connection >= 1, f"{venue}: {books_per_connection} books a connection"
    )
    require(len(set(native_symbols)) == len(native_symbols), f"{venue}: a book is named twice among {native_symbols}")
    total = len(native_symbols)
    count = 1 if books_per_connection is None else max(1, -(-total // books_per_connection))
    ends = [total * number // count for number in range(count + 1)]
    return {
        connection_name(venue, number): tuple(native_symbols[start:end])
        for number, (start, end) in enumerate(pairwise(ends), 1)
    }
