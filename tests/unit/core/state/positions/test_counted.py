"""A fact is counted once, also after so many others that it was forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from arb.core.state.positions.counted import Counted


@given(st.lists(st.tuples(st.sampled_from(["gate", "okx"]), st.integers(0, 9))), st.integers(1, 5))
def test_facts_in_the_order_of_their_instants_count_once_however_often_they_are_reported(
    reports: list[tuple[str, int]], kept: int
) -> None:
    counted, known = Counted(kept), set[tuple[str, int]]()
    for venue, at in reports:
        newest = max((ns for of, ns in known if of == venue), default=-1)
        if counted.add(venue, f"id-{at}", at):
            assert (venue, at) not in known
        else:
            assert at <= newest
        known.add((venue, at))


def test_a_fact_later_than_all_that_were_forgotten_counts_even_if_it_comes_late() -> None:
    counted = Counted(2)
    assert [counted.add("gate", name, at) for name, at in (("a", 1), ("c", 3), ("d", 4))] == [True] * 3
    assert counted.add("gate", "b", 2)
    assert not counted.add("gate", "a", 1)
