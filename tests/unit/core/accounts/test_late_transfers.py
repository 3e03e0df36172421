"""A deposit is listed by when it was made, and credited minutes or hours later: it counts once, when it is credited."""

from arb.clock import NS_PER_S
from arb.core.messages.events import Transfer
from tests.builders import START_NS, Bench, D
from tests.unit.core.accounts.test_balance_reconciler import START, incidents, opens, read, snapshot_taken, stopped

RICHER = START | {"USDT": "100500"}


def a_deposit(made_s_ago: int, bench: Bench | None = None) -> Transfer:
    """Return a deposit of 500 USDT that was made so many seconds ago, or before the start."""
    now_ns = START_NS if bench is None else bench.now_ns
    return Transfer("7", "USDT", D(500), now_ns - made_s_ago * NS_PER_S)


def test_a_deposit_made_before_the_start_and_credited_since_explains_the_difference() -> None:
    bench = Bench()
    snapshot_taken(bench)  # not credited yet
    bench.wait_ms(600_000)
    read(bench, RICHER)
    snapshot_taken(bench, transfers=(a_deposit(7200, bench),))
    read(bench, RICHER)

    assert incidents(bench) == ["transfer", "balance_explained"]
    assert opens(bench)


def test_a_deposit_that_the_first_balances_held_already_is_not_counted() -> None:
    bench = Bench(found={"transfers": (a_deposit(7200),)})
    for _ in range(3):
        bench.wait_ms(20_000)
        read(bench, START)
        snapshot_taken(bench, transfers=(a_deposit(7200),))

    assert incidents(bench) == []
    assert opens(bench)


def test_a_deposit_that_is_credited_between_the_first_balances_and_the_first_snapshot_explains_the_difference() -> None:
    bench = Bench(found={"transfers": (a_deposit(7200),)}, reported={"gate": START, "okx": START})
    read(bench, RICHER)
    snapshot_taken(bench, transfers=(a_deposit(7200),))
    read(bench, RICHER)

    assert stopped(bench) == []
    assert opens(bench)


def test_a_deposit_that_the_balances_showed_before_its_listing_did_is_not_counted_twice() -> None:
    bench = Bench()  # its first balances hold the deposit, its first look does not show it yet
    bench.wait_ms(60_000)
    snapshot_taken(bench, transfers=(a_deposit(7200, bench),))
    read(bench, START)

    assert stopped(bench) == []
    assert opens(bench)


def test_a_deposit_explains_nothing_a_second_time() -> None:
    bench = Bench()
    bench.wait_ms(600_000)
    deposit = a_deposit(7200, bench)
    read(bench, RICHER)
    snapshot_taken(bench, transfers=(deposit,))
    read(bench, RICHER)
    bench.wait_ms(60_000)
    for _ in range(8):
        bench.wait_ms(10_000)
        read(bench, START | {"USDT": "101000"})
        snapshot_taken(bench, transfers=(deposit,))

    assert stopped(bench) == [("gate:test", "USDT")]
