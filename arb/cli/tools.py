"""The commands that need neither a run nor a ledger: `sign`, `scan`, `books`, `record`, `tape`."""

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from arb.cli.shared import BYTES, DURATION, INPUT_FILE, Given, log_as_set, sandbox_option, with_settings
from arb.clock import SystemClock
from arb.config import RecordOptions
from arb.errors import ConfigError
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
    @with_settings
    def command(given: Given, method: str, path: str, **options: Any) -> int:
        return given.show(signature.report(method, path, environ=os.environ, clock=SystemClock(), **options))

    return command


@click.command("scan")
@click.argument("file", type=INPUT_FILE)
@with_settings
def scan_command(given: Given, file: Path) -> int:
    """Show the trades a snapshot of order books would allow.

    Also show why each other pair of venues allows none.
    """
    from arb.replay.scan import scan_file

    return given.show(scan_file(file))


@click.command("books")
@click.argument("file", type=INPUT_FILE)
@click.option("--at", type=click.IntRange(min=0), metavar="N", help="After this many lines of it [default: all].")
@click.option(
    "--depth", type=click.IntRange(min=1), metavar="N", default=10, show_default=True, help="Levels per side."
)
@with_settings
def books_command(given: Given, file: Path, at: int | None, depth: int) -> int:
    """Show the order books after the first lines of a tape."""
    from arb.replay.books import books_at

    return given.show(books_at(file, at, depth))


@click.command("record")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder for the segments, created if missing. No file in it is overwritten.",
)
@click.option(
    "--every",
    "every_s",
    type=DURATION,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="The length of a segment. A new one begins at each multiple of it, UTC.",
)
@click.option(
    "--size",
    "size_bytes",
    type=BYTES,
    default="500MB",
    show_default=True,
    metavar="SIZE",
    help="Begin the next segment once one is this large: kB, MB or GB.",
)
@click.option("--for", "for_s", type=DURATION, metavar="TIME", help="Stop after this time [default: at a signal].")
@sandbox_option("Record")
@with_settings
def record_command(given: Given, **options: Any) -> int:
    """Write the venues' public frames to tapes.

    No key is needed and nothing is traded. The settings choose venues and symbols; `[generic] venues` are recorded,
    too. Each segment begins with full books and can be replayed separately (`arb replay`, `arb books`). On a full disk
    recording pauses until there is room again. The exit code is 3 if received frames were not written.
    """
    from arb.app.record import record_frames  # late: it loads the venues' libraries

    with log_as_set(given.settings):
        summary, exit_code = record_frames(given.settings, RecordOptions(**options))
    given.show(summary)
    return exit_code


@click.group("tape")
def tape_group() -> None:
    """Convert tapes.

    Tapes become Parquet for DuckDB, polars and other programs, or JSON lines again. `arb replay` and `arb books` read both.
    """


@tape_group.command("convert")
@click.argument("files", type=INPUT_FILE, nargs=-1, required=True, metavar="FILE...")
@click.option("--parquet", is_flag=True, help="Make a Parquet file of each tape.")
@click.option("--jsonl", is_flag=True, help="Make JSON lines of each Parquet file, with gzip if the tape had it.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to write to, created if missing [default: next to each file].",
)
@with_settings
def convert_command(given: Given, files: tuple[Path, ...], parquet: bool, jsonl: bool, out: Path | None) -> int:
    """Make Parquet of tapes, or tapes of Parquet.

    The text of every line is restored bit for bit; the gzip around a compressed tape is not. Each new file is read again
    and compared by its hash before it gets its name. No file is ever overwritten. Needs pyarrow: `make dev` installs it.
    """
    if parquet == jsonl:
        raise ConfigError("arb tape convert: give either --parquet or --jsonl, the format to make")
    from arb.store.tapes.convert import convert_tapes

    made = [msgspec.structs.asdict(one) for one in convert_tapes(files, out, to_parquet=parquet)]
    brief = [{name: value for name, value in one.items() if name not in ("file", "sha256")} for one in made]
    return given.show({"tapes": made} if given.as_json else brief)
