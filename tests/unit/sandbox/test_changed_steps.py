"""Levels finer than the listed steps, and steps that change while the venue runs."""

import json
from typing import Any

import pytest

from arb.clock import NS_PER_S
from tests.unit.sandbox.test_faults import PAIR, Patient, label

Levels = dict[str, str]


def follow(book: tuple[Levels, Levels], frames: list[Any]) -> None:
    """Apply the frames of Gate's book stream."""
    for frame in frames:
        result = frame["result"]
        for side, rows in zip(book, (result.get("b", []), result.get("a", [])), strict=True):
            if result.get("full"):
                side.clear()
            for price, size in rows:
                side[price] = size
                if float(size) == 0:
                    del side[price]


def test_fine_levels_take_the_place_of_those_on_the_steps_and_these_come_back() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    book: tuple[Levels, Levels] = ({}, {})
    sick.touch_book("2")
    follow(book, stream.wait())
    sick.suffer("fine_levels", seconds=5)
    sick.touch_book("3")
    follow(book, stream.wait())
    assert book[0].keys() >= {"59999.9999999", "59989.9999999"} and book[1].keys() >= {"60010.0000001", "60020.0000001"}
    assert not any(len(price.partition(".")[2]) < 7 for side in book for price in side)
    assert book[0]["59999.9999999"] == "3.00000000001"
    assert sick.hits() >= 1
    sick.bench.advance(6 * NS_PER_S)
    sick.touch_book("4")
    follow(book, stream.wait())
    assert book[0]["60000.0"] == "4.00000" and not any(
        len(price.partition(".")[2]) > 1 for side in book for price in side
    )


def test_a_fine_level_is_dearer_than_it_looks_to_nobody_who_keeps_to_the_steps() -> None:
    sick = Patient()
    sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("fine_levels", param=1)
    sick.touch_book("2")
    answer = sick.place(price="60010.1")  # the ask shown as 60010.01, rounded up to the tick
    assert answer is not None and json.loads(answer.body)["filled_amount"] == "0.5"
    assert json.loads(answer.body)["avg_deal_price"] == "60010"


def test_fine_levels_of_one_symbol_leave_the_others_alone() -> None:
    sick = Patient()
    stream = sick.subscribed("spot.obu", [f"ob.{PAIR}.50"])
    sick.suffer("fine_levels", symbol="ETH/USDT", seconds=3)
    sick.touch_book("2")
    (frame,) = stream.wait()
    assert all(len(price.partition(".")[2]) == 1 for price, _ in frame["result"]["b"])


def test_orders_keep_to_the_listed_steps_while_what_rests_keeps_its_own() -> None:
    sick = Patient()
    resting = sick.place(price="59000.1", amount="0.00101", time_in_force="gtc", text="t-rests")
    assert resting is not None and resting.status == 201
    sick.suffer("listing_change")
    assert label(sick.place(price="60010.1")) == "INVALID_PRECISION"
    assert label(sick.place(amount="0.50001")) == "INVALID_PRECISION"
    taken = sick.place(amount="0.5001", price="60010")
    assert taken is not None and taken.status == 201
    assert [row["size"] for row in sick.ledger()["orders"] if row["client_id"] == "t-rests"] == ["0.00101"]
    sick.admin.handle("DELETE", "/faults", b"", sick.bench.now_ns)
    again = sick.place(amount="0.50001", price="60010.1")
    assert again is not None and again.status == 201


@pytest.mark.parametrize(
    ("venue", "ask", "read"),
    [
        (
            "gate",
            (["public", "spot"], "currency_pairs/{currency_pair}", {"currency_pair": PAIR}),
            lambda row: (row["precision"], row["amount_precision"], row["min_base_amount"]),
        ),
        (
            "okx",
            (["public"], "public/instruments", {"instType": "SPOT", "instId": "BTC-USDT"}),
            lambda row: (row["data"][0]["tickSz"], row["data"][0]["lotSz"], row["data"][0]["minSz"]),
        ),
        (
            "bitget",
            (["public", "spot"], "v2/spot/public/symbols", {"symbol": "BTCUSDT"}),
            lambda row: (
                row["data"][0]["pricePrecision"],
                row["data"][0]["quantityPrecision"],
                row["data"][0]["minTradeAmount"],
            ),
        ),
    ],
)
def test_every_venue_lists_its_changed_steps(venue: str, ask: Any, read: Any) -> None:
    sick = Patient(venue)
    before = read(sick.bench.ask(ask[0], ask[1], "GET", ask[2])[1])
    sick.suffer("listing_change")
    assert (before, read(sick.bench.ask(ask[0], ask[1], "GET", ask[2])[1])) == {
        "gate": ((1, 5, "0.00001"), (0, 4, "0.0001")),
        "okx": (("0.1", "0.0001", "0.0001"), ("1", "0.001", "0.001")),
        "bitget": (("2", "6", "0.000001"), ("1", "5", "0.00001")),
    }[venue]
