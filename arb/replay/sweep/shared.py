"""One pass over a tape for many engines: every frame is read and applied once, and each engine is given its changes.

The effect of a frame on the books depends on the frames only, never on trades. So one reader keeps the books, and makes an
*image*, a copy of the words, of each row that a frame has changed. An engine copies the image into its own arena instead of
reading the frame. Everything else of a replay is as without sharing. Instants, sequence numbers and answers of feeds are the
same, and so are all decisions, entry by entry of the journal.

Images live for one block of lines. Every engine has a thread, since its loop runs until the tape is over, and only one thread
runs at a time. Each plays the present block and then waits for the next, so memory holds one block however long the tape.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from arb.core.books.books import Books
from arb.core.messages.settings import Timing
from arb.errors import require
from arb.market.feed import NOTHING, BookSeat, FrameResult
from arb.replay.captured import Capture
from arb.replay.feeds import CapturedFeed, captured_books
from arb.replay.tapes import Captured
from arb.store.tapes.line import TapeLine

if TYPE_CHECKING:
    from arb.market.words import Words

BLOCK_LINES = 2048
"""Lines that are read before the engines continue: at 1.7 kB an image a few MB, and few changes of threads."""
T = TypeVar("T")


class AppliedLine(TapeLine, frozen=True, omit_defaults=True, gc=False):
    """A line without its text, with its effect on the books when it was applied at `at_ns`, in place of the text."""

    at_ns: int = 0
    result: FrameResult = NOTHING
    images: "tuple[tuple[int, Words], ...]" = ()


def decoded(capture: Capture, lines: Iterable[Captured]) -> Iterator[Captured]:
    """Yield the lines with their effect on the books of `capture`; raises the errors of reading `lines`."""
    books, feeds = captured_books(capture, Timing())
    block, now_ns = books.arena.block, 0
    for captured in lines:
        file, line, rules = captured
        if rules is not None:
            yield captured
            continue
        now_ns = max(now_ns, line.received_ns)  # a clock that a replay moves never goes back
        feed = feeds[line.venue]
        feed.expect(captured)
        result = feed.on_frame(now_ns, line.raw)
        images = tuple((row, block[row].copy()) for row in result.rows)
        at = line.received_ns
        yield Captured(
            file, AppliedLine(line.t, line.venue, line.kind, "", line.url, None, at, "", now_ns, result, images)
        )


class DecodedFeed(CapturedFeed):
    """The feed of one venue for one engine: it is given the changes of frames, and reads none."""

    def __init__(self, venue: str, seats: dict[str, BookSeat], block: "Words") -> None:
        """`block`: the engine's own arena, which `seats` are rows of."""
        super().__init__(venue, {})
        self._seats = seats
        self._block = block
        self._given: AppliedLine | None = None

    def expect(self, captured: Captured) -> None:
        assert isinstance(captured.line, AppliedLine)
        self._given = captured.line

    def seats(self) -> dict[str, BookSeat]:
        return self._seats

    def on_frame(self, received_ns: int, raw: bytes | str) -> FrameResult:
        """Apply the expected line. Raises `InvariantError` at another instant than that at which it was read."""
        given = self._given
        assert given is not None
        require(given.at_ns == received_ns, f"a frame of {given.at_ns} was given to an engine at {received_ns}")
        for row, image in given.images:
            self._block[row] = image
        self.rows = given.result.rows
        return given.result


def decoded_books(capture: Capture, timing: Timing) -> tuple[Books, dict[str, CapturedFeed]]:
    """Return separate books for one engine, as `captured_books` does, and the feeds that are given `AppliedLine`s."""
    read, feeds = captured_books(capture, timing)
    own = {name: DecodedFeed(name, feed.seats(), read.arena.block) for name, feed in feeds.items()}
    return Books(read.arena, read.rows, capture.scales, dict(own), timing), dict(own)


class _Run(Generic[T]):
    def __init__(self, play: Callable[[Iterator[Captured]], T]) -> None:
        self.over = False
        self.result: T | None = None
        self.error: BaseException | None = None
        self._play = play
        self._block: Sequence[Captured] | None = ()
        self._fault: Exception | None = None
        self._go = threading.Semaphore(0)
        self._waits = threading.Semaphore(0)
        threading.Thread(target=self._main, daemon=True).start()

    def give(self, block: Sequence[Captured] | None, fault: Exception | None = None) -> None:
        """Let it play a block (None: the tape is over, or ended in a fault); return when it waits for the next or is over."""
        if not self.over:
            self._block, self._fault = block, fault
            self._go.release()
            self._waits.acquire()

    def _main(self) -> None:
        self._go.acquire()
        try:
            self.result = self._play(self._lines())
        except BaseException as error:  # the thread that waits for the result raises it
            self.error = error
        finally:
            self.over = True
            self._waits.release()

    def _lines(self) -> Iterator[Captured]:
        while self._block is not None:
            yield from self._block
            self._waits.release()
            self._go.acquire()
        if self._fault is not None:
            raise self._fault


def together(
    plays: Sequence[Callable[[Iterator[Captured]], T]], lines: Iterator[Captured], block_lines: int = BLOCK_LINES
) -> list[T]:
    """Give all of `lines` to each of `plays`, reading them once; return their results, in their order.

    Each gets a reading error at its line; errors of single plays are raised when all are over.
    """
    runs = [_Run(play) for play in plays]
    fault: Exception | None = None
    while True:
        block: list[Captured] = []
        try:
            block.extend(islice(lines, block_lines))
        except Exception as error:  # given to each of them, after the lines before it
            fault = error
        for run in runs:
            run.give(block)
        if fault is not None or len(block) < block_lines or all(run.over for run in runs):
            break
    for run in runs:
        run.give(None, fault)
    for run in runs:
        require(run.over, "a run continued after the end of its tape")
        if run.error is not None:
            raise run.error
    return [run.result for run in runs]  # type: ignore[misc]  # a run that raised nothing has returned
