"""OKX's codes and their meaning, as data, and its names for the rights of a key.

Source: OKX API v5, "Error code", REST. A code that is not listed is unknown for an order; `rules/outcome.py` describes
how such rows are read.
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
    NOT_FOUND,
    RATE_LIMITED,
    REFUSED,
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

_FUNDS = "51008 51119 51127 51131"
_BARS = "51001 51002 51021 51022 51027 51028 51155"
_ROWS: tuple[Row, ...] = (
    ("50004", FAULT("the venue timed out inside: success or failure is not known")),
    ("50001 50013 50026", FAULT("busy, under maintenance or in error: the order may have been taken")),
    ("51016", ID_TAKEN),
    ("50011 50061 51113", RATE_LIMITED),
    (
        "60014",
        Meaning(Outcome.REJECTED, Trouble.BUSY, "websocket: requests too frequent, refused before it was executed"),
    ),
    ("60011", NO_ACCESS("websocket: not logged in, refused at the door")),
    ("60012 60013 60019", REFUSED("websocket: malformed request, refused before matching")),
    ("63999", FAULT("websocket: the venue's own fault inside")),
    ("50102 50112 50036", LATE),
    ("50100 50101 50103 50104 50105 50106 50107 50111 50113 50119", BAD_KEY),
    ("50110", FOREIGN_ADDRESS),
    ("50030 50114 50120 51010", NO_ACCESS("the key or the account lacks the permission")),
    ("50007 50008 50009 50012 50027 50035 51024", NO_ACCESS("the account is frozen, restricted or not active")),
    ("50000 50002 50006 50014 50015 50016 50024 50115 51000", MALFORMED),
    (_BARS, REFUSED("the instrument is not traded, or not by this account")),
    ("51006 51116 51118 51137 51138", REFUSED("the price is outside the range allowed now")),
    (
        "51003 51004 51005 51007 51020 51100 51101 51102 51111 51120 51121 51201 51202",
        REFUSED("the size breaks a rule"),
    ),
    (_FUNDS, NO_FUNDS),
    ("51400 51401 51402 51410 51603 51503", NOT_FOUND),
)

_SUCCESS, _SUMMED_UP = "0", frozenset({"0", "1", "2"})
_CODE_DIGITS = 5


def _write_reply(status: int, body: Any) -> VenueReply | None:
    """Read the answer to one order: its cause is the item's `sCode`, and the outer 0, 1 or 2 only sums up the items.

    Any other outer code is about the whole request. A code shorter than the venue's own is the HTTP status that its
    gateway reports. A successful item next to such a code contradicts it, so nothing is proved. An answer about several
    orders, or about none, proves nothing either.
    """
    outer = code_in(body, "code")
    items = body.get("data") if isinstance(body, dict) else None
    item = items[0] if isinstance(items, list) and len(items) == 1 else None
    cause = code_in(item, "sCode")
    if outer not in _SUMMED_UP:
        ours = outer is not None and len(outer) >= _CODE_DIGITS and cause != _SUCCESS
        return _read_reply(status, body) if ours else None
    if cause == _SUCCESS:
        return VenueReply(None, "") if 200 <= status < 300 else None
    return None if item is None or cause is None else VenueReply(cause, text_in(item, "sMsg"))


def _read_reply(status: int, body: Any) -> VenueReply | None:
    code = code_in(body, "code")
    if code == _SUCCESS:
        return VenueReply(None, "") if 200 <= status < 300 else None
    return None if code is None else VenueReply(code, text_in(body, "msg"))


_KEYS = (
    ("50102 50112", KeyTrouble.CLOCK),
    ("50100 50103 50106 50107 50111", KeyTrouble.KEY),
    ("50113", KeyTrouble.SECRET),
    ("50104 50105", KeyTrouble.PASSPHRASE),
    ("50101", KeyTrouble.ENVIRONMENT),
    ("50119", KeyTrouble.REGION),
    ("50110 50035", KeyTrouble.ADDRESS),
    ("50030 50114 50120", KeyTrouble.RIGHTS),
    ("50007 50008 50009 50012 50027 51024", KeyTrouble.ACCOUNT),
    ("51010", KeyTrouble.MODE),
)

POLICY = OutcomePolicy(
    "okx",
    table_of(_ROWS),
    _write_reply,
    _read_reply,
    account_codes=frozenset({"50061"}),  # the limit of all placements of the sub-account
    funds_codes=frozenset(_FUNDS.split()),
    steps_codes=frozenset({"51000", "51121"}),  # a price off the tick is one of the "Parameter px error" of 51000
    bar_codes=frozenset(_BARS.split()),
    expiry_codes=frozenset({"50036"}),
    key_troubles={code: trouble for codes, trouble in _KEYS for code in codes.split()},
)

RIGHTS = KeyRights(trade="trade", withdraw="withdraw", complete=True)
