"""The companion over a day of virtual time: `python -m proofs.companion_day [--seed N]`, some minutes long.

A real ledger, a real webhook, and the companion's own code; the clock is moved by hand. Each hour has one theme, drawn:
alerts that open and end, a storm of 1,000, a receiver that fails, an engine that is killed, one that ends in order, a companion
that is killed. What arrived is compared with what was to arrive. Exit code 1, with each difference.
"""

import argparse
import contextlib
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from arb.clock import NS_PER_S, ManualClock
from arb.config import AlertSettings, Settings
from arb.core.messages.records import AcknowledgementRecord
from arb.live.feed import feed_path
from arb.store.ledger.migrate import upgrade
from arb.watch.companion import Companion
from arb.watch.due import SINGLE_MAX
from arb.watch.engine import EngineSigns
from arb.watch.memory import Memory, memory_path
from arb.watch.receivers import Receiver
from proofs.proof import say
from tests.unit.store.alert_stores import Stores
from tests.unit.store.rows import T0, a_run, an_incident
from tests.unit.watch.bench import ENGINE, STATE, until
from tests.unit.watch.receiving import web_server

HOUR_S = 3600
STORM = 1000
ALERT_S, SILENCE_S = 5.0, 10.0
"""How soon a message follows an alert's row, and the last sign of an engine."""
IDLE_S = 20
"""The length of a step while nothing happens."""


