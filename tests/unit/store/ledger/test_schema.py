"""The schema: what it refuses, how it moves up and down, and what its views answer, on both databases."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from arb.core.messages.commands import AnyRecord
from arb.core.messages.records import AlternativeStage, AlternativeWay, PairKind, PairRecord, PairState, QuoteSide
from arb.errors import ConfigError, StoreError
from arb.market.order import OrderStatus, Role, Side
from arb.store.journal.journal import Journal
from arb.store.ledger import rebuild
from arb.store.ledger.database import journal_path, mask_url, open_engine
from arb.store.ledger.ledger import prepare_ledger
from arb.store.ledger.migrate import check, current, downgrade, head, known, make_config, require_current, upgrade
from arb.store.ledger.rebuild import db_check, db_current, db_upgrade
from arb.store.ledger.tables import Base
from arb.store.ledger.views import VIEWS
from arb.store.ledger.writer import Writer
from tests.unit.store.conftest import query
from tests.unit.store.rows import (
    T0,
    D,
    a_balance,
    a_decision_book,
    a_fill,
    a_filled_order,
    a_finished_pair,
    a_pair,
    a_run,
    a_traded_opportunity,
    a_waterfall,
    an_alternative,
    an_incident,
    an_opportunity,
    an_order,
)

DAY_NS = 86_400_000_000_000


def write(db_url: str, *records: AnyRecord) -> None:
    engine = open_engine(db_url)
    with engine.begin() as connection:
        Writer(engine.dialect.name).write(connection, records)
    engine.dispose()


def execute(db_url: str, sql: str) -> None:
    engine = open_engine(db_url)
    with engine.begin() as connection:
        connection.execute(text(sql))
    engine.dispose()


# Nonsense is refused, whoever writes it.

NONSENSE: dict[str, AnyRecord] = {
    "a run that ends before it starts": a_run(2, ended_ns=T0 - 1),
    "an alternative to no pair": an_alternative(3, 77),
    "another route within one venue": an_alternative(3, buy_venue="gate"),
    "another route to nowhere": an_alternative(3, sell_venue=None),
    "a repair at no venue": an_alternative(
        3, stage=AlternativeStage.REPAIR, way=AlternativeWay.UNWIND, buy_venue=None, sell_venue=None
    ),
    "an alternative of no size": an_alternative(3, buy_size=D(0)),
    "a book decided on for no pair": a_decision_book(9, 77),
    "a book without a level": a_decision_book(9, levels=()),
    "a pair's asks kept twice": a_decision_book(9),
    "an opportunity without a run": an_opportunity(1, run_id=77),
    "an opportunity refused without a reason": an_opportunity(1, reason=None),
    "an opportunity traded and yet refused": a_traded_opportunity(1, reason="max_notional"),
    "an opportunity closed before it opened": an_opportunity(1, closed_ns=T0 - 5),
    "an opportunity of no size": an_opportunity(1, best_sell_size=D(0)),
    "an opportunity at one venue": an_opportunity(1, sell_venue="gate"),
    "a loss called opportunity": an_opportunity(1, best_net_e8=-1),
    "a pair that is finished and not closed": a_pair(2, PairState.CARRIED, closed_ns=None),
    "a pair closed before it was decided": a_pair(2, PairState.CARRIED, closed_ns=1),
    "a pair that sells nothing": a_pair(2, sell_size=D(0)),
    "dust of no size": a_pair(2, kind=PairKind.DUST, buy_size=D(0), sell_size=D(0)),
    "a pair of a negative size": a_pair(2, buy_size=D("-0.1")),
    "a pair at one venue": a_pair(2, buy_venue="okx"),
    "a completed pair that earned nobody knows what": a_pair(2, PairState.COMPLETED, waterfall=None),
    "causes that do not add up": a_pair(2, PairState.COMPLETED, waterfall=a_waterfall(realised_net_e8=115_000_002)),
    "a mark without its time": a_pair(2, residual_mark=D(1)),
    "an order of no pair": an_order(5, 77),
    "an order of size 0": an_order(5, size=D(0)),
    "an order filled beyond its size": a_filled_order(5, filled=D("0.1001")),
    "an order filled below nothing": an_order(5, filled=D("-0.1")),
    "an order of ours without a price": an_order(5, price=D(0)),
    "an order of ours without a name": an_order(5, client_order_id=None),
    "a foreign order in a pair of ours": an_order(5, role=Role.FOREIGN),
    "two orders of one name": an_order(5, client_order_id=an_order(1).client_order_id),
    "an order sent before it was journalled": a_filled_order(5, sent_ns=T0 - 1),
    "an order sent and yet only intended": a_filled_order(5, status=OrderStatus.INTENT),
    "a fill of no order": a_fill(5, 77),
    "a fill of size 0": a_fill(5, size=D(0)),
    "a fill for nothing": a_fill(5, price=D(0)),
    "a fill told twice": a_fill(5, trade_id="t1"),
    "a venue's negative balance": a_balance(1, free=D("-1")),
    "a balance held below zero": a_balance(1, locked=D("-0.00000001")),
    "an incident of no kind": an_incident(1, kind=""),
    "an incident of a pair that is not there": an_incident(1, pair_trade_id=77),
}


def test_the_ledger_refuses_nonsense(db_url: str) -> None:
    upgrade(db_url)
    write(db_url, a_run(1), a_pair(1), an_order(1), a_fill(1), a_decision_book(1))
    engine = open_engine(db_url)
    writer = Writer(engine.dialect.name)
    accepted = []
    for name, record in NONSENSE.items():
        try:
            with engine.begin() as connection:
                writer.write(connection, [record])
            accepted.append(name)
        except IntegrityError:
            pass
    engine.dispose()
    assert accepted == []


def test_what_is_unusual_and_yet_true_is_accepted(db_url: str) -> None:
    upgrade(db_url)
    foreign: dict[str, Any] = {"role": Role.FOREIGN, "client_order_id": None, "price": D(0)}
    write(
        db_url,
        a_run(1),
        a_pair(1, PairState.HALTED),
        a_pair(2, kind=PairKind.DUST, buy_size=D(0), buy_venue="okx"),
        a_pair(3, PairState.ABANDONED),
        a_pair(4, PairState.CARRIED, residual_size=D("-0.01")),
        a_filled_order(1, None, **foreign),
        a_filled_order(2, None, **foreign),
        a_fill(1, 1, fee=D("-0.1")),
        a_fill(2, 2, trade_id="t1"),  # two foreign orders that met each other: one trade id, two orders
        a_balance(1, source="computed", free=D("-1")),
    )
    assert query(db_url, "SELECT count(*) FROM orders") == [(2,)]


def test_a_waterfall_with_a_hole_is_refused(db_url: str) -> None:
    upgrade(db_url)
    write(db_url, a_run(1), a_pair(1, PairState.CARRIED))
    with pytest.raises(IntegrityError):
        execute(db_url, "UPDATE pair_trades SET hedge_cost_e8 = NULL")


def test_a_row_that_others_refer_to_cannot_be_deleted(db_url: str) -> None:
    upgrade(db_url)
    write(db_url, a_run(1), a_pair(1), an_order(1))
    with pytest.raises(IntegrityError):
        execute(db_url, "DELETE FROM pair_trades")


def test_what_is_no_number_never_reaches_the_database(db_url: str) -> None:
    upgrade(db_url)
    for number in ("NaN", "Infinity", "-Infinity", "sNaN"):
        with pytest.raises(StoreError, match="is not a number"):
            write(db_url, a_run(1), a_balance(1, free=D(number)))


# Migrations.


@pytest.mark.thorough
@pytest.mark.no_tables
def test_up_down_and_up_again_with_rows_in_it(db_url: str) -> None:
    assert upgrade(db_url) == (None, head())
    write(db_url, a_run(1), *a_finished_pair(1))
    assert downgrade(db_url, "0001") == (head(), "0001")
    assert len(query(db_url, "SELECT * FROM fills")) == 2  # the views went, the rows stayed
    assert check(db_url) == [f"schema is 0001, this arb needs {head()}: run `arb db upgrade`"]
    assert upgrade(db_url) == ("0001", head())
    assert len(query(db_url, "SELECT * FROM v_pair_trades")) == 1
    assert downgrade(db_url, "base") == (head(), None)
    engine = open_engine(db_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()
    assert upgrade(db_url) == (None, head())
    assert check(db_url) == []


def test_the_revisions_are_those_that_alembic_finds(db_url: str) -> None:
    upgrade(db_url)
    walked = ScriptDirectory.from_config(make_config()).walk_revisions()
    assert known() == tuple(script.revision for script in walked) and len(known()) > 10
    engine = open_engine(db_url)
    with engine.connect() as connection:
        written_down = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    assert written_down == current(db_url) == head()


def test_upgrading_what_is_up_to_date_changes_nothing(db_url: str) -> None:
    upgrade(db_url)
    assert upgrade(db_url) == (head(), head())
    assert db_current(db_url)["up_to_date"] is True
    assert db_upgrade(db_url)["revision"] == head()


def test_the_migrations_make_the_very_tables_the_code_describes(db_url: str) -> None:
    """Alembic compares columns and indexes; here also every constraint, against tables made from the code."""
    upgrade(db_url)
    assert check(db_url) == []
    migrated = constraints(db_url)
    downgrade(db_url, "base")
    engine = open_engine(db_url)
    Base.metadata.create_all(engine)
    engine.dispose()
    assert constraints(db_url) == migrated


def constraints(db_url: str) -> dict[str, Any]:
    engine = create_engine(db_url)
    inspector = inspect(engine)
    found = {
        table: (
            sorted((str(c["name"]), c["sqltext"]) for c in inspector.get_check_constraints(table)),
            sorted((str(k["name"]), tuple(k["referred_columns"])) for k in inspector.get_foreign_keys(table)),
            sorted((str(u["name"]), tuple(u["column_names"])) for u in inspector.get_unique_constraints(table)),
        )
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return found


def test_a_schema_changed_by_hand_does_not_pass_the_check(db_url: str) -> None:
    upgrade(db_url)
    execute(db_url, "DROP VIEW v_reasons")
    execute(db_url, "DROP INDEX ix_fills_order_id")
    execute(db_url, "ALTER TABLE runs ADD COLUMN mood TEXT")
    faults = "\n".join(check(db_url))
    assert "v_reasons" in faults
    assert "ix_fills_order_id" in faults
    assert "mood" in faults
    assert db_check(db_url)["ok"] is False


def test_the_pages_of_a_large_file_are_read_only_when_asked(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with contextlib.closing(sqlite3.connect(file)) as db:
        [page] = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_fills_event_ns'").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as damaged:
        damaged.seek((page - 1) * 4096)
        damaged.write(b"\xff" * 4096)
    with pytest.raises(StoreError, match="malformed"):
        db_check(sqlite_url)
    monkeypatch.setattr(rebuild, "CHECKED_BYTES", 1000)
    answer = db_check(sqlite_url)
    assert answer["ok"] and answer["pages"].startswith("not checked")
    with pytest.raises(StoreError, match="malformed"):
        db_check(sqlite_url, whole=True)


def test_a_reference_to_nothing_made_by_hand_does_not_pass_the_check(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.sqlite"
    upgrade(url)
    write(url, a_run(1), a_pair(1), an_order(1))
    with sqlite3.connect(tmp_path / "l.sqlite") as vandal:
        vandal.execute("DELETE FROM pair_trades")
        vandal.execute("DELETE FROM trade_legs")
    vandal.close()
    assert check(url) == ["orders row 1 refers to a row of pair_trades that is not there"]


def test_another_programs_sqlite_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="another program's SQLite file"):
        upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_schema_of_a_newer_arb_is_refused(db_url: str) -> None:
    upgrade(db_url)
    execute(db_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="newer arb"):
        upgrade(db_url)
    engine = open_engine(db_url)
    with pytest.raises(ConfigError, match="newer arb; upgrade arb"):
        require_current(db_url, engine)
    engine.dispose()
    assert check(db_url) == [f"schema 9999 was made by a newer arb, this one knows {head()}: upgrade arb"]


@contextlib.contextmanager
def a_session(url: str, *statements: str) -> Iterator[int]:
    """Hold a transaction open in a session of its own, having executed something; yield its process's number."""
    with psycopg.connect(url.replace("+psycopg", ""), application_name="somebody") as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection.info.backend_pid


