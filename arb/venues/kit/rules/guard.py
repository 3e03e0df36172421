"""The last check before a signature: hosts, symbols, order value, orders per minute.

It is next to the signer, below everything that decides, so that no bug above it can send a signed request to a foreign
host, trade a symbol the user never named, or place one order too large or a thousand too many. It refuses; it never
alters. A refusal is certain: nothing was signed and nothing was sent.

A purchase costs at most its own price. A sale gives its base away at any price it names, so it is worth that base at
the greater of its price and the price at which the engine's books would buy it; without such a price it is not sent.

The engine's own orders are written with forms (`venues/kit/order_form.py`), and are checked all the same. Host,
endpoint, parameters and symbol are fixed in the text of a form, and checked on the very parameters that this text was
made of before there is one: `check_host`, `check_fields`, `check_symbol`. The filled-in values are an id, escaped as
JSON, and a price and a size that are `Decimal`s: `admit_order` checks symbol, side, value and rate of each order on
those numbers, and the text is written from the same objects, so there is nothing to be read differently by us and by
the venue. Only the client that asks for this check holds the key, and it signs nothing without it.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from arb.clock import NS_PER_S, Clock
from arb.core.messages.commands import PlaceOrder
from arb.errors import ConfigError, VenueRejected
from arb.masking import clean
from arb.venues.transport.address import LOOPBACK

_WINDOW_NS = 60 * NS_PER_S
_EXACT = Context(prec=60)
_SECURE = frozenset({"https", "wss"})


class SigningRefused(VenueRejected):
    """We refused to sign: `code` is `guard_host`, `_symbol`, `_value`, `_reference`, `_rate`, `_endpoint`, `_parameter` or
    `_expired`."""


class OrderClaim(NamedTuple):
    """The effect of one placement.

    `value_quote` is its greatest cost, of a sale its asking amount; None when it cannot be bounded. `sold`: the base a
    sale gives away; None for a purchase.
    """

    symbol: str
    value_quote: Decimal | None
    sold: Decimal | None = None


SalePrice = Callable[[str], Decimal | None]
"""The price of one base of a symbol, in quote, as the engine knows it now; None where it does not."""

OrderFields = Mapping[str, frozenset[str] | frozenset[int] | None]
"""The parameters that an order may have, and the values of each; None: any."""


class SigningGuard:
    """Refuse writes the user has not allowed, before they are signed. One per account; its counter is shared by REST
    and websocket. `borrowing_allowed`: orders may be placed against the account's margin, where its mode knows no
    other.
    """

    def __init__(
        self,
        *,
        venue: str,
        hosts: Collection[str],
        symbols: Collection[str],
        max_order_value_quote: Decimal,
        max_orders_per_minute: int,
        clock: Clock,
        borrowing_allowed: bool = False,
    ) -> None:
        if not hosts:
            raise ConfigError(f"{venue}: the host allow-list is empty; name the hosts that may receive signed requests")
        if max_order_value_quote <= 0 or max_orders_per_minute <= 0:
            raise ConfigError(f"{venue}: maximum order value and maximum orders per minute must be above 0")
        self.venue = venue
        self.symbols = frozenset(symbols)
        self.borrowing_allowed = borrowing_allowed
        self._hosts = frozenset(host.lower() for host in hosts)
        self._max_value = max_order_value_quote
        self._max_orders = max_orders_per_minute
        self._clock = clock
        self._placed_ns: deque[int] = deque(maxlen=max_orders_per_minute)
        self._approved: set[str] = set()
        self._sale_price: SalePrice = lambda _: None

    def value_sales(self, price: SalePrice) -> None:
        """Value sales by this price from now on; until then none is signed."""
        self._sale_price = price

    def allow(self, symbols: Iterable[str]) -> None:
        """Allow these symbols, too, from now on: additions to the list that the user has the engine keep."""
        self.symbols |= frozenset(symbols)

    def check_host(self, url: str) -> None:
        """Raise `SigningRefused` unless the URL's host is allowed and, off this machine, the connection is
        encrypted."""
        origin = "/".join(url.split("/", 3)[:3])
        if origin in self._approved:
            return
        parts = urlsplit(origin)
        host = (parts.hostname or "").lower()
        if host not in self._hosts:
            raise self._refused("guard_host", f"host {host!r} is not in the allow-list")
        if parts.scheme not in _SECURE and host not in LOOPBACK:
            raise self._refused("guard_host", f"{parts.scheme}://{host} is not encrypted")
        self._approved.add(origin)

    def admit(self, claims: Sequence[OrderClaim]) -> None:
        """Count these placements, or raise `SigningRefused` and count none of them."""
        for claim in claims:
            self._check(*claim)
        self._count(len(claims), self._clock.monotonic_ns())

    def admit_order(self, symbol: str, side: str, command: PlaceOrder, now_ns: int) -> None:
        """Count an order, written with the form of this symbol and side at `now_ns` (monotonic), or raise `SigningRefused`."""
        if command.symbol != symbol or command.side != side:
            text = f"an order to {command.side} {command.symbol} in the form of one to {side} {symbol}"
            raise self._refused("guard_parameter", text)
        size, placed_ns = command.size, self._placed_ns
        value = value_of(size, command.price)
        bounded = value is not None and value.is_finite() and 0 < value <= self._max_value and symbol in self.symbols
        if not bounded or side != "buy":
            self._check(symbol, value, None if side == "buy" else size)
        if placed_ns and now_ns - placed_ns[0] < _WINDOW_NS and len(placed_ns) < self._max_orders:
            placed_ns.append(now_ns)  # as `_count` does, where nothing is to be forgotten
        else:
            self._count(1, now_ns)

    def prefetch(self, symbol: str) -> None:
        """Read the data for checking an order in a symbol; nothing is counted."""
        _ = symbol in self.symbols and self._placed_ns and self._placed_ns[0], self._sale_price(symbol)

    def check_symbol(self, symbol: str) -> None:
        if symbol not in self.symbols:
            raise self._refused("guard_symbol", f"symbol {symbol!r} is not in the allow-list")

    def check_fields(self, order: Mapping[str, Any], fields: OrderFields) -> None:
        """Raise `SigningRefused` for a parameter our orders never have: it might borrow, use leverage, or add an order."""
        for name, value in order.items():
            if value is None:
                continue
            if name not in fields:
                raise self._refused("guard_parameter", f"an order with {name!r}")
            allowed = fields[name]
            if allowed is not None and value not in allowed:
                raise self._refused("guard_parameter", f"an order with {name} {value!r}")

    def refuse_endpoint(self, method: str, path: str) -> SigningRefused:
        return self._refused("guard_endpoint", f"{method} {path} is not among the requests this client signs")

    def refuse_redirect(self, url: str) -> SigningRefused:
        """Return the error for a redirect: following it would send key and signature along."""
        return self._refused("guard_host", f"a redirect to {clean(url, 200)!r} is not followed")

    def refuse_expired(self, late_ns: int) -> SigningRefused:
        """Return the error for a request whose expiry has passed before it was signed."""
        return self._refused("guard_expired", f"the request expired {late_ns} ns before it was signed")

    def _count(self, placements: int, now_ns: int) -> None:
        placed_ns = self._placed_ns
        while placed_ns and now_ns - placed_ns[0] >= _WINDOW_NS:
            placed_ns.popleft()
        if len(placed_ns) + placements > self._max_orders:
            raise self._refused("guard_rate", f"more than {self._max_orders} orders within a minute")
        for _ in range(placements):
            placed_ns.append(now_ns)

    def _check(self, symbol: str, own_value: Decimal | None, sold: Decimal | None) -> None:
        if symbol not in self.symbols:
            self.check_symbol(symbol)
        if own_value is None or not own_value.is_finite():
            raise self._refused("guard_value", f"the value of a {symbol} order cannot be bounded")
        value = own_value if sold is None else max(own_value, self._worth(symbol, sold))
        if own_value <= 0 or value > self._max_value:
            text = f"a {symbol} order of {value:f} is outside (0, {self._max_value:f}]"
            raise self._refused("guard_value", text)

    def _worth(self, symbol: str, sold: Decimal) -> Decimal:
        price = self._sale_price(symbol)
        if price is None:
            text = f"no book has shown a price of {symbol} lately, so a sale of {sold:f} cannot be valued"
            raise self._refused("guard_reference", text)
        return _EXACT.multiply(sold, price)

    def _refused(self, code: str, message: str) -> SigningRefused:
        return SigningRefused(self.venue, f"not signed: {message}", code=code)


def limit_claim(symbol: str, side: object, size: object, price: object) -> OrderClaim:
    """Return the claim of an order with a limit price; any order that is not plainly a purchase counts as a sale."""
    return OrderClaim(symbol, value_of(size, price), None if side == "buy" else to_decimal(size))


def value_of(size: object, price: object) -> Decimal | None:
    """Return size times price, exactly; None where there is no product, or either is no decimal text, integer or Decimal."""
    left = size if type(size) is Decimal else to_decimal(size)
    right = price if type(price) is Decimal else to_decimal(price)
    if left is None or right is None:
        return None
    try:
        return _EXACT.multiply(left, right)
    except ArithmeticError:  # a signalling NaN, or infinity times 0
        return None


def to_decimal(value: object) -> Decimal | None:
    """Return a Decimal from decimal text, an integer or a Decimal; None for anything else, floats included."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    try:
        return Decimal(value)
    except ArithmeticError:
        return None
