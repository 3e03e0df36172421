"""When a ticker is one coin at two venues: a shared contract or chain's own coin proves it, and nothing else does."""

import pytest

from arb.market.coins import NATIVE, Coin, CoinTable, Sameness

ONE, TWO = "0x" + "1" * 40, "0x" + "2" * 40


def sameness(gate: list[tuple[str, str]], okx: list[tuple[str, str]]) -> Sameness:
    """Return what is known of a ticker with these (chain, contract) at two venues; it is the same in both directions."""
    coins = [Coin(venue, "ABC", *one) for venue, listed in (("gate", gate), ("okx", okx)) for one in listed]
    found = CoinTable([*coins, Coin("okx", "XYZ", "ethereum", ONE), Coin("bitget", "ABC", "ethereum", ONE)])
    assert found.sameness("ABC", "gate", "okx") is found.sameness("ABC", "okx", "gate")
    return found.sameness("ABC", "gate", "okx")


@pytest.mark.parametrize(
    ("gate", "okx", "expected"),
    [
        ([("ethereum", ONE)], [("ethereum", ONE)], Sameness.PROVED),
        ([("bitcoin", NATIVE)], [("bitcoin", NATIVE)], Sameness.PROVED),
        ([("ethereum", ONE), ("bsc", ONE)], [("solana", TWO), ("bsc", ONE)], Sameness.PROVED),
        (
            [("ethereum", ONE), ("bsc", ONE)],
            [("ethereum", ONE), ("bsc", TWO)],
            Sameness.PROVED,
        ),  # two bridges, one coin
        ([("ethereum", ONE), ("ethereum", TWO)], [("ethereum", TWO)], Sameness.PROVED),  # an old contract and a new one
        ([("ethereum", ONE)], [], Sameness.UNPROVED),
        ([], [], Sameness.UNPROVED),
        ([("ethereum", ONE)], [("bsc", ONE)], Sameness.UNPROVED),  # one address on two chains is no proof
        ([("ethereum", ONE)], [("ethereum", TWO)], Sameness.DIFFERENT),
        ([("ethereum", NATIVE)], [("ethereum", ONE)], Sameness.DIFFERENT),
        ([("ethereum", ONE), ("bsc", ONE)], [("bsc", TWO)], Sameness.DIFFERENT),
    ],
)
def test_a_ticker_is_one_coin_where_a_chain_and_a_contract_are_shared(
    gate: list[tuple[str, str]], okx: list[tuple[str, str]], expected: Sameness
) -> None:
    assert sameness(gate, okx) is expected


def test_at_one_venue_a_ticker_is_itself_known_or_not() -> None:
    assert CoinTable(()).sameness("ABC", "gate", "gate") is Sameness.PROVED
