"""One replay as a function of tapes and settings: the same in, the same out, under one name."""

import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import arb.version
from arb.clock import NS_PER_MS
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.engine_state import EngineSettings
from arb.errors import ConfigError, StoreError
from arb.market.numbers import plain
from arb.replay.days import Stretch
from arb.replay.replay_totals import ReplayTotals
from arb.replay.trial import (
    NoJournal,
    Progress,
    Reading,
    Trial,
    TrialResult,
    digest_of,
    lines_of,
    play,
    result_of,
    trial_key,
    unseen,
)
from tests.unit.replay.makings import Tape, one_dislocation, quiet_market
from tests.unit.replay.test_rules import both, segment

D = Decimal


def run_trial(stretch: Stretch, trial: Trial, *, key: str | None = None, on_progress: Progress = unseen) -> TrialResult:
    """Replay a stretch by the plain reader, alone."""
    findings = ReplayTotals()
    explored = Reading(stretch, on_progress).explored(trial)
    played = play(explored, trial, lines_of(stretch), NoJournal(), findings, on_progress=on_progress)
    return result_of(key or trial_key(map(digest_of, stretch.files), trial), stretch, played, findings)


def a_trial(limits: dict[str, Any] | None = None, **changes: Any) -> Trial:
    """Return a trial that takes whatever is above 0 after fees, unless `limits` say otherwise."""
    loosest = {"min_edge_bps": D(0), "min_net_quote": D(0)}
    settings = EngineSettings(
        limits=Limits(**loosest | (limits or {})), timing=Timing(), repair=RepairPolicy(), venues=(), symbols=()
    )
    return Trial(settings=settings, **changes)


def tried(tape: Tape, folder: Path, trial: Trial | None = None) -> TrialResult:
    """Replay a tape."""
    return run_trial(Stretch((tape.write(folder / "t.jsonl"),)), trial or a_trial())


# What cannot be.


def test_a_tape_without_a_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"t\.jsonl: no frame on the tape"):
        tried(Tape(), tmp_path)


def test_a_venue_that_nobody_knows_is_refused_with_the_name_of_its_file(tmp_path: Path) -> None:
    known = quiet_market().write(tmp_path / "known.jsonl")
    unknown = Tape().raw(0.05, "kraken", "{}").write(tmp_path / "unknown.jsonl")
    with pytest.raises(
        ConfigError, match=r"unknown\.jsonl: .*'kraken' cannot be read here, those of gate, .* can: leave it out"
    ) as caught:
        run_trial(Stretch((known, unknown)), a_trial())
    assert "\n" not in str(caught.value)


def test_symbols_that_the_tapes_do_not_show_are_refused(tmp_path: Path) -> None:
    trial = a_trial()
    trial = msgspec.structs.replace(trial, settings=msgspec.structs.replace(trial.settings, symbols=("ETH/USDT",)))
    with pytest.raises(ConfigError, match=r"shows no book of ETH/USDT"):
        tried(one_dislocation(), tmp_path, trial)


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    path = one_dislocation().write(tmp_path / "torn.jsonl")
    path.write_text(path.read_text() + "{not json\n")
    with pytest.raises(StoreError, match=r"torn\.jsonl:8: "):
        run_trial(Stretch((path,)), a_trial())


