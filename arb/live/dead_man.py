"""Dead-man switches: while orders of ours rest on a dedicated account, the venue is to cancel everything if we fall silent.

The switch cancels account-wide, so it is armed only where the user has said that nobody else trades there, and only while
something of ours rests: trading with immediate-or-cancel orders arms nothing. It is renewed before half of its time is over
(Gate APIv4 "countdown cancel", OKX API v5 "cancel all after") and disarmed when nothing rests any more. A process that ends
with something resting leaves it armed: that is what it is for.
"""

import asyncio
import logging
from collections.abc import Callable

from arb.clock import NS_PER_S, Clock
from arb.errors import VenueError
from arb.venues.base import OrderGateway

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
RETRY_S = 1.0
TIMEOUT_MIN_S, TIMEOUT_MAX_S = 10, 120
"""OKX takes 10 to 120 s, Gate at least 5."""


class DeadManSwitch:
    """The switch of one account."""

    def __init__(self, gateway: OrderGateway, resting: Callable[[], bool], clock: Clock, timeout_s: int) -> None:
        self._gateway = gateway
        self._resting = resting
        self._clock = clock
        self._timeout_s = min(max(timeout_s, TIMEOUT_MIN_S), TIMEOUT_MAX_S)
        self._armed_ns: int | None = None

    async def run(self) -> None:
        """Keep the switch as it should be until cancelled; returns at once where the venue has none."""
        while await self._step():
            pass

    async def _step(self) -> bool:
        try:
            if not await self._set():
                return False
            pause_s = LOOK_EVERY_S
        except VenueError as error:
            log.warning("dead-man switch of %s: %s", self._gateway.venue, error)
            pause_s = RETRY_S
        await asyncio.sleep(pause_s)
        return True

    async def _set(self) -> bool:
        """Arm, renew or disarm if it is time to; return whether the venue has a switch."""
        if self._resting():
            if self._due() and not await self._tell(self._timeout_s):
                log.warning(
                    "%s has no dead-man switch: orders that rest there are not cancelled by it", self._gateway.venue
                )
                return False
        elif self._armed_ns is not None:
            await self._tell(0)
            self._armed_ns = None
        return True

    def _due(self) -> bool:
        # A third of the time: one renewal may fail and the next is still in time.
        return self._armed_ns is None or self._clock.monotonic_ns() - self._armed_ns >= self._timeout_s * NS_PER_S // 3

    async def _tell(self, timeout_s: int) -> bool:
        asked_ns = self._clock.monotonic_ns()
        has_one = await self._gateway.arm_dead_man(timeout_s)
        self._armed_ns = asked_ns
        return has_one
