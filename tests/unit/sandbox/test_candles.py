"""Candles are the market's own trades, grouped: the same for everybody who asks, whatever else anybody asks."""

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.candles import DAY_NS, HOUR_NS, MINUTE_NS, Candle, CandleBook, Span
from arb.sandbox.values import PublicTrade
from tests.unit.sandbox.bench import START_NS, Bench, Stream

VENUES = ["gate", "okx", "bitget"]
LISTED_NS = START_NS - DAY_NS
FIRST_PRICE = Decimal(50)
TRADES = st.lists(
    st.tuples(st.integers(1, 200), st.integers(1, 100), st.integers(1, 50)).map(
        lambda drawn: (drawn[0] * 7 * NS_PER_S, Decimal(drawn[1]), Decimal(drawn[2]))
    ),
    max_size=30,
)
SPANS = st.builds(
    Span, st.sampled_from([MINUTE_NS, 5 * MINUTE_NS, HOUR_NS, 6 * HOUR_NS]), st.sampled_from([0, -8 * HOUR_NS])
)


def a_book(drawn: list[tuple[int, Decimal, Decimal]]) -> tuple[CandleBook, list[PublicTrade], int]:
    """Return a book of candles, the trades in it (given as distances in time), and when the last happened."""
    book, trades, now_ns = CandleBook(LISTED_NS), [], START_NS
    book.open_at(FIRST_PRICE)
    for number, (later_ns, price, size) in enumerate(drawn):
        now_ns += later_ns
        trades.append(PublicTrade(number, "BTC/USDT", "buy", price, size, now_ns))
        book.note(trades[-1])
    return book, trades, now_ns


@given(drawn=TRADES, span=SPANS, count=st.integers(1, 40))
def test_a_candle_sums_its_trades_and_stands_still_without_any(
    drawn: list[tuple[int, Decimal, Decimal]], span: Span, count: int
) -> None:
    book, trades, now_ns = a_book(drawn)

    found = book.last(span, count, now_ns + 1)

    assert [candle.ns for candle in found] == [
        ns
        for ns in range(span.start_of(now_ns) - (count - 1) * span.ns, now_ns + 1, span.ns)
        if ns >= span.start_of(LISTED_NS)
    ][-len(found) :]
    for candle in found:
        within = [trade for trade in trades if candle.ns <= trade.ns < candle.ns + span.ns]
        before = [trade.price for trade in trades if trade.ns < candle.ns]
        prices = [trade.price for trade in within] or before[-1:] or [FIRST_PRICE]
        assert candle == Candle(
            candle.ns,
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum((trade.size for trade in within), Decimal(0)),
            sum((trade.price * trade.size for trade in within), Decimal(0)),
        )


@given(drawn=TRADES, span=SPANS)
def test_pages_of_candles_join_without_gap_or_double(drawn: list[tuple[int, Decimal, Decimal]], span: Span) -> None:
    book, _, now_ns = a_book(drawn)
    whole = book.between(span, START_NS, now_ns + 1)

    edges = sorted({START_NS, *(candle.ns for candle in whole[::3]), now_ns + 1})
    parts = [book.between(span, first, until) for first, until in itertools.pairwise(edges)]

    assert [candle for part in parts for candle in part] == whole


def test_a_trade_dated_before_the_last_counts_with_the_last() -> None:
    book, _, now_ns = a_book([(HOUR_NS, Decimal(10), Decimal(1))])

    book.note(PublicTrade(9, "BTC/USDT", "sell", Decimal(8), Decimal(2), now_ns - 30 * MINUTE_NS))

    [candle] = book.last(Span(MINUTE_NS), 1, now_ns + 1)
    assert (candle.close, candle.low, candle.base) == (Decimal(8), Decimal(8), Decimal(3))


# -- as venues show them -----------------------------------------------------------------------------------------------


def ask(bench: Bench, name: str, **params: Any) -> list[list[Any]]:
    """Ask for candles of BTC/USDT in the venue's own way and return them in ccxt's form, oldest first."""
    client = bench.signer
    if bench.venue.name == "gate":
        query = {"currency_pair": "BTC_USDT", "interval": name, **params}
        rows = bench.ask(["public", "spot"], "candlesticks", params=query)[1]
    elif bench.venue.name == "okx":
        query = {"instId": "BTC-USDT", "bar": name, **params}
        rows = bench.ask(["public"], "market/candles", params=query)[1]["data"][::-1]
    else:
        query = {"symbol": "BTCUSDT", "granularity": name, **params}
        rows = bench.ask(["public", "spot"], "v2/spot/market/candles", params=query)[1]["data"]
    return [client.parse_ohlcv(row, {"inverse": False, "type": "spot"}) for row in rows]


NAMES = {
    "gate": ["1m", "1h", "1d", "7d"],
    "okx": ["1m", "1H", "1Dutc", "1W"],
    "bitget": ["1min", "1h", "1Dutc", "1week"],
}


def moving(venue: str, seconds: int = 150) -> Bench:
    """Return a venue of a market that has moved for a while."""
    bench = Bench(venue, static=False, small=True)
    bench.advance(seconds * NS_PER_S)
    return bench


