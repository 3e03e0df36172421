"""Gate's REST endpoints one by one: parameters in, (status, content) out."""

from arb.clock import NS_PER_S
from arb.sandbox.exact import parse, plain
from arb.sandbox.exchange import SimExchange
from arb.sandbox.gate import orders as gate_orders
from arb.sandbox.gate.auth import GateError
from arb.sandbox.gate.candles import candlesticks
from arb.sandbox.gate.fields import (
    Json,
    bill_rows,
    currency_json,
    fill_json,
    fine_millis,
    millis,
    order_json,
    pair_json,
    pair_of,
    seconds,
    symbol_of,
    ticker_json,
    transfer_json,
)
from arb.sandbox.gate.query import Answer, Query
from arb.sandbox.values import PublicTrade


class GateRoutes:
    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange

    # -- public ----------------------------------------------------------------------------------------------------

    def time(self, query: Query) -> Answer:
        return 200, {"server_time": millis(query.now_ns)}

    def currencies(self, query: Query) -> Answer:
        return 200, [currency_json(asset, self.exchange.wallets.of(asset)) for asset in self.exchange.account.initial]

    def currency(self, query: Query) -> Answer:
        if query.argument not in self.exchange.account.initial:
            raise GateError(400, "INVALID_CURRENCY", f"Invalid currency {query.argument}")
        return 200, currency_json(query.argument, self.exchange.wallets.of(query.argument))

    def pairs(self, query: Query) -> Answer:
        return 200, [pair_json(rules) for rules in self.exchange.instruments.values()]

    def pair(self, query: Query) -> Answer:
        return 200, pair_json(self.exchange.instruments[self._symbol(query.argument)])

    def margin_pairs(self, query: Query) -> Answer:
        """Answer `/margin/currency_pairs`: the sandbox lends nothing."""
        return 200, []

    def tickers(self, query: Query) -> Answer:
        pair = query.params.get("currency_pair")
        symbols = [self._symbol(pair)] if pair else list(self.exchange.markets)
        return 200, [ticker_json(self.exchange, symbol) for symbol in symbols]

    def order_book(self, query: Query) -> Answer:
        """Answer `/spot/order_book`; `id` only with `with_id`."""
        symbol = self._symbol(query.params.get("currency_pair", ""))
        view = self.exchange.snapshot(symbol, query.number("limit", 10, 1000))
        content: Json = {"current": millis(query.now_ns), "update": millis(view.ns)}
        if query.flag("with_id"):
            content = {"id": view.update_id, **content}
        return 200, {**content, "asks": view.asks, "bids": view.bids}

    def trades(self, query: Query) -> Answer:
        """Answer `/spot/trades`, newest first."""
        symbol = self._symbol(query.params.get("currency_pair", ""))
        trades = self.exchange.public_trades(symbol, query.number("limit", 100, 1000))
        return 200, [public_trade_json(trade) for trade in trades]

    def candlesticks(self, query: Query) -> Answer:
        return candlesticks(self.exchange, self._symbol(query.params.get("currency_pair", "")), query)

    # -- account ---------------------------------------------------------------------------------------------------

    def account_book(self, query: Query) -> Answer:
        """Answer `/spot/account_book`: every change of a balance, newest first; `to` includes its second."""
        wanted, (since, until) = query.params.get("type"), query.span_ns()
        until_ns = until + NS_PER_S - 1
        bills = self.exchange.bills_of(query.now_ns, query.params.get("currency"), since, until_ns)
        rows = [row for bill in bills for row in bill_rows(bill) if wanted in (None, "", row["type"])]
        return 200, query.page(rows, query.number("limit", 100, 1000))

    def spot_fee(self, query: Query) -> Answer:
        """Answer `/spot/fee` (deprecated by Gate, still served)."""
        return self.wallet_fee(query)

    def wallet_fee(self, query: Query) -> Answer:
        """Answer `/wallet/fee`: the account's rates, of one pair when asked."""
        pair = query.params.get("currency_pair")
        symbol = self._symbol(pair) if pair else next(iter(self.exchange.markets))
        return 200, {**self._rates(symbol), **_FUTURES_RATES, "user_id": self.exchange.profile.user_id}

    def batch_fee(self, query: Query) -> Answer:
        """Answer `/spot/batch_fee`: rates of up to 50 pairs."""
        pairs = [p for p in query.params.get("currency_pairs", "").split(",") if p]
        if not pairs or len(pairs) > 50:
            raise GateError(400, "INVALID_PARAM_VALUE", "1 to 50 currency_pairs")
        user_id = self.exchange.profile.user_id
        return 200, {p: {**self._rates(self._symbol(p)), "currency_pair": p, "user_id": user_id} for p in pairs}

    def _rates(self, symbol: str) -> Json:
        maker, taker = self.exchange.fee_rates(symbol)
        in_maker, in_taker = self.exchange.asset_rates(symbol)
        asset = "" if self.exchange.fee_asset is None else self.exchange.fee_asset.asset
        return {
            "taker_fee": plain(taker),
            "maker_fee": plain(maker),
            "gt_discount": asset == "GT",
            "gt_taker_fee": plain(in_taker) if asset == "GT" else "0",
            "gt_maker_fee": plain(in_maker) if asset == "GT" else "0",
            "loan_fee": "0.18",
            "point_type": "1" if asset == "POINT" else "0",
            "debit_fee": {"GT": 1, "POINT": 2}.get(asset, 3),
        }

    def deposits(self, query: Query) -> Answer:
        """Answer `/wallet/deposits`, newest first."""
        return 200, self._transfers(query, deposits=True)

    def withdrawals(self, query: Query) -> Answer:
        """Answer `/wallet/withdrawals`, newest first."""
        return 200, self._transfers(query, deposits=False)

    def _transfers(self, query: Query, *, deposits: bool) -> list[Json]:
        wanted, since, until = query.params.get("currency"), query.time_ns("from"), query.time_ns("to")
        rows = [
            transfer_json(t)
            for t in reversed(self.exchange.account.transfers)
            if (t.amount >= 0) is deposits
            and wanted in (None, "", t.asset)
            and (since is None or t.ns >= since)
            and (until is None or t.ns <= until + NS_PER_S)
        ]
        offset = int(parse(query.params.get("offset")) or 0)
        return rows[offset : offset + query.number("limit", 100, 500)]

    # -- orders ----------------------------------------------------------------------------------------------------

    def create_order(self, query: Query) -> Answer:
        order = gate_orders.place(self.exchange, query.body_object(), query.now_ns)
        return 201, order_json(order)

    def create_orders(self, query: Query) -> Answer:
        return 200, gate_orders.place_batch(self.exchange, query.body_list(), query.now_ns)

    def amend_order(self, query: Query) -> Answer:
        """Answer `PATCH /spot/orders/{id}`; the body's parameters win over the query's."""
        fields = {**query.params, **query.body_object()}
        return 200, order_json(gate_orders.amend(self.exchange, query.argument, fields, query.now_ns))

    def amend_orders(self, query: Query) -> Answer:
        return 200, gate_orders.amend_batch(self.exchange, query.body_list(), query.now_ns)

    def cancel_order(self, query: Query) -> Answer:
        pair = query.params.get("currency_pair", "")
        return 200, order_json(gate_orders.cancel(self.exchange, query.argument, pair, query.now_ns))

    def cancel_orders(self, query: Query) -> Answer:
        return 200, gate_orders.cancel_batch(self.exchange, query.body_list(), query.now_ns)

    def cancel_all(self, query: Query) -> Answer:
        pair, side = query.params.get("currency_pair", ""), query.params.get("side", "")
        cancelled = gate_orders.cancel_all(self.exchange, pair, side, query.now_ns)
        return 200, [{**order_json(order), "succeeded": True, "label": "", "message": ""} for order in cancelled]

    def get_order(self, query: Query) -> Answer:
        return 200, order_json(gate_orders.find(self.exchange, query.argument, query.params.get("currency_pair", "")))

    def list_orders(self, query: Query) -> Answer:
        """Answer `GET /spot/orders` by status, newest first."""
        pair, status = query.params.get("currency_pair", ""), query.params.get("status", "")
        symbol = self._symbol(pair) if pair else None
        if status == "open":
            if symbol is None:
                raise GateError(400, "MISSING_REQUIRED_PARAM", "currency_pair is required")
            found = self.exchange.open_orders(symbol)
            limit = query.number("limit", 100, 100)
        elif status == "finished":
            since, until = query.span_ns()
            found = self.exchange.done_orders(query.now_ns, symbol, since, until)
            side = query.params.get("side")
            found = [order for order in found if side in (None, "", order.side)]
            limit = query.number("limit", 100, 1000)
        else:
            raise GateError(400, "INVALID_PARAM_VALUE", "status must be open or finished")
        return 200, [order_json(order) for order in query.page(found, limit)]

    def open_orders(self, query: Query) -> Answer:
        """Answer `GET /spot/open_orders`, grouped by pair."""
        limit = query.number("limit", 100, 100)
        groups = []
        for symbol in self.exchange.markets:
            orders = self.exchange.open_orders(symbol)
            if orders:
                rows = [order_json(order) for order in query.page(orders, limit)]
                groups.append({"currency_pair": pair_of(symbol), "total": len(orders), "orders": rows})
        return 200, groups

    def my_trades(self, query: Query) -> Answer:
        """Answer `GET /spot/my_trades`, newest first; without times the last seven days."""
        pair, order_id = query.params.get("currency_pair", ""), query.params.get("order_id", "")
        if order_id and not pair:
            raise GateError(400, "MISSING_REQUIRED_PARAM", "order_id needs currency_pair")
        if order_id and not (order_id.isascii() and order_id.isdigit()):
            raise GateError(400, "INVALID_PARAM_VALUE", "Invalid order_id")
        since, until = query.span_ns()
        fills = self.exchange.fills_of(
            query.now_ns,
            self._symbol(pair) if pair else None,
            int(order_id) if order_id else None,
            since,
            until + NS_PER_S - 1,
        )
        return 200, [fill_json(f, self.exchange) for f in query.page(fills, query.number("limit", 100, 1000))]

    def countdown(self, query: Query) -> Answer:
        """Answer `POST /spot/countdown_cancel_all`: cancel after `timeout` seconds unless renewed; 0 disarms."""
        body = query.body_object()
        timeout, pair = parse(body.get("timeout")), str(body.get("currency_pair") or "")
        if timeout is None or (timeout != 0 and timeout < 5):
            raise GateError(400, "INVALID_PARAM_VALUE", "timeout is 0 or at least 5 seconds")
        span_ns = int(timeout * NS_PER_S)
        self.exchange.arm_countdown(span_ns, query.now_ns, symbol_of(pair) or None)
        return 200, {"triggerTime": millis(query.now_ns + span_ns) if span_ns else 0}

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _symbol(self, pair: str) -> str:
        if not pair:
            raise GateError(400, "MISSING_REQUIRED_PARAM", "currency_pair is required")
        symbol = symbol_of(pair)
        if symbol not in self.exchange.markets:
            raise GateError(400, "INVALID_CURRENCY_PAIR", f"Invalid currency pair {pair}")
        return symbol


_FUTURES_RATES: Json = {
    "futures_taker_fee": "0.0005",
    "futures_maker_fee": "0.0002",
    "delivery_taker_fee": "0.0005",
    "delivery_maker_fee": "0.0002",
}


def public_trade_json(trade: PublicTrade) -> Json:
    return {
        "id": str(trade.trade_id),
        "create_time": str(seconds(trade.ns)),
        "create_time_ms": fine_millis(trade.ns),
        "currency_pair": pair_of(trade.symbol),
        "side": trade.side,
        "amount": plain(trade.size),
        "price": plain(trade.price),
        "sequence_id": str(trade.trade_id),
    }
