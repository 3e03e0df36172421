"""What the keys of the screen do, and what it shows where no engine answers."""

from pathlib import Path

import pytest

from arb.app import review
from arb.app.screen import NO_ANSWER, NOT_RUNNING, REASON, ScreenControls, present_or_latest
from arb.clock import ManualClock
from arb.config import ReviewOptions, Settings
from arb.errors import ConfigError
from arb.live.control import read_halt_file
from arb.store.journal.guards import NoReserve
from arb.store.journal.journal import Journal
from arb.store.ledger.ledger import InlineLedger, prepare_ledger
from arb.store.ledger.queries import LedgerReader
from arb.view.lines import text_of
from arb.view.screen.dialogs import Action, Confirmed
from arb.view.screen.picture import picture
from tests.unit.store.alert_stores import drift
from tests.unit.store.rows import T0, a_finished_pair, a_run, an_event, keep


class Place:
    """A ledger whose engine has ended, with one run, a pair and two incidents of one alert; and the screen's controls on it."""

    def __init__(self, folder: Path, **run: object) -> None:
        self.db_url = f"sqlite:///{folder / 'a.sqlite'}"
        self.journal = folder / "a.journal.sqlite"
        journal = Journal.open(self.journal, ManualClock(1), reserve=NoReserve())
        prepare_ledger(self.db_url, journal)
        ledger = InlineLedger(self.db_url, journal)
        story = [a_run(1, **run), *a_finished_pair(1), drift(1), drift(2)]
        for seq, record in enumerate(story, 1):
            ledger.submit(journal.append(an_event(seq), keep(seq, record)))
        ledger.close()
        journal.close()
        self.stopped: list[str] = []
        clock = ManualClock(T0)
        self.controls = ScreenControls(Settings(), "sandbox", self.db_url, clock, lambda: self.stopped.append("stop"))

    def alerts(self) -> list[int]:
        """Return the ids of the open alerts."""
        return [alert["id"] for alert in LedgerReader(self.db_url).alerts()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, ended_ns=T0 + 9, exit_code=0)


def test_without_an_engine_a_halt_is_not_done_and_its_file_stays_for_the_next(place: Place) -> None:
    said = place.controls.act(Confirmed(Action.HALT))
    assert said.startswith("halt: NOT DONE: the halt is saved in")
    assert read_halt_file(place.journal) == REASON


def test_without_an_engine_nothing_is_flattened(place: Place) -> None:
    assert "no engine answers" in place.controls.act(Confirmed(Action.FLATTEN))


def test_stopping_is_left_to_whoever_shows_the_screen(place: Place) -> None:
    place.controls.act(Confirmed(Action.STOP))
    assert place.stopped == ["stop"]


def test_alerts_are_read_and_taken_note_of_as_they_were_shown(place: Place) -> None:
    (alert,) = place.controls.read()["alerts"]
    assert (alert["id"], alert["seen_id"], alert["count"]) == (1, 2, 2)
    assert place.controls.act(Confirmed(Action.ACKNOWLEDGE, 1, 1)).startswith(
        "acknowledge: NOT DONE: it has happened again"
    )
    assert place.alerts() == [1]
    assert place.controls.act(Confirmed(Action.ACKNOWLEDGE, 1, 2)) == "acknowledge: done"
    assert place.alerts() == []


def test_a_run_that_has_ended_is_drawn_from_its_ledger(place: Place) -> None:
    options = ReviewOptions(mode="sandbox", db=place.db_url)
    state = present_or_latest(Settings(), options, ManualClock(T0))
    assert state["state"] == NOT_RUNNING
    text = "\n".join(text_of(row) for row in picture(state | place.controls.read(), (100, 60), ""))
    for words in (
        "NOT RUNNING",
        "no engine answers: this is run 1",
        "pairs 1 (1 completed)",
        "net today (UTC)",
        "! alert 1",
    ):
        assert words in text


def test_an_engine_that_was_killed_or_hangs_is_not_said_to_have_ended(tmp_path: Path) -> None:
    options = ReviewOptions(mode="sandbox", db=Place(tmp_path).db_url)
    assert present_or_latest(Settings(), options, ManualClock(T0))["state"] == NO_ANSWER


def test_where_there_is_no_run_it_says_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'b.sqlite'}"
    journal = Journal.open(tmp_path / "b.journal.sqlite", ManualClock(1), reserve=NoReserve())
    prepare_ledger(url, journal)
    journal.close()
    with pytest.raises(ConfigError, match="no run yet"):
        present_or_latest(Settings(), ReviewOptions(mode="sandbox", db=url), ManualClock(T0))


def rows_of(place: Place, **rows: object) -> dict[str, object]:
    """Return the status of the rows that a user means."""
    return review.status(Settings(), ReviewOptions(mode="sandbox", db=place.db_url, rows=rows))


def test_selected_rows_are_summed_up_whatever_runs(place: Place) -> None:
    everything = rows_of(place, since="2000-01-01")
    assert (everything["runs"], everything["pairs"]) == (1, {"completed": 1})
    assert everything["net"] == rows_of(place)["net"], "the same as of its run, as nothing else is there"
    assert rows_of(place, symbol="BTC/USDT")["fills"] == everything["fills"] == rows_of(place)["fills"]
    assert rows_of(place, venue="bitget")["pairs"] == {}


def test_a_selection_that_matches_nothing_says_what_it_was(place: Place) -> None:
    assert rows_of(place, symbol="ETH/USDT")["empty"] == "no pair trade and no opportunity of ETH/USDT"
    assert "empty" not in rows_of(place, symbol="BTC/USDT")


def test_time_is_counted_where_an_engine_ran_within_what_is_selected(place: Place) -> None:
    assert rows_of(place, until="2000-01-01")["run_seconds"] == 0
