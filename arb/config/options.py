"""What the command line asks of a command, beyond the settings of the file."""

from decimal import Decimal
from pathlib import Path

import msgspec

from arb.config.settings import Mode


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb run`. `for_s` counts from the first live book on two venues; None: until a signal.

    `sandbox` is the admin URL of a running sandbox to trade on, None: an embedded one. `seed` None: drawn at start.
    `db` overrides the ledger's URL. `live` is the consent given on the command line. `tape`: a file to be made, into which
    every frame and event goes.
    """

    mode: Mode
    for_s: float | None = None
    seed: int | None = None
    db: str | None = None
    sandbox: str | None = None
    live: bool = False
    tape: Path | None = None


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb replay FILE...`.

    `journal`: that of the run whose tape it is, where it does not lie in its mode's place. `latency_ms`: how long an order
    travels to a simulated venue, and its answer back, on captures; `taker_fee_bps`: what every venue charges there.
    """

    files: tuple[Path, ...]
    db: str | None = None
    seed: int | None = None
    journal: Path | None = None
    latency_ms: int = 50
    taker_fee_bps: Decimal = Decimal(10)


class ReviewOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb status`, `arb pairs`, `arb explain ID`, `arb export`: whose ledger to read, and what of it."""

    mode: str
    db: str | None = None
    limit: int = 20
    ident: str | None = None
    parquet: Path | None = None


class ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb halt`, `arb flatten` and `arb resume --reason TEXT`: which engine, by its journal, and why."""

    mode: str
    db: str | None = None
    reason: str
