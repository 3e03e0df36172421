"""Bybit's codes and their meaning, as data.

Source: Bybit API v5, "Error codes". A code that is not listed is unknown for an order; `rules/outcome.py` describes how
such rows are read.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.kit.rules.key_rights import KeyRights
from arb.venues.kit.rules.outcome import (
    FAULT,
    FOREIGN_ADDRESS,
    ID_TAKEN,
    LATE,
    MALFORMED,
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
    ShutOut,
    VenueReply,
    table_of,
)
from arb.venues.transport.retry import Trouble

_FUNDS = "110004 110007 110012 110045 170033 170131 170228 170229"
_BARS = "10029 170121 170151 170157 170209 170217 170221 170224 170241 170348 110123 110125 110132"
_OFF_STEPS = "170134 170137"
_ROWS: tuple[Row, ...] = (
    (
        "10000 10016 170001 170007 170032 170035 170146 170234",
        FAULT("timed out or failed inside: the order may have been taken"),
    ),
    # The document calls them limits of the whole system, and others have seen orders taken all the same.
    (
        "10019 10403 10429 20003",
        Meaning(
            Outcome.UNKNOWN, Trouble.BUSY, "too many, or a restart: whether before or after execution is not documented"
        ),
    ),
    ("10014 20006", UNCLEAR("a duplicate request: the earlier one may have got through")),
    ("110072 170141", ID_TAKEN),
    ("10006 10018 170005 170222", RATE_LIMITED),
    ("10002", LATE),
    ("10003 10004 33004", NO_ACCESS("key or signature is refused or expired")),
    ("10007", NO_ACCESS("the user is not authenticated")),
    ("10009 10024 10027 10028", NO_ACCESS("the account, its region or its key may not trade")),
    ("10010", FOREIGN_ADDRESS),
    ("10005", NO_PERMISSION),
    ("10001 170003 170117 170124 170130", MALFORMED),
    (_FUNDS, NO_FUNDS),
    (_BARS, REFUSED("the symbol is not open, or not to this account or through the API")),
    (
        "170132 170133 170193 170194 170371 170372 110003",
        REFUSED("the price is outside the range allowed now: refused before matching"),
    ),
    (
        f"110094 110120 110121 170135 170136 170140 170192 170341 170381 170382 {_OFF_STEPS}",
        REFUSED("price, size or value breaks a rule: refused before matching"),
    ),
    ("170810", REFUSED("too many open orders: refused before matching")),
    ("170218", REFUSED("may not take, and would have: ended with nothing filled")),
    ("110001 170143 170213", NOT_FOUND),
    ("110008 110010 170139 170142 170190", UNCLEAR("for a cancel: the order has ended, and its fills are asked for")),
    ("40004 110079 170144 170147 170191 170212", UNCLEAR("an earlier request about the order is under way")),
)


def _reply(status: int, body: Any) -> VenueReply | None:
    if not isinstance(body, dict) or not isinstance(body.get("retCode"), int) or isinstance(body["retCode"], bool):
        return None
    if body["retCode"] == 0:
        return VenueReply(None, "") if 200 <= status < 300 else None
    return VenueReply(str(body["retCode"]), str(body.get("retMsg") or ""))


POLICY = OutcomePolicy(
    "bybit",
    table_of(_ROWS),
    _reply,
    _reply,
    funds_codes=frozenset(_FUNDS.split()),
    steps_codes=frozenset(_OFF_STEPS.split()),
    bar_codes=frozenset(_BARS.split()),
    # "403, access too frequent": all requests are to end for ten minutes ("Rate Limit Rules", "IP Limit").
    key_troubles={
        "10002": KeyTrouble.CLOCK,
        "10003": KeyTrouble.KEY,
        "33004": KeyTrouble.KEY,
        "10004": KeyTrouble.SECRET,
        "10005": KeyTrouble.RIGHTS,
        "10007": KeyTrouble.KEY,
        "10009": KeyTrouble.ACCOUNT,
        "10010": KeyTrouble.ADDRESS,
        "10024": KeyTrouble.ACCOUNT,
        "10027": KeyTrouble.ACCOUNT,
        "10028": KeyTrouble.MODE,
    },
    shut_out=ShutOut(403, b"access too frequent", 600.0),
)

RIGHTS = KeyRights(trade="SpotTrade", withdraw="Withdraw", complete=True)
