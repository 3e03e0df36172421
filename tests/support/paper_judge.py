"""Judge of paper trading: a run's orders, matched by paper on the run's own frames, compared with their real fills.

Each order takes the time that it took in the run, and has an account of its own: a sandbox's books lack our earlier fills.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import msgspec

from arb.app.rerun import books_of_run
from arb.core.engine import Engine
from arb.core.messages.commands import AnyCommand, Persist, PlaceOrder
from arb.core.messages.events import AnyEvent, ClockMeasured, OrderAccepted, OrderFilled, OrderRejected, OrderUpdated
from arb.core.messages.records import FillRecord, OpportunityRecord, OrderRecord
from arb.market.fill import Fill
from arb.market.numbers import EXACT, ZERO
from arb.replay.rerun import Judge, Rerun, read_prologue
from arb.venues.paper.account import Forgetful, Kept, PaperAccount
from arb.venues.paper.matching import PaperMatching, Underway
from tests.support.taped import TapedRun

ANSWER_LEAD_NS = 2_000
"""An answer is matched this long before the run heard of the order, ahead of other lines of that instant."""
PLENTY = Decimal(10**12)


Sums = tuple[Decimal, Decimal]
"""Size and fee."""


class Taken(NamedTuple):
    """A price at which an order took something, and the asset of the fee."""

    price: Decimal
    fee_currency: str


class Order(msgspec.Struct):
    """An order of the run: when it left, when the run first heard of it, its fills by the venue, and its fills on paper.

    `refused`: the code that paper refuses it with.
    """

    command: PlaceOrder
    placed_ns: int
    news_ns: int = 0
    arrived_ns: int = 0
    real: dict[Taken, Sums] = {}
    paper: dict[Taken, Sums] = {}
    refused: str | None = None


def judged(run: TapedRun) -> list[Order]:
    """Return all orders of a run that the run heard of, matched on paper."""
    orders = _orders_of(run)
    engine, offsets = _engine(run), dict.fromkeys((profile.venue for profile in run.head.settings.venues), 0)
    waiting: list[tuple[Order, PaperMatching, Underway]] = []

    def keep(event: AnyEvent, commands: tuple[AnyCommand, ...], _: list[OpportunityRecord]) -> None:
        if isinstance(event, ClockMeasured):
            offsets[event.venue] = event.offset_ns
        for command in commands:
            if isinstance(command, PlaceOrder) and (order := orders.get(command.client_order_id)) is not None:
                listed = engine.state.instruments[command.venue, command.symbol]
                account = PaperAccount("paper", Forgetful(), 0)
                account.credit({listed.base: PLENTY, listed.quote: PLENTY}, 0, billed=False)
                offset_ns = partial(offsets.__getitem__, command.venue)
                matching = PaperMatching(command.venue, lambda: engine.state.books, account, offset_ns)
                waiting.append((order, matching, matching.leave(command, order.arrived_ns)))

    rerun = Rerun(engine, keep, None)
    for line in run.lines:
        for due in [one for one in waiting if one[0].news_ns - ANSWER_LEAD_NS <= line.received_ns]:
            waiting.remove(due)
            order, matching, underway = due
            answer = matching.answer(underway, engine.state.instruments[order.command.venue, order.command.symbol])
            if isinstance(answer, Kept):
                order.paper = _summed(answer.fills)
            else:
                order.refused = answer
        assert rerun.run([line]) is None
        for _, matching, _ in waiting:
            matching.on_frame()
    assert not waiting
    return list(orders.values())


def _engine(run: TapedRun) -> Engine:
    engine = Engine(run.head.settings, books_of_run(read_prologue(iter(run.lines)), run.head))
    engine.load(run.head.restored)
    return engine


def _orders_of(run: TapedRun) -> dict[str, Order]:
    """Rerun the tape against its journal; return the orders that the run heard of, by their names."""
    orders: dict[str, Order] = {}
    fills: dict[int, dict[int, FillRecord]] = defaultdict(dict)
    ids: dict[str, int] = {}
    offsets: dict[str, int] = defaultdict(int)

    def keep(event: AnyEvent, commands: tuple[AnyCommand, ...], _: list[OpportunityRecord]) -> None:
        match event:
            case ClockMeasured():
                offsets[event.venue] = event.offset_ns
            case OrderAccepted() | OrderRejected():
                _heard(orders.get(event.client_order_id), event.t_ns)
            case OrderUpdated(report=news) | OrderFilled(fill=news):
                _heard(orders.get(news.client_order_id or ""), event.t_ns)
        for command in commands:
            if isinstance(command, PlaceOrder):
                orders[command.client_order_id] = Order(command, event.t_ns)
            elif isinstance(command, Persist) and isinstance(record := command.record, FillRecord):
                fills[record.order_id][record.id] = record
            elif isinstance(command, Persist) and isinstance(record := command.record, OrderRecord):
                ids[record.client_order_id or ""] = record.id

    assert Rerun(_engine(run), keep, Judge(run.entries)).run(run.lines) is None
    heard = {name: order for name, order in orders.items() if order.news_ns}
    for name, order in heard.items():
        took = fills[ids[name]].values()
        order.real = _summed(took)
        first_ns = min((fill.event_ns for fill in took), default=0)
        midway_ns = (order.placed_ns + order.news_ns - ANSWER_LEAD_NS) // 2
        order.arrived_ns = first_ns - offsets[order.command.venue] - 1 if first_ns else midway_ns
    return heard


def _heard(order: Order | None, t_ns: int) -> None:
    if order is not None and not order.news_ns:
        order.news_ns = t_ns


def _summed(fills: Iterable[Fill | FillRecord]) -> dict[Taken, Sums]:
    summed: dict[Taken, Sums] = {}
    for fill in fills:
        key = Taken(fill.price, fill.fee_currency)
        size, fee = summed.get(key, (ZERO, ZERO))
        summed[key] = EXACT.add(size, fill.size), EXACT.add(fee, fill.fee)
    return summed
