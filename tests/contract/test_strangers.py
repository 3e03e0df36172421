"""Trading programs of others as judges: they run in environments of their own, which `make strangers` installs.

Each program is a script in `strangers/` that an interpreter with the package runs; without that environment it is skipped.
hummingbot has no package, so it is built by hand:

    python3.12 -m venv build/strangers/hummingbot && cd build/strangers/hummingbot
    git clone --depth 1 https://github.com/hummingbot/hummingbot sources
    bin/pip install setuptools==80.8.0 cython numpy pandas "aiohttp<3.14" "async-timeout<5" bidict cachetools cryptography \
      pydantic requests ruamel.yaml six "sqlalchemy>=1.4.49" tabulate tqdm ujson "urllib3<2" pyjwt psutil prompt_toolkit \
      python-dateutil commlib-py hexbytes
    cd sources && ../bin/python setup.py build_ext --inplace && touch ../installed
"""

import json
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.sandbox.registry import VENUE_NAMES
from tests.contract.conftest import Sandbox, still_sandbox

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "strangers"
ENVIRONMENTS = ROOT / "build" / "strangers"


@pytest.fixture
def still() -> Iterator[Sandbox]:
    """Start a sandbox for one program alone, for its ledger is compared with what the program saw."""
    with still_sandbox(seed=12, venues=VENUE_NAMES) as running:
        yield running


def report_of(script: str, package: str, sandbox: Sandbox, *options: str) -> dict[str, Any]:
    """Run a program with the sandbox's first line and return its report; skip where its package is not installed."""
    python = ENVIRONMENTS / package / "bin" / "python"
    if not (ENVIRONMENTS / package / "installed").exists():
        pytest.skip(f"{package} is not installed in {python.parents[1]}: `make strangers` does it where it can be had")
    ran = subprocess.run(
        [python, SCRIPTS / script, *options],
        input=json.dumps(sandbox.info),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return report


def held(ledger: dict[str, Any]) -> dict[str, Decimal]:
    """Return what an account holds, by asset."""
    return {asset: Decimal(b["free"]) + Decimal(b["locked"]) for asset, b in ledger["balances"].items()}


@pytest.mark.parametrize("mode", ["spot", "futures", "multi_currency", "portfolio"])
def test_nautilus_trader_trades_on_okx(still: Sandbox, mode: str) -> None:
    still.admin("POST", "/account", {"venue": "okx", "mode": mode})
    against_margin = ("--cross",) if mode in ("multi_currency", "portfolio") else ()
    report = report_of("nautilus_okx.py", "nautilus_trader", still, *against_margin)
    ledger, seen = still.admin("GET", "/ledger")["okx"], report["seen"]

    assert report["instruments"] == 5
    assert min(seen.get(name, 0) for name in ("quote", "deltas", "bar")) > 0
    shown = {asset: Decimal(money.split()[0]) for asset, money in report["held"].items()}
    assert shown == held(ledger)
    if tuple(int(part) for part in report["version"].split(".")[:2]) < (1, 231):
        # before February 2026 orders named their instrument as the venue does not read it any more
        assert {refusal.split(": ")[1] for refusal in report["refusals"]} == {"Parameter instIdCode can not be empty"}
        return
    assert report["refusals"] == []
    assert (seen["OrderFilled"], seen["OrderUpdated"], seen["OrderCanceled"]) == (1, 1, 1)
    assert sorted((order["status"], order["filled"], order["size"]) for order in ledger["orders"]) == [
        ("cancelled", "0", "0.002"),
        ("closed", "0.001", "0.001"),
    ]


def test_freqtrade_trades_on_all_venues(still: Sandbox) -> None:
    report = report_of("freqtrade_exchanges.py", "freqtrade", still)

    for venue, ledger in still.admin("GET", "/ledger").items():
        said = report[venue]
        assert said["candles"] > 200
        assert said["states"] == ["open", "canceled", "closed"]
        booked = {(fill["trade_id"], Decimal(fill["price"]), Decimal(fill["size"])) for fill in ledger["fills"]}
        assert {(trade_id, Decimal(price), Decimal(size)) for trade_id, price, size in said["fills"]} == booked
        assert {asset: Decimal(total) for asset, total in said["held"].items()} == {
            asset: amount for asset, amount in held(ledger).items() if asset in ("BTC", "USDT")
        }


def test_hummingbots_connectors_trade_on_all_venues(still: Sandbox) -> None:
    report = report_of("hummingbot_connectors.py", "hummingbot", still)

    for venue, ledger in still.admin("GET", "/ledger").items():
        assert report[venue]["ends"] == ["OrderCancelledEvent", "BuyOrderCompletedEvent", "SellOrderCompletedEvent"]
        assert {order["status"] for order in ledger["orders"]} == {"cancelled", "closed"}
        assert {asset: Decimal(total) for asset, total in report[venue]["held"].items()} == {
            asset: amount for asset, amount in held(ledger).items() if asset in ("BTC", "USDT")
        }


def test_the_venues_own_client_trades_on_bybit() -> None:
    with still_sandbox(seed=12, venues=("gate", "bybit")) as still:
        report = report_of("pybit_spot.py", "pybit", still)
        ledger = still.admin("GET", "/ledger")["bybit"]

    fills = {fill["trade_id"] for fill in ledger["fills"]}
    assert set(report["paged"]) == set(report["pushed"]) == fills and len(report["paged"]) == len(fills)
    assert [order["id"] for order in ledger["orders"] if order["status"] != "rejected"] == report["ids"]
    assert {asset: Decimal(amount) for asset, amount in report["held"].items()} == held(ledger)
    assert (report["instruments"], report["price"], report["refused"]) == (5, "48900", 170131)
    assert report["ended"][0] == "Cancelled" and report["rights"] == ["SpotTrade"]


def test_the_venues_own_client_trades_on_binance_with_either_kind_of_key() -> None:
    with still_sandbox(seed=12, venues=("gate", "binance")) as still:
        report = report_of("binance_sdk.py", "binance-sdk-spot", still)
        ledger = still.admin("GET", "/ledger")["binance"]

    *fills, by_secret, by_logon = [int(fill["trade_id"]) for fill in ledger["fills"]]
    assert report["paged"] == report["fills"] == fills
    orders = [int(order["id"]) for order in ledger["orders"] if order["status"] != "rejected"]
    assert orders == [*report["ids"], report["by_secret"]["id"], report["by_logon"]["id"]]
    assert by_secret < by_logon and report["by_secret"]["reported"] == report["by_logon"]["reported"] == [
        "NEW",
        "FILLED",
    ]
    assert (report["symbols"], report["price"], report["ended"]) == (5, "49000.00000000", "CANCELED")
    assert report["statuses"] == ["FILLED"] * 3 and "-2010" in report["refused"]
    spent = {fill["fee_currency"] for fill in ledger["fills"]}
    assert spent == {"BTC"} and Decimal(report["held"]["BTC"][0]) < held(ledger)["BTC"]
