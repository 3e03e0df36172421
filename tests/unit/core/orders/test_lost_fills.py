"""An order whose fills no list of its venue shows any more is settled by what it reports itself."""

import msgspec

from arb.core.messages.events import OrderQueried, OutcomeUnknown
from arb.core.messages.records import FillRecord, IncidentRecord, PairState
from tests.builders import Bench, D, a_report
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair


def test_a_leg_whose_fills_are_out_of_reach_is_settled_by_its_report_with_an_incident() -> None:
    for out_of_reach in (False, True):
        bench = Bench()
        buy, sell = crossed(bench)
        accept(bench, buy, "1")
        fill(bench, buy, "1")
        name = sell.client_order_id
        bench.tell(OutcomeUnknown(venue=sell.venue, client_order_id=name, cause="reset", sent_ns=bench.now_ns))
        for attempt in (1, 2):
            bench.wait_ms(1_000)
            report = msgspec.structs.replace(a_report(sell, "1"), avg_price=D("101.25"))
            bench.tell(
                OrderQueried(
                    venue=sell.venue,
                    symbol=sell.symbol,
                    client_order_id=name,
                    attempt=attempt,
                    complete=not out_of_reach,
                    report=report,
                    fills=(),
                    started_ns=bench.now_ns,
                    out_of_reach=out_of_reach,
                )
            )
        order = bench.engine.manager.orders[name]
        assert order.settled is out_of_reach
        lost = [
            row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == "fills_lost"
        ]
        assert len(lost) == out_of_reach
        if out_of_reach:
            row = bench.rows(FillRecord)[-1]
            assert isinstance(row, FillRecord)
            assert (row.size, row.price, row.fee, row.fee_currency) == (D(1), D("101.25"), D("0.10125"), "USDT")
            assert last_pair(bench).state is PairState.COMPLETED
