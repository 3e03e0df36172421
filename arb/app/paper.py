"""The parts only a paper run has: simulated accounts at venues read without a key."""

import random
from collections.abc import Callable, Mapping

from arb.clock import Clock
from arb.config import Settings
from arb.core.books.books import Books
from arb.market.ids import named_by_venue
from arb.store.journal.account_file import AccountFile
from arb.venues.build import build_paper_source
from arb.venues.kit.endpoints import Credentials, Site
from arb.venues.kit.rules.pacing import AddressAllowance
from arb.venues.paper.account import PaperAccount
from arb.venues.paper.gateway import PaperGateway
from arb.venues.registry import spec_of
from arb.venues.transport.network import Network

OPENING_PAIRS = 10
"""The balance of a new paper account, of each asset, in pairs of `max_notional_quote`."""


def build_paper_gateways(
    settings: Settings,
    sites: Mapping[str, Site],
    accounts: AccountFile,
    books: Callable[[], Books],
    clock: Clock,
    rng: random.Random,
    network: Network,
    sandbox_id: str | None,
    addresses: Mapping[str, AddressAllowance],
    list_keys: Mapping[str, Credentials],
) -> dict[str, PaperGateway]:
    """Return a gateway that simulates an account at every venue; none of them can reach one with an order.

    `addresses`: shared with the venues' public connections. `list_keys`: for the currency lists, by venue. A new
    account is given `[paper] balances`, else the cost of `OPENING_PAIRS` of the largest pairs in each asset.
    """
    paper = settings.paper
    gateways: dict[str, PaperGateway] = {}
    for venue, site in sites.items():
        account_id = named_by_venue(venue, f"paper{accounts.token}", sandbox_id)
        fee = paper.taker_fee(venue)
        gateways[venue] = PaperGateway(
            build_paper_source(
                spec_of(venue),
                site,
                fee,
                clock=clock,
                rng=rng,
                network=network,
                address=addresses[venue],
                list_key=list_keys.get(venue),
            ),
            PaperAccount(account_id, accounts, clock.wall_ns()),
            venue,
            books,
            clock=clock,
            latency_ns=paper.latency_ns(venue),
            opening=paper.balances or OPENING_PAIRS * settings.limits.max_notional_quote,
        )
    return gateways
