"""Moves between venues: the cheapest that meet the bands, never more than is free, and one reason where there are none."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.core.accounts.move_search import Arc, Node, cheapest
from arb.core.accounts.rebalance import AssetPlan, plan_moves
from arb.core.messages.settings import Band
from arb.core.state.positions.holdings import Held
from arb.market.wallets import CurrencyChain, Wallets
from tests.builders import D

SHARE = Band(low_share=D("0.2"), target_share=D("0.5"), high_share=D("0.8"))
ONE_PERCENT = D(100)
VENUES = ("bitget", "gate", "okx")


def amounts(low: str, target: str, high: str) -> Band:
    return Band(low_amount=D(low), target_amount=D(target), high_amount=D(high))


def a_chain(**changes: object) -> CurrencyChain:
    listed: dict[str, object] = {"asset": "BTC", "named": "BTC", "chain": "bitcoin", "contract": "native"}
    facts: dict[str, object] = {"deposit": True, "withdrawal": True, "withdrawal_fee": D("0.0001")}
    return CurrencyChain(**(listed | facts | changes))  # type: ignore[arg-type]


def wallets(**chains: Sequence[CurrencyChain]) -> Wallets:
    """Return the lists of these venues; without any, each has one open chain that costs 0.0001."""
    known = Wallets()
    for venue, listed in (chains or {venue: [a_chain()] for venue in VENUES}).items():
        known.take(venue, ("BTC",), listed)
    return known


def planned(
    bands: Mapping[str, Band],
    held: Mapping[str, str | tuple[str, str]],
    known: Wallets | None = None,
    max_cost_bps: Decimal | None = ONE_PERCENT,
    fees: Mapping[str, Decimal] | None = None,
) -> AssetPlan:
    lists = known or wallets()
    holdings = {
        venue: Held(D(one), D(one)) if isinstance(one, str) else Held(*map(D, one)) for venue, one in held.items()
    }
    return plan_moves("BTC", bands, holdings, lambda one, other: lists.way("BTC", one, other), max_cost_bps, fees)


def because(plan: AssetPlan) -> str:
    assert plan.moves == ()
    (refused,) = plan.refused
    return refused.because


def test_bands_that_are_met_need_no_moves() -> None:
    assert planned(dict.fromkeys(("gate", "okx"), SHARE), {"gate": "0.8", "okx": "1.2"}) == (
        (),
        (),
        {"gate": D("0.8"), "okx": D("1.2")},
    )


def test_a_drained_venue_is_brought_back_to_its_target_and_no_further() -> None:
    plan = planned(dict.fromkeys(("gate", "okx"), SHARE), {"gate": "1.9", "okx": "0.1"})
    (move,) = plan.moves
    assert (move.from_venue, move.to_venue, move.chain) == ("gate", "okx", "bitcoin")
    assert (move.amount, move.fee, move.arrives) == (D("0.9"), D("0.0001"), D("0.8999"))
    assert plan.after == {"gate": D(1), "okx": D("0.9999")}
    assert plan.refused == ()


def test_where_targets_cannot_be_reached_a_giver_goes_below_its_own_but_not_out_of_its_band() -> None:
    bands = {"gate": amounts("0.5", "1", "2"), "okx": amounts("0.4", "1", "2")}
    plan = planned(bands, {"gate": "1", "okx": "0"})
    assert plan.after == {"gate": D("0.5999"), "okx": D("0.4")}


def test_the_cheaper_chain_is_taken_unless_its_minimum_is_too_high() -> None:
    dear, cheap = a_chain(), a_chain(named="BTCLN", chain="lightning", withdrawal_fee=D("0.00001"))
    both = wallets(gate=[dear, cheap], okx=[dear, cheap])
    held = {"gate": "1.9", "okx": "0.1"}
    bands = dict.fromkeys(("gate", "okx"), SHARE)
    assert planned(bands, held, both).moves[0].chain == "lightning"
    high = a_chain(named="BTCLN", chain="lightning", withdrawal_fee=D("0.00001"), deposit_min=D(5))
    assert planned(bands, held, wallets(gate=[dear, high], okx=[dear, high])).moves[0].chain == "bitcoin"


def test_one_giver_with_enough_is_cheaper_than_two() -> None:
    bands = dict.fromkeys(VENUES, amounts("0.5", "1", "2"))
    plan = planned(bands, {"bitget": "1.4", "gate": "1.6", "okx": "0"})
    (move,) = plan.moves
    assert (move.from_venue, move.arrives) == ("gate", D("0.5999"))


def test_two_givers_serve_where_neither_can_alone() -> None:
    bands = {"bitget": amounts("1", "1.1", "2"), "gate": amounts("1", "1.1", "2"), "okx": amounts("0.5", "0.6", "2")}
    plan = planned(bands, {"bitget": "1.3", "gate": "1.4", "okx": "0"})
    assert {move.from_venue for move in plan.moves} == {"bitget", "gate"}
    assert plan.after["okx"] >= D("0.5")


def test_what_a_venue_holds_too_much_of_goes_where_there_is_room() -> None:
    bands = {"gate": amounts("0", "1", "2"), "okx": amounts("0", "1", "4")}
    plan = planned(bands, {"gate": "5", "okx": "1"})
    (move,) = plan.moves
    assert (move.from_venue, move.to_venue) == ("gate", "okx")
    assert plan.after["gate"] == 2, "no more than must be: okx has what it should"


def test_a_rate_is_charged_on_top_of_the_fixed_fee() -> None:
    taxed = a_chain(withdrawal_fee_rate=D("0.001"))
    plan = planned(dict.fromkeys(("gate", "okx"), SHARE), {"gate": "2", "okx": "0"}, wallets(gate=[taxed], okx=[taxed]))
    (move,) = plan.moves
    assert move.amount == 1
    assert move.fee == D("0.0001") + (move.arrives * D("0.001")).quantize(D("1e-8"), "ROUND_UP")


def test_a_move_says_how_little_may_be_moved_and_how_long_it_takes() -> None:
    out, into = a_chain(withdrawal_min=D("0.001")), a_chain(deposit_min=D("0.002"), confirmations=2, arrival_s=1200)
    (move,) = planned(
        dict.fromkeys(("gate", "okx"), SHARE), {"gate": "2", "okx": "0"}, wallets(gate=[out], okx=[into])
    ).moves
    assert (move.minimum, move.confirmations, move.arrival_s) == (D("0.002"), 2, 1200)


def test_a_fee_that_a_venue_does_not_say_is_what_the_user_states() -> None:
    silent = wallets(gate=[a_chain(withdrawal_fee=None)], okx=[a_chain()])
    assert because(planned(SCARCE, EMPTY, silent)) == (
        "needs 0.1 BTC more: gate lists no withdrawal fee: state it (--fee gate:BTC=AMOUNT)"
    )
    (move,) = planned(SCARCE, EMPTY, silent, fees={"gate": D("0.0005")}).moves
    assert move.fee == D("0.0005")


SCARCE = {"gate": amounts("1", "2", "3"), "okx": amounts("0.1", "0.5", "3")}
EMPTY = {"gate": "2", "okx": "0"}


@pytest.mark.parametrize(
    ("bands", "held", "known", "said"),
    [
        (SCARCE, EMPTY, wallets(okx=[a_chain()]), "needs 0.1 BTC more: gate to okx: gate did not show its wallets"),
        (SCARCE, EMPTY, wallets(gate=[a_chain(withdrawal=False)], okx=[a_chain()]), "gate to okx: gate lets none out"),
        (SCARCE, EMPTY, wallets(gate=[a_chain()], okx=[a_chain(deposit=False)]), "gate to okx: okx takes none in"),
        (
            SCARCE,
            EMPTY,
            wallets(gate=[a_chain(withdrawal=None)], okx=[a_chain()]),
            "gate to okx: gate or okx does not show whether its wallets are open",
        ),
        (
            SCARCE,
            EMPTY,
            wallets(gate=[a_chain(withdrawal_min=D("1.5"))], okx=[a_chain()]),
            "needs 0.1 BTC more: no less than 1.5 BTC can be moved on any open chain",
        ),
        (
            SCARCE,
            EMPTY,
            wallets(gate=[a_chain(withdrawal_fee=D("0.4"))], okx=[a_chain()]),
            "needs 0.1 BTC more: that costs 40000 bps of the arriving amount, and 100 are allowed (--max-cost-bps)",
        ),
        (SCARCE, {"gate": ("2", "1"), "okx": "0"} | {"gate": ("2", "0")}, None, "are locked or reserved"),
        (
            SCARCE,
            {"gate": "1.05", "okx": "0"},
            None,
            "needs 0.1 BTC more: the other venues with a band can spare too little",
        ),
        (SCARCE, {"gate": "4", "okx": "3"}, None, "needs 1 BTC less: the other venues with a band can take too little"),
        ({"okx": SCARCE["okx"]}, EMPTY, None, "the other venues with a band can spare too little"),
    ],
)
def test_a_band_that_cannot_be_met_is_refused_with_the_first_thing_that_stands_against_it(
    bands: dict[str, Band], held: dict[str, str | tuple[str, str]], known: Wallets | None, said: str
) -> None:
    assert said in because(planned(bands, held, known))


def test_a_dear_move_is_planned_when_it_is_asked_for() -> None:
    dear = wallets(gate=[a_chain(withdrawal_fee=D("0.4"))], okx=[a_chain()])
    (move,) = planned(SCARCE, EMPTY, dear, max_cost_bps=None).moves
    assert move.fee == D("0.4")


def test_where_not_all_can_be_met_as_many_are_as_can_be() -> None:
    bands = dict.fromkeys(VENUES, amounts("0.5", "1", "2"))
    plan = planned(bands, {"bitget": "0", "gate": "1.2", "okx": "0.3"})
    assert [(move.from_venue, move.to_venue) for move in plan.moves] == [("gate", "bitget")]
    (refused,) = plan.refused
    assert refused.venue == "okx"
    assert refused.because == "needs 0.2 BTC more: other bands take precedence: ask again once those moves have arrived"


def test_a_venue_never_sends_on_what_has_yet_to_arrive() -> None:
    """gate has too much, okx too little, and only bitget's wallet leads from the one to the other."""
    known = wallets(
        gate=[a_chain(chain="lightning")],
        bitget=[a_chain(), a_chain(chain="lightning")],
        okx=[a_chain()],
    )
    bands = {"gate": amounts("0", "1", "2"), "bitget": amounts("0", "1", "3"), "okx": amounts("1", "2", "3")}
    plan = planned(bands, {"gate": "3", "bitget": "1", "okx": "0.5"}, known)
    (move,) = plan.moves
    (refused,) = plan.refused
    assert {move.from_venue, move.to_venue, refused.venue} == {"gate", "bitget", "okx"}
    assert refused.because.endswith("other bands take precedence: ask again once those moves have arrived")
    full = planned(bands, {"gate": "3", "bitget": "2.9", "okx": "0.5"}, known)
    assert [(move.from_venue, move.to_venue) for move in full.moves] == [("bitget", "okx")]
    assert "gate to okx: no chain" in full.refused[0].because


