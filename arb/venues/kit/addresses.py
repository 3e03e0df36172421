"""Which site of a venue is meant, and whether single addresses of it may be replaced by others.

The user's addresses are checked against the venue's spec before anything connects: a key of one environment must reach
no host of another, and no host that was not allowed.
"""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

import msgspec

from arb.errors import ConfigError
from arb.venues.kit.endpoints import Environment, Site, VenueEndpoint
from arb.venues.kit.spec import VenueSpec
from arb.venues.transport.address import LOOPBACK, Origin, host_of, origin_of

_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]+")
_TEXT = re.compile(r"[!-~]+")


class AddressOverrides(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses to use instead of the site's own; an empty one replaces nothing."""

    rest: str = ""
    ws_public: str = ""
    ws_private: str = ""


def resolve_site(
    spec: VenueSpec, environment: Environment, region: str, overrides: AddressOverrides, hosts: tuple[str, ...]
) -> Site:
    """Return the site that is meant, with the addresses to use and the hosts a key may go to.

    `hosts` empty allows those of the site itself; hosts of this machine are allowed by being named in an address. Raises
    `ConfigError` for an environment or a region that the venue has not, and for an address that must not be used.
    """
    site = _chosen(spec, environment, region)
    addresses = {name: _address(spec, site, name, getattr(overrides, name)) for name in VenueEndpoint.__struct_fields__}
    endpoint = VenueEndpoint(**addresses)
    local = {host_of(address) for address in addresses.values()} & LOOPBACK
    table = f"[venues.{spec.name}]"
    allowed = tuple(host.lower() for host in hosts) or site.hosts
    for host in allowed:
        if not _HOST.fullmatch(host):
            raise ConfigError(f"{table} hosts: {_short(host)} is no host: give only names, as in {site.hosts[0]!r}")
        _refuse_foreign(spec, site, f"{table} hosts", host)
    # Public data use their own address, which carries no key; replaced, it is as suspicious as any other.
    public = {host_of(site.endpoint.ws_public)}
    for name, address in addresses.items():
        host = host_of(address)
        if host not in {*allowed, *local, *(public if name == "ws_public" else ())}:
            where = f"[venues.{spec.name}.endpoints] {name}" if getattr(overrides, name) else f"{table} hosts"
            raise ConfigError(
                f"{where}: {host!r} is no allowed host: if it is {spec.name}'s own, name it in {table} hosts"
            )
    return Site(
        environment=environment,
        region=region,
        endpoint=endpoint,
        headers=site.headers,
        hosts=(*allowed, *sorted(local.difference(allowed))),
        channel=site.channel,
    )


def origins_of(endpoint: VenueEndpoint) -> tuple[Origin, ...]:
    """Return where the connections to these addresses lead, each once."""
    found = []
    for address in msgspec.structs.astuple(endpoint):
        parts = urlsplit(address)
        found.append(origin_of("https" if parts.scheme in ("https", "wss") else "http", parts.netloc))
    return tuple(dict.fromkeys(found))


def mixed_environments(sites: Iterable[tuple[str, Site]]) -> str | None:
    """Return a complaint that only some venues trade real money, or None: free coins cannot be sold for money."""
    by_kind: dict[bool, list[str]] = {}
    for venue, site in sites:
        by_kind.setdefault(site.environment is Environment.PRODUCTION, []).append(f"{venue} ({site.environment.value})")
    if len(by_kind) < 2:
        return None
    return (
        f"[venues] mix real money, {', '.join(by_kind[True])}, with {', '.join(by_kind[False])}: all enabled venues are "
        "production, or none is: set the same kind of environment, or enabled = false"
    )


def _chosen(spec: VenueSpec, environment: Environment, region: str) -> Site:
    site = spec.site(environment, region)
    if site is not None:
        return site
    regions = [known.region for known in spec.sites if known.environment is environment]
    if regions:
        raise ConfigError(
            f"[venues.{spec.name}] region = {_short(region)}: {spec.name}'s {environment.value} has no such region: give "
            f"{_either(regions)}"
        )
    raise ConfigError(
        f"[venues.{spec.name}] environment = {environment.value!r}: {spec.name} has none: give "
        f"{_either([known.environment.value for known in spec.sites])}"
    )


def _address(spec: VenueSpec, site: Site, name: str, given: str) -> str:
    """Return an address of a site, or its replacement; raises `ConfigError` for a wrong one."""
    own: str = getattr(site.endpoint, name)
    if not given:
        return own
    where, example = f"[venues.{spec.name}.endpoints] {name}", f"as in {own}"
    parts = _split(given)
    if parts is None or parts.scheme not in (("https", "http") if name == "rest" else ("wss", "ws")):
        raise ConfigError(f"{where}: no address that can be used: write it without login, query or spaces, {example}")
    host, path = parts.hostname or "", urlsplit(own).path
    if parts.scheme in ("http", "ws") and host not in LOOPBACK:
        raise ConfigError(
            f"{where}: {host!r} is another machine, and {parts.scheme}:// is not encrypted: write {parts.scheme}s://"
        )
    if name == "rest" and parts.path.rstrip("/") != path:
        raise ConfigError(
            f"{where}: {'must end in ' + path if path else 'only the host is meant, without a path'}, {example}"
        )
    if name != "rest" and parts.path in ("", "/"):
        raise ConfigError(f"{where}: the whole address is meant, with its path, {example}")
    _refuse_foreign(spec, site, where, host)
    whole = parts.geturl()  # its scheme in small letters
    return whole.rstrip("/") if name == "rest" else whole


def _split(given: str) -> SplitResult | None:
    """Return the parts of an address, or None for a text with more or less than scheme, host, port and path."""
    try:
        parts = urlsplit(given)
        sound = parts.port != 0 and bool(parts.hostname and _HOST.fullmatch(parts.hostname))
    except ValueError:
        return None
    bare = _TEXT.fullmatch(given) and "@" not in parts.netloc and not parts.query and not parts.fragment
    return parts if sound and bare else None


def _refuse_foreign(spec: VenueSpec, site: Site, where: str, host: str) -> None:
    """Raise `ConfigError` for a host that the venue knows only in other environments."""
    homes = {known.environment for known in spec.sites if host in _hosts_of(known)}
    if homes and site.environment not in homes:
        home = " and ".join(sorted(home.value for home in homes))
        raise ConfigError(
            f"{where}: {host!r} is a host of {spec.name}'s {home}, and its environment is {site.environment.value!r}: "
            "correct one of the two"
        )


def _hosts_of(site: Site) -> set[str]:
    return {host_of(address) for address in msgspec.structs.astuple(site.endpoint)}


def _either(names: Iterable[str]) -> str:
    *others, last = (repr(name) for name in dict.fromkeys(names))
    return f"{', '.join(others)} or {last}" if others else last


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 and "://" not in text else "...")
