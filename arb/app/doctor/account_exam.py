"""The private part of `arb doctor`: ask a venue about the key and the account, and let `arb.live` judge.

Everything is read, nothing is written: neither an order nor a switch. The gateway is the one that a run would trade
through.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from arb.app.build import symbols_of
from arb.app.doctor import account_checks as checks
from arb.app.doctor import local_checks
from arb.app.doctor.checks import Finding
from arb.clock import NS_PER_MS, NS_PER_S, Clock
from arb.config import Settings
from arb.core.messages.commands import SnapshotAccount
from arb.core.messages.events import AnyEvent, ClockMeasured, PrivateDown, PrivateUp
from arb.core.messages.settings import CoinRule, Limits
from arb.core.risk.stops import known_stops
from arb.core.state.budget import ROOM_OF_AN_ENTRY
from arb.core.state.control import Control
from arb.core.state.identity import RouteIdentities
from arb.core.strategies.drill import DrillSizes
from arb.errors import VenueError
from arb.market.ids import decode
from arb.market.instrument import Instrument
from arb.market.numbers import ZERO
from arb.market.route import Route
from arb.market.symbol import Symbol
from arb.store.journal.reader import JournalState
from arb.venues.build import key_policy, venue_profile
from arb.venues.kit.endpoints import OrderEntry, Site
from arb.venues.kit.gateway import VenueGateway
from arb.venues.kit.rules.key_trouble import diagnosed
from arb.venues.registry import spec_of

Quotes = Mapping[str, tuple[Decimal, Decimal]]
"""By symbol, the best bid and ask in quote per base."""
Restores = Callable[[Iterable[str], Mapping[str, str]], JournalState]
"""Returns the state a journal holds for these accounts, given their former names with the present ones."""
STREAM_S = 10.0
LOOK_BACK_S = 60
ASK_S = 20.0
NEEDS_KEY = (
    "rights",
    "withdrawal",
    "ip_list",
    "borrowing",
    "account",
    "fees",
    "funds",
    "minimums",
    "foreign_orders",
    "left_orders",
    "agreed_balances",
    "private_stream",
)
"""The checks that need an answer to the key."""


class DrillCost(NamedTuple):
    """The cost of a drill at one venue: the `notional` of the order that trades, and its approximate cost, in `quote`."""

    venue: str
    symbol: str
    notional: Decimal
    cost: Decimal
    quote: str

    def line(self) -> str:
        return (
            f"{self.venue}: three orders in {self.symbol}; one buys for {self.notional:.2f} {self.quote} and is sold again, "
            f"for about {self.cost:.4f} {self.quote} in fees and spread"
        )


class AccountExam:
    """The checks of one account.

    `others`: the other venues of a run; `rule`: its rule for coins. `journal` restores the state of earlier runs; None: there
    were none. `streams`: log in on the private stream, too.
    """

    def __init__(
        self,
        settings: Settings,
        gateway: VenueGateway,
        site: Site,
        others: tuple[str, ...],
        rule: CoinRule | None,
        journal: Restores | None,
        clock: Clock,
        *,
        streams: bool,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._venue = gateway.venue
        self._site = site
        self._others = others
        self._rule = rule
        self._journal = journal
        self._clock = clock
        self._streams = streams
        self._symbols = symbols_of(settings, self._venue)
        self._chosen = settings.venues.enabled()[self._venue]
        self.instruments: tuple[Instrument, ...] = ()
        """Of the symbols that are listed, with the account's fees; empty before `findings`, and where they were not read."""

    async def findings(self, quotes: Quotes) -> list[Finding]:
        wanted = {
            symbol: (
                self._settings.limits.at(symbol, (self._venue,)).max_notional_quote,
                sum(quotes.get(symbol, (ZERO, ZERO)), ZERO) / 2,
            )
            for symbol in self._symbols
        }
        clock: ClockMeasured | None = None
        try:
            async with asyncio.timeout(ASK_S):
                clock = await self._gateway.measure_clock()
                facts = await self._gateway.read_key()
        except VenueError as error:
            named = spec_of(self._venue).outcomes.key_troubles.get(error.code or "")
            off_ms = None if clock is None else clock.error_ns / NS_PER_MS
            diagnosis = diagnosed(error, self._site, named, clock_off_ms=off_ms)
            return [
                checks.check_signature(self._venue, diagnosis),
                *self._not_asked(diagnosis.trouble),
                *self._unasked(),
            ]
        except TimeoutError:
            return [*self._not_asked(f"no answer within {ASK_S:g} s"), *self._unasked()]
        venue, policy = self._venue, key_policy(self._site, self._chosen.key_policy())
        found = [
            checks.check_signature(venue, None),
            checks.check_rights(venue, facts),
            checks.check_withdrawal(venue, facts, confirmed=policy.withdrawal_disabled_confirmed),
            checks.check_addresses(venue, facts, allowed=policy.unbound_key_allowed),
            checks.check_borrowing(venue, facts, allowed=policy.borrowing_allowed),
            checks.check_account(venue, facts),
            *self._unasked(),
            *((await self._stream(),) if self._streams else ()),
        ]
        try:
            found += await self._holdings(wanted)
        except VenueError as error:
            looked = {finding.check for finding in found}
            found += [checks.not_asked(venue, check, str(error)) for check in NEEDS_KEY if check not in looked]
        return found

    def cost(self, quotes: Quotes) -> list["DrillCost"]:
        """Return the cost of a drill here, once `findings` has read the rules; nothing where no book arrived."""
        for instrument in self.instruments:
            if instrument.symbol in quotes:
                bid, ask = quotes[instrument.symbol]
                limits = self._settings.limits.at(instrument.symbol, (self._venue,))
                sizes = DrillSizes.at(instrument, bid, ask, limits.max_slippage_bps)
                cost = sizes.cost(instrument, bid)
                return [DrillCost(self._venue, instrument.symbol, sizes.size * sizes.price, cost, instrument.quote)]
        return []

    def _not_asked(self, why: str) -> list[Finding]:
        return [checks.not_asked(self._venue, check, why) for check in NEEDS_KEY]

    def _unasked(self) -> list[Finding]:
        """Judge the facts that need no answer from the venue except the account's id."""
        settings, venue, chosen = self._settings, self._venue, self._chosen
        profile = venue_profile(spec_of(venue), settings.venues.order_entry(venue))
        state = self._journalled()
        control = None if state is None else state.control
        names = {self._gateway.account_id, *self._gateway.former_ids}
        kept = self._gateway.expiry_proved
        proved = bool(kept) or (control is not None and not names.isdisjoint(control.expiry_proved))
        barred = () if control is None else control.barred
        return [
            checks.check_rate(
                venue,
                profile.place_rate,
                chosen.max_orders_per_minute,
                settings.limits.max_open_pairs,
                ROOM_OF_AN_ENTRY,
            ),
            checks.check_dead_man(venue, has_switch=self._gateway.has_dead_man, dedicated=chosen.dedicated_account),
            checks.check_coins(venue, self._unproved(), len(self._symbols)),
            checks.check_expiry(
                venue,
                enforces=profile.enforces_expiry and kept is not False,
                proved=proved,
                by_socket=settings.venues.order_entry(venue) is OrderEntry.WEBSOCKET,
                presumed_ms=settings.timing.presume_absent_ms,
            ),
            checks.check_instruments_barred(venue, [held.text for held in barred if held.account_id in names]),
        ]

    def _unproved(self) -> list[str] | None:
        """Return the symbols whose coins are proved to be the same at no other venue that has them by the settings."""
        if self._rule is None:
            return None
        identities = RouteIdentities(self._rule)
        return [
            symbol
            for symbol in self._symbols
            if (there := [other for other in self._others if symbol in symbols_of(self._settings, other)])
            and all(identities.mark(Route.of(symbol, self._venue, other)) is not None for other in there)
        ]

    def _journalled(self) -> JournalState | None:
        if self._journal is None:
            return None
        former = dict.fromkeys(self._gateway.former_ids, self._gateway.account_id)
        return self._journal([self._gateway.account_id], former)

    def _valued(self) -> set[str]:
        return {
            *self._chosen.fee_asset_prices_quote,
            *(Symbol.of(symbol).base for symbol in self._settings.run.symbols),
        }

    def _at_first(self, wanted: Mapping[str, tuple[Decimal, Decimal]]) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the wanted amounts with the first notional of a live run's ramp, where that is less."""
        ramp = self._settings.live.ramp()
        if ramp is None:
            return dict(wanted)
        return {symbol: (min(notional, ramp.start_quote), price) for symbol, (notional, price) in wanted.items()}

    async def _holdings(self, wanted: Mapping[str, tuple[Decimal, Decimal]]) -> list[Finding]:
        venue, gateway, settings = self._venue, self._gateway, self._settings
        self.instruments = await gateway.instruments(self._symbols)
        listed = {i.symbol: wanted[i.symbol] for i in self.instruments}
        balances = (await gateway.balances()).balances
        since_ns = self._clock.wall_ns() - LOOK_BACK_S * NS_PER_S
        snapshot = await gateway.snapshot_account(
            SnapshotAccount(cause=0, venue=venue, symbols=tuple(listed), since_ns=since_ns)
        )
        found = [
            checks.check_fees(venue, self.instruments, settings.limits, balances, self._valued()),
            checks.check_funds(venue, balances, listed),
            checks.check_minimums(venue, self.instruments, self._at_first(listed)),
        ]
        state = self._journalled()
        accounts = () if state is None or state.agreed is None else state.agreed.accounts
        names = {gateway.account_id, *gateway.former_ids}
        held = next((account for account in accounts if account.account_id in names), None)
        assets = {asset for symbol in listed for asset in Symbol.of(symbol).base_and_quote}
        found.append(checks.check_agreed(venue, held, balances, assets))
        if not snapshot.complete:
            why = snapshot.cause or "not all was read"
            return [*found, *(checks.not_asked(venue, check, why) for check in ("foreign_orders", "left_orders"))]
        opened = [order for order in snapshot.orders if order.is_open]
        ours = [order for order in opened if order.client_order_id and decode(order.client_order_id)]
        foreign = [order for order in opened if order not in ours]
        known = () if state is None else [o.client_order_id or "" for pair in state.pairs for o in pair.orders]
        dedicated = self._chosen.dedicated_account
        return [
            *found,
            checks.check_dedicated(venue, foreign, dedicated=dedicated),
            checks.check_left_orders(venue, ours, known),
        ]

    async def _stream(self) -> Finding:
        up = asyncio.Event()
        lost: list[str] = []

        def on_event(event: AnyEvent) -> None:
            if isinstance(event, PrivateUp):
                up.set()
            elif isinstance(event, PrivateDown):
                lost.append(event.cause)

        began_ns = self._clock.monotonic_ns()
        running = asyncio.create_task(self._gateway.run_private(on_event))
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait((running, waiting), timeout=STREAM_S, return_when=asyncio.FIRST_COMPLETED)
        waited_s = (self._clock.monotonic_ns() - began_ns) / NS_PER_S
        for task in (running, waiting):
            task.cancel()
        ended = (await asyncio.gather(running, waiting, return_exceptions=True))[0]
        why = "" if up.is_set() else lost[-1] if lost else f"not logged in within {STREAM_S:g} s"
        if not up.is_set() and isinstance(ended, VenueError):
            why = str(ended)
        return checks.check_private_stream(self._venue, why, waited_s)


def of_journal(state: JournalState | None, limits: Limits, now_ns: int) -> list[Finding]:
    """Return the findings of an earlier run that concern no single venue."""
    control = Control(limits)
    if state is not None and state.control is not None:
        control.restore(state.control)
    return [
        local_checks.check_openings(known_stops(control, limits, now_ns)),
        local_checks.check_open_pairs([] if state is None else [left.pair.id for left in state.pairs]),
    ]
