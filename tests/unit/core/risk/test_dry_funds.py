"""Funds that have run dry are told once, and once more when they are back."""

from arb.core.messages.records import IncidentRecord
from tests.builders import Bench
from tests.unit.core.trades.test_trade import accept, crossed, fill


def told(bench: Bench) -> list[tuple[str, str | None, str]]:
    found = bench.rows(IncidentRecord)
    return [(row.severity, row.venue, row.text) for row in found if row.kind == "funds_short"]


def offer(bench: Bench, *, rounds: int = 3) -> int:
    """Show an edge from gate to okx again and again; return how many orders went out."""
    before = len(bench.placed())
    for _ in range(rounds):
        bench.quote("gate", "99.9x5", "100x1")
        bench.quote("okx", "101x1", "101.2x5")
        bench.drain()
        bench.wait_ms(100)
        bench.quote("okx", "99.9x1", "101.2x5")
        bench.drain()
        bench.wait_ms(1_500)
    return len(bench.placed()) - before


def test_quote_that_is_too_little_for_any_pair_is_one_warning_however_often_it_bars_one() -> None:
    bench = Bench(reported={"gate": {"USDT": "0.5", "BTC": "2"}})
    assert offer(bench) == 0
    [(severity, venue, text)] = told(bench)
    assert (severity, venue) == ("warning", "gate")
    assert text == "USDT at gate has run dry: 0.5 free is too little for any pair in BTC/USDT"


def test_base_that_was_never_sold_there_is_no_news() -> None:
    bench = Bench(reported={"okx": {"USDT": "5000", "BTC": "0"}})
    assert offer(bench) == 0
    assert told(bench) == []


def test_base_that_was_sold_down_is_a_warning_and_its_return_ends_it() -> None:
    bench = Bench(reported={"okx": {"USDT": "5000", "BTC": "1"}})
    buy, sell = crossed(bench)
    for leg in (buy, sell):
        accept(bench, leg, "1")
        fill(bench, leg, "1")
    bench.wait_ms(2_000)
    assert offer(bench) == 0
    [(severity, venue, _)] = told(bench)
    assert (severity, venue) == ("warning", "okx")
    bench.quote("okx", "97.9x1", "98x1")  # the market turns, and a pair buys it back
    bench.drain()
    for leg in bench.placed()[-2:]:
        accept(bench, leg, "1")
        fill(bench, leg, "1", "t2")
    bench.wait_ms(2_000)
    assert offer(bench, rounds=1) == 2
    assert told(bench)[1:] == [("info", "okx", "BTC at okx pays for pairs again")]
