"""Read the value of one setting by its type and its name's ending, or return how to correct it.

`_bps` is a rate, `_share` a share, and `_env` the name of an environment variable. `_ms`, `_s`, `_m` and `_minute` are
whole numbers. Every other number that is not whole is an amount.
"""

import re
from decimal import Decimal, InvalidOperation
from enum import Enum
from types import NoneType, UnionType
from typing import Any, NewType, get_args, get_origin

from arb.core.messages.settings import LEARNED, LEARNED_FIRST_BPS, OFF, FastBooks, LegCost
from arb.market.symbol import Symbol

BPS_MAX = Decimal(10_000)
AMOUNT_MAX = Decimal(10) ** 12
COUNT_MAX = 10**9
_RATE = re.compile(r"^([+-]?[0-9]+(?:\.[0-9]+)?)\s*(%|bps)?$")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
"""Names of variables as people write them, and as no venue writes a key: capitals, and at least one underscore."""
_UNITS = {"_ms": "milliseconds", "_s": "seconds", "_m": "minutes", "_minute": "orders per minute"}

Fee = NewType("Fee", str)
"""A fee with its unit, such as "0.1%" or "10bps": a bare number could mean either, or a ratio."""
FEE_BPS_MAX = Decimal(500)


def read_value(name: str, kind: Any, given: Any) -> tuple[str, Any]:
    """Return ("", value) for a value that fits `name` and its type, else (how to correct it, None)."""
    if get_origin(kind) is UnionType:  # absent or given: who writes the key gives it
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    if kind is FastBooks:
        words = isinstance(given, bool) or given in ("auto", "compare")
        return ("", given) if words else ('give "auto", true, false or "compare"', None)
    if kind is bool:
        return ("", given) if isinstance(given, bool) else ("give true or false, without quotes", None)
    if kind is int:
        return _whole(name, given)
    if kind is Decimal:
        return (
            _rate(given) if name.endswith("_bps") else _share(given) if name.endswith("_share") else read_amount(given)
        )
    if kind is LegCost:
        return _leg_cost(given)
    if kind is Fee:
        return _fee(given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        values = [str(member.value) for member in kind]
        return ("", kind(given)) if given in values else (f"give one of {', '.join(map(repr, values))}", None)
    if kind is str and name.endswith("_env"):
        return _variable(given)
    if kind is str:
        return ("", given) if isinstance(given, str) else ('give text in quotes, for example "..."', None)
    if get_origin(kind) is tuple and get_args(kind) == (str, ...):
        return _texts(name, given)
    raise TypeError(f"settings of type {kind!r} are not supported")


def _whole(name: str, given: Any) -> tuple[str, Any]:
    ending = next((ending for ending in _UNITS if name.endswith(ending)), None)
    what = f"a whole number of {_UNITS[ending]}" if ending else "a whole number"
    least = 1 if ending else 0
    if isinstance(given, bool) or not isinstance(given, int):
        return f"give {what}, for example 100", None
    if not least <= given <= COUNT_MAX:
        return f"give {what} from {least} to {COUNT_MAX}", None
    return "", given


def read_amount(given: Any) -> tuple[str, Any]:
    number = _decimal(given)
    if number is None:
        return 'give an amount, for example 100 or "0.01"', None
    if not 0 <= number <= AMOUNT_MAX:
        return f"give an amount from 0 to {AMOUNT_MAX:f}", None
    return "", number


def _rate(given: Any) -> tuple[str, Any]:
    """Read basis points: a number is bps, and "0.1%" and "10bps" name their unit. 1 % = 100 bps."""
    match = _RATE.match(given.strip()) if isinstance(given, str) else None
    number = Decimal(match.group(1)) * (100 if match.group(2) == "%" else 1) if match else None
    if number is None and not isinstance(given, str):
        number = _decimal(given)
    if number is None:
        return 'give basis points, for example 10, "10bps" or "0.1%"', None
    if not 0 <= number <= BPS_MAX:
        return f"give 0 to {BPS_MAX} bps (0 to 100%)", None
    return "", number


def _share(given: Any) -> tuple[str, Any]:
    """Read a share of a whole: from 0 to 1, or with its unit, "25%"."""
    percent = isinstance(given, str) and given.strip().endswith("%")
    number = _decimal(given.strip()[:-1] if percent else given)
    if number is None:
        return 'give a share, for example "0.25" or "25%"', None
    number = number / 100 if percent else number
    return ("", number) if 0 <= number <= 1 else ('give a share from 0 to 1, or from "0%" to "100%"', None)


def _variable(given: Any) -> tuple[str, Any]:
    """Read the name of an environment variable; a key pasted in its place is refused, and never printed."""
    if given == "" or (isinstance(given, str) and _VARIABLE.fullmatch(given)):
        return "", given
    return (
        "give the name of the environment variable, in capitals such as VENUE_API_KEY, and never the key itself",
        None,
    )


def _leg_cost(given: Any) -> tuple[str, Any]:
    if given == OFF:
        return "", given
    if given == LEARNED:
        return (
            f'costs are not learned any more: give "{OFF}", or a rate: "{LEARNED_FIRST_BPS}bps", its first estimate',
            None,
        )
    complaint, rate = _rate(given)
    return (f'give "{OFF}" or a rate: {complaint}', None) if complaint else ("", f"{rate:f}bps")


def _fee(given: Any) -> tuple[str, Any]:
    match = _RATE.match(given.strip()) if isinstance(given, str) else None
    if match is None or match.group(2) is None:
        return 'give a fee with its unit, for example "0.1%" or "10bps"', None
    complaint, rate = _rate(given)
    if complaint or rate > FEE_BPS_MAX:
        return f"give 0 to {FEE_BPS_MAX} bps (0 to 5%)", None
    return "", Fee(given.strip())


def fee_ratio(fee: Fee) -> Decimal:
    _, bps = _rate(fee)
    return Decimal(bps) / BPS_MAX


def _texts(name: str, given: Any) -> tuple[str, Any]:
    if name == "symbols" and given == "auto":
        return "", ("auto",)
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        return 'give a list of texts, for example ["A", "B"]', None
    if len(set(given)) != len(given):
        return "give every entry once", None
    if name.endswith("symbols"):
        bad = [text for text in given if not is_spot_symbol(text)]
        if bad:
            return f'{bad[0]!r} is no symbol: write BASE/QUOTE as venues list them, for example "BTC/USDT"', None
    return "", tuple(given)


def is_spot_symbol(text: str) -> bool:
    try:
        return Symbol.of(text).is_spot
    except ValueError:
        return False


def _decimal(given: Any) -> Decimal | None:
    if isinstance(given, bool) or not isinstance(given, int | str | Decimal):
        return None
    try:
        number = Decimal(given)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
