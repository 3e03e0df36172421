"""Orders half written: all that is the same for the orders of one symbol, side and time in force stands ready as text.

Only the id, price, size, times and signature are filled in, and the whole is turned into bytes once. A form is cut out of what
the general path (`GuardedClient.signed`, `render`) writes of one order with marks in the places to be filled, so that both ways
lead to the same bytes. It is made anew when the address, a header or the key is another one than when it was made.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple, Protocol

from arb.core.commands import PlaceOrder
from arb.errors import require
from arb.market.order import Role
from arb.venues.call import Call, HttpRequest, Origin, Outgoing, render
from arb.venues.rules.guard import OrderClaim, limit_claim

ID = "x7id7x"
PRICE, SIZE = Decimal("7777777.7777777"), Decimal("8888888.8888888")
TIMESTAMP, SIGNATURE, EXPIRY = "x7time7x", "x7signature7x", "x7expiry7x"
_LENGTH = "x7length7x"


class OrderForm(NamedTuple):
    """What is fixed about the orders of one (symbol, side, time in force).

    `body` makes the JSON of (id, price, size, times that the venue has there), `head` what precedes it, of (timestamp,
    signature, length of the body, expiry where the venue has it there). `symbol` and `side` are those that the guard reads in
    the body's parameters. `source`: what the form was made from, see `FormMaker.order_source`.
    """

    call: Call
    symbol: str
    side: str
    origin: Origin
    target: str
    body: Callable[..., str]
    head: Callable[..., str]
    source: tuple[Any, ...]

    def __repr__(self) -> str:
        # The head holds key and passphrase.
        return f"OrderForm({self.call.scope}, {self.side})"

    def outgoing(self, body: bytes, timestamp: str, signature: str, *expiry: str) -> Outgoing:
        """Return the whole request; what is filled in is digits, hex or base64."""
        return Outgoing(self.origin, self.head(timestamp, signature, len(body), *expiry).encode("ascii") + body)


class FormMaker(Protocol):
    """The part of a venue's client that makes forms."""

    def order_form(self, call: Call) -> OrderForm:
        """Return the form of the orders like this one, which has marks; raises as `GuardedClient.signed` does."""

    def order_source(self, call: Call) -> tuple[Any, ...]:
        """Return the address, headers and key that such an order would leave with now."""


class OrderForms:
    """The forms of one account, made as symbols turn up; `place` is the dialect's."""

    def __init__(self, place: Callable[[PlaceOrder], Call], maker: FormMaker) -> None:
        self._place = place
        self._maker = maker
        # By symbol and the identities of side and time in force, which are one object each: an `Enum` hashes its name anew.
        self._forms: dict[tuple[str, int, int], OrderForm] = {}

    def get(self, command: PlaceOrder) -> OrderForm | None:
        """Return the form of an order; None where there is none, or what it was made from has changed."""
        form = self._forms.get((command.symbol, id(command.side), id(command.tif)))
        return form if form is not None and form.source == self._maker.order_source(form.call) else None

    def make(self, command: PlaceOrder) -> OrderForm:
        """Make the form of an order, and keep it; raises as `GuardedClient.signed` does where none like it may be signed."""
        form = self._maker.order_form(self._place(_marked(command)))
        # Only of what the guard allows: a few dozen symbols.
        self._forms[command.symbol, id(command.side), id(command.tif)] = form
        return form


def half_written(
    call: Call,
    claim: OrderClaim,
    request: HttpRequest,
    target: str,
    source: tuple[Any, ...],
    *,
    body_marks: Sequence[str] = (),
    head_marks: Sequence[str] = (),
) -> OrderForm:
    """Return the form cut out of a request with marks: id, price and size in its body and `body_marks` besides, timestamp and
    signature in its head and `head_marks` besides. `claim` is the guard's of the same parameters."""
    side = "sell" if claim.sold is not None else "buy"
    require(claim == limit_claim(claim.symbol, side, SIZE, PRICE), "an order that is not written as it was meant")
    origin, data = render(request)
    head, _, body = data.decode("ascii").partition("\r\n\r\n")
    head = f"{head.removesuffix(str(len(body)))}{_LENGTH}\r\n\r\n"
    return OrderForm(
        call,
        claim.symbol,
        side,
        origin,
        target,
        _cut(body, (ID, f"{PRICE:f}", f"{SIZE:f}", *body_marks)),
        _cut(head, (TIMESTAMP, SIGNATURE, _LENGTH, *head_marks)),
        source,
    )


def id_text(client_order_id: str) -> str:
    """Return an id as it stands between the quotes of JSON."""
    return encode_basestring_ascii(client_order_id)[1:-1]


def _marked(command: PlaceOrder) -> PlaceOrder:
    return PlaceOrder(
        cause=0,
        venue=command.venue,
        symbol=command.symbol,
        client_order_id=ID,
        role=Role.ENTRY,
        side=command.side,
        tif=command.tif,
        price=PRICE,
        size=SIZE,
        expires_ns=command.expires_ns,
    )


def _cut(text: str, marks: Sequence[str]) -> Callable[..., str]:
    """Return what puts values in the place of the marks; raises `InvariantError` unless each stands in the text just once."""
    text = text.replace("{", "{{").replace("}", "}}")
    for number, mark in enumerate(marks):
        require(text.count(mark) == 1, f"{mark} does not stand just once in an order")
        text = text.replace(mark, f"{{{number}}}")
    return text.format
