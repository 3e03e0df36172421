"""Each kind of account over real sockets: the gateway trades in it or refuses it, and stock clients read the same there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

import gate_api
import pytest

from arb.core.messages.commands import CancelOrder
from arb.core.messages.events import BalancesReported, OrderAccepted, OrderRejected, PrivateUp
from arb.errors import VenueAuthError
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import Outcome, TimeInForce
from arb.venues.kit.endpoints import OrderEntry
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.key_rights import KeyPolicy
from tests.contract.conftest import Sandbox, still_sandbox
from tests.contract.gateway_bench import ASKS, BIDS, Bench, an_order, ended, query, told
from tests.contract.stock_clients import SYMBOL, exact, gate_sdk, rest_client

Result = TypeVar("Result")
Holder = dict[str, Any]
REAL = KeyPolicy(withdrawal_disabled_confirmed=True)
LOANS = KeyPolicy(withdrawal_disabled_confirmed=True, borrowing_allowed=True)

SAFE: list[tuple[str, Holder, str]] = [
    ("gate", {"mode": "classic"}, "classic"),
    ("gate", {"mode": "single_currency"}, "unified, single-currency margin"),
    ("gate", {"mode": "single_currency", "sub_account": True}, "unified, single-currency margin"),
    ("gate", {"mode": "classic", "sub_account": True}, "classic"),
    ("okx", {"mode": "spot"}, "spot"),
    ("okx", {"mode": "futures"}, "futures"),
    ("okx", {"mode": "futures", "borrows": True}, "futures"),  # what borrows elsewhere is off in this mode
    ("okx", {"mode": "spot", "fee_in_quote": True}, "spot"),
    ("okx", {"mode": "spot", "fee_groups": False}, "spot"),
    ("bitget", {}, "classic"),
    ("bitget", {"sub_account": True}, "classic"),
]
BORROWING: list[tuple[str, Holder, str]] = [
    ("gate", {"mode": "multi_currency"}, "unified, multi-currency margin"),
    ("gate", {"mode": "portfolio"}, "unified, portfolio margin"),
    ("gate", {"mode": "legacy_unified"}, "legacy unified"),
    ("okx", {"mode": "spot", "borrows": True}, "spot"),
    ("okx", {"mode": "multi_currency"}, "multi-currency margin"),
    ("okx", {"mode": "multi_currency", "borrows": True}, "multi-currency margin"),
    ("okx", {"mode": "portfolio"}, "portfolio margin"),
]
USUAL: dict[str, Holder] = {
    "gate": {"mode": "classic", "symbols": [], "rights": ["spot", "wallet:read", "account:read", "unified:read"]},
    "okx": {
        "mode": "spot",
        "borrows": False,
        "fee_groups": True,
        "fee_in_quote": False,
        "symbols": [],
        "rights": ["read_only", "trade"],
    },
    "bitget": {"mode": "classic", "rights": ["stor", "stow"]},
}


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[Sandbox]:
    """Start a sandbox whose accounts nobody else relies on."""
    with still_sandbox(seed=13) as sandbox:
        yield sandbox


class Account:
    """One venue's account as its holder has chosen it, and gateways to it as to a real one."""

    def __init__(self, venue: str, holder: Holder, sandbox: Sandbox, entry: OrderEntry = OrderEntry.REST) -> None:
        self.bench = Bench(venue, sandbox, entry)
        usual = {"addresses": ["127.0.0.1"], "sub_account": False} | USUAL[venue]
        self.chosen = sandbox.admin("POST", "/account", {"venue": venue} | usual | holder)
        sandbox.admin("POST", "/book", {"venue": venue, "symbol": SYMBOL, "bids": BIDS, "asks": ASKS})

    def run(self, story: Callable[[VenueGateway], Awaitable[Result]], policy: KeyPolicy = REAL) -> Result:
        """Start a gateway that treats the venue as a real one, and run a story on it."""

        async def whole() -> Result:
            gateway = self.bench.gateway(policy=policy)
            try:
                await gateway.start()
                return await story(gateway)
            finally:
                await gateway.close()

        return asyncio.run(whole())

    def refused(self, policy: KeyPolicy = REAL) -> VenueAuthError:
        """Return why such a key is not used."""

        async def nothing(gateway: VenueGateway) -> None:
            return None

        with pytest.raises(VenueAuthError) as caught:
            self.run(nothing, policy)
        return caught.value

    def free(self) -> dict[str, Decimal]:
        """Return what is free by the ledger."""
        ledger = self.bench.sandbox.admin("GET", "/ledger")[self.bench.venue]
        return {asset: Decimal(held["free"]) for asset, held in ledger["balances"].items() if Decimal(held["free"])}


