"""Gate's view of an account beyond spot balances and orders, and of markets that the sandbox does not have.

Source: the API documentation's sections "Wallet", "Account", "Unified" and "Futures".
"""

from decimal import Decimal

from arb.sandbox.exact import ONE, ZERO, add, mul, plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.auth import GateError
from arb.sandbox.gate.fields import pair_of, seconds
from arb.sandbox.gate.query import Answer, Query

CLASSIC, LEGACY = "classic", "legacy_unified"


def nothing(query: Query) -> Answer:
    """Answer with an empty list: contracts, options, sub-accounts, triggered orders; the sandbox has none."""
    return 200, []


def total_balance(exchange: SimExchange, query: Query) -> Answer:
    """Answer `/wallet/total_balance`: only spot, at the middle of the books, in USDT for any `currency`."""
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
    return 200, [{"type": "spot", "tier": "1", "ratio": "0", "main_ratio": "0", "updated_at": "0"}]


def is_unified(exchange: SimExchange) -> bool:
    return exchange.account_mode != CLASSIC


def detail(exchange: SimExchange, query: Query) -> Answer:
    """Answer `/account/detail`: the owner of the key; key mode 2 is that of the legacy unified account."""
    _need(exchange, "account")
    return 200, {
        "user_id": exchange.profile.user_id,
        "ip_whitelist": list(exchange.holder.addresses),
        "currency_pairs": [pair_of(symbol) for symbol in exchange.holder.symbols],
        "tier": 0,
        "key": {"mode": _key_mode(exchange)},
        "copy_trading_role": 0,
    }


def main_keys(exchange: SimExchange, query: Query) -> Answer:
    """Answer `/account/main_keys`: the one key of a main account; a sub-account's may not ask."""
    _need(exchange, "account")
    profile, holder = exchange.profile, exchange.holder
    if holder.sub_account:
        raise GateError(403, "FORBIDDEN", "Sub-accounts have no permission for this")
    return 200, [
        {
            "user_id": str(profile.user_id),
            "name": "sandbox",
            "key": f"{profile.key[:4]}****{profile.key[-4:]}",
            "state": 1,
            "mode": _key_mode(exchange),
            "perms": [{"name": r.removesuffix(":read"), "read_only": r.endswith(":read")} for r in holder.rights],
            "ip_whitelist": list(holder.addresses),
            "currency_pairs": [pair_of(symbol) for symbol in holder.symbols],
            "created_at": str(seconds(query.now_ns) - 86_400),
            "updated_at": str(seconds(query.now_ns) - 86_400),
            "last_access": str(seconds(query.now_ns)),
        }
    ]


def unified_mode(exchange: SimExchange, query: Query) -> Answer:
    _need(exchange, "unified")
    mode = "portfolio" if exchange.account_mode == LEGACY else exchange.account_mode
    return 200, {"mode": mode, "settings": {"spot_hedge": False}} if is_unified(exchange) else {"mode": mode}


def unified_accounts(exchange: SimExchange, query: Query) -> Answer:
    """Answer `/unified/accounts`, which a classic account does not have. Nothing is borrowed here, and no futures are held."""
    _need(exchange, "unified")
    if not is_unified(exchange):
        raise GateError(400, "USER_NOT_FOUND", "The account is not a unified account")
    wanted = query.params.get("currency")
    balances = {
        asset: {
            **dict.fromkeys(("borrowed", "negative_liab", "futures_pos_liab", "total_liab", "spot_in_use"), "0"),
            "available": plain(held.free),
            "freeze": plain(held.locked),
            "equity": plain(held.total),
            "total_freeze": plain(held.locked),
        }
        for asset, held in exchange.balances().items()
        if wanted in (None, "", asset)
    }
    return 200, {
        "user_id": exchange.profile.user_id,
        "locked": False,
        "balances": balances,
        "borrowed": "0",
        "leverage": "2",
        "spot_hedge": False,
    }


def spot_accounts(exchange: SimExchange, query: Query) -> Answer:
    """Answer `/spot/accounts`; a unified account's funds are not there."""
    wanted, elsewhere = query.params.get("currency"), is_unified(exchange)
    return 200, [
        {
            "currency": asset,
            "available": plain(ZERO if elsewhere else held.free),
            "locked": plain(ZERO if elsewhere else held.locked),
            "update_id": 1,
        }
        for asset, held in exchange.balances().items()
        if wanted in (None, "", asset)
    ]


def _key_mode(exchange: SimExchange) -> int:
    return 2 if exchange.account_mode == LEGACY else 1


def _need(exchange: SimExchange, permission: str) -> None:
    if not exchange.holder.may(permission, write=False):
        raise GateError(403, "FORBIDDEN", f"Request API key does not have {permission} permission")


def forbidden(query: Query) -> Answer:
    raise GateError(403, "READ_ONLY", "The key has no permission to write the wallet")
