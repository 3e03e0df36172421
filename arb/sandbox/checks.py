"""The checks of an exchange before it takes an order: shape, steps, bounds, price band, depth. Venue-neutral."""

from decimal import Decimal

from arb.sandbox.exact import ONE, add, mul, sub, units_exact
from arb.sandbox.market import Market
from arb.sandbox.matching import BUY
from arb.sandbox.values import OrderRequest, Refusal, Refused, SimOrder


def check_order(order: SimOrder, market: Market, same_client_id: SimOrder | None, now_ns: int) -> None:
    """Raise `Refused` unless an order obeys the rules of its market; sets its limit in ticks."""
    request, rules = order.request, market.instrument
    if request.expires_ns is not None and now_ns > request.expires_ns:
        raise Refused(Refusal.EXPIRED, "the request arrived after its expiry")
    if not rules.tradable:
        raise Refused(Refusal.NOT_TRADABLE, f"{rules.symbol} is not tradable", rules.symbol)
    _check_shape(request)
    if same_client_id is not None and same_client_id.is_open and request.echo.get("unique_client_id"):
        raise Refused(Refusal.DUPLICATE_CLIENT_ID, "duplicate client order id", request.client_id)
    if request.price is not None:
        if units_exact(request.price, rules.order_tick) is None:
            raise Refused(Refusal.BAD_PRICE_PRECISION, "price is no multiple of the tick", str(rules.price_places))
        order.ticks = units_exact(request.price, rules.tick)
    if request.size is not None and units_exact(request.size, rules.order_lot) is None:
        raise Refused(Refusal.BAD_SIZE_PRECISION, "size is no multiple of the lot", str(rules.size_places))
    _check_bounds(order, market)
    _check_band(order, market)
    unfit = unfit_for_book(order, market)
    if unfit is not None and not request.cancel_unfit:
        raise unfit


def _check_bounds(order: SimOrder, market: Market) -> None:
    request, rules = order.request, market.instrument
    if request.size is not None and request.size < rules.order_min_size:
        raise Refused(Refusal.BELOW_MIN_SIZE, "size is below the minimum", str(rules.order_min_size))
    if request.size is not None and rules.max_size is not None and request.size > rules.max_size:
        raise Refused(Refusal.ABOVE_MAX_SIZE, "size is above the maximum", str(rules.max_size))
    notional = request.quote_size
    if notional is None and request.size is not None:
        price = order.price
        if price is None:
            price = mul(mul(Decimal(market.reference()), rules.tick), Decimal("0.5"))
        notional = mul(price, request.size)
    if notional is not None and notional < rules.min_notional:
        raise Refused(Refusal.BELOW_MIN_NOTIONAL, "notional is below the minimum", str(rules.min_notional))


def _check_band(order: SimOrder, market: Market) -> None:
    """Bind only the aggressive side: a buy far above or a sell far below the middle is refused."""
    reference = market.reference()
    if order.ticks is None or reference == 0:
        return
    middle, band = Decimal(reference), market.instrument.band
    price = Decimal(2 * order.ticks)
    above, below = price > mul(middle, add(ONE, band)), price < mul(middle, sub(ONE, band))
    if above if order.side == BUY else below:
        raise Refused(Refusal.PRICE_BAND, "price is outside the band", str(band))


def _check_shape(request: OrderRequest) -> None:
    if request.side not in ("buy", "sell") or request.kind not in ("limit", "market"):
        raise Refused(Refusal.BAD_ARGUMENT, "bad side or type", "side")
    if request.tif not in ("gtc", "ioc", "fok", "post_only"):
        raise Refused(Refusal.BAD_ARGUMENT, "bad time in force", "time_in_force")
    if (request.size is None) == (request.quote_size is None):
        raise Refused(Refusal.BAD_ARGUMENT, "exactly one size is needed", "amount")
    amount = request.size if request.size is not None else request.quote_size
    if amount is None or amount <= 0:
        raise Refused(Refusal.BAD_ARGUMENT, "size must be above zero", "amount")
    if request.kind == "limit" and (request.price is None or request.price <= 0 or request.size is None):
        raise Refused(Refusal.BAD_ARGUMENT, "a limit order needs a price above zero and a base size", "price")
    if request.kind == "market" and (request.price is not None or request.tif not in ("ioc", "fok")):
        raise Refused(Refusal.BAD_ARGUMENT, "a market order has no price and is ioc or fok", "time_in_force")
    if request.quote_size is not None and request.side != "buy":
        raise Refused(Refusal.BAD_ARGUMENT, "only a market buy is counted in quote", "amount")


def unfit_for_book(order: SimOrder, market: Market) -> Refused | None:
    """Return why a post-only or fok order does not fit this book, None when it does."""
    tif, book = order.request.tif, market.book
    if tif == "post_only" and book.fillable(order.side, order.ticks, 1):
        return Refused(Refusal.POST_ONLY_WOULD_TAKE, "the order would take")
    if tif == "fok" and order.lots and book.fillable(order.side, order.ticks, order.lots) < order.lots:
        return Refused(Refusal.FOK_NOT_FILLED, "the order cannot be filled completely")
    return None
