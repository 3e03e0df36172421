"""Endpoints about the account that clients ask on their way: what a plain spot account says, and what its key may not."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.sandbox.bench import Bench

SPOT, WALLET = ["private", "spot"], ["private", "wallet"]


def okx(bench: Bench, path: str, **params: Any) -> Any:
    status, answer = bench.ask(["private"], path, params=params)
    assert (status, answer["code"]) == (200, "0")
    return answer["data"]


@pytest.mark.parametrize("path", ["account/positions", "asset/balances", "trade/orders-algo-pending"])
def test_okx_has_no_positions_no_algo_orders_and_an_empty_funding_account(path: str) -> None:
    assert okx(Bench("okx", small=True), path) == []


def test_okx_says_how_much_can_be_traded() -> None:
    bench = Bench("okx", small=True)
    bench.set_book([("50000", "1")], [("50010", "1")])
    wanted = {"instId": "BTC-USDT", "tdMode": "cash"}
    free = bench.exchange.balances()

    [size] = okx(bench, "account/max-size", **wanted, px="40000")
    [available] = okx(bench, "account/max-avail-size", **wanted)
    [worth] = okx(bench, "asset/asset-valuation", ccy="USDT")

    assert (Decimal(size["maxBuy"]), Decimal(size["maxSell"])) == (free["USDT"].free / 40_000, free["BTC"].free)
    assert (Decimal(available["availBuy"]), Decimal(available["availSell"])) == (free["USDT"].free, free["BTC"].free)
    assert Decimal(worth["totalBal"]) == free["USDT"].free + free["BTC"].free * Decimal("50005")
    assert bench.ask(["private"], "account/max-size", params={**wanted, "tdMode": "cross"})[1]["code"] == "51010"
    assert okx(bench, "account/instruments", instType="SPOT")[0]["instId"] == "BTC-USDT"


def test_okx_announces_its_instruments_on_the_public_socket() -> None:
    stream = Bench("okx", small=True).open("/ws/v5/public")

    acknowledged, listed = stream.send({"op": "subscribe", "args": [{"channel": "instruments", "instType": "SPOT"}]})
    [futures] = stream.send({"op": "subscribe", "args": [{"channel": "instruments", "instType": "FUTURES"}]})
    [wrong] = stream.send({"op": "subscribe", "args": [{"channel": "instruments", "instType": "X"}]})

    assert (acknowledged["event"], futures["event"], wrong["code"]) == ("subscribe", "subscribe", "60018")
    assert [row["instId"] for row in listed["data"]] == ["BTC-USDT"]


@pytest.mark.parametrize("path", ["asset/transfer", "asset/withdrawal"])
def test_okx_refuses_what_the_key_may_not(path: str) -> None:
    status, answer = Bench("okx", small=True).ask(["private"], path, "POST", {"ccy": "USDT", "amt": "1"})

    assert (status, answer["code"]) == (401, "50120")


def test_gate_lists_no_contracts_and_is_a_classic_account() -> None:
    bench = Bench("gate", small=True)

    assert bench.ask(["public", "futures"], "usdt/contracts") == (200, [])
    assert bench.ask(["public", "delivery"], "usdt/contracts") == (200, [])
    assert bench.ask(["private", "unified"], "unified_mode") == (200, {"mode": "classic"})
    assert bench.ask(["private", "unified"], "accounts")[0] == 400
    assert bench.ask(SPOT, "price_orders", params={"status": "open"}) == (200, [])
    assert bench.ask(WALLET, "sub_account_balances") == (200, [])
    status, refused = bench.ask(WALLET, "transfers", "POST", {"currency": "USDT", "amount": "1"})
    assert (status, refused["label"]) == (403, "READ_ONLY")


def test_gate_sums_up_the_wallet_at_the_middle_of_the_books() -> None:
    bench = Bench("gate", small=True)
    bench.set_book([("50000", "1")], [("50010", "1")])
    held = bench.exchange.balances()

    _, answer = bench.ask(WALLET, "total_balance")

    assert Decimal(answer["total"]["amount"]) == held["USDT"].total + held["BTC"].total * Decimal("50005")


def test_bitget_answers_what_clients_ask_besides() -> None:
    bench = Bench("bitget", small=True)
    bench.set_book([("50000", "1"), ("49990", "1")], [("50010", "1")])
    public = ["public", "spot"]

    _, depth = bench.ask(public, "v2/spot/market/merge-depth", params={"symbol": "BTCUSDT", "limit": 1})
    _, levels = bench.ask(public, "v2/spot/market/vip-fee-rate")
    _, plans = bench.ask(SPOT, "v2/spot/trade/current-plan-order", params={"symbol": "BTCUSDT"})
    bench.fault("internal_transfer", "any")
    _, moved = bench.ask(SPOT, "v2/spot/account/transferRecords", params={"coin": "USDT"})
    status, refused = bench.ask(SPOT, "v2/spot/wallet/transfer", "POST", {"coin": "USDT"})

    assert (len(depth["data"]["bids"]), len(levels["data"]), plans["data"]["orderList"]) == (1, 1, [])
    assert [(row["toType"], Decimal(row["size"])) for row in moved["data"]] == [("spot", Decimal(200))]
    assert (status, refused["code"]) == (400, "40014")
