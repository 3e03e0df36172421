"""Reading scenario files for the fault simulation, and every mistake in them as one line: what, where, how to mend it."""

import difflib
from pathlib import Path

import msgspec

from arb.config.loader import load_file
from arb.errors import ConfigError
from arb.faultsim.plan import STRIKES
from arb.faultsim.scenario import Scenario
from arb.sandbox.profiles import SYMBOLS


def read_scenario(path: Path, seed: int | None = None) -> Scenario:
    """Read a file, on another seed if one is given; raises `ConfigError` naming file, line and remedy."""
    scenario = load_file(path, Scenario)
    if seed is not None:
        scenario = msgspec.structs.replace(scenario, seed=seed)
    for number, strike in enumerate(scenario.strikes, start=1):
        if strike.fault not in STRIKES:
            near = difflib.get_close_matches(strike.fault, STRIKES, n=1, cutoff=0.5)
            mend = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(STRIKES)}"
            raise ConfigError(f"{path}: [[strikes]] number {number}: unknown fault {strike.fault!r}: {mend}")
    unknown = [symbol for symbol in scenario.symbols if symbol not in SYMBOLS]
    if unknown:
        raise ConfigError(f"{path}: symbols: nobody lists {unknown[0]}: choose from {', '.join(SYMBOLS)}")
    return scenario
