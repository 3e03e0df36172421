"""The faults a sandbox venue can be given, and the board that decides which one hits.

A fault has one of three scopes. `request`: it hits one call (placing, cancelling, reading). `stream`: it hits one
outgoing websocket frame. `state`: it changes the venue while it lasts; its hits count the calls made meanwhile. A fault
ends when its `count` of hits or its `seconds` are used up. With neither given, a request or stream fault hits once, and
a state fault lasts until it is deleted. This module only decides; `venue.py` and `disturb.py` carry faults out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.sandbox.exact import parse

Param = str | int | float | bool | None

REQUEST = "request"
STREAM = "stream"
STATE = "state"
WHERE = ("place", "cancel", "query", "stream", "any")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """The defaults of a fault: its parameter, its scope and its place."""

    param: Param
    scope: str
    on: str


KINDS: dict[str, FaultKind] = {
    "lost_ack": FaultKind(None, REQUEST, "place"),  # taken, answer never sent
    "lost_request": FaultKind(None, REQUEST, "place"),  # never taken, never answered
    "delayed_request": FaultKind(3000, REQUEST, "place"),  # ms later than sent
    "slow": FaultKind(3000, REQUEST, "place"),  # executed at once, answered ms later
    "http_429": FaultKind(None, REQUEST, "place"),
    "http_500": FaultKind("either", REQUEST, "place"),  # before, after or either: was the request executed?
    "http_502_html": FaultKind("either", REQUEST, "place"),
    "http_503_maintenance": FaultKind("before", REQUEST, "any"),
    "malformed_json": FaultKind("after", REQUEST, "place"),
    "reject_balance": FaultKind(None, REQUEST, "place"),
    "symbol_refused": FaultKind(None, STATE, "place"),
    "partial_fill": FaultKind("0.5", REQUEST, "place"),  # share of the order that remains after rivals
    "late_fill": FaultKind(300, STATE, "any"),  # ms after the cancel
    "duplicate_fill_event": FaultKind(None, STREAM, "stream"),
    "fill_event_lost": FaultKind(None, STREAM, "stream"),
    "contradiction": FaultKind("trade", STREAM, "stream"),  # trade: a fill under two ids; filled: more than was ordered
    "history_lag": FaultKind(3000, STATE, "query"),  # ms
    "order_not_found": FaultKind(None, STATE, "query"),
    "foreign_order": FaultKind("200", STATE, "any"),  # notional in quote of a manual market buy
    "ws_disconnect": FaultKind(None, STREAM, "stream"),  # ms between the announcement and the end; none: at once
    "ws_stall": FaultKind(3000, STREAM, "stream"),  # ms of silence, then everything held back arrives
    "ws_lag": FaultKind(500, STREAM, "stream"),  # ms
    "ws_gap": FaultKind(None, STREAM, "stream"),
    "ws_duplicate": FaultKind(None, STREAM, "stream"),
    "ws_reorder": FaultKind(None, STREAM, "stream"),
    "book_frozen": FaultKind(None, STATE, "stream"),  # books freeze, and all else on the connection continues
    "fine_levels": FaultKind("6", STATE, "stream"),  # decimals beyond the listed steps that levels have
    "busy_feed": FaultKind(None, STATE, "stream"),  # bytes always wait on the connections that carry books
    "ws_garbage": FaultKind('{"channel":', STREAM, "stream"),
    "crossed_book": FaultKind(500, STATE, "any"),  # ms until the crossing interest is withdrawn
    "clock_skew": FaultKind(1500, STATE, "any"),  # ms the venue's clock is ahead
    "balance_lag": FaultKind(3000, STATE, "query"),  # ms
    "read_lag": FaultKind(
        3000, STATE, "query"
    ),  # ms by which every read of the account is late: orders, fills, bills, balances
    "fee_in_points": FaultKind(None, STATE, "place"),  # the asset; without a name: points
    "fee_tier_change": FaultKind("2", STATE, "place"),  # factor on every fee rate
    "min_size_change": FaultKind("10", STATE, "place"),  # factor on the minimum sizes
    "listing_change": FaultKind("10", STATE, "place"),  # factor on the steps of orders; levels keep theirs
    "key_revoked": FaultKind(None, STATE, "any"),
    "venue_down": FaultKind(None, STATE, "any"),  # every connection is closed unanswered, and nothing is taken
    "wallet_closed": FaultKind(
        "both", STATE, "any"
    ),  # deposit, withdrawal or both: of the symbol's base, or of everything
    "interest": FaultKind("0.00000123", STATE, "any"),  # quote credited
    "internal_transfer": FaultKind(
        "200", STATE, "any"
    ),  # quote from another account of the holder; below 0: to that account
}


@dataclass(slots=True, eq=False)
class Fault:
    id: int
    name: str
    kind: FaultKind
    on: str
    symbol: str | None
    count: int | None
    until_ns: int | None
    param: Param
    hits: int = 0
    ended: bool = False

    def number(self) -> Decimal:
        given = parse(self.param)
        if given is not None:
            return given
        return parse(self.kind.param) or Decimal(0)

    def ms_as_ns(self) -> int:
        return int(self.number() * 1_000_000)

    def left(self, now_ns: int) -> int | float | None:
        """Return the remaining hits, else the remaining seconds, else None (until deleted)."""
        if self.count is not None:
            return max(0, self.count - self.hits)
        if self.until_ns is not None:
            return max(0.0, round((self.until_ns - now_ns) / NS_PER_S, 3))
        return None


class FaultBoard:
    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.ended: list[Fault] = []
        """The last faults that are over, with their hits."""
        self.on_hit: Callable[[Fault], None] | None = None
        """Called at every hit."""

    def add(self, fault: Fault) -> None:
        self.active.append(fault)

    def take(self, names: frozenset[str], where: str, symbol: str | None, now_ns: int) -> Fault | None:
        """Return the oldest active fault among `names` that hits here, and count the hit."""
        if not self.active:
            return None
        for fault in self.active:
            if fault.name in names and _strikes(fault, where, symbol, now_ns):
                self.hit(fault)
                return fault
        return None

    def count_state(self, where: str, symbol: str | None, now_ns: int) -> None:
        """Count a call against every state fault that concerns it."""
        for fault in self.active:
            if fault.kind.scope == STATE and fault.name not in _OWN_COUNT and _strikes(fault, where, symbol, now_ns):
                self.hit(fault)

    def hit(self, fault: Fault) -> None:
        """Count one hit; a fault whose count is used up ends."""
        fault.hits += 1
        if self.on_hit is not None:
            self.on_hit(fault)
        if fault.count is not None and fault.hits >= fault.count:
            fault.ended = True

    def felt(self, fault: Fault) -> None:
        """Report the late consequence of a hit that was counted before."""
        if self.on_hit is not None:
            self.on_hit(fault)

    def sweep(self, now_ns: int) -> list[Fault]:
        if not self.active:
            return []
        over = [f for f in self.active if f.ended or (f.until_ns is not None and now_ns >= f.until_ns)]
        if over:
            self.active = [f for f in self.active if f not in over]
            self.ended = [*self.ended, *over][-1000:]
        return over


_OWN_COUNT = frozenset(
    {
        "late_fill",
        "foreign_order",
        "crossed_book",
        "book_frozen",
        "busy_feed",
        "fine_levels",
        "venue_down",
        "symbol_refused",
        "interest",
        "internal_transfer",
    }
)
"""State faults that count their own hits, not the calls made meanwhile."""

REQUEST_FAULTS = frozenset(name for name, kind in KINDS.items() if kind.scope == REQUEST and name != "partial_fill") | {
    "symbol_refused"
}
FRAME_FAULTS = frozenset({"ws_stall", "ws_lag", "ws_duplicate", "ws_reorder", "ws_garbage", "ws_disconnect"})
BOOK_FAULTS = FRAME_FAULTS | {"ws_gap"}
FILL_FAULTS = FRAME_FAULTS | {"duplicate_fill_event", "fill_event_lost"}


def _strikes(fault: Fault, where: str, symbol: str | None, now_ns: int) -> bool:
    if fault.ended or (fault.until_ns is not None and now_ns >= fault.until_ns):
        return False
    if fault.on not in ("any", where):
        return False
    return fault.symbol is None or fault.symbol == symbol
