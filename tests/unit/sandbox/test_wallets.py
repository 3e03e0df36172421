"""The sandbox's currency lists, as the adapters read them: chains by each venue's name, and wallets that a fault closes."""

import json
from typing import Any

import pytest

from arb.market.wallets import CurrencyChain, Wallets, WayState
from arb.sandbox.admin import Admin
from arb.venues.registry import spec_of
from tests.unit.sandbox.bench import Bench

VENUES = ("gate", "okx", "bitget", "bybit", "binance")
ASKED: dict[str, tuple[list[str], str]] = {
    "gate": (["public", "spot"], "currencies"),
    "okx": (["private"], "asset/currencies"),
    "bitget": (["public", "spot"], "v2/spot/public/coins"),
    "bybit": (["private"], "v5/asset/coin/query-info"),
    "binance": (["sapi"], "capital/config/getall"),
}


class Ward:
    """One venue of a sandbox, its admin, and its list as our reader reads it."""

    def __init__(self, venue: str) -> None:
        self.bench = Bench(venue)
        self.admin = Admin(self.bench.world, {})
        form = spec_of(venue).currencies
        assert form is not None
        self.venue, self.form = venue, form

    def listed(self) -> dict[str, CurrencyChain]:
        status, body = self.bench.ask(*ASKED[self.venue])
        assert status == 200
        return {chain.asset: chain for row in self.form.rows(body) for chain in self.form.read(row)}

    def suffer(self, **options: object) -> dict[str, Any]:
        body = json.dumps({"venue": self.venue, "fault": "wallet_closed"} | options).encode()
        _, answer = self.admin.handle("POST", "/fault", body, self.bench.now_ns)
        return answer

    def recover(self) -> None:
        self.admin.handle("DELETE", "/faults", b"", self.bench.now_ns)


@pytest.mark.parametrize("venue", VENUES)
def test_every_asset_has_one_chain_that_is_known_and_open(venue: str) -> None:
    for chain in Ward(venue).listed().values():
        assert chain.chain, chain
        assert (chain.deposit, chain.withdrawal) == (True, True)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(
    ("param", "deposit", "withdrawal"), [("both", False, False), ("deposit", False, True), ("withdrawal", True, False)]
)
def test_a_closed_wallet_is_of_the_symbols_base_alone_until_the_fault_ends(
    venue: str, param: str, deposit: bool, withdrawal: bool
) -> None:
    ward = Ward(venue)
    assert ward.suffer(symbol="BTC/USDT", param=param)["applied"]
    listed = ward.listed()
    assert (listed["BTC"].deposit, listed["BTC"].withdrawal) == (deposit, withdrawal)
    assert (listed["USDT"].deposit, listed["USDT"].withdrawal) == (True, True)
    ward.recover()
    assert ward.listed()["BTC"].withdrawal is ward.listed()["BTC"].deposit is True


def test_without_a_symbol_every_wallet_is_closed_and_two_faults_close_what_both_do() -> None:
    ward = Ward("gate")
    ward.suffer(param="deposit", seconds=1)
    ward.suffer(symbol="BTC/USDT", param="withdrawal")
    assert {(chain.deposit, chain.withdrawal) for chain in ward.listed().values()} == {(False, True), (False, False)}
    ward.bench.advance(2_000_000_000)
    listed = ward.listed()
    assert [asset for asset, chain in listed.items() if not chain.withdrawal] == ["BTC"]
    assert all(chain.deposit for chain in listed.values())


def test_a_way_that_is_none_is_refused() -> None:
    assert not Ward("gate").suffer(param="sideways")["applied"]


def test_what_the_venues_list_lets_every_coin_be_moved_between_any_two() -> None:
    wallets = Wallets()
    for venue in VENUES:
        listed = Ward(venue).listed()
        wallets.take(venue, listed, listed.values())
    assets = set.intersection(*(set(Ward(venue).listed()) for venue in VENUES))
    assert {"BTC", "USDT", "NOVA"} <= assets
    for asset in assets:
        assert wallets.way(asset, "gate", "okx").state is WayState.OPEN
        assert wallets.way(asset, "okx", "bitget").state is WayState.OPEN
