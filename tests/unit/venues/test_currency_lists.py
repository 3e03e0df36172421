"""Venues' currency lists: what their rows say, what is refused, and what two recorded lists together prove and disprove."""

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import CoinRule
from arb.core.state.identity import RouteIdentities
from arb.errors import VenueProtocolError
from arb.market.coins import NATIVE, CoinTable, Verdict
from arb.market.route import Route
from arb.market.wallets import CurrencyChain, Wallets
from arb.venues.kit.currencies import CurrencyRows, chains
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.registry import SPECS

FORMS = {spec.name: spec.currencies for spec in SPECS if spec.currencies is not None}
DATA = Path(__file__).parents[2] / "data" / "currencies"
ADDRESS = "0xdac17f958d2ee523a2206206994597c13d831ec7"


def finished(rows: CurrencyRows) -> list[CurrencyChain]:
    """Return what a reading returns in the end."""
    while True:
        try:
            next(rows)
        except StopIteration as end:
            found: list[CurrencyChain] = end.value
            return found


class Everything:
    """Holds every asset."""

    def __contains__(self, asset: object) -> bool:
        return True


def read(venue: str, body: Any) -> list[CurrencyChain]:
    """Read a body as it would come over the wire."""
    return finished(FORMS[venue].chains_in(decode_body(json.dumps(body).encode()), Everything()))


# What the rows of the recorded and documented answers say.

GATE = {
    "currency": "USDT",
    "chains": [
        {"name": "ETH", "addr": "0xdAC17F958D2ee523a2206206994597C13D831ec7", "withdraw_disabled": True,
         "deposit_disabled": False},
        {"name": "BTC", "addr": "aaaaa000000111111xxx00000xxx000111", "withdraw_disabled": True, "deposit_disabled": True},
    ],
}  # fmt: skip
BITGET = {
    "coin": "BTC",
    "chains": [
        {"chain": "BTC", "withdrawable": "true", "rechargeable": "false", "withdrawFee": "0.005", "extraWithdrawFee": "0.1",
         "depositConfirm": "1", "minDepositAmount": "0.001", "minWithdrawAmount": "0.002", "contractAddress": None},
    ],
}  # fmt: skip
OKX = [
    {"ccy": "BTC", "chain": "BTC-Bitcoin", "ctAddr": "", "canDep": True, "canWd": False, "fee": "0.00005", "minWd": "0.0005",
     "minDep": "0.0005", "minDepArrivalConfirm": "1"},
    {"ccy": "USDT", "chain": "USDT-ERC20", "ctAddr": "831ec7", "canDep": True, "canWd": True, "minFee": "2.79"},
    {"ccy": "BTC", "chain": "BTCK-OKTC", "ctAddr": "", "canDep": True, "canWd": False},
]  # fmt: skip
BYBIT = {
    "coin": "MNT",
    "chains": [
        {"chainType": "Ethereum", "confirmation": "6", "withdrawFee": "3", "depositMin": "0", "withdrawMin": "3",
         "chain": "ETH", "chainDeposit": "1", "chainWithdraw": "0", "withdrawPercentageFee": "0.022",
         "contractAddress": "0x3c3a81e81dc49a522a592e7622a7e711c06bf354"},
        {"chain": "OMNI", "withdrawFee": "", "chainDeposit": "1", "chainWithdraw": ""},
    ],
}  # fmt: skip
BINANCE = {
    "coin": "1MBABYDOGE",
    "networkList": [
        {"network": "BSC", "depositEnable": True, "withdrawEnable": True, "withdrawFee": "10", "withdrawMin": "20",
         "minConfirm": 5, "estimatedArrivalTime": 1, "contractAddress": "0xc748673057861a797275cd8a068abb95a902e8de",
         "denomination": 1000000},
    ],
}  # fmt: skip
BODIES = {
    "gate": [GATE],
    "bitget": {"data": [BITGET]},
    "okx": {"data": OKX},
    "bybit": {"result": {"rows": [BYBIT]}},
    "binance": [BINANCE],
}


