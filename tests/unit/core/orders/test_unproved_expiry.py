"""An expiry proves absence only where this account has seen its venue refuse an expired order; elsewhere it is presumed."""

from typing import Any

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import ExpiryProved
from arb.core.messages.recovery_records import ControlRecord
from arb.market.order import OrderAbsence
from tests.builders import Bench
from tests.unit.core.orders.test_unknown import absence, prove_absent, unknown_sell


def unproved_sell(**details: Any) -> tuple[Bench, PlaceOrder]:
    """Return a bench whose sell leg's answer was lost at a venue that has never been seen to refuse an expired order."""
    bench, _, sell = unknown_sell(unproved=("gate", "okx"), **details)
    return bench, sell


def test_an_expiry_that_was_never_seen_enforced_proves_nothing() -> None:
    bench, sell = unproved_sell()
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PRESUMED


def test_what_an_account_has_seen_survives_a_restart() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    bench, sell = unproved_sell(restored=Restored(control=kept))
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PROVED


def test_another_account_has_to_see_it_itself() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    others = {"gate": "gate:other", "okx": "okx:other"}
    bench, sell = unproved_sell(restored=Restored(control=kept), accounts=others)
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PRESUMED


def test_an_account_that_is_of_another_kind_now_has_no_expiry_whatever_was_seen_of_it() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]

    bench, sell = unproved_sell(restored=Restored(control=kept))
    for _ in range(2):
        bench.tell(ExpiryProved(venue=sell.venue, holds=False))
    prove_absent(bench, sell)
    assert absence(bench, sell) is OrderAbsence.PRESUMED
    written = [row.expiry_proved for row in bench.rows(ControlRecord) if isinstance(row, ControlRecord)]
    assert written == [tuple({"gate:test", "okx:test"} - {f"{sell.venue}:test"})]


def test_it_is_written_down_once() -> None:
    before, _, _ = unknown_sell()
    kept = [row for row in before.rows(ControlRecord) if isinstance(row, ControlRecord)]
    assert [row.expiry_proved for row in kept] == [("gate:test",), ("gate:test", "okx:test")]

    again, _, _ = unknown_sell(restored=Restored(control=kept[-1]))
    assert again.rows(ControlRecord) == []
