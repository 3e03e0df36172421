"""When a ticker is one coin at two venues: a shared contract or chain's own coin proves it, and nothing else does."""

from decimal import Decimal

import pytest

from arb.market.coins import LIST, NATIVE, Coin, CoinOverride, CoinTable, Verdict, multiple_of, why

ONE, TWO, THREE = "0x" + "1" * 40, "0x" + "2" * 40, "0x" + "3" * 40


def sameness(gate: list[tuple[str, str]], okx: list[tuple[str, str]]) -> Verdict:
    """Return what is known of a ticker with these (chain, contract) at two venues; it is the same in both directions."""
    coins = [Coin(venue, "ABC", *one) for venue, listed in (("gate", gate), ("okx", okx)) for one in listed]
    found = CoinTable([*coins, Coin("okx", "XYZ", "ethereum", THREE), Coin("bitget", "ABC", "ethereum", ONE)])
    assert found.sameness("ABC", "gate", "okx") is found.sameness("ABC", "okx", "gate")
    return found.sameness("ABC", "gate", "okx")


@pytest.mark.parametrize(
    ("gate", "okx", "expected"),
    [
        ([("ethereum", ONE)], [("ethereum", ONE)], Verdict.SAME),
        ([("bitcoin", NATIVE)], [("bitcoin", NATIVE)], Verdict.SAME),
        ([("ethereum", ONE), ("bsc", ONE)], [("solana", TWO), ("bsc", ONE)], Verdict.SAME),
        (
            [("ethereum", ONE), ("bsc", ONE)],
            [("ethereum", ONE), ("bsc", TWO)],
            Verdict.SAME,
        ),  # two bridges, one coin
        ([("ethereum", ONE), ("ethereum", TWO)], [("ethereum", TWO)], Verdict.SAME),  # an old contract and a new one
        ([("ethereum", ONE)], [], Verdict.UNPROVED),
        ([], [], Verdict.UNPROVED),
        ([("ethereum", ONE)], [("bsc", ONE)], Verdict.UNPROVED),  # one address on two chains is no proof
        ([("ethereum", ONE)], [("ethereum", TWO)], Verdict.DIFFERENT),
        ([("ethereum", NATIVE)], [("ethereum", ONE)], Verdict.DIFFERENT),
        ([("ethereum", ONE), ("bsc", ONE)], [("bsc", TWO)], Verdict.DIFFERENT),
    ],
)
def test_a_ticker_is_one_coin_where_a_chain_and_a_contract_are_shared(
    gate: list[tuple[str, str]], okx: list[tuple[str, str]], expected: Verdict
) -> None:
    assert sameness(gate, okx) is expected


def test_at_one_venue_a_ticker_is_itself_known_or_not() -> None:
    assert CoinTable(()).sameness("ABC", "gate", "gate") is Verdict.SAME


# Multiples, ends of contracts, the venue's own list, and the user.


def on_ethereum(venue: str, contract: str, ticker: str = "ABC", denomination: int = 0, source: str = "") -> Coin:
    return Coin(venue, ticker, "ethereum", contract, denomination, source)


@pytest.mark.parametrize(
    ("ticker", "many"),
    [
        ("1000SATS", 1000),
        ("1MBABYDOGE", 10**6),
        ("1KX", 1000),
        ("1000000MOG", 10**6),
        ("1INCH", 1),
        ("BTC", 1),
        ("100X", 1),
    ],
)
def test_a_ticker_stands_for_as_many_coins_as_its_name_says(ticker: str, many: int) -> None:
    assert multiple_of(ticker) == many


def test_one_contract_at_another_multiple_is_another_coin() -> None:
    dear, plain = on_ethereum("binance", ONE, denomination=1000), on_ethereum("gate", ONE)
    assert CoinTable((dear, plain)).sameness("ABC", "binance", "gate") is Verdict.DIFFERENT
    named = [on_ethereum("binance", ONE, "1MABC", 10**6), on_ethereum("gate", ONE, "1MABC")]
    assert CoinTable(named).sameness("1MABC", "binance", "gate") is Verdict.SAME


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("...111111", Verdict.UNPROVED), ("...222222", Verdict.DIFFERENT), (NATIVE, Verdict.DIFFERENT)],
)
def test_the_end_of_a_contract_can_disprove_and_not_prove(shown: str, expected: Verdict) -> None:
    coins = on_ethereum("gate", ONE), on_ethereum("okx", shown)
    assert CoinTable(coins).sameness("ABC", "gate", "okx") is expected
    assert CoinTable(coins).sameness("ABC", "okx", "gate") is expected
    ends = on_ethereum("gate", "...11111"), on_ethereum("okx", "...1111")
    assert CoinTable(ends).sameness("ABC", "gate", "okx") is Verdict.UNPROVED


