"""What Gate shows of an account beyond spot balances and orders, and of the markets that the sandbox has none of.

Source: the API documentation's sections "Wallet", "Account", "Unified" and "Futures".
"""

from decimal import Decimal

from arb.sandbox.exact import ONE, ZERO, add, mul, plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.auth import GateError
from arb.sandbox.gate.query import Answer, Query


def nothing(query: Query) -> Answer:
    """Answer with an empty list: contracts, options, sub-accounts, triggered orders; the sandbox has none."""
    return 200, []


def total_balance(exchange: SimExchange, query: Query) -> Answer:
    """Answer `/wallet/total_balance`: spot alone, at the middle of the books, in USDT whatever `currency`."""
    total = ZERO
    for asset, held in exchange.balances().items():
        market = exchange.markets.get(f"{asset}/USDT")
        price = ONE if asset == "USDT" else ZERO
        if market is not None:
            price = mul(mul(Decimal(market.book.mid_twice() or 0), market.instrument.tick), Decimal("0.5"))
        total = add(total, mul(held.total, price))
    amount = {"currency": "USDT", "amount": plain(total)}
    return 200, {"total": amount, "details": {"spot": amount}}


def rate_limit(query: Query) -> Answer:
    """Answer `/account/rate_limit`: the lowest tier."""
    return 200, [{"type": "spot", "tier": "1", "ratio": "0", "main_ratio": "0", "updated_at": "0"}]


def unified_mode(query: Query) -> Answer:
    """Answer `/unified/unified_mode`: the account is a classic one."""
    return 200, {"mode": "classic"}


def unified(query: Query) -> Answer:
    """Refuse what only a unified account has."""
    raise GateError(400, "USER_NOT_FOUND", "The account is not a unified account")


def forbidden(query: Query) -> Answer:
    """Refuse what a key that reads the wallet may not do."""
    raise GateError(403, "READ_ONLY", "The key has no permission to write the wallet")
