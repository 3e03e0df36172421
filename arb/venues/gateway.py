"""One account at one venue, behind the `OrderGateway` door: pace, sign, send once, judge, and say what happened.

The venue's client signs (behind our guard), the dialect knows the venue's REST language, and an answer is judged from its
status and body. An order is sent at most once, whatever happens; only questions are repeated.
"""

import asyncio
import random
from collections.abc import Awaitable, Coroutine, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

import msgspec

from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.core.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.events import (
    NOT_SENT,
    AccountSnapshotTaken,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    OrderQueried,
    OrderRejected,
)
from arb.errors import VenueBusy, VenueError, VenueProtocolError
from arb.market.ids import named_by_venue
from arb.market.instrument import FeeIn, Instrument
from arb.market.order import Outcome, Role, Side
from arb.venues.account_queries import AccountSnapshot, OrderQuery
from arb.venues.answers import answered, cancel_answer, named, not_sent, unknown
from arb.venues.base import Departure, EventListener, PlaceAnswer
from arb.venues.dialect import Call, CancelBatch, Fees, TradeDialect
from arb.venues.order_socket import OrderSocket
from arb.venues.private import side_by_side
from arb.venues.rules.clock_offset import measure
from arb.venues.rules.key_rights import KeyFacts, checked_key
from arb.venues.rules.outcome import (
    RATE_BUDGET,
    VenueReply,
    Verdict,
    decode_body,
    error_of,
    item_of,
    judge_read,
    judge_write,
)
from arb.venues.rules.pacing import Pacer, Priority
from arb.venues.rules.retry import READS, Backoff, Trouble, next_delay_s
from arb.venues.transport.http import AnswerLost, HttpAnswer, HttpTransport, NeverSent
from arb.venues.writes import Ready, Signer, Writes, signed

EXPIRED = "expired"
# The engine itself queries an order again, so one query does not insist for long.
QUERIES = Backoff(first_s=0.1, cap_s=1.0, attempts_max=3, total_s=5.0)
# Venues' histories are cut to milliseconds or seconds, and our offset is only an estimate.
_SINCE_MARGIN_NS = 2 * NS_PER_S
_FEE_MEMORY_NS = 3 * 86_400 * NS_PER_S


class PrivateRunner(Protocol):
    """Keeps a private stream up."""

    async def run(self, listener: EventListener) -> None:
        """Run until cancelled."""


class GatewayTiming(msgspec.Struct, frozen=True, kw_only=True):
    """How long a gateway waits, in seconds. A lost answer to an order is asked for long before its time-out ends."""

    place_timeout_s: float = 2.0
    cancel_timeout_s: float = 5.0
    read_timeout_s: float = 5.0
    pace_timeout_s: float = 10.0


