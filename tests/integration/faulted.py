"""One fault of the sandbox's catalogue over real sockets: ten pairs, the fault at every venue that can have it, five pairs.

A fault ends before the second half, and everything it left is settled first. What it did to exposure and money is measured,
and in the end both ledgers must agree.
"""

from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_S, SystemClock
from arb.live.control import ask
from arb.sandbox.faults import KINDS, STATE
from tests.integration import truth
from tests.integration.measures import Measures, completed_since, measure
from tests.integration.support import (
    MAY_HALT,
    WELL_ENDED,
    EngineProcess,
    SandboxProcess,
    engine_process,
    sandbox_process,
    write_config,
)
from tests.support import second_judge

PAIRS_BEFORE, PAIRS_AFTER = 10, 5
LASTS_S = 4.0
"""How long a fault goes on, at least, once it has struck every venue, unless its count is used up before."""
WITHIN_S = 180.0
HEALTH = {"window_s": "10", "quarantine_s": "5", "probation_s": "10", "clear_s": "5"}
"""A venue that had a fault comes back within seconds, not minutes, so that pairs with it follow the fault."""
SOON = {"balance_refresh_s": "2", "rules_refresh_s": "1"}


class Trouble(msgspec.Struct, frozen=True):
    """A fault as it is posted, others that have to strike for it to matter (`(name, options)` each), and its own halt."""

    fault: str
    more: dict[str, Any] = {}
    with_it: tuple[tuple[str, dict[str, Any]], ...] = ()
    may_halt: tuple[str, ...] = ()


LOST = ("lost_ack", {"count": 2})
SHORT = ("partial_fill", {"count": 6, "on": "place"})
_TROUBLES = (
    Trouble("lost_ack", {"count": 2}),
    Trouble("lost_request", {"count": 2}),
    Trouble("delayed_request", {"count": 2, "param": 2500}),
    Trouble("slow", {"count": 2, "param": 1500}),
    Trouble("late_fill", {"count": 3}, (SHORT,), may_halt=("consecutive_losses",)),
    Trouble("contradiction", {"count": 3}, may_halt=("contradiction",)),
    Trouble("history_lag", {}, (LOST,)),
    Trouble("order_not_found", {}, (LOST,)),
    Trouble("balance_lag", {}, (LOST,)),
    Trouble("book_frozen", {"seconds": 4}),
    Trouble("busy_feed", {"seconds": 4}),
    Trouble("fine_levels", {"seconds": 10}),
    Trouble("foreign_order", {"symbol": "ETH/USDT"}),
    # One symbol at one venue, for it stays barred when the fault is over: elsewhere the leg is repaired.
    Trouble("symbol_refused", {"symbol": "ETH/USDT", "venues": ("okx",)}),
    Trouble("fee_tier_change", may_halt=("consecutive_losses",)),
    Trouble("ws_disconnect", {"count": 1}),
    # Most frames are of books; so many that those of orders and fills are struck too.
    Trouble("ws_stall", {"count": 6}),
    Trouble("ws_lag", {"count": 300}),
    Trouble("ws_duplicate", {"count": 300}),
    Trouble("ws_reorder", {"count": 300}),
    Trouble("ws_gap", {"count": 30}),
    Trouble("ws_garbage", {"count": 6}),
)
TROUBLES = {name: Trouble(name, {} if kind.scope == STATE else {"count": 3}) for name, kind in KINDS.items()} | {
    trouble.fault: trouble for trouble in _TROUBLES
}


class FaultResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one fault did."""

    venues: tuple[str, ...]
    hits: int
    struck_s: float
    settled_s: float
    before: Measures
    during: Measures
    after: Measures
    resumed: int
    """How often the run halted itself over it and was resumed."""
    incidents: dict[str, int]


def strike_and_trade_on(fault: str, folder: Path, seed: int) -> FaultResult:
    """Put one fault on a run with a sandbox of its own, and judge; raises `AssertionError` with what is wrong."""
    trouble, clock = TROUBLES[fault], SystemClock()
    write_config(folder, **HEALTH, **SOON)
    with sandbox_process(folder, seed=seed) as sandbox, engine_process(folder, sandbox) as engine:
        run = _Run(sandbox, engine, f"seed {seed}, {fault}", (MAY_HALT, *trouble.may_halt))
        engine.until_pairs(PAIRS_BEFORE)
        began_ns = clock.wall_ns()
        faults = run.strike(trouble)
        ended_ns = clock.wall_ns()
        hits = {venue: sandbox.hits(number) for venue, number in faults.items()}
        sandbox.no_more_faults()
        run.until(
            lambda status: not status["unknown_orders"] and not status["pairs"]["halted"], "everything is known again"
        )
        settled_ns = clock.wall_ns()
        run.until(lambda _: completed_since(engine.db, settled_ns) >= PAIRS_AFTER, "five pairs after it")
        ended = engine.stop()
        ledger = sandbox.ledger()
    seen = f"{run.seen}: {ended.out}\n{ended.err[-3000:]}"
    assert min(hits.values()) >= 1, f"{hits} {seen}"
    assert (ended.code, ended.summary["halted"]) in WELL_ENDED, seen
    assert truth.differences(engine.db, ledger) == [], seen
    assert truth.profit_differences(engine.db, ledger) == [], seen
    assert second_judge.judge(ledger, engine.db) == [], seen
    assert truth.open_orders(ledger) == [], seen
    assert ended.summary["unhedged_notional"] == "0", seen
    assert ended.summary["unknown_orders"] == 0, seen
    reported = truth.rows_of(
        engine.db, f"SELECT kind, COUNT(*) AS n FROM incidents WHERE ns >= {began_ns} GROUP BY kind"
    )
    result = FaultResult(
        venues=tuple(hits),
        hits=sum(hits.values()),
        struck_s=(ended_ns - began_ns) / NS_PER_S,
        settled_s=(settled_ns - ended_ns) / NS_PER_S,
        before=measure(engine.db, 0, began_ns),
        during=measure(engine.db, began_ns, settled_ns),
        after=measure(engine.db, settled_ns, 1 << 62),
        resumed=run.resumed,
        incidents={row["kind"]: row["n"] for row in reported},
    )
    assert result.before.completed >= PAIRS_BEFORE, f"{result.before} {seen}"
    assert result.after.completed >= PAIRS_AFTER, f"{result.after} {seen}"
    return result


class _Run:
    """One run under a fault; a halt that may be is lifted, as a user would, and counted."""

    def __init__(self, sandbox: SandboxProcess, engine: EngineProcess, seen: str, may_halt: tuple[str, ...]) -> None:
        self.sandbox = sandbox
        self.engine = engine
        self.seen = seen
        self.resumed = 0
        self.may_halt = may_halt
        self._halt: int | None = None
        # How many incidents there were when trading was last seen halted.

    def until(self, wanted: Any, what: str) -> dict[str, Any]:
        """Wait until the engine's status is as wanted."""

        def goes_on(status: dict[str, Any]) -> bool:
            assert status["halted"] in (None, *self.may_halt), f"{self.seen}, {what}: {status}"
            # Another halt may follow the resumption at once: then trading was never seen going on, but incidents are more.
            halt = None if status["halted"] is None else status["incidents"]
            if halt is not None and halt != self._halt:
                self.resumed += 1
                ask(self.engine.journal, {"do": "resume", "reason": "the fault is known"})
            self._halt = halt
            return bool(wanted(status))

        return self.engine.until(goes_on, f"{self.seen}: {what}", WITHIN_S)

    def strike(self, trouble: Trouble) -> dict[str, int]:
        """Post a fault, and wait until it has struck every venue that can have it and has lasted for a while."""
        for name, more in trouble.with_it:
            self.sandbox.strike(name, **more)
        faults = self.sandbox.strike(trouble.fault, **trouble.more)
        assert faults, f"{self.seen}: no venue can have it"
        began_s = self.engine.status()["seconds"]

        def struck(status: dict[str, Any]) -> bool:
            if not all(self.sandbox.hits(number) for number in faults.values()):
                return False
            return status["seconds"] > began_s + LASTS_S or not any(map(self.sandbox.last, faults.values()))

        self.until(struck, "it strikes every venue")
        return faults
