"""Which set is best, and how much that may mean."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.errors import ConfigError
from arb.replay.sweep.rows import Row
from arb.replay.sweep.standings import Label, Standings, held_out_days, standings, text_of
from tests.unit.replay.sweep.test_rows import a_row

DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")


def _rows(*nets: str) -> list[Row]:
    """Return a row for every day, with these results."""
    return [
        msgspec.structs.replace(a_row(f"k{n}", net), tape=f"t{n}", day_utc=DAYS[n % len(DAYS)])
        for n, net in enumerate(nets)
    ]


def _label(value: str) -> Label:
    return (("limits.min_edge_bps", value),)


def _ranked(held_out: tuple[str, ...] = (), **nets: tuple[str, ...]) -> Standings:
    return standings({_label(name): _rows(*each) for name, each in nets.items()}, held_out, len(nets))


def test_the_set_that_made_most_on_all_tapes_is_first() -> None:
    found = _ranked(a=("1", "1", "1"), b=("-1", "9", "-1"), c=("0", "0", "0"))

    assert [text_of(each.label)[-1] + f" {each.net}" for each in found.sets] == ["b 7", "a 3", "c 0"]
    best = found.best
    assert [f"{of.tape} {of.net}" for of in (best.best, best.median, best.worst)] == ["t1 9", "t2 -1", "t0 -1"]


def test_of_equals_the_first_of_the_grid_is_first() -> None:
    assert dict(_ranked(b=("1",), a=("1",)).best.label) == {"limits.min_edge_bps": "b"}


def test_days_held_out_choose_nothing_and_are_shown() -> None:
    found = _ranked((DAYS[2],), a=("1", "1", "-50"), b=("0", "0", "3"), c=("0", "1", "3"))

    assert dict(found.best.label)["limits.min_edge_bps"] == "a"
    assert (found.best.net, found.best.held_out_net) == (Decimal(2), Decimal(-50))
    assert found.held_out_place == 3
    assert (found.tapes, found.days, found.held_out) == (2, DAYS[:2], DAYS[2:])
    assert found.lines()[-1] == "On 1 day held out it made -50 USDT: place 3 of 3 there."


def test_the_number_of_sets_tried_stands_beside_the_best() -> None:
    found = _ranked(a=("1.5", "1", "2"), b=("0", "0", "0"))

    first, second, third = found.lines()
    assert first == (
        "On 3 tapes of 3 days limits.min_edge_bps=a made most: 4.5 USDT, on the best tape 2 USDT, on the median one 1.5 USDT, "
        "on the worst 1 USDT."
    )
    assert second == "It is the best of 2 sets; their median is 0 USDT."
    assert third == (
        "2 sets were tried on these tapes: the best of so many looks better than it is; hold days out (--hold-out) to see by "
        "how much."
    )
    assert found.document()["sets_tried"] == 2


def test_sets_tried_by_earlier_sweeps_count() -> None:
    found = standings({_label("a"): _rows("1"), _label("b"): _rows("2")}, (), 40)

    assert any(line.startswith("40 sets were tried on these tapes") for line in found.lines())


def test_one_set_alone_is_no_best_of_many() -> None:
    assert len(_ranked(a=("1", "2")).lines()) == 1


def test_where_nothing_was_traded_nobody_is_called_the_best() -> None:
    rows = [msgspec.structs.replace(row, pairs={}) for row in _rows("0", "0")]

    found = standings({_label("a"): rows, _label("b"): rows}, (), 2)

    assert found.lines()[0] == "None of 2 sets traded on 2 tapes of 2 days."


def test_where_nothing_was_traded_on_the_days_to_choose_on_what_happened_on_the_others_chooses_nothing() -> None:
    quiet = [msgspec.structs.replace(row, pairs={}) for row in _rows("0", "0")]
    rows = [*quiet, *_rows("0", "0", "7")[2:]]

    found = standings({_label("a"): rows, _label("b"): rows}, DAYS[2:], 2)

    assert found.lines() == [
        "None of 2 sets traded on 2 tapes of 2 days.",
        "2 sets were tried on these tapes: the best of so many looks better than it is.",
    ]


def test_others_that_made_as_much_are_counted() -> None:
    first = _ranked(a=("2",), b=("2",), c=("2",)).lines()[0]
    assert first == "On 1 tape of 1 day limits.min_edge_bps=a made most: 2 USDT (as did 2 sets more)."


@given(st.lists(st.lists(st.integers(-(10**9), 10**9), min_size=4, max_size=4), min_size=1, max_size=6))
def test_no_set_beats_the_best_and_the_sums_are_exact(nets: list[list[int]]) -> None:
    texts = [[f"{net}.00000001" for net in each] for each in nets]
    found = standings({_label(str(n)): _rows(*each) for n, each in enumerate(texts)}, (DAYS[0],), len(nets))

    for each in found.sets:
        number = int(dict(each.label)["limits.min_edge_bps"])
        assert each.net == sum(Decimal(texts[number][n]) for n in (1, 2))
        assert each.held_out_net == sum(Decimal(texts[number][n]) for n in (0, 3))
        assert each.worst.net <= each.median.net <= each.best.net
        assert each.net <= found.best.net


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1", DAYS[2:]),
        ("2", DAYS[1:]),
        (DAYS[0], DAYS[:1]),
        (f"{DAYS[1]}, {DAYS[0]}", DAYS[:2]),
        (f"{DAYS[1]},{DAYS[1]}", DAYS[1:2]),
    ],
)
def test_days_are_held_out_by_number_from_the_last_or_by_date(text: str, days: tuple[str, ...]) -> None:
    assert held_out_days(text, DAYS) == days


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "holds nothing out"),
        ("3", "would leave no day to choose on"),
        ("9999", "would leave no day to choose on"),
        (",".join(DAYS), "would leave no day to choose on"),
        ("2026-11-19", "no tape is of that day: there are 2026-11-20, 2026-11-21, 2026-11-22"),
        ("yesterday", "no tape is of that day"),
        ("", "no tape is of that day"),
    ],
)
def test_days_that_cannot_be_held_out_are_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        held_out_days(text, DAYS)
