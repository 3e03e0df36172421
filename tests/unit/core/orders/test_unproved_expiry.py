"""An expiry shortens the proof of absence only where this account has seen its venue refuse an expired order."""

from typing import Any

from arb.core.accounts.restart import Restored
from arb.core.commands import PlaceOrder
from arb.core.events import ExpiryProved
from arb.core.recovery_records import ControlRecord
from arb.market.order import OrderStatus
from tests.builders import Bench
from tests.unit.core.orders.test_unknown import EXPIRY_MS, balances, look, prove_absent, status, unknown_sell

GRACE_MS = 30_000


def unproved_sell(**details: Any) -> tuple[Bench, PlaceOrder]:
    """Return a bench whose sell leg's answer was lost at a venue that has never been seen to refuse an expired order."""
    bench, _, sell = unknown_sell(unproved=("gate", "okx"), **details)
    return bench, sell


def test_an_expiry_that_nobody_has_seen_enforced_proves_nothing_before_the_grace_time() -> None:
    bench, sell = unproved_sell()
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN

    bench.wait_ms(GRACE_MS - EXPIRY_MS)
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.ABSENT


def test_looks_made_before_the_grace_time_do_not_count_after_it() -> None:
    bench, sell = unproved_sell()
    bench.wait_ms(GRACE_MS - 100)
    look(bench, sell)
    bench.wait_ms(2000)
    look(bench, sell)
    balances(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_what_an_account_has_seen_survives_a_restart() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    bench, sell = unproved_sell(restored=Restored(control=kept))
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.ABSENT


def test_another_account_has_to_see_it_itself() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    others = {"gate": "gate:other", "okx": "okx:other"}
    bench, sell = unproved_sell(restored=Restored(control=kept), accounts=others)
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN


def test_an_account_that_is_of_another_kind_now_has_no_expiry_whatever_was_seen_of_it() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    bench, sell = unproved_sell(restored=Restored(control=kept))
    for _ in range(2):
        bench.tell(ExpiryProved(venue=sell.venue, holds=False))
    prove_absent(bench, sell)
    assert status(bench, sell) is OrderStatus.UNKNOWN
    written = [row.expiry_proved for row in bench.rows(ControlRecord) if isinstance(row, ControlRecord)]
    assert written == [tuple({"gate:test", "okx:test"} - {f"{sell.venue}:test"})]


def test_it_is_written_down_once() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)]
    assert [row.expiry_proved for row in kept] == [("gate:test",), ("gate:test", "okx:test")]

    again, _, _ = unknown_sell(restored=Restored(control=kept[-1]))
    assert again.rows(ControlRecord) == []
