"""Which listed symbols the rules choose, and what is said of the others."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.core.messages.settings import ChoiceRules, CoinRule, Trapped
from arb.core.state.identity import RouteIdentities
from arb.core.state.transfer_blocked import TransferBlocks
from arb.core.strategies.taker_pair.choice import RouteJudges, choose
from arb.market.coins import NATIVE, Coin
from arb.market.listing import CommonSymbol, Listed, Ticker
from arb.market.wallets import CurrencyChain, Wallets
from tests.builders import an_instrument

D = Decimal
NOW_NS = 1_760_000_000 * NS_PER_S
RULES = ChoiceRules(min_volume_quote=D(1000))


def judges(identities: RouteIdentities, wallets: Wallets | None = None, rule: Trapped = Trapped.REFUSE) -> RouteJudges:
    return RouteJudges(identities, TransferBlocks(rule, wallets))


ANY = judges(RouteIdentities(None))


def listed(
    venue: str, symbol: str, volume: int = 5000, bid: str = "100", ask: str = "100.1", **rules: object
) -> Listed:
    ticker = Ticker(bid=D(bid), bid_size=D(1), ask=D(ask), ask_size=D(1), volume_quote=D(volume))
    return Listed(an_instrument(venue, symbol, **rules), ticker)


def common(symbol: str = "ABC/USDT", *volumes: int, **rules: object) -> CommonSymbol:
    """Return a symbol at gate, okx, bitget, as many as there are volumes; `rules` are those at the last of them."""
    venues = ("gate", "okx", "bitget")[: len(volumes)]
    at = {venue: listed(venue, symbol, volume) for venue, volume in zip(venues, volumes, strict=True)}
    at[venues[-1]] = listed(venues[-1], symbol, volumes[-1], **rules)  # type: ignore[arg-type]
    return CommonSymbol(symbol, at)


def why(symbol: CommonSymbol, rules: ChoiceRules = RULES, routes: RouteJudges = ANY) -> str:
    choice = choose([symbol], rules, routes, NOW_NS)
    assert choice.chosen == ()
    return choice.passed_over[symbol.symbol]


def test_the_busiest_are_chosen_and_the_others_hear_why() -> None:
    symbols = [
        common("A/USDT", 9000, 2000),
        common("B/USDT", 3000, 4000),
        common("C/USDT", 9000, 999),
        common("D/USDT", 5000, 5000),
    ]
    choice = choose(symbols, ChoiceRules(min_volume_quote=D(1000), top=2), ANY, NOW_NS)
    assert choice.chosen == ("D/USDT", "B/USDT")
    assert choice.passed_over == {
        "A/USDT": "not among the 2 with the greatest volume",
        "C/USDT": "fewer than 2 venues count: okx: a 24 h volume of 999",
    }


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"tradable": False}, "okx: not open for trading"),
        ({"opens_ns": NOW_NS + NS_PER_S}, "okx: not open for trading"),
        ({"ends_ns": NOW_NS + 1800 * NS_PER_S}, "okx: trade ends soon"),
        ({"ask": "99"}, "okx: no quotes on both sides"),
        ({"ask": "102"}, "okx: a book spread of 198 bps"),
    ],
)
def test_a_venue_on_which_it_cannot_be_traded_well_does_not_count(rules: dict[str, object], said: str) -> None:
    assert why(common("ABC/USDT", 5000, 5000, **rules)) == f"fewer than 2 venues count: {said}"


def test_what_is_excluded_is_not_chosen() -> None:
    assert why(common("ABC/USDT", 5000, 5000), ChoiceRules(exclude_symbols=("ABC/USDT",))) == "in exclude_symbols"


def test_venues_count_that_mean_the_same_coin_as_another_one() -> None:
    tether = [Coin(venue, "USDT", "ethereum", "0x" + "1" * 40) for venue in ("gate", "okx", "bitget")]
    coins = [
        Coin("gate", "ABC", "abc", NATIVE),
        Coin("okx", "ABC", "abc", NATIVE),
        Coin("bitget", "ABC", "abc", "another-one"),
    ]
    for refuse in (True, False):
        routes = judges(RouteIdentities(CoinRule((*tether, *coins), refuse_unproved=refuse)))
        symbol = common("ABC/USDT", 5000, 5000, 5000)
        assert choose([symbol], RULES, routes, NOW_NS).chosen == ("ABC/USDT",)
        said = why(symbol, ChoiceRules(min_volume_quote=D(1000), min_venues=3), routes)
        assert said == (
            "fewer than 3 venues count: gate and bitget: not known to be the same coins (different); "
            "okx and bitget: not known to be the same coins (different)"
        )
    unproved = judges(RouteIdentities(CoinRule(tuple(tether), refuse_unproved=True)))
    assert "gate and okx: not known to be the same coins (unproved)" in why(
        common("ABC/USDT", 5000, 5000), routes=unproved
    )


def test_what_could_be_refilled_one_way_only_counts_and_what_could_be_neither_way_does_not() -> None:
    def open_at(venue: str, asset: str, *, withdrawal: bool, deposit: bool) -> None:
        chain = CurrencyChain(
            asset=asset, named="X", chain="x", contract="native", withdrawal=withdrawal, deposit=deposit
        )
        wallets.take(venue, [asset], [chain])

    wallets = Wallets()
    for venue in ("gate", "okx"):
        for asset in ("ABC", "USDT"):
            open_at(venue, asset, withdrawal=True, deposit=True)
    open_at("gate", "ABC", withdrawal=False, deposit=True)  # what is bought at gate stays there
    symbol = common("ABC/USDT", 5000, 5000)
    routes = judges(RouteIdentities(None), wallets)
    assert not routes.may("ABC/USDT", "gate", "okx") and routes.may("ABC/USDT", "okx", "gate")
    assert choose([symbol], RULES, routes, NOW_NS).chosen == ("ABC/USDT",)
    open_at("gate", "ABC", withdrawal=False, deposit=False)
    said = why(symbol, routes=judges(RouteIdentities(None), wallets))
    assert said == "fewer than 2 venues count: gate and okx: a wallet is closed that either way of refilling needs"
    for rule in (Trapped.CAP, Trapped.IGNORE):
        assert choose([symbol], RULES, judges(RouteIdentities(None), wallets, rule), NOW_NS).chosen == ("ABC/USDT",)


def test_what_is_to_be_kept_is_chosen_first_whatever_speaks_against_it() -> None:
    symbols = [common("A/USDT", 9000, 9000), common("HELD/USDT", 0, 0)]
    choice = choose(symbols, ChoiceRules(min_volume_quote=D(1000), top=1), ANY, NOW_NS, keep=("HELD/USDT", "GONE/USDT"))
    assert choice.chosen == ("HELD/USDT", "GONE/USDT")
    assert choice.passed_over == {"A/USDT": "not among the 1 with the greatest volume"}


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), max_size=12), st.integers(1, 5), st.randoms())
def test_each_symbol_is_chosen_or_passed_over_whatever_their_order(
    volumes: list[tuple[int, int]], top: int, rng: object
) -> None:
    symbols = [common(f"S{number}/USDT", *pair) for number, pair in enumerate(volumes)]
    rules = ChoiceRules(min_volume_quote=D(1000), top=top)
    choice = choose(symbols, rules, ANY, NOW_NS)
    assert {*choice.chosen, *choice.passed_over} == {each.symbol for each in symbols}
    assert len(choice.chosen) == min(top, sum(min(pair) >= 1000 for pair in volumes))
    rng.shuffle(symbols)  # type: ignore[attr-defined]
    assert choose(symbols, rules, ANY, NOW_NS) == choice
