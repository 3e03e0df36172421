"""One replay of a stretch of tapes under chosen settings, as a function: the same tapes and settings give the same result.

`Reading` reads the contents of tapes; `play` runs the engine on them with simulated orders, and passes its rows to the given
store. Trials and their results can be pickled. `trial_key` names a result by its content, so that none need be computed twice.

A run's own tape is used for its frames and for the rules that its venues listed. Its own orders are omitted; the levels that
they took stay missing from the frames.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from arb.clock import NS_PER_MS
from arb.core.engine import Engine
from arb.core.messages.commands import AnyCommand, Persist
from arb.core.messages.events import AnyEvent
from arb.core.messages.intents import Intent
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.errors import ConfigError, StoreError
from arb.live.parts import Journal
from arb.live.runner import LedgerWriter
from arb.market.numbers import plain
from arb.replay.backtest import Backtest, BooksOf, clock_before
from arb.replay.captured import Capture, Contents, charged
from arb.replay.days import Stretch
from arb.replay.feeds import captured_books
from arb.replay.measured import Measuring
from arb.replay.replay_totals import ReplayTotals
from arb.replay.result import Result
from arb.replay.tapes import Captured, Merged
from arb.store.journal.reader import JournalState, Row
from arb.store.tapes.tape import RULES
from arb.venues.registry import tape_feed
from arb.version import code_version

T = TypeVar("T")
FORM = 2
"""Counts the changes of a result's content, or of the definitions of its figures."""
DEFAULT_FEE = Decimal("0.001")
DEFAULT_LATENCY_NS = 50 * NS_PER_MS
DEFAULT_RATE = PlaceRate(10, 1000)
EVERY_LINES = 4096
"""Progress is reported after this many lines."""

Progress = Callable[[int, int | None], None]
"""Called with the number of lines read, and their total; None: unknown, on the first read."""


def unseen(done: int, of: int | None) -> None: ...


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a replay.

    `settings`: the engine's; its `venues` holds the engine's profile of each, `symbols` those that may be traded, () for all
    on the tapes. `latency_ns` > 0: an order's travel time to a simulated venue, and its answer's back, but for the venues in
    `latencies_ns`. `fee`: the taker's fee everywhere, as a ratio, in place of the recorded one; None: the recorded one, or
    `assumed_fee` without one. `fees`: the same for single venues. `balances`: the accounts' holdings at some venues at the
    start, by asset; elsewhere they hold enough of everything. `seed` of the names of orders.
    """

    settings: EngineSettings
    latency_ns: int = DEFAULT_LATENCY_NS
    latencies_ns: dict[str, int] = {}
    fee: Decimal | None = None
    fees: dict[str, Decimal] = {}
    assumed_fee: Decimal = DEFAULT_FEE
    balances: dict[str, dict[str, Decimal]] = {}
    seed: int = 1

    def charge(self, venue: str) -> Decimal | None:
        """Return a venue's taker fee in place of the recorded one; None: the recorded one."""
        return self.fees.get(venue, self.fee)


class Explored(msgspec.Struct, frozen=True):
    """The result of a first pass over a stretch: its contents, its number of lines, and their begin and end, ns UTC."""

    capture: Capture
    lines: int
    began_ns: int
    ended_ns: int


class Played(msgspec.Struct, frozen=True):
    """A finished replay: its contents, its engine, its end by its clock; `fault`: the line that ended it early."""

    explored: Explored
    engine: Engine
    now_ns: int
    exit_code: int
    fault: StoreError | None


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """A result with its inputs. `symbols`: those that at least two venues show; instants are ns UTC."""

    key: str
    files: tuple[str, ...]
    began_ns: int
    ended_ns: int
    frames: int
    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    halted: str | None
    result: Result


