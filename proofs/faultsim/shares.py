"""Judges of what pairs hold: no base is traded twice, forgotten, or booked twice, through whatever hands it goes.

A pair that trades residuals away, or that a late fill has opened again, holds a share of the base that our fills have left; the
residuals hold the rest. What such pairs have on its way is held against all of it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from arb.market.numbers import ZERO
from arb.market.symbol import Symbol
from proofs.faultsim.conduct import ENDED, OPEN, Row, base_of, entries_of, note_absence, rest_of, settled

ROUNDED = Decimal("1e-8")
"""Each pair's profit is kept in whole 1e-8 of the quote."""

Handed = dict[int, tuple[Decimal, Decimal]]


class _Shares:
    """What a journal holds up to an entry: pairs, orders and fills, and by symbol what all fills have left."""

    def __init__(self) -> None:
        self.pairs: dict[int, Row] = {}
        self.plans: dict[int, Row] = {}
        self.orders: dict[int, Row] = {}
        self.names: dict[str, int] = {}
        self.filled: dict[int, Decimal] = defaultdict(Decimal)
        self.net: dict[int, Decimal] = defaultdict(Decimal)
        self.held: dict[str, Decimal] = defaultdict(Decimal)
        self.quote: dict[str, Decimal] = defaultdict(Decimal)
        self.residuals: list[Row] = []
        self.reopened: set[int] = set()

    def take(self, row: Row) -> None:
        """Take a row."""
        match row["type"]:
            case "PlanRecord":
                self.plans[row["pair_id"]] = row
            case "PairRecord":
                before = self.pairs.get(row["id"])
                if before is not None and before["state"] in ENDED and row["state"] in OPEN:
                    self.reopened.add(row["id"])
                self.pairs[row["id"]] = row
            case "OrderRecord" if row["pair_trade_id"] is not None:
                self.orders[row["id"]] = row
                self.names[row["client_order_id"]] = row["id"]
            case "FillRecord" if row["order_id"] in self.orders:
                self._take_fill(row)
            case "PoolRecord":
                self.residuals = [*row["dust"], *row["carried"]]

    def _take_fill(self, row: Row) -> None:
        base, quote = Symbol.of(row["symbol"]).base_and_quote
        sign = 1 if row["side"] == "buy" else -1
        self.filled[row["order_id"]] += Decimal(row["size"])
        self.net[self.orders[row["order_id"]]["pair_trade_id"]] += base_of(row)
        self.held[row["symbol"]] += base_of(row)
        self.quote[row["symbol"]] -= sign * Decimal(row["size"]) * Decimal(row["price"])
        if row["fee_currency"] != base:
            fee = row["fee"] if row["fee_currency"] == quote else row["fee_quote_value"]
            self.quote[row["symbol"]] -= Decimal(fee)

    def open_of(self, symbol: str) -> list[Row]:
        """Return the open pairs of a symbol."""
        return [pair for pair in self.pairs.values() if pair["symbol"] == symbol and pair["state"] in OPEN]

    def holds_a_share(self, pair: Row) -> bool:
        """Return whether a pair trades residuals away, or was opened again."""
        return pair["kind"] != "arb" or pair["id"] in self.reopened

    def coming(self, symbol: str) -> Decimal:
        """Return what all orders of a symbol that have not ended may yet bring, below zero: take."""
        return sum(
            (
                rest_of(order, self.filled[key]) * (1 if order["side"] == "buy" else -1)
                for key, order in self.orders.items()
                if order["symbol"] == symbol and not settled(order, self.filled[key])
            ),
            ZERO,
        )

    def imbalance(self, pair: Row) -> Decimal:
        """Return the share of an open pair."""
        inherited = ZERO if pair["kind"] == "arb" else Decimal(self.plans[pair["id"]]["residual"])
        return inherited + self.net[pair["id"]] - _handed(pair)[0]


def traded_twice(journal: Path, dust_max_quote: Decimal) -> Iterator[str]:
    """All that is on its way to trade residuals away never leads past zero from what is held, nor away from it, but by dust.

    Judged while all venues answer, and no pair is open for the first time in the symbol: its two legs are on their way at once.
    """
    shares, absent = _Shares(), set[str]()
    for _, _, kind, payload in entries_of(journal):
        note_absence(absent, kind, payload)
        if kind == "Persist":
            shares.take(json.loads(payload)["record"])
        if kind != "PlaceOrder" or absent:
            continue
        place = json.loads(payload)
        symbol, name = place["symbol"], place["client_order_id"]
        if name not in shares.names or not all(map(shares.holds_a_share, shares.open_of(symbol))):
            continue
        held, tolerance = shares.held[symbol], 2 * dust_max_quote / Decimal(place["price"])
        size = Decimal(place["size"]) * (1 if place["side"] == "buy" else -1)
        after = held + shares.coming(symbol)
        if held * size >= 0 and abs(size) > tolerance:
            yield f"traded twice: {name} for {size} {symbol}, with {held} held"
        elif held * after < 0 and abs(after) > tolerance:
            yield f"traded twice: {name} for {size} {symbol}, after which {after} of {held} are held"


def shares_misstated(journal: Path) -> Iterator[str]:
    """In the end the base that fills have left is what open pairs and residuals hold, and each quote is booked once.

    Quote: what closed pairs have earned is what the fills brought, and what the residuals are booked at.
    """
    shares = _Shares()
    for _, _, kind, payload in entries_of(journal):
        if kind == "Persist":
            shares.take(json.loads(payload)["record"])
    for symbol in sorted({pair["symbol"] for pair in shares.pairs.values()}):
        pairs = [pair for pair in shares.pairs.values() if pair["symbol"] == symbol]
        open_ = shares.open_of(symbol)
        if any(pair["state"] == "abandoned" for pair in pairs):
            continue
        kept = [one for one in shares.residuals if one["symbol"] == symbol]
        claimed = sum((Decimal(one["size"]) for one in kept), sum(map(shares.imbalance, open_), ZERO))
        if claimed != shares.held[symbol]:
            yield f"shares: {claimed} {symbol} with pairs and residuals, the fills left {shares.held[symbol]}"
        if open_:
            continue
        earned = sum((Decimal(pair["waterfall"]["realised_net_e8"]).scaleb(-8) for pair in pairs), ZERO)
        brought = shares.quote[symbol] + sum((Decimal(one["booked"]) for one in kept), ZERO)
        if abs(earned - brought) > ROUNDED * len(pairs):
            yield f"shares: pairs of {symbol} have earned {earned}, fills and residuals say {brought}"


def handed_over(journal: Path) -> Handed:
    """Return, by pair, the base that others have taken over of what it traded, and the quote that was booked at."""
    shares = _Shares()
    for _, _, kind, payload in entries_of(journal):
        if kind == "Persist" and '"PairRecord"' in payload:
            shares.take(json.loads(payload)["record"])
    return {number: _handed(pair) for number, pair in shares.pairs.items()}


def _handed(pair: Row) -> tuple[Decimal, Decimal]:
    return Decimal(pair.get("handed_size", 0)), Decimal(pair.get("handed_value", 0))
