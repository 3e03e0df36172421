"""Bybit's codes and their meaning, as data.

Source: Bybit API v5, "Error codes". A code that is not listed is unknown for an order; `rules/outcome.py` describes how
such rows are read.
"""

from typing import Any

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
    KeyTrouble,
    OutcomePolicy,
    Row,
    ShutOut,
    VenueReply,
    table_of,
)

_FUNDS = "110004 110007 110012 110045 170033 170131"
_ROWS: tuple[Row, ...] = (
    ("10000 10016 170007 170146", FAULT("timed out or failed inside: the order may have been taken")),
    ("110072 170141", ID_TAKEN),
    ("10006 10018", RATE_LIMITED),
    ("10002", LATE),
    ("10003 10004 33004", NO_ACCESS("key or signature is refused or expired")),
    ("10009 10010", FOREIGN_ADDRESS),
    ("10005", NO_PERMISSION),
    ("10001", MALFORMED),
    (_FUNDS, NO_FUNDS),
    ("110094 170136 170140 170193", REFUSED("price, size or value breaks a rule: refused before matching")),
    ("170218", REFUSED("may not take, and would have: ended with nothing filled")),
    ("110001 170213", NOT_FOUND),
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
    # "403, access too frequent": all requests are to end for ten minutes ("Rate Limit Rules", "IP Limit").
    key_troubles={
        "10002": KeyTrouble.CLOCK,
        "10003": KeyTrouble.KEY,
        "33004": KeyTrouble.KEY,
        "10004": KeyTrouble.SECRET,
        "10005": KeyTrouble.RIGHTS,
        "10009": KeyTrouble.ADDRESS,
        "10010": KeyTrouble.ADDRESS,
    },
    shut_out=ShutOut(403, b"access too frequent", 600.0),
)
