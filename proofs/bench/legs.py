"""From the decision to both legs on the socket: the executor and two Gate gateways, against two gathered ccxt `create_order`.

The same over the order sockets is a row of its own, against ours over REST: both are connections that stand ready.

Both sides sign and send over warm connections to a server of our own on loopback, whose kernel stamps the first packet of each
order. Counted is the time from the call to the packet of the later leg, and the time between the two packets: in a tight loop,
and *in life*, each pair after a quarter of a second in which nothing happened.
"""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from statistics import median
from types import TracebackType
from typing import Any

from arb.clock import NS_PER_S, NS_PER_US, Clock
from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import AnyEvent, OrderAccepted
from arb.core.messages.incidents import IncidentKind
from arb.errors import VenueProtocolError
from arb.live.executor import Executor
from arb.market.ids import ClientOrderId
from arb.market.order import Role, Side, TimeInForce
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.endpoints import Credentials, Environment, OrderEntry, Site, VenueEndpoint
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.pacing import Budget, PacingLimits
from arb.venues.registry import spec_of
from proofs import REPO
from proofs.bench.peers import find, with_markets
from proofs.bench.rounds import Effort, Row, quantile, settle, time_row
from proofs.bench.signing import KEY, SECRET
from proofs.bench.stage import SYMBOL

_PAIRS = 30
_FIRST = 1_000_000
"""The number of the orders that open connections."""
_ROUNDS_MAX = 101
_WARM_UP = 1
_SKEW_NS_MAX = 50 * NS_PER_US
_UNPACED = Budget(1_000_000, 1000)
_VENUES = ("gate", "gate_second")
_AGAINST = "asyncio.gather of two ccxt create_order"
_OURS = "ours over REST"
_QUIET_S = 0.25
"""How long nothing happens before a pair in life: edges come seldom, and find caches cold and a processor that slept."""
_QUIET_PAIRS_MAX = 40
_HOT = "the same in a tight loop"
Sent = tuple[int, tuple[str, str]]
"""(instant of the call, texts of the two orders)."""
Pair = Callable[[int], Awaitable[Sent]]
"""Sends the pair of that number and waits for both answers."""
Times = tuple[list[float], list[float]]
"""(to the later leg, between the legs) of every pair, in ns."""


def both_legs(clock: Clock, effort: Effort) -> list[Row]:
    """Measure ours and theirs in turn."""
    with _Server() as server:
        found = asyncio.run(_measure(clock, effort, server))
    ours, theirs = found["ours"], found.get("ccxt")
    in_life = found["in life"]
    quiet_skew = median(in_life[1])
    skew_p99 = quantile(ours[1], 0.99)
    their_skew = None if theirs is None else quantile(theirs[1], 0.99)
    skew = time_row("leg_skew_p99", skew_p99, their_skew, against=_AGAINST)
    return [
        time_row(
            "both_legs", median(ours[0]), None if theirs is None else median(theirs[0]), against=_AGAINST, at_least=8
        ),
        time_row("both_legs_websocket", median(found["sockets"][0]), median(ours[0]), against=_OURS),
        time_row("leg_skew_p99_websocket", quantile(found["sockets"][1], 0.99), skew_p99, against=_OURS),
        time_row("leg_skew_p50", median(ours[1]), None if theirs is None else median(theirs[1]), against=_AGAINST),
        _bounded(skew, skew_p99),
        time_row("both_legs_in_life", median(in_life[0]), median(ours[0]), against=_HOT),
        _bounded(time_row("leg_skew_p50_in_life", quiet_skew, median(ours[1]), against=_HOT), quiet_skew),
    ]


def _bounded(row: Row, skew_ns: float) -> Row:
    changed = {"target": f"<= {_SKEW_NS_MAX // NS_PER_US} us", "met": skew_ns <= _SKEW_NS_MAX}
    return Row(**{name: getattr(row, name) for name in row.__struct_fields__} | changed)


async def _measure(clock: Clock, effort: Effort, server: "_Server") -> dict[str, Times]:
    ours = _Ours(clock, server.port)
    theirs = _Theirs(clock, server.port) if find("ccxt.async_support") is not None else None
    sockets = _Ours(clock, server.port, OrderEntry.WEBSOCKET)
    await ours.connect()
    await sockets.connect()
    server.instants()  # of the orders that opened connections
    contenders: dict[str, Pair] = {"ours": ours.pair, "sockets": sockets.pair}
    if theirs is not None:
        contenders["ccxt"] = theirs.pair
    found: dict[str, Times] = {name: ([], []) for name in contenders}
    number = 0
    settle()
    try:
        for place in range(_WARM_UP + min(_ROUNDS_MAX, effort.rounds)):
            for name, pair in contenders.items():
                first, number = number + 1, number + effort.count(_PAIRS)
                times = await _timed(server, pair, range(first, number + 1))  # on end: it is hot after the first
                if place >= _WARM_UP:
                    _note(found[name], times)
        found["in life"] = ([], [])
        for _ in range(min(_QUIET_PAIRS_MAX, effort.rounds)):
            number += 1
            await asyncio.sleep(_QUIET_S)
            _note(found["in life"], await _timed(server, ours.pair, [number]))
    finally:
        await ours.close()
        await sockets.close()
        if theirs is not None:
            await theirs.close()
    return found


