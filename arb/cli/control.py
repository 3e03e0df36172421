"""The commands that steer a running engine, or the next one: `halt`, `resume`, `flatten`."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arb.cli.shared import QUOTE, config_and_json, ledger_mode, mode_and_db, settings_from, show
from arb.config import ControlOptions
from arb.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from arb.app.control import Answer


@click.command("halt")
@click.option("--reason", default="operator", show_default=True, metavar="TEXT", help="Why; kept with the halt.")
@mode_and_db
@config_and_json
def halt_command(reason: str, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Open no more pairs.

    Open ones are finished. Holds over restarts until `arb resume`. Exit code 3 when no engine obeyed: the halt file is written
    even then, and the next engine on this ledger begins halted.
    """
    settings = settings_from(config)
    options = ControlOptions(mode=ledger_mode(settings, mode, db), db=db, reason=reason_text(reason))
    from arb.app import control

    return answered(control.halt(settings, options), as_json=as_json)


@click.command("resume")
@click.option("--reason", required=True, metavar="TEXT", help="Why trading may continue; kept with the resumption.")
@click.option("--allow-loss", type=QUOTE, metavar="QUOTE", help="The loss allowed from now until the UTC day ends.")
@mode_and_db
@config_and_json
def resume_command(
    reason: str, allow_loss: Decimal | None, mode: str | None, db: str | None, config: Path | None, as_json: bool
) -> int:
    """Lift a halt.

    This lifts any halt, set by a user or by the engine. With no engine running it is lifted for the next one; exit code
    3 when there is none to lift it. A day's loss of `daily_loss_quote` is no halt: nothing opens until the UTC day
    ends, unless `--allow-loss` allows a further loss for that day. `halted` in the answer lists the halts that remain.
    """
    settings = settings_from(config)
    options = ControlOptions(
        mode=ledger_mode(settings, mode, db), db=db, reason=reason_text(reason), allow_loss=allow_loss
    )
    from arb.app import control

    return answered(control.resume(settings, options), as_json=as_json)


@click.command("flatten")
@click.option("--reason", default="operator", show_default=True, metavar="TEXT", help="Why; kept with the halt.")
@mode_and_db
@config_and_json
def flatten_command(reason: str, mode: str | None, db: str | None, config: Path | None, as_json: bool) -> int:
    """Close own unhedged exposure, then halt.

    Cancels own resting orders, finishes open pairs, and closes the exposure that earlier pairs left unhedged; other
    orders and holdings on the accounts are not touched. `arb status` shows how far it is: REDUCING, then HALTED with
    the reason `flattened`. Holds over restarts until `arb resume`.
    """
    settings = settings_from(config)
    options = ControlOptions(mode=ledger_mode(settings, mode, db), db=db, reason=reason_text(reason))
    from arb.app import control

    return answered(control.flatten(settings, options), as_json=as_json)


def answered(answer: "Answer", *, as_json: bool) -> int:
    """Print the answer; raises `CheckFailed` where no engine obeyed."""
    from arb.app.control import require_obeyed

    show(answer.document, as_json=as_json)
    require_obeyed(answer)
    return EXIT_OK


def reason_text(reason: str) -> str:
    """Return a reason on one line; raises `ConfigError` for an empty or too long one."""
    text = " ".join(reason.split())
    if not text or len(text) > 500:
        raise ConfigError("--reason: give the reason, in 1 to 500 characters")
    return text
