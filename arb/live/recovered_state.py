"""The journal's state of earlier processes, as a start on these accounts recovers it."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from arb.core.accounts.account_renames import with_present_accounts
from arb.core.accounts.restart import Restored
from arb.core.messages.recovery_records import OpenPair
from arb.market.ids import sandbox_of
from arb.store.journal.reader import JournalState
from arb.venues.kit.base import OrderGateway


class Recoverable(Protocol):
    def last_ns(self) -> int:
        """Return when the last entry was written, 0 for a new journal."""

    def restore(
        self,
        account_ids: Iterable[str] | None = None,
        former_accounts: Mapping[str, str] | None = None,
        now_ns: int | None = None,
    ) -> JournalState:
        """Return the state for a restart on these accounts; raise `StoreError` at an entry that cannot be read.

        `former_accounts`: earlier names of accounts, and their present ones. `now_ns`: entries later than this have no known
        time.
        """


def restored_from(state: JournalState) -> Restored:
    recent = state.recent
    restored = Restored(
        control=state.control,
        pairs=state.pairs,
        residuals=state.residuals,
        agreed=state.agreed,
        last_ns=state.last_ns,
        recent=recent.pairs,
        foreign_orders=recent.foreign_orders,
        foreign_fills=recent.foreign_fills,
        former_accounts=state.remembered_accounts,
    )
    return with_present_accounts(restored, state.former_accounts)


def restored_on(journal: Recoverable, gateways: Iterable[OrderGateway], now_ns: int | None = None) -> JournalState:
    """Return the state for a restart on these gateways' accounts; they have been started. Raises `StoreError`."""
    started = tuple(gateways)
    former = {name: gateway.account_id for gateway in started for name in gateway.former_ids}
    return journal.restore([gateway.account_id for gateway in started], former, now_ns)


def left_open(journal: Recoverable, sandbox_id: str | None) -> list[OpenPair]:
    """Return the unfinished pairs in a journal, except those of a sandbox that is gone. Raises `StoreError`."""
    return [
        pair
        for pair in journal.restore(()).pairs
        if any(sandbox_of(order.account_id) in (None, sandbox_id) for order in pair.orders)
    ]


def present_accounts(gateways: Mapping[str, OrderGateway], former: Mapping[str, str]) -> dict[str, str]:
    """Return the accounts by venue, by the names that count.

    A venue that does not report its id today, and did under the same key before, still has the same account. `former`: names
    that accounts had before, with the present ones.
    """
    return {venue: former.get(gateway.account_id, gateway.account_id) for venue, gateway in gateways.items()}
