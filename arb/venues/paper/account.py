"""The state of a paper account: balances, orders, sizes taken from levels, and bills.

All changes by an order are written together, by the given `AccountMemory`, before the order is answered. So after a kill
the next process finds the account as a venue would show it. Amounts are `Decimal`, exact.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, localcontext
from typing import Any, Protocol

import msgspec

from arb.clock import NS_PER_S
from arb.core.messages.events import AssetBalance, Transfer
from arb.errors import StoreError
from arb.market.fill import Fill
from arb.market.instrument import FeeIn, Instrument
from arb.market.numbers import ZERO, plain
from arb.market.order import OrderReport, Side

EXACT = Context(prec=80)
CREDIT = "paper_credit"
"""The kind of the bill for the amounts a paper account is given."""
ORDERS_KEPT_NS = 7 * 86_400 * NS_PER_S
"""For how long an order can be asked for; longer than any start looks back."""


class Kept(msgspec.Struct, frozen=True):
    """An order that arrived: our name for it, when (our clock), and its outcome."""

    client_order_id: str
    arrived_ns: int
    report: OrderReport
    fills: tuple[Fill, ...]


class Taken(msgspec.Struct):
    """The size missing from a level because we took it, at most the size we took, and the size it showed last."""

    shown: Decimal
    taken: Decimal


class AccountMemory(Protocol):
    """Where a paper account is written down: texts by their names."""

    def read(self, account_id: str) -> dict[str, str]:
        """Return everything that was written of an account and not deleted since."""

    async def write(self, account_id: str, entries: Mapping[str, str | None]) -> None:
        """Write entries, None to delete one, together and durably; calls take effect, and return, in their order."""


class Forgetful:
    """Keep nothing: the account ends with the process, as that of a replay does."""

    def read(self, account_id: str) -> dict[str, str]:
        return {}

    async def write(self, account_id: str, entries: Mapping[str, str | None]) -> None: ...


BALANCE, ORDER, TAKEN, BILL, TRADES = "balance", "order", "taken", "bill", "trades"


class PaperAccount:
    """One account. Changes count at once; `written` makes those since the last call durable."""

    def __init__(self, account_id: str, memory: AccountMemory, now_ns: int) -> None:
        self.account_id = account_id
        self.balances: dict[str, Decimal] = {}
        self.orders: dict[str, Kept] = {}
        self.bills: list[Transfer] = []
        self._taken: dict[tuple[str, Side, Decimal], Taken] = {}
        self._trades = 0
        self._memory = memory
        self._changes: dict[str, str | None] = {}
        self._restore(memory.read(account_id), now_ns)

    async def written(self) -> None:
        """Return once everything that changed so far is durable, by this call or another; raises `StoreError`."""
        changes, self._changes = self._changes, {}
        try:
            await self._memory.write(self.account_id, changes)
        except StoreError:
            self._changes = changes | self._changes  # to be written with the next ones
            raise

    def credit(self, amounts: Mapping[str, Decimal], event_ns: int, *, billed: bool) -> None:
        """Give the account amounts of assets it has none of yet; `billed`: record it in its bills, at `event_ns` there."""
        for asset, amount in amounts.items():
            self._set_balance(asset, self.balances.get(asset, ZERO) + amount)
            if billed and amount:
                bill = Transfer(f"{CREDIT}-{asset}", asset, amount, event_ns, CREDIT)
                self.bills.append(bill)
                self._note(BILL, asset, bill)

    def reported(self, assets: Iterable[str]) -> dict[str, AssetBalance]:
        """Return the balances of `assets`; nothing is ever locked, for no order rests."""
        return {asset: AssetBalance(self.balances[asset], ZERO) for asset in assets}

    def covers(self, instrument: Instrument, side: Side, size: Decimal, price: Decimal) -> bool:
        """Return whether the balance covers an order at its limit, and the fee that it may pay in quote."""
        with localcontext(EXACT):
            if side is Side.SELL:
                return size <= self.balances.get(instrument.base, ZERO)
            fee = taker_fee(instrument) if instrument.buy_fee_in is FeeIn.QUOTE else ZERO
            return size * price * (1 + fee) <= self.balances.get(instrument.quote, ZERO)

    def next_trade_id(self) -> str:
        """Return an id that no fill of this account had."""
        self._trades += 1
        self._note(TRADES, "made", self._trades)
        return str(self._trades)

    def keep(self, kept: Kept, instrument: Instrument) -> None:
        """Take in an order that arrived, and move the balances by its fills."""
        self.orders[kept.client_order_id] = kept
        self._note(ORDER, kept.client_order_id, kept)
        with localcontext(EXACT):
            for fill in kept.fills:
                sign = 1 if fill.side is Side.BUY else -1
                self._move(instrument.base, sign * fill.size)
                self._move(instrument.quote, -sign * fill.size * fill.price)
                self._move(fill.fee_currency, -fill.fee)

    def left(self, symbol: str, side: Side, price: Decimal, shown: Decimal) -> Decimal:
        """Return how much of a level that shows `shown` is available to us: `shown` less the size we took before.

        An increase of the shown size is new, and the size we took is still subtracted. Where the level shows less than we
        took, some of the orders that we took are gone.
        """
        key = (symbol, side, price)
        known = self._taken.get(key)
        if known is None:
            return shown
        missing = min(known.taken, shown)
        if missing != known.taken:
            self._taken[key] = Taken(shown, missing)
            self._note(TAKEN, _name(key), self._taken[key])
        return shown - missing

    def take(self, symbol: str, side: Side, price: Decimal, shown: Decimal, size: Decimal) -> None:
        key = (symbol, side, price)
        known = self._taken.get(key)
        before = ZERO if known is None else known.taken
        self._taken[key] = Taken(shown, before + size)
        self._note(TAKEN, _name(key), self._taken[key])

    def forget_gone(self, symbol: str, side: Side, standing: Mapping[Decimal, Decimal], limit: Decimal) -> None:
        """Forget the levels at and before `limit` that are empty now: sizes that appear there later are new."""
        for key in list(self._taken):
            if key[:2] == (symbol, side) and key[2] not in standing:
                within = key[2] <= limit if side is Side.BUY else key[2] >= limit
                if within:
                    del self._taken[key]
                    self._changes[f"{TAKEN} {_name(key)}"] = None

    def _move(self, asset: str, amount: Decimal) -> None:
        self._set_balance(asset, self.balances.get(asset, ZERO) + amount)

    def _set_balance(self, asset: str, amount: Decimal) -> None:
        self.balances[asset] = amount
        self._note(BALANCE, asset, amount)

    def _note(self, kind: str, name: str, value: Any) -> None:
        self._changes[f"{kind} {name}"] = msgspec.json.encode(value).decode()

    def _restore(self, entries: Mapping[str, str], now_ns: int) -> None:
        for entry, text in sorted(entries.items()):
            kind, _, name = entry.partition(" ")
            if kind == BALANCE:
                self.balances[name] = msgspec.json.decode(text, type=Decimal)
            elif kind == BILL:
                self.bills.append(msgspec.json.decode(text, type=Transfer))
            elif kind == TAKEN:
                symbol, side, price = name.split(" ")
                self._taken[symbol, Side(side), Decimal(price)] = msgspec.json.decode(text, type=Taken)
            elif kind == TRADES:
                self._trades = msgspec.json.decode(text, type=int)
            elif kind == ORDER:
                kept = msgspec.json.decode(text, type=Kept)
                if kept.arrived_ns + ORDERS_KEPT_NS < now_ns:
                    self._changes[entry] = None
                else:
                    self.orders[name] = kept


def taker_fee(instrument: Instrument) -> Decimal:
    return ZERO if instrument.taker_fee is None else instrument.taker_fee


def _name(key: tuple[str, Side, Decimal]) -> str:
    symbol, side, price = key
    return f"{symbol} {side.value} {plain(price)}"
