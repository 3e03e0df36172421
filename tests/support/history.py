"""A made-up trading history of any size, the same for the same seed: what the cookbook's questions are asked of.

Rows are the records an engine writes, in an order in which they may refer to each other, and they keep every rule of the
ledger. What they tell is plausible and no more: causes add up to what was earned, times run forward, legs fill, fall short and
are refused, fees come in quote, base and another asset. Nothing here goes through the engine; exactness is tested elsewhere.
"""

import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import count, islice
from typing import Any

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import (
    AlternativeRecord,
    AlternativeStage,
    AlternativeWay,
    BalanceRecord,
    DecisionBookRecord,
    FillRecord,
    IncidentRecord,
    OpportunityOutcome,
    OpportunityRecord,
    OrderRecord,
    PairKind,
    PairRecord,
    PairState,
    QuoteSide,
    RunRecord,
    Waterfall,
)
from arb.market.numbers import to_e8
from arb.market.order import OrderStatus, Outcome, Role, Side, TimeInForce
from arb.market.symbol import Symbol
from arb.store.ledger.alerts import project
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import upgrade
from arb.store.ledger.writer import Writer

FIRST_DAY_NS = 1_760_054_400_000_000_000  # 2025-10-10 00:00 UTC, a Friday
DAY_NS = 86_400_000_000_000
MS = 1_000_000
VENUES = ("gate", "okx", "bitget")
PRICES = {"BTC/USDT": 110_000, "ETH/USDT": 4_000, "SOL/USDT": 200, "BTC/USDC": 110_010}
REASONS = (
    ("edge_below_threshold", 60),
    ("net_below_minimum", 15),
    ("pair_in_flight", 8),
    ("own_impact", 6),
    ("stale_book", 4),
    ("insufficient_balance", 3),
    ("rate_budget", 2),
    ("book_skew", 2),
)
REJECTS = {
    "gate": ("BALANCE_NOT_ENOUGH", "TOO_MANY_REQUESTS"),
    "okx": ("51008", "50011"),
    "bitget": ("43012", "429"),
}
D = Decimal


def a_history(*, pairs: int, seed: int = 7, days: int = 30, untraded_per_pair: int = 4) -> Iterator[AnyRecord]:
    """Yield the rows of `days` runs, a day each, with `pairs` pair trades in all: about `7.5 + untraded_per_pair` rows
    to a pair."""
    for day in range(days):
        share = pairs * (day + 1) // days - pairs * day // days
        yield from _Day(random.Random(seed * 1_000 + day), day).rows(share, untraded_per_pair)


