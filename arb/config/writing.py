"""Write a config.toml: a user's first one, and a choice of symbols into an existing one.

The first is short and commented, with the choices of `arb init`, else defaults. In an existing file only the value of one key
is replaced; comments and order stay. It is read back before it replaces the old file: all other keys must have their old
meaning, and the settings must be valid.
"""

import codecs
import contextlib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from arb.config import load_settings
from arb.config.loader import key_at, lines_of_keys
from arb.config.quotes import MONEY, own_amounts
from arb.config.settings import LiveSettings, Settings
from arb.config.venue_settings import PaperSettings, TradedVenueSettings
from arb.core.messages.settings import Limits
from arb.errors import ConfigError
from arb.files import whole
from arb.market.numbers import plain
from arb.market.symbol import Symbol
from arb.venues.kit.endpoints import GLOBAL
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS, spec_of

USUAL = Limits().max_notional_quote
PER_LINE = 6
"""How many symbols share a line of the file."""
_LAST = re.compile(r"""[]"'](?=[ \t]*(?:\#.*)?\r?$)""", re.MULTILINE)
_ONE_LINE = 100
"""The longest array that is written on one line."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A user's choices; `regions` by venue, where it is not `GLOBAL`.

    `max_notional`: the most one pair may pay, > 0, in a quote that is no dollar; None: the default limits hold.
    """

    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    regions: Mapping[str, str] = {}
    max_notional: Decimal | None = None

    @property
    def quote(self) -> str:
        return Symbol.of(self.symbols[0]).quote


def refuse_wrong(wanted: Wanted) -> None:
    """Raise `ConfigError` for a choice that cannot be set: which, and the possible ones."""
    known = [spec.name for spec in SPECS]
    for venue in wanted.venues:
        if venue not in known:
            raise ConfigError(f"--venues: {venue!r} is no venue that is known here: give some of {', '.join(known)}")
    if len(set(wanted.venues)) < 2:
        raise ConfigError(f"--venues: arbitrage needs two: give some of {', '.join(known)}")
    for symbol in wanted.symbols:
        try:
            Symbol.of(symbol)
        except ValueError:
            raise ConfigError(f"--symbols: {symbol!r} is no symbol: write for example BTC/USDT") from None
    quotes = {Symbol.of(symbol).quote for symbol in wanted.symbols}
    if len(quotes) != 1:
        raise ConfigError(f"--symbols: give at least one, all of one quote currency, not of {len(quotes)}")
    if wanted.max_notional is not None and not wanted.max_notional:
        raise ConfigError("--max-notional 0: no pair could ever open: give the most one pair may pay")
    for venue, region in wanted.regions.items():
        if venue not in wanted.venues:
            raise ConfigError(f"--region {venue}={region}: {venue!r} is not among --venues")
        if region not in (regions := regions_of(venue)):
            raise ConfigError(f"--region {venue}={region}: {venue} has no such region: give {' or '.join(regions)}")


def regions_of(venue: str) -> tuple[str, ...]:
    """Return the regions of a venue where real money is traded."""
    spec = spec_of(venue)
    return tuple(site.region for site in spec.sites if site.environment is spec.sites[0].environment)


def starter_text(wanted: Wanted) -> str:
    quote, most = wanted.quote, wanted.max_notional
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
        *own_amounts(Limits(), ("max_notional_quote", "daily_loss_quote") if most is None else MONEY, most or USUAL),
        "",
        "[paper.fees]                         # taker fees in paper trading: put in the rates of your accounts",
        *(
            _commented(f'{venue} = "{plain(100 * PaperSettings().taker_fee(venue))}%"', "the public schedule")
            for venue in wanted.venues
        ),
        "",
        "[live]",
        "enabled = false                      # the first of two consents for orders with your keys; the other is --live",
        *([] if most is None else own_amounts(LiveSettings(), ("ramp_start_quote",), most)),
    ]
    for spec in SPECS:
        lines += ["", *_venue_lines(spec, wanted)]
    return "\n".join(lines) + "\n"


def _venue_lines(spec: VenueSpec, wanted: Wanted) -> list[str]:
    lines = [f"[venues.{spec.name}]"]
    if spec.name not in wanted.venues:
        return [*lines, "enabled = false                      # neither feed nor orders"]
    region = wanted.regions.get(spec.name, GLOBAL)
    region_line = _commented(f'region = "{region}"', f"where the account is: {', '.join(regions_of(spec.name))}")
    if spec.trading is None:
        return [
            *lines,
            "enabled = true                       # read only, for paper, record and doctor: no order is ever sent to it",
            region_line,
        ]
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
        "withdrawal_disabled_confirmed = false # true: you have checked that the key cannot withdraw",
        *(
            own_amounts(TradedVenueSettings(), ("max_order_value_quote",), most)
            if (most := wanted.max_notional)
            else []
        ),
    ]


