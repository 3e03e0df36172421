"""`arb keys test`: ask a venue whose key it is and which rights it has. Read only, and signed behind the guard."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from arb.app.build import gateway_limits, require_way_out
from arb.clock import SystemClock, system_random
from arb.config import Settings
from arb.errors import EXIT_CHECK, EXIT_OK, VenueError
from arb.venues.build import build_gateway
from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.registry import spec_of
from arb.venues.transport.network import SystemNetwork

EVERYTHING = KeyPolicy(withdrawal_disabled_confirmed=True, unbound_key_allowed=True, borrowing_allowed=True)
ENDS = 2
"""How many characters of an account's id are shown at either end, where it is long enough."""


def ask_venues(settings: Settings, keys: Mapping[str, Credentials]) -> tuple[list[dict[str, Any]], int]:
    """Return the venues' answers for these keys, and the exit code: 3 for a refused key or a silent venue."""
    rows = asyncio.run(_ask_all(settings, keys))
    return rows, EXIT_OK if all(row["result"] == "accepted" for row in rows) else EXIT_CHECK


async def _ask_all(settings: Settings, keys: Mapping[str, Credentials]) -> list[dict[str, Any]]:
    asker = _Asker(settings)
    sites = {venue: settings.venues.site(venue) for venue in keys}
    await require_way_out(settings, sites.values())
    return list(await asyncio.gather(*(asker.ask(venue, site, keys[venue]) for venue, site in sites.items())))


class _Asker:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock, self._rng = SystemClock(), system_random()
        self._network = SystemNetwork(self._clock, way=settings.network.way_out())

    async def ask(self, venue: str, site: Site, credentials: Credentials) -> dict[str, Any]:
        row = {
            "venue": venue,
            "environment": site.environment.value,
            "region": site.region,
            "address": site.endpoint.rest,
        }
        try:
            facts = await self._facts(venue, site, credentials)
        except VenueError as error:
            return row | {"result": "not accepted", "code": error.code, "cause": str(error)}
        said = msgspec.structs.asdict(facts) | {"more": dict(facts.more)}
        whose = {name: _in_part(said[name]) for name in ("account", "main_account")}
        return row | {"result": "accepted"} | said | whose

    async def _facts(self, venue: str, site: Site, credentials: Credentials) -> KeyFacts:
        # A start compares the user's confirmations; here only the venue is asked.
        limits = msgspec.structs.replace(gateway_limits(self._settings, venue), key=EVERYTHING)
        gateway = build_gateway(
            spec_of(venue), site, credentials, clock=self._clock, rng=self._rng, limits=limits, network=self._network
        )
        try:
            await gateway.measure_clock()
            return await gateway.check_key()
        finally:
            await gateway.close()


def _in_part(account: str | None) -> str | None:
    """Return an account's id with its middle hidden: enough to compare, too little to use."""
    if account is None:
        return None
    return f"{account[:ENDS]}***{account[-ENDS:]}" if len(account) >= 4 * ENDS else "***"
