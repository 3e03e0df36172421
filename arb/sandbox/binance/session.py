"""The part shared by both kinds of Binance's websockets: JSON objects in, a life of a day, and its announced end."""

from abc import abstractmethod
from typing import Any

import msgspec

from arb.sandbox.binance.wire import Json, encode, ms
from arb.sandbox.candles import DAY_NS
from arb.sandbox.wire import Session, Venue, is_shallow


class BinanceSession(Session):
    def __init__(self, venue: Venue, path: str) -> None:
        super().__init__(venue, path)
        venue.scheduler.at(venue.scheduler.now_ns + DAY_NS, lambda _: self.close(venue.now_ns))

    @abstractmethod
    def command(self, message: dict[str, Any], now_ns: int) -> None:
        """Obey one JSON object from the client."""

    @abstractmethod
    def garbled(self, now_ns: int) -> None:
        """Answer a frame that is no JSON object."""

    @abstractmethod
    def wrapped(self, event: Json) -> Json:
        """Put an event of the connection itself into its frame."""

    def receive(self, text: str, now_ns: int) -> None:
        try:
            message = msgspec.json.decode(text) if is_shallow(text) else None
        except msgspec.DecodeError:
            message = None
        if isinstance(message, dict):
            self.command(message, now_ns)
        else:
            self.garbled(now_ns)

    def announce_end(self, now_ns: int) -> None:
        self.say(self.wrapped({"e": "serverShutdown", "E": ms(now_ns)}), now_ns)

    def say(self, content: Json, now_ns: int) -> None:
        self.answer(encode(content).decode(), now_ns)
