"""Shared by venues' currency lists: chains by our names, contracts in one form, rows that do not hide one another.

A list names chains as the venue does; `chains.csv` maps the names that could be identified. A contract is written as
the chain writes it, or not kept: venues also put internal ids and marks there (`invalid-...`, `..._bak`, `0`), which
prove nothing. Without a contract an asset is the chain's own coin only where `chains.csv` confirms it.
"""

import csv
import re
from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from arb.market.coins import END, NATIVE
from arb.market.wallets import CurrencyChain
from arb.venues.kit.call import LONG_ANSWER_BYTES_MAX, Call
from arb.venues.kit.fields import Fields, read_rows, rows_at

_HEX = re.compile(r"0x[0-9a-fA-F]+")
_ETHEREUM_LIKE = re.compile(r"0x[0-9a-fA-F]{40}")
_ANY = re.compile(r"[0-9A-Za-z:_.-]{3,200}")
_NO_CONTRACT = re.compile(r"invalid|(?:0x)?0*$|.*_bak$", re.IGNORECASE)
_END = re.compile(r"[0-9A-Za-z]{4,8}")

CurrencyRows = Generator[None, None, list[CurrencyChain]]
"""Reads a currency list row by row, and returns its chains: thousands of rows at once would hold up the loop."""


class Chain(msgspec.Struct, frozen=True):
    """A chain by our name, the tickers of its native coin, and whether contracts there are written as Ethereum's."""

    name: str
    coins: frozenset[str]
    ethereum_like: bool


@cache
def chains() -> Mapping[tuple[str, str], Chain]:
    """Return the chains by (venue, the venue's name of it)."""
    text = resources.files("arb.venues.kit").joinpath("chains.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    known: dict[tuple[str, str], Chain] = {}
    for row in rows:
        chain = Chain(row["chain"], frozenset(filter(None, row["coin"].split("|"))), row["contracts"] == "0x")
        for venue, names in list(row.items())[3:-1]:
            known.update({(venue, name): chain for name in names.split("|") if name})
    return known


def ethereum_like() -> frozenset[str]:
    return frozenset(chain.name for chain in chains().values() if chain.ethereum_like)


def identified(venue: str, asset: str, named: str, contract: str | None) -> tuple[str, str]:
    """Return the chain of a row by our name, and the contract in one form; "" for unknown ones.

    `contract`: as the row has it; None or "" where it has none.
    """
    chain = chains().get((venue, named))
    if chain is None:
        return "", ""
    if not contract or contract.isspace():
        return chain.name, NATIVE if asset in chain.coins else ""
    contract = contract.strip()
    if _NO_CONTRACT.match(contract) or not (_ETHEREUM_LIKE if chain.ethereum_like else _ANY).fullmatch(contract):
        return chain.name, ""
    return chain.name, contract.lower() if _HEX.fullmatch(contract) else contract


def identified_end(venue: str, asset: str, named: str, end: str | None) -> tuple[str, str]:
    """Return as `identified` does for a venue that may show no more than the end of a contract."""
    if end and _END.fullmatch(end.strip()):
        name = identified(venue, asset, named, None)[0]
        return name, END + end.strip() if name else ""
    return identified(venue, asset, named, end)


def given_flag(fields: Fields, key: str) -> bool | None:
    return fields.flag(key) if fields.raw(key) is not None else None


class CurrencyForm(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue writes its currency list: the path to its rows, and the names of their fields, "" for those it lacks.

    `one_row`: a body may be one row, and no list. `chains`: the list of chains in a row; "" where each row is of one
    chain. `identify` reads chain and contract from (venue, asset, chain and contract as written). `former_fee`: the
    older name of `withdrawal_fee`. `arrival_min` is in minutes. Methods raise `VenueProtocolError`.
    """

    venue: str
    path: tuple[str, ...] = ()
    one_row: bool = False
    asset: str
    chains: str = ""
    chain: str = "chain"
    contract: str
    identify: Callable[[str, str, str, str | None], tuple[str, str]] = identified
    denomination: str = ""
    deposit: str
    withdrawal: str
    flag: Callable[[Fields, str], bool | None] = given_flag
    withdrawal_fee: str = ""
    former_fee: str = ""
    withdrawal_fee_rate: str = ""
    withdrawal_min: str = ""
    deposit_min: str = ""
    confirmations: str = ""
    arrival_min: str = ""

    def rows(self, body: Any) -> list[Any]:
        if self.one_row and isinstance(body, dict):
            return [body]
        return rows_at(self.venue, "coins", self.path, body)

    def read(self, raw: Any) -> Iterator[CurrencyChain]:
        fields = Fields(self.venue, "coin", raw)
        asset = fields.text(self.asset)
        for one in fields.objects(self.chains) if self.chains else [fields]:
            named = one.text(self.chain)
            chain, contract = self.identify(self.venue, asset, named, one.maybe_text(self.contract))
            fee = self.withdrawal_fee if one.has(self.withdrawal_fee) else self.former_fee
            minutes = _count(one, self.arrival_min)
            yield CurrencyChain(
                asset=asset,
                named=named,
                chain=chain,
                contract=contract,
                denomination=_count(one, self.denomination) or 0,
                deposit=self.flag(one, self.deposit),
                withdrawal=self.flag(one, self.withdrawal),
                withdrawal_fee=_amount(one, fee),
                withdrawal_fee_rate=_amount(one, self.withdrawal_fee_rate),
                withdrawal_min=_amount(one, self.withdrawal_min),
                deposit_min=_amount(one, self.deposit_min),
                confirmations=_count(one, self.confirmations),
                arrival_s=None if minutes is None else minutes * 60,
            )

    def chains_in(self, body: Any, assets: Container[str]) -> CurrencyRows:
        """Return the rows of `assets` in a list. An unreadable row does not hide the others.

        Raises `VenueProtocolError` for a body that is no list, or one in which not one row can be read.
        """
        wanted = yield from read_rows(
            self.venue,
            "rows of the currency list",
            self.rows(body),
            lambda raw: [chain for chain in self.read(raw) if chain.asset in assets],
        )
        return [chain for chains in wanted for chain in chains]


def few(assets: Sequence[str], most: int) -> bool:
    """Return whether these are few enough, and plain enough for an address, to be asked for one by one, not as a whole list."""
    return len(assets) <= most and all(asset.isascii() and asset.isalnum() for asset in assets)


def whole(call: Call) -> tuple[Call, ...]:
    return (msgspec.structs.replace(call, answer_bytes_max=LONG_ANSWER_BYTES_MAX),)


def _amount(fields: Fields, key: str) -> Decimal | None:
    return fields.not_negative(key) if key and fields.has(key) else None


def _count(fields: Fields, key: str) -> int | None:
    if not key or not fields.has(key):
        return None
    count = fields.whole(key)
    if count < 0:
        raise fields.bad(key, f"below 0: {count}")
    return count
