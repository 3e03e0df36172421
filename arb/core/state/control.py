"""Halts and the losses that cause them: ACTIVE, REDUCING (shutting down or flattening) or HALTED, surviving restarts.

A halt stops opening, never closing. Only the user lifts it, with a reason, except for the stops of late pairs
(`core/risk/late_legs.py`): their symbols and venues, or everything (`leg_deadline`). A flatten is a halt that also trades
unhedged base back to flat. While it runs the state is REDUCING and `halted` is `flatten`; a restart continues it. When nothing
is unhedged, or nothing legal remains, `halted` is `flattened`. The daily notional is the planned cost of pairs opened on the
present UTC day, less the part that closed ones did not trade.

The day's loss is no halt. Nothing opens for the rest of the UTC day once the net of the pairs closed on it has fallen by
`daily_loss_quote` (`risk_limit`). That holds even if open pairs earn. The user may resume with a new allowance, which counts
from that moment to the day's end. In an earlier version it was a halt that a plain resume lifted: then the next pair to close,
a winner too, halted again.
"""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum

from arb.clock import NS_PER_DAY, NS_PER_S
from arb.core.messages.incidents import HaltReason
from arb.core.messages.recovery_records import (
    BarredInstrument,
    ControlRecord,
    DayCredit,
    DayStop,
    HaltRequest,
    LateLeg,
    ReadLag,
    StoppedAsset,
    WrongPresumption,
)
from arb.core.messages.settings import Limits
from arb.core.state.blocks import Block, Blocks, Source
from arb.market.numbers import ZERO, to_e8

CARRIED = "carried"
"""Takes the place of a venue for base that closed pairs left unhedged, at any venue."""
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
E9 = Decimal("1e-9")
CREDITS_A_DAY = 10
"""The unexplained credits of one asset on one day may add up to this many times `drift_ignore_quote`."""


class TradingState(StrEnum):
    """ACTIVE: something may open now. WAITING: it may once a condition of the moment is over. BLOCKED: a block or limit is."""

    ACTIVE = "ACTIVE"
    WAITING = "WAITING"
    BLOCKED = "BLOCKED"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class ExposureMeter:
    def __init__(self) -> None:
        self.day = 0
        self.by_venue: dict[str, Decimal] = {}
        self.total = ZERO
        """The day's sum over all venues."""

    @property
    def day_utc(self) -> str:
        return date.fromordinal(EPOCH_ORDINAL + self.day).isoformat()

    @property
    def ends_ns(self) -> int:
        return (self.day + 1) * NS_PER_DAY

    def restore(self, day_utc: str, by_venue: Mapping[str, Decimal]) -> None:
        self.day = date.fromisoformat(day_utc).toordinal() - EPOCH_ORDINAL
        self.by_venue = dict(by_venue)
        self.total = sum(self.by_venue.values(), ZERO)

    def kept(self) -> dict[str, Decimal]:
        """Return the sums for the journal, to 1e-9."""
        return {venue: amount.quantize(E9) for venue, amount in sorted(self.by_venue.items())}

    def roll(self, now_ns: int) -> tuple[str, dict[str, Decimal]] | None:
        """Begin a new day when it is one; return the day that ended and its sums, if there were any."""
        day = now_ns // NS_PER_DAY
        if day == self.day:
            return None
        ended = (self.day_utc, self.by_venue) if self.by_venue else None
        self.day, self.by_venue, self.total = day, {}, ZERO
        return ended

    def add(self, shares: Mapping[str, Decimal], since_ns: int, until_ns: int) -> None:
        """Add quote notionals by venue, held from `since_ns` to `until_ns`, for the part of that span in this day."""
        held_ns = until_ns - max(since_ns, self.day * NS_PER_DAY)
        if held_ns > 0:
            for venue, amount in shares.items():
                self.by_venue[venue] = self.by_venue.get(venue, ZERO) + amount * held_ns / NS_PER_S
            self.total = sum(self.by_venue.values(), ZERO)


