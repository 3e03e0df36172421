"""Binance's limits: request weight of an address, and unfilled orders of the account, both in fixed intervals.

Source: `rest-api.md`, "LIMITS", `faqs/order_count_decrement.md`, and the changelog's 2026-03-27: a placement or
cancel that succeeds weighs nothing. An address that continues after 429 is banned: here after `STUBBORN` further requests,
for the documents give no number.
"""

from arb.clock import NS_PER_MS, NS_PER_S
from arb.sandbox.binance.auth import BinanceRefusal
from arb.sandbox.candles import DAY_NS, MINUTE_NS

Json = dict[str, object]

WEIGHT_MAX = 6000
ORDER_LIMITS = {("SECOND", 10): (10 * NS_PER_S, 100), ("DAY", 1): (DAY_NS, 200_000)}
"""Unfilled orders: the length of each interval, and how many are allowed in it."""
MAKER_CREDIT = 5
"""By how much the first fill of a resting order lowers the count, as in the document's example; a taker's lowers it by 1."""
STUBBORN = 10
BAN_NS, BAN_MAX_NS = 2 * MINUTE_NS, 3 * DAY_NS


class Counter:
    """Counts in intervals that begin at whole multiples of their length."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._start_ns = 0
        self._used = 0

    def used(self, now_ns: int) -> int:
        start_ns = now_ns - now_ns % self._length_ns
        if start_ns != self._start_ns:
            self._start_ns, self._used = start_ns, 0
        return self._used

    def add(self, count: int, now_ns: int) -> None:
        """Count more, or with a number below 0 less; never below 0."""
        self._used = max(0, self.used(now_ns) + count)

    def left_s(self, now_ns: int) -> int:
        return -(-(self._length_ns - now_ns % self._length_ns) // NS_PER_S)


class Limits:
    def __init__(self) -> None:
        self._weight = Counter(MINUTE_NS)
        self._refused = Counter(MINUTE_NS)
        self._orders = {name: Counter(length_ns) for name, (length_ns, _) in ORDER_LIMITS.items()}
        self._banned_until_ns = 0
        self._next_ban_ns = BAN_NS

    # -- weight ----------------------------------------------------------------------------------------------------

    def weigh(self, weight: int, now_ns: int) -> None:
        """Count a request; raises `BinanceRefusal` 429 beyond the limit, and 418 while the address is banned."""
        if now_ns < self._banned_until_ns:
            raise self._ban(now_ns)
        if self._weight.used(now_ns) + weight <= WEIGHT_MAX:
            self._weight.add(weight, now_ns)
            return
        self._refused.add(1, now_ns)
        if self._refused.used(now_ns) > STUBBORN:
            self._banned_until_ns = now_ns + self._next_ban_ns
            self._next_ban_ns = min(2 * self._next_ban_ns, BAN_MAX_NS)
            raise self._ban(now_ns)
        raise BinanceRefusal(*TOO_HEAVY, self._weight.left_s(now_ns))

    def _ban(self, now_ns: int) -> BinanceRefusal:
        text = (
            f"Way too much request weight used; IP banned until {self._banned_until_ns // NS_PER_MS}. {STREAMS} bans."
        )
        return BinanceRefusal("-1003", text, 418, -(-(self._banned_until_ns - now_ns) // NS_PER_S))

    def give_back(self, weight: int, now_ns: int) -> None:
        self._weight.add(-weight, now_ns)

    def weight_headers(self, now_ns: int) -> dict[str, str]:
        return dict.fromkeys(("X-MBX-USED-WEIGHT", "X-MBX-USED-WEIGHT-1M"), str(self._weight.used(now_ns)))

    # -- unfilled orders -------------------------------------------------------------------------------------------

    def check_orders(self, now_ns: int) -> None:
        """Raise `BinanceRefusal` where one more order is too many."""
        for (interval, number), (_, limit) in ORDER_LIMITS.items():
            counter = self._orders[interval, number]
            if counter.used(now_ns) >= limit:
                text = f"Too many new orders; current limit is {limit} orders per {number} {interval}."
                raise BinanceRefusal("-1015", text, 429, counter.left_s(now_ns))

    def count_orders(self, count: int, now_ns: int) -> None:
        for counter in self._orders.values():
            counter.add(count, now_ns)

    def first_fill(self, role: str, now_ns: int) -> None:
        self.count_orders(-MAKER_CREDIT if role == "maker" else -1, now_ns)

    def order_headers(self, now_ns: int) -> dict[str, str]:
        return {
            f"X-MBX-ORDER-COUNT-{number}{interval[0]}": str(counter.used(now_ns))
            for (interval, number), counter in self._orders.items()
        }

    def orders(self, now_ns: int) -> list[Json]:
        """Return the counts of unfilled orders, as `GET /api/v3/rateLimit/order` shows them."""
        return [rule | {"count": self._orders[name].used(now_ns)} for name, rule in ORDER_RULES.items()]

    def all(self, now_ns: int) -> list[Json]:
        return [*self.orders(now_ns), WEIGHT_RULE | {"count": self._weight.used(now_ns)}]


STREAMS = "Please use WebSocket Streams for live updates to avoid"
TOO_HEAVY = (
    "-1003",
    f"Too much request weight used; current limit is {WEIGHT_MAX} request weight per 1 MINUTE. {STREAMS} polling the API.",
    429,
)
WEIGHT_RULE: Json = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_MAX}
ORDER_RULES: dict[tuple[str, int], Json] = {
    (interval, number): {"rateLimitType": "ORDERS", "interval": interval, "intervalNum": number, "limit": limit}
    for (interval, number), (_, limit) in ORDER_LIMITS.items()
}
