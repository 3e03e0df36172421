"""A generic feed by an unmodified ccxt.pro client, on the server in an exchange's role: shown, recorded, never traded on."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from arb.app.display import DisplayOnly
from arb.app.record import Record
from arb.app.run import Run
from arb.clock import SystemClock
from arb.config import Mode, RecordOptions, RunOptions, Settings, load_settings
from arb.config.loader import load_text
from arb.replay.books import books_at
from arb.venues.generic.feed import GenericFeed, ccxt_client
from arb.venues.generic.spec import exchange_names
from arb.venues.transport.proxy import Proxy
from arb.venues.transport.way import WayOut
from tests.contract.venue_server import Client, Venues, stock_client, venue_server
from tests.integration.socks_proxy import SocksProxy
from tests.integration.support import run_arb

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
VENUE = "generic:kraken"
WITHIN_S = 30.0
MARKET = {
    "id": "XBTUSDT", "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "type": "spot", "spot": True, "active": True,
    "wsId": "XBT/USDT", "info": {"wsname": "XBT/USDT"}, "limits": {}, "precision": {"amount": 1e-8, "price": 1e-2},
}  # fmt: skip
MakeClient = Callable[[str], Client]


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    """Start the server that all tests here share."""
    with venue_server("--symbols", "8", "--seed", "3", "--rate", "5") as running:
        yield running


def pushed(venues: Venues) -> MakeClient:
    """Return what makes a client of an exchange that pushes its books."""
    return lambda exchange: stock_client("bybit", venues.info)


def polled(venues: Venues) -> MakeClient:
    """Return what makes a client of an exchange that pushes none, and says so."""

    def make(exchange: str) -> Client:
        client = stock_client("bybit", venues.info)
        client.has["watchOrderBook"] = False
        client.watch_order_book = None
        return client

    return make


def denied(venues: Venues) -> MakeClient:
    """Return what makes a client of an exchange that pushes none, and says so only when it is asked."""

    async def refuse(symbol: str) -> Any:
        raise ccxt.NotSupported("not for spot")

    def make(exchange: str) -> Client:
        client = stock_client("bybit", venues.info)
        client.watch_order_book = refuse
        return client

    return make


def shown_when(
    make_client: MakeClient, wanted: Callable[[dict[str, Any]], bool], symbols: tuple[str, ...] = SYMBOLS
) -> dict[str, Any]:
    """Return what is shown of the exchange as soon as it is as wanted."""
    settings = load_text(
        f'[run]\nsymbols = {json.dumps(symbols)}\n[generic]\nvenues = ["kraken"]\n', Settings, "config.toml"
    )

    async def story() -> dict[str, Any]:
        display = DisplayOnly(settings, SystemClock(), random.Random(1), make_client)
        running = asyncio.create_task(display.run())
        try:
            async with asyncio.timeout(WITHIN_S):
                while not wanted(row := display.rows_with_quotes()[0]):
                    assert not running.done()
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return row

    return asyncio.run(story())


@pytest.mark.parametrize("kind", [pushed, polled, denied])
def test_all_books_come_and_are_marked(venues: Venues, kind: Callable[[Venues], MakeClient]) -> None:
    row = shown_when(kind(venues), lambda row: row["books"] == "3/3")
    assert row | {"best": None} == {
        "venue": VENUE, "use": "display only", "books": "3/3", "trouble": None, "best": None,
    }  # fmt: skip
    for symbol, best in row["best"].items():
        bids, _ = venues.book("bybit", symbol.replace("/", ""))
        assert Decimal(best["bid"]) < Decimal(best["ask"])
        assert abs(Decimal(best["bid"]) / bids[0][0] - 1) < Decimal("0.05")


def test_a_symbol_that_is_not_listed_is_said_and_keeps_no_other_away(venues: Venues) -> None:
    row = shown_when(
        pushed(venues), lambda row: row["books"] == "3/4" and bool(row["trouble"]), (*SYMBOLS, "NOSUCH/USDT")
    )
    assert row["trouble"].startswith("NOSUCH/USDT: BadSymbol")
    assert set(row["best"]) == set(SYMBOLS)


@pytest.mark.thorough
@pytest.mark.parametrize("what", ["cut", "garbage"])
def test_a_connection_that_ends_or_is_spoilt_takes_its_books_away_for_a_while_only(venues: Venues, what: str) -> None:
    async def story() -> None:
        books: Counter[str] = Counter()
        came = asyncio.Event()

        def on_frame(connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
            books.update([frame["symbol"]] if "bids" in (frame := json.loads(raw)) else [])
            if len(books) == len(SYMBOLS) and min(books.values()) >= 5:  # more than were under way
                came.set()

        feed = GenericFeed(
            "kraken", SYMBOLS, make_client=pushed(venues), clock=SystemClock(), rng=random.Random(1),
            on_frame=on_frame, emit=lambda event: None, silence_s=2.0,
        )  # fmt: skip
        running = asyncio.create_task(feed.run())
        try:
            async with asyncio.timeout(WITHIN_S):
                await came.wait()
                venues.strike("bybit", what)
                books.clear()
                came.clear()
                await came.wait()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(story())


class Stumbling:
    """A client that fails as often as there are failures, and then works."""

    def __init__(self, inner: Client, failures: dict[str, list[BaseException]]) -> None:
        self._inner = inner
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def _stumble(self, name: str, *asked: Any) -> Any:
        if self._failures[name]:
            raise self._failures[name].pop(0)
        return await getattr(self._inner, name)(*asked)

    async def load_markets(self) -> Any:
        return await self._stumble("load_markets")

    async def watch_order_book(self, symbol: str) -> Any:
        return await self._stumble("watch_order_book", symbol)


def test_whatever_ccxt_raises_a_book_is_lost_and_comes_again(venues: Venues) -> None:
    raised = {
        "load_markets": [ccxt.NetworkError("away"), KeyError("result"), asyncio.CancelledError()],
        "watch_order_book": [
            ccxt.ExchangeError("no"),
            TypeError("None"),
            asyncio.CancelledError(),
            ccxt.NotSupported("no"),
        ],
    }
    row = shown_when(lambda _: Stumbling(stock_client("bybit", venues.info), raised), lambda row: row["books"] == "3/3")
    assert raised == {"load_markets": [], "watch_order_book": []} and row["trouble"] is None


@pytest.fixture
def settings(tmp_path: Path, venues: Venues) -> Settings:
    """Return settings with two venues of our own on the server, and the exchange beside them."""
    text = f'[run]\nsymbols = {json.dumps(SYMBOLS)}\n[generic]\nvenues = ["kraken"]\n[limits]\nmin_edge_bps = 100\n'
    text += "".join(f"[venues.{venue}]\nenabled = false\n" for venue in ("okx", "bitget"))
    for venue in ("gate", "bybit"):
        address = venues.info["venues"][venue]
        text += f"[venues.{venue}]\nenabled = true\n[venues.{venue}.endpoints]\n"
        text += f'rest = "{address["rest"]}"\nws_public = "{address["ws_public"]}"\n'
    (tmp_path / "config.toml").write_text(text)
    return load_settings(tmp_path / "config.toml")


@pytest.mark.thorough
def test_its_books_are_recorded_and_a_replay_rebuilds_and_never_trades_them(
    tmp_path: Path, venues: Venues, settings: Settings
) -> None:
    options = RecordOptions(out=tmp_path / "rec", every_s=3600, size_bytes=10**9, for_s=5)
    summary, code = asyncio.run(Record(settings, options, make_client=pushed(venues)).main())
    assert code == 0 and summary["gaps"] == []
    tape = tmp_path / "rec" / summary["segments"][-1]["file"]
    books = {name: book for name, book in books_at(tape, None, 50).books.items() if name.startswith(VENUE)}
    assert {name: book.state for name, book in books.items()} == {f"{VENUE}/{symbol}": "live" for symbol in SYMBOLS}
    assert all(book.bids and book.asks for book in books.values())
    replayed = run_arb("replay", str(tape), "--json", cwd=tmp_path)
    assert replayed.code == 0, replayed.err
    left_out = {(one["venue"], one["native_symbol"], one["reason"]) for one in replayed.summary["replay"]["left_out"]}
    assert left_out == {(VENUE, symbol, "books of a generic feed are for display only") for symbol in SYMBOLS}


class Dear:
    """A client whose books stand two percent above the exchange's own: an edge that would be taken anywhere else."""

    def __init__(self, inner: Client) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def watch_order_book(self, symbol: str) -> Any:
        book = await self._inner.watch_order_book(symbol)
        dear = {side: [[level[0] * 1.02, level[1]] for level in book[side]] for side in ("bids", "asks")}
        return {"timestamp": book["timestamp"], "nonce": book["nonce"], **dear}