class Control:
    def __init__(self, limits: Limits, blocks: Blocks | None = None) -> None:
        self._limits = limits
        self.blocks = Blocks() if blocks is None else blocks
        self._usual_floor_e8 = -to_e8(limits.daily_loss_quote)
        self.day = 0
        self.day_net_e8 = 0
        # The day's net at which nothing opens any more, and whether it was reached; another one after a new allowance.
        self.day_floor_e8 = self._usual_floor_e8
        self.day_loss_reached = False
        # The loss that reopened pairs would add to the day's net if they ended now, 1e-8 quote (<= 0); the engine sets
        # it.
        self.reopened_e8: Callable[[], int] = lambda: 0
        # The planned cost of pairs opened on the day, and the part of it that closed ones did not trade.
        self.day_notional = ZERO
        self.day_unfilled = ZERO
        # The smallest pair that the daily notional refused on the day, since the last opening; 0: none.
        self.day_refused = ZERO
        # By key, the limits on a day that were reported as reached.
        self.day_stops: dict[str, DayStop] = {}
        # By (account, asset), the unexplained credits accepted on the day, in quote.
        self.day_credits: dict[tuple[str, str], Decimal] = {}
        self.losses_in_a_row = 0
        # Pairs that count for the ramp (`core/risk/ramp.py`).
        self.clean_pairs = 0
        self.exposure = ExposureMeter()
        # Venues whose quarantine or probation a restart must not forget.
        self.unwell: tuple[str, ...] = ()
        # By pair, the stops that its lateness caused, and when such stops last lifted themselves (0: never).
        self.late: dict[int, LateLeg] = {}
        self.lifted_ns = 0
        # Accounts for which their venue was seen to refuse an expired order; only another kind of account takes that back.
        self.expiry_proved: set[str] = set()
        # The known state of the accounts' lists, and of presumptions made on them (`core/orders/visibility.py`).
        self.read_lags: tuple[ReadLag, ...] = ()
        self.wrong_presumptions: tuple[WrongPresumption, ...] = ()
        self.day_presumed_e8 = 0
        # Who asked for the halt, None: the engine itself, or not known.
        self.asked: HaltRequest | None = None

    def take_limits(self, limits: Limits) -> None:
        """Let other limits hold. A larger `daily_loss_quote` lifts no loss that was reached: a resumption can allow more."""
        usual, before = -to_e8(limits.daily_loss_quote), self._usual_floor_e8
        self._limits, self._usual_floor_e8 = limits, usual
        if self.day_floor_e8 == before:
            self.day_floor_e8 = usual

    def restore(self, record: ControlRecord) -> None:
        self.halted, self.asked = record.halted, record.asked
        self.day = date.fromisoformat(record.day_utc).toordinal() - EPOCH_ORDINAL
        self.day_net_e8 = record.day_net_e8
        self.day_floor_e8 = self._usual_floor_e8 if record.day_floor_e8 is None else record.day_floor_e8
        self.day_loss_reached = record.day_loss_reached or self.day_net_e8 <= self.day_floor_e8
        self.day_notional, self.day_unfilled = record.day_notional, record.day_unfilled
        self.day_refused = record.day_refused
        self.day_stops = {stop.key: stop for stop in record.day_stops}
        self.day_credits = {(known.account_id, known.asset): known.value for known in record.day_credits}
        self.losses_in_a_row = record.consecutive_losses
        self.clean_pairs = record.clean_pairs
        self.exposure.restore(record.exposure_day_utc or record.day_utc, record.day_exposure)
        self.unwell = record.unwell
        for leg in record.late:
            self.stop_late(leg)
        self.lifted_ns = record.lifted_ns
        self.expiry_proved = set(record.expiry_proved)
        self.read_lags, self.wrong_presumptions = record.read_lags, record.wrong_presumptions
        self.day_presumed_e8 = record.day_presumed_e8
        for one in record.stopped:
            self.blocks.put(Block(Source.DRIFT, one.account_id, one.asset, one.text))
        for held in record.barred:
            self.blocks.put(Block(Source.BARRED, held.account_id, held.listed.symbol, held.text, listed=held.listed))

    @property
    def halted(self) -> str | None:
        """Return the halt: a `HaltReason`, or the text of an older journal."""
        block = self.blocks.get(Source.HALT)
        return None if block is None else block.text

    @halted.setter
    def halted(self, reason: str | None) -> None:
        if reason is None:
            self.blocks.lift(Source.HALT)
        else:
            self.blocks.put(Block(Source.HALT, text=reason))

    def day_loss_blocks(self, now_ns: int) -> bool:
        """Return whether the day's loss blocks openings: the loss booked, or the loss if it closed now."""
        self._roll(now_ns)
        return self.day_loss_reached or self.day_net_e8 + self.reopened_e8() <= self.day_floor_e8

    def halted_at(self, now_ns: int) -> str | None:
        """Return the reason that stops all openings, as the user sees it: a halt, or else the day's loss."""
        if self.halted is None and self.day_loss_blocks(now_ns):
            return HaltReason.DAILY_LOSS.value
        return self.halted

    def stop_late(self, leg: LateLeg) -> None:
        """Open nothing in the symbol of a late pair, nor at its venues."""
        self.late[leg.pair_id] = leg
        for at, name in (("", leg.symbol), *((venue, "") for venue in leg.venues)):
            self.blocks.put(Block(Source.LATE_LEG, at, name, HaltReason.LEG_DEADLINE.value, key=str(leg.pair_id)))

    @property
    def flattening(self) -> bool:
        return self.halted == HaltReason.FLATTENING.value

    def state(self, now_ns: int) -> TradingState:
        if self.flattening or self.blocks.get(Source.SHUTDOWN):
            return TradingState.REDUCING
        return TradingState.ACTIVE if self.halted_at(now_ns) is None else TradingState.HALTED

    def flatten(self, asked: HaltRequest | None) -> bool:
        """Begin to flatten, despite other halts; return whether that is news."""
        if self.flattening:
            return False
        self.halted, self.asked = HaltReason.FLATTENING.value, asked
        return True

    def flattened(self) -> None:
        self.halted = HaltReason.FLATTENED.value

    def opened(self, notional: Decimal, now_ns: int) -> None:
        self._roll(now_ns)
        self.day_notional += notional
        self.day_refused = ZERO

    def refused_for_day(self, notional: Decimal, now_ns: int) -> None:
        """Note that a pair did not fit into the rest of the day's notional."""
        self._roll(now_ns)
        self.day_refused = min(self.day_refused or notional, notional)

    def restore_opened(self, day_notional: Decimal, decided_ns: int) -> None:
        """Restore the day's notional from a pair decided at `decided_ns`, which the last record may lack.

        Within a day the sum only grows, so the greatest that was written is the latest, and no pair can count twice.
        """
        if decided_ns // NS_PER_DAY > self.day:
            self._roll(decided_ns)
        if decided_ns // NS_PER_DAY == self.day:
            self.day_notional = max(self.day_notional, day_notional)

    def day_allows(self, notional: Decimal, now_ns: int) -> bool:
        self._roll(now_ns)
        return self.day_turnover + notional <= self._limits.daily_notional_quote

    @property
    def day_turnover(self) -> Decimal:
        """Return the day's notional: the planned cost of pairs opened on it, less the part that closed ones did not trade."""
        return max(ZERO, self.day_notional - self.day_unfilled)

    def give_back(self, notional: Decimal, decided_ns: int, now_ns: int) -> None:
        """Give untraded quote of a pair back to the turnover of the day it was decided on, unless that day is over.

        Below zero: the pair is open again and may trade it yet.
        """
        self._roll(now_ns)
        if decided_ns // NS_PER_DAY == self.day:
            self.day_unfilled = max(ZERO, self.day_unfilled + notional)

    def agree_credit(self, account_id: str, asset: str, value: Decimal, now_ns: int) -> bool:
        """Count a credit that nothing explains, worth `value` quote, where the limits allow it; return whether they do."""
        self._roll(now_ns)
        key, most = (account_id, asset), self._limits.drift_ignore_quote
        total = self.day_credits.get(key, ZERO) + value
        if value > most or total > most * CREDITS_A_DAY:
            return False
        self.day_credits[key] = total
        return True

    def halt(self, reason: HaltReason, asked: HaltRequest | None = None) -> bool:
        """Stop opening; return whether that is news. Any other reason takes the place of the one that lifts itself."""
        lifts_itself = self.halted == HaltReason.LEG_DEADLINE.value
        if self.halted is not None and (not lifts_itself or reason is HaltReason.LEG_DEADLINE):
            return False
        self.halted, self.asked = reason.value, asked
        return True

    def resume(self, now_ns: int, allow_loss: Decimal | None = None) -> None:
        """Lift every halt, as the user asks; the row of losses restarts.

        The day's loss still blocks, unless `allow_loss` (quote, > 0) states what may be lost from now until the day ends.
        """
        self._roll(now_ns)
        if allow_loss is not None:
            self.day_floor_e8 = self.day_net_e8 - to_e8(allow_loss)
            self.day_loss_reached = False
        self.halted = self.asked = None
        self.blocks.clear(Source.DRIFT)
        self._lift_stops()
        self.losses_in_a_row = 0

    def lift_late(self, now_ns: int) -> None:
        if self.halted == HaltReason.LEG_DEADLINE.value:
            self.halted = None
        self._lift_stops()
        self.lifted_ns = now_ns

    def _lift_stops(self) -> None:
        self.late.clear()
        self.blocks.clear(Source.LATE_LEG)

    def book_result(self, net_e8: int, now_ns: int, before_e8: int | None = None) -> HaltReason | None:
        """Count a closed pair; return the reason to halt when its loss was one too many in a row.

        A loss below `loss_min_quote` counts in no row, nor does it end one. The day's loss, no halt, counts every loss.
        `before_e8`: the result that the pair was booked with when it closed before. The day counts the difference. A pair
        counts in the row once, when it first loses so much, and ends the row only by its first result.
        """
        self._roll(now_ns)
        self.day_net_e8 += net_e8 - (before_e8 or 0)
        self.day_loss_reached = self.day_loss_reached or self.day_net_e8 <= self.day_floor_e8
        if net_e8 > 0 and before_e8 is None:
            self.losses_in_a_row = 0
        elif self._counts_as_loss(net_e8) and not self._counts_as_loss(before_e8 or 0):
            self.losses_in_a_row += 1
            if self.losses_in_a_row >= self._limits.consecutive_losses:
                return HaltReason.CONSECUTIVE_LOSSES
        return None

    def _counts_as_loss(self, net_e8: int) -> bool:
        return net_e8 < 0 and net_e8 <= -to_e8(self._limits.loss_min_quote)

    def presumed_cost_e8(self, now_ns: int, more_e8: int = 0) -> int:
        """Add the cost of a wrong presumption of absence (>= 0) to the UTC day's sum, and return that sum."""
        self._roll(now_ns)
        self.day_presumed_e8 += more_e8
        return self.day_presumed_e8

    def record(self, now_ns: int, text: str) -> ControlRecord:
        return ControlRecord(
            halted=self.halted,
            day_utc=date.fromordinal(EPOCH_ORDINAL + self.day).isoformat(),
            day_net_e8=self.day_net_e8,
            day_floor_e8=None if self.day_floor_e8 == self._usual_floor_e8 else self.day_floor_e8,
            day_loss_reached=self.day_loss_reached,
            day_credits=tuple(DayCredit(*key, value) for key, value in sorted(self.day_credits.items())),
            day_notional=self.day_notional,
            day_unfilled=self.day_unfilled,
            day_refused=self.day_refused,
            day_stops=tuple(stop for _, stop in sorted(self.day_stops.items())),
            asked=self.asked,
            consecutive_losses=self.losses_in_a_row,
            clean_pairs=self.clean_pairs,
            exposure_day_utc=self.exposure.day_utc,
            day_exposure=self.exposure.kept(),
            unwell=self.unwell,
            stopped=tuple(StoppedAsset(held.at, held.name, held.text) for held in self.blocks.of(Source.DRIFT)),
            late=tuple(self.late.values()),
            lifted_ns=self.lifted_ns,
            expiry_proved=tuple(sorted(self.expiry_proved)),
            barred=tuple(_barred(block) for block in self.blocks.of(Source.BARRED)),
            read_lags=self.read_lags,
            wrong_presumptions=self.wrong_presumptions,
            day_presumed_e8=self.day_presumed_e8,
            ns=now_ns,
            text=text,
        )

    def _roll(self, now_ns: int) -> None:
        day = now_ns // NS_PER_DAY
        if day != self.day:
            self.day, self.day_net_e8, self.day_notional, self.day_unfilled = day, 0, ZERO, ZERO
            self.day_floor_e8, self.day_loss_reached = self._usual_floor_e8, False
            self.day_credits, self.day_refused, self.day_presumed_e8 = {}, ZERO, 0


def _barred(block: Block) -> BarredInstrument:
    assert block.listed is not None, f"{block}: a ban without the listing that lifts it"
    return BarredInstrument(block.at, block.text, block.listed)
