"""Paper trading: a simulated venue behind the gateway's interface. Nothing is sent, and there is no key that could
sign.

Rules and clock are the venue's own, read from its public addresses (`PaperSource`). The account is simulated here
(`PaperAccount`). An order's fills follow from the books that the engine sees (`PaperMatching`), live ones or those of
a tape. An order arrives one latency after it was sent. Its answer, its fills and the balances arrive one latency later, as
by the venue's answer and its private stream. Queries are answered as of the instant at which they arrive.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, Protocol

import msgspec

from arb.clock import NS_PER_S, Clock
from arb.core.books.books import Books
from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.messages.events import (
    AccountSnapshotTaken,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    CurrenciesListed,
    OrderAccepted,
    OrderFilled,
    OrderQueried,
    OrderRejected,
    PrivateUp,
    TroubleReported,
)
from arb.core.messages.incidents import IncidentKind
from arb.errors import StoreError
from arb.market.feed import venue_of
from arb.market.fill import Fill, FillSource
from arb.market.instrument import Instrument, floor_to_step
from arb.market.numbers import ZERO
from arb.market.order import Outcome
from arb.venues.kit.base import Departure, EventListener, FrameListener, PlaceAnswer
from arb.venues.kit.rules.guard import SalePrice
from arb.venues.paper.account import EXACT, Kept, PaperAccount
from arb.venues.paper.matching import (
    NOT_TRADABLE,
    OFF_STEPS,
    SHORT_OF_FUNDS,
    FeePrice,
    PaperMatching,
    Reached,
    Underway,
    unpriced,
)

OPENING_WAIT_NS = 10 * NS_PER_S
"""How long an account waits for the books of all its symbols, from the first live one on, before it opens without the rest."""


class PaperSource(Protocol):
    """The facts of a venue that can be read without a key."""

    @property
    def listed(self) -> Collection[str]:
        """Return all symbols of the venue's listing as it was read last; none before it was."""

    def offset_ns(self) -> int:
        """Return the venue's clock minus ours, as far as it is known."""

    async def listing(self, symbols: Sequence[str]) -> tuple[Instrument, ...]:
        """Return the rules of those of `symbols` that are listed, with the fee that paper charges; raises `VenueError`."""

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        """Return the rows of `assets` in the venue's currency list; None where it is not known. Raises `VenueError`."""

    async def measure_clock(self) -> ClockMeasured:
        """Compare the venue's clock with ours; raises `VenueError`. Half a round trip is at most the error."""

    async def close(self) -> None: ...


