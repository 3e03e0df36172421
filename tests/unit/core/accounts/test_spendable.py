"""Whatever is filled, reported, reserved and refused in whatever order: nothing is spendable that the fills do not justify."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from arb.core.messages.events import AssetBalance, BalancesReported
from arb.core.state.positions.inventory import Inventory
from arb.market.order import Side
from tests.builders import START_NS, D, a_fill
from tests.unit.core.state.positions.test_inventory import LATER, an_order

PAIR, OTHER = 1, 2
amounts = st.decimals(0, 500, places=2)
fills = st.tuples(
    st.just("fill"),
    st.integers(0, 5),
    st.sampled_from(Side),
    st.decimals("0.01", 3, places=2),
    st.decimals(0, 1, places=2),
)
reports = st.tuples(st.just("report"), amounts, amounts, st.booleans(), st.booleans())
steps = st.lists(
    fills
    | reports
    | st.tuples(st.just("refused"))
    | st.tuples(st.just("reserve"), st.sampled_from((PAIR, OTHER)), amounts)
)


def reported(free: Decimal, locked: Decimal, *, complete: bool, asked_ns: int) -> BalancesReported:
    """Return gate's report of USDT."""
    balances = {"USDT": AssetBalance(free, locked)}
    return BalancesReported(venue="gate", balances=balances, complete=complete, asked_ns=asked_ns, t_ns=asked_ns)


@given(start=amounts, foreign=amounts, steps=steps)
def test_computed_balances_never_exceed_what_the_fills_justify(
    start: Decimal, foreign: Decimal, steps: list[tuple[Any, ...]]
) -> None:
    inventory = Inventory()
    inventory.take_report(reported(start, foreign, complete=True, asked_ns=START_NS), quiet=True)
    justified, counted, held, last_free, refused_free = (
        start + foreign,
        set[object](),
        {PAIR: D(0), OTHER: D(0)},
        start,
        None,
    )
    for step in steps:
        match step:
            case ("fill", number, side, size, fee):
                fill = a_fill(an_order(side), str(size), price="100", fee=str(fee), trade_id=f"t{number}", at_ns=LATER)
                inventory.apply_fill(fill, LATER)
                if number not in counted:
                    counted.add(number)
                    justified += (size * 100 if side is Side.SELL else -size * 100) - fee
            case ("report", free, locked, quiet, complete):
                last_free, refused_free = free, None
                inventory.take_report(
                    reported(free, locked, complete=complete, asked_ns=START_NS + NS_PER_MS // 2), quiet=quiet
                )
            case ("refused",):
                inventory.refused_for_funds("gate", "USDT")
                refused_free = last_free
            case ("reserve", pair, amount):
                inventory.reserve_at_least(pair, "gate", "USDT", amount)
                held[pair] = max(held[pair], amount)
        assert inventory.computed("gate", "USDT") == justified
        spendable = inventory.spendable(PAIR, "gate", "USDT")
        assert 0 <= spendable <= max(D(0), justified - held[OTHER])
        if refused_free is not None:
            assert spendable <= max(D(0), refused_free - held[OTHER])
        free = inventory.free("gate", "USDT")
        assert 0 <= free <= max(D(0), min(last_free, justified) - held[PAIR] - held[OTHER])
