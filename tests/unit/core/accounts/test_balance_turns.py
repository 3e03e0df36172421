"""Balances come to be compared, however busy a venue is: openings there wait for it, and never for long."""

from arb.core.messages.commands import RefreshBalances, SetTimer
from arb.core.messages.events import BalancesReported, TimerFired
from arb.core.state.blocks import Source
from tests.builders import Bench, a_balance
from tests.unit.core.accounts.test_balance_reconciler import START, opens, read
from tests.unit.core.trades.test_trade import accept, crossed, fill


def a_pair_filled(bench: Bench) -> int:
    """Let a pair open and fill on both sides; returns an instant before its fills."""
    before_ns = bench.now_ns
    for order in crossed(bench):
        bench.wait_ms(1)
        accept(bench, order, "1")
        fill(bench, order, "1", fee="0", trade_id=f"{order.client_order_id}")
    return before_ns


def test_a_venue_whose_balances_can_never_be_compared_opens_nothing_for_a_moment_so_that_they_can() -> None:
    bench = Bench()
    read(bench, START)
    asked_ns = a_pair_filled(bench)
    outdated = a_balance("gate", START, asked_ns=asked_ns)
    bench.wait_ms(59_000)
    assert not bench.tell(outdated)  # one refresh that cannot be compared is nothing unusual
    bench.wait_ms(1_000)
    asked = bench.tell(outdated)
    assert [c.timer for c in asked if isinstance(c, SetTimer)] == ["drift:gate"]
    assert not opens(bench)
    again = bench.tell(TimerFired(timer="drift:gate"))
    assert [c.venue for c in again if isinstance(c, RefreshBalances)] == ["gate"]


def test_openings_wait_no_longer_than_a_second_and_then_not_again_for_ten() -> None:
    bench = Bench()
    crossed(bench)
    gate, held = bench.engine.state.venues["gate"], 0
    for _ in range(1_800):
        bench.wait_ms(100)
        read(bench, START)
        held += gate.blocked_until_ns(Source.COMPARISON) > bench.now_ns
    assert 0 < held <= 120
    bench.wait_ms(1_000)
    assert not bench.tell(TimerFired(timer="drift:gate"))


def test_openings_go_on_as_soon_as_the_balances_were_compared() -> None:
    bench = Bench()
    buy, sell = crossed(bench)
    bench.wait_ms(60_000)
    read(bench, START)
    bench.wait_ms(60_000)
    read(bench, START)
    for order in (buy, sell):
        bench.wait_ms(1)
        accept(bench, order, "1")
        fill(bench, order, "1", fee="0")
    assert not opens(bench)
    read(bench, {"USDT": "99900", "BTC": "3"})
    assert opens(bench)


def test_pushed_balances_do_not_put_off_the_reading_of_an_open_case() -> None:
    bench = Bench()
    read(bench, START | {"BTC": "2.5"})
    pushed = BalancesReported(venue="gate", balances={}, complete=False, asked_ns=0)
    assert not [command for command in bench.tell(pushed) if isinstance(command, SetTimer)]
