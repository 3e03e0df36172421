"""Trade spot with Bybit's own client, pybit, on a sandbox: its first line comes on stdin, a report goes out in one line.

Nothing is set but addresses, which the client has no option for.
"""

import json
import sys
import time
from typing import Any

from pybit import _websocket_stream
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket

VENUE = json.load(sys.stdin)["venues"]["bybit"]
SPOT: dict[str, Any] = {"category": "spot", "symbol": "BTCUSDT"}
LIMIT: dict[str, Any] = SPOT | {"side": "Buy", "orderType": "Limit", "qty": "0.01"}
PATIENCE_S = 60.0

connect = _websocket_stream._WebSocketManager._connect
_websocket_stream._WebSocketManager._connect = lambda self, _: connect(self, VENUE["ws_private"])
client = HTTP(api_key=VENUE["key"], api_secret=VENUE["secret"])
client.endpoint = VENUE["rest"]
stream = WebSocket(testnet=False, channel_type="private", api_key=VENUE["key"], api_secret=VENUE["secret"])
orders: list[tuple[str, str]] = []
executions: dict[str, str] = {}
stream.order_stream(lambda frame: orders.extend((row["orderId"], row["orderStatus"]) for row in frame["data"]))
stream.execution_stream(lambda frame: executions.update({row["execId"]: row["execQty"] for row in frame["data"]}))

resting = client.place_order(**LIMIT, price="49000", timeInForce="GTC", orderLinkId="pybit-1")["result"]["orderId"]
client.amend_order(**SPOT, orderId=resting, price="48900")
[shown] = client.get_open_orders(**SPOT)["result"]["list"]
client.cancel_order(**SPOT, orderLinkId="pybit-1")
taken = [client.place_order(**LIMIT, price="62000", timeInForce="IOC")["result"]["orderId"] for _ in range(3)]
try:
    client.place_order(**LIMIT | {"qty": "100000"}, price="62000", timeInForce="IOC")
    refused = None
except InvalidRequestError as error:
    refused = error.status_code
paged: list[str] = []
cursor = ""
while True:
    page = client.get_executions(category="spot", limit=1, cursor=cursor)["result"]
    paged += [row["execId"] for row in page["list"]]
    cursor = page["nextPageCursor"]
    if not page["list"]:
        break
deadline = time.monotonic() + PATIENCE_S
while set(paged) - executions.keys() and time.monotonic() < deadline:
    time.sleep(0.05)
[account] = client.get_wallet_balance(accountType="UNIFIED")["result"]["list"]
report = {
    "instruments": len(client.get_instruments_info(category="spot")["result"]["list"]),
    "price": shown["price"],
    "ids": [resting, *taken],
    "ended": sorted(status for number, status in orders if number == resting),
    "paged": paged,
    "pushed": sorted(executions),
    "refused": refused,
    "held": {coin["coin"]: coin["walletBalance"] for coin in account["coin"]},
    "rights": client.get_api_key_information()["result"]["permissions"]["Spot"],
}
stream.exit()
sys.stdout.write(json.dumps(report) + "\n")
