"""`arb rebalance`: the moves between venues that would restore the bands of `[inventory]`."""

from decimal import Decimal

import click

from arb.cli.shared import Form, Given, with_ledger
from arb.config import RebalanceOptions
from arb.errors import EXIT_OK, CheckFailed
from arb.market.symbol import ASSET

STATED_FEE = Form[tuple[tuple[str, str], Decimal]](
    "fee",
    rf"([a-z0-9_]+):({ASSET})=([0-9]{{1,12}}(?:\.[0-9]{{1,18}})?)",
    lambda match: ((match[1], match[2]), Decimal(match[3])),
    "is no fee of a venue: write for example gate:BTC=0.0002",
)
"""A fee of withdrawing: venue and asset, and an amount of the asset from 0 up."""


@click.command("rebalance")
@click.option("--asset", metavar="ASSET", help="Of one asset [default: of all that have a band].")
@click.option(
    "--max-cost-bps",
    type=click.IntRange(0, 10**6),
    default=100,
    show_default=True,
    metavar="N",
    help="The most a move may cost, in bps of the amount that arrives.",
)
@click.option(
    "--fee",
    "fees",
    type=STATED_FEE,
    multiple=True,
    metavar="VENUE:ASSET=AMOUNT",
    help="The withdrawal fee, where the venue does not publish it; may be given several times.",
)
@with_ledger
def rebalance_command(
    given: Given, asset: str | None, max_cost_bps: int, fees: tuple[tuple[tuple[str, str], Decimal], ...]
) -> int:
    """Plan withdrawals between venues, and make none.

    For each asset that is outside its band in [inventory] at some venue, the plan shows how much to send, from where to
    where, and on which chain, with fee, minimum and time. It meets all bands at the least cost. Balances and wallets
    are those of the running engine, or of the last run. Nothing is sent: withdrawals are yours to make. Exit code 3 if
    a band cannot be met, with the reason.
    """
    options = RebalanceOptions(
        mode=given.mode, db=given.db, asset=asset, max_cost_bps=Decimal(max_cost_bps), fees=dict(fees)
    )
    from arb.app.rebalance import rebalance

    plan = rebalance(given.settings, options)
    given.show(plan)
    if plan["refused"]:
        unmet = "; ".join(f"{one['asset']} at {one['venue']} {one['because']}" for one in plan["refused"])
        raise CheckFailed(f"bands stay unmet: {unmet}")
    return EXIT_OK
