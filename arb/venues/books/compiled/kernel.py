"""One frame, from its bytes to the changed book and the answer whether plain code has work; compiled.

`take` returns `QUIET` when the frame is applied and nothing else is due. It returns the row + 1 when plain code has work
(the symbol may have an edge), and `HAND_OVER` when the plain reader must take the frame. It does the same as
`WireFeed.on_frame`, `Books.on_frame` and `DirtySymbols.rows`, in the same order; the rules of the chains are those of
`<venue>/books.py`.
"""

from typing import Any

from numba import njit

from arb.core.books.book_pace import JUDGED_AFTER_NS, MISSING
from arb.core.books.connection import HANDED_OVER
from arb.core.books.sale_price import NOTED_EVERY_NS
from arb.market.arena import ASK_COUNT, BID_COUNT, UPDATES
from arb.market.words import (
    AHEAD_NS,
    ARENA_ADDRESS,
    ATTENTION,
    CONNECTION_PACE,
    CONNECTION_WORDS,
    COST,
    FRAMES,
    KEPT,
    LAG_KNOWN,
    LAG_NS,
    LAGS_KEPT,
    LAGS_NOTED,
    LAST_BYTE_NS,
    NETS,
    NEXT_LAG_NS,
    NOTED_BID,
    NOTED_NS,
    OFFSET_NS,
    PACE,
    PLACE,
    QUIET_FRAMES,
    ROW_WORDS,
    ROWS,
    SYMBOL_ADDRESS,
    UPDATED,
)
from arb.venues.books.compiled.binance_frames import binance
from arb.venues.books.compiled.frames import ASKS_READ, bybit, is_named, pushed
from arb.venues.books.compiled.gate_frames import gate
from arb.venues.books.compiled.layout import (
    ASKS,
    BIDS,
    BINANCE,
    BITGET,
    BOOK_FRAMES,
    BYBIT,
    CONTAINED,
    DEPTH_MAX,
    GATE_OBU,
    GATE_UPDATES,
    KIND,
    LEVELS,
    OKX,
    ROWS_AT,
    SCRATCH,
    SHAPE,
    SHOWN,
    WORD,
)
from arb.venues.books.compiled.memory import float_at, inlined, put_float, put_word, word_at
from arb.venues.books.compiled.okx_frames import best_quote, is_best_quote
from arb.venues.books.compiled.quotes import bbo_agrees, take_quote
from arb.venues.books.compiled.sides import (
    astray,
    best,
    has_room,
    known,
    set_levels,
    show_best,
    show_levels,
    trim,
    used_up,
)

QUIET, HAND_OVER = 0, HANDED_OVER
NS_PER_S = 1_000_000_000
LEEWAY = 1 + 1e-9
LONGEST_NS = 1_000 * NS_PER_S
FRAMES_MAX = 1_000_000
MOVED_EVERY = 256


@inlined
def add(address: int, more: int):
    put_word(address, word_at(address) + more)


@inlined
def out_of_habit(pace: int, received_ns: int, all_books: bool):
    """Return whether plain code must handle the pace: it begins, is partly forgotten, or may have paused."""
    frames, since_ns, last_ns = word_at(pace), word_at(pace + WORD), word_at(pace + 2 * WORD)
    if received_ns >= word_at(pace + 3 * WORD):
        return True
    silent_ns = received_ns - last_ns
    if not all_books or silent_ns <= JUDGED_AFTER_NS:
        return False
    learned_ns = last_ns - since_ns
    if silent_ns > LONGEST_NS or learned_ns < 0 or learned_ns > LONGEST_NS or frames > FRAMES_MAX:
        return True
    return 2 * frames * silent_ns // (2 * learned_ns + silent_ns) >= MISSING


@inlined
def may_cross(row: int, bid: int, ask: int):
    """Note the net quotes of a row; return whether its symbol is attended to, or one of its routes may have an edge."""
    symbol = word_at(row + SYMBOL_ADDRESS * WORD)
    nets = symbol + NETS * WORD
    own = nets + 2 * WORD * word_at(row + PLACE * WORD)
    net_bid = bid * float_at(row + KEPT * WORD)
    net_ask = ask * float_at(row + COST * WORD) if ask else INFINITE
    put_float(own, net_bid)
    put_float(own + WORD, net_ask)
    found = word_at(symbol + ATTENTION * WORD) != 0
    for place in range(word_at(symbol + ROWS * WORD)):
        other = nets + 2 * WORD * place
        if other != own and (net_bid * LEEWAY > float_at(other + WORD) or float_at(other) * LEEWAY > net_ask):
            found = True
    return found