class PaperGateway:
    """One account at one venue; see `arb.venues.kit.base.OrderGateway`.

    `books` returns the books that orders are matched against. `latency_ns` >= 0 is the time that an order takes there, and
    its answer back; None: half a round trip to the venue's public address, as last measured. `opening`: the first balances
    of an account that has none yet, by asset; or the worth of each asset, in quote, by the first books. `fee_price`: see
    `PaperMatching`.
    """

    def __init__(
        self,
        source: PaperSource,
        account: PaperAccount,
        venue: str,
        books: Callable[[], Books],
        *,
        clock: Clock,
        latency_ns: int | None,
        opening: Mapping[str, Decimal] | Decimal,
        fee_price: FeePrice = unpriced,
    ) -> None:
        self.venue = venue
        self.account_id = account.account_id
        self.former_ids: tuple[str, ...] = ()
        self.expiry_proved: bool | None = True  # expired orders are refused here
        self._source = source
        self._account = account
        self._books = books
        self._clock = clock
        self._latency_ns = latency_ns or 0
        self._measures = latency_ns is None
        self._opening = opening
        self._opens_ns = 0
        self._unopened: tuple[str, ...] = ()  # the assets traded here that the account was never given
        self._instruments: dict[str, Instrument] = {}
        self._matching = PaperMatching(venue, books, account, source.offset_ns, fee_price)
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: EventListener | None = None

    async def start(self) -> None:
        await self.measure_clock()

    async def close(self) -> None:
        """Let the orders that are on their way arrive, for a venue would execute them; release sockets."""
        await asyncio.gather(*self._tasks)
        await self._source.close()

    def on_frame(self) -> None:
        """Take a public frame of the venue, after it has been applied to the books."""
        self._matching.on_frame()
        if self._unopened and self._listener is not None:
            self._open_by_books(self._listener)

    @property
    def watches(self) -> bool:
        return self._matching.watches or bool(self._unopened)

    @property
    def listed(self) -> Collection[str]:
        return self._source.listed

    @property
    def reached(self) -> Reached:
        """Return the outcome of all sizes that this process's orders wanted here."""
        return self._matching.reached

    def value_sales(self, price: SalePrice) -> None:
        """Do nothing: nothing is signed, so there is no guard here."""

    def allow(self, symbols: Iterable[str]) -> None: ...

    # Orders.

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an order ready to be sent; nothing here ever refuses one before it was sent."""
        return _Departure(self, command)

    def prefetch(self, symbol: str) -> None:
        """Do nothing: nothing here is written."""

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        return await self.send(command)

    def send(self, command: PlaceOrder) -> "asyncio.Future[PlaceAnswer]":
        """Send an order; it arrives even if its answer is not awaited."""
        sent_ns = self._clock.wall_ns()
        order = self._matching.leave(command, sent_ns + self._latency_ns)
        answer: asyncio.Future[PlaceAnswer] = asyncio.get_running_loop().create_future()
        self._spawn(self._execute(order, sent_ns, answer))
        return answer

    async def _execute(self, order: Underway, sent_ns: int, answer: asyncio.Future[PlaceAnswer]) -> None:
        try:
            await _pass(2 * (order.arrives_ns - sent_ns))
            became = self._matching.answer(order, self._instruments[order.command.symbol])
            await self._account.written()
        except Exception as error:  # the top of a task: the caller that awaits the answer must get it
            if not answer.done():
                answer.set_exception(error)
            return
        now_ns = self._clock.wall_ns()
        if not answer.done():
            answer.set_result(self._answer(order.command, became, sent_ns, now_ns))
        if isinstance(became, Kept):  # the private stream reports the fills right after the answer
            asyncio.get_running_loop().call_soon(self._report, became, now_ns)

    def _answer(self, command: PlaceOrder, became: Kept | str, sent_ns: int, now_ns: int) -> PlaceAnswer:
        if isinstance(became, str):
            return OrderRejected(
                venue=self.venue,
                client_order_id=command.client_order_id,
                code=became,
                message="simulated",
                sent_ns=sent_ns,
                acked_ns=now_ns,
                short_of_funds=became == SHORT_OF_FUNDS,
                off_steps=became == OFF_STEPS,
                bars=became == NOT_TRADABLE,
            )
        return OrderAccepted(
            venue=self.venue,
            client_order_id=command.client_order_id,
            report=became.report,
            sent_ns=sent_ns,
            acked_ns=now_ns,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel(self, command: CancelOrder) -> CancelAnswered:
        """Answer that nothing rests: every order has ended on arrival."""
        await self._round_trip()
        return CancelAnswered(
            venue=self.venue, client_order_id=command.client_order_id, outcome=Outcome.REJECTED, code="not_open"
        )

    async def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelAnswered, ...]:
        return tuple(await asyncio.gather(*map(self.cancel, commands)))

    # Questions: answered when the orders that arrived before them have been.

    async def query_order(self, command: QueryOrder) -> OrderQueried:
        """Answer with all that is known of an order when the query arrives."""
        started_ns = self._clock.wall_ns()
        await self._round_trip()
        kept = self._account.orders.get(command.client_order_id)
        await self._account.written()  # nothing is reported that a death could undo
        return OrderQueried(
            venue=self.venue,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            attempt=command.attempt,
            complete=True,
            report=None if kept is None else kept.report,
            fills=() if kept is None else self._found(kept),
            started_ns=started_ns,
        )

    async def snapshot_account(self, command: SnapshotAccount) -> AccountSnapshotTaken:
        """Answer with every order of the symbols that arrived since the instant asked for, and every bill since."""
        started_ns = self._clock.wall_ns()
        await self._round_trip()
        kept = [
            order
            for order in self._account.orders.values()
            if order.report.symbol in command.symbols and order.arrived_ns >= command.since_ns
        ]
        since_ns = command.since_ns + self._source.offset_ns()
        bills = tuple(bill for bill in self._account.bills if bill.event_ns >= since_ns)
        await self._account.written()
        return AccountSnapshotTaken(
            venue=self.venue,
            complete=True,
            orders=tuple(order.report for order in kept),
            fills=tuple(fill for order in kept for fill in self._found(order)),
            transfers=bills,
            transfers_complete=True,
            started_ns=started_ns,
        )

    async def balances(self) -> BalancesReported:
        asked_ns = self._clock.wall_ns()
        await self._round_trip()
        reported = self._all_balances(asked_ns)
        await self._account.written()
        return reported

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        listed = await self._source.listing(symbols)
        self._instruments |= {instrument.symbol: instrument for instrument in listed}
        assets = {asset for known in self._instruments.values() for asset in (known.base, known.quote)}
        if isinstance(self._opening, Mapping):  # reported of an asset that pays the fees; no book has it
            assets |= {known.fee_asset for known in self._instruments.values()} & self._opening.keys()
        self._unopened = tuple(sorted(assets - self._account.balances.keys()))
        if isinstance(self._opening, Mapping):
            self._give({asset: self._opening.get(asset, ZERO) for asset in self._unopened})
            await self._account.written()
        return listed

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        return await self._source.currencies(assets)

    async def measure_clock(self) -> ClockMeasured:
        """Compare the clocks; raises `VenueError`. This also measures the latency, where none is configured."""
        measured = await self._source.measure_clock()
        if self._measures:
            self._latency_ns = measured.error_ns
        return measured

    async def clock_suspected(self) -> None:
        """Wait for ever: no request is ever called out of time."""
        await asyncio.Event().wait()

    async def arm_dead_man(self, timeout_s: int) -> bool:
        """Return False: nothing ever rests here."""
        return False

    async def run_private(self, listener: EventListener) -> None:
        self._listener = listener
        listener(PrivateUp(venue=self.venue))
        await asyncio.Event().wait()

    def _report(self, kept: Kept, now_ns: int) -> None:
        if self._listener is None or not kept.fills:
            return
        for fill in kept.fills:
            self._listener(OrderFilled(fill=msgspec.structs.replace(fill, received_ns=now_ns)))
        listed = self._instruments[kept.report.symbol]
        charged = (fill.fee_currency for fill in kept.fills)
        moved = self._account.reported(dict.fromkeys((listed.base, listed.quote, *charged)))
        self._listener(BalancesReported(venue=self.venue, balances=moved, complete=False, asked_ns=0))

    def _found(self, kept: Kept) -> tuple[Fill, ...]:
        now_ns = self._clock.wall_ns()
        return tuple(msgspec.structs.replace(fill, source=FillSource.QUERY, received_ns=now_ns) for fill in kept.fills)

    def _all_balances(self, asked_ns: int) -> BalancesReported:
        """Return all balances; those of an account that is not open yet are unknown."""
        held = self._account.reported(self._account.balances)
        return BalancesReported(venue=self.venue, balances=held, complete=bool(held), asked_ns=asked_ns)

    async def _round_trip(self) -> None:
        await _pass(2 * self._latency_ns)

    # The opening of the account.

    def _open_by_books(self, listener: EventListener) -> None:
        """Give the account the wanted worth of each asset, once the books show prices."""
        books, now_ns = self._books(), self._clock.wall_ns()
        listed = {known.base: known for known in self._instruments.values()}
        prices = {
            base: books.mid(self.venue, known.symbol)
            for base, known in listed.items()
            if books.is_live(self.venue, known.symbol)
        }
        if not prices:
            return
        self._opens_ns = self._opens_ns or now_ns + OPENING_WAIT_NS
        unpriced = [asset for asset in self._unopened if asset in listed and not prices.get(asset)]
        given = {
            asset: self._worth(listed.get(asset), prices.get(asset))
            for asset in self._unopened
            if asset not in unpriced
        }
        if given and (not unpriced or now_ns >= self._opens_ns):
            self._give(given)
            self._spawn(self._opened(listener))

    def _worth(self, listed: Instrument | None, price: Decimal | None) -> Decimal:
        """Return the amount of an asset with the wanted worth: the quote itself, a base in whole lots."""
        assert isinstance(self._opening, Decimal)
        if listed is None or not price:
            return self._opening
        with localcontext(EXACT):
            return floor_to_step(self._opening / price, listed.lot)

    def _give(self, amounts: Mapping[str, Decimal]) -> None:
        """Credit the account; an amount given after its opening is in its bills, as a deposit would be."""
        event_ns = self._clock.wall_ns() + self._source.offset_ns()
        self._account.credit(amounts, event_ns, billed=bool(self._account.balances))
        self._unopened = tuple(asset for asset in self._unopened if asset not in amounts)

    async def _opened(self, listener: EventListener) -> None:
        asked_ns = self._clock.wall_ns()
        try:
            await self._account.written()
        except StoreError as error:
            text = f"the paper account at {self.venue} cannot be written: {error}"
            listener(TroubleReported(kind=IncidentKind.STORE, text=text, venue=self.venue))
        else:
            listener(self._all_balances(asked_ns))


def watched(on_frame: FrameListener, gateways: Mapping[str, PaperGateway]) -> FrameListener:
    """Return the frame listener that has the venue's paper gateway look at the books after each frame."""

    def look(connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        on_frame(connection, received_ns, raw, url)
        gateways[venue_of(connection)].on_frame()

    return look


async def _pass(taken_ns: int) -> None:
    if taken_ns:
        await asyncio.sleep(taken_ns / NS_PER_S)


class _Departure:
    """See `arb.venues.kit.base.Departure`."""

    def __init__(self, gateway: PaperGateway, command: PlaceOrder) -> None:
        self._gateway = gateway
        self._command = command

    def leave(self) -> None:
        self._answer = self._gateway.send(self._command)

    async def answer(self) -> PlaceAnswer:
        return await self._answer
