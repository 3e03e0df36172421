"""Each recorded refusal, limit and error of the three venues: what it proves about an order, and by which code."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arb.errors import VenueProtocolError
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.bitget.private import BitgetPrivate
from arb.venues.gate.dialect import GateDialect
from arb.venues.gate.order_socket import GateOrderSocket
from arb.venues.kit.dialect import TradeDialect
from arb.venues.kit.fields import Symbols
from arb.venues.kit.order_socket import SocketDialect
from arb.venues.kit.rules.outcome import decode_body, judge_read
from arb.venues.okx.dialect import OkxDialect
from arb.venues.okx.order_socket import OkxOrderSocket
from arb.venues.okx.private import OkxPrivate
from arb.venues.transport.http import HttpAnswer
from tests.support.bent import each_bent, each_cut
from tests.support.recorded import Answer, answers
from tests.unit.venues.answer_forms import ACCEPTED, POLICIES, REJECTED, UNKNOWN, judged, names_code
from tests.unit.venues.test_dialects import an_order

GIVEN: dict[str, dict[str, tuple[Any, str]]] = {
    "gate": {
        "BALANCE_NOT_ENOUGH": (REJECTED, "the balance does not cover the order"),
        "FORBIDDEN": (REJECTED, "the key may not do that"),
        "INVALID_ARGUMENT": (REJECTED, "the size is no size"),
        "INVALID_KEY": (REJECTED, "the key is refused at the door"),
        "INVALID_PARAM_VALUE": (REJECTED, "a parameter is refused, the minimum among them"),
        "INVALID_PROTOCOL": (REJECTED, "malformed"),
        "INVALID_SIGNATURE": (REJECTED, "the signature is refused at the door"),
        "ORDER_NOT_FOUND": (REJECTED, "there is nothing to cancel"),
        "ORDER_POC_IMMEDIATE": (REJECTED, "it may not take, and would have"),
        "POC_FILL_IMMEDIATELY": (REJECTED, "it may not take, and would have"),
        "TOO_MANY_REQUESTS": (REJECTED, "limited before it was executed"),
        "AUTO_TRIGGER_PRICE_GREATE_LAST": (UNKNOWN, "of trigger orders, which are never sent"),
        "INVALID_REQUEST": (UNKNOWN, "in no document"),
        "RISK_LIMIT_EXCEEDED": (UNKNOWN, "of contracts, which are never traded"),
        "RISK_LIMIT_TOO_LOW": (UNKNOWN, "of contracts, which are never traded"),
        "USER_LOAN_EXCEEDED": (UNKNOWN, "of margin orders, which are never sent"),
        "USER_NOT_FOUND": (UNKNOWN, "says nothing about the order"),
    },
    "okx": {
        "50011": (REJECTED, "limited before it was executed"),
        "50110": (REJECTED, "the address is refused at the door"),
        "50111": (REJECTED, "the key is refused at the door"),
        "50119": (REJECTED, "the key is refused at the door"),
        "51000": (REJECTED, "a parameter is refused"),
        "51006": (REJECTED, "the price is beyond the limits"),
        "51008": (REJECTED, "the balance does not cover the order"),
        "51010": (REJECTED, "the account's mode does not allow it"),
        "51119": (REJECTED, "the balance does not cover the order"),
        "51155": (REJECTED, "the pair is barred by residence"),
        "60012": (REJECTED, "malformed"),
        "60013": (REJECTED, "malformed"),
        "50001": (UNKNOWN, "out of service: it may have been taken"),
        "50004": (UNKNOWN, "timed out inside: it may have been taken"),
        "500": (UNKNOWN, "the gateway's fault"),
        "5XXXX": (UNKNOWN, "stands for any code in the documents"),
        "58001": (UNKNOWN, "of withdrawals, which are never asked for"),
        "58350": (UNKNOWN, "of transfers, which are never asked for"),
    },
    "bitget": {
        "40017": (REJECTED, "a parameter is refused"),
        "400172": (REJECTED, "a parameter is refused"),
        "40018": (REJECTED, "the address is refused at the door"),
        "40019": (REJECTED, "a parameter is missing"),
        "40024": (REJECTED, "the currency is barred by residence"),
        "40034": (REJECTED, "a parameter is refused"),
        "40085": (REJECTED, "the account is a unified one, this is the classic API"),
        "40108": (REJECTED, "the size is refused"),
        "40762": (REJECTED, "the balance does not cover the order"),
        "40808": (REJECTED, "the size has too many decimals"),
        "41103": (REJECTED, "the price has too many decimals"),
        "41114": (REJECTED, "the symbol is under maintenance"),
        "41117": (REJECTED, "the price is beyond the limits"),
        "429": (REJECTED, "limited before it was executed"),
        "43012": (REJECTED, "the balance does not cover the order"),
        "43115": (REJECTED, "the symbol is not open yet"),
        "45110": (REJECTED, "below the least value"),
        "45113": (REJECTED, "above the greatest value"),
        "00001": (UNKNOWN, "known of a question only"),
        "25107": (UNKNOWN, "of contracts, which are never traded"),
        "40774": (UNKNOWN, "of contracts, which are never traded"),
        "45122": (UNKNOWN, "of contracts, which are never traded"),
    },
}
"""What each code that is known to have come amounts to, and why, by what the venue says of it."""
FOREIGN_FORMS = {
    "bitget/rest/error--code-invalid-parameter-invalid-type": "the envelope of the first version of the API",
}
COUNTED = {"gate": (19, 3), "okx": (17, 9), "bitget": (26, 0)}
"""Of each venue the answers that refuse an order, a cancel or any request: over REST, and over the order socket."""
DIALECTS: dict[str, TradeDialect] = {"gate": GateDialect(), "okx": OkxDialect(), "bitget": BitgetDialect()}
SOCKETS: dict[str, SocketDialect] = {
    "gate": GateOrderSocket(None, "ws://x/"),  # type: ignore[arg-type]  # frames are only read
    "okx": OkxOrderSocket(None, None, "ws://x/", "k", "s", "p"),  # type: ignore[arg-type]  # the same
}


def refusals(repo_root: Path, venue: str) -> Iterator[tuple[Answer, int, bytes]]:
    """Yield each refusal with the status and the body by which it is judged, at both where the status is not recorded."""
    for answer in answers(repo_root, venue, "rest"):
        if not answer.raw.strip():
            continue
        body = json.loads(answer.raw)
        code = names_code(venue, body)
        if answer.name in FOREIGN_FORMS or code not in (None, "0", "00000"):
            for status in (200, 400) if answer.status is None else (answer.status,):
                yield answer, status, answer.raw
    for answer in answers(repo_root, venue, "ws") if venue in SOCKETS else ():
        if b'"event":"error"' in answer.raw.replace(b" ", b""):
            continue
        found = SOCKETS[venue].on_frame(answer.raw).answer
        if found is not None and names_code(venue, json.loads(found.body or b"null")) not in (None, "0"):
            yield answer, found.status, found.body


@pytest.mark.parametrize("venue", POLICIES)
def test_each_recorded_refusal_amounts_to_what_its_code_says(repo_root: Path, venue: str) -> None:
    counted: Counter[str] = Counter()
    codes = set()
    for answer, status, raw in refusals(repo_root, venue):
        verdict = judged(venue, status, raw)
        if answer.name in FOREIGN_FORMS:
            assert (verdict.outcome, verdict.code) == (UNKNOWN, "unreadable")
        else:
            code = names_code(venue, json.loads(raw))
            assert code is not None
            expected, why = GIVEN[venue][code]
            assert verdict.outcome is expected, (answer.name, status, code, why)
            codes.add(code)
        counted.update({answer.name: 1})
    doors = Counter(name.split("/")[1] for name in counted)
    assert (doors["rest"], doors["ws"]) == COUNTED[venue]
    assert codes == GIVEN[venue].keys()


@pytest.mark.parametrize("venue", POLICIES)
def test_no_recorded_refusal_is_one_at_a_server_error_or_a_redirect(repo_root: Path, venue: str) -> None:
    for answer, _, raw in refusals(repo_root, venue):
        for status in (301, 500, 502, 503, 504):
            assert judged(venue, status, raw).outcome is UNKNOWN, (answer.name, status)


@pytest.mark.parametrize("venue", POLICIES)
def test_a_recorded_refusal_that_is_cut_or_has_anything_wrong_refuses_by_its_code_only(
    repo_root: Path, venue: str
) -> None:
    for answer, status, raw in refusals(repo_root, venue):
        for cut in each_cut(raw):
            assert judged(venue, status, cut).outcome is UNKNOWN, (answer.name, cut)
        for path, bent in each_bent(json.loads(raw)):
            verdict = judged(venue, status, json.dumps(bent))
            if verdict.outcome is REJECTED:
                code = names_code(venue, bent)
                assert (code, GIVEN[venue][verdict.code][0]) == (verdict.code, REJECTED), (answer.name, path)


@pytest.mark.parametrize("venue", POLICIES)
def test_whatever_else_a_venue_answers_never_refuses_an_order(repo_root: Path, venue: str) -> None:
    refused = {answer.name for answer, *_ in refusals(repo_root, venue)}
    others = [answer for answer in answers(repo_root, venue, "rest") if answer.name not in refused]
    assert len(others) > 50
    for answer in others:
        for status in (200, 400, 404, 429, 500):
            verdict = judged(venue, status, answer.raw)
            assert verdict.outcome in (ACCEPTED, UNKNOWN), answer.name
            assert verdict.outcome is UNKNOWN or status == 200, answer.name


def test_pages_of_other_venues_doors_prove_nothing(repo_root: Path) -> None:
    pages = [
        a for venue in ("binance", "bybit") for a in answers(repo_root, venue, "rest") if b"<html" in a.raw.lower()
    ]
    assert pages
    for page in pages:
        for venue in POLICIES:
            for status in (200, 403, 429, 503):
                assert judged(venue, status, page.raw).code == "unreadable"


@pytest.mark.parametrize("venue", SOCKETS)
def test_a_recorded_answer_on_the_order_socket_with_anything_wrong_refuses_by_its_code_only(
    repo_root: Path, venue: str
) -> None:
    refused = 0
    for answer in answers(repo_root, venue, "ws"):
        for path, bent in each_bent(json.loads(answer.raw)) if b"order" in answer.raw[:2000] else ():
            try:
                found = SOCKETS[venue].on_frame(json.dumps(bent).encode()).answer
            except VenueProtocolError:
                continue
            if found is not None and judged(venue, found.status, found.body).outcome is REJECTED:
                refused += 1
                code = names_code(venue, json.loads(found.body))
                assert GIVEN[venue].get(code or "", (UNKNOWN, ""))[0] is REJECTED, (answer.name, path)
    assert refused > 100


def test_an_echo_of_a_request_is_no_order_even_where_nothing_calls_it_one(repo_root: Path) -> None:
    echoes = [
        answer for answer in answers(repo_root, "gate", "ws") if "order_place" in answer.name and "-ack" in answer.name
    ]
    assert len(echoes) == 4
    for answer in echoes:
        frame = json.loads(answer.raw)
        received = SOCKETS["gate"].on_frame(answer.raw)
        assert received.received and received.answer is None
        unmarked = SOCKETS["gate"].on_frame(json.dumps(frame | {"ack": False}).encode()).answer
        assert unmarked is not None and judged("gate", unmarked.status, unmarked.body).outcome is ACCEPTED
        with pytest.raises(VenueProtocolError):
            DIALECTS["gate"].placed(an_order(), decode_body(unmarked.body))


BATCHES = {
    "gate/rest/post-spot-cancel_batch_orders--ok": {"123456": None},
    "okx/rest/post-trade-cancel-batch-orders--ok": {
        "12345689": None,
        "oktswap6": None,
        "12344": None,
        "oktswap7": None,
    },
    "okx/ws/batch-orders--code-1-scode-51008-when-all-failed": {"oktswap6": "51008", "oktswap7": "51008"},
    "okx/ws/batch-cancel-orders--code-1-scode-5xxxx-when-all-failed": {
        "2517748155771904": "5XXXX",
        "oktswap6": "5XXXX",
        "2517748157541376": "5XXXX",
        "oktswap7": "5XXXX",
    },
    "bitget/rest/post-v2-spot-trade-batch-orders--ccxt": {
        "1111397214281175046": None,
        "766d3fc3-7321-4406-a689-15c9987a2e75": None,
        "d1b75cb3-cc15-4ede-ad4c-3937396f75ab": "45110",
    },
}
"""Answers about several orders: each order's own code, None for success, by its names."""


