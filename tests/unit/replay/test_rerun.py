"""A run's tape run again: the same commands, or the first difference with its number."""

import random
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

import msgspec
import pytest

from arb.clock import NS_PER_MS, ManualClock
from arb.core.accounts.restart import Restored
from arb.core.engine import Engine
from arb.core.messages.commands import Alert, AnyCommand, Persist, PlaceOrder, SnapshotAccount
from arb.core.messages.events import (
    NOT_JOURNALLED,
    AccountSnapshotTaken,
    AnyEvent,
    ClockMeasured,
    FeedDown,
    FeedUp,
    HaltAsked,
    InstrumentListed,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    PrivateUp,
    QueueDrained,
    RunEnded,
    RunStarted,
    StoreStateChanged,
    VenueListed,
)
from arb.core.messages.records import AlternativeRecord, DecisionBookRecord, IncidentRecord, RunRecord
from arb.core.messages.recovery_records import ControlRecord, LegCostRecord
from arb.core.messages.settings import Limits, RepairPolicy, SymbolLimits, Timing, VenueLimits
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.errors import InvariantError, StoreError
from arb.live.universe import books_of, connections_of, universe_of
from arb.market.feed import further_name, split_books, venue_of
from arb.market.instrument import Instrument
from arb.replay.rerun import Difference, Judge, Rerun, read_prologue
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Entry
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import TapeHead, decode_head, encode_head
from tests.builders import D, a_balance, a_fill, a_report, an_instrument
from tests.unit.replay.makings import START_S, one_dislocation
from tests.unit.store.rows import an_alternative

START_NS = START_S * 1_000_000_000
VENUES = ("gate", "okx")
INSTRUMENTS = tuple(
    an_instrument(venue, native_symbol="BTC_USDT" if venue == "gate" else "BTC-USDT", lot=D(1), min_size=D(1))
    for venue in VENUES
)
A_LEG_COST = LegCostRecord(id=1, symbol="", buy_venue="gate", sell_venue="okx", ns=5, cost_e8=0, notional_e8=1)
FINER = msgspec.structs.replace(INSTRUMENTS[0], tick=D("0.00001"))
_encode = msgspec.json.Encoder(decimal_format="string").encode


# Gate's first connection carries another symbol, and what is traded comes by its second.
APART = (*(an_instrument(venue, "ETH/USDT") for venue in VENUES), *INSTRUMENTS)


def settings_with(limits: Limits) -> EngineSettings:
    return EngineSettings(
        limits=limits,
        timing=Timing(),
        repair=RepairPolicy(),
        venues=tuple(VenueProfile(venue, PlaceRate(10, 1000), True) for venue in VENUES),
        symbols=("BTC/USDT",),
    )


def an_engine(
    instruments: Iterable[Instrument] = INSTRUMENTS, gate_limit: int = 100, settings: EngineSettings | None = None
) -> Engine:
    """Return an engine as a run would build it; `gate_limit`: how many books one connection to Gate carries."""
    settings = settings or settings_with(Limits())
    universe = universe_of(instruments)
    gate = split_books("gate", [i.native_symbol for i in universe.instruments if i.venue == "gate"], gate_limit)
    return Engine(settings, books_of(universe, Timing(), connections_of(universe) | gate))


