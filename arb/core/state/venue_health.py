"""The venues' health: how well each has behaved recently, and the trade that it allows.

    healthy --degraded sign--> degraded --quarantine sign--> quarantined --clean--> probation --clean--> healthy
        ^-------clean--------------'  \\--------------------------^   ^----any sign------'

Signs are counted in a sliding window: the tail of the acknowledgements' latency, rejections, unknown outcomes, answers of
a venue under maintenance, lost connections, gaps in books, unanswered requests, entries in a row that filled nothing (the
book they were priced on is not real), and the clock's offset and error. Each has two thresholds (`HealthLimits`; 0 is none).
A degraded venue trades smaller, a quarantined one opens nothing and repairs legs only where no other venue can. After a time
without signs it is tried again at a small size, and any sign sends it back. It uses only the events and their times.
"""

from collections import Counter, deque
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.events import (
    NOT_SENT,
    AnyEvent,
    ClockAnchored,
    ClockMeasured,
    FeedDown,
    OrderAccepted,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
    PrivateDown,
    QueueDrained,
    TroubleReported,
)
from arb.core.messages.settings import HealthLimits

ACKS_KEPT = 256
SIGNS_KEPT = 4096
JUDGED_EVERY_NS = 100 * NS_PER_MS
MAINTENANCE_STATUS = 503
SILENT_NS = 10 * NS_PER_S
ONE = Decimal(1)


