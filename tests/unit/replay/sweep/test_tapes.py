"""What a sweep takes for one tape, and for the same one."""

import gzip
import shutil
from pathlib import Path

import pytest

from arb.errors import ConfigError, StoreError
from arb.replay.sweep.tapes import Tape, examine, tapes_of
from tests.unit.replay.makings import Tape as Made
from tests.unit.replay.makings import quiet_market
from tests.unit.replay.sweep.markets import write_day
from tests.unit.replay.test_days import segment

DAY_S = 86_400.0
NOON_S = DAY_S / 2


def _tapes(*paths: Path) -> list[Tape]:
    return tapes_of(map(examine, paths))


def _names(tapes: list[Tape]) -> list[list[str]]:
    return [[path.name for path in tape.stretch.files] for tape in tapes]


def test_a_recording_is_cut_where_a_utc_day_begins(tmp_path: Path) -> None:
    starts = [NOON_S, NOON_S + 30, DAY_S - 10, DAY_S + 5, DAY_S + 50, 2 * DAY_S + 1]
    paths = [segment(tmp_path / f"{n}.jsonl", "aa", start, start + 1) for n, start in enumerate(starts)]

    found = _tapes(*paths)

    assert _names(found) == [["0.jsonl", "1.jsonl"], ["2.jsonl"], ["3.jsonl", "4.jsonl"], ["5.jsonl"]]
    assert [tape.day_utc for tape in found] == ["1970-01-01", "1970-01-01", "1970-01-02", "1970-01-03"]


def test_a_capture_that_goes_on_over_midnight_is_one_tape_of_the_day_in_which_it_begins(tmp_path: Path) -> None:
    early = Made().raw(0, "gate", "a").raw(1, "gate", "b")
    late = Made().raw(2, "okx", "c")
    for n, line in enumerate((*early.lines, *late.lines)):
        line["t"] = DAY_S - 1 + n

    (tape,) = _tapes(early.write(tmp_path / "e.jsonl"), late.write(tmp_path / "l.jsonl"))

    assert _names([tape]) == [["e.jsonl", "l.jsonl"]]
    assert tape.day_utc == "1970-01-01"


def test_the_order_in_which_tapes_are_named_means_nothing(tmp_path: Path) -> None:
    paths = [write_day(tmp_path, day) for day in (2, 0, 1)]
    assert _tapes(*paths) == _tapes(*reversed(paths))
    assert _names(_tapes(*paths)) == [["day0.jsonl"], ["day1.jsonl"], ["day2.jsonl"]]


def test_a_tape_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    path = write_day(tmp_path, 0)
    digest = examine(path).digest
    other = path.rename(tmp_path / "other.jsonl")
    assert examine(other).digest == digest
    other.write_bytes(other.read_bytes() + b"\n")
    assert examine(other).digest != digest


def test_a_copy_of_a_tape_is_refused_for_every_frame_would_count_twice(tmp_path: Path) -> None:
    path = write_day(tmp_path, 0)
    copy = Path(shutil.copy(path, tmp_path / "copy.jsonl"))
    with pytest.raises(ConfigError, match="are the same tape"):
        _tapes(path, copy)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", ConfigError, r"t\.jsonl: no frame on the tape"),
        ('{"t":1.0,"venue":"mtgox","kind":"ws","raw":"{}"}\n', ConfigError, r"t\.jsonl: .*mtgox"),
        ('{"t":1.0,"venue":"kraken","kind":"ws","raw":"{}"}\n', ConfigError, r"t\.jsonl: .*kraken"),
        ('{"t":1.0,"venue":"gate","kind":"ws","raw":"{}"}\nno line\n', StoreError, r"t\.jsonl:2: malformed"),
    ],
)
def test_what_no_sweep_can_read_is_refused_in_one_line_that_names_it(
    tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(error, match=said) as caught:
        examine(path)
    assert "\n" not in str(caught.value)


def test_a_last_line_that_is_cut_off_ends_a_tape(tmp_path: Path) -> None:
    path = quiet_market().write(tmp_path / "t.jsonl")
    whole = examine(path)
    path.write_text(path.read_text() + '{"t": 17')
    torn = examine(path)
    assert (torn.first_ns, torn.last_ns) == (whole.first_ns, whole.last_ns)
    path.write_bytes(gzip.compress(path.read_bytes())[:-9])
    assert examine(path).first_ns == whole.first_ns
