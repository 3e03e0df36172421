"""The safety rules and how each is broken: the table of `make mutants`."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A rule, and how it is broken: `old` stands once in the file and becomes `new`."""

    rule: str
    file: str
    old: str
    new: str


MUTANTS = {
    "journal-unmissed": Mutant(
        "nothing opens while the journal's database is gone",
        "arb/store/journal/journal.py",
        '                raise StoreError(f"journal {self.path}: its files were removed while running") from None\n',
        "                return\n",
    ),
    "intents-unmissed": Mutant(
        "nothing opens while the file of the intents is gone",
        "arb/store/journal/intents.py",
        '            raise StoreError(f"intents {self.path}: removed while running") from None\n',
        "            return\n",
    ),
    "clock-unanchored": Mutant(
        "our clock is put on the venues' time before the first entry",
        "arb/live/anchoring.py",
        "        self._shift(by_ns)\n        ahead_ns",
        "        ahead_ns",
    ),
    "block-unseen": Mutant(
        "no proposal opens where a venue or an instrument is blocked",
        "arb/core/risk/blockers.py",
        "        if block is not None:\n            found.append(block.source.reason)\n",
        "",
    ),
    "limits-unseen": Mutant(
        "a proposal that would pass a limit does not open",
        "arb/core/risk/openings.py",
        "limit = breached(state, manager, keys, opening.notional, now_ns)",
        "limit = None",
    ),
    "refusal-ignored": Mutant(
        "a proposal that the check refuses does not open",
        "arb/core/risk/openings.py",
        "return self.check(proposal, now_ns) or self.open(proposal, now_ns)",
        "return (self.check(proposal, now_ns), self.open(proposal, now_ns))[1]",
    ),
    "unreserved": Mutant(
        "the funds of a pair are reserved before its orders leave",
        "arb/core/trades/opening.py",
        "        state.inventory.reserve(pair_id, holds)\n",
        "",
    ),
    "still-books": Mutant(
        "nothing opens on books that stand still",
        "arb/core/books/books.py",
        "        if connection.pace.book_still(row, now_ns):\n            return Reason.STALE_BOOK\n",
        "",
    ),
    "loss-goes-on": Mutant(
        "nothing opens once the day's loss has reached its limit",
        "arb/core/risk/limits.py",
        '    if state.control.day_loss_blocks(now_ns):\n        return "daily_loss_quote"\n',
        "",
    ),
    "ramp-skipped": Mutant(
        "with real orders a pair pays no more than the ramp allows by then",
        "arb/core/state/engine_state.py",
        "share, self.ramp_cap)",
        "share)",
    ),
    "wallets-unread": Mutant(
        "nothing opens where what a pair moves could not be moved back",
        "arb/core/risk/blockers.py",
        "            if state.trapped.refused(keys):\n                return Reason.WALLET_CLOSED\n",
        "",
    ),
    "ramp-keeps-on": Mutant(
        "a pair that had to be carried begins the ramp anew",
        "arb/core/risk/ramp.py",
        "        control.clean_pairs = 0\n",
        "        pass\n",
    ),
    "ramp-counts-repairs": Mutant(
        "a pair that had to be repaired does not count for the ramp",
        "arb/core/risk/ramp.py",
        "ended and not pair.repairs() and",
        "ended and",
    ),
    "capital-unbounded": Mutant(
        "no more is at work at a venue than it may hold",
        "arb/core/risk/limits.py",
        "            at_venue[venue] += at_stake\n",
        "            pass\n",
    ),
    "hedges-consumed": Mutant(
        "room that was held for a hedge is free again once its pair has closed",
        "arb/core/state/budget.py",
        "            self.take(venue, symbol, now_ns)\n        return True\n",
        "            self.take(venue, symbol, now_ns)\n            self.take(venue, symbol, now_ns)\n        return True\n",
    ),
    "bills-unread": Mutant(
        "bills explain what no fill does",
        "arb/core/accounts/balance_reconciler.py",
        "        for transfer in event.transfers:\n            self._count(event.venue, transfer, event.t_ns)\n",
        "",
    ),
    "steps-unread": Mutant(
        "nothing opens where an order was off the steps until the listing is read again",
        "arb/core/state/engine_state.py",
        "self.blocks.put(Block(Source.RULES, venue, symbol, why))",
        "self.blocks.put(Block(Source.RULES, venue, symbol, why, until_ns=0))",
    ),
    "bar-ignored": Mutant(
        "a refusal by a code that bars the instrument stops it there",
        "arb/core/orders/manager.py",
        "        if event.bars:\n            self._refusals.refused(",
        "        if False:\n            self._refusals.refused(",
    ),
    "balance-bars": Mutant(
        "a refusal for lack of funds never bars an instrument",
        "arb/core/orders/manager.py",
        "        if event.bars:\n",
        "        if event.bars or event.short_of_funds:\n",
    ),
    "repair-into-bar": Mutant(
        "no repair goes to a venue that bars the instrument",
        "arb/core/trades/repair_options.py",
        "        if state.shut(venue, symbol, now_ns):\n            return Reason.INSTRUMENT_HALTED\n",
        "",
    ),
    "misses-uncounted": Mutant(
        "entries in a row that fill nothing count in a venue's health",
        "arb/core/orders/manager.py",
        "self.state.health.entry_ended(order.venue, order.filled > 0, now_ns)",
        "pass",
    ),
    "waits-for-quiet": Mutant(
        "a repair waits for unread bytes for 50 ms at most",
        "arb/live/runner.py",
        "BACKLOG_NS = 50 * NS_PER_MS",
        "BACKLOG_NS = 3600 * 1000 * NS_PER_MS",
    ),
    "late-frames": Mutant(
        "where bytes always wait nothing opens on frames that came later than usual",
        "arb/core/books/connection.py",
        "BACKLOG_LAG_NS = 50 * NS_PER_MS",
        "BACKLOG_LAG_NS = 3600 * 1000 * NS_PER_MS",
    ),
    "one-query": Mutant(
        "absence needs two queries", "arb/core/orders/reconciler.py", "QUERIES_NEEDED = 2", "QUERIES_NEEDED = 1"
    ),
    "no-expiry": Mutant(
        "absence needs the expiry to have passed",
        "arb/core/orders/reconciler.py",
        "            expired_ns = until_ns + venue_state.clock_error_ns + EXPIRY_MARGIN_NS",
        "            expired_ns = order.sent_ns or order.journalled_ns",
    ),
    "stops-early": Mutant(
        "an ordered stop has time to find a lost order absent and to repair its leg",
        "arb/core/messages/settings.py",
        "shutdown_deadline_s: int = 30",
        "shutdown_deadline_s: int = 2",
    ),
    "presumes-late": Mutant(
        "what no expiry proves absent is presumed absent before a stop is over",
        "arb/core/messages/settings.py",
        "presume_absent_ms: int = 3000",
        "presume_absent_ms: int = 32_000",
    ),
    "no-grace": Mutant(
        "absence is presumed after a while where a venue knows no expiry, and then only once queries find nothing",
        "arb/core/orders/visibility.py",
        "return sent_ns + max(least_ms * NS_PER_MS, 2 * slowest_ns)",
        "return sent_ns",
    ),
    "unproved-expiry": Mutant(
        "an expiry shortens the proof of absence only where it was seen enforced",
        "arb/core/state/engine_state.py",
        "return venue_state.profile.enforces_expiry and venue_state.account_id in self.control.expiry_proved",
        "return venue_state.profile.enforces_expiry",
    ),
    "no-balances": Mutant(
        "absence needs balances that agree",
        "arb/core/orders/reconciler.py",
        "if still and not hidden and self.state.inventory.agrees(venue, base):",
        "if still and not hidden:",
    ),
    "unknown-is-no": Mutant(
        "an answer that never came is no refusal",
        "arb/core/orders/manager.py",
        "            order.outcome = Outcome.UNKNOWN\n",
        "            order.outcome = Outcome.REJECTED\n            order.end(event.t_ns)\n",
    ),
    "fill-twice": Mutant(
        "a fill reported twice is counted once",
        "arb/core/state/order.py",
        "        if fill.key in self.fills:\n            return False\n",
        "",
    ),
    "balance-twice": Mutant(
        "a fill reported twice moves the balances once",
        "arb/core/state/positions/inventory.py",
        "        if not self._fills.add(fill.venue, fill.key, fill.event_ns):\n            return\n",
        "",
    ),
    "repair-early": Mutant(
        "nothing is repaired while an order of the pair is unsettled",
        "arb/core/trades/repairer.py",
        "        if self._awaits_answers(pair):\n            self._check_deadline(pair, now_ns)\n            return\n",
        "",
    ),
    "ended-is-settled": Mutant(
        "an order is settled only with all the fills its venue counts",
        "arb/core/state/order.py",
        "return self.ended and not self.frozen and not self._exceeds(self.reported_filled, self.filled)",
        "return self.ended",
    ),
    "sent-unwritten": Mutant(
        "nothing leaves that is not written down",
        "arb/live/runner.py",
        "kept = tuple(c for c in commands if not isinstance(c, PlaceOrder) or c.client_order_id in sent)",
        "kept = commands",
    ),
    "intent-after-sending": Mutant(
        "the intent of an opening is written before its orders leave",
        "arb/live/runner.py",
        "            self._journal.intend(intents)\n",
        "            self._executor.perform(tuple(place for intent in intents for place in intent.places))\n"
        "            self._journal.intend(intents)\n"
        "            return None\n",
    ),
    "intent-nameless": Mutant(
        "an intent holds the ids of its orders",
        "arb/store/journal/intents.py",
        "data = _encode(intent)\n",
        'data = _encode(intent).replace(b\'"client_order_id":"arb\', b\'"client_order_id":"\')\n',
    ),
    "intents-read-last": Mutant(
        "intents are read, and journalled, before anything else happens",
        "arb/store/journal/journal.py",
        "                journal._recover_intents()\n",
        "                journal._intents = IntentLog(intents_of(path), journal.journal_id)\n"
        "                journal.hold_reserve = journal._recover_intents  # at the first sync\n",
    ),
    "restart-forgets": Mutant(
        "a restart recovers every pair that the journal left open",
        "arb/core/accounts/restart.py",
        "for open_pair in restored.pairs:",
        "for open_pair in restored.pairs[:0]:",
    ),
    "outage-unasked": Mutant(
        "after an outage of a private stream its venue is queried for what happened meanwhile",
        "arb/core/engine.py",
        "        self.manager.on_private_up(event.venue, event.t_ns)\n"
        "        self.accounts.on_private_up(event.venue, event.t_ns)\n"
        "        self.state.out.refresh(event.venue)\n",
        "",
    ),
    "late-fill-lost": Mutant(
        "a fill that comes after a pair has ended opens it again",
        "arb/core/trades/repairer.py",
        "if pair.imbalance(base) == pair.booked_residual:",
        "if pair.closed:",
    ),
    "fee-in-base": Mutant(
        "a fee in base is base that is missing",
        "arb/core/trades/trade.py",
        "(sign * fill.size - (fill.fee if fill.fee_currency == base else ZERO) for fill in order.fills.values()), ZERO",
        "(sign * fill.size for fill in order.fills.values()), ZERO",
    ),
    "halt-opens": Mutant(
        "nothing opens while trading is halted",
        "arb/core/state/control.py",
        "            self.blocks.put(Block(Source.HALT, text=reason))\n",
        '            self.blocks.put(Block(Source.HALT, at="nowhere", text=reason))\n',
    ),
    "ledger-opens": Mutant(
        "nothing opens while the ledger takes no rows",
        "arb/core/engine.py",
        "        if event.blocked:\n",
        '        if event.blocked and event.store != "ledger":\n',
    ),
    "block-overlooked": Mutant(
        "nothing opens where a block of the venue or of its account holds",
        "arb/core/state/engine_state.py",
        'self.blocks.first(("", *venues, *accounts), symbol, now_ns)',
        'self.blocks.first(("",), symbol, now_ns)',
    ),
    "block-lifts-others": Mutant(
        "an owner lifts its own block alone",
        "arb/core/state/blocks.py",
        "tuple(held for held in here[name] if held is not block)",
        "()",
    ),
    "journal-opens": Mutant(
        "nothing opens while the journal lives on its reserve",
        "arb/live/runner.py",
        "        if self._journal.reserve_touched:\n",
        "        if not self._unwritten and self._queue is None:\n",
    ),
    "no-final-check": Mutant(
        "a run ends only when every account was compared once more",
        "arb/core/risk/shutdown.py",
        "if not silent or",
        "if True or",
    ),
    "own-impact": Mutant(
        "a book that our own fill changed is not used before a newer frame",
        "arb/core/books/books.py",
        "newer = event_ns > impact.fill_event_ns if event_ns else received_ns > known_ns",
        "newer = True",
    ),
    "position-off": Mutant(
        "each fill is counted in the position of its instrument",
        "arb/core/state/positions/position.py",
        "            position.flows[asset] += amount\n",
        "            position.flows[asset] += abs(amount)\n",
    ),
    "two-at-once": Mutant(
        "one open pair at a venue and symbol",
        "arb/core/risk/openings.py",
        "if any(key in manager.busy for key in keys):",
        "if all(key in manager.busy for key in keys):",
    ),
    "late-unseen": Mutant(
        "a leg that is out of time stops opening though its repair is unanswered",
        "arb/core/trades/repairer.py",
        "            self._check_deadline(pair, now_ns)\n            return\n",
        "            return\n",
    ),
    "late-from-settled": Mutant(
        "the deadline counts from the first uneven fill, whatever else is unknown",
        "arb/core/trades/repairer.py",
        "pair.unhedged_since_ns = None if is_flat else pair.unhedged_since_ns or now_ns",
        "pair.unhedged_since_ns = None if is_flat or not pair.settled else pair.unhedged_since_ns or now_ns",
    ),
    "late-opens": Mutant(
        "nothing opens in the symbol and at the venues of a late pair",
        "arb/core/state/control.py",
        'for at, name in (("", leg.symbol), *((venue, "") for venue in leg.venues)):',
        "for at, name in ():",
    ),
    "late-alone": Mutant(
        "two pairs that are late at the same time halt trading",
        "arb/core/risk/late_legs.py",
        "if len(unfinished) > 1:",
        "if len(unfinished) > 9:",
    ),
    "late-at-last": Mutant(
        "a trade is late at the deadline that the run was given",
        "arb/core/state/engine_state.py",
        "FlatNow(settings.timing.leg_deadline_ms)",
        "FlatNow(20 * settings.timing.leg_deadline_ms)",
    ),
    "legs-merged": Mutant(
        "each leg of a pair has a row of its own in the ledger",
        "arb/store/ledger/derived.py",
        "> 0 THEN 2 ELSE 1 END",
        "> 0 THEN 1 ELSE 1 END",
    ),
    "legs-unlimited": Mutant(
        "a leg has the limit of its entry order",
        "arb/store/ledger/derived.py",
        "e.role IN ('entry', 'test')",
        "e.role IN ('test')",
    ),
    "legs-wrong-way": Mutant(
        "a leg is at the venue of its side",
        "arb/store/ledger/derived.py",
        "THEN p.buy_{0} ELSE p.sell_{0} END",
        "THEN p.sell_{0} ELSE p.buy_{0} END",
    ),
    "late-for-ever": Mutant(
        "at twice its deadline a late pair halts trading",
        "arb/core/trades/repairer.py",
        "deadline_ns(pair, times=2)",
        "deadline_ns(pair, times=9)",
    ),
    "lifts-others": Mutant(
        "only what late pairs have halted lifts itself",
        "arb/core/state/control.py",
        "        if self.halted == HaltReason.LEG_DEADLINE.value:\n            self.halted = None\n",
        "        self.halted = None\n",
    ),
    "lifts-over-others": Mutant(
        "a halt that lifts itself gives way to one that does not",
        "arb/core/state/control.py",
        "lifts_itself = self.halted == HaltReason.LEG_DEADLINE.value",
        "lifts_itself = False",
    ),
    "lifts-unknown": Mutant(
        "nothing lifts itself while an order is unknown",
        "arb/core/risk/late_legs.py",
        "if unknown or state.blocks.of(Source.LOST):",
        "if state.blocks.of(Source.LOST):",
    ),
    "lifts-again": Mutant(
        "a stop lifts itself once an hour at most",
        "arb/core/risk/late_legs.py",
        "LIFT_AGAIN_NS = 3600 * NS_PER_S",
        "LIFT_AGAIN_NS = NS_PER_S",
    ),
    "lifts-unended": Mutant(
        "a stop lifts itself only when its pair has ended well",
        "arb/core/risk/late_legs.py",
        "ENDED_WELL = (PairState.COMPLETED, PairState.UNWOUND)",
        "ENDED_WELL = tuple(PairState)",
    ),
    "beyond-cap": Mutant(
        "a repair's limit stays within the cap however far it yields",
        "arb/core/trades/repair_choice.py",
        "most = min(cap, reach, venue.free / (size * _locked_per_quote(instrument)))",
        "most = min(reach * 2, venue.free / (size * _locked_per_quote(instrument)))",
    ),
    "report-goes-back": Mutant(
        "an older report of an order never undoes a newer one",
        "arb/core/state/order.py",
        "self.reported_filled = max(self.reported_filled, min(report.filled, self.size))",
        "self.reported_filled = report.filled",
    ),
    "halt-forgotten": Mutant(
        "a halt holds over restarts",
        "arb/core/state/engine_state.py",
        "        if news:\n            self.out.persist(self.control.record(now_ns, text))\n",
        "",
    ),
    "funds-reserved": Mutant(
        "what open pairs have reserved is not free",
        "arb/core/state/positions/inventory.py",
        "return max(ZERO, unlocked - self.reserved(venue, asset) if self._reserved else unlocked)",
        "return max(ZERO, unlocked)",
    ),
    "funds-unreported": Mutant(
        "a new pair uses no more than its venue reports free",
        "arb/core/state/positions/inventory.py",
        "unlocked = min(reported.free, self._computed.get(key, ZERO) - reported.locked)",
        "unlocked = self._computed.get(key, ZERO) - reported.locked",
    ),
    "funds-locked": Mutant(
        "what others' orders lock is not free, however late the venue's report",
        "arb/core/state/positions/inventory.py",
        "self._computed.get(key, ZERO) - reported.locked)",
        "self._computed.get(key, ZERO))",
    ),
    "nameless": Mutant(
        "a fill without our name waits for its order before it is called foreign",
        "arb/core/orders/foreign.py",
        "            return isinstance(reported, OrderReport)  # a report on our order has our id; a fill may lack it\n",
        "            return True\n",
    ),
    "unrecovered": Mutant(
        "orders of ours that the journal has lost are recovered",
        "arb/core/accounts/account_reconciler.py",
        "            if report.client_order_id in event.lost:\n",
        "            if report.client_order_id is None:\n",
    ),
    "journal-unsearched": Mutant(
        "an order that this process does not know is searched for in the whole journal",
        "arb/store/journal/recall.py",
        "        if pair_part(name) in self._pair_parts or (",
        "        if (",
    ),
    "torn-apart": Mutant(
        "an order that the journal has lost joins the pair that is known",
        "arb/core/accounts/recovery.py",
        "        if pair is not None and pair.plan.symbol == report.symbol:\n",
        "        if pair is not None and pair.closed:\n",
    ),
    "on-belief": Mutant(
        "no leg is repaired on belief about an order at a venue that has not answered since the start",
        "arb/core/trades/repairer.py",
        "certain = pair.certain_imbalance(base)",
        "certain = pair.imbalance(base)",
    ),
    "absent-forgotten": Mutant(
        "a pair with an order at a venue that does not answer at the start is not given up",
        "arb/core/accounts/restart.py",
        "        if any(has_vanished(state, account_id) for account_id in gone):\n",
        "        if any(state.venues[order.venue].absent for order in open_pair.orders):\n",
    ),
    "reopened": Mutant(
        "a pair that a late fill has opened again is recovered whole after a restart",
        "arb/store/journal/pointers.py",
        "                self._revive(opened[pair_id], change)\n",
        "                pass\n",
    ),
    "residual-twice": Mutant(
        "what another pair has taken over of a residual is not traded by the pair that left it, when a late fill reopens that",
        "arb/core/trades/closing.py",
        "            pair.hand_over(left.size - back.size, left.booked - back.booked)\n",
        "",
    ),
    "residual-before-fill": Mutant(
        "a residual is not traded away while a fill that may take it is known to be on its way",
        "arb/core/trades/repairer.py",
        "        if pair.kind is not PairKind.ARB and self.manager.awaits_late_fill(pair.plan.symbol):\n",
        "        if False:\n",
    ),
    "leg-cost-ignored": Mutant(
        "an edge must pay for what legs have cost",
        "arb/core/state/engine_state.py",
        ".min_edge_bps + self.leg_cost_bps\n",
        ".min_edge_bps\n",
    ),
    "skew-ignored": Mutant(
        "an edge that spends what is scarce must be greater, as bands say",
        "arb/core/state/engine_state.py",
        "            found += self.bands.skew(route, self.limits_on(route).min_edge_bps).bps\n",
        "            found += 0\n",
    ),
    "skew-unbounded": Mutant(
        "bands never lower the required edge to where nothing is left",
        "arb/core/state/positions/bands.py",
        "max(skewed, min(min_edge_bps, LEAST_EDGE_BPS))",
        "skewed",
    ),
    "replica-trusted": Mutant(
        "while lists lack an order that their venue has acknowledged, nothing is proved absent there",
        "arb/core/orders/visibility.py",
        "        if not event.complete:\n            return False\n",
        "        if True:\n            return False\n",
    ),
    "replica-balances": Mutant(
        "balances that lack an older fill of any asset prove nothing absent",
        "arb/core/orders/reconciler.py",
        "table.hidden_at(venue) or self._is_old(venue, asked_ns, now_ns)",
        "table.hidden_at(venue)",
    ),
    "proof-waits": Mutant(
        "a query that finds nothing counts while the answer is still waited for",
        "arb/core/orders/manager.py",
        "elif event.report is None and not event.fills and event.complete and order.unanswered:",
        "elif event.report is None and not event.fills and event.complete and order.is_unknown:",
    ),
    "dust-piles-up": Mutant(
        "dust that is worth too much in sum is traded away",
        "arb/core/trades/closing.py",
        "            self._trade_excess_dust(now_ns)\n",
        "",
    ),
    "dust-off-policy": Mutant(
        "what only a venue would take where the policy lets nothing trade is dust",
        "arb/core/trades/repairer.py",
        "if self.options.allows(pair, venue, side) and missed[venue]",
        "if missed[venue]",
    ),
    "dust-unfilled": Mutant(
        "dust that a venue takes and does not fill stops nothing",
        "arb/core/trades/repairer.py",
        " and missed[venue] < DUST_MISSES",
        "",
    ),
    "balances-to-the-digit": Mutant(
        "a balance that its venue cut off is no difference",
        "arb/core/state/positions/inventory.py",
        "not difference or abs(difference) < self._slack(venue, asset)",
        "not difference",
    ),
    "short-reach": Mutant(
        "fills are asked for where the venue still lists them",
        "arb/venues/okx/dialect.py",
        '"trade/fills" if now_ms - since_ms < _FILLS_MS else "trade/fills-history"',
        '"trade/fills"',
    ),
    "late-is-wrong": Mutant(
        "a report of an earlier instant is late, and stops nothing",
        "arb/core/accounts/balance_reconciler.py",
        "        if looked_into and self._is_late(event):\n            return False\n",
        "",
    ),
}
