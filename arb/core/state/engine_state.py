"""The state shared by the parts of the engine: rules, limits, balances, the venues' state, ids, the commands of a step.

It has state and small queries only; the strategy, the order manager and the leg repairer decide.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import permutations

import msgspec

from arb.clock import NS_PER_MS
from arb.core.books.books import Books
from arb.core.books.sale_price import middle
from arb.core.messages.incidents import HaltReason, IncidentKind, Severity
from arb.core.messages.legs import FlatNow
from arb.core.messages.records import IncidentRecord, PairState
from arb.core.messages.recovery_records import HaltRequest
from arb.core.messages.settings import (
    CoinRule,
    HealthLimits,
    InventoryBands,
    Limits,
    Ramp,
    RepairPolicy,
    Timing,
    leg_cost_bps,
)
from arb.core.pricing.terms import EdgeLimits
from arb.core.state.blocks import Block, Blocks, Source
from arb.core.state.budget import PlaceRate, RateBudget
from arb.core.state.control import Control
from arb.core.state.decision_books import DecisionBooks
from arb.core.state.identity import RouteIdentities
from arb.core.state.order import WorkingOrder
from arb.core.state.outbox import Outbox
from arb.core.state.positions.bands import Bands
from arb.core.state.positions.inventory import Inventory
from arb.core.state.price_ratio import PriceRatios
from arb.core.state.residuals import Residuals
from arb.core.state.transfer_blocked import TransferBlocks
from arb.core.state.venue_health import HealthBoard
from arb.market.fill import Fill
from arb.market.ids import IDS_PER_RUN
from arb.market.instrument import Instrument
from arb.market.numbers import ZERO
from arb.market.route import Key, Keys, Route, group_in

EXECUTION_SLACK_MS = 200
"""How wrong a venue's instant of a fill may be, beyond the error of its clock."""
RAMP_STEPS_MAX = 64
"""More doublings than any limit needs."""
GUARD_MARGIN_MS = 50
"""Added to the guard's minute: the guard counts from an order's signing, a little after its decision."""


class VenueProfile(msgspec.Struct, frozen=True):
    """The facts about a venue that decisions need.

    `enforces_expiry`: the venue's documents state that an order, sent as we send it, is never executed after its expiry.
    """

    venue: str
    place_rate: PlaceRate
    enforces_expiry: bool
    max_order_value_quote: Decimal | None = None
    """The guard next to the signer refuses orders above this value, so repairs are cut to it; None: no limit. A sale is valued
    at `EngineState.sale_price` at least."""
    max_orders_per_minute: int | None = None
    """The guard refuses more, so entries keep within it, with room for their repairs; None: no limit."""
    fee_asset_prices_quote: dict[str, Decimal] = {}
    """The value in quote of one unit of a fee asset, > 0, used where no live book shows it."""

    def rates(self) -> tuple[PlaceRate, ...]:
        if self.max_orders_per_minute is None:
            return (self.place_rate,)
        minute = PlaceRate(self.max_orders_per_minute, 60_000 + GUARD_MARGIN_MS, per_symbol=False)
        return (self.place_rate, minute)


class EngineSettings(msgspec.Struct, frozen=True):
    """Everything the engine is built from that does not change while it runs.

    `coins` None: coin identities are not checked. `ramp` None: the first pair may already pay `max_notional_quote`.
    """

    limits: Limits
    timing: Timing
    repair: RepairPolicy
    venues: tuple[VenueProfile, ...]
    symbols: tuple[str, ...]
    health: HealthLimits = HealthLimits()
    coins: CoinRule | None = None
    ramp: Ramp | None = None
    inventory: InventoryBands = InventoryBands()


