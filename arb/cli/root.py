"""The root of the command line: the group, and the one place where an error becomes a line and an exit code."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

from arb import __version__
from arb.cli.shared import EXIT_CHECK, EXIT_HALTED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from arb.errors import ArbError, ConfigError, InvariantError, StoreError

COMMANDS = {
    "run": "arb.cli.run:run_command",
    "sandbox": "arb.cli.run:sandbox_command",
    "replay": "arb.cli.run:replay_command",
    "sign": "arb.cli.tools:sign_group",
    "scan": "arb.cli.tools:scan_command",
    "books": "arb.cli.tools:books_command",
    "status": "arb.cli.review:status_command",
    "pairs": "arb.cli.review:pairs_command",
    "explain": "arb.cli.review:explain_command",
    "halt": "arb.cli.control:halt_command",
    "resume": "arb.cli.control:resume_command",
    "db": "arb.cli.database:db_group",
}
"""Every command by name, in the order of the help, and where it is. Modules load when they are asked for."""


class LazyGroup(click.Group):
    """A group whose commands are imported when first needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called `cmd_name`; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="arb", message="%(prog)s %(version)s")
def cli() -> None:
    """Trade the price differences between venues, and never lose track of a leg, a fill or a cent."""


def exit_code_of(error: ArbError) -> int:
    """Return the exit code that tells a caller what kind of error this is."""
    if isinstance(error, ConfigError | StoreError):
        return EXIT_USAGE
    return EXIT_HALTED if isinstance(error, InvariantError) else EXIT_CHECK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every expected error is one line on stderr."""
    try:
        result = cli.main(args=arguments, prog_name="arb", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return EXIT_USAGE
    except click.ClickException as error:
        return _complain(_usage_line(error), EXIT_USAGE)
    except ArbError as error:
        return _complain(str(error), exit_code_of(error))
    except BrokenPipeError:
        # The reader went away (`arb pairs | head`): nothing is left to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else EXIT_OK


def _usage_line(error: click.ClickException) -> str:
    line = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{line}: see `{context.command_path} --help`" if context is not None else line


def _complain(text: str, exit_code: int) -> int:
    click.echo(f"arb: {' '.join(text.split())}", err=True)
    return exit_code
