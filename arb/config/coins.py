"""The known coins: the table shipped with the program, the user's file, and saved currency lists. Bad lines are refused.

Each line names its source: an answer of the venue, how well that is known, and when it was read. A line without a
source could be an error of memory. docs/COINS.md explains the columns.

A saved list is the answer of a venue that shows its list only to a key; the key may be another user's. It is evidence of which
coin is which, as the lines of a table are; it does not show which wallets are open now.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from datetime import date
from importlib import resources
from pathlib import Path

from arb.config.settings import Mode, Settings
from arb.core.messages.settings import CoinRule, UnprovedCoin
from arb.errors import ConfigError, VenueProtocolError
from arb.files import whole, whole_text
from arb.market.coins import NATIVE, Coin, CoinOverride, in_force
from arb.market.symbol import ASSET, Symbol
from arb.venues.kit.currencies import CurrencyForm, ethereum_like
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.registry import SPECS

SHIPPED = "coins.csv"
COLUMNS = ("venue", "ticker", "chain", "contract", "endpoint", "evidence", "source", "reviewed")
EVIDENCE = ("strong", "weak", "own")
_VENUES = tuple(sorted(spec.name for spec in SPECS))
_PATTERNS = {
    "venue": ("|".join(_VENUES), f"give one of {', '.join(_VENUES)}"),
    "ticker": (ASSET, "give the venue's name of the coin, for example BTC"),
    "chain": (r"[a-z][a-z0-9-]*", "give the chain in small letters, by the names that docs/COINS.md uses"),
    # Answers and documents often show only the last six characters, which prove nothing.
    "contract": (
        rf"{NATIVE}|[0-9A-Za-z:_.-]{{20,200}}",
        f'give the whole address, or "{NATIVE}" for the chain\'s own coin',
    ),
    "endpoint": (r"/\S+", "give the path of the venue's answer that shows it, for example /api/v5/asset/currencies"),
    "evidence": ("|".join(EVIDENCE), f"give one of {', '.join(EVIDENCE)}"),
    "source": (r".*\S.*", "name where that answer can be found"),
}
_FORMS = {spec.name: spec.currencies for spec in SPECS if spec.currencies is not None}
_PLACE = re.compile(rf"([a-z]+):({ASSET})")
_SAID = re.compile(rf"(same as|different from) ([a-z]+):({ASSET})")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_ETHEREUM_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


def coin_rule(settings: Settings, mode: Mode, *, sandbox: bool) -> CoinRule | None:
    """Return the coin rule of a run in `mode`: the known coins, and those traded without proof; None: its coins are
    made up.

    `sandbox`: its venues are simulated exchanges, in any mode. Live trading always refuses an unproved coin; no setting
    changes that. Raises `ConfigError` for a file with a bad line.
    """
    rule = every_coin_rule(settings, mode, sandbox=sandbox)
    if rule is None or settings.run.chooses:
        return rule
    assets = {asset for symbol in settings.run.symbols for asset in Symbol.of(symbol).base_and_quote}
    # Traded tickers, and other tickers of the same coins: a coin with another name at a venue is a different one.
    places = {(coin.chain, coin.contract) for coin in rule.coins if coin.ticker in assets}
    return CoinRule(
        coins=tuple(coin for coin in rule.coins if (coin.chain, coin.contract) in places),
        refuse_unproved=rule.refuse_unproved,
        overrides=tuple(said for said in rule.overrides if said.ticker in assets),
    )


def every_coin_rule(settings: Settings, mode: Mode, *, sandbox: bool) -> CoinRule | None:
    """Return the rule of a run whose symbols are not known yet: `coin_rule` with all coins of the enabled venues."""
    coins = every_coin(settings)
    overrides = coin_overrides(settings.coins.overrides)
    if sandbox:
        return None
    venues = settings.venues.enabled()
    return CoinRule(
        coins=tuple(coin for coin in coins if coin.venue in venues),
        refuse_unproved=mode is Mode.LIVE or settings.limits.unproved_coin is UnprovedCoin.REFUSE,
        overrides=tuple(said for said in overrides if {said.venue, said.other} <= venues.keys()),
    )


def every_coin(settings: Settings) -> tuple[Coin, ...]:
    """Return all coins in the tables and saved lists of these settings; raises `ConfigError` for bad lines."""
    saved = saved_coins(settings.coins.lists) if settings.coins.lists else ()
    return tuple(in_force(saved, known_coins(settings.run.coins_file)))


def coin_overrides(given: Mapping[str, str]) -> tuple[CoinOverride, ...]:
    """Return the user's statements: `"gate:XYZ" = "same as okx:XYZ"`, or `"different from ..."`; raises `ConfigError`."""
    found: dict[tuple[str, frozenset[str]], CoinOverride] = {}
    for key, text in given.items():
        where = f'[coins.overrides] "{key}" = "{text}"'
        here, there = _PLACE.fullmatch(key), _SAID.fullmatch(text)
        if here is None or there is None:
            raise ConfigError(f'{where}: write "gate:XYZ" = "same as okx:XYZ", or "different from okx:XYZ"')
        (venue, ticker), (word, other, named) = here.groups(), there.groups()
        for name in (venue, other):
            if name not in _VENUES:
                raise ConfigError(f"{where}: no venue is called {name!r}: there are {', '.join(_VENUES)}")
        if ticker != named:
            raise ConfigError(
                f"{where}: a pair trades one ticker at both venues: {ticker} and {named} are never one symbol"
            )
        if venue == other:
            raise ConfigError(f"{where}: name two venues")
        override = CoinOverride(ticker, venue, other, same=word == "same as")
        before = found.setdefault((ticker, frozenset((venue, other))), override)
        if before.same is not override.same:
            raise ConfigError(f"{where}: another line states the opposite: drop one of them")
    return tuple(found.values())


