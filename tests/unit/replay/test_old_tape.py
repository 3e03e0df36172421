"""A restart and a replay on what an earlier version left behind (tests/data/README.md)."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from arb.app.replay import replay_tapes
from arb.config import ReplayOptions, Settings
from arb.core.engine import Engine
from arb.core.messages.commands import Persist, SetTimer
from arb.core.messages.events import RunStarted, TimerFired
from arb.core.messages.records import IncidentRecord, PairState
from arb.live.recovered_state import restored_from
from arb.live.universe import books_of, universe_of
from arb.replay.rerun import Judge, Prologue, Rerun, read_prologue
from arb.replay.tapes import OwnTape
from arb.store.journal.reader import MAX_SUB, JournalReader, JournalState, Position
from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import RULES, TapeHead
from tests.support.old_files import unpacked

OPEN = {1795344839000000004: PairState.OPENING, 1795344839000000006: PairState.REPAIRING}


class SecondLife:
    """The tape of the process that went on after the killed one: its head, its beginning, and the lines behind that."""

    def __init__(self, path: Path) -> None:
        tape = OwnTape((path,))
        self.head: TapeHead = tape.head
        self.lines: Iterator[TapeLine] = tape.lines()
        self.prologue: Prologue = read_prologue(self.lines)

    def engine(self) -> Engine:
        """Return the engine that this process had, before it took up anything."""
        settings = self.head.settings
        return Engine(settings, books_of(universe_of(self.prologue.instruments), settings.timing))


@pytest.fixture
def second_life(tmp_path: Path) -> SecondLife:
    return SecondLife(unpacked("second.tape.jsonl", tmp_path))


@pytest.fixture
def left(tmp_path: Path, second_life: SecondLife) -> JournalState:
    """Return what the killed process left in its journal, as a start on the same accounts reads it."""
    reader = JournalReader.open(unpacked("killed.journal.sqlite", tmp_path))
    state = reader.state(set(second_life.prologue.started.account_ids.values()))
    reader.close()
    return state


def test_what_is_restored_today_is_what_the_old_version_restored(second_life: SecondLife, left: JournalState) -> None:
    assert restored_from(left) == second_life.head.restored
    assert left.last_seq == second_life.head.last_seq


def test_a_restart_takes_up_the_open_pairs_and_asks_for_every_order_without_an_answer(
    second_life: SecondLife, left: JournalState
) -> None:
    engine = second_life.engine()
    engine.load(restored_from(left))
    started: RunStarted = second_life.prologue.started
    commands = engine.handle(started)
    assert {number: pair.state for number, pair in engine.manager.open.items()} == OPEN
    rows = [command.record for command in commands if isinstance(command, Persist)]
    assert {row.pair_trade_id for row in rows if isinstance(row, IncidentRecord) and row.kind == "restored"} == set(
        OPEN
    )
    unanswered = {
        order.client_order_id
        for pair in left.pairs
        for order in pair.orders
        if order.status.value in ("intent", "sent")
    }
    timers = {command.timer for command in commands if isinstance(command, SetTimer)}
    assert len(unanswered) == 2
    assert {f"order:{name}" for name in unanswered} <= timers
    assert {f"pair:{number}" for number in OPEN} <= timers
    for timer in sorted(timers):
        engine.handle(TimerFired(seq=started.seq + 1, t_ns=started.t_ns + 1, timer=timer))  # every old name is known


def test_an_old_tape_leads_to_the_commands_of_its_old_journal_up_to_a_rule_that_has_changed_since(
    tmp_path: Path, second_life: SecondLife
) -> None:
    reader = JournalReader.open(unpacked("second.journal.sqlite", tmp_path))
    entries = list(reader.entries(Position(second_life.prologue.started.seq - 1, MAX_SUB)))
    reader.close()
    assert second_life.head.rules != RULES
    judge = Judge(entries, same_rules=False)
    engine = second_life.engine()
    engine.load(second_life.head.restored)
    rerun = Rerun(engine, lambda event, commands, untraded: None, judge)
    difference = rerun.run(itertools.chain(second_life.prologue.lines, second_life.lines))
    # Then an expiry proved that a lost order was absent; today the account must have seen an expired order refused.
    # Nothing of that order has changed, so that nothing is written either.
    assert difference is not None and difference.expected is not None
    assert (difference.seq, judge.compared, difference.got) == (686, 73, None)
    assert "RefreshBalances" in difference.expected


def test_a_tape_of_a_run_that_learned_leg_cost_replays_up_to_the_first_decision_that_learning_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape, journal = (unpacked(name, tmp_path, "learned") for name in ("run.tape.jsonl", "run.journal.sqlite"))
    options = ReplayOptions(files=(tape,), db=f"sqlite:///{tmp_path}/again.sqlite", journal=journal)
    summary, code = replay_tapes(Settings(), options)
    assert (code, summary["pairs"]["completed"], summary["replay"]["compared"]) == (0, 4, 146)
    difference = summary["replay"]["difference"]
    assert difference["seq"] == 398 and '"leg_cost_bps":"3.964"' in difference["expected"]
    assert difference["got"] == difference["expected"].replace('"leg_cost_bps":"3.964"', '"leg_cost_bps":"4"')
    line = 'the run was decided by leg_cost "learned", which leads elsewhere from seq 398 on'
    assert [record.getMessage() for record in caplog.records if "seq 398" in record.getMessage()] == [line]
