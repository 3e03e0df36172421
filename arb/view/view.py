"""The view of a run: a screen on a terminal, else a plain line every few seconds.

The screen is a separate process, which listens to the engine's feed. The engine's process draws nothing and waits for no
screen.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from arb.clock import Clock
from arb.core.engine import Engine
from arb.errors import ArbError
from arb.process import ServiceManager
from arb.view.plain import brief, line
from arb.view.summary import state_in_parts
from arb.view.tty import LEAVE, HeldLog, blocked, modes_of, own_way_to, set_modes

log = logging.getLogger(__name__)

LINE_EVERY_S = 5.0
POLL_S = 0.25
END_S = 2.0
STDIN, STDOUT = 0, 1

Beside = Callable[[], dict[str, Any]]
"""Returns what is shown beside the engine's own state: about the run, and venues that are not traded on."""


class ScreenGone(ArbError):
    """The screen's process has ended by itself, or does not start."""


class ScreenProcess:
    """The screen on this process's terminal: `arb` with these `arguments`. Log lines wait in `held` while it is up."""

    def __init__(self, arguments: Sequence[str], held: HeldLog) -> None:
        self.held = held
        self._command = [sys.executable, "-m", "arb", *arguments]

    async def run(self) -> None:
        """Keep it up until cancelled; raises `ScreenGone` when it does not stay up. The terminal is given back either way."""
        modes, code = modes_of(STDIN), None
        self.held.hold()
        try:
            # Ctrl-C is the engine's, and the screen shows how it ends.
            with blocked(signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU):
                child = _started(self._command)
            try:
                while child.poll() is None:  # noqa: ASYNC110 - what is waited for is a process
                    await asyncio.sleep(POLL_S)
            finally:
                code = await _ended(child)
            raise ScreenGone(f"the screen has ended, with code {code}, and trading goes on without")
        finally:
            if modes is not None:
                set_modes(STDIN, modes)
            if code:
                _leave()
            with contextlib.suppress(OSError):  # the window is closed: the run ends all the same
                self.held.release()


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command)
    except OSError as error:
        raise ScreenGone(f"the screen does not start: {error}") from None


async def _ended(child: subprocess.Popen[bytes]) -> int:
    """Have a process end, by force where it does not; return its code."""
    child.terminate()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            while child.poll() is None:  # noqa: ASYNC110 - the same
                await asyncio.sleep(POLL_S / 25)
    child.kill()
    return child.wait()


def _leave() -> None:
    """Leave the screen that a killed process could not leave."""
    with contextlib.suppress(OSError):
        if (terminal := own_way_to(STDOUT)) is not None:
            os.write(terminal, LEAVE)
            os.close(terminal)


async def log_lines(engine: Engine, clock: Clock, mark: str, beside: Beside) -> None:
    """Log one line about the present state every few seconds until cancelled, `mark` first."""
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        log.info("%s", line(await present(engine, clock, beside), mark))


async def keep_alive(manager: ServiceManager) -> None:
    """Report to the service manager that trading has begun, and then signs of life, each from a turn of this loop."""
    manager.notify("READY=1")
    while True:
        manager.notify("WATCHDOG=1")
        await asyncio.sleep(manager.beat_s)


async def keep_status(manager: ServiceManager, engine: Engine, clock: Clock, beside: Beside) -> None:
    """Show the present state in the service manager's status line until cancelled."""
    while True:
        manager.notify(f"STATUS={brief(await present(engine, clock, beside))}")
        await asyncio.sleep(LINE_EVERY_S)


async def present(engine: Engine, clock: Clock, beside: Beside) -> dict[str, Any]:
    """Return the present state, over as many turns of the loop as it has parts: no frame waits for more than one of them."""
    state: dict[str, Any] = {}
    for part in state_in_parts(engine, clock.wall_ns()):
        state |= part
        await asyncio.sleep(0)
    return state | beside()
