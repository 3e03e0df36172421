"""What an answer to an order means: every row of every table, and the three rules above them."""

import pytest

from arb.errors import VenueAuthError, VenueBusy, VenueRejected, VenueUnreachable
from arb.market.order import Outcome
from arb.venues.bitget.outcomes import POLICY as BITGET
from arb.venues.gate.outcomes import POLICY as GATE
from arb.venues.kit.rules.outcome import UNREADABLE, OutcomePolicy, Rule, Verdict, error_of, judge_read, judge_write
from arb.venues.okx.outcomes import POLICY as OKX
from arb.venues.transport.http import HttpAnswer
from arb.venues.transport.retry import Trouble

NOW_NS = 1_700_000_000_000_000_000
POLICIES = {policy.venue: policy for policy in (GATE, OKX, BITGET)}
ROWS = [(policy, rule) for policy in POLICIES.values() for rule in policy.table.values()]


def body_with(policy: OutcomePolicy, code: str) -> bytes:
    if policy is GATE:
        return f'{{"label":"{code}","message":"words"}}'.encode()
    return f'{{"code":"{code}","msg":"words","data":[]}}'.encode()


def answer(status: int, body: bytes, **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, named, body, NOW_NS - 5, NOW_NS)


def outcome(policy: OutcomePolicy, status: int, body: bytes) -> Verdict:
    return judge_write(policy, answer(status, body), NOW_NS)


@pytest.mark.parametrize(("policy", "rule"), ROWS, ids=lambda value: getattr(value, "code", None))
def test_every_listed_code_means_what_its_row_says(policy: OutcomePolicy, rule: Rule) -> None:
    verdict = outcome(policy, 400, body_with(policy, rule.code))

    assert (verdict.outcome, verdict.trouble, verdict.code) == (rule.outcome, rule.trouble, rule.code)
    assert verdict.message == "words"
    assert len(rule.why) > 10


@pytest.mark.parametrize(("policy", "rule"), ROWS, ids=lambda value: getattr(value, "code", None))
def test_no_code_is_a_refusal_once_the_status_is_a_5xx(policy: OutcomePolicy, rule: Rule) -> None:
    for status in (500, 502, 503, 504, 599):
        assert outcome(policy, status, body_with(policy, rule.code)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 408, 418, 429, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "body", [b"", b"<html>busy</html>", b'{"label":"INVALID', b"null", b'"text"', b"17", b"\xff\xfe", b"{}", b'{"x":1}']
)
def test_a_body_that_is_not_the_venues_is_never_a_refusal(policy: OutcomePolicy, status: int, body: bytes) -> None:
    verdict = outcome(policy, status, body)

    # Gate's success is any JSON object: there an empty one is caught when the order is read from it.
    if not (policy is GATE and status in (200, 201) and body.startswith(b"{") and body.endswith(b"}")):
        assert verdict.outcome is Outcome.UNKNOWN
        assert verdict.code == UNREADABLE


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_code_that_is_not_listed_is_unknown(policy: OutcomePolicy) -> None:
    for code in ("SOMETHING_NEW", "99999", "1"):
        assert outcome(policy, 400, body_with(policy, code)).outcome is Outcome.UNKNOWN
        assert outcome(policy, 429, body_with(policy, code)).outcome is Outcome.UNKNOWN


def test_a_429_is_a_refusal_only_with_the_venues_own_word() -> None:
    assert outcome(GATE, 429, body_with(GATE, "TOO_MANY_REQUESTS")).outcome is Outcome.REJECTED
    assert outcome(OKX, 429, body_with(OKX, "50011")).outcome is Outcome.REJECTED
    assert outcome(BITGET, 429, body_with(BITGET, "429")).outcome is Outcome.REJECTED
    assert outcome(OKX, 429, body_with(OKX, "50013")).outcome is Outcome.UNKNOWN
    for policy in POLICIES.values():
        assert outcome(policy, 429, b"<html>429</html>").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_refusal_says_whether_the_balance_does_not_cover_the_order(policy: OutcomePolicy) -> None:
    assert policy.funds_codes
    for rule in policy.table.values():
        verdict = outcome(policy, 400, body_with(policy, rule.code))
        assert verdict.short_of_funds is (rule.why == "the balance does not cover it")


