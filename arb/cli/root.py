"""The root of the command line: the group, and the one place where an error becomes a line and an exit code."""

import sys
from collections.abc import Sequence

import click

from arb import __version__
from arb.errors import ArbError, CheckFailed, ConfigError, InvariantError, StoreError

EXIT_OK, EXIT_USAGE, EXIT_CHECK, EXIT_HALTED, EXIT_INTERRUPTED = 0, 2, 3, 4, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="arb")
def cli() -> None:
    """Trade the price differences between venues, and never lose track of a leg, a fill or a cent."""


def exit_code_of(error: ArbError) -> int:
    """Return the exit code that tells a caller what kind of error this is."""
    if isinstance(error, ConfigError | StoreError):
        return EXIT_USAGE
    if isinstance(error, InvariantError):
        return EXIT_HALTED
    return EXIT_CHECK if isinstance(error, CheckFailed) else EXIT_CHECK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every expected error is one line on stderr."""
    try:
        result = cli.main(args=arguments, prog_name="arb", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"arb: {error.format_message()}", err=True)
        return EXIT_USAGE
    except ArbError as error:
        click.echo(f"arb: {error}", err=True)
        return exit_code_of(error)
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
