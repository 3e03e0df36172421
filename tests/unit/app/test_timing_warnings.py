"""The leg deadline and the proof that an order does not exist must fit together where an order's expiry is proved."""

import pytest

from arb.app.build import timing_warnings
from arb.core.orders.reconciler import EXPIRY_MARGIN_NS, QUERY_SPACING_NS
from arb.core.settings import Timing
from arb.errors import ConfigError

PROOF_MS = 1000 + 200 + 250 + 2000
"""Expiry, margin, clock error, and the time between the two queries."""


def test_the_defaults_fit_where_an_expiry_is_proved() -> None:
    assert (Timing().leg_deadline_ms, EXPIRY_MARGIN_NS, QUERY_SPACING_NS) == (5000, 200_000_000, 2_000_000_000)
    assert timing_warnings(Timing(), {"okx": True}) == []


def test_a_deadline_shorter_than_the_proof_takes_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"leg_deadline_ms = 3450: .* 3450 ms at gate .*: give more than that"):
        timing_warnings(Timing(leg_deadline_ms=PROOF_MS), {"gate": True})
    assert timing_warnings(Timing(leg_deadline_ms=PROOF_MS + 1), {"gate": True}) == []


def test_where_no_expiry_is_proved_the_presumption_fits_the_defaults_too() -> None:
    assert timing_warnings(Timing(), {"okx": True, "bitget": False}) == []


def test_where_no_expiry_is_proved_a_warning_says_how_long_a_leg_may_stay_alone() -> None:
    [warning] = timing_warnings(Timing(presume_absent_ms=5000), {"okx": True, "bitget": False})
    assert warning.startswith("bitget: an order without answer is presumed absent after 5000 ms only")


@pytest.mark.parametrize(("proved", "enough_s"), [(True, 9), (False, 15)])
def test_a_stop_has_time_to_find_an_order_absent_and_to_repair_its_leg(proved: bool, enough_s: int) -> None:
    assert timing_warnings(Timing(shutdown_deadline_s=enough_s), {"bitget": proved}) == []
    [warning] = timing_warnings(Timing(shutdown_deadline_s=enough_s - 1), {"bitget": proved})
    assert warning.endswith("a stop may leave pairs open")
