"""Placing and cancelling at OKX: the parameters of its order endpoints, and the answer to each item of a request.

Source: the venue's API v5, "Order Book Trading / Trade", and its error-code table for orders. Every order is an item
with its own code (`sCode`). The outer code is "0" when all items were taken, "1" when none was, and "2" when some were.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from arb.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from arb.sandbox.coded import Item, ItemReader
from arb.sandbox.exact import ONE, add, mul, parse, plain, sub, whole
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx.auth import OkxItemRefusal, OkxRefusal, check_expiry
from arb.sandbox.okx.wire import Json, inst_id, ms, symbol_of
from arb.sandbox.values import OrderRequest, Refusal, Refused, SimOrder
from arb.sandbox.wire import CANCEL, PLACE, Call, RateMeter

CLIENT_ID = re.compile(r"[0-9A-Za-z]{1,32}")
ORDER_TYPES = {"limit": "gtc", "post_only": "post_only", "fok": "fok", "ioc": "ioc", "market": "ioc"}
WINDOW_NS = 2 * NS_PER_S
SINGLE_LIMIT = 60
"""Orders that each single operation may have, per instrument and window."""
BATCH_LIMIT = 300
"""The same for each batch operation."""
BATCH_SIZE_MAX = 20
COUNTDOWN_S_MIN, COUNTDOWN_S_MAX = 10, 120

MARGIN_MODES = ("multi_currency", "portfolio")
"""The account modes in which all assets are margin for spot orders; their `tdMode` is `cross`."""
BARRED = "51155", "You can't trade this pair or borrow this crypto due to local compliance restrictions. "


_CODES = {
    Refusal.UNKNOWN_SYMBOL: ("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."),
    Refusal.NOT_TRADABLE: ("51022", "Instrument suspended."),
    Refusal.BAD_PRICE_PRECISION: ("51000", "Parameter px error"),
    Refusal.BAD_SIZE_PRECISION: ("51121", "Order quantity must be a multiple of the lot size."),
    Refusal.BELOW_MIN_SIZE: ("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.BELOW_MIN_NOTIONAL: ("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.ABOVE_MAX_SIZE: ("51005", "Your order amount exceeds the max order amount."),
    Refusal.NO_LIQUIDITY: ("51109", "No orders available."),
    Refusal.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Refusal.EXPIRED: ("50036", "The expTime can't be earlier than the current system time."),
    Refusal.ORDER_NOT_FOUND: ("51400", "Cancellation failed as the order doesn't exist."),
    Refusal.ORDER_CANCELLED: ("51401", "Cancellation failed as the order is already canceled."),
    Refusal.ORDER_CLOSED: ("51402", "Cancellation failed as the order is already completed."),
}
_NOT_AMENDED = {
    Refusal.ORDER_CANCELLED: ("51509", "Modification failed as the order has been canceled."),
    Refusal.ORDER_CLOSED: ("51510", "Modification failed as the order has been completed."),
}
_PARAMETERS = {"amount": "sz", "price": "px", "time_in_force": "ordType"}


class Operation(NamedTuple):
    kind: str
    scope: str
    """The name of its rate limit."""


OPERATIONS = {
    "order": Operation(PLACE, "place"),
    "batch-orders": Operation(PLACE, "batch"),
    "amend-order": Operation(PLACE, "amend"),
    "batch-amend-orders": Operation(PLACE, "amend_batch"),
    "cancel-order": Operation(CANCEL, "cancel"),
    "batch-cancel-orders": Operation(CANCEL, "cancel_batch"),
}
"""By their names on the websocket."""


class OkxOrders:
    def __init__(self, exchange: SimExchange, meter: RateMeter) -> None:
        self._exchange = exchange
        self._meter = meter

    def check_expiry(self, text: str | None, now_ns: int) -> None:
        """Raise `OkxRefusal` when the `expTime` (Unix ms) of a placement has passed and the venue enforces it."""
        if self._exchange.enforces_expiry:
            check_expiry(text, now_ns // NS_PER_MS)

    def answer(self, op: str, items: Sequence[Item], now_ns: int) -> list[Json]:
        """Perform an operation on each item; return an answer with code and message for each."""
        act = self._amend if "amend" in op else self._cancel if "cancel" in op else self._place
        limit = BATCH_LIMIT if op.startswith("batch") else SINGLE_LIMIT
        answered = [self._item(item, now_ns, act, OPERATIONS[op].scope, limit) for item in items]
        if act != self._amend:
            return answered
        return [row | {"reqId": str(item.get("reqId") or "")} for item, row in zip(items, answered, strict=True)]

    def describe(self, kind: str, items: Sequence[Item], detail: str) -> Call:
        """Describe a request with these items, without judging them.

        Where an item has only the venue's id, the description has the client id of that order.
        """
        symbols, client_ids = set(), []
        for item in items:
            symbols.add(symbol_of(self._inst_id(item)) or None)
            order = None if item.get("clOrdId") else self.find(item)
            client_ids.append(str(item.get("clOrdId") or (order.client_id if order else "")))
        symbol = symbols.pop() if len(symbols) == 1 else None
        return Call(kind, symbol, tuple(client_ids), detail)

    def _inst_id(self, item: Item) -> str:
        """Return the instrument an item is about: `instId`, or on the websocket its number `instIdCode`."""
        if item.get("instId"):
            return str(item["instId"])
        numbered = {inst_id_code(self._exchange, symbol): inst_id(symbol) for symbol in self._exchange.instruments}
        return numbered.get(str(item.get("instIdCode", "")), "")

    def find(self, item: Item) -> SimOrder | None:
        """Return the order with the item's `ordId`, else its `clOrdId`; None when its instrument has no such order."""
        order_id, client_id = str(item.get("ordId") or ""), str(item.get("clOrdId") or "")
        by_id = self._exchange.order(whole(order_id) or 0) if order_id else None
        found = by_id if order_id else self._exchange.order_by_client_id(client_id)
        return found if found is not None and inst_id(found.symbol) == self._inst_id(item) else None

    def _item(self, item: Item, now_ns: int, act: Callable[[Item, int], SimOrder], scope: str, limit: int) -> Json:
        answer = {
            "clOrdId": str(item.get("clOrdId") or ""),
            "ordId": "",
            "tag": str(item.get("tag") or ""),
            "ts": ms(now_ns),
            "sCode": "0",
            "sMsg": "",
        }
        try:
            if not self._meter.take(f"{scope} {self._inst_id(item)}", limit, WINDOW_NS, now_ns).ok:
                raise OkxItemRefusal("50011", "Rate limit reached. Please refer to API documentation and throttle.")
            order = act(item, now_ns)
        except OkxItemRefusal as refusal:
            return answer | {"sCode": refusal.code, "sMsg": refusal.message, "ordId": str(item.get("ordId") or "")}
        return answer | {"ordId": str(order.id), "clOrdId": order.client_id}

    def _place(self, item: Item, now_ns: int) -> SimOrder:
        mode = "cross" if self._exchange.account_mode in MARGIN_MODES else "cash"
        request = order_request({**item, "instId": self._inst_id(item)}, mode)
        if not self._exchange.holder.may_trade(request.symbol):
            raise OkxItemRefusal(*BARRED)
        try:
            return self._exchange.place(request, now_ns)
        except Refused as refused:
            raise self._explained(refused, request) from None

    def _cancel(self, item: Item, now_ns: int) -> SimOrder:
        _needed({"instId": self._inst_id(item)}, "instId")
        if not item.get("ordId") and not item.get("clOrdId"):
            raise OkxItemRefusal("50015", "Either parameter ordId or clOrdId is required")
        order = self.find(item)
        if order is None:
            raise OkxItemRefusal(*_CODES[Refusal.ORDER_NOT_FOUND])
        try:
            return self._exchange.cancel(order, now_ns)
        except Refused as refused:
            raise OkxItemRefusal(*_CODES[refused.kind]) from None

    def _amend(self, item: Item, now_ns: int) -> SimOrder:
        _needed({"instId": self._inst_id(item)}, "instId")
        if not item.get("ordId") and not item.get("clOrdId"):
            raise OkxItemRefusal("50015", "Either parameter ordId or clOrdId is required")
        if not item.get("newSz") and not item.get("newPx"):
            raise OkxItemRefusal("50015", "Either parameter newSz or newPx is required")
        price = _number(item, "newPx") if item.get("newPx") else None
        size = _number(item, "newSz") if item.get("newSz") else None
        order = self.find(item)
        if order is None:
            raise OkxItemRefusal("51503", "Order modification failed as the order doesn't exist.")
        try:
            return self._exchange.amend(order, now_ns, price=price, size=size)
        except Refused as refused:
            if refused.kind in _NOT_AMENDED:
                raise OkxItemRefusal(*_NOT_AMENDED[refused.kind]) from None
            if str(item.get("cxlOnFail")).lower() == "true":
                self._exchange.cancel(order, now_ns)
            raise self._explained(refused, order.request) from None

    def _explained(self, refused: Refused, request: OrderRequest) -> OkxItemRefusal:
        if refused.kind is Refusal.INSUFFICIENT_BALANCE:
            return OkxItemRefusal("51008", f"Order failed. Insufficient {refused.detail} balance in account")
        if refused.kind is Refusal.BAD_ARGUMENT:
            return _bad(_PARAMETERS.get(refused.detail, refused.detail))
        if refused.kind is Refusal.PRICE_BAND:
            return self._out_of_band(request)
        return OkxItemRefusal(*_CODES[refused.kind])

    def _out_of_band(self, request: OrderRequest) -> OkxItemRefusal:
        market = self._exchange.market(request.symbol)
        rules = market.instrument
        middle = mul(mul(Decimal(market.reference()), rules.tick), Decimal("0.5"))
        if request.side == "buy":
            limit = plain(mul(middle, add(ONE, rules.band)))
            return OkxItemRefusal("51137", f"The highest price limit for buy orders is {limit}")
        limit = plain(mul(middle, sub(ONE, rules.band)))
        return OkxItemRefusal("51138", f"The lowest price limit for sell orders is {limit}")


