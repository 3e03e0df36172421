"""`arb init`: from a few answers to a config.toml that starts."""

import contextlib
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from arb.cli.shared import DEFAULT_CONFIG, config_and_json, folder_of, show
from arb.config import MarketsOptions, Mode, starter
from arb.config.keyring import SystemKeyring
from arb.config.keys import ALERT_URLS, KeyPlaces, Place, add_to_env_file
from arb.config.starter import Wanted
from arb.errors import EXIT_OK, ConfigError
from arb.logs import logging_to
from arb.market.numbers import plain
from arb.venues.registry import SPECS

T = TypeVar("T")
BASES = ("BTC", "ETH", "SOL", "DOGE")
"""The bases that are proposed where no venue answers; the sandbox has them, too."""
PROPOSED = 5
WITHIN_S = 6.0
"""How long the venues may take to answer with their symbols."""
LINE_MAX = 8192


@click.command("init")
@click.option("--venues", metavar="NAME,NAME", help="The venues to trade at, two at least; other exchanges are shown.")
@click.option("--region", "regions", multiple=True, metavar="VENUE=REGION", help="Where an account is, as in okx=eea.")
@click.option("--symbols", metavar="BASE/QUOTE,...", help="The symbols to trade, of one quote.")
@click.option(
    "--max-notional",
    metavar="AMOUNT",
    help="The most one pair may pay, in the quote; other limits scale with it [default: 2000 where that is a dollar].",
)
@click.option(
    "--daily-loss", metavar="AMOUNT", help="The loss of a UTC day that halts trading [default: 5 % of a pair]."
)
@click.option("--fees", metavar="VENUE=RATE,...", help="Taker fees on paper [default: public schedules].")
@click.option(
    "--balances",
    metavar="ASSET=AMOUNT,...",
    help="Of each venue on paper [default: enough for ten pairs in each asset].",
)
@click.option(
    "--alerts", is_flag=True, help="Without a terminal: read the receivers of alerts from stdin, in one line."
)
@config_and_json
def init_command(config: Path | None, as_json: bool, alerts: bool, **given: Any) -> int:
    """Write a commented config.toml, for paper trading.

    In a terminal it asks for each choice that is not an option, checks each answer, and proposes the venues' busiest
    symbols. Nothing is written before the last answer. An existing config.toml is never overwritten, and only this user
    can read the new one. Receivers of alerts go into `.env`. `arb doctor` then checks the machine and the venues, and
    `arb run` trades on their real books, with simulated orders and without a key.
    """
    path = config or DEFAULT_CONFIG
    starter.require_new(path)
    questions = _Questions(asks=sys.stdin.isatty() and not as_json)
    places = partial(KeyPlaces, os.environ, folder_of(path), SystemKeyring())
    place = next((place for place in Place if places().values(place, [ALERT_URLS])), None)
    with logging_to(level="error"):
        wanted = _wanted(questions, path, **given)
        receivers = "" if place else _receivers(questions, alerts=alerts)
        with contextlib.ExitStack() as undo:
            settings = starter.write_starter(path, wanted)
            undo.callback(path.unlink, missing_ok=True)
            if receivers:
                add_to_env_file(places().file, ALERT_URLS, receivers)
                place = Place.FILE
            undo.pop_all()
    from arb.app.doctor.checks import Result, check_quote

    quotes = {wanted.quote}
    notes = [check_quote(venue, settings.venues.site(venue).region, quotes) for venue in wanted.venues]
    where = "" if path == DEFAULT_CONFIG else f" --config {path}"
    document: dict[str, Any] = {
        "config": str(path),
        "venues": list(wanted.venues),
        "display_only": list(wanted.shown),
        "symbols": list(wanted.symbols),
        "alerts": None if place is None else str(place),
        "notes": [f"{note.about}: {note.found}: {note.remedy}" for note in notes if note.result is not Result.PASS],
        "next": [f"arb {name}{where}" for name in ("doctor", "run", *(["watch"] if place else []))],
    }
    show(document, as_json=as_json)
    if receivers and questions.asks and click.confirm("Send a test message to each receiver now?", default=True):
        from arb.app.watch import send_test

        show({"receivers": send_test(places(), Mode.PAPER)[0]}, as_json=False)
    return EXIT_OK


class _Questions:
    """Takes each choice from its option, else from the user; `asks`: whether there is a terminal to ask in."""

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks

    def answer(
        self,
        option: str,
        question: str,
        given: str | None,
        read: Callable[[str], T],
        *,
        default: str | None = None,
        example: str = "",
        shown: str | None = None,
        hide_input: bool = False,
    ) -> T:
        """Return the choice as `read` reads it; a wrong answer is asked for again, a wrong option raises `ConfigError`.

        `example`: proposed where there is no `default`; without a terminal such a choice is required. `shown`: the
        default in words.
        """
        text = default if given is None else given
        if given is None and self.asks:

            def checked(text: str) -> T:
                try:
                    return read(text)
                except ConfigError as error:
                    raise click.BadParameter(str(error)) from None

            proposed = example if default is None else default
            return click.prompt(
                question,
                default=proposed,
                value_proc=checked,
                show_default=shown or True,
                hide_input=hide_input,
                err=True,
            )
        if text is None:
            raise ConfigError(
                f"{option} is not given, and this is no terminal to ask in: write for example {option} {example}"
            )
        try:
            return read(text)
        except ConfigError as error:
            raise ConfigError(f"{option} {text}: {error}") from None


