"""The commands that need neither a run nor a ledger: `sign`, `scan`, `books`."""

import os
from pathlib import Path

import click

from arb.cli.shared import INPUT_FILE, config_and_json, settings_from, show
from arb.clock import SystemClock
from arb.errors import EXIT_OK
from arb.venues.kit.spec import SignatureHelp
from arb.venues.registry import SPECS


class SignGroup(click.Group):
    """A command for every venue whose signatures can be shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [spec.name for spec in SPECS if spec.signature is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        signature = next((spec.signature for spec in SPECS if spec.name == cmd_name), None)
        return None if signature is None else _sign_command(cmd_name, signature)


@click.group("sign", cls=SignGroup)
def sign_group() -> None:
    """Show how a request is signed.

    Nothing is sent.
    """


def _sign_command(venue: str, signature: SignatureHelp) -> click.Command:
    @click.command(venue, help=signature.help)
    @click.argument("method")
    @click.argument("path")
    @click.option("--query", default="", metavar="Q", help="The query string, taken literally.")
    @click.option("--body", default="", metavar="B", help="The body, taken literally.")
    @click.option("--timestamp", metavar="T", help="Unix seconds, taken literally [default: now].")
    @click.option(
        "--any", "any_write", is_flag=True, help="Also sign requests that do more than trade: withdrawals, transfers."
    )
    @config_and_json
    def command(
        method: str,
        path: str,
        query: str,
        body: str,
        timestamp: str | None,
        any_write: bool,
        config: Path | None,
        as_json: bool,
    ) -> int:
        settings_from(config)
        report = signature.report(
            method,
            path,
            query=query,
            body=body,
            timestamp=timestamp,
            environ=os.environ,
            clock=SystemClock(),
            any_write=any_write,
        )
        show(report, as_json=as_json)
        return EXIT_OK

    return command


@click.command("scan")
@click.argument("file", type=INPUT_FILE)
@config_and_json
def scan_command(file: Path, config: Path | None, as_json: bool) -> int:
    """Show the trades a snapshot of order books would allow.

    And the reason for each trade it would not allow.
    """
    settings_from(config)
    from arb.replay.scan import scan_file

    show(scan_file(file), as_json=as_json)
    return EXIT_OK


@click.command("books")
@click.argument("file", type=INPUT_FILE)
@click.option("--at", type=click.IntRange(min=0), metavar="N", help="After so many lines [default: all].")
@click.option(
    "--depth", type=click.IntRange(min=1), metavar="N", default=10, show_default=True, help="Levels of each side."
)
@config_and_json
def books_command(file: Path, at: int | None, depth: int, config: Path | None, as_json: bool) -> int:
    """Show the order books after the first lines of a tape."""
    settings_from(config)
    from arb.replay.books import books_at

    show(books_at(file, at, depth), as_json=as_json)
    return EXIT_OK