def result_of(key: str, stretch: Stretch, played: Played, findings: ReplayTotals) -> TrialResult:
    if played.fault is not None:
        raise played.fault
    explored = played.explored
    return TrialResult(
        key=key,
        files=tuple(path.name for path in stretch.files),
        began_ns=explored.began_ns,
        ended_ns=explored.ended_ns,
        frames=played.engine.state.books.frames,
        venues=explored.capture.venues,
        symbols=compared_symbols([explored.capture]),
        halted=played.engine.state.control.halted_at(played.now_ns),
        result=findings.result(),
    )


def trial_key(digests: Iterable[str], trial: Trial) -> str:
    """Return the hexadecimal name of the result of tapes with these digests, in their order, replayed with `trial` by this
    arb.

    Settings that mean the same have the same key, however their numbers were written.
    """
    parts = [
        list(digests),
        _canonical(msgspec.to_builtins(trial, builtin_types=(Decimal,))),
        FORM,
        RULES,
        code_version(),
    ]
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def digest_of(tape: Path) -> str:
    with tape.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return {key: _canonical(each) for key, each in value.items()}
    return [_canonical(each) for each in value] if isinstance(value, list | tuple) else value


def compared_symbols(captures: Iterable[Capture]) -> tuple[str, ...]:
    """Return the symbols that any of the captures shows at two venues or more: only between those can there be an edge."""
    found = set()
    for capture in captures:
        shown = [instrument.symbol for instrument in capture.instruments]
        found |= {symbol for symbol in shown if shown.count(symbol) > 1}
    return tuple(sorted(found))


class Reading:
    """A stretch that is read once, for its contents."""

    def __init__(self, stretch: Stretch, on_progress: Progress = unseen, *, compiled: bool = False) -> None:
        """Read it; raises `ConfigError` for tapes without a frame, or of a dialect that cannot be read.

        `compiled`: compiled code measures the frames it knows.
        """
        self._named = stretch.named
        lines = stretch.lines()
        measuring = Measuring(lines) if compiled and isinstance(lines, Merged) else None
        self._passage = _Passage(at_one_rate(measuring or lines), on_progress, taken=measuring)
        try:
            self._contents = Contents(self._passage, measuring)
        except ConfigError as error:
            raise ConfigError(f"{stretch.files[self._passage.file]}: {error}: leave it out") from None
        if not self._passage.lines:
            raise ConfigError(f"{stretch.named}: no frame on the tape")

    @property
    def mostly_compiled(self) -> bool:
        """Return whether compiled code has read most lines, and so would most frames in a replay."""
        taken = self._passage.taken
        return taken is not None and 2 * taken.taken > self._passage.lines

    def explored(self, trial: Trial) -> Explored:
        """Return the contents for a trial; raises `ConfigError` where none of its symbols is there."""
        passage, symbols = self._passage, trial.settings.symbols
        capture = self._contents.capture(trial.assumed_fee, trial.charge, symbols or None)
        if symbols and not capture.scales:
            raise ConfigError(
                f"{self._named}: shows no book of {', '.join(symbols)}: ask for symbols that are on the tape"
            )
        return Explored(capture, passage.lines, passage.began_ns, passage.ended_ns)


def play(
    explored: Explored,
    trial: Trial,
    lines: Iterable[Captured],
    journal: Journal,
    ledger: LedgerWriter,
    *,
    books_of: BooksOf = captured_books,
    compiled: bool = False,
    on_progress: Progress = unseen,
) -> Played:
    """Replay the lines of a stretch into `journal` and `ledger`; a malformed line ends it early and is in the answer.

    `books_of` and `compiled`: see `Backtest`; where compiled code knows none of the dialects it would only be in the way.
    """
    capture = explored.capture
    compiled = compiled and any(tape_feed(venue).shape for venue in capture.venues)
    clock = clock_before(explored.began_ns, max(trial.latency_ns, *trial.latencies_ns.values(), 0))
    backtest = Backtest(
        capture,
        _on_venues(trial.settings, capture),
        clock,
        journal,
        ledger,
        latency_ns=trial.latency_ns,
        latencies_ns=trial.latencies_ns,
        seed=trial.seed,
        charge=trial.charge,
        opening=trial.balances,
        books_of=books_of,
        compiled=compiled,
    )
    if compiled and isinstance(lines, Merged):
        exit_code = backtest.run(lines, lambda read: on_progress(min(read, explored.lines), explored.lines))
        on_progress(explored.lines, explored.lines)
    else:
        exit_code = backtest.run(shown(lines, on_progress, explored.lines))
    return Played(explored, backtest.engine, clock.wall_ns(), exit_code, backtest.fault)


