"""What venues show to a key alone: what the key may do, and the currency list. Signatures are made anew here, with hmac.

From the documents. Bybit v5 ("Authentication"): `X-BAPI-SIGN` is the hex HMAC-SHA256 of timestamp, key, window and the query as
sent. Binance ("SIGNED endpoint security"): that of the query as sent, before `&signature=`, which comes last. OKX ("REST
authentication"): base64 of that of timestamp, method and path with its query. A timestamp may be a second ahead, and as old as
the window says (OKX: 30 s). Rows of the lists are in the field sets of the documents' examples.
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

Row = dict[str, Any]

SECRET = "s3cret-of-the-key-0123456789abcdef"
PASSPHRASE = "Phrase-of-the-key-7"
KEYS = {name: f"key-that-may-{name}-0123456789" for name in ("read", "trade", "withdraw")}
BARRED = "key-of-another-address-0123456789"
POWERLESS = "key-without-any-right-0123456789"
AHEAD_MS = 1000
OKX_WINDOW_MS = 30_000
USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
ADDRESSES: dict[str, dict[str, str]] = {
    "BTC": {"bitcoin": ""},
    "ETH": {"ethereum": ""},
    "LTC": {"litecoin": ""},
    "USDT": {"ethereum": USDT},
}
"""By asset and chain, the contract; "" for the chain's own coin."""
_CHAINS = {
    "bybit": {"bitcoin": "BTC", "ethereum": "ETH", "litecoin": "LTC"},
    "binance": {"bitcoin": "BTC", "ethereum": "ETH", "litecoin": "LTC"},
    "okx": {"bitcoin": "Bitcoin", "ethereum": "ERC20", "litecoin": "Litecoin"},
}


