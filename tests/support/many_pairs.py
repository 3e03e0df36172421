"""Pair trades by the thousand through the engine itself, on books and fills drawn from one seed.

Three venues that charge differently: `gate` mostly in another asset (points) than its rules say, `okx` in base on a buy,
`bitget` pays a rebate. Legs fill, fill short, fill late, are refused or find nothing; what is uneven is hedged or unwound by
the engine; remainders are pooled and sold as dust. The exchange here is a dozen lines that draw fills and keep accounts:
`moved` is what the venues' own books would say, and knows nothing of pairs.
"""

import random
from collections import defaultdict, deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from arb.core.messages.commands import AnyRecord, PlaceOrder
from arb.core.messages.events import AnyEvent, OrderAccepted, OrderFilled, OrderRejected, QueueDrained
from arb.core.messages.records import PairRecord, PairState, Record
from arb.core.messages.recovery_records import PlanRecord
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.blocks import Source
from arb.market.instrument import FeeIn
from arb.market.order import Side
from arb.market.symbol import Symbol
from tests.builders import Bench, a_fill, a_report, an_instrument

D = Decimal
VENUES = ("gate", "okx", "bitget")
POINTS = "GT/USDT"
PAIRS_PER_ENGINE = 250
OPEN = (PairState.OPENING, PairState.REPAIRING)
LIMITS = Limits(
    min_edge_bps=D(1),
    min_net_quote=D(0),
    max_notional_quote=D(100_000),
    daily_loss_quote=D(10**9),
    consecutive_losses=10**6,
    max_unhedged_quote=D(10**9),
)


