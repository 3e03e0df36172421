"""One line of a tape: a frame, an answer or an event, with its instant."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from arb.clock import NS_PER_S
from arb.errors import StoreError

Kind = Literal["ws", "http", "event"]

_BEYOND_S = 1e11
"""Times of receipt are before this, the year 5138: in milliseconds or less they would not be."""


class TapeLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of a tape; `t` is in seconds UTC."""

    t: Annotated[float, msgspec.Meta(ge=0, lt=_BEYOND_S)]
    venue: str
    kind: Kind
    raw: str
    url: str = ""
    seq: int | None = None
    t_ns: int | None = None
    connection: str = ""

    @property
    def origin(self) -> str:
        return self.connection or self.venue

    @property
    def received_ns(self) -> int:
        """Return the instant of receipt, ns UTC: exact where the tape has it, else from the seconds."""
        return self.t_ns if self.t_ns is not None else round(self.t * NS_PER_S)


_decode = msgspec.json.Decoder(TapeLine).decode
_encoder = msgspec.json.Encoder()


class TornTape(StoreError):
    """A tape ends in the middle of a line or of its compressed data, as that of a killed process does."""


def line_of(path: Path, number: int, text: bytes) -> TapeLine:
    """Read one line; raises `StoreError` naming file, line and fault, `TornTape` for one that the file ends within."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        if not text.endswith(b"\n"):
            raise TornTape(f"{path}:{number}: the file ends within this line") from None
        hint = ": t is the time of receipt in seconds UTC" if "$.t`" in str(error) else ""
        raise StoreError(f"{path}:{number}: malformed tape line: {error}{hint}") from None


def text_of(line: TapeLine) -> bytes:
    return _encoder.encode(line) + b"\n"
