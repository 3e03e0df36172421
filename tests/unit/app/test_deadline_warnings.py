"""The leg deadline and the proof that an order does not exist must fit together where a venue enforces an expiry."""

import pytest

from arb.app.build import deadline_warnings
from arb.core.orders.reconciler import EXPIRY_MARGIN_NS, QUERY_SPACING_NS
from arb.core.risk.limits import PlaceRate
from arb.core.settings import Timing
from arb.core.state import VenueProfile
from arb.errors import ConfigError

PROOF_MS = 1000 + 200 + 250 + 2000
"""Expiry, margin, clock error, and the time between the two queries."""


def a_venue(name: str, *, enforces_expiry: bool) -> VenueProfile:
    return VenueProfile(name, PlaceRate(10, 1000), enforces_expiry)


def test_the_defaults_fit_where_a_venue_enforces_an_expiry() -> None:
    assert (Timing().leg_deadline_ms, EXPIRY_MARGIN_NS, QUERY_SPACING_NS) == (5000, 200_000_000, 2_000_000_000)
    assert deadline_warnings(Timing(), [a_venue("okx", enforces_expiry=True)]) == []


def test_a_deadline_shorter_than_the_proof_takes_is_refused_at_the_start() -> None:
    venues = [a_venue("gate", enforces_expiry=True)]
    with pytest.raises(ConfigError, match=r"leg_deadline_ms = 3450: .* 3450 ms at gate .*: give more than that"):
        deadline_warnings(Timing(leg_deadline_ms=PROOF_MS), venues)
    assert deadline_warnings(Timing(leg_deadline_ms=PROOF_MS + 1), venues) == []


def test_where_a_venue_has_no_expiry_a_warning_says_how_long_a_leg_may_stay_alone() -> None:
    [warning] = deadline_warnings(
        Timing(), [a_venue("okx", enforces_expiry=True), a_venue("bitget", enforces_expiry=False)]
    )
    assert warning.startswith("bitget: an order without answer is proved absent after 32000 ms only")
    patient = Timing(leg_deadline_ms=40_000)
    assert deadline_warnings(patient, [a_venue("bitget", enforces_expiry=False)]) == []