# What must always hold. Small whole numbers of 1e-8, so that every set of amounts can be tried.

UNITS = st.integers(0, 9)
NODES = st.builds(
    lambda held, free, edges: Node(held, min(held, free), *sorted(edges)),
    UNITS,
    UNITS,
    st.tuples(UNITS, UNITS, UNITS),
)
ARCS = st.builds(
    lambda ends, fee, rate, least: Arc(ends[0], ends[1], None, fee, Fraction(rate, 4), least),
    st.sampled_from([(one, other) for one in VENUES for other in VENUES if one != other]),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(1, 3),
)


def every_set(nodes: dict[str, Node], must: Sequence[str], arcs: Sequence[Arc]) -> Iterator[tuple[int, int, int]]:
    """Yield cost, moves and distance from the targets of every set of moves that would do."""
    for size in (1, 2):
        for chosen in combinations(arcs, size):
            if {arc.source for arc in chosen} & {arc.target for arc in chosen}:
                continue
            if size == 2 and {*chosen[0][:2]} == {*chosen[1][:2]}:
                continue
            for carried in product(range(1, 10), repeat=size):
                after = {venue: node.held for venue, node in nodes.items()}
                sent = dict.fromkeys(nodes, 0)
                for arc, arrives in zip(chosen, carried, strict=True):
                    after[arc.source] -= arc.leaves(arrives)
                    sent[arc.source] += arc.leaves(arrives)
                    after[arc.target] += arrives
                if _does(nodes, must, after, sent) and all(
                    arrives >= arc.least for arc, arrives in zip(chosen, carried, strict=True)
                ):
                    cost = sum(arc.leaves(arrives) - arrives for arc, arrives in zip(chosen, carried, strict=True))
                    off = sum(abs(after[venue] - node.target) for venue, node in nodes.items())
                    yield cost, size, off


