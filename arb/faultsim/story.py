"""Judges of the story: what the journal tells of the order in which things happened, and of how long they took."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from arb.clock import NS_PER_MS, NS_PER_S
from arb.market.ids import decode

HEARD_WITHIN_S = 6
"""Within which time after a fill, or after the end of all faults, it must have been heard of.

A private stream tells at once. After an interruption the account is looked through: a second to connect and to log in again,
a second to read, and two before what could not be read is asked for again.
"""


def opened_while_stopped(journal: Path) -> Iterator[str]:
    """No pair opens while trading is halted, by whomever, or while the journal or the ledger takes nothing.

    One without an opportunity opens nothing: a process whose journal was lost had opened it, and it is adopted.
    """
    halted = False
    blocked: set[str] = set()
    seen: set[int] = set()
    for _, _, kind, payload in entries_of(journal):
        if kind == "HaltAsked":
            halted = True
        elif kind == "ResumeAsked":
            halted = False
        elif kind == "RunStarted":
            blocked.clear()
        elif kind == "StoreStateChanged":
            message = json.loads(payload)
            (blocked.add if message["blocked"] else blocked.discard)(message["store"])
        elif kind == "Persist" and '"IncidentRecord"' in payload:
            halted = halted or json.loads(payload)["record"]["kind"] == "halt"
        elif kind == "Persist" and '"PairRecord"' in payload:
            record = json.loads(payload)["record"]
            opens = record["kind"] == "arb" and record["opportunity_id"] is not None and record["id"] not in seen
            if opens and (halted or blocked):
                yield f"opened: pair {record['id']}, though {'halted' if halted else f'blocked: {sorted(blocked)}'}"
            seen.add(record["id"])


def heard_too_late(journal: Path, truth: dict[str, Any], calm_ns: int) -> Iterator[str]:
    """Every fill of ours is written down within `HEARD_WITHIN_S`, counted from the end of all faults at the earliest."""
    heard: dict[tuple[str, str, str], int] = {}
    for _, t_ns, kind, payload in entries_of(journal):
        if kind != "Persist" or '"FillRecord"' not in payload:
            continue
        record = json.loads(payload)["record"]
        if record["type"] == "FillRecord":
            heard.setdefault((record["venue"], record["symbol"], record["trade_id"]), t_ns)
    for venue, ledger in truth.items():
        for fill in ledger["fills"]:
            if decode(str(fill["client_id"]).removeprefix("t-")) is None:
                continue
            at_ns = max(fill["ts_ms"] * NS_PER_MS, calm_ns)
            known_ns = heard.get((venue, fill["symbol"], fill["trade_id"]))
            if known_ns is not None and known_ns > at_ns + HEARD_WITHIN_S * NS_PER_S:
                late_s = (known_ns - at_ns) / NS_PER_S
                yield f"heard late: fill {fill['trade_id']} at {venue}, {late_s:.1f} s after it could have been"


class Entry(NamedTuple):
    """One entry of a journal: its number and instant, its type, and its JSON."""

    seq: int
    t_ns: int
    type: str
    payload: str


def entries_of(journal: Path) -> Iterator[Entry]:
    """Yield every entry, in the order in which they were written."""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as connection:
        yield from map(Entry._make, connection.execute("SELECT seq, t_ns, type, payload FROM entries ORDER BY id"))