@pytest.mark.parametrize("name", BATCHES)
def test_each_row_of_a_recorded_batch_speaks_for_its_order_alone(repo_root: Path, name: str) -> None:
    venue, door, _ = name.split("/")
    [answer] = [found for found in answers(repo_root, venue, door) if found.name == name]
    rows = DIALECTS[venue].cancelled(json.loads(answer.raw))
    assert {row: reply.code for row, reply in rows.items()} == BATCHES[name]
    whole = judge_read(POLICIES[venue], HttpAnswer(200, {}, answer.raw, 1, 2), 3)
    assert whole.outcome is not REJECTED


def test_each_recorded_error_on_a_private_stream_ends_its_use(repo_root: Path) -> None:
    streams = {"okx": OkxPrivate("k", "s", "p"), "bitget": BitgetPrivate("k", "s", "p", Symbols())}
    events = (b'"event":"error"', b'"event":"channel-conn-count-error"')
    counted: Counter[str] = Counter()
    for venue, stream in streams.items():
        for answer in answers(repo_root, venue, "ws"):
            if any(event in answer.raw.replace(b" ", b"") for event in events):
                assert stream.on_frame(1, 2, answer.raw).refused, answer.name
                counted[venue] += 1
    assert counted == {"okx": 16, "bitget": 6}