IDLE_READER, ADVISORY_LOCK = "SELECT count(*) FROM runs", f"SELECT pg_advisory_lock({0x617262})"


def test_a_start_on_a_ledger_that_is_up_to_date_waits_for_nobody(postgres_url: str, journal: Journal) -> None:
    prepare_ledger(postgres_url, journal)
    with a_session(postgres_url, IDLE_READER, ADVISORY_LOCK):
        assert upgrade(postgres_url) == (head(), head())
        prepare_ledger(postgres_url, journal)


@pytest.mark.no_tables
@pytest.mark.thorough
@pytest.mark.parametrize("held", [IDLE_READER, ADVISORY_LOCK])
def test_an_upgrade_gives_up_on_a_lock_after_a_while_and_names_who_holds_it(postgres_url: str, held: str) -> None:
    upgrade(postgres_url, "0001")
    with a_session(postgres_url, held) as pid, pytest.raises(StoreError, match="lock timeout") as raised:
        upgrade(postgres_url)
    assert f"process {pid} (user postgres, somebody, idle in transaction, since " in str(raised.value)
    assert upgrade(postgres_url) == ("0001", head())


def test_of_two_first_starts_one_claims_the_ledger(postgres_url: str, journal: Journal, tmp_path: Path) -> None:
    upgrade(postgres_url)
    claim = "INSERT INTO projection (journal_id, seq, sub) VALUES ('theirs', 0, 0)"
    outcome: list[Exception | None] = []

    def start() -> None:
        try:
            prepare_ledger(postgres_url, journal)
            outcome.append(None)
        except ConfigError as error:
            outcome.append(error)

    with a_session(postgres_url, claim):  # it commits as the block ends
        starting = threading.Thread(target=start)
        starting.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not outcome and query(postgres_url, waits) == [(0,)]:
            starting.join(0.01)
    starting.join()
    assert "belongs to another journal" in str(outcome[0])
    assert query(postgres_url, "SELECT journal_id FROM projection") == [("theirs",)]


