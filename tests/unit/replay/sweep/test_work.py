"""What a worker of a sweep does: many trials on a tape, each as if it were the only one."""

import logging
import os
import pickle
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.errors import CheckFailed, ConfigError, StoreError
from arb.replay.days import Stretch
from arb.replay.sweep.tapes import examine, tapes_of
from arb.replay.sweep.work import Piece, perform, run_trials
from arb.replay.trial import Trial
from tests.unit.replay.sweep.markets import busy_market, write_day
from tests.unit.replay.test_rules import both, listed, segment
from tests.unit.replay.test_trial import a_trial, run_trial

D = Decimal


def _keyed(*trials: Trial) -> tuple[tuple[str, Trial], ...]:
    return tuple((f"key {n}", trial) for n, trial in enumerate(trials))


def _alone(stretch: Stretch, *trials: Trial) -> list[Any]:
    return [run_trial(stretch, trial, key=key) for key, trial in _keyed(*trials)]


def _on(symbol: str) -> Trial:
    return Trial(settings=msgspec.structs.replace(a_trial().settings, symbols=(symbol,)))


TRIALS = [
    a_trial({"min_edge_bps": D(edge), "max_notional_quote": D(notional)}, fee=fee, latency_ns=latency_ms * 10**6)
    for edge, notional, fee, latency_ms in product((0, 50), (150, 2000), (None, D(0)), (1, 300))
]


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(3))
def test_many_trials_on_one_pass_find_what_each_finds_alone(tmp_path: Path, seed: int) -> None:
    stretch = Stretch((write_day(tmp_path, seed),))
    alone = _alone(stretch, *TRIALS)

    assert run_trials(stretch, _keyed(*TRIALS)) == alone
    assert len({repr(found.result) for found in alone}) > 4, "the trials are to find different things"


def test_trials_on_other_symbols_share_no_pass_and_find_what_each_finds_alone(tmp_path: Path) -> None:
    stretch = Stretch((write_day(tmp_path, 1),))
    trials = [a_trial(), _on("BTC/USDT"), a_trial(fee=D(0))]

    assert run_trials(stretch, _keyed(*trials)) == _alone(stretch, *trials)


def test_rules_that_change_on_a_recording_hold_for_every_trial(tmp_path: Path) -> None:
    changed = [(6.0, listed(venue, taker_fee=D("0.01"))) for venue in ("gate", "okx")]
    path = segment(tmp_path / "t.jsonl", busy_market(2), *both(), *changed)
    stretch, trials = Stretch((path,)), [a_trial(), a_trial(fee=D("0.0001"))]

    assert run_trials(stretch, _keyed(*trials)) == _alone(stretch, *trials)


@pytest.mark.parametrize(
    "names", [("okx_20210722_conn1", "okx_20210722_conn2"), ("bitget_spot_20220407", "bitget_perp_20220407")]
)
def test_on_recorded_frames_each_finds_what_it_finds_alone(repo_root: Path, names: tuple[str, ...]) -> None:
    captures = repo_root.parent / "shared" / "data" / "captures"
    if not captures.is_dir():
        pytest.skip("the recorded frames are not in ../shared/data")
    stretch = Stretch(tuple(captures / f"{name}.jsonl.gz" for name in names))
    trials = [a_trial(fee=D(0)), a_trial(latency_ns=10**6), a_trial({"min_edge_bps": D(9)})]

    assert run_trials(stretch, _keyed(*trials)) == _alone(stretch, *trials)


def _piece(path: Path, *trials: Trial) -> Piece:
    (tape,) = tapes_of([examine(path)])
    return Piece(tape, _keyed(*trials))


def test_a_piece_travels_to_another_process_and_its_results_travel_back(tmp_path: Path) -> None:
    piece = _piece(write_day(tmp_path, 0, edges=3), a_trial())

    found = perform(pickle.loads(pickle.dumps(piece)))

    assert pickle.loads(pickle.dumps(found)) == found == _alone(piece.tape.stretch, a_trial())


def test_a_tape_that_changed_since_it_was_examined_is_refused(tmp_path: Path) -> None:
    path = write_day(tmp_path, 0, edges=2)
    piece = _piece(path, a_trial())
    perform(piece)
    path.write_bytes(path.read_bytes().replace(b"gate", b"gale", 1))

    with pytest.raises(StoreError, match=r"day0\.jsonl: is not the tape that was examined") as caught:
        perform(piece)
    assert "\n" not in str(caught.value)


def test_a_tape_that_a_worker_does_not_find_is_named_with_the_machine(tmp_path: Path) -> None:
    path = write_day(tmp_path, 0, edges=2)
    piece = _piece(path, a_trial())
    path.unlink()

    with pytest.raises(
        StoreError, match=rf"day0\.jsonl: No such file.*{os.uname().nodename}.*every worker has to find"
    ):
        perform(piece)


def test_a_worker_that_came_late_and_is_of_another_version_refuses_in_one_line(tmp_path: Path) -> None:
    piece = msgspec.structs.replace(_piece(write_day(tmp_path, 0, edges=2), a_trial()), arb="0.0.7")
    with pytest.raises(CheckFailed, match=rf"{os.uname().nodename} has arb .*, and the sweep is of 0\.0\.7") as caught:
        perform(piece)
    assert "\n" not in str(caught.value)


def test_symbols_that_no_tape_shows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no book of ETH/USDT"):
        perform(_piece(write_day(tmp_path, 0, edges=2), _on("ETH/USDT")))


def test_what_hundreds_of_engines_would_log_is_not_logged_and_later_lines_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    perform(_piece(write_day(tmp_path, 0, edges=2), a_trial()))
    assert not caplog.records
    logging.getLogger("arb.replay").warning("later")
    assert [record.message for record in caplog.records] == ["later"]
