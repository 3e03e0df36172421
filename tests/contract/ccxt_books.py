"""`ccxt.pro`'s own readers of public frames as judges of ours: each gets the same bytes, and both books must be equal.

The exchange classes are unmodified; what stands in here is only their websocket client, with nobody waiting for the books.
"""

import itertools
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import ccxt.pro

from arb.market.arena import BookState
from arb.market.numbers import exact
from arb.venues.books.plain.slot import BookSlot
from tests.contract.stock_clients import exact as exact_text

Levels = list[tuple[Decimal, Decimal]]
CHANNELS = ("books", "books-l2-tbt", "orderbook")


class Nobody:
    """The part of a ccxt websocket client that a handler touches; every book counts as subscribed to."""

    url = "wss://venue/stream/spot"
    """By which Bybit's and Binance's handlers know that spot is meant."""

    def __init__(self, natives: Iterable[str]) -> None:
        self.subscriptions: dict[str, Any] = {
            f"{channel}:{native}": True for channel, native in itertools.product(CHANNELS, natives)
        }

    def resolve(self, result: Any, message_hash: str) -> Any:
        """Wake nobody."""
        return result

    def reject(self, error: Exception, message_hash: str | None = None) -> None:
        """Let the test fail where the client would tell its user of an error."""
        raise error


class CcxtReader:
    """The books of one venue as `ccxt.pro` keeps them; symbols bear the venue's own names."""

    def __init__(self, venue: str, natives: Iterable[str]) -> None:
        natives = list(natives)
        self._exchange: Any = getattr(ccxt.pro, venue)()
        self._exchange.set_markets(
            [
                self._exchange.safe_market_structure(
                    {"id": native, "symbol": native, "base": native, "quote": "-", "baseId": native, "quoteId": "-",
                     "type": "spot", "spot": True, "active": True, "contract": False, "limits": {},
                     "precision": {"amount": 1e-8, "price": 1e-8}}
                )
                for native in natives
            ]
        )  # fmt: skip
        self._client = Nobody(natives)

    def frame(self, raw: str) -> None:
        """Take one frame as the websocket client hands it over."""
        frame = json.loads(raw)
        self._exchange.handle_message(self._client, frame["data"] if "stream" in frame else frame)

    def fetched(self, native: str, raw: str, levels_of: tuple[int | str, int | str]) -> None:
        """Take a snapshot that was fetched over REST; `levels_of`: where price and size stand in a level."""
        answer = json.loads(raw)
        book = self._exchange.order_book({})
        shown = self._exchange.parse_order_book(answer, native, None, "bids", "asks", *levels_of)
        book.reset({**shown, "nonce": answer["id"] if "id" in answer else answer["lastUpdateId"]})
        self._exchange.orderbooks[native] = book

    def levels(self, native: str, depth: int) -> tuple[Levels, Levels] | None:
        """Return the best levels of a book; None before its snapshot."""
        book = self._exchange.orderbooks.get(native)
        if book is None:
            return None
        bids, asks = (
            [(exact_text(level[0]), exact_text(level[1])) for level in itertools.islice(book[side], depth)]
            for side in ("bids", "asks")
        )
        return bids, asks


def ours(slot: BookSlot, depth: int) -> tuple[Levels, Levels] | None:
    """Return the best levels of a book of our feeds; None while it is not live."""
    if slot.state is not BookState.LIVE:
        return None
    price_exp, size_exp = slot.seat.scale.price_exp, slot.seat.scale.size_exp
    bids, asks = (
        [(exact(int(price), price_exp), exact(int(size), size_exp)) for price, size in side]
        for side in slot.book.levels(depth)
    )
    return bids, asks
