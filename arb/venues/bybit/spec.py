"""Bybit as a value: API v5, public spot data only, and its codes as data.

Numbers from Bybit API v5 ("Connect", "Rate limit rules"), codes from "Error codes". What is not listed is unknown for an order;
`rules/outcome.py` says how such rows are read.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from arb.market.order import Outcome
from arb.venues.kit.endpoints import GLOBAL, ConnectionTiming, Environment, Site, VenueEndpoint
from arb.venues.kit.rules.outcome import KeyTrouble, OutcomePolicy, Row, ShutOut, VenueReply, table_of
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

_FUNDS = "110004 110007 110012 110045 170033 170131"
_ROWS: tuple[Row, ...] = (
    (
        "10000 10016 170007 170146",
        Outcome.UNKNOWN,
        Trouble.FAULT,
        "timed out or failed inside: the order may have been taken",
    ),
    (
        "110072 170141",
        Outcome.UNKNOWN,
        Trouble.REFUSED,
        "the client order id is taken: an earlier request got through",
    ),
    ("10006 10018", Outcome.REJECTED, Trouble.BUSY, "rate limited before it was executed"),
    ("10002", Outcome.REJECTED, Trouble.CLOCK, "late, or clocks apart: refused at the door"),
    ("10003 10004 33004", Outcome.REJECTED, Trouble.AUTH, "key or signature is refused or expired"),
    ("10009 10010", Outcome.REJECTED, Trouble.AUTH, "this address may not use the key"),
    ("10005", Outcome.REJECTED, Trouble.AUTH, "the key lacks the permission"),
    ("10001", Outcome.REJECTED, Trouble.REFUSED, "malformed: refused before matching"),
    (
        _FUNDS,
        Outcome.REJECTED,
        Trouble.REFUSED,
        "the balance does not cover it",
    ),
    (
        "110094 170136 170140 170193",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "price, size or value breaks a rule: refused before matching",
    ),
    ("170218", Outcome.REJECTED, Trouble.REFUSED, "may not take, and would have: ended with nothing filled"),
    (
        "110001 170213",
        Outcome.REJECTED,
        Trouble.REFUSED,
        "no such order: for a cancel it may have ended, so its fill is asked for",
    ),
)


def _reply(status: int, body: Any) -> VenueReply | None:
    if not isinstance(body, dict) or not isinstance(body.get("retCode"), int) or isinstance(body["retCode"], bool):
        return None
    if body["retCode"] == 0:
        return VenueReply(None, "") if 200 <= status < 300 else None
    return VenueReply(str(body["retCode"]), str(body.get("retMsg") or ""))


POLICY = OutcomePolicy(
    "bybit",
    table_of(_ROWS),
    _reply,
    _reply,
    funds_codes=frozenset(_FUNDS.split()),
    # "403, access too frequent": all requests are to end for ten minutes ("Rate Limit Rules", "IP Limit").
    key_troubles={
        "10002": KeyTrouble.CLOCK,
        "10003": KeyTrouble.KEY,
        "33004": KeyTrouble.KEY,
        "10004": KeyTrouble.SECRET,
        "10005": KeyTrouble.RIGHTS,
        "10009": KeyTrouble.ADDRESS,
        "10010": KeyTrouble.ADDRESS,
    },
    shut_out=ShutOut(403, b"access too frequent", 600.0),
)


NAME = "bybit"


def _make_currencies() -> "CurrencyReader":
    from arb.venues.bybit.currencies import READER

    return READER


def _make_books(seats: "Mapping[str, BookSeat]", arena: "BookArena") -> "BookFeed":
    from arb.venues.bybit.books import BybitFeed

    return BybitFeed(seats, arena)


def _make_tape(seats: "Mapping[str, BookSeat]", arena: "BookArena | None") -> "WireFeed":
    from arb.venues.bybit.books import BybitFeed

    return BybitFeed(seats, arena, tape=True)


def _make_dialect() -> "PublicDialect":
    from arb.venues.bybit.dialect import BybitDialect

    return BybitDialect()


def _make_keyed() -> "KeyedDialect":
    from arb.venues.bybit.dialect import BybitDialect

    return BybitDialect(has_key=True)


def _site(environment: Environment, region: str, rest: str, ws: str) -> Site:
    endpoint = VenueEndpoint(rest=rest, ws_public=f"{ws}/v5/public/spot")
    return Site(environment=environment, region=region, endpoint=endpoint)


SPEC = VenueSpec(
    name=NAME,
    title="Bybit API v5",
    code_word="`retCode`",
    products=(Product.SPOT,),
    sites=(
        _site(Environment.PRODUCTION, GLOBAL, "https://api.bybit.com", "wss://stream.bybit.com"),
        # The EEA, Turkey, Kazakhstan, Georgia and Indonesia: the hosts of their accounts ("Integration Guidance", "Connect").
        _site(Environment.PRODUCTION, "eu", "https://api.bybit.eu", "wss://stream.bybit.eu"),
        _site(Environment.PRODUCTION, "tr", "https://api.bybit.tr", "wss://stream.bybit.tr"),
        _site(Environment.PRODUCTION, "kz", "https://api.bybit.kz", "wss://stream.bybit.kz"),
        _site(Environment.PRODUCTION, "ge", "https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge"),
        _site(Environment.PRODUCTION, "id", "https://api.bybit.id", "wss://stream.bybit.id"),
        _site(Environment.TESTNET, GLOBAL, "https://api-testnet.bybit.com", "wss://stream-testnet.bybit.com"),
        # Demo trading has production's prices, from production's stream.
        _site(Environment.DEMO, GLOBAL, "https://api-demo.bybit.com", "wss://stream.bybit.com"),
    ),
    # The topics of one connection may be 21,000 characters long, those of 200 books are a quarter of that.
    connections=ConnectionLimits(books_per_connection=200, connects=500, connects_window_s=300),
    stream=ConnectionTiming(heartbeat_s=10.0, silence_s=25.0, send_gap_s=0.02),
    # Bybit API v5, "Get Tickers": `turnover24h` is in quote.
    tickers=TickerForm(
        api=("public",),
        path="v5/market/tickers",
        params={"category": "spot"},
        rows=("result", "list"),
        native="symbol",
        bid="bid1Price",
        bid_size="bid1Size",
        ask="ask1Price",
        ask_size="ask1Size",
        volume="turnover24h",
    ),
    outcomes=POLICY,
    public_taker_fee=Decimal("0.001"),  # VIP 0, spot
    make_books=_make_books,
    make_currencies=_make_currencies,
    # Inverse perpetuals, quoted in USD, count their sizes in contracts.
    tapes=(TapeDialect(name=NAME, make=_make_tape, contracts_quotes=frozenset({"USD"})),),
    # 600 requests per 5 s and address, over all endpoints; who goes beyond gets HTTP 403 and waits for ten minutes.
    reading=Reading(pace=Budget(5, 500), make=_make_dialect),
    # Bybit API v5, "Get Coin Info": 5 a second and user; "Get API Key Information": 10.
    currency_key=CurrencyKey(
        questions=frozenset(
            {
                ("public", "v5/market/time"),
                ("private", "v5/user/query-api"),
                ("private", "v5/asset/coin/query-info"),
            }
        ),
        roots={"public": "", "private": ""},
        pace=Budget(4, 1000),
        make=_make_keyed,
    ),
)
