"""What shows a run while it lasts: a screen where there is a terminal, one plain line now and then where there is none."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from arb.clock import Clock
from arb.core.engine import Engine
from arb.errors import ArbError
from arb.view.plain import line
from arb.view.screen.screen import Screen
from arb.view.summary import state_in_parts

log = logging.getLogger(__name__)

REFRESH_S = 0.25
LINE_EVERY_S = 5.0

Beside = Callable[[], dict[str, Any]]
"""Returns what is shown beside the engine's own state: about the run, and venues that are not traded on."""


class ScreenGone(ArbError):
    """The screen cannot be drawn any more."""


async def show_live(engine: Engine, clock: Clock, beside: Beside, screen: Screen) -> None:
    """Hand the present state to a screen until cancelled; it draws in a thread, so that a slow terminal delays no order.

    Raises `ScreenGone` when that has ended by itself, with the terminal given back.
    """
    screen.start()
    try:
        while not screen.ended.is_set():
            screen.show(await present(engine, clock, beside))
            await asyncio.sleep(REFRESH_S)
    finally:
        screen.close()
    raise ScreenGone(f"the screen broke: {screen.failure!r}")


async def log_lines(engine: Engine, clock: Clock, mark: str, beside: Beside) -> None:
    """Log one line about the present state every few seconds until cancelled, `mark` first."""
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        log.info("%s", line(await present(engine, clock, beside), mark))


async def present(engine: Engine, clock: Clock, beside: Beside) -> dict[str, Any]:
    """Return the present state, over as many turns of the loop as it has parts: no frame waits for more than one of them."""
    state: dict[str, Any] = {}
    for part in state_in_parts(engine, clock.wall_ns()):
        state |= part
        await asyncio.sleep(0)
    return state | beside()
