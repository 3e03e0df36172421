"""Which Gate endpoint takes its parameters where, and how they become text. Pure: nothing here signs or sends.

The query is built once. Values are sent so that encoded and decoded text are the same wherever possible (commas stay
literal), since Gate signs the decoded text in the order sent. The body is serialised once, by our own writer, so that
the text does not depend on which JSON package happens to be installed; money is text, and a float is refused, for
`1.2e-07` is no price.
"""

import re
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple
from urllib.parse import quote

from arb.venues.flat_json import TEXT_ONLY, flat_json

Params = dict[str, Any] | list[Any]

_PLACEHOLDER = re.compile(r"\{([\w-]+)\}")
_PATH_VALUE = re.compile(r"[A-Za-z0-9_.~-]+")
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_.,:~-]*")
_QUERY_SAFE = "-_.~,:"

# POSTs that take everything in the query and nothing in the body: the complete list among spot, margin, futures and
# delivery.
_POSTS_WITH_QUERY = re.compile(
    r"(futures|delivery)/\{settle\}/(dual_comp/)?positions/\{contract\}/(leverage|set_leverage|margin|risk_limit)"
    r"|futures/\{settle\}/(dual_mode|set_position_mode)"
    r"|margin/auto_repay"
)
# PATCH of a spot order is the only call with both: what finds the order goes into the query, what changes it into the
# body.
_PATCH_QUERY_KEYS = frozenset({"currency_pair", "account"})
# X-Gate-Exptime is honoured where orders are placed, amended and cancelled, not on countdown_cancel_all.
_EXPIRING = re.compile(
    r"(POST|DELETE) (spot|futures/\{settle\}|delivery/\{settle\})/orders"
    r"|(PATCH|PUT|DELETE) (spot|futures/\{settle\}|delivery/\{settle\})/orders/\{order_id\}"
    r"|POST (spot|futures/\{settle\})/batch_orders"
    r"|POST spot/(cancel|amend)_batch_orders"
    r"|POST futures/\{settle\}/batch_(cancel|amend)_orders"
)


class RequestError(ValueError):
    """The parameters cannot be sent to this endpoint; the message names the parameter."""


class WireRequest(NamedTuple):
    """One request as text: `query_signed` is the decoded form of `query_sent`; an empty `body` means none is sent."""

    path: str
    query_signed: str
    query_sent: str
    body: str


class Plan(NamedTuple):
    """What is fixed about one endpoint: where its parameters go, and whether it honours `X-Gate-Exptime`."""

    endpoint: str  # section and template as one path, with the placeholders in it
    names: tuple[str, ...]  # of the placeholders
    to_query: bool
    query_keys: frozenset[str]  # when not everything goes to the query: what nevertheless does
    takes_expiry: bool


@lru_cache(maxsize=1024)
def plan(method: str, section: str, template: str) -> Plan:
    """Return the plan of an endpoint, named as ccxt does: section (`spot`) and template (`orders/{order_id}`)."""
    # ccxt files these two under names of its own: their templates hold the whole path.
    prefix = "" if section in ("subAccounts", "withdrawals") else section
    endpoint = f"{prefix}/{template}".strip("/")
    call = f"{method} {endpoint}"
    to_query = method in ("GET", "DELETE") or (method == "POST" and _POSTS_WITH_QUERY.fullmatch(endpoint) is not None)
    query_keys = _PATCH_QUERY_KEYS if call == "PATCH spot/orders/{order_id}" else frozenset[str]()
    names = tuple(_PLACEHOLDER.findall(template))
    return Plan(endpoint, names, to_query, query_keys, _EXPIRING.fullmatch(call) is not None)


def build(planned: Plan, params: Params, *, public: bool = False) -> WireRequest:
    """Place `params` into path, query and body of an endpoint; a list of params is a bare array.

    In a POST, PUT or PATCH the parameter `query` may hold what goes into the query beside a body. Raises
    `RequestError` for what cannot be sent: a float, a missing path value, batch items whose path values differ.
    """
    path = "/" + planned.endpoint
    if planned.names:
        values, params = _split_path_values(planned.names, params)
        path = _fill(path, values)
    if planned.to_query or public:
        if isinstance(params, list):
            raise RequestError(f"{planned.endpoint} takes named parameters, not a list")
        extra = params.get("query")
        if isinstance(extra, dict):
            params = {**{key: value for key, value in params.items() if key != "query"}, **extra}
        return WireRequest(path, *encode_query(params), "")
    if isinstance(params, list):
        return WireRequest(path, "", "", encode_body(params))
    query, rest = _split_query(params, planned.query_keys)
    return WireRequest(path, *(encode_query(query) if query else ("", "")), encode_body(rest))


