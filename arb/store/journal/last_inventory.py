"""The inventory at the end of a journal's last run: balances that last agreed, every fill since, and currency lists.

Later changes (transfers, manual trades) are not in it. None of our orders is reserved or under way then. The locks of
other programs' orders are not known, so all holdings count as free.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext

import msgspec

from arb.core.messages.events import CurrenciesListed
from arb.core.messages.records import BalanceRecord, FillRecord, tag_of
from arb.core.messages.recovery_records import AgreedAccount, AgreedRecord
from arb.core.state.positions.holdings import Held, KnownInventory
from arb.errors import StoreError
from arb.market.kinds import kind_of
from arb.market.numbers import DECIMALS, ZERO
from arb.market.symbol import Symbol
from arb.market.wallets import Wallets
from arb.store.journal.reader import ROW, SUB_BITS, JournalReader

_LISTED = tag_of(CurrenciesListed)
_ROWS = tuple(f'"type":"{tag_of(kind)}"' for kind in (BalanceRecord, FillRecord, AgreedRecord))


class _Row(msgspec.Struct):
    record: BalanceRecord | FillRecord | AgreedRecord


_RECORDS = msgspec.json.Decoder(_Row)
_LISTS = msgspec.json.Decoder(CurrenciesListed)


def last_inventory(journal: JournalReader, run_id: int, started_ns: int) -> KnownInventory | None:
    """Return the inventory of run `run_id`, which began at `started_ns`; None where no balance was reported in it.

    Raises `StoreError` at an entry that cannot be read.
    """
    accounts: dict[str, str] = {}
    fills: dict[int, FillRecord] = {}
    agreed: AgreedRecord | None = None
    wallets, assets = Wallets(), defaultdict[str, set[str]](set)
    for message in _messages(journal, started_ns):
        match message:
            case CurrenciesListed():
                wallets.take(message.venue, message.assets, message.chains)
                assets[message.venue].update(message.assets)
            case BalanceRecord() if message.run_id == run_id:
                accounts[message.account_id] = message.venue
            case FillRecord():
                fills[message.id] = message
            case AgreedRecord():
                agreed = message
    if not accounts or agreed is None:
        return None
    latest = sorted(fills.values(), key=lambda fill: fill.received_ns)
    return KnownInventory(
        ns=journal.last_ns(),
        held={
            accounts[one.account_id]: {
                asset: Held(max(ZERO, amount), max(ZERO, amount)) for asset, amount in _since(one, latest).items()
            }
            for one in agreed.accounts
            if one.account_id in accounts
        },
        chains={
            venue: chains
            for venue, named in assets.items()
            if (chains := tuple(chain for asset in sorted(named) for chain in wallets.of(venue, asset)))
        },
        prices={
            asset: price
            for fill in latest
            for asset, price in zip(Symbol.of(fill.symbol).base_and_quote, (fill.price, Decimal(1)), strict=True)
        },
    )


class ReconciledBalance(msgspec.Struct, frozen=True, kw_only=True):
    """An asset at a venue: its last report, at `reported_ns`, and our own books at that time.

    Our books are the last agreed balance, at `agreed_ns`, and all fills received from then on until the report; None:
    nothing agreed in the time that was read. Not every report that agreed is in the journal: where the last agreement
    is later than the last report there, it is the last report. Amounts in the asset, locks of orders included; instants
    in ns UTC.
    """

    venue: str
    account_id: str
    asset: str
    reported: Decimal
    reported_ns: int
    computed: Decimal | None
    agreed_ns: int | None


def reconciled_balances(journal: JournalReader, since_ns: int) -> list[ReconciledBalance]:
    """Return the last report of every balance of the last run with our computed one, by the journal since an instant.

    Raises `StoreError` at an entry that cannot be read.
    """
    reports: dict[tuple[str, str], BalanceRecord] = {}
    fills: dict[int, FillRecord] = {}
    agreed: dict[str, AgreedAccount] = {}
    for message in _messages(journal, since_ns):
        if isinstance(message, BalanceRecord):
            reports[message.account_id, message.asset] = message
        elif isinstance(message, FillRecord):
            fills[message.id] = message
        elif isinstance(message, AgreedRecord):
            agreed = {one.account_id: one for one in message.accounts}
    found = []
    run_id = max((report.run_id for report in reports.values()), default=0)
    for (account_id, asset), report in sorted(reports.items(), key=lambda item: (item[1].venue, item[0])):
        one = agreed.get(account_id)
        if report.run_id != run_id:
            continue
        total, at_ns = report.free + report.locked, report.ns
        if one is not None and one.ns >= at_ns:
            total, at_ns = one.totals.get(asset, ZERO), one.ns
        before = [fill for fill in fills.values() if fill.received_ns <= at_ns]
        found.append(
            ReconciledBalance(
                venue=report.venue,
                account_id=account_id,
                asset=asset,
                reported=total,
                reported_ns=at_ns,
                computed=None if one is None else _since(one, before).get(asset, ZERO),
                agreed_ns=None if one is None else one.ns,
            )
        )
    return found


def _since(agreed: AgreedAccount, fills: Iterable[FillRecord]) -> dict[str, Decimal]:
    """Return an account's last agreed balance, moved by all fills since."""
    totals = defaultdict[str, Decimal](Decimal, agreed.totals)
    with localcontext(DECIMALS):
        for fill in fills:
            if fill.account_id == agreed.account_id and fill.received_ns > agreed.ns:
                for asset, amount in kind_of(fill.symbol).flows(fill).items():
                    totals[asset] += amount
    return totals


def _messages(
    journal: JournalReader, since_ns: int
) -> Iterator[CurrenciesListed | BalanceRecord | FillRecord | AgreedRecord]:
    for line in journal.lines(since_ns=since_ns):
        try:
            if line.type == _LISTED:
                yield _LISTS.decode(line.payload)
            elif line.type == ROW and any(tag in line.payload for tag in _ROWS):
                yield _RECORDS.decode(line.payload).record
        except (msgspec.MsgspecError, TypeError) as error:
            raise StoreError(f"journal {journal.path}: entry {line.id >> SUB_BITS} cannot be read: {error}") from None