def test_what_a_venue_lists_today_stands_in_the_place_of_what_was_recorded() -> None:
    recorded = on_ethereum("gate", ONE, source="a recording"), on_ethereum("okx", ONE)
    assert CoinTable(recorded).sameness("ABC", "gate", "okx") is Verdict.SAME
    renewed = CoinTable((*recorded, on_ethereum("gate", TWO, source=LIST)))
    assert renewed.sameness("ABC", "gate", "okx") is Verdict.DIFFERENT
    elsewhere = CoinTable((*recorded, Coin("gate", "ABC", "bsc", ONE, source=LIST)))
    assert elsewhere.sameness("ABC", "gate", "okx") is Verdict.UNPROVED


def test_the_user_has_the_last_word_between_two_venues_and_no_further() -> None:
    coins = [on_ethereum("gate", ONE), on_ethereum("okx", TWO), on_ethereum("bitget", ONE)]
    overrides = [CoinOverride("ABC", "gate", "okx", same=True), CoinOverride("ABC", "bitget", "gate", same=False)]
    table = CoinTable(coins, overrides)
    assert table.sameness("ABC", "okx", "gate") is Verdict.SAME
    assert table.sameness("ABC", "gate", "bitget") is Verdict.DIFFERENT
    assert table.sameness("ABC", "okx", "bitget") is Verdict.DIFFERENT
    assert '"gate:ABC" = "same as okx:ABC"' in table.verdict("ABC", "gate", "okx").because


def test_why_gives_each_two_venues_their_verdict_with_evidence_and_the_cross_check() -> None:
    table = CoinTable([on_ethereum("gate", ONE), on_ethereum("okx", TWO, source="/api/v5/asset/currencies")])
    found = why("ABC/USDT", ("gate", "okx", "bitget"), table, {"gate": Decimal(2), "okx": Decimal("2.01")})
    assert [(one.ticker, one.venue, one.other) for one in found] == [
        ("ABC", "gate", "okx"),
        ("ABC", "gate", "bitget"),
        ("ABC", "okx", "bitget"),
        ("USDT", "gate", "okx"),
        ("USDT", "gate", "bitget"),
        ("USDT", "okx", "bitget"),
    ]
    first, second, *_ = found
    assert (first.verdict, first.apart_bps) == (Verdict.DIFFERENT, Decimal(50))
    assert first.lines() == [
        "ABC at gate and okx: different: other contracts on every chain that both take: ethereum",
        f"  on ethereum: gate {ONE} (the table) and okx {TWO} (/api/v5/asset/currencies): not one coin",
        "  mid prices are 50.0 bps apart (a cross-check, no proof)",
    ]
    assert (second.verdict, second.because) == (Verdict.UNPROVED, "no contract of it is known at bitget")


def test_a_coin_that_the_other_venue_calls_otherwise_is_not_what_it_means_by_the_ticker() -> None:
    coins = [Coin("gate", "ABC", "base", ONE), Coin("okx", "ABC", "solana", TWO), Coin("okx", "ABCOLD", "base", ONE)]
    found = CoinTable(coins).verdict("ABC", "gate", "okx")
    assert (found.verdict, found.because) == (Verdict.DIFFERENT, "the coin ABC of gate on base is ABCOLD at okx")
    assert CoinTable(coins).sameness("ABC", "okx", "gate") is Verdict.DIFFERENT
    shared = CoinTable([*coins, Coin("gate", "ABC", "solana", TWO)])
    assert (
        shared.sameness("ABC", "gate", "okx") is Verdict.SAME
    )  # a form of it with a ticker of its own does not matter


def test_a_contract_under_two_tickers_of_a_venue_proves_nothing_unless_its_list_of_today_has_one() -> None:
    twice = [on_ethereum("gate", ONE), on_ethereum("gate", ONE, "OLD"), on_ethereum("okx", ONE)]
    assert CoinTable(twice).sameness("ABC", "gate", "okx") is Verdict.UNPROVED
    today = [on_ethereum("gate", ONE, source=LIST), *twice[1:]]
    assert CoinTable(today).sameness("ABC", "gate", "okx") is Verdict.SAME


def test_an_end_that_a_list_shows_confirms_the_recorded_contract_or_drops_it() -> None:
    recorded = [on_ethereum("okx", ONE), on_ethereum("gate", ONE)]
    confirmed = CoinTable([*recorded, on_ethereum("okx", "...111111", source=LIST)])
    assert confirmed.sameness("ABC", "gate", "okx") is Verdict.SAME
    moved = CoinTable([*recorded, on_ethereum("okx", "...222222", source=LIST)])
    assert moved.sameness("ABC", "gate", "okx") is Verdict.DIFFERENT
    elsewhere = CoinTable([*recorded, Coin("okx", "ABC", "bsc", "...111111", source=LIST)])
    assert elsewhere.sameness("ABC", "gate", "okx") is Verdict.UNPROVED
