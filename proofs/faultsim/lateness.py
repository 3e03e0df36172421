"""Judges of pairs that stayed unhedged beyond their deadline: what they must stop in time, and what may lift that again.

By the journal's entries, in the order in which they were written. What the engine says of itself (its control rows) is held
against the fills, the states of pairs and orders, and what was asked of it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.settings import RepairPolicy, Timing
from arb.market.symbol import Symbol
from proofs.faultsim.conduct import BPS, OPEN, Entry, Row, entries_of

PUNCTUAL_NS = 20 * NS_PER_MS
"""How much later than its deadline a pair may be found late: the timer comes behind whatever is being taken just then."""
LIFT_AGAIN_NS = 3600 * NS_PER_S
CENT = Decimal("0.01")
NEVER_STOPPED: Row = {"halted": None, "late": []}


class Story:
    """What a journal holds up to an entry."""

    def __init__(self) -> None:
        self.control = NEVER_STOPPED
        self.pairs: dict[int, Row] = {}
        self.status: dict[str, tuple[int, str]] = {}
        self.unhedged: dict[int, Decimal] = defaultdict(Decimal)
        self.price: dict[int, Decimal] = defaultdict(Decimal)
        self.traded: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        self.fees: dict[int, Decimal] = defaultdict(Decimal)
        # Whether anything but a late pair has halted trading since it was resumed last.
        self.halted_otherwise = False
        # Pairs that were late when a user resumed.
        self.excused: set[int] = set()
        self._pair_of: dict[int, int] = {}

    def take(self, entry: Entry) -> int | None:
        """Take an entry; return the arbitrage pair that it concerns, if it is a row of one."""
        if entry.type == "ResumeAsked":
            self.halted_otherwise = False
            self.excused |= {pair_id for pair_id, pair in self.pairs.items() if pair["state"] == "halted"}
        elif entry.type in ("HaltAsked", "FlattenAsked"):
            self.halted_otherwise = True
        if entry.type != "Persist":
            return None
        row: Row = json.loads(entry.payload)["record"]
        match row["type"]:
            case "ControlRecord":
                self.control = NEVER_STOPPED | row
            case "IncidentRecord" if row["kind"] == "halt" and not row["text"].startswith("leg_deadline"):
                self.halted_otherwise = True
            case "OrderRecord" if row["pair_trade_id"] is not None:
                self._pair_of[row["id"]] = row["pair_trade_id"]
                self.status[row["client_order_id"]] = (row["pair_trade_id"], row["status"])
            case "PairRecord" if row["kind"] == "arb":
                self.pairs[row["id"]] = row
                return int(row["id"])
            case "FillRecord" if row["order_id"] in self._pair_of:
                return self._take_fill(row)
        return None

    def _take_fill(self, row: Row) -> int:
        pair_id, size, price = self._pair_of[row["order_id"]], Decimal(row["size"]), Decimal(row["price"])
        self.unhedged[pair_id] += size if row["side"] == "buy" else -size
        if row["fee_currency"] == Symbol.of(row["symbol"]).base:
            self.unhedged[pair_id] -= Decimal(row["fee"])
        self.price[pair_id] = price
        self.traded[pair_id, row["side"]] += size * price
        self.fees[pair_id] += Decimal(row["fee_quote_value"] or 0)
        return pair_id

    def is_uneven(self, pair_id: int, dust_max_quote: Decimal) -> bool:
        """Return whether an open pair's fills do not offset each other, up to dust."""
        is_open = pair_id in self.pairs and self.pairs[pair_id]["state"] in OPEN
        if not is_open:
            return False
        own = self.unhedged[pair_id] - Decimal(self.pairs[pair_id].get("handed_size", 0))
        return abs(own) * self.price[pair_id] > dust_max_quote

    def late(self) -> dict[int, Row]:
        """Return what late pairs have stopped, by pair."""
        return {leg["pair_id"]: leg for leg in self.control["late"]}


