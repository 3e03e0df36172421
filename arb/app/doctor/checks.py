"""The doctor's judgements: measured facts in, findings out. Nothing here measures, waits or connects.

`warn` is for a fact that costs money or hides something, `fail` for one that a run would not survive or should not
start with. Every finding that is no `pass` names a remedy.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import ClockMeasured

BOOK_WAIT_S = 10.0
"""How long a book may take from the connection on."""


class Result(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True):
    """One check: its subject (`about`: a venue, or `local`), its result, the facts found, the remedy ("" for a pass)."""

    about: str
    check: str
    result: Result
    found: str
    remedy: str = ""


class Check(NamedTuple):
    """One check of one subject; each of its findings names both."""

    about: str
    name: str

    def ok(self, found: str) -> Finding:
        return Finding(self.about, self.name, Result.PASS, found)

    def warn(self, found: str, remedy: str) -> Finding:
        return Finding(self.about, self.name, Result.WARN, found, remedy)

    def fail(self, found: str, remedy: str) -> Finding:
        return Finding(self.about, self.name, Result.FAIL, found, remedy)


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One host of a venue: the result of resolving its name and of a TLS handshake; "" is success.

    `tls_days`: until the certificate ends. `no_tls`: why no handshake was tried. `ours`: the local address of the
    connection; `proxy`: the address it reached in the host's place.
    """

    host: str
    dns_error: str = ""
    tls_error: str = ""
    tls_days: float | None = None
    no_tls: str = ""
    ours: str = ""
    proxy: str = ""


class RestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A public request: the HTTP status, 0 without an answer, and why; `foreign`: not in the venue's form."""

    status: int
    error: str = ""
    foreign: bool = False


class ListingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the wanted symbols are listed and may be traded; `age_s`: the answer's age, where a cache reports it."""

    wanted: tuple[str, ...]
    listed: tuple[str, ...]
    closed: tuple[str, ...] = ()
    age_s: float | None = None
    error: str = ""


class FeedFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The frames received in `watched_s`: ms until each symbol's first whole book (None: none arrived), and later
    frames.

    `fine` of `levels` are between the listed steps. `lag_ms`: the median way of a frame, by the measured clocks.
    """

    watched_s: float
    first_book_ms: Mapping[str, float | None]
    frames: int
    levels: int
    fine: int
    lag_ms: float | None = None
    lost: str = ""


def check_dns(about: str, hosts: Iterable[HostFacts]) -> Finding:
    check = Check(about, "dns")
    bad = [f"{host.host}: {host.dns_error}" for host in hosts if host.dns_error]
    if bad:
        return check.fail("; ".join(bad), "check the resolver (/etc/resolv.conf) and the region")
    return check.ok("every host has an address")


def check_tls(about: str, hosts: Iterable[HostFacts], days_min: float = 7.0) -> Finding:
    check = Check(about, "tls")
    hosts = list(hosts)
    bad = [f"{host.host}: {host.tls_error}" for host in hosts if host.tls_error]
    if bad:
        remedy = "a proxy or firewall intercepts the connection, or the system's certificates are old: do not send a key there"
        return check.fail("; ".join(bad), remedy)
    ends = [(host.tls_days, host.host) for host in hosts if host.tls_days is not None]
    if ends and min(ends)[0] < days_min:
        days, host_name = min(ends)
        found = f"{host_name}: the certificate ends in {days:.1f} days"
        return check.warn(found, "the venue renews it; should the host's clock be wrong, set it right")
    untried = sorted({f"{host.host} ({host.no_tls or 'no address'})" for host in hosts if host.tls_days is None})
    if any(host.dns_error for host in hosts):
        return check.warn(f"not tried: {', '.join(untried)}", "see the finding of `dns`")
    parts = ["certificates hold"] * bool(ends) + [f"not tried: {', '.join(untried)}"] * bool(untried)
    return check.ok("; ".join(parts))


def check_way_out(about: str, hosts: Iterable[HostFacts]) -> Finding:
    """Report from which address a venue is reached: its key's list must contain that address, or the proxy's."""
    check = Check(about, "way_out")
    ways = {
        f"from {host.ours}" + (f" to the proxy {host.proxy}, whose address the venue sees" if host.proxy else "")
        for host in hosts
        if host.ours
    }
    found = "; ".join(sorted(ways)) or "no connection was made"
    if len(ways) < 2:
        return check.ok(found)
    remedy = 'a key whose list has only one of them is refused from the others: set [network] bind to it, or to "ipv4"'
    return check.warn(found, remedy)


def check_rest(about: str, rest: RestFacts) -> Finding:
    """Judge the answer to a public request; some venues block countries, and some hotel networks answer for all."""
    check = Check(about, "rest")
    if rest.status == 451 or rest.status == 403:
        found = f"HTTP {rest.status}: the venue does not serve this address"
        remedy = (
            f"it goes by residence: set [venues.{about}] region to that of the account, avoid a VPN or data centre "
            "that it refuses, or disable the venue"
        )
        return check.fail(found, remedy)
    if not rest.status:
        return check.fail(rest.error or "no answer", "check the network and [network] proxy")
    if rest.status == 429:
        return check.warn("HTTP 429: too many questions from here", "stop the other programs that ask")
    if rest.status != 200:
        unavailable = ": the venue is in maintenance, or overloaded" if rest.status == 503 else ""
        remedy = "see the venue's status page, and try again: a run starts without it, and adds it when it answers"
        return check.fail(f"HTTP {rest.status}{unavailable}", remedy)
    if rest.foreign:
        remedy = (
            "a proxy, a firewall or a login page answers in its place: look at it in a browser, see [network] proxy"
        )
        return check.fail("HTTP 200 with a body that is not the venue's", remedy)
    return check.ok("HTTP 200")


EEA = frozenset({"eea", "eu"})
NOT_IN_EEA = frozenset({"USDT"})
"""Quotes no customer in the European Economic Area is offered since 2025 (MiCA: coins without an issuer there)."""


def check_quote(about: str, region: str, quotes: Iterable[str]) -> Finding:
    """Judge whether customers of a region are offered pairs in the quotes that are configured."""
    check = Check(about, "quote")
    refused = sorted(NOT_IN_EEA.intersection(quotes)) if region in EEA else []
    if refused:
        found = f"{', '.join(refused)} is not offered to customers in the EEA (region {region!r})"
        return check.warn(found, "choose [run] symbols in USDC or EUR, or another venue")
    return check.ok(f"nothing known against them in region {region!r}")


def check_clock(about: str, clock: ClockMeasured | None, error_ms_max: int, why: str = "") -> Finding:
    check = Check(about, "clock")
    if clock is None:
        return check.fail(f"not compared: {why}", "see the findings of the other checks")
    offset_ms, error_ms = clock.offset_ns / NS_PER_MS, clock.error_ns / NS_PER_MS
    found = f"{offset_ms:+.0f} ms, known to +-{error_ms:.0f} ms; round trip {2 * error_ms:.0f} ms"
    if error_ms > error_ms_max:
        remedy = f"the way is too long for [timing] max_clock_offset_error_ms = {error_ms_max}: nothing would open; move closer"
        return check.fail(found, remedy)
    if abs(clock.offset_ns) > NS_PER_S:
        return check.warn(found, "the host's clock is off: enable NTP (chrony, systemd-timesyncd)")
    return check.ok(found)


def check_listing(about: str, listing: ListingFacts, age_s_max: float = 300.0) -> Finding:
    """Judge whether the wanted symbols are listed and open, by an answer of today."""
    check = Check(about, "listing")
    if listing.error:
        return check.fail(listing.error, "see the finding of `rest`")
    if not listing.listed:
        remedy = f"correct [run] symbols, or disable [venues.{about}]"
        return check.fail(f"lists none of {', '.join(listing.wanted)}", remedy)
    found = f"{len(listing.listed)} of {len(listing.wanted)} symbols"
    if listing.age_s is not None and listing.age_s > age_s_max:
        found += f", of an answer that is {listing.age_s:.0f} s old"
        return check.warn(found, "a cache answers for the venue: rules may have changed since")
    missing = sorted({*listing.wanted} - {*listing.listed})
    if missing or listing.closed:
        parts = [f"not listed: {', '.join(missing)}"] * bool(missing)
        parts += [f"not open for trading: {', '.join(listing.closed)}"] * bool(listing.closed)
        remedy = f"remove them from [run] symbols, or name this venue's own in [venues.{about}] symbols"
        return check.warn(f"{found}; {'; '.join(parts)}", remedy)
    return check.ok(found)


def check_books(about: str, feed: FeedFacts) -> Finding:
    check = Check(about, "books")
    missing = [symbol for symbol, ms in feed.first_book_ms.items() if ms is None]
    if missing:
        why = f" ({feed.lost})" if feed.lost else ""
        found = f"no book of {', '.join(missing)} within {BOOK_WAIT_S:g} s{why}"
        return check.fail(found, "websockets may be blocked on the way, or the venue does not send these books")
    slowest = max((ms for ms in feed.first_book_ms.values() if ms is not None), default=0.0)
    return check.ok(f"{len(feed.first_book_ms)} books, the last after {slowest:.0f} ms")


def check_steps(about: str, feed: FeedFacts) -> Finding:
    """Judge whether books keep to the listed steps: prices between steps are shown rounded against us."""
    check = Check(about, "steps")
    if not feed.fine:
        return check.ok(f"all of {feed.levels} levels are on the listed steps")
    found = (
        f"{feed.fine} of {feed.levels} levels ({100 * feed.fine / feed.levels:.1f} %) are finer than the listed steps"
    )
    remedy = (
        "they are kept exactly and shown rounded against us: edges are missed, none is invented; the listing may be old"
    )
    return check.warn(found, remedy)


def check_lag(about: str, feed: FeedFacts, lag_ms_max: int) -> Finding:
    check = Check(about, "lag")
    rate = feed.frames / feed.watched_s if feed.watched_s else 0.0
    found = f"{rate:.0f} messages a second"
    if feed.lag_ms is None:
        remedy = "without it no book would ever be fresh: see the findings of `books` and `clock`"
        return check.warn(f"{found}; no frame stated when it was sent", remedy)
    found += f", median lag {feed.lag_ms:.0f} ms"
    if feed.lag_ms > lag_ms_max:
        remedy = f"above [timing] max_feed_lag_ms = {lag_ms_max}: nothing would open; move closer, or free the machine"
        return check.fail(found, remedy)
    if feed.lag_ms > lag_ms_max / 2:
        remedy = (
            f"more than half of [timing] max_feed_lag_ms = {lag_ms_max}: edges will be refused as stale; move closer"
        )
        return check.warn(found, remedy)
    return check.ok(found)