async def _timed(server: "_Server", pair: Pair, numbers: Iterable[int]) -> Times:
    """Send pairs one after the other; return what each took to its later leg, and between its legs."""
    sent = [await pair(number) for number in numbers]
    instants = server.instants()
    if set(instants) != {text for _, texts in sent for text in texts}:
        raise VenueProtocolError("bench", f"sent {sent}, arrived {sorted(instants)}")
    to_later, between = list[float](), list[float]()
    for began_ns, (first, second) in sent:
        first_ns, second_ns = instants[first], instants[second]
        to_later.append(max(first_ns, second_ns) - began_ns)
        between.append(abs(second_ns - first_ns))
    return to_later, between


def _note(times: Times, taken: Times) -> None:
    for kept, values in zip(times, taken, strict=True):
        kept.extend(values)


class _Server:
    """The server's process."""

    def __enter__(self) -> "_Server":
        command = [sys.executable, "-m", "proofs.bench.leg_server"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPO)
        self.port = int(self._line())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)

    def instants(self) -> dict[str, int]:
        """Return when the first byte of each order came, of those since this was asked before."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class _Ours:
    """Two gateways behind the executor."""

    def __init__(self, clock: Clock, port: int, entry: OrderEntry = OrderEntry.REST) -> None:
        self._clock = clock
        self._answers: asyncio.Queue[AnyEvent] = asyncio.Queue()
        self._gateways: dict[str, VenueGateway] = {venue: _gateway(clock, port, entry) for venue in _VENUES}
        self._tasks: list[asyncio.Task[None]] = []
        self._executor = Executor(
            self._gateways,
            clock=clock,
            emit=self._answers.put_nowait,
            on_incident=_raise_incident,
        )

    async def connect(self) -> None:
        """Open the connections that orders leave on."""
        for number, (venue, gateway) in enumerate(self._gateways.items()):
            if gateway.order_socket is None:
                await gateway.place(_order(_FIRST + number, venue, Side.BUY, self._clock))
                continue
            self._tasks.append(asyncio.create_task(gateway.order_socket.run(lambda event: None)))
            await asyncio.wait_for(gateway.order_socket.logged_in.wait(), 10)

    async def pair(self, number: int) -> Sent:
        """Perform the two commands of a decision, and wait for both answers."""
        legs = [
            _order(number, venue, side, self._clock) for venue, side in zip(_VENUES, (Side.BUY, Side.SELL), strict=True)
        ]
        began_ns = self._clock.wall_ns()
        self._executor.perform(legs)
        for _ in legs:
            answer = await self._answers.get()
            if not isinstance(answer, OrderAccepted):
                raise VenueProtocolError("bench", f"an order was not taken: {answer}")
        return began_ns, (f"t-{legs[0].client_order_id}", f"t-{legs[1].client_order_id}")

    async def close(self) -> None:
        """Release sockets."""
        await self._executor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for gateway in self._gateways.values():
            await gateway.close()


class _Theirs:
    """Two ccxt exchanges, with their own pacing switched off."""

    def __init__(self, clock: Clock, port: int) -> None:
        self._clock = clock
        ccxt: Any = find("ccxt.async_support")
        self._exchanges = [with_markets(_pointed_at(ccxt, port)) for _ in _VENUES]

    async def pair(self, number: int) -> Sent:
        """Create both orders at once."""
        texts = (f"t-b{number}", f"t-s{number}")
        buy, sell = self._exchanges
        began_ns = self._clock.wall_ns()
        await asyncio.gather(
            buy.create_order(SYMBOL, "limit", "buy", 0.0123, 60000.5, {"timeInForce": "IOC", "text": texts[0]}),
            sell.create_order(SYMBOL, "limit", "sell", 0.0123, 60100.5, {"timeInForce": "IOC", "text": texts[1]}),
        )
        return began_ns, texts

    async def close(self) -> None:
        """Release sockets."""
        for exchange in self._exchanges:
            await exchange.close()


def _pointed_at(ccxt: Any, port: int) -> Any:
    config = {"apiKey": KEY, "secret": SECRET, "enableRateLimit": False, "options": {"unifiedAccount": False}}
    exchange = ccxt.gate(config)
    for access in ("public", "private"):
        exchange.urls["api"][access] = dict.fromkeys(exchange.urls["api"][access], f"http://127.0.0.1:{port}/api/v4")
    return exchange


def _gateway(clock: Clock, port: int, entry: OrderEntry) -> VenueGateway:
    address = f"127.0.0.1:{port}"
    gateway = build_gateway(
        spec_of("gate"),
        Site(
            environment=Environment.TESTNET,
            endpoint=VenueEndpoint(
                rest=f"http://{address}/api/v4", ws_public=f"ws://{address}/", ws_private=f"ws://{address}/"
            ),
        ),
        Credentials(key=KEY, secret=SECRET),
        clock=clock,
        rng=random.Random(1),
        limits=GatewayLimits(
            symbols=(SYMBOL,),
            max_order_value_quote=Decimal(10**6),
            max_orders_per_minute=10**7,
            pacing=PacingLimits(place=_UNPACED, cancel=_UNPACED, read=_UNPACED),
        ),
        entry=entry,
    )
    gateway.value_sales(lambda _: Decimal("60100.5"))
    return gateway


def _order(number: int, venue: str, side: Side, clock: Clock) -> PlaceOrder:
    return PlaceOrder(
        cause=number,
        venue=venue,
        symbol=SYMBOL,
        client_order_id=ClientOrderId(1, number, str(side), 0).encode(),
        role=Role.ENTRY,
        side=side,
        tif=TimeInForce.IOC,
        price=Decimal("60000.5") if side is Side.BUY else Decimal("60100.5"),
        size=Decimal("0.0123"),
        expires_ns=clock.wall_ns() + NS_PER_S,
    )


def _raise_incident(kind: IncidentKind, text: str) -> None:
    raise VenueProtocolError("bench", f"{kind}: {text}")
