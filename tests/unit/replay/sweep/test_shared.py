"""One pass over a tape for many engines: each decides as if it had read the tape alone."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from arb.clock import NS_PER_MS, ManualClock
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.errors import InvariantError, StoreError
from arb.market.feed import BookSeat
from arb.replay.backtest import Backtest, BooksOf, clock_before
from arb.replay.captured import Capture, Contents
from arb.replay.feeds import captured_books
from arb.replay.sweep.shared import AppliedLine, decoded, decoded_books, together
from arb.replay.tapes import Captured, merged
from arb.store.journal.journal import Journal
from arb.store.journal.reader import Entry
from tests.support.taped import NoLedger
from tests.unit.replay.makings import START_S, Tape, one_dislocation, quiet_market
from tests.unit.replay.sweep.markets import busy_market

LATENCY_NS = 50 * NS_PER_MS
FEE = Decimal("0.001")


def play(capture: Capture, limits: Limits, books_of: BooksOf, lines: Iterable[Captured]) -> tuple[int, list[Entry]]:
    """Return the exit code and the journal of one engine on these lines."""
    settings = EngineSettings(
        limits=limits,
        timing=Timing(),
        repair=RepairPolicy(),
        venues=tuple(VenueProfile(venue, PlaceRate(10, 1000), enforces_expiry=True) for venue in capture.venues),
        symbols=tuple(capture.scales),
    )
    journal = Journal.in_memory(ManualClock(0), random.Random(1))
    backtest = Backtest(
        capture,
        settings,
        clock_before(START_S * 1000 * NS_PER_MS, LATENCY_NS),
        journal,
        NoLedger(),
        latency_ns=LATENCY_NS,
        seed=1,
        books_of=books_of,
    )
    exit_code = backtest.run(lines)
    if backtest.fault is not None:
        raise backtest.fault
    return exit_code, list(journal.reader().entries())


LIMITS = [
    Limits(min_edge_bps=Decimal(bps), max_notional_quote=Decimal(quote)) for bps in (5, 60) for quote in (100, 500)
]


@pytest.mark.thorough
@pytest.mark.parametrize("block_lines", [1, 7, 2048])
@pytest.mark.parametrize("seed", range(3))
def test_every_engine_decides_entry_by_entry_as_if_it_had_the_tape_alone(
    tmp_path: Path, seed: int, block_lines: int
) -> None:
    path = busy_market(seed).write(tmp_path / "tape.jsonl")
    capture = Contents(merged([path])).capture(FEE)
    alone = [play(capture, limits, captured_books, merged([path])) for limits in LIMITS]

    def sharing(limits: Limits) -> Callable[[Iterator[Captured]], tuple[int, list[Entry]]]:
        return lambda lines: play(capture, limits, decoded_books, lines)

    shared = together([sharing(limits) for limits in LIMITS], decoded(capture, merged([path])), block_lines)

    assert shared == alone
    assert len({len(entries) for _, entries in alone}) > 1, "the sets are to decide differently"


def _decoded(tmp_path: Path, tape: Tape) -> Iterator[Captured]:
    path = tape.write(tmp_path / "tape.jsonl")
    return decoded(Contents(merged([path])).capture(FEE), merged([path]))


def test_the_tape_is_read_once_and_in_bounded_pieces_however_many_take_part(tmp_path: Path) -> None:
    taken = 0

    def counted(lines: Iterator[Captured]) -> Iterator[Captured]:
        nonlocal taken
        for line in lines:
            taken += 1
            yield line

    ahead: list[int] = []

    def reads(lines: Iterator[Captured]) -> int:
        here = [taken - number for number, _ in enumerate(lines)]
        ahead.extend(here)
        return len(here)

    lines = len(one_dislocation().lines)
    assert together([reads] * 5, counted(_decoded(tmp_path, one_dislocation())), 3) == [lines] * 5
    assert taken == lines
    assert max(ahead) <= 3


def test_only_one_plays_at_a_time(tmp_path: Path) -> None:
    playing = threading.Lock()

    def alone(lines: Iterator[Captured]) -> bool:
        seen = []
        for _ in lines:
            seen.append(playing.acquire(blocking=False))
            playing.release()
        return all(seen)

    assert together([alone] * 4, _decoded(tmp_path, one_dislocation()), 2) == [True] * 4


def test_one_that_is_over_early_does_not_hold_up_the_others(tmp_path: Path) -> None:
    def first(lines: Iterator[Captured]) -> int:
        next(lines)
        return 1

    def every(lines: Iterator[Captured]) -> int:
        return len(list(lines))

    tape = one_dislocation()
    assert together([first, every], _decoded(tmp_path, tape), 2) == [1, len(tape.lines)]


def test_a_malformed_line_is_given_to_each_after_everything_before_it(tmp_path: Path) -> None:
    path = one_dislocation().write(tmp_path / "torn.jsonl")
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:5]) + "{not json\n" + whole[5])
    seen: list[int] = []

    def counts(lines: Iterator[Captured]) -> None:
        number = len(seen)
        seen.append(0)
        for _ in lines:
            seen[number] += 1

    with pytest.raises(StoreError, match=r"torn\.jsonl:6: "):
        together([counts, counts], decoded(Contents(merged([path])).capture(FEE), merged([path])), 4)
    assert seen == [5, 5]


def test_what_breaks_in_one_is_raised_when_the_others_are_over(tmp_path: Path) -> None:
    over: list[int] = []

    def breaks(lines: Iterator[Captured]) -> None:
        next(lines)
        raise InvariantError("a bug")

    with pytest.raises(InvariantError, match="a bug"):
        together([breaks, lambda lines: over.append(len(list(lines)))], _decoded(tmp_path, one_dislocation()), 2)
    assert over == [len(one_dislocation().lines)]


def test_an_engine_whose_clock_is_elsewhere_than_the_readers_is_no_shared_pass(tmp_path: Path) -> None:
    captured = next(_decoded(tmp_path, quiet_market()))
    assert isinstance(captured.line, AppliedLine)
    path = tmp_path / "tape.jsonl"
    _, feeds = decoded_books(Contents(merged([path])).capture(FEE), Timing())
    feed = feeds["gate"]
    feed.expect(captured)
    with pytest.raises(InvariantError, match="was given to an engine at"):
        feed.on_frame(captured.line.at_ns + 1, "")


def test_nobody_adds_or_retires_a_book_of_a_shared_pass(tmp_path: Path) -> None:
    path = quiet_market().write(tmp_path / "tape.jsonl")
    capture = Contents(merged([path])).capture(FEE)
    books, feeds = decoded_books(capture, Timing())
    with pytest.raises(InvariantError):
        feeds["gate"].add_book("ETH_USDT", BookSeat(0, capture.scales["BTC/USDT"]))
    with pytest.raises(InvariantError):
        books.retire("gate", "BTC/USDT")
