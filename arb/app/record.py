"""`arb record`: public frames of the venues to self-contained segments. No key, no engine, no order."""

import asyncio
import logging
import random
import shutil
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import msgspec

from arb.app.build import public_side, require_way_out, symbols_of
from arb.app.choosing import with_symbols
from arb.app.display import generic_feeds
from arb.clock import NS_PER_S, SystemClock, system_random
from arb.config import RecordOptions, Settings
from arb.config.coins import coin_rule
from arb.core.messages.events import AnyEvent, FeedDown, FeedUp, InstrumentListed, InstrumentUnlisted, TroubleReported
from arb.errors import EXIT_CHECK, EXIT_OK, CheckFailed, VenueBusy, VenueError, VenueUnreachable
from arb.live.arrival import AGAIN
from arb.live.recording import Recorder
from arb.live.tasks import keep_rules
from arb.market.feed import split_books
from arb.market.instrument import Instrument
from arb.process import on_stop_signal
from arb.store.tapes.segments import Segments
from arb.venues.build import build_paper_source
from arb.venues.generic.feed import ClientMaker
from arb.venues.kit.endpoints import Site
from arb.venues.kit.feed import SocketFeed
from arb.venues.kit.public_side import PublicSide
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.paper.source import PublicSource
from arb.venues.registry import spec_of, tape_feed
from arb.venues.transport.network import SystemNetwork
from arb.venues.transport.retry import Trouble, next_delay_s
from arb.version import version

log = logging.getLogger(__name__)


def record_frames(settings: Settings, options: RecordOptions) -> tuple[dict[str, Any], int]:
    """Record until stopped; returns the summary and the exit code, `EXIT_CHECK` where received frames were not written."""
    return asyncio.run(Record(settings, options).main())


