"""Every change of a balance is explained, or stops its asset at that venue: never silently accepted, no false alarm."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.commands import AnyCommand, RefreshBalances, SetTimer, SnapshotAccount
from arb.core.messages.events import AnyEvent, OrderFilled, OrderUpdated, ResumeAsked, TimerFired, Transfer
from arb.core.messages.reasons import Reason
from arb.core.messages.records import BalanceRecord, FillRecord, IncidentRecord, OrderRecord
from arb.core.messages.recovery_records import ControlRecord
from arb.core.messages.settings import Limits
from arb.core.state.blocks import Source
from arb.core.state.positions.inventory import Inventory
from arb.market.fill import Fill, FillSource, Liquidity
from arb.market.order import OrderReport, Role, Side
from tests.builders import SYMBOL, Bench, D, a_balance, a_snapshot
from tests.unit.core.trades.test_trade import accept, crossed, fill

START = {"USDT": "100000", "BTC": "2"}


def read(bench: Bench, amounts: dict[str, str], venue: str = "gate") -> tuple[AnyCommand, ...]:
    """Let the venue report its balances, asked for now; returns what the engine asks for."""
    bench.wait_ms(1)
    event = a_balance(venue, amounts, asked_ns=bench.now_ns)
    bench.wait_ms(1)
    return bench.tell(event)


def snapshot_taken(bench: Bench, **found: object) -> tuple[AnyCommand, ...]:
    """Answer a snapshot of gate's account."""
    bench.wait_ms(1)
    return bench.tell(a_snapshot("gate", started_ns=bench.now_ns, **found))


def incidents(bench: Bench) -> list[str]:
    """Return the kinds of incidents so far."""
    return [row.kind for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]


def stopped(bench: Bench) -> list[tuple[str, str]]:
    """Return the accounts and assets that are stopped."""
    return blocked(bench, Source.DRIFT)


def unexplained(bench: Bench) -> list[tuple[str, str]]:
    return blocked(bench, Source.UNEXPLAINED)


def blocked(bench: Bench, source: Source) -> list[tuple[str, str]]:
    return [(block.at, block.name) for block in bench.engine.state.blocks.of(source)]


def stop_text(bench: Bench, *key: str) -> str:
    return next(block.text for block in bench.engine.state.blocks.of(Source.DRIFT) if (block.at, block.name) == key)


def opens(bench: Bench) -> bool:
    """Return whether an edge between gate and okx is taken now."""
    before = len(bench.placed())
    bench.wait_ms(20)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    return len(bench.placed()) > before


def a_foreign_fill(bench: Bench, size: str = "0.5", price: str = "100", trade_id: str = "s1") -> Fill:
    """Return a manual buy on gate's account, made now, with a fee in base."""
    return Fill(
        venue="gate",
        symbol=SYMBOL,
        trade_id=trade_id,
        venue_order_id="by-hand",
        client_order_id=None,
        side=Side.BUY,
        price=D(price),
        size=D(size),
        fee=D(size) * D("0.001"),
        fee_currency="BTC",
        liquidity=Liquidity.TAKER,
        source=FillSource.QUERY,
        event_ns=bench.now_ns,
        received_ns=bench.now_ns,
    )


def a_foreign_order(size: str = "0.5", filled: str = "0.5") -> OrderReport:
    """Return the venue's word on that order, which names no client order id."""
    return OrderReport(
        venue="gate",
        symbol=SYMBOL,
        client_order_id=None,
        venue_order_id="by-hand",
        side=Side.BUY,
        price=D(100),
        size=D(size),
        filled=D(filled),
        avg_price=None,
        is_open=False,
    )


# Failures first.


