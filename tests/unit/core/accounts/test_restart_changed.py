"""A start on what another configuration left: symbols no longer traded, accounts that are others. Nothing is forgotten."""

import msgspec
import pytest

from arb.core.accounts.restart import Restored
from arb.core.messages.events import FlattenAsked, OrderFilled, ResumeAsked
from arb.core.messages.records import IncidentRecord, PairRecord, PairState
from arb.core.messages.recovery_records import ControlRecord, ResidualsRecord
from arb.core.state.blocks import Source
from arb.view.summary import summarise
from tests.builders import SYMBOL, Bench, D, a_fill, an_instrument
from tests.unit.core.accounts.test_restart import left_behind
from tests.unit.core.trades.test_flatten import carrying
from tests.unit.core.trades.test_trade import accept, crossed, fill

LATER = 1_760_000_500


def without_the_symbol(left: Restored, **details: object) -> Bench:
    """Start a process that trades another symbol only."""
    others = [an_instrument(venue, "ETH/USDT") for venue in ("gate", "okx")]
    return Bench(restored=left, run_id=LATER, instruments=others, **details)  # type: ignore[arg-type]


def on_one_leg() -> Restored:
    """Return what a process leaves that dies with its buy filled and its sell unanswered."""
    dead = Bench()
    buy, _ = crossed(dead)
    accept(dead, buy, "1")
    fill(dead, buy, "1")
    return left_behind(dead)


def incidents(bench: Bench, kind: str) -> list[IncidentRecord]:
    """Return the incidents of a kind."""
    return [row for row in bench.rows(IncidentRecord) if isinstance(row, IncidentRecord) and row.kind == kind]


def test_an_open_pair_whose_symbol_is_no_longer_traded_halts_trading_and_says_what_is_unhedged_and_how_to_finish_it() -> (
    None
):
    bench = without_the_symbol(on_one_leg())
    assert bench.engine.state.control.halted == "stranded"
    [told] = incidents(bench, "halt")
    assert told.severity == "critical"
    for word in (SYMBOL, "gate", "okx", "1 BTC", "[run] symbols", "arb resume"):
        assert word in told.text
    assert not bench.engine.manager.open
    assert not bench.rows(PairRecord)  # it stays unfinished in the journal


@pytest.mark.parametrize("elsewhere", ["gate:another", "gate-uid-53", "gate-0123456789ab", "gate-uid-53-s"])
def test_a_pair_on_an_account_that_is_not_connected_now_is_not_given_up(elsewhere: str) -> None:
    left = on_one_leg()
    on_another = tuple(
        msgspec.structs.replace(order, account_id=elsewhere) if order.venue == "gate" else order
        for order in left.pairs[0].orders
    )
    pair = msgspec.structs.replace(left.pairs[0], orders=on_another)
    bench = Bench(restored=Restored(pairs=(pair,)), run_id=LATER)
    assert bench.engine.state.control.halted == "stranded"
    [told] = incidents(bench, "halt")
    assert elsewhere in told.text and "1 BTC" in told.text and "arb resume" in told.text
    assert not bench.placed() and not bench.engine.manager.open
    assert not bench.rows(PairRecord)  # it stays unfinished in the journal
    bench.tell(ResumeAsked(reason="trade on meanwhile"))
    assert not bench.engine.state.blocks.of(Source.HALT)
    assert list(bench.engine.manager.stranded) == [pair.plan.pair_id]
    assert not bench.rows(PairRecord)


def test_a_pair_on_a_venue_that_is_disabled_now_waits_for_it_and_the_rest_goes_on() -> None:
    left = on_one_leg()
    bench = Bench(venues=("okx", "bitget"), restored=left, run_id=LATER)
    assert bench.engine.state.control.halted == "stranded"
    assert list(bench.engine.manager.stranded) == [left.pairs[0].plan.pair_id]
    summary = summarise(
        bench.engine,
        mode="sandbox",
        sandbox_id=None,
        seconds=1,
        dropped_opportunities=0,
        ceiling_net={},
        db="",
        now_ns=bench.now_ns,
        report_currency="USDT",
    )
    assert (summary["pairs"]["opened"], summary["pairs"]["open"]) == (1, 1)
    bench.tell(FlattenAsked(reason="home"))
    control = bench.rows(ControlRecord)[-1]
    assert isinstance(control, ControlRecord)
    again = Bench(restored=msgspec.structs.replace(left, control=control), run_id=LATER + 1)
    assert list(again.engine.manager.open) == [left.pairs[0].plan.pair_id]


def test_when_the_symbol_is_back_the_pair_is_finished() -> None:
    left = on_one_leg()
    without = without_the_symbol(left)
    control = without.rows(ControlRecord)[-1]
    assert isinstance(control, ControlRecord)
    again = msgspec.structs.replace(left, control=control)
    bench = Bench(restored=again, run_id=LATER + 1)
    assert list(bench.engine.manager.open) == [left.pairs[0].plan.pair_id]


