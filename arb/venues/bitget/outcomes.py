"""Bitget's codes and what each means, as data, and its names for the rights of a key.

Source: Bitget API v2, "Error code". What is not listed is unknown for an order;
`rules/outcome.py` says how such rows are read.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.rules.key_rights import KeyRights
from arb.venues.rules.outcome import OutcomePolicy, Row, VenueReply, table_of
from arb.venues.rules.retry import Trouble

_FUNDS = "40711 40712 40762 43012 50020"
_BARS = "40309 50004"
_ROWS: tuple[Row, ...] = (
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
        _BARS,
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the symbol is not traded, or suspended",
    ),
    (
        "43005 43006 43007 43008 43009 45110 45111 45113",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "price or size breaks a rule",
    ),
    (
        _FUNDS,
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


def _reply(status: int, body: Any) -> VenueReply | None:
    if not isinstance(body, dict) or not isinstance(body.get("code"), (str, int)) or isinstance(body["code"], bool):
        return None
    code = str(body["code"])
    if code == "00000":
        return VenueReply(None, "") if 200 <= status < 300 else None
    return VenueReply(code, str(body.get("msg") or ""))


POLICY = OutcomePolicy(
    "bitget",
    table_of(_ROWS),
    _reply,
    _reply,
    funds_codes=frozenset(_FUNDS.split()),
    steps_codes=frozenset({"40808"}),  # "checkBDScale error": too many decimals
    bar_codes=frozenset(_BARS.split()),
)

# Source: "Get Account Info", `authorities`: a word that ends in r reads, one in w writes. The documented example has two other
# words. As the names are documented so badly, their silence proves nothing, and any other may be a right to withdraw.
RIGHTS = KeyRights(
    trade="stow",
    also_trade="trade",
    withdraw="wwow",
    moves=frozenset(
        {"wtow", "chow", "p2p", "p2pw", "pllw"}
    ),  # transfers, sub-accounts, trade among customers, loans on a pledge
    harmless=frozenset(
        {
            *("readonly", "coor", "cpor", "stor", "smor", "ttor", "wtor", "taxr", "chor", "p2pr", "pllr"),
            *("coow", "cpow", "smow", "ttow", "taxw"),  # futures, margin and copy trading; tax reports
        }
    ),
)
