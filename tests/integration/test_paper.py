"""Paper trading on a sandbox's public side: it trades, signs nothing, survives its own death, and mixes with nothing else."""

import contextlib
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from arb.store.ledger.database import journal_path
from tests.integration import truth
from tests.integration.support import (
    DB,
    EngineProcess,
    SandboxProcess,
    arb,
    engine_of,
    run_arb,
    run_arguments,
    sandbox_process,
    where,
    write_config,
)

CHEAP = {"gate": '"0.02%"', "okx": '"0.02%"', "bitget": '"0.02%"'}
"""Fees low enough that the sandbox's markets give work within seconds."""


def paper_config(folder: Path, fees: dict[str, str] = CHEAP) -> None:
    """Write settings with these fees for paper."""
    path = write_config(folder)
    lines = path.read_text().splitlines()
    begin = lines.index(next(line for line in lines if line.startswith("[paper.fees]")))
    for place in range(begin + 1, begin + 4):
        lines[place] = f"{(venue := lines[place].split()[0])} = {fees[venue]}"
    path.write_text("\n".join(lines))


def paper_engine(folder: Path, sandbox: SandboxProcess) -> contextlib.AbstractContextManager[EngineProcess]:
    """Start `arb run --mode paper --json` on a sandbox's public side."""
    return engine_of(folder, arb("run", "--mode", "paper", *run_arguments(folder, sandbox), cwd=folder))


def test_paper_trades_on_public_books_and_sends_no_signed_request_even_over_a_kill(tmp_path: Path) -> None:
    paper_config(tmp_path)
    with sandbox_process(tmp_path) as sandbox:
        with paper_engine(tmp_path, sandbox) as engine:
            status = engine.until_pairs(3)
            assert status["mode"] == "paper" and status["note"].startswith("PAPER")
            engine.process.send_signal(signal.SIGKILL)
            engine.process.wait()
        at_death = truth.paper_fills(tmp_path / DB)
        with paper_engine(tmp_path, sandbox) as engine:
            engine.until_pairs(3)
            ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert (ended.code, ended.summary["halted"], ended.summary["unhedged_notional"]) == (0, None, "0"), seen
        assert ended.summary["pairs"]["open"] == ended.summary["unknown_orders"] == 0, seen
        assert "idle work" not in {row["cause"] for row in ended.summary["loop"]}, "no order of its own will ever leave"
        assert truth.paper_differences(tmp_path / DB) == [], seen
        assert len(truth.paper_fills(tmp_path / DB)) > len(at_death) > 0, seen
        # Of what anybody asked a venue for with a signature, which the sandbox records, there is nothing.
        venues = sandbox.ledger()
        assert {venue: (reported["requests"], reported["orders"]) for venue, reported in venues.items()} == {
            venue: ([], []) for venue in ("gate", "okx", "bitget")
        }, seen
        stopped = "SELECT text FROM incidents WHERE kind LIKE '%drift%' OR kind LIKE '%balance%'"
        assert truth.rows_of(tmp_path / DB, stopped) == [], seen
        refused = run_arb("run", *run_arguments(tmp_path, sandbox), "--for", "1s", cwd=tmp_path)
        assert (refused.code, refused.out) == (2, ""), refused
        [line] = refused.err.strip().splitlines()
        assert "mode 'paper' on a sandbox's books" in line and "--db" in line, line
        # A restart may use up the first numbers for pairs of before.
        latest = run_arb("pairs", *where(tmp_path), "--json", cwd=tmp_path).summary["pairs"][0]["id"]
        for command in (("status",), ("pairs",), ("explain", str(latest))):
            shown = run_arb(*command, *where(tmp_path), cwd=tmp_path)
            assert "PAPER" in shown.out, shown


LEDGER_FILLS = "SELECT account_id, symbol, trade_id, side, fee_currency, price, size, fee FROM fills"


