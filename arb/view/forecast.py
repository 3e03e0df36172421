"""How long each balance lasts at its present pace."""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

from arb.clock import NS_PER_S

EVERY_NS, KEPT = 10 * NS_PER_S, 60
"""A sample each ten seconds, of the last ten minutes."""
LEAST_NS = 60 * NS_PER_S
"""No pace is known from a shorter time."""
SHOWN_S = 3600

Holdings = Mapping[str, Mapping[str, Decimal]]
"""By venue and asset."""


class Forecast:
    """The pace of balances is their fall since the oldest sample."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Holdings]] = deque(maxlen=KEPT)

    def lasting(self, now_ns: int, holdings: Holdings) -> dict[str, dict[str, int]] | None:
        """Return by venue and asset in how many seconds a falling balance is used up, within the next hour.

        None: not known yet.
        """
        if not self._samples or now_ns - self._samples[-1][0] >= EVERY_NS:
            self._samples.append((now_ns, {venue: dict(held) for venue, held in holdings.items()}))
        since_ns, before = self._samples[0]
        if now_ns - since_ns < LEAST_NS:
            return None
        found: dict[str, dict[str, int]] = {}
        for venue, held in holdings.items():
            for asset, amount in held.items():
                fallen = before.get(venue, {}).get(asset, amount) - amount
                if fallen > 0 and (lasts_s := int(amount / fallen * (now_ns - since_ns) / NS_PER_S)) <= SHOWN_S:
                    found.setdefault(venue, {})[asset] = max(0, lasts_s)
        return found
