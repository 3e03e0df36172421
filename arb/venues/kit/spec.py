"""A venue as one value: everything the rest of the engine must know of it, and the makers of its parts.

Each folder `arb/venues/<name>/` holds one `spec.py` with one `SPEC`; `registry.py` lists them, and no other module
names a venue. Numbers are from the venues' own documents, named next to them. Makers import late: a command that only
reads settings or history must not load the libraries of any venue.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from arb.clock import Clock
from arb.venues.kit.currencies import CurrencyForm
from arb.venues.kit.endpoints import GLOBAL, Credentials, Environment, Site
from arb.venues.kit.rules.key_rights import KeyRights
from arb.venues.kit.rules.outcome import OutcomePolicy
from arb.venues.kit.rules.pacing import Budget, PacingLimits
from arb.venues.kit.tickers import TickerForm
from arb.venues.transport.address import Address, ConnectionTiming, fixed
from arb.venues.transport.http import HttpTransport

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookFeed, BookSeat
    from arb.venues.books.plain.base import WireFeed
    from arb.venues.kit.ccxt_client import Signer
    from arb.venues.kit.dialect import KeyedDialect, TradeDialect
    from arb.venues.kit.order_socket import SocketDialect
    from arb.venues.kit.private_dialect import PrivateDialect
    from arb.venues.kit.rules.guard import SigningGuard


class Product(StrEnum):
    SPOT = "spot"


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's limits on websockets; 0 where it documents no bound.

    `connects` connection attempts per `connects_window_s` and address; `subscriptions_per_hour` counts subscribing,
    unsubscribing and logging in on one connection.
    """

    books_per_connection: int = 0
    messages_per_s: int = 0
    subscriptions_per_hour: int = 0
    connects: int = 0
    connects_window_s: int = 0


class TradingParts(NamedTuple):
    """The parts for one account: the REST language, the private stream, and the client that signs.

    `ws_private`: the address of its private stream, if not that of the site. `enforces_expiry`: False where the venue
    documents no expiry for accounts of this kind.
    """

    dialect: "TradeDialect"
    private: "PrivateDialect"
    signer: "Signer"
    ws_private: str | None = None
    enforces_expiry: bool = True


class FeedClass(Protocol):
    """Makes the reader of one public connection, which writes the books in `seats` into `arena`.

    With `tape` it rebuilds all books that a tape holds, whose frames may be of a dialect that no live connection uses
    any more.
    """

    def __call__(
        self, *, venue: str, seats: "Mapping[str, BookSeat]", arena: "BookArena | None", tape: bool
    ) -> "WireFeed": ...


class TradingMaker(Protocol):
    def __call__(self, site: Site, credentials: Credentials, clock: Clock, guard: "SigningGuard") -> TradingParts:
        """Return the parts; signed requests pass `guard`, and every request has the headers of `site`."""


AddressMaker = Callable[[Site, Callable[[], HttpTransport]], Address]
"""Makes the address of a connection: fixed by the site, or asked for before each one, by requests with the site's
headers; the second argument makes the carrier of these requests, which its caller closes.
"""


def _public_address(site: Site, carrier: Callable[[], HttpTransport]) -> Address:
    return fixed(site.endpoint.ws_public)


def _private_address(site: Site, carrier: Callable[[], HttpTransport]) -> Address:
    return fixed(site.endpoint.ws_private)


OrderSocketMaker = Callable[[TradingParts, Site, Credentials], "SocketDialect"]


class Trading(msgspec.Struct, frozen=True, kw_only=True):
    """How orders go to a venue.

    `enforces_expiry`: the venue itself refuses a placement whose expiry has passed, whenever it checks it (REST).
    `socket_enforces_expiry`: the same over its order websocket; not where it checks an expiry only on receipt.
    `other_accounts`: where accounts of several kinds need different dialects: the maker of the parts for each kind, by
    the code with which the venue refuses a request in the wrong dialect.
    """

    pacing: PacingLimits
    rights: KeyRights
    enforces_expiry: bool
    make: TradingMaker
    other_accounts: Mapping[str, TradingMaker] = {}
    has_passphrase: bool = True
    make_order_socket: OrderSocketMaker | None = None
    socket_enforces_expiry: bool = False


class CurrencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """How a currency list is asked for that the venue shows only to a key.

    `questions`: all requests ever sent with it, GET each, as ccxt's (API, path); one is for the venue's clock. `roots`:
    the part between the site's REST address and the path, by ccxt's API. `pace`: how many requests of one kind may be
    sent. `make`: its language, with a key.
    """

    questions: frozenset[tuple[str, str]]
    roots: Mapping[str, str]
    pace: Budget
    make: "Callable[[], KeyedDialect]"


class TapeDialect(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect of recorded frames, under the name that tape lines carry as their `venue`.

    `contracts`: its sizes are counted in contracts, so it is rebuilt but not traded. `contracts_quotes`: only in these
    quotes. `display_only`: rebuilt and never traded on.
    """

    name: str
    books: Callable[[], FeedClass]
    contracts: bool = False
    contracts_quotes: frozenset[str] = frozenset()
    display_only: bool = False

    def make(self, seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
        return self.books()(venue=self.name, seats=seats, arena=arena, tape=True)


class SignatureReport(Protocol):
    """Shows how one request is signed, without sending it; every part is taken literally."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: str,
        body: str,
        timestamp: str | None,
        environ: Mapping[str, str],
        clock: Clock,
        any_write: bool = False,
    ) -> dict[str, Any]:
        """Return the steps of the signature; raises `ConfigError` for bad input.

        Writes that do more than trade are signed with `any_write` only.
        """


class SignatureHelp(msgspec.Struct, frozen=True):
    report: SignatureReport
    help: str


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One venue. `title` names its document; `code_word` is its word for codes; `signature` where `arb sign` can show how a
    request is signed; `snapshots`: how often one address may fetch the snapshots of books, where it has to;
    `public_taker_fee`: the taker fee of its public schedule at low volume, as a ratio, which is paper's default;
    `weight_per_minute`: the greatest weight of all requests of one address, where it counts so; `tickers`: how it is asked
    for all best quotes and volumes at once; `currencies`: how its currency list is written; `currency_key`: how that is
    asked for where it needs a key; `used_by_default`: whether it is enabled in the settings without a word.
    """

    name: str
    title: str
    products: tuple[Product, ...]
    sites: tuple[Site, ...]
    connections: ConnectionLimits
    outcomes: OutcomePolicy
    public_taker_fee: Decimal
    books: Callable[[], FeedClass]
    trading: Trading
    tapes: tuple[TapeDialect, ...]
    public_address: AddressMaker = _public_address
    private_address: AddressMaker = _private_address
    stream: ConnectionTiming = ConnectionTiming()
    snapshots: Budget | None = None
    weight_per_minute: int = 0
    tickers: TickerForm | None = None
    code_word: str = "code"
    signature: SignatureHelp | None = None
    currencies: CurrencyForm | None = None
    currency_key: CurrencyKey | None = None
    used_by_default: bool = True

    def make_books(self, seats: "Mapping[str, BookSeat]", arena: "BookArena") -> "BookFeed":
        return self.books()(venue=self.name, seats=seats, arena=arena, tape=False)

    def site(self, environment: Environment, region: str = GLOBAL) -> Site | None:
        return next((s for s in self.sites if (s.environment, s.region) == (environment, region)), None)

    @property
    def production(self) -> Site:
        return next(site for site in self.sites if site.environment is Environment.PRODUCTION)