@pytest.mark.thorough
def test_paper_with_its_ledger_on_postgresql_goes_on_after_a_kill(postgres_url: str, tmp_path: Path) -> None:
    """Journal and accounts are files all the same: the accounts' beside the journal, which lies in `[store] journal_dir`."""
    paper_config(tmp_path)
    journal = journal_path(postgres_url, tmp_path / "var")
    options = ["--json", "--config", str(tmp_path / "config.toml"), "--db", postgres_url]

    def fills() -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
        with contextlib.closing(psycopg.connect(postgres_url.replace("+psycopg", ""))) as ledger:
            ours = {tuple(map(str, row)) for row in ledger.execute(LEDGER_FILLS)}
        names = LEDGER_FILLS.removeprefix("SELECT ").removesuffix(" FROM fills").split(", ")
        theirs = truth.paper_fills(journal.with_name(journal.name.replace(".journal.", ".")))
        return ours, {tuple(str(fill[name]) for name in names) for fill in theirs}

    with sandbox_process(tmp_path) as sandbox:
        for number in range(2):
            command = ["run", "--mode", "paper", *options, "--sandbox", sandbox.admin]
            with engine_of(tmp_path, arb(*command, cwd=tmp_path)) as engine:
                engine.journal = journal
                engine.until_pairs(3)
                if number == 0:
                    engine.process.send_signal(signal.SIGKILL)
                    engine.process.wait()
                    at_death = len(fills()[1])
                else:
                    ended = engine.stop()
        seen = f"seed {sandbox.seed}: {ended.out}\n{ended.err[-3000:]}"
        assert (ended.code, ended.summary["halted"], ended.summary["unhedged_notional"]) == (0, None, "0"), seen
        ours, theirs = fills()
        assert len(theirs) > at_death > 0 and exact(ours) == exact(theirs), seen
        shown = run_arb("report", *options, cwd=tmp_path)
        assert shown.summary["note"].startswith("PAPER") and len(shown.summary["runs"]) == 2, shown
        refused = run_arb("run", *options, "--sandbox", sandbox.admin, "--for", "1s", cwd=tmp_path)
        assert refused.code == 2 and "mode 'paper' on a sandbox's books" in refused.err, refused


def exact(fills: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Return fills with their price, size and fee as numbers, which two stores may write with other zeros."""
    return {(*fill[:5], *map(Decimal, fill[5:])) for fill in fills}


EDGE = {"gate": ("0.1020", "0.1030"), "okx": ("0.0990", "0.1000")}
"""Bid and ask of each venue: bought at okx and sold at gate earns 2 % before fees."""
FEES = {"gate": '"0.09%"', "okx": '"0.08%"', "bitget": '"0.06%"'}
"""What the sandbox's venues charge a taker."""
PAIRS = (
    "SELECT symbol, buy_venue, sell_venue, buy_size, sell_size, expected_net_e8, realised_net_e8, state FROM pair_trades"
    " ORDER BY decided_ns, id"
)
ORDERS = "SELECT venue, side, role, price, size, filled, avg_price FROM orders ORDER BY journalled_ns, venue"


def make_edge(sandbox: SandboxProcess, far: str) -> None:
    """Set the books to an edge worth taking whole; `far` lies at a price that nobody trades at, so that something changes."""
    for venue, (bid, ask) in EDGE.items():
        sandbox.set_book(venue, "DOGE/USDT", [[bid, "5000"], ["0.05", far]], [[ask, "5000"], ["0.2", far]])


@pytest.mark.thorough
def test_paper_decides_and_fills_as_the_sandbox_does_until_its_book_lacks_what_was_taken(tmp_path: Path) -> None:
    """Two alike markets that stand still: one is traded on, and beside the other paper trades, at the same fees.

    When somebody puts there again what was taken, the sandbox has it twice, and paper takes it for what it took already.
    """
    engines: dict[str, EngineProcess] = {}
    markets: dict[str, SandboxProcess] = {}
    with contextlib.ExitStack() as stack:
        for mode in ("sandbox", "paper"):
            folder = tmp_path / mode
            folder.mkdir()
            paper_config(folder, FEES)
            markets[mode] = stack.enter_context(sandbox_process(folder, "--static", seed=7))
            make_edge(markets[mode], "10")
            options = ["run", "--mode", mode, *run_arguments(folder, markets[mode])]
            engines[mode] = stack.enter_context(engine_of(folder, arb(*options, cwd=folder)))
        first = {mode: engine.until_pairs(1) for mode, engine in engines.items()}
        assert first["paper"]["net"] == first["sandbox"]["net"]
        for mode, engine in engines.items():
            make_edge(markets[mode], "11")
            engine.until(lambda status: status["orders"] >= 4, f"{mode} decides again")
        ended = {mode: engine.stop() for mode, engine in engines.items()}
    seen = "\n".join(f"{mode}: {end.out}\n{end.err[-2000:]}" for mode, end in ended.items())
    pairs, orders = (
        {mode: truth.rows_of(tmp_path / mode / DB, query) for mode in engines} for query in (PAIRS, ORDERS)
    )
    assert pairs["paper"][0] == pairs["sandbox"][0], seen
    assert orders["paper"][:2] == orders["sandbox"][:2], seen
    assert [order["filled"] for order in orders["sandbox"][2:4]] == [
        order["filled"] for order in orders["sandbox"][:2]
    ], seen
    parts = ended["paper"].summary["simulated"]["okx"]
    assert Decimal(parts["taken_before"]) * 2 == Decimal(parts["wanted"]) == Decimal(parts["filled"]) * 2, seen
    left = [5000 - Decimal(order["filled"]) for order in orders["paper"][:2]]
    assert [Decimal(order["filled"]) for order in orders["paper"][2:4]] == left, seen
