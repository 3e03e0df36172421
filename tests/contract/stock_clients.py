"""Stock clients, unmodified, pointed at the sandbox.

Only what a user of those libraries may set is set here: addresses, credentials and documented options. No class is
subclassed, no method replaced, no answer repaired: what passes here would pass at the venue.
"""

from decimal import Decimal
from typing import Any, cast
from urllib.parse import urlsplit

import ccxt
import ccxt.pro
import gate_api

SYMBOL = "BTC/USDT"
VENUES = ("gate", "okx", "bitget", "bybit", "binance")
_OPTIONS = {
    "bybit": {"fetchMarkets": {"types": ["spot"]}, "fetchOrder": {"acknowledged": True}},
    "binance": {"fetchOpenOrders": {"warnWithoutSymbol": False}},
}
"""The client of Bybit lists perpetuals, too. Users acknowledge that it shows the last 500 orders, and what it
weighs at Binance to ask for all open ones.
"""

Client = Any
"""A ccxt client: the library has no useful static types for the unified calls."""


def exact(value: object) -> Decimal:
    """Return a number of a stock client as the decimal its text denotes."""
    return Decimal(str(value))


def rest_client(venue: str, info: dict[str, Any]) -> Client:
    """Return an unmodified synchronous ccxt client for `venue` of a sandbox's first line."""
    return _point_at(getattr(ccxt, venue)(_settings(venue, info)), venue, info["venues"][venue])


def stream_client(venue: str, info: dict[str, Any]) -> Client:
    """Return an unmodified ccxt.pro client for `venue` of a sandbox's first line."""
    return _point_at(getattr(ccxt.pro, venue)(_settings(venue, info)), venue, info["venues"][venue])


def gate_sdk(info: dict[str, Any], *, secret: str | None = None) -> gate_api.ApiClient:
    """Return the official Gate SDK's client; `secret` replaces the sandbox's own, to see a refusal."""
    venue = info["venues"]["gate"]
    return gate_api.ApiClient(
        gate_api.Configuration(host=venue["rest"], key=venue["key"], secret=secret or venue["secret"])
    )


def _settings(venue: str, info: dict[str, Any]) -> dict[str, Any]:
    account = info["venues"][venue]
    settings: dict[str, Any] = {"apiKey": account["key"], "secret": account["secret"]}
    if "passphrase" in account:
        settings["password"] = account["passphrase"]
    return settings | ({"options": _OPTIONS[venue]} if venue in _OPTIONS else {})


def _point_at(client: Client, venue: str, account: dict[str, Any]) -> Client:
    api = client.urls["api"]
    if venue == "gate":
        for access in ("public", "private"):
            api[access] = dict.fromkeys(api[access], account["rest"])
        api["spot"] = account["ws"]
    elif venue == "okx":
        api["rest"] = account["rest"]
        api["ws"] = cast(str, account["ws_public"]).removesuffix("/public")
    elif venue == "binance":
        for product, address in api.items():
            if isinstance(address, str):
                api[product] = account["rest"] + urlsplit(address).path
        streams = cast(str, account["ws_public"]).removesuffix("/stream")
        api["ws"] = {"spot": f"{streams}/ws", "ws-api": {"spot": account["ws_private"]}}
    else:
        for product, address in api.items():
            if isinstance(address, str):
                api[product] = account["rest"]
        if venue == "bybit":
            api["ws"] = {"public": {"spot": account["ws_public"]}, "private": {"contract": account["ws_private"]}}
            return client
        unified = cast(str, account["ws_private"]).replace("/v2/", "/v3/")
        api["ws"] = {"public": account["ws_public"], "private": account["ws_private"], "utaPrivate": unified}
    return client
