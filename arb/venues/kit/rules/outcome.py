"""The meaning of an answer: accepted, rejected for certain, or unknown - decided from status and body, never from a
class.

Libraries file answers under error classes that lie (an order that met a 500 looks like a refusal, a rate limit like a
network failure), so no exception is judged here. Each venue has a table of codes (`<venue>/outcomes.py` or `spec.py`);
any other code is *unknown* for an order, since a wrong "no" doubles an order and a wrong "unknown" only costs a query.
Three rules precede the tables:

1. A 5xx is unknown with any body: the fault may have happened after the order was taken.
2. A body that cannot be read (HTML of a proxy, cut JSON, nothing) is unknown at any status, 429 included; so is any at a 3xx.
3. A 429 is a refusal only with the venue's own code for it.

A code is *rejected* in a table only if the venue documents that the order was refused before matching, or ended with
nothing filled; anything milder is omitted on purpose.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import msgspec

from arb.errors import VenueAuthError, VenueBusy, VenueError, VenueRejected, VenueUnreachable
from arb.market.order import Outcome
from arb.masking import clean
from arb.venues.kit.fields import number_or_text
from arb.venues.transport.http import HttpAnswer
from arb.venues.transport.retry import BAN_MAX_S, RETRY_AFTER_MAX_S, Trouble, venue_retry_after_s

UNREADABLE = "unreadable"
UNNAMED = "unnamed"
"""The code of an order of a batch that the answer does not mention."""
RATE_BUDGET = "rate_budget"
_MESSAGE_MAX = 300
_decoder = msgspec.json.Decoder(float_hook=number_or_text)


class Rule(NamedTuple):
    """The meaning of one of a venue's codes for an order, and for a read; `why` is for people."""

    code: str
    outcome: Outcome
    trouble: Trouble
    why: str


class VenueReply(NamedTuple):
    """The code and the message in a venue's answer; `code` None means that it reports success."""

    code: str | None
    message: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of an answer. `code` is the venue's, or `unreadable`, `http_STATUS`."""

    outcome: Outcome
    trouble: Trouble | None = None
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None
    body: Any = None
    low_fill_ratio: bool = False
    """The venue limits us because too few of our requests trade."""
    account_limited: bool = False
    """It is all our orders together that are too many, not those of one instrument."""
    short_of_funds: bool = False
    """The balance does not cover the order."""
    off_steps: bool = False
    """The price or the size is not on the steps that the venue goes by."""
    bars: bool = False
    """The account may not trade the instrument with any order."""
    unlisted: bool = False
    """A refusal in the venue's own words, by a code that is not in its table."""


class KeyTrouble(StrEnum):
    """The trouble with a key that a venue refuses; `rules/key_trouble.py` names the remedies."""

    CLOCK = "clock"
    KEY = "key"
    KEY_OR_ADDRESS = "key_or_address"
    SECRET = "secret"
    PASSPHRASE = "passphrase"
    ENVIRONMENT = "environment"
    REGION = "region"
    ADDRESS = "address"
    RIGHTS = "rights"
    ACCOUNT = "account"
    MODE = "mode"
    HOST = "host"
    SILENCE = "silence"
    OTHER = "other"


class Meaning(NamedTuple):
    """The meaning of codes for an order, and for a read; `why` is for people."""

    outcome: Outcome
    trouble: Trouble
    why: str


FAULT = partial(Meaning, Outcome.UNKNOWN, Trouble.FAULT)
UNCLEAR = partial(Meaning, Outcome.UNKNOWN, Trouble.REFUSED)
NO_ACCESS = partial(Meaning, Outcome.REJECTED, Trouble.AUTH)
REFUSED = partial(Meaning, Outcome.REJECTED, Trouble.REFUSED)

ID_TAKEN = UNCLEAR("the client order id is taken: an earlier request got through")
RATE_LIMITED = Meaning(Outcome.REJECTED, Trouble.BUSY, "rate limited before it was executed")
LATE = Meaning(Outcome.REJECTED, Trouble.CLOCK, "late, or clocks apart: refused at the door")
BAD_KEY = NO_ACCESS("key, passphrase or signature is missing or refused")
FOREIGN_ADDRESS = NO_ACCESS("this address may not use the key")
NO_PERMISSION = NO_ACCESS("the key lacks the permission")
MALFORMED = REFUSED("malformed: refused before matching")
NO_FUNDS = REFUSED("the balance does not cover it")
NOT_FOUND = REFUSED("no such order: for a cancel it may have ended, so its fill is asked for")

