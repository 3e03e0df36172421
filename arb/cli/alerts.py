"""The commands about incidents that need a person: `alerts`, `alerts ack`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from arb.cli.control import answered, reason_text
from arb.cli.shared import alert_options, config_and_json, ledger_mode, mode_and_db, settings_from, show
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
    """List what needs a person.

    Incidents at which money is at risk, nobody can explain an order or a balance, a right is missing, or trading does not go on
    by itself: one for each kind, venue and symbol, the one that last happened first, with what to do. docs/FAILURES.md has them
    all. `arb alerts ack ID --reason TEXT` takes note of one.
    """
    if context.invoked_subcommand is not None:
        return EXIT_OK
    settings = settings_from(config)
    options = ReviewOptions(mode=ledger_mode(settings, mode, db), db=db, limit=limit, rows=rows, every=every)
    from arb.app import review

    document = review.alerts(settings, options)
    if as_json or not document["alerts"]:
        show(document, as_json=as_json)
    else:
        click.echo("\n".join(_lines(document)))
    return EXIT_OK


@alerts_group.command("ack")
@click.argument("ident", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why it needs nobody any more; kept with the alert.")
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
    """Take note of an alert.

    Holds for what `arb alerts` shows of it now: what happens afterwards is an alert again. ID as `arb alerts` shows it. Kept in
    the journal, by a running engine or without one; exit code 3 when neither can be reached. Changes nothing of the trading:
    `arb resume` lifts a halt, and where an engine runs acknowledges its alert, too.
    """
    before = context.parent.params if context.parent else {}
    config, mode, db = config or before.get("config"), mode or before.get("mode"), db or before.get("db")
    settings = settings_from(config)
    mode, why = ledger_mode(settings, mode, db), reason_text(reason)
    from arb.app import control

    options = ControlOptions(mode=mode, db=db, reason=why, ident=ident, by=control.this_user())
    return answered(control.acknowledge(settings, options), as_json=as_json or bool(before.get("as_json")))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    """Yield alerts as a person reads them: where and since when, what happened, what to do."""
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
