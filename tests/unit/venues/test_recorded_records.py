"""Each recorded private answer and frame of the three venues: read to the digit, or refused by the field that is wrong."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from arb.core.messages.events import BalancesReported, OrderFilled, OrderUpdated, Transfer
from arb.errors import VenueProtocolError
from arb.market.fill import Fill
from arb.market.order import OrderReport
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bitget.private import BitgetPrivate
from arb.venues.gate.dialect import GateDialect
from arb.venues.gate.private import GatePrivate
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.private_dialect import PrivateDialect
from arb.venues.kit.rules.outcome import decode_body
from arb.venues.okx.dialect import OkxDialect
from arb.venues.okx.private import OkxPrivate
from tests.support.bent import each_bent, is_lacking
from tests.support.recorded import Answer, answers

VENUES = ("gate", "okx", "bitget")
BITGET = BitgetDialect()
BITGET.learn({f"{base}USDT": f"{base}/USDT" for base in ("BTC", "ETH", "BGB", "TRX", "LTC")})
DIALECTS: dict[str, TradeDialect] = {"gate": GateDialect(), "okx": OkxDialect(), "bitget": BITGET}
STREAMS: dict[str, Callable[[], PrivateDialect]] = {
    "gate": lambda: GatePrivate("k", "s"),
    "okx": lambda: OkxPrivate("k", "s", "p"),
    "bitget": lambda: BitgetPrivate("k", "s", "p", BITGET.symbols),
}
ORDERS = {
    "gate": (
        "get-spot-open_orders get-spot-orders delete-spot-orders delete-spot-orders-123 patch-spot-orders-order_id"
        " post-spot-batch_orders"
        " ccxt-create_order ccxt-cancel_order ccxt-fetch_orders_by_status ccxt-parse_order"
    ),
    "okx": "get-trade-order get-trade-orders-history get-trade-orders-history-archive get-trade-orders-pending",
    "bitget": (
        "get-v2-spot-trade-orderinfo get-v2-spot-trade-history-orders get-v2-spot-trade-unfilled-orders"
        " ccxt-fetch_open_orders ccxt-fetch_canceled_and_closed_orders"
    ),
}
FILLS = {
    "gate": "get-spot-my_trades ccxt-parse_trade",
    "okx": "get-trade-fills get-trade-fills-history",
    "bitget": "get-v2-spot-trade-fills",
}
BILLS = {
    "gate": "get-spot-account_book",
    "okx": "get-account-bills-archive get-account-bills-history-archive ccxt-fetch_ledger",
    "bitget": "get-v2-spot-account-bills ccxt-fetch_ledger",
}
BALANCES = {
    "gate": "get-spot-accounts",
    "okx": "get-account-balance ccxt-fetch_balance",
    "bitget": "get-v2-spot-account-assets ccxt-fetch_balance",
}
ROWS_READ = {("gate", "order"): 8, ("gate", "fill"): 0, ("gate", "bill"): 2, ("gate", "balance"): 1} | {
    ("okx", "order"): 16,
    ("okx", "fill"): 3,
    ("okx", "bill"): 3,
    ("okx", "balance"): 2,
    ("bitget", "order"): 11,
    ("bitget", "fill"): 2,
    ("bitget", "bill"): 0,
    ("bitget", "balance"): 2,
}
"""How many rows there are of each kind that are read, the bills of trades among them."""
NOT_READ = {
    "gate/rest/ccxt-fetch_orders_by_status--finished-filled-ioc-ccxt-swap": "field 'amount': missing",  # a contract
    "gate/rest/ccxt-parse_order--label-balance_not_enough-ccxt": "field 'amount': missing",  # a refusal in a batch
    "gate/rest/ccxt-parse_order--label-invalid_protocol-ccxt": "field 'amount': missing",  # the same
    "gate/rest/ccxt-parse_trade--ccxt-swap": "field 'currency_pair': missing",  # a contract
    "gate/rest/ccxt-parse_trade--sell-ccxt-public-ws": "field 'currency_pair': missing",  # a public trade
    "gate/rest/ccxt-parse_trade--sell-ccxt-spot": "field 'fee': missing",  # a public trade
    "gate/rest/ccxt-parse_trade--taker-ccxt-future-rest": "field 'currency_pair': missing",  # a contract
    "gate/rest/ccxt-parse_trade--taker-ccxt-perpetual-swap-rest": "field 'currency_pair': missing",  # a contract
    "gate/rest/get-spot-account_book--fee-ccxt-swap-and-future": "field 'id': missing",  # a contract's
    "gate/rest/get-spot-my_trades--buy-maker-eth": "field 'currency_pair': missing",  # a document without it
    "gate/rest/post-spot-batch_orders--cancelled-stp-limit-gtc-spot-buy-eth": "1.242 filled of 1",  # a document's slip
    "okx/rest/ccxt-fetch_balance--ccxt": "field 'availBal': missing",  # a margin account: it has `availEq` instead
    "okx/rest/get-trade-fills--transaction_detail_empty_fee": "field 'fee': missing",  # a fixture that has none
    "okx/rest/get-account-bills-history-archive--finished": "field 'type': missing",  # the address of a file
    "okx/rest/get-trade-orders-pending--swap-live-limit-usdt-orders_pending": "'BTC-USDT-SWAP'",
    "okx/rest/get-trade-orders-pending--swap-live-limit-usdt-orders_pending_with_attached_tp_sl": "'ETH-USDT-SWAP'",
    "bitget/rest/ccxt-fetch_balance--ccxt-swap": "field 'coin': missing",  # a contracts account
    "bitget/rest/ccxt-fetch_canceled_and_closed_orders--canceled-limit-buy-ccxt-swap-and-future": "no list",  # contracts
    "bitget/rest/ccxt-fetch_canceled_and_closed_orders--ccxt-spot-stop": "no list",  # trigger orders
    "bitget/rest/ccxt-fetch_ledger--margin-ccxt": "no list",  # margin, third version
    "bitget/rest/ccxt-fetch_open_orders--live-limit-buy-ccxt-swap-and-future": "no list",  # contracts
    "bitget/rest/ccxt-fetch_open_orders--usdt-futures-ccxt-uta-trigger": "field 'status': missing",  # third version
    "bitget/rest/get-v2-spot-account-bills--ccxt": "no list",  # funding account, third version
}
"""Answers that are refused, and by which words."""
EXACTLY: dict[tuple[str, str], dict[str, str]] = {
    ("gate", "order"): {"venue_order_id": "id", "size": "amount", "side": "side", "price": "price"},
    ("okx", "order"): {"venue_order_id": "ordId", "size": "sz", "side": "side", "filled": "accFillSz"},
    ("bitget", "order"): {"venue_order_id": "orderId", "size": "size", "side": "side", "filled": "baseVolume"},
    ("okx", "fill"): {
        "trade_id": "tradeId",
        "venue_order_id": "ordId",
        "side": "side",
        "price": "fillPx",
        "size": "fillSz",
    },
    ("bitget", "fill"): {"trade_id": "tradeId", "venue_order_id": "orderId", "price": "priceAvg", "size": "size"},
    ("gate", "bill"): {"transfer_id": "id", "asset": "currency", "amount": "change"},
    ("okx", "bill"): {"transfer_id": "billId", "asset": "ccy", "amount": "balChg"},
}
"""Where what we read stands in the answer, for what has to be the same there to the digit."""


class Row(NamedTuple):
    """A row of an answer: whose, of which kind, as decoded, and what reads it."""

    answer: Answer
    venue: str
    kind: str
    raw: Any
    read: Callable[[Any], Any]


def rows(repo_root: Path, venue: str) -> Iterator[Row | tuple[Answer, VenueProtocolError]]:
    """Yield each row of the private answers of a venue, and each answer that is refused before there are rows."""
    dialect = DIALECTS[venue]
    lists = {"order": dialect.open_orders("BTC/USDT"), "fill": dialect.fills("BTC/USDT", 0, None)}
    lists["bill"] = dialect.transfers(0, 1)[0]
    readers = {"order": dialect.report, "fill": lambda raw: dialect.fill(raw, 1), "bill": dialect.transfer}
    for answer in answers(repo_root, venue, "rest"):
        if not answer.raw.strip():
            continue
        body = decode_body(answer.raw)
        kinds = {"order": ORDERS, "fill": FILLS, "bill": BILLS, "balance": BALANCES}
        for kind in [kind for kind, endpoints in kinds.items() if answer.endpoint in endpoints[venue].split()]:
            if kind == "balance":
                yield Row(answer, venue, kind, body, dialect.balances_in)
                continue
            alone = not isinstance(body, list) and (venue == "gate" or "code" not in body)  # as one order is answered
            try:
                of_all = answer.endpoint == "get-spot-open_orders"
                pages = dialect.open_orders(None) if of_all else lists[kind]
                found = [body] if alone else pages.rows(body)
            except VenueProtocolError as error:
                yield answer, error
                continue
            for raw in found:
                yield Row(answer, venue, kind, raw, readers[kind])


def readable(repo_root: Path, venue: str) -> Iterator[Row]:
    """Yield the rows that are to be read."""
    for row in rows(repo_root, venue):
        if isinstance(row, Row) and row.answer.name not in NOT_READ:
            yield row


@pytest.mark.parametrize("venue", VENUES)
def test_each_private_answer_is_read_or_refused_by_its_field(repo_root: Path, venue: str) -> None:
    refused: dict[str, str] = {}
    counted = {key: 0 for key in ROWS_READ if key[0] == venue}
    for row in rows(repo_root, venue):
        try:
            if not isinstance(row, Row):
                raise row[1]
            row.read(row.raw)
        except VenueProtocolError as error:
            answer = row.answer if isinstance(row, Row) else row[0]
            refused[answer.name] = str(error)
        else:
            counted[venue, row.kind] += 1
    expected = {name: why for name, why in NOT_READ.items() if name.startswith(f"{venue}/")}
    assert refused.keys() == expected.keys()
    assert {name: why for name, why in expected.items() if why not in refused[name]} == {}
    assert counted == {key: count for key, count in ROWS_READ.items() if key[0] == venue}


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_read_stands_in_the_answer_to_the_digit(repo_root: Path, venue: str) -> None:
    for row in readable(repo_root, venue):
        read = row.read(row.raw)
        if read is None or (row.venue, row.kind) not in EXACTLY:
            continue
        for ours, theirs in EXACTLY[row.venue, row.kind].items():
            value, stated = getattr(read, ours), row.raw[theirs]
            same = value == Decimal(stated or 0) if isinstance(value, Decimal) else str(value) == str(stated)
            assert same or (value is None and stated in ("", "0")), (row.answer.name, ours)


FRAMES = {
    "gate/ws/spot.balances--update-ccxt-handle_balance": [BalancesReported],
    "gate/ws/spot.balances--update-update": [BalancesReported],
    "gate/ws/spot.orders--update-put-limit-gtc-spot-sell-usdt-gct-inline": [OrderUpdated],
    "gate/ws/spot.orders--update-put-open-limit-gtc-spot-sell-usdt-jkorf-subscribetoorderupdates": [OrderUpdated],
    "gate/ws/spot.orders--update-put-open-limit-gtc-spot-sell-usdt-update": "812.8 filled of 0.0001",  # a document's slip
    "gate/ws/spot.usertrades--update-sell-taker-gct-inline": [OrderFilled],
    "gate/ws/spot.usertrades--update-sell-taker-update": [OrderFilled],
    "okx/ws/account--gct-inline": "field 'availBal': missing",  # a margin account
    "okx/ws/account--jkorf-balance": [BalancesReported],
    "okx/ws/orders--spot-filled-fok-t-orders_fok": "field 'fillFee': missing",  # a fixture that has none
    "okx/ws/orders--spot-filled-limit-m-gct": [OrderFilled, OrderUpdated],
    "okx/ws/orders--spot-filled-market-gct": [OrderUpdated],
    "okx/ws/orders--spot-live-limit-ccxt-handle_orders": [OrderUpdated],
    "okx/ws/orders--spot-live-market-gct": [OrderUpdated],
    "okx/ws/orders--spot-partially_filled-market-t-gct": [OrderFilled, OrderUpdated],
    "bitget/ws/v2.fill--snapshot-market-taker-buy-ccxt-handle_my_trades": [OrderFilled],
    "bitget/ws/v2.account--snapshot-ccxt-handle_balance": [BalancesReported],
    "bitget/ws/v2.spot.account--snapshot-snapshot": [BalancesReported],
    "bitget/ws/v2.spot.fill--snapshot-limit-marker-buy-snapshot": [OrderFilled, OrderFilled],
    "bitget/ws/v2.spot.orders--snapshot-partially_filled-market-t-buy-jkorf-order": [OrderUpdated],
}
"""The pushes of the private channels that are followed: which events come of them, or by which words they are refused."""


def pushes(repo_root: Path, venue: str) -> Iterator[Answer]:
    """Yield the pushes of the spot channels that are followed."""
    channels = {"spot.orders", "spot.usertrades", "spot.balances", "orders", "account", "v2.account"}
    channels |= {"v2.fill", "v2.spot.account", "v2.spot.fill", "v2.spot.orders"}
    for answer in answers(repo_root, venue, "ws"):
        controls = (b'"subscribe"', b'"error"', b'"SWAP"', b'"USDT-FUTURES"')
        if answer.endpoint in channels and not any(control in answer.raw for control in controls):
            yield answer


@pytest.mark.parametrize("venue", VENUES)
def test_each_private_push_leads_to_its_events_or_is_refused_by_its_field(repo_root: Path, venue: str) -> None:
    found: dict[str, Any] = {}
    for answer in pushes(repo_root, venue):
        frame = STREAMS[venue]().on_frame(1, 2, answer.raw)
        assert not frame.foreign and frame.refused is None
        found[answer.name] = "; ".join(map(str, frame.errors)) or [type(event) for event in frame.events]
    assert found.keys() == {name for name in FRAMES if name.startswith(f"{venue}/")}
    for name, read in found.items():
        expected = FRAMES[name]
        assert expected in read if isinstance(expected, str) else read == expected, name


def money(read: Any) -> Any:
    """Return what of a record is money, or says whose it is."""
    if isinstance(read, OrderReport):
        return read.venue_order_id, read.symbol, read.side, read.size, read.filled
    if isinstance(read, Fill):
        return (
            read.trade_id,
            read.venue_order_id,
            read.symbol,
            read.side,
            read.price,
            read.size,
            read.fee,
            read.fee_currency,
        )
    return (read.transfer_id, read.asset, read.amount) if isinstance(read, Transfer) else read


def is_open(read: Any) -> bool:
    """Return whether a record is one of an order that may still fill."""
    return isinstance(read, OrderReport) and read.is_open


@pytest.mark.parametrize("venue", VENUES)
def test_a_record_with_anything_wrong_is_refused_or_says_the_same_money(repo_root: Path, venue: str) -> None:
    tried = 0
    for row in readable(repo_root, venue):
        whole = row.read(row.raw)
        for path, bent in each_bent(row.raw):
            tried += 1
            try:
                read = row.read(bent)
            except VenueProtocolError:
                continue
            if is_lacking(bent, path) and row.kind != "balance":
                assert read is None or money(read) == money(whole), (row.answer.name, path, bent)
                assert not is_open(whole) or is_open(read), (row.answer.name, path, bent)
    assert tried > 1000


def money_of(event: object) -> object:
    """Return what of an event is money, or says whose it is."""
    return money(
        event.report if isinstance(event, OrderUpdated) else event.fill if isinstance(event, OrderFilled) else None
    )


@pytest.mark.parametrize("venue", VENUES)
def test_a_push_with_anything_wrong_is_refused_or_says_the_same_money(repo_root: Path, venue: str) -> None:
    for answer in pushes(repo_root, venue):
        stream = STREAMS[venue]()
        whole = stream.on_frame(1, 2, answer.raw)
        told = [money_of(event) for event in whole.events]
        for path, bent in each_bent(json.loads(answer.raw)):
            frame = stream.on_frame(1, 2, json.dumps(bent).encode())
            if not whole.errors:
                assert len(frame.events) <= len(whole.events), (answer.name, path)
            if is_lacking(bent, path) and not whole.errors:
                assert all(money_of(event) in told for event in frame.events), (answer.name, path, bent)
