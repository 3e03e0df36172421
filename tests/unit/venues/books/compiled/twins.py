"""One venue's connection twice: read plainly, and by compiled code where it can; after each frame both must be the same."""

import ctypes
import mmap
import random
import re
from collections.abc import Callable

from arb.core.books.books import Books
from arb.core.books.connection import Connection
from arb.core.messages.settings import Timing
from arb.market.arena import HEADER_WORDS, UNWRITTEN, BookArena
from arb.market.feed import FrameResult
from arb.market.words import LAGS_NOTED, NOTED_BID, NOTED_NS, PACE, QUIET_FRAMES
from arb.venues.books.compiled.book_ownership import CompiledBooks, CompiledConnection
from arb.venues.books.compiled.layout import KIND
from arb.venues.books.compiled.loading import Take
from arb.venues.books.compiled.names import address_of
from arb.venues.books.plain.base import WireFeed
from tests.unit.venues.books.plain.dialects import (
    BINANCE,
    BITGET,
    BYBIT,
    GATE,
    GATE_EU,
    NOW_NS,
    OKX,
    SCALE,
    Dialect,
    Truth,
)

SYMBOL = "BTC/USDT"
DIALECTS = (GATE, GATE_EU, OKX, BITGET, BYBIT, BINANCE)
MS = 1_000_000
GUARDED_BYTES = 1 << 24


class Plain:
    """A connection as it is read without compiled code."""

    def __init__(self, dialect: Dialect) -> None:
        self.arena = BookArena(1)
        self.feed: WireFeed = dialect.make(self.arena)
        venue = self.feed.venue
        self.books = Books(self.arena, {(venue, SYMBOL): 0}, {SYMBOL: SCALE}, {venue: self.feed}, Timing())
        self.connection: Connection = self.books.connections[venue]

    def take(self, received_ns: int, raw: bytes, url: str = "") -> FrameResult:
        return self.books.on_frame(self.feed.venue, received_ns, raw, url)

    def seen(self) -> dict[str, object]:
        """Return all that anybody could see of the connection and its book."""
        self.arena.complete(0)
        block, row = self.arena.block[0], self.arena.market.rows
        return {
            "header": block[:UNWRITTEN].tobytes(),
            "levels": block[HEADER_WORDS:].tobytes(),
            "pace": row[PACE : PACE + 6].tobytes(),
            "noted": (row[NOTED_NS], row[NOTED_BID]),
            "connection": self.connection.words[:10].tobytes(),
            "lags": (self.connection.lags, self.connection.words[LAGS_NOTED]),
            "counts": self.feed.counts,
            "frames": (self.books.frames, self.books.updates),
        }


def guarded(take: Take, connection: int) -> Callable[[bytes | str, int], int]:
    """Return what gives frames to compiled code at the very end of memory that may be read: a byte beyond kills the process."""
    libc = ctypes.CDLL(None)
    pages = mmap.mmap(-1, GUARDED_BYTES + mmap.PAGESIZE)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    assert libc.mprotect(ctypes.c_void_p(begin + GUARDED_BYTES), mmap.PAGESIZE, 0) == 0

    def taker(raw: bytes | str, received_ns: int) -> int:
        if not isinstance(raw, bytes) or len(raw) > GUARDED_BYTES:
            return -1
        at = begin + GUARDED_BYTES - len(raw)
        ctypes.memmove(at, raw, len(raw))
        return take(at, len(raw), received_ns, connection)

    taker.pages = pages  # type: ignore[attr-defined]  # mapped for as long as this may be called
    return taker


class Compiled(Plain):
    """The same with compiled code, which reads frames at the end of a page."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        books = CompiledBooks(self.arena)
        self.scratch = books.scratch
        self.feed.compiled_by(CompiledConnection(books, self.connection.words, self.feed.shape))
        self.connection.take = guarded(books.take, address_of(self.connection.words))
        self.arena.market.attend(SYMBOL, False)

    @property
    def lent(self) -> bool:
        """Return whether compiled code keeps the book now."""
        return self.arena.market.rows[KIND] != 0

    @property
    def quiet(self) -> int:
        """Return how many frames no plain reader has seen."""
        return self.connection.words[QUIET_FRAMES]


class Twins:
    """Both, given the same frames."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.plain, self.compiled = Plain(dialect), Compiled(dialect)
        self.now_ns = NOW_NS

    def give(self, raw: bytes, url: str = "") -> None:
        """Let both take a frame; raises `AssertionError` where they differ."""
        expected, found = self.plain.take(self.now_ns, raw, url), self.compiled.take(self.now_ns, raw, url)
        assert (found.resyncs, found.notice, found.finer) == (expected.resyncs, expected.notice, expected.finer), raw
        assert str(found.error) == str(expected.error), raw
        assert self.compiled.seen() == self.plain.seen(), raw

    def levels(self) -> tuple[object, object]:
        """Return all levels of both books, however deep."""
        return tuple(next(iter(one.feed.books())).book.levels(1 << 20) for one in (self.plain, self.compiled))  # type: ignore[return-value]


