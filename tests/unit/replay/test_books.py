"""`arb books`: the output's exact shape, the states it tells, and what it refuses."""

import json
from pathlib import Path

import msgspec
import pytest

from arb.errors import ConfigError, StoreError
from arb.replay.books import books_at
from tests.unit.replay.makings import Tape


def obu(result: dict[str, object]) -> str:
    frame = {"channel": "spot.obu", "event": "update", "time_ms": 1_700_000_000_000, "result": result}
    return json.dumps(frame)


def tape(path: Path, *raws: tuple[str, str, str]) -> Path:
    lines = [{"t": 1.5 + n, "venue": venue, "kind": kind, "raw": raw} for n, (venue, kind, raw) in enumerate(raws)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


WHOLE = obu(
    {
        "s": "ob.BTC_USDT.50",
        "full": True,
        "u": 9,
        "b": [["100.50", "1.000"], ["99", "0.00000001"], ["98", "3"]],
        "a": [["101", "1E3"]],
    }
)
CHANGE = obu({"s": "ob.BTC_USDT.50", "U": 10, "u": 12, "b": [["100.50", "0"]], "a": []})
LATE = obu({"s": "ob.BTC_USDT.50", "U": 14, "u": 14, "b": [], "a": []})
DOWN = json.dumps({"type": "FeedDown", "venue": "gate", "cause": "closed"})
V1 = json.dumps(
    {
        "channel": "spot.order_book_update",
        "event": "update",
        "result": {"s": "OMG_USDT", "U": 1, "u": 2, "b": [["1", "1"]], "a": []},
    }
)


def shown(path: Path, at: int | None, depth: int = 10) -> object:
    return json.loads(msgspec.json.encode(books_at(path, at, depth)))


def test_a_live_book_is_shown_best_first_in_plain_decimals(tmp_path: Path) -> None:
    path = tape(tmp_path / "t", ("gate", "ws", WHOLE), ("gate", "ws", CHANGE))
    assert shown(path, 1, depth=2) == {
        "frames": 1,
        "books": {
            "gate/BTC_USDT": {
                "bids": [["100.5", "1"], ["99", "0.00000001"]],
                "asks": [["101", "1000"]],
                "state": "live",
                "sequence": 9,
            }
        },
    }
    assert shown(path, None, depth=1) == {
        "frames": 2,
        "books": {
            "gate/BTC_USDT": {
                "bids": [["99", "0.00000001"]],
                "asks": [["101", "1000"]],
                "state": "live",
                "sequence": 12,
            }
        },
    }


@pytest.mark.parametrize(
    ("last", "state"),
    [(("gate", "ws", LATE), "gap"), (("gate", "event", DOWN), "waiting"), (("gate", "ws", "{"), "gap")],
)
def test_an_unusable_book_shows_its_state_and_no_levels(tmp_path: Path, last: tuple[str, str, str], state: str) -> None:
    path = tape(tmp_path / "t", ("gate", "ws", WHOLE), last)
    book: object = {"bids": [], "asks": [], "state": state, "sequence": None}
    assert shown(path, None) == {"frames": 2, "books": {"gate/BTC_USDT": book}}


ETH_WHOLE = obu({"s": "ob.ETH_USDT.50", "full": True, "u": 3, "b": [["7", "1"]], "a": [["8", "1"]]})


def by(path: Path, *lines: tuple[str, str, str]) -> Path:
    """Write a tape of Gate whose lines are (connection, kind, raw)."""
    told = [
        {"t": 1.5, "venue": "gate", "kind": kind, "raw": raw} | ({"connection": connection} if connection else {})
        for connection, kind, raw in lines
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in told))
    return path


SECOND_DOWN = json.dumps({"type": "FeedDown", "venue": "gate", "cause": "closed", "connection": "gate#2"})


