"""Figures: each says what it found, names its units, and does not stumble over nothing, one row, or many."""

import itertools
import re
from collections.abc import Callable
from typing import Any
from xml.dom import minidom

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra `notebooks` is not installed")

from arb.view.report import page, plots
from arb.view.report.measure import crowded, slots, thinned
from arb.view.report.plots import Drawing
from arb.view.report.summary import Sources
from arb.view.report.text import amount, count, percent, span

Draw = Callable[[Sources], Drawing]
FIGURES: dict[str, Draw] = {
    "earnings": lambda s: plots.earnings(s.trades, s.runs),
    "waterfall": lambda s: plots.waterfall(s.trades),
    "places": lambda s: plots.places(s.trades),
    "pair_results": lambda s: plots.pair_results(s.trades),
    "pnl": lambda s: plots.pnl(s.trades, s.runs),
    "lifetimes": lambda s: plots.lifetimes(s.episodes, s.legs),
    "edges": lambda s: plots.edges(s.episodes),
    "on_offer": lambda s: plots.on_offer(s.episodes, s.runs),
    "route_edges": lambda s: plots.route_edges(s.episodes, s.trades, s.runs),
    "reasons": lambda s: plots.reasons(s.episodes),
    "thresholds": lambda s: plots.thresholds(s.trades, s.episodes),
    "waits": lambda s: plots.waits(s.legs),
    "slippage": lambda s: plots.slippage(s.legs),
    "leg_skew": lambda s: plots.leg_skew(s.trades),
    "short_legs": lambda s: plots.short_legs(s.legs, s.trades),
    "account_value": lambda s: plots.account_value(s.holdings, s.moves, s.trades, s.runs),
    "inventory": lambda s: plots.inventory(s.executions, s.runs),
    "exposure": lambda s: plots.exposure(s.trades, s.runs),
}
UNIT = re.compile(r"USDT|BTC|ETH|SOL|UTC|bps|%|\bms\b|logarithmic|pairs|opportunities")


def test_every_figure_of_the_page_is_one_of_the_notebooks_too() -> None:
    assert set(FIGURES) == {name for part in page.FIGURES.values() for name in part}


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_an_empty_ledger_is_told_in_words(draw: Draw, nothing: Sources) -> None:
    figure = draw(nothing)
    assert figure.empty
    assert re.search(r"^N(o|othing)\b", figure.finding)


def others(sources: Sources, known: dict[str, Any]) -> dict[str, Any]:
    return {"runs": sources.runs, "moves": known["executions"], "holdings": sources.holdings}


@pytest.fixture(scope="module")
def long(sources: Sources) -> Any:
    """Return a history of 30,000 rows of each kind, of which no two are quite alike."""
    rng = np.random.default_rng(5)
    many: dict[str, Any] = {}
    for name in ("trades", "legs", "episodes", "executions"):
        columns = getattr(sources, name)
        places = np.sort(rng.integers(0, len(columns["symbol"]), 30_000))
        many[name] = {column: values[places] for column, values in columns.items()}
        for column in ("best_edge_bps", "notional_quote", "slippage_bps", "expected_net_e8", "realised_net_e8"):
            if column in columns:
                spread = many[name][column] * rng.uniform(0.5, 2, len(places))
                many[name][column] = spread.astype(columns[column].dtype)
    return type("Long", (), many | others(sources, many))


@pytest.mark.thorough
@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_a_figure_states_a_number_and_names_the_unit_of_every_axis(draw: Draw, long: Any) -> None:
    figure = draw(long)
    assert not figure.empty
    assert re.search(r"\d", figure.finding)
    for axes in figure.axes:
        if axes.axison:
            assert UNIT.search(axes.get_xlabel() + axes.get_title()) or not axes.get_xlabel(), axes.get_xlabel()
            named = all(re.search(r"[A-Za-z]", label.get_text()) for label in axes.get_yticklabels()[:1])
            assert named or UNIT.search(axes.get_ylabel()), axes.get_ylabel()
    svg = figure._repr_svg_()
    minidom.parseString(svg)
    assert len(svg) < 200_000, "a notebook of a long history must not be larger"


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
def test_one_pair_alone_is_enough_to_draw(draw: Draw, sources: Sources) -> None:
    one = {
        name: {column: values[:1] for column, values in getattr(sources, name).items()}
        for name in ("trades", "legs", "episodes", "executions")
    }
    alone: Any = type("Alone", (), one | others(sources, one))
    minidom.parseString(draw(alone)._repr_svg_())


