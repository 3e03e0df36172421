"""The world in virtual time: the same seed gives the same bytes, books move and dislocate, delays are as stated."""

import json
import statistics
from dataclasses import replace
from decimal import Decimal

import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.errors import InvariantError
from arb.sandbox.profiles import SYMBOLS
from arb.sandbox.registry import VENUE_NAMES
from arb.sandbox.values import OrderRequest
from arb.sandbox.wire import HttpRequest
from arb.sandbox.world import HttpReply, Output, SimWorld, WsText
from tests.unit.sandbox.bench import START_NS

OBU = {
    "time": 1,
    "channel": "spot.obu",
    "event": "subscribe",
    "payload": [f"ob.{s.replace('/', '_')}.50" for s in SYMBOLS],
}


def watch(world: SimWorld, seconds: int) -> list[tuple[int, Output]]:
    """Subscribe Gate's books, let time pass, and return what left and when."""
    session = world.open_session("/ws/v4/", START_NS)
    assert session is not None
    world.receive(session, json.dumps(OBU), START_NS)
    outputs: list[tuple[int, Output]] = []
    while (due := world.next_ns()) is not None and due <= START_NS + seconds * NS_PER_S:
        outputs.extend((due, output) for output in world.advance(due))
    return outputs


def test_the_same_seed_tells_the_same_story_to_the_byte_and_another_seed_another() -> None:
    first, again, other = (watch(SimWorld(seed, START_NS), 2) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert len(first) > 50


def test_frames_form_a_gapless_chain_and_are_never_crossed() -> None:
    books: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    last: dict[str, int] = {}
    for _, output in watch(SimWorld(8, START_NS), 5):
        assert isinstance(output, WsText)
        result = json.loads(output.text)["result"]
        if "s" not in result:
            continue
        name = result["s"]
        bids, asks = books.setdefault(name, ({}, {}))
        if not result.get("full"):
            assert result["U"] == last[name] + 1
        last[name] = result["u"]
        for side, rows in ((bids, result["b"]), (asks, result["a"])):
            for price, size in rows:
                side[price] = size
                if size == "0":
                    del side[price]
        assert max(map(Decimal, bids)) < min(map(Decimal, asks))
        assert len(bids) <= 50
    assert len(books) == len(SYMBOLS)


def test_a_still_world_says_nothing_and_fills_nothing_by_itself() -> None:
    world = SimWorld(5, START_NS, static=True)
    exchange = world.venues["gate"].exchange
    best = exchange.market("BTC/USDT").book.asks.best()
    assert best is not None
    order = exchange.place(
        OrderRequest("BTC/USDT", "buy", "limit", "gtc", Decimal(best - 1) / 10, Decimal("0.1")), START_NS
    )
    outputs = watch(world, 20)
    frames = [json.loads(output.text) for _, output in outputs if isinstance(output, WsText)]
    assert all(frame["event"] == "subscribe" or frame["result"]["full"] for frame in frames)
    assert order.is_open


def test_books_are_deep_and_start_balances_suffice() -> None:
    world = SimWorld(5, START_NS)
    for name in VENUE_NAMES:
        exchange = world.venues[name].exchange
        assert exchange.balances()["USDT"].free >= 200_000
        assert exchange.balances()["BTC"].free >= 2
        assert exchange.instruments["BTC/USDT"].lot <= Decimal("0.01")
        assert exchange.instruments["BTC/USDT"].tick <= 1
        for symbol in SYMBOLS:
            view = exchange.snapshot(symbol, 100)
            assert len(view.bids) >= 50
            assert len(view.asks) >= 50


def test_venues_differ_in_rules_and_fees() -> None:
    exchanges = [venue.exchange for venue in SimWorld(5, START_NS).venues.values()]
    for facts in (
        {e.instruments["BTC/USDT"].lot for e in exchanges},
        {e.instruments["BTC/USDT"].min_notional for e in exchanges},
        {e.fee_rates("BTC/USDT") for e in exchanges},
    ):
        assert len(facts) == len(exchanges)


@pytest.mark.thorough
def test_two_to_six_dislocations_a_second_are_profitable_after_fees_and_with_fees_times_ten_none() -> None:
    world = SimWorld(21, START_NS)
    world.advance(START_NS + 30 * NS_PER_S)
    assert 2 <= world.scenario.dislocation_count / 30 <= 6
    assert world.ceiling.totals()["USDT"] > 100
    dear = SimWorld(21, START_NS)
    for venue in dear.venues.values():
        venue.exchange.fee_factor = Decimal(10)
    dear.advance(START_NS + 30 * NS_PER_S)
    assert dear.ceiling.totals() == {}


def test_order_delays_have_the_stated_medians() -> None:
    world = SimWorld(5, START_NS, static=True)
    spent: dict[str, list[int]] = {}
    paths = {"gate": "/api/v4/spot/time", "okx": "/api/v5/public/time", "bitget": "/api/v2/public/time"}
    now_ns = START_NS
    for _ in range(101):
        for name, path in paths.items():
            token = world.submit(HttpRequest("GET", path, "", {}, b""), now_ns)
            start_ns = now_ns
            while (due := world.next_ns()) is not None:
                now_ns = max(now_ns, due)
                if any(isinstance(o, HttpReply) and o.token == token for o in world.advance(now_ns)):
                    break
            spent.setdefault(name, []).append(now_ns - start_ns)
            now_ns += NS_PER_S
    for name, median_ms in (("gate", 15), ("okx", 40), ("bitget", 90)):
        assert abs(statistics.median(spent[name]) / NS_PER_MS / median_ms - 1) < 0.15


def test_a_path_of_no_venue_is_nobodys() -> None:
    world = SimWorld(5, START_NS, static=True)
    assert world.submit(HttpRequest("GET", "/api/v9/time", "", {}, b""), START_NS) is None
    assert world.open_session("/ws/v9", START_NS) is None


def test_five_listed_symbols_are_the_sandbox_that_lists_none_by_number() -> None:
    assert watch(SimWorld(5, START_NS, symbol_count=5), 2) == watch(SimWorld(5, START_NS), 2)


def test_twenty_symbols_are_listed_at_every_venue_with_the_rules_and_balances_of_their_models() -> None:
    world = SimWorld(5, START_NS, static=True, symbol_count=20)
    for venue in world.venues.values():
        rules, balances = venue.exchange.instruments, venue.exchange.profile.balances
        assert len(rules) == 20
        assert replace(rules["DOGE4/USDT"], symbol="DOGE/USDT") == rules["DOGE/USDT"]
        assert balances["DOGE4"] == balances["DOGE"]
        assert balances["USDT"] == 4 * 400_000
        assert venue.exchange.markets["NOVA4/USDT"].book.mid_twice() is not None


@pytest.mark.thorough
def test_each_of_many_symbols_is_dislocated_as_often_as_one_of_five() -> None:
    def per_symbol(count: int, seconds: int) -> float:
        world = SimWorld(21, START_NS, symbol_count=count, rungs=8, with_ceiling=False)
        world.advance(START_NS + seconds * NS_PER_S)
        return world.scenario.dislocation_count / seconds / count

    assert per_symbol(100, 6) == pytest.approx(per_symbol(5, 120), rel=0.15)


@pytest.mark.parametrize("count", [0, 501])
def test_a_number_of_symbols_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(InvariantError):
        SimWorld(5, START_NS, symbol_count=count)
