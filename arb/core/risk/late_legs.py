"""Legs that stay unhedged beyond `leg_deadline_ms`: the stops that they cause, and when these lift.

From the deadline on nothing opens in the pair's symbol, nor at its two venues. When the pair is still unhedged at twice the
deadline, or a second one is late at the same time, nothing opens at all (`HaltReason.LEG_DEADLINE`). Only this stop and that
halt lift themselves, at most once an hour. Every pair that was late must have ended completed or unwound, its loss before fees
within `leg_loss_max_bps` of its larger leg. No order may be unknown anywhere. Any other halt, or a late pair that ended
otherwise, waits for the user. All of it is journalled, and survives restarts.
"""

from decimal import Decimal

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.records import PairState
from arb.core.messages.recovery_records import LateLeg
from arb.core.state.blocks import Source
from arb.core.state.engine_state import EngineState
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import PairTrade
from arb.market.numbers import ZERO
from arb.market.order import Side

LIFT_AGAIN_NS = 3600 * NS_PER_S
ENDED_WELL = (PairState.COMPLETED, PairState.UNWOUND)
BPS = Decimal(10_000)
ROUNDING = Decimal("1e-6")
"""The most (quote) by which the sum of a result's causes, each kept to 1e-8, may be off."""


class LateLegs:
    def __init__(self, state: EngineState, orders: TradeTable) -> None:
        self.state = state
        self.orders = orders

    def stop(self, pair: PairTrade, text: str, now_ns: int) -> None:
        """Stop opening where a pair that has passed its deadline trades; everywhere if it is the second such pair."""
        state, symbol = self.state, pair.plan.symbol
        state.control.stop_late(LateLeg(pair.id, symbol, pair.venues))
        text = f"{text}: nothing opens in {symbol}, nor at {' and '.join(pair.venues)}, until it has ended"
        state.out.persist(state.control.record(now_ns, text))
        state.incident(IncidentKind.LATE_LEG, text, now_ns, severity=Severity.CRITICAL, pair_id=pair.id)
        unfinished = [leg.pair_id for leg in state.control.late.values() if not leg.ended_well]
        if len(unfinished) > 1:
            self.halt(pair, f"pairs {', '.join(map(str, unfinished))} are late at the same time", now_ns)

    def may_halt(self, pair: PairTrade) -> bool:
        leg = self.state.control.late.get(pair.id)
        return leg is not None and not leg.halted

    def halt(self, pair: PairTrade, text: str, now_ns: int) -> None:
        self._note(pair, halted=True)
        self.state.halt(HaltReason.LEG_DEADLINE, text, now_ns, pair.id)

    def ended(self, pair: PairTrade) -> None:
        """Record how a pair that was late has ended; the caller journals it."""
        self._note(pair, ended_well=pair.state in ENDED_WELL and self._within_cap(pair))

    def reopened(self, pair: PairTrade, now_ns: int) -> None:
        if self._note(pair, ended_well=False):
            self.state.out.persist(self.state.control.record(now_ns, f"pair {pair.id} is open again"))

    def lift_if_over(self, now_ns: int) -> None:
        """Lift the stops of the late pairs, of which there are some, once each of them has ended well."""
        state, control = self.state, self.state.control
        if not all(leg.ended_well for leg in control.late.values()):
            return
        if control.lifted_ns and now_ns < control.lifted_ns + LIFT_AGAIN_NS:
            return
        unknown = any(pair.has_unknown for pair in self.orders.unfinished) or self.orders.unknown_orders()
        if unknown or state.blocks.of(Source.LOST):
            return
        names = ", ".join(str(pair_id) for pair_id in sorted(control.late))
        control.lift_late(now_ns)
        text = f"late pairs {names} have ended within their caps and nothing is unknown: their stops are lifted"
        if control.halted is not None:
            text += f", once {control.halted} is lifted"
        state.out.persist(control.record(now_ns, text))
        state.incident(IncidentKind.STOP_LIFTED, text, now_ns)

    def _note(self, pair: PairTrade, **changes: bool) -> bool:
        """Change the record of a late pair; return whether it had one."""
        leg = self.state.control.late.get(pair.id)
        if leg is not None:
            self.state.control.late[pair.id] = msgspec.structs.replace(leg, **changes)
        return leg is not None

    def _within_cap(self, pair: PairTrade) -> bool:
        """Return whether a pair that has ended lost no more, before fees, than the cap on its larger leg's notional."""
        if pair.waterfall is None:
            return False
        orders = pair.orders.values()
        traded = {side: sum((o.notional for o in orders if o.side is side), ZERO) for side in Side}
        fees = sum((value for order in orders for value in order.fee_values.values()), ZERO)
        net = Decimal(pair.waterfall.realised_net_e8).scaleb(-8) + fees
        return -net <= max(traded.values()) * self.state.policy.leg_loss_max_bps / BPS + ROUNDING