def _wanted(
    questions: _Questions,
    path: Path,
    *,
    venues: str | None,
    regions: tuple[str, ...],
    symbols: str | None,
    max_notional: str | None,
    daily_loss: str | None,
    fees: str | None,
    balances: str | None,
) -> Wanted:
    """Return the choices; raises `ConfigError` for a wrong option, and for a missing one that cannot be asked for."""
    known = [spec.name for spec in SPECS]
    question = f"Venues, two at least ({', '.join(known)}; others are shown only)"
    chosen, shown = questions.answer("--venues", question, venues, starter.read_venues, example=",".join(known))
    found = _regions(questions, chosen, regions)
    example = ",".join(_proposed(path, chosen, found)) if symbols is None and questions.asks else "BTC/USDT,ETH/USDT"
    traded = questions.answer("--symbols", "Symbols, of one quote", symbols, starter.read_symbols, example=example)
    wanted = Wanted(venues=chosen, shown=shown, regions=found, symbols=traded)
    quote, is_dollar = wanted.quote, wanted.is_dollar
    question, usual = f"The most one pair may pay, in {quote}", plain(starter.USUAL) if is_dollar else None
    most = questions.answer("--max-notional", question, max_notional, starter.read_most, default=usual, example="0.02")
    question, usual = f"The loss of a day that halts trading, in {quote}", plain(starter.usual_loss(most))
    loss = questions.answer("--daily-loss", question, daily_loss, starter.read_most, default=usual)
    question, usual = "Your taker fees, for paper", ",".join(f"{venue}={starter.public_fee(venue)}" for venue in chosen)
    own_fees = questions.answer("--fees", question, fees, lambda text: starter.read_fees(text, chosen), default=usual)
    question, usual = f"Balances of each venue on paper, as {quote}=20000,...", "enough for ten pairs in each asset"
    held = questions.answer(
        "--balances", question, balances, lambda text: starter.read_balances(text, traded), default="", shown=usual
    )
    return msgspec.structs.replace(wanted, max_notional=most, daily_loss=loss, fees=own_fees, balances=held)


def _regions(questions: _Questions, venues: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str]:
    """Return the region of each venue that has several, and those given."""
    found = {}
    for text in given:
        venue, sign, region = text.partition("=")
        if not (venue and sign and region):
            raise ConfigError(f"--region {text}: write VENUE=REGION, for example okx=eea")
        if venue not in venues:
            raise ConfigError(f"--region {text}: {venue!r} is not among --venues")
        try:
            found[venue] = starter.read_region(venue, region)
        except ConfigError as error:
            raise ConfigError(f"--region {text}: {error}") from None
    for venue in venues if questions.asks else ():
        if venue not in found and len(known := starter.regions_of(venue)) > 1:
            question = f"Region of the account at {venue} ({', '.join(known)})"
            found[venue] = questions.answer(
                "--region", question, None, partial(starter.read_region, venue), default=known[0]
            )
    return found


def _proposed(path: Path, venues: tuple[str, ...], regions: dict[str, str]) -> list[str]:
    """Return the venues' best symbols, where they answer in time, else well-known ones."""
    from arb.app.doctor.checks import Result, check_quote
    from arb.app.markets import best_symbols

    refused = any(check_quote(venue, region, ("USDT",)).result is not Result.PASS for venue, region in regions.items())
    usual = [f"{base}/{'USDC' if refused else 'USDT'}" for base in BASES]
    click.echo(f"Asking the venues for their busiest symbols, {WITHIN_S:g} s at most ...", err=True)
    settings = Wanted(venues=venues, symbols=tuple(usual), regions=regions).settings()
    found = best_symbols(settings, MarketsOptions(config=path), WITHIN_S)[:PROPOSED]
    if not found:
        click.echo("No answer from two venues: these are well-known ones.", err=True)
    return list(found) or usual


def _receivers(questions: _Questions, *, alerts: bool) -> str:
    """Return the receivers' addresses, "" for none."""
    from arb.watch.receivers import read_addresses

    if questions.asks:
        question = "Receivers of alerts, for example ntfys://ntfy.sh/TOPIC (docs/WATCH.md; not shown)"
        return questions.answer("--alerts", question, None, read_addresses, default="", shown="none", hide_input=True)
    return read_addresses(sys.stdin.readline(LINE_MAX)) if alerts else ""
