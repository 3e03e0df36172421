"""From the bytes of a Gate frame to the updated book and the marked edge, and what detection costs per book update.

Ours is `Engine.on_frame`: the whole market plane, with sequence and crossing checks, the arena, and marking, on books that
compiled code keeps where it can be had. ccxt.pro gets its book only; msgspec decodes the frame into the same types and does
nothing with them. Detection runs on five venues of 20 levels, against the obvious way: after each update, walk all 20 ordered
pairs of venues level by level, in floats.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import msgspec

from arb.clock import Clock
from arb.core.messages.events import HaltAsked, QueueDrained
from arb.venues.books.compiled.loading import is_available
from proofs.bench.frames import LEVEL, GateFrames
from proofs.bench.peers import CCXT_PRO_GATE, CcxtBooks, CryptofeedBooks, NautilusBooks, as_updates, find
from proofs.bench.rounds import Contender, Effort, Row, alternate, tail_row, time_row
from proofs.bench.stage import SYMBOL, Stage

FULL_LEVELS, THIN_LEVELS = 43, 2
_FULL_FRAMES, _THIN_FRAMES = 8, 40
_TAIL_FRAMES = 4000
VENUES = ("one", "two", "three", "four", "five")
LEVELS = 20
_MID = 600_000
_FEE = 0.001
_QUIET, _DEEP = 200, 2
Side = list[tuple[float, float]]


class _Obu(msgspec.Struct):
    s: str
    u: int
    U: int | None = None
    full: bool = False
    b: list[tuple[str, str]] | None = None
    a: list[tuple[str, str]] | None = None


class _Frame(msgspec.Struct):
    channel: str = ""
    event: str = ""
    time_ms: int = 0
    result: _Obu | None = None


def full_frames(clock: Clock, effort: Effort) -> list[Row]:
    """Measure frames of about 1 kB and 43 levels."""
    rows = _frames(clock, effort, "frame_1kb", FULL_LEVELS, effort.count(_FULL_FRAMES), (40, 1))
    return [*rows, tail_row("frame_1kb_tail", _each(clock, effort.count(_TAIL_FRAMES)), at_most=4)]


def thin_frames(clock: Clock, effort: Effort) -> list[Row]:
    """Measure frames of about 250 bytes and 2 levels."""
    return _frames(clock, effort, "frame_thin", THIN_LEVELS, effort.count(_THIN_FRAMES), (15, 0.5))


def _frames(
    clock: Clock, effort: Effort, name: str, levels: int, count: int, at_least: tuple[float, float]
) -> list[Row]:
    made = GateFrames(seed=7)
    whole = made.whole()
    frames = list(made.changes(count * effort.rounds, levels))
    decode = msgspec.json.Decoder(_Frame).decode
    contenders: dict[str, Contender] = {
        "ours": _batches(_engine(whole), frames, count),
        "msgspec": _batches(lambda batch: [decode(raw) for raw in batch], frames, count),
    }
    if find("ccxt.pro") is not None:
        peer = CcxtBooks()
        peer.feed([whole])
        contenders["ccxt"] = _batches(peer.feed, frames, count)
    contenders |= {
        peer: _batches(feed, as_updates(frames, LEVEL) if peer == "cryptofeed" else frames, count)
        for peer, feed in _further_peers(whole, decode).items()
    }
    taken = alternate(clock, contenders, effort.rounds)
    ours = taken["ours"]
    size = sum(map(len, frames)) // len(frames)
    return [
        time_row(
            name,
            ours,
            taken.get("ccxt"),
            against=CCXT_PRO_GATE,
            at_least=at_least[0],
            note=f"{size} bytes, {levels} levels",
        ),
        time_row(f"{name}_decode", ours, taken["msgspec"], against="msgspec typed decode alone", at_least=at_least[1]),
        *(
            time_row(f"{name}_{peer}", ours, taken[peer], against=said)
            for peer, said in _FURTHER.items()
            if peer in taken
        ),
    ]


_FURTHER = {"cryptofeed": "cryptofeed gate", "nautilus": "nautilus_trader book, typed decode"}


def _further_peers(whole: bytes, decode: Callable[[bytes], object]) -> dict[str, Callable[[list[bytes]], object]]:
    """Return those that are installed, each with its book filled; rows of others are left out."""
    found: dict[str, Callable[[list[bytes]], object]] = {}
    if find("cryptofeed") is not None:
        found["cryptofeed"] = CryptofeedBooks(whole).feed
    if find("nautilus_trader") is not None:
        found["nautilus"] = NautilusBooks(whole, decode).feed
    return found


def _engine(whole: bytes) -> Callable[[list[bytes]], object]:
    """Return what feeds frames to an engine that watches a second venue's book beside Gate's."""
    on_frame, received_ns = _ready(whole)

    def feed(frames: list[bytes]) -> None:
        for raw in frames:
            on_frame("gate", received_ns, raw)

    return feed


def _ready(whole: bytes) -> tuple[Callable[[str, int, bytes], object], int]:
    stage = Stage(("gate", "other"), depth=50, compiled=is_available())
    # Close to Gate's own quotes, and too close for an edge after fees: the common case.
    stage.show("other", [(599_990 - i, 5_000) for i in range(20)], [(600_010 + i, 5_000) for i in range(20)])
    stage.engine.on_frame("gate", stage.now_ns, whole)
    if not stage.books.is_live("gate", SYMBOL):
        raise AssertionError("the made-up book was not taken")
    stage.handle(QueueDrained())  # whose symbols were listed just now; from here on only edges are looked at
    return stage.engine.on_frame, stage.now_ns


def _each(clock: Clock, count: int) -> list[float]:
    """Return how long each of `count` frames took, in ns."""
    made = GateFrames(seed=11)
    on_frame, received_ns = _ready(made.whole())
    taken: list[float] = []
    now = clock.monotonic_ns
    for raw in list(made.changes(count, FULL_LEVELS)):
        began_ns = now()
        on_frame("gate", received_ns, raw)
        taken.append(now() - began_ns)
    return taken


def _batches(work: Callable[[list[bytes]], object], frames: list[bytes], count: int) -> Contender:
    return partial(_next_batch, work, iter(frames), count)


def _next_batch(work: Callable[[list[bytes]], object], frames: Iterator[bytes], count: int) -> int:
    work(list(islice(frames, count)))
    return count


# Detection.


def per_update(clock: Clock, effort: Effort) -> list[Row]:
    """Measure a quiet market, where nothing crosses after fees, and one where all of the changed venue's routes do."""
    return [
        _measured(clock, effort, "detect_quiet", 0, effort.count(_QUIET)),
        _measured(clock, effort, "detect_deep", 3_000, effort.count(_DEEP)),
    ]


