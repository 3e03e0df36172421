"""Every cent explained, by the thousand pairs: the engine's waterfalls, a reference written apart, and two databases agree.

`ARB_PAIRS=10000` says how many pairs; by default a twentieth of that.
"""

import os
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import FillRecord, OrderRecord, PairRecord
from arb.core.messages.recovery_records import PlanRecord
from arb.market.instrument import FeeIn
from arb.market.symbol import Symbol
from arb.store.ledger.tables import WATERFALL
from tests.support.cookbook import ask
from tests.support.history import fill_ledger
from tests.support.many_pairs import markets

PAIRS = int(os.environ.get("ARB_PAIRS", "500"))
E8 = 10**8
ZERO = Fraction(0)
Filled = tuple[OrderRecord, FillRecord]


class Story:
    """What a ledger holds of one pair, and the plan it was decided on."""

    def __init__(self, plan: PlanRecord, pair: PairRecord, filled: list[Filled]) -> None:
        self.plan, self.pair, self.filled = plan, pair, filled
        self.inherited = Fraction(plan.residual) if pair.kind == "dust" else ZERO
        self.handed, self.handed_at = Fraction(pair.handed_size), Fraction(pair.handed_value)

    def of(self, *, entry: bool, side: str | None = None) -> list[FillRecord]:
        return [f for o, f in self.filled if (o.role == "entry") is entry and side in (None, str(f.side))]


def charged(fills: Iterable[FillRecord], where: str) -> Fraction:
    """Return the fees taken in `quote`, in `base`, or elsewhere at the quote value the ledger gives them."""
    total = ZERO
    for fill in fills:
        base, quote = Symbol.of(fill.symbol).base_and_quote
        place = {base: "base", quote: "quote"}.get(fill.fee_currency, "elsewhere")
        if place == where:
            total += Fraction(fill.fee_quote_value if where == "elsewhere" else fill.fee)
    return total


def size(fills: Iterable[FillRecord]) -> Fraction:
    return sum((Fraction(f.size) for f in fills), ZERO)


def notional(fills: Iterable[FillRecord]) -> Fraction:
    return sum((Fraction(f.size) * Fraction(f.price) for f in fills), ZERO)


def base_change(fills: list[FillRecord]) -> Fraction:
    signed = sum((Fraction(f.size) * (1 if f.side == "buy" else -1) for f in fills), ZERO)
    return signed - charged(fills, "base")


def quote_change(fills: list[FillRecord]) -> Fraction:
    signed = sum((Fraction(f.size) * Fraction(f.price) * (-1 if f.side == "buy" else 1) for f in fills), ZERO)
    return signed - charged(fills, "quote")


def reference(story: Story) -> dict[str, Fraction]:
    """Return the terms of the waterfall (the page SCHEMA.md), letter by letter, from rows alone."""
    plan, buys, sells = story.plan, story.of(entry=True, side="buy"), story.of(entry=True, side="sell")
    entries, repairs = [*buys, *sells], story.of(entry=False)
    q, s, Va, Vb = map(Fraction, (plan.buy_size, plan.sell_size, plan.buy_vwap, plan.sell_vwap))
    fA, fB = Fraction(plan.buy_fee), Fraction(plan.sell_fee)
    in_base = plan.buy_fee_in is FeeIn.BASE
    gA, nA = (Fraction(1), 1 - fA) if in_base else (1 + fA, Fraction(1))
    m0 = Fraction(plan.residual_value) / Fraction(plan.residual) if plan.residual else Fraction(plan.mark)
    m1 = Fraction(story.pair.residual_mark or 0)
    fq, fs, phi = size(buys), size(sells), charged(entries, "base")
    Fa, Fb, X = charged(buys, "quote"), charged(sells, "quote"), charged(entries, "elsewhere")
    H, h = quote_change(repairs) - charged(repairs, "elsewhere"), base_change(repairs)
    R = fq - phi - fs + h + story.inherited
    # What another pair took over, before a late fill reopened this one, stays at the value at which it had been booked.
    left = (R - story.handed) * m1 + story.handed_at
    changed = quote_change(entries) + quote_change(repairs)
    elsewhere = X + charged(repairs, "elsewhere")
    return {
        "expected_net_e8": (1 - fB) * s * Vb + (q * nA - s) * m0 - gA * q * Va,
        "buy_slippage_e8": fq * Va - notional(buys),
        "sell_slippage_e8": notional(sells) - fs * Vb,
        "size_shortfall_e8": (q - fq) * (Va * gA - nA * m0) - (s - fs) * (Vb * (1 - fB) - m0),
        "fee_difference_e8": (fs * Vb * fB - Fb) - X + (fq * Va * (gA - 1) - Fa) + (fq * (1 - nA) - phi) * m0,
        "hedge_cost_e8": H + h * m0,
        "residual_change_e8": left - R * m0,
        "realised_net_e8": changed - elsewhere + left - story.inherited * m0,
    }


def rounded(terms: dict[str, Fraction]) -> dict[str, int]:
    """Round half-even to 1e-8; what that adds up to goes into the residual's change."""
    whole = {name: round(value * E8) for name, value in terms.items()}
    others = sum(value for name, value in whole.items() if name not in ("residual_change_e8", "realised_net_e8"))
    return whole | {"residual_change_e8": whole["realised_net_e8"] - others}


