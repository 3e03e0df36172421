"""`arb doctor` as a process, against a sandbox that is well and one that is not."""

import asyncio
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from arb.app.doctor.venue_exam import handshake
from arb.clock import NS_PER_S, SystemClock
from arb.venues.transport.address import origin_of
from arb.venues.transport.way import DIRECT
from tests.contract.venue_server import venue_server
from tests.integration.certificates import write_certificate
from tests.integration.host_clock import HostClock
from tests.integration.login_page import login_page
from tests.integration.support import BUSY_MACHINE, Ended, end_of, run_arb, run_script, sandbox_process

Found = dict[tuple[str, str], dict[str, Any]]


def findings(run: Ended) -> Found:
    """Return the findings by what they are about and the check."""
    return {(row["about"], row["check"]): row for row in json.loads(run.out)["checks"]}


def test_what_is_well_passes_and_each_fault_is_found_at_its_venue(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        sandbox_of = ("doctor", "--sandbox", sandbox.admin, "--json")
        (tmp_path / "config.toml").write_text(BUSY_MACHINE)
        (tmp_path / "config.toml").chmod(0o600)
        well = run_arb(*sandbox_of, cwd=tmp_path)
        assert well.code == 0, well.out
        assert well.summary["failed"] == 0 and well.summary["passed"] >= 30

        (tmp_path / "config.toml").write_text('[run]\nsymbols = ["BTC/USDT", "NONE/USDT"]\n')
        (tmp_path / "config.toml").chmod(0o644)
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "sandbox.sqlite").write_text("no database at all")
        sandbox.fault("gate", "fine_levels", seconds=3600)
        sandbox.fault("gate", "clock_skew", seconds=3600, param=5000)
        sandbox.fault("gate", "ws_lag", seconds=3600, param=1500)
        sandbox.fault("okx", "http_503_maintenance", seconds=3600)
        sandbox.fault("bitget", "ws_disconnect", seconds=3600)
        ill = run_arb(*sandbox_of, cwd=tmp_path)
        found = findings(ill)
        for venue in sandbox.ledger():
            assert {request["kind"] for request in sandbox.ledger()[venue]["requests"]} <= {"query"}, (
                "nothing is traded"
            )
    assert ill.code == 3, ill.out
    results = {key: row["result"] for key, row in found.items() if row["result"] != "pass"}
    assert (
        results.items()
        >= {
            ("gate", "steps"): "warn",
            ("gate", "lag"): "fail",
            ("gate", "clock"): "warn",
            ("gate", "listing"): "warn",
            ("okx", "rest"): "fail",
            ("okx", "listing"): "fail",
            ("okx", "clock"): "fail",
            ("bitget", "books"): "fail",
            ("local", "schema"): "fail",
            ("local", "permissions"): "warn",
        }.items()
    ), ill.out
    assert "NONE/USDT" in found["gate", "listing"]["found"] and "503" in found["okx", "rest"]["found"]
    assert all(row["remedy"] for row in found.values() if row["result"] != "pass")


CONFIG = """\
[run]
mode = "paper"
symbols = ["BTC/USDT", "ETH/USDT", "DOGE/USDT"]

[venues.okx]
region = "eea"
hosts = ["nobody.invalid"]

[venues.okx.endpoints]
rest = "{okx[rest]}"
ws_public = "{okx[ws_public]}"
ws_private = "wss://nobody.invalid/ws"

[venues.gate.endpoints]
rest = "{gate[rest]}"
ws_public = "{gate[ws_public]}"
ws_private = "{gate[ws_public]}"

[venues.bitget.endpoints]
rest = "{bitget[rest]}"
ws_public = "{bitget[ws_public]}"
ws_private = "{bitget[ws_public]}"
"""


@pytest.mark.thorough
def test_what_venues_refuse_or_say_wrongly_is_named_for_what_it_is(tmp_path: Path) -> None:
    with venue_server("--symbols", "8", "--seed", "5") as venues:
        config = CONFIG.format(**venues.info["venues"])
        (tmp_path / "config.toml").write_text(config)
        venues.strike("gate", "restricted", for_s=600)
        venues.strike("okx", "unavailable", for_s=600)
        venues.strike("bitget", "clock", wait_s=4.5, for_s=600)
        venues.strike("bitget", "mute", symbol="DOGEUSDT")
        venues.strike("bitget", "unreadable", symbol="ETHUSDT")
        found = findings(run_arb("doctor", "--json", cwd=tmp_path))
        with login_page() as address:
            (tmp_path / "config.toml").write_text(config.replace(venues.info["venues"]["bitget"]["rest"], address))
            elsewhere = findings(run_arb("doctor", "bitget", "--json", cwd=tmp_path))
    seen = {key: (row["result"], row["found"], row["remedy"]) for key, row in found.items()}

    def expect(about: str, check: str, result: str, *words: str) -> None:
        assert seen[about, check][0] == result and all(word in " ".join(seen[about, check][1:]) for word in words), (
            seen[about, check]
        )

    expect("gate", "rest", "fail", "HTTP 451", "residence", "[venues.gate] region")
    expect("okx", "rest", "fail", "HTTP 503", "maintenance")
    expect("okx", "dns", "fail", "nobody.invalid")
    expect("okx", "tls", "warn", "nobody.invalid (no address)")
    expect("okx", "quote", "warn", "USDT is not offered")
    expect("bitget", "clock", "warn", "+4", "NTP")
    expect("bitget", "listing", "warn", "not listed: ETH/USDT")
    expect("bitget", "books", "fail", "no book of DOGE/USDT within 10 s")
    assert (elsewhere["bitget", "rest"]["result"], elsewhere["bitget", "listing"]["result"]) == ("fail", "fail")
    assert "login page" in elsewhere["bitget", "rest"]["remedy"]


@pytest.mark.thorough
def test_a_host_whose_clock_is_wrong_and_a_journal_in_memory_are_found(tmp_path: Path) -> None:
    in_memory = Path("/dev/shm")
    if not in_memory.is_dir():
        pytest.skip("no folder in memory here")
    (tmp_path / "config.toml").write_text(f'[store]\nurl = "sqlite:///{in_memory}/arb-{tmp_path.name}.sqlite"\n')
    clock = HostClock(tmp_path)
    with sandbox_process(tmp_path) as sandbox:
        options = ("doctor", "--sandbox", sandbox.admin, "--json")
        for ahead_s, result in ((-90, "warn"), (-3 * 86_400, "fail")):
            clock.set(ahead_ns=ahead_s * NS_PER_S)
            found = findings(end_of(run_script("host_clock.py", str(clock.path), *options, cwd=tmp_path)))
            assert found["local", "host_clock"]["result"] == result, found["local", "host_clock"]
        assert found["local", "journal_disk"]["result"] == "warn" and "tmpfs" in found["local", "journal_disk"]["found"]


def test_a_venue_that_is_not_enabled_is_refused(tmp_path: Path) -> None:
    run = run_arb("doctor", "kraken", cwd=tmp_path)
    assert run.code == 2
    assert "'kraken' is no enabled venue: give one of gate, okx, bitget" in run.err


def test_a_certificate_that_nobody_vouches_for_is_a_fault(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "venue.pem", ipaddress.ip_address("127.0.0.1"))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificate)

    async def main() -> str:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=theirs)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return (await handshake(origin_of("https", f"127.0.0.1:{port}"), SystemClock(), DIRECT)).tls_error

    assert "CERTIFICATE_VERIFY_FAILED" in asyncio.run(main())
