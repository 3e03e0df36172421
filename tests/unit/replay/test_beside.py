"""Paper beside a run on its own frames: the differences add up, and each is named by the cause that made it."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import pytest

from arb.app.rerun import books_of_run
from arb.clock import NS_PER_MS
from arb.core.engine import Engine
from arb.market.numbers import ZERO
from arb.replay.beside import (
    ANSWERS,
    BALANCES,
    CAUSES,
    FEES,
    LATENCY,
    OUR_FILLS,
    RIVALS,
    Comparison,
    Figures,
    Paper,
    compare,
    figures_of,
)
from arb.replay.beside_report import document_of, tables_of
from arb.replay.recorded import Recorded
from arb.replay.rerun import Judge, Rerun, read_prologue
from arb.replay.worlds import World
from tests.support.taped import TapedRun, taped_run

VENUES = ("gate", "okx", "bitget")
SEEDS = range(2, 8)
TWO_ORDERS_SHORT: tuple[dict[str, object], ...] = tuple(
    {"venue": venue, "fault": "partial_fill", "on": "place", "count": 2} for venue in ("gate", "okx")
)
REFUSED: tuple[dict[str, object], ...] = ({"venue": "okx", "fault": "reject_balance", "count": 1},)
FAULTS: dict[str, tuple[dict[str, object], ...]] = {"alone": (), "rivals": TWO_ORDERS_SHORT, "refused": REFUSED}
SLOW, DEAR, POOR = (
    Paper(latency_ns=dict.fromkeys(VENUES, 400 * NS_PER_MS)),
    Paper(fees=dict.fromkeys(VENUES, Decimal("0.004"))),
    Paper(balances={"USDT": Decimal(100), "DOGE": Decimal(1000)}),
)
ALL = Paper(latency_ns=SLOW.latency_ns, fees=dict.fromkeys(VENUES, Decimal("0.001")), balances=POOR.balances)


@cache
def a_run(seed: int, kind: str = "alone") -> TapedRun:
    """Return a run where nobody else trades, or rivals do, or a venue refuses an order."""
    return taped_run(seed, faults=FAULTS[kind])


def recorded_of(run: TapedRun) -> tuple[Recorded, Engine]:
    """Run the tape again beside its journal."""
    recorded, engine = Recorded(run.head.restored), an_engine(run)
    assert Rerun(engine, recorded.keep, Judge(run.entries)).run(run.lines) is None
    recorded.finish()
    return recorded, engine


def an_engine(run: TapedRun) -> Engine:
    """Return an engine made as that of the run was."""
    engine = Engine(run.head.settings, books_of_run(read_prologue(iter(run.lines)), run.head))
    engine.load(run.head.restored)
    return engine


def beside(run: TapedRun, paper: Paper) -> Comparison:
    """Compare a run with paper."""
    recorded, engine = recorded_of(run)
    net = sum(engine.state.tally.net.values(), ZERO)
    return compare(
        recorded.rows,
        net,
        paper,
        lambda assumed: World(recorded, run.head, an_engine(run), assumed, iter(run.lines)),
    )


def changing(totals: Mapping[str, Figures]) -> set[str]:
    """Return the causes that change anything at all."""
    return {cause for cause, figures in totals.items() if figures != Figures()}


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
def test_with_all_else_equal_and_nobody_else_there_only_our_fills_are_left(seed: int) -> None:
    found = beside(a_run(seed), Paper())
    assert len(found.run.outcomes) >= 5
    assert changing(found.totals()) == {OUR_FILLS}
    first = found.steps[0]
    assert first.parted_seq is None, "until what we took is remembered, paper is the run itself"
    assert (first.rows.pairs, first.rows.orders) == (found.run.rows.pairs, found.run.rows.orders), "to the last instant"


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("kind", "paper"),
    [("alone", Paper()), ("rivals", Paper()), ("refused", Paper()), ("alone", POOR), ("rivals", ALL), ("refused", ALL)],
)
def test_the_differences_of_all_causes_add_up_exactly_for_every_pair_and_in_all(
    seed: int, kind: str, paper: Paper
) -> None:
    found = beside(a_run(seed, kind), paper)
    assert found.other() == 0
    run, ends, sums = Figures(), Figures(), Figures()
    for key in found.keys:
        before, after = figures_of(found.run.outcomes.get(key)), figures_of(found.paper.outcomes.get(key))
        causes = found.causes(key)
        summed = before
        for cause in CAUSES:
            summed = summed.plus(causes[cause])
        assert summed == after, key
        run, ends = run.plus(before), ends.plus(after)
    for figures in found.totals().values():
        sums = sums.plus(figures)
    assert run.plus(sums) == ends
    assert (run.net, ends.net) == (found.run.net, found.paper.net), "as the two engines counted it themselves"


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "paper", "cause"), [
    ("rivals", Paper(), RIVALS),
    ("refused", Paper(), ANSWERS),
    ("alone", SLOW, LATENCY),
    ("alone", DEAR, FEES),
    ("alone", POOR, BALANCES),
])  # fmt: skip
def test_a_cause_that_varies_alone_is_named(kind: str, paper: Paper, cause: str) -> None:
    others = {RIVALS, ANSWERS} if cause in (RIVALS, ANSWERS) else {cause}
    met = 0  # what is drawn may meet no order in a run
    for seed in SEEDS:
        found = beside(a_run(seed, kind), paper)
        causes = changing(found.totals())
        assert causes <= {OUR_FILLS} | others
        if cause in causes:
            met += 1
            named = [pair["why"] for pair in document_of(found)["by_pair"]]
            assert any(cause in why for why in named), named
    assert met >= len(SEEDS) // 2


@pytest.mark.parametrize("seed", SEEDS)
def test_all_worlds_are_the_run_itself_until_its_first_order(seed: int) -> None:
    run = a_run(seed, "rivals")
    recorded, _ = recorded_of(run)
    assert recorded.first_order is not None
    event, _ = recorded.first_order
    for step in beside(run, SLOW).steps:
        assert step.parted_seq is not None and step.parted_seq >= event.seq, step.cause


def test_a_route_that_is_paused_on_paper_alone_is_named_as_a_consequence_of_our_fills() -> None:
    found = beside(a_run(1), Paper())
    both, alone = "DOGE/USDT: the edge stands, said the run", "DOGE/USDT: the edge stands"
    found.run.rows.paused.append(both)
    found.paper.rows.paused += [both, alone, alone]
    document = document_of(found)
    assert document["consequences"] == [
        {"cause": OUR_FILLS, "what": "edge_implausible", "since": OUR_FILLS, "text": alone}
    ]
    assert tables_of(_whole(document))["because_of_our_fills"] == [alone]


def test_the_same_tape_gives_the_same_report() -> None:
    run = a_run(1, "rivals")
    assert document_of(beside(run, ALL)) == document_of(beside(run, ALL))


def test_a_person_reads_from_the_run_down_to_paper() -> None:
    shown = tables_of(_whole(document_of(beside(a_run(1, "rivals"), ALL))))
    assert [row[""] for row in shown["net_in_USDT"]] == ["the run", *CAUSES, "paper"]
    assert all(row["why"] for row in shown["pair_by_pair"] if row["difference"] != "0")


def _whole(document: dict[str, object]) -> dict[str, object]:
    """Return a document with what the command adds to it."""
    return {
        "quote": "USDT",
        "until_first_order": {"decisions": 1, "order": None, "difference": None},
        "assumed": [],
        **document,
    }
