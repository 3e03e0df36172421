"""The loop: one sequence, nothing performed that is not written down, nobody acting on a stale state."""

import asyncio

from arb.core.messages.commands import Alert, AnyCommand, Finish, Persist
from arb.core.messages.events import (
    FeedDown,
    FeedUp,
    FlattenAsked,
    OrderRejected,
    QueueDrained,
    StoreStateChanged,
    TroubleReported,
)
from arb.core.messages.recovery_records import ControlRecord
from arb.errors import InvariantError
from arb.live import runner as runner_module
from arb.market.feed import FrameResult, Resync, ResyncBy
from tests.unit.live.makings import START_NS, Shell, a_cancel, a_place, on_loop, turns, up


def test_an_order_the_journal_refuses_is_never_sent_and_comes_back_rejected() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.script[FeedUp] = lambda: (a_place("a1"), a_place("a2"))
        shell.refuses = "disk full"
        shell.runner.emit(up())
        await turns()
        assert not any("PlaceOrder" in performed for performed in shell.reported("perform"))
        rejected = [event for event in shell.engine.handled if isinstance(event, OrderRejected)]
        assert [(r.client_order_id, r.code, r.sent_ns) for r in rejected] == [
            ("a1", "not_journalled", 0),
            ("a2", "not_journalled", 0),
        ]
        blocked = [event for event in shell.engine.handled if isinstance(event, StoreStateChanged)]
        assert [(b.store, b.blocked, b.cause) for b in blocked] == [("journal", True, "disk full")]

    on_loop(work)


def test_what_takes_risk_away_is_performed_even_while_the_journal_refuses() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.script[FeedUp] = lambda: (a_place(), a_cancel())
        shell.refuses = "disk full"
        shell.runner.emit(up())
        await turns()
        assert shell.reported("perform") == [("CancelOrder",)]

    on_loop(work)


def test_what_the_journal_refused_is_written_later_in_order_and_before_anything_new() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.script[FeedUp] = lambda: (a_place(), a_cancel())
        shell.refuses = "disk full"
        shell.runner.emit(up())
        await turns()
        assert not shell.reported("journal")
        shell.refuses = None
        shell.runner.emit(FeedDown(venue="gate", cause="x"))
        await turns()
        assert shell.reported("journal") == [
            ("FeedUp", ("CancelOrder",)),
            ("StoreStateChanged", ()),
            ("OrderRejected", ()),
            ("FeedDown", ()),
            ("StoreStateChanged", ()),
        ]
        last = shell.engine.handled[-1]
        assert isinstance(last, StoreStateChanged) and not last.blocked

    on_loop(work)


def test_on_the_disk_reserve_everything_is_written_and_new_pairs_are_told_to_wait() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.script[FeedUp] = lambda: (a_place(),)
        shell.reserve_touched = True
        shell.runner.emit(up())
        await turns()
        assert shell.reported("perform") == [("PlaceOrder",)]
        shell.reserve_touched = False
        shell.runner.emit(FeedDown(venue="gate", cause="x"))
        await turns()
        reported = [event.blocked for event in shell.engine.handled if isinstance(event, StoreStateChanged)]
        assert reported == [True, False]

    on_loop(work)


def test_a_journal_that_cannot_be_made_durable_takes_entries_and_new_pairs_are_told_to_wait() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.script[FeedUp] = lambda: (a_place(),)
        shell.runner.on_synced("its files were removed while running")
        shell.runner.emit(up())
        await turns()
        assert shell.reported("perform") == [("PlaceOrder",)]
        shell.runner.on_synced(None)
        await turns()
        reported = [
            (event.store, event.blocked, event.cause)
            for event in shell.engine.handled
            if isinstance(event, StoreStateChanged)
        ]
        assert reported == [
            ("journal", True, "its files were removed while running"),
            ("journal", False, "the journal takes entries again"),
        ]

    on_loop(work)