@pytest.mark.thorough
def test_a_paper_run_shows_it_and_opens_nothing_however_great_the_edge(
    tmp_path: Path, venues: Venues, settings: Settings
) -> None:
    options = RunOptions(mode=Mode.PAPER, for_s=5, db=f"sqlite:///{tmp_path}/paper.sqlite")
    run = Run(settings, options, make_client=lambda _: Dear(stock_client("bybit", venues.info)))
    summary, code = asyncio.run(run.main())
    assert code == 0
    (shown,) = summary["display_only"]
    assert (shown["venue"], shown["books"], shown["use"]) == (VENUE, "3/3", "display only")
    for symbol, best in shown["best"].items():
        assert Decimal(best["bid"]) > Decimal("1.01") * venues.book("bybit", symbol.replace("/", ""))[1][0][0]
    assert summary["pairs"]["opened"] == 0 and set(summary["books"]) == {"gate", "bybit"}


def test_by_a_proxy_nothing_goes_another_way() -> None:
    async def story() -> list[str]:
        asked: list[str] = []

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readline()).decode().strip())
            writer.close()

        async with await asyncio.start_server(on_connection, "127.0.0.1", 0) as proxy:
            way = WayOut(Proxy("127.0.0.1", proxy.sockets[0].getsockname()[1], "user", "word"))
            client = ccxt_client("kraken", way)
            try:
                with pytest.raises(ccxt.NetworkError):
                    await client.load_markets()
                client.set_markets([client.safe_market_structure(MARKET)])
                with pytest.raises(ccxt.NetworkError):
                    await client.watch_order_book("BTC/USDT")
            finally:
                await client.close()
        return asked

    assert set(asyncio.run(story())) == {f"CONNECT {host}.kraken.com:443 HTTP/1.1" for host in ("api", "ws")}


def test_by_a_socks_proxy_names_are_resolved_there_and_nothing_goes_another_way() -> None:
    async def story() -> tuple[list[str], list[str]]:
        async with SocksProxy(1, login="user:word") as proxy:  # no venue is behind it
            client = ccxt_client(
                "kraken", WayOut(Proxy("127.0.0.1", proxy.port, "user", "word", socks=True), "127.0.0.9")
            )
            try:
                with pytest.raises(ccxt.NetworkError):
                    await client.load_markets()
                client.set_markets([client.safe_market_structure(MARKET)])
                with pytest.raises(ccxt.NetworkError):
                    await client.watch_order_book("BTC/USDT")
            finally:
                await client.close()
            return proxy.asked, proxy.peers

    asked, peers = asyncio.run(story())
    assert set(asked) == {"api.kraken.com:443", "ws.kraken.com:443"}
    assert set(peers) == {"127.0.0.9"}, "and from the address that is set"


def test_the_names_are_those_of_the_exchange_classes() -> None:
    assert exchange_names() == set(ccxt.pro.exchanges)
