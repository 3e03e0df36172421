"""The companion's own file next to the journal: which notices each receiver was sent. The ledger stays read-only.

A notice is written here after its delivery. A companion that is killed between the two repeats one message, and loses none.
"""

import logging
from pathlib import Path

import msgspec

from arb.clock import NS_PER_DAY
from arb.errors import ConfigError
from arb.files import put_whole, whole
from arb.watch.due import Sent

log = logging.getLogger(__name__)


class Content(msgspec.Struct):
    """`begun_ns`: alerts that ended before it are never sent. `sent`: by the receiver's id and the notice's key."""

    begun_ns: int
    sent: dict[str, dict[str, Sent]] = {}


def memory_path(journal: Path) -> Path:
    return journal.with_name(journal.name.removesuffix(".sqlite") + ".watch.json")


class Memory:
    def __init__(self, path: Path, now_ns: int) -> None:
        """Read the file, if there is one; an unreadable one is set aside, and every open alert is sent again."""
        self.path = path
        try:
            self._content = msgspec.json.decode(whole(path), type=Content)
        except FileNotFoundError:
            self._content = Content(now_ns)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}: make it readable, or remove it") from None
        except (msgspec.DecodeError, ValueError):
            aside = path.with_name(path.name + ".unreadable")
            path.replace(aside)
            log.warning("%s: is damaged, and now named %s: open alerts are sent again", path, aside.name)
            self._content = Content(now_ns)
        self.write()

    def begun_ns(self, now_ns: int) -> int:
        """Return from when on ended alerts are sent: since the first companion, and within the last day."""
        return max(self._content.begun_ns, now_ns - NS_PER_DAY)

    def sent(self, receiver: str) -> dict[str, Sent]:
        return self._content.sent.setdefault(receiver, {})

    def add(self, receiver: str, delivered: dict[str, Sent]) -> None:
        self.sent(receiver).update(delivered)
        self.write()

    def forget(self, receiver: str, keys: set[str]) -> None:
        """Drop the notices that are over and not among `keys`, the notices that exist."""
        known = self.sent(receiver)
        for key in [key for key, sent in known.items() if sent.over and key not in keys]:
            del known[key]

    def write(self) -> None:
        """Raises `ConfigError` where the disk refuses; the former file is kept then."""
        try:
            put_whole(self.path, msgspec.json.encode(self._content))
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}: free space, or its rights") from None