class Market:
    """One engine, three venues, and a die."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.moved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.best: dict[str, tuple[Decimal, Decimal]] = {}
        self.trades = 0
        self.placed: deque[PlaceOrder] = deque()
        self.late: list[tuple[PlaceOrder, Decimal]] = []
        terms: dict[str, dict[str, Any]] = {
            "gate": {"taker_fee": D("0.0009")},
            "okx": {"taker_fee": D("0.001"), "buy_fee_in": FeeIn.BASE, "lot": D("0.01"), "min_size": D("0.01")},
            "bitget": {"taker_fee": D("-0.0001")},
        }
        listed = [an_instrument(venue, **terms[venue]) for venue in VENUES]
        self.bench = Bench(
            venues=VENUES,
            instruments=[*listed, an_instrument("gate", POINTS)],
            limits=LIMITS,
            timing=Timing(leg_deadline_ms=1_000_000),
            policy=RepairPolicy(leg_loss_max_bps=D(2_000)),
            balances={"USDT": "100000000", "BTC": "100000", "GT": "100000"},
            run_id=1_760_000_000 + seed,
        )

    def rows(self, pairs: int) -> list[AnyRecord]:
        """Trade until so many pairs have been decided and all have ended; return every row written on the way."""
        opened = 0
        while opened < pairs:
            opened += self._one_pair()
        return [record for record in self.bench.rows(Record) if not isinstance(record, PlanRecord)]  # type: ignore[misc]

    def plans(self) -> dict[int, PlanRecord]:
        """Return what each pair was decided on."""
        return {plan.pair_id: plan for plan in self.bench.rows(PlanRecord) if isinstance(plan, PlanRecord)}

    def _one_pair(self) -> int:
        rng = self.rng
        self.bench.wait_ms(1_000)
        buy, sell = rng.sample(VENUES, 2)
        self._quote_books(buy, sell, D(rng.randrange(5, 250)) / 10)
        self._tell(QueueDrained())
        if not self.placed:
            return 0
        self._until_flat(buy, sell)
        if self.late and rng.random() < 0.5:
            order, size = self.late.pop()
            self._fill(order, size)
            self._until_flat(buy, sell, certainly=True)
        self.late.clear()
        # A person looks at the fee in points, finds it right, and lets the symbol go on.
        for block in self.bench.engine.state.blocks.of(Source.STOPPED):
            self.bench.engine.state.blocks.lift(block.source, block.at, block.name)
        assert not self.bench.engine.manager.open, "a pair did not end"
        return 1

    def _tell(self, event: AnyEvent) -> None:
        commands = self.bench.tell(event)
        self.placed.extend(command for command in commands if isinstance(command, PlaceOrder))

    def _until_flat(self, buy: str, sell: str, *, certainly: bool = False) -> None:
        """Answer every order and move time and books on until no pair is open."""
        for _ in range(200):
            while self.placed:
                self._answer(self.placed.popleft(), certainly=certainly)
            if not self.bench.engine.manager.open:
                return
            self.bench.wait_ms(600)
            self._quote_books(buy, sell, D(-1))
            self._tell(QueueDrained())

    def _quote_books(self, buy: str, sell: str, edge: Decimal) -> None:
        rng = self.rng
        low = D(rng.randrange(9_900, 10_100)) / 10
        (third,) = set(VENUES) - {buy, sell}
        far = 30 if edge > 0 else 0
        asks = {buy: low, sell: low + edge + 1, third: low + far}
        bids = {buy: low - 1, sell: low + edge, third: low - 1 - far}
        for venue in VENUES:
            self.best[venue] = bids[venue], asks[venue]
            self.bench.quote(venue, self._levels(bids[venue], -1), self._levels(asks[venue], 1))
        points = D(rng.randrange(100, 200)) / 10
        self.bench.quote("gate", f"{points}x1000", f"{points + D('0.3')}x1000", POINTS)

    def _levels(self, best: Decimal, away: int) -> str:
        rng = self.rng
        return " ".join(f"{best + away * D(n) / 5}x{D(rng.randrange(20, 900)) / 1000}" for n in range(6))

    def _answer(self, order: PlaceOrder, *, certainly: bool = False) -> None:
        rng, fate = self.rng, self.rng.random()
        if fate < 0.05 and not certainly:
            self._refuse(order)
            return
        lot = D("0.01") if order.venue == "okx" else D("0.001")
        filled = order.size
        if fate < 0.3 and not certainly:
            filled = rng.randrange(0, int(order.size / lot) + 1) * lot
        if filled < order.size and rng.random() < 0.2:
            self.late.append((order, order.size - filled))
        pieces, left = [], filled
        while left:
            piece = left if rng.random() < 0.6 else rng.randrange(1, int(left / lot) + 1) * lot
            pieces.append(piece)
            left -= piece
        told_first = rng.random() < 0.5
        if told_first:
            self._accept(order, filled)
        for piece in pieces:
            self._fill(order, piece)
        if not told_first:
            self._accept(order, filled)

    def _refuse(self, order: PlaceOrder) -> None:
        now = self.bench.now_ns
        self._tell(
            OrderRejected(
                venue=order.venue,
                client_order_id=order.client_order_id,
                code="NO",
                message="no",
                sent_ns=now,
                acked_ns=now,
            )
        )
        self.bench.engine.state.venues[order.venue].lift(Source.PAUSE)

    def _accept(self, order: PlaceOrder, filled: Decimal) -> None:
        now = self.bench.now_ns
        self._tell(
            OrderAccepted(
                venue=order.venue,
                client_order_id=order.client_order_id,
                report=a_report(order, str(filled)),
                sent_ns=now,
                acked_ns=now,
            )
        )

    def _fill(self, order: PlaceOrder, size: Decimal) -> None:
        bid, ask = self.best[order.venue]
        worse = D(self.rng.randrange(0, 10)) / 10
        price = min(order.price, ask + worse) if order.side is Side.BUY else max(order.price, bid - worse)
        self.trades += 1
        fee, asset = self._fee(order, size, price)
        made = a_fill(
            order,
            str(size),
            price=str(price),
            trade_id=f"t{self.trades}",
            fee=str(fee),
            fee_currency=asset,
            # Each trade has an instant of its own: nobody here answers the query that two alike would lead to.
            at_ns=self.bench.now_ns + self.trades,
        )
        base, quote = Symbol.of(order.symbol).base_and_quote
        sign = 1 if order.side is Side.BUY else -1
        self.moved[order.venue, base] += sign * size
        self.moved[order.venue, quote] -= sign * size * price
        self.moved[order.venue, asset] -= fee
        self._tell(OrderFilled(fill=made))

    def _fee(self, order: PlaceOrder, size: Decimal, price: Decimal) -> tuple[Decimal, str]:
        base, quote = Symbol.of(order.symbol).base_and_quote
        if order.venue == "gate" and self.rng.random() < 0.7:
            return (size * price * D("0.0009") / 15).quantize(D("1e-9")), "GT"
        if order.venue == "okx" and order.side is Side.BUY:
            return size * D("0.001"), base
        rate = {"gate": "0.0009", "okx": "0.001", "bitget": "-0.0001"}[order.venue]
        return size * price * D(rate), quote


def markets(pairs: int, seed: int = 1) -> Iterator[tuple[Market, list[AnyRecord]]]:
    """Yield markets, each with its rows, until they have traded so many pairs together."""
    for number, start in enumerate(range(0, pairs, PAIRS_PER_ENGINE)):
        market = Market(seed * 10_000 + number)
        yield market, market.rows(min(PAIRS_PER_ENGINE, pairs - start))


def last_states(rows: list[AnyRecord]) -> dict[int, PairRecord]:
    """Return the last row of every pair."""
    return {row.id: row for row in rows if isinstance(row, PairRecord)}
