"""Gate's order calls, shared by REST and the websocket order API: read the fields, judge them, act on the exchange."""

import re

from arb.sandbox.exact import parse
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.auth import GateError
from arb.sandbox.gate.fields import Json, error_of, order_json, pair_of, symbol_of
from arb.sandbox.values import OrderRequest, Refusal, Refused, SimOrder

_TIF = {"gtc": "gtc", "ioc": "ioc", "fok": "fok", "poc": "post_only"}
_TEXT = re.compile(r"t-[0-9A-Za-z_.\-]{1,28}")
_ACCOUNTS = ("spot", "margin", "unified", "cross_margin")


def read_order(fields: Json, expires_ns: int | None = None) -> OrderRequest:
    pair, side = str(fields.get("currency_pair", "")), str(fields.get("side", ""))
    kind = str(fields.get("type") or "limit")
    if not pair or not side:
        raise GateError(400, "MISSING_REQUIRED_PARAM", "currency_pair, side and amount are required")
    tif_text = str(fields.get("time_in_force") or ("gtc" if kind == "limit" else "ioc"))
    tif = _TIF.get(tif_text)
    if tif is None or (kind == "market" and tif not in ("ioc", "fok")):
        raise GateError(400, "INVALID_PARAM_VALUE", f"Invalid time_in_force {tif_text}")
    for name in ("text", "type", "time_in_force", "account"):
        if not isinstance(fields.get(name, ""), str | None):
            raise GateError(400, "INVALID_PARAM_VALUE", f"Invalid {name}")
    text = str(fields.get("text") or "")
    if text and not _TEXT.fullmatch(text):
        raise GateError(400, "INVALID_PARAM_VALUE", "Invalid text: t- and at most 28 of 0-9A-Za-z_.-")
    account = str(fields.get("account") or "spot")
    if account not in _ACCOUNTS:
        raise GateError(400, "INVALID_PARAM_VALUE", f"Invalid account {account}")
    amount, price = parse(fields.get("amount")), parse(fields.get("price"))
    if amount is None:
        raise GateError(400, "INVALID_PARAM_VALUE", "Invalid amount")
    in_quote = kind == "market" and side == "buy"
    return OrderRequest(
        symbol=symbol_of(pair),
        side=side,
        kind=kind,
        tif=tif,
        price=price if kind == "limit" else None,
        size=None if in_quote else amount,
        quote_size=amount if in_quote else None,
        client_id=text,
        expires_ns=expires_ns,
        echo={"account": account},
    )


def texts_of(items: list[Json]) -> tuple[str, ...]:
    """Return the client ids in order objects, also those in place of the order's id."""
    named = [str(item.get("text") or item.get("id") or item.get("order_id") or "") for item in items]
    return tuple(name for name in named if name.startswith("t-"))


def place(exchange: SimExchange, fields: Json, now_ns: int) -> SimOrder:
    """Place an order; raises `GateError`.

    Orders of a unified account may name the account `spot`, too. In the legacy mode they must name its own.
    """
    request = read_order(fields)
    mode, named = exchange.account_mode, request.echo["account"]
    if mode == "legacy_unified" and named == "spot":
        raise GateError(400, "INVALID_PARAM_VALUE", "account must be cross_margin or unified")
    if mode != "classic" and named == "spot":
        request.echo["account"] = "unified"
    if not exchange.holder.may_trade(request.symbol):
        raise GateError(403, "FORBIDDEN", f"The key may not trade {fields['currency_pair']}")
    try:
        return exchange.place(request, now_ns)
    except Refused as refused:
        raise error_of(refused, exchange.instruments.get(request.symbol)) from None


