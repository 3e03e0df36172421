"""The planned legs of a pair: one row each, derived alike by the projector, by a rebuild and by the migration."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arb.clock import ManualClock
from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import PairKind, PairState
from arb.core.messages.recovery_records import PlanRecord
from arb.market.order import Role, Side, TimeInForce
from arb.store.journal.journal import Journal
from arb.store.journal.reader import JournalReader
from arb.store.ledger.database import open_engine
from arb.store.ledger.migrate import check, current, downgrade, head, upgrade
from arb.store.ledger.projector import Projector
from arb.store.ledger.rebuild import db_rebuild
from arb.store.ledger.writer import Writer
from tests.support.corpus import CORPUS, settled_journal
from tests.support.corpus_courses import SETTLED_NS
from tests.support.history import a_history
from tests.support.old_files import unpacked
from tests.unit.store.conftest import query
from tests.unit.store.rows import D, a_finished_pair, a_pair, a_run, an_order

JOURNALS = ("abandoned", "half-open", "intents", "reopened")
REPO = Path(__file__).resolve().parents[4]
LEGS = """
SELECT pair_trade_id, n, role, venue, symbol, side, CAST(size AS TEXT), CAST(limit_price AS TEXT), tif, reduce_only
FROM trade_legs ORDER BY pair_trade_id, n
"""
UNEQUAL = """
SELECT p.id FROM pair_trades p LEFT JOIN (
    SELECT pair_trade_id AS id, SUM(CASE side WHEN 'buy' THEN CAST(size AS DOUBLE PRECISION) ELSE 0 END) AS bought,
        SUM(CASE side WHEN 'sell' THEN CAST(size AS DOUBLE PRECISION) ELSE 0 END) AS sold
    FROM trade_legs GROUP BY pair_trade_id
) l ON l.id = p.id
WHERE l.id IS NULL OR l.bought <> CAST(p.buy_size AS DOUBLE PRECISION) OR l.sold <> CAST(p.sell_size AS DOUBLE PRECISION)
"""
"""The pairs whose legs are not the sizes in their own row."""


def write(db_url: str, *batches: list[AnyRecord]) -> None:
    engine = open_engine(db_url)
    for batch in batches:
        with engine.begin() as connection:
            Writer(connection.dialect.name).write(connection, batch)
    engine.dispose()


def kinds() -> list[AnyRecord]:
    """Return the rows of a pair of each kind as it opens: the residuals of two are traded away, one is a drill's."""
    nothing: dict[str, Any] = {"buy_size": D(0), "sell_size": D(0), "sell_venue": "gate"}
    dust, missing, drill = nothing | {"sell_size": D("0.5")}, nothing | {"buy_size": D(3)}, nothing | {"buy_size": D(2)}
    rests: dict[str, Any] = {"role": Role.TEST, "tif": TimeInForce.POST_ONLY, "size": D(2)}
    return [
        a_run(1),
        a_pair(1),
        a_pair(2, PairState.REPAIRING, kind=PairKind.DUST, **dust),
        a_pair(3, PairState.REPAIRING, kind=PairKind.FLATTEN, **missing),
        a_pair(4, PairState.REPAIRING, kind=PairKind.TEST, **drill),
        an_order(1, 1),
        an_order(2, 1, Side.SELL, price=D("50050.5")),
        an_order(3, 1, role=Role.HEDGE, price=D(1)),
        an_order(4, 2, Side.SELL, role=Role.DUST),
        an_order(5, 4, **rests),
        an_order(6, 4, role=Role.UNWIND),
    ]


LEGS_OF_KINDS = [
    (1, 1, "entry", "gate", "BTC/USDT", "buy", "0.1001", "50001", "ioc", 0),
    (1, 2, "entry", "okx", "BTC/USDT", "sell", "0.1", "50050.5", "ioc", 0),
    (2, 1, "dust", "gate", "BTC/USDT", "sell", "0.5", None, None, 0),
    (3, 1, "unwind", "gate", "BTC/USDT", "buy", "3", None, None, 0),
    (4, 1, "test", "gate", "BTC/USDT", "buy", "2", "50001", "post_only", 0),
]


def test_a_pair_of_each_kind_has_the_legs_that_it_planned(db_url: str) -> None:
    write(db_url, kinds())
    assert query(db_url, LEGS) == LEGS_OF_KINDS


def test_an_entry_that_is_recovered_later_gives_its_leg_the_limit(db_url: str) -> None:
    pair, sell = a_pair(1), an_order(2, 1, Side.SELL, price=D("50050.5"))
    write(db_url, [a_run(1), pair, sell])
    assert [row[7:9] for row in query(db_url, LEGS)] == [(None, None), ("50050.5", "ioc")]
    write(db_url, [an_order(7, 1)])
    assert [row[7:9] for row in query(db_url, LEGS)] == [("50001", "ioc"), ("50050.5", "ioc")]


def test_one_record_a_batch_gives_the_legs_that_one_batch_does(db_url: str) -> None:
    write(db_url, *([record] for record in kinds()))
    assert query(db_url, LEGS) == LEGS_OF_KINDS


