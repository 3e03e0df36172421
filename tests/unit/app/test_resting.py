"""The companion's cancels: a fault at one venue ends no cancel at another, and hides no order."""

import random

import pytest

from arb.app.resting import Resting
from arb.clock import SystemClock
from arb.config import Settings
from arb.errors import VenueAuthError
from arb.venues.kit.endpoints import Credentials
from arb.watch.guard import Cleared

KEYS = dict.fromkeys(("gate", "okx", "bitget"), Credentials(key="key", secret="secret", passphrase="phrase"))


class Broken(Resting):
    """At gate each look ends with `error`; at the other venues one order is cancelled."""

    def __init__(self, error: Exception) -> None:
        super().__init__(Settings(), KEYS, SystemClock(), random.Random(0))
        self._error = error

    async def _at(self, venue: str, *, cancel: bool) -> Cleared:
        if venue == "gate":
            raise self._error
        return Cleared(venue, 1, 0, "")


def test_a_bug_at_one_venue_ends_no_cancel_at_another() -> None:
    gate, okx, bitget = Broken(KeyError("price")).cancel()
    assert (okx, bitget) == (Cleared("okx", 1, 0, ""), Cleared("bitget", 1, 0, ""))
    assert gate.trouble == "KeyError: 'price'" and not gate.is_clear


def test_a_key_that_is_not_accepted_ends_the_check() -> None:
    with pytest.raises(VenueAuthError, match="refused"):
        Broken(VenueAuthError("gate", "refused")).check()
