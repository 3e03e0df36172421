"""A user's first config.toml: the answers of `arb init`, each checked when it is given, and the file made of them.

The file is short and commented; a key that nobody chose has its default.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from arb.config import load_settings
from arb.config.loader import load_text, nearest
from arb.config.quotes import DOLLARS, MONEY, SMALL
from arb.config.settings import LiveSettings, Settings
from arb.config.values import Fee, read_amount, read_value
from arb.config.venue_settings import PaperSettings, VenueSettings
from arb.config.writing import wrapped
from arb.core.messages.settings import Limits
from arb.errors import ConfigError
from arb.market.numbers import plain
from arb.market.symbol import Symbol
from arb.venues.generic.spec import exchange_names
from arb.venues.kit.endpoints import GLOBAL
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS, spec_of

USUAL = Limits().max_notional_quote


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A user's choices: `venues` have adapters, `shown` are other exchanges of ccxt; `regions` by venue, if not `GLOBAL`.

    `max_notional`: the most one pair may pay, > 0. The other limits are in proportion, but for `daily_loss`, if that is
    given, and for small amounts of dollars. `fees` by venue and `balances` by asset are those of paper; {}: the defaults.
    """

    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    shown: tuple[str, ...] = ()
    regions: Mapping[str, str] = {}
    max_notional: Decimal = USUAL
    daily_loss: Decimal | None = None
    fees: Mapping[str, Fee] = {}
    balances: Mapping[str, Decimal] = {}

    @property
    def quote(self) -> str:
        return Symbol.of(self.symbols[0]).quote

    @property
    def is_dollar(self) -> bool:
        """Whether the quote is a dollar, for which the default limits are meant."""
        return self.quote in DOLLARS

    @property
    def is_usual(self) -> bool:
        return self.is_dollar and self.max_notional == USUAL

    def settings(self) -> Settings:
        """Return the settings that the file of these choices would read back as."""
        return load_text(starter_text(self), Settings, "config.toml")