@dataclass
class Day:
    """What happens and what arrives; instants are seconds of the day."""

    stores: Stores
    url: str
    titles: Callable[[], list[str]]
    rng: random.Random
    clock: ManualClock = field(default_factory=lambda: ManualClock(T0))
    arrived: list[tuple[float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    alive: bool = True
    ids: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**6)))

    def __post_init__(self) -> None:
        self.signs = EngineSigns(lambda: [self.stores.path], self.clock)
        self.signs._journal = self.stores.path  # as if an engine had answered there
        feed_path(self.stores.path).touch()
        self.begin_companion()

    @property
    def now_s(self) -> float:
        return (self.clock.wall_ns() - T0) / NS_PER_S

    def begin_companion(self) -> None:
        """Begin a companion as a new process does, with what is on disk."""
        self.receiver = Receiver(1, self.url, self.rng, second=False)
        self.memory = Memory(memory_path(self.stores.path), self.clock.wall_ns())
        self.companion = Companion(
            Settings(alerts=AlertSettings(repeat_after_m=20)),
            ENGINE,
            self.stores.db_url,
            signs=self.signs,
            receivers=[self.receiver],
            memory=self.memory,
            clock=self.clock,
        )

    def pass_s(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass; each message is delivered before the next step."""
        for _ in range(int(seconds / step_s)):
            self.clock.advance(int(step_s * NS_PER_S))
            self.signs.take(STATE | {"now_ns": self.clock.wall_ns()} if self.alive else None)
            before = len(self.titles())
            self.companion.step()
            until(lambda: not self.receiver._under_way or not self.receiver._outcomes.empty(), "a delivery")
            self.arrived += [(self.now_s, title) for title in self.titles()[before:]]

    def idle_until(self, second: float) -> None:
        while self.now_s < second:
            self.pass_s(IDLE_S, IDLE_S if self.alive else 1.0)

    def opens(self, count: int = 1) -> list[tuple[int, str]]:
        """Open alerts at different venues; return their ids and venues."""
        found = [(ident, f"v{ident}") for ident, _ in zip(self.ids, range(count), strict=False)]
        now_ns = self.clock.wall_ns()
        changes = {"kind": "balance_drift", "severity": "critical", "ns": now_ns, "text": "BTC differs"}
        self.stores.write(*(an_incident(ident, **changes, venue=venue) for ident, venue in found))
        return found

    def ends(self, alerts: list[tuple[int, str]]) -> None:
        made = dict.fromkeys(alerts)
        self.stores.write(
            *(
                AcknowledgementRecord(id=ident, seen_id=ident, ns=self.clock.wall_ns(), by="ann", reason="seen")
                for ident, _ in made
            )
        )

    def of(self, word: str, since_s: float) -> list[tuple[float, str]]:
        return [(at_s, title) for at_s, title in self.arrived if at_s > since_s and word in title]

    def expect(self, holds: object, text: str) -> None:
        if not holds:
            self.wrong.append(f"at {self.now_s:.0f} s: {text}")


# The themes of an hour: each leaves nothing open.


def alerts(day: Day) -> None:
    """Some alerts open and end: one message at once, one every 20 minutes, one at the end."""
    for _ in range(day.rng.randint(1, 3)):
        began_s, open_s = day.now_s, day.rng.randint(30, 1100)
        made = day.opens()
        day.pass_s(8)
        day.idle_until(began_s + open_s)
        day.ends(made)
        day.pass_s(8)
        seen = day.of(f"{made[0][1]}", began_s)
        kinds = ["Over" if "Over" in title else "open" for _, title in seen]
        wanted = ["open"] * (1 + int((day.now_s - began_s - 9) // 1200)) + ["Over"]
        day.expect(kinds == wanted, f"an alert of {open_s} s: {seen}, wanted {wanted}")
        day.expect(seen and seen[0][0] - began_s <= ALERT_S, f"the first message is late: {seen[:1]}")


def storm(day: Day) -> None:
    """1,000 alerts within a second: a few messages, then one a minute; and one digest says that they are over."""
    began_s = day.now_s
    made = day.opens(STORM)
    day.pass_s(180)
    day.ends(made)
    day.pass_s(240)
    seen = day.of("", began_s)
    day.expect(len(seen) <= SINGLE_MAX + 8, f"{len(seen)} messages of a storm")
    day.expect(any("alerts" in title for _, title in seen), f"no digest: {seen}")
    day.expect(not [1 for sent in day.memory.sent(day.receiver.id).values() if not sent.over], "some are not over")


def receiver_fails(day: Day) -> None:
    """A receiver that refuses for some minutes gets the alert afterwards, once."""
    began_s = day.now_s
    made = day.opens()
    day.receiver._address = None
    day.pass_s(120)
    day.expect(day.companion.seen().receivers["1 json"][1] >= 2, "its failures are counted")
    day.begin_companion()
    day.pass_s(70)
    day.ends(made)
    day.pass_s(10)
    seen = [title for _, title in day.of(made[0][1], began_s)]
    day.expect(len(seen) == 2 and "Over" in seen[1], f"after a failed receiver: {seen}")


def engine_killed(day: Day) -> None:
    """A killed or stopped engine is one message within ten seconds, and one when it is back."""
    began_s = day.now_s
    day.alive = False
    day.pass_s(day.rng.randint(20, 900))
    day.alive = True
    day.pass_s(10)
    seen = day.of("gives no sign", began_s)
    day.expect([("Over" in title) for _, title in seen] == [False, True], f"a killed engine: {seen}")
    day.expect(seen and seen[0][0] - began_s <= SILENCE_S, f"its silence is reported late: {seen[:1]}")


def engine_ends(day: Day) -> None:
    """An orderly end is no message, however long the engine stays away."""
    began_s = day.now_s
    feed_path(day.stores.path).unlink()
    day.stores.write(a_run(1, ended_ns=day.clock.wall_ns(), exit_code=0))
    day.alive = False
    day.pass_s(day.rng.randint(20, 300))
    day.alive = True
    feed_path(day.stores.path).touch()
    day.stores.write(a_run(1))
    day.pass_s(10)
    day.expect(not day.of("", began_s), f"an orderly end: {day.of('', began_s)}")


def companion_killed(day: Day) -> None:
    """A new companion does not repeat what the killed one sent, and sends the end."""
    began_s = day.now_s
    made = day.opens()
    day.pass_s(8)
    for _ in range(3):
        day.begin_companion()
        day.pass_s(day.rng.randint(2, 30))
    day.ends(made)
    day.pass_s(8)
    seen = [title for _, title in day.of(made[0][1], began_s)]
    day.expect(len(seen) == 2 and "Over" in seen[1], f"over kills of the companion: {seen}")


THEMES = (alerts, alerts, storm, receiver_fails, engine_killed, engine_killed, engine_ends, companion_killed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m proofs.companion_day")
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    with contextlib.ExitStack() as stack:
        folder, web = Path(stack.enter_context(tempfile.TemporaryDirectory())), stack.enter_context(web_server())
        url = f"sqlite:///{folder}/ledger.sqlite"
        upgrade(url)
        stores = Stores(url, folder)
        stores.write(a_run(1))
        day = Day(stores, web.url, lambda: web.titles, random.Random(seed))
        day.pass_s(5)
        for hour in range(24):
            theme = THEMES[hour] if hour < len(THEMES) else day.rng.choice(THEMES)
            before, wrong = len(day.arrived), len(day.wrong)
            theme(day)
            say(f"hour {hour}: {theme.__name__}: {len(day.arrived) - before} messages, {len(day.wrong) - wrong} wrong")
            quiet_s = day.now_s
            day.idle_until((hour + 1) * HOUR_S)
            day.expect(not day.of("", quiet_s), f"messages while nothing happens: {day.of('', quiet_s)[:3]}")
        stores.stop()
    for text in day.wrong:
        say(f"WRONG {text}")
    say(f"seed {seed}: 24 hours, {len(day.arrived)} messages, {len(day.wrong)} wrong")
    return 1 if day.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
