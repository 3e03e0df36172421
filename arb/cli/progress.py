"""The progress of a command, on stderr: a bar on a terminal, else a plain line every few seconds."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from arb.clock import NS_PER_S, SystemClock

log = logging.getLogger(__name__)

STILL_EVERY_S = 4.0
LINE_EVERY_NS = 5 * NS_PER_S
"""How often progress is printed where there is no terminal."""
Show = Callable[[str, int, int | None], None]
"""Called with the task, the amount that is done, and the total; None: unknown."""


@contextmanager
def progress() -> Iterator[Show]:
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def draw(what: str, done: int, of: int | None) -> None:
            bar.update(task, description=what, completed=done, total=of)

        yield draw


class _Lines:
    """Plain lines, at most one every five seconds."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._last_ns = self._clock.monotonic_ns()

    def __call__(self, what: str, done: int, of: int | None) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._last_ns >= LINE_EVERY_NS:
            self._last_ns = now_ns
            click.echo(f"{what}: {done:,}" + ("" if of is None else f" of {of:,}"), err=True)


class _Heard(logging.Handler):
    """Knows whether anything else was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.anything = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line from another source."""
        if record.name != __name__:
            self.anything.set()


@contextmanager
def still(what: str, every_s: float = STILL_EVERY_S) -> Iterator[None]:
    """Log every `every_s` that something is still running, until another line is logged or the block ends."""
    heard = _Heard()

    def say() -> None:
        seconds = every_s
        while not heard.anything.wait(every_s):
            log.info("still %s, for %.0f s", what, seconds)
            seconds += every_s

    logging.getLogger().addHandler(heard)
    threading.Thread(target=say, name="arb-still", daemon=True).start()
    try:
        yield
    finally:
        heard.anything.set()
        logging.getLogger().removeHandler(heard)
