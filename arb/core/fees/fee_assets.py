"""Fees that a venue takes from its own asset while the balance lasts: GT or points at Gate, BGB at Bitget.

An instrument is *listed* with the fees without that asset, and with the asset and its rate. The engine's state holds it as
*planned*. That is in the asset, at its quote value, while the balance covers all pairs that may be open. Before the balance
runs out it is as listed without it. An error in that direction is harmless: a pair planned with its fee in base has a little
base over when the venue takes the asset. Planned in the asset and charged in base, it would be short.

Each venue has one asset, and a level of its balance:

    unpriced   neither a book nor the settings give its value: nothing opens there (`fee_unknown`)
    spent      less than all pairs that may be open together need: planned without it
    low        less than `LOW_TIMES` of that: planned in it, and an incident asks for more
    ample

Every step down is an incident, not repeated until the balance was clearly above the threshold again (`BACK`).
"""

from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, Decimal
from enum import IntEnum

import msgspec

from arb.clock import NS_PER_S
from arb.core.fees.fees import FUNDS_SHARE, RATE_STEP, usable_rate
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.state.engine_state import EngineState
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO, plain

LOW_TIMES = 5
BACK = Decimal("1.25")
"""A balance has risen above a threshold at this multiple of it, so that the level does not flip with its price."""
OFF_NS = 600 * NS_PER_S
"""An asset that was not charged although it should have been is trusted no sooner again."""
SAME_CHANGE_NS = 600 * NS_PER_S
"""A tier changes for all symbols of a venue, which are listed one by one: within this time it is one incident."""


class Level(IntEnum):
    """How far the balance of a fee asset reaches."""

    UNPRICED = 0
    SPENT = 1
    LOW = 2
    AMPLE = 3