def late_without_a_stop(journal: Path, timing: Timing, dust_max_quote: Decimal) -> Iterator[str]:
    """A pair that is uneven for longer than the deadline stops opening then; at twice that, or with a second one, all halts.

    The time counts from the first uneven fill, whatever else is unknown, and in each life of the engine anew. One whose fills
    offset each other by then, up to dust, only waits for a report of an order that matters no more. What a user has resumed
    is not stopped again. Where our clock was put forward past a deadline, that is when the deadline comes.
    """
    story, since = Story(), dict[int, int]()
    moved_ns = 0
    deadline_ns = timing.leg_deadline_ms * NS_PER_MS
    found: set[tuple[int, str]] = set()
    for entry in entries_of(journal):
        if entry.type == "RunStarted":
            since = dict.fromkeys(since, entry.t_ns)
        if entry.type == "ClockAnchored":
            moved_ns = entry.t_ns
        for pair_id, began_ns in since.items():
            for times, what in ((1, "stopped"), (2, "halted")):
                over = entry.t_ns > max(began_ns + times * deadline_ns, moved_ns) + PUNCTUAL_NS
                if over and not _obeyed(story, pair_id, what) and (pair_id, what) not in found:
                    found.add((pair_id, what))
                    text = f"was unhedged for longer than {times} x {timing.leg_deadline_ms} ms"
                    yield f"late: pair {pair_id} {text}, and nothing {what}"
        both = sorted(pair_id for pair_id, leg in story.late().items() if not leg["ended_well"])
        if len(both) > 1 and story.control["halted"] is None and (both[0], "both") not in found:
            found.add((both[0], "both"))
            yield f"late: pairs {both} at the same time, and nothing halted"
        concerned = story.take(entry)
        if concerned is not None and story.is_uneven(concerned, dust_max_quote):
            since.setdefault(concerned, entry.t_ns)
        elif concerned is not None:
            since.pop(concerned, None)


def _obeyed(story: Story, pair_id: int, what: str) -> bool:
    if what == "halted":
        return story.control["halted"] is not None or pair_id not in story.late()
    if story.control["halted"] == "stranded":
        return True
    return story.pairs[pair_id]["state"] == "halted" and (pair_id in story.late() or pair_id in story.excused)


def lifted_wrongly(journal: Path, repair: RepairPolicy) -> Iterator[str]:
    """Only what late pairs have stopped lifts itself: all ended within their caps, nothing unknown, once an hour at most."""
    story, before = Story(), NEVER_STOPPED
    seq, at_ns, lifted_ns, resumed = 0, 0, 0, False
    for entry in (*entries_of(journal), Entry(-1, 0, "", "")):
        if entry.seq != seq:
            halt_lifted = before["halted"] is not None and story.control["halted"] is None
            if not resumed and (halt_lifted or (before["late"] and not story.control["late"])):
                yield from (f"lifted: {why}" for why in _objections(story, before, repair, halt_lifted=halt_lifted))
                if lifted_ns and at_ns < lifted_ns + LIFT_AGAIN_NS:
                    yield "lifted: twice within an hour"
                lifted_ns = at_ns
            seq, before, resumed = entry.seq, story.control, False
        at_ns, resumed = entry.t_ns, resumed or entry.type == "ResumeAsked"
        story.take(entry)


def _objections(story: Story, before: Row, repair: RepairPolicy, *, halt_lifted: bool) -> Iterator[str]:
    """Yield what stands against a lift that nobody has asked for."""
    if halt_lifted and (before["halted"] != "leg_deadline" or story.halted_otherwise):
        yield f"trading was halted for {before['halted']}"
    for name, (pair_id, status) in story.status.items():
        if status == "unknown" and story.pairs.get(pair_id, {}).get("state") in OPEN:
            yield f"order {name} is unknown"
    for leg in before["late"]:
        pair_id = leg["pair_id"]
        pair, traded = story.pairs[pair_id], max(story.traded[pair_id, side] for side in ("buy", "sell"))
        if pair["state"] not in ("completed", "unwound"):
            yield f"pair {pair_id} is {pair['state']}"
        elif _lost(pair) - story.fees[pair_id] > traded * repair.leg_loss_max_bps / BPS + CENT:
            yield f"pair {pair_id} lost more than its cap"


def _lost(pair: Row) -> Decimal:
    return -Decimal(pair["waterfall"]["realised_net_e8"]).scaleb(-8)
