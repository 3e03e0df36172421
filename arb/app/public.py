"""The public side of the venues, for commands that trade nothing: a sandbox's or the real ones', without a key."""

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

from arb.app.build import sites_of, warn_of_unsimulated
from arb.config import EMBEDDED, Settings
from arb.errors import ConfigError
from arb.live.embedded import Sandbox
from arb.venues.kit.endpoints import Site

NO_FEE = Decimal(0)
"""The fee where nothing is traded."""


@contextlib.asynccontextmanager
async def venues_of(settings: Settings, sandbox: str | None) -> AsyncIterator[tuple[dict[str, Site], Sandbox | None]]:
    """Yield the sites of the enabled venues, and the sandbox that they are of; raises `ConfigError` where none is enabled.

    `sandbox`: the admin URL of a running one, or `EMBEDDED`, which ends with the block; None: the real venues.
    """
    if not settings.venues.enabled():
        raise ConfigError("[venues]: none is enabled: enable at least one")
    if sandbox is None:
        yield sites_of(settings, None), None
        return
    async with Sandbox.reached(None if sandbox == EMBEDDED else sandbox) as reached:
        warn_of_unsimulated(settings, reached)
        yield sites_of(settings, reached), reached


@contextlib.asynccontextmanager
async def public_side(settings: Settings, sandbox: str | None) -> AsyncIterator[dict[str, Site]]:
    async with venues_of(settings, sandbox) as (sites, _):
        yield sites
