"""`arb markets`: a table of the symbols that several venues list, and the choice of those to trade."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import click

from arb.cli.answers import to_json
from arb.cli.shared import DEFAULT_CONFIG, DURATION, Given, sandbox_option, table_options, with_settings
from arb.clock import SystemClock
from arb.config import MarketsOptions
from arb.config.keys import list_keys
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError
from arb.logs import logging_to
from arb.market.numbers import plain
from arb.market.symbol import Symbol
from arb.venues.kit.endpoints import Credentials

EVERY_S, EVERY_MIN_S = 30, 5


@click.command("markets")
@click.option(
    "--min-venues",
    type=click.IntRange(2, 20),
    metavar="N",
    help="Listed at this many venues or more [default: [run.auto]].",
)
@click.option(
    "--top",
    type=click.IntRange(1, 5000),
    metavar="N",
    help="Show this many, the greatest volume first [default: [run.auto]].",
)
@click.option("--quote", metavar="ASSET", help="Priced in this [default: [run] report_currency].")
@click.option("--why", metavar="SYMBOL", help="Show one symbol in full, and the reasons not to trade it.")
@click.option(
    "--write", is_flag=True, help="Write the chosen symbols into [run] symbols of the settings; nothing else changes."
)
@click.option("--watch", is_flag=True, help="Keep running and print symbols newly listed, dropped, halted and resumed.")
@click.option(
    "--every",
    "every_s",
    type=DURATION,
    metavar="TIME",
    help=f"With --watch: how often to look, {EVERY_MIN_S} s apart at least [default: {EVERY_S} s].",
)
@click.option(
    "--for", "for_s", type=DURATION, metavar="TIME", help="With --watch: stop after this time [default: at a signal]."
)
@sandbox_option("Ask")
@table_options
@with_settings
def markets_command(given: Given, every_s: float | None, **asked: Any) -> int:
    """Show symbols that several venues list, and their edges.

    The table has each symbol that at least two enabled venues list. It shows the volume of 24 hours at the second
    busiest venue, book spreads, the smallest order, and whether the symbol is known to be one coin. The best edge is that
    now at the best quotes, net of both taker fees (`[paper.fees]`). Next to it are the wallets on its way, open or not,
    and the part of the last hour with an edge. No key is needed and nothing is traded; `[coins] keyed = true` uses
    existing keys, only for currency lists. The rules of `[run.auto]` choose the symbols worth trading; --write puts the
    choice into the settings. If a venue does not answer, it is named and the exit code is 3.
    """
    settings, wait_s = given.settings, EVERY_S if every_s is None else every_s
    options = MarketsOptions(config=given.config or DEFAULT_CONFIG, every_s=wait_s, **asked)
    if options.why is not None:
        _require_symbol(options.why)
    if sum((options.why is not None, options.write, options.watch)) > 1:
        raise ConfigError("--why shows one symbol, --write writes the choice, --watch keeps running: give one of them")
    if options.write and options.quote not in (None, settings.run.report_currency):
        raise ConfigError(
            f"--write: symbols priced in {options.quote}, and [run] report_currency is {settings.run.report_currency}: "
            "set that first"
        )
    if not options.watch and (every_s is not None or options.for_s is not None):
        raise ConfigError("--every and --for need a watch: add --watch, or omit them")
    if wait_s < EVERY_MIN_S:
        raise ConfigError(f"--every: each look asks a venue for some MB: give {EVERY_MIN_S}s at least")
    keys: dict[str, Credentials] = {}
    if options.sandbox is None:
        keys = list_keys(settings, given.key_places())
    from arb.app.markets import show_markets  # late: it loads the venues' libraries

    with logging_to(level="error"):
        if options.watch:
            return _watch(given, options, keys)
        document = show_markets(settings, options, keys)
    rows = list(map(_row, document.get("markets", ())))
    given.show(document if given.as_json else for_people(document), rows)
    return EXIT_CHECK if document["failed"] else EXIT_OK


def _watch(given: Given, options: MarketsOptions, keys: Mapping[str, Credentials]) -> int:
    """Show the markets, each change as a line, and the markets again at the end."""
    from arb.app.market_watch import watch_markets

    def on_document(document: dict[str, Any]) -> None:
        given.show(document if given.as_json else for_people(document))

    def on_news(news: dict[str, Any]) -> None:
        click.echo(to_json(news) if given.as_json else f"{news['at']} {news['text']}")

    watch_markets(given.settings, options, SystemClock(), on_document, on_news, keys)
    return EXIT_OK


def _require_symbol(text: str) -> None:
    try:
        Symbol.of(text)
    except ValueError as error:
        raise ConfigError(f"--why {error}") from None


def for_people(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as a table, with the facts common to all rows above it."""
    failed: dict[str, Any] = {}
    if document["currency_lists"]:
        failed["currency lists"] = document["currency_lists"]
    if document["failed"]:
        failed["not answered"] = list(document["failed"].values())
    if "markets" not in document:
        return _symbol(document) | failed
    wrote = {name: document[name] for name in ("written", "added", "dropped") if name in document}
    shown: dict[str, Any] = {
        "venues": ", ".join(f"{venue} ({count} listed)" for venue, count in document["venues"].items()),
        "taker fees": ", ".join(f"{venue} {_percent(fee)}" for venue, fee in document["taker_fees"].items()),
        f"common symbols in {document['quote']}": document["common"],
        "markets": [_row(row) for row in document["markets"]],
        "chosen by [run.auto]": len(document["chosen"]),
    }
    return shown | wrote | failed


