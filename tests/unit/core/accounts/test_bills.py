"""Bills count once, over restarts too; a small credit that none explains is agreed, and nothing else is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.core.accounts.restart import Restored
from arb.core.messages.events import ResumeAsked, TimerFired, Transfer
from arb.core.messages.recovery_records import AgreedRecord, ControlRecord
from arb.core.messages.settings import Limits
from tests.builders import Bench, D
from tests.unit.core.accounts.test_balance_reconciler import (
    START,
    incidents,
    opens,
    read,
    snapshot_taken,
    stopped,
    unexplained,
)
from tests.unit.core.accounts.test_balances_after_restart import agreed, heir

LIMITS = Limits(min_net_quote=D(0), min_edge_bps=D(1), drift_ignore_quote=D("0.01"))
DAY_MS = 86_400_000
INTEREST = "0.00000123"


def with_more(asset: str = "USDT", amount: str | Decimal = "0.005", than: dict[str, str] = START) -> dict[str, str]:
    """Return balances that show so much more of an asset."""
    return than | {asset: str(D(than[asset]) + D(amount))}


def look_into(bench: Bench, amounts: dict[str, str]) -> None:
    """Let gate report balances until time and a complete snapshot have explained what they can."""
    read(bench, amounts)
    snapshot_taken(bench)
    bench.wait_ms(10_000)
    bench.quote("gate", "99.9x5", "100x1")
    bench.quote("okx", "99.9x5", "100.2x5")
    bench.tell(TimerFired(timer="drift:gate"))
    snapshot_taken(bench)
    read(bench, amounts)


def test_interest_is_explained_by_its_bill_as_soon_as_that_is_read() -> None:
    bench = Bench()
    read(bench, with_more(amount=INTEREST))
    snapshot_taken(bench, transfers=(Transfer("7", "USDT", D(INTEREST), bench.now_ns, "interest"),))
    read(bench, with_more(amount=INTEREST))
    assert incidents(bench) == ["transfer", "balance_explained"]
    assert opens(bench)


@pytest.mark.parametrize("ahead_s", [-90, -30, -3, 0, 3, 30, 90])
def test_a_bill_that_was_counted_before_a_restart_is_not_counted_again_whatever_its_venues_clock_said(
    ahead_s: int,
) -> None:
    dead = agreed()
    bill = Transfer("7", "USDT", D(500), dead.now_ns + ahead_s * NS_PER_S, "transfer")
    richer = with_more(amount="500")
    read(dead, richer)
    snapshot_taken(dead, transfers=(bill,))
    read(dead, richer)
    bench = heir(dead, richer, transfers=(bill,))
    assert unexplained(bench) == []
    assert incidents(bench) == []


def test_a_bill_made_while_nothing_ran_is_counted_though_another_has_the_same_amount() -> None:
    dead = agreed()
    known = Transfer("7", "USDT", D(500), dead.now_ns, "transfer")
    snapshot_taken(dead, transfers=(known,))
    read(dead, with_more(amount="500"))
    later = Transfer("8", "USDT", D(500), dead.now_ns + 5 * NS_PER_S, "transfer")
    bench = heir(dead, with_more(amount="1000"), transfers=(known, later))
    assert unexplained(bench) == []


# What no bill explains.


def test_a_small_credit_that_nothing_explains_is_recorded_and_agreed() -> None:
    bench = Bench(limits=LIMITS)
    look_into(bench, with_more())
    assert stopped(bench) == []
    assert incidents(bench) == ["credit_agreed"]
    assert bench.engine.state.inventory.computed("gate", "USDT") == D("100000.005")
    assert opens(bench)


@pytest.mark.parametrize(
    "amounts",
    [
        with_more(amount="-0.000001"),
        with_more(amount="0.0101"),
        with_more("BTC", "0.0002"),
        with_more("BTC", "0.00001", than=with_more()),
    ],
    ids=["missing", "too much", "worth too much", "two assets at once"],
)
def test_whatever_else_nothing_explains_stops_its_asset(amounts: dict[str, str]) -> None:
    bench = Bench(limits=LIMITS)
    look_into(bench, amounts)
    assert {asset for _, asset in stopped(bench)} == {asset for asset in START if amounts[asset] != START[asset]}


def test_an_asset_is_valued_by_a_live_book_and_without_one_nothing_is_agreed() -> None:
    bench = Bench(limits=LIMITS)
    look_into(bench, with_more("BTC", "0.00009"))
    assert incidents(bench) == ["credit_agreed"]
    blind = Bench(limits=LIMITS)
    read(blind, with_more("BTC", "0.00009"))
    snapshot_taken(blind)
    blind.wait_ms(60_000)
    blind.tell(TimerFired(timer="drift:gate"))
    snapshot_taken(blind)
    read(blind, with_more("BTC", "0.00009"))
    assert stopped(blind) == [("gate:test", "BTC")]


def test_ten_times_as_much_is_agreed_on_one_day_also_over_a_restart_and_no_more() -> None:
    bench = Bench(limits=LIMITS)
    amounts = START
    for _ in range(10):
        amounts = with_more(amount="0.01", than=amounts)
        look_into(bench, amounts)
    assert stopped(bench) == []
    control = next(row for row in reversed(bench.rows(ControlRecord)) if isinstance(row, ControlRecord))
    agreement = next(row for row in reversed(bench.rows(AgreedRecord)) if isinstance(row, AgreedRecord))
    restored = Restored(control=control, agreed=agreement, last_ns=bench.now_ns)
    after = Bench(
        limits=LIMITS, restored=restored, run_id=1_760_000_500, start_ns=bench.now_ns, reported={"gate": amounts}
    )
    amounts = with_more(amount="0.01", than=amounts)
    look_into(after, amounts)
    assert stopped(after) == [("gate:test", "USDT")]
    after.tell(ResumeAsked(reason="known"))
    after.wait_ms(DAY_MS)
    look_into(after, with_more(amount="0.01", than=amounts))
    assert stopped(after) == []


@given(st.decimals("-0.02", "0.02", places=4).filter(bool))
def test_only_a_credit_within_the_limit_is_ever_agreed(amount: Decimal) -> None:
    bench = Bench(limits=LIMITS)
    look_into(bench, with_more(amount=amount))
    assert ("credit_agreed" in incidents(bench)) is (0 < amount <= D("0.01"))
    assert bool(stopped(bench)) is not (0 < amount <= D("0.01"))
