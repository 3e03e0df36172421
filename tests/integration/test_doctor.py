"""`arb doctor` as a process, against a sandbox that is well and one that is not."""

import asyncio
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

from arb.app.doctor import handshake
from arb.clock import SystemClock
from arb.venues.call import origin_of
from tests.integration.certificates import write_certificate
from tests.integration.support import Ended, run_arb, sandbox_process

Found = dict[tuple[str, str], dict[str, Any]]


def findings(run: Ended) -> Found:
    """Return the findings by what they are about and the check."""
    return {(row["about"], row["check"]): row for row in json.loads(run.out)["checks"]}


def test_what_is_well_passes_and_each_fault_is_found_at_its_venue(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as sandbox:
        sandbox_of = ("doctor", "--sandbox", sandbox.admin, "--json")
        well = run_arb(*sandbox_of, cwd=tmp_path)
        assert well.code == 0, well.out
        assert well.summary["failed"] == 0 and well.summary["passed"] >= 30

        (tmp_path / "config.toml").write_text('[run]\nsymbols = ["BTC/USDT", "NONE/USDT"]\n')
        (tmp_path / "config.toml").chmod(0o644)
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "sandbox.sqlite").write_text("no database at all")
        sandbox.fault("gate", "fine_levels", seconds=60)
        sandbox.fault("gate", "clock_skew", seconds=60, param=5000)
        sandbox.fault("okx", "http_503_maintenance", seconds=60)
        sandbox.fault("bitget", "ws_disconnect", seconds=60)
        ill = run_arb(*sandbox_of, cwd=tmp_path)
        found = findings(ill)
        for venue in sandbox.ledger():
            assert sandbox.ledger()[venue]["requests"] == []
    assert ill.code == 3, ill.out
    results = {key: row["result"] for key, row in found.items() if row["result"] != "pass"}
    assert (
        results.items()
        >= {
            ("gate", "steps"): "warn",
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
            return (await handshake(origin_of("https", f"127.0.0.1:{port}"), SystemClock())).tls_error

    assert "CERTIFICATE_VERIFY_FAILED" in asyncio.run(main())