async def one_instrument(gateway: VenueGateway) -> Instrument:
    [instrument] = await gateway.instruments((SYMBOL,))
    return instrument


@pytest.mark.thorough
@pytest.mark.parametrize(("venue", "holder", "mode"), SAFE)
def test_an_account_that_never_borrows_is_traded_and_its_money_is_the_ledgers(
    venue: str, holder: Holder, mode: str, own_sandbox: Sandbox
) -> None:
    trades_and_balances_agree(Account(venue, holder, own_sandbox), mode, REAL)


@pytest.mark.parametrize(("venue", "holder", "mode"), BORROWING)
def test_an_account_that_borrows_on_its_own_is_traded_only_where_that_is_allowed(
    venue: str, holder: Holder, mode: str, own_sandbox: Sandbox
) -> None:
    account = Account(venue, holder, own_sandbox)
    refused = account.refused()
    assert (refused.code, "borrowing_allowed = true" in str(refused)) == ("key_borrows", True)
    trades_and_balances_agree(account, mode, LOANS)


def trades_and_balances_agree(account: Account, mode: str, policy: KeyPolicy) -> None:
    order = an_order("50010", "0.1")
    resting = an_order("49000", "0.1", tif=TimeInForce.GTC)

    async def story(gateway: VenueGateway) -> None:
        assert gateway.key_facts is not None and gateway.key_facts.mode == mode
        before = await gateway.balances()
        assert free_of(before) == account.free()
        [instrument] = await gateway.instruments((SYMBOL,))
        assert instrument.taker_fee is not None and instrument.tradable

        assert isinstance(await gateway.place(order), OrderAccepted)
        looked = await ended(gateway, order)
        assert told(looked.fills) == account.bench.fills(order.client_order_id)
        cost = sum((fill.price * fill.size for fill in looked.fills), Decimal(0))
        in_quote = instrument.buy_fee_in is FeeIn.QUOTE
        assert {fill.fee_currency for fill in looked.fills} == {instrument.quote if in_quote else instrument.base}
        charged = sum((fill.fee for fill in looked.fills), Decimal(0))
        assert charged == instrument.taker_fee * (cost if in_quote else order.size)

        assert isinstance(await gateway.place(resting), OrderAccepted)
        after = await gateway.balances()
        assert free_of(after) == account.free()
        assert after.balances[instrument.quote].locked > 0
        looked = await gateway.query_order(query(resting))
        assert looked.report is not None
        number = looked.report.venue_order_id
        cancel = CancelOrder(
            cause=1, venue="", symbol=SYMBOL, client_order_id=resting.client_order_id, venue_order_id=number
        )
        [answer] = await gateway.cancel_many([cancel])
        assert answer.outcome is Outcome.ACCEPTED
        assert (await ended(gateway, resting)).complete

    account.run(story, policy)


def free_of(reported: BalancesReported) -> dict[str, Decimal]:
    return {asset: held.free for asset, held in reported.balances.items() if held.free}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("venue", "holder", "code", "says"),
    [
        ("gate", {"rights": ["spot", "wallet", "account:read", "unified:read"]}, "key_withdraws", "may withdraw"),
        ("gate", {"rights": ["spot:read", "account:read", "unified:read"]}, "key_read_only", "may not trade"),
        ("gate", {"rights": ["spot", "unified:read"]}, "key_unreadable", "'Account', for reading only"),
        ("gate", {"rights": ["spot", "account:read"]}, "key_unreadable", "'Unified account', for reading only"),
        ("gate", {"addresses": []}, "key_unbound", "unbound_key_allowed = true` in [venues.gate]"),
        ("okx", {"rights": ["read_only", "trade", "withdraw"]}, "key_withdraws", "may withdraw"),
        ("okx", {"rights": ["read_only"]}, "key_read_only", "may not trade"),
        ("okx", {"addresses": []}, "key_unbound", "unbound_key_allowed = true` in [venues.okx]"),
        ("bitget", {"rights": ["stow", "wwow"]}, "key_withdraws", "may withdraw"),
        ("bitget", {"rights": ["stow", "wtow"]}, "key_moves_funds", "move funds away (wtow)"),
        ("bitget", {"rights": ["stow", "zzzz"]}, "key_rights_unknown", "zzzz"),
        ("bitget", {"rights": ["stor", "coow"]}, "key_read_only", "may not trade"),
        ("bitget", {"addresses": []}, "key_unbound", "unbound_key_allowed = true` in [venues.bitget]"),
    ],
)
def test_a_key_with_the_wrong_rights_is_refused_in_one_clear_line(
    venue: str, holder: Holder, code: str, says: str, own_sandbox: Sandbox
) -> None:
    refused = Account(venue, holder, own_sandbox).refused()
    assert (refused.code, says in str(refused), "\n" in str(refused)) == (code, True, False), str(refused)


