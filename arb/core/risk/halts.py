"""Halts and the losses that cause them: ACTIVE, REDUCING (shutting down or flattening) or HALTED, surviving restarts.

A halt stops opening, never closing. Only the user lifts it, and gives a reason, but for what late pairs have stopped
(`core/risk/late_legs.py`): their symbols and venues, or everything (`leg_deadline`). A flatten is a halt that also
trades what is left back to flat: while it is under way the state is REDUCING and `halted` reads `flatten`, and a process
that dies meanwhile goes on with it; when nothing is left, or nothing legal, `halted` reads `flattened`. The daily loss is
the sum of the realised net of pairs closed on the present UTC day, the daily notional what pairs opened on it were to pay.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

from arb.clock import NS_PER_S
from arb.core.incidents import HaltReason
from arb.core.records import BarredInstrument, ControlRecord, LateLeg, StoppedAsset
from arb.core.settings import Limits
from arb.market.numbers import ZERO

CARRIED = "carried"
"""Stands in the place of a venue for base that closed pairs left unhedged, wherever it lies."""
DAY_NS = 86_400 * NS_PER_S
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
E9 = Decimal("1e-9")


class TradingState(StrEnum):
    """What the engine may do: open and close, only close, or nothing new at all."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class ExposureMeter:
    """Sums of the present UTC day, in quote x seconds."""

    def __init__(self) -> None:
        self.day = 0
        self.by_venue: dict[str, Decimal] = {}

    @property
    def total(self) -> Decimal:
        """Return the day's sum over all venues."""
        return sum(self.by_venue.values(), ZERO)

    @property
    def day_utc(self) -> str:
        """Return the day in ISO form."""
        return date.fromordinal(EPOCH_ORDINAL + self.day).isoformat()

    @property
    def ends_ns(self) -> int:
        """Return the instant at which the day ends."""
        return (self.day + 1) * DAY_NS

    def restore(self, day_utc: str, by_venue: Mapping[str, Decimal]) -> None:
        """Restore what the journal last said of a day."""
        self.day = date.fromisoformat(day_utc).toordinal() - EPOCH_ORDINAL
        self.by_venue = dict(by_venue)

    def kept(self) -> dict[str, Decimal]:
        """Return the sums for the journal, to 1e-9."""
        return {venue: amount.quantize(E9) for venue, amount in sorted(self.by_venue.items())}

    def roll(self, now_ns: int) -> tuple[str, dict[str, Decimal]] | None:
        """Begin a new day when it is one; return the day that ended and its sums, if there were any."""
        day = now_ns // DAY_NS
        if day == self.day:
            return None
        ended = (self.day_utc, self.by_venue) if self.by_venue else None
        self.day, self.by_venue = day, {}
        return ended

    def add(self, shares: Mapping[str, Decimal], since_ns: int, until_ns: int) -> None:
        """Add quote notionals by venue that were held from `since_ns` to `until_ns`, as far as that lies in this day."""
        held_ns = until_ns - max(since_ns, self.day * DAY_NS)
        if held_ns > 0:
            for venue, amount in shares.items():
                self.by_venue[venue] = self.by_venue.get(venue, ZERO) + amount * held_ns / NS_PER_S


