"""The report as one page: figures and tables in a single file that needs nothing else, on light ground and on dark.

No font, no picture, nothing from outside, and the page's own policy forbids the browser to load any; the same ledger gives
the same page. A script in it reads values off figures and stretches them; without it (`--static`, or where scripts are
off) all stands there all the same. Figures are aggregated before they are drawn, so that the page of a million opportunities is
no larger than that of a thousand. Needs matplotlib (the extra `notebooks`).
"""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from arb.clock import utc_text
from arb.view.report import page_tables, plots
from arb.view.report.brief import brief
from arb.view.report.style import DARK, LIGHT, Sheet, painted, to_svg
from arb.view.report.summary import Sources, summarise
from arb.view.report.svg import classed, digest
from arb.view.report.text import Html, count, drawn, element, money, number, percent, span


def _palette(shades: dict[str, str]) -> str:
    return " ".join(f"--{name}: {shade};" for name, shade in shades.items())


SHADES = f""":root {{ color-scheme: light dark; {_palette(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_palette(DARK)} }} }}
@media print {{ :root {{ {_palette(LIGHT)} }} }}
"""


def render(sources: Sources, *, static: bool = False) -> str:
    """Return the whole page; `static`: without the script."""
    facts = summarise(sources)
    quotes = _quotes(sources)
    sections = [_section(title, blocks, quotes, live=not static) for title, blocks in _contents(sources, facts)]
    title = f"{facts['note'].partition(':')[0]} trade report" if "note" in facts else "Trade report"
    top = element(
        "header",
        element("h1", title),
        _source(sources, facts),
        _brief(facts, quotes),
        *(_tiles(sources, facts, quote) for quote in quotes),
    )
    links = element("nav", *(element("a", name, href=f"#{_anchor(name)}") for name, _ in _contents(sources, facts)))
    foot = element(
        "footer",
        "Nets are after every fee really charged. Figures round; the waterfall and the ledger are exact to 1e-8 of the "
        "quote. All times are UTC.",
    )
    body, looks = classed(element("body", top, links, element("main", *sections), foot))
    script = "" if static else _kept("page.js")
    page = element(
        "html", _head(f"{title}: {sources.db}", SHADES + _kept("page.css") + looks, script), Html(body), lang="en"
    )
    return f"<!doctype html>\n{page}\n"


def _head(title: str, styles: str, script: str) -> Html:
    """Return the head: what the page may do, and nothing else, is the one style sheet and the one script in it."""
    policy = f"default-src 'none'; style-src {digest(styles)}; base-uri 'none'; form-action 'none'"
    if script:
        policy += f"; script-src {digest(script)}"
    return element(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Html(styles)),
        *([element("script", Html(script), type="module")] if script else []),
    )


@cache
def _kept(name: str) -> str:
    """Return a file that lies beside this module."""
    return resources.files("arb.view.report").joinpath(name).read_text(encoding="utf-8")


def _brief(facts: dict[str, Any], quotes: list[str]) -> Html:
    """Return what a person may copy and send on: one click marks all of it, without a script."""
    return element("div", *(element("p", sentence) for sentence in brief(facts, quotes)), class_="brief")


