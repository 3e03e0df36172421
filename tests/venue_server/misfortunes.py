"""What goes wrong: asked for by name (`strike`), or drawn from a seed (`mixed`).

    cut            one connection ends without a word                  stall       one connection is silent for `for_s`
    gap            one frame of one book is not sent                   stall_book  one book is not pushed for `for_s`
    mute           a book is acknowledged from now on and not served   unmute      the opposite
    upgrade        the notice, and after `for_s` (30) the close        daily       the close that comes every 24 hours
    tick           a book's prices get one decimal more                suspended   a symbol stops trading
    delisting      a symbol's end is announced                         slow        answers over REST take `wait_s` for `for_s`
    unavailable    HTTP 503 for `for_s`, connecting included           restricted  HTTP 451 likewise
    garbage        one connection gets a frame that is no JSON         old         the next snapshot is dated 40 s back
    delisted       a symbol is gone: listing, book and subscriptions   unreadable  the lot of a listed row is no number
    listed         a symbol that is gone is listed anew, with its book
    maintenance    the notice on all connections, after `wait_s` they end, and then `unavailable`
    clock          the venue's clock is `wait_s` ahead of the time for `for_s`, in frames and answers
    snapshots      answers with fetched books are spoilt for `for_s`: `answer` says how (`fetched.SPOILT`)
    restart        the service of the books restarts: their numbers begin again (Bybit)
    weight         others at this address have used `for_s` of the minute's weight (Binance)
    ban            the address is banned for `for_s` (Binance)
    full           from now on the whole book is pushed first at a subscription, where it otherwise is not

`connection` names one by its number; else the oldest is struck. `symbol` is the venue's own name of it.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.venue_server.binance import Binance
from tests.venue_server.bybit import Bybit
from tests.venue_server.fetched import SPOILT, FetchedServer
from tests.venue_server.gate_eu import GateEu
from tests.venue_server.session import Session
from tests.venue_server.venue import VenueServer

LISTING = ("tick", "suspended", "delisting", "unreadable")
LASTING = (
    *("mute", "unmute", "suspended", "restricted", "delisted", "listed", "unreadable", "maintenance", "clock"),
    *("snapshots", "full", "restart", "weight", "ban"),
)
"""Not drawn by chance: what nobody recovers from by waiting, what takes a venue away for minutes, what only one venue knows."""


class Refusal(ValueError):
    """What was asked for cannot be done; the text says why."""


@dataclass(frozen=True)
class Asked:
    """One misfortune: `what` and its particulars."""

    what: str
    symbol: str | None
    connection: int | None
    for_s: float
    wait_s: float
    answer: str = ""


def asked(body: Mapping[str, Any]) -> Asked:
    """Read what somebody asked for; raises `Refusal`."""
    known = {"venue", "what", "symbol", "connection", "for_s", "wait_s", "answer"}
    if unknown := sorted(set(body) - known):
        raise Refusal(f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    what = body.get("what")
    if what not in ACTIONS:
        raise Refusal(f"what: {what!r} is none of {', '.join(ACTIONS)}")
    for_s, wait_s = float(body.get("for_s", 30)), float(body.get("wait_s", 2))
    return Asked(what, body.get("symbol"), body.get("connection"), for_s, wait_s, str(body.get("answer", "")))


def strike(venue: VenueServer, wish: Asked) -> None:
    """Let it happen at a venue; raises `Refusal` when there is no such symbol or connection."""
    ACTIONS[wish.what](venue, wish)


async def mixed(
    venues: Mapping[str, VenueServer], rng: random.Random, every_s: float, report: Callable[[str], None]
) -> None:
    """Let something go wrong somewhere about every `every_s` seconds, until cancelled; nothing that lasts for ever."""
    while True:
        await asyncio.sleep(rng.expovariate(1 / every_s))
        open_now = {
            name: (sorted(venue.sessions), venue.watched()) for name, venue in venues.items() if venue.watched()
        }
        if open_now:
            name, wish = drawn(rng, open_now)
            strike(venues[name], wish)
            report(f"{name} {wish.what} {wish.symbol} connection {wish.connection} for {wish.for_s:.1f} s")


def drawn(rng: random.Random, open_now: Mapping[str, tuple[list[int], list[str]]]) -> tuple[str, Asked]:
    """Draw a venue and what happens there, given the connections and the books watched at each."""
    name = rng.choice(sorted(open_now))
    connections, natives = open_now[name]
    what = rng.choice([what for what in ACTIONS if what not in LASTING])
    times = {"for_s": rng.uniform(5, 30), "wait_s": rng.uniform(0.5, 5)}
    return name, Asked(what, rng.choice(natives), rng.choice(connections), times["for_s"], times["wait_s"])


def _symbol(venue: VenueServer, wish: Asked) -> str:
    if wish.symbol not in venue.channels:
        raise Refusal(f"symbol: {venue.name} has no book of {wish.symbol!r}; name it as the venue does")
    return str(wish.symbol)


def _session(venue: VenueServer, wish: Asked) -> Session:
    number = min(venue.sessions, default=0) if wish.connection is None else wish.connection
    if number not in venue.sessions:
        raise Refusal(f"connection: {venue.name} has {sorted(venue.sessions) or 'none'}")
    return venue.sessions[number]


def _gap(venue: VenueServer, wish: Asked) -> None:
    venue.skips[_symbol(venue, wish)] += 1


def _stall_book(venue: VenueServer, wish: Asked) -> None:
    venue.stalled_until_s[_symbol(venue, wish)] = venue.clock.monotonic_s() + wish.for_s


def _mute(venue: VenueServer, wish: Asked) -> None:
    venue.muted.add(_symbol(venue, wish))


def _unmute(venue: VenueServer, wish: Asked) -> None:
    venue.muted.discard(_symbol(venue, wish))


def _upgrade(venue: VenueServer, wish: Asked) -> None:
    session = _session(venue, wish)
    if notice := venue.upgrade_frame(session):
        session.send(notice)
    asyncio.get_running_loop().call_later(wish.for_s, session.end)


def _listing(venue: VenueServer, wish: Asked) -> None:
    channel = venue.channels[_symbol(venue, wish)]
    venue.change_listing(venue.row_of(channel.native), wish.what)
    if wish.what == "tick":
        channel.make_finer()
    channel.halted = channel.halted or wish.what == "suspended"


def _listed(venue: VenueServer, wish: Asked) -> None:
    if wish.symbol not in venue.gone:
        raise Refusal(f"symbol: {venue.name} has dropped {', '.join(venue.gone) or 'none'}")
    venue.list_anew(str(wish.symbol))


def _outage(status: int) -> Callable[[VenueServer, Asked], None]:
    def begin(venue: VenueServer, wish: Asked) -> None:
        until_s = venue.clock.monotonic_s() + wish.for_s
        if venue.outage is None or venue.outage[1] < until_s:  # a shorter one ends no longer one
            venue.outage = status, until_s

    return begin


def _maintenance(venue: VenueServer, wish: Asked) -> None:
    for session in venue.sessions.values():
        if notice := venue.upgrade_frame(session):
            session.send(notice)

    def begin() -> None:
        _outage(503)(venue, wish)
        for session in list(venue.sessions.values()):
            session.end()

    asyncio.get_running_loop().call_later(wish.wait_s, begin)


def _clock(venue: VenueServer, wish: Asked) -> None:
    venue.skew = round(wish.wait_s * 1000), venue.clock.monotonic_s() + wish.for_s


def _slow(venue: VenueServer, wish: Asked) -> None:
    venue.slow = wish.wait_s, venue.clock.monotonic_s() + wish.for_s


def _eu(venue: VenueServer) -> GateEu:
    if not isinstance(venue, GateEu):
        raise Refusal(f"{venue.name} pushes whole books; no snapshot of it is fetched")
    return venue


def _restart(venue: VenueServer, wish: Asked) -> None:
    if not isinstance(venue, Bybit):
        raise Refusal(f"{venue.name}'s numbers never begin again")
    venue.restart()


def _binance(venue: VenueServer) -> Binance:
    if not isinstance(venue, Binance):
        raise Refusal(f"{venue.name} weighs no requests")
    return venue


def _snapshots(venue: VenueServer, wish: Asked) -> None:
    if not isinstance(venue, FetchedServer):
        raise Refusal(f"{venue.name} pushes whole books; no snapshot of it is fetched")
    try:
        venue.spoil(wish.answer, wish.for_s)
    except KeyError:
        raise Refusal(f"answer: {wish.answer!r} is none of {', '.join(SPOILT)}") from None


def _full(venue: VenueServer, wish: Asked) -> None:
    _eu(venue).full_first = True


def _old(venue: VenueServer, wish: Asked) -> None:
    venue.old_snapshots += 1


ACTIONS: dict[str, Callable[[VenueServer, Asked], None]] = {
    "cut": lambda venue, wish: _session(venue, wish).cut(),
    "gap": _gap,
    "stall": lambda venue, wish: _session(venue, wish).stall(wish.for_s),
    "stall_book": _stall_book,
    "mute": _mute,
    "unmute": _unmute,
    "upgrade": _upgrade,
    "daily": lambda venue, wish: _session(venue, wish).end(),
    **dict.fromkeys(LISTING, _listing),
    "slow": _slow,
    "unavailable": _outage(503),
    "restricted": _outage(451),
    "delisted": lambda venue, wish: venue.delist(_symbol(venue, wish)),
    "listed": _listed,
    "maintenance": _maintenance,
    "clock": _clock,
    "garbage": lambda venue, wish: _session(venue, wish).send('{"channel":"spot.obu","result":{"t":17'),
    "old": _old,
    "snapshots": _snapshots,
    "full": _full,
    "restart": _restart,
    "weight": lambda venue, wish: _binance(venue).use(int(wish.for_s)),
    "ban": lambda venue, wish: _binance(venue).ban(wish.for_s),
}