def test_gate_says_of_each_chain_whether_it_is_open_and_an_internal_mark_is_no_contract() -> None:
    ethereum, omni = read("gate", [GATE])
    assert ethereum == CurrencyChain(
        asset="USDT", named="ETH", chain="ethereum", contract=ADDRESS, deposit=True, withdrawal=False
    )
    assert (omni.chain, omni.deposit) == ("bitcoin", False)
    assert read("gate", GATE) == read("gate", [GATE])  # one currency is asked for alone


def test_bitget_says_what_a_withdrawal_costs_and_how_little_may_move() -> None:
    (found,) = read("bitget", {"data": [BITGET]})
    assert found == CurrencyChain(
        asset="BTC",
        named="BTC",
        chain="bitcoin",
        contract=NATIVE,
        deposit=False,
        withdrawal=True,
        withdrawal_fee=Decimal("0.005"),
        withdrawal_fee_rate=Decimal("0.1"),
        withdrawal_min=Decimal("0.002"),
        deposit_min=Decimal("0.001"),
        confirmations=1,
    )


def test_okx_shows_the_end_of_a_contract_and_a_form_of_a_coin_under_the_coins_own_name() -> None:
    bitcoin, tether, wrapped = read("okx", {"data": OKX})
    assert (bitcoin.chain, bitcoin.contract, bitcoin.withdrawal, bitcoin.withdrawal_fee) == (
        "bitcoin",
        NATIVE,
        False,
        Decimal("0.00005"),
    )
    assert (tether.chain, tether.contract, tether.withdrawal_fee) == ("ethereum", "...831ec7", Decimal("2.79"))
    assert (wrapped.asset, wrapped.chain, wrapped.contract) == ("BTC", "", "")


def test_bybit_has_flags_as_digits_and_none_where_a_chain_knows_no_such_way() -> None:
    ethereum, omni = read("bybit", {"result": {"rows": [BYBIT]}})
    assert (ethereum.deposit, ethereum.withdrawal, ethereum.withdrawal_fee_rate) == (True, False, Decimal("0.022"))
    assert (omni.deposit, omni.withdrawal, omni.withdrawal_fee, omni.chain) == (True, False, None, "")


def test_binance_says_how_many_coins_a_ticker_stands_for() -> None:
    (found,) = read("binance", [BINANCE])
    assert (found.denomination, found.arrival_s, found.confirmations) == (1_000_000, 60, 5)


@pytest.mark.parametrize(
    "mark",
    [
        "",
        " ",
        "0",
        "0x0000000000000000000000000000000000000000",
        "invalid-TAPS-869237-380",
        f"{ADDRESS}_bak",
        ADDRESS[:-1],
    ],
)
def test_what_is_no_address_on_its_chain_is_not_kept(mark: str) -> None:
    (found,) = read("gate", [{"currency": "ABC", "chains": [{"name": "ETH", "addr": mark}]}])
    assert (found.chain, found.contract, found.deposit) == ("ethereum", "", None)


@pytest.mark.parametrize("venue", FORMS)
def test_an_answer_that_is_no_list_is_refused(venue: str) -> None:
    bodies: tuple[Any, ...] = (None, "x", {"data": {}}, {"result": {}}, [3], {"result": None})
    for body in bodies:
        with pytest.raises(VenueProtocolError, match=venue):
            read(venue, body)


@pytest.mark.parametrize(
    ("venue", "path", "bad", "named"),
    [
        ("gate", ("chains", 0, "deposit_disabled"), "maybe", "'deposit_disabled': neither true nor false: 'maybe'"),
        ("gate", ("chains", 0, "name"), None, "'name': missing"),
        ("gate", ("chains",), {}, "'chains': not a list"),
        ("bitget", ("chains", 0, "withdrawFee"), "1,5", "'withdrawFee': not a number"),
        ("bitget", ("chains", 0, "withdrawFee"), "-1", "'withdrawFee': below 0"),
        ("bitget", ("chains", 0, "depositConfirm"), "-1", "'depositConfirm': below 0"),
        ("okx", ("fee",), "NaN", "'fee': not a finite number"),
        ("bybit", ("chains", 0, "chainDeposit"), "2", "'chainDeposit': neither 0 nor 1: '2'"),
        ("binance", ("networkList", 0, "denomination"), "0.5", "'denomination': not a whole number"),
    ],
)
def test_a_bad_field_is_named_and_hides_no_other_row(
    venue: str, path: tuple[str | int, ...], bad: object, named: str
) -> None:
    body = json.loads(json.dumps(BODIES[venue]))
    rows = body if isinstance(body, list) else body.get("data") or body["result"]["rows"]
    good = json.loads(json.dumps(rows[0]))
    place = rows[0]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = bad
    del rows[1:]
    with pytest.raises(VenueProtocolError) as refused:
        read(venue, body)
    assert named in str(refused.value)
    rows.append(good)
    assert read(venue, body)


