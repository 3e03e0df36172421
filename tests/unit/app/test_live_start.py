"""What the doctor finds before a live run, and what follows: a venue stays shut, or nothing starts, or only repairs do."""

import pytest

from arb.app.doctor.checks import Finding, Result
from arb.app.live import failures
from arb.errors import CheckFailed

VENUES = ("gate", "okx", "bitget")
WELL = [Finding(venue, "signature", Result.PASS, "well") for venue in ("local", *VENUES)]


def failed(about: str, check: str = "signature") -> Finding:
    return Finding(about, check, Result.FAIL, f"{check} of {about} is wrong", "correct it")


def test_what_passes_or_warns_keeps_nothing_shut() -> None:
    assert failures([*WELL, Finding("okx", "ip_list", Result.WARN, "any", "bind it")], VENUES, pairs_open=False) == {}


def test_a_venue_that_failed_stays_shut_and_the_others_trade() -> None:
    shut = failures([*WELL, failed("okx"), failed("okx", "books")], VENUES, pairs_open=False)
    assert shut == {
        "okx": "signature: signature of okx is wrong (correct it); books: books of okx is wrong (correct it)"
    }


@pytest.mark.parametrize("found", [[failed("local", "disk")], [failed("okx"), failed("gate")]])
def test_what_failed_of_the_machine_or_at_all_but_one_venue_forbids_the_start(found: list[Finding]) -> None:
    with pytest.raises(CheckFailed, match=r"forbids the start.*is wrong \(correct it\)"):
        failures([*WELL, *found], VENUES, pairs_open=False)


@pytest.mark.parametrize("found", [[failed("local", "disk")], [failed("okx"), failed("gate")]])
def test_with_pairs_open_it_starts_and_nothing_opens_anywhere(found: list[Finding]) -> None:
    shut = failures([*WELL, *found], VENUES, pairs_open=True)
    assert set(shut) == set(VENUES) and all("is wrong" in why for why in shut.values())


def test_venues_that_are_down_are_waited_for() -> None:
    down = [failed(venue, check) for venue in ("okx", "gate") for check in ("rest", "listing", "signature")]
    assert set(failures([*WELL, *down], VENUES, pairs_open=False)) == {"okx", "gate"}
    with pytest.raises(CheckFailed):
        failures([*WELL, *down[:3], failed("gate"), failed("bitget")], VENUES, pairs_open=False)
