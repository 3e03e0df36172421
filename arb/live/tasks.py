"""The background tasks of the loop: venue clocks and rules, the journal's fsync, the halt file, dead-man switches."""

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import (
    ClockSuspected,
    CurrenciesListed,
    HaltAsked,
    InstrumentListed,
    InstrumentUnlisted,
    TroubleReported,
)
from arb.core.messages.incidents import IncidentKind
from arb.errors import StoreError, VenueError
from arb.live.control import HALT_POLL_S, halt_file, halt_file_user, read_halt_file
from arb.market.instrument import Instrument
from arb.venues.kit.base import EventListener, OrderGateway

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 30.0
CLOCK_RETRY_S = 5.0
CLOCK_AGAIN_S = 1.0
COUNT_EVERY_S = 60.0
RULES_POLL_S = 1.0
"""How soon rules are read that a refusal showed to be out of date."""
UPKEEP_EVERY_S = 1.0
UPKEEP_SOON_S = 0.05
"""How soon a piece of upkeep follows another: 0.5 GB of journal take some minutes, without delaying anything."""
UPKEEP_RETRY_S = 60.0
SYNC_EVERY_S = 0.2
"""A power cut may cost the journal's last 250 ms at most: this, and the time an fsync takes."""
COLLECT_EVERY_S = 0.1
COLLECT_PUT_OFF_MAX = 20
OLDER_EVERY, OLDEST_EVERY = 600, 36_000
"""Once a minute, and once an hour."""
DEAD_MAN_CHECK_S = 0.25
DEAD_MAN_RETRY_S = 1.0
DEAD_MAN_MIN_S, DEAD_MAN_MAX_S = 10, 120
"""OKX takes 10 to 120 s, Gate at least 5."""


async def keep_clock(gateway: OrderGateway, listener: EventListener) -> None:
    """Compare a venue's clock with ours repeatedly, and at once when the venue calls a request of ours out of time.

    Then nothing opens there until it is done. A venue that always answers so is asked at most once in `CLOCK_AGAIN_S`.
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


async def until(due: Callable[[], bool], every_s: float) -> None:
    """Return when `due`, asked every so many seconds, is true; its exceptions are raised here.

    No task wakes for each False: a replay passes through an hour of them within a second.
    """
    loop = asyncio.get_running_loop()
    said: asyncio.Future[None] = loop.create_future()
    asking: asyncio.TimerHandle

    def ask() -> None:
        nonlocal asking
        try:
            if due():
                said.set_result(None)
            else:
                asking = loop.call_later(every_s, ask)
        except Exception as error:  # it is for the waiting caller
            said.set_exception(error)

    asking = loop.call_later(every_s, ask)
    try:
        await said
    finally:
        asking.cancel()


class RulesSource(Protocol):
    venue: str

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Return the rules of those of `symbols` that are listed; raises `VenueError`."""


async def keep_rules(
    gateway: RulesSource,
    known: Callable[[], Iterable[Instrument]],
    every_s: float,
    listener: EventListener,
    awaited: Callable[[], Collection[str]],
) -> None:
    """Read a venue's rules and fees repeatedly, and report those that differ from the last ones reported.

    `known`: the traded instruments as known before the first read here. `awaited`: the symbols that wait for their rules;
    these are read soon, and reported unconditionally. While that changes nothing, each such read follows twice as late as the
    one before, for the venue applies rules that it does not list. A symbol that is missing or unreadable in a listing is
    reported once, and again when it is back.
    """
    reported: dict[str, Instrument] = {}
    unlisted: set[str] = set()
    poll_s = min(every_s, RULES_POLL_S)
    since_s, soon_s = 0.0, RULES_POLL_S
    asked: frozenset[str] = frozenset()

    def are_due() -> bool:
        nonlocal since_s, soon_s, asked
        since_s += poll_s
        found = awaited()
        if found or asked:
            before_asked, asked = asked, frozenset(found)
            if asked - before_asked:
                soon_s = RULES_POLL_S
        return since_s >= (min(soon_s, every_s) if asked else every_s)

    while True:
        await until(are_due, poll_s)
        since_s, soon_s = 0.0, soon_s * 2 if asked else RULES_POLL_S
        reported = {one.symbol: reported.get(one.symbol, one) for one in known()}
        try:
            listed = await gateway.instruments(tuple(reported))
        except VenueError as error:
            log.warning("rules of %s not read: %s", gateway.venue, error)
            continue
        missing = reported.keys() - {read.symbol for read in listed}
        for symbol in sorted(missing - unlisted):
            listener(InstrumentUnlisted(venue=gateway.venue, symbol=symbol))
        back, unlisted = unlisted - missing, missing
        for read in listed:
            before = reported[read.symbol]
            now = _with_fees(read, before)
            if now != before or read.symbol in asked | back:
                reported[read.symbol] = now
                listener(InstrumentListed(instrument=now))
            if now != before:
                soon_s = RULES_POLL_S