@pytest.mark.parametrize(
    ("policy", "code"), [(GATE, "INVALID_PRECISION"), (OKX, "51000"), (OKX, "51121"), (BITGET, "40808")]
)
def test_a_refusal_says_whether_price_or_size_is_off_the_steps(policy: OutcomePolicy, code: str) -> None:
    verdict = outcome(policy, 400, body_with(policy, code))
    assert (verdict.outcome, verdict.off_steps) == (Outcome.REJECTED, True)
    off = {known for known in policy.table if outcome(policy, 400, body_with(policy, known)).off_steps}
    assert code in off and off == policy.steps_codes


def test_a_duplicate_id_means_that_an_earlier_request_got_through() -> None:
    for policy, code in ((GATE, "ORDER_EXISTS"), (GATE, "DUPLICATE_REQUEST"), (OKX, "51016"), (BITGET, "43118")):
        assert outcome(policy, 400, body_with(policy, code)).outcome is Outcome.UNKNOWN


def test_okx_judges_the_item_and_not_its_envelope() -> None:
    refused = b'{"code":"1","msg":"All operations failed","data":[{"sCode":"51008","sMsg":"no money","ordId":""}]}'
    taken = b'{"code":"0","msg":"","data":[{"sCode":"0","sMsg":"","ordId":"7"}]}'
    timed_out = b'{"code":"1","msg":"","data":[{"sCode":"50004","sMsg":"timeout","ordId":""}]}'
    nothing = b'{"code":"0","msg":"","data":[]}'

    assert outcome(OKX, 200, refused).outcome is Outcome.REJECTED
    assert outcome(OKX, 200, refused).code == "51008"
    assert outcome(OKX, 200, taken).outcome is Outcome.ACCEPTED
    assert outcome(OKX, 200, timed_out).outcome is Outcome.UNKNOWN
    assert outcome(OKX, 200, nothing).outcome is Outcome.UNKNOWN


def test_success_is_accepted_with_exact_numbers() -> None:
    verdict = outcome(GATE, 201, b'{"id":"1","left":0.1000000000000000055511151231257827021181583404541015625}')

    assert verdict.outcome is Outcome.ACCEPTED
    assert str(verdict.body["left"]) == "0.1000000000000000055511151231257827021181583404541015625"
    assert outcome(BITGET, 200, b'{"code":"00000","data":{"orderId":"1"}}').outcome is Outcome.ACCEPTED


def test_a_limit_reports_how_long_to_wait() -> None:
    busy = body_with(GATE, "TOO_MANY_REQUESTS")

    reset = answer(429, busy, x_gate_ratelimit_reset_timestamp=str(NOW_NS // 10**9 + 3))
    assert judge_write(GATE, reset, NOW_NS).retry_after_s == 3.0
    assert judge_write(GATE, answer(429, busy, retry_after="7"), NOW_NS).retry_after_s == 7.0
    assert judge_write(GATE, answer(400, body_with(GATE, "FORBIDDEN"), retry_after="7"), NOW_NS).retry_after_s is None


def test_reads_raise_what_their_reader_can_act_on() -> None:
    def error(policy: OutcomePolicy, status: int, body: bytes) -> Exception:
        return error_of(policy.venue, judge_read(policy, answer(status, body), NOW_NS))

    assert isinstance(error(GATE, 401, body_with(GATE, "INVALID_KEY")), VenueAuthError)
    assert isinstance(error(OKX, 429, body_with(OKX, "50011")), VenueBusy)
    assert isinstance(error(OKX, 200, body_with(OKX, "51603")), VenueRejected)
    assert isinstance(error(BITGET, 502, b"<html>"), VenueUnreachable)


def test_only_listed_codes_are_refusals() -> None:
    # The tables' refusals, counted: adding one is a decision about money and should show here.
    refusals = {
        policy.venue: sum(rule.outcome is Outcome.REJECTED for rule in policy.table.values())
        for policy in POLICIES.values()
    }
    unknowns = {
        policy.venue: {rule.code for rule in policy.table.values() if rule.outcome is Outcome.UNKNOWN}
        for policy in POLICIES.values()
    }

    assert all(rule.outcome in (Outcome.REJECTED, Outcome.UNKNOWN) for _, rule in ROWS)
    assert unknowns["okx"] == {"50001", "50004", "50013", "50026", "51016", "63999"}
    classic, unified = (
        {"40010", "40015", "40725", "45001", "50008", "40786", "43118"},
        {"25000", "25001", "25003", "25004"},
    )
    unproved = {"31007", "40819", "43020", "43033", "45057", "80011"}
    assert unknowns["bitget"] == classic | unified | unproved | {"25212"}
    assert min(refusals.values()) > 20
    assert all(rule.trouble is not Trouble.UNREACHABLE for _, rule in ROWS)
