"""Scenario files: each fault of the catalogue in a few lines, simulated, judged, and refused when it makes no sense."""

from pathlib import Path

import pytest

from arb.errors import ConfigError
from arb.sandbox.faults import KINDS
from proofs import REPO
from proofs.faultsim.aims import JUMPS_MS, Phase
from proofs.faultsim.scenario import Leg, Scenario, ScenarioStrike, read_scenario, run_scenario
from tests.support.seeds import commit_number

FILES = sorted((REPO / "proofs" / "scenarios").glob("*.toml"))
LINES_MAX = 20
LONG = "late_fill_after_restart"
"""Five minutes of virtual time."""
ROTATION = 4
THIS_TIME = commit_number() % ROTATION
"""Each commit plays a quarter of the scenarios in `make test`; `make thorough` plays the others."""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "story.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[strikes]]\nfault = "lost_akc"', "number 1: unknown fault 'lost_akc': did you mean 'lost_ack'?"),
        (
            '[[strikes]]\nfault = "slow"\nleg = "by"',
            "story.toml:3: [strikes.0] leg = \"by\": give one of 'buy', 'sell'",
        ),
        ('[[strikes]]\nfault = "slow"\n\n[[strikes]]\nphase = "opening"', "story.toml:4: [strikes.1] fault is missing"),
        ('strikes = "lost_ack"', "must be tables: write each as [[strikes]]"),
        ('symbols = ["XYZ/USDT"]\nstrikes = []', "nobody lists XYZ/USDT: choose from BTC/USDT"),
        ("strikes = []\n[limits]\nmin_egde_bps = 3", "unknown key: did you mean 'min_edge_bps'?"),
        ("seed = 3", "strikes is missing"),
    ],
)
def test_what_a_file_gets_wrong_is_named_with_its_place_and_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_scenario(write(tmp_path, text))
    assert complaint in str(refused.value)


def test_a_strike_that_meets_no_pair_is_a_finding(tmp_path: Path) -> None:
    course = write(tmp_path, '[limits]\nmin_edge_bps = "90%"\n\n[[strikes]]\nfault = "lost_ack"')
    assert any(
        "strike 1, lost_ack, met no pair" in finding for finding in run_scenario(read_scenario(course))["findings"]
    )


def test_a_halt_that_does_not_come_is_a_finding_and_so_is_one_that_was_not_expected(tmp_path: Path) -> None:
    calm = write(tmp_path, 'halted = "leg_deadline"\nstrikes = []')
    assert run_scenario(read_scenario(calm))["findings"] == ["trading ended halted: no, expected: leg_deadline"]
    frozen = (FILES[0].parent / "contradiction.toml").read_text().replace('halted = "contradiction"\n', "")
    findings = run_scenario(read_scenario(write(tmp_path, frozen)))["findings"]
    assert findings == ["trading ended halted: contradiction, expected: no"]


def test_a_leg_with_nowhere_to_go_stops_opening_then_halts_and_opens_again_once_it_has_ended() -> None:
    reported = run_scenario(read_scenario(FILES[0].parent / "nowhere_to_go.toml"))
    kinds = [incident.partition(":")[0] for incident in reported["incidents"]]
    assert [kind for kind in kinds if kind in ("late_leg", "halt", "stop_lifted")] == [
        "late_leg",
        "halt",
        "stop_lifted",
    ]


def test_another_seed_plays_the_same_scenario_on_another_market() -> None:
    path = FILES[0].parent / "lost_ack.toml"
    ones, others = run_scenario(read_scenario(path)), run_scenario(read_scenario(path, seed=2))
    assert ones["struck"] != others["struck"]
    assert "lost_ack" in others["struck"][0]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if number % ROTATION == THIS_TIME and path.stem != LONG else [pytest.mark.thorough])
        for number, path in enumerate(FILES)
    ],
    ids=lambda path: path.stem,
)
def test_every_scenario_of_the_collection_is_short_and_holds(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX
    reported = run_scenario(read_scenario(path))
    assert reported["findings"] == []
    assert reported["pairs"]


def test_every_fault_of_the_sandbox_has_its_story() -> None:
    reported = {strike.fault for path in FILES for strike in read_scenario(path).strikes}
    assert reported >= KINDS.keys()


@pytest.mark.thorough
@pytest.mark.parametrize("jump_ms", JUMPS_MS)
@pytest.mark.parametrize("phase", [Phase.OPENING, Phase.REPAIRING])
def test_a_clock_of_the_host_that_jumps_is_noticed_by_no_process_that_goes_on_and_corrected_by_one_that_starts(
    jump_ms: int, phase: Phase
) -> None:
    unsold = ScenarioStrike(fault="partial_fill", leg=Leg.SELL, count=1, param="0")
    leading = (unsold,) if phase is Phase.REPAIRING else ()
    for count, lives in ((2, 1), (1, 2)):
        jump = ScenarioStrike(fault="clock_jump", phase=phase, count=count, param=str(jump_ms))
        reported = run_scenario(Scenario(strikes=(*leading, jump)))
        assert (reported["findings"], reported["lives"]) == ([], lives)
        anchored = [line for line in reported["incidents"] if line.startswith("clock_anchored")]
        assert len(anchored) == (lives == 2 and abs(jump_ms) > 1000)
