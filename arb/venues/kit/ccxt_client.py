"""Shared by all our ccxt clients: our clock, our guard, our signatures, exact numbers, no retries.

The engine itself uses one method, `signed`: from a `Call` to the request that is sent. ccxt's own methods reach it
through `sign`, so there is one signing rule a venue, and nothing passes the guard by.

Stock ccxt reads the system clock, truncates sizes and rounds prices silently (and sets the rounding of the thread's
decimal context while doing so), may repeat an order after a time-out, and calls a garbled answer an `ExchangeError`,
which reads like a refusal. None of that may happen to an order.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Protocol, TypeVar

import aiohttp
import ccxt
import ccxt.async_support
from ccxt.async_support.base.ws.client import Client

from arb.clock import NS_PER_MS, NS_PER_S, NS_PER_US, Clock
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import NOT_SENT
from arb.errors import ArbError, VenueUnreachable
from arb.venues.kit.call import Call
from arb.venues.kit.order_form import OrderForm
from arb.venues.kit.request_maker import RequestMaker, VenueTime
from arb.venues.kit.rules.guard import SigningGuard, SigningRefused, to_decimal
from arb.venues.transport.request import HttpRequest

_EXACT = Context(prec=60)
Subject = TypeVar("Subject")
Signed = TypeVar("Signed")
_RETRIES = ["maxRetriesOnFailure", "maxRetriesOnFailureDelay"]
# ccxt logs the headers of every request, key and signature included, at DEBUG.
_LOGGER = logging.getLogger("arb.venues.ccxt")
_LOGGER.setLevel(logging.WARNING)


class GuardedClient(VenueTime, ccxt.async_support.Exchange, ABC):
    """The base put before a `ccxt.pro` class: `class Gate(GuardedClient, ccxt.pro.gate)`.

    `separator` is between base and quote in the venue's spelling of a symbol. `site_headers` go with every request,
    signed or not.
    """

    number = str  # prices and sizes keep the text in which they arrived
    separator = ""

    def __init__(
        self, clock: Clock, guard: SigningGuard, config: dict[str, Any], site_headers: Mapping[str, str] | None = None
    ) -> None:
        # Set before ccxt's constructor, which already reads every attribute.
        self.wall_clock = clock
        self.server_offset_ns = 0
        self.guard = guard
        self.site_headers = dict(site_headers or {})
        self._symbols = {symbol.replace("/", self.separator): symbol for symbol in guard.symbols}
        defaults = {"enableRateLimit": False, "logger": _LOGGER, "enableLastHttpResponse": False}
        super().__init__({**defaults, **config})
        self.options["maxRetriesOnFailure"] = 0

    def allow(self, symbols: Iterable[str]) -> None:
        self.guard.allow(symbols)
        self._symbols = {symbol.replace("/", self.separator): symbol for symbol in self.guard.symbols}

    @abstractmethod
    def signed(self, call: Call) -> HttpRequest:
        """Return the request of a call, signed unless its API is public.

        Raises `SigningRefused` for a write that the guard forbids, `RequestError` for parameters that cannot be sent,
        and ccxt's `AuthenticationError` where the key is missing.
        """

    @abstractmethod
    def order_form(self, call: Call) -> OrderForm:
        """Return the form of orders like this one, which has marks; raises as `signed` does."""

    @abstractmethod
    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> bytes:
        """Return an order, admitted by the guard and signed: the bytes that `signed` and `render` would make of its call.

        `now_ns` and `steady_ns` are the present by our two clocks. Raises `SigningRefused`, and `ValueError` for an id that the
        venue would refuse.
        """

    def sign(self, path: str, api: Any = ("public", ""), method: str = "GET", params: Any = None) -> dict[str, Any]:
        """Override ccxt's signing by `signed`; raise ccxt's `BadRequest` for parameters that cannot be sent.

        The body is text: ccxt's `fetch` encodes it, and as it is ASCII the bytes are those that were hashed.
        """
        batch = isinstance(params, list)
        call = Call(
            scope="",
            api=tuple(api),
            method=method,
            path=path,
            params={} if batch else params or {},
            items=tuple(params) if batch else (),
        )
        try:
            request = self.signed(call)
        except ValueError as error:
            raise ccxt.BadRequest(f"{self.id} {method} {path}: {error}") from error
        return {"url": request.url, "method": request.method, "body": request.body, "headers": request.headers}

    def venue_ms_text(self, instant_ns: int) -> str:
        """Return an instant of our clock as the venue's clock has it, in whole milliseconds."""
        return str((instant_ns + self.server_offset_ns) // NS_PER_MS)

    def seconds(self) -> int:
        return self.server_now_ns() // NS_PER_S

    def milliseconds(self) -> int:
        return self.server_now_ns() // NS_PER_MS

    def microseconds(self) -> int:
        return self.server_now_ns() // NS_PER_US

    def nonce(self) -> int:
        """Return the venue's time in milliseconds: request timestamps are made of it."""
        return self.milliseconds()

    async def create_order_ws(self, *_args: Any, **_params: Any) -> Any:
        """Refuse: the engine has its own order socket (`venues/kit/order_socket.py`), which the guard watches."""
        raise ccxt.NotSupported(f"{self.id}: ccxt's own methods place orders over REST only")

    async def edit_order_ws(self, *_args: Any, **_params: Any) -> Any:
        raise ccxt.NotSupported(f"{self.id}: ccxt's own methods place orders over REST only")

    async def fetch2(
        self,
        path: str,
        api: Any = ("public",),
        method: str = "GET",
        params: Any = None,
        config: Any = None,
    ) -> Any:
        """Sign and send once: pacing is ours, and no request is ever repeated here, for any parameters."""
        asked = self.omit(params, _RETRIES) if isinstance(params, dict) else params
        request = self.sign(path, api, method, {} if asked is None else asked)
        return await self.fetch(request["url"], request["method"], request["headers"], request["body"])

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: str | None = None) -> Any:
        """Send one request; a broken answer raises `ExchangeNotAvailable`, which is never taken for a refusal."""
        try:
            return await super().fetch(url, method, headers, body)
        except ccxt.ExchangeError as error:
            if isinstance(error.__cause__, aiohttp.ClientError):
                raise ccxt.ExchangeNotAvailable(*error.args) from error.__cause__
            raise

    def open(self, lazy: bool = False) -> None:
        """Open the session, in which no redirect is followed: it would carry the signature along."""
        before = self.session
        super().open(lazy)
        if self.session is not before and isinstance(self.session, aiohttp.ClientSession):
            trace = aiohttp.TraceConfig()
            trace.on_request_redirect.append(self._refuse_redirect)
            trace.freeze()
            self.session.trace_configs.append(trace)

    def client(self, url: str) -> Client:
        self.guard.check_host(url)
        return super().client(url)

    def amount_to_precision(self, symbol: str, amount: Any) -> str | None:
        """Return a size as text; raise `InvalidOrder` unless it is a positive multiple of the lot."""
        return None if amount is None else self._multiple(symbol, amount, "amount")

    def price_to_precision(self, symbol: str, price: Any) -> str | None:
        """Return a price as text; raise `InvalidOrder` unless it is a positive multiple of the tick."""
        return None if price is None else self._multiple(symbol, price, "price")

    def cost_to_precision(self, symbol: str, cost: Any) -> str | None:
        """Return an amount of quote as text, cut down to the step the venue takes."""
        if cost is None:
            return None
        precision = self.market(symbol)["precision"]
        step = _step(precision.get("cost") or precision["price"])
        steps = _EXACT.divide(self._decimal(cost), step).to_integral_value(ROUND_FLOOR)
        return _plain(_EXACT.multiply(steps, step))

    def number_text(self, value: Any) -> str | None:
        """Return a number given by a caller as plain decimal text; raise `InvalidOrder` for a float or no number."""
        return None if value is None else _plain(self._decimal(value))

    def _check_credentials(self) -> None:
        if not (self.apiKey and self.secret and (self.password or not self.requiredCredentials["password"])):
            self.check_required_credentials()  # raises, naming the one that is missing

    def _symbol(self, native_symbol: Any) -> str:
        return self._symbols.get(str(native_symbol), str(native_symbol))

    def _multiple(self, symbol: str, value: Any, what: str) -> str:
        number = self._decimal(value)
        step = _step(self.market(symbol)["precision"][what])
        if number <= 0 or _EXACT.remainder(number, step) != 0:
            raise ccxt.InvalidOrder(f"{self.id}: {symbol} {what} {number:f} is no positive multiple of {step:f}")
        return _plain(number)

    def _decimal(self, value: Any) -> Decimal:
        number = to_decimal(value)
        if number is None or not number.is_finite():
            raise ccxt.InvalidOrder(
                f"{self.id}: {value!r} is no exact number; use decimal text, an integer or a Decimal"
            )
        return number

    async def _refuse_redirect(self, _session: Any, _context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
        raise self.guard.refuse_redirect(params.response.headers.get("Location", ""))


def _step(value: Any) -> Decimal:
    # Usually text; a venue's listing may have passed through a float on its way, whose shortest text is the original
    # one.
    return Decimal(str(value))


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Signer(RequestMaker, Protocol):
    """The part of a venue's client that a gateway uses."""

    guard: SigningGuard
    timeout_on_exit: int

    def allow(self, symbols: Iterable[str]) -> None:
        """Also sign orders in these symbols."""

    def order_form(self, call: Call) -> OrderForm:
        """Return the form of orders; see `GuardedClient.order_form`."""

    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> bytes:
        """Return an order; see `GuardedClient.order`."""


def signed(venue: str, sign: Callable[[Subject], Signed], subject: Subject) -> Signed:
    """Let a client sign a call or an order; raises `VenueError` (`SigningRefused` by the guard): then nothing was sent."""
    try:
        return sign(subject)
    except SigningRefused:
        raise
    except (ccxt.BaseError, ArbError, ValueError) as error:
        raise VenueUnreachable(venue, f"not signed: {error}", code=NOT_SENT) from error
