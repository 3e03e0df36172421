"""A gateway around a fake signer and a fake transport: one answer per order, one attempt per order, and who waits."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Any

import ccxt
import msgspec
import pytest

from arb.clock import NS_PER_MS, NS_PER_S, ManualClock
from arb.core.messages.commands import CancelOrder, PlaceOrder
from arb.core.messages.events import OrderAccepted, OrderRejected, OutcomeUnknown
from arb.errors import VenueAuthError, VenueBusy, VenueUnreachable
from arb.market.order import Outcome, Role, Side, TimeInForce
from arb.venues.gate.dialect import GateDialect
from arb.venues.kit.base import EventListener
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call
from arb.venues.kit.gateway import AccountParts, VenueGateway
from arb.venues.kit.order_form import KeyedHash, OrderForm, Places
from arb.venues.kit.rules.guard import OrderClaim, SigningGuard, SigningRefused
from arb.venues.kit.rules.key_rights import KeyPolicy
from arb.venues.kit.rules.pacing import Budget, Pacer, PacingLimits
from arb.venues.transport.address import Origin
from arb.venues.transport.http import AnswerLost, Connection, HttpAnswer, NeverSent, WriteTransport
from arb.venues.transport.request import ANSWER_BYTES_MAX, HttpRequest, Outgoing, render, request_of
from tests.virtual import a_clock, run_virtual

Reply = Callable[[HttpRequest], HttpAnswer]
DONE = (
    b'{"id":"7","text":"t-arb1","currency_pair":"BTC_USDT","status":"cancelled","type":"limit","side":"buy",'
    b'"amount":"0.1","left":"0.06","filled_amount":"0.04","filled_total":"2000","price":"50000","finish_as":"ioc"}'
)


class FakeSigner:
    """Signs nothing; raises what it is given."""

    def allow(self, symbols: Iterable[str]) -> None:
        self.guard.allow(symbols)

    def __init__(self) -> None:
        self.server_offset_ns = 0
        self.timeout_on_exit = 0
        self.error: Exception | None = None
        self.calls: list[Call] = []
        self.headers = {"KEY": "k"}
        self.guard = SigningGuard(
            venue="gate",
            hosts=["venue"],
            symbols=["BTC/USDT"],
            max_order_value_quote=Decimal(5000),
            max_orders_per_minute=100,
            clock=a_clock(),
        )

    def signed(self, call: Call) -> HttpRequest:
        if self.error is not None:
            raise self.error
        self.calls.append(call)
        return HttpRequest(call.method, f"http://venue/{call.path}", dict(self.headers), "b")

    def order_form(self, call: Call) -> OrderForm:
        if self.error is not None:
            raise self.error
        self.form_call = call
        nothing = Places("", tuple)
        return OrderForm(
            call.scope, OrderClaim("", None), Origin("venue", 80, False, "venue"), nothing, nothing, "", KeyedHash("")
        )

    def order(self, form: OrderForm, command: PlaceOrder, now_ns: int, steady_ns: int) -> bytes:
        return render(self.signed(msgspec.structs.replace(self.form_call, expires_ns=command.expires_ns))).data

    async def close(self) -> None:
        return


class FakeTransport:
    """Answers with the next of `replies`: bytes (status 200), a (status, bytes, headers) or an exception."""

    def __init__(self, clock: ManualClock, *replies: Any, trip_ns: int = 0) -> None:
        self.clock = clock
        self.replies = list(replies)
        self.sent: list[HttpRequest] = []
        self.trip_ns = trip_ns
        self.connection: Connection | None = None

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        self.sent.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        status, body, headers = reply if isinstance(reply, tuple) else (200, reply, {})
        sent_ns = self.clock.wall_ns()
        self.clock.advance(self.trip_ns)
        return HttpAnswer(status, headers, body, sent_ns, self.clock.wall_ns())

    def write(self, request: Outgoing, timeout_s: float) -> Awaitable[HttpAnswer]:
        return self.send(request_of(request), timeout_s)

    def standing(self, origin: Origin) -> Connection | None:
        return self.connection

    async def close(self) -> None:
        return


class NoStream:
    async def run(self, listener: EventListener) -> None:
        return


LIMITS = PacingLimits(place=Budget(2, 500, 1), cancel=Budget(5, 100), read=Budget(5, 100))


CONFIRMED = KeyPolicy(withdrawal_disabled_confirmed=True)


class Bench:
    def __init__(self, *replies: Any, trip_ns: int = 0, policy: KeyPolicy = CONFIRMED) -> None:
        self.clock = a_clock()
        self.policy = policy
        self.signer = FakeSigner()
        self.transport = FakeTransport(self.clock, *replies, trip_ns=trip_ns)
        self.gateway = self.over(self.transport)

    def over(self, transport: WriteTransport) -> VenueGateway:
        """Return the same gateway over another transport."""
        return VenueGateway(
            account=AccountParts(GateDialect(), self.signer, NoStream()),
            transport=transport,
            pacer=Pacer(LIMITS, self.clock),
            clock=self.clock,
            rng=random.Random(1),
            account_id="gate-1",
            key_policy=self.policy,
        )

    def order(self, **changes: Any) -> PlaceOrder:
        given: dict[str, Any] = {
            "cause": 1,
            "venue": "gate",
            "symbol": "BTC/USDT",
            "client_order_id": "arb1",
            "role": Role.ENTRY,
            "side": Side.BUY,
            "tif": TimeInForce.IOC,
            "price": Decimal("50000"),
            "size": Decimal("0.1"),
            "expires_ns": self.clock.wall_ns() + NS_PER_S,
        }
        return PlaceOrder(**(given | changes))

    def place(self, **changes: Any) -> Any:
        return run_virtual(self.gateway.place(self.order(**changes)), self.clock)


def test_an_order_that_would_not_leave_as_it_was_signed_is_not_sent() -> None:
    bench = Bench()
    bench.signer.headers = {"KEY": "k\r\nX: y"}

    answer = bench.place()

    assert (type(answer), answer.code, answer.sent_ns, bench.transport.sent) == (OrderRejected, "not_sent", 0, [])


def test_a_lost_answer_is_unknown_and_the_order_is_not_sent_again() -> None:
    bench = Bench(AnswerLost("no answer within 5 s"))

    answer = bench.place()

    assert isinstance(answer, OutcomeUnknown)
    assert answer.sent_ns == bench.clock.wall_ns()
    assert len(bench.transport.sent) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_no_answer_whatever_makes_an_order_leave_twice(status: int) -> None:
    bench = Bench((status, b"<html>", {}))

    assert isinstance(bench.place(), OutcomeUnknown)
    assert len(bench.transport.sent) == 1


def test_a_connection_never_made_is_a_refusal_that_was_not_sent() -> None:
    answer = Bench(NeverSent("refused")).place()

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns) == ("not_sent", 0)


def test_a_refusal_for_lack_of_funds_says_so() -> None:
    answer = Bench((400, b'{"label":"BALANCE_NOT_ENOUGH","message":"x"}', {})).place()

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.short_of_funds, answer.off_steps) == ("BALANCE_NOT_ENOUGH", True, False)


def test_a_refusal_for_steps_says_so() -> None:
    answer = Bench((400, b'{"label":"INVALID_PRECISION","message":"x"}', {})).place()

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.short_of_funds, answer.off_steps) == ("INVALID_PRECISION", False, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SigningRefused("gate", "no", code="guard_value"), "guard_value"),
        (ccxt.AuthenticationError("no key"), "not_sent"),
        (ValueError("an id that Gate would refuse"), "not_sent"),
    ],
)
def test_what_is_not_signed_is_not_sent(error: Exception, code: str) -> None:
    bench = Bench()
    bench.signer.error = error

    answer = bench.place()

    assert isinstance(answer, OrderRejected)
    assert (answer.code, answer.sent_ns, bench.transport.sent) == (code, 0, [])


def test_an_accepted_answer_that_cannot_be_read_is_unknown() -> None:
    for body in (b"{}", b"[]", b'{"id":"7","amount":"x"}', DONE.replace(b"0.06", b"0.2").replace(b'"0.04"', b'""')):
        assert isinstance(Bench((201, body, {})).place(), OutcomeUnknown)


def test_an_answer_about_something_else_than_was_placed_is_unknown() -> None:
    for before, after in (
        (b'"buy"', b'"sell"'),
        (b"t-arb1", b"t-arb2"),
        (b"BTC_USDT", b"ETH_USDT"),
        (b'"0.1"', b'"0.2"'),
    ):
        assert isinstance(Bench((201, DONE.replace(before, after), {})).place(), OutcomeUnknown)


def test_an_entry_beyond_its_budget_is_refused_at_once_and_a_repair_waits() -> None:
    bench = Bench(DONE, DONE, DONE)

    assert isinstance(bench.place(), OrderAccepted)
    refused = bench.place()
    assert isinstance(refused, OrderRejected)
    assert (refused.code, refused.sent_ns) == ("rate_budget", 0)
    assert isinstance(bench.place(role=Role.HEDGE), OrderAccepted)
    before_ns = bench.clock.wall_ns()
    assert isinstance(bench.place(role=Role.UNWIND), OrderAccepted)
    assert bench.clock.wall_ns() - before_ns >= 490 * NS_PER_MS


def test_a_repair_that_would_expire_while_waiting_is_not_sent() -> None:
    bench = Bench(DONE, DONE)
    bench.place(role=Role.HEDGE)
    bench.place(role=Role.HEDGE)

    answer = bench.place(role=Role.HEDGE, expires_ns=bench.clock.wall_ns() + 100 * NS_PER_MS)

    assert isinstance(answer, OrderRejected)
    assert answer.code == "rate_budget"


def test_a_rate_limit_stops_the_scope_until_the_venues_reset() -> None:
    headers = {"x-gate-ratelimit-reset-timestamp": str(a_clock().wall_ns() // NS_PER_MS + 2500)}
    bench = Bench((429, b'{"label":"TOO_MANY_REQUESTS","message":"x"}', headers), DONE)

    answer = bench.place()
    assert isinstance(answer, OrderRejected)
    assert answer.retry_after_s == 2.5

    assert isinstance(bench.place(), OrderRejected)
    assert isinstance(bench.place(symbol="ETH/USDT"), OutcomeUnknown)  # told of BTC/USDT; but it was sent
    assert len(bench.transport.sent) == 2


def test_the_expiry_leaves_on_our_clock_for_the_signer_to_convert() -> None:
    bench = Bench(DONE)
    order = bench.order()
    run_virtual(bench.gateway.place(order), bench.clock)

    assert bench.signer.calls[0].expires_ns == order.expires_ns


def test_a_terminal_answer_is_reported_with_its_fill() -> None:
    answer = Bench((201, DONE, {}), trip_ns=7).place()

    assert isinstance(answer, OrderAccepted)
    assert answer.report is not None
    assert (str(answer.report.filled), answer.report.is_open, answer.report.finish_reason) == ("0.04", False, "ioc")
    assert answer.acked_ns - answer.sent_ns == 7


def cancel(bench: Bench) -> Any:
    command = CancelOrder(cause=1, venue="gate", symbol="BTC/USDT", client_order_id="arb1", venue_order_id="7")
    return run_virtual(bench.gateway.cancel(command), bench.clock)


def test_a_cancel_has_three_outcomes_too() -> None:
    gone: Any = (404, b'{"label":"ORDER_NOT_FOUND","message":"x"}', {})

    assert cancel(Bench(DONE)).outcome is Outcome.ACCEPTED
    assert cancel(Bench(gone)).outcome is Outcome.REJECTED
    assert cancel(Bench(gone)).code == "ORDER_NOT_FOUND"
    assert cancel(Bench(AnswerLost("x"))).outcome is Outcome.UNKNOWN
    assert cancel(Bench((500, b"{}", {}))).outcome is Outcome.UNKNOWN
    assert cancel(Bench(NeverSent("x"))).code == "not_sent"


ACCOUNTS = b'[{"currency":"BTC","available":"1.5","locked":"0.25"},{"currency":"USDT","available":"0","locked":"0"}]'


def read(bench: Bench) -> Any:
    return run_virtual(bench.gateway.balances(), bench.clock)


def test_reads_are_repeated_while_that_may_help() -> None:
    bench = Bench(AnswerLost("x"), (500, b"{}", {}), (502, b"<html>", {}), ACCOUNTS)

    told = read(bench)

    assert (str(told.balances["BTC"].free), str(told.balances["BTC"].locked)) == ("1.5", "0.25")
    assert told.complete
    assert told.asked_ns > 0


def test_reads_are_not_repeated_when_it_cannot() -> None:
    bench = Bench((401, b'{"label":"INVALID_KEY","message":"x"}', {}))

    with pytest.raises(VenueAuthError):
        read(bench)
    assert len(bench.transport.sent) == 1


def test_reads_give_up_in_the_end() -> None:
    bench = Bench(*[AnswerLost("x")] * 20)

    with pytest.raises(VenueUnreachable):
        read(bench)
    assert len(bench.transport.sent) == 5


def test_a_limited_read_waits_for_as_long_as_the_venue_says() -> None:
    bench = Bench((429, b'{"label":"TOO_MANY_REQUESTS","message":"x"}', {"retry-after": "4"}), ACCOUNTS)
    before_ns = bench.clock.wall_ns()

    read(bench)

    assert bench.clock.wall_ns() - before_ns >= 4 * NS_PER_S


def test_a_limit_too_long_to_wait_for_is_an_error_that_says_so() -> None:
    bench = Bench((429, b'{"label":"TOO_MANY_REQUESTS","message":"x"}', {"retry-after": "400"}))

    with pytest.raises(VenueBusy) as caught:
        read(bench)
    assert caught.value.retry_after_s == 400


def test_the_clock_is_measured_by_the_middle_of_the_trip() -> None:
    ahead_ms = 1500
    bench = Bench(trip_ns=10 * NS_PER_MS)
    start_ms = bench.clock.wall_ns() // NS_PER_MS
    for trip in range(3):
        now_ms = start_ms + ahead_ms + 10 * trip + 5
        bench.transport.replies.append(f'{{"server_time":{now_ms}}}'.encode())

    measured = run_virtual(bench.gateway.measure_clock(), bench.clock)

    assert abs(measured.offset_ns - ahead_ms * NS_PER_MS) <= measured.error_ns
    assert measured.error_ns == 5 * NS_PER_MS + NS_PER_MS // 2
    assert bench.signer.server_offset_ns == measured.offset_ns


def test_a_slow_answer_about_its_clock_does_not_spoil_what_a_quick_one_said() -> None:
    bench = Bench(trip_ns=2 * NS_PER_MS)
    for trip_ns, shown_late_ms in ((2 * NS_PER_MS, 0), (400 * NS_PER_MS, 150)):
        bench.transport.trip_ns = trip_ns
        start_ms = bench.clock.wall_ns() // NS_PER_MS
        for trip in range(3):
            now_ms = start_ms + (trip_ns * (2 * trip + 1) // 2) // NS_PER_MS + shown_late_ms
            bench.transport.replies.append(f'{{"server_time":{now_ms}}}'.encode())
        measured = run_virtual(bench.gateway.measure_clock(), bench.clock)
        assert abs(measured.offset_ns) <= 2 * NS_PER_MS
    assert measured.error_ns < 2 * NS_PER_MS
    assert bench.signer.server_offset_ns == measured.offset_ns


def test_both_legs_are_handed_over_before_anything_is_awaited() -> None:
    bench = Bench(DONE, DONE)

    async def story() -> int:
        first = asyncio.create_task(bench.gateway.place(bench.order(role=Role.HEDGE)))
        second = asyncio.create_task(bench.gateway.place(bench.order(symbol="ETH/USDT")))
        await asyncio.sleep(0)
        handed_over = len(bench.transport.sent)
        await asyncio.gather(first, second)
        return handed_over

    assert run_virtual(story(), bench.clock) == 2


PAIRS = b'[{"id":"BTC_USDT","base":"BTC","quote":"USDT","precision":1,"amount_precision":5,"trade_status":"tradable"}]'
FEE = b'{"BTC_USDT":{"taker_fee":"0.002","maker_fee":"0.001"}}'


def a_buy(number: int, currency: str) -> bytes:
    return (
        f'[{{"id":"{number}","order_id":"1","create_time_ms":"{1_699_999_999_000 + number}.5","side":"buy","role":"taker",'
        f'"currency_pair":"BTC_USDT","amount":"1","price":"2","fee":"0.001","fee_currency":"{currency}","text":"apiv4"}}]'
    ).encode()


def rules(bench: Bench) -> Any:
    [instrument] = run_virtual(bench.gateway.instruments(("BTC/USDT", "NOT/LISTED")), bench.clock)
    return instrument


def test_only_what_no_page_cuts_may_be_answered_at_length() -> None:
    bench = Bench(PAIRS, (401, b'{"label":"FORBIDDEN","message":"x"}', {}))
    rules(bench)

    assert [request.answer_bytes_max for request in bench.transport.sent] == [LONG_ANSWER_BYTES_MAX, ANSWER_BYTES_MAX]
    dialect = GateDialect()
    pages = dialect.open_orders(None)
    full_page = [{"currency_pair": "BTC_USDT", "orders": [{"currency_pair": "BTC_USDT"}] * 100}]
    following = pages.following(pages.first, full_page)
    assert following is not None and following.params == {"page": 2, "limit": 100}
    assert {pages.first.answer_bytes_max, following.answer_bytes_max} == {LONG_ANSWER_BYTES_MAX}
    assert dialect.fills(None, 0, None).first.answer_bytes_max == ANSWER_BYTES_MAX


def test_a_fee_that_cannot_be_read_is_unknown_and_not_guessed() -> None:
    instrument = rules(Bench(PAIRS, (401, b'{"label":"FORBIDDEN","message":"x"}', {})))

    assert (instrument.taker_fee, instrument.maker_fee) == (None, None)


@pytest.mark.parametrize("fee", [b'{"taker_fee":"0.2","maker_fee":"0.2"}', b'{"taker_fee":"-0.5","maker_fee":"0"}'])
def test_a_fee_out_of_all_reason_is_unknown(fee: bytes) -> None:
    assert rules(Bench(PAIRS, b'{"BTC_USDT":' + fee + b"}")).taker_fee is None


@pytest.mark.parametrize(
    ("currency", "expected", "asset"), [("BTC", "base", ""), ("USDT", "quote", ""), ("GT", "base", "GT")]
)
def test_the_accounts_latest_buy_shows_what_a_buy_pays_its_fee_in(currency: str, expected: str, asset: str) -> None:
    instrument = rules(Bench(PAIRS, FEE, a_buy(5, currency)))

    assert (str(instrument.buy_fee_in), instrument.fee_asset) == (expected, asset)
    assert str(instrument.taker_fee) == "0.002"
    assert instrument.fee_asset_taker == (instrument.taker_fee if asset else None)


def test_where_the_venue_says_what_pays_the_latest_buy_does_not_count() -> None:
    """It may be from before the deduction was switched off."""
    off = FEE.replace(b"}", b',"debit_fee":3,"gt_discount":false}')
    assert rules(Bench(PAIRS, off, a_buy(5, "GT"))).fee_asset == ""


def test_without_a_buy_the_venues_rule_counts() -> None:
    assert str(rules(Bench(PAIRS, FEE, b"[]")).buy_fee_in) == "base"


TWO_PAIRS = (
    b'[{"id":"BTC_USDT","base":"BTC","quote":"USDT","precision":1,"amount_precision":5,"trade_status":"tradable"},'
    b'{"id":"ETH_USDT","base":"ETH","quote":"USDT","precision":2,"amount_precision":4,"trade_status":"tradable"}]'
)
TWO_FEES = (
    b'{"BTC_USDT":{"taker_fee":"0.002","maker_fee":"0.001"},"ETH_USDT":{"taker_fee":"0.003","maker_fee":"0.001"}}'
)
ONE_FEE = b'{"taker_fee":"0.002","maker_fee":"0.001"}'
REFUSED: tuple[int, bytes, dict[str, str]] = (400, b'{"label":"INVALID_PARAM_VALUE","message":"x"}', {})


def two_rules(bench: Bench) -> list[tuple[str, str]]:
    read = run_virtual(bench.gateway.instruments(("BTC/USDT", "ETH/USDT")), bench.clock)
    return [(str(instrument.taker_fee), instrument.fee_asset or str(instrument.buy_fee_in)) for instrument in read]


def test_fees_and_latest_buys_of_all_symbols_take_one_question_each() -> None:
    bench = Bench(TWO_PAIRS, TWO_FEES, a_buy(5, "GT"))

    assert two_rules(bench) == [("0.002", "GT"), ("0.003", "base")]
    assert [call.path for call in bench.signer.calls] == ["currency_pairs", "batch_fee", "my_trades"]


def test_what_a_buy_paid_in_is_remembered_and_later_buys_change_it() -> None:
    bench = Bench(TWO_PAIRS, TWO_FEES, a_buy(5, "GT"), TWO_PAIRS, TWO_FEES, b"[]", TWO_PAIRS, TWO_FEES, a_buy(6, "BTC"))

    assert [two_rules(bench)[0] for _ in range(3)] == [("0.002", "GT"), ("0.002", "GT"), ("0.002", "base")]
    first, again, _ = [int(call.params["from"]) for call in bench.signer.calls if call.path == "my_trades"]
    assert again - first > 2 * 86_400, "what was read before is not read again"


def test_symbols_that_no_list_speaks_of_are_asked_for_one_by_one() -> None:
    only_eth = TWO_FEES.replace(b"BTC_USDT", b"XYZ_USDT")
    bench = Bench(TWO_PAIRS, only_eth, ONE_FEE, REFUSED, a_buy(5, "USDT"), b"[]")

    assert two_rules(bench) == [("0.002", "quote"), ("0.003", "base")]


def test_a_venue_that_does_not_answer_for_its_fees_is_not_asked_for_each_symbol_in_turn() -> None:
    bench = Bench(TWO_PAIRS, *[AnswerLost("no answer")] * 5)

    assert two_rules(bench) == [("None", "base"), ("None", "base")]
    assert bench.transport.replies == []
