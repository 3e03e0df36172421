"""What a run's tape says of it beside its frames: the rows it led to, and what became of each order, and when.

The tape is run again by the same rules (`arb.replay.rerun`), so that all of this is the engine's own account of the run and no
second reading of the journal.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from statistics import median_low

import msgspec

from arb.core.accounts.restart import Restored
from arb.core.messages.commands import AnyCommand, Persist, PlaceOrder, SetTimer
from arb.core.messages.events import (
    AnyEvent,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    OrderUpdated,
    OutcomeUnknown,
    RunStarted,
)
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.records import FillRecord, IncidentRecord, OpportunityRecord, OrderRecord, PairRecord, PairState
from arb.core.state.order import fill_of
from arb.market.fill import Fill
from arb.market.numbers import ZERO

ENDED = (PairState.COMPLETED, PairState.UNWOUND, PairState.CARRIED, PairState.ABANDONED)
"""The states in which a pair's result is booked."""
ANSWER_LEAD_NS = 2_000
"""So long before the first news of an order its answer is simulated: whatever else is due at that instant comes after it."""
Level = tuple[Decimal, Decimal]


class Rows:
    """The last state of every row that matters here; `keep` is given each step of an engine."""

    def __init__(self, restored: Restored) -> None:
        self.pairs: dict[int, PairRecord] = {}
        self.orders: dict[int, OrderRecord] = {}
        self.fills: dict[int, dict[int, FillRecord]] = defaultdict(dict)
        """By order, then by fill."""
        self.paused: list[str] = []
        """What was said when a route was paused because its edge stands."""
        self.not_taken: list[OpportunityRecord] = []
        self._before = {left.pair.id: _booked(left.pair) for left in (*restored.recent, *restored.pairs)}

    def keep(self, event: AnyEvent, commands: tuple[AnyCommand, ...], untraded: list[OpportunityRecord]) -> None:
        """Take in what one event led to."""
        self.not_taken += untraded
        for command in commands:
            if isinstance(command, Persist):
                self._row(command.record)

    def _row(self, record: object) -> None:
        match record:
            case PairRecord():
                self.pairs[record.id] = record
            case OrderRecord():
                self.orders[record.id] = record
            case FillRecord():
                self.fills[record.order_id][record.id] = record
            case IncidentRecord(kind=IncidentKind.EDGE_IMPLAUSIBLE):
                self.paused.append(record.text)

    def net(self, pair: PairRecord) -> Decimal:
        """Return what a pair added to the run's net: 0 while it is not booked, less what an earlier run booked of it."""
        return Decimal(_booked(pair) - self._before.get(pair.id, 0)).scaleb(-8)

    def orders_of(self, pair: PairRecord) -> list[OrderRecord]:
        """Return the orders of a pair, as they were placed."""
        return [order for order in self.orders.values() if order.pair_trade_id == pair.id]

    def fills_of(self, orders: Iterable[OrderRecord]) -> list[FillRecord]:
        """Return all fills of these orders."""
        return [fill for order in orders for fill in self.fills.get(order.id, {}).values()]


class RecordedOrder(msgspec.Struct):
    """An order of the run: its command, when it was placed, when the first news of it came and when it was filled first (our
    clock), and its fills."""

    command: PlaceOrder
    placed_ns: int
    news_ns: int | None = None
    filled_ns: int | None = None
    venue_order_id: str | None = None
    fills: tuple[Fill, ...] = ()

    def same(self, command: PlaceOrder) -> bool:
        """Return whether this is the same order, whichever event it comes of."""
        blank = {"cause": 0, "expires_ns": 0}
        return msgspec.structs.replace(self.command, **blank) == msgspec.structs.replace(command, **blank)


