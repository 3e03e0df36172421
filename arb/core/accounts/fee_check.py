"""Each fee charged is checked against the one expected; what differs is an incident, and stops a symbol or changes its rate."""

from collections.abc import Callable

import msgspec

from arb.core.accounts.fees import booked_fee, dearer_rate, expected_fee_currency, fee_quote, usable_rate
from arb.core.incidents import IncidentKind, Severity
from arb.core.orders.order import WorkingOrder
from arb.core.state import EngineState
from arb.market.fill import Fill
from arb.market.numbers import plain
from arb.market.symbol import Symbol


class FeeCheck:
    """Checks the fee of each new fill of ours."""

    def __init__(self, state: EngineState) -> None:
        self.state = state
        self._rules_changed: Callable[[str], None] = lambda symbol: None

    def on_dearer(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with each symbol whose rate was found to be higher than listed."""
        self._rules_changed = listener

    def check(self, fill: Fill, order: WorkingOrder) -> None:
        """Stop a symbol at a venue whose fee came in another asset than expected; compute with a higher rate than expected.

        A higher rate holds until the venue lists other rules. For a fee that has no price, an incident says what it is booked
        at.
        """
        state, key = self.state, (fill.venue, fill.symbol)
        instrument = state.instruments[key]
        expected = expected_fee_currency(fill, instrument.buy_fee_in)
        if fill.fee and expected not in (None, fill.fee_currency) and key not in state.stopped:
            self._stop(fill, f"fee in {fill.fee_currency}, expected {expected}", IncidentKind.FEE_CURRENCY)
        if fill.fee and fee_quote(state, fill) is None:
            text = (
                f"a fee of {plain(fill.fee)} {fill.fee_currency} for {fill.symbol} at {fill.venue} has no price here: "
                f"booked at {plain(booked_fee(state, fill))} {Symbol.of(fill.symbol).quote}, as the model has it"
            )
            state.incident(IncidentKind.FEE_CURRENCY, text, fill.received_ns, venue=fill.venue, pair_id=order.pair_id)
        rate = dearer_rate(fill, instrument)
        if rate is not None and not usable_rate(rate):
            self._stop(fill, f"a fee of {rate} was charged", IncidentKind.FEE_RATE)
        elif rate is not None:
            text = f"{fill.symbol} at {fill.venue}: charged {rate}, expected {instrument.taker_fee}; computed with from now on"
            state.incident(IncidentKind.FEE_RATE, text, fill.received_ns, venue=fill.venue)
            state.instruments[key] = msgspec.structs.replace(instrument, taker_fee=rate)
            self._rules_changed(fill.symbol)

    def _stop(self, fill: Fill, why: str, kind: IncidentKind) -> None:
        """Open nothing more in the symbol at the venue in this run."""
        why = self.state.stopped.setdefault((fill.venue, fill.symbol), why)
        text = f"{fill.symbol} is stopped at {fill.venue}: {why}"
        self.state.incident(kind, text, fill.received_ns, severity=Severity.CRITICAL, venue=fill.venue)
