"""The judge of instruments that a venue bars."""

import json
from pathlib import Path
from typing import Any

import pytest

from proofs.faultsim.barred import into_a_bar
from tests.unit.proofs.faultsim.test_conduct import a_journal

RULES = {
    "venue": "okx",
    "symbol": "BTC/USDT",
    "tradable": True,
    "min_size": "0.1",
    "taker_fee": "0.001",
    "maker_fee": "0",
}
ORDER = {"type": "OrderRecord", "client_order_id": "arb1", "venue": "okx", "symbol": "BTC/USDT", "status": "rejected"}
CALLED = {"type": "ControlRecord", "barred": [{"account_id": "okx:7", "text": "51155", "listed": RULES}]}
Told = tuple[int, dict[str, Any] | str]


def an_event(t_ms: int, kind: str, **fields: Any) -> Told:
    """Return an entry that is no row."""
    return t_ms, f"{kind} {json.dumps(fields)}"


LISTED = an_event(0, "VenueListed", venue="okx", instruments=[RULES])
RESTART = an_event(4, "RunStarted")
NEXT = an_event(9, "PlaceOrder", client_order_id="arb2", venue="okx", symbol="BTC/USDT")


def refused(code: str = "51155") -> list[Told]:
    """Return what a journal holds of a listing and of an order that was refused."""
    return [LISTED, (1, ORDER), an_event(2, "OrderRejected", venue="okx", client_order_id="arb1", code=code)]


def relisted(**rules: object) -> Told:
    """Return a listing that was read again and says otherwise."""
    return an_event(5, "InstrumentListed", instrument=RULES | rules)


def judged(tmp_path: Path, *entries: Told) -> list[str]:
    """Return what the judge finds."""
    return list(into_a_bar(a_journal(tmp_path, *entries)))


@pytest.mark.parametrize("between", [(), (RESTART,), (relisted(taker_fee="0.002"),), (relisted(tradable=False),)])
def test_an_order_into_a_bar_is_found(tmp_path: Path, between: tuple[Told, ...]) -> None:
    assert judged(tmp_path, *refused(), (3, CALLED), *between, NEXT) == [
        "barred: arb2 left for BTC/USDT at okx, which bars it"
    ]


def test_a_bar_that_is_forgotten_is_found(tmp_path: Path) -> None:
    assert judged(tmp_path, *refused(), (3, CALLED), RESTART, (5, CALLED | {"barred": []})) == [
        "barred: BTC/USDT at okx is not called barred any more, and its listing has not changed"
    ]


@pytest.mark.parametrize("rules", [{"min_size": "0.5"}, {"symbol": "BTC/USDT", "tradable": True, "lot": "2"}])
def test_after_a_changed_listing_orders_may_leave(tmp_path: Path, rules: dict[str, Any]) -> None:
    assert judged(tmp_path, *refused(), (3, CALLED), relisted(**rules), NEXT) == []


def test_suspended_and_listed_again_as_before_is_a_change(tmp_path: Path) -> None:
    assert judged(tmp_path, *refused(), relisted(tradable=False), relisted(), NEXT) == []


def test_other_refusals_bar_nothing(tmp_path: Path) -> None:
    assert judged(tmp_path, *refused("51008"), NEXT) == []
    assert judged(tmp_path / "called", *refused("51008"), (3, CALLED)) == [
        "barred: BTC/USDT at okx is called barred, and no refusal said so"
    ]


@pytest.mark.parametrize(("orders", "found"), [(("arb1", "arb1"), 1), (("arb1", "arb3"), 0)])
def test_unknown_codes_of_two_orders_bar(tmp_path: Path, orders: tuple[str, ...], found: int) -> None:
    told: list[Told] = [LISTED]
    for name in orders:
        told.append((1, ORDER | {"client_order_id": name, "status": "unknown"}))
        told.append(an_event(2, "OutcomeUnknown", client_order_id=name, refused=True))
    assert len(judged(tmp_path, *told, (3, CALLED))) == found
