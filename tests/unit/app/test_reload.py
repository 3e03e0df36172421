"""`arb reload` in the engine's process: what is journalled, and that a failure changes nothing."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from arb.app.reload import Reload
from arb.config import Mode, Settings
from arb.core.messages.events import LimitsChanged
from arb.core.messages.settings import Limits, Timing
from arb.errors import ConfigError
from arb.process import ServiceManager

STRICTER = Settings(limits=Limits(min_edge_bps=Decimal(8)))


class Engine:
    """Takes events; `faults` are its answers, "" once they are used up."""

    def __init__(self, *faults: str) -> None:
        self.taken: list[LimitsChanged] = []
        self._faults: Iterator[str] = iter(faults)

    def obey(self, event: LimitsChanged) -> str:
        self.taken.append(event)
        return next(self._faults, "")


def answers(engine: Engine, *found: Settings | str, mode: Mode = Mode.PAPER) -> list[dict[str, object]]:
    """Reload once for each of these settings, or for a complaint about them."""
    waiting = iter(found)

    def reread() -> Settings:
        one = next(waiting)
        if isinstance(one, str):
            raise ConfigError(one)
        return one

    async def main() -> list[dict[str, object]]:
        reload = Reload(Settings(), mode, reread, engine.obey, None, ServiceManager({}))
        return [await reload.run("ada") for _ in found]

    return asyncio.run(main())


def test_settings_that_cannot_be_read_are_one_line_and_reach_no_engine() -> None:
    engine = Engine()
    [answer] = answers(engine, "config.toml:3: nonsense")
    assert (answer, engine.taken) == ({"error": "the old settings stay: config.toml:3: nonsense"}, [])


def test_a_change_that_the_journal_does_not_take_is_tried_again_by_the_next_reload() -> None:
    engine = Engine("the journal takes no rows")
    first, second = answers(engine, STRICTER, STRICTER)
    assert first == {"error": "the journal takes no rows"}
    assert second["applied"] == ["limits.min_edge_bps 6 -> 8"]
    assert [(event.limits.min_edge_bps, event.changes, event.by) for event in engine.taken] == [
        (Decimal(8), ("limits.min_edge_bps 6 -> 8",), "ada")
    ] * 2


def test_what_needs_a_restart_is_named_each_time_and_journals_nothing() -> None:
    engine, slower = Engine(), Settings(timing=Timing(max_skew_ms=499))
    for answer in answers(engine, slower, slower):
        assert answer == {"applied": [], "refused": ["timing.max_skew_ms: needs a restart"], "companion": []}
    assert engine.taken == []


def test_a_sandbox_keeps_its_larger_notional_of_a_day() -> None:
    engine = Engine()
    answers(engine, STRICTER, mode=Mode.SANDBOX)
    expected = msgspec.structs.replace(STRICTER.limits, daily_notional_quote=1000 * Limits().daily_notional_quote)
    assert engine.taken[0].limits == expected
