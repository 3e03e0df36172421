"""The head of an own tape: what the engine was built from, so that a replay can build the very same one.

It is a line of kind `event` without a sequence number, before all others. It names no file, key or account; what the engine
learns later (instruments, balances, halts) comes as events.
"""

import msgspec

from arb.core.accounts.restart import Restored
from arb.core.state import EngineSettings
from arb.errors import StoreError

HEAD_VERSION = 1


class TapeHead(msgspec.Struct, frozen=True, kw_only=True, tag="TapeBegan"):
    """The engine's settings, what it took up from the journal, and the sequence number before its first event.

    `connections`: which public connection carried which books, by name; empty in heads of before there could be several.
    """

    version: int = HEAD_VERSION
    settings: EngineSettings
    restored: Restored
    last_seq: int
    connections: dict[str, tuple[str, ...]] = {}


_encoder = msgspec.json.Encoder(decimal_format="string")
_decoder = msgspec.json.Decoder(TapeHead)


def encode_head(head: TapeHead) -> bytes:
    """Return the `raw` text of a head's line."""
    return _encoder.encode(head)


def decode_head(raw: str) -> TapeHead:
    """Read a head; raises `StoreError` when it is none, or of a version this arb does not know."""
    try:
        head = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise StoreError(f"the head of the tape cannot be read: {error}") from None
    if head.version != HEAD_VERSION:
        raise StoreError(f"the tape was written by another arb (head {head.version}, this one knows {HEAD_VERSION})")
    return head
