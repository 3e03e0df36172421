"""A venue that does not answer at the start: the others trade and repair what is certain, and it joins them when it answers."""

from copy import copy

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import Finish, PlaceOrder, QueryOrder, RefreshBalances, SetTimer
from arb.core.messages.events import OrderFilled, OrderQueried, ResumeAsked, ShutdownAsked, TimerFired
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.records import IncidentRecord, PairState
from arb.core.messages.recovery_records import BarredInstrument, ControlRecord
from arb.core.messages.settings import Timing
from arb.core.state.blocks import Source
from arb.market.order import OrderStatus, Role, Side
from arb.market.scale import common_scale
from tests.builders import FUNDS, SYMBOL, Bench, D, a_balance, a_fill, a_report, an_instrument
from tests.unit.core.accounts.test_restart import left_behind
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

LATER = 1_760_000_500
ALL = ("gate", "okx", "bitget")


def incidents(bench: Bench, kind: IncidentKind) -> list[IncidentRecord]:
    """Return the incidents of a kind."""
    return [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == kind]


def naked_at_gate() -> Restored:
    """Return what a process leaves that dies with its buy filled at gate and its sale refused by okx."""
    dead = Bench(venues=ALL)
    buy, sell = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    refuse(dead, sell)
    return left_behind(dead)


def unanswered_at_okx() -> Restored:
    """Return what a process leaves that dies with its buy filled at gate and its sale at okx unanswered."""
    dead = Bench(venues=ALL)
    buy, _ = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    return left_behind(dead)


def the_sale() -> PlaceOrder:
    """Return the order that `unanswered_at_okx` leaves without an answer: the same process sends the same."""
    return crossed(Bench(venues=ALL))[1]


def half_sold_at_okx() -> Restored:
    """Return what a process leaves whose buy filled, whose sale at okx ended with 0.3 filled."""
    dead = Bench(venues=ALL)
    buy, sell = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    accept(dead, sell, "0.3")
    fill(dead, sell, "0.3")
    return left_behind(dead)


def without_okx(left: Restored, **details: object) -> Bench:
    """Start a process to which okx does not answer; the others' books are as they were."""
    bench = Bench(venues=ALL, restored=left, run_id=LATER, absent={"okx": "HTTP 503"}, **details)  # type: ignore[arg-type]
    bench.wait_ms(Timing().leg_deadline_ms / 2 + 1)  # a repair that the journal lost there is waited for no longer
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.quote("bitget", "100x5", "100.5x5")
    return bench


def test_the_venues_that_answer_trade_and_an_incident_says_which_does_not() -> None:
    bench = Bench(venues=ALL, absent={"okx": "HTTP 503"})
    [told] = incidents(bench, IncidentKind.VENUE_ABSENT)
    assert (told.venue, told.severity) == ("okx", "warning")
    assert "HTTP 503" in told.text
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("bitget", "101x1", "101.2x5")
    bench.drain()
    assert {order.venue for order in bench.placed()} == {"gate", "bitget"}


def test_nothing_is_asked_of_an_absent_venue() -> None:
    bench = without_okx(unanswered_at_okx())
    bench.tell(TimerFired(timer="balances"))
    for command in [command for command in bench.said if isinstance(command, SetTimer)]:
        bench.tell(TimerFired(timer=command.timer))
    bench.drain()
    asked = {c.venue for c in bench.said if isinstance(c, QueryOrder | RefreshBalances)}
    assert "okx" not in asked


def test_a_leg_left_naked_is_repaired_at_the_venues_that_answer() -> None:
    bench = without_okx(naked_at_gate())
    bench.drain()
    [repair] = bench.placed()
    assert (repair.side, repair.size, repair.role) == (Side.SELL, D(1), Role.HEDGE)
    assert repair.venue == "bitget"  # its bid is the better one
    accept(bench, repair, "1")
    fill(bench, repair, "1")
    assert last_pair(bench).state is PairState.COMPLETED
    assert bench.engine.state.control.halted is None


