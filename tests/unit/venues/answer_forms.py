"""The forms in which venues refuse an order or a cancel, in words of our own, and what each proves.

`names_code` is a second reader of the code that an answer to one order names: the judge of the ones in `arb/venues`.
"""

import json
from typing import Any, NamedTuple

from arb.market.order import Outcome
from arb.venues.bitget.outcomes import POLICY as BITGET
from arb.venues.gate.outcomes import POLICY as GATE
from arb.venues.kit.rules.outcome import OutcomePolicy, Verdict, judge_write
from arb.venues.okx.outcomes import POLICY as OKX
from arb.venues.transport.http import HttpAnswer

POLICIES: dict[str, OutcomePolicy] = {policy.venue: policy for policy in (GATE, OKX, BITGET)}
REJECTED, UNKNOWN, ACCEPTED = Outcome.REJECTED, Outcome.UNKNOWN, Outcome.ACCEPTED
NOW_NS = 1_700_000_000_000_000_000


class Form(NamedTuple):
    """An answer to an order: who, the HTTP status, the body, and the outcome and code that it amounts to."""

    venue: str
    status: int
    body: str
    outcome: Outcome
    code: str


def _okx(s_code: object, outer: object = "1", **more: object) -> str:
    item = {"clOrdId": "arb1", "ordId": "", "sCode": s_code, "sMsg": "our words", "ts": "1700000000000"}
    return json.dumps({"code": outer, "data": [{**item, **more}], "msg": "none went through"})


def _bitget(code: object, **more: object) -> str:
    return json.dumps({"code": code, "msg": "our words", "requestTime": 1_700_000_000_000, "data": None, **more})


