"""Rows with quiet defaults: one balanced pair trade on two venues, and whatever a test wants different."""

from decimal import Decimal
from typing import Any

from arb.core.messages.commands import AnyRecord, Command, Persist
from arb.core.messages.events import TimerFired
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
from arb.core.messages.recovery_records import ControlRecord, PlanRecord
from arb.market.instrument import FeeIn
from arb.market.order import OrderStatus, Outcome, Role, Side, TimeInForce

T0 = 1_700_000_000_000_000_000
D = Decimal


def a_run(id: int = 1, **changes: Any) -> RunRecord:
    values: dict[str, Any] = {"id": id, "mode": "sandbox", "sandbox_id": "s1", "seed": 7, "version": "0.1.0"}
    return RunRecord(**values | {"started_ns": T0} | changes)


def an_opportunity(id: int = 1, **changes: Any) -> OpportunityRecord:
    values: dict[str, Any] = {
        "id": id,
        "run_id": 1,
        "symbol": "BTC/USDT",
        "quote": "USDT",
        "buy_venue": "gate",
        "sell_venue": "okx",
        "opened_ns": T0,
        "best_ns": T0 + 1,
        "closed_ns": T0 + 2,
        "best_buy_size": D("0.1001"),
        "best_sell_size": D("0.1"),
        "best_net_e8": 123_456_789,
        "best_edge_bps": D("4.25"),
        "best_gross_edge_bps": D("24.5"),
        "ticks": 3,
        "outcome": OpportunityOutcome.REFUSED,
        "reason": "max_notional",
    }
    return OpportunityRecord(**values | changes)


def a_traded_opportunity(id: int = 1, **changes: Any) -> OpportunityRecord:
    return an_opportunity(id, **{"outcome": OpportunityOutcome.TRADED, "reason": None} | changes)


def a_waterfall(**changes: Any) -> Waterfall:
    values = {
        "expected_net_e8": 150_000_000,
        "buy_slippage_e8": -10_000_000,
        "sell_slippage_e8": -5_000_000,
        "size_shortfall_e8": 0,
        "fee_difference_e8": 0,
        "hedge_cost_e8": -20_000_000,
        "residual_change_e8": 1,
        "realised_net_e8": 115_000_001,
    }
    return Waterfall(**values | changes)


def a_pair(id: int = 1, state: PairState = PairState.OPENING, **changes: Any) -> PairRecord:
    finished = state in (PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED)
    closed = finished or state is PairState.ABANDONED
    values: dict[str, Any] = {
        "id": id,
        "run_id": 1,
        "opportunity_id": None,
        "kind": PairKind.ARB,
        "symbol": "BTC/USDT",
        "quote": "USDT",
        "buy_venue": "gate",
        "sell_venue": "okx",
        "state": state,
        "decided_ns": T0 + id * 1000,
        "closed_ns": T0 + id * 1000 + 500 if closed else None,
        "buy_size": D("0.1001"),
        "sell_size": D("0.1"),
        "residual_size": D(0),
        "residual_mark": D("50000.5") if finished else None,
        "mark_ns": T0 + id * 1000 + 500 if finished else None,
        "exposure_quote_s": D("1.25"),
        "waterfall": a_waterfall() if finished else None,
    }
    return PairRecord(**values | changes)


def an_order(id: int = 1, pair: int | None = 1, side: Side = Side.BUY, **changes: Any) -> OrderRecord:
    venue = "gate" if side is Side.BUY else "okx"
    values: dict[str, Any] = {
        "id": id,
        "pair_trade_id": pair,
        "account_id": f"{venue}-aaaa",
        "venue": venue,
        "symbol": "BTC/USDT",
        "role": Role.ENTRY,
        "attempt": 0,
        "side": side,
        "tif": TimeInForce.IOC,
        "price": D("50001"),
        "size": D("0.1"),
        "filled": D(0),
        "avg_price": None,
        "client_order_id": f"arb{id:018d}",
        "venue_order_id": None,
        "status": OrderStatus.INTENT,
        "outcome": None,
        "reject_code": None,
        "journalled_ns": T0,
        "sent_ns": None,
        "acked_ns": None,
        "first_fill_ns": None,
        "done_ns": None,
    }
    return OrderRecord(**values | changes)


def a_filled_order(id: int = 1, pair: int | None = 1, side: Side = Side.BUY, **changes: Any) -> OrderRecord:
    filled = {
        "filled": D("0.1"),
        "avg_price": D("50000.5"),
        "venue_order_id": f"v{id}",
        "status": OrderStatus.FILLED,
        "outcome": Outcome.ACCEPTED,
        "sent_ns": T0 + 1000,
        "acked_ns": T0 + 2000,
        "first_fill_ns": T0 + 1500,
        "done_ns": T0 + 2000,
    }
    return an_order(id, pair, side, **filled | changes)


