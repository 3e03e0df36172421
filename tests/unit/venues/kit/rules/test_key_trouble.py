"""A refused key: from the venue's own code to what is wrong and what to do about it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.errors import VenueAuthError, VenueBusy, VenueError, VenueProtocolError, VenueRejected, VenueUnreachable
from arb.venues.kit.endpoints import Environment, Site, VenueEndpoint
from arb.venues.kit.rules.key_trouble import diagnosed
from arb.venues.kit.rules.outcome import KeyTrouble, judge_read
from arb.venues.kit.spec import VenueSpec
from arb.venues.registry import SPECS, spec_of
from arb.venues.transport.http import HttpAnswer
from arb.venues.transport.retry import Trouble

ENDPOINT = VenueEndpoint(rest="https://a.example", ws_public="wss://a.example", ws_private="wss://a.example")
LIVE = Site(environment=Environment.PRODUCTION, endpoint=ENDPOINT)
DEMO = Site(environment=Environment.DEMO, endpoint=ENDPOINT, region="eea")


@pytest.mark.parametrize(
    ("venue", "code", "trouble"),
    [
        ("gate", "REQUEST_EXPIRED", KeyTrouble.CLOCK),
        ("gate", "INVALID_KEY", KeyTrouble.KEY),
        ("gate", "INVALID_SIGNATURE", KeyTrouble.SECRET),
        ("gate", "IP_FORBIDDEN", KeyTrouble.ADDRESS),
        ("gate", "FORBIDDEN", KeyTrouble.RIGHTS),
        ("okx", "50102", KeyTrouble.CLOCK),
        ("okx", "50111", KeyTrouble.KEY),
        ("okx", "50113", KeyTrouble.SECRET),
        ("okx", "50105", KeyTrouble.PASSPHRASE),
        ("okx", "50101", KeyTrouble.ENVIRONMENT),
        ("okx", "50119", KeyTrouble.REGION),
        ("okx", "50110", KeyTrouble.ADDRESS),
        ("okx", "50120", KeyTrouble.RIGHTS),
        ("bitget", "40008", KeyTrouble.CLOCK),
        ("bitget", "40037", KeyTrouble.KEY),
        ("bitget", "40009", KeyTrouble.SECRET),
        ("bitget", "40012", KeyTrouble.PASSPHRASE),
        ("bitget", "40099", KeyTrouble.ENVIRONMENT),
        ("bitget", "40018", KeyTrouble.ADDRESS),
        ("bitget", "40014", KeyTrouble.RIGHTS),
        ("bitget", "40085", KeyTrouble.MODE),
        ("bitget", "25245", KeyTrouble.MODE),
        ("bitget", "25006", KeyTrouble.ACCOUNT),
    ],
)
def test_a_code_says_what_is_wrong(venue: str, code: str, trouble: KeyTrouble) -> None:
    error = VenueAuthError(venue, f"{code} refused", code=code)
    found = diagnosed(error, LIVE, spec_of(venue).outcomes.key_troubles[code])
    assert found.trouble is trouble and code in found.found and found.remedy


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_code_of_a_refused_key_stands_in_the_table_of_outcomes_too(spec: VenueSpec) -> None:
    policy = spec.outcomes
    assert {code for code in policy.key_troubles if code not in policy.table} == set()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_code_by_which_a_key_or_its_account_is_refused_says_what_is_wrong_with_it(spec: VenueSpec) -> None:
    policy = spec.outcomes
    refused = {code for code, rule in policy.table.items() if rule.trouble is Trouble.AUTH}
    # A websocket that is not logged in is no fault of the key.
    assert refused - policy.key_troubles.keys() <= {"60011"}


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (VenueUnreachable("okx", "no route", code="unreachable"), KeyTrouble.SILENCE),
        (VenueUnreachable("okx", "HTTP 502 with a body that is not the venue's", code="unreadable"), KeyTrouble.HOST),
        (VenueProtocolError("okx", "no field uid"), KeyTrouble.HOST),
        (VenueBusy("okx", "too many"), KeyTrouble.SILENCE),
        (VenueAuthError("gate", "the key may not ask whether the account is unified"), KeyTrouble.RIGHTS),
        (VenueRejected("okx", "59999 new", code="59999"), KeyTrouble.OTHER),
    ],
)
def test_what_no_code_says_is_told_by_the_way_it_failed(error: VenueError, trouble: KeyTrouble) -> None:
    assert diagnosed(error, LIVE, None).trouble is trouble


def test_environment_region_and_clock_are_named_as_they_are_here() -> None:
    refused = VenueAuthError("okx", "50101 no match", code="50101")
    assert "made for production" in diagnosed(refused, DEMO, KeyTrouble.ENVIRONMENT).remedy
    assert "made for a demo account" in diagnosed(refused, LIVE, KeyTrouble.ENVIRONMENT).remedy
    assert "(now 'eea')" in diagnosed(refused, DEMO, KeyTrouble.REGION).remedy
    assert "[venues.okx.endpoints] rest" in diagnosed(refused, LIVE, KeyTrouble.SECRET).remedy
    assert "off by 4 ms" in diagnosed(refused, LIVE, KeyTrouble.CLOCK, clock_off_ms=4.2).remedy


RECORDED = {
    "gate/rest/error--INVALID_KEY.json": KeyTrouble.KEY,
    "gate/rest/error--INVALID_SIGNATURE.json": KeyTrouble.SECRET,
    "gate/rest/error--FORBIDDEN-no-permission.json": KeyTrouble.RIGHTS,
    "okx/rest/error--50110-ip-not-in-whitelist.json": KeyTrouble.ADDRESS,
    "okx/rest/error--50111-invalid-access-key.json": KeyTrouble.KEY,
    "okx/rest/error--50119-key-does-not-exist.json": KeyTrouble.REGION,
}


def recorded(repo_root: Path) -> Iterator[tuple[str, KeyTrouble, dict[str, object]]]:
    folder = repo_root.parent / "shared" / "data" / "answers"
    if not folder.is_dir():
        pytest.skip("no recorded answers here")
    for name, trouble in RECORDED.items():
        yield name, trouble, json.loads((folder / name).read_text())


def test_recorded_refusals_are_diagnosed(repo_root: Path) -> None:
    for name, trouble, wrapped in recorded(repo_root):
        venue = name.partition("/")[0]
        policy = spec_of(venue).outcomes
        status = wrapped.get("status") or 401
        verdict = judge_read(policy, HttpAnswer(int(str(status)), {}, str(wrapped["raw"]).encode(), 0, 0), 0)
        assert policy.key_troubles.get(verdict.code) is trouble, (name, verdict)