Row = tuple[str, Meaning]
"""Codes, apart by blanks, and their meaning."""
Table = Mapping[str, Rule]
Reader = Callable[[int, Any], VenueReply | None]
"""From (status, decoded body) to the venue's reply; None when the body is none of the venue's making."""


class ShutOut(NamedTuple):
    """An answer by which an address is shut out: its status, a text in its body, and for how long, in seconds."""

    status: int
    text: bytes
    for_s: float

    def is_in(self, answer: HttpAnswer) -> bool:
        return answer.status == self.status and self.text in answer.body.lower()


class OutcomePolicy(NamedTuple):
    """How one venue answers: its table of codes, and who reads its replies to orders and to reads."""

    venue: str
    table: Table
    read_write: Reader
    read_read: Reader
    low_fill_endings: tuple[str, ...] = ()
    """How the message of a 429 ends where the venue punishes a low fill ratio."""
    account_codes: frozenset[str] = frozenset()
    """Codes of a rate limit that is the account's, not that of one instrument."""
    funds_codes: frozenset[str] = frozenset()
    """Codes for a balance that does not cover the order."""
    steps_codes: frozenset[str] = frozenset()
    """Codes for a price or a size, maybe among other things, that is not on the venue's steps."""
    bar_codes: frozenset[str] = frozenset()
    """Codes for an instrument the account may not trade: not listed, suspended, restricted, barred by residence."""
    not_for_key_codes: frozenset[str] = frozenset()
    """Codes by which a question about the key itself is answered: it may not ask that, or has no account of that kind."""
    expiry_codes: frozenset[str] = frozenset()
    """Codes for an order that arrived after its expiry, though time and signature of its request were right."""
    shut_out: "ShutOut | None" = None
    """How it answers an address that asks too often, where that is no answer in its own form."""
    key_troubles: Mapping[str, KeyTrouble] = {}
    """The trouble of a refused key, by code."""


def table_of(rows: tuple[Row, ...], split: str | None = None) -> Table:
    """Return the rules by code; the codes of a row are apart by `split`, or by blanks. No code may be listed twice."""
    rules = [Rule(code, *meaning) for codes, meaning in rows for code in codes.split(split)]
    table = {rule.code: rule for rule in rules}
    if len(table) != len(rules):
        raise ValueError("a code is listed twice in one table")
    return table


def decode_body(body: bytes) -> Any:
    """Return a body's JSON with exact numbers; raise `ValueError` when it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def code_in(body: Any, key: str) -> str | None:
    """Return the code under a key, as text whether it was written as text or as a number; None where there is none to read."""
    value = body.get(key) if isinstance(body, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value).strip() or None


def text_in(body: Mapping[str, Any], *keys: str) -> str:
    """Return the first text under one of `keys`, for people only: no member of an error has to be there, nor to be text."""
    return next((value for key in keys if isinstance(value := body.get(key), str) and value), "")


def judge_write(policy: OutcomePolicy, answer: HttpAnswer, venue_now_ns: int) -> Verdict:
    """Return the meaning of an answer to an order or a cancel; the default is unknown."""
    return _judge(policy, policy.read_write, answer, venue_now_ns)


def judge_read(policy: OutcomePolicy, answer: HttpAnswer, venue_now_ns: int) -> Verdict:
    """Return the meaning of an answer to a read: `accepted` is an answer, the rest decides whether to ask again."""
    return _judge(policy, policy.read_read, answer, venue_now_ns)


def item_of(policy: OutcomePolicy, reply: VenueReply | None, whole: Verdict) -> tuple[Outcome, str | None]:
    """Return (outcome, code) of one order of a batch: by its own reply, else by that to the whole request.

    An order that a successful batch does not name is unknown.
    """
    if reply is None:
        refused = whole.outcome is Outcome.REJECTED
        return (Outcome.REJECTED, whole.code) if refused else (Outcome.UNKNOWN, whole.code or UNNAMED)
    if reply.code is None:
        return Outcome.ACCEPTED, None
    rule = policy.table.get(reply.code)
    return (Outcome.UNKNOWN if rule is None else rule.outcome), reply.code


def error_of(venue: str, verdict: Verdict) -> VenueError:
    text = f"{verdict.code} {verdict.message}".strip()
    if verdict.trouble is Trouble.AUTH:
        return VenueAuthError(venue, text, code=verdict.code)
    if verdict.trouble is Trouble.BUSY:
        return VenueBusy(venue, text, code=verdict.code, retry_after_s=verdict.retry_after_s)
    if verdict.trouble in (Trouble.REFUSED, Trouble.CLOCK):
        return VenueRejected(venue, text, code=verdict.code)
    return VenueUnreachable(venue, text, code=verdict.code)


BANNED = 418
"""The HTTP status for an address that continued to ask after 429."""
_BY_RESIDENCE = ": it does not serve this address (that goes by residence: `arb doctor`)"
_MEANING = {
    200: ": somebody answers in its place, a proxy or a login page",
    403: _BY_RESIDENCE,
    451: _BY_RESIDENCE,
    503: ": it is in maintenance, or overloaded",
}
"""The likely source of an answer that is not in the venue's own form, by its status."""


