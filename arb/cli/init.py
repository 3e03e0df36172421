"""`arb init`: from a few answers to a config.toml that starts."""

import sys
from pathlib import Path
from typing import Any

import click

from arb.cli.shared import DEFAULT_CONFIG, config_and_json, show
from arb.config.quotes import DOLLARS
from arb.config.values import read_amount
from arb.config.writing import Wanted, refuse_wrong, regions_of, write_starter
from arb.errors import EXIT_OK, ConfigError
from arb.market.symbol import Symbol
from arb.venues.registry import TRADED


@click.command("init")
@click.option(
    "--venues", metavar="NAME,NAME", help="The venues to trade at, two at least [default: asked in a terminal]."
)
@click.option(
    "--symbols", metavar="BASE/QUOTE,...", help="The symbols to trade, of one quote [default: asked in a terminal]."
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="VENUE=REGION",
    help="Where an account is, as in okx=eea [default: global].",
)
@click.option(
    "--max-notional",
    metavar="AMOUNT",
    help="The most one pair may pay, in the quote of the symbols; other limits scale with it. Needed unless that is a dollar.",
)
@config_and_json
def init_command(
    venues: str | None,
    symbols: str | None,
    regions: tuple[str, ...],
    max_notional: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Write a commented config.toml, for paper trading.

    In a terminal it asks for venues, regions and symbols; elsewhere give them as options. An existing file is never
    overwritten; only this user can read the new one. `arb doctor` then checks the machine and the venues, and `arb run`
    trades on their real books, with simulated orders and without a key.
    """
    path = config or DEFAULT_CONFIG
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path}: exists already, and is not written over: name another with --config PATH")
    asks = sys.stdin.isatty() and not as_json
    wanted = _wanted(venues, symbols, regions, max_notional, asks=asks)
    settings = write_starter(path, wanted)
    quotes = {Symbol.of(symbol).quote for symbol in wanted.symbols}
    from arb.app.doctor.checks import Result, check_quote

    notes = [check_quote(venue, settings.venues.site(venue).region, quotes) for venue in wanted.venues]
    where = "" if path == DEFAULT_CONFIG else f" --config {path}"
    document: dict[str, Any] = {
        "config": str(path),
        "venues": list(wanted.venues),
        "symbols": list(wanted.symbols),
        "notes": [f"{note.about}: {note.found}: {note.remedy}" for note in notes if note.result is not Result.PASS],
        "next": [f"arb doctor{where}", f"arb run{where}"],
    }
    show(document, as_json=as_json)
    return EXIT_OK


def _wanted(
    venues: str | None, symbols: str | None, regions: tuple[str, ...], max_notional: str | None, *, asks: bool
) -> Wanted:
    """Return the choices from the options, else from the user's answers; raises `ConfigError` for a choice in neither."""
    known = ",".join(spec.name for spec in TRADED)
    chosen = _list(_answer("--venues", "Venues to trade at", venues, known, asks=asks))
    found = dict(_region(text) for text in regions)
    traded = _list(_answer("--symbols", "Symbols", symbols, "BTC/USDT,ETH/USDT", asks=asks))
    wanted = Wanted(venues=chosen, symbols=traded, regions=found)
    refuse_wrong(wanted)
    if asks and not regions:
        several = {venue: known_regions for venue in chosen if len(known_regions := regions_of(venue)) > 1}
        found = {
            venue: click.prompt(
                f"Region of the account at {venue}", default=known_regions[0], type=click.Choice(known_regions)
            )
            for venue, known_regions in several.items()
        }
    most = None
    if max_notional is not None or wanted.quote not in DOLLARS:
        text = _answer(
            "--max-notional", f"The most one pair may pay, in {wanted.quote}", max_notional, "0.02", asks=asks
        )
        problem, most = read_amount(text)
        if problem:
            raise ConfigError(f"--max-notional {text}: {problem}")
    wanted = Wanted(venues=chosen, symbols=traded, regions=found, max_notional=most)
    refuse_wrong(wanted)
    return wanted


def _answer(option: str, question: str, given: str | None, proposed: str, *, asks: bool) -> str:
    if given is not None:
        return given
    if not asks:
        raise ConfigError(
            f"{option} is not given, and this is no terminal to ask in: write for example {option} {proposed}"
        )
    return str(click.prompt(question, default=proposed))


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))


def _region(text: str) -> tuple[str, str]:
    venue, sign, region = text.partition("=")
    if not (venue and sign and region):
        raise ConfigError(f"--region {text}: write VENUE=REGION, for example okx=eea")
    return venue, region
