"""Bytes that always wait on a socket: whose books they hold up, and what goes on all the same."""

import pytest

from arb.core.messages.commands import PlaceOrder
from arb.core.messages.events import QueueDrained
from arb.core.messages.reasons import Reason
from arb.market.order import Role
from tests.support.floor import BTC, ETH, TRANSIT_MS, Floor, listed
from tests.unit.core.trades.test_trade import accept, fill, refuse

BOOKS = {"gate": ("99.8x5", "99.9x5"), "okx": ("99.7x5", "100x5"), "bitget": ("99.6x5", "100.1x5")}
VENUES = tuple(BOOKS)


def steady() -> Floor:
    """Return three venues with one book each whose frames are all on their way for equally long."""
    floor = Floor(instruments=listed(VENUES, (BTC, ETH)), venues=VENUES)
    for symbol in (BTC, ETH):
        for venue in VENUES:
            floor.whole(venue, symbol, *BOOKS[venue])
    for _ in range(20):
        floor.wait_ms(1000)
        for venue in VENUES:
            floor.change(venue, BTC, "99.5x1", "")
    return floor


def dislocate(floor: Floor, *, late_ms: int = 0) -> None:
    """Let OKX bid 1 % more, by a frame that comes `late_ms` later than usual."""
    floor.wait_ms(late_ms)
    raw = floor.frames_of("okx", BTC).change(
        "101x1", "100x0 101.2x5", floor.now_ns - (TRANSIT_MS + late_ms) * 1_000_000
    )
    floor.send("okx", raw)


def one_legged(floor: Floor) -> PlaceOrder:
    """Open a pair from Gate to OKX of which the purchase alone fills; return that one."""
    dislocate(floor)
    buy, sell = (order for order in floor.drain() if isinstance(order, PlaceOrder))
    accept(floor, buy, "1")
    fill(floor, buy, "1")
    refuse(floor, sell)
    floor.wait_ms(60)
    for venue in ("gate", "okx"):
        floor.whole(venue, BTC, *BOOKS[venue])
        floor.change(venue, BTC, "99.5x1", "")  # a whole book does not say when it was sent
    return buy


def test_an_edge_waits_for_the_sockets_of_its_own_books_and_no_others() -> None:
    for unread, taken in (("gate", False), ("okx", False), ("bitget", True)):
        floor = steady()
        dislocate(floor)
        floor.tell(QueueDrained(unread=(unread,)))
        assert ({order.venue for order in floor.placed()} == {"gate", "okx"}) is taken, unread
        assert floor.engine.wants_drain
        floor.drain()
        assert len(floor.placed()) == 2


def test_acting_waits_only_where_every_edge_and_every_open_pair_has_a_book_on_those_sockets() -> None:
    floor = steady()
    dislocate(floor)  # OKX bids more than Gate and Bitget ask
    waits = {unread: floor.engine.waits_for((unread,)) for unread in VENUES}
    assert waits == {"gate": False, "okx": True, "bitget": False}
    assert floor.engine.waits_for(("gate", "bitget"))
    floor = steady()
    one_legged(floor)  # between Gate and OKX
    waits = {unread: floor.engine.waits_for((unread,)) for unread in VENUES}
    assert waits == {"gate": True, "okx": True, "bitget": False}


@pytest.mark.parametrize(("late_ms", "opens"), [(0, True), (49, True), (51, False), (400, False)])
def test_on_a_socket_that_is_never_read_empty_entries_go_while_its_frames_come_about_as_soon_as_ever(
    late_ms: int, opens: bool
) -> None:
    floor = steady()
    dislocate(floor, late_ms=late_ms)
    floor.tell(QueueDrained(backlogged=("okx",)))
    assert ("okx" in {order.venue for order in floor.placed()}) is opens
    if not opens:
        assert floor.not_taken().get(Reason.FEED_BACKLOG, 0) >= 1


def test_frames_as_late_as_that_are_no_matter_on_a_socket_that_is_read_empty() -> None:
    floor = steady()
    dislocate(floor, late_ms=400)
    floor.drain()
    assert "okx" in {order.venue for order in floor.placed()}


def test_a_connection_of_which_no_lag_is_known_is_not_trusted_while_bytes_wait() -> None:
    floor = Floor()
    assert floor.books.connections["okx"].late()


def test_a_repair_waits_for_the_sockets_of_its_pair_and_after_50_ms_for_none() -> None:
    for unread in ("gate", "okx"):
        floor = steady()
        one_legged(floor)
        before = len(floor.placed())
        floor.tell(QueueDrained(unread=(unread,)))
        assert len(floor.placed()) == before
        floor.tell(QueueDrained(backlogged=(unread,)))
        assert [order.role for order in floor.placed()[before:]] == [Role.UNWIND]


def test_a_repair_does_not_wait_for_a_socket_its_pair_has_no_book_on_and_does_not_go_there() -> None:
    floor = steady()
    one_legged(floor)
    floor.whole("bitget", BTC, "100.5x5", "100.6x5")  # would be the best place by far
    before = len(floor.placed())
    floor.tell(QueueDrained(unread=("bitget",)))
    assert [order.venue for order in floor.placed()[before:]] == ["gate"]
