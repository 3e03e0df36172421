"""A price-time order book in whole ticks and lots: plain, exact, obvious.

Theory. Each price level is a queue. Interest belongs either to the account (an `owner`) or to the background: the
anonymous market makers of the scenario. An incoming order takes the best price first and, within a price, the oldest
interest first. Background interest is set as one total per level. A lower total cuts its newest part; a higher one adds at
the back of the queue. So it never jumps ahead of an account order that was there before.

Every visible change of a level raises `update_id` by one and is noted in each registered sink, so that publishers
know exactly which levels changed since their last update.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from arb.errors import require
from arb.sandbox.values import SimOrder

BUY = "buy"
SELL = "sell"


class Resting:
    """Interest of one owner in a level's queue; `owner` None means the background."""

    __slots__ = ("lots", "owner")

    def __init__(self, owner: SimOrder | None, lots: int) -> None:
        self.owner = owner
        self.lots = lots


class Level:
    """One price: its queue, oldest first, its total and the background's share of it, in lots."""

    __slots__ = ("background", "queue", "total")

    def __init__(self) -> None:
        self.queue: deque[Resting] = deque()
        self.total = 0
        self.background = 0


@dataclass(frozen=True, slots=True)
class Match:
    ticks: int
    lots: int
    owner: SimOrder | None


class BookSide:
    """The levels of one side, with their prices sorted upwards."""

    __slots__ = ("is_bid", "levels", "prices")

    def __init__(self, is_bid: bool) -> None:
        self.is_bid = is_bid
        self.levels: dict[int, Level] = {}
        self.prices: list[int] = []

    def best(self) -> int | None:
        if not self.prices:
            return None
        return self.prices[-1] if self.is_bid else self.prices[0]

    def best_first(self, count: int | None = None) -> list[int]:
        if self.is_bid:
            tail = self.prices if count is None else self.prices[-count:] if count else []
            return tail[::-1]
        return self.prices[:count]

    def level(self, ticks: int) -> Level:
        """Return the level at a price, made when absent."""
        found = self.levels.get(ticks)
        if found is None:
            found = self.levels[ticks] = Level()
            insort(self.prices, ticks)
        return found

    def drop_if_empty(self, ticks: int) -> None:
        if self.levels[ticks].total == 0:
            del self.levels[ticks]
            del self.prices[bisect_left(self.prices, ticks)]