def _symbol(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "symbol": document["symbol"],
        "chosen": "yes" if document["chosen"] else f"no: {document['against']}",
        "listed": [
            {"venue": venue, "as": row["native_symbol"], "open": "yes" if row["tradable"] else "no"}
            | {name: _number(row[name]) for name in ("bid", "ask", "volume_quote", "tick", "lot", "min_order_quote")}
            | {"spread_bps": _number(row["book_spread_bps"], 1), "fee": _percent(row["taker_fee"])}
            for venue, row in document["at"].items()
        ],
        "edges": [
            {
                "buy": edge["buy_venue"],
                "sell": edge["sell_venue"],
                "edge_bps": _number(edge["edge_bps"], 1),
                "size": _number(edge["size"]),
                "wallets": edge["wallets"],
            }
            for edge in document["edges"]
        ],
        "wallets": document["best_edge"]["refill"] if document["best_edge"] else "-",
        "coins": [line for lines in document["coins"] for line in lines] or "not asked: they are made up",
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return the largest spread, and smallest order, of any venue that lists the symbol; `edge_share_1h`: 0 to 1."""
    edge, at = row["best_edge"] or {}, row["at"]
    known = {
        name: [listed[name] for listed in at.values() if listed[name] is not None]
        for name in ("book_spread_bps", "min_order_quote")
    }
    return {
        "symbol": row["symbol"],
        "venues": ",".join(at),
        "best_edge_bps": edge.get("edge_bps"),
        "buy_venue": edge.get("buy_venue"),
        "sell_venue": edge.get("sell_venue"),
        "wallets": edge.get("wallets"),
        "coin": _verdict(row["identity"]),
        "chosen": row["chosen"],
        "volume_quote": row["volume_quote"],
        **{name: max(values, default=None) for name, values in known.items()},
        "edge_share_1h": row["edge_share_1h"],
    }


def _verdict(found: list[dict[str, Any]]) -> str:
    """Return the verdict that holds for all pairs of venues, or for how many of them the best verdict holds."""
    verdicts = [each["verdict"] for each in found if each["verdict"] is not None]
    if not verdicts:
        return "-"
    best = min(verdicts, key=["same", "unproved", "different"].index)
    count = verdicts.count(best)
    return best if count == len(verdicts) else f"{best} {count}/{len(verdicts)}"


def _number(value: Decimal | None, places: int | None = None) -> str:
    if value is None:
        return "-"
    return plain(value) if places is None else f"{value:.{places}f}"


def _percent(ratio: Decimal | None) -> str:
    return "-" if ratio is None else f"{plain(round(100 * ratio, 2))}%"
