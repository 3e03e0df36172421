"""What the last run left of the inventory is what the venues hold, by their own books."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from arb.core.messages.commands import Persist
from arb.core.messages.events import CurrenciesListed
from arb.core.messages.records import Record, tag_of
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord
from arb.core.messages.settings import Limits
from arb.errors import StoreError
from arb.market.order import Side
from arb.market.wallets import CurrencyChain
from arb.store.journal.blocks import Line
from arb.store.journal.last_inventory import last_inventory
from arb.store.journal.reader import SUB_BITS, JournalReader
from arb.store.ledger.queries import LedgerReader
from proofs.faultsim.disk import temporary_files
from proofs.faultsim.scenario import Scenario, plan_of
from proofs.faultsim.world import Simulation
from tests.builders import D
from tests.support.journals import write_lines
from tests.unit.store.rows import T0, a_balance, a_fill


@pytest.mark.thorough
def test_what_a_run_left_is_what_the_venues_hold() -> None:
    scenario = Scenario(
        strikes=(),
        seed=1,
        symbols=("BTC/USDT", "SOL/USDT"),
        faults_ms=4000,
        limits=Limits(min_edge_bps=D(3)),
    )
    with temporary_files() as files:
        outcome = Simulation(plan_of(scenario), files).run()
        ledger = LedgerReader(f"sqlite:///{files.ledger}")
        run_id = ledger.last_run_id()
        assert run_id is not None
        journal = JournalReader.open(files.journal)
        known = last_inventory(journal, run_id, ledger.run(run_id)["started_ns"])
        assert known is not None
        assert known.ns == journal.last_ns()
        assert last_inventory(journal, run_id + 1, ledger.run(run_id)["started_ns"]) is None
    assert outcome.pairs > 5
    assert known.held.keys() == outcome.truth.keys()
    for venue, held in known.held.items():
        truth = {asset: Decimal(one["free"]) for asset, one in outcome.truth[venue]["balances"].items()}
        assert {asset: one.total for asset, one in held.items()} == truth
        assert all(one.free == one.total for one in held.values())
    assert known.prices.keys() == {"BTC", "SOL", "USDT"}
    assert known.prices["USDT"] == 1
    assert known.chains.keys() == outcome.truth.keys()


def written(path: Path, *messages: Record | CurrenciesListed) -> JournalReader:
    """Write a journal of these rows and events, one after the other."""
    lines = []
    for seq, message in enumerate(messages, start=1):
        row = isinstance(message, Record)
        payload = msgspec.json.encode(Persist(cause=seq, record=message) if row else message).decode()  # type: ignore[arg-type]
        lines.append(Line((seq << SUB_BITS) + row, T0 + seq, tag_of(Persist if row else CurrenciesListed), payload))
    write_lines(path, lines)
    return JournalReader.open(path)


def agreed(ns: int, **totals: str) -> AgreedRecord:
    return AgreedRecord(
        accounts=(AgreedAccount("gate-aaaa", ns, {asset: D(total) for asset, total in totals.items()}),)
    )


def listed(*assets: str, withdrawal: bool) -> CurrenciesListed:
    chains = tuple(CurrencyChain(asset=asset, named=asset, withdrawal=withdrawal) for asset in assets)
    return CurrenciesListed(venue="gate", assets=assets, chains=chains)


def test_fills_move_what_agreed_before_them_and_each_counts_once(tmp_path: Path) -> None:
    before, after = a_fill(1, received_ns=T0), a_fill(2, received_ns=T0 + 2, fee_currency="BTC")
    sold = a_fill(
        3, side=Side.SELL, venue="gate", account_id="gate-aaaa", received_ns=T0 + 3, fee=D(7), fee_currency="GT"
    )
    of_others = a_fill(4, account_id="gate-bbbb", received_ns=T0 + 4)
    rows = (a_balance(), before, agreed(T0, BTC="1", USDT="90000", GT="5"), after, after, sold, of_others)
    known = last_inventory(written(tmp_path / "j", *rows), 1, 0)
    assert known is not None
    totals = {asset: held.total for asset, held in known.held["gate"].items()}
    assert totals == {"BTC": D("0.9999"), "USDT": D(90000), "GT": D(0)}, "what is short is never less than nothing"
    assert known.prices == {"BTC": D("50000.5"), "USDT": D(1)}


def test_of_two_lists_and_two_agreements_the_last_counts(tmp_path: Path) -> None:
    rows = (
        a_balance(),
        listed("BTC", "ETH", withdrawal=True),
        agreed(T0, BTC="1"),
        agreed(T0 + 9, BTC="3"),
        listed("ETH", withdrawal=False),
    )
    known = last_inventory(written(tmp_path / "j", *rows), 1, 0)
    assert known is not None
    assert known.held == {"gate": {"BTC": (D(3), D(3))}}
    assert [(chain.asset, chain.withdrawal) for chain in known.chains["gate"]] == [("BTC", True), ("ETH", False)]
    assert known.ns == T0 + 5


def test_without_an_agreement_nothing_is_known(tmp_path: Path) -> None:
    assert last_inventory(written(tmp_path / "j", a_balance()), 1, 0) is None


def test_an_entry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write_lines(tmp_path / "j", [Line((7 << SUB_BITS) + 1, T0, tag_of(Persist), '{"record":{"type":"AgreedRecord"}}')])
    with pytest.raises(StoreError, match="entry 7 cannot be read"):
        last_inventory(JournalReader.open(tmp_path / "j"), 1, 0)
