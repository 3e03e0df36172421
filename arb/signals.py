"""The signals that stop a process in order."""

import asyncio
import signal
from collections.abc import Callable


def on_stop_signal(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """Call `act` at each SIGINT, SIGTERM or SIGHUP (a closed terminal, a dropped ssh).

    A SIGHUP that is ignored already, as under `nohup`, stays ignored.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if name is not signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
            loop.add_signal_handler(name, act)
