"""What a start says of symbols whose coins are not proved to be the same at the venues it trades."""

from arb.app.build import coin_warnings, engine_settings
from arb.config import Mode, Settings
from arb.core.messages.settings import CoinRule
from arb.market.coins import NATIVE, Coin

TETHER = "0x" + "1" * 40
USDT = tuple(Coin(venue, "USDT", "ethereum", TETHER) for venue in ("gate", "okx", "bitget"))
BTC = tuple(Coin(venue, "BTC", "bitcoin", NATIVE) for venue in ("gate", "okx"))
FALSE = Coin("bitget", "BTC", "bitcoin", "another-one-of-twenty")


def test_a_start_names_the_symbols_and_venues_and_what_follows() -> None:
    traded = {"gate": ("BTC/USDT", "SOL/USDT"), "okx": ("BTC/USDT", "SOL/USDT"), "bitget": ("BTC/USDT",)}
    coins = (*USDT, *BTC, FALSE)
    btc, sol = coin_warnings(CoinRule(coins, refuse_unproved=False), traded)
    assert btc == (
        "BTC/USDT is not proved to be the same coins, and nothing opens between gate and bitget (different), "
        "okx and bitget (different), unless the venues' own lists prove it: see docs/COINS.md"
    )
    assert sol == (
        "SOL/USDT is not proved to be the same coins, and earnings are marked and not summed between gate and okx "
        "(unproved), unless the venues' own lists prove it: see docs/COINS.md"
    )
    refused = coin_warnings(CoinRule(coins, refuse_unproved=True), traded)
    assert [text.partition(" between ")[0].rpartition("and ")[2] for text in refused] == ["nothing opens"] * 2


def test_symbols_of_which_the_same_is_to_be_said_share_a_line() -> None:
    traded = dict.fromkeys(("gate", "okx"), ("ADA/USDT", "BTC/USDT", "SOL/USDT"))
    [line] = coin_warnings(CoinRule((*USDT, *BTC), refuse_unproved=False), traded)
    assert line.startswith(
        "ADA/USDT, SOL/USDT are not proved to be the same coins, and earnings are marked and not summed"
    )


def test_proved_coins_are_not_spoken_of() -> None:
    traded = {"gate": ("BTC/USDT",), "okx": ("BTC/USDT",)}
    assert coin_warnings(CoinRule((*USDT, *BTC), refuse_unproved=True), traded) == []


def test_an_engine_is_handed_the_rule() -> None:
    rule = CoinRule(BTC, refuse_unproved=True)
    assert engine_settings(Settings(), {}, rule, Mode.PAPER).coins == rule
    assert engine_settings(Settings(), {}, None, Mode.PAPER).coins is None