def _measured(clock: Clock, effort: Effort, name: str, shift: int, count: int) -> Row:
    """`shift`: ticks by which the changed venue's book stands above the others'."""
    stage = Stage(VENUES, compiled=is_available())  # as a run has it
    # A halted engine judges every edge and opens nothing, so that each update finds the same state.
    stage.handle(HaltAsked(reason="bench"))
    books = {venue: _book(shift if venue == VENUES[0] else 0) for venue in VENUES}
    row = 0
    for venue, (bids, asks) in books.items():
        shown = stage.show(venue, bids, asks)
        row = shown if venue == VENUES[0] else row

    def ours() -> int:
        for _ in range(count):
            stage.engine.strategy.on_quotes((row,))
            if stage.engine.wants_drain:
                stage.handle(QueueDrained())
        return count

    plain = [(_floats(bids), _floats(asks)) for bids, asks in books.values()]
    theirs = partial(_obvious, plain, max(2, count // 10))
    taken = alternate(clock, {"ours": ours, "obvious": theirs}, effort.rounds)
    return time_row(name, taken["ours"], taken["obvious"], against="plain walk of all 20 pairs, in floats")


def _book(shift: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    bids = [(_MID + shift - 1 - i, 1_000 + 37 * i) for i in range(LEVELS)]
    asks = [(_MID + shift + 1 + i, 1_000 + 41 * i) for i in range(LEVELS)]
    return bids, asks


def _floats(levels: list[tuple[int, int]]) -> Side:
    return [(price / 10, size / 10_000) for price, size in levels]


def _obvious(books: list[tuple[Side, Side]], count: int) -> int:
    for _ in range(count):
        max(walk(buy[1], sell[0]) for buy in books for sell in books if buy is not sell)
    return count


def walk(asks: Side, bids: Side) -> float:
    """Return the profit of taking asks and bids against each other for as long as that pays."""
    net = 0.0
    ask, bid = 0, 0
    ask_left, bid_left = asks[0][1], bids[0][1]
    while ask < len(asks) and bid < len(bids):
        gain = bids[bid][0] * (1 - _FEE) - asks[ask][0] * (1 + _FEE)
        if gain <= 0:
            break
        size = min(ask_left, bid_left)
        net += size * gain
        ask_left, bid_left = ask_left - size, bid_left - size
        if not ask_left:
            ask += 1
            ask_left = asks[ask][1] if ask < len(asks) else 0.0
        if not bid_left:
            bid += 1
            bid_left = bids[bid][1] if bid < len(bids) else 0.0
    return net