@pytest.mark.no_tables
def test_a_migration_that_fails_leaves_the_old_schema(db_url: str) -> None:
    upgrade(db_url, "0001")
    execute(db_url, "CREATE VIEW v_reasons AS SELECT 1")  # in the way of the second migration's last step
    with pytest.raises(StoreError, match="v_reasons"):
        upgrade(db_url)
    assert current(db_url) == "0001"
    execute(db_url, "DROP VIEW v_reasons")
    assert upgrade(db_url) == ("0001", head())


def test_asking_for_a_ledger_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        current(f"sqlite:///{tmp_path}/nothing.sqlite")
    assert list(tmp_path.iterdir()) == []


# Views.


def test_a_day_adds_up_exactly_and_leaves_revaluation_out(db_url: str) -> None:
    upgrade(db_url)
    big = a_waterfall(expected_net_e8=9_007_199_254_740_993, realised_net_e8=9_007_199_219_740_994)
    write(
        db_url,
        a_run(1),
        *a_finished_pair(1),
        a_pair(2, PairState.UNWOUND, waterfall=big, closed_ns=T0 + 2001),
        a_pair(3, PairState.REPAIRING),
        a_pair(4, PairState.COMPLETED, closed_ns=T0 + DAY_NS),
    )
    rows = query(db_url, "SELECT * FROM v_daily_pnl ORDER BY day_utc")
    assert [(row[0], row[1], row[2], row[-1]) for row in rows] == [
        ("2023-11-14", "USDT", 9_007_199_334_740_995, 2),
        ("2023-11-15", "USDT", 115_000_001, 1),
    ]
    names = "day_utc, quote, trading_net, fees, hedge_cost, pairs"
    first = query(db_url, f"SELECT {names} FROM v_daily_pnl ORDER BY day_utc")[0]
    assert float(first[2]) == pytest.approx(90_071_993.34740995)
    assert float(first[3]) == pytest.approx(10.00005)
    assert float(first[4]) == pytest.approx(-0.4)
    assert query(db_url, "SELECT fees_e8 FROM v_daily_pnl ORDER BY day_utc") == [(1_000_005_000,), (0,)]


