"""Tapes of runs in files, as a run writes them."""

from pathlib import Path

import msgspec

from arb.store.tapes.line import TapeLine
from arb.store.tapes.tape import encode_head
from tests.support.taped import TapedRun


def write_run(run: TapedRun, path: Path, **head: object) -> Path:
    """Write the tape of a run, its head with such changes."""
    changed = msgspec.structs.replace(run.head, **head)
    first = TapeLine(run.lines[0].t, "", "event", encode_head(changed).decode(), t_ns=run.lines[0].t_ns)
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (first, *run.lines)))
    return path
