"""The root of the command line: the group, and the one place where an error becomes a line and an exit code."""

import errno
import gc
import importlib
import os
import stat
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

import click

from arb.errors import (
    EXIT_CHECK,
    EXIT_HALTED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    ArbError,
    ConfigError,
    InvariantError,
    StartInterrupted,
    StoreError,
)
from arb.process import keep_memory_private

EXIT_BUG = 1
"""Python's own exit code for an uncaught error."""
YOUNG_OBJECTS = 50_000
"""How many new objects make Python look for garbage. The default of 700 spent a quarter of a command's load time on
scanning objects that all stay. A run collects when it is idle (`arb.live.tasks.keep_collected`).
"""

GROUPS = {
    "Trade": {
        "run": ("arb.cli.engine:run_command", "Run the engine."),
        "status": ("arb.cli.review:status_command", "Show the present or latest run."),
        "ui": ("arb.cli.ui:ui_command", "Show it all in a browser."),
        "alerts": ("arb.cli.control:alerts_group", "List alerts: what needs a person."),
        "watch": ("arb.cli.watch:watch_command", "Send alerts to phones, mail and webhooks."),
        "notify": ("arb.cli.watch:notify_group", "Test the receivers of alerts."),
        "logs": ("arb.cli.logs:logs_command", "Show the log file of the engine."),
        "halt": ("arb.cli.control:halt_command", "Open no more pairs."),
        "resume": ("arb.cli.control:resume_command", "Lift a halt."),
        "reload": ("arb.cli.control:reload_command", "Have the engine read its settings again."),
        "flatten": ("arb.cli.control:flatten_command", "Close own unhedged exposure, then halt."),
        "rebalance": ("arb.cli.rebalance:rebalance_command", "Plan withdrawals between venues, and make none."),
    },
    "Review": {
        "pairs": ("arb.cli.review:pairs_command", "List pair trades, the latest first."),
        "explain": ("arb.cli.review:explain_command", "Explain one pair trade step by step."),
        "report": ("arb.cli.review:report_command", "Sum up a ledger: earnings, and the reasons for them."),
        "incidents": ("arb.cli.review:incidents_command", "List incidents, the latest first."),
        "balances": (
            "arb.cli.review:balances_command",
            "Show balances as the venues report them, and as our books have them.",
        ),
        "sql": ("arb.cli.sql:sql_command", "Query a ledger in SQL, read-only."),
        "export": ("arb.cli.review:export_command", "Write a ledger as Parquet."),
    },
    "Paper, recordings, replays": {
        "markets": ("arb.cli.markets:markets_command", "Show symbols that several venues list, and their edges."),
        "record": ("arb.cli.tools:record_command", "Write the venues' public frames to tapes."),
        "replay": ("arb.cli.replay:replay_command", "Run the engine on recorded tapes."),
        "sweep": ("arb.cli.sweep:sweep_command", "Try a grid of settings on recorded tapes."),
        "tape": ("arb.cli.tools:tape_group", "Convert tapes."),
        "books": ("arb.cli.tools:books_command", "Show the order books after the first lines of a tape."),
        "scan": ("arb.cli.tools:scan_command", "Show the trades a snapshot of order books would allow."),
    },
    "Set up": {
        "init": ("arb.cli.init:init_command", "Write a commented config.toml, for paper trading."),
        "doctor": ("arb.cli.doctor:doctor_command", "Check venues, accounts and this machine."),
        "keys": ("arb.cli.keys:keys_group", "Show where the venues' keys are, and test them."),
        "sign": ("arb.cli.tools:sign_group", "Show how a request is signed."),
        "service": ("arb.cli.service:service_group", "Run engine and companion under systemd."),
        "backup": ("arb.cli.backup:backup_command", "Copy journal and ledger, also while the engine runs."),
        "restore": ("arb.cli.backup:restore_command", "Put a backup into an empty place."),
        "db": ("arb.cli.database:db_group", "Check, upgrade, rebuild or compact the ledger."),
        "sandbox": ("arb.cli.engine:sandbox_command", "Serve only the simulated exchanges."),
    },
}
"""Every command by group and name, in the order of the help and of docs/COMMANDS.md: where it is, and its help in brief.

The brief help is here so that `arb --help` imports no command; a test holds it equal to the command's own.
"""
COMMANDS = {name: found for commands in GROUPS.values() for name, found in commands.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported when first needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, COMMANDS))
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(f"{name:{widest}}", brief) for name, (_, brief) in commands.items()])


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from arb.version import version  # late: other commands hash nothing

        click.echo(f"arb {version()}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Trade the price differences between venues, and never lose track of a leg, a fill or a cent."""


def exit_code_of(error: ArbError) -> int:
    if isinstance(error, ConfigError | StoreError):
        return EXIT_USAGE
    if isinstance(error, StartInterrupted):
        return EXIT_HALTED if error.left_open else EXIT_INTERRUPTED
    return EXIT_HALTED if isinstance(error, InvariantError) else EXIT_CHECK


def main(arguments: Sequence[str] | None = None, command: click.Command = cli, name: str = "arb") -> int:
    """Run a command and return its exit code; every expected error is one line on stderr, a bug a masked traceback.

    Only this user can read the files it writes, from the first byte.
    """
    _fill_streams()
    umask = os.umask(0o077)
    keep_memory_private()  # before any key is read
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        return _run(arguments, command, name)
    except Exception:  # a bug: shown as Python shows it, which would mask nothing
        from arb.masking import SECRETS

        _say(SECRETS.masked(traceback.format_exc()))
        return EXIT_BUG
    finally:
        os.umask(umask)


def _fill_streams() -> None:
    """Open the null device in place of standard streams that were closed: else the next file gets their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _run(arguments: Sequence[str] | None, command: click.Command, name: str) -> int:
    try:
        result = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return EXIT_USAGE
    except click.ClickException as error:
        return _complain(_usage_line(error), EXIT_USAGE)
    except ArbError as error:
        return _complain(str(error), exit_code_of(error))
    except OSError as error:
        if not _reader_is_gone(error):
            return _complain(_system_line(error), EXIT_USAGE)
        # No stderr remains to write to.
        _write_nowhere(sys.stdout)
        return EXIT_OK
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else EXIT_OK


def _system_line(error: OSError) -> str:
    named = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if error.errno == errno.EMFILE:
        return f"{error.strerror}: allow more (ulimit -n 1024)"
    return ": ".join([*(named or ["the system"]), error.strerror or str(error) or type(error).__name__])


def _reader_is_gone(error: OSError) -> bool:
    """Return whether the reader went away (`arb pairs | head`), or the terminal; a disk's EIO is neither."""
    if error.errno == errno.EPIPE:
        return True
    is_device = stat.S_ISCHR(os.fstat(sys.stdout.fileno()).st_mode)
    return error.errno == errno.EIO and is_device and not sys.stdout.isatty()


def _usage_line(error: click.ClickException) -> str:
    line = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{line}: see `{context.command_path} --help`" if context is not None else line


def _complain(text: str, exit_code: int) -> int:
    from arb.masking import SECRETS, printable  # late: most commands end well

    _say(f"arb: {printable(SECRETS.masked(' '.join(text.split())))}")
    return exit_code


def _say(text: str) -> None:
    """Write to stderr; where that is full, only the exit code reports the error."""
    try:
        click.echo(text, err=True)
    except OSError:
        _write_nowhere(sys.stderr)


def _write_nowhere(stream: TextIO) -> None:
    """Redirect a stream's unwritten output to the null device, so that the end of the process meets no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