class FeeAssets:
    """Puts listed instruments into the state with their planned fees."""

    def __init__(self, state: EngineState, rules_changed: Callable[[str], None]) -> None:
        """`rules_changed` is called with each symbol whose planned fees change."""
        self._state = state
        self._rules_changed = rules_changed
        self._listed: dict[str, dict[str, Instrument]] = {}
        self._asset: dict[str, str] = {}
        # The need of all pairs that may be open together, in quote, by venue; recomputed when the asset's listing
        # changes.
        self._needs: dict[str, Decimal] = {}
        self._levels: dict[str, Level] = {}
        # Venues that took base or quote although the asset would have sufficed, and since when: it is switched off
        # there, even where it is listed.
        self._off: dict[str, int] = {}
        # Venues that have charged in the asset, with any reported balance.
        self._charged: set[str] = set()
        self._changes: dict[tuple[str, str], int] = {}
        # Instruments as their venue lists them, where fills have corrected a rate.
        self._uncorrected: dict[tuple[str, str], Instrument] = {}

    def listed(self, venue: str, symbol: str) -> Instrument | None:
        """Return an instrument as listed, with the fees without the asset; None where it is not listed."""
        return self._listed.get(venue, {}).get(symbol)

    def take(self, instrument: Instrument, now_ns: int) -> None:
        """Use a venue's present listing of an instrument; report a changed fee."""
        venue, symbol = instrument.venue, instrument.symbol
        if instrument.fee_asset and (rate := instrument.fee_asset_taker) is not None and not usable_rate(rate):
            instrument = msgspec.structs.replace(instrument, fee_asset_taker=instrument.taker_fee)
        known = self._listed.setdefault(venue, {})
        before = known.get(symbol)
        known[symbol] = instrument
        self._uncorrected.pop((venue, symbol), None)
        self._needs.pop(venue, None)
        if instrument.fee_asset and instrument.fee_asset != self._asset.get(venue):
            self._begin(venue, instrument.fee_asset)
        if before is not None:
            self._report_change(before, instrument, now_ns)
            if before.fee_asset != instrument.fee_asset and venue in self._off:
                del self._off[venue]
                self._plan_all(venue)
        self._report_unsupported(before, instrument, now_ns)
        self._plan(instrument)
        self.review(venue, now_ns)

    def review(self, venue: str, now_ns: int) -> None:
        """Compare the balance of a venue's asset with the pairs' need of it; change the planned fees accordingly."""
        one = next(self._with_asset(venue), None)
        if one is None or venue not in self._state.inventory.with_basis:
            return  # neither is known at the start; nothing opens before balances were reported
        before = self._levels.get(venue)
        level = self._level(one, before)
        if level is before:
            return
        self._levels[venue] = level
        self._report_level(one, level, before, now_ns)
        if Level.SPENT in (level, before):
            self._plan_all(venue)

    def charged(self, fill: Fill, now_ns: int) -> None:
        """Record a fee in an asset that is neither base nor quote of its symbol."""
        venue, asset = fill.venue, fill.fee_currency
        if self._listed[venue][fill.symbol].fee_asset != asset:
            self._begin(venue, asset)
            for symbol, listed in self._listed[venue].items():
                self._listed[venue][symbol] = msgspec.structs.replace(
                    listed, fee_asset=asset, fee_asset_taker=listed.taker_fee
                )
            text = f"{venue} takes fees in {asset} now: a fill in {fill.symbol} paid {plain(fill.fee)} of it"
            self._state.incident(IncidentKind.FEE_CURRENCY, text, now_ns, venue=venue)
            self._plan_all(venue)
        elif now_ns - self._off.get(venue, now_ns) >= OFF_NS:
            del self._off[venue]
            self._plan_all(venue)
        self._charged.add(venue)
        self.review(venue, now_ns)

    def not_charged(self, fill: Fill, now_ns: int) -> None:
        """Record a fee in base or quote where it was planned in the asset, whose balance would have covered it."""
        asset = self._listed[fill.venue][fill.symbol].fee_asset
        if not asset or fill.venue in self._off:
            return
        self._off[fill.venue] = now_ns
        text = (
            f"{fill.venue} took a fee in {fill.fee_currency} and not in {asset}: planned without that until the venue lists "
            "its fees otherwise, or takes them in it again later on"
        )
        self._state.incident(IncidentKind.FEE_CURRENCY, text, now_ns, venue=fill.venue)
        self._plan_all(fill.venue)

    def correct(self, fill: Fill, rate: Decimal) -> Decimal | None:
        """Use the rate that a fill was charged until other rules are listed; return the earlier rate.

        The error of the asset's rate applies to all symbols of the venue: its discount, or its price here.
        """
        known = self._listed[fill.venue]
        listed = known[fill.symbol]
        for symbol, other in known.items():
            if symbol == fill.symbol or fill.fee_currency == listed.fee_asset:
                self._uncorrected.setdefault((fill.venue, symbol), other)
        if fill.fee_currency != listed.fee_asset:
            before, known[fill.symbol] = listed.taker_fee, msgspec.structs.replace(listed, taker_fee=rate)
            self._plan(known[fill.symbol])
            self._rules_changed(fill.symbol)
            return before
        before = listed.fee_asset_taker
        for symbol, other in known.items():
            if symbol != fill.symbol and before and other.fee_asset_taker is not None:
                scaled = (other.fee_asset_taker * rate / before).quantize(RATE_STEP, ROUND_CEILING)
                if usable_rate(scaled):
                    known[symbol] = msgspec.structs.replace(other, fee_asset_taker=scaled)
        known[fill.symbol] = msgspec.structs.replace(listed, fee_asset_taker=rate)
        self._needs.pop(fill.venue, None)
        self._plan_all(fill.venue)
        return before

    def lowest_rate(self, fill: Fill) -> Decimal:
        """Return the rate listed for a fill's fee, despite the rates of later fills: plans assume no less."""
        listed = self._uncorrected.get((fill.venue, fill.symbol), self._listed[fill.venue][fill.symbol])
        rate = listed.fee_asset_taker if fill.fee_currency == listed.fee_asset else listed.taker_fee
        return Decimal(1) if rate is None else rate

    # Planning.

    def _plan(self, listed: Instrument) -> None:
        venue = listed.venue
        spent = venue in self._off or self._levels.get(venue) is Level.SPENT
        planned = listed
        if listed.fee_asset and listed.fee_asset_taker is not None and not spent:
            planned = msgspec.structs.replace(listed, taker_fee=listed.fee_asset_taker, buy_fee_in=FeeIn.OTHER)
        self._state.instruments[venue, listed.symbol] = planned

    def _plan_all(self, venue: str) -> None:
        for symbol, listed in self._listed[venue].items():
            self._plan(listed)
            self._rules_changed(symbol)

    def _begin(self, venue: str, asset: str) -> None:
        self._asset[venue] = asset
        self._levels.pop(venue, None)
        self._off.pop(venue, None)
        self._charged.discard(venue)
        self._needs.pop(venue, None)

    def _with_asset(self, venue: str) -> Iterator[Instrument]:
        asset = self._asset.get(venue)
        if asset is not None:
            yield from (listed for listed in self._listed[venue].values() if listed.fee_asset == asset)

    def _level(self, one: Instrument, before: Level | None) -> Level:
        state, venue, asset = self._state, one.venue, one.fee_asset
        held = state.inventory.free(venue, asset) + state.inventory.reserved(venue, asset)
        price = state.fee_asset_price(venue, asset, one.quote)
        if price is None:
            if held <= 0 and venue not in self._charged:
                return Level.SPENT
            # A book that shows no price for a moment is no news: nothing opens meanwhile (`unsupported`).
            return before if before in (Level.LOW, Level.AMPLE) else Level.UNPRICED
        value, need = held * price, self._need(venue)
        level = _reached(value, need)
        if before is not None and before is not Level.UNPRICED and level > before:
            level = max(before, _reached(value / BACK, need))
        return level

    def _need(self, venue: str) -> Decimal:
        """Return the need of all pairs that may be open together at a venue, in quote: each for its leg and an unwind of it."""
        need = self._needs.get(venue)
        if need is None:
            state = self._state
            each = sorted(
                (
                    2 * max(ZERO, one.fee_asset_taker or ZERO) * state.limits_at(one.symbol, venue).max_notional_quote
                    for one in self._with_asset(venue)
                ),
                reverse=True,
            )
            need = self._needs[venue] = sum(each[: state.limits.max_open_pairs], ZERO) / FUNDS_SHARE
        return need

    def limits_changed(self) -> None:
        self._needs.clear()

    # Reports.

    def _report_unsupported(self, before: Instrument | None, now: Instrument, now_ns: int) -> None:
        """Report once that nothing opens where it is not known which asset is charged, or where it is itself traded."""
        if not _bans(now) or (before is not None and _bans(before)):
            return
        what = (
            f"fees are taken in {now.fee_asset}, which is traded here"
            if now.fee_asset
            else ("fees are taken in another asset than base or quote, and it is not known in which")
        )
        text = f"{now.symbol} at {now.venue}: {what}: nothing opens there"
        self._state.incident(IncidentKind.FEE_CURRENCY, text, now_ns, venue=now.venue)

    def _report_level(self, one: Instrument, level: Level, before: Level | None, now_ns: int) -> None:
        venue, asset = one.venue, one.fee_asset
        need = f"{plain(self._need(venue).quantize(Decimal('0.01')))} {one.quote}"
        severity = Severity.WARNING
        match level:
            case Level.UNPRICED:
                text = (
                    f"fees at {venue} are taken in {asset}, which has no price here: nothing opens there; trade "
                    f"{asset}/{one.quote}, state [venues.{venue}] fee_asset_prices_quote, or have the venue take them from "
                    "base or quote"
                )
            case Level.SPENT:
                text = (
                    f"{asset} at {venue} is worth less than the {need} that open pairs may need for fees: planned without it, "
                    "at the rates for base and quote, until there is more"
                )
                if before is None:
                    severity = Severity.INFO  # so it was at the start
            case Level.LOW:
                text = f"{asset} at {venue} runs low: {LOW_TIMES} times {need} for fees are no longer there; refill it"
                if before is Level.SPENT:
                    severity, text = Severity.INFO, f"fees at {venue} are planned in {asset} again, which runs low"
            case _:
                if before is not Level.SPENT and before is not Level.UNPRICED:
                    return
                severity, text = Severity.INFO, f"fees at {venue} are planned in {asset} again"
        self._state.incident(IncidentKind.FEE_ASSET, text, now_ns, severity=severity, venue=venue)

    def _report_change(self, before: Instrument, now: Instrument, now_ns: int) -> None:
        """Report another tier, or another asset, once for all symbols of a venue with the same change."""
        changes = list[str]()
        if None not in (before.taker_fee, now.taker_fee) and before.taker_fee != now.taker_fee:
            changes.append(
                f"a taker's fee is {plain(now.taker_fee or ZERO)} now, and was {plain(before.taker_fee or ZERO)}"
            )
        if (before.fee_asset, before.fee_asset_taker) != (now.fee_asset, now.fee_asset_taker):
            changes.append(f"{_of_asset(now)} now, and was {_of_asset(before)}")
        text = "; ".join(changes)
        if not text or now_ns - self._changes.get((now.venue, text), now_ns - SAME_CHANGE_NS) < SAME_CHANGE_NS:
            return
        self._changes[now.venue, text] = now_ns
        dearer = (now.taker_fee or ZERO) > (before.taker_fee or ZERO)
        severity = Severity.WARNING if dearer or before.fee_asset != now.fee_asset else Severity.INFO
        text = f"{now.symbol} at {now.venue}, and all symbols with the same change: {text}"
        self._state.incident(IncidentKind.FEE_RATE, text, now_ns, severity=severity, venue=now.venue)


def _bans(listed: Instrument) -> bool:
    """Return whether nothing opens in an instrument at any balance and price of the asset."""
    if listed.fee_asset:
        return listed.fee_asset in (listed.base, listed.quote)
    return listed.buy_fee_in is FeeIn.OTHER and bool(listed.taker_fee)


def _reached(value: Decimal, need: Decimal) -> Level:
    if value < need:
        return Level.SPENT
    return Level.LOW if value < LOW_TIMES * need else Level.AMPLE


def _of_asset(listed: Instrument) -> str:
    return (
        f"{plain(listed.fee_asset_taker or ZERO)} in {listed.fee_asset}"
        if listed.fee_asset
        else "without another asset"
    )
