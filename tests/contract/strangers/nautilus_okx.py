"""NautilusTrader's OKX client against the sandbox: run by an interpreter that has it, with the first line on stdin.

A whole TradingNode connects, receives data, buys at the best ask, rests an order, modifies and cancels it. Only addresses are
set (that of the business socket, which the client has no option for, is replaced where the client reads it) and, with
`--cross`, that spot is traded against the margin of all assets, as OKX's margin modes ask for. The last line on stdout is JSON:
what was seen, counted by name, refusals with their reason, and the account's totals.
"""

import asyncio
import json
import os
import sys
from typing import Any

import nautilus_trader
import nautilus_trader.adapters.okx.data as okx_data
import nautilus_trader.adapters.okx.execution as okx_execution
from nautilus_trader.adapters.okx.config import OKXDataClientConfig, OKXExecClientConfig
from nautilus_trader.adapters.okx.factories import OKXLiveDataClientFactory, OKXLiveExecClientFactory
from nautilus_trader.common.config import InstrumentProviderConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig, TradingNodeConfig
from nautilus_trader.core import nautilus_pyo3
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

PATIENCE_S = 90.0
SIZE = 0.001


class Addresses:
    """The client's compiled module, but for one address."""

    def __init__(self, business: str) -> None:
        self._business = business

    def __getattr__(self, name: str) -> Any:
        return getattr(nautilus_pyo3, name)

    def get_okx_ws_url_business(self, *_: object) -> str:
        """Return the sandbox's business socket."""
        return self._business


class Trade(Strategy):  # type: ignore[misc]
    """Buy at once, rest an order, modify it, cancel it; then wait for a bar."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.seen: dict[str, int] = {}
        self.refusals: list[str] = []
        self.resting: Any = None
        self.modified = self.finished = False

    def on_start(self) -> None:
        """Subscribe to everything."""
        self.named = InstrumentId.from_str("BTC-USDT.OKX")
        self.subscribe_quote_ticks(self.named)
        self.subscribe_trade_ticks(self.named)
        self.subscribe_order_book_deltas(self.named)
        self.subscribe_bars(BarType.from_str("BTC-USDT.OKX-1-MINUTE-LAST-EXTERNAL"))

    def on_quote_tick(self, tick: Any) -> None:
        """Send both orders with the first quote."""
        self._note("quote")
        if self.resting is not None:
            return
        rules, size = self.cache.instrument(self.named), self.cache.instrument(self.named).make_qty(SIZE)
        low = rules.make_price(float(tick.bid_price) * 0.98)
        taking = self.order_factory.limit(
            self.named, OrderSide.BUY, size, tick.ask_price, time_in_force=TimeInForce.IOC
        )
        self.resting = self.order_factory.limit(self.named, OrderSide.BUY, size, low)
        self.submit_order(taking)
        self.submit_order(self.resting)

    def on_trade_tick(self, _: Any) -> None:
        """Count a trade."""
        self._note("trade")

    def on_order_book_deltas(self, _: Any) -> None:
        """Count a change of the book."""
        self._note("deltas")

    def on_bar(self, _: Any) -> None:
        """Count a bar."""
        self._note("bar")

    def on_order_event(self, event: Any) -> None:
        """Modify the resting order once it rests, and cancel it once it is modified."""
        name = type(event).__name__
        self._note(name)
        if name in ("OrderRejected", "OrderModifyRejected", "OrderCancelRejected", "OrderDenied"):
            self.refusals.append(f"{name}: {event.reason}")
        if event.client_order_id != self.resting.client_order_id:
            return
        if name == "OrderAccepted" and not self.modified:
            self.modified = True
            rules = self.cache.instrument(self.named)
            lower = rules.make_price(float(self.resting.price) * 0.99)
            self.modify_order(self.resting, rules.make_qty(2 * SIZE), lower)
        elif name in ("OrderUpdated", "OrderModifyRejected"):
            self.cancel_order(self.resting)
        self.finished = name in ("OrderCanceled", "OrderRejected")

    def _note(self, name: str) -> None:
        self.seen[name] = self.seen.get(name, 0) + 1


async def watch(node: Any, strategy: Trade) -> dict[str, Any]:
    """Run the node until the orders ended and a bar came, or patience does, and report."""
    running = asyncio.ensure_future(node.run_async())
    waited_s = 0.0
    while waited_s < PATIENCE_S and not (strategy.finished and "bar" in strategy.seen):
        await asyncio.sleep(0.5)
        waited_s += 0.5
    held = {
        str(asset): str(money) for account in node.cache.accounts() for asset, money in account.balances_total().items()
    }
    report = {
        "version": nautilus_trader.__version__,
        "instruments": len(node.cache.instruments()),
        "seen": strategy.seen,
        "refusals": strategy.refusals,
        "held": held,
    }
    await node.stop_async()
    running.cancel()
    return report


def main() -> None:
    """Trade and report."""
    okx = json.load(sys.stdin)["venues"]["okx"]
    okx_data.nautilus_pyo3 = okx_execution.nautilus_pyo3 = Addresses(okx["ws_public"].replace("/public", "/business"))
    # version 1.221 reads the key of its business client from here, whatever its configuration says
    os.environ |= {"OKX_API_KEY": okx["key"], "OKX_API_SECRET": okx["secret"], "OKX_API_PASSPHRASE": okx["passphrase"]}
    shared = {
        "api_key": okx["key"],
        "api_secret": okx["secret"],
        "api_passphrase": okx["passphrase"],
        "base_url_http": okx["rest"],
        "instrument_types": (nautilus_pyo3.OKXInstrumentType.SPOT,),
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    margin = (
        {"use_spot_margin": True, "margin_mode": nautilus_pyo3.OKXMarginMode.CROSS} if "--cross" in sys.argv else {}
    )
    node = TradingNode(
        config=TradingNodeConfig(
            trader_id=TraderId("STRANGER-001"),
            logging=LoggingConfig(log_level="ERROR"),
            data_clients={"OKX": OKXDataClientConfig(**shared, base_url_ws=okx["ws_public"])},
            exec_clients={"OKX": OKXExecClientConfig(**shared, **margin, base_url_ws=okx["ws_private"])},
        )
    )
    # the venue takes letters and digits only
    ids = {"use_uuid_client_order_ids": True, "use_hyphens_in_client_order_ids": False}
    strategy = Trade(StrategyConfig(strategy_id="S-1", **ids))
    node.trader.add_strategy(strategy)
    node.add_data_client_factory("OKX", OKXLiveDataClientFactory)
    node.add_exec_client_factory("OKX", OKXLiveExecClientFactory)
    node.build()
    report = node.kernel.loop.run_until_complete(watch(node, strategy))
    node.dispose()
    sys.stdout.write("\n" + json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