def inst_id_code(exchange: SimExchange, symbol: str) -> str:
    """Return the number by which the websocket's order requests name an instrument."""
    return str(list(exchange.instruments).index(symbol) + 1)


def envelope(items: list[Json], now_ns: int) -> Json:
    """Wrap the answers to all items: code "0", "1" or "2", and the instants of request and answer, in microseconds."""
    failed = sum(item["sCode"] != "0" for item in items)
    code, message = "0", ""
    if failed:
        code, message = "2", "Bulk operation partially succeeded."
    if failed == len(items):
        code, message = "1", "All operations failed"
    micros = str(now_ns // NS_PER_US)
    return {"code": code, "data": items, "inTime": micros, "msg": message, "outTime": micros}


def order_request(item: Item, trade_mode: str) -> OrderRequest:
    """Read one order of a request; raises `OkxItemRefusal` naming the parameter that is missing or wrong.

    A market buy counts `sz` in quote unless `tgtCcy` is `base_ccy`. `trade_mode`: the `tdMode` that spot orders have in
    the account's mode.
    """
    symbol, side, kind = symbol_of(_needed(item, "instId")), _needed(item, "side"), _needed(item, "ordType")
    if _needed(item, "tdMode") != trade_mode:
        raise OkxItemRefusal("51010", "You can't complete this request under your current account mode.")
    if side not in ("buy", "sell"):
        raise _bad("side")
    if kind not in ORDER_TYPES:
        raise _bad("ordType")
    client_id = str(item.get("clOrdId") or "")
    if client_id and not CLIENT_ID.fullmatch(client_id):
        raise _bad("clOrdId")
    amount = _number(item, "sz")
    in_quote = kind == "market" and side == "buy" and item.get("tgtCcy") != "base_ccy"
    return OrderRequest(
        symbol=symbol,
        side=side,
        kind="market" if kind == "market" else "limit",
        tif=ORDER_TYPES[kind],
        price=None if kind == "market" else _number(item, "px"),
        size=None if in_quote else amount,
        quote_size=amount if in_quote else None,
        client_id=client_id,
        cancel_unfit=True,
        echo={"tag": str(item.get("tag") or ""), "unique_client_id": "yes"},
    )


def _bad(name: str) -> OkxItemRefusal:
    return OkxItemRefusal("51000", f"Parameter {name} error")


_ITEMS = ItemReader(lambda name: OkxItemRefusal("50014", f"Parameter {name} cannot be empty."), _bad)
_needed, _number = _ITEMS.needed, _ITEMS.number


def countdown(exchange: SimExchange, wanted: Json, now_ns: int) -> list[Json]:
    """Arm, renew or disarm the dead-man switch, and return the answer's data; raises `OkxRefusal`.

    Source: the venue's API v5, "POST / Cancel All After": `timeOut` is 0, which disarms, or 10 to 120 seconds; one call a
    second.
    """
    timeout = parse(wanted.get("timeOut"))
    if timeout is None or (timeout != 0 and not COUNTDOWN_S_MIN <= timeout <= COUNTDOWN_S_MAX):
        raise OkxRefusal("51000", "Parameter timeOut error")
    span_ns = int(timeout * Decimal(NS_PER_S))
    exchange.arm_countdown(span_ns, now_ns)
    return [{"triggerTime": ms(now_ns + span_ns) if span_ns else "0", "tag": "", "ts": ms(now_ns)}]
