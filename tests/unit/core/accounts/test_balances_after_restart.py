"""Over a restart every change of a balance is explained too, from what the process before agreed on with its venues."""

import msgspec

from arb.clock import NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.commands import SnapshotAccount
from arb.core.messages.events import OrderFilled, OrderUpdated, Transfer
from arb.core.messages.records import FillRecord, OrderRecord
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord
from arb.core.orders.foreign import ORDERS_KEPT
from arb.market.fill import Fill
from tests.builders import Bench, D
from tests.unit.core.accounts.test_balance_reconciler import (
    START,
    a_foreign_fill,
    a_foreign_order,
    incidents,
    opens,
    read,
    snapshot_taken,
    stop_text,
    stopped,
    unexplained,
)


def heir(bench: Bench, told: dict[str, str], **found: object) -> Bench:
    """Return the next process on the same accounts, with these first balances at gate, whose snapshot finds `found`."""
    agreed = bench.rows(AgreedRecord)[-1]
    after = Bench(
        restored=Restored(agreed=agreed, last_ns=bench.now_ns),
        run_id=1_760_000_500,
        start_ns=bench.now_ns + 60 * NS_PER_S,
        reported={"gate": told},
        found=found,
    )
    read(after, told)
    return after


def agreed() -> Bench:
    """Return an engine that has agreed with gate on its balances."""
    bench = Bench()
    bench.wait_ms(1_000)
    for venue in bench.venues:
        read(bench, START, venue)
    assert [account.account_id for account in bench.rows(AgreedRecord)[-1].accounts] == ["gate:test", "okx:test"]
    return bench


def test_what_changed_while_nothing_ran_has_to_be_explained_too() -> None:
    bench = heir(agreed(), START | {"USDT": "99000"})
    assert unexplained(bench) == [("gate", "USDT")]
    assert not opens(bench)
    bench.wait_ms(10_000)
    snapshot_taken(bench)
    read(bench, START | {"USDT": "99000"})
    assert stopped(bench) == [("gate:test", "USDT")]
    assert "USDT at gate: -1000 is unexplained" in stop_text(bench, "gate:test", "USDT")


def test_a_deposit_and_a_manual_trade_made_while_nothing_ran_are_explained_by_the_snapshot_at_the_start() -> None:
    dead = agreed()
    dead.wait_ms(5_000)
    told = {"USDT": "100450", "BTC": "2.4995"}
    found = {
        "orders": (a_foreign_order(),),
        "fills": (a_foreign_fill(dead),),
        "transfers": (Transfer("7", "USDT", D(500), dead.now_ns),),
    }
    bench = heir(dead, told, **found)
    assert incidents(bench) == ["foreign_order", "transfer"]
    assert unexplained(bench) == []
    assert opens(bench)


def test_a_restart_with_nothing_changed_is_silent_and_looks_back_to_the_agreement() -> None:
    dead = agreed()
    agreed_ns = dead.rows(AgreedRecord)[-1].accounts[0].ns
    bench = heir(dead, START)
    assert incidents(bench) == []
    asked = next(command for command in bench.said if isinstance(command, SnapshotAccount))
    assert asked.since_ns == agreed_ns - 60 * NS_PER_S
    assert opens(bench)


def test_a_fill_that_the_agreement_has_in_is_not_counted_again_though_its_venues_clock_was_ahead() -> None:
    dead = agreed()
    made = a_foreign_fill(dead)
    ahead = Fill(
        **{name: getattr(made, name) for name in made.__struct_fields__} | {"event_ns": dead.now_ns + 90 * NS_PER_S}
    )
    dead.tell(OrderUpdated(report=a_foreign_order()))
    dead.tell(OrderFilled(fill=ahead))
    told = {"USDT": "99950", "BTC": "2.4995"}
    read(dead, told)
    orders = [row for row in dead.rows(OrderRecord) if isinstance(row, OrderRecord)]
    after = Bench(
        restored=Restored(
            agreed=dead.rows(AgreedRecord)[-1],
            last_ns=dead.now_ns,
            foreign_orders=tuple(orders[-1:]),
            foreign_fills=tuple(row for row in dead.rows(FillRecord) if isinstance(row, FillRecord)),
        ),
        run_id=1_760_000_500,
        start_ns=dead.now_ns + 60 * NS_PER_S,
        reported={"gate": told},
        found={"orders": (a_foreign_order(),), "fills": (ahead,)},
    )
    read(after, told)
    assert unexplained(after) == []
    assert incidents(after) == []


def test_an_agreement_too_old_to_explain_from_is_not_used() -> None:
    old = agreed().rows(AgreedRecord)[-1]
    accounts = tuple(AgreedAccount(a.account_id, a.ns - 4 * 86_400 * NS_PER_S, a.totals) for a in old.accounts)
    bench = Bench(restored=Restored(agreed=AgreedRecord(accounts=accounts)), balances={"USDT": "5", "BTC": "1"})
    read(bench, {"USDT": "5", "BTC": "1"})
    assert unexplained(bench) == []


def test_accounts_that_have_not_agreed_for_three_days_are_kept_no_longer() -> None:
    before = agreed()
    old = AgreedAccount(account_id="gate:long-gone", ns=before.now_ns - 4 * 86_400 * NS_PER_S, totals={})
    late = AgreedAccount(account_id="gate:gone", ns=before.now_ns, totals={})
    record = before.rows(AgreedRecord)[-1]
    assert isinstance(record, AgreedRecord)
    after = Bench(
        restored=Restored(agreed=AgreedRecord(accounts=(*record.accounts, late, old)), last_ns=before.now_ns),
        run_id=1_760_000_500,
        start_ns=before.now_ns + 60 * NS_PER_S,
    )
    after.wait_ms(1_000)
    read(after, START)
    kept = after.rows(AgreedRecord)[-1]
    assert isinstance(kept, AgreedRecord)
    assert {account.account_id for account in kept.accounts} == {"gate:test", "okx:test", "gate:gone"}


def test_a_foreign_order_that_fills_on_keeps_its_fills_however_many_others_there_are() -> None:
    bench = agreed()
    bench.tell(OrderUpdated(report=a_foreign_order("1", "0.5")))
    bench.tell(OrderFilled(fill=a_foreign_fill(bench, trade_id="first")))
    for number in range(ORDERS_KEPT - 1):
        other = msgspec.structs.replace(a_foreign_order("1", "0"), venue_order_id=f"other-{number}", is_open=True)
        bench.tell(OrderUpdated(report=other))
    for trade_id in ("second", "first"):
        bench.tell(OrderFilled(fill=a_foreign_fill(bench, trade_id=trade_id)))
    told = [row.trade_id for row in bench.rows(FillRecord) if isinstance(row, FillRecord)]
    assert told == ["first", "second"]


def test_a_foreign_fill_is_counted_once_though_its_order_was_forgotten() -> None:
    bench = agreed()
    made = a_foreign_fill(bench, trade_id="first")
    bench.tell(OrderUpdated(report=a_foreign_order("1", "1")))
    bench.tell(OrderFilled(fill=made))
    for number in range(ORDERS_KEPT):
        other = msgspec.structs.replace(a_foreign_order("1", "0"), venue_order_id=f"other-{number}", is_open=True)
        bench.tell(OrderUpdated(report=other))
    bench.tell(OrderUpdated(report=a_foreign_order("1", "1")))
    bench.tell(OrderFilled(fill=made))
    assert len(bench.rows(FillRecord)) == 1
