"""Replaying a tape: frames through the whole engine in the tape's own time, against ccxt.pro merely keeping Gate's book.

The tape is made up: Gate frames of 43 levels, and an OKX book that stands still beside it.
"""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from arb.bench.frames import START_MS, GateFrames
from arb.bench.market_data import FULL_LEVELS
from arb.bench.peers import CCXT_PRO_GATE, CcxtBooks, find
from arb.bench.rounds import Contender, Effort, Row, alternate, rate_row
from arb.clock import NS_PER_MS, Clock
from arb.core.commands import AnyCommand
from arb.core.events import AnyEvent
from arb.core.orders.intents import Intent
from arb.core.records import OpportunityRecord
from arb.core.risk.limits import PlaceRate
from arb.core.settings import Limits, RepairPolicy, Timing
from arb.core.state import EngineSettings, VenueProfile
from arb.replay.backtest import Backtest, clock_before
from arb.replay.captured import Capture, explore
from arb.replay.tapes import Captured, merged
from arb.store.journal_reader import JournalState
from arb.store.journal_reader import Row as JournalRow
from arb.store.tape import TapeLine

_FRAMES = 2_000  # so many that a run is measured and not its start, which takes 5 ms
_ROUNDS_MAX = 9
_TRANSIT_NS = 20 * NS_PER_MS


def replay(clock: Clock, effort: Effort) -> list[Row]:
    """Measure frames per second from memory and from a gzip file."""
    count = effort.count(_FRAMES)
    made = GateFrames(seed=5)
    frames = [made.whole(), *made.changes(count, FULL_LEVELS)]
    lines = [_okx_book(), *map(_line, range(len(frames)), frames)]
    capture = explore((Captured(0, line) for line in lines), Decimal("0.001"))
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        path = Path(folder) / "tape.jsonl.gz"
        path.write_bytes(gzip.compress(b"\n".join(map(msgspec.json.encode, lines)) + b"\n"))
        contenders: dict[str, Contender] = {
            "memory": lambda: _run(capture, [Captured(0, line) for line in lines]),
            "gzip": lambda: _run(capture, merged([path])),
        }
        if find("ccxt.pro") is not None:
            contenders["ccxt"] = lambda: _peer(frames)
        taken = alternate(clock, contenders, min(_ROUNDS_MAX, effort.rounds))
    theirs = taken.get("ccxt")
    return [
        rate_row(
            name,
            "frames/s",
            taken[kind],
            theirs,
            against=f"{CCXT_PRO_GATE}, books only, from memory",
            at_least=at_least,
            note=f"{1e9 / taken[kind] * FULL_LEVELS:,.0f} level events/s",
        )
        for name, kind, at_least in (("replay_memory", "memory", 40), ("replay_gzip", "gzip", 15))
    ]


def _line(number: int, raw: bytes) -> TapeLine:
    at_ns = (START_MS + number * 100) * NS_PER_MS + _TRANSIT_NS
    return TapeLine(t=at_ns / 1e9, venue="gate", kind="ws", raw=raw.decode(), t_ns=at_ns)


def _okx_book() -> TapeLine:
    bids = [[f"{59_999 - i}.0", "0.5000", "0", "1"] for i in range(20)]
    asks = [[f"{60_001 + i}.0", "0.5000", "0", "1"] for i in range(20)]
    data = {"bids": bids, "asks": asks, "ts": str(START_MS - 10), "seqId": 10, "prevSeqId": -1}
    frame = {"arg": {"channel": "books", "instId": "BTC-USDT"}, "action": "snapshot", "data": [data]}
    at_ns = START_MS * NS_PER_MS
    return TapeLine(t=at_ns / 1e9, venue="okx", kind="ws", raw=msgspec.json.encode(frame).decode(), t_ns=at_ns)


def _run(capture: Capture, lines: Iterable[Captured]) -> int:
    settings = EngineSettings(
        limits=Limits(),
        timing=Timing(feed_silence_ms=10**9),
        repair=RepairPolicy(),
        venues=tuple(VenueProfile(venue, PlaceRate(10, 1000), enforces_expiry=True) for venue in capture.venues),
        symbols=tuple(capture.scales),
    )
    latency_ns = 50 * NS_PER_MS
    clock = clock_before(START_MS * NS_PER_MS, latency_ns)
    kept = _Forgetful()
    backtest = Backtest(capture, settings, clock, kept, kept, latency_ns=latency_ns, seed=1)
    backtest.run(lines)
    return backtest.engine.state.books.frames


class _Forgetful:
    """A journal and a ledger that keep nothing: what is kept is measured elsewhere."""

    reserve_touched = False
    last_seq = 0

    def last_ns(self) -> int:
        """Return that nothing was written."""
        return 0

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        """Return the state of a new journal."""
        return JournalState(last_seq=0, last_run_id=0, control=None, pairs=())

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write nothing."""

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[JournalRow, ...]:
        """Write nothing."""
        return ()

    def submit(self, rows: Sequence[JournalRow]) -> None:
        """Take nothing."""

    def submit_untraded(self, record: OpportunityRecord) -> None:
        """Take nothing."""


def _peer(frames: list[bytes]) -> int:
    peer = CcxtBooks()
    peer.feed(frames)
    return len(frames)
