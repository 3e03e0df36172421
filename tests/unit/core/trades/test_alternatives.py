"""What else could have been done is written down, with its reason, when a pair opens and when a leg is mended."""

from arb.core.messages.events import ClockMeasured, HaltAsked
from arb.core.messages.records import AlternativeRecord, AlternativeWay, PairRecord
from arb.core.messages.settings import OnSingleLeg, RepairPolicy, Timing
from arb.core.trades.alternatives import REPAIRS_EXPLAINED
from tests.builders import Bench, D, an_instrument
from tests.unit.core.trades.test_repairer import THREE, one_legged, try_once
from tests.unit.core.trades.test_trade import accept

FREE = tuple(an_instrument(venue, taker_fee=D(0)) for venue in THREE)


def told(bench: Bench) -> list[AlternativeRecord]:
    return [row for row in bench.rows(AlternativeRecord) if isinstance(row, AlternativeRecord)]


def by_route(bench: Bench) -> dict[tuple[str | None, str | None], AlternativeRecord]:
    rows = {(row.buy_venue, row.sell_venue): row for row in told(bench) if row.way is AlternativeWay.ROUTE}
    assert len(rows) == sum(row.way is AlternativeWay.ROUTE for row in told(bench))
    return rows


def next_event(bench: Bench) -> None:
    bench.tell(ClockMeasured(venue="gate", offset_ns=0, error_ns=10**6))


def three_books(bench: Bench) -> None:
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.quote("bitget", "100.5x2", "100.6x5")
    bench.drain()


# When they are written.


def test_nothing_is_written_while_nothing_opens() -> None:
    bench = Bench(venues=THREE)
    bench.tell(HaltAsked(reason="lunch"))
    three_books(bench)
    next_event(bench)
    assert told(bench) == []


def test_the_orders_leave_before_anything_else_is_worked_out() -> None:
    bench = Bench(venues=THREE)
    three_books(bench)
    assert len(bench.placed()) == 2 and told(bench) == []
    bench.drain()  # the busiest of all events is no occasion either
    assert told(bench) == []
    next_event(bench)
    assert len(told(bench)) == 6


def test_they_are_written_once_under_ids_of_their_own() -> None:
    bench = Bench(venues=THREE)
    three_books(bench)
    next_event(bench)
    rows = told(bench)
    next_event(bench)
    assert told(bench) == rows
    assert [row.id for row in rows] == [1_760_000_000 * 10**9 + number for number in range(1, 7)]


def test_what_is_written_tells_of_the_books_as_they_were_decided_on() -> None:
    bench, other = Bench(venues=THREE), Bench(venues=THREE)
    three_books(bench)
    three_books(other)
    for venue in THREE:
        other.quote(venue, "50x1", "51x1")
    next_event(bench)
    next_event(other)
    assert told(bench) == told(other)


# Entries.


def test_the_route_taken_has_no_reason_and_every_other_one_has_exactly_one() -> None:
    bench = Bench(venues=THREE, instruments=FREE)
    three_books(bench)
    next_event(bench)
    rows = by_route(bench)
    assert set(rows) == {(a, b) for a in THREE for b in THREE if a != b}
    taken = rows.pop(("gate", "okx"))
    assert taken.reason is None and (taken.net_e8, taken.sell_size) == (100_000_000, D(1))
    assert all(row.reason is not None for row in rows.values())
    assert {row.pair_trade_id for row in told(bench)} == {row.id for row in bench.rows(PairRecord)}


def test_a_route_with_an_edge_names_what_stood_against_it() -> None:
    bench = Bench(venues=THREE, instruments=FREE)
    three_books(bench)
    next_event(bench)
    passed = by_route(bench)["gate", "bitget"]
    assert passed.reason == "pair_in_flight"  # the better one through the same book had just been taken
    assert (passed.net_e8, passed.edge_bps, passed.buy_size) == (50_000_000, D("50"), D(1))


def test_a_route_without_an_edge_tells_its_least_loss_and_the_edge_of_the_best_quotes() -> None:
    bench = Bench(venues=THREE, instruments=FREE)
    three_books(bench)
    next_event(bench)
    passed = by_route(bench)["okx", "gate"]
    assert passed.reason == "net_below_minimum"
    # Buying at 101.2 and selling at 99.9: 1.3 lost on each, and the smallest order loses least.
    assert passed.edge_bps == D("-128.458498")
    assert passed.net_e8 is not None and -130_000_000 < passed.net_e8 < 0


