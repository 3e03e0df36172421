"""The judge of the guards on new pairs finds what they would not have let through, and nothing else."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from arb.core.settings import Limits, Ramp
from arb.faultsim.disk import temporary_files
from arb.faultsim.entries import past_the_guards
from arb.faultsim.plan import make_plan
from arb.faultsim.world import Simulation

SEED = 11
WIDE = Limits(max_notional_quote=Decimal(10**6), max_capital_per_venue_quote=Decimal(10**6), min_edge_bps=Decimal(3))


@pytest.fixture(name="journal", scope="module")
def a_journal_without_a_ramp() -> Iterator[Path]:
    with temporary_files() as files:
        plan = msgspec.structs.replace(make_plan(SEED), ramp=None, limits=WIDE)
        assert Simulation(plan, files).run().pairs > 0
        yield files.journal


def test_what_is_allowed_is_not_found(journal: Path) -> None:
    assert list(past_the_guards(journal, WIDE, None)) == []
    assert list(past_the_guards(journal, WIDE, Ramp(Decimal(10**6), 1))) == []


def test_a_pair_past_the_ramp_is_found(journal: Path) -> None:
    [first, *_] = past_the_guards(journal, WIDE, Ramp(Decimal(1), 10**6))
    assert first.startswith("ramp: pair ") and first.endswith("at most 1 was allowed by then")


def test_a_pair_past_the_capital_of_a_venue_is_found(journal: Path) -> None:
    narrow = msgspec.structs.replace(WIDE, max_capital_per_venue_quote=Decimal(1))
    [first, *_] = past_the_guards(journal, narrow, None)
    assert first.startswith("capital: pair ") and first.endswith("at most 1 is allowed")
