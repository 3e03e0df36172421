"""The command that shows it all in a browser: `ui`."""

import asyncio
import contextlib
import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arb.cli.shared import config_and_json, ledger_mode, mode_and_db, settings_from, show
from arb.config import UiOptions
from arb.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from arb.view.page.server import Page

PORT = 8650


@click.command("ui")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    metavar="PORT",
    help="The port on 127.0.0.1; 0: any that is free.",
)
@click.option("--open", "opens", is_flag=True, help="Open it in the browser, by a code that works once.")
@click.option(
    "--allow-control",
    is_flag=True,
    help="Let the page halt, resume, flatten and acknowledge, each with a reason [default: it only reads].",
)
@mode_and_db
@config_and_json
def ui_command(
    port: int, opens: bool, allow_control: bool, mode: str | None, db: str | None, config: Path | None, as_json: bool
) -> int:
    """Show it all in a browser.

    The page has the present state, pairs and their stories, opportunities, inventory, earnings and their reasons, venues,
    alerts and reconciliation. It is served on 127.0.0.1 only, by a separate process that has no keys and only reads the
    ledger; its end does not affect the engine. A browser needs the token in the file named at the start, or `--open`.
    """
    settings = settings_from(config, keys=False)
    options = UiOptions(mode=ledger_mode(settings, mode, db), db=db, port=port, allow_control=allow_control)
    from arb.app import found_journal, stores
    from arb.app.questions import page_of
    from arb.clock import SystemClock, system_random
    from arb.store.ledger.bounded import bounded
    from arb.store.ledger.database import mask_url
    from arb.store.ledger.queries import LedgerReader
    from arb.view.page.sessions import Sessions
    from arb.view.page.token import load_token, token_path

    url, _ = stores(settings, options.mode, db)
    try:
        with bounded():
            LedgerReader(url)
    except ConfigError as error:
        if "no such file" not in str(error):  # a first run may be about to begin
            raise
    path = token_path(found_journal(settings, options.mode, db))
    rng = system_random()
    sessions = Sessions(load_token(path, rng), SystemClock(), rng)
    leads = path.with_name(path.name + ".html")

    def said(port: int) -> None:
        address = f"http://127.0.0.1:{port}/"
        known = {"address": address, "ledger": mask_url(url), "token_file": str(path), "control": allow_control}
        show(known, as_json=as_json)
        if opens:
            _open(leads, f"{address}#{sessions.new_code()}", path)

    asyncio.run(_serve(page_of(settings, options, sessions), said, leads))
    return EXIT_OK


async def _serve(page: "Page", said: Callable[[int], None], leads: Path) -> None:
    from arb.process import on_stop_signal
    from arb.view.page.sessions import CODE_S

    def remove() -> None:
        with contextlib.suppress(OSError):  # a read-only medium holds none
            leads.unlink()

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    on_stop_signal(loop, lambda _: stopped.set())
    page.sessions.on_code_used = remove
    remove()  # of a process that was killed
    try:
        async with page.serving() as port:
            await asyncio.to_thread(said, port)
            loop.call_later(CODE_S, remove)
            await stopped.wait()
    finally:
        remove()


def _open(leads: Path, address: str, token_file: Path) -> None:
    """Open the address by a file that only this user may read: other users see the arguments of a browser, not the code."""
    with os.fdopen(os.open(leads, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={address}"><a href="{address}">arb</a>\n')
    if not webbrowser.open(leads.absolute().as_uri()):
        click.echo(
            f"arb: no browser found here: open the address in one, and give it the token of {token_file}", err=True
        )
