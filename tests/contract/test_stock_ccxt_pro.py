"""Unmodified ccxt.pro as judge of the streams: books, own orders, own fills, balances."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.contract.conftest import StockVenue
from tests.contract.stock_clients import SYMBOL, VENUES, Client, exact, stream_client

BIDS = [["50000", "0.5"], ["49990", "2"]]
ASKS = [["50010", "0.02"], ["50020", "1"]]
PATIENCE_S = 60.0


@pytest.fixture(params=VENUES)
def stock_venue(request: pytest.FixtureRequest, stock_venues: dict[str, StockVenue]) -> StockVenue:
    """The venue's account as seen by the synchronous client, in front of a fresh two-level book."""
    stock_venue = stock_venues[request.param]
    stock_venue.sandbox.refill(stock_venue.venue)
    stock_venue.set_book(BIDS, ASKS)
    return stock_venue


def run_with(stock_venue: StockVenue, scene: Callable[[Client], Awaitable[None]]) -> None:
    """Play one scene with a streaming client, which borrows the markets already loaded, and close it in any case."""

    async def play() -> None:
        client = stream_client(stock_venue.venue, stock_venue.sandbox.info)
        client.set_markets_from_exchange(stock_venue.client)
        client.options["uta"] = stock_venue.client.options.get("uta")  # what Bitget's client has found out
        try:
            await scene(client)
        finally:
            await client.close()

    asyncio.run(play())