def test_a_figure_is_drawn_alike_each_time(sources: Sources) -> None:
    one, other = (plots.earnings(sources.trades, sources.runs)._repr_svg_() for _ in range(2))
    assert one == other


def test_the_waterfall_names_what_was_kept_and_what_cost_most(sources: Sources) -> None:
    mine = sources.trades["quote"] == "USDT"
    net = int(sources.trades["realised_net_e8"][mine].sum()) / 1e8
    expected = int(sources.trades["expected_net_e8"][mine].sum()) / 1e8
    finding = plots.waterfall(sources.trades, quote="USDT").finding
    assert finding.startswith(
        f"Of {amount(expected, 'USDT')} expected, {amount(net, 'USDT')} was kept: hedges and unwinds"
    )


def test_each_quote_is_told_of_apart(sources: Sources) -> None:
    assert "USDC" in plots.earnings(sources.trades, sources.runs, quote="USDC").finding
    assert (
        plots.earnings(sources.trades, sources.runs).finding
        == plots.earnings(sources.trades, sources.runs, quote="USDT").finding
    )


def test_the_inventory_shows_by_what_fills_changed_the_quote_and_the_bases_most_traded_first(sources: Sources) -> None:
    fills = {name: column[:4] for name, column in sources.executions.items()}
    for name, values in {
        "venue": ["gate", "okx", "gate", "gate"],
        "symbol": ["ETH/USDT", "BTC/USDT", "BTC/USDT", "BTC/USDC"],
        "side": ["buy", "sell", "buy", "buy"],
        "fee_currency": ["ETH", "USDT", "GT", "USDC"],
    }.items():
        fills[name] = np.array(values, dtype=object)
    fills |= {"price": np.array([2.0, 10.0, 8.0, 9.0]), "size": np.array([3.0, 1.0, 2.0, 5.0])}
    fills["fee"] = np.array([0.5, 0.25, 7.0, 0.0])

    figure = plots.inventory(fills, sources.runs)

    assert [each.get_title().replace(" all together", "") for each in figure.axes] == [
        f"USDT: {amount(-6.0 + 9.75 - 16.0)}",
        f"BTC: {amount(1.0)}",
        f"ETH: {amount(2.5)}",
    ]
    assert (
        plots.inventory(fills, sources.runs, quote="USDC").axes[0].get_title() == f"USDC: all together {amount(-45.0)}"
    )


def test_a_formula_in_a_name_is_a_name(sources: Sources) -> None:
    trades = dict(sources.trades)
    trades["symbol"] = np.array([r"$\frac{<b>&$"] * len(trades["id"]), dtype=object)
    svg = plots.places(trades)._repr_svg_()
    assert r"$\frac{&lt;b&gt;&amp;$" in svg
    minidom.parseString(svg)


def test_thinning_keeps_the_ends_and_the_extremes_of_a_line() -> None:
    line = np.sin(np.arange(50_000) / 700) * np.arange(50_000)
    line[-1] = line[-3:-1].mean()  # the end is no extreme
    kept = thinned(line)
    assert len(kept) <= 240
    assert {0, len(line) - 1, int(line.argmin()), int(line.argmax())} <= set(kept.tolist())


def test_crowded_points_stand_for_all_of_them() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 20_000))
    few_x, few_y, many = crowded(x, y)
    assert len(few_x) == len(few_y) <= 1600
    assert many.sum() == 20_000


@pytest.mark.parametrize("length_s", [0.5, 59, 3600, 86_400 * 3, 86_400 * 400, 86_400 * 3000])
def test_slots_cover_the_whole_span_and_are_few(length_s: float) -> None:
    first = 1_700_000_000_123_456_789
    last = first + int(length_s * 1e9)
    bounds = slots(first, last)
    assert bounds[0] <= first and last < bounds[-1]
    assert 2 <= len(bounds) <= 60
    assert len({end - begin for begin, end in itertools.pairwise(bounds)}) == 1


def test_numbers_in_words() -> None:
    assert [amount(value) for value in (1234.567, -0.5, 123_456.7, 0.00012, -0.0)] == [
        "1,234.57",
        "\N{MINUS SIGN}0.50",
        "123,457",
        "0.000120",
        "0.00",
    ]
    assert [span(value) for value in (0.0, 0.07, 3.14159, 120, 1500, 7_200_000, 864_000_000)] == [
        "under 1 \N{MICRO SIGN}s",
        "70 \N{MICRO SIGN}s",
        "3.1 ms",
        "120 ms",
        "1.5 s",
        "2 h",
        "10 days",
    ]
    assert (count(1, "pair"), count(1200, "opportunity"), percent(1, 0)) == ("1 pair", "1,200 opportunities", "")