# What chains are called.


def test_a_venue_calls_no_two_chains_by_one_name_and_every_name_has_a_source() -> None:
    path = Path(__file__).parents[3] / "arb" / "venues" / "kit" / "chains.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert all(row["source"] and None not in row.values() for row in rows)
    assert len({row["chain"] for row in rows}) == len(rows)
    for venue in FORMS:
        names = [name for row in rows for name in row[venue].split("|") if name]
        assert len(names) == len(set(names)) > 30, venue
    assert chains()["gate", "ARBEVM"] == chains()["okx", "Arbitrum One"] == chains()["bybit", "ARBI"]


# What two recorded lists prove together: rows as Gate sent them on 2025-07-13 and Bitget on 2025-03-23.


@pytest.fixture(scope="module")
def recorded() -> Wallets:
    wallets = Wallets()
    for venue in ("gate", "bitget"):
        found = finished(FORMS[venue].chains_in(decode_body((DATA / f"{venue}.json").read_bytes()), Everything()))
        wallets.take(venue, {chain.asset for chain in found}, found)
    return wallets


def verdicts() -> Iterator[tuple[str, Verdict]]:
    with (DATA / "verdicts.csv").open() as file:
        yield from ((row["ticker"], Verdict(row["verdict"])) for row in csv.DictReader(file))


def test_real_collisions_are_blocked_and_true_pairs_allowed(recorded: Wallets) -> None:
    """Quoted in USDT, which both lists prove, every other coin passes or is refused by its own evidence."""
    identities = RouteIdentities(CoinRule(coins=(), refuse_unproved=True))
    identities.renew(recorded.coins())
    refused = {
        ticker: identities.refused(Route.of(f"{ticker}/USDT", "gate", "bitget"))
        for ticker, _ in verdicts()
        if ticker != "USDT"
    }
    assert refused == {ticker: verdict is not Verdict.SAME for ticker, verdict in verdicts() if ticker != "USDT"}
    assert sum(refused.values()) >= 30
    assert len(refused) - sum(refused.values()) >= 100


def test_collisions_are_refused_even_where_the_unproved_is_marked(recorded: Wallets) -> None:
    identities = RouteIdentities(CoinRule(coins=(), refuse_unproved=False))
    identities.renew(recorded.coins())
    different = {ticker for ticker, verdict in verdicts() if verdict is Verdict.DIFFERENT}
    assert len(different) >= 30
    assert all(identities.refused(Route.of(f"{ticker}/USDT", "bitget", "gate")) for ticker in different)


def test_each_verdict_of_the_recorded_lists_has_its_evidence(recorded: Wallets) -> None:
    table = CoinTable(recorded.coins())
    for ticker, expected in verdicts():
        found = table.verdict(ticker, "gate", "bitget")
        assert found.verdict is expected, found.lines()
        assert found.because
        if expected is Verdict.SAME:
            assert any(evidence.agrees for evidence in found.evidence)


def test_the_page_lists_every_collision(recorded: Wallets, repo_root: Path) -> None:
    _, _, rest = (repo_root / "docs" / "COINS.md").read_text(encoding="utf-8").partition("\n## Collisions\n")
    listed = rest.rpartition("`")[0].rpartition("`")[2].split()
    assert listed == sorted(ticker for ticker, verdict in verdicts() if verdict is Verdict.DIFFERENT)