async def watch_until(watch: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:
    """Return the first pushed value that is `enough`; fail when none comes within the patience."""

    async def look() -> Any:
        while not enough(value := await watch()):
            pass
        return value

    return await asyncio.wait_for(look(), PATIENCE_S)


def levels(side: list[Any]) -> list[list[Decimal]]:
    """Return price and size of each level, exactly."""
    return [[exact(level[0]), exact(level[1])] for level in side]


def exactly(side: list[list[str]]) -> list[list[Decimal]]:
    """Return levels as exact numbers."""
    return [[Decimal(price), Decimal(size)] for price, size in side]


def shows(bids: list[list[str]], asks: list[list[str]]) -> Callable[[Any], bool]:
    """Return a test whether a streamed book has exactly these levels."""
    return lambda book: levels(book["bids"]) == exactly(bids) and levels(book["asks"]) == exactly(asks)


def any_of(status: str) -> Callable[[Any], bool]:
    """Return a test whether one of the streamed orders has this status."""
    return lambda orders: any(order["status"] == status for order in orders)


def test_markets_load_over_the_same_client(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        assert SYMBOL in await client.load_markets(reload=True)

    run_with(stock_venue, scene)


def test_the_streamed_book_follows_every_change(stock_venue: StockVenue) -> None:
    later_bids, later_asks = [["50003", "0.7"], ["49990", "1.5"]], [["50010", "0.02"], ["50030", "3"]]

    async def scene(client: Client) -> None:
        await watch_until(lambda: client.watch_order_book(SYMBOL), shows(BIDS, ASKS))
        await asyncio.to_thread(stock_venue.set_book, later_bids, later_asks)
        await watch_until(lambda: client.watch_order_book(SYMBOL), shows(later_bids, later_asks))

    run_with(stock_venue, scene)


def test_a_lost_frame_breaks_the_chain_at_okx_and_the_client_recovers(stock_venues: dict[str, StockVenue]) -> None:
    stock_venue, final = stock_venues["okx"], [["50004", "0.9"]]
    stock_venue.set_book(BIDS, ASKS)

    async def scene(client: Client) -> None:
        await watch_until(lambda: client.watch_order_book(SYMBOL), shows(BIDS, ASKS))
        gap = {"venue": "okx", "fault": "ws_gap", "on": "stream", "count": 1}
        await asyncio.to_thread(stock_venue.sandbox.admin, "POST", "/fault", gap)
        watching = asyncio.ensure_future(watch_until(lambda: client.watch_order_book(SYMBOL), shows(final, ASKS)))
        await asyncio.to_thread(stock_venue.set_book, [["50003", "0.7"]], ASKS)
        await until_fault_struck(stock_venue)
        await asyncio.to_thread(stock_venue.set_book, final, ASKS)
        with pytest.raises(ccxt.InvalidNonce):
            await watching
        await watch_until(lambda: client.watch_order_book(SYMBOL), shows(final, ASKS))

    run_with(stock_venue, scene)


async def until_fault_struck(stock_venue: StockVenue) -> None:
    """Wait until no fault is active any more at the sandbox."""

    def gone() -> None:
        while stock_venue.sandbox.admin("GET", "/faults")["active"]:
            pass

    await asyncio.wait_for(asyncio.to_thread(gone), PATIENCE_S)


@pytest.mark.parametrize("venue", ["okx", "bitget"])
def test_short_books_come_whole(stock_venues: dict[str, StockVenue], venue: str) -> None:
    stock_venues[venue].set_book(BIDS, ASKS)

    async def scene(client: Client) -> None:
        await watch_until(lambda: client.watch_order_book(SYMBOL, 5), shows(BIDS, ASKS))
        later = [["50005", "0.1"]]
        await asyncio.to_thread(stock_venues[venue].set_book, later, ASKS)
        await watch_until(lambda: client.watch_order_book(SYMBOL, 5), shows(later, ASKS))

    run_with(stock_venues[venue], scene)


def test_the_streamed_ticker_quotes_the_best_levels(stock_venue: StockVenue) -> None:
    def quotes(ticker: Any) -> bool:
        if stock_venue.venue in ("bybit", "binance"):  # whose tickers, as their clients ask for them, have neither
            return ticker["last"] is not None and ticker["bid"] is None
        return (exact(ticker["bid"]), exact(ticker["ask"])) == (Decimal(50000), Decimal(50010))

    async def scene(client: Client) -> None:
        await watch_until(lambda: client.watch_ticker(SYMBOL), quotes)

    run_with(stock_venue, scene)


def test_public_trades_show_what_we_took(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        watching = asyncio.ensure_future(
            watch_until(
                lambda: client.watch_trades(SYMBOL),
                lambda trades: any((t["side"], exact(t["amount"])) == ("buy", Decimal("0.0137")) for t in trades),
            )
        )
        await in_force(client, public=True)
        await client.create_order(SYMBOL, "limit", "buy", 0.0137, 50010, {"timeInForce": "IOC"})
        await watching

    run_with(stock_venue, scene)


def test_streamed_candles_end_at_the_last_trade(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        for side, price in (("sell", 50000), ("buy", 50010)):
            stock_venue.client.create_order(SYMBOL, "limit", side, 0.001, price)
            await watch_until(
                lambda: client.watch_ohlcv(SYMBOL, "1m"),
                lambda candles, price=price: bool(candles) and exact(candles[-1][4]) == price,  # type: ignore[misc]
            )

    run_with(stock_venue, scene)


def test_an_own_order_is_seen_to_open_and_to_end(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        watching = asyncio.ensure_future(watch_until(lambda: client.watch_orders(SYMBOL), any_of("open")))
        await in_force(client)
        order = await client.create_order(SYMBOL, "limit", "buy", 0.01, 49000)
        opened = await watching
        watching = asyncio.ensure_future(watch_until(lambda: client.watch_orders(SYMBOL), any_of("canceled")))
        await client.cancel_order(order["id"], SYMBOL)
        ended = await watching

        assert [each["id"] for each in opened] == [order["id"]]
        assert [each["id"] for each in ended] == [order["id"]]

    run_with(stock_venue, scene)


def test_own_fills_arrive_as_booked(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        streamed: dict[str, Any] = {}

        def two_fills(trades: list[Any]) -> bool:
            streamed.update({trade["id"]: trade for trade in trades})
            return len(streamed) >= 2

        watching = asyncio.ensure_future(watch_until(lambda: client.watch_my_trades(SYMBOL), two_fills))
        await in_force(client)
        order = await client.create_order(SYMBOL, "limit", "buy", 0.05, 50020, {"timeInForce": "IOC"})
        await watching

        booked = {fill["trade_id"]: fill for fill in await asyncio.to_thread(stock_venue.fills_of, order["id"])}
        assert streamed.keys() == booked.keys()
        for trade_id, trade in streamed.items():
            fill = booked[trade_id]
            assert (trade["order"], trade["side"], trade["takerOrMaker"]) == (order["id"], "buy", "taker")
            assert (exact(trade["price"]), exact(trade["amount"])) == (Decimal(fill["price"]), Decimal(fill["size"]))
            # ccxt.pro hands OKX's own sign through: there a fee that is paid is negative
            assert abs(exact(trade["fee"]["cost"])) == Decimal(fill["fee"])
            assert trade["fee"]["currency"] == fill["fee_currency"]

    run_with(stock_venue, scene)


def test_a_filled_order_is_streamed_as_closed(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        watching = asyncio.ensure_future(
            watch_until(
                lambda: client.watch_orders(SYMBOL),
                any_of("closed"),
            )
        )
        await in_force(client)
        placed = await client.create_order(SYMBOL, "limit", "sell", 0.01, 50000)
        orders = await watching

        [closed] = [order for order in orders if order["status"] == "closed"]
        assert (closed["id"], exact(closed["filled"])) == (placed["id"], Decimal("0.01"))

    run_with(stock_venue, scene)


def test_the_streamed_balance_ends_at_the_ledgers(stock_venue: StockVenue) -> None:
    async def scene(client: Client) -> None:
        latest: dict[str, Any] = {}

        def both_changed(balance: Any) -> bool:
            latest.update(balance)
            held = stock_venue.ledger()["balances"]
            return all(
                asset in latest and exact(latest[asset]["free"]) == Decimal(held[asset]["free"])
                for asset in ("BTC", "USDT")
            )

        watching = asyncio.ensure_future(watch_until(client.watch_balance, both_changed))
        await in_force(client)
        await client.create_order(SYMBOL, "limit", "sell", 0.01, 50000, {"timeInForce": "IOC"})
        await watching

    run_with(stock_venue, scene)


@pytest.mark.parametrize("venue", ["okx", "gate", "binance"])
def test_orders_can_be_placed_and_cancelled_over_the_socket(stock_venues: dict[str, StockVenue], venue: str) -> None:
    stock_venue = stock_venues[venue]
    stock_venue.set_book(BIDS, ASKS)

    async def scene(client: Client) -> None:
        resting = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 49000)
        await client.cancel_order_ws(resting["id"], SYMBOL)
        taken = await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 50010, {"timeInForce": "IOC"})

        assert (await asyncio.to_thread(stock_venue.order, resting["id"]))["status"] == "cancelled"
        assert (await asyncio.to_thread(stock_venue.order, taken["id"]))["filled"] == "0.01"

    run_with(stock_venue, scene)


def test_several_orders_are_cancelled_over_the_socket_in_one_frame(stock_venues: dict[str, StockVenue]) -> None:
    stock_venue = stock_venues["okx"]  # Gate's stock client knows no such call
    stock_venue.set_book(BIDS, ASKS)

    async def scene(client: Client) -> None:
        resting = [await client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 49000) for _ in range(2)]
        await client.cancel_orders_ws([order["id"] for order in resting], SYMBOL)

        statuses = [(await asyncio.to_thread(stock_venue.order, order["id"]))["status"] for order in resting]
        assert statuses == ["cancelled"] * 2

    run_with(stock_venue, scene)


@pytest.mark.parametrize("venue", ["okx", "bitget", "bybit"])
def test_a_wrong_secret_cannot_log_in(stock_venues: dict[str, StockVenue], venue: str) -> None:
    async def scene(client: Client) -> None:
        client.secret = "not the secret"
        with pytest.raises(ccxt.AuthenticationError):
            await asyncio.wait_for(client.watch_orders(SYMBOL), PATIENCE_S)

    run_with(stock_venues[venue], scene)


async def in_force(client: Client, *, public: bool = False) -> None:
    """Wait until what was asked to be watched before is in force at the venue.

    A channel that begins with a snapshot is asked for on the same connection: venues obey in order, so when the
    snapshot is there, the earlier subscription is too. Only the private addresses of OKX and Bitget are apart from the public.
    """
    await asyncio.sleep(0)  # the task that watches takes its first step before ours
    if client.id in ("bybit", "binance") and not public:
        await in_force_without_snapshot(client)
    elif public or client.id == "gate":
        await asyncio.wait_for(client.watch_order_book(SYMBOL), PATIENCE_S)
    else:
        await asyncio.wait_for(client.watch_balance(), PATIENCE_S)


async def in_force_without_snapshot(client: Client) -> None:
    """Wait as `in_force` does where no private channel begins with a snapshot: change a balance until that is pushed."""
    pushed = asyncio.ensure_future(client.watch_balance())
    async with asyncio.timeout(PATIENCE_S):
        while not pushed.done():
            order = await client.create_order("ETH/USDT", "limit", "buy", 0.01, 1000)
            await client.cancel_order(order["id"], "ETH/USDT")
    await pushed
