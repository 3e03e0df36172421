"""The companion between a real ledger, an engine's real state socket and a real webhook; the test moves its clock."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from arb.clock import NS_PER_S
from arb.config import AlertSettings, Settings, WatchSettings
from arb.live.feed import feed_path
from arb.watch.companion import BEAT_EVERY_NS, UNREAD_NS
from arb.watch.due import MINUTE_NS
from arb.watch.memory import memory_path
from tests.unit.store.alert_stores import Stores, drift, note
from tests.unit.store.rows import T0, a_run, an_incident
from tests.unit.watch.bench import STATE, Bench, until
from tests.unit.watch.receiving import WebServer, web_server


@pytest.fixture(params=["sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("ledger_file"), tmp_path / "ledger.sqlite")
        url = f"sqlite:///{tmp_path}/ledger.sqlite"
    else:
        url = request.getfixturevalue("postgres_url")
    made = Stores(url, tmp_path)
    made.write(a_run(1))
    yield made
    made.stop()


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def bench(stores: Stores, web: WebServer) -> Iterator[Bench]:
    made = Bench(stores, web.url)
    yield made
    made.stop.set()


on_sqlite = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)


def test_an_alert_is_sent_within_two_seconds_of_its_row_and_once(bench: Bench, web: WebServer) -> None:
    bench.pass_s(3)
    assert web.taken == []
    bench.stores.write(drift(1))
    bench.pass_s(2)
    assert web.titles == ["arb sandbox: balance differs from the venue's: gate"]
    bench.pass_s(30)
    assert len(web.taken) == 1
    bench.stores.write(note(1, seen_id=1))
    bench.pass_s(3)
    assert web.titles[1:] == ["arb sandbox: Over: balance differs from the venue's: gate"]


def test_an_open_alert_is_repeated_also_by_the_next_companion(bench: Bench, web: WebServer) -> None:
    bench.stores.write(drift(1))
    bench.pass_s(2)
    bench.restart()
    bench.pass_s(30)
    assert len(web.taken) == 1, "what was sent is remembered"
    bench.clock.advance(60 * MINUTE_NS)
    bench.pass_s(2)
    assert web.titles[1:] == ["arb sandbox: balance differs from the venue's: gate (still open)"]


@on_sqlite
def test_an_alert_that_began_and_ended_while_no_companion_ran_is_sent_and_older_ones_are_not(
    bench: Bench, web: WebServer
) -> None:
    bench.stores.write(drift(1), note(1, seen_id=1))
    bench.pass_s(2)
    assert web.taken == [], "it ended before the first companion began"
    late = bench.clock.wall_ns() + NS_PER_S
    bench.stores.write(an_incident(7, kind="late_leg", severity="critical", ns=late))
    bench.stores.write(an_incident(8, kind="stop_lifted", severity="info", ns=late + 1, venue=None))
    bench.restart()
    bench.pass_s(3)
    assert web.titles == ["arb sandbox: Over: a leg is unhedged beyond its deadline: gate"]


@on_sqlite
def test_a_storm_of_a_thousand_rows_is_one_message(bench: Bench, web: WebServer) -> None:
    bench.stores.write(*(drift(n, venue=f"venue{n}") for n in range(1, 1_001)))
    bench.pass_s(30)
    assert web.titles == ["arb sandbox: 1000 alerts"]
    bench.restart()
    bench.pass_s(30)
    assert len(web.taken) == 1


def test_killed_between_sending_and_remembering_it_sends_once_more_and_loses_nothing(
    bench: Bench, web: WebServer
) -> None:
    bench.stores.write(drift(1))
    bench.clock.advance(NS_PER_S)
    bench.companion.step()
    until(lambda: web.taken, "the message arrives")  # and this process is killed here
    bench.restart()
    bench.pass_s(30)
    assert len(web.taken) == 2
    bench.restart()
    bench.pass_s(30)
    assert len(web.taken) == 2


@on_sqlite
def test_a_receiver_that_fails_is_tried_again_and_the_others_are_sent_the_fault(bench: Bench, web: WebServer) -> None:
    with web_server() as other:
        other.status = 500
        bench.urls = (web.url, other.url)
        bench.restart()
        bench.stores.write(drift(1))
        bench.pass_s(20)
        assert "arb sandbox: receiver 2 json takes no messages" in web.titles
        assert "error=500" in web.taken[-1][1]["message"]
        tries = len(other.taken)
        assert 2 <= tries < 15, "with back-off"
        other.status = 200
        bench.pass_s(120)
        assert web.titles[-1] == "arb sandbox: Over: receiver 2 json takes no messages"
        assert len(other.taken) == tries + 1 and other.titles[-1].endswith("venue's: gate"), "nothing is lost, or twice"


@on_sqlite
def test_a_receiver_that_hangs_holds_up_no_other(bench: Bench, web: WebServer) -> None:
    with web_server() as hangs:
        hangs.status = 0
        bench.urls = (hangs.url, web.url)
        bench.restart()
        bench.stores.write(drift(1))
        bench.clock.advance(NS_PER_S)
        bench.companion.step()
        until(lambda: web.taken and hangs.taken, "both are sent it")
        bench.stores.write(drift(2, venue="okx"))
        for _ in range(3):
            bench.clock.advance(NS_PER_S)
            until(lambda: not bench.receivers[1]._outcomes.empty() or bench.receivers[1].is_free(0), "taken")
            bench.companion.step()
        until(lambda: len(web.taken) == 2, "the other is sent the next")
        assert len(hangs.taken) == 1


@on_sqlite
def test_a_wake_alert_goes_to_the_second_receiver_after_five_minutes(bench: Bench, web: WebServer) -> None:
    with web_server() as second:
        bench.urls = (web.url, f"wake+{second.url}")
        bench.restart()
        began = bench.clock.wall_ns()
        bench.stores.write(drift(1, ns=began), an_incident(2, kind="guard", ns=began))
        bench.pass_s(299)
        assert (len(web.taken), second.taken) == (2, [])
        bench.pass_s(3)
        assert second.titles == ["arb sandbox: balance differs from the venue's: gate"]


@on_sqlite
def test_quiet_hours_hold_a_warning_until_the_morning(bench: Bench, web: WebServer) -> None:
    bench.settings = Settings(alerts=AlertSettings(quiet_utc="22:00-22:20"))  # T0 is 22:13:20
    bench.restart()
    bench.stores.write(an_incident(1, kind="guard"), drift(2))
    bench.pass_s(300, step_s=5)
    assert web.titles == ["arb sandbox: balance differs from the venue's: gate"]
    bench.pass_s(120, step_s=5)
    assert web.titles[1:] == ["arb sandbox: the guard refused an order: gate"]


@on_sqlite
def test_an_engine_that_hangs_or_was_killed_is_an_alert_and_one_that_ended_is_none(
    bench: Bench, web: WebServer
) -> None:
    bench.settings = Settings(watch=WatchSettings(hung_after_s=1))
    bench.restart()
    engine = bench.listen()
    engine.send(msgspec.json.encode(STATE))
    until(lambda: bench.signs.state is not None, "a state arrives")
    bench.pass_s(2)
    assert web.taken == []
    until(lambda: bench.signs.silent_s >= 1, "silence")
    bench.pass_s(2)
    assert web.titles == ["arb sandbox: the engine gives no sign"]
    engine.send(msgspec.json.encode(STATE))
    until(lambda: bench.signs.silent_s < 1, "it continues")
    bench.pass_s(2)
    assert web.titles[1:] == ["arb sandbox: Over: the engine gives no sign"]
    engine.kill()
    until(lambda: bench.signs.silent_s >= 1, "it is killed")
    bench.pass_s(2)
    assert web.titles[2:] == ["arb sandbox: the engine gives no sign"]
    feed_path(bench.stores.path).unlink()  # as an orderly end does
    bench.stores.write(a_run(1, ended_ns=T0 + 2, exit_code=0))
    bench.pass_s(300)
    assert web.titles[3:] == ["arb sandbox: Over: the engine gives no sign"]


@on_sqlite
def test_a_run_without_an_end_and_without_a_socket_is_an_alert_after_its_start_had_time(
    bench: Bench, web: WebServer
) -> None:
    bench.signs.silent_s = 300.0
    bench.pass_s(118)
    assert web.taken == [], "it may be starting"
    bench.signs.silent_s = 14.0
    bench.pass_s(5)
    assert web.taken == [], "it may be ending"
    bench.signs.silent_s = 15.0
    bench.pass_s(2)
    assert web.titles == ["arb sandbox: the engine gives no sign"]


@on_sqlite
@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b"no database" * 1000), "ledger"),
        (lambda path: _execute(path, "UPDATE alembic_version SET version_num = '0001'"), "run `arb db upgrade`"),
        (lambda path: _execute(path, "UPDATE alembic_version SET version_num = '9999'"), "newer arb; upgrade arb"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_one_line_and_where_an_engine_runs_an_alert(
    bench: Bench,
    web: WebServer,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
    complaint: str,
) -> None:
    path = Path(bench.stores.db_url.removeprefix("sqlite:///"))
    bench.stores.write(drift(1))
    bench.pass_s(2)
    bench.stores.stop()
    kept = path.with_name("kept")
    shutil.copy(path, kept)
    spoil(path)
    bench.restart()
    bench.answer()
    bench.pass_s(UNREAD_NS // NS_PER_S + 5)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("ledger: ")]
    assert len(lines) == 1 and complaint in lines[0]
    assert web.titles[1:] == ["arb sandbox: the ledger cannot be read"], "and no alert counts as over"
    shutil.copy(kept, path)
    bench.pass_s(3)
    assert web.titles[2:] == ["arb sandbox: Over: the ledger cannot be read"]


def _execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


@on_sqlite
def test_a_locked_ledger_is_read_all_the_same(bench: Bench, web: WebServer) -> None:
    bench.stores.write(drift(1))
    with closing(sqlite3.connect(bench.stores.db_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        bench.pass_s(3)
    assert len(web.taken) == 1


@on_sqlite
def test_an_engine_of_another_mode_is_one_line(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.answer(about={"mode": "paper"})
    bench.pass_s(5)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["engine: it is of mode paper: choose its ledger by --mode or --db"]


@on_sqlite
@pytest.mark.parametrize("packet", [b"no JSON", b"[1, 2]", b'{"about": 5}', b'{"unhedged": 7}', b"{}"])
def test_a_state_that_is_none_leaves_the_companion_up(bench: Bench, web: WebServer, packet: bytes) -> None:
    engine = bench.listen()
    engine.send(packet)
    bench.stores.write(drift(1))
    until(lambda: bench.signs.has_answered, "the packet arrives")
    bench.pass_s(3)
    engine.kill()
    assert web.titles == ["arb sandbox: balance differs from the venue's: gate"]


@on_sqlite
def test_a_damaged_memory_is_set_aside_and_open_alerts_are_sent_again(bench: Bench, web: WebServer) -> None:
    bench.stores.write(drift(1))
    bench.pass_s(2)
    path = memory_path(bench.stores.path)
    path.write_bytes(path.read_bytes()[:-20])
    bench.restart()
    bench.pass_s(3)
    assert len(web.taken) == 2
    assert path.with_name(path.name + ".unreadable").exists()


@on_sqlite
def test_the_heartbeat_is_requested_while_both_are_well(bench: Bench, web: WebServer) -> None:
    with web_server() as beats:
        url = f"http://127.0.0.1:{beats.port}/ping/5d1e7f0a"
        bench.settings = Settings(watch=WatchSettings(heartbeat_url=url))
        bench.restart()
        bench.pass_s(120)
        assert beats.taken == [], "no engine"
        bench.answer()
        for minute in range(1, 4):
            bench.pass_s(BEAT_EVERY_NS // NS_PER_S)
            until(lambda at=minute: len(beats.taken) == at, "a request a minute")  # type: ignore[misc]
        bench.signs.silent_s = 60.0
        bench.pass_s(120)
        assert [path for path, _ in beats.taken] == ["/ping/5d1e7f0a"] * 3


def test_the_companion_writes_nothing_but_its_own_file(bench: Bench) -> None:
    bench.stores.write(drift(1))
    bench.stores.stop()
    folder, own = bench.stores.path.parent, memory_path(bench.stores.path)

    def stored() -> dict[str, bytes]:
        """Return the files there, without those that SQLite makes while it reads."""
        files = (path for path in folder.iterdir() if path.is_file() and not path.name.endswith(("-shm", "-wal")))
        return {path.name: path.read_bytes() for path in files if path != own}

    before, remembered = stored(), own.read_bytes()
    bench.pass_s(3)
    assert stored() == before and own.read_bytes() != remembered


@on_sqlite
def test_funds_that_run_out_are_a_warning_until_they_last_twice_as_long(bench: Bench, web: WebServer) -> None:
    bench.answer(lasting={"gate": {"USDT": 599}, "okx": {"BTC": 900}})
    bench.pass_s(2)
    bench.answer(lasting={"gate": {"USDT": 1199}})
    bench.pass_s(2)
    assert web.titles == ["arb sandbox: funds run out"]
    assert "USDT at gate in 9 min" in web.taken[0][1]["message"] and "BTC" not in web.taken[0][1]["message"]
    bench.signs.silent_s, bench.signs._journal = 9.0, bench.stores.path
    feed_path(bench.stores.path).touch()
    bench.pass_s(2)
    assert web.titles[1:] == ["arb sandbox: the engine gives no sign"], "its funds are no better for that"
    bench.answer()
    bench.pass_s(2)
    assert "arb sandbox: Over: funds run out" not in web.titles, "a new engine does not know its pace yet"
    bench.answer(lasting={"gate": {"USDT": 1201}})
    bench.pass_s(2)
    assert "arb sandbox: Over: funds run out" in web.titles[2:]
