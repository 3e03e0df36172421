"""The parts of a run; `arb.live.node` joins them."""

import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from arb.clock import Clock
from arb.core.books.books import Books
from arb.core.engine import Engine, StrategyFactory
from arb.core.messages.commands import RecallOrders
from arb.core.messages.events import OrdersRecalled
from arb.core.state.engine_state import EngineSettings
from arb.core.strategies.taker_pair.detector import Detector
from arb.live.anchoring import Shift
from arb.live.choosing import Chooser
from arb.live.delays import Delays
from arb.live.recovered_state import Recoverable
from arb.live.runner import JournalWriter, LedgerWriter, OnAlert, TapeWriter
from arb.live.universe import Universe
from arb.market.instrument import Instrument
from arb.measured_loop import Turns
from arb.store.tapes.tape import TapeHead
from arb.venues.kit.base import EventListener, FrameListener, MarketFeed, OrderGateway

OnLedgerState = Callable[[bool, str], None]
"""Called with (blocked, cause) when the ledger stops or resumes taking rows; on the loop's thread."""
Job = Coroutine[Any, Any, None]


class Journal(JournalWriter, Recoverable, Protocol):
    @property
    def last_seq(self) -> int:
        """Return the sequence number of the last event, 0 for a new journal."""


class Tape(TapeWriter, Protocol):
    def begin(self, head: TapeHead, t_ns: int) -> None:
        """Write the data that the engine was built from, before everything else."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a run.

    `shift` moves `clock`; None: its time cannot be set. `symbols`: the symbols that may be traded at each venue.
    `waits_for_venues`: a start continues with fewer than two venues, though nothing is open. `make_universe` returns which of
    the listed instruments are traded (and may be at absent venues), `make_books` reads their frames, `make_feeds` delivers the
    frames. `sync` makes the journal survive a power cut; None: it need not. `upkeep` does a piece of the work that keeps the
    journal small and returns whether there was one; None: it may grow. `recall` searches the whole journal for orders, given
    accounts' former names; None: no search. `halt_file_of`: the journal whose halt file is read; None: there is none.
    `stopped_by`: the signal that ends the run, "" for none.
    `dropped`: the count of untraded opportunities that the ledger could not take. `dedicated`: venues whose accounts have no
    other user. `jobs`: further jobs of the run; the end of one stops trading. `views`: the displays of the run, which may
    break without harm. `ledger_blocked`: why the ledger takes no rows at the start, if it does not. `turns` measures the
    loop, `delays` the rest. `claim` is given the accounts by their own ids, once these are known; it raises `ConfigError`
    where another engine trades on one. `strategies` propose what opens. `failed`: by venue, the finding that blocks
    openings there, until `VenueExamined` clears it; the key of such a venue may be refused, and the start continues.
    `chooser`: chooses the traded symbols again during the run; None: they never change.
    """

    settings: EngineSettings
    symbols: Mapping[str, tuple[str, ...]]
    mode: str
    sandbox_id: str | None
    seed: int | None
    clock: Clock
    shift: Shift | None = None
    rng: random.Random
    journal: Journal
    make_ledger: Callable[[OnLedgerState], LedgerWriter]
    gateways: Mapping[str, OrderGateway]
    make_universe: Callable[[Iterable[Instrument], Mapping[str, tuple[str, ...]]], Universe]
    make_books: Callable[[Universe], Books]
    make_feeds: Callable[[Books, FrameListener, EventListener], Mapping[str, MarketFeed]]
    on_alert: OnAlert
    dropped: Callable[[], int] = int
    waits_for_venues: bool = False
    sync: Callable[[], Awaitable[None]] | None = None
    upkeep: Callable[[], Awaitable[bool]] | None = None
    recall: Callable[[RecallOrders, Mapping[str, str]], Awaitable[OrdersRecalled]] | None = None
    halt_file_of: Path | None = None
    stopped_by: Callable[[], str] = str
    dedicated: frozenset[str] = frozenset()
    tape: Tape | None = None
    jobs: Callable[[], Iterable[Job]] = tuple
    views: Callable[[Engine], Iterable[Job]] = lambda _: ()
    ledger_blocked: str | None = None
    turns: Turns | None = None
    delays: Delays | None = None
    claim: Callable[[Iterable[str]], Awaitable[None]] | None = None
    strategies: tuple[StrategyFactory, ...] = (Detector,)
    failed: Mapping[str, str] = {}
    chooser: Chooser | None = None
