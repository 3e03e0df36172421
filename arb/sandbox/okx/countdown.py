"""OKX's dead-man switch, `POST /trade/cancel-all-after`: everything that rests is cancelled unless it is renewed in time.

Source: the venue's API v5, "POST / Cancel All After": `timeOut` is 0, which disarms, or 10 to 120 seconds; one call a second.
"""

from decimal import Decimal

from arb.clock import NS_PER_S
from arb.sandbox.exact import parse
from arb.sandbox.exchange import SimExchange
from arb.sandbox.okx.auth import OkxRefusal
from arb.sandbox.okx.wire import Json, ms

LEAST_S, MOST_S = 10, 120


class Countdown:
    """The switch of one account."""

    def __init__(self, exchange: SimExchange) -> None:
        self._exchange = exchange
        self._due_ns: int | None = None

    def set(self, wanted: Json, now_ns: int) -> list[Json]:
        """Arm, renew or disarm, and return the answer's data; raises `OkxRefusal` for another time than is allowed."""
        timeout = parse(wanted.get("timeOut"))
        if timeout is None or (timeout != 0 and not LEAST_S <= timeout <= MOST_S):
            raise OkxRefusal("51000", "Parameter timeOut error")
        if timeout == 0:
            self._due_ns = None
            return [{"triggerTime": "0", "tag": "", "ts": ms(now_ns)}]
        span_ns = int(timeout * Decimal(NS_PER_S))
        due_ns = self._due_ns = now_ns + span_ns

        def fire(at_ns: int) -> None:
            if self._due_ns == due_ns:
                self._due_ns = None
                self._exchange.cancel_all(at_ns)

        self._exchange.later(span_ns, fire)
        return [{"triggerTime": ms(due_ns), "tag": "", "ts": ms(now_ns)}]
