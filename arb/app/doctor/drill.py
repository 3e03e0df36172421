"""`arb doctor --drill`: a short run of the one composition that sends three small orders at each venue and opens no
other pair.

An order's result is judged by its row, as the engine has it from answers, streams and queries. A venue enforces expiries
(`ExpiryProved`) only if it took an order of this account and refused one that had expired. This proof is journalled; it
shortens proofs of absence in every later run on the account.
"""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from arb.app import stores
from arb.app.doctor.account_exam import DrillCost
from arb.app.doctor.checks import Finding, Result
from arb.app.run import Run
from arb.clock import NS_PER_S, SystemClock
from arb.config import RunOptions, Settings
from arb.core.messages.events import ExpiryProved
from arb.core.risk.blockers import Blockers
from arb.core.state.engine_state import EngineState
from arb.core.strategies.drill import Drill, DrillResult, DrillStep
from arb.core.trades.table import TradeTable
from arb.core.trades.trade import CLOSED
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError
from arb.live.node import Node
from arb.live.parts import Parts
from arb.market.numbers import plain
from arb.market.order import Outcome
from arb.masking import clean
from arb.measured_loop import Turns, measured_loop
from arb.venues.registry import spec_of
from arb.venues.transport.watched import Exchange, Watch, WatchedNetwork

DRILL_S = 90.0
"""How long the steps may take, from the start of trading; a single order without answer may need 35 s."""


def drill(
    settings: Settings, options: RunOptions, symbols: Mapping[str, str], keep: Path | None, **of_run: Any
) -> tuple[list[Finding], int]:
    """Run a drill and return its findings, and the exit code of the run.

    `symbols`: those to trade at each venue; `keep`: the directory for the answers, None: one next to the journal;
    `of_run`: further arguments of `Run`. Raises `ConfigError` for a directory that cannot be made, and any error of a
    run.
    """
    _, journal = stores(settings, options.mode.value, options.db)
    kept = KeptAnswers(keep or answers_beside(journal, SystemClock().wall_ns()))
    turns = Turns()
    run = DrillRun(settings, options, dict(symbols), kept, turns=turns, **of_run)
    with asyncio.Runner(loop_factory=measured_loop(SystemClock(), turns, spin=False)) as runner:
        _, exit_code = runner.run(run.main())
    answers = Finding("local", "drill_answers", Result.PASS, f"{kept.count} answers kept in {kept.folder}")
    return [*run.findings(), answers], exit_code


def answers_beside(journal: Path, now_ns: int) -> Path:
    """Return the directory for a drill's answers: `NAME.drill-INSTANT` next to `NAME.journal.sqlite`."""
    instant = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    return journal.with_name(f"{journal.name.removesuffix('.journal.sqlite')}.drill-{instant}")


