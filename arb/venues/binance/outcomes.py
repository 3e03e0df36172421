"""Binance spot's codes and what each means, as data (Binance spot, "Error codes").

Binance files a repeated client order id under the same code as every other refusal of a new order and tells it apart in words
only, so its reader does, too. What is not listed is unknown for an order; `rules/outcome.py` says how such rows are read.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.rules.outcome import OutcomePolicy, Row, Said, table_of
from arb.venues.rules.retry import Trouble

_ROWS: tuple[Row, ...] = (
    ("-1006,-1007", Outcome.UNKNOWN, Trouble.FAULT, "no word from inside in time: execution is not known"),
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
        "the client order id is taken (told in the message only): an earlier request got through",
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
    ("-2010", Outcome.REJECTED, Trouble.REFUSED, "the new order was refused; the message tells the reason"),
    (
        "-2011,-2013",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)


def _read_words(status: int, body: Any) -> Said | None:
    if isinstance(body, dict) and isinstance(body.get("code"), int) and body["code"] < 0:
        code, text = str(body["code"]), str(body.get("msg") or "")
        return Said("-2010 duplicate" if code == "-2010" and "duplicate" in text.lower() else code, text)
    return Said(None, "") if 200 <= status < 300 and isinstance(body, (dict, list)) else None


def _write_words(status: int, body: Any) -> Said | None:
    said = _read_words(status, body)
    # The success of an order names it; without its number nothing is proved.
    return None if said is not None and said.code is None and "orderId" not in body else said


POLICY = OutcomePolicy("binance", table_of(_ROWS, split=","), _write_words, _read_words)
