"""Coins that are not proved to be the same: refused, or marked and summed apart; different ones never trade."""

import pytest

from arb.core.messages.reasons import Reason
from arb.core.messages.records import OpportunityOutcome
from arb.core.messages.recovery_records import OpenPair, PlanRecord
from arb.core.messages.settings import CoinRule
from arb.core.trades.trade import PairTrade
from arb.market.coins import NATIVE, Coin
from arb.view.summary import present_state, unproved
from tests.builders import Bench, D
from tests.unit.core.strategies.taker_pair.test_detector import edge
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair, refuse

ONE, TWO = "0x" + "1" * 40, "0x" + "2" * 40
VENUES = ("gate", "okx", "bitget")
USDT = tuple(Coin(venue, "USDT", "ethereum", ONE) for venue in VENUES)
BTC = tuple(Coin(venue, "BTC", "bitcoin", NATIVE) for venue in VENUES)
OTHER_BTC = (Coin("gate", "BTC", "bitcoin", NATIVE), Coin("okx", "BTC", "bitcoin", TWO))


def marking(*coins: Coin) -> CoinRule:
    return CoinRule(coins=coins, refuse_unproved=False)


def refusing(*coins: Coin) -> CoinRule:
    return CoinRule(coins=coins, refuse_unproved=True)


def opened(coins: CoinRule | None) -> Bench:
    """Return a bench with an edge between Gate and OKX that is acted on."""
    bench = Bench(coins=coins)
    edge(bench)
    bench.drain()
    return bench


# Opening.


@pytest.mark.parametrize("coins", [None, marking(), marking(*USDT), marking(*USDT, *BTC), refusing(*USDT, *BTC)])
def test_what_is_proved_or_only_marked_or_not_asked_for_opens(coins: CoinRule | None) -> None:
    assert len(opened(coins).placed()) == 2


@pytest.mark.parametrize(
    "coins",
    [
        refusing(),
        refusing(*USDT),
        refusing(*BTC),  # the quote needs its proof as well
        refusing(*USDT, BTC[0], BTC[2]),
        refusing(*USDT, *OTHER_BTC),
        marking(*USDT, *OTHER_BTC),  # what is known to be another coin is refused even where the unproved is marked
    ],
)
def test_what_is_not_proved_is_refused_where_it_is_to_be_and_another_coin_always(coins: CoinRule) -> None:
    bench = opened(coins)
    assert not bench.placed()
    assert bench.not_taken() == {Reason.IDENTITY_UNVERIFIED: 1}
    bench.end_episodes()
    (row,) = bench.engine.take_untraded()
    assert (row.outcome, row.reason) == (OpportunityOutcome.REFUSED, "identity_unverified")


# Marking.


def closed(coins: CoinRule | None) -> Bench:
    """Return a bench whose pair bought 1 at 100 and sold it at 101, fees aside."""
    bench = Bench(coins=coins)
    buy, sell = crossed(bench)
    for order, trade_id in ((buy, "t1"), (sell, "t2")):
        accept(bench, order, str(order.size))
        fill(bench, order, str(order.size), trade_id)
    return bench


def test_the_net_of_a_marked_pair_is_in_no_sum_but_its_own() -> None:
    proved, marked = closed(marking(*USDT, *BTC)), closed(marking(*USDT))
    net = proved.engine.state.tally.net["USDT"]
    assert net > 0 and unproved(proved.engine) == {"pairs": 0, "net": {}}
    assert marked.engine.state.tally.net == {}
    assert marked.engine.state.tally.unproved_net == {"USDT": net} and marked.engine.state.tally.unproved_pairs == 1
    assert closed(None).engine.state.tally.net["USDT"] == net


def test_the_mark_is_in_the_pairs_row_and_survives_a_restart() -> None:
    bench = closed(marking(*USDT))
    record = last_pair(bench)
    assert record.identity == "unproved" and last_pair(closed(marking(*USDT, *BTC))).identity is None
    (plan,) = bench.rows(PlanRecord)
    assert isinstance(plan, PlanRecord)
    rows = OpenPair(plan=plan, pair=record, orders=(), fills=())
    restored = PairTrade.restored(rows, 1, (), bench.engine.state.flat_now, bench.now_ns)
    assert restored.record("BTC").identity == "unproved"


def test_a_late_fill_takes_a_marked_pair_back_from_the_sum_of_its_kind() -> None:
    bench = Bench(coins=marking(*USDT))
    buy, sell = crossed(bench)
    accept(bench, sell, "0")
    refuse(bench, buy)
    tally = bench.engine.state.tally
    assert tally.unproved_pairs == 1
    fill(bench, sell, "1")
    assert (tally.unproved_pairs, tally.unproved_net, tally.net) == (0, {"USDT": D(0)}, {})


def test_marked_edges_and_open_pairs_say_so_and_proved_ones_do_not() -> None:
    for coins, mark in (
        (marking(*USDT), "unproved"),
        (marking(*USDT, *OTHER_BTC), "different"),
        (marking(*USDT, *BTC), None),
    ):
        bench = opened(coins)
        state = present_state(bench.engine, bench.now_ns)
        (shown,) = state["edges"]
        assert shown.get("identity") == mark
        pairs = state["open_pairs"]
        assert [pair.get("identity") for pair in pairs] == ([] if mark == "different" else [mark])


# Repairs.


def one_legged(coins: CoinRule) -> Bench:
    """Return a bench whose buy at Gate has filled and whose sale at OKX was refused; Bitget pays most for the base."""
    bench = Bench(venues=VENUES, coins=coins)
    bench.quote("bitget", "100.5x5", "103x5")
    buy, sell = crossed(bench)
    assert (buy.venue, sell.venue) == ("gate", "okx")
    accept(bench, buy, "1")
    fill(bench, buy, "1")
    refuse(bench, sell)
    bench.wait_ms(60)
    for venue, book in {
        "gate": ("99.9x5", "100x1"),
        "okx": ("99x5", "101.2x5"),
        "bitget": ("100.5x5", "103x5"),
    }.items():
        bench.quote(venue, *book)
    bench.drain()
    return bench


@pytest.mark.parametrize(("coins", "venue"), [(marking(*USDT, *BTC), "bitget"), (marking(*USDT, *BTC[:2]), "gate")])
def test_a_pair_is_repaired_at_a_third_venue_only_where_its_coins_are_proved(coins: CoinRule, venue: str) -> None:
    assert one_legged(coins).placed()[2].venue == venue
