"""Amending: a resting order gets another limit or size, its hold follows, and a refusal leaves it as it was."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.sandbox.exchange import SimExchange
from arb.sandbox.values import OrderChanged, Refusal, Refused, SimOrder
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.gate import gate_order, place
from tests.unit.sandbox.makings import NOW_NS, SYMBOL, an_exchange, ask_for, quote


def resting(
    side: str = "buy", buy_fee_in: str = "base", size: str = "1", tif: str = "gtc"
) -> tuple[SimExchange, SimOrder]:
    """Return an exchange with a book of 60000/60010 and an account order away from it."""
    exchange = an_exchange(buy_fee_in)
    quote(exchange, "sell", "60010", "1")
    quote(exchange, "buy", "60000", "1")
    price = "59000" if side == "buy" else "61000"
    return exchange, exchange.place(ask_for(side, size, price, tif), NOW_NS)


def assert_held(exchange: SimExchange) -> None:
    """What is locked is what open orders hold; nothing is lost."""
    for asset, balance in exchange.account.balances.items():
        assert balance.locked == sum((o.held for o in exchange.open_orders() if o.held_asset == asset), Decimal(0))


def on_book(exchange: SimExchange, order: SimOrder) -> int:
    """Return the lots of an order on the book."""
    assert order.ticks is not None
    level = exchange.market(SYMBOL).book.side(order.side).levels.get(order.ticks)
    return sum(entry.lots for entry in level.queue if entry.owner is order) if level else 0


@pytest.mark.parametrize("buy_fee_in", ["base", "quote"])
@given(
    side=st.sampled_from(["buy", "sell"]),
    filled=st.integers(0, 900),
    price=st.none() | st.integers(58_000, 62_000),
    size=st.none() | st.integers(1, 2_500),
)
def test_an_amended_order_holds_exactly_what_it_needs(
    buy_fee_in: str, side: str, filled: int, price: int | None, size: int | None
) -> None:
    exchange, order = resting(side, buy_fee_in)
    exchange.rival_take(SYMBOL, "sell" if side == "buy" else "buy", order.ticks, 1_000 + filled, NOW_NS)
    before = (order.price, order.size, order.held, on_book(exchange, order))
    new_price = None if price is None else Decimal(price)
    new_size = None if size is None else Decimal(size) * Decimal("0.001")

    try:
        exchange.amend(order, NOW_NS, price=new_price, size=new_size)
    except Refused:
        assert (order.price, order.size, order.held, on_book(exchange, order)) == before
    else:
        assert (order.price, order.size) == (new_price or before[0], new_size or before[1])
        assert on_book(exchange, order) == (order.remaining_lots if order.is_open else 0)
    assert sum(fill.size for fill in exchange.fills) == order.filled <= order.size
    assert_held(exchange)
    exchange.cancel_all(NOW_NS)
    assert exchange.account.balance("USDT").locked == exchange.account.balance("BTC").locked == 0


@pytest.mark.parametrize(("size", "first_in_line"), [("0.4", True), ("1", True), ("1.2", False)])
def test_only_a_smaller_size_keeps_the_place_in_the_queue(size: str, first_in_line: bool) -> None:
    exchange, order = resting()
    quote(exchange, "buy", "59000", "5")

    exchange.amend(order, NOW_NS, size=Decimal(size))

    queue = exchange.market(SYMBOL).book.bids.levels[590_000].queue
    assert (queue[0].owner is order) is first_in_line
    assert sum(entry.lots for entry in queue) == exchange.market(SYMBOL).book.bids.levels[590_000].total


def test_a_limit_moved_into_the_book_takes_what_it_reaches() -> None:
    exchange, order = resting(size="1.5")

    exchange.amend(order, NOW_NS, price=Decimal(60_010))

    [fill] = exchange.fills
    assert (fill.role, fill.size, order.remaining_lots) == ("taker", Decimal(1), 500)
    assert on_book(exchange, order) == 500


def test_an_order_filled_in_part_takes_only_what_is_left_of_it() -> None:
    exchange, order = resting(size="0.8")
    exchange.rival_take(SYMBOL, "sell", order.ticks, 1_500, NOW_NS)

    exchange.amend(order, NOW_NS, price=Decimal(60_010))

    assert [fill.size for fill in exchange.fills] == [Decimal("0.5"), Decimal("0.3")]
    assert (order.status, order.filled) == ("closed", Decimal("0.8"))


def test_a_post_only_order_is_not_moved_into_the_book() -> None:
    exchange, order = resting(tif="post_only")

    with pytest.raises(Refused) as refused:
        exchange.amend(order, NOW_NS, price=Decimal(60_010))

    assert refused.value.kind is Refusal.POST_ONLY_WOULD_TAKE
    assert (order.is_open, order.price, exchange.fills) == (True, Decimal(59_000), [])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"price": Decimal("59000.05")}, Refusal.BAD_PRICE_PRECISION),
        ({"size": Decimal("0.0005")}, Refusal.BAD_SIZE_PRECISION),
        ({"size": Decimal(500)}, Refusal.INSUFFICIENT_BALANCE),
        ({"price": Decimal(70_000)}, Refusal.PRICE_BAND),
    ],
)
def test_what_could_not_be_placed_is_no_amendment_either(changes: dict[str, Decimal], kind: Refusal) -> None:
    exchange, order = resting()

    with pytest.raises(Refused) as refused:
        exchange.amend(order, NOW_NS, **changes)

    assert refused.value.kind is kind
    assert (order.price, order.size, on_book(exchange, order)) == (Decimal(59_000), Decimal(1), 1_000)


def test_an_ended_order_cannot_be_amended_and_one_amended_says_so() -> None:
    exchange, order = resting()
    events: list[Any] = []
    exchange.subscribe(events.append)
    exchange.amend(order, NOW_NS, price=Decimal(58_000))
    exchange.cancel(order, NOW_NS)

    with pytest.raises(Refused) as refused:
        exchange.amend(order, NOW_NS, price=Decimal(57_000))

    assert refused.value.kind is Refusal.ORDER_CANCELLED
    assert [event.what for event in events if isinstance(event, OrderChanged)] == ["amend", "finish"]


# -- in the venues' words ----------------------------------------------------------------------------------------------


def test_gate_amends_by_patch_and_in_batches() -> None:
    bench = Bench("gate", small=True)
    bench.set_book([("60000", "1")], [("60010", "1")])
    _, order = place(bench, price="59000", amount="0.5")
    private = ["private", "spot"]

    wanted = {"currency_pair": "BTC_USDT", "order_id": order["id"], "price": "58000"}
    status, patched = bench.ask(private, "orders/{order_id}", "PATCH", wanted)
    _, rows = bench.ask(
        private, "amend_batch_orders", "POST", [{**wanted, "amount": "0.2"}, {**wanted, "order_id": "7"}]
    )

    assert (status, patched["price"], patched["amount"], patched["status"]) == (200, "58000", "0.5", "open")
    assert [(row["succeeded"], row["label"]) for row in rows] == [(True, ""), (False, "ORDER_NOT_FOUND")]
    assert (rows[0]["amount"], rows[0]["left"]) == ("0.2", "0.2")
    assert bench.ask(private, "orders/{order_id}", "PATCH", {**wanted, "price": "-1"})[0] == 400


@pytest.mark.parametrize("field", ["text", "type", "time_in_force", "account"])
@pytest.mark.parametrize("value", [[], {}, 7, False])
def test_gate_takes_no_field_of_another_type_as_absent(field: str, value: Any) -> None:
    bench = Bench("gate", small=True)

    status, answer = bench.ask(["private", "spot"], "orders", "POST", gate_order(**{field: value}))

    assert (status, answer["label"]) == (400, "INVALID_PARAM_VALUE")


def test_okx_amends_alone_in_batches_and_names_why_not() -> None:
    bench = Bench("okx", small=True)
    order = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit", "px": "49000", "sz": "0.01"}
    _, placed = bench.ask(["private"], "trade/order", "POST", {**order, "clOrdId": "one"})
    wanted = {"instId": "BTC-USDT", "clOrdId": "one"}

    _, amended = bench.ask(["private"], "trade/amend-order", "POST", {**wanted, "newPx": "48000", "reqId": "r1"})
    _, batch = bench.ask(
        ["private"],
        "trade/amend-batch-orders",
        "POST",
        [{**wanted, "newSz": "0.02"}, {**wanted, "clOrdId": "two", "newSz": "1"}],
    )
    _, empty = bench.ask(["private"], "trade/amend-order", "POST", wanted)
    bench.ask(["private"], "trade/cancel-order", "POST", wanted)
    _, late = bench.ask(["private"], "trade/amend-order", "POST", {**wanted, "newPx": "47000"})

    assert (amended["data"][0]["reqId"], amended["data"][0]["sCode"]) == ("r1", "0")
    assert [row["sCode"] for row in batch["data"]] == ["0", "51503"]
    assert (empty["data"][0]["sCode"], late["data"][0]["sCode"]) == ("50015", "51509")
    found = bench.exchange.order(int(placed["data"][0]["ordId"]))
    assert found is not None
    assert (found.price, found.size) == (Decimal(48_000), Decimal("0.02"))


def test_bitget_replaces_places_in_batches_and_cancels_a_symbol() -> None:
    bench = Bench("bitget", small=True)
    order = {"symbol": "BTCUSDT", "side": "buy", "orderType": "limit", "force": "gtc", "price": "49000", "size": "0.01"}
    spot = ["private", "spot"]

    def ask(name: str, body: dict[str, Any]) -> tuple[int, Any]:
        status, answer = bench.ask(spot, f"v2/spot/trade/{name}", "POST", body)
        return status, answer["data"]

    _, batch = ask(
        "batch-orders", {"symbol": "BTCUSDT", "orderList": [{**order, "clientOid": "a"}, {**order, "size": "-1"}]}
    )
    wanted = {"symbol": "BTCUSDT", "clientOid": "a", "price": "48000", "size": "0.02", "newClientOid": "b"}
    _, replaced = ask("cancel-replace-order", wanted)
    missing, _ = ask("cancel-replace-order", wanted)
    _, many = ask(
        "batch-cancel-replace-order", {"orderList": [{**wanted, "clientOid": "b", "newClientOid": "c"}, wanted]}
    )
    standing = [(o.client_id, o.price, o.size) for o in bench.exchange.open_orders()]
    _, swept = ask("cancel-symbol-order", {"symbol": "BTCUSDT"})

    assert ([row["clientOid"] for row in batch["successList"]], len(batch["failureList"])) == (["a"], 1)
    assert (replaced["success"], replaced["clientOid"], missing) == ("success", "b", 400)
    assert [row["success"] for row in many] == ["success", "failure"]
    assert standing == [("c", Decimal(48_000), Decimal("0.02"))]
    assert (swept, bench.exchange.open_orders()) == ({"symbol": "BTCUSDT"}, [])