def test_a_pair_that_closes_again_moves_only_the_day_of_its_new_closing(db_url: str) -> None:
    upgrade(db_url)
    first = a_pair(1, PairState.COMPLETED, closed_ns=T0 + 2000)
    assert first.waterfall is not None and first.closed_ns is not None
    was = first.waterfall
    again = msgspec.structs.replace(
        was, residual_change_e8=was.residual_change_e8 - 700, realised_net_e8=was.realised_net_e8 - 700
    )
    second = msgspec.structs.replace(
        first, closed_ns=first.closed_ns + DAY_NS, waterfall=again, closed_before=1, booked=first.waterfall
    )
    opened = msgspec.structs.replace(second, state=PairState.REPAIRING, closed_ns=None, waterfall=None)
    rows_between = [row for row in a_finished_pair(1) if not isinstance(row, PairRecord)]
    late = a_fill(90, 1, trade_id="late", received_ns=second.closed_ns)
    write(db_url, a_run(1), first, *rows_between)
    query_days = "SELECT day_utc, trading_net_e8, fees_e8, pairs FROM v_daily_pnl ORDER BY day_utc"
    [yesterday] = query(db_url, query_days)
    write(db_url, opened, late)
    assert query(db_url, query_days) == [yesterday], "open again: no day changes"
    write(db_url, second)
    days = query(db_url, query_days)
    assert days[0] == yesterday
    assert days[1][1:] == (-700, int(late.fee_quote_value * 10**8), 0)
    rows = "SELECT n, closed_ns, realised_net_e8 FROM pair_closings ORDER BY n"
    assert query(db_url, rows) == [
        (1, first.closed_ns, first.waterfall.realised_net_e8),
        (2, second.closed_ns, -700),
    ]