class VenueGateway:
    """See `arb.venues.base.OrderGateway`."""

    def __init__(
        self,
        *,
        dialect: TradeDialect,
        signer: Signer,
        transport: HttpTransport,
        private: PrivateRunner,
        pacer: Pacer,
        clock: Clock,
        rng: random.Random,
        account_id: str,
        timing: GatewayTiming | None = None,
        order_socket: OrderSocket | None = None,
        sandbox_id: str | None = None,
        withdrawal_disabled_confirmed: bool = False,
    ) -> None:
        self.venue = dialect.venue
        self.account_id = account_id
        self.former_ids: tuple[str, ...] = ()
        self._sandbox_id = sandbox_id
        self._withdrawal_disabled_confirmed = withdrawal_disabled_confirmed
        self._dialect = dialect
        self._signer = signer
        self._transport = transport
        self._private = private
        self._writes = Writes(dialect.venue, signer, transport, order_socket)
        self._pacer = pacer
        self._clock = clock
        self._rng = rng
        self._timing = timing if timing is not None else GatewayTiming()
        self._clock_suspected = asyncio.Event()

    @property
    def order_socket(self) -> OrderSocket | None:
        """Return the order socket, None where orders go over REST only."""
        return self._writes.socket

    async def start(self) -> None:
        """Set the clock by the venue's, learn the listing and check the key; raises `VenueError` when it cannot be used.

        The clock first: what is signed with a wrong time is refused, and so would be the question what the key may do.
        """
        await self.measure_clock()
        await self._listing()
        self._learn_account(await self.check_key())

    async def close(self) -> None:
        """Release sockets."""
        await self._transport.close()
        await self._signer.close()

    async def check_key(self) -> KeyFacts:
        """Return what the key may do; raises `VenueError` when it is not to be used (`venues/rules/key_rights.py`).

        A sandbox's key needs no confirmation of the user: nothing real can be withdrawn there.
        """
        confirmed = self._withdrawal_disabled_confirmed or self._sandbox_id is not None
        return await checked_key(self._dialect, self._body_of, withdrawal_disabled_confirmed=confirmed)

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Take a rate slot without waiting and sign; whatever refuses an order here has certainly not sent it."""
        call = self._dialect.place(command)
        if not self._pacer.try_entry(call.scope):
            return not_sent(self.venue, command, RATE_BUDGET, f"no slot left in {call.scope!r}")
        return self._ready(command, call)

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Send one order, once; an entry never waits for a slot, a repair does until its expiry."""
        if command.role is Role.ENTRY:
            departure = self.prepare(command)
        else:
            call = self._dialect.place(command)
            left_s = (command.expires_ns - self._clock.wall_ns()) / NS_PER_S
            if not await self._pacer.wait(call.scope, Priority.REPAIR, max(0.0, left_s)):
                return not_sent(self.venue, command, RATE_BUDGET, f"no slot left in {call.scope!r}")
            departure = self._ready(command, call)
        return departure if isinstance(departure, OrderRejected) else await departure()

    def _ready(self, command: PlaceOrder, call: Call) -> Departure | OrderRejected:
        if self._clock.wall_ns() >= command.expires_ns:
            return not_sent(self.venue, command, EXPIRED, "expired before it was sent")
        try:
            ready = self._writes.ready(call)
        except VenueError as refused:
            return not_sent(self.venue, command, refused.code or NOT_SENT, str(refused))
        except ValueError as error:
            return not_sent(self.venue, command, NOT_SENT, f"no request that can be sent: {error}")
        return partial(self._leave, command, call.scope, ready)

    def _leave(self, command: PlaceOrder, scope: str, ready: Ready) -> Coroutine[Any, Any, PlaceAnswer]:
        """Hand the order to the network; the coroutine waits for what becomes of it."""
        sent_ns = self._clock.wall_ns()
        return self._placed(command, scope, self._writes.send(ready, self._timing.place_timeout_s), sent_ns)

    async def _placed(
        self, command: PlaceOrder, scope: str, sending: Awaitable[HttpAnswer], sent_ns: int
    ) -> PlaceAnswer:
        try:
            answer = await sending
        except NeverSent as error:
            return not_sent(self.venue, command, NOT_SENT, str(error))
        except AnswerLost as error:
            return unknown(self.venue, command, sent_ns, str(error))
        verdict = judge_write(self._dialect.policy, answer, self._venue_ns())
        self._mind(scope, verdict, answer)
        return answered(self._dialect, command, answer, verdict)

    async def cancel(self, command: CancelOrder) -> CancelAnswered:
        """Ask for a cancel, once. *Rejected* says nothing about fills: the order may have ended by itself."""
        call = self._dialect.cancel(command)
        if not await self._pacer.wait(call.scope, Priority.CANCEL, self._timing.pace_timeout_s):
            return cancel_answer(self.venue, command, Outcome.REJECTED, RATE_BUDGET)
        try:
            ready = self._writes.ready(call)
        except (VenueError, ValueError) as refused:
            return cancel_answer(self.venue, command, Outcome.REJECTED, getattr(refused, "code", None) or NOT_SENT)
        try:
            answer = await self._writes.send(ready, self._timing.cancel_timeout_s)
        except NeverSent:
            return cancel_answer(self.venue, command, Outcome.REJECTED, NOT_SENT)
        except AnswerLost as error:
            return cancel_answer(self.venue, command, Outcome.UNKNOWN, str(error))
        verdict = judge_write(self._dialect.policy, answer, self._venue_ns())
        self._mind(call.scope, verdict, answer)
        return cancel_answer(self.venue, command, verdict.outcome, verdict.code or None)

    async def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelAnswered, ...]:
        """Ask for several cancels together; what a venue does with each is reported apart."""
        batches = [self._cancel_batch(batch) for batch in self._dialect.cancel_many(commands)]
        return tuple(answer for answers in await asyncio.gather(*batches) for answer in answers)

    async def _cancel_batch(self, batch: CancelBatch) -> list[CancelAnswered]:
        def every(outcome: Outcome, code: str) -> list[CancelAnswered]:
            return [cancel_answer(self.venue, command, outcome, code) for command in batch.commands]

        for scope in batch.scopes:
            if not await self._pacer.wait(scope, Priority.CANCEL, self._timing.pace_timeout_s):
                return every(Outcome.REJECTED, RATE_BUDGET)
        try:
            answer = await self._writes.send(self._writes.ready(batch.call), self._timing.cancel_timeout_s)
        except AnswerLost as error:
            return every(Outcome.UNKNOWN, str(error))
        except (NeverSent, VenueError, ValueError) as refused:
            return every(Outcome.REJECTED, getattr(refused, "code", None) or NOT_SENT)
        verdict = judge_read(self._dialect.policy, answer, self._venue_ns())
        for scope in dict.fromkeys(batch.scopes):
            self._mind(scope, verdict, answer)
        reported = self._batch_replies(answer)
        return [
            cancel_answer(self.venue, command, *item_of(self._dialect.policy, named(reported, command), verdict))
            for command in batch.commands
        ]

    def _batch_replies(self, answer: HttpAnswer) -> dict[str, VenueReply]:
        if not 200 <= answer.status < 300:
            return {}
        try:
            return self._dialect.cancelled(decode_body(answer.body))
        except (ValueError, VenueProtocolError):
            return {}  # nothing is reported of any order

    async def query_order(self, command: QueryOrder) -> OrderQueried:
        """Query one order in open orders, ended orders and fills."""
        started_ns = self._clock.wall_ns()
        since_ns = command.since_ns + self._signer.server_offset_ns - _SINCE_MARGIN_NS
        query = OrderQuery(self._dialect, command, max(0, since_ns) // NS_PER_MS, self._ask_for_query)
        await query.run()
        return OrderQueried(
            venue=self.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            attempt=command.attempt,
            complete=query.complete,
            report=query.report,
            fills=query.fills,
            started_ns=started_ns,
            cause=query.cause,
        )

    async def snapshot_account(self, command: SnapshotAccount) -> AccountSnapshotTaken:
        """Read the whole account."""
        started_ns = self._clock.wall_ns()
        since_ns = command.since_ns + self._signer.server_offset_ns - _SINCE_MARGIN_NS
        span_ms = max(0, since_ns) // NS_PER_MS, self._venue_ns() // NS_PER_MS
        found = AccountSnapshot(self._dialect, command.symbols, span_ms, self._ask_for_query)
        return await found.run(started_ns)

    async def arm_dead_man(self, timeout_s: int) -> bool:
        """Arm the venue's dead-man switch, or disarm it with 0; False where it has none."""
        call = self._dialect.dead_man(timeout_s)
        if call is None:
            return False
        await self._read(call, Priority.CANCEL, QUERIES)
        return True

    async def balances(self) -> BalancesReported:
        """Read all balances; raises `VenueError` when they cannot be read."""
        body, answer = await self._read(self._dialect.balances(), Priority.READ)
        reported = self._dialect.balances_in(body)
        return BalancesReported(venue=self.venue, balances=reported, complete=True, asked_ns=answer.sent_ns)

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Read rules and the account's own fees for those of `symbols` that are listed.

        A fee that cannot be read leaves the instrument without one (reason `fee_unknown`). No venue reports what a buy pays
        its fee in, so the account's latest buy of the last days decides, if there is one; else the dialect's rule counts.
        Raises `VenueError` when the listing cannot be read.
        """
        listed = await self._listing()
        wanted = [listed[symbol] for symbol in symbols if symbol in listed]
        return tuple(await asyncio.gather(*map(self._with_fees, wanted)))

    async def measure_clock(self) -> ClockMeasured:
        """Compare the clocks (`venues/rules/clock_offset.py`); later signatures use the result. Raises `VenueError`."""
        found = await measure(self.venue, self._clock, self._venue_ms)
        self._signer.server_offset_ns = found.offset_ns
        return ClockMeasured(venue=self.venue, offset_ns=found.offset_ns, error_ns=found.error_ns)

    async def clock_suspected(self) -> None:
        """Wait until the venue says of a request of ours that it was out of time; several at once count as one."""
        await self._clock_suspected.wait()
        self._clock_suspected.clear()

    async def run_private(self, listener: EventListener) -> None:
        """Keep the private stream up until cancelled, and the order socket where there is one."""
        await side_by_side(self._private.run(listener), self._writes.run(listener))

    def _learn_account(self, facts: KeyFacts) -> None:
        """Call the account what its venue does, so that it stays the same one whatever key it is reached with."""
        if facts.account is None:
            return
        named = named_by_venue(self.venue, facts.account, self._sandbox_id)
        if named != self.account_id:
            self.account_id, self.former_ids = named, (self.account_id,)

    async def _venue_ms(self) -> tuple[int, HttpAnswer]:
        body, answer = await self._read(self._dialect.clock(), Priority.READ)
        return self._dialect.clock_ms(body), answer

    async def _body_of(self, call: Call) -> Any:
        return (await self._read(call, Priority.READ))[0]

    async def _listing(self) -> dict[str, Instrument]:
        body, _ = await self._read(self._dialect.listing(), Priority.READ)
        listed = self._dialect.listed(body)
        self._dialect.learn({instrument.native_symbol: symbol for symbol, instrument in listed.items()})
        return listed

    async def _with_fees(self, instrument: Instrument) -> Instrument:
        try:
            body, _ = await self._read(self._dialect.fees(instrument.symbol), Priority.READ)
            fees = self._dialect.fees_in(body)
        except VenueError:
            return instrument
        if not _plausible(fees):
            return instrument
        seen = await self._seen_fee_in(instrument)
        return msgspec.structs.replace(
            instrument, taker_fee=fees.taker, maker_fee=fees.maker, buy_fee_in=seen or fees.buy_fee_in
        )

    async def _seen_fee_in(self, instrument: Instrument) -> FeeIn | None:
        since_ms = max(0, self._venue_ns() - _FEE_MEMORY_NS) // NS_PER_MS
        pages = self._dialect.fills(instrument.symbol, since_ms, None)
        try:
            body, answer = await self._read(pages.first, Priority.READ)
            fills = [self._dialect.fill(raw, answer.received_ns) for raw in pages.rows(body)]
        except VenueError:
            return None
        buys = [fill for fill in fills if fill.side is Side.BUY and fill.symbol == instrument.symbol and fill.fee]
        if not buys:
            return None
        paid_in = max(buys, key=lambda fill: (fill.event_ns, fill.trade_id)).fee_currency
        return {instrument.base: FeeIn.BASE, instrument.quote: FeeIn.QUOTE}.get(paid_in, FeeIn.OTHER)

    async def _ask_for_query(self, call: Call) -> tuple[Any, int]:
        body, answer = await self._read(call, Priority.QUERY, QUERIES)
        return body, answer.received_ns

    async def _read(self, call: Call, priority: int, policy: Backoff = READS) -> tuple[Any, HttpAnswer]:
        """Ask, and ask again while that may help; raises `VenueError`."""
        started_ns = self._clock.monotonic_ns()
        attempt = 0
        while True:
            attempt += 1
            if not await self._pacer.wait(call.scope, priority, self._timing.pace_timeout_s):
                raise VenueBusy(self.venue, f"no slot left in {call.scope!r}", code=RATE_BUDGET)
            verdict, answer = await self._ask_once(call)
            self._mind(call.scope, verdict, answer)
            if answer is not None and verdict.outcome is Outcome.ACCEPTED:
                return verdict.body, answer
            elapsed_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
            trouble = verdict.trouble or Trouble.FAULT
            delay_s = next_delay_s(policy, attempt, trouble, elapsed_s, self._rng, verdict.retry_after_s)
            if delay_s is None:
                raise error_of(self.venue, verdict)
            await asyncio.sleep(delay_s)

    async def _ask_once(self, call: Call) -> tuple[Verdict, HttpAnswer | None]:
        request = signed(self.venue, self._signer, call)
        try:
            answer = await self._transport.send(request, self._timing.read_timeout_s)
        except (NeverSent, AnswerLost) as error:
            lost = Verdict(outcome=Outcome.UNKNOWN, trouble=Trouble.UNREACHABLE, code="unreachable", message=str(error))
            return lost, None
        return judge_read(self._dialect.policy, answer, self._venue_ns()), answer

    def _mind(self, scope: str, verdict: Verdict, answer: HttpAnswer | None) -> None:
        if verdict.trouble is Trouble.CLOCK:
            self._clock_suspected.set()
        headers = {} if answer is None else answer.headers
        self._pacer.obey(scope, verdict, headers, self._venue_ns())

    def _venue_ns(self) -> int:
        return self._clock.wall_ns() + self._signer.server_offset_ns


def _plausible(fees: Fees) -> bool:
    rates: Sequence[Decimal] = (fees.taker, fees.maker)
    return all(Decimal("-0.01") <= rate <= Decimal("0.05") for rate in rates)
