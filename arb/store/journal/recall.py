"""Search the whole journal for our orders and their pairs, however old.

The journal's rows are never dropped, so a plan is found as long as the journal is there. Two passes: one finds the
pairs, by the names of their orders or by the number that a pair has in later processes; the other reads their rows.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import closing

from arb.core.accounts.account_renames import pair_with_present_accounts
from arb.core.messages.commands import RecallOrders
from arb.core.messages.events import OrdersRecalled
from arb.core.messages.records import FillRecord, OrderRecord, PairRecord
from arb.core.messages.recovery_records import OpenPair, PlanRecord
from arb.market.ids import PROCESS_PART, decode, is_again, number_again, pair_part
from arb.store.journal.blocks import Line
from arb.store.journal.journal import Journal
from arb.store.journal.reader import ROW, JournalReader

_STARTED = re.compile(r'"nonce":(\d+)')
_PLANNED = re.compile(r'"PlanRecord","pair_id":(\d+)')


def recall(journal: Journal, command: RecallOrders, former_accounts: Mapping[str, str]) -> OrdersRecalled:
    """Return a journal's (a file's) knowledge of orders, on any thread.

    Raises `StoreError` or `ConfigError` when it cannot be read. `former_accounts`: earlier names of accounts, with the
    present.
    """
    with closing(journal.reader()) as reader:
        search = _Search(command)
        for line in reader.lines():
            search.take(line, reader)
        pairs = _pairs(reader, search.found)
    known = {order.client_order_id for pair in pairs for order in pair.orders}
    lost, strangers = search.without_a_pair(known)
    return OrdersRecalled(
        venue=command.venue,
        orders=command.orders,
        pairs=tuple(pair_with_present_accounts(pair, former_accounts) for pair in pairs),
        lost=lost,
        strangers=strangers,
    )


class _Search:
    """The first pass: the pairs of the orders, and the journal's facts of their processes."""

    def __init__(self, command: RecallOrders) -> None:
        self.found: set[int] = set()
        self._venue = command.venue
        self._names = {name: parts for _, name in command.orders if name and (parts := decode(name))}
        self._pair_parts = {pair_part(name) for name in self._names}
        self._again = {parts.pair_number for parts in self._names.values() if is_again(parts.pair_number)}
        self._nonces = {parts.nonce for parts in self._names.values()}
        self._texts = {name[:PROCESS_PART] for name in self._names}
        # An order without a client order id is found by the name that its venue gave it.
        self._venue_ids = {number for number, name in command.orders if name is None}
        self._texts |= {f'"venue_order_id":"{number}"' for number in self._venue_ids}
        # The greatest number of a pair that each of these processes has opened.
        self._newest: dict[int, int] = {}

    def take(self, line: Line, reader: JournalReader) -> None:
        if line.type == "RunStarted":
            started = _STARTED.search(line.payload)
            if started and int(started[1]) in self._nonces:
                self._newest.setdefault(int(started[1]), 0)
        elif line.type == ROW:
            if (
                self._again
                and (planned := _PLANNED.search(line.payload))
                and number_again(int(planned[1])) in self._again
            ):
                self.found.add(int(planned[1]))
            if '"OrderRecord"' in line.payload and any(text in line.payload for text in self._texts):
                self._take_order(reader.record(line))

    def _take_order(self, order: object) -> None:
        if not isinstance(order, OrderRecord) or order.pair_trade_id is None:
            return
        name = order.client_order_id or ""
        if pair_part(name) in self._pair_parts or (
            order.venue == self._venue and order.venue_order_id in self._venue_ids
        ):
            self.found.add(order.pair_trade_id)
        parts = decode(name)
        if parts is not None and parts.nonce in self._nonces:
            number = 0 if is_again(parts.pair_number) else parts.pair_number
            self._newest[parts.nonce] = max(number, self._newest.get(parts.nonce, 0))

    def without_a_pair(self, known: Iterable[str | None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return those that a power cut may have taken from the journal, and those of processes that never wrote into it."""
        parts_known = {pair_part(name) for name in known if name}
        left = {name: parts for name, parts in self._names.items() if pair_part(name) not in parts_known}
        strangers = [name for name, parts in left.items() if parts.nonce not in self._newest]
        lost = [
            name
            for name, parts in left.items()
            if not is_again(parts.pair_number) and parts.pair_number > self._newest.get(parts.nonce, parts.pair_number)
        ]
        return tuple(lost), tuple(strangers)


def _pairs(reader: JournalReader, pair_ids: set[int]) -> list[OpenPair]:
    """Return pairs as the journal has them, each row in its last state."""
    plans: dict[int, PlanRecord] = {}
    pairs: dict[int, PairRecord] = {}
    orders: dict[int, OrderRecord] = {}
    fills: dict[int, FillRecord] = {}
    texts = {str(pair_id) for pair_id in pair_ids}
    for line in reader.lines(rows_only=True) if pair_ids else ():
        if not any(text in line.payload for text in texts):
            continue
        match reader.record(line):
            case PlanRecord(pair_id=pair_id) as plan if pair_id in pair_ids:
                plans[pair_id] = plan
            case PairRecord(id=pair_id) as pair if pair_id in pair_ids:
                pairs[pair_id] = pair
            case OrderRecord(pair_trade_id=pair_id) as order if pair_id in pair_ids:
                orders[order.id] = order
                texts.add(str(order.id))  # which its fills name
            case FillRecord(order_id=order_id) as fill if order_id in orders:
                fills[fill.id] = fill
    return [
        OpenPair(
            plan=plans[pair_id],
            pair=pair,
            orders=tuple(own := [order for order in orders.values() if order.pair_trade_id == pair_id]),
            fills=tuple(fill for fill in fills.values() if any(order.id == fill.order_id for order in own)),
        )
        for pair_id, pair in sorted(pairs.items())
        if pair_id in plans
    ]