def test_an_unexplained_difference_suspends_at_once_and_stops_after_the_grace_with_the_exact_difference() -> None:
    bench = Bench()
    asked = read(bench, START | {"USDT": "99999.75"})
    assert [c.symbols for c in asked if isinstance(c, SnapshotAccount)] == [(SYMBOL,)]
    assert not opens(bench)
    assert bench.not_taken() == {Reason.VENUE_HALTED: 1}
    snapshot_taken(bench)
    read(bench, START | {"USDT": "99999.75"})
    assert stopped(bench) == []  # the grace has not passed
    bench.wait_ms(10_000)
    bench.tell(TimerFired(timer="drift:gate"))
    snapshot_taken(bench)
    read(bench, START | {"USDT": "99999.75"})
    assert stopped(bench) == [("gate:test", "USDT")]
    [told] = [row for row in bench.rows(IncidentRecord) if row.kind == "balance_drift"]
    assert "USDT at gate: -0.25 is unexplained (reported 99999.75, fills, fees and transfers give 100000)" in told.text
    assert [row.cause for row in bench.rows(BalanceRecord)][-1] == "drift"
    assert not opens(bench)


def test_without_a_snapshot_that_began_after_the_difference_nothing_is_given_up_yet() -> None:
    bench = Bench()
    read(bench, START | {"BTC": "2.5"})
    bench.wait_ms(20_000)
    read(bench, START | {"BTC": "2.5"})
    assert stopped(bench) == []


def test_a_snapshot_that_cannot_be_made_stops_the_asset_in_the_end_and_says_so() -> None:
    bench = Bench()
    read(bench, START | {"BTC": "2.5"})
    for _ in range(4):
        bench.wait_ms(3_000)
        snapshot_taken(bench, complete=False, cause="no answer")
        read(bench, START | {"BTC": "2.5"})
    assert stopped(bench) == [("gate:test", "BTC")]
    assert "its orders and fills cannot be read" in stop_text(bench, "gate:test", "BTC")


def test_a_stop_survives_a_restart_until_the_user_resumes() -> None:
    bench = Bench()
    read(bench, START | {"USDT": "99999.75"})
    bench.wait_ms(10_000)
    snapshot_taken(bench)
    read(bench, START | {"USDT": "99999.75"})
    control = bench.rows(ControlRecord)[-1]
    again = Bench(restored=Restored(control=control), run_id=1_760_000_500)
    assert not opens(again)
    again.tell(ResumeAsked(reason="it was my fee"))
    assert opens(again)
    assert again.rows(ControlRecord)[-1].stopped == ()


def test_the_same_difference_is_reported_once_and_a_further_one_again() -> None:
    bench = Bench()
    for amount in ("99999", "99998"):
        read(bench, START | {"USDT": amount})
        bench.wait_ms(10_000)
        snapshot_taken(bench)
        read(bench, START | {"USDT": amount})
        read(bench, START | {"USDT": amount})
    assert incidents(bench).count("balance_drift") == 2


def test_other_assets_and_venues_are_traded_on() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"))
    read(bench, START | {"BTC": "1.9"})
    before = len(bench.placed())
    bench.quote("okx", "99.9x5", "100x1")
    bench.quote("bitget", "101x1", "101.2x5")
    bench.quote("gate", "50x1", "200x1")
    bench.drain()
    assert {order.venue for order in bench.placed()[before:]} == {"okx", "bitget"}


# Explanations.


@pytest.mark.parametrize(("amount", "told"), [("500", "100500"), ("-500", "99500")])
def test_a_deposit_or_withdrawal_explains_the_difference_and_is_noted(amount: str, told: str) -> None:
    bench = Bench()
    read(bench, START | {"USDT": told})
    asked = snapshot_taken(bench, transfers=(Transfer("7", "USDT", D(amount), bench.now_ns + NS_PER_S),))
    assert any(isinstance(command, RefreshBalances) for command in asked)
    read(bench, START | {"USDT": told})
    assert incidents(bench) == ["transfer", "balance_explained"]
    assert opens(bench)


def test_a_transfer_reported_twice_is_counted_once() -> None:
    bench = Bench()
    transfer = Transfer("7", "USDT", D(500), bench.now_ns + 10 * NS_PER_S)
    for _ in range(2):
        snapshot_taken(bench, transfers=(transfer,))
    read(bench, START | {"USDT": "100500"})
    assert incidents(bench) == ["transfer"]


