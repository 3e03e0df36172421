"""The sandbox's own small vocabulary: instruments, orders, fills, events and refusals, common to all venues.

Nothing here knows a venue's dialect: a dialect reads these values and writes its own field names, and maps each
`Refusal` to the venue's label or code.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from arb.sandbox.exact import ONE, ZERO, mul


class Refusal(StrEnum):
    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_TRADABLE = "not_tradable"
    BAD_ARGUMENT = "bad_argument"
    BAD_PRICE_PRECISION = "bad_price_precision"
    BAD_SIZE_PRECISION = "bad_size_precision"
    BELOW_MIN_SIZE = "below_min_size"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    ABOVE_MAX_SIZE = "above_max_size"
    PRICE_BAND = "price_band"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    POST_ONLY_WOULD_TAKE = "post_only_would_take"
    FOK_NOT_FILLED = "fok_not_filled"
    NO_LIQUIDITY = "no_liquidity"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    EXPIRED = "expired"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_CLOSED = "order_closed"
    ORDER_CANCELLED = "order_cancelled"


class Refused(Exception):
    """A definite refusal; `kind` is for the dialect to map, `detail` an extra value for its message."""

    def __init__(self, kind: Refusal, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.detail = detail


@dataclass(frozen=True, slots=True)
class SimInstrument:
    """The trading rules of one symbol at one venue. Prices are in quote, sizes in base."""

    symbol: str
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    band: Decimal = Decimal("0.1")
    """Allowed distance of an aggressive limit from the middle of the book, as a ratio."""
    max_size: Decimal | None = None
    listed_ns: int = 0
    tradable: bool = True
    coarser: int = 1
    """How much coarser than its levels the steps of new orders are; resting orders keep theirs (`listing_change`)."""

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2]

    @property
    def order_tick(self) -> Decimal:
        return mul(self.tick, Decimal(self.coarser))

    @property
    def order_lot(self) -> Decimal:
        return mul(self.lot, Decimal(self.coarser))

    @property
    def order_min_size(self) -> Decimal:
        return max(self.min_size, self.order_lot)

    @property
    def price_places(self) -> int:
        return places(self.order_tick)

    @property
    def size_places(self) -> int:
        return places(self.order_lot)


def places(unit: Decimal) -> int:
    """Return the decimal places of a step such as 0.001 (3) or 10 (0)."""
    return max(0, -int(unit.normalize().as_tuple().exponent))


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A client's order. Exactly one of `size` (base) and `quote_size` (market buys only) is given."""

    symbol: str
    side: str
    """`buy` or `sell`."""
    kind: str
    """`limit` or `market`."""
    tif: str
    """`gtc`, `ioc`, `fok` or `post_only`; a market order is always `ioc` or `fok`."""
    price: Decimal | None = None
    size: Decimal | None = None
    quote_size: Decimal | None = None
    client_id: str = ""
    expires_ns: int | None = None
    cancel_unfit: bool = False
    """Take a `post_only` order that would take, or a `fok` that cannot fill, and cancel it at once, as OKX and Bitget
    do; otherwise it is refused."""
    self_trade: str = ""
    """Which side ends before it trades with an order of its own account: `taker`, `maker` or `both`; "": they trade."""
    echo: dict[str, str] = field(default_factory=dict)
    """Fields of the dialect that the venue echoes back (account, tag ...)."""


@dataclass(frozen=True, slots=True)
class FeeAsset:
    """The asset a venue takes fees in while its balance lasts: `share` of the rate, `per_quote` units for each quote."""

    asset: str
    per_quote: Decimal
    share: Decimal