async def keep_currencies(
    gateway: OrderGateway,
    assets: Callable[[], tuple[str, ...]],
    first: CurrenciesListed | None,
    every_s: float,
    listener: EventListener,
) -> None:
    """Read a venue's currency list repeatedly, and soon for a new asset.

    Differences from the last report, initially `first`, are reported. Returns where the venue does not show its list.
    """
    reported = {} if first is None else first.by_asset()
    asked = set(reported)
    poll_s, since_s = min(every_s, RULES_POLL_S), 0.0
    while True:
        await asyncio.sleep(poll_s)
        since_s += poll_s
        wanted = assets()
        if since_s < every_s and asked.issuperset(wanted):
            continue
        since_s, asked = 0.0, set(wanted)
        try:
            listed = await gateway.currencies(wanted)
        except VenueError as error:
            log.warning("currencies of %s not read: %s", gateway.venue, error)
            continue
        if listed is None:
            return
        now = listed.by_asset()
        changed = tuple(asset for asset in wanted if now[asset] != reported.get(asset))
        reported |= now
        if changed:
            chains = tuple(chain for asset in changed for chain in now[asset])
            listener(CurrenciesListed(venue=listed.venue, assets=changed, chains=chains))


def _with_fees(read: Instrument, before: Instrument) -> Instrument:
    if read.taker_fee is not None:
        return read
    names = ("taker_fee", "maker_fee", "buy_fee_in", "fee_asset", "fee_asset_taker")
    return msgspec.structs.replace(read, **{name: getattr(before, name) for name in names})


async def keep_synced(sync: Callable[[], Awaitable[None]], on_synced: Callable[[str | None], None]) -> None:
    """Make the journal durable against power cuts; `sync` waits for the disk elsewhere and raises `StoreError`.

    `on_synced` is called with why it failed, or with None, whenever that changes.
    """
    healthy = True
    while True:
        await asyncio.sleep(SYNC_EVERY_S)
        try:
            await sync()
            if not healthy:
                on_synced(None)
            healthy = True
        except StoreError as error:
            if healthy:
                on_synced(str(error))
            healthy = False


async def keep_small(upkeep: Callable[[], Awaitable[bool]]) -> None:
    """Keep the journal small, a piece at a time; `upkeep` returns whether there was one, and raises `StoreError`.

    A failure does not stop trading: the journal only grows.
    """
    while True:
        try:
            pause_s = UPKEEP_SOON_S if await upkeep() else UPKEEP_EVERY_S
        except StoreError as error:
            log.warning("upkeep: %s", error)
            pause_s = UPKEEP_RETRY_S
        await asyncio.sleep(pause_s)


class DropCounter:
    """Counts exactly how many untraded opportunities the ledger could not take since the last report."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped
        self._reported = 0

    def report(self, listener: EventListener) -> None:
        """Report the drops since the last report; these incidents add up to the run's number."""
        count = self._dropped() - self._reported
        if count:
            self._reported += count
            text = f"{count} untraded opportunities were not written: the ledger did not take them fast enough"
            listener(TroubleReported(kind=IncidentKind.OPPORTUNITIES_DROPPED, text=text))


