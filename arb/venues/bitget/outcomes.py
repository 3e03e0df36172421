"""Bitget's codes and their meaning, as data, and its names for the rights of a key.

Source: Bitget API v2, "Error code", and API v3 (unified accounts), "Rest API Error Code", for those from 25000 to
25999. A code that is not listed is unknown for an order; `rules/outcome.py` describes how such rows are read.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.kit.rules.key_rights import KeyRights
from arb.venues.kit.rules.outcome import (
    BAD_KEY,
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
    VenueReply,
    code_in,
    table_of,
    text_in,
)
from arb.venues.transport.retry import Trouble

_FUNDS = "40711 40712 40762 43012 50020 25202 25203"
_BARS = "40024 40309 41114 43115 50004 25013 25100 25101 25102 25103 25106"
_OFF_STEPS = "41103 25244 25610"
_MISSING = "40109 40768 43001"
_MISSING_UNIFIED = "25204"
_ROWS: tuple[Row, ...] = (
    ("40010 40015 40725 45001 50008 25000 25001 25003", FAULT("the venue's own fault: the order may have been taken")),
    ("40786 43118 25212", ID_TAKEN),
    (
        "31007 40819 43020 43033 45057 80011",
        UNCLEAR("others read it as 'no such order'; no document confirms that for spot orders, so it proves nothing"),
    ),
    ("429", RATE_LIMITED),
    ("40004 40005 40008", LATE),
    ("40001 40002 40003 40006 40009 40011 40012 40037", BAD_KEY),
    ("40099", NO_ACCESS("the key is one of another environment: refused at the door")),
    ("40018", FOREIGN_ADDRESS),
    ("40031", NO_ACCESS("the account was closed")),
    ("40014 25620", NO_PERMISSION),
    ("40084 40085 25245", NO_ACCESS("the account is of the other kind: classic accounts use API v2, unified ones v3")),
    ("25005 25006 25007 25008 25012", NO_ACCESS("the account may not trade at present")),
    (
        "25004",
        Meaning(Outcome.UNKNOWN, Trouble.BUSY, "too frequent; whether before or after execution is not documented"),
    ),
    ("40007 40016 40017 40019 40020 40034 40404 40808 400172 25200 25238", MALFORMED),
    (_BARS, REFUSED("the symbol is not traded, suspended, not open yet, or not open to this account")),
    (
        f"40108 41117 43005 43006 43007 43008 43009 45110 45111 45113 25205 25206 25207 25208 25211 25611 {_OFF_STEPS}",
        REFUSED("price or size breaks a rule"),
    ),
    (_FUNDS, NO_FUNDS),
    ("25213 25214 25215 25216", REFUSED("a limit on purchases or sales of this coin")),
    (f"{_MISSING} {_MISSING_UNIFIED} 43004 43025", NOT_FOUND),
)


# The second is the JSON spelling of the first's number, as in frames of API v3.
_SUCCESS = frozenset({"00000", "0"})


def _reply(status: int, body: Any) -> VenueReply | None:
    code = code_in(body, "code")
    if code in _SUCCESS:
        return VenueReply(None, "") if 200 <= status < 300 else None
    return None if code is None else VenueReply(code, text_in(body, "msg"))


_KEYS = (
    ("40004 40005 40008", KeyTrouble.CLOCK),
    ("40001 40002 40003 40006 40037", KeyTrouble.KEY),
    ("40009", KeyTrouble.SECRET),
    ("40011 40012", KeyTrouble.PASSPHRASE),
    ("40099", KeyTrouble.ENVIRONMENT),
    ("40018", KeyTrouble.ADDRESS),
    ("40014 25620", KeyTrouble.RIGHTS),
    ("40031 25005 25006 25007 25008 25012", KeyTrouble.ACCOUNT),
    ("40084 40085 25245", KeyTrouble.MODE),
)

POLICY = OutcomePolicy(
    "bitget",
    table_of(_ROWS),
    _reply,
    _reply,
    funds_codes=frozenset(_FUNDS.split()),
    steps_codes=frozenset(
        {"40808", *_OFF_STEPS.split()}
    ),  # 40808 "checkBDScale", 41103 "price scale": too many decimals
    bar_codes=frozenset(_BARS.split()),
    expiry_codes=frozenset({"40008"}),
    key_troubles={code: trouble for codes, trouble in _KEYS for code in codes.split()},
)

NO_SUCH_ORDER = frozenset(f"{_MISSING} {_MISSING_UNIFIED}".split())
"""The codes by which the answer to a query of one order reports that there is none."""

# Source: "Get Account Info", `authorities`: a word that ends in r reads, one in w writes. The documented example has two other
# words. As the names are documented so badly, their silence proves nothing, and any other may be a right to withdraw.
RIGHTS = KeyRights(
    trade="stow",
    also_trade="trade",
    withdraw="wwow",
    # Transfers, sub-accounts, trade among customers, loans on a pledge.
    moves=frozenset({"wtow", "chow", "p2p", "p2pw", "pllw"}),
    harmless=frozenset(
        {
            *("readonly", "coor", "cpor", "stor", "smor", "ttor", "wtor", "taxr", "chor", "p2pr", "pllr"),
            *("coow", "cpow", "smow", "ttow", "taxw"),  # futures, margin and copy trading; tax reports
        }
    ),
)

# API v3, "Get Account Info": the right to withdraw has a separate word there, yet the page of the withdrawal itself
# asks for "UTA mgt. (read & write)", which a key that reads its balances has. So nothing here proves that a key cannot
# withdraw.
UNIFIED_RIGHTS = KeyRights(trade="uta_trade", withdraw="withdraw", harmless=frozenset({"uta_mgt"}))