def wrapped(symbols: Sequence[str]) -> list[str]:
    quoted = [f'"{symbol}",' for symbol in symbols]
    return [f"    {' '.join(quoted[start : start + PER_LINE])}" for start in range(0, len(quoted), PER_LINE)]


def _commented(key: str, comment: str) -> str:
    return f"{key:<36} # {comment}"


def write_starter(path: Path, wanted: Wanted) -> Settings:
    """Write a file that only its user can read, and return the settings it reads back as.

    Raises `ConfigError` for a file that exists, an unwritable folder, and settings that would not start; no file
    remains then.
    """
    refuse_wrong(wanted)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already, and is not written over: name another with --config PATH") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}: name another with --config PATH") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(starter_text(wanted))
        return load_settings(path)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def write_symbols(path: Path, symbols: Sequence[str]) -> None:
    """Set `[run] symbols` of the file to `symbols`, durably; its mode stays, and a link continues to point to it.

    Raises `ConfigError` and keeps the file as it was: where it is none, cannot be written, or would not start then.
    """
    target = path.resolve()
    try:
        raw = whole(target)
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file: make one with `arb init`, or name another with --config PATH"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}): give a readable UTF-8 text file") from None
    changed = with_symbols(text, symbols, str(path))
    beside = target.with_name(f".{target.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        hint = (
            f"another writes it, or did: remove {beside}"
            if isinstance(error, FileExistsError)
            else "nothing is changed"
        )
        raise ConfigError(f"{path}: cannot be written: {beside.name}: {error.strerror}: {hint}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write((codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b"") + changed.encode())
            os.fchmod(descriptor, target.stat().st_mode & 0o7777)
            file.flush()
            os.fsync(descriptor)
        _require_settings(beside, path)
        beside.replace(target)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}: nothing is changed") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()


def with_symbols(text: str, symbols: Sequence[str], name: str) -> str:
    """Return a TOML text with `[run] symbols` replaced; raises `ConfigError` with `name` where its form allows none."""
    before = _parsed(text, name)
    wanted = {**before, "run": {**before.get("run", {}), "symbols": list(symbols)}}
    newline = "\r\n" if "\r\n" in text else "\n"
    places = lines_of_keys(text)
    lines = text.splitlines(keepends=True)
    if (line := places.get(("run", "symbols"))) is not None:
        begin = sum(map(len, lines[: line - 1])) + key_at(lines[line - 1])
        changed = text[:begin] + _array(symbols, newline) + text[_end_of_value(text, begin) :]
    elif (line := places.get(("run",))) is not None and lines[line - 1].lstrip().startswith("["):
        begin = sum(map(len, lines[:line]))
        glue = "" if text[:begin].endswith("\n") else newline
        changed = f"{text[:begin]}{glue}symbols = {_array(symbols, newline)}{newline}{text[begin:]}"
    elif "run" not in before:
        glue = "" if not text or text.endswith("\n") else newline
        changed = f"{text}{glue}{newline}[run]{newline}symbols = {_array(symbols, newline)}{newline}"
    else:
        changed = ""
    if not changed or _parsed(changed, name) != wanted:
        raise ConfigError(f"{name}: [run] symbols cannot be replaced in this form: write [run] as a separate table")
    return changed


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not valid TOML: {error}") from None


def _array(symbols: Sequence[str], newline: str) -> str:
    quoted = [f'"{symbol}"' for symbol in symbols]
    short = f"[{', '.join(quoted)}]"
    return short if len(short) <= _ONE_LINE else newline.join(["[", *wrapped(symbols), "]"])


def _end_of_value(text: str, begin: int) -> int:
    """Return where the value that begins at `begin` ends: at the first end of a line up to which it is valid."""
    for end in _LAST.finditer(text, begin):
        with contextlib.suppress(ValueError):
            tomllib.loads(f"value = {text[begin : end.end()]}")
            return end.end()
    return len(text)


def _require_settings(written: Path, path: Path) -> None:
    try:
        load_settings(written)
    except ConfigError as error:
        said = str(error).replace(str(written), str(path))
        raise ConfigError(f"{said}: with these symbols it would not start, so nothing is written") from None
