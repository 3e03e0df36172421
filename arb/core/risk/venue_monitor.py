"""The sentry: looks at every event before anybody acts on it, measures exposure and health, and says what may not go on."""

from arb.core.events import AnyEvent
from arb.core.incidents import IncidentKind, Severity
from arb.core.orders.manager import OrderManager
from arb.core.records import ControlRecord
from arb.core.risk.exposure import ExposureWatch
from arb.core.risk.venue_health import Change, HealthState
from arb.core.state import EngineState
from arb.core.strategy import Strategy

_SEVERITY = {HealthState.QUARANTINED: Severity.CRITICAL, HealthState.DEGRADED: Severity.WARNING}
_MEANING = {
    HealthState.HEALTHY: "traded on at full size again",
    HealthState.DEGRADED: "traded on at a smaller size",
    HealthState.QUARANTINED: "opens nothing; legs are mended elsewhere where that is possible",
    HealthState.PROBATION: "tried again at a small size",
}


class VenueMonitor:
    """See the module's text."""

    def __init__(self, state: EngineState, manager: OrderManager, strategy: Strategy) -> None:
        self.state = state
        self.strategy = strategy
        self.exposure = ExposureWatch(state, manager)

    def before(self, event: AnyEvent) -> None:
        """Take note of an event that is about to be handled."""
        if not self.state.run_id:
            return  # the run has not begun: there is nothing to measure and no row to write
        self.exposure.measure(event.t_ns)
        for change in self.state.health.take(event):
            self._changed(change, event.t_ns)

    def recover(self, recorded: ControlRecord | None, now_ns: int) -> None:
        """Go on from what a previous process left, once its pairs are back."""
        self.exposure.recover(recorded.ns if recorded is not None else 0, now_ns)
        self.state.health.restore(self.state.control.unwell, now_ns)
        self.exposure.measure(now_ns)

    def _changed(self, change: Change, now_ns: int) -> None:
        state = self.state
        text = f"{change.venue} is {change.state}, was {change.before} ({change.cause}): {_MEANING[change.state]}"
        severity = _SEVERITY.get(change.state, Severity.INFO)
        state.incident(IncidentKind.VENUE_HEALTH, text, now_ns, severity=severity, venue=change.venue)
        unwell = state.health.unwell()
        if unwell != state.control.unwell:
            state.control.unwell = unwell
            state.out.persist(state.control.record(now_ns, text))
        for symbol in sorted({symbol for venue, symbol in state.instruments if venue == change.venue}):
            self.strategy.rules_changed(symbol)
        self.strategy.mark_all()
