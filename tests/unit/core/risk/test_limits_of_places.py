"""Limits of one symbol or one venue: they stand in the place of the ones for all, in detection, at the guard and in repairs."""

import pytest

from arb.core.messages.reasons import Reason
from arb.core.messages.records import PairKind, PairRecord, PairState
from arb.core.messages.recovery_records import PlanRecord, Residual
from arb.core.messages.settings import AppliedLimit, Limits, SymbolLimits, VenueLimits
from arb.market.order import Role, Side
from tests.builders import SYMBOL, Bench, D, an_instrument
from tests.unit.core.risk.test_limits import ETH, cross, limited, refused_by
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

BOTH = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, ETH)]
RICH = {"USDT": "100000", "BTC": "100", "ETH": "100"}


def a_bench(limits: Limits) -> Bench:
    return Bench(limits=limits, instruments=BOTH, balances=RICH)


def of_eth(**stated: object) -> dict[str, SymbolLimits]:
    return {ETH: SymbolLimits(**stated)}  # type: ignore[arg-type]


def of_okx(**stated: object) -> dict[str, VenueLimits]:
    return {"okx": VenueLimits(**stated)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"min_edge_bps": D(200)}, Reason.EDGE_BELOW_THRESHOLD),
        ({"min_net_quote": D(50)}, Reason.NET_BELOW_MINIMUM),
        ({"max_edge_bps": D(50)}, Reason.EDGE_IMPLAUSIBLE),
        ({"max_symbol_quote": D(50)}, Reason.RISK_LIMIT),
    ],
)
def test_a_symbol_is_refused_by_its_own_limit_and_no_other_symbol_is(stated: dict[str, object], reason: Reason) -> None:
    bench = a_bench(limited(symbol=of_eth(**stated)))
    assert (cross(bench, ETH), cross(bench)) == (0, 2)
    assert bench.not_taken() == {reason: 1}


@pytest.mark.parametrize(
    "stated",
    [{"min_edge_bps": D(200)}, {"min_net_quote": D(50)}, {"max_edge_bps": D(50)}, {"max_notional_quote": D(0)}],
)
@pytest.mark.parametrize("venue", ["gate", "okx"])
def test_a_limit_of_either_venue_holds_for_the_pair(venue: str, stated: dict[str, object]) -> None:
    limits = limited(venue={venue: VenueLimits(**stated)})  # type: ignore[arg-type]
    assert cross(a_bench(limits)) == 0


def test_a_symbol_may_be_traded_for_more_and_for_less_than_the_others() -> None:
    strict = Limits(min_net_quote=D(0), min_edge_bps=D(200))
    assert cross(a_bench(strict), ETH) == 0
    loose = Limits(min_net_quote=D(0), min_edge_bps=D(200), symbol=of_eth(min_edge_bps=D(1)))
    bench = a_bench(loose)
    assert (cross(bench), cross(bench, ETH)) == (0, 2)


def bought_for(bench: Bench) -> object:
    """Return what the only pair's buy leg is worth."""
    (buy,) = [order for order in bench.placed() if order.side is Side.BUY]
    return buy.size * 100


def test_of_a_symbol_and_a_venue_and_of_two_venues_the_stricter_limit_sizes_the_pair() -> None:
    for symbol, okx, gate, most in (
        (90, 40, None, 40),
        (40, 90, None, 40),
        (None, 90, 60, 60),
        (None, 5000, 5000, 100),
    ):
        limits = limited(
            max_notional_quote=D(70),
            symbol={} if symbol is None else of_eth(max_notional_quote=D(symbol)),
            venue=of_okx(max_notional_quote=D(okx))
            | ({} if gate is None else {"gate": VenueLimits(max_notional_quote=D(gate))}),
        )
        bench = a_bench(limits)
        assert cross(bench, ETH) == 2
        assert D(most) * D("0.98") <= bought_for(bench) <= most, (symbol, okx, gate)  # type: ignore[operator]


def test_a_venue_that_states_nothing_keeps_the_limit_for_all() -> None:
    assert Limits(venue=of_okx(min_edge_bps=D(3))).at(SYMBOL, ("gate", "okx")).min_edge_bps == 6


