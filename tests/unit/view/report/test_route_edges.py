"""Edges of routes over time: each opportunity at its instant, our pairs at theirs, compared with plain loops over the rows."""

from collections import Counter

import numpy as np

from arb.view.report.figures_routes import ROUTES_SHOWN, route_edges
from arb.view.report.summary import Sources


def test_each_route_has_its_opportunities_and_its_pairs_and_no_others(sources: Sources) -> None:
    episodes, trades = sources.episodes, sources.trades
    found = route_edges(episodes, trades, sources.runs, "USDT")
    seen: dict[str, list[tuple[int, float]]] = {}
    for n, quote in enumerate(episodes["quote"]):
        if quote == "USDT":
            name = (
                f"{episodes['symbol'][n]} {episodes['buy_venue'][n]} \N{RIGHTWARDS ARROW} {episodes['sell_venue'][n]}"
            )
            seen.setdefault(name, []).append((int(episodes["opened_ns"][n]), float(episodes["best_edge_bps"][n])))
    ours = Counter(
        f"{trades['symbol'][n]} {trades['buy_venue'][n]} \N{RIGHTWARDS ARROW} {trades['sell_venue'][n]}"
        for n, kind in enumerate(trades["kind"])
        if kind == "arb" and trades["quote"][n] == "USDT" and not np.isnan(trades["edge_bps"][n])
    )
    assert found["routes_in_all"] == len(seen) > ROUTES_SHOWN == len(found["routes"])
    numbers = [len(seen[row["route"]]) for row in found["routes"]]
    assert numbers == sorted(map(len, seen.values()), reverse=True)[:ROUTES_SHOWN]
    for row in found["routes"]:
        (opportunities, dots), *pairs = row["dots"].items()
        assert opportunities == f"opportunities: {len(seen[row['route']]):,}"
        assert sum(many for *_, many in dots) == len(seen[row["route"]])
        for ns, bps, _ in dots:
            assert any(abs(ns - at) < 1000 and abs(bps - of) < 1e-4 * (1 + of) for at, of in seen[row["route"]])
        assert sum(many for _, points in pairs for *_, many in points) == ours[row["route"]]
        assert [name for name, _ in pairs] == [f"our pairs: {ours[row['route']]:,}"] * bool(ours[row["route"]])
