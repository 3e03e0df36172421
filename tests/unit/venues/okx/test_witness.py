"""OKX's best quotes as BBO checks of its books: believed once they have proved themselves, and never needed."""

import json
import random
from collections.abc import Callable

import pytest

from arb.market.arena import BookArena, BookState
from arb.market.feed import NOTHING, FrameResult, NoticeKind
from arb.market.scale import Scale
from arb.venues.books.plain.bbo_check import HEARD_MAX, PROVEN
from arb.venues.okx.books import OkxFeed
from tests.unit.venues.books.plain.dialects import NOW_MS, NOW_NS, OKX, Side, Truth, okx_frame, okx_quote, seats

WRONG: tuple[Side, Side] = {"90.00": "7"}, {"91.99": "7"}
REFUSED = (
    "Wrong URL or channel:bbo-tbt,instId:BTC-USDT doesn't exist. Please use the correct URL, channel and parameters."
)


class Watched:
    """A live book and its BBO check."""

    def __init__(self, make: Callable[[BookArena], OkxFeed] = lambda arena: OkxFeed("okx", seats("BTC-USDT"), arena)):
        self.arena = BookArena(1)
        self.feed = make(self.arena)
        self.truth = Truth(random.Random(3))
        self.begin()

    def give(self, raw: str) -> FrameResult:
        return self.feed.on_frame(NOW_NS, raw)

    def begin(self) -> None:
        OKX.send_whole(self.feed, self.truth)

    def change(self) -> FrameResult:
        return self.give(OKX.change(*self.truth.step()))

    def quote(self, at: int | None = None, sides: tuple[Side, Side] | None = None) -> FrameResult:
        at = self.truth.id if at is None else at
        return self.give(okx_quote(at, *(sides or self.truth.states[at])))

    def prove(self, times: int = PROVEN) -> None:
        """Let it agree so many times, mostly before the change comes that it speaks of."""
        for number in range(times):
            change = OKX.change(*self.truth.step())
            if number % 3:
                self.quote()
            self.give(change)
            if not number % 3:
                self.quote()

    @property
    def checks(self) -> tuple[int, int]:
        return self.feed.counts.checks_held, self.feed.counts.checks_failed

    @property
    def live(self) -> bool:
        return self.arena.usable(0)


def test_quotes_of_the_books_id_agree_before_and_after_its_change() -> None:
    watched = Watched()
    watched.prove()
    assert watched.live
    assert watched.checks == (PROVEN, 0)


@pytest.mark.parametrize("early", [True, False])
def test_a_believed_bbo_check_that_disagrees_costs_the_book_and_only_that_is_asked_for_anew(early: bool) -> None:
    watched = Watched()
    watched.prove()
    change = OKX.change(*watched.truth.step())
    first, second = (
        (okx_quote(watched.truth.id, *WRONG), change) if early else (change, okx_quote(watched.truth.id, *WRONG))
    )
    assert not watched.give(first).resyncs
    result = watched.give(second)
    cause = f"best bid and offer at {watched.truth.id} disagree with the book"
    assert [(resync.native_symbol, resync.cause) for resync in result.resyncs] == [("BTC-USDT", cause)]
    assert not watched.live
    assert watched.checks == (PROVEN, 1)
    (again,) = watched.feed.subscribe_messages(["BTC-USDT"], 0)
    assert "bbo-tbt" not in again


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("agreed", [0, PROVEN - 1])
def test_a_bbo_check_that_disagrees_before_it_is_believed_is_dismissed_and_said_so_once(
    early: bool, agreed: int
) -> None:
    watched = Watched()
    watched.prove(agreed)
    change = OKX.change(*watched.truth.step())
    frames = (okx_quote(watched.truth.id, *WRONG), change) if early else (change, okx_quote(watched.truth.id, *WRONG))
    results = [watched.give(raw) for raw in frames]
    assert watched.live and not any(result.resyncs for result in results)
    (notice,) = [result.notice for result in results if result.notice is not None]
    assert notice.kind is NoticeKind.UNCHECKED
    assert (
        f"bbo-tbt at {watched.truth.id} disagrees with the book of BTC-USDT after it agreed {agreed} times"
        in notice.text
    )
    for _ in range(2 * PROVEN):  # whatever it says now
        watched.change()
        assert watched.quote(sides=WRONG) == watched.quote() == NOTHING
    assert watched.live
    assert watched.checks == (agreed, 1)