def test_a_last_line_that_is_cut_hides_nothing_of_what_came_before(tmp_path: Path) -> None:
    path = one_dislocation().write(tmp_path / "t.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    assert run_trial(Stretch((path,)), a_trial()).result.net == {"USDT": D("0.799")}


# What comes out.


def test_a_result_says_what_it_was_computed_from(tmp_path: Path) -> None:
    found = tried(one_dislocation(), tmp_path)
    assert (found.files, found.frames, found.venues, found.symbols) == (("t.jsonl",), 7, ("gate", "okx"), ("BTC/USDT",))
    assert found.ended_ns - found.began_ns == 2_100_000_000
    assert found.result.net == {"USDT": D("0.799")}
    assert found.halted is None


def test_symbols_that_one_venue_alone_shows_are_compared_with_nothing(tmp_path: Path) -> None:
    tape = Tape().gate(0.0, [("99.9", "1")], [("100.0", "1")], full=True)
    assert tried(tape, tmp_path).symbols == ()


def test_the_break_even_fee_is_where_a_replay_stops_earning(tmp_path: Path) -> None:
    fee = tried(one_dislocation(), tmp_path).result.earned[0].break_even_fee_bps
    assert fee == D("49.751244"), "1 / 201"
    below, above = (tried(one_dislocation(), tmp_path, a_trial(fee=D(bps) / 10_000)) for bps in ("49.75", "49.76"))
    assert below.result.net["USDT"] == D("0.000025"), "1 - 0.004975 * 201"
    assert below.result.earned[0].break_even_fee_bps == fee, "it does not depend on the fee that was charged"
    assert above.result.edges == 0 and above.result.pairs == {}


def test_a_fee_takes_the_place_of_recorded_ones_everywhere_or_at_single_venues(tmp_path: Path) -> None:
    stretch = Stretch((segment(tmp_path / "s", one_dislocation(), *both(taker_fee=D("0.002"))),))
    paid = [
        run_trial(stretch, a_trial(**changes)).result.earned[0].fees
        for changes in ({}, {"fee": D(0)}, {"fees": {"okx": D(0)}}, {"fee": D(0), "fees": {"okx": D("0.001")}})
    ]
    assert paid == [D("0.402"), D(0), D("0.2"), D("0.101")]


def test_an_order_that_travels_for_longer_than_an_edge_stands_gets_nothing(tmp_path: Path) -> None:
    late = a_trial(latencies_ns={"okx": 1500 * NS_PER_MS}, limits={"leg_cost": "off"})
    assert tried(one_dislocation(), tmp_path).result.pairs == {"completed": 1}
    assert "completed" not in tried(one_dislocation(), tmp_path, late).result.pairs


def test_accounts_that_hold_nothing_take_nothing(tmp_path: Path) -> None:
    found = tried(one_dislocation(), tmp_path, a_trial(balances={"gate": {"USDT": D(5)}}))
    assert [row.reason for row in found.result.reasons] == ["insufficient_balance"]
    assert found.result.pairs == {}


# Twice the same.


def test_a_trial_can_be_sent_to_another_process_and_its_result_back(tmp_path: Path) -> None:
    trial = a_trial(fees={"gate": D("0.001")}, balances={"gate": {"USDT": D(5_000), "BTC": D(1)}})
    stretch = Stretch((one_dislocation().write(tmp_path / "t.jsonl"),))
    sent_stretch, sent_trial = pickle.loads(pickle.dumps((stretch, trial)))
    assert (sent_stretch, sent_trial) == (stretch, trial)
    found = run_trial(stretch, trial)
    assert run_trial(sent_stretch, sent_trial) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert msgspec.json.decode(msgspec.json.encode(found), type=TrialResult) == found


def test_the_key_is_that_of_contents_and_not_of_names(tmp_path: Path) -> None:
    one, other = (one_dislocation().write(tmp_path / name) for name in ("a.jsonl", "b.jsonl"))
    assert run_trial(Stretch((one,)), a_trial()).key == run_trial(Stretch((other,)), a_trial()).key
    assert trial_key([digest_of(one)], a_trial()) == run_trial(Stretch((one,)), a_trial()).key
    changed = quiet_market().write(tmp_path / "c.jsonl")
    assert digest_of(changed) != digest_of(one)


@pytest.mark.parametrize(
    "changes",
    [
        {"fee": D("0.001")},
        {"fees": {"okx": D("0.001")}},
        {"latency_ns": 1},
        {"latencies_ns": {"okx": 50 * NS_PER_MS}},
        {"balances": {"okx": {"USDT": D(1)}}},
        {"assumed_fee": D("0.002")},
        {"seed": 2},
        {"limits": {"min_edge_bps": D(1)}},
    ],
)
def test_whatever_may_change_a_result_changes_its_key(changes: dict[str, Any]) -> None:
    assert trial_key(["00"], a_trial(**changes)) != trial_key(["00"], a_trial())
    assert trial_key(["00"], a_trial(**changes)) == trial_key(["00"], a_trial(**changes))


def test_other_code_changes_a_key_and_a_commit_of_the_same_code_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(build: str) -> str:
        monkeypatch.setattr(arb.version, "version", lambda: build)
        return trial_key(["00"], a_trial())

    assert (
        key("0.1.0+g59d95da6a1b2.c0f3d9a7e4b21")
        == key("0.1.0+gaaaaaaaaaaaa.c0f3d9a7e4b21")
        == key("0.1.0+c0f3d9a7e4b21")
    )
    assert key("0.1.0+g59d95da6a1b2.c0f3d9a7e4b21") != key("0.1.0+g59d95da6a1b2.c111111111111")
    assert key("0.1.0+g59d95da6a1b2") != key("0.1.0+gaaaaaaaaaaaa")  # code that cannot be read


def test_the_order_of_tapes_is_part_of_the_key() -> None:
    assert trial_key(["00", "11"], a_trial()) != trial_key(["11", "00"], a_trial())


@given(st.decimals(0, 100, places=4))
def test_a_number_has_one_key_however_it_was_written(rate: Decimal) -> None:
    short = D(plain(rate))
    one, other = (a_trial(limits={"min_edge_bps": value}, fees={"okx": value}) for value in (rate, short))
    assert trial_key(["00"], one) == trial_key(["00"], other)


def test_progress_ends_at_all_lines_of_both_passes(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    stretch = Stretch((one_dislocation().write(tmp_path / "t.jsonl"),))
    run_trial(stretch, a_trial(), on_progress=lambda done, of: seen.append((done, of)))
    assert seen == [(7, None), (7, 7)]
