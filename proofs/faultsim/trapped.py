"""Judge of closed wallets: no pair opens where, by the venues' lists, what it moves could not be moved back.

By the journal's entries alone, and by fewer questions than the engine asks: an asset that a venue lets out, or takes in, on no
chain at all. What a former process has read counts no more.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from arb.market.symbol import Symbol
from proofs.faultsim.conduct import entries_of


def into_a_trap(journal: Path) -> Iterator[str]:
    """No pair of ours opens while its base cannot leave the buying venue or reach the selling one, or quote come back."""
    closed: dict[tuple[str, str], set[str]] = {}
    opened: set[int] = set()
    for _, _, kind, payload in entries_of(journal):
        if kind == "RunStarted":
            closed.clear()
        elif kind == "CurrenciesListed":
            message = json.loads(payload)
            for asset in message["assets"]:
                chains = [chain for chain in message["chains"] if chain["asset"] == asset]
                ways = ("deposit", "withdrawal") if chains else ()
                shut = {way for way in ways if not any(chain.get(way) is not False for chain in chains)}
                closed[message["venue"], asset] = shut
        elif kind == "Persist" and '"PairRecord"' in payload:
            row = json.loads(payload)["record"]
            if row["type"] != "PairRecord" or row["kind"] != "arb" or row["id"] in opened:
                continue
            opened.add(row["id"])
            base, quote = Symbol.of(row["symbol"]).base_and_quote
            for venue, asset, way in (
                (row["buy_venue"], base, "withdrawal"),
                (row["sell_venue"], base, "deposit"),
                (row["sell_venue"], quote, "withdrawal"),
                (row["buy_venue"], quote, "deposit"),
            ):
                if way in closed.get((venue, asset), ()):
                    yield f"trapped: pair {row['id']} opened though the {way} of {asset} at {venue} is closed"
