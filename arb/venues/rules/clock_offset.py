"""How far a venue's clock stands from ours: the quickest of a few questions, and none that our own clock spoils.

Half the trip is the error of a question, which is true only while our wall clock runs on between asking and hearing. Whoever
sets it meanwhile makes a trip shorter, or negative, and such a question would win as the best. So a question counts only if our
wall clock has kept pace with the monotonic one from before it until the last answer: what was measured before a step is about
a clock that we no longer have.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from arb.clock import NS_PER_MS, Clock
from arb.errors import VenueBusy
from arb.venues.transport.http import HttpAnswer

SAMPLES = 3
STEP_NS = 5 * NS_PER_MS
"""By how much our two clocks may part while questions are asked: a slewed clock does so by some us, a set one by more."""
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


def _lead_ns(clock: Clock) -> int:
    """Return by how much the wall clock leads the monotonic one: a constant, until somebody sets it."""
    return clock.wall_ns() - clock.monotonic_ns()
