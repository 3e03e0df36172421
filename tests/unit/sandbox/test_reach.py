"""Histories end where the venues' documents say, so that nobody builds on lists that reach for ever."""

from arb.sandbox.bitget import reads as bitget_reads
from arb.sandbox.bitget import unified
from arb.sandbox.candles import DAY_NS, HOUR_NS
from arb.sandbox.gate.query import Query
from arb.sandbox.okx import reads as okx_reads
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.test_okx_dialect import ORDER, place, private

SPOT = {"instType": "SPOT"}


def test_okx_shows_fills_of_three_days_orders_of_seven_and_ninety_of_both_in_its_archives() -> None:
    okx = Bench("okx")
    okx.set_book([("50000", "1")], [("50010", "1")])
    filled = place(okx, px="50020", sz="0.0001")["ordId"]
    for days, seen in ((2.9, "11111"), (3.1, "01111"), (7.1, "01010"), (90.1, "00000")):
        at_ns = okx.now_ns + int(days * DAY_NS)
        lists = (
            okx_reads.fills(okx.exchange, SPOT, at_ns),
            okx_reads.fills_history(okx.exchange, SPOT, at_ns),
            okx_reads.ended_orders(okx.exchange, SPOT, at_ns),
            okx_reads.ended_orders_archive(okx.exchange, SPOT, at_ns),
            okx_reads.bills(okx.exchange, {}, at_ns),
        )
        assert "".join(str(int(bool(rows))) for rows in lists) == seen, days
        assert bool(okx_reads.bills_archive(okx.exchange, {}, at_ns)) is (days < 90)
    assert not okx_reads.is_forgotten(okx.exchange.done_orders(okx.now_ns)[0], okx.now_ns + 90 * DAY_NS), filled


def test_okx_forgets_an_order_cancelled_without_a_fill_after_two_hours() -> None:
    okx = Bench("okx")
    placed = place(okx, ordType="limit", px="40000")
    names = {"instId": ORDER["instId"], "ordId": placed["ordId"]}
    private(okx, "trade/cancel-order", "POST", names)
    for hours, seen in ((1.9, True), (2.1, False)):
        at_ns = okx.now_ns + int(hours * HOUR_NS)
        assert bool(okx_reads.ended_orders(okx.exchange, SPOT, at_ns)) is seen
        assert okx_reads.is_forgotten(okx.exchange.done_orders(at_ns)[0], at_ns) is not seen


def test_gate_lists_seven_days_from_one_bound_and_thirty_between_two() -> None:
    now_ns = 100 * DAY_NS

    def span(**params: int) -> list[int]:
        texts = {name: plain_s(days) for name, days in params.items()}
        query = Query({name.rstrip("_"): text for name, text in texts.items()}, "", None, now_ns)
        return [bound // DAY_NS for bound in query.span_ns()]

    assert span() == [93, 100]
    assert span(from_=50) == [50, 57]
    assert span(to=50) == [43, 50]
    assert span(from_=60, to=90) == [60, 90]


def plain_s(days: int) -> str:
    """Return days as the seconds that Gate reads."""
    return str(days * 86_400)


def test_bitget_lists_ninety_days_and_a_unified_account_thirty_without_an_end() -> None:
    bitget = Bench("bitget")
    exchange = bitget.exchange
    exchange.transfer("USDT", exchange.account.balance("USDT").free + 5, bitget.now_ns)
    for days, classic, open_end in ((29, True, True), (31, True, False), (91, False, False)):
        at_ns = bitget.now_ns + days * DAY_NS
        assert bool(bitget_reads.bills(exchange, {}, at_ns)) is classic
        assert bool(unified.records(exchange, {"category": "OTHER"}, at_ns)["list"]) is open_end
