"""What of the symbols that a user names is traded, and that he is told of the others."""

from arb.live.universe import universe_of, untraded
from tests.builders import an_instrument

WANTED = {"gate": ("BTC/USDT", "BCT/USDT", "SOL/USDT"), "okx": ("BTC/USDT", "BCT/USDT", "SOL/USDT")}
LISTED = (an_instrument("gate"), an_instrument("okx"), an_instrument("gate", "SOL/USDT"))


def test_a_symbol_that_nobody_lists_or_one_venue_alone_is_named_once() -> None:
    assert untraded(WANTED, universe_of(LISTED)) == [
        f"[run] symbols: {symbol} is not traded: fewer than two of the venues that may trade it list it: correct it, or drop it"
        for symbol in ("BCT/USDT", "SOL/USDT")
    ]


def test_what_an_absent_venue_may_list_is_not_judged() -> None:
    wanted = WANTED | {"bitget": ("SOL/USDT",)}
    [line] = untraded(wanted, universe_of(LISTED, {"bitget": ("SOL/USDT",)}))
    assert "BCT/USDT" in line


def test_nothing_is_said_where_everything_is_traded() -> None:
    assert untraded({"gate": ("BTC/USDT",), "okx": ("BTC/USDT",)}, universe_of(LISTED[:2])) == []