def known_coins(own_file: str = "") -> tuple[Coin, ...]:
    """Return the coins of the shipped table and of `own_file`; raises `ConfigError` for a bad line."""
    text = resources.files("arb.config").joinpath(SHIPPED).read_text(encoding="utf-8")
    found = dict(_read(text, SHIPPED))
    if own_file:
        try:
            found |= dict(_read(whole_text(Path(own_file)), own_file))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"[run] coins_file: {own_file}: cannot be read ({error}): give a UTF-8 file") from None
    _refuse_two_names(found)
    return tuple(found)


def read_coins(text: str, name: str) -> tuple[Coin, ...]:
    """Return the coins in the text of a table; raises `ConfigError` with `name`, line, problem and remedy."""
    found = dict(_read(text, name))
    _refuse_two_names(found)
    return tuple(found)


def _read(text: str, name: str) -> Iterator[tuple[Coin, str]]:
    header: tuple[str, ...] | None = None
    seen: dict[tuple[str, ...], int] = {}
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
        coin = _coin(cells, where, name)
        said = coin.venue, coin.ticker, coin.chain, coin.contract
        if said in seen:
            raise ConfigError(f"{where}: repeats line {seen[said]}: drop one of them")
        seen[said] = number
        yield coin, where
    if header is None:
        raise ConfigError(f"{name}: is empty: the first line must name the columns: {','.join(COLUMNS)}")


def _cells(line: str, where: str) -> tuple[str, ...]:
    try:
        (cells,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError) as error:
        raise ConfigError(f"{where}: not a line of comma-separated values ({error})") from None
    return tuple(cell.strip() for cell in cells)


def _coin(cells: tuple[str, ...], where: str, name: str) -> Coin:
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
    if row["chain"] in ethereum_like() and contract != NATIVE and not _ETHEREUM_ADDRESS.fullmatch(contract):
        raise ConfigError(
            f"{where}: contract {contract[:60]!r}: an address on {row['chain']} is 0x and 40 hexadecimal digits"
        )
    return Coin(
        row["venue"], row["ticker"], row["chain"], contract, source=f"{Path(name).name}, reviewed {row['reviewed']}"
    )


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


def saved_coins(folder: str) -> tuple[Coin, ...]:
    """Return the coins in the lists of a folder: `VENUE.json`, each the venue's answer as received.

    Unreadable rows are skipped. Raises `ConfigError` for a folder without any, a file that is no such answer, and one
    that names no venue.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix == ".json")
    except OSError as error:
        raise ConfigError(f"[coins] lists: {folder}: cannot be read ({error}): name a folder") from None
    if not files:
        raise ConfigError(f"[coins] lists: {folder}: holds no VENUE.json: save the answers there, or make it empty")
    return tuple(coin for path in files for coin in _read_list(path))


def _read_list(path: Path) -> list[Coin]:
    form = _FORMS.get(path.stem)
    if form is None:
        raise ConfigError(f"[coins] lists: {path}: no venue is called {path.stem!r}: there are {', '.join(_FORMS)}")
    try:
        body = decode_body(whole(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"[coins] lists: {path}: is no JSON that can be read ({error}): save the whole answer"
        ) from None
    found = list(_coins_in(path, form, body))
    if not found:
        raise ConfigError(
            f"[coins] lists: {path}: names no contract of any coin: save the answer to the question for all coins"
        )
    return found


def _coins_in(path: Path, form: CurrencyForm, body: object) -> dict[Coin, None]:
    found: dict[Coin, None] = {}
    try:
        rows = form.rows(body)
    except VenueProtocolError as error:
        raise ConfigError(f"[coins] lists: {path}: {error}: save the whole answer") from None
    for raw in rows:
        try:
            chains = list(form.read(raw))
        except VenueProtocolError:
            continue
        for one in chains:
            if one.chain and one.contract:
                found[Coin(path.stem, one.asset, one.chain, one.contract, one.denomination, path.name)] = None
    return found