PAGE = "<html><head><title>503</title></head><body>be patient</body></html>"
FORMS: tuple[Form, ...] = (
    # The venue's own code, in each of the forms that it comes in; no other member has to be there.
    Form("gate", 400, '{"label":"BALANCE_NOT_ENOUGH","message":"our words"}', REJECTED, "BALANCE_NOT_ENOUGH"),
    Form("gate", 400, '{"message":"our words","label":"INVALID_KEY"}', REJECTED, "INVALID_KEY"),
    Form("gate", 400, '{"label":"INVALID_ARGUMENT","detail":"our words"}', REJECTED, "INVALID_ARGUMENT"),
    Form("gate", 401, '{"label":"INVALID_SIGNATURE"}\n', REJECTED, "INVALID_SIGNATURE"),
    Form("gate", 429, '{"label":"TOO_MANY_REQUESTS","message":"(012)3/10"}', REJECTED, "TOO_MANY_REQUESTS"),
    Form("gate", 400, '{"label":"BALANCE_NOT_ENOUGH","message":{"zh":"余额不足"}}', REJECTED, "BALANCE_NOT_ENOUGH"),
    Form("okx", 200, _okx("51008"), REJECTED, "51008"),
    Form("okx", 200, _okx("51155", "2"), REJECTED, "51155"),
    Form("okx", 200, _okx(51008, 1), REJECTED, "51008"),
    Form("okx", 200, _okx("51020", "0"), REJECTED, "51020"),
    Form("okx", 200, '{"code":"1","data":[{"sCode":"51008"}]}', REJECTED, "51008"),
    Form("okx", 429, '{"msg":"our words","code":"50011"}', REJECTED, "50011"),
    Form("okx", 401, '{"msg":"","code":50111}', REJECTED, "50111"),
    Form("bitget", 400, _bitget("43012"), REJECTED, "43012"),
    Form("bitget", 400, '{"code":"45110"}', REJECTED, "45110"),
    Form("bitget", 400, _bitget(45110, msg="金额太小", data=[]), REJECTED, "45110"),
    Form("bitget", 429, _bitget("429"), REJECTED, "429"),
    # Its code for what may have happened all the same.
    Form("gate", 400, '{"label":"SERVER_ERROR","message":"our words"}', UNKNOWN, "SERVER_ERROR"),
    Form("gate", 400, '{"label":"ORDER_EXISTS"}', UNKNOWN, "ORDER_EXISTS"),
    Form("okx", 400, '{"code":"50004","data":[],"msg":"our words "}', UNKNOWN, "50004"),
    Form("okx", 200, _okx("50004"), UNKNOWN, "50004"),
    Form("okx", 200, '{"code":"50001","data":[],"msg":"服务暂时不可用"}', UNKNOWN, "50001"),
    Form("okx", 200, _okx("51016"), UNKNOWN, "51016"),
    Form("bitget", 400, _bitget("40725"), UNKNOWN, "40725"),
    Form("bitget", 400, _bitget("43118"), UNKNOWN, "43118"),
    Form("bitget", 400, _bitget("43020"), UNKNOWN, "43020"),
    # A code that no row has.
    Form("gate", 400, '{"label":"NEWLY_INVENTED","message":"insufficient balance"}', UNKNOWN, "NEWLY_INVENTED"),
    Form("okx", 200, _okx("5XXXX"), UNKNOWN, "5XXXX"),
    Form("bitget", 400, _bitget("99999"), UNKNOWN, "99999"),
    # A refusal that stands in a 5xx, or at a redirect.
    Form("gate", 502, '{"label":"BALANCE_NOT_ENOUGH"}', UNKNOWN, "BALANCE_NOT_ENOUGH"),
    Form("okx", 503, _okx("51008"), UNKNOWN, "51008"),
    Form("bitget", 500, _bitget("43012"), UNKNOWN, "43012"),
    Form("gate", 302, '{"label":"BALANCE_NOT_ENOUGH"}', UNKNOWN, "unreadable"),
    Form("okx", 307, _okx("51008"), UNKNOWN, "unreadable"),
    Form("bitget", 301, _bitget("43012"), UNKNOWN, "unreadable"),
    # Its envelope without a cause, or with two that contradict each other.
    Form("gate", 400, '{"label":"","message":"our words"}', UNKNOWN, "unreadable"),
    Form("gate", 400, '{"message":"BALANCE_NOT_ENOUGH"}', UNKNOWN, "unreadable"),
    Form("okx", 200, '{"code":"1","data":[],"msg":"none went through"}', UNKNOWN, "unreadable"),
    Form("okx", 200, '{"code":"1","msg":"51008"}', UNKNOWN, "unreadable"),
    Form("okx", 200, _okx(None), UNKNOWN, "unreadable"),
    Form("okx", 200, _okx(""), UNKNOWN, "unreadable"),
    Form("okx", 200, _okx("0", "50011", ordId="7"), UNKNOWN, "unreadable"),
    Form("okx", 200, '{"code":"1","data":[{"sCode":"51008"},{"sCode":"0","ordId":"7"}]}', UNKNOWN, "unreadable"),
    Form("okx", 404, '{"code":404,"data":{},"error_code":"404","msg":"our words"}', UNKNOWN, "unreadable"),
    Form("bitget", 400, _bitget(""), UNKNOWN, "unreadable"),
    Form("bitget", 400, _bitget(None), UNKNOWN, "unreadable"),
    Form("bitget", 400, '{"status":"error","err_code":"invalid-parameter"}', UNKNOWN, "unreadable"),
    # What somebody else says in its place.
    *(Form(venue, status, PAGE, UNKNOWN, "unreadable") for venue in POLICIES for status in (200, 403, 429, 503)),
    *(Form(venue, status, "", UNKNOWN, "unreadable") for venue in POLICIES for status in (200, 400, 429, 502)),
)
TAKEN: tuple[Form, ...] = (
    Form("gate", 201, '{"id":"7","text":"t-arb1","label":""}', ACCEPTED, ""),
    Form("okx", 200, _okx("0", "0", ordId="7"), ACCEPTED, ""),
    Form("okx", 200, _okx(0, 0, ordId="7"), ACCEPTED, ""),
    Form("bitget", 200, _bitget("00000", data={"orderId": "7", "clientOid": "arb1"}), ACCEPTED, ""),
)


def judged(venue: str, status: int, body: bytes | str) -> Verdict:
    """Return what an answer to an order amounts to."""
    raw = body.encode() if isinstance(body, str) else body
    return judge_write(POLICIES[venue], HttpAnswer(status, {}, raw, NOW_NS - 5, NOW_NS), NOW_NS)


def names_code(venue: str, body: Any) -> str | None:
    """Return the code by which an answer to one order would be a refusal, if it names one plainly."""
    if not isinstance(body, dict):
        return None
    if venue == "gate":
        return _plain(body.get("label"))
    outer = _plain(body.get("code"))
    if venue == "okx" and outer in ("0", "1", "2"):
        items = body.get("data")
        return _plain(items[0].get("sCode")) if isinstance(items, list) and _one_object(items) else None
    return outer


def _one_object(items: list[Any]) -> bool:
    return len(items) == 1 and isinstance(items[0], dict)


def _plain(value: Any) -> str | None:
    plain = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value) if plain else None
