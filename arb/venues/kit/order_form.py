"""Order templates: the bytes shared by all orders of one symbol, side and time in force.

Only the id, price, size, times and signature are filled in, once each. A form is cut from one order of the general path
(`GuardedClient.signed`, `render`) with marks in the places to be filled, so that both ways lead to the same bytes.
Address, headers and key are those of the client when it was made: for another key another client is made.
"""

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from arb.clock import NS_PER_S
from arb.core.messages.commands import PlaceOrder
from arb.errors import require
from arb.market.order import Role, Side, TimeInForce
from arb.venues.kit.call import Call
from arb.venues.kit.rules.guard import OrderClaim, limit_claim
from arb.venues.transport.address import Origin
from arb.venues.transport.request import HttpRequest, render

if TYPE_CHECKING:
    from hashlib import _Hash

ID = "x7id7x"
PRICE, SIZE = Decimal("7777777.7777777"), Decimal("8888888.8888888")
TIMESTAMP, SIGNATURE, EXPIRY = "x7time7x", "x7signature7x", "x7expiry7x"
_LENGTH, _BODY = "x7length7x", "x7body7x"
_BLANKS = ("",) * 8
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class Keyed(Protocol):
    """A hash with a secret, or a private key."""

    def seal(self, data: bytes) -> Any: ...


class KeyedHash:
    """HMAC (RFC 2104) with one secret, used as text, whose two pads are hashed once instead of once per request.

    `make`: `hashlib.sha256` or another of its kind. Measured with SHA-512: `hmac.new` per request 4.4 us, copying a keyed
    `hmac` 3.5 us, copying both keyed pads 2.8 us. It calls no Python functions, each of which would delay a request while
    the caches are cold.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: str, make: "Callable[..., _Hash]" = hashlib.sha256) -> None:
        key, block_bytes = secret.encode(), make().block_size
        if len(key) > block_bytes:
            key = make(key).digest()
        block = key.ljust(block_bytes, b"\0")
        self._inner = make(block.translate(_INNER_PAD))
        self._outer = make(block.translate(_OUTER_PAD))

    def __repr__(self) -> str:
        # The pads are as good as the secret.
        return "KeyedHash()"

    def seal(self, data: bytes) -> "_Hash":
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer


class Places(NamedTuple):
    """A text with places (`%s`) for the values that `pick` takes of all marks, in the order of the places."""

    text: str
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]


class OrderForm:
    """The fixed part of the orders of one (symbol, side, time in force).

    `body` is their JSON with places for the values that `in_body` picks of (id, price, size, times that the venue has
    there). `whole` is the request with places for the values that `in_whole` picks of (signature, length of the body,
    body, times that the venue has in the head). Method, path and other signed text besides time and body are in
    `signed`, and `keyed` signs. `symbol` and `side` are those that the guard reads in the body's parameters;
    `scope`: its name for metering.
    """

    __slots__ = ("body", "in_body", "in_whole", "keyed", "origin", "scope", "side", "signed", "symbol", "whole")

    def __init__(
        self,
        scope: str,
        claim: OrderClaim,
        origin: Origin,
        body: "Places",
        whole: "Places",
        signed: str,
        keyed: Keyed,
    ) -> None:
        self.scope = scope
        self.symbol = claim.symbol
        self.side = "buy" if claim.sold is None else "sell"
        self.origin = origin
        self.body, self.in_body = body
        self.whole, self.in_whole = whole.text.encode("ascii"), whole.pick
        self.signed = signed.encode("ascii")
        self.keyed = keyed

    def __repr__(self) -> str:
        # The head holds key and passphrase.
        return f"OrderForm({self.scope}, {self.side})"

    def prefetch(self) -> None:
        """Read all of it, so that it is in the processor's caches; nothing of an order is written or signed."""
        self.in_body(_BLANKS), self.in_whole(_BLANKS)
        _ = "\0" in self.body or b"\0" in self.whole or b"\0" in self.signed
        self.keyed.seal(b"")


