"""The small tasks that never end: the venues' clocks, the journal's fsync, the halt file."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from arb.core.events import HaltAsked
from arb.errors import StoreError, VenueError
from arb.live.control import HALT_POLL_S, read_halt_file
from arb.venues.base import EventListener, OrderGateway

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 30.0
CLOCK_RETRY_S = 5.0
SYNC_EVERY_S = 0.2
"""DESIGN.md section 3 asks for an fsync at least every 250 ms."""


async def keep_clock(gateway: OrderGateway, listener: EventListener) -> None:
    """Compare a venue's clock with ours again and again."""
    while True:
        try:
            listener(await gateway.measure_clock())
            pause_s = CLOCK_EVERY_S
        except VenueError as error:
            log.warning("clock of %s not measured: %s", gateway.venue, error)
            pause_s = CLOCK_RETRY_S
        await asyncio.sleep(pause_s)


async def keep_synced(sync: Callable[[], None], complain: Callable[[str], None]) -> None:
    """Make the journal durable against power cuts, off the loop."""
    healthy = True
    while True:
        await asyncio.sleep(SYNC_EVERY_S)
        try:
            await asyncio.to_thread(sync)
            healthy = True
        except StoreError as error:
            if healthy:
                complain(str(error))
            healthy = False


async def poll_halt_file(journal: Path, listener: EventListener) -> None:
    """Turn the appearance of the halt file into a halt."""
    seen: str | None = None
    while True:
        reason = read_halt_file(journal)
        if reason is not None and reason != seen:
            listener(HaltAsked(reason=reason))
        seen = reason
        await asyncio.sleep(HALT_POLL_S)
