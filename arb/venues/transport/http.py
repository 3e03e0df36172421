"""HTTP/1.1 without a socket: one answer and how it is read (RFC 9112), and the carriers of requests
(`venues/kit/call.py`).

`HttpTransport` is a gateway's interface to the network, one method wide so that it can be swapped. An attempt ends in
exactly one of three ways, which orders must distinguish. `HttpAnswer`: an answer of any status. `NeverSent`: provably
nothing was sent, as no connection was made. `AnswerLost`: something may have arrived.

Reading is strict and bounded. Bytes that are not exactly one answer raise `BadAnswer`: for an order that means
*unknown*, and guessing at the meaning of a broken answer doubles orders. The bytes may arrive in pieces of any size.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator
from enum import Enum, auto
from typing import Any, Protocol

import msgspec

from arb.masking import clean
from arb.venues.transport.address import Origin
from arb.venues.transport.request import ANSWER_BYTES_MAX, HttpRequest, Outgoing

CONNECTIONS_MAX = 64
KEEPALIVE_S = 30.0
HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 128
"""Of one answer, and as many trailers; aiohttp's bound."""
CHUNKS_MAX = 512
"""Of one answer to an order or a cancel; such answers are a few kilobytes long."""
_LINE_BYTES_MAX = 1024
_INFORMATIONAL_MAX = 8
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*)?")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH = re.compile(r"[0-9]{1,12}", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n\0]*)?")
_BODILESS = frozenset({204, 304})
_SINGLE = frozenset({"content-length", "transfer-encoding", "content-encoding"})
_BEGINNING = b"HTTP/1."


class TransportError(Exception):
    """Something on the way to a venue or back; the text may quote the venue, and is made harmless here."""

    def __init__(self, text: str) -> None:
        super().__init__(clean(text))


class NeverSent(TransportError):
    """The connection could not be made, so the request cannot have arrived."""


class AnswerLost(TransportError):
    """The request may have been sent, and no whole answer arrived."""


class HttpAnswer(msgspec.Struct, frozen=True):
    """A whole answer. Header names are lower case; instants are ours, ns UTC."""

    status: int
    headers: dict[str, str]
    body: bytes
    sent_ns: int
    received_ns: int


class HttpTransport(Protocol):
    """Carry requests to one venue."""

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Return the answer, once awaited; raise `NeverSent` or `AnswerLost` then.

        The request may be sent at the call already, or only when its answer is awaited.
        """

    async def close(self) -> None: ...


class Connection(Protocol):
    """A connection that is ready for one request."""

    def write(self, data: bytes) -> bool:
        """Pass a request to the kernel now; False, and nothing done, when it has meanwhile been used for another one."""

    async def answer(self, sent_ns: int, timeout_s: float) -> HttpAnswer:
        """Return the answer to the written request, not before `sent_ns`; raise `AnswerLost`, also after `timeout_s`."""


class WriteTransport(HttpTransport, Protocol):
    """Carry orders and cancels, too, which are passed as bytes."""

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Pass a request to the kernel at once if a connection is ready, else when its answer is awaited; see `send`."""

    def standing(self, origin: Origin) -> Connection | None:
        """Return a connection to write on in this turn of the loop; None where none is ready."""


class Later:
    """An awaitable that may also be dropped."""

    __slots__ = ("_work",)

    def __init__(self, work: Callable[[], Coroutine[Any, Any, HttpAnswer]]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, HttpAnswer]:
        return self._work().__await__()


class BadAnswer(TransportError):
    """The received bytes are not one whole HTTP answer; the text names the problem."""


class _Stage(Enum):
    HEAD = auto()
    SIZED = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILER = auto()
    UNTIL_CLOSE = auto()
    DONE = auto()


