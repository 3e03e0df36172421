"""`arb record`: write the venues' public feeds to tapes."""

from pathlib import Path

import click

from arb.cli.shared import ADMIN_URL, BYTES, DURATION, config_and_json, settings_from, show
from arb.config import RecordOptions
from arb.logs import logging_to


@click.command("record")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder of the segments; made if it is not there, and nothing in it is written over.",
)
@click.option(
    "--every",
    type=DURATION,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="How long a segment is; it begins at a full multiple of that, UTC.",
)
@click.option(
    "--size",
    type=BYTES,
    default="500MB",
    show_default=True,
    metavar="SIZE",
    help="Begin the next segment once one is this large: kB, MB or GB.",
)
@click.option("--for", "for_s", type=DURATION, metavar="TIME", help="Stop after this time [default: at a signal].")
@click.option(
    "--sandbox",
    type=ADMIN_URL,
    metavar="ADMIN_URL",
    help="Record this running `arb sandbox`; 'embedded': our own [default: the real venues].",
)
@config_and_json
def record_command(
    out: Path, every: float, size: int, for_s: float | None, sandbox: str | None, config: Path | None, as_json: bool
) -> int:
    """Write the venues' public frames to tapes.

    No key is needed and nothing is traded. The settings choose venues and symbols; `[generic] venues` are recorded,
    too. Each segment begins with full books and can be replayed separately (`arb replay`, `arb books`). On a full disk
    recording pauses until there is room again; the exit code is 3 where received frames were not written.
    """
    settings = settings_from(config)
    from arb.app.record import record_frames  # late: it loads the venues' libraries

    options = RecordOptions(out=out, every_s=every, size_bytes=size, for_s=for_s, sandbox=sandbox)
    with logging_to(level=settings.run.log_level.value):
        summary, exit_code = record_frames(settings, options)
    show(summary, as_json=as_json)
    return exit_code
