"""The two narrow doors through which a venue is reached: a feed of raw public frames, and a gateway for orders.

Every implementation (a real venue, the sandbox over loopback, an in-memory simulator) reports events.
"""

from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from arb.core.messages.commands import CancelOrder, PlaceOrder, QueryOrder, SnapshotAccount
from arb.core.messages.events import (
    AccountSnapshotTaken,
    AnyEvent,
    BalancesReported,
    CancelAnswered,
    ClockMeasured,
    CurrenciesListed,
    OrderAccepted,
    OrderQueried,
    OrderRejected,
    OutcomeUnknown,
)
from arb.market.feed import Notice, ResyncBy
from arb.market.instrument import Instrument
from arb.venues.kit.rules.guard import SalePrice

PlaceAnswer = OrderAccepted | OrderRejected | OutcomeUnknown
EventListener = Callable[[AnyEvent], None]
"""Called with every event a venue gives rise to; must not block."""


class Departure(Protocol):
    def leave(self) -> None:
        """Send it, once, and do nothing else: on any exception, it may have been sent."""

    def answer(self) -> Coroutine[Any, Any, PlaceAnswer]:
        """Return the awaitable outcome; called once, after `leave`."""


class FrameListener(Protocol):
    """Takes every public frame, in order of receipt, on the loop's thread."""

    def __call__(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        """Take a frame of the connection of that name; with a `url`, the body fetched from there for one of its books."""


class MarketFeed(Protocol):
    """One public connection of one venue, kept up until cancelled; `connection` is its name."""

    venue: str
    connection: str

    async def run(self, on_read: Callable[[], None]) -> None:
        """Connect, subscribe, deliver frames, reconnect with back-off; returns only when cancelled.

        `on_read` is called each time all frames received at once were delivered, in the same turn of the loop.
        """

    def resync(self, native_symbol: str, by: ResyncBy = ResyncBy.RESUBSCRIBE) -> None:
        """Ask for a clean snapshot of one book; repeated asks while one is under way change nothing."""

    def on_notice(self, notice: Notice) -> None:
        """Handle a notice in a control frame of this connection: a confirmation, a refusal, or the announced end of it."""

    def add_book(self, native_symbol: str) -> None:
        """Subscribe to one more book, now and after every reconnect; one that is subscribed already changes nothing."""

    def retire_book(self, native_symbol: str) -> None:
        """End the subscription of a book for good; one that is not subscribed changes nothing."""

    def unread(self) -> bool:
        """Return whether received bytes still wait to be delivered."""


class OrderGateway(Protocol):
    """One account at one venue. No method raises for an error of the venue: the answer is always an event."""

    venue: str
    account_id: str
    """The account's name in journal and ledger (`arb.market.ids`): by its key until `start`, then the venue's id."""
    former_ids: tuple[str, ...]
    """Its other names, known from `start` on: by its key, where the venue reports an id."""

    @property
    def expiry_proved(self) -> bool | None:
        """Return whether the venue is known to refuse an expired order of this account, as a sandbox does.

        None where that was not observed; False, from `start` on, where the venue documents no expiry for an account of
        its kind.
        """

    @property
    def listed(self) -> Collection[str]:
        """Return all symbols of the venue's latest listing, traded or not; none before it was read."""

    async def start(self) -> None:
        """Set the clock, load markets, check the key and learn its owner; raises `VenueError` when it cannot be used."""

    async def close(self) -> None: ...

    def value_sales(self, price: SalePrice) -> None:
        """Let the guard of the signer, where there is one, value sales by this price; before that it signs none."""

    def allow(self, symbols: Iterable[str]) -> None:
        """Let the guard of the signer, where there is one, also sign orders in these symbols from now on."""

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an entry ready to be sent: take its rate slot, without waiting, and sign it; or return why not."""

    def prefetch(self, symbol: str) -> None:
        """Read all data for writing and sending an entry in a symbol, so that it is in the processor's caches.

        This makes what can be made ahead. Nothing is written, signed, counted or sent.
        """

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Send one order; an entry never waits for rate slots, a repair may."""

    async def cancel(self, command: CancelOrder) -> CancelAnswered: ...

    async def cancel_many(self, commands: Sequence[CancelOrder]) -> tuple[CancelAnswered, ...]:
        """Ask for several cancels with as few requests as the venue allows; one answer for each."""

    async def query_order(self, command: QueryOrder) -> OrderQueried:
        """Query one order in open orders, finished orders and fills, all pages since `since_ns`."""

    async def snapshot_account(self, command: SnapshotAccount) -> AccountSnapshotTaken:
        """Read the whole account: open orders, orders and fills since `since_ns`, transfers, all pages."""

    async def arm_dead_man(self, timeout_s: int) -> bool:
        """Have the venue cancel everything that rests after `timeout_s` (0: disarm); False where it has no such switch.

        Raises `VenueError` when the venue did not take it.
        """

    async def balances(self) -> BalancesReported:
        """Read all balances; raises `VenueError` when they cannot be read."""

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Read rules and the account's own fees for those of `symbols` the venue lists."""

    async def currencies(self, assets: tuple[str, ...]) -> CurrenciesListed | None:
        """Read `assets` in the venue's currency list; None where it may not be asked. Raises `VenueError`."""

    async def measure_clock(self) -> ClockMeasured:
        """Compare the venue's clock with ours, corrected by half the round trip."""

    async def clock_suspected(self) -> None:
        """Wait until the venue reports that our request was out of time; several at once count as one."""

    async def run_private(self, listener: EventListener) -> None:
        """Keep the private stream up until cancelled: orders, fills, balances, `PrivateUp`, `PrivateDown`."""
