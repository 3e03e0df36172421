"""The guard: it cancels while the engine is silent, again while something may rest, and never otherwise."""

import threading

from arb.clock import NS_PER_S
from arb.watch.guard import AGAIN_NS, LATER_NS, Cleared, Guard

CLEAR = Cleared("gate", 0, 0, "")


class Venues:
    """What the venues answer, call after call; the last answer is repeated."""

    def __init__(self, *answers: list[Cleared] | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.free = threading.Event()
        self.free.set()

    def cancel(self) -> list[Cleared]:
        self.free.wait(10)
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def stepped(guard: Guard, now_ns: int, *, silent: bool = True) -> list[str]:
    """Step, wait for the cancels, note them; return the notices as `title: event`."""
    guard.step(now_ns, silent=silent)
    if (thread := guard._thread) is not None:
        thread.join(10)
    guard.step(now_ns, silent=silent)
    return [f"{notice.title}: {notice.event}" for notice in guard.notices("nothing unhedged")]


def test_an_engine_that_gives_signs_is_left_alone() -> None:
    venues = Venues([CLEAR])
    assert stepped(Guard(venues.cancel), NS_PER_S, silent=False) == []
    assert venues.asked == 0


def test_a_venue_that_does_not_answer_is_asked_again_and_reported_meanwhile() -> None:
    venues = Venues([Cleared("gate", 0, 0, "no answer")], [Cleared("gate", 2, 0, "")])
    guard = Guard(venues.cancel)
    assert stepped(guard, NS_PER_S) == ["orders of a silent engine may rest: gate: 0 cancelled, no answer"]
    assert stepped(guard, NS_PER_S + AGAIN_NS - 1) != [] and venues.asked == 1
    assert stepped(guard, NS_PER_S + AGAIN_NS) == ["orders of a silent engine rested: gate: 2 cancelled, nothing rests"]
    assert venues.asked == 2


def test_orders_that_still_rest_wake_someone() -> None:
    guard = Guard(Venues([Cleared("okx", 1, 3, "")]).cancel)
    stepped(guard, NS_PER_S)
    may_rest, rested = guard.notices("nothing unhedged")
    assert may_rest.wakes and may_rest.event == "okx: 1 cancelled, 3 still rest"
    assert not rested.wakes and "arb run" in rested.to_do


def test_clear_venues_are_asked_again_later_since_an_order_may_still_arrive() -> None:
    venues = Venues([CLEAR], [Cleared("gate", 1, 0, "")], [CLEAR])
    guard = Guard(venues.cancel)
    assert stepped(guard, NS_PER_S) == []
    assert stepped(guard, NS_PER_S + LATER_NS - 1) == [] and venues.asked == 1
    stepped(guard, NS_PER_S + LATER_NS)
    # A notice remains, with the sum, until the engine gives signs again.
    assert stepped(guard, NS_PER_S + 2 * LATER_NS) == [
        "orders of a silent engine rested: gate: 1 cancelled, nothing rests"
    ]
    assert stepped(guard, NS_PER_S + 2 * LATER_NS + 1, silent=False) == []


def test_a_bug_is_no_proof_that_nothing_rests() -> None:
    guard = Guard(Venues(KeyError("symbol")).cancel)
    assert stepped(guard, NS_PER_S) == [
        "orders of a silent engine may rest: all venues: 0 cancelled, KeyError: 'symbol'"
    ]


def test_a_slow_venue_delays_no_step() -> None:
    venues = Venues([CLEAR])
    venues.free.clear()
    guard = Guard(venues.cancel)
    for second in range(1, 200):
        guard.step(second * NS_PER_S, silent=True)
    venues.free.set()
    stepped(guard, 200 * NS_PER_S)
    assert venues.asked == 1
