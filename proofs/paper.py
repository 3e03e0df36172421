"""Paper trading for long: `python -m proofs.paper [--minutes N] [--symbols N] [--seed N]`, which `make paper` runs.

`arb run --mode paper` as a process of its own, with settings that a user could have written, on the server in the role of
five venues. Small misfortunes strike about every ten seconds (`tests.venue_server --schedule mixed`), and by a plan drawn from
the seed each venue goes through one large one: it answers 451 for minutes, it is in maintenance (the notice, the end of all
connections, then 503), its clock is wrong; and symbols are suspended, delisted, listed so that they cannot be read.

Looked at from outside alone: the engine's answers to `status`, its ledger, the paper accounts' file, the process, and what
the venues sent and refused. Exit code 1 with what is wrong. With `--folder` ledger and accounts stay, and a second start
trades on with them.
"""

import argparse
import hashlib
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import cycle, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from arb.clock import NS_PER_S, SystemClock
from arb.market.symbol import Symbol
from proofs.proof import say
from proofs.soak import processor_s, resident_mb
from tests.contract.venue_server import Venues, venue_server
from tests.integration import truth
from tests.integration.support import Ended, EngineProcess, arb_anew, engine_of, run_arb, where
from tests.support.seeds import drawn_seed

SAMPLED_EVERY_S = 1.0
LIVE_WITHIN_S = 60.0
"""How soon all books must be live, from the start of the process."""
SETTLE_S = 90.0
"""How long after the end of the large misfortunes all books must have been live at one instant."""
LIVE_SHARE_MIN = 0.97
"""Of the time in which a venue served a book; small misfortunes take what is missing."""
LONG_MIN = 5.0
"""Shares and memory of a shorter run say nothing: a venue may be away for most of it."""
READ_WITHIN_S = 15
"""How long reading the rules may take, a venue that is slow or away for a moment included."""
WARM_UP = 0.4
GROWTH_MAX = 1.15
LEFT_MAX_QUOTE = Decimal(20)
LARGE = ("restricted", "maintenance", "clock")
SYMBOLS_STRUCK = ("suspended", "delisted", "unreadable", "suspended", "delisted")
NOTICE_S = 10.0
"""How long before its maintenance a venue says so; in a short run less."""
AHEAD_S = 4.0
"""How far the clock of a venue is wrong."""
SETTINGS = """\
[run]
symbols = {symbols}
coins_file = "coins.csv"

[limits]
daily_notional_quote = 1000000000

[timing]
rules_refresh_s = {rules_refresh_s}

[paper.fees]
gate = "0.1%"
okx = "0.1%"
bitget = "0.1%"
"""
GONE = ("no such channel", "Invalid symbol")
"""How venues refuse a symbol that they do not list, or no longer."""
VENUE_SETTINGS = """
[venues.{venue}]
enabled = true

[venues.{venue}.endpoints]
rest = "{rest}"
ws_public = "{ws_public}"
ws_private = "ws://127.0.0.1:9/nobody-listens"
"""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One misfortune, `at_s` after all books were live; `symbol` is the venue's own name, "" where none is meant."""

    at_s: float
    venue: str
    what: str
    symbol: str = ""
    for_s: float = 0.0
    notice_s: float = 0.0

    @property
    def away_until_s(self) -> float:
        """Return until when a venue may be away because of it: dialling, ever later, and subscribing take their time."""
        return self.at_s + self.notice_s + self.for_s + 3 * NOTICE_S


def plan_of(rng: random.Random, minutes: float, natives: Mapping[str, list[str]]) -> list[Planned]:
    """Return what is to happen: a large misfortune at each venue, one after the other, and symbols that end."""
    length_s, venues = minutes * 60, rng.sample(sorted(natives), len(natives))
    large = [
        Planned(
            at_s=length_s * (0.1 + 0.75 * place / len(venues)),
            venue=venue,
            what=what,
            for_s=length_s * 0.1,
            notice_s=min(NOTICE_S, length_s / 30) if what == "maintenance" else 0.0,
        )
        for place, (venue, what) in enumerate(zip(venues, cycle(LARGE), strict=False))
    ]
    struck: list[Planned] = []
    for what in SYMBOLS_STRUCK:
        venue = rng.choice(sorted(natives))
        chosen = {one.symbol for one in struck}
        symbol = rng.choice([native for native in natives[venue] if native not in chosen])
        struck.append(Planned(at_s=length_s * rng.uniform(0.05, 0.7), venue=venue, what=what, symbol=symbol))
    return sorted([*large, *struck], key=lambda one: one.at_s)


