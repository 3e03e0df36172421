"""`arb replay` on captures: the engine in the tape's own time, with simulated matching."""

import gzip
import re
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from arb.app.replay import replay_tapes
from arb.config import ReplayOptions, Settings
from arb.errors import ConfigError, StoreError
from arb.store.tapes.convert import convert_tapes
from tests.unit.replay.makings import Tape, one_dislocation, quiet_market

TABLES = ("runs", "opportunities", "pair_trades", "orders", "fills", "balances", "incidents")


def replay(*paths: Path, db: Path | None = None, **options: Any) -> tuple[dict[str, Any], int]:
    """Replay captures into a ledger beside the first of them."""
    url = f"sqlite:///{db or paths[0].with_name('out.sqlite')}"
    return replay_tapes(Settings(), ReplayOptions(files=paths, db=url, **options))


def rows(db: Path, table: str) -> list[tuple[Any, ...]]:
    """Return a table's rows by id."""
    with sqlite3.connect(db) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def test_a_malformed_line_is_named_and_everything_before_it_is_written_down(tmp_path: Path) -> None:
    path = one_dislocation().write(tmp_path / "torn.jsonl")
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:5]) + "{not json\n" + whole[5])
    with pytest.raises(StoreError, match=r"torn\.jsonl:6: "):
        replay(path)
    db = tmp_path / "out.sqlite"
    assert len(rows(db, "fills")) == 2
    assert [row[-2] for row in rows(db, "runs")] == [2], "the run says how it ended"


def test_a_dialect_nobody_reads_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = Tape().raw(0.0, "kraken", "{}").write(tmp_path / "k.jsonl")
    with pytest.raises(ConfigError, match="kraken"):
        replay(path)


def test_an_empty_tape_is_refused(tmp_path: Path) -> None:
    path = Tape().write(tmp_path / "empty.jsonl")
    with pytest.raises(ConfigError, match="no frame"):
        replay(path)


def test_the_ledger_of_a_real_run_is_never_replaced(tmp_path: Path) -> None:
    path = one_dislocation().write(tmp_path / "t.jsonl")
    replay(path)
    with sqlite3.connect(tmp_path / "out.journal.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '00000000deadbeef' WHERE name = 'journal_id'")
    with pytest.raises(ConfigError, match="real run"):
        replay(path)
    assert len(rows(tmp_path / "out.sqlite", "fills")) == 2


def test_no_edge_means_no_pair(tmp_path: Path) -> None:
    summary, code = replay(quiet_market().write(tmp_path / "t.jsonl"))
    assert code == 0
    assert summary["pairs"]["opened"] == 0
    assert summary["frames"] == 4


def test_one_clear_dislocation_is_one_pair_with_the_exact_net(tmp_path: Path) -> None:
    summary, code = replay(one_dislocation().write(tmp_path / "t.jsonl"))
    assert code == 0
    assert summary["mode"] == "replay"
    assert summary["pairs"] == {
        "opened": 1, "completed": 1, "unwound": 0, "carried": 0, "halted": 0, "open": 0, "abandoned": 0
    }  # fmt: skip
    # Bought 1 at 100 and sold 1 at 101, a fee of 0.1 % on both: 101 - 0.101 - 100 - 0.1.
    assert Decimal(summary["net"]["USDT"]) == Decimal("0.799")
    assert Decimal(summary["fees"]["USDT"]) == Decimal("0.201")
    assert (summary["orders"], summary["fills"], summary["unhedged_notional"]) == (2, 2, "0")


def test_what_was_assumed_stands_in_the_summary(tmp_path: Path) -> None:
    summary, _ = replay(one_dislocation().write(tmp_path / "t.jsonl"), fee_bps=Decimal(5), latency_ms=30)
    told = summary["replay"]
    assert (told["kind"], told["latency_ms"]) == ("simulated", 30)
    assert {(i["taker_fee"], i["rules"]) for i in told["instruments"]} == {("0.0005", "seen")}
    assert {(i["venue"], i["tick"], i["lot"]) for i in told["instruments"]} == {
        ("gate", "0.1", "1"),
        ("okx", "0.1", "1"),
    }
    assert Decimal(summary["fees"]["USDT"]) == Decimal("0.1005")


def test_a_bid_that_is_gone_before_the_order_arrives_fills_nothing_and_the_bought_leg_is_unwound(
    tmp_path: Path,
) -> None:
    tape = quiet_market()
    tape.okx(1.0, [("101.0", "1")], [("100.0", "0"), ("102.0", "1")])
    tape.okx(1.03, [("101.0", "0"), ("99.9", "0"), ("99.8", "0"), ("90.0", "1")], [])
    tape.gate(1.5, [("99.8", "1")], [])
    tape.gate(3.0, [("99.7", "1")], [])
    summary, code = replay(tape.write(tmp_path / "t.jsonl"), latency_ms=50)
    assert code == 0
    assert (summary["pairs"]["opened"], summary["pairs"]["unwound"]) == (1, 1)
    # Bought at 100 and sold again at 99.9, with a fee of 0.1 % on both.
    assert Decimal(summary["net"]["USDT"]) == Decimal("-0.2999")
    assert summary["unhedged_notional"] == "0"


def test_a_level_that_never_changes_is_not_filled_twice(tmp_path: Path) -> None:
    tape = one_dislocation()  # Gate never says anything new of its ask of 100.0
    tape.gate(2.5, [("99.7", "1")], [])
    tape.okx(3.0, [("101.0", "1")], [("100.0", "0")])
    tape.okx(4.0, [("101.0", "0")], [("100.0", "1")])
    tape.gate(4.5, [("99.6", "1")], [])
    summary, _ = replay(tape.write(tmp_path / "t.jsonl"))
    bought = [row for row in rows(tmp_path / "out.sqlite", "fills") if "buy" in row and "gate" in row]
    assert len(bought) == 1
    assert summary["unhedged_notional"] == "0"


