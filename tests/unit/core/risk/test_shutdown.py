"""The end of a run: not before every venue's balances were found in agreement once more."""

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.commands import AnyCommand, Finish, RefreshBalances, SnapshotAccount
from arb.core.messages.events import ShutdownAsked, TimerFired
from arb.core.messages.records import PairState
from arb.core.messages.timers import LastBalancesTimer
from arb.core.risk.shutdown import LAST_BALANCES_S
from arb.core.state.blocks import Source
from tests.builders import Bench, a_balance, a_fill, a_report, a_snapshot
from tests.unit.core.accounts.test_balance_reconciler import START
from tests.unit.core.trades.test_late_fills import half_sold
from tests.unit.core.trades.test_trade import crossed, last_pair


def stop(bench: Bench) -> tuple[AnyCommand, ...]:
    bench.wait_ms(1)
    return bench.tell(ShutdownAsked(deadline_ns=bench.now_ns + 30 * NS_PER_S))


def say(bench: Bench, venue: str, amounts: dict[str, str], asked_ns: int | None = None) -> tuple[AnyCommand, ...]:
    bench.wait_ms(5)
    return bench.tell(a_balance(venue, amounts, asked_ns=bench.now_ns if asked_ns is None else asked_ns))


def ends(commands: tuple[AnyCommand, ...]) -> bool:
    return any(isinstance(command, Finish) for command in commands)


def asked(commands: tuple[AnyCommand, ...]) -> list[str]:
    return [command.venue for command in commands if isinstance(command, RefreshBalances)]


def test_a_late_fill_that_nobody_told_of_is_found_before_the_run_ends() -> None:
    bench, sell = half_sold()
    stop(bench)
    lacking = START | {"BTC": "1.3"}  # half a base sold, and 0.2 more since
    told = say(bench, "okx", lacking)
    assert not ends(told)
    assert [command.venue for command in told if isinstance(command, SnapshotAccount)] == ["okx"]
    bench.wait_ms(50)
    late = a_fill(sell, "0.2", trade_id="t9", at_ns=bench.now_ns - 40 * NS_PER_MS)
    told = bench.tell(a_snapshot("okx", started_ns=bench.now_ns, orders=(a_report(sell, "0.7"),), fills=(late,)))
    assert last_pair(bench).state is PairState.REPAIRING
    assert not ends(told)


def test_an_answer_that_was_asked_for_before_is_no_last_word() -> None:
    bench = Bench()
    before_ns = bench.now_ns
    assert asked(stop(bench)) == ["gate", "okx"]
    assert not ends(say(bench, "gate", START, asked_ns=before_ns))
    assert not ends(say(bench, "okx", START))


def test_a_venue_that_does_not_answer_is_asked_again_and_keeps_nobody_for_long() -> None:
    bench = Bench()
    stop(bench)
    say(bench, "okx", START)
    bench.wait_ms(1_000)
    again = bench.tell(TimerFired(timer=LastBalancesTimer().text))
    assert asked(again) == ["gate"] and not ends(again)
    bench.wait_ms(LAST_BALANCES_S * 1_000)
    assert ends(bench.tell(TimerFired(timer=LastBalancesTimer().text)))


def test_nobody_is_asked_while_a_pair_is_open() -> None:
    bench = Bench()
    crossed(bench)
    told = stop(bench)
    assert asked(told) == [] and not ends(told)


def test_the_run_ends_as_soon_as_all_have_agreed() -> None:
    bench = Bench()
    stop(bench)
    assert not ends(say(bench, "gate", START))
    assert ends(say(bench, "okx", START))


def test_a_run_that_is_to_end_as_it_begins_looks_through_every_account_first() -> None:
    bench = Bench()
    bench.engine.state.venues["okx"].block(Source.SNAPSHOT, "not taken")
    stop(bench)
    assert not ends(say(bench, "gate", START))
    bench.tell(a_snapshot("okx", started_ns=bench.now_ns))
    assert ends(say(bench, "okx", START))


def test_an_account_that_cannot_be_looked_through_is_not_waited_for_for_ever() -> None:
    bench = Bench()
    bench.engine.state.venues["okx"].block(Source.SNAPSHOT, "not taken")
    stop(bench)
    say(bench, "gate", START)
    bench.wait_ms(LAST_BALANCES_S * 1_000)
    assert ends(bench.tell(TimerFired(timer=LastBalancesTimer().text)))
