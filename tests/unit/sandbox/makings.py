"""Quiet defaults for the tests of the sandbox's core."""

import itertools
from decimal import Decimal

from arb.clock import NS_PER_S
from arb.sandbox.exchange import SimExchange
from arb.sandbox.market import IdSource
from arb.sandbox.values import OrderRequest, SimInstrument, SimOrder, VenueProfile

NOW_NS = 1_800_000_000 * NS_PER_S
SYMBOL = "BTC/USDT"
_ids = itertools.count(1)


def rules(**changes: object) -> SimInstrument:
    """Return an instrument with tick 0.1, lot 0.001, fees 0.1 % and 0.2 %."""
    fields: dict[str, object] = {
        "symbol": SYMBOL,
        "tick": Decimal("0.1"),
        "lot": Decimal("0.001"),
        "min_size": Decimal("0.002"),
        "min_notional": Decimal("5"),
        "maker_fee": Decimal("0.001"),
        "taker_fee": Decimal("0.002"),
        **changes,
    }
    return SimInstrument(**fields)  # type: ignore[arg-type]


def an_exchange(buy_fee_in: str = "base", **changes: object) -> SimExchange:
    """Return an exchange of one symbol with 100,000 USDT, 10 BTC and an empty book."""
    profile = VenueProfile(
        name="gate",
        key="k",
        secret="s",
        passphrase="p",
        user_id=1,
        buy_fee_in=buy_fee_in,
        instruments=(rules(**changes),),
        balances={"USDT": Decimal(100_000), "BTC": Decimal(10), "POINT": Decimal(1_000)},
        feed_delay_ms=20.0,
        order_delay_ms=15.0,
    )
    return SimExchange(profile, IdSource(NOW_NS), NOW_NS)


def quote(exchange: SimExchange, side: str, price: str, size: str) -> None:
    """Set the background's total at a price."""
    instrument = exchange.instruments[SYMBOL]
    ticks, lots = int(Decimal(price) / instrument.tick), int(Decimal(size) / instrument.lot)
    exchange.quote_background(SYMBOL, side, ticks, lots, NOW_NS)


def ask_for(side: str, size: str, price: str | None, tif: str = "gtc", **more: object) -> OrderRequest:
    """Return an order request; without a price a market order."""
    kind = "market" if price is None else "limit"
    tif = "ioc" if price is None else tif
    limit = None if price is None else Decimal(price)
    return OrderRequest(SYMBOL, side, kind, tif, price=limit, size=Decimal(size), **more)  # type: ignore[arg-type]


def an_order(side: str, *, ticks: int, lots: int) -> SimOrder:
    """Return an account order for tests of the book alone."""
    instrument = rules()
    request = OrderRequest(SYMBOL, side, "limit", "gtc", price=Decimal(ticks), size=Decimal(lots))
    return SimOrder(next(_ids), request, instrument, NOW_NS, NOW_NS, lots, ticks)