def a_fill(id: int = 1, order: int = 1, side: Side = Side.BUY, **changes: Any) -> FillRecord:
    venue = "gate" if side is Side.BUY else "okx"
    values: dict[str, Any] = {
        "id": id,
        "order_id": order,
        "account_id": f"{venue}-aaaa",
        "venue": venue,
        "symbol": "BTC/USDT",
        "trade_id": f"t{id}",
        "side": side,
        "price": D("50000.5"),
        "size": D("0.1"),
        "fee": D("0.0001"),
        "fee_currency": "BTC",
        "fee_quote_value": D("5.00005"),
        "liquidity": "taker",
        "source": "stream",
        "event_ns": T0 + 1500,
        "received_ns": T0 + 1600,
    }
    return FillRecord(**values | changes)


def a_balance(id: int = 1, **changes: Any) -> BalanceRecord:
    values: dict[str, Any] = {
        "id": id,
        "run_id": 1,
        "account_id": "gate-aaaa",
        "venue": "gate",
        "asset": "USDT",
        "ns": T0,
        "free": D("200000"),
        "locked": D(0),
        "source": "venue",
        "cause": "start",
    }
    return BalanceRecord(**values | changes)


def an_incident(id: int = 1, **changes: Any) -> IncidentRecord:
    values: dict[str, Any] = {
        "id": id,
        "run_id": 1,
        "ns": T0,
        "kind": "leg_repaired",
        "severity": "warning",
        "venue": "gate",
        "pair_trade_id": None,
        "cost_e8": None,
        "text": "one leg filled short",
    }
    return IncidentRecord(**values | changes)


def an_alternative(id: int = 1, pair: int = 1, **changes: Any) -> AlternativeRecord:
    values: dict[str, Any] = {
        "id": id,
        "pair_trade_id": pair,
        "ns": T0,
        "stage": AlternativeStage.ENTRY,
        "way": AlternativeWay.ROUTE,
        "buy_venue": "okx",
        "sell_venue": "gate",
        "buy_size": None,
        "sell_size": None,
        "price": None,
        "net_e8": -1_000_000,
        "edge_bps": D("-40.5"),
        "reason": "net_below_minimum",
    }
    return AlternativeRecord(**values | changes)


def a_decision_book(id: int = 1, pair: int = 1, side: QuoteSide = QuoteSide.ASKS, **changes: Any) -> DecisionBookRecord:
    prices = ("50000.5", "50001.0") if side is QuoteSide.ASKS else ("50050.5", "50050")
    values: dict[str, Any] = {
        "id": id,
        "pair_trade_id": pair,
        "ns": T0 + pair * 1000,
        "venue": "gate" if side is QuoteSide.ASKS else "okx",
        "side": side,
        "levels": tuple((D(price), D(size)) for price, size in zip(prices, ("0.04", "1E+2"), strict=True)),
    }
    return DecisionBookRecord(**values | changes)


def a_plan(pair: int = 1, **changes: Any) -> PlanRecord:
    values: dict[str, Any] = {
        "pair_id": pair,
        "symbol": "BTC/USDT",
        "buy_venue": "gate",
        "sell_venue": "okx",
        "buy_fee_in": FeeIn.BASE,
    }
    numbers = (
        "buy_size sell_size buy_limit sell_limit buy_vwap sell_vwap residual residual_value net mark buy_fee sell_fee"
        " hold_quote hold_base"
    )
    return PlanRecord(**{name: D("0.1") for name in numbers.split()} | values | changes)


def a_control(**changes: Any) -> ControlRecord:
    values: dict[str, Any] = {"halted": None, "day_utc": "2023-11-14", "day_net_e8": 0, "consecutive_losses": 0}
    return ControlRecord(**values | {"ns": T0, "text": ""} | changes)


def a_finished_pair(pair: int = 1) -> list[AnyRecord]:
    """Return every row of one traded opportunity whose two legs filled, in the order an engine writes them."""
    buy, sell = 2 * pair - 1, 2 * pair
    return [
        a_traded_opportunity(pair),
        a_plan(pair),
        a_pair(pair, opportunity_id=pair),
        an_order(buy, pair),
        an_order(sell, pair, Side.SELL),
        a_filled_order(buy, pair),
        a_filled_order(sell, pair, Side.SELL),
        an_alternative(pair, pair),
        a_decision_book(buy, pair),
        a_decision_book(sell, pair, QuoteSide.BIDS),
        a_fill(buy, buy),
        a_fill(sell, sell, Side.SELL, fee=D("5"), fee_currency="USDT", fee_quote_value=D("5")),
        a_pair(pair, PairState.COMPLETED, opportunity_id=pair),
    ]


def an_event(seq: int) -> TimerFired:
    return TimerFired(seq=seq, t_ns=T0 + seq, timer="t")


def keep(seq: int, *records: AnyRecord) -> tuple[Any, ...]:
    """Return the commands that keep these rows, as caused by event `seq`."""
    commands: list[Command] = [Persist(cause=seq, record=record) for record in records]
    return tuple(commands)