class HealthState(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    QUARANTINED = "quarantined"
    PROBATION = "probation"


class Sign(StrEnum):
    REJECTS = "rejects"
    UNKNOWNS = "unknowns"
    MAINTENANCE = "maintenance"
    DROPS = "drops"
    GAPS = "gaps"
    UNREAD = "unread"
    MISSES = "misses"


class Change(msgspec.Struct, frozen=True):
    venue: str
    before: HealthState
    state: HealthState
    cause: str


class VenueHealth:
    def __init__(self, limits: HealthLimits) -> None:
        self.state = HealthState.HEALTHY
        self.cause = ""
        self.since_ns = 0
        self._limits = limits
        # When each sign was seen, and at which of the venue's connections ("": the first, or at none).
        self._signs: dict[str, deque[tuple[int, str]]] = {sign: deque(maxlen=SIGNS_KEPT) for sign in Sign}
        self._acks: deque[tuple[int, int]] = deque(maxlen=ACKS_KEPT)
        self._offset_ns: int | None = None  # not known yet, or our clock was moved since
        self._common_ns = 0
        self._error_ns = 0
        self._bad_ns = 0
        self._judged_ns = 0
        self._news = True

    @property
    def share(self) -> Decimal:
        if self.state is HealthState.DEGRADED:
            return min(ONE, self._limits.degraded_notional_share)
        return ONE if self.state is HealthState.HEALTHY else min(ONE, self._limits.probation_notional_share)

    def silent(self, now_ns: int) -> bool:
        """Return whether the venue leaves orders without a certain answer: one for maintenance, or two for any cause.

        An unanswered repair cannot be repeated before its absence is proved, which takes longer than a leg may stay unhedged.
        So repairs use other venues while they can, even before the quarantine.
        """
        horizon_ns = now_ns - SILENT_NS
        maintenance, unknowns = self._signs[Sign.MAINTENANCE], self._signs[Sign.UNKNOWNS]
        return any(
            len(times) >= enough and times[-enough][0] > horizon_ns
            for times, enough in ((maintenance, 1), (unknowns, 2))
        )

    def sign(self, sign: Sign, now_ns: int, count: int = 1, connection: str = "") -> None:
        """Count a sign against the venue; `connection` names its connection, where that is not the first.

        Maintenance counts once a second: the number of such answers depends on the number of orders on their way.
        """
        seen = self._signs[sign]
        if sign is Sign.MAINTENANCE and seen and now_ns - seen[-1][0] < NS_PER_S:
            return
        seen.extend([(now_ns, connection)] * min(count, SIGNS_KEPT))
        self._news = True

    def entry_ended(self, filled: bool, now_ns: int) -> None:
        """Count an entry that the venue took and that filled nothing; one that filled ends the row of them."""
        if filled:
            self._signs[Sign.MISSES].clear()
        else:
            self.sign(Sign.MISSES, now_ns)

    def ack(self, latency_ns: int, now_ns: int) -> None:
        self._acks.append((now_ns, max(0, latency_ns)))
        self._news = True

    def clock(self, offset_ns: int, error_ns: int) -> None:
        self._offset_ns, self._error_ns = offset_ns, error_ns
        self._news = True

    def anchored(self, common_ns: int) -> None:
        """Record a comparison of our clock with all venues': their common offset is no venue's fault."""
        self._offset_ns, self._common_ns = None, common_ns

    def distrust(self, now_ns: int) -> None:
        self.state, self.cause, self.since_ns, self._bad_ns = HealthState.PROBATION, "unwell before", now_ns, now_ns

    def ack_p95_ms(self) -> float | None:
        """Return the 95th percentile (nearest rank) of the acknowledgements' latency; None while there are too few."""
        if len(self._acks) < self._limits.acks_min:
            return None
        latencies = sorted(latency for _, latency in self._acks)
        return latencies[-(-len(latencies) * 95 // 100) - 1] / NS_PER_MS

    def judge(self, now_ns: int) -> tuple[HealthState, HealthState, str] | None:
        """Return (state before, state now, cause) when the signs, or their absence for long enough, change the state."""
        if not self._news and now_ns - self._judged_ns < JUDGED_EVERY_NS:
            return None
        news, self._judged_ns, self._news = self._news, now_ns, False
        horizon_ns = now_ns - self._limits.window_s * NS_PER_S
        if not news and self.state is HealthState.HEALTHY and not (self._acks and self._acks[0][0] <= horizon_ns):
            return None  # it was well with all that is known, and signs have only become fewer
        self._forget(horizon_ns)
        grade, cause = self._worst()
        if grade is not HealthState.HEALTHY:
            self._bad_ns = now_ns
        state = self._next(grade, now_ns)
        if state is self.state:
            return None
        before, self.state, self.since_ns = self.state, state, now_ns
        self.cause = cause or f"clean for {(now_ns - self._bad_ns) // NS_PER_S} s"
        return before, state, self.cause

    def _next(self, grade: HealthState, now_ns: int) -> HealthState:
        clean_ns, limits = now_ns - self._bad_ns, self._limits
        if grade is HealthState.QUARANTINED:
            return grade
        if self.state is HealthState.HEALTHY:
            return grade
        if self.state is HealthState.DEGRADED:
            return HealthState.HEALTHY if clean_ns >= limits.clear_s * NS_PER_S else self.state
        if self.state is HealthState.QUARANTINED:
            return HealthState.PROBATION if clean_ns >= limits.quarantine_s * NS_PER_S else self.state
        if grade is HealthState.DEGRADED:
            return HealthState.QUARANTINED
        on_probation_ns = now_ns - self.since_ns
        return HealthState.HEALTHY if on_probation_ns >= limits.probation_s * NS_PER_S else self.state

    def _forget(self, horizon_ns: int) -> None:
        for times in self._signs.values():
            while times and times[0][0] <= horizon_ns:
                times.popleft()
        while self._acks and self._acks[0][0] <= horizon_ns:
            self._acks.popleft()

    def _worst(self) -> tuple[HealthState, str]:
        """Return the gravest state that any measure asks for, and the measures that ask for it."""
        found: dict[HealthState, list[str]] = {HealthState.DEGRADED: [], HealthState.QUARANTINED: []}
        for name, value, degraded, quarantined in self._measures():
            if 0 < quarantined <= value:
                found[HealthState.QUARANTINED].append(f"{name} {value:g} >= {quarantined}{self._where(name)}")
            elif 0 < degraded <= value:
                found[HealthState.DEGRADED].append(f"{name} {value:g} >= {degraded}{self._where(name)}")
        for state in (HealthState.QUARANTINED, HealthState.DEGRADED):
            if found[state]:
                return state, ", ".join(found[state])
        return HealthState.HEALTHY, ""

    def _where(self, name: str) -> str:
        """Return the share of a measure's signs that further connections gave; "" without any."""
        seen = Counter(connection for _, connection in self._signs.get(name, ()) if connection)
        counts = ", ".join(f"{count} at {connection}" for connection, count in sorted(seen.items()))
        return counts and f" ({counts})"

    def _measures(self) -> Iterable[tuple[str, float, int, int]]:
        limits = self._limits
        for sign, times in self._signs.items():
            yield sign, len(times), getattr(limits, f"{sign}_degraded"), getattr(limits, f"{sign}_quarantined")
        tail = self.ack_p95_ms()
        if tail is not None:
            yield "ack_p95_ms", tail, limits.ack_p95_degraded_ms, limits.ack_p95_quarantined_ms
        if self._offset_ns is not None:
            offset_ms = abs(self._offset_ns - self._common_ns) / NS_PER_MS
            yield "clock_offset_ms", offset_ms, limits.clock_offset_degraded_ms, limits.clock_offset_quarantined_ms
        error_ms = self._error_ns / NS_PER_MS
        yield "clock_error_ms", error_ms, limits.clock_error_degraded_ms, limits.clock_error_quarantined_ms


class HealthBoard:
    def __init__(self, limits: HealthLimits, venues: Iterable[str]) -> None:
        self.venues = {venue: VenueHealth(limits) for venue in venues}

    def gaps(self, venue: str, count: int, now_ns: int, connection: str = "") -> None:
        self.venues[venue].sign(Sign.GAPS, now_ns, count, connection)

    def entry_ended(self, venue: str, filled: bool, now_ns: int) -> None:
        """Count an entry that a venue took and that has ended, filled or not."""
        self.venues[venue].entry_ended(filled, now_ns)

    def share(self, venues: Iterable[str]) -> Decimal:
        return min((self.venues[venue].share for venue in venues), default=ONE)

    def take(self, event: AnyEvent) -> list[Change]:
        """Count an event's signs, and return the resulting changes of state."""
        now_ns = event.t_ns
        if type(event) is not QueueDrained:
            self._read(event, now_ns)
        return [
            Change(venue, *found)
            for venue, health in self.venues.items()
            if (found := health.judge(now_ns)) is not None
        ]

    def _read(self, event: AnyEvent, now_ns: int) -> None:
        match event:
            case OrderAccepted(venue=venue, sent_ns=sent_ns, acked_ns=acked_ns):
                self.venues[venue].ack(acked_ns - sent_ns, now_ns)
            case OrderRejected(venue=venue, sent_ns=sent_ns, acked_ns=acked_ns) if sent_ns:
                self.venues[venue].ack(acked_ns - sent_ns, now_ns)
                self.venues[venue].sign(Sign.REJECTS, now_ns)
            case OrderRejected(venue=venue, code=code) if code == NOT_SENT:
                self.venues[venue].sign(Sign.DROPS, now_ns)
            case OutcomeUnknown(venue=venue, status=status):
                self.venues[venue].sign(Sign.MAINTENANCE if status == MAINTENANCE_STATUS else Sign.UNKNOWNS, now_ns)
            case FeedDown(venue=venue, connection=connection):
                self.venues[venue].sign(Sign.DROPS, now_ns, connection=connection)
            case PrivateDown(venue=venue):
                self.venues[venue].sign(Sign.DROPS, now_ns)
            case ClockMeasured(venue=venue, offset_ns=offset_ns, error_ns=error_ns):
                self.venues[venue].clock(offset_ns, error_ns)
            case ClockAnchored(left_ns=left_ns):
                for health in self.venues.values():
                    health.anchored(left_ns)
            case OrderQueried(venue=venue, complete=False) | TroubleReported(venue=str() as venue) if (
                venue in self.venues
            ):
                self.venues[venue].sign(Sign.UNREAD, now_ns)

    def unwell(self) -> tuple[str, ...]:
        """Return the venues that a restart must not take for healthy."""
        bad = (HealthState.QUARANTINED, HealthState.PROBATION)
        return tuple(sorted(venue for venue, health in self.venues.items() if health.state in bad))

    def restore(self, unwell: Iterable[str], now_ns: int) -> None:
        for venue in unwell:
            if venue in self.venues:
                self.venues[venue].distrust(now_ns)