class Recorded:
    """A whole run, by its tape. `keep` is given each step of its rerun; `finish` then joins what belongs together."""

    def __init__(self, restored: Restored) -> None:
        self.rows = Rows(restored)
        self.orders: dict[str, RecordedOrder] = {}
        self.timers: set[tuple[str, int]] = set()
        """Every timer that the run set, with its instant."""
        self.openings: dict[str, dict[str, Decimal]] = {}
        """What each venue reported to hold when it was asked first."""
        self.measured_ns: dict[str, int] = {}
        """Half the round trip to each venue's public address, as it was measured last."""
        self.about: dict[int, str] = {}
        """Of an event about one of our orders: whose it is, by the event's number."""
        self.first_order: tuple[AnyEvent, tuple[AnyCommand, ...]] | None = None
        self.decisions = 0
        """How many events led to a command up to the first order, its own included."""
        self.head: RunStarted | None = None
        self._unnamed: dict[int, str] = {}
        self._news: dict[int, int] = {}
        self._offsets: dict[str, int] = {}

    def keep(self, event: AnyEvent, commands: tuple[AnyCommand, ...], untraded: list[OpportunityRecord]) -> None:
        """Take in one event and what it led to."""
        self.rows.keep(event, commands, untraded)
        if isinstance(event, RunStarted):
            self.head = event
        if isinstance(event, ClockMeasured):
            self._offsets[event.venue] = event.offset_ns
            self.measured_ns[event.venue] = event.error_ns
        if isinstance(event, BalancesReported) and event.complete:
            held = {asset: balance.free + balance.locked for asset, balance in event.balances.items()}
            self.openings.setdefault(event.venue, held)
        self._note_news(event)
        placed = [command for command in commands if isinstance(command, PlaceOrder)]
        if self.first_order is None:
            self.decisions += bool(commands)
            if placed:
                self.first_order = event, commands
        for order in placed:
            self.orders[order.client_order_id] = RecordedOrder(order, event.t_ns)
        self.timers |= {(command.timer, command.at_ns) for command in commands if isinstance(command, SetTimer)}

    def _note_news(self, event: AnyEvent) -> None:
        named, unnamed = about(event)
        if named is not None:
            self.about[event.seq] = named
        elif unnamed is not None:
            self._unnamed[event.seq] = unnamed
        if named is not None or unnamed is not None:
            self._news[event.seq] = event.t_ns

    def way_ns(self, venue: str) -> int:
        """Return half of what most orders of the run at a venue waited for their first news; 0 where none had any there."""
        orders = [order for order in self.orders.values() if order.command.venue == venue]
        waited = [order.news_ns - order.placed_ns for order in orders if order.news_ns is not None]
        return median_low(waited) // 2 if waited else 0

    def finish(self) -> None:
        """Find whose every piece of news is, and what each order took."""
        ours = {order.venue_order_id: order.client_order_id for order in self.rows.orders.values()}
        for seq, venue_order_id in self._unnamed.items():
            if (name := ours.get(venue_order_id)) is not None:
                self.about[seq] = name
        for seq in sorted(self.about):
            order = self.orders.get(self.about[seq])
            if order is not None and order.news_ns is None:
                order.news_ns = self._news[seq]
        for record in self.rows.orders.values():
            order = self.orders.get(record.client_order_id or "")
            if order is None:
                continue
            order.venue_order_id = record.venue_order_id
            order.fills = tuple(fill_of(fill, record) for fill in self.rows.fills_of([record]))
            if order.fills:
                order.filled_ns = min(fill.event_ns for fill in order.fills) - self._offsets.get(record.venue, 0)


def levels_of(fills: Iterable[Level]) -> tuple[Level, ...]:
    """Return how much was taken at each price."""
    taken: dict[Decimal, Decimal] = defaultdict(lambda: ZERO)
    for price, size in fills:
        taken[price] += size
    return tuple(sorted(taken.items()))


def about(event: AnyEvent) -> tuple[str | None, str | None]:
    """Return which order an event is about: by our name for it, else by the venue's; (None, None) for any other event."""
    match event:
        case OrderAccepted() | OrderRejected() | OutcomeUnknown() | OrderQueried() | CancelAnswered():
            return event.client_order_id, None
        case OrderUpdated(report=news) | OrderFilled(fill=news):
            return news.client_order_id, news.venue_order_id
    return None, None


def _booked(pair: PairRecord) -> int:
    """Return what is booked of a pair, in 1e-8 of its quote: of coins that are not proved to be the same it is in no sum."""
    if pair.state not in ENDED or pair.waterfall is None or pair.identity is not None:
        return 0
    return pair.waterfall.realised_net_e8