class _Day:
    """One run, from midnight to midnight."""

    def __init__(self, rng: random.Random, day: int) -> None:
        self.rng = rng
        self.start_ns = FIRST_DAY_NS + day * DAY_NS
        self.run_id = self.start_ns // 1_000_000_000
        self._numbers: dict[str, Iterator[int]] = {}

    def rows(self, pairs: int, untraded_per_pair: int) -> Iterator[AnyRecord]:
        end_ns = self.start_ns + DAY_NS - 1
        yield RunRecord(
            id=self.run_id,
            mode="sandbox",
            sandbox_id="made-up",
            seed=7,
            version="0.1.0",
            started_ns=self.start_ns,
            ended_ns=end_ns,
            exit_code=0,
        )
        yield from self._balances()
        step_ns = DAY_NS // (pairs + 1)
        for number in range(pairs):
            at_ns = self.start_ns + step_ns * number + self.rng.randrange(step_ns // 2)
            for _ in range(untraded_per_pair):
                yield self._untraded(at_ns + self.rng.randrange(step_ns // 2))
            yield from self._pair(at_ns)
        if pairs:
            yield from self._foreign(end_ns - DAY_NS // 4)

    def _id(self, table: str) -> int:
        return self.run_id * 1_000_000_000 + next(self._numbers.setdefault(table, count(1)))

    def _balances(self) -> Iterator[AnyRecord]:
        for hour in range(24):
            for venue in VENUES:
                for asset, least in (("USDT", 200_000), ("BTC", 2), ("GT", 500)):
                    yield BalanceRecord(
                        id=self._id("balances"),
                        run_id=self.run_id,
                        account_id=f"{venue}:made-up",
                        venue=venue,
                        asset=asset,
                        ns=self.start_ns + hour * DAY_NS // 24,
                        free=D(least) + D(self.rng.randrange(10**8)).scaleb(-8),
                        locked=D(0),
                        source="venue",
                        cause="refresh",
                    )

    def _route(self) -> dict[str, Any]:
        symbol = self.rng.choices(list(PRICES), (5, 3, 2, 1))[0]
        buy_venue, sell_venue = self.rng.sample(VENUES, 2)
        return {"symbol": symbol, "quote": Symbol.of(symbol).quote, "buy_venue": buy_venue, "sell_venue": sell_venue}

    def _untraded(self, opened_ns: int) -> OpportunityRecord:
        refused = self.rng.random() < 0.9
        reason = self.rng.choices([name for name, _ in REASONS], [weight for _, weight in REASONS])[0]
        outcome = OpportunityOutcome.REFUSED if refused else OpportunityOutcome.VANISHED
        return self._opportunity(opened_ns, self._route(), outcome, reason, self.rng.expovariate(1 / 5))

    def _opportunity(
        self, opened_ns: int, route: dict[str, Any], outcome: OpportunityOutcome, reason: str | None, edge: float
    ) -> OpportunityRecord:
        size = D(self.rng.randrange(1, 200)).scaleb(-3)
        edge_bps = round(D(edge), 6)
        lasted_ns = int(self.rng.lognormvariate(4, 1.2) * MS)
        return OpportunityRecord(
            id=self._id("opportunities"),
            run_id=self.run_id,
            **route,
            opened_ns=opened_ns,
            best_ns=opened_ns + lasted_ns // 3,
            closed_ns=opened_ns + lasted_ns,
            best_buy_size=size,
            best_sell_size=size,
            best_net_e8=int(size * PRICES[route["symbol"]] * edge_bps * 10_000),
            best_edge_bps=edge_bps,
            best_gross_edge_bps=edge_bps + 20,
            ticks=1 + lasted_ns // (10 * MS),
            outcome=outcome,
            reason=reason,
        )

    def _pair(self, decided_ns: int) -> Iterator[AnyRecord]:
        rng, route = self.rng, self._route()
        opportunity = self._opportunity(
            decided_ns - 1, route, OpportunityOutcome.TRADED, None, 6 + rng.expovariate(1 / 8)
        )
        yield opportunity
        pair_id, size, fate = self._id("pairs"), opportunity.best_buy_size, rng.random()
        short = D(rng.randrange(0, 100)) / 100 if fate > 0.85 else D(1)
        rejected = 0.93 < fate < 0.97
        state = PairState.COMPLETED
        if fate > 0.93:
            state = PairState.UNWOUND
        if fate > 0.97:
            state = PairState.CARRIED if fate < 0.99 else PairState.HALTED
        lasted_ms = rng.randrange(20, 200) if fate <= 0.85 else rng.randrange(200, 3000)
        closed_ns = decided_ns + lasted_ms * MS
        done = state is not PairState.HALTED
        yield PairRecord(
            id=pair_id,
            run_id=self.run_id,
            opportunity_id=opportunity.id,
            kind=PairKind.ARB,
            **route,
            state=state,
            decided_ns=decided_ns,
            closed_ns=closed_ns if done else None,
            buy_size=size,
            sell_size=size,
            residual_size=D(rng.randrange(0, 1000)).scaleb(-8) if fate < 0.3 else D(0),
            residual_mark=D(PRICES[route["symbol"]]) if done else None,
            mark_ns=closed_ns if done else None,
            exposure_quote_s=D(0) if fate <= 0.85 else D(rng.randrange(1, 10**6)).scaleb(-3),
            waterfall=self._waterfall(opportunity.best_net_e8, fate) if done else None,
            leg_cost_e8=None if fate > 0.9 else 10**6 * (1 + pair_id % 100),
        )
        yield from self._beside(pair_id, route, size, decided_ns)
        legs = {"buy": D(1), "sell": D(0) if rejected else short}
        for side, venue in ((Side.BUY, route["buy_venue"]), (Side.SELL, route["sell_venue"])):
            bad = rejected and side is Side.SELL
            yield from self._order(pair_id, venue, route["symbol"], side, Role.ENTRY, size, legs[side], decided_ns, bad)
        if fate > 0.85 and legs["sell"] < 1:
            role = Role.HEDGE if state is PairState.COMPLETED else Role.UNWIND
            venue = route["sell_venue"] if role is Role.HEDGE else route["buy_venue"]
            left = size * (1 - legs["sell"])
            at_ns = decided_ns + 150 * MS
            yield from self._order(pair_id, venue, route["symbol"], Side.SELL, role, left, D(1), at_ns, False)
            yield IncidentRecord(
                id=self._id("incidents"),
                run_id=self.run_id,
                ns=at_ns,
                kind="halt" if state is PairState.HALTED else "carried" if state is PairState.CARRIED else "late_fill",
                severity="critical" if state is PairState.HALTED else "warning",
                venue=venue,
                pair_trade_id=pair_id,
                cost_e8=None,
                text="made up",
            )
        if fate < 0.02:
            yield from self._residual(PairKind.FLATTEN if pair_id % 3 == 0 else PairKind.DUST, route, closed_ns)

    def _beside(self, pair_id: int, route: dict[str, Any], size: Decimal, ns: int) -> Iterator[AnyRecord]:
        """Yield the way taken, one passed over, and the books decided on; their own chance leaves the rest as it is."""
        rng = random.Random(pair_id)
        third = next(venue for venue in VENUES if venue not in route.values())
        ways = ((route["sell_venue"], None), (third, rng.choice(("pair_in_flight", "net_below_minimum", "own_impact"))))
        for sell_venue, reason in ways:
            net_e8 = (
                None if reason == "own_impact" else rng.randrange(10**8) * (-1 if reason == "net_below_minimum" else 1)
            )
            yield AlternativeRecord(
                id=self._id("alternatives"),
                pair_trade_id=pair_id,
                ns=ns,
                stage=AlternativeStage.ENTRY,
                way=AlternativeWay.ROUTE,
                buy_venue=route["buy_venue"],
                sell_venue=sell_venue,
                buy_size=size,
                sell_size=size,
                price=None,
                net_e8=net_e8,
                edge_bps=None if net_e8 is None else D(net_e8 // 10**4).scaleb(-2),
                reason=reason,
            )

        for side, venue, away in ((QuoteSide.ASKS, route["buy_venue"], 1), (QuoteSide.BIDS, route["sell_venue"], -1)):
            best, tick = D(PRICES[route["symbol"]]), D(PRICES[route["symbol"]]) / 10_000
            yield DecisionBookRecord(
                id=self._id("decision_books"),
                pair_trade_id=pair_id,
                ns=ns,
                venue=venue,
                side=side,
                levels=tuple(
                    (best + away * tick * place, size * rng.randrange(20, 90) / 100) for place in range(1, 11)
                ),
            )

    def _waterfall(self, expected_e8: int, fate: float) -> Waterfall:
        rng = self.rng
        parts = {
            "expected_net_e8": expected_e8,
            "buy_slippage_e8": -rng.randrange(10**7),
            "sell_slippage_e8": rng.randrange(10**6) - 10**7,
            "size_shortfall_e8": -rng.randrange(10**8) if fate > 0.85 else 0,
            "fee_difference_e8": rng.randrange(-1000, 1000),
            "hedge_cost_e8": -rng.randrange(10**9) if fate > 0.85 else 0,
            "residual_change_e8": rng.randrange(-50, 50),
        }
        return Waterfall(**parts, realised_net_e8=sum(parts.values()))

    def _order(
        self,
        pair_id: int | None,
        venue: str,
        symbol: str,
        side: Side,
        role: Role,
        size: Decimal,
        share: Decimal,
        journalled_ns: int,
        rejected: bool,
    ) -> Iterator[AnyRecord]:
        rng, order_id = self.rng, self._id("orders")
        filled, price = size * share, D(PRICES[symbol]) + D(rng.randrange(-500, 500)).scaleb(-1)
        sent_ns = journalled_ns + rng.randrange(50_000, 400_000)
        acked_ns = sent_ns + int(rng.lognormvariate(3 + VENUES.index(venue) / 2, 0.3) * MS)
        status = OrderStatus.FILLED if share == 1 else OrderStatus.PARTIAL_CANCELLED if share else OrderStatus.CANCELLED
        unknown = not rejected and rng.random() < 0.01
        yield OrderRecord(
            id=order_id,
            pair_trade_id=pair_id,
            account_id=f"{venue}:made-up",
            venue=venue,
            symbol=symbol,
            role=role,
            attempt=0,
            side=side,
            tif=TimeInForce.IOC,
            price=price,
            size=size,
            filled=filled,
            avg_price=price if filled else None,
            client_order_id=None if role is Role.FOREIGN else f"arb{order_id}",
            venue_order_id=None if rejected else f"v{order_id}",
            status=OrderStatus.REJECTED if rejected else status,
            outcome=Outcome.REJECTED if rejected else Outcome.UNKNOWN if unknown else Outcome.ACCEPTED,
            reject_code=rng.choice(REJECTS[venue]) if rejected else None,
            journalled_ns=journalled_ns,
            sent_ns=sent_ns,
            acked_ns=None if unknown else acked_ns,
            first_fill_ns=acked_ns + 5 * MS if filled else None,
            done_ns=acked_ns + 6 * MS,
        )
        pieces = [filled] if rng.random() < 0.8 else [filled / 4, filled * 3 / 4]
        for piece in pieces if filled else []:
            yield self._fill(order_id, venue, symbol, side, price, piece, acked_ns)

    def _fill(
        self, order_id: int, venue: str, symbol: str, side: Side, price: Decimal, size: Decimal, at_ns: int
    ) -> FillRecord:
        base, quote = Symbol.of(symbol).base_and_quote
        value = round(size * price / 1000, 8)
        fee, currency = value, quote
        if venue == "gate":
            fee, currency = round(value / 15, 8), "GT"
        elif venue == "okx" and side is Side.BUY:
            fee, currency = round(size / 1000, 10), base
            value = fee * price
        elif venue == "bitget" and side is Side.SELL:
            fee = value = -value / 10
        fill_id = self._id("fills")
        return FillRecord(
            id=fill_id,
            order_id=order_id,
            account_id=f"{venue}:made-up",
            venue=venue,
            symbol=symbol,
            trade_id=f"t{fill_id}",
            side=side,
            price=price,
            size=size,
            fee=fee,
            fee_currency=currency,
            fee_quote_value=value,
            liquidity="taker",
            source="stream",
            event_ns=at_ns,
            received_ns=at_ns + 5 * MS,
            fee_expected_e8=None if venue == "bitget" and side is Side.BUY else to_e8(size * price / 1000),
        )

    def _residual(self, kind: PairKind, route: dict[str, Any], decided_ns: int) -> Iterator[AnyRecord]:
        pair_id, size, venue = self._id("pairs"), D("0.0001"), route["sell_venue"]
        role = Role.DUST if kind is PairKind.DUST else Role.UNWIND
        closed_ns = decided_ns + 100 * MS
        yield PairRecord(
            id=pair_id,
            run_id=self.run_id,
            opportunity_id=None,
            kind=kind,
            **route | {"buy_venue": venue},
            state=PairState.COMPLETED,
            decided_ns=decided_ns,
            closed_ns=closed_ns,
            buy_size=D(0),
            sell_size=size,
            residual_size=D("0.00000001"),
            residual_mark=D(PRICES[route["symbol"]]),
            mark_ns=closed_ns,
            exposure_quote_s=D(0),
            waterfall=self._waterfall(0, 0),
        )
        yield from self._order(pair_id, venue, route["symbol"], Side.SELL, role, size, D(1), decided_ns, False)

    def _foreign(self, at_ns: int) -> Iterator[AnyRecord]:
        yield from self._order(None, "gate", "BTC/USDT", Side.BUY, Role.FOREIGN, D("0.05"), D(1), at_ns, False)


def fill_ledger(db_url: str, records: Iterable[AnyRecord]) -> int:
    """Write rows into a new ledger through the writer the engine uses; return how many."""
    upgrade(db_url)
    engine = open_engine(db_url)
    writer, written, rest = Writer(engine.dialect.name), 0, iter(records)
    while batch := list(islice(rest, 50_000)):
        with engine.begin() as connection:
            written += writer.write(connection, batch)
            project(connection, batch)
    if engine.dialect.name == "postgresql":  # it would do so by itself after a while; SQLite never does
        with engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    return written
