"""A selection of a ledger's rows: by time, run, symbol, venue and kind of pair.

A query names the columns by which its rows can be selected; for others the pair of a row decides. So a fill of a pair
is found by the pair's kind, and one that belongs to no pair is omitted there.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from arb.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S, utc_text
from arb.core.messages.records import PairKind
from arb.errors import ConfigError
from arb.market.arena import INT64_MAX
from arb.market.symbol import Symbol
from arb.masking import clean

_EPOCH_DAY = date(1970, 1, 1)
_AGO = {"m": 60 * NS_PER_S, "h": 3600 * NS_PER_S, "d": NS_PER_DAY, "w": 7 * NS_PER_DAY}
EXAMPLES = 'write for example 2026-11-23, "2026-11-23 14:30" (UTC), today, or 90m, 12h, 7d for so long ago'


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The rows from `since_ns` on and before `until_ns` (ns UTC), of one run, symbol, venue and kind of pair; None: of all."""

    since_ns: int = 0
    until_ns: int = INT64_MAX
    run_id: int | None = None
    symbol: str | None = None
    venue: str | None = None
    kind: str | None = None

    def __bool__(self) -> bool:
        return self != Selection()

    @property
    def takes_every_fill(self) -> bool:
        """Return whether no fill of the selected time and venue is left out."""
        return self.run_id is None and self.symbol is None and self.kind is None

    @property
    def values(self) -> dict[str, Any]:
        found: dict[str, Any] = {"since_ns": self.since_ns, "until_ns": self.until_ns}
        for name in ("run_id", "symbol", "venue", "kind"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        if self.symbol is not None:
            found["base"], found["quote"] = Symbol.of(self.symbol).base_and_quote
        return found

    def __str__(self) -> str:
        """Return the selection in words: "of BTC/USDT, at gate"."""
        words = {
            "from {} on": utc_text(self.since_ns) if self.since_ns else None,
            "before {}": None if self.until_ns == INT64_MAX else utc_text(self.until_ns),
            "of run {}": self.run_id,
            "of {}": self.symbol,
            "at {}": self.venue,
            "of kind {}": self.kind,
        }
        return ", ".join(text.format(value) for text, value in words.items() if value is not None)

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value != getattr(ALL, name)}


ALL = Selection()


class SelectedBy(NamedTuple):
    """By which columns (or any SQL) the rows of a query are selected; "" where they have none.

    `until`: where they last, from `at` on, until when; `pair`: the id of the pair that they belong to; `asset`: where they are
    of an asset and not of a symbol.
    """

    at: str
    run: str = ""
    symbol: str = ""
    venues: tuple[str, ...] = ()
    kind: str = ""
    pair: str = ""
    asset: str = ""
    until: str = ""

    def where(self, selection: Selection) -> str:
        parts = [f"{self.until or self.at} >= :since_ns", f"{self.at} < :until_ns"]
        if selection.run_id is not None:
            parts += self._either(self.run and f"{self.run} = :run_id", "run_id = :run_id")
        if selection.symbol is not None:
            own = self.symbol and f"{self.symbol} = :symbol"
            parts += self._either(own or (self.asset and f"{self.asset} IN (:base, :quote)"), "symbol = :symbol")
        if selection.venue is not None:
            own = " OR ".join(f"{column} = :venue" for column in self.venues)
            parts += self._either(own and f"({own})", ":venue IN (buy_venue, sell_venue)")
        if selection.kind is not None:
            parts += self._either(self.kind and f"{self.kind} = :kind", "kind = :kind")
        return " AND ".join(parts)

    def _either(self, own: str, of_pair: str) -> list[str]:
        if own:
            return [own]
        return [f"{self.pair} IN (SELECT id FROM pair_trades WHERE {of_pair})"] if self.pair else []


PAIRS_BY = SelectedBy("decided_ns", "run_id", "symbol", ("buy_venue", "sell_venue"), "kind")
OPPORTUNITIES_BY = SelectedBy("opened_ns", "run_id", "symbol", ("buy_venue", "sell_venue"), "'arb'")
FILLS_BY = SelectedBy("f.event_ns", "", "f.symbol", ("f.venue",), pair="o.pair_trade_id")
ALERTS_BY = SelectedBy("first_ns", "run_id", "symbol", ("venue",), until="last_ns")
INCIDENTS_BY = SelectedBy("ns", "run_id", "", ("venue",), pair="pair_trade_id")


def selection_of(
    now_ns: int,
    *,
    since: str | None = None,
    until: str | None = None,
    run: int | None = None,
    symbol: str | None = None,
    venue: str | None = None,
    kind: str | None = None,
) -> Selection:
    """Return the selection that a user writes; raises `ConfigError` for one that cannot be read, or can match nothing."""
    since_ns = 0 if since is None else instant_of(since, now_ns, "since")
    until_ns = INT64_MAX if until is None else instant_of(until, now_ns, "until")
    if since_ns >= until_ns:
        raise ConfigError(
            f"since {clean(since or '', 40)!r} is not before until {clean(until or '', 40)!r}: exchange them"
        )
    if symbol is not None:
        try:
            Symbol.of(symbol)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    kinds = [str(known) for known in PairKind]
    if kind is not None and kind not in kinds:
        raise ConfigError(f"kind {clean(kind, 40)!r}: give one of {', '.join(kinds)}")
    return Selection(since_ns=since_ns, until_ns=until_ns, run_id=run, symbol=symbol, venue=venue, kind=kind)


def instant_of(text: str, now_ns: int, name: str) -> int:
    """Return the instant (ns UTC) that a user writes; a day without a time is its beginning, and for "until" its end.

    Raises `ConfigError` for a text that cannot be read.
    """
    if ago := re.fullmatch(r"([0-9]{1,6})([mhdw])", text):
        return max(0, now_ns - int(ago[1]) * _AGO[ago[2]])
    if re.fullmatch(r"[0-9]{16,19}", text):
        return min(int(text), INT64_MAX)
    days = {"today": 0, "yesterday": 1}
    if text == "now":
        return now_ns
    try:
        if text in days or re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            today = _EPOCH_DAY + timedelta(days=now_ns // NS_PER_DAY)
            day = today - timedelta(days=days[text]) if text in days else date.fromisoformat(text)
            return ((day - _EPOCH_DAY).days + (name == "until")) * NS_PER_DAY
        if re.match(r"\d{4}-\d\d-\d\d[ T]", text):
            found = datetime.fromisoformat(text)
            at = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
            return int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)) * NS_PER_MS
    except (ValueError, OverflowError):
        pass
    raise ConfigError(f"{name} {clean(text, 40)!r} is no instant: {EXAMPLES}")
