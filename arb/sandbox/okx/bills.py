"""How OKX writes a bill.

Source: the venue's API v5, "GET / Account bills details (last 7 days)".
"""

from arb.sandbox.bills import INTEREST, Bill
from arb.sandbox.exact import plain, sub
from arb.sandbox.okx import wire
from arb.sandbox.okx.wire import Json

_EMPTY: Json = dict.fromkeys(
    (
        *(
            "clOrdId",
            "earnAmt",
            "earnApr",
            "execType",
            "fillFwdPx",
            "fillIdxPx",
            "fillMarkPx",
            "fillMarkVol",
            "fillPxUsd",
        ),
        *(
            "fillPxVol",
            "fillTime",
            "from",
            "instId",
            "instType",
            "mgnMode",
            "notes",
            "ordId",
            "px",
            "subType",
            "tag",
            "to",
        ),
        *("tradeId", "type"),
    ),
    "",
)


def bill(subject: Bill, tag: str) -> Json:
    """Write one entry of `GET /account/bills`.

    A deposit shows as a transfer from the funding account (6) to the trading account (18), and a withdrawal the other way.
    Interest is that of auto earn, type 381. Fields of margin and of options stay empty.
    """
    change = sub(subject.amount, subject.fee)
    row: Json = _EMPTY | {
        "bal": plain(subject.balance),
        "balChg": plain(change),
        "billId": str(subject.id),
        "ccy": subject.asset,
        "fee": plain(subject.fee.copy_negate()),
        "interest": "0",
        "pnl": "0",
        "posBal": "0",
        "posBalChg": "0",
        "sz": plain(subject.amount.copy_abs()),
        "ts": wire.ms(subject.ns),
    }
    fill = subject.fill
    if fill is not None:
        return row | {
            "type": "2",
            "subType": "1" if fill.side == "buy" else "2",
            "instType": "SPOT",
            "instId": wire.inst_id(fill.symbol),
            "mgnMode": "cash",
            "ordId": str(fill.order_id),
            "clOrdId": fill.client_id,
            "tradeId": str(fill.trade_id),
            "px": plain(fill.price),
            "execType": wire.exec_type(fill),
            "fillTime": wire.ms(fill.ns),
            "tag": tag,
        }
    if subject.kind == INTEREST:
        return row | {"type": "381", "earnAmt": plain(subject.amount)}
    inwards = change > 0
    sides = {"from": "6", "to": "18"} if inwards else {"from": "18", "to": "6"}
    return row | sides | {"type": "1", "subType": "11" if inwards else "12"}
