"""The soak on real sockets: `python -m proofs.soak [--minutes N] [--symbols N] [--venues LIST] [--seed N] [--live]`.

Many symbols, and one drawn fault after another at a drawn venue, for half an hour: trading must not stop without need, memory
must not grow, and in the end the ledger must agree with the sandbox's own. A line a minute; exit code 1 with what is wrong.
With `--live` the engine runs in live mode, the sandbox in the venues' place behind TLS, after a drill as a user would do it.
"""

import argparse
import contextlib
import json
import random
import re
import sys
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from arb.clock import NS_PER_S, SystemClock
from arb.live.control import ask
from arb.market.symbol import Symbol
from arb.sandbox.profiles import listed_symbols
from proofs.proof import say
from tests.integration import truth
from tests.integration.faulted import HEALTH, TROUBLES
from tests.integration.live_mode import keys_of, live_config, live_engine
from tests.integration.support import (
    DB,
    MAY_HALT,
    VENUES,
    EngineProcess,
    SandboxProcess,
    arb,
    arb_anew,
    end_of,
    engine_of,
    run_arguments,
    sandbox_process,
    write_config,
)
from tests.integration.tls_front import tls_front
from tests.support import second_judge
from tests.support.seeds import drawn_seed

DRILL_S = 300.0
EVERY_S = 15.0
"""How often a fault is started, at one venue."""
LASTS_S = 4.0
ENDS_TRADING = {"contradiction", "key_revoked", "clock_skew"}
"""What stops trading for good reason, until a user has looked: a soak of needless stops leaves them out."""
WARM_UP = 0.6
"""The share of the run after which memory must be flat: a day's closed pairs are kept, 4,000 at most."""
GROWTH_MAX = 1.10
LEFT_MAX_QUOTE = Decimal(20)
"""What the dust of several pairs in one coin may come to."""


class Minute(msgspec.Struct, frozen=True):
    """What is seen of the engine once a minute: memory in MB, processor seconds, pairs so far, why trading is halted."""

    rss_mb: float
    processor_s: float
    opened: int
    pairs_open: int
    halted: str | None


class Soak:
    """One run under faults."""

    def __init__(
        self, sandbox: SandboxProcess, engine: EngineProcess, rng: random.Random, venues: tuple[str, ...]
    ) -> None:
        self.minutes: list[Minute] = []
        self.halts: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        """The engine's state, once a second."""
        self._sandbox, self._engine, self._rng, self._venues = sandbox, engine, rng, venues
        self._clock = SystemClock()

    def run(self, minutes: int) -> None:
        """Trade on for so long."""
        began_ns = self._clock.monotonic_ns()
        rounds = int(minutes * 60 / EVERY_S)
        for number in range(1, rounds + 1):
            self._strike()
            self._wait_until_s(began_ns, number * EVERY_S - (EVERY_S - LASTS_S))
            self._sandbox.no_more_faults()
            self._wait_until_s(began_ns, number * EVERY_S)
            if number * EVERY_S % 60 == 0:
                self.minutes.append(self._look())
                say(f"{int(number * EVERY_S / 60):>3} min  {msgspec.json.encode(self.minutes[-1]).decode()}")

    def _strike(self) -> None:
        trouble = TROUBLES[self._rng.choice(sorted(TROUBLES.keys() - ENDS_TRADING))]
        for fault, options in ((trouble.fault, trouble.more), *trouble.with_it):
            more = {"seconds": LASTS_S, **{name: value for name, value in options.items() if name != "venues"}}
            self._sandbox.strike(fault, (self._rng.choice(self._venues),), **more)
        self.struck[trouble.fault] += 1

    def _look(self) -> Minute:
        status = self._engine.until(lambda _: True, "the engine answers")
        stopped = status["halted"] or (MAY_HALT if status["late_legs"] else None)
        if stopped is not None:
            self.halts[stopped] += 1
            ask(self._engine.journal, {"do": "resume", "reason": "the soak goes on"})
        return Minute(
            rss_mb=resident_mb(self._engine.process.pid),
            processor_s=processor_s(self._engine.process.pid),
            opened=status["pairs"]["opened"],
            pairs_open=status["pairs"]["open"],
            halted=stopped,
        )

    def _wait_until_s(self, began_ns: int, after_s: float) -> None:
        while (left_s := after_s - (self._clock.monotonic_ns() - began_ns) / NS_PER_S) > 0:
            self._engine.rest(min(left_s, 1.0))
            self.states[self._engine.until(lambda _: True, "the engine answers")["state"]] += 1


