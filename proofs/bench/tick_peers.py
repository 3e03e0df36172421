"""Whom the engine is compared with from a tick to its orders: a raw client, and the bot that a user would write with ccxt.pro.

`python -m proofs.bench.tick_peers raw|ccxt ANNOUNCED` trades on the sandbox of that first line until it is killed. Both know
the venues and the symbol. The raw client is the floor: it looks for the tick in the bytes and writes two prepared requests.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from arb.clock import system_random
from arb.venues.transport.frames import Opcode, masked_frame
from proofs.bench.peers import SYMBOL, find

BUY_AT, SELL_AT = "gate", "okx"
TICK = b'"60400'
"""What is in the frame that makes the edge, and in no other of those before it: the price it jumps to."""
PAUSE_S = 0.2
SUBSCRIBE = b'{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'
BODY = b'{"currency_pair":"BTC_USDT","side":"buy","amount":"0.03","price":"60010"}'


class _Line(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class _Feed(asyncio.Protocol):
    def __init__(self, path: str, host: str, act: Callable[[], None]) -> None:
        self._path, self._host, self._act, self._up = path, host, act, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        key = base64.b64encode(system_random().randbytes(16)).decode()
        head = f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        transport.write((head + f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self._up:
            self._up = True
            self._transport.write(masked_frame(Opcode.TEXT, SUBSCRIBE, bytes(4)))
        elif TICK in data:
            self._act()


async def raw(announced: dict[str, Any]) -> None:
    """Trade as fast as can be: no books, no signatures, no answers read."""
    loop, at = asyncio.get_running_loop(), urlsplit(announced["admin"])
    lines: list[Any] = [(await loop.create_connection(_Line, at.hostname, at.port))[0] for _ in range(2)]
    requests = [
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        + BODY
        for path in ("/api/v4/spot/orders", "/api/v5/trade/order")
    ]
    ready_s = 0.0

    def act() -> None:
        nonlocal ready_s
        if loop.time() >= ready_s:
            ready_s = loop.time() + PAUSE_S
            lines[0].write(requests[0])
            lines[1].write(requests[1])

    ws = urlsplit(announced["venues"][SELL_AT]["ws_public"])
    await loop.create_connection(lambda: _Feed(ws.path, ws.netloc, act), ws.hostname, ws.port)
    await asyncio.Event().wait()


async def ccxt(announced: dict[str, Any]) -> None:
    """Trade as ccxt's manual does: watch two books, and gather two immediate-or-cancel limit orders."""
    pro: Any = find("ccxt.pro")
    clients: dict[str, Any] = {}
    for name in (BUY_AT, SELL_AT):
        venue = announced["venues"][name]
        options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}
        keys = {"apiKey": venue["key"], "secret": venue["secret"], "password": venue.get("passphrase", "")}
        client = clients[name] = getattr(pro, name)({**keys, "options": options})
        client.urls["api"] = _pointed(client.urls["api"], name, venue)
        await client.load_markets()
    best: dict[str, Any] = {}
    ready_s = 0.0
    tasks: set[asyncio.Future[Any]] = set()
    loop = asyncio.get_running_loop()

    async def watch(name: str) -> None:
        nonlocal ready_s
        while True:
            book = await clients[name].watch_order_book(SYMBOL)
            if book["bids"] and book["asks"]:
                best[name] = (book["bids"][0], book["asks"][0])
            if len(best) < 2 or loop.time() < ready_s:
                continue
            ask, bid = best[BUY_AT][1], best[SELL_AT][0]
            if bid[0] * 0.999 > ask[0] * 1.001:
                ready_s, size = loop.time() + PAUSE_S, round(min(ask[1], bid[1], 0.03), 2)
                ioc = {"timeInForce": "IOC"}
                buy = clients[BUY_AT].create_order(SYMBOL, "limit", "buy", size, ask[0], ioc)
                sell = clients[SELL_AT].create_order(SYMBOL, "limit", "sell", size, bid[0], ioc)
                tasks.add(asyncio.gather(buy, sell, return_exceptions=True))

    await asyncio.gather(*(watch(name) for name in (BUY_AT, SELL_AT)))


def _pointed(urls: Any, name: str, venue: dict[str, str]) -> Any:
    if isinstance(urls, dict):
        return {key: _pointed(value, name, venue) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    if urls.startswith("wss://"):
        return venue["ws"] if name == "gate" else venue["ws_public"].rsplit("/", 1)[0]
    return venue["rest"].rstrip("/")


def main() -> None:
    """Trade until killed; on uvloop where it is installed."""
    work = {"raw": raw, "ccxt": ccxt}[sys.argv[1]](json.loads(sys.argv[2]))
    uvloop = find("uvloop")
    if uvloop is None:
        asyncio.run(work)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    main()
