"""The codes of Bybit v5 and Binance spot, as data; `outcome_tables.py` says how such rows are read and chosen.

Sources: Bybit API v5 "Error codes"; Binance spot "Error codes". Binance files a repeated client order id under the same
code as every other refusal of a new order and tells it apart in words only, so its reader does, too.
"""

from typing import Any

from arb.market.order import Outcome
from arb.venues.outcome_tables import POLICIES, Row, table_of
from arb.venues.rules.outcome import OutcomePolicy, Said
from arb.venues.rules.retry import Trouble

_BYBIT_ROWS: tuple[Row, ...] = (
    (
        "10000 10016 170007 170146",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "timed out or failed inside: the order may have been taken",
    ),
    (
        "110072 170141",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the client order id is taken: an earlier request got through",
    ),
    ("10006 10018", Outcome.REJECTED, Trouble.BUSY, "rate limited before it was executed"),
    ("10002", Outcome.REJECTED, Trouble.CLOCK, "late, or clocks apart: refused at the door"),
    ("10003 10004 33004", Outcome.REJECTED, Trouble.AUTH, "key or signature is refused or expired"),
    ("10009 10010", Outcome.REJECTED, Trouble.AUTH, "this address may not use the key"),
    ("10005", Outcome.REJECTED, Trouble.AUTH, "the key lacks the permission"),
    ("10001", Outcome.REJECTED, Trouble.REFUSED, "malformed: refused before matching"),
    (
        "110004 110007 110012 110045 170033 170131",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the balance does not cover it",
    ),
    (
        "110094 170136 170140 170193",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "price, size or value breaks a rule: refused before matching",
    ),
    ("170218", Outcome.REJECTED, Trouble.REFUSED, "may not take, and would have: ended with nothing filled"),
    (
        "110001 170213",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)
_BINANCE_ROWS: tuple[Row, ...] = (
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


def _bybit_words(status: int, body: Any) -> Said | None:
    if not isinstance(body, dict) or not isinstance(body.get("retCode"), int) or isinstance(body["retCode"], bool):
        return None
    if body["retCode"] == 0:
        return Said(None, "") if 200 <= status < 300 else None
    return Said(str(body["retCode"]), str(body.get("retMsg") or ""))


def _binance_read_words(status: int, body: Any) -> Said | None:
    if isinstance(body, dict) and isinstance(body.get("code"), int) and body["code"] < 0:
        code, text = str(body["code"]), str(body.get("msg") or "")
        return Said("-2010 duplicate" if code == "-2010" and "duplicate" in text.lower() else code, text)
    return Said(None, "") if 200 <= status < 300 and isinstance(body, (dict, list)) else None


def _binance_write_words(status: int, body: Any) -> Said | None:
    said = _binance_read_words(status, body)
    # The success of an order names it; without its number nothing is proved.
    return None if said is not None and said.code is None and "orderId" not in body else said


BYBIT = OutcomePolicy("bybit", table_of(_BYBIT_ROWS), _bybit_words, _bybit_words)
BINANCE = OutcomePolicy("binance", table_of(_BINANCE_ROWS, split=","), _binance_write_words, _binance_read_words)
ALL_POLICIES = POLICIES | {policy.venue: policy for policy in (BYBIT, BINANCE)}
