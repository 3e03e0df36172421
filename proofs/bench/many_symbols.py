"""What a frame costs where venues list a thousand symbols, against ten, and what so many books take in memory."""

import random
from collections.abc import Iterator
from functools import partial
from itertools import islice, product
from pathlib import Path

from arb.clock import Clock
from arb.core.books.books import Books
from arb.core.messages.settings import Timing
from arb.live.fast_books import compile_books
from arb.market.arena import BookArena
from arb.market.feed import BookFeed, BookSeat
from arb.venues.books.compiled.loading import is_available
from arb.venues.gate.books import GateFeed
from proofs.bench.market_data import VENUES
from proofs.bench.rounds import Effort, Row, absent_row, alternate
from proofs.bench.stage import SCALE, START_NS

FEW, MANY = 10, 1000
_LEVELS, _FRAMES = 50, 400
_BEST_TICKS = 600_000
_KEPT, _COST = 0.999, 1.001
_PAGE_BYTES = 4096
_STATM = Path("/proc/self/statm")
Key = tuple[str, str]


def many_symbols(clock: Clock, effort: Effort) -> list[Row]:
    """Measure both on five venues, on books that compiled code keeps."""
    if not is_available():
        return [absent_row("frame_symbols", "us", f"{FEW} symbols", "numba")]
    count = effort.count(_FRAMES)
    few = Market(FEW)  # first: what it loads or compiles is no part of what books take
    before = _resident_mb()
    many = Market(MANY)
    grown_mb = _resident_mb() - before
    markets = {"many": many, "few": few}
    taken = alternate(
        clock,
        {name: partial(market.send, market.frames(count * effort.rounds), count) for name, market in markets.items()},
        effort.rounds,
    )
    grown = taken["many"] / taken["few"]
    return [
        Row(
            name="frame_symbols",
            value=round(taken["many"] / 1e3, 3),
            unit="us",
            baseline=round(taken["few"] / 1e3, 3),
            ratio=round(grown, 3),
            against=f"{FEW} symbols instead of {MANY}, {len(VENUES)} venues",
            target="<= 1.15",
            met=grown <= 1.15,
            note=f"one change a frame, {_LEVELS} levels a side",
        ),
        Row(
            name="books_memory",
            value=round(grown_mb, 1),
            unit="MB",
            baseline=None,
            ratio=None,
            target="<= 150 MB",
            met=grown_mb <= 150 if before else None,
            note=f"what {len(VENUES)} x {MANY} books add to the process" if before else "not known on this system",
        ),
    ]


def _resident_mb() -> float:
    """Return what the process has in memory, 0 where the system does not say."""
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES / 1e6 if _STATM.exists() else 0


class Market:
    """Books of so many symbols at five venues that speak as Gate does; each frame changes one level of one of them."""

    def __init__(self, symbols: int, at_ns: int = START_NS) -> None:
        natives = [f"S{number}_USDT" for number in range(symbols)]
        rows = {(venue, native): row for row, (native, venue) in enumerate(product(natives, VENUES))}
        arena = BookArena(len(rows))
        feeds: dict[str, BookFeed] = {
            venue: GateFeed({native: BookSeat(rows[venue, native], SCALE) for native in natives}, arena)
            for venue in VENUES
        }
        self.books = Books(arena, rows, dict.fromkeys(natives, SCALE), feeds, Timing())
        compile_books(self.books)
        self._rng = random.Random(symbols)
        self._ids = dict.fromkeys(rows, 1)
        for venue, native in rows:
            self.books.on_frame(venue, at_ns, _frame(native, 0, 1))
            self.books.set_terms(venue, native, _KEPT, _COST)
            self.books.attend(native, False)

    def frames(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Return so many changes of books by chance, and their venues."""
        made = []
        for venue, native in self._rng.choices(list(self._ids), k=count):
            self._ids[venue, native] += 1
            made.append((venue, _frame(native, self._rng.randrange(1, _LEVELS), self._ids[venue, native])))
        return iter(made)

    def send(self, frames: Iterator[tuple[str, bytes]], count: int) -> int:
        """Take the next frames."""
        on_frame = self.books.on_frame
        for venue, raw in islice(frames, count):
            on_frame(venue, START_NS, raw)
        return count


def _frame(native: str, level: int, at: int) -> bytes:
    """Return the whole book (level 0), or a change of one level of it."""
    if level:
        changed = f'"U":{at},"u":{at},"b":[["{(_BEST_TICKS - level) / 10:.1f}","0.{at % 9000 + 1000}"]],"a":[]'
    else:
        bids = ",".join(f'["{(_BEST_TICKS - level) / 10:.1f}","1.5"]' for level in range(1, _LEVELS + 1))
        asks = ",".join(f'["{(_BEST_TICKS + level) / 10:.1f}","1.5"]' for level in range(1, _LEVELS + 1))
        changed = f'"full":true,"u":{at},"b":[{bids}],"a":[{asks}]'
    return f'{{"channel":"spot.obu","result":{{"s":"ob.{native}.50",{changed}}},"time_ms":1760000000000}}'.encode()
