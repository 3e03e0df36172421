"""Whose accounts a run is on: what its gateways call them, and what they were called before."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from arb.store.journal_reader import JournalState
from arb.venues.base import OrderGateway


class Restoring(Protocol):
    """What can be taken up of a journal."""

    def restore(
        self, account_ids: Iterable[str] | None = None, former_accounts: Mapping[str, str] | None = None
    ) -> JournalState:
        """Return what a restart on these accounts needs; raise `StoreError` at an entry that cannot be read.

        `former_accounts`: what accounts were called before, and what they are called now.
        """


def restored_on(journal: Restoring, gateways: Iterable[OrderGateway]) -> JournalState:
    """Return what a restart on these gateways' accounts needs; they have been started. Raises `StoreError`."""
    started = tuple(gateways)
    former = {name: gateway.account_id for gateway in started for name in gateway.former_ids}
    return journal.restore([gateway.account_id for gateway in started], former)


def present_accounts(gateways: Mapping[str, OrderGateway], state: JournalState) -> dict[str, str]:
    """Return the accounts by venue, by the names that count.

    A venue that does not tell its id today, and did under the same key before, still has the same account.
    """
    former = state.former_accounts
    return {venue: former.get(gateway.account_id, gateway.account_id) for venue, gateway in gateways.items()}
