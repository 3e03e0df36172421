"""The commands that steer a running engine, or the next one: `halt`, `resume`, `flatten`."""

from decimal import Decimal
from typing import TYPE_CHECKING

import click

from arb.cli.shared import QUOTE, Given, with_ledger
from arb.config import ControlOptions
from arb.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from arb.app.control import Answer


@click.command("halt")
@click.option("--reason", default="operator", show_default=True, metavar="TEXT", help="Why; kept with the halt.")
@with_ledger
def halt_command(given: Given, reason: str) -> int:
    """Open no more pairs.

    Open ones are finished. Holds over restarts until `arb resume`. Exit code 3 when no engine obeyed: the halt file is written
    even then, and the next engine on this ledger begins halted.
    """
    options = ControlOptions(mode=given.mode, db=given.db, reason=reason_text(reason))
    from arb.app import control

    return answered(given, control.halt(given.settings, options))


@click.command("resume")
@click.option("--reason", required=True, metavar="TEXT", help="Why trading may continue; kept with the resumption.")
@click.option("--allow-loss", type=QUOTE, metavar="QUOTE", help="The loss allowed from now until the UTC day ends.")
@with_ledger
def resume_command(given: Given, reason: str, allow_loss: Decimal | None) -> int:
    """Lift a halt.

    This lifts any halt, set by a user or by the engine. With no engine running it is lifted for the next one; exit code
    3 when there is none to lift it. A day's loss of `daily_loss_quote` is no halt: nothing opens until the UTC day
    ends, unless `--allow-loss` allows a further loss for that day. `halted` in the answer lists the halts that remain.
    """
    options = ControlOptions(mode=given.mode, db=given.db, reason=reason_text(reason), allow_loss=allow_loss)
    from arb.app import control

    return answered(given, control.resume(given.settings, options))


@click.command("flatten")
@click.option("--reason", default="operator", show_default=True, metavar="TEXT", help="Why; kept with the halt.")
@with_ledger
def flatten_command(given: Given, reason: str) -> int:
    """Close own unhedged exposure, then halt.

    Cancels own resting orders, finishes open pairs, and closes the exposure that earlier pairs left unhedged; other
    orders and holdings on the accounts are not touched. `arb status` shows how far it is: REDUCING, then HALTED with
    the reason `flattened`. Holds over restarts until `arb resume`.
    """
    options = ControlOptions(mode=given.mode, db=given.db, reason=reason_text(reason))
    from arb.app import control

    return answered(given, control.flatten(given.settings, options))


def answered(given: Given, answer: "Answer") -> int:
    """Print the answer; raises `CheckFailed` where no engine obeyed."""
    from arb.app.control import require_obeyed

    given.show(answer.document)
    require_obeyed(answer)
    return EXIT_OK


def reason_text(reason: str) -> str:
    """Return a reason on one line; raises `ConfigError` for an empty or too long one."""
    text = " ".join(reason.split())
    if not text or len(text) > 500:
        raise ConfigError("--reason: give the reason, in 1 to 500 characters")
    return text