@dataclass(slots=True)
class SimOrder:
    """One order of the account, as the venue knows it. `status`: open, closed, cancelled or rejected."""

    id: int
    request: OrderRequest
    instrument: SimInstrument
    created_ns: int
    updated_ns: int
    lots: int
    """Ordered size in lots; 0 for a market buy counted in quote."""
    ticks: int | None
    """Limit price in ticks; None for a market order."""
    status: str = "open"
    reason: str = "open"
    """Why it ended: filled, cancelled, ioc, fok, post_only, depth, rejected, self_trade; `open` while it rests."""
    reject: str = ""
    filled_lots: int = 0
    cost: Decimal = ZERO
    """Quote exchanged so far, without fees."""
    fees: dict[str, Decimal] = field(default_factory=dict)
    """The fees, by asset; the last one charged is last."""
    held_asset: str = ""
    held: Decimal = ZERO
    """The amount still locked for this order."""
    finished_ns: int | None = None
    version: int = 0

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def side(self) -> str:
        return self.request.side

    @property
    def client_id(self) -> str:
        """Return the client's name for it, literally as sent ('' when none)."""
        return self.request.client_id

    @property
    def fee_currency(self) -> str:
        """Return the asset that was charged last ('' before any was)."""
        return next(reversed(self.fees), "")

    @property
    def fee(self) -> Decimal:
        return self.fees.get(self.fee_currency, ZERO)

    @property
    def size(self) -> Decimal:
        """Return the ordered base size (0 for a market buy counted in quote)."""
        return mul(Decimal(self.lots), self.instrument.lot)

    @property
    def filled(self) -> Decimal:
        """Return the filled base size, before any fee."""
        return mul(Decimal(self.filled_lots), self.instrument.lot)

    @property
    def price(self) -> Decimal | None:
        return None if self.ticks is None else mul(Decimal(self.ticks), self.instrument.tick)

    @property
    def remaining_lots(self) -> int:
        return max(0, self.lots - self.filled_lots)

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    def state(self, cancelled: str) -> str:
        """Return live, partially_filled, filled, or a venue's word for cancelled.

        A market buy counted in quote ends filled when it got anything: the rest buys less than the smallest size.
        """
        if self.is_open:
            if self.lots and self.remaining_lots == 0:
                return "filled"
            return "partially_filled" if self.filled_lots else "live"
        by_quote = self.request.quote_size is not None
        return "filled" if self.status == "closed" or (by_quote and self.filled_lots) else cancelled


@dataclass(frozen=True, slots=True)
class SimFill:
    """One execution of one account order. `fee` is positive when paid."""

    trade_id: int
    order_id: int
    client_id: str
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_currency: str
    role: str
    """`taker` or `maker`."""
    ns: int
    sequence: int
    """Consecutive per symbol."""
    bill_id: int
    """The first of the bills that it made."""


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was put on the book (`put`), changed (`amend`), filled in part (`update`) or ended (`finish`)."""

    order: SimOrder
    what: str
    ns: int

    @property
    def is_news(self) -> bool:
        """Return False for a change that a fill made, and that was reported with the fill."""
        if self.what in ("put", "amend"):
            return True
        by_quote = self.order.request.quote_size is not None
        return self.what == "finish" and (self.order.status != "closed" or by_quote)


@dataclass(frozen=True, slots=True)
class OrderFilled:
    order: SimOrder
    fill: SimFill
    ns: int


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """A balance of the account changed; `change` is that of free plus locked."""

    asset: str
    free: Decimal
    locked: Decimal
    change: Decimal
    cause: str
    """`order-create`, `order-update`, `order-fill`, `order-cancel`, or the kind of its bill."""
    ns: int


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """A trade on the public tape; `side` is the taker's."""

    trade_id: int
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    ns: int


Event = OrderChanged | OrderFilled | BalanceChanged | PublicTrade


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit (amount > 0) or withdrawal (amount < 0) booked by the admin."""

    id: int
    ns: int
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class VenueProfile:
    """The parameters of one simulated venue: credentials, asset of fees, latencies, instruments, start balances."""

    name: str
    key: str
    secret: str
    passphrase: str
    user_id: int
    buy_fee_in: str
    """`base` or `quote`: where the fee of a buy is charged (a sell always pays in quote)."""
    instruments: tuple[SimInstrument, ...]
    balances: dict[str, Decimal]
    feed_delay_ms: float
    order_delay_ms: float
    delay_sigma: float = 0.3
    account_modes: tuple[str, ...] = ()
    """The venue's kinds of account, the usual one first; empty where it has only one."""
    public_key: str = ""
    """PEM of the holder's Ed25519 key, where one signs in place of `secret`."""


def with_fee_factor(rate: Decimal, factor: Decimal) -> Decimal:
    return min(mul(rate, factor), ONE - Decimal("0.0001"))
