"""Currency lists that the user saved: answers of venues that show theirs only to a key, or to another user's.

They are evidence of which coin is which, as the lines of a table are. They do not show whose wallets are open now.
"""

from pathlib import Path

from arb.errors import ConfigError, VenueProtocolError
from arb.files import whole
from arb.market.coins import Coin
from arb.venues.kit.currencies import CurrencyReader
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.registry import SPECS

_READERS = {spec.name: spec.make_currencies for spec in SPECS if spec.make_currencies is not None}


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
    return tuple(coin for path in files for coin in _read(path))


def _read(path: Path) -> list[Coin]:
    make = _READERS.get(path.stem)
    if make is None:
        raise ConfigError(f"[coins] lists: {path}: no venue is called {path.stem!r}: there are {', '.join(_READERS)}")
    try:
        body = decode_body(whole(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"[coins] lists: {path}: is no JSON that can be read ({error}): save the whole answer"
        ) from None
    found = list(_coins(path, make(), body))
    if not found:
        raise ConfigError(
            f"[coins] lists: {path}: names no contract of any coin: save the answer to the question for all coins"
        )
    return found


def _coins(path: Path, reader: CurrencyReader, body: object) -> dict[Coin, None]:
    found: dict[Coin, None] = {}
    try:
        rows = reader.rows(body)
    except VenueProtocolError as error:
        raise ConfigError(f"[coins] lists: {path}: {error}: save the whole answer") from None
    for raw in rows:
        try:
            chains = list(reader.read(raw))
        except VenueProtocolError:
            continue
        for one in chains:
            if one.chain and one.contract:
                found[Coin(path.stem, one.asset, one.chain, one.contract, one.denomination, path.name)] = None
    return found