def test_the_legs_of_every_pair_are_the_sizes_in_its_row(db_url: str) -> None:
    write(db_url, list(a_history(pairs=60, days=3)))
    assert query(db_url, UNEQUAL) == []
    assert query(db_url, "SELECT COUNT(*) FROM trade_legs") > [(100,)]


def test_the_migration_derives_the_legs_that_the_projector_wrote(db_url: str) -> None:
    write(db_url, kinds(), [record for number in (7, 8) for record in a_finished_pair(number)])
    before = query(db_url, LEGS)
    assert len(before) == len(LEGS_OF_KINDS) + 4
    downgrade(db_url, "0020")
    upgrade(db_url)
    assert query(db_url, LEGS) == before and check(db_url) == []


@pytest.mark.parametrize("name", JOURNALS)
def test_an_old_ledger_that_is_upgraded_equals_one_that_is_rebuilt(name: str, tmp_path: Path) -> None:
    old, rebuilt = f"sqlite:///{unpacked(f'{name}.sqlite', tmp_path, CORPUS)}", f"sqlite:///{tmp_path}/rebuilt.sqlite"
    upgrade(old)
    db_rebuild(rebuilt, settled_journal(name, tmp_path))
    assert query(old, LEGS) == query(rebuilt, LEGS) != []
    assert query(old, "SELECT * FROM balances ORDER BY id") == query(rebuilt, "SELECT * FROM balances ORDER BY id")
    for url in (old, rebuilt):
        assert query(url, UNEQUAL) == []


@pytest.mark.parametrize("name", JOURNALS)
def test_the_legs_are_those_of_the_journalled_plans(name: str, tmp_path: Path) -> None:
    journal, url = settled_journal(name, tmp_path), f"sqlite:///{tmp_path}/rebuilt.sqlite"
    db_rebuild(url, journal)
    with closing(JournalReader.open(journal)) as reader:
        plans = [row.record for row in reader.records_from() if isinstance(row.record, PlanRecord)]
    planned = {
        (plan.pair_id, *leg)
        for plan in plans
        for leg in (
            (plan.symbol, plan.buy_venue, "buy", plan.buy_size, plan.buy_limit),
            (plan.symbol, plan.sell_venue, "sell", plan.sell_size, plan.sell_limit),
        )
        if leg[3]
    }
    sql = "SELECT pair_trade_id, symbol, venue, side, size, limit_price FROM trade_legs WHERE role = 'entry'"
    assert {(*row[:4], D(row[4]), D(row[5])) for row in query(url, sql)} == planned


KILLED = """
import json, os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from arb.store.ledger.migrate import current, upgrade
url, ends = sys.argv[1], []
while not ends or ends[-1][0]:
    child = os.fork()
    if not child:
        left = len(ends) + 1
        def step(*_):
            global left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        event.listen(Engine, "before_cursor_execute", step)
        event.listen(Engine, "commit", step)
        upgrade(url)
        os._exit(0)
    ends.append((os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), current(url)))
print(json.dumps(ends))
"""
"""Upgrade a ledger in processes that are killed before the first statement, before the second, and so on; one survives."""


def killed_between_all_steps(url: str) -> list[tuple[int, str]]:
    """Return the exit code of each process, and the schema that it left behind."""
    done = subprocess.run([sys.executable, "-c", KILLED, url], cwd=REPO, check=True, capture_output=True, text=True)
    return [(code, revision) for code, revision in json.loads(done.stdout)]


def test_an_upgrade_killed_between_any_two_steps_leaves_the_old_schema_and_can_be_repeated(db_url: str) -> None:
    write(db_url, kinds())
    downgrade(db_url, "0020")
    *killed, survived = killed_between_all_steps(db_url)
    assert len(killed) > 5 and set(killed) == {(-9, "0020")} and survived == (0, head())
    assert query(db_url, LEGS) == LEGS_OF_KINDS and check(db_url) == []


@pytest.mark.parametrize("name", ["half-open", "intents"])
def test_half_open_pairs_survive_an_upgrade_that_is_killed_at_every_step_and_before_the_first_start(
    name: str, tmp_path: Path
) -> None:
    ledger = unpacked(f"{name}.sqlite", tmp_path, CORPUS)
    url, path = f"sqlite:///{ledger}", unpacked(f"{name}.journal.sqlite", tmp_path, CORPUS)
    unpacked(f"{name}.intents", tmp_path, CORPUS)
    assert {revision for code, revision in killed_between_all_steps(url) if code} == {"0018"}
    assert current(url) == head()  # and there the process ends: no engine has started
    Journal.settle_intents(path, ManualClock(SETTLED_NS))
    with closing(JournalReader.open(path)) as reader:
        open_pairs = {pair.pair.id for pair in reader.state().pairs}
        assert open_pairs
        projector = Projector(url, reader, lambda: None)
        projector.open()
        projector.close()
    rebuilt = f"sqlite:///{tmp_path}/rebuilt.sqlite"
    db_rebuild(rebuilt, path)
    assert query(url, LEGS) == query(rebuilt, LEGS)
    assert {row[0] for row in query(url, LEGS)} >= open_pairs
