"""The venue monitor: measures exposure and the venues' health before every event, and stops trading at their limits.

It also reports connections whose books stand still (`book_pace.py`); those books themselves block openings and repairs.

Exposure times time is the integral of the unhedged notional (without sign) x seconds, per pair, and per venue and UTC day. A
pair is exposed by the base it has bought and not sold (or the reverse), valued at the middle of its venues' books. Between two
events nothing changes, so the integral is a sum of rectangles, one per event. It is exact in time and base, and valued at the
price at the end of each. The exposure belongs to the venues that hold the unhedged base, in proportion. Base that a pair left
unhedged beyond dust still counts, as `carried`.

Two limits, both in quote x seconds: for one pair, and for all of one UTC day. A breach halts trading in the very event that
finds it. The sum of the day goes into the control record and so survives a restart. A halt can be lifted; the day's limit
holds until the day ends or the limit is raised (reason `risk_limit`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import AnyEvent, OrderRejected
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.recovery_records import ControlRecord
from arb.core.risk.book_watch import BookWatch
from arb.core.risk.refusals import RefusalReports
from arb.core.state.blocks import Source
from arb.core.state.control import CARRIED
from arb.core.state.engine_state import EngineState
from arb.core.state.venue_health import Change, HealthState
from arb.core.trades.strategy import HealthChanged
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade, net_base
from arb.market.feed import venue_of
from arb.market.numbers import ZERO
from arb.market.order import Side
from arb.market.symbol import Symbol

# The day's sum is journalled whenever it has grown by this share of its limit, so that a crash loses little.
KEPT_EVERY = 64
# The codes of refusals by the guard next to the signer (`venues/kit/rules/guard.py`) begin so.
GUARD_CODES = "guard_"
STILL_REPORTED_NS = 500 * NS_PER_MS
"""A standstill is an incident when it lasts this long. Shorter ones also stop trade: they occur when a connection delivers the
frames of several seconds at once. Then other connections' books seem still."""
_SEVERITY = {HealthState.QUARANTINED: Severity.CRITICAL, HealthState.DEGRADED: Severity.WARNING}
MEANING = {
    HealthState.HEALTHY: "traded on at full size again",
    HealthState.DEGRADED: "traded on at a smaller size",
    HealthState.QUARANTINED: "opens nothing; legs are repaired elsewhere where that is possible",
    HealthState.PROBATION: "tried again at a small size",
}
"""The consequence of each state of health."""


class VenueMonitor:
    """Watches exposure and health; a change of a venue's health is an incident, and limits the strategies."""

    def __init__(
        self,
        state: EngineState,
        orders: TradeTable,
        on_quotes: Callable[[Iterable[int]], None],
        notify: Callable[[HealthChanged], None],
    ) -> None:
        """`on_quotes` gets the rows of books made unusable; `notify` passes a change on to the strategies."""
        self.state = state
        self._notify = notify
        self.exposure = ExposureWatch(state, orders)
        self._books = BookWatch(state, on_quotes)
        # Since when the books of connections stand still, by name, and the reported ones among them.
        self._still: dict[str, int] = {}
        self._reported_still: set[str] = set()
        self._refusals = RefusalReports(state)

    def before(self, event: AnyEvent) -> None:
        if not self.state.run_id:
            return  # the run has not begun: there is nothing to measure and no row to write
        self.exposure.measure(event.t_ns)
        for change in self.state.health.take(event):
            self._changed(change, event.t_ns)
        still = self.state.books.standing_still(event.t_ns)
        if still or self._still:
            self._report_still(still, event.t_ns)
        self._books.check(event.t_ns)
        if isinstance(event, OrderRejected) and event.code.startswith(GUARD_CODES):
            self._report_refusal(event)

    def recover(self, recorded: ControlRecord | None, now_ns: int) -> None:
        self.exposure.recover(recorded.ns if recorded is not None else 0, now_ns)
        self.state.health.restore(self.state.control.unwell, now_ns)
        self.exposure.measure(now_ns)

    def _report_refusal(self, event: OrderRejected) -> None:
        """Report that our own guard refused an order of the engine: limits contradict each other, and legs stay open."""
        text = f"our own guard refused an order at {event.venue}: {event.message} ({event.code})"
        key = event.venue, event.code
        self._refusals.report(key, IncidentKind.GUARD, text, event.t_ns, venue=event.venue)

    def _report_still(self, still: set[str], now_ns: int) -> None:
        self._still = {name: self._still.get(name, now_ns) for name in still}
        lasting = {name for name, since_ns in self._still.items() if now_ns - since_ns >= STILL_REPORTED_NS}
        for name in sorted((lasting - self._reported_still) | (self._reported_still - still)):
            stands, venue = name in still, venue_of(name)
            text = (
                f"{name}: its books stand still against their own past while other venues' books of the same symbols move: "
                "nothing is opened or repaired on them until frames arrive again"
                if stands
                else f"{name}: its books move again"
            )
            severity = Severity.WARNING if stands else Severity.INFO
            self.state.incident(IncidentKind.STALE_BOOK, text, now_ns, severity=severity, venue=venue)
        self._reported_still = (self._reported_still & still) | lasting

    def _changed(self, change: Change, now_ns: int) -> None:
        state = self.state
        text = f"{change.venue} is {change.state}, was {change.before} ({change.cause}): {MEANING[change.state]}"
        severity = _SEVERITY.get(change.state, Severity.INFO)
        state.incident(IncidentKind.VENUE_HEALTH, text, now_ns, severity=severity, venue=change.venue)
        if change.state is HealthState.QUARANTINED:
            state.venues[change.venue].block(Source.QUARANTINE, str(change.state))
        else:
            state.venues[change.venue].lift(Source.QUARANTINE)
        unwell = state.health.unwell()
        if unwell != state.control.unwell:
            state.control.unwell = unwell
            state.out.persist(state.control.record(now_ns, text))
        self._notify(HealthChanged(tuple(symbol for venue, symbol in state.instruments if venue == change.venue)))


