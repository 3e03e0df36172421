"""Every check of `arb doctor`, by the fault that it is there for."""

import pytest

from arb.app.doctor import checks, local_checks
from arb.app.doctor.checks import FeedFacts, Finding, HostFacts, ListingFacts, RestFacts, Result
from arb.app.doctor.local_checks import MIB, ClockDiscipline, JournalDiskFacts
from arb.clock import NS_PER_MS
from arb.core.messages.events import ClockMeasured
from arb.live.anchoring import Agreed, agreed

PASS, WARN, FAIL = Result.PASS, Result.WARN, Result.FAIL
HOST = HostFacts(host="api.example", tls_days=60.0)
FEED = FeedFacts(watched_s=2.0, first_book_ms={"BTC/USDT": 80.0}, frames=40, levels=500, fine=0, lag_ms=30.0)
WANTED = ("BTC/USDT", "ETH/USDT")
LISTING = ListingFacts(wanted=WANTED, listed=WANTED)
DISK = JournalDiskFacts(folder="/var", kind="ext4", sync_ms=2.0)
DAY_NS = 86_400 * 10**9


def feed(**changes: object) -> FeedFacts:
    return FeedFacts(**({name: getattr(FEED, name) for name in FEED.__struct_fields__} | changes))


def clock(offset_ms: int, error_ms: int = 10) -> ClockMeasured:
    return ClockMeasured(venue="gate", offset_ns=offset_ms * NS_PER_MS, error_ns=error_ms * NS_PER_MS)