def main(arguments: list[str]) -> int:
    """Soak, print what was seen, and return the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description="Half an hour of trading under faults.")
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--venues", default=",".join(VENUES), metavar="LIST", help="where it trades")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where ledger and journal are kept")
    parser.add_argument("--live", action="store_true", help="in live mode, over TLS")
    chosen = parser.parse_args(arguments)
    if chosen.live and chosen.venues != ",".join(VENUES):
        parser.error("--live: only at the venues that --venues has by default")
    seed = drawn_seed() if chosen.seed is None else chosen.seed
    venues = tuple(chosen.venues.split(","))
    say(f"seed {seed}, {chosen.symbols} symbols at {chosen.venues}, {chosen.minutes} minutes")
    with tempfile.TemporaryDirectory(prefix="arb-soak-") as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        wrong = soak(folder, seed, chosen.symbols, chosen.minutes, venues, live=chosen.live)
    for line in wrong:
        say(f"RED  {line}")
    return 1 if wrong else 0


def soak(
    folder: Path, seed: int, symbols: int, minutes: int, venues: tuple[str, ...] = VENUES, *, live: bool = False
) -> list[str]:
    """Return what is wrong after a soak."""
    listed = listed_symbols(symbols)
    with contextlib.ExitStack() as stack:
        named = ("--venues", ",".join(venues))
        sandbox = stack.enter_context(sandbox_process(folder, "--symbols", str(symbols), *named, seed=seed))
        changes = HEALTH | {"daily_notional_quote": "1000000000"}
        variables: dict[str, str] = {}
        if live:
            front = stack.enter_context(tls_front(folder, sandbox.announced))
            coins = {Symbol.of(symbol).base for symbol in listed} - {"BTC", "ETH"}
            changes["url"] = f'"sqlite:///{folder / DB}"'  # the drill's proofs are in it
            config = live_config(folder, sandbox.announced, base=front.base, coins=sorted(coins), changes=changes)
            variables = front.variables
        else:
            config = write_config(folder, **changes)
        text = re.sub(
            r"(?m)^symbols = \[.+?\]", lambda _: f"symbols = {json.dumps(list(listed))}", config.read_text(), count=1
        )
        config.write_text(text)
        if live:
            drill = ("doctor", "--config", str(config), "--drill", "--live", "--yes")
            drilled = end_of(arb(*drill, cwd=folder, variables=keys_of(sandbox.announced) | variables), DRILL_S)
            if drilled.code != 0:
                return [f"the drill ended with {drilled.code}: {drilled.out}{drilled.err}"]
        engine = stack.enter_context(
            live_engine(folder, sandbox, variables=variables)
            if live
            else engine_of(folder, arb_anew("run", *run_arguments(folder, sandbox), *named, cwd=folder))
        )
        began = SystemClock().monotonic_ns()
        engine.until(lambda status: status["seconds"] > 0, "two venues have a live book")
        say(f"trading after {(SystemClock().monotonic_ns() - began) / NS_PER_S:.1f} s")
        run = Soak(sandbox, engine, random.Random(seed), venues)
        run.run(minutes)
        ended = engine.stop()
        ledger = sandbox.ledger()
    incidents = {
        row["kind"]: row["n"]
        for row in truth.rows_of(engine.db, "SELECT kind, COUNT(*) AS n FROM incidents GROUP BY kind")
    }
    say(
        f"faults {dict(run.struck)}\nincidents {incidents}\nhalts {dict(run.halts)}\nseconds in each state {dict(run.states)}"
    )
    say(f"pairs {ended.summary['pairs']}  net {ended.summary['net']}")
    return [
        *_judged(run, ended.summary),
        *truth.differences(engine.db, ledger),
        *truth.profit_differences(engine.db, ledger),
        *second_judge.judge(ledger, engine.db),
    ]


def _judged(run: Soak, summary: dict[str, Any]) -> list[str]:
    wrong = [f"halted for {reason}, {times} times" for reason, times in run.halts.items() if reason != MAY_HALT]
    early, late = run.minutes[int(len(run.minutes) * WARM_UP)], run.minutes[-1]
    if late.rss_mb > early.rss_mb * GROWTH_MAX:
        wrong.append(f"memory grew from {early.rss_mb} to {late.rss_mb} MB")
    unhedged = [row for row in summary["unhedged"] if Decimal(row["value"]) > LEFT_MAX_QUOTE]
    if unhedged or summary["unknown_orders"]:
        wrong.append(f"left {summary['unknown_orders']} orders unknown and unhedged {unhedged}")
    return wrong


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return round(int(found[1]) / 1024, 1)


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
