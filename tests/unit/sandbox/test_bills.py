"""Bills: the venue's record of every change of a balance, the same rows under the same ids whenever one asks."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.admin import Admin
from arb.sandbox.exchange import SimExchange
from arb.sandbox.registry import SPECS
from arb.sandbox.values import OrderRequest, Refused
from tests.unit.sandbox.bench import Bench
from tests.unit.sandbox.makings import NOW_NS, SYMBOL, an_exchange, ask_for, quote

VENUES = ["gate", "okx", "bitget"]


def assert_explained(exchange: SimExchange) -> None:
    """Every balance is what it began with and what its bills say, step by step."""
    held = dict(exchange.account.initial)
    for bill in exchange.bills.rows:
        held[bill.asset] = held.get(bill.asset, Decimal(0)) + bill.amount - bill.fee
        assert bill.balance == held[bill.asset]
    assert {a: b.total for a, b in exchange.account.balances.items() if b.total} == {a: v for a, v in held.items() if v}
    ids = [bill.id for bill in exchange.bills.rows]
    assert ids == sorted(set(ids))


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["buy", "sell", "rest", "cancel", "amend", "hit", "deposit", "withdraw", "interest", "transfer", "points"]
        ),
        st.integers(1, 400),
    ),
    max_size=25,
)


@pytest.mark.parametrize("buy_fee_in", ["base", "quote"])
@given(actions=ACTIONS)
@settings(deadline=None)
def test_bills_explain_every_balance(buy_fee_in: str, actions: list[tuple[str, int]]) -> None:
    exchange = an_exchange(buy_fee_in)
    quote(exchange, "sell", "60010", "3")
    quote(exchange, "buy", "60000", "3")
    for step, (action, number) in enumerate(actions):
        now_ns = NOW_NS + step * NS_PER_MS
        size = str(Decimal(number) * Decimal("0.001"))
        free = exchange.account.balance("USDT").free
        try:
            if action in ("buy", "sell"):
                exchange.place(ask_for(action, size, None), now_ns)
            elif action == "rest":
                exchange.place(ask_for("buy", size, "59000"), now_ns)
            elif action == "hit":
                exchange.rival_take(SYMBOL, "sell", None, number * 10, now_ns)
            elif action == "amend":
                for order in exchange.open_orders():
                    exchange.amend(order, now_ns, price=Decimal(58_000 + 10 * number), size=Decimal(size))
        except Refused:
            pass
        if action == "cancel":
            exchange.cancel_all(now_ns)
        elif action == "deposit":
            exchange.transfer("USDT", free + number, now_ns)
        elif action == "withdraw":
            exchange.transfer("USDT", max(Decimal(0), free - number), now_ns)
        elif action in ("interest", "transfer"):
            exchange.book(action, "USDT", Decimal(number), now_ns)
        elif action == "points":
            exchange.fee_asset = None if exchange.fee_asset else SPECS["gate"].fee_assets[0]
    assert_explained(exchange)


def traded(venue: str) -> Bench:
    """Return a venue whose account bought 0.5 and sold 0.2 and was given a deposit, interest and a transfer."""
    bench = Bench(venue, small=True)
    bench.set_book([("60000", "1")], [("60010", "1")])
    for side, size, price in (("buy", "0.5", "60010"), ("sell", "0.2", "60000")):
        request = OrderRequest(SYMBOL, side, "limit", "ioc", price=Decimal(price), size=Decimal(size))
        bench.advance(NS_PER_S)
        bench.exchange.place(request, bench.now_ns)
    bench.exchange.transfer("BTC", bench.exchange.account.balance("BTC").free + 1, bench.now_ns)
    bench.fault("interest", "any")
    bench.fault("internal_transfer", "any")
    return bench


def gate_bills(bench: Bench, **params: Any) -> list[tuple[str, str, str, Decimal, Decimal]]:
    _, rows = bench.ask(["private", "spot"], "account_book", params=params)
    return [(r["id"], r["currency"], r["type"], Decimal(r["change"]), Decimal(r["balance"])) for r in rows]


def okx_bills(bench: Bench, **params: Any) -> list[tuple[str, str, str, Decimal, Decimal]]:
    _, answer = bench.ask(["private"], "account/bills", params=params)
    return [
        (r["billId"], r["ccy"], f"{r['type']}/{r['subType']}", Decimal(r["balChg"]), Decimal(r["bal"]))
        for r in answer["data"]
    ]


def bitget_bills(bench: Bench, **params: Any) -> list[tuple[str, str, str, Decimal, Decimal]]:
    _, answer = bench.ask(["private", "spot"], "v2/spot/account/bills", params=params)
    return [
        (
            r["billId"],
            r["coin"],
            f"{r['groupType']}/{r['businessType']}",
            Decimal(r["size"]) + Decimal(r["fees"]),
            Decimal(r["balance"]),
        )
        for r in answer["data"]
    ]


Read = Callable[..., list[tuple[str, str, str, Decimal, Decimal]]]
READS: dict[str, Read] = {"gate": gate_bills, "okx": okx_bills, "bitget": bitget_bills}
KINDS = {
    "gate": [
        "futures_in",
        "interest",
        "deposit",
        "order_fee",
        "order_fill",
        "order_fill",
        "order_fill",
        "order_fee",
        "order_fill",
    ],
    "okx": ["1/11", "381/", "1/11", "2/2", "2/2", "2/1", "2/1"],
    "bitget": [
        "transfer/transfer_in",
        "financial/interest",
        "deposit/deposit",
        "transaction/sell",
        "transaction/sell",
        "transaction/buy",
        "transaction/buy",
    ],
}


@pytest.mark.parametrize("venue", VENUES)
def test_bills_are_in_the_venues_words_and_lead_to_the_balances(venue: str) -> None:
    bench = traded(venue)
    rows = READS[venue](bench)

    assert [kind for _, _, kind, _, _ in rows] == KINDS[venue]
    held = dict(bench.exchange.account.initial)
    for _, asset, _, change, balance in reversed(rows):
        held[asset] += change
        assert balance == held[asset]
    assert {a: held[a] for a in ("BTC", "USDT")} == {
        a: bench.exchange.account.balance(a).total for a in ("BTC", "USDT")
    }


@pytest.mark.parametrize("venue", VENUES)
def test_bills_keep_their_ids_and_are_paged_without_loss(venue: str) -> None:
    bench = traded(venue)
    read = READS[venue]
    everything = read(bench)

    paged: list[Any] = []
    for number in itertools.count(1):
        name = {"gate": "page", "okx": "after", "bitget": "idLessThan"}[venue]
        cursor = number if venue == "gate" else paged[-1][0] if paged else ""
        rows = read(bench, limit=2, **{name: cursor})
        paged.extend(rows)
        if not rows:
            break

    assert paged == everything == read(bench)
    assert len({row[0] for row in everything}) == len(everything)


@pytest.mark.parametrize("venue", VENUES)
def test_bills_of_one_asset_can_be_asked_for(venue: str) -> None:
    bench = traded(venue)
    name = {"gate": "currency", "okx": "ccy", "bitget": "coin"}[venue]

    assert {row[1] for row in READS[venue](bench, **{name: "BTC"})} == {"BTC"}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("fault", "amount"), [("interest", "0.00000123"), ("internal_transfer", "200")])
def test_interest_and_internal_transfers_show_in_bills_only(venue: str, fault: str, amount: str) -> None:
    bench = Bench(venue, small=True)
    before = bench.exchange.account.balance("USDT").free

    bench.fault(fault, "any")

    assert bench.exchange.balances()["USDT"].free == before + Decimal(amount)
    assert [row[3] for row in READS[venue](bench)] == [Decimal(amount)]
    assert (bench.exchange.account.transfers, bench.exchange.fills, bench.exchange.orders) == ([], [], {})


def test_an_internal_transfer_below_zero_leaves_and_takes_no_more_than_is_free() -> None:
    bench = Bench("okx", small=True)
    admin = Admin(bench.world, {})
    free = bench.exchange.account.balance("USDT").free

    for amount in ("-150", str(-2 * free)):
        admin.post_fault({"venue": "okx", "fault": "internal_transfer", "param": amount})

    changes = [row[3] for row in okx_bills(bench)]
    assert changes == [150 - free, Decimal(-150)]
    assert bench.exchange.account.balance("USDT").free == 0


def test_a_change_that_no_history_shows_has_no_bill() -> None:
    bench = Bench("gate", small=True)

    Admin(bench.world, {}).handle(
        "POST", "/balance", b'{"venue":"gate","asset":"USDT","free":"1","hidden":true}', bench.now_ns
    )

    assert bench.exchange.bills.rows == []


def test_a_fill_is_named_by_its_first_bill() -> None:
    bench = traded("okx")

    _, answer = bench.ask(["private"], "trade/fills", params={"instType": "SPOT"})
    bills = {row["billId"]: row for row in bench.ask(["private"], "account/bills")[1]["data"]}

    for fill in answer["data"]:
        assert (bills[fill["billId"]]["tradeId"], bills[fill["billId"]]["ccy"]) == (fill["tradeId"], "BTC")
