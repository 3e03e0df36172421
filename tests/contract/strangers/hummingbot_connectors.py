"""hummingbot's connectors against the sandbox: run by an interpreter with its requirements, the first line on stdin.

hummingbot is no package to install: its sources, compiled in place, lie in `sources` beside the interpreter's `bin`. Only
addresses and keys are set, and before a connector is imported, for its functions keep addresses as defaults. The last line on
stdout is JSON: by venue the events of orders that the connector raised, and what it holds.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(sys.executable).parents[1] / "sources"))

import hummingbot.connector.exchange.gate_io.gate_io_constants as gate
import hummingbot.connector.exchange.okx.okx_constants as okx
from hummingbot.connector.exchange.bitget import bitget_web_utils as bitget
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.logger import HummingbotLogger

PAIR = "BTC-USDT"
SIZE = Decimal("0.001")
READY_S, SETTLE_S, POLL_S = 60.0, 30.0, 0.1
EVENTS = (
    MarketEvent.OrderFilled,
    MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
    MarketEvent.BuyOrderCreated,
    MarketEvent.BuyOrderCompleted,
    MarketEvent.SellOrderCompleted,
)


def on_gate(account: dict[str, Any]) -> Any:
    """Return the connector of Gate."""
    gate.REST_URL, gate.WS_URL = account["rest"], account["ws"]
    from hummingbot.connector.exchange.gate_io.gate_io_exchange import GateIoExchange

    return GateIoExchange(account["key"], account["secret"], trading_pairs=[PAIR])


def on_okx(account: dict[str, Any]) -> Any:
    """Return the connector of OKX."""
    okx.DEFAULT_DOMAIN = f"{account['rest']}/"
    okx.get_okx_base_url = lambda sub_domain: okx.DEFAULT_DOMAIN
    okx.get_okx_ws_uri_public = lambda sub_domain: account["ws_public"]
    okx.get_okx_ws_uri_private = lambda sub_domain: account["ws_private"]
    from hummingbot.connector.exchange.okx.okx_exchange import OkxExchange

    return OkxExchange(account["key"], account["secret"], account["passphrase"], trading_pairs=[PAIR])


def on_bitget(account: dict[str, Any]) -> Any:
    """Return the connector of Bitget."""
    sockets = {path: account[f"ws_{path.rpartition('/')[2]}"] for path in ("/v2/ws/public", "/v2/ws/private")}
    bitget._create_rest_url = lambda path_url, domain="": f"{account['rest']}{path_url}"
    bitget._create_ws_url = lambda path_url, domain="": sockets[path_url]
    from hummingbot.connector.exchange.bitget.bitget_exchange import BitgetExchange

    return BitgetExchange(account["key"], account["secret"], account["passphrase"], trading_pairs=[PAIR])


CONNECTORS = {"gate": on_gate, "okx": on_okx, "bitget": on_bitget}


async def until(met: Callable[[], bool], within_s: float, what: str) -> None:
    """Wait until something is so; raise `TimeoutError` saying what was not."""
    for _ in range(int(within_s / POLL_S)):
        if met():
            return
        await asyncio.sleep(POLL_S)
    raise TimeoutError(what)


async def trade(connector: Any) -> dict[str, Any]:
    """Rest and cancel an order, buy at a limit, sell at market, and report what the connector says of it."""
    seen: dict[str, list[str]] = {}

    def hear(event: Any) -> None:
        seen.setdefault(event.order_id, []).append(type(event).__name__)

    forwarder = EventForwarder(hear)
    for event in EVENTS:
        connector.add_listener(event, forwarder)
    clock = Clock(ClockMode.REALTIME, 1.0)
    clock.add_iterator(connector)
    with clock:
        ticking = asyncio.create_task(clock.run())
        await until(lambda: connector.ready, READY_S, f"not ready: {connector.status_dict}")
        bid, ask = connector.get_price(PAIR, False), connector.get_price(PAIR, True)

        async def order(place: Any, kind: OrderType, price: Decimal, end: str) -> str:
            name: str = place(PAIR, SIZE, kind, connector.quantize_order_price(PAIR, price))
            await until(lambda: end in seen.get(name, ()), SETTLE_S, f"{name}: no {end} but {seen}")
            return name

        resting = await order(connector.buy, OrderType.LIMIT, bid * Decimal("0.99"), "BuyOrderCreatedEvent")
        connector.cancel(PAIR, resting)
        await until(lambda: "OrderCancelledEvent" in seen[resting], SETTLE_S, "not cancelled")
        await order(connector.buy, OrderType.LIMIT, ask * Decimal("1.01"), "BuyOrderCompletedEvent")
        await order(connector.sell, OrderType.MARKET, bid, "SellOrderCompletedEvent")
        await connector._update_balances()
        ticking.cancel()
    held = {asset: str(amount) for asset, amount in connector.get_all_balances().items() if asset in ("BTC", "USDT")}
    return {"ends": [events[-1] for events in seen.values()], "held": held}


async def main(venues: dict[str, Any]) -> None:
    """Trade at every venue and report."""
    HummingbotLogger.network = lambda self, text, *more, **named: self.warning(
        text
    )  # both lead to the program's own screen
    HummingbotLogger.notify = lambda self, text: None
    report = {venue: await trade(CONNECTORS[venue](account)) for venue, account in venues.items()}
    sys.stdout.write("\n" + json.dumps(report) + "\n")


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)["venues"]))
