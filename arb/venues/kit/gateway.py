"""One account at one venue, behind the `OrderGateway` door: pace, sign, send once, judge, and report the outcome.

The venue's client signs (behind our guard), the dialect knows the venue's REST language, and an answer is judged from
its status and body. An order is sent at most once in any case; only reads are repeated (`venues/kit/reader.py`). A
write is sent over REST, or over the venue's order socket where the user wants that; on either way the answer has one
form (`HttpAnswer`) and the attempt one of the three ends of `arb.venues.transport.http`.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.messages.events import (
    NOT_SENT,
    AccountSnapshotTaken,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    CurrenciesListed,
    OrderQueried,
    OrderRejected,
)
from arb.errors import VenueAuthError, VenueError, VenueProtocolError
from arb.market.ids import named_by_venue
from arb.market.instrument import Instrument
from arb.market.order import Outcome, Role
from arb.venues.kit.account_queries import AccountSnapshot, OrderQuery
from arb.venues.kit.answers import answered, cancel_answer, named, not_sent, unknown
from arb.venues.kit.base import Departure, EventListener, PlaceAnswer
from arb.venues.kit.call import CancelBatch
from arb.venues.kit.ccxt_client import Signer
from arb.venues.kit.dialect import KeyFacts, TradeDialect
from arb.venues.kit.order_form import OrderForm
from arb.venues.kit.order_socket import OrderSocket
from arb.venues.kit.private import side_by_side
from arb.venues.kit.public_reader import GatewayTiming
from arb.venues.kit.reader import QUERIES, VenueReader
from arb.venues.kit.rules.guard import SalePrice
from arb.venues.kit.rules.key_rights import KeyPolicy, checked_key, reported_key
from arb.venues.kit.rules.outcome import RATE_BUDGET, VenueReply, decode_body, item_of, judge_read, judge_write
from arb.venues.kit.rules.pacing import Pacer, Priority
from arb.venues.kit.writes import ReadyOrder, VenueWrites
from arb.venues.transport.http import AnswerLost, HttpAnswer, NeverSent, WriteTransport
from arb.venues.transport.request import Outgoing

_LOG = logging.getLogger(__name__)

EXPIRED = "expired"
# Venues' histories are cut to milliseconds or seconds, and our offset is only an estimate.
_SINCE_MARGIN_NS = 2 * NS_PER_S


class PrivateRunner(Protocol):
    async def run(self, listener: EventListener) -> None:
        """Run until cancelled."""


class AccountParts(NamedTuple):
    """The parts of a gateway for accounts of one kind. `enforces_expiry`: see `TradingParts`."""

    dialect: TradeDialect
    signer: Signer
    private: PrivateRunner
    enforces_expiry: bool = True


class VenueGateway:
    """See `arb.venues.kit.base.OrderGateway`.

    `others`: by the code with which the venue refuses the key of another kind of account, the parts for accounts of
    that kind.
    """

    def __init__(
        self,
        *,
        account: AccountParts,
        transport: WriteTransport,
        pacer: Pacer,
        clock: Clock,
        rng: random.Random,
        account_id: str,
        timing: GatewayTiming | None = None,
        order_socket: OrderSocket | None = None,
        sandbox_id: str | None = None,
        key_policy: KeyPolicy = KeyPolicy(),  # noqa: B008
        expiry_proved: bool | None = None,
        others: Mapping[str, Callable[[], AccountParts]] | None = None,
    ) -> None:
        self.venue = account.dialect.venue
        self.mode = ""
        """The account's mode by the venue's name, known since `check_key`; "" where the venue knows none."""
        self._expiry_proved = expiry_proved
        self._others = others or {}
        self.account_id = account_id
        self.former_ids: tuple[str, ...] = ()
        self._sandbox_id = sandbox_id
        self._key_policy = key_policy
        self.key_facts: KeyFacts | None = None
        """The owner and the rights of the key, once `check_key` has read them."""
        self._transport = transport
        self.order_socket = order_socket
        """None where orders go over REST only."""
        self._pacer = pacer
        self._clock = clock
        self._rng = rng
        self._timing = timing if timing is not None else GatewayTiming()
        self._speak(account)

    def _speak(self, parts: AccountParts) -> None:
        self._dialect, self._signer, self._private, self._enforces_expiry = parts
        self._writes = VenueWrites(parts.dialect, parts.signer, self._transport, self.order_socket)
        self._reader = VenueReader(
            parts.dialect, parts.signer, self._transport, self._pacer, self._clock, self._rng, self._timing
        )

    @property
    def expiry_proved(self) -> bool | None:
        """Return whether the venue was seen to refuse an expired order; False where it documents no expiry for this account."""
        return self._expiry_proved if self._enforces_expiry else False

    @property
    def listed(self) -> frozenset[str]:
        return self._reader.listed

    async def start(self) -> None:
        """Set the clock by the venue's, check the key and learn the symbols it may trade; raises `VenueError` when it
        cannot be used.

        The clock first: requests signed with a wrong time are refused, and so would be the query of the key's rights.
        The key before the listing, which may be the account's own.
        """
        await self.measure_clock()
        facts = await self.check_key()
        _LOG.info("%s: %s", self.venue, facts.line())
        await self._reader.listing()
        self._learn_account(facts)

    async def close(self) -> None:
        await self._transport.close()
        await self._signer.close()

    def value_sales(self, price: SalePrice) -> None:
        self._signer.guard.value_sales(price)

    def allow(self, symbols: Iterable[str]) -> None:
        self._signer.allow(symbols)

    async def read_key(self) -> KeyFacts:
        """Return the venue's report of the key, unjudged; raises `VenueError` when it does not answer."""
        facts = await self._of_its_kind(self._reported_facts)
        self._learn_account(facts)
        return facts

    @property
    def has_dead_man(self) -> bool:
        """Return whether the venue can be made to cancel resting orders once we fall silent."""
        return self._dialect.dead_man(0) is not None

    async def check_key(self) -> KeyFacts:
        """Return the rights and the owner of the key; raises `VenueError` when it is not to be used
        (`rules/key_rights.py`).

        Where the venue answers that the account is of another kind, the dialect of that kind is used from then on.
        """
        return await self._of_its_kind(self._key_facts)

    async def _of_its_kind(self, ask: Callable[[], Awaitable[KeyFacts]]) -> KeyFacts:
        try:
            facts = await ask()
        except VenueAuthError as refused:
            other = self._others.get(refused.code or "")
            if other is None:
                raise
            await self._change_to(other())
            facts = await self._facts_of_another(refused, ask)
        self.key_facts, self.mode = facts, facts.mode or ""
        return facts

    async def _reported_facts(self) -> KeyFacts:
        return await reported_key(self._dialect, self._reader.body_of)

    async def _key_facts(self) -> KeyFacts:
        return await checked_key(self._dialect, self._reader.body_of, self._key_policy)

    async def _facts_of_another(self, refused: VenueAuthError, ask: Callable[[], Awaitable[KeyFacts]]) -> KeyFacts:
        try:
            return await ask()
        except VenueAuthError as again:
            if again.code not in self._others:
                raise
            text = f"the venue refuses the key as that of either kind of account ({refused.code}, then {again.code})"
            text = f"{text}: the account may be on its way from one to the other: start again once that is over"
            raise VenueAuthError(self.venue, text, code=again.code) from again

    async def _change_to(self, parts: AccountParts) -> None:
        """Change to accounts of another kind from now on; only reads were sent before."""
        former, listed = self._signer, self.listed
        parts.signer.server_offset_ns = former.server_offset_ns
        self._speak(parts)
        await former.close()
        if listed:
            await self._reader.listing()

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an entry ready to be sent at once; one refused here was certainly not sent."""
        now_ns, steady_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        try:
            form = self._writes.form(command)
            if not self._pacer.try_entry(form.scope, steady_ns):
                return self._without_slot(command, form)
            if now_ns >= command.expires_ns:
                return self._expired(command)
            ready = self._writes.order(form, command, now_ns, steady_ns)
        except (VenueError, ValueError) as refused:
            return self._unwritten(command, refused)
        connection = None
        if isinstance(ready, Outgoing):
            connection = self._transport.standing(form.origin)
            if connection is None:
                return not_sent(self.venue, command, NOT_SENT, "no connection is ready")
        placed = partial(self._placed, command, form.scope, now_ns)
        return ReadyOrder(self._writes, ready, connection, placed, now_ns, self._timing.place_timeout_s)

    def prefetch(self, symbol: str) -> None:
        """Read the data for writing and sending an entry in a symbol; see `OrderGateway.prefetch`."""
        for form in self._writes.prefetch(symbol):
            self._pacer.prefetch(form.scope)
            if self.order_socket is None:
                self._transport.standing(form.origin)
        self._signer.guard.prefetch(symbol)

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Send one order, once; an entry never waits for a slot, a repair does until its expiry."""
        try:
            form = self._writes.form(command)
            if command.role is Role.ENTRY:
                slot = self._pacer.try_entry(form.scope, self._clock.monotonic_ns())
            else:
                left_s = max(0.0, (command.expires_ns - self._clock.wall_ns()) / NS_PER_S)
                slot = await self._pacer.wait(form.scope, Priority.REPAIR, left_s)
            if not slot:
                return self._without_slot(command, form)
            sent_ns = self._clock.wall_ns()
            if sent_ns >= command.expires_ns:
                return self._expired(command)
            ready = self._writes.order(form, command, sent_ns, self._clock.monotonic_ns())
        except (VenueError, ValueError) as refused:
            return self._unwritten(command, refused)
        sending = self._writes.send(ready, self._timing.place_timeout_s)
        return await self._placed(command, form.scope, sent_ns, sending)

    def _without_slot(self, command: PlaceOrder, form: OrderForm) -> OrderRejected:
        return not_sent(self.venue, command, RATE_BUDGET, f"no free slot in {form.scope!r}")

    def _expired(self, command: PlaceOrder) -> OrderRejected:
        return not_sent(self.venue, command, EXPIRED, "expired before it was sent")

    def _unwritten(self, command: PlaceOrder, error: VenueError | ValueError) -> OrderRejected:
        code = error.code if isinstance(error, VenueError) else None
        return not_sent(self.venue, command, code or NOT_SENT, str(error))

    async def _placed(
        self, command: PlaceOrder, scope: str, sent_ns: int, sending: Awaitable[HttpAnswer]
    ) -> PlaceAnswer:
        try:
            answer = await sending
        except NeverSent as error:
            return not_sent(self.venue, command, NOT_SENT, str(error))
        except AnswerLost as error:
            return unknown(self.venue, command, sent_ns, str(error))
        verdict = judge_write(self._dialect.policy, answer, self._reader.venue_ns())
        self._reader.obey(scope, verdict, answer)
        return answered(self._dialect, command, answer, verdict)

    async def cancel(self, command: CancelOrder) -> CancelAnswered:
        """Ask for a cancel, once. *Rejected* does not exclude fills: the order may have ended by itself."""
        call = self._dialect.cancel(command)
        if not await self._pacer.wait(call.scope, Priority.CANCEL, self._timing.pace_timeout_s):
            return cancel_answer(self.venue, command, Outcome.REJECTED, RATE_BUDGET)
        try:
            ready = self._writes.other(call)
        except (VenueError, ValueError) as refused:
            return cancel_answer(self.venue, command, Outcome.REJECTED, getattr(refused, "code", None) or NOT_SENT)
        try:
            answer = await self._writes.send(ready, self._timing.cancel_timeout_s)
        except NeverSent:
            return cancel_answer(self.venue, command, Outcome.REJECTED, NOT_SENT)
        except AnswerLost as error:
            return cancel_answer(self.venue, command, Outcome.UNKNOWN, str(error))
        verdict = judge_write(self._dialect.policy, answer, self._reader.venue_ns())
        self._reader.obey(call.scope, verdict, answer)
        return cancel_answer(self.venue, command, verdict.outcome, verdict.code or None)

    async def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelAnswered, ...]:
        """Ask for several cancels together; the result of each is reported separately."""
        batches = [self._cancel_batch(batch) for batch in self._dialect.cancel_many(commands)]
        return tuple(answer for answers in await asyncio.gather(*batches) for answer in answers)

    async def _cancel_batch(self, batch: CancelBatch) -> list[CancelAnswered]:
        def every(outcome: Outcome, code: str) -> list[CancelAnswered]:
            return [cancel_answer(self.venue, command, outcome, code) for command in batch.commands]

        for scope in batch.scopes:
            if not await self._pacer.wait(scope, Priority.CANCEL, self._timing.pace_timeout_s):
                return every(Outcome.REJECTED, RATE_BUDGET)
        try:
            answer = await self._writes.send(self._writes.other(batch.call), self._timing.cancel_timeout_s)
        except AnswerLost as error:
            return every(Outcome.UNKNOWN, str(error))
        except (NeverSent, VenueError, ValueError) as refused:
            return every(Outcome.REJECTED, getattr(refused, "code", None) or NOT_SENT)
        verdict = judge_read(self._dialect.policy, answer, self._reader.venue_ns())
        for scope in dict.fromkeys(batch.scopes):
            self._reader.obey(scope, verdict, answer)
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
        started_ns = self._clock.wall_ns()
        since_ns = command.since_ns + self._signer.server_offset_ns - _SINCE_MARGIN_NS
        since_ms, now_ms = max(0, since_ns) // NS_PER_MS, self._reader.venue_ns() // NS_PER_MS
        query = OrderQuery(self._dialect, command, since_ms, self._reader.ask_for_query, now_ms=now_ms)
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
            listed=query.listed,
            out_of_reach=query.out_of_reach,
        )

    async def snapshot_account(self, command: SnapshotAccount) -> AccountSnapshotTaken:
        started_ns = self._clock.wall_ns()
        since_ns = command.since_ns + self._signer.server_offset_ns - _SINCE_MARGIN_NS
        span_ms = max(0, since_ns) // NS_PER_MS, self._reader.venue_ns() // NS_PER_MS
        found = AccountSnapshot(self._dialect, command.symbols, span_ms, self._reader.ask_for_snapshot)
        return await found.run(started_ns)

    async def arm_dead_man(self, timeout_s: int) -> bool:
        """Arm the venue's dead-man switch, or disarm it with 0; False where it has none."""
        call = self._dialect.dead_man(timeout_s)
        if call is None:
            return False
        await self._reader.ask(call, Priority.CANCEL, QUERIES)
        return True

    async def balances(self) -> BalancesReported:
        return await self._reader.balances()

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Read rules and the account's own fees for those of `symbols` that are listed; see `VenueReader.instruments`."""
        return await self._reader.instruments(symbols)

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        return await self._reader.currencies(assets)

    async def measure_clock(self) -> ClockMeasured:
        """Compare the clocks; later signatures use the result. Raises `VenueError`."""
        return await self._reader.measure_clock()

    async def clock_suspected(self) -> None:
        await self._reader.clock_suspected.wait()
        self._reader.clock_suspected.clear()

    async def run_private(self, listener: EventListener) -> None:
        """Keep the private stream up until cancelled, and the order socket where there is one."""
        streams = [self._private.run(listener)]
        if self.order_socket is not None:
            streams.append(self.order_socket.run(listener))
        await side_by_side(*streams)

    def _learn_account(self, facts: KeyFacts) -> None:
        if facts.account is None:
            return
        named = named_by_venue(self.venue, facts.account, self._sandbox_id)
        if named != self.account_id:
            self.account_id, self.former_ids = named, (self.account_id,)