def test_a_manual_trade_explains_the_difference_and_is_kept_as_foreign() -> None:
    bench = Bench()
    after = {"USDT": "99950", "BTC": "2.4995"}
    read(bench, after)
    snapshot_taken(bench, orders=(a_foreign_order(),), fills=(a_foreign_fill(bench),))
    read(bench, after)
    assert incidents(bench) == ["foreign_order", "balance_explained", "balance_explained"]
    orders = [row for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)]
    assert {(row.role, row.pair_trade_id, row.client_order_id) for row in orders} == {(Role.FOREIGN, None, None)}
    [kept] = bench.rows(FillRecord)
    assert isinstance(kept, FillRecord)
    assert (kept.size, kept.order_id) == (D("0.5"), orders[-1].id)
    assert not bench.placed()
    assert opens(bench)


def test_a_manual_trade_received_on_the_stream_is_no_difference_at_all_in_whatever_order_it_is_reported() -> None:
    for report_first in (True, False):
        bench = Bench()
        bench.wait_ms(5)
        news: list[AnyEvent] = [OrderUpdated(report=a_foreign_order()), OrderFilled(fill=a_foreign_fill(bench))]
        for event in news if report_first else reversed(news):
            bench.tell(event)
        snapshot_taken(bench, orders=(a_foreign_order(),), fills=(a_foreign_fill(bench),))
        asked = read(bench, {"USDT": "99950", "BTC": "2.4995"})
        assert not [command for command in asked if isinstance(command, SnapshotAccount)]
        assert len(bench.rows(FillRecord)) == 1
        assert incidents(bench) == ["foreign_order"]


def test_a_late_balance_is_a_case_that_closes_by_itself() -> None:
    bench = Bench()
    bench.wait_ms(1_000)
    buy, sell = crossed(bench)
    for order in (buy, sell):
        bench.wait_ms(1)
        accept(bench, order, "1")
        fill(bench, order, "1", fee="0")
    read(bench, START)  # gate has not booked our fill yet
    assert not opens(bench)
    bench.wait_ms(1_000)
    bench.tell(TimerFired(timer="drift:gate"))
    snapshot_taken(bench)  # neither have its lists shown our orders yet
    read(bench, {"USDT": "99900", "BTC": "3"})
    assert incidents(bench) == ["read_lag", "balance_explained", "balance_explained"]
    assert opens(bench)


def test_a_balance_read_while_an_order_is_under_way_is_not_compared() -> None:
    bench = Bench()
    crossed(bench)
    asked = read(bench, START | {"USDT": "5"})
    assert not [command for command in asked if isinstance(command, SnapshotAccount)]


def test_an_open_case_is_read_again_though_it_could_not_be_compared() -> None:
    bench = Bench()
    read(bench, START | {"BTC": "2.5"})
    bench.quote("gate", "99.9x5", "100x1")
    asked = bench.tell(TimerFired(timer="drift:gate"))
    assert [c.venue for c in asked if isinstance(c, RefreshBalances)] == ["gate"]
    assert [c.timer for c in asked if isinstance(c, SetTimer) and c.timer == "drift:gate"]


@pytest.mark.parametrize("in_it", [True, False])
@pytest.mark.parametrize("offset_ms", [-150, 150])
def test_a_fill_at_the_instant_of_the_first_answer_is_settled_whichever_way_it_went(
    in_it: bool, offset_ms: int
) -> None:
    bench = Bench()
    buy, _ = crossed(bench)
    made = a_foreign_fill(bench, "0.5")
    first_ns = bench.now_ns - NS_PER_MS
    at_start = Fill(
        **{name: getattr(made, name) for name in made.__struct_fields__}
        | {"event_ns": first_ns + offset_ms * NS_PER_MS}
    )
    bench = Bench()
    snapshot_taken(bench, orders=(a_foreign_order(),), fills=(at_start,))
    assert buy.venue == "gate"
    told = START if in_it else {"USDT": "99950", "BTC": "2.4995"}
    bench.wait_ms(500)
    asked = read(bench, told)
    assert not [command for command in asked if isinstance(command, SnapshotAccount)]
    assert stopped(bench) == []


