"""Halting, resuming and flattening by a ledger: which engine obeys, and what a user is shown when none does."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from arb.app import control, found_journal
from arb.clock import NS_PER_S, ManualClock, SystemClock
from arb.config import ControlOptions, Settings, StoreSettings
from arb.core.messages.commands import Persist
from arb.core.messages.events import AlertAcknowledged, AnyEvent, HaltAsked
from arb.core.messages.incidents import HaltReason
from arb.core.messages.settings import Limits
from arb.core.state.control import Control
from arb.core.state.positions.holdings import KnownInventory
from arb.errors import CheckFailed
from arb.live.control import ControlRequests, ControlServer, Document, halt_file
from arb.process import user_name
from arb.store.journal.guards import AccountLocks, NoReserve
from arb.store.journal.journal import Journal
from arb.store.ledger.alerts import project
from arb.store.ledger.database import journal_path, open_engine
from arb.store.ledger.ledger import prepare_ledger
from arb.store.ledger.writer import Writer
from tests.unit.store.alert_stores import drift
from tests.unit.store.rows import a_run

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@contextlib.contextmanager
def an_engine(db_url: str, folder: Path) -> Iterator[tuple[Path, list[Document]]]:
    """Open ledger and journal as a run in `folder` does, and answer at its socket; yields the journal and what was asked."""
    path = journal_path(db_url, folder / "var")
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal.open(path, ManualClock(1), reserve=NoReserve())
    prepare_ledger(db_url, journal)
    asked: list[Document] = []
    loop = asyncio.new_event_loop()
    server = ControlServer(path, lambda request: asked.append(request) or {"done": "it"})  # type: ignore[func-returns-value]
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield path, asked
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(server.close())
        loop.close()
        journal.close()


def settings_in(folder: Path) -> Settings:
    return Settings(store=StoreSettings(journal_dir=str(folder / "var")))


def asking(db_url: str) -> ControlOptions:
    return ControlOptions(mode="sandbox", db=db_url, reason="lunch")


@pytest.mark.parametrize("command", [control.halt, control.resume, control.flatten])
def test_an_engine_on_postgresql_is_found_by_its_ledger_from_any_directory(
    command: control.Command, postgres_url: str, tmp_path: Path
) -> None:
    with an_engine(postgres_url, tmp_path / "here") as (_, asked):
        answer = command(settings_in(tmp_path / "elsewhere"), asking(postgres_url))
    assert answer.obeyed
    assert answer.document["engine"] == "told"
    assert [request["reason"] for request in asked] == ["lunch"]
    assert not (tmp_path / "elsewhere").exists(), "nothing is left where no engine ever ran"


def test_an_engine_whose_ledger_does_not_answer_is_found_by_journal_dir_and_url(tmp_path: Path) -> None:
    path = journal_path(NOWHERE, tmp_path / "var")
    path.parent.mkdir()
    Journal.open(path, ManualClock(1), reserve=NoReserve()).close()
    answer = control.halt(settings_in(tmp_path), asking(NOWHERE))
    assert not answer.obeyed
    assert halt_file(path).exists(), "the next engine on this journal begins halted"


def test_a_halt_that_nobody_obeys_keeps_its_file_and_is_no_success(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'mistyped.sqlite'}"
    answer = control.halt(Settings(), asking(db_url))
    assert not answer.obeyed
    assert answer.document["engine"] == "not running, or not answering"
    assert Path(answer.document["file"]).read_text(encoding="utf-8") == "lunch\n"


def test_the_engines_that_do_run_are_named_where_nobody_obeys(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "a.journal.sqlite"
    elsewhere.parent.mkdir()
    locks = AccountLocks(elsewhere, ["gate:1", "okx:2"])
    try:
        with pytest.raises(CheckFailed) as caught:
            control.require_obeyed(control.halt(Settings(), asking(f"sqlite:///{tmp_path / 'mistyped.sqlite'}")))
    finally:
        locks.release()
    line = str(caught.value)
    assert "no engine obeyed" in line
    assert str(elsewhere) in line


def test_nobody_to_flatten_or_to_resume_is_no_success_either(tmp_path: Path) -> None:
    options = asking(f"sqlite:///{tmp_path / 'mistyped.sqlite'}")
    assert not control.flatten(Settings(), options).obeyed
    assert not control.resume(Settings(), options).obeyed
    assert list(tmp_path.iterdir()) == []


def test_a_resumption_is_written_into_the_journal_of_an_engine_that_does_not_run(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    path = tmp_path / "a.journal.sqlite"
    Journal.open(path, ManualClock(1), reserve=NoReserve()).close()
    control.halt(Settings(), asking(db_url))
    answer = control.resume(Settings(), asking(db_url))
    assert answer.obeyed
    assert answer.document["engine"] == "not running"
    assert not halt_file(path).exists()


def test_a_resumption_stands_no_earlier_than_what_it_lifts_whatever_the_hosts_clock_says(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    path = tmp_path / "a.journal.sqlite"
    journal, hour_on_ns = (
        Journal.open(path, ManualClock(1), reserve=NoReserve()),
        SystemClock().wall_ns() + 3600 * NS_PER_S,
    )
    halted = Control(Limits())
    halted.halt(HaltReason.ASKED)
    record = halted.record(hour_on_ns, "")
    journal.append(HaltAsked(seq=1, t_ns=hour_on_ns, reason=""), (Persist(cause=1, record=record),))
    journal.close()
    assert control.resume(Settings(), asking(db_url)).document["halted"] is None
    journal = Journal.open(path, ManualClock(1), reserve=NoReserve())
    last_ns = journal.last_ns()
    journal.close()
    assert last_ns == hour_on_ns


def test_a_days_loss_is_lifted_by_a_new_allowance_alone_where_no_engine_runs(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    path = tmp_path / "a.journal.sqlite"
    journal, now_ns = Journal.open(path, ManualClock(1), reserve=NoReserve()), SystemClock().wall_ns()
    lost = Control(Limits())
    lost.book_result(-150 * 10**8, now_ns)
    journal.append(HaltAsked(seq=1, t_ns=now_ns, reason=""), (Persist(cause=1, record=lost.record(now_ns, "")),))
    journal.close()
    assert control.resume(Settings(), asking(db_url)).document["halted"] == "daily_loss_quote"
    allowing = msgspec.structs.replace(asking(db_url), allow_loss=Decimal(20))
    assert control.resume(Settings(), allowing).document["halted"] is None
    journal = Journal.open(path, ManualClock(1), reserve=NoReserve())
    record = journal.restore().control
    journal.close()
    assert record is not None
    assert (record.day_net_e8, record.day_floor_e8, record.day_loss_reached) == (-150 * 10**8, -170 * 10**8, False)


def test_an_allowance_reaches_the_running_engine(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    with an_engine(db_url, tmp_path) as (_, asked):
        control.resume(settings_in(tmp_path), msgspec.structs.replace(asking(db_url), allow_loss=Decimal("12.50")))
    assert asked[-1]["allow_loss"] == "12.5"


def test_a_halt_is_not_lifted_while_its_engine_runs_and_does_not_answer(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    path = tmp_path / "a.journal.sqlite"
    hung = Journal.open(path, ManualClock(1), reserve=NoReserve())
    try:
        control.halt(Settings(), asking(db_url))
        answer = control.resume(Settings(), asking(db_url))
    finally:
        hung.close()
    assert not answer.obeyed
    assert halt_file(path).exists()


def test_a_ledger_named_through_a_link_has_one_journal(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.sqlite").touch()
    (tmp_path / "link.sqlite").symlink_to(folder / "a.sqlite")
    assert journal_path(f"sqlite:///{tmp_path / 'link.sqlite'}", Path()) == folder / "a.journal.sqlite"


def test_a_journal_is_found_for_reading_by_its_ledger(postgres_url: str, tmp_path: Path) -> None:
    with an_engine(postgres_url, tmp_path / "here") as (path, _):
        assert found_journal(settings_in(tmp_path / "elsewhere"), "sandbox", postgres_url) == path


def test_an_acknowledgement_goes_to_the_running_engine_and_names_what_was_shown(tmp_path: Path) -> None:
    db_url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    with an_engine(db_url, tmp_path) as (_, asked):
        engine, rows = open_engine(db_url), [a_run(1), drift(1), drift(2)]
        with engine.begin() as connection:
            Writer("sqlite").write(connection, rows)
            project(connection, rows)
        answer = control.acknowledge(Settings(), msgspec.structs.replace(asking(db_url), ident="1", by="ann"))
    assert answer.obeyed and answer.document["engine"] == "told"
    assert asked == [{"do": "acknowledge", "reason": "lunch", "alert": 1, "seen": 2, "by": "ann", "peer": user_name()}]


@pytest.mark.parametrize("wrong", [{}, {"alert": "1", "seen": 2}, {"alert": 2, "seen": 1}, {"alert": 1, "seen": 2**63}])
def test_an_engine_refuses_an_acknowledgement_that_names_no_alert(wrong: Document) -> None:
    obeyed: list[AnyEvent] = []

    def obey(event: AnyEvent) -> str:
        obeyed.append(event)
        return ""

    requests = ControlRequests(Path("a.journal.sqlite"), obey, dict, inventory)
    assert (
        "ids of the ledger's table"
        in requests.answer({"do": "acknowledge", "reason": "x", "by": "ann"} | wrong)["error"]
    )
    assert obeyed == []
    assert requests.answer({"do": "acknowledge", "reason": "x\n", "by": "a\0n", "alert": 1, "seen": 2}) == {
        "done": "acknowledge"
    }
    (event,) = obeyed
    assert isinstance(event, AlertAcknowledged) and (event.alert_id, event.seen_id) == (1, 2)
    assert not {"\0", "\n"} & set(event.by + event.reason)


def inventory() -> KnownInventory:
    raise AssertionError("nobody asked for it")
