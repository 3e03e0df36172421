"""Refused for certain is what names one of the venue's own codes that a table calls so, in its place, and nothing else."""

import json
from collections.abc import Iterator

import pytest

from tests.support.bent import each_bent, each_cut
from tests.unit.venues.answer_forms import ACCEPTED, FORMS, POLICIES, REJECTED, TAKEN, UNKNOWN, Form, judged, names_code

OTHER_WORDS = ("", "success", "订单不存在", "Order not found", "\u202eolleh", "x" * 5000)
READABLE = [form for form in (*FORMS, *TAKEN) if form.body.startswith("{")]
STATUSES = (200, 400, 401, 403, 404, 418, 429)


@pytest.mark.parametrize("form", [*FORMS, *TAKEN], ids=lambda form: f"{form.venue}-{form.status}-{form.body[:40]}")
def test_each_form_amounts_to_its_outcome_and_its_code(form: Form) -> None:
    verdict = judged(form.venue, form.status, form.body)
    assert (verdict.outcome, verdict.code) == (form.outcome, form.code)


@pytest.mark.parametrize("status", STATUSES)
def test_the_words_of_a_refusal_are_no_part_of_it(status: int) -> None:
    for form in READABLE:
        body = json.loads(form.body)
        named = judged(form.venue, status, form.body)
        for words in OTHER_WORDS:
            item = [{**row, "sMsg": words} for row in body["data"]] if isinstance(body.get("data"), list) else None
            other = {**body, "msg": words, "message": words, "detail": words} | ({} if item is None else {"data": item})
            verdict = judged(form.venue, status, json.dumps(other))
            assert (verdict.outcome, verdict.code) == (named.outcome, named.code)


def bent_bodies() -> Iterator[tuple[Form, str, object]]:
    for form in READABLE:
        for path, bent in each_bent(json.loads(form.body)):
            yield form, path, bent


def test_a_refusal_with_anything_wrong_is_none_unless_its_code_stands() -> None:
    refused = 0
    for form, path, bent in bent_bodies():
        for status in STATUSES:
            verdict = judged(form.venue, status, json.dumps(bent))
            if verdict.outcome is REJECTED:
                code = names_code(form.venue, bent)
                assert code == verdict.code, (form, path, bent)
                assert POLICIES[form.venue].table[code].outcome is REJECTED
                refused += 1
    assert refused > 1000


def test_a_success_with_anything_wrong_is_never_a_refusal() -> None:
    for form in TAKEN:
        for path, bent in each_bent(json.loads(form.body)):
            assert judged(form.venue, form.status, json.dumps(bent)).outcome in (ACCEPTED, UNKNOWN), (form, path)
            assert judged(form.venue, 400, json.dumps(bent)).outcome is UNKNOWN, (form, path)


def test_an_envelope_that_is_cut_proves_nothing() -> None:
    for form in READABLE:
        for cut in each_cut(form.body.encode()):
            verdict = judged(form.venue, form.status, cut)
            assert (verdict.outcome, verdict.code) == (UNKNOWN, "unreadable"), cut


def test_an_answer_without_a_cause_is_none_of_the_refusals_that_bar_an_instrument() -> None:
    for form in FORMS:
        if form.code == "unreadable":
            assert not judged(form.venue, form.status, form.body).unlisted
