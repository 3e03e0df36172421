"""What the command line asks of a command, beyond the settings of the file."""

from pathlib import Path

import msgspec

from arb.config.settings import Mode


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb run`. `for_s` counts from the first live book on two venues; None: until a signal.

    `sandbox` is the admin URL of a running sandbox to trade on, None: an embedded one. `seed` None: drawn at start.
    `db` overrides the ledger's URL. `live` is the consent given on the command line.
    """

    mode: Mode
    for_s: float | None = None
    seed: int | None = None
    db: str | None = None
    sandbox: str | None = None
    live: bool = False


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb replay FILE...`."""

    files: tuple[Path, ...]
    db: str | None = None
    seed: int | None = None


class ReviewOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb status`, `arb pairs`, `arb explain ID`: whose ledger to read, and what of it."""

    mode: str
    db: str | None = None
    limit: int = 20
    ident: str | None = None


class ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb halt` and `arb resume --reason TEXT`: which engine, by its journal, and why."""

    mode: str
    db: str | None = None
    reason: str
