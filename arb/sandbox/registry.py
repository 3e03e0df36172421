"""The simulated venues, in the order in which they are made. A new one is a folder, a line here, and one in `world.py`."""

from arb.sandbox.bitget.spec import SPEC as BITGET
from arb.sandbox.gate.spec import SPEC as GATE
from arb.sandbox.okx.spec import SPEC as OKX
from arb.sandbox.spec import SimSpec

SPECS: dict[str, SimSpec] = {spec.name: spec for spec in (GATE, OKX, BITGET)}
VENUE_NAMES = tuple(SPECS)