class InMemoryRun:
    """One pair at one dislocation, with its tape and its journal.

    `refusing`: the journal does not take orders. `apart`: Gate's frames come by its second connection, which is lost
    for a moment before the dislocation. `finer`: Gate lists finer steps while the books stand, before the dislocation.
    `busy`: bytes wait on a connection at every drain, which is repeated as when nobody waits for them any more.
    """

    def __init__(
        self,
        *,
        refusing: bool = False,
        apart: bool = False,
        finer: bool = False,
        busy: str = "",
        settings: EngineSettings | None = None,
    ) -> None:
        self.engine = an_engine(APART, 1) if apart else an_engine(settings=settings)
        self.tape: list[TapeLine] = []
        self.now_ns = START_NS
        self._refusing = refusing
        self._journal = Journal.in_memory(ManualClock(START_NS), random.Random(1))
        self.orders: list[PlaceOrder] = []
        accounts = {venue: f"{venue}:t" for venue in VENUES}
        self.tell(
            RunStarted(run_id=1, nonce=1, mode="sandbox", sandbox_id="s", account_ids=accounts, seed=1, version="t")
        )
        for venue, listed in groupby(APART if apart else INSTRUMENTS, attrgetter("venue")):
            self.tell(VenueListed(venue=venue, instruments=tuple(listed)))
        for venue in VENUES:
            self.tell(ClockMeasured(venue=venue, offset_ns=0, error_ns=0))
            self.tell(a_balance(venue, {"USDT": "100000", "BTC": "10"}, asked_ns=self.now_ns))
            self.tell(a_balance(venue, {"USDT": "100000", "BTC": "10"}, asked_ns=self.now_ns))
            self.tell(PrivateUp(venue=venue))
        lines = one_dislocation().lines
        if apart:
            self._frame("gate#2", lines[0]["raw"])
            self.tell(FeedDown(venue="gate", connection="gate#2", cause="reset"))
            self.tell(FeedUp(venue="gate", connection="gate#2"))
        for number, line in enumerate(lines):
            if finer and number == 2:
                self.tell(InstrumentListed(instrument=FINER))
            self.now_ns = round(line["t"] * 1000) * NS_PER_MS
            self._frame("gate#2" if apart and line["venue"] == "gate" else line["venue"], line["raw"])
            if busy:
                self.tell(QueueDrained(unread=(busy,)))
            self.tell(QueueDrained(backlogged=(busy,) if busy else ()))
            self._answer()
        self.tell(RunEnded(exit_code=0))

    @property
    def entries(self) -> list[Entry]:
        """Return the journal."""
        return list(self._journal.reader().entries())

    def tell(self, event: AnyEvent) -> None:
        """Let the engine take an event."""
        stamped = msgspec.structs.replace(event, seq=len(self.tape) + 1, t_ns=self.now_ns)
        self._line("event", getattr(event, "venue", ""), _encode(stamped).decode())
        commands = self.engine.handle(stamped)
        placed = [command for command in commands if isinstance(command, PlaceOrder)]
        self.orders += placed
        kept = tuple(c for c in commands if not (self._refusing and isinstance(c, PlaceOrder)))
        if commands or type(event) is not QueueDrained:
            self._journal.append(stamped, kept)
        for command in commands:
            if isinstance(command, SnapshotAccount):
                self.tell(self._nothing_at(command.venue))

    def _nothing_at(self, venue: str) -> AccountSnapshotTaken:
        return AccountSnapshotTaken(
            venue=venue,
            complete=True,
            orders=(),
            fills=(),
            transfers=(),
            transfers_complete=True,
            started_ns=self.now_ns,
        )

    def _frame(self, connection: str, raw: str) -> None:
        self._line("ws", connection, raw)
        self.engine.on_frame(connection, self.now_ns, raw)

    def _line(self, kind: str, origin: str, raw: str) -> None:
        seq, venue, connection = len(self.tape) + 1, venue_of(origin), further_name(origin)
        self.tape.append(
            TapeLine(self.now_ns / 1e9, venue, kind, raw, "", seq, self.now_ns, connection)  # type: ignore[arg-type]
        )

    def _answer(self) -> None:
        waiting, self.orders = self.orders, []
        for number, order in enumerate(waiting):
            if self._refusing:
                self.tell(
                    OrderRejected(
                        venue=order.venue,
                        client_order_id=order.client_order_id,
                        code=NOT_JOURNALLED,
                        message="full",
                        sent_ns=0,
                        acked_ns=self.now_ns,
                    )
                )
                continue
            size = str(order.size)
            self.tell(
                OrderAccepted(
                    venue=order.venue,
                    client_order_id=order.client_order_id,
                    report=a_report(order, size),
                    sent_ns=self.now_ns,
                    acked_ns=self.now_ns,
                )
            )
            self.tell(OrderFilled(fill=a_fill(order, size, trade_id=str(number), fee="0.1", at_ns=self.now_ns)))


