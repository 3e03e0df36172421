"""Judge of instruments that a venue bars: nothing more is sent there, restarts included, until its listing has changed.

By the journal's entries. Which of the sandbox's codes bar is said here once more, and not taken from the venues' tables.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from proofs.faultsim.conduct import Row, entries_of

BARRING = frozenset({"INVALID_CURRENCY_PAIR", "51155", "40309", "25101"})
"""The codes with which the sandbox's venues refuse a symbol."""
FEES = frozenset({"taker_fee", "maker_fee", "buy_fee_in", "fee_asset", "fee_asset_taker"})
UNKNOWN_CODES_NEEDED = 2


def into_a_bar(journal: Path) -> Iterator[str]:
    """No order leaves for an instrument whose venue has barred it; what is called barred is what venues have barred.

    What lifts a bar is a listing that is tradable and has changed since the refusal, or since it said not tradable.
    """
    listed: dict[tuple[str, str], Row] = {}
    barred: dict[tuple[str, str], Row | None] = {}
    market: dict[str, tuple[str, str]] = {}
    unknown: dict[tuple[str, str], set[str]] = {}
    for _, _, kind, payload in entries_of(journal):
        message = json.loads(payload)
        if kind in ("InstrumentListed", "VenueListed", "VenueArrived"):
            for rules in message.get("instruments", [message.get("instrument")]):
                _take_listing(listed, barred, rules)
        elif kind == "OutcomeUnknown" and message.get("refused"):
            unknown.setdefault(market[message["client_order_id"]], set()).add(message["client_order_id"])
        elif kind == "OrderRejected" and message["code"] in BARRING:
            key = market[message["client_order_id"]]
            barred.setdefault(key, listed.get(key))
        elif kind == "PlaceOrder" and (message["venue"], message["symbol"]) in barred:
            yield f"barred: {message['client_order_id']} left for {message['symbol']} at {message['venue']}, which bars it"
        if kind != "Persist":
            continue
        row = message["record"]
        if row["type"] == "OrderRecord":
            market[row["client_order_id"]] = row["venue"], row["symbol"]
        elif row["type"] == "ControlRecord":
            called = {(held["listed"]["venue"], held["listed"]["symbol"]) for held in row.get("barred", [])}
            for venue, symbol in sorted(barred.keys() - called):
                yield f"barred: {symbol} at {venue} is not called barred any more, and its listing has not changed"
            for key in sorted(called):
                if key not in barred and len(unknown.get(key, ())) < UNKNOWN_CODES_NEEDED:
                    yield f"barred: {key[1]} at {key[0]} is called barred, and no refusal said so"


def _take_listing(
    listed: dict[tuple[str, str], Row], barred: dict[tuple[str, str], Row | None], instrument: Row
) -> None:
    key = instrument["venue"], instrument["symbol"]
    rules = {name: value for name, value in instrument.items() if name not in FEES}
    listed[key] = rules
    if key in barred and not rules["tradable"]:
        barred[key] = rules
    elif key in barred and rules != barred[key]:
        del barred[key]
