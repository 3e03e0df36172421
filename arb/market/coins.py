"""Which coin a ticker is: the coin that a venue delivers under it, by the chains it takes deposits on.

A ticker is a venue's own name. Two venues mean one coin by it where they share a chain and, on it, a contract (or the chain's
own coin). A coin bought at one could be delivered to the other. Everything else is unproved, however alike the names are. A
ticker for a thousand of a coin (`1000X`, `1MX`) is another coin than the one of its contract: its value differs.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import combinations

import msgspec

from arb.market.numbers import DECIMALS
from arb.market.symbol import Symbol

NATIVE = "native"
"""In place of a contract: the chain's own coin."""
END = "..."
"""The mark before the end of a contract whose rest the venue does not show (OKX, `ctAddr`: "last 6 digits")."""
LIST = "list"
"""The source of entries from a venue's own currency list in this run."""
_MULTIPLES = re.compile(r"(1(?:0{3,})|1K|1M)(?=[A-Z])")
_COUNTS = {"1K": 1000, "1M": 1_000_000}


class Coin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ticker of a venue on one chain: the contract there, or `NATIVE`. Names of chains are ours, addresses normalised.

    `denomination`: how many of the contract's coins one unit of the ticker is, >= 1, where the venue lists it; 0: it does not
    (see `multiple_of`). `source`: where the entry is from, `LIST` for the venue's own list in this run.
    """

    venue: str
    ticker: str
    chain: str
    contract: str
    denomination: int = 0
    source: str = ""


class Verdict(StrEnum):
    """Whether a ticker is one coin at two venues, from good to bad.

    `DIFFERENT`: on a shared chain it has another contract, and on none the same; or the one venue's coin has another ticker at
    the other.
    """

    SAME = "same"
    UNPROVED = "unproved"
    DIFFERENT = "different"


class CoinOverride(msgspec.Struct, frozen=True):
    """The user's override for a ticker at two venues, despite their lists: it is one coin, or it is not."""

    ticker: str
    venue: str
    other: str
    same: bool

    def line(self) -> str:
        return f'"{self.venue}:{self.ticker}" = "{"same as" if self.same else "different from"} {self.other}:{self.ticker}"'


class ChainEvidence(msgspec.Struct, frozen=True):
    """Two venues' entries of a ticker on a chain that both use.

    `agrees`: whether it is one coin there; None where one of them shows too little of its contract to prove it.
    """

    chain: str
    here: Coin
    there: Coin
    agrees: bool | None

    def line(self) -> str:
        says = {True: "one coin", False: "not one coin", None: "the ends agree, which proves nothing"}[self.agrees]
        return f"on {self.chain}: {_shown(self.here)} and {_shown(self.there)}: {says}"


class CoinVerdict(msgspec.Struct, frozen=True):
    """Whether a ticker is one coin at `venue` and `other`, why, and the evidence on each chain that both take it on.

    `apart_bps`: how far its mid prices at the two are apart, in bps >= 0, where they are known: a cross-check, which
    proves nothing.
    """

    ticker: str
    venue: str
    other: str
    verdict: Verdict
    because: str
    evidence: tuple[ChainEvidence, ...] = ()
    apart_bps: Decimal | None = None

    def lines(self) -> list[str]:
        found = [f"{self.ticker} at {self.venue} and {self.other}: {self.verdict}: {self.because}"]
        found += [f"  {one.line()}" for one in self.evidence]
        if self.apart_bps is not None:
            found.append(f"  mid prices are {self.apart_bps:.1f} bps apart (a cross-check, no proof)")
        return found


class CoinTable:
    """The known coins, by venue and ticker, and the user's overrides.

    A venue's own list in this run (`LIST`) takes precedence over all other lines (`in_force`). A contract that a venue lists
    under two tickers proves nothing of either.
    """

    def __init__(self, coins: Iterable[Coin], overrides: Iterable[CoinOverride] = ()) -> None:
        coins = tuple(coins)
        coins = in_force((c for c in coins if c.source == LIST), (c for c in coins if c.source != LIST))
        self._names: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for coin in coins:
            self._names[_place(coin)].add(coin.ticker)
        self._known: dict[tuple[str, str], dict[str, set[Coin]]] = defaultdict(lambda: defaultdict(set))
        for coin in coins:
            if len(self._names[_place(coin)]) == 1 or coin.contract.startswith(END):
                self._known[coin.venue, coin.ticker][coin.chain].add(coin)
        self._said: dict[tuple[str, frozenset[str]], CoinOverride] = {}
        for override in overrides:
            self._said[override.ticker, frozenset((override.venue, override.other))] = override

    def sameness(self, ticker: str, venue: str, other: str) -> Verdict:
        """Return whether `ticker` is one coin at these venues; at one venue it always is."""
        return self.verdict(ticker, venue, other).verdict

    def verdict(self, ticker: str, venue: str, other: str) -> CoinVerdict:
        if venue == other:
            return CoinVerdict(ticker, venue, other, Verdict.SAME, "it is one venue")
        here, there = self._known.get((venue, ticker), {}), self._known.get((other, ticker), {})
        evidence = tuple(_compared(chain, here[chain], there[chain]) for chain in sorted(here.keys() & there.keys()))
        said = self._said.get((ticker, frozenset((venue, other))))
        if said is not None:
            verdict, because = Verdict.SAME if said.same else Verdict.DIFFERENT, f"by the settings ({said.line()})"
        else:
            renamed = self._renamed(ticker, venue, other) or self._renamed(ticker, other, venue)
            verdict, because = _judged(evidence, renamed, {venue: here.keys(), other: there.keys()})
        return CoinVerdict(ticker, venue, other, verdict, because, evidence)

    def _renamed(self, ticker: str, venue: str, other: str) -> str:
        """Return `other`'s ticker for the coin that `venue` lists under `ticker`; "" where it has the same or none."""
        for chain, coins in sorted(self._known.get((venue, ticker), {}).items()):
            for coin in sorted(coins, key=lambda coin: coin.contract):
                names = self._names.get((other, chain, coin.contract), set())
                if len(names) == 1 and ticker not in names and not coin.contract.startswith(END):
                    return f"the coin {ticker} of {venue} on {chain} is {next(iter(names))} at {other}"
        return ""


