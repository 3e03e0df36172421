"""Reaching the venues: at the start, and repeatedly afterwards those that do not answer.

A venue is *down* if it cannot be reached, answers nothing readable, is in maintenance or limits us: that passes. A key that is
refused, or that may withdraw, does not: at the start it ends the run, and later it excludes that venue. A venue that the
doctor has found unfit before counts as down.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Container, Mapping, Sequence

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import AnyEvent
from arb.errors import VenueBusy, VenueError, VenueUnreachable
from arb.market.instrument import Instrument
from arb.venues.kit.base import OrderGateway
from arb.venues.transport.retry import Backoff, Trouble, next_delay_s

log = logging.getLogger(__name__)

AGAIN = Backoff(first_s=1.0, cap_s=10.0, attempts_max=None, total_s=None)
FIRST_ANSWERS_S = 10.0
"""How long a start waits for every venue's first answer or failure before it continues with those that have answered."""
TWO_VENUES_S = 60.0
"""How long a start waits for a second venue while nothing of ours is open."""


class Arrival:
    """One venue on its way in: asked until it answers. `cause`: why it has not yet."""

    def __init__(
        self, gateway: OrderGateway, symbols: tuple[str, ...], rng: random.Random, *, failed: bool = False
    ) -> None:
        self.gateway = gateway
        self._passing = VenueError if failed else (VenueUnreachable, VenueBusy)
        self.cause = "no answer yet"
        self.tried = asyncio.Event()
        self._symbols = symbols
        self._rng = rng
        self.task = asyncio.create_task(self._reach())

    @property
    def answered(self) -> bool:
        """Return whether the venue has answered; raise the error that forbids its use."""
        return self.task.done() and self.task.result() is not None

    async def _reach(self) -> tuple[Instrument, ...]:
        """Return the listing, once the venue answers; raises `VenueError` where it answers and cannot be used."""
        attempt = 0
        try:
            while True:
                attempt += 1
                try:
                    await self.gateway.start()
                    return await self.gateway.instruments(self._symbols)
                except self._passing as error:
                    if str(error) != self.cause:
                        log.warning("%s; it is excluded, and asked again until it answers", error)
                    self.cause = str(error)
                self.tried.set()
                delay_s = next_delay_s(AGAIN, attempt, Trouble.UNREACHABLE, 0.0, self._rng)
                await asyncio.sleep(AGAIN.cap_s if delay_s is None else delay_s)
        finally:
            self.tried.set()


class Arrivals:
    """All venues of a run, those that have answered and those that are still asked."""

    def __init__(
        self,
        gateways: Mapping[str, OrderGateway],
        symbols: Mapping[str, tuple[str, ...]],
        failed: Container[str] = (),
        *,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._clock = clock
        self._all = {
            venue: Arrival(gateway, symbols[venue], rng, failed=venue in failed) for venue, gateway in gateways.items()
        }

    async def first(self, *, alone: bool) -> tuple[list[Instrument], dict[str, str]]:
        """Wait for the venues that answer at the start; return their listings, and why the others are absent.

        Fewer than two are enough where `alone`. Raises `VenueUnreachable` where they are not, `VenueError` for a venue that
        answers and cannot be used.
        """
        until_ns = self._clock.monotonic_ns() + int(TWO_VENUES_S * NS_PER_S)
        tries = [asyncio.create_task(arrival.tried.wait()) for arrival in self._all.values()]
        await asyncio.wait(tries, timeout=FIRST_ANSWERS_S)
        for one in tries:
            one.cancel()
        while True:
            absent = {venue: arrival for venue, arrival in self._all.items() if not arrival.answered}
            left_s = (until_ns - self._clock.monotonic_ns()) / NS_PER_S
            if not absent or alone or len(self._all) - len(absent) >= 2:
                break
            if left_s <= 0:
                raise _too_few([(venue, arrival.cause) for venue, arrival in absent.items()])
            tasks = [arrival.task for arrival in absent.values()]
            await asyncio.wait(tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        listed = [arrival.task.result() for venue, arrival in self._all.items() if venue not in absent]
        causes = {venue: arrival.cause for venue, arrival in absent.items()}
        return [instrument for instruments in listed for instrument in instruments], causes

    async def later(self, venue: str) -> tuple[Instrument, ...]:
        """Wait until a venue answers; return its listing. Raises as `first` does."""
        return await self._all[venue].task

    async def close(self) -> None:
        tasks = [arrival.task for arrival in self._all.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unless_down(asked: Awaitable[AnyEvent]) -> AnyEvent | None:
    """Return a venue's answer, None where it is down."""
    try:
        return await asked
    except (VenueUnreachable, VenueBusy) as error:
        log.warning("%s", error)
        return None


def _too_few(absent: Sequence[tuple[str, str]]) -> VenueUnreachable:
    (venue, cause), *others = absent
    more = "".join(f"; nor does {other} ({why})" for other, why in others)
    text = (
        f"does not answer for {TWO_VENUES_S:.0f} s ({cause}){more}: arbitrage needs two venues: start again when they are "
        "back, or enable another in [venues]; no pair is open"
    )
    return VenueUnreachable(venue, text)
