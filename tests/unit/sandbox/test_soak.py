"""Weather: random orders and random faults on a moving market, and every cent still in its place."""

import random
from decimal import Decimal
from pathlib import Path

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.admin import Admin
from arb.sandbox.exact import mul
from arb.sandbox.exchange import SimExchange
from arb.sandbox.faults import KINDS
from arb.sandbox.values import OrderRequest, Refused
from arb.sandbox.world import SimWorld
from tests.unit.sandbox.bench import START_NS


def trade_at_random(rng: random.Random, exchange: SimExchange, now_ns: int) -> None:
    """Place or cancel something near the market."""
    symbol = rng.choice(list(exchange.markets))
    rules, market = exchange.instruments[symbol], exchange.market(symbol)
    middle = market.reference() // 2
    side = rng.choice(["buy", "sell"])
    ticks = max(1, round(middle * (1 + rng.gauss(0, 6e-4))))
    lots = max(1, round(float(Decimal(2_000) / mul(mul(Decimal(middle), rules.tick), rules.lot)) * rng.uniform(0.1, 3)))
    size, price = mul(Decimal(lots), rules.lot), mul(Decimal(ticks), rules.tick)
    requests = [
        OrderRequest(
            symbol, side, "limit", rng.choice(["gtc", "gtc", "ioc", "fok", "post_only"]), price, size, None, "t-x"
        ),
        OrderRequest(symbol, side, "market", "ioc", size=size),
        OrderRequest(symbol, "buy", "market", "ioc", quote_size=mul(Decimal(rng.randrange(5, 3_000)), Decimal("1.37"))),
    ]
    try:
        exchange.place(rng.choice(requests), now_ns)
        resting = exchange.open_orders()
        if len(resting) > 6:
            exchange.cancel(rng.choice(resting), now_ns)
    except Refused:
        return


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_random_trading_under_random_faults_all_balances_are_explained(seed: int) -> None:
    world, rng = SimWorld(seed, START_NS), random.Random(seed)
    admin, now_ns = Admin(world, {}), START_NS
    for _ in range(400):
        now_ns += 50 * NS_PER_MS
        world.advance(now_ns)
        for venue in world.venues.values():
            if rng.random() < 0.5:
                trade_at_random(rng, venue.exchange, venue.now_ns)
            if rng.random() < 0.03:
                admin.post_fault({"venue": venue.name, "fault": rng.choice(list(KINDS)), "seconds": 1})
    admin.handle("DELETE", "/faults", b"", now_ns)
    world.advance(now_ns + 10 * NS_PER_S)
    for venue in world.venues.values():
        assert len(venue.exchange.fills) > 50
        explain(venue.exchange)


def explain(exchange: SimExchange) -> None:
    """Recompute every balance from start balances, fills and what else was billed, and every hold from the open orders."""
    expected = dict(exchange.account.initial)
    for fill in exchange.fills:
        rules, sign = exchange.instruments[fill.symbol], 1 if fill.side == "buy" else -1
        expected[rules.base] += sign * fill.size
        expected[rules.quote] -= sign * fill.size * fill.price
        expected[fill.fee_currency] -= fill.fee
    for bill in exchange.bills.rows:
        if bill.fill is None:
            expected[bill.asset] += bill.amount
    held = dict.fromkeys(expected, Decimal(0))
    for order in exchange.open_orders():
        held[order.held_asset] += order.held
    for asset, balance in exchange.account.balances.items():
        assert balance.total == expected[asset]
        assert balance.locked == held[asset]
    for order in exchange.orders.values():
        assert order.filled == sum((f.size for f in exchange.fills_of_order(order)), Decimal(0))


def test_every_fault_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "SANDBOX.md").read_text(encoding="utf-8")
    assert [name for name in KINDS if f"`{name}`" not in text] == []
