"""The relations that durations in `[timing]` must keep, in one table; a start refuses settings that break one.

Where balances differ, they are read again every `REFRESH_AGAIN_MS` and not every `balance_refresh_s`, so `drift_grace_ms`
is compared with the former. Switches are armed only on dedicated accounts.
"""

from collections.abc import Mapping
from typing import NamedTuple

from arb.core.accounts.balance_reconciler import REFRESH_AGAIN_MS
from arb.core.messages.settings import Timing
from arb.core.orders.reconciler import absence_found_ms
from arb.errors import ConfigError


class Relation(NamedTuple):
    """A key of `[timing]`, its minimum, the purpose, and the consequence otherwise."""

    key: str
    least_ms: int
    what: str
    otherwise: str


def relations(timing: Timing, proved: Mapping[str, bool], *, dedicated: bool) -> list[Relation]:
    """Return every relation that these settings have to keep.

    `proved` gives for each venue whether an order's expiry is enforced there and this account has seen that;
    `dedicated` whether any account is.
    """
    found = {venue: absence_found_ms(timing, expiry_counts=counts) for venue, counts in proved.items()}
    # A presumption takes longer where the venue is unwell.
    longest_ms = max(
        (max(ms, 0 if proved[venue] else timing.unknown_grace_ms) for venue, ms in found.items()), default=0
    )
    late = [
        Relation(
            "leg_deadline_ms", ms + 1, f"more than finding a lost order absent takes at {venue}", "its pair is late"
        )
        for venue, ms in found.items()
    ]
    armed = [
        Relation(
            "shutdown_deadline_s",
            timing.dead_man_timeout_s * 1000,
            "dead_man_timeout_s",
            "orders may rest longer than a stop that hangs",
        )
    ]
    return [
        *late,
        Relation(
            "shutdown_deadline_s",
            longest_ms + timing.leg_deadline_ms,
            "finding an order absent and leg_deadline_ms",
            "a stop ends with open pairs",
        ),
        Relation(
            "unknown_max_s", longest_ms, "finding an order absent", "orders are reported that are still looked for"
        ),
        Relation(
            "order_expiry_ms", timing.max_clock_offset_error_ms, "max_clock_offset_error_ms", "orders arrive expired"
        ),
        Relation("drift_grace_ms", 2 * REFRESH_AGAIN_MS, "two more readings", "one late reading stops an asset"),
        *(armed if dedicated else []),
    ]


def require_timing(timing: Timing, proved: Mapping[str, bool], *, dedicated: bool) -> None:
    for key, least_ms, what, otherwise in relations(timing, proved, dedicated=dedicated):
        value, unit_ms = getattr(timing, key), 1 if key.endswith("_ms") else 1000
        if value * unit_ms < least_ms:
            least = -(-least_ms // unit_ms)
            raise ConfigError(f"[timing] {key} = {value}: give {least} at least ({what}), or {otherwise}")
