"""Orders and cancels of one account on their way out: written and signed first, sent later, once.

Over REST, or over the venue's order socket where the user wants that. An order is written with the form of its symbol
(`venues/kit/order_form.py`), any other write by its call. Between writing and sending nothing is awaited, so that both
legs of a pair can be written, and then sent one right after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

import ccxt
import msgspec

from arb.core.messages.commands import PlaceOrder
from arb.errors import ArbError, VenueError
from arb.venues.kit.base import PlaceAnswer
from arb.venues.kit.call import Call
from arb.venues.kit.ccxt_client import Signer, signed
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.order_form import OrderForm, OrderForms
from arb.venues.kit.order_socket import OrderSocket
from arb.venues.transport.http import Connection, HttpAnswer, NeverSent, WriteTransport
from arb.venues.transport.network import SocketEnded
from arb.venues.transport.request import Outgoing, render


class ReadyFrame(NamedTuple):
    """A write as the text of a frame for the order socket; `over_rest` writes it for the other way."""

    request_id: str
    text: str
    over_rest: Callable[[], Outgoing]

    def __repr__(self) -> str:
        # The text holds key and signature.
        return f"ReadyFrame({self.request_id})"


Ready = Outgoing | ReadyFrame
"""A write that is signed and rendered: only sending remains."""


class ReadyOrder(msgspec.Struct):
    """An order that is ready to be sent; see `arb.venues.kit.base.Departure`.

    `connection`: the one that is ready for a request, None where `VenueWrites.send` chooses the way. `placed` awaits
    the answer, and judges it.
    """

    writes: "VenueWrites"
    ready: Ready
    connection: Connection | None
    placed: Callable[[Awaitable[HttpAnswer]], Coroutine[Any, Any, PlaceAnswer]]
    sent_ns: int
    timeout_s: float
    sending: Awaitable[HttpAnswer] | None = None

    def __repr__(self) -> str:
        return f"ReadyOrder({self.ready!r})"

    def leave(self) -> None:
        connection, ready = self.connection, self.ready
        if connection is None or not (isinstance(ready, Outgoing) and connection.write(ready.data)):
            self.sending = self.writes.send(ready, self.timeout_s)

    def answer(self) -> Coroutine[Any, Any, PlaceAnswer]:
        sending = self.sending
        if sending is None and self.connection is not None:
            sending = self.connection.answer(self.sent_ns, self.timeout_s)
        assert sending is not None
        return self.placed(sending)


class VenueWrites:
    """See the module; raises `VenueError` or `ValueError` for writes that cannot be written: then nothing was sent."""

    def __init__(
        self, dialect: TradeDialect, signer: Signer, transport: WriteTransport, order_socket: OrderSocket | None
    ) -> None:
        self._forms = OrderForms(dialect.place, signer.order_form)
        self._dialect = dialect
        self._signer = signer
        self._transport = transport
        self._socket = order_socket

    def form(self, command: PlaceOrder) -> OrderForm:
        form = self._forms.made.get((command.symbol, id(command.side), id(command.tif)))
        return signed(self._dialect.venue, self._forms.make, command) if form is None else form

    def prefetch(self, symbol: str) -> tuple[OrderForm, ...]:
        """Read the forms of entries in a symbol, made ahead where allowed; see `OrderForm.prefetch`."""
        try:
            forms = self._forms.of_entries(self._dialect.venue, symbol)
        except (ccxt.BaseError, ArbError, ValueError):
            return ()  # an order reports why
        for form in forms:
            form.prefetch()
        return forms

    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> Ready:
        """Return an order, ready to be sent; `now_ns` and `steady_ns`: the present by our two clocks."""
        if self._socket is None:
            return Outgoing(form.origin, self._signer.order(form, command, now_ns, steady_ns))
        return self._framed(
            self._dialect.place(command),
            lambda: Outgoing(form.origin, self._signer.order(form, command, now_ns, steady_ns)),
        )

    def other(self, call: Call) -> Ready:
        over_rest = partial(signed, self._dialect.venue, self._rendered, call)
        return over_rest() if self._socket is None else self._framed(call, over_rest)

    def send(self, ready: Ready, timeout_s: float) -> Awaitable[HttpAnswer]:
        """Send a write, once, and wait at most `timeout_s` for its answer; see `WriteTransport.write`.

        The order socket gets no write later than at once: a write for it while it is down goes over REST, which is
        logged and counted.
        """
        if isinstance(ready, Outgoing):
            return self._transport.write(ready, timeout_s)
        assert self._socket is not None
        try:
            return self._socket.send(ready.request_id, ready.text, timeout_s)
        except SocketEnded:
            self._socket.passed_by += 1  # not a byte was sent: another way is free
        try:
            return self._transport.write(ready.over_rest(), timeout_s)
        except (VenueError, ValueError) as refused:
            never: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()
            never.set_exception(NeverSent(str(refused)))
            never.exception()  # retrieved: its caller may stop waiting
            return never

    def _rendered(self, call: Call) -> Outgoing:
        return render(self._signer.signed(call))

    def _framed(self, call: Call, over_rest: Callable[[], Outgoing]) -> Ready:
        """Return a frame for the order socket, or where that is down, or has none for such a write, a request."""
        assert self._socket is not None
        frame = self._socket.frame(call)
        if frame is not None:
            return ReadyFrame(*frame, over_rest)
        self._socket.passed_by += 1
        return over_rest()
