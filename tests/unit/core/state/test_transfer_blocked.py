"""A route on which a wallet is closed: refused, capped or taken anyway, by what the venues' lists said last."""

import pytest

from arb.core.messages.events import CurrenciesListed
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.reasons import Reason
from arb.core.messages.records import IncidentRecord
from arb.core.messages.recovery_records import PlanRecord
from arb.core.messages.settings import CoinRule, Limits, Trapped
from arb.market.coins import NATIVE, Coin, CoinOverride
from arb.market.wallets import CurrencyChain
from tests.builders import Bench, D
from tests.unit.core.strategies.taker_pair.test_detector import edge

ONE, TWO = "0x" + "1" * 40, "0x" + "2" * 40


def limits(trapped: Trapped) -> Limits:
    return Limits(min_net_quote=D(0), min_edge_bps=D(1), max_notional_quote=D(50), trapped=trapped)


def lists(
    bench: Bench,
    venue: str,
    *,
    base_in: bool = True,
    base_out: bool = True,
    quote_in: bool = True,
    quote_out: bool = True,
) -> None:
    """Let a venue list its wallets of BTC and USDT."""
    base = CurrencyChain(
        asset="BTC", named="BTC", chain="bitcoin", contract=NATIVE, deposit=base_in, withdrawal=base_out
    )
    quote = CurrencyChain(
        asset="USDT", named="ETH", chain="ethereum", contract=ONE, deposit=quote_in, withdrawal=quote_out
    )
    bench.tell(CurrenciesListed(venue=venue, assets=("BTC", "USDT"), chains=(base, quote)))


def incidents(bench: Bench, kind: IncidentKind) -> list[str]:
    return [row.text for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == kind]


# The edge is to buy at Gate and to sell at OKX: base must come from Gate to OKX, and quote back.
CLOSED = [
    {"gate": {"base_out": False}},
    {"okx": {"base_in": False}},
    {"okx": {"quote_out": False}},
    {"gate": {"quote_in": False}},
]
OPEN: list[dict[str, dict[str, bool]]] = [
    {},
    {"gate": {"base_in": False, "quote_out": False}, "okx": {"base_out": False, "quote_in": False}},  # the other way
]


def judged(trapped: Trapped, wallets: dict[str, dict[str, bool]]) -> Bench:
    bench = Bench(limits=limits(trapped))
    for venue in ("gate", "okx"):
        lists(bench, venue, **wallets.get(venue, {}))
    edge(bench)
    return bench


@pytest.mark.parametrize("wallets", CLOSED)
def test_nothing_opens_where_what_is_bought_cannot_be_moved_to_where_it_is_sold_nor_quote_back(
    wallets: dict[str, dict[str, bool]],
) -> None:
    bench = judged(Trapped.REFUSE, wallets)
    assert not bench.placed()
    assert bench.not_taken() == {Reason.WALLET_CLOSED: 1}


@pytest.mark.parametrize("wallets", OPEN)
@pytest.mark.parametrize("trapped", Trapped)
def test_open_wallets_and_those_that_are_not_needed_change_nothing(
    trapped: Trapped, wallets: dict[str, dict[str, bool]]
) -> None:
    first, _ = judged(trapped, wallets).placed()
    assert first.size * first.price > 40


def test_wallets_that_nobody_shows_refuse_nothing() -> None:
    bench = Bench(limits=limits(Trapped.REFUSE))
    edge(bench)
    assert len(bench.placed()) == 2
    one_sided = Bench(limits=limits(Trapped.REFUSE))
    lists(one_sided, "gate")
    edge(one_sided)
    assert len(one_sided.placed()) == 2


def test_capped_a_pair_pays_a_tenth_and_ignored_all() -> None:
    capped, _ = judged(Trapped.CAP, CLOSED[0]).placed()
    whole, _ = judged(Trapped.IGNORE, CLOSED[0]).placed()
    assert 4 < capped.size * capped.price <= 5
    assert 40 < whole.size * whole.price <= 50


