"""The public connections of a venue, and their shared limits per address: dials and fetched snapshots.

Public connections reserve a third of the allowed connection attempts for the private streams and for other programs at
this address (OKX allows 3 a second: 2 for these). They are opened one after the other, at a start and when many are
lost together.
"""

import logging
import random
from collections.abc import Sequence

from arb.clock import Clock
from arb.market.feed import BookFeed, ResyncBy
from arb.venues.kit.base import EventListener, FrameListener
from arb.venues.kit.endpoints import Site
from arb.venues.kit.feed import SocketFeed
from arb.venues.kit.rules.pacing import AddressAllowance, Budget, Pacer, PacingLimits, ScopeThrottler
from arb.venues.kit.snapshots import SnapshotSource
from arb.venues.kit.spec import ConnectionLimits, VenueSpec
from arb.venues.transport.network import Network, SiteNetwork, SystemNetwork

log = logging.getLogger(__name__)

SLOW_S = 2.0
"""A start that takes longer, only because of the venue's limits, is announced."""


def dial_budget(limits: ConnectionLimits) -> Budget | None:
    """Return how many public connections may be attempted, and within which time; None where the venue documents no bound."""
    if not limits.connects:
        return None
    return Budget(max(1, limits.connects * 2 // 3), limits.connects_window_s * 1000)


def _last_after_s(count: int, budget: Budget) -> float:
    """Return after how long the last of so many may begin."""
    return max(0, count - 1) // budget.count * budget.window_ms / 1000


class PublicSide:
    """Makes the public connections of one venue; `address`: shared with other readers of public data there."""

    def __init__(
        self,
        spec: VenueSpec,
        site: Site,
        *,
        clock: Clock,
        rng: random.Random,
        network: Network | None = None,
        address: AddressAllowance | None = None,
    ) -> None:
        self._spec = spec
        self._site = site
        self._clock = clock
        self._rng = rng
        self._network = SiteNetwork(SystemNetwork(clock) if network is None else network, site.headers)
        dials = dial_budget(spec.connections)
        self._dials = None if dials is None else ScopeThrottler(dials, clock)
        self._books: list[tuple[int, bool]] = []
        """How many books each connection carries, and whether their snapshots are fetched."""
        self._snapshots: SnapshotSource | None = None
        if (pace := spec.snapshots) is not None:
            pacer = Pacer(
                PacingLimits.of_reads(pace), clock, address or AddressAllowance(spec.weight_per_minute, clock)
            )
            rest = site.endpoint.rest
            self._snapshots = SnapshotSource(rest, site.headers, spec.outcomes, pacer, self._network.http)

    def feed(
        self,
        native_symbols: Sequence[str],
        dialect: BookFeed,
        *,
        on_frame: FrameListener,
        emit: EventListener,
        connection: str = "",
    ) -> SocketFeed:
        """Return one connection; `dialect` is the engine's own `BookFeed`, asked here only for its messages.

        `connection` is its name, by default that of the venue's first.
        """
        dialect.choose_channel(self._site.channel)
        fetched = dialect.resync_by is ResyncBy.FETCH
        self._books.append((len(native_symbols), fetched))
        return SocketFeed(
            self._spec.public_address(self._site, self._network.http),
            dialect,
            native_symbols,
            clock=self._clock,
            rng=self._rng,
            on_frame=on_frame,
            emit=emit,
            timing=self._spec.stream,
            network=self._network,
            connection=connection,
            subscriptions_per_hour=self._spec.connections.subscriptions_per_hour,
            snapshots=self._snapshots if fetched else None,
            admit=None if self._dials is None else self._admit,
        )

    def announce(self) -> None:
        """Log how long the start of the connections made so far takes, where the venue's limits make it slow."""
        name, spec = self._spec.name, self._spec
        dials, pace = dial_budget(spec.connections), spec.snapshots
        count, fetched = len(self._books), sum(books for books, fetched in self._books if fetched)
        if dials is not None and (waits_s := _last_after_s(count, dials)) > SLOW_S:
            within_s = dials.window_ms / 1000
            text = "%s: %d connections, %d of them within %g s: the last one is opened after %.0f s"
            log.warning(text, name, count, dials.count, within_s, waits_s)
        if pace is not None and (waits_s := _last_after_s(fetched, pace)) > SLOW_S:
            a_second = 1000 * pace.count / pace.window_ms
            text = "%s: %d books whose snapshots are fetched, %.1f a second: the last one is there after %.0f s"
            log.warning(text, name, fetched, a_second, waits_s)

    async def _admit(self) -> None:
        assert self._dials is not None
        await self._dials.acquire()
