"""Instruments that a venue bars for an account: no order is sent there until the venue's listing of it has changed.

A symbol that is restricted, suspended, delisted or barred by residence is refused for every order, while its books
continue. A pair would end on one leg each time, and a repair sent there is no repair. One refusal by such a code of the
venue's table of outcomes bars the instrument. Codes that the table does not know need two refusals, of separate orders. Codes
for a wrong balance, price, expiry or rate are in the table and never bar. An accepted order clears the count of unknown codes,
and no bar. Only a listing lifts a bar: one with other rules than at the refusal that shows the instrument tradable. No pair is
ever used to test that.
"""

import msgspec

from arb.core.messages.incidents import IncidentKind
from arb.core.state.blocks import Block, Source
from arb.core.state.engine_state import EngineState
from arb.core.state.order import WorkingOrder
from arb.market.instrument import FeeIn, Instrument

UNKNOWN_CODES_NEEDED = 2


class InstrumentBans:
    def __init__(self, state: EngineState) -> None:
        self._state = state
        # By (venue, symbol), the orders refused by a code that the venue's table does not know.
        self._unknown: dict[tuple[str, str], set[str]] = {}

    def refused(self, order: WorkingOrder, why: str, now_ns: int) -> None:
        """Bar the instrument of an order that was refused by such a code; `why`: code and message."""
        state, key = self._state, (order.venue, order.symbol)
        instrument = state.instrument(*key)
        if instrument is None or state.is_barred(*key):
            return
        text = (
            f"{order.symbol} at {order.venue} is barred for this account ({why}): nothing is sent there until the venue's "
            "listing of it changes; take it out of [run] symbols or enable another venue if this stays"
        )
        account_id = state.venues[order.venue].account_id
        state.blocks.put(Block(Source.BARRED, account_id, order.symbol, text, listed=instrument))
        state.out.persist(state.control.record(now_ns, text))
        state.incident(IncidentKind.INSTRUMENT_HALTED, text, now_ns, venue=order.venue, pair_id=order.pair_id)

    def refused_by_unknown_code(self, order: WorkingOrder, why: str, now_ns: int) -> None:
        orders = self._unknown.setdefault((order.venue, order.symbol), set())
        orders.add(order.client_order_id)
        if len(orders) >= UNKNOWN_CODES_NEEDED:
            self.refused(order, why, now_ns)

    def accepted(self, order: WorkingOrder) -> None:
        """Forget refusals by unknown codes: the venue takes orders in the symbol."""
        self._unknown.pop((order.venue, order.symbol), None)

    def listed(self, instrument: Instrument, now_ns: int) -> None:
        """Lift the bar of an instrument that is listed as tradable by other rules than when it was barred."""
        state, control = self._state, self._state.control
        key = state.venues[instrument.venue].account_id, instrument.symbol
        held = state.blocks.get(Source.BARRED, *key)
        if held is None or held.listed is None:
            return
        if not instrument.tradable or _rules(instrument) == _rules(held.listed):
            if not instrument.tradable and held.listed.tradable:
                state.blocks.put(msgspec.structs.replace(held, listed=instrument))
                state.out.persist(control.record(now_ns, held.text))
            return
        state.blocks.lift(Source.BARRED, *key)
        self._unknown.pop((instrument.venue, instrument.symbol), None)
        text = f"{instrument.symbol} at {instrument.venue} is listed as tradable by new rules: it is traded again"
        state.out.persist(control.record(now_ns, text))
        state.incident(IncidentKind.INSTRUMENT_HALTED, text, now_ns, venue=instrument.venue)


def _rules(instrument: Instrument) -> Instrument:
    """Return an instrument without the fields that do not show whether it is tradable: the account's fees, announcements."""
    fees = {"taker_fee": None, "maker_fee": None, "buy_fee_in": FeeIn.BASE, "fee_asset": "", "fee_asset_taker": None}
    return msgspec.structs.replace(instrument, **fees, ends_ns=None, changes_ns=(), opens_ns=None)
