"""The file of a sweep's results: every row once, sorted, and never half of one."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arb.errors import ConfigError, StoreError
from arb.replay.sweep.rows import Results, Row


def a_row(key: str, net: str = "1.25") -> Row:
    return Row(
        key=key,
        tape="t.jsonl",
        sha256=("00",),
        day_utc="2026-11-23",
        set={"limits.min_edge_bps": "4"},
        quote="USDT",
        net=Decimal(net),
        net_by_leg_cost=Decimal("1.1"),
        fees=Decimal("0.2"),
        traded=Decimal(200),
        break_even_fee_bps=None,
        edges=3,
        takeable=1,
        pairs={"completed": 1},
        reasons={"no_depth": 2},
        other_quotes={},
        frames=10,
        halted=None,
        arb="0.0.0",
    )


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def test_rows_lie_sorted_by_key_whatever_the_order_in_which_they_came(tmp_path: Path) -> None:
    texts = set()
    for number, keys in enumerate(["abc", "cab", "bca"]):
        path = tmp_path / f"{number}.jsonl"
        with Results(path) as results:
            for key in keys:
                results.add([a_row(key)])
            results.finish()
        texts.add(path.read_bytes())
    (text,) = texts
    assert [line[:9] for line in text.splitlines() if b'"key":"' in line]
    with Results(path) as results:
        assert list(results.rows) == ["a", "b", "c"]


def test_a_sweep_that_is_killed_leaves_every_row_that_was_added(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    results = Results(path)
    results.add([a_row("a"), a_row("b")])
    os.close(results._part)  # as the operating system does

    with Results(path) as again:
        assert sorted(again.rows) == ["a", "b"]
        assert not path.exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_row_that_was_cut_anywhere_never_counts_and_is_not_in_the_way(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "sweep.jsonl"
    path.unlink(missing_ok=True)
    _part(path).unlink(missing_ok=True)
    with Results(path) as results:
        results.add([a_row("a")])
        whole = _part(path).stat().st_size
        results.add([a_row("b")])
        both = _part(path).read_bytes()
    cut = data.draw(st.integers(whole, len(both) - 1))
    _part(path).write_bytes(both[:cut])

    with Results(path) as results:
        assert sorted(results.rows) == ["a"]
        results.add([a_row("c")])
    with Results(path) as results:
        assert sorted(results.rows) == ["a", "c"]


def test_what_a_power_cut_left_of_a_file_counts_up_to_the_first_line_that_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with Results(path) as results:
        results.add([a_row("a"), a_row("b")])
    _part(path).write_bytes(_part(path).read_bytes() + b"\0" * 300 + b"\n")

    with Results(path) as results:
        assert sorted(results.rows) == ["a", "b"]


def test_a_finished_sweep_leaves_one_file(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "sweep.jsonl"
    with Results(path) as results:
        results.add([a_row("a")])
        results.finish()

    assert [found.name for found in path.parent.iterdir()] == ["sweep.jsonl"]


def test_rows_of_earlier_sweeps_stay(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    for key in "ab":
        with Results(path) as results:
            results.add([a_row(key)])
            results.finish()
    with Results(path) as results:
        assert sorted(results.rows) == ["a", "b"]


@pytest.mark.parametrize("text", ["{}\n", "not json\n", '{"key": 5}\n', "\n", "\x00"])
def test_a_file_that_holds_anything_else_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.jsonl"
    with Results(path) as results:
        results.add([a_row("a")])
        results.finish()
    path.write_text(before := path.read_text() + text)

    with pytest.raises(ConfigError, match=r"notes\.jsonl:2: is no row of a sweep") as caught:
        Results(path)
    assert "\n" not in str(caught.value)
    assert path.read_text() == before


def test_two_sweeps_never_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    with Results(path), pytest.raises(ConfigError, match="another sweep is writing there"):
        Results(path)
    with Results(path):
        pass


@pytest.mark.parametrize("place", ["a_file/sweep.jsonl", "."])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "a_file").touch()
    with pytest.raises(ConfigError, match=r"--out .*: name another file"):
        Results(tmp_path / place)


def test_a_full_disk_is_an_error_of_the_store_and_no_row(tmp_path: Path) -> None:
    with Results(tmp_path / "sweep.jsonl") as results:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, results._part)
        os.close(full)
        with pytest.raises(StoreError, match="No space left"):
            results.add([a_row("a")])
        assert not results.rows
