"""The runner's part of a warm-up: a frame read off a websocket, the decision, the sending of its orders.

A real runner and a real executor do it, for an engine that decides on made-up books. All exits are blocked: no journal takes
an intent, an order's connection takes no byte, and no task waits for an answer.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from arb.clock import Clock
from arb.core.engine import Engine
from arb.core.messages.commands import AnyCommand, PlaceOrder
from arb.core.messages.events import AnyEvent
from arb.core.messages.intents import Intent
from arb.core.messages.records import OpportunityRecord
from arb.live.delays import Delays
from arb.live.placing import Placing, Tasks
from arb.live.runner import Runner
from arb.market.feed import FrameResult
from arb.store.journal.reader import Row
from arb.venues.kit.base import Departure, MarketFeed, OrderGateway
from arb.venues.transport.frames import FrameReader

_CHANGED = FrameResult(rows=(0,))
_FRAME = bytes((0x81, 126, 0, 200)) + bytes(200)


class WarmedRunner:
    """Takes frames, and sends orders that `depart` has prepared."""

    def __init__(self, engine: Engine, venues: Iterable[str], clock: Clock) -> None:
        self._asking = _Asking(engine)
        feeds = dict.fromkeys(venues, cast("MarketFeed", _NOTHING))
        self._gateways = {venue: _MadeReady() for venue in feeds}
        placing = Placing(
            cast("Mapping[str, OrderGateway]", self._gateways),
            _NoTasks(1),
            clock=clock,
            emit=lambda _: None,
            on_incident=lambda *_: None,
            delays=Delays(clock),
        )
        self._runner = _Runner(
            engine=cast("Engine", self._asking),
            journal=_NOTHING,
            ledger=_NOTHING,
            executor=_Entries(placing),
            feeds=feeds,
            clock=clock,
            last_seq=0,
            on_alert=lambda *_: None,
        )
        connection = next(iter(feeds))
        self._reader = FrameReader(lambda raw: self._runner.on_frame(connection, clock.wall_ns(), raw), lambda *_: None)

    def read(self) -> None:
        """Read a frame that is worth a decision, which finds nothing to open."""
        self._asking.wants_drain = True
        self._reader.space()[: len(_FRAME)] = _FRAME
        self._reader.take(len(_FRAME))
        self._runner.on_read()

    def send(self, intent: Intent, departures: Iterable[Departure]) -> None:
        for place, departure in zip(intent.places, departures, strict=True):
            self._gateways[place.venue].departure = departure
        self._runner.hand_on((intent,))


class _Runner(Runner):
    """A runner that schedules no call on the loop: the warm-up calls it."""

    def _wake(self) -> None:
        self._scheduled = cast("asyncio.Handle", _NOTHING)

    def hand_on(self, intents: Sequence[Intent]) -> None:
        self._send(intents, self._clock.wall_ns())


class _Asking:
    """The engine for this runner: each frame is worth a decision, and none opens anything."""

    wants_turn = False

    def __init__(self, engine: Engine) -> None:
        self.wants_drain = False
        self._engine = engine

    def on_frame(self, name: str, received_ns: int, raw: bytes, url: str = "") -> FrameResult:
        return _CHANGED

    def waits_for(self, unread: Collection[str]) -> bool:
        return False

    def begin(self, event: AnyEvent) -> tuple[Intent, ...]:
        self.wants_drain = False
        return self._engine.begin(event)

    def finish(self) -> tuple[AnyCommand, ...]:
        return ()

    def take_untraded(self) -> list[OpportunityRecord]:
        return []


class _Nothing:
    """A feed without bytes, a handle, a journal, a ledger and a task of a warm-up: nothing begins, and nothing is written."""

    reserve_touched = False

    def unread(self) -> bool:
        return False

    def cancel(self) -> None:
        pass

    def intend(self, intents: Iterable[Intent]) -> None:
        pass

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        raise AssertionError("a warm-up has no journal")

    def submit(self, rows: Sequence[Row]) -> None:
        pass

    def submit_untraded(self, record: OpportunityRecord) -> None:
        pass

    def add_done_callback(self, call: Callable[[object], None]) -> None:
        call(self)


_NOTHING = _Nothing()


class _Entries:
    def __init__(self, placing: Placing) -> None:
        self._placing = placing

    def perform(self, commands: tuple[AnyCommand, ...]) -> None:
        self._placing.enter([command for command in commands if isinstance(command, PlaceOrder)])


class _MadeReady:
    departure: Departure

    def prepare(self, command: PlaceOrder) -> Departure:
        return self.departure


class _NoTasks(Tasks):
    def spawn(self, work: Any) -> Any:
        work.close()
        return _NOTHING
