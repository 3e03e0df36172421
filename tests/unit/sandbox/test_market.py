"""A slow book that never lies: whatever snapshot a client starts from, the updates lead it to the truth."""

from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_MS
from arb.sandbox.market import BookStream, BookUpdate
from tests.unit.sandbox.makings import NOW_NS, SYMBOL, an_exchange, quote

Levels = dict[str, str]


def as_levels(rows: list[list[str]]) -> Levels:
    """Return [price, size] rows as price to size."""
    return {row[0]: row[1] for row in rows}


def apply(book: tuple[Levels, Levels], update: BookUpdate) -> None:
    """Apply an update as a client does: absolute sizes, "0" removes, full replaces."""
    for side, rows in zip(book, (update.bids, update.asks), strict=True):
        if update.full:
            side.clear()
        for price, size in rows:
            if size == "0":
                side.pop(price, None)
            else:
                side[price] = size


def test_a_level_that_came_and_went_between_updates_is_said_to_be_gone() -> None:
    exchange = an_exchange()
    stream = BookStream(exchange.market(SYMBOL), 50, 20 * NS_PER_MS, NOW_NS)
    quote(exchange, "buy", "99", "1")
    quote(exchange, "buy", "99", "0")
    update = stream.publish(NOW_NS)
    assert update is not None
    assert update.bids == [["99.0", "0"]]


def test_a_level_that_only_a_snapshot_meanwhile_saw_is_said_to_be_gone() -> None:
    exchange = an_exchange()
    quote(exchange, "sell", "100.1", "1")
    stream = BookStream(exchange.market(SYMBOL), 100, 100 * NS_PER_MS, NOW_NS)
    quote(exchange, "sell", "100.2", "1")
    seen = exchange.snapshot(SYMBOL, 100)
    quote(exchange, "sell", "100.2", "0")
    update = stream.publish(NOW_NS)
    assert ["100.2", "1.000"] in seen.asks
    assert update is not None
    assert update.asks == [["100.2", "0"]]
    assert update.first_id <= seen.update_id < update.last_id


def test_a_new_subscriber_gets_the_published_state_and_goes_on_without_a_gap() -> None:
    exchange = an_exchange()
    quote(exchange, "buy", "99", "1")
    stream = BookStream(exchange.market(SYMBOL), 50, 20 * NS_PER_MS, NOW_NS)
    quote(exchange, "buy", "98", "1")
    full = stream.full()
    update = stream.publish(NOW_NS)
    assert update is not None
    assert full.bids == [["99.0", "1.000"]]
    assert (update.first_id, update.previous_id) == (full.last_id + 1, full.last_id)


def test_nothing_changed_nothing_said() -> None:
    stream = BookStream(an_exchange().market(SYMBOL), 50, 20 * NS_PER_MS, NOW_NS)
    assert stream.publish(NOW_NS) is None


changes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["buy"]), st.integers(980, 999), st.integers(0, 3)),
        st.tuples(st.sampled_from(["sell"]), st.integers(1001, 1020), st.integers(0, 3)),
        st.tuples(st.sampled_from(["publish", "snapshot"]), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(changes, st.integers(1, 6))
def test_full_then_updates_equal_the_best_levels_of_the_book(script: list[tuple[str, int, int]], depth: int) -> None:
    exchange = an_exchange()
    market = exchange.market(SYMBOL)
    stream = BookStream(market, depth, 20 * NS_PER_MS, NOW_NS)
    client: tuple[Levels, Levels] = ({}, {})
    apply(client, stream.full())
    last_id = stream.full().last_id
    for what, ticks, lots in script:
        if what in ("buy", "sell"):
            exchange.quote_background(SYMBOL, what, ticks, lots, NOW_NS)
        elif (update := stream.publish(NOW_NS)) is not None:
            assert update.first_id == last_id + 1
            last_id = update.last_id
            apply(client, update)
            for side, is_bid in zip(client, (True, False), strict=True):
                assert side == as_levels(market.levels(is_bid, depth))


@given(changes)
def test_a_snapshot_taken_in_between_plus_the_covering_updates_equal_the_book(
    script: list[tuple[str, int, int]],
) -> None:
    """The REST form: apply every update that ends after the snapshot's id, over whatever the snapshot shows."""
    exchange = an_exchange()
    market = exchange.market(SYMBOL)
    stream = BookStream(market, 100, 100 * NS_PER_MS, NOW_NS)
    clients: list[tuple[int, tuple[Levels, Levels]]] = []
    for what, ticks, lots in [*script, ("publish", 0, 0)]:
        if what in ("buy", "sell"):
            exchange.quote_background(SYMBOL, what, ticks, lots, NOW_NS)
        elif what == "snapshot":
            view = exchange.snapshot(SYMBOL, 100)
            clients.append((view.update_id, (as_levels(view.bids), as_levels(view.asks))))
        elif (update := stream.publish(NOW_NS)) is not None:
            for base, client in clients:
                if update.last_id > base:
                    apply(client, update)
    truth = (as_levels(market.levels(True, 100)), as_levels(market.levels(False, 100)))
    assert all(client == truth for _, client in clients)
