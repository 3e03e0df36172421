"""Somebody trades what the listing does not know: nobody can tell base from quote, so it is told once and passed over."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from arb.core.messages.events import (
    AccountSnapshotTaken,
    AnyEvent,
    OrderFilled,
    OrderUpdated,
    PrivateDown,
    PrivateUp,
    TroubleReported,
)
from arb.market.fill import FillSource
from arb.venues.bitget import records as bitget_records
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.gate import records as gate_records
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.account_queries import AccountSnapshot
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.fields import Symbols, UnknownSymbol
from arb.venues.kit.private import PrivateStream
from arb.venues.okx import records as okx_records
from arb.venues.transport.address import fixed
from arb.venues.transport.http import WriteTransport
from arb.venues.transport.network import NO_HEADERS, Socket
from tests.unit.venues.kit.private_frames import (
    BITGET_FILL,
    BITGET_ORDER,
    GATE_FILL,
    GATE_ORDER,
    MAKERS,
    NOW_NS,
    OKX_ORDER,
    bitget_frame,
    gate_frame,
    okx_frame,
)
from tests.unit.venues.kit.test_account_queries import GateLists, gate_fill, gate_order, look
from tests.virtual import a_clock, run_virtual

Wrap = Callable[..., bytes]
STRANGE: list[tuple[str, Wrap, dict[str, Any], str, str]] = [
    ("gate", lambda *rows: gate_frame("spot.orders", *rows), GATE_ORDER, "currency_pair", "ODD"),
    ("gate", lambda *rows: gate_frame("spot.usertrades", *rows), GATE_FILL, "currency_pair", "A_B_C"),
    ("gate", lambda *rows: gate_frame("spot.usertrades", *rows), GATE_FILL, "currency_pair", "_USDT"),
    ("gate", lambda *rows: gate_frame("spot.orders", *rows), GATE_ORDER, "currency_pair", "A/B_USDT"),
    ("gate", lambda *rows: gate_frame("spot.orders", *rows), GATE_ORDER, "currency_pair", "BTC_USDT:USDT"),
    ("okx", lambda *rows: okx_frame("orders", *rows), OKX_ORDER, "instId", "BTC-US DT"),
    ("okx", lambda *rows: okx_frame("orders", *rows), OKX_ORDER, "instId", "BTC-USDT-SWAP"),
    ("bitget", lambda *rows: bitget_frame("orders", *rows), BITGET_ORDER, "instId", "NEWUSDT"),
    ("bitget", lambda *rows: bitget_frame("fill", *rows), BITGET_FILL, "symbol", "NEWUSDT"),
]


@pytest.mark.parametrize(("venue", "wrap", "row", "field", "native"), STRANGE)
def test_a_push_in_an_unknown_symbol_is_no_event_and_no_error_and_hides_no_other_row(
    venue: str, wrap: Wrap, row: dict[str, Any], field: str, native: str
) -> None:
    strange = MAKERS[venue]().on_frame(99, NOW_NS, wrap({**row, field: native}))
    assert (strange.events, strange.errors, [unknown.native for unknown in strange.foreign]) == ((), (), [native])

    beside = MAKERS[venue]().on_frame(99, NOW_NS, wrap({**row, field: native}, row))
    alone = MAKERS[venue]().on_frame(99, NOW_NS, wrap(row))
    assert beside.events == alone.events != ()


def test_a_record_in_an_unknown_symbol_is_refused_by_name() -> None:
    symbols = Symbols()
    readers: list[Callable[[], object]] = [
        lambda: gate_records.fill("gate", {**GATE_FILL, "currency_pair": "ODD"}, FillSource.QUERY, 1),
        lambda: gate_records.order_report("gate", {**GATE_ORDER, "currency_pair": "ODD"}),
        lambda: okx_records.order_report("okx", {**OKX_ORDER, "instId": "ODD"}),
        lambda: bitget_records.fill("bitget", {**BITGET_FILL, "symbol": "ODD"}, symbols, FillSource.QUERY, 1),
        lambda: bitget_records.order_report("bitget", {**BITGET_ORDER, "instId": "ODD"}, symbols, pushed=True),
    ]
    for read in readers:
        with pytest.raises(UnknownSymbol, match="'ODD'"):
            read()


class Frames:
    """A connection that hands over some frames and then stays silent."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = list(frames)
        self.dialled = 0

    def http(self) -> WriteTransport:
        raise AssertionError("no request is made")

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> Socket:
        self.dialled += 1
        return self

    async def read(self, on_frame: Callable[[bytes], None], on_read: Callable[[], None]) -> str:
        while self.frames:
            on_frame(self.frames.pop(0))
        await asyncio.sleep(3600)
        return "over"

    def write(self, text: str) -> None:
        return

    async def close(self) -> None:
        return

    def unread(self) -> bool:
        return False