class Control:
    """Whether new pairs may open, and why not."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # A `HaltReason`, or what an older journal says instead.
        self.halted: str | None = None
        self.reducing = False
        self.day = 0
        self.day_net_e8 = 0
        self.day_notional = ZERO
        self.losses_in_a_row = 0
        self.exposure = ExposureMeter()
        # Venues whose quarantine or probation a restart must not forget.
        self.unwell: tuple[str, ...] = ()
        # (account, asset) whose balance could not be explained, and what of it: nothing opens with it there.
        self.stopped: dict[tuple[str, str], str] = {}
        # By pair, what its being late has stopped, and when such stops last lifted themselves (0: never).
        self.late: dict[int, LateLeg] = {}
        self.lifted_ns = 0
        # (account, symbol) that the venue bars; only its listing lifts that (`core/risk/bars.py`).
        self.barred: dict[tuple[str, str], BarredInstrument] = {}
        # Accounts for which their venue was seen to refuse an expired order; nothing takes that back.
        self.expiry_proved: set[str] = set()

    def restore(self, record: ControlRecord) -> None:
        """Restore what the journal last said."""
        self.halted = record.halted
        self.day = date.fromisoformat(record.day_utc).toordinal() - EPOCH_ORDINAL
        self.day_net_e8 = record.day_net_e8
        self.day_notional = record.day_notional
        self.losses_in_a_row = record.consecutive_losses
        self.exposure.restore(record.exposure_day_utc or record.day_utc, record.day_exposure)
        self.unwell = record.unwell
        self.stopped = {(held.account_id, held.asset): held.text for held in record.stopped}
        self.late = {leg.pair_id: leg for leg in record.late}
        self.lifted_ns = record.lifted_ns
        self.expiry_proved = set(record.expiry_proved)
        self.barred = {(held.account_id, held.listed.symbol): held for held in record.barred}

    @property
    def opening_allowed(self) -> bool:
        """Return whether a new pair may open as far as halts go."""
        return self.halted is None and not self.reducing

    def stopped_by_late(self, symbol: str, venues: Iterable[str]) -> bool:
        """Return whether a late pair keeps new ones from opening in a symbol or at one of the venues."""
        return any(leg.symbol == symbol or not set(leg.venues).isdisjoint(venues) for leg in self.late.values())

    @property
    def flattening(self) -> bool:
        """Return whether everything of ours is being traded back to flat."""
        return self.halted == HaltReason.FLATTENING.value

    @property
    def state(self) -> TradingState:
        """Return the state as the user sees it."""
        if self.reducing or self.flattening:
            return TradingState.REDUCING
        return TradingState.ACTIVE if self.halted is None else TradingState.HALTED

    def flatten(self) -> bool:
        """Begin to flatten, whatever halted before; return whether that is news."""
        if self.flattening:
            return False
        self.halted = HaltReason.FLATTENING.value
        return True

    def flattened(self) -> None:
        """End a flatten: halted until the user resumes."""
        self.halted = HaltReason.FLATTENED.value

    def opened(self, notional: Decimal, now_ns: int) -> None:
        """Count what a new pair is to pay."""
        self._roll(now_ns)
        self.day_notional += notional

    def restore_opened(self, day_notional: Decimal, decided_ns: int) -> None:
        """Restore what a pair decided at `decided_ns` said of its UTC day, which the last record may not have yet.

        Within a day the sum only grows, so the greatest that was written is the latest, and no pair can count twice.
        """
        if decided_ns // DAY_NS > self.day:
            self._roll(decided_ns)
        if decided_ns // DAY_NS == self.day:
            self.day_notional = max(self.day_notional, day_notional)

    def day_allows(self, notional: Decimal, now_ns: int) -> bool:
        """Return whether a pair that pays `notional` quote stays within the day's turnover."""
        self._roll(now_ns)
        return self.day_notional + notional <= self._limits.daily_notional_quote

    def halt(self, reason: HaltReason) -> bool:
        """Stop opening; return whether that is news. Any other reason takes the place of the one that lifts itself."""
        lifts_itself = self.halted == HaltReason.LEG_DEADLINE.value
        if self.halted is not None and (not lifts_itself or reason is HaltReason.LEG_DEADLINE):
            return False
        self.halted = reason.value
        return True

    def resume(self) -> None:
        """Lift every halt, as the user asks; the day's loss stays counted, the row of losses starts anew."""
        self.halted = None
        self.stopped.clear()
        self.late.clear()
        self.losses_in_a_row = 0

    def lift_late(self, now_ns: int) -> None:
        """Lift what late pairs have stopped, and no other halt."""
        if self.halted == HaltReason.LEG_DEADLINE.value:
            self.halted = None
        self.late.clear()
        self.lifted_ns = now_ns

    def book_result(self, net_e8: int, now_ns: int) -> HaltReason | None:
        """Count a closed pair; return the reason to halt when a limit is reached."""
        self._roll(now_ns)
        self.day_net_e8 += net_e8
        if net_e8 < 0:
            self.losses_in_a_row += 1
        elif net_e8 > 0:
            self.losses_in_a_row = 0
        if self.day_net_e8 <= -self._limits.daily_loss_quote * 10**8:
            return HaltReason.DAILY_LOSS
        if self.losses_in_a_row >= self._limits.consecutive_losses:
            return HaltReason.CONSECUTIVE_LOSSES
        return None

    def take_back(self, net_e8: int, now_ns: int) -> None:
        """Uncount the result of a pair that turned out not to have ended."""
        self._roll(now_ns)
        self.day_net_e8 -= net_e8

    def record(self, now_ns: int, text: str) -> ControlRecord:
        """Return the row that a restart restores."""
        return ControlRecord(
            halted=self.halted,
            day_utc=date.fromordinal(EPOCH_ORDINAL + self.day).isoformat(),
            day_net_e8=self.day_net_e8,
            day_notional=self.day_notional,
            consecutive_losses=self.losses_in_a_row,
            exposure_day_utc=self.exposure.day_utc,
            day_exposure=self.exposure.kept(),
            unwell=self.unwell,
            stopped=tuple(StoppedAsset(*key, text) for key, text in sorted(self.stopped.items())),
            late=tuple(self.late.values()),
            lifted_ns=self.lifted_ns,
            expiry_proved=tuple(sorted(self.expiry_proved)),
            barred=tuple(held for _, held in sorted(self.barred.items())),
            ns=now_ns,
            text=text,
        )

    def _roll(self, now_ns: int) -> None:
        day = now_ns // DAY_NS
        if day != self.day:
            self.day, self.day_net_e8, self.day_notional = day, 0, ZERO
