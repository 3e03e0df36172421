"""One step in two halves: what is opened may leave after the first, and both together are the step that it was as one."""

import pytest

from arb.core.messages.commands import Persist, PlaceOrder
from arb.core.messages.events import AnyEvent, PrivateDown, QueueDrained
from arb.core.messages.records import OrderRecord, PairRecord
from arb.core.messages.recovery_records import ControlRecord, PlanRecord
from arb.core.state.outbox import Outbox
from arb.errors import InvariantError
from tests.builders import Bench, D


def crossed() -> Bench:
    bench = Bench()
    bench.quote("gate", "99.9x2", "100x1")
    bench.quote("okx", "101x1", "101.1x2")
    return bench


def stamped(bench: Bench, event: AnyEvent) -> AnyEvent:
    bench.seq += 1
    return type(event)(seq=bench.seq, t_ns=bench.now_ns)  # type: ignore[call-arg]


def test_the_first_half_gives_the_orders_whole_and_reserves_for_them() -> None:
    bench = crossed()
    (intent,) = bench.engine.begin(stamped(bench, QueueDrained()))
    buy, sell = intent.orders
    assert [(o.place.venue, o.place.price, o.place.size) for o in (buy, sell)] == [
        ("gate", D(100), D(1)),
        ("okx", D(101), D(1)),
    ]
    assert (buy.account_id, sell.account_id, buy.offset_ns) == ("gate:test", "okx:test", 0)
    assert (intent.seq, intent.t_ns, intent.run_id) == (bench.seq, bench.now_ns, bench.engine.state.run_id)
    assert bench.engine.state.inventory.reserved("gate", "USDT") == intent.hold_quote
    assert bench.engine.state.inventory.reserved("okx", "BTC") == intent.hold_base == D(1)


def test_both_halves_together_give_what_one_step_gives_in_the_same_order() -> None:
    whole, halved = crossed(), crossed()
    expected = whole.tell(QueueDrained())
    (intent,) = halved.engine.begin(stamped(halved, QueueDrained()))
    assert halved.engine.finish() == expected
    assert tuple(command for command in expected if isinstance(command, PlaceOrder)) == intent.places
    kinds = [type(c.record) for c in expected if isinstance(c, Persist)]
    assert kinds.index(PlanRecord) < kinds.index(PairRecord) < kinds.index(OrderRecord)


def test_what_an_intent_stands_for_is_what_the_step_wrote_of_pair_and_orders() -> None:
    bench = crossed()
    (intent,) = bench.engine.begin(stamped(bench, QueueDrained()))
    bench.engine.finish()
    (pair,) = bench.engine.manager.open.values()
    assert (pair.id, pair.number, pair.opportunity_id) == (intent.pair_id, intent.number, intent.opportunity_id)
    for order in intent.orders:
        entry = pair.orders[order.place.client_order_id]
        assert (entry.order_id, entry.account_id, entry.expires_ns) == (
            order.id,
            order.account_id,
            order.place.expires_ns,
        )


def test_an_event_that_opens_nothing_has_nothing_in_its_first_half() -> None:
    bench = crossed()
    assert bench.engine.begin(PrivateDown(seq=bench.seq + 1, t_ns=bench.now_ns, venue="gate", cause="x")) == ()
    assert bench.engine.state.venues["gate"].private_up
    bench.engine.finish()
    assert not bench.engine.state.venues["gate"].private_up


def test_a_second_half_without_a_first_is_our_own_bug() -> None:
    bench = crossed()
    with pytest.raises(InvariantError, match="never began"):
        bench.engine.finish()


def test_commands_left_for_later_stand_where_they_were_left() -> None:
    def row(text: str) -> ControlRecord:
        return ControlRecord(halted=None, day_utc="", day_net_e8=0, consecutive_losses=0, ns=0, text=text)

    out = Outbox()
    out.begin(7)
    out.refresh("a")
    out.later(lambda: out.refresh("b"))
    out.refresh("c")
    out.write_rows()
    out.later(lambda: out.refresh("e"))
    out.refresh("f")
    assert [command.venue for command in out.take()] == ["a", "b", "c", "e", "f"]  # type: ignore[union-attr]