def why(
    symbol: str, venues: Sequence[str], table: CoinTable, mids: Mapping[str, Decimal] | None = None
) -> list[CoinVerdict]:
    """Return the verdicts on base and quote of `symbol` for every two of `venues`, in their order; the base's first.

    `mids`: the known mid prices of the symbol, by venue, > 0.
    """
    found = []
    base, quote = Symbol.of(symbol).base_and_quote
    for ticker in (base, quote):
        for venue, other in combinations(venues, 2):
            verdict = table.verdict(ticker, venue, other)
            if ticker == base and mids and venue in mids and other in mids:
                verdict = msgspec.structs.replace(verdict, apart_bps=_apart_bps(mids[venue], mids[other]))
            found.append(verdict)
    return found


def multiple_of(ticker: str) -> int:
    """Return how many coins a ticker means by its name: 1000 for `1000X`, 1000000 for `1MX`, 1 for any other."""
    match = _MULTIPLES.match(ticker)
    return 1 if match is None else _COUNTS.get(match.group(1)) or int(match.group(1))


def in_force(listed: Iterable[Coin], recorded: Iterable[Coin]) -> list[Coin]:
    """Return the entries in force where venues' lists are newer than the recorded ones.

    A list's entry for a ticker replaces all recorded entries of it there. It also replaces those that give its contract to
    another ticker: it may have been reassigned since. Where the list shows only the end of a contract, a recorded entry with
    that end is confirmed and stays.
    """
    newer = list(listed)
    tickers = {(coin.venue, coin.ticker) for coin in newer}
    held = {_place(coin): coin.ticker for coin in newer}
    ends = {(coin.venue, coin.ticker, coin.chain): coin.contract for coin in newer if coin.contract.startswith(END)}

    def stays(coin: Coin) -> bool:
        if held.get(_place(coin), coin.ticker) != coin.ticker:
            return False
        end = ends.get((coin.venue, coin.ticker, coin.chain), "")
        return (coin.venue, coin.ticker) not in tickers or bool(end and contracts_agree(end, coin.contract) is None)

    return [*newer, *filter(stays, recorded)]


def _place(coin: Coin) -> tuple[str, str, str]:
    return coin.venue, coin.chain, coin.contract


def contracts_agree(one: str, other: str) -> bool | None:
    """Return whether two contracts on one chain are the same; None where that is not known: of one only the end, or nothing."""
    if not one or not other:
        return None
    contract, shorter = sorted((one, other), key=lambda text: text.startswith(END))
    if not shorter.startswith(END):
        return contract == shorter
    # In which case an end is written is not known: whether an address is hexadecimal only the whole of it shows.
    end, whole = shorter.removeprefix(END).lower(), contract.removeprefix(END).lower()
    return None if contract != NATIVE and (whole.endswith(end) or end.endswith(whole)) else False


def _compared(chain: str, here: Iterable[Coin], there: Iterable[Coin]) -> ChainEvidence:
    """Return the strongest evidence for one coin among the entries of two venues for a ticker on a chain."""
    found = [
        ChainEvidence(chain, one, other, _agree(one, other))
        for one in sorted(here, key=lambda coin: coin.contract)
        for other in sorted(there, key=lambda coin: coin.contract)
    ]
    return min(found, key=lambda evidence: (True, None, False).index(evidence.agrees))


def _agree(one: Coin, other: Coin) -> bool | None:
    """Return whether two lines are of one coin, both for as many of it; None where too little of a contract is known."""
    if (one.denomination or multiple_of(one.ticker)) != (other.denomination or multiple_of(other.ticker)):
        return False
    return contracts_agree(one.contract, other.contract)


def _judged(
    evidence: Sequence[ChainEvidence], renamed: str, chains: Mapping[str, Iterable[str]]
) -> tuple[Verdict, str]:
    proofs = [one.chain for one in evidence if one.agrees]
    if proofs:
        return Verdict.SAME, f"one contract, or the chain's own coin, on {', '.join(proofs)}"
    if renamed:
        return Verdict.DIFFERENT, renamed
    if any(one.agrees is None for one in evidence):
        return Verdict.UNPROVED, "one of them shows only the end of its contract"
    if evidence:
        return (
            Verdict.DIFFERENT,
            f"other contracts on every chain that both take: {', '.join(e.chain for e in evidence)}",
        )
    unknown = [venue for venue, known in chains.items() if not list(known)]
    if unknown:
        return Verdict.UNPROVED, f"no contract of it is known at {' and '.join(unknown)}"
    return Verdict.UNPROVED, "no chain is common: " + "; ".join(
        f"{v} {', '.join(sorted(c))}" for v, c in chains.items()
    )


def _apart_bps(one: Decimal, other: Decimal) -> Decimal:
    low, high = sorted((one, other))
    return DECIMALS.divide(high - low, low) * 10_000


def _shown(coin: Coin) -> str:
    many = f", {coin.denomination} of it" if coin.denomination > 1 else ""
    return f"{coin.venue} {coin.contract}{many} ({'its list' if coin.source == LIST else coin.source or 'the table'})"
