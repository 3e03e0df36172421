"""Grids of settings, as `arb sweep --set KEY=VALUE,VALUE,...` describes them."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.config.overrides import Axis, Grid, read_axis
from arb.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("limits.min_edge_bps=2,4,6", ("2", "4", "6")),
        ("limits.min_edge_bps = 2 , 0.04% ", ("2", "0.04%")),
        ("limits.min_edge_bps=4", ("4",)),
        ('run.symbols=["BTC/USDT","ETH/USDT"],["BTC/USDT"]', ('["BTC/USDT","ETH/USDT"]', '["BTC/USDT"]')),
        ("""a="x,y",'u,v'""", ('"x,y"', "'u,v'")),
        ("a=it's,5", ("it's", "5")),
        ("a=b=c,d", ("b=c", "d")),
    ],
)
def test_the_values_of_a_key_are_parted_by_commas_that_stand_in_no_quotes_or_brackets(
    text: str, values: tuple[str, ...]
) -> None:
    assert read_axis(text).values == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits.min_edge_bps", "is no KEY=VALUE"),
        ("=2", "is no KEY=VALUE"),
        ("a=", "one of its values is empty"),
        ("a=2,,4", "one of its values is empty"),
        ("a=2,4,", "one of its values is empty"),
        ("a=2,4,2", "the value 2 is given twice"),
    ],
)
def test_what_describes_no_axis_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        read_axis(text)
    assert "\n" not in str(caught.value)


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="empty grid"):
        Grid([])


def test_a_key_with_two_axes_is_refused() -> None:
    with pytest.raises(ConfigError, match="a: is given twice"):
        Grid([Axis("a", ("1",)), Axis("a", ("2",))])


def test_every_combination_is_one_set_and_the_last_key_changes_first() -> None:
    grid = Grid([Axis("a", ("1", "2")), Axis("b", ("x", "y"))])

    assert list(grid) == [{"a": "1", "b": "x"}, {"a": "1", "b": "y"}, {"a": "2", "b": "x"}, {"a": "2", "b": "y"}]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_has_as_many_sets_as_it_says_and_no_set_twice(lengths: list[int]) -> None:
    grid = Grid([Axis(f"key{n}", tuple(map(str, range(length)))) for n, length in enumerate(lengths)])

    sets = [tuple(one.items()) for one in grid]

    assert len(grid) == len(sets) == len(set(sets)) == prod(lengths)


def test_a_grid_too_large_to_be_listed_says_its_length_at_once() -> None:
    axes = [Axis(f"key{n}", tuple(map(str, range(100)))) for n in range(8)]

    assert len(Grid(axes[:4])) == 100**4
