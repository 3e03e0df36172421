"""An account that was called otherwise before is the same account: nothing of it is abandoned, dropped or counted twice."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.clock import NS_PER_S
from arb.core.accounts.account_renames import present_names, with_present_accounts
from arb.core.accounts.restart import Restored
from arb.core.messages.events import OrderFilled, OrderUpdated
from arb.core.messages.records import FillRecord, IncidentRecord, OrderRecord
from arb.core.messages.recovery_records import (
    AgreedAccount,
    AgreedRecord,
    ControlRecord,
    FormerAccountsRecord,
    Residual,
    ResidualsRecord,
    StoppedAsset,
)
from arb.core.state.blocks import Source
from tests.builders import Bench, D, a_fill
from tests.unit.core.accounts.test_balance_reconciler import a_foreign_fill, a_foreign_order
from tests.unit.core.accounts.test_restart import left_behind
from tests.unit.core.trades.test_trade import accept, crossed, fill

LATER = 1_760_000_500
BY_KEY = {"gate": "gate-0123456789ab", "okx": "okx-0123456789ab"}
PRESENT = {"gate": "gate-uid-53", "okx": "okx-uid-53"}
FORMER = {BY_KEY[venue]: PRESENT[venue] for venue in BY_KEY}


def on_one_leg() -> tuple[Bench, Restored]:
    """Return what an earlier version leaves that dies on one leg: accounts called by their keys, everything at hand."""
    dead = Bench(accounts=BY_KEY)
    buy, _ = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    left = left_behind(dead)
    gate, okx = BY_KEY["gate"], BY_KEY["okx"]
    pooled = Residual("BTC/USDT", D("0.2"), D("20"), 1, (gate, okx))
    control = ControlRecord(
        halted=None,
        day_utc="2025-10-09",
        day_net_e8=0,
        consecutive_losses=0,
        ns=1,
        text="",
        stopped=(StoppedAsset(gate, "USDT", "unexplained"),),
    )
    foreign = msgspec.structs.replace(
        left.pairs[0].orders[0], id=77, pair_trade_id=None, client_order_id=None, venue_order_id="f1"
    )
    return dead, Restored(
        control=control,
        pairs=left.pairs,
        residuals=ResidualsRecord(account_ids=(gate, okx), dust=(pooled,), carried=()),
        agreed=AgreedRecord(accounts=(AgreedAccount(gate, dead.now_ns, {"USDT": D(5)}),)),
        last_ns=dead.now_ns,
        recent=left.pairs,
        foreign_orders=(foreign,),
        foreign_fills=tuple(msgspec.structs.replace(row, order_id=77) for row in left.pairs[0].fills),
    )


def next_life(left: Restored, former: dict[str, str], *, start_ns: int) -> Bench:
    """Start the next process on what one left, by the accounts' own ids."""
    translated = with_present_accounts(left, former)
    return Bench(restored=translated, run_id=LATER, accounts=PRESENT, former=former, start_ns=start_ns)


def kinds(bench: Bench) -> list[str]:
    """Return the kinds of all incidents."""
    return [row.kind for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord)]


# What must not happen.


def test_without_its_former_names_a_restart_would_recover_nothing() -> None:
    dead, left = on_one_leg()
    bench = next_life(left, {}, start_ns=dead.now_ns + NS_PER_S)
    assert not bench.engine.manager.open
    assert bench.engine.state.control.halted == "stranded"


def test_no_row_recovered_keeps_a_former_name() -> None:
    _, left = on_one_leg()
    text = msgspec.json.encode(with_present_accounts(left, FORMER)).decode()
    assert not [name for name in FORMER if name in text]
    before = msgspec.json.encode(left).decode()
    for name, present in FORMER.items():
        before = before.replace(name, present)
    assert text == before


@pytest.mark.parametrize("told", [{}, {"a": "a"}, {"a": "b", "b": "a"}])
def test_a_name_never_leads_to_itself(told: dict[str, str]) -> None:
    assert all(name != present for name, present in present_names({"a": "b"} | told, {}).items())


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")), st.sampled_from("abcdef"))
def test_a_present_name_as_reported_now_is_nobodys_former_one(remembered: dict[str, str], present: str) -> None:
    told = {"x": present}
    found = present_names(remembered, told)
    assert found["x"] == present
    assert present not in found
    assert all(name != last for name, last in found.items())


# What does.


def test_what_was_journalled_leads_on_to_what_is_reported_now() -> None:
    assert present_names({"key-1": "uid-1"}, {"key-2": "uid-1"}) == {"key-1": "uid-1", "key-2": "uid-1"}
    assert present_names({"key-1": "key-2"}, {"key-2": "uid-1"}) == {"key-1": "uid-1", "key-2": "uid-1"}
    assert present_names({"key-1": "wrong"}, {"key-1": "uid-1"}) == {"key-1": "uid-1"}


