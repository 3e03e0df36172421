"""How currency lists are asked for: a few assets one by one, many by the whole list, and none where nobody may ask."""

import json
from typing import Any

import pytest

from arb.core.messages.events import CurrenciesListed
from arb.errors import VenueAuthError, VenueProtocolError
from arb.venues.binance.dialect import BinanceDialect
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bybit.dialect import BybitDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.dialect import PublicDialect
from arb.venues.okx.dialect import OkxDialect
from tests.unit.venues.kit.test_gateway import Bench
from tests.virtual import run_virtual

MANY = tuple(f"A{number}" for number in range(30))


def paths(dialect: PublicDialect, assets: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    return [(call.path, call.params) for call in dialect.currency_calls(assets)]


@pytest.mark.parametrize(
    ("dialect", "few", "many"),
    [
        (GateDialect(), [("currencies/BTC", {}), ("currencies/USDT", {})], [("currencies", {})]),
        (
            BitgetDialect(),
            [("v2/spot/public/coins", {"coin": "BTC"}), ("v2/spot/public/coins", {"coin": "USDT"})],
            [("v2/spot/public/coins", {})],
        ),
        (OkxDialect(has_key=True), [("asset/currencies", {"ccy": "BTC,USDT"})], [("asset/currencies", {})]),
        (OkxDialect(has_key=False), [], []),
        (BybitDialect(), [], []),
        (
            BybitDialect(has_key=True),
            [("v5/asset/coin/query-info", {"coin": "BTC"}), ("v5/asset/coin/query-info", {"coin": "USDT"})],
            [("v5/asset/coin/query-info", {})],
        ),
        (BinanceDialect(), [], []),
        (BinanceDialect(has_key=True), [("capital/config/getall", {})], [("capital/config/getall", {})]),
    ],
)
def test_few_assets_are_asked_for_by_name_and_many_by_the_whole_list(
    dialect: PublicDialect, few: list[tuple[str, dict[str, Any]]], many: list[tuple[str, dict[str, Any]]]
) -> None:
    assert paths(dialect, ("BTC", "USDT")) == few
    assert paths(dialect, MANY) == many


def test_a_ticker_that_would_be_another_address_is_never_part_of_one() -> None:
    assert paths(GateDialect(), ("BTC", "../x")) == [("currencies", {})]


BTC = {"currency": "BTC", "chains": [{"name": "BTC", "addr": "", "withdraw_disabled": True, "deposit_disabled": False}]}


def asked(*replies: Any, assets: tuple[str, ...] = ("BTC", "XYZ")) -> CurrenciesListed | None:
    bench = Bench(*replies)
    return run_virtual(bench.gateway.currencies(assets), bench.clock)


def test_what_a_venue_does_not_know_is_listed_on_no_chain() -> None:
    unknown: Any = 400, b'{"label":"INVALID_CURRENCY","message":"Invalid currency XYZ"}', {}
    listed = asked((200, json.dumps(BTC).encode(), {}), unknown)
    assert listed is not None
    assert listed.assets == ("BTC", "XYZ")
    assert [(chain.asset, chain.withdrawal) for chain in listed.chains] == [("BTC", False)]


def test_a_whole_list_gives_what_was_asked_for_alone() -> None:
    body = [BTC, {"currency": "OTHER", "chains": BTC["chains"]}]
    listed = asked((200, json.dumps(body).encode(), {}), assets=("BTC", *MANY))
    assert listed is not None
    assert {chain.asset for chain in listed.chains} == {"BTC"}


def test_a_list_that_is_refused_whole_or_is_none_is_an_error() -> None:
    with pytest.raises(VenueAuthError):
        asked((403, b'{"label":"FORBIDDEN","message":"x"}', {}), assets=("BTC",))
    with pytest.raises(VenueProtocolError):
        asked((200, b"[3]", {}), assets=MANY)
