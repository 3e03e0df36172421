"""Binance's codes and their meaning, as data.

Source: Binance spot, "Error codes". Binance files a repeated client order id under the code of every other refusal of a
new order and marks it only in the message, so the message is read, too. A code that is not listed is unknown for an
order; `rules/outcome.py` describes how such rows are read.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.kit.rules.outcome import KeyTrouble, OutcomePolicy, Row, VenueReply, table_of
from arb.venues.transport.retry import Trouble

_ROWS: tuple[Row, ...] = (
    ("-1006,-1007", Outcome.UNKNOWN, Trouble.FAULT, "no answer from inside in time: execution is not known"),
    (
        "-1000,-1001,-1008",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "failed, cut off or overloaded inside: nothing proves that the order was not taken",
    ),
    (
        "-2010 duplicate",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the client order id is taken (stated in the message only): an earlier request got through",
    ),
    ("-1003,-1015", Outcome.REJECTED, Trouble.BUSY, "rate limited before it was executed"),
    ("-1021", Outcome.REJECTED, Trouble.CLOCK, "late, or clocks apart: refused at the door"),
    ("-1022,-1002,-2014,-2015", Outcome.REJECTED, Trouble.AUTH, "key, address, permission or signature is refused"),
    (
        "-1013,-1100,-1101,-1102,-1111,-1121",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "malformed, off a step or below a minimum: refused before matching",
    ),
    ("-2010", Outcome.REJECTED, Trouble.REFUSED, "the new order was refused; the message gives the reason"),
    (
        "-2011,-2013",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
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
