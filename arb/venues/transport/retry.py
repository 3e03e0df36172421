"""Back-off for attempts that may safely be repeated: reads and reconnects. Nothing here ever repeats an order.

Pure: (policy, attempt, trouble, elapsed, rng) to a delay, or None to stop. Delays are exponential with full jitter, so that
attempts that failed together are not repeated together. If the venue asks for a longer wait, that wins. Attempts and total
time are bounded by default.
"""

import random
from enum import StrEnum

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S

# A number this large counts milliseconds, a smaller one seconds: 10^11 s is the year 5138, 10^11 ms is 1973.
_MILLIS_FROM = 10**11
RETRY_AFTER_MAX_S = 600.0
BAN_MAX_S = 3 * 86_400.0
"""The longest ban of an address that kept sending requests (Binance, HTTP 418: two minutes to three days)."""


class Trouble(StrEnum):
    UNREACHABLE = "unreachable"
    """No connection, no answer, or the connection was lost."""
    BUSY = "busy"
    """The venue limits us."""
    FAULT = "fault"
    """The venue's own fault: a 5xx, an unreadable answer."""
    CLOCK = "clock"
    """The venue thinks our clock is wrong."""
    REFUSED = "refused"
    """The venue understood and refused: asking again changes nothing."""
    AUTH = "auth"
    """Key, signature or permission: asking again makes it worse."""


PASSING = frozenset({Trouble.UNREACHABLE, Trouble.BUSY, Trouble.FAULT})


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How to back off. Seconds; `attempts_max` and `total_s` None mean unbounded, as reconnects are until cancelled."""

    first_s: float = 0.2
    factor: float = 2.0
    cap_s: float = 10.0
    attempts_max: int | None = 5
    total_s: float | None = 30.0


READS = Backoff()
RECONNECTS = Backoff(first_s=0.25, cap_s=30.0, attempts_max=None, total_s=None)


def next_delay_s(
    policy: Backoff,
    attempt: int,
    trouble: Trouble,
    elapsed_s: float,
    rng: random.Random,
    retry_after_s: float | None = None,
) -> float | None:
    """Return how long to wait after failed attempt number `attempt` (from 1), or None to give up.

    `elapsed_s` is the time since the first attempt began. The wait is at least the drawn delay and the venue's own
    `retry_after_s`; None if it does not fit into the total time.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    if trouble not in PASSING:
        return None
    if policy.attempts_max is not None and attempt >= policy.attempts_max:
        return None
    # The exponent is bounded so that a connection that fails for days cannot overflow a float.
    ceiling = min(policy.cap_s, policy.first_s * policy.factor ** min(attempt - 1, 64))
    delay = max(rng.uniform(0.0, ceiling), retry_after_s or 0.0)
    if policy.total_s is not None and elapsed_s + delay > policy.total_s:
        return None
    return delay


def venue_retry_after_s(headers: dict[str, str], venue_now_ns: int, most_s: float = RETRY_AFTER_MAX_S) -> float | None:
    """Return for how long the venue asks to wait, or None when it states none.

    Reads `Retry-After` in seconds (RFC 9110) and `X-Gate-RateLimit-Reset-Timestamp`, an instant on the venue's clock
    whose unit is not stated: seconds or milliseconds by magnitude (Gate APIv4, "Frequency limit rule"). A venue that
    limits us with no future time (zero, or a reset that is past: clocks differ) states none. The answer is in (0,
    `most_s`].
    """
    seconds = _number(headers.get("retry-after"))
    if not seconds:
        reset = _number(headers.get("x-gate-ratelimit-reset-timestamp"))
        if reset is None:
            return None
        reset_ns = int(reset * (NS_PER_MS if reset >= _MILLIS_FROM else NS_PER_S))
        seconds = (reset_ns - venue_now_ns) / NS_PER_S
    return min(seconds, most_s) if seconds > 0 else None


def requests_left(headers: dict[str, str]) -> int | None:
    """Return the remaining requests in the scope of the one answered, or None when not reported.

    Reads `X-Gate-RateLimit-Requests-Remain` and Bybit's `X-Bapi-Limit-Status`.
    """
    for name in ("x-gate-ratelimit-requests-remain", "x-bapi-limit-status"):
        left = _number(headers.get(name))
        if left is not None:
            return int(left)
    return None


def weight_used(headers: dict[str, str]) -> int | None:
    """Return the used weight of an address in this minute, or None when not reported.

    Reads Binance's `X-MBX-USED-WEIGHT-1M`.
    """
    used = _number(headers.get("x-mbx-used-weight-1m"))
    return None if used is None else int(used)


def orders_counted(headers: dict[str, str], window_ms: int) -> int | None:
    """Return how many orders an account has placed in the present interval of `window_ms`, or None when not reported.

    Reads Binance's `X-MBX-ORDER-COUNT-10S` and `-1D`.
    """
    name = {10_000: "10s", 86_400_000: "1d"}.get(window_ms)
    counted = None if name is None else _number(headers.get(f"x-mbx-order-count-{name}"))
    return None if counted is None else int(counted)


def request_limit(headers: dict[str, str]) -> int | None:
    """Return the number of requests in the venue's own window, or None when not reported.

    Reads `X-Gate-RateLimit-Limit`.
    """
    limit = _number(headers.get("x-gate-ratelimit-limit"))
    return None if limit is None else int(limit)


def _number(text: str | None) -> float | None:
    if text is None or len(text) > 32:
        return None
    try:
        number = float(text)
    except ValueError:
        return None  # RFC 9110 also allows a date; no venue here sends one
    return number if 0 <= number < 1e18 else None
