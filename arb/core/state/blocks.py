"""The blocks: all that keeps something from opening, in one table; "why does nothing open here?" is one look-up in it.

The owner of a condition puts a block when the condition begins, and lifts it when that ends. Of several that hold, the first by
the order of `Source` is the answer, which is the order of `Reason`. Conditions of an instant or of a route stay with their
judges: books, dates of a listing, unanswered orders, pairs of coins, limits, budgets. No block keeps a leg from its repair.
"""

from collections.abc import Iterable, Iterator
from enum import Enum

import msgspec

from arb.core.messages.reasons import Reason
from arb.market.instrument import Instrument
from arb.market.symbol import Symbol


class Source(Enum):
    """Who puts a block, the reason that it gives, and its end; in the order in which they win."""

    HALT = "halt", Reason.HALTED, "`arb resume --reason TEXT` lifts it"
    LATE_LEG = "late_leg", Reason.HALTED, "lifts itself when the pair has ended well; watch `unhedged`"
    SHUTDOWN = "shutdown", Reason.HALTED, "open pairs are finished first; Ctrl-C again stops at once"
    ABSENT = "absent", Reason.VENUE_HALTED, "lifts itself when the venue answers; `arb doctor VENUE` shows more"
    ACCOUNT = "account", Reason.VENUE_HALTED, "lifts itself when the venue names the account"
    SNAPSHOT = "snapshot", Reason.VENUE_HALTED, "lifts itself when the account is read"
    PRIVATE = "private", Reason.VENUE_HALTED, "lifts itself when the stream is up again"
    DOCTOR = "doctor", Reason.VENUE_HALTED, "`arb doctor VENUE` names the fault and its remedy"
    QUARANTINE = "quarantine", Reason.VENUE_HALTED, "lifts itself when the venue works normally again"
    PAUSE = "pause", Reason.VENUE_HALTED, "lifts itself"
    ENTRIES = "entries", Reason.VENUE_HALTED, "lifts itself"
    COMPARISON = "comparison", Reason.VENUE_HALTED, "lifts itself"
    UNEXPLAINED = "unexplained", Reason.VENUE_HALTED, "lifts itself when the venue's balance is explained"
    DRIFT = "drift", Reason.VENUE_HALTED, "find the cause, then `arb resume --reason TEXT`"
    RULES = "rules", Reason.INSTRUMENT_HALTED, "lifts itself when the rules are read again"
    BARRED = "barred", Reason.INSTRUMENT_HALTED, "remove the symbol from `[run] symbols`, or ask the venue"
    LEDGER = "ledger", Reason.LEDGER_BLOCKED, "free disk space, or restore the database"
    JOURNAL = "journal", Reason.JOURNAL_BLOCKED, "free disk space"
    CLOCK = "clock", Reason.CLOCK_OFFSET, "lifts itself when the venue's clock is compared"
    LOST = "lost", Reason.UNKNOWN_OUTSTANDING, "lifts itself when the order's pair is found"
    FROZEN = "frozen", Reason.UNKNOWN_OUTSTANDING, "lifts itself when the venue's reports agree"
    STOPPED = "stopped", Reason.FEE_UNKNOWN, "compare the venue's fees with `arb doctor VENUE`"

    def __init__(self, word: str, reason: Reason, ends: str) -> None:
        self.word, self.reason, self.ends, self.rank = word, reason, ends, len(type(self).__members__)


TIMED = (Source.PAUSE, Source.ENTRIES, Source.COMPARISON)
"""Those that block a venue until an instant."""


class Block(msgspec.Struct, frozen=True):
    """One cause for which nothing opens `at` a venue or an account ("": anywhere) in a symbol or an asset `name` ("": in any).

    `until_ns` None: until it is lifted. `key` tells apart what one source puts at one place. `listed`: the instrument as it was
    listed when its block was put, where its source asks for that.
    """

    source: Source
    at: str = ""
    name: str = ""
    text: str = ""
    until_ns: int | None = None
    key: str = ""
    listed: Instrument | None = None

    def holds(self, now_ns: int) -> bool:
        return self.until_ns is None or now_ns < self.until_ns


class Blocks:
    def __init__(self) -> None:
        # By place and name, the blocks that are held there, the one that wins first.
        self._held: dict[str, dict[str, tuple[Block, ...]]] = {}
        # How often a block was put or lifted: earlier answers hold while this is unchanged.
        self.revision = 0

    def put(self, block: Block) -> Block:
        """Hold a block; it takes the place of the one that its source has put there under its key."""
        self.lift(block.source, block.at, block.name, block.key)
        self.revision += 1
        here = self._held.setdefault(block.at, {})
        here[block.name] = tuple(sorted((*here.get(block.name, ()), block), key=lambda held: held.source.rank))
        return block

    def lift(self, source: Source, at: str = "", name: str = "", key: str = "") -> None:
        """Drop a block, if there is one."""
        block, here = self.get(source, at, name, key), self._held.get(at, {})
        if block is not None:
            self.revision += 1
            here[name] = tuple(held for held in here[name] if held is not block)
            if not here[name]:
                del here[name]

    def get(self, source: Source, at: str = "", name: str = "", key: str = "") -> Block | None:
        for block in self._held.get(at, {}).get(name, ()):
            if block.source is source and block.key == key:
                return block
        return None

    def of(self, *sources: Source) -> list[Block]:
        found = (block for block in self if block.source in sources)
        return sorted(found, key=lambda block: (block.at, block.name, block.key))

    def clear(self, source: Source) -> None:
        for block in self.of(source):
            self.lift(source, block.at, block.name, block.key)

    def __iter__(self) -> Iterator[Block]:
        return (block for here in self._held.values() for found in here.values() for block in found)

    def first(self, places: Iterable[str], symbol: str, now_ns: int) -> Block | None:
        """Return the block that wins in a symbol at any of `places`, or None; a few look-ups, however many are held."""
        first = None
        for at in places:
            if here := self._held.get(at):
                for name in ("", symbol, *Symbol.of(symbol).base_and_quote):
                    for block in here.get(name, ()):
                        if block.holds(now_ns):
                            if first is None or block.source.rank < first.source.rank:
                                first = block
                            break  # the others there come after it
        return first
