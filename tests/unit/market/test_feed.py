"""Sharing a venue's books out among its connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import InvariantError
from arb.market.feed import connection_name, further_name, split_books, venue_of


def test_a_venue_without_a_limit_has_one_connection_of_its_own_name() -> None:
    assert split_books("gate", ("A", "B", "C"), None) == {"gate": ("A", "B", "C")}


def test_a_venue_without_books_has_one_connection_all_the_same() -> None:
    assert split_books("gate", (), None) == split_books("gate", (), 3) == {"gate": ()}


def test_a_limit_is_kept_with_as_few_connections_as_can_be_and_no_nearly_full_one() -> None:
    assert split_books("okx", ("A", "B", "C", "D", "E"), 4) == {"okx": ("A", "B"), "okx#2": ("C", "D", "E")}
    assert split_books("okx", ("A", "B", "C", "D"), 4) == {"okx": ("A", "B", "C", "D")}
    assert split_books("okx", ("A", "B", "C"), 1) == {"okx": ("A",), "okx#2": ("B",), "okx#3": ("C",)}


@given(names=st.lists(st.integers(0, 500).map(str), unique=True, max_size=60), limit=st.integers(1, 70))
def test_every_book_has_one_connection_within_the_limit(names: list[str], limit: int) -> None:
    shared = split_books("gate", names, limit)
    assert [name for natives in shared.values() for name in natives] == names
    lengths = [len(natives) for natives in shared.values()]
    assert max(lengths) <= limit and max(lengths) - min(lengths) <= 1
    assert len(shared) == max(1, -(-len(names) // limit))
    assert list(shared) == [connection_name("gate", number) for number in range(1, len(shared) + 1)]
    assert split_books("gate", tuple(names), limit) == shared


@pytest.mark.parametrize(("names", "limit"), [(("A",), 0), (("A",), -1), (("A", "B", "A"), 5)])
def test_what_cannot_be_shared_out_is_refused(names: tuple[str, ...], limit: int) -> None:
    with pytest.raises(InvariantError, match="gate"):
        split_books("gate", names, limit)


def test_the_first_connection_bears_the_name_of_its_venue_and_needs_no_number() -> None:
    assert [connection_name("gate"), connection_name("gate", 2)] == ["gate", "gate#2"]
    assert [venue_of("gate"), venue_of("gate#12")] == ["gate", "gate"]
    assert [further_name("gate"), further_name("gate#2")] == ["", "gate#2"]
    for venue, number in (("gate", 0), ("gate#2", 1)):
        with pytest.raises(InvariantError):
            connection_name(venue, number)
