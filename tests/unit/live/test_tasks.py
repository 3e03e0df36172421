"""The tasks that run beside the loop, dead-man switches among them, over hours of virtual time."""

import asyncio
import gc
import itertools
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from arb.clock import NS_PER_S
from arb.core.messages.events import (
    AnyEvent,
    ClockMeasured,
    ClockSuspected,
    HaltAsked,
    InstrumentListed,
    InstrumentUnlisted,
    TroubleReported,
)
from arb.errors import StoreError, VenueUnreachable
from arb.live.control import HALT_POLL_S, remove_halt_file, write_halt_file
from arb.live.tasks import (
    CLOCK_AGAIN_S,
    CLOCK_EVERY_S,
    CLOCK_RETRY_S,
    COLLECT_EVERY_S,
    COLLECT_PUT_OFF_MAX,
    COUNT_EVERY_S,
    UPKEEP_EVERY_S,
    UPKEEP_RETRY_S,
    UPKEEP_SOON_S,
    DeadManSwitch,
    DropCounter,
    keep_clock,
    keep_collected,
    keep_counted,
    keep_rules,
    keep_small,
    keep_synced,
    poll_halt_file,
)
from arb.market.instrument import Instrument
from arb.process import user_name
from tests.builders import D, an_instrument
from tests.unit.live.test_executor import FakeGateway
from tests.virtual import START_NS, a_clock, run_virtual


