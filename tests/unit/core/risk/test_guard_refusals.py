"""An order that our own guard refuses to sign: never silently, for the limits that led to it contradict each other."""

from decimal import Decimal

from arb.clock import NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import OrderRejected
from arb.core.messages.records import IncidentRecord
from arb.core.messages.settings import Limits
from arb.core.risk.refusals import REFUSALS_EVERY_S
from tests.builders import Bench
from tests.unit.core.trades.test_trade import accept, crossed, fill


def guarded(bench: Bench, order: PlaceOrder, code: str = "guard_value") -> None:
    """Let the guard refuse an order."""
    bench.tell(
        OrderRejected(
            venue=order.venue,
            client_order_id=order.client_order_id,
            code=code,
            message="not signed: a BTC/USDT order of 2003 is outside (0, 2000]",
            sent_ns=0,
            acked_ns=bench.now_ns,
        )
    )


def refusals(bench: Bench) -> list[IncidentRecord]:
    """Return the incidents of the guard."""
    return [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == "guard"]


def a_bench() -> Bench:
    return Bench(limits=Limits(min_net_quote=Decimal(0), min_edge_bps=Decimal(1)))


def test_a_refusal_of_our_own_guard_is_an_incident_with_its_reason() -> None:
    bench = a_bench()
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    guarded(bench, sell)
    [incident] = refusals(bench)
    assert (incident.venue, incident.severity) == (sell.venue, "warning")
    assert "guard_value" in incident.text
    assert "a BTC/USDT order of 2003 is outside (0, 2000]" in incident.text


def test_a_venues_own_refusal_is_none() -> None:
    bench = a_bench()
    buy, _ = crossed(bench)
    guarded(bench, buy, "BALANCE_NOT_ENOUGH")
    assert refusals(bench) == []


def test_refusals_of_one_kind_are_counted_for_a_while_and_not_repeated() -> None:
    bench = a_bench()
    buy, sell = crossed(bench)
    guarded(bench, buy)
    guarded(bench, sell)
    assert len(refusals(bench)) == 2, "each venue's own"
    for _ in range(3):
        guarded(bench, sell)
    assert len(refusals(bench)) == 2
    bench.now_ns += REFUSALS_EVERY_S * NS_PER_S
    guarded(bench, sell)
    assert "3 more since" in refusals(bench)[-1].text
