"""An opening on its way out: intent, orders, entry, in this order; and what happens where one of them is refused."""

from arb.core.messages.commands import Alert, Persist
from arb.core.messages.events import FeedDown, OrderRejected, QueueDrained, StoreStateChanged
from arb.core.messages.recovery_records import ControlRecord
from tests.support.intents import an_intent
from tests.unit.live.makings import START_NS, Shell, a_cancel, on_loop, turns, up


def opens(shell: Shell) -> None:
    """Let the next drain open a pair: its orders, and what else the step leads to."""
    intent = an_intent(names=("b1", "s1"))
    shell.engine.wants_drain = True
    shell.engine.opening = (intent,)
    shell.engine.script[QueueDrained] = lambda: (a_row(), *intent.places, a_cancel(), Alert(cause=1, text="x"))


def a_row() -> Persist:
    return Persist(
        cause=1, record=ControlRecord(halted=None, day_utc="", day_net_e8=0, consecutive_losses=0, ns=0, text="")
    )


PLACES = ("PlaceOrder", "PlaceOrder")
STEP = ("QueueDrained", ("Persist", *PLACES, "CancelOrder", "Alert"))


def test_the_orders_of_an_opening_leave_after_their_intent_and_before_anything_else_and_only_once() -> None:
    async def work() -> None:
        shell = Shell()
        opens(shell)
        shell.runner.emit(up())
        await turns()
        assert [entry for entry in shell.log if entry[0] != "ledger"][1:] == [
            ("intent", ("b1", "s1")),
            ("perform", PLACES),
            ("journal", STEP),
            ("perform", ("CancelOrder",)),
        ]
        assert shell.taped[-1] == (2, "QueueDrained")

    on_loop(work)


def test_what_has_no_place_among_the_intents_is_never_sent_and_comes_back_rejected() -> None:
    async def work() -> None:
        shell = Shell()
        opens(shell)
        shell.no_place = "no place"
        shell.runner.emit(up())
        await turns()
        assert shell.reported("perform") == [("CancelOrder",)]
        assert shell.reported("journal")[1] == ("QueueDrained", ("Persist", "CancelOrder", "Alert"))
        rejected = [event for event in shell.engine.handled if isinstance(event, OrderRejected)]
        assert [(r.client_order_id, r.code, r.sent_ns) for r in rejected] == [
            ("b1", "not_journalled", 0),
            ("s1", "not_journalled", 0),
        ]
        assert blocks(shell) == [(True, "no place")], "nothing opens"
        shell.runner.on_synced("no place")
        await turns()
        assert len(blocks(shell)) == 1
        shell.runner.on_synced(None)  # by then there is one
        await turns()
        assert blocks(shell)[1:] == [(False, "the journal takes entries again")]

    on_loop(work)


def blocks(shell: Shell) -> list[tuple[bool, str]]:
    return [(e.blocked, e.cause) for e in shell.engine.handled if isinstance(e, StoreStateChanged)]


def test_a_step_that_the_journal_refuses_when_its_orders_have_left_waits_whole_and_they_are_followed() -> None:
    async def work() -> None:
        shell = Shell()
        opens(shell)
        shell.refuses = "disk full"
        shell.runner.on_frame("gate", START_NS, b"")
        await turns()
        assert shell.reported("perform") == [PLACES, ("CancelOrder",)]
        assert not any(isinstance(event, OrderRejected) for event in shell.engine.handled)
        assert blocks(shell) == [(True, "disk full")]
        shell.refuses = None
        shell.runner.emit(FeedDown(venue="gate", cause="x"))
        await turns()
        assert shell.reported("journal")[:2] == [STEP, ("StoreStateChanged", ())]
        assert shell.reported("perform") == [PLACES, ("CancelOrder",)], "sent once"

    on_loop(work)


def test_nothing_is_opened_while_the_journal_lacks_what_happened_before() -> None:
    async def work() -> None:
        shell = Shell()
        shell.refuses = "disk full"
        shell.runner.emit(up())
        opens(shell)  # as an engine would that has not heard of it yet
        await turns()
        assert shell.reported("intent") == [] and shell.reported("perform") == [("CancelOrder",)]
        assert [e.client_order_id for e in shell.engine.handled if isinstance(e, OrderRejected)] == ["b1", "s1"]

    on_loop(work)
