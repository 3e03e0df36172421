"""`arb rebalance` at the command line: a plan by a running engine or the last run, and one line for what it cannot do."""

import asyncio
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from arb.cli import main
from arb.core.messages.settings import Limits
from arb.core.state.positions.holdings import Held, KnownInventory
from arb.live.control import ControlRequests, ControlServer
from arb.market.wallets import CurrencyChain
from arb.store.ledger.migrate import upgrade
from proofs.faultsim.disk import temporary_files
from proofs.faultsim.scenario import Scenario, plan_of
from proofs.faultsim.world import Simulation
from tests.builders import D

Captured = pytest.CaptureFixture[str]
SETTINGS = """
[run]
symbols = ["BTC/USDT", "SOL/USDT"]
[store]
url = "sqlite:///ledger.sqlite"
[venues.bitget]
enabled = false
"""
BANDS = """
[inventory.venue.gate.BTC]
low_share = "20%"
target_share = "50%"
high_share = "80%"
[inventory.venue.okx.BTC]
low_share = "20%"
target_share = "50%"
high_share = "80%"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(SETTINGS + BANDS)
    return tmp_path


def a_chain(asset: str = "BTC", **changes: Any) -> CurrencyChain:
    facts: dict[str, Any] = {
        "deposit": True,
        "withdrawal": True,
        "withdrawal_fee": D("0.0001"),
        "withdrawal_min": D("0.001"),
    }
    listed: dict[str, Any] = {
        "asset": asset,
        "named": "BTC",
        "chain": "bitcoin",
        "contract": "native",
        "arrival_s": 1200,
    }
    return CurrencyChain(**(listed | facts | changes))


def holding(gate: str, okx: str, /, **chains: tuple[CurrencyChain, ...]) -> KnownInventory:
    return KnownInventory(
        ns=1_800_000_000_000_000_000,
        held={"gate": {"BTC": Held(D(gate), D(gate))}, "okx": {"BTC": Held(D(okx), D(okx))}},
        chains=chains or {"gate": (a_chain(),), "okx": (a_chain(),)},
        prices={"BTC": D(60_000)},
    )


def asked(known: KnownInventory, *arguments: str) -> int:
    """Run the command while an engine that knows this listens; return the exit code."""

    journal = Path("ledger.journal.sqlite")
    journal.touch()

    async def served() -> int:
        server = ControlServer(journal, ControlRequests(journal, lambda event: "", dict, lambda: known).answer)
        await server.start()
        try:
            return await asyncio.to_thread(main, ["rebalance", *arguments])
        finally:
            await server.close()

    upgrade("sqlite:///ledger.sqlite")
    return asyncio.run(served())


def test_a_running_engine_is_asked_and_the_cheapest_moves_are_shown_with_fee_minimum_time_and_cost(
    capsys: Captured,
) -> None:
    assert asked(holding("1.9", "0.1"), "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    plan = msgspec.json.decode(out)
    assert plan["source"] == "the running engine"
    assert plan["known_at"].startswith("2027-01-15")
    assert plan["moves"] == [
        {
            "asset": "BTC",
            "from": "gate",
            "to": "okx",
            "chain": "bitcoin",
            "amount": "0.9",
            "fee": "0.0001",
            "arrives": "0.8999",
            "minimum": "0.001",
            "confirmations": None,
            "about_s": 1200,
            "cost_quote": "6.00000000",
        }
    ]
    assert (plan["refused"], plan["cost_quote"]) == ([], "6.00000000")
    gate, okx = plan["inventory"]
    assert (gate["held"], gate["low"], gate["position"], gate["after"]) == ("1.9", "0.4", 1.0, "1")
    assert (okx["venue"], okx["position"], okx["after"]) == ("okx", -1.0, "0.9999")


def test_bands_that_are_met_need_nothing(capsys: Captured) -> None:
    assert asked(holding("1", "1")) == 0
    assert "moves       none" in capsys.readouterr().out


def test_a_band_that_stays_unmet_is_one_line_and_exit_code_3_beside_the_plan(capsys: Captured) -> None:
    closed = holding("1.9", "0.1", gate=(a_chain(withdrawal=False),), okx=(a_chain(),))
    assert asked(closed, "--json") == 3
    out, err = capsys.readouterr()
    assert len(msgspec.json.decode(out)["refused"]) == 2
    assert err == (
        "arb: bands stay unmet: BTC at gate needs 0.3 BTC less: gate to okx: gate lets none out; BTC at okx needs 0.3 BTC "
        "more: gate to okx: gate lets none out\n"
    )


def test_what_moves_may_cost_is_asked_for(capsys: Captured) -> None:
    dear = holding("1.9", "0.1", gate=(a_chain(withdrawal_fee=D("0.05")),), okx=(a_chain(),))
    assert asked(dear, "--json") == 3
    assert "that costs 589 bps of the arriving amount, and 100 are allowed (--max-cost-bps)" in capsys.readouterr().err
    assert asked(dear, "--json", "--max-cost-bps", "1000") == 0


def test_a_fee_that_the_venue_does_not_say_can_be_stated(capsys: Captured) -> None:
    silent = holding("1.9", "0.1", gate=(a_chain(withdrawal_fee=None),), okx=(a_chain(),))
    assert asked(silent, "--json") == 3
    assert "(--fee gate:BTC=AMOUNT)" in capsys.readouterr().err
    assert asked(silent, "--json", "--fee", "gate:BTC=0.0005", "--fee", "okx:BTC=1") == 0
    assert msgspec.json.decode(capsys.readouterr().out)["moves"][0]["fee"] == "0.0005"


def test_shares_need_every_venue(capsys: Captured) -> None:
    known = msgspec.structs.replace(holding("1.9", "0.1"), held={"gate": {"BTC": Held(D(1), D(1))}})
    assert asked(known, "--json") == 3
    out, err = capsys.readouterr()
    assert [row["held"] for row in msgspec.json.decode(out)["inventory"]] == ["1", None]
    assert "BTC at gate what okx holds is not known; BTC at okx what okx holds is not known" in err


def test_without_an_engine_the_last_run_says_what_was_held(folder: Path, capsys: Captured) -> None:
    scenario = Scenario(
        strikes=(), symbols=("BTC/USDT", "SOL/USDT"), faults_ms=2000, limits=Limits(min_edge_bps=Decimal(3))
    )
    with temporary_files() as files:
        outcome = Simulation(plan_of(scenario), files).run()
        shutil.copyfile(files.ledger, folder / "ledger.sqlite")
        shutil.copyfile(files.journal, folder / "ledger.journal.sqlite")
    assert main(["rebalance", "--json"]) == 0
    plan = msgspec.json.decode(capsys.readouterr().out)
    assert plan["source"] == "the last run"
    for row in plan["inventory"]:
        assert D(row["held"]) == D(outcome.truth[row["venue"]]["balances"]["BTC"]["free"])


@pytest.mark.parametrize(
    ("settings", "arguments", "said"),
    [
        (SETTINGS, (), "[inventory] states no band: state the share of each venue"),
        (SETTINGS + BANDS, ("--asset", "BTT"), "--asset BTT: [inventory] states no band of it: did you mean 'BTC'?"),
        (SETTINGS + BANDS, ("--fee", "gate=1"), "'gate=1' is no fee of a venue: write for example gate:BTC=0.0002"),
        (SETTINGS + BANDS, ("--fee", "gat:BTC=1"), "--fee gat:BTC: unknown venue: did you mean 'gate'?"),
        (SETTINGS + BANDS, ("--fee", "gate:BTT=1"), "--fee gate:BTT: no moves of BTT are planned: did you mean 'BTC'?"),
        (SETTINGS + BANDS, ("--max-cost-bps", "-1"), "Invalid value for '--max-cost-bps'"),
        (SETTINGS + BANDS, (), "the venues' holdings are not known: start an engine with `arb run`, and ask again"),
    ],
)
def test_what_cannot_be_planned_is_one_line_and_exit_code_2(
    folder: Path, capsys: Captured, settings: str, arguments: tuple[str, ...], said: str
) -> None:
    (folder / "config.toml").write_text(settings)
    upgrade("sqlite:///ledger.sqlite")
    assert main(["rebalance", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
