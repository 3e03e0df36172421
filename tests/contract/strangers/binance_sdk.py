"""Trade spot with Binance's own client on a sandbox: its first line comes on stdin, a report goes out in one line.

Nothing is set but addresses and keys. Once with a secret, then with an Ed25519 key, whose public half the sandbox is given.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.request import Request, urlopen

from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketAPI
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot
from Crypto.PublicKey import ECC

INFO = json.load(sys.stdin)
VENUE = INFO["venues"]["binance"]
ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": 0.01}
IOC = ORDER | {"time_in_force": "IOC", "price": 62000}
PATIENCE_S = 60.0


def client(**key: str) -> Spot:
    rest = ConfigurationRestAPI(base_path=VENUE["rest"], timeout=30_000, retries=0, **key)
    return Spot(config_rest_api=rest, config_ws_api=ConfigurationWebSocketAPI(stream_url=VENUE["ws_private"], **key))


def by_secret(spot: Spot) -> dict[str, Any]:
    """Place, look up, cancel, take, and read back, by REST."""
    api = spot.rest_api
    resting = api.new_order(**ORDER, time_in_force="GTC", price=49000, new_client_order_id="sdk-1").data()
    [shown] = api.get_open_orders(symbol="BTCUSDT").data()
    ended = api.delete_order(symbol="BTCUSDT", orig_client_order_id="sdk-1").data()
    taken = [api.new_order(**IOC).data() for _ in range(3)]
    try:
        api.new_order(**IOC | {"quantity": 10_000})
        refused = ""
    except BadRequestError as error:
        refused = str(error)
    paged: list[int] = []
    while page := api.my_trades(symbol="BTCUSDT", from_id=paged[-1] + 1 if paged else 0, limit=1).data():
        paged += [row.id for row in page]
    return {
        "symbols": len(api.exchange_info().data().symbols),
        "price": shown.price,
        "ids": [resting.order_id, *(answer.order_id for answer in taken)],
        "ended": ended.status,
        "statuses": [answer.status for answer in taken],
        "fills": [part.trade_id for answer in taken for part in answer.fills],
        "paged": paged,
        "refused": refused,
        "held": {row.asset: [row.free, row.locked] for row in api.get_account().data().balances},
    }


async def by_socket(spot: Spot, *, by_logon: bool) -> dict[str, Any]:
    """Take once by the websocket API, and hear of it on the user data stream."""
    api, heard = spot.websocket_api, asyncio.Queue[Any]()
    connection = await api.create_connection()
    if by_logon:
        await connection.session_logon()
        stream = (await connection.user_data_stream_subscribe()).stream
    else:
        stream = (await connection.user_data_stream_subscribe_signature()).stream
    stream.on("message", heard.put_nowait)
    answer = (await connection.order_place(**IOC)).data().result
    ended: list[str] = []
    while "FILLED" not in ended:
        event = (await asyncio.wait_for(heard.get(), PATIENCE_S)).actual_instance
        ended += [event.X] if hasattr(event, "X") else []
    await connection.close_connection(close_session=True)
    return {"id": answer.order_id, "reported": ended}


report = by_secret(client(api_key=VENUE["key"], api_secret=VENUE["secret"]))
report["by_secret"] = asyncio.run(by_socket(client(api_key=VENUE["key"], api_secret=VENUE["secret"]), by_logon=False))
own = ECC.generate(curve="ed25519")
pem = own.export_key(format="PEM")
wanted = json.dumps({"venue": "binance", "public_key": own.public_key().export_key(format="PEM")}).encode()
with urlopen(Request(f"{INFO['admin']}/key", wanted, {"Content-Type": "application/json"})) as given:
    key = json.load(given)["key"]
report["by_logon"] = asyncio.run(by_socket(client(api_key=key, private_key=pem), by_logon=True))
sys.stdout.write(json.dumps(report) + "\n")
