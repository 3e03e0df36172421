"""Keep under the venues' rate limits: one sliding window per metered scope, entries without waiting, repairs in order.

A venue meters scopes (Gate: placements per market, cancels, each endpoint by itself), so each has a separate window,
made of short pieces (4 per 500 ms, not 8 per 1 s), because the underlying throttler lets a whole window through at
once. An entry takes a slot at once or not at all and never one of the last `reserve`; repairs, cancels and reads may
wait, the most urgent first, but not past their deadline. When a venue answers 429 anyhow, the scope pauses until its
reset, continues at half its budget and regains it slot by slot. Limits reported in headers count too: another program
may be using the same allowance. A venue that punishes a low fill ratio (Gate) gets no entries for an hour, and repairs
at the rate that remains.
"""

import asyncio
import heapq
import itertools
from collections.abc import Mapping

import msgspec
from asyncio_throttle.throttler import Throttler

from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.errors import require
from arb.venues.kit.rules.outcome import Verdict
from arb.venues.transport.retry import (
    Trouble,
    orders_counted,
    request_limit,
    requests_left,
    venue_retry_after_s,
    weight_used,
)

_UNSTATED_MAX_S = 2.0


class Budget(msgspec.Struct, frozen=True):
    """At most `count` requests per sliding `window_ms`; entries never take the last `reserve` of them.

    `of` is how many the venue documents for its own window, 0 where its headers report nothing of that.
    """

    count: int
    window_ms: int
    reserve: int = 0
    of: int = 0

    def __post_init__(self) -> None:
        if self.count < 1 or self.window_ms < 1 or not 0 <= self.reserve < self.count or self.of < 0:
            raise ValueError(f"a budget of {self.count} per {self.window_ms} ms with {self.reserve} in reserve")

    @property
    def span_s(self) -> float:
        """Return how long to pause when the venue's own window is used up and it does not state until when.

        That window is longer than ours; but order queries must not pause for the ten seconds of Gate's reads, since
        asking too early costs no more than another refusal.
        """
        ours_s = self.window_ms / 1000
        return max(ours_s, min(_UNSTATED_MAX_S, ours_s * self.of / self.count))


class PacingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The budgets of one venue. `place` and `cancel` are per symbol where flagged so; `read` is per endpoint.

    `account` bounds all placements together, where the venue meters that too. `cancel_batch` is for the orders
    cancelled in batches, where those are metered apart; without it they count as cancels. `reads` overrides `read` for
    endpoints that the venue meters otherwise, by the call's scope. `counted`: the fixed intervals of its clock in which
    the venue counts all placements, and reports the count: with `count` of them entries end until the next interval,
    with `of` repairs do, too.
    """

    place: Budget
    cancel: Budget
    read: Budget
    cancel_batch: Budget | None = None
    account: Budget | None = None
    reads: Mapping[str, Budget] = {}
    counted: tuple[Budget, ...] = ()
    place_per_symbol: bool = True
    cancel_per_symbol: bool = False

    @classmethod
    def of_reads(cls, pace: Budget) -> "PacingLimits":
        return cls(place=pace, cancel=pace, read=pace)

    def of(self, scope: str) -> Budget:
        """Return the budget of a scope, which is `place`, `place SYMBOL`, `cancel`, `cancel SYMBOL` or `METHOD PATH`."""
        kind = scope.partition(" ")[0]
        if kind == "place":
            return self.place
        if kind == "cancel":
            return self.cancel
        if kind == "cancel_batch":
            return self.cancel_batch or self.cancel
        return self.reads.get(scope, self.read)


WAITERS_MAX = 256
_WAIT_MIN_S = 0.001
# After a 429 one slot returns for every so long without another.
REGAIN_NS = 10 * NS_PER_S
# Gate APIv4, "Frequency limit rule": a low fill ratio allows 10 placements per 10 s and user for at least an hour.
FILL_RATIO_STOP_S = 3600.0


class Priority:
    """Who goes first when several wait for one scope; lower is more urgent."""

    REPAIR = 0
    CANCEL = 1
    QUERY = 2
    READ = 3


PENALTY = Budget(9, 10_000)
MINUTE_NS = 60 * NS_PER_S


class ScopeThrottler(Throttler):
    """`asyncio_throttle.Throttler` on an injected clock, with a reserve, an order among waiters, and a pause.

    The base reads `time.monotonic()` itself and polls every 10 ms in no particular order; under virtual time it would
    spin for ever.
    """

    def __init__(self, budget: Budget, clock: Clock) -> None:
        super().__init__(budget.count, budget.window_ms / 1000)
        self._budget = budget
        self._clock = clock
        self._window_ns = budget.window_ms * NS_PER_MS
        self._paused_until_ns = 0
        self._entries_until_ns = 0
        self._allowed = budget.count
        self._regained_ns = 0
        self._most = budget.count
        self._queue: list[tuple[int, int]] = []
        self._tickets = itertools.count()

    def flush(self) -> None:
        self._flush(self._clock.monotonic_ns())

    def entry_fits(self, now_ns: int) -> bool:
        """Return whether an entry may take a slot now: not one of the reserve, and not before those that wait."""
        if self._queue or now_ns < self._entries_until_ns or now_ns < self._paused_until_ns:
            return False
        taken, horizon = self._task_logs, now_ns - self._window_ns
        while taken and taken[0] <= horizon:
            taken.popleft()
        most = self._most if self._allowed >= self._budget.count else self._allowed_at(now_ns)
        return len(taken) < most - self._budget.reserve

    def take(self, now_ns: int) -> None:
        self._task_logs.append(now_ns)

    def try_acquire(self) -> bool:
        """Take a slot if one is free, for whom the reserve is."""
        now_ns = self._clock.monotonic_ns()
        free = self._free(0, now_ns)
        if free:
            self.take(now_ns)
        return free

    async def acquire(self, priority: int = Priority.READ, deadline_ns: int | None = None) -> bool:
        """Wait for a slot, the most urgent waiter first; False when it cannot be had before `deadline_ns` (monotonic)."""
        if len(self._queue) >= WAITERS_MAX:
            return False
        ticket = (priority, next(self._tickets))
        heapq.heappush(self._queue, ticket)
        try:
            while not (self._queue[0] == ticket and self.try_acquire()):
                wait_ns = self._wait_ns()
                if deadline_ns is not None and self._clock.monotonic_ns() + wait_ns > deadline_ns:
                    return False
                await asyncio.sleep(max(_WAIT_MIN_S, wait_ns / NS_PER_S))
            return True
        finally:
            self._queue.remove(ticket)
            heapq.heapify(self._queue)

    def pause(self, seconds: float) -> None:
        """Pause for `seconds` (>= 0); a pause already longer stays."""
        until_ns = self._clock.monotonic_ns() + int(seconds * NS_PER_S)
        self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def stop_entries(self, seconds: float) -> None:
        """Let nothing but repairs, cancels and reads through for `seconds` (>= 0)."""
        until_ns = self._clock.monotonic_ns() + int(seconds * NS_PER_S)
        self._entries_until_ns = max(self._entries_until_ns, until_ns)

    def slow_down(self) -> None:
        """Continue at half the present budget, at least one slot; it returns slot by slot."""
        self._allowed = max(1, self.allowed() // 2)
        self._regained_ns = self._clock.monotonic_ns()

    def keep_to(self, limit: int) -> None:
        """Note that the venue's own window holds `limit` > 0: a smaller one than documented lowers the budget in
        proportion, and an ordinary one lifts that again."""
        of = self._budget.of
        self._most = self._budget.count if limit >= of else max(1, self._budget.count * limit // of)

    def allowed(self) -> int:
        return self._allowed_at(self._clock.monotonic_ns())

    def _allowed_at(self, now_ns: int) -> int:
        count = self._budget.count
        if self._allowed < count:
            slots, rest_ns = divmod(now_ns - self._regained_ns, REGAIN_NS)
            self._allowed = min(count, self._allowed + slots)
            self._regained_ns = now_ns - rest_ns
        return min(self._allowed, self._most)

    def _flush(self, now_ns: int) -> None:
        horizon, taken = now_ns - self._window_ns, self._task_logs
        while taken and taken[0] <= horizon:
            taken.popleft()

    def _free(self, reserve: int, now_ns: int) -> bool:
        self._flush(now_ns)
        return len(self._task_logs) < self._allowed_at(now_ns) - reserve and now_ns >= self._paused_until_ns

    def _wait_ns(self) -> int:
        now_ns = self._clock.monotonic_ns()
        self._flush(now_ns)
        # The slot to wait for is the one whose end brings the window below the present allowance.
        over = len(self._task_logs) - self._allowed_at(now_ns)
        free_ns = self._task_logs[over] + self._window_ns if over >= 0 else now_ns
        return int(max(free_ns, self._paused_until_ns) - now_ns)


class AddressAllowance:
    """A venue's allowance for one address, over all requests and programs: the pacers of its public requests share it.

    `weight`: how much may be used in a minute of the venue's clock, 0 where it does not count so. With nine tenths of
    it used, maybe by others at this address, requests that weigh pause until the next minute. All pause where the venue
    asks for it.
    """

    def __init__(self, weight: int, clock: Clock) -> None:
        self._weight = weight
        self._clock = clock
        self.closed_until_ns = 0
        self._spent_until_ns = 0

    def obey(self, verdict: Verdict, headers: dict[str, str], venue_now_ns: int) -> None:
        now_ns = self._clock.monotonic_ns()
        if verdict.trouble is Trouble.BUSY and verdict.retry_after_s is not None:
            self.closed_until_ns = max(self.closed_until_ns, now_ns + int(verdict.retry_after_s * NS_PER_S))
        used = weight_used(headers) if self._weight else None
        if used is not None and used * 10 >= self._weight * 9:
            self._spent_until_ns = max(self._spent_until_ns, now_ns + MINUTE_NS - venue_now_ns % MINUTE_NS)

    async def wait(self, deadline_ns: int | None, *, weighs: bool = True) -> bool:
        """Wait until a request is allowed, one that `weighs` or not; False when that is not before `deadline_ns`."""
        while (until_ns := self._until_ns(weighs)) > (now_ns := self._clock.monotonic_ns()):
            if deadline_ns is not None and until_ns > deadline_ns:
                return False
            await asyncio.sleep((until_ns - now_ns) / NS_PER_S)
        return True

    def _until_ns(self, weighs: bool) -> int:
        return max(self.closed_until_ns, self._spent_until_ns) if weighs else self.closed_until_ns


class Pacer:
    """The throttlers of one account at one venue, made as scopes turn up; `address`: the limit on all of them together."""

    def __init__(self, limits: PacingLimits, clock: Clock, address: AddressAllowance | None = None) -> None:
        self._limits = limits
        self._clock = clock
        self._address = address
        self._scopes: dict[str, ScopeThrottler] = {}
        self._account = None if limits.account is None else ScopeThrottler(limits.account, clock)
        self._penalty: ScopeThrottler | None = None
        self._penalty_until_ns = 0

    def try_entry(self, scope: str, now_ns: int) -> bool:
        """Take a slot for an entry at once, except the reserve, or return False; `now_ns`: monotonic."""
        account, throttler = self._account, self._scopes.get(scope) or self._of(scope)
        if self._address is not None and now_ns < self._address.closed_until_ns:
            return False
        if self._penalty is not None and now_ns < self._penalty_until_ns:
            return False
        if not (throttler.entry_fits(now_ns) and (account is None or account.entry_fits(now_ns))):
            return False
        throttler.take(now_ns)
        if account is not None:
            account.take(now_ns)
        return True

    def prefetch(self, scope: str) -> None:
        self._of(scope).entry_fits(self._clock.monotonic_ns())

    async def wait(self, scope: str, priority: int, timeout_s: float | None) -> bool:
        """Wait for a slot for at most `timeout_s`, without end for None; False when there is none in time."""
        deadline_ns = None if timeout_s is None else self._clock.monotonic_ns() + int(timeout_s * NS_PER_S)
        kind = scope.partition(" ")[0]
        if kind == "place":
            if self._penalty is not None and self._clock.monotonic_ns() >= self._penalty_until_ns:
                self._penalty = None
            for throttler in (self._penalty, self._account):
                if throttler is not None and not await throttler.acquire(priority, deadline_ns):
                    return False
        if not await self._of(scope).acquire(priority, deadline_ns):
            return False
        # Last, so that an answer that arrives while this one waits for its slot counts, too.
        return self._address is None or await self._address.wait(deadline_ns, weighs=kind not in ("place", "cancel"))

    def obey(self, scope: str, verdict: Verdict, headers: dict[str, str], venue_now_ns: int) -> None:
        """Obey the venue's limits in one answer to a request under `scope`; `headers` are empty when none arrived."""
        if self._address is not None and not verdict.account_limited:
            self._address.obey(verdict, headers, venue_now_ns)
        for interval in self._limits.counted:
            self._note_count(interval, orders_counted(headers, interval.window_ms), venue_now_ns)
        reset_s = venue_retry_after_s(headers, venue_now_ns)
        self.note_limits(scope, requests_left(headers), request_limit(headers), reset_s)
        if verdict.low_fill_ratio:
            self.penalised()
        if verdict.trouble is Trouble.BUSY:
            self.limited(scope, verdict.retry_after_s, account=verdict.account_limited)

    def limited(self, scope: str, retry_after_s: float | None, *, account: bool = False) -> None:
        """Record that the venue limited this scope; where it states no time, one window is waited.

        `account`: it was not this scope's own limit that was reached but that of all placements together.
        """
        throttler, budget = self._of(scope), self._limits.of(scope)
        if account and self._account is not None and self._limits.account is not None:
            throttler, budget = self._account, self._limits.account
        throttler.pause(budget.span_s if retry_after_s is None else retry_after_s)
        throttler.slow_down()

    def note_limits(self, scope: str, left: int | None, limit: int | None = None, reset_s: float | None = None) -> None:
        """Note the venue's report of this scope's limit and its remainder (None: not reported).

        With no remainder it pauses until the reset, at least for a window; the last one is not for entries; a limit
        below the documented one lowers the budget.
        """
        throttler, budget = self._of(scope), self._limits.of(scope)
        if limit is not None and limit > 0 and budget.of:
            throttler.keep_to(limit)
        if left is None or left > 1:
            return
        still_s = max(budget.span_s, reset_s or 0.0)
        if left <= 0:
            throttler.pause(still_s)
        else:
            throttler.stop_entries(still_s)

    def _note_count(self, interval: Budget, counted: int | None, venue_now_ns: int) -> None:
        """Note how many placements the venue counted in the present one of its intervals."""
        if counted is None or counted < interval.count:
            return
        window_ns = interval.window_ms * NS_PER_MS
        left_s = (window_ns - venue_now_ns % window_ns) / NS_PER_S
        self._of("place").stop_entries(left_s)
        if counted >= interval.of:
            self._of("place").pause(left_s)

    def penalised(self) -> None:
        """Record that the venue punishes a low fill ratio: no entries for an hour, repairs at the rate that remains."""
        self._penalty_until_ns = self._clock.monotonic_ns() + int(FILL_RATIO_STOP_S * NS_PER_S)
        if self._penalty is None:
            self._penalty = ScopeThrottler(PENALTY, self._clock)

    def _of(self, scope: str) -> ScopeThrottler:
        throttler = self._scopes.get(scope)
        if throttler is None:
            # Scopes are symbols and endpoints: a few dozen. More would be a bug that eats memory.
            require(len(self._scopes) < 10_000, "too many metered scopes")
            throttler = self._scopes[scope] = ScopeThrottler(self._limits.of(scope), self._clock)
        return throttler
