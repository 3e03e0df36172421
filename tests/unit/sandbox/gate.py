"""Gate on the bench: a still book, and orders as Gate takes them."""

from typing import Any

from tests.unit.sandbox.bench import Bench

PAIR = "BTC_USDT"
PRIVATE, PUBLIC = ["private", "spot"], ["public", "spot"]


def gate_bench() -> Bench:
    """Return Gate with a book of 60000/60010, one coin a side."""
    bench = Bench("gate")
    bench.set_book([("60000", "1"), ("59990", "1")], [("60010", "1"), ("60020", "1")])
    return bench


def gate_order(**changes: Any) -> dict[str, Any]:
    """Return a resting buy."""
    fields = {"currency_pair": PAIR, "side": "buy", "amount": "0.5", "price": "59000", "time_in_force": "gtc"}
    return {**fields, "text": "t-one", "type": "limit", "account": "spot", **changes}


def place(bench: Bench, **changes: Any) -> tuple[int, Any]:
    """Place an order by REST."""
    return bench.ask(PRIVATE, "orders", "POST", gate_order(**changes))
