"""A running `tests.venue_server` in its own process, and the clients that are pointed at it."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import ccxt.pro

from arb.clock import SystemClock
from arb.market.instrument import Instrument
from arb.venues.build import build_paper_source
from arb.venues.kit.endpoints import GLOBAL, Environment, Site, VenueEndpoint
from arb.venues.registry import spec_of
from tests.contract.ccxt_books import Levels

Client = Any
"""A ccxt client: the library has no useful static types for the unified calls."""


@dataclass(frozen=True)
class Venues:
    """The server's first line, and its control address."""

    info: dict[str, Any]

    def control(self, path: str, **body: Any) -> Any:
        """Ask for something at the control address and return its JSON."""
        data = json.dumps(body).encode()
        request = Request(self.info["control"] + path, data, {"Content-Type": "application/json"}, method="POST")
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def strike(self, venue: str, what: str, **more: Any) -> None:
        """Let something go wrong at a venue."""
        assert self.control("/control", venue=venue, what=what, **more) == {"struck": what}

    def step(self, venue: str, times: int, **more: Any) -> None:
        """Let every book of a venue change so many times."""
        self.control("/step", venue=venue, times=times, **more)

    def look(self, path: str, **query: str) -> Any:
        """Return the JSON of a question at the control address."""
        with urlopen(f"{self.info['control']}{path}?{urlencode(query)}", timeout=60) as answer:
            return json.load(answer)

    def book(self, venue: str, native: str) -> tuple[Levels, Levels]:
        """Return what a venue has published of a book."""
        book = self.look("/book", venue=venue, symbol=native)
        bids, asks = ([(Decimal(price), Decimal(size)) for price, size in book[side]] for side in ("bids", "asks"))
        return bids, asks


@contextmanager
def venue_server(*arguments: str) -> Iterator[Venues]:
    """Start a server; it ends when its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.venue_server", "--child", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Venues(json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def stock_client(venue: str, info: dict[str, Any]) -> Client:
    """Return an unmodified ccxt.pro client without a key, pointed at the server; of the products it knows it loads spot."""
    address = info["venues"][venue]
    client = getattr(ccxt.pro, venue + address["region"])({"options": {"fetchMarkets": {"types": ["spot"]}}})
    api = client.urls["api"]
    if venue == "gate":
        api["public"] = dict.fromkeys(api["public"], address["rest"])
        # By its address the client knows the EU entity.
        api["spot"] = address["ws_public"] + ("?gateeu" if address["region"] else "")
    elif venue == "okx":
        api["rest"] = address["rest"]
        api["ws"] = address["ws_public"].removesuffix("/public")
    elif venue == "bybit":
        for product in api:
            api[product] = address["rest"] if isinstance(api[product], str) else api[product]
        api["ws"]["public"] = {"spot": address["ws_public"]}
    elif venue == "binance":
        api["public"] = f"{address['rest']}/api/v3"
        api["ws"]["spot"] = f"{address['ws_public'].removesuffix('/stream')}/ws"
    else:
        for product, url in api.items():
            if isinstance(url, str):
                api[product] = address["rest"]
        api["ws"] = {"public": address["ws_public"]}
    return client


def site_of(venue: str, info: dict[str, Any]) -> Site:
    """Return a venue's addresses as our adapters take them; there is no private side."""
    address = info["venues"][venue]
    endpoint = VenueEndpoint(rest=address["rest"], ws_public=address["ws_public"], ws_private="ws://127.0.0.1:1/")
    real = spec_of(venue).site(Environment.PRODUCTION, address["region"] or GLOBAL)
    assert real is not None
    return Site(environment=Environment.TESTNET, endpoint=endpoint, channel=real.channel)


async def our_listing(venue: str, info: dict[str, Any]) -> dict[str, Instrument]:
    """Return what our adapter makes of a venue's listing; only public questions are asked."""
    site = site_of(venue, info)
    source = build_paper_source(spec_of(venue), site, Decimal(0), clock=SystemClock(), rng=random.Random(1))
    try:
        assert abs((await source.measure_clock()).offset_ns) < 10**9
        return await source._reader.listing()
    finally:
        await source.close()
