"""Our own connections for orders: nothing is sent twice, no answer goes to the wrong request, warm ones stay warm."""

import asyncio
import contextlib
import select
import socket
import threading

import pytest

from arb.clock import SystemClock
from arb.venues.transport.address import Origin
from arb.venues.transport.direct import (
    SPARE_CONNECTIONS_MAX,
    WARM_CONNECTIONS,
    DirectTransport,
    PoolTiming,
    VenueTransport,
)
from arb.venues.transport.http import CONNECTIONS_MAX, AnswerLost, HttpAnswer, NeverSent
from arb.venues.transport.line import Line
from arb.venues.transport.request import HttpRequest, render
from tests.integration.lone_server import ORDER, Venue, Visit, echo, full, run

# Never sent.


def test_a_venue_that_takes_no_connection_in_time_was_never_sent_anything() -> None:
    with socket.socket() as full_house, contextlib.ExitStack() as guests:
        full_house.bind(("127.0.0.1", 0))
        full_house.listen(0)
        for _ in range(4):  # nobody accepts: further ones are left to wait
            guest = guests.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(full_house.getsockname())
        request = HttpRequest("POST", f"http://127.0.0.1:{full_house.getsockname()[1]}/", {}, ORDER)

        async def scenario(transport: DirectTransport) -> None:
            with pytest.raises(NeverSent, match=r"no connection within 0\.1 s"):
                await transport.send(request, 0.1)

        run(scenario)


def test_a_request_that_would_not_leave_as_signed_is_never_sent() -> None:
    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo) as venue:
            bad = HttpRequest("POST", venue.order().url, {"KEY": "k\r\nX: y"}, ORDER)
            with pytest.raises(NeverSent, match="line break"):
                await transport.send(bad, 30.0)
            assert venue.visits.empty()

    run(scenario)


def test_no_more_connections_than_allowed_are_opened() -> None:
    visits: list[Visit] = []
    full_house, over = asyncio.Event(), asyncio.Event()

    async def hang(visit: Visit) -> None:
        await visit.request()
        visits.append(visit)
        if len(visits) == CONNECTIONS_MAX:
            full_house.set()
        await over.wait()

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(hang) as venue:
            sends = [asyncio.ensure_future(transport.send(venue.order(), 60.0)) for _ in range(CONNECTIONS_MAX + 1)]
            await full_house.wait()
            over.set()
            ends = await asyncio.gather(*sends, return_exceptions=True)
            assert sorted(type(end).__name__ for end in ends) == ["AnswerLost"] * CONNECTIONS_MAX + ["NeverSent"]

    run(scenario)
    assert len(visits) == CONNECTIONS_MAX


# Lost.


def test_an_answer_that_comes_too_late_is_given_to_nobody() -> None:
    late = asyncio.Event()

    async def serve(visit: Visit) -> None:
        body = await visit.request()
        if body == b"first":
            await late.wait()
        visit.writer.write(full(body or b""))

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(serve) as venue:
            await standing(transport, origin_of_venue(venue))  # so that only the answer is waited for
            with pytest.raises(AnswerLost, match=r"no answer within 0\.5 s"):
                await transport.send(venue.order("first"), 0.5)
            late.set()
            answer = await transport.send(venue.order("second"), 30.0)
            assert answer.body == b"second"

    run(scenario)


def test_a_sender_that_gives_up_takes_its_connection_along() -> None:
    async def serve(visit: Visit) -> None:
        if await visit.request() == b"first":
            await visit.ended()
        else:
            visit.writer.write(full(b"2"))

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(serve) as venue:
            sending = asyncio.ensure_future(transport.send(venue.order("first"), 5.0))
            visit = await venue.visits.get()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await visit.over.wait()
            assert (await transport.send(venue.order("second"), 30.0)).body == b"2"

    run(scenario)


@pytest.mark.parametrize("junk", [b"junk", b"HTTP/1.1 500 No\r\n\r\n", full(b"unasked")])
def test_what_comes_behind_an_answer_ends_the_connection_and_answers_nothing(junk: bytes) -> None:
    async def serve(visit: Visit) -> None:
        body = await visit.request()
        visit.writer.write(full(body or b"") + junk)
        await visit.ended()

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(serve) as venue:
            for text in ("one", "two"):
                assert (await transport.send(venue.order(text), 30.0)).body == text.encode()
            assert venue.visits.qsize() == 2

    run(scenario)


def test_what_comes_unasked_on_an_idle_connection_ends_it() -> None:
    async def serve(visit: Visit) -> None:
        body = await visit.request()
        visit.writer.write(full(body or b""))
        await visit.writer.drain()
        if body == b"one":
            asked.set()
            await spoken.wait()
            visit.writer.write(full(b"unasked"))
            await visit.ended()
            over.set()

    asked, spoken, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(serve) as venue:
            assert (await transport.send(venue.order("one"), 30.0)).body == b"one"
            await asked.wait()
            spoken.set()
            await over.wait()
            assert (await transport.send(venue.order("two"), 30.0)).body == b"two"

    run(scenario)