class MatchBook:
    """The book of one symbol at one venue."""

    def __init__(self, first_update_id: int = 1) -> None:
        self.update_id = first_update_id
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)
        self.sinks: list[set[tuple[bool, int]]] = []
        self.on_change: Callable[[], None] | None = None

    def side(self, side: str) -> BookSide:
        return self.bids if side == BUY else self.asks

    def opposite(self, side: str) -> BookSide:
        return self.asks if side == BUY else self.bids

    def _touch(self, book_side: BookSide, ticks: int) -> None:
        self.update_id += 1
        mark = (book_side.is_bid, ticks)
        for sink in self.sinks:
            sink.add(mark)
        if self.on_change is not None:
            self.on_change()

    # -- account interest ------------------------------------------------------------------------------------------

    def rest(self, order: SimOrder, lots: int) -> None:
        """Put the unfilled part of an account order at the back of its level's queue."""
        require(order.ticks is not None and lots > 0, "only a priced order can rest")
        assert order.ticks is not None
        book_side = self.side(order.side)
        level = book_side.level(order.ticks)
        level.queue.append(Resting(order, lots))
        level.total += lots
        self._touch(book_side, order.ticks)

    def withdraw(self, order: SimOrder) -> int:
        """Take an account order off the book; return the lots it still had there."""
        assert order.ticks is not None
        book_side = self.side(order.side)
        level = book_side.levels.get(order.ticks)
        if level is None:
            return 0
        for resting in level.queue:
            if resting.owner is order:
                level.queue.remove(resting)
                level.total -= resting.lots
                book_side.drop_if_empty(order.ticks)
                self._touch(book_side, order.ticks)
                return resting.lots
        return 0

    def shrink(self, order: SimOrder, lots: int) -> None:
        """Reduce an account order on the book to `lots`, in its place of the queue."""
        assert order.ticks is not None
        book_side = self.side(order.side)
        level = book_side.levels[order.ticks]
        for resting in level.queue:
            if resting.owner is order:
                require(0 < lots <= resting.lots, "an order shrinks in its place, it does not grow")
                level.total -= resting.lots - lots
                resting.lots = lots
                self._touch(book_side, order.ticks)
                return

    # -- taking ----------------------------------------------------------------------------------------------------

    def fillable(self, side: str, limit_ticks: int | None, enough: int | None = None) -> int:
        """Return how many lots an order of `side` could take within its limit (counting stops at `enough`)."""
        book_side = self.opposite(side)
        total = 0
        for ticks in book_side.best_first():
            if not _within(side, ticks, limit_ticks):
                break
            total += book_side.levels[ticks].total
            if enough is not None and total >= enough:
                return enough
        return total

    def own_ahead(self, side: str, limit_ticks: int | None, lots: int) -> tuple[SimOrder, int] | None:
        """Return the first account order that one of `side` and `lots` would meet, and the lots before that; else None."""
        book_side, before = self.opposite(side), 0
        for ticks in book_side.best_first():
            if not _within(side, ticks, limit_ticks):
                return None
            for resting in book_side.levels[ticks].queue:
                if before >= lots:
                    return None
                if resting.owner is not None:
                    return resting.owner, before
                before += resting.lots
        return None

    def quote_for(self, side: str, limit_ticks: int | None, lots: int) -> int:
        """Return the sum of ticks times lots that taking up to `lots` would exchange."""
        book_side = self.opposite(side)
        total = 0
        for ticks in book_side.best_first():
            if lots <= 0 or not _within(side, ticks, limit_ticks):
                break
            taken = min(lots, book_side.levels[ticks].total)
            total += taken * ticks
            lots -= taken
        return total

    def take(self, side: str, limit_ticks: int | None, lots: int | None, budget: int | None = None) -> list[Match]:
        """Match an incoming order of `side` and return its executions, best price and oldest interest first.

        `lots` bounds the size; `budget`, in ticks times lots, bounds the quote spent instead (market buys in quote).
        """
        require((lots is None) != (budget is None), "exactly one of lots and budget bounds a take")
        book_side = self.opposite(side)
        matches: list[Match] = []
        while True:
            ticks = book_side.best()
            if ticks is None or not _within(side, ticks, limit_ticks):
                return matches
            wanted = lots if lots is not None else (budget or 0) // ticks
            taken = self._take_level(book_side, ticks, wanted, matches)
            if taken == 0:
                return matches
            if lots is not None:
                lots -= taken
            else:
                budget = (budget or 0) - taken * ticks

    def _take_level(self, book_side: BookSide, ticks: int, wanted: int, matches: list[Match]) -> int:
        level = book_side.levels[ticks]
        taken = 0
        while level.queue and taken < wanted:
            resting = level.queue[0]
            lots = min(resting.lots, wanted - taken)
            resting.lots -= lots
            level.total -= lots
            if resting.owner is None:
                level.background -= lots
            taken += lots
            matches.append(Match(ticks, lots, resting.owner))
            if resting.lots == 0:
                level.queue.popleft()
        if taken:
            book_side.drop_if_empty(ticks)
            self._touch(book_side, ticks)
        return taken

    # -- the background ------------------------------------------------------------------------------------------------

    def background_lots(self, side: str, ticks: int) -> int:
        level = self.side(side).levels.get(ticks)
        return 0 if level is None else level.background

    def set_background(self, side: str, ticks: int, lots: int) -> list[Match]:
        """Set the background's total at a price; return its matches with account orders in the way.

        Background interest never trades with itself: the caller removes its own crossing quotes first.
        """
        matches: list[Match] = []
        if lots > 0 and self._crosses(side, ticks):
            matches = self.take(side, ticks, lots)
            lots -= sum(match.lots for match in matches)
        book_side = self.side(side)
        if lots == 0 and ticks not in book_side.levels:
            return matches
        level = book_side.level(ticks)
        if lots > level.background:
            self._add_background(level, lots - level.background)
        elif lots < level.background:
            self._cut_background(level, level.background - lots)
        else:
            book_side.drop_if_empty(ticks)
            return matches
        book_side.drop_if_empty(ticks)
        self._touch(book_side, ticks)
        return matches

    def force_background(self, side: str, ticks: int, lots: int) -> None:
        """Add background interest at a price without matching, even across the other side (fault `crossed_book`)."""
        book_side = self.side(side)
        self._add_background(book_side.level(ticks), lots)
        self._touch(book_side, ticks)

    def background_prices(self, side: str) -> Iterator[int]:
        """Yield the prices at which there is background interest, best first; the book must not change meanwhile."""
        book_side = self.side(side)
        return (ticks for ticks in book_side.best_first() if book_side.levels[ticks].background > 0)

    def _crosses(self, side: str, ticks: int) -> bool:
        best = self.opposite(side).best()
        return best is not None and _within(side, best, ticks)

    @staticmethod
    def _add_background(level: Level, lots: int) -> None:
        if level.queue and level.queue[-1].owner is None:
            level.queue[-1].lots += lots
        else:
            level.queue.append(Resting(None, lots))
        level.total += lots
        level.background += lots

    @staticmethod
    def _cut_background(level: Level, lots: int) -> None:
        level.total -= lots
        level.background -= lots
        for resting in reversed(list(level.queue)):
            if resting.owner is not None or lots == 0:
                continue
            cut = min(lots, resting.lots)
            resting.lots -= cut
            lots -= cut
            if resting.lots == 0:
                level.queue.remove(resting)

    # -- views -----------------------------------------------------------------------------------------------------

    def top(self, is_bid: bool, count: int) -> dict[int, int]:
        book_side = self.bids if is_bid else self.asks
        levels = book_side.levels
        return {ticks: levels[ticks].total for ticks in book_side.best_first(count)}

    def mid_twice(self) -> int | None:
        """Return bid plus ask in ticks (twice the middle), None when a side is empty."""
        bid, ask = self.bids.best(), self.asks.best()
        return None if bid is None or ask is None else bid + ask


def _within(side: str, ticks: int, limit_ticks: int | None) -> bool:
    if limit_ticks is None:
        return True
    return ticks <= limit_ticks if side == BUY else ticks >= limit_ticks
