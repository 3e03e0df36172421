"""The two sides of books that a pair was decided on are kept with it: those of that instant, as deep as they matter."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from arb.core.messages.events import ClockMeasured
from arb.core.messages.records import DecisionBookRecord, PairRecord, QuoteSide
from arb.core.messages.settings import Limits
from arb.core.state.decision_books import LEVELS_LEAST, LEVELS_MOST
from arb.market.route import Route
from tests.builders import SYMBOL, Bench, D, an_instrument
from tests.unit.core.accounts.test_restart import left_behind

FREE = tuple(an_instrument(venue, taker_fee=D(0)) for venue in ("gate", "okx"))
RICH = {"USDT": "10000000", "BTC": "10000"}


def books(bench: Bench) -> dict[QuoteSide, DecisionBookRecord]:
    rows = [row for row in bench.rows(DecisionBookRecord) if isinstance(row, DecisionBookRecord)]
    assert len({(row.pair_trade_id, row.side) for row in rows}) == len({row.id for row in rows}) == len(rows)
    return {row.side: row for row in rows}


def next_event(bench: Bench) -> None:
    bench.tell(ClockMeasured(venue="gate", offset_ns=0, error_ns=10**6))


def the_pair(bench: Bench) -> PairRecord:
    return next(row for row in bench.rows(PairRecord) if isinstance(row, PairRecord))


def opened(asks: str, bids: str, **limits: str) -> Bench:
    """Return a bench on which a pair has opened: bought of `asks` at gate, sold into `bids` at okx."""
    known = {"min_net_quote": D(0), "min_edge_bps": D(1), "max_notional_quote": D(10**6)}
    known |= {name: D(value) for name, value in limits.items()}
    bench = Bench(instruments=FREE, balances=RICH, limits=Limits(**known))  # type: ignore[arg-type]
    bench.quote("gate", "90x1", asks)
    bench.quote("okx", bids, "110x1")
    bench.drain()
    assert len(bench.placed()) == 2
    return bench


def test_nothing_is_kept_of_books_on_which_nothing_was_decided() -> None:
    bench = Bench(instruments=FREE)
    bench.quote("gate", "99x1", "100x1")
    bench.quote("okx", "99x1", "100x1")
    bench.drain()
    next_event(bench)
    assert books(bench) == {}


def test_the_orders_leave_before_the_books_are_written_down() -> None:
    bench = opened("100x1", "101x1")
    assert books(bench) == {}
    bench.drain()
    assert books(bench) == {}
    next_event(bench)
    assert len(books(bench)) == 2


def test_the_asks_where_it_buys_and_the_bids_where_it_sells_are_kept_best_first() -> None:
    bench = opened("100x0.4 100.1x2", "101x1 100.9x3.5")
    next_event(bench)
    pair, found = the_pair(bench), books(bench)
    asks, bids = found[QuoteSide.ASKS], found[QuoteSide.BIDS]
    assert (asks.venue, asks.levels) == ("gate", ((D(100), D("0.4")), (D("100.1"), D(2))))
    assert (bids.venue, bids.levels) == ("okx", ((D(101), D(1)), (D("100.9"), D("3.5"))))
    for book in (asks, bids):
        assert (book.pair_trade_id, book.ns) == (pair.id, pair.decided_ns)


def test_the_levels_are_those_of_the_decision_and_not_of_the_frames_that_came_after() -> None:
    bench, other = (opened("100x1 100.2x3", "101x1 100.8x2") for _ in range(2))
    other.wait_ms(1)
    other.quote("gate", "90x1", "100.1x7")
    other.quote("okx", "100.9x3", "110x1")
    asks, _ = other.books.sides(Route.of(SYMBOL, "gate", "okx"))
    assert list(asks.sizes) == [7 * 10 ** other.books.scales[SYMBOL].size_exp], (
        "whoever looks at the books now sees others"
    )
    next_event(bench)
    next_event(other)
    assert {side: book.levels for side, book in books(bench).items()} == {
        side: book.levels for side, book in books(other).items()
    }


def test_a_second_event_writes_nothing_more() -> None:
    bench = opened("100x1", "101x1")
    next_event(bench)
    found = bench.rows(DecisionBookRecord)
    next_event(bench)
    assert bench.rows(DecisionBookRecord) == found and len(found) == 2


def deep(best: int, step: int, levels: int, size: str = "1") -> str:
    return " ".join(f"{D(best + step * place) / 10}x{size}" for place in range(levels))


def test_of_a_book_of_which_little_matters_ten_levels_are_kept() -> None:
    bench = opened(deep(1000, 1, 20), deep(1010, -10, 20), max_notional_quote="100")
    next_event(bench)
    assert {side: len(book.levels) for side, book in books(bench).items()} == dict.fromkeys(QuoteSide, LEVELS_LEAST)


def test_all_levels_within_the_limit_of_the_order_are_kept() -> None:
    # 1 % of edge: the buy takes all asks up to 101.4, the sale all bids.
    bench = opened(deep(1000, 1, 20), deep(1030, -1, 20))
    next_event(bench)
    limits = {str(order.side): order.price for order in bench.placed()}
    found = books(bench)
    within_asks = sum(price <= limits["buy"] for price, _ in found[QuoteSide.ASKS].levels)
    within_bids = sum(price >= limits["sell"] for price, _ in found[QuoteSide.BIDS].levels)
    assert within_asks > LEVELS_LEAST and within_bids > LEVELS_LEAST
    for side, within in ((QuoteSide.ASKS, within_asks), (QuoteSide.BIDS, within_bids)):
        assert len(found[side].levels) == within


sizes = st.lists(st.integers(200, 3000), min_size=1, max_size=20)


@given(asks=sizes, bids=sizes, step=st.integers(1, 40), cap=st.integers(50, 9000))
def test_the_levels_kept_hold_the_whole_size_of_the_plan(asks: list[int], bids: list[int], step: int, cap: int) -> None:
    ask_side = " ".join(f"{D(10000 + step * place) / 100}x{D(size) / 1000}" for place, size in enumerate(asks))
    bid_side = " ".join(f"{D(10090 - step * place) / 100}x{D(size) / 1000}" for place, size in enumerate(bids))
    fine = tuple(an_instrument(venue, taker_fee=D(0), tick=D("0.01")) for venue in ("gate", "okx"))
    bench = Bench(
        instruments=fine,
        balances=RICH,
        limits=Limits(min_net_quote=D(0), min_edge_bps=D(1), max_notional_quote=D(cap)),
    )
    bench.quote("gate", "90x1", ask_side)
    bench.quote("okx", bid_side, "120x1")
    bench.drain()
    next_event(bench)
    pair, limits = the_pair(bench), {str(order.side): order.price for order in bench.placed()}
    found = books(bench)
    for side, planned in ((QuoteSide.ASKS, pair.buy_size), (QuoteSide.BIDS, pair.sell_size)):
        levels = found[side].levels
        assert len(levels) <= LEVELS_MOST
        totals = accumulate(size for _, size in levels)
        reached = next(price for (price, _), total in zip(levels, totals, strict=True) if total >= planned)
        assert reached <= limits["buy"] if side is QuoteSide.ASKS else reached >= limits["sell"]


def test_killed_before_or_after_they_are_written_they_are_written_once_at_most() -> None:
    for written in (False, True):
        dead = opened("100x1", "101x1")
        if written:
            next_event(dead)
        pair = the_pair(dead)
        again = Bench(instruments=FREE, restored=left_behind(dead), run_id=1_760_000_500, start_ns=dead.now_ns + 10**9)
        next_event(again)
        assert pair.id in {one.id for one in again.engine.manager.open.values()}
        assert books(again) == {}, "what the dead process saw is not known, and its rows are in the journal"
        assert len(books(dead)) == 2 * written
