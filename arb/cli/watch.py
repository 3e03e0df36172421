"""The commands of the companion: `watch`, `notify test`."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from arb.cli.shared import Given, log_as_set, reader_of, show, with_ledger
from arb.config import Mode
from arb.errors import EXIT_OK
from arb.logs import logging_to
from arb.process import ServiceManager


@click.command("watch")
@click.option(
    "--write-files",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a Prometheus configuration, alert rules and a Grafana board into DIR, and end.",
)
@with_ledger
def watch_command(given: Given, folder: Path | None) -> int:
    """Send alerts to phones, mail and webhooks.

    A process next to the engine. It reads the ledger and the engine's state, holds no key of a venue, and sends each alert
    to the receivers in ARB_ALERT_URLS (see `arb keys`). It reports an engine that gives no sign, too. Its
    end does not affect the engine. Ctrl-C ends it.
    """
    from arb.app.watch import watch, write_desk_files

    if folder is not None:
        return given.show(write_desk_files(folder, given.settings.metrics))

    def show_begun(begun: dict[str, Any]) -> None:
        show(begun, as_json=given.as_json)
        sys.stdout.flush()

    stop, again, manager = threading.Event(), threading.Event(), ServiceManager(os.environ)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        act = again if manager and name is signal.SIGHUP else stop
        if signal.getsignal(name) is not signal.SIG_IGN:  # as under `nohup`
            signal.signal(name, lambda *_, act=act: act.set())

    with log_as_set(given.settings):
        reread = reader_of(given.config, Mode.SANDBOX)
        watch(given.settings, given.mode, given.db, given.key_places(), stop, show_begun, manager, again, reread)
    return EXIT_OK


@click.group("notify")
def notify_group() -> None:
    """Test the receivers of alerts."""


@notify_group.command("test")
@with_ledger
def notify_test_command(given: Given) -> int:
    """Send one message to every receiver.

    Prints one line per receiver: sent, or the fault and how to correct it. Exit code 3 if one was not sent.
    """
    from arb.app.watch import send_test

    with logging_to(level="error"):
        rows, exit_code = send_test(given.key_places(), given.mode)
    given.show({"receivers": rows})
    return exit_code