def test_a_pair_of_before_has_one_closing_and_its_day_keeps_its_figures(db_url: str) -> None:
    upgrade(db_url)
    write(db_url, a_run(1), *a_finished_pair(1), a_pair(2, PairState.REPAIRING))
    rows, days = query(db_url, "SELECT * FROM pair_closings"), query(db_url, "SELECT * FROM v_daily_pnl")
    assert len(rows) == 1
    downgrade(db_url, "0015")
    assert query(db_url, "SELECT * FROM v_daily_pnl") == days
    upgrade(db_url)
    assert query(db_url, "SELECT * FROM pair_closings") == rows
    assert query(db_url, "SELECT * FROM v_daily_pnl") == days


def test_closings_are_the_same_whether_they_come_one_by_one_or_in_one_batch(db_url: str) -> None:
    upgrade(db_url)
    first = a_pair(1, PairState.COMPLETED, closed_ns=T0 + 2000)
    assert first.closed_ns is not None
    opened = msgspec.structs.replace(
        first, state=PairState.REPAIRING, closed_ns=None, waterfall=None, closed_before=1, booked=first.waterfall
    )
    second = msgspec.structs.replace(first, closed_ns=first.closed_ns + 5, closed_before=1, booked=first.waterfall)
    write(db_url, a_run(1), first, opened, second)
    assert query(db_url, "SELECT n, realised_net_e8 = 0 FROM pair_closings ORDER BY n") == [(1, False), (2, True)]
    assert query(db_url, "SELECT state FROM pair_trades") == [("completed",)]