def stories(plans: dict[int, PlanRecord], rows: list[AnyRecord]) -> list[Story]:
    pairs = {row.id: row for row in rows if isinstance(row, PairRecord)}
    orders = {row.id: row for row in rows if isinstance(row, OrderRecord)}
    filled: defaultdict[int | None, list[Filled]] = defaultdict(list)
    for row in rows:
        if isinstance(row, FillRecord):
            filled[orders[row.order_id].pair_trade_id].append((orders[row.order_id], row))
    return [Story(plans[pair_id], pair, filled[pair_id]) for pair_id, pair in pairs.items()]


class Traded:
    """All that was traded, as rows, as the reference sees it, and as the accounts moved."""

    def __init__(self) -> None:
        self.rows: list[AnyRecord] = []
        self.stories: list[Story] = []
        self.moved: defaultdict[str, Fraction] = defaultdict(Fraction)
        for market, rows in markets(PAIRS):
            self.rows += rows
            self.stories += stories(market.plans(), rows)
            for (_, asset), amount in market.moved.items():
                self.moved[asset] += Fraction(amount)


@pytest.fixture(scope="module")
def traded() -> Traded:
    return Traded()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, traded: Traded, tmp_path: Path) -> str:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/exact.sqlite" if sqlite else str(request.getfixturevalue("postgres_url"))
    fill_ledger(url, traded.rows)
    return url


@pytest.mark.thorough
def test_there_is_something_of_everything(traded: Traded) -> None:
    assert sum(story.pair.kind == "arb" for story in traded.stories) == PAIRS
    assert {str(o.role) for story in traded.stories for o, _ in story.filled} == {"entry", "hedge", "unwind", "dust"}
    fees = {(f.fee_currency, f.fee > 0) for story in traded.stories for _, f in story.filled if f.fee}
    assert fees >= {("USDT", True), ("USDT", False), ("BTC", True), ("GT", True)}
    assert {str(story.pair.state) for story in traded.stories} >= {"completed", "unwound"}
    assert sum(not story.filled for story in traded.stories) > 0
    assert sum(story.pair.residual_size != 0 for story in traded.stories) > PAIRS // 10


def test_every_term_of_every_pair_is_what_the_reference_says(traded: Traded) -> None:
    for story in traded.stories:
        found = story.pair.waterfall
        assert found is not None
        wanted = rounded(reference(story))
        assert {name: getattr(found, name) for name in wanted} == wanted, story.pair


def test_the_terms_are_an_identity_before_they_are_rounded(traded: Traded) -> None:
    for story in traded.stories:
        *parts, realised = reference(story).values()
        assert sum(parts) == realised


def test_what_was_earned_is_what_the_accounts_moved_by(traded: Traded) -> None:
    """Quote that came in, less points at their value, plus what is left at its marks: to the last digit before rounding."""
    elsewhere = sum((charged((f for _, f in story.filled), "elsewhere") for story in traded.stories), ZERO)
    left = in_stock = realised = ZERO
    for story in traded.stories:
        residual = Fraction(story.pair.residual_size)
        m0 = Fraction(story.plan.residual_value) / Fraction(story.plan.residual) if story.inherited else ZERO
        left += (
            (residual - story.handed) * Fraction(story.pair.residual_mark or 0) + story.handed_at - story.inherited * m0
        )
        in_stock += residual - story.inherited
        realised += reference(story)["realised_net_e8"]
    assert in_stock == traded.moved["BTC"]
    assert realised == traded.moved["USDT"] - elsewhere + left
    booked = sum(story.pair.waterfall.realised_net_e8 for story in traded.stories if story.pair.waterfall)
    assert abs(booked - realised * E8) <= Fraction(len(traded.stories), 2)


@pytest.mark.thorough
def test_plain_sums_are_exact_on_both_databases(traded: Traded, ledger: str) -> None:
    wanted: defaultdict[str, int] = defaultdict(int)
    for story in traded.stories:
        for name, value in rounded(reference(story)).items():
            wanted[name] += value
    columns = ", ".join(f"SUM({name})" for name in WATERFALL)
    (sums,) = ask(ledger, f"SELECT {columns} FROM pair_trades").rows
    assert [int(value) for value in sums] == [wanted[name] for name in WATERFALL]
    assert sum(map(int, sums[:-1])) == int(sums[-1])
    total = " + ".join(WATERFALL[:-1])
    broken = f"SELECT COUNT(*) FROM pair_trades WHERE realised_net_e8 IS NULL OR {total} <> realised_net_e8"
    assert ask(ledger, broken).rows == [(0,)]
    assert one(ledger, "SELECT COUNT(*) FROM pair_trades") == len(traded.stories)
    assert one(ledger, "SELECT SUM(trading_net_e8) FROM v_daily_pnl") == wanted["realised_net_e8"]
    fees = sum(round(Fraction(f.fee_quote_value) * E8) for story in traded.stories for _, f in story.filled)
    for view in ("v_pair_trades", "v_daily_pnl", "v_venue_quality"):
        assert one(ledger, f"SELECT SUM(fees_e8) FROM {view}") == fees


def one(ledger: str, sql: str) -> Any:
    ((value,),) = ask(ledger, sql).rows
    return int(value) if isinstance(value, Decimal) else value
