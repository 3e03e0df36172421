"""Halts and the losses that cause them: ACTIVE, REDUCING (shutting down) or HALTED, surviving restarts.

A halt stops opening, never closing. It is lifted only by the user's word, with a reason. The daily loss is the sum of the
realised net of pairs closed on the present UTC day.
"""

from datetime import date

from arb.clock import NS_PER_S
from arb.core.records import ControlRecord
from arb.core.settings import Limits

DAY_S = 86_400
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Control:
    """Whether new pairs may open, and why not."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.halted: str | None = None
        self.reducing = False
        self.day = 0
        self.day_net_e8 = 0
        self.losses_in_a_row = 0

    def restore(self, record: ControlRecord) -> None:
        """Take up what the journal last said."""
        self.halted = record.halted
        self.day = date.fromisoformat(record.day_utc).toordinal() - EPOCH_ORDINAL
        self.day_net_e8 = record.day_net_e8
        self.losses_in_a_row = record.consecutive_losses

    @property
    def opening_allowed(self) -> bool:
        """Return whether a new pair may open as far as halts go."""
        return self.halted is None and not self.reducing

    def halt(self, reason: str) -> bool:
        """Stop opening; return whether that is news."""
        if self.halted is not None:
            return False
        self.halted = reason
        return True

    def resume(self) -> None:
        """Lift the halt on the user's word; the day's loss stays counted, the row of losses starts anew."""
        self.halted = None
        self.losses_in_a_row = 0

    def book_result(self, net_e8: int, now_ns: int) -> str | None:
        """Count a closed pair; return the reason to halt when a limit is reached."""
        self._roll(now_ns)
        self.day_net_e8 += net_e8
        if net_e8 < 0:
            self.losses_in_a_row += 1
        elif net_e8 > 0:
            self.losses_in_a_row = 0
        if self.day_net_e8 <= -self._limits.daily_loss_quote * 10**8:
            return "daily_loss_quote"
        if self.losses_in_a_row >= self._limits.consecutive_losses:
            return "consecutive_losses"
        return None

    def take_back(self, net_e8: int, now_ns: int) -> None:
        """Uncount the result of a pair that turned out not to have ended."""
        self._roll(now_ns)
        self.day_net_e8 -= net_e8

    def record(self, now_ns: int, text: str) -> ControlRecord:
        """Return the row a restart takes up."""
        return ControlRecord(
            halted=self.halted,
            day_utc=date.fromordinal(EPOCH_ORDINAL + self.day).isoformat(),
            day_net_e8=self.day_net_e8,
            consecutive_losses=self.losses_in_a_row,
            ns=now_ns,
            text=text,
        )

    def _roll(self, now_ns: int) -> None:
        day = now_ns // (DAY_S * NS_PER_S)
        if day != self.day:
            self.day, self.day_net_e8 = day, 0
