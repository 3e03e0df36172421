"""The state of a simulated exchange and the functions that only read it; `exchange.py` adds those that change it."""

from collections.abc import Callable
from decimal import Decimal

from arb.clock import NS_PER_US
from arb.sandbox.accounts import Account, Balance
from arb.sandbox.bills import Bill, BillBook
from arb.sandbox.currencies import Wallets
from arb.sandbox.exact import ONE, ZERO, cut_off, mul
from arb.sandbox.holder import Holder
from arb.sandbox.market import BookView, IdSource, Market
from arb.sandbox.registry import SPECS
from arb.sandbox.values import (
    BalanceChanged,
    Event,
    FeeAsset,
    PublicTrade,
    Refusal,
    Refused,
    SimFill,
    SimOrder,
    VenueProfile,
    with_fee_factor,
)


class ExchangeState:
    """Orders, fills, balances and books of one venue, with the switches that faults turn."""

    def __init__(self, profile: VenueProfile, ids: IdSource, start_ns: int) -> None:
        self.profile = profile
        self.ids = ids
        self.instruments = {item.symbol: item for item in profile.instruments}
        first_id = start_ns // (1000 * NS_PER_US)
        self.markets = {item.symbol: Market(item, first_id) for item in profile.instruments}
        self.account = Account(profile.balances)
        self.bills = BillBook(self.account, start_ns)
        self.orders: dict[int, SimOrder] = {}
        self.fills: list[SimFill] = []
        self.taken = 0
        """Count of orders accepted and cancels applied: lets a caller see whether a request changed anything."""
        self.account_mode = profile.account_modes[0] if profile.account_modes else ""
        """Which of the venue's kinds of account this is; "" where it has only one."""
        self.holder = Holder(rights=SPECS[profile.name].rights)
        self.fee_factor = ONE
        self.wallets = Wallets(profile.name)
        self.fee_asset: FeeAsset | None = None
        """When set, fees are taken from this asset, fill by fill, while its balance lasts."""
        self.enforces_expiry = True
        """Whether placements that arrive after their expiry are refused; else they execute all the same."""
        self.balance_decimals: int | None = None
        """To how many decimals balances are shown, the rest cut off; None: all there are."""
        self.history_lag_ns = 0
        self.hide_ended_by_client_id = False
        self.read_lag_ns = 0
        """By how much the look-ups of single and of open orders are late (fault `read_lag`)."""
        self.unseen: set[int] = set()
        """The orders that these look-ups do not show yet."""
        self._countdowns: dict[str | None, int | None] = {}
        """When all orders are cancelled, and those of a symbol; None: never."""
        self.shown_balances: dict[str, Balance] | None = None
        """When set, queries show these instead of the present balances (fault `balance_lag`)."""
        self.later: Callable[[int, Callable[[int], None]], None] = lambda _delay_ns, _action: None
        """Run an action after a delay in nanoseconds; given by the venue, idle without one."""
        self.rival: Callable[[SimOrder], int | None] | None = None
        """Asked before an order is matched: how many lots remain for it after rivals, None when no rival is faster."""
        self._open: dict[int, SimOrder] = {}
        self._by_client_id: dict[str, SimOrder] = {}
        self._order_fills: dict[int, list[SimFill]] = {}
        self._listeners: list[Callable[[Event], None]] = []

    # -- reading ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        self._listeners.append(listener)

    def market(self, symbol: str) -> Market:
        """Return the market of a symbol; raises `Refused(UNKNOWN_SYMBOL)`."""
        found = self.markets.get(symbol)
        if found is None:
            raise Refused(Refusal.UNKNOWN_SYMBOL, f"unknown symbol {symbol}", symbol)
        return found

    def fee_rates(self, symbol: str) -> tuple[Decimal, Decimal]:
        rules = self.instruments[symbol]
        return with_fee_factor(rules.maker_fee, self.fee_factor), with_fee_factor(rules.taker_fee, self.fee_factor)

    @property
    def buys_pay_in(self) -> str:
        """Return whether a buy pays its fee in `base` or in `quote`: the venue's rule, or its holder's choice."""
        return "quote" if self.holder.fee_in_quote else self.profile.buy_fee_in

    def asset_rates(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Return (maker, taker) where fees are taken from an asset of the venue's own; zeros where they are not."""
        if self.fee_asset is None:
            return ZERO, ZERO
        maker, taker = self.fee_rates(symbol)
        return mul(maker, self.fee_asset.share), mul(taker, self.fee_asset.share)

    def snapshot(self, symbol: str, depth: int) -> BookView:
        """Return the best `depth` levels with the update id they belong to."""
        market = self.market(symbol)
        return BookView(
            market.book.update_id, market.changed_ns, market.levels(True, depth), market.levels(False, depth)
        )

    def order(self, order_id: int) -> SimOrder | None:
        found = self.orders.get(order_id)
        return None if found is None or found.status == "rejected" or order_id in self.unseen else found

    def order_by_client_id(self, client_id: str) -> SimOrder | None:
        found = self._by_client_id.get(client_id) if client_id else None
        if found is not None and (found.id in self.unseen or (self.hide_ended_by_client_id and not found.is_open)):
            return None
        return found

    def open_orders(self, symbol: str | None = None) -> list[SimOrder]:
        shown = (o for o in reversed(self._open.values()) if o.id not in self.unseen)
        return [o for o in shown if symbol is None or o.symbol == symbol]

    def done_orders(
        self, now_ns: int, symbol: str | None = None, since_ns: int | None = None, until_ns: int | None = None
    ) -> list[SimOrder]:
        """Return ended orders by time of ending, newest first; under `history_lag` late ones are not shown yet."""
        done = [
            o
            for o in self.orders.values()
            if o.finished_ns is not None
            and o.status != "rejected"
            and (symbol is None or o.symbol == symbol)
            and o.finished_ns + self.history_lag_ns <= now_ns
            and (since_ns is None or o.finished_ns >= since_ns)
            and (until_ns is None or o.finished_ns <= until_ns)
        ]
        done.sort(key=lambda o: (o.finished_ns or 0, o.id), reverse=True)
        return done

    def fills_of(
        self,
        now_ns: int,
        symbol: str | None = None,
        order_id: int | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> list[SimFill]:
        """Return the account's fills, newest first; under `history_lag` late ones are not shown yet."""
        pool = self.fills if order_id is None else self._order_fills.get(order_id, [])
        return [
            f
            for f in reversed(pool)
            if (symbol is None or f.symbol == symbol)
            and f.ns + self.history_lag_ns <= now_ns
            and (since_ns is None or f.ns >= since_ns)
            and (until_ns is None or f.ns <= until_ns)
        ]

    def fills_of_order(self, order: SimOrder) -> list[SimFill]:
        """Return all fills of an order, oldest first, including those hidden from queries."""
        return list(self._order_fills.get(order.id, ()))

    def bills_of(
        self, now_ns: int, asset: str | None = None, since_ns: int | None = None, until_ns: int | None = None
    ) -> list[Bill]:
        """Return the account's bills, newest first; under `history_lag` late ones are not shown yet."""
        return [
            bill
            for bill in reversed(self.bills.rows)
            if (not asset or bill.asset == asset)
            and bill.ns + self.history_lag_ns <= now_ns
            and (since_ns is None or bill.ns >= since_ns)
            and (until_ns is None or bill.ns <= until_ns)
        ]

    def public_trades(self, symbol: str, count: int) -> list[PublicTrade]:
        return list(self.market(symbol).tape)[::-1][:count]

    def balances(self) -> dict[str, Balance]:
        known = self.account.balances if self.shown_balances is None else self.shown_balances
        if self.balance_decimals is None:
            return known
        return {asset: self._cut(balance) for asset, balance in known.items()}

    def _cut(self, balance: Balance) -> Balance:
        if self.balance_decimals is None:
            return balance
        return Balance(*(cut_off(amount, self.balance_decimals) for amount in (balance.free, balance.locked)))

    # -- events ----------------------------------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _emit_balance(self, asset: str, change: Decimal, cause: str, now_ns: int) -> None:
        balance = self._cut(self.account.balance(asset))
        self._emit(BalanceChanged(asset, balance.free, balance.locked, change, cause, now_ns))
