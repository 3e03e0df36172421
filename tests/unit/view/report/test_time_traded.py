"""Time in which nothing ran is no time traded: not in sums, not in titles, and a gap in every figure over time."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import PairState
from arb.store.ledger.selection import Selection
from arb.store.ledger.sums import read_sums
from arb.view.report import figures
from arb.view.report.measure import run_ns, stretches, traded_slots
from arb.view.report.summary import Sources, summarise
from tests.support.history import DAY_NS, fill_ledger
from tests.unit.store.rows import D, a_balance, a_pair, a_run, a_traded_opportunity, a_waterfall, an_incident

S = 1_000_000_000
MIDNIGHT = 1_700_006_400 * S
LATER = MIDNIGHT + 5 * DAY_NS
RAN_S = 60 + 4 + 10
"""A minute, then a run that was killed 4 s after its start, and at once the next, of 10 s."""


def a_closed_pair(id: int, run_id: int, decided_ns: int, closed_ns: int) -> list[AnyRecord]:
    opportunity = a_traded_opportunity(
        id, run_id=run_id, opened_ns=decided_ns, best_ns=decided_ns, closed_ns=decided_ns
    )
    pair = a_pair(id, PairState.COMPLETED, run_id=run_id, opportunity_id=id, decided_ns=decided_ns, closed_ns=closed_ns)
    done = {"residual_mark": D(100), "mark_ns": closed_ns, "waterfall": a_waterfall(), "exposure_quote_s": D(3)}
    return [opportunity, type(pair)(**{name: getattr(pair, name) for name in pair.__struct_fields__} | done)]


def the_rows() -> list[AnyRecord]:
    """Return the rows of three runs within five days; the last pair of the killed one was closed by the next."""
    return [
        a_run(1, started_ns=MIDNIGHT, ended_ns=MIDNIGHT + 60 * S, exit_code=0),
        *a_closed_pair(1, 1, MIDNIGHT + 20 * S, MIDNIGHT + 21 * S),
        *a_closed_pair(2, 1, MIDNIGHT + 50 * S, MIDNIGHT + 51 * S),
        a_run(2, started_ns=LATER),
        a_balance(1, run_id=2, ns=LATER + 2 * S),
        an_incident(1, run_id=2, ns=LATER + 4 * S),
        *a_closed_pair(3, 2, LATER + 3 * S, LATER + 3602 * S),
        a_run(3, started_ns=LATER + 3600 * S, ended_ns=LATER + 3610 * S, exit_code=0),
        *a_closed_pair(4, 3, LATER + 3608 * S, LATER + 3609 * S),
    ]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    sqlite = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    fill_ledger(url, the_rows())
    return url


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    fill_ledger(url, the_rows())
    return Sources(url)


def test_the_report_adds_up_the_runs_and_a_killed_one_ends_at_its_last_row(url: str) -> None:
    report = summarise(Sources(url))
    assert report["run_seconds"] == RAN_S
    assert {row["run_id"]: (row["until_ns"] - row["started_ns"]) // S for row in report["runs"]} == {1: 60, 2: 4, 3: 10}
    assert [(row["day_utc"], row["run_seconds"]) for row in report["days"]] == [("2023-11-15", 60), ("2023-11-20", 14)]


def test_the_status_of_a_killed_run_says_how_long_it_lasted(url: str) -> None:
    runs = [read_sums(url, Selection(run_id=run_id)).runs[0] for run_id in (1, 2, 3)]
    assert [run["until_ns"] - run["started_ns"] for run in runs] == [60 * S, 4 * S, 10 * S]


def test_no_run_lasts_beyond_the_start_of_the_next(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    ahead = an_incident(1, run_id=1, ns=MIDNIGHT + 90 * S)
    fill_ledger(url, [a_run(1, started_ns=MIDNIGHT), a_run(2, started_ns=MIDNIGHT + 60 * S), ahead])
    assert summarise(Sources(url))["run_seconds"] == 60


def test_what_is_before_the_time_asked_for_is_not_counted(url: str) -> None:
    assert run_ns(Sources(url, Selection(since_ns=MIDNIGHT + 45 * S)).runs) == (RAN_S - 45) * S


def test_the_title_says_how_long_was_traded_and_over_which_time(sources: Sources) -> None:
    assert "by 4 pairs in 74 s of trading, over 5 days" in figures.earnings(sources.trades, sources.runs)["finding"]


def test_a_title_of_a_run_without_a_gap_names_one_time(sources: Sources) -> None:
    whole = {"run_id": np.array([1]), "started_ns": np.array([MIDNIGHT]), "until_ns": np.array([LATER + 3 * S])}
    assert "by 4 pairs in 5 days:" in figures.earnings(sources.trades, whole)["finding"]


def test_a_level_ends_with_a_stretch_and_goes_on_with_the_next_at_the_level_it_had(sources: Sources) -> None:
    found = figures.exposure(sources.trades, sources.runs)
    (first, second, third), line = found["stretches"], found["line"]
    assert (first[1], second[0], third[0]) == (MIDNIGHT + 60 * S, LATER, LATER + 3600 * S)
    by_stretch = [[value for ns, value in line if begin <= ns <= end] for begin, end in found["stretches"]]
    assert by_stretch == [[3, 6, 6], [6, 6], [6, 9, 12, 12]]
    assert sum(map(len, by_stretch)) == len(line), "no point lies where nothing ran"


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, 2000), st.floats(-1e6, 1e6)), min_size=1, max_size=60),
)
def test_a_level_has_points_in_order_in_stretches_alone_and_its_last_value(
    steps: list[tuple[int, int]], rows: list[tuple[int, float]]
) -> None:
    ran, at = [], 0
    for pause, length in steps:
        ran.append((at + pause + 1, at + pause + 1 + length))
        at = ran[-1][1]
    rows.sort()
    ns, values = (np.array(column) for column in zip(*rows, strict=True))
    points = figures.level(ns, values, ran)
    assert [point[0] for point in points] == sorted(point[0] for point in points)
    assert all(any(begin <= at_ns <= end for begin, end in ran) for at_ns, _ in points)
    seen = values[ns <= ran[-1][1]]
    assert not len(seen) or points[-1] == [ran[-1][1], pytest.approx(seen[-1], rel=1e-6)]


def test_gaps_too_small_to_be_seen_are_not_drawn() -> None:
    begins = MIDNIGHT + np.arange(5000) * 60 * S
    runs = {"run_id": np.arange(5000), "started_ns": begins, "until_ns": begins + 59 * S}
    assert stretches(runs, MIDNIGHT, int(begins[-1])) == [(MIDNIGHT, int(begins[-1]))]


def test_of_very_many_gaps_the_longest_are_drawn() -> None:
    lengths = np.arange(1, 1001) * 60 * S  # of the gaps; each run lasts a minute
    begins = MIDNIGHT + np.cumsum(lengths + 60 * S)
    runs = {"run_id": np.arange(1000), "started_ns": begins, "until_ns": begins + 60 * S}
    found = stretches(runs, int(begins[0]), int(begins[-1]) + 60 * S, most=10)
    assert len(found) == 11
    assert min(begin - end for (_, end), (begin, _) in pairwise(found)) == 991 * 60 * S


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1, max_size=30), st.integers(2, 60))
def test_spans_cover_all_that_ran_and_nothing_else(steps: list[tuple[int, int]], most: int) -> None:
    ran, at = [], MIDNIGHT
    for pause_ms, length_ms in steps:
        ran.append((at + (pause_ms + 1) * 10**6, at + (pause_ms + 1 + length_ms) * 10**6))
        at = ran[-1][1]
    step_ns, spans = traded_slots(ran, most=most)
    assert sum(end - begin for begin, end in spans) == sum(end - begin for begin, end in ran)
    assert all(0 <= end - begin <= step_ns for begin, end in spans)
    assert all(any(start <= begin and end <= stop for start, stop in ran) for begin, end in spans)


def test_a_span_of_earnings_is_a_span_of_trading(sources: Sources) -> None:
    """Four pairs in 74 s of trading over five days: spans are of seconds, and those in which nothing ran are none."""
    finding = figures.pnl(sources.trades, sources.runs)["finding"]
    assert finding.startswith("4 of 27 spans of 2 s earned"), finding
