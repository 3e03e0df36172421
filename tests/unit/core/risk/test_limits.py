"""What may be put at risk at once: each limit refuses the pair that would pass it, with the reason `risk_limit`."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from arb.core.accounts.restart import Restored
from arb.core.messages.events import FlattenAsked, ResumeAsked, RunEnded
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord, OpportunityRecord, PairKind
from arb.core.messages.recovery_records import ControlRecord, PlanRecord, Residual
from arb.core.messages.settings import Limits
from arb.core.risk.limits import breached
from arb.core.state.budget import Held, PlaceRate, RateBudget
from arb.core.state.engine_state import VenueProfile
from arb.market.route import Route
from arb.venues.registry import SPECS
from tests.builders import START_NS, SYMBOL, Bench, D, a_report, an_instrument
from tests.unit.core.accounts.test_restart import left_behind, restarted
from tests.unit.core.trades.test_flatten import HOLD, tick
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

ROOM = Limits(min_net_quote=D(0), min_edge_bps=D(1))
ETH = "ETH/USDT"
VENUES = ("bitget", "gate")
PACING = {spec.name: spec.trading.pacing for spec in SPECS}


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


def refused_by(bench: Bench, notional: str = "100", symbol: str = SYMBOL) -> str | None:
    """Return the limit that a further pair of a symbol would pass."""
    engine, route = bench.engine, Route.of(symbol, "gate", "okx")
    return breached(engine.state, engine.manager, route, D(notional), bench.now_ns)


def carry_one(bench: Bench) -> None:
    """Let a pair end as carried: one base bought for 100, its sale refused, and held by policy (worth 100.899)."""
    bench.wait_ms(100)
    buy, sell = crossed(bench)
    accept(bench, buy, "1")
    fill(bench, buy, "1", trade_id=f"t{buy.client_order_id}")
    refuse(bench, sell)


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
    assert refused_by(bench) == next(iter(changes))
    bench.tell(RunEnded(exit_code=0))
    [row] = bench.engine.take_untraded()
    assert isinstance(row, OpportunityRecord)
    assert row.reason == Reason.RISK_LIMIT


def test_open_pairs_of_one_symbol_leave_room_for_another() -> None:
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, ETH)]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "5"}
    bench = Bench(instruments=listed, limits=limited(max_symbol_quote=D(150)), balances=funds)
    assert cross(bench) == 2
    assert refused_by(bench) == "max_symbol_quote"
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


@pytest.mark.parametrize("limit", ["max_symbol_quote", "max_asset_quote", "max_unhedged_quote"])
def test_base_that_closed_pairs_carry_takes_its_room_in_the_limits(limit: str) -> None:
    bench = Bench(policy=HOLD, limits=limited(**{limit: D(250)}, max_edge_bps=D(2000)))
    carry_one(bench)
    assert refused_by(bench) is None
    carry_one(bench)
    assert not bench.engine.manager.open
    assert refused_by(bench) == limit
    bench.end_episodes()
    bench.wait_ms(100)
    assert cross(bench) == 0
    assert bench.not_taken().get(Reason.RISK_LIMIT, 0) == 1


def test_carried_base_leaves_other_assets_their_room_but_not_the_whole() -> None:
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, ETH)]
    changes = {"max_symbol_quote": D(150), "max_asset_quote": D(150), "max_unhedged_quote": D(250)}
    bench = Bench(instruments=listed, policy=HOLD, limits=limited(**changes))
    carry_one(bench)
    assert refused_by(bench) == "max_symbol_quote"
    assert refused_by(bench, symbol=ETH) is None
    assert refused_by(bench, "150", symbol=ETH) == "max_unhedged_quote"


def test_missing_base_counts_like_base_too_many() -> None:
    bench = Bench(limits=limited(max_unhedged_quote=D(150)))
    bench.engine.state.residuals.carry(Residual(SYMBOL, D(-1), D(-100), bench.now_ns))
    assert refused_by(bench) == "max_unhedged_quote"


def test_dust_counts_in_no_limit_while_it_is_dust_in_sum() -> None:
    bench = Bench(limits=limited(max_unhedged_quote=D(150), dust_total_max_quote=D(60)))
    residuals = bench.engine.state.residuals
    residuals.add_dust(Residual(SYMBOL, D("0.6"), D(60), bench.now_ns))
    assert refused_by(bench) is None
    residuals.add_dust(Residual(SYMBOL, D("0.001"), D("0.1"), bench.now_ns))
    assert refused_by(bench) == "max_unhedged_quote"


def test_carried_base_counts_until_a_pair_has_traded_it_back_to_flat() -> None:
    """A user who resumes during a flatten does not find the limits empty while its order is under way."""
    bench = Bench(policy=HOLD, limits=limited(max_unhedged_quote=D(150)))
    carry_one(bench)
    bench.tell(FlattenAsked(reason="enough"))
    [order] = tick(bench)
    bench.tell(ResumeAsked(reason="go on"))
    assert last_pair(bench).kind is PairKind.FLATTEN
    assert refused_by(bench, symbol=ETH) == "max_unhedged_quote"
    accept(bench, order, "1")
    fill(bench, order, "1", trade_id="back")
    assert refused_by(bench) is None


ONE_A_DAY = limited(daily_notional_quote=D(150))
DAY_MS = 86_400_000


def day_notional(bench: Bench) -> object:
    """Return what is counted as to be paid by the pairs of this UTC day."""
    return bench.engine.state.control.day_notional


def test_a_turnover_that_is_used_up_is_an_incident_once_a_day() -> None:
    bench = Bench(limits=ONE_A_DAY)
    for order in crossed(bench):
        accept(bench, order, "1")
        fill(bench, order, "1")
    for _ in range(3):
        bench.wait_ms(5_000)
        assert cross(bench) == 0
    assert incidents(bench) == [("daily_notional", "warning", "daily_notional_quote: 100.1 of 150 used today")]


def test_what_an_open_pair_is_to_pay_is_not_forgotten_by_a_crash() -> None:
    dead = Bench(limits=ONE_A_DAY, unproved=("gate", "okx"))
    legs = crossed(dead)
    assert left_behind(dead).control is None  # nothing closed, nothing halted: the pair alone knows
    bench = restarted(dead, limits=ONE_A_DAY, start_ns=dead.now_ns)
    assert day_notional(bench) == day_notional(dead) == D("100.1")
    for order in legs:
        accept(bench, order, "1")
        fill(bench, order, "1")
    bench.wait_ms(100)
    assert cross(bench) == 0


def test_what_the_last_record_has_of_an_open_pair_is_not_counted_again() -> None:
    dead = Bench(limits=ROOM)
    crossed(dead)
    at_once = dead.engine.state.control.record(dead.now_ns, "in the very moment of the opening")
    left = msgspec.structs.replace(left_behind(dead), control=at_once)
    bench = Bench(restored=left, run_id=1_760_000_500)
    assert day_notional(bench) == D("100.1")
    twice = Bench(restored=left, run_id=1_760_000_900)
    assert day_notional(twice) == D("100.1")


def test_of_several_open_pairs_each_counts_once_whatever_the_last_record_has() -> None:
    listed = [an_instrument(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, ETH)]
    dead = Bench(instruments=listed, limits=ROOM, balances={"USDT": "100000", "BTC": "2", "ETH": "5"})
    crossed(dead)
    between = dead.engine.state.control.record(dead.now_ns, "between the two")
    first = left_behind(dead).pairs
    assert cross(dead, ETH) == 2
    plans = [row for row in dead.rows(PlanRecord) if isinstance(row, PlanRecord)]
    second = msgspec.structs.replace(first[0], plan=plans[1], orders=(), fills=())
    for control in (None, between):
        restored = Restored(control=control, pairs=(*first, second))
        bench = Bench(instruments=listed, restored=restored, run_id=1_760_000_500)
        assert day_notional(bench) == day_notional(dead) == D("200.2")


def test_a_pair_of_another_day_takes_no_room_in_this_one() -> None:
    dead = Bench(limits=ONE_A_DAY)
    crossed(dead)
    bench = restarted(dead, limits=ONE_A_DAY, start_ns=dead.now_ns + DAY_MS * 10**6)
    assert bench.engine.state.control.day_allows(D(150), bench.now_ns)


def test_a_pair_of_this_day_ends_what_the_record_has_of_the_day_before() -> None:
    dead = Bench(limits=ROOM)
    crossed(dead)
    before = ControlRecord(
        halted=None,
        day_utc="2025-10-08",
        day_net_e8=-5,
        consecutive_losses=1,
        ns=START_NS,
        text="",
        day_notional=D(9000),
    )
    bench = Bench(restored=msgspec.structs.replace(left_behind(dead), control=before), run_id=1_760_000_500)
    control = bench.engine.state.control
    assert (control.day_notional, control.day_net_e8, control.losses_in_a_row) == (D("100.1"), 0, 1)


def test_a_pair_that_the_journal_lost_counts_when_it_is_taken_up() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    found: dict[str, object] = {"orders": (a_report(buy, "0"), a_report(sell, "0"))}
    bench = Bench(run_id=1_760_000_500, found=found)
    recovered = [row for row in bench.rows(PlanRecord) if isinstance(row, PlanRecord)][-1]
    most = buy.price * D("1.001")
    assert recovered.day_notional == day_notional(bench) == most


def turnover(bench: Bench) -> object:
    """Return what counts towards the turnover of this UTC day."""
    return bench.engine.state.control.day_turnover


def test_a_pair_whose_legs_filled_nothing_takes_no_turnover_in_the_end() -> None:
    bench = Bench(limits=ONE_A_DAY)
    for order in crossed(bench):
        refuse(bench, order, "ORDER_EXPIRED")
    assert turnover(bench) == 0
    again = Bench(limits=ONE_A_DAY, restored=Restored(control=last_control(bench)), run_id=1_760_000_500)
    assert turnover(again) == 0, "a restart gives the same figure"
    bench.wait_ms(5_000)
    assert cross(bench) == 2


def test_of_a_pair_that_filled_half_half_counts_and_all_while_a_late_fill_has_it_open_again() -> None:
    bench = Bench(limits=ROOM)
    legs = crossed(bench)
    for order in legs:
        accept(bench, order, "0.5")
        fill(bench, order, "0.5", trade_id=f"a{order.client_order_id}")
    assert turnover(bench) == D("50.05")
    first, second = legs
    fill(bench, first, "0.2", trade_id="late")
    assert turnover(bench) == D("100.1"), "open again"
    fill(bench, second, "0.2", trade_id="late too")
    assert not bench.engine.manager.open
    assert turnover(bench) == D("70.07")


def test_a_pair_of_yesterday_gives_nothing_back_to_this_day() -> None:
    bench = Bench(limits=ROOM)
    legs = crossed(bench)
    bench.wait_ms(DAY_MS)
    for order in legs:
        refuse(bench, order)
    bench.engine.state.control.opened(D(70), bench.now_ns)
    assert turnover(bench) == 70


def last_control(bench: Bench) -> ControlRecord:
    """Return the control row that a restart restores."""
    return [row for row in bench.rows(ControlRecord) if isinstance(row, ControlRecord)][-1]


# Rate budgets: an entry is refused where its leg could take the room of a hedge, its own or that of an open pair.


def budget() -> RateBudget:
    """Return windows of 4 per 500 ms: all symbols together at bitget, each by itself at gate."""
    return RateBudget({"bitget": (PlaceRate(4, 500, per_symbol=False),), "gate": (PlaceRate(4, 500),)})


def nothing_held(venue: str, symbol: str) -> int:
    """Return that no open pair holds room for a hedge."""
    return 0


def enters(windows: RateBudget, venues: tuple[str, ...], symbol: str, now_ns: int, held: Held = nothing_held) -> bool:
    """Return whether an entry was let through."""
    return windows.try_enter(venues, symbol, held, now_ns)


def test_where_a_venue_counts_all_symbols_together_another_symbol_finds_no_room_either() -> None:
    windows = budget()
    assert enters(windows, VENUES, "BTC/USDT", 0)
    assert enters(windows, VENUES, "ETH/USDT", 0)
    windows.take("bitget", "ETH/USDT", 0)
    assert not enters(windows, VENUES, "SOL/USDT", 0)


def test_where_each_symbol_is_counted_by_itself_another_symbol_finds_room() -> None:
    windows = budget()
    assert [enters(windows, ("gate",), "BTC/USDT", 0) for _ in range(4)] == [True, True, True, False]
    assert enters(windows, ("gate",), "ETH/USDT", 0)


def test_a_refusal_takes_nothing_at_either_venue() -> None:
    windows = budget()
    assert [enters(windows, ("bitget",), "BTC/USDT", 0) for _ in range(3)] == [True, True, True]
    assert not enters(windows, VENUES, "BTC/USDT", 0)
    assert [enters(windows, ("gate",), "BTC/USDT", 0) for _ in range(3)] == [True, True, True]


def test_a_window_slides() -> None:
    windows = budget()
    for _ in range(3):
        assert enters(windows, ("bitget",), "BTC/USDT", 0)
    assert not enters(windows, ("bitget",), "BTC/USDT", 500 * NS_PER_MS - 1)
    assert enters(windows, ("bitget",), "BTC/USDT", 500 * NS_PER_MS)


def test_room_that_open_pairs_hold_for_hedges_is_refused_to_entries_and_free_once_they_close() -> None:
    windows = budget()
    assert enters(windows, ("bitget",), "BTC/USDT", 0)
    two_open = {"bitget": 2}
    assert not enters(windows, ("bitget",), "ETH/USDT", 1, lambda venue, _: two_open[venue])
    two_open["bitget"] = 1
    assert enters(windows, ("bitget",), "ETH/USDT", 1, lambda venue, _: two_open[venue])


def test_the_second_pair_on_one_edge_leaves_the_room_of_an_entry_to_other_edges() -> None:
    windows = RateBudget({"bitget": (PlaceRate(5, 500, per_symbol=False, for_others=2),)})
    assert windows.try_enter(("bitget",), "BTC/USDT", nothing_held, 0)
    assert windows.try_enter(("bitget",), "BTC/USDT", nothing_held, 0, again=True)
    assert not windows.try_enter(("bitget",), "BTC/USDT", nothing_held, 0, again=True)
    assert windows.free_ns(("bitget",), "BTC/USDT", nothing_held, 0, again=True) == 500 * NS_PER_MS
    assert windows.free_ns(("bitget",), "ETH/USDT", nothing_held, 0) == 0
    assert windows.try_enter(("bitget",), "ETH/USDT", nothing_held, 0)


def test_where_only_held_room_is_in_the_way_it_is_looked_at_again_within_a_window() -> None:
    assert budget().free_ns(("bitget",), "BTC/USDT", lambda *_: 3, 7) == 7 + 500 * NS_PER_MS


def test_entries_keep_within_the_guards_orders_a_minute_and_repairs_count_too() -> None:
    profile = VenueProfile("gate", PlaceRate(4, 500), enforces_expiry=True, max_orders_per_minute=5)
    windows = RateBudget({"gate": profile.rates()})
    second_ns = 1000 * NS_PER_MS
    assert all(enters(windows, ("gate",), f"{n}/USDT", n * second_ns) for n in range(3))
    windows.take("gate", "9/USDT", 3 * second_ns)
    assert not enters(windows, ("gate",), "4/USDT", 59 * second_ns), "another symbol's, and another window's"
    assert windows.free_ns(("gate",), "4/USDT", nothing_held, 59 * second_ns) == 60_050 * NS_PER_MS
    assert enters(windows, ("gate",), "4/USDT", 60_050 * NS_PER_MS)


WISHES = st.lists(st.tuples(st.sampled_from(["enter", "hedge", "close"]), st.integers(0, 200)), max_size=80)


@pytest.mark.parametrize("venue", sorted(PACING))
@given(wishes=WISHES)
def test_every_hedge_finds_the_room_its_pair_holds_and_no_window_takes_more_than_the_venue_allows(
    venue: str, wishes: list[tuple[str, int]]
) -> None:
    pacing = PACING[venue].place
    windows = RateBudget({venue: (PlaceRate(pacing.count, pacing.window_ms),)})
    sent_ns, holding, now_ns = list[int](), 0, 0

    def in_window() -> int:
        return sum(at_ns > now_ns - pacing.window_ms * NS_PER_MS for at_ns in sent_ns)

    for wish, later_ms in wishes:
        now_ns += later_ms * NS_PER_MS
        if wish == "enter":
            has_room = in_window() + holding + 2 <= pacing.count
            assert enters(windows, (venue,), "BTC/USDT", now_ns, lambda *_: holding) == has_room  # noqa: B023
            if has_room:
                assert in_window() < pacing.count - pacing.reserve, "the pacing would refuse it"
                sent_ns.append(now_ns)
                holding += 1
        elif holding:
            holding -= 1
            if wish == "hedge":
                windows.take(venue, "BTC/USDT", now_ns)
                sent_ns.append(now_ns)
        assert in_window() + holding <= pacing.count


def test_a_pair_holds_a_hedge_at_both_venues_until_it_sends_one_there_or_closes() -> None:
    bench = Bench(limits=ROOM)
    held = bench.engine.manager.hedges_held
    buy, sell = crossed(bench)
    assert [held(venue, symbol) for venue in ("gate", "okx") for symbol in (SYMBOL, "", ETH)] == [1, 1, 0, 1, 1, 0]
    left = left_behind(bench)
    again = Bench(restored=left, run_id=1_760_000_500)
    assert again.engine.manager.hedges_held("gate", "") == 1, "a restart derives it from the open pair"
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    tick(bench)
    hedge = bench.placed()[2]
    others = {"gate", "okx"} - {hedge.venue}
    assert held(hedge.venue, "") == 0 and all(held(venue, "") == 1 for venue in others)
    accept(bench, hedge, str(hedge.size))
    fill(bench, hedge, str(hedge.size), trade_id="t2")
    assert not bench.engine.manager.open
    assert [held(venue, "") for venue in ("gate", "okx")] == [0, 0]


LOSS_OF_FIVE = limited(daily_loss_quote=D(5), max_price_ratio_bps=D(1000))


def end_with(bench: Bench, price: str) -> None:
    """Open a pair that buys one base for 100, and let its sale bring `price`; 0.1 % of fee on both."""
    bench.wait_ms(61_000)  # an edge that stands through two pairs in a minute is paused
    assert cross(bench) == 2
    buy, sell = bench.placed()[-2:]
    for order, filled_at in ((buy, "100"), (sell, price)):
        accept(bench, order, "1")
        fill(bench, order, "1", price=filled_at, trade_id=f"t{order.client_order_id}")


def incidents(bench: Bench) -> list[tuple[str, str, str]]:
    """Return kind, severity and the first two parts of the text of all incidents about risk."""
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    kinds = ("risk_limit", "halt", "daily_notional", "daily_loss", "daily_exposure")
    return [(row.kind, row.severity, ":".join(row.text.split(":")[:2])) for row in rows if row.kind in kinds]


def test_the_days_loss_refuses_as_a_risk_limit_and_is_reported_once() -> None:
    bench = Bench(limits=LOSS_OF_FIVE)
    end_with(bench, "94")
    bench.end_episodes()
    bench.wait_ms(100)
    assert cross(bench) == 0
    assert bench.not_taken().get(Reason.RISK_LIMIT.value, 0)
    assert refused_by(bench) == "daily_loss_quote"
    assert incidents(bench) == [("daily_loss", "critical", "daily_loss_quote: 6.194 of 5 used today")]


def test_after_a_new_allowance_a_winner_trades_on_and_the_next_loss_of_it_blocks_again() -> None:
    bench = Bench(limits=LOSS_OF_FIVE, balances={"USDT": "100000", "BTC": "20"})
    end_with(bench, "94")
    bench.tell(ResumeAsked(reason="seen"))
    bench.wait_ms(100)
    assert cross(bench) == 0
    bench.tell(ResumeAsked(reason="seen", allow_loss=D(1)))
    end_with(bench, "101")
    assert refused_by(bench) is None
    end_with(bench, "98")
    assert refused_by(bench) == "daily_loss_quote"
    assert [(kind, severity) for kind, severity, _ in incidents(bench)] == [
        ("daily_loss", "critical"),
        ("daily_loss", "info"),
        ("daily_loss", "critical"),
    ]


def test_a_restart_on_the_same_day_is_still_blocked_and_one_on_the_next_is_not() -> None:
    dead = Bench(limits=LOSS_OF_FIVE)
    end_with(dead, "94")
    same = restarted(dead, limits=LOSS_OF_FIVE, start_ns=dead.now_ns)
    assert refused_by(same) == "daily_loss_quote"
    next_day = restarted(dead, limits=LOSS_OF_FIVE, start_ns=dead.now_ns + DAY_MS * 10**6)
    assert refused_by(next_day) is None
