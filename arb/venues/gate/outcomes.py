"""Gate's labels and their meaning, as data, and its names for the rights of a key.

Source: Gate APIv4, "Error handling" with its label list. A label that is not listed is unknown for an order;
`rules/outcome.py` describes how such rows are read.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.kit.rules.key_rights import KeyRights
from arb.venues.kit.rules.outcome import (
    FAULT,
    FOREIGN_ADDRESS,
    NO_ACCESS,
    NO_FUNDS,
    NO_PERMISSION,
    NOT_FOUND,
    RATE_LIMITED,
    REFUSED,
    UNCLEAR,
    KeyTrouble,
    Meaning,
    OutcomePolicy,
    Row,
    VenueReply,
    code_in,
    table_of,
    text_in,
)
from arb.venues.transport.retry import Trouble

_FUNDS = "BALANCE_NOT_ENOUGH MARGIN_BALANCE_NOT_ENOUGH INSUFFICIENT_AVAILABLE TRADE_RESTRICTED"
_BARS = "INVALID_CURRENCY INVALID_CURRENCY_PAIR"
_ROWS: tuple[Row, ...] = (
    (
        "INTERNAL SERVER_ERROR INTERNAL_SERVER_ERROR SERVER_TIMEOUT",
        FAULT("the venue's own fault at any status: it may have happened after the order was taken"),
    ),
    (
        "TOO_BUSY",
        Meaning(
            Outcome.UNKNOWN,
            Trouble.BUSY,
            "overloaded: documented among the server's faults, so the order may have been taken",
        ),
    ),
    (
        "DUPLICATE_REQUEST ORDER_EXISTS REPEATED_CREATION",
        UNCLEAR("an earlier request with this id got through: the order may exist"),
    ),
    ("FAILED_RETRIEVE_ASSETS", FAULT("accounts could not be read: nothing is known of the order")),
    ("TOO_MANY_REQUESTS TOO_FAST", RATE_LIMITED),
    (
        "REQUEST_EXPIRED",
        Meaning(Outcome.REJECTED, Trouble.CLOCK, "late or clocks apart: refused at the door, measure the clock again"),
    ),
    (
        "INVALID_SIGNATURE INVALID_KEY INVALID_CREDENTIALS MISSING_REQUIRED_HEADER AUTHENTICATION_FAILED",
        NO_ACCESS("the key or its signature is refused at the door"),
    ),
    ("IP_FORBIDDEN", FOREIGN_ADDRESS),
    ("READ_ONLY FORBIDDEN", NO_PERMISSION),
    ("ACCOUNT_LOCKED SUB_ACCOUNT_LOCKED", NO_ACCESS("the account is locked")),
    (
        (
            "INVALID_PARAM_VALUE INVALID_PROTOCOL INVALID_ARGUMENT INVALID_REQUEST_BODY BAD_REQUEST "
            "INVALID_CONTENT_TYPE NOT_ACCEPTABLE METHOD_NOT_ALLOWED MISSING_REQUIRED_PARAM NOT_FOUND"
        ),
        REFUSED("malformed or below a minimum: refused before matching"),
    ),
    (
        (
            "INVALID_PRECISION AMOUNT_TOO_LITTLE AMOUNT_TOO_MUCH SIZE_TOO_SMALL SIZE_TOO_LARGE "
            "PRICE_TOO_DEVIATED PRICE_THRESHOLD_EXCEEDED QUANTITY_NOT_ENOUGH TOO_MANY_ORDERS "
            "TOO_MANY_CURRENCY_PAIRS MIXED_ACCOUNT_TYPE NO_CHANGE ERR_QUOTA_LOWER_LIMIT "
            "INVALID_CLIENT_ORDER_ID RISK_REJECT"
        ),
        REFUSED("breaks a rule for orders: refused before matching"),
    ),
    (
        "POC_FILL_IMMEDIATELY ORDER_POC_IMMEDIATE FOK_NOT_FILL ORDER_FOK ORDER_BOOK_NOT_FOUND",
        REFUSED("may not rest, or must fill whole, and could not: ended with nothing filled"),
    ),
    (_FUNDS, NO_FUNDS),
    (_BARS, REFUSED("the symbol is not traded: read the listing again")),
    ("ORDER_NOT_FOUND CLIENT_ID_NOT_FOUND ORDER_CLOSED ORDER_CANCELLED", NOT_FOUND),
    ("CANCEL_FAIL", UNCLEAR("the cancel failed and nothing is known of the order")),
)


def _reply(status: int, body: Any) -> VenueReply | None:
    label = code_in(body, "label")
    if label is not None:
        return VenueReply(label, text_in(body, "message", "detail"))
    if 200 <= status < 300 and isinstance(body, (dict, list)):
        return VenueReply(None, "")
    return None


_KEYS = (
    ("REQUEST_EXPIRED", KeyTrouble.CLOCK),
    ("INVALID_KEY INVALID_CREDENTIALS MISSING_REQUIRED_HEADER AUTHENTICATION_FAILED", KeyTrouble.KEY),
    ("INVALID_SIGNATURE", KeyTrouble.SECRET),
    ("IP_FORBIDDEN", KeyTrouble.ADDRESS),
    ("READ_ONLY FORBIDDEN", KeyTrouble.RIGHTS),
    ("ACCOUNT_LOCKED SUB_ACCOUNT_LOCKED", KeyTrouble.ACCOUNT),
    ("MIXED_ACCOUNT_TYPE", KeyTrouble.MODE),
)

POLICY = OutcomePolicy(
    "gate",
    table_of(_ROWS),
    _reply,
    _reply,
    low_fill_endings=("(212)", "(312)"),  # Gate ends the message of its 429 so: 212 on spot, 312 on perpetuals
    funds_codes=frozenset(_FUNDS.split()),
    steps_codes=frozenset({"INVALID_PRECISION"}),
    bar_codes=frozenset(_BARS.split()),
    not_for_key_codes=frozenset({"FORBIDDEN", "READ_ONLY", "USER_NOT_FOUND", "NOT_FOUND"}),
    expiry_codes=frozenset({"REQUEST_EXPIRED"}),
    key_troubles={code: trouble for codes, trouble in _KEYS for code in codes.split()},
)

# Withdrawal is not among the rights that are reported; a writable `wallet` is the nearest to it.
RIGHTS = KeyRights(trade="spot", withdraw="wallet")
