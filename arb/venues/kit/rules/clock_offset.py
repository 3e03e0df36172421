"""How far a venue's clock differs from ours: the quickest of a few requests, and none that our own clock spoils.

Half the trip is the error of a request, which is true only while our wall clock runs on between request and answer. A
step of it meanwhile makes a trip shorter, or negative, and such a request would win as the best. So a request counts
only if our wall clock has kept pace with the monotonic one from before it until the last answer: a measurement before a
step is about a clock that we no longer have.

A venue that answers slowly for a while does not spoil the earlier estimate (`OffsetEstimate`): clocks drift so little
that an hour later a quick answer is still more exact than a slow one.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from arb.clock import NS_PER_MS, Clock
from arb.errors import VenueBusy
from arb.venues.transport.http import HttpAnswer

SAMPLES = 3
STEP_NS = 5 * NS_PER_MS
"""By how much our two clocks may part while questions are asked: a slewed clock does so by some us, a set one by more."""
DRIFT_PPM = 30
"""How fast the venue's clock and ours may part: RFC 5905 allows each 15 parts in a million (PHI, section 7.1)."""
CLOCK_SET = "clock_set"

Ask = Callable[[], Awaitable[tuple[int, HttpAnswer]]]
"""Ask for the venue's time, in ms since the epoch, UTC; raises `VenueError`."""


class Offset(NamedTuple):
    """Venue time = ours + `offset_ns`, known to within +- `error_ns` (>= 0)."""

    offset_ns: int
    error_ns: int


async def measure(venue: str, clock: Clock, ask: Ask) -> Offset:
    """Return the offset by the quickest question; raises `VenueError`, `VenueBusy` when our own clock was set all the time.

    The venue's answer is cut to milliseconds, so half of one is added to it and to the error.
    """
    samples: list[tuple[Offset, int]] = []
    for _ in range(SAMPLES):
        lead_ns = _lead_ns(clock)
        venue_ms, answer = await ask()
        trip_ns = answer.received_ns - answer.sent_ns
        if trip_ns >= 0:
            offset_ns = venue_ms * NS_PER_MS + NS_PER_MS // 2 - (answer.sent_ns + trip_ns // 2)
            samples.append((Offset(offset_ns, trip_ns // 2 + NS_PER_MS // 2), lead_ns))
    now_ns = _lead_ns(clock)
    steady = [offset for offset, lead_ns in samples if abs(now_ns - lead_ns) <= STEP_NS]
    if not steady:
        text = f"its clock was not compared: our own clock was set while it was asked {SAMPLES} times"
        raise VenueBusy(venue, text, code=CLOCK_SET)  # so that it is asked again, though the fault is ours
    return min(steady, key=lambda offset: offset.error_ns)


class OffsetEstimate:
    """The best estimate of a venue's clock: the latest measurement, unless an earlier one is still closer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: tuple[Offset, int, int] | None = None

    def forget(self) -> None:
        """Let the next measurement count in any case: the venue reports that our requests are out of time."""
        self._kept = None

    def take(self, found: Offset) -> Offset:
        """Return the better of a new measurement and the one kept, the kept one's error grown by its age.

        One that contradicts the kept one replaces it: the venue's clock was set. So does any after a step of our own clock.
        """
        now_ns, lead_ns = self._clock.monotonic_ns(), _lead_ns(self._clock)
        if self._kept is not None:
            kept, kept_ns, kept_lead_ns = self._kept
            moved_ns = abs(lead_ns - kept_lead_ns)
            error_ns = kept.error_ns + (now_ns - kept_ns) * DRIFT_PPM // 1_000_000 + moved_ns
            agree = abs(found.offset_ns - kept.offset_ns) <= found.error_ns + error_ns
            if moved_ns <= STEP_NS and agree and error_ns < found.error_ns:
                return Offset(kept.offset_ns, error_ns)
        self._kept = found, now_ns, lead_ns
        return found


def _lead_ns(clock: Clock) -> int:
    """Return by how much the wall clock leads the monotonic one: a constant, until it is set."""
    return clock.wall_ns() - clock.monotonic_ns()
