"""`arb balances`, and the page of reconciliation: the balances that venues report, and those of our own books."""

from contextlib import closing
from pathlib import Path
from typing import Any

from arb.app import found_journal
from arb.clock import NS_PER_S
from arb.config import ReviewOptions, Settings
from arb.market.numbers import ZERO
from arb.store.journal.last_inventory import ReconciledBalance, reconciled_balances
from arb.store.journal.reader import JournalReader

RECONCILED_S = 900
"""How far back, from a journal's last entry, agreements and fills are looked for: balances are compared far more often."""


def balances(settings: Settings, options: ReviewOptions) -> dict[str, Any]:
    """Return every balance as its venue last reported it, as our own books have it, and how far apart they may be."""
    path = found_journal(settings, options.mode, options.db)
    found = _reconciled(path) if path.exists() else []
    venue = options.rows.get("venue")
    rows = [
        {
            "venue": one.venue,
            "asset": one.asset,
            "reported": one.reported,
            "computed": one.computed,
            "difference": None if one.computed is None else one.reported - one.computed,
            "agrees": one.computed is not None and one.reported == one.computed,
            "reported_ns": one.reported_ns,
            "agreed_ns": one.agreed_ns,
        }
        for one in found
        if venue in (None, one.venue) and (one.reported or one.computed not in (None, ZERO))
    ]
    most = f"{settings.limits.drift_ignore_quote:f}"
    tolerance = f"no shortfall; a surplus of an asset worth up to {most} of the quote"
    return {"tolerance": tolerance, "balances": rows} | ({} if rows else {"empty": "its journal holds no balance"})


def _reconciled(path: Path) -> list[ReconciledBalance]:
    with closing(JournalReader.open(path)) as journal:
        return reconciled_balances(journal, max(0, journal.last_ns() - RECONCILED_S * NS_PER_S))