class ExposureWatch:
    """Measures the exposure before every event, and halts when it was too much for too long."""

    def __init__(self, state: EngineState, orders: TradeTable) -> None:
        self.state = state
        self.orders = orders
        self._carried_since_ns = 0
        self._reported: set[object] = set()
        self._kept = ZERO
        # The day and its sum that were held against the limit last.
        self._checked: tuple[int, Decimal] | None = None

    def measure(self, now_ns: int) -> None:
        """Count the exposure since the last event; halt at a limit."""
        meter = self.state.control.exposure
        if now_ns >= meter.ends_ns:
            self._accrue(meter.ends_ns)
            self._begin_day(now_ns)
        if self.orders.open or self.state.residuals.unhedged():
            self._accrue(now_ns)
            for pair in self.orders.open.values():
                self._check_pair(pair, now_ns)
        elif now_ns > self._carried_since_ns:
            self._carried_since_ns = now_ns
        if (meter.day, meter.total) != self._checked:
            self._check_day(now_ns)
            self._checked = meter.day, meter.total

    def recover(self, recorded_ns: int, now_ns: int) -> None:
        """Count the exposure of restored pairs: all of it for the pair, for the day since the last record of it."""
        meter = self.state.control.exposure
        self._begin_day(now_ns)
        self._kept = meter.total
        if meter.total >= self.state.limits.max_exposure_quote_s_per_day:
            self._reported.add(meter.day)
        for pair in self.orders.open.values():
            pair.exposure_quote_s = ZERO
            for since_ns, until_ns, shares in history(pair, now_ns):
                pair.exposure_quote_s += sum(shares.values(), ZERO) * (until_ns - since_ns) / NS_PER_S
                meter.add(shares, max(since_ns, recorded_ns), until_ns)

    def _begin_day(self, now_ns: int) -> None:
        ended = self.state.control.exposure.roll(now_ns)
        if ended is not None:
            self.state.incident(IncidentKind.EXPOSURE_DAY, _day_text(*ended), now_ns, severity=Severity.INFO)
            self._kept = ZERO

    def _accrue(self, now_ns: int) -> None:
        for pair in self.orders.open.values():
            self._measure_pair(pair, now_ns)
        if self._carried_since_ns and (unhedged := self.state.residuals.unhedged_by_asset()):
            carried = sum((held.value for held in unhedged.values()), ZERO)
            self.state.control.exposure.add({CARRIED: carried}, self._carried_since_ns, now_ns)
        self._carried_since_ns = max(now_ns, self._carried_since_ns)

    def _measure_pair(self, pair: PairTrade, now_ns: int) -> None:
        base = Symbol.of(pair.plan.symbol).base
        held = shares_of(pair, base)
        price = pair.mid_price(self.state.books) if held else ZERO
        shares = {venue: size * price for venue, size in held.items()}
        self.state.control.exposure.add(shares, pair.exposure_until_ns, now_ns)
        pair.expose(sum(shares.values(), ZERO), now_ns)

    def _check_pair(self, pair: PairTrade, now_ns: int) -> None:
        most = self.state.limits.max_exposure_quote_s_per_pair
        if pair.exposure_quote_s >= most and pair.id not in self._reported:
            self._reported.add(pair.id)
            text = f"pair {pair.id}: {pair.exposure_quote_s:.2f} quote x seconds unhedged, at most {most:f} are allowed"
            if self.state.control.halted is None:
                self.state.halt(HaltReason.RISK_LIMIT, text, now_ns, pair.id)
            else:
                self.state.incident(IncidentKind.RISK_LIMIT, text, now_ns, severity=Severity.CRITICAL, pair_id=pair.id)

    def _check_day(self, now_ns: int) -> None:
        meter, most = self.state.control.exposure, self.state.limits.max_exposure_quote_s_per_day
        total = meter.total
        if total >= most and meter.day not in self._reported:
            self._reported.add(meter.day)
            text = (
                f"{total:.2f} quote x seconds unhedged today, at most {most:f} are allowed: no new pair before the "
                "UTC day ends, or [limits] max_exposure_quote_s_per_day is raised"
            )
            if self.state.control.halted is None:  # `core/risk/day_limits.py` reports the limit
                self.state.halt(HaltReason.RISK_LIMIT, text, now_ns)
        if abs(total - self._kept) * KEPT_EVERY >= most:
            self._kept = total
            self.state.out.persist(self.state.control.record(now_ns, "exposure"))


