"""`arb sweep` with what cannot be."""

from pathlib import Path

import pytest

from arb.cli import main
from tests.unit.replay.sweep.markets import write_day


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the present folder, which holds the tapes of two days."""
    monkeypatch.chdir(tmp_path)
    for day in range(2):
        write_day(tmp_path, day, edges=1)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("day0.jsonl", "an empty grid"),
        ("day0.jsonl --set limits.min_egde_bps=2,4", "did you mean 'min_edge_bps'?"),
        ("day0.jsonl --set limits.min_edge_bps=2,four", '= "four": give basis points'),
        ("day0.jsonl --set store.keep_story_days=5,9", "--set store.keep_story_days: means nothing to a replay"),
        ("day0.jsonl --set limits.min_edge_bps=2,,4", "one of its values is empty"),
        ("day0.jsonl --set limits.min_edge_bps=2,2.0", "are the same settings: give one of them"),
        ("day0.jsonl --set limits.min_edge_bps=2 --set limits.min_edge_bps=3", "is given twice"),
        ("day0.jsonl --fee 5,10", "is no fee with its unit"),
        ("day0.jsonl --fee 5bps,5bps", "the value 5bps is given twice"),
        ("day0.jsonl --latency 20ms,soon", "is no length of time"),
        ("day0.jsonl --set limits.min_edge_bps=1,2,3 --max-sets 2", "3 sets of settings: more than 2: give fewer values, or"),
        ("day0.jsonl --set limits.min_edge_bps=1 --hold-out 1", "would leave no day to choose on"),
        ("day0.jsonl day1.jsonl --set limits.min_edge_bps=1 --hold-out 2020-01-01", "no tape is of that day"),
        ("absent.jsonl --set limits.min_edge_bps=1", "'absent.jsonl' does not exist"),
        ("unknown.jsonl --set limits.min_edge_bps=1", "unknown.jsonl: frames of 'mtgox' cannot be read here, those of gate"),
        ("torn.jsonl --set limits.min_edge_bps=1", "torn.jsonl:3: malformed tape line"),
        ("day0.jsonl --set limits.min_edge_bps=1 --out day1.jsonl", "day1.jsonl:1: is no row of a sweep"),
        ("day0.jsonl --set limits.min_edge_bps=1 --out day1.jsonl/s.jsonl", "cannot be written"),
        ("day0.jsonl --set limits.min_edge_bps=1 --dask-ca day0.jsonl", "give all three, and --dask with them"),
        ("day0.jsonl --set limits.min_edge_bps=1 --dask localhost", "write tcp://HOST:PORT"),
        ("day0.jsonl --set limits.min_edge_bps=1 --dask tcp://localhost", "is no address (the port is missing): write tcp://"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line_and_no_file_is_touched(
    days: Path, capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    (days / "unknown.jsonl").write_text('{"t":1.0,"venue":"mtgox","kind":"ws","raw":"{}"}\n')
    (days / "torn.jsonl").write_text(
        "".join((days / "day0.jsonl").read_text().splitlines(keepends=True)[:2]) + "x\ny\n"
    )
    before = {path.name: path.read_bytes() for path in days.glob("*.jsonl")}

    assert main(["sweep", *arguments.split()]) == 2

    out, err = capsys.readouterr()
    *progress, line = err.splitlines()  # a machine that is late says how far it is
    assert out == "" and said in line and not any(before.startswith("arb:") for before in progress)

    assert {path.name: path.read_bytes() for path in days.glob("*.jsonl")} == before