def find(exchange: SimExchange, id_text: str, pair: str) -> SimOrder:
    """Find an order by id, or by `text` while it is open (section "Look up"); raises `GateError`."""
    if not pair:
        raise GateError(400, "MISSING_REQUIRED_PARAM", "currency_pair is required")
    if symbol_of(pair) not in exchange.markets:
        raise GateError(400, "INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
    if id_text.isascii() and id_text.isdigit():
        found = exchange.order(int(id_text))
        if found is None or pair_of(found.symbol) != pair:
            raise GateError(404, "ORDER_NOT_FOUND", f"Order with ID {id_text} not found")
        return found
    by_text = exchange.order_by_client_id(id_text)
    if by_text is None or not by_text.is_open or pair_of(by_text.symbol) != pair:
        raise GateError(404, "CLIENT_ID_NOT_FOUND", f"Order with client ID {id_text} not found")
    return by_text


def amend(exchange: SimExchange, id_text: str, fields: Json, now_ns: int) -> SimOrder:
    """Amend an order's `price`, `amount` or both; raises `GateError`."""
    order = find(exchange, id_text, str(fields.get("currency_pair") or ""))
    numbers = {}
    for name in ("price", "amount"):
        given = fields.get(name)
        value = numbers[name] = None if given in (None, "") else parse(given)
        if given not in (None, "") and (value is None or value <= 0):
            raise GateError(400, "INVALID_PARAM_VALUE", f"Invalid {name}")
    if numbers == {"price": order.price, "amount": order.size} or not any(numbers.values()):
        raise GateError(400, "INVALID_PARAM_VALUE", "no change of price or amount")
    try:
        return exchange.amend(order, now_ns, price=numbers["price"], size=numbers["amount"])
    except Refused as refused:
        raise error_of(refused, order.instrument) from None


def amend_batch(exchange: SimExchange, items: list[object], now_ns: int) -> list[Json]:
    """Amend up to five orders; each answers for itself (`succeeded`)."""
    if not items or len(items) > 5 or not all(isinstance(item, dict) for item in items):
        raise GateError(400, "INVALID_PARAM_VALUE", "1 to 5 orders per batch")
    rows: list[Json] = []
    for item in items:
        assert isinstance(item, dict)
        named = str(item.get("order_id") or item.get("id") or item.get("text") or "")
        try:
            order = amend(exchange, named, item, now_ns)
            rows.append({"order_id": str(order.id), "succeeded": True, "label": "", "message": "", **order_json(order)})
        except GateError as error:
            refused = {"order_id": named, "succeeded": False, "label": error.label, "message": error.message}
            rows.append({**refused, "text": str(item.get("text") or "")})
    return rows


def cancel(exchange: SimExchange, id_text: str, pair: str, now_ns: int) -> SimOrder:
    """Cancel one order; raises `GateError` when it does not exist or has ended."""
    order = find(exchange, id_text, pair)
    try:
        return exchange.cancel(order, now_ns)
    except Refused as refused:
        raise error_of(refused, order.instrument) from None


def cancel_all(exchange: SimExchange, pair: str, side: str, now_ns: int) -> list[SimOrder]:
    """Cancel all orders of a pair (all pairs when '') and side (both when '')."""
    if pair and symbol_of(pair) not in exchange.markets:
        raise GateError(400, "INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
    return exchange.cancel_all(now_ns, symbol_of(pair) if pair else None, side or None)


def place_batch(exchange: SimExchange, items: list[object], now_ns: int) -> list[Json]:
    """Place up to ten orders; each answers for itself (`succeeded`)."""
    if not items or len(items) > 10:
        raise GateError(400, "INVALID_PARAM_VALUE", "1 to 10 orders per batch")
    if not all(isinstance(item, dict) and item.get("text") for item in items):
        raise GateError(400, "MISSING_REQUIRED_PARAM", "every order needs text")
    return [_one_of_batch(exchange, item, now_ns) for item in items if isinstance(item, dict)]


def _one_of_batch(exchange: SimExchange, fields: Json, now_ns: int) -> Json:
    try:
        order = place(exchange, fields, now_ns)
    except GateError as error:
        return {"text": fields.get("text"), "succeeded": False, "label": error.label, "message": error.message}
    return {"order_id": str(order.id), "succeeded": True, "label": "", "message": "", **order_json(order)}


def cancel_batch(exchange: SimExchange, items: list[object], now_ns: int) -> list[Json]:
    """Cancel up to twenty orders; each answers for itself."""
    if len(items) > 20:
        raise GateError(400, "INVALID_PARAM_VALUE", "at most 20 orders per batch")
    rows: list[Json] = []
    for item in items:
        if not isinstance(item, dict):
            raise GateError(400, "INVALID_REQUEST_BODY", "an object is expected")
        pair, id_text = str(item.get("currency_pair", "")), str(item.get("id", ""))
        row: Json = {"currency_pair": pair, "id": id_text, "text": "", "account": "spot"}
        try:
            if exchange.account_mode != "classic" and item.get("account") != "unified":
                raise GateError(400, "INVALID_PARAM_VALUE", "account must be unified")
            order = cancel(exchange, id_text, pair, now_ns)
            row.update({"succeeded": True, "label": "", "message": "", "text": order.client_id or "apiv4"})
        except GateError as error:
            row.update({"succeeded": False, "label": error.label, "message": error.message})
        rows.append(row)
    return rows


REFUSED_BALANCE = error_of(Refused(Refusal.INSUFFICIENT_BALANCE, ""), None)
