"""Books built from a fetched snapshot and a stream of numbered changes: Gate's `order_book_update`, Binance's `depth`.

The theory (Gate WebSocket v4, "order_book_update"; Binance, "How to manage a local order book correctly"): changes are
kept from the moment of subscribing, and a snapshot with an id is fetched. Changes wholly inside it are dropped. The first
one applied must overlap the snapshot's end, and each later one must continue its predecessor.

A snapshot is fetched only when a change is kept that it has to meet. Without a change nothing shows that the stream serves
this book, or that the answer is not from a cache. The book could live on a snapshot that nothing keeps up to date. So a
quiet book waits for its first change. A snapshot is too old if it does not reach the kept changes, or the sequence at
which the book was lost. Then it is fetched again, and the changes stay. The venue's `Rule` defines "overlap" and
"continue":

    rule        contained in base    first one applied     later ones
    OVERLAP     last <= base         first <= base + 1     first <= id + 1 (an overlap is harmless: sizes are absolute)
    SPOT        last <= base         first <= base + 1     first == id + 1
    PERPETUAL   last <  base         first <= base         previous == id  (`first` is not contiguous on perpetuals)

Best-bid/offer frames are checked against such books: where one carries the id of the book, price and size must agree on
both sides (`arb/venues/books/plain/bbo_check.py`).
"""

from enum import Enum

from arb.market.arena import NO_SEQUENCE, BookState
from arb.market.book import ExactLevels
from arb.market.feed import NOTHING, FrameResult, Resync, ResyncBy
from arb.venues.books.plain.base import NO_SNAPSHOT, RESYNC_REPEAT_NS, FrameError, WireFeed
from arb.venues.books.plain.slot import BookSlot, Delta


class Rule(Enum):
    """How a venue numbers its changes."""

    OVERLAP = "overlap"
    SPOT = "spot"
    PERPETUAL = "perpetual"


class Verdict(Enum):
    """The relation of a change to a book."""

    APPLY = "apply"
    CONTAINED = "contained"
    GAP = "gap"


def judge(rule: Rule, sequence: int, joined: bool, delta: Delta) -> Verdict:
    """Judge `delta` against a book at `sequence`; `joined`: a change was applied since the snapshot."""
    if rule is Rule.PERPETUAL:
        if joined:
            return Verdict.APPLY if delta.previous == sequence else Verdict.GAP
        if delta.last < sequence:
            return Verdict.CONTAINED
        return Verdict.APPLY if delta.first <= sequence else Verdict.GAP
    if delta.last <= sequence:
        return Verdict.CONTAINED
    if delta.first == sequence + 1:
        return Verdict.APPLY
    overlap_allowed = rule is Rule.OVERLAP or not joined
    return Verdict.APPLY if overlap_allowed and delta.first <= sequence else Verdict.GAP


