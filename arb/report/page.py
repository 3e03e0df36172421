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
from arb.report.style import DARK, LIGHT, Sheet, painted, to_svg
from arb.report.summary import Sources, summarise
from arb.report.text import Html, count, drawn, element, joined, money, number, percent, span


def _palette(shades: dict[str, str]) -> str:
    return " ".join(f"--{name}: {shade};" for name, shade in shades.items())


CSS = f"""
:root {{ color-scheme: light dark; {_palette(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_palette(DARK)} }} }}
@media print {{ :root {{ {_palette(LIGHT)} }} nav {{ display: none }} figure, tr {{ break-inside: avoid }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--surface); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }}
h1 {{ margin: 0; font-size: 1.7rem; letter-spacing: -0.01em }}
h2 {{ margin: 3.25rem 0 1rem; padding-top: 0.9rem; border-top: 1px solid var(--grid); font-size: 1.3rem }}
section:first-child h2 {{ margin-top: 1.4rem }}
h3 {{ margin: 2rem 0 0.5rem; font-size: 1rem }}
.source {{ margin: 0.25rem 0 1.5rem; color: var(--muted); overflow-wrap: anywhere }}
dl {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(7.4rem, 1fr)); gap: 0.6rem; margin: 0 0 1rem }}
dl div {{ padding: 0.7rem 0.8rem; border: 1px solid var(--grid); border-radius: 8px; display: flex;
  flex-direction: column-reverse; justify-content: flex-end }}
dt {{ color: var(--muted); font-size: 0.8rem; line-height: 1.3 }}
dd {{ margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap }}
dd.gain {{ color: var(--gain) }}
dd.loss {{ color: var(--loss) }}
nav {{ position: sticky; top: 0; z-index: 1; display: flex; gap: 1.1rem; margin: 0 -0.25rem; padding: 0.6rem 0.25rem;
  overflow-x: auto; white-space: nowrap; background: var(--surface); font-size: 0.87rem }}
a {{ color: var(--gain); text-decoration: none }}
a:hover {{ text-decoration: underline }}
section {{ scroll-margin-top: 2rem }}
figure {{ margin: 1.9rem 0 }}
figcaption {{ margin-bottom: 0.35rem; font-weight: 600; font-size: 1.02rem; line-height: 1.35; text-wrap: balance }}
.wide {{ overflow-x: auto }}
svg {{ display: block; width: 100%; min-width: 36rem; height: auto; color: var(--ink) }}
details {{ margin: 1.1rem 0 1.6rem }}
summary {{ cursor: pointer; color: var(--muted); font-size: 0.9rem }}
table {{ width: 100%; margin-top: 0.35rem; border-collapse: collapse; font-size: 0.85rem;
  font-variant-numeric: tabular-nums }}
th {{ color: var(--muted); font-weight: 500; vertical-align: bottom }}
th, td {{ padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--grid); text-align: left }}
th:first-child, td:first-child {{ padding-left: 0 }}
th:last-child, td:last-child {{ padding-right: 0 }}
.number, td.loss {{ text-align: right }}
td:first-child, td.number, td.loss {{ white-space: nowrap }}
td.loss {{ color: var(--loss) }}
.none {{ margin: 1rem 0; color: var(--muted) }}
footer {{ margin-top: 3rem; padding-top: 0.8rem; border-top: 1px solid var(--grid); color: var(--muted);
  font-size: 0.85rem }}
"""


Block = tuple[str, Callable[[str], Iterator[Html]]]


def render(sources: Sources) -> str:
    """Return the whole page."""
    facts = summarise(sources)
    quotes = _quotes(sources)
    sections = [_section(title, blocks, quotes) for title, blocks in _contents(sources, facts)]
    title = f"{facts['note'].partition(':')[0]} trade report" if "note" in facts else "Trade report"
    head = joined(
        [
            Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            element("title", f"{title}: {sources.db}"),
            element("style", Html(CSS)),
        ]
    )
    top = element(
        "header", element("h1", title), _source(sources, facts), *(_tiles(sources, facts, quote) for quote in quotes)
    )
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
    trades, legs, episodes, runs = sources.trades, sources.legs, sources.episodes, sources.runs
    show = page_tables
    return [
        (
            "What was earned",
            lambda quote: [
                _figure(plots.earnings(trades, runs, quote)),
                _figure(plots.waterfall(trades, quote)),
                show.waterfall(facts, quote),
                _figure(plots.pnl(trades, runs, quote)),
                show.days(facts, quote),
            ],
        ),
        (
            "Where",
            lambda quote: [
                _figure(plots.places(trades, quote)),
                show.venue_pairs(facts, quote),
                show.unproved(facts, quote),
                _figure(plots.pair_results(trades, quote)),
            ],
        ),
        (
            "Opportunities",
            lambda quote: [
                _figure(plots.lifetimes(episodes, legs, quote)),
                _figure(plots.edges(episodes, quote)),
                _figure(plots.on_offer(episodes, runs, quote)),
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
                _figure(plots.inventory(sources.executions, runs, quote)),
                _figure(plots.exposure(trades, runs, quote)),
            ],
        ),
        ("Venues, fees and balances", lambda _: [show.execution(facts), show.fees(facts), show.moved(facts)]),
        ("Incidents and runs", lambda _: [show.incidents(facts), show.latest_incidents(facts), show.runs(facts)]),
    ]


WHOLE = ("Venues, fees and balances", "Incidents and runs")
"""Sections that show all quotes at once."""


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
    drawing = drawn(painted(to_svg(figure, headline=False)))
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


def _source(sources: Sources, facts: dict[str, Any]) -> Html:
    runs = facts["runs"]
    modes = sorted({str(run["mode"]) for run in runs})
    words = [str(facts["db"]), f"{count(len(runs), 'run')} ({', '.join(modes)})" if runs else "no run yet"]
    if facts["from_ns"] is not None:
        words.append(f"{_instant(facts['from_ns'])} to {_instant(facts['to_ns'])} UTC")
        words.append(f"{span(1000 * float(facts['run_seconds']))} of trading")
    if sources.selection:
        words.append(f"only what is {sources.selection}")
    words += [facts["note"]] if "note" in facts else []
    return element("p", " \N{MIDDLE DOT} ".join(words), class_="source")


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