def whole(dialect: Dialect, truth: Truth) -> tuple[bytes, str]:
    """Return a clean snapshot, and from where it was fetched."""
    url = ""
    if dialect.name == "gate" and dialect.fetched:
        url = f"/spot/order_book?currency_pair={dialect.symbol}&limit=100&with_id=true"
    elif dialect.fetched:  # now and then there are more levels than it was cut to
        url = f"/api/v3/depth?symbol={dialect.symbol}&limit={truth.rng.choice((5, 20, 100))}"
    return dialect.whole(truth).encode(), url


_NUMBER = re.compile(rb'"([0-9]+\.?[0-9]*)"')
_ODD_NUMBERS = (
    b"1e2", b"1E-2", b"NaN", b"-1", b"+1", b"", b".", b".5", b"5.", b"0x10", b"1.2.3", b"Infinity", b"1" * 40,
    b"0." + b"0" * 70 + b"1", b"0.00001", b"91.005", b"00091.5", b"91.50000000000000000000", b"9223372036854775807",
    b"92233720368547.75", b"92233720368547.76", b"\xd9\xa1", b"1 ", b" 1", b"1,0", b"123456789012345678.5",
)  # fmt: skip


def disturbed(raw: bytes, rng: random.Random) -> bytes:
    """Return a frame as no venue should send it."""
    way = rng.randrange(12)
    if way == 0:
        return raw[: rng.randrange(len(raw) + 1)]
    if way == 1:
        at = rng.randrange(len(raw))
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    if way == 2:
        at = rng.randrange(len(raw))
        return raw[:at] + raw[at + rng.randrange(1, 9) :]
    if way == 3:
        at, other = sorted(rng.sample(range(len(raw)), 2))
        return raw[:other] + raw[at:]
    if way == 4:
        return raw.replace(b",", b", ").replace(b":", b": ")
    if way == 5:
        return raw + rng.choice((b" ", b"\n", b"}", b"x", b"\x00"))
    if way in (6, 7) and (found := list(_NUMBER.finditer(raw))):
        number = rng.choice(found)
        return raw[: number.start(1)] + rng.choice(_ODD_NUMBERS) + raw[number.end(1) :]
    if way == 8:
        at = rng.randrange(len(raw))
        return raw[:at] + bytes([raw[at] ^ (1 << rng.randrange(8))]) + raw[at + 1 :]
    if way == 9:
        names = re.findall(rb'"[A-Za-z_]{1,12}":', raw)
        name = rng.choice(names)
        return raw.replace(name, rng.choice((*names, b'"x":', b'"\\u0073":', b'"s\\n":')), 1)
    if way == 10:
        return raw.replace(b'"', b"", 2)
    if way == 11 and rng.random() < 0.5:
        times = re.findall(rb'(?:"ts":"?|"time_ms":|"t":|"E":)([0-9]+)', raw)
        odd = (
            b"0",
            b"00",
            b"0001700000000000",
            b"9000000000001",
            b"17e11",
            b"-1",
            b"1.5",
            b"99999999999999999999",
            b"",
        )
        return raw.replace(rng.choice(times or [b":1"]), rng.choice(odd), 1)
    return raw.replace(
        *rng.choice(((b"BTC", b"ETH"), (b"update", b"snapshot"), (b"[]", b"null"), (b"USDT", b"\xc3\xa9")))
    )


def stream(dialect: Dialect, truth: Truth, twins: Twins, frames: int) -> None:
    """Let a live book change so many times."""
    for _ in range(frames):
        twins.now_ns += truth.rng.choice((0, 1, 20, 40)) * MS
        change = dialect.change(*truth.step()).encode()
        quote(dialect, truth, twins)
        twins.give(change)
        quote(dialect, truth, twins)


def quote(dialect: Dialect, truth: Truth, twins: Twins) -> None:
    """Let best quotes come of some state that was, where the venue sends them: the book has reached it, or not yet."""
    if dialect.quote is not None:
        for at in truth.rng.choices(list(truth.states)[-3:], k=truth.rng.randrange(4)):
            twins.give(dialect.quote(at, *truth.states[at]).encode())


def begin(dialect: Dialect, seed: int) -> tuple[Truth, Twins]:
    truth, twins = Truth(random.Random(seed), single_steps=dialect.single_steps), Twins(dialect)
    refresh(dialect, truth, twins)
    return truth, twins


def refresh(dialect: Dialect, truth: Truth, twins: Twins) -> None:
    """Let a clean snapshot come, and the change that a fetched one has to meet."""
    if dialect.fetched:
        for _ in range(2):  # a lost book waits for a change before its snapshot is asked for
            twins.give(dialect.change(*truth.step()).encode())
    raw, url = whole(dialect, truth)
    twins.give(raw, url)