INFINITE = float("inf")


@inlined
def beat(row: int, connection: int, received_ns: int):
    """Count a frame of a book, as `ConnectionPace.beat` does."""
    pace = connection + CONNECTION_PACE * WORD
    add(pace, 1)
    put_word(pace + 2 * WORD, received_ns)
    frames = word_at(row + SYMBOL_ADDRESS * WORD) + FRAMES * WORD
    add(frames, 1)
    book = row + PACE * WORD
    add(book, 1)
    put_word(book + 2 * WORD, received_ns)
    put_word(book + 5 * WORD, word_at(frames))


@inlined
def note_lag(connection: int, received_ns: int, lag_ns: int):
    """Note how long a frame was on its way, and once a second keep it, as `Connection.keep_lag` does."""
    put_word(connection + LAG_NS * WORD, lag_ns)
    put_word(connection + LAG_KNOWN * WORD, 1)
    if received_ns >= word_at(connection + NEXT_LAG_NS * WORD):
        noted = word_at(connection + LAGS_NOTED * WORD)
        put_word(connection + (CONNECTION_WORDS + noted % LAGS_KEPT) * WORD, lag_ns)
        put_word(connection + LAGS_NOTED * WORD, noted + 1)
        put_word(connection + NEXT_LAG_NS * WORD, received_ns + NS_PER_S)


@inlined
def stays(shown: int, count: int, checked: bool):
    """Return whether a side may stay as it is shown (`count` levels of it change), and the shown best level and its size."""
    price, size = word_at(shown), word_at(shown + WORD)
    return count == 0 and size > 0 and not checked, price, size


@inlined
def commit(number: int, row: int, connection: int, last: int, bids: int, asks: int, event_ns: int, received_ns: int):
    """Apply a change that continues the book, whose levels are in the scratch.

    Where the frame also goes to the plain reader, that applies it again, which changes nothing: sizes are absolute.
    """
    read = word_at(connection + SCRATCH * WORD)
    bid_side, ask_side = row + BIDS * WORD, row + ASKS * WORD
    head = word_at(row + ARENA_ADDRESS * WORD)
    # Now and then a book goes to the plain reader, to be lent again with its ladder around the present best level.
    checked = word_at(head + UPDATES * WORD) % MOVED_EVERY == 0
    # A side that does not change is as it is shown: its levels are not looked at.
    bids_stay, bid, bid_size = stays(row + SHOWN * WORD, bids, checked)
    asks_stay, ask, ask_size = stays(row + (SHOWN + 2) * WORD, asks, checked)
    if not (bids_stay or has_room(bid_side, bids)) or not (asks_stay or has_room(ask_side, asks)):
        return HAND_OVER
    if not bids_stay:
        set_levels(row, bid_side, read, bids)
        bid, bid_size = best(row, bid_side)
    if not asks_stay:
        set_levels(row, ask_side, read + ASKS_READ, asks)
        ask, ask_size = best(row, ask_side)
        ask = -ask
    if (checked and astray(row, bid_side, bid)) or (checked and astray(row, ask_side, -ask)):
        return HAND_OVER
    if bid_size and ask_size and bid > ask:
        return HAND_OVER
    if (not bids_stay and used_up(bid_side, bid, bid_size)) or (not asks_stay and used_up(ask_side, -ask, ask_size)):
        return HAND_OVER
    if not bbo_agrees(row, connection, last, bid, bid_size, ask, ask_size):
        return HAND_OVER
    if bids or asks:
        depth_max = word_at(row + DEPTH_MAX * WORD)
        left, beside = word_at(head + BID_COUNT * WORD), word_at(head + ASK_COUNT * WORD)
        if not bids_stay:
            left = known(row, bid_side, trim(row, bid_side, depth_max))
        if not asks_stay:
            beside = known(row, ask_side, trim(row, ask_side, depth_max))
        show_best(row, left, bid, bid_size, beside, ask, ask_size)
    put_word(head + WORD, last)
    put_word(head + 2 * WORD, event_ns)
    put_word(head + 3 * WORD, received_ns)
    add(head + UPDATES * WORD, 1)
    add(connection + BOOK_FRAMES * WORD, 1)
    add(connection + LEVELS * WORD, bids + asks)
    add(connection + UPDATED * WORD, 1)
    beat(row, connection, received_ns)
    if bid_size and not 0 <= received_ns - word_at(row + NOTED_NS * WORD) < NOTED_EVERY_NS:
        put_word(row + NOTED_NS * WORD, received_ns)
        put_word(row + NOTED_BID * WORD, bid)
    ahead = False
    if event_ns:
        ahead = event_ns - received_ns >= word_at(connection + AHEAD_NS * WORD)
        note_lag(connection, received_ns, received_ns - (event_ns - word_at(connection + OFFSET_NS * WORD)))
    return number if may_cross(row, bid, ask) or ahead else QUIET


