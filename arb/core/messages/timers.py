"""The timers of the engine, and the text by which journals name each of them.

A component that must act later asks for a timer by its type; `SetTimer.timer` and `TimerFired.timer` hold its text, `kind` or
`kind:argument`. The texts are frozen: every journal holds them (docs/decisions/0002-frozen-names-on-disk.md).
"""

from typing import ClassVar

import msgspec

from arb.errors import InvariantError


class Timer(msgspec.Struct, frozen=True):
    """A timer of the engine: there is one of its kind for each of its argument, or just one where it has none."""

    kind: ClassVar[str]

    @property
    def text(self) -> str:
        return ":".join(map(str, (self.kind, *msgspec.structs.astuple(self))))


class OrderTimer(Timer, frozen=True):
    kind: ClassVar[str] = "order"
    client_order_id: str


class PairTimer(Timer, frozen=True):
    kind: ClassVar[str] = "pair"
    pair_id: int


class VenueTimer(Timer, frozen=True):
    venue: str


class DriftTimer(VenueTimer, frozen=True):
    """Read a venue's balances again: one of them is not explained yet, or openings wait for a comparison."""

    kind: ClassVar[str] = "drift"


class SnapshotTimer(VenueTimer, frozen=True):
    """Repeat an account snapshot that failed or lacked orders."""

    kind: ClassVar[str] = "survey"


class RulesTimer(VenueTimer, frozen=True):
    """Open nothing in a symbol from now on until its listing was read again: its rules are announced to change."""

    kind: ClassVar[str] = "rules"
    symbol: str


class RecoveryTimer(Timer, frozen=True):
    """Recover the orders that the journal has lost, though not every account could be read."""

    kind: ClassVar[str] = "adopt"


class BalancesTimer(Timer, frozen=True):
    kind: ClassVar[str] = "balances"


class StrategyTimer(Timer, frozen=True):
    """Wake the strategies: an instant that one of them waits for has come."""

    kind: ClassVar[str] = "episodes"


class FlattenTimer(Timer, frozen=True):
    kind: ClassVar[str] = "flatten"


class LastBalancesTimer(Timer, frozen=True):
    """Ask again for the balances that a run compares before it ends."""

    kind: ClassVar[str] = "farewell"


class ShutdownTimer(Timer, frozen=True):
    """End the run: the time to finish open pairs is over."""

    kind: ClassVar[str] = "shutdown"


AnyTimer = (
    OrderTimer
    | PairTimer
    | DriftTimer
    | SnapshotTimer
    | RulesTimer
    | RecoveryTimer
    | BalancesTimer
    | StrategyTimer
    | FlattenTimer
    | LastBalancesTimer
    | ShutdownTimer
)

_ALONE: dict[str, AnyTimer] = {
    timer.kind: timer
    for timer in (
        RecoveryTimer(),
        BalancesTimer(),
        StrategyTimer(),
        FlattenTimer(),
        LastBalancesTimer(),
        ShutdownTimer(),
    )
}


def read_timer(text: str) -> AnyTimer:
    """Return the timer of a text; raise `InvariantError` for a text that no timer has."""
    kind, _, argument = text.partition(":")
    if argument:
        if kind == OrderTimer.kind:
            return OrderTimer(argument)
        if kind == PairTimer.kind and argument.isdecimal():
            return PairTimer(int(argument))
        if kind == DriftTimer.kind:
            return DriftTimer(argument)
        if kind == SnapshotTimer.kind:
            return SnapshotTimer(argument)
        venue, _, symbol = argument.partition(":")
        if kind == RulesTimer.kind and symbol:
            return RulesTimer(venue, symbol)
    elif text in _ALONE:
        return _ALONE[text]
    raise InvariantError(f"unknown timer {text!r}")
