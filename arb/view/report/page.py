"""The report as one file: the page of `arb ui`, its scripts and styles inlined, with the answers that it would ask for.

It needs nothing else, and its own policy forbids the browser to load anything. Texts of a ledger lie in it as data that no
script runs, and stand on the page as texts.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from arb.clock import utc_text
from arb.documents import encoded
from arb.store.ledger.columns import Column
from arb.view.report import figures, figures_market, figures_routes, figures_value
from arb.view.report.figures import Figure, nothing
from arb.view.report.summary import Sources
from arb.view.report.text import count, span

Draw = Callable[[Sources, str | None], Figure]
FIGURES: dict[str, dict[str, Draw]] = {
    "earned": {
        "earnings": lambda of, quote: figures.earnings(of.trades, of.runs, quote),
        "waterfall": lambda of, quote: figures.waterfall(of.trades, quote),
        "pnl": lambda of, quote: figures.pnl(of.trades, of.runs, quote),
        "places": lambda of, quote: figures.places(of.trades, quote),
        "pair_results": lambda of, quote: figures.pair_results(of.trades, quote),
        "exposure": lambda of, quote: figures.exposure(of.trades, of.runs, quote),
    },
    "offered": {
        "route_edges": lambda of, quote: figures_routes.route_edges(of.episodes, of.trades, of.runs, quote),
        "lifetimes": lambda of, quote: figures_market.lifetimes(of.episodes, of.legs, quote),
        "edges": lambda of, quote: figures_market.edges(of.episodes, quote),
        "on_offer": lambda of, quote: figures_market.on_offer(of.episodes, of.runs, quote),
        "reasons": lambda of, quote: figures_market.reasons(of.offers, quote),
        "thresholds": lambda of, quote: figures_market.thresholds(of.trades, of.offers, quote),
    },
    "executed": {
        "waits": lambda of, quote: figures_market.waits(of.legs, quote),
        "slippage": lambda of, quote: figures_market.slippage(of.legs, quote),
        "leg_skew": lambda of, quote: figures_market.leg_skew(of.trades, quote),
        "short_legs": lambda of, quote: figures_market.short_legs(of.legs, of.trades, quote),
    },
    "moved": {
        "account_value": lambda of, quote: (
            figures_value.account_value(
                of.holdings, of.moves, of.trades, of.runs, quote, since_ns=of.selection.since_ns
            )
            if of.selection.takes_every_fill
            else nothing("No value of the account for a part of its fills: choose by time and venue only")
        ),
        "inventory": lambda of, quote: figures.inventory(of.executions, of.runs, quote),
    },
}
"""What each part of the page draws."""
ORDER = ("dom", "chart", "figures", "now", "books", "pages", "file")
"""The page's modules, each after those that it takes from."""
POLICY = "default-src 'none'; style-src {style}; script-src {scripts}; base-uri 'none'; form-action 'none'"


def drawn(sources: Sources, part: str) -> dict[str, Any]:
    """Return the figures of a part of the page, by quote, the one with most rows first."""
    quotes = _quotes(sources.offers["quote"] if part == "offered" else sources.trades["quote"]) or [""]
    found = {quote: {name: draw(sources, quote or None) for name, draw in FIGURES[part].items()} for quote in quotes}
    every = sources.episodes_every if part == "offered" else sources.legs_every if part == "executed" else 1
    return {"every": every, "quotes": found}


def _quotes(names: Column) -> list[str]:
    known, times = np.unique(np.asarray(names, dtype=str), return_counts=True)
    return [str(known[place]) for place in np.argsort(-times, kind="stable")]


def render(sources: Sources, answers: Mapping[str, Any]) -> str:
    """Return the whole page; `answers`, by the names by which it asks for them, among them `report`."""
    facts = answers["report"]
    title = f"{facts['note'].partition(':')[0]} trade report" if "note" in facts else "Trade report"
    styles = _static("vendor/uPlot-1.6.32.min.css") + _static("style.css")
    scripts = [_static("vendor/uPlot-1.6.32.min.js"), _bundle()]
    policy = POLICY.format(style=_digest(styles), scripts=" ".join(map(_digest, scripts)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{_text(title)}: {_text(sources.db)}</title><style>{styles}</style></head>\n"
        f'<body class="file"><header><h1>{_text(title)}</h1><p class="dim">{_text(_source(sources, facts))}</p></header>\n'
        f'<main id="main"><noscript><p>{"</p><p>".join(map(_text, facts["brief"]))}</p>'
        "<p>The figures and tables need scripts: this page runs its own alone, and loads nothing.</p></noscript></main>\n"
        f'<script type="application/json" id="answers">{embedded(answers)}</script>\n'
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body></html>\n"
    )


def embedded(answers: Mapping[str, Any]) -> str:
    """Return answers as JSON that no text in it can end: a browser looks for `</script` and `<!--` in any text."""
    return encoded(answers).decode().replace("<", "\\u003c")


def _source(sources: Sources, facts: Mapping[str, Any]) -> str:
    runs = facts["runs"]
    modes = sorted({str(run["mode"]) for run in runs})
    words = [sources.db, f"{count(len(runs), 'run')} ({', '.join(modes)})" if runs else "no run yet"]
    if facts["from_ns"] is not None:
        words.append(f"{utc_text(facts['from_ns'])[:-4]} to {utc_text(facts['to_ns'])[:-4]} UTC")
        words.append(f"{span(1000 * float(facts['run_seconds']))} of trading")
    words += [f"only what is {sources.selection}"] if sources.selection else []
    return " \N{MIDDLE DOT} ".join(words + ([facts["note"]] if "note" in facts else []))


def _text(text: str) -> str:
    """Return text as markup that shows it; a control character, which no HTML may hold, as a mark."""
    return escape(re.sub(r"[\x00-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", text))


def _static(name: str) -> str:
    return (files("arb.view.page") / "static").joinpath(*name.split("/")).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """Return the source expression of a policy that allows exactly this inlined text."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _bundle() -> str:
    """Return the page's modules as one script: from a file, a browser loads no module. Each is a function of its own."""
    return "\n".join(f"const {name}_js = (() => {{\n{_module(name)}}})();" for name in ORDER)


def _module(name: str) -> str:
    source = _static(f"{name}.js")
    exports = re.findall(r"^export (?:const|function|async function) (\w+)", source, re.MULTILINE)
    source = re.sub(r'^import (\{.*?\}) from "\./(\w+)\.js";$', r"const \1 = \2_js;", source, flags=re.MULTILINE)
    return re.sub(r"^export ", "", source, flags=re.MULTILINE) + f"return {{ {', '.join(exports)} }};\n"
