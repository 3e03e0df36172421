"""One process killed at a named point and started again: what it left, how long the next one took, and whether all is equal."""

import random
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_S, SystemClock
from arb.core.messages.incidents import HaltReason
from arb.errors import EXIT_CHECK
from arb.market.order import OrderStatus
from arb.store.journal.intents import IntentLog, intents_of
from arb.store.journal.reader import JournalReader
from tests.integration import truth
from tests.integration.kill_points import (
    ENTRY_SENT,
    INTENT,
    ONE_LEG_FILLED,
    ONE_LEG_SENT,
    POINTS,
    REPAIR_SENT,
    SENT,
    Course,
    KillPoint,
    When,
)
from tests.integration.support import (
    DB,
    WELL_ENDED,
    EngineProcess,
    Process,
    SandboxProcess,
    end_of,
    engine_of,
    engine_process,
    run_arb,
    run_script,
    sandbox_process,
    wait_while,
    where,
    write_config,
)
from tests.support import second_judge

JOURNAL = "a.journal.sqlite"
SETTLE_S = 180.0
"""Within this, counted from the start of the next process, everything the dead one left is settled: its pairs have ended, its
orders are known, nothing is unhedged. Most of it is the proof of absence at a venue without expiry."""
AT_ONCE = -1
PAIRS_BEFORE = 2
SHORT_FILLS = 40
LOST_REQUESTS = 3
CARRIED_QUOTE = 5
ANYWHERE_S = (0.05, 4.0)
WHILE_TRADING = 0.8
NOT_SENT = (INTENT, "repair", "flatten order")
UNANSWERED = (ONE_LEG_SENT, ENTRY_SENT, ONE_LEG_FILLED, REPAIR_SENT)
UNSETTLED_PAIRS = ("opening", "repairing", "halted")


class KillResult(msgspec.Struct, frozen=True, kw_only=True):
    """One kill: orders and pairs the dead process had not settled, and seconds from the next start."""

    orders_left: int
    pairs_left: int
    settled_s: float
    trading_s: float | None