def test_a_request_that_nobody_waits_for_has_left_and_its_answer_is_given_to_nobody() -> None:
    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo) as venue:
            await transport.send(venue.order("one"), 30.0)
            transport.send(venue.order("dropped"), 30.0)
            assert (await transport.send(venue.order("two"), 30.0)).body == b"two"
            assert venue.visits.qsize() == 2

    run(scenario)


# Answered.


def test_an_answer_may_come_byte_by_byte() -> None:
    async def serve(visit: Visit) -> None:
        body = await visit.request()
        for byte in full(body or b""):
            visit.writer.write(bytes([byte]))
            await visit.writer.drain()
            await asyncio.sleep(0)

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(serve) as venue:
            assert (await transport.send(venue.order(), 30.0)).body == ORDER.encode()

    run(scenario)


def test_an_answer_may_end_with_its_connection() -> None:
    async def serve(visit: Visit) -> None:
        await visit.request()
        visit.writer.write(b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>")

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(serve) as venue:
            answer = await transport.send(venue.order(), 30.0)
            assert (answer.status, answer.body) == (502, b"<html>")

    run(scenario)


def test_one_connection_carries_one_request_at_a_time_and_then_the_next() -> None:
    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo) as venue:
            both = await asyncio.gather(*(transport.send(venue.order(text), 30.0) for text in ("x", "y")))
            again = await asyncio.gather(*(transport.send(venue.order(text), 30.0) for text in ("z", "w")))
            assert [answer.body for answer in (*both, *again)] == [b"x", b"y", b"z", b"w"]
            assert venue.visits.qsize() == 2

    run(scenario)


