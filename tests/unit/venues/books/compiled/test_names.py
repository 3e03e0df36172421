"""Names of books looked up by compiled code: a book is found by its own name and by no other, however alike they are."""

import random
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

numba = pytest.importorskip("numba", reason="compiled books need numba")

from arb.market.scale import Scale  # noqa: E402
from arb.market.words import CONNECTION_WORDS, ROW_WORDS, words_of, zeros  # noqa: E402
from arb.venues.books.compiled.layout import NAME_MAX, ROWS_AT, TAG_MASK, hashed  # noqa: E402
from arb.venues.books.compiled.loading import BYTES_AT  # noqa: E402
from arb.venues.books.compiled.names import PLAIN_NAME, NameTable, address_of  # noqa: E402

SCALE = Scale(1, 4)
NAMES = st.text("ABC_19.", min_size=1, max_size=NAME_MAX).filter(lambda name: PLAIN_NAME.fullmatch(name) is not None)


@cache
def compiled() -> Callable[[int, int, int], int]:
    """Return what reads a name between marks and gives the row + 1 of the book that it names, 0 where there is none."""
    from arb.venues.books.compiled.frames import is_named, row_of
    from arb.venues.books.compiled.scan import QUOTE, name

    @numba.njit(error_model="numpy")
    def look_up(at, end, connection):  # type: ignore[no-untyped-def]
        after, began, mixed = name(at, end, QUOTE)
        if after == 0:
            return 0
        number = row_of(connection, began, after - 1 - began, mixed)
        return number if number and is_named(connection, number) else 0

    return look_up  # type: ignore[no-any-return]


class Named:
    """A connection's names."""

    def __init__(self) -> None:
        self.words = words_of(CONNECTION_WORDS)
        self._rows = zeros(200, ROW_WORDS)
        self.words[ROWS_AT] = self._rows.ctypes.data
        self.table = NameTable(self.words, self._rows)

    def row(self, name: str) -> int | None:
        raw = b'"' + name.encode() + b'","U":12345678'
        found = compiled()(id(raw) + BYTES_AT, id(raw) + BYTES_AT + len(raw), address_of(self.words))
        return found - 1 if found else None


@given(names=st.lists(NAMES, unique=True, max_size=40), seed=st.integers(0, 2**32))
def test_each_known_name_leads_to_its_row_and_no_other_does(names: list[str], seed: int) -> None:
    rng, named, known = random.Random(seed), Named(), dict[str, int]()
    rows = rng.sample(range(200), len(names))
    for _ in range(3 * len(names)):
        place = rng.randrange(len(names))
        if rng.random() < 0.7:
            named.table.enter(names[place], rows[place], SCALE, rng.randrange(100))
            known[names[place]] = rows[place]
        else:
            named.table.forget(names[place])
            known.pop(names[place], None)
        assert {name: named.row(name) for name in names} == {name: known.get(name) for name in names}


@pytest.mark.parametrize("pattern", ["{:06d}", "BTC_USDT{:06d}", "{:06d}_USDT_USDT"], ids=["short", "behind", "before"])
def test_a_name_is_never_taken_for_one_whose_hash_looks_the_same(pattern: str) -> None:
    seen: dict[tuple[int, int], str] = {}
    alike = None
    for number in range(400_000):
        name = pattern.format(number)
        mixed = hashed(name.encode())
        other = seen.setdefault((mixed & TAG_MASK, mixed & 15), name)
        if other != name:
            alike = other, name
            break
    assert alike is not None
    named = Named()
    named.table.enter(alike[0], 3, SCALE)
    assert named.row(alike[0]) == 3
    assert named.row(alike[1]) is None


def test_a_row_that_changes_its_name_is_found_by_the_new_one() -> None:
    named = Named()
    named.table.enter("ob.BTC_USDT.50", 7, SCALE)
    named.table.forget("ob.BTC_USDT.50")
    named.table.enter("ob.BTC_USDT.400", 7, SCALE)
    assert named.row("ob.BTC_USDT.50") is None
    assert named.row("ob.BTC_USDT.400") == 7
    assert named.row("ob.BTC_USDT.4000") is None


@pytest.mark.parametrize(("books", "begin"), [(3, 64), (5_000, 2 << 20)], ids=["lines", "large pages"])
def test_rows_begin_where_lines_of_the_caches_do_and_many_of_them_where_large_pages_do(books: int, begin: int) -> None:
    from arb.market.arena import BookArena

    arena = BookArena(books)
    for words in (arena.block, np.frombuffer(arena.market.rows, dtype=np.int64)):
        assert words.ctypes.data % begin == 0
    assert arena.market.symbol_address % begin == 0
