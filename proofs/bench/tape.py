"""Replaying a tape: frames through the whole engine in the tape's own time, against ccxt.pro merely keeping Gate's book.

The tape is made up: frames of ten of Gate's books, of 43 levels, every 100 ms each, and OKX books that stand still beside them.
"""

import gzip
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from arb.clock import NS_PER_MS, Clock
from arb.core.messages.commands import AnyCommand
from arb.core.messages.events import AnyEvent
from arb.core.messages.records import OpportunityRecord
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.replay.backtest import Backtest, clock_before
from arb.replay.captured import Capture, Contents
from arb.replay.measured import Measuring
from arb.replay.tapes import Captured, Merged, merged
from arb.replay.trial import NoJournal
from arb.store.journal.reader import Row as JournalRow
from arb.store.tapes.line import TapeLine
from arb.venues.books.compiled.loading import is_available
from proofs.bench.frames import START_MS, GateFrames
from proofs.bench.market_data import FULL_LEVELS
from proofs.bench.peers import CCXT_PRO_GATE, CcxtBooks, find
from proofs.bench.rounds import Contender, Effort, Row, alternate, rate_row

_FRAMES = 120_000  # twenty minutes of the tape, so that they are measured and not the start, which takes 13 ms
_PEER_FRAMES = 2_000
_FEE = Decimal("0.001")
_BASES = tuple(f"S{number}" for number in range(10))
_GZIP_LEVEL = 1  # as tapes are written
_ROUNDS_MAX = 9
_TRANSIT_NS = 20 * NS_PER_MS


def replay(clock: Clock, effort: Effort) -> list[Row]:
    """Measure frames per second from a text that lies in memory and from a gzip file, and of the first pass over the text."""
    made = [GateFrames(seed, f"{base}_USDT") for seed, base in enumerate(_BASES)]
    changes = [each.changes(max(1, effort.count(_FRAMES) // len(made)), FULL_LEVELS) for each in made]
    frames = [*(each.whole() for each in made), *chain.from_iterable(zip(*changes, strict=True))]
    lines = [*map(_okx_book, _BASES), *map(_line, range(len(frames)), frames)]
    capture = Contents(Captured(0, line) for line in lines).capture(_FEE)
    compiled = is_available()
    with TemporaryDirectory(prefix="arb-bench-") as folder:
        text, zipped = Path(folder) / "tape.jsonl", Path(folder) / "tape.jsonl.gz"
        text.write_bytes(b"\n".join(map(msgspec.json.encode, lines)) + b"\n")
        zipped.write_bytes(gzip.compress(text.read_bytes(), _GZIP_LEVEL))
        contenders: dict[str, Contender] = {
            "memory": lambda: _run(capture, merged([text]), compiled=compiled),
            "gzip": lambda: _run(capture, merged([zipped]), compiled=compiled),
            "first_pass": lambda: _first_pass(merged([text]), len(lines), compiled=compiled),
        }
        if find("ccxt.pro") is not None:
            contenders["ccxt"] = lambda: _peer(frames[:_PEER_FRAMES])
        taken = alternate(clock, contenders, min(_ROUNDS_MAX, effort.rounds))
    theirs = taken.get("ccxt")
    return [
        rate_row(
            f"replay_{kind}",
            "frames/s",
            taken[kind],
            theirs,
            against=f"{CCXT_PRO_GATE}, books only, from memory",
            at_least=at_least,
            note=f"{1e9 / taken[kind] * FULL_LEVELS:,.0f} level events/s",
        )
        for kind, at_least in (("memory", 40), ("gzip", 15), ("first_pass", None))
    ]


def _line(number: int, raw: bytes) -> TapeLine:
    at_ns = (START_MS + number * 100 // len(_BASES)) * NS_PER_MS + _TRANSIT_NS
    return TapeLine(t=at_ns / 1e9, venue="gate", kind="ws", raw=raw.decode(), t_ns=at_ns)


def _first_pass(lines: Merged, count: int, *, compiled: bool) -> int:
    measuring = Measuring(lines) if compiled else None
    Contents(lines if measuring is None else measuring, measuring).capture(_FEE)
    return count


def _okx_book(base: str) -> TapeLine:
    bids = [[f"{59_999 - i}.0", "0.5000", "0", "1"] for i in range(20)]
    asks = [[f"{60_001 + i}.0", "0.5000", "0", "1"] for i in range(20)]
    data = {"bids": bids, "asks": asks, "ts": str(START_MS - 10), "seqId": 10, "prevSeqId": -1}
    frame = {"arg": {"channel": "books", "instId": f"{base}-USDT"}, "action": "snapshot", "data": [data]}
    at_ns = START_MS * NS_PER_MS
    return TapeLine(t=at_ns / 1e9, venue="okx", kind="ws", raw=msgspec.json.encode(frame).decode(), t_ns=at_ns)


def _run(capture: Capture, lines: Iterable[Captured], *, compiled: bool) -> int:
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
    backtest = Backtest(capture, settings, clock, kept, kept, latency_ns=latency_ns, seed=1, compiled=compiled)
    backtest.run(lines)
    return backtest.engine.state.books.frames


class _Forgetful(NoJournal):
    """A journal and a ledger that keep nothing: what is kept is measured elsewhere."""

    def append(self, event: AnyEvent, commands: tuple[AnyCommand, ...]) -> tuple[JournalRow, ...]:
        """Write nothing."""
        return ()

    def submit(self, rows: Sequence[JournalRow]) -> None:
        """Take nothing."""

    def submit_untraded(self, record: OpportunityRecord) -> None:
        """Take nothing."""


def _peer(frames: list[bytes]) -> int:
    peer = CcxtBooks(f"{base}_USDT" for base in _BASES)
    peer.feed(frames)
    return len(frames)