def test_a_leg_is_not_repaired_on_belief_about_an_order_that_nobody_can_ask_for() -> None:
    bench = without_okx(unanswered_at_okx())
    bench.drain()
    assert not bench.placed()
    [told] = incidents(bench, IncidentKind.VENUE_ABSENT)
    assert told.severity == "critical" and str(last_pair_id(bench)) in told.text


def last_pair_id(bench: Bench) -> int:
    """Return the id of the one open pair."""
    [pair_id] = bench.engine.manager.open
    return pair_id


def test_what_is_uneven_whatever_became_of_that_order_is_repaired() -> None:
    left = half_sold_at_okx()
    orders = tuple(
        msgspec.structs.replace(order, status=OrderStatus.OPEN, size=D("0.6"), filled=D("0.3"))
        if order.venue == "okx"
        else order
        for order in left.pairs[0].orders
    )
    bench = without_okx(Restored(pairs=(msgspec.structs.replace(left.pairs[0], orders=orders),)))
    bench.drain()
    # 1 was bought and 0.3 sold; 0.3 more may have been: 0.4 is too much in any case.
    [repair] = bench.placed()
    assert (repair.side, repair.size) == (Side.SELL, D("0.4"))
    accept(bench, repair, "0.4")
    fill(bench, repair, "0.4")
    bench.wait_ms(100)
    bench.quote("gate", "99.9x5", "100.5x5")
    bench.quote("bitget", "100x5", "100.5x5")
    bench.drain()
    assert bench.placed() == [repair]
    [pair] = bench.engine.manager.open.values()
    assert pair.state is PairState.REPAIRING


def test_when_the_venue_answers_its_orders_are_asked_for_and_the_pair_ends() -> None:
    bench = without_okx(unanswered_at_okx())
    bench.drain()
    bench.arrive("okx")
    [pair] = bench.engine.manager.open.values()
    [sale] = [order for order in pair.orders.values() if order.venue == "okx"]
    asked = bench.tell(TimerFired(timer=f"order:{sale.client_order_id}"))
    assert [command.venue for command in asked if isinstance(command, QueryOrder)] == ["okx"]
    told = the_sale()
    assert told.client_order_id == sale.client_order_id
    bench.tell(
        OrderQueried(
            venue="okx",
            symbol=SYMBOL,
            client_order_id=sale.client_order_id,
            attempt=1,
            complete=True,
            report=a_report(told, "1"),
            fills=(a_fill(told, "1", fee="0.101", at_ns=bench.now_ns),),
            started_ns=bench.now_ns,
        )
    )
    assert last_pair(bench).state is PairState.COMPLETED
    assert not bench.placed()
    assert [row.severity for row in incidents(bench, IncidentKind.VENUE_ABSENT)] == ["critical", "info"]


def test_a_venue_that_has_come_trades_like_the_others() -> None:
    bench = Bench(venues=ALL, absent={"okx": "HTTP 503"})
    bench.arrive("okx")
    buy, sell = crossed(bench)
    assert (buy.venue, sell.venue) == ("gate", "okx")


def test_books_are_compared_on_a_finer_scale_when_a_venue_with_finer_steps_comes() -> None:
    bench = Bench(venues=ALL, absent={"okx": "HTTP 503"})
    bench.quote("gate", "99.9x5", "100x1")
    bench.arrive("okx", an_instrument("okx", tick=D("0.001"), lot=D("0.0001")))
    assert bench.engine.state.books.is_live("gate", SYMBOL)  # it moves to the new scale and needs no snapshot
    buy, sell = crossed(bench)
    assert (buy.venue, sell.venue) == ("gate", "okx")
    assert bench.books.scales[SYMBOL] == common_scale([D("0.001")], [D("0.0001")])


