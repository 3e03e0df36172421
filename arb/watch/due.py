"""Which message is due to a receiver now: a pure function of the notices, of those it was sent, and of the time.

A notice is sent once, again while it lasts, and once when it is over. More than a few at a time are one digest, and a storm
is one digest a minute. Only the first notice of a serious title does not wait for it.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from arb.clock import NS_PER_DAY, NS_PER_S
from arb.config import AlertSettings
from arb.watch.notices import Engine, Notice, digest

MINUTE_NS = 60 * NS_PER_S
SINGLE_MAX = 5
"""The most messages in a minute that are no digest."""
LATEST = 3
"""How many of its notices a digest names."""
OVER = "over"


class Sent(msgspec.Struct, frozen=True):
    """A notice as a receiver knows it: when it was last sent (ns UTC), its title, and whether as over."""

    ns: int
    title: str
    over: bool = False


class Due(NamedTuple):
    """A notice that is to be sent; `notice` None: one that is over and gone."""

    key: str
    title: str
    notice: Notice | None
    over: bool
    again: bool

    @property
    def serious(self) -> bool:
        return self.notice is not None and self.notice.serious and not self.over

    @property
    def kind(self) -> str:
        """Return the title without its place."""
        return self.title.partition(":")[0]

    def heading(self, title: str = "") -> str:
        return f"{'Over: ' if self.over else ''}{title or self.title}{' (still open)' if self.again else ''}"


class Message(NamedTuple):
    """A text for one receiver, and the notices that it has when the message is delivered."""

    title: str
    text: str
    items: tuple[Due, ...]

    def sent(self, now_ns: int) -> dict[str, Sent]:
        return {due.key: Sent(now_ns, due.title, due.over) for due in self.items}


class Rules(NamedTuple):
    """Lengths of time in ns, and the quiet minutes of the UTC day: from the first on, before the second."""

    repeat_ns: int
    wake_ns: int
    quiet: tuple[int, int]

    @classmethod
    def of(cls, settings: AlertSettings) -> "Rules":
        return cls(settings.repeat_after_m * MINUTE_NS, settings.wake_after_m * MINUTE_NS, settings.quiet_minutes())

    def is_quiet(self, now_ns: int) -> bool:
        minute, (begin, end) = now_ns % NS_PER_DAY // MINUTE_NS, self.quiet
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


def due_now(
    notices: Collection[Notice], sent: dict[str, Sent], rules: Rules, now_ns: int, *, second: bool, gone: bool
) -> Iterator[Due]:
    """Yield the notices that a receiver is to be sent, in the order in which they began.

    `second`: it gets only those that wake, after a while. `gone`: a notice that was sent and is not among `notices` is over;
    else that is unknown, as of alerts whose ledger cannot be read.
    """
    quiet = rules.is_quiet(now_ns)
    for notice in sorted(notices, key=lambda each: each.since_ns):
        before = sent.get(notice.key)
        if (quiet and not notice.serious) or (second and not notice.wakes):
            continue
        if notice.over is not None:
            if (before is None and not second) or (before is not None and not before.over):
                yield Due(notice.key, notice.title, notice, over=True, again=False)
        elif before is None or before.over:
            if not second or now_ns - notice.since_ns >= rules.wake_ns:
                yield Due(notice.key, notice.title, notice, over=False, again=False)
        elif now_ns - before.ns >= rules.repeat_ns:
            yield Due(notice.key, notice.title, notice, over=False, again=True)
    present = {notice.key for notice in notices}
    for key, before in sent.items():
        if key not in present and not before.over and (gone or not key.isdecimal()):
            yield Due(key, before.title, None, over=True, again=False)


def message(due: Sequence[Due], sent: dict[str, Sent], now_ns: int, singles: int, engine: Engine) -> Message | None:
    """Return the next message to a receiver, None for none now; `singles`: how many it got within the last minute."""
    if not due:
        return None
    if len(due) <= SINGLE_MAX - singles:
        first = min(due, key=lambda each: not each.serious)
        return Message(
            f"arb {engine.mode}: {first.heading()}",
            first.notice.text(engine) if first.notice else "It is over.",
            (first,),
        )
    lately = {each.title.partition(":")[0] for each in sent.values() if now_ns - each.ns < MINUTE_NS}
    waits = singles > 0 and not any(each.serious and each.kind not in lately for each in due)
    if waits:
        return None
    latest = sorted(due, key=lambda each: (each.serious, each.notice.since_ns if each.notice else 0))[-LATEST:]
    text = digest([each.heading(each.kind) for each in due], [each.heading() for each in latest], engine)
    return Message(f"arb {engine.mode}: {len(due)} alerts", text, tuple(due))
