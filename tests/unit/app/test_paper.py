"""What a paper run is built from: accounts of its own, and questions that go the way of their site."""

import asyncio
import random
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from arb.app.build import build_paper_gateways, sites_of
from arb.app.run import Run
from arb.config import Mode, RunOptions, Settings
from arb.config.loader import load_text
from arb.core.books.books import Books
from arb.errors import ConfigError, VenueUnreachable
from arb.live.parts import Parts
from arb.store.journal.account_file import AccountFile
from arb.store.journal.journal import Journal
from arb.venues.build import address_allowances
from tests.unit.venues.test_site_headers import Nowhere
from tests.virtual import a_clock, run_virtual

DEMOS = '[venues.gate]\nenabled = false\n[venues.okx]\nenvironment = "demo"\n[venues.bitget]\nenvironment = "demo"\n'


@pytest.mark.parametrize(("first", "then"), [("", DEMOS), (DEMOS, "")])
def test_demos_and_real_venues_share_no_ledger_whatever_is_asked_for(tmp_path: Path, first: str, then: str) -> None:
    db = f"sqlite:///{tmp_path}/a.sqlite"

    async def begin(text: str) -> str:
        settings = load_text(text, Settings, "config.toml")
        run = Run(settings, RunOptions(mode=Mode.PAPER, db=db))
        with closing(Journal.open(tmp_path / "a.journal.sqlite", a_clock())) as journal:
            async with run._opened(journal, None):
                return run.kind.mark

    assert asyncio.run(begin(first)) == ("PAPER DEMO" if first else "PAPER")
    with pytest.raises(ConfigError, match="choose another --db"):
        asyncio.run(begin(then))


def no_books() -> Books:
    """Return what nothing asks for before a run trades."""
    raise AssertionError("no order is under way")


def test_what_is_read_of_a_venue_goes_by_the_runs_own_network_to_the_site_that_is_set(tmp_path: Path) -> None:
    settings = load_text(DEMOS, Settings, "config.toml")
    clock, network, sites = a_clock(), Nowhere(), sites_of(settings, None)

    async def story() -> None:
        for gateway in gateways.values():
            with pytest.raises(VenueUnreachable, match="nowhere"):
                await gateway.start()
            await gateway.close()

    with closing(AccountFile(tmp_path / "a.journal.sqlite", random.Random(1), "demo")) as accounts:
        gateways = build_paper_gateways(
            settings,
            sites,
            accounts,
            no_books,
            clock,
            random.Random(1),
            network,
            None,
            address_allowances(sites, clock),
            {},
        )
        run_virtual(story(), clock)
    asked = {(urlsplit(request.url).hostname, *request.headers) for request in network.requests}
    assert asked == {("www.okx.com", "x-simulated-trading"), ("api.bitget.com", "paptrading")}


def test_paper_on_real_feeds_asks_whether_tickers_are_the_same_coins_and_refuses_none(tmp_path: Path) -> None:
    options = RunOptions(mode=Mode.PAPER, db=f"sqlite:///{tmp_path}/a.sqlite")

    async def story() -> Parts:
        run, journal = Run(Settings(), options), Journal.open(tmp_path / "a.journal.sqlite", a_clock())
        with closing(journal):
            async with run._opened(journal, None) as (gateways, claims):
                return run._parts(journal, None, gateways, claims)

    parts = asyncio.run(story())
    assert (parts.mode, parts.sandbox_id) == ("paper", None)
    coins = parts.settings.coins
    assert coins is not None and not coins.refuse_unproved and {coin.ticker for coin in coins.coins} >= {"BTC", "USDT"}
