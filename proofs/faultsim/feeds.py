"""Judges of what is done while books or their connections are not as they should be, by journal and ledger."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from arb.clock import NS_PER_S
from arb.core.messages.settings import HealthLimits
from proofs.faultsim.conduct import ENDED, NOT_TAKEN, REPAIR_ROLES, TERMINAL, Row, entries_of

Spell = tuple[str, int, int]
"""A venue, and since when and until when it had something, ns UTC."""
NEVER_NS = 1 << 62
BEGUN_WITHIN_S = 1
"""Within which time a repair must leave that nothing but bytes unread could hold up."""


def on_late_books(pairs: Iterable[Row], late: Iterable[Spell]) -> Iterator[str]:
    """No pair is decided on a book whose newest frame came late, on a connection where bytes always wait."""
    spells = list(late)
    for pair in pairs:
        for leg in ("buy", "sell"):
            venue, frame_ns = pair[f"{leg}_venue"], pair[f"{leg}_frame_ns"]
            if pair["kind"] != "arb" or not frame_ns:
                continue
            if any(at == venue and began < frame_ns and pair["decided_ns"] < over for at, began, over in spells):
                yield f"late frames: pair {pair['id']} took {venue}'s book, whose frames came late"


def held_up(journal: Path) -> Iterator[str]:
    """No pair waits for its first repair for longer than `BEGUN_WITHIN_S`, where no other fault holds it up."""
    since: dict[int, int] = {}
    for _, t_ns, kind, payload in entries_of(journal):
        for pair_id, began_ns in since.items():
            if t_ns > began_ns + BEGUN_WITHIN_S * NS_PER_S:
                since[pair_id] = NEVER_NS
                yield f"held up: nothing repaired pair {pair_id} within {BEGUN_WITHIN_S} s"
        if kind == "Persist":
            row = json.loads(payload)["record"]
            if row["type"] == "OrderRecord" and row["role"] in REPAIR_ROLES:
                since[row["pair_trade_id"]] = NEVER_NS
            elif row["type"] == "PairRecord" and row["kind"] == "arb" and row["state"] == "repairing":
                since.setdefault(row["id"], t_ns)
            elif row["type"] == "PairRecord" and row["state"] in ENDED:
                since[row["id"]] = NEVER_NS


def opened_in_spite_of_misses(journal: Path, health: HealthLimits) -> Iterator[str]:
    """No pair opens at a venue that took so many entries in a row, within the window, and filled nothing of any.

    For venues in whose quarantine no time is over yet, in one life of the engine.
    """
    missed: dict[str, list[int]] = defaultdict(list)
    ended: set[int] = set()
    seen: set[int] = set()
    for _, t_ns, kind, payload in entries_of(journal):
        if kind != "Persist":
            continue
        row = json.loads(payload)["record"]
        if row["type"] == "OrderRecord" and row["role"] == "entry" and row["id"] not in ended:
            if row["status"] in TERMINAL - NOT_TAKEN:
                ended.add(row["id"])
                missed[row["venue"]] = [] if Decimal(row["filled"]) else [*missed[row["venue"]], t_ns]
        elif row["type"] == "PairRecord" and row["kind"] == "arb" and row["id"] not in seen:
            seen.add(row["id"])
            for venue in sorted((row["buy_venue"], row["sell_venue"])):
                times = [ns for ns in missed[venue] if ns > t_ns - health.window_s * NS_PER_S]
                if len(times) >= health.misses_quarantined:
                    yield f"misses: pair {row['id']} opened at {venue}, where {len(times)} entries in a row filled nothing"
