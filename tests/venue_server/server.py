"""Each venue on a port of its own, as they have hosts of their own, and beside them the control address.

POST /control   {"venue", "what", ...}: a misfortune (see `misfortunes`)
POST /step      {"times": 1, "venue"?, "symbol"?}: every book (or those named) changes so many times, at once
GET /book       ?venue=&symbol=: what stands published of a book: id, bids, asks
GET /state      for each venue: connections, and how many were ever opened, frames and snapshots sent, the weight used in
                all, what was refused for breaking a limit; and what went wrong
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web

from tests.venue_server import misfortunes
from tests.venue_server.binance import Binance
from tests.venue_server.bitget import Bitget
from tests.venue_server.bybit import Bybit
from tests.venue_server.gate import Gate
from tests.venue_server.gate_eu import GateEu
from tests.venue_server.listing import common_assets
from tests.venue_server.market import trimmed
from tests.venue_server.okx import Okx
from tests.venue_server.venue import Clock, VenueServer

KINDS: tuple[type[VenueServer], ...] = (Gate, Okx, Bitget, Bybit, Binance)


class World:
    """The venues, what they do by themselves, and the control address; `gate_eu`: Gate is played by its EU entity."""

    def __init__(self, symbols: int, seed: int, rate: float, clock: Clock, *, gate_eu: bool = False) -> None:
        assets = common_assets(symbols, seed)
        kinds = [GateEu if gate_eu and kind is Gate else kind for kind in KINDS]
        self.venues = {kind.name: kind(assets, seed, rate, clock) for kind in kinds}
        self.struck: list[str] = []
        self._misfortune = random.Random(f"{seed} misfortune")

    def apps(self, every_s: float) -> list[web.Application]:
        """Return the control address and then the venues; with `every_s` something goes wrong about so often."""
        control = web.Application()
        control.add_routes(
            [
                web.post("/control", self._control),
                web.post("/step", self._step),
                web.post("/still", self._still),
                web.post("/newcomer", self._newcomer),
                web.get("/book", self._book),
                web.get("/state", self._state),
            ]
        )
        drawing = misfortunes.mixed(self.venues, self._misfortune, every_s, self.struck.append) if every_s else None
        control.cleanup_ctx.append(_beside([drawing] if drawing is not None else []))
        apps = [control]
        for venue in self.venues.values():
            app = web.Application()
            app.add_routes(venue.routes())
            app.cleanup_ctx.append(_beside([venue.push(), venue.watch_idle()]))
            apps.append(app)
        return apps

    def addresses(self, ports: list[int]) -> dict[str, Any]:
        """Return the line that says where everything is, given the ports in the order of `apps`."""
        control, *others = (f"127.0.0.1:{port}" for port in ports)
        venues = {
            name: {
                "rest": f"http://{host}{venue.rest_base}",
                "ws_public": f"ws://{host}{venue.ws_path}",
                "symbols": list(venue.channels),
                "region": venue.region,
            }
            for (name, venue), host in zip(self.venues.items(), others, strict=True)
        }
        return {"control": f"http://{control}", "venues": venues}

    async def _control(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            wish = misfortunes.asked(body)
            misfortunes.strike(self._venue(body), wish)
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        self.struck.append(f"{body['venue']} {wish.what} {wish.symbol or ''}".strip())
        return web.json_response({"struck": wish.what})

    async def _step(self, request: web.Request) -> web.Response:
        body = await request.json()
        venues = [self._venue(body)] if "venue" in body else list(self.venues.values())
        for _ in range(int(body.get("times", 1))):
            for venue in venues:
                for native in [body["symbol"]] if "symbol" in body else list(venue.channels):
                    venue.step(native)
        return web.json_response(
            {"ids": {venue.name: {n: c.last for n, c in venue.channels.items()} for venue in venues}}
        )

    async def _still(self, _: web.Request) -> web.Response:
        for venue in self.venues.values():
            venue.still = True
        return web.json_response({})

    async def _newcomer(self, _: web.Request) -> web.Response:
        for venue in self.venues.values():
            venue.meet_newcomer()
        return web.json_response({})

    async def _book(self, request: web.Request) -> web.Response:
        channel = self._venue(request.query).channels[request.query["symbol"]]
        prices, sizes = channel.book.price_decimals, channel.book.size_decimals
        bids, asks = (
            [[trimmed(price, prices), trimmed(size, sizes)] for price, size in side.items()]
            for side in (channel.bids, channel.asks)
        )
        return web.json_response({"id": channel.last, "bids": bids, "asks": asks})

    async def _state(self, _: web.Request) -> web.Response:
        state = {
            name: {
                "connections": {number: sorted(session.subscribed) for number, session in venue.sessions.items()},
                "sent": venue.sent,
                "snapshots": venue.snapshots,
                "used": venue.used,
                "opened": venue.opened,
                "refused": dict(venue.refused),
            }
            for name, venue in self.venues.items()
        }
        return web.json_response({"venues": state, "struck": self.struck})

    def _venue(self, body: Any) -> VenueServer:
        name = body.get("venue")
        if name not in self.venues:
            raise misfortunes.Refusal(f"venue: {name!r} is none of {', '.join(self.venues)}")
        return self.venues[name]


def _beside(coroutines: list[Coroutine[Any, Any, None]]) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return what runs coroutines as long as an application."""

    async def busy(_: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return busy


@asynccontextmanager
async def serving(world: World, port: int = 0, every_s: float = 0.0) -> AsyncIterator[dict[str, Any]]:
    """Serve on loopback and yield the addresses. The control address takes `port`, the venues the next ones; 0: free ones."""
    async with AsyncExitStack() as stack:
        ports = []
        for number, app in enumerate(world.apps(every_s)):
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port + number if port else 0).start()
            [address] = runner.addresses
            ports.append(int(address[1]))
        yield world.addresses(ports)
