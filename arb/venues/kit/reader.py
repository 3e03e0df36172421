"""Ask a venue about an account, with its key: balances, fees, and the rules of its symbols with them. Reads only."""

import contextlib
import logging
import random
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec

from arb.clock import NS_PER_MS, Clock
from arb.core.fees.fees import RATE_STEP
from arb.core.messages.events import BalancesReported
from arb.errors import VenueError
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO
from arb.market.order import Side
from arb.venues.kit.account_queries import NOT_SO, by_few
from arb.venues.kit.call import Call, Pages
from arb.venues.kit.ccxt_client import Signer
from arb.venues.kit.dialect import Fees, TradeDialect
from arb.venues.kit.fields import UnknownSymbol
from arb.venues.kit.public_reader import GatewayTiming, PublicReader
from arb.venues.kit.rules.pacing import Pacer, Priority
from arb.venues.transport.http import HttpTransport
from arb.venues.transport.retry import Backoff

_LOG = logging.getLogger(__name__)
# The engine itself queries an order again, so one query does not insist for long.
QUERIES = Backoff(first_s=0.1, cap_s=1.0, attempts_max=3, total_s=5.0)
_FEE_MEMORY_MS = 3 * 86_400_000
# How far fills are read again that were read before: a history shows some of them late.
_LATE_FILLS_MS = 600_000
_FILL_PAGES_MAX = 20


