"""The public side of the venues, for commands that trade nothing: a sandbox's or the real ones', without a key."""

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

from arb.config import EMBEDDED, Settings
from arb.errors import ConfigError
from arb.live.embedded import Sandbox
from arb.venues.endpoints import Site, sandbox_access

NO_FEE = Decimal(0)
"""What is charged where nothing is traded."""


@contextlib.asynccontextmanager
async def public_side(settings: Settings, sandbox: str | None) -> AsyncIterator[dict[str, Site]]:
    """Yield the sites of the enabled venues; raises `ConfigError` where none is enabled.

    `sandbox`: the admin URL of a running one, or `EMBEDDED`, which ends with the block; None: the real venues.
    """
    if not settings.venues.enabled():
        raise ConfigError("[venues]: none is enabled: enable at least one")
    if sandbox is None:
        yield {venue: settings.venues.site(venue) for venue in settings.venues.enabled()}
        return
    async with Sandbox.reached(None if sandbox == EMBEDDED else sandbox) as reached:
        announced = reached.announced["venues"]
        yield {
            venue: sandbox_access(venue, announced[venue])[0]
            for venue in settings.venues.enabled()
            if venue in announced
        }
