"""The protocol side of a private stream: frames in, events and messages to send out. It opens no socket and asks for no
time.

A dialect gives the messages to send once the connection is up and after each step, and reads frames. A frame that
cannot be read is an error naming its field, never an exception that ends the stream: its contents are found by
querying.
"""

import base64
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.events import BalancesReported, OrderFilled, OrderUpdated
from arb.errors import VenueProtocolError
from arb.venues.kit.fields import Fields, UnknownSymbol
from arb.venues.kit.rules.outcome import decode_body

PrivateEvent = OrderUpdated | OrderFilled | BalancesReported


class PrivateFrame(msgspec.Struct, frozen=True):
    """The result of one frame.

    `send`: messages to send now (the subscriptions after a login). `ready`: the stream is logged in and fully
    subscribed from this frame on. `refused`: the venue refused a login or a subscription: its message; the connection
    is of no use then. `closing`: the venue is about to close the connection. `errors`: parts of the frame that cannot
    be read. `foreign`: rows about symbols that we do not know, and so do not trade: they are passed over.
    """

    events: tuple[PrivateEvent, ...] = ()
    send: tuple[str, ...] = ()
    ready: bool = False
    refused: str | None = None
    closing: bool = False
    errors: tuple[VenueProtocolError, ...] = ()
    foreign: tuple[UnknownSymbol, ...] = ()


NOTHING = PrivateFrame()
UNREAD_MAX = 10
"""A frame is read no further than so many unreadable rows. The first one ends the connection already, and queries will
find later rows; but the next row may be our fill, which is known sooner this way.
"""


class PrivateDialect(Protocol):
    """One private connection of one venue, without the connection."""

    venue: str

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        """Forget the last connection; return the messages for a new one. `now_ns` is the venue's time."""

    def ping(self, now_ns: int) -> str | None: ...

    def on_frame(self, received_ns: int, now_ns: int, raw: bytes) -> PrivateFrame:
        """Read one frame; never raises for any content. `received_ns` is ours, `now_ns` the venue's time."""


def decode_frame(venue: str, raw: bytes) -> Any:
    """Return a frame's JSON with exact numbers; raise `VenueProtocolError`."""
    try:
        return decode_body(raw)
    except ValueError as error:
        raise VenueProtocolError(venue, f"unreadable private frame: {error}") from error


class Subscriptions:
    """Which channels are still unanswered; the stream is ready when none is."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = tuple(channels)
        self._open = set(channels)

    def reset(self) -> None:
        self._open = set(self._channels)

    def confirm(self, channel: str) -> bool:
        if channel not in self._open:
            return False
        self._open.remove(channel)
        return not self._open


class Parts:
    """Collects the contents of the rows of one frame; a row that cannot be read does not hide the others."""

    def __init__(self) -> None:
        self.events: list[PrivateEvent] = []
        self.errors: list[VenueProtocolError] = []
        self.foreign: list[UnknownSymbol] = []

    def among(self, rows: Iterable[Any]) -> Iterator[Any]:
        """Yield the rows that are to be read: all, unless too many of them cannot be."""
        for row in rows:
            if len(self.errors) >= UNREAD_MAX:
                return
            yield row

    def unread(self, error: VenueProtocolError) -> None:
        if isinstance(error, UnknownSymbol):
            self.foreign.append(error)
        else:
            self.errors.append(error)

    def frame(self) -> PrivateFrame:
        return PrivateFrame(events=tuple(self.events), errors=tuple(self.errors), foreign=tuple(self.foreign))


class PassphrasePrivate(ABC):
    """Shared by the streams of venues whose keys have a passphrase: login, heartbeat, and reading of frames.

    `login_path` is the path their login signs; subclasses read the contents of a frame.
    """

    venue: str
    login_path: str

    def __init__(self, key: str, secret: str, passphrase: str, channels: Sequence[str]) -> None:
        self._key = key
        self._secret = secret.encode()
        self._passphrase = passphrase
        self._pending = Subscriptions(channels)

    def greetings(self, now_ns: int) -> tuple[str, ...]:
        self._pending.reset()
        return (login_message(self._key, self._secret, self._passphrase, now_ns // NS_PER_S, self.login_path),)

    def ping(self, now_ns: int) -> str | None:
        return "ping"

    def on_frame(self, received_ns: int, now_ns: int, raw: bytes) -> PrivateFrame:
        if raw == b"pong":
            return NOTHING
        try:
            return self._read(received_ns, Fields(self.venue, "private frame", decode_frame(self.venue, raw)))
        except VenueProtocolError as error:
            return PrivateFrame(errors=(error,))

    @abstractmethod
    def _read(self, received_ns: int, fields: Fields) -> PrivateFrame:
        """Read a frame's JSON; raises `VenueProtocolError`."""


def login_message(key: str, secret: bytes, passphrase: str, now_s: int, path: str) -> str:
    """Return a login as several venues want it signed: base64 of HMAC-SHA256 over timestamp, `GET` and a path."""
    digest = hmac.digest(secret, f"{now_s}GET{path}".encode(), hashlib.sha256)
    argument = {
        "apiKey": key,
        "passphrase": passphrase,
        "timestamp": str(now_s),
        "sign": base64.b64encode(digest).decode(),
    }
    return msgspec.json.encode({"op": "login", "args": [argument]}).decode()