@given(
    amounts=st.lists(st.integers(-50, 50).filter(bool), min_size=1, max_size=6),
    within=st.lists(st.booleans(), min_size=6, max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_uncertain_changes_settle_any_way_they_may_have_gone(amounts: list[int], within: list[bool]) -> None:
    inventory = Inventory()
    inventory.take_report(a_balance("gate", {"USDT": "1000"}, asked_ns=1_000), quiet=True)
    held = D(1000)
    for amount, was_in in zip(amounts, within, strict=False):
        inventory.apply("gate", {"USDT": D(amount)}, 1_001, slack_ns=10)
        held += 0 if was_in else amount
    later = a_balance("gate", {"USDT": str(held)}, asked_ns=10_000)
    for difference in inventory.take_report(later, quiet=True):
        assert inventory.explain(difference.venue, difference.asset)
    assert inventory.computed("gate", "USDT") == held


def test_a_fill_close_to_the_first_answer_whose_balance_comes_late_is_settled_both_times() -> None:
    bench = Bench()
    snapshot_taken(bench, orders=(a_foreign_order(),), fills=(a_foreign_fill(bench),))
    read(bench, START)
    read(bench, {"USDT": "99950", "BTC": "2.4995"})
    read(bench, {"USDT": "99950", "BTC": "2.4995"})
    assert incidents(bench) == ["foreign_order"]
    assert unexplained(bench) == []


def test_a_day_of_clean_trading_raises_no_alarm() -> None:
    limits = Limits(min_net_quote=D(0), min_edge_bps=D(1), max_price_ratio_bps=D(1000))  # the edge is there all day
    bench = Bench(limits=limits)
    held: dict[str, dict[str, Decimal]] = {venue: {"USDT": D(100000), "BTC": D(2)} for venue in ("gate", "okx")}
    for hour in range(24):
        buy, sell = crossed(bench)
        for order in (buy, sell):
            sign = 1 if order.side is Side.BUY else -1
            bench.wait_ms(3)
            accept(bench, order, "1")
            fill(bench, order, "1", trade_id=f"t{hour}")
            held[order.venue]["BTC"] += sign
            held[order.venue]["USDT"] -= sign * order.price + order.price * D("0.001")
        for venue in ("gate", "okx"):
            read(bench, {asset: str(amount) for asset, amount in held[venue].items()}, venue)
            rich = {"USDT": "0", "BTC": str(2 - held[venue]["BTC"])}
            if D(rich["BTC"]):  # inventory is moved back once an hour, as a user would
                bench.tell(
                    a_snapshot(
                        venue,
                        started_ns=bench.now_ns,
                        transfers=(Transfer(f"{venue}{hour}", "BTC", D(rich["BTC"]), bench.now_ns + NS_PER_S),),
                    )
                )
                held[venue]["BTC"] = D(2)
        bench.wait_ms(3_600_000)
    assert bench.engine.state.tally.opened == 24
    assert "balance_explained" not in incidents(bench)
    assert stopped(bench) == []


def test_a_first_word_that_was_late_and_still_is_when_it_is_compared_makes_no_fill_unexplained() -> None:
    bench = Bench()
    snapshot_taken(bench, orders=(a_foreign_order(),), fills=(a_foreign_fill(bench),))
    for _ in range(3):  # the venue has not booked it when it is asked first, nor a little later
        read(bench, START)
        bench.wait_ms(1_000)
    read(bench, {"USDT": "99950", "BTC": "2.4995"})
    assert incidents(bench) == ["foreign_order"]
    assert unexplained(bench) == []