def _earlier(tape: Tape, milliseconds: int, lines: slice) -> None:
    """Let some of Gate's frames say that they were sent so much earlier."""
    for line in tape.lines[lines]:
        line["raw"] = re.sub(r'"time_ms": (\d+)', lambda told: f'"time_ms": {int(told[1]) - milliseconds}', line["raw"])


def test_a_venue_whose_clock_is_behind_is_traded_on(tmp_path: Path) -> None:
    tape = quiet_market().gate(0.2, [("99.8", "1")], [])
    tape.okx(1.0, [("101.0", "1")], [("100.0", "0"), ("102.0", "1")])
    tape.okx(2.0, [("101.0", "0")], [("100.0", "1")])
    tape.gate(2.1, [("99.7", "1")], [])
    _earlier(tape, 1500, slice(None))
    summary, _ = replay(tape.write(tmp_path / "t.jsonl"))
    assert summary["pairs"]["completed"] == 1


def test_a_clock_is_judged_by_the_fastest_frame_so_far(tmp_path: Path) -> None:
    tape = quiet_market()
    _earlier(tape, 2000, slice(2, 3))  # Gate's first frame that says when it was sent was two seconds on its way
    tape.gate(0.5, [("99.8", "1")], []).gate(0.7, [("99.8", "0")], [])
    tape.okx(1.0, [("101.0", "1")], [("100.0", "0"), ("102.0", "1")])
    tape.okx(2.0, [("101.0", "0")], [("100.0", "1")])
    tape.gate(2.1, [("99.7", "1")], [])
    summary, _ = replay(tape.write(tmp_path / "t.jsonl"))
    assert summary["pairs"]["completed"] == 1


def test_frames_and_events_share_one_sequence(tmp_path: Path) -> None:
    summary, _ = replay(one_dislocation().write(tmp_path / "t.jsonl"))
    with sqlite3.connect(tmp_path / "out.journal.sqlite") as journal:
        last, events = journal.execute("SELECT max(seq), count(*) FROM entries WHERE kind = 'event'").fetchone()
    assert last >= events + summary["frames"]


def test_two_files_are_one_market(tmp_path: Path) -> None:
    tape = one_dislocation()
    paths = [
        tape.write(tmp_path / f"{venue}.jsonl", [line for line in tape.lines if line["venue"] == venue])
        for venue in ("gate", "okx")
    ]
    summary, _ = replay(*paths)
    assert summary["pairs"]["completed"] == 1
    assert Decimal(summary["net"]["USDT"]) == Decimal("0.799")


def test_a_replay_is_the_same_twice_and_takes_the_place_of_the_first(tmp_path: Path) -> None:
    path = one_dislocation().write(tmp_path / "t.jsonl")
    db = tmp_path / "out.sqlite"
    first, _ = replay(path)
    told = {table: rows(db, table) for table in TABLES}
    second, _ = replay(path)
    assert second == first
    assert {table: rows(db, table) for table in TABLES} == told
    elsewhere, _ = replay(path, db=tmp_path / "other.sqlite")
    assert elsewhere | {"db": first["db"]} == first
    assert {table: rows(tmp_path / "other.sqlite", table) for table in TABLES} == told


def test_captured_spot_and_perpetual_are_a_true_market_of_two(tmp_path: Path, recording: Callable[[str], Path]) -> None:
    paths = [recording(f"binance_{kind}_20240808_btc") for kind in ("spot", "usdm")]
    small = [tmp_path / f"{path.name.split('.')[0]}.jsonl" for path in paths]
    for path, cut in zip(paths, small, strict=True):
        _cut(path, cut, 6000)
    summary, code = replay(*small, fee_bps=Decimal(1), db=tmp_path / "out.sqlite")
    assert code == 0
    assert summary["frames"] == 12_000
    assert summary["book_updates"] > 400
    assert summary["opportunities"] >= 1
    assert {(i["venue"], i["symbol"]) for i in summary["replay"]["instruments"]} == {
        ("binance", "BTC/USDT"),
        ("binance_futures", "BTC/USDT"),
    }


def _cut(source: Path, target: Path, lines: int) -> None:
    with gzip.open(source, "rb") as file:
        target.write_bytes(b"".join(islice(file, lines)))


def test_tapes_of_different_times_are_stretches_of_their_own_in_the_order_of_time(
    tmp_path: Path, recording: Callable[[str], Path]
) -> None:
    earlier, later = recording("gate_spot_20210422"), recording("gate_futures_20230524")
    db = tmp_path / "replay.sqlite"
    summary, _ = replay(later, earlier, db=db)
    assert summary["answer"]["stretches"] == 2
    assert summary["replay"]["files"] == [str(earlier), str(later)]
    assert summary["frames"] == sum(replay(path, db=db)[0]["frames"] for path in (earlier, later))


def test_a_tape_in_parquet_leads_to_the_same_summary_and_rows(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = one_dislocation().write(tmp_path / "t.jsonl")
    (made,) = convert_tapes([path], None, to_parquet=True)
    by_text, code = replay(path)
    by_parquet, other_code = replay(Path(made.made), db=tmp_path / "other.sqlite")
    for summary in (by_text, by_parquet):
        assert summary.pop("db") and summary["replay"].pop("files")
    assert (by_parquet, other_code) == (by_text, code)
    for table in TABLES:
        assert rows(tmp_path / "other.sqlite", table) == rows(tmp_path / "out.sqlite", table)