class VenueState:
    def __init__(self, profile: VenueProfile, blocks: Blocks) -> None:
        self.profile = profile
        self._blocks = blocks
        self.account_id = ""
        self.offset_ns: int | None = None
        self.clock_error_ns = 0
        self.rejects_in_a_row = 0
        self.block(Source.ACCOUNT, "its account has no name")
        self.block(Source.SNAPSHOT, "account snapshot under way")
        self.block(Source.PRIVATE, "its private stream is down")
        self.block(Source.CLOCK, "its clock has not been compared")

    @property
    def absent(self) -> str | None:
        """Return why the venue has not answered since the start of this run; nothing is sent there before."""
        block = self._blocks.get(Source.ABSENT, self.profile.venue)
        return None if block is None else block.text

    @property
    def private_up(self) -> bool:
        return not self.blocked_by(Source.PRIVATE)

    @property
    def snapshot_taken(self) -> bool:
        """Return whether an account snapshot was taken since the start."""
        return not self.blocked_by(Source.SNAPSHOT)

    def name_account(self, account_id: str) -> None:
        self.account_id = account_id
        if account_id:
            self.lift(Source.ACCOUNT)

    def block(self, source: Source, text: str, until_ns: int | None = None) -> None:
        self._blocks.put(Block(source, self.profile.venue, text=text, until_ns=until_ns))

    def lift(self, source: Source) -> None:
        self._blocks.lift(source, self.profile.venue)

    def blocked_by(self, source: Source) -> bool:
        return self._blocks.get(source, self.profile.venue) is not None

    def blocked_until_ns(self, source: Source) -> int:
        """Return the end of a block, past or to come; 0 without one that has an end."""
        found = self._blocks.get(source, self.profile.venue)
        return 0 if found is None else found.until_ns or 0

    def executed(self, fill: Fill, order: WorkingOrder | None = None) -> tuple[int, int]:
        """Return when (ns, our clock) a fill was executed and the error of that instant (ns, >= 0).

        `order`: our order that the fill belongs to, if any. A venue's clock may be set forward or back at any time, so that the
        offset measured now is wrong for an old fill. But a fill of our order happened after the order was journalled and before
        the fill was reported. After a restart, this instant decides whether the balances that last agreed include the fill.
        """
        offset_ns = self.offset_ns or 0
        slack_ns = self.clock_error_ns + EXECUTION_SLACK_MS * NS_PER_MS
        first_ns = fill.event_ns - max(0, offset_ns) - slack_ns
        last_ns = fill.event_ns - min(0, offset_ns) + slack_ns
        if order is not None and not order.recovered:
            known_ns = order.fills.get(fill.key, fill).received_ns
            last_ns = max(order.journalled_ns, min(last_ns, known_ns))
            first_ns = min(max(first_ns, order.journalled_ns), last_ns)
        return (first_ns + last_ns) // 2, (last_ns - first_ns + 1) // 2


class Tally:
    """The counts of this run. Money per asset, exact.

    An opportunity counts when its row is written: a traded one when its first pair opens, any other one when it ends, under
    the reason in its row. So the counts equal those of the ledger's rows.
    """

    def __init__(self) -> None:
        self.opportunities = 0
        self.orders = 0
        self.fills = 0
        self.incidents = 0
        self.opened = 0
        self.closed: Counter[PairState] = Counter()
        self.net: dict[str, Decimal] = {}
        # Pairs whose coins are not proved to be the same at both venues: how many closed, and their net. No other sum
        # includes it.
        self.unproved_pairs = 0
        self.unproved_net: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}
        self.exposure_quote_s = ZERO
        self.not_taken: Counter[str] = Counter()

    def add_net(self, quote: str, amount: Decimal) -> None:
        self.net[quote] = self.net.get(quote, ZERO) + amount

    def add_unproved(self, quote: str, amount: Decimal, pairs: int) -> None:
        """Add the realised net of closed pairs whose coins are unproved; -1 and a negated net take a pair back."""
        self.unproved_pairs += pairs
        self.unproved_net[quote] = self.unproved_net.get(quote, ZERO) + amount

    def add_fee(self, asset: str, amount: Decimal) -> None:
        if amount:
            self.fees[asset] = self.fees.get(asset, ZERO) + amount