def test_the_capital_at_a_venue_is_limited_there_and_nowhere_else() -> None:
    bench = a_bench(limited(venue=of_okx(max_capital_per_venue_quote=D(150))))
    assert refused_by(bench) is None
    assert refused_by(bench, "151") == "max_capital_per_venue_quote"
    wide = limited(max_capital_per_venue_quote=D(50), venue=of_okx(max_capital_per_venue_quote=D(150)))
    assert refused_by(a_bench(wide)) == "max_capital_per_venue_quote"  # gate's is still the one for all


def test_what_open_pairs_of_a_symbol_may_pay_is_its_own() -> None:
    bench = a_bench(limited(max_symbol_quote=D(10_000), symbol=of_eth(max_symbol_quote=D(150))))
    assert cross(bench, ETH) == 2
    assert (refused_by(bench, symbol=ETH), refused_by(bench)) == ("max_symbol_quote", None)


def test_what_is_dust_is_the_symbols_own_at_the_decision_and_at_the_end() -> None:
    coarse = [an_instrument(venue, min_size=D("0.3")) for venue in ("gate", "okx")]
    refused = Bench(limits=limited(), instruments=coarse, balances=RICH)
    assert cross(refused) == 0
    assert refused.not_taken() == {Reason.UNHEDGEABLE_PARTIAL: 1}
    bench = Bench(
        limits=limited(symbol={SYMBOL: SymbolLimits(dust_max_quote=D(50))}), instruments=coarse, balances=RICH
    )
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    accept(bench, sell, "0.9")
    fill(bench, sell, "0.9", trade_id="t2")  # a tenth is worth 10, and no legal order brings it down
    assert last_pair(bench).state is PairState.COMPLETED and len(bench.placed()) == 2


@pytest.mark.parametrize(("stated", "sold"), [({}, 0), ({SYMBOL: SymbolLimits(dust_max_quote=D(1))}, 1)])
def test_the_dust_of_a_symbol_is_sold_once_it_is_worth_the_symbols_own_limit(
    stated: dict[str, SymbolLimits], sold: int
) -> None:
    bench = Bench(venues=("bitget", "gate", "okx"), limits=limited(symbol=stated), balances=RICH)
    bench.quote("bitget", "100.4x5", "100.6x5")  # what the pair sweeps cannot be traded on at once
    bench.engine.state.residuals.add_dust(Residual(SYMBOL, D("0.02"), D(2), bench.now_ns))
    buy, sell = crossed(bench)
    fill(bench, buy, "1")
    fill(bench, sell, "1", trade_id="t2")
    kinds = {row.id: row.kind for row in bench.rows(PairRecord) if isinstance(row, PairRecord)}
    assert list(kinds.values()).count(PairKind.DUST) == sold


def test_the_plan_of_a_pair_names_the_limits_that_were_applied() -> None:
    limits = limited(symbol=of_eth(min_edge_bps=D(2), max_notional_quote=D(80)), venue=of_okx(max_notional_quote=D(40)))
    bench = a_bench(limits)
    assert (cross(bench), cross(bench, ETH)) == (2, 2)
    first, second = [plan.limits for plan in bench.rows(PlanRecord) if isinstance(plan, PlanRecord)]
    assert first == (AppliedLimit("max_notional_quote", D(40), "[limits.venue.okx]"),)
    assert second == (
        AppliedLimit("min_edge_bps", D(2), f'[limits."{ETH}"]'),
        AppliedLimit("max_notional_quote", D(40), "[limits.venue.okx]"),
    )


def test_a_repair_reaches_as_far_as_the_symbols_own_slippage() -> None:
    reached = []
    for slip in (D(5), D(40)):
        bench = Bench(limits=limited(symbol={SYMBOL: SymbolLimits(max_slippage_bps=slip)}), balances=RICH)
        buy, sell = crossed(bench)
        accept(bench, buy, "1")
        fill(bench, buy, "1")
        refuse(bench, sell)
        bench.wait_ms(60)
        bench.quote("okx", "100.9x5", "101.2x5")
        bench.quote("gate", "99.9x5", "100x1")
        bench.drain()
        repair = next(order for order in bench.placed() if order.role is Role.HEDGE)
        reached.append(repair.price)
    assert reached[1] < reached[0]