def _judge(policy: OutcomePolicy, read: Reader, answer: HttpAnswer, venue_now_ns: int) -> Verdict:
    most_s = BAN_MAX_S if answer.status == BANNED else RETRY_AFTER_MAX_S
    wait_s = venue_retry_after_s(answer.headers, venue_now_ns, most_s)
    try:
        body = decode_body(answer.body)
    except ValueError:
        reply = None
        body = None
    else:
        ours = 200 <= answer.status < 300 or answer.status >= 400
        reply = _cleaned(read(answer.status, body)) if ours else None
    if reply is None:
        shut_out = policy.shut_out
        if shut_out is not None and shut_out.is_in(answer):
            text = f"HTTP {answer.status}: it shuts this address out for asking too often"
            wait_s = max(shut_out.for_s, wait_s or 0.0)
            return Verdict(
                outcome=Outcome.UNKNOWN, trouble=Trouble.BUSY, code=UNREADABLE, message=text, retry_after_s=wait_s
            )
        trouble = Trouble.BUSY if answer.status in (BANNED, 429) else Trouble.FAULT
        text = f"HTTP {answer.status} with a body that is not the venue's{_MEANING.get(answer.status, '')}"
        retry = wait_s if trouble is Trouble.BUSY else None
        return Verdict(outcome=Outcome.UNKNOWN, trouble=trouble, code=UNREADABLE, message=text, retry_after_s=retry)
    if answer.status >= 500:
        code = reply.code or f"http_{answer.status}"
        return Verdict(outcome=Outcome.UNKNOWN, trouble=Trouble.FAULT, code=code, message=_cut(reply.message))
    if reply.code is None:
        return Verdict(outcome=Outcome.ACCEPTED, body=body)
    rule = policy.table.get(reply.code)
    if rule is None:
        trouble = Trouble.BUSY if answer.status == 429 else Trouble.REFUSED
        low = trouble is Trouble.BUSY and _ends_low(policy, reply)
        text = _cut(reply.message)
        return Verdict(
            outcome=Outcome.UNKNOWN,
            trouble=trouble,
            code=reply.code,
            message=text,
            body=body,
            low_fill_ratio=low,
            unlisted=trouble is Trouble.REFUSED,
        )
    busy = rule.trouble is Trouble.BUSY
    return Verdict(
        outcome=rule.outcome,
        trouble=rule.trouble,
        code=reply.code,
        message=_cut(reply.message),
        retry_after_s=wait_s if busy else None,
        body=body,
        low_fill_ratio=busy and _ends_low(policy, reply),
        account_limited=reply.code in policy.account_codes,
        short_of_funds=reply.code in policy.funds_codes,
        off_steps=reply.code in policy.steps_codes,
        bars=reply.code in policy.bar_codes,
    )


def _cleaned(reply: VenueReply | None) -> VenueReply | None:
    return None if reply is None else VenueReply(reply.code and clean(reply.code), clean(reply.message))


def _ends_low(policy: OutcomePolicy, reply: VenueReply) -> bool:
    return reply.message.rstrip().endswith(policy.low_fill_endings)


def _cut(text: str) -> str:
    return text if len(text) <= _MESSAGE_MAX else text[:_MESSAGE_MAX] + "..."
