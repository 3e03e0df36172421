"""Small stand-ins for everything around the runner: an engine that does as it was told, stores, sockets, a tape."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from decimal import Decimal
from typing import Any

from arb.clock import ManualClock
from arb.core.messages.commands import AnyCommand, CancelOrder, PlaceOrder
from arb.core.messages.events import AnyEvent, FeedUp, QueueDrained
from arb.core.messages.intents import Intent
from arb.core.messages.records import OpportunityRecord
from arb.errors import StoreError
from arb.live.delays import Delays
from arb.live.runner import Runner
from arb.market.feed import NOTHING, FrameResult, ResyncBy
from arb.market.order import Role, Side, TimeInForce
from arb.store.journal.reader import Row

START_NS = 1_760_000_000_000_000_000


def a_place(name: str = "a1") -> PlaceOrder:
    """Return the command to send an order."""
    return PlaceOrder(
        cause=0,
        venue="gate",
        symbol="BTC/USDT",
        client_order_id=name,
        role=Role.ENTRY,
        side=Side.BUY,
        tif=TimeInForce.IOC,
        price=Decimal(100),
        size=Decimal(1),
        expires_ns=START_NS,
    )


def a_cancel(name: str = "a1") -> CancelOrder:
    """Return the command to cancel an order."""
    return CancelOrder(cause=0, venue="gate", symbol="BTC/USDT", client_order_id=name, venue_order_id=None)


class ScriptedEngine:
    """Answers each event with what `script` says for its type, and remembers everything."""

    def __init__(self) -> None:
        self.script: dict[type, Callable[[], tuple[AnyCommand, ...]]] = {}
        self.handled: list[AnyEvent] = []
        self.frames: list[tuple[str, int, bytes]] = []
        self.frame_result: FrameResult = NOTHING
        self.untraded: list[OpportunityRecord] = []
        self.wants_drain = False
        self.wants_turn = False
        self.opening: tuple[Intent, ...] = ()
        """What each drain opens."""
        self.waits = True

    def waits_for(self, unread: Collection[str]) -> bool:
        return self.waits

    def on_frame(self, venue: str, received_ns: int, raw: bytes, url: str = "") -> FrameResult:
        self.frames.append((venue, received_ns, raw))
        return self.frame_result

    def begin(self, event: AnyEvent) -> tuple[Intent, ...]:
        self.handled.append(event)
        self.wants_drain = self.wants_drain and not isinstance(event, QueueDrained)
        return self.opening if isinstance(event, QueueDrained) else ()

    def finish(self) -> tuple[AnyCommand, ...]:
        return self.script.get(type(self.handled[-1]), tuple)()

    def take_untraded(self) -> list[OpportunityRecord]:
        taken, self.untraded = self.untraded, []
        return taken


class Shell:
    """A runner among stand-ins; `log` tells in which order things happened outside the engine."""

    def __init__(self, last_seq: int = 0) -> None:
        self.log: list[tuple[str, Any]] = []
        self.engine = ScriptedEngine()
        self.clock = ManualClock(START_NS)
        self.delays = Delays(self.clock)
        self.refuses: str | None = None
        self.no_place: str | None = None
        self.reserve_touched = False
        self.waiting = False
        self.resyncs: list[str] = []
        self.alerts: list[str] = []
        self.taped: list[tuple[int, str]] = []
        self.runner = Runner(
            engine=self.engine,  # type: ignore[arg-type]
            journal=self,
            ledger=self,
            executor=self,
            feeds={"gate": self},  # type: ignore[dict-item]
            clock=self.clock,
            last_seq=last_seq,
            on_alert=lambda text, pair_id: self.alerts.append(text),
            tape=_FakeTape(self),
            delays=self.delays,
        )

    # The journal.

    def intend(self, intents: Iterable[Intent]) -> None:
        if self.no_place is not None:
            raise StoreError(self.no_place)
        self.log.append(("intent", tuple(place.client_order_id for intent in intents for place in intent.places)))

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        if self.refuses is not None:
            raise StoreError(self.refuses)
        self.log.append(("journal", (type(event).__name__, tuple(type(c).__name__ for c in commands))))
        return (("row", event.seq),)  # type: ignore[return-value]

    # The ledger.

    def submit(self, rows: Any) -> None:
        self.log.append(("ledger", rows))

    def submit_untraded(self, record: OpportunityRecord) -> None:
        self.log.append(("untraded", record))

    # The executor.

    def perform(self, commands: tuple[AnyCommand, ...]) -> None:
        self.log.append(("perform", tuple(type(c).__name__ for c in commands)))

    # The feed.

    def resync(self, native_symbol: str, by: ResyncBy = ResyncBy.RESUBSCRIBE) -> None:
        self.resyncs.append(native_symbol)

    def unread(self) -> bool:
        return self.waiting

    def reported(self, what: str) -> list[Any]:
        """Return what happened of one kind."""
        return [content for kind, content in self.log if kind == what]

    def handled(self) -> list[str]:
        """Return the names of the events the engine was told."""
        return [type(event).__name__ for event in self.engine.handled]


class _FakeTape:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def frame(self, seq: int, received_ns: int, connection: str, raw: bytes, url: str = "") -> None:
        self._shell.taped.append((seq, "frame"))

    def event(self, event: AnyEvent) -> None:
        self._shell.taped.append((event.seq, type(event).__name__))


def up() -> FeedUp:
    """Return an event that means nothing in particular."""
    return FeedUp(venue="gate")


async def turns(count: int = 20) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def on_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine to its end."""
    asyncio.run(work())