DATES = {
    0: "1970-01-01",
    58: "1970-02-28",
    59: "1970-03-01",
    11_016: "2000-02-29",
    19_782: "2024-02-29",
    20_088: "2024-12-31",
    20_089: "2025-01-01",
    47_540: "2100-02-28",
    47_541: "2100-03-01",
}


def test_days_are_calendar_days(db_url: str) -> None:
    upgrade(db_url)
    ends = {number: days * DAY_NS + DAY_NS - 1 for number, days in enumerate(DATES, 1)}
    pairs = [a_pair(n, PairState.COMPLETED, decided_ns=0, closed_ns=end, mark_ns=end) for n, end in ends.items()]
    write(db_url, a_run(1), *pairs)
    assert query(db_url, "SELECT day_utc FROM v_daily_pnl ORDER BY day_utc") == [(date,) for date in DATES.values()]


def test_the_books_of_a_decision_are_kept_exactly_and_shown_level_by_level(db_url: str) -> None:
    upgrade(db_url)
    fine = (D("0.000000000123456789012345678"), D("12345678901234567890"))
    write(db_url, a_run(1), a_pair(1), a_decision_book(1), a_decision_book(2, 1, QuoteSide.BIDS, levels=(fine,)))
    assert query(db_url, "SELECT venue, side, levels FROM decision_books ORDER BY id") == [
        ("gate", "asks", '[["50000.5","0.04"],["50001","100"]]'),
        ("okx", "bids", '[["0.000000000123456789012345678","12345678901234567890"]]'),
    ]
    rows = query(db_url, "SELECT * FROM v_decision_levels ORDER BY side, level")
    assert [(*row[:6], D(row[6]), D(row[7])) for row in rows] == [
        (1, T0 + 1000, "2023-11-14 22:13:20.000001", "gate", "asks", 1, D("50000.5"), D("0.04")),
        (1, T0 + 1000, "2023-11-14 22:13:20.000001", "gate", "asks", 2, D(50001), D(100)),
        (1, T0 + 1000, "2023-11-14 22:13:20.000001", "okx", "bids", 1, *fine),
    ]


def test_every_view_answers_on_both_databases(db_url: str) -> None:
    upgrade(db_url)
    write(db_url, a_run(1), *a_finished_pair(1), an_opportunity(7), an_opportunity(8, reason="no_depth"))
    (pair,) = query(db_url, "SELECT state, realised_net_e8, realised_net, fees_e8, fills FROM v_pair_trades")
    assert (pair[0], pair[1], float(pair[2]), pair[3], pair[4]) == (
        "completed",
        115_000_001,
        1.15000001,
        1_000_005_000,
        2,
    )
    quality = query(
        db_url, "SELECT venue, orders, accepted, filled, fill_ratio, ack_ms FROM v_venue_quality ORDER BY 1"
    )
    assert [(row[:4], float(row[4]), float(row[5])) for row in quality] == [
        (("gate", 1, 1, 1), 1.0, 0.001),
        (("okx", 1, 1, 1), 1.0, 0.001),
    ]
    reasons = query(db_url, "SELECT reason, opportunities, best_net_e8 FROM v_reasons ORDER BY reason")
    assert reasons == [("max_notional", 1, 123_456_789), ("no_depth", 1, 123_456_789)]
    (opportunity,) = query(db_url, "SELECT duration_ms, best_net FROM v_opportunities WHERE id = 7")
    assert (float(opportunity[0]), float(opportunity[1])) == (2e-06, 1.23456789)


