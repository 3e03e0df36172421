"""The cancels of the companion: our resting orders at the venues, by keys that only the companion uses."""

import asyncio
import random
from collections.abc import Mapping

from arb.app.build import gateway_limits
from arb.clock import Clock
from arb.config import Settings
from arb.config.keys import KeyPlaces
from arb.core.messages.commands import CancelOrder, SnapshotAccount
from arb.errors import VenueAuthError, VenueError
from arb.market.ids import decode
from arb.market.order import OrderReport
from arb.masking import clean
from arb.venues.build import build_gateway
from arb.venues.kit.base import OrderGateway
from arb.venues.kit.endpoints import Credentials
from arb.venues.registry import spec_of
from arb.venues.transport.network import SystemNetwork
from arb.watch.guard import Cleared

TRIES = 3
"""An order that may have been cancelled is looked for again, this often in all."""


def watch_keys(settings: Settings, places: KeyPlaces) -> dict[str, Credentials]:
    """Return the companion's key of every enabled venue; raises `ConfigError` for the first without one."""
    enabled = settings.venues.enabled()
    return {venue: places.credentials(venue, chosen.of_companion()) for venue, chosen in enabled.items()}


class Resting:
    """`keys`: the companion's, by venue. Each call opens its connections and closes them."""

    def __init__(self, settings: Settings, keys: Mapping[str, Credentials], clock: Clock, rng: random.Random) -> None:
        self._settings, self._keys, self._clock, self._rng = settings, keys, clock, rng

    def check(self) -> None:
        """Look at every account; raise `VenueAuthError` for a key that a venue, or its policy, does not accept.

        A venue that does not answer now is no error: it is asked again when it matters.
        """
        for found in asyncio.run(self._everywhere(cancel=False)):
            if isinstance(found, BaseException):
                raise found

    def cancel(self) -> tuple[Cleared, ...]:
        """Cancel our resting orders everywhere; a fault at one venue, even a bug, ends no cancel at another."""
        found = zip(self._keys, asyncio.run(self._everywhere(cancel=True)), strict=True)
        return tuple(one if isinstance(one, Cleared) else _failed(venue, one) for venue, one in found)

    async def _everywhere(self, *, cancel: bool) -> list[Cleared | BaseException]:
        looks = (self._at(venue, cancel=cancel) for venue in self._keys)
        return await asyncio.gather(*looks, return_exceptions=True)

    async def _at(self, venue: str, *, cancel: bool) -> Cleared:
        gateway = build_gateway(
            spec_of(venue),
            self._settings.venues.site(venue),
            self._keys[venue],
            clock=self._clock,
            rng=self._rng,
            limits=gateway_limits(self._settings, venue),
            network=SystemNetwork(self._clock, way=self._settings.network.way_out()),
        )
        seen = set[str]()
        try:
            await gateway.start()
            left, trouble = await self._ours(gateway)
            if not cancel:
                return Cleared(venue, 0, len(left), trouble)
            for _ in range(TRIES):
                if not left:
                    break
                seen.update(left)
                await gateway.cancel_many([_cancel(order, name) for name, order in left.items()])
                left, trouble = await self._ours(gateway)
        except VenueError as error:
            if isinstance(error, VenueAuthError) and not cancel:
                raise
            return Cleared(venue, 0, len(seen), clean(str(error), 200))
        finally:
            await gateway.close()
        return Cleared(venue, len(seen - left.keys()), len(left), trouble)

    async def _ours(self, gateway: OrderGateway) -> tuple[dict[str, OrderReport], str]:
        """Return the open orders that arb placed, by client order id, and why the list may lack some ("": it is whole)."""
        chosen = gateway.listed if self._settings.run.chooses else self._settings.run.symbols
        symbols = tuple(symbol for symbol in chosen if symbol in gateway.listed)
        asked = SnapshotAccount(venue=gateway.venue, symbols=symbols, since_ns=self._clock.wall_ns(), cause=0)
        answer = await gateway.snapshot_account(asked)
        found = {
            order.client_order_id: order
            for order in answer.orders
            if order.is_open and order.client_order_id is not None and decode(order.client_order_id) is not None
        }
        return found, "" if answer.complete else clean(answer.cause or "the list of orders is incomplete", 200)


def _failed(venue: str, error: BaseException) -> Cleared:
    return Cleared(venue, 0, 0, clean(f"{type(error).__name__}: {error}", 200))


def _cancel(order: OrderReport, name: str) -> CancelOrder:
    return CancelOrder(
        venue=order.venue,
        symbol=order.symbol,
        client_order_id=name,
        venue_order_id=order.venue_order_id,
        cause=0,
    )