def read_venues(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the venues that have an adapter, and the other exchanges, which are only shown.

    This and the other readers of answers raise `ConfigError` with the fault and the possible answers.
    """
    own = [spec.name for spec in SPECS]
    given = _list(text)
    for name in given:
        if name not in own and name not in exchange_names():
            raise ConfigError(f"{name!r} is no venue{nearest(name, {*own, *exchange_names()}, own)}")
    venues = tuple(name for name in given if name in own)
    if len(venues) < 2:
        raise ConfigError(f"arbitrage needs two: give some of {', '.join(own)}")
    return venues, tuple(name for name in given if name not in own)


def read_region(venue: str, region: str) -> str:
    if region not in (regions := regions_of(venue)):
        raise ConfigError(f"{venue} has no such region: give {' or '.join(regions)}")
    return region


def read_symbols(text: str) -> tuple[str, ...]:
    symbols = _list(text)
    for symbol in symbols:
        try:
            Symbol.of(symbol)
        except ValueError:
            raise ConfigError(f"{symbol!r} is no symbol: write for example BTC/USDT") from None
    quotes = {Symbol.of(symbol).quote for symbol in symbols}
    if len(quotes) != 1:
        raise ConfigError(f"give at least one, all of one quote currency, not of {len(quotes)}")
    return symbols


def read_most(text: str) -> Decimal:
    """Return an amount of the quote, > 0."""
    problem, amount = read_amount(text)
    if problem or not amount:
        raise ConfigError(problem or "with 0 no pair could ever open: give an amount above 0")
    return Decimal(amount)


def read_fees(text: str, venues: Sequence[str]) -> dict[str, Fee]:
    """Return the taker fee by venue, of `VENUE=RATE,...`."""
    fees = {}
    for venue, rate in _pairs(text, "okx=0.08%"):
        if venue not in venues:
            raise ConfigError(f"{venue!r} is not among the venues{nearest(venue, venues)}")
        problem, fees[venue] = read_value("fee", Fee, rate)
        if problem:
            raise ConfigError(f"{venue}={rate}: {problem}")
    return fees


def read_balances(text: str, symbols: Sequence[str]) -> dict[str, Decimal]:
    """Return the first balances by asset, of `ASSET=AMOUNT,...`; {} for the empty text.

    A venue gets no asset besides, so the quote and a base have to be among them.
    """
    assets = {asset for symbol in symbols for asset in Symbol.of(symbol).base_and_quote}
    quote = Symbol.of(symbols[0]).quote
    balances = {}
    for asset, amount in _pairs(text, f"{quote}=20000"):
        if asset not in assets:
            raise ConfigError(f"{asset!r} is in none of the symbols{nearest(asset, assets)}")
        problem, balances[asset] = read_amount(amount)
        if problem:
            raise ConfigError(f"{asset}={amount}: {problem}")
    if balances and (not balances.get(quote) or not any(balances[asset] for asset in balances if asset != quote)):
        raise ConfigError(f"a pair buys with {quote} and sells a base: give both, or nothing for the default")
    return balances


def public_fee(venue: str) -> str:
    return f"{plain(100 * PaperSettings().taker_fee(venue))}%"


def regions_of(venue: str) -> tuple[str, ...]:
    """Return the regions of a venue where real money is traded."""
    spec = spec_of(venue)
    return tuple(site.region for site in spec.sites if site.environment is spec.sites[0].environment)


def usual_loss(max_notional: Decimal) -> Decimal:
    """Return the daily loss in proportion to the most one pair may pay."""
    return Limits().daily_loss_quote * max_notional / USUAL


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))


def _pairs(text: str, example: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for part in _list(text):
        name, sign, value = (word.strip() for word in part.partition("="))
        if not (name and sign and value):
            raise ConfigError(f"{part!r} is no NAME=VALUE: write for example {example}")
        if name in seen:
            raise ConfigError(f"{name} is given twice: give it once")
        seen.add(name)
        yield name, value


def starter_text(wanted: Wanted) -> str:
    quote, most = wanted.quote, wanted.max_notional
    loss = usual_loss(most) if wanted.daily_loss is None else wanted.daily_loss
    if wanted.is_usual:
        limits: Sequence[str] = ("max_notional_quote", "daily_loss_quote")
    else:
        limits = [key for key in MONEY if not (wanted.is_dollar and key in SMALL)]
    balances = ", ".join(f'{asset} = "{plain(amount)}"' for asset, amount in wanted.balances.items())
    lines = [
        "# The settings of arb, as `arb init` wrote them. Every other key has its default: `arb run --show-config` prints",
        "# all of them. Units end a key's name; an unknown key is refused with the nearest known name.",
        "",
        "[run]",
        'mode = "paper"                       # real books, simulated orders, no key; "sandbox": simulated exchanges',
        "symbols = [                          # the allow-list: no order is ever sent for another symbol",
        *wrapped(tuple(dict.fromkeys(wanted.symbols))),
        "]",
        f'report_currency = "{quote}"             # the quote of all symbols, in which limits and losses are meant',
        "",
        f"[limits]                             # amounts of {quote}: a pair pays max_notional_quote at most for its buy leg,",
        "                                     # and daily_loss_quote lost within one UTC day ends opening until the next",
        *_amounts(Limits(), limits, most, daily_loss_quote=loss),
        "",
        "[paper]",
        _commented(
            f"balances = {{{f' {balances} ' if balances else ''}}}", "of a new account at each venue; {}: enough"
        )
        + " for ten of the largest pairs",
        "",
        "[paper.fees]                         # taker fees in paper trading: put in the rates of your accounts",
        *(_fee_line(venue, wanted.fees.get(venue)) for venue in wanted.venues),
        "",
        "[live]",
        "enabled = false                      # the first of two consents for orders with your keys; the other is --live",
        *(() if wanted.is_dollar else _amounts(LiveSettings(), ("ramp_start_quote",), most)),
    ]
    if wanted.shown:
        names = ", ".join(f'"{name}"' for name in wanted.shown)
        lines += ["", "[generic]", _commented(f"venues = [{names}]", "shown and recorded, never traded")]
    for spec in SPECS:
        lines += ["", *_venue_lines(spec, wanted)]
    return "\n".join(lines) + "\n"


def _venue_lines(spec: VenueSpec, wanted: Wanted) -> list[str]:
    lines = [f"[venues.{spec.name}]"]
    if spec.name not in wanted.venues:
        return [*lines, "enabled = false                      # neither feed nor orders"]
    region = wanted.regions.get(spec.name, GLOBAL)
    region_line = _commented(f'region = "{region}"', f"where the account is: {', '.join(regions_of(spec.name))}")
    keys = [f'key_env = "{spec.name.upper()}_API_KEY"', f'secret_env = "{spec.name.upper()}_API_SECRET"']
    if spec.trading.has_passphrase:
        keys.append(f'passphrase_env = "{spec.name.upper()}_API_PASSPHRASE"')
    comments = [
        "the place of the key: the environment, .env or the keyring (`arb keys`); never this file",
        "the same for the secret",
    ]
    comments.append("the same for the key's passphrase")
    return [
        *lines,
        "enabled = true                       # false: neither feed nor orders",
        region_line,
        *map(_commented, keys, comments),
        *(
            ()
            if spec.trading.rights.complete  # the venue reports it
            else ("withdrawal_disabled_confirmed = false # true: you have checked that the key cannot withdraw",)
        ),
        *(() if wanted.is_usual else _amounts(VenueSettings(), ("max_order_value_quote",), wanted.max_notional)),
    ]


def _fee_line(venue: str, chosen: Fee | None) -> str:
    public = public_fee(venue)
    return _commented(
        f'{venue} = "{chosen or public}"', "your rate" if chosen not in (None, public) else "the public schedule"
    )


def _amounts(defaults: msgspec.Struct, keys: Sequence[str], max_notional: Decimal, **given: Decimal) -> list[str]:
    """Return a line for each key: the amount given, else its default in proportion to the most one pair may pay."""
    share = max_notional / USUAL
    amounts = {key: given.get(key, getattr(defaults, key) * share) for key in keys}
    return [_commented(f'{key} = "{plain(amount)}"', "an amount of the quote") for key, amount in amounts.items()]


def _commented(key: str, comment: str) -> str:
    return f"{key:<36} # {comment}"


def require_new(path: Path) -> None:
    """Raise `ConfigError` for a file that exists, and for one that cannot be made."""
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path}: exists already, and is not written over: name another with --config PATH")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: cannot be made in {path.parent}: name another with --config PATH")


def write_starter(path: Path, wanted: Wanted) -> Settings:
    """Write a file that only its user can read, and return the settings it reads back as.

    Raises `ConfigError` for a file that exists, an unwritable folder, and settings that would not start; no file
    remains then.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already, and is not written over: name another with --config PATH") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}: name another with --config PATH") from None
    with contextlib.ExitStack() as undone:
        undone.callback(path.unlink, missing_ok=True)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(starter_text(wanted))
        settings = load_settings(path)
        undone.pop_all()
    return settings