def for_seconds(seconds: float, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let a task that never ends live for so long."""

    async def main() -> None:
        try:
            async with asyncio.timeout(seconds):
                await job()
        except TimeoutError:
            return

    run_virtual(main(), a_clock())


class Gateway:
    """A venue whose clock cannot be read now and then."""

    venue = "gate"

    def __init__(self, *good: bool) -> None:
        self.good = list(good)
        self.doubt = asyncio.Event()
        self.asked = 0

    async def measure_clock(self) -> ClockMeasured:
        self.asked += 1
        if self.good and not self.good.pop(0):
            raise VenueUnreachable("gate", "no route")
        return ClockMeasured(venue="gate", offset_ns=1, error_ns=1)

    async def clock_suspected(self) -> None:
        await self.doubt.wait()
        self.doubt.clear()


def test_a_clock_that_cannot_be_read_is_asked_again_soon() -> None:
    reported: list[AnyEvent] = []
    gateway = Gateway(True, False, False, True)
    for_seconds(CLOCK_EVERY_S + 2 * CLOCK_RETRY_S + 1, lambda: keep_clock(gateway, reported.append))  # type: ignore[arg-type]
    assert (gateway.asked, len(reported)) == (4, 2)


def test_clocks_are_compared_again_and_again() -> None:
    reported: list[AnyEvent] = []
    for_seconds(10 * CLOCK_EVERY_S + 1, lambda: keep_clock(Gateway(), reported.append))  # type: ignore[arg-type]
    assert len(reported) == 11


def kept_while(scenario: Callable[[Gateway], Coroutine[Any, Any, None]], seconds: float, *good: bool) -> list[AnyEvent]:
    """Keep a clock while something happens at its venue; return what was told."""
    reported: list[AnyEvent] = []
    gateway = Gateway(*good)

    async def main() -> None:
        await asyncio.gather(keep_clock(gateway, reported.append), scenario(gateway))  # type: ignore[arg-type]

    for_seconds(seconds, main)
    return reported


DOUBTED, MEASURED = ClockSuspected(venue="gate"), ClockMeasured(venue="gate", offset_ns=1, error_ns=1)


def test_a_venue_that_says_that_we_are_out_of_time_is_compared_with_at_once() -> None:
    async def scenario(gateway: Gateway) -> None:
        await asyncio.sleep(CLOCK_EVERY_S / 2)
        gateway.doubt.set()
        await asyncio.sleep(0.001)
        assert gateway.asked == 2

    assert kept_while(scenario, CLOCK_EVERY_S) == [MEASURED, DOUBTED, MEASURED]


def test_a_venue_that_always_says_so_is_asked_once_a_second_and_no_more() -> None:
    async def scenario(gateway: Gateway) -> None:
        while True:
            gateway.doubt.set()
            await asyncio.sleep(0.01)

    reported = kept_while(scenario, 10 * CLOCK_AGAIN_S)
    assert 9 <= reported.count(MEASURED) <= 10


def test_a_clock_in_doubt_that_cannot_be_read_stays_in_doubt_until_it_can() -> None:
    async def scenario(gateway: Gateway) -> None:
        await asyncio.sleep(10)
        gateway.doubt.set()

    reported = kept_while(scenario, 10 + CLOCK_RETRY_S + 1, True, False, True)
    assert reported == [MEASURED, DOUBTED, MEASURED]


class Ring:
    """Something that only the garbage collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_collected_while_the_engine_is_idle_and_at_no_other_time() -> None:
    automatic: list[bool] = []

    def left_of_a_ring(idle: bool, seconds: float) -> bool:
        ring = Ring()
        left = weakref.ref(ring)
        del ring

        def is_idle() -> bool:
            automatic.append(gc.isenabled())
            return idle

        for_seconds(seconds, lambda: keep_collected(is_idle))
        return left() is not None

    assert left_of_a_ring(False, COLLECT_EVERY_S * COLLECT_PUT_OFF_MAX)
    assert not left_of_a_ring(True, 2 * COLLECT_EVERY_S)
    assert not left_of_a_ring(False, COLLECT_EVERY_S * (COLLECT_PUT_OFF_MAX + 2))  # never put off for long
    assert not any(automatic) and gc.isenabled()


def test_the_halt_file_is_seen_within_one_look_and_told_once(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal.sqlite"
    reported: list[AnyEvent] = []

    async def work() -> None:
        task = asyncio.create_task(poll_halt_file(journal, reported.append))
        await asyncio.sleep(10 * HALT_POLL_S)
        assert not reported
        write_halt_file(journal, "first")
        await asyncio.sleep(1.5 * HALT_POLL_S)
        assert reported == [HaltAsked(reason="first", by=user_name())]
        await asyncio.sleep(10 * HALT_POLL_S)
        assert len(reported) == 1
        write_halt_file(journal, "second")
        await asyncio.sleep(1.5 * HALT_POLL_S)
        remove_halt_file(journal)
        await asyncio.sleep(1.5 * HALT_POLL_S)
        write_halt_file(journal, "second")
        await asyncio.sleep(1.5 * HALT_POLL_S)
        assert reported == [HaltAsked(reason=reason, by=user_name()) for reason in ("first", "second", "second")]
        task.cancel()

    run_virtual(work(), a_clock())


def test_a_disk_that_does_not_sync_is_complained_of_once_until_it_does_again() -> None:
    complaints: list[str | None] = []
    answers = [True, False, False, True, False]
    done = asyncio.Event()

    async def sync() -> None:
        if answers and not answers.pop(0):
            raise StoreError("slow disk")

    def complain(cause: str | None) -> None:
        complaints.append(cause)
        if not answers:
            done.set()

    async def work() -> None:
        task = asyncio.create_task(keep_synced(sync, complain))
        await done.wait()
        task.cancel()

    run_virtual(work(), a_clock())
    assert complaints == ["slow disk", None, "slow disk"]


def test_a_journal_is_kept_small_piece_by_piece_and_where_that_fails_it_is_tried_again_later() -> None:
    asked: list[float] = []
    answers = itertools.chain((True, True, False, None, True), itertools.repeat(False))

    async def upkeep() -> bool:
        asked.append(asyncio.get_running_loop().time())
        if (answer := next(answers)) is None:
            raise StoreError("disk I/O error")
        return answer

    for_seconds(63, lambda: keep_small(upkeep))
    waits = [round(later - earlier, 3) for earlier, later in itertools.pairwise(asked)]
    assert waits[:5] == [UPKEEP_SOON_S, UPKEEP_SOON_S, UPKEEP_EVERY_S, UPKEEP_RETRY_S, UPKEEP_SOON_S]


class Listing:
    """A venue whose rules are what it is given, one after the other; the last one stays. None: they cannot be read."""

    venue = "gate"

    def __init__(self, *reported: Instrument | None) -> None:
        self.reported = list(reported)

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        assert symbols == ("BTC/USDT",)
        now = self.reported.pop(0) if len(self.reported) > 1 else self.reported[0]
        if now is None:
            raise VenueUnreachable("gate", "no route")
        return (now,)


def rules_told(*reported: Instrument | None) -> list[AnyEvent]:
    """Return what is said of rules that began as the quiet default and then read as given, every ten seconds."""
    said: list[AnyEvent] = []
    known = (an_instrument("gate"),)
    for_seconds(60, lambda: keep_rules(Listing(*reported), lambda: known, 10, said.append, set))
    return said


class Awaited:
    """An engine to which nothing but new rules matters: `btc` waits for them, again after every reading if `always`."""

    def __init__(self, *, always: bool = False) -> None:
        self.btc = False
        self.always = always
        self.told: list[tuple[float, AnyEvent]] = []

    def symbols(self) -> set[str]:
        return {"BTC/USDT"} if self.btc or self.always else set()

    def take(self, event: AnyEvent) -> None:
        self.btc = False
        self.told.append((asyncio.get_running_loop().time() - self.begun_s, event))

    def run(self, listing: Listing, for_s: float, asked_s: float = 0) -> list[float]:
        """Keep rules that are read every 300 s otherwise; return the seconds at which some were reported."""

        async def keep() -> None:
            self.begun_s = asyncio.get_running_loop().time()
            asyncio.get_running_loop().call_later(asked_s, lambda: setattr(self, "btc", True))
            await keep_rules(listing, lambda: (an_instrument("gate"),), 300, self.take, self.symbols)

        for_seconds(for_s, keep)
        return [round(at_s) for at_s, _ in self.told]


def test_rules_that_a_symbol_waits_for_are_read_within_a_second_and_reported_though_they_are_as_before() -> None:
    engine = Awaited()
    assert engine.run(Listing(an_instrument("gate")), 100, asked_s=20.5) == [21]
    assert [event for _, event in engine.told] == [InstrumentListed(instrument=an_instrument("gate"))]


def test_rules_that_a_symbol_waits_for_and_that_cannot_be_read_are_asked_for_until_they_are() -> None:
    listed = an_instrument("gate", tick=D("0.05"))
    engine = Awaited()
    assert engine.run(Listing(None, None, None, listed), 100, asked_s=20.5) == [35]  # 21, 23, 27, 35
    assert [event for _, event in engine.told] == [InstrumentListed(instrument=listed)]


def test_rules_that_are_waited_for_again_and_again_in_vain_are_read_ever_later() -> None:
    assert Awaited(always=True).run(Listing(an_instrument("gate")), 1300) == [
        1,
        3,
        7,
        15,
        31,
        63,
        127,
        255,
        511,
        811,
        1111,
    ]


def test_rules_that_change_at_every_reading_are_read_as_soon_as_they_are_waited_for() -> None:
    steps = [an_instrument("gate", tick=D(tick)) for tick in ("0.05", "0.01", "0.05", "0.01")]
    assert Awaited(always=True).run(Listing(*steps), 5) == [1, 2, 3, 4]


def test_rules_of_which_another_symbol_waits_are_read_soon_however_long_one_has_waited_in_vain() -> None:
    engine = Awaited(always=True)
    waiting: set[str] = {"BTC/USDT"}
    engine.symbols = lambda: waiting  # type: ignore[method-assign]

    async def keep() -> None:
        engine.begun_s = asyncio.get_running_loop().time()
        asyncio.get_running_loop().call_later(200.5, waiting.add, "ETH/USDT")
        await keep_rules(
            Listing(an_instrument("gate")), lambda: (an_instrument("gate"),), 300, engine.take, engine.symbols
        )

    for_seconds(205, keep)
    assert [round(at_s) for at_s, _ in engine.told] == [1, 3, 7, 15, 31, 63, 127, 201, 203]


class Shrinking:
    """A venue whose listing holds the symbols of each reading in turn, the last ones for good."""

    venue = "gate"

    def __init__(self, *readings: str) -> None:
        self.readings = [reading.split() for reading in readings]

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        assert symbols == ("BTC/USDT", "ETH/USDT")
        now = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
        return tuple(an_instrument("gate", symbol) for symbol in now)


def test_a_symbol_that_left_the_listing_is_reported_once_and_again_when_it_is_back() -> None:
    said: list[AnyEvent] = []
    known = tuple(an_instrument("gate", symbol) for symbol in ("BTC/USDT", "ETH/USDT"))
    listing = Shrinking("BTC/USDT", "BTC/USDT", "BTC/USDT ETH/USDT", "BTC/USDT ETH/USDT", "")
    for_seconds(75, lambda: keep_rules(listing, lambda: known, 10, said.append, set))
    eth_gone, btc_gone = (InstrumentUnlisted(venue="gate", symbol=symbol) for symbol in ("ETH/USDT", "BTC/USDT"))
    assert said == [eth_gone, InstrumentListed(instrument=known[1]), btc_gone, eth_gone]


def test_rules_that_cannot_be_read_stay_as_they_were() -> None:
    assert rules_told(None) == []


def test_a_fee_that_cannot_be_read_does_not_hide_another_change() -> None:
    larger = an_instrument("gate", min_size=D(1))
    (event,) = rules_told(an_instrument("gate", min_size=D(1), taker_fee=None, maker_fee=None))
    assert event == InstrumentListed(instrument=larger)


def test_a_fee_tier_that_changes_and_changes_back_is_told_twice_and_what_stays_is_not() -> None:
    dear = an_instrument("gate", taker_fee=D("0.002"))
    reported = rules_told(an_instrument("gate"), dear, dear, an_instrument("gate"))
    assert reported == [InstrumentListed(instrument=dear), InstrumentListed(instrument=an_instrument("gate"))]


def test_another_price_step_is_told_with_the_other_rules() -> None:
    finer = an_instrument("gate", tick=D("0.05"), min_size=D(1))
    assert rules_told(finer) == [InstrumentListed(instrument=finer)]


def test_dropped_opportunities_are_told_once_a_minute_and_exactly() -> None:
    reported: list[AnyEvent] = []
    counts = iter((0, 5, 5, 12, 12))
    counter = DropCounter(lambda: next(counts))
    for_seconds(4 * COUNT_EVERY_S + 1, lambda: keep_counted(counter, reported.append))
    texts = [event.text for event in reported if isinstance(event, TroubleReported)]
    assert [int(text.split()[0]) for text in texts] == [5, 7]
    counter.report(reported.append)
    assert len(reported) == 2


class Switched(FakeGateway):
    """A venue with a switch that remembers what it was told and when."""

    def __init__(self, *, has_one: bool = True) -> None:
        super().__init__("gate", [])
        self.clock = a_clock()
        self.reported: list[tuple[float, int]] = []
        self.has_one = has_one
        self.broken: Callable[[float], bool] = lambda at_s: False

    async def arm_dead_man(self, timeout_s: int) -> bool:
        at_s = (self.clock.wall_ns() - START_NS) / NS_PER_S
        if self.broken(at_s):
            raise VenueUnreachable("gate", "no answer")
        self.reported.append((round(at_s, 2), timeout_s))
        return self.has_one


def watched(
    gateway: Switched, rests: Callable[[float], bool], for_s: float, timeout_s: int = 15
) -> list[tuple[float, int]]:
    """Run the switch for a while; `rests` tells for each second whether something of ours is in the book."""

    def resting() -> bool:
        return rests((gateway.clock.wall_ns() - START_NS) / NS_PER_S)

    async def scenario() -> None:
        task = asyncio.create_task(DeadManSwitch(gateway, resting, gateway.clock, timeout_s).run())
        await asyncio.sleep(for_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(scenario(), gateway.clock)
    return gateway.reported


def test_nothing_that_rests_arms_nothing() -> None:
    assert watched(Switched(), lambda at_s: False, 100) == []


def test_it_is_armed_renewed_before_half_its_time_and_disarmed() -> None:
    reported = watched(Switched(), lambda at_s: 10 <= at_s < 40, 100)
    armed = [at_s for at_s, timeout_s in reported if timeout_s == 15]
    assert 10 <= armed[0] <= 10.5
    assert all(later - earlier < 7.5 for earlier, later in itertools.pairwise(armed))
    assert reported[-1][1] == 0
    assert 40 <= reported[-1][0] <= 40.5


def test_a_venue_that_does_not_answer_is_told_again_in_time() -> None:
    gateway = Switched()
    gateway.broken = lambda at_s: 5 <= at_s < 8
    reported = watched(gateway, lambda at_s: True, 30)
    armed = [at_s for at_s, _ in reported]
    assert all(later - earlier < 15 for earlier, later in itertools.pairwise(armed))
    assert armed[-1] > 20


def test_a_venue_without_a_switch_is_asked_once() -> None:
    assert len(watched(Switched(has_one=False), lambda at_s: True, 100)) == 1


def test_times_beyond_what_venues_take_are_brought_within() -> None:
    assert {timeout_s for _, timeout_s in watched(Switched(), lambda at_s: True, 3, timeout_s=1)} == {10}
    assert {timeout_s for _, timeout_s in watched(Switched(), lambda at_s: True, 3, timeout_s=9999)} == {120}
