"""The sandbox's Binance writes the fields that its documents and recorded answers have: the same ones, and no others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arb.sandbox.binance.spec import ROOT
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.binance import IOC, ask, binance_bench, place, subscribed

Answer = Callable[[Bench], Any]


def public(path: str) -> Answer:
    return lambda bench: bench.ask(["public"], path, params={"symbol": "BTCUSDT"})[1]


def private(path: str, **params: Any) -> Answer:
    return lambda bench: ask(bench, path, **params)[1]


def pushed(stream: str) -> Answer:
    return lambda bench: bench.open(f"{ROOT}/ws/btcusdt@{stream}").wait()[0]


def placed(bench: Bench) -> Any:
    return place(bench, **IOC)


def looked_up(bench: Bench) -> Any:
    return ask(bench, "order", symbol="BTCUSDT", orderId=place(bench)["orderId"])[1]


def cancelled(bench: Bench) -> Any:
    return ask(bench, "order", "DELETE", symbol="BTCUSDT", orderId=place(bench)["orderId"])[1]


def traded(bench: Bench) -> Any:
    place(bench, **IOC)
    return ask(bench, "myTrades", symbol="BTCUSDT")[1][0]


def reported(bench: Bench) -> Any:
    stream = subscribed(bench)
    place(bench)
    return stream.wait()[0]["event"] | {"v": "only where a self-trade was prevented"}


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (placed, "rest/post-v3-order--filled-market-sell-gtc-new-order-trade-full"),
        (
            lambda bench: placed(bench)["fills"][0],
            "rest/post-v3-order--filled-market-sell-gtc-new-order-trade-full fills 0",
        ),
        (looked_up, "further/rest/get-v3-order--new-limit-buy-gtc-query-order-user_data"),
        (cancelled, "rest/delete-v3-order--canceled-limit-buy-gtc-cancel-order-trade"),
        (traded, "rest/get-v3-mytrades--account-trade-list-user_data 0"),
        (reported, "further/ws/user.executionReport--new-limit-gtc-order-update-payload event"),
        (
            private("account/commission", symbol="BTCUSDT"),
            "rest/get-v3-account-commission--query-commission-rates-user_data",
        ),
        (private("sapi/account/apiRestrictions"), "rest/get-sapi-v1-account-apirestrictions--ok"),
        (private("sapi/asset/tradeFee"), "rest/get-sapi-v1-asset-tradefee--ok"),
        (public("depth"), "rest/get-v3-depth--order-book"),
        (public("trades"), "rest/get-v3-trades--recent-trades-list 0"),
        (public("ticker/24hr"), "rest/get-v3-ticker-24hr--24hr-ticker-price-change-statistics-full"),
        (public("ticker/bookTicker"), "further/rest/get-v3-ticker-bookticker--symbol-order-book-ticker"),
        (pushed("ticker"), "further/ws/stream.24hrTicker--0.0009-0.0010-individual-symbol-ticker-streams-payload"),
        (pushed("miniTicker"), "ws/stream.24hrMiniTicker--0.0010-individual-symbol-mini-ticker-stream-payload"),
    ],
)
def test_an_answer_has_the_documented_fields(repo_root: Path, ours: Answer, name: str) -> None:
    name, *inside = name.split(" ")
    path = repo_root.parent / "shared" / "data" / "answers" / "binance" / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not in ../shared/data")
    theirs = json.loads(json.loads(path.read_text(encoding="utf-8"))["raw"])
    for key in inside:
        theirs = theirs[int(key) if key.isdigit() else key]
    bench = binance_bench()
    place(bench, **IOC)

    found = ours(bench)

    def first(content: Any) -> Any:
        return content[0] if isinstance(content, list) else content

    assert set(first(found)) == set(first(theirs))