class ChainFeed(WireFeed):
    resync_by = ResyncBy.FETCH
    rule = Rule.OVERLAP

    def snapshot_path(self, native_symbol: str) -> str | None:
        """Return path and query of the HTTP snapshot that a book waits for; None while it is live, or no change is kept."""
        slot = self._slots.get(native_symbol)
        return self._path(native_symbol) if slot is not None and slot.pending else None

    def _path(self, native_symbol: str) -> str | None:
        """Return the path of a book's snapshot; None where the channel in use sends it itself."""
        return None

    def _change(self, slot: BookSlot, delta: Delta, received_ns: int) -> FrameResult:
        """Take one change: apply it to a live book, keep it for one that waits."""
        if slot.state is not BookState.LIVE:
            first = not slot.pending
            slot.pending.append(delta)
            self._counts.ignored += 1
            if not first and slot.asked_ns is not None and received_ns - slot.asked_ns < RESYNC_REPEAT_NS:
                return NOTHING
            return FrameResult(resyncs=(self._wanted(slot, received_ns, NO_SNAPSHOT),))
        verdict = judge(self.rule, slot.sequence, slot.joined, delta)
        if verdict is Verdict.CONTAINED:
            return self._contained()
        if verdict is Verdict.GAP:
            cause = f"gap: have {slot.sequence}, got {delta.first}..{delta.last}"
            result = self._gap(slot, received_ns, cause)
            slot.pending.append(delta)
            return result
        slot.book.apply(delta.bids, delta.asks)
        slot.joined = True
        levels = len(delta.bids) + len(delta.asks)
        return self._lives(slot, delta.last, delta.event_ns, received_ns, levels)

    def _replace(
        self, slot: BookSlot, sequence: int, event_ns: int, received_ns: int, bids: ExactLevels, asks: ExactLevels
    ) -> FrameResult:
        """Take a whole book from the stream itself; the changes kept for a fetched snapshot are no longer needed."""
        self._counts.snapshots += 1
        slot.pending.clear()
        slot.joined = False
        slot.floor = NO_SEQUENCE  # the stream itself states its position
        slot.book.replace(bids, asks)
        return self._lives(slot, sequence, event_ns, received_ns, len(bids) + len(asks))

    def _join(
        self,
        slot: BookSlot,
        sequence: int,
        event_ns: int,
        received_ns: int,
        sides: tuple[ExactLevels, ExactLevels],
        limit: int = 0,
    ) -> FrameResult:
        """Take a fetched snapshot and all kept changes that follow it; `limit` > 0: it has at most this many levels a side."""
        if slot.state is BookState.LIVE and sequence <= slot.sequence:
            return self._contained()
        kept = list(slot.pending)
        if sequence < slot.floor:
            return self._too_old(slot, received_ns, sequence, f"the book was at {slot.floor}", kept)
        at, joined = sequence, False
        follow: list[Delta] = []
        for place, delta in enumerate(kept):
            verdict = judge(self.rule, at, joined, delta)
            if verdict is Verdict.GAP:
                goes_on = f"changes continue at {delta.first}..{delta.last}"
                return self._too_old(slot, received_ns, at, goes_on, kept[place:])
            if verdict is Verdict.APPLY:
                follow.append(delta)
                at, joined = delta.last, True
        self._counts.snapshots += 1
        slot.book.replace(*sides)
        if limit:
            slot.book.bound(limit)
        levels = len(sides[0]) + len(sides[1])
        for delta in follow:
            slot.book.apply(delta.bids, delta.asks)
            levels += len(delta.bids) + len(delta.asks)
            event_ns = max(event_ns, delta.event_ns)
        slot.joined = joined
        slot.pending.clear()
        return self._lives(slot, at, event_ns, received_ns, levels)

    def _too_old(self, slot: BookSlot, at_ns: int, sequence: int, beyond: str, keep: list[Delta]) -> FrameResult:
        """Ask for another snapshot, and keep the changes that may follow it."""
        self._lose(slot, at_ns, "")
        slot.pending.clear()
        slot.pending.extend(keep)
        cause = f"snapshot too old: reaches {sequence}, {beyond}"
        return FrameResult(rows=(slot.row,), resyncs=(self._wanted(slot, at_ns, cause),))

    def _lose(
        self, slot: BookSlot, at_ns: int, cause: str, state: BookState = BookState.GAP, error: FrameError | None = None
    ) -> FrameResult:
        """Lose a book, and remember the sequence that its next snapshot has to reach."""
        floor, kept = max(slot.floor, slot.sequence), list(slot.pending)
        result = super()._lose(slot, at_ns, cause, state, error)
        slot.floor = floor
        slot.pending.extend(kept)
        return result

    def _wanted(self, slot: BookSlot, at_ns: int, cause: str) -> Resync:
        """Ask for a snapshot of a book that only waits for it."""
        slot.asked_ns = at_ns
        return Resync(slot.native_symbol, slot.row, cause, ResyncBy.FETCH, lost=False)