class Sample(msgspec.Struct, frozen=True):
    """What the engine and its process were like at an instant."""

    at_s: float
    rss_mb: float
    processor_s: float
    opened: int


class PaperProof:
    """One run of paper under misfortune, and what was seen of it."""

    def __init__(
        self, venues: Venues, engine: EngineProcess, plan: list[Planned], symbols: int, minutes: float
    ) -> None:
        self.long = minutes >= LONG_MIN
        self.samples: list[Sample] = []
        self.live: Counter[tuple[str, str]] = Counter()
        self.served: Counter[tuple[str, str]] = Counter()
        self.of_all: Counter[str] = Counter()
        self.halts: Counter[str] = Counter()
        self.whole_after_s: float | None = None
        self.settled_after_s: float | None = None
        self.status: dict[str, Any] = {}
        self.until_ns = 0
        self._venues, self._engine, self._plan = venues, engine, plan
        self._symbols, self._minutes = symbols, minutes
        self._clock = SystemClock()
        self._started_ns = self._clock.monotonic_ns()
        # What ended at the venues, by our names, and when by the clock of both processes.
        self.ended: dict[tuple[str, str], int] = {}

    def run(self) -> None:
        """Wait until all books are live, then watch for so long, and on until all that is served is live again."""
        started_ns, minutes = self._started_ns, self._minutes
        every = dict.fromkeys(self._venues.info["venues"], f"{self._symbols}/{self._symbols}")
        self._engine.until(lambda status: status.get("books") == every, "all books are live")
        self.whole_after_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
        say(f"all {self._symbols} books of {len(every)} venues are live after {self.whole_after_s:.1f} s")
        self._began_ns = self._clock.monotonic_ns()
        waiting = list(self._plan)
        while (at_s := self._at_s()) < minutes * 60:
            while waiting and waiting[0].at_s <= at_s:
                self._strike(waiting.pop(0))
            self._look(at_s)
            self._engine.rest(max(0.0, SAMPLED_EVERY_S - (self._at_s() - at_s)))
        self.until_ns = self._clock.wall_ns()
        while self._at_s() < minutes * 60 + SETTLE_S and self.settled_after_s is None:
            self._look(self._at_s())
            if all(self._is_live(*key) for key in self.served.keys() - self.ended.keys()):
                self.settled_after_s = self._at_s() - minutes * 60
            self._engine.rest(SAMPLED_EVERY_S / 2)

    def _at_s(self) -> float:
        return (self._clock.monotonic_ns() - self._began_ns) / NS_PER_S

    def _strike(self, one: Planned) -> None:
        more: dict[str, Any] = {"symbol": one.symbol} if one.symbol else {"for_s": one.for_s}
        if one.what in ("maintenance", "clock"):
            more["wait_s"] = one.notice_s if one.what == "maintenance" else AHEAD_S
        self._venues.strike(one.venue, one.what, **more)
        if one.what == "restricted":  # nobody who is not served keeps a connection
            for number in self._venues.look("/state")["venues"][one.venue]["connections"]:
                self._venues.strike(one.venue, "cut", connection=int(number))
        if one.symbol:
            self.ended[one.venue, our_name(one.symbol)] = self._clock.wall_ns()
        say(f"{one.at_s / 60:5.1f} min  {one.venue} {one.what} {one.symbol or f'for {one.for_s:.0f} s'}")

    def _look(self, at_s: float) -> None:
        status = self._engine.status()
        if not status:
            return
        self.status = status
        if status["halted"] is not None:
            self.halts[status["halted"]] += 1
        self._count(at_s)
        minute = int(at_s // 60)
        if minute >= len(self.samples):
            pid = self._engine.process.pid
            self.samples.append(Sample(round(at_s, 1), resident_mb(pid), processor_s(pid), status["pairs"]["opened"]))
            say(f"{minute:>3} min  {msgspec.json.encode(self.samples[-1]).decode()} {status['books']}")

    def _count(self, at_s: float) -> None:
        away = {one.venue for one in self._plan if not one.symbol and one.at_s <= at_s < one.away_until_s}
        for venue in self._venues.info["venues"]:
            for native in self._venues.info["venues"][venue]["symbols"]:
                key = (venue, our_name(native))
                if key in self.ended:
                    continue
                live = self._is_live(*key)
                self.of_all[f"{venue} samples"] += 1
                self.of_all[f"{venue} live"] += live
                if venue not in away:
                    self.served[key] += 1
                    self.live[key] += live

    def _is_live(self, venue: str, symbol: str) -> bool:
        live, of = self.status["books"][venue].split("/")
        return live == of or (live != "0" and symbol not in self.status["not_live"].get(venue, ()))


def our_name(native: str) -> str:
    """Return the symbol of a native name of the server's: all are quoted in USDT."""
    return re.sub(r"[_-]?USDT$", "/USDT", native)


def write_settings(folder: Path, venues: Venues, minutes: float) -> int:
    """Write settings on the server's venues, and the proof that its coins are the same ones; return `rules_refresh_s`."""
    symbols = [our_name(native) for native in venues.info["venues"]["gate"]["symbols"]]
    refresh_s = max(5, min(300, int(minutes * 60 / 10)))
    text = SETTINGS.format(symbols=json.dumps(symbols), rules_refresh_s=refresh_s)
    for venue, address in venues.info["venues"].items():
        text += VENUE_SETTINGS.format(venue=venue, **{name: address[name] for name in ("rest", "ws_public")})
    (folder / "config.toml").write_text(text)
    rows = ["venue,ticker,chain,contract,endpoint,evidence,source,reviewed"]
    for symbol in symbols[8:]:  # after the real ones, which are as the shipped table has them
        base = Symbol.of(symbol).base
        contract = "0x" + hashlib.sha1(base.encode(), usedforsecurity=False).hexdigest()
        rows += [f"{venue},{base},ethereum,{contract},/coins,own,made up,2026-11-23" for venue in venues.info["venues"]]
    (folder / "coins.csv").write_text("\n".join(rows) + "\n")
    return refresh_s


def main(arguments: list[str]) -> int:
    """Play one proof, print what was seen, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="paper", description="Half an hour of paper trading on venues that misbehave."
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--rate", type=float, default=2.0, help="changes a second and book; fewer on a busy machine")
    parser.add_argument("--folder", type=Path, default=None, help="where settings, ledger and paper accounts are kept")
    chosen = parser.parse_args(arguments)
    seed = drawn_seed() if chosen.seed is None else chosen.seed
    say(f"seed {seed}, {chosen.symbols} symbols, {chosen.minutes:g} minutes")
    with tempfile.TemporaryDirectory(prefix="arb-paper-") as temporary:
        folder = chosen.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        table, wrong = prove(folder, seed, chosen.symbols, chosen.minutes, chosen.rate)
    say("\n" + "\n".join(table))
    for line in wrong:
        say(f"RED  {line}")
    return 1 if wrong else 0


def prove(folder: Path, seed: int, symbols: int, minutes: float, rate: float = 2.0) -> tuple[list[str], list[str]]:
    """Return the table of a run, and what is wrong."""
    options = ["--symbols", str(symbols), "--seed", str(seed), "--schedule", "mixed", "--rate", str(rate)]
    with venue_server(*options) as venues:
        refresh_s = write_settings(folder, venues, minutes)
        natives = {venue: address["symbols"] for venue, address in venues.info["venues"].items()}
        plan = plan_of(random.Random(seed), minutes, natives)
        with engine_of(folder, arb_anew("run", "--mode", "paper", "--json", *where(folder), cwd=folder)) as engine:
            proof = PaperProof(venues, engine, plan, symbols, minutes)
            proof.run()
            shown = run_arb("status", "--json", *where(folder), cwd=folder)
            ended = engine.stop()
        (folder / "run.log").write_text(ended.err)
        state = venues.look("/state")
    table = [*_table(proof, state, ended, engine.db), *(f"struck: {line}" for line in _in_short(state["struck"]))]
    wrong = [*_judged(proof, state, ended, shown), *_opened_on_what_ended(proof, engine.db, refresh_s)]
    return table, [*wrong, *truth.paper_differences(engine.db), *truth.broken_waterfalls(engine.db)]


def _opened_on_what_ended(proof: PaperProof, db: Path, refresh_s: int) -> Iterator[str]:
    """Yield what was traded on after rules had been read again, and what ended without a word."""
    for (venue, symbol), ended_ns in proof.ended.items():
        known_ns = ended_ns + (refresh_s + READ_WITHIN_S) * NS_PER_S
        if known_ns > proof.until_ns:
            continue
        reported = f"SELECT text FROM incidents WHERE kind = 'rules_changed' AND text LIKE '{symbol} at {venue}%'"
        if not truth.rows_of(db, reported):
            yield f"{symbol} ended at {venue}, and no incident says so"
        pairs = (
            f"SELECT id FROM pair_trades WHERE symbol = '{symbol}' AND '{venue}' IN (buy_venue, sell_venue)"
            f" AND decided_ns > {known_ns}"
        )
        if opened := truth.rows_of(db, pairs):
            yield f"{symbol} ended at {venue}, and pairs opened there after that was known: {opened}"


def _table(proof: PaperProof, state: dict[str, Any], ended: Ended, db: Path) -> list[str]:
    summary, samples = ended.summary, proof.samples
    incidents = truth.rows_of(db, "SELECT kind, COUNT(*) AS n FROM incidents GROUP BY kind ORDER BY n DESC, kind")
    lines = [
        "venue    books  live, whole time  live while served  worst book  snapshots  connections  frames sent  weight"
    ]
    for venue, seen in state["venues"].items():
        shares = _shares(proof, venue)
        whole = proof.of_all[f"{venue} live"] / max(1, proof.of_all[f"{venue} samples"])
        lines.append(
            f"{venue:<8} {len(shares):>5}  {whole:>16.2%}  {sum(shares) / max(1, len(shares)):>17.2%}"
            f"  {min(shares, default=0):>10.2%}"
            f"  {seen['snapshots']:>9}  {seen['opened']:>11}  {seen['sent']:>11}  {seen['used'] or '-':>6}"
        )
    used = [(b.processor_s - a.processor_s) / (b.at_s - a.at_s) for a, b in pairwise(samples)]
    return [
        *lines,
        f"all books live after {_seconds(proof.whole_after_s)}, at the end within {_seconds(proof.settled_after_s)}",
        f"processor: {median(used):.0%} of a core, in the busiest minute {max(used):.0%}" if used else "processor: -",
        f"memory: {samples[0].rss_mb:.0f} MB at the start, {samples[-1].rss_mb:.0f} MB at the end",
        f"frames {summary['frames']}, opportunities {summary['opportunities']}, not taken {summary['not_taken']}",
        f"pairs {summary['pairs']}, orders {summary['orders']}, fills {summary['fills']}",
        f"net {summary['net']}, unproved {summary['unproved']}, unhedged {summary['unhedged_notional']}",
        f"incidents { ({row['kind']: row['n'] for row in incidents}) }",
        f"halts {dict(proof.halts) or 'none'}",
        f"simulated {summary['simulated']}",
    ]


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


def _shares(proof: PaperProof, venue: str) -> list[float]:
    return [proof.live[key] / count for key, count in proof.served.items() if key[0] == venue]


def _judged(proof: PaperProof, state: dict[str, Any], ended: Ended, shown: Ended) -> Iterator[str]:
    if proof.whole_after_s is None or proof.whole_after_s > LIVE_WITHIN_S:
        yield f"all books live only after {_seconds(proof.whole_after_s)}"
    if proof.settled_after_s is None:
        dead = sorted(key for key in proof.served.keys() - proof.ended if not proof._is_live(*key))
        yield f"{SETTLE_S:g} s after the end these books were not live: {dead}"
    for venue in state["venues"]:
        shares = _shares(proof, venue)
        share = sum(shares) / max(1, len(shares))
        if proof.long and shares and share < LIVE_SHARE_MIN:
            yield f"{venue}: books were live for {share:.2%} of the time in which they were served"
        # Of a symbol that is gone nobody can know before asking.
        if refused := {what: n for what, n in state["venues"][venue]["refused"].items() if what not in GONE}:
            yield f"{venue} refused: {refused}"
    for reason, seconds in proof.halts.items():
        yield f"halted for {reason}, in {seconds} samples"
    summary = ended.summary
    if (ended.code, summary["halted"], summary["pairs"]["open"], summary["unknown_orders"]) != (0, None, 0, 0):
        yield f"ended with {ended.code}: {ended.out[-2000:]} {ended.err[-2000:]}"
    if any(Decimal(row["value"]) > LEFT_MAX_QUOTE for row in summary["unhedged"]):
        yield f"left unhedged: {summary['unhedged']}"
    if (shown.code, shown.summary.get("engine")) != (0, "running"):
        yield f"`arb status` ended with {shown.code}: {shown.out[-500:]} {shown.err[-500:]}"
    early, late = proof.samples[int(len(proof.samples) * WARM_UP)], proof.samples[-1]
    if proof.long and late.rss_mb > early.rss_mb * GROWTH_MAX:
        yield f"memory grew from {early.rss_mb} to {late.rss_mb} MB"


def _in_short(struck: list[str]) -> Iterator[str]:
    counts = Counter(" ".join(line.split()[:2]) for line in struck)
    yield ", ".join(f"{name} x{count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
