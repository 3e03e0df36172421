"""The venues' codes and what each means, as data: rows of (codes, outcome of an order, trouble of a read, why).

Sources: Gate APIv4 "Error handling" with its label list; OKX API v5 "Error code", REST; Bitget API v2 "Error code". A code
that is not listed is unknown for an order. What counts as *rejected* here must have been refused before matching, or have
ended with nothing filled, by the venue's own words; anything milder is left out on purpose.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.rules.outcome import OutcomePolicy, Rule, Said, Table
from arb.venues.rules.retry import Trouble

Row = tuple[str, Outcome, Trouble, str]
"""Codes, what they mean for an order, what for a read, and why."""

_GATE_ROWS: tuple[Row, ...] = (
    (
        "INTERNAL SERVER_ERROR INTERNAL_SERVER_ERROR SERVER_TIMEOUT",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "the venue's own fault, whatever the status: it may have struck after the order was taken",
    ),
    (
        "TOO_BUSY",
        Outcome.UNKNOWN,
        Trouble.BUSY,
        "overloaded: documented among the server's faults, so the order may have been taken",
    ),
    (
        "DUPLICATE_REQUEST ORDER_EXISTS REPEATED_CREATION",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "an earlier request with this id got through: the order may exist",
    ),
    (
        "FAILED_RETRIEVE_ASSETS",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "accounts could not be read: nothing is said about the order",
    ),
    (
        "TOO_MANY_REQUESTS TOO_FAST",
        Outcome.REJECTED,
        Trouble.BUSY,
        "rate limited before it was executed",
    ),
    (
        "REQUEST_EXPIRED",
        Outcome.REJECTED,
        Trouble.CLOCK,
        "late or clocks apart: refused at the door, measure the clock again",
    ),
    (
        "INVALID_SIGNATURE INVALID_KEY INVALID_CREDENTIALS MISSING_REQUIRED_HEADER AUTHENTICATION_FAILED",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the key or its signature is refused at the door",
    ),
    (
        "IP_FORBIDDEN",
        Outcome.REJECTED,
        Trouble.AUTH,
        "this address may not use the key",
    ),
    (
        "READ_ONLY FORBIDDEN",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the key lacks the permission",
    ),
    (
        "ACCOUNT_LOCKED SUB_ACCOUNT_LOCKED",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the account is locked",
    ),
    (
        (
            "INVALID_PARAM_VALUE INVALID_PROTOCOL INVALID_ARGUMENT INVALID_REQUEST_BODY BAD_REQUEST "
            "INVALID_CONTENT_TYPE NOT_ACCEPTABLE METHOD_NOT_ALLOWED MISSING_REQUIRED_PARAM NOT_FOUND"
        ),
        Outcome.REJECTED,
        Trouble.REFUSED,
        "malformed or below a minimum: refused before matching",
    ),
    (
        (
            "INVALID_PRECISION AMOUNT_TOO_LITTLE AMOUNT_TOO_MUCH SIZE_TOO_SMALL SIZE_TOO_LARGE "
            "PRICE_TOO_DEVIATED PRICE_THRESHOLD_EXCEEDED QUANTITY_NOT_ENOUGH TOO_MANY_ORDERS "
            "TOO_MANY_CURRENCY_PAIRS MIXED_ACCOUNT_TYPE NO_CHANGE ERR_QUOTA_LOWER_LIMIT "
            "INVALID_CLIENT_ORDER_ID RISK_REJECT"
        ),
        Outcome.REJECTED,
        Trouble.REFUSED,
        "breaks a rule for orders: refused before matching",
    ),
    (
        "POC_FILL_IMMEDIATELY ORDER_POC_IMMEDIATE FOK_NOT_FILL ORDER_FOK ORDER_BOOK_NOT_FOUND",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "may not rest, or must fill whole, and could not: ended with nothing filled",
    ),
    (
        "BALANCE_NOT_ENOUGH MARGIN_BALANCE_NOT_ENOUGH INSUFFICIENT_AVAILABLE TRADE_RESTRICTED",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the balance does not cover it",
    ),
    (
        "INVALID_CURRENCY INVALID_CURRENCY_PAIR",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the symbol is not traded: read the listing again",
    ),
    (
        "ORDER_NOT_FOUND CLIENT_ID_NOT_FOUND ORDER_CLOSED ORDER_CANCELLED",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
    (
        "CANCEL_FAIL",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the cancel failed and nothing is said about the order",
    ),
)
_OKX_ROWS: tuple[Row, ...] = (
    (
        "50004",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "the venue timed out inside: success or failure is not known",
    ),
    (
        "50001 50013 50026",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "busy, under maintenance or in error: the order may have been taken",
    ),
    (
        "51016",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the client order id is taken: an earlier request got through",
    ),
    (
        "50011 50061",
        Outcome.REJECTED,
        Trouble.BUSY,
        "rate limited before it was executed",
    ),
    (
        "60014",
        Outcome.REJECTED,
        Trouble.BUSY,
        "websocket: requests too frequent, refused before it was executed",
    ),
    (
        "60011",
        Outcome.REJECTED,
        Trouble.AUTH,
        "websocket: not logged in, refused at the door",
    ),
    (
        "60012 60013 60019",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "websocket: malformed request, refused before matching",
    ),
    (
        "63999",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "websocket: the venue's own fault inside",
    ),
    (
        "50102 50112 50036",
        Outcome.REJECTED,
        Trouble.CLOCK,
        "late, or clocks apart: refused at the door",
    ),
    (
        "50100 50101 50103 50104 50105 50106 50107 50111 50113 50119",
        Outcome.REJECTED,
        Trouble.AUTH,
        "key, passphrase or signature is missing or refused",
    ),
    (
        "50110",
        Outcome.REJECTED,
        Trouble.AUTH,
        "this address may not use the key",
    ),
    (
        "50030 50114 50120 51010",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the key or the account lacks the permission",
    ),
    (
        "50007 50008 50009 50012 50027 50035",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the account is frozen, restricted or not active",
    ),
    (
        "50000 50002 50006 50014 50015 50016 50024 50115 51000",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "malformed: refused before matching",
    ),
    (
        "51001 51002 51021 51022 51027 51028",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the instrument is not traded",
    ),
    (
        "51006 51116 51118 51137 51138",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the price is outside what is allowed now",
    ),
    (
        "51003 51020 51100 51101 51102 51111 51120 51121 51201 51202",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the size breaks a rule",
    ),
    (
        "51008 51119 51127 51131",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the balance does not cover it",
    ),
    (
        "51400 51401 51402 51410 51603 51503",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)
_BITGET_ROWS: tuple[Row, ...] = (
    (
        "40010 40015 40725 45001 50008",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "the venue's own fault: the order may have been taken",
    ),
    (
        "40786 43118",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the client order id is taken: an earlier request got through",
    ),
    (
        "429",
        Outcome.REJECTED,
        Trouble.BUSY,
        "rate limited before it was executed",
    ),
    (
        "40004 40005 40008",
        Outcome.REJECTED,
        Trouble.CLOCK,
        "late, or clocks apart: refused at the door",
    ),
    (
        "40001 40002 40003 40006 40009 40011 40012 40037",
        Outcome.REJECTED,
        Trouble.AUTH,
        "key, passphrase or signature is missing or refused",
    ),
    (
        "40018",
        Outcome.REJECTED,
        Trouble.AUTH,
        "this address may not use the key",
    ),
    (
        "40014",
        Outcome.REJECTED,
        Trouble.AUTH,
        "the key lacks the permission",
    ),
    (
        "40007 40016 40017 40019 40020 40034 40404 40808",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "malformed: refused before matching",
    ),
    (
        "40309",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the symbol is not traded",
    ),
    (
        "43005 43006 43007 43008 43009 45110 45111 45113",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "price or size breaks a rule",
    ),
    (
        "40711 40712 40762 43012 50020",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the balance does not cover it",
    ),
    (
        "40109 40768 43001 43004 43025",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)


def table_of(rows: tuple[Row, ...], split: str | None = None) -> Table:
    """Return the rules by code; the codes of a row are apart by `split`, or by blanks. A code may stand only once."""
    rules = [Rule(code, outcome, trouble, why) for codes, outcome, trouble, why in rows for code in codes.split(split)]
    table = {rule.code: rule for rule in rules}
    if len(table) != len(rules):
        raise ValueError("a code stands twice in one table")
    return table


def _gate_words(status: int, body: Any) -> Said | None:
    if isinstance(body, dict) and isinstance(body.get("label"), str):
        return Said(body["label"], str(body.get("message") or body.get("detail") or ""))
    if 200 <= status < 300 and isinstance(body, (dict, list)):
        return Said(None, "")
    return None


def _okx_write_words(status: int, body: Any) -> Said | None:
    said = _okx_read_words(status, body)
    if said is None:
        return None
    items = body.get("data")
    if isinstance(items, list) and items and isinstance(items[0], dict) and "sCode" in items[0]:
        code = str(items[0]["sCode"])
        if code != "0":
            return Said(code, str(items[0].get("sMsg") or ""))
        # The item is what we sent; the outer 1 or 2 only sums up the items.
        return Said(None, "") if said.code in (None, "1", "2") else said
    # An order's success names its item; without one nothing is proved.
    return said if said.code is not None else None


def _okx_read_words(status: int, body: Any) -> Said | None:
    if not isinstance(body, dict) or not isinstance(body.get("code"), (str, int)) or isinstance(body["code"], bool):
        return None
    code = str(body["code"])
    if code == "0":
        return Said(None, "") if 200 <= status < 300 else None
    return Said(code, str(body.get("msg") or ""))


def _bitget_words(status: int, body: Any) -> Said | None:
    if not isinstance(body, dict) or not isinstance(body.get("code"), (str, int)) or isinstance(body["code"], bool):
        return None
    code = str(body["code"])
    if code == "00000":
        return Said(None, "") if 200 <= status < 300 else None
    return Said(code, str(body.get("msg") or ""))


GATE = OutcomePolicy("gate", table_of(_GATE_ROWS), _gate_words, _gate_words)
OKX = OutcomePolicy("okx", table_of(_OKX_ROWS), _okx_write_words, _okx_read_words)
BITGET = OutcomePolicy("bitget", table_of(_BITGET_ROWS), _bitget_words, _bitget_words)
POLICIES = {policy.venue: policy for policy in (GATE, OKX, BITGET)}