def _does(nodes: dict[str, Node], must: Sequence[str], after: dict[str, int], sent: dict[str, int]) -> bool:
    for venue, node in nodes.items():
        if sent[venue] > node.free or (venue in must and not node.low <= after[venue] <= node.high):
            return False
        if sent[venue] and after[venue] < node.low:
            return False
        if after[venue] > max(node.high, node.held):
            return False
    return True


@given(
    nodes=st.tuples(NODES, NODES, NODES), arcs=st.lists(ARCS, max_size=5, unique_by=lambda arc: arc[:2]), data=st.data()
)
def test_no_set_of_moves_is_cheaper_and_where_one_would_do_one_is_found(
    nodes: tuple[Node, ...], arcs: list[Arc], data: st.DataObject
) -> None:
    named = dict(zip(VENUES, nodes, strict=True))
    wanted = [venue for venue, node in named.items() if node.short or node.over]
    must = data.draw(st.lists(st.sampled_from(wanted), min_size=1, unique=True)) if wanted else []
    useful = [
        arc
        for arc in arcs
        if not named[arc.source].short
        and not named[arc.target].over
        and (named[arc.source].over or named[arc.target].short)
    ]
    if not must:
        return
    possible = sorted(every_set(named, must, useful))
    found = cheapest(named, must, useful)
    assert (found is None) == (not possible)
    if found is not None and all(not arc.rate for arc in useful):
        assert found.cost == possible[0][0]


