"""Binance on the bench: requests by name, and the two ways to sign them."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

from arb.clock import NS_PER_MS
from arb.sandbox.binance.spec import ROOT
from arb.sandbox.wire import HttpAnswer, HttpRequest
from tests.unit.sandbox.bench import Bench, Stream

BIDS = [("50000", "0.5"), ("49990", "2")]
ASKS = [("50010", "0.02"), ("50020", "1")]
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "49000",
    "quantity": "0.01",
}
IOC = ORDER | {"timeInForce": "IOC", "price": "50020"}


def binance_bench(**options: Any) -> Bench:
    bench = Bench("binance", **options)
    bench.set_book(BIDS, ASKS)
    return bench


def ask(bench: Bench, path: str, method: str = "GET", **params: Any) -> tuple[int, Any]:
    """Ask a private endpoint, signed as stock ccxt does; a path that begins with `sapi/` is the wallet's."""
    api, _, rest = path.partition("sapi/")
    return bench.ask(["sapi"] if rest else ["private"], rest or api, method, params)


def place(bench: Bench, **changes: Any) -> Any:
    """Place an order, `ORDER` but for the changes (None: not sent), and return the content of the answer."""
    wanted = {name: value for name, value in (ORDER | changes).items() if value is not None}
    return ask(bench, "order", "POST", **wanted)[1]


def answered(bench: Bench, request: HttpRequest) -> HttpAnswer:
    """Send a request and return the whole answer, headers too."""
    token = bench.world.submit(request, bench.now_ns)
    bench.advance(500 * NS_PER_MS)
    return bench.answer_of(token)


def signed(bench: Bench, method: str, path: str, query: str, body: str = "", *, last: str = "query") -> HttpRequest:
    """Sign a query and a body exactly as they are, and put the signature behind one of them."""
    profile = bench.exchange.profile
    seal = hmac.new(profile.secret.encode(), (query + body).encode(), hashlib.sha256).hexdigest()
    if last == "query":
        query = f"{query}&signature={seal}".lstrip("&")
    else:
        body = f"{body}&signature={seal}".lstrip("&")
    return HttpRequest(method, f"{ROOT}{path}", query, {"x-mbx-apikey": profile.key}, body.encode())


def stamped(bench: Bench, *, ago_ms: int = 0, **params: Any) -> str:
    """Return a query of these parameters, with a timestamp."""
    return urlencode(params | {"timestamp": bench.now_ns // NS_PER_MS - ago_ms})


def by_socket(bench: Bench, method: str, secret: str = "", **params: Any) -> dict[str, Any]:
    """Return a websocket request, signed over its parameters by name."""
    profile = bench.exchange.profile
    asked = {"apiKey": profile.key, "timestamp": bench.now_ns // NS_PER_MS} | params
    text = "&".join(f"{name}={asked[name]}" for name in sorted(asked))
    seal = hmac.new((secret or profile.secret).encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"id": method, "method": method, "params": asked | {"signature": seal}}


def subscribed(bench: Bench) -> Stream:
    """Open the websocket API with a user data stream."""
    stream = bench.open(f"{ROOT}/ws-api/v3")
    [answer] = stream.send(by_socket(bench, "userDataStream.subscribe.signature"))
    assert (answer["status"], answer["result"]) == (200, {"subscriptionId": 0}), json.dumps(answer)
    return stream
