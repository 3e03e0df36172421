"""An entry leaves on a connection that stands ready, or is refused before anything has left."""

from arb.core.messages.events import OrderAccepted, OrderRejected
from arb.venues.transport.http import HttpAnswer
from tests.unit.venues.kit.test_gateway import DONE, Bench, FakeTransport
from tests.virtual import run_virtual


class Standing:
    """A connection that stands ready; `used` when somebody else was quicker."""

    def __init__(self, transport: FakeTransport, *, used: bool = False) -> None:
        self.transport, self.used = transport, used
        self.written: list[bytes] = []

    def write(self, data: bytes) -> bool:
        if not self.used:
            self.written.append(data)
        return not self.used

    async def answer(self, sent_ns: int, timeout_s: float) -> HttpAnswer:
        return HttpAnswer(200, {}, DONE, sent_ns, sent_ns + 7)


def test_an_entry_is_not_made_ready_where_no_connection_stands() -> None:
    bench = Bench(DONE)

    refused = bench.gateway.prepare(bench.order())

    assert isinstance(refused, OrderRejected)
    assert (refused.code, refused.sent_ns, bench.transport.sent) == ("not_sent", 0, [])


def test_an_entry_leaves_in_the_call_on_the_connection_that_stands() -> None:
    bench = Bench()
    connection = bench.transport.connection = Standing(bench.transport)

    departure = bench.gateway.prepare(bench.order())
    assert not isinstance(departure, OrderRejected) and connection.written == []
    departure.leave()
    answer = departure.answer()

    assert len(connection.written) == 1 and bench.transport.sent == []
    assert isinstance(run_virtual(answer, bench.clock), OrderAccepted)


def test_an_entry_whose_connection_was_used_meanwhile_leaves_once_on_another() -> None:
    bench = Bench(DONE)
    bench.transport.connection = Standing(bench.transport, used=True)

    departure = bench.gateway.prepare(bench.order())
    assert not isinstance(departure, OrderRejected)

    departure.leave()

    assert isinstance(run_virtual(departure.answer(), bench.clock), OrderAccepted)
    assert len(bench.transport.sent) == 1


def test_a_prefetch_sends_nothing_takes_no_slot_and_signs_nothing() -> None:
    bench = Bench()
    connection = bench.transport.connection = Standing(bench.transport)

    for _ in range(1000):
        bench.gateway.prefetch("BTC/USDT")

    assert (connection.written, bench.transport.sent, bench.signer.calls) == ([], [], [])
    assert not isinstance(bench.gateway.prepare(bench.order()), OrderRejected)