@pytest.mark.parametrize("venue", ["gate", "bitget"])
def test_what_a_venue_does_not_report_has_to_be_confirmed(venue: str, own_sandbox: Sandbox) -> None:
    refused = Account(venue, {"sub_account": True}, own_sandbox).refused(KeyPolicy())
    assert refused.code == "key_withdrawal_unconfirmed"
    assert f"withdrawal_disabled_confirmed = true` in [venues.{venue}]" in str(refused)


def test_okx_names_every_right_so_nothing_is_to_be_confirmed(own_sandbox: Sandbox) -> None:
    assert Account("okx", {}, own_sandbox).run(one_instrument, KeyPolicy()).symbol == SYMBOL


@pytest.mark.parametrize(("venue", "holder"), [("gate", {"addresses": []}), ("okx", {"addresses": []})])
def test_a_key_without_a_list_of_addresses_is_used_where_that_is_allowed(
    venue: str, holder: Holder, own_sandbox: Sandbox
) -> None:
    policy = KeyPolicy(withdrawal_disabled_confirmed=True, unbound_key_allowed=True)
    Account(venue, holder, own_sandbox).run(one_instrument, policy)


def test_what_residence_bars_at_okx_is_not_listed_with_a_key_and_its_orders_are_barred(own_sandbox: Sandbox) -> None:
    account = Account("okx", {"symbols": ["ETH/USDT"]}, own_sandbox)

    async def story(gateway: VenueGateway) -> None:
        assert [i.symbol for i in await gateway.instruments((SYMBOL, "ETH/USDT"))] == ["ETH/USDT"]
        answer = await gateway.place(an_order("50010", "0.1"))
        assert isinstance(answer, OrderRejected) and (answer.code, answer.bars) == ("51155", True)

    account.run(story)


def test_a_gate_keys_list_of_pairs_makes_the_others_untradable(own_sandbox: Sandbox) -> None:
    account = Account("gate", {"symbols": ["ETH/USDT"]}, own_sandbox)

    async def story(gateway: VenueGateway) -> None:
        found = {i.symbol: i.tradable for i in await gateway.instruments((SYMBOL, "ETH/USDT"))}
        assert found == {SYMBOL: False, "ETH/USDT": True}
        assert gateway.key_facts is not None and ("pairs", "ETH_USDT") in gateway.key_facts.shown()

    account.run(story)


def test_a_changed_fee_type_at_okx_is_read_with_the_rules_whatever_the_latest_buy_paid(own_sandbox: Sandbox) -> None:
    account = Account("okx", {}, own_sandbox)

    async def story(gateway: VenueGateway) -> None:
        assert isinstance(await gateway.place(an_order("50010", "0.1")), OrderAccepted)  # pays in base
        account.bench.sandbox.admin("POST", "/account", {"venue": "okx", "fee_in_quote": True})
        assert (await one_instrument(gateway)).buy_fee_in is FeeIn.QUOTE
        account.bench.sandbox.admin("POST", "/account", {"venue": "okx", "fee_in_quote": False})
        assert (await one_instrument(gateway)).buy_fee_in is FeeIn.BASE

    account.run(story)


