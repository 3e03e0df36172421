"""The symbols to judge: marked by frames whose best quotes cross, by episodes that may have ended, and by other events.

Where many are marked at once, those with the most promising best quotes are judged first, and only a few at a time.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice

from arb.core.books.books import Books
from arb.core.strategies.taker_pair.routes import Routes

JUDGED_MAX = 8
"""Symbols judged at one drain: a few milliseconds."""


class DirtySymbols:
    def __init__(self, books: Books, routes: Routes) -> None:
        self._books = books
        self._routes = routes
        self._marked: set[str] = set()
        # Symbols with an open episode, or an edge that is followed: marked with any quotes.
        self._watched: set[str] = set()
        # Marked symbols with a book about to change at their turn: judged after the others.
        self._awaiting: set[str] = set()
        # The promise of marked symbols that the last drains deferred.
        self._promised: dict[str, float] = {}
        self.unfinished = False
        """Whether the last drain deferred marked symbols to the next one, which need not wait for anything."""

    def __bool__(self) -> bool:
        return bool(self._marked or self._awaiting)

    def rows(self, rows: Iterable[int]) -> None:
        keys, marked = self._books.keys, self._marked
        for row in rows:
            key = keys.get(row)
            if key is None:
                continue  # its book was retired meanwhile
            venue, symbol = key
            if symbol in marked:
                self._promised.pop(symbol, None)
            elif symbol in self._watched or self._routes.crosses(venue, symbol):
                self._mark(symbol)

    def _mark(self, symbol: str) -> None:
        self._marked.add(symbol)
        self._books.attend(symbol, True)  # its promise, and whether it still crosses, may change with every frame

    def add(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._mark(symbol)

    def add_watched(self) -> None:
        self.add(self._watched)

    def await_books(self, symbol: str) -> None:
        """Judge a symbol at the next drain, after those marked now: its books have unread bytes."""
        self._awaiting.add(symbol)

    def watch(self, symbol: str, watched: bool) -> None:
        (self._watched.add if watched else self._watched.discard)(symbol)
        self._books.attend(symbol, watched or symbol in self._marked)

    def best(self) -> list[str]:
        """Return the symbols to judge at this drain, the most promising first."""
        if not self.unfinished:
            self.add(self._awaiting)
            self._awaiting.clear()
        self.unfinished = bool(self._marked)
        if len(self._marked) <= 1:
            return list(self._marked)
        for symbol in self._marked:
            if symbol not in self._promised:
                self._promised[symbol] = self._routes.promise(symbol)
        return heapq.nsmallest(JUDGED_MAX, self._marked, key=lambda symbol: (-self._promised[symbol], symbol))

    def some(self) -> Iterator[str]:
        return islice(self._marked, JUDGED_MAX)

    def take(self, symbol: str) -> None:
        self._marked.discard(symbol)
        self._awaiting.discard(symbol)
        self._promised.pop(symbol, None)
        self.unfinished = bool(self._marked)
        self._books.attend(symbol, symbol in self._watched)
