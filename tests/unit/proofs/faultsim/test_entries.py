"""The judges of the guards on new pairs find what they would not have let through, or not refused, and nothing else."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_MS
from arb.core.messages.settings import Limits, Ramp
from arb.core.state.budget import PlaceRate
from arb.core.state.engine_state import VenueProfile
from proofs.faultsim.disk import temporary_files
from proofs.faultsim.entries import past_the_guards, refused_with_room
from proofs.faultsim.plan import make_plan
from proofs.faultsim.world import Simulation

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


TWO_PAIRS = [
    {"buy_venue": "gate", "sell_venue": "okx", "symbol": "BTC/USDT", "decided_ns": ns, "closed_ns": ns + NS_PER_MS}
    for ns in (NS_PER_MS, 400 * NS_PER_MS)
]


@pytest.mark.parametrize(
    ("at_ms", "has_room"),
    [
        pytest.param(450, True, id="a leg and a hedge fit beside the one that was sent"),
        pytest.param(401, False, id="the second pair is still open and may need its hedge"),
        pytest.param(1_000, True, id="the window is empty"),
    ],
)
def test_a_rate_limit_counts_what_was_sent_and_what_open_pairs_may_send(at_ms: int, has_room: bool) -> None:
    venues = [VenueProfile(venue, PlaceRate(3, 390), enforces_expiry=True) for venue in ("gate", "okx")]
    sent = [
        {"venue": venue, "symbol": "BTC/USDT", "journalled_ns": pair["decided_ns"]}
        for pair in TWO_PAIRS
        for venue in ("gate", "okx")
    ]
    edge = {"symbol": "BTC/USDT", "buy_venue": "okx", "sell_venue": "gate"} | {
        "best_ns": at_ms * NS_PER_MS,
        "closed_ns": at_ms * NS_PER_MS,
    }
    assert bool(list(refused_with_room([edge], sent, TWO_PAIRS, venues))) is has_room
