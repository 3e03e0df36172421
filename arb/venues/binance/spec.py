"""Binance as a value: public spot data only, and its codes as data.

Numbers from Binance spot, "WebSocket Streams", "General information"; codes from "Error codes". Binance files a repeated client
order id under the same code as every other refusal of a new order and marks it in the message only, so that is read, too.
What is not listed is unknown for an order; `rules/outcome.py` says how such rows are read.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arb.market.order import Outcome
from arb.venues.kit.endpoints import ConnectionTiming, Environment, Site, VenueEndpoint
from arb.venues.kit.rules.outcome import KeyTrouble, OutcomePolicy, Row, VenueReply, table_of
from arb.venues.kit.rules.pacing import Budget
from arb.venues.kit.rules.retry import Trouble
from arb.venues.kit.spec import ConnectionLimits, CurrencyKey, Product, Reading, TapeDialect, VenueSpec
from arb.venues.kit.tickers import TickerForm

if TYPE_CHECKING:
    from arb.market.arena import BookArena
    from arb.market.feed import BookFeed, BookSeat
    from arb.venues.books.plain.base import WireFeed
    from arb.venues.kit.currencies import CurrencyReader
    from arb.venues.kit.dialect import KeyedDialect, PublicDialect

_ROWS: tuple[Row, ...] = (
    ("-1006,-1007", Outcome.UNKNOWN, Trouble.FAULT, "no answer from inside in time: execution is not known"),
    (
        "-1000,-1001,-1008",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "failed, cut off or overloaded inside: nothing proves that the order was not taken",
    ),
    (
        "-2010 duplicate",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the client order id is taken (stated in the message only): an earlier request got through",
    ),
    ("-1003,-1015", Outcome.REJECTED, Trouble.BUSY, "rate limited before it was executed"),
    ("-1021", Outcome.REJECTED, Trouble.CLOCK, "late, or clocks apart: refused at the door"),
    ("-1022,-1002,-2014,-2015", Outcome.REJECTED, Trouble.AUTH, "key, address, permission or signature is refused"),
    (
        "-1013,-1100,-1101,-1102,-1111,-1121",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "malformed, off a step or below a minimum: refused before matching",
    ),
    ("-2010", Outcome.REJECTED, Trouble.REFUSED, "the new order was refused; the message gives the reason"),
    (
        "-2011,-2013",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)


def _read_reply(status: int, body: Any) -> VenueReply | None:
    if isinstance(body, dict) and isinstance(body.get("code"), int) and body["code"] < 0:
        code, text = str(body["code"]), str(body.get("msg") or "")
        return VenueReply("-2010 duplicate" if code == "-2010" and "duplicate" in text.lower() else code, text)
    return VenueReply(None, "") if 200 <= status < 300 and isinstance(body, (dict, list)) else None


def _write_reply(status: int, body: Any) -> VenueReply | None:
    reply = _read_reply(status, body)
    # The success of an order names it; without its number nothing is proved.
    return None if reply is not None and reply.code is None and "orderId" not in body else reply


POLICY = OutcomePolicy(
    "binance",
    table_of(_ROWS, split=","),
    _write_reply,
    _read_reply,
    key_troubles={
        "-1021": KeyTrouble.CLOCK,
        "-1022": KeyTrouble.SECRET,
        "-2014": KeyTrouble.KEY,
        "-2015": KeyTrouble.KEY_OR_ADDRESS,  # "Invalid API-key, IP, or permissions for action"
        "-1002": KeyTrouble.RIGHTS,
    },
)


NAME = "binance"
FUTURES = "binance_futures"
"""The name of recorded USDT-margined perpetuals."""


def _make_currencies() -> "CurrencyReader":
    from arb.venues.binance.currencies import READER

    return READER


def _make_books(seats: "Mapping[str, BookSeat]", arena: "BookArena") -> "BookFeed":
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed(seats, arena)


def _make_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed(seats, arena, venue=NAME, tape=True)


def _make_futures_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.binance.books import BinanceFeed

    return BinanceFeed(seats, arena, venue=FUTURES, tape=True)


def _make_dialect() -> "PublicDialect":
    from arb.venues.binance.dialect import BinanceDialect

    return BinanceDialect()


def _make_keyed() -> "KeyedDialect":
    from arb.venues.binance.dialect import BinanceDialect

    return BinanceDialect(has_key=True)


def _site(environment: Environment, rest: str, ws: str) -> Site:
    return Site(environment=environment, endpoint=VenueEndpoint(rest=rest, ws_public=f"{ws}/stream"))


SPEC = VenueSpec(
    name=NAME,
    title="Binance spot",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, "https://api.binance.com", "wss://stream.binance.com:9443"),
        _site(Environment.TESTNET, "https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
        _site(Environment.DEMO, "https://demo-api.binance.com", "wss://demo-stream.binance.com"),
    ),
    # 1024 streams a connection, two for each book. Its pongs count among the 5 messages a second, so ours are fewer.
    connections=ConnectionLimits(books_per_connection=200, messages_per_s=5, connects=300, connects_window_s=300),
    stream=ConnectionTiming(heartbeat_s=10.0, silence_s=25.0, send_gap_s=0.3, lifetime_s=24 * 3600),
    weight_per_minute=6000,
    # One of 100 levels weighs 5, so that they take three quarters of the 6000 an address has in a minute. Nothing else bounds
    # how fast they may follow one another, and books that are lost together are to be back soon.
    snapshots=Budget(900, 60_000),
    # Binance spot, "24hr ticker price change statistics": weight 80 of 6000 a minute for all symbols.
    tickers=TickerForm(
        api=("public",),
        path="api/v3/ticker/24hr",
        native="symbol",
        bid="bidPrice",
        bid_size="bidQty",
        ask="askPrice",
        ask_size="askQty",
        volume="quoteVolume",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.001"),  # regular user, spot, without BNB
    make_books=_make_books,
    make_currencies=_make_currencies,
    tapes=(TapeDialect(name=NAME, make=_make_tape), TapeDialect(name=FUTURES, make=_make_futures_tape)),
    reading=Reading(pace=Budget(2, 500), make=_make_dialect),
    # Binance wallet, "All Coins' Information": weight 10 of the 12,000 that an address has in a minute under `/sapi`, which are
    # counted apart from `/api`; "Get API Key Permission": weight 1. Test networks have no `/sapi`.
    currency_key=CurrencyKey(
        questions=frozenset(
            {("public", "api/v3/time"), ("sapi", "account/apiRestrictions"), ("sapi", "capital/config/getall")}
        ),
        roots={"public": "", "sapi": "/sapi/v1"},
        pace=Budget(4, 1000),
        make=_make_keyed,
    ),
)
