"""Exposure times time: what scripted runs integrate to, and what happens when it was too much for too long."""

from decimal import Decimal

from arb.clock import NS_PER_DAY, NS_PER_S
from arb.core.messages.events import QueueDrained, ResumeAsked
from arb.core.messages.records import IncidentRecord, PairRecord, PairState
from arb.core.messages.recovery_records import ControlRecord
from arb.core.messages.settings import Limits, OnSingleLeg, RepairPolicy, Timing
from arb.core.state.control import CARRIED
from arb.market.order import Role
from tests.builders import START_NS, Bench, D
from tests.unit.core.accounts.test_restart import restarted
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

NEVER = D(10) ** 12


def limits(*, pair: Decimal = NEVER, day: Decimal = NEVER) -> Limits:
    """Return quiet limits but for exposure."""
    return Limits(
        min_net_quote=D(0),
        min_edge_bps=D(1),
        max_exposure_quote_s_per_pair=pair,
        max_exposure_quote_s_per_day=day,
    )


def mids_at(bench: Bench, mid: str) -> None:
    """Move both books to a wide spread around one middle, so that nothing trades and everything has one price."""
    price = D(mid)
    for venue in bench.venues:
        bench.quote(venue, f"{price - 5}x5", f"{price + 5}x5")


def naked(bench: Bench, size: str = "1") -> None:
    """Fill only the buy leg of a pair; the sell leg is refused, and nothing can be mended within the cap."""
    buy, sell = crossed(bench)
    mids_at(bench, "100")
    accept(bench, buy, size)
    fill(bench, buy, size)
    refuse(bench, sell)


def halted(bench: Bench) -> str | None:
    """Return the reason of the halt, if there is one."""
    return bench.engine.state.control.halted


def today(bench: Bench) -> dict[str, Decimal]:
    """Return the day's sums by venue."""
    return bench.engine.state.control.exposure.by_venue


def test_too_much_in_a_day_stops_new_pairs_within_one_event_and_says_so() -> None:
    bench = Bench(venues=("gate", "okx", "bitget"), limits=limits(day=D(1000)), timing=Timing(leg_deadline_ms=3000))
    naked(bench)
    bench.wait_ms(9_999)
    bench.tell(QueueDrained())
    assert halted(bench) == "leg_deadline"
    bench.tell(ResumeAsked(reason="go on"))
    assert halted(bench) is None
    bench.wait_ms(1)
    placed = len([order for order in bench.placed() if order.role is Role.ENTRY])
    bench.quote("bitget", "120x5", "120.2x5")  # an edge that would be taken
    bench.drain()
    assert halted(bench) == "risk_limit"
    assert len([order for order in bench.placed() if order.role is Role.ENTRY]) == placed
    told = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == "halt"]
    assert "1000.00 quote x seconds unhedged today" in told[-1].text