class AnswerReader:
    """Reads one answer: `feed` it until it returns that the answer is whole, or `end` it when no more bytes will
    arrive.

    Afterwards `status`, `headers` (names in lower case) and `body` hold the answer, and `reusable` is whether the
    connection may carry another request.
    """

    def __init__(self, body_bytes_max: int = ANSWER_BYTES_MAX) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.reusable = False
        self._body_bytes_max = body_bytes_max
        self._buffer = bytearray()
        self._body = bytearray()
        self._left = 0
        self._informational = 0
        self._chunks = 0
        self._trailers = 0
        self._stage = _Stage.HEAD

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    @property
    def begun(self) -> bool:
        return bool(self._buffer) or self._stage is not _Stage.HEAD or self._informational > 0

    def feed(self, data: bytes) -> bool:
        """Take the next bytes and return whether the answer is whole; raises `BadAnswer`."""
        self._buffer += data
        while self._stage is not _Stage.DONE and self._step():
            pass
        if self._stage is not _Stage.DONE:
            return False
        if self._buffer:
            self.reusable = False  # later bytes were not asked for
        return True

    def end(self) -> None:
        """Record that the connection has ended; raises `BadAnswer` unless the answer is whole then."""
        if self._stage is _Stage.UNTIL_CLOSE:
            self._stage = _Stage.DONE
        if self._stage is not _Stage.DONE:
            raise BadAnswer("the connection ended in the middle of the answer" if self.begun else "no answer arrived")

    def _step(self) -> bool:
        stage = self._stage
        if stage is _Stage.HEAD:
            return self._head()
        if stage is _Stage.SIZED:
            return self._sized(_Stage.DONE)
        if stage is _Stage.CHUNK:
            return self._sized(_Stage.CHUNK_END)
        if stage is _Stage.CHUNK_SIZE:
            return self._chunk_size()
        if stage is _Stage.CHUNK_END:
            return self._chunk_end()
        if stage is _Stage.TRAILER:
            return self._trailer()
        self._check_size(len(self._buffer))
        self._body += self._buffer
        self._buffer.clear()
        return False

    def _head(self) -> bool:
        buffer = self._buffer
        if buffer[: len(_BEGINNING)] != _BEGINNING[: len(buffer)]:
            raise BadAnswer(f"no HTTP answer: {_shown(buffer, 20)}")
        end = buffer.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
        if end < 0:
            if len(buffer) >= HEAD_BYTES_MAX:
                raise BadAnswer(f"a head of more than {HEAD_BYTES_MAX} bytes")
            return False
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        minor, self.status, self.headers = parse_head(head)
        if self.status < 200:
            self._informational += 1
            if self.status == 101 or self._informational > _INFORMATIONAL_MAX:
                raise BadAnswer(f"status {self.status} is no answer")
            return True
        self._frame(minor)
        return True

    def _frame(self, minor: int) -> None:
        """Decide how the body ends (RFC 9112, 6.3), and whether the connection lives on."""
        headers = self.headers
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise BadAnswer(f"content encoding {clean(headers['content-encoding'], 40)!r} was not asked for")
        options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
        self.reusable = minor == 1 and "close" not in options
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None or minor == 0:
                raise BadAnswer("unclear where the answer ends")
            self._stage = _Stage.CHUNK_SIZE
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise BadAnswer(f"content length {clean(length, 40)!r}")
            self._left = int(length)
            self._check_size(self._left)
            self._stage = _Stage.SIZED
        else:
            self._stage = _Stage.UNTIL_CLOSE
        if self.status in _BODILESS:
            self._stage = _Stage.DONE
        elif self._stage is _Stage.UNTIL_CLOSE:
            self.reusable = False

    def _sized(self, after: _Stage) -> bool:
        part = self._buffer[: self._left]
        self._body += part
        del self._buffer[: len(part)]
        self._left -= len(part)
        if self._left:
            return False
        self._stage = after
        return True

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise BadAnswer(f"chunk size {_shown(line, 20)}")
        self._left = int(match.group(1), 16)
        self._check_size(self._left)
        self._chunks += 1
        if self._chunks > CHUNKS_MAX:
            raise BadAnswer(f"an answer of more than {CHUNKS_MAX} chunks")
        self._stage = _Stage.CHUNK if self._left else _Stage.TRAILER
        return True

    def _chunk_end(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise BadAnswer("a chunk is longer than stated")
        del self._buffer[:2]
        self._stage = _Stage.CHUNK_SIZE
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line:
            self._stage = _Stage.DONE
            return True
        self._trailers += 1
        if self._trailers > HEADERS_MAX:
            raise BadAnswer(f"more than {HEADERS_MAX} trailers")
        _headers([line])
        return True

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, _LINE_BYTES_MAX)
        if end < 0:
            if len(self._buffer) >= _LINE_BYTES_MAX:
                raise BadAnswer(f"a line of more than {_LINE_BYTES_MAX} bytes")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _check_size(self, more: int) -> None:
        if len(self._body) + more > self._body_bytes_max:
            raise BadAnswer(f"an answer of more than {self._body_bytes_max} bytes")


def _shown(data: bytes | bytearray, length: int) -> str:
    return repr(clean(data[:HEAD_BYTES_MAX].decode("latin-1"), length))


def parse_head(head: bytes) -> tuple[int, int, dict[str, str]]:
    """Return minor version, status and headers (names in lower case) of the head of an answer; raises `BadAnswer`."""
    first, *lines = head.split(b"\r\n", HEADERS_MAX + 1)
    if len(lines) > HEADERS_MAX:
        raise BadAnswer(f"more than {HEADERS_MAX} headers")
    match = _STATUS.fullmatch(first)
    if match is None:
        raise BadAnswer(f"no status line: {_shown(first, 40)}")
    return int(match.group(1)), int(match.group(2)), _headers(lines)


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or b"\n" in value or b"\r" in value or b"\0" in value:
            raise BadAnswer(f"no header: {_shown(line, 40)}")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        if key in headers:
            if key in _SINGLE:
                raise BadAnswer(f"{key} is stated twice")
            text = f"{headers[key]}, {text}"
        headers[key] = text
    return headers
