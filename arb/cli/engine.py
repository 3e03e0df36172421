"""The commands that run the engine or its simulated exchanges: `run`, `sandbox`."""

import contextlib
import os
import shutil
import sys
from pathlib import Path
from shlex import quote
from typing import Any

import click

from arb.cli.answers import to_json
from arb.cli.ending import ending
from arb.cli.progress import still
from arb.cli.shared import (
    ADMIN_URL,
    DEFAULT_CONFIG,
    DURATION,
    ENVIRONMENT,
    INPUT_FILE,
    NEW_FILE,
    RUN_MODES,
    SEED,
    Given,
    demo_option,
    log_as_set,
    reader_of,
    venues_option,
    with_settings,
)
from arb.config import Mode, RunOptions, database_url, require_consents
from arb.config.keys import credentials_of, list_keys
from arb.config.quotes import require_own_limits
from arb.config.show import as_toml, plain
from arb.errors import EXIT_OK, ConfigError
from arb.process import ServiceManager
from arb.sandbox.profiles import SYMBOLS, SYMBOLS_MAX
from arb.sandbox.registry import SPECS as SIMULATED
from arb.sandbox.registry import VENUE_NAMES
from arb.venues.kit.endpoints import Credentials
from arb.view.tty import HeldLog, screen_possible


@click.command("run")
@click.option("--mode", type=RUN_MODES, help="Where orders go [default: [run] mode].")
@click.option("--for", "for_s", type=DURATION, metavar="TIME", help="Stop this long after two venues have a live book.")
@click.option("--seed", type=SEED, metavar="N", help="The seed of the embedded sandbox [default: drawn, and logged].")
@click.option("--db", metavar="URL", help="The ledger, instead of [store] url.")
@venues_option
@click.option(
    "--sandbox",
    type=ADMIN_URL,
    metavar="ADMIN_URL",
    help="Trade on this running `arb sandbox`; 'embedded': start one for this run.",
)
@click.option("--tape", type=NEW_FILE, metavar="FILE", help="Write every frame and event here, for `arb replay`.")
@click.option("--live", is_flag=True, help="The second consent for real orders; the first is [live] enabled.")
@demo_option
@click.option("--show-config", is_flag=True, help="Print the resolved settings, secrets masked, and stop.")
@with_settings
def run_command(given: Given, mode: str | None, show_config: bool, **asked: Any) -> int:
    """Run the engine.

    Mode `sandbox` trades on simulated exchanges. Mode `paper` reads the real venues' public feeds (a sandbox's with
    --sandbox), needs no key (`[coins] keyed = true` uses existing ones, only for currency lists), and simulates every
    order: none is sent. Mode `live` sends orders to the venues, with your keys: it needs `[live] enabled = true` and
    --live; with --environment demo they go to demo accounts. On a terminal a screen shows exposure, venues, edges,
    pairs, earnings and alerts; ? lists its keys (halt, flatten, acknowledge), which ask first. Elsewhere it logs lines.
    SIGINT, SIGTERM or SIGHUP (a closed terminal) stops it once open pairs are finished; a second one at once. Under
    systemd SIGHUP has it read its settings again.
    """
    settings = given.settings
    if show_config:
        click.echo(_shown(given), nl=False)
        return EXIT_OK
    chosen = Mode(mode) if mode else settings.run.mode
    options = RunOptions(mode=chosen, **asked)
    _refuse_useless(options)
    keys: dict[str, Credentials] = {}
    if chosen is Mode.LIVE:
        require_consents(settings, live=options.live)
        keys = credentials_of(settings, given.key_places())
    elif chosen is Mode.PAPER and options.sandbox is None:
        keys = list_keys(settings, given.key_places())
    require_own_limits(settings, chosen, given.config or DEFAULT_CONFIG)
    database_url(settings, chosen.value, options.db)
    from arb.app import stores  # late: it loads SQLAlchemy

    _, journal = stores(settings, chosen.value, options.db)
    lines, shows = HeldLog(sys.stderr), not given.as_json and screen_possible(sys.stdout, os.environ)
    watched = still("starting") if sys.stderr.isatty() else contextlib.nullcontext()
    with log_as_set(settings, lines, journal) as logs, watched:
        from arb.app.run import run_engine  # late: it loads the venues' libraries, which takes about a second
        from arb.view.view import ScreenProcess

        watch = [
            "status",
            "--watch",
            "--of-run",
            str(os.getpid()),
            *_ledger_options(chosen.value, options.db, given.config),
        ]
        screen = ScreenProcess(watch, lines) if shows else None
        manager, reread = ServiceManager(os.environ), reader_of(given.config, chosen)
        summary, exit_code = run_engine(
            settings, options, screen=screen, keys=keys, logs=logs, manager=manager, reread=reread
        )
    if given.as_json:
        given.show(summary)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        db = "URL" if options.db and "***" in summary["db"] else options.db  # a masked one cannot be pasted
        where = _ledger_options(mode, db, given.config)
        click.echo(ending(summary, exit_code, [*map(quote, where)], width))
    return exit_code


def _ledger_options(mode: str | None, db: str | None, config: Path | None) -> list[str]:
    """Return the options that lead another command to this run's ledger."""
    environment = click.get_current_context().meta.get(ENVIRONMENT)
    given = {"--mode": mode, "--environment": environment, "--db": db, "--config": config}
    return [text for name, value in given.items() if value for text in (name, str(value))]


def _refuse_useless(options: RunOptions) -> None:
    """Raise `ConfigError` for options that would change nothing in this mode."""
    mode, sandbox = options.mode, options.sandbox
    if options.live and mode is not Mode.LIVE:
        raise ConfigError(f"--live: consents to real orders, and mode {mode.value!r} sends none: omit it")
    if options.seed is not None and (mode is Mode.LIVE or (mode is Mode.PAPER and sandbox is None)):
        raise ConfigError(
            f"--seed: repeats embedded markets, and {mode.value} reads real ones: "
            f"{'add --sandbox embedded, or ' * (mode is Mode.PAPER)}omit it"
        )
    if sandbox is not None and mode is Mode.LIVE:
        raise ConfigError(
            "--sandbox: live mode goes to the addresses of the settings: name a sandbox's in [venues.NAME.endpoints], or "
            "omit it"
        )


def _shown(given: Given) -> str:
    if not given.as_json:
        return as_toml(given.settings, os.environ)
    return to_json(plain(given.settings, os.environ)) + "\n"


@click.command("sandbox")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="The port of all venues [default: a free one].",
)
@click.option("--seed", type=SEED, metavar="N", help="The seed of the markets [default: drawn].")
@click.option(
    "--symbols",
    "symbol_count",
    type=click.IntRange(1, SYMBOLS_MAX),
    default=len(SYMBOLS),
    show_default=True,
    metavar="N",
    help="How many symbols each venue lists, up to 500. More symbols do not mean fewer dislocations of each.",
)
@click.option(
    "--venues",
    default=",".join(VENUE_NAMES),
    show_default=True,
    metavar="LIST",
    help=f"The exchanges to simulate, of {', '.join(SIMULATED)}.",
)
@click.option("--static", is_flag=True, help="Keep books still; they change and fill only through the admin address.")
@click.option("--faults", type=INPUT_FILE, metavar="FILE", help="Faults to begin with, a JSON list as for POST /fault.")
@with_settings
def sandbox_command(_: Given, **options: Any) -> int:
    """Serve only the simulated exchanges.

    The first line on stdout is JSON (addresses, keys); no other line follows it.
    """
    from arb.sandbox.__main__ import run_sandbox

    run_sandbox(**options)
    return EXIT_OK
