"""`arb markets` on whole listings that venues answered with in 2021 and 2022; tickers are made up, as none were recorded."""

import gzip
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.integration.support import run_arb

FILES = {"gate": "gate_spot_20210422", "okx": "okx_20220513", "binance": "binance_spot_20211012"}


def listing(folder: Path, name: str) -> Any:
    """Return the recorded answer that lists spot symbols."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return next(json.loads(one["raw"]) for one in found if "SWAP" not in one["url"] and "FUTURES" not in one["url"])


def ticker(rng: random.Random, native: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return a row by the venue's names: symbol, bid, ask, their sizes, volume."""
    mid = random.Random(native.replace("_", "").replace("-", "")).uniform(
        1, 100
    )  # one price at all venues, but for noise
    mid *= 1 + rng.gauss(0, 0.0005)
    values = (native, f"{mid * 0.9999:.8f}", f"{mid * 1.0001:.8f}", "10", "10", f"{10 ** rng.uniform(3, 9):.2f}")
    return dict(zip(names, values, strict=True))


def answers(folder: Path) -> dict[str, Any]:
    """Return what is answered by path."""
    rng = random.Random(7)
    gate, okx, binance = (listing(folder, name) for name in FILES.values())
    gate_names = ("currency_pair", "highest_bid", "lowest_ask", "highest_size", "lowest_size", "quote_volume")
    okx_names = ("instId", "bidPx", "askPx", "bidSz", "askSz", "volCcy24h")
    binance_names = ("symbol", "bidPrice", "askPrice", "bidQty", "askQty", "quoteVolume")
    return {
        "/api/v4/spot/currency_pairs": gate,
        "/api/v4/spot/tickers": [ticker(rng, row["id"], gate_names) for row in gate],
        "/api/v5/public/instruments": okx,
        "/api/v5/market/tickers": {"code": "0", "data": [ticker(rng, row["instId"], okx_names) for row in okx["data"]]},
        "/api/v3/exchangeInfo": binance,
        "/api/v3/ticker/24hr": [ticker(rng, row["symbol"], binance_names) for row in binance["symbols"]],
    }


@contextmanager
def serving(by_path: dict[str, Any]) -> Iterator[str]:
    bodies = {path: json.dumps(body).encode() for path, body in by_path.items()}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies.get(self.path.partition("?")[0], b"[]")
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_whole_listings_are_compared_and_chosen_from(repo_root: Path, tmp_path: Path) -> None:
    folder = repo_root.parent / "shared" / "data" / "captures" / "instruments"
    if not folder.is_dir():
        pytest.skip("the recorded listings are not in ../shared/data")
    with serving(answers(folder)) as host:
        rest = {"gate": f"http://{host}/api/v4", "okx": f"http://{host}", "binance": f"http://{host}"}
        text = '[run]\nmode = "paper"\nsymbols = ["BTC/USDT"]\n'
        text += "[venues.bitget]\nenabled = false\n[venues.binance]\nenabled = true\n"
        text += "".join(f'[venues.{venue}.endpoints]\nrest = "{address}"\n' for venue, address in rest.items())
        (tmp_path / "config.toml").write_text(text)
        ended = run_arb("markets", "--top", "50", "--json", cwd=tmp_path)
        table = run_arb("markets", "--top", "5", cwd=tmp_path)
    assert ended.code == 0, ended.err
    found = ended.summary
    assert found["venues"]["gate"] > 1000 and found["venues"]["okx"] > 300 and found["venues"]["binance"] > 1000
    assert found["common"] > 200 and len(found["chosen"]) == 50 and len(found["passed_over"]) > 150
    assert {*found["chosen"]}.isdisjoint(found["passed_over"])
    assert any("a 24 h volume of" in why for why in found["passed_over"].values())
    assert all(row["best_edge"]["sell_venue"] in row["at"] for row in found["markets"] if row["best_edge"])
    assert table.code == 0 and len(table.out.splitlines()) < 20
