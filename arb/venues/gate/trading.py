"""Orders on their way to Gate and back: what ccxt's unified methods send, and what they make of the answers."""

from decimal import Decimal
from typing import Any

import ccxt

from arb.venues.exact import ExactExchange
from arb.venues.gate.ids import to_text
from arb.venues.gate.orders import contract_status, fees_of, is_market_buy, item_refused, order_facts

_STATUS_WORDS = dict.fromkeys(("open", "_new", "_update", "-"), "open") | dict.fromkeys(
    ("closed", "filled", "liquidated", "finished", "finish", "succeeded"), "closed"
)
_TRIGGERS = ("trigger", "triggerPrice", "stopPrice", "stopLossPrice", "takeProfitPrice")


class GateOrders(ExactExchange):
    """Exact numbers out, exact facts in."""

    def create_order_request(
        self, symbol: str, type: str, side: str, amount: Any, price: Any = None, params: Any = None
    ) -> dict[str, Any]:
        """Return the fields of one placement; raise ccxt's `InvalidOrder` for what Gate or we would not accept.

        The client order id comes as `clientOrderId` (or `text`), with or without Gate's prefix. Where Gate demands
        one none is invented.
        """
        given = dict(params or {})
        if any(given.get(key) is not None for key in _TRIGGERS):
            raise ccxt.NotSupported(f"{self.id}: trigger orders fire later than their value can be bounded")
        if given.get("auto_borrow"):
            raise ccxt.InvalidOrder(f"{self.id}: auto_borrow would turn a short balance into a loan")
        text = self._take_text(given)
        if given.pop("textIsRequired", False) and text is None:
            raise ccxt.ArgumentsRequired(f"{self.id}: this placement needs a clientOrderId")
        if given.get("cost") is not None:
            given["cost"] = self.number_text(given["cost"])
        request: dict[str, Any] = super().create_order_request(
            symbol, type, side, self.number_text(amount), self.number_text(price), given
        )
        if text is not None:
            request["text"] = text
        return request

    def edit_order_request(
        self, id: str, symbol: str, type: str, side: str, amount: Any = None, price: Any = None, params: Any = None
    ) -> dict[str, Any]:
        """Return the fields of one amendment, with exact numbers."""
        given = dict(params or {})
        return super().edit_order_request(  # type: ignore[no-any-return]
            id, symbol, type, side, self.number_text(amount), self.number_text(price), given
        )

    def fetch_order_request(self, id: str, symbol: str | None = None, params: Any = None) -> Any:
        """Return the fields of a look-up; by `clientOrderId` Gate finds open orders only."""
        given = dict(params or {})
        text = self._take_text(given)
        return super().fetch_order_request(id if text is None else text, symbol, given)

    async def cancel_order(self, id: str, symbol: str | None = None, params: Any = None) -> Any:
        """Cancel one order by its id or, with the parameter `clientOrderId`, by ours."""
        given = dict(params or {})
        text = self._take_text(given)
        return await super().cancel_order(id if text is None else text, symbol, given)

    def parse_order_status(self, status: str | None) -> str | None:
        """Return ccxt's word for one raw word; an unknown word ends an order, it never leaves it open."""
        if status is None:
            return None
        return _STATUS_WORDS.get(status, "canceled")

    def parse_order(self, order: dict[str, Any], market: Any = None) -> dict[str, Any]:
        """Parse one order: ccxt's structure, with status, sizes, cost and fees taken from the venue's own fields.

        Added keys: `finishAs` (Gate's word), `fillCheck` (ended in a way unknown to us), `requestedCost` (a market
        buy's quote amount), `label` (why a batch item failed). Numbers are decimal text.
        """
        parsed: dict[str, Any] = super().parse_order(order, market)
        if order.get("succeeded") is False:
            return {**parsed, "status": "rejected" if item_refused(order) else None, "label": order.get("label")}
        fees = self._fees(order)
        parsed |= {"fees": fees, "fee": fees[0] if len(fees) == 1 else None}
        if "contract" in order or "initial" in order or "put" in order:
            return {**parsed, "status": contract_status(order) or parsed.get("status")}
        facts = order_facts(order)
        parsed |= {
            "status": facts.status,
            "filled": _plain(facts.filled),
            "remaining": _plain(facts.remaining),
            "amount": _plain(facts.amount),
            "cost": _plain(facts.cost),
            "average": _plain(facts.average),
            "finishAs": facts.finish_as,
            "fillCheck": facts.fill_check,
            "requestedCost": _plain(facts.requested_cost),
        }
        if is_market_buy(order):
            parsed["price"] = parsed["average"]
        return parsed

    def parse_trade(self, trade: dict[str, Any], market: Any = None) -> dict[str, Any]:
        """Parse one trade, with every fee: in the received asset, in GT, in points, and rebates."""
        parsed: dict[str, Any] = super().parse_trade(trade, market)
        if "fee" in trade or "point_fee" in trade or "gt_fee" in trade:
            fees = self._fees(trade)
            parsed |= {"fees": fees, "fee": fees[0] if len(fees) == 1 else None}
        return parsed

    def _fees(self, raw: dict[str, Any]) -> list[dict[str, Any]]:
        return fees_of(raw, self.safe_currency_code)

    def _take_text(self, params: dict[str, Any]) -> str | None:
        given = [params.pop(key) for key in ("clientOrderId", "text") if key in params]
        chosen = next((value for value in given if value is not None), None)
        if chosen is None:
            return None
        try:
            return to_text(str(chosen))
        except ValueError as error:
            raise ccxt.InvalidOrder(f"{self.id}: {error}") from error


def _plain(number: Decimal | None) -> str | None:
    if number is None:
        return None
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