class KeptAnswers:
    """The answers of a drill as files that tests can read: one for each, with its request's method and path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise ConfigError(f"--keep {folder}: it is not empty: name a new directory")
        except OSError as error:
            raise ConfigError(f"--keep {folder}: {error.strerror}: name a directory that can be written to") from error

    def keep(self, venue: str, step: str, exchange: Exchange) -> None:
        self.count += 1
        endpoint = re.sub(r"[^a-z0-9]+", "-", exchange.path.lower()).strip("-")
        folder = self.folder / venue / exchange.kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {"venue": venue, "evidence": "recorded", "step": step} | msgspec.to_builtins(exchange)
        path = folder / f"{endpoint}--{step}-{self.count:03}.json"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
            file.write("\n")


class DrillRun(Run):
    """A run whose strategy is a drill, and whose network records the traffic of the drill's orders."""

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        symbols: dict[str, str],
        kept: KeptAnswers,
        **of_run: Any,
    ) -> None:
        super().__init__(settings, options, examines=False, **of_run)  # the doctor has just looked
        self._symbols = symbols
        self._kept = kept
        self._done = asyncio.Event()
        self._drill: Drill | None = None
        watch = Watch(self._name_in, self._held_until_ns, self._seen)
        self._venues.network = WatchedNetwork(self._venues.network, self._clock, watch)

    def findings(self) -> list[Finding]:
        """Return the result of each step, and the steps that could not be run."""
        drill = self._drill
        if drill is None:
            return [Finding("local", "drill", Result.FAIL, "it never began", "see the log")]
        found = [judged(result) for result in drill.results]
        for venue, why in drill.left.items():
            remedy = "see the other checks of the venue; the next run finishes open pairs"
            found.append(Finding(venue, "drill", Result.FAIL, f"not ended: {why}", remedy))
        return found

    def _parts(self, *given: Any) -> Parts:
        def make(state: EngineState, orders: TradeTable, blockers: Blockers) -> Drill:
            self._drill = Drill(state, orders, blockers, self._symbols, self._done.set)
            return self._drill

        return msgspec.structs.replace(super()._parts(*given), strategies=(make,))

    async def _until_stopped(self, node: Node) -> int:
        """Wait until all steps have ended, the user stops it, or it takes too long; journal the proofs."""
        self._started_trading_ns = self._clock.wall_ns()
        self._turns.begin()
        waiting = {asyncio.create_task(event.wait()) for event in (self._done, self._stop)}
        with contextlib.suppress(TimeoutError):
            await asyncio.wait(waiting, timeout=DRILL_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        assert self._drill is not None
        for venue, holds in proved(self._drill.results).items():
            node.runner.emit(ExpiryProved(venue=venue, holds=holds))
        return EXIT_OK if self._done.is_set() else EXIT_CHECK

    def _name_in(self, text: str) -> str | None:
        return None if self._drill is None else self._drill.name_in(text)

    def _held_until_ns(self, name: str) -> int | None:
        return None if self._drill is None else self._drill.held_until_ns(name)

    def _seen(self, exchange: Exchange) -> None:
        if self._node is None:
            return
        order = self._node.engine.manager.orders.get(exchange.name)
        if order is not None and self._drill is not None:
            self._kept.keep(order.venue, self._drill.step_of(exchange.name), exchange)


def refused(found: Iterable[Finding], costs: Sequence[DrillCost]) -> list[Finding]:
    """Return why no drill is to be tried, of each venue with a failed check or without a book; none if it may start."""
    failed = [finding for finding in found if finding.result is Result.FAIL]
    if failed:
        names = sorted({f"{finding.about} {finding.check}" for finding in failed})
        text = f"not begun: these checks failed: {', '.join(names)}"
        return [Finding("local", "drill", Result.FAIL, text, "correct them first, or name the venues that are well")]
    if not costs:
        return [
            Finding("local", "drill", Result.FAIL, "not begun: no venue shows a book", "see the finding of `books`")
        ]
    return []


def proved(results: Iterable[DrillResult]) -> dict[str, bool]:
    """Return by venue whether it refuses expired orders, where the drill shows that.

    True where it took an order, and refused a late one for being late; False where it took the late one.
    """
    results = list(results)
    took = {r.venue for r in results if r.step is DrillStep.REST and r.order.outcome is Outcome.ACCEPTED}
    late = [r for r in results if r.step is DrillStep.EXPIRED and r.venue in took]
    shown = {r.venue: refused_as_late(r) for r in late}
    return {r.venue: shown[r.venue] for r in late if shown[r.venue] or r.order.outcome is Outcome.ACCEPTED}


def refused_as_late(result: DrillResult) -> bool:
    return result.as_hoped and result.order.reject_code in spec_of(result.venue).outcomes.expiry_codes


def judged(result: DrillResult) -> Finding:
    order, check = result.order, f"drill_{result.step}"
    if order.outcome is Outcome.REJECTED:
        found = f"refused ({clean(order.reject_code or '')})"
    else:
        found = f"{order.outcome}, {order.status}, {plain(order.filled)} of {plain(order.size)} filled"
    match result.step:
        case DrillStep.REST:
            good = result.as_hoped
            remedy = "an order that must rest did not: see its code in docs/venues, the key's rights and `minimums`"
        case DrillStep.EXPIRED:
            good = refused_as_late(result)
            remedy = (
                "the venue took an order after its expiry, or refused it for another cause: nothing is proved, and the "
                "absence of an order without answer is only presumed"
            )
            if good:
                found += ": from now on the venue counts as proved to refuse expired orders"
        case DrillStep.TRADE:
            good = result.as_hoped and result.state in CLOSED
            found += f", net {plain(result.net)}"
            remedy = "the smallest order did not trade: see its code, `balances` and `lag`"
    if good:
        return Finding(result.venue, check, Result.PASS, found)
    return Finding(result.venue, check, Result.WARN if result.step is DrillStep.EXPIRED else Result.FAIL, found, remedy)
