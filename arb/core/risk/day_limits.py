"""The limits on one UTC day, and the alert of each: once a day, over when the day ends or the limit is raised.

The daily notional counts as reached from the first pair that it refuses until a smaller one opens. The alert stays open then:
other pairs of the usual size still do not open.
"""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from arb.clock import NS_PER_DAY
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.recovery_records import DayStop
from arb.core.messages.settings import Limits
from arb.core.risk.limits import DAILY_NOTIONAL, EXPOSURE
from arb.core.state.control import EPOCH_ORDINAL, Control
from arb.core.state.engine_state import EngineState
from arb.market.numbers import ZERO, plain

DAILY_LOSS = HaltReason.DAILY_LOSS.value
ALERT_OF = {
    DAILY_NOTIONAL: (IncidentKind.DAILY_NOTIONAL, Severity.WARNING),
    DAILY_LOSS: (IncidentKind.DAILY_LOSS, Severity.CRITICAL),
    EXPOSURE: (IncidentKind.DAILY_EXPOSURE, Severity.CRITICAL),
}


class DayLimit(NamedTuple):
    """A limit by its key in `[limits]`: the part `used` of it today, in its unit; `ends`: its remedy before the day ends."""

    key: str
    used: Decimal
    limit: Decimal
    is_reached: bool
    ends: str


def of_day(control: Control, limits: Limits, now_ns: int) -> tuple[DayLimit, ...]:
    """Return the limits on the UTC day of `now_ns`, reached or not."""
    is_lost = control.day_loss_blocks(now_ns)
    lost, floor = (Decimal(-e8).scaleb(-8) for e8 in (control.day_net_e8 + control.reopened_e8(), control.day_floor_e8))
    turnover, most = control.day_turnover, limits.daily_notional_quote
    is_spent = bool(control.day_refused) and turnover + control.day_refused > most
    exposure = control.exposure
    exposed = exposure.total if now_ns < exposure.ends_ns else ZERO
    return (
        DayLimit(EXPOSURE, exposed, limits.max_exposure_quote_s_per_day, _exposed(exposed, limits), _raise(EXPOSURE)),
        DayLimit(
            DAILY_LOSS, max(ZERO, lost), floor, is_lost, "`arb resume --reason TEXT --allow-loss QUOTE` allows more"
        ),
        DayLimit(DAILY_NOTIONAL, turnover, most, is_spent, _raise(DAILY_NOTIONAL)),
    )


def _exposed(total: Decimal, limits: Limits) -> bool:
    return total >= limits.max_exposure_quote_s_per_day


def _raise(key: str) -> str:
    return f"raise `{key}` in [limits] and restart"


def day_end_ns(now_ns: int) -> int:
    return (now_ns // NS_PER_DAY + 1) * NS_PER_DAY


def review(state: EngineState, now_ns: int) -> None:
    """Report each limit that has come to stop the day, and the end of each such stop."""
    control = state.control
    may_be_reached = control.day_loss_reached or control.day_refused or _exposed(control.exposure.total, state.limits)
    if not state.run_id or not (may_be_reached or control.day_stops):
        return
    today = date.fromordinal(EPOCH_ORDINAL + now_ns // NS_PER_DAY).isoformat()
    for of_it in of_day(control, state.limits, now_ns):
        kind, severity = ALERT_OF[of_it.key]
        before = control.day_stops.get(of_it.key)
        if before is not None and (before.day_utc != today or (of_it.limit > before.limit and not of_it.is_reached)):
            del control.day_stops[of_it.key]
            why = "the UTC day has ended" if before.day_utc != today else f"the limit is {plain(of_it.limit)} now"
            _report(state, kind, Severity.INFO, f"{of_it.key}: {why}: pairs may open again", now_ns)
        if of_it.is_reached and of_it.key not in control.day_stops:
            control.day_stops[of_it.key] = DayStop(of_it.key, today, of_it.limit)
            stopped = (
                "no pair opens that does not fit into the rest" if of_it.key == DAILY_NOTIONAL else "no pair opens"
            )
            text = f"{of_it.key}: {plain(of_it.used)} of {plain(of_it.limit)} used today: {stopped} before 00:00 UTC"
            _report(state, kind, severity, text, now_ns)


def _report(state: EngineState, kind: IncidentKind, severity: Severity, text: str, now_ns: int) -> None:
    state.out.persist(state.control.record(now_ns, text))
    state.incident(kind, text, now_ns, severity=severity)