class Record:
    """One recording of the enabled venues, and of `[generic] venues`, whose clients `make_client` makes, by default ccxt's."""

    def __init__(self, settings: Settings, options: RecordOptions, *, make_client: ClientMaker | None = None) -> None:
        self._settings = settings
        self._options = options
        self._make_client = make_client
        self._clock = SystemClock()
        self._rng: random.Random = system_random()
        self._network = SystemNetwork(self._clock, way=settings.network.way_out())
        self._stop = asyncio.Event()
        self._segments = Segments(options.out, f"{self._rng.getrandbits(64):016x}", version())
        self._recorder = Recorder(
            self._segments,
            self._clock,
            every_ns=round(options.every_s * NS_PER_S),
            size_bytes=options.size_bytes,
            free_bytes=lambda: shutil.disk_usage(options.out).free,
        )
        self._feeds: dict[str, SocketFeed] = {}

    async def main(self) -> tuple[dict[str, Any], int]:
        """Record; raises `StoreError` where the folder takes no file, `CheckFailed` where there is nothing to record."""
        on_stop_signal(asyncio.get_running_loop(), lambda _: self._stop.set())
        began_ns = self._clock.wall_ns()
        async with public_side(self._settings, self._options.sandbox) as sites:
            await require_way_out(self._settings, sites.values())
            coins = coin_rule(self._settings, self._settings.run.mode, sandbox=self._options.sandbox is not None)
            self._settings = await with_symbols(self._settings, sites, coins, self._clock, self._rng, self._network)
            self._segments.sites = {venue: f"{site.environment}/{site.region}" for venue, site in sites.items()}
            await self._recorder.start()
            writing = asyncio.create_task(self._recorder.run())
            venues = [asyncio.create_task(self._venue(venue, site)) for venue, site in sites.items()]
            if self._options.sandbox is None:
                venues += [asyncio.create_task(recording) for recording in self._generic()]
            try:
                await self._until_stopped(writing, venues)
            finally:
                for venue in venues:
                    venue.cancel()
                await asyncio.gather(*venues, return_exceptions=True)
                self._recorder.stop()
                await writing
        return self._summary(began_ns), EXIT_CHECK if self._recorder.gaps else EXIT_OK

    async def _until_stopped(self, writing: asyncio.Task[None], venues: Sequence[asyncio.Task[None]]) -> None:
        """Wait for a signal or the end of the time; raise the error that ended it before, or that no venue remains."""
        stop = asyncio.create_task(self._stop.wait())
        open_ends: set[asyncio.Task[Any]] = {stop, writing, *venues}
        try:
            async with asyncio.timeout(self._options.for_s):
                while not open_ends.isdisjoint(venues) and {stop, writing} <= open_ends:
                    done, open_ends = await asyncio.wait(open_ends, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
        except TimeoutError:
            return
        finally:
            stop.cancel()
        if not self._stop.is_set():
            raise CheckFailed("no enabled venue lists any of [run] symbols: there is nothing to record")

    async def _venue(self, venue: str, site: Site) -> None:
        """Record one venue as soon as it answers; return if it cannot be read, or lists none of the wanted symbols."""
        spec = spec_of(venue)
        address = AddressAllowance(spec.weight_per_minute, self._clock)
        source = build_paper_source(
            spec,
            site,
            spec.public_taker_fee,
            clock=self._clock,
            rng=self._rng,
            network=self._network,
            address=address,
        )
        try:
            await self._follow(_Listing(venue, source), site, address)
        finally:
            await source.close()

    def _generic(self) -> Iterable[Coroutine[Any, Any, None]]:
        feeds = generic_feeds(
            self._settings, self._clock, self._rng, self._on_generic, self._on_event, self._make_client
        )
        for feed in feeds:
            self._recorder.listed((), {feed.venue: tape_feed(feed.venue)})
            yield feed.run()

    async def _follow(self, listing: "_Listing", site: Site, address: AddressAllowance) -> None:
        venue = listing.venue
        wanted = symbols_of(self._settings, venue)
        try:
            listed = await self._listed(listing, wanted)
        except VenueError as error:
            log.error("%s; nothing of it is recorded", error)
            return
        missing = ", ".join(sorted({*wanted} - {instrument.symbol for instrument in listed}))
        if missing:
            log.warning("%s does not list %s", venue, missing)
        if not listed:
            return
        spec = spec_of(venue)
        natives = split_books(venue, [i.native_symbol for i in listed], spec.connections.books_per_connection or None)
        readers = {name: tape_feed(venue) for name in natives}
        self._recorder.listed(listed, readers)
        side = PublicSide(spec, site, clock=self._clock, rng=self._rng, network=self._network, address=address)
        for name, reader in readers.items():
            self._feeds[name] = side.feed(
                natives[name], reader, on_frame=self._on_frame, emit=self._on_event, connection=name
            )
        side.announce()
        async with asyncio.TaskGroup() as group:
            for name in natives:
                group.create_task(self._feeds[name].run())
            refresh_s = self._settings.timing.rules_refresh_s
            group.create_task(keep_rules(listing, lambda: listed, refresh_s, self._on_rules, tuple))

    async def _listed(self, listing: "_Listing", symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Return a venue's listing, once it answers; raises `VenueError` where the answer cannot be used."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await listing.instruments(symbols)
            except (VenueUnreachable, VenueBusy) as error:
                log.warning("%s does not answer: %s", listing.venue, error)
            delay_s = next_delay_s(AGAIN, attempt, Trouble.UNREACHABLE, 0.0, self._rng)
            await asyncio.sleep(AGAIN.cap_s if delay_s is None else delay_s)

    def _on_rules(self, event: AnyEvent) -> None:
        if isinstance(event, InstrumentListed | InstrumentUnlisted):
            self._recorder.rules(event)

    def _on_frame(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        result = self._recorder.frame(connection, received_ns, raw, url)
        feed = self._feeds[connection]
        for resync in result.resyncs:
            feed.resync(resync.native_symbol, resync.by)
        if result.notice is not None:
            feed.on_notice(result.notice)

    def _on_generic(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        for resync in self._recorder.frame(connection, received_ns, raw).resyncs:
            log.debug("%s: %s: %s", connection, resync.native_symbol, resync.cause)

    def _on_event(self, event: AnyEvent) -> None:
        if isinstance(event, FeedUp | FeedDown):
            self._recorder.event(event)
            if isinstance(event, FeedDown):
                log.warning("%s: connection lost: %s", event.origin, event.cause)
        elif isinstance(event, TroubleReported):
            log.warning("%s", event.text)

    def _summary(self, began_ns: int) -> dict[str, Any]:
        return {
            "out": str(self._options.out),
            "seconds": (self._clock.wall_ns() - began_ns) / NS_PER_S,
            "frames": self._recorder.frames,
            "segments": [msgspec.structs.asdict(segment) for segment in self._recorder.finished],
            "gaps": [msgspec.structs.asdict(gap) for gap in self._recorder.gaps],
        }


class _Listing:
    """See `arb.live.tasks.RulesSource`: a venue's listing, read without a key."""

    def __init__(self, venue: str, source: PublicSource) -> None:
        self.venue = venue
        self._source = source

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        return await self._source.listing(symbols)
