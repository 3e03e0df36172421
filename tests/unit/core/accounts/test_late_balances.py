"""A report never beats totals with complete histories behind them: a late one holds, a wrong one stops, none is adopted."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.events import ResumeAsked, TimerFired
from arb.core.messages.records import IncidentRecord
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord
from arb.core.state.positions.inventory import Inventory
from tests.builders import START_NS, Bench, D, a_balance
from tests.unit.core.accounts.test_balance_reconciler import (
    START,
    incidents,
    opens,
    read,
    snapshot_taken,
    stopped,
    unexplained,
)


def change(bench: Bench, **amounts: str) -> None:
    """Let balances at gate change by something we know of."""
    bench.wait_ms(1_000)
    moved = {asset: D(amount) for asset, amount in amounts.items()}
    bench.engine.state.inventory.apply("gate", moved, bench.now_ns, 0)


def held(bench: Bench) -> dict[str, str]:
    """Return what gate holds as we compute it."""
    inventory = bench.engine.state.inventory
    return {asset: str(inventory.computed("gate", asset)) for asset in START}


def look_into(bench: Bench, amounts: dict[str, str]) -> None:
    """Let gate report amounts, past every grace, with complete histories that show nothing else."""
    read(bench, amounts)
    bench.wait_ms(10_000)
    bench.tell(TimerFired(timer="drift:gate"))
    snapshot_taken(bench)
    read(bench, amounts)


def traded() -> tuple[Bench, list[dict[str, str]]]:
    """Return an engine after three changes at gate, and what gate held at each instant."""
    bench = Bench()
    bench.wait_ms(20_000)
    read(bench, START)
    seen = [held(bench)]
    for amounts in ({"USDT": "-100.25", "BTC": "0.999"}, {"USDT": "205.5", "BTC": "-2"}, {"USDT": "-99", "BTC": "1"}):
        change(bench, **amounts)
        seen.append(held(bench))
    return bench, seen


def test_a_report_of_an_earlier_instant_holds_openings_and_stops_nothing() -> None:
    for instant in range(3):
        bench, seen = traded()
        look_into(bench, seen[instant])
        assert stopped(bench) == []
        assert not opens(bench)
        assert incidents(bench) == ["balances_late"]
        assert held(bench) == seen[-1]


def test_late_balances_are_let_go_by_themselves_once_they_agree() -> None:
    bench, seen = traded()
    for amounts in seen[:-1]:  # it stays as late as it was, while time goes on
        look_into(bench, amounts)
    read(bench, seen[-1])
    assert stopped(bench) == []
    assert unexplained(bench) == []
    assert incidents(bench) == ["balances_late", "balance_explained", "balance_explained"]
    assert opens(bench)


def test_a_report_that_mixes_two_instants_is_not_late_and_stops() -> None:
    bench, seen = traded()
    look_into(bench, seen[0] | {"BTC": seen[1]["BTC"]})
    assert [asset for _, asset in stopped(bench)] == ["BTC", "USDT"]


def test_what_is_still_reported_ten_minutes_later_is_no_longer_called_late() -> None:
    bench, seen = traded()
    look_into(bench, seen[0])
    bench.wait_ms(600_000)
    look_into(bench, seen[0])
    assert [asset for _, asset in stopped(bench)] == ["BTC", "USDT"]


def test_without_complete_histories_a_report_is_not_called_late() -> None:
    bench, seen = traded()
    read(bench, seen[0])
    for _ in range(4):
        bench.wait_ms(3_000)
        snapshot_taken(bench, complete=False, cause="no answer")
        read(bench, seen[0])
    assert [asset for _, asset in stopped(bench)] == ["BTC", "USDT"]


def test_a_stop_keeps_what_we_compute_and_ends_by_itself_when_the_balances_agree() -> None:
    bench = Bench()
    wrong = START | {"USDT": "99999.75"}
    look_into(bench, wrong)
    assert stopped(bench) == [("gate:test", "USDT")]
    assert held(bench) == START
    for _ in range(3):  # said once, and looked into no more
        read(bench, wrong)
        bench.wait_ms(10_000)
    assert incidents(bench) == ["balance_drift"]
    read(bench, START)
    assert stopped(bench) == []
    assert incidents(bench) == ["balance_drift", "balances_agree"]
    assert opens(bench)


def test_a_resume_adopts_the_difference_that_a_person_has_seen_and_nothing_since() -> None:
    bench = Bench()
    wrong = START | {"USDT": "99999.75"}
    look_into(bench, wrong)
    change(bench, USDT="-10")
    bench.tell(ResumeAsked(reason="my fee"))
    read(bench, START | {"USDT": "99989.75"})
    assert unexplained(bench) == []
    assert held(bench)["USDT"] == "99989.75"


def test_a_resume_for_another_reason_swallows_no_difference_in_its_grace() -> None:
    bench = Bench()
    wrong = START | {"BTC": "2.001"}
    read(bench, wrong)
    bench.wait_ms(5_000)
    bench.tell(ResumeAsked(reason="the halt was mine"))
    assert unexplained(bench) == [("gate", "BTC")]
    assert not opens(bench)
    bench.wait_ms(5_000)
    snapshot_taken(bench)
    read(bench, wrong)
    assert stopped(bench) == [("gate:test", "BTC")]


def test_a_first_report_after_days_that_differs_from_what_was_agreed_is_an_incident() -> None:
    for usdt, told in (("100000", []), ("99000", ["gate: "])):
        old = AgreedAccount("gate:test", START_NS - 4 * 86_400 * NS_PER_S, {asset: D(n) for asset, n in START.items()})
        bench = Bench(
            restored=Restored(agreed=AgreedRecord(accounts=(old,))), reported={"gate": START | {"USDT": usdt}}
        )
        rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
        assert [row.text[:6] for row in rows if row.kind == "balance_drift"] == told
        assert all("USDT 100000 -> 99000" in row.text for row in rows if row.kind == "balance_drift")


amounts = st.dictionaries(st.sampled_from(["USDT", "BTC", "ETH"]), st.decimals(-9, 9, places=3), min_size=1)


@given(changes=st.lists(amounts, min_size=1, max_size=20), back=st.integers(0, 20), swap=st.integers(0, 18))
@settings(deadline=None)
def test_every_earlier_instant_is_found_whatever_order_the_changes_became_known_in(
    changes: list[dict[str, Decimal]], back: int, swap: int
) -> None:
    inventory = Inventory()
    start = {"USDT": "1000.001", "BTC": "500.001", "ETH": "300.001"}
    inventory.take_report(a_balance("gate", start, asked_ns=START_NS), quiet=True)
    totals = [{asset: D(amount) for asset, amount in start.items()}]
    for moved in changes:
        totals.append({asset: totals[-1][asset] + moved.get(asset, D(0)) for asset in start})
    known = [(START_NS + (number + 1) * NS_PER_MS * 100, moved) for number, moved in enumerate(changes)]
    if swap + 1 < len(known):
        known[swap : swap + 2] = reversed(known[swap : swap + 2])
    for at_ns, moved in known:
        inventory.apply("gate", moved, at_ns, 0)
    then = totals[min(back, len(totals) - 1)]
    now_ns = START_NS + 10 * NS_PER_S
    differences = inventory.take_report(
        a_balance("gate", {asset: str(amount) for asset, amount in then.items()}, asked_ns=now_ns), quiet=True
    )
    assert (inventory.late_since("gate", now_ns) is not None) or not differences
