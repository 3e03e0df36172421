"""Orders of ours that a process does not know are searched for in the whole journal, and reopen their own pair, however old."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_S, ManualClock
from arb.core.messages.commands import PlaceOrder, RecallOrders
from arb.core.messages.events import OrderFilled, OrderUpdated
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord, PairRecord, PairState
from arb.core.state.blocks import Source
from arb.core.trades.table import CLOSED_KEPT_NS
from arb.live.recovered_state import restored_from
from arb.market.ids import decode
from arb.market.order import OrderReport, Role
from arb.store.journal.guards import NoReserve
from arb.store.journal.journal import Journal
from arb.store.journal.recall import recall
from arb.store.journal.upkeep import drop_story
from tests.builders import START_NS, Bench, D, a_balance, a_fill, a_report, a_snapshot
from tests.unit.core.trades.test_trade import accept, crossed, fill, last_pair

MINUTE_S, DAY_S = 60, 86_400
AGES_S = (2 * MINUTE_S, 5 * MINUTE_S, 3600, DAY_S, 3 * DAY_S + 1, 10 * DAY_S)


def engine_on(journal: Journal, *, start_ns: int = START_NS) -> Bench:
    """Start a process on a journal: it writes down all that happens, and searches it."""
    return Bench(
        restored=restored_from(journal.restore(now_ns=start_ns)),
        run_id=start_ns // NS_PER_S,
        start_ns=start_ns,
        keep=journal.append,
        last_seq=journal.last_seq,
        recall=partial(recall, journal, former_accounts={}),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    made = an_open_journal(path)
    yield made
    made.close()


def an_open_journal(path: Path) -> Journal:
    return Journal.open(path, ManualClock(START_NS), rng=random.Random(1), reserve=NoReserve())


def half_a_pair(bench: Bench) -> tuple[PlaceOrder, PlaceOrder]:
    """Trade half of a pair, the rest of both legs being cancelled; it closes."""
    buy, sell = crossed(bench)
    for order in (buy, sell):
        accept(bench, order, "0.5")
        fill(bench, order, "0.5", trade_id=f"t-{order.venue}")
    assert last_pair(bench).state is PairState.COMPLETED
    return buy, sell


def pass_time(bench: Bench, seconds: float) -> None:
    bench.wait_ms(seconds * 1000)


def agree(bench: Bench) -> None:
    """Let the venues report the balances that the engine computes."""
    bench.wait_ms(1_000)
    inventory = bench.engine.state.inventory
    for venue in bench.venues:
        held = {asset: str(inventory.computed(venue, asset)) for asset in inventory.assets(venue)}
        bench.tell(a_balance(venue, held, asked_ns=bench.now_ns))


def fill_late(bench: Bench, order: PlaceOrder, how: str, size: str = "0.3") -> None:
    """Let a venue fill what it had cancelled, and report so by its stream or in an account snapshot."""
    report = a_report(order, str(D("0.5") + D(size)))
    made = a_fill(order, size, trade_id="late", fee="0.03", at_ns=bench.now_ns)
    if how == "snapshot":
        bench.tell(a_snapshot(order.venue, orders=(report,), fills=(made,), started_ns=bench.now_ns))
        return
    if how == "stream":
        bench.tell(OrderUpdated(report=report))
    if how == "an unnamed fill":
        made = msgspec.structs.replace(made, client_order_id=None)
    bench.tell(OrderFilled(fill=made))


def repair(bench: Bench) -> list[PlaceOrder]:
    """Let quiet books come in, and fill whatever is sent."""
    before = len(bench.placed())
    bench.wait_ms(60)
    for venue in bench.venues:
        bench.quote(venue, "99.9x5", "100x5")
    bench.drain()
    sent = bench.placed()[before:]
    for number, order in enumerate(sent):
        accept(bench, order, str(order.size))
        fill(bench, order, str(order.size), trade_id=f"repair-{number}")
    return sent


def incidents(bench: Bench, severity: str) -> list[str]:
    rows = [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    return [row.kind for row in rows if row.severity == severity]


def searches(bench: Bench) -> int:
    return sum(isinstance(command, RecallOrders) for command in bench.said)


@pytest.mark.parametrize("how", ["stream", "snapshot", "a fill alone", "an unnamed fill"])
@pytest.mark.parametrize("age_s", AGES_S)
def test_a_fill_after_a_restart_reopens_its_own_pair_however_old(journal: Journal, age_s: float, how: str) -> None:
    dead = engine_on(journal)
    buy, _ = half_a_pair(dead)
    pass_time(dead, age_s / 2)
    half_a_pair(dead)
    agree(dead)  # so that the first pair is not among what a start reads
    bench = engine_on(journal, start_ns=dead.now_ns + int(age_s / 4 * NS_PER_S))
    pass_time(bench, age_s / 4)
    first = last_pair(dead).id - 1
    assert (first in bench.engine.manager.pairs) is (age_s <= 2 * MINUTE_S)
    fill_late(bench, buy, how)
    assert (last_pair(bench).id, last_pair(bench).state) == (first, PairState.REPAIRING)
    [order] = repair(bench)
    assert order.size == D("0.3")
    assert not bench.engine.manager.open
    rows = [row.record for row in journal.reader().records_from()]
    assert len({row.id for row in rows if isinstance(row, PairRecord)}) == 2
    orders = {row.id: row.client_order_id for row in rows if isinstance(row, OrderRecord)}
    assert len(set(orders.values())) == len(orders) == 5
    assert last_pair(bench).state in (PairState.COMPLETED, PairState.UNWOUND)
    assert last_pair(bench).residual_size == 0
    assert "late_fill" in incidents(bench, "warning")
    assert not incidents(bench, "critical")
    assert not bench.engine.state.blocks.of(Source.LOST)


@pytest.mark.parametrize("how", ["stream", "snapshot"])
def test_a_fill_that_comes_when_the_process_has_forgotten_its_pair_reopens_that_pair(
    journal: Journal, how: str
) -> None:
    bench = engine_on(journal)
    buy, _ = half_a_pair(bench)
    first = last_pair(bench).id
    pass_time(bench, CLOSED_KEPT_NS // NS_PER_S + 1)
    half_a_pair(bench)
    assert first not in bench.engine.manager.pairs
    fill_late(bench, buy, how)
    assert (last_pair(bench).id, last_pair(bench).state) == (first, PairState.REPAIRING)
    assert len(repair(bench)) == 1
    tally = bench.engine.state.tally
    assert tally.opened == sum(tally.closed.values()) == 2


def test_a_pair_is_found_after_the_story_of_its_day_was_dropped(path: Path) -> None:
    journal = an_open_journal(path)
    dead = engine_on(journal)
    buy, _ = half_a_pair(dead)
    journal.close()
    drop_story(path, START_NS + 30 * DAY_S * NS_PER_S)
    journal = an_open_journal(path)
    bench = engine_on(journal, start_ns=START_NS + 40 * DAY_S * NS_PER_S)
    fill_late(bench, buy, "stream")
    assert (last_pair(bench).id, last_pair(bench).state) == (last_pair(dead).id, PairState.REPAIRING)
    journal.close()


def test_orders_that_a_venue_lists_again_change_nothing(journal: Journal) -> None:
    dead = engine_on(journal)
    buy, sell = half_a_pair(dead)
    bench = engine_on(journal, start_ns=START_NS + 10 * DAY_S * NS_PER_S)
    for order in (buy, sell):
        made = a_fill(order, "0.5", trade_id=f"t-{order.venue}", at_ns=START_NS)
        bench.tell(a_snapshot(order.venue, orders=(a_report(order, "0.5"),), fills=(made,), started_ns=bench.now_ns))
    assert not bench.rows(FillRecord) and not bench.rows(PairRecord)
    assert not bench.engine.state.blocks.of(Source.LOST)


# Orders that no entry of the journal has.


def renamed(order: OrderReport, **parts: int) -> OrderReport:
    """Return a report of an order with other parts in its client order id."""
    name = decode(order.client_order_id or "")
    assert name is not None
    changed = msgspec.structs.replace(name, **parts).encode()
    return msgspec.structs.replace(order, client_order_id=changed, venue_order_id=f"v-{changed}")


@pytest.mark.parametrize("how", ["stream", "snapshot"])
def test_orders_of_another_engine_on_the_account_are_foreign_and_never_a_pair(journal: Journal, how: str) -> None:
    buy, _ = half_a_pair(Bench())
    bench = engine_on(journal)
    others = [renamed(a_report(buy, "1"), nonce=77, pair_number=number) for number in (1, 2, 3)]
    for report in others:
        made = msgspec.structs.replace(
            a_fill(buy, "1", trade_id=report.venue_order_id, at_ns=bench.now_ns),
            venue_order_id=report.venue_order_id,
            client_order_id=report.client_order_id,
        )
        if how == "snapshot":
            bench.tell(a_snapshot("gate", orders=(report,), fills=(made,), started_ns=bench.now_ns))
        else:
            bench.tell(OrderUpdated(report=report))
            bench.tell(OrderFilled(fill=made))
    assert not bench.rows(PairRecord) and not bench.engine.manager.open
    rows = [row for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)]
    assert {row.role for row in rows} == {Role.FOREIGN} and len({row.id for row in rows}) == 3
    assert len(bench.rows(FillRecord)) == 3
    assert bench.engine.state.inventory.computed("gate", "BTC") == 5
    assert incidents(bench, "critical") == ["not_adopted"]
    assert searches(bench) == 1
    assert not bench.engine.state.blocks.of(Source.LOST)
    assert not repair(bench)


def test_an_older_order_of_our_own_process_that_no_entry_has_is_foreign(journal: Journal) -> None:
    dead = engine_on(journal)
    half_a_pair(dead)
    _, sell = half_a_pair(dead)
    bench = engine_on(journal, start_ns=START_NS + DAY_S * NS_PER_S)
    bench.tell(OrderUpdated(report=renamed(a_report(sell, "1"), pair_number=0)))
    assert not bench.rows(PairRecord)
    assert incidents(bench, "critical") == ["not_adopted"]


def test_a_pair_that_a_power_cut_took_from_the_journal_is_rebuilt_since_its_leg_is_naked(journal: Journal) -> None:
    dead = engine_on(journal)
    buy, _ = half_a_pair(dead)
    bench = engine_on(journal, start_ns=START_NS + MINUTE_S * NS_PER_S)
    name = decode(buy.client_order_id)
    assert name is not None
    lost = renamed(a_report(buy, "1"), pair_number=name.pair_number + 1)
    made = msgspec.structs.replace(
        a_fill(buy, "1", trade_id="lost", at_ns=bench.now_ns),
        venue_order_id=lost.venue_order_id,
        client_order_id=lost.client_order_id,
    )
    bench.tell(a_snapshot("gate", orders=(lost,), fills=(made,), started_ns=bench.now_ns))
    assert last_pair(bench).id not in {last_pair(dead).id}
    assert incidents(bench, "warning") == ["adopted"]
    assert [order.role for order in repair(bench)] == [Role.HEDGE]


def test_a_journal_replayed_gives_the_same_commands(journal: Journal) -> None:
    dead = engine_on(journal)
    buy, _ = half_a_pair(dead)
    start_ns = START_NS + 5 * DAY_S * NS_PER_S
    restored, last = restored_from(journal.restore(now_ns=start_ns)), journal.reader().last_position()
    bench = engine_on(journal, start_ns=start_ns)
    fill_late(bench, buy, "snapshot")
    written = list(journal.reader().entries(last))
    again = Bench(restored=restored)  # its settings and books; its own start is thrown away
    again.engine = type(again.engine)(again.engine.state.settings, again.make_books(*again.made_of))
    again.engine.load(restored)
    given = [command for entry in written if not entry.sub for command in again.engine.handle(entry.message)]  # type: ignore[arg-type]
    assert given == [entry.message for entry in written if entry.sub]
