"""`arb tape`: commands for the files of tapes."""

from pathlib import Path

import click
import msgspec

from arb.cli.shared import INPUT_FILE, config_and_json, settings_from, show
from arb.errors import EXIT_OK, ConfigError


@click.group("tape")
def tape_group() -> None:
    """Convert tapes.

    To Parquet, for DuckDB, polars and other programs, and back. `arb replay` and `arb books` read either.
    """


@tape_group.command("convert")
@click.argument("files", type=INPUT_FILE, nargs=-1, required=True, metavar="FILE...")
@click.option("--parquet", is_flag=True, help="Make a Parquet file of each tape.")
@click.option("--jsonl", is_flag=True, help="Make JSON lines of each Parquet file: gzip where the tape was.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to write; made if it is not there [default: next to each file].",
)
@config_and_json
def convert_command(
    files: tuple[Path, ...], parquet: bool, jsonl: bool, out: Path | None, config: Path | None, as_json: bool
) -> int:
    """Make Parquet of tapes, or tapes of Parquet.

    The text of every line is restored bit for bit (of a compressed tape not the gzip around it): each new file is read
    again, and compared by its hash, before it gets its name. No file is ever written over. Needs pyarrow: `make dev`
    installs it.
    """
    settings_from(config)
    if parquet == jsonl:
        raise ConfigError("arb tape convert: give either --parquet or --jsonl, the format to make")
    from arb.store.tapes.convert import convert_tapes

    made = [msgspec.structs.asdict(one) for one in convert_tapes(files, out, to_parquet=parquet)]
    brief = [{name: value for name, value in one.items() if name not in ("file", "sha256")} for one in made]
    show({"tapes": made} if as_json else brief, as_json=as_json)
    return EXIT_OK
