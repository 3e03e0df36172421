"""`--fee`, `--latency` and `--set` on any tape, and on the tape of a run as a what-if."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.app.replay import replay_tapes
from arb.app.trials import past_run, trial_on_run
from arb.config import ReplayOptions, Settings
from arb.config.loader import load_text
from arb.errors import ConfigError
from arb.replay.days import Stretch
from arb.store.tapes.tape import RULES, SegmentHead
from tests.support.taped import SYMBOL, TapedRun, taped_run
from tests.unit.replay.makings import START_S, one_dislocation
from tests.unit.replay.own_tapes import write_run
from tests.unit.replay.test_rules import both, segment
from tests.unit.replay.test_trial import run_trial

D = Decimal


@cache
def a_run(seed: int = 3) -> TapedRun:
    return taped_run(seed)


def replayed(*paths: Path, settings: Settings | None = None, **options: Any) -> dict[str, Any]:
    db = f"sqlite:///{paths[0].parent}/out.sqlite"
    summary, code = replay_tapes(settings or Settings(), ReplayOptions(files=paths, db=db, **options))
    assert code == 0
    return summary


def refused(*paths: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        replayed(*paths, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert not (paths[0].parent / "out.sqlite").exists(), "nothing is written"
    return line


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return one_dislocation().write(tmp_path / "t.jsonl")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(a_run(), tmp_path / "run.jsonl")


# What is refused.


@pytest.mark.parametrize("tape", ["capture", "run"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits.min_egde_bps=4", "--set limits.min_egde_bps: unknown key: did you mean 'min_edge_bps'?"),
        (
            "limits.min_edge_bps=x",
            '--set limits.min_edge_bps = "x": give basis points, for example 10, "10bps" or "0.1%"',
        ),
        ("limits.max_price_ratio_bps=0", "no two books ever show one price"),
        (
            "store.keep_story_days=3",
            "--set store.keep_story_days: means nothing to a replay, which goes by [limits], [timing]",
        ),
        ("venues.gate.enabled=false", "--set venues.gate.enabled: means nothing to a replay"),
        ("min_edge_bps", "--set min_edge_bps: is no KEY=VALUE"),
    ],
)
def test_a_setting_that_does_not_exist_or_means_nothing_here_is_refused_before_anything_is_written(
    request: pytest.FixtureRequest, tape: str, text: str, said: str
) -> None:
    assert said in refused(request.getfixturevalue(tape), overrides=(text,))


def test_a_journal_is_compared_with_a_run_as_it_was_and_with_nothing_else(run: Path, capture: Path) -> None:
    said = "--journal: is compared with the tape of a run that is replayed as it was"
    assert said in refused(run, journal=run, fee_bps=D(1))
    assert said in refused(capture, journal=run)


def test_limits_of_a_symbol_that_the_run_did_not_trade_are_refused(run: Path) -> None:
    said = refused(run, overrides=("limits.BTC/USDT.min_edge_bps=4",))
    assert "BTC/USDT is not in [run] symbols" in said and SYMBOL in said


# Captures.


def test_an_override_lies_on_top_of_the_settings(capture: Path) -> None:
    settings = load_text("[limits]\nmin_edge_bps = 90", Settings, "config.toml")
    assert replayed(capture, settings=settings)["pairs"]["opened"] == 0
    assert replayed(capture, settings=settings, overrides=("limits.min_edge_bps=70",))["pairs"]["opened"] == 1
    kept = replayed(capture, settings=settings, overrides=("limits.max_open_pairs=1",))
    assert [row["reason"] for row in kept["answer"]["reasons"]] == ["edge_below_threshold"]


def test_a_venues_fee_latency_and_balances_are_those_of_paper_where_they_are_overridden(tmp_path: Path) -> None:
    path = segment(tmp_path / "s", one_dislocation(), *both(taker_fee=D("0.002")))
    assert replayed(path)["fees"]["USDT"] == "0.402"
    assert replayed(path, overrides=("paper.fees.okx=0.1%",))["fees"]["USDT"] == "0.301"
    assert replayed(path, overrides=("paper.fees.okx=0.1%",), fee_bps=D(0))["fees"]["USDT"] == "0.101"
    late = replayed(path, overrides=("paper.latency_ms.okx=1500",))
    assert late["replay"]["latency_ms_at"] == {"okx": 1500} and late["pairs"]["completed"] == 0
    poor = replayed(path, overrides=("paper.balances.USDT=5",))
    assert poor["replay"]["start_balances"] == {"gate": {"USDT": "5"}, "okx": {"USDT": "5"}}
    assert [row["reason"] for row in poor["answer"]["reasons"]] == ["insufficient_balance"]


def test_limits_of_a_symbol_that_the_settings_do_not_name_are_refused_with_what_to_add(capture: Path) -> None:
    limit = "limits.OMG/USDT.min_edge_bps=4"
    said = refused(capture, overrides=(limit,))
    assert "OMG/USDT is not in [run] symbols" in said and "--set 'run.symbols=[\"OMG/USDT\"]'" in said
    both = replayed(capture, overrides=('run.symbols=["BTC/USDT", "OMG/USDT"]', limit))
    assert both["pairs"]["opened"] == 1


def test_symbols_that_are_asked_for_are_traded_alone(capture: Path) -> None:
    assert replayed(capture, overrides=('run.symbols=["BTC/USDT"]',))["pairs"]["opened"] == 1
    with pytest.raises(ConfigError, match="shows no book of ETH/USDT"):
        replayed(capture, overrides=('run.symbols=["ETH/USDT"]',))


def test_stretches_begin_afresh_in_one_ledger_and_add_up(tmp_path: Path) -> None:
    paths = [one_dislocation(START_S + at_s).write(tmp_path / f"{at_s}.jsonl") for at_s in (0, 3600)]
    alone = replayed(paths[0])
    both_days = replayed(*paths)
    assert both_days["answer"]["stretches"] == 2
    assert both_days["frames"] == 2 * alone["frames"]
    assert both_days["pairs"]["completed"] == 2 and both_days["net"] == {"USDT": "1.598"}
    assert both_days["answer"]["earned"][0]["net"] == D("1.598")
    assert both_days["answer"]["seconds"] == 2 * alone["answer"]["seconds"]


@pytest.mark.parametrize("cut", [False, True])
def test_segments_in_a_row_by_compiled_code_lead_to_what_they_lead_to_line_by_line(tmp_path: Path, cut: bool) -> None:
    pytest.importorskip("numba", reason="compiled books need numba")
    whole = [*one_dislocation().lines, *one_dislocation(START_S + 3).lines]
    paths = [
        _segment(tmp_path / f"{n}.jsonl", n, whole[at : at + 5]) for n, at in enumerate(range(0, len(whole), 5), 1)
    ]
    if cut:
        paths[1].write_bytes(paths[1].read_bytes()[:-30])
    seen: list[tuple[int, int | None]] = []
    plain, compiled = (
        replay_tapes(
            load_text(f"[engine]\nfast_books = {fast}", Settings, "config.toml"),
            ReplayOptions(files=tuple(reversed(paths)), db=f"sqlite:///{tmp_path}/out.sqlite"),
            lambda done, of: seen.append((done, of)),
        )
        for fast in ("false", "true")
    )
    assert compiled == plain
    assert plain[0]["pairs"]["completed"] == 1 and plain[0]["frames"] == 14 - cut
    assert seen.count((14 - cut, 14 - cut)) >= 2, "either way it ends at all lines"


def _segment(path: Path, number: int, lines: list[dict[str, Any]]) -> Path:
    head = msgspec.json.encode(
        SegmentHead(recording="aa", segment=number, arb="1", sites={"gate": "production/global"})
    )
    first = {"t": lines[0]["t"], "venue": "", "kind": "event", "raw": head.decode()}
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *lines)))
    return path


# The tape of a run.


def test_without_any_change_a_run_is_repeated_and_no_order_simulated(run: Path) -> None:
    assert replayed(run)["replay"]["kind"] == "rerun"


def test_a_what_if_shows_the_run_the_same_simulated_unchanged_and_the_change(run: Path) -> None:
    found = replayed(run, overrides=("limits.max_notional_quote=100",))
    what_if = found["replay"]
    assert what_if["kind"] == "what_if" and what_if["changed"] == ["--set limits.max_notional_quote"]
    was, unchanged, changed = what_if["compared"]
    tally = a_run().engine.state.tally
    assert was["what"].startswith("run ") and Decimal(was["net"]["USDT"]) == tally.net["USDT"]
    assert was["pairs"] == tally.opened > 3
    assert unchanged["pairs"] > 0 and changed["net"] == found["net"]
    assert len(what_if["run_ids"]) == 1 and len(what_if["limits"]) == 4
    assert Decimal(changed["net"]["USDT"]) < Decimal(unchanged["net"]["USDT"])


@pytest.mark.thorough
def test_other_decisions_are_named_from_the_first_difference_on(run: Path) -> None:
    found = replayed(run, overrides=("limits.max_notional_quote=100",))["replay"]["first_difference"]
    assert found["unchanged"]["decided_ns"] == found["changed"]["decided_ns"]
    assert D(found["changed"]["buy_size"]) < D(found["unchanged"]["buy_size"])
    nothing_opens = replayed(run, overrides=("limits.min_edge_bps=9999",))["replay"]["first_difference"]
    assert nothing_opens["changed"] is None and nothing_opens["unchanged"] == found["unchanged"]


def test_a_change_that_decides_nothing_otherwise_has_no_first_difference(run: Path) -> None:
    found = replayed(run, overrides=("limits.max_open_pairs=900",))
    assert found["replay"]["first_difference"] is None
    _, unchanged, changed = found["replay"]["compared"]
    assert {**unchanged, "what": ""} == {**changed, "what": ""}


@pytest.mark.thorough
def test_a_run_is_simulated_under_its_own_limits_and_not_those_of_the_user(run: Path) -> None:
    mine = load_text("[limits]\nmin_edge_bps = 9999", Settings, "config.toml")
    one, other = (replayed(run, settings=settings, seed=1) for settings in (mine, Settings()))
    assert one["pairs"]["opened"] > 0 and one["answer"] == other["answer"]


@pytest.mark.thorough
def test_a_run_is_simulated_with_its_own_rules_accounts_and_ways(run: Path) -> None:
    trial = trial_on_run(past_run(Stretch((run,), of_run=True)))
    assert set(trial.balances) == {"gate", "okx", "bitget"} and trial.balances["gate"]["USDT"] >= 200_000
    assert all(0 < way < 10**9 for way in trial.latencies_ns.values()) and trial.latencies_ns
    found = run_trial(Stretch((run,), of_run=True), trial)
    assert found.symbols == (SYMBOL,)
    rules = {row["venue"]: row for row in replayed(run, seed=1)["replay"]["instruments"]}
    listed = {venue: known for (venue, _), known in a_run().engine.state.instruments.items()}
    assert {venue: D(row["lot"]) for venue, row in rules.items()} == {
        venue: known.lot for venue, known in listed.items()
    }
    assert {row["rules"] for row in rules.values()} == {"listed"}


@pytest.mark.thorough
def test_a_latency_that_is_given_takes_the_place_of_every_way_of_the_run(run: Path) -> None:
    own, given = replayed(run, seed=1)["replay"], replayed(run, latency_ms=900)
    assert len(own["latency_ms_at"]) == 3 and own["latency_ms"] == 50
    assert (given["replay"]["latency_ms"], given["replay"]["latency_ms_at"]) == (900, {})


def test_a_fee_that_eats_every_edge_leaves_nothing_of_a_run(run: Path) -> None:
    dear = replayed(run, fee_bps=D(400))
    assert dear["pairs"]["opened"] == 0 and dear["replay"]["changed"] == ["--fee"]
    assert dear["answer"]["best_edge_before_fees"]["symbol"] == SYMBOL


def test_a_run_decided_by_earlier_rules_is_simulated_though_it_cannot_be_repeated(tmp_path: Path) -> None:
    path = write_run(a_run(), tmp_path / "run.jsonl", rules=RULES - 1)
    compared = replayed(path, overrides=("limits.max_notional_quote=100",))["replay"]["compared"]
    assert [row["what"] for row in compared] == ["simulated, nothing changed", "simulated, changed"]


def test_a_what_if_is_the_same_twice(run: Path) -> None:
    first, second = (replayed(run, overrides=("limits.min_edge_bps=4",)) for _ in range(2))
    assert first == second