@inlined
def read_frame(at: int, end: int, connection: int):
    """Read a change of a book in the form of the connection's venue; see `frames.py`."""
    shape = word_at(connection + SHAPE * WORD)
    if shape == GATE_OBU:
        return gate(at, end, connection)
    if shape == BYBIT:
        return bybit(at, end, connection, shape)
    if shape == BINANCE:
        return binance(at, end, connection)
    if shape == OKX and is_best_quote(at, end):
        return best_quote(at, end, connection)
    return pushed(at, end, connection, shape)


@inlined
def take_frame(at: int, size: int, received_ns: int, connection: int):
    """See the module's text: `size` bytes at an address, of a connection whose words are at another."""
    end = at + size
    after, number, kind, first, last, bids, asks, event_ns = read_frame(at, end, connection)
    if after != end or not is_named(connection, number):
        return HAND_OVER
    row = word_at(connection + ROWS_AT * WORD) + (number - 1) * ROW_WORDS * WORD
    if word_at(row + KIND * WORD) != kind:
        return HAND_OVER
    if kind in (BINANCE, OKX) and first < 0:
        return QUIET if take_quote(row, connection, kind, last, received_ns) else HAND_OVER
    if out_of_habit(connection + CONNECTION_PACE * WORD, received_ns, True):
        return HAND_OVER
    if out_of_habit(row + PACE * WORD, received_ns, False):
        return HAND_OVER
    stands = word_at(word_at(row + ARENA_ADDRESS * WORD) + WORD)
    if kind == GATE_OBU:
        follows = first == stands + 1 and last >= first
    elif kind == GATE_UPDATES:
        follows = first <= stands + 1 and last >= first
        if follows and last <= stands:
            put_word(connection + LAST_BYTE_NS * WORD, received_ns)
            add(connection + QUIET_FRAMES * WORD, 1)
            add(connection + BOOK_FRAMES * WORD, 1)
            add(connection + CONTAINED * WORD, 1)
            return QUIET
    elif kind == OKX:
        follows = first == stands and (last > first or (last == first and bids + asks == 0))
    elif kind in (BITGET, BYBIT):
        follows = first == stands
    elif kind == BINANCE:
        follows = first == stands + 1
    else:
        follows = False
    if not follows:
        return HAND_OVER
    answer = commit(number, row, connection, last, bids, asks, event_ns, received_ns)
    if answer != HAND_OVER:
        put_word(connection + LAST_BYTE_NS * WORD, received_ns)
        add(connection + QUIET_FRAMES * WORD, 1)
    return answer


def compile_all() -> tuple[Any, Any]:
    """Compile, or load the result of an earlier process; return `take` and the function that writes a row's levels."""
    return (
        entry_point(take_one, "int64(int64, int64, int64, int64)"),
        entry_point(show_one, "int64(int64)"),
    )


def entry_point(function: Any, signature: str) -> Any:
    """Compile a function; return CPython's own way into it, without numba's wrapper."""
    compiled = njit(signature, cache=True, error_model="numpy")(function)
    return compiled.overloads[compiled.signatures[0]].entry_point


def take_one(at, size, received_ns, connection):
    return take_frame(at, size, received_ns, connection)


def show_one(row):
    show_levels(row)
    return 0
