"""Judge of how long things took against what is promised: to find an order absent, to even out a leg; and of needless stops.

By the journal's entries and the strikes. What a strike may have held up is measured and not judged: at the venue that it fell
on, from then on, or anywhere where it fell on the process. `CALM` strikes hold up nothing for longer than is promised.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from arb.clock import NS_PER_MS, NS_PER_S
from arb.core.messages.settings import Limits, OnSingleLeg, Timing
from proofs.faultsim.aims import FLATTEN, HALT
from proofs.faultsim.conduct import Entry, Row, entries_of
from proofs.faultsim.lateness import PUNCTUAL_NS, Story
from proofs.faultsim.plan import Plan

PROVED_WITHIN_NS = 4_500 * NS_PER_MS
PRESUMED_WITHIN_NS = 5_000 * NS_PER_MS
WITHOUT_OUTCOME = frozenset({"http_500", "http_502_html", "malformed_json", "net_answer_lost"})
"""An answer without an outcome holds up no proof, but a presumption."""
CALM = frozenset(
    {
        "lost_ack",
        "lost_request",
        "net_request_lost",
        "delayed_request",
        "slow",
        "partial_fill",
        "late_fill",
        "duplicate_fill_event",
        "foreign_order",
        "interest",
        "internal_transfer",
        "fee_in_points",
        "fee_tier_change",
        "fine_levels",
        "wallet_closed",
        HALT,
        FLATTEN,
    }
)
LOSE_A_REQUEST = frozenset({"lost_ack", "lost_request", "net_request_lost", "delayed_request"})
ASKED = frozenset({"asked", "flatten", "flattened"})
"""Halts of the user's own."""
STOPS = {
    "late_leg": "",
    "balance_drift": "nothing opens with it",
    "entries_stopped": "",
    "instrument_halted": "is barred",
}
"""By kind of incident that stops something, what its text says where it does."""
QUARANTINED = " is quarantined,"


class Struck(NamedTuple):
    """A strike that was carried out: when, and at which venues; none: on the process, its disk or its clock."""

    ns: int
    name: str
    venues: tuple[str, ...]
    times: int | None = 1

    def is_calm(self, calm: frozenset[str], before: Iterable["Struck"]) -> bool:
        """Return whether it holds up nothing: of requests lost at a venue only the first, for the next may be the look-up."""
        if self.name != "net_request_lost":
            return self.name in calm
        lost = (one for one in before if one.name in LOSE_A_REQUEST and set(one.venues) & set(self.venues))
        return self.name in calm and self.times == 1 and not any(one.ns < self.ns for one in lost)


class Times(NamedTuple):
    """What took how long at most, in seconds, and which stops there were; `judged` where no strike was an excuse."""

    longest: dict[str, float]
    stops: Counter[str]
    findings: list[str]


def times_of(journal: Path, plan: Plan, struck: Iterable[Struck]) -> Times:
    """Measure and judge a seed by its journal, its plan and what struck."""
    watch = _Watch(plan, list(struck))
    for entry in entries_of(journal):
        watch.take(entry)
    watch.end()
    return Times(watch.longest, watch.stops, watch.findings)


