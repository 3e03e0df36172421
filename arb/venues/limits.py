"""What an answer says of the venue's limits, told to the pacer: headers, refusals for too many requests, penalties."""

from arb.venues.rules.outcome import Verdict
from arb.venues.rules.pacing import Pacer
from arb.venues.rules.retry import Trouble, request_limit, requests_left, venue_retry_after_s


def mind_limits(pacer: Pacer, scope: str, verdict: Verdict, headers: dict[str, str], venue_now_ns: int) -> None:
    """Let `pacer` know what one answer to a request under `scope` says; `headers` are empty when none came."""
    reset_s = venue_retry_after_s(headers, venue_now_ns)
    pacer.told(scope, requests_left(headers), request_limit(headers), reset_s)
    if verdict.low_fill_ratio:
        pacer.penalised()
    if verdict.trouble is Trouble.BUSY:
        pacer.limited(scope, verdict.retry_after_s, account=verdict.account_limited)
