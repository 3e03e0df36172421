"""Refusals by guards as incidents: one at once, and those of its kind within a minute as a count in the next."""

from decimal import Decimal

from arb.clock import NS_PER_S
from arb.core.messages.incidents import IncidentKind
from arb.core.risk.entry_band import ENTRY_BAND
from arb.core.risk.limits import CAPITAL, DAILY_NOTIONAL
from arb.core.state.engine_state import EngineState
from arb.market.route import Route

REFUSALS_EVERY_S = 60
"""Each kind of refusal makes at most one incident in this time."""
_NEWS = {
    CAPITAL: "too much is already in open pairs at one of the two",
    ENTRY_BAND: "a leg would be priced too far from other venues' prices",
}
"""The limits that are guards rather than everyday bounds, and the meaning of a refusal by each."""


class RefusalReports:
    def __init__(self, state: EngineState) -> None:
        self._state = state
        self._reported: dict[tuple[str, ...], tuple[int, int]] = {}  # when reported, and how many since

    def report(
        self, key: tuple[str, ...], kind: IncidentKind, text: str, now_ns: int, *, venue: str | None = None
    ) -> None:
        """Report a refusal, unless one with the same `key` was reported within the last minute: then it is counted."""
        reported_ns, more = self._reported.get(key, (0, 0))
        if reported_ns and now_ns < reported_ns + REFUSALS_EVERY_S * NS_PER_S:
            self._reported[key] = reported_ns, more + 1
            return
        self._reported[key] = now_ns, 0
        since = f" ({more} more since the last report)" if more else ""
        self._state.incident(kind, f"{text}{since}", now_ns, venue=venue)

    def limit(self, limit: str, route: Route, notional: Decimal, now_ns: int) -> None:
        """Report that a pair on `route` would have passed a limit, for those where that is news; `limit`: its key."""
        if limit == DAILY_NOTIONAL:
            self._note_spent(notional, now_ns)
        elif (what := _NEWS.get(limit)) is not None:
            buy_venue, sell_venue = route.venues
            text = f"{limit}: a pair in {route.group}, bought at {buy_venue} and sold at {sell_venue}, does not open: {what}"
            self.report((limit, route.group, buy_venue, sell_venue), IncidentKind.RISK_LIMIT, text, now_ns)

    def _note_spent(self, notional: Decimal, now_ns: int) -> None:
        """Keep the smallest pair that the day's notional refuses; the first since an opening is journalled, for a restart."""
        control = self._state.control
        is_news = not control.day_refused
        control.refused_for_day(notional, now_ns)
        if is_news:
            self._state.out.persist(control.record(now_ns, f"{DAILY_NOTIONAL} refuses a pair"))
