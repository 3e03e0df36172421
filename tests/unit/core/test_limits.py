"""What may be put at risk at once: each limit refuses the pair that would pass it, with the reason `risk_limit`."""

import pytest

from arb.core.events import RunEnded
from arb.core.limits import breached
from arb.core.reasons import Reason
from arb.core.records import ControlRecord, OpportunityRecord
from arb.core.restart import Restored
from arb.core.settings import Limits
from tests.builders import START_NS, SYMBOL, Bench, D, an_instrument

ROOM = Limits(min_net_quote=D(0), min_edge_bps=D(1))
ETH = "ETH/USDT"
ROUTE = (SYMBOL, "gate", "okx")


def limited(**changes: object) -> Limits:
    """Return ordinary limits but for the changes."""
    return Limits(min_net_quote=D(0), min_edge_bps=D(1), **changes)  # type: ignore[arg-type]


def cross(bench: Bench, symbol: str = SYMBOL) -> int:
    """Quote one base for 100 with an edge of 1 %, and return how many orders that led to."""
    before = len(bench.placed())
    bench.quote("gate", "99.9x5", "100x1", symbol)
    bench.quote("okx", "101x1", "101.2x5", symbol)
    bench.drain()
    return len(bench.placed()) - before


@pytest.mark.parametrize(
    "changes",
    [
        {"max_symbol_quote": D(50)},
        {"max_asset_quote": D(50)},
        {"max_unhedged_quote": D(50)},
        {"max_capital_per_venue_quote": D(50)},
        {"daily_notional_quote": D(50)},
        {"max_open_pairs": 0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_pair_beyond_a_limit_is_refused_with_the_reason(changes: dict[str, object]) -> None:
    bench = Bench(limits=limited(**changes))
    assert cross(bench) == 0
    assert breached(bench.engine.house, bench.engine.desk, ROUTE, D(100), bench.now_ns) == next(iter(changes))
    bench.tell(RunEnded(exit_code=0))
    [row] = bench.engine.take_untraded()
    assert isinstance(row, OpportunityRecord)
    assert row.reason == Reason.RISK_LIMIT


def test_open_pairs_of_one_symbol_leave_room_for_another() -> None:
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, ETH)]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "5"}
    bench = Bench(instruments=listed, limits=limited(max_symbol_quote=D(150)), balances=funds)
    assert cross(bench) == 2
    assert breached(bench.engine.house, bench.engine.desk, ROUTE, D(100), bench.now_ns) == "max_symbol_quote"
    assert cross(bench, ETH) == 2


def test_symbols_of_one_base_share_its_limit() -> None:
    other = "BTC/USDC"
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, other)]
    funds = {"USDT": "100000", "BTC": "2", "USDC": "100000"}
    bench = Bench(instruments=listed, limits=limited(max_asset_quote=D(150)), balances=funds)
    assert cross(bench) == 2
    assert cross(bench, other) == 0


def test_the_days_turnover_survives_a_restart_and_ends_with_the_day() -> None:
    day_utc = "2025-10-09"  # the day of START_NS
    spent = ControlRecord(
        halted=None, day_utc=day_utc, day_net_e8=0, consecutive_losses=0, ns=START_NS, text="", day_notional=D(450)
    )
    bench = Bench(limits=limited(daily_notional_quote=D(500)), restored=Restored(control=spent))
    assert cross(bench) == 0
    bench.wait_ms(86_400_000)
    assert cross(bench) == 2
