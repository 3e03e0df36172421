"""Time in which nothing ran is no time traded: not in sums, not in titles, and a gap in every figure over time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra `notebooks` is not installed")

from arb.core.commands import AnyRecord
from arb.core.records import PairState
from arb.report import plots
from arb.report.measure import run_ns, stretches
from arb.report.style import Sheet
from arb.report.summary import Sources, read_sources, summarise
from arb.store.queries import LedgerReader
from arb.store.selection import Selection
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
    return read_sources(url)


def test_the_report_adds_up_the_runs_and_a_killed_one_ends_at_its_last_row(url: str) -> None:
    report = summarise(read_sources(url))
    assert report["run_seconds"] == RAN_S
    assert {row["run_id"]: (row["until_ns"] - row["started_ns"]) // S for row in report["runs"]} == {1: 60, 2: 4, 3: 10}
    assert [(row["day_utc"], row["run_seconds"]) for row in report["days"]] == [("2023-11-15", 60), ("2023-11-20", 14)]


def test_the_status_of_a_killed_run_says_how_long_it_lasted(url: str) -> None:
    assert [LedgerReader(url).totals(run_id).run_ns for run_id in (1, 2, 3)] == [60 * S, 4 * S, 10 * S]


def test_no_run_lasts_beyond_the_start_of_the_next(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    ahead = an_incident(1, run_id=1, ns=MIDNIGHT + 90 * S)
    fill_ledger(url, [a_run(1, started_ns=MIDNIGHT), a_run(2, started_ns=MIDNIGHT + 60 * S), ahead])
    assert summarise(read_sources(url))["run_seconds"] == 60


def test_what_is_before_the_time_asked_for_is_not_counted(url: str) -> None:
    assert run_ns(read_sources(url, Selection(since_ns=MIDNIGHT + 45 * S)).runs) == (RAN_S - 45) * S


def test_the_title_says_how_long_was_traded_and_over_which_time(sources: Sources) -> None:
    assert "by 4 pairs in 74 s of trading, over 5 days" in plots.earnings(sources.trades, sources.runs).finding


def test_a_title_of_a_run_without_a_gap_names_one_time(sources: Sources) -> None:
    whole = {"run_id": np.array([1]), "started_ns": np.array([MIDNIGHT]), "until_ns": np.array([LATER + 3 * S])}
    assert "by 4 pairs in 5 days:" in plots.earnings(sources.trades, whole).finding


def drawn_in_gap(figure: Sheet) -> list[float]:
    """Return the instants at which some line of a figure is drawn through the five days in which nothing ran."""
    begin, end = (np.datetime64(ns, "ns") for ns in (MIDNIGHT + 61 * S, LATER - S))
    through = []
    for axes in figure.axes:
        for line in axes.get_lines():
            x, y = np.asarray(line.get_xdata(orig=True)), np.asarray(line.get_ydata(orig=True), dtype=float)
            if x.dtype.kind == "M":
                ends = zip(x, x[1:], y, y[1:], strict=False)
                through += [a for a, b, low, high in ends if a < end and b > begin and not np.isnan([low, high]).any()]
    return through


@pytest.mark.parametrize("name", ["earnings", "pnl", "exposure"])
def test_a_figure_over_time_draws_nothing_through_a_gap_and_says_so(name: str, sources: Sources) -> None:
    figure = getattr(plots, name)(sources.trades, sources.runs)
    assert not drawn_in_gap(figure)
    assert any("shaded: nothing ran" in axes.get_xlabel() for axes in figure.axes)


def test_a_line_goes_on_after_a_gap_at_the_level_it_had(sources: Sources) -> None:
    (line,) = plots.exposure(sources.trades, sources.runs).axes[0].get_lines()
    levels = np.asarray(line.get_ydata(orig=True), dtype=float)
    assert levels[~np.isnan(levels)].tolist() == [3, 6, 6, 6, 9, 12, 12]


def test_gaps_too_small_to_be_seen_are_not_drawn() -> None:
    begins = MIDNIGHT + np.arange(5000) * 60 * S
    runs = {"run_id": np.arange(5000), "started_ns": begins, "until_ns": begins + 59 * S}
    assert stretches(runs, MIDNIGHT, int(begins[-1])) == [(MIDNIGHT, int(begins[-1]))]


def test_spans_in_which_nothing_ran_are_not_among_those_that_did_not_earn(sources: Sources) -> None:
    assert plots.pnl(sources.trades, sources.runs).finding.startswith("2 of 2 spans of 4 h earned")
