"""What OKX and Bitget have in common: requests of `op` and `args`, an answer for each of the args, text pings."""

from abc import abstractmethod
from typing import Any, ClassVar

from tests.venue_server.listing import Row
from tests.venue_server.session import Session
from tests.venue_server.venue import VenueServer, parsed


class ChainedServer(VenueServer):
    """A venue of this shape."""

    subscriptions_per_hour: ClassVar[int]

    @abstractmethod
    def native_of(self, arg: Any) -> str | None:
        """Return the listed symbol whose book an arg asks for; None when there is no such channel or symbol."""

    @abstractmethod
    def unreadable(self, session: Session, text: str) -> None:
        """Refuse what is no request."""

    @abstractmethod
    def no_such(self, session: Session, arg: Any) -> None:
        """Refuse an arg that names no channel or symbol."""

    @abstractmethod
    def too_many(self, session: Session) -> None:
        """Refuse a request beyond those allowed in an hour."""

    def answer(self, session: Session, event: str, arg: Row) -> None:
        """Confirm one arg."""
        session.send_json({"event": event, "arg": arg})

    def on_text(self, session: Session, text: str) -> None:
        """See `VenueServer`."""
        if text == "ping":
            session.send("pong")
            return
        request = parsed(text)
        if (
            not isinstance(request, dict)
            or request.get("op") not in ("subscribe", "unsubscribe")
            or not _args_of(request)
        ):
            self.refused["unreadable"] += 1
            self.unreadable(session, text)
            return
        if not session.hourly(self.subscriptions_per_hour).take(self.clock.monotonic_s()):
            self.refused["subscriptions"] += 1
            self.too_many(session)
            return
        for arg in _args_of(request):
            native = self.native_of(arg)
            if native is None:
                self.refused["no such channel"] += 1
                self.no_such(session, arg)
                continue
            self.answer(session, request["op"], arg)
            self.serve(session, request["op"], arg, native)

    def serve(self, session: Session, op: str, arg: Row, native: str) -> None:
        """Begin or end what an arg asks for."""
        if op == "subscribe":
            self.subscribe(session, native)
        else:
            self.unsubscribe(session, native)


def _args_of(request: Row) -> list[Any]:
    args = request.get("args")
    return args if isinstance(args, list) else []
