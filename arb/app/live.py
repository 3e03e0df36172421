"""The parts only live mode has: gateways with the user's keys, and the openings that the doctor's findings forbid."""

import asyncio
import random
from collections.abc import Iterable, Mapping

from arb.app.build import gateway_limits
from arb.app.doctor.checks import Finding, Result
from arb.clock import Clock
from arb.config import Settings
from arb.errors import CheckFailed, ConfigError
from arb.live.embedded import Sandbox
from arb.venues.build import NOBODY_ELSE, build_gateway
from arb.venues.kit.addresses import origins_of
from arb.venues.kit.base import OrderGateway
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.registry import spec_of
from arb.venues.transport.address import LOOPBACK, Origin
from arb.venues.transport.network import Network


def build_live_gateways(
    settings: Settings,
    sites: Mapping[str, Site],
    keys: Mapping[str, Credentials],
    clock: Clock,
    rng: random.Random,
    network: Network,
    sandbox_id: str | None,
    addresses: Mapping[str, AddressAllowance] = NOBODY_ELSE,
) -> dict[str, OrderGateway]:
    """Return a gateway to every site with the user's key; `sandbox_id`: a sandbox simulates the venues.

    `addresses`: shared with the venues' public connections.

    An order's expiry is unproved at first: neither that the venue obeys it nor that this account has seen that.
    """
    return {
        venue: build_gateway(
            spec_of(venue),
            site,
            keys[venue],
            clock=clock,
            rng=rng,
            limits=gateway_limits(settings, venue),
            sandbox_id=sandbox_id,
            network=network,
            entry=settings.venues.order_entry(venue),
            address=addresses.get(venue),
        )
        for venue, site in sites.items()
    }


async def sandbox_behind(sites: Mapping[str, Site]) -> Sandbox | None:
    """Return the sandbox that all sites lead to, None where none of their addresses leads to one.

    An address on this machine may be a tunnel to the real venue: only the sandbox's own answer proves that it is none. Raises
    `ConfigError` where some addresses lead to a sandbox and others do not, or to another one.
    """
    venues: dict[Origin, list[str]] = {}
    for venue, site in sites.items():
        for origin in origins_of(site.endpoint):
            venues.setdefault(origin, []).append(venue)
    found = dict(zip(venues, await asyncio.gather(*map(_sandbox_at, venues)), strict=True))
    named = {None if sandbox is None else sandbox.sandbox_id for sandbox in found.values()}
    if len(named) > 1:
        said = "; ".join(
            f"{' and '.join(venues[origin])} at {origin.authority}: {f'sandbox {at.sandbox_id}' if at else 'none'}"
            for origin, at in found.items()
        )
        raise ConfigError(
            f"[venues] mix a sandbox with real venues or another sandbox ({said}), and coins of a sandbox cannot be sold for "
            "money: lead all enabled venues to one sandbox by [venues.NAME.endpoints], or none"
        )
    return next(iter(found.values()), None)


async def _sandbox_at(origin: Origin) -> Sandbox | None:
    if origin.host not in LOOPBACK:
        return None
    try:
        sandbox = await Sandbox.running(f"{'https' if origin.tls else 'http'}://{origin.authority}/admin")
    except ConfigError:
        return None
    named = sandbox.announced.get("sandbox_id")
    return sandbox if isinstance(named, str) and named else None


DOWN = "rest"
"""The check that fails when a venue does not answer at all."""


def failures(findings: Iterable[Finding], venues: Iterable[str], *, pairs_open: bool) -> dict[str, str]:
    """Return the venues where nothing may open, and why, by the doctor's findings.

    A failure at a venue closes only that venue. A failure of this machine, or fewer than two venues, forbids the start
    (a venue that is only down may return, and is waited for). With pairs open the run starts, but then nothing opens
    anywhere. Raises `CheckFailed`.
    """
    failed = [finding for finding in findings if finding.result is Result.FAIL]
    by_venue: dict[str, list[str]] = {}
    for finding in failed:
        by_venue.setdefault(finding.about, []).append(f"{finding.check}: {finding.found} ({finding.remedy})")
    shut = {venue: "; ".join(by_venue[venue]) for venue in venues if venue in by_venue}
    local = "; ".join(why for about, found in by_venue.items() if about not in shut for why in found)
    down = {finding.about for finding in failed if finding.check == DOWN}
    left = [venue for venue in venues if venue not in shut or venue in down]
    if not local and len(left) < 2:
        local = "fewer than two venues pass: " + "; ".join(f"{venue} {why}" for venue, why in shut.items())
    if not local:
        return shut
    if not pairs_open:
        raise CheckFailed(f"--mode live: the doctor forbids the start: {local}")
    return {venue: shut.get(venue, local) for venue in venues}