@pytest.mark.parametrize("venue", VENUES)
def test_a_seed_gives_the_same_candles_again_and_they_are_the_tapes(venue: str) -> None:
    first, second = moving(venue), moving(venue)
    for _ in range(3):
        ask(second, NAMES[venue][0], limit=7)

    rows = ask(first, NAMES[venue][0], limit=5)

    assert rows == ask(second, NAMES[venue][0], limit=5)
    tape = first.exchange.public_trades("BTC/USDT", 500)
    assert len(tape) > 10
    assert sum(Decimal(str(row[5])) for row in rows) == pytest.approx(sum(trade.size for trade in tape))


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("place", range(4))
def test_candles_are_aligned_and_reach_back_before_the_start(venue: str, place: int) -> None:
    bench = Bench(venue, small=True)

    rows = ask(bench, NAMES[venue][place], limit=30)

    steps = {later[0] - earlier[0] for earlier, later in itertools.pairwise(rows)}
    assert (len(rows), len(steps)) == (30, 1)
    assert rows[-1][0] <= bench.now_ns // NS_PER_MS < rows[-1][0] + steps.pop()
    assert len({tuple(row[1:]) for row in rows}) == 1


@pytest.mark.parametrize(
    ("venue", "name", "params"),
    [
        ("gate", "1s", {}),
        ("gate", "1m", {"from": 1_799_000_000, "to": 1_800_000_000}),
        ("okx", "1s", {}),
        ("bitget", "1sec", {}),
    ],
)
def test_what_is_not_made_is_refused(venue: str, name: str, params: dict[str, Any]) -> None:
    bench = Bench(venue, small=True)
    paths = {
        "gate": (["public", "spot"], "candlesticks", {"currency_pair": "BTC_USDT", "interval": name}),
        "okx": (["public"], "market/candles", {"instId": "BTC-USDT", "bar": name}),
        "bitget": (["public", "spot"], "v2/spot/market/candles", {"symbol": "BTCUSDT", "granularity": name}),
    }
    api, path, asked = paths[venue]

    assert bench.ask(api, path, params=asked | params)[0] == 400


SUBSCRIBE = {
    "gate": (
        "/ws/v4/",
        {"time": 1, "channel": "spot.candlesticks", "event": "subscribe", "payload": ["1m", "BTC_USDT"]},
    ),
    "okx": ("/ws/v5/business", {"op": "subscribe", "args": [{"channel": "candle1m", "instId": "BTC-USDT"}]}),
    "bitget": (
        "/v2/ws/public",
        {"op": "subscribe", "args": [{"instType": "SPOT", "channel": "candle1m", "instId": "BTCUSDT"}]},
    ),
}


def closes(venue: str, frames: list[Any]) -> list[tuple[int, Decimal, bool | None]]:
    """Return (begin in s, close, whether it is over) of every candle pushed."""
    if venue == "gate":
        rows = [frame["result"] for frame in frames if frame["event"] == "update"]
        return [(int(row["t"]), Decimal(row["c"]), row["w"]) for row in rows]
    pushed = [row for frame in frames if "data" in frame for row in frame["data"][-1:]]
    return [(int(row[0]) // 1000, Decimal(row[4]), row[8] == "1" if venue == "okx" else None) for row in pushed]


def two_minutes(stream: Stream) -> list[Any]:
    """Let two minutes pass, never silent for long, and return the frames that are JSON."""
    return [frame for _ in range(6) for frame in [*stream.send("ping"), *stream.wait(19 * NS_PER_S)] if frame != "pong"]


@pytest.mark.parametrize("venue", VENUES)
def test_a_subscription_pushes_each_trade_and_each_end_of_a_candle(venue: str) -> None:
    bench = Bench(venue, small=True)
    path, frame = SUBSCRIBE[venue]
    stream = bench.open(path)
    first = closes(venue, stream.send(frame))
    bench.exchange.rival_take("BTC/USDT", "buy", None, 10, bench.now_ns)
    price = bench.exchange.public_trades("BTC/USDT", 1)[0].price
    traded = closes(venue, stream.wait())
    over = closes(venue, two_minutes(stream))
    start_s = START_NS // NS_PER_S

    assert [row[0] for row in first] == [start_s]
    assert [row[:2] for row in traded] == [(start_s, price)]
    assert over == [
        (start_s, price, None if venue == "bitget" else True),
        (start_s + 60, price, None if venue == "bitget" else True),
    ]

    leave = json.loads(json.dumps(frame).replace("subscribe", "unsubscribe"))
    stream.send(leave)
    assert closes(venue, two_minutes(stream)) == []


def test_candles_wait_for_no_login_and_algo_orders_do() -> None:
    stream = Bench("okx", small=True).open("/ws/v5/business")

    [refused] = stream.send({"op": "subscribe", "args": [{"channel": "orders-algo", "instType": "SPOT"}]})
    [wrong] = stream.send({"op": "subscribe", "args": [{"channel": "books", "instId": "BTC-USDT"}]})

    assert (refused["code"], wrong["code"]) == ("60011", "60018")
