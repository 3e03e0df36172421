"""When an order whose outcome is unknown may be declared absent (DESIGN.md section 4, "Unknown outcomes").

Nothing short of this is proof: the venue may execute a delayed request after the client gave up, look-ups by client id fail
for finished orders on Gate, and histories lag. So absence needs the request's venue-enforced expiry to have passed by more
than the clock error, on the venue's clock as it goes now (the expiry was written in its time, and a clock that was set back
since lets the request live on), then two complete looks at least two seconds apart that show nothing, and balances that agree.
Where a venue has no expiry a grace time takes its place, and so where orders go a way on which an expiry is looked at on
receipt alone and stops nothing that waits inside.
"""

from arb.clock import NS_PER_MS, NS_PER_S

QUERY_SPACING_NS = 2 * NS_PER_S
QUERIES_NEEDED = 2
# Added to the measured clock error, for the venue's own gateway clocks.
EXPIRY_MARGIN_NS = 200 * NS_PER_MS


def lives_until_ns(expires_ns: int, sent_offset_ns: int | None, offset_ns: int | None) -> int:
    """Return the last instant, on our clock, at which a venue may still take a request that expires at `expires_ns` of ours.

    The venue holds it against its own clock: it was sent with `sent_offset_ns` (venue time - ours), and `offset_ns` is measured
    now; None: not known.
    """
    if sent_offset_ns is None or offset_ns is None:
        return expires_ns
    return max(expires_ns, expires_ns + sent_offset_ns - offset_ns)


def provable_from_ns(*, sent_ns: int, expires_ns: int | None, clock_error_ns: int, unknown_grace_ms: int) -> int:
    """Return the first instant at which a look that shows nothing counts towards proof."""
    if expires_ns is None:
        return sent_ns + unknown_grace_ms * NS_PER_MS
    return expires_ns + clock_error_ns + EXPIRY_MARGIN_NS


def counts(queries: list[int], started_ns: int, provable_ns: int) -> bool:
    """Return whether a clean look started at `started_ns` adds to the clean `queries` already counted."""
    return started_ns >= provable_ns and (not queries or started_ns - queries[-1] >= QUERY_SPACING_NS)


def next_query_ns(queries: list[int], now_ns: int, provable_ns: int, backoff_ns: int) -> int:
    """Return when to look next: soon while the order may still turn up, then as the proof needs it."""
    if now_ns < provable_ns:
        return min(now_ns + backoff_ns, max(provable_ns, now_ns))
    if queries and queries[-1] + QUERY_SPACING_NS > now_ns:
        return queries[-1] + QUERY_SPACING_NS  # a clean look is no reason to back off: exposure waits for the proof
    return now_ns + backoff_ns
