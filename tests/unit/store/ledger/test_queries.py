"""What `status`, `pairs` and `explain` read from a ledger and its journal."""

import pytest

from arb.core.messages.commands import Persist
from arb.core.messages.events import TimerFired
from arb.core.messages.records import PairState
from arb.errors import ConfigError
from arb.store.journal.journal import Journal
from arb.store.ledger.database import open_engine
from arb.store.ledger.ledger import InlineLedger
from arb.store.ledger.migrate import one_moment, upgrade
from arb.store.ledger.queries import LedgerReader
from arb.store.ledger.selection import Selection
from arb.store.ledger.sums import counted, read_sums
from arb.store.ledger.writer import Writer
from tests.support.history import a_history, fill_ledger
from tests.unit.store.rows import (
    T0,
    D,
    a_finished_pair,
    a_pair,
    a_plan,
    a_run,
    an_event,
    an_incident,
    an_opportunity,
    keep,
)


@pytest.fixture
def reader(db_url: str, journal: Journal) -> LedgerReader:
    ledger = InlineLedger(db_url, journal)
    story = [a_run(1), *a_finished_pair(1), *a_finished_pair(2), a_pair(3, PairState.REPAIRING, symbol="ETH/USDT")]
    story += [a_pair(4, PairState.HALTED, quote="USDC"), an_incident(1, pair_trade_id=2), a_run(2), a_pair(5, run_id=2)]
    for seq, record in enumerate(story, 1):
        ledger.submit(journal.append(an_event(seq), keep(seq, record)))
    ledger.submit_untraded(an_opportunity(10_000_000_001))
    ledger.close()
    return LedgerReader(db_url)


def ids(rows: list[dict[str, object]]) -> list[object]:
    return [row["id"] for row in rows]


@pytest.mark.no_tables
def test_a_ledger_of_an_older_schema_is_not_read(db_url: str) -> None:
    upgrade(db_url, "0001")
    with pytest.raises(ConfigError, match="run `arb db upgrade`"):
        LedgerReader(db_url)


@pytest.mark.no_tables
def test_of_a_database_without_tables_it_is_said_that_nothing_ran_there(postgres_url: str) -> None:
    with pytest.raises(ConfigError, match="nothing ran here yet: start an engine with `arb run`"):
        LedgerReader(postgres_url)


def test_asking_for_a_pair_or_run_that_is_not_there_says_so(reader: LedgerReader) -> None:
    with pytest.raises(ConfigError, match="no pair trade 99"):
        reader.story(99)
    with pytest.raises(ConfigError, match="no run 99"):
        reader.run(99)


def test_pairs_come_latest_first_and_can_be_narrowed_down(reader: LedgerReader) -> None:
    assert ids(reader.pairs()) == [5, 4, 3, 2, 1]
    assert ids(reader.pairs(limit=2)) == [5, 4]
    assert ids(reader.pairs(Selection(symbol="ETH/USDT"))) == [3]
    assert ids(reader.pairs(Selection(since_ns=T0 + 4000))) == [5, 4]
    assert ids(reader.pairs(Selection(since_ns=T0 + 4000, until_ns=T0 + 5000))) == [4]
    assert ids(reader.pairs(Selection(run_id=2))) == [5]


def test_a_list_of_pairs_continues_behind_any_of_them_each_pair_once(db_url: str) -> None:
    fill_ledger(db_url, a_history(pairs=60, days=2))
    with open_engine(db_url).begin() as connection:
        crowd = "SELECT MIN(id) FROM (SELECT id FROM pair_trades ORDER BY id LIMIT 30) first"
        connection.exec_driver_sql(f"UPDATE pair_trades SET decided_ns = 1760054401000000000 WHERE id < ({crowd}) + 20")
    reader = LedgerReader(db_url)
    every = ids(reader.pairs(limit=1000))
    assert len(set(every)) == len(every) >= 60
    for size in (1, 7, 50):
        found, before = list[object](), None
        while page := ids(reader.pairs(limit=size, before=before)):
            found += page
            before = reader.short_ids().of(int(str(page[-1])))
        assert found == every, size
    with pytest.raises(ConfigError, match="no pair trade 1-999999 in this ledger: the nearest is"):
        reader.pairs(before="1-999999")


def test_numbers_are_decimals_on_both_databases(reader: LedgerReader) -> None:
    pair = reader.pairs(limit=1)[0]
    assert pair["buy_size"] == D("0.1001")
    assert type(pair["buy_size"]) is D


