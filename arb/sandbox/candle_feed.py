"""Candles pushed to one websocket session, for all dialects."""

from collections.abc import Callable

from arb.sandbox.candles import Candle, Span
from arb.sandbox.values import PublicTrade
from arb.sandbox.wire import Session

Push = Callable[[str, Span, Candle, bool, int], None]
"""Send a candle: symbol, span, candle, whether it is over, now."""


class CandleFeed:
    """The candles a session asked for: pushed with every trade, and once more when they are over."""

    def __init__(self, session: Session, push: Push) -> None:
        self._session = session
        self._push = push
        self._wanted: set[tuple[str, Span]] = set()

    def subscribe(self, symbol: str, span: Span, now_ns: int) -> None:
        if (symbol, span) not in self._wanted:
            self._wanted.add((symbol, span))
            self._close_later(symbol, span, now_ns)

    def unsubscribe(self, symbol: str, span: Span) -> None:
        self._wanted.discard((symbol, span))

    def on_trade(self, trade: PublicTrade) -> None:
        for symbol, span in sorted(self._wanted, key=lambda wanted: wanted[1].ns):
            if symbol == trade.symbol:
                self.push_present(symbol, span, trade.ns)

    def push_present(self, symbol: str, span: Span, now_ns: int) -> None:
        self._push(symbol, span, self._present(symbol, span, now_ns), False, now_ns)

    def _present(self, symbol: str, span: Span, now_ns: int) -> Candle:
        [candle] = self._session.venue.exchange.market(symbol).candles.last(span, 1, now_ns + 1)
        return candle

    def _close_later(self, symbol: str, span: Span, now_ns: int) -> None:
        start_ns = span.start_of(now_ns)
        scheduler, venue = self._session.venue.scheduler, self._session.venue

        def close(_: int) -> None:
            if not self._session.is_open or (symbol, span) not in self._wanted:
                return
            self._push(symbol, span, self._present(symbol, span, start_ns), True, venue.now_ns)
            self._close_later(symbol, span, max(venue.now_ns, start_ns + span.ns))

        scheduler.at(scheduler.now_ns + start_ns + span.ns - now_ns, close)