def test_a_pair_remembers_how_it_could_have_been_refilled_where_a_list_shows_it() -> None:
    bench = judged(Trapped.IGNORE, CLOSED[0])
    (plan,) = (row for row in bench.rows(PlanRecord) if isinstance(row, PlanRecord))
    assert plan.refill == (
        "BTC from gate to okx: closed: gate lets none out",
        "USDT from okx to gate: open: on ethereum",
        "  ethereum: fee unknown",
    )
    unknown = Bench(limits=limits(Trapped.REFUSE))
    edge(unknown)
    assert [row.refill for row in unknown.rows(PlanRecord) if isinstance(row, PlanRecord)] == [()]


def test_a_refused_edge_that_stands_is_taken_when_the_wallet_opens() -> None:
    bench = judged(Trapped.REFUSE, CLOSED[0])
    assert not bench.placed()
    lists(bench, "gate")
    bench.drain()
    assert len(bench.placed()) == 2


def test_a_wallet_that_closes_stops_what_was_open_to_trade_and_caps_it_at_the_next_judgement() -> None:
    bench = Bench(limits=limits(Trapped.CAP))
    lists(bench, "gate")
    lists(bench, "okx")
    lists(bench, "okx", base_in=False)
    edge(bench)
    capped, _ = bench.placed()
    assert capped.size * capped.price <= 5


def test_a_wallet_that_closes_or_opens_is_one_incident_and_one_that_stays_is_none() -> None:
    bench = Bench(limits=limits(Trapped.REFUSE))
    lists(bench, "gate", base_out=False, quote_in=False)
    lists(bench, "gate", base_out=False, quote_in=False)
    lists(bench, "gate", quote_in=False)
    assert incidents(bench, IncidentKind.WALLET_CLOSED) == [
        "gate: withdrawals closed: BTC; deposits closed: USDT",
        "gate: withdrawals open again: BTC",
    ]


# Which coin is which, by the lists.


def test_lists_prove_what_no_table_does_and_disprove_what_one_did() -> None:
    bench = Bench(coins=CoinRule(coins=(), refuse_unproved=True))
    edge(bench)
    assert not bench.placed()
    lists(bench, "gate")
    lists(bench, "okx")
    bench.drain()
    assert len(bench.placed()) == 2

    recorded = (
        *(Coin(v, "BTC", "bitcoin", NATIVE) for v in ("gate", "okx")),
        *(Coin(v, "USDT", "ethereum", TWO) for v in ("gate", "okx")),
    )
    bench = Bench(coins=CoinRule(coins=recorded, refuse_unproved=False))
    bench.tell(
        CurrenciesListed(
            venue="okx",
            assets=("USDT",),
            chains=(CurrencyChain(asset="USDT", named="X", chain="ethereum", contract=ONE),),
        )
    )
    edge(bench)
    assert bench.not_taken() == {Reason.IDENTITY_UNVERIFIED: 1}


def test_a_verdict_that_a_list_changes_is_an_incident() -> None:
    bench = Bench(coins=CoinRule(coins=(), refuse_unproved=True))
    edge(bench)
    lists(bench, "gate")
    lists(bench, "okx")
    assert incidents(bench, IncidentKind.COINS_CHANGED) == [
        "by the currency list of okx: BTC/USDT between gate and okx: same (was unproved)"
    ]


def test_an_override_is_journalled_when_a_run_starts_and_decides() -> None:
    said = CoinOverride("BTC", "gate", "okx", same=True), CoinOverride("USDT", "okx", "gate", same=True)
    bench = Bench(coins=CoinRule(coins=(), refuse_unproved=True, overrides=said))
    edge(bench)
    assert len(bench.placed()) == 2
    assert incidents(bench, IncidentKind.COIN_OVERRIDE)[0] == (
        '[coins] "gate:BTC" = "same as okx:BTC": by the settings, despite the venues\' lists'
    )
