"""The judge of dust finds a sum of it that nobody trades away though an order for it is legal, and nothing else."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.settings import Limits
from arb.sandbox.profiles import SYMBOLS
from arb.sandbox.world import SimWorld
from proofs.faultsim.dust import EASY, LEGAL_QUOTE, piled_up
from proofs.faultsim.promises import Struck
from tests.unit.proofs.faultsim.test_conduct import MS, a_journal, a_pair
from tests.unit.proofs.faultsim.test_lateness import Told, a_control

LIMITS = Limits(dust_total_max_quote=Decimal(4))


def a_sum(*values: str) -> dict[str, Any]:
    dust = [{"symbol": symbol, "booked": value} for symbol, value in zip(SYMBOLS, values, strict=False)]
    return {"type": "PoolRecord", "dust": dust, "carried": []}


def found(tmp_path: Path, *entries: Told, struck: tuple[Struck, ...] = ()) -> list[str]:
    """Judge a journal in which two pairs close 1.1 s apart, after `entries`."""
    closes = [(100, a_pair(1, "completed")), (1201, a_pair(2, "completed"))]
    return list(piled_up(a_journal(tmp_path, *sorted([*entries, *closes], key=lambda told: told[0])), LIMITS, struck))


def test_too_much_dust_that_stays_while_pairs_close_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, (9, a_sum("-2.5", "1.6"))) == ["dust: 4.10 quote lie around, 4 may, and none is traded away"]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([(9, a_sum("2.5", "1.5"))], id="as much as may be"),
        pytest.param([(9, a_sum("1.9", "1.9", "1.9"))], id="no order is legal"),
        pytest.param([(9, a_sum("2.5", "2")), (200, a_pair(3, "opening") | {"kind": "dust"})], id="traded away"),
        pytest.param([(9, a_sum("2.5", "1.9")), (20, a_pair(3, "opening", buy=EASY))], id="a pair is open there"),
        pytest.param([(9, a_sum("2.5", "2")), (300, a_control(halted="asked"))], id="halted"),
        pytest.param([(9, a_sum("2.5", "2")), (300, "ShutdownAsked")], id="ending"),
        pytest.param([(900, a_sum("2.5", "2"))], id="for less than a second"),
    ],
)
def test_dust_that_may_lie_or_cannot_be_traded_passes(tmp_path: Path, entries: list[Told]) -> None:
    assert found(tmp_path, *entries) == []


def test_a_strike_that_may_keep_an_order_excuses_it(tmp_path: Path) -> None:
    told = (9, a_sum("2.5", "2"))
    assert found(tmp_path / "1", told, struck=(Struck(MS, "reject_balance", ("okx",)),)) == []
    assert found(tmp_path / "2", told, struck=(Struck(MS, "partial_fill", ("okx",)),)) != []


def test_the_easy_venue_takes_what_the_judge_says_in_every_symbol() -> None:
    exchange = SimWorld(1, 0, with_ceiling=False).venues[EASY].exchange
    for symbol, rules in exchange.instruments.items():
        price = exchange.market(symbol).reference() * rules.tick / 2
        assert 2 * max(rules.min_notional, rules.min_size * price) <= LEGAL_QUOTE, symbol
