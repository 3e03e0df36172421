"""`arb scan`: the trades that the engine would make on a snapshot of books, and the reasons against the rest.

The code that decides is that of a run; only the input differs: one JSON document instead of feeds. A bad document is refused
with one line that names the fault, its place, and the correction. Numbers may be JSON numbers or strings; both are read as
exact decimals.
"""

import difflib
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from arb.core.messages.reasons import Reason
from arb.core.pricing.depth import Depth
from arb.core.pricing.plan import Plan, Refusal
from arb.core.pricing.spread import evaluate
from arb.core.pricing.terms import FEE_EXP, EdgeLimits, Funds, PairTerms, VenueTerms
from arb.errors import ConfigError
from arb.files import whole
from arb.market.instrument import FeeIn
from arb.market.numbers import EXACT, ZERO, plain
from arb.market.route import Route
from arb.market.scale import Scale
from arb.market.symbol import Symbol

FEE_MIN, FEE_MAX = Decimal("-0.01"), Decimal("0.05")
# Far beyond any market, and small enough that no input can ask for numbers of a million digits.
DIGITS_MAX, EXPONENT_MAX = 60, 30
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?", re.ASCII)

_TOP = ("symbol", "limits", "venues")
_LIMITS = ("min_edge_bps", "max_edge_bps", "min_net", "max_notional", "max_slippage_bps", "dust_max_quote")
_VENUE = (
    *("bids", "asks", "taker_fee", "buy_fee_in", "lot", "tick", "min_size", "min_notional"),
    *("max_size", "price_band", "balances"),
)

Level = tuple[Decimal, Decimal]


class ScanVenue(msgspec.Struct, frozen=True, kw_only=True):
    """One venue of the input. `taker_fee` None: unknown; `max_size`, `price_band`, `free_base`, `free_quote` None: no limit."""

    name: str
    bids: list[Level]
    asks: list[Level]
    taker_fee: Decimal | None
    buy_fee_in: FeeIn
    lot: Decimal
    tick: Decimal
    min_size: Decimal
    min_notional: Decimal
    max_size: Decimal | None
    price_band: Decimal | None
    free_base: Decimal | None
    free_quote: Decimal | None

    @property
    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks and self.bids[0][0] > self.asks[0][0])