class Kept:
    """What a replay writes down."""

    def __init__(self) -> None:
        self.commands: list[AnyCommand] = []

    def __call__(self, event: AnyEvent, commands: tuple[AnyCommand, ...], untraded: object) -> None:
        self.commands.extend(commands)


def rerun(
    tape: list[TapeLine], entries: list[Entry] | None, engine: Engine | None = None, *, same_rules: bool = True
) -> tuple[Difference | None, Rerun, Kept, Judge | None]:
    """Run a tape again beside a journal."""
    kept = Kept()
    judge = None if entries is None else Judge(entries, same_rules=same_rules)
    again = Rerun(engine or an_engine(), kept, judge)
    return again.run(tape), again, kept, judge


def test_a_frame_that_differs_leads_to_the_first_command_that_differs() -> None:
    run = InMemoryRun()
    at = next(index for index, line in enumerate(run.tape) if '"101.0"' in line.raw)
    run.tape[at] = msgspec.structs.replace(run.tape[at], raw=run.tape[at].raw.replace('"101.0"', '"101.1"'))
    difference, *_ = rerun(run.tape, run.entries)
    assert difference is not None
    assert difference.seq == at + 2, "the drain that follows the frame"
    assert difference.expected is not None and difference.got is not None
    assert difference.expected != difference.got


def test_an_event_the_journal_does_not_know_is_a_difference() -> None:
    run = InMemoryRun()
    without = [entry for entry in run.entries if entry.seq != 4]
    difference, *_ = rerun(run.tape, without)
    assert difference is not None
    assert (difference.seq, difference.expected) == (4, "the next entry is seq 5")
    assert difference.got is not None and "ClockMeasured" in difference.got


def test_a_journal_that_ends_early_is_a_difference() -> None:
    run = InMemoryRun()
    last = run.tape[-1].seq
    difference, *_ = rerun(run.tape, [entry for entry in run.entries if entry.seq != last])
    assert difference is not None and (difference.seq, difference.expected) == (last, None)


def test_a_command_more_or_less_is_a_difference() -> None:
    run = InMemoryRun()
    entries = run.entries
    cut = next(index for index, entry in enumerate(entries) if isinstance(entry.message, Persist))
    difference, *_ = rerun(run.tape, entries[:cut] + entries[cut + 1 :])
    assert difference is not None and difference.seq == entries[cut].seq
    row = entries[cut].message
    assert isinstance(row, Persist) and isinstance(row.record, RunRecord)
    other = msgspec.structs.replace(row, record=msgspec.structs.replace(row.record, id=99))
    difference, *_ = rerun(run.tape, with_a_row_more(entries, cut, other))
    assert difference is not None and (difference.seq, difference.got) == (entries[cut].seq, None)


def test_a_row_written_twice_in_a_step_as_by_earlier_versions_is_judged_by_its_last_state() -> None:
    run = InMemoryRun()
    cut = next(index for index, entry in enumerate(run.entries) if isinstance(entry.message, Persist))
    row = run.entries[cut].message
    assert isinstance(row, Persist) and isinstance(row.record, RunRecord)
    before = msgspec.structs.replace(row, record=msgspec.structs.replace(row.record, mode="none yet"))
    entries = list(run.entries)
    entries[cut] = entries[cut]._replace(message=before)
    assert rerun(run.tape, with_a_row_more(entries, cut, row))[0] is None
    difference, *_ = rerun(run.tape, with_a_row_more(run.entries, cut, before))
    assert difference is not None and difference.expected is not None and "none yet" in difference.expected


def test_a_journal_of_before_decisions_kept_their_books_is_repeated_without_them() -> None:
    run = InMemoryRun()
    entries = [entry for entry in run.entries if not _has_a_book(entry)]
    assert len(entries) == len(run.entries) - 2
    difference, _, _, judge = rerun(run.tape, entries, same_rules=False)
    assert difference is None and judge is not None and judge.compared > 10
    difference, *_ = rerun(run.tape, entries)
    assert difference is not None and difference.got is not None and "DecisionBookRecord" in difference.got