def test_the_story_of_a_pair_holds_everything_that_names_it(reader: LedgerReader, journal: Journal) -> None:
    story = reader.story(2, journal.reader())
    assert story.pair["state"] == "completed"
    assert story.opportunity is not None
    assert story.opportunity["id"] == 2
    assert [order["id"] for order in story.orders] == [3, 4]
    assert [fill["id"] for fill in story.fills] == [3, 4]
    assert [incident["id"] for incident in story.incidents] == [1]
    assert [entry.seq for entry in story.timeline] == [18, 19, 20, 21]
    assert all(isinstance(entry.message, Persist | TimerFired) for entry in story.timeline)
    assert reader.story(3).opportunity is None


def test_the_plan_of_a_pair_is_found_among_those_of_other_pairs(journal: Journal) -> None:
    journal.append(an_event(1), keep(1, a_plan(17), a_plan(1), a_plan(2)))
    assert [journal.reader().plan(pair_id, 0) for pair_id in (1, 17, 7)] == [a_plan(1), a_plan(17), None]


def test_a_runs_sums_are_exact(reader: LedgerReader, db_url: str) -> None:
    sums = read_sums(db_url, Selection(run_id=1))
    assert counted(sums.pairs, "state", "pairs") == {"completed": 2, "halted": 1, "repairing": 1}
    assert counted(sums.pairs, "quote", "realised_net_e8") == {"USDC": 0, "USDT": 230_000_002}
    assert sums.fees == {"BTC": D("0.0002"), "USDT": D("10")}
    assert (counted(sums.order_statuses, "status", "orders"), sums.fills) == ({"filled": 4}, 4)
    assert counted(sums.opportunities, "outcome", "opportunities") == {"refused": 1, "traded": 2}
    assert [row["reason"] for row in sums.opportunities if row["reason"]] == ["max_notional"]
    assert sum(row["incidents"] for row in sums.incidents) == 1
    assert counted(read_sums(db_url, Selection(run_id=2)).pairs, "quote", "finished") == {"USDT": 0}
    assert reader.last_run_id() == 2
    assert ids(reader.incidents(run_id=1)) == [1]
    assert ids(reader.incidents(run_id=2)) == []


def test_the_share_of_an_edge_is_of_the_time_in_which_an_engine_ran(db_url: str, journal: Journal) -> None:
    ledger = InlineLedger(db_url, journal)
    ran = (a_run(1, ended_ns=T0 + 100, exit_code=0), a_run(2, started_ns=T0 + 500, ended_ns=T0 + 600, exit_code=0))
    for seq, record in enumerate(ran, 1):
        ledger.submit(journal.append(an_event(seq), keep(seq, record)))

    def episode(number: int, opened: int, closed: int, symbol: str = "BTC/USDT", run_id: int = 1) -> None:
        times = {"opened_ns": T0 + opened, "best_ns": T0 + opened, "closed_ns": T0 + closed}
        ledger.submit_untraded(an_opportunity(number, symbol=symbol, run_id=run_id, **times))

    episode(1, 0, 30)  # 10 of it since 20
    episode(2, 25, 40)  # another route at the same time: 10 more
    episode(3, 60, 70)
    episode(4, 500, 590, symbol="ETH/USDT", run_id=2)
    episode(5, 0, 10, symbol="OLD/USDT")
    ledger.close()
    reader = LedgerReader(db_url)
    assert reader.edge_shares(T0 + 20, T0 + 3600) == {"BTC/USDT": D("0.166667"), "ETH/USDT": D("0.5")}
    assert reader.edge_shares(T0 + 20, T0 + 580) == {"BTC/USDT": D("0.1875"), "ETH/USDT": D("0.5")}
    assert reader.edge_shares(T0 + 601, T0 + 700) == {}


def test_within_one_moment_no_reader_sees_what_is_written_meanwhile(reader: LedgerReader, db_url: str) -> None:
    def counts() -> tuple[int, int, int]:
        return (
            len(reader.pairs()),
            len(LedgerReader(db_url).pairs()),
            sum(row["pairs"] for row in read_sums(db_url).pairs),
        )

    before = counts()
    with one_moment(db_url):
        seen = [counts()]
        engine = open_engine(db_url)
        with engine.begin() as connection:
            Writer(engine.dialect.name).write(connection, [a_pair(6, run_id=2)])
        engine.dispose()
        seen.append(counts())
    assert seen == [before, before]
    assert counts() == tuple(number + 1 for number in before)