@pytest.mark.parametrize(
    ("last", "states"),
    [
        (("gate#2", "ws", "{"), ("live", "gap")),
        (("", "ws", "{"), ("gap", "live")),
        (("", "event", SECOND_DOWN), ("live", "waiting")),
        (("", "event", DOWN), ("waiting", "live")),
    ],
)
def test_what_happens_to_one_connection_concerns_its_own_books(
    tmp_path: Path, last: tuple[str, str, str], states: tuple[str, str]
) -> None:
    path = by(tmp_path / "t", ("", "ws", WHOLE), ("gate#2", "ws", ETH_WHOLE), last)
    books = books_at(path, None, 1).books
    assert (books["gate/BTC_USDT"].state, books["gate/ETH_USDT"].state) == states


@pytest.mark.parametrize("first", ["", "gate#2"])
@pytest.mark.parametrize(("old", "down", "new"), [("", DOWN, "gate#2"), ("gate#2", SECOND_DOWN, "")])
def test_a_book_that_moved_to_another_connection_is_shown_where_it_is_live(
    tmp_path: Path, old: str, down: str, new: str, first: str
) -> None:
    moved = (old, "ws", ETH_WHOLE), ("", "event", down), (new, "ws", ETH_WHOLE)
    path = by(tmp_path / "t", (first, "ws", WHOLE), *moved)
    assert books_at(path, None, 1).books["gate/ETH_USDT"].state == "live"


def test_a_book_that_has_changes_but_no_snapshot_waits(tmp_path: Path) -> None:
    book: object = {"bids": [], "asks": [], "state": "waiting", "sequence": None}
    assert shown(tape(tmp_path / "t", ("gate", "ws", V1)), None) == {"frames": 1, "books": {"gate/OMG_USDT": book}}


def test_lines_beyond_the_end_and_none_at_all_are_no_error(tmp_path: Path) -> None:
    path = tape(tmp_path / "t", ("gate", "ws", WHOLE))
    assert books_at(path, 99, 1).frames == 1
    assert shown(path, 0) == {"frames": 0, "books": {}}


def test_events_of_our_own_tapes_count_as_lines_and_touch_no_book(tmp_path: Path) -> None:
    path = tape(tmp_path / "t", ("engine", "event", '{"type":"QueueDrained"}'), ("engine", "event", "?"))
    assert shown(path, None) == {"frames": 2, "books": {}}


@pytest.mark.parametrize("venue", ["bybit_v2", "kraken", "kucoin"])
def test_a_dialect_that_cannot_be_rebuilt_is_named(tmp_path: Path, venue: str) -> None:
    path = tape(tmp_path / "t", ("gate", "ws", WHOLE), (venue, "ws", "{}"))
    assert books_at(path, 1, 1).frames == 1
    with pytest.raises(ConfigError, match=f"{path}: .*'{venue}'"):
        books_at(path, 2, 1)


def test_a_malformed_line_matters_only_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tape(tmp_path / "t", ("gate", "ws", WHOLE))
    path.write_text(path.read_text() + "{\n")
    assert books_at(path, 1, 1).frames == 1
    with pytest.raises(StoreError, match=f"{path}:2: "):
        books_at(path, None, 1)


@pytest.mark.parametrize(("at", "depth"), [(-1, 1), (1, -1)])
def test_negative_counts_are_refused(tmp_path: Path, at: int, depth: int) -> None:
    with pytest.raises(ConfigError, match="give 0 or more"):
        books_at(tape(tmp_path / "t"), at, depth)


def test_the_tape_of_a_killed_process_shows_the_books_up_to_where_it_was_torn(tmp_path: Path) -> None:
    path = Tape().gate(0, [("99", "1")], [("100", "1")], full=True).gate(1, [("99", "2")], []).write(tmp_path / "t")
    path.write_bytes(path.read_bytes()[:-20])
    report = books_at(path, None, 10)
    assert report.frames == 1
    assert report.books["gate/BTC_USDT"].bids == [("99", "1")]