@pytest.mark.parametrize("mode", ["classic", "single_currency"])
def test_a_private_stream_of_gate_pushes_balances_of_a_classic_account_alone(mode: str, own_sandbox: Sandbox) -> None:
    account = Account("gate", {"mode": mode}, own_sandbox)

    async def story(gateway: VenueGateway) -> None:
        stream = asyncio.create_task(gateway.run_private(account.bench._hear))
        try:
            await account.bench.told_of(PrivateUp)
            order = an_order("50010", "0.1")
            assert isinstance(await gateway.place(order), OrderAccepted)
            await ended(gateway, order)
            asked = await gateway.balances()
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
        assert free_of(asked) == account.free()
        pushed = [event for event in account.bench.events if isinstance(event, BalancesReported)]
        assert mode == "classic" or not pushed

    account.run(story)


@pytest.mark.parametrize(("venue", "holder", "mode"), [case for case in BORROWING if case[0] == "okx"])
def test_orders_over_okxs_websocket_know_the_mode_too(
    venue: str, holder: Holder, mode: str, own_sandbox: Sandbox
) -> None:
    account = Account(venue, holder, own_sandbox, OrderEntry.WEBSOCKET)

    async def story(gateway: VenueGateway) -> None:
        assert gateway.order_socket is not None
        stream = asyncio.create_task(gateway.run_private(account.bench._hear))
        try:
            await asyncio.wait_for(gateway.order_socket.logged_in.wait(), 60)
            order = an_order("50010", "0.1")
            assert isinstance(await gateway.place(order), OrderAccepted)
            assert (await ended(gateway, order)).fills
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)

    account.run(story, LOANS)


@pytest.mark.parametrize("mode", ["classic", "single_currency", "multi_currency", "portfolio", "legacy_unified"])
def test_gates_own_sdk_reads_the_mode_and_the_money_as_the_gateway_does(mode: str, own_sandbox: Sandbox) -> None:
    account = Account("gate", {"mode": mode}, own_sandbox)
    client = gate_sdk(own_sandbox.info)
    detail = gate_api.AccountApi(client).get_account_detail()
    unified = gate_api.UnifiedApi(client)
    facts = account.run(lambda gateway: gateway.check_key(), LOANS)
    money = free_of(account.run(lambda gateway: gateway.balances(), LOANS))

    assert str(detail.user_id) == facts.account
    assert (detail.key.mode, unified.get_unified_mode().mode) == {
        "classic": (1, "classic"),
        "legacy_unified": (2, "portfolio"),
    }.get(mode, (1, mode))
    spot = {row.currency: Decimal(row.available) for row in gate_api.SpotApi(client).list_spot_accounts()}
    if mode == "classic":
        assert {asset: free for asset, free in spot.items() if free} == money
    else:
        assert not any(spot.values())
        held = unified.list_unified_accounts().balances
        assert {asset: Decimal(one.available) for asset, one in held.items() if Decimal(one.available)} == money


@pytest.mark.parametrize("mode", ["classic", "legacy_unified"])
def test_stock_ccxt_finds_the_legacy_unified_account_by_itself(mode: str, own_sandbox: Sandbox) -> None:
    account = Account("gate", {"mode": mode}, own_sandbox)
    client = rest_client("gate", own_sandbox.info)
    assert client.load_unified_status() is (mode == "legacy_unified")
    params = {"unifiedAccount": True} if mode == "legacy_unified" else {}
    read = client.fetch_balance(params)["free"]
    names = client.commonCurrencies  # ccxt calls `POINT` otherwise
    money = {names.get(asset, asset): free for asset, free in account.free().items()}
    assert {asset: exact(free) for asset, free in read.items() if free} == pytest.approx(money)


@pytest.mark.parametrize("holder", [{}, {"fee_groups": False}, {"fee_in_quote": True}, {"mode": "futures"}])
def test_stock_ccxt_reads_okxs_money_and_fees_as_the_gateway_does(holder: Holder, own_sandbox: Sandbox) -> None:
    account = Account("okx", holder, own_sandbox)
    client = rest_client("okx", own_sandbox.info)
    client.load_markets()
    instrument = account.run(one_instrument)

    assert exact(client.fetch_trading_fee(SYMBOL)["taker"]) == instrument.taker_fee
    read = client.fetch_balance()["free"]
    assert {asset: exact(free) for asset, free in read.items() if free} == pytest.approx(account.free())
    order = client.create_order(SYMBOL, "limit", "buy", 0.1, 50_010, {"timeInForce": "IOC"})
    [fill, *_] = client.fetch_order_trades(order["id"], SYMBOL)
    assert fill["fee"]["currency"] == ("USDT" if holder.get("fee_in_quote") else "BTC")