def encode_query(values: dict[str, Any]) -> tuple[str, str]:
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


def encode_body(value: Any) -> str:
    """Return compact, ASCII-escaped JSON; the empty string for no parameters at all."""
    if value is None or value == {} or value == []:
        return ""
    return to_json(value)


def to_json(value: Any) -> str:
    """Serialise text, integers, booleans, Decimals (as text) and their containers; None members are dropped.

    Raises `RequestError` for a float: sizes and prices are decimal text here.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if kind is dict:
        text = flat_json(value)
        if text is not None:
            return text
        members = [
            f"{encode_basestring_ascii(key)}:{encode_basestring_ascii(item) if type(item) is str else to_json(item)}"
            for key, item in value.items()
            if item is not None
        ]
        return "{" + ",".join(members) + "}"
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if isinstance(value, str):
        return encode_basestring_ascii(str(value))
    if isinstance(value, Decimal):
        return f'"{plain(value)}"'
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([to_json(item) for item in value if item is not None]) + "]"
    raise RequestError(f"{value!r}: a {kind.__name__} cannot be sent; use a Decimal, an integer or text")


def limit_order_body(params: dict[str, Any]) -> str | None:
    """Return the body of a spot limit order whose members are those of `LIMIT_ORDER`, in that order, all plain text.

    None when anything is otherwise: `build` then says what is sent, as it does for every other request. Where this answers,
    it answers the same; orders are in a hurry.
    """
    if tuple(params) != LIMIT_ORDER:
        return None
    values = list(params.values())
    if set(map(type, values[:-1])) != TEXT_ONLY or values[2] != "limit":
        return None
    body = _LIMIT_ORDER_BODY % tuple(values[:-1])
    simple = body.isascii() and body.isprintable() and "\\" not in body and body.count('"') == _LIMIT_ORDER_QUOTES
    return body if simple else None


LIMIT_ORDER = (
    "text",
    "currency_pair",
    "type",
    "account",
    "side",
    "amount",
    "price",
    "time_in_force",
    "expires_ns",
)
"""The members of an order as the dialect gives them; the last one is a hint and never leaves."""
_LIMIT_ORDER_BODY = "{" + ",".join(f'"{key}":"%s"' for key in LIMIT_ORDER[:-1]) + "}"
_LIMIT_ORDER_QUOTES = _LIMIT_ORDER_BODY.count('"')


def plain(value: Decimal) -> str:
    """Return a finite Decimal without exponent."""
    if not value.is_finite():
        raise RequestError(f"{value} is no number")
    return f"{value:f}"


def _split_query(params: dict[str, Any], query_keys: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the parameters of a call with a body into (query, body)."""
    extra = params.get("query")
    if not query_keys and not isinstance(extra, dict):
        return {}, params
    query = {key: value for key, value in params.items() if key in query_keys}
    rest = {key: value for key, value in params.items() if key not in query_keys}
    if isinstance(extra, dict):
        query |= rest.pop("query")
    return query, rest


def _split_path_values(names: tuple[str, ...], params: Params) -> tuple[dict[str, Any], Params]:
    """Take the values of the path's placeholders out of the parameters, from whichever batch item carries them."""
    if isinstance(params, dict):
        return params, {key: value for key, value in params.items() if key not in names}
    values: dict[str, Any] = {}
    rest: list[Any] = []
    for item in params:
        if not isinstance(item, dict):
            rest.append(item)
            continue
        for name in names:
            if item.get(name) is not None and values.setdefault(name, item[name]) != item[name]:
                raise RequestError(f"{name}: the items of one batch differ ({values[name]!r} and {item[name]!r})")
        kept = {key: value for key, value in item.items() if key not in names}
        if kept:  # an item that only carried the path's value is no item
            rest.append(kept)
    return values, rest


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