class Refused(Exception):  # an answer, not a fault
    """The venue's refusal: HTTP status, code and text."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def bybit(request: web.Request, now_ms: int) -> str:
    """Return what the key of a request may do; raises `Refused`."""
    headers = request.headers
    key, sent_ms, window = (headers.get(f"X-BAPI-{name}", "") for name in ("API-KEY", "TIMESTAMP", "RECV-WINDOW"))
    if not (key and sent_ms.isdigit() and window.isdigit()):
        raise Refused(200, 10001, "empty value: apiTimestamp[] apiKey[] apiSignature[]: openapi sign params error!")
    if not now_ms - int(window) <= int(sent_ms) < now_ms + AHEAD_MS:
        text = f"req_timestamp[{sent_ms}],server_timestamp[{now_ms}],recv_window[{window}]"
        raise Refused(200, 10002, f"invalid request, please check your server timestamp or recv_window param. {text}")
    if (may := _rights(key)) is None:
        raise Refused(200, 10003, "API key is invalid.")
    text = f"{sent_ms}{key}{window}{request.rel_url.raw_query_string}"
    if not hmac.compare_digest(_hex(text), headers.get("X-BAPI-SIGN", "")):
        raise Refused(200, 10004, f"error sign! origin_string[{text}]")
    if may == "barred":
        raise Refused(200, 10010, "Unmatched IP, please check your API key's bound IP addresses.")
    if may == "nothing":
        raise Refused(200, 10005, "Permission denied, please check your API key permissions.")
    return may


def binance(request: web.Request, now_ms: int) -> str:
    """As `bybit`."""
    signed, _, signature = request.rel_url.raw_query_string.rpartition("&signature=")
    sent_ms, window = request.query.get("timestamp", ""), request.query.get("recvWindow", "5000")
    if (may := _rights(request.headers.get("X-MBX-APIKEY", ""))) in (None, "barred", "nothing"):
        raise Refused(401, -2015, "Invalid API-key, IP, or permissions for action.")
    if not sent_ms.isdigit():
        raise Refused(400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
    if not now_ms - int(window) <= int(sent_ms) < now_ms + AHEAD_MS:
        raise Refused(400, -1021, "Timestamp for this request is outside of the recvWindow.")
    if not hmac.compare_digest(_hex(signed), signature):
        raise Refused(400, -1022, "Signature for this request is not valid.")
    assert may is not None
    return may


def okx(request: web.Request, now_ms: int) -> str:
    """As `bybit`."""
    key, sent, passphrase, signature = (
        request.headers.get(f"OK-ACCESS-{name}", "") for name in ("KEY", "TIMESTAMP", "PASSPHRASE", "SIGN")
    )
    if (may := _rights(key)) is None:
        raise Refused(401, 50111, "Invalid OK-ACCESS-KEY")
    try:
        sent_ms = int(datetime.fromisoformat(sent).timestamp() * 1000)
    except ValueError:
        raise Refused(401, 50112, "Invalid OK-ACCESS-TIMESTAMP") from None
    if abs(now_ms - sent_ms) > OKX_WINDOW_MS:
        raise Refused(401, 50102, "Timestamp request expired")
    if passphrase != PASSPHRASE:
        raise Refused(401, 50105, "OK-ACCESS-PASSPHRASE incorrect")
    made = hmac.digest(SECRET.encode(), f"{sent}{request.method}{request.rel_url.raw_path_qs}".encode(), "sha256")
    if not hmac.compare_digest(b64encode(made).decode(), signature):
        raise Refused(401, 50113, "Invalid Sign")
    if may == "barred":
        raise Refused(401, 50110, "Your IP is not included in your API key's IP whitelist.")
    if may == "nothing":
        raise Refused(401, 50120, "This API key doesn't have permission to use this function")
    return may


def bybit_routes(now_ms: Callable[[], int]) -> dict[str, Callable[[web.Request], Any]]:
    """Return what answers, by the path below `/v5`."""

    def answered(code: int, text: str, result: Row) -> Row:
        return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": now_ms()}

    def guarded(answer: Callable[[web.Request, str], Row]) -> Callable[[web.Request], Any]:
        def ask(request: web.Request) -> Row:
            try:
                return answered(0, "success", answer(request, bybit(request, now_ms())))
            except Refused as refused:
                return answered(refused.code, refused.text, {})

        return ask

    def rights(_: web.Request, may: str) -> Row:
        groups = {
            "Spot": ["SpotTrade"],
            "Wallet": ["AccountTransfer", "Withdraw"] if may == "withdraw" else [],
            "Derivatives": [],
        }
        return {"id": "13770661", "note": "", "readOnly": int(may == "read"), "permissions": groups, "ips": ["*"],
                "type": 1, "deadlineDay": 66, "uta": 1, "userID": 24617703, "isMaster": True, "parentUid": "0"}  # fmt: skip

    def coins(request: web.Request, _: str) -> Row:
        wanted = request.query.get("coin")
        rows = [
            {"name": asset, "coin": asset, "remainAmount": "10000000", "chains": [
                {"chainType": chain, "confirmation": "6", "withdrawFee": "3", "depositMin": "0", "withdrawMin": "3",
                 "chain": _CHAINS["bybit"][chain], "chainDeposit": "1", "chainWithdraw": "1", "minAccuracy": "8",
                 "withdrawPercentageFee": "0", "contractAddress": contract, "safeConfirmNumber": "65"}
                for chain, contract in chains.items()
            ]}
            for asset, chains in ADDRESSES.items() if wanted in (None, asset)
        ]  # fmt: skip
        return {"rows": rows}

    account = {"unifiedMarginStatus": 6, "marginMode": "REGULAR_MARGIN", "spotHedgingStatus": "OFF"}
    choices = {"lpaSpot": False, "lpaPerp": False, "smsef": False, "fmsef": False}
    return {
        "/user/query-api": guarded(rights),
        "/asset/coin/query-info": guarded(coins),
        "/account/info": guarded(lambda _, __: account),
        "/account/user-setting-config": guarded(lambda _, __: choices),
    }


def binance_routes(now_ms: Callable[[], int]) -> dict[str, Callable[[web.Request], Any]]:
    """Return what answers, by its whole path."""

    def guarded(answer: Callable[[str], Any]) -> Callable[[web.Request], Any]:
        def ask(request: web.Request) -> Any:
            try:
                return answer(binance(request, now_ms()))
            except Refused as refused:
                return _page(refused.status, {"code": refused.code, "msg": refused.text})

        return ask

    def rights(may: str) -> Row:
        return {"ipRestrict": False, "createTime": 1698645219000, "enableReading": True,
                "enableWithdrawals": may == "withdraw", "enableInternalTransfer": False, "enableMargin": False,
                "enableFutures": False, "permitsUniversalTransfer": False, "enableVanillaOptions": False,
                "enableFixApiTrade": False, "enableFixReadOnly": True,
                "enableSpotAndMarginTrading": may == "trade", "enablePortfolioMarginTrading": True}  # fmt: skip

    def coins(_: str) -> list[Row]:
        return [
            {"coin": asset, "name": asset, "depositAllEnable": True, "free": "0.08074558", "isLegalMoney": False,
             "networkList": [
                {"coin": asset, "network": _CHAINS["binance"][chain], "name": chain, "contractAddress": contract,
                 "depositEnable": True, "withdrawEnable": True, "withdrawFee": "0.002", "withdrawMin": "0.01",
                 "minConfirm": 6, "unLockConfirm": 64, "estimatedArrivalTime": 5, "busy": False}
                for chain, contract in chains.items()
            ]}
            for asset, chains in ADDRESSES.items()
        ]  # fmt: skip

    account = {"canTrade": True, "canWithdraw": True, "canDeposit": True, "accountType": "SPOT", "balances": [],
               "permissions": ["SPOT"], "uid": 354937868}  # fmt: skip
    return {
        "/sapi/v1/account/apiRestrictions": guarded(rights),
        "/sapi/v1/capital/config/getall": guarded(coins),
        "/api/v3/account": guarded(lambda _: account),
    }


def okx_routes(now_ms: Callable[[], int]) -> dict[str, Callable[[web.Request], Any]]:
    """Return what answers, by the path below `/api/v5`."""

    def guarded(answer: Callable[[web.Request, str], list[Row]]) -> Callable[[web.Request], Any]:
        def ask(request: web.Request) -> Any:
            try:
                return {"code": "0", "data": answer(request, okx(request, now_ms())), "msg": ""}
            except Refused as refused:
                return _page(refused.status, {"code": str(refused.code), "data": [], "msg": refused.text})

        return ask

    def config(_: web.Request, may: str) -> list[Row]:
        perm = {"read": "read_only", "trade": "read_only,trade", "withdraw": "read_only,trade,withdraw"}[may]
        return [{"uid": "44705892343619584", "mainUid": "44705892343619584", "acctLv": "1", "perm": perm, "ip": ""}]

    def currencies(request: web.Request, _: str) -> list[Row]:
        wanted = request.query.get("ccy", "")
        return [
            {"ccy": asset, "chain": f"{asset}-{_CHAINS['okx'][chain]}", "ctAddr": contract[-6:], "canDep": True,
             "canWd": True, "fee": "0.002", "minFee": "0.002", "minWd": "0.01", "minDep": "0.001",
             "minDepArrivalConfirm": "6"}
            for asset, chains in ADDRESSES.items() if not wanted or asset in wanted.split(",")
            for chain, contract in chains.items()
        ]  # fmt: skip

    return {"/account/config": guarded(config), "/asset/currencies": guarded(currencies)}


def _rights(key: str) -> str | None:
    named: Mapping[str, str] = {key: may for may, key in KEYS.items()} | {BARRED: "barred", POWERLESS: "nothing"}
    return named.get(key)


def _hex(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def _page(status: int, body: Row) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")