def _on_venues(settings: EngineSettings, capture: Capture) -> EngineSettings:
    known = {profile.venue: profile for profile in settings.venues}
    unknown = (VenueProfile(venue, DEFAULT_RATE, enforces_expiry=True) for venue in capture.venues)
    return msgspec.structs.replace(
        settings,
        venues=tuple(known.get(profile.venue, profile) for profile in unknown),
        symbols=tuple(capture.scales),
    )


def lines_of(stretch: Stretch) -> Iterator[Captured]:
    return at_one_rate(stretch.lines())


def lines_for(stretch: Stretch, explored: Explored, *, compiled: bool) -> Iterable[Captured]:
    """Return the lines of a stretch for `play`: as on the tape where compiled code can take them so."""
    as_they_are = compiled and not stretch.of_run and not any(rules.fee_asset for rules in explored.capture.instruments)
    return stretch.lines() if as_they_are else lines_of(stretch)


def at_one_rate(lines: Iterable[Captured]) -> Iterator[Captured]:
    """Yield lines; fees that a run paid from another asset are charged at the same rate in base or quote."""
    for captured in lines:
        rules = captured.rules
        if rules is not None and rules.fee_asset:
            rate = rules.taker_fee if rules.fee_asset_taker is None else rules.fee_asset_taker
            captured = captured._replace(rules=charged(rules, rate))
        yield captured


def shown(lines: Iterable[T], on_progress: Progress, of: int | None = None) -> Iterator[T]:
    """Yield lines, and report the progress, of a known total if there is one."""
    done = 0
    for done, line in enumerate(lines, 1):
        if not done % EVERY_LINES:
            on_progress(done, of)
        yield line
    on_progress(done, of)


class _Passage:
    def __init__(
        self,
        lines: Iterable[Captured],
        on_progress: Progress,
        *,
        taken: Measuring | None = None,
    ) -> None:
        """`taken`: the reader of the lines that do not pass here."""
        self._passed = self._reported = 0
        self.taken = taken
        self.file = 0
        """The number of the file of the last line."""
        self.began_ns = self._ended_ns = 0
        self._lines = lines
        self._on_progress = on_progress

    def __iter__(self) -> Iterator[Captured]:
        for captured in self._lines:
            self._passed += 1
            self.file = captured.file
            at_ns = captured.line.received_ns
            if self._passed == 1:
                self.began_ns = at_ns
            self._ended_ns = max(self._ended_ns, at_ns)
            if self.lines - self._reported >= EVERY_LINES:
                self._reported = self.lines
                self._on_progress(self.lines, None)
            yield captured
        self._on_progress(self.lines, None)

    @property
    def lines(self) -> int:
        return self._passed + (0 if self.taken is None else self.taken.taken)

    @property
    def ended_ns(self) -> int:
        return max(self._ended_ns, 0 if self.taken is None else self.taken.ended_ns)


class NoJournal:
    """See `arb.live.parts.Journal`: it keeps nothing and passes its rows on."""

    reserve_touched = False

    def __init__(self) -> None:
        self._last_seq = 0

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def last_ns(self) -> int:
        return 0

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        return JournalState(last_seq=self.last_seq, last_run_id=0, control=None, pairs=())

    def intend(self, intents: Iterable[Intent]) -> None: ...

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
        self._last_seq = event.seq
        return rows_of(event, commands)


def rows_of(event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[Row, ...]:
    return tuple(Row(event.seq, sub, c.record) for sub, c in enumerate(commands, 1) if type(c) is Persist)