def test_an_exception_in_the_engine_stops_trading_for_good() -> None:
    async def work() -> None:
        shell = Shell()

        def fails() -> tuple[()]:
            raise InvariantError("impossible")

        shell.engine.script[FeedUp] = fails
        shell.runner.emit(up())
        await turns()
        assert isinstance(shell.runner.fatal, InvariantError)
        assert shell.runner.finished.is_set()
        assert shell.alerts == ["trading stops: impossible"]
        shell.runner.emit(FeedDown(venue="gate", cause="x"))
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns()
        assert shell.handled() == ["FeedUp"]
        assert not shell.engine.frames

    on_loop(work)


def test_more_events_than_the_queue_holds_stop_trading() -> None:
    async def work() -> None:
        shell = Shell()
        for _ in range(runner_module.QUEUE_LIMIT):
            shell.runner.emit(up())
        assert shell.runner.fatal is None
        shell.runner.emit(up())
        assert "cannot keep up" in str(shell.runner.fatal)

    on_loop(work)


def test_the_engine_acts_only_when_no_feed_has_unread_bytes() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.wants_drain = True
        shell.waiting = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns(runner_module.TURNS_WAITED - 1)
        assert "QueueDrained" not in shell.handled()
        shell.waiting = False
        await turns()
        assert shell.handled() == ["QueueDrained"]

    on_loop(work)


def test_the_engine_acts_in_the_turn_of_the_loop_in_which_the_last_frame_came() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.on_read()
        assert shell.handled() == ["QueueDrained"]
        await turns()
        assert shell.handled() == ["QueueDrained"]  # and what was scheduled does not act again

    on_loop(work)


def test_the_engine_acts_once_on_what_came_at_once_though_a_pair_stays_open() -> None:
    async def work() -> None:
        shell = Shell()

        def goes_on() -> tuple[AnyCommand, ...]:
            shell.engine.wants_drain = True  # as while a pair is open
            return ()

        shell.engine.script[QueueDrained] = goes_on
        shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.on_read()
        await turns()
        assert shell.handled() == ["QueueDrained"]

    on_loop(work)


def test_many_reads_in_one_turn_of_the_loop_do_not_make_the_wait_shorter() -> None:
    async def work() -> None:
        shell = Shell()
        shell.waiting = shell.engine.wants_drain = True
        for _ in range(3 * runner_module.TURNS_WAITED):
            shell.runner.on_frame("gate", START_NS, b"{}")
            shell.runner.on_read()
        assert drains(shell) == []
        await turns(runner_module.TURNS_WAITED - 1)
        assert drains(shell) == []
        await turns(2)
        assert drains(shell) == [(("gate",), ())]

    on_loop(work)


def test_events_that_wait_are_taken_before_the_engine_acts_on_what_was_read() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.wants_drain = True
        shell.runner.emit(up())
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.on_read()
        assert shell.handled() == ["FeedUp", "QueueDrained"]

    on_loop(work)


def test_bytes_on_other_sockets_hold_up_only_what_waits_for_them() -> None:
    async def work() -> None:
        shell, other = Shell(), Shell()
        shell.runner._feeds = {"gate": shell, "okx": other}  # type: ignore[dict-item]
        other.waiting = shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.on_read()
        assert drains(shell) == []
        shell.engine.waits = False
        shell.runner.on_read()
        assert drains(shell) == [(("okx",), ())]

    on_loop(work)


def test_nothing_is_decided_where_a_read_brought_nothing_to_act_on() -> None:
    async def work() -> None:
        shell = Shell()
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.on_read()
        await turns()
        assert shell.handled() == []

    on_loop(work)


