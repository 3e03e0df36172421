"""The public part of `arb doctor`: measure one venue without a key, and let `arb.app.doctor.checks` judge."""

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Iterable, Sequence
from statistics import median
from typing import TypeVar, cast

from arb.app.build import NO_FEE, symbols_of
from arb.app.doctor import checks
from arb.app.doctor.account_exam import Quotes
from arb.app.doctor.checks import BOOK_WAIT_S, FeedFacts, Finding, HostFacts, ListingFacts, RestFacts
from arb.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S, Clock
from arb.config import Settings
from arb.core.messages.events import AnyEvent, ClockMeasured, FeedDown
from arb.errors import VenueError
from arb.market.arena import BookArena, BookState
from arb.market.book import ExactLevels
from arb.market.feed import BookSeat, split_books
from arb.market.instrument import Instrument
from arb.market.scale import common_scale
from arb.market.symbol import Symbol
from arb.venues.build import build_paper_source
from arb.venues.kit.addresses import origins_of
from arb.venues.kit.endpoints import Site
from arb.venues.kit.feed import SocketFeed
from arb.venues.kit.public_side import PublicSide
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.paper.source import PublicSource
from arb.venues.registry import spec_of, tape_feed
from arb.venues.transport.address import Origin
from arb.venues.transport.http import TransportError
from arb.venues.transport.network import Network
from arb.venues.transport.tls import client_context
from arb.venues.transport.way import WayOut, connect

ASK_S = 10.0
WATCH_S = 3.0
"""How long frames are counted at least, from the connection on."""
HTTP_OK = 200
T = TypeVar("T")


class VenueExam:
    """The measurements of one venue. `quotes`: best bid and ask of each symbol; `answers`: whether it serves us."""

    def __init__(
        self, settings: Settings, venue: str, site: Site, clock: Clock, rng: random.Random, network: Network
    ) -> None:
        self.measured: ClockMeasured | None = None
        self.quotes: Quotes = {}
        self.answers = False
        self.venue = venue
        self.site = site
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._network = network
        self._symbols = symbols_of(settings, venue)

    async def findings(self) -> list[Finding]:
        venue, timing = self.venue, self._settings.timing
        hosts = await asyncio.gather(*map(self._host, _by_host(origins_of(self.site.endpoint))))
        source = build_paper_source(
            spec_of(venue), self.site, NO_FEE, clock=self._clock, rng=self._rng, network=self._network
        )
        try:
            rest = await _rest(source)
            self.answers = rest.status == HTTP_OK and not rest.foreign
            listed, why, unlisted = None, "the venue was not asked", "the venue was not asked"
            if self.answers:
                self.measured, why = await _answered(source.measure_clock())
                listed, unlisted = await _answered(source.listing(self._symbols))
            listing = ListingFacts(
                wanted=self._symbols,
                listed=tuple(instrument.symbol for instrument in listed or ()),
                closed=tuple(instrument.symbol for instrument in listed or () if not instrument.tradable),
                age_s=None if listed is None else source.listing_age_s(),
                error=unlisted,
            )
        finally:
            await source.close()
        found = [
            checks.check_dns(venue, hosts),
            checks.check_tls(venue, hosts),
            checks.check_way_out(venue, hosts),
            checks.check_rest(venue, rest),
            checks.check_quote(venue, self.site.region, {Symbol.of(symbol).quote for symbol in self._symbols}),
            checks.check_clock(venue, self.measured, timing.max_clock_offset_error_ms, why),
            checks.check_listing(venue, listing),
        ]
        if not listed:
            return found
        watch = FeedWatch(self._clock, listed, 0 if self.measured is None else self.measured.offset_ns)
        feed = await watch.watch(self)
        self.quotes = watch.quotes()
        return [
            *found,
            checks.check_books(venue, feed),
            checks.check_steps(venue, feed),
            checks.check_lag(venue, feed, timing.max_feed_lag_ms),
        ]

    def feeds(self, watch: "FeedWatch") -> dict[str, SocketFeed]:
        """Return the connections, by name, on which a watch waits for its books."""
        spec = spec_of(self.venue)
        side = PublicSide(spec, self.site, clock=self._clock, rng=self._rng, network=self._network)
        natives = [instrument.native_symbol for instrument in watch.instruments]
        return {
            name: side.feed(carried, watch.reader, on_frame=watch.on_frame, emit=watch.on_event, connection=name)
            for name, carried in split_books(self.venue, natives, spec.connections.books_per_connection or None).items()
        }

    async def _host(self, origin: Origin) -> HostFacts:
        way = self._settings.network.way_out()
        if way.proxy_for(origin.host) is None:
            try:
                await asyncio.get_running_loop().getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
            except OSError as error:
                return HostFacts(host=origin.host, dns_error=str(error))
        return await handshake(origin, self._clock, way)