def shares_of(pair: PairTrade, base: str) -> dict[str, Decimal]:
    """Return the unhedged base of a pair by the venue that holds it, without sign; empty when it is even."""
    nets: dict[str, Decimal] = {}
    if pair.inherited:
        nets[pair.plan.buy_venue] = pair.inherited
    for order in pair.orders.values():
        if order.fills:
            nets[order.venue] = nets.get(order.venue, ZERO) + net_base(order, base)
    if pair.handed_size:
        nets[_handed_at(pair)] = nets.get(_handed_at(pair), ZERO) - pair.handed_size
    return _shared_out(nets)


def _handed_at(pair: PairTrade) -> str:
    """Return the venue that held the base other pairs took over: the buy venue for surplus, the sell venue for a lack."""
    return pair.plan.buy_venue if pair.handed_size > 0 else pair.plan.sell_venue


def _shared_out(nets: Mapping[str, Decimal]) -> dict[str, Decimal]:
    total = sum(nets.values(), ZERO)
    if not total:
        return {}
    holders = {venue: abs(net) for venue, net in nets.items() if net * total > 0}
    held = sum(holders.values(), ZERO)
    return {venue: abs(total) * size / held for venue, size in holders.items()}


def history(pair: PairTrade, now_ns: int) -> Iterator[tuple[int, int, dict[str, Decimal]]]:
    """Yield, from a pair's fills, (since, until, quote by venue) of all it was exposed to; valued at the latest fill.

    Base that other pairs took over counts up to the pair's last end only: since then it was theirs, or carried. A pair that
    never ended has offset it against a late fill: that counts as if the pair had never owned it.
    """
    base = Symbol.of(pair.plan.symbol).base
    changes: list[tuple[int, str, Decimal, Decimal | None]] = []
    for fill in (fill for order in pair.orders.values() for fill in order.fills.values()):
        brought = (fill.size if fill.side is Side.BUY else -fill.size) - (
            fill.fee if fill.fee_currency == base else ZERO
        )
        changes.append((fill.received_ns, fill.venue, brought, fill.price))
    if pair.handed_size:
        changes.append((pair.mark_ns or pair.decided_ns, _handed_at(pair), -pair.handed_size, None))
    nets: dict[str, Decimal] = {pair.plan.buy_venue: pair.inherited} if pair.inherited else {}
    since_ns, price = pair.decided_ns, pair.planned_price
    for at_ns, venue, brought, paid in sorted(changes, key=lambda change: change[0]):
        yield since_ns, at_ns, {v: size * price for v, size in _shared_out(nets).items()}
        nets[venue] = nets.get(venue, ZERO) + brought
        since_ns, price = at_ns, paid or price
    yield since_ns, now_ns, {venue: size * price for venue, size in _shared_out(nets).items()}


def _day_text(day: str, by_venue: Mapping[str, Decimal]) -> str:
    parts = ", ".join(f"{venue} {amount:.2f}" for venue, amount in sorted(by_venue.items()))
    return f"{date.fromisoformat(day)}: quote x seconds unhedged: {parts}"
