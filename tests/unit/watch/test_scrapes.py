"""A scrape costs the engine and the ledger nothing: it gets what the companion knows."""

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from arb.watch.serving import serve
from tests.unit.store.alert_stores import Stores
from tests.unit.store.rows import a_run
from tests.unit.watch.bench import STATE, Bench, until
from tests.unit.watch.test_metrics import delays


@pytest.fixture
def stores(tmp_path: Path, ledger_file: Path) -> Iterator[Stores]:
    (tmp_path / "ledger.sqlite").write_bytes(ledger_file.read_bytes())
    made = Stores(f"sqlite:///{tmp_path}/ledger.sqlite", tmp_path)
    made.write(a_run(1))
    yield made
    made.stop()


def test_a_hundred_scrapes_ask_neither_the_engine_nor_the_ledger(stores: Stores, tmp_path: Path) -> None:
    bench = Bench(stores)
    engine = bench.listen()
    engine.send(msgspec.json.encode(STATE | delays()))
    until(lambda: bench.signs.has_answered, "the state arrives")
    bench.pass_s(1)
    (tmp_path / "ledger.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve(("127.0.0.1", port), bench.companion.seen, bench.companion.faults)
    for _ in range(100):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        assert "arb_up 1.0" in page and "arb_ledger_up 1.0" in page and "arb_order_round_trip_seconds_bucket" in page
    with pytest.raises(BlockingIOError):
        engine._listener.recv(1, socket.MSG_DONTWAIT)
    engine._listening.settimeout(0)
    with pytest.raises(BlockingIOError):
        engine._listening.accept()
    bench.stop.set()
    engine.end()
