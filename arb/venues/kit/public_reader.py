"""Ask a venue for its public data, its clock and its listing, and ask again while that may help. Reads only.

An answer is judged from its status and body; its limits on our pace and its verdict on our clock apply at once to all
requests.
"""

import asyncio
import random
from collections.abc import Generator, Mapping
from typing import Any, TypeVar

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.messages.events import ClockMeasured, CurrenciesListed
from arb.errors import VenueBusy, VenueRejected
from arb.market.instrument import Instrument
from arb.market.listing import Ticker
from arb.market.order import Outcome
from arb.market.wallets import CurrencyChain
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call
from arb.venues.kit.ccxt_client import signed
from arb.venues.kit.dialect import PublicDialect
from arb.venues.kit.request_maker import RequestMaker
from arb.venues.kit.rules.clock_offset import OffsetEstimate, measure
from arb.venues.kit.rules.outcome import RATE_BUDGET, Verdict, error_of, judge_read
from arb.venues.kit.rules.pacing import Pacer, Priority
from arb.venues.kit.tickers import TickerForm, read_tickers
from arb.venues.transport.http import AnswerLost, HttpAnswer, HttpTransport, NeverSent
from arb.venues.transport.retry import READS, Backoff, Trouble, next_delay_s

Read = TypeVar("Read")

ROWS_A_TURN = 8
"""Of a listing, in one turn of the loop: 0.1 ms."""


class GatewayTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How long a gateway waits, in seconds. A lost answer to an order is asked for long before its time-out ends."""

    place_timeout_s: float = 2.0
    cancel_timeout_s: float = 5.0
    read_timeout_s: float = 5.0
    pace_timeout_s: float = 10.0


class PublicReader:
    """The requests to one venue that need no key; raises `VenueError` where a venue does not answer one."""

    def __init__(
        self,
        dialect: PublicDialect,
        client: RequestMaker,
        transport: HttpTransport,
        pacer: Pacer,
        clock: Clock,
        rng: random.Random,
        timing: GatewayTiming,
    ) -> None:
        self.venue = dialect.venue
        self.clock_suspected = asyncio.Event()
        """Set when the venue reports that our request was out of time."""
        self.listed: frozenset[str] = frozenset()
        """All symbols of the listing, as it was read last."""
        self.listing_headers: Mapping[str, str] = {}
        """Those of the answer to the latest question for the listing."""
        self._public = dialect
        self._client = client
        self._transport = transport
        self._pacer = pacer
        self._clock = clock
        self._offset = OffsetEstimate(clock)
        self._rng = rng
        self._timing = timing

    async def ask(
        self, call: Call, priority: int = Priority.READ, policy: Backoff = READS, *, patient: bool = False
    ) -> tuple[Any, HttpAnswer]:
        """Ask, and ask again while that may help; return body and answer, or raise `VenueError`.

        `patient`: wait without limit until the pace allows it, for data that must be read.
        """
        started_ns = self._clock.monotonic_ns()
        attempt = 0
        while True:
            attempt += 1
            if not await self._pacer.wait(call.scope, priority, None if patient else self._timing.pace_timeout_s):
                raise VenueBusy(self.venue, f"no free slot in {call.scope!r}", code=RATE_BUDGET)
            verdict, answer = await self._ask_once(call)
            self.obey(call.scope, verdict, answer)
            if answer is not None and verdict.outcome is Outcome.ACCEPTED:
                return verdict.body, answer
            elapsed_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
            trouble = verdict.trouble or Trouble.FAULT
            delay_s = next_delay_s(policy, attempt, trouble, elapsed_s, self._rng, verdict.retry_after_s)
            if delay_s is None:
                raise error_of(self.venue, verdict)
            await asyncio.sleep(delay_s)

    async def body_of(self, call: Call) -> Any:
        return (await self.ask(call))[0]

    def obey(self, scope: str, verdict: Verdict, answer: HttpAnswer | None) -> None:
        """Obey the limits in an answer, and note when it reports that our clock is wrong."""
        if verdict.trouble is Trouble.CLOCK:
            self.clock_suspected.set()
            self._offset.forget()
        headers = {} if answer is None else answer.headers
        self._pacer.obey(scope, verdict, headers, self.venue_ns())

    def venue_ns(self) -> int:
        return self._clock.wall_ns() + self._client.server_offset_ns

    async def measure_clock(self) -> ClockMeasured:
        """Compare the clocks (`venues/kit/rules/clock_offset.py`); later signatures use the result. Raises `VenueError`."""
        found = self._offset.take(await measure(self.venue, self._clock, self._venue_ms))
        self._client.server_offset_ns = found.offset_ns
        return ClockMeasured(venue=self.venue, offset_ns=found.offset_ns, error_ns=found.error_ns)

    async def probe(self) -> HttpAnswer:
        """Ask for the venue's time, once, and return any answer; raises `NeverSent` or `AnswerLost` without one."""
        return await self._sent(self._public.clock())

    async def listing(self) -> dict[str, Instrument]:
        """Return the rules of all spot symbols, and let the dialect learn their native names; raises `VenueError`."""
        call = self._public.listing()
        call = msgspec.structs.replace(call, answer_bytes_max=max(call.answer_bytes_max, LONG_ANSWER_BYTES_MAX))
        body, answer = await self.ask(call, patient=True)
        self.listing_headers = answer.headers
        listed = await read_in_parts(self._public.listed(body))
        self.listed = frozenset(listed)
        self._public.learn({instrument.native_symbol: symbol for symbol, instrument in listed.items()})
        return listed

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        """Return the rows of `assets` in the venue's currency list; None where it may not be asked. Raises
        `VenueError`.

        An asset that the venue does not know, or refuses to report, is listed on no chain.
        """
        found: list[CurrencyChain] = []
        calls = self._public.currency_calls(assets)
        for call in calls:
            try:
                body, _ = await self.ask(call, patient=True)
            except VenueRejected:
                if len(calls) == 1:
                    raise
                continue
            found += await read_in_parts(self._public.currencies_in(body, assets))
        return CurrenciesListed(venue=self.venue, assets=assets, chains=tuple(found)) if calls else None

    async def tickers(self, form: TickerForm) -> dict[str, Ticker]:
        """Return the best quotes and volumes of all symbols, by native symbol; raises `VenueError`."""
        return await read_in_parts(read_tickers(self.venue, form, await self.body_of(form.call())))

    async def _venue_ms(self) -> tuple[int, HttpAnswer]:
        body, answer = await self.ask(self._public.clock())
        return self._public.clock_ms(body), answer

    async def _ask_once(self, call: Call) -> tuple[Verdict, HttpAnswer | None]:
        try:
            answer = await self._sent(call)
        except (NeverSent, AnswerLost) as error:
            lost = Verdict(outcome=Outcome.UNKNOWN, trouble=Trouble.UNREACHABLE, code="unreachable", message=str(error))
            return lost, None
        return judge_read(self._public.policy, answer, self.venue_ns()), answer

    async def _sent(self, call: Call) -> HttpAnswer:
        request = signed(self.venue, self._client.signed, call)
        request = msgspec.structs.replace(request, answer_bytes_max=call.answer_bytes_max)
        return await self._transport.send(request, self._timing.read_timeout_s)


async def read_in_parts(listing: Generator[None, None, Read]) -> Read:
    """Read a list over as many turns of the loop as it takes, a few rows in each."""
    while True:
        try:
            for _ in range(ROWS_A_TURN):
                next(listing)
        except StopIteration as end:
            read: Read = end.value
            return read
        await asyncio.sleep(0)
