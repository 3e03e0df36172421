"""Check each charged fee against the expected one; a difference is an incident, and stops a symbol or changes its rate."""

from decimal import Decimal

from arb.core.fees.fee_assets import FeeAssets
from arb.core.fees.fees import booked_fee, charged_rate, expected_fee_currency, fee_quote, usable_rate
from arb.core.messages.incidents import IncidentKind, Severity
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.errors import require
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import plain
from arb.market.symbol import Symbol


class FeeCheck:
    def __init__(self, state: EngineState, assets: FeeAssets) -> None:
        self.state = state
        self._assets = assets

    def check(self, fill: Fill, order: WorkingOrder) -> None:
        """Stop a symbol at a venue that charged the wrong one of base and quote; compute with a higher rate than expected.

        A higher rate holds until a fill is charged less, but never below the listed one, or until the venue lists other rules.
        After a fee in a third asset, the venue's fees are planned in that asset, if it can be valued (`FeeAssets`). For a fee
        without a price, an incident reports its booked value.
        """
        if fill.fee:
            self._check_currency(fill)
        if fill.fee and fee_quote(self.state, fill) is None:
            text = (
                f"a fee of {plain(fill.fee)} {fill.fee_currency} for {fill.symbol} at {fill.venue} has no price here: "
                f"booked at {plain(booked_fee(self.state, fill))} {Symbol.of(fill.symbol).quote}, as the model has it"
            )
            self.state.incident(
                IncidentKind.FEE_CURRENCY, text, fill.received_ns, venue=fill.venue, pair_id=order.pair_id
            )
        self._check_rate(fill)

    def _check_currency(self, fill: Fill) -> None:
        state, key = self.state, (fill.venue, fill.symbol)
        if fill.fee_currency not in Symbol.of(fill.symbol).base_and_quote:
            self._assets.charged(fill, fill.received_ns)
            return
        expected = expected_fee_currency(fill, self._listed(fill).buy_fee_in)
        if expected not in (None, fill.fee_currency) and state.blocks.get(Source.STOPPED, *key) is None:
            self._stop(fill, f"fee in {fill.fee_currency}, expected {expected}", IncidentKind.FEE_CURRENCY)
        elif state.instruments[key].buy_fee_in is FeeIn.OTHER:
            self._assets.not_charged(fill, fill.received_ns)

    def _check_rate(self, fill: Fill) -> None:
        listed, unit = self._listed(fill), Decimal(1)
        if fill.fee_currency not in (listed.base, listed.quote):
            price = self.state.fee_asset_price(fill.venue, fill.fee_currency, listed.quote)
            if price is None:
                return
            unit = price
        known, rate = charged_rate(fill, listed, unit)
        if known is None or rate is None:
            return
        if rate < known:
            rate = max(rate, self._assets.lowest_rate(fill))
            if rate >= known:
                return  # as cheap as it is listed, or cheaper
        if not usable_rate(rate):
            self._stop(fill, f"a fee of {rate} was charged", IncidentKind.FEE_RATE)
            return
        before = self._assets.correct(fill, rate)
        text = f"{fill.symbol} at {fill.venue}: charged {rate}, expected {before}; computed with from now on"
        if unit != 1:
            text += f" ({fill.fee_currency} counted at {plain(unit)} {listed.quote})"
        self.state.incident(IncidentKind.FEE_RATE, text, fill.received_ns, venue=fill.venue)

    def _listed(self, fill: Fill) -> Instrument:
        listed = self._assets.listed(fill.venue, fill.symbol)
        require(listed is not None, f"a fill in {fill.symbol}, which {fill.venue} never listed")
        assert listed is not None
        return listed

    def _stop(self, fill: Fill, why: str, kind: IncidentKind) -> None:
        blocks, key = self.state.blocks, (fill.venue, fill.symbol)
        block = blocks.get(Source.STOPPED, *key) or blocks.put(Block(Source.STOPPED, *key, why))
        text = f"{fill.symbol} is stopped at {fill.venue}: {block.text}"
        self.state.incident(kind, text, fill.received_ns, severity=Severity.CRITICAL, venue=fill.venue)
