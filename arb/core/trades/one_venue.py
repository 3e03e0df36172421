"""Trades that begin at one venue: a test order, or base of closed trades that is traded away (kinds `dust` and `flatten`).

Each names its venue as buy and sell venue. A trade of kind `dust` or `flatten` has no entries. It names a venue where an order
was legal at its opening, and all its orders are repairs, which go to the best venue that lists the symbol.
"""

from decimal import Decimal
from typing import Any

from arb.core.messages.legs import Leg, Trade
from arb.core.messages.records import PairKind
from arb.core.messages.recovery_records import PlanRecord
from arb.core.state.engine_state import EngineState
from arb.core.trades.opening import TradeManager
from arb.core.trades.repair_choice import repair_size
from arb.core.trades.trade import PairTrade
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import Side
from arb.market.symbol import Symbol

MARK_STEP = Decimal("1e-18")
SUMS = "buy_size sell_size buy_limit sell_limit buy_vwap sell_vwap residual residual_value net hold_quote hold_base"
NOTHING_PLANNED = dict.fromkeys(SUMS.split(), ZERO)


class OneVenueTrades:
    def __init__(self, state: EngineState, manager: TradeManager) -> None:
        self.state = state
        self.manager = manager

    def test(self, leg: Leg, cost: Decimal, now_ns: int) -> int:
        """Reserve the `cost` of an order that buys, and send it; return the id of its trade.

        Its plan values the base at the price paid, so that all its costs are a loss.
        """
        state, instrument = self.state, self.state.instruments[leg.venue, leg.symbol]
        fee = instrument.taker_fee or ZERO
        in_base = instrument.buy_fee_in is FeeIn.BASE
        mark = leg.limit / (1 - fee) if in_base else leg.limit * (1 + fee)
        trade = self._open(
            PairKind.TEST,
            instrument,
            now_ns,
            (leg,),
            buy_size=leg.size,
            buy_limit=leg.limit,
            buy_vwap=leg.limit,
            mark=mark.quantize(MARK_STEP),
            hold_quote=cost,
            buy_frame_ns=state.books.received_ns(leg.venue, leg.symbol),
        )
        self.manager.send(trade, leg, now_ns)
        return trade.id

    def exit(self, symbol: str, now_ns: int, *, dust: bool) -> int | None:
        """Open a trade for the carried base of a symbol, or for its dust, which it inherits at the booked value.

        Return its id; None where no venue takes such an order now.
        """
        residuals = self.state.residuals
        held = residuals.dust(symbol) if dust else residuals.carried(symbol)
        venue = self._venue_for(symbol, held.size, now_ns)
        if venue is None:
            return None
        residual = residuals.take_dust(symbol) if dust else residuals.take_carried(symbol)
        mark = (residual.booked / residual.size).quantize(MARK_STEP)
        trade = self._open(
            PairKind.DUST if dust else PairKind.FLATTEN,
            self.state.instruments[venue, symbol],
            now_ns,
            (),
            residual=residual.size,
            residual_value=residual.booked,
            mark=mark,
            hold_quote=max(ZERO, -residual.size * mark),
            hold_base=max(ZERO, residual.size),
        )
        self.state.journal_residuals()
        return trade.id

    def legal_at(self, venue: str, symbol: str, size: Decimal, now_ns: int) -> bool:
        """Return whether a legal order at a venue's mid price brings `size` base (below zero: missing) nearer to flat.

        Where the venue bars the symbol, or has not opened it, none is.
        """
        instrument, mid = self.state.instruments[venue, symbol], self.state.books.mid(venue, symbol)
        if not size or mid is None or instrument.taker_fee is None or self.state.shut(venue, symbol, now_ns):
            return False
        return bool(repair_size(Side.SELL if size > 0 else Side.BUY, abs(size), mid, instrument))

    def _venue_for(self, symbol: str, size: Decimal, now_ns: int) -> str | None:
        """Return the first venue where trading `size` base away is a legal order, no trade is open and the book is usable."""
        for venue in self.state.venues_of(symbol):
            free = (venue, symbol) not in self.manager.busy and not self.state.books.unusable(venue, symbol, now_ns)
            if free and self.legal_at(venue, symbol, size, now_ns):
                return venue
        return None

    def _open(
        self, kind: PairKind, instrument: Instrument, now_ns: int, legs: tuple[Leg, ...], **planned: Any
    ) -> PairTrade:
        """Reserve for a trade and journal it; numbers that are not `planned` are zero."""
        state, symbol, venue = self.state, instrument.symbol, instrument.venue
        number = state.next_number("pairs")
        plan = PlanRecord(
            pair_id=state.pair_id(number),
            symbol=symbol,
            buy_venue=venue,
            sell_venue=venue,
            buy_fee=instrument.taker_fee or ZERO,
            sell_fee=instrument.taker_fee or ZERO,
            buy_fee_in=FeeIn(instrument.buy_fee_in),
            **NOTHING_PLANNED | planned,
        )
        trade = PairTrade(kind, plan, number, state.run_id, None, now_ns, Trade(legs, state.flat_now))
        state.inventory.reserve(trade.id, plan.holds())
        state.tally.opened += 1
        self.manager.add(trade)
        state.out.persist(plan, trade.record(Symbol.of(symbol).base))
        return trade