def test_after_a_loss_a_bbo_check_has_to_prove_itself_anew_and_a_dismissed_one_may() -> None:
    watched = Watched()
    watched.prove()
    assert watched.quote(sides=WRONG).resyncs
    watched.begin()
    dismissed = watched.quote(sides=WRONG)  # of a fresh snapshot: the BBO check is wrong, not the book
    assert (dismissed.resyncs, dismissed.notice is None) == ((), False)
    watched.feed.on_disconnect(NOW_NS)
    watched.begin()
    watched.prove()
    assert watched.quote(sides=WRONG).resyncs


def test_the_next_dismissal_of_a_connection_is_counted_and_not_said() -> None:
    watched = Watched()
    assert watched.quote(sides=WRONG).notice is not None
    watched.feed.on_disconnect(NOW_NS)
    watched.begin()
    assert watched.quote(sides=WRONG) == NOTHING
    assert watched.live
    assert watched.checks == (0, 2)


def test_an_empty_side_is_said_to_be_empty() -> None:
    watched = Watched()
    watched.give(okx_frame("snapshot", -1, 7, [["90.00", "1"]], []))
    watched.give(okx_quote(7, {"90.00": "1"}, {}))
    assert watched.checks == (1, 0)
    watched.give(okx_quote(7, {"90.00": "1"}, {"91.00": "1"}))
    assert watched.checks == (1, 1)


@pytest.mark.parametrize("apart", [10**9, -900])
def test_ids_that_never_meet_cost_nothing(apart: int) -> None:
    watched = Watched()
    for _ in range(3 * HEARD_MAX):
        watched.change()
        assert watched.give(okx_quote(watched.truth.id + apart, *WRONG)) == NOTHING
    assert watched.live
    assert watched.checks == (0, 0)


def test_a_quote_between_two_changes_or_of_an_old_id_proves_nothing() -> None:
    watched = Watched()
    watched.truth.id += 1
    between = watched.truth.id
    watched.give(okx_quote(between, *WRONG))
    watched.truth.id = 1000
    before, _, bids, asks = watched.truth.step()
    watched.give(OKX.change(before, between + 1, bids, asks))
    watched.quote(1000, WRONG)
    assert watched.live
    assert watched.checks == (0, 0)


@pytest.mark.parametrize(("kept", "held"), [(HEARD_MAX, 1), (HEARD_MAX + 1, 0)])
def test_with_one_quote_too_many_those_kept_are_forgotten(kept: int, held: int) -> None:
    watched = Watched()
    before, after, bids, asks = watched.truth.step()
    for later in range(kept):
        watched.give(okx_quote(after + later, *(watched.truth.states[after])))
    watched.give(OKX.change(before, after, bids, asks))
    assert watched.live
    assert watched.checks == (held, 0)


def test_after_maintenance_quotes_of_before_are_forgotten_and_proof_begins_anew() -> None:
    watched = Watched()
    watched.prove()
    at = watched.truth.id
    watched.give(okx_quote(at + 5, *WRONG))
    watched.give(okx_frame("update", at, 3, [], []))
    watched.give(okx_frame("update", 3, at + 5, [], []))  # an id of before, now of another state
    assert watched.live
    assert watched.give(okx_quote(at + 5, *WRONG)).resyncs == ()
    assert watched.live


def test_a_quote_with_a_lower_id_says_that_the_ids_have_begun_anew() -> None:
    watched = Watched()
    watched.give(okx_quote(9000, *WRONG))
    watched.quote()
    watched.give(okx_frame("update", 1000, 9000, [], []))
    assert watched.live
    assert watched.checks == (1, 0)


@pytest.mark.parametrize(
    "more",
    [
        {"seqId": None},
        {"seqId": -5},
        {"seqId": "7"},
        {"bids": None},
        {"bids": [["90.00", "1", "0", "1"], ["89.00", "1", "0", "1"]]},
        {"bids": [["90.00"]]},
        {"asks": [["dear", "1"]]},
        {"asks": [["0", "1"]]},
        {"asks": [[91, 1]]},
    ],
)
def test_unreadable_quotes_are_counted_and_cost_no_book(more: dict[str, object]) -> None:
    watched = Watched()
    watched.prove()
    frame = json.loads(okx_quote(watched.truth.id, *WRONG))
    result = watched.give(json.dumps(frame | {"data": [frame["data"][0] | more]}))
    assert "unreadable frame of BTC-USDT: data" in str(result.error)
    assert (result.rows, result.resyncs) == ((), ())
    assert watched.live
    assert watched.feed.counts.malformed == 1
    watched.prove(1)
    assert watched.checks == (PROVEN + 1, 0)


