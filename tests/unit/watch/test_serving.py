"""`/healthz`: the judge of `arb status --check`, asked over HTTP."""

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arb.clock import NS_PER_S
from arb.view.health import WORDS, Fault
from arb.watch.serving import serve
from tests.unit.store.alert_stores import Stores, drift
from tests.unit.store.rows import a_run
from tests.unit.view.test_view import EXPOSED, STOP, a_state
from tests.unit.watch.bench import Bench

QUIET: dict[str, Any] = a_state(unhedged=[], unhedged_notional="0")


def asked(faults: list[Fault], host: str = "127.0.0.1") -> tuple[int, str]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.create_server((host, 0), family=family)) as free:
            port = free.getsockname()[1]
    except OSError:
        pytest.skip(f"this machine has no {host}")
    serve((host, port), lambda: pytest.fail("a check is no scrape"), lambda: faults)
    try:
        with urllib.request.urlopen(
            f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz", timeout=10
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_fault_is_503_with_its_line_and_none_is_200(host: str) -> None:
    found = [Fault("halted", "lunch\nbreak"), Fault("alerts", "2 open")]
    assert asked(found, host) == (503, "halted: lunch\N{REPLACEMENT CHARACTER}break; alerts: 2 open\n")
    assert asked([], host) == (200, "ok: pairs may open, and no alert is open\n")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    stores = Stores(f"sqlite:///{tmp_path / 'a.sqlite'}", tmp_path)
    stores.write(a_run(1))
    yield Bench(stores)
    stores.stop()


def words(bench: Bench, state: dict[str, Any] | None, seconds: int = 5) -> list[str]:
    for _ in range(seconds):
        bench.signs.take(state)
        bench.clock.advance(NS_PER_S)
        bench.companion.step()
    found = bench.companion.faults()
    assert all(fault.word in WORDS and fault.text for fault in found)
    return [fault.word for fault in found]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, ["dead"]),
        (QUIET, []),
        (QUIET | {"unhedged": [EXPOSED | {"age_ms": 5001}], "unhedged_notional": "7"}, ["naked"]),
        (QUIET | {"state": "HALTED", "stops": []}, ["halted"]),
        (QUIET | {"state": "BLOCKED", "stops": [STOP]}, ["blocked"]),
        ({name: QUIET[name] for name in ("unhedged", "unhedged_notional", "about")}, ["dead"]),
    ],
)
def test_the_latest_state_is_judged(bench: Bench, state: dict[str, Any] | None, expected: list[str]) -> None:
    assert words(bench, state) == expected


def test_a_pause_of_a_moment_is_no_fault_and_an_open_alert_is_one(bench: Bench) -> None:
    words(bench, QUIET)
    assert words(bench, QUIET | {"state": "BLOCKED", "stops": [STOP]}, seconds=2) == []
    bench.stores.write(drift(1))
    assert words(bench, QUIET) == ["alerts"]
