"""The rules of instruments as their venues list them, and the effects of their changes during a run.

A venue may change any rule at any time. The rules are re-read from time to time; an order refused for being off the venue's
steps shows at once that they are out of date. Then nothing opens in that symbol at that venue until its listing has been
re-read (`Source.RULES`), and open pairs are repaired as well as possible. The same holds for a symbol that is
missing or unreadable in the listing. It also holds for one with announced changes, from shortly before that instant until the
rules were read after it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from arb.clock import NS_PER_S
from arb.core.fees.fee_assets import FeeAssets
from arb.core.fees.fees import usable_rate
from arb.core.messages.events import InstrumentListed, InstrumentUnlisted, VenueListed
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.messages.timers import RulesTimer
from arb.core.risk.instrument_bans import InstrumentBans
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.market.instrument import ENDS_MARGIN_S, Instrument
from arb.market.numbers import plain
from arb.market.scale import Scale, ScaleTooFine, common_scale, wide_enough

BEFORE_CHANGE_NS = 10 * NS_PER_S
"""For this long before a change nothing opens by the old rules: a pair's deadline, its orders' travel, clock differences."""
AFTER_CHANGE_NS = 2 * NS_PER_S
"""A listing that is read sooner after the change may have been answered before it."""


class Listings:
    def __init__(
        self, state: EngineState, rules_changed: Callable[[str], None], bars: InstrumentBans, fees: FeeAssets
    ) -> None:
        """`rules_changed` is called with each symbol whose rules were read."""
        self._state = state
        self._fees = fees
        self._bans = bars
        self._rules_changed = rules_changed

    def on_listed(self, event: InstrumentListed) -> None:
        self.take(event.instrument, event.t_ns)

    def on_unlisted(self, event: InstrumentUnlisted) -> None:
        """Open nothing in a symbol that its venue's listing does not hold, or not legibly, until it does again."""
        why = "the venue's listing holds it no more, or not in a form that can be read"
        self._state.await_rules(event.venue, event.symbol, why, event.t_ns)

    def on_timer(self, timer: RulesTimer, now_ns: int) -> None:
        instrument = self._state.instrument(timer.venue, timer.symbol)
        if instrument is not None:
            self._await_change(instrument, now_ns)

    def on_venue_listed(self, event: VenueListed) -> None:
        for instrument in event.instruments:
            self.take(instrument, event.t_ns)

    def take(self, instrument: Instrument, now_ns: int) -> None:
        """Use a venue's present rules for an instrument, with its symbol's books on a scale that holds its steps."""
        state = self._state
        before = self._fees.listed(instrument.venue, instrument.symbol)
        if instrument.taker_fee is not None and not usable_rate(instrument.taker_fee):
            text = (
                f"{instrument.venue} lists a fee of {instrument.taker_fee} for {instrument.symbol}: not computed with"
            )
            state.incident(IncidentKind.FEE_RATE, text, now_ns, severity=Severity.CRITICAL, venue=instrument.venue)
            known = None if before is None else before.taker_fee  # an unknown fee opens nothing
            instrument = msgspec.structs.replace(instrument, taker_fee=known)
        if before is not None and (instrument.tick, instrument.lot) != (before.tick, before.lot):
            instrument = self._take_steps(instrument, before, now_ns)
        self._fees.take(instrument, now_ns)
        state.blocks.lift(Source.RULES, instrument.venue, instrument.symbol)
        self._await_change(instrument, now_ns)
        if before is not None and instrument.tradable != before.tradable:
            where = f"{instrument.symbol} at {instrument.venue}"
            text = (
                f"{where} is open for trading again"
                if instrument.tradable
                else f"{where} is not open for trading any more: nothing opens there until it is"
            )
            severity = Severity.INFO if instrument.tradable else Severity.WARNING
            state.incident(IncidentKind.RULES_CHANGED, text, now_ns, severity=severity, venue=instrument.venue)
        if instrument.ends_ns is not None and (before is None or before.ends_ns != instrument.ends_ns):
            text = (
                f"{instrument.symbol} at {instrument.venue} stops trading at {_utc(instrument.ends_ns)}: nothing opens there "
                f"from {ENDS_MARGIN_S // 60} minutes before; sell or move its holdings there in time"
            )
            state.incident(IncidentKind.RULES_CHANGED, text, now_ns, venue=instrument.venue)
        if instrument.opens_from_ns(now_ns) and (before is None or before.opens_ns != instrument.opens_ns):
            where = f"{instrument.symbol} at {instrument.venue}"
            text = f"{where} opens at {_utc(instrument.opens_ns or 0)}: nothing is sent there before"
            state.incident(IncidentKind.RULES_CHANGED, text, now_ns, severity=Severity.INFO, venue=instrument.venue)
        self._bans.listed(instrument, now_ns)
        self._rules_changed(instrument.symbol)

    def _take_steps(self, instrument: Instrument, before: Instrument, now_ns: int) -> Instrument:
        """Put the books of a symbol whose tick or lot changed on a scale for it; return the rules to use.

        Steps that no scale can hold stop the symbol there, for orders on the old ones would only be refused.
        """
        state, key = self._state, (instrument.venue, instrument.symbol)
        text = (
            f"{instrument.symbol} at {instrument.venue}: the tick is now {plain(instrument.tick)} (was {plain(before.tick)}), "
            f"the lot {plain(instrument.lot)} (was {plain(before.lot)})"
        )
        if state.books.has(*key):
            try:
                scale = wide_enough(state.books.scales[instrument.symbol], instrument.tick, instrument.lot)
            except ScaleTooFine as error:
                if state.blocks.get(Source.STOPPED, *key) is None:
                    state.blocks.put(Block(Source.STOPPED, *key, str(error)))
                state.incident(IncidentKind.RULES_CHANGED, f"{text}; stopped: {error}", now_ns, venue=instrument.venue)
                return msgspec.structs.replace(instrument, tick=before.tick, lot=before.lot)
            state.books.rescale(instrument.symbol, scale, now_ns)
        state.incident(IncidentKind.RULES_CHANGED, text, now_ns, severity=Severity.INFO, venue=instrument.venue)
        return instrument

    def _await_change(self, instrument: Instrument, now_ns: int) -> None:
        """Wait for the rules that hold after a change which is near, or set a timer for one that is not."""
        state = self._state
        coming = [at_ns for at_ns in instrument.changes_ns if now_ns < at_ns + AFTER_CHANGE_NS]
        if not coming:
            return
        change_ns = min(coming)
        if now_ns < change_ns - BEFORE_CHANGE_NS:
            state.out.timer(RulesTimer(instrument.venue, instrument.symbol), change_ns - BEFORE_CHANGE_NS)
        else:
            state.blocks.put(Block(Source.RULES, instrument.venue, instrument.symbol, "its rules are about to change"))


def add_book(state: EngineState, instrument: Instrument, connection: str, now_ns: int) -> None:
    """Add the book of an instrument, with the symbol's others on a scale for all of them; its rules are taken after it."""
    symbol = instrument.symbol
    known = [state.instruments[venue, symbol] for venue in state.venues_of(symbol)] + [instrument]
    scale = common_scale([one.tick for one in known], [one.lot for one in known])
    before = state.books.scales.get(symbol, scale)
    scale = Scale(max(scale.price_exp, before.price_exp), max(scale.size_exp, before.size_exp))
    if scale != before:
        state.books.rescale(symbol, scale, now_ns)
    state.books.add(instrument.venue, symbol, scale, instrument.native_symbol, connection)


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
