"""The table of coins: the lines that come with the program, and those of the user's own file. Bad lines are refused.

Each line says where it was seen: an answer of the venue, how well that is known, and when somebody read it. A line without that
would be somebody's memory. docs/COINS.md says what the columns mean.
"""

import csv
import re
from collections.abc import Iterator
from datetime import date
from importlib import resources
from pathlib import Path

from arb.config.settings import Mode, Settings
from arb.core.settings import CoinRule, UnprovedCoin
from arb.errors import ConfigError
from arb.market.coins import NATIVE, Coin
from arb.market.symbol import Symbol
from arb.venues.registry import SPECS

SHIPPED = "coins.csv"
COLUMNS = ("venue", "ticker", "chain", "contract", "endpoint", "evidence", "source", "reviewed")
EVIDENCE = ("strong", "weak", "own")
_VENUES = tuple(sorted(spec.name for spec in SPECS))
_PATTERNS = {
    "venue": ("|".join(_VENUES), f"give one of {', '.join(_VENUES)}"),
    "ticker": (r"[A-Z0-9]+", "give the venue's name of the coin in capitals, for example BTC"),
    "chain": (r"[a-z][a-z0-9-]*", "give the chain in small letters, by the names that docs/COINS.md uses"),
    # Answers and documents often show the last six characters alone, which prove nothing.
    "contract": (
        rf"{NATIVE}|[0-9A-Za-z:_.-]{{20,200}}",
        f'give the whole address, or "{NATIVE}" for the chain\'s own coin',
    ),
    "endpoint": (r"/\S+", "give the path of the venue's answer that shows it, for example /api/v5/asset/currencies"),
    "evidence": ("|".join(EVIDENCE), f"give one of {', '.join(EVIDENCE)}"),
    "source": (r".*\S.*", "say where that answer can be found"),
}
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_ETHEREUM_LIKE = frozenset({"ethereum", "arbitrum", "bsc", "optimism", "polygon", "base", "avalanche"})
_ETHEREUM_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


def coin_rule(settings: Settings, mode: Mode, *, sandbox: bool) -> CoinRule | None:
    """Return what a run of `mode` knows of its coins and does without a proof; None: its coins are made up.

    `sandbox`: its venues are simulated exchanges, whatever the mode. Live trading refuses what is not proved, whatever the
    settings say. Raises `ConfigError` for a file with a bad line.
    """
    rule = every_coin_rule(settings, mode, sandbox=sandbox)
    if rule is None:
        return None
    assets = {asset for symbol in settings.run.symbols for asset in Symbol.of(symbol).base_and_quote}
    return CoinRule(tuple(coin for coin in rule.coins if coin.ticker in assets), rule.refuse_unproved)


def every_coin_rule(settings: Settings, mode: Mode, *, sandbox: bool) -> CoinRule | None:
    """Return the rule of a run whose symbols are not known yet: `coin_rule` with all coins of the enabled venues."""
    coins = known_coins(settings.run.coins_file)
    if sandbox:
        return None
    venues = settings.venues.enabled()
    refuses = mode is Mode.LIVE or settings.limits.unproved_coin is UnprovedCoin.REFUSE
    return CoinRule(coins=tuple(coin for coin in coins if coin.venue in venues), refuse_unproved=refuses)


def known_coins(own_file: str = "") -> tuple[Coin, ...]:
    """Return the coins of the table that comes with the program and of `own_file`; raises `ConfigError` for a bad line."""
    text = resources.files("arb.config").joinpath(SHIPPED).read_text(encoding="utf-8")
    found = dict(_read(text, SHIPPED))
    if own_file:
        try:
            found |= dict(_read(Path(own_file).read_text(encoding="utf-8"), own_file))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"[run] coins_file: {own_file}: cannot be read ({error}): give a UTF-8 file") from None
    _refuse_two_names(found)
    return tuple(found)


def read_coins(text: str, name: str) -> tuple[Coin, ...]:
    """Return the coins in the text of a table; raises `ConfigError` with `name`, line, what is wrong and how to correct it."""
    found = dict(_read(text, name))
    _refuse_two_names(found)
    return tuple(found)


def _read(text: str, name: str) -> Iterator[tuple[Coin, str]]:
    """Yield the coins with the places of their lines."""
    header: tuple[str, ...] | None = None
    seen: dict[Coin, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{name}:{number}"
        cells = _cells(line, where)
        if header is None:
            header = cells
            if header != COLUMNS:
                raise ConfigError(f"{where}: the first line must name the columns: {','.join(COLUMNS)}")
            continue
        coin = _coin(cells, where)
        if coin in seen:
            raise ConfigError(f"{where}: says what line {seen[coin]} says: drop one of them")
        seen[coin] = number
        yield coin, where
    if header is None:
        raise ConfigError(f"{name}: is empty: the first line must name the columns: {','.join(COLUMNS)}")


def _cells(line: str, where: str) -> tuple[str, ...]:
    try:
        (cells,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError) as error:
        raise ConfigError(f"{where}: not a line of comma-separated values ({error})") from None
    return tuple(cell.strip() for cell in cells)


def _coin(cells: tuple[str, ...], where: str) -> Coin:
    if len(cells) != len(COLUMNS):
        raise ConfigError(f"{where}: has {len(cells)} columns and not {len(COLUMNS)}: {','.join(COLUMNS)}")
    row = dict(zip(COLUMNS, cells, strict=True))
    for column, (pattern, remedy) in _PATTERNS.items():
        if not re.fullmatch(pattern, row[column]):
            raise ConfigError(f"{where}: {column} {row[column][:60]!r}: {remedy}")
    try:
        date.fromisoformat(row["reviewed"])
    except ValueError:
        raise ConfigError(f"{where}: reviewed {row['reviewed'][:60]!r}: give the day as YYYY-MM-DD") from None
    contract = row["contract"]
    if _HEX.fullmatch(contract):  # capitals in hexadecimal addresses are a checksum, and venues write them either way
        contract = contract.lower()
    if row["chain"] in _ETHEREUM_LIKE and contract != NATIVE and not _ETHEREUM_ADDRESS.fullmatch(contract):
        raise ConfigError(
            f"{where}: contract {contract[:60]!r}: an address on {row['chain']} is 0x and 40 hexadecimal digits"
        )
    return Coin(row["venue"], row["ticker"], row["chain"], contract)


def _refuse_two_names(found: dict[Coin, str]) -> None:
    """Refuse one contract under two tickers of a venue: one of the lines is wrong, and either could prove too much."""
    first: dict[tuple[str, str, str], Coin] = {}
    for coin, where in found.items():
        other = first.setdefault((coin.venue, coin.chain, coin.contract), coin)
        if other.ticker != coin.ticker:
            raise ConfigError(
                f"{where}: {coin.contract} on {coin.chain} is {coin.ticker} at {coin.venue}, and {other.ticker} by "
                f"{found[other]}: one of them is wrong"
            )
