"""Binance's codes and their meaning, as data.

Source: Binance spot, "Error codes". Several refusals share a code, and only the message shows which one it is: such a code
is listed with a word for the message (`BY_MESSAGE`). A code that is not listed is unknown for an order; `rules/outcome.py`
describes how such rows are read.
"""

from typing import Any

from arb.venues.kit.rules.key_rights import KeyRights
from arb.venues.kit.rules.outcome import (
    FAULT,
    ID_TAKEN,
    LATE,
    MALFORMED,
    NO_ACCESS,
    NO_FUNDS,
    NOT_FOUND,
    RATE_LIMITED,
    REFUSED,
    UNCLEAR,
    KeyTrouble,
    OutcomePolicy,
    Row,
    VenueReply,
    table_of,
)

BY_MESSAGE: dict[str, tuple[tuple[str, str], ...]] = {
    "-2010": (
        ("duplicate", "duplicate"),
        ("insufficient balance", "funds"),
        ("market is closed", "symbol"),
        ("symbol is not permitted", "symbol"),
        ("symbol is restricted", "symbol"),
        ("symbol not whitelisted", "symbol"),
        ("action is disabled", "account"),
        ("account may not place", "account"),
    ),
    "-1013": (
        ("filter failure: price_filter", "steps"),
        ("filter failure: lot_size", "steps"),
        ("market is closed", "symbol"),
    ),
    "-2011": (("unknown order", "gone"),),
}
"""By code: a part of a message in small letters, and the word for it."""
_BARS = "-2010 symbol,-1013 symbol,-1121"
_OFF_STEPS = "-1013 steps,-1111"
_MALFORMED = (
    "-1014,-1020,-1100,-1101,-1102,-1103,-1104,-1105,-1106,-1108,-1114,-1115,-1116,-1117,-1118,-1128,-1130,-1145,"
    "-1210,-1211,-1220"
)
_ROWS: tuple[Row, ...] = (
    ("-1006,-1007", FAULT("no answer from inside in time: execution is not known")),
    ("-1000,-1001,-1008", FAULT("failed, cut off or overloaded inside: nothing proves that the order was not taken")),
    ("-2010 duplicate", ID_TAKEN),
    ("-1003,-1015", RATE_LIMITED),
    ("-1021", LATE),
    ("-1022,-1002,-2014,-2015", NO_ACCESS("key, address, permission or signature is refused")),
    ("-2010 account", NO_ACCESS("the account may not place orders")),
    ("-2010 funds", NO_FUNDS),
    (_BARS, REFUSED("the symbol is not traded, or not by this account or with this key")),
    (_OFF_STEPS, REFUSED("price or size is off a step or a limit: refused before matching")),
    (_MALFORMED, MALFORMED),
    ("-1013", REFUSED("breaks a rule for orders: refused before matching")),
    ("-2010", REFUSED("the new order was refused; the message gives the reason")),
    ("-2011 gone,-2013", NOT_FOUND),
    ("-2011", UNCLEAR("the cancel is refused, and the order may still be open")),
    ("-2026", REFUSED("archived: it ended without a fill more than 90 days ago")),
    ("-2039", UNCLEAR("number and client order id are of different orders")),
)


def _read_reply(status: int, body: Any) -> VenueReply | None:
    if isinstance(body, dict) and isinstance(body.get("code"), int) and body["code"] < 0:
        code, text = str(body["code"]), str(body.get("msg") or "")
        words = (word for part, word in BY_MESSAGE.get(code, ()) if part in text.lower())
        return VenueReply(" ".join((code, *words)), text)
    return VenueReply(None, "") if 200 <= status < 300 and isinstance(body, (dict, list)) else None


def _write_reply(status: int, body: Any) -> VenueReply | None:
    reply = _read_reply(status, body)
    # The success of an order names it; without its number nothing is proved.
    return None if reply is not None and reply.code is None and "orderId" not in body else reply


POLICY = OutcomePolicy(
    "binance",
    table_of(_ROWS, split=","),
    _write_reply,
    _read_reply,
    account_codes=frozenset({"-1015"}),
    funds_codes=frozenset({"-2010 funds"}),
    steps_codes=frozenset(_OFF_STEPS.split(",")),
    bar_codes=frozenset(_BARS.split(",")),
    key_troubles={
        "-1021": KeyTrouble.CLOCK,
        "-1022": KeyTrouble.SECRET,
        "-2014": KeyTrouble.KEY,
        "-2015": KeyTrouble.KEY_OR_ADDRESS,  # "Invalid API-key, IP, or permissions for action"
        "-1002": KeyTrouble.RIGHTS,
        "-2010 account": KeyTrouble.ACCOUNT,
    },
)

RIGHTS = KeyRights(
    trade="enableSpotAndMarginTrading",
    withdraw="enableWithdrawals",
    complete=True,
    moves=frozenset({"enableInternalTransfer", "permitsUniversalTransfer"}),
    harmless=frozenset(
        {
            "enableReading",
            "enableMargin",
            "enableFutures",
            "enableVanillaOptions",
            "enablePortfolioMarginTrading",
            "enableFixApiTrade",
            "enableFixReadOnly",
        }
    ),
)
