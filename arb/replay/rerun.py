"""The tape of a run through the engine once more: the same frames and events must lead to the same commands.

Nothing is performed. The engine's commands are compared with those in the run's journal. The first difference ends the replay,
for it would cause all later ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from arb.core.engine import Engine
from arb.core.messages.commands import Alert, AnyCommand, Persist, PlaceOrder, SetTimer, last_states
from arb.core.messages.events import (
    NOT_JOURNALLED,
    AnyEvent,
    InstrumentListed,
    OrderRejected,
    QueueDrained,
    RunStarted,
    StoreStateChanged,
    VenueListed,
)
from arb.core.messages.records import (
    AlternativeRecord,
    DecisionBookRecord,
    FillRecord,
    IncidentRecord,
    OpportunityRecord,
    OrderRecord,
)
from arb.core.messages.recovery_records import ControlRecord, LegCostRecord
from arb.errors import StoreError
from arb.live.fast_books import compiled_feeds
from arb.market.arena import INT64_MAX
from arb.market.instrument import Instrument
from arb.replay.blocks import FrameBlocks
from arb.replay.tapes import OwnLines
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Entry
from arb.store.ledger.ledger import InlineLedger
from arb.store.tapes.line import TapeLine
from arb.venues.books.compiled.layout import AT_END, AT_ROW

Keep = Callable[[AnyEvent, tuple[AnyCommand, ...], list[OpportunityRecord]], None]

_events: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Difference(msgspec.Struct, frozen=True):
    """The first place where the replay differs from the run; `None` means no command at all."""

    seq: int
    expected: str | None
    got: str | None


class Prologue(msgspec.Struct, frozen=True):
    """The lines before the first that is neither the start, an instrument nor a store's state, and their content."""

    lines: tuple[TapeLine, ...]
    started: RunStarted
    instruments: tuple[Instrument, ...]


def read_prologue(lines: Iterator[TapeLine]) -> Prologue:
    """Take the beginning of a run off `lines`; the last line taken belongs to the rest and is in `lines` of the answer."""
    taken: list[TapeLine] = []
    started: RunStarted | None = None
    instruments: list[Instrument] = []
    for line in lines:
        taken.append(line)
        event = read_event(line) if line.kind == "event" else None
        if isinstance(event, RunStarted) and started is None:
            started = event
        elif isinstance(event, InstrumentListed):
            instruments.append(event.instrument)
        elif isinstance(event, VenueListed):
            instruments += event.instruments
        elif not isinstance(event, StoreStateChanged):  # a ledger that takes no rows is reported before the instruments
            break
    if started is None:
        raise StoreError("the tape holds no start of a run")
    return Prologue(tuple(taken), started, tuple(instruments))


