"""Whether a pair could be refilled: base to where it is sold, quote to where it is spent, by chains that serve at both ends."""

from decimal import Decimal

import pytest

from arb.market.coins import NATIVE, Coin, CoinTable, Verdict
from arb.market.wallets import CurrencyChain, Wallets, WayState

ONE, TWO = "0x" + "1" * 40, "0x" + "2" * 40


def on(
    chain: str, *, out: bool | None = True, into: bool | None = True, contract: str = "", asset: str = "ABC"
) -> CurrencyChain:
    """Return a chain of an asset; `out`: withdrawals open; `into`: deposits."""
    return CurrencyChain(asset=asset, named=chain.upper(), chain=chain, contract=contract, deposit=into, withdrawal=out)


def unnamed(named: str) -> CurrencyChain:
    return CurrencyChain(asset="ABC", named=named, deposit=True, withdrawal=True)


def way(source: list[CurrencyChain] | None, target: list[CurrencyChain] | None) -> WayState:
    """Return whether ABC can be moved from Gate to OKX by what these list of it; None: their lists were not read."""
    wallets = Wallets()
    for venue, chains in (("gate", source), ("okx", target)):
        if chains is not None:
            wallets.take(venue, ["ABC"], chains)
    return wallets.way("ABC", "gate", "okx").state


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ([on("bsc", out=False)], [on("bsc")], WayState.CLOSED),
        ([on("bsc")], [on("bsc", into=False)], WayState.CLOSED),
        ([on("bsc", out=False)], None, WayState.CLOSED),  # whatever the other does
        (None, [on("bsc", into=False)], WayState.CLOSED),
        ([on("bsc"), on("solana", out=False)], [on("bsc", into=False), on("solana")], WayState.CLOSED),
        ([on("bsc")], [on("solana")], WayState.CLOSED),
        ([on("bsc", contract=ONE)], [on("bsc", contract=TWO)], WayState.CLOSED),  # what goes out is not what comes in
        ([on("bsc")], [on("bsc")], WayState.OPEN),
        ([on("bsc", into=False)], [on("bsc", out=False)], WayState.OPEN),  # the way back is another way
        ([on("bsc", contract=ONE)], [on("bsc", contract=ONE)], WayState.OPEN),
        ([on("bsc"), on("solana", out=False)], [on("bsc"), on("solana")], WayState.OPEN),
        (None, None, WayState.UNKNOWN),
        ([on("bsc")], None, WayState.UNKNOWN),
        ([], [on("bsc")], WayState.UNKNOWN),  # not in the list
        ([on("bsc", out=None)], [on("bsc")], WayState.UNKNOWN),
        ([on("bsc")], [unnamed("BEP20?")], WayState.UNKNOWN),  # it may be the same chain
        ([on("bsc", out=False), unnamed("X")], [on("bsc")], WayState.UNKNOWN),
    ],
)
def test_an_asset_moves_where_one_chain_serves_at_both_ends(
    source: list[CurrencyChain] | None, target: list[CurrencyChain] | None, expected: WayState
) -> None:
    assert way(source, target) is expected


def test_base_flows_to_where_it_is_sold_and_quote_to_where_it_is_spent() -> None:
    wallets = Wallets()
    wallets.take("gate", ["ABC", "USDT"], [on("bsc"), on("bsc", asset="USDT", into=False)])
    wallets.take("okx", ["ABC", "USDT"], [on("bsc"), on("bsc", asset="USDT")])
    buying_at_gate = wallets.refill("ABC/USDT", "gate", "okx")
    assert (buying_at_gate.base.state, buying_at_gate.quote.state) == (WayState.OPEN, WayState.CLOSED)
    assert buying_at_gate.state is WayState.CLOSED
    assert wallets.refill("ABC/USDT", "okx", "gate").state is WayState.OPEN


def test_a_list_that_is_read_again_replaces_what_it_said_before() -> None:
    wallets = Wallets()
    wallets.take("gate", ["ABC"], [on("bsc", out=False)])
    wallets.take("okx", ["ABC"], [on("bsc")])
    assert wallets.way("ABC", "gate", "okx").state is WayState.CLOSED
    wallets.take("gate", ["ABC"], [on("bsc")])
    assert wallets.way("ABC", "gate", "okx").state is WayState.OPEN


def test_the_chains_that_would_serve_are_shown_with_their_costs_and_times() -> None:
    wallets = Wallets()
    dear = CurrencyChain(
        asset="ABC", named="ETH", chain="ethereum", withdrawal=True, deposit=True, withdrawal_fee=Decimal("1.50")
    )
    slow = CurrencyChain(
        asset="ABC",
        named="BEP20",
        chain="bsc",
        deposit=True,
        withdrawal=True,
        withdrawal_fee=Decimal("0.1"),
        withdrawal_fee_rate=Decimal("0.001"),
        withdrawal_min=Decimal(2),
        deposit_min=Decimal(3),
        confirmations=15,
        arrival_s=300,
    )
    wallets.take("gate", ["ABC"], [dear, slow])
    wallets.take("okx", ["ABC"], [slow, on("ethereum", into=False)])
    assert wallets.way("ABC", "gate", "okx").lines() == [
        "ABC from gate to okx: open: on bsc",
        "  bsc: fee 0.1 ABC and 0.1 %, at least 3, 15 confirmations, about 5 min",
    ]


def test_lists_are_evidence_of_identity_where_they_name_a_chain_and_a_contract() -> None:
    wallets = Wallets()
    wallets.take("gate", ["ABC"], [on("solana"), unnamed("X")])
    wallets.take("okx", ["ABC"], [on("bsc", contract=ONE), on("litecoin", contract=NATIVE)])
    coins = wallets.coins()
    assert {(coin.venue, coin.ticker, coin.chain) for coin in coins} == {
        ("okx", "ABC", "bsc"),
        ("okx", "ABC", "litecoin"),
    }
    assert CoinTable((*coins, Coin("gate", "ABC", "bsc", ONE))).sameness("ABC", "gate", "okx") is Verdict.SAME
