"""Everything that Bitget is known to have said to unified accounts goes through our readers: read exactly, or refused by name.

Nearly all of it is of futures, which are none of ours: as recorded such rows are foreign, and as of spot they are read.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueError
from arb.venues.bitget.outcomes import POLICY
from arb.venues.bitget.unified import UnifiedDialect
from arb.venues.kit.fields import UnknownSymbol
from arb.venues.kit.rules.outcome import decode_body, judge_read, judge_write
from arb.venues.transport.http import HttpAnswer
from tests.support.recorded import Answer, answers
from tests.unit.venues.kit.private_frames import NOW_NS, unified

NOT_ASKED = (
    *(
        "account-delta-info",
        "account-deduct-info",
        "account-deposit",
        "account-funding-assets",
        "account-max-",
        "account-set-",
    ),
    *(
        "account-open-interest-limit",
        "account-sub-",
        "account-transfer",
        "account-withdraw",
        "account-cancel-withdrawal",
    ),
    *(
        "account-switch-deduct",
        "market-",
        "position-",
        "trade-batch-modify-order",
        "trade-modify-order",
        "trade-place-batch",
    ),
    *("trade-cancel-symbol-order",),
)
"""What no request of ours asks for: public data are read by API v2, and nothing but spot is traded, without amendments."""
CHANNELS_NOT_ASKED = {
    *(
        "batch-cancel",
        "batch-modify",
        "batch-place",
        "cancel-order",
        "modify-order",
        "place-order",
        "fast-fill",
        "position",
    ),
    *("books", "books1", "liquidation", "publicTrade", "ticker"),
}
TRIGGERS = {
    "ccxt-fetch_open_orders--usdt-futures-ccxt-uta-trigger",
    "ccxt-fetch_uta_canceled_and_closed_orders--usdt-futures-ccxt-uta-trigger",
}
"""Plan orders, of another endpoint: without side, state and size executed they are no orders that we could read."""


def dialect() -> UnifiedDialect:
    found = UnifiedDialect()
    found.learn({"BTCUSDT": "BTC/USDT", "ETHUSDT": "ETH/USDT"})
    return found


def rest(repo_root: Path) -> list[Answer]:
    return [
        one
        for one in answers(repo_root, "bitget", "rest")
        if "-v3-" in one.name or ("ccxt-" in one.name and "-uta" in one.name and "-v2-" not in one.name)
    ]


def rows_of(body: Any) -> list[dict[str, Any]]:
    data = body["data"]
    return list(
        data["list"] if isinstance(data, dict) and "list" in data else data if isinstance(data, list) else [data]
    )


def as_spot(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"category": "SPOT"}


Row = dict[str, Any]


def checked(read: Callable[[Row], Any], check: Callable[[Any, Row], bool], body: Any) -> tuple[int, int]:
    """Read the rows as recorded and as of spot, compare them with what they say; return how many are foreign, how many not."""
    foreign = ours = 0
    for row in rows_of(body):
        try:
            assert check(read(row), row)
            ours += 1
        except UnknownSymbol:
            assert row["category"].upper() != "SPOT"
            foreign += 1
        assert check(read(as_spot(row)), row)
    return foreign, ours


def same_order(found: Any, row: Row) -> bool:
    return bool(
        (found.venue_order_id, found.client_order_id) == (row["orderId"], row["clientOid"])
        and (found.filled, found.size) == (Decimal(row["cumExecQty"]), Decimal(row["qty"]))
        and found.is_open is (row["orderStatus"] in ("live", "new", "partially_filled"))
        and (not found.filled or found.avg_price == Decimal(row["avgPrice"]))
    )


def same_fill(found: Any, row: Row) -> bool:
    [fee] = row["feeDetail"]
    return bool(
        (found.trade_id, found.venue_order_id) == (row["execId"], row["orderId"])
        and (found.price, found.size) == (Decimal(row["execPrice"]), Decimal(row["execQty"]))
        and (found.fee, found.fee_currency) == (Decimal(fee["fee"]), fee["feeCoin"])
        and found.event_ns == int(row["updatedTime"]) * 1_000_000
    )


def read_rest(one: Answer) -> str:
    """Read an answer, and return what became of it."""
    speaks, body = dialect(), decode_body(one.raw)
    endpoint = one.endpoint.removeprefix("get-v3-").removeprefix("post-v3-")
    if "rejected" in one.name:
        verdict = judge_write(POLICY, HttpAnswer(400, {}, one.raw, NOW_NS, NOW_NS), NOW_NS)
        return f"refusal {verdict.code}: {verdict.outcome.value}"
    if endpoint.startswith(NOT_ASKED):
        return "not asked"
    assert judge_read(POLICY, HttpAnswer(200, {}, one.raw, NOW_NS, NOW_NS), NOW_NS).trouble is None
    match endpoint:
        case "account-assets":
            assert {asset: held.free for asset, held in speaks.balances_in(body).items()} == {
                row["coin"]: Decimal(row["available"]) for row in body["data"]["assets"]
            }
        case "account-fee-rate":
            assert speaks.fees_in(body).taker == Decimal(body["data"]["takerFeeRate"])
        case "account-financial-records":
            found = [speaks.transfer(row) for row in rows_of(body)]
            assert [one.amount for one in found if one] == [Decimal("0.00530637")]
        case "account-info":
            settings = {"data": {"accountMode": "unified"}}
            facts = speaks.key_facts((body, settings))
            assert (facts.can_trade, facts.can_withdraw, facts.ip_bound, facts.account) == (
                True,
                True,
                True,
                "123456789",
            )
        case "account-settings":
            info = {"data": {"userId": "5", "permType": "read-only", "permissions": ["uta_mgt"]}}
            assert speaks.key_facts((info, body)).mode == "hybrid"
        case "trade-cancel-batch":
            assert all(reply.code is None for reply in speaks.cancelled(body).values())
        case "trade-cancel-order":
            pass  # a cancel's answer is judged by its code alone
        case "trade-order-info":
            found_order = speaks.order_in(body)
            assert found_order is not None and same_order(found_order, body["data"])
        case "trade-fills":
            return (
                "rows of futures, read as of spot"
                if checked(lambda row: speaks.fill(row, 1), same_fill, body)[0]
                else "read"
            )
        case _:
            foreign, _ = checked(speaks.report, same_order, body)
            return "rows of futures, read as of spot" if foreign else "read"
    return "read"


def test_every_recorded_answer_is_read_or_refused_for_a_reason(repo_root: Path) -> None:
    ended: dict[str, list[str]] = {}
    for one in rest(repo_root):
        name = one.name.rpartition("/")[2]
        try:
            end = read_rest(one)
        except VenueError:
            assert name in TRIGGERS
            end = "a plan order"
        ended.setdefault(end, []).append(name)
    counts = {end: len(names) for end, names in ended.items()}
    assert counts.pop("not asked") >= 30
    assert counts == {
        "read": 10,
        "rows of futures, read as of spot": 6,
        "a plan order": 2,
        "refusal 25107: unknown": 1,  # of the position mode, which no order of ours meets
        "refusal 40034: rejected": 1,
    }, ended


def read_frame(one: Answer) -> str:
    channel = one.endpoint.removeprefix("v3.")
    if channel in CHANNELS_NOT_ASKED:
        return "not asked"
    found = unified().on_frame(1, NOW_NS, one.raw)
    assert not found.errors
    if found.refused is not None:
        return "refused"
    if found.send:
        return "logged in"
    if found.foreign:
        raw = one.raw.replace(b"usdt-futures", b"spot").replace(b"USDT-FUTURES", b"SPOT")
        assert unified().on_frame(1, NOW_NS, raw).events
        return "rows of futures, read as of spot"
    return "read" if found.events else "confirmed"


def test_every_recorded_private_frame_is_read(repo_root: Path) -> None:
    ended: dict[str, list[str]] = {}
    for one in answers(repo_root, "bitget", "ws"):
        if one.endpoint.startswith("v3."):
            ended.setdefault(read_frame(one), []).append(one.name.rpartition("/")[2])
    counts = {end: len(names) for end, names in ended.items()}
    assert counts.pop("not asked") >= 10
    assert counts == {
        "rows of futures, read as of spot": 4,
        "read": 1,
        "confirmed": 2,
        "logged in": 1,
        "refused": 3,
    }, ended


@pytest.mark.parametrize("status", [200, 400])
def test_the_recorded_answer_to_a_classic_request_leads_to_the_unified_language(repo_root: Path, status: int) -> None:
    [one] = [one for one in answers(repo_root, "bitget", "rest") if "code-40085" in one.name]
    verdict = judge_read(POLICY, HttpAnswer(status, {}, one.raw, NOW_NS, NOW_NS), NOW_NS)
    assert (verdict.code, verdict.trouble) == ("40085", verdict.trouble.AUTH if verdict.trouble else None)
