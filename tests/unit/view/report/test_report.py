"""`arb report` says what plain sums over the same rows say, on both databases."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import FillRecord, OrderRecord, PairKind, PairRecord
from arb.market.numbers import to_e8
from arb.market.order import Role
from arb.store.ledger.migrate import upgrade
from arb.view.report.summary import TERMS, Sources, summarise
from tests.support.history import a_history, fill_ledger

E8 = Decimal("1e-8")


@pytest.fixture(scope="module")
def history() -> list[AnyRecord]:
    return list(a_history(pairs=60, days=3))


@pytest.fixture(params=["sqlite", "postgresql"])
def report(request: pytest.FixtureRequest, history: list[AnyRecord], tmp_path: Path) -> dict[str, Any]:
    sqlite = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    fill_ledger(url, history)
    return summarise(Sources(url))


def closed(history: list[AnyRecord]) -> list[PairRecord]:
    """Return the last row of every pair that has a waterfall."""
    last = {row.id: row for row in history if isinstance(row, PairRecord)}
    return [row for row in last.values() if row.waterfall is not None]


def test_the_waterfall_is_the_sum_of_all_pairs_and_its_parts_are_the_net(
    report: dict[str, Any], history: list[AnyRecord]
) -> None:
    for quote, terms in report["waterfall"].items():
        rows = [row.waterfall for row in closed(history) if row.quote == quote]
        for term in TERMS:
            assert terms[term] == sum(getattr(row, f"{term}_e8") for row in rows) * E8
        assert sum(terms[term] for term in TERMS[:-1]) == terms["realised_net"] == report["net"][quote]


def test_what_legs_were_expected_to_cost_and_did_is_of_all_pairs_opened_on_edges(
    report: dict[str, Any], history: list[AnyRecord]
) -> None:
    known = [row for row in closed(history) if row.leg_cost_e8 is not None]
    assert 0 < len(known) < len(closed(history))
    for quote, cost in report["leg_cost"].items():
        rows = [row for row in closed(history) if row.quote == quote and row.kind is PairKind.ARB]
        lost_e8 = -sum(row.waterfall.size_shortfall_e8 + row.waterfall.hedge_cost_e8 for row in rows if row.waterfall)
        assert cost == {"expected": sum(row.leg_cost_e8 or 0 for row in rows) * E8, "realised": lost_e8 * E8}


def test_fees_are_told_per_asset_to_the_last_digit(report: dict[str, Any], history: list[AnyRecord]) -> None:
    own = {row.id for row in history if isinstance(row, OrderRecord) and row.role is not Role.FOREIGN}
    fees: dict[str, Decimal] = {}
    for row in history:
        if isinstance(row, FillRecord) and row.order_id in own:
            fees[row.fee_currency] = fees.get(row.fee_currency, Decimal(0)) + row.fee
    assert {asset: fee for asset, fee in report["fees"].items() if fee} == {a: f for a, f in fees.items() if f}


def test_planned_fees_stand_beside_those_charged_on_the_same_fills(
    report: dict[str, Any], history: list[AnyRecord]
) -> None:
    own = {row.id for row in history if isinstance(row, OrderRecord) and row.role is not Role.FOREIGN}
    fills = [row for row in history if isinstance(row, FillRecord) and row.order_id in own]
    known = [row for row in fills if row.fee_expected_e8 is not None]
    assert 0 < len(known) < len(fills)
    assert sum(row["fills"] for row in report["fees_planned"]) == len(known)
    assert sum(row["expected"] for row in report["fees_planned"]) == sum(row.fee_expected_e8 or 0 for row in known) * E8
    assert (
        sum(row["charged"] for row in report["fees_planned"]) == sum(to_e8(row.fee_quote_value) for row in known) * E8
    )


def test_the_average_unhedged_is_the_exposure_spread_over_the_time_traded(report: dict[str, Any]) -> None:
    for quote, quote_s in report["exposure_quote_s"].items():
        assert abs(report["unhedged_average"][quote] * report["run_seconds"] - quote_s) < report["run_seconds"] * E8


def test_days_and_routes_and_symbols_each_sum_to_the_same_net(report: dict[str, Any]) -> None:
    total = sum(report["net"].values())
    for part in ("days", "venue_pairs", "symbols"):
        assert sum(row["net"] for row in report[part]) == total


def test_a_venue_has_the_net_of_all_pairs_that_traded_there_on_either_side(
    report: dict[str, Any], history: list[AnyRecord]
) -> None:
    assert report["venues"]
    for venue in report["venues"]:
        mine = [
            row
            for row in closed(history)
            if row.quote == venue["quote"] and venue["venue"] in (row.buy_venue, row.sell_venue)
        ]
        assert venue["net"] == sum(row.waterfall.realised_net_e8 for row in mine if row.waterfall) * E8


def test_a_higher_threshold_never_keeps_more_pairs(report: dict[str, Any]) -> None:
    for quote in {row["quote"] for row in report["what_if"]}:
        kept = [row["pairs"] for row in report["what_if"] if row["quote"] == quote]
        assert kept == sorted(kept, reverse=True)