async def keep_collected(idle: Callable[[], bool]) -> None:
    """Collect garbage when the engine is idle, instead of at allocations, which happen while it decides.

    Young objects are collected ten times a second, so that there are never many; older ones seldom. Objects freed by reference
    counts, nearly all here, need none of this.
    """
    gc.disable()
    try:
        looked, put_off = 0, 0
        while True:
            await asyncio.sleep(COLLECT_EVERY_S)
            if not idle() and put_off < COLLECT_PUT_OFF_MAX:
                put_off += 1
                continue
            looked, put_off = looked + 1, 0
            gc.collect(2 if looked % OLDEST_EVERY == 0 else 1 if looked % OLDER_EVERY == 0 else 0)
    finally:
        gc.enable()


async def keep_counted(counter: DropCounter, listener: EventListener) -> None:
    while True:
        await asyncio.sleep(COUNT_EVERY_S)
        counter.report(listener)


async def poll_halt_file(journal: Path, listener: EventListener) -> None:
    """Turn the appearance of the halt file into a halt."""
    seen: str | None = None
    place = str(halt_file(journal))
    while True:
        # Checked by its name only, five times a second: a failing open takes ten times as long.
        reason = read_halt_file(journal) if os.access(place, os.F_OK, follow_symlinks=False) else None
        if reason is not None and reason != seen:
            listener(HaltAsked(reason=reason, by=halt_file_user(journal)))
        seen = reason
        await asyncio.sleep(HALT_POLL_S)


class DeadManSwitch:
    """While orders of ours rest on a dedicated account, its venue is to cancel everything if the engine falls silent.

    The switch cancels account-wide. So it is armed only where the user has stated that no one else trades there, and only
    while one of our orders rests. Trading with immediate-or-cancel orders arms nothing. It is renewed before half of its time
    is over (Gate APIv4 "countdown cancel", OKX API v5 "cancel all after") and disarmed when nothing rests any more. A process
    that ends with a resting order leaves it armed: that is its purpose.
    """

    def __init__(self, gateway: OrderGateway, resting: Callable[[], bool], clock: Clock, timeout_s: int) -> None:
        self._gateway = gateway
        self._resting = resting
        self._clock = clock
        self._timeout_s = min(max(timeout_s, DEAD_MAN_MIN_S), DEAD_MAN_MAX_S)
        self._armed_ns: int | None = None

    async def run(self) -> None:
        """Keep the switch as it should be until cancelled; returns at once where the venue has none."""
        while await self._step():
            pass

    async def _step(self) -> bool:
        try:
            if not await self._set():
                return False
            pause_s = DEAD_MAN_CHECK_S
        except VenueError as error:
            log.warning("dead-man switch of %s: %s", self._gateway.venue, error)
            pause_s = DEAD_MAN_RETRY_S
        await asyncio.sleep(pause_s)
        return True

    async def _set(self) -> bool:
        """Arm, renew or disarm if it is time to; return whether the venue has a switch."""
        if self._resting():
            if self._due() and not await self._arm(self._timeout_s):
                log.warning(
                    "%s has no dead-man switch: orders that rest there are not cancelled by it", self._gateway.venue
                )
                return False
        elif self._armed_ns is not None:
            await self._arm(0)
            self._armed_ns = None
        return True

    def _due(self) -> bool:
        # A third of the time: one renewal may fail and the next is still in time.
        return self._armed_ns is None or self._clock.monotonic_ns() - self._armed_ns >= self._timeout_s * NS_PER_S // 3

    async def _arm(self, timeout_s: int) -> bool:
        asked_ns = self._clock.monotonic_ns()
        has_one = await self._gateway.arm_dead_man(timeout_s)
        self._armed_ns = asked_ns
        return has_one
