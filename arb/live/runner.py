"""The loop: frames to the market plane, events one by one through the engine, commands journalled and then performed.

One sequence numbers everything, in the order in which it is taken. Frames are applied as they arrive; events wait in one
queue. The engine acts on `QueueDrained`, when the queue is empty and the sockets of the books to be decided hold no unread
bytes. That is the turn of the loop in which the last frame arrived, so no decision uses a state that the venue has already
changed. A socket with lasting unread bytes delays only its own books, and after 50 ms none: `QueueDrained` names it, and the
engine decides which books to trust. The orders of an opening leave once its intent is written, and the journal takes their
step right after. Every other command leaves only after the journal has taken it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Protocol

import msgspec

from arb.clock import NS_PER_MS, Clock
from arb.core.engine import Engine
from arb.core.messages.commands import Alert, AnyCommand, Finish, Persist, PlaceOrder, RequestBook, divide
from arb.core.messages.events import (
    NOT_JOURNALLED,
    AnyEvent,
    OrderRejected,
    QueueDrained,
    StoreStateChanged,
    TroubleReported,
)
from arb.core.messages.incidents import IncidentKind
from arb.core.messages.intents import Intent
from arb.core.messages.records import IncidentRecord, OpportunityRecord, PairRecord
from arb.errors import ArbError, StoreError
from arb.live.delays import DECISION, ENTRY, INTENT, ORDER, WRITE, Delays
from arb.market.feed import NOTHING, FrameResult
from arb.measured_loop import Turns
from arb.store.journal.reader import Row
from arb.venues.kit.base import MarketFeed

log = logging.getLogger(__name__)

QUEUE_LIMIT = 100_000
BACKLOG_NS = 50 * NS_PER_MS
"""How long a socket may have unread bytes without a break before they are waited for no longer."""
TURNS_WAITED = 8
"""How many turns of the loop unread bytes are waited for; after that they are waited for by the clock."""
POLL_S = 0.001
_NONE: frozenset[str] = frozenset()
OnAlert = Callable[[str, int | None], None]
"""Called with the text of an alert, and the id of the pair it is about, if any."""


class JournalWriter(Protocol):
    """The runner's view of the journal. `reserve_touched`: it uses its disk reserve, so only repairs may continue."""

    reserve_touched: bool

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write the intents of orders about to leave; raise `StoreError` when they must not, since the intent would be lost."""

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        """Write one event and its commands in one transaction; raise `StoreError` with nothing written."""


class LedgerWriter(Protocol):
    """The runner's view of the ledger; neither call blocks."""

    def submit(self, rows: Sequence[Row]) -> None:
        """Take class-1 rows, already journalled."""

    def submit_untraded(self, record: OpportunityRecord) -> None:
        """Take a class-2 row, or count it as dropped."""


class Performer(Protocol):
    def perform(self, commands: tuple[AnyCommand, ...]) -> None:
        """Start performing commands; outcomes return as events."""


class TapeWriter(Protocol):
    def frame(self, seq: int, received_ns: int, connection: str, raw: bytes, url: str = "") -> None: ...

    def event(self, event: AnyEvent) -> None: ...