def test_no_pair_of_a_venue_that_is_down_or_whose_key_was_changed_is_ever_given_up() -> None:
    bench = without_okx(unanswered_at_okx())
    bench.arrive("okx", account_id="okx:another")
    assert bench.engine.state.control.halted == "stranded"
    bench.tell(ResumeAsked(reason="looked after by hand"))
    assert not bench.engine.state.blocks.of(Source.HALT)
    assert [pair.state for pair in bench.engine.manager.unfinished] == [PairState.OPENING]
    assert not incidents(bench, IncidentKind.ABANDONED)
    bench.tell(
        OrderFilled(fill=a_fill(the_sale(), "1", at_ns=bench.now_ns))
    )  # of another account: nothing of it is ours
    assert not bench.engine.manager.open


def test_the_same_account_under_another_name_is_the_same_account() -> None:
    left = unanswered_at_okx()
    orders = tuple(
        msgspec.structs.replace(order, account_id="okx-0123456789ab") if order.venue == "okx" else order
        for order in left.pairs[0].orders
    )
    barred = BarredInstrument("okx-0123456789ab", "compliance", an_instrument("okx"))
    control = ControlRecord(
        halted=None, day_utc="2025-10-09", day_net_e8=0, consecutive_losses=0, ns=1, text="", barred=(barred,)
    )
    bench = without_okx(
        Restored(pairs=(msgspec.structs.replace(left.pairs[0], orders=orders),), control=control),
        accounts={"gate": "gate:test", "okx": "okx-0123456789ab", "bitget": "bitget:test"},
    )
    bench.arrive("okx", account_id="okx-uid-7", former=("okx-0123456789ab",))
    assert bench.engine.state.control.halted is None
    [pair] = bench.engine.manager.open.values()
    assert {order.account_id for order in pair.orders.values()} == {"gate:test", "okx-uid-7"}
    assert bench.engine.state.is_barred("okx", SYMBOL)


def test_a_symbol_that_the_venue_no_longer_lists_strands_the_pair_when_it_comes() -> None:
    bench = without_okx(unanswered_at_okx())
    bench.arrive("okx", an_instrument("okx", "ETH/USDT"))
    assert bench.engine.state.control.halted == "stranded"


def test_a_run_ends_without_waiting_for_the_balances_of_a_venue_that_is_absent() -> None:
    bench = Bench(venues=ALL, absent={"okx": "HTTP 503"})
    bench.tell(ShutdownAsked(deadline_ns=bench.now_ns + 10**10))
    bench.wait_ms(1)
    for venue in ("gate", "bitget"):
        bench.tell(a_balance(venue, FUNDS, asked_ns=bench.now_ns))
    assert any(isinstance(command, Finish) for command in bench.said)


@pytest.mark.thorough
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Side)), st.integers(1, 9), st.integers(0, 9), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_what_is_certainly_uneven_is_never_more_than_any_outcome_leaves(
    drawn: list[tuple[Side, int, int, bool]], data: st.DataObject
) -> None:
    """Whatever the unsettled orders turn out to have traded: what is repaired before leaves no more uneven than there was."""
    dead = Bench(venues=ALL)
    crossed(dead)
    [pair] = dead.engine.manager.open.values()
    template = next(iter(pair.orders.values()))
    pair.orders = {}
    final = D(0)
    for number, (side, size, filled, settled) in enumerate(drawn):
        order = copy(template)
        order.client_order_id, order.side, order.size, order.fills = f"o{number}", side, D(size), {}
        known = min(filled, size)
        if known:
            order.fills = {("t", number): a_fill(the_sale(), str(known))}  # type: ignore[dict-item]
        order.ended, order.reported_filled = settled, order.filled
        pair.orders[order.client_order_id] = order
        more = 0 if settled else data.draw(st.integers(0, size - known))
        final += (known + more) * (1 if side is Side.BUY else -1)
    certain = pair.certain_imbalance("BTC")
    assert abs(final - certain) <= abs(final)
    if pair.settled:
        assert certain == final
