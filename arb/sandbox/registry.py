"""The simulated venues, in the order in which they are made. A new one is a folder, a line here, and one in `world.py`."""

from arb.errors import ConfigError
from arb.sandbox.binance.spec import SPEC as BINANCE
from arb.sandbox.bitget.spec import SPEC as BITGET
from arb.sandbox.bybit.spec import SPEC as BYBIT
from arb.sandbox.gate.spec import SPEC as GATE
from arb.sandbox.okx.spec import SPEC as OKX
from arb.sandbox.spec import SimSpec

SPECS: dict[str, SimSpec] = {spec.name: spec for spec in (GATE, OKX, BITGET, BYBIT, BINANCE)}
VENUE_NAMES = ("gate", "okx", "bitget")
"""Those that are simulated unless others are named: the settings' own choice of venues, too."""


def venues_in(text: str) -> tuple[str, ...]:
    """Return the venues of a list such as `gate,bybit`; raises `ConfigError` for unknown ones and for fewer than two."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in SPECS]
    if unknown or len(names) < 2:
        raise ConfigError(f"--venues: {text[:80]!r}: name two or more of {', '.join(SPECS)}, apart by commas")
    return names
