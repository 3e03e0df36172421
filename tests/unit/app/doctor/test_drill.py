"""What the steps of a drill show: when an expiry is proved, when that is taken back, and what the doctor says of each step."""

from pathlib import Path

import msgspec
import pytest

from arb.app.doctor.account_exam import DrillCost
from arb.app.doctor.checks import Finding, Result
from arb.app.doctor.drill import KeptAnswers, judged, proved, refused
from arb.core.messages.records import OrderRecord, PairState
from arb.core.strategies.drill import DrillResult, DrillStep
from arb.errors import ConfigError
from arb.market.order import OrderStatus, Outcome, Role, Side, TimeInForce
from arb.venues.transport.watched import Exchange
from tests.builders import SYMBOL, D

ROW = OrderRecord(
    id=1,
    pair_trade_id=1,
    account_id="okx-uid-1",
    venue="okx",
    symbol=SYMBOL,
    role=Role.TEST,
    attempt=0,
    side=Side.BUY,
    tif=TimeInForce.IOC,
    price=D(90),
    size=D("0.1"),
    filled=D(0),
    avg_price=None,
    client_order_id="arb",
    venue_order_id=None,
    status=OrderStatus.CANCELLED,
    outcome=Outcome.ACCEPTED,
    reject_code=None,
    journalled_ns=1,
    sent_ns=2,
    acked_ns=3,
    first_fill_ns=None,
    done_ns=4,
)
RESTED = DrillResult(venue="okx", step=DrillStep.REST, order=ROW, state=PairState.COMPLETED, net=D(0))
TAKEN = msgspec.structs.replace(RESTED, step=DrillStep.EXPIRED)


def late(code: str, sent_ns: int | None = 2) -> DrillResult:
    row = msgspec.structs.replace(
        ROW, status=OrderStatus.REJECTED, outcome=Outcome.REJECTED, reject_code=code, sent_ns=sent_ns
    )
    return msgspec.structs.replace(RESTED, step=DrillStep.EXPIRED, order=row)


def traded(filled: str) -> DrillResult:
    row = msgspec.structs.replace(ROW, filled=D(filled), status=OrderStatus.FILLED)
    return msgspec.structs.replace(RESTED, step=DrillStep.TRADE, order=row, net=D("-0.01"))


LATE = late("50036")
REFUSED = msgspec.structs.replace(late("51008"), step=DrillStep.REST)


@pytest.mark.parametrize(
    ("results", "holds"),
    [
        ([RESTED, LATE], {"okx": True}),
        ([LATE], {}),  # that it takes orders in time is not shown
        ([REFUSED, LATE], {}),
        ([RESTED, late("50102")], {}),  # the request's time was wrong, and not the order's
        ([RESTED, late("51008")], {}),
        ([RESTED, late("expired", None)], {}),  # refused by ourselves
        ([RESTED, TAKEN], {"okx": False}),  # what an earlier drill has shown holds no more
        ([RESTED, traded("0.1")], {}),
    ],
)
def test_only_the_venues_own_refusal_of_what_came_late_proves_its_expiry(
    results: list[DrillResult], holds: dict[str, bool]
) -> None:
    assert proved(results) == holds


@pytest.mark.parametrize(
    ("result", "said", "words"),
    [
        (RESTED, Result.PASS, "accepted, cancelled"),
        (REFUSED, Result.FAIL, "refused (51008)"),
        (LATE, Result.PASS, "refused (50036)"),
        (TAKEN, Result.WARN, "accepted"),
        (late("51008"), Result.WARN, "refused (51008)"),
        (traded("0.1"), Result.PASS, "0.1 of 0.1 filled, net -0.01"),
        (traded("0"), Result.FAIL, "0 of 0.1 filled"),
    ],
)
def test_each_step_is_a_finding(result: DrillResult, said: Result, words: str) -> None:
    finding = judged(result)
    assert (finding.about, finding.check, finding.result) == ("okx", f"drill_{result.step}", said)
    assert words in finding.found and bool(finding.remedy) is (said is not Result.PASS)


def test_no_drill_where_a_check_failed_or_no_price_is_known() -> None:
    cost = DrillCost("okx", SYMBOL, D(5), D("0.01"), "USDT")
    well = Finding("okx", "signature", Result.PASS, "")
    assert refused([well], [cost]) == []
    assert "no venue shows a book" in refused([well], [])[0].found
    assert "okx funds" in refused([Finding("okx", "funds", Result.FAIL, "x", "y")], [cost])[0].found


def test_answers_are_kept_for_their_user_alone_and_never_among_others(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path / "answers")
    exchange = Exchange(
        name="arb", kind="rest", recorded_at=5, raw="{}", method="GET", path="/api/v5/trade/order", status=200
    )
    kept.keep("okx", "rest", exchange)
    (path,) = (tmp_path / "answers").rglob("*.json")
    assert path.name == "api-v5-trade-order--rest-001.json" and path.stat().st_mode & 0o777 == 0o600
    document = msgspec.json.decode(path.read_bytes())
    assert (document["venue"], document["evidence"], document["raw"]) == ("okx", "recorded", "{}")
    with pytest.raises(ConfigError, match="not empty: name a new directory"):
        KeptAnswers(tmp_path / "answers")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--keep"):
        KeptAnswers(tmp_path / "file")
