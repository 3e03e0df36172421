"""Counts and sums of a run, as the run summary tells them."""

from collections import Counter
from decimal import Decimal

from arb.core.records import PairState
from arb.market.numbers import ZERO


class Tally:
    """What this run did so far. Money per asset, exact."""

    def __init__(self) -> None:
        self.opportunities = 0
        self.orders = 0
        self.fills = 0
        self.incidents = 0
        self.opened = 0
        self.closed: Counter[PairState] = Counter()
        self.net: dict[str, Decimal] = {}
        self.fees: dict[str, Decimal] = {}
        self.exposure_quote_s = ZERO
        self.refusals: Counter[str] = Counter()

    def add_net(self, quote: str, amount: Decimal) -> None:
        """Add the realised net of a closed pair."""
        self.net[quote] = self.net.get(quote, ZERO) + amount

    def add_fee(self, asset: str, amount: Decimal) -> None:
        """Add a fee charged (negative: a rebate)."""
        if amount:
            self.fees[asset] = self.fees.get(asset, ZERO) + amount
