"""The judge of durations: what took longer than promised or stopped without a cause is found, unless a strike held it up."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy, Timing
from proofs.faultsim.plan import Plan
from proofs.faultsim.promises import Struck, times_of
from proofs.faultsim.scenario import Scenario, plan_of
from tests.unit.proofs.faultsim.test_conduct import MS, a_journal, a_pair
from tests.unit.proofs.faultsim.test_lateness import ORDER, Told, a_fill

PLAN = plan_of(Scenario(strikes=()))


def found(tmp_path: Path, *entries: Told, struck: tuple[Struck, ...] = (), plan: Plan = PLAN) -> list[str]:
    return times_of(a_journal(tmp_path, *entries), plan, struck).findings


def an_absence(how: str) -> dict[str, Any]:
    return {**ORDER, "status": "absent", "absence": how, "sent_ns": 0, "journalled_ns": 100 * MS}


def an_incident(kind: str, text: str, venue: str | None = None, pair: int | None = None) -> dict[str, Any]:
    return {"type": "IncidentRecord", "kind": kind, "text": text, "venue": venue, "pair_trade_id": pair}


@pytest.mark.parametrize(("how", "most_ms"), [("proved", 4500), ("presumed", 5000)])
def test_an_absence_found_later_than_promised_is_a_finding(tmp_path: Path, how: str, most_ms: int) -> None:
    assert found(tmp_path / "in time", (100 + most_ms, an_absence(how))) == []
    assert "took" in found(tmp_path / "late", (101 + most_ms, an_absence(how)))[0]


def test_an_order_that_stays_unknown_to_the_end_is_a_finding_unless_nothing_may_be_presumed(tmp_path: Path) -> None:
    story: list[Told] = [(0, an_absence("") | {"status": "unknown"}), (5101, "QueueDrained")]
    assert found(tmp_path / "1", *story) == ["slow presumption: arb1 at okx took 5.00 s, and no strike held it up"]
    assert found(tmp_path / "2", *story[:1], (5000, an_absence("presumed")), story[1]) == []
    assert (
        found(tmp_path / "3", *story, plan=msgspec.structs.replace(PLAN, limits=Limits(daily_loss_quote=Decimal(1))))
        == []
    )


@pytest.mark.parametrize(
    ("struck", "excused"),
    [
        (Struck(MS, "history_lag", ("okx",)), True),
        (Struck(MS, "clock_jump", ()), True),
        (Struck(MS, "history_lag", ("gate",)), False),
        (Struck(9000 * MS, "history_lag", ("okx",)), False),
        (Struck(MS, "lost_request", ("okx",)), False),
        (Struck(MS, "http_500", ("okx",)), False),
    ],
)
def test_only_what_struck_the_reads_of_its_venue_before_excuses_a_slow_proof(
    tmp_path: Path, struck: Struck, excused: bool
) -> None:
    assert bool(found(tmp_path, (6000, an_absence("proved")), struck=(struck,))) is not excused


@pytest.mark.parametrize(
    ("first", "excused"), [(None, False), ("lost_request", True), ("net_request_lost", True), ("partial_fill", False)]
)
def test_a_second_request_that_is_lost_at_a_venue_may_be_the_look_up(
    tmp_path: Path, first: str | None, excused: bool
) -> None:
    struck = [Struck(MS, first, ("okx",))] if first else []
    struck.append(Struck(2000 * MS, "net_request_lost", ("okx",)))
    assert bool(found(tmp_path, (6000, an_absence("proved")), struck=tuple(struck))) is not excused


def test_a_leg_that_is_naked_beyond_its_deadline_is_a_finding_unless_its_repair_was_struck_or_is_not_wanted(
    tmp_path: Path,
) -> None:
    story = [
        (0, ORDER | {"status": "filled"}),
        (0, a_pair(1, "opening")),
        (9, a_fill("buy", "1")),
        (5040, a_fill("sell", "1")),
    ]
    refused = Struck(MS, "reject_balance", ("okx",))
    holds = msgspec.structs.replace(PLAN, repair=RepairPolicy(on_single_leg=OnSingleLeg.HOLD))
    hurried = msgspec.structs.replace(PLAN, timing=Timing(leg_deadline_ms=300))
    assert "naked: a leg of pair 1 at gate and okx for 5.03 s" in found(tmp_path / "1", *story)[0]
    assert found(tmp_path / "2", *story, struck=(refused,)) == []
    assert found(tmp_path / "3", *story, plan=holds) == found(tmp_path / "4", *story, plan=hurried) == []
    assert found(tmp_path / "5", *story[:3], (5000, a_fill("sell", "1"))) == []


@pytest.mark.parametrize(
    "stop",
    [
        an_incident("halt", "leg_deadline: pairs 1, 2 are late at the same time"),
        an_incident("late_leg", "1 is late", pair=1),
        an_incident("venue_health", "okx is quarantined, was degraded (unknowns): nothing opens", "okx"),
        an_incident("balance_drift", "BTC at okx: 1 is unexplained; nothing opens with it there", "okx"),
    ],
)
def test_a_stop_without_a_strike_that_may_be_its_cause_is_needless(tmp_path: Path, stop: dict[str, Any]) -> None:
    entries: list[Told] = [(0, a_pair(1, "opening")), (50, stop)]
    times = times_of(a_journal(tmp_path / "1", *entries), PLAN, ())
    assert (times.stops["needless"], times.stops.total(), len(times.findings)) == (1, 2, 1)
    assert found(tmp_path / "2", *entries, struck=(Struck(MS, "reject_balance", ("okx",)),)) == []


def test_a_halt_of_the_users_own_and_a_stop_that_is_lifted_are_not_counted(tmp_path: Path) -> None:
    rows = [an_incident("halt", "asked: simulated"), an_incident("instrument_halted", "X: it is traded again", "okx")]
    assert not times_of(a_journal(tmp_path, *((n, row) for n, row in enumerate(rows))), PLAN, ()).stops


def test_the_longest_of_each_is_kept(tmp_path: Path) -> None:
    entries = [(3500, an_absence("proved")), (3600, an_absence("proved"))]
    other = {**an_absence("proved"), "client_order_id": "arb2", "sent_ns": 3000 * MS}
    times = times_of(a_journal(tmp_path, *entries, (4000, other)), PLAN, ())
    assert times.longest == {"proof": 3.4, "proof, judged": 3.4}


def test_a_second_presumption_at_a_venue_may_wait_until_the_first_order_has_not_turned_up(tmp_path: Path) -> None:
    second = {**an_absence("presumed"), "client_order_id": "arb2", "pair_trade_id": 2}
    assert found(tmp_path / "1", (3000, an_absence("presumed")), (9000, second)) == []
    assert len(found(tmp_path / "2", (3000, {**an_absence("presumed"), "venue": "gate"}), (9000, second))) == 1