class OrderForms:
    def __init__(self, place: Callable[[PlaceOrder], Call], make: Callable[[Call], OrderForm]) -> None:
        self._place = place
        self._make = make
        # By symbol and the identities of side and time in force, which are one object each: an `Enum` computes its hash
        # each time.
        self.made: dict[tuple[str, int, int], OrderForm] = {}

    def of_entries(self, venue: str, symbol: str) -> tuple[OrderForm, OrderForm]:
        """Return the forms of entries in a symbol, made now where there are none; raises as `make` does."""
        buy, sell = (self.made.get((symbol, id(side), id(TimeInForce.IOC))) for side in Side)
        return buy or self.make(_marked(venue, symbol, Side.BUY)), sell or self.make(_marked(venue, symbol, Side.SELL))

    def make(self, command: PlaceOrder) -> OrderForm:
        """Make the form of an order, and keep it; raises as `GuardedClient.signed` does where none like it may be signed."""
        marked = _marked(command.venue, command.symbol, command.side, command.tif, command.expires_ns)
        form = self._make(self._place(marked))
        # Only for symbols the guard allows: a few dozen.
        self.made[command.symbol, id(command.side), id(command.tif)] = form
        return form


def half_written(
    call: Call,
    claim: OrderClaim,
    request: HttpRequest,
    signed: str,
    keyed: Keyed,
    *,
    body_marks: Sequence[str] = (),
    head_marks: Sequence[str] = (),
    tail: str = "",
) -> OrderForm:
    """Return the form cut out of a request with marks: id, price and size in its body and `body_marks` besides, `head_marks`
    in its head, and there, or in the `tail` behind the signed body, the signature. `claim` is the guard's of the same
    parameters."""
    side = "sell" if claim.sold is not None else "buy"
    require(claim == limit_claim(claim.symbol, side, SIZE, PRICE), "an order that is not written as it was meant")
    outgoing = render(request)
    head, _, body = outgoing.data.decode("ascii").partition("\r\n\r\n")
    whole = f"{head.removesuffix(str(len(body)))}{_LENGTH}\r\n\r\n{_BODY}{tail}"
    return OrderForm(
        call.scope,
        claim,
        outgoing.origin,
        _cut(body.removesuffix(tail), (ID, f"{PRICE:f}", f"{SIZE:f}", *body_marks)),
        _cut(whole, (SIGNATURE, _LENGTH, _BODY, *head_marks)),
        signed,
        keyed,
    )


def id_text(client_order_id: str) -> str:
    return encode_basestring_ascii(client_order_id)[1:-1]


def decimal_texts(command: PlaceOrder) -> tuple[str, str]:
    """Return price and size of an order as `plain` writes them, which are finite."""
    price, size = str(command.price), str(command.size)
    if "E" not in price and "E" not in size:
        return price, size
    return f"{command.price:f}", f"{command.size:f}"  # no exponents, which very small and very great numbers would have


def _marked(
    venue: str, symbol: str, side: Side, tif: TimeInForce = TimeInForce.IOC, expires_ns: int = NS_PER_S
) -> PlaceOrder:
    return PlaceOrder(
        cause=0,
        venue=venue,
        symbol=symbol,
        client_order_id=ID,
        role=Role.ENTRY,
        side=side,
        tif=tif,
        price=PRICE,
        size=SIZE,
        expires_ns=expires_ns,
    )


def _cut(text: str, marks: Sequence[str]) -> Places:
    """Replace marks by places; raises `InvariantError` unless each is in the text just once."""
    text = text.replace("%", "%%")
    for mark in marks:
        require(text.count(mark) == 1, f"{mark} is not in an order just once")
    order = sorted(range(len(marks)), key=lambda number: text.index(marks[number]))
    for mark in marks:
        text = text.replace(mark, "%s")
    return Places(text, itemgetter(*order))
