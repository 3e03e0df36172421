"""Durations that only hold together: accepted settings keep every relation, and each can be broken and is refused."""

import itertools
from typing import Any

import msgspec
import pytest

from arb.app.build import engine_settings
from arb.app.timing import require_timing
from arb.config import Mode, Settings
from arb.core.accounts.balance_reconciler import REFRESH_AGAIN_MS
from arb.core.messages.settings import Timing
from arb.core.orders.reconciler import EXPIRY_MARGIN_NS, QUERY_SPACING_NS
from arb.errors import ConfigError

PROOF_MS = 1000 + 200 + 250 + 2000
"""Expiry, margin, clock error, and the time between the two queries."""
KEYS = (
    "leg_deadline_ms",
    "shutdown_deadline_s",
    "unknown_max_s",
    "order_expiry_ms",
    "max_clock_offset_error_ms",
    "presume_absent_ms",
    "unknown_grace_ms",
    "drift_grace_ms",
    "dead_man_timeout_s",
)
CHANGES = [(key, times) for key in KEYS for times in (0.05, 0.5, 2, 20)]
CASES = itertools.product(itertools.combinations(CHANGES, 2), itertools.product([True, False], repeat=3))


def is_accepted(timing: Timing, proved: dict[str, bool], *, dedicated: bool) -> bool:
    try:
        require_timing(timing, proved, dedicated=dedicated)
    except ConfigError:
        return False
    return True


def test_the_defaults_hold_together_at_any_venue() -> None:
    assert (Timing().leg_deadline_ms, EXPIRY_MARGIN_NS, QUERY_SPACING_NS) == (5000, 200_000_000, 2_000_000_000)
    require_timing(Timing(), {"okx": True, "bitget": False}, dedicated=True)


def test_settings_are_accepted_where_they_keep_every_relation_and_only_there() -> None:
    for changes, (proved, also_proved, dedicated) in CASES:
        timing = Timing(**{key: max(1, int(getattr(Timing(), key) * times)) for key, times in changes})
        venues = {"okx": proved, "bitget": also_proved}
        found = [
            timing.order_expiry_ms + 200 + timing.max_clock_offset_error_ms + 2000
            if holds
            else max(2000, timing.presume_absent_ms)
            for holds in venues.values()
        ]
        longest_ms = max([*found, *(0 if holds else timing.unknown_grace_ms for holds in venues.values())])
        kept = (
            timing.leg_deadline_ms > max(found)
            and timing.shutdown_deadline_s * 1000 >= longest_ms + timing.leg_deadline_ms
            and timing.unknown_max_s * 1000 >= longest_ms
            and timing.order_expiry_ms >= timing.max_clock_offset_error_ms
            and timing.drift_grace_ms >= 2 * REFRESH_AGAIN_MS
            and (not dedicated or timing.shutdown_deadline_s >= timing.dead_man_timeout_s)
        )
        assert is_accepted(timing, venues, dedicated=dedicated) is kept, (changes, venues, dedicated)


@pytest.mark.parametrize(
    ("changes", "proved", "said"),
    [
        ({"leg_deadline_ms": PROOF_MS}, True, "leg_deadline_ms = 3450: give 3451 at least"),
        ({"presume_absent_ms": 5000}, False, "leg_deadline_ms = 5000: give 5001 at least"),
        ({"shutdown_deadline_s": 8}, True, "shutdown_deadline_s = 8: give 9 at least"),
        ({"shutdown_deadline_s": 14}, False, "shutdown_deadline_s = 14: give 15 at least"),
        ({"unknown_max_s": 3}, True, "unknown_max_s = 3: give 4 at least"),
        ({"unknown_max_s": 9}, False, "unknown_max_s = 9: give 10 at least"),
        ({"order_expiry_ms": 249}, True, "order_expiry_ms = 249: give 250 at least"),
        ({"drift_grace_ms": 1999}, True, "drift_grace_ms = 1999: give 2000 at least"),
        ({"dead_man_timeout_s": 31}, True, "shutdown_deadline_s = 30: give 31 at least"),
    ],
)
def test_each_relation_is_refused_in_one_line_once_a_setting_breaks_it(
    changes: dict[str, Any], proved: bool, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        require_timing(Timing(**changes), {"bitget": proved}, dedicated=True)
    assert str(refused.value).startswith(f"[timing] {said}")
    assert "\n" not in str(refused.value)


def test_a_switch_is_held_against_a_stop_only_where_it_is_armed() -> None:
    require_timing(Timing(dead_man_timeout_s=120), {"gate": True}, dedicated=False)


def test_a_start_refuses_what_does_not_hold_together() -> None:
    settings = msgspec.structs.replace(Settings(), timing=Timing(drift_grace_ms=1))
    with pytest.raises(ConfigError, match="drift_grace_ms"):
        engine_settings(settings, {}, None, Mode.PAPER)
