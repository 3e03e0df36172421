"""What stands on the screen when a run has ended: what needs a person, and the command to type next."""

import decimal
from typing import Any

import pytest

from arb.cli.ending import ending
from arb.errors import EXIT_HALTED, EXIT_OK


def a_summary(**changed: Any) -> dict[str, Any]:
    """Return the summary of a run in which all went well."""
    pairs = {"opened": 3, "completed": 2, "unwound": 1, "carried": 0, "abandoned": 0, "halted": 0, "open": 0}
    summary: dict[str, Any] = {
        "mode": "sandbox",
        "run_id": 1795449726,
        "seconds": 3725.2,
        "opportunities": 9,
        "not_taken": {"rate_budget": 5, "halted": 1},
        "pairs": pairs | changed.pop("pairs", {}),
        "orders": 7,
        "fills": 11,
        "net": {"USDT": "-12.345"},
        "unproved": {"pairs": 0, "net": {}},
        "fees": {"BTC": "0.000123", "USDT": "1.5"},
        "unhedged_notional": "0",
        "unhedged": [],
        "dust": {},
        "venue_health": {"gate": {"state": "healthy", "cause": ""}},
        "books": {"gate": "5/5", "okx": "4/5"},
        "unknown_orders": 0,
        "incidents": 0,
        "halted": None,
        "absent_venues": {},
        "stopped_assets": {},
        "barred_symbols": {},
        "ceiling_net": {},
        "db": "sqlite:///var/sandbox.sqlite",
    }
    return summary | changed


def test_a_run_that_went_well_takes_eight_lines_and_names_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimal.getcontext(), "rounding", decimal.ROUND_HALF_UP)  # as ccxt leaves it behind
    assert ending(a_summary(), EXIT_OK, ["--db 'sqlite:///my own.sqlite'"]).splitlines() == [
        "run        1795449726 (sandbox), 1 h 2 min, books live at the end: gate 5/5, okx 4/5",
        "net        -12.34 USDT after fees of 1.50 USDT + 0.00012 BTC",
        "pairs      3: 2 completed, 1 unwound; 7 orders, 11 fills",
        "not taken  6 of 9 opportunities: rate_budget 5, halted 1",
        "unhedged   0.00",
        "state      nothing halted, nothing open, no incident",
        "ledger     sqlite:///var/sandbox.sqlite",
        "next       arb report --db 'sqlite:///my own.sqlite'    (or arb pairs, arb explain ID)",
    ]


@pytest.mark.parametrize(
    ("changed", "code", "state", "following"),
    [
        ({"halted": "asked"}, EXIT_HALTED, "HALTED: asked", "arb resume --reason TEXT)"),
        (
            {"halted": "daily_loss_quote"},
            EXIT_HALTED,
            "HALTED: daily_loss_quote",
            "arb resume --reason TEXT --allow-loss QUOTE)",
        ),
        ({"pairs": {"open": 2}}, EXIT_HALTED, "2 pairs still open", "(the next arb run finishes open pairs)"),
        ({"pairs": {"opened": 0}}, EXIT_OK, "nothing halted", "(why nothing was taken)"),
        ({"unknown_orders": 1, "incidents": 4}, EXIT_OK, "1 orders unknown, incidents: 4", "arb report"),
    ],
)
def test_what_needs_a_person_stands_in_the_state_and_decides_what_comes_next(
    changed: dict[str, Any], code: int, state: str, following: str
) -> None:
    lines = dict(line.split(maxsplit=1) for line in ending(a_summary(**changed), code, []).splitlines())
    assert state in lines["state"] and following in lines["next"]


def test_what_is_unhedged_is_named_with_its_worth_and_what_a_venue_calls_an_asset_moves_no_cursor() -> None:
    row = {"asset": "X\x1b[2J", "size": "0.00345", "value": "120.5", "age_ms": 5}
    text = ending(a_summary(unhedged=[row], unhedged_notional="120.5", dust={"BTC": "0.0000001"}), EXIT_OK, [])
    assert "120.50 (0.0034 X" in text and "dust: 0.00000010 BTC" in text and "\x1b" not in text


def test_the_mark_of_simulated_orders_stands_first() -> None:
    assert ending(a_summary(note="PAPER: simulated"), EXIT_OK, []).splitlines()[0] == "PAPER: simulated"


def test_on_a_terminal_fewer_are_named_rather_than_lines_broken_and_what_is_longer_is_indented() -> None:
    reasons = {"edge_below_threshold": 206, "rate_budget": 188, "pair_in_flight": 47, "halted": 15, "stale_book": 10}
    fees = {"USDT": "1185.98", "BTC": "0.0051", "DOGE": "1760.63", "ETH": "0.072", "NOVA": "5"}
    summary = a_summary(opportunities=936, not_taken=reasons, fees=fees, books=dict.fromkeys("abcdefghijkl", "100/100"))
    lines = ending(summary, EXIT_OK, [], 80).splitlines()
    assert all(len(line) <= 80 for line in lines) and [line for line in lines if line.startswith(" ")] == lines[1:3]
    (net,), (not_taken,) = ([line for line in lines if line.startswith(name)] for name in ("net", "not taken"))
    assert net == "net        -12.34 USDT after fees of 1185.98 USDT + 0.0051 BTC + 3 more"
    assert not_taken == "not taken  466 of 936 opportunities: edge_below_threshold 206, others 260"
    assert len(ending(summary, EXIT_OK, [], 200).splitlines()) == 8