def read_event(line: TapeLine) -> AnyEvent:
    """Return the event in a line; raises `StoreError` naming its number."""
    try:
        return _events.decode(line.raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise StoreError(f"tape line with seq {line.seq}: the event cannot be read: {error}") from None


class Judge:
    """Compares the engine's commands with the entries of the run's journal, which begin at its `RunStarted`.

    `same_rules`: the run was decided by the present rules. Else the timers that the engine sets are not compared: it may wake
    itself at other times, and the effects of that are on the tape. Nor are rows of orders that repeat the row before, nor the
    planned fees of fills and the books of decisions, which earlier versions did not keep.
    """

    def __init__(self, entries: Iterable[Entry], *, same_rules: bool = True) -> None:
        self.compared = 0
        self._same_rules = same_rules
        kept = (entry for entry in entries if not _is_retired(entry.message))
        groups = ((seq, list(group)) for seq, group in groupby(kept, attrgetter("seq")))
        self._groups = (one for one in groups if same_rules or not _not_compared(entry.message for entry in one[1]))
        # Orders missing in the journal because it refused them; an event of the run itself reports that.
        self._refused: dict[str, Difference] = {}
        self._orders: dict[int, OrderRecord] = {}

    def judge(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> Difference | None:
        if isinstance(event, OrderRejected) and event.code == NOT_JOURNALLED:
            self._refused.pop(event.client_order_id, None)
        if type(event) is QueueDrained and (not commands or (not self._same_rules and _not_compared(commands))):
            return None
        seq, entries = next(self._groups, (None, []))
        if seq != event.seq:
            expected_next = None if seq is None else f"the next entry is seq {seq}"
            return Difference(event.seq, expected_next, _text(event))
        self.compared += 1
        # Journals of earlier versions hold every state that a row went through in a step.
        expected = list(last_states([entry.message for entry in entries]))
        got: list[AnyEvent | AnyCommand] = [event, *commands]
        if not self._same_rules:
            expected, got = _compared(self._but_repeats(expected)), list(map(_but_planned_fee, _compared(got)))
            expected = list(map(_but_planned_fee, expected))
        if len(expected) < len(got) and PlaceOrder not in map(type, expected):
            got = [message for message in got if not self._set_aside(event.seq, message)]
        for wanted, found in zip(expected, got, strict=False):
            if wanted != found and _without_wording(wanted) != _without_wording(found):
                return Difference(event.seq, _text(wanted), _text(found))
        if len(expected) != len(got):
            at = min(len(expected), len(got))
            return Difference(event.seq, _at(expected, at), _at(got, at))
        return None

    def unanswered(self) -> Difference | None:
        """Return the first order that the journal lacks without an event that it refused it."""
        return next(iter(self._refused.values()), None)

    def _but_repeats(self, messages: list[AnyEvent | AnyCommand]) -> list[AnyEvent | AnyCommand]:
        """Return messages without rows of orders in which nothing changed: earlier versions wrote these down as well."""
        return [message for message in messages if not self._repeats(message)]

    def _repeats(self, message: AnyEvent | AnyCommand) -> bool:
        if not isinstance(message, Persist) or not isinstance(message.record, OrderRecord):
            return False
        before, self._orders[message.record.id] = self._orders.get(message.record.id), message.record
        return message.record == before

    def _set_aside(self, seq: int, message: AnyEvent | AnyCommand) -> bool:
        if isinstance(message, PlaceOrder):
            self._refused[message.client_order_id] = Difference(seq, None, _text(message))
            return True
        return False


class Rerun:
    def __init__(self, engine: Engine, keep: Keep, judge: Judge | None) -> None:
        self.engine = engine
        self.events = 0
        self.last_ns = 0
        self._keep = keep
        self._judge = judge

    def run(self, lines: Iterable[TapeLine]) -> Difference | None:
        """Take all lines, or those up to the first difference, which is returned.

        Where compiled code keeps the books it takes the frames of a tape in a row.
        """
        feeds = compiled_feeds(self.engine.state.books)
        if feeds and isinstance(lines, OwnLines):
            for source in lines.sources():
                source.name_feeds(feeds)
                if (difference := self._taken(FrameBlocks([source], clocked=False))) is not None:
                    return difference
        else:
            for line in lines:
                if (difference := self._line(line)) is not None:
                    return difference
        return None if self._judge is None else self._judge.unanswered()

    def _taken(self, blocks: FrameBlocks[TapeLine]) -> Difference | None:
        arena = self.engine.state.books.arena
        while (stop := blocks.take(INT64_MAX, self.last_ns)) != AT_END:
            self.last_ns = blocks.clock_ns
            if stop == AT_ROW:
                name, changed = blocks.looked_at
                self.engine.look_at(name, changed, arena.received_ns.item(changed - 1))
            elif (difference := self._line(blocks.next())) is not None:
                return difference
        self.last_ns = blocks.clock_ns
        return None

    def _line(self, line: TapeLine) -> Difference | None:
        self.last_ns = max(self.last_ns, line.received_ns)
        if line.kind == "event":
            return self._handle(read_event(line))
        self.engine.on_frame(line.origin, line.received_ns, line.raw.encode(), line.url if line.kind == "http" else "")
        return None

    def _handle(self, event: AnyEvent) -> Difference | None:
        self.events += 1
        commands = self.engine.handle(event)
        difference = None if self._judge is None else self._judge.judge(event, commands)
        if difference is None:
            self._keep(event, commands, self.engine.take_untraded())
        return difference


def _not_compared(messages: Iterable[AnyEvent | AnyCommand]) -> bool:
    """Return whether a drain led to nothing that is compared, without which it would not be an entry."""
    return all(isinstance(message, QueueDrained) for message in _compared(messages))


def _compared(messages: Iterable[AnyEvent | AnyCommand]) -> list[AnyEvent | AnyCommand]:
    return [message for message in messages if not (isinstance(message, SetTimer) or _is_book(message))]


def _is_retired(message: AnyEvent | AnyCommand) -> bool:
    return isinstance(message, Persist) and isinstance(message.record, AlternativeRecord | LegCostRecord)


def _is_book(message: AnyEvent | AnyCommand) -> bool:
    return isinstance(message, Persist) and isinstance(message.record, DecisionBookRecord)


def _but_planned_fee(message: AnyEvent | AnyCommand) -> AnyEvent | AnyCommand:
    if isinstance(message, Persist) and isinstance(message.record, FillRecord):
        return msgspec.structs.replace(message, record=msgspec.structs.replace(message.record, fee_expected_e8=None))
    return message


def _without_wording(message: AnyEvent | AnyCommand) -> AnyEvent | AnyCommand:
    """Return a message without the sentences it has for people: versions word them differently, and decide alike."""
    if isinstance(message, Alert):
        return msgspec.structs.replace(message, text="")
    if isinstance(message, Persist) and isinstance(message.record, IncidentRecord | ControlRecord):
        return msgspec.structs.replace(message, record=msgspec.structs.replace(message.record, text=""))
    return message


def _at(messages: Sequence[AnyEvent | AnyCommand], index: int) -> str | None:
    return _text(messages[index]) if index < len(messages) else None


def _text(message: AnyEvent | AnyCommand) -> str:
    return _encode(message).decode()


class Keeper:
    def __init__(self, journal: Journal, ledger: InlineLedger) -> None:
        self._journal = journal
        self._ledger = ledger

    def keep(self, event: AnyEvent, commands: tuple[AnyCommand, ...], untraded: list[OpportunityRecord]) -> None:
        """Write one event and its commands, as the runner does: a drain without commands is not worth a line."""
        for record in untraded:
            self._ledger.submit_untraded(record)
        if commands or type(event) is not QueueDrained:
            self._ledger.submit(self._journal.append(event, commands))