@pytest.mark.parametrize("row", [an_alternative(), A_LEG_COST])
def test_rows_that_only_earlier_versions_wrote_are_not_compared(row: AlternativeRecord | LegCostRecord) -> None:
    run = InMemoryRun()
    cut = next(index for index, entry in enumerate(run.entries) if isinstance(entry.message, Persist))
    assert rerun(run.tape, with_a_row_more(run.entries, cut, Persist(cause=1, record=row)))[0] is None


def _has_a_book(entry: Entry) -> bool:
    return isinstance(entry.message, Persist) and isinstance(entry.message.record, DecisionBookRecord)


@pytest.mark.parametrize("kind", ["carried", "late_fill"])
def test_another_wording_is_no_difference_and_another_incident_is(kind: str) -> None:
    def step(kind: str, text: str) -> tuple[AnyCommand, ...]:
        incident = IncidentRecord(
            id=1, run_id=1, ns=5, kind=kind, severity="critical", venue=None, pair_trade_id=1, cost_e8=None, text=text
        )
        control = ControlRecord(
            halted="asked", day_utc="2026-01-01", day_net_e8=0, consecutive_losses=0, ns=5, text=text
        )
        return (
            Persist(cause=4, record=incident),
            Persist(cause=4, record=control),
            Alert(cause=4, text=f"{kind}: {text}"),
        )

    event = HaltAsked(seq=4, t_ns=5, reason="a test")
    entries = [
        Entry(4, sub, 5, message) for sub, message in enumerate((event, *step("carried", "as it was said then")))
    ]
    difference = Judge(entries).judge(event, step(kind, "as it is said now"))
    assert (difference is None) == (kind == "carried")


def with_a_row_more(entries: list[Entry], cut: int, row: Persist) -> list[Entry]:
    """Return the journal with a row more at the end of the step that entry `cut` belongs to."""
    seq = entries[cut].seq
    end = max(index for index, entry in enumerate(entries) if entry.seq == seq) + 1
    return [*entries[:end], Entry(seq, 99, entries[cut].t_ns, row), *entries[end:]]


def test_an_event_that_cannot_be_read_names_its_number() -> None:
    run = InMemoryRun()
    run.tape[3] = msgspec.structs.replace(run.tape[3], raw='{"type":"Martian"}')
    with pytest.raises(StoreError, match="seq 4"):
        rerun(run.tape, None)


def test_a_tape_without_a_start_is_refused() -> None:
    with pytest.raises(StoreError, match="no start"):
        read_prologue(iter(InMemoryRun().tape[1:]))


def test_an_order_missing_from_the_journal_is_a_difference_unless_the_run_was_told_so() -> None:
    run = InMemoryRun(refusing=True)
    assert rerun(run.tape, run.entries)[0] is None
    honest = InMemoryRun()
    entries = [entry for entry in honest.entries if not isinstance(entry.message, PlaceOrder)]
    difference, *_ = rerun(honest.tape, entries)
    assert difference is not None and difference.got is not None and "PlaceOrder" in difference.got


def test_the_beginning_tells_the_instruments_and_nothing_is_lost_of_it() -> None:
    run = InMemoryRun()
    lines = iter(run.tape)
    prologue = read_prologue(lines)
    assert prologue.instruments == INSTRUMENTS
    assert prologue.started.run_id == 1
    assert [*prologue.lines, *lines] == run.tape


def test_a_run_that_began_with_a_blocked_ledger_has_its_instruments_all_the_same() -> None:
    start, *rest = InMemoryRun().tape
    blocked = StoreStateChanged(seq=start.seq or 0, t_ns=START_NS, store="ledger", blocked=True, cause="locked")
    said = msgspec.structs.replace(start, raw=_encode(blocked).decode())
    assert read_prologue(iter([start, said, *rest])).instruments == INSTRUMENTS