class VenueReader(PublicReader):
    """The requests to one venue with one account's key; raises `VenueError` where a venue does not answer one."""

    def __init__(
        self,
        dialect: TradeDialect,
        signer: Signer,
        transport: HttpTransport,
        pacer: Pacer,
        clock: Clock,
        rng: random.Random,
        timing: GatewayTiming,
    ) -> None:
        super().__init__(dialect, signer, transport, pacer, clock, rng, timing)
        self._dialect = dialect
        # The latest buy of each symbol: (instant, trade id), and the asset it paid its fee in.
        self._buys: dict[str, tuple[tuple[int, str], str]] = {}
        self._fills_read_ms = 0

    async def ask_for_query(self, call: Call) -> tuple[Any, int]:
        body, answer = await self.ask(call, Priority.QUERY, QUERIES)
        return body, answer.received_ns

    async def ask_for_snapshot(self, call: Call) -> tuple[Any, int]:
        """Ask for a part of an account snapshot, after all order queries; return body and instant of the answer."""
        body, answer = await self.ask(call, Priority.READ, QUERIES, patient=True)
        return body, answer.received_ns

    async def instruments(self, symbols: tuple[str, ...]) -> tuple[Instrument, ...]:
        """Read rules and the account's own fees for those of `symbols` that are listed.

        An instrument whose fee cannot be read has none (reason `fee_unknown`). Where a venue does not report in which
        asset a buy pays its fee, the account's latest buy of the last days decides, if there is one; else the dialect's
        rule counts. Both are asked for all symbols together, and one by one for those missing then. Raises `VenueError`
        when the listing cannot be read.
        """
        listed = await self.listing()
        wanted = {symbol: listed[symbol] for symbol in symbols if symbol in listed}
        fees = await self._with_fee_asset(await self._fees(tuple(wanted)))
        await self._read_buys(tuple(fees))
        return tuple(
            self._with_fees(instrument, fees[symbol]) if symbol in fees else instrument
            for symbol, instrument in wanted.items()
        )

    async def balances(self) -> BalancesReported:
        body, answer = await self.ask(self._dialect.balances())
        reported = self._dialect.balances_in(body)
        return BalancesReported(venue=self.venue, balances=reported, complete=True, asked_ns=answer.sent_ns)

    async def _fees(self, symbols: tuple[str, ...]) -> dict[str, Fees]:
        """Return the account's rates for those of `symbols` whose rates can be read and believed."""
        found: dict[str, Fees] = {}
        try:
            for call in self._dialect.fee_lists(symbols):
                with contextlib.suppress(*NOT_SO):
                    found |= self._dialect.fees_listed((await self.ask(call, patient=True))[0], symbols)
        except VenueError as error:
            _LOG.warning("fees not read: %s", error)
            symbols = ()
        answers = await by_few(self._fees_of, [symbol for symbol in symbols if symbol not in found])
        found |= {symbol: fees for symbol, fees in answers.items() if isinstance(fees, Fees)}
        return {symbol: fees for symbol, fees in found.items() if _plausible(fees)}

    async def _with_fee_asset(self, fees: dict[str, Fees]) -> dict[str, Fees]:
        """Return rates with the asset that pays them, where that is asked for separately."""
        query = self._dialect.fee_asset
        if query is None or not fees:
            return fees
        try:
            body, _ = await self.ask(query.call, patient=True)
            asset = query.asset if query.is_on(body) else ""
        except VenueError as error:
            _LOG.warning("not read whether %s pays the fees: %s", query.asset, error)
            return fees
        return {
            symbol: msgspec.structs.replace(of, asset=asset, asset_taker=discounted(of.taker, query.share))
            for symbol, of in fees.items()
        }

    async def _fees_of(self, symbol: str) -> Fees:
        body, _ = await self.ask(self._dialect.fees(symbol), patient=True)
        return self._dialect.fees_in(body)

    async def _read_buys(self, symbols: tuple[str, ...]) -> None:
        now_ms = self.venue_ns() // NS_PER_MS
        since_ms = max(0, now_ms - _FEE_MEMORY_MS, self._fills_read_ms - _LATE_FILLS_MS)
        if len(symbols) > 1:
            try:
                if await self._note_buys(self._dialect.fills(None, since_ms, None, now_ms), _FILL_PAGES_MAX):
                    symbols = ()
                else:
                    symbols = tuple(symbol for symbol in symbols if symbol not in self._buys)
            except NOT_SO:
                pass  # one by one, then
            except VenueError:
                return
        answers = await by_few(
            lambda symbol: self._note_buys(self._dialect.fills(symbol, since_ms, None, now_ms), 1), symbols
        )
        if not any(isinstance(answer, VenueError) for answer in answers.values()):
            self._fills_read_ms = now_ms

    async def _note_buys(self, pages: Pages, most: int) -> bool:
        call: Call | None = pages.first
        for _ in range(most):
            if call is None:
                break
            body, answer = await self.ask(call, patient=True)
            for raw in pages.rows(body):
                with contextlib.suppress(UnknownSymbol):
                    self._note_buy(self._dialect.fill(raw, answer.received_ns))
            call = pages.following(call, body)
        return call is None

    def _note_buy(self, fill: Fill) -> None:
        if fill.side is Side.BUY and fill.fee:
            buy = (fill.event_ns, fill.trade_id), fill.fee_currency
            self._buys[fill.symbol] = max(self._buys.get(fill.symbol, buy), buy)

    def _with_fees(self, instrument: Instrument, fees: Fees) -> Instrument:
        """Return an instrument with its rates and their asset, by the venue's report or by the latest buy."""
        buy_fee_in, asset, asset_taker = fees.buy_fee_in, fees.asset or "", fees.asset_taker
        if instrument.symbol in self._buys and not fees.reported:
            _, paid_in = self._buys[instrument.symbol]
            if paid_in in (instrument.base, instrument.quote):
                buy_fee_in = FeeIn.BASE if paid_in == instrument.base else FeeIn.QUOTE
            elif fees.asset is None:
                asset, asset_taker = paid_in, fees.taker
        return msgspec.structs.replace(
            instrument,
            taker_fee=fees.taker,
            maker_fee=fees.maker,
            buy_fee_in=buy_fee_in,
            fee_asset=asset,
            fee_asset_taker=asset_taker if asset else None,
        )


def discounted(rate: Decimal, share: Decimal) -> Decimal:
    """Return the share of a rate that is charged in another asset, rounded up; a rebate is not cut."""
    return (rate * share).quantize(RATE_STEP, ROUND_CEILING) if rate > 0 else rate


def _plausible(fees: Fees) -> bool:
    rates: Sequence[Decimal] = (fees.taker, fees.maker, fees.asset_taker or ZERO)
    return all(Decimal("-0.01") <= rate <= Decimal("0.05") for rate in rates)