def test_an_open_pair_goes_on_and_its_pool_halts_and_balances_with_it() -> None:
    dead, left = on_one_leg()
    bench = next_life(left, FORMER, start_ns=dead.now_ns + NS_PER_S)
    state = bench.engine.state
    assert list(bench.engine.manager.open) == [left.pairs[0].plan.pair_id]
    assert state.control.halted is None
    assert state.names_blocked("gate", Source.DRIFT) == ["USDT"]
    assert bench.engine.state.residuals.dust_sizes() == {"BTC": D("0.2")}
    assert bench.engine.balances.agreed_ns("gate") == dead.now_ns
    assert {"abandoned", "left_over"}.isdisjoint(kinds(bench))


def test_rows_written_from_now_on_carry_the_present_name_and_fills_known_under_the_former_are_not_written_again() -> (
    None
):
    dead, left = on_one_leg()
    buy = dead.placed()[0]
    sell = dead.placed()[1]
    bench = next_life(left, FORMER, start_ns=dead.now_ns + NS_PER_S)
    [known] = left.pairs[0].fills
    assert known.account_id == BY_KEY["gate"]
    bench.tell(OrderFilled(fill=a_fill(buy, "1", trade_id=known.trade_id, at_ns=bench.now_ns)))
    assert not bench.rows(FillRecord)
    bench.tell(OrderFilled(fill=a_fill(sell, "1", at_ns=bench.now_ns)))
    [row] = bench.rows(FillRecord)
    assert isinstance(row, FillRecord)
    assert row.account_id == PRESENT["okx"]
    assert {row.account_id for row in bench.rows(OrderRecord) if isinstance(row, OrderRecord)} <= {*PRESENT.values()}


def test_a_foreign_fill_known_under_the_former_name_is_not_counted_again() -> None:
    before = Bench(accounts=BY_KEY)
    told = a_foreign_fill(before)
    before.tell(OrderUpdated(report=a_foreign_order()))
    before.tell(OrderFilled(fill=told))
    orders = [row for row in before.rows(OrderRecord) if isinstance(row, OrderRecord)]
    fills = [row for row in before.rows(FillRecord) if isinstance(row, FillRecord)]
    assert len(fills) == 1
    left = Restored(foreign_orders=tuple(orders[-1:]), foreign_fills=tuple(fills), last_ns=before.now_ns)
    bench = next_life(left, FORMER, start_ns=before.now_ns + NS_PER_S)
    bench.tell(OrderFilled(fill=told))
    assert not bench.rows(FillRecord)
    bench.tell(OrderFilled(fill=msgspec.structs.replace(told, trade_id="s2")))
    [row] = bench.rows(FillRecord)
    assert isinstance(row, FillRecord)
    assert row.account_id == PRESENT["gate"]


def test_of_two_agreements_on_one_account_the_later_counts() -> None:
    old = AgreedAccount(BY_KEY["gate"], 9, {"USDT": D(1)})
    new = AgreedAccount(PRESENT["gate"], 8, {"USDT": D(2)})
    for accounts in ((old, new), (new, old)):
        left = with_present_accounts(Restored(agreed=AgreedRecord(accounts=accounts)), FORMER)
        assert left.agreed == AgreedRecord(accounts=(AgreedAccount(PRESENT["gate"], 9, {"USDT": D(1)}),))


# What is written down of it.


def test_former_names_are_journalled_and_reported_once() -> None:
    first = Bench(accounts=PRESENT, former=FORMER)
    assert first.rows(FormerAccountsRecord) == [FormerAccountsRecord(present=FORMER)]
    told = [row.text for row in first.rows(IncidentRecord) if isinstance(row, IncidentRecord)]
    assert [text for text in told if BY_KEY["gate"] in text and PRESENT["gate"] in text]
    again = Bench(restored=Restored(former_accounts=FORMER), accounts=PRESENT, former=FORMER, run_id=LATER)
    assert not again.rows(FormerAccountsRecord)
    assert "account_renamed" not in kinds(again)


def test_a_second_key_is_added_to_the_first() -> None:
    second = {"gate-ba9876543210": PRESENT["gate"]}
    bench = Bench(restored=Restored(former_accounts=FORMER), accounts=PRESENT, former=FORMER | second, run_id=LATER)
    assert bench.rows(FormerAccountsRecord) == [FormerAccountsRecord(present=FORMER | second)]
    assert kinds(bench).count("account_renamed") == 1


def test_names_of_a_sandbox_are_not_reported_and_forgotten_with_it() -> None:
    gone = {"gate-0123456789ab-sb-1-7": "gate-uid-53-sb-1-7"}
    here = {"gate-0123456789ab-s": "gate-uid-54-s"}
    accounts = {"gate": "gate-uid-54-s", "okx": "okx:test"}
    bench = Bench(restored=Restored(former_accounts=gone), accounts=accounts, former=gone | here, run_id=LATER)
    assert bench.rows(FormerAccountsRecord) == [FormerAccountsRecord(present=here)]
    assert "account_renamed" not in kinds(bench)