def test_a_connection_closed_while_nobody_looked_is_not_used() -> None:
    """The end lies unread in the kernel: sending on it would lose the order's answer for nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    closing, closed = threading.Event(), threading.Event()
    bodies: list[bytes] = []

    def serve() -> None:
        for last in (False, True):
            connection, _ = listener.accept()
            bodies.append(connection.recv(65536).partition(b"\r\n\r\n")[2])
            connection.sendall(full(b"%d" % len(bodies)))
            if not last:
                closing.wait(60)
            connection.close()
            closed.set()

    thread = threading.Thread(target=serve)
    thread.start()

    async def scenario(transport: DirectTransport) -> None:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert (await transport.send(HttpRequest("POST", url, {}, "one"), 30.0)).body == b"1"
        closing.set()
        assert closed.wait(60)  # the loop stands still meanwhile, as in a long turn
        assert (await transport.send(HttpRequest("POST", url, {}, "two"), 30.0)).body == b"2"

    run(scenario)
    thread.join()
    listener.close()
    assert bodies == [b"one", b"two"]


# Standing.


def origin_of_venue(venue: Venue) -> Origin:
    return render(venue.order()).origin


async def standing(transport: DirectTransport, origin: Origin) -> Line:
    """Wait for a connection that stands ready."""
    for _ in range(100_000):
        line = transport.standing(origin)
        if line is not None:
            return line
        await asyncio.sleep(0)
    raise AssertionError("no connection was made")


def test_where_no_connection_stands_none_is_given_and_one_is_made() -> None:
    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo) as venue:
            assert transport.standing(origin_of_venue(venue)) is None
            assert await standing(transport, origin_of_venue(venue))

    run(scenario)


def test_what_is_written_on_a_standing_connection_has_left_before_anybody_waits_and_leaves_once() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    async def scenario(transport: DirectTransport) -> None:
        request = render(HttpRequest("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, ORDER))
        assert transport.standing(request.origin) is None
        peers = [(await asyncio.get_running_loop().run_in_executor(None, listener.accept))[0] for _ in range(2)]
        for _ in range(100_000):
            if transport.connections == 2:
                break
            await asyncio.sleep(0)
        first, other = transport.standing(request.origin), None
        assert first is not None and first.write(request.data)
        assert not first.write(request.data)
        other = transport.standing(request.origin)
        assert other is not None and other is not first
        ready, _, _ = select.select(peers, [], [], 30)  # the loop stands still
        assert [peer.recv(65536) for peer in ready] == [request.data]
        ready[0].sendall(full(b"early"))
        for _ in range(10):  # the answer is there, and is read before anybody waits for it
            await asyncio.sleep(0)
        assert (await first.answer(7, 30.0)).body == b"early"
        for peer in peers:
            peer.close()

    run(scenario)
    listener.close()


def test_a_connection_that_the_venue_has_closed_does_not_stand_though_the_loop_has_not_read_that() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    async def scenario(transport: DirectTransport) -> None:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        transport.keep_warm(url, 1)
        peer = (await asyncio.get_running_loop().run_in_executor(None, listener.accept))[0]
        origin = render(HttpRequest("POST", url, {}, ORDER)).origin
        await standing(transport, origin)
        peer.close()
        assert transport.standing(origin) is None

    run(scenario)
    listener.close()


def test_a_burst_that_takes_every_connection_has_one_more_made() -> None:
    async def hang(visit: Visit) -> None:
        await visit.ended()

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(hang) as venue:
            data, answers = render(venue.order()).data, []
            for number in range(SPARE_CONNECTIONS_MAX):
                line = await standing(transport, origin_of_venue(venue))
                assert line.write(data)
                answers.append(asyncio.ensure_future(line.answer(1, 60.0)))
                await asyncio.sleep(0)
                assert transport.connections <= max(WARM_CONNECTIONS, number + 2)
            for _ in range(100):
                await asyncio.sleep(0)
                assert transport.standing(origin_of_venue(venue)) is None
            assert transport.connections == SPARE_CONNECTIONS_MAX
            for answer in answers:
                answer.cancel()
            await asyncio.gather(*answers, return_exceptions=True)

    run(scenario)


def test_a_connection_whose_answer_was_dropped_ends_though_the_venue_never_answers() -> None:
    async def hang(visit: Visit) -> None:
        await visit.ended()

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(hang) as venue:
            line = await standing(transport, origin_of_venue(venue))
            assert line.write(render(venue.order()).data)
            await line.gone

    run(scenario, timing=PoolTiming(refresh_s=0.01))


# Warm.


def test_warm_connections_are_made_before_the_first_order_and_made_anew_when_the_venue_closes_them() -> None:
    async def close_at_once(visit: Visit) -> None:
        return

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(close_at_once) as venue:
            transport.keep_warm(venue.order().url, 2)
            for _ in range(6):
                await venue.visits.get()
            venue.serve = echo
            for _ in range(2):
                await venue.visits.get()
            assert (await transport.send(venue.order(), 30.0)).body == ORDER.encode()

    run(scenario, timing=PoolTiming(redial_s=0.01))


def test_a_warm_connection_is_replaced_before_it_is_too_old_to_use() -> None:
    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo) as venue:
            transport.keep_warm(venue.order().url, 1)
            first = await venue.visits.get()
            await venue.visits.get()
            await first.over.wait()

    run(scenario, timing=PoolTiming(refresh_s=0.02, redial_s=0.01))


def test_a_venue_that_is_away_is_dialled_again() -> None:
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens there yet
    port = reserved.getsockname()[1]

    async def scenario(transport: DirectTransport) -> None:
        transport.keep_warm(f"http://127.0.0.1:{port}/", 1)
        with pytest.raises(NeverSent):
            await transport.send(HttpRequest("POST", f"http://127.0.0.1:{port}/", {}), 30.0)
        there = asyncio.Event()

        async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there.set()
            writer.close()

        server = await asyncio.start_server(greet, sock=reserved)
        await there.wait()
        server.close()

    run(scenario, timing=PoolTiming(redial_s=0.01))


def test_an_idle_connection_that_nobody_wants_warm_ends() -> None:
    async def scenario(transport: DirectTransport) -> None:
        async with Venue(echo) as venue:
            await transport.send(venue.order(), 30.0)
            await (await venue.visits.get()).over.wait()
            assert transport.connections == 0

    run(scenario, timing=PoolTiming(refresh_s=0.01))


def test_a_read_makes_the_connections_for_writes_ready() -> None:
    class Reads:
        async def send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
            return HttpAnswer(200, {}, b"read", 1, 2)

        async def close(self) -> None:
            return

    async def scenario() -> None:
        async with Venue(echo) as venue:
            writes = DirectTransport(SystemClock())
            transport = VenueTransport(Reads(), writes)
            get = HttpRequest("GET", venue.order().url, {})
            assert (await transport.send(get, 30.0)).body == b"read"
            visits = [await venue.visits.get() for _ in range(2)]
            for _ in range(10_000):  # the server knows of a connection a little before we do
                if writes.connections == 2:
                    break
                await asyncio.sleep(0)
            assert writes.connections == 2
            assert (await transport.send(venue.order(), 30.0)).body == ORDER.encode()
            assert venue.visits.empty()
            await transport.close()
            for visit in visits:
                await visit.over.wait()

    asyncio.run(scenario())


def test_a_venue_that_speaks_first_is_sent_no_order_on_a_connection_made_for_it() -> None:
    async def speaks(visit: Visit) -> None:
        visit.writer.write(full(b"early"))
        await echo(visit)

    async def scenario(transport: DirectTransport) -> None:
        async with Venue(speaks) as venue:
            with pytest.raises(NeverSent):
                await transport.send(venue.order("order"), 5.0)

    run(scenario)
