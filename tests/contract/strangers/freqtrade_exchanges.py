"""freqtrade's exchange classes against the sandbox, in live mode: run by an interpreter that has it, the first line on stdin.

Only addresses and keys are set, as the bot's configuration would. The last line on stdout is JSON: by venue the candles
loaded, and the states, fills and balances that the classes report.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt
import freqtrade
from freqtrade.enums import CandleType, RunMode
from freqtrade.resolvers import ExchangeResolver

PAIR = "BTC/USDT"


def addresses(venue: str, account: dict[str, Any]) -> dict[str, Any]:
    """Return ccxt's addresses of a venue, all of them the sandbox's."""
    api = getattr(ccxt, venue)().urls["api"]
    if venue == "gate":
        return {name: dict.fromkeys(api[name], account["rest"]) for name in ("public", "private")}
    if venue == "okx":
        return {"rest": account["rest"]}
    return {name: account["rest"] if isinstance(address, str) else address for name, address in api.items()}


def settings(venue: str, account: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a bot that trades one pair live."""
    client = {"urls": {"api": addresses(venue, account)}}
    priced = {"price_side": "same", "use_order_book": True, "order_book_top": 1}
    return {
        "exchange": {
            "name": venue,
            "key": account["key"],
            "secret": account["secret"],
            "password": account.get("passphrase", ""),
            "pair_whitelist": [PAIR],
            "pair_blacklist": [],
            "enable_ws": False,
            "ccxt_config": client,
            "ccxt_async_config": client,
        },
        "stake_currency": "USDT",
        "stake_amount": 100,
        "dry_run": False,
        "trading_mode": "spot",
        "margin_mode": "",
        "candle_type_def": CandleType.SPOT,
        "timeframe": "1m",
        "runmode": RunMode.LIVE,
        "entry_pricing": priced,
        "exit_pricing": priced,
        "order_types": {"entry": "limit", "exit": "limit", "stoploss": "market", "stoploss_on_exchange": False},
        "order_time_in_force": {"entry": "GTC", "exit": "GTC"},
        "datadir": None,
        "user_data_dir": None,
    }


def trade(venue: str, account: dict[str, Any]) -> dict[str, Any]:
    """Rest and cancel an order, buy, sell at market, and report what the class says of it."""
    exchange = ExchangeResolver.load_exchange(settings(venue, account), validate=True, load_leverage_tiers=False)
    candles = exchange.refresh_latest_ohlcv([(PAIR, "1m", CandleType.SPOT)])
    quoted = exchange.fetch_ticker(PAIR)

    def order(kind: str, side: str, rate: float) -> Any:
        wanted = {"pair": PAIR, "ordertype": kind, "side": side, "amount": 0.001, "rate": round(rate), "leverage": 1.0}
        return exchange.create_order(**wanted)

    resting = order("limit", "buy", quoted["bid"] * 0.99)
    state = exchange.fetch_order(resting["id"], PAIR)["status"]
    cancelled = exchange.cancel_order_with_result(resting["id"], PAIR, 0.001)["status"]
    bought = order("limit", "buy", quoted["ask"] * 1.01)
    sold = order("market", "sell", quoted["bid"])
    since = datetime.now(UTC) - timedelta(hours=1)
    fills = [
        fill for order_id in (bought["id"], sold["id"]) for fill in exchange.get_trades_for_order(order_id, PAIR, since)
    ]
    held = {asset: str(part["total"]) for asset, part in exchange.get_balances().items() if asset in ("BTC", "USDT")}
    report = {
        "candles": sum(len(frame) for frame in candles.values()),
        "states": [state, cancelled, exchange.fetch_order(bought["id"], PAIR)["status"]],
        "fills": [[fill["id"], str(fill["price"]), str(fill["amount"])] for fill in fills],
        "held": held,
    }
    exchange.close()
    return report


def main() -> None:
    """Trade at every venue and report."""
    venues = json.load(sys.stdin)["venues"]
    report = {"version": freqtrade.__version__, **{venue: trade(venue, account) for venue, account in venues.items()}}
    sys.stdout.write("\n" + json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
