"""The two narrow doors through which a venue is reached: a feed of raw public frames, and a gateway for orders.

Whatever stands behind them (a real venue, the sandbox over loopback, an in-memory simulator) speaks in events.
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
    """An order that was made ready to leave."""

    def leave(self) -> None:
        """Hand it over, once, and do nothing else: whatever this raises, it may have left."""

    def answer(self) -> Coroutine[Any, Any, PlaceAnswer]:
        """Return what waits for what became of it; asked for once, after `leave`."""


class FrameListener(Protocol):
    """Takes every public frame, in order of receipt, on the loop's thread."""

    def __call__(self, connection: str, received_ns: int, raw: bytes, url: str = "", /) -> None:
        """Take a frame of the connection of that name; with a `url`, the body fetched from there for one of its books."""


class MarketFeed(Protocol):
    """One public connection of one venue, kept up until cancelled; `connection` is its name."""

    venue: str
    connection: str

    async def run(self, on_read: Callable[[], None]) -> None:
        """Connect, subscribe, hand over frames, reconnect with back-off; returns only when cancelled.

        `on_read` is called each time all frames that came at once were handed over, in the same turn of the loop.
        """

    def resync(self, native_symbol: str, by: ResyncBy = ResyncBy.RESUBSCRIBE) -> None:
        """Ask for a clean snapshot of one book; repeated asks while one is under way change nothing."""

    def on_notice(self, notice: Notice) -> None:
        """Take what a control frame of this connection says: a confirmation, a refusal, that the venue is about to end it."""

    def add_book(self, native_symbol: str) -> None:
        """Subscribe to one more book, now and after every reconnect; one that is subscribed already changes nothing."""

    def retire_book(self, native_symbol: str) -> None:
        """End the subscription of a book for good; one that is not subscribed changes nothing."""

    def unread(self) -> bool:
        """Return whether received bytes still wait to be handed over."""


class OrderGateway(Protocol):
    """One account at one venue. No method raises for what a venue does: the answer is always an event."""

    venue: str
    account_id: str
    """What journal and ledger call the account (`arb.market.ids`): by its key until `start`, then as the venue does."""
    former_ids: tuple[str, ...]
    """What else it was called, known from `start` on: by its key, where the venue reports an id of its own."""

    @property
    def expiry_proved(self) -> bool | None:
        """Return whether the venue is known to refuse an expired order of this account, as a sandbox does.

        None where nobody has seen it; False, from `start` on, where the venue documents no expiry for an account of its kind.
        """

    @property
    def listed(self) -> Collection[str]:
        """Return all symbols of the venue's listing as it was read last, whoever trades them; none before it was."""

    async def start(self) -> None:
        """Set the clock, load markets, check the key and learn whose it is; raises `VenueError` when it cannot be used."""

    async def close(self) -> None:
        """Release sockets."""

    def value_sales(self, price: SalePrice) -> None:
        """Let the guard beside the signer, where there is one, value sales by this price; before that it signs none."""

    def allow(self, symbols: Iterable[str]) -> None:
        """Let the guard beside the signer, where there is one, let orders in these symbols leave, too, from now on."""

    def prepare(self, command: PlaceOrder) -> Departure | OrderRejected:
        """Make an entry ready to leave: take its rate slot, without waiting, and sign it; or say why it cannot leave."""

    def prefetch(self, symbol: str) -> None:
        """Read all that an entry in a symbol would be written with and leave on, so that it is in the processor's caches.

        What of it can be made ahead is made. Nothing is written, signed, counted or sent.
        """

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """Send one order; an entry never waits for rate slots, a repair may."""

    async def cancel(self, command: CancelOrder) -> CancelAnswered:
        """Ask for a cancel."""

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
        """Read what the venue's currency list says of `assets`; None where nobody may ask it. Raises `VenueError`."""

    async def measure_clock(self) -> ClockMeasured:
        """Compare the venue's clock with ours, corrected by half the round trip."""

    async def clock_suspected(self) -> None:
        """Wait until the venue says of a request of ours that it was out of time; several at once count as one."""

    async def run_private(self, listener: EventListener) -> None:
        """Keep the private stream up until cancelled: orders, fills, balances, `PrivateUp`, `PrivateDown`."""
