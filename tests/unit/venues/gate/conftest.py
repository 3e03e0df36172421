"""A Gate client on a manual clock, whose socket is an object in memory: it keeps what is sent, and answers as told."""

import json
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from typing import Any

import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.venues.gate.client import Gate
from arb.venues.kit.rules.guard import SigningGuard

NOW_S = 1_700_000_000
SECRET = "secret"
MARKET = {
    "id": "BTC_USDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "baseId": "BTC",
    "quoteId": "USDT",
    "type": "spot",
    "spot": True,
    "contract": False,
    "active": True,
    "precision": {"amount": "0.0001", "price": "0.1"},
}


class Answer:
    """One scripted HTTP answer; as ccxt awaits it, it is a context manager."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None, raises: Exception | None = None):
        self.status = status
        self.reason = "scripted"
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self._body = body if isinstance(body, str) else json.dumps(body)
        self._raises = raises

    async def text(self, errors: str = "strict") -> str:
        assert errors == "replace"
        return self._body

    async def __aenter__(self) -> "Answer":
        if self._raises is not None:
            raise self._raises
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None


class MemorySession:
    """Stands in for the aiohttp session: keeps (method, url, bytes, headers), answers from a list."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytes | None, dict[str, str]]] = []
        self.answers: list[Answer] = []
        self.headers: dict[str, str] = {}

    def __getattr__(self, name: str) -> Callable[..., Answer]:
        if name not in ("get", "post", "put", "patch", "delete"):
            raise AttributeError(name)

        def send(url: Any, *, data: bytes | None, headers: dict[str, str], **_: Any) -> Answer:
            self.sent.append((name.upper(), str(url), data, dict(headers)))
            return self.answers.pop(0)

        return send


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_S * NS_PER_S)


@pytest.fixture
def session() -> MemorySession:
    return MemorySession()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture
def make_gate(clock: ManualClock, session: MemorySession) -> Iterator[Callable[..., Gate]]:
    """Return a maker of clients that know one market, BTC/USDT with lot 0.0001 and tick 0.1."""
    made: list[Gate] = []

    def make(
        *,
        symbols: Collection[str] = ("BTC/USDT",),
        max_order_value_quote: Decimal = Decimal(100_000),
        max_orders_per_minute: int = 1000,
        **changes: Any,
    ) -> Gate:
        guard = SigningGuard(
            venue="gate",
            hosts={"api.gateio.ws"},
            symbols=symbols,
            max_order_value_quote=max_order_value_quote,
            max_orders_per_minute=max_orders_per_minute,
            clock=clock,
        )
        settings: dict[str, Any] = {"api_key": "key", "secret": SECRET, "session": session, **changes}
        gate = Gate(clock=clock, guard=guard, **settings)
        gate.set_markets([gate.safe_market_structure(MARKET)])
        made.append(gate)
        return gate

    yield make
    for gate in made:
        gate.session = None  # ccxt complains of a session nobody closed