class Stage(msgspec.Struct):
    """Where a course of events is played."""

    folder: Path
    sandbox: SandboxProcess
    point: KillPoint
    rng: random.Random

    @property
    def seen(self) -> str:
        """Return what a failure should say first."""
        return f"seed {self.sandbox.seed}, {self.point.name!r}"

    def start(self, point: KillPoint, left_alone: int) -> EngineProcess:
        """Start an engine that dies at `point`, once more than so many orders have left."""
        config, url = write_config(self.folder, **self.settings), f"sqlite:///{self.folder / DB}"
        arguments = (point.name, str(left_alone), str(config), url, self.sandbox.admin)
        return EngineProcess(self.folder, run_script("killed_engine.py", *arguments, cwd=self.folder))

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that differ: a flatten needs something that was left for a person to repair."""
        return {"on_single_leg": '"hold"'} if self.point.course is Course.FLATTEN else {}

    def until_killed(self, point: KillPoint, left_alone: int) -> None:
        """Run an engine until it has died at `point`."""
        self.buried(self.start(point, left_alone).process)

    def buried(self, process: Process) -> None:
        """Wait for a process that kills itself."""
        ended = end_of(process)
        assert ended.code == -signal.SIGKILL, f"{self.seen}: not reached, ended {ended.code}:\n{ended.err[-3000:]}"

    def after_pairs(self, act: Callable[[EngineProcess], None]) -> None:
        """Run an engine until some pairs are completed, and then do something that leads to its death."""
        engine = self.start(self.point, 0)
        with engine_of(self.folder, engine.process):
            engine.until_pairs(PAIRS_BEFORE)
            act(engine)
            self.buried(engine.process)

    def ask(self, command: str) -> None:
        """Run a command of the user; it has to do its part even when the engine dies of it, or say that nobody answered."""
        asked = run_arb(command, "--json", "--reason", "proof", *where(self.folder), cwd=self.folder)
        unanswered = command in ("halt", "flatten") and asked.code == EXIT_CHECK and "no engine obeyed" in asked.err
        assert asked.code == 0 or unanswered, f"{self.seen}: {command}: {asked.err}"


def _trading(stage: Stage) -> None:
    stage.until_killed(stage.point, stage.rng.randrange(2, 10))


def _short(stage: Stage) -> None:
    stage.sandbox.strike("partial_fill", count=SHORT_FILLS)
    stage.until_killed(stage.point, stage.rng.randrange(2, 8))
    stage.sandbox.no_more_faults()


def _lost(stage: Stage) -> None:
    # The private stream reports an order that was taken; only one that never arrived has to be queried.
    stage.sandbox.strike("lost_ack", count=1)
    stage.sandbox.strike("lost_request", count=LOST_REQUESTS)
    stage.until_killed(stage.point, 0)
    stage.sandbox.no_more_faults()


def _restart(stage: Stage) -> None:
    stage.until_killed(POINTS[SENT], stage.rng.randrange(2, 8))
    stage.until_killed(stage.point, AT_ONCE)


def _no_memory(stage: Stage) -> None:
    stage.until_killed(POINTS[SENT], stage.rng.randrange(2, 8))
    for path in stage.folder.glob("a.*"):
        path.unlink()
    stage.until_killed(stage.point, AT_ONCE)


def _halt(stage: Stage) -> None:
    stage.after_pairs(lambda _: stage.ask("halt"))


def _resume(stage: Stage) -> None:
    def halt_and_resume(engine: EngineProcess) -> None:
        stage.ask("halt")
        engine.until(lambda status: status["halted"] == "asked", f"{stage.seen}: it halts")
        stage.ask("resume")

    stage.after_pairs(halt_and_resume)


def _flatten(stage: Stage) -> None:
    def carry_and_flatten(engine: EngineProcess) -> None:
        while True:
            stage.sandbox.strike("partial_fill", count=SHORT_FILLS)
            engine.until(carries, f"{stage.seen}: base is carried")
            stage.sandbox.no_more_faults()
            stage.ask("flatten")
            if not _is_flattened(engine):
                return
            # Trading went on until the flatten, and offset what was carried: there was nothing to trade away.
            stage.ask("resume")

    stage.after_pairs(carry_and_flatten)


def carries(status: dict[str, Any]) -> bool:
    """Tell whether closed pairs have left base for a flatten to trade away; an open pair looks uneven between its two fills."""
    return not status["pairs"]["open"] and float(status["unhedged_notional"]) > CARRIED_QUOTE


def _is_flattened(engine: EngineProcess) -> bool:
    """Wait until a process has died or has ended a flatten; return whether it has done the latter, and lives."""

    def is_alive() -> bool:
        return engine.process.poll() is None

    def is_flat() -> bool:
        return bool(engine.status().get("halted") == HaltReason.FLATTENED)

    wait_while(engine.process, lambda: not is_alive() or is_flat(), "it is killed, or flat")
    return is_alive()


def _stop(stage: Stage) -> None:
    stage.after_pairs(lambda engine: engine.process.send_signal(signal.SIGTERM))


def _anywhere(stage: Stage) -> None:
    """Kill the command itself, as it is, at a drawn instant: now and then of its start, mostly while it trades."""
    with engine_process(stage.folder, stage.sandbox) as engine:
        if stage.rng.random() < WHILE_TRADING:
            engine.until_pairs(1)
        try:
            ended = engine.process.communicate(timeout=stage.rng.uniform(*ANYWHERE_S))
        except subprocess.TimeoutExpired:
            engine.process.kill()
            stage.buried(engine.process)
        else:
            raise AssertionError(f"{stage.seen}: it ended by itself: {ended}")


COURSES: dict[Course, Callable[[Stage], None]] = {
    Course.TRADING: _trading,
    Course.SHORT: _short,
    Course.LOST: _lost,
    Course.RESTART: _restart,
    Course.NO_MEMORY: _no_memory,
    Course.HALT: _halt,
    Course.RESUME: _resume,
    Course.FLATTEN: _flatten,
    Course.STOP: _stop,
    Course.ANYWHERE: _anywhere,
}


def kill_and_restart(point: KillPoint, folder: Path, seed: int) -> KillResult:
    """Play one kill on a sandbox of its own, start the engine again, and judge; raises `AssertionError` with what is wrong."""
    with sandbox_process(folder, seed=seed) as sandbox:
        stage = Stage(folder, sandbox, point, random.Random(f"{seed}/{point.name}"))
        COURSES[point.course](stage)
        ledger = sandbox.ledger()
        orders, pairs = unsettled_at_death(folder, ledger)
        _died_there(stage, orders, ledger)
        clock = SystemClock()
        began_ns = clock.monotonic_ns()

        def elapsed_s() -> float:
            return (clock.monotonic_ns() - began_ns) / NS_PER_S

        with engine_process(folder, sandbox) as engine:
            _settle(stage, engine, orders)
            settled_s, trading_s = elapsed_s(), None
            if point.course is not Course.FLATTEN:
                _trade_on(stage, engine)
                trading_s = elapsed_s()
            ended = engine.stop()
        seen = f"{stage.seen}: {ended.out}\n{ended.err[-3000:]}"
        assert (ended.code, ended.summary["halted"]) in (*WELL_ENDED, (0, "flattened")), seen
        assert ended.summary["unhedged_notional"] == "0", seen
        assert ended.summary["unknown_orders"] == 0, seen
        _judge(folder, sandbox.ledger(), orders, seen)
        waiting = sum(not settled for settled in orders.values())
        return KillResult(orders_left=waiting, pairs_left=pairs, settled_s=settled_s, trading_s=trading_s)


def unsettled_at_death(folder: Path, ledger: truth.Truth) -> tuple[dict[str, bool], int]:
    """Return every order, at a venue, in the journal or intended, with whether it was settled; and the unfinished pairs."""
    orders = {
        str(row["client_id"]).removeprefix("t-"): True for reported in ledger.values() for row in reported["orders"]
    }
    path = folder / JOURNAL
    if not path.exists():
        return orders, 0
    with closing(JournalReader.open(path)) as reader:
        state = reader.state()
        intents = IntentLog(intents_of(path), reader.journal_id)
    intents.close()
    intended = [intent for intent in intents.found if intent.seq > state.last_seq]
    orders |= {place.client_order_id: False for intent in intended for place in intent.places}
    for pair in state.pairs:
        orders |= {str(order.client_order_id): order.status.is_terminal for order in pair.orders}
    known = {str(order.client_order_id) for pair in (*state.pairs, *state.recent.pairs) for order in pair.orders}
    return {name: settled and name in known for name, settled in orders.items()}, len(state.pairs) + len(intended)


def _died_there(stage: Stage, orders: dict[str, bool], ledger: truth.Truth) -> None:
    """See that the dead process was where it was meant to be, by what it left."""
    waiting = {name for name, settled in orders.items() if not settled}
    at_venue = {
        str(row["client_id"]).removeprefix("t-") for reported in ledger.values() for row in reported["requests"]
    }
    point = stage.point
    if point.door in NOT_SENT and point.when is When.AFTER:
        assert waiting - at_venue, f"{stage.seen}: every order had left"
    if point.door in UNANSWERED:
        assert waiting, f"{stage.seen}: every order was settled"


def _settle(stage: Stage, engine: EngineProcess, orders: dict[str, bool]) -> None:
    """Wait until the new process has brought everything to an end that the dead one had begun."""
    halted = stage.point.course in (Course.HALT, Course.FLATTEN)

    def settled(status: dict[str, Any]) -> bool:
        assert not (halted and status["halted"] is None), f"{stage.seen}: the halt is forgotten"
        if stage.point.course is Course.FLATTEN and status["halted"] != "flattened":
            return False
        return not status["unknown_orders"] and not unsettled(engine.db, orders)

    status = engine.until(settled, f"{stage.seen}: it settles what was left", SETTLE_S)
    if halted:
        assert status["unhedged_notional"] == "0", f"{stage.seen}: {status}"


def unsettled(db: Path, orders: dict[str, bool]) -> list[str]:
    """Return the orders that the ledger does not know as ended, as part of a pair that has ended."""
    query = (
        "SELECT o.client_order_id, o.status, p.state FROM orders o LEFT JOIN pair_trades p ON p.id = o.pair_trade_id"
    )
    try:
        rows = {row["client_order_id"]: row for row in truth.rows_of(db, query)}
    except sqlite3.Error:
        return ["the ledger is being made"]
    return [
        name
        for name in orders
        if name not in rows
        or not OrderStatus(rows[name]["status"]).is_terminal
        or rows[name]["state"] in UNSETTLED_PAIRS
    ]


def _trade_on(stage: Stage, engine: EngineProcess) -> None:
    """See that the new process opens pairs again, after `arb resume` where it is needed."""
    before = engine.status()["pairs"]["completed"]
    if stage.point.course in (Course.HALT, Course.RESUME):
        stage.ask("resume")
        engine.until(lambda status: status["halted"] is None, f"{stage.seen}: it resumes")
    engine.trade_on(before + 1, f"{stage.seen}: it trades on")


def _judge(folder: Path, ledger: truth.Truth, orders: dict[str, bool], seen: str) -> None:
    db = folder / DB
    assert truth.differences(db, ledger) == [], seen
    assert truth.profit_differences(db, ledger) == [], seen
    assert second_judge.judge(ledger, db) == [], seen
    assert truth.open_orders(ledger) == [], seen
    assert unsettled(db, orders) == [], seen
    assert set(truth.pairs_by_state(db)) <= {"completed", "unwound", "carried"}, seen