class EngineState:
    def __init__(self, settings: EngineSettings, books: Books) -> None:
        self.settings = settings
        self.limits, self.timing, self.policy = settings.limits, settings.timing, settings.repair
        self.books = books
        self.blocks = Blocks()
        self.venues = {profile.venue: VenueState(profile, self.blocks) for profile in settings.venues}
        self.instruments: dict[Key, Instrument] = {}
        self.inventory = Inventory(self.instruments)
        self.bands = Bands(settings.inventory, self.inventory, tuple(self.venues))
        self.residuals = Residuals(
            lambda symbol: self.limits_at(symbol).dust_max_quote, settings.limits.dust_total_max_quote
        )
        self.budget = RateBudget({profile.venue: profile.rates() for profile in settings.venues})
        self.control = Control(settings.limits, self.blocks)
        self.health = HealthBoard(settings.health, self.venues)
        self.tally = Tally()
        self.out = Outbox()
        self.identities = RouteIdentities(settings.coins)
        self.trapped = TransferBlocks(settings.limits.trapped)
        self.price_ratios = PriceRatios(
            books,
            lambda symbol: self.limits_at(symbol).max_price_ratio_bps,
            lambda text, now_ns: self.incident(IncidentKind.EDGE_IMPLAUSIBLE, text, now_ns),
        )
        self.flat_now = FlatNow(settings.timing.leg_deadline_ms)
        self.leg_cost_bps = leg_cost_bps(settings.limits.leg_cost)
        self.decision_books = DecisionBooks(self.out.persist, self.next_id)
        self.run_id = 0
        self.sandbox_id: str | None = None
        self.nonce = 0
        self._counters: dict[str, int] = {}
        # The cached answers of `limits_at`.
        self._limits: dict[tuple[str, ...], Limits] = {}
        self._least_limits: dict[Keys, Decimal] = {}
        # The cached answers of `required_edge_bps`, without skew.
        self._required_bps: dict[Route, Decimal] = {}

    def take_limits(self, limits: Limits) -> None:
        """Let other limits hold from now on; results that depend on them are computed again when next needed."""
        self.limits = limits
        self.control.take_limits(limits)
        self.residuals.take_limit(limits.dust_total_max_quote)
        self.leg_cost_bps = leg_cost_bps(limits.leg_cost)
        for known in (self._limits, self._least_limits, self._required_bps):
            known.clear()

    def limits_at(self, symbol: str, *venues: str) -> Limits:
        found = self._limits.get((symbol, *venues))
        if found is None:
            found = self._limits[symbol, *venues] = self.limits.at(symbol, venues)
        return found

    def limits_on(self, route: Route) -> Limits:
        return self.limits_at(route.group, *route.venues)

    def edge_limits(self, route: Route) -> EdgeLimits:
        """Return the limits of a pair on a route now: less where a venue is unwell, or its wallet closed, or by the ramp."""
        share = self.health.share(route.venues) * self.trapped.share(route)
        return EdgeLimits.of(self.limits_on(route), share, self.ramp_cap)

    def least_limit(self, keys: Keys) -> Decimal:
        """Return the most that a trade in these instruments may pay, by all limits on sums, when nothing else is at risk."""
        found = self._least_limits.get(keys)
        if found is None:
            symbol, limits = group_in(keys), self.limits
            sums = self.limits_at(symbol).max_symbol_quote, limits.max_asset_quote, limits.max_unhedged_quote
            capital = (self.limits_at(symbol, venue).max_capital_per_venue_quote for venue, _ in keys)
            found = self._least_limits[keys] = min(*sums, *capital)
        return found

    def required_edge_bps(self, route: Route) -> Decimal:
        """Return the least edge of a pair: `min_edge_bps`, the expected cost of its legs, and the inventory's skew; >= 0."""
        found = self._required_bps.get(route)
        if found is None:
            found = self._required_bps[route] = self.limits_on(route).min_edge_bps + self.leg_cost_bps
        if self.bands.skews:
            found += self.bands.skew(route, self.limits_on(route).min_edge_bps).bps
        return found

    @property
    def ramp_cap(self) -> Decimal | None:
        ramp, most = self.settings.ramp, self.limits.max_notional_quote
        if ramp is None:
            return None
        steps = min(self.control.clean_pairs // ramp.pairs, RAMP_STEPS_MAX)
        return min(most, ramp.start_quote * (1 << steps))

    def next_number(self, table: str) -> int:
        """Return the next number of a table within this run, from 1."""
        number = self._counters.get(table, 0) + 1
        self._counters[table] = number
        return number

    def next_id(self, table: str) -> int:
        """Return the next row id of a table: unique over runs, since each run has its own block."""
        return self.run_id * IDS_PER_RUN + self.next_number(table)

    def pair_id(self, number: int) -> int:
        return self.run_id * IDS_PER_RUN + number

    def expiry_counts(self, venue: str) -> bool:
        """Return whether an expired order is never executed: the venue's documents state it, and this account has proved it."""
        venue_state = self.venues[venue]
        return venue_state.profile.enforces_expiry and venue_state.account_id in self.control.expiry_proved

    def is_barred(self, venue: str, symbol: str) -> bool:
        return self.blocks.get(Source.BARRED, self.venues[venue].account_id, symbol) is not None

    def shut(self, venue: str, symbol: str, now_ns: int) -> bool:
        """Return whether no order in an instrument may be sent: the account is barred from it, or its trading has not begun."""
        return self.is_barred(venue, symbol) or self.instruments[venue, symbol].opens_from_ns(now_ns) is not None

    def names_blocked(self, venue: str, *sources: Source) -> list[str]:
        """Return the symbols or assets that sources block at a venue or its account."""
        places = (venue, self.venues[venue].account_id)
        return sorted({block.name for block in self.blocks.of(*sources) if block.at in places})

    def block(self, symbol: str, venues: tuple[str, ...] | list[str], now_ns: int) -> Block | None:
        """Return the first block that keeps a symbol from opening at any of `venues`, or None."""
        accounts = [self.venues[venue].account_id for venue in venues]
        return self.blocks.first(("", *venues, *accounts), symbol, now_ns)

    def instrument(self, venue: str, symbol: str) -> Instrument | None:
        return self.instruments.get((venue, symbol))

    @property
    def absent(self) -> list[str]:
        return [venue for venue, venue_state in self.venues.items() if venue_state.absent is not None]

    def venues_of(self, symbol: str) -> list[str]:
        return [venue for venue in self.venues if (venue, symbol) in self.instruments]

    def quoted_at(self, symbol: str) -> list[str]:
        """Return the venues between which a pair may trade a symbol: they trade it, its fee is known, and there is a book."""
        return [
            venue
            for venue in self.venues_of(symbol)
            if self.books.has(venue, symbol)
            and (instrument := self.instruments[venue, symbol]).taker_fee is not None
            and instrument.tradable
        ]

    def halted_at(self, now_ns: int) -> str | None:
        """Return the reason that stops all openings: a halt, the day's loss, or late pairs whose stops block every route."""
        control = self.control
        found = control.halted_at(now_ns)
        if found is None and control.late:
            blocks = (self.block(route.group, route.venues, now_ns) for route in self.routes())
            if all(block is not None and block.source is Source.LATE_LEG for block in blocks):
                return HaltReason.LEG_DEADLINE.value
        return found

    def routes(self) -> Iterator[Route]:
        """Yield every symbol with every ordered pair of venues that list it."""
        for symbol in sorted({symbol for _, symbol in self.instruments}):
            for buy_venue, sell_venue in permutations(self.venues_of(symbol), 2):
                yield Route.of(symbol, buy_venue, sell_venue)

    def quote_value(self, asset: str, quote: str) -> Decimal | None:
        """Return the quote value of one unit of an asset, or None when no book shows it."""
        if asset == quote:
            return Decimal(1)
        prices = [
            mid for venue in self.venues_of(f"{asset}/{quote}") if (mid := self.books.mid(venue, f"{asset}/{quote}"))
        ]
        # Rounded to 18 decimals: results computed from it go into the ledger, which cannot store an endless quotient.
        return (sum(prices, Decimal(0)) / len(prices)).quantize(Decimal("1e-18")) if prices else None

    def fee_asset_price(self, venue: str, asset: str, quote: str) -> Decimal | None:
        """Return the quote value of one unit of an asset that a venue takes fees from; None without a price.

        It is the price of a live book, that venue's own first, or else the price in the settings.
        """
        live: Decimal | None = self.books.mid(venue, f"{asset}/{quote}") or self.quote_value(asset, quote)
        return live or self.venues[venue].profile.fee_asset_prices_quote.get(asset)

    def sale_price(self, symbol: str, now_ns: int) -> Decimal | None:
        """Return the price at which one base of a symbol sells, to bound the value of sales (`core/books/sale_price.py`)."""
        live = middle(self.books.best_bids(symbol, self.venues))
        if live is None:
            return middle(self.books.seen_bids(symbol, now_ns))
        return self.books.scales[symbol].price_to_decimal(live)

    def incident(
        self,
        kind: IncidentKind,
        text: str,
        now_ns: int,
        *,
        severity: Severity = Severity.WARNING,
        venue: str | None = None,
        pair_id: int | None = None,
        cost_e8: int | None = None,
    ) -> None:
        """Record something that a person should know of, and alert the user at once if it is critical."""
        self.tally.incidents += 1
        self.out.persist(
            IncidentRecord(
                id=self.next_id("incidents"),
                run_id=self.run_id,
                ns=now_ns,
                kind=kind.value,
                severity=severity.value,
                venue=venue,
                pair_trade_id=pair_id,
                cost_e8=cost_e8,
                text=text,
            )
        )
        if severity is Severity.CRITICAL:
            self.out.alert(f"{kind}: {text}")

    def halt(
        self,
        reason: HaltReason,
        text: str,
        now_ns: int,
        pair_id: int | None = None,
        asked: HaltRequest | None = None,
    ) -> None:
        """Stop opening pairs, also after a restart, and report the reason. A repeated halt is reported only for a pair."""
        news = self.control.halt(reason, asked)
        if news:
            self.out.persist(self.control.record(now_ns, text))
        if news or pair_id is not None:
            self.incident(IncidentKind.HALTED, f"{reason}: {text}", now_ns, severity=Severity.CRITICAL, pair_id=pair_id)

    def await_rules(self, venue: str, symbol: str, why: str, now_ns: int) -> None:
        """Open nothing in a symbol at a venue until its listing is re-read."""
        if self.blocks.get(Source.RULES, venue, symbol) is None:
            self.blocks.put(Block(Source.RULES, venue, symbol, why))
            text = f"{symbol} at {venue}: {why}: nothing opens until its rules are read again"
            self.incident(IncidentKind.RULES_CHANGED, text, now_ns, venue=venue)

    def journal_residuals(self) -> None:
        self.out.persist(self.residuals.record(tuple(at.account_id for at in self.venues.values())))

    def pause(self, venue: str, seconds: float, now_ns: int) -> None:
        """Open nothing at a venue for a while, and repair elsewhere."""
        self._block_for(Source.PAUSE, "paused", venue, seconds, now_ns)

    def stop_entries(self, venue: str, seconds: float, now_ns: int) -> None:
        """Open nothing at a venue for a while; repairs continue."""
        self._block_for(Source.ENTRIES, "nothing opens for a moment", venue, seconds, now_ns)

    def _block_for(self, source: Source, text: str, venue: str, seconds: float, now_ns: int) -> None:
        until_ns, at = now_ns + int(seconds * 1000) * NS_PER_MS, self.venues[venue]
        at.block(source, text, max(at.blocked_until_ns(source), until_ns))
