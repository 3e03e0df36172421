"""Binance's codes and their meaning, as data.

Source: Binance spot, "Error codes". A repeated client order id has the code of every other refusal of a new order. Only
the message shows it, so the message is read, too. A code that is not listed is unknown for an
order; `rules/outcome.py` describes how such rows are read.
"""

from typing import Any

from arb.venues.kit.rules.outcome import (
    FAULT,
    LATE,
    NO_ACCESS,
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

_ROWS: tuple[Row, ...] = (
    ("-1006,-1007", FAULT("no answer from inside in time: execution is not known")),
    ("-1000,-1001,-1008", FAULT("failed, cut off or overloaded inside: nothing proves that the order was not taken")),
    (
        "-2010 duplicate",
        UNCLEAR("the client order id is taken (stated in the message only): an earlier request got through"),
    ),
    ("-1003,-1015", RATE_LIMITED),
    ("-1021", LATE),
    ("-1022,-1002,-2014,-2015", NO_ACCESS("key, address, permission or signature is refused")),
    (
        "-1013,-1100,-1101,-1102,-1111,-1121",
        REFUSED("malformed, off a step or below a minimum: refused before matching"),
    ),
    ("-2010", REFUSED("the new order was refused; the message gives the reason")),
    ("-2011,-2013", NOT_FOUND),
)


def _read_reply(status: int, body: Any) -> VenueReply | None:
    if isinstance(body, dict) and isinstance(body.get("code"), int) and body["code"] < 0:
        code, text = str(body["code"]), str(body.get("msg") or "")
        return VenueReply("-2010 duplicate" if code == "-2010" and "duplicate" in text.lower() else code, text)
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
    key_troubles={
        "-1021": KeyTrouble.CLOCK,
        "-1022": KeyTrouble.SECRET,
        "-2014": KeyTrouble.KEY,
        "-2015": KeyTrouble.KEY_OR_ADDRESS,  # "Invalid API-key, IP, or permissions for action"
        "-1002": KeyTrouble.RIGHTS,
    },
)
