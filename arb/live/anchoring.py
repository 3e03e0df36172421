"""Anchoring: the venues' time sets our clock, before the first entry of a run and while it lasts.

Signatures, expiries, the age of a book and every row depend on the clock that stamps them, and the host's may be an hour off.
The venues' common time is better: the median of the largest group whose clocks agree within a second. Before the first entry
our clock is set to it, forward or back. Afterwards it only moves forward, and only by more than a second: the host was
suspended (a virtual machine) or its clock runs slow. Where ours turns out to be ahead it continues, and the difference is
subtracted from every venue's offset when its health is judged.

Earlier runs wrote the journal by their clocks. Time continues from its last entry where that is at most a second ahead.
Entries further ahead were written by a wrong clock, and do not count.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from statistics import median_low
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_DAY, NS_PER_S, Clock
from arb.core.messages.events import AnyEvent, ClockAnchored, ClockMeasured, ClockSuspected
from arb.errors import CheckFailed, VenueError
from arb.venues.kit.base import EventListener, OrderGateway

log = logging.getLogger(__name__)

NEAR_NS = NS_PER_S
"""Clocks within this agree; a greater difference of ours is an incident."""
APART_MAX_NS = NS_PER_DAY
"""A host whose clock is further off than this starts only to finish open pairs."""
AGAIN_S = 1.0

Shift = Callable[[int], None]


class Agreed(NamedTuple):
    """The venues whose clocks agree, and their time minus ours, ns."""

    offset_ns: int
    venues: tuple[str, ...]


def agreed(measured: Iterable[ClockMeasured]) -> Agreed | None:
    """Return the majority's time, of several equal groups the one nearest to our clock; None without a measurement."""
    clocks = sorted(measured, key=lambda clock: clock.offset_ns)
    groups = [
        [clock for clock in clocks[first:] if clock.offset_ns - clocks[first].offset_ns <= NEAR_NS]
        for first in range(len(clocks))
    ]
    found = [
        Agreed(median_low(clock.offset_ns for clock in group), tuple(sorted(clock.venue for clock in group)))
        for group in groups
    ]
    return min(found, key=lambda group: (-len(group.venues), abs(group.offset_ns)), default=None)


class Anchor:
    """Keeps our clock at the venues' time; `shift` None: the clock cannot be set, like that of a tape."""

    def __init__(self, clock: Clock, shift: Shift | None) -> None:
        self._clock = clock
        self._shift = shift
        self._off = asyncio.Event()
        # The venues' lead over our clock (below zero: lag) that cannot be undone, for our clock only moves forward.
        self._left_ns = 0
        # Measurements not yet passed on, by venue: our own clock may be the wrong one.
        self._held: dict[str, ClockMeasured] = {}

    def begin(self, measured: Iterable[ClockMeasured], last_ns: int, *, must: bool) -> list[AnyEvent]:
        """Set our clock before the first entry; return the texts to log, and the venues' clocks measured by ours.

        `last_ns`: the journal's last entry. Raises `CheckFailed` where it is more than a day off, unless the run `must` begin.
        """
        clocks = list(measured)
        found = agreed(clocks)
        if self._shift is None:
            return [*clocks]
        by_ns, said = 0, []
        if found is not None:
            if abs(found.offset_ns) > APART_MAX_NS and not must:
                raise CheckFailed(f"{_apart(found)}: set it right and start again; nothing was written down")
            by_ns = found.offset_ns
            if abs(by_ns) > NEAR_NS:
                said.append(f"{_apart(found)}: their time is ours; set the host's clock right")
        self._shift(by_ns)
        ahead_ns = last_ns - self._clock.wall_ns()
        if 0 < ahead_ns <= NEAR_NS:
            self._shift(ahead_ns)
            self._left_ns = -ahead_ns
            by_ns += ahead_ns
        elif ahead_ns > 0:
            said.append(
                f"the journal's last entry is {_span(ahead_ns)} ahead of the venues' time: an earlier run had "
                "a wrong clock, and entries from now on have the right time"
            )
        events: list[AnyEvent] = [self._event(by_ns, "; ".join(said))] if said else []
        return [*events, *(_moved(clock, by_ns) for clock in clocks)]

    def take(self, event: AnyEvent, listener: EventListener) -> None:
        """Pass on a venue's measurement; where its clock is further off than that, compare all first."""
        near = not isinstance(event, ClockMeasured) or abs(event.offset_ns - self._left_ns) <= NEAR_NS
        if near or self._shift is None:
            listener(event)
            return
        assert isinstance(event, ClockMeasured)
        self._held[event.venue] = event
        self._off.set()
        listener(ClockSuspected(venue=event.venue))

    async def keep(self, gateways: Collection[OrderGateway], listener: EventListener) -> None:
        """Follow the venues' time: whenever one was found off, all are compared at once."""
        while True:
            await self._off.wait()
            self._off.clear()
            clocks = await compared(gateways)
            anchored = self._follow(agreed(clocks), len(gateways))
            by_ns = 0 if anchored is None else anchored.shifted_ns
            latest = self._held | {clock.venue: clock for clock in clocks}
            self._held.clear()
            if anchored is not None:
                listener(anchored)
            for clock in latest.values():
                listener(_moved(clock, by_ns))
            await asyncio.sleep(AGAIN_S)

    def _follow(self, found: Agreed | None, venues: int) -> ClockAnchored | None:
        """Move our clock forward to the time of more than half of all venues, or report by how much it is ahead."""
        if self._shift is None or found is None or 2 * len(found.venues) <= venues:
            return None
        if abs(found.offset_ns - self._left_ns) <= NEAR_NS:
            return None
        if found.offset_ns > NEAR_NS:
            self._shift(found.offset_ns)
            self._left_ns = 0
            return self._event(found.offset_ns, f"{_apart(found)} and was put forward")
        self._left_ns = found.offset_ns if found.offset_ns < -NEAR_NS else 0
        said = (
            "it continues, corrected at every venue, until the next start"
            if self._left_ns
            else "it agrees with theirs again"
        )
        return self._event(0, f"{_apart(found)}: {said}")

    def _event(self, by_ns: int, text: str) -> ClockAnchored:
        log.warning("%s", text)
        return ClockAnchored(shifted_ns=by_ns, left_ns=self._left_ns, text=text)


def _moved(clock: ClockMeasured, by_ns: int) -> ClockMeasured:
    """Return a measurement as our moved clock sees it."""
    return msgspec.structs.replace(clock, offset_ns=clock.offset_ns - by_ns)


async def compared(gateways: Iterable[OrderGateway]) -> list[ClockMeasured]:
    answers = await asyncio.gather(*map(_compared, gateways))
    return [clock for clock in answers if clock is not None]


async def _compared(gateway: OrderGateway) -> ClockMeasured | None:
    try:
        return await gateway.measure_clock()
    except VenueError as error:
        log.warning("clock of %s not measured: %s", gateway.venue, error)
        return None


def _apart(found: Agreed) -> str:
    way = "behind" if found.offset_ns > 0 else "ahead of"
    return f"our clock was {_span(abs(found.offset_ns))} {way} the venues' ({', '.join(found.venues)} agree)"


def _span(ns: int) -> str:
    return f"{ns / APART_MAX_NS:.0f} days" if ns > APART_MAX_NS else f"{ns / NS_PER_S:.3f} s"