class Runner:
    """Joins feeds, engine, journal, ledger and executor on one event loop; `feeds` are the public ones, by connection."""

    def __init__(
        self,
        *,
        engine: Engine,
        journal: JournalWriter,
        ledger: LedgerWriter,
        executor: Performer,
        feeds: Mapping[str, MarketFeed],
        clock: Clock,
        last_seq: int,
        on_alert: OnAlert,
        tape: TapeWriter | None = None,
        turns: Turns | None = None,
        delays: Delays | None = None,
    ) -> None:
        self.engine = engine
        self.finished = asyncio.Event()
        self.fatal: Exception | None = None
        self.seq = last_seq
        self._journal = journal
        self._ledger = ledger
        self._executor = executor
        self._feeds = feeds
        self._clock = clock
        self._alert = on_alert
        self._tape = tape
        self._loop_turns = Turns() if turns is None else turns
        delays = Delays(clock) if delays is None else delays
        self._to_decision, self._to_order = delays.of(DECISION), delays.of(ORDER)
        self._intents, self._entries = delays.of(WRITE, INTENT), delays.of(WRITE, ENTRY)
        # When the first frame was received that waits for a decision; 0: none does.
        self._tick_ns = 0
        self._queue: deque[AnyEvent] = deque()
        self._scheduled: asyncio.Handle | None = None
        self._poll: asyncio.TimerHandle | None = None
        self._turns = 0
        # Since when bytes have waited on a connection without a break.
        self._unread_since_ns: dict[str, int] = {}
        self._unwritten: deque[tuple[AnyEvent, tuple[AnyCommand, ...]]] = deque()
        self._journal_blocked = False
        self._sync_failure: str | None = None

    def on_frame(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        """Take one public frame of a connection, or the answer fetched from `url` for it, in order of receipt."""
        if self.fatal is not None:
            return
        self.seq += 1
        if self._tape is not None:
            self._tape.frame(self.seq, received_ns, connection, raw, url)
        result = self.engine.on_frame(connection, received_ns, raw, url)
        if result is not NOTHING:
            self._follow(connection, result)
        if self.engine.wants_drain:
            self._tick_ns = self._tick_ns or received_ns
            self._wake()

    def on_taken(self, count: int, looked_at: tuple[str, int] | None, received_ns: int) -> None:
        """Record `count` frames that compiled code has applied one after the other.

        `looked_at`: the connection of the last one, received at `received_ns`, and its row + 1, where Python must follow it
        up.
        """
        self.seq += count
        if looked_at is not None:
            self.engine.look_at(*looked_at, received_ns)
        if self.engine.wants_drain:
            self._tick_ns = self._tick_ns or received_ns
            self._wake()

    def _follow(self, connection: str, result: FrameResult) -> None:
        """Request the resyncs of a frame, and report its findings."""
        for resync in result.resyncs:
            self._feeds[connection].resync(resync.native_symbol, resync.by)
        if result.notice is not None:
            self._feeds[connection].on_notice(result.notice)
        if result.finer:
            text = (
                f"{result.finer} at {connection} has levels finer than its listed steps allow for: they are kept exactly and "
                "shown rounded against us"
            )
            self.emit(TroubleReported(kind=IncidentKind.FINE_LEVELS, text=text))
        for native_symbol in result.differs:
            text = f"{native_symbol} at {connection}: compiled code has another book than the plain reader, which is believed"
            self.emit(TroubleReported(kind=IncidentKind.BOOKS_DIFFER, text=text))

    @property
    def busy(self) -> bool:
        """Return whether `on_frame` must take every single frame now: one more may let the engine act."""
        return self.fatal is not None or self.engine.wants_drain

    def on_read(self) -> None:
        """Let the engine act in this turn of the loop: all received bytes of a socket have been processed."""
        self._loop_turns.cause = "frames"
        if self._scheduled is None or self.fatal is not None:
            return
        unread = self.unread()
        if unread and self.engine.waits_for(unread):
            return  # the scheduled call checks again
        self._scheduled.cancel()
        self._pump(unread)

    def emit(self, event: AnyEvent) -> None:
        """Take one event; called by gateways, executor and control, on the loop's thread."""
        if len(self._queue) >= QUEUE_LIMIT:
            self.fail(ArbError(f"more than {QUEUE_LIMIT} events wait: the engine cannot keep up"))
            return
        self._queue.append(event)
        self._wake()

    def take(self, event: AnyEvent) -> None:
        """Take one event at once, ahead of the queue; for the start of a run, before anything else is under way."""
        self._take(event)

    def obey(self, request: AnyEvent) -> str:
        """Take a user's halt, resume or flatten at once; return "" when it is journalled, else its fate.

        A user who reads that it is done may kill the process in that instant, and relies on it after the next start.
        """
        try:
            self._take(request)
        except Exception as error:  # as at the top of the loop: whatever it is, trading stops
            self.fail(error)
            return f"trading stops: {error}"
        return (
            "obeyed, but not written down: the journal takes no rows, so it holds until a restart"
            if self._unwritten
            else ""
        )

    @property
    def idle(self) -> bool:
        """Return whether nothing waits for the engine, and nothing of ours is open."""
        return not self._queue and not self.engine.wants_drain

    def on_synced(self, failure: str | None) -> None:
        """Take the cause why the journal is not durable, or None; until it is, nothing opens, and open pairs are finished."""
        self._sync_failure = failure
        self._judge_journal()

    def _wake(self) -> None:
        if self._scheduled is None and self.fatal is None:
            self._scheduled = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self, unread: list[str] | None = None) -> None:
        """Take the waiting events, and let the engine act; `unread`: connections with unread bytes, if just asked."""
        self._scheduled = None
        try:
            if self._queue:
                unread = None
            for _ in range(len(self._queue)):
                self._take(self._queue.popleft())
            self._drain(self.unread() if unread is None else unread)
        except Exception as error:  # the top of the loop: whatever it is, trading stops
            self.fail(error)

    def unread(self) -> list[str]:
        return [name for name, feed in self._feeds.items() if feed.unread()]

    def _drain(self, unread: list[str]) -> None:
        """Let the engine act on everything that need not wait for unread bytes, and check again where some wait."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        if not unread:
            self._turns = 0
            self._unread_since_ns.clear()
        else:
            now_ns, since_ns = self._clock.monotonic_ns(), self._unread_since_ns
            self._unread_since_ns = {name: since_ns.get(name, now_ns) for name in unread}
            self._turns += 1
        if self._queue or (0 < self._turns < TURNS_WAITED and self.engine.waits_for(unread)):
            self._wake()
            return
        if self.engine.wants_drain:
            backlogged = tuple(name for name in unread if now_ns - self._unread_since_ns[name] >= BACKLOG_NS)
            awaited = tuple(name for name in unread if name not in backlogged)
            self._take(QueueDrained(unread=awaited, backlogged=backlogged))
            if self.engine.wants_turn:
                self._wake()
        self._tick_ns = 0
        if unread and self.fatal is None:
            self._poll = asyncio.get_running_loop().call_later(POLL_S, self._wake)

    def _take(self, event: AnyEvent) -> None:
        """Take one event in two halves: its openings leave between them, once the intents are written."""
        self.seq += 1
        self._loop_turns.cause = "events"
        stamped = msgspec.structs.replace(event, seq=self.seq, t_ns=self._clock.wall_ns())
        intents = self.engine.begin(stamped)
        decided_ns = self._clock.wall_ns()
        refusal = self._send(intents, decided_ns) if intents else None
        if self._tick_ns and type(event) is QueueDrained:
            self._to_decision.add(decided_ns - self._tick_ns)
        if self._tape is not None:
            self._tape.event(stamped)
        commands = self.engine.finish()
        for record in self.engine.take_untraded():
            self._ledger.submit_untraded(record)
        if not commands and type(event) is QueueDrained:
            return
        sent = _NONE
        if refusal is not None:
            commands = self._refuse(commands, refusal)
        elif intents:
            sent = frozenset(place.client_order_id for intent in intents for place in intent.places)
        self._unwritten.append((stamped, commands))
        if self._write(sent):
            self._perform(commands, sent)

    def _send(self, intents: Iterable[Intent], decided_ns: int) -> StoreError | None:
        """Send the openings decided at `decided_ns`; return why none of their orders has left, None when all have."""
        if self._unwritten:
            return StoreError("the journal lacks earlier events")
        try:
            self._journal.intend(intents)
        except StoreError as error:
            self._sync_failure = str(error)  # until the next sync reports otherwise
            return error
        written_ns = self._clock.wall_ns()
        self._executor.perform(tuple(place for intent in intents for place in intent.places))
        if self._tick_ns:
            self._to_order.add(self._clock.wall_ns() - self._tick_ns)
        self._intents.add(written_ns - decided_ns)
        return None

    def _write(self, sent: Set[str]) -> bool:
        """Write the waiting entries, oldest first; return whether the newest, of which `sent` has left, was written too."""
        while self._unwritten:
            event, commands = self._unwritten[0]
            began_ns = self._clock.monotonic_ns()
            try:
                rows = self._journal.append(event, commands)
            except StoreError as error:
                self._on_journal_refused(error, sent)
                return False
            self._entries.add(self._clock.monotonic_ns() - began_ns)
            self._unwritten.popleft()
            if rows:
                self._ledger.submit(rows)
        self._judge_journal()
        return True

    def _judge_journal(self) -> None:
        """Report when the journal begins or ends to be one that only repairs may be written to."""
        if self._journal.reserve_touched:
            self._block_journal("the disk is full and the reserve is in use")
        elif self._sync_failure is not None:
            self._block_journal(self._sync_failure)
        elif self._journal_blocked and not self._unwritten:
            self._journal_blocked = False
            self.emit(StoreStateChanged(store="journal", blocked=False, cause="the journal takes entries again"))

    def _block_journal(self, cause: str) -> None:
        if not self._journal_blocked:
            self._journal_blocked = True
            log.error("journal: %s", cause)
            self.emit(StoreStateChanged(store="journal", blocked=True, cause=cause))

    def _perform(self, commands: tuple[AnyCommand, ...], sent: Set[str]) -> None:
        """Perform the commands of a step, except for the orders that have left already."""
        for part in divide(commands):  # orders first
            outward = tuple(
                command
                for command in part
                if not isinstance(command, Persist | Alert | Finish | RequestBook)
                and not (isinstance(command, PlaceOrder) and command.client_order_id in sent)
            )
            if outward:
                self._executor.perform(outward)
        for command in commands:
            if isinstance(command, Alert):
                self._alert(command.text, _pair_of(command, commands))
            elif isinstance(command, Persist) and isinstance(command.record, PairRecord):
                pair = command.record
                log.debug("%s of %s is %s", pair.kind, pair.symbol, pair.state, extra={"pair_id": pair.id})
            elif isinstance(command, RequestBook):
                self._feeds[command.connection].resync(command.native_symbol)
            elif isinstance(command, Finish):
                self.finished.set()

    def _on_journal_refused(self, error: StoreError, sent: Set[str]) -> None:
        """Keep the newest entry for later, without its unsent orders: they must not leave without an entry."""
        event, commands = self._unwritten.pop()
        kept = self._refuse(commands, error, sent)
        self._unwritten.append((event, kept))
        self._perform(kept, sent)

    def _refuse(
        self, commands: tuple[AnyCommand, ...], error: StoreError, sent: Set[str] = _NONE
    ) -> tuple[AnyCommand, ...]:
        """Reject the orders of a step that have not left, and open nothing more; return its other commands."""
        self._block_journal(str(error))
        kept = tuple(c for c in commands if not isinstance(c, PlaceOrder) or c.client_order_id in sent)
        for command in commands:
            if isinstance(command, PlaceOrder) and command.client_order_id not in sent:
                self.emit(
                    OrderRejected(
                        venue=command.venue,
                        client_order_id=command.client_order_id,
                        code=NOT_JOURNALLED,
                        message=str(error),
                        sent_ns=0,
                        acked_ns=self._clock.wall_ns(),
                    )
                )
        return kept

    def fail(self, error: Exception) -> None:
        """Stop trading for good, after an error that must not happen."""
        if self.fatal is None:
            self.fatal = error
            log.critical("trading stops: %s", error, exc_info=not isinstance(error, ArbError))
            self._alert(f"trading stops: {error}", None)
            self.finished.set()


def _pair_of(alert: Alert, commands: Iterable[AnyCommand]) -> int | None:
    """Return the pair that an alert is about: that of its incident in the same step."""
    records = [command.record for command in commands if isinstance(command, Persist)]
    incidents = [record for record in records if isinstance(record, IncidentRecord)]
    return next((one.pair_trade_id for one in incidents if alert.text == f"{one.kind}: {one.text}"), None)
