"""The options of each command: typed, and read by the function that runs it."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from arb.config.settings import Mode

EMBEDDED = "embedded"
"""In place of a sandbox's address: a sandbox that the command starts."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb run`. `for_s` counts from the first live book on two venues; None: until a signal.

    `sandbox` is the admin URL of a running sandbox to trade on, or `EMBEDDED`; None: an embedded one, but for paper the real
    venues. `seed` None: drawn at start. `db` overrides the ledger's URL. `live` is the consent given on the command line.
    `tape`: the new file for every frame and event.
    """

    mode: Mode
    for_s: float | None = None
    seed: int | None = None
    db: str | None = None
    sandbox: str | None = None
    live: bool = False
    tape: Path | None = None


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb replay DAYS...`: files, and folders of tapes.

    `journal`: that of the tape's run, where it is not in its mode's default place. `latency_ms`: the time that an order
    takes to a simulated venue, and its answer back. `fee_bps`: the taker fee of every venue. `overrides`: settings that
    replace the recorded ones, as `KEY=VALUE`. With any of these three, or with a `seed`, the tape of a run becomes an
    experiment. `config_given`: whether the settings were named on the command line.
    """

    files: tuple[Path, ...]
    db: str | None = None
    seed: int | None = None
    journal: Path | None = None
    latency_ms: int | None = None
    fee_bps: Decimal | None = None
    overrides: tuple[str, ...] = ()
    config_given: bool = False


class SweepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb sweep TAPES...`.

    `sets`: texts KEY=VALUE,VALUE,...; `fees_bps`, `latencies_ms`: each as its text and its value. `out`: the file of
    results. `jobs`: how many processes. `hold_out`: days, by number or date. `dask`: the scheduler's address;
    `dask_tls`: the files of authority, certificate and key. `config_given`: --config was on the command line.
    """

    tapes: tuple[Path, ...]
    sets: tuple[str, ...] = ()
    fees_bps: tuple[tuple[str, Decimal], ...] = ()
    latencies_ms: tuple[tuple[str, int], ...] = ()
    out: Path
    jobs: int = 1
    hold_out: str | None = None
    max_sets: int = 100_000
    dask: str | None = None
    dask_tls: tuple[Path, Path, Path] | None = None
    config_given: bool = False


class ReviewOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb status`, `arb pairs`, `arb explain ID`, `arb export`: whose ledger to read, and which rows.

    `rows`: the selection as written by the user (`arb/store/ledger/selection.py`); `before`: the id of the pair behind
    which a list of pairs continues; `every`: of alerts, acknowledged ones, too.
    """

    mode: str
    db: str | None = None
    rows: Mapping[str, Any] = {}
    limit: int = 20
    before: str | None = None
    ident: str | None = None
    every: bool = False
    parquet: Path | None = None


class UiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb ui`: whose ledger, at which port of 127.0.0.1 (0: any free one), and whether the page may steer the engine."""

    mode: str
    db: str | None = None
    port: int
    allow_control: bool = False


class RebalanceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb rebalance`: whose ledger, which asset (None: all that have a band), and a move's greatest cost per amount
    that arrives, >= 0.

    `fees`: the stated fee of withdrawing an asset from a venue, by both, where its currency list has none.
    """

    mode: str
    db: str | None = None
    asset: str | None = None
    max_cost_bps: Decimal = Decimal(100)
    fees: dict[tuple[str, str], Decimal] = {}


class ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb halt`, `arb flatten`, `arb resume --reason TEXT`, `arb alerts ack ID`: which engine, by its journal, and
    why.

    `allow_loss`: the allowed loss, in quote, from a resumption until the UTC day ends; None: as allowed before.
    `ident`: which alert, as written by the user, and `by` whom it is acknowledged.
    """

    mode: str
    db: str | None = None
    reason: str
    allow_loss: Decimal | None = None
    ident: str = ""
    by: str = ""


class RecordOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb record`: into which folder, and when the next segment begins.

    That is at the multiples of `every_s` seconds in UTC, and once a segment has `size_bytes` on disk. `for_s` counts from the
    start; None: until a signal. `sandbox` is the admin URL of a running sandbox, or `EMBEDDED`; None: the real venues.
    """

    out: Path
    every_s: float
    size_bytes: int
    for_s: float | None = None
    sandbox: str | None = None


class DoctorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb doctor`: the venues to check (none: all that are enabled), and their addresses (`sandbox`: see `RecordOptions`).

    `config`: the file of the settings, whether it exists or not; its permissions are checked.
    """

    venues: tuple[str, ...] = ()
    sandbox: str | None = None
    config: Path


class MarketsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`arb markets`: the rows to show; None: as `[run.auto]` and `[run] report_currency` choose.

    `why`: one symbol, shown in full. `write`: write the choice into `config`. `watch`: look again every `every_s`
    seconds, for `for_s` or until a signal. `sandbox`: see `RecordOptions.sandbox`.
    """

    min_venues: int | None = None
    top: int | None = None
    quote: str | None = None
    why: str | None = None
    write: bool = False
    watch: bool = False
    every_s: float = 30.0
    for_s: float | None = None
    sandbox: str | None = None
    config: Path

    def rules(self) -> dict[str, int]:
        given = {"min_venues": self.min_venues, "top": self.top}
        return {name: value for name, value in given.items() if value is not None}
