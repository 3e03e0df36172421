"""The user's word on coins, and the lists that a user saved: what they become, and what is refused of them."""

import json
from pathlib import Path

import pytest

from arb.config import load_settings
from arb.config.coins import coin_overrides, coin_rule, saved_coins
from arb.config.settings import Mode
from arb.core.state.identity import RouteIdentities
from arb.errors import ConfigError
from arb.market.coins import Coin, CoinOverride
from arb.market.route import Route

ADDRESS = "0x" + "ab" * 20
OKX = {
    "data": [
        {"ccy": "SOL", "chain": "SOL-Solana", "ctAddr": ""},
        {"ccy": "XYZ", "chain": "XYZ-ERC20", "ctAddr": ADDRESS},
    ]
}


def settings_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_a_line_says_of_a_ticker_at_two_venues_that_it_is_one_coin_or_that_it_is_not() -> None:
    given = {"gate:XYZ": "same as okx:XYZ", "bitget:XYZ": "different from gate:XYZ"}
    same, different = coin_overrides(given)
    assert (same, different) == (
        CoinOverride("XYZ", "gate", "okx", same=True),
        CoinOverride("XYZ", "bitget", "gate", same=False),
    )
    assert same.line() == '"gate:XYZ" = "same as okx:XYZ"'


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"XYZ": "same as okx:XYZ"}, 'write "gate:XYZ" = "same as okx:XYZ"'),
        ({"gate:XYZ": "okx:XYZ"}, 'or "different from okx:XYZ"'),
        ({"gate:X YZ": "same as okx:X YZ"}, 'write "gate:XYZ"'),
        ({"gat:XYZ": "same as okx:XYZ"}, "no venue is called 'gat': there are binance, bitget, bybit, gate, okx"),
        ({"gate:XYZ": "same as gate:XYZ"}, "name two venues"),
        ({"gate:XYZ": "same as okx:XYZ2"}, "XYZ and XYZ2 are never one symbol"),
        ({"gate:XYZ": "same as okx:XYZ", "okx:XYZ": "different from gate:XYZ"}, "another line states the opposite"),
    ],
)
def test_a_line_that_cannot_be_obeyed_is_refused(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=r"\[coins\.overrides\]") as refused:
        coin_overrides(given)
    assert complaint in str(refused.value)


def test_one_line_of_the_settings_lets_live_trade_what_nothing_proves(tmp_path: Path) -> None:
    text = '[run]\nsymbols = ["XYZ/USDT"]\n'
    route = Route.of("XYZ/USDT", "gate", "okx")
    without = coin_rule(load_settings(settings_with(tmp_path, text)), Mode.LIVE, sandbox=False)
    assert RouteIdentities(without).refused(route)
    path = settings_with(
        tmp_path, text + '[coins.overrides]\n"gate:XYZ" = "same as okx:XYZ"\n"gate:OTHER" = "same as okx:OTHER"\n'
    )
    rule = coin_rule(load_settings(path), Mode.LIVE, sandbox=False)
    assert rule is not None
    assert not RouteIdentities(rule).refused(route)
    assert [said.ticker for said in rule.overrides] == ["XYZ"]  # what is traded
    assert coin_rule(load_settings(path), Mode.LIVE, sandbox=True) is None


def test_a_text_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config.toml:2: \[coins.overrides\] gate:XYZ = 3: must be text in quotes"):
        load_settings(settings_with(tmp_path, '[coins.overrides]\n"gate:XYZ" = 3\n'))


# Saved lists.


def test_a_saved_list_proves_what_the_table_does_not_and_replaces_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "okx.json").write_text(json.dumps(OKX))
    text = '[run]\nsymbols = ["SOL/USDT"]\n[coins]\nlists = "lists"\n'
    rule = coin_rule(load_settings(settings_with(tmp_path, text)), Mode.PAPER, sandbox=False)
    assert rule is not None
    identities = RouteIdentities(rule)
    assert identities.mark(Route.of("SOL/USDT", "gate", "okx")) is None
    assert Coin("okx", "SOL", "solana", "native", source="okx.json") in rule.coins


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("kraken.json", "{}", "no venue is called 'kraken': there are gate, okx, bitget, bybit, binance"),
        ("okx.json", "{", "is no JSON that can be read"),
        ("okx.json", '{"data": null}', "'data': no list"),
        ("okx.json", '{"data": []}', "names no contract of any coin"),
        ("okx.json", '{"data": [3, {"ccy": "X"}]}', "names no contract of any coin"),
        ("okx.txt", "{}", "holds no VENUE.json"),
    ],
)
def test_a_saved_list_that_says_nothing_is_refused(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=r"\[coins\] lists: ") as refused:
        saved_coins(str(tmp_path))
    assert complaint in str(refused.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        saved_coins(str(tmp_path / "nowhere"))


def test_of_a_saved_list_a_row_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "okx.json").write_text(json.dumps({"data": [3, {"ccy": "Q"}, *OKX["data"]]}))
    assert [coin.ticker for coin in saved_coins(str(tmp_path))] == ["SOL", "XYZ"]


def test_a_saved_list_that_shows_ends_alone_leaves_the_lines_that_it_confirms(tmp_path: Path) -> None:
    shown = [
        {"ccy": "USDT", "chain": "USDT-ERC20", "ctAddr": "831ec7"},
        {"ccy": "BTC", "chain": "BTC-Bitcoin", "ctAddr": ""},
    ]
    (tmp_path / "okx.json").write_text(json.dumps({"data": shown}))
    text = '[run]\nsymbols = ["BTC/USDT"]\n[coins]\nlists = "."\n'
    rule = coin_rule(load_settings(settings_with(tmp_path, text)), Mode.LIVE, sandbox=False)
    assert not RouteIdentities(rule).refused(Route.of("BTC/USDT", "gate", "okx"))
