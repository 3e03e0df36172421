"""A look through an account asks for transfers from a day further back: they are listed by when they were made."""

import asyncio
from typing import Any

import pytest

from arb.venues.account_queries import AccountSnapshot
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.call import Call
from arb.venues.dialect import TradeDialect
from arb.venues.gate.dialect import GateDialect
from arb.venues.okx.dialect import OkxDialect

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("dialect", "since"),
    [
        (GateDialect(), {"from": str((NOW_MS - DAY_MS) // 1000)}),
        (OkxDialect(), {"before": str(NOW_MS - DAY_MS)}),
        (BitgetDialect(), {"startTime": str(NOW_MS - DAY_MS)}),
    ],
)
def test_transfers_are_asked_for_from_a_day_before(dialect: TradeDialect, since: dict[str, str]) -> None:
    calls: list[Call] = []

    async def ask(call: Call) -> tuple[Any, int]:
        calls.append(call)
        return ([] if dialect.venue == "gate" else {"code": "0", "data": []}), 77

    found = asyncio.run(AccountSnapshot(dialect, (), (NOW_MS, NOW_MS + 60_000), ask).run(1))

    assert found.transfers_complete
    assert len(calls) == 2
    for call in calls:
        assert since.items() <= call.params.items()