class ScanInput(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one symbol's books on some venues, and the limits to judge it by."""

    symbol: str
    limits: EdgeLimits
    min_edge_bps: Decimal
    venues: list[ScanVenue]


def read_scan_input(path: Path) -> ScanInput:
    """Return the input in the file at `path`; raise `ConfigError` when it cannot be read or is not valid."""
    try:
        raw = whole(path)
    except OSError as error:
        raise ConfigError(
            f"scan input {path}: cannot be read ({error.strerror}): give the path of a JSON file"
        ) from error
    return parse_scan_input(raw, str(path))


def parse_scan_input(raw: bytes, source: str) -> ScanInput:
    """Return the input written in `raw`; `source` names it in errors. Raise `ConfigError` when it is not valid."""
    try:
        document = json.loads(
            raw.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_once,
        )
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"scan input {source}: not valid JSON: {error}: write one JSON object in UTF-8") from error
    return _Reader(source).document(document)


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source

    def fail(self, where: str, what: str, correction: str) -> NoReturn:
        raise ConfigError(f"scan input {self.source}: {where}: {what}: {correction}")

    def document(self, value: Any) -> ScanInput:
        top = self.table(value, "top level", _TOP)
        symbol = self.symbol(self.needed(top, "symbol", ""))
        venues = self.needed(top, "venues", "")
        if not isinstance(venues, dict):
            self.fail("venues", "not an object", 'write {"name": {"bids": ..., "asks": ...}, ...}')
        limits = self.limits(top.get("limits"))
        return ScanInput(
            symbol=symbol,
            min_edge_bps=limits.pop("min_edge_bps", ZERO),
            limits=EdgeLimits(**limits),
            venues=[self.venue(name, venues[name], symbol) for name in sorted(venues)],
        )

    def symbol(self, value: Any) -> str:
        try:
            symbol = Symbol.of(value) if isinstance(value, str) else None
        except ValueError:
            symbol = None
        if symbol is None or not symbol.is_spot or symbol.base == symbol.quote:
            self.fail("symbol", f"{_shown(value)} is no symbol", 'write BASE/QUOTE, for example "BTC/USDT"')
        return str(symbol)

    def limits(self, value: Any) -> dict[str, Decimal]:
        table = self.table({} if value is None else value, "limits", _LIMITS)
        given = {name: self.number(table, name, "limits", None) for name in _LIMITS}
        for name, number in given.items():
            if number is not None and number < 0:
                self.fail(f"limits.{name}", f"{number} is negative", "write 0 or more, or leave it out")
        return {name: number for name, number in given.items() if number is not None}

    def venue(self, name: str, value: Any, symbol: str) -> ScanVenue:
        where = f"venues.{name}"
        table = self.table(value, where, _VENUE)
        base, quote = Symbol.of(symbol).base_and_quote
        given = table.get("balances")
        balances = self.table({} if given is None else given, f"{where}.balances", (base, quote))
        return ScanVenue(
            name=name,
            bids=self.side(self.needed(table, "bids", where), f"{where}.bids", rising=False),
            asks=self.side(self.needed(table, "asks", where), f"{where}.asks", rising=True),
            taker_fee=self.fee(table, where),
            buy_fee_in=self.fee_in(self.needed(table, "buy_fee_in", where), f"{where}.buy_fee_in"),
            lot=self.step(table, "lot", where),
            tick=self.step(table, "tick", where),
            min_size=self.minimum(table, "min_size", where),
            min_notional=self.minimum(table, "min_notional", where),
            max_size=self.bound(table, "max_size", where),
            price_band=self.bound(table, "price_band", where),
            free_base=self.bound(balances, base, f"{where}.balances"),
            free_quote=self.bound(balances, quote, f"{where}.balances"),
        )

    def side(self, value: Any, where: str, *, rising: bool) -> list[Level]:
        if not isinstance(value, list):
            self.fail(where, "not a list", "write [[price, size], ...], best first; [] when it is empty")
        levels: list[Level] = []
        for place, level in enumerate(value):
            here = f"{where}[{place}]"
            if not isinstance(level, list) or len(level) != 2:
                self.fail(here, f"{_shown(level)} is no level", "write [price, size]")
            price, size = self.decimal(level[0], f"{here} price"), self.decimal(level[1], f"{here} size")
            for name, number in (("price", price), ("size", size)):
                if number <= 0:
                    self.fail(here, f"{name} {number} is not above 0", "leave the level out, or correct it")
            if levels and price == levels[-1][0]:
                self.fail(here, f"price {price} appears twice", "give each price once, with its whole size")
            if levels and (price > levels[-1][0]) is not rising:
                order = "lowest to highest" if rising else "highest to lowest"
                self.fail(here, f"price {price} is out of order", f"sort {where.rsplit('.', 1)[1]} from {order}")
            levels.append((price, size))
        return levels

    def fee(self, table: dict[str, Any], where: str) -> Decimal | None:
        value = self.needed(table, "taker_fee", where)
        if value is None:
            return None
        fee = self.decimal(value, f"{where}.taker_fee")
        if not FEE_MIN <= fee <= FEE_MAX:
            correction = f"write a ratio from {FEE_MIN} to {FEE_MAX} (0.001 is 0.1 %), or null when it is not known"
            self.fail(f"{where}.taker_fee", f"{fee} is out of range", correction)
        return fee

    def fee_in(self, value: Any, where: str) -> FeeIn:
        if value not in [kind.value for kind in FeeIn]:
            self.fail(where, f"{_shown(value)} is not known", 'write "base", "quote" or "other"')
        return FeeIn(value)

    def step(self, table: dict[str, Any], name: str, where: str) -> Decimal:
        step = self.decimal(self.needed(table, name, where), f"{where}.{name}")
        if step <= 0:
            self.fail(f"{where}.{name}", f"{step} is not above 0", f"write the venue's {name}, for example 0.01")
        return step

    def minimum(self, table: dict[str, Any], name: str, where: str) -> Decimal:
        number = self.number(table, name, where, Decimal(0))
        if number is None or number < 0:
            self.fail(f"{where}.{name}", f"{number} is negative", "write 0 when the venue has no minimum")
        return number

    def bound(self, table: dict[str, Any], name: str, where: str) -> Decimal | None:
        number = self.number(table, name, where, None)
        if number is not None and number < 0:
            self.fail(f"{where}.{name}", f"{number} is negative", "write 0 or more, or leave it out for unlimited")
        return number

    def number(self, table: dict[str, Any], name: str, where: str, absent: Decimal | None) -> Decimal | None:
        value = table.get(name)
        return absent if value is None else self.decimal(value, f"{where}.{name}")

    def decimal(self, value: Any, where: str) -> Decimal:
        text = str(value) if isinstance(value, str | Decimal) else ""
        if not _NUMBER.fullmatch(text):
            self.fail(where, f"{_shown(value)} is no number", 'write a plain decimal, for example "0.001"')
        number = Decimal(text)
        exponent = number.as_tuple().exponent
        too_long = len(number.as_tuple().digits) > DIGITS_MAX
        if (
            too_long
            or not isinstance(exponent, int)
            or abs(exponent) > EXPONENT_MAX
            or number.adjusted() > EXPONENT_MAX
        ):
            self.fail(where, f"{_shown(value)} has too many digits", f"write at most {EXPONENT_MAX} decimals")
        return number

    def table(self, value: Any, where: str, known: Iterable[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(where, f"{_shown(value)} is no object", "write {...} with the keys " + ", ".join(known))
        for key in value:
            if key not in known:
                close = difflib.get_close_matches(key, list(known), n=1, cutoff=0)
                self.fail(
                    where, f"unknown key {_shown(key)}", f"did you mean {close[0]!r}?" if close else "take it out"
                )
        return value

    def needed(self, table: dict[str, Any], name: str, where: str) -> Any:
        if name not in table:
            self.fail(where or "top level", f"{name!r} is missing", "add it")
        return table[name]


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _object_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key given twice: JSON would silently keep the last."""
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is given twice in one object")
    return table


def scan_file(path: Path) -> dict[str, Any]:
    """Return the scan's JSON document for the input file at `path`; raise `ConfigError` for bad input."""
    return scan(read_scan_input(path))


def scan(given: ScanInput) -> dict[str, Any]:
    """Return every ordered pair of venues once, under `opportunities` or `refused`, best net first, ties by names."""
    scale, fee_exp = _scale(given.venues), _fee_exp(given.venues)
    depths = {
        venue.name: (_depth(venue.asks, scale, venue.bids), _depth(venue.bids, scale, venue.asks))
        for venue in given.venues
    }
    opportunities: list[tuple[Any, dict[str, Any]]] = []
    refused: list[tuple[Any, dict[str, Any]]] = []
    for buy, sell in permutations(given.venues, 2):
        answer = _judge(given, buy, sell, depths[buy.name][0], depths[sell.name][1], scale, fee_exp)
        names = {"buy": buy.name, "sell": sell.name}
        if isinstance(answer, Plan):
            key = (answer.amount(answer.net).copy_negate(), buy.name, sell.name)
            opportunities.append((key, names | _numbers(answer, Route.of(given.symbol, buy.name, sell.name))))
        else:
            net = answer.best_net_decimal()
            why = {"reason": answer.reason.value, "best_net": None if net is None else plain(net)}
            rank = (net is None, Decimal(0) if net is None else net.copy_negate(), buy.name, sell.name)
            refused.append((rank, {**names, **why}))
    return {"opportunities": _in_order(opportunities), "refused": _in_order(refused)}


def _numbers(plan: Plan, route: Route) -> dict[str, str]:
    buy, sell = plan.legs(route)
    numbers = {
        "buy_size": buy.size,
        "sell_size": sell.size,
        "buy_limit": buy.limit,
        "sell_limit": sell.limit,
        "buy_vwap": plan.buy_vwap(),
        "sell_vwap": plan.sell_vwap(),
        "paid": plan.amount(plan.paid),
        "got": plan.amount(plan.got),
        "residual": plan.residual_base(),
        "residual_value": plan.amount(plan.residual_value),
        "net": plan.amount(plan.net),
        "edge_bps": plan.edge_bps(),
        "gross_edge_bps": plan.gross_edge_bps(),
    }
    return {name: plain(number) for name, number in numbers.items()}


def _judge(
    given: ScanInput, buy: ScanVenue, sell: ScanVenue, asks: Depth, bids: Depth, scale: Scale, fee_exp: int
) -> Plan | Refusal:
    if buy.is_crossed or sell.is_crossed:
        return Refusal(Reason.CROSSED_BOOK)
    if buy.taker_fee is None or sell.taker_fee is None:
        return Refusal(Reason.FEE_UNKNOWN)
    terms = PairTerms(scale, _terms(buy, buy.taker_fee), _terms(sell, sell.taker_fee), given.limits, fee_exp=fee_exp)
    return evaluate(terms, asks, bids, Funds(quote=buy.free_quote, base=sell.free_base), given.min_edge_bps)


def _terms(venue: ScanVenue, taker_fee: Decimal) -> VenueTerms:
    return VenueTerms(
        taker_fee=taker_fee,
        buy_fee_in=venue.buy_fee_in,
        tick=venue.tick,
        lot=venue.lot,
        min_size=venue.min_size,
        min_notional=venue.min_notional,
        max_size=venue.max_size,
        price_band=venue.price_band,
    )


def _scale(venues: list[ScanVenue]) -> Scale:
    """Return the coarsest scale on which every price, tick, size and lot given is whole."""
    levels = [level for venue in venues for level in (*venue.bids, *venue.asks)]
    return Scale(
        _decimals([*(price for price, _ in levels), *(venue.tick for venue in venues)]),
        _decimals([*(size for _, size in levels), *(venue.lot for venue in venues)]),
    )


def _fee_exp(venues: list[ScanVenue]) -> int:
    return max(FEE_EXP, _decimals(venue.taker_fee for venue in venues if venue.taker_fee is not None))


def _decimals(values: Iterable[Decimal]) -> int:
    exponents = (EXACT.normalize(value).as_tuple().exponent for value in values)
    return max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)), 0)


def _depth(levels: list[Level], scale: Scale, opposite: list[Level]) -> Depth:
    return Depth(
        [scale.price_to_int(price) for price, _ in levels],
        [scale.size_to_int(size) for _, size in levels],
        scale.price_to_int(opposite[0][0]) if opposite else None,
    )


def _in_order(rows: list[tuple[Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for _, row in sorted(rows, key=lambda item: item[0])]
