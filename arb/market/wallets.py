"""Whose wallets are open: on which chains venues take withdrawals and deposits of an asset, and whether a pair could be
refilled.

Base bought stays at the buying venue, and base sold is gone from the selling one. To continue, base must flow from the buying
venue to the selling one, and quote the other way. Where a wallet on that way is closed the premium is trapped: it persists
because no one can transfer it away, and neither can we.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from arb.market.coins import LIST, Coin, contracts_agree
from arb.market.numbers import plain
from arb.market.symbol import Symbol


class CurrencyChain(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A venue's currency list entry for an asset on one chain; None, and "", where it is not stated.

    `named`: the chain by the venue's name; `chain`: by ours. `contract` normalised, or `NATIVE`. Amounts are of the asset, >=
    0; `withdrawal_fee_rate` is a ratio of the amount withdrawn, on top. `confirmations`: until a deposit is credited;
    `arrival_s`: the venue's estimate of that time.
    """

    asset: str
    named: str
    chain: str = ""
    contract: str = ""
    denomination: int = 0
    deposit: bool | None = None
    withdrawal: bool | None = None
    withdrawal_fee: Decimal | None = None
    withdrawal_fee_rate: Decimal | None = None
    withdrawal_min: Decimal | None = None
    deposit_min: Decimal | None = None
    confirmations: int | None = None
    arrival_s: int | None = None


class WayState(StrEnum):
    """Whether an asset can be moved between two venues. `UNKNOWN`: their lists do not show it; nothing is refused for that."""

    OPEN = "open"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class WayChain(NamedTuple):
    """A chain that both venues have for an asset: the withdrawal entry of the one, and the deposit entry of the other."""

    out: CurrencyChain
    into: CurrencyChain

    @property
    def is_open(self) -> bool | None:
        """Return whether it can be used now; None where one of them does not state it."""
        flags = self.out.withdrawal, self.into.deposit
        return False if False in flags else None if None in flags else True

    def line(self) -> str:
        """Return the cost and time of a transfer by this chain, as far as known."""
        out, into = self.out, self.into
        fee = "fee unknown" if out.withdrawal_fee is None else f"fee {plain(out.withdrawal_fee)} {out.asset}"
        if out.withdrawal_fee_rate:
            fee += f" and {plain(out.withdrawal_fee_rate * 100)} %"
        parts = [fee]
        least = [amount for amount in (out.withdrawal_min, into.deposit_min) if amount is not None]
        if least:
            parts.append(f"at least {plain(max(least))}")
        if into.confirmations is not None:
            parts.append(f"{into.confirmations} confirmations")
        if into.arrival_s is not None:
            parts.append(f"about {into.arrival_s // 60} min")
        return f"{out.chain}: {', '.join(parts)}"


class Way(msgspec.Struct, frozen=True):
    """Whether an asset can be moved from one venue to another now, why, and the chains that both have, open ones first."""

    asset: str
    from_venue: str
    to_venue: str
    state: WayState
    because: str
    chains: tuple[WayChain, ...] = ()

    def lines(self) -> list[str]:
        """Return the way as sentences: its state, and the usable chains."""
        found = [f"{self.asset} from {self.from_venue} to {self.to_venue}: {self.state}: {self.because}"]
        return found + [f"  {chain.line()}" for chain in self.chains if chain.is_open]


class Refill(NamedTuple):
    """The two ways by which a pair that buys and sells at two venues is refilled."""

    base: Way
    quote: Way

    @property
    def state(self) -> WayState:
        """Return the worse of the two."""
        return max(self.base.state, self.quote.state, key=list(WayState).index)

    def lines(self) -> list[str]:
        return self.base.lines() + self.quote.lines()


class Wallets:
    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[CurrencyChain, ...]] = {}

    def take(self, venue: str, assets: Iterable[str], chains: Iterable[CurrencyChain]) -> None:
        """Keep a venue's entries for `assets`; one without a chain is not in the list."""
        by_asset: dict[str, list[CurrencyChain]] = {asset: [] for asset in assets}
        for chain in chains:
            by_asset.setdefault(chain.asset, []).append(chain)
        for asset, listed in by_asset.items():
            self._known[venue, asset] = tuple(listed)

    def of(self, venue: str, asset: str) -> tuple[CurrencyChain, ...]:
        return self._known.get((venue, asset), ())

    def coins(self) -> list[Coin]:
        """Return which coin each ticker is by the lists, where they name a chain that we know and a contract."""
        return [
            Coin(venue, one.asset, one.chain, one.contract, one.denomination, LIST)
            for (venue, _), chains in self._known.items()
            for one in chains
            if one.chain and one.contract
        ]

    def way(self, asset: str, from_venue: str, to_venue: str) -> Way:
        out, into = self.of(from_venue, asset), self.of(to_venue, asset)
        serve = sorted(
            (
                WayChain(one, other)
                for one in out
                for other in into
                if one.chain and one.chain == other.chain and contracts_agree(one.contract, other.contract) is not False
            ),
            key=lambda found: (True, None, False).index(found.is_open),
        )
        state, because = self._judged(serve, (from_venue, out), (to_venue, into))
        return Way(asset, from_venue, to_venue, state, because, tuple(serve))

    def refill(self, symbol: str, buy_venue: str, sell_venue: str) -> Refill:
        """Return the ways by which a pair on a route is refilled: base to where it is sold, quote to where it is spent."""
        base, quote = Symbol.of(symbol).base_and_quote
        return Refill(self.way(base, buy_venue, sell_venue), self.way(quote, sell_venue, buy_venue))

    def _judged(
        self,
        serve: list[WayChain],
        source: tuple[str, tuple[CurrencyChain, ...]],
        target: tuple[str, tuple[CurrencyChain, ...]],
    ) -> tuple[WayState, str]:
        (from_venue, out), (to_venue, into) = source, target
        if serve and serve[0].is_open:
            return WayState.OPEN, f"on {', '.join(way.out.chain for way in serve if way.is_open)}"
        if out and not any(chain.withdrawal is not False for chain in out):
            return WayState.CLOSED, f"{from_venue} lets none out"
        if into and not any(chain.deposit is not False for chain in into):
            return WayState.CLOSED, f"{to_venue} takes none in"
        missing = [venue for venue, known in (source, target) if not known]
        if missing:
            return WayState.UNKNOWN, f"{' and '.join(missing)} did not show its wallets"
        if serve and serve[0].is_open is None:
            return WayState.UNKNOWN, f"{from_venue} or {to_venue} does not show whether its wallets are open"
        unnamed = [one.named for one in out if one.withdrawal is not False and not one.chain]
        unnamed += [one.named for one in into if one.deposit is not False and not one.chain]
        if unnamed:
            return WayState.UNKNOWN, f"of these chains it is not known which they are: {', '.join(unnamed)}"
        return WayState.CLOSED, f"no chain on which {from_venue} lets it out is one on which {to_venue} takes it in"
