"""The leg deadline and the proof that an order does not exist must fit together where an order's expiry is proved."""

import pytest

from arb.app.build import deadline_warnings
from arb.core.orders.reconciler import EXPIRY_MARGIN_NS, QUERY_SPACING_NS
from arb.core.settings import Timing
from arb.errors import ConfigError

PROOF_MS = 1000 + 200 + 250 + 2000
"""Expiry, margin, clock error, and the time between the two queries."""


def test_the_defaults_fit_where_an_expiry_is_proved() -> None:
    assert (Timing().leg_deadline_ms, EXPIRY_MARGIN_NS, QUERY_SPACING_NS) == (5000, 200_000_000, 2_000_000_000)
    assert deadline_warnings(Timing(), {"okx": True}) == []


def test_a_deadline_shorter_than_the_proof_takes_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"leg_deadline_ms = 3450: .* 3450 ms at gate .*: give more than that"):
        deadline_warnings(Timing(leg_deadline_ms=PROOF_MS), {"gate": True})
    assert deadline_warnings(Timing(leg_deadline_ms=PROOF_MS + 1), {"gate": True}) == []


def test_where_no_expiry_is_proved_a_warning_says_how_long_a_leg_may_stay_alone() -> None:
    [warning] = deadline_warnings(Timing(), {"okx": True, "bitget": False})
    assert warning.startswith("bitget: an order without answer is proved absent after 32000 ms only")
    assert deadline_warnings(Timing(leg_deadline_ms=40_000), {"bitget": False}) == []