class FeedWatch:
    """Counts the frames that arrive for the books of one venue; `offset_ns`: its clock minus ours."""

    def __init__(self, clock: Clock, instruments: Sequence[Instrument], offset_ns: int) -> None:
        self.instruments = instruments
        self._clock = clock
        self._offset_ns = offset_ns
        self._arena = BookArena(len(instruments))
        self._scales = [common_scale([instrument.tick], [instrument.lot]) for instrument in instruments]
        self._steps = {
            i.native_symbol: (i.tick_int(scale), i.lot_int(scale))
            for i, scale in zip(instruments, self._scales, strict=True)
        }
        seats = {
            i.native_symbol: BookSeat(row, scale)
            for row, (i, scale) in enumerate(zip(instruments, self._scales, strict=True))
        }
        self.reader = tape_feed(instruments[0].venue, seats, self._arena)
        self.reader.on_levels = self._on_levels
        self._began_ns = clock.monotonic_ns()
        self._first_ns: dict[int, int] = {}
        self._lags_ns: list[int] = []
        self._frames = self._levels = self._fine = 0
        self._lost = ""
        self._feeds: dict[str, SocketFeed] = {}

    async def watch(self, exam: VenueExam) -> FeedFacts:
        self._feeds = exam.feeds(self)
        running = [asyncio.create_task(feed.run()) for feed in self._feeds.values()]
        try:
            while (waited_s := self._waited_s()) < BOOK_WAIT_S:
                if waited_s >= WATCH_S and len(self._first_ns) == len(self.instruments):
                    break
                await asyncio.sleep(0.05)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return FeedFacts(
            watched_s=self._waited_s(),
            first_book_ms={i.symbol: self._first_ms(row) for row, i in enumerate(self.instruments)},
            frames=self._frames,
            levels=self._levels,
            fine=self._fine,
            lag_ms=median(self._lags_ns) / NS_PER_MS if self._lags_ns else None,
            lost=self._lost,
        )

    def quotes(self) -> Quotes:
        found = {}
        for row, instrument in enumerate(self.instruments):
            bid, ask = self._arena.best(row)
            if bid is not None and ask is not None and row in self._first_ns:
                scale = self._scales[row]
                found[instrument.symbol] = scale.price_to_decimal(bid), scale.price_to_decimal(ask)
        return found

    def on_frame(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        """Count a frame; a fetched one does not show how late frames are."""
        self._frames += 1
        result = self.reader.on_http(received_ns, url, raw) if url else self.reader.on_frame(received_ns, raw)
        for resync in result.resyncs:
            self._feeds[connection].resync(resync.native_symbol, resync.by)
        if result.notice is not None:
            self._feeds[connection].on_notice(result.notice)
        for row in result.rows:
            if row < 0 or self._arena.state.item(row) != BookState.LIVE:
                continue
            self._first_ns.setdefault(row, self._clock.monotonic_ns())
            event_ns = 0 if url else self._arena.event_ns.item(row)
            if event_ns:
                self._lags_ns.append(received_ns + self._offset_ns - event_ns)

    def on_event(self, event: AnyEvent) -> None:
        if isinstance(event, FeedDown):
            self._lost = event.cause

    def _on_levels(self, native_symbol: str, levels: ExactLevels) -> None:
        tick, lot = self._steps.get(native_symbol, (1, 1))
        self._levels += len(levels)
        self._fine += sum(bool(price % tick or size % lot) for price, size in levels)

    def _first_ms(self, row: int) -> float | None:
        first_ns = self._first_ns.get(row)
        return None if first_ns is None else (first_ns - self._began_ns) / NS_PER_MS

    def _waited_s(self) -> float:
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_S


async def _answered(question: Awaitable[T]) -> tuple[T | None, str]:
    """Return the answer to a question, or None and why there is none."""
    try:
        async with asyncio.timeout(ASK_S):
            return await question, ""
    except TimeoutError:
        return None, f"no answer within {ASK_S:g} s"
    except (TransportError, VenueError) as error:
        return None, str(error)


async def _rest(source: PublicSource) -> RestFacts:
    answer, why = await _answered(source.probe())
    if answer is None:
        return RestFacts(status=0, error=why)
    try:
        decode_body(answer.body)
    except ValueError:
        return RestFacts(status=answer.status, foreign=True)
    return RestFacts(status=answer.status)


async def handshake(origin: Origin, clock: Clock, way: WayOut) -> HostFacts:
    """Connect to a host as everything does, with TLS as the system's certificates have it, and end."""
    no_tls = "" if origin.tls else "on this machine, not encrypted"
    try:
        async with asyncio.timeout(ASK_S):
            made = await connect(_Seen, origin, client_context() if origin.tls else None, way)
    except (OSError, TimeoutError, TransportError) as error:
        said = str(error) or type(error).__name__
        return HostFacts(host=origin.host, tls_error=said if origin.tls else "", no_tls=no_tls)
    certificate = made.transport.get_extra_info("peercert") or {}
    ours = str(made.transport.get_extra_info("sockname")[0])
    made.transport.abort()
    ends_s = ssl.cert_time_to_seconds(certificate["notAfter"]) if "notAfter" in certificate else None
    days = None if ends_s is None else (ends_s * NS_PER_S - clock.wall_ns()) / NS_PER_DAY
    proxy = way.proxy_for(origin.host)
    return HostFacts(
        host=origin.host, tls_days=days, no_tls=no_tls, ours=ours, proxy="" if proxy is None else proxy.name
    )


class _Seen(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)


def _by_host(origins: Iterable[Origin]) -> list[Origin]:
    return list({origin.host: origin for origin in origins}.values())