def test_a_route_whose_book_cannot_be_used_is_named_so_without_figures() -> None:
    bench = Bench(venues=THREE)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    next_event(bench)
    passed = by_route(bench)["gate", "bitget"]
    assert (passed.reason, passed.net_e8, passed.edge_bps) == ("gapped_book", None, None)


def test_the_size_that_money_did_not_allow_is_told_of() -> None:
    bench = Bench(balances={"USDT": "60", "BTC": "2"}, instruments=FREE[:2])
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    next_event(bench)
    (larger,) = [row for row in told(bench) if row.way is AlternativeWay.SIZE]
    taken = by_route(bench)["gate", "okx"]
    assert larger.reason == "insufficient_balance" and larger.sell_size == D(1)
    assert taken.sell_size is not None and taken.sell_size < 1


def test_the_frames_decided_on_are_kept_with_the_pair() -> None:
    bench = Bench()
    bench.quote("gate", "99.9x5", "100x1")
    first_ns = bench.now_ns
    bench.wait_ms(3)
    bench.quote("okx", "101x1", "101.2x5")
    bench.drain()
    (pair,) = [row for row in bench.rows(PairRecord) if isinstance(row, PairRecord)]
    assert (pair.buy_frame_ns, pair.sell_frame_ns) == (first_ns, first_ns + 3_000_000)
    assert pair.decided_ns == bench.now_ns


# Repairs.


def ways(bench: Bench) -> dict[AlternativeWay, AlternativeRecord]:
    return {row.way: row for row in told(bench) if row.stage == "repair"}


def a_bench(policy: RepairPolicy | None = None) -> Bench:
    """Return a bench with one base bought at 100 at gate and not sold, and a book at a third venue."""
    bench = Bench(venues=THREE, instruments=FREE, policy=policy, timing=Timing(leg_deadline_ms=60_000))
    one_legged(bench)
    bench.quote("bitget", "99.7x5", "106x5")
    return bench


def test_of_a_repair_each_way_has_its_cost_against_what_the_leg_filled_at() -> None:
    bench = a_bench()
    order = try_once(bench, okx="99.9x5", gate="99.8x5")
    assert order is not None and order.venue == "okx"
    next_event(bench)
    rows = ways(bench)
    assert {way: row.reason for way, row in rows.items()} == {
        AlternativeWay.COMPLETE: None,
        AlternativeWay.UNWIND: "costlier",
        AlternativeWay.THIRD_VENUE: "costlier",
        AlternativeWay.HOLD: "stays_unhedged",
    }
    # Gate charged 10 bps on the fill and is believed; the worst price that a repair may have is 50 bps below.
    assert [rows[way].net_e8 for way in rows] == [-29_980_000, -30_000_000, -10_000_000, -59_950_000]
    assert rows[AlternativeWay.COMPLETE].edge_bps == D(-10)
    assert rows[AlternativeWay.COMPLETE].price == order.price
    assert rows[AlternativeWay.HOLD].sell_venue is None


def test_a_way_that_policy_forbids_shows_what_it_would_have_cost() -> None:
    bench = a_bench(RepairPolicy(on_single_leg=OnSingleLeg.UNWIND))
    order = try_once(bench, okx="99.9x5", gate="99.8x5")
    assert order is not None and order.venue == "gate"
    next_event(bench)
    rows = ways(bench)
    assert rows[AlternativeWay.COMPLETE].reason == "policy" and rows[AlternativeWay.COMPLETE].net_e8 == -10_000_000
    assert rows[AlternativeWay.UNWIND].reason is None


def test_a_price_beyond_the_cap_and_a_book_out_of_use_are_named() -> None:
    bench = a_bench()
    order = try_once(bench, okx="99.9x5", gate="99x5")
    assert order is not None
    next_event(bench)
    assert ways(bench)[AlternativeWay.UNWIND].reason == "beyond_cap"


def test_of_endless_repairs_only_the_first_are_told() -> None:
    bench = a_bench()
    for _ in range(REPAIRS_EXPLAINED + 3):
        order = try_once(bench, okx="99.9x5", gate="99.8x5")
        assert order is not None
        accept(bench, order, "0")
    assert sum(row.way is AlternativeWay.HOLD for row in told(bench)) == REPAIRS_EXPLAINED
