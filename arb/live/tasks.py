"""The small tasks that never end: the venues' clocks and rules, the journal's fsync, the halt file."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from arb.core.events import ClockSuspected, HaltAsked, InstrumentListed, TroubleReported
from arb.core.incidents import IncidentKind
from arb.errors import StoreError, VenueError
from arb.live.control import HALT_POLL_S, read_halt_file
from arb.market.instrument import Instrument
from arb.venues.base import EventListener, OrderGateway

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 30.0
CLOCK_RETRY_S = 5.0
CLOCK_AGAIN_S = 1.0
COUNT_EVERY_S = 60.0
SYNC_EVERY_S = 0.2
"""DESIGN.md section 3 asks for an fsync at least every 250 ms."""


async def keep_clock(gateway: OrderGateway, listener: EventListener) -> None:
    """Compare a venue's clock with ours again and again, and at once when the venue calls a request of ours out of time.

    Then nothing opens there until it is done. A venue that always says so is asked no more than once in `CLOCK_AGAIN_S`.
    """
    while True:
        try:
            listener(await gateway.measure_clock())
            pause_s = CLOCK_EVERY_S
        except VenueError as error:
            log.warning("clock of %s not measured: %s", gateway.venue, error)
            pause_s = CLOCK_RETRY_S
        await asyncio.sleep(CLOCK_AGAIN_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(gateway.clock_suspected(), pause_s - CLOCK_AGAIN_S)
            listener(ClockSuspected(venue=gateway.venue))


async def keep_rules(
    gateway: OrderGateway, instruments: tuple[Instrument, ...], every_s: float, listener: EventListener
) -> None:
    """Read a venue's rules and fees again and again, and tell those that differ from what was told last.

    Books are kept on the steps of prices and sizes known at the start: where those change, the old ones go on being used (an
    order that does not fit is refused by the venue), and a person is told that a restart is due.
    """
    told = {instrument.symbol: instrument for instrument in instruments}
    warned: set[str] = set()
    while True:
        await asyncio.sleep(every_s)
        try:
            listed = await gateway.instruments(tuple(told))
        except VenueError as error:
            log.warning("rules of %s not read: %s", gateway.venue, error)
            continue
        for read in listed:
            before = told[read.symbol]
            now = _as_usable(read, before)
            if (read.tick, read.lot) != (before.tick, before.lot) and read.symbol not in warned:
                warned.add(read.symbol)
                text = (
                    f"{read.symbol} at {gateway.venue}: its price or size step changed; restart to trade on the new one"
                )
                listener(TroubleReported(kind=IncidentKind.RULES_CHANGED, text=text))
            if now != before:
                told[read.symbol] = now
                listener(InstrumentListed(instrument=now))


def _as_usable(read: Instrument, before: Instrument) -> Instrument:
    """Return new rules with the old steps, and with the old fees where none could be read."""
    kept = msgspec.structs.replace(read, tick=before.tick, lot=before.lot)
    if read.taker_fee is not None:
        return kept
    fees = {"taker_fee": before.taker_fee, "maker_fee": before.maker_fee, "buy_fee_in": before.buy_fee_in}
    return msgspec.structs.replace(kept, **fees)


async def keep_synced(sync: Callable[[], Awaitable[None]], complain: Callable[[str], None]) -> None:
    """Make the journal durable against power cuts; `sync` waits for the disk elsewhere and raises `StoreError`."""
    healthy = True
    while True:
        await asyncio.sleep(SYNC_EVERY_S)
        try:
            await sync()
            healthy = True
        except StoreError as error:
            if healthy:
                complain(str(error))
            healthy = False


class DropCounter:
    """Says, exactly, how many untraded opportunities the ledger could not take since it said so last (DESIGN.md section 3)."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped
        self._told = 0

    def tell(self, listener: EventListener) -> None:
        """Tell what was dropped and not told yet; together these incidents give the run's number."""
        count = self._dropped() - self._told
        if count:
            self._told += count
            text = f"{count} untraded opportunities were not written: the ledger did not take them fast enough"
            listener(TroubleReported(kind=IncidentKind.OPPORTUNITIES_DROPPED, text=text))


async def keep_counted(counter: DropCounter, listener: EventListener) -> None:
    """Tell of dropped opportunities once a minute."""
    while True:
        await asyncio.sleep(COUNT_EVERY_S)
        counter.tell(listener)


async def poll_halt_file(journal: Path, listener: EventListener) -> None:
    """Turn the appearance of the halt file into a halt."""
    seen: str | None = None
    while True:
        reason = read_halt_file(journal)
        if reason is not None and reason != seen:
            listener(HaltAsked(reason=reason))
        seen = reason
        await asyncio.sleep(HALT_POLL_S)