def test_the_stream_stays_up_and_reports_each_unknown_symbol_once() -> None:
    def fill(native: str, number: int) -> bytes:
        return bitget_frame("fill", {**BITGET_FILL, "symbol": native, "tradeId": str(number)})

    subscribed = [
        json.dumps({"event": "subscribe", "arg": {"channel": channel}}).encode()
        for channel in ("orders", "fill", "account")
    ]
    frames = Frames(
        *subscribed, *(fill(native, n) for n, native in enumerate(["NEWUSDT", "NEWUSDT", "ODD", "BTCUSDT"]))
    )
    clock, told = a_clock(), list[AnyEvent]()
    stream = PrivateStream(
        fixed("wss://venue/private"),
        MAKERS["bitget"](),
        clock=clock,
        rng=random.Random(1),
        offset_ns=lambda: 0,
        network=frames,
    )

    async def story() -> None:
        try:
            async with asyncio.timeout(1):
                await stream.run(told.append)
        except TimeoutError:
            return

    run_virtual(story(), clock)

    assert [type(event) for event in told] == [PrivateUp, TroubleReported, TroubleReported, OrderFilled]
    assert [event.kind for event in told if isinstance(event, TroubleReported)] == ["unknown_symbol"] * 2
    assert frames.dialled == 1
    assert not any(isinstance(event, PrivateDown | OrderUpdated) for event in told)


def test_a_frame_of_many_unreadable_rows_is_one_warning_and_one_loss(caplog: pytest.LogCaptureFixture) -> None:
    clock, told = a_clock(), list[AnyEvent]()
    stream = PrivateStream(
        fixed("wss://venue/private"),
        MAKERS["gate"](),
        clock=clock,
        rng=random.Random(1),
        offset_ns=lambda: 0,
        network=Frames(gate_frame("spot.usertrades", *[{}] * 1000)),
    )

    async def story() -> None:
        stream_task = asyncio.create_task(stream.run(told.append))
        await asyncio.sleep(0.1)
        stream_task.cancel()

    run_virtual(story(), clock)
    assert len([record for record in caplog.records if record.name.startswith("arb.venues")]) == 1


def test_a_query_passes_over_what_is_not_in_the_symbol_asked_for() -> None:
    odd = {"currency_pair": "ODD"}
    lists = GateLists([gate_order(1, "web", **odd)], [gate_order(2)], [gate_fill(3, 2), gate_fill(4, 1, None, **odd)])
    found, _ = look(GateDialect(), lists)

    assert (found.complete, found.report is not None, len(found.fills)) == (True, True, 1)

    found, _ = look(GateDialect(), GateLists([], [], [gate_fill(4, 1, None, **odd)]))
    assert (found.complete, found.report, found.fills) == (True, None, ())


def snapshot_account(dialect: TradeDialect, answer: Callable[[Call], Any]) -> AccountSnapshotTaken:
    async def ask(call: Call) -> tuple[Any, int]:
        return answer(call), 77

    return asyncio.run(AccountSnapshot(dialect, ("BTC/USDT",), (0, 1), ask).run(1))


def test_a_survey_passes_over_them_too() -> None:
    def answer(call: Call) -> Any:
        row = {**BITGET_ORDER, "symbol": "NEWUSDT", "status": "filled", "cTime": "1695797773286"}
        data: Any = {"history-orders": [row], "fills": [{**BITGET_FILL, "symbol": "NEWUSDT"}]}.get(
            call.path.split("/")[-1], []
        )
        return {"code": "00000", "data": data}

    found = snapshot_account(BitgetDialect(), answer)

    assert (found.complete, found.orders, found.fills) == (True, (), ())
