"""All simulated venues together, driven in virtual or real time: inputs, outputs, and the next due instant.

The world has no clock. Each entry is given `now_ns`; `advance(now_ns)` runs due actions and returns the outputs, in
order; `next_ns()` returns the next due instant. The same seed, start and inputs give the same outputs.
"""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from arb.sandbox.binance.api import BinanceDialect
from arb.sandbox.bitget.api import BitgetDialect
from arb.sandbox.bybit.api import BybitDialect
from arb.sandbox.ceiling import Ceiling
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate.api import GateDialect
from arb.sandbox.market import IdSource
from arb.sandbox.okx.api import OkxDialect
from arb.sandbox.profiles import QUOTE, SYMBOLS, listed_symbols, make_profile
from arb.sandbox.registry import SPECS, VENUE_NAMES
from arb.sandbox.scenario import RUNGS, Scenario
from arb.sandbox.venue import SimVenue
from arb.sandbox.wire import Dialect, HttpAnswer, HttpRequest, Scheduler

DIALECTS: dict[str, Callable[[SimExchange], Dialect]] = {
    "gate": GateDialect,
    "okx": OkxDialect,
    "bitget": BitgetDialect,
    "bybit": BybitDialect,
    "binance": BinanceDialect,
}

REST_PREFIXES = {prefix: spec.name for spec in SPECS.values() for prefix in spec.rest_prefixes}
WS_PATHS = {path: spec.name for spec in SPECS.values() for path in spec.ws_paths}


def venue_of_path(path: str, table: dict[str, str]) -> str | None:
    """Return the venue that owns a path by its prefix, None when no venue does."""
    for prefix, venue in table.items():
        if path.startswith(prefix):
            return venue
    return None


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The answer to a submitted request; `answer` None: none will arrive; `CLOSED`: its connection is closed."""

    token: int
    answer: HttpAnswer | None


@dataclass(frozen=True, slots=True)
class WsText:
    session_id: int
    text: str


@dataclass(frozen=True, slots=True)
class WsClosed:
    """The venue's side of a session is gone."""

    session_id: int


Output = HttpReply | WsText | WsClosed


class SimWorld:
    """The venues, their market and their one schedule."""

    def __init__(
        self,
        seed: int,
        start_ns: int,
        *,
        static: bool = False,
        symbol_count: int = len(SYMBOLS),
        symbols: tuple[str, ...] | None = None,
        rungs: int = RUNGS,
        with_ceiling: bool = True,
        venues: Collection[str] = VENUE_NAMES,
    ) -> None:
        """Make `venues` with `symbol_count` symbols in one quote, or only those of them that are in `symbols`.

        The world is faster with few `rungs` per book and without sums for the ceiling.
        """
        self._symbols = symbols
        quote = symbols[0].partition("/")[2] if symbols else QUOTE
        self._all_symbols = listed_symbols(symbol_count, quote)
        self.seed = seed
        self.sandbox_id = f"sb-{start_ns // 1_000_000:x}-{seed}"
        self.scheduler = Scheduler(start_ns)
        ids = IdSource(start_ns)
        self._outputs: list[Output] = []
        self._count = 0
        self._session_venue: dict[int, SimVenue] = {}
        self.venues: dict[str, SimVenue] = {}
        for name in (name for name in SPECS if name in venues):
            self.venues[name] = self._make_venue(name, ids, start_ns)
        self.ceiling = Ceiling([venue.exchange for venue in self.venues.values()] if with_ceiling else [])
        self.scenario = Scenario(
            seed,
            list(self.venues.values()),
            self.scheduler,
            self.ceiling,
            self._all_symbols,
            static=static,
            rungs=rungs,
        )
        for venue in self.venues.values():
            for market in venue.exchange.markets.values():
                market.open_candles()

    def _make_venue(self, name: str, ids: IdSource, start_ns: int) -> SimVenue:
        profile = make_profile(name, random.Random(f"{self.seed}/{name}/keys/{start_ns}"), start_ns, self._all_symbols)
        if self._symbols is not None:
            listed = tuple(rules for rules in profile.instruments if rules.symbol in self._symbols)
            profile = replace(profile, instruments=listed)
        exchange = SimExchange(profile, ids, start_ns)
        rng = random.Random(f"{self.seed}/{name}/latency")
        return SimVenue(exchange, DIALECTS[name](exchange), self.scheduler, self, rng)

    # -- in --------------------------------------------------------------------------------------------------------

    def submit(self, request: HttpRequest, now_ns: int) -> int | None:
        """Take an HTTP request and return its token; None when no venue owns the path."""
        name = venue_of_path(request.path, REST_PREFIXES)
        venue = self.venues.get(name) if name else None
        if venue is None:
            return None
        self.scheduler.run_until(now_ns)
        self._count += 1
        token = self._count
        dialect, request = venue.dialect, replace(request, received_ns=venue.now_ns)
        call = dialect.classify(request, venue.now_ns)

        def deliver(answer: HttpAnswer | None, _: int) -> None:
            self._outputs.append(HttpReply(token, answer))

        venue.perform(call, lambda at_ns: dialect.handle(request, at_ns), deliver, now_ns)
        return token

    def open_session(self, path: str, now_ns: int, query: str = "") -> int | None:
        """Open a websocket session and return its id; None when no venue owns the path, or the venue closes it at once."""
        name = venue_of_path(path, WS_PATHS)
        venue = self.venues.get(name) if name else None
        if venue is None:
            return None
        self.scheduler.run_until(now_ns)
        if venue.refuses_session():
            return None
        self._count += 1
        venue.open(self._count, path, query)
        self._session_venue[self._count] = venue
        return self._count

    def receive(self, session_id: int, text: str, now_ns: int) -> None:
        self.scheduler.run_until(now_ns)
        venue = self._session_venue.get(session_id)
        if venue is not None:
            venue.receive(session_id, text)

    def close_session(self, session_id: int, now_ns: int) -> None:
        self.scheduler.run_until(now_ns)
        venue = self._session_venue.pop(session_id, None)
        if venue is not None:
            venue.forget_session(session_id)

    def is_busy(self, session_id: int) -> bool:
        venue = self._session_venue.get(session_id)
        return venue is not None and venue.is_busy(session_id)

    # -- out -------------------------------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> list[Output]:
        """Run all actions due by `now_ns` and return the outputs, in order."""
        self.scheduler.run_until(now_ns)
        outputs, self._outputs = self._outputs, []
        return outputs

    def next_ns(self) -> int | None:
        """Return when something is due next; the present instant when outputs already wait."""
        return self.scheduler.now_ns if self._outputs else self.scheduler.next_ns()

    def text(self, session_id: int, text: str) -> None:
        self._outputs.append(WsText(session_id, text))

    def closed(self, session_id: int) -> None:
        self._session_venue.pop(session_id, None)
        self._outputs.append(WsClosed(session_id))
