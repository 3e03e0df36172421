"""May anything open now, and if not, why: judged by asking every route by the checks that also stand before each pair."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.core.accounts.restart import Restored
from arb.core.messages.events import FlattenAsked, HaltAsked, ResumeAsked, ShutdownAsked
from arb.core.messages.incidents import HaltReason
from arb.core.messages.records import IncidentRecord
from arb.core.messages.recovery_records import ControlRecord, LateLeg
from arb.core.messages.settings import Ramp
from arb.core.risk.limits import breached
from arb.core.risk.stops import Openings, openings
from arb.core.state.blocks import TIMED, Block, Source
from arb.core.state.control import TradingState
from arb.market.route import Route
from tests.builders import START_NS, SYMBOL, Bench, D, an_instrument
from tests.unit.core.risk.test_limits import LOSS_OF_FIVE, ONE_A_DAY, cross, end_with, limited
from tests.unit.core.trades.test_flatten import HOLD
from tests.unit.core.trades.test_trade import accept, crossed, fill

ETH = "ETH/USDT"
VENUES = ("gate", "okx", "bitget")
DAY_MS = 86_400_000
LEAST = D(1)
"""What the smallest legal pair costs: both venues take no order below it."""


def found(bench: Bench) -> Openings:
    engine = bench.engine
    return openings(engine.state, engine.manager, engine.blockers, bench.now_ns)


def causes(bench: Bench) -> list[str]:
    return [stop.cause for stop in found(bench).stops]


def quoted(**changes: Any) -> Bench:
    """Return a bench on which two symbols have usable books at three venues."""
    listed = [an_instrument(venue, symbol) for venue in VENUES for symbol in (SYMBOL, ETH)]
    funds = {"USDT": "100000", "BTC": "2", "ETH": "5"}
    bench = Bench(venues=VENUES, instruments=listed, balances=funds, **changes)
    for venue in VENUES:
        for symbol in (SYMBOL, ETH):
            bench.quote(venue, "99.9x5", "100x5", symbol)
    return bench


PLACES = st.sampled_from(["", *VENUES, *(f"{venue}:test" for venue in VENUES)])
BLOCKS = st.lists(
    st.builds(
        Block,
        source=st.sampled_from(list(Source)),
        at=PLACES,
        name=st.sampled_from(["", SYMBOL, ETH, "BTC", "USDT"]),
        text=st.just("a cause"),
        until_ns=st.sampled_from([None, START_NS - 1, START_NS + 10**15]),
    ).filter(lambda block: block.until_ns is None or block.source in TIMED),
    max_size=5,
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "max_open_pairs": st.sampled_from([0, 1]),
        "max_symbol_quote": st.sampled_from([D("0.001"), D(1000)]),
        "daily_notional_quote": st.sampled_from([D("0.001"), D(40), D(100)]),
        "daily_loss_quote": st.sampled_from([D(5), D(50)]),
        "max_exposure_quote_s_per_day": st.sampled_from([D(5), D(50)]),
    },
)


@settings(max_examples=150, deadline=None)
@given(BLOCKS, LIMITS, st.sampled_from([0, 20, 60]), st.sampled_from([0, 20]), st.sampled_from([0, 20]))
def test_it_is_active_exactly_where_some_route_may_open_and_else_there_is_a_cause(
    blocks: list[Block], limits: dict[str, Any], traded: int, lost: int, exposed: int
) -> None:
    day = ControlRecord(
        halted=None, day_utc="2025-10-09", day_net_e8=-lost * 10**8, consecutive_losses=0, ns=START_NS, text="",
        day_notional=D(traded), exposure_day_utc="2025-10-09", day_exposure={"gate": D(exposed)},
    )  # fmt: skip
    bench = quoted(limits=limited(**limits), restored=Restored(control=day))
    state, engine = bench.engine.state, bench.engine
    if exposed and state.control.halted:
        bench.tell(ResumeAsked(reason="seen"))
    for block in blocks:
        state.blocks.put(block)
    least = LEAST
    free = [
        route
        for symbol in (SYMBOL, ETH)
        for route in (Route.of(symbol, *venues) for venues in permutations(VENUES, 2))
        if not engine.blockers.reason(route, bench.now_ns)
        and breached(state, engine.manager, route, least, bench.now_ns) is None
    ]
    answer = found(bench)
    assert (answer.state is TradingState.ACTIVE) == bool(free), answer
    assert bool(free) or answer.stops
    figures = {"daily_notional_quote": traded, "daily_loss_quote": lost, "max_exposure_quote_s_per_day": exposed}
    assert all(stop.used == figures[stop.cause] for stop in answer.stops if stop.cause in figures)
    assert {block.source.word for block in state.blocks if block.holds(bench.now_ns)} <= set(causes(bench))


def test_books_that_cannot_be_used_are_waited_for() -> None:
    bench = Bench()
    assert found(bench).state is TradingState.WAITING and causes(bench) == ["gapped_book"]
    bench.quote("gate", "99.9x5", "100x5")
    bench.quote("okx", "99.9x5", "100x5")
    assert found(bench) == Openings(TradingState.ACTIVE, ())


def test_a_halt_is_the_first_cause_and_what_lifts_it_is_said() -> None:
    bench = quoted()
    bench.engine.state.pause("gate", 5, bench.now_ns)
    bench.tell(HaltAsked(reason="by hand"))
    halt, pause = found(bench).stops
    assert (found(bench).state, halt.cause, halt.text, halt.where) == (TradingState.HALTED, "halt", "asked", "")
    assert "arb resume" in halt.ends
    assert (pause.cause, pause.where, pause.until_ns) == ("pause", "at gate", bench.now_ns + 5 * 10**9)


@pytest.mark.parametrize("asked", [HaltAsked, FlattenAsked])
def test_a_halt_names_who_asked_for_it_also_after_a_restart_until_it_is_lifted(asked: type[HaltAsked]) -> None:
    bench = quoted()
    bench.tell(asked(reason="lunch", by="ada"))
    note = ", by ada at 2025-10-09 08:53 UTC: lunch"
    assert found(bench).stops[0].text.endswith(note)
    assert "lunch (by ada)" in bench.rows(IncidentRecord)[0].text
    again = quoted(restored=Restored(control=bench.rows(ControlRecord)[-1]), run_id=1_760_000_500)
    assert found(again).stops[0].text.endswith(note)
    again.tell(HaltAsked(reason="too", by="bob"))
    assert found(again).stops[0].text.endswith(note)
    again.tell(ResumeAsked(reason="back", by="bob"))
    assert "back (by bob)" in again.rows(IncidentRecord)[-1].text
    assert again.rows(ControlRecord)[-1].asked is None


@pytest.mark.parametrize(("by", "text"), [("SIGTERM", "shutting down (by SIGTERM)"), ("", "shutting down")])
def test_a_shutdown_names_its_signal(by: str, text: str) -> None:
    bench = quoted()
    bench.tell(ShutdownAsked(deadline_ns=START_NS + 10**12, by=by))
    assert found(bench).stops[0].text == text


def test_a_halt_of_the_engine_itself_names_no_person() -> None:
    bench = quoted()
    bench.tell(HaltAsked(reason="lunch", by="ada"))
    bench.tell(ResumeAsked(reason="back", by="ada"))
    bench.engine.state.halt(HaltReason.RISK_LIMIT, "too much", bench.now_ns)
    assert found(bench).stops[0].text == "risk_limit"


def test_a_shutdown_and_a_flatten_reduce() -> None:
    for event in (ShutdownAsked(deadline_ns=START_NS + 10**12), FlattenAsked(reason="x")):
        bench = quoted(policy=HOLD)
        bench.engine.state.control.stop_late(LateLeg(7, SYMBOL, ("gate", "okx")))
        bench.tell(event)
        assert found(bench).state in (TradingState.REDUCING, TradingState.HALTED) and "late_leg" in causes(bench)


def test_a_ramp_that_binds_is_a_cause_and_one_below_the_smallest_order_blocks() -> None:
    bench = quoted(ramp=Ramp(start_quote=D(50), pairs=2))
    [ramp] = found(bench).stops
    assert found(bench).state is TradingState.ACTIVE
    assert (ramp.cause, ramp.used, ramp.limit) == ("ramp", D(50), bench.engine.state.limits.max_notional_quote)
    bench = quoted(ramp=Ramp(start_quote=D("0.0001"), pairs=2))
    assert found(bench).state is TradingState.BLOCKED and set(causes(bench)) == {"ramp"}


# The limits on the day.


def incidents(bench: Bench, kind: str) -> list[tuple[str, str]]:
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == kind]
    return [(row.severity, row.text) for row in rows]


def spend(bench: Bench) -> None:
    """Trade one base for 100 at a limit of 150 a day, and have the next pair refused."""
    for order in crossed(bench):
        accept(bench, order, "1")
        fill(bench, order, "1")
    bench.wait_ms(5_000)
    assert cross(bench) == 0


def test_a_notional_that_is_used_up_blocks_until_the_day_ends_with_its_figures() -> None:
    bench = Bench(limits=ONE_A_DAY)
    spend(bench)
    [stop] = found(bench).stops
    assert found(bench).state is TradingState.BLOCKED
    assert (stop.cause, stop.used, stop.limit) == ("daily_notional_quote", D("100.1"), D(150))
    assert stop.until_ns is not None and stop.until_ns % (DAY_MS * 10**6) == 0 and stop.until_ns > bench.now_ns
    bench.wait_ms(DAY_MS)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "99.9x1", "100x5")
    bench.drain()
    assert found(bench) == Openings(TradingState.ACTIVE, ())
    assert [severity for severity, _ in incidents(bench, "daily_notional")] == ["warning", "info"]
    assert "the UTC day has ended" in incidents(bench, "daily_notional")[1][1]


def test_a_limit_that_was_reached_is_reported_once_a_day_over_restarts_and_ends_when_it_is_raised() -> None:
    dead = Bench(limits=ONE_A_DAY)
    spend(dead)
    control = dead.engine.state.control.record(dead.now_ns, "")
    for limit, kinds in ((D(150), []), (D(151), []), (D(300), ["info"])):
        bench = Bench(
            limits=limited(daily_notional_quote=limit), restored=Restored(control=control), start_ns=dead.now_ns
        )
        assert [severity for severity, _ in incidents(bench, "daily_notional")] == kinds
        assert ("daily_notional_quote" in causes(bench)) == (not kinds)


def test_a_smaller_pair_that_opens_shows_that_something_may_open() -> None:
    bench = Bench(limits=ONE_A_DAY)
    spend(bench)
    bench.engine.state.control.opened(D(10), bench.now_ns)
    bench.quote("okx", "99.9x1", "100x5")
    assert "daily_notional_quote" not in causes(bench)


def test_a_days_loss_is_a_cause_until_a_new_allowance() -> None:
    bench = Bench(limits=LOSS_OF_FIVE, balances={"USDT": "100000", "BTC": "20"})
    end_with(bench, "94")
    [stop] = found(bench).stops
    assert found(bench).state is TradingState.HALTED
    assert (stop.cause, stop.used, stop.limit) == ("daily_loss_quote", D("6.194"), D(5))
    assert "--allow-loss" in stop.ends
    bench.tell(ResumeAsked(reason="seen"))
    assert causes(bench) == ["daily_loss_quote"]
    bench.tell(ResumeAsked(reason="seen", allow_loss=D(1)))
    assert "daily_loss_quote" not in causes(bench)
    assert [severity for severity, _ in incidents(bench, "daily_loss")] == ["critical", "info"]


@pytest.mark.parametrize("exposed", ["50", "49.9"])
def test_a_days_exposure_still_blocks_after_a_resumption(exposed: str) -> None:
    day = ControlRecord(
        halted=None, day_utc="2025-10-09", day_net_e8=0, consecutive_losses=0, ns=START_NS, text="",
        exposure_day_utc="2025-10-09", day_exposure={"gate": Decimal(exposed)},
    )  # fmt: skip
    bench = quoted(limits=limited(max_exposure_quote_s_per_day=D(50)), restored=Restored(control=day))
    bench.tell(ResumeAsked(reason="seen"))
    reached = ["max_exposure_quote_s_per_day"] * (exposed == "50")
    assert causes(bench) == reached
    assert found(bench).state is (TradingState.BLOCKED if reached else TradingState.ACTIVE)
    assert len(incidents(bench, "daily_exposure")) == len(reached)