def test_the_same_tape_leads_to_the_same_commands() -> None:
    run = InMemoryRun()
    difference, again, kept, judge = rerun(run.tape, run.entries)
    assert difference is None
    assert judge is not None and judge.compared == len({entry.seq for entry in run.entries})
    assert kept.commands == [entry.message for entry in run.entries if entry.sub]
    assert again.engine.state.tally.net == run.engine.state.tally.net != {}
    assert sum(isinstance(command, PlaceOrder) for command in kept.commands) == 2


@pytest.mark.parametrize(
    "limits",
    [
        Limits(symbol={"BTC/USDT": SymbolLimits(max_notional_quote=D(500))}),
        Limits(venue={"okx": VenueLimits(max_notional_quote=D(500))}),
    ],
)
def test_a_run_under_limits_of_a_symbol_or_a_venue_repeats_under_those_of_its_tape_and_not_without(
    limits: Limits,
) -> None:
    settings = settings_with(limits)
    run = InMemoryRun(settings=settings)
    head = decode_head(encode_head(TapeHead(settings=settings, restored=Restored(), last_seq=0)).decode())
    difference, _, kept, _ = rerun(run.tape, run.entries, an_engine(settings=head.settings))
    assert difference is None
    placed = [command for command in kept.commands if isinstance(command, PlaceOrder)]
    assert len(placed) == 2 and all(order.size * order.price < 510 for order in placed)
    difference, *_ = rerun(run.tape, run.entries)
    assert difference is not None


def test_a_run_whose_steps_change_repeats_and_not_without_the_change() -> None:
    run = InMemoryRun(finer=True)
    difference, again, kept, _ = rerun(run.tape, run.entries)
    assert difference is None
    assert sum(isinstance(command, PlaceOrder) for command in kept.commands) == 2
    scale = again.engine.state.books.scales["BTC/USDT"]
    assert scale == run.engine.state.books.scales["BTC/USDT"] != an_engine().state.books.scales["BTC/USDT"]
    without = [line for line in run.tape if '"0.00001"' not in line.raw]
    assert len(without) == len(run.tape) - 1
    difference, *_ = rerun(without, run.entries)
    assert difference is not None


def test_a_run_over_several_connections_repeats_and_not_with_a_frame_ascribed_to_another() -> None:
    run = InMemoryRun(apart=True)
    assert [line.connection for line in run.tape if line.kind == "ws" and line.venue == "gate"] == ["gate#2"] * 4
    difference, again, kept, _ = rerun(run.tape, run.entries, an_engine(APART, 1))
    assert difference is None
    assert sum(isinstance(command, PlaceOrder) for command in kept.commands) == 2
    assert again.engine.state.tally.net == run.engine.state.tally.net != {}
    astray = [msgspec.structs.replace(line, connection="") for line in run.tape]
    with pytest.raises(InvariantError, match="never sent"):  # no book, no edge, and then an answer to an order
        rerun(astray, run.entries, an_engine(APART, 1))


def test_a_run_whose_bytes_are_never_all_read_repeats_and_not_when_its_drains_say_less() -> None:
    run = InMemoryRun(busy="okx")
    difference, again, kept, judge = rerun(run.tape, run.entries)
    assert difference is None
    assert judge is not None and judge.compared == len({entry.seq for entry in run.entries})
    orders = [command for command in kept.commands if isinstance(command, PlaceOrder)]
    assert len(orders) == 2
    assert again.engine.state.tally.net == run.engine.state.tally.net != {}
    opened = run.tape[orders[0].cause - 1]
    assert '"backlogged":["okx"]' in opened.raw, "nothing opens while bytes are waited for"
    read = [msgspec.structs.replace(line, raw=line.raw.replace('"unread":["okx"]', '"unread":[]')) for line in run.tape]
    difference, *_ = rerun(read, run.entries)
    assert difference is not None and opened.seq is not None and difference.seq == opened.seq - 1
