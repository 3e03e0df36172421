"""The answer to "may anything open now, and if not, why": the one that status, screen, page, metrics and doctor show.

Blocks, halts and the limits on a day are looked up. Where none of them holds everywhere, every route is asked in turn until
one may open, by the checks of each pair (`core/risk/blockers.py`, `core/risk/limits.py`), for the smallest
legal pair. Prices, sizes and balances are left out: they decide about single pairs.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from decimal import Decimal, localcontext
from itertools import permutations

import msgspec

from arb.clock import utc_text
from arb.core.messages.incidents import some
from arb.core.messages.reasons import Reason
from arb.core.messages.settings import Limits
from arb.core.risk.blockers import Blockers
from arb.core.risk.day_limits import DayLimit, day_end_ns, of_day
from arb.core.risk.limits import MOST_PAIRS, breached
from arb.core.state.blocks import Block, Source
from arb.core.state.control import Control, TradingState
from arb.core.state.engine_state import EngineState
from arb.core.trades.table import TradeTable
from arb.market.numbers import DECIMALS, ZERO
from arb.market.route import Route

ROUTES_A_PART = 200
OF_THE_MOMENT = frozenset(
    {
        Reason.GAPPED_BOOK,
        Reason.STALE_BOOK,
        Reason.FEED_LAG,
        Reason.FEED_BACKLOG,
        Reason.CROSSED_BOOK,
        Reason.BOOK_SKEW,
        Reason.OWN_IMPACT,
    }
)
"""Reasons that come and go with the frames of books."""
RAMP = "ramp"
NO_ROUTE = "no_route"


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that stops openings, everywhere or only in the part that `where` names.

    `cause`: a limit's key, a block's source, or a code of `Reason`. `used` and `limit` are in the limit's unit, None without
    one; `text` goes on from them. `until_ns`: when it ends by itself, None: not known. `ends`: its end or remedy.
    """

    cause: str
    text: str
    ends: str
    where: str = ""
    limit: Decimal | None = None
    used: Decimal | None = None
    until_ns: int | None = None


class Openings(msgspec.Struct, frozen=True):
    """The state in one word, and all causes that stop openings: those that hold everywhere first."""

    state: TradingState
    stops: tuple[Stop, ...]


def known_stops(control: Control, limits: Limits, now_ns: int) -> list[Stop]:
    """Return the causes that are known without a look at routes: blocks, halts among them, and the limits on the day."""
    of_source: dict[Source, list[Block]] = {}
    for block in sorted(control.blocks, key=lambda block: (block.source.rank, block.at, block.name)):
        if block.holds(now_ns):
            of_source.setdefault(block.source, []).append(block)
    found = [_of_blocks(source, blocks) for source, blocks in of_source.items()]
    if (asked := control.asked) is not None:
        note = f", by {asked.by} at {utc_text(asked.ns)[:16]} UTC: {asked.reason}"
        found = [
            msgspec.structs.replace(stop, text=stop.text + note) if stop.cause == Source.HALT.word else stop
            for stop in found
        ]
    with localcontext(DECIMALS):
        found += [_of_day(of_it, now_ns) for of_it in of_day(control, limits, now_ns) if of_it.is_reached]
    return found


def _of_day(of_it: DayLimit, now_ns: int) -> Stop:
    return Stop(
        cause=of_it.key,
        text="used today",
        ends=of_it.ends,
        limit=of_it.limit,
        used=of_it.used,
        until_ns=day_end_ns(now_ns),
    )


def _of_blocks(source: Source, blocks: list[Block]) -> Stop:
    first = blocks[0]
    at, names = (
        some(dict.fromkeys(filter(None, found))) for found in zip(*((b.at, b.name) for b in blocks), strict=True)
    )
    where = " ".join([f"at {at}"] * bool(at) + [f"in {names}"] * bool(names))
    until = [block.until_ns for block in blocks if block.until_ns is not None]
    return Stop(
        cause=source.word,
        text=first.text,
        ends=source.ends,
        where="" if any(not block.at and not block.name for block in blocks) else where,
        until_ns=max(until, default=None),
    )


def openings(state: EngineState, orders: TradeTable, blockers: Blockers, now_ns: int) -> Openings:
    """Return whether anything may open now, and all causes that stop it."""
    *_, found = look(state, orders, blockers, now_ns)
    assert found is not None
    return found


