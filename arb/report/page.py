"""The report as one page: figures and tables in a single file that needs nothing else, on light ground and on dark.

No script, no font, no picture from outside; the same ledger gives the same page. Figures are aggregated before they are
drawn, so that the page of a million opportunities is no larger than that of a thousand. Needs matplotlib (the extra
`notebooks`).
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from arb.report import page_tables, plots
from arb.report.markup import Html, element, joined, money, number
from arb.report.page_style import CSS
from arb.report.style import Sheet, painted, to_svg
from arb.report.summary import Sources, summarise
from arb.report.wording import count, percent

Block = tuple[str, Callable[[str], Iterator[Html]]]


def render(sources: Sources) -> str:
    """Return the whole page."""
    facts = summarise(sources)
    quotes = _quotes(sources)
    sections = [_section(title, blocks, quotes) for title, blocks in _contents(sources, facts)]
    title = "Trade report"
    head = joined(
        [
            Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            element("title", f"{title}: {sources.db}"),
            element("style", Html(CSS)),
        ]
    )
    top = element("header", element("h1", title), _told(facts), *(_tiles(sources, facts, quote) for quote in quotes))
    links = element("nav", *(element("a", name, href=f"#{_anchor(name)}") for name, _ in _contents(sources, facts)))
    foot = element(
        "footer",
        "Nets are after every fee really charged. Figures round; the waterfall and the ledger are exact to 1e-8 of the "
        "quote. All times are UTC.",
    )
    page = element(
        "html", element("head", head), element("body", top, links, element("main", *sections), foot), lang="en"
    )
    return f"<!doctype html>\n{page}\n"


def _contents(sources: Sources, facts: dict[str, Any]) -> list[tuple[str, Callable[[str], list[Html]]]]:
    """Return the sections: each a title, and what stands under it for one quote."""
    trades, legs, episodes = sources.trades, sources.legs, sources.episodes
    show = page_tables
    return [
        (
            "What was earned",
            lambda quote: [
                _figure(plots.earnings(trades, quote)),
                _figure(plots.waterfall(trades, quote)),
                show.waterfall(facts, quote),
                _figure(plots.pnl(trades, quote)),
                show.days(facts, quote),
            ],
        ),
        (
            "Where",
            lambda quote: [
                _figure(plots.places(trades, quote)),
                show.venue_pairs(facts, quote),
                _figure(plots.pair_results(trades, quote)),
            ],
        ),
        (
            "Opportunities",
            lambda quote: [
                _figure(plots.lifetimes(episodes, legs, quote)),
                _figure(plots.edges(episodes, quote)),
                _figure(plots.on_offer(episodes, quote)),
                _figure(plots.reasons(episodes, quote)),
                show.reasons(facts, quote),
                _figure(plots.thresholds(trades, episodes, quote)),
                show.thresholds(facts, quote),
            ],
        ),
        (
            "Execution",
            lambda quote: [
                _figure(plots.waits(legs, quote)),
                show.waits(facts),
                _figure(plots.slippage(legs, quote)),
                _figure(plots.leg_skew(trades, quote)),
                _figure(plots.short_legs(legs, trades, quote)),
            ],
        ),
        (
            "Inventory and exposure",
            lambda quote: [
                _figure(plots.inventory(sources.executions, quote)),
                _figure(plots.exposure(trades, quote)),
            ],
        ),
        ("Venues, fees and balances", lambda _: [show.execution(facts), show.fees(facts), show.moved(facts)]),
        ("Incidents and runs", lambda _: [show.incidents(facts), show.latest_incidents(facts), show.runs(facts)]),
    ]


WHOLE = ("Venues, fees and balances", "Incidents and runs")
"""Sections that tell of all quotes at once."""


def _section(title: str, blocks: Callable[[str], list[Html]], quotes: list[str]) -> Html:
    parts: list[Html] = [element("h2", title)]
    for quote in quotes[:1] if title in WHOLE else quotes:
        if len(quotes) > 1 and title not in WHOLE:
            parts.append(element("h3", f"in {quote}"))
        parts += dict.fromkeys(blocks(quote))  # what is said of nothing is said once
    return element("section", *parts, id=_anchor(title))


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-").replace(",", "")


def _figure(figure: Sheet) -> Html:
    if figure.empty:
        return element("p", figure.finding, class_="none")
    drawing = Html(painted(to_svg(figure, headline=False)))
    return element(
        "figure",
        element("figcaption", figure.finding),
        element("div", drawing, class_="wide", role="img", aria_label=figure.finding),
    )


def _quotes(sources: Sources) -> list[str]:
    """Return the quotes of the ledger, the one with most pairs first; of an empty ledger a nameless one."""
    names = [*sources.trades["quote"], *sources.episodes["quote"]]
    known, counts = np.unique(np.array(names, dtype=str), return_counts=True)
    order = sorted(
        zip(known, counts, strict=True), key=lambda each: (-int((sources.trades["quote"] == each[0]).sum()), -each[1])
    )
    return [str(name) for name, _ in order] or [""]


def _told(facts: dict[str, Any]) -> Html:
    runs = facts["runs"]
    modes = sorted({str(run["mode"]) for run in runs})
    words = [str(facts["db"]), f"{count(len(runs), 'run')} ({', '.join(modes)})" if runs else "no run yet"]
    if facts["from_ns"] is not None:
        words.append(f"{_instant(facts['from_ns'])} to {_instant(facts['to_ns'])} UTC")
    return element("p", " \N{MIDDLE DOT} ".join(words), class_="told")


def _instant(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _tiles(sources: Sources, facts: dict[str, Any], quote: str) -> Html:
    """Return the few numbers a person looks for first."""
    mine = sources.trades["quote"] == quote
    won = int((sources.trades["realised_net_e8"][mine] > 0).sum())
    finished = int(mine.sum())
    kept = facts["kept_percent"].get(quote)
    exposed = facts["exposure_quote_s"].get(quote, Decimal(0))
    serious = sum(row["incidents"] for row in facts["incidents"] if row["severity"] == "critical")
    everything = sum(row["incidents"] for row in facts["incidents"])
    net = facts["net"].get(quote, Decimal(0))
    first = quote == _quotes(sources)[0]
    tiles = [
        (number(_short(net)), f"net, {quote}" if quote else "net", "loss" if net < 0 else "gain" if net else ""),
        ("\N{EN DASH}" if kept is None else f"{number(kept)} %", "of the expected kept", ""),
        (number(finished), "finished pairs", ""),
        (percent(won, finished) or "\N{EN DASH}", "of pairs earned", ""),
        (
            number(_short(facts["fees_in_quote"].get(quote, Decimal(0)))),
            f"fees paid, {quote}" if quote else "fees paid",
            "",
        ),
        (number(money(exposed, 0)), f"{quote}\N{MIDDLE DOT}s unhedged" if quote else "unhedged", ""),
    ]
    if first:  # they belong to no quote
        tiles.append((number(everything), f"incidents, {serious:,} critical", "loss" if serious else ""))
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value, class_=kind)) for value, name, kind in tiles)
    )


def _short(value: Decimal) -> Decimal:
    """Return a sum with no more digits than a tile has room for."""
    return money(value, 0 if abs(value) >= 10_000 else 2)
