"""The commands that steer a running engine, or the next one: `halt`, `resume`, `flatten`, `alerts`, `alerts ack`."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arb.cli.shared import (
    QUOTE,
    Given,
    alert_options,
    config_and_json,
    given_ledger,
    mode_and_db,
    table_options,
    with_ledger,
)
from arb.clock import utc_text
from arb.config import ControlOptions, ReviewOptions
from arb.errors import EXIT_CHECK, EXIT_OK, ConfigError
from arb.process import user_name

if TYPE_CHECKING:
    from arb.app.control import Answer

ALERT_COLUMNS = {"run": "run_id", "since_ns": "first_ns", "seen_id": "last_incident_id"}
"""The names of columns of `alerts` in SQL that have others in an answer."""


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


@click.command("reload")
@with_ledger
def reload_command(given: Given) -> int:
    """Have the engine read its settings again.

    Limits and log levels change at once, in one journalled step. All other changes are named, and need a restart (exit code
    3). Settings that cannot be used are refused in one line, and the old ones stay. Under systemd `systemctl reload` does
    the same; the companion reads [alerts] and [watch] by its own unit's reload.
    """
    options = ControlOptions(mode=given.mode, db=given.db, reason="reload")
    from arb.app import control

    answer = control.reload(given.settings, options)
    answered(given, answer)
    return EXIT_CHECK if answer.document["refused"] else EXIT_OK


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


@click.group("alerts", invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Acknowledged ones, too.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, metavar="N", help="How many.")
@table_options
@alert_options
@mode_and_db
@config_and_json
@click.pass_context
def alerts_group(
    context: click.Context,
    /,
    every: bool,
    limit: int,
    mode: str | None,
    db: str | None,
    config: Path | None,
    as_json: bool,
    **rows: Any,
) -> int:
    """List alerts: what needs a person.

    An alert is an incident that needs a person: money at risk, an unexplained order or balance, a missing right, or a
    stop of trading that does not end by itself. There is one row for each kind, venue and symbol, the latest first,
    with the action to take. docs/FAILURES.md lists all kinds. `arb alerts ack ID --reason TEXT` acknowledges one.
    """
    if context.invoked_subcommand is not None:
        return EXIT_OK
    given = given_ledger(config, mode, db, as_json=as_json)
    options = ReviewOptions(mode=given.mode, db=db, limit=limit, rows=rows, every=every)
    from arb.app import review

    document = review.alerts(given.settings, options)
    found = document["alerts"]
    if given.for_people:
        document = document | {"alerts": list(map(_for_people, found))}
    return given.show(document, [{ALERT_COLUMNS.get(name, name): row[name] for name in row} for row in found])


@alerts_group.command("ack")
@click.argument("ident", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why no action is needed any more; kept with the alert.")
@mode_and_db
@config_and_json
@click.pass_context
def ack_command(
    context: click.Context,
    ident: str,
    reason: str,
    mode: str | None,
    db: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Acknowledge an alert.

    This covers the occurrences that `arb alerts` shows now; a later one raises the alert again. ID as `arb alerts`
    shows it. The journal keeps the acknowledgement, with or without a running engine; exit code 3 when neither can be
    reached. Trading does not change: `arb resume` lifts a halt and, where an engine runs, acknowledges its alert too.
    """
    before = context.parent.params if context.parent else {}
    config, mode, db = config or before.get("config"), mode or before.get("mode"), db or before.get("db")
    given = given_ledger(config, mode, db, as_json=as_json or bool(before.get("as_json")))
    why = reason_text(reason)
    from arb.app import control

    options = ControlOptions(mode=given.mode, db=db, reason=why, ident=ident, by=user_name())
    return answered(given, control.acknowledge(given.settings, options))


def _for_people(alert: dict[str, Any]) -> dict[str, Any]:
    """Return an alert as a row, with the action to take, or with who acknowledged it and why."""
    if alert.get("acknowledged_ns") is None:
        to_do = f"To do: {alert['what_to_do']}"
    else:
        at, by = utc_text(alert["acknowledged_ns"])[:19], alert["acknowledged_by"]
        to_do = f"Acknowledged by {by} at {at}: {alert['reason']}"
    where = " ".join(alert[name] for name in ("venue", "symbol") if alert[name])
    return {
        "alert": alert["short_id"],
        "kind": " ".join((alert["kind"], where)).rstrip(),
        "last_ns": alert["last_ns"],
        "count": alert["count"],
        "text": f"{alert['text']}. {to_do}",
    }
