"""A websocket session as OKX and Bitget both keep it: JSON commands, the texts `ping` and `pong`, silence cut off."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec

from arb.sandbox.wire import Session, Venue


class ChatterSession(Session, ABC):
    """Read the client's frames and close the connection after `idle_ns` without any.

    Dialects implement `command` for a JSON object and `garbled` for anything else.
    """

    idle_ns: ClassVar[int]
    pushes_keep_alive: ClassVar[bool] = False
    """Whether a frame sent by the venue breaks the silence too."""

    def __init__(self, venue: Venue, path: str) -> None:
        super().__init__(venue, path)
        self._alive_ns = venue.scheduler.now_ns
        self._watch_silence()

    @abstractmethod
    def command(self, message: dict[str, Any], now_ns: int) -> None:
        """Obey one JSON object from the client."""

    @abstractmethod
    def garbled(self, text: str, now_ns: int) -> None:
        """Answer a frame that is no JSON object."""

    def receive(self, text: str, now_ns: int) -> None:
        """Handle one text frame from the client."""
        self._alive_ns = self.venue.scheduler.now_ns
        if text == "ping":
            self.answer("pong", now_ns)
            return
        try:
            message = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            message = None
        if isinstance(message, dict):
            self.command(message, now_ns)
        else:
            self.garbled(text, now_ns)

    def push(self, text: str, kind: str, symbol: str | None, now_ns: int, lane: str = "") -> None:
        """Send a data frame after the feed delay."""
        if self.pushes_keep_alive:
            self._alive_ns = self.venue.scheduler.now_ns
        super().push(text, kind, symbol, now_ns, lane)

    def _watch_silence(self) -> None:
        self.venue.scheduler.at(self._alive_ns + self.idle_ns, self._end_silence)

    def _end_silence(self, at_ns: int) -> None:
        if not self.is_open:
            return
        if at_ns - self._alive_ns >= self.idle_ns:
            self.close(self.venue.now_ns)
        else:
            self._watch_silence()