def _contents(sources: Sources, facts: dict[str, Any]) -> list[tuple[str, Callable[[str], list[Html | Sheet]]]]:
    """Return the sections: each a title, and what stands under it for one quote."""
    trades, legs, episodes, runs = sources.trades, sources.legs, sources.episodes, sources.runs
    show = page_tables
    return [
        (
            "What was earned",
            lambda quote: [
                plots.earnings(trades, runs, quote),
                plots.waterfall(trades, quote),
                show.waterfall(facts, quote),
                plots.pnl(trades, runs, quote),
                show.days(facts, quote),
            ],
        ),
        (
            "Where",
            lambda quote: [
                plots.places(trades, quote),
                show.venue_pairs(facts, quote),
                show.unproved(facts, quote),
                plots.pair_results(trades, quote),
            ],
        ),
        (
            "Opportunities",
            lambda quote: [
                *_sampled("How long edges live, how large they are and when", sources.episodes_every),
                plots.lifetimes(episodes, legs, quote),
                plots.edges(episodes, quote),
                plots.on_offer(episodes, runs, quote),
                plots.reasons(sources.sums.offers, quote),
                show.reasons(facts, quote),
                plots.thresholds(trades, sources.sums.offers, quote),
                show.thresholds(facts, quote),
            ],
        ),
        (
            "Execution",
            lambda quote: [
                *_sampled("Waits and slippage of pairs", sources.legs_every),
                plots.waits(legs, quote),
                show.waits(facts),
                plots.slippage(legs, quote),
                plots.leg_skew(trades, quote),
                plots.short_legs(legs, trades, quote),
            ],
        ),
        (
            "Inventory and exposure",
            lambda quote: [
                plots.inventory(sources.executions, runs, quote),
                plots.exposure(trades, runs, quote),
            ],
        ),
        ("Venues, fees and balances", lambda _: [show.execution(facts), show.fees(facts), show.moved(facts)]),
        ("Incidents and runs", lambda _: [show.incidents(facts), show.latest_incidents(facts), show.runs(facts)]),
    ]


WHOLE = ("Venues, fees and balances", "Incidents and runs")
"""Sections that show all quotes at once."""


def _section(title: str, blocks: Callable[[str], list[Html | Sheet]], quotes: list[str], *, live: bool) -> Html:
    parts: list[Html] = [element("h2", title)]
    for quote in quotes[:1] if title in WHOLE else quotes:
        if len(quotes) > 1 and title not in WHOLE:
            parts.append(element("h3", f"in {quote}"))
        shown = [_figure(block, live=live) if isinstance(block, Sheet) else block for block in blocks(quote)]
        parts += dict.fromkeys(shown)  # what is said of nothing is said once
    return element("section", *parts, id=_anchor(title))


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-").replace(",", "")


def _figure(figure: Sheet, *, live: bool) -> Html:
    if figure.empty:
        return element("p", figure.finding, class_="none")
    drawing = drawn(painted(to_svg(figure, headline=False, live=live)))
    return element(
        "figure",
        element("figcaption", figure.finding),
        element("div", drawing, class_="wide", role="img", aria_label=figure.finding),
    )


def _quotes(sources: Sources) -> list[str]:
    """Return the quotes of the ledger, the one with most pairs first; of an empty ledger a nameless one."""
    seen: Counter[str] = Counter()
    for name, times in zip(sources.sums.offers["quote"], sources.sums.offers["opportunities"].tolist(), strict=True):
        seen[str(name)] += times
    pairs = Counter(map(str, sources.trades["quote"]))
    return sorted(seen.keys() | pairs.keys(), key=lambda name: (-pairs[name], -seen[name], name)) or [""]


def _sampled(what: str, every: int) -> list[Html]:
    """Say that figures are of a sample, where they are."""
    return [element("p", f"{what}: measured on one in {every}.")] if every > 1 else []


def _source(sources: Sources, facts: dict[str, Any]) -> Html:
    runs = facts["runs"]
    modes = sorted({str(run["mode"]) for run in runs})
    words = [str(facts["db"]), f"{count(len(runs), 'run')} ({', '.join(modes)})" if runs else "no run yet"]
    if facts["from_ns"] is not None:
        words.append(f"{utc_text(facts['from_ns'])[:-4]} to {utc_text(facts['to_ns'])[:-4]} UTC")
        words.append(f"{span(1000 * float(facts['run_seconds']))} of trading")
    if sources.selection:
        words.append(f"only what is {sources.selection}")
    words += [facts["note"]] if "note" in facts else []
    return element("p", " \N{MIDDLE DOT} ".join(words), class_="source")


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