CASES: list[tuple[Finding, Result, str]] = [
    (checks.check_dns("gate", [HOST]), PASS, "every host has an address"),
    (
        checks.check_dns("gate", [HOST, HostFacts(host="x.example", dns_error="not known")]),
        FAIL,
        "x.example: not known",
    ),
    (checks.check_tls("gate", [HOST]), PASS, "certificates hold"),
    (checks.check_tls("gate", [HostFacts(host="x", tls_error="self-signed")]), FAIL, "x: self-signed"),
    (checks.check_tls("gate", [HOST, HostFacts(host="x", tls_days=2.5)]), WARN, "x: the certificate ends in 2.5 days"),
    (checks.check_tls("gate", [HostFacts(host="x", dns_error="not known")]), WARN, "not tried: x (no address)"),
    (checks.check_tls("gate", [HostFacts(host="x", no_tls="loopback")]), PASS, "not tried: x (loopback)"),
    (checks.check_way_out("gate", [HostFacts(host="x", ours="192.0.2.7")] * 2), PASS, "from 192.0.2.7"),
    (checks.check_way_out("gate", [HOST]), PASS, "no connection was made"),
    (
        checks.check_way_out("gate", [HostFacts(host="x", ours="192.0.2.7", proxy="proxy.example:1080")]),
        PASS,
        "from 192.0.2.7 to the proxy proxy.example:1080, whose address the venue sees",
    ),
    (
        checks.check_way_out("gate", [HostFacts(host="x", ours="192.0.2.7"), HostFacts(host="y", ours="2001:db8::7")]),
        WARN,
        "from 192.0.2.7; from 2001:db8::7",
    ),
    (checks.check_rest("gate", RestFacts(status=200)), PASS, "HTTP 200"),
    (checks.check_rest("gate", RestFacts(status=200, foreign=True)), FAIL, "a body that is not the venue's"),
    (checks.check_rest("okx", RestFacts(status=403)), FAIL, "HTTP 403: the venue does not serve this address"),
    (checks.check_rest("okx", RestFacts(status=451)), FAIL, "HTTP 451"),
    (checks.check_rest("gate", RestFacts(status=429)), WARN, "too many questions"),
    (checks.check_rest("gate", RestFacts(status=503)), FAIL, "HTTP 503: the venue is in maintenance"),
    (checks.check_rest("gate", RestFacts(status=500)), FAIL, "HTTP 500"),
    (checks.check_rest("gate", RestFacts(status=0, error="no route")), FAIL, "no route"),
    (checks.check_quote("okx", "eea", {"USDT"}), WARN, "USDT is not offered to customers in the EEA"),
    (checks.check_quote("gate", "eu", {"USDT", "EUR"}), WARN, "USDT"),
    (checks.check_quote("okx", "eea", {"USDC"}), PASS, "eea"),
    (checks.check_quote("okx", "global", {"USDT"}), PASS, "global"),
    (checks.check_clock("gate", clock(-3), 250), PASS, "-3 ms, known to +-10 ms; round trip 20 ms"),
    (checks.check_clock("gate", clock(1500), 250), WARN, "+1500 ms"),
    (checks.check_clock("gate", clock(0, 300), 250), FAIL, "known to +-300 ms"),
    (checks.check_clock("gate", None, 250, "no answer"), FAIL, "not compared: no answer"),
    (checks.check_listing("gate", LISTING), PASS, "2 of 2 symbols"),
    (checks.check_listing("gate", ListingFacts(wanted=WANTED, listed=WANTED[:1])), WARN, "not listed: ETH/USDT"),
    (
        checks.check_listing("gate", ListingFacts(wanted=WANTED, listed=WANTED, closed=WANTED[1:])),
        WARN,
        "not open for trading: ETH/USDT",
    ),
    (checks.check_listing("gate", ListingFacts(wanted=WANTED, listed=())), FAIL, "lists none of BTC/USDT, ETH/USDT"),
    (checks.check_listing("gate", ListingFacts(wanted=WANTED, listed=(), error="503")), FAIL, "503"),
    (checks.check_listing("gate", ListingFacts(wanted=WANTED, listed=WANTED, age_s=900)), WARN, "900 s old"),
    (checks.check_books("gate", FEED), PASS, "1 books, the last after 80 ms"),
    (
        checks.check_books("gate", feed(first_book_ms={"BTC/USDT": 1.0, "ETH/USDT": None}, lost="reset")),
        FAIL,
        "no book of ETH/USDT within 10 s (reset)",
    ),
    (checks.check_steps("gate", FEED), PASS, "all of 500 levels"),
    (checks.check_steps("gate", feed(fine=5)), WARN, "5 of 500 levels (1.0 %) are finer"),
    (checks.check_lag("gate", FEED, 1000), PASS, "20 messages a second, median lag 30 ms"),
    (checks.check_lag("gate", feed(lag_ms=600.0), 1000), WARN, "median lag 600 ms"),
    (checks.check_lag("gate", feed(lag_ms=1200.0), 1000), FAIL, "median lag 1200 ms"),
    (checks.check_lag("gate", feed(lag_ms=None, frames=0), 1000), WARN, "no frame stated when it was sent"),
    (local_checks.check_python((3, 11, 4)), PASS, "3.11.4"),
    (local_checks.check_python((3, 10, 9)), FAIL, "3.10.9"),
    (local_checks.check_loop("asyncio on epoll"), PASS, "asyncio on epoll"),
    (local_checks.check_loop("uvloop"), PASS, "uvloop"),
    (local_checks.check_loop("asyncio on select"), WARN, "asyncio on select"),
    (local_checks.check_disk("/var", 4096 * MIB), PASS, "4,096 MiB free in /var"),
    (local_checks.check_disk("/var", 1024 * MIB), WARN, "1,024 MiB"),
    (local_checks.check_disk("/var", 100 * MIB), FAIL, "100 MiB"),
    (local_checks.check_journal_disk(DISK), PASS, "ext4, an fsync takes 2.0 ms"),
    (local_checks.check_journal_disk(JournalDiskFacts(folder="/var", error="read-only")), FAIL, "/var: read-only"),
    (local_checks.check_journal_disk(JournalDiskFacts(folder="/v", kind="nfs", lock_holds=False)), FAIL, "no locks"),
    (local_checks.check_journal_disk(JournalDiskFacts(folder="/v", kind="tmpfs")), WARN, "in memory"),
    (local_checks.check_journal_disk(JournalDiskFacts(folder="/v", kind="nfs4")), WARN, "on another machine"),
    (local_checks.check_journal_disk(JournalDiskFacts(folder="/v", kind="ext4", sync_ms=180)), WARN, "180.0 ms"),
    (local_checks.check_schema("sqlite:///a", [], there=False), PASS, "not there yet"),
    (local_checks.check_schema("sqlite:///a", [], there=True), PASS, "as expected"),
    (local_checks.check_schema("sqlite:///a", ["older", "odd"], there=True), FAIL, "older (and 1 more)"),
    (local_checks.check_host_clock(Agreed(NS_PER_MS, ("gate", "okx")), 2), PASS, "-1 ms against gate, okx"),
    (local_checks.check_host_clock(Agreed(-3000 * NS_PER_MS, ("gate", "okx")), 3), WARN, "+3000 ms against gate, okx"),
    (local_checks.check_host_clock(Agreed(2 * DAY_NS, ("gate", "okx")), 2), FAIL, "more than a day"),
    (local_checks.check_host_clock(Agreed(0, ("gate",)), 2), WARN, "the others disagree"),
    (local_checks.check_host_clock(None, 2), WARN, "no venue's clock"),
    (local_checks.check_clock_discipline(ClockDiscipline(kept=True, error_ms=12)), PASS, "to within 12 ms"),
    (local_checks.check_clock_discipline(ClockDiscipline()), PASS, "does not report it"),
    (local_checks.check_clock_discipline(ClockDiscipline(kept=False, error_ms=16000)), WARN, "nothing keeps"),
    (local_checks.check_permissions({"config.toml": 0o644}, {"a": 0o600}), PASS, "2 files"),
    (local_checks.check_permissions({}, {"b": 0o640, "a": 0o604, "c": 0o600}), WARN, "others may read a, b"),
    (local_checks.check_permissions({"s": 0o664}, {"a": 0o604}), WARN, "others may write s and others may read a"),
]


@pytest.mark.parametrize(("finding", "result", "found"), CASES)
def test_a_fault_is_found_and_what_is_no_pass_says_how_to_correct_it(
    finding: Finding, result: Result, found: str
) -> None:
    assert finding.result is result
    assert found in finding.found
    assert bool(finding.remedy) == (result is not PASS)


def test_every_check_can_pass_and_can_not() -> None:
    names = {finding.check for finding, _, _ in CASES}
    assert len(names) == 18
    for name in names:
        assert {result is PASS for finding, result, _ in CASES if finding.check == name} == {True, False}, name


def test_a_refusal_by_residence_names_the_setting_of_the_region() -> None:
    assert "[venues.okx] region" in checks.check_rest("okx", RestFacts(status=451)).remedy


def test_what_venues_agree_on_is_the_host_s_fault() -> None:
    measured = [
        ClockMeasured(venue=venue, offset_ns=offset_s * 10**9, error_ns=1)
        for venue, offset_s in (("gate", 90), ("okx", 90), ("bitget", 0))
    ]
    finding = local_checks.check_host_clock(agreed(measured), 3)
    assert (finding.result, "-90000 ms against gate, okx" in finding.found) == (WARN, True)
