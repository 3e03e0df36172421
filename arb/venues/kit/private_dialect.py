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
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.events import AssetBalance, BalancesReported, OrderFilled, OrderUpdated
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
SUCCESS = frozenset({"0", "00000"})
"""The codes of a login that is accepted."""
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


def rows_frame(rows: Iterable[Any], read: Callable[[Any], Iterable[PrivateEvent]]) -> PrivateFrame:
    """Return the events of the rows of one frame; a row that cannot be read does not hide the others."""
    events: list[PrivateEvent] = []
    errors: list[VenueProtocolError] = []
    foreign: list[UnknownSymbol] = []
    for row in rows:
        if len(errors) >= UNREAD_MAX:
            break
        try:
            for event in read(row):
                events.append(event)  # at once: those before an unreadable part of a row count
        except UnknownSymbol as unknown:
            foreign.append(unknown)
        except VenueProtocolError as error:
            errors.append(error)
    return PrivateFrame(events=tuple(events), errors=tuple(errors), foreign=tuple(foreign))


def balances_frame(
    venue: str, rows: Iterable[Any], read: Callable[[Any], Iterable[tuple[str, AssetBalance]]]
) -> PrivateFrame:
    """Return the balances of the rows of one frame, as one event."""
    reported: dict[str, AssetBalance] = {}

    def take(row: Any) -> tuple[()]:
        reported.update(read(row))
        return ()

    frame = rows_frame(rows, take)
    if not reported:
        return frame
    event = BalancesReported(venue=venue, balances=reported, complete=False, asked_ns=0)
    return msgspec.structs.replace(frame, events=(event,))


class PassphrasePrivate(ABC):
    """Shared by the streams of venues whose keys have a passphrase: login, subscriptions, heartbeat.

    `login_path` is the path their login signs, `channel_key` the field that names a channel, `arguments` are the
    subscriptions. `refusals`: the events that end the connection. `closing_notices`: the codes of notices that announce
    its end. Subclasses read what is pushed.
    """

    venue: str
    login_path: str
    channel_key = "channel"
    arguments: tuple[dict[str, str], ...]
    refusals = frozenset({"login", "error"})
    closing_notices: frozenset[str] = frozenset()

    def __init__(self, key: str, secret: str, passphrase: str) -> None:
        self._key = key
        self._secret = secret.encode()
        self._passphrase = passphrase
        self._pending = Subscriptions([argument[self.channel_key] for argument in self.arguments])

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

    def _read(self, received_ns: int, fields: Fields) -> PrivateFrame:
        event = fields.maybe_text("event")
        if event is None:
            return self._pushed(received_ns, self._channel(fields), fields)
        code = fields.maybe_text("code")
        if event == "login" and code in (*SUCCESS, None):
            subscribe = msgspec.json.encode({"op": "subscribe", "args": self.arguments})
            return PrivateFrame(send=(subscribe.decode(),))
        if event in self.refusals:
            return PrivateFrame(refused=f"{event} {code}: {fields.maybe_text('msg')}")
        if event == "notice" and code in self.closing_notices:
            return PrivateFrame(closing=True)
        if event == "subscribe" and self._pending.confirm(self._channel(fields)):
            return PrivateFrame(ready=True)
        return NOTHING

    def _channel(self, fields: Fields) -> str:
        # Answers may repeat an argument in another letter case.
        return fields.object("arg").text(self.channel_key).lower()

    @abstractmethod
    def _pushed(self, received_ns: int, channel: str, fields: Fields) -> PrivateFrame:
        """Read what a channel pushes; raises `VenueProtocolError`."""


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