def drains(shell: Shell) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return what each drain said of the connections: on which bytes wait, and on which they have for too long."""
    return [(e.unread, e.backlogged) for e in shell.engine.handled if isinstance(e, QueueDrained)]


def test_a_socket_that_is_never_read_empty_holds_up_its_own_books_for_50_ms_and_no_others() -> None:
    async def work() -> None:
        shell, quiet = Shell(), Shell()
        shell.runner._feeds = {"gate": shell, "okx": quiet}  # type: ignore[dict-item]
        shell.waiting = shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns(30)
        assert drains(shell) == [(("gate",), ())]
        shell.clock.advance(runner_module.BACKLOG_NS - 1)
        shell.engine.wants_drain = True
        shell.runner.emit(up())
        await turns()
        assert drains(shell)[1:] == [(("gate",), ())]
        shell.clock.advance(1)
        shell.engine.wants_drain = True
        shell.runner.emit(up())
        await turns()
        assert drains(shell)[2:] == [((), ("gate",))]
        shell.waiting = False
        shell.engine.wants_drain = True
        shell.runner.emit(up())
        await turns()
        assert drains(shell)[3:] == [((), ())]

    on_loop(work)


def test_bytes_that_were_read_in_between_have_not_waited_without_a_break() -> None:
    async def work() -> None:
        shell = Shell()
        for _ in range(10):
            shell.waiting = shell.engine.wants_drain = True
            shell.runner.on_frame("gate", START_NS, b"{}")
            await turns(30)
            shell.clock.advance(runner_module.BACKLOG_NS // 2)
            shell.waiting = False
            shell.runner.emit(up())
            await turns()
        assert all(not backlogged for _, backlogged in drains(shell))

    on_loop(work)


def test_nothing_is_drained_that_nobody_wants_drained() -> None:
    async def work() -> None:
        shell = Shell()
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.emit(up())
        await turns()
        assert shell.handled() == ["FeedUp"]

    on_loop(work)


def test_what_comes_while_the_engine_has_more_to_judge_is_taken_before_its_next_turn() -> None:
    async def work() -> None:
        shell = Shell()

        def more() -> tuple[AnyCommand, ...]:
            if shell.engine.wants_turn:
                asyncio.get_running_loop().call_soon(shell.runner.emit, up())
            shell.engine.wants_drain, shell.engine.wants_turn = shell.engine.wants_turn, False
            return ()

        shell.engine.script[QueueDrained] = more
        shell.engine.wants_drain = shell.engine.wants_turn = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns()
        assert shell.handled() == ["QueueDrained", "FeedUp", "QueueDrained"]

    on_loop(work)


def test_events_are_taken_before_the_queue_counts_as_drained() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        shell.runner.emit(up())
        await turns()
        assert shell.handled() == ["FeedUp", "QueueDrained"]

    on_loop(work)


def test_frames_and_events_share_one_sequence_that_goes_on_from_the_journal() -> None:
    async def work() -> None:
        shell = Shell(last_seq=41)
        shell.runner.on_frame("gate", START_NS, b"1")
        shell.runner.take(up())
        shell.runner.on_frame("gate", START_NS, b"2")
        shell.clock.advance(5)
        shell.runner.emit(FeedDown(venue="gate", cause="x"))
        await turns()
        assert shell.taped == [(42, "frame"), (43, "FeedUp"), (44, "frame"), (45, "FeedDown")]
        assert [(event.seq, event.t_ns) for event in shell.engine.handled] == [(43, START_NS), (45, START_NS + 5)]

    on_loop(work)


def test_the_journal_comes_before_the_ledger_and_both_before_the_venue() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.script[FeedUp] = lambda: (a_place(),)
        shell.runner.emit(up())
        await turns()
        assert [kind for kind, _ in shell.log] == ["journal", "ledger", "perform"]

    on_loop(work)


def test_a_drain_that_led_to_nothing_is_not_journalled_but_taped() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns()
        assert not shell.reported("journal")
        shell.engine.script[QueueDrained] = lambda: (a_place(),)
        shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns()
        assert shell.reported("journal") == [("QueueDrained", ("PlaceOrder",))]
        assert [name for _, name in shell.taped] == ["frame", "QueueDrained", "frame", "QueueDrained"]

    on_loop(work)


def test_rows_alerts_and_the_end_are_the_runners_own_business() -> None:
    async def work() -> None:
        shell = Shell()
        record = ControlRecord(halted=None, day_utc="", day_net_e8=0, consecutive_losses=0, ns=0, text="")
        shell.engine.script[FeedUp] = lambda: (
            Persist(cause=1, record=record),
            Alert(cause=1, text="look here"),
            Finish(cause=1),
        )
        assert not shell.runner.finished.is_set()
        shell.runner.emit(up())
        await turns()
        assert not shell.reported("perform")
        assert shell.alerts == ["look here"]
        assert shell.runner.finished.is_set()

    on_loop(work)


def test_a_lost_book_is_asked_for_again_at_its_own_feed() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.frame_result = FrameResult(resyncs=(Resync("BTC_USDT", 0, "gap", ResyncBy.RESUBSCRIBE),))
        shell.runner.on_frame("gate", START_NS, b"{}")
        assert shell.resyncs == ["BTC_USDT"]

    on_loop(work)


def test_a_lost_book_is_asked_for_again_by_the_connection_that_lost_it() -> None:
    async def work() -> None:
        shell, second = Shell(), Shell()
        shell.runner._feeds = {"gate": shell, "gate#2": second}  # type: ignore[dict-item]
        shell.engine.frame_result = FrameResult(resyncs=(Resync("BTC_USDT", 0, "gap", ResyncBy.RESUBSCRIBE),))
        shell.runner.on_frame("gate#2", START_NS, b"{}")
        assert (shell.resyncs, second.resyncs) == ([], ["BTC_USDT"])
        assert shell.engine.frames == [("gate#2", START_NS, b"{}")]

    on_loop(work)


def test_a_book_with_levels_finer_than_its_scale_is_an_incident() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.frame_result = FrameResult(rows=(0,), finer="BTC_USDT")
        shell.runner.on_frame("gate#2", START_NS, b"{}")
        await turns()
        (found,) = [event for event in shell.engine.handled if isinstance(event, TroubleReported)]
        assert (found.kind, found.venue) == ("fine_levels", None)  # what a venue shows is no trouble with the venue
        assert found.text.startswith("BTC_USDT at gate#2")

    on_loop(work)


def test_untraded_opportunities_go_to_the_ledger_without_the_journal() -> None:
    async def work() -> None:
        shell = Shell()
        shell.engine.untraded = ["one"]  # type: ignore[list-item]
        shell.engine.wants_drain = True
        shell.runner.on_frame("gate", START_NS, b"{}")
        await turns()
        assert shell.log == [("untraded", "one")]

    on_loop(work)


def test_a_wish_is_written_down_before_it_is_answered_and_goes_ahead_of_what_waits() -> None:
    async def work() -> None:
        shell = Shell()
        shell.runner.emit(up())
        assert shell.runner.obey(FlattenAsked(reason="enough")) == ""
        assert shell.reported("journal") == [("FlattenAsked", ())]

    on_loop(work)


def test_a_wish_that_the_journal_refuses_is_obeyed_and_said_not_to_outlive_the_process() -> None:
    async def work() -> None:
        shell = Shell()
        shell.refuses = "disk full"
        answer = shell.runner.obey(FlattenAsked(reason="enough"))
        assert "holds until a restart" in answer
        assert isinstance(shell.engine.handled[0], FlattenAsked)

    on_loop(work)


def test_a_wish_that_the_engine_cannot_take_stops_trading_and_is_told_so() -> None:
    async def work() -> None:
        shell = Shell()

        def fails() -> tuple[()]:
            raise InvariantError("impossible")

        shell.engine.script[FlattenAsked] = fails
        assert "trading stops: impossible" in shell.runner.obey(FlattenAsked(reason="enough"))
        assert shell.runner.fatal is not None

    on_loop(work)