VIEW_COLUMNS = {
    "v_decision_levels": "pair_trade_id ns at venue side level price size",
    "v_daily_pnl": "day_utc quote trading_net_e8 trading_net fees_e8 fees hedge_cost_e8 hedge_cost pairs",
    "v_reasons": "run_id symbol quote outcome reason opportunities best_net_e8 best_net best_edge_bps",
    "v_venue_quality": "venue symbol orders accepted rejected unknown filled fill_ratio ack_ms first_fill_ms fees_e8 fees",
}


def test_the_columns_of_the_views_are_a_contract(db_url: str) -> None:
    upgrade(db_url)
    engine = open_engine(db_url)
    inspector = inspect(engine)
    assert sorted(inspector.get_view_names()) == sorted(VIEWS)
    for view, columns in VIEW_COLUMNS.items():
        assert [column["name"] for column in inspector.get_columns(view)] == columns.split()
    for view in VIEWS:
        names = {column["name"] for column in inspector.get_columns(view)}
        assert {name.removesuffix("_e8") for name in names if name.endswith("_e8")} <= names
    engine.dispose()


# Where things lie.


def test_the_journal_lies_beside_a_sqlite_ledger() -> None:
    assert journal_path("sqlite:///var/live.sqlite", Path("j")) == Path("var/live.journal.sqlite")


def test_the_journal_of_a_postgres_ledger_is_found_again_when_the_password_changed(tmp_path: Path) -> None:
    first = journal_path("postgresql://me:old@host/arb", tmp_path)
    assert first == journal_path("postgresql+psycopg://me:new@host:5432/arb", tmp_path)
    assert first.parent == tmp_path
    assert first.name.endswith(".journal.sqlite")
    assert first != journal_path("postgresql://me:old@host/other", tmp_path)


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://me:pw@host/x", "sqlite://", "sqlite:///:memory:", "postgresql://h"]
)
def test_a_url_that_cannot_be_a_ledger_is_refused_in_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        journal_path(url, tmp_path)
    assert "\n" not in str(raised.value)
    assert "pw" not in str(raised.value)


def test_a_password_is_never_shown() -> None:
    assert "hunter2" not in mask_url("postgresql://me:hunter2@host/arb")


def test_an_order_may_be_replaced_by_a_later_state_of_itself(db_url: str) -> None:
    upgrade(db_url)
    write(db_url, a_run(1), a_pair(1), an_order(1), an_order(2, side=Side.SELL))
    write(db_url, a_filled_order(1), a_fill(1))
    assert query(db_url, "SELECT status FROM orders ORDER BY id") == [("filled",), ("intent",)]


def test_every_instant_of_a_view_stands_beside_itself_in_utc_to_the_microsecond(db_url: str) -> None:
    upgrade(db_url)
    at = (T0 + 999, None, 1_582_934_400_000_001_000, 951_782_399_999_999_999, 4_102_444_799_999_000_999)
    pairs = [a_pair(id, decided_ns=ns or T0, closed_ns=None, mark_ns=None) for id, ns in enumerate(at, 1)]
    write(db_url, a_run(1), *pairs, an_opportunity(9, opened_ns=T0 - 1, best_ns=T0, closed_ns=T0 + 1_500))
    assert query(db_url, "SELECT decided_at, closed_at, mark_at FROM v_pair_trades ORDER BY id") == [
        ("2023-11-14 22:13:20.000000", None, None),
        ("2023-11-14 22:13:20.000000", None, None),
        ("2020-02-29 00:00:00.000001", None, None),
        ("2000-02-28 23:59:59.999999", None, None),
        ("2099-12-31 23:59:59.999000", None, None),
    ]
    assert query(db_url, "SELECT opened_at, best_at, closed_at FROM v_opportunities") == [
        ("2023-11-14 22:13:19.999999", "2023-11-14 22:13:20.000000", "2023-11-14 22:13:20.000001")
    ]
    assert query(db_url, "SELECT count(*) FROM v_pair_trades WHERE decided_at >= '2020-02-29'") == [(4,)]
