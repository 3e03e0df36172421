"""Which Gate requests are signed at all, where their parameters go, and what their orders may be worth. Pure: nothing is sent.

The query is built once. Values are sent so that encoded and decoded text are the same wherever possible (commas stay
literal), since Gate signs the decoded text in the order sent. The body is serialised once, too.

A write that is not listed here is never signed: withdrawals, transfers, loans, conversions, amendments, and orders whose value
cannot be bounded in quote (futures and options count contracts, trigger orders fire later).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from arb.venues.dialect import Call
from arb.venues.json_text import RequestError, body_text, plain
from arb.venues.rules.guard import OrderClaim, to_decimal, value_of

_PLACEHOLDER = re.compile(r"\{([\w-]+)\}")
_PATH_VALUE = re.compile(r"[A-Za-z0-9_.~-]+")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_.,:~-]*")
_QUERY_SAFE = "-_.~,:"

_PLACING = frozenset({"POST spot/orders", "POST spot/batch_orders", "spot.order_place"})
# Calls that create or enlarge no order, and whether they honour an expiry as placements do.
_HARMLESS = {
    "DELETE spot/orders": True,
    "DELETE spot/orders/{order_id}": True,
    "POST spot/cancel_batch_orders": True,
    "POST spot/countdown_cancel_all": False,
    "spot.login": False,
    "spot.order_cancel": True,
    "spot.order_cancel_ids": True,
}


class Endpoint(NamedTuple):
    """What is fixed about one REST endpoint or websocket channel.

    `call` names it (`POST spot/orders`, `spot.order_place`), `path` has its placeholders in it, which are `names`.
    """

    call: str
    path: str
    names: tuple[str, ...]
    places: bool
    is_signed: bool
    takes_expiry: bool


@lru_cache(maxsize=1024)
def endpoint_of(method: str, section: str, template: str) -> Endpoint:
    """Return a REST endpoint, named as ccxt does: section (`spot`) and template (`orders/{order_id}`)."""
    # ccxt files these two under names of its own: their templates hold the whole path.
    prefix = "" if section in ("subAccounts", "withdrawals") else section
    path = f"{prefix}/{template}".strip("/")
    return _endpoint(f"{method} {path}", path, method == "GET")


@lru_cache(maxsize=64)
def channel_of(channel: str) -> Endpoint:
    """Return a channel of the websocket's order API."""
    return _endpoint(channel, channel, False)


def _endpoint(call: str, path: str, reads: bool) -> Endpoint:
    places = call in _PLACING
    signed = reads or places or call in _HARMLESS
    return Endpoint(
        call, "/" + path, tuple(_PLACEHOLDER.findall(path)), places, signed, places or _HARMLESS.get(call, False)
    )


def build(endpoint: Endpoint, call: Call) -> tuple[str, str, str, str]:
    """Return path, query as signed (decoded), query as sent, and body; texts that are empty are not sent.

    GET and DELETE take everything in the query, all others in the body; a batch is a bare array. Raises `RequestError` for
    what cannot be sent: a float, a missing path value, a control character.
    """
    path, params = endpoint.path, call.params
    if endpoint.names:
        path = _fill(path, params)
        params = {key: value for key, value in params.items() if key not in endpoint.names}
    if call.method == "GET" or call.method == "DELETE":
        return path, *encode_query(params), ""
    return path, "", "", body_text(call.items or params)


def claims_of(call: Call, symbols: Mapping[str, str]) -> list[OrderClaim]:
    """Return what the orders of one placement may be worth; `symbols` maps native symbols to ours."""
    return [_claim(order, symbols) for order in call.items or (call.params,)]


def encode_query(values: Mapping[str, Any]) -> tuple[str, str]:
    """Return a query as (signed text, sent text), in the order given; None is dropped, a list is joined with commas."""
    signed: list[str] = []
    sent: list[str] = []
    for key, value in values.items():
        if value is None:
            continue
        text = _query_text(key, value)
        signed.append(f"{key}={text}")
        if _PLAIN_TEXT.fullmatch(text) and _PLAIN_TEXT.fullmatch(key):
            sent.append(f"{key}={text}")
        else:
            sent.append(f"{quote(key, safe=_QUERY_SAFE)}={quote(text, safe=_QUERY_SAFE)}")
    return "&".join(signed), "&".join(sent)


def _claim(order: Mapping[str, Any], symbols: Mapping[str, str]) -> OrderClaim:
    native = str(order.get("currency_pair"))
    symbol, size = symbols.get(native, native), order.get("amount")
    if order.get("type") == "market" and order.get("side") == "buy":
        return OrderClaim(symbol, to_decimal(size))  # a market buy's amount is quote
    return OrderClaim(symbol, value_of(size, order.get("price")))


def _fill(template: str, values: dict[str, Any]) -> str:
    def text_of(match: re.Match[str]) -> str:
        name = match.group(1)
        text = _query_text(name, values[name]) if values.get(name) is not None else ""
        # Gate is not known to agree with everybody on escapes inside a path, so nothing that would need one is sent.
        if not _PATH_VALUE.fullmatch(text):
            raise RequestError(f"{name}: {text!r} cannot stand in the path {template}")
        return text

    return _PLACEHOLDER.sub(text_of, template)


def _query_text(key: str, value: Any) -> str:
    if isinstance(value, str):
        text = str(value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, Decimal):
        text = plain(value)
    elif isinstance(value, (list, tuple)):
        text = ",".join(_query_text(key, item) for item in value if item is not None)
    else:
        raise RequestError(f"{key}: a {type(value).__name__} cannot be sent; use a Decimal, an integer or text")
    if any(char < " " or char == "\x7f" for char in text):
        raise RequestError(f"{key}: control characters would change the signed text's lines")
    return text