HOLDINGS = st.tuples(st.decimals(0, 50, places=4), st.integers(0, 100)).map(
    lambda drawn: Held(drawn[0], drawn[0] * drawn[1] / 100)
)
LISTS = st.lists(
    st.builds(
        a_chain,
        chain=st.sampled_from(("bitcoin", "lightning", "ethereum")),
        deposit=st.sampled_from((True, True, False, None)),
        withdrawal=st.sampled_from((True, True, False, None)),
        withdrawal_fee=st.one_of(st.none(), st.decimals(0, 2, places=4)),
        withdrawal_fee_rate=st.sampled_from((None, D("0.001"), D("0.05"))),
        withdrawal_min=st.one_of(st.none(), st.decimals(0, 3, places=3)),
        deposit_min=st.one_of(st.none(), st.decimals(0, 3, places=3)),
    ),
    max_size=3,
    unique_by=lambda chain: chain.chain,
)
EDGES = st.lists(st.integers(0, 1000), min_size=3, max_size=3, unique=True).map(sorted)
BANDS = st.one_of(
    EDGES.map(lambda edges: amounts(*(str(D(edge) / 20) for edge in edges))),
    EDGES.map(lambda edges: Band(**dict(zip(Band.__struct_fields__, (D(edge) / 1000 for edge in edges))))),  # noqa: B905
)


@given(
    bands=st.dictionaries(st.sampled_from(VENUES), BANDS, min_size=1),
    held=st.fixed_dictionaries(dict.fromkeys(VENUES, HOLDINGS)),
    lists=st.fixed_dictionaries(dict.fromkeys(VENUES, LISTS)),
    max_cost_bps=st.one_of(st.none(), st.sampled_from((D(0), D(50), D(1000)))),
)
def test_no_more_is_planned_than_is_free_nor_at_more_cost_than_allowed_and_nothing_vanishes_but_the_fees(
    bands: dict[str, Band],
    held: dict[str, Held],
    lists: dict[str, list[CurrencyChain]],
    max_cost_bps: Decimal | None,
) -> None:
    known = wallets(**lists)
    plan = plan_moves("BTC", bands, held, lambda one, other: known.way("BTC", one, other), max_cost_bps)
    for venue in VENUES:
        assert sum((move.amount for move in plan.moves if move.from_venue == venue), D(0)) <= held[venue].free
    for move in plan.moves:
        assert move.amount == move.arrives + move.fee
        assert move.arrives > 0
        assert move.arrives >= (move.minimum or 0)
        assert max_cost_bps is None or move.fee * 10_000 <= max_cost_bps * move.arrives
        way = known.way("BTC", move.from_venue, move.to_venue)
        assert any(chain.is_open and chain.out.chain == move.chain for chain in way.chains)
    fees = sum((move.fee for move in plan.moves), D(0))
    assert sum(plan.after.values(), D(0)) + fees == sum((held[venue].total for venue in plan.after), D(0))
    refused = {one.venue for one in plan.refused}
    in_all = sum((Fraction(one.total) for one in held.values()), Fraction(0))
    for venue, band in bands.items():
        low, _, high = band.edges(in_all)
        was_met, is_met = (low <= Fraction(amount) <= high for amount in (held[venue].total, plan.after[venue]))
        assert is_met or (venue in refused and not was_met)
        assert not (is_met and venue in refused and not plan.moves)
    assert all(one.because for one in plan.refused)