def test_a_resume_trades_on_without_the_pair_and_the_next_start_halts_for_it_again() -> None:
    left = on_one_leg()
    bench = without_the_symbol(left)
    bench.tell(ResumeAsked(reason="trade on meanwhile"))
    assert bench.engine.state.control.halted is None
    assert not incidents(bench, "abandoned")
    tally = bench.engine.state.tally
    assert (tally.opened, tally.closed[PairState.ABANDONED]) == (1, 0)
    control = bench.rows(ControlRecord)[-1]
    assert isinstance(control, ControlRecord)
    again = without_the_symbol(msgspec.structs.replace(left, control=control))
    assert again.engine.state.control.halted == "stranded"


def test_a_flatten_says_what_it_could_not_bring_back_and_the_pair_counts_as_open() -> None:
    bench = without_the_symbol(on_one_leg())
    bench.tell(FlattenAsked(reason="home"))
    [told] = incidents(bench, "flattened")
    assert told.severity == "critical"
    assert f"1 {SYMBOL}" in told.text
    summary = summarise(
        bench.engine,
        mode="sandbox",
        sandbox_id=None,
        seconds=1,
        dropped_opportunities=0,
        ceiling_net={},
        db="",
        now_ns=bench.now_ns,
        report_currency="USDT",
    )
    assert (summary["pairs"]["opened"], summary["pairs"]["open"]) == (1, 1)
    assert [(row["asset"], row["size"]) for row in summary["unhedged"]] == [("BTC", "1")]


def test_late_news_of_a_pair_that_had_closed_in_a_symbol_no_longer_traded_is_no_trouble() -> None:
    dead = Bench()
    buy, sell = crossed(dead)
    for order in (buy, sell):
        accept(dead, order, "0.9")
        fill(dead, order, "0.9")
    left = left_behind(dead)
    bench = without_the_symbol(Restored(recent=left.pairs, last_ns=dead.now_ns))
    bench.tell(OrderFilled(fill=a_fill(buy, "0.1", trade_id="late", at_ns=bench.now_ns)))
    assert not bench.engine.manager.open


def test_late_news_of_a_pair_that_was_given_up_does_not_take_it_up_again() -> None:
    """Earlier versions let a user give a pair up; no order of such a pair is known any more, so no fill can reopen it."""
    dead = Bench()
    _, sell = crossed(dead)
    left = left_behind(dead)
    ended = msgspec.structs.replace(left.pairs[0].pair, state=PairState.ABANDONED, closed_ns=dead.now_ns)
    given_up = msgspec.structs.replace(left.pairs[0], pair=ended)
    bench = Bench(restored=Restored(recent=(given_up,)), run_id=LATER + 1)
    bench.tell(OrderFilled(fill=a_fill(sell, "1", at_ns=bench.now_ns)))
    assert not bench.engine.manager.open


def left_over(account_ids: tuple[str, ...]) -> Restored:
    """Return what a process leaves that carried a base, noted for these accounts."""
    dead = carrying()
    residuals = dead.rows(ResidualsRecord)[-1]
    assert isinstance(residuals, ResidualsRecord)
    return Restored(residuals=msgspec.structs.replace(residuals, account_ids=account_ids or residuals.account_ids))


def carried(bench: Bench) -> dict[str, object]:
    """Return the base that counts as unhedged."""
    return {asset: held.size for asset, held in bench.engine.state.residuals.unhedged_by_asset().items()}


def test_what_is_carried_stays_known_when_an_account_that_never_held_it_has_gone() -> None:
    known = left_over(()).residuals
    assert known is not None
    bench = Bench(restored=left_over((*known.account_ids, "bitget:old")), run_id=LATER)
    assert carried(bench) == {"BTC": D(1)}
    assert not incidents(bench, "left_over")


def test_what_was_carried_on_an_account_that_has_gone_is_not_traded_elsewhere_and_that_is_reported() -> None:
    bench = Bench(venues=("okx", "bitget"), restored=left_over(()), run_id=LATER)
    assert carried(bench) == {}
    [told] = incidents(bench, "left_over")
    assert "1 BTC" in told.text and "gate:test" in told.text


def test_what_was_carried_on_an_account_that_is_not_connected_now_is_kept_for_when_it_is() -> None:
    left = left_over(())
    away = Bench(venues=("okx", "bitget"), restored=left, run_id=LATER)
    kept = away.engine.state.residuals.record(("okx:test", "bitget:test"))
    assert left.residuals is not None
    assert kept.carried == tuple(
        msgspec.structs.replace(held, account_ids=held.account_ids or left.residuals.account_ids)
        for held in left.residuals.carried
    )
    back = Bench(restored=Restored(residuals=kept), run_id=LATER + 1)
    assert carried(back) == {"BTC": D(1)}


def test_what_was_carried_in_a_sandbox_that_is_gone_is_dropped() -> None:
    residuals = left_over(()).residuals
    assert residuals is not None
    gone = ("gate-uid-53-sb-1-7", "okx-uid-53-sb-1-7")
    lost = tuple(msgspec.structs.replace(held, account_ids=gone) for held in residuals.carried)
    bench = Bench(restored=Restored(residuals=msgspec.structs.replace(residuals, carried=lost)), run_id=LATER)
    assert len(incidents(bench, "left_over")) == 1
    assert bench.engine.state.residuals.record(("gate:test", "okx:test")).carried == ()


def test_what_is_carried_of_a_symbol_no_longer_traded_still_counts_as_unhedged() -> None:
    bench = without_the_symbol(left_over(()))
    assert carried(bench) == {"BTC": D(1)}
    assert not incidents(bench, "left_over")