class _Watch:
    def __init__(self, plan: Plan, struck: list[Struck]) -> None:
        self.longest: dict[str, float] = {}
        self.stops: Counter[str] = Counter()
        self.findings: list[str] = []
        self._plan = plan
        # A process that dies at the user's halt is held up everywhere.
        self._struck = [
            one._replace(name="killed", venues=()) if one.name == HALT and plan.dies_halted else one for one in struck
        ]
        self._story = Story()
        self._absent: set[str] = set()
        # Orders whose outcome is unknown, by name.
        self._unknown: dict[str, Row] = {}
        # Where an order of which pair was presumed absent: a second one there waits until the first has not turned up.
        self._presumed: set[tuple[str, int]] = set()
        # By pair, where its orders are: repairs go to third venues, too.
        self._traded: dict[int, set[str]] = {}
        self._since: dict[int, int] = {}
        self._now_ns = 0
        # Pairs are meant to be late where the plan leaves no time for a proof, or leaves legs alone.
        deadline_ms = Timing().leg_deadline_ms
        holds = plan.repair.on_single_leg is OnSingleLeg.HOLD
        self._may_be_late = plan.timing.leg_deadline_ms < deadline_ms or holds or plan.scarce

    def take(self, entry: Entry) -> None:
        self._now_ns = entry.t_ns
        pair_id = self._story.take(entry)
        if pair_id is not None:
            self._follow(pair_id)
        if entry.type != "Persist":
            return
        row: Row = json.loads(entry.payload)["record"]
        if row["type"] == "OrderRecord" and row["pair_trade_id"] is not None:
            self._traded.setdefault(row["pair_trade_id"], set()).add(row["venue"])
            self._unknown.pop(row["client_order_id"], None)
            if row["status"] == "absent":
                self._absence(row, proved=row.get("absence") == "proved")
            elif row["status"] == "unknown":
                self._unknown[row["client_order_id"]] = row
        elif row["type"] == "IncidentRecord":
            self._incident(row)

    def end(self) -> None:
        """Judge what is still uneven or unknown when the journal ends."""
        if (
            self._plan.limits.daily_loss_quote == Limits().daily_loss_quote
        ):  # with a smaller one nothing may be presumed
            for row in self._unknown.values():
                self._absence(row, proved=False)
        for pair_id in list(self._since):
            self._even(pair_id)

    def _excused(self, venues: Iterable[str], calm: frozenset[str] = CALM, pair_id: int | None = None) -> bool:
        """Return whether something struck these venues, or the process, that may be a cause; or a pair waits for another's."""
        concerned = set(venues)
        if pair_id is not None and any(venue in concerned and other != pair_id for venue, other in self._presumed):
            return True
        return any(
            one.ns <= self._now_ns
            and not one.is_calm(calm, self._struck)
            and (not one.venues or concerned & set(one.venues))
            for one in self._struck
        )

    def _measured(self, what: str, took_ns: int, *, judged: bool) -> None:
        for name in (what, f"{what}, judged") if judged else (what,):
            self.longest[name] = max(self.longest.get(name, 0.0), round(took_ns / NS_PER_S, 3))

    def _absence(self, row: Row, *, proved: bool) -> None:
        name = row["client_order_id"]
        if name in self._absent:
            return
        self._absent.add(name)
        what, most_ns = ("proof", PROVED_WITHIN_NS) if proved else ("presumption", PRESUMED_WITHIN_NS)
        took_ns = self._now_ns - (row["sent_ns"] or row["journalled_ns"])
        waits_for = None if proved else row["pair_trade_id"]
        judged = not self._excused((row["venue"],), CALM | WITHOUT_OUTCOME if proved else CALM, waits_for)
        if not proved:
            self._presumed.add((row["venue"], row["pair_trade_id"]))
        self._measured(what, took_ns, judged=judged)
        if judged and took_ns > most_ns:
            self.findings.append(
                f"slow {what}: {name} at {row['venue']} took {took_ns / NS_PER_S:.2f} s, and no strike held it up"
            )

    def _follow(self, pair_id: int) -> None:
        if self._story.is_uneven(pair_id, self._plan.limits.dust_max_quote):
            self._since.setdefault(pair_id, self._now_ns)
        elif pair_id in self._since:
            self._even(pair_id)

    def _even(self, pair_id: int) -> None:
        took_ns = self._now_ns - self._since.pop(pair_id)
        venues = self._venues(pair_id)
        judged = not self._may_be_late and not self._excused(venues, pair_id=pair_id)
        self._measured("naked leg", took_ns, judged=judged)
        if judged and took_ns > self._plan.timing.leg_deadline_ms * NS_PER_MS + PUNCTUAL_NS:
            where = " and ".join(venues)
            self.findings.append(
                f"naked: a leg of pair {pair_id} at {where} for {took_ns / NS_PER_S:.2f} s, and no strike held it up"
            )

    def _venues(self, pair_id: int) -> tuple[str, ...]:
        pair = self._story.pairs.get(pair_id)
        legs = set() if pair is None else {pair["buy_venue"], pair["sell_venue"]}
        return tuple(sorted(legs | self._traded.get(pair_id, set())))

    def _incident(self, row: Row) -> None:
        """Count an incident that stops something, and object to it where no strike and no setting is a cause."""
        kind, text, pair_id = row["kind"], row["text"], row["pair_trade_id"]
        reason = text.partition(":")[0]
        venues = self._venues(pair_id) if row["venue"] is None and pair_id is not None else (row["venue"],)
        calm = CALM
        if kind == "halt":
            if reason in ASKED:
                return
            kind, venues = f"halt {reason}", tuple(venue for one in self._struck for venue in one.venues)
        elif kind == "venue_health" and QUARANTINED in text:
            calm = frozenset()  # a fault at a venue may count against its health later
        elif kind not in STOPS or STOPS[kind] not in text:
            return
        self.stops[kind] += 1
        late = kind in ("late_leg", "halt leg_deadline") and self._may_be_late
        if not late and not self._excused(venues, calm, pair_id):
            self.stops["needless"] += 1
            self.findings.append(f"needless stop: {kind}, {text}")
