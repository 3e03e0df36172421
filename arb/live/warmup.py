"""Warm-ups: run the opening path on dummy data while idle, so that its code stays in the processor's caches.

Edges are rare, and in between the processor evicts the code that takes them. The same Python then takes three times as long as
in a tight loop. So while nothing is unread, a second engine decides on made-up books to open a pair. Its intent is encoded,
and both orders are written and signed, a part at a time (`step`). None of it can reach a venue or the run:

- the engine is another one, with separate state, ids and books, and no journal, ledger or tape;
- the orders are written for accounts that do not exist, with invalid keys, for a host that cannot exist (RFC 2606,
  section 2: `.invalid`), and `Nowhere` is the only network: it opens no socket and takes no byte;
- from the run it gets only the names of the venues, the clock, and whether compiled code finds its plans.

A real runner warms up the runner's work before and after a decision (`warmed_runner.py`).
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import permutations
from typing import NoReturn
from urllib.parse import urlsplit

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from arb.core.books.books import Books
from arb.core.engine import Engine
from arb.core.messages.events import (
    AccountSnapshotTaken,
    AnyEvent,
    AssetBalance,
    BalancesReported,
    ClockMeasured,
    FeedUp,
    InstrumentListed,
    OrderRejected,
    PrivateUp,
    QueueDrained,
    RunStarted,
)
from arb.core.messages.settings import Limits, RepairPolicy, Timing
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import EngineSettings, VenueProfile
from arb.core.strategies.taker_pair.detector import Detector
from arb.core.trades.strategy import PairOpening
from arb.errors import require
from arb.live.warmed_runner import WarmedRunner
from arb.market.arena import BookArena
from arb.market.feed import BookSeat
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import DECIMALS
from arb.market.scale import Scale
from arb.store.journal.intents import slot_text
from arb.venues.books.compiled.plans import CompiledPlans
from arb.venues.build import GatewayLimits, build_gateway
from arb.venues.kit.base import Departure
from arb.venues.kit.endpoints import Credentials, Environment, Site, VenueEndpoint
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.pacing import Budget, PacingLimits
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import spec_of
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, HttpAnswer, Later, NeverSent
from arb.venues.transport.network import NO_HEADERS, SocketEnded
from arb.venues.transport.request import HttpRequest, Outgoing

SYMBOL = "BTC/USDT"
HOST = "warm-up.invalid"
_NATIVE_SYMBOL = "BTC_USDT"
_SCALE = Scale(1, 4)
"""Ticks of 0.1, lots of 0.0001."""
_LEVELS = 10
LATEST_NS = 9 * 10**18
"""In the year 2255, after some seven billion openings, time restarts: instants of books are words of 64 bits."""
_BID, _APART = 600_000, 2_000
"""Best bids in ticks: without an edge, and how far each of two venues is from that to make one of some 60 bps."""
_ALL = Budget(1_000_000, 1)
_MUCH = Decimal(10**15)
_NOWHERE = "a warm-up has no network"
_NONE = Credentials(key="warm-up", secret="warm-up", passphrase="warm-up")


class Warmup:
    """Openings between `venues` in turn, at least two of them."""

    def __init__(self, venues: Sequence[str], clock: Clock, rng: random.Random, *, compiled: bool = False) -> None:
        """`compiled`: compiled code finds the plans, as it does in the run."""
        require(len(venues) > 1, "a pair needs two venues")
        self._compiled = compiled
        self.opened = self.written = 0
        """How many pairs were decided on with both orders ready, and how many orders that were."""
        self._ahead_ns = 0
        self._clock = SystemClock(clock.wall_ns, lambda: clock.monotonic_ns() + self._ahead_ns)
        self._venues = tuple(venues)
        self._rows = {(venue, SYMBOL): row for row, venue in enumerate(venues)}
        self._gateways = {venue: _gateway(spec_of(venue), self._clock, rng) for venue in venues}
        for gateway in self._gateways.values():
            gateway.value_sales(lambda symbol: self._engine.state.sale_price(symbol, self._clock.wall_ns()))
        self._begin()
        self._parts = self._openings()

    def _begin(self) -> None:
        self._seq = self._ahead_ns = 0
        self._arena = BookArena(len(self._rows), _LEVELS)
        self._engine = self._made(self._venues)
        self._runner = WarmedRunner(self._engine, self._venues, self._clock)
        let_trade(self._venues, self._take, self._clock.wall_ns())
        for venue in self._venues:
            self._show(venue, _BID)

    def step(self) -> bool:
        """Do the next part, some ten microseconds when the caches are warm; return whether an opening is complete."""
        with localcontext(DECIMALS):
            return next(self._parts)

    def _openings(self) -> Iterator[bool]:
        while True:
            for buy_venue, sell_venue in permutations(self._venues, 2):
                yield from self._opening(buy_venue, sell_venue)
                self._show(buy_venue, _BID)
                self._show(sell_venue, _BID)
                yield True
                # The engine's once-a-second work, which a decision after some quiet does as well.
                self._ahead_ns += NS_PER_S
                if self._clock.wall_ns() > LATEST_NS:
                    self._begin()

    def _opening(self, cheaper: str, dearer: str) -> Iterator[bool]:
        engine, state = self._engine, self._engine.state
        rows = self._show(cheaper, _BID - _APART), self._show(dearer, _BID + _APART)
        yield False
        # Repeated in the following steps, where it is quick.
        state.health.take(QueueDrained(seq=self._seq, t_ns=self._clock.wall_ns()))
        yield False
        self._runner.read()
        yield False
        engine.strategy.on_quotes(rows)
        yield False
        self._seq, now_ns = self._seq + 1, self._clock.wall_ns()
        state.out.begin(self._seq)
        state.books.drained((), ())
        strategy = engine.strategy
        assert isinstance(strategy, Detector)
        for proposal in strategy.steps(now_ns):
            yield False
            if isinstance(proposal, PairOpening):
                refused = engine.openings.check(proposal, now_ns)
                yield False
                strategy.on_event(refused or engine.openings.open(proposal, now_ns))
                if refused is None:
                    break
        for intent in state.out.intents:
            yield False
            slot_text(intent, 0)
            departures = list[Departure]()
            for place in intent.places:
                yield False
                ready = self._gateways[place.venue].prepare(place)
                if not isinstance(ready, OrderRejected):
                    departures.append(ready)
            yield False
            # Orders that the machine was held up with for longer than they live are refused.
            if len(departures) == len(intent.places):
                self._runner.send(intent, departures)
                self.written += len(departures)
                self.opened += 1
            yield False
            state.inventory.release(intent.pair_id)

    # The second engine.

    def _made(self, venues: Sequence[str]) -> Engine:
        feeds = {}
        for venue in venues:
            seat = BookSeat(self._rows[venue, SYMBOL], _SCALE)
            feeds[venue] = spec_of(venue).make_books({_NATIVE_SYMBOL: seat}, self._arena)
        timing = Timing(feed_silence_ms=10**13)  # its books are always as current as they are meant to be
        settings = EngineSettings(
            limits=Limits(min_edge_bps=Decimal(1), min_net_quote=Decimal(0), daily_notional_quote=_MUCH),
            timing=timing,
            repair=RepairPolicy(),
            venues=tuple(VenueProfile(venue, PlaceRate(_ALL.count, _ALL.window_ms), True) for venue in venues),
            symbols=(SYMBOL,),
        )
        books = Books(self._arena, self._rows, {SYMBOL: _SCALE}, feeds, timing)
        if self._compiled:
            books.find_plan = CompiledPlans(self._arena)
        return Engine(settings, books)

    def _take(self, event: AnyEvent) -> None:
        self._seq += 1
        self._engine.handle(msgspec.structs.replace(event, seq=self._seq, t_ns=self._clock.wall_ns()))

    def _show(self, venue: str, bid: int) -> int:
        row, now_ns = self._rows[venue, SYMBOL], self._clock.wall_ns()
        sizes = [500] * _LEVELS
        self._arena.write_bids(row, [bid - 10 * level for level in range(_LEVELS)], sizes)
        self._arena.write_asks(row, [bid + 100 + 10 * level for level in range(_LEVELS)], sizes)
        self._seq += 1
        self._arena.write(row, self._seq, now_ns, now_ns)
        return row


def let_trade(venues: Iterable[str], take: Callable[[AnyEvent], object], now_ns: int) -> None:
    """Pass an engine the events after which it may open pairs in `SYMBOL` at made-up accounts of these venues."""
    accounts = {venue: f"{venue}:none" for venue in venues}
    take(RunStarted(run_id=1, nonce=1, mode="sandbox", sandbox_id="none", account_ids=accounts, seed=1, version="none"))
    for venue in accounts:
        take(InstrumentListed(instrument=_instrument(venue)))
    funds = {"USDT": AssetBalance(Decimal(10_000_000), Decimal(0)), "BTC": AssetBalance(Decimal(100), Decimal(0))}
    for venue in accounts:
        take(ClockMeasured(venue=venue, offset_ns=0, error_ns=NS_PER_MS))
        reported = BalancesReported(venue=venue, balances=dict(funds), complete=True, asked_ns=now_ns)
        take(reported)
        take(
            AccountSnapshotTaken(
                venue=venue,
                complete=True,
                orders=(),
                fills=(),
                transfers=(),
                transfers_complete=True,
                started_ns=now_ns,
            )
        )
        take(reported)  # after the account snapshot, before which nothing opens
        take(PrivateUp(venue=venue))
        take(FeedUp(venue=venue))


def _instrument(venue: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=SYMBOL,
        native_symbol=_NATIVE_SYMBOL,
        tick=Decimal("0.1"),
        lot=Decimal("0.0001"),
        min_size=Decimal("0.0001"),
        min_notional=Decimal(1),
        taker_fee=Decimal("0.001"),
        maker_fee=Decimal("0.001"),
        buy_fee_in=FeeIn.BASE,
    )


class Nowhere:
    """A network that nothing leads out of, and its carrier: not a byte is ever taken."""

    def http(self) -> "Nowhere":
        return self

    async def dial(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> NoReturn:
        """See `Network`; raises `SocketEnded` always."""
        raise SocketEnded(_NOWHERE)

    def send(self, request: HttpRequest, timeout_s: float) -> Awaitable[HttpAnswer]:
        """See `HttpTransport`; raises `NeverSent` always."""
        return Later(_never)

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        return Later(_never)

    def standing(self, origin: Origin) -> "DeadLine":
        return DeadLine()

    async def close(self) -> None: ...


class DeadLine:
    def write(self, data: bytes) -> bool:
        """See `Connection`; False always."""
        return False

    async def answer(self, sent_ns: int, timeout_s: float) -> HttpAnswer:
        """See `Connection`; raises `AnswerLost` always."""
        raise AnswerLost(_NOWHERE)


async def _never() -> HttpAnswer:
    raise NeverSent(_NOWHERE)


def _gateway(spec: VenueSpec, clock: Clock, rng: random.Random) -> VenueGateway:
    """Return a gateway that writes and signs orders for an account that does not exist, at a host that cannot."""
    path = urlsplit(spec.sites[0].endpoint.rest).path
    endpoint = VenueEndpoint(rest=f"https://{HOST}{path}", ws_public=f"wss://{HOST}/", ws_private=f"wss://{HOST}/")
    return build_gateway(
        spec,
        Site(environment=Environment.TESTNET, endpoint=endpoint),
        _NONE,
        clock=clock,
        rng=rng,
        limits=GatewayLimits(
            symbols=(SYMBOL,),
            max_order_value_quote=_MUCH,
            max_orders_per_minute=_ALL.count,
            pacing=PacingLimits(place=_ALL, cancel=_ALL, read=_ALL),
        ),
        network=Nowhere(),
    )
