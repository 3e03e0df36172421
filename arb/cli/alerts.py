"""The commands about incidents that need a person: `alerts`, `alerts ack`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from arb.cli.control import answered, reason_text
from arb.cli.shared import alert_options, config_and_json, given_ledger, mode_and_db
from arb.clock import utc_text
from arb.config import ControlOptions, ReviewOptions
from arb.errors import EXIT_OK
from arb.masking import printable


@click.group("alerts", invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Acknowledged ones, too.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, metavar="N", help="How many.")
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
    if as_json or not document["alerts"]:
        return given.show(document)
    click.echo("\n".join(_lines(document)))
    return EXIT_OK


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

    options = ControlOptions(mode=given.mode, db=db, reason=why, ident=ident, by=control.this_user())
    return answered(given, control.acknowledge(given.settings, options))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    if "note" in document:
        yield document["note"]
    for alert in document["alerts"]:
        where = " ".join(alert[name] for name in ("venue", "symbol") if alert[name])
        times = f", {alert['count']} times since {utc_text(alert['since_ns'])}" if alert["count"] > 1 else ""
        yield f"{alert['id']}  {alert['kind']}  {where or '-'}  {utc_text(alert['last_ns'])}{times}"
        yield f"    {printable(alert['text'])}"
        if alert.get("acknowledged_ns") is None:
            yield f"    to do: {alert['what_to_do']}"
        else:
            at, reason = utc_text(alert["acknowledged_ns"]), printable(alert["reason"])
            yield f"    acknowledged by {printable(alert['acknowledged_by'])} at {at}: {reason}"