def test_more_or_fewer_than_one_book_of_quotes_is_unreadable() -> None:
    watched = Watched()
    frame = json.loads(okx_quote(1000, *watched.truth.states[1000]))
    wrong: tuple[object, ...] = ([], frame["data"] * 2, {})
    for data in wrong:
        assert watched.give(json.dumps(frame | {"data": data})).error is not None
    assert watched.live


def test_quotes_of_a_book_that_nobody_asked_for_are_passed_over() -> None:
    watched = Watched()
    assert watched.give(okx_quote(1000, *WRONG).replace("BTC-USDT", "ETH-USDT")) == NOTHING
    assert watched.feed.counts.malformed == 0


def test_a_book_lives_without_its_bbo_check_and_its_snapshot_alone_brings_it_back() -> None:
    arena = BookArena(1)
    feed = OkxFeed("okx", seats("BTC-USDT"), arena)
    assert feed.on_frame(NOW_NS, okx_quote(1000, {"90.00": "1"}, {})) == NOTHING
    assert arena.state[0] == BookState.WAITING
    feed.on_frame(NOW_NS, okx_frame("snapshot", -1, 1000, [["90.00", "1"]], []))
    assert arena.usable(0)
    assert feed.counts.checks_held == 1  # it had come before its book


def test_a_refused_bbo_check_is_said_once_and_changes_no_book() -> None:
    watched = Watched()
    refusal = json.dumps({"event": "error", "code": "60018", "msg": REFUSED, "connId": "a4d3ae55"})
    notice = watched.give(refusal).notice
    assert notice is not None
    assert (notice.kind, notice.native_symbols) == (NoticeKind.UNCHECKED, ())
    assert notice.text.startswith("refused the best quotes that confirm books: 60018 Wrong URL")
    assert watched.give(refusal) == NOTHING
    assert watched.live
    other = watched.give(json.dumps({"event": "error", "code": "60014", "msg": "Requests too frequent"})).notice
    assert other is not None and other.kind is NoticeKind.REFUSED


def test_the_bbo_check_is_subscribed_by_requests_of_its_own_and_its_answers_are_no_books() -> None:
    watched = Watched()
    arg = {"channel": "bbo-tbt", "instId": "BTC-USDT"}
    for end, op in ((False, "subscribe"), (True, "unsubscribe")):
        (message,) = watched.feed.bbo_messages(["BTC-USDT"], 0, end=end)
        assert json.loads(message) == {"op": op, "args": [arg]}
        notice = watched.give(json.dumps({"event": op, "arg": arg, "connId": "a4d3ae55"})).notice
        assert notice is not None and notice.native_symbols == ()
    assert len(watched.feed.bbo_messages([str(number) for number in range(120)], 0)) == 3


def test_a_finer_scale_keeps_the_proof_and_forgets_quotes_on_the_old_one() -> None:
    watched = Watched()
    watched.prove()
    before, after, bids, asks = watched.truth.step()
    watched.quote()
    watched.feed.rescale_book("BTC-USDT", Scale(3, 5), NOW_NS)
    watched.give(OKX.change(before, after, bids, asks))
    assert watched.live
    assert watched.checks == (PROVEN, 0)
    watched.quote()
    assert watched.checks == (PROVEN + 1, 0)
    watched.quote(sides=WRONG)
    assert not watched.live


def test_on_a_tape_quotes_are_held_against_the_book_as_they_were() -> None:
    watched = Watched(lambda _: OkxFeed("okx", {}, None, tape=True))
    watched.prove()
    assert watched.checks == (PROVEN, 0)
    (slot,) = watched.feed.books()
    assert slot.state == BookState.LIVE
    assert [resync.native_symbol for resync in watched.quote(sides=WRONG).resyncs] == ["BTC-USDT"]


def test_quotes_show_the_levels_they_were_read_as() -> None:
    watched = Watched()
    seen: list[object] = []
    watched.feed.on_levels = lambda native, levels: seen.append((native, levels))
    watched.give(okx_quote(1000, {"90.00": "1"}, {}, ts=str(NOW_MS)))
    assert seen == [("BTC-USDT", [(9000, 10_000)])]