def look(state: EngineState, orders: TradeTable, blockers: Blockers, now_ns: int) -> Iterator[Openings | None]:
    """Yield None between the parts of the work, and then the answer: many routes take too long for one turn of the loop."""
    stops, word = known_stops(state.control, state.limits, now_ns), state.control.state(now_ns)
    if (cap := state.ramp_cap) is not None and cap < state.limits.max_notional_quote:
        text = f"per pair, after {state.control.clean_pairs} clean pairs"
        ends = "grows with clean pairs; `[live] ramp_start_quote` and `ramp_pairs` set it"
        most = state.limits.max_notional_quote
        stops.append(Stop(cause=RAMP, text=text, ends=ends, where="above the ramp's step", limit=most, used=cap))
    if word is TradingState.ACTIVE and state.halted_at(now_ns) is not None:
        word = TradingState.HALTED
    elif word is TradingState.ACTIVE and any(not stop.where for stop in stops):
        word = TradingState.BLOCKED
    elif word is TradingState.ACTIVE:
        word, more = yield from _of_routes(state, orders, blockers, now_ns)
        known = {stop.cause for stop in stops}
        known |= {source.reason for source in Source if source.word in known}
        stops += [stop for stop in more if stop.cause not in known]
    yield Openings(word, tuple(sorted(stops, key=lambda stop: bool(stop.where))))


def _of_routes(
    state: EngineState, orders: TradeTable, blockers: Blockers, now_ns: int
) -> Generator[None, None, tuple[TradingState, list[Stop]]]:
    """Ask every route until one may open; return the state, and the causes where none may."""
    counted: Counter[str] = Counter()
    asked = 0
    for symbol in sorted({symbol for _, symbol in state.instruments}):
        if counted.total() - asked >= ROUTES_A_PART:
            asked = counted.total()
            yield
        for venues in permutations(state.quoted_at(symbol), 2):
            route = Route.of(symbol, *venues)
            cause = blockers.reason(route, now_ns) or _limit(state, orders, route, now_ns)
            if cause is None:
                return TradingState.ACTIVE, []
            counted[cause] += 1
    if not counted:
        return TradingState.WAITING, [
            Stop(cause=NO_ROUTE, text="no symbol has books at two venues", ends="lifts itself")
        ]
    of_limits = any(cause not in Reason.__members__.values() and cause != RAMP for cause in counted)
    passing = OF_THE_MOMENT & counted.keys() or (of_limits and orders.open)
    of_day_limits = {of_it.key: of_it for of_it in of_day(state.control, state.limits, now_ns)}
    stops = [
        _of_day(of_day_limits[cause], now_ns)
        if cause in of_day_limits
        else _of_cause(state, orders, cause, of_it, counted.total())
        for cause, of_it in counted.most_common()
    ]
    return TradingState.WAITING if passing else TradingState.BLOCKED, stops


def _limit(state: EngineState, orders: TradeTable, route: Route, now_ns: int) -> str | None:
    """Return the limit that the smallest legal pair on a route would pass, or None."""
    rules = [state.instruments[key] for key in route]
    price = state.books.mid(*route.buy) or ZERO
    least = max(max(rule.min_notional, rule.min_size * price) for rule in rules)
    cap = state.ramp_cap
    if cap is not None and cap < least:
        return RAMP
    with localcontext(DECIMALS):
        return breached(state, orders, route, least, now_ns)


def _of_cause(state: EngineState, orders: TradeTable, cause: str, routes: int, in_all: int) -> Stop:
    text, where = f"on {routes} of {in_all} routes", "" if routes == in_all else "there"
    used, limit = None, None
    if isinstance(cause, Reason):
        ends = "docs/FAILURES.md has it under `Why nothing is traded`"
    elif cause == RAMP:
        ends = "raise `[live] ramp_start_quote` and restart"
    else:
        ends = f"ends as pairs close; or raise `{cause}` in [limits] and restart"
        limit = Decimal(getattr(state.limits, cause))
        used = (
            Decimal(len(orders.open))
            if cause == MOST_PAIRS
            else orders.open_notional() + state.residuals.unhedged_value()
        )
    return Stop(cause=cause, text=text, ends=ends, where=where, used=used, limit=limit)
