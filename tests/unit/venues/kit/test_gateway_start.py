"""How a gateway starts: it sets its clock by the venue's, and trades with no key of which it does not know what it may."""

from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest

from arb.clock import NS_PER_MS, NS_PER_S
from arb.errors import VenueAuthError, VenueError
from arb.venues.bitget.dialect import BitgetDialect
from arb.venues.kit.call import Call
from arb.venues.kit.dialect import KeyFacts
from arb.venues.kit.rules.key_rights import KeyPolicy, checked_key
from arb.venues.okx.dialect import OkxDialect
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, Connection, HttpAnswer
from arb.venues.transport.request import HttpRequest, Outgoing
from tests.unit.venues.kit.test_gateway import CONFIRMED, Bench
from tests.virtual import a_clock, run_virtual

KEYS = b'[{"state":1,"perms":[{"name":"spot","read_only":false}]}]'
WITHDRAWS = b'[{"state":1,"perms":[{"name":"spot","read_only":false},{"name":"wallet","read_only":false}]}]'
READS_ONLY = b'[{"state":1,"perms":[{"name":"spot","read_only":true}]}]'
DETAIL = b'{"ip_whitelist":["1.2.3.4"],"key":{"mode":1}}'
CLASSIC = b'{"mode":"classic"}'


class Venue:
    """Answers each path with what it is given, and refuses what is signed with another time than its own."""

    def __init__(self, bench: Bench, answers: dict[str, object], ahead_s: int) -> None:
        self.bench = bench
        self.ahead_ns = ahead_s * NS_PER_S
        self.answers: dict[str, object] = {
            "main_keys": KEYS,
            "detail": DETAIL,
            "unified_mode": CLASSIC,
            "currency_pairs": b"[]",
            **answers,
        }
        self.asked: list[str] = []

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        path = request.url.rpartition("/")[2]
        self.asked.append(path)
        now_ns = self.bench.clock.wall_ns()
        if path == "time":
            return self._answer(200, msgspec.json.encode({"server_time": (now_ns + self.ahead_ns) // NS_PER_MS}))
        if path != "currency_pairs" and abs(self.bench.signer.server_offset_ns - self.ahead_ns) > NS_PER_S:
            return self._answer(
                403, b'{"label":"REQUEST_EXPIRED","message":"gap between request Timestamp and server"}'
            )
        told = self.answers[path]
        if isinstance(told, Exception):
            raise told
        status, body = told if isinstance(told, tuple) else (200, told)
        return self._answer(status, body)

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        raise AssertionError("no order and no cancel is sent at the start")

    def standing(self, origin: Origin) -> Connection | None:
        return None

    async def close(self) -> None:
        return

    def _answer(self, status: int, body: object) -> HttpAnswer:
        assert isinstance(body, bytes)
        now_ns = self.bench.clock.wall_ns()
        return HttpAnswer(status, {}, body, now_ns, now_ns)


def started(answers: dict[str, object] | None = None, *, ahead_s: int = 0) -> Venue:
    """Start a gateway at such a venue; `answers` are by the end of the path."""
    bench = Bench()
    venue = Venue(bench, answers or {}, ahead_s)
    run_virtual(bench.over(venue).start(), bench.clock)
    return venue


def test_a_key_that_trades_and_nothing_else_is_taken() -> None:
    assert {"main_keys", "detail", "currency_pairs"} < set(started().asked)


def test_a_key_whose_venue_does_not_report_withdrawal_needs_the_users_confirmation() -> None:
    bench = Bench(policy=KeyPolicy())
    with pytest.raises(VenueAuthError, match="withdrawal_disabled_confirmed") as caught:
        run_virtual(bench.over(Venue(bench, {}, 0)).start(), bench.clock)
    assert caught.value.code == "key_withdrawal_unconfirmed"

    confirmed = Bench(policy=CONFIRMED)
    run_virtual(confirmed.over(Venue(confirmed, {}, 0)).start(), confirmed.clock)


def test_a_confirmation_does_not_excuse_a_key_that_may_withdraw() -> None:
    bench = Bench(policy=CONFIRMED)
    with pytest.raises(VenueAuthError, match="may withdraw"):
        run_virtual(bench.over(Venue(bench, {"main_keys": WITHDRAWS}, 0)).start(), bench.clock)


def test_a_key_whose_venue_names_every_right_needs_no_confirmation() -> None:
    async def ask(call: Call) -> Any:
        return {"code": "0", "data": [{"perm": "read_only,trade", "uid": "1", "ip": "1.2.3.4", "acctLv": "1"}]}

    facts = run_virtual(checked_key(OkxDialect(), ask, KeyPolicy()), a_clock())
    assert facts.can_withdraw is False


def test_a_key_that_may_withdraw_is_refused() -> None:
    with pytest.raises(VenueAuthError, match="may withdraw"):
        started({"main_keys": WITHDRAWS})


def test_a_key_that_may_only_read_is_refused() -> None:
    with pytest.raises(VenueAuthError, match="may not trade"):
        started({"main_keys": READS_ONLY})


@pytest.mark.parametrize("ahead_s", [-3600, -40, 40, 3600])
def test_the_clock_is_set_before_anything_is_signed_so_that_a_key_that_may_withdraw_shows(ahead_s: int) -> None:
    started(ahead_s=ahead_s)
    with pytest.raises(VenueAuthError, match="may withdraw"):
        started({"main_keys": WITHDRAWS}, ahead_s=ahead_s)


@pytest.mark.parametrize("path", ["main_keys", "detail", "unified_mode"])
@pytest.mark.parametrize(
    "failure",
    [AnswerLost("no answer"), (500, b"{}"), (502, b"<html>"), (400, b'{"label":"INVALID_PARAM_VALUE","message":"x"}')],
)
def test_a_key_whose_rights_cannot_be_read_is_not_taken(path: str, failure: object) -> None:
    with pytest.raises(VenueError) as caught:
        started({path: failure})

    assert f"the key's rights could not be read (GET {path})" in str(caught.value)
    assert "start again" in str(caught.value)
    assert caught.value.code == "key_unread"


def test_an_account_is_called_by_its_key_until_its_venue_reports_whose_it_is() -> None:
    bench = Bench()
    venue = Venue(bench, {"detail": b'{"user_id":10406147,"ip_whitelist":["1.2.3.4"],"key":{"mode":1}}'}, 0)
    gateway = bench.over(venue)
    assert (gateway.account_id, gateway.former_ids) == ("gate-1", ())
    for _ in range(2):
        run_virtual(gateway.start(), bench.clock)
        assert (gateway.account_id, gateway.former_ids) == ("gate-uid-10406147", ("gate-1",))


@pytest.mark.parametrize("detail", [DETAIL, b'{"user_id":0}', b'{"user_id":"not an id"}', b'{"user_id":[5]}'])
def test_an_account_whose_venue_reports_no_id_is_called_by_its_key(detail: bytes) -> None:
    bench = Bench()
    gateway = bench.over(Venue(bench, {"detail": detail}, 0))
    run_virtual(gateway.start(), bench.clock)
    assert (gateway.account_id, gateway.former_ids) == ("gate-1", ())


class Rights:
    """What a key may do, by the word of a venue."""

    venue = "bitget"

    def __init__(self, *words: str) -> None:
        self.body = {"code": "00000", "data": {"authorities": list(words), "ips": "1.2.3.4"}}

    def check(self) -> KeyFacts:
        async def ask(call: Call) -> Any:
            return self.body

        return run_virtual(checked_key(BitgetDialect(), ask, CONFIRMED), a_clock())


def test_a_key_with_a_right_that_nobody_here_knows_is_refused_and_the_right_is_named() -> None:
    with pytest.raises(VenueAuthError, match=r"rights that are not known here: yyyy, zzzz") as caught:
        Rights("stow", "zzzz", "yyyy").check()
    assert caught.value.code == "key_rights_unknown"


def test_a_bitget_key_that_trades_spot_is_taken_and_one_that_only_reads_it_is_not() -> None:
    assert Rights("stor", "stow").check().can_trade
    with pytest.raises(VenueAuthError, match="may not trade"):
        Rights("stor").check()
    with pytest.raises(VenueAuthError, match="may withdraw"):
        Rights("stow", "wwow", "zzzz").check()


def test_a_key_that_the_venue_refuses_is_reported_in_its_own_message() -> None:
    with pytest.raises(VenueAuthError, match="INVALID_KEY"):
        started({"main_keys": (401, b'{"label":"INVALID_KEY","message":"x"}')})