def test_a_halt_for_the_day_can_be_lifted_but_the_limit_holds_until_the_day_ends() -> None:
    bench = Bench(limits=limits(day=D(100)), policy=RepairPolicy(on_single_leg=OnSingleLeg.UNWIND))
    naked(bench)
    bench.wait_ms(1100)
    bench.tell(QueueDrained())
    assert halted(bench) == "risk_limit"
    bench.quote("gate", "100x5", "105x5")
    bench.drain()
    unwind = bench.placed()[-1]
    accept(bench, unwind, "1")
    fill(bench, unwind, "1", price="100")
    assert last_pair(bench).state is PairState.UNWOUND
    bench.tell(ResumeAsked(reason="seen"))
    bench.wait_ms(50)
    bench.end_episodes()
    crossed(bench)
    assert bench.not_taken().get("risk_limit", 0) == 1
    assert not bench.engine.manager.open
    bench.now_ns = (START_NS // NS_PER_DAY + 1) * NS_PER_DAY + NS_PER_S
    crossed(bench)
    assert len(bench.engine.manager.open) == 1


def test_too_much_of_one_pair_halts() -> None:
    bench = Bench(limits=limits(pair=D(150)))
    naked(bench)
    bench.wait_ms(1499)
    bench.tell(QueueDrained())
    assert halted(bench) is None
    bench.wait_ms(1)
    bench.tell(QueueDrained())
    assert halted(bench) == "risk_limit"


def test_a_naked_leg_counts_its_notional_times_the_seconds_at_the_venue_that_holds_it() -> None:
    bench = Bench(limits=limits())
    naked(bench)
    bench.wait_ms(250)
    bench.tell(QueueDrained())
    bench.wait_ms(1750)
    bench.quote("okx", "100x5", "100.2x5")
    bench.quote("gate", "98x5", "102x5")
    bench.drain()
    hedge = bench.placed()[-1]
    assert hedge.role is Role.HEDGE
    bench.wait_ms(500)
    mids_at(bench, "100")
    fill(bench, hedge, "1", "t2")
    # 1 base at 100 for 0.25 s; then 1.75 s that end at mids of 100 and 100.1; then 0.5 s at 100.
    expected = D("25") + D("1.75") * D("100.05") + D("50")
    assert last_pair(bench).exposure_quote_s == expected
    assert today(bench) == {"gate": expected}
    assert bench.engine.state.tally.exposure_quote_s == expected


def test_the_shorter_leg_is_taken_off_and_a_short_position_counts_like_a_long_one() -> None:
    bench = Bench(limits=limits())
    buy, sell = crossed(bench)
    mids_at(bench, "100")
    fill(bench, sell, "1")
    bench.wait_ms(400)
    fill(bench, buy, "0.75")
    bench.wait_ms(100)
    fill(bench, buy, "0.25", "t2")
    assert last_pair(bench).exposure_quote_s == D(40) + D("2.5")
    assert today(bench) == {"okx": D("42.5")}


def test_a_closed_and_even_pair_counts_no_further() -> None:
    bench = Bench(limits=limits())
    buy, sell = crossed(bench)
    fill(bench, buy, "1")
    fill(bench, sell, "1")
    bench.wait_ms(10_000)
    bench.tell(QueueDrained())
    assert today(bench) == {}
    assert last_pair(bench).exposure_quote_s == 0


def test_base_left_behind_beyond_dust_goes_on_counting() -> None:
    bench = Bench(limits=limits(), policy=RepairPolicy(on_single_leg=OnSingleLeg.HOLD))
    naked(bench)
    pair = last_pair(bench)
    assert pair.state is PairState.CARRIED and pair.residual_mark is not None
    bench.wait_ms(3000)
    bench.tell(QueueDrained())
    assert today(bench)[CARRIED] == pair.residual_mark * 3


def test_every_day_is_summed_for_itself_and_told_when_it_ends() -> None:
    bench = Bench(limits=limits())
    midnight = (START_NS // NS_PER_DAY + 1) * NS_PER_DAY
    bench.now_ns = midnight - 2 * NS_PER_S
    naked(bench)
    bench.now_ns = midnight + NS_PER_S
    bench.tell(QueueDrained())
    assert today(bench) == {"gate": D(100)}
    assert bench.engine.state.control.exposure.day_utc == "2025-10-10"
    told = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == "exposure_day"]
    assert [row.text for row in told] == ["2025-10-09: quote x seconds unhedged: gate 200.00"]


def test_a_restart_goes_on_counting_from_the_record_and_through_the_time_it_was_dead() -> None:
    dead = Bench(limits=limits(day=D(6400)))
    naked(dead)
    filled_ns = dead.now_ns
    dead.wait_ms(1000)
    dead.tell(QueueDrained())
    records = [row for row in dead.rows(ControlRecord) if isinstance(row, ControlRecord)]
    assert records[-1].day_exposure == {"gate": D(100)}
    bench = restarted(dead, limits=limits(day=D(6400)), start_ns=dead.now_ns + 30 * NS_PER_S)
    # The journal knows the day until its last record and every fill: what lies between is valued at the fill's price.
    bench.tell(QueueDrained())
    dead_s = D(bench.now_ns - filled_ns) / NS_PER_S
    assert bench.engine.state.control.exposure.total == 100 * dead_s
    pair = next(iter(bench.engine.manager.open.values()))
    assert pair.exposure_quote_s == 100 * dead_s
    assert 31 <= dead_s < D("31.1")


def test_a_day_that_was_used_up_stays_so_over_a_restart() -> None:
    dead = Bench(limits=limits(day=D(100)))
    naked(dead)
    dead.wait_ms(2000)
    dead.tell(QueueDrained())
    assert halted(dead) == "risk_limit"
    bench = restarted(dead, limits=limits(day=D(100)))
    assert halted(bench) == "risk_limit"
    bench.tell(ResumeAsked(reason="seen"))
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    assert not [order for order in bench.placed() if order.role is Role.ENTRY]


def test_no_row_of_a_pair_ever_shows_less_exposure_than_an_earlier_one() -> None:
    bench = Bench(limits=limits())
    naked(bench)
    for step in range(40):
        bench.wait_ms(37 + step)
        bench.quote("okx", f"{D('99.6') - step}x5", "101.2x5")
        bench.drain()
    shown = [row.exposure_quote_s for row in bench.rows(PairRecord) if isinstance(row, PairRecord)]
    assert shown == sorted(shown)
